/* Plugins: loaded in order, and when one cannot be, nothing of it is left. */
#include "evlog/openedx.h"
#include "evlog/plugin.h"
#include "test.h"

#define TYPE "org.example.plugged.v1"

static const char *plugin(const char *name)
{
    static char path[4200];
    const char *build = getenv("EVLOG_BUILD");
    snprintf(path, sizeof path, "%s/plugins/%s.so", build ? build : "build", name);
    return path;
}

static evlog *open_log(const void *home)
{
    evlog *log;
    OK(evlog_open(in(home, "log"), &(evlog_options){.durability = EVLOG_FAST}, &log));
    unsetenv("PLUGIN_HEARD");
    return log;
}

/* A plugin's receivers hear what is sent; loaded twice, they are connected once. */
static void its_receivers_hear(void **state)
{
    evlog_signal *signal;
    evlog_sent sent;
    evlog *log = open_log(*state);
    OK(evlog_plugin_load(log, plugin("good")));
    OK(evlog_plugin_load(log, plugin("good")));
    OK(evlog_signal_by_type(log, TYPE, &signal));
    OK(evlog_send_event(signal, "\x80", 1, NULL, &sent));
    assert_string_equal(getenv("PLUGIN_HEARD"), TYPE);
    assert_int_equal(sent.response_count, 2);
    assert_string_equal(sent.responses[0]->dispatch_uid, "plugged");
    evlog_sent_free(&sent);
    OK(evlog_close(log));
}

static int hear(const evlog_event *event, void *ctx)
{
    (void)event;
    (void)ctx;
    return 0;
}

/* Receivers hear in the order of connection: what came before the plugin, it, what came after. */
static void comes_in_the_order_of_loading(void **state)
{
    evlog_signal *signal;
    evlog_sent sent;
    int before, after;
    evlog *log = open_log(*state);
    OK(evlog_define(log, TYPE, 0, NULL, &signal));
    OK(evlog_connect(log, signal, NULL, hear, &before, NULL));
    OK(evlog_plugin_load(log, plugin("good")));
    OK(evlog_connect(log, signal, NULL, hear, &after, NULL));
    OK(evlog_send_event(signal, "\x80", 1, NULL, &sent));
    assert_int_equal(sent.response_count, 4);
    assert_ptr_equal(sent.responses[0]->ctx, &before);
    assert_string_equal(sent.responses[1]->dispatch_uid, "plugged");
    assert_ptr_equal(sent.responses[3]->ctx, &after);
    evlog_sent_free(&sent);
    OK(evlog_close(log));
}

/* Each way of being no good plugin has its sentence, and leaves nothing connected. */
static void a_bad_one_leaves_nothing(void **state)
{
    static const struct {
        const char *name;
        int code;
        const char *words;
    } table[] = {
        {"failing", EVLOG_RECEIVER, "its start failed with -13: no database"},
        {"unlinked", EVLOG_UNSUPPORTED, "no_such_function"},
        {"old", EVLOG_UNSUPPORTED, "ABI version 2, this is 1"},
        {"nameless", EVLOG_UNSUPPORTED, "has no evlog_plugin_main"},
        {"startless", EVLOG_UNSUPPORTED, "has no start"},
        {"absent", EVLOG_NOTFOUND, "cannot be read"},
    };
    evlog_signal *signal;
    evlog_sent sent;
    evlog *log = open_log(*state);
    OK(evlog_define(log, TYPE, 0, NULL, &signal));
    OK(evlog_connect(log, signal, NULL, hear, NULL, NULL));
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        FAILS(table[i].code, table[i].words, evlog_plugin_load(log, plugin(table[i].name)));
    FAILS(EVLOG_UNSUPPORTED, "/etc/passwd", evlog_plugin_load(log, "/etc/passwd"));
    FAILS(EVLOG_NOTFOUND, "cannot be read", evlog_plugin_load(log, "passwd.so"));
    FAILS(EVLOG_INVALID, "no plugin", evlog_plugin_load(log, ""));
    FAILS(EVLOG_INVALID, "no plugin", evlog_plugin_load(log, NULL));
    OK(evlog_send_event(signal, "\x80", 1, NULL, &sent));
    assert_int_equal(sent.response_count, 1);
    assert_null(getenv("PLUGIN_HEARD"));
    evlog_sent_free(&sent);
    OK(evlog_close(log));
}

/* The example makes a preference of each enrollment, sent or replayed. */
static void the_example_works(void **state)
{
    evlog_signal *created;
    evlog_sent sent;
    evlog_outcome outcome;
    struct openedx_course_enrollment_data enrollment = {
        .user = {.id = 1, .pii = {evlog_str("alice"), evlog_str(""), evlog_str("")}},
        .course = {.course_key = evlog_str("course-v1:edX+DemoX+Demo_Course")},
        .mode = evlog_str("honor")};
    evlog *log = open_log(*state);
    OK(evlog_plugin_load(log, plugin("preferences")));
    OK(evlog_define_openedx(log));
    OK(evlog_signal_by_type(log, OPENEDX_COURSE_ENROLLMENT_CREATED, &created));
    OK(evlog_send_class(created, &enrollment, &openedx_course_enrollment_data_class, NULL,
                        &sent));
    assert_int_equal(sent.response_count, 1);
    assert_int_equal(sent.responses[0]->result, 0);
    evlog_sent_free(&sent);
    OK(evlog_replay_to_receivers(log, NULL, &outcome));
    assert_int_equal(outcome.delivered, 1);
    OK(evlog_close(log));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(its_receivers_hear),
        TEST_AT_HOME(comes_in_the_order_of_loading),
        TEST_AT_HOME(a_bad_one_leaves_nothing),
        TEST_AT_HOME(the_example_works),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
