/*
 * Group commit: sends at the same time share a commit, none returns before its own
 * is on the disk, and in a group nobody suffers for another.
 *
 * Commits are slow here, as on a slow disk, so that the others queue up behind one.
 */
#include <errno.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>

#include "log.h"
#include "reader.h"
#include "test.h"

#define TYPE "org.evlog.test.v1"
#define THREADS 8
#define SENDS 40
#define COMMIT_US 2000
#define SIZE_MAX_SMALL ((uint64_t)1280 << 10)
#define LARGE ((size_t)900 << 10)

/* ------------------------------------------------------ wrapped calls ---- */

static _Atomic unsigned commits, flushes, flushes_before, failing;
static _Atomic uint64_t durable_seq; /* all up to it are on the disk */

int __real_mdb_txn_begin(MDB_env *env, MDB_txn *parent, unsigned flags, MDB_txn **txn);
int __wrap_mdb_txn_begin(MDB_env *env, MDB_txn *parent, unsigned flags, MDB_txn **txn);
int __real_mdb_txn_commit(MDB_txn *txn);
int __wrap_mdb_txn_commit(MDB_txn *txn);

static int is_of_events(MDB_txn *txn)
{
    const char *path;
    mdb_env_get_path(mdb_txn_env(txn), &path);
    return strstr(path, "events.mdb") != NULL;
}

int __wrap_mdb_txn_begin(MDB_env *env, MDB_txn *parent, unsigned flags, MDB_txn **txn)
{
    int rc = __real_mdb_txn_begin(env, parent, flags, txn);
    if (rc == MDB_SUCCESS && !(flags & MDB_RDONLY) && is_of_events(*txn))
        flushes_before = flushes;
    return rc;
}

/* Slow, and it knows what is committed when it is. In the place of the disk: it can fail. */
int __wrap_mdb_txn_commit(MDB_txn *txn)
{
    MDB_stat stat;
    if (!is_of_events(txn))
        return __real_mdb_txn_commit(txn);
    mdb_stat(txn, 1, &stat);
    usleep(COMMIT_US);
    commits++;
    if (failing) {
        mdb_txn_abort(txn);
        return EIO;
    }
    if (flushes > flushes_before) /* of the journal, in this transaction */
        durable_seq = stat.ms_entries;
    return __real_mdb_txn_commit(txn);
}

/* The library's: found here before libc's. */
EVLOG_API int fdatasync(int fd)
{
    char link[64], path[4096];
    int result = fsync(fd);
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    path[size > 0 ? size : 0] = '\0';
    flushes += strstr(path, "/journal") != NULL;
    return result;
}

/* ------------------------------------------------------------- senders ---- */

struct sender {
    evlog_signal *signal;
    uint64_t base;
    const unsigned char *large; /* or NULL: small ones */
    unsigned failures[16];      /* by code */
    uint64_t last_seq;
    int early; /* a send or a receiver that came before the disk */
    char message[256];
    pthread_t thread;
};

static int hear(const evlog_event *event, void *ctx)
{
    atomic_int *early = ctx;
    if (event->seq > durable_seq)
        *early = 1;
    return 0;
}

static void send_once(struct sender *sender, uint64_t number)
{
    unsigned char small[12] = "\x81\xa1n\xcf";
    memcpy(small + 4, &number, sizeof number);
    const unsigned char *data = sender->large ? sender->large : small;
    evlog_sent sent = {.seq = 0};
    int result =
        evlog_send_event(sender->signal, data, sender->large ? LARGE : sizeof small, NULL, &sent);
    sender->failures[-result]++;
    if (result)
        snprintf(sender->message, sizeof sender->message, "%s", evlog_errmsg());
    sender->early |= sent.seq > durable_seq;
    if (sent.seq)
        sender->last_seq = sent.seq;
    evlog_sent_free(&sent);
}

static void *send_all(void *ctx)
{
    struct sender *sender = ctx;
    for (uint64_t i = 0; i < SENDS; i++)
        send_once(sender, sender->base + i);
    return NULL;
}

static void *send_one(void *ctx)
{
    struct sender *sender = ctx;
    send_once(sender, sender->base);
    return NULL;
}

static void run(struct sender *senders, void *(*how)(void *))
{
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&senders[i].thread, NULL, how, &senders[i]), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(senders[i].thread, NULL);
}

static uint64_t head(evlog *log)
{
    evlog_info info;
    OK(evlog_inspect(log, &info));
    return info.last_seq;
}

static void begin(const void *home, const evlog_options *options, evlog **log,
                  struct sender *senders)
{
    commits = flushes = flushes_before = failing = 0;
    durable_seq = 0;
    OK(evlog_open(in(home, "log"), options, log));
    for (uint64_t i = 0; i < THREADS; i++) {
        senders[i] = (struct sender){.base = i << 32};
        OK(evlog_define(*log, TYPE, 0, NULL, &senders[i].signal));
    }
}

/* ----------------------------------------------------------------- tests ---- */

/*
 * Eight threads that send at once need far fewer commits than they send events; one alone needs one
 * each.
 */
static void senders_share_commits(void **state)
{
    static struct sender senders[THREADS];
    evlog *log;
    begin(*state, NULL, &log, senders);
    run(senders, send_all);
    printf("%d sends in %u commits\n", THREADS * SENDS, commits);
    assert_true(commits < THREADS * SENDS / 2);
    assert_int_equal(head(log), THREADS * SENDS);
    commits = 0;
    send_all(&senders[0]);
    assert_int_equal(commits, SENDS);
    OK(evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_close(log));
}

/* Neither does a send return nor a receiver run before the event is on the disk. */
static void nobody_is_early(void **state)
{
    static struct sender senders[THREADS];
    evlog *log;
    atomic_int early = 0;
    begin(*state, NULL, &log, senders);
    OK(evlog_connect(log, NULL, NULL, hear, &early, NULL));
    run(senders, send_all);
    assert_false(early);
    for (int i = 0; i < THREADS; i++) {
        assert_false(senders[i].early);
        assert_int_equal(senders[i].failures[0], SENDS);
    }
    assert_int_equal(durable_seq, THREADS * SENDS);
    OK(evlog_close(log));
}

/* One that does not fit into the log is refused alone: those queued with it are sent. */
static void a_large_one_fails_alone(void **state)
{
    static struct sender senders[THREADS];
    static unsigned char large[LARGE] = "\x81\xa1n\xc6\x00";
    evlog *log;
    uint32_t length = LARGE - 8;
    for (int i = 0; i < 4; i++)
        large[4 + i] = (unsigned char)(length >> (24 - 8 * i));
    begin(*state, &(evlog_options){.log_size_max = SIZE_MAX_SMALL}, &log, senders);
    senders[0].large = large;
    send_once(&senders[0], 0); /* it fits once */
    assert_int_equal(senders[0].failures[0], 1);
    for (unsigned round = 1; round <= 12; round++) {
        senders[0].large = NULL;
        senders[round % THREADS].large = large;
        run(senders, send_one);
        assert_int_equal(senders[round % THREADS].failures[-EVLOG_FULL] > 0, 1);
        senders[round % THREADS].large = NULL;
        assert_int_equal(head(log), 1 + round * (THREADS - 1));
    }
    assert_non_null(strstr(senders[1].message, "log_size_max"));
    OK(evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_close(log));
}

/*
 * A commit that fails fails for all in it: each has the code and the sentence, nothing is
 * there.
 */
static void a_failed_commit_is_everybodys(void **state)
{
    static struct sender senders[THREADS];
    evlog *log;
    atomic_int early = 0;
    begin(*state, NULL, &log, senders);
    send_once(&senders[0], 77);
    OK(evlog_connect(log, NULL, NULL, hear, &early, NULL));
    failing = 1;
    run(senders, send_one);
    assert_false(early); /* it would be: nothing is on the disk */
    assert_int_equal(head(log), 1);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(senders[i].failures[-EVLOG_IO], 1);
        assert_non_null(strstr(senders[i].message, "close the log and open it"));
    }
    OK(evlog_close(log));
    failing = 0;
    assert_int_equal(unlink(in(*state, "log/shared")),
                     0); /* as after a power cut: the journal is read */
    OK(evlog_open(in(*state, "log"), NULL, &log));
    assert_int_equal(head(log), 1);
    OK(evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_close(log));
}

/*
 * The records of one call say that more follow, but for the last; each has its own salt, and its
 * digest and chain are what the next one's `prev` says.
 */
static void the_records_of_a_send_say_so(void **state)
{
    static struct sender senders[THREADS];
    struct reader reader = {.events = NULL};
    evlog_sending sends[3];
    evlog *log;
    begin(*state, NULL, &log, senders);
    send_once(&senders[0], 1);
    for (int i = 0; i < 3; i++)
        sends[i] = (evlog_sending){.signal = senders[i].signal, .data = "\x80", .data_size = 1};
    OK(evlog_send_events(sends, 3, NULL, NULL));
    send_once(&senders[0], 2);
    OK(reader_read(&reader, log->store, 1, 5, 5));
    assert_int_equal(reader.count, 5);
    for (size_t i = 0; i < 5; i++) {
        const struct record *record = &reader.events[i].record;
        assert_int_equal(record->flags, i == 1 || i == 2 ? RECORD_MORE : 0);
        assert_int_equal(record->headers_size, 1);
        assert_int_equal(record->era, 0);
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(record->salt, reader.events[k].record.salt, 16);
    }
    reader_free(&reader);
    OK(evlog_close(log));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(senders_share_commits),         TEST_AT_HOME(nobody_is_early),
        TEST_AT_HOME(a_large_one_fails_alone),       TEST_AT_HOME(the_records_of_a_send_say_so),
        TEST_AT_HOME(a_failed_commit_is_everybodys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
