/*
 * Events of the log's own: they have a seq, are chained and verified, and every way of reading passes over
 * them unless it is asked for them.
 */
#include "log.h"
#include "note.h"
#include "test.h"

#define TYPE "org.example.sent.v1"
#define OWN "evlog.tested.v1"

struct place {
    evlog *log;
    evlog_signal *signal;
};

static void send_one(struct place *place)
{
    OK(evlog_send_event(place->signal, "\x80", 1, NULL, NULL));
}

static void note_one(struct place *place)
{
    OK(note_append(place->log->store, OWN, SMALL_MAP("\x07"), 4));
}

/* Events 1 and 4 are sent, 2, 3 and 5 are the log's own. */
static struct place make_log(const void *home)
{
    struct place place;
    OK(evlog_open(in(home, "log"), NULL, &place.log));
    OK(evlog_define(place.log, TYPE, 0, NULL, &place.signal));
    send_one(&place);
    note_one(&place);
    note_one(&place);
    send_one(&place);
    note_one(&place);
    return place;
}

/* The seqs that were heard, as digits. */
static int hear(const evlog_event *event, void *ctx)
{
    char *heard = ctx;
    size_t size = strlen(heard);
    heard[size] = (char)('0' + event->seq);
    heard[size + 1] = '\0';
    return 0;
}

/* evlog_read has them, whole; they count, are verified, and are waited for. */
static void they_are_events(void **state)
{
    struct place place = make_log(*state);
    evlog_event *event;
    evlog_info info;
    uint64_t last;
    OK(evlog_read(place.log, 3, &event));
    assert_string_equal(event->event_type, OWN);
    assert_string_equal(event->source, "evlog");
    assert_string_equal(event->sourcelib, EVLOG_VERSION);
    assert_int_equal(event->data_size, 4);
    assert_memory_equal(event->data, SMALL_MAP("\x07"), 4);
    assert_null(event->schema);
    assert_null(event->signal);
    evlog_event_free(event);
    OK(evlog_inspect(place.log, &info));
    assert_int_equal(info.last_seq, 5);
    OK(evlog_verify(place.log, NULL, NULL, &last));
    assert_int_equal(last, 5);
    OK(evlog_wait(place.log, 4, 0, &last));
    assert_int_equal(last, 5);
    OK(evlog_close(place.log));
}

/* A range gives them only when a type that is asked for names them. */
static void ranges_pass_over_them(void **state)
{
    static const struct {
        const char *types[2];
        size_t count;
        const char *seqs, *reversed;
    } table[] = {
        {{NULL}, 0, "14", "41"},
        {{"*"}, 1, "14", "41"},
        {{"e*"}, 1, "", ""},
        {{"evlog*"}, 1, "", ""},
        {{TYPE}, 1, "14", "41"},
        {{"evlog.*"}, 1, "235", "532"},
        {{OWN}, 1, "235", "532"},
        {{"evlog.other.v1"}, 1, "", ""},
        {{"*", "evlog.*"}, 2, "12345", "54321"},
    };
    struct place place = make_log(*state);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        evlog_range range = {.types = table[i].types, .type_count = table[i].count};
        char heard[16] = "", reversed[16] = "";
        OK(evlog_replay(place.log, &range, hear, heard, NULL));
        range.newest_first = true;
        OK(evlog_replay(place.log, &range, hear, reversed, NULL));
        assert_string_equal(heard, table[i].seqs);
        assert_string_equal(reversed, table[i].reversed);
        assert_int_equal(evlog_type_matches(table[i].types, table[i].count, OWN),
                         strchr(table[i].seqs, '2') != NULL);
    }
    OK(evlog_close(place.log));
}

/* Live and late receivers, of one signal and of all, do not hear them. */
static void receivers_do_not_hear_them(void **state)
{
    char live[16] = "", late[16] = "", last[16] = "", again[16] = "";
    struct place place = make_log(*state);
    OK(evlog_connect(place.log, NULL, "live", hear, live, NULL));
    OK(evlog_connect(place.log, NULL, "late", hear, late,
                     &(evlog_connect_options){.start = EVLOG_START_FIRST}));
    OK(evlog_connect(place.log, NULL, "last", hear, last,
                     &(evlog_connect_options){.start = EVLOG_START_LAST, .start_count = 1}));
    note_one(&place);
    send_one(&place);
    assert_string_equal(live, "7");
    assert_string_equal(late, "147");
    assert_string_equal(last, "47");
    OK(evlog_disconnect(place.log, NULL, "live", hear, live));
    OK(evlog_disconnect(place.log, NULL, "late", hear, late));
    OK(evlog_disconnect(place.log, NULL, "last", hear, last));
    OK(evlog_connect(place.log, place.signal, "again", hear, again, NULL));
    OK(evlog_replay_to_receivers(place.log, NULL, NULL));
    assert_string_equal(again, "147");
    OK(evlog_close(place.log));
}

/* A consumer passes over them, its checkpoint too; one that asks gets them. */
static void consumers_pass_over_them(void **state)
{
    static const char *const own[] = {"evlog.*"};
    static const char *const expected[] = {"14", "235"};
    struct place place = make_log(*state);
    for (int i = 0; i < 2; i++) {
        evlog_consumer_options options = {.types = own, .type_count = (size_t)i};
        const char *name = i ? "asks" : "plain";
        evlog_consumer *consumer;
        evlog_consumer_info info;
        const evlog_event *event;
        char heard[16] = "";
        OK(evlog_consumer_open(place.log, name, &options, &consumer));
        for (;;) {
            OK(evlog_consumer_next(consumer, 0, &event));
            if (!event)
                break;
            hear(event, heard);
            OK(evlog_consumer_done(consumer, event->seq));
        }
        OK(evlog_consumer_close(consumer));
        assert_string_equal(heard, expected[i]);
        OK(inspect_into(place.log, name, &info));
        assert_int_equal(info.checkpoint, 5);
        assert_int_equal(info.parked_count, 0);
    }
    OK(evlog_close(place.log));
}

static int list_type(const evlog_type *type, void *ctx)
{
    strcat(strcat(ctx, type->name), " ");
    return 0;
}

/* They are in the list of types, untyped, and nobody can define or send one. */
static void nobody_else_makes_them(void **state)
{
    char types[100] = "";
    evlog_signal *signal;
    struct place place = make_log(*state);
    FAILS(EVLOG_INVALID, "the log's own", evlog_define(place.log, OWN, 0, NULL, &signal));
    FAILS(
        EVLOG_INVALID, "the log's own",
        evlog_define(place.log, "evlog.any", 0, "{\"type\":\"record\",\"name\":\"a\"}", &signal));
    OK(evlog_each_type(place.log, list_type, types));
    assert_string_equal(types, TYPE " " OWN " ");
    OK(evlog_close(place.log));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(they_are_events),
        TEST_AT_HOME(ranges_pass_over_them),
        TEST_AT_HOME(receivers_do_not_hear_them),
        TEST_AT_HOME(consumers_pass_over_them),
        TEST_AT_HOME(nobody_else_makes_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
