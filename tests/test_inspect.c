/* Looking at a log: an event by seq and by id, what it waits for, and outputs that are missing. */
#include "damage.h"

#define COUNT 30

static evlog *open_log(const void *home)
{
    evlog *log;
    OK(evlog_open(in(home, "log"), &(evlog_options){.durability = EVLOG_FAST}, &log));
    return log;
}

/* COUNT events; the id of each is its seq % 20 in every byte, so that some come twice. */
static evlog *make_log(const void *home)
{
    evlog *log = open_log(home);
    evlog_signal *signals[2];
    OK(evlog_define(log, "a.even.v1", 0, NULL, &signals[0]));
    OK(evlog_define(log, "a.odd.v1", 0, NULL, &signals[1]));
    for (int seq = 1; seq <= COUNT; seq++) {
        evlog_metadata metadata = {.time_us = 1, .source = "s", .sourcehost = "h"};
        metadata.sourcelib = "1";
        memset(metadata.id, seq % 20, sizeof metadata.id);
        OK(evlog_send_event(signals[seq % 2], "\x80", 1,
                            &(evlog_send_options){.metadata = &metadata}, NULL));
    }
    return log;
}

static const uint8_t *id_of(int number)
{
    static uint8_t id[16];
    memset(id, number, sizeof id);
    return id;
}

/* The seq that a search finds. */
static uint64_t seq_of(evlog *log, int number, const evlog_range *range)
{
    evlog_event *event;
    OK(evlog_find(log, id_of(number), range, &event));
    assert_memory_equal(event->id, id_of(number), 16);
    uint64_t seq = event->seq;
    evlog_event_free(event);
    return seq;
}

/* The newest of the range that has the id; the event is whole. */
static void finds_the_newest_with_the_id(void **state)
{
    static const char *const even[] = {"a.even.v1"};
    evlog *log = make_log(*state);
    evlog_event *event = NULL;
    assert_int_equal(seq_of(log, 15, NULL), 15);
    assert_int_equal(seq_of(log, 7, NULL), 27);
    assert_int_equal(seq_of(log, 7, &(evlog_range){.last_seq = 26}), 7);
    assert_int_equal(seq_of(log, 8, &(evlog_range){.types = even, .type_count = 1}), 28);
    FAILS(EVLOG_NOTFOUND, "no event has the id 07070707-0707-0707-0707-070707070707",
          evlog_find(log, id_of(7), &(evlog_range){.types = even, .type_count = 1}, &event));
    FAILS(EVLOG_NOTFOUND, "no event has the id",
          evlog_find(log, id_of(7), &(evlog_range){.first_seq = 28}, &event));
    FAILS(EVLOG_NOTFOUND, "no event has the id", evlog_find(log, id_of(33), NULL, &event));
    assert_null(event);
    OK(evlog_find(log, id_of(4), NULL, &event));
    OK(evlog_close(log));
    assert_int_equal(event->seq, 24);
    assert_string_equal(event->event_type, "a.even.v1");
    assert_int_equal(event->data_size, 1);
    evlog_event_free(event);
    evlog_event_free(NULL);
}

/* Damage is passed over; without a find, it is not said that there is none. */
static void a_search_passes_over_damage(void **state)
{
    evlog_event *event;
    OK(evlog_close(make_log(*state)));
    const char *path = in(*state, "log/events.mdb");
    file_patch(path, "\xc1", 1, damage_place_of(path, 29).value);
    file_patch(path, "\xc1", 1, damage_place_of(path, 12).value);
    evlog *log = open_log(*state);
    assert_int_equal(seq_of(log, 5, NULL), 25);
    FAILS(EVLOG_DAMAGED, "no event has the id 0c0c0c0c-0c0c-0c0c-0c0c-0c0c0c0c0c0c, but 2 could",
          evlog_find(log, id_of(12), NULL, &event));
    FAILS(EVLOG_NOTFOUND, "no event has the id",
          evlog_find(log, id_of(12), &(evlog_range){.last_seq = 11}, &event));
    OK(evlog_close(log));
}

/* By name or by the beginning of one; without types every one. */
static void types_match_by_name_or_beginning(void **state)
{
    static const char *const types[] = {"a.b.v1", "c.*"}, *const all[] = {"*"};
    (void)state;
    assert_true(evlog_type_matches(types, 2, "a.b.v1"));
    assert_true(evlog_type_matches(types, 2, "c.d.v1"));
    assert_false(evlog_type_matches(types, 1, "c.d.v1"));
    assert_false(evlog_type_matches(types, 2, "a.b.v11"));
    assert_false(evlog_type_matches(types, 2, "a.b.v"));
    assert_true(evlog_type_matches(all, 1, "x"));
    assert_true(evlog_type_matches(NULL, 0, "x"));
}

/* What must be given is asked for; nothing is touched. */
static void missing_arguments_are_refused(void **state)
{
    evlog *log = make_log(*state);
    evlog_event *event = NULL;
    uint64_t last = 7;
    FAILS(EVLOG_INVALID, "no place for the event", evlog_read(log, 1, NULL));
    FAILS(EVLOG_INVALID, "no log", evlog_read(NULL, 1, &event));
    FAILS(EVLOG_INVALID, "no place for the event", evlog_find(log, id_of(1), NULL, NULL));
    FAILS(EVLOG_INVALID, "no id", evlog_find(log, NULL, NULL, &event));
    FAILS(EVLOG_INVALID, "no log", evlog_find(NULL, id_of(1), NULL, &event));
    FAILS(EVLOG_INVALID, "first seq",
          evlog_find(log, id_of(1), &(evlog_range){.first_seq = 2, .last_seq = 1}, &event));
    FAILS(EVLOG_INVALID, "no place for the last seq", evlog_wait(log, 0, 0, NULL));
    FAILS(EVLOG_INVALID, "no log", evlog_wait(NULL, 0, 0, &last));
    FAILS(EVLOG_INVALID, "no place for the info", evlog_inspect(log, NULL));
    FAILS(EVLOG_INVALID, "no function", evlog_each_type(log, NULL, NULL));
    assert_null(event);
    assert_int_equal(last, 7);
    OK(evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_close(log));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(finds_the_newest_with_the_id),
        TEST_AT_HOME(a_search_passes_over_damage),
        cmocka_unit_test(types_match_by_name_or_beginning),
        TEST_AT_HOME(missing_arguments_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
