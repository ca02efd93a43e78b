/*
 * What reads: events a second, and CPU time, through a replay and a consumer, with every check.
 *
 *   LMDB cursor           over all values, as long as evlog's records, one byte of each looked at
 *   LMDB cursor, XXH3     the same, and XXH3-64 over each: as much checking as a raw reader would do
 *   LMDB get and put      what a state costs at the least: for each event the count of one of KEYS keys is read and
 *                         written, in transactions as long as a consumer's (MDB_NOMETASYNC, as evlog's)
 *   jq                    `jq -c .` of what `evlog show -o json` wrote
 *
 * The log is filled once, by calls of 512; each round reads the same.
 */
#include <lmdb.h>
#include <sys/stat.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "bench.h"

#define KEYS 100
#define COMMIT_EVERY 4096 /* evlog's default */

/* A log, or another's file, that is read. */
struct reading {
    evlog *log;
    MDB_env *env;
    evlog_consumer *consumer;
    char path[4200];
    uint64_t sink; /* what is read ends here, so that it is read */
};

static void fill(const struct subject *subject, const char *path, const struct shape *shape)
{
    struct shape filling = {.size = shape->size, .batch = 512, .threads = 1, .processes = 1};
    void *ctx = subject->open(path, &filling);
    for (unsigned i = 0; i < shape->calls; i += filling.batch)
        subject->send(ctx, 0, &filling);
    subject->close(ctx);
}

static struct reading *new_reading(const char *path)
{
    struct reading *reading = calloc(1, sizeof *reading);
    snprintf(reading->path, sizeof reading->path, "%s", path);
    return reading;
}

static void *open_log(const char *path, const struct shape *shape)
{
    struct reading *reading = new_reading(path);
    fill(&ours_fast, path, shape);
    CHECK(evlog_open(path, &(evlog_options){.durability = EVLOG_FAST}, &reading->log));
    return reading;
}

static void close_log(void *ctx)
{
    CHECK(evlog_close(((struct reading *)ctx)->log));
    free(ctx);
}

static int take(const evlog_event *event, void *ctx)
{
    struct reading *reading = ctx;
    reading->sink += event->seq + *(const unsigned char *)event->data;
    return 0;
}

static unsigned replay(void *ctx, const struct shape *shape, double *times)
{
    struct reading *reading = ctx;
    evlog_outcome outcome;
    (void)shape;
    (void)times;
    CHECK(evlog_replay(reading->log, NULL, take, reading, &outcome));
    return (unsigned)outcome.delivered;
}

/* A count for each of KEYS keys, as a projection has. */
static int count(const evlog_event *event, void *ctx)
{
    struct reading *reading = ctx;
    uint64_t key = event->seq % KEYS, sum = 0;
    const void *value;
    size_t size;
    if (evlog_state_get(reading->consumer, &key, sizeof key, &value, &size) == EVLOG_OK)
        memcpy(&sum, value, sizeof sum);
    sum++;
    return evlog_state_put(reading->consumer, &key, sizeof key, &sum, sizeof sum);
}

static unsigned consume_by(struct reading *reading, evlog_receiver *receiver)
{
    uint64_t handed;
    CHECK(evlog_consumer_open(reading->log, "bench", NULL, &reading->consumer));
    CHECK(evlog_consumer_poll(reading->consumer, 0, 0, receiver, reading, &handed));
    CHECK(evlog_consumer_close(reading->consumer));
    CHECK(evlog_consumer_remove(reading->log, "bench"));
    return (unsigned)handed;
}

static unsigned consume(void *ctx, const struct shape *shape, double *times)
{
    (void)shape;
    (void)times;
    return consume_by(ctx, take);
}

static unsigned consume_state(void *ctx, const struct shape *shape, double *times)
{
    (void)shape;
    (void)times;
    return consume_by(ctx, count);
}

const struct subject ours_replay_all = {
    .name = "evlog", .open = open_log, .run = replay, .close = close_log};
const struct subject ours_consume = {
    .name = "evlog", .open = open_log, .run = consume, .close = close_log};
const struct subject ours_consume_state = {
    .name = "evlog", .open = open_log, .run = consume_state, .close = close_log};

/* ---------------------------------------------------------------- LMDB ---- */

static void *open_raw(const char *path, const struct shape *shape)
{
    struct reading *reading = new_reading(path);
    fill(&lmdb_mapped, path, shape);
    CHECK(mdb_env_create(&reading->env));
    CHECK(mdb_env_set_mapsize(reading->env, (size_t)4 << 30));
    CHECK(mdb_env_open(reading->env, path, MDB_RDONLY, 0600));
    return reading;
}

static void *open_raw_state(const char *path, const struct shape *shape)
{
    struct reading *reading = new_reading(path);
    (void)shape;
    CHECK(mdb_env_create(&reading->env));
    CHECK(mdb_env_set_mapsize(reading->env, 64 << 20));
    CHECK(mdb_env_open(reading->env, path, MDB_NOSUBDIR | MDB_NOMETASYNC, 0600));
    return reading;
}

static void close_raw(void *ctx)
{
    mdb_env_close(((struct reading *)ctx)->env);
    free(ctx);
}

static unsigned scan(struct reading *reading, bool is_hashed)
{
    MDB_txn *txn;
    MDB_dbi dbi;
    MDB_cursor *cursor;
    MDB_val key, value;
    unsigned events = 0;
    CHECK(mdb_txn_begin(reading->env, NULL, MDB_RDONLY, &txn));
    CHECK(mdb_dbi_open(txn, NULL, 0, &dbi));
    CHECK(mdb_cursor_open(txn, dbi, &cursor));
    for (; mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == MDB_SUCCESS; events++)
        reading->sink += is_hashed ? XXH3_64bits(value.mv_data, value.mv_size)
                                   : *(const unsigned char *)value.mv_data;
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    return events;
}

static unsigned scan_bare(void *ctx, const struct shape *shape, double *times)
{
    (void)shape;
    (void)times;
    return scan(ctx, false);
}

static unsigned scan_hashed(void *ctx, const struct shape *shape, double *times)
{
    (void)shape;
    (void)times;
    return scan(ctx, true);
}

static void get_and_put(MDB_txn *txn, MDB_dbi dbi, uint64_t number)
{
    uint64_t sum = 0;
    MDB_val key = {sizeof number, &number}, value = {sizeof sum, &sum};
    if (mdb_get(txn, dbi, &key, &value) == MDB_SUCCESS)
        memcpy(&sum, value.mv_data, sizeof sum);
    sum++;
    value = (MDB_val){sizeof sum, &sum};
    CHECK(mdb_put(txn, dbi, &key, &value, 0));
}

static unsigned count_raw(void *ctx, const struct shape *shape, double *times)
{
    struct reading *reading = ctx;
    MDB_txn *txn;
    MDB_dbi dbi;
    (void)times;
    for (unsigned i = 0; i < shape->calls; i += COMMIT_EVERY) {
        CHECK(mdb_txn_begin(reading->env, NULL, 0, &txn));
        CHECK(mdb_dbi_open(txn, NULL, 0, &dbi));
        for (unsigned j = i; j < i + COMMIT_EVERY && j < shape->calls; j++)
            get_and_put(txn, dbi, j % KEYS);
        CHECK(mdb_txn_commit(txn));
    }
    return shape->calls;
}

const struct subject lmdb_cursor = {
    .name = "LMDB cursor", .open = open_raw, .run = scan_bare, .close = close_raw};
const struct subject lmdb_cursor_xxh3 = {
    .name = "LMDB cursor, XXH3", .open = open_raw, .run = scan_hashed, .close = close_raw};
const struct subject lmdb_get_put = {
    .name = "LMDB, get and put", .open = open_raw_state, .run = count_raw, .close = close_raw};

/* ------------------------------------------------------------ the command ---- */

static const char *const words[] = {"id",   "username",   "email",
                                    "name", "course_key", "display_name"};

/* Data as an Open edX event's: 540 bytes or so of JSON with its metadata. */
static void fill_json(const char *path, unsigned count)
{
    char lines[4300], command[9000];
    snprintf(lines, sizeof lines, "%s.lines", path);
    FILE *file = fopen(lines, "w");
    CHECK(!file);
    for (unsigned i = 0; i < count; i++) {
        fputs("{\"enrollment\": {", file);
        for (size_t k = 0; k < sizeof words / sizeof *words; k++)
            fprintf(file, "%s\"%s\": \"%s-%u@example.com\"", k ? ", " : "", words[k], words[k],
                    i);
        fprintf(file, ", \"is_active\": true, \"start\": null, \"n\": %u}}\n", i);
    }
    CHECK(fclose(file));
    snprintf(command, sizeof command,
             "'%s/evlog' send --durability fast '%s' org.example.bench.v1 - <'%s' >/dev/null",
             bench_beside, path, lines);
    CHECK(system(command));
}

static void *open_json(const char *path, const struct shape *shape)
{
    fill_json(path, shape->calls);
    return new_reading(path);
}

static void *open_text(const char *path, const struct shape *shape)
{
    char command[9000];
    fill_json(path, shape->calls);
    snprintf(command, sizeof command, "'%s/evlog' show -o json '%s' >'%s.json'", bench_beside,
             path, path);
    CHECK(system(command));
    return new_reading(path);
}

static unsigned run_command(const struct reading *reading, const struct shape *shape,
                            const char *format)
{
    char command[9000];
    snprintf(command, sizeof command, format, bench_beside, reading->path);
    CHECK(system(command));
    return shape->calls;
}

static unsigned show(void *ctx, const struct shape *shape, double *times)
{
    (void)times;
    return run_command(ctx, shape, "exec '%s/evlog' show -o json '%s' >/dev/null");
}

static unsigned jq(void *ctx, const struct shape *shape, double *times)
{
    (void)times;
    return run_command(ctx, shape, ": '%s'; exec jq -c . '%s.json' >/dev/null");
}

const struct subject ours_show = {
    .name = "evlog show -o json", .open = open_json, .run = show, .close = free};
struct subject jq_all = {
    .name = "jq -c of its output", .open = open_text, .run = jq, .close = free};
