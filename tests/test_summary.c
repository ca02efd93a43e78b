/*
 * Summaries of event types: a reader that wants few types gets exactly those events, and a count is exact, beside a
 * naive twin, whatever was trimmed, erased, copied and compacted; the rest is not read; and a summary that is
 * damaged, or is of another history, is none.
 */
#include "summary.h"

#include "damage.h"
#include "evlog/upkeep.h"
#include "load.h"
#include "log.h"

#define TYPES 12
#define OWN TYPES /* an event of the log's own */
#define SEND 512
#define ROOM (4 * SUMMARY_SEGMENT)
#define DATA "\x81\xa1n\x01"

/* ----------------------------------------------------- what is read of files ---- */

static uint64_t read_size; /* by pread, since it was set to 0 */

ssize_t __real_pread(int fd, void *bytes, size_t size, off_t offset);
ssize_t __wrap_pread(int fd, void *bytes, size_t size, off_t offset);

ssize_t __wrap_pread(int fd, void *bytes, size_t size, off_t offset)
{
    read_size += size;
    return __real_pread(fd, bytes, size, offset);
}

/* ------------------------------------------------------------------- log ---- */

/* What the log has, by seq. */
struct twin {
    uint64_t first, last;
    unsigned char types[ROOM];
};

static const char *const names[TYPES] = {"t.a", "t.b", "t.c", "t.d", "t.e", "t.f",
                                         "t.g", "t.h", "t.i", "t.j", "t.k", "t.l"};

static evlog *open_log(const char *path)
{
    evlog *log;
    OK(evlog_open(path, &(evlog_options){.durability = EVLOG_FAST}, &log));
    return log;
}

/* Types come in runs: t.a most, each later one less often; t.l now and then, alone. */
static void send_some(evlog *log, struct twin *twin, uint64_t count, uint64_t *seed)
{
    static evlog_sending sends[SEND];
    evlog_signal *signals[TYPES];
    unsigned type = 0;
    for (unsigned i = 0; i < TYPES; i++)
        OK(evlog_define(log, names[i], 0, NULL, &signals[i]));
    for (; count > 0; count -= count < SEND ? count : SEND) {
        size_t part = count < SEND ? count : SEND;
        for (size_t i = 0; i < part; i++) {
            if (load_random(seed, 200) == 0)
                type = (unsigned)load_random(seed, 1 + load_random(seed, TYPES - 1));
            unsigned here = load_random(seed, 9000) == 0 ? TYPES - 1 : type;
            sends[i] = (evlog_sending){
                .signal = signals[here], .data = DATA, .data_size = sizeof DATA - 1};
            twin->types[++twin->last] = (unsigned char)here;
        }
        OK(evlog_send_events(sends, part, NULL, NULL));
    }
}

/* Of what has been appended by the log itself. */
static void catch_up(evlog *log, struct twin *twin)
{
    evlog_info info;
    OK(evlog_inspect(log, &info));
    while (twin->last < info.last_seq)
        twin->types[++twin->last] = OWN;
    twin->first = info.first_seq;
}

struct expected {
    const struct twin *twin;
    uint64_t first, last, next;
    int step;        /* 1, or -1: newest first */
    unsigned wanted; /* a bit for each type */
};

static bool is_in(const struct expected *expected)
{
    return expected->next >= expected->first && expected->next <= expected->last;
}

static void find_next(struct expected *expected)
{
    while (is_in(expected) && !(expected->wanted >> expected->twin->types[expected->next] & 1))
        expected->next += (uint64_t)expected->step;
}

static int is_expected(const evlog_event *event, void *ctx)
{
    struct expected *expected = ctx;
    find_next(expected);
    if (event->seq != expected->next)
        return evlog_fail("another event was expected");
    if (strcmp(event->event_type, names[expected->twin->types[event->seq]]) != 0)
        return evlog_fail("another type was expected");
    expected->next += (uint64_t)expected->step;
    return 0;
}

/* A replay of some types gives exactly what the twin has. */
static void check_one_way(evlog *log, const struct twin *twin, unsigned wanted, uint64_t first,
                          uint64_t last, bool newest_first)
{
    const char *types[TYPES];
    struct expected expected = {.twin = twin,
                                .first = first > twin->first ? first : twin->first,
                                .last = last,
                                .step = newest_first ? -1 : 1,
                                .wanted = wanted};
    evlog_range range = {
        .types = types, .first_seq = first, .last_seq = last, .newest_first = newest_first};
    expected.next = newest_first ? last : expected.first;
    for (unsigned i = 0; i < TYPES; i++)
        if (wanted >> i & 1)
            types[range.type_count++] = names[i];
    OK(evlog_replay(log, &range, is_expected, &expected, NULL));
    find_next(&expected);
    if (is_in(&expected))
        fail_msg("event %" PRIu64 " was not given", expected.next);
}

struct counted {
    const struct twin *twin;
    uint64_t first, last; /* of the range */
    unsigned seen;
};

/* A count is exactly what the twin has. */
static int is_counted(const evlog_type_count *count, void *ctx)
{
    struct counted *counted = ctx;
    const struct twin *twin = counted->twin;
    uint64_t event_count = 0, first = 0, last = 0;
    unsigned type = (unsigned)(count->event_type[2] - 'a');
    if (type >= TYPES || strcmp(count->event_type, names[type]) != 0 || counted->seen >> type)
        return evlog_fail("a type is of no name, or not in order");
    counted->seen |= 1u << type;
    for (uint64_t seq = counted->first; seq <= counted->last; seq++)
        if (twin->types[seq] == type) {
            event_count++;
            first = first ? first : seq;
            last = seq;
        }
    if (count->event_count != event_count || count->first_seq != first || count->last_seq != last)
        return evlog_fail("a count is wrong");
    return count->first_log_time_us > 0 && count->first_log_time_us <= count->last_log_time_us
               ? 0
               : evlog_fail("its log times are wrong");
}

static void check_counts(evlog *log, const struct twin *twin, uint64_t first, uint64_t last)
{
    struct counted counted = {twin, first > twin->first ? first : twin->first, last, 0};
    evlog_outcome outcome;
    unsigned there = 0;
    uint64_t count = 0;
    OK(evlog_count_types(log, &(evlog_range){.first_seq = first, .last_seq = last}, is_counted,
                         &counted, &outcome));
    for (uint64_t seq = counted.first; seq <= last; seq++) {
        there |= 1u << twin->types[seq];
        count += twin->types[seq] != OWN;
    }
    assert_int_equal(counted.seen, there & ~(1u << OWN));
    assert_int_equal(outcome.delivered, count);
    assert_int_equal(outcome.damaged, 0);
}

static void check(evlog *log, const struct twin *twin, unsigned wanted, uint64_t first,
                  uint64_t last)
{
    check_one_way(log, twin, wanted, first, last, true);
    check_one_way(log, twin, wanted, first, last, false);
    check_counts(log, twin, first, last);
}

static void check_some(evlog *log, const struct twin *twin, uint64_t *seed)
{
    for (int i = 0; i < 4; i++) {
        uint64_t count = twin->last - twin->first + 1;
        uint64_t first = twin->first + load_random(seed, count);
        uint64_t last = first + load_random(seed, twin->last - first + 1);
        unsigned rare = 1u << (TYPES - 1 - load_random(seed, 4));
        check(log, twin, rare | 1u << load_random(seed, TYPES), first, last);
    }
    check(log, twin, 1u << (TYPES - 1), twin->first, twin->last);
}

static int pass(const evlog_event *event, void *ctx)
{
    (void)event;
    (void)ctx;
    return 0;
}

static void read_all(evlog *log)
{
    OK(evlog_replay(log, NULL, pass, NULL, NULL));
}

/* How many summaries the log has. */
static unsigned count_summaries(evlog *log)
{
    static const struct entry_key prefix = {.size = 1, .bytes = {ENTRY_SUMMARY}};
    struct entry_walk walk;
    const struct entry *entry;
    unsigned count = 0;
    entry_walk_begin(&walk, log->store->state, ENV_NEWEST, &prefix, NULL);
    for (;;) {
        OK(entry_walk_next(&walk, &entry));
        if (!entry)
            break;
        OK(summary_check(entry));
        count++;
    }
    entry_walk_end(&walk);
    return count;
}

static void state_key(unsigned char key[9], uint64_t first_seq)
{
    key[0] = 'b';
    put_big(key + 1, first_seq, 8);
}

/* ------------------------------------------------------------- with a twin ---- */

static void trim_some(evlog *log, struct twin *twin, uint64_t *seed)
{
    uint64_t before = twin->first + load_random(seed, (twin->last - twin->first) / 3);
    OK(evlog_trim(log, before, NULL, NULL));
    catch_up(log, twin);
}

static void erase_some(evlog *log, struct twin *twin, uint64_t *seed)
{
    uint64_t seq = twin->first + load_random(seed, twin->last - twin->first + 1);
    while (twin->types[seq] == OWN)
        seq--;
    OK(evlog_erase(log, seq, NULL, &(evlog_erase_options){.reason = "a test"}));
    catch_up(log, twin);
}

/* A filter gives exactly its events, whatever was done to the log, and in whichever order. */
static void a_filter_gives_exactly_its_events(void **state)
{
    uint64_t seed = load_seed();
    struct twin *twin = calloc(1, sizeof *twin);
    const char *path = in(*state, "log"), *copy = in(*state, "copy");
    evlog *log = open_log(path);
    twin->first = 1;
    send_some(log, twin, 2 * SUMMARY_SEGMENT + load_random(&seed, 5000), &seed);
    check_some(log, twin, &seed);
    for (int i = 0; i < 8; i++) {
        switch (load_random(&seed, 5)) {
        case 0:
            trim_some(log, twin, &seed);
            break;
        case 1:
            erase_some(log, twin, &seed);
            break;
        case 2:
            send_some(log, twin, load_random(&seed, 20000), &seed);
            break;
        case 3:
            OK(evlog_close(log));
            OK(evlog_compact(path, NULL, NULL));
            log = open_log(path);
            catch_up(log, twin);
            break;
        default:
            read_all(log);
        }
        check_some(log, twin, &seed);
    }
    OK(evlog_copy(log, copy, NULL, NULL));
    OK(evlog_close(log));
    log = open_log(copy);
    check_some(log, twin, &seed);
    read_all(log);
    check_some(log, twin, &seed);
    OK(evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_close(log));
    free(twin);
}

/* ----------------------------------------------------------------- its use ---- */

/* A log of two segments and some more, with one event of t.l, in the second. */
static evlog *make_log(const char *path, struct twin *twin)
{
    evlog *log = open_log(path);
    evlog_signal *often, *rare;
    static evlog_sending sends[SEND];
    *twin = (struct twin){.first = 1};
    OK(evlog_define(log, names[0], 0, NULL, &often));
    OK(evlog_define(log, names[TYPES - 1], 0, NULL, &rare));
    while (twin->last < 2 * SUMMARY_SEGMENT + SEND) {
        for (size_t i = 0; i < SEND; i++) {
            bool is_rare = ++twin->last == SUMMARY_SEGMENT + 12345;
            sends[i] = (evlog_sending){
                .signal = is_rare ? rare : often, .data = DATA, .data_size = sizeof DATA - 1};
            twin->types[twin->last] = is_rare ? TYPES - 1 : 0;
        }
        OK(evlog_send_events(sends, SEND, NULL, NULL));
    }
    return log;
}

static uint64_t size_of_a_look(evlog *log, const struct twin *twin, bool newest_first)
{
    read_size = 0;
    check_one_way(log, twin, 1u << (TYPES - 1), twin->first, twin->last, newest_first);
    return read_size;
}

static uint64_t size_of_a_count(evlog *log, const struct twin *twin)
{
    read_size = 0;
    check_counts(log, twin, twin->first, twin->last);
    return read_size;
}

/*
 * It is made by the first who reads oldest first, by no send and no reader that may not write; then blocks are passed
 * over.
 */
static void what_has_none_is_not_read(void **state)
{
    struct twin *twin = calloc(1, sizeof *twin);
    const char *path = in(*state, "log");
    evlog *log = make_log(path, twin);
    assert_int_equal(count_summaries(log), 0);
    OK(evlog_close(log));
    OK(evlog_open(path, &(evlog_options){.read_only = true}, &log));
    read_all(log);
    assert_int_equal(count_summaries(log), 0);
    OK(evlog_close(log));
    log = open_log(path);
    size_of_a_look(log, twin, true);
    assert_int_equal(count_summaries(log), 0);
    uint64_t all = size_of_a_look(log, twin, false);
    assert_int_equal(count_summaries(log), 2);
    for (unsigned newest_first = 0; newest_first < 2; newest_first++) {
        uint64_t few = size_of_a_look(log, twin, newest_first);
        if (few * 20 > all)
            fail_msg("%" PRIu64 " bytes were read, and %" PRIu64 " without a summary", few, all);
    }
    assert_true(size_of_a_count(log, twin) * 20 <= all);
    OK(evlog_trim(log, SUMMARY_SEGMENT / 2, NULL, NULL));
    catch_up(log, twin);
    assert_true(size_of_a_look(log, twin, false) * 20 <= all);
    assert_true(size_of_a_look(log, twin, true) * 20 <= all);
    OK(evlog_close(log));
    free(twin);
}

/* A reader passes over damage in a block that it does not read; verify does not. */
static void verify_reads_what_a_filter_passes_over(void **state)
{
    struct twin *twin = calloc(1, sizeof *twin);
    const char *path = in(*state, "log");
    evlog *log = make_log(path, twin);
    read_all(log);
    OK(evlog_close(log));
    char file[4300];
    snprintf(file, sizeof file, "%s/events.mdb", path);
    struct damage_place place = damage_place_of(file, 1000);
    file_patch(file, "x", 1, place.value + 120);
    log = open_log(path);
    check(log, twin, 1u << (TYPES - 1), 1, twin->last);
    FAILS(EVLOG_DAMAGED, "event 1000", evlog_replay(log, NULL, pass, NULL, NULL));
    FAILS(EVLOG_DAMAGED, "1 finding", evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_close(log));
    free(twin);
}

/* Damage that is met is counted, or ends the count; what cannot be counted is refused. */
static void damage_is_not_counted(void **state)
{
    struct twin *twin = calloc(1, sizeof *twin);
    const char *path = in(*state, "log");
    struct counted counted = {.twin = twin, .first = 1};
    evlog_outcome outcome;
    evlog *log = make_log(path, twin);
    counted.last = twin->last;
    OK(evlog_close(log));
    char file[4300];
    snprintf(file, sizeof file, "%s/events.mdb", path);
    struct damage_place place = damage_place_of(file, 1000);
    file_patch(file, "x", 1, place.value + 120);
    twin->types[1000] = OWN;
    log = open_log(path);
    FAILS(EVLOG_DAMAGED, "event 1000", evlog_count_types(log, NULL, is_counted, &counted, NULL));
    OK(evlog_count_types(log, &(evlog_range){.keep_going = true}, is_counted, &counted,
                         &outcome));
    assert_int_equal(outcome.damaged, 1);
    assert_int_equal(outcome.first_failed_seq, 1000);
    assert_int_equal(outcome.delivered, twin->last - 1);
    FAILS(EVLOG_INVALID, "seqs, times and types",
          evlog_count_types(log, &(evlog_range){.limit = 1}, is_counted, &counted, NULL));
    FAILS(EVLOG_INVALID, "visit", evlog_count_types(log, NULL, NULL, NULL, NULL));
    OK(evlog_close(log));
    free(twin);
}

static int is_lost(const evlog_type_count *count, void *ctx)
{
    if (strcmp(count->event_type, names[TYPES - 1]) != 0)
        return 0;
    ++*(unsigned *)ctx;
    return count->event_count == 1 && count->first_seq == 0 && count->last_seq == 0 ? 0 : 1;
}

/* An event that is damaged since a summary counted it is counted; where it is is not known. */
static void what_is_damaged_since_has_no_place(void **state)
{
    struct twin *twin = calloc(1, sizeof *twin);
    const char *path = in(*state, "log");
    char file[4300];
    unsigned calls = 0;
    evlog *log = make_log(path, twin);
    read_all(log);
    OK(evlog_close(log));
    snprintf(file, sizeof file, "%s/events.mdb", path);
    struct damage_place place = damage_place_of(file, SUMMARY_SEGMENT + 12345);
    file_patch(file, "x", 1, place.value + 120);
    log = open_log(path);
    OK(evlog_count_types(log, NULL, is_lost, &calls, NULL));
    assert_int_equal(calls, 1);
    OK(evlog_close(log));
    free(twin);
}

/* Of a segment that could not be read whole, none is made. */
static void a_segment_with_damage_has_none(void **state)
{
    struct twin *twin = calloc(1, sizeof *twin);
    const char *path = in(*state, "log");
    OK(evlog_close(make_log(path, twin)));
    char file[4300];
    snprintf(file, sizeof file, "%s/events.mdb", path);
    struct damage_place place = damage_place_of(file, 1000);
    file_patch(file, "x", 1, place.value + 120);
    evlog *log = open_log(path);
    OK(evlog_replay(log, &(evlog_range){.keep_going = true}, pass, NULL, NULL));
    assert_int_equal(count_summaries(log), 1);
    OK(evlog_close(log));
    free(twin);
}

/* ---------------------------------------------------------- wrong summaries ---- */

/* Changes the value of the second segment's summary. The log is not open. */
static void change_summary(const char *path, void (*change)(struct bytes *, uint64_t), uint64_t n)
{
    unsigned char key[9];
    char file[4300];
    snprintf(file, sizeof file, "%s/state.mdb", path);
    state_key(key, SUMMARY_SEGMENT + 1);
    struct raw raw = raw_open(file);
    struct bytes value = raw_get(&raw, key, sizeof key);
    change(&value, n);
    snprintf(file, sizeof file, "%s/format", path);
    if (n == UINT64_MAX)
        entry_refit(log_seed(file), key, sizeof key, value.at, value.size);
    raw_put(&raw, key, sizeof key, value);
    raw_close(&raw);
    free(value.at);
}

static void flip(struct bytes *value, uint64_t n)
{
    value->at[n % value->size] ^= (unsigned char)(1 << n / value->size % 8);
}

/* Whichever bit is flipped, no event is lost, verify says so, and the next who reads all mends it. */
static void a_damaged_summary_is_made_anew(void **state)
{
    uint64_t seed = load_seed();
    struct twin *twin = calloc(1, sizeof *twin);
    const char *path = in(*state, "log");
    evlog *log = make_log(path, twin);
    read_all(log);
    for (int i = 0; i < 12; i++) {
        OK(evlog_close(log));
        change_summary(path, flip, i < 11 ? load_random(&seed, 8000) : 0);
        log = open_log(path);
        if (i % 4 == 0)
            FAILS(EVLOG_DAMAGED, "1 finding", evlog_verify(log, NULL, NULL, NULL));
        check(log, twin, 1u << (TYPES - 1), 1, twin->last); /* which reads that segment */
        assert_int_equal(count_summaries(log), 2);
    }
    OK(evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_close(log));
    free(twin);
}

/* Sealed as it should be, it says that t.l is nowhere, of a history that ends otherwise. */
static void lie(struct bytes *value, uint64_t n)
{
    unsigned char *at = value->at + 10;
    (void)n;
    at[8] ^= 1; /* the chain */
    at += 9;
    assert_int_equal(at[0], 0xc4);
    assert_int_equal(at[1], 16);                  /* two types */
    memcpy(at + 2 + 8, at + 2, sizeof(uint64_t)); /* both t.a */
}

static void one_of_another_history_is_none(void **state)
{
    struct twin *twin = calloc(1, sizeof *twin);
    const char *path = in(*state, "log");
    evlog *log = make_log(path, twin);
    read_all(log);
    OK(evlog_close(log));
    change_summary(path, lie, UINT64_MAX);
    log = open_log(path);
    assert_int_equal(count_summaries(log), 2);
    check(log, twin, 1u << (TYPES - 1), 1, twin->last);
    OK(evlog_close(log));
    free(twin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(a_filter_gives_exactly_its_events),
        TEST_AT_HOME(what_has_none_is_not_read),
        TEST_AT_HOME(verify_reads_what_a_filter_passes_over),
        TEST_AT_HOME(damage_is_not_counted),
        TEST_AT_HOME(what_is_damaged_since_has_no_place),
        TEST_AT_HOME(a_segment_with_damage_has_none),
        TEST_AT_HOME(a_damaged_summary_is_made_anew),
        TEST_AT_HOME(one_of_another_history_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
