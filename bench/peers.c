/*
 * evlog beside what a user would pick instead, and beside what the disk can do: how many events a second, and
 * how long a sender waits.
 *
 *   bench-peers [ROUNDS] [DIRECTORY]
 *
 * Each job is done by each subject in turns, ROUNDS times, in a fresh directory below DIRECTORY (the current one),
 * which must be a disk for the durable jobs to mean anything. A line has the median of the rates, the median of
 * the quotients evlog / subject (above 1: evlog is faster), and, over all rounds, how long a call took: median, 99 and 99.9 of
 * a hundred, and the longest. An event is EVENT_SIZE bytes of data; a subject without evlog's metadata gets as many
 * bytes more as evlog's record has.
 *
 *   append    pwrite and fdatasync at the end of what was written, in a file of zeros: what one flush costs
 *   LMDB      unnamed database, MDB_APPEND, a commit a call; flushed, or not and mapped (MDB_WRITEMAP | MDB_NOSYNC)
 *   SQLite    a table of seq, id, time, type, data; WAL; synchronous=FULL, or NORMAL; a connection a thread
 *   Redis     XADD through a Unix socket; appendfsync always, or everysec; a connection a thread; one event a call
 *
 * "slow disk": each of evlog's flushes takes SLOW_US longer. It stops by itself, after about two minutes.
 */
#include <hiredis/hiredis.h>
#include <lmdb.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "bench.h"

#define EVENT_SIZE 256
#define RECORD_SIZE (EVENT_SIZE + 121)
#define TYPE "org.openedx.learning.course.enrollment.created.v1"
#define THREADS_MAX 256
#define SUBJECTS_MAX 5
#define FILE_SIZE (8 << 20)
#define SLOW_US 50000

static char home[4096];
static unsigned char data[EVENT_SIZE] = {0x81, 0xa1, 'n', 0xc4, EVENT_SIZE - 5};
static const unsigned char record[RECORD_SIZE];

/* ------------------------------------------------------------- the disk ---- */

static atomic_bool is_slow;

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);

int __wrap_fdatasync(int fd)
{
    if (is_slow)
        usleep(SLOW_US);
    return __real_fdatasync(fd);
}

/* ------------------------------------------------------------- subjects ---- */

/* `open` makes what `threads` senders use; `send` appends `batch` events in one call. */
struct subject {
    const char *name;
    void *(*open)(const char *path, unsigned threads);
    void (*send)(void *ctx, unsigned thread, unsigned batch);
    void (*close)(void *ctx);
};

struct ours {
    evlog *log;
    evlog_signal *signal;
};

static void *open_log(const char *path, evlog_durability durability)
{
    struct ours *ours = calloc(1, sizeof *ours);
    CHECK(evlog_open(path, &(evlog_options){.durability = durability}, &ours->log));
    CHECK(evlog_define(ours->log, TYPE, 0, NULL, &ours->signal));
    return ours;
}

static void *open_durable(const char *path, unsigned threads)
{
    (void)threads;
    return open_log(path, EVLOG_DURABLE);
}

static void *open_fast(const char *path, unsigned threads)
{
    (void)threads;
    return open_log(path, EVLOG_FAST);
}

static void send_ours(void *ctx, unsigned thread, unsigned batch)
{
    struct ours *ours = ctx;
    evlog_sending sends[512];
    (void)thread;
    for (unsigned i = 0; i < batch; i++)
        sends[i] = (evlog_sending){.signal = ours->signal, .data = data, .data_size = EVENT_SIZE};
    CHECK(evlog_send_events(sends, batch, NULL, NULL));
}

static void close_ours(void *ctx)
{
    struct ours *ours = ctx;
    CHECK(evlog_close(ours->log));
    free(ours);
}

struct file {
    FILE *stream;
    off_t end;
};

static void *open_file(const char *path, unsigned threads)
{
    static char zeros[FILE_SIZE];
    struct file *file = calloc(1, sizeof *file);
    (void)threads;
    file->stream = fopen(path, "w+");
    CHECK(!file->stream || fwrite(zeros, 1, sizeof zeros, file->stream) != sizeof zeros ||
          fflush(file->stream) || fsync(fileno(file->stream)));
    return file;
}

static void append_to_file(void *ctx, unsigned thread, unsigned batch)
{
    struct file *file = ctx;
    (void)thread;
    for (unsigned i = 0; i < batch; i++, file->end += RECORD_SIZE)
        CHECK(pwrite(fileno(file->stream), record, RECORD_SIZE, file->end) != RECORD_SIZE);
    CHECK(__real_fdatasync(fileno(file->stream)));
}

static void close_file(void *ctx)
{
    struct file *file = ctx;
    fclose(file->stream);
    free(file);
}

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

static void *open_raw_flushed(const char *path, unsigned threads)
{
    (void)threads;
    return open_raw(path, 0);
}

static void *open_raw_mapped(const char *path, unsigned threads)
{
    (void)threads;
    return open_raw(path, MDB_WRITEMAP | MDB_NOSYNC);
}

static void put_raw(void *ctx, unsigned thread, unsigned batch)
{
    struct raw *raw = ctx;
    MDB_txn *txn;
    MDB_dbi dbi;
    (void)thread;
    pthread_mutex_lock(&raw->lock);
    CHECK(mdb_txn_begin(raw->env, NULL, 0, &txn));
    CHECK(mdb_dbi_open(txn, NULL, 0, &dbi));
    for (unsigned i = 0; i < batch; i++) {
        uint64_t key = __builtin_bswap64(++raw->seq);
        MDB_val name = {sizeof key, &key}, value = {RECORD_SIZE, (void *)record};
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

struct table {
    unsigned count;
    struct connection {
        sqlite3 *db;
        sqlite3_stmt *insert;
    } connections[THREADS_MAX];
};

static void sql(sqlite3 *db, const char *text)
{
    char *why = NULL;
    if (sqlite3_exec(db, text, NULL, NULL, &why)) {
        fprintf(stderr, "bench: SQLite: %s: %s\n", text, why);
        exit(1);
    }
}

static void *open_table(const char *path, unsigned threads, const char *synchronous)
{
    struct table *table = calloc(1, sizeof *table);
    table->count = threads;
    for (unsigned i = 0; i < threads; i++) {
        struct connection *connection = &table->connections[i];
        CHECK(sqlite3_open(path, &connection->db));
        sqlite3_busy_timeout(connection->db, 60000);
        sql(connection->db, "PRAGMA journal_mode=WAL");
        sql(connection->db, synchronous);
        sql(connection->db, "CREATE TABLE IF NOT EXISTS events (seq INTEGER PRIMARY KEY, "
                            "id BLOB, time INTEGER, type TEXT, data BLOB)");
        CHECK(sqlite3_prepare_v2(connection->db,
                                 "INSERT INTO events (id, time, type, data) VALUES (?, ?, ?, ?)",
                                 -1, &connection->insert, NULL));
    }
    return table;
}

static void *open_table_full(const char *path, unsigned threads)
{
    return open_table(path, threads, "PRAGMA synchronous=FULL");
}

static void *open_table_normal(const char *path, unsigned threads)
{
    return open_table(path, threads, "PRAGMA synchronous=NORMAL");
}

static void insert(void *ctx, unsigned thread, unsigned batch)
{
    struct connection *connection = &((struct table *)ctx)->connections[thread];
    sqlite3_stmt *statement = connection->insert;
    if (batch > 1)
        sql(connection->db, "BEGIN IMMEDIATE");
    for (unsigned i = 0; i < batch; i++) {
        sqlite3_bind_blob(statement, 1, record, 16, SQLITE_STATIC);
        sqlite3_bind_int64(statement, 2, 1767225600000000);
        sqlite3_bind_text(statement, 3, TYPE, -1, SQLITE_STATIC);
        sqlite3_bind_blob(statement, 4, data, EVENT_SIZE, SQLITE_STATIC);
        CHECK(sqlite3_step(statement) != SQLITE_DONE);
        sqlite3_reset(statement);
    }
    if (batch > 1)
        sql(connection->db, "COMMIT");
}

static void close_table(void *ctx)
{
    struct table *table = ctx;
    for (unsigned i = 0; i < table->count; i++) {
        sqlite3_finalize(table->connections[i].insert);
        sqlite3_close(table->connections[i].db);
    }
    free(table);
}

struct redis {
    pid_t pid;
    unsigned count;
    redisContext *connections[THREADS_MAX];
};

static void run_redis(const char *program, const char *appendfsync)
{
    execlp(program, "redis-server", "--port", "0", "--unixsocket", "socket", "--dir", ".",
           "--save", "", "--appendonly", "yes", "--appendfsync", appendfsync, (char *)NULL);
}

static void *open_redis(const char *path, unsigned threads, const char *appendfsync)
{
    struct redis *redis = calloc(1, sizeof *redis);
    char socket[4300];
    mkdir(path, 0700);
    snprintf(socket, sizeof socket, "%s/socket", path);
    redis->count = threads;
    fflush(NULL);
    redis->pid = fork();
    if (redis->pid == 0) {
        CHECK(!freopen("/dev/null", "w", stdout) || chdir(path));
        run_redis("redis-server", appendfsync);
        run_redis("redis-check-rdb", appendfsync); /* Debian's redis-tools: the same program */
        _exit(127);
    }
    for (unsigned i = 0; i < threads; i++) {
        for (int tries = 0; tries < 500; tries++, usleep(10000)) {
            redis->connections[i] = redisConnectUnix(socket);
            if (redis->connections[i] && !redis->connections[i]->err)
                break;
            redisFree(redis->connections[i]);
            redis->connections[i] = NULL;
        }
        CHECK(!redis->connections[i]);
    }
    return redis;
}

static void *open_redis_always(const char *path, unsigned threads)
{
    return open_redis(path, threads, "always");
}

static void *open_redis_everysec(const char *path, unsigned threads)
{
    return open_redis(path, threads, "everysec");
}

static void add_to_stream(void *ctx, unsigned thread, unsigned batch)
{
    redisReply *reply;
    (void)batch;
    reply = redisCommand(((struct redis *)ctx)->connections[thread],
                         "XADD events * type %s id %b time %s data %b", TYPE, record, (size_t)16,
                         "2026-01-01T00:00:00+00:00", data, (size_t)EVENT_SIZE);
    CHECK(!reply || reply->type != REDIS_REPLY_STRING);
    freeReplyObject(reply);
}

static void close_redis(void *ctx)
{
    struct redis *redis = ctx;
    for (unsigned i = 0; i < redis->count; i++)
        redisFree(redis->connections[i]);
    kill(redis->pid, SIGTERM);
    waitpid(redis->pid, NULL, 0);
    free(redis);
}

/* ----------------------------------------------------------------- jobs ---- */

struct job {
    const char *name;
    unsigned threads, batch;
    unsigned calls; /* in all threads together */
    bool on_slow_disk;
    const struct subject *subjects[SUBJECTS_MAX]; /* the first is evlog */
};

struct sender {
    const struct subject *subject;
    void *ctx;
    unsigned thread, batch, calls;
    double *seconds; /* of each call */
};

static void *run_sender(void *ctx)
{
    const struct sender *sender = ctx;
    for (unsigned i = 0; i < sender->calls; i++) {
        double start = bench_now();
        sender->subject->send(sender->ctx, sender->thread, sender->batch);
        sender->seconds[i] = bench_now() - start;
    }
    return NULL;
}

/* Events a second. */
static double run(const struct job *job, const struct subject *subject, double *seconds)
{
    static struct sender senders[THREADS_MAX];
    pthread_t threads[THREADS_MAX];
    char path[4200];
    bench_fresh(home, "subject", path);
    void *ctx = subject->open(path, job->threads);
    unsigned calls = job->calls / job->threads;
    is_slow = job->on_slow_disk;
    double start = bench_now();
    for (unsigned i = 0; i < job->threads; i++) {
        senders[i] = (struct sender){subject, ctx, i, job->batch, calls, seconds + i * calls};
        CHECK(pthread_create(&threads[i], NULL, run_sender, &senders[i]));
    }
    for (unsigned i = 0; i < job->threads; i++)
        pthread_join(threads[i], NULL);
    double took = bench_now() - start;
    is_slow = false;
    subject->close(ctx);
    return calls * job->threads * job->batch / took;
}

static void print(const struct subject *subject, double *rates, double *quotients,
                  unsigned rounds, double *seconds, size_t count)
{
    static const double parts[] = {0.5, 0.99, 0.999, 1};
    char ratio[40] = "";
    if (quotients)
        snprintf(ratio, sizeof ratio, "%.2f", bench_quantile(quotients, rounds, 0.5));
    printf("  %-26s %10.0f %7s", subject->name, bench_quantile(rates, rounds, 0.5), ratio);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        printf(" %10.1f", bench_quantile(seconds, count, parts[i]) * 1e6);
    puts("");
    fflush(stdout);
}

static void measure(const struct job *job, unsigned rounds)
{
    static double rates[SUBJECTS_MAX][BENCH_ROUNDS_MAX],
        quotients[SUBJECTS_MAX][BENCH_ROUNDS_MAX];
    double *seconds[SUBJECTS_MAX];
    size_t calls = job->calls / job->threads * job->threads;
    for (unsigned i = 0; i < SUBJECTS_MAX; i++)
        CHECK(!(seconds[i] = malloc(rounds * calls * sizeof **seconds)));
    for (unsigned round = 0; round < rounds; round++)
        for (unsigned i = 0; i < SUBJECTS_MAX && job->subjects[i]; i++) {
            rates[i][round] = run(job, job->subjects[i], seconds[i] + round * calls);
            quotients[i][round] = rates[0][round] / rates[i][round];
        }
    printf("\n%s\n", job->name);
    for (unsigned i = 0; i < SUBJECTS_MAX && job->subjects[i]; i++)
        print(job->subjects[i], rates[i], i ? quotients[i] : NULL, rounds, seconds[i],
              rounds * calls);
    for (unsigned i = 0; i < SUBJECTS_MAX; i++)
        free(seconds[i]);
}

int main(int argc, char **argv)
{
    static const struct subject durable = {"evlog", open_durable, send_ours, close_ours};
    static const struct subject fast = {"evlog, fast", open_fast, send_ours, close_ours};
    static const struct subject append = {"append and fdatasync", open_file, append_to_file,
                                          close_file};
    static const struct subject raw = {"LMDB", open_raw_flushed, put_raw, close_raw};
    static const struct subject raw_mapped = {"LMDB, WRITEMAP, NOSYNC", open_raw_mapped, put_raw,
                                              close_raw};
    static const struct subject full = {"SQLite, FULL", open_table_full, insert, close_table};
    static const struct subject normal = {"SQLite, NORMAL", open_table_normal, insert,
                                          close_table};
    static const struct subject always = {"Redis, always", open_redis_always, add_to_stream,
                                          close_redis};
    static const struct subject everysec = {"Redis, everysec", open_redis_everysec, add_to_stream,
                                            close_redis};
    static const struct job jobs[] = {
        {"durable, 1 thread", 1, 1, 1500, false, {&durable, &append, &full, &always, &raw}},
        {"durable, 8 threads", 8, 1, 4000, false, {&durable, &full, &always, &raw}},
        {"durable, 32 threads", 32, 1, 6400, false, {&durable, &full, &always, &raw}},
        {"durable, 512 a call", 1, 512, 200, false, {&durable, &raw, &full}},
        {"fast, 1 thread", 1, 1, 100000, false, {&fast, &raw_mapped, &normal, &everysec}},
        {"slow disk: durable, 1 thread", 1, 1, 20, true, {&durable}},
        {"slow disk: durable, 32 threads", 32, 1, 640, true, {&durable}},
        {"slow disk: durable, 512 a call", 1, 512, 200, true, {&durable}},
        {"slow disk: fast, 1 thread", 1, 1, 400000, true, {&fast}},
    };
    unsigned rounds = bench_begin(argc, argv, home);
    printf("%u rounds; events of %d bytes. Microseconds a call.\n\n", rounds, EVENT_SIZE);
    printf("  %-26s %10s %7s %10s %10s %10s %10s\n", "", "events/s", "evlog/", "median", "99 %",
           "99.9 %", "longest");
    for (size_t i = 0; i < sizeof jobs / sizeof *jobs; i++)
        measure(&jobs[i], rounds);
    return bench_end(home);
}
