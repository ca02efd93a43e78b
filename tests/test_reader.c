/*
 * Reading files that are damaged, cut, or made by a stranger: every byte changed in turn,
 * every bit of the records, cut anywhere, pages of noise, trees that lead in circles.
 *
 * Whatever the file holds: reading it ends and does not crash (ASan), an event that is
 * delivered is what was sent, and one that is not is counted as damaged and found by
 * evlog_verify. The one thing that cannot be seen is a whole older state of the file: when
 * a meta page is changed so that the other counts as the newer, the newest events are gone.
 */
#include <errno.h>

#include "damage.h"
#include "load.h"
#include "log.h"
#include "reader.h"

#define TYPE "org.evlog.reader.v1"
#define COUNT 50    /* events of the log, sent in two commits */
#define BIG_SEQ_1 7 /* two of them are on overflow pages */
#define BIG_SEQ_2 32
#define BIG_SIZE 2100
#define DATA_SIZE_MAX 2200
#define TIME_US 1700000000000000
#define FORGED_SEQ (UINT64_C(1) << 62) /* whose checksum fits: it may be delivered */
#define PAGE 4096
#define META_END 152 /* bytes of a meta page that say something */

static int is_big(uint64_t seq)
{
    return seq == BIG_SEQ_1 || seq == BIG_SEQ_2;
}

/* What event `seq` carries. */
static size_t make_data(uint64_t seq, unsigned char data[DATA_SIZE_MAX])
{
    static const unsigned char head[] = {0x82, 0xa1, 'n', 0xcd, 0, 0, 0xa1, 'f', 0xc5, 0, 0};
    size_t size = is_big(seq) ? BIG_SIZE : seq * 7 % 40;
    memcpy(data, head, sizeof head);
    put_big(data + 4, seq, 2);
    put_big(data + 9, size, 2);
    for (size_t i = 0; i < size; i++)
        data[sizeof head + i] = (unsigned char)(load_mix(seq) >> i % 50);
    return sizeof head + size;
}

static evlog_metadata make_metadata(uint64_t seq)
{
    evlog_metadata metadata = {.minorversion = (int32_t)seq,
                               .time_us = TIME_US + (int64_t)seq,
                               .source = seq % 2 ? "openedx/lms/web" : "openedx/cms/web"};
    memset(metadata.id, (int)seq, sizeof metadata.id);
    return metadata;
}

/* Sends the events `first` to `last` in one commit. */
static void send_range(evlog_signal *signal, uint64_t first, uint64_t last)
{
    static unsigned char data[COUNT + 1][DATA_SIZE_MAX];
    evlog_sending sends[COUNT + 1];
    evlog_metadata metadata[COUNT + 1];
    for (uint64_t seq = first; seq <= last; seq++) {
        metadata[seq] = make_metadata(seq);
        sends[seq - first] = (evlog_sending){.signal = signal,
                                             .data = data[seq],
                                             .data_size = make_data(seq, data[seq]),
                                             .metadata = &metadata[seq],
                                             .from_event_bus = true};
    }
    OK(evlog_send_events(sends, last - first + 1, NULL, NULL));
}

static evlog *open_to_read(const void *home)
{
    evlog *log;
    OK(evlog_open(in(home, "log"), &(evlog_options){.read_only = 1}, &log));
    return log;
}

/* Makes a log of `count` events and gives back the bytes of its events file in use. */
static struct bytes make_log(const void *home, uint64_t count)
{
    evlog *log;
    evlog_signal *signal;
    evlog_info info;
    OK(evlog_open(in(home, "log"), &(evlog_options){.durability = EVLOG_FAST}, &log));
    OK(evlog_define(log, TYPE, 0, NULL, &signal));
    send_range(signal, 1, count / 2);
    send_range(signal, count / 2 + 1, count);
    OK(evlog_inspect(log, &info));
    assert_int_equal(info.page_size, PAGE);
    OK(evlog_close(log));
    struct bytes file = file_read(in(home, "log/events.mdb"));
    file.size = info.used_size;
    return file;
}

/* ------------------------------------------------------ what is delivered ---- */

struct heard {
    uint64_t count, last_seq, max_seq;
    int downwards;
    unsigned char seen[COUNT + 1];
};

/* Is it what was sent? And in order. */
static int hear(const evlog_event *event, void *ctx)
{
    struct heard *heard = ctx;
    unsigned char data[DATA_SIZE_MAX];
    evlog_metadata metadata = make_metadata(event->seq);
    if (event->seq == FORGED_SEQ) {
        heard->last_seq = event->seq;
        heard->count++;
        return 0;
    }
    if (event->seq < 1 || event->seq > COUNT)
        fail_msg("event %" PRIu64 " was never sent", event->seq);
    size_t size = make_data(event->seq, data);
    if (event->data_size != size || memcmp(event->data, data, size) != 0 ||
        memcmp(event->id, metadata.id, 16) != 0 || event->time_us != metadata.time_us ||
        event->minorversion != metadata.minorversion || !event->from_event_bus ||
        strcmp(event->event_type, TYPE) != 0 || strcmp(event->source, metadata.source) != 0)
        fail_msg("event %" PRIu64 " is not what was sent", event->seq);
    if (heard->count > 0 && (event->seq < heard->last_seq) != heard->downwards)
        fail_msg("event %" PRIu64 " after %" PRIu64, event->seq, heard->last_seq);
    if (heard->seen[event->seq]++)
        fail_msg("event %" PRIu64 " twice", event->seq);
    heard->last_seq = event->seq;
    heard->max_seq = event->seq > heard->max_seq ? event->seq : heard->max_seq;
    heard->count++;
    return 0;
}

/* How a file may be read. */
enum loss {
    TOLD,        /* what is not delivered is counted, and verify finds something */
    TAIL_UNTOLD, /* but for the newest, when an older state of the file is read */
};

static void check_replay(evlog *log, uint64_t count, enum loss loss, int newest_first)
{
    struct heard heard = {.downwards = newest_first};
    evlog_outcome outcome;
    evlog_range range = {.keep_going = 1, .newest_first = newest_first};
    OK(evlog_replay(log, &range, hear, &heard, &outcome));
    assert_true(outcome.delivered == heard.count);
    assert_true(outcome.failed == 0 && outcome.skipped == 0);
    uint64_t expected = loss == TAIL_UNTOLD ? heard.max_seq : count;
    if (heard.count + outcome.damaged < expected)
        fail_msg("%" PRIu64 " delivered and %" PRIu64 " damaged, of %" PRIu64 "%s", heard.count,
                 outcome.damaged, expected, newest_first ? ", newest first" : "");
    assert_true((outcome.damaged > 0) == (outcome.first_failed_seq > 0));
    if (heard.count >= expected && !newest_first)
        return;
    int result = evlog_verify(log, NULL, NULL, NULL);
    if (result != EVLOG_DAMAGED && (result != EVLOG_OK || heard.count < expected))
        fail_msg("verify: %d, with %" PRIu64 " delivered", result, heard.count);
}

static void check_single(evlog *log, uint64_t seq)
{
    evlog_event *event;
    struct heard heard = {.count = 0};
    int result = evlog_read(log, seq, &event);
    if (result == EVLOG_OK) {
        assert_true(event->seq == seq);
        hear(event, &heard);
        evlog_event_free(event);
    } else if (result != EVLOG_DAMAGED) {
        fail_msg("reading event %" PRIu64 ": %d: %s", seq, result, evlog_errmsg());
    }
}

/* ---------------------------------------------------- the meta page ---- */

/* Where the meta page of the newest state is in the file, and what the tests forge there. */
enum { META_DEPTH = 94, META_ENTRIES = 120, META_ROOT = 128, META_LAST_PAGE = 136 };
enum { META_TXNID = 144 };

static uint64_t newest_meta(const struct bytes *file)
{
    uint64_t zero, one;
    memcpy(&zero, file->at + META_TXNID, 8);
    memcpy(&one, file->at + PAGE + META_TXNID, 8);
    return zero > one ? 0 : PAGE;
}

static uint64_t root_of(const struct bytes *file)
{
    uint64_t root;
    memcpy(&root, file->at + newest_meta(file) + META_ROOT, 8);
    return root;
}

/* -------------------------------------------------------- damage by bytes ---- */

/* A log that is not damaged passes, or the tests below would show nothing. */
static void a_sound_file_is_read_whole(void **state)
{
    struct bytes file = make_log(*state, COUNT);
    evlog *log = open_to_read(*state);
    uint64_t checked;
    evlog_outcome outcome;
    struct heard heard = {.count = 0};
    OK(evlog_replay(log, NULL, hear, &heard, &outcome));
    assert_int_equal(heard.count, COUNT);
    check_replay(log, COUNT, TOLD, 1);
    for (uint64_t seq = 1; seq <= COUNT; seq++)
        check_single(log, seq);
    OK(evlog_verify(log, NULL, NULL, &checked));
    assert_int_equal(checked, COUNT);
    OK(evlog_close(log));
    free(file.at);
}

/* Marks the pages that the newest state uses: metas, root, leaves, overflow. */
static void mark_live(const char *path, const struct bytes *file, unsigned char *live)
{
    live[0] = live[1] = live[root_of(file)] = 1;
    for (uint64_t seq = 1; seq <= COUNT; seq++) {
        struct damage_place place = damage_place_of(path, seq);
        live[place.key / PAGE] = live[place.value / PAGE] = 1;
    }
}

/* Every byte of the pages in use, and some of the others, is changed under a log that is open. */
static void every_changed_byte_is_survived(void **state)
{
    uint64_t random = load_seed();
    unsigned char live[64] = {0};
    struct bytes file = make_log(*state, COUNT);
    assert_true(file.size <= sizeof live * PAGE);
    mark_live(in(*state, "log/events.mdb"), &file, live);
    evlog *log = open_to_read(*state);
    int fd = open(in(*state, "log/events.mdb"), O_RDWR);
    for (size_t at = 0; at < file.size; at += live[at / PAGE] ? 1 : 31) {
        unsigned char changed = file.at[at] ^ (unsigned char)(1 + load_random(&random, 255));
        assert_int_equal(pwrite(fd, &changed, 1, (off_t)at), 1);
        if (at >= 2 * PAGE && at % 4 == 1)
            check_single(log, 1 + load_random(&random, COUNT));
        check_replay(log, COUNT, at < 2 * PAGE ? TAIL_UNTOLD : TOLD, at % 8 == 0);
        assert_int_equal(pwrite(fd, file.at + at, 1, (off_t)at), 1);
    }
    close(fd);
    check_replay(log, COUNT, TOLD, 0);
    OK(evlog_close(log));
    free(file.at);
}

/* One bit flipped in a file that is closed: it is opened, read, and closed. */
static void flip_and_open(const void *home, const char *path, const struct bytes *file, size_t at,
                          int bit)
{
    unsigned char flipped = file->at[at] ^ (unsigned char)(1 << bit);
    file_patch(path, &flipped, 1, at);
    evlog *log = open_to_read(home);
    check_replay(log, COUNT, at < 2 * PAGE ? TAIL_UNTOLD : TOLD, bit % 2);
    OK(evlog_close(log));
    file_patch(path, file->at + at, 1, at);
}

/* The same with the log opened after the damage: each bit of the meta pages, others by chance. */
static void a_damaged_file_can_be_opened_to_read(void **state)
{
    uint64_t random = load_seed();
    struct bytes file = make_log(*state, COUNT);
    char *path = strdup(in(*state, "log/events.mdb"));
    for (size_t at = 0; at < META_END; at++)
        for (int bit = 0; bit < 8; bit++) {
            flip_and_open(*state, path, &file, at, bit);
            flip_and_open(*state, path, &file, PAGE + at, bit);
        }
    for (int i = 0; i < 1000; i++)
        flip_and_open(*state, path, &file, (size_t)load_random(&random, file.size),
                      (int)load_random(&random, 8));
    free(path);
    free(file.at);
}

/* ------------------------------------------------------- damage by bits ---- */

struct search {
    uint64_t seq;
    int found;
};

static int look_for(const evlog_finding *finding, uint64_t seq, void *ctx)
{
    struct search *search = ctx;
    (void)seq;
    if (finding && finding->first_seq <= search->seq && search->seq <= finding->last_seq)
        search->found = 1;
    return 0;
}

/* Flips each bit of a place: evlog_verify finds the seq damaged, or, of a key, something. */
static void flip_bits(evlog *log, int fd, const struct bytes *file, uint64_t at, size_t size,
                      uint64_t seq)
{
    for (size_t bit = 0; bit < size * 8; bit++) {
        uint64_t byte = at + bit / 8;
        unsigned char flipped = file->at[byte] ^ (unsigned char)(1 << bit % 8);
        struct search search = {.seq = seq};
        assert_int_equal(pwrite(fd, &flipped, 1, (off_t)byte), 1);
        int result = evlog_verify(log, look_for, &search, NULL);
        if (result != EVLOG_DAMAGED || (seq && !search.found))
            fail_msg("event %" PRIu64 ", byte %" PRIu64 ", bit %zu: %d, found: %d", seq,
                     byte - at, bit % 8, result, search.found);
        assert_int_equal(pwrite(fd, file->at + byte, 1, (off_t)byte), 1);
    }
}

/* No bit of a record or of its key can be flipped without evlog_verify finding it. */
static void every_flipped_bit_of_a_record_is_found(void **state)
{
    enum { FEW = 9 }; /* BIG_SEQ_1 among them */
    struct bytes file = make_log(*state, FEW);
    struct damage_place places[FEW + 1];
    for (uint64_t seq = 1; seq <= FEW; seq++)
        places[seq] = damage_place_of(in(*state, "log/events.mdb"), seq);
    evlog *log = open_to_read(*state);
    int fd = open(in(*state, "log/events.mdb"), O_RDWR);
    for (uint64_t seq = 1; seq <= FEW; seq++) {
        flip_bits(log, fd, &file, places[seq].key, 8, 0);
        flip_bits(log, fd, &file, places[seq].value, places[seq].size, seq);
    }
    close(fd);
    OK(evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_close(log));
    free(file.at);
}

/* ------------------------------------------------------- pages gone bad ---- */

/* Opens the file as it is now and reads all that it gives. */
static void open_and_check(const void *home, enum loss loss)
{
    evlog *log = open_to_read(home);
    check_replay(log, COUNT, loss, 0);
    check_replay(log, COUNT, loss, 1);
    OK(evlog_close(log));
}

/* A writer is refused, and the file is left as it is. */
static void assert_no_writer(const void *home, size_t size)
{
    evlog *log;
    struct stat status;
    FAILS(EVLOG_DAMAGED, "events.mdb", evlog_open(in(home, "log"), NULL, &log));
    assert_int_equal(stat(in(home, "log/events.mdb"), &status), 0);
    assert_int_equal(status.st_size, size);
}

/*
 * Cut at every page, and amid one, it is read as far as it goes; cut in the first, it is no
 * file.
 */
static void a_file_that_was_cut_is_read_as_far_as_it_goes(void **state)
{
    struct bytes file = make_log(*state, COUNT);
    char *path = strdup(in(*state, "log/events.mdb"));
    for (size_t size = file.size - 1; size > PAGE / 2; size -= size % (PAGE / 2) + 1) {
        file_write(path, file.at, size);
        open_and_check(*state, size <= PAGE + PAGE / 2 ? TAIL_UNTOLD : TOLD);
        assert_no_writer(*state, size);
    }
    for (size_t size = 0; size <= 150; size += 10) {
        evlog *log;
        file_write(path, file.at, size);
        FAILS(EVLOG_DAMAGED, "meta page",
              evlog_open(in(*state, "log"), &(evlog_options){.read_only = 1}, &log));
        assert_no_writer(*state, size);
    }
    file_write(path, file.at, file.size);
    open_and_check(*state, TOLD);
    free(path);
    free(file.at);
}

static void fill_with_noise(unsigned char *page, uint64_t *random)
{
    for (size_t i = 0; i < PAGE; i += 8) {
        uint64_t noise = load_mix((*random)++);
        memcpy(page + i, &noise, 8);
    }
}

/* Pages of noise, some of them with the head of a sound page: what is left is read. */
static void pages_of_noise_are_survived(void **state)
{
    uint64_t random = load_seed();
    struct bytes file = make_log(*state, COUNT);
    char *path = strdup(in(*state, "log/events.mdb"));
    for (int round = 0; round < 400; round++) {
        uint64_t count = 1 + load_random(&random, 4);
        for (uint64_t i = 0; i < count; i++) {
            unsigned char page[PAGE];
            uint64_t number = 2 + load_random(&random, file.size / PAGE - 2);
            fill_with_noise(page, &random);
            if (load_random(&random, 2)) /* its number, kind, and bounds stay */
                memcpy(page, file.at + number * PAGE, 16 + 2 * load_random(&random, 40));
            file_patch(path, page, PAGE, number * PAGE);
        }
        open_and_check(*state, TOLD);
        file_patch(path, file.at, file.size, 0);
    }
    free(path);
    free(file.at);
}

/* Without a sound meta page there is no log to read, and it is said so. */
static void without_meta_pages_it_is_refused(void **state)
{
    uint64_t random = load_seed();
    struct bytes file = make_log(*state, COUNT);
    unsigned char pages[2 * PAGE];
    evlog *log;
    fill_with_noise(pages, &random);
    fill_with_noise(pages + PAGE, &random);
    file_patch(in(*state, "log/events.mdb"), pages, PAGE, 0);
    open_and_check(*state, TAIL_UNTOLD);
    file_patch(in(*state, "log/events.mdb"), pages, sizeof pages, 0);
    FAILS(EVLOG_DAMAGED, "neither of its two meta pages",
          evlog_open(in(*state, "log"), &(evlog_options){.read_only = 1}, &log));
    free(file.at);
}

/* ---------------------------------------------------------- forged trees ---- */

/* Sets the root of the newest state, its depth and its count of entries. */
static void set_root(const char *path, const struct bytes *file, uint64_t root, uint16_t depth,
                     uint64_t entries, uint64_t last_page)
{
    uint64_t meta = newest_meta(file);
    file_patch(path, &depth, 2, meta + META_DEPTH);
    file_patch(path, &entries, 8, meta + META_ENTRIES);
    file_patch(path, &root, 8, meta + META_ROOT);
    file_patch(path, &last_page, 8, meta + META_LAST_PAGE);
}

/* A branch whose children 1 to `count` are all the same page, their keys their numbers. */
static void write_branch(const char *path, uint64_t number, uint64_t child, unsigned count)
{
    unsigned char page[PAGE] = {0};
    uint16_t kind = 1, lower = (uint16_t)(16 + 2 * count), upper = PAGE;
    uint16_t low = (uint16_t)child, key_size = 8;
    for (unsigned i = 0; i < count; i++) {
        upper = (uint16_t)(upper - 16);
        memcpy(page + 16 + 2 * i, &upper, 2);
        memcpy(page + upper, &low, 2);
        memcpy(page + upper + 6, &key_size, 2);
        put_big(page + upper + 8, i + 1, 8);
    }
    memcpy(page, &number, 8);
    memcpy(page + 10, &kind, 2);
    memcpy(page + 12, &lower, 2);
    memcpy(page + 14, &upper, 2);
    file_patch(path, page, PAGE, number * PAGE);
}

/* The page that holds the record of a seq. */
static uint64_t leaf_of(const char *path, uint64_t seq)
{
    return damage_place_of(path, seq).key / PAGE;
}

/* Trees that lead in circles, or by a million ways to one leaf: reading them ends. */
static void trees_that_lead_in_circles_end(void **state)
{
    enum { WAYS = 200 };
    struct bytes file = make_log(*state, COUNT);
    char *path = strdup(in(*state, "log/events.mdb"));
    uint64_t first = file.size / PAGE, leaf = leaf_of(path, 1);
    write_branch(path, first, first, WAYS);
    set_root(path, &file, first, 32, COUNT, first);
    open_and_check(*state, TOLD);
    write_branch(path, first, leaf, WAYS);
    set_root(path, &file, first, 2, COUNT, first);
    open_and_check(*state, TOLD);
    for (uint64_t level = 0; level < 31; level++)
        write_branch(path, first + level, level < 30 ? first + level + 1 : leaf, WAYS);
    set_root(path, &file, first, 32, UINT64_MAX, first + 31);
    open_and_check(*state, TAIL_UNTOLD);
    set_root(path, &file, first, 32, COUNT, first + 31);
    open_and_check(*state, TOLD);
    free(path);
    free(file.at);
}

/* A root of another depth, an overflow page or a meta page for a root: reading ends. */
static void roots_that_are_none_end(void **state)
{
    struct bytes file = make_log(*state, COUNT);
    char *path = strdup(in(*state, "log/events.mdb"));
    uint64_t last = file.size / PAGE - 1;
    for (uint64_t root = 0; root <= last; root++)
        for (uint16_t depth = 1; depth <= 32; depth += depth < 4 ? 1 : 28) {
            if (root == root_of(&file) && depth == 2)
                continue;
            set_root(path, &file, root, depth, COUNT, last);
            open_and_check(*state, TOLD);
        }
    free(path);
    free(file.at);
}

/* Keys and counts near the greatest number: nobody counts up, or down, to them. */
static void huge_seqs_end(void **state)
{
    static const uint64_t seqs[] = {INT64_MAX, INT64_MAX - 1, UINT64_MAX, UINT64_C(1) << 62, 1,
                                    0};
    struct bytes file = make_log(*state, COUNT);
    char *path = strdup(in(*state, "log/events.mdb"));
    uint64_t first = damage_place_of(path, 1).key, last = damage_place_of(path, COUNT).key;
    for (size_t i = 0; i < sizeof seqs / sizeof *seqs; i++)
        for (uint64_t entries = 0; entries < 4; entries++) {
            unsigned char key[8];
            put_big(key, seqs[i], 8);
            set_root(path, &file, root_of(&file), 2, entries < 2 ? COUNT : seqs[i],
                     file.size / PAGE - 1);
            file_patch(path, key, 8, entries % 2 ? last : first);
            open_and_check(*state, entries < 2 ? TOLD : TAIL_UNTOLD);
            file_patch(path, file.at, file.size, 0);
        }
    free(path);
    free(file.at);
}

/*
 * A record with a seq of the next century, its checksum fitting: the gap is reported, not walked;
 * also where it is all there is to go by, the first record and the count being damaged.
 */
static void a_forged_seq_far_away_ends(void **state)
{
    unsigned char old_key[8], key[8];
    struct bytes file = make_log(*state, COUNT);
    struct raw raw = raw_open(in(*state, "log/events.mdb"));
    put_big(old_key, COUNT, 8);
    put_big(key, FORGED_SEQ, 8);
    struct bytes value = raw_get(&raw, old_key, 8);
    record_refit(FORGED_SEQ, value.at, value.size);
    raw_put(&raw, key, 8, value);
    raw_del(&raw, old_key, 8);
    raw_close(&raw);
    open_and_check(*state, TOLD);
    char *path = strdup(in(*state, "log/events.mdb"));
    uint64_t first = damage_place_of(path, 1).value, last_page = file.size / PAGE + 16;
    free(file.at);
    file = file_read(path); /* the root is another now */
    file_patch(path, "\xc0", 1, first);
    set_root(path, &file, root_of(&file), 2, UINT64_MAX, last_page);
    open_and_check(*state, TOLD);
    free(path);
    free(value.at);
    free(file.at);
}

static void assert_over_the_limit(const void *home, uint64_t seq)
{
    evlog_event *event;
    evlog *log = open_to_read(home);
    FAILS(EVLOG_DAMAGED, "claims a size over the limit", evlog_read(log, seq, &event));
    OK(evlog_close(log));
}

/* Records that claim gigabytes, or overflow pages that are not there, are refused for it. */
static void huge_sizes_are_refused(void **state)
{
    struct bytes file = make_log(*state, COUNT);
    char *path = strdup(in(*state, "log/events.mdb"));
    static const uint32_t sizes[] = {
        UINT32_MAX, INT32_MAX, RECORD_SIZE_MAX + 1, EVLOG_DATA_SIZE_MAX, 65536, 5000, 0};
    for (uint64_t seq = BIG_SEQ_1 - 1; seq <= BIG_SEQ_1; seq++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            uint64_t node = damage_place_of(path, seq).key - 8;
            file_patch(path, &sizes[i], 4, node);
            open_and_check(*state, TOLD);
            if (seq == BIG_SEQ_1 && sizes[i] > RECORD_SIZE_MAX)
                assert_over_the_limit(*state, seq);
            file_patch(path, file.at, file.size, 0);
        }
    free(path);
    free(file.at);
}

/* ------------------------------------------------------------- memory ---- */

#define LARGE_SIZE (4 << 20)
#define BATCH_SIZE (256 << 10) /* of a reader's buffer, as a rule */

/* A reader that has read a large record gives its memory back when it reads small ones. */
static void a_buffer_shrinks_again(void **state)
{
    static unsigned char data[LARGE_SIZE] = {0x81, 0xa1, 'x', 0xc6};
    struct reader reader = {.events = NULL};
    evlog *log;
    evlog_signal *signal;
    put_big(data + 4, sizeof data - 8, 4);
    OK(evlog_open(in(*state, "log"), &(evlog_options){.data_size_max = sizeof data}, &log));
    OK(evlog_define(log, TYPE, 0, NULL, &signal));
    OK(evlog_send_event(signal, data, sizeof data, NULL, NULL));
    for (int i = 0; i < 3; i++)
        OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    OK(reader_read(&reader, log->store, 1, 4, 10));
    assert_int_equal(reader.events[0].record.data_size, sizeof data);
    assert_true(reader.buffer_size > LARGE_SIZE);
    for (uint64_t seq = 2; seq <= 4; seq++)
        OK(reader_read(&reader, log->store, seq, seq, 10));
    assert_in_range(reader.buffer_size, 1, BATCH_SIZE);
    reader_free(&reader);
    OK(evlog_close(log));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(a_sound_file_is_read_whole),
        TEST_AT_HOME(every_changed_byte_is_survived),
        TEST_AT_HOME(a_damaged_file_can_be_opened_to_read),
        TEST_AT_HOME(every_flipped_bit_of_a_record_is_found),
        TEST_AT_HOME(a_file_that_was_cut_is_read_as_far_as_it_goes),
        TEST_AT_HOME(pages_of_noise_are_survived),
        TEST_AT_HOME(without_meta_pages_it_is_refused),
        TEST_AT_HOME(trees_that_lead_in_circles_end),
        TEST_AT_HOME(roots_that_are_none_end),
        TEST_AT_HOME(huge_seqs_end),
        TEST_AT_HOME(a_forged_seq_far_away_ends),
        TEST_AT_HOME(huge_sizes_are_refused),
        TEST_AT_HOME(a_buffer_shrinks_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
