/*
 * Files put back one by one, as from backups: an older state.mdb makes types unknown, never others,
 * and defining them mends it; another log's files are not written to.
 */
#include "damage.h"
#include "trimmed.h"

#define FIRST "org.example.first.v1"
#define SECOND "org.example.second.v1"
#define THIRD "org.example.third.v1"

static const char *const files[] = {"format", "events.mdb", "state.mdb"};

static evlog *open_log(const char *path)
{
    evlog *log;
    OK(evlog_open(path, NULL, &log));
    return log;
}

static void send_some(const char *path, const char *type, int count)
{
    evlog *log = open_log(path);
    evlog_signal *signal;
    OK(evlog_define(log, type, 0, NULL, &signal));
    for (int i = 0; i < count; i++)
        OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    OK(evlog_close(log));
}

static void define_again(const char *path, const char *type)
{
    send_some(path, type, 0);
}

/* Copies a log's file over another's; liblmdb's lock files go, as a restore would leave them out. */
static void put_back(const void *home, const char *from, const char *to, const char *file)
{
    char source[64], target[64], lock[80];
    snprintf(source, sizeof source, "%s/%s", from, file);
    snprintf(target, sizeof target, "%s/%s", to, file);
    snprintf(lock, sizeof lock, "%s-lock", target);
    struct bytes bytes = file_read(in(home, source));
    file_write(in(home, target), bytes.at, bytes.size);
    free(bytes.at);
    unlink(in(home, lock));
}

/* What a replay finds: a letter for each event, by its type; '?' where it cannot be read. */
static void read_all(const char *path, char *letters)
{
    evlog *log;
    evlog_cursor *cursor;
    const evlog_event *event;
    OK(evlog_open(path, &(evlog_options){.read_only = true}, &log));
    OK(evlog_cursor_open(log, NULL, &cursor));
    for (;;) {
        int result = evlog_cursor_next(cursor, &event);
        if (result == EVLOG_OK && !event)
            break;
        *letters++ = result == EVLOG_DAMAGED ? '?' : event->event_type[strlen("org.example.")];
    }
    *letters = '\0';
    OK(evlog_cursor_close(cursor));
    OK(evlog_close(log));
}

#define READS(path, expected)                   \
    do {                                        \
        char letters[100];                      \
        read_all(path, letters);                \
        assert_string_equal(letters, expected); \
    } while (0)

static int count_finding(const evlog_finding *finding, uint64_t seq, void *ctx)
{
    (void)seq;
    if (finding && strstr(finding->text, "another log's"))
        ++*(int *)ctx;
    return 0;
}

/* An older state.mdb: the type defined since is unknown, whatever was defined after; and mended. */
static void an_older_state_makes_nothing_else_of_an_event(void **state)
{
    const char *path = strdup(in(*state, "log"));
    send_some(path, FIRST, 2);
    OK(mkdir(in(*state, "backup"), 0700));
    put_back(*state, "log", "backup", "state.mdb");
    send_some(path, SECOND, 2);
    READS(path, "ffss");
    put_back(*state, "backup", "log", "state.mdb");
    READS(path, "ff??");
    send_some(path, THIRD, 1);
    READS(path, "ff??t");
    evlog *log = open_log(path);
    evlog_event *event;
    FAILS(EVLOG_DAMAGED, "names event type", evlog_read(log, 3, &event));
    FAILS(EVLOG_DAMAGED, "findings", evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_close(log));
    define_again(path, SECOND);
    READS(path, "ffsst");
    log = open_log(path);
    OK(evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_close(log));
    free((char *)path);
}

/* A consumer whose checkpoint is the older one gets what came since again. */
static void an_older_checkpoint_gives_events_again(void **state)
{
    const char *path = strdup(in(*state, "log"));
    evlog_consumer *consumer;
    const evlog_event *event;
    send_some(path, FIRST, 4);
    for (int round = 0; round < 2; round++) {
        evlog *log = open_log(path);
        OK(evlog_consumer_open(log, "c", NULL, &consumer));
        for (uint64_t seq = 1 + 2 * (uint64_t)(round > 0); seq <= 4; seq++) {
            OK(evlog_consumer_next(consumer, 0, &event));
            assert_int_equal(event->seq, seq);
            OK(acknowledge(consumer, seq));
            if (round == 0 && seq == 2)
                break;
        }
        OK(evlog_consumer_close(consumer));
        OK(evlog_close(log));
        if (round == 0) {
            OK(mkdir(in(*state, "backup"), 0700));
            put_back(*state, "log", "backup", "state.mdb");
        }
    }
    put_back(*state, "backup", "log", "state.mdb");
    evlog *log = open_log(path);
    OK(evlog_consumer_open(log, "c", NULL, &consumer));
    OK(evlog_consumer_next(consumer, 0, &event));
    assert_int_equal(event->seq, 3);
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(log));
    free((char *)path);
}

/* Opening for writing is refused, for reading not; verify reports it. */
static void assert_refused(const char *path, int code, const char *words)
{
    evlog *log;
    int count = 0;
    FAILS(code, words, evlog_open(path, NULL, &log));
    OK(evlog_open(path, &(evlog_options){.read_only = true}, &log));
    FAILS(EVLOG_DAMAGED, "findings", evlog_verify(log, count_finding, &count, NULL));
    assert_true(count > 0);
    OK(evlog_close(log));
}

/* Each file of another log in turn, in a log with a trimmed beginning, or without. */
static void another_logs_files_are_refused(void **state)
{
    for (int is_trimmed = 0; is_trimmed < 2; is_trimmed++) {
        char ours[32], other[32];
        snprintf(ours, sizeof ours, "ours%d", is_trimmed);
        snprintf(other, sizeof other, "other%d", is_trimmed);
        send_some(in(*state, ours), FIRST, 5);
        send_some(in(*state, other), FIRST, 5);
        if (is_trimmed)
            trim_log(in(*state, ours), 3);
        OK(mkdir(in(*state, is_trimmed ? "b1" : "b0"), 0700));
        for (int i = 0; i < 3; i++)
            put_back(*state, ours, is_trimmed ? "b1" : "b0", files[i]);
        put_back(*state, other, ours, "state.mdb");
        assert_refused(in(*state, ours), EVLOG_DAMAGED, "state.mdb is another log's");
        put_back(*state, is_trimmed ? "b1" : "b0", ours, "state.mdb");
        define_again(in(*state, ours), FIRST);
        put_back(*state, other, ours, "events.mdb");
        assert_refused(in(*state, ours), EVLOG_CONFLICT, "events.mdb is another log's");
        put_back(*state, is_trimmed ? "b1" : "b0", ours, "events.mdb");
        define_again(in(*state, ours), FIRST);
    }
}

/* An events.mdb that ends before the first event kept is older than state.mdb; unless the journal has the rest. */
static void an_older_events_file_than_the_floor_is_refused(void **state)
{
    const char *path = strdup(in(*state, "log"));
    send_some(path, FIRST, 2);
    OK(mkdir(in(*state, "backup"), 0700));
    put_back(*state, "log", "backup", "events.mdb");
    send_some(path, FIRST, 8);
    trim_log(path, 5);
    put_back(*state, "backup", "log", "events.mdb");
    define_again(path, FIRST); /* it is mended */
    READS(path, "fffff");
    put_back(*state, "backup", "log", "events.mdb");
    OK(unlink(in(*state, "log/edge")));
    OK(unlink(in(*state, "log/shared")));
    file_write(in(*state, "log/journal"), "", 0);
    assert_refused(path, EVLOG_CONFLICT, "events.mdb is older than state.mdb");
    free((char *)path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(an_older_state_makes_nothing_else_of_an_event),
        TEST_AT_HOME(an_older_checkpoint_gives_events_again),
        TEST_AT_HOME(another_logs_files_are_refused),
        TEST_AT_HOME(an_older_events_file_than_the_floor_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
