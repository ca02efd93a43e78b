/* Sending: metadata, checks in their order, many at once, all or nothing. */
#include <time.h>

#include "evlog/testing.h"
#include "test.h"

#define TYPE "org.openedx.learning.course.enrollment.created.v1"

struct fixture {
    evlog *log;
    evlog_signal *signal;
    unsigned heard;
    uint64_t seqs[64];
};

static int hear(const evlog_event *event, void *ctx)
{
    struct fixture *fixture = ctx;
    fixture->seqs[fixture->heard++ % 64] = event->seq;
    return 0;
}

static void begin(struct fixture *fixture, const void *home, evlog_options options)
{
    *fixture = (struct fixture){.heard = 0};
    options.durability = EVLOG_FAST;
    OK(evlog_open(in(home, "log"), &options, &fixture->log));
    OK(evlog_define(fixture->log, TYPE, 3, NULL, &fixture->signal));
    OK(evlog_connect(fixture->log, fixture->signal, NULL, hear, fixture, NULL));
}

static uint64_t head(const struct fixture *fixture)
{
    evlog_info info;
    OK(evlog_inspect(fixture->log, &info));
    return info.last_seq;
}

/* A refused send: this code, nothing in the log, no receiver. */
#define REFUSED(fixture, code, words, call)        \
    do {                                           \
        uint64_t before = head(fixture);           \
        unsigned heard = (fixture)->heard;         \
        FAILS(code, words, call);                  \
        assert_int_equal(head(fixture), before);   \
        assert_int_equal((fixture)->heard, heard); \
    } while (0)

/* The seven fields of EventsMetadata, as openedx-events makes them. */
static void makes_the_metadata(void **state)
{
    struct fixture fixture;
    evlog_sent sent;
    evlog_event *event;
    int64_t before = (int64_t)time(NULL) * 1000000;
    begin(&fixture, *state, (evlog_options){.service = "lms", .sourcehost = "lms-1"});
    OK(evlog_send_event(fixture.signal, SMALL_MAP("\x05"), 4, NULL, &sent));
    OK(evlog_read(fixture.log, 1, &event));
    assert_string_equal(event->event_type, TYPE);
    assert_memory_equal(event->id, sent.id, 16);
    assert_int_equal(event->id[6] >> 4, 1);
    assert_int_equal(event->minorversion, 3);
    assert_string_equal(event->source, "openedx/lms/web");
    assert_string_equal(event->sourcehost, "lms-1");
    assert_string_equal(event->sourcelib, EVLOG_VERSION);
    assert_in_range((uint64_t)event->time_us, (uint64_t)before, (uint64_t)before + 60000000);
    assert_true(event->log_time_us >= event->time_us);
    assert_false(event->from_event_bus);
    assert_int_equal(event->data_size, 4);
    assert_memory_equal(event->data, SMALL_MAP("\x05"), 4);
    evlog_event_free(event);
    evlog_sent_free(&sent);
    OK(evlog_close(fixture.log));
}

/* No service: SERVICE_NAME_UNSET, as openedx-events writes it; no host: this machine's. */
static void metadata_has_defaults(void **state)
{
    struct fixture fixture;
    evlog_event *event;
    char host[256];
    gethostname(host, sizeof host);
    begin(&fixture, *state, (evlog_options){.service = "", .source = ""});
    OK(evlog_send_event(fixture.signal, "\x80", 1, &(evlog_send_options){.time_us = -5}, NULL));
    OK(evlog_read(fixture.log, 1, &event));
    assert_string_equal(event->source, "openedx/SERVICE_NAME_UNSET/web");
    assert_string_equal(event->sourcehost, host);
    assert_true(event->time_us == -5);
    evlog_event_free(event);
    OK(evlog_close(fixture.log));
}

/* Custom metadata is kept as given, and what is missing is made. */
static void keeps_custom_metadata(void **state)
{
    struct fixture fixture;
    evlog_event *event;
    evlog_metadata metadata = {.id = {1, 2, 3},
                               .minorversion = 9,
                               .time_us = 1672581600000000,
                               .source = "openedx/cms/web",
                               .sourcehost = "",
                               .sourcelib = "11.2.0"};
    evlog_send_options options = {.metadata = &metadata, .time_us = 77};
    begin(&fixture, *state, (evlog_options){.service = "lms"});
    OK(evlog_send_event(fixture.signal, "\x80", 1, &options, NULL));
    metadata = (evlog_metadata){.sourcehost = "cms-1"};
    options.from_event_bus = true;
    OK(evlog_send_event(fixture.signal, "\x80", 1, &options, NULL));
    OK(evlog_read(fixture.log, 1, &event));
    assert_memory_equal(event->id, ((uint8_t[16]){1, 2, 3}), 16);
    assert_int_equal(event->minorversion, 9);
    assert_true(event->time_us == 1672581600000000);
    assert_string_equal(event->source, "openedx/cms/web");
    assert_string_equal(event->sourcehost, "");
    assert_string_equal(event->sourcelib, "11.2.0");
    assert_false(event->from_event_bus);
    evlog_event_free(event);
    OK(evlog_read(fixture.log, 2, &event));
    assert_string_equal(event->source, "openedx/lms/web");
    assert_string_equal(event->sourcehost, "cms-1");
    assert_string_equal(event->sourcelib, EVLOG_VERSION);
    assert_int_equal(event->id[6] >> 4, 1);
    assert_int_equal(event->minorversion, 3);
    assert_true(event->time_us == 77);
    assert_true(event->from_event_bus);
    evlog_event_free(event);
    OK(evlog_close(fixture.log));
}

/* Metadata of zeros is as if none were given, one by one and many at once. */
static void zero_metadata_changes_nothing(void **state)
{
    struct fixture fixture;
    evlog_event *event, *plain;
    evlog_metadata zero = {.minorversion = 0};
    evlog_sending sends[] = {
        {.signal = NULL, .data = "\x80", .data_size = 1, .metadata = &zero},
        {.signal = NULL, .data = "\x80", .data_size = 1, .from_event_bus = true}};
    begin(&fixture, *state, (evlog_options){.source = "shop/till"});
    sends[0].signal = sends[1].signal = fixture.signal;
    OK(evlog_send_event(fixture.signal, "\x80", 1, NULL, NULL));
    OK(evlog_send_event(fixture.signal, "\x80", 1, &(evlog_send_options){.metadata = &zero},
                        NULL));
    OK(evlog_send_events(sends, 2, NULL, NULL));
    OK(evlog_read(fixture.log, 1, &plain));
    assert_string_equal(plain->source, "shop/till");
    for (uint64_t seq = 2; seq <= 4; seq++) {
        OK(evlog_read(fixture.log, seq, &event));
        assert_int_equal(event->id[6] >> 4, 1);
        assert_int_equal(event->minorversion, 3);
        assert_in_range((uint64_t)event->time_us, (uint64_t)plain->time_us,
                        (uint64_t)plain->time_us + 60000000);
        assert_string_equal(event->source, plain->source);
        assert_string_equal(event->sourcehost, plain->sourcehost);
        assert_string_equal(event->sourcelib, plain->sourcelib);
        assert_int_equal(event->from_event_bus, seq == 4);
        evlog_event_free(event);
    }
    evlog_event_free(plain);
    OK(evlog_close(fixture.log));
}

/* What a hurried user gets wrong in metadata: refused, with the field's name. */
static void refuses_bad_metadata(void **state)
{
    struct fixture fixture;
    static char long_name[EVLOG_NAME_SIZE_MAX + 2];
    memset(long_name, 's', sizeof long_name - 1);
    static const struct {
        evlog_metadata metadata;
        const char *words;
    } table[] = {
        {{.minorversion = -1}, "minorversion"},    {{.source = ""}, "source"},
        {{.source = long_name}, "source"},         {{.source = "\xff"}, "source"},
        {{.sourcehost = long_name}, "sourcehost"}, {{.sourcelib = ""}, "sourcelib"},
        {{.sourcelib = "1..2"}, "sourcelib"},      {{.sourcelib = "1.2."}, "sourcelib"},
        {{.sourcelib = "v1"}, "sourcelib"},        {{.sourcelib = "1.2-rc"}, "sourcelib"},
        {{.time_us = INT64_MAX}, "time"},          {{.time_us = INT64_MIN}, "time"},
    };
    begin(&fixture, *state, (evlog_options){.service = "lms"});
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        REFUSED(&fixture, EVLOG_INVALID, table[i].words,
                evlog_send_event(fixture.signal, "\x80", 1,
                                 &(evlog_send_options){.metadata = &table[i].metadata}, NULL));
    OK(evlog_close(fixture.log));
}

/* Data that is none, no map, too large or too deep: refused before anything happens. */
static void refuses_bad_data(void **state)
{
    struct fixture fixture;
    char large[64] = "\x81\xa1n\xc4\x38";
    begin(&fixture, *state, (evlog_options){.data_size_max = 60});
    OK(evlog_send_event(fixture.signal, "\x80", 1, NULL, NULL));
    REFUSED(&fixture, EVLOG_INVALID, "data",
            evlog_send_event(fixture.signal, NULL, 0, NULL, NULL));
    REFUSED(&fixture, EVLOG_INVALID, "map",
            evlog_send_event(fixture.signal, "\x90", 1, NULL, NULL));
    REFUSED(&fixture, EVLOG_INVALID, "UTF-8",
            evlog_send_event(fixture.signal, "\x81\xa1\xff\x01", 4, NULL, NULL));
    REFUSED(&fixture, EVLOG_LIMIT, "61 bytes",
            evlog_send_event(fixture.signal, large, 61, NULL, NULL));
    REFUSED(&fixture, EVLOG_INVALID, "no signal", evlog_send_event(NULL, "\x80", 1, NULL, NULL));
    large[4] = 55;
    OK(evlog_send_event(fixture.signal, large, 60, NULL, NULL));
    assert_int_equal(fixture.heard, 2);
    OK(evlog_close(fixture.log));
}

/* The largest event there can be is sent, read and replayed; a byte more is refused. */
static void takes_the_largest_event(void **state)
{
    struct fixture fixture;
    size_t size = EVLOG_DATA_SIZE_MAX;
    unsigned char *large = calloc(1, size + 1);
    evlog_event *event;
    evlog_outcome outcome;
    memcpy(large, "\x81\xa1n\xc6", 4);
    uint32_t length = (uint32_t)size - 8;
    for (int i = 0; i < 4; i++)
        large[4 + i] = (unsigned char)(length >> (24 - 8 * i));
    begin(&fixture, *state, (evlog_options){.data_size_max = EVLOG_DATA_SIZE_MAX});
    OK(evlog_send_event(fixture.signal, "\x80", 1, NULL, NULL));
    OK(evlog_send_event(fixture.signal, large, size, NULL, NULL));
    OK(evlog_send_event(fixture.signal, "\x80", 1, NULL, NULL));
    REFUSED(&fixture, EVLOG_LIMIT, "data_size_max",
            evlog_send_event(fixture.signal, large, size + 1, NULL, NULL));
    OK(evlog_read(fixture.log, 2, &event));
    assert_int_equal(event->data_size, size);
    assert_memory_equal(event->data, large, size);
    evlog_event_free(event);
    OK(evlog_replay(fixture.log, NULL, hear, &fixture, &outcome));
    assert_int_equal(outcome.delivered, 3);
    OK(evlog_replay(fixture.log, &(evlog_range){.newest_first = 1}, hear, &fixture, &outcome));
    assert_int_equal(outcome.delivered, 3);
    free(large);
    OK(evlog_close(fixture.log));
}

/* A disabled signal sends nothing and logs nothing, but its time is looked at first. */
static void disabled_sends_nothing(void **state)
{
    struct fixture fixture;
    evlog_sent sent;
    begin(&fixture, *state, (evlog_options){.service = "lms"});
    evlog_signal_disable(fixture.signal);
    assert_false(evlog_signal_is_enabled(fixture.signal));
    OK(evlog_send_event(fixture.signal, "\x90", 1, NULL, &sent)); /* not even checked */
    assert_int_equal(sent.seq, 0);
    assert_int_equal(sent.response_count, 0);
    evlog_sent_free(&sent);
    FAILS(EVLOG_INVALID, "time",
          evlog_send_event(fixture.signal, "\x80", 1, &(evlog_send_options){.time_us = INT64_MAX},
                           NULL));
    assert_int_equal(head(&fixture), 0);
    assert_int_equal(fixture.heard, 0);
    evlog_signal_enable(fixture.signal);
    OK(evlog_send_event(fixture.signal, "\x80", 1, NULL, NULL));
    assert_int_equal(head(&fixture), 1);
    OK(evlog_close(fixture.log));
}

/* Many at once: side by side, in order, each with its own sent. */
static void sends_many_at_once(void **state)
{
    struct fixture fixture;
    evlog_sending sends[10];
    evlog_sent sent[10];
    begin(&fixture, *state, (evlog_options){.service = "lms"});
    for (int i = 0; i < 10; i++)
        sends[i] = (evlog_sending){
            .signal = fixture.signal, .data = "\x80", .data_size = 1, .time_us = 1000 + i};
    OK(evlog_send_events(sends, 10, NULL, sent));
    assert_int_equal(fixture.heard, 10);
    for (int i = 0; i < 10; i++) {
        evlog_event *event;
        assert_int_equal(sent[i].seq, i + 1);
        assert_int_equal(fixture.seqs[i], i + 1);
        OK(evlog_read(fixture.log, sent[i].seq, &event));
        assert_int_equal(event->time_us, 1000 + i);
        evlog_event_free(event);
        evlog_sent_free(&sent[i]);
    }
    OK(evlog_send_events(sends, 0, NULL, NULL));
    OK(evlog_close(fixture.log));
}

/* One bad event among many: none is in the log, and the sentence says which it was. */
static void many_are_all_or_nothing(void **state)
{
    struct fixture fixture;
    evlog_sending sends[5];
    evlog_sent sent[5];
    begin(&fixture, *state, (evlog_options){.service = "lms"});
    for (int i = 0; i < 5; i++)
        sends[i] = (evlog_sending){.signal = fixture.signal, .data = "\x80", .data_size = 1};
    sends[3].data = "\x01";
    REFUSED(&fixture, EVLOG_INVALID, "event 3 of the 5", evlog_send_events(sends, 5, NULL, sent));
    sends[3].data = "\x80";
    sends[4].signal = NULL;
    REFUSED(&fixture, EVLOG_INVALID, "event 4", evlog_send_events(sends, 5, NULL, sent));
    REFUSED(&fixture, EVLOG_LIMIT, "65537", evlog_send_events(sends, 65537, NULL, NULL));
    OK(evlog_send_events(sends, 4, NULL, sent));
    for (int i = 0; i < 4; i++)
        evlog_sent_free(&sent[i]);
    assert_int_equal(head(&fixture), 4);
    OK(evlog_close(fixture.log));
}

/* A disabled signal among many is left out; the others are sent. */
static void many_leave_out_the_disabled(void **state)
{
    struct fixture fixture;
    evlog_signal *off;
    evlog_sent sent[3];
    begin(&fixture, *state, (evlog_options){.service = "lms"});
    OK(evlog_define(fixture.log, "off.v1", 0, NULL, &off));
    evlog_signal_disable(off);
    evlog_sending sends[] = {{.signal = fixture.signal, .data = "\x80", .data_size = 1},
                             {.signal = off, .data = "\x80", .data_size = 1},
                             {.signal = fixture.signal, .data = "\x80", .data_size = 1}};
    OK(evlog_send_events(sends, 3, NULL, sent));
    assert_int_equal(sent[0].seq, 1);
    assert_int_equal(sent[1].seq, 0);
    assert_int_equal(sent[2].seq, 2);
    for (int i = 0; i < 3; i++)
        evlog_sent_free(&sent[i]);
    OK(evlog_close(fixture.log));
}

static int fail_second(const evlog_event *event, void *ctx)
{
    (void)ctx;
    return event->seq == 2;
}

/* Not robust among many: dispatch ends at the failure, all are in the log and say so. */
static void many_not_robust(void **state)
{
    struct fixture fixture;
    evlog_sending sends[3];
    evlog_sent sent[3];
    begin(&fixture, *state, (evlog_options){.service = "lms"});
    OK(evlog_connect(fixture.log, fixture.signal, "second", fail_second, NULL, NULL));
    for (int i = 0; i < 3; i++)
        sends[i] = (evlog_sending){.signal = fixture.signal, .data = "\x80", .data_size = 1};
    FAILS(EVLOG_RECEIVER, "event 2",
          evlog_send_events(sends, 3, &(evlog_send_options){.dispatch = EVLOG_DISPATCH_STRICT},
                            sent));
    assert_int_equal(fixture.heard, 2);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(sent[i].seq, i + 1);
        evlog_sent_free(&sent[i]);
    }
    OK(evlog_close(fixture.log));
}

/* Sending through a handle that only reads is refused; so is defining an unknown type. */
static void read_only_refuses(void **state)
{
    struct fixture fixture;
    evlog_signal *signal;
    begin(&fixture, *state, (evlog_options){.service = "lms"});
    OK(evlog_close(fixture.log));
    OK(evlog_open(in(*state, "log"), &(evlog_options){.read_only = 1}, &fixture.log));
    OK(evlog_define(fixture.log, TYPE, 3, NULL, &signal));
    FAILS(EVLOG_READONLY, "unknown.v1",
          evlog_define(fixture.log, "unknown.v1", 0, NULL, &signal));
    REFUSED(&fixture, EVLOG_READONLY, "reading only",
            evlog_send_event(signal, "\x80", 1, NULL, NULL));
    OK(evlog_close(fixture.log));
}

/* Whether an event has this header with this value. */
static void has_header(const evlog_event *event, const char *name, const char *expected)
{
    evlog_string value;
    OK(evlog_event_header(event, name, &value));
    assert_int_equal(value.size, strlen(expected));
    assert_memory_equal(value.text, expected, value.size);
}

static int hear_headers(const evlog_event *event, void *ctx)
{
    has_header(event, "trace", "1-2");
    has_header(event, "é", "");
    ++*(unsigned *)ctx;
    return 0;
}

/* Headers come out at each way of reading: live, late, replayed, captured, consumed, read alone. */
static void headers_go_with_the_event(void **state)
{
    struct fixture fixture;
    unsigned heard = 0;
    const evlog_header headers[] = {{"é", ""}, {"trace", "1-2"}};
    const evlog_send_options options = {.headers = headers, .header_count = 2};
    evlog_capture *capture;
    evlog_consumer *consumer;
    evlog_event *event;
    begin(&fixture, *state, (evlog_options){0});
    OK(evlog_capture_begin(fixture.log, NULL, &capture));
    OK(evlog_connect(fixture.log, NULL, "live", hear_headers, &heard, NULL));
    OK(evlog_send_event(fixture.signal, SMALL_MAP("\x05"), 4, &options, NULL));
    has_header(evlog_capture_event(capture, 0), "trace", "1-2");
    OK(evlog_capture_end(capture));
    OK(evlog_connect(fixture.log, NULL, "late", hear_headers, &heard,
                     &(evlog_connect_options){.start = EVLOG_START_FIRST}));
    OK(evlog_replay(fixture.log, NULL, hear_headers, &heard, NULL));
    OK(evlog_replay_to_receivers(fixture.log, NULL, NULL));
    OK(evlog_consumer_open(fixture.log, "c", NULL, &consumer));
    OK(evlog_consumer_poll(consumer, 0, 0, hear_headers, &heard, NULL));
    OK(evlog_consumer_close(consumer));
    assert_int_equal(heard, 6);
    OK(evlog_read(fixture.log, 1, &event));
    has_header(event, "é", "");
    assert_memory_equal(event->data, SMALL_MAP("\x05"), 4);
    evlog_event_free(event);
    OK(evlog_verify(fixture.log, NULL, NULL, NULL));
    OK(evlog_close(fixture.log));
}

/* Of many events each has its own; one without them has an empty map. */
static void each_event_has_its_own_headers(void **state)
{
    struct fixture fixture;
    const evlog_header one = {"n", "one"}, two = {"n", "two"};
    evlog_event *event;
    evlog_string value;
    begin(&fixture, *state, (evlog_options){0});
    evlog_sending sends[3] = {{.headers = &one, .header_count = 1},
                              {.headers = NULL},
                              {.headers = &two, .header_count = 1}};
    for (int i = 0; i < 3; i++) {
        sends[i].signal = fixture.signal;
        sends[i].data = "\x80";
        sends[i].data_size = 1;
    }
    OK(evlog_send_events(sends, 3, NULL, NULL));
    for (uint64_t seq = 1; seq <= 3; seq++) {
        OK(evlog_read(fixture.log, seq, &event));
        if (seq == 2) {
            assert_int_equal(event->headers_size, 1);
            assert_memory_equal(event->headers, "\x80", 1);
            FAILS(EVLOG_NOTFOUND, "no header n", evlog_event_header(event, "n", &value));
        } else {
            has_header(event, "n", seq == 1 ? "one" : "two");
        }
        evlog_event_free(event);
    }
    OK(evlog_close(fixture.log));
}

/* Headers that cannot be stored are refused before anything is. */
static void refuses_bad_headers(void **state)
{
    struct fixture fixture;
    static char large[EVLOG_HEADERS_SIZE_MAX];
    const evlog_header good = {"n", "v"}, nameless = {"", "v"},
                       twice[] = {{"n", "1"}, {"n", "2"}}, too_large = {"n", large};
    memset(large, 'v', sizeof large - 1);
    begin(&fixture, *state, (evlog_options){0});
#define SEND(list, count)                       \
    evlog_send_event(fixture.signal, "\x80", 1, \
                     &(evlog_send_options){.headers = (list), .header_count = (count)}, NULL)
    REFUSED(&fixture, EVLOG_INVALID, "header 0", SEND(&nameless, 1));
    REFUSED(&fixture, EVLOG_INVALID, "header n is given twice", SEND(twice, 2));
    REFUSED(&fixture, EVLOG_INVALID, "NULL", SEND(NULL, 1));
    REFUSED(&fixture, EVLOG_LIMIT, "4096", SEND(&too_large, 1));
    evlog_sending sends[2] = {{.headers = &good, .header_count = 1},
                              {.headers = twice, .header_count = 2}};
    for (int i = 0; i < 2; i++) {
        sends[i].signal = fixture.signal;
        sends[i].data = "\x80";
        sends[i].data_size = 1;
    }
    REFUSED(&fixture, EVLOG_INVALID, "event 1 of the 2 to send: header n",
            evlog_send_events(sends, 2, NULL, NULL));
    OK(SEND(&good, 1));
    evlog_signal_disable(fixture.signal);
    OK(SEND(&nameless, 1)); /* a disabled signal checks the metadata only */
#undef SEND
    assert_int_equal(head(&fixture), 1);
    OK(evlog_close(fixture.log));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(makes_the_metadata),
        TEST_AT_HOME(metadata_has_defaults),
        TEST_AT_HOME(zero_metadata_changes_nothing),
        TEST_AT_HOME(keeps_custom_metadata),
        TEST_AT_HOME(refuses_bad_metadata),
        TEST_AT_HOME(refuses_bad_data),
        TEST_AT_HOME(takes_the_largest_event),
        TEST_AT_HOME(headers_go_with_the_event),
        TEST_AT_HOME(each_event_has_its_own_headers),
        TEST_AT_HOME(refuses_bad_headers),
        TEST_AT_HOME(disabled_sends_nothing),
        TEST_AT_HOME(sends_many_at_once),
        TEST_AT_HOME(many_are_all_or_nothing),
        TEST_AT_HOME(many_leave_out_the_disabled),
        TEST_AT_HOME(many_not_robust),
        TEST_AT_HOME(read_only_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
