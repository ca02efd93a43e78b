/* Defining signals, and what a log remembers of their types. */
#include "test.h"

#define TYPE "org.openedx.learning.course.enrollment.created.v1"

static int count_signal(evlog_signal *signal, void *ctx)
{
    char *names = ctx;
    strcat(names, evlog_signal_type(signal));
    strcat(names, " ");
    return 0;
}

static int stop_at_second(evlog_signal *signal, void *ctx)
{
    (void)signal;
    return ++*(int *)ctx == 2 ? 42 : 0;
}

static int add_type(const evlog_type *type, void *ctx)
{
    char line[300];
    assert_true(type->number != 0);
    snprintf(line, sizeof line, "%s%s ", type->name, type->schema ? "!" : "");
    strcat(ctx, line);
    return 0;
}

/* Defining again the same way gives the same signal; otherwise it is refused. */
static void defining_twice_is_once(void **state)
{
    evlog *log;
    evlog_signal *one, *two;
    OK(evlog_open(in(*state, "log"), NULL, &log));
    OK(evlog_define(log, TYPE, 2, NULL, &one));
    OK(evlog_define(log, TYPE, 2, NULL, &two));
    assert_ptr_equal(one, two);
    FAILS(EVLOG_CONFLICT, "minor version 2", evlog_define(log, TYPE, 3, NULL, &two));
    assert_string_equal(evlog_signal_type(one), TYPE);
    assert_int_equal(evlog_signal_minor_version(one), 2);
    assert_true(evlog_signal_is_enabled(one));
    OK(evlog_close(log));
}

/* by_type finds what is defined here; each_signal walks in the order of definition. */
static void finds_and_walks(void **state)
{
    evlog *log;
    evlog_signal *signal, *found;
    char names[100] = "";
    int visited = 0;
    OK(evlog_open(in(*state, "log"), NULL, &log));
    FAILS(EVLOG_NOTFOUND, TYPE, evlog_signal_by_type(log, TYPE, &found));
    OK(evlog_define(log, "b.v1", 0, NULL, &signal));
    OK(evlog_define(log, "a.v1", 0, NULL, &signal));
    OK(evlog_define(log, "c.v1", 0, NULL, &signal));
    OK(evlog_signal_by_type(log, "c.v1", &found));
    assert_ptr_equal(found, signal);
    OK(evlog_each_signal(log, count_signal, names));
    assert_string_equal(names, "b.v1 a.v1 c.v1 ");
    assert_int_equal(evlog_each_signal(log, stop_at_second, &visited), 42);
    OK(evlog_close(log));
}

/* Types are in the log for good, in the order of definition, defined in this process or not. */
static void types_stay_in_the_log(void **state)
{
    evlog *log;
    evlog_signal *signal;
    char types[100] = "";
    OK(evlog_open(in(*state, "log"), NULL, &log));
    OK(evlog_define(log, "b.v1", 0, NULL, &signal));
    OK(evlog_define(log, "a.v1", 0, NULL, &signal));
    OK(evlog_close(log));
    OK(evlog_open(in(*state, "log"), NULL, &log));
    OK(evlog_define(log, "a.v1", 0, NULL, &signal));
    OK(evlog_define(log, "c.v1", 0, NULL, &signal));
    OK(evlog_each_type(log, add_type, types));
    assert_string_equal(types, "b.v1 a.v1 c.v1 ");
    FAILS(EVLOG_NOTFOUND, "b.v1", evlog_signal_by_type(log, "b.v1", &signal));
    OK(evlog_close(log));
}

/* Names as openedx-events has them, the odd ones too; not what no pattern could name. */
static void names_are_checked(void **state)
{
    evlog *log;
    evlog_signal *signal = NULL;
    char longest[EVLOG_NAME_SIZE_MAX + 2], types[100] = "";
    memset(longest, 'x', sizeof longest - 1);
    longest[EVLOG_NAME_SIZE_MAX + 1] = '\0';
    OK(evlog_open(in(*state, "log"), NULL, &log));
    static const char *const bad[] = {"",    "a b",  "a*",   "*",    "a\tb",
                                      "a\n", "\x7f", "\xff", "a\xc3"};
    static const char *const reserved[] = {"evlog.", "evlog.trimmed.v1"};
    for (size_t i = 0; i < 2; i++)
        FAILS(EVLOG_INVALID, "the log's own", evlog_define(log, reserved[i], 0, NULL, &signal));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        FAILS(EVLOG_INVALID, "event type", evlog_define(log, bad[i], 0, NULL, &signal));
    FAILS(EVLOG_INVALID, "event type", evlog_define(log, NULL, 0, NULL, &signal));
    FAILS(EVLOG_INVALID, "event type", evlog_define(log, longest, 0, NULL, &signal));
    FAILS(EVLOG_INVALID, "minor", evlog_define(log, TYPE, -1, NULL, &signal));
    FAILS(EVLOG_INVALID, "must be a record", evlog_define(log, TYPE, 0, "{}", &signal));
    FAILS(EVLOG_INVALID, "no place", evlog_define(log, TYPE, 0, NULL, NULL));
    FAILS(EVLOG_INVALID, "no log", evlog_define(NULL, TYPE, 0, NULL, &signal));
    OK(evlog_each_type(log, add_type, types));
    assert_string_equal(types, ""); /* nothing of it is in the log */
    assert_null(signal);
    longest[EVLOG_NAME_SIZE_MAX] = '\0';
    OK(evlog_define(log, longest, 0, NULL, &signal));
    OK(evlog_define(log, "org.openedx.enterprise.subsidy.redemption-reversed.v1", 0, NULL,
                    &signal));
    OK(evlog_define(log, "org.openedx.authz.role_assignment.created", 0, NULL, &signal));
    OK(evlog_define(log, "\xc3\xa9v\xc3\xa9nement", 0, NULL, &signal));
    OK(evlog_close(log));
}

/* Hundreds of signals, more than the buckets, are all found. */
static void finds_each_of_many(void **state)
{
    evlog *log;
    evlog_signal *signals[600], *found;
    OK(evlog_open(in(*state, "log"), NULL, &log));
    for (int i = 0; i < 600; i++) {
        char name[32];
        snprintf(name, sizeof name, "type.%d.v1", i);
        OK(evlog_define(log, name, 0, NULL, &signals[i]));
    }
    for (int i = 0; i < 600; i++) {
        OK(evlog_signal_by_type(log, evlog_signal_type(signals[i]), &found));
        assert_ptr_equal(found, signals[i]);
    }
    OK(evlog_close(log));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(defining_twice_is_once), TEST_AT_HOME(finds_and_walks),
        TEST_AT_HOME(types_stay_in_the_log),  TEST_AT_HOME(names_are_checked),
        TEST_AT_HOME(finds_each_of_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
