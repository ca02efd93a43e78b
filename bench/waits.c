/*
 * From a send to what waits for it: a consumer in another process or thread, beside a bare futex; Redis's XREAD
 * is in peers.c.
 *
 * The clock starts before the send (of a fast log), so the append is in the time; the waiter stops it when it has
 * the event. Between two sends the waiter has PAUSE_US to go to sleep: a consumer writes its checkpoint first, which
 * is flushed.
 */
#include "waits.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define PAUSE_US 10000

void waits_note(struct waits *waits, unsigned i)
{
    waits->times[i] = bench_now() - waits->sent;
    atomic_store(&waits->ready, i + 1);
}

static void pause_a_little(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
}

struct pair {
    const struct waiting *waiting;
    struct waits *waits;
    unsigned count;
};

static void *run_waiter(void *ctx)
{
    struct pair *pair = ctx;
    pair->waiting->wait(pair->waits, pair->count);
    return NULL;
}

static void send_all(const struct pair *pair, void *ctx)
{
    for (unsigned i = 0; i < pair->count; i++) {
        while (atomic_load(&pair->waits->ready) != i)
            pause_a_little();
        usleep(PAUSE_US);
        pair->waits->sent = bench_now();
        pair->waiting->send(ctx);
    }
}

unsigned waits_measure(const struct waiting *waiting, const struct shape *shape, double *times)
{
    size_t size = sizeof(struct waits) + shape->calls * sizeof(double);
    struct waits *waits =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct pair pair = {waiting, waits, shape->calls};
    pthread_t thread;
    pid_t pid = 0;
    int status = 0;
    CHECK(waits == MAP_FAILED);
    snprintf(waits->path, sizeof waits->path, "%s", waiting->path ? waiting->path : "");
    if (!waiting->in_thread && (pid = fork()) == 0) {
        run_waiter(&pair);
        _exit(0);
    }
    if (waiting->in_thread)
        CHECK(pthread_create(&thread, NULL, run_waiter, &pair));
    void *ctx = waiting->open ? waiting->open(waiting->path, shape) : waits;
    send_all(&pair, ctx);
    if (waiting->in_thread)
        pthread_join(thread, NULL);
    else
        waitpid(pid, &status, 0);
    CHECK(status);
    if (waiting->close)
        waiting->close(ctx);
    memcpy(times, waits->times, shape->calls * sizeof(double));
    munmap(waits, size);
    return shape->calls;
}

/* --------------------------------------------------------------- evlog ---- */

static int take(const evlog_event *event, void *ctx)
{
    waits_note(ctx, (unsigned)event->seq - 1);
    return 0;
}

static void wait_in_consumer(struct waits *waits, unsigned count)
{
    evlog *log;
    evlog_consumer *consumer;
    CHECK(evlog_open(waits->path, &(evlog_options){.durability = EVLOG_FAST}, &log));
    CHECK(evlog_consumer_open(log, "waiter", NULL, &consumer));
    for (uint64_t done = 0, handed; done < count; done += handed)
        CHECK(evlog_consumer_poll(consumer, 0, -1, take, waits, &handed));
    CHECK(evlog_consumer_close(consumer));
    while (evlog_close(log)) /* the other thread is still in its send */
        pause_a_little();
}

static void send_one(void *ctx)
{
    static const struct shape one = {.size = 256, .batch = 1};
    ours_fast.send(ctx, 0, &one);
}

static void *keep_path(const char *path, const struct shape *shape)
{
    (void)shape;
    return strdup(path);
}

/* A new log each time, so that seqs count the sends. */
static unsigned wait_for_events(void *ctx, const struct shape *shape, double *times,
                                bool in_thread)
{
    char command[4300];
    snprintf(command, sizeof command, "rm -rf '%s'", (const char *)ctx);
    CHECK(system(command));
    ours_fast.close(ours_fast.open(ctx, shape));
    return waits_measure(&(struct waiting){.path = ctx,
                                           .in_thread = in_thread,
                                           .wait = wait_in_consumer,
                                           .open = ours_fast.open,
                                           .send = send_one,
                                           .close = ours_fast.close},
                         shape, times);
}

static unsigned wait_in_process(void *ctx, const struct shape *shape, double *times)
{
    return wait_for_events(ctx, shape, times, false);
}

static unsigned wait_in_thread(void *ctx, const struct shape *shape, double *times)
{
    return wait_for_events(ctx, shape, times, true);
}

/* --------------------------------------------------------- a bare futex ---- */

static void wait_on_futex(struct waits *waits, unsigned count)
{
    for (uint32_t i = 0; i < count; i++) {
        while (atomic_load(&waits->word) == i)
            syscall(SYS_futex, &waits->word, FUTEX_WAIT, i, NULL, NULL, 0);
        waits_note(waits, i);
    }
}

static void wake_futex(void *ctx)
{
    struct waits *waits = ctx;
    atomic_fetch_add(&waits->word, 1);
    syscall(SYS_futex, &waits->word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static unsigned futex_in_process(void *ctx, const struct shape *shape, double *times)
{
    (void)ctx;
    return waits_measure(&(struct waiting){.wait = wait_on_futex, .send = wake_futex}, shape,
                         times);
}

static unsigned futex_in_thread(void *ctx, const struct shape *shape, double *times)
{
    (void)ctx;
    return waits_measure(
        &(struct waiting){.in_thread = true, .wait = wait_on_futex, .send = wake_futex}, shape,
        times);
}

const struct subject ours_wait = {
    .name = "evlog, fast", .open = keep_path, .run = wait_in_process, .close = free};
const struct subject ours_wait_thread = {
    .name = "evlog, fast", .open = keep_path, .run = wait_in_thread, .close = free};
const struct subject futex_wait = {.name = "a bare futex", .run = futex_in_process};
const struct subject futex_wait_thread = {.name = "a bare futex", .run = futex_in_thread};
