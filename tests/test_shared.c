/*
 * The file that processes share: it is made good whatever it holds, no wake-up is lost and
 * none is paid for when nobody waits, a mark outlives its holder.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "child.h"
#include "damage.h"
#include "load.h"
#include "shared.h"

#define FILE_SIZE (384 + 16 * SHARED_PROCESSES + 36 * SHARED_SLOTS)
#define ROUNDS 100000
#define HANG_SECONDS 30
#define LONG_US INT64_C(3600000000) /* nobody waits for that long: HANG_SECONDS kills first */

/* ------------------------------------------------- the calls it makes ---- */

static atomic_uint syscall_count;

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

/* Six arguments, as futex(2) has. */
long __wrap_syscall(long number, ...)
{
    long arguments[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++)
        arguments[i] = va_arg(list, long);
    va_end(list);
    syscall_count++;
    return __real_syscall(number, arguments[0], arguments[1], arguments[2], arguments[3],
                          arguments[4], arguments[5]);
}

/* ----------------------------------------------------------- a playground ---- */

/* What a test's processes know of each other, in memory that they share. */
struct common {
    _Atomic uint64_t ping, pong;
    atomic_int ready;
};

static struct common *make_common(void)
{
    struct common *common =
        mmap(NULL, sizeof *common, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(common, MAP_FAILED);
    return common;
}

/* What a child is to do, with what. */
struct job {
    const char *path;
    struct common *common;
};

static struct shared *open_shared(const void *home)
{
    struct shared *shared;
    OK(shared_open(in(home, "shared"), 0, &shared));
    return shared;
}

/* In a child. */
static struct shared *child_open(const struct job *job)
{
    struct shared *shared;
    CHECK(shared_open(job->path, 0, &shared) == EVLOG_OK);
    return shared;
}

static void wait_until_ready(struct common *common)
{
    while (!common->ready)
        usleep(100);
}

/* --------------------------------------------------------------- the file ---- */

/* It works as one that was just made: a wake ends a wait, a mark is had. */
static void works(struct shared *shared)
{
    uint32_t ticket = shared_ticket(shared);
    shared_wake(shared);
    shared_wait(shared, ticket, LONG_US);
    shared_mark_begin(shared, SHARED_SLOTS - 1, 77);
    assert_int_equal(shared_mark_get(shared, SHARED_SLOTS - 1).seq, 0);
    assert_int_equal(shared_mark_get(shared, SHARED_SLOTS - 1).most, 0);
    shared_mark_enter(shared, SHARED_SLOTS - 1, &(struct shared_mark){.seq = 5, .attempt = 2});
    assert_int_equal(shared_mark_get(shared, SHARED_SLOTS - 1).seq, 5);
}

/* A file that is not there, is empty or too short is made as long as it has to be, in full. */
static void a_short_file_is_made_good(void **state)
{
    static const off_t sizes[] = {-1, 0, 3, 100, FILE_SIZE - 1, FILE_SIZE, 2 * FILE_SIZE};
    const char *path = in(*state, "shared");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct stat status;
        if (sizes[i] >= 0)
            file_write(path, "", 0);
        if (sizes[i] >= 0)
            assert_int_equal(truncate(path, sizes[i]), 0);
        struct shared *shared = open_shared(*state);
        works(shared);
        shared_close(shared);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_size, sizes[i] > FILE_SIZE ? sizes[i] : FILE_SIZE);
        assert_int_equal(unlink(path), 0);
    }
}

/* Whatever bytes are in it, it works. */
static void garbage_does_no_harm(void **state)
{
    static unsigned char bytes[FILE_SIZE];
    uint64_t random = load_seed();
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = round ? (unsigned char)load_random(&random, 256) : 0xff;
        file_write(in(*state, "shared"), bytes, sizeof bytes);
        struct shared *shared = open_shared(*state);
        works(shared);
        shared_close(shared);
    }
}

/* What cannot be a file of ours is refused, and reported. */
static void a_directory_in_its_place_is_refused(void **state)
{
    struct shared *shared = (void *)1;
    assert_int_equal(mkdir(in(*state, "shared"), 0700), 0);
    FAILS(EVLOG_UNSUPPORTED, "shared: is not a regular file",
          shared_open(in(*state, "shared"), 0, &shared));
    assert_ptr_equal(shared, (void *)1);
}

/* A reader makes no file; without one it sleeps for a moment, and nobody has anything. */
static void a_reader_gets_on_without_it(void **state)
{
    struct shared *shared = (void *)1;
    OK(shared_open(in(*state, "shared"), 1, &shared));
    assert_null(shared);
    assert_int_equal(access(in(*state, "shared"), F_OK), -1);
    shared_wake(shared);
    shared_wait(shared, shared_ticket(shared), LONG_US);
    shared_close(shared);
}

/* -------------------------------------------------------------- cut short ---- */

/* A file that is cut short while it is mapped is noticed, and touched no more. */
static void use_a_short_file(void *ctx)
{
    struct shared *shared;
    CHECK(shared_open(in(ctx, "shared"), false, &shared) == EVLOG_OK);
    CHECK(shared_check(shared, false) == EVLOG_OK);
    CHECK(truncate(in(ctx, "shared"), FILE_SIZE - 1) == 0);
    CHECK_FAILS(EVLOG_IO, "shared: was cut short", shared_check(shared, false));
    CHECK(truncate(in(ctx, "shared"), FILE_SIZE) == 0);
    CHECK_FAILS(EVLOG_IO, "shared: was cut short", shared_check(shared, true));
    CHECK(truncate(in(ctx, "shared"), 0) == 0);
    shared_wake(shared);
    shared_wait(shared, shared_ticket(shared), LONG_US);
    shared_mark_begin(shared, 5, 1);
    shared_mark_leave(shared, 5);
    CHECK(!shared_has_failed(shared));
    shared_close(shared);
}

static void a_file_that_is_cut_short_is_noticed(void **state)
{
    in_child(use_a_short_file, *state);
}

/* What a process does that has a log open, while another cuts the file short. */
static void use_a_log(void *ctx)
{
    evlog *log, *fast;
    evlog_signal *signal, *fast_signal;
    evlog_consumer *consumer;
    uint64_t last, next = 1;
    const evlog_event *event;
    CHECK(evlog_open(in(ctx, "durable"), NULL, &log) == EVLOG_OK);
    CHECK(evlog_open(in(ctx, "fast"), &(evlog_options){.durability = EVLOG_FAST}, &fast) ==
          EVLOG_OK);
    CHECK(evlog_define(log, "a.v1", 0, NULL, &signal) == EVLOG_OK);
    CHECK(evlog_define(fast, "a.v1", 0, NULL, &fast_signal) == EVLOG_OK);
    CHECK(evlog_send_event(signal, "\x80", 1, NULL, NULL) == EVLOG_OK);
    CHECK(evlog_send_event(fast_signal, "\x80", 1, NULL, NULL) == EVLOG_OK);
    CHECK(evlog_consumer_open(log, "c", NULL, &consumer) == EVLOG_OK);
    usleep(50000); /* past the time in which it is not looked at */
    CHECK(truncate(in(ctx, "durable/shared"), 0) == 0);
    CHECK(truncate(in(ctx, "fast/shared"), 0) == 0);
    CHECK_FAILS(EVLOG_IO, "cut short", evlog_send_event(signal, "\x80", 1, NULL, NULL));
    CHECK_FAILS(EVLOG_IO, "cut short", evlog_send_event(fast_signal, "\x80", 1, NULL, NULL));
    CHECK_FAILS(EVLOG_IO, "cut short", evlog_consumer_next(consumer, 0, &event));
    CHECK(evlog_wait(log, next, 50, &last) == EVLOG_OK && last == 1);
    CHECK_FAILS(EVLOG_IO, "cut short", evlog_sync(fast));
    CHECK(evlog_consumer_close(consumer) == EVLOG_OK); /* there was nothing to write */
    CHECK_FAILS(EVLOG_IO, "cut short", evlog_close(log));
    CHECK_FAILS(EVLOG_IO, "cut short", evlog_close(fast));
    CHECK(evlog_open(in(ctx, "durable"), NULL, &log) == EVLOG_OK);
    CHECK(evlog_define(log, "a.v1", 0, NULL, &signal) == EVLOG_OK);
    CHECK(evlog_send_event(signal, "\x80", 1, NULL, NULL) == EVLOG_OK);
    CHECK(evlog_verify(log, NULL, NULL, NULL) == EVLOG_OK);
    CHECK(evlog_close(log) == EVLOG_OK);
}

/* Under a log: EVLOG_IO, no SIGBUS; closed and opened again all is well. */
static void a_log_survives_that_it_is_cut_short(void **state)
{
    in_child(use_a_log, *state);
}

/* ---------------------------------------------------------------- waking ---- */

/* Waits until `*value` is at least `least`, as evlog_wait does it. */
static void wait_for(struct shared *shared, _Atomic uint64_t *value, uint64_t least)
{
    while (*value < least) {
        uint32_t ticket = shared_ticket(shared);
        if (*value < least)
            shared_wait(shared, ticket, LONG_US);
    }
}

/* A commit: a plain store, so that the order is shared_wake's to keep. */
static void announce(struct shared *shared, _Atomic uint64_t *value, uint64_t now)
{
    atomic_store_explicit(value, now, memory_order_relaxed);
    shared_wake(shared);
}

static void answer_pings(void *ctx)
{
    struct job *job = ctx;
    struct shared *shared = child_open(job);
    for (uint64_t i = 1; i <= ROUNDS; i++) {
        wait_for(shared, &job->common->ping, i);
        announce(shared, &job->common->pong, i);
    }
}

/*
 * Two processes that wait for each other, thousands of times: were one wake-up lost, both
 * would wait for ever, and be killed.
 */
static void no_wake_up_is_lost(void **state)
{
    struct common *common = make_common();
    struct shared *shared = open_shared(*state);
    struct job job = {.path = in(*state, "shared"), .common = common};
    pid_t child = child_start(answer_pings, &job);
    alarm(HANG_SECONDS);
    for (uint64_t i = 1; i <= ROUNDS; i++) {
        announce(shared, &common->ping, i);
        wait_for(shared, &common->pong, i);
    }
    assert_int_equal(child_wait(child), 0);
    alarm(0);
    shared_close(shared);
}

static void wait_for_all(void *ctx)
{
    struct job *job = ctx;
    struct shared *shared = child_open(job);
    job->common->ready++;
    wait_for(shared, &job->common->ping, ROUNDS);
}

/* One wake ends the waits of all, whenever they took their tickets. */
static void a_wake_is_for_everybody(void **state)
{
    struct common *common = make_common();
    struct shared *shared = open_shared(*state);
    struct job job = {.path = in(*state, "shared"), .common = common};
    pid_t children[4];
    for (int i = 0; i < 4; i++)
        children[i] = child_start(wait_for_all, &job);
    alarm(HANG_SECONDS);
    while (common->ready < 4)
        usleep(100);
    for (uint64_t i = 1; i <= ROUNDS; i++) {
        announce(shared, &common->ping, i);
    }
    for (int i = 0; i < 4; i++)
        assert_int_equal(child_wait(children[i]), 0);
    alarm(0);
    shared_close(shared);
}

/* A commit makes no system call when nobody waits, and one when somebody does, or did. */
static void a_wake_costs_nothing_when_nobody_waits(void **state)
{
    struct shared *shared = open_shared(*state);
    syscall_count = 0;
    for (int i = 0; i < 1000; i++)
        shared_wake(shared);
    assert_int_equal(syscall_count, 0);
    shared_ticket(shared);
    shared_ticket(shared);
    assert_int_equal(syscall_count, 0);
    for (int i = 0; i < 1000; i++)
        shared_wake(shared);
    assert_int_equal(syscall_count, 1);
    shared_close(shared);
}

/* A wake since the ticket was taken is not slept over; a time that is up ends a wait. */
static void an_old_ticket_does_not_wait(void **state)
{
    struct shared *shared = open_shared(*state);
    uint32_t ticket = shared_ticket(shared);
    alarm(HANG_SECONDS);
    shared_wake(shared);
    shared_wait(shared, ticket, LONG_US);
    shared_wait(shared, shared_ticket(shared), 1000);
    alarm(0);
    shared_close(shared);
}

static void wait_for_ever(void *ctx)
{
    struct job *job = ctx;
    struct shared *shared = child_open(job);
    uint32_t ticket = shared_ticket(shared);
    job->common->ready = 1;
    for (;;)
        shared_wait(shared, ticket, LONG_US);
}

/* A process that is killed while it waits leaves nothing but one wake for nobody. */
static void a_killed_waiter_leaves_nothing_to_repair(void **state)
{
    struct common *common = make_common();
    struct shared *shared = open_shared(*state);
    struct job job = {.path = in(*state, "shared"), .common = common};
    pid_t child = child_start(wait_for_ever, &job);
    wait_until_ready(common);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(child_wait(child), 128 + SIGKILL);
    syscall_count = 0;
    for (int i = 0; i < 100; i++)
        shared_wake(shared);
    assert_int_equal(syscall_count, 1);
    works(shared);
    shared_close(shared);
}

/* ----------------------------------------------------------------- marks ---- */

static void mark_and_die(void *ctx)
{
    struct shared *shared = child_open(ctx);
    shared_mark_begin(shared, 3, 1234);
    shared_mark_enter(shared, 3, &(struct shared_mark){.seq = 900, .attempt = 1, .inside = 1});
    shared_mark_enter(shared, 3, &(struct shared_mark){.seq = 800, .attempt = 7, .inside = 4});
    kill(getpid(), SIGKILL);
}

/* A mark is there when its holder was killed, for the consumer with its tag; another's is forgotten. */
static void a_mark_outlives_its_holder(void **state)
{
    struct job job = {.path = in(*state, "shared")};
    struct shared *shared = open_shared(*state);
    assert_int_equal(child_wait(child_start(mark_and_die, &job)), 128 + SIGKILL);
    shared_mark_begin(shared, 3, 1234);
    struct shared_mark mark = shared_mark_get(shared, 3);
    assert_int_equal(mark.seq, 800);
    assert_int_equal(mark.attempt, 7);
    assert_int_equal(mark.inside, 4);
    assert_int_equal(mark.most, 900);
    shared_mark_leave(shared, 3);
    mark = shared_mark_get(shared, 3);
    assert_int_equal(mark.seq, 800);
    assert_int_equal(mark.inside, 0);
    assert_int_equal(shared_mark_get(shared, 2).seq + shared_mark_get(shared, 4).seq, 0);
    shared_mark_begin(shared, 3, 1235);
    mark = shared_mark_get(shared, 3);
    assert_int_equal(mark.seq + mark.attempt + mark.inside + mark.most, 0);
    shared_close(shared);
}

/* The greatest seq there can be has its place; attempts end at the most that can be written. */
static void marks_have_their_limits(void **state)
{
    struct shared *shared = open_shared(*state);
    uint64_t seq = (UINT64_C(1) << 48) - 1;
    shared_mark_begin(shared, 0, 1);
    shared_mark_enter(shared, 0, &(struct shared_mark){.seq = seq, .attempt = 65535});
    assert_int_equal(shared_mark_get(shared, 0).seq, seq);
    assert_int_equal(shared_mark_get(shared, 0).attempt, 65535);
    shared_mark_enter(shared, 0, &(struct shared_mark){.seq = seq, .attempt = 65536});
    assert_int_equal(shared_mark_get(shared, 0).seq, seq);
    assert_int_equal(shared_mark_get(shared, 0).attempt, 65535);
    shared_close(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(a_short_file_is_made_good),
        TEST_AT_HOME(garbage_does_no_harm),
        TEST_AT_HOME(a_directory_in_its_place_is_refused),
        TEST_AT_HOME(a_reader_gets_on_without_it),
        TEST_AT_HOME(a_file_that_is_cut_short_is_noticed),
        TEST_AT_HOME(a_log_survives_that_it_is_cut_short),
        TEST_AT_HOME(no_wake_up_is_lost),
        TEST_AT_HOME(a_wake_is_for_everybody),
        TEST_AT_HOME(a_wake_costs_nothing_when_nobody_waits),
        TEST_AT_HOME(an_old_ticket_does_not_wait),
        TEST_AT_HOME(a_killed_waiter_leaves_nothing_to_repair),
        TEST_AT_HOME(a_mark_outlives_its_holder),
        TEST_AT_HOME(marks_have_their_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
