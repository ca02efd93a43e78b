/*
 * Processes of several pid namespaces on one log, as containers that share a volume: all of them are
 * process 1, so liblmdb takes them for one. They send, read and consume, are killed and started again.
 */
#include <lmdb.h>
#include <stdatomic.h>

#include "child.h"
#include "log.h"
#include "processes.h"

#define CONTAINERS_MAX 10
#define TYPE "containers.v1"
#define KILLS 12
#define SENDS 150 /* of each sender that is not killed; those of a killed one go on */

/* What a container does. */
enum role { SENDER, READER, CONSUMER };

/* One of them, and what it has come to: in memory that all share. */
struct container {
    enum role role;
    unsigned number;
    pid_t outer;               /* waits for the one inside */
    _Atomic pid_t inside;      /* its pid outside */
    _Atomic uint32_t acked;    /* sends that were acknowledged */
    _Atomic uint64_t progress; /* events seen */
    _Atomic unsigned work;     /* what was done since the last start: sends, replays, polls */
};

static struct shared_state {
    atomic_bool stop;
    atomic_int step;
    struct container containers[CONTAINERS_MAX];
} * common;

static const char *path;
static evlog_durability durability;

static int make_common(void **state)
{
    if (make_home(state))
        return -1;
    path = strdup(in(*state, "log"));
    common = map_shared(sizeof *common);
    return 0;
}

static void wait_until_inside(struct container *container)
{
    while (container->inside == 0)
        usleep(100);
}

/* Waits for a container to end: its exit status. */
static int end_of(struct container *container)
{
    pid_t outer = container->outer;
    container->outer = 0;
    return child_wait(outer);
}

static int kill_inside(struct container *container)
{
    kill(container->inside, SIGKILL);
    return end_of(container);
}

/* None is left to write to a directory that is removed: a test that failed leaves some. */
static int remove_common(void **state)
{
    for (unsigned i = 0; i < CONTAINERS_MAX; i++)
        if (common->containers[i].outer) {
            wait_until_inside(&common->containers[i]);
            kill_inside(&common->containers[i]);
        }
    free((char *)path);
    munmap(common, sizeof *common);
    return remove_home(state);
}

/* ------------------------------------------------------------- containers ---- */

/* Whether children of this process can be in a pid namespace of their own. */
static bool leave_pids(void)
{
    return unshare(CLONE_NEWPID) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWPID) == 0;
}

/* Begins `run` in a container, as process 1. */
static pid_t start_inside(void (*run)(struct container *), struct container *container)
{
    container->inside = 0;
    container->work = 0;
    pid_t outer = start_process();
    if (outer)
        return outer;
    if (!leave_pids())
        _exit(CHILD_CANNOT);
    pid_t inside = start_process();
    if (inside == 0) {
        CHECK(getpid() == 1);
        run(container);
        _exit(0);
    }
    container->inside = inside;
    _exit(child_wait(inside));
}

static void wait_for_step(int step)
{
    while (common->step < step)
        usleep(100);
}

/* Skips the test where there can be no containers. */
static void try_containers(void)
{
    pid_t pid = start_process();
    if (pid == 0)
        _exit(leave_pids() ? 0 : CHILD_CANNOT);
    child_succeeded(child_wait(pid));
}

/* ------------------------------------------------------------- what they do ---- */

static evlog *open_inside(evlog_signal **signal)
{
    evlog *log;
    CHECK(evlog_open(path, NULL, &log) == EVLOG_OK);
    CHECK(evlog_define(log, TYPE, 0, NULL, signal) == EVLOG_OK);
    return log;
}

#define DATA_SIZE 11

/* {"s": sender, "n": number} */
static void send_number(evlog_signal *signal, unsigned sender, uint32_t number)
{
    unsigned char data[DATA_SIZE] = {0x82, 0xa1, 's', (unsigned char)sender, 0xa1, 'n', 0xce};
    for (int i = 0; i < 4; i++)
        data[7 + i] = (unsigned char)(number >> (24 - 8 * i));
    CHECK(evlog_send_event(signal, data, sizeof data, NULL, NULL) == EVLOG_OK);
}

static uint32_t number_in(const evlog_event *event, unsigned *sender)
{
    const unsigned char *data = event->data;
    *sender = data[3];
    return (uint32_t)data[7] << 24 | (uint32_t)data[8] << 16 | (uint32_t)data[9] << 8 | data[10];
}

/* A number that was sent and not acknowledged may be there, once. */
static void send_on(struct container *container)
{
    evlog_signal *signal;
    evlog *log = open_inside(&signal);
    while (!common->stop || container->acked < SENDS) {
        uint32_t number = container->acked + 1;
        send_number(signal, container->number, number);
        container->acked = number;
        container->work++;
    }
    CHECK(evlog_close(log) == EVLOG_OK);
}

/* Each event is the next one. */
static int expect_next(const evlog_event *event, void *ctx)
{
    uint64_t *last = ctx;
    if (event->seq != *last + 1)
        return evlog_fail("it is not the next event");
    *last = event->seq;
    return 0;
}

static void read_on(struct container *container)
{
    evlog_signal *signal;
    evlog_info info;
    evlog *log = open_inside(&signal);
    bool is_last;
    do {
        uint64_t last = 0;
        is_last = common->stop;
        CHECK(evlog_inspect(log, &info) == EVLOG_OK);
        CHECK(evlog_replay(log, NULL, expect_next, &last, NULL) == EVLOG_OK);
        CHECK(last >= info.last_seq);
        container->progress = last;
        container->work++;
    } while (!is_last);
    CHECK(evlog_close(log) == EVLOG_OK);
}

/* A consumer that was killed goes on where its checkpoint was. */
static int expect_next_or_again(const evlog_event *event, void *ctx)
{
    struct container *container = ctx;
    if (event->seq > container->progress + 1)
        return evlog_fail("an event was passed over");
    container->progress = event->seq;
    return 0;
}

static void consume_on(struct container *container)
{
    evlog_signal *signal;
    evlog_consumer *consumer;
    evlog *log = open_inside(&signal);
    char name[16];
    snprintf(name, sizeof name, "c%u", container->number);
    evlog_consumer_options options = {.on_failure = EVLOG_FAILURE_STOP, .attempt_max = 1};
    CHECK(evlog_consumer_open(log, name, &options, &consumer) == EVLOG_OK);
    bool is_last;
    do {
        is_last = common->stop;
        CHECK(evlog_consumer_poll(consumer, 0, is_last ? 0 : 20, expect_next_or_again, container,
                                  NULL) == EVLOG_OK);
        container->work++;
    } while (!is_last);
    CHECK(evlog_consumer_close(consumer) == EVLOG_OK);
    CHECK(evlog_close(log) == EVLOG_OK);
}

static void play(struct container *container)
{
    static void (*const roles[])(struct container *) = {send_on, read_on, consume_on};
    roles[container->role](container);
}

/* ---------------------------------------------------------------- a round ---- */

/* Kills one inside its container when it has worked for a while, and starts it again. */
static void kill_and_restart(struct container *container, unsigned work)
{
    wait_until_inside(container);
    while (container->work < work && waitpid(container->outer, NULL, WNOHANG) == 0)
        usleep(100);
    if (container->work < work) {
        container->outer = 0;
        fail_msg("container %u has ended by itself", container->number);
    }
    assert_int_equal(kill_inside(container), 128 + SIGKILL);
    container->outer = start_inside(play, container);
}

/* What the log must have of each sender. */
struct audit {
    uint32_t last[CONTAINERS_MAX];
    uint64_t seq;
};

static int audit_event(const evlog_event *event, void *ctx)
{
    struct audit *audit = ctx;
    unsigned sender;
    uint32_t number = number_in(event, &sender);
    if (event->seq != ++audit->seq)
        return evlog_fail("it is not the next event");
    if (number != audit->last[sender] + 1 && number != audit->last[sender])
        return evlog_fail("an acknowledged event is not there");
    audit->last[sender] = number;
    return 0;
}

static void audit_log(unsigned count)
{
    evlog *log;
    struct audit audit = {.seq = 0};
    OK(evlog_open(path, NULL, &log));
    OK(evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_replay(log, NULL, audit_event, &audit, NULL));
    for (unsigned i = 0; i < count; i++) {
        const struct container *container = &common->containers[i];
        if (container->role == SENDER)
            assert_in_range(audit.last[i], container->acked, container->acked + 1);
        else
            assert_int_equal(container->progress, audit.seq);
    }
    OK(evlog_close(log));
}

static void run_containers(unsigned count, const enum role *roles)
{
    evlog *log;
    try_containers();
    OK(evlog_open(path, &(evlog_options){.durability = durability}, &log));
    OK(evlog_close(log));
    for (unsigned i = 0; i < count; i++) {
        struct container *container = &common->containers[i];
        *container = (struct container){.role = roles[i], .number = i};
        container->outer = start_inside(play, container);
    }
    for (unsigned i = 0; i < KILLS; i++)
        kill_and_restart(&common->containers[i * 7 % count], i % 5 * 3);
    common->stop = true;
    /* The last events are there when readers and consumers look for the last time. */
    for (unsigned i = 0; i < count; i++)
        if (roles[i] == SENDER)
            assert_int_equal(end_of(&common->containers[i]), 0);
    for (unsigned i = 0; i < count; i++)
        if (roles[i] != SENDER)
            assert_int_equal(end_of(&common->containers[i]), 0);
    for (unsigned i = 0; i < count; i++)
        if (roles[i] != SENDER) { /* once more, alone: now the log does not grow */
            common->containers[i].outer = start_inside(play, &common->containers[i]);
            assert_int_equal(end_of(&common->containers[i]), 0);
        }
    audit_log(count);
}

static void run_two(evlog_durability kind)
{
    static const enum role pairs[][2] = {{SENDER, SENDER}, {SENDER, READER}, {SENDER, CONSUMER}};
    char first[4200];
    durability = kind;
    snprintf(first, sizeof first, "%s", path);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char *another = malloc(sizeof first + 8);
        assert_non_null(another);
        sprintf(another, "%s%zu", first, i);
        free((char *)path);
        path = another;
        common->stop = false;
        run_containers(2, pairs[i]);
    }
}

static void run_ten(evlog_durability kind)
{
    static const enum role roles[CONTAINERS_MAX] = {SENDER, READER,   CONSUMER, SENDER, READER,
                                                    SENDER, CONSUMER, SENDER,   READER, CONSUMER};
    durability = kind;
    run_containers(CONTAINERS_MAX, roles);
}

/* Two containers: both send, or one sends and the other reads or consumes. */
static void two_containers_use_a_durable_log(void **state)
{
    (void)state;
    run_two(EVLOG_DURABLE);
}

static void two_containers_use_a_fast_log(void **state)
{
    (void)state;
    run_two(EVLOG_FAST);
}

/* Ten of them, of all kinds. */
static void ten_containers_use_a_durable_log(void **state)
{
    (void)state;
    run_ten(EVLOG_DURABLE);
}

static void ten_containers_use_a_fast_log(void **state)
{
    (void)state;
    run_ten(EVLOG_FAST);
}

/* ----------------------------------------------------------- dead readers ---- */

static int hold(const struct page_snapshot *snapshot, void *ctx)
{
    (void)snapshot;
    (void)ctx;
    common->step = 1;
    return pause();
}

static void hold_a_snapshot(struct container *container)
{
    evlog_signal *signal;
    (void)container;
    evlog *log = open_inside(&signal);
    env_read(log->store->events, ENV_NEWEST, hold, NULL);
}

/* Has the log open until the test is over. */
static void open_and_wait(struct container *container)
{
    evlog_signal *signal;
    evlog *log = open_inside(&signal);
    for (uint32_t i = 1; i <= 10; i++)
        send_number(signal, container->number, i);
    common->step = (int)container->number;
    wait_for_step(4);
    CHECK(evlog_close(log) == EVLOG_OK);
}

static int count_reader(const char *line, void *ctx)
{
    *(int *)ctx += strtol(line, NULL, 10) > 0;
    return 0;
}

/* The readers in liblmdb's table, alive or not. */
static int count_readers(void)
{
    char file[4200];
    MDB_env *env;
    int count = 0;
    snprintf(file, sizeof file, "%s/events.mdb", path);
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_open(env, file, MDB_NOSUBDIR | MDB_NOTLS | MDB_RDONLY, 0600), 0);
    mdb_reader_list(env, count_reader, &count);
    mdb_env_close(env);
    return count;
}

/*
 * A container is killed while it reads, and another has the log open. The next one has the same pid, and all the same
 * clears the slot, which would keep pages for ever.
 */
static void a_dead_reader_of_the_same_pid_is_cleared(void **state)
{
    struct container *others = common->containers;
    (void)state;
    try_containers();
    for (unsigned i = 1; i <= 3; i++) {
        others[i].number = i;
        others[i].outer = start_inside(i == 1 ? hold_a_snapshot : open_and_wait, &others[i]);
        wait_for_child(others[i].outer, &common->step, (int)i);
        wait_until_inside(&others[i]);
        assert_int_equal(count_readers(), i < 3);
        if (i == 2) {
            assert_int_equal(kill_inside(&others[1]), 128 + SIGKILL);
            assert_int_equal(count_readers(), 1);
        }
    }
    common->step = 4;
    assert_int_equal(end_of(&others[2]), 0);
    assert_int_equal(end_of(&others[3]), 0);
}

#define TEST_IN_CONTAINERS(name) cmocka_unit_test_setup_teardown(name, make_common, remove_common)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_IN_CONTAINERS(two_containers_use_a_durable_log),
        TEST_IN_CONTAINERS(two_containers_use_a_fast_log),
        TEST_IN_CONTAINERS(ten_containers_use_a_durable_log),
        TEST_IN_CONTAINERS(ten_containers_use_a_fast_log),
        TEST_IN_CONTAINERS(a_dead_reader_of_the_same_pid_is_cleared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
