/*
 * The floor: what is below it was trimmed, for every way of reading, also while the events are
 * still in the file, and in a process that has the log open while another one trims it.
 */
#include <sys/wait.h>

#include "cursor.h"
#include "damage.h"
#include "trimmed.h"

#define TYPE "org.example.kept.v1"
#define COUNT 3000 /* more than a batch of a cursor */
#define KEPT 2500  /* the first that is kept */

static void make_log(const char *path)
{
    evlog *log;
    evlog_signal *signal;
    OK(evlog_open(path, &(evlog_options){.durability = EVLOG_FAST}, &log));
    OK(evlog_define(log, TYPE, 0, NULL, &signal));
    for (int i = 0; i < COUNT; i++)
        OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    OK(evlog_close(log));
}

/* The seqs that a cursor gives are these, in order or in reverse, and none is damaged. */
static void assert_gives(evlog *log, evlog_cursor *cursor, bool newest_first, uint64_t first,
                         uint64_t last)
{
    const evlog_event *event;
    evlog_range range = {.newest_first = newest_first};
    if (!cursor)
        OK(evlog_cursor_open(log, &range, &cursor));
    for (uint64_t i = 0; i <= last - first; i++) {
        OK(evlog_cursor_next(cursor, &event));
        assert_non_null(event);
        assert_int_equal(event->seq, newest_first ? last - i : first + i);
    }
    OK(evlog_cursor_next(cursor, &event));
    assert_null(event);
    OK(evlog_cursor_close(cursor));
}

static void assert_trimmed(const char *path, bool read_only)
{
    evlog *log;
    evlog_event *event;
    evlog_info info;
    uint64_t checked;
    OK(evlog_open(path, &(evlog_options){.read_only = read_only}, &log));
    OK(evlog_inspect(log, &info));
    assert_int_equal(info.first_seq, KEPT);
    assert_int_equal(info.last_seq, COUNT);
    assert_true(info.first_log_time_us > 0);
    FAILS(EVLOG_NOTFOUND, "the log has 2500 to 3000", evlog_read(log, KEPT - 1, &event));
    OK(evlog_read(log, KEPT, &event));
    evlog_event_free(event);
    assert_gives(log, NULL, false, KEPT, COUNT);
    assert_gives(log, NULL, true, KEPT, COUNT);
    OK(evlog_verify(log, NULL, NULL, &checked));
    assert_int_equal(checked, COUNT - KEPT + 1);
    OK(evlog_close(log));
}

/* What is below the floor is not there, deleted or not. */
static void what_is_below_it_was_trimmed(void **state)
{
    const char *path = strdup(in(*state, "log"));
    make_log(path);
    raise_floor(path, KEPT - 1);
    assert_trimmed(path, false);
    assert_trimmed(path, true);
    delete_events(path, KEPT - 1);
    assert_trimmed(path, false);
    assert_trimmed(path, true);
    free((char *)path);
}

/* It only rises, and lasts. */
static void it_only_rises(void **state)
{
    const char *path = strdup(in(*state, "log"));
    make_log(path);
    raise_floor(path, KEPT - 1);
    raise_floor(path, 7);
    assert_trimmed(path, false);
    free((char *)path);
}

/* Without one the first event is 1: those that are missing are reported, in either direction. */
static void without_one_events_are_missing(void **state)
{
    const char *path = strdup(in(*state, "log"));
    const evlog_event *event;
    evlog_cursor *cursor;
    evlog *log;
    uint64_t first, last;
    make_log(path);
    delete_events(path, KEPT - 1);
    OK(evlog_open(path, NULL, &log));
    OK(evlog_cursor_open(log, NULL, &cursor));
    FAILS(EVLOG_DAMAGED, "events 1 to 2499: missing", evlog_cursor_next(cursor, &event));
    OK(evlog_cursor_damage(cursor, &first, &last));
    assert_int_equal(first, 1);
    assert_int_equal(last, KEPT - 1);
    assert_gives(log, cursor, false, KEPT, COUNT);
    OK(evlog_cursor_open(log, &(evlog_range){.newest_first = true}, &cursor));
    for (uint64_t seq = COUNT; seq >= KEPT; seq--) {
        OK(evlog_cursor_next(cursor, &event));
        assert_int_equal(event->seq, seq);
    }
    uint64_t next = KEPT - 1;
    while (next > 0) {
        FAILS(EVLOG_DAMAGED, "missing", evlog_cursor_next(cursor, &event));
        OK(evlog_cursor_damage(cursor, &first, &last));
        assert_int_equal(last, next);
        next = first - 1;
    }
    OK(evlog_cursor_next(cursor, &event));
    assert_null(event);
    OK(evlog_cursor_close(cursor));
    OK(evlog_close(log));
    free((char *)path);
}

static void trim_in_child(const char *path)
{
    fflush(NULL);
    pid_t pid = fork();
    int status;
    assert_true(pid >= 0);
    if (pid == 0) {
        alarm(60);
        trim_log(path, KEPT - 1);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* Another process trims: open cursors pass over what is gone, and nothing is damaged. */
static void a_trim_by_another_process_is_noticed(void **state)
{
    const char *path = strdup(in(*state, "log"));
    evlog *log;
    evlog_cursor *forwards, *backwards;
    const evlog_event *event;
    make_log(path);
    OK(evlog_open(path, NULL, &log));
    OK(evlog_cursor_open(log, NULL, &forwards));
    OK(evlog_cursor_open(log, &(evlog_range){.newest_first = true, .last_seq = 2999},
                         &backwards));
    OK(evlog_cursor_next(backwards, &event));
    trim_in_child(path);
    assert_gives(log, forwards, false, KEPT, COUNT);
    assert_gives(log, backwards, true, 2999 - 1023, 2998); /* it had read so many */
    OK(evlog_close(log));
    assert_trimmed(path, false);
    free((char *)path);
}

/* A damaged one: a writer does not start; a reader says that the events are missing. */
static void a_damaged_one_is_reported(void **state)
{
    const char *path = strdup(in(*state, "log"));
    evlog *log;
    make_log(path);
    trim_log(path, KEPT - 1);
    struct raw raw = raw_open(in(*state, "log/state.mdb"));
    struct bytes value = raw_get(&raw, "lfloor", 6);
    value.at[value.size - 1] ^= 1;
    raw_put(&raw, "lfloor", 6, value);
    raw_close(&raw);
    FAILS(EVLOG_DAMAGED, "the floor", evlog_open(path, NULL, &log));
    value.at[10] = 0xa0; /* a text, its checksum fitting */
    value.size = 11 + 9 - 9 + 1;
    value.at[11] = 0x01;
    entry_refit(log_seed(in(*state, "log/format")), "lfloor", 6, value.at, value.size);
    raw = raw_open(in(*state, "log/state.mdb"));
    raw_put(&raw, "lfloor", 6, value);
    raw_close(&raw);
    FAILS(EVLOG_DAMAGED, "the floor", evlog_open(path, NULL, &log));
    free(value.at);
    OK(evlog_open(path, &(evlog_options){.read_only = true}, &log));
    FAILS(EVLOG_DAMAGED, "2 findings", evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_close(log));
    free((char *)path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(what_is_below_it_was_trimmed),
        TEST_AT_HOME(it_only_rises),
        TEST_AT_HOME(without_one_events_are_missing),
        TEST_AT_HOME(a_trim_by_another_process_is_noticed),
        TEST_AT_HOME(a_damaged_one_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
