/*
 * Importing: what is kept of an event and what is not, where an import goes on after a kill, and two imports of one
 * input; and signals for importing, of which a type has one for each schema.
 */
#include "evlog/upkeep.h"

#include "evlog/schema.h"
#include "evlog/value.h"
#include "processes.h"
#include "test.h"

#define TYPE "org.evlog.test.v1"
#define SCHEMA(fields) "{\"type\":\"record\",\"name\":\"Data\",\"fields\":[" fields "]}"
#define LONG_N "{\"name\":\"n\",\"type\":\"long\"}"
#define WITH_N SCHEMA(LONG_N)
#define WITH_NM SCHEMA(LONG_N ",{\"name\":\"m\",\"type\":[\"null\",\"string\"],\"default\":null}")

static const evlog_import first_input = {.input = "the first input"};
static const evlog_import second_input = {.input = "the second one"};

static evlog *open_log(const void *home, evlog_signal **signal)
{
    evlog *log;
    OK(evlog_open(in(home, "log"), &(evlog_options){.durability = EVLOG_FAST}, &log));
    OK(evlog_define(log, TYPE, 7, NULL, signal));
    return log;
}

/* The event that is `number`th in an input: its id says so. */
static evlog_metadata metadata_of(uint64_t number)
{
    evlog_metadata metadata = {.time_us = (int64_t)number};
    memcpy(metadata.id, &number, sizeof number);
    metadata.id[15] = 1;
    return metadata;
}

/* Imports the events of an input that have these numbers, as one batch. */
static int import_some(evlog *log, evlog_signal *signal, uint64_t first, uint64_t last,
                       evlog_import *import)
{
    evlog_sending sends[64];
    evlog_metadata metadata[64];
    size_t count = 0;
    for (uint64_t number = first; number <= last; number++, count++) {
        metadata[count] = metadata_of(number);
        sends[count] = (evlog_sending){
            .signal = signal, .data = "\x80", .data_size = 1, .metadata = &metadata[count]};
    }
    import->position = last;
    import->digest = last * 1000;
    return evlog_import_events(log, sends, count, import);
}

/* The numbers of the log's events are 1, 2, 3 ...; returns how many. */
static uint64_t check_numbers(evlog *log)
{
    evlog_cursor *cursor;
    const evlog_event *event;
    uint64_t number = 0, found;
    OK(evlog_cursor_open(log, NULL, &cursor));
    for (;;) {
        OK(evlog_cursor_next(cursor, &event));
        if (!event)
            break;
        memcpy(&found, event->id, sizeof found);
        assert_int_equal(found, ++number);
    }
    OK(evlog_cursor_close(cursor));
    return number;
}

static int fail_to_hear(const evlog_event *event, void *ctx)
{
    (void)event;
    (void)ctx;
    return evlog_fail("a receiver ran");
}

/* ----------------------------------------------------------- what is kept ---- */

static void events_are_as_they_are_given(void **state)
{
    const evlog_header header = {"trace", "abc"};
    evlog_metadata metadata[2] = {{.id = "0123456789abcde",
                                   .minorversion = 0,
                                   .time_us = 0,
                                   .source = "old/place",
                                   .sourcehost = "",
                                   .sourcelib = "9.5.0"},
                                  {.minorversion = 3, .time_us = -5}};
    evlog_signal *signal;
    evlog_event *event;
    evlog_string value;
    evlog *log = open_log(*state, &signal);
    evlog_import import = first_input;
    evlog_sending sends[2] = {
        {.signal = signal,
         .data = SMALL_MAP("\x01"),
         .data_size = 4,
         .metadata = &metadata[0],
         .from_event_bus = true,
         .headers = &header,
         .header_count = 1},
        {.signal = signal, .data = "\x80", .data_size = 1, .metadata = &metadata[1]}};
    OK(evlog_connect(log, signal, NULL, fail_to_hear, NULL, NULL));
    int64_t before_us = evlog_now_us();
    OK(evlog_import_events(log, sends, 2, &import));
    assert_int_equal(import.seen_seq, 3);
    assert_int_equal(import.event_count, 2);
    OK(evlog_read(log, 1, &event));
    assert_memory_equal(event->id, metadata[0].id, 16);
    assert_int_equal(event->minorversion, 0); /* not the signal's */
    assert_int_equal(event->time_us, 0);      /* 1970, not now */
    assert_string_equal(event->source, "old/place");
    assert_string_equal(event->sourcehost, "");
    assert_string_equal(event->sourcelib, "9.5.0");
    assert_true(event->from_event_bus);
    assert_true(event->log_time_us >= before_us);
    OK(evlog_event_header(event, "trace", &value));
    assert_memory_equal(value.text, "abc", value.size);
    evlog_event_free(event);
    OK(evlog_read(log, 2, &event));
    assert_int_equal(event->minorversion, 3);
    assert_int_equal(event->time_us, -5);
    assert_true(event->id[6] >> 4 == 1); /* it was made */
    assert_false(event->from_event_bus);
    evlog_event_free(event);
    OK(evlog_close(log));
}

/* The note is the last of its batch, and its bytes are as store/README.md says. */
static void a_batch_ends_with_its_note(void **state)
{
    static const char data[] =
        "\x84\xa5input\xc4\x10the second one\0\0\xa8position\xcf\0\0\0\0\0\0\0\x05\xa6"
        "digest\xcf\0\0\0\0\0\0\x13\x88\xa6"
        "events\xcf\0\0\0\0\0\0\0\x03";
    evlog_signal *signal;
    evlog_event *event;
    evlog *log = open_log(*state, &signal);
    evlog_import import = second_input;
    OK(import_some(log, signal, 3, 5, &import));
    OK(evlog_read(log, 4, &event));
    assert_string_equal(event->event_type, EVLOG_IMPORTED_TYPE);
    assert_int_equal(event->data_size, sizeof data - 1);
    assert_memory_equal(event->data, data, sizeof data - 1);
    evlog_event_free(event);
    OK(evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_close(log));
}

static void what_is_wrong_is_named_and_nothing_is_there(void **state)
{
    evlog_metadata metadata = metadata_of(1);
    evlog_signal *signal;
    evlog_info info;
    evlog *log = open_log(*state, &signal);
    evlog_import import = first_input;
    evlog_sending sends[2] = {
        {.signal = signal, .data = "\x80", .data_size = 1, .metadata = &metadata},
        {.signal = signal, .data = "\x80", .data_size = 1}};
    FAILS(EVLOG_INVALID, "event 1 of the 2 to send: an event that is imported has no metadata",
          evlog_import_events(log, sends, 2, &import));
    sends[1] =
        (evlog_sending){.signal = signal, .data = "\x01", .data_size = 1, .metadata = &metadata};
    FAILS(EVLOG_INVALID, "event 1 of the 2 to send", evlog_import_events(log, sends, 2, &import));
    sends[1].data = "\x80";
    metadata.source = "";
    FAILS(EVLOG_INVALID, "source", evlog_import_events(log, sends, 1, &import));
    FAILS(EVLOG_LIMIT, "65537 events at once",
          evlog_import_events(log, sends, EVLOG_SEND_COUNT_MAX + 1, &import));
    FAILS(EVLOG_INVALID, "no import", evlog_import_events(log, sends, 1, NULL));
    FAILS(EVLOG_INVALID, "no import", evlog_import_find(log, NULL));
    assert_int_equal(import.seen_seq, 0);
    OK(evlog_inspect(log, &info));
    assert_int_equal(info.last_seq, 0);
    OK(evlog_close(log));
    OK(evlog_open(in(*state, "log"), &(evlog_options){.read_only = true}, &log));
    OK(evlog_import_find(log, &import));
    FAILS(EVLOG_READONLY, "reading only", evlog_import_events(log, sends, 1, &import));
    OK(evlog_close(log));
}

/* ------------------------------------------------------------ where it is ---- */

static void an_import_is_found_where_it_was(void **state)
{
    evlog_signal *signal;
    evlog *log = open_log(*state, &signal);
    evlog_import first = first_input, second = second_input, found = first_input;
    OK(evlog_import_find(log, &found));
    assert_int_equal(found.position, 0);
    OK(import_some(log, signal, 1, 10, &first));
    OK(import_some(log, signal, 1, 3, &second)); /* the one before is another input's */
    OK(import_some(log, signal, 11, 12, &first));
    OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    OK(evlog_close(log));
    log = open_log(*state, &signal);
    OK(evlog_import_find(log, &found));
    assert_int_equal(found.position, 12);
    assert_int_equal(found.digest, 12000);
    assert_int_equal(found.event_count, 12);
    assert_int_equal(found.seen_seq, 19);
    OK(import_some(log, signal, 13, 13, &found));
    assert_int_equal(found.event_count, 13);
    found = second_input;
    OK(evlog_import_find(log, &found));
    assert_int_equal(found.position, 3);
    OK(evlog_close(log));
}

/* The second of two processes that import one input is refused, whatever it has looked at. */
static void two_imports_of_one_input_double_nothing(void **state)
{
    evlog_signal *signal;
    evlog *log = open_log(*state, &signal);
    evlog_import one = first_input, other = first_input, unasked = first_input;
    OK(evlog_import_find(log, &one));
    OK(evlog_import_find(log, &other));
    OK(import_some(log, signal, 1, 10, &one));
    FAILS(EVLOG_CONFLICT, "another process has imported this input meanwhile, up to 10",
          import_some(log, signal, 1, 5, &other));
    FAILS(EVLOG_CONFLICT, "up to 10", import_some(log, signal, 1, 5, &unasked));
    OK(evlog_import_find(log, &other));
    OK(import_some(log, signal, 11, 12, &other));
    FAILS(EVLOG_CONFLICT, "up to 12", import_some(log, signal, 11, 12, &one));
    assert_int_equal(check_numbers(log), 12);
    OK(evlog_close(log));
}

/* A log that is an older copy of the one in which the import was seen. */
static void a_log_that_went_back_is_refused(void **state)
{
    evlog_signal *signal;
    evlog *log = open_log(*state, &signal);
    evlog_import import = first_input;
    import.seen_seq = 100;
    FAILS(EVLOG_CONFLICT, "the log ends at event 0", import_some(log, signal, 1, 5, &import));
    OK(evlog_close(log));
}

static void a_trimmed_log_is_imported_to(void **state)
{
    evlog_signal *signal;
    evlog *log = open_log(*state, &signal);
    evlog_import import = first_input, found = first_input;
    OK(import_some(log, signal, 1, 5, &import));
    for (int i = 0; i < 10; i++)
        OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    OK(evlog_trim(log, 10, NULL, NULL));
    OK(import_some(log, signal, 6, 8, &import));
    OK(evlog_import_find(log, &found));
    assert_int_equal(found.position, 8);
    OK(evlog_close(log));
}

static void ids_that_are_there_are_left_out(void **state)
{
    evlog_signal *signal;
    evlog *log = open_log(*state, &signal);
    evlog_import import = first_input;
    evlog_metadata none = {.time_us = 1};
    evlog_sending send = {.signal = signal, .data = "\x80", .data_size = 1, .metadata = &none};
    OK(import_some(log, signal, 1, 10, &import));
    import = second_input;
    import.unless_id = true;
    OK(import_some(log, signal, 5, 20, &import));
    assert_int_equal(import.known_count, 6);
    assert_int_equal(import.event_count, 16);
    OK(import_some(log, signal, 15, 20, &import));
    assert_int_equal(import.known_count, 6);
    assert_int_equal(check_numbers(log), 20);
    FAILS(EVLOG_INVALID, "no id is given", evlog_import_events(log, &send, 1, &import));
    OK(evlog_close(log));
}

/* As many as a send can have, and none: the note is there, too. */
static void batches_have_the_size_of_sends(void **state)
{
    evlog_signal *signal;
    evlog_sending *sends = calloc(EVLOG_SEND_COUNT_MAX, sizeof *sends);
    evlog_metadata *metadata = calloc(EVLOG_SEND_COUNT_MAX, sizeof *metadata);
    evlog_import import = first_input, found = first_input;
    evlog *log = open_log(*state, &signal);
    for (size_t i = 0; i < EVLOG_SEND_COUNT_MAX; i++) {
        metadata[i] = metadata_of(i + 1);
        sends[i] = (evlog_sending){
            .signal = signal, .data = "\x80", .data_size = 1, .metadata = &metadata[i]};
    }
    import.position = 1;
    OK(evlog_import_events(log, sends, EVLOG_SEND_COUNT_MAX, &import));
    assert_int_equal(import.seen_seq, EVLOG_SEND_COUNT_MAX + 1);
    assert_int_equal(check_numbers(log), EVLOG_SEND_COUNT_MAX);
    import.position = 2;
    OK(evlog_import_events(log, NULL, 0, &import));
    OK(evlog_import_find(log, &found));
    assert_int_equal(found.position, 2);
    assert_int_equal(found.event_count, EVLOG_SEND_COUNT_MAX);
    OK(evlog_close(log));
    free(sends);
    free(metadata);
}

/* ------------------------------------------------------------------ kills ---- */

/* In a child: imports from where it is on, until it is killed. */
static void import_on(const void *home, atomic_int *begun)
{
    evlog_signal *signal;
    evlog_import import = first_input;
    evlog *log = open_log(home, &signal);
    if (evlog_import_find(log, &import))
        die("find", 0);
    if (import.digest != import.position * 1000 || import.event_count != import.position)
        die("the note", import.position);
    *begun = 1;
    for (;;) {
        uint64_t first = import.position + 1;
        if (import_some(log, signal, first, first + first * 31 % 64, &import))
            die("import", first);
    }
}

static void after_kills_each_event_is_there_once(void **state)
{
    atomic_int *begun = map_shared(sizeof *begun);
    evlog_signal *signal;
    for (unsigned kills = 0; kills < 60; kills++) {
        *begun = 0;
        pid_t pid = start_process();
        if (pid == 0)
            import_on(*state, begun);
        wait_for_child(pid, begun, 1);
        usleep(2000 + kills * 7919 % 20000);
        kill_process(pid);
    }
    evlog *log = open_log(*state, &signal);
    assert_true(check_numbers(log) > 0);
    OK(evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_close(log));
    munmap(begun, sizeof *begun);
}

/* ---------------------------------------------------------------- schemas ---- */

static void a_type_has_a_signal_for_each_schema(void **state)
{
    static const char *const schemas[] = {WITH_N, NULL, WITH_NM, WITH_N};
    evlog_metadata metadata = metadata_of(1);
    evlog_signal *signals[4], *found;
    evlog_event *event;
    evlog *log;
    evlog_import import = first_input;
    OK(evlog_open(in(*state, "log"), &(evlog_options){.durability = EVLOG_FAST}, &log));
    for (size_t i = 0; i < 4; i++) {
        evlog_definition definition = {.event_type = TYPE, .schema = schemas[i]};
        OK(evlog_import_define(log, &definition, &signals[i]));
        evlog_sending send = {.signal = signals[i],
                              .data = SMALL_MAP("\x01"),
                              .data_size = 4,
                              .metadata = &metadata};
        OK(evlog_import_events(log, &send, 1, &import));
        OK(evlog_read(log, import.seen_seq - 1, &event));
        if (schemas[i])
            assert_string_equal(evlog_schema_text(event->schema), schemas[i]);
        else
            assert_null(event->schema);
        evlog_event_free(event);
    }
    assert_ptr_equal(signals[0], signals[3]);
    FAILS(EVLOG_NOTFOUND, "not defined in this process", evlog_signal_by_type(log, TYPE, &found));
    OK(evlog_define(log, TYPE, 0, WITH_N, &found)); /* an older one: as evlog_define has it */
    assert_ptr_not_equal(found, signals[0]);
    FAILS(EVLOG_CONFLICT, "type",
          evlog_import_define(log, &(evlog_definition){.event_type = TYPE, .schema = SCHEMA("")},
                              &found));
    OK(evlog_import_define(log,
                           &(evlog_definition){.event_type = TYPE,
                                               .schema = SCHEMA(""),
                                               .accept_incompatible = true},
                           &found));
    OK(evlog_close(log));
    OK(evlog_open(in(*state, "log"), &(evlog_options){.read_only = true}, &log));
    OK(evlog_import_define(log, &(evlog_definition){.event_type = TYPE}, &found));
    FAILS(EVLOG_READONLY, "of this schema",
          evlog_import_define(log,
                              &(evlog_definition){.event_type = TYPE,
                                                  .schema = SCHEMA("{\"name\":\"x\",\"type\":"
                                                                   "\"int\",\"default\":1}"),
                                                  .accept_incompatible = true},
                              &found));
    OK(evlog_close(log));
}

/* An event names the entry of its type. */
static int find_number(const evlog_type *type, void *ctx)
{
    return type->number == *(uint64_t *)ctx;
}

static void events_name_the_entry_of_their_type(void **state)
{
    evlog_signal *signal;
    evlog_event *event;
    evlog_import import = first_input;
    evlog *log = open_log(*state, &signal);
    OK(import_some(log, signal, 1, 1, &import));
    for (uint64_t seq = 1; seq <= 2; seq++) {
        OK(evlog_read(log, seq, &event));
        assert_int_equal(evlog_each_type(log, find_number, &event->type_number), 1);
        evlog_event_free(event);
    }
    OK(evlog_close(log));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(events_are_as_they_are_given),
        TEST_AT_HOME(a_batch_ends_with_its_note),
        TEST_AT_HOME(what_is_wrong_is_named_and_nothing_is_there),
        TEST_AT_HOME(an_import_is_found_where_it_was),
        TEST_AT_HOME(two_imports_of_one_input_double_nothing),
        TEST_AT_HOME(a_log_that_went_back_is_refused),
        TEST_AT_HOME(a_trimmed_log_is_imported_to),
        TEST_AT_HOME(ids_that_are_there_are_left_out),
        TEST_AT_HOME(batches_have_the_size_of_sends),
        TEST_AT_HOME(after_kills_each_event_is_there_once),
        TEST_AT_HOME(a_type_has_a_signal_for_each_schema),
        TEST_AT_HOME(events_name_the_entry_of_their_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
