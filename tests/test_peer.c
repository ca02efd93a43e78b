/* Which process sent an event: record_peer. */
#include <limits.h>

#include "evlog/upkeep.h"
#include "test.h"

#define TYPE "org.evlog.test.v1"

static evlog *open_log(const void *home, bool record_peer)
{
    evlog *log;
    OK(evlog_open(in(home, "log"), &(evlog_options){.record_peer = record_peer}, &log));
    return log;
}

static int send_with(evlog *log, const evlog_header *headers, size_t count)
{
    evlog_signal *signal;
    OK(evlog_define(log, TYPE, 0, NULL, &signal));
    return evlog_send_event(signal, SMALL_MAP("\x07"), 4,
                            &(evlog_send_options){.headers = headers, .header_count = count},
                            NULL);
}

/* An event's header; NULL: it has none. */
static const char *header_of(evlog *log, uint64_t seq, const char *name)
{
    static char text[EVLOG_HEADERS_SIZE_MAX];
    evlog_event *event;
    evlog_string value;
    OK(evlog_read(log, seq, &event));
    int result = evlog_event_header(event, name, &value);
    if (result == EVLOG_OK)
        snprintf(text, sizeof text, "%.*s", (int)value.size, value.text);
    evlog_event_free(event);
    return result == EVLOG_OK ? text : NULL;
}

static void expect_this_process(evlog *log, uint64_t seq)
{
    char uid[32], pid[32], program[PATH_MAX + 1];
    snprintf(uid, sizeof uid, "%u", (unsigned)getuid());
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    ssize_t size = readlink("/proc/self/exe", program, sizeof program - 1);
    assert_true(size > 0);
    program[size] = '\0';
    assert_string_equal(header_of(log, seq, "evlog.peer.uid"), uid);
    assert_string_equal(header_of(log, seq, "evlog.peer.pid"), pid);
    assert_string_equal(header_of(log, seq, "evlog.peer.program"),
                        size <= EVLOG_NAME_SIZE_MAX ? program : "");
}

/* uid, pid and program, beside the headers that the sender gives; and only where it is asked for. */
static void events_say_who_sent_them(void **state)
{
    static const evlog_header trace = {"traceparent", "00-1"};
    evlog *log = open_log(*state, false);
    OK(send_with(log, &trace, 1));
    assert_null(header_of(log, 1, "evlog.peer.pid"));
    OK(evlog_close(log));
    log = open_log(*state, true);
    OK(send_with(log, NULL, 0));
    OK(send_with(log, &trace, 1));
    expect_this_process(log, 2);
    expect_this_process(log, 3);
    assert_string_equal(header_of(log, 3, "traceparent"), "00-1");
    OK(evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_close(log));
}

static void what_a_sender_says_is_replaced(void **state)
{
    static const evlog_header false_ones[] = {{"evlog.peer.pid", "1"},
                                              {"a", "b"},
                                              {"evlog.peer.uid", "0"},
                                              {"evlog.peer.program", "/x"}};
    evlog *log = open_log(*state, true);
    OK(send_with(log, false_ones, 4));
    expect_this_process(log, 1);
    assert_string_equal(header_of(log, 1, "a"), "b");
    OK(evlog_close(log));
}

/* They count to the limit, and what is wrong with the others is said as always. */
static void the_limit_holds(void **state)
{
    static char value[EVLOG_HEADERS_SIZE_MAX];
    evlog_header header = {"a", value};
    evlog *log = open_log(*state, true);
    memset(value, 'v', EVLOG_HEADERS_SIZE_MAX - 20);
    FAILS(EVLOG_LIMIT, "over 4096", send_with(log, &header, 1));
    FAILS(EVLOG_LIMIT, "headers", send_with(log, &header, SIZE_MAX / 64));
    FAILS(EVLOG_INVALID, "NULL is given", send_with(log, NULL, 1));
    header = (evlog_header){NULL, "v"};
    FAILS(EVLOG_INVALID, "a name must be", send_with(log, &header, 1));
    OK(evlog_close(log));
}

static void an_import_stays_as_it_was(void **state)
{
    evlog *log = open_log(*state, true);
    evlog_signal *signal;
    evlog_import import = {.input = {1}, .position = 1};
    const evlog_metadata metadata = {
        .time_us = 1, .source = "s", .sourcehost = "h", .sourcelib = "1"};
    const evlog_header header = {"evlog.peer.pid", "17"};
    OK(evlog_import_define(log, &(evlog_definition){.event_type = TYPE}, &signal));
    const evlog_sending sending = {.signal = signal,
                                   .data = "\x80",
                                   .data_size = 1,
                                   .metadata = &metadata,
                                   .headers = &header,
                                   .header_count = 1};
    OK(evlog_import_find(log, &import));
    import.position = 1;
    OK(evlog_import_events(log, &sending, 1, &import));
    assert_string_equal(header_of(log, 1, "evlog.peer.pid"), "17");
    assert_null(header_of(log, 1, "evlog.peer.uid"));
    OK(evlog_close(log));
}

static void the_environment_asks_for_it(void **state)
{
    evlog *log, *again = NULL;
    setenv("EVLOG_RECORD_PEER", "1", 1);
    log = open_log(*state, false);
    OK(send_with(log, NULL, 0));
    expect_this_process(log, 1);
    OK(evlog_close(log));
    setenv("EVLOG_RECORD_PEER", "0", 1);
    log = open_log(*state, false);
    OK(send_with(log, NULL, 0));
    assert_null(header_of(log, 2, "evlog.peer.pid"));
    FAILS(EVLOG_CONFLICT, "record_peer",
          evlog_open(in(*state, "log"), &(evlog_options){.record_peer = true}, &again));
    OK(evlog_close(log));
    setenv("EVLOG_RECORD_PEER", "yes", 1);
    FAILS(EVLOG_INVALID, "EVLOG_RECORD_PEER is \"yes\"",
          evlog_open(in(*state, "log"), NULL, &log));
    unsetenv("EVLOG_RECORD_PEER");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(events_say_who_sent_them),
        TEST_AT_HOME(what_a_sender_says_is_replaced),
        TEST_AT_HOME(the_limit_holds),
        TEST_AT_HOME(an_import_stays_as_it_was),
        TEST_AT_HOME(the_environment_asks_for_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
