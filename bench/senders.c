/*
 * What appends, without another package than the library's: evlog, raw LMDB, and what the disk can do.
 *
 *   append + fdatasync   pwrite into a file of zeros, and a flush: F, what one flush of allocated pages costs
 *   LMDB                 unnamed database, MDB_APPEND, one put an event and a commit a call. Flushed as LMDB does by
 *                        itself, or as a fast log is: MDB_WRITEMAP | MDB_NOSYNC. Its values are as long as evlog's
 *                        records
 *
 * A thread of raw LMDB waits for a mutex, not for LMDB's own, which hands over more slowly. Where several processes
 * append, the last key is read in each transaction, as anyone must.
 */
#include <lmdb.h>
#include <pthread.h>
#include <sys/stat.h>

#include "bench.h"

#define FILE_SIZE (8 << 20)
#define SLOW_US 50000

static const unsigned char record[BENCH_DATA_MAX + BENCH_RECORD_OVERHEAD];

unsigned char bench_data[BENCH_DATA_MAX];

void bench_fill(unsigned size)
{
    const unsigned head_size = 6, left = size - head_size;
    const unsigned char head[] = {
        0x81, 0xa1, 'n', 0xc5, (unsigned char)(left >> 8), (unsigned char)left};
    memcpy(bench_data, head, sizeof head);
}

static size_t record_size(const struct shape *shape)
{
    return shape->size + BENCH_RECORD_OVERHEAD;
}

/* -------------------------------------------------------------- evlog ---- */

struct ours {
    evlog *log;
    evlog_signal *signal;
};

static void *open_log(const char *path, evlog_durability durability)
{
    struct ours *ours = calloc(1, sizeof *ours);
    CHECK(evlog_open(path, &(evlog_options){.durability = durability}, &ours->log));
    CHECK(evlog_define(ours->log, BENCH_TYPE, 0, NULL, &ours->signal));
    return ours;
}

static void *open_durable(const char *path, const struct shape *shape)
{
    (void)shape;
    return open_log(path, EVLOG_DURABLE);
}

static void *open_fast(const char *path, const struct shape *shape)
{
    (void)shape;
    return open_log(path, EVLOG_FAST);
}

static void send_ours(void *ctx, unsigned thread, const struct shape *shape)
{
    struct ours *ours = ctx;
    evlog_sending sends[512];
    (void)thread;
    if (shape->batch == 1) {
        CHECK(evlog_send_event(ours->signal, bench_data, shape->size, NULL, NULL));
        return;
    }
    for (unsigned i = 0; i < shape->batch; i++)
        sends[i] =
            (evlog_sending){.signal = ours->signal, .data = bench_data, .data_size = shape->size};
    CHECK(evlog_send_events(sends, shape->batch, NULL, NULL));
}

static void close_ours(void *ctx)
{
    struct ours *ours = ctx;
    CHECK(evlog_close(ours->log));
    free(ours);
}

const struct subject ours_durable = {
    .name = "evlog", .open = open_durable, .send = send_ours, .close = close_ours};
const struct subject ours_fast = {
    .name = "evlog, fast", .open = open_fast, .send = send_ours, .close = close_ours};

/* ----------------------------------------------------------- the disk ---- */

atomic_bool bench_is_slow;

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);

int __wrap_fdatasync(int fd)
{
    if (bench_is_slow)
        usleep(SLOW_US);
    return __real_fdatasync(fd);
}

struct file {
    FILE *stream;
    off_t end;
};

static void *open_file(const char *path, const struct shape *shape)
{
    static char zeros[FILE_SIZE];
    struct file *file = calloc(1, sizeof *file);
    (void)shape;
    file->stream = fopen(path, "w+");
    CHECK(!file->stream || fwrite(zeros, 1, sizeof zeros, file->stream) != sizeof zeros ||
          fflush(file->stream) || fsync(fileno(file->stream)));
    return file;
}

/* In a circle: it is always an allocated page that is overwritten. */
static void append_to_file(void *ctx, unsigned thread, const struct shape *shape)
{
    struct file *file = ctx;
    ssize_t size = (ssize_t)(record_size(shape) * shape->batch);
    static unsigned char all[FILE_SIZE / 4];
    (void)thread;
    if (file->end + size > FILE_SIZE)
        file->end = 0;
    CHECK(pwrite(fileno(file->stream), all, (size_t)size, file->end) != size);
    CHECK(__real_fdatasync(fileno(file->stream)));
    file->end += size;
}

static void close_file(void *ctx)
{
    struct file *file = ctx;
    fclose(file->stream);
    free(file);
}

const struct subject append_flush = {
    .name = "append + fdatasync", .open = open_file, .send = append_to_file, .close = close_file};

/* ---------------------------------------------------------------- LMDB ---- */

struct raw {
    MDB_env *env;
    pthread_mutex_t lock;
    uint64_t seq;
};

static void *open_raw(const char *path, unsigned flags)
{
    struct raw *raw = calloc(1, sizeof *raw);
    pthread_mutex_init(&raw->lock, NULL);
    mkdir(path, 0700);
    CHECK(mdb_env_create(&raw->env));
    CHECK(mdb_env_set_mapsize(raw->env, (size_t)4 << 30));
    CHECK(mdb_env_open(raw->env, path, flags, 0600));
    return raw;
}

static void *open_raw_flushed(const char *path, const struct shape *shape)
{
    (void)shape;
    return open_raw(path, 0);
}

static void *open_raw_mapped(const char *path, const struct shape *shape)
{
    (void)shape;
    return open_raw(path, MDB_WRITEMAP | MDB_NOSYNC);
}

static uint64_t last_key(MDB_txn *txn, MDB_dbi dbi)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    uint64_t seq = 0;
    CHECK(mdb_cursor_open(txn, dbi, &cursor));
    if (mdb_cursor_get(cursor, &key, &value, MDB_LAST) == MDB_SUCCESS)
        memcpy(&seq, key.mv_data, sizeof seq);
    mdb_cursor_close(cursor);
    return __builtin_bswap64(seq);
}

static void put_raw(void *ctx, unsigned thread, const struct shape *shape)
{
    struct raw *raw = ctx;
    MDB_txn *txn;
    MDB_dbi dbi;
    (void)thread;
    pthread_mutex_lock(&raw->lock);
    CHECK(mdb_txn_begin(raw->env, NULL, 0, &txn));
    CHECK(mdb_dbi_open(txn, NULL, 0, &dbi));
    if (shape->processes > 1)
        raw->seq = last_key(txn, dbi);
    for (unsigned i = 0; i < shape->batch; i++) {
        uint64_t key = __builtin_bswap64(++raw->seq);
        MDB_val name = {sizeof key, &key}, value = {record_size(shape), (void *)record};
        CHECK(mdb_put(txn, dbi, &name, &value, MDB_APPEND));
    }
    CHECK(mdb_txn_commit(txn));
    pthread_mutex_unlock(&raw->lock);
}

static void close_raw(void *ctx)
{
    struct raw *raw = ctx;
    mdb_env_close(raw->env);
    free(raw);
}

const struct subject lmdb_flushed = {
    .name = "LMDB", .open = open_raw_flushed, .send = put_raw, .close = close_raw};
const struct subject lmdb_mapped = {.name = "LMDB, WRITEMAP, NOSYNC",
                                    .open = open_raw_mapped,
                                    .send = put_raw,
                                    .close = close_raw};
