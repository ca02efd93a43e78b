/*
 * A consumer that one thread is at work with and another stops: it is closed by either of them as
 * soon as it may be, while the other one is still on its way out. Run under both
 * sanitizers: what is touched too late is theirs to see.
 */
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>

#include "test.h"

#define TYPE "org.evlog.test.v1"
#define ROUNDS 200
#define HELD_US 50000

/* ------------------------------------------------- the calls it makes ---- */

/* A thread that wakes another one of its process is held up until this is 1, or for a while. */
static _Atomic(atomic_int *) hold_until;

long __real_syscall(long number, ...);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f);

/* Six arguments, as futex(2) has. */
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    atomic_int *until = hold_until;
    if (until && number == SYS_futex && b == FUTEX_WAKE_PRIVATE)
        for (unsigned us = 0; !*until && us < HELD_US; us += 100)
            usleep(100);
    return __real_syscall(number, a, b, c, d, e, f);
}

/* ------------------------------------------------------------- helpers ---- */

/* A thread at work with a consumer. */
struct work {
    evlog_consumer *consumer;
    int closes; /* it does so when it has been stopped */
    int result;
    atomic_int count, is_over;
};

static int take(const evlog_event *event, void *ctx)
{
    struct work *work = ctx;
    (void)event;
    work->count++;
    return 0;
}

static void *run(void *ctx)
{
    struct work *work = ctx;
    work->result = evlog_consumer_run(work->consumer, take, work);
    if (!work->result && work->closes)
        work->result = evlog_consumer_close(work->consumer);
    work->is_over = 1;
    return NULL;
}

static evlog *open_log(const void *home)
{
    evlog *log;
    evlog_signal *signal;
    OK(evlog_open(in(home, "log"), NULL, &log));
    OK(evlog_define(log, TYPE, 0, NULL, &signal));
    OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    return log;
}

/* Opens the consumer, with one event to come when it is new, and begins a thread with it. */
static pthread_t start(evlog *log, struct work *work, void *(*begin)(void *))
{
    pthread_t thread;
    evlog_consumer_options options = {.start = EVLOG_START_LAST, .start_count = 1};
    OK(evlog_consumer_open(log, "one", &options, &work->consumer));
    assert_int_equal(pthread_create(&thread, NULL, begin, work), 0);
    return thread;
}

/* ----------------------------------------------------------------- tests ---- */

/* A stopped thread may close: it waits for the one that stops it, if that is not through yet. */
static void it_is_closed_by_who_was_stopped(void **state)
{
    evlog *log = open_log(*state);
    struct work work = {.closes = 1};
    pthread_t thread = start(log, &work, run);
    while (!work.count)
        sched_yield();
    hold_until = &work.is_over;
    evlog_consumer_stop(work.consumer);
    hold_until = NULL;
    pthread_join(thread, NULL);
    OK(work.result);
    OK(evlog_close(log));
}

/* The same, as threads meet by chance. */
static void it_is_closed_at_any_moment_of_a_stop(void **state)
{
    evlog *log = open_log(*state);
    for (int i = 0; i < ROUNDS; i++) {
        struct work work = {.closes = 1};
        pthread_t thread = start(log, &work, run);
        for (int j = 0; j < i % 20; j++)
            sched_yield();
        evlog_consumer_stop(work.consumer);
        pthread_join(thread, NULL);
        OK(work.result);
    }
    OK(evlog_close(log));
}

static void *poll_once(void *ctx)
{
    struct work *work = ctx;
    work->result = evlog_consumer_poll(work->consumer, 1, -1, take, work, NULL);
    return NULL;
}

/* Another thread may close it, which is refused until the poll is over. */
static void it_is_closed_when_the_poll_is_over(void **state)
{
    evlog *log = open_log(*state);
    for (int i = 0; i < ROUNDS; i++) {
        struct work work = {.closes = 0};
        int result;
        pthread_t thread = start(log, &work, poll_once);
        while (!work.count)
            sched_yield();
        while ((result = evlog_consumer_close(work.consumer)) == EVLOG_BUSY)
            ;
        OK(result);
        pthread_join(thread, NULL);
        OK(work.result);
        OK(evlog_consumer_remove(log, "one"));
    }
    OK(evlog_close(log));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(it_is_closed_by_who_was_stopped),
        TEST_AT_HOME(it_is_closed_at_any_moment_of_a_stop),
        TEST_AT_HOME(it_is_closed_when_the_poll_is_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
