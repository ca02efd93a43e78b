/*
 * Replay: ranges, directions, filters, limits, failures; and the library beside a
 * naive twin, an array in memory, on random operations.
 */
#include <time.h>

#include "test.h"

#define COUNT 500

ssize_t __real_pread(int fd, void *bytes, size_t size, off_t offset);
ssize_t __wrap_pread(int fd, void *bytes, size_t size, off_t offset);

static _Thread_local size_t
    read_size; /* bytes read from the log's files, not by the thread that flushes */

ssize_t __wrap_pread(int fd, void *bytes, size_t size, off_t offset)
{
    read_size += size;
    return __real_pread(fd, bytes, size, offset);
}

/* What a receiver was given, in order. */
struct heard {
    uint64_t seq[4096];
    size_t count;
    uint64_t fails_at; /* this seq fails; 0: none */
};

static int hear(const evlog_event *event, void *ctx)
{
    struct heard *heard = ctx;
    assert_true(event->is_replay);
    heard->seq[heard->count++] = event->seq;
    return event->seq == heard->fails_at ? evlog_fail("as asked") : 0;
}

/*
 * A log of COUNT events: type by seq % 3 ("a.one.v1", "a.two.v1", "b.v1"), data {"n": seq %
 * 100}.
 */
static evlog *make_log(const void *home)
{
    evlog *log;
    evlog_signal *signals[3];
    OK(evlog_open(in(home, "log"), &(evlog_options){.durability = EVLOG_FAST}, &log));
    OK(evlog_define(log, "b.v1", 0, NULL, &signals[0]));
    OK(evlog_define(log, "a.one.v1", 0, NULL, &signals[1]));
    OK(evlog_define(log, "a.two.v1", 0, NULL, &signals[2]));
    for (int seq = 1; seq <= COUNT; seq++) {
        char data[] = SMALL_MAP("\x00");
        data[3] = (char)(seq % 100);
        OK(evlog_send_event(signals[seq % 3], data, 4, NULL, NULL));
    }
    return log;
}

static struct heard replay(evlog *log, evlog_range range, evlog_outcome *outcome)
{
    struct heard heard = {.count = 0};
    OK(evlog_replay(log, &range, hear, &heard, outcome));
    return heard;
}

/* The whole history, in order, to the head as it was. */
static void delivers_everything_in_order(void **state)
{
    evlog *log = make_log(*state);
    evlog_outcome outcome;
    struct heard heard = replay(log, (evlog_range){.first_seq = 0}, &outcome);
    assert_int_equal(heard.count, COUNT);
    for (size_t i = 0; i < heard.count; i++)
        assert_int_equal(heard.seq[i], i + 1);
    assert_int_equal(outcome.delivered, COUNT);
    assert_int_equal(outcome.last_seq, COUNT);
    assert_int_equal(outcome.failed + outcome.damaged + outcome.skipped, 0);
    OK(evlog_replay(log, NULL, hear, &heard, NULL));
    OK(evlog_close(log));
}

/* Bounds by seq are included; past the end there is nothing, and that is not an error. */
static void bounds_are_included(void **state)
{
    evlog *log = make_log(*state);
    evlog_outcome outcome;
    struct heard heard = replay(log, (evlog_range){.first_seq = 7, .last_seq = 9}, &outcome);
    assert_int_equal(heard.count, 3);
    assert_int_equal(heard.seq[0], 7);
    assert_int_equal(heard.seq[2], 9);
    heard = replay(log, (evlog_range){.first_seq = COUNT}, &outcome);
    assert_int_equal(heard.count, 1);
    heard = replay(log, (evlog_range){.first_seq = COUNT + 1}, &outcome);
    assert_int_equal(heard.count, 0);
    assert_int_equal(outcome.last_seq, 0);
    heard = replay(log, (evlog_range){.first_seq = 490, .last_seq = UINT64_MAX}, &outcome);
    assert_int_equal(heard.count, 11);
    heard = replay(log, (evlog_range){.limit = 4}, &outcome);
    assert_int_equal(heard.count, 4);
    assert_int_equal(heard.seq[3], 4);
    OK(evlog_close(log));
}

/* Newest first: from the last to the first, the limit counted from the last. */
static void newest_first_is_the_reverse(void **state)
{
    evlog *log = make_log(*state);
    evlog_outcome outcome;
    struct heard heard = replay(log, (evlog_range){.newest_first = 1}, &outcome);
    assert_int_equal(heard.count, COUNT);
    for (size_t i = 0; i < heard.count; i++)
        assert_int_equal(heard.seq[i], COUNT - i);
    heard = replay(log, (evlog_range){.newest_first = 1, .limit = 2, .last_seq = 10}, &outcome);
    assert_int_equal(heard.count, 2);
    assert_int_equal(heard.seq[0], 10);
    assert_int_equal(heard.seq[1], 9);
    OK(evlog_close(log));
}

/* Types by name and by beginning; several are an or; the limit counts what matched. */
static void filters_by_type(void **state)
{
    evlog *log = make_log(*state);
    evlog_outcome outcome;
    const char *all[] = {"*"}, *a[] = {"a.*"}, *two[] = {"a.two.v1", "b.*"}, *none[] = {"a.o"};
    struct heard heard = replay(log, (evlog_range){.types = a, .type_count = 1}, &outcome);
    for (size_t i = 0; i < heard.count; i++)
        assert_int_not_equal(heard.seq[i] % 3, 0);
    assert_int_equal(heard.count, COUNT - COUNT / 3);
    heard = replay(log, (evlog_range){.types = two, .type_count = 2, .limit = 5}, &outcome);
    assert_int_equal(heard.count, 5);
    assert_int_equal(heard.seq[4], 8);
    heard = replay(log, (evlog_range){.types = all, .type_count = 1}, &outcome);
    assert_int_equal(heard.count, COUNT);
    heard = replay(log, (evlog_range){.types = none, .type_count = 1}, &outcome);
    assert_int_equal(heard.count, 0);
    OK(evlog_close(log));
}

/* Bounds by log time, included: exactly the events whose log time is inside. */
static void bounds_by_time(void **state)
{
    evlog *log = make_log(*state);
    evlog_outcome outcome;
    int64_t times[COUNT + 1];
    for (uint64_t seq = 1; seq <= COUNT; seq++) {
        evlog_event *event;
        OK(evlog_read(log, seq, &event));
        times[seq] = event->log_time_us;
        evlog_event_free(event);
    }
    for (int i = 1; i <= COUNT; i += 37) {
        int64_t since = times[i], until = times[i / 2 + COUNT / 2];
        size_t expected = 0;
        for (int seq = 1; seq <= COUNT; seq++)
            expected += times[seq] >= since && times[seq] <= until;
        struct heard heard =
            replay(log, (evlog_range){.since_us = since, .until_us = until}, &outcome);
        assert_int_equal(heard.count, expected);
    }
    struct heard heard = replay(log, (evlog_range){.since_us = times[COUNT] + 1}, &outcome);
    assert_int_equal(heard.count, 0);
    heard = replay(log, (evlog_range){.until_us = times[1] - 1}, &outcome);
    assert_int_equal(heard.count, 0);
    heard = replay(log, (evlog_range){.since_us = INT64_MIN, .until_us = INT64_MAX}, &outcome);
    assert_int_equal(heard.count, COUNT);
    OK(evlog_close(log));
}

/* A receiver that fails ends the replay, named; or is counted, with keep_going. */
static void failures_stop_or_are_counted(void **state)
{
    evlog *log = make_log(*state);
    evlog_outcome outcome;
    struct heard heard = {.fails_at = 20};
    evlog_range range = {.first_seq = 11, .last_seq = 30};
    FAILS(EVLOG_RECEIVER, "event 20 (a.two.v1)",
          evlog_replay(log, &range, hear, &heard, &outcome));
    assert_non_null(strstr(evlog_errmsg(), "as asked"));
    assert_int_equal(outcome.delivered, 9);
    assert_int_equal(outcome.failed, 1);
    assert_int_equal(outcome.first_failed_seq, 20);
    assert_int_equal(outcome.last_seq, 20);
    assert_int_equal(outcome.receiver_result, EVLOG_RECEIVER);
    range.keep_going = 1;
    heard = (struct heard){.fails_at = 20};
    OK(evlog_replay(log, &range, hear, &heard, &outcome));
    assert_int_equal(outcome.delivered, 19);
    assert_int_equal(outcome.failed, 1);
    assert_int_equal(outcome.first_failed_seq, 20);
    assert_int_equal(outcome.last_seq, 30);
    OK(evlog_close(log));
}

/* To the connected receivers of each signal; an event without any is skipped and counted. */
static void replays_to_connected_receivers(void **state)
{
    evlog *log = make_log(*state);
    evlog_outcome outcome;
    evlog_signal *one, *b;
    struct heard first = {.count = 0}, second = {.count = 0};
    OK(evlog_signal_by_type(log, "a.one.v1", &one));
    OK(evlog_signal_by_type(log, "b.v1", &b));
    OK(evlog_connect(log, one, NULL, hear, &first, NULL));
    OK(evlog_connect(log, one, NULL, hear, &second, NULL));
    OK(evlog_connect(log, b, NULL, hear, &second, NULL));
    evlog_signal_disable(b);
    OK(evlog_replay_to_receivers(log, &(evlog_range){.last_seq = 9}, &outcome));
    assert_int_equal(first.count, 3);
    assert_int_equal(second.count, 3);
    assert_int_equal(first.seq[2], 7);
    assert_int_equal(outcome.delivered, 6);
    assert_int_equal(outcome.skipped, 6);
    OK(evlog_close(log));
}

static int grow_and_hear(const evlog_event *event, void *ctx)
{
    evlog_signal *signal = event->signal;
    OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    return hear(event, ctx);
}

/* It ends at the head as it was when it began, though its receiver sends. */
static void ends_at_the_head_of_its_beginning(void **state)
{
    evlog *log = make_log(*state);
    evlog_outcome outcome;
    struct heard heard = {.count = 0};
    OK(evlog_replay(log, NULL, grow_and_hear, &heard, &outcome));
    assert_int_equal(heard.count, COUNT);
    OK(evlog_replay(log, NULL, hear, &heard, &outcome));
    assert_int_equal(outcome.delivered, 2 * COUNT);
    OK(evlog_close(log));
}

static int replay_inside(const evlog_event *event, void *ctx)
{
    evlog *log = ctx;
    struct heard heard = {.count = 0};
    evlog_range range = {.last_seq = event->seq};
    OK(evlog_replay(log, &range, hear, &heard, NULL));
    assert_int_equal(heard.count, event->seq);
    return 0;
}

/* A receiver may replay, inside a replay too. */
static void replays_inside_a_replay(void **state)
{
    evlog *log = make_log(*state);
    OK(evlog_replay(log, &(evlog_range){.last_seq = 20}, replay_inside, log, NULL));
    OK(evlog_close(log));
}

/* What a hurried user asks: refused with the reason; an empty log is an empty range. */
static void refuses_ranges_that_make_no_sense(void **state)
{
    evlog *log;
    evlog_outcome outcome;
    struct heard heard = {.count = 0};
    const char *bad[] = {"a*b"}, *empty[] = {""}, *missing[] = {NULL};
    char long_type[EVLOG_NAME_SIZE_MAX + 2] = "";
    memset(long_type, 'a', EVLOG_NAME_SIZE_MAX + 1);
    long_type[EVLOG_NAME_SIZE_MAX] = '*';
    const char *blank[] = {"a b", "a\nb*", " *", "a\x7f", "\xff*", long_type};
    OK(evlog_open(in(*state, "log"), NULL, &log));
    OK(evlog_replay(log, NULL, hear, &heard, &outcome));
    assert_int_equal(outcome.delivered, 0);
    OK(evlog_replay(log, &(evlog_range){.since_us = 5, .newest_first = 1}, hear, &heard, NULL));
    FAILS(EVLOG_INVALID, "first seq, 9",
          evlog_replay(log, &(evlog_range){.first_seq = 9, .last_seq = 8}, hear, &heard, NULL));
    FAILS(EVLOG_INVALID, "since",
          evlog_replay(log, &(evlog_range){.since_us = 9, .until_us = 8}, hear, &heard, NULL));
    FAILS(EVLOG_INVALID, "'*'",
          evlog_replay(log, &(evlog_range){.types = bad, .type_count = 1}, hear, &heard, NULL));
    FAILS(EVLOG_INVALID, "event type 0",
          evlog_replay(log, &(evlog_range){.types = empty, .type_count = 1}, hear, &heard, NULL));
    FAILS(
        EVLOG_INVALID, "event type 0",
        evlog_replay(log, &(evlog_range){.types = missing, .type_count = 1}, hear, &heard, NULL));
    for (size_t i = 0; i < sizeof blank / sizeof *blank; i++)
        FAILS(EVLOG_INVALID, "event type 0",
              evlog_replay(log, &(evlog_range){.types = &blank[i], .type_count = 1}, hear, &heard,
                           NULL));
    FAILS(EVLOG_INVALID, "not given",
          evlog_replay(log, &(evlog_range){.type_count = 1}, hear, &heard, NULL));
    FAILS(EVLOG_LIMIT, "257",
          evlog_replay(log, &(evlog_range){.types = bad, .type_count = 257}, hear, &heard, NULL));
    FAILS(EVLOG_INVALID, "no receiver", evlog_replay(log, NULL, NULL, NULL, NULL));
    FAILS(EVLOG_INVALID, "no log", evlog_replay(NULL, NULL, hear, NULL, NULL));
    OK(evlog_close(log));
}

/* Sends `count` events with `size` bytes of data. */
static void send_sized(evlog *log, unsigned count, size_t size)
{
    evlog_signal *signal;
    unsigned char *data = calloc(1, size);
    memcpy(data, "\x81\xa1n\xc6", 4);
    for (int i = 0; i < 4; i++)
        data[4 + i] = (unsigned char)((size - 8) >> (24 - 8 * i));
    OK(evlog_define(log, "sized.v1", 0, NULL, &signal));
    for (unsigned i = 0; i < count; i++)
        OK(evlog_send_event(signal, data, size, NULL, NULL));
    free(data);
}

/* How many bytes are read for the newest `limit` events; 0: for all, newest first. */
static size_t read_for(evlog *log, uint64_t limit)
{
    evlog_range range = {.newest_first = 1, .limit = limit};
    struct heard heard = {.count = 0};
    read_size = 0;
    OK(evlog_replay(log, &range, hear, &heard, NULL));
    return read_size;
}

/* Newest first reads little more than it gives, however large the events are. */
static void newest_first_reads_little_more_than_it_gives(void **state)
{
    evlog *log;
    OK(evlog_open(in(*state, "log"), &(evlog_options){.durability = EVLOG_FAST}, &log));
    send_sized(log, 100, 200000);
    assert_true(read_for(log, 1) < 300000);
    assert_true(read_for(log, 10) < 10 * 200000 * 2);
    assert_true(read_for(log, 0) < 100 * 200000 * 3 / 2);
    send_sized(log, 1000, 3000);
    assert_true(read_for(log, 10) < 200000);
    assert_true(read_for(log, 1000) < 1000 * 4096 * 3 / 2);
    send_sized(log, 900, 100);
    send_sized(log, 1, 300000);
    assert_true(read_for(log, 2) < 2000000);
    assert_true(read_for(log, 900) < 2000000);
    OK(evlog_close(log));
}

/* --------------------------------------------------------------- the twin ---- */

#define TWIN_MAX 4000
#define TWIN_TYPES 5

struct twin {
    struct {
        int type;
        uint32_t size, salt;
    } events[TWIN_MAX + 1];
    uint64_t count;
    unsigned random;
};

static unsigned draw(struct twin *twin, unsigned below)
{
    twin->random = twin->random * 1103515245u + 12345u;
    return (twin->random >> 8) % below;
}

/* Data of a given size (at least 8) and salt: {"n": bin of the salt's bytes}. */
static void make_data(unsigned char *data, uint32_t size, uint32_t salt)
{
    memcpy(data, "\x81\xa1n\xc6", 4);
    for (int i = 0; i < 4; i++)
        data[4 + i] = (unsigned char)((size - 8) >> (24 - 8 * i));
    for (uint32_t i = 8; i < size; i++)
        data[i] = (unsigned char)(salt + i * 7);
}

struct expectation {
    struct twin *twin;
    const evlog_range *range;
    uint64_t next;  /* where to look for the next event the twin would deliver */
    uint64_t count; /* delivered so far */
};

static int twin_wants(const evlog_range *range, int type)
{
    char name[16];
    snprintf(name, sizeof name, "type.%d.v1", type);
    for (size_t i = 0; i < range->type_count; i++)
        if (strcmp(range->types[i], name) == 0)
            return 1;
    return range->type_count == 0;
}

/* The naive way: look at every seq in turn. 0: nothing more. */
static uint64_t twin_next(struct expectation *expectation)
{
    const evlog_range *range = expectation->range;
    struct twin *twin = expectation->twin;
    uint64_t first = range->first_seq ? range->first_seq : 1;
    uint64_t last =
        range->last_seq && range->last_seq < twin->count ? range->last_seq : twin->count;
    if (range->limit && expectation->count == range->limit)
        return 0;
    if (expectation->next == 0)
        expectation->next = range->newest_first ? last : first;
    for (uint64_t seq = expectation->next; seq >= first && seq <= last;
         seq += range->newest_first ? (uint64_t)-1 : 1)
        if (twin_wants(range, twin->events[seq].type)) {
            expectation->next = seq + (range->newest_first ? (uint64_t)-1 : 1);
            if (expectation->next == 0)
                expectation->next = UINT64_MAX; /* below the first: beyond every last */
            expectation->count++;
            return seq;
        }
    return 0;
}

static int compare(const evlog_event *event, void *ctx)
{
    static unsigned char data[20000];
    struct expectation *expectation = ctx;
    uint64_t seq = twin_next(expectation);
    char name[16];
    assert_int_equal(event->seq, seq);
    snprintf(name, sizeof name, "type.%d.v1", expectation->twin->events[seq].type);
    assert_string_equal(event->event_type, name);
    make_data(data, expectation->twin->events[seq].size, expectation->twin->events[seq].salt);
    assert_int_equal(event->data_size, expectation->twin->events[seq].size);
    assert_memory_equal(event->data, data, event->data_size);
    return 0;
}

static void twin_send(struct twin *twin, evlog *log, unsigned count)
{
    static unsigned char data[8][20000];
    evlog_sending sends[8];
    for (unsigned i = 0; i < count; i++) {
        uint64_t seq = twin->count + 1 + i;
        char name[16];
        static const unsigned sizes[] = {8, 60, 300, 1950, 1951, 2100, 4100, 19000};
        twin->events[seq].type = (int)draw(twin, TWIN_TYPES);
        twin->events[seq].size = 8 + draw(twin, sizes[draw(twin, 8)]);
        twin->events[seq].salt = draw(twin, 1 << 20);
        make_data(data[i], twin->events[seq].size, twin->events[seq].salt);
        snprintf(name, sizeof name, "type.%d.v1", twin->events[seq].type);
        sends[i] = (evlog_sending){.data = data[i], .data_size = twin->events[seq].size};
        OK(evlog_define(log, name, 0, NULL, &sends[i].signal));
    }
    OK(evlog_send_events(sends, count, NULL, NULL));
    twin->count += count;
}

static void twin_replay(struct twin *twin, evlog *log)
{
    char names[2][16];
    const char *types[2] = {names[0], names[1]};
    evlog_outcome outcome;
    evlog_range range = {.newest_first = (int)draw(twin, 2), .types = types};
    if (draw(twin, 2))
        range.first_seq = 1 + draw(twin, (unsigned)twin->count + 2);
    if (draw(twin, 2))
        range.last_seq = range.first_seq + draw(twin, (unsigned)twin->count + 2);
    if (draw(twin, 2))
        range.limit = draw(twin, 50);
    for (range.type_count = draw(twin, 3); range.type_count > 0; range.type_count--) {
        snprintf(names[0], sizeof names[0], "type.%u.v1", draw(twin, TWIN_TYPES + 1));
        snprintf(names[1], sizeof names[1], "type.%u.v1", draw(twin, TWIN_TYPES + 1));
        break;
    }
    struct expectation expectation = {.twin = twin, .range = &range};
    OK(evlog_replay(log, &range, compare, &expectation, &outcome));
    assert_int_equal(twin_next(&expectation), 0); /* nothing was left out */
}

/* Random sends, replays, reads and reopenings: the log and an array always agree. */
static void agrees_with_a_naive_twin(void **state)
{
    static struct twin twin;
    const char *seed = getenv("EVLOG_SEED");
    evlog *log;
    evlog_event *event;
    twin.random = seed ? (unsigned)strtoul(seed, NULL, 10) : (unsigned)time(NULL);
    printf("EVLOG_SEED=%u\n", twin.random);
    evlog_options options = {.durability = EVLOG_FAST};
    OK(evlog_open(in(*state, "log"), &options, &log));
    while (twin.count < TWIN_MAX - 8) {
        switch (draw(&twin, 12)) {
        case 0:
            OK(evlog_close(log));
            OK(evlog_open(in(*state, "log"), &options, &log));
            break;
        case 1:
            OK(evlog_verify(log, NULL, NULL, NULL));
            break;
        case 2:
        case 3:
            twin_replay(&twin, log);
            break;
        case 4:
            if (twin.count == 0)
                break;
            OK(evlog_read(log, 1 + draw(&twin, (unsigned)twin.count), &event));
            assert_int_equal(event->data_size, twin.events[event->seq].size);
            evlog_event_free(event);
            break;
        default:
            twin_send(&twin, log, 1 + draw(&twin, 8));
        }
    }
    OK(evlog_close(log));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(delivers_everything_in_order),
        TEST_AT_HOME(bounds_are_included),
        TEST_AT_HOME(newest_first_is_the_reverse),
        TEST_AT_HOME(filters_by_type),
        TEST_AT_HOME(bounds_by_time),
        TEST_AT_HOME(failures_stop_or_are_counted),
        TEST_AT_HOME(replays_to_connected_receivers),
        TEST_AT_HOME(ends_at_the_head_of_its_beginning),
        TEST_AT_HOME(replays_inside_a_replay),
        TEST_AT_HOME(refuses_ranges_that_make_no_sense),
        TEST_AT_HOME(newest_first_reads_little_more_than_it_gives),
        TEST_AT_HOME(agrees_with_a_naive_twin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
