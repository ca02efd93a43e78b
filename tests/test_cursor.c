/*
 * Cursors: beside a naive twin, an array in memory, on random ranges of a damaged log; and what
 * happens to an open one: sends, evlog_close, fork, no memory.
 */
#include <time.h>

#include "child.h"
#include "damage.h"

#define COUNT 700
#define TYPES 4

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static unsigned long failing; /* this allocation from now fails; 0: none */

static int fails_now(void)
{
    return failing > 0 && --failing == 0;
}

void *__wrap_malloc(size_t size)
{
    return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails_now() ? NULL : __real_realloc(old, size);
}

/* ------------------------------------------------------------- the twin ---- */

/* What the log holds, by seq. */
struct twin {
    struct {
        unsigned type;
        size_t size;
        int64_t log_time_us;
        bool is_damaged;
    } events[COUNT + 2];
    unsigned random;
};

static unsigned draw(struct twin *twin, unsigned below)
{
    twin->random = twin->random * 1103515245u + 12345u;
    return (twin->random >> 8) % below;
}

/* A map with one text of `size` bytes, all alike. The result's size is `size` + 8. */
static void *make_data(size_t size, uint64_t seq)
{
    unsigned char *data = malloc(size + 8);
    assert_non_null(data);
    memcpy(data, "\x81\xa1n\xc6", 4);
    put_big(data + 4, size, 4);
    memset(data + 8, (int)(seq % 251), size);
    return data;
}

static evlog *open_log(const void *home)
{
    evlog *log;
    OK(evlog_open(in(home, "log"), &(evlog_options){.durability = EVLOG_FAST}, &log));
    return log;
}

static void type_name(unsigned type, char name[16])
{
    snprintf(name, 16, "type.%c%u.v1", "ab"[type % 2], type);
}

static void send_one(evlog *log, unsigned type, size_t size, uint64_t seq)
{
    char name[16];
    evlog_signal *signal;
    void *data = make_data(size, seq);
    type_name(type, name);
    OK(evlog_define(log, name, 0, NULL, &signal));
    OK(evlog_send_event(signal, data, size + 8, NULL, NULL));
    free(data);
}

/* Fills the log: small and large events, and two large ones with many small ones before. */
static void twin_fill(struct twin *twin, evlog *log)
{
    static const unsigned sizes[] = {10, 100, 300, 2000, 5000, 40000, 300000};
    for (uint64_t seq = 1; seq <= COUNT; seq++) {
        evlog_event *event;
        unsigned most = seq < 400 ? sizes[draw(twin, 3)] : sizes[draw(twin, 7)];
        twin->events[seq].type = draw(twin, TYPES);
        twin->events[seq].size = seq == 400 ? 200000 : seq == 410 ? 500000 : draw(twin, most);
        send_one(log, twin->events[seq].type, twin->events[seq].size, seq);
        OK(evlog_read(log, seq, &event));
        twin->events[seq].log_time_us = event->log_time_us;
        evlog_event_free(event);
    }
}

/* Changes a byte of the record of `seq`. */
static void damage_record(const char *path, uint64_t seq)
{
    struct damage_place place = damage_place_of(path, seq);
    unsigned char byte;
    int fd = open(path, O_RDWR);
    assert_int_equal(pread(fd, &byte, 1, (off_t)place.value + 3), 1);
    byte ^= 0xff;
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)place.value + 3), 1);
    close(fd);
}

/* Damages a few runs of seqs. */
static void twin_damage(struct twin *twin, const char *path)
{
    for (int run = 0; run < 6; run++) {
        uint64_t seq = 1 + draw(twin, COUNT), count = 1 + draw(twin, run % 2 ? 3 : 60);
        for (; count > 0 && seq <= COUNT; count--, seq++) {
            if (!twin->events[seq].is_damaged)
                damage_record(path, seq);
            twin->events[seq].is_damaged = true;
        }
    }
}

static bool twin_wants(const evlog_range *range, unsigned type)
{
    char name[16];
    type_name(type, name);
    for (size_t i = 0; i < range->type_count; i++)
        if (strcmp(range->types[i], name) == 0 ||
            (strchr(range->types[i], '*') && range->types[i][5] == name[5]))
            return true;
    return range->type_count == 0;
}

/*
 * The first and last seq of a range. Damage at a bound by time is in the range when it comes
 * before the first event that is, and not when it comes after the last.
 */
static void twin_bounds(const struct twin *twin, const evlog_range *range, uint64_t *first,
                        uint64_t *last)
{
    uint64_t low = range->first_seq ? range->first_seq : 1, high = COUNT;
    if (range->last_seq && range->last_seq < high)
        high = range->last_seq;
    *first = low;
    for (uint64_t seq = low; range->since_us && seq <= high; seq++)
        if (!twin->events[seq].is_damaged && twin->events[seq].log_time_us < range->since_us)
            *first = seq + 1;
    *last = high;
    if (range->until_us)
        *last = *first - 1;
    for (uint64_t seq = *first; range->until_us && seq <= high; seq++)
        if (!twin->events[seq].is_damaged && twin->events[seq].log_time_us <= range->until_us)
            *last = seq;
}

/* Checks an event that the cursor gave. */
static void check_event(const struct twin *twin, uint64_t seq, const evlog_event *event)
{
    char name[16];
    void *data = make_data(twin->events[seq].size, seq);
    type_name(twin->events[seq].type, name);
    assert_int_equal(event->seq, seq);
    assert_true(event->is_replay);
    assert_string_equal(event->event_type, name);
    assert_int_equal(event->log_time_us, twin->events[seq].log_time_us);
    assert_int_equal(event->data_size, twin->events[seq].size + 8);
    assert_memory_equal(event->data, data, event->data_size);
    free(data);
}

/* How many seqs from `seq` on, in the direction of the range, the damage covers; all are. */
static uint64_t check_damage(const struct twin *twin, const evlog_cursor *cursor, uint64_t seq,
                             bool newest_first)
{
    uint64_t first, last;
    OK(evlog_cursor_damage(cursor, &first, &last));
    assert_true(first <= last);
    assert_int_equal(newest_first ? last : first, seq);
    for (uint64_t each = first; each <= last; each++)
        assert_true(twin->events[each].is_damaged);
    return last - first + 1;
}

/* Walks the range seq by seq, the naive way, and compares each step. */
static void twin_compare(const struct twin *twin, evlog *log, const evlog_range *range)
{
    uint64_t first, last, given_count = 0;
    evlog_cursor *cursor;
    const evlog_event *event;
    twin_bounds(twin, range, &first, &last);
    OK(evlog_cursor_open(log, range, &cursor));
    while (first <= last && !(range->limit && given_count == range->limit)) {
        uint64_t seq = range->newest_first ? last : first, count = 1;
        if (twin->events[seq].is_damaged) {
            FAILS(EVLOG_DAMAGED, "event", evlog_cursor_next(cursor, &event));
            count = check_damage(twin, cursor, seq, range->newest_first);
            assert_true(count <= last - first + 1);
        } else if (twin_wants(range, twin->events[seq].type)) {
            OK(evlog_cursor_next(cursor, &event));
            assert_non_null(event);
            check_event(twin, seq, event);
            given_count++;
        }
        first += range->newest_first ? 0 : count;
        last -= range->newest_first ? count : 0;
    }
    for (int again = 0; again < 2; again++) {
        OK(evlog_cursor_next(cursor, &event));
        assert_null(event);
    }
    OK(evlog_cursor_close(cursor));
}

static void draw_range(struct twin *twin, evlog_range *range)
{
    static const char *const types[] = {"type.a0.v1", "type.b*", "type.a2.v1", "none"};
    *range = (evlog_range){.newest_first = draw(twin, 2), .types = types + draw(twin, 4)};
    range->type_count = draw(twin, 2) ? draw(twin, 2) : 0;
    if (draw(twin, 2))
        range->first_seq = 1 + draw(twin, COUNT + 2);
    if (draw(twin, 2))
        range->last_seq = range->first_seq + draw(twin, COUNT);
    if (draw(twin, 3) == 0)
        range->since_us = twin->events[1 + draw(twin, COUNT)].log_time_us;
    if (draw(twin, 3) == 0) {
        range->until_us = twin->events[1 + draw(twin, COUNT)].log_time_us;
        if (range->until_us < range->since_us)
            range->until_us = range->since_us + 1000;
    }
    if (draw(twin, 2))
        range->limit = draw(twin, draw(twin, 2) ? 5 : COUNT);
}

/* On random ranges, in both directions, with and without damage, cursor and array agree. */
static void agrees_with_a_naive_twin(void **state)
{
    static struct twin twin;
    const char *seed = getenv("EVLOG_SEED");
    twin.random = seed ? (unsigned)strtoul(seed, NULL, 10) : (unsigned)time(NULL);
    printf("EVLOG_SEED=%u\n", twin.random);
    evlog *log = open_log(*state);
    evlog_range range = {.limit = 0};
    twin_fill(&twin, log);
    for (int round = 0; round < 150; round++) {
        twin_compare(&twin, log, &range);
        draw_range(&twin, &range);
    }
    OK(evlog_close(log));
    twin_damage(&twin, in(*state, "log/events.mdb"));
    OK(evlog_open(in(*state, "log"), &(evlog_options){.read_only = 1}, &log));
    for (int round = 0; round < 250; round++) {
        range.newest_first = round % 2; /* the first two: everything */
        twin_compare(&twin, log, &range);
        if (round > 0)
            draw_range(&twin, &range);
        else
            range = (evlog_range){.limit = 0};
    }
    OK(evlog_close(log));
}

/* --------------------------------------------------- while it is open ---- */

static evlog *make_log(const void *home, uint64_t count)
{
    evlog *log = open_log(home);
    for (uint64_t seq = 1; seq <= count; seq++)
        send_one(log, 0, 100, seq);
    return log;
}

/* The next event, which must be `seq`. */
static const evlog_event *expect(evlog_cursor *cursor, uint64_t seq)
{
    const evlog_event *event;
    OK(evlog_cursor_next(cursor, &event));
    assert_non_null(event);
    assert_int_equal(event->seq, seq);
    return event;
}

static void expect_end(evlog_cursor *cursor)
{
    const evlog_event *event;
    OK(evlog_cursor_next(cursor, &event));
    assert_null(event);
}

static int send_again(const evlog_event *event, void *ctx)
{
    unsigned *left = ctx;
    if (*left == 0)
        return 0;
    --*left;
    return evlog_send_event(event->signal, event->data, event->data_size, NULL, NULL);
}

/* Sends go on meanwhile, receivers' too: it ends at its head, and its event stays what it is. */
static void events_that_are_sent_meanwhile_are_not_given(void **state)
{
    evlog *log = make_log(*state, 50);
    evlog_signal *signal;
    evlog_cursor *cursor;
    unsigned left = 0;
    OK(evlog_signal_by_type(log, "type.a0.v1", &signal));
    OK(evlog_connect(log, signal, NULL, send_again, &left, NULL));
    OK(evlog_cursor_open(log, NULL, &cursor));
    for (uint64_t seq = 1; seq <= 50; seq++) {
        const evlog_event *event = expect(cursor, seq);
        void *data = make_data(100, seq);
        left = 3;
        OK(evlog_send_event(event->signal, event->data, event->data_size, NULL, NULL));
        assert_int_equal(left, 0);
        assert_int_equal(event->seq, seq);
        assert_memory_equal(event->data, data, event->data_size);
        free(data);
    }
    expect_end(cursor);
    OK(evlog_cursor_close(cursor));
    OK(evlog_cursor_open(log, NULL, &cursor));
    for (uint64_t seq = 1; seq <= 50 + 50 * 4; seq++)
        expect(cursor, seq);
    expect_end(cursor);
    OK(evlog_cursor_close(cursor));
    OK(evlog_close(log));
}

/* Several at once do not disturb each other. */
static void cursors_are_independent(void **state)
{
    evlog *log = make_log(*state, 40);
    evlog_cursor *up, *down;
    OK(evlog_cursor_open(log, NULL, &up));
    OK(evlog_cursor_open(log, &(evlog_range){.newest_first = 1}, &down));
    for (uint64_t seq = 1; seq <= 40; seq++) {
        const evlog_event *event = expect(up, seq);
        expect(down, 41 - seq);
        assert_int_equal(event->seq, seq);
    }
    expect_end(up);
    expect_end(down);
    OK(evlog_cursor_close(up));
    OK(evlog_cursor_close(down));
    OK(evlog_close(log));
}

/* An open cursor keeps the log open. */
static void close_is_busy_while_one_is_open(void **state)
{
    evlog *log = make_log(*state, 3);
    evlog_cursor *cursor;
    OK(evlog_cursor_open(log, NULL, &cursor));
    expect(cursor, 1);
    FAILS(EVLOG_BUSY, "cursor", evlog_close(log));
    expect(cursor, 2);
    OK(evlog_cursor_close(cursor));
    OK(evlog_cursor_close(NULL));
    OK(evlog_close(log));
}

/* The types are copied: the caller's may be gone while it is open. */
static void it_keeps_nothing_of_its_caller(void **state)
{
    evlog *log = make_log(*state, 5);
    evlog_cursor *cursor;
    char text[] = "type.a*";
    const char *types[] = {text};
    evlog_range *range = calloc(1, sizeof *range);
    *range = (evlog_range){.types = types, .type_count = 1, .first_seq = 2};
    OK(evlog_cursor_open(log, range, &cursor));
    free(range);
    memset(text, 'x', sizeof text - 1);
    types[0] = NULL;
    for (uint64_t seq = 2; seq <= 5; seq++)
        expect(cursor, seq);
    expect_end(cursor);
    OK(evlog_cursor_close(cursor));
    OK(evlog_close(log));
}

static void use_what_is_the_parents(void *ctx)
{
    evlog_cursor *cursor = ctx;
    const evlog_event *event = NULL;
    CHECK_FAILS(EVLOG_FORKED, "before fork()", evlog_cursor_next(cursor, &event));
    CHECK_FAILS(EVLOG_FORKED, "before fork()", evlog_cursor_close(cursor));
    CHECK(!event);
}

/* In a forked child it is refused; the parent goes on. */
static void a_child_is_refused(void **state)
{
    evlog *log = make_log(*state, 3);
    evlog_cursor *cursor;
    OK(evlog_cursor_open(log, NULL, &cursor));
    expect(cursor, 1);
    in_child(use_what_is_the_parents, cursor);
    expect(cursor, 2);
    expect(cursor, 3);
    expect_end(cursor);
    OK(evlog_cursor_close(cursor));
    OK(evlog_close(log));
}

/* --------------------------------------------------------------- refused ---- */

static void refuses_what_makes_no_sense(void **state)
{
    static const evlog_range bad[] = {{.first_seq = 9, .last_seq = 8},
                                      {.since_us = 9, .until_us = 8},
                                      {.type_count = 1},
                                      {.speed = -1}};
    evlog *log = make_log(*state, 1);
    evlog_cursor *cursor = NULL;
    const evlog_event *event;
    uint64_t seq = 7;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        FAILS(EVLOG_INVALID, "", evlog_cursor_open(log, &bad[i], &cursor));
    FAILS(EVLOG_LIMIT, "257", evlog_cursor_open(log, &(evlog_range){.type_count = 257}, &cursor));
    FAILS(EVLOG_INVALID, "no log", evlog_cursor_open(NULL, NULL, &cursor));
    FAILS(EVLOG_INVALID, "no place for the cursor", evlog_cursor_open(log, NULL, NULL));
    assert_null(cursor);
    FAILS(EVLOG_INVALID, "no cursor", evlog_cursor_next(NULL, &event));
    FAILS(EVLOG_INVALID, "no cursor", evlog_cursor_damage(NULL, &seq, &seq));
    OK(evlog_cursor_open(log, NULL, &cursor));
    FAILS(EVLOG_INVALID, "no place for the event", evlog_cursor_next(cursor, NULL));
    FAILS(EVLOG_INVALID, "no place for the seqs", evlog_cursor_damage(cursor, NULL, &seq));
    FAILS(EVLOG_INVALID, "no place for the seqs", evlog_cursor_damage(cursor, &seq, NULL));
    FAILS(EVLOG_NOTFOUND, "no damage", evlog_cursor_damage(cursor, &seq, &seq));
    assert_int_equal(seq, 7);
    expect(cursor, 1);
    OK(evlog_cursor_close(cursor));
    OK(evlog_close(log));
}

/* Of an empty log there is nothing to give, in either direction, whatever the range. */
static void an_empty_log_is_an_empty_range(void **state)
{
    static const evlog_range ranges[] = {
        {.limit = 1}, {.newest_first = 1}, {.since_us = 5, .until_us = 9}, {.first_seq = 3}};
    evlog *log = open_log(*state);
    evlog_cursor *cursor;
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        OK(evlog_cursor_open(log, &ranges[i], &cursor));
        expect_end(cursor);
        OK(evlog_cursor_close(cursor));
    }
    OK(evlog_close(log));
}

/*
 * Opens a cursor and walks it, the n-th allocation failing: 1 when one did, else 0. It gives
 * events 21 and 22.
 */
static int walk_without_memory(evlog *log, const evlog_range *range, unsigned long n)
{
    evlog_cursor *cursor = NULL;
    const evlog_event *event;
    failing = n;
    int result = evlog_cursor_open(log, range, &cursor);
    if (result) {
        assert_int_equal(result, EVLOG_NOMEM);
        assert_null(cursor);
        return 1;
    }
    int has_failed = 0;
    for (uint64_t i = 0; i < 2; i++) {
        while ((result = evlog_cursor_next(cursor, &event)) == EVLOG_NOMEM)
            has_failed++;
        OK(result);
        assert_int_equal(event->seq, range->newest_first ? 22 - i : 21 + i);
    }
    expect_end(cursor);
    failing = 0;
    OK(evlog_cursor_close(cursor));
    assert_in_range(has_failed, 0, 1);
    return has_failed;
}

/* Each allocation in turn fails: the call says so, and the next one gives the same events. */
static void without_memory_the_next_call_tries_again(void **state)
{
    const char *types[] = {"type.b*"};
    evlog *log = make_log(*state, 20);
    for (uint64_t seq = 21; seq <= 42; seq++)
        send_one(log, seq <= 22, 100, seq);
    for (int i = 0; i < 4; i++) {
        const evlog_range range = {
            .types = types, .type_count = 1, .newest_first = i % 2, .limit = i < 2 ? 2 : 0};
        unsigned long n = 1;
        while (walk_without_memory(log, &range, n))
            n++;
        assert_true(n > (i < 2 ? 6 : 4)); /* with a limit the batches grow, and their buffers */
    }
    OK(evlog_close(log));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(agrees_with_a_naive_twin),
        TEST_AT_HOME(events_that_are_sent_meanwhile_are_not_given),
        TEST_AT_HOME(cursors_are_independent),
        TEST_AT_HOME(close_is_busy_while_one_is_open),
        TEST_AT_HOME(it_keeps_nothing_of_its_caller),
        TEST_AT_HOME(a_child_is_refused),
        TEST_AT_HOME(refuses_what_makes_no_sense),
        TEST_AT_HOME(an_empty_log_is_an_empty_range),
        TEST_AT_HOME(without_memory_the_next_call_tries_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
