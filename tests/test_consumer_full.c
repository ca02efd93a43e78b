/*
 * The disk is full while consumers commit: they say so, lose nothing, and go on when there is
 * room. On a small file system of this test's own, which takes root; said aloud when it is not.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

#include "load.h"
#include "processes.h"

#define SIZE "6m"
#define EVENTS 400

static int owns_mounts; /* so that a small file system can be the disk that is full */

/* ------------------------------------------------------------ a small disk ---- */

static int make_disk(void **state)
{
    if (make_home(state))
        return -1;
    return owns_mounts ? mount("none", *state, "tmpfs", 0, "size=" SIZE) : 0;
}

static int remove_disk(void **state)
{
    if (owns_mounts && umount2(*state, MNT_DETACH))
        return -1;
    return remove_home(state);
}

/* Fills the disk to the last byte; removing the file makes room again. */
static void fill_disk(const void *home)
{
    static const char bytes[4096];
    int fd = open(in(home, "filler"), O_WRONLY | O_CREAT | O_APPEND, 0600);
    assert_true(fd >= 0);
    for (size_t size = sizeof bytes; size > 0; size /= 2)
        while (write(fd, bytes, size) == (ssize_t)size)
            ;
    assert_int_equal(errno, ENOSPC);
    close(fd);
}

static void make_room(const void *home)
{
    assert_int_equal(unlink(in(home, "filler")), 0);
}

/* ------------------------------------------------------------ the consumer ---- */

struct worker {
    evlog_consumer *consumer;
    uint64_t last;
    uint64_t again; /* events up to here come for the second time */
    int is_failing; /* every tenth event fails */
};

/* Each event has its own key, so that the file must grow. */
static int take(const evlog_event *event, void *ctx)
{
    static const unsigned char value[500];
    struct worker *worker = ctx;
    assert_int_equal(event->attempt, event->seq <= worker->again ? 2 : 1);
    assert_int_equal(event->seq, worker->last + 1);
    worker->last = event->seq;
    OK(evlog_state_put(worker->consumer, &event->seq, sizeof event->seq, value, sizeof value));
    return worker->is_failing && event->seq % 10 == 0 ? evlog_fail("never") : 0;
}

static evlog *open_log(const void *home)
{
    evlog *log;
    evlog_signal *signal;
    OK(evlog_open(in(home, "log"), &(evlog_options){.durability = EVLOG_FAST}, &log));
    OK(evlog_define(log, LOAD_TYPE, 0, NULL, &signal));
    for (int i = 0; i < EVENTS; i++)
        OK(evlog_send_event(signal, SMALL_MAP("\x01"), 4, NULL, NULL));
    return log;
}

static uint64_t count_keys(evlog_consumer *consumer)
{
    const void *value;
    size_t size;
    uint64_t count = 0;
    for (uint64_t seq = 1; seq <= EVENTS; seq++)
        count += evlog_state_get(consumer, &seq, sizeof seq, &value, &size) == EVLOG_OK;
    return count;
}

static evlog_consumer_info info_of(evlog *log)
{
    evlog_consumer_info info;
    OK(inspect_into(log, "c", &info));
    return info;
}

/* Consumes until the disk is full; no less than one commit's events wait for it then. */
static void poll_until_full(struct worker *worker)
{
    uint64_t count;
    int result = EVLOG_OK;
    while (result == EVLOG_OK && worker->last < EVENTS)
        result = evlog_consumer_poll(worker->consumer, 7, 0, take, worker, &count);
    FAILS(EVLOG_FULL, "state.mdb", result);
}

/* ------------------------------------------------------------------ tests ---- */

/*
 * A poll on a full disk says EVLOG_FULL and hands out no more; with room it goes on, and all is
 * there.
 */
static void a_full_disk_stops_a_consumer_and_loses_nothing(void **state)
{
    struct worker worker = {.is_failing = 1};
    evlog_consumer_options options = {.commit_every = 7, .attempt_max = 1};
    uint64_t count;
    if (!owns_mounts)
        SKIP("a full disk: mounting a small one requires the rights of root");
    evlog *log = open_log(*state);
    OK(evlog_consumer_open(log, "c", &options, &worker.consumer));
    OK(evlog_consumer_poll(worker.consumer, 7, 0, take, &worker, NULL));
    fill_disk(*state);
    poll_until_full(&worker);
    uint64_t last = worker.last, checkpoint = info_of(log).checkpoint;
    assert_true(checkpoint < last);
    for (int i = 0; i < 3; i++) {
        FAILS(EVLOG_FULL, "state.mdb",
              evlog_consumer_poll(worker.consumer, 7, 0, take, &worker, &count));
        assert_int_equal(count, 0);
    }
    assert_int_equal(worker.last, last);
    assert_int_equal(info_of(log).checkpoint, checkpoint);
    make_room(*state);
    OK(evlog_consumer_poll(worker.consumer, 0, 0, take, &worker, NULL));
    assert_int_equal(worker.last, EVENTS);
    OK(evlog_consumer_close(worker.consumer));
    evlog_consumer_info info = info_of(log);
    assert_int_equal(info.checkpoint, EVENTS);
    assert_int_equal(info.parked_count, EVENTS / 10);
    assert_int_equal(info.done_count, EVENTS - EVENTS / 10);
    assert_int_equal(info.state_count, EVENTS - EVENTS / 10);
    OK(evlog_close(log));
}

/*
 * Closed on a full disk: what was not written comes again, and until then the state is without
 * it.
 */
static void what_a_full_disk_kept_out_comes_again(void **state)
{
    struct worker worker = {.is_failing = 0};
    evlog_consumer_options options = {.commit_every = 7};
    if (!owns_mounts)
        SKIP("a full disk: mounting a small one requires the rights of root");
    evlog *log = open_log(*state);
    OK(evlog_consumer_open(log, "c", &options, &worker.consumer));
    fill_disk(*state);
    poll_until_full(&worker);
    uint64_t checkpoint = info_of(log).checkpoint;
    FAILS(EVLOG_FULL, "state.mdb", evlog_consumer_close(worker.consumer));
    OK(evlog_consumer_open(log, "c", &options, &worker.consumer));
    assert_int_equal(info_of(log).checkpoint, checkpoint);
    assert_int_equal(count_keys(worker.consumer), checkpoint);
    make_room(*state);
    worker =
        (struct worker){.consumer = worker.consumer, .last = checkpoint, .again = worker.last};
    OK(evlog_consumer_poll(worker.consumer, 0, 0, take, &worker, NULL));
    OK(evlog_consumer_close(worker.consumer));
    assert_int_equal(info_of(log).state_count, EVENTS);
    assert_int_equal(info_of(log).checkpoint, EVENTS);
    OK(evlog_close(log));
}

/* An acknowledgement on a full disk fails and counts for nothing; given again, it is good. */
static void an_ack_on_a_full_disk_can_be_given_again(void **state)
{
    struct worker worker = {.is_failing = 0};
    evlog_consumer_options options = {.ack_by_hand = 1};
    if (!owns_mounts)
        SKIP("a full disk: mounting a small one requires the rights of root");
    evlog *log = open_log(*state);
    OK(evlog_consumer_open(log, "c", &options, &worker.consumer));
    OK(evlog_consumer_poll(worker.consumer, 0, 0, take, &worker, NULL));
    fill_disk(*state);
    FAILS(EVLOG_FULL, "state.mdb", acknowledge(worker.consumer, EVENTS));
    assert_int_equal(info_of(log).checkpoint, 0);
    assert_int_equal(count_keys(worker.consumer), EVENTS);
    make_room(*state);
    OK(acknowledge(worker.consumer, EVENTS));
    assert_int_equal(info_of(log).checkpoint, EVENTS);
    assert_int_equal(info_of(log).state_count, EVENTS);
    OK(evlog_consumer_close(worker.consumer));
    OK(evlog_close(log));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_full_disk_stops_a_consumer_and_loses_nothing, make_disk,
                                        remove_disk),
        cmocka_unit_test_setup_teardown(what_a_full_disk_kept_out_comes_again, make_disk,
                                        remove_disk),
        cmocka_unit_test_setup_teardown(an_ack_on_a_full_disk_can_be_given_again, make_disk,
                                        remove_disk),
    };
    owns_mounts =
        unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
