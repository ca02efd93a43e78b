/*
 * Many processes of many threads send to one log at once while others replay it: one order,
 * the same for all, with every event in it once.
 */
#include <lmdb.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "load.h"

#define SENDERS 8
#define READERS 3
#define THREADS 8
#define SENDS 40 /* of a thread */
#define BATCH 5  /* every fifth send is of so many events */
#define EVENTS (SENDERS * THREADS * (SENDS - SENDS / 5 + SENDS / 5 * BATCH))
#define MAP_SIZE_SMALL ((size_t)256 << 10)

/* What all processes see. */
struct shared {
    _Atomic int started, sending, failed, grown;
    uint64_t order[EVENTS + 1]; /* by seq, what the parent found at the end */
    uint64_t seen[READERS][EVENTS + 1];
    uint64_t replay_count[READERS];
};

static struct shared *shared;

int __real_mdb_env_set_mapsize(MDB_env *env, size_t size);
int __wrap_mdb_env_set_mapsize(MDB_env *env, size_t size);

/* The first map is small here, so that it is grown, and followed, in the thick of it. */
int __wrap_mdb_env_set_mapsize(MDB_env *env, size_t size)
{
    if (size == (size_t)64 << 20)
        size = MAP_SIZE_SMALL;
    else if (size > 0)
        shared->grown++;
    return __real_mdb_env_set_mapsize(env, size);
}

/* A number for each event: of its thread, its send and its place there. */
static uint64_t name_of(const struct load *load)
{
    return load->number << 8 | load->index | 1 << 7;
}

static void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, evlog_errmsg());
    shared->failed = 1;
    _exit(1);
}

/* ------------------------------------------------------------ senders ---- */

struct sender {
    evlog_signal *signal;
    uint64_t base;
};

static void send_many(struct sender *sender, uint64_t number)
{
    static _Thread_local unsigned char data[BATCH][LOAD_SIZE_MAX];
    evlog_sending sends[BATCH];
    evlog_sent sent[BATCH];
    for (uint32_t i = 0; i < BATCH; i++) {
        size_t size =
            load_make((struct load){.number = number, .index = i, .count = BATCH}, data[i]);
        sends[i] = (evlog_sending){.signal = sender->signal, .data = data[i], .data_size = size};
    }
    if (evlog_send_events(sends, BATCH, NULL, sent))
        die("sending many");
    uint64_t first = sent[0].seq;
    for (uint32_t i = 0; i < BATCH; i++) {
        if (sent[i].seq != first + i)
            die("not side by side");
        evlog_sent_free(&sent[i]);
    }
}

static void *send_all(void *ctx)
{
    struct sender *sender = ctx;
    static _Thread_local unsigned char data[LOAD_SIZE_MAX];
    uint64_t last = 0;
    for (uint64_t i = 0; i < SENDS; i++) {
        struct load load = {.number = sender->base + i, .count = 1};
        evlog_sent sent;
        if (i % 5 == 4) {
            send_many(sender, load.number);
            continue;
        }
        if (evlog_send_event(sender->signal, data, load_make(load, data), NULL, &sent))
            die("sending");
        if (sent.seq <= last)
            die("the seqs of a thread step back");
        last = sent.seq;
        evlog_sent_free(&sent);
    }
    return NULL;
}

static void send_from_threads(const char *path, uint64_t process)
{
    evlog *log;
    evlog_signal *signal;
    pthread_t threads[THREADS];
    struct sender senders[THREADS];
    if (evlog_open(path, NULL, &log) || evlog_define(log, LOAD_TYPE, 0, NULL, &signal))
        die("opening");
    shared->started++;
    while (shared->started < SENDERS)
        usleep(100);
    for (uint64_t i = 0; i < THREADS; i++) {
        senders[i] = (struct sender){signal, (process << 8 | i) << 16};
        if (pthread_create(&threads[i], NULL, send_all, &senders[i]))
            die("starting a thread");
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    if (evlog_close(log))
        die("closing");
    shared->sending--;
    _exit(0);
}

/* ------------------------------------------------------------ readers ---- */

struct look {
    uint64_t *seen;
    uint64_t last_seq;
    int64_t log_time_us;
};

/* Seqs dense, times never back, data whole, and each seq the event it was the time before. */
static int look_at(const evlog_event *event, void *ctx)
{
    struct look *look = ctx;
    struct load load;
    if (event->seq != look->last_seq + 1 || event->seq > EVENTS)
        return evlog_fail("seqs are not dense from 1");
    if (event->log_time_us < look->log_time_us)
        return evlog_fail("log time steps back");
    if (!load_known(event, &load))
        return evlog_fail("it is not as it was sent");
    if (look->seen[event->seq] && look->seen[event->seq] != name_of(&load))
        return evlog_fail("it is another one than the last time");
    look->seen[event->seq] = name_of(&load);
    look->last_seq = event->seq;
    look->log_time_us = event->log_time_us;
    return 0;
}

/* Again and again, until the senders are done; every other reader only reads. */
static void replay_again_and_again(const char *path, int reader)
{
    evlog *log;
    uint64_t before = 0;
    int last;
    if (evlog_open(path, &(evlog_options){.read_only = reader % 2}, &log))
        die("opening to read");
    do {
        struct look look = {.seen = shared->seen[reader]};
        last = shared->sending == 0;
        if (evlog_replay(log, NULL, look_at, &look, NULL))
            die("replaying");
        if (look.last_seq < before)
            die("the log became shorter");
        before = look.last_seq;
        shared->replay_count[reader]++;
    } while (!last && !shared->failed);
    if (before != EVENTS || evlog_close(log))
        die("the end");
    _exit(0);
}

/* ----------------------------------------------------------------- tests ---- */

/* Each thread's sends in its own order, none missing, none twice, many side by side. */
static void check_order(const uint64_t order[EVENTS + 1])
{
    uint64_t next[SENDERS][THREADS] = {{0}};
    for (uint64_t seq = 1; seq <= EVENTS; seq++) {
        uint64_t number = order[seq] >> 8;
        uint64_t *expected = &next[number >> 24][number >> 16 & 255];
        assert_int_equal(order[seq] & 127, 0);
        assert_int_equal(number & 0xffff, *expected);
        for (unsigned i = 1; *expected % 5 == 4 && i < BATCH; i++)
            assert_int_equal(order[++seq], number << 8 | i | 1 << 7);
        ++*expected;
    }
    for (int i = 0; i < SENDERS * THREADS; i++)
        assert_int_equal(next[i / THREADS][i % THREADS], SENDS);
}

static void run_processes(const char *path)
{
    pid_t pids[SENDERS + READERS];
    shared->sending = SENDERS;
    fflush(NULL);
    for (int i = 0; i < SENDERS + READERS; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0 && i < SENDERS)
            send_from_threads(path, (uint64_t)i);
        if (pids[i] == 0)
            replay_again_and_again(path, i - SENDERS);
    }
    for (int i = 0; i < SENDERS + READERS; i++) {
        int status;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        if (status) {
            shared->failed = 1;
            shared->sending = 0;
        }
    }
    assert_false(shared->failed);
}

static void send_at_once(void **state, int durability)
{
    evlog *log;
    char *path = strdup(in(*state, "log"));
    uint64_t checked;
    shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    OK(evlog_open(path, &(evlog_options){.durability = durability}, &log));
    OK(evlog_close(log));
    run_processes(path);
    OK(evlog_open(path, NULL, &log));
    struct look look = {.seen = shared->order};
    OK(evlog_verify(log, NULL, NULL, &checked));
    assert_int_equal(checked, EVENTS);
    OK(evlog_replay(log, NULL, look_at, &look, NULL));
    assert_int_equal(look.last_seq, EVENTS);
    check_order(shared->order);
    assert_true(shared->grown > 2);
    for (int i = 0; i < READERS; i++) {
        assert_memory_equal(shared->seen[i], shared->order, sizeof shared->order);
        printf("reader %d replayed %" PRIu64 " times\n", i, shared->replay_count[i]);
    }
    OK(evlog_close(log));
    munmap(shared, sizeof *shared);
    free(path);
}

/* 8 processes of 8 threads, each send on the disk: one dense order, the same for all. */
static void durable_sends_have_one_order(void **state)
{
    send_at_once(state, EVLOG_DURABLE);
}

/* The same without waiting for the disk. */
static void fast_sends_have_one_order(void **state)
{
    send_at_once(state, EVLOG_FAST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(durable_sends_have_one_order),
        TEST_AT_HOME(fast_sends_have_one_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
