/* The schemas of a log: what a changed one must be like, and what each event keeps. */
#include <pthread.h>
#include <sys/wait.h>

#include "log.h"
#include "record.h"
#include "shop.h"

#define TYPE "org.example.changing.v1"
#define SCHEMA(fields) "{\"type\":\"record\",\"name\":\"Data\",\"fields\":[" fields "]}"
#define LONG_A "{\"name\":\"a\",\"type\":\"long\"}"
#define MAYBE_B "{\"name\":\"b\",\"type\":[\"null\",\"string\"],\"default\":null}"
#define LONG_C "{\"name\":\"c\",\"type\":\"long\"}"
#define WITH_A SCHEMA(LONG_A)
#define WITH_AB SCHEMA(LONG_A "," MAYBE_B)

static evlog *open_log(const void *home)
{
    evlog *log;
    OK(evlog_open(in(home, "log"), &(evlog_options){.durability = EVLOG_FAST}, &log));
    return log;
}

/* Defines in a process of its own, as it were: the log is opened for it. */
static int define_anew(const void *home, const char *schema)
{
    evlog_signal *signal;
    evlog *log = open_log(home);
    int result = evlog_define(log, TYPE, 0, schema, &signal);
    OK(evlog_close(log));
    return result;
}

static int count_type(const evlog_type *type, void *ctx)
{
    if (strcmp(type->name, TYPE) == 0)
        ++*(unsigned *)ctx;
    return 0;
}

static unsigned count_entries(const void *home)
{
    unsigned count = 0;
    evlog *log = open_log(home);
    OK(evlog_each_type(log, count_type, &count));
    OK(evlog_close(log));
    return count;
}

/* A compatible change is a new entry; the same schema, however written, is the old one. */
static void compatible_changes_are_entries(void **state)
{
    OK(define_anew(*state, WITH_A));
    OK(define_anew(*state, "{\"name\":\"Data\", \"doc\":\"d\", \"fields\":[" LONG_A
                           "], \"type\":\"record\"}"));
    assert_int_equal(count_entries(*state), 1);
    OK(define_anew(*state, WITH_AB));
    OK(define_anew(*state, WITH_A));
    OK(define_anew(*state, WITH_AB));
    assert_int_equal(count_entries(*state), 2);
}

/* What one side could not read is refused, and leaves nothing in the log. */
static void breaking_changes_are_refused(void **state)
{
    static const struct {
        const char *schema, *words;
    } table[] = {
        {SCHEMA(LONG_A "," LONG_C),
         "cannot read what was written under the schema that the log has (type 5ee8253eacec10f2): c: is missing"},
        {SCHEMA(LONG_C), "cannot read"},
        {SCHEMA(""),
         "would write what cannot be read under the schema that the log has (type 5ee8253eacec10f2): a: is missing"},
        {SCHEMA("{\"name\":\"a\",\"type\":\"string\"}"), "a: written as long, read as string"},
        {SCHEMA("{\"name\":\"a\",\"type\":\"double\"}"), "a: written as double, read as long"},
        {SCHEMA("{\"name\":\"a\",\"type\":[\"null\",\"long\"],\"default\":null}"),
         "a: may be null"},
        {SCHEMA(LONG_A ",{\"name\":\"b\",\"type\":\"string\",\"default\":\"\"}"),
         "type af4e1aeab2294fad): b: may be null"},
        {SCHEMA(LONG_A ",{\"name\":\"b\",\"type\":[\"null\",\"long\"],\"default\":null}"),
         "type af4e1aeab2294fad): b: written as string, read as long"},
    };
    OK(define_anew(*state, WITH_A));
    OK(define_anew(*state, WITH_AB));
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        FAILS(EVLOG_CONFLICT, table[i].words, define_anew(*state, table[i].schema));
        if (!strstr(evlog_errmsg(), "new version"))
            fail_msg("no advice in: %s", evlog_errmsg());
    }
    assert_int_equal(count_entries(*state), 2);
}

/* Another version is another event type, to which the old schema means nothing. */
static void a_new_version_may_break(void **state)
{
    evlog_signal *one, *two;
    evlog *log = open_log(*state);
    OK(evlog_define(log, "org.example.changing.v1", 0, WITH_A, &one));
    OK(evlog_define(log, "org.example.changing.v2", 0, SCHEMA(LONG_C), &two));
    OK(evlog_send_event(one,
                        "\x81\xa1"
                        "a\x01",
                        4, NULL, NULL));
    OK(evlog_send_event(two,
                        "\x81\xa1"
                        "c\x01",
                        4, NULL, NULL));
    FAILS(EVLOG_INVALID, "a: no such field; c: missing",
          evlog_send_event(two,
                           "\x81\xa1"
                           "a\x01",
                           4, NULL, NULL));
    OK(evlog_close(log));
}

/* Without a schema a type is what the log has of it: the newest entry counts. */
static void no_schema_means_the_log_s(void **state)
{
    evlog_signal *signal;
    OK(define_anew(*state, NULL));
    OK(define_anew(*state, WITH_A));
    OK(define_anew(*state, WITH_AB));
    OK(define_anew(*state, WITH_A));
    evlog *log = open_log(*state);
    OK(evlog_define(log, TYPE, 0, NULL, &signal));
    assert_string_equal(evlog_schema_text(evlog_signal_schema(signal)), WITH_AB);
    FAILS(EVLOG_INVALID, "a: missing", evlog_send_event(signal, "\x80", 1, NULL, NULL));
    OK(evlog_send_event(signal,
                        "\x82\xa1"
                        "a\x01\xa1"
                        "b\xa1x",
                        8, NULL, NULL));
    OK(evlog_close(log));
    assert_int_equal(count_entries(*state), 3);
}

/* In one process a signal has one schema; an untyped one can become typed, once. */
static void a_signal_has_one_schema(void **state)
{
    evlog_signal *signal, *same;
    evlog *log = open_log(*state);
    OK(evlog_define(log, TYPE, 0, NULL, &signal));
    OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    OK(evlog_define(log, TYPE, 0, WITH_A, &same));
    assert_ptr_equal(signal, same);
    OK(evlog_define(log, TYPE, 0, NULL, &same));
    assert_ptr_equal(signal, same);
    FAILS(EVLOG_CONFLICT, "defined here with another schema",
          evlog_define(log, TYPE, 0, WITH_AB, &same));
    FAILS(EVLOG_CONFLICT, "minor version", evlog_define(log, TYPE, 1, WITH_A, &same));
    FAILS(EVLOG_INVALID, "a: missing", evlog_send_event(signal, "\x80", 1, NULL, NULL));
    OK(evlog_close(log));
    assert_int_equal(count_entries(*state), 2);
}

#define WIDE(F) F(DATETIME, at) F(STRING, name)
EVLOG_CLASS(wide, Data, WIDE);
#define PLAIN(F) F(STRING, at) F(STRING, name)
EVLOG_CLASS(plain, Data, PLAIN);

/* Two structs with one schema but another layout are not taken for each other. */
static void another_struct_is_refused(void **state)
{
    evlog_signal *signal, *same;
    evlog_definition first = {.event_type = TYPE, .argument = "data", .of = &wide_class},
                     second = {.event_type = TYPE, .argument = "data", .of = &plain_class};
    evlog_schema *text;
    evlog *log = open_log(*state);
    OK(evlog_schema_make(&first, &text));
    OK(evlog_define(log, TYPE, 0, evlog_schema_text(text), &signal));
    OK(evlog_define_class(log, &first, &same));
    assert_ptr_equal(signal, same);
    OK(evlog_define_class(log, &first, &same));
    OK(evlog_define(log, TYPE, 0, evlog_schema_text(text), &same));
    FAILS(EVLOG_CONFLICT, "another struct", evlog_define_class(log, &second, &same));
    evlog_schema_free(text);
    OK(evlog_close(log));
}

/* A log that can only be read is read under a class that it does not know. */
static void a_read_only_log_takes_readers(void **state)
{
    evlog *log;
    evlog_signal *signal;
    OK(define_anew(*state, WITH_A));
    OK(evlog_open(in(*state, "log"), &(evlog_options){.read_only = 1}, &log));
    OK(evlog_define(log, TYPE, 0, WITH_AB, &signal));
    assert_string_equal(evlog_schema_text(evlog_signal_schema(signal)), WITH_AB);
    FAILS(EVLOG_READONLY, "read only", evlog_define(log, "other", 0, WITH_A, &signal));
    FAILS(EVLOG_READONLY, "reading only",
          evlog_send_event(signal,
                           "\x81\xa1"
                           "a\x01",
                           4, NULL, NULL));
    OK(evlog_close(log));
    assert_int_equal(count_entries(*state), 1);
}

/* Each event says under which schema it was written, to a process that defines nothing. */
static void events_keep_their_schema(void **state)
{
    evlog_signal *signal;
    evlog_event *event;
    static const char *const schemas[] = {NULL, WITH_A, WITH_AB};
    evlog *log;
    for (int i = 0; i < 3; i++) {
        log = open_log(*state);
        OK(evlog_define(log, TYPE, 0, schemas[i], &signal));
        OK(evlog_send_event(signal,
                            "\x81\xa1"
                            "a\x01",
                            4, NULL, NULL));
        OK(evlog_close(log));
    }
    log = open_log(*state);
    for (uint64_t seq = 1; seq <= 3; seq++) {
        OK(evlog_read(log, seq, &event));
        assert_null(event->signal);
        if (schemas[seq - 1])
            assert_string_equal(evlog_schema_text(event->schema), schemas[seq - 1]);
        else
            assert_null(event->schema);
        evlog_event_free(event);
    }
    OK(evlog_close(log));
}

/* A schema that cannot be read, as another program might write it, is reported, not passed over. */
static void an_unreadable_schema_is_told(void **state)
{
    const struct type_text text = {.name = TYPE, .schema = "{\"type\":\"enum\"}"};
    const struct type *type;
    evlog_signal *signal, *other;
    evlog_event *event;
    evlog_arena *arena;
    struct wide target;
    evlog *log = open_log(*state);
    OK(types_define(log->store->types, &text, NULL, &type));
    FAILS(EVLOG_DAMAGED, "must be a record", evlog_define(log, TYPE, 0, NULL, &signal));
    FAILS(EVLOG_DAMAGED, "must be a record", evlog_define(log, TYPE, 0, WITH_A, &signal));
    OK(evlog_define(log, "other.v1", 0, NULL, &other));
    OK(evlog_send_event(other, "\x80", 1, NULL, NULL)); /* so that there is a source */
    struct record record = {.type = type->number,
                            .source = atomic_load(&log->own_source)->number,
                            .data = "\x80",
                            .data_size = 1};
    OK(append_records(log->store->appender, NULL, &record, 1));
    OK(evlog_read(log, 2, &event));
    assert_string_equal(evlog_schema_text(event->schema), text.schema);
    FAILS(EVLOG_DAMAGED, "must be a record", evlog_unpack(event, &wide_class, &target, &arena));
    FAILS(EVLOG_DAMAGED, "must be a record", evlog_schema_check(event->schema, "\x80", 1));
    evlog_event_free(event);
    OK(evlog_close(log));
}

/*
 * Of processes that define schemas that break with each other at one moment, one comes through.
 */
static void one_of_many_at_once_comes_through(void **state)
{
    int ends[2], came_through = 0;
    char byte;
    OK(pipe(ends));
    for (int i = 0; i < 8; i++)
        if (fork() == 0) {
            char schema[200];
            close(ends[1]);
            snprintf(schema, sizeof schema, SCHEMA("{\"name\":\"f%d\",\"type\":\"long\"}"), i);
            if (read(ends[0], &byte, 1) < 0) /* all begin when the other end is closed */
                _exit(2);
            int result = define_anew(*state, schema);
            _exit(result == EVLOG_OK ? 0 : result == EVLOG_CONFLICT ? 1 : 2);
        }
    close(ends[0]);
    close(ends[1]);
    for (int i = 0; i < 8; i++) {
        int status;
        assert_true(wait(&status) > 0);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
        came_through += WEXITSTATUS(status) == 0;
    }
    assert_int_equal(came_through, 1);
    assert_int_equal(count_entries(*state), 1);
}

static void *define_in_thread(void *ctx)
{
    evlog_signal *signal;
    return evlog_define_class(ctx, &shop_definition, &signal) ? NULL : signal;
}

/* Threads that define the same class all get the same signal. */
static void threads_get_one_signal(void **state)
{
    pthread_t threads[8];
    void *signals[8];
    evlog *log = open_log(*state);
    for (int i = 0; i < 8; i++)
        OK(pthread_create(&threads[i], NULL, define_in_thread, log));
    for (int i = 0; i < 8; i++)
        OK(pthread_join(threads[i], &signals[i]));
    for (int i = 0; i < 8; i++)
        assert_true(signals[i] && signals[i] == signals[0]);
    OK(evlog_close(log));
}

/* ------------------------------------------------ changes that break, and are accepted ---- */

#define CATALOG_TYPE "org.example.catalog.v1"
#define CATALOG(fields)                                                                            \
    SCHEMA(                                                                                        \
        "{\"name\":\"catalog_info\",\"type\":{\"type\":\"record\",\"name\":\"CourseCatalogData\"," \
        "\"fields\":[" fields "]}}")
#define CATALOG_NAME "{\"name\":\"name\",\"type\":\"string\"}"
#define CATALOG_EFFORT ",{\"name\":\"effort\",\"type\":\"string\"}"
#define CATALOG_HIDDEN ",{\"name\":\"hidden\",\"type\":\"boolean\"}"
#define CATALOG_V1 CATALOG(CATALOG_NAME CATALOG_EFFORT CATALOG_HIDDEN)
#define CATALOG_V2 CATALOG(CATALOG_NAME CATALOG_HIDDEN)
#define CATALOG_V3                      \
    CATALOG(CATALOG_NAME CATALOG_HIDDEN \
            ",{\"name\":\"org\",\"type\":[\"null\",\"string\"],\"default\":null}")
#define CATALOG_V4 CATALOG(CATALOG_NAME ",{\"name\":\"hidden\",\"type\":\"string\"}")

#define FIELDS_V1(F) F(STRING, name) F(STRING, effort) F(BOOL, hidden)
EVLOG_CLASS(catalog_v1, CourseCatalogData, FIELDS_V1);
#define FIELDS_V2(F) F(STRING, name) F(BOOL, hidden)
EVLOG_CLASS(catalog_v2, CourseCatalogData, FIELDS_V2);
#define FIELDS_V4(F) F(STRING, name) F(STRING, hidden)
EVLOG_CLASS(catalog_v4, CourseCatalogData, FIELDS_V4);

static int define_catalog(const void *home, const char *schema, bool accept)
{
    evlog_definition definition = {
        .event_type = CATALOG_TYPE, .schema = schema, .accept_incompatible = accept};
    evlog_signal *signal;
    evlog *log = open_log(home);
    int result = evlog_define_class(log, &definition, &signal);
    OK(evlog_close(log));
    return result;
}

/*
 * openedx-events 2.1.0 removed a required field in place. A site that upgrades can say that it knows,
 * once; what was compatible since then is so without saying.
 */
static void a_breaking_change_can_be_accepted(void **state)
{
    OK(define_catalog(*state, CATALOG_V1, false));
    FAILS(EVLOG_CONFLICT, "catalog_info.effort: is missing",
          define_catalog(*state, CATALOG_V2, false));
    assert_non_null(strstr(evlog_errmsg(), "accept_incompatible"));
    OK(define_catalog(*state, CATALOG_V2, true));
    OK(define_catalog(*state, CATALOG_V2, false));
    OK(define_catalog(*state, CATALOG_V3, false));
    OK(define_catalog(*state, CATALOG_V1, false)); /* a site may go back */
    FAILS(EVLOG_CONFLICT, "catalog_info.hidden: written as boolean, read as string",
          define_catalog(*state, CATALOG_V4, false));
    OK(define_catalog(*state, CATALOG_V4, true));
    FAILS(EVLOG_CONFLICT, "catalog_info.hidden: written as string",
          define_catalog(*state, CATALOG(CATALOG_NAME CATALOG_HIDDEN CATALOG_EFFORT), false));
}

static void send_catalog(const void *home, const evlog_class *of, const void *data)
{
    evlog_definition definition = {.event_type = CATALOG_TYPE,
                                   .argument = "catalog_info",
                                   .of = of,
                                   .accept_incompatible = true};
    evlog_signal *signal;
    evlog *log = open_log(home);
    OK(evlog_define_class(log, &definition, &signal));
    OK(evlog_send_class(signal, data, of, NULL, NULL));
    OK(evlog_close(log));
}

/* Events from before such a change are read where the rules allow it, and refused elsewhere. */
static void old_events_are_read_or_refused(void **state)
{
    struct catalog_v1 v1 = {evlog_str("one"), evlog_str("2h"), true};
    struct catalog_v2 v2 = {evlog_str("two"), true};
    struct catalog_v4 v4 = {evlog_str("four"), evlog_str("no")};
    evlog_arena *arena;
    evlog_event *events[3];
    evlog *log;
    send_catalog(*state, &catalog_v1_class, &v1);
    send_catalog(*state, &catalog_v2_class, &v2);
    send_catalog(*state, &catalog_v4_class, &v4);
    OK(evlog_open(in(*state, "log"), &(evlog_options){.read_only = true}, &log));
    for (uint64_t i = 0; i < 3; i++)
        OK(evlog_read(log, i + 1, &events[i]));
    OK(evlog_unpack(events[0], &catalog_v2_class, &v2, &arena));
    assert_true(evlog_str_is(v2.name, "one") && v2.hidden);
    evlog_arena_free(arena);
    FAILS(EVLOG_CONFLICT, "effort: is missing",
          evlog_unpack(events[1], &catalog_v1_class, &v1, &arena));
    for (int i = 0; i < 2; i++)
        FAILS(EVLOG_CONFLICT, "hidden: written as boolean, read as string",
              evlog_unpack(events[i], &catalog_v4_class, &v4, &arena));
    FAILS(EVLOG_CONFLICT, "hidden: written as string, read as boolean",
          evlog_unpack(events[2], &catalog_v2_class, &v2, &arena));
    OK(evlog_unpack(events[2], &catalog_v4_class, &v4, &arena));
    assert_true(evlog_str_is(v4.hidden, "no"));
    evlog_arena_free(arena);
    for (int i = 0; i < 3; i++)
        evlog_event_free(events[i]);
    OK(evlog_close(log));
}

/* What a definition says at once is checked: not two schemas, and the top record's name. */
static void definitions_are_checked(void **state)
{
    evlog_signal *signal;
    evlog_schema *schema;
    evlog_definition definition = {
        .event_type = TYPE, .argument = "data", .of = &wide_class, .schema = WITH_A};
    evlog *log = open_log(*state);
    FAILS(EVLOG_INVALID, "both given", evlog_define_class(log, &definition, &signal));
    FAILS(EVLOG_INVALID, "event type", evlog_define_class(log, NULL, &signal));
    definition.schema = NULL;
    definition.record_name = "a b";
    FAILS(EVLOG_INVALID, "record name a b", evlog_define_class(log, &definition, &signal));
    definition.record_name = "Data"; /* the class is called so */
    FAILS(EVLOG_INVALID, "a class in it", evlog_define_class(log, &definition, &signal));
    definition.record_name = "Change";
    OK(evlog_define_class(log, &definition, &signal));
    const char *text = evlog_schema_text(evlog_signal_schema(signal));
    static const char begins[] = "{\"name\":\"Change\",\"type\":\"record\",\"fields\":";
    assert_memory_equal(text, begins, sizeof begins - 1);
    OK(evlog_schema_parse(text, &schema));
    evlog_schema_free(schema);
    definition =
        (evlog_definition){.event_type = "plain.v1", .of = &wide_class, .record_name = "Data"};
    OK(evlog_define_class(log, &definition, &signal));
    definition = (evlog_definition){.event_type = "untyped.v1"};
    OK(evlog_define_class(log, &definition, &signal));
    assert_null(evlog_signal_schema(signal));
    OK(evlog_close(log));
}

/* ------------------------------------------- a definition that is overtaken ---- */

/* A thread that sets this sleeps after unlocking it, so that others overtake it. */
static _Thread_local pthread_mutex_t *slow;

int __real_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex);

int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    int result = __real_pthread_mutex_unlock(mutex);
    if (mutex == slow)
        usleep(100000);
    return result;
}

static void *define_slowly(void *ctx)
{
    evlog_signal *signal;
    slow = &((evlog *)ctx)->lock;
    return evlog_define(ctx, SHOP_TYPE, 0, NULL, &signal) ? NULL : signal;
}

/*
 * A definition that a fuller one replaces before its evlog_define has returned stays readable as
 * long as the log: a send may have it.
 */
static void a_replaced_definition_stays(void **state)
{
    pthread_t thread;
    evlog_signal *found, *typed;
    void *untyped;
    evlog *log = open_log(*state);
    OK(pthread_create(&thread, NULL, define_slowly, log));
    while (evlog_signal_by_type(log, SHOP_TYPE, &found))
        usleep(100);
    OK(evlog_define_class(log, &shop_definition, &typed));
    OK(pthread_join(thread, &untyped));
    assert_ptr_equal(untyped, typed);
    assert_non_null(evlog_signal_schema(typed));
    OK(evlog_close(log));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(compatible_changes_are_entries),
        TEST_AT_HOME(breaking_changes_are_refused),
        TEST_AT_HOME(a_new_version_may_break),
        TEST_AT_HOME(no_schema_means_the_log_s),
        TEST_AT_HOME(a_signal_has_one_schema),
        TEST_AT_HOME(another_struct_is_refused),
        TEST_AT_HOME(a_read_only_log_takes_readers),
        TEST_AT_HOME(events_keep_their_schema),
        TEST_AT_HOME(an_unreadable_schema_is_told),
        TEST_AT_HOME(one_of_many_at_once_comes_through),
        TEST_AT_HOME(threads_get_one_signal),
        TEST_AT_HOME(a_breaking_change_can_be_accepted),
        TEST_AT_HOME(old_events_are_read_or_refused),
        TEST_AT_HOME(definitions_are_checked),
        TEST_AT_HOME(a_replaced_definition_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
