/*
 * Consumers beside their yardsticks.
 *
 *   bench-consumers [ROUNDS] [DIRECTORY]
 *
 * How many events a second go through a consumer, without and with state, beside a plain replay
 * of the same log, which reads and checks as much; and beside what state costs at the least:
 * raw LMDB, a get and a put for each event, a commit for as many as a consumer commits
 * (MDB_NOMETASYNC, as evlog does).
 *
 * How long it takes from sending to a waiting consumer, in the same process and in another,
 * beside a bare futex between two threads and two processes in the same run. The clock starts
 * before the send (of a fast log), so the time of the append is in it; that alone is printed too.
 * Ratios of times: above 1, evlog takes longer. It stops by itself, after half a minute.
 */
#include <limits.h>
#include <linux/futex.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define EVENT_SIZE 256
#define EVENTS 200000
#define COMMIT_EVERY 4096 /* evlog's default */
#define KEYS 100
#define WAKES 2000

static char home[4096];
static evlog *log_of_events;
static evlog_consumer *counting;

/* --------------------------------------------------------- events a second ---- */

static void make_log(void)
{
    static unsigned char data[EVENT_SIZE] = {0x81, 0xa1, 'n', 0xc4, EVENT_SIZE - 5};
    static evlog_sending sends[512];
    evlog_signal *signal;
    char path[4200];
    bench_fresh(home, "log", path);
    CHECK(evlog_open(path, &(evlog_options){.durability = EVLOG_FAST}, &log_of_events));
    CHECK(evlog_define(log_of_events, "org.example.bench.v1", 0, NULL, &signal));
    for (size_t i = 0; i < 512; i++)
        sends[i] = (evlog_sending){.signal = signal, .data = data, .data_size = sizeof data};
    for (unsigned i = 0; i < EVENTS / 512; i++)
        CHECK(evlog_send_events(sends, 512, NULL, NULL));
}

static int take(const evlog_event *event, void *ctx)
{
    *(uint64_t *)ctx += event->seq;
    return 0;
}

/* A count for each of KEYS keys, as a projection has. */
static int count(const evlog_event *event, void *ctx)
{
    uint64_t key = event->seq % KEYS, sum = 0;
    const void *value;
    size_t size;
    if (evlog_state_get(counting, &key, sizeof key, &value, &size) == EVLOG_OK)
        memcpy(&sum, value, sizeof sum);
    sum++;
    *(uint64_t *)ctx += sum;
    return evlog_state_put(counting, &key, sizeof key, &sum, sizeof sum);
}

static double replay_rate(void)
{
    uint64_t sink = 0;
    evlog_outcome outcome;
    double start = bench_now();
    CHECK(evlog_replay(log_of_events, NULL, take, &sink, &outcome));
    return (double)outcome.delivered / (bench_now() - start);
}

static double consume_rate(evlog_receiver *receiver)
{
    uint64_t sink = 0, handed;
    CHECK(evlog_consumer_open(log_of_events, "bench",
                              &(evlog_consumer_options){.commit_every = COMMIT_EVERY},
                              &counting));
    double start = bench_now();
    CHECK(evlog_consumer_poll(counting, 0, 0, receiver, &sink, &handed));
    double seconds = bench_now() - start;
    CHECK(evlog_consumer_close(counting));
    CHECK(evlog_consumer_remove(log_of_events, "bench"));
    return (double)handed / seconds;
}

static double plain_rate(void)
{
    return consume_rate(take);
}

static double state_rate(void)
{
    return consume_rate(count);
}

/* A get and a put for each event, in raw LMDB. */
static double raw_rate(void)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    char path[4200];
    unsigned events = EVENTS / 4;
    bench_fresh(home, "raw", path);
    CHECK(mdb_env_create(&env));
    CHECK(mdb_env_set_mapsize(env, 64 << 20));
    CHECK(mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOMETASYNC, 0600));
    double start = bench_now();
    for (uint64_t i = 0; i < events; i += COMMIT_EVERY) {
        CHECK(mdb_txn_begin(env, NULL, 0, &txn));
        CHECK(mdb_dbi_open(txn, NULL, 0, &dbi));
        for (uint64_t j = i; j < i + COMMIT_EVERY; j++) {
            uint64_t number = j % KEYS, sum = 0;
            MDB_val key = {sizeof number, &number}, value = {sizeof sum, &sum};
            if (mdb_get(txn, dbi, &key, &value) == MDB_SUCCESS)
                memcpy(&sum, value.mv_data, sizeof sum);
            sum++;
            value = (MDB_val){sizeof sum, &sum};
            CHECK(mdb_put(txn, dbi, &key, &value, 0));
        }
        CHECK(mdb_txn_commit(txn));
    }
    double seconds = bench_now() - start;
    mdb_env_close(env);
    unlink(path);
    return events / seconds;
}

static void compare(const char *name, double (*ours)(void), const char *yardstick,
                    double (*theirs)(void), unsigned rounds)
{
    struct bench_row row;
    for (unsigned i = 0; i < rounds; i++) {
        row.ours[i] = ours();
        row.theirs[i] = theirs();
        row.quotient[i] = row.ours[i] / row.theirs[i];
    }
    bench_print(name, yardstick, &row, rounds);
}

/* ------------------------------------------------------------------- waking ---- */

/* Shared with the process or thread that waits. */
struct wakes {
    _Atomic uint32_t word; /* of the bare futex */
    atomic_int ready;
    double sent;          /* when; before the word or the event that says it */
    double took[WAKES];   /* until it was there */
    double append[WAKES]; /* evlog_send_event alone */
    char path[4200];
};

static struct wakes *wakes;

/* The waiter goes to sleep between two wakes. */
static void pause_a_little(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
}

static void *wait_on_futex(void *ctx)
{
    (void)ctx;
    for (uint32_t i = 0; i < WAKES; i++) {
        while (atomic_load(&wakes->word) == i)
            syscall(SYS_futex, &wakes->word, FUTEX_WAIT, i, NULL, NULL, 0);
        wakes->took[i] = bench_now() - wakes->sent;
        atomic_store(&wakes->ready, (int)i + 1);
    }
    return NULL;
}

static void wake_futex(void)
{
    for (int i = 0; i < WAKES; i++) {
        while (atomic_load(&wakes->ready) != i)
            pause_a_little();
        pause_a_little();
        wakes->sent = bench_now();
        atomic_fetch_add(&wakes->word, 1);
        syscall(SYS_futex, &wakes->word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
    }
}

static int take_time(const evlog_event *event, void *ctx)
{
    (void)ctx;
    wakes->took[event->seq - 1] = bench_now() - wakes->sent;
    atomic_store(&wakes->ready, (int)event->seq);
    return 0;
}

static void *wait_in_consumer(void *ctx)
{
    evlog *log;
    evlog_consumer *consumer;
    (void)ctx;
    CHECK(evlog_open(wakes->path, NULL, &log));
    CHECK(evlog_consumer_open(log, "waiter", NULL, &consumer));
    for (uint64_t done = 0, count_handed; done < WAKES; done += count_handed)
        CHECK(evlog_consumer_poll(consumer, 0, -1, take_time, NULL, &count_handed));
    CHECK(evlog_consumer_close(consumer));
    while (evlog_close(log)) /* the other thread is still in its send */
        pause_a_little();
    return NULL;
}

static void wake_consumer(void)
{
    evlog *log;
    evlog_signal *signal;
    CHECK(evlog_open(wakes->path, NULL, &log));
    CHECK(evlog_define(log, "org.example.wake.v1", 0, NULL, &signal));
    for (int i = 0; i < WAKES; i++) {
        while (atomic_load(&wakes->ready) != i)
            pause_a_little();
        pause_a_little();
        pause_a_little(); /* it writes its checkpoint first */
        wakes->sent = bench_now();
        CHECK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
        wakes->append[i] = bench_now() - wakes->sent;
    }
    while (evlog_close(log)) /* the consumer is still open in the other thread */
        pause_a_little();
}

/* One who waits, in a thread or in a process, and one who wakes, here. */
static void run_pair(int in_process, void *(*waiter)(void *), void (*waker)(void))
{
    pthread_t thread;
    pid_t pid = 0;
    int status = 0;
    atomic_store(&wakes->word, 0);
    atomic_store(&wakes->ready, 0);
    if (in_process && (pid = fork()) == 0) {
        waiter(NULL);
        _exit(0);
    }
    if (!in_process)
        CHECK(pthread_create(&thread, NULL, waiter, NULL));
    waker();
    if (in_process)
        waitpid(pid, &status, 0);
    else
        pthread_join(thread, NULL);
    CHECK(status);
}

static void compare_wakes(const char *name, int in_process)
{
    evlog *log;
    double ours[2], theirs[2], append;
    bench_fresh(home, "wake", wakes->path);
    CHECK(evlog_open(wakes->path, &(evlog_options){.durability = EVLOG_FAST}, &log));
    CHECK(evlog_close(log));
    run_pair(in_process, wait_in_consumer, wake_consumer);
    ours[0] = bench_quantile(wakes->took, WAKES, 0.5) * 1e6;
    ours[1] = bench_quantile(wakes->took, WAKES, 0.99) * 1e6;
    append = bench_quantile(wakes->append, WAKES, 0.5) * 1e6;
    run_pair(in_process, wait_on_futex, wake_futex);
    theirs[0] = bench_quantile(wakes->took, WAKES, 0.5) * 1e6;
    theirs[1] = bench_quantile(wakes->took, WAKES, 0.99) * 1e6;
    printf("%-38s %5.0f p99 %5.0f  bare futex %5.0f p99 %5.0f; the append alone %4.0f  %6.2f\n",
           name, ours[0], ours[1], theirs[0], theirs[1], append, ours[0] / theirs[0]);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    unsigned rounds = bench_begin(argc, argv, home);
    wakes = mmap(NULL, sizeof *wakes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (wakes == MAP_FAILED)
        return 1;
    printf("\nconsumers: events a second, medians of %u rounds\n\n", rounds);
    make_log();
    compare("consumer", plain_rate, "replay", replay_rate, rounds);
    compare("consumer with state", state_rate, "LMDB, get and put an event", raw_rate, rounds);
    CHECK(evlog_close(log_of_events));
    printf("\nfrom sending to a waiting consumer: us, medians of %d\n\n", WAKES);
    compare_wakes("another thread", 0);
    compare_wakes("another process", 1);
    return bench_end(home);
}
