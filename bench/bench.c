/*
 * evlog beside raw LMDB: what the log costs over the store it stands on.
 *
 *   bench [ROUNDS] [DIRECTORY]
 *
 * Absolute times on a shared machine mean nothing, so each row measures evlog and its
 * yardstick in turns, ROUNDS times each, and gives the median of the quotients (above 1:
 * evlog is faster) with the medians of both rates. Every round works on a fresh
 * directory beside the others, on the file system of DIRECTORY (the current one), which
 * must be a disk for the durable rows to mean anything. An event is EVENT_SIZE
 * bytes of data; the yardstick stores as many bytes as evlog's record has.
 *
 * Yardsticks: raw LMDB, mapped as a fast log is (unnamed database, MDB_APPEND), one put a
 * commit or as many as evlog's call has events; for reading, a cursor over all values, and
 * the same with XXH3-64 over each, as much checking as a raw reader would do. It stops
 * by itself, after about a minute.
 */
#include <lmdb.h>
#include <pthread.h>
#include <sys/stat.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "bench.h"

#define EVENT_SIZE 256
#define RECORD_SIZE (EVENT_SIZE + 120)

static char home[4096];
static unsigned char data[EVENT_SIZE] = {0x81, 0xa1, 'n', 0xc4, EVENT_SIZE - 5};
static uint64_t sink; /* what is read ends here, so that it is read */

/* What a row does. `batch` events a call, `threads` callers, `count` events in all. */
struct work {
    const char *name, *yardstick;
    int durability;
    unsigned threads, batch, count;
    unsigned raw_flags;
    double (*ours)(const struct work *), (*theirs)(const struct work *);
};

/* Runs `run` in so many threads; the seconds it took. */
static double in_threads(unsigned count, void *(*run)(void *), void *ctx)
{
    pthread_t threads[64];
    double start = bench_now();
    for (unsigned i = 0; i < count; i++)
        CHECK(pthread_create(&threads[i], NULL, run, ctx));
    for (unsigned i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    return bench_now() - start;
}

/* ------------------------------------------------------------------ evlog ---- */

static evlog *open_log(const struct work *work, evlog_signal **signal)
{
    evlog *log;
    char path[4200];
    bench_fresh(home, "evlog", path);
    CHECK(evlog_open(path, &(evlog_options){.durability = work->durability}, &log));
    CHECK(
        evlog_define(log, "org.openedx.learning.course.enrollment.created.v1", 0, NULL, signal));
    return log;
}

struct sender {
    const struct work *work;
    evlog_signal *signal;
};

static void *send_some(void *ctx)
{
    const struct sender *sender = ctx;
    unsigned batch = sender->work->batch;
    unsigned calls = sender->work->count / sender->work->threads / batch;
    evlog_sending *sends = calloc(batch, sizeof *sends);
    for (unsigned i = 0; i < batch; i++)
        sends[i] =
            (evlog_sending){.signal = sender->signal, .data = data, .data_size = EVENT_SIZE};
    for (unsigned i = 0; i < calls; i++)
        CHECK(evlog_send_events(sends, batch, NULL, NULL));
    free(sends);
    return NULL;
}

static double append_ours(const struct work *work)
{
    struct sender sender = {.work = work};
    evlog *log = open_log(work, &sender.signal);
    double seconds = in_threads(work->threads, send_some, &sender);
    CHECK(evlog_close(log));
    return work->count / seconds;
}

static int add_up(const evlog_event *event, void *ctx)
{
    (void)ctx;
    sink += event->seq + *(const unsigned char *)event->data;
    return 0;
}

static void fill_ours(const struct work *work, evlog **log)
{
    struct sender sender = {.work = work};
    *log = open_log(work, &sender.signal);
    send_some(&sender);
}

/* The log that is read: filled once, so that every round reads the same. */
static evlog *log_to_read(const struct work *work)
{
    static evlog *log;
    if (!log)
        fill_ours(work, &log);
    return log;
}

static double replay_ours(const struct work *work)
{
    evlog *log = log_to_read(work);
    evlog_outcome outcome;
    double start = bench_now();
    CHECK(evlog_replay(log, NULL, add_up, NULL, &outcome));
    return (double)outcome.delivered / (bench_now() - start);
}

/* Events a second that a cursor gives, in one direction or the other. */
static double walk(const struct work *work, bool newest_first)
{
    evlog *log = log_to_read(work);
    evlog_cursor *cursor;
    const evlog_event *event;
    uint64_t count = 0;
    double start = bench_now();
    CHECK(evlog_cursor_open(log, &(evlog_range){.newest_first = newest_first}, &cursor));
    for (;; count++) {
        CHECK(evlog_cursor_next(cursor, &event));
        if (!event)
            break;
        add_up(event, NULL);
    }
    CHECK(evlog_cursor_close(cursor));
    return (double)count / (bench_now() - start);
}

static double cursor_ours(const struct work *work)
{
    return walk(work, false);
}

static double backwards_ours(const struct work *work)
{
    return walk(work, true);
}

/* --------------------------------------------------------------- raw LMDB ---- */

struct raw {
    const struct work *work;
    MDB_env *env;
    pthread_mutex_t lock;
    uint64_t seq;
};

static void open_raw(struct raw *raw, const struct work *work)
{
    char path[4200];
    bench_fresh(home, "raw", path);
    mkdir(path, 0700);
    *raw = (struct raw){.work = work, .lock = PTHREAD_MUTEX_INITIALIZER};
    CHECK(mdb_env_create(&raw->env));
    CHECK(mdb_env_set_mapsize(raw->env, (size_t)4 << 30));
    CHECK(mdb_env_open(raw->env, path, work->raw_flags, 0600));
}

static void put_batch(struct raw *raw)
{
    static unsigned char value[RECORD_SIZE];
    MDB_txn *txn;
    MDB_dbi dbi;
    CHECK(mdb_txn_begin(raw->env, NULL, 0, &txn));
    CHECK(mdb_dbi_open(txn, NULL, 0, &dbi));
    for (unsigned i = 0; i < raw->work->batch; i++) {
        uint64_t key = __builtin_bswap64(++raw->seq);
        MDB_val name = {sizeof key, &key}, bytes = {sizeof value, value};
        CHECK(mdb_put(txn, dbi, &name, &bytes, MDB_APPEND));
    }
    CHECK(mdb_txn_commit(txn));
}

static void *put_some(void *ctx)
{
    struct raw *raw = ctx;
    unsigned calls = raw->work->count / raw->work->threads / raw->work->batch;
    for (unsigned i = 0; i < calls; i++) {
        pthread_mutex_lock(&raw->lock);
        put_batch(raw);
        pthread_mutex_unlock(&raw->lock);
    }
    return NULL;
}

static double append_raw(const struct work *work)
{
    struct raw raw;
    open_raw(&raw, work);
    double seconds = in_threads(work->threads, put_some, &raw);
    mdb_env_close(raw.env);
    return work->count / seconds;
}

static double scan(struct raw *raw, int hashed)
{
    MDB_txn *txn;
    MDB_dbi dbi;
    MDB_cursor *cursor;
    MDB_val key, value;
    uint64_t count = 0;
    double start = bench_now();
    CHECK(mdb_txn_begin(raw->env, NULL, MDB_RDONLY, &txn));
    CHECK(mdb_dbi_open(txn, NULL, 0, &dbi));
    CHECK(mdb_cursor_open(txn, dbi, &cursor));
    for (; mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == MDB_SUCCESS; count++)
        sink += hashed ? XXH3_64bits(value.mv_data, value.mv_size)
                       : *(const unsigned char *)value.mv_data;
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    return (double)count / (bench_now() - start);
}

static struct raw *filled_raw(const struct work *work)
{
    static struct raw raw;
    if (!raw.env) {
        open_raw(&raw, work);
        put_some(&raw);
    }
    return &raw;
}

static double scan_raw(const struct work *work)
{
    return scan(filled_raw(work), 0);
}

static double scan_hashed(const struct work *work)
{
    return scan(filled_raw(work), 1);
}

/* ------------------------------------------------------------------ the table ---- */

static void measure(const struct work *work, unsigned rounds)
{
    struct bench_row row;
    for (unsigned i = 0; i < rounds; i++) {
        row.ours[i] = work->ours(work);
        row.theirs[i] = work->theirs(work);
        row.quotient[i] = row.ours[i] / row.theirs[i];
    }
    bench_print(work->name, work->yardstick, &row, rounds);
}

int main(int argc, char **argv)
{
    enum { MAPPED = MDB_WRITEMAP | MDB_NOSYNC };
    static const struct work rows[] = {
        {"durable, 1 thread", "LMDB, a commit each", EVLOG_DURABLE, 1, 1, 1000, 0, append_ours,
         append_raw},
        {"durable, 8 threads", "LMDB, a commit each, 8 threads", EVLOG_DURABLE, 8, 1, 4000, 0,
         append_ours, append_raw},
        {"durable, 32 threads", "LMDB, a commit each, 32 threads", EVLOG_DURABLE, 32, 1, 6400, 0,
         append_ours, append_raw},
        {"durable, 512 a call", "LMDB, 512 a commit", EVLOG_DURABLE, 1, 512, 102400, 0,
         append_ours, append_raw},
        {"fast, 1 thread", "LMDB WRITEMAP, a commit each", EVLOG_FAST, 1, 1, 200000, MAPPED,
         append_ours, append_raw},
        {"fast, 1 thread", "LMDB NOSYNC, a commit each", EVLOG_FAST, 1, 1, 40000, MDB_NOSYNC,
         append_ours, append_raw},
        {"fast, 8 threads", "LMDB WRITEMAP, a commit each, 8", EVLOG_FAST, 8, 1, 40000, MAPPED,
         append_ours, append_raw},
        {"fast, 512 a call", "LMDB WRITEMAP, 512 a commit", EVLOG_FAST, 1, 512, 204800, MAPPED,
         append_ours, append_raw},
        {"replay, all checks", "LMDB cursor, no check", EVLOG_FAST, 1, 512, 204800, MAPPED,
         replay_ours, scan_raw},
        {"replay, all checks", "LMDB cursor, XXH3-64 of values", EVLOG_FAST, 1, 512, 204800,
         MAPPED, replay_ours, scan_hashed},
        {"cursor", "evlog_replay", EVLOG_FAST, 1, 512, 204800, 0, cursor_ours, replay_ours},
        {"cursor, newest first", "evlog_replay", EVLOG_FAST, 1, 512, 204800, 0, backwards_ours,
         replay_ours},
    };
    unsigned rounds = bench_begin(argc, argv, home);
    printf(
        "%u rounds; events of %d bytes a second, medians; evlog by its yardstick (lowest to highest)\n\n",
        rounds, EVENT_SIZE);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        measure(&rows[i], rounds);
    return bench_end(home);
}
