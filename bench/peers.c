/*
 * What appends instead of evlog, each set up as its users would. What is not installed when this is built is
 * skipped, and that is said.
 *
 *   SQLite    a table of seq, id, time, type, data; WAL; synchronous=FULL, or NORMAL; a connection a thread
 *   Redis     XADD through a Unix socket; appendfsync always, or everysec; a connection a thread; the events of a call
 *             are pipelined. Its server is started here, and its CPU time is not counted
 *   tephra    an event store in Rust (bench/tephra), loaded when `make bench` has built it
 */
#include <dlfcn.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "bench.h"
#include "waits.h"

/* -------------------------------------------------------------- SQLite ---- */

#ifdef BENCH_SQLITE
#include <sqlite3.h>

struct table {
    unsigned count;
    struct connection {
        sqlite3 *db;
        sqlite3_stmt *insert;
    } connections[BENCH_SENDERS_MAX];
};

static void sql(sqlite3 *db, const char *text)
{
    char *why = NULL;
    if (sqlite3_exec(db, text, NULL, NULL, &why)) {
        fprintf(stderr, "bench: SQLite: %s: %s\n", text, why);
        exit(1);
    }
}

static void *open_table(const char *path, const struct shape *shape, const char *synchronous)
{
    struct table *table = calloc(1, sizeof *table);
    table->count = shape->threads;
    for (unsigned i = 0; i < table->count; i++) {
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

static void *open_table_full(const char *path, const struct shape *shape)
{
    return open_table(path, shape, "PRAGMA synchronous=FULL");
}

static void *open_table_normal(const char *path, const struct shape *shape)
{
    return open_table(path, shape, "PRAGMA synchronous=NORMAL");
}

static void insert(void *ctx, unsigned thread, const struct shape *shape)
{
    static const unsigned char id[16];
    struct connection *connection = &((struct table *)ctx)->connections[thread];
    sqlite3_stmt *statement = connection->insert;
    if (shape->batch > 1)
        sql(connection->db, "BEGIN IMMEDIATE");
    for (unsigned i = 0; i < shape->batch; i++) {
        sqlite3_bind_blob(statement, 1, id, sizeof id, SQLITE_STATIC);
        sqlite3_bind_int64(statement, 2, 1767225600000000);
        sqlite3_bind_text(statement, 3, BENCH_TYPE, -1, SQLITE_STATIC);
        sqlite3_bind_blob(statement, 4, bench_data, (int)shape->size, SQLITE_STATIC);
        CHECK(sqlite3_step(statement) != SQLITE_DONE);
        sqlite3_reset(statement);
    }
    if (shape->batch > 1)
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

static void *open_filled_table(const char *path, const struct shape *shape)
{
    struct shape filling = *shape;
    filling.threads = 1;
    filling.batch = 512;
    void *table = open_table_normal(path, &filling);
    for (unsigned i = 0; i < shape->calls; i += filling.batch)
        insert(table, 0, &filling);
    return table;
}

static unsigned scan_table(void *ctx, const struct shape *shape, double *times)
{
    sqlite3_stmt *select;
    unsigned count = 0;
    uint64_t sink = 0;
    (void)shape;
    (void)times;
    CHECK(sqlite3_prepare_v2(((struct table *)ctx)->connections[0].db,
                             "SELECT seq, id, time, type, data FROM events ORDER BY seq", -1,
                             &select, NULL));
    for (; sqlite3_step(select) == SQLITE_ROW; count++)
        sink += (uint64_t)sqlite3_column_int64(select, 0) +
                *(const unsigned char *)sqlite3_column_blob(select, 4);
    sqlite3_finalize(select);
    return sink ? count : 0;
}

struct subject sqlite_full = {
    .name = "SQLite, FULL", .open = open_table_full, .send = insert, .close = close_table};
struct subject sqlite_normal = {
    .name = "SQLite, NORMAL", .open = open_table_normal, .send = insert, .close = close_table};
struct subject sqlite_scan = {.name = "SQLite, bare scan",
                              .open = open_filled_table,
                              .run = scan_table,
                              .close = close_table};
#else
#define NO_SQLITE "built without libsqlite3-dev"
struct subject sqlite_full = {.name = "SQLite, FULL", .missing = NO_SQLITE};
struct subject sqlite_normal = {.name = "SQLite, NORMAL", .missing = NO_SQLITE};
struct subject sqlite_scan = {.name = "SQLite, bare scan", .missing = NO_SQLITE};
#endif

/* --------------------------------------------------------------- Redis ---- */

#ifdef BENCH_REDIS
#include <hiredis/hiredis.h>

struct connections {
    unsigned count;
    redisContext *list[BENCH_SENDERS_MAX];
};

static void run_redis(const char *program, const char *appendfsync)
{
    execlp(program, "redis-server", "--port", "0", "--unixsocket", "socket", "--dir", ".",
           "--save", "", "--appendonly", "yes", "--appendfsync", appendfsync, (char *)NULL);
}

static redisContext *connect_to(const char *path)
{
    char socket[4300];
    snprintf(socket, sizeof socket, "%s/socket", path);
    for (int tries = 0; tries < 500; tries++, usleep(10000)) {
        redisContext *connection = redisConnectUnix(socket);
        if (connection && !connection->err)
            return connection;
        redisFree(connection);
    }
    fprintf(stderr, "bench: no Redis answers at %s\n", socket);
    exit(1);
}

static void *start_redis(const char *path, const char *appendfsync)
{
    pid_t *pid = malloc(sizeof *pid);
    mkdir(path, 0700);
    fflush(NULL);
    *pid = fork();
    if (*pid == 0) {
        CHECK(!freopen("/dev/null", "w", stdout) || chdir(path));
        run_redis("redis-server", appendfsync);
        run_redis("redis-check-rdb", appendfsync); /* Debian's redis-tools: the same program */
        _exit(127);
    }
    redisFree(connect_to(path));
    return pid;
}

static void *start_redis_always(const char *path)
{
    return start_redis(path, "always");
}

static void *start_redis_everysec(const char *path)
{
    return start_redis(path, "everysec");
}

static void stop_redis(void *started)
{
    pid_t *pid = started;
    kill(*pid, SIGTERM);
    waitpid(*pid, NULL, 0);
    free(pid);
}

static void *open_connections(const char *path, const struct shape *shape)
{
    struct connections *connections = calloc(1, sizeof *connections);
    connections->count = shape->threads;
    for (unsigned i = 0; i < connections->count; i++)
        connections->list[i] = connect_to(path);
    return connections;
}

static void add_to_stream(void *ctx, unsigned thread, const struct shape *shape)
{
    static const unsigned char id[16];
    redisContext *connection = ((struct connections *)ctx)->list[thread];
    for (unsigned i = 0; i < shape->batch; i++)
        CHECK(redisAppendCommand(connection, "XADD events * type %s id %b time %s data %b",
                                 BENCH_TYPE, id, sizeof id, "2026-01-01T00:00:00+00:00",
                                 bench_data, (size_t)shape->size));
    for (unsigned i = 0; i < shape->batch; i++) {
        redisReply *reply;
        CHECK(redisGetReply(connection, (void **)&reply));
        CHECK(reply->type != REDIS_REPLY_STRING);
        freeReplyObject(reply);
    }
}

static void close_connections(void *ctx)
{
    struct connections *connections = ctx;
    for (unsigned i = 0; i < connections->count; i++)
        redisFree(connections->list[i]);
    free(connections);
}

/* XREAD BLOCK in another process, from the id that was read last. */
static void wait_for_stream(struct waits *waits, unsigned count)
{
    redisContext *connection = connect_to(waits->path);
    char last[64] = "0";
    for (unsigned i = 0; i < count; i++) {
        redisReply *reply =
            redisCommand(connection, "XREAD COUNT 1 BLOCK 0 STREAMS events %s", last);
        CHECK(!reply || reply->type != REDIS_REPLY_ARRAY);
        waits_note(waits, i);
        snprintf(last, sizeof last, "%s",
                 reply->element[0]->element[1]->element[0]->element[0]->str);
        freeReplyObject(reply);
    }
    redisFree(connection);
}

static void send_one(void *ctx)
{
    static const struct shape one = {.size = 256, .batch = 1};
    add_to_stream(ctx, 0, &one);
}

static unsigned wait_redis(void *ctx, const struct shape *shape, double *times)
{
    redisContext *connection = connect_to(ctx);
    freeReplyObject(redisCommand(connection, "DEL events")); /* of the round before */
    redisFree(connection);
    return waits_measure(&(struct waiting){.path = ctx,
                                           .wait = wait_for_stream,
                                           .send = send_one,
                                           .open = open_connections,
                                           .close = close_connections},
                         shape, times);
}

static void *keep_path(const char *path, const struct shape *shape)
{
    (void)shape;
    return strdup(path);
}

#define OF_SENDER(wait)                                                          \
    .open = open_connections, .send = add_to_stream, .close = close_connections, \
    .stop = stop_redis, .start = wait
struct subject redis_always = {.name = "Redis, always", OF_SENDER(start_redis_always)};
struct subject redis_everysec = {.name = "Redis, everysec", OF_SENDER(start_redis_everysec)};
struct subject redis_wait = {.name = "Redis, XREAD",
                             .start = start_redis_everysec,
                             .open = keep_path,
                             .run = wait_redis,
                             .close = free,
                             .stop = stop_redis};
#else
#define NO_REDIS "built without libhiredis-dev"
struct subject redis_always = {.name = "Redis, always", .missing = NO_REDIS};
struct subject redis_everysec = {.name = "Redis, everysec", .missing = NO_REDIS};
struct subject redis_wait = {.name = "Redis, XREAD", .missing = NO_REDIS};
#endif

/* -------------------------------------------------------------- tephra ---- */

static void *(*tephra_open)(const char *path);
static int (*tephra_send)(const void *log, const void *data, size_t size, uint32_t batch);
static void (*tephra_close)(void *log);

static void *open_tephra(const char *path, const struct shape *shape)
{
    (void)shape;
    void *log = tephra_open(path);
    CHECK(!log);
    return log;
}

static void append_to_tephra(void *ctx, unsigned thread, const struct shape *shape)
{
    (void)thread;
    CHECK(tephra_send(ctx, bench_data, shape->size, shape->batch));
}

static void close_tephra(void *ctx)
{
    tephra_close(ctx);
}

struct subject tephra = {
    .name = "tephra",
    .missing = "it is not built: cargo is missing, cannot get it, or this is the short form",
    .open = open_tephra,
    .send = append_to_tephra,
    .close = close_tephra};

static bool is_program(const char *name)
{
    char command[100];
    snprintf(command, sizeof command, "command -v %s >/dev/null", name);
    return system(command) == 0;
}

void peers_find(const char *program)
{
    char path[4300];
    const char *slash = strrchr(program, '/');
    snprintf(path, sizeof path, "%.*s/tephra/release/libbench_tephra.so",
             slash ? (int)(slash - program) : 1, slash ? program : ".");
    void *library = dlopen(path, RTLD_NOW);
    if (library) {
        *(void **)&tephra_open = dlsym(library, "bench_tephra_open");
        *(void **)&tephra_send = dlsym(library, "bench_tephra_send");
        *(void **)&tephra_close = dlsym(library, "bench_tephra_close");
        if (tephra_open && tephra_send && tephra_close)
            tephra.missing = NULL;
    }
    if (!redis_always.missing && !is_program("redis-server") && !is_program("redis-check-rdb"))
        redis_always.missing = redis_everysec.missing = redis_wait.missing =
            "redis-tools is not installed";
}
