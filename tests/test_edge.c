/*
 * Logs whose list of free pages is too long for its images to be kept, since a reader held a snapshot for long:
 * such a log is opened, sent to and put back after a power cut like any other, but that the list is given up then.
 */
#include "child.h"
#include "damage.h"

#define TYPE "org.evlog.edge.v1"
#define LONG 6000 /* commits: about a hundred pages of list */

struct world {
    char path[2048];
    evlog *log;
    evlog_signal *signal;
    uint64_t count;
};

static void open_world(struct world *world)
{
    evlog_options options = {.durability = EVLOG_FAST, .flush_every_ms = 1000000};
    OK(evlog_open(world->path, &options, &world->log));
    OK(evlog_define(world->log, TYPE, 0, NULL, &world->signal));
}

static void send(struct world *world, unsigned count)
{
    for (; count > 0; count--, world->count++)
        OK(evlog_send_event(world->signal, "\x80", 1, NULL, NULL));
}

static void close_world(struct world *world)
{
    OK(evlog_close(world->log));
}

/* Holds a snapshot until it is killed, and says on `fd` that it does. */
static void hold(const char *path, int fd)
{
    MDB_env *env;
    MDB_txn *txn;
    if (mdb_env_create(&env) || mdb_env_set_mapsize(env, 1 << 30) ||
        mdb_env_open(env, path, MDB_NOSUBDIR | MDB_RDONLY | MDB_NOTLS, 0) ||
        mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) || write(fd, "", 1) != 1)
        _exit(1);
    for (;;)
        pause();
}

/* A log whose list is long. */
static void make_long(struct world *world, const void *home)
{
    int held[2];
    char byte;
    *world = (struct world){.count = 0};
    snprintf(world->path, sizeof world->path, "%s", in(home, "log"));
    open_world(world);
    send(world, 1);
    OK(pipe(held));
    pid_t reader = fork();
    if (reader == 0)
        hold(in(world->path, "events.mdb"), held[1]);
    assert_int_equal(read(held[0], &byte, 1), 1);
    send(world, LONG);
    kill(reader, SIGKILL);
    assert_int_equal(child_wait(reader), 128 + SIGKILL);
    close(held[0]);
    close(held[1]);
}

/* What verify remarks on. */
static int count_lost(const evlog_finding *finding, uint64_t seq, void *ctx)
{
    (void)seq;
    if (finding && strstr(finding->text, "neither in use nor free"))
        sscanf(finding->text, "events.mdb: %" SCNu64, (uint64_t *)ctx);
    return 0;
}

/* Returns how many pages are lost. */
static uint64_t assert_sound(struct world *world)
{
    evlog_info info;
    uint64_t lost_count = 0;
    OK(evlog_inspect(world->log, &info));
    assert_int_equal(info.last_seq, world->count);
    OK(evlog_verify(world->log, count_lost, &lost_count, NULL));
    return lost_count;
}

/* Opens the log in a process that sends and is killed. */
static void send_and_die(void *ctx)
{
    struct world *world = ctx;
    evlog_options options = {.durability = EVLOG_FAST, .flush_every_ms = 1000000};
    CHECK(evlog_open(world->path, &options, &world->log) == EVLOG_OK);
    CHECK(evlog_define(world->log, TYPE, 0, NULL, &world->signal) == EVLOG_OK);
    for (int i = 0; i < 5; i++)
        CHECK(evlog_send_event(world->signal, "\x80", 1, NULL, NULL) == EVLOG_OK);
    kill(getpid(), SIGKILL);
}

static void die_after_sends(struct world *world)
{
    assert_int_equal(child_wait(child_start(send_and_die, world)), 128 + SIGKILL);
    world->count += 5;
}

/* Opens the log as after a power cut: the state of `edge` is put back, and an event says so. */
static void recover(struct world *world)
{
    OK(unlink(in(world->path, "shared")));
    unlink(in(world->path, "events.mdb-lock"));
    unlink(in(world->path, "state.mdb-lock"));
    open_world(world);
    world->count++;
}

/* Nothing is lost, and the long list is used up in the end. */
static void a_long_list_is_proved(void **state)
{
    struct world world;
    make_long(&world, *state);
    close_world(&world);
    for (int i = 0; i < 3; i++) {
        open_world(&world);
        assert_int_equal(assert_sound(&world), 0);
        send(&world, 10);
        close_world(&world);
        die_after_sends(&world);
    }
}

/* It is given up after a power cut; and then the log goes on, whatever becomes of its processes. */
static void what_was_given_up_is_known(void **state)
{
    struct world world;
    make_long(&world, *state);
    close_world(&world);
    recover(&world);
    uint64_t lost_count = assert_sound(&world);
    assert_true(lost_count > LONG);
    close_world(&world);
    for (int i = 0; i < 3; i++) {
        die_after_sends(&world);
        open_world(&world);
        assert_int_equal(assert_sound(&world), lost_count);
        send(&world, 10);
        close_world(&world);
    }
}

/* A cut just after the list was given up: nothing says so yet but the older state. */
static void giving_up_can_be_cut(void **state)
{
    struct world world;
    make_long(&world, *state);
    close_world(&world);
    struct bytes edge = file_read(in(world.path, "edge"));
    recover(&world);
    uint64_t lost_count = assert_sound(&world);
    close_world(&world);
    file_write(in(world.path, "edge"), edge.at, edge.size);
    free(edge.at);
    world.count--; /* it came after that state */
    recover(&world);
    assert_int_equal(assert_sound(&world), lost_count);
    send(&world, 10);
    close_world(&world);
    die_after_sends(&world);
    open_world(&world);
    assert_int_equal(assert_sound(&world), lost_count);
    close_world(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(a_long_list_is_proved),
        TEST_AT_HOME(what_was_given_up_is_known),
        TEST_AT_HOME(giving_up_can_be_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
