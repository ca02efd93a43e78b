/* The help that users' tests get: switches and captures. */
#include "evlog/testing.h"
#include "test.h"

struct fixture {
    evlog *log;
    evlog_signal *a, *b;
};

static void begin(struct fixture *fixture, const void *home)
{
    OK(evlog_open(in(home, "log"), &(evlog_options){.durability = EVLOG_FAST}, &fixture->log));
    OK(evlog_define(fixture->log, "a.v1", 0, NULL, &fixture->a));
    OK(evlog_define(fixture->log, "b.v1", 0, NULL, &fixture->b));
}

/* All off, then some on by their type; an unknown one is named, and none is switched. */
static void switches_by_type(void **state)
{
    struct fixture fixture;
    const char *const types[] = {"b.v1"}, *const unknown[] = {"a.v1", "c.v1"};
    begin(&fixture, *state);
    OK(evlog_disable_all(fixture.log));
    assert_false(evlog_signal_is_enabled(fixture.a) || evlog_signal_is_enabled(fixture.b));
    FAILS(EVLOG_NOTFOUND, "c.v1", evlog_enable_types(fixture.log, unknown, 2));
    assert_false(evlog_signal_is_enabled(fixture.a));
    OK(evlog_enable_types(fixture.log, types, 1));
    assert_true(!evlog_signal_is_enabled(fixture.a) && evlog_signal_is_enabled(fixture.b));
    OK(evlog_enable_all(fixture.log));
    assert_true(evlog_signal_is_enabled(fixture.a) && evlog_signal_is_enabled(fixture.b));
    OK(evlog_close(fixture.log));
}

/* What was sent is kept in order, with all its metadata; of one signal or of all. */
static void captures_what_was_sent(void **state)
{
    struct fixture fixture;
    evlog_capture *all, *only_b;
    begin(&fixture, *state);
    OK(evlog_send_event(fixture.a, SMALL_MAP("\x00"), 4, NULL, NULL));
    OK(evlog_capture_begin(fixture.log, NULL, &all));
    OK(evlog_capture_begin(fixture.log, fixture.b, &only_b));
    for (int i = 0; i < 100; i++)
        OK(evlog_send_event(i % 4 ? fixture.a : fixture.b, SMALL_MAP("\x05"), 4,
                            &(evlog_send_options){.time_us = 1000 + i}, NULL));
    assert_int_equal(evlog_capture_count(all), 100);
    assert_int_equal(evlog_capture_count(only_b), 25);
    const evlog_event *last = evlog_capture_event(all, 99);
    assert_int_equal(last->seq, 101);
    assert_true(last->time_us == 1099);
    assert_string_equal(last->event_type, "a.v1");
    assert_memory_equal(last->data, SMALL_MAP("\x05"), 4);
    assert_string_equal(evlog_capture_event(only_b, 24)->event_type, "b.v1");
    assert_null(evlog_capture_event(all, 100));
    OK(evlog_capture_end(all));
    OK(evlog_capture_end(only_b));
    OK(evlog_capture_end(NULL));
    assert_false(evlog_has_receivers(fixture.a));
    OK(evlog_close(fixture.log));
}

/* A test's switches end with its capture: what was on is on again, what was off is off. */
static void switches_do_not_leak(void **state)
{
    struct fixture fixture;
    evlog_capture *capture;
    const char *const types[] = {"b.v1"};
    begin(&fixture, *state);
    evlog_signal_disable(fixture.b);
    OK(evlog_capture_begin(fixture.log, NULL, &capture));
    OK(evlog_disable_all(fixture.log));
    OK(evlog_enable_types(fixture.log, types, 1));
    OK(evlog_send_event(fixture.a, "\x80", 1, NULL, NULL));
    OK(evlog_send_event(fixture.b, "\x80", 1, NULL, NULL));
    assert_int_equal(evlog_capture_count(capture), 1);
    OK(evlog_capture_end(capture));
    assert_true(evlog_signal_is_enabled(fixture.a) && !evlog_signal_is_enabled(fixture.b));
    OK(evlog_close(fixture.log));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(switches_by_type),
        TEST_AT_HOME(captures_what_was_sent),
        TEST_AT_HOME(switches_do_not_leak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
