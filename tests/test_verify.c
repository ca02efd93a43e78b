/*
 * evlog_verify: each thing that can be wrong is reported once, with the seqs it concerns, and
 * nothing else is. What is wrong is made here by hand, in the file's bytes or through
 * liblmdb, with checksums that fit where a forger would have made them fit.
 */
#include <errno.h>
#include <sys/wait.h>

#include "consumers.h"
#include "damage.h"
#include "load.h"
#include "log.h"
#include "trimmed.h"

#define TYPE "org.evlog.verify.v1"
#define UNUSED_TYPE "org.evlog.verify.unused.v1"
#define COUNT 10

/* Where fields begin in a record (store/README.md). */
enum {
    AT_CHAIN = 2,
    AT_PREV = 11,
    AT_LOG_TIME = 29,
    AT_TYPE = 65,
    AT_SOURCE = 79,
    AT_FLAGS = 88,
    AT_ERA = 90,
    AT_SALT = 101,
    AT_DATA = 120 /* when there are no headers */
};

static evlog *open_log(const void *home, int read_only, evlog_signal **signal)
{
    evlog *log;
    evlog_options options = {.durability = read_only ? 0 : EVLOG_FAST, .read_only = read_only};
    OK(evlog_open(in(home, "log"), &options, &log));
    if (signal)
        OK(evlog_define(log, TYPE, 0, NULL, signal));
    return log;
}

/* Makes a log of `count` events, {"n": seq % 100}, and of one more type. */
static void make_log(const void *home, uint64_t count)
{
    evlog_signal *signal, *unused;
    evlog *log = open_log(home, 0, &signal);
    OK(evlog_define(log, UNUSED_TYPE, 0, NULL, &unused));
    for (uint64_t seq = 1; seq <= count; seq++) {
        char data[] = SMALL_MAP("\x00");
        data[3] = (char)(seq % 100);
        OK(evlog_send_event(signal, data, 4, NULL, NULL));
    }
    OK(evlog_close(log));
}

/* ------------------------------------------------------------ what is found ---- */

struct found {
    size_t count;
    struct {
        uint64_t first, last;
        char text[200];
    } findings[64];
    size_t remark_count;
    size_t progress_count;
    uint64_t progress_seq;
    size_t stop_at_finding, stop_at_progress; /* counted from 1; 0: never */
};

static int listen(const evlog_finding *finding, uint64_t seq, void *ctx)
{
    struct found *found = ctx;
    if (!finding) {
        assert_true(seq >= found->progress_seq);
        found->progress_seq = seq;
        return ++found->progress_count == found->stop_at_progress ? 77 : 0;
    }
    if (finding->is_remark) {
        found->remark_count++;
        return 0;
    }
    assert_true(found->count < sizeof found->findings / sizeof *found->findings);
    assert_true(finding->last_seq >= finding->first_seq && seq == finding->last_seq);
    found->findings[found->count].first = finding->first_seq;
    found->findings[found->count].last = finding->last_seq;
    snprintf(found->findings[found->count].text, sizeof found->findings->text, "%s",
             finding->text);
    return ++found->count == found->stop_at_finding ? 88 : 0;
}

static int verify(const void *home, struct found *found, uint64_t *checked)
{
    evlog *log = open_log(home, 1, NULL);
    int result = evlog_verify(log, listen, found, checked);
    OK(evlog_close(log));
    return result;
}

/* What a finding must be. */
struct expected {
    uint64_t first, last;
    const char *words;
};

/* These are reported, in this order, and no others. */
static void assert_told(const void *home, const struct expected *expected, size_t count)
{
    struct found found = {.count = 0};
    int result = verify(home, &found, NULL);
    for (size_t i = 0; i < found.count || i < count; i++)
        if (i >= count || i >= found.count || found.findings[i].first != expected[i].first ||
            found.findings[i].last != expected[i].last ||
            !strstr(found.findings[i].text, expected[i].words))
            fail_msg("finding %zu of %zu is %" PRIu64 " to %" PRIu64 ": %s; expected: %s", i,
                     found.count, found.findings[i].first, found.findings[i].last,
                     i < found.count ? found.findings[i].text : "none",
                     i < count ? expected[i].words : "none");
    assert_int_equal(result, count ? EVLOG_DAMAGED : EVLOG_OK);
}

#define TOLD(home, ...)                                       \
    assert_told(home, (const struct expected[]){__VA_ARGS__}, \
                sizeof((const struct expected[]){__VA_ARGS__}) / sizeof(struct expected))

/* -------------------------------------------------------------- tampering ---- */

static struct raw open_events(const void *home)
{
    return raw_open(in(home, "log/events.mdb"));
}

static struct bytes get(struct raw *raw, uint64_t seq)
{
    unsigned char key[8];
    put_big(key, seq, 8);
    return raw_get(raw, key, 8);
}

/* Puts a value under a seq, its checksum made to fit, and frees it. */
static void put(struct raw *raw, uint64_t seq, struct bytes value)
{
    unsigned char key[8];
    put_big(key, seq, 8);
    record_refit(seq, value.at, value.size);
    raw_put(raw, key, 8, value);
    free(value.at);
}

static void take_out(struct raw *raw, uint64_t seq)
{
    unsigned char key[8];
    put_big(key, seq, 8);
    raw_del(raw, key, 8);
}

/* Makes the chain fit again from `seq` on, as a forger with time would. */
static void rechain(struct raw *raw, uint64_t seq)
{
    for (; seq <= COUNT; seq++) {
        struct bytes value = get(raw, seq), before = get(raw, seq - 1);
        memcpy(value.at + AT_PREV, before.at + AT_CHAIN, 8);
        put(raw, seq, value);
        free(before.at);
    }
}

/* Sets a field of a record and makes everything after it fit. */
static void forge(const void *home, uint64_t seq, size_t at, uint64_t field, size_t size)
{
    struct raw raw = open_events(home);
    struct bytes value = get(&raw, seq);
    put_big(value.at + at, field, size);
    put(&raw, seq, value);
    rechain(&raw, seq + 1);
    raw_close(&raw);
}

/* Flips bits in one byte of a file. */
static void flip(const char *path, uint64_t at, unsigned char bits)
{
    struct bytes file = file_read(path);
    unsigned char flipped = file.at[at] ^ bits;
    file_patch(path, &flipped, 1, at);
    free(file.at);
}

/* ------------------------------------------------------------------ sound ---- */

/* A log that is as it was sent: no finding, every event read, progress to the last. */
static void a_sound_log_has_no_findings(void **state)
{
    struct found found = {.count = 0};
    uint64_t checked = 0;
    make_log(*state, COUNT);
    OK(verify(*state, &found, &checked));
    assert_int_equal(found.count, 0);
    assert_int_equal(checked, COUNT);
    assert_true(found.progress_count > 0);
    assert_int_equal(found.progress_seq, COUNT);
}

/* An empty log is sound, too. */
static void an_empty_log_has_no_findings(void **state)
{
    struct found found = {.count = 0};
    uint64_t checked = 7;
    make_log(*state, 0);
    OK(verify(*state, &found, &checked));
    assert_int_equal(found.count, 0);
    assert_int_equal(checked, 0);
}

/* An event that was erased breaks nothing. */
static void an_erased_event_is_no_finding(void **state)
{
    make_log(*state, COUNT);
    struct raw raw = open_events(*state);
    struct bytes value = get(&raw, 5), erased = {.at = calloc(1, 137), .size = 137};
    memcpy(erased.at, value.at, AT_SALT);
    erased.at[AT_FLAGS] |= 2;
    memcpy(erased.at + AT_SALT, "\xc4\x20", 2);
    memcpy(erased.at + 135, "\xc0\xc0", 2);
    put(&raw, 5, erased);
    struct bytes after = get(&raw, 5);
    assert_memory_equal(after.at, value.at, AT_FLAGS); /* the chain is unchanged */
    free(after.at);
    free(value.at);
    raw_close(&raw);
    assert_told(*state, NULL, 0);
}

/* One that was trimmed is sound, also when the trimmed events are still there. */
static void a_trimmed_log_is_sound(void **state)
{
    make_log(*state, COUNT);
    raise_floor(in(*state, "log"), 3);
    assert_told(*state, NULL, 0);
    delete_events(in(*state, "log"), 3);
    assert_told(*state, NULL, 0);
}

/* Without a floor, or with a lower one, first events that are missing are missing. */
static void missing_first_events_are_told(void **state)
{
    make_log(*state, COUNT);
    delete_events(in(*state, "log"), 3);
    TOLD(*state, {1, 3, "missing"});
    raise_floor(in(*state, "log"), 5);
    delete_events(in(*state, "log"), 0);
    struct raw raw = open_events(*state);
    for (uint64_t seq = 4; seq <= 7; seq++)
        take_out(&raw, seq);
    raw_close(&raw);
    TOLD(*state, {6, 7, "missing"});
}

/* The event at the floor follows the one that was trimmed before it. */
static void another_event_at_the_floor_is_told(void **state)
{
    make_log(*state, COUNT);
    trim_log(in(*state, "log"), 3);
    struct raw raw = open_events(*state);
    struct bytes value = get(&raw, 4);
    value.at[AT_PREV] ^= 1;
    put(&raw, 4, value);
    rechain(&raw, 5);
    raw_close(&raw);
    TOLD(*state,
         {0, 0, "events.mdb is another log's: its event 4 does not follow what state.mdb"},
         {4, 4, "does not follow"});
}

/* ----------------------------------------------------------- the records ---- */

/* A flipped bit: the event it is in, and no other. */
static void a_flipped_bit_is_told_once(void **state)
{
    make_log(*state, COUNT);
    flip(in(*state, "log/events.mdb"),
         damage_place_of(in(*state, "log/events.mdb"), 5).value + 75, 1);
    TOLD(*state, {5, 5, "event 5: its checksum does not fit"});
}

/* Two that changed places: each, whose checksum holds its seq. */
static void swapped_records_are_told(void **state)
{
    make_log(*state, COUNT);
    struct raw raw = open_events(*state);
    struct bytes five = get(&raw, 5), seven = get(&raw, 7);
    raw_put(&raw, "\0\0\0\0\0\0\0\x05", 8, seven);
    raw_put(&raw, "\0\0\0\0\0\0\0\x07", 8, five);
    raw_close(&raw);
    free(five.at);
    free(seven.at);
    TOLD(*state, {5, 5, "that of event 7"}, {7, 7, "that of event 5"});
}

/* Swapped with fitting checksums: where one chain ends and another begins. */
static void forged_swaps_are_told(void **state)
{
    make_log(*state, COUNT);
    struct raw raw = open_events(*state);
    struct bytes five = get(&raw, 5), seven = get(&raw, 7);
    put(&raw, 5, seven);
    put(&raw, 7, five);
    raw_close(&raw);
    TOLD(*state, {5, 5, "does not follow"}, {6, 6, "does not follow"}, {7, 7, "does not follow"},
         {8, 8, "does not follow"});
}

/* One that stands there twice, the second time for another. */
static void a_doubled_record_is_told(void **state)
{
    make_log(*state, COUNT);
    struct raw raw = open_events(*state);
    put(&raw, 6, get(&raw, 5));
    raw_close(&raw);
    TOLD(*state, {6, 6, "does not follow"}, {7, 7, "does not follow"});
}

/* One taken out of the middle, and several: missing, as a range. */
static void a_missing_event_is_told(void **state)
{
    make_log(*state, COUNT);
    struct raw raw = open_events(*state);
    take_out(&raw, 3);
    for (uint64_t seq = 6; seq <= 8; seq++)
        take_out(&raw, seq);
    raw_close(&raw);
    TOLD(*state, {3, 3, "event 3: missing"}, {6, 8, "events 6 to 8: missing"});
}

/* One taken out and the others moved up, their checksums fitting: the chain is broken there. */
static void a_closed_gap_is_told(void **state)
{
    make_log(*state, COUNT);
    struct raw raw = open_events(*state);
    for (uint64_t seq = 5; seq < COUNT; seq++) {
        put(&raw, seq, get(&raw, seq + 1));
        if (seq > 5) { /* the chain of those that follow is made to fit, too */
            struct bytes value = get(&raw, seq), before = get(&raw, seq - 1);
            memcpy(value.at + AT_PREV, before.at + AT_CHAIN, 8);
            put(&raw, seq, value);
            free(before.at);
        }
    }
    take_out(&raw, COUNT);
    raw_close(&raw);
    TOLD(*state, {5, 5, "does not follow"});
}

/* The first event of another log, or of this one's past: it is not the origin's. */
static void a_foreign_first_event_is_told(void **state)
{
    make_log(*state, COUNT);
    forge(*state, 1, AT_PREV, 12345, 8);
    TOLD(*state, {0, 0, "events.mdb is another log's: its event 1 does not follow"},
         {1, 1, "does not follow"});
}

/* Log time that steps back, in a chain that fits: the event that is too early. */
static void log_time_that_steps_back_is_told(void **state)
{
    make_log(*state, COUNT);
    forge(*state, 5, AT_LOG_TIME, 1, 8);
    TOLD(*state, {5, 5, "event 5: its log time is before"});
}

/* Eras that say that the clock stepped back, where log time does not show it. */
static void steps_that_were_not_are_told(void **state)
{
    make_log(*state, COUNT);
    forge(*state, 5, AT_ERA, 1, 2);
    TOLD(*state, {5, 5, "event 5: it says that the clock stepped back, and it did not"},
         {6, 6, "event 6: its log time is before"});
}

/* The first event of a log has no step before it; that of a trimmed one may have. */
static void a_step_before_the_first_event_is_told(void **state)
{
    make_log(*state, COUNT);
    for (uint64_t seq = 1; seq <= COUNT; seq++)
        forge(*state, seq, AT_ERA, 3, 2);
    TOLD(*state, {1, 1, "event 1: it says that the clock stepped back before it"});
    trim_log(in(*state, "log"), 1);
    assert_told(*state, NULL, 0);
}

/* A type, and a source, that no table has: the events that name them. */
static void unknown_types_and_sources_are_told(void **state)
{
    make_log(*state, COUNT);
    forge(*state, 4, AT_TYPE, 99, 8);
    forge(*state, 6, AT_SOURCE, 0, 8);
    forge(*state, 8, AT_TYPE, UINT64_MAX, 8);
    TOLD(*state, {4, 4, "names event type 0000000000000063, which"},
         {6, 6, "names source 0000000000000000, which"},
         {8, 8, "names event type ffffffffffffffff, which"});
}

/* Data that is not a map, its digest fitting. */
static void malformed_data_is_told(void **state)
{
    make_log(*state, COUNT);
    forge(*state, COUNT, AT_DATA, 0x93, 1);
    TOLD(*state, {COUNT, COUNT, "not a well-formed MessagePack map"});
}

/* ----------------------------------------------------------- the files ---- */

/* A leaf that is not sound: the range of the events that were in it. */
static void a_bad_page_is_told_with_its_events(void **state)
{
    make_log(*state, 150);
    const char *path = strdup(in(*state, "log/events.mdb"));
    uint64_t page = damage_place_of(path, 75).key / 4096, first = 75, last = 75;
    while (damage_place_of(path, first - 1).key / 4096 == page)
        first--;
    while (damage_place_of(path, last + 1).key / 4096 == page)
        last++;
    flip(path, page * 4096 + 10, 1);
    TOLD(*state, {first, last, "is not sound"});
    free((char *)path);
}

/* In all branches of a file the key of a child becomes another one. */
static void change_branch_key(const char *path, uint64_t from, uint64_t to)
{
    struct bytes file = file_read(path);
    unsigned changed = 0;
    for (size_t page = 2 * 4096; page + 4096 <= file.size; page += 4096) {
        unsigned char *bytes = file.at + page;
        unsigned end = bytes[10] == 1 ? bytes[12] + bytes[13] * 256u : 16; /* 1: a branch */
        for (unsigned at = 16; at < end; at += 2) {
            unsigned char *node = bytes + bytes[at] + bytes[at + 1] * 256u;
            if (node[6] != 8 || get_big(node + 8, 8) != from)
                continue;
            put_big(node + 8, to, 8);
            changed++;
        }
    }
    assert_true(changed > 0);
    file_write(path, file.at, file.size);
    free(file.at);
}

/*
 * A branch whose key for a leaf is not where that begins: each event is read, leaf by leaf, but not by who begins
 * there.
 */
static void a_branch_that_leads_past_a_leaf_is_told(void **state)
{
    make_log(*state, 150);
    const char *path = strdup(in(*state, "log/events.mdb"));
    uint64_t page = damage_place_of(path, 75).key / 4096, first = 75;
    while (damage_place_of(path, first - 1).key / 4096 == page)
        first--;
    change_branch_key(path, first, first - 2);
    TOLD(*state, {0, 0, "has other events than the branches above it say"});
    change_branch_key(path, first - 2, first + 1);
    TOLD(*state, {0, 0, "has other events than the branches above it say"});
    change_branch_key(path, first + 1, first);
    assert_told(*state, NULL, 0);
    free((char *)path);
}

/* A meta page that is not sound, of either file. */
static void a_bad_meta_page_is_told(void **state)
{
    make_log(*state, COUNT);
    struct bytes file = file_read(in(*state, "log/events.mdb"));
    uint64_t older = memcmp(file.at + 144, file.at + 4096 + 144, 8) < 0 ? 0 : 4096;
    flip(in(*state, "log/events.mdb"), older + 16, 1);
    TOLD(*state, {0, 0, "events.mdb: one of its two meta pages"});
    flip(in(*state, "log/events.mdb"), older + 16, 1);
    flip(in(*state, "log/state.mdb"), 16, 1);
    TOLD(*state, {0, 0, "state.mdb: one of its two meta pages"});
    flip(in(*state, "log/state.mdb"), 16, 1);
    assert_told(*state, NULL, 0);
    free(file.at);
}

/* Changes a byte of an entry, with or without its checksum. */
static void harm_entry(const void *home, const void *key, size_t key_size, size_t at,
                       unsigned char bits, bool refit)
{
    struct raw raw = raw_open(in(home, "log/state.mdb"));
    struct bytes value = raw_get(&raw, key, key_size);
    value.at[at] ^= bits;
    if (refit)
        entry_refit(log_seed(in(home, "log/format")), key, key_size, value.at, value.size);
    raw_put(&raw, key, key_size, value);
    raw_close(&raw);
    free(value.at);
}

/* The key of an untyped event type's entry. */
static void type_key(const char *name, unsigned char key[9])
{
    unsigned char text[64];
    size_t size = strlen(name); /* 19 and 26 here: the shortest form has one byte of head */
    text[0] = (unsigned char)(0xa0 | size);
    memcpy(text + 1, name, size);
    memcpy(text + 1 + size, "\xc0\xc0\xc0", 3);
    key[0] = 't';
    put_big(key + 1, XXH3_64bits(text, size + 4), 8);
}

/* The key of the entry of an event's source. */
static void source_key(const void *home, unsigned char key[9])
{
    struct raw raw = open_events(home);
    struct bytes value = get(&raw, 1);
    key[0] = 's';
    memcpy(key + 1, value.at + AT_SOURCE, 8);
    free(value.at);
    raw_close(&raw);
}

/* An entry of state.mdb: itself, and the events that cannot be read without it. */
static void a_bad_entry_is_told(void **state)
{
    unsigned char type[9], source[9];
    make_log(*state, 2);
    type_key(UNUSED_TYPE, type);
    source_key(*state, source);
    harm_entry(*state, type, 9, 12, 1, false);
    TOLD(*state, {0, 0, "is not as it was written"});
    harm_entry(*state, type, 9, 12, 1, false);
    harm_entry(*state, source, 9, 12, 1, false);
    TOLD(*state, {0, 0, "is not as it was written"}, {1, 1, "an entry is not as it was written"},
         {2, 2, "an entry is not as it was written"});
}

/* ----------------------------------------------- entries of consumers ---- */

#define CONSUMER_KEY "cbilling"
#define FILTER_KEY "fbilling\0"
#define PARKED_KEY "pbilling\0\0\0\0\0\0\0\0\x01"
#define RETRY_KEY "rbilling\0\0\0\0\0\0\0\0\x02"
#define STATE_KEY "vbilling\0key"

/* A log whose consumer has one entry of each kind, between two others that have their own only. */
static void make_consumers(const void *home)
{
    static const char *const names[] = {"accounts", "billing", "courses"};
    static const char *const types[] = {TYPE};
    make_log(home, COUNT);
    evlog *log = open_log(home, 0, NULL);
    for (int i = 0; i < 3; i++) {
        struct consumer_entry entry = {.checkpoint = 2};
        bool is_new;
        OK(consumers_create(log->store, names[i], NULL, &entry, &is_new));
    }
    struct entry_key key;
    consumer_state_key("billing", "key", 3, &key);
    evlog_parked parked = {.seq = 1, .last_seq = 1, .error = "why"};
    struct change *changes = change_filter("billing", types, 1);
    changes->next = change_park("billing", ENTRY_PARKED, &parked);
    parked.seq = parked.last_seq = 2;
    changes->next->next = change_park("billing", ENTRY_RETRY, &parked);
    changes->next->next->next = change_put_state(&key, "value", 5);
    OK(consumers_write(log->store, "billing", NULL, NULL, changes, NULL));
    changes_free(changes);
    OK(evlog_close(log));
}

static void move_entry(const void *home, const void *from, const void *to, size_t key_size)
{
    struct raw raw = raw_open(in(home, "log/state.mdb"));
    struct bytes value = raw_get(&raw, from, key_size);
    raw_del(&raw, from, key_size);
    entry_refit(log_seed(in(home, "log/format")), to, key_size, value.at, value.size);
    raw_put(&raw, to, key_size, value);
    raw_close(&raw);
    free(value.at);
}

static int list_consumer(const evlog_consumer_info *info, void *ctx)
{
    strcat(strcat(ctx, info->name), " ");
    return 0;
}

#define HARM(key, at, refit) harm_entry(*state, key, sizeof key - 1, at, 1, refit)

/* Each kind of a consumer's entries, damaged and forged, is reported, and nothing else is. */
static void a_consumers_bad_entry_is_told(void **state)
{
    static const struct {
        const char *key;
        size_t size, at;    /* of an element's first byte */
        unsigned char bits; /* that make it one of another kind */
        const char *text;
    } table[] = {
        {CONSUMER_KEY, sizeof CONSUMER_KEY - 1, 10, 0xc1, "consumer billing: its place is not"},
        {FILTER_KEY, sizeof FILTER_KEY - 1, 10, 0x60, "consumer billing: its filter is not"},
        {PARKED_KEY, sizeof PARKED_KEY - 1, 14, 0x60, "record of parked event 1 is not"},
        {RETRY_KEY, sizeof RETRY_KEY - 1, 14, 0x60, "record of parked event 2 is not"},
        {STATE_KEY, sizeof STATE_KEY - 1, 10, 0x60,
         "consumer billing: a value of its state is not"},
    };
    make_consumers(*state);
    assert_told(*state, NULL, 0);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        for (int refit = 0; refit < 2; refit++) {
            unsigned char bits = refit ? table[i].bits : 1;
            harm_entry(*state, table[i].key, table[i].size, table[i].at, bits, refit);
            TOLD(*state, {0, 0, table[i].text});
            harm_entry(*state, table[i].key, table[i].size, table[i].at, bits, refit);
        }
    }
    assert_told(*state, NULL, 0);
}

/* A consumer that counts what it does not have, and entries without their consumer. */
static void a_consumers_counts_and_owners_are_checked(void **state)
{
    make_consumers(*state);
    move_entry(*state, STATE_KEY, "vbillinh\0key", sizeof STATE_KEY - 1);
    TOLD(*state, {0, 0, "to be retried and 1 values, and has 2, 1 and 0"},
         {0, 0, "an entry of kind 'v' is of consumer billinh, which does not exist"});
    move_entry(*state, "vbillinh\0key", STATE_KEY, sizeof STATE_KEY - 1);
    move_entry(*state, STATE_KEY, "v\0illing\0key", sizeof STATE_KEY - 1);
    TOLD(*state, {0, 0, "1 values, and has 2, 1 and 0"},
         {0, 0, "an entry of kind 'v' does not have a consumer's name"});
}

/* A type that is missing: the events that name it. Defined again, it is there again. */
static void a_missing_type_is_told(void **state)
{
    unsigned char key[9];
    char words[80];
    make_log(*state, 2);
    type_key(TYPE, key);
    struct raw raw = raw_open(in(*state, "log/state.mdb"));
    raw_del(&raw, key, sizeof key);
    raw_close(&raw);
    snprintf(words, sizeof words, "names event type %016" PRIx64, get_big(key + 1, 8));
    TOLD(*state, {1, 1, words}, {2, 2, words});
    evlog_signal *signal;
    OK(evlog_close(open_log(*state, 0, &signal)));
    assert_told(*state, NULL, 0);
}

/* Entries of kinds that are not known are a remark, and kept. */
static void unknown_kinds_are_a_remark(void **state)
{
    static const char *const keys[] = {"X", "a", "uv", "unknown", "z"};
    evlog_info info;
    make_consumers(*state);
    struct raw raw = raw_open(in(*state, "log/state.mdb"));
    for (size_t i = 0; i < 5; i++)
        raw_put(&raw, keys[i], strlen(keys[i]), (struct bytes){(unsigned char *)"new", 3});
    raw_close(&raw);
    struct found found = {.count = 0};
    OK(verify(*state, &found, NULL));
    assert_int_equal(found.count, 0);
    assert_int_equal(found.remark_count, 1);
    evlog *log = open_log(*state, 0, NULL); /* a writer keeps them too */
    OK(evlog_inspect(log, &info));
    assert_int_equal(info.unknown_entry_count, 5);
    OK(evlog_close(log));
}

/* A list of consumers goes on after one that is damaged, and then says which that was. */
static void a_list_goes_past_a_damaged_consumer(void **state)
{
    char names[80] = "";
    make_consumers(*state);
    HARM(CONSUMER_KEY, 11, false);
    evlog *log = open_log(*state, 1, NULL);
    FAILS(EVLOG_DAMAGED, "consumer billing: its place",
          evlog_each_consumer(log, list_consumer, names));
    assert_string_equal(names, "accounts courses ");
    OK(evlog_close(log));
    HARM(CONSUMER_KEY, 11, false);
    HARM(FILTER_KEY, 11, false);
    *names = '\0';
    log = open_log(*state, 1, NULL);
    FAILS(EVLOG_DAMAGED, "consumer billing: its filter",
          evlog_each_consumer(log, list_consumer, names));
    assert_string_equal(names, "accounts courses ");
    OK(evlog_close(log));
}

static void set_entries(const char *path, uint64_t entries)
{
    file_patch(path, &entries, 8, 120);
    file_patch(path, &entries, 8, 4096 + 120);
}

/* A count of entries that is not the events': too few by itself, too many as missing events. */
static void a_wrong_count_is_told(void **state)
{
    make_log(*state, COUNT);
    const char *path = strdup(in(*state, "log/events.mdb"));
    set_entries(path, COUNT - 1);
    TOLD(*state, {0, 0, "says it has 9 events, and has 10"});
    set_entries(path, COUNT + 2);
    TOLD(*state, {COUNT + 1, COUNT + 2, "missing"});
    free((char *)path);
}

/* ------------------------------------------------------------ the visitor ---- */

/* It may stop at a finding, or at progress: its answer is the result, no output is touched. */
static void the_visitor_may_stop_it(void **state)
{
    uint64_t checked = 4711;
    make_log(*state, COUNT);
    struct found found = {.stop_at_progress = 1};
    assert_int_equal(verify(*state, &found, &checked), 77);
    forge(*state, 4, AT_TYPE, 99, 8);
    forge(*state, 6, AT_TYPE, 99, 8);
    found = (struct found){.stop_at_finding = 1};
    assert_int_equal(verify(*state, &found, &checked), 88);
    assert_int_equal(found.count, 1);
    assert_int_equal(found.findings[0].first, 4);
    found = (struct found){.stop_at_finding = 2};
    assert_int_equal(verify(*state, &found, &checked), 88);
    assert_int_equal(found.findings[1].first, 6);
    assert_int_equal(checked, 4711);
}

/* Without a visitor the result and the count say it all. */
static void the_visitor_may_be_left_out(void **state)
{
    uint64_t checked;
    make_log(*state, COUNT);
    forge(*state, 4, AT_TYPE, 99, 8);
    evlog *log = open_log(*state, 1, NULL);
    FAILS(EVLOG_DAMAGED, "1 finding", evlog_verify(log, NULL, NULL, &checked));
    assert_int_equal(checked, COUNT - 1);
    FAILS(EVLOG_DAMAGED, "1 finding", evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_close(log));
}

/* Sends many at once, in batches of `count`. */
static void send_many(evlog_signal *signal, size_t count)
{
    static evlog_sending sends[5000];
    for (size_t i = 0; i < count; i++)
        sends[i] = (evlog_sending){.signal = signal, .data = SMALL_MAP("\x05"), .data_size = 4};
    OK(evlog_send_events(sends, count, NULL, NULL));
}

/* A long log: progress comes again and again, each time further on. */
static void progress_is_told_now_and_then(void **state)
{
    evlog_signal *signal;
    struct found found = {.count = 0};
    evlog *log = open_log(*state, 0, &signal);
    for (int i = 0; i < 4; i++)
        send_many(signal, 5000);
    OK(evlog_verify(log, listen, &found, NULL));
    assert_true(found.progress_count >= 4);
    assert_int_equal(found.progress_seq, 20000);
    found = (struct found){.stop_at_progress = 2};
    assert_int_equal(evlog_verify(log, listen, &found, NULL), 77);
    assert_true(found.progress_seq < 20000);
    OK(evlog_close(log));
}

/* ---------------------------------------------------------------- in use ---- */

/* In a child: sends until the pipe is closed. */
static void send_until(const char *path, int from)
{
    evlog *log;
    evlog_signal *signal;
    char byte;
    alarm(60);
    if (evlog_open(path, NULL, &log) || evlog_define(log, TYPE, 0, NULL, &signal))
        _exit(1);
    fcntl(from, F_SETFL, O_NONBLOCK);
    while (read(from, &byte, 1) != 0)
        for (int i = 0; i < 20; i++)
            if (evlog_send_event(signal, SMALL_MAP("\x05"), 4, NULL, NULL))
                _exit(1);
    _exit(evlog_close(log) ? 1 : 0);
}

/* A log that another process is sending to: never a finding, and always more events. */
static void a_log_in_use_is_sound(void **state)
{
    int ends[2], status;
    uint64_t before = COUNT, checked = 0;
    make_log(*state, COUNT);
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(ends[1]);
        send_until(in(*state, "log"), ends[0]);
    }
    evlog *log = open_log(*state, 1, NULL);
    for (int i = 0; i < 100 || (before < 500 && i < 100000); i++) {
        struct found found = {.count = 0};
        int result = evlog_verify(log, listen, &found, &checked);
        if (result || found.count)
            fail_msg("round %d: %d: %s", i, result, found.findings[0].text);
        assert_true(checked >= before);
        before = checked;
    }
    assert_true(before >= 500);
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    OK(evlog_close(log));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(a_sound_log_has_no_findings),
        TEST_AT_HOME(an_empty_log_has_no_findings),
        TEST_AT_HOME(an_erased_event_is_no_finding),
        TEST_AT_HOME(a_trimmed_log_is_sound),
        TEST_AT_HOME(missing_first_events_are_told),
        TEST_AT_HOME(another_event_at_the_floor_is_told),
        TEST_AT_HOME(a_flipped_bit_is_told_once),
        TEST_AT_HOME(swapped_records_are_told),
        TEST_AT_HOME(forged_swaps_are_told),
        TEST_AT_HOME(a_doubled_record_is_told),
        TEST_AT_HOME(a_missing_event_is_told),
        TEST_AT_HOME(a_closed_gap_is_told),
        TEST_AT_HOME(a_foreign_first_event_is_told),
        TEST_AT_HOME(log_time_that_steps_back_is_told),
        TEST_AT_HOME(steps_that_were_not_are_told),
        TEST_AT_HOME(a_step_before_the_first_event_is_told),
        TEST_AT_HOME(unknown_types_and_sources_are_told),
        TEST_AT_HOME(malformed_data_is_told),
        TEST_AT_HOME(a_bad_page_is_told_with_its_events),
        TEST_AT_HOME(a_branch_that_leads_past_a_leaf_is_told),
        TEST_AT_HOME(a_bad_meta_page_is_told),
        TEST_AT_HOME(a_bad_entry_is_told),
        TEST_AT_HOME(a_consumers_bad_entry_is_told),
        TEST_AT_HOME(a_consumers_counts_and_owners_are_checked),
        TEST_AT_HOME(a_missing_type_is_told),
        TEST_AT_HOME(unknown_kinds_are_a_remark),
        TEST_AT_HOME(a_list_goes_past_a_damaged_consumer),
        TEST_AT_HOME(a_wrong_count_is_told),
        TEST_AT_HOME(the_visitor_may_stop_it),
        TEST_AT_HOME(the_visitor_may_be_left_out),
        TEST_AT_HOME(progress_is_told_now_and_then),
        TEST_AT_HOME(a_log_in_use_is_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
