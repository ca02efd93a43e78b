/*
 * Whose a consumer is: one process's, whatever becomes of the file `shared`; and what a process writes
 * that is not its owner any more is refused, so that no event is counted twice.
 */
#include <signal.h>
#include <stdatomic.h>

#include "child.h"
#include "consume.h"
#include "consumer.h"
#include "damage.h"
#include "processes.h"

#define EVENTS 100

static const char *home;
static atomic_int *step; /* how far the child has come */

static int make_log(void **state)
{
    if (make_home(state))
        return -1;
    home = *state;
    step = map_shared(sizeof *step);
    evlog *log;
    evlog_signal *signal;
    OK(evlog_open(in(home, "log"), NULL, &log));
    OK(evlog_define(log, "a.v1", 0, NULL, &signal));
    send_some(signal, EVENTS);
    return evlog_close(log);
}

static int remove_log(void **state)
{
    munmap((void *)step, sizeof *step);
    return remove_home(state);
}

/* In a child: until its parent has come so far. */
static void wait_for_step(int wanted)
{
    while (*step < wanted)
        usleep(100);
}

/* In a child. */
static void open_consumer(evlog **log, evlog_consumer **consumer)
{
    CHECK(evlog_open(in(home, "log"), NULL, log) == EVLOG_OK);
    CHECK(evlog_consumer_open(*log, "c", &(evlog_consumer_options){.attempt_max = 1}, consumer) ==
          EVLOG_OK);
}

/* A receiver that counts the events, in the consumer's state. */
static int count_event(const evlog_event *event, void *ctx)
{
    const void *value;
    size_t size;
    uint64_t count = 0;
    (void)event;
    int result = evlog_state_get(ctx, "n", 1, &value, &size);
    if (result == EVLOG_OK)
        memcpy(&count, value, sizeof count);
    else if (result != EVLOG_NOTFOUND)
        return result;
    count++;
    return evlog_state_put(ctx, "n", 1, &count, sizeof count);
}

/* So many events were counted, by whomever. */
static void counted(evlog *log, uint64_t expected)
{
    evlog_consumer *consumer;
    const void *value;
    size_t size;
    uint64_t count;
    OK(evlog_consumer_open(log, "c", NULL, &consumer));
    OK(evlog_state_get(consumer, "n", 1, &value, &size));
    memcpy(&count, value, sizeof count);
    assert_int_equal(count, expected);
    assert_int_equal(consumer->entry.checkpoint, expected);
    OK(evlog_consumer_close(consumer));
}

/* -------------------------------------------------------- the file `shared` ---- */

static void consume_half(void *ctx)
{
    evlog *log;
    evlog_consumer *consumer;
    (void)ctx;
    open_consumer(&log, &consumer);
    CHECK(evlog_consumer_poll(consumer, EVENTS / 2, 0, count_event, consumer, NULL) == EVLOG_OK);
    CHECK(evlog_consumer_commit(consumer) == EVLOG_OK);
    *step = 1;
    wait_for_step(2);
    CHECK(evlog_consumer_poll(consumer, 1, 0, count_event, consumer, NULL) == EVLOG_IO);
    *step = 3;
    for (;;)
        pause();
}

/* Puts a copy of `shared` in its place. */
static void replace_shared(void)
{
    struct bytes bytes = file_read(in(home, "log/shared"));
    file_write(in(home, "copy"), bytes.at, bytes.size);
    assert_int_equal(rename(in(home, "copy"), in(home, "log/shared")), 0);
    free(bytes.at);
}

/*
 * The file `shared` is replaced under a consumer: no other process gets the consumer while its process
 * lives, which itself commits nothing more; when it is dead each event is counted once.
 */
static void a_replaced_shared_frees_no_consumer(void **state)
{
    evlog *log;
    evlog_consumer *consumer;
    (void)state;
    pid_t child = child_start(consume_half, NULL);
    wait_for_child(child, step, 1);
    replace_shared();
    OK(evlog_open(in(home, "log"), NULL, &log));
    FAILS(EVLOG_BUSY, "process", evlog_consumer_open(log, "c", NULL, &consumer));
    FAILS(EVLOG_BUSY, "process", evlog_consumer_remove(log, "c"));
    assert_int_equal(info_of(log, "c").pid, child);
    *step = 2;
    wait_for_child(child, step, 3);
    FAILS(EVLOG_BUSY, "process", evlog_consumer_open(log, "c", NULL, &consumer));
    kill_process(child);
    OK(evlog_consumer_open(log, "c", NULL, &consumer));
    OK(evlog_consumer_poll(consumer, 0, 0, count_event, consumer, NULL));
    OK(evlog_consumer_close(consumer));
    counted(log, EVENTS);
    OK(evlog_close(log));
}

/* It is deleted: while a process has the log open no other can open it, and no other file is made. */
static void a_deleted_shared_frees_no_consumer(void **state)
{
    evlog *log;
    evlog_consumer *consumer;
    (void)state;
    pid_t child = child_start(consume_half, NULL);
    wait_for_child(child, step, 1);
    assert_int_equal(unlink(in(home, "log/shared")), 0);
    for (int i = 0; i < 2; i++)
        FAILS(EVLOG_IO, "was deleted", evlog_open(in(home, "log"), NULL, &log));
    *step = 2;
    wait_for_child(child, step, 3);
    kill_process(child);
    OK(evlog_open(in(home, "log"), NULL, &log));
    OK(evlog_consumer_open(log, "c", NULL, &consumer));
    OK(evlog_consumer_poll(consumer, 0, 0, count_event, consumer, NULL));
    OK(evlog_consumer_close(consumer));
    counted(log, EVENTS);
    OK(evlog_close(log));
}

/* ------------------------------------------------------------ a lost claim ---- */

/* Has the consumer, with events that are counted and not committed; loses its claim, and is stopped. */
static void lose_the_claim(evlog **log, evlog_consumer **consumer)
{
    open_consumer(log, consumer);
    CHECK(evlog_consumer_poll(*consumer, 10, 0, count_event, *consumer, NULL) == EVLOG_OK);
    CHECK(evlog_consumer_commit(*consumer) == EVLOG_OK);
    for (int i = 0; i < 10; i++) {
        const evlog_event *event;
        CHECK(evlog_consumer_next(*consumer, 0, &event) == EVLOG_OK && event);
        CHECK(count_event(event, *consumer) == EVLOG_OK);
        if (i < 9)
            CHECK(evlog_consumer_done(*consumer, event->seq) == EVLOG_OK);
    }
    presence_release(&(*log)->store->presence, (*consumer)->claim.slot);
    *step = 1;
    raise(SIGSTOP);
}

/* All that the old owner then tries is refused, and names who has the consumer. */
static void nothing_is_written_any_more(evlog *log, evlog_consumer *consumer, const char *who)
{
    const evlog_event *event = NULL;
    (void)log;
    CHECK_FAILS(EVLOG_BUSY, who, evlog_consumer_commit(consumer));
    for (int i = 0; i < 3; i++)
        CHECK_FAILS(EVLOG_BUSY, who, evlog_consumer_next(consumer, 0, &event));
    CHECK_FAILS(EVLOG_BUSY, who,
                evlog_consumer_poll(consumer, 0, 0, count_event, consumer, NULL));
    CHECK_FAILS(EVLOG_BUSY, who, evlog_consumer_commit(consumer));
    CHECK_FAILS(EVLOG_BUSY, who, evlog_consumer_close(consumer));
    CHECK(event == NULL);
    CHECK(evlog_close(log) == EVLOG_OK);
}

static void be_an_old_owner(void *ctx)
{
    evlog *log;
    evlog_consumer *consumer;
    char who[32];
    (void)ctx;
    lose_the_claim(&log, &consumer);
    snprintf(who, sizeof who, "process %d ", (int)getppid());
    nothing_is_written_any_more(log, consumer, who);
}

static void wait_until_stopped(pid_t child)
{
    int status;
    assert_int_equal(waitpid(child, &status, WUNTRACED), child);
    assert_true(WIFSTOPPED(status));
}

/*
 * A stopped process whose claim was lost: another takes the consumer over and goes on from its
 * checkpoint. What the first one has not committed is refused, nothing is counted twice.
 */
static void an_old_owner_commits_nothing(void **state)
{
    evlog *log;
    evlog_consumer *consumer;
    (void)state;
    pid_t child = child_start(be_an_old_owner, NULL);
    wait_until_stopped(child);
    OK(evlog_open(in(home, "log"), NULL, &log));
    OK(evlog_consumer_open(log, "c", NULL, &consumer));
    OK(evlog_consumer_poll(consumer, 5, 0, count_event, consumer, NULL));
    OK(evlog_consumer_commit(consumer));
    assert_int_equal(kill(child, SIGCONT), 0);
    assert_int_equal(child_wait(child), 0);
    OK(evlog_consumer_poll(consumer, 0, 0, count_event, consumer, NULL));
    OK(evlog_consumer_close(consumer));
    counted(log, EVENTS);
    OK(evlog_close(log));
}

/* Likewise when the new owner has only opened the consumer, and its checkpoint is still the same. */
static void opening_is_enough_to_take_over(void **state)
{
    evlog *log;
    evlog_consumer *consumer;
    (void)state;
    pid_t child = child_start(be_an_old_owner, NULL);
    wait_until_stopped(child);
    OK(evlog_open(in(home, "log"), NULL, &log));
    OK(evlog_consumer_open(log, "c", NULL, &consumer));
    assert_int_equal(kill(child, SIGCONT), 0);
    assert_int_equal(child_wait(child), 0);
    OK(evlog_consumer_poll(consumer, 0, 0, count_event, consumer, NULL));
    OK(evlog_consumer_close(consumer));
    counted(log, EVENTS);
    OK(evlog_close(log));
}

/* An event fails for an owner that is not one any more. */
static void park_as_an_old_owner(void *ctx)
{
    evlog *log;
    evlog_consumer *consumer;
    (void)ctx;
    lose_the_claim(&log, &consumer);
    CHECK_FAILS(EVLOG_BUSY, "not this process's", evlog_consumer_fail(consumer, 20, "as asked"));
    nothing_is_written_any_more(log, consumer, "not this process's");
}

/* It does not park either; a reset, and a new consumer of the same name, are like a new owner. */
static void an_old_owner_parks_nothing(void **state)
{
    evlog *log;
    evlog_reset done;
    evlog_consumer *consumer;
    for (int round = 0; round < 2; round++) {
        *step = 0;
        pid_t child = child_start(park_as_an_old_owner, NULL);
        wait_until_stopped(child);
        OK(evlog_open(in(*state, "log"), NULL, &log));
        if (round == 0) {
            OK(evlog_consumer_reset(
                log, "c", &(evlog_reset_options){.start = EVLOG_START_SEQ, .start_seq = 11},
                &done));
        } else {
            OK(evlog_consumer_remove(log, "c"));
            OK(evlog_consumer_open(
                log, "c", &(evlog_consumer_options){.start = EVLOG_START_SEQ, .start_seq = 11},
                &consumer));
            OK(evlog_consumer_close(consumer));
        }
        assert_int_equal(info_of(log, "c").checkpoint, 10);
        assert_int_equal(kill(child, SIGCONT), 0);
        assert_int_equal(child_wait(child), 0);
        evlog_consumer_info info = info_of(log, "c");
        assert_int_equal(info.checkpoint, 10);
        assert_int_equal(info.parked_count + info.state_count + info.done_count * round, 0);
        OK(evlog_consumer_remove(log, "c"));
        OK(evlog_close(log));
    }
}

#define TEST_OF_LOG(name) cmocka_unit_test_setup_teardown(name, make_log, remove_log)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_OF_LOG(a_replaced_shared_frees_no_consumer),
        TEST_OF_LOG(a_deleted_shared_frees_no_consumer),
        TEST_OF_LOG(an_old_owner_commits_nothing),
        TEST_OF_LOG(opening_is_enough_to_take_over),
        TEST_OF_LOG(an_old_owner_parks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
