/*
 * What keeps a log for years, beside its yardsticks.
 *
 *   bench-upkeep [ROUNDS] [DIRECTORY]
 *
 * Copying and compacting a log of EVENTS events beside cp(1) of its events.mdb, which reads and writes as much and
 * checks nothing; both end with the copy flushed. Trimming half of it beside raw LMDB, which deletes as many in
 * transactions of as many and flushes after each. Salvaging a log that is not damaged beside the same cp; and the
 * command that imports lines beside the one that sends their data. Each round begins with a log of its own. Quotients
 * of times: above 1, evlog takes longer.
 */
#include <evlog/upkeep.h>
#include <lmdb.h>
#include <sys/stat.h>

#include "bench.h"

#define EVENT_SIZE 256
#define EVENTS 1000000
#define TRIM_BATCH 2048 /* of store/trim.c */

static char home[4096], log_path[4200], other_path[4200];

static void make_log(void)
{
    static unsigned char data[EVENT_SIZE] = {0x81, 0xa1, 'n', 0xc4, EVENT_SIZE - 5};
    static evlog_sending sends[500];
    evlog_signal *signal;
    evlog *log;
    bench_fresh(home, "log", log_path);
    bench_fresh(home, "other", other_path);
    CHECK(evlog_open(log_path, NULL, &log));
    CHECK(evlog_define(log, "org.example.bench.v1", 0, NULL, &signal));
    for (size_t i = 0; i < 500; i++)
        sends[i] = (evlog_sending){.signal = signal, .data = data, .data_size = sizeof data};
    for (unsigned i = 0; i < EVENTS / 500; i++)
        CHECK(evlog_send_events(sends, 500, NULL, NULL));
    CHECK(evlog_close(log));
}

static double copy_log(void)
{
    evlog *log;
    double began = bench_now();
    CHECK(evlog_open(log_path, NULL, &log));
    CHECK(evlog_copy(log, other_path, NULL, NULL));
    CHECK(evlog_close(log));
    return bench_now() - began;
}

static double compact_log(void)
{
    double began = bench_now();
    CHECK(evlog_compact(log_path, NULL, NULL));
    return bench_now() - began;
}

static double salvage_log(void)
{
    char path[4200];
    bench_fresh(home, "salvaged", path);
    double began = bench_now();
    CHECK(evlog_salvage(log_path, path, NULL, NULL));
    return bench_now() - began;
}

static double copy_file(void)
{
    char command[13000];
    snprintf(command, sizeof command, "cp '%s/events.mdb' '%s/by-cp' && sync '%s/by-cp'",
             log_path, home, home);
    double began = bench_now();
    CHECK(system(command));
    return bench_now() - began;
}

static double trim_log(void)
{
    evlog *log;
    CHECK(evlog_open(log_path, NULL, &log));
    double began = bench_now();
    CHECK(evlog_trim(log, EVENTS / 2, NULL, NULL));
    double took = bench_now() - began;
    CHECK(evlog_close(log));
    return took;
}

#define LINES 200000

/* The input of the command's verbs: the data alone, or with its type and a time. */
static void make_lines(const char *name, const char *before, const char *after)
{
    char path[4200];
    bench_fresh(home, name, path);
    FILE *file = fopen(path, "w");
    CHECK(file == NULL);
    for (unsigned i = 0; i < LINES; i++)
        fprintf(file, "%s{\"n\": %u, \"text\": \"%0200u\"}%s\n", before, i, i, after);
    CHECK(fclose(file));
}

/* `evlog VERB LOG ... <INPUT`, with the command beside this program. */
static double run_verb(const char *program, const char *verb, const char *input)
{
    char command[20000], path[4200];
    const char *slash = strrchr(program, '/');
    int size = slash ? (int)(slash - program) : 1;
    bench_fresh(home, "lines-log", path);
    snprintf(command, sizeof command, "'%.*s/evlog' %s <'%s/%s' >'%s/out'", size,
             slash ? program : ".", verb, home, input, home);
    char *place = strstr(command, "LOG");
    char whole[26000];
    snprintf(whole, sizeof whole, "%.*s%s%s", (int)(place - command), command, path, place + 3);
    double began = bench_now();
    CHECK(system(whole));
    return bench_now() - began;
}

/* One transaction; the first `count` events go. */
static void delete_some(MDB_env *env, unsigned count)
{
    MDB_txn *txn;
    MDB_dbi dbi;
    MDB_cursor *cursor;
    MDB_val key, data;
    CHECK(mdb_txn_begin(env, NULL, 0, &txn));
    CHECK(mdb_dbi_open(txn, NULL, 0, &dbi));
    CHECK(mdb_cursor_open(txn, dbi, &cursor));
    for (unsigned i = 0; i < count; i++) {
        CHECK(mdb_cursor_get(cursor, &key, &data, MDB_FIRST));
        CHECK(mdb_cursor_del(cursor, 0));
    }
    mdb_cursor_close(cursor);
    CHECK(mdb_txn_commit(txn));
}

/* From the copy of the file that copy_file has made. */
static double trim_raw(void)
{
    char path[4200];
    MDB_env *env;
    snprintf(path, sizeof path, "%s/by-cp", home);
    CHECK(mdb_env_create(&env));
    CHECK(mdb_env_set_mapsize(env, (size_t)4 << 30));
    CHECK(mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOSYNC, 0600));
    double began = bench_now();
    for (unsigned left = EVENTS / 2, count; left > 0; left -= count) {
        count = left < TRIM_BATCH ? left : TRIM_BATCH;
        delete_some(env, count);
        CHECK(mdb_env_sync(env, 1));
    }
    double took = bench_now() - began;
    mdb_env_close(env);
    return took;
}

static void print_row(const char *name, const double *ours, const char *yardstick,
                      const double *theirs, unsigned rounds)
{
    double quotients[BENCH_ROUNDS_MAX], first[BENCH_ROUNDS_MAX], second[BENCH_ROUNDS_MAX];
    for (unsigned i = 0; i < rounds; i++) {
        first[i] = ours[i];
        second[i] = theirs[i];
        quotients[i] = ours[i] / theirs[i];
    }
    double median = bench_quantile(quotients, rounds, 0.5);
    printf("%-22s %7.2f s  %-34s %7.2f s  %5.2f  (%.2f to %.2f)\n", name,
           bench_quantile(first, rounds, 0.5), yardstick, bench_quantile(second, rounds, 0.5),
           median, quotients[0], quotients[rounds - 1]);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    unsigned rounds = bench_begin(argc, argv, home);
    double copy[BENCH_ROUNDS_MAX], compact[BENCH_ROUNDS_MAX], file[BENCH_ROUNDS_MAX];
    double trim[BENCH_ROUNDS_MAX], raw[BENCH_ROUNDS_MAX], salvage[BENCH_ROUNDS_MAX];
    double import[BENCH_ROUNDS_MAX], send[BENCH_ROUNDS_MAX];
    printf("\nupkeep of %d events of %d bytes, medians of %u rounds\n\n", EVENTS, EVENT_SIZE,
           rounds);
    make_lines("data", "", "");
    make_lines("events", "{\"type\": \"org.example.bench.v1\", \"data\": ", "}");
    for (unsigned i = 0; i < rounds; i++) {
        make_log();
        file[i] = copy_file();
        copy[i] = copy_log();
        salvage[i] = salvage_log();
        send[i] = run_verb(argv[0], "send LOG org.example.bench.v1 -", "data");
        import[i] = run_verb(argv[0], "import LOG -", "events");
        compact[i] = compact_log();
        raw[i] = trim_raw();
        trim[i] = trim_log();
    }
    print_row("copy", copy, "cp, and sync of the file", file, rounds);
    print_row("compact", compact, "the same", file, rounds);
    print_row("salvage", salvage, "the same", file, rounds);
    print_row("trim the first half", trim, "LMDB, a flush for each of as many", raw, rounds);
    print_row("evlog import, 200,000", import, "evlog send, as many lines", send, rounds);
    return bench_end(home);
}
