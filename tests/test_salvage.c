/*
 * Salvaging: logs that are damaged at random, or not readable, against what was intact; stale versions, other logs'
 * pages, and what only one of the files has; and damage to each file by itself.
 *
 * Intact is an event whose record's bytes, where the tree of the log had them, are as they were. `test_salvage long`
 * damages 10,000 logs, without it 200.
 */
#include <errno.h>
#include <sys/stat.h>

#include "evlog/upkeep.h"

#include "damage.h"
#include "evlog/consumer.h"
#include "load.h"
#include "page.h"
#include "trimmed.h"

#define TYPE "org.evlog.test.v1"
#define EVENTS 150
#define PAGE 4096
#define ROUNDS 200
#define ROUNDS_LONG 10000

static bool is_long;

/* ------------------------------------------------------------- the files ---- */

#define FILES 6
static const char *const file_names[FILES] = {"format", "events.mdb", "state.mdb",
                                              "edge",   "journal",    "shared"};
enum { AT_EVENTS = 1, AT_STATE = 2, AT_EDGE = 3, AT_JOURNAL = 4, AT_SHARED = 5 };

/* A log as it is on disk: its files, and where its records are in events.mdb. */
struct original {
    char path[4200];
    struct bytes files[FILES]; /* at NULL: there is none */
    uint64_t first, last;
    uint64_t places[EVENTS + 20];
    struct bytes records[EVENTS + 20];
};

static const char *file_of(const char *path, unsigned i)
{
    static char paths[4][4400];
    static unsigned next;
    char *file = paths[next++ % 4];
    snprintf(file, sizeof paths[0], "%s/%s", path, file_names[i]);
    return file;
}

static void keep(const char *path, struct original *original)
{
    evlog *log;
    evlog_info info;
    *original = (struct original){.first = 0};
    snprintf(original->path, sizeof original->path, "%s", path);
    for (unsigned i = 0; i < FILES; i++)
        if (access(file_of(path, i), R_OK) == 0)
            original->files[i] = file_read(file_of(path, i));
    OK(evlog_open(path, &(evlog_options){.read_only = true}, &log));
    OK(evlog_inspect(log, &info));
    OK(evlog_close(log));
    original->first = info.first_seq;
    original->last = info.last_seq;
    assert_true(info.last_seq < EVENTS + 20);
    for (uint64_t seq = info.first_seq; seq && seq <= info.last_seq; seq++) {
        struct damage_place place = damage_place_of(file_of(path, AT_EVENTS), seq);
        struct bytes *record = &original->records[seq];
        *record = (struct bytes){.at = malloc(place.size), .size = place.size};
        memcpy(record->at, original->files[AT_EVENTS].at + place.value, place.size);
        original->places[seq] = place.value;
    }
}

static void forget(struct original *original)
{
    for (unsigned i = 0; i < FILES; i++)
        free(original->files[i].at);
    for (size_t i = 0; i < EVENTS + 20; i++)
        free(original->records[i].at);
}

/* The files as they were, in the same inodes: so the page cache is trusted as it was. */
static void put_back(const struct original *original)
{
    for (unsigned i = 0; i < FILES; i++)
        if (original->files[i].at)
            file_write(file_of(original->path, i), original->files[i].at,
                       original->files[i].size);
}

/* ------------------------------------------------------------- the log ---- */

static size_t make_data(unsigned n, unsigned char data[80000])
{
    size_t size = n % 9 == 4 ? 3000 + 100 * n : n % 50 == 7 ? 70000 : 20 + n % 60;
    memcpy(data, "\x82\xa1n\xcd\0\0\xa1\x66\xc6\0\0\0\0", 13);
    put_big(data + 4, n, 2);
    put_big(data + 9, size, 4);
    memset(data + 13, (int)n, size);
    return 13 + size;
}

static void send_some(evlog *log, unsigned from, unsigned to)
{
    static unsigned char data[80000];
    evlog_signal *signal;
    OK(evlog_define(log, TYPE, 0, NULL, &signal));
    for (unsigned n = from; n <= to; n++) {
        size_t size = make_data(n, data);
        OK(evlog_send_event(signal, data, size, NULL, NULL));
    }
}

static void consume_some(evlog *log, const char *name, uint64_t count)
{
    evlog_consumer *consumer;
    const evlog_event *event;
    OK(evlog_consumer_open(log, name, &(evlog_consumer_options){.attempt_max = 1}, &consumer));
    for (uint64_t i = 0; i < count; i++) {
        OK(evlog_consumer_next(consumer, 0, &event));
        OK(evlog_state_put(consumer, &i, sizeof i, "value", i % 6));
        OK(i == 3 ? evlog_consumer_fail(consumer, event->seq, "not this one")
                  : evlog_consumer_done(consumer, event->seq));
    }
    OK(evlog_consumer_close(consumer));
}

/* A log that was opened a few times, has consumers, and perhaps was trimmed. */
static void make_log(const char *path, evlog_durability durability, bool is_trimmed)
{
    evlog *log;
    OK(evlog_open(path, &(evlog_options){.durability = durability}, &log));
    send_some(log, 1, 60);
    consume_some(log, "one", 20);
    OK(evlog_close(log));
    OK(evlog_open(path, NULL, &log));
    send_some(log, 61, 100);
    consume_some(log, "two", 37);
    if (is_trimmed)
        OK(evlog_trim(log, 10, &(evlog_trim_options){.force = true}, NULL));
    send_some(log, 101, EVENTS - 5);
    OK(evlog_sync(log));
    send_some(log, EVENTS - 4, EVENTS);
    OK(evlog_close(log));
}

/* --------------------------------------------------------- the new log ---- */

#define GAPS_MAX 200

/* What the call has reported. */
struct reported {
    uint64_t gaps[GAPS_MAX][2];
    size_t gap_count, other_count;
};

static int note_finding(const evlog_finding *finding, void *ctx)
{
    struct reported *reported = ctx;
    if (!finding->first_seq) {
        reported->other_count++;
        return 0;
    }
    assert_true(reported->gap_count < GAPS_MAX);
    reported->gaps[reported->gap_count][0] = finding->first_seq;
    reported->gaps[reported->gap_count++][1] = finding->last_seq;
    return 0;
}

static bool is_in_gap(const struct reported *reported, uint64_t seq)
{
    for (size_t i = 0; i < reported->gap_count; i++)
        if (seq >= reported->gaps[i][0] && seq <= reported->gaps[i][1])
            return true;
    return false;
}

static void remove_log(const char *path)
{
    char command[4300];
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    assert_int_equal(system(command), 0);
}

/* The bytes of a record of the new log; NULL: there is none. */
static const unsigned char *find_record(struct raw *raw, uint64_t seq, size_t *size)
{
    unsigned char bytes[8];
    MDB_val key = {.mv_size = sizeof bytes, .mv_data = bytes}, value;
    put_big(bytes, seq, 8);
    if (mdb_get(raw->txn, raw->dbi, &key, &value))
        return NULL;
    *size = value.mv_size;
    return value.mv_data;
}

static struct raw raw_look(const char *path)
{
    struct raw raw;
    assert_int_equal(mdb_env_create(&raw.env), 0);
    assert_int_equal(mdb_env_open(raw.env, path, MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK, 0600),
                     0);
    assert_int_equal(mdb_txn_begin(raw.env, NULL, MDB_RDONLY, &raw.txn), 0);
    assert_int_equal(mdb_dbi_open(raw.txn, NULL, 0, &raw.dbi), 0);
    return raw;
}

static void raw_end(struct raw *raw)
{
    mdb_txn_abort(raw->txn);
    mdb_env_close(raw->env);
}

static int check_finding(const evlog_finding *finding, uint64_t seq, void *ctx)
{
    const struct reported *reported = ctx;
    (void)seq;
    if (!finding || finding->is_remark)
        return 0;
    for (uint64_t at = finding->first_seq; at <= finding->last_seq; at++)
        if (!is_in_gap(reported, at) && !strstr(finding->text, "does not know"))
            return 1;
    return 0;
}

/* The new log can be opened and sent to, and verifies but for what was reported. */
static void use_new(const char *path, const struct reported *reported,
                    const evlog_salvaged *salvaged)
{
    evlog *log;
    evlog_info info;
    evlog_event *event;
    uint64_t last = salvaged->noted_seq ? salvaged->noted_seq : salvaged->last_seq;
    OK(evlog_open(path, &(evlog_options){.no_create = true}, &log));
    int result = evlog_verify(log, check_finding, (void *)reported, NULL);
    if (result != EVLOG_OK && result != EVLOG_DAMAGED)
        fail_msg("verify: %d: %s", result, evlog_errmsg());
    if (salvaged->noted_seq) {
        OK(evlog_read(log, last, &event));
        assert_string_equal(event->event_type, "evlog.salvaged.v1");
        evlog_event_free(event);
    }
    send_some(log, 1, 1);
    OK(evlog_inspect(log, &info));
    assert_int_equal(info.last_seq, last + 1);
    OK(evlog_close(log));
}

/* The record of the other log, whose pages are put into this one by damage. */
static struct original stranger;

static bool is_record(const unsigned char *found, size_t size, const struct bytes *record)
{
    return found && size == record->size && memcmp(found, record->at, size) == 0;
}

/*
 * Whether an event is the other log's, and so are all beside it, up to a gap or the log's end: then nothing shows that
 * it is not this one's.
 */
static bool is_unknowable(struct raw *raw, uint64_t seq, uint64_t noted_seq)
{
    for (int step = -1; step <= 1; step += 2) {
        uint64_t at = seq;
        size_t size = 0;
        const unsigned char *found = NULL;
        while (at != noted_seq && at < EVENTS + 20 && (found = find_record(raw, at, &size)) &&
               is_record(found, size, &stranger.records[at]))
            at = step < 0 ? at - 1 : at + 1;
        if (at == 0 || (found && at != noted_seq))
            return false;
    }
    return true;
}

/*
 * Where another log's pages are in the file, what is theirs is told apart by the chain, time and the other files; where
 * these are damaged, too, an event can be dropped that was intact. Such ones are counted: few.
 */
static bool has_stranger;
static uint64_t displaced_count;

/* Compares what was had of an event (NULL: nothing) with what it was. */
static void compare(const struct original *original, const struct bytes *file, uint64_t seq,
                    const unsigned char *found)
{
    const struct bytes *record = &original->records[seq];
    bool is_intact = file && file->at && original->places[seq] + record->size <= file->size &&
                     memcmp(file->at + original->places[seq], record->at, record->size) == 0;
    if (!is_intact || found)
        return;
    if (!has_stranger)
        fail_msg("event %" PRIu64 " is intact, and was not found", seq);
    displaced_count++;
}

static void expect_none_behind(struct raw *raw, const struct original *original,
                               uint64_t noted_seq)
{
    for (uint64_t seq = original->last + 1; seq < original->last + 50; seq++) {
        size_t size = 0;
        if (find_record(raw, seq, &size) && seq != noted_seq)
            fail_msg("event %" PRIu64 " never was", seq);
    }
}

/* How many events that were trimmed have come back: only where how far the log was trimmed is lost, too. */
static uint64_t count_trimmed(struct raw *raw, const struct original *original,
                              const evlog_salvaged *salvaged)
{
    uint64_t count = 0;
    for (uint64_t seq = 1; seq < original->first; seq++) {
        size_t size = 0;
        count += find_record(raw, seq, &size) != NULL && seq != salvaged->noted_seq;
    }
    assert_true(count == 0 || salvaged->is_floor_unknown);
    return count;
}

/*
 * Salvages a log and compares with what it was: all that is intact is there, by `file`, the damaged events.mdb (at
 * NULL: not asked), and nothing else. Returns how many of its events were had.
 */
static uint64_t salvage(const struct original *original, const char *new_path,
                        const struct bytes *file, evlog_salvaged *salvaged,
                        struct reported *reported)
{
    uint64_t count = 0;
    *reported = (struct reported){.gap_count = 0};
    remove_log(new_path);
    OK(evlog_salvage(original->path, new_path,
                     &(evlog_salvage_options){.report = note_finding, .ctx = reported},
                     salvaged));
    struct raw raw = raw_look(in(new_path, "events.mdb"));
    for (uint64_t seq = original->first; seq <= original->last; seq++) {
        size_t size = 0;
        const unsigned char *found = find_record(&raw, seq, &size);
        compare(original, file, seq, found);
        if (found && seq != salvaged->noted_seq &&
            !is_record(found, size, &original->records[seq]) &&
            !is_unknowable(&raw, seq, salvaged->noted_seq))
            fail_msg("event %" PRIu64 " is not as it was", seq);
        if (!found && !is_in_gap(reported, seq) && seq <= salvaged->last_seq)
            fail_msg("event %" PRIu64 " is missing, and nothing says so", seq);
        count += found != NULL && seq != salvaged->noted_seq;
    }
    expect_none_behind(&raw, original, salvaged->noted_seq);
    assert_int_equal(count + count_trimmed(&raw, original, salvaged), salvaged->event_count);
    raw_end(&raw);
    return count;
}

/* ------------------------------------------------------------- undamaged ---- */

/* All entries of two files, and their order. */
static void expect_same_entries(const char *path, const char *new_path)
{
    struct raw old = raw_look(path), new = raw_look(new_path);
    MDB_cursor *cursors[2];
    MDB_val key[2], value[2];
    assert_int_equal(mdb_cursor_open(old.txn, old.dbi, &cursors[0]), 0);
    assert_int_equal(mdb_cursor_open(new.txn, new.dbi, &cursors[1]), 0);
    for (;;) {
        int result = mdb_cursor_get(cursors[0], &key[0], &value[0], MDB_NEXT);
        assert_int_equal(mdb_cursor_get(cursors[1], &key[1], &value[1], MDB_NEXT), result);
        if (result)
            break;
        assert_int_equal(key[0].mv_size, key[1].mv_size);
        assert_memory_equal(key[0].mv_data, key[1].mv_data, key[0].mv_size);
        assert_int_equal(value[0].mv_size, value[1].mv_size);
        assert_memory_equal(value[0].mv_data, value[1].mv_data, value[0].mv_size);
    }
    mdb_cursor_close(cursors[0]);
    mdb_cursor_close(cursors[1]);
    raw_end(&old);
    raw_end(&new);
}

static void an_undamaged_log_is_copied_as_it_is(void **state)
{
    for (int i = 0; i < 4; i++) {
        struct original original;
        struct reported reported;
        evlog_salvaged salvaged;
        remove_log(in(*state, "log"));
        make_log(in(*state, "log"), i % 2 ? EVLOG_FAST : EVLOG_DURABLE, i / 2);
        keep(in(*state, "log"), &original);
        uint64_t count = salvage(&original, in(*state, "new"), &original.files[AT_EVENTS],
                                 &salvaged, &reported);
        assert_int_equal(count, original.last - original.first + 1);
        assert_int_equal(salvaged.first_seq, original.first);
        assert_int_equal(salvaged.noted_seq, 0);
        assert_int_equal(salvaged.consumer_count, 2);
        assert_int_equal(reported.gap_count + reported.other_count, 0);
        expect_same_entries(in(*state, "log/events.mdb"), in(*state, "new/events.mdb"));
        expect_same_entries(in(*state, "log/state.mdb"), in(*state, "new/state.mdb"));
        for (unsigned file = 0; file < FILES; file++) { /* nothing was written */
            if (!original.files[file].at)
                continue;
            struct bytes now = file_read(file_of(original.path, file));
            assert_int_equal(now.size, original.files[file].size);
            assert_memory_equal(now.at, original.files[file].at, now.size);
            free(now.at);
        }
        use_new(in(*state, "new"), &reported, &salvaged);
        forget(&original);
    }
}

/* ------------------------------------------------------ damaged at random ---- */

static void damage_once(struct bytes *file, const struct bytes *other, uint64_t *seed)
{
    size_t pages = file->size / PAGE;
    if (pages < 3)
        return;
    size_t page = load_random(seed, 8) ? load_random(seed, pages) : load_random(seed, 3);
    unsigned char *at = file->at + page * PAGE;
    size_t place = load_random(seed, PAGE - 8);
    switch (load_random(seed, 9)) {
    case 0: /* a bit */
        at[place] ^= (unsigned char)(1u << load_random(seed, 8));
        break;
    case 1: /* some bytes */
        for (unsigned i = 0; i < 8; i++)
            at[place + i] = (unsigned char)load_random(seed, 256);
        break;
    case 2: /* the head of a page */
        for (unsigned i = 0; i < 40; i++)
            at[i] = (unsigned char)load_random(seed, 256);
        break;
    case 3:
        memset(at, 0, PAGE);
        break;
    case 4: /* sectors */
        memset(at + place / 512 * 512, 0, 512);
        break;
    case 5: /* a page in the place of another */
        memcpy(at, file->at + load_random(seed, pages) * PAGE, PAGE);
        break;
    case 6: /* another log's */
        has_stranger = true;
        memcpy(at, other->at + ((page + 1) * PAGE <= other->size ? page * PAGE : 2 * PAGE), PAGE);
        break;
    case 7:
        for (unsigned i = 0; i < PAGE; i++)
            at[i] = (unsigned char)load_random(seed, 256);
        break;
    default: /* it ends there, now and then */
        if (load_random(seed, 4) == 0)
            file->size = page * PAGE + place;
    }
}

/* Damages a file of the log, on disk; `*file` gets its bytes, to be freed. */
static void damage(const struct original *original, unsigned i, const struct bytes *other,
                   uint64_t *seed, struct bytes *file)
{
    const struct bytes *good = &original->files[i];
    *file = (struct bytes){.at = malloc(good->size + 1), .size = good->size};
    memcpy(file->at, good->at, good->size);
    uint64_t count = 1 + load_random(seed, load_random(seed, 4) ? 4 : 30);
    while (count-- > 0)
        damage_once(file, other, seed);
    file_write(file_of(original->path, i), file->at, file->size);
}

static void remove_file(const struct original *original, unsigned i)
{
    unlink(file_of(original->path, i));
}

static void what_is_intact_is_found(void **state)
{
    static struct original originals[4];
    uint64_t seed = load_seed(), had = 0, lost = 0;
    for (int i = 0; i < 4; i++) {
        char name[8] = {'l', 'o', 'g', (char)('0' + i), '\0'};
        make_log(in(*state, name), i % 2 ? EVLOG_FAST : EVLOG_DURABLE, i / 2);
        keep(in(*state, name), &originals[i]);
    }
    make_log(in(*state, "other"), EVLOG_DURABLE, false);
    keep(in(*state, "other"), &stranger);
    for (int round = 0; round < (is_long ? ROUNDS_LONG : ROUNDS); round++) {
        const struct original *original = &originals[round % 4];
        struct reported reported;
        evlog_salvaged salvaged;
        struct bytes file, rest = {.at = NULL};
        put_back(original);
        has_stranger = false;
        damage(original, AT_EVENTS, &stranger.files[AT_EVENTS], &seed, &file);
        if (load_random(&seed, 3) == 0)
            damage(original, AT_STATE, &stranger.files[AT_STATE], &seed, &rest);
        for (unsigned i = AT_STATE; i < FILES; i++)
            if (load_random(&seed, i == AT_STATE ? 20 : 4) == 0)
                remove_file(original, i);
        uint64_t count = salvage(original, in(*state, "new"), &file, &salvaged, &reported);
        use_new(in(*state, "new"), &reported, &salvaged);
        had += count;
        lost += original->last - original->first + 1 - count;
        free(file.at);
        free(rest.at);
    }
    printf("%" PRIu64 " events were had, %" PRIu64 " not, %" PRIu64 " displaced\n", had, lost,
           displaced_count);
    assert_true(displaced_count <= had / 1000);
    for (int i = 0; i < 4; i++)
        forget(&originals[i]);
    forget(&stranger);
}

/* ------------------------------------------------------- a failing disk ---- */

#define UNREADABLE_MAX 40
#define UNREADABLE_ROUNDS 40

/* Pages of a file that the disk does not give. */
static struct {
    struct stat file; /* of this one; st_ino 0: of none */
    uint64_t pages[UNREADABLE_MAX];
    size_t count;
    uint64_t failed_count;         /* reads */
    uint64_t read_count, fails_at; /* any file's read of this number fails, once; 0: none */
} unreadable;

ssize_t __real_pread(int fd, void *bytes, size_t size, off_t at);
ssize_t __wrap_pread(int fd, void *bytes, size_t size, off_t at);

/* As the kernel: a read ends before a page that cannot be had, and one that begins there fails. */
ssize_t __wrap_pread(int fd, void *bytes, size_t size, off_t at)
{
    struct stat file;
    if (++unreadable.read_count == unreadable.fails_at) {
        errno = EIO;
        return -1;
    }
    bool is_it = unreadable.file.st_ino && fstat(fd, &file) == 0 &&
                 file.st_ino == unreadable.file.st_ino && file.st_dev == unreadable.file.st_dev;
    for (size_t i = 0; is_it && i < unreadable.count; i++) {
        off_t begin = (off_t)unreadable.pages[i] * PAGE;
        if (at >= begin && at < begin + PAGE) {
            unreadable.failed_count++;
            errno = EIO;
            return -1;
        }
        if (at < begin && at + (off_t)size > begin)
            size = (size_t)(begin - at);
    }
    return __real_pread(fd, bytes, size, at);
}

/* Some pages of a file cannot be read; `*file` is what can be, with zeros for them, to be freed. */
static void fail_pages(const struct original *original, unsigned i, uint64_t count,
                       uint64_t *seed, struct bytes *file)
{
    const struct bytes *good = &original->files[i];
    *file = (struct bytes){.at = malloc(good->size), .size = good->size};
    memcpy(file->at, good->at, good->size);
    memset(&unreadable, 0, sizeof unreadable);
    for (; unreadable.count < count; unreadable.count++) {
        static const unsigned char unused[PAGE];
        uint64_t page;
        do
            page = load_random(seed, good->size / PAGE);
        while (memcmp(good->at + page * PAGE, unused, PAGE) == 0);
        unreadable.pages[unreadable.count] = page;
        memset(file->at + page * PAGE, 0, PAGE);
    }
    assert_int_equal(stat(file_of(original->path, i), &unreadable.file), 0);
}

/*
 * Pages that cannot be read cost what is on them: all that is intact elsewhere is had, what is missing is reported as a
 * gap, and how many bytes could not be read is reported, too.
 */
static void what_the_disk_does_not_give_is_passed(void **state)
{
    static struct original originals[2];
    uint64_t seed = load_seed(), had = 0, lost = 0, failed = 0;
    has_stranger = false;
    for (int i = 0; i < 2; i++) {
        make_log(in(*state, i ? "log1" : "log0"), i ? EVLOG_FAST : EVLOG_DURABLE, i);
        keep(in(*state, i ? "log1" : "log0"), &originals[i]);
    }
    for (int round = 0; round < UNREADABLE_ROUNDS * (is_long ? 20 : 1); round++) {
        const struct original *original = &originals[round % 2];
        unsigned i = round % 4 == 3 ? AT_STATE : AT_EVENTS;
        struct reported reported;
        evlog_salvaged salvaged;
        struct bytes file;
        put_back(original);
        fail_pages(original, i, 1 + load_random(&seed, round % 5 ? 4 : UNREADABLE_MAX), &seed,
                   &file);
        uint64_t count = salvage(original, in(*state, "new"), i == AT_EVENTS ? &file : NULL,
                                 &salvaged, &reported);
        assert_true(unreadable.failed_count > 0 ||
                    i == AT_STATE); /* of which pages may be not used */
        assert_int_equal(salvaged.unreadable_size >= PAGE, unreadable.failed_count > 0);
        failed += unreadable.failed_count;
        unreadable.file.st_ino = 0;
        use_new(in(*state, "new"), &reported, &salvaged);
        had += count;
        lost += original->last - original->first + 1 - count;
        free(file.at);
    }
    printf("%" PRIu64 " reads failed; %" PRIu64 " events were had, %" PRIu64 " not\n", failed,
           had, lost);
    assert_true(had > 10 * lost && lost > 0);
    for (int i = 0; i < 2; i++)
        forget(&originals[i]);
}

/* A read that fails once, whichever it is, costs nothing: all is had, and nothing else is said, or the call says so. */
static void a_read_that_fails_once_costs_nothing(void **state)
{
    struct original original;
    evlog_salvaged salvaged;
    bool has_failed = true;
    unsigned had_count = 0;
    make_log(in(*state, "log"), EVLOG_DURABLE, 0);
    keep(in(*state, "log"), &original);
    for (uint64_t n = 1; has_failed; n++) {
        remove_log(in(*state, "new"));
        unreadable.read_count = 0;
        unreadable.fails_at = n;
        int result = evlog_salvage(original.path, in(*state, "new"), NULL, &salvaged);
        has_failed = unreadable.read_count >= n;
        unreadable.fails_at = 0;
        had_count += result == EVLOG_OK;
        if (result) {
            FAILS(EVLOG_IO, "Input/output error", result);
            continue;
        }
        assert_int_equal(salvaged.event_count, original.last - original.first + 1);
        assert_int_equal(salvaged.noted_seq, 0); /* it is whole */
        assert_int_equal(salvaged.missing_consumer_count + salvaged.unreadable_size, 0);
    }
    assert_true(had_count > 20);
    forget(&original);
}

/* --------------------------------------------------- which of several ---- */

/* Makes both meta pages unsound, so that no tree leads to anything. */
static void destroy_trees(const char *path)
{
    static const unsigned char zeros[2 * PAGE];
    file_patch(in(path, "events.mdb"), zeros, sizeof zeros, 0);
    file_patch(in(path, "state.mdb"), zeros, sizeof zeros, 0);
}

/* Stale pages have the events that were trimmed: they do not come back. */
static void what_was_trimmed_stays_trimmed(void **state)
{
    struct original original;
    struct reported reported;
    evlog_salvaged salvaged;
    evlog *log;
    OK(evlog_open(in(*state, "log"), NULL, &log));
    send_some(log, 1, 60);
    consume_some(log, "one", 20);
    OK(evlog_trim(log, 10, &(evlog_trim_options){.force = true}, NULL));
    OK(evlog_close(log));
    keep(in(*state, "log"), &original);
    destroy_trees(original.path);
    uint64_t count =
        salvage(&original, in(*state, "new"), &original.files[AT_EVENTS], &salvaged, &reported);
    assert_int_equal(count, original.last - 9);
    assert_int_equal(salvaged.first_seq, 10);
    assert_int_equal(reported.gap_count, 0);
    assert_int_equal(salvaged.consumer_count, 1);
    use_new(in(*state, "new"), &reported, &salvaged);

    remove_file(&original, AT_STATE); /* then it is not known */
    remove_log(in(*state, "new"));
    reported.other_count = 0;
    OK(evlog_salvage(original.path, in(*state, "new"),
                     &(evlog_salvage_options){.report = note_finding, .ctx = &reported},
                     &salvaged));
    assert_true(salvaged.is_floor_unknown);
    assert_true(reported.other_count > 0);
    assert_int_equal(salvaged.consumer_count, 0);
    assert_int_equal(salvaged.nameless_count, salvaged.event_count);
    forget(&original);
}

/* An erased event's whole version is in the pages that its commit has freed, and in the journal. */
static void what_was_erased_stays_erased(void **state)
{
    unsigned char key[8], erased[137];
    struct reported reported;
    evlog_salvaged salvaged;
    size_t size = 0;
    evlog *log;
    OK(evlog_open(in(*state, "log"), NULL, &log));
    send_some(log, 1, 20);
    OK(evlog_close(log));
    put_big(key, 10, 8);
    struct raw raw = raw_open(in(*state, "log/events.mdb"));
    struct bytes value = raw_get(&raw, key, sizeof key);
    memcpy(erased, value.at, 101);
    erased[88] |= 2;
    memcpy(erased + 101, "\xc4\x20", 2);
    memset(erased + 103, 0, 32);
    memcpy(erased + 135, "\xc0\xc0", 2);
    raw_put(&raw, key, sizeof key, (struct bytes){erased, sizeof erased});
    raw_close(&raw);
    free(value.at);
    for (int i = 0; i < 2; i++) {
        OK(evlog_salvage(in(*state, "log"), in(*state, "new"),
                         &(evlog_salvage_options){.report = note_finding, .ctx = &reported},
                         &salvaged));
        assert_int_equal(salvaged.event_count, 20);
        raw = raw_look(in(*state, "new/events.mdb"));
        const unsigned char *found = find_record(&raw, 10, &size);
        assert_int_equal(size, sizeof erased);
        assert_memory_equal(found, erased, size);
        raw_end(&raw);
        remove_log(in(*state, "new"));
        destroy_trees(in(*state, "log"));
    }
}

/* Changes a byte of the head of each erased record with this digest. Returns how many there are. */
static unsigned destroy_erased(const char *file, const unsigned char digest[32])
{
    struct bytes bytes = file_read(file);
    unsigned count = 0;
    for (unsigned char *at = bytes.at;
         (at = memmem(at, bytes.size - (size_t)(at - bytes.at), digest, 32)); at += 32, count++)
        at[-90] ^= 1;
    file_write(file, bytes.at, bytes.size);
    free(bytes.at);
    return count;
}

/*
 * The erased record is lost, and a stale page has the event as it was: it does not come back, whether an event says
 * that it was erased or an entry of state.mdb does.
 */
static void a_stale_record_of_an_erased_event_is_not_taken(void **state)
{
    static const unsigned char digest[32] = "the digest of what was erased ..";
    struct reported reported;
    evlog_salvaged salvaged;
    size_t size = 0;
    evlog *log;
    OK(evlog_open(in(*state, "log"), NULL, &log));
    send_some(log, 1, 20);
    OK(evlog_erase(log, 10, digest, &(evlog_erase_options){.reason = "asked for"}));
    OK(evlog_close(log));
    assert_true(destroy_erased(in(*state, "log/events.mdb"), digest) > 0);
    destroy_erased(in(*state, "log/edge"), digest);
    destroy_erased(in(*state, "log/journal"), digest);
    for (int i = 0; i < 2; i++) {
        reported = (struct reported){.gap_count = 0};
        OK(evlog_salvage(in(*state, "log"), in(*state, "new"),
                         &(evlog_salvage_options){.report = note_finding, .ctx = &reported},
                         &salvaged));
        struct raw raw = raw_look(in(*state, "new/events.mdb"));
        assert_null(find_record(&raw, 10, &size));
        assert_non_null(find_record(&raw, 11, &size));
        raw_end(&raw);
        assert_true(is_in_gap(&reported, 10));
        remove_log(in(*state, "new"));
        if (i == 0) /* then only the event is left to say so */
            assert_int_equal(unlink(in(*state, "log/state.mdb")), 0);
    }
}

/*
 * A commit that was cut off has left records, whole ones, of events that never were: here those whose meta page is put
 * back. With the files of a machine that was started again, they are in the journal, and so they are.
 */
static void what_was_not_committed_is_not_taken(void **state)
{
    struct original before, after;
    struct reported reported;
    evlog_salvaged salvaged;
    evlog *log;
    OK(evlog_open(in(*state, "log"), NULL, &log));
    send_some(log, 1, 20);
    OK(evlog_close(log));
    keep(in(*state, "log"), &before);
    OK(evlog_open(in(*state, "log"), NULL, &log));
    send_some(log, 21, 22);
    OK(evlog_close(log));
    keep(in(*state, "log"), &after);
    file_patch(in(*state, "log/events.mdb"), before.files[AT_EVENTS].at, 2 * PAGE, 0);
    file_write(in(*state, "log/edge"), before.files[AT_EDGE].at, before.files[AT_EDGE].size);
    assert_int_equal(salvage(&before, in(*state, "new"), NULL, &salvaged, &reported), 20);
    assert_int_equal(salvaged.noted_seq, 0);
    remove_file(&after, AT_SHARED);
    assert_int_equal(salvage(&after, in(*state, "new"), NULL, &salvaged, &reported), 22);
    use_new(in(*state, "new"), &reported, &salvaged);
    forget(&before);
    forget(&after);
}

/* Each of the files has events that the others have lost. */
static void each_file_gives_what_it_has(void **state)
{
    struct original original;
    struct reported reported;
    evlog_salvaged salvaged;
    make_log(in(*state, "log"), EVLOG_DURABLE, false);
    keep(in(*state, "log"), &original);
    remove_file(&original, AT_EVENTS);
    uint64_t count = salvage(&original, in(*state, "new"), NULL, &salvaged, &reported);
    assert_int_equal(count, EVENTS); /* of the journal */
    forget(&original);
    remove_log(in(*state, "log"));
    make_log(in(*state, "log"), EVLOG_FAST, false);
    keep(in(*state, "log"), &original);
    remove_file(&original, AT_EVENTS);
    count = salvage(&original, in(*state, "new"), NULL, &salvaged, &reported);
    assert_true(count > 0 && count < EVENTS);
    assert_int_equal(salvaged.last_seq, EVENTS);
    use_new(in(*state, "new"), &reported, &salvaged);
    remove_file(&original, AT_EDGE);
    count = salvage(&original, in(*state, "new"), NULL, &salvaged, &reported);
    assert_int_equal(count, 0);
    assert_int_equal(salvaged.missing_count, 37); /* what a consumer has done */
    use_new(in(*state, "new"), &reported, &salvaged);
    forget(&original);
}

/* With a part of its state a consumer would go on wrongly. */
static void a_consumer_is_taken_whole_or_not_at_all(void **state)
{
    struct original original;
    struct reported reported;
    evlog_salvaged salvaged;
    evlog_consumer_info info;
    evlog *log;
    unsigned char key[] = {'v', 'o', 'n', 'e', 0, 5, 0, 0, 0, 0, 0, 0, 0};
    make_log(in(*state, "log"), EVLOG_DURABLE, false);
    struct raw raw = raw_open(in(*state, "log/state.mdb"));
    raw_del(&raw, key, sizeof key);
    raw_close(&raw);
    keep(in(*state, "log"), &original);
    file_patch(in(*state, "log/state.mdb"), "\0\0\0\0\0\0\0\0", 8, 16); /* a meta page */
    for (size_t at = 0; at + sizeof key < original.files[AT_STATE].size; at++)
        if (memcmp(original.files[AT_STATE].at + at, key, sizeof key) == 0)
            file_patch(in(*state, "log/state.mdb"), "x", 1, at);
    salvage(&original, in(*state, "new"), NULL, &salvaged, &reported);
    assert_int_equal(salvaged.consumer_count, 1);
    assert_int_equal(salvaged.missing_consumer_count, 1);
    OK(evlog_open(in(*state, "new"), &(evlog_options){.read_only = true}, &log));
    OK(inspect_into(log, "two", &info));
    FAILS(EVLOG_NOTFOUND, "no consumer one", inspect_into(log, "one", &info));
    OK(evlog_close(log));
    forget(&original);
}

/* The events of a log whose state.mdb is gone are named by numbers, for a reader that asks for that. */
static void without_names_events_are_read_by_number(void **state)
{
    evlog_cursor *cursor;
    const evlog_event *event;
    evlog *log;
    uint64_t count = 0;
    make_log(in(*state, "log"), EVLOG_DURABLE, false);
    for (int i = 0; i < 2; i++) {
        if (i)
            file_write(in(*state, "log/state.mdb"), "not a file of LMDB", 18);
        else
            unlink(in(*state, "log/state.mdb"));
        FAILS(EVLOG_DAMAGED, "state.mdb", evlog_open(in(*state, "log"), NULL, &log));
        OK(evlog_open(in(*state, "log"), &(evlog_options){.read_only = true}, &log));
        OK(evlog_cursor_open(log, &(evlog_range){.with_nameless = true}, &cursor));
        for (count = 0; evlog_cursor_next(cursor, &event) == EVLOG_OK && event; count++) {
            assert_int_equal(event->event_type[0], '?');
            assert_int_equal(strlen(event->event_type), 17);
            assert_string_equal(event->source, "");
            assert_int_equal(event->seq, count + 1);
        }
        assert_null(event);
        assert_int_equal(count, EVENTS);
        OK(evlog_cursor_close(cursor));
        OK(evlog_cursor_open(log, NULL, &cursor));
        FAILS(EVLOG_DAMAGED, "which the log does not know", evlog_cursor_next(cursor, &event));
        OK(evlog_cursor_close(cursor));
        assert_int_equal(evlog_verify(log, NULL, NULL, &count), EVLOG_DAMAGED);
        OK(evlog_close(log));
    }
}

/* ------------------------------------------------------------- the call ---- */

static int stop(uint64_t done, uint64_t total, void *ctx)
{
    (void)done;
    (void)total;
    return --*(int *)ctx == 0 ? 7 : 0;
}

static void an_interrupted_call_has_done_nothing(void **state)
{
    evlog_salvaged salvaged;
    int left = 1, result;
    make_log(in(*state, "log"), EVLOG_DURABLE, false);
    for (int i = 1;; i += 1 + i / 2) {
        left = i;
        result = evlog_salvage(in(*state, "log"), in(*state, "new"),
                               &(evlog_salvage_options){.visit = stop, .ctx = &left}, &salvaged);
        if (result == EVLOG_OK)
            break;
        assert_int_equal(result, 7);
        assert_int_equal(access(in(*state, "new"), F_OK), -1);
    }
    assert_int_equal(salvaged.event_count, EVENTS);
    assert_int_equal(access(in(*state, "new.unfinished"), F_OK), -1);
}

static void what_cannot_be_salvaged_is_refused(void **state)
{
    evlog *log;
    const char *path = in(*state, "log"), *new_path = in(*state, "new");
    FAILS(EVLOG_NOTFOUND, "", evlog_salvage(path, new_path, NULL, NULL));
    make_log(path, EVLOG_FAST, false);
    FAILS(EVLOG_CONFLICT, "is there already", evlog_salvage(path, path, NULL, NULL));
    OK(evlog_open(path, NULL, &log));
    FAILS(EVLOG_BUSY, "open for writing", evlog_salvage(path, new_path, NULL, NULL));
    OK(evlog_close(log));
    OK(evlog_salvage(path, new_path, &(evlog_salvage_options){.preview = true}, NULL));
    assert_int_equal(access(new_path, F_OK), -1);
    unlink(in(*state, "log/format"));
    FAILS(EVLOG_DAMAGED, "format", evlog_salvage(path, new_path, NULL, NULL));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(an_undamaged_log_is_copied_as_it_is),
        TEST_AT_HOME(what_was_trimmed_stays_trimmed),
        TEST_AT_HOME(what_was_erased_stays_erased),
        TEST_AT_HOME(a_stale_record_of_an_erased_event_is_not_taken),
        TEST_AT_HOME(what_was_not_committed_is_not_taken),
        TEST_AT_HOME(each_file_gives_what_it_has),
        TEST_AT_HOME(a_consumer_is_taken_whole_or_not_at_all),
        TEST_AT_HOME(without_names_events_are_read_by_number),
        TEST_AT_HOME(an_interrupted_call_has_done_nothing),
        TEST_AT_HOME(what_cannot_be_salvaged_is_refused),
        TEST_AT_HOME(what_the_disk_does_not_give_is_passed),
        TEST_AT_HOME(a_read_that_fails_once_costs_nothing),
        TEST_AT_HOME(what_is_intact_is_found),
    };
    is_long = argc > 1 && strcmp(argv[1], "long") == 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
