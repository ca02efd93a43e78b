/*
 * The processes that have a log open: a claim is its holder's and dies with it, whatever becomes of
 * the file `shared`; a forked child holds nothing of its parent's.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/file.h>

#include "child.h"
#include "clock.h"
#include "held.h"
#include "presence.h"
#include "processes.h"

#define WAIT_MS 200
#define PATIENT_MS 20000

/* ------------------------------------------------- the calls it makes ---- */

static bool is_refusing; /* locks */
static bool is_blind;    /* they cannot be looked at */

int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);

int __wrap_fcntl(int fd, int command, ...)
{
    va_list list;
    va_start(list, command);
    void *argument = va_arg(list, void *);
    va_end(list);
    if (is_refusing && command == F_OFD_SETLK) {
        errno = ENOLCK;
        return -1;
    }
    if (is_blind && command == F_OFD_GETLK) {
        errno = ENOLCK;
        return -1;
    }
    return __real_fcntl(fd, command, argument);
}

/* ----------------------------------------------------------- a playground ---- */

/* A process's place, and what others of the test know of it. */
struct place {
    struct shared *shared;
    int directory, fd;
    struct presence presence;
    bool is_first;
};

/* Memory that the processes of a test share. */
static struct common {
    atomic_int step;
    _Atomic pid_t pid;
} * common;

static const char *home;

static int make_place(void **state)
{
    if (make_home(state))
        return -1;
    home = *state;
    common = map_shared(sizeof *common);
    return 0;
}

static int remove_place(void **state)
{
    munmap(common, sizeof *common);
    return remove_home(state);
}

static int enter(struct place *place, uint32_t wait_ms)
{
    *place = (struct place){.directory = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    int result = shared_open(in(home, "shared"), false, &place->shared);
    if (result == EVLOG_OK)
        result = held_open(place->directory, home, "events.mdb", O_RDWR | O_CREAT, &place->fd);
    if (result == EVLOG_OK)
        result =
            presence_begin(&place->presence, place->shared, place->fd, wait_ms, &place->is_first);
    if (result == EVLOG_OK)
        presence_share(&place->presence);
    return result;
}

static void leave(struct place *place)
{
    presence_end(&place->presence);
    shared_close(place->shared);
    held_close(place->fd);
    close(place->directory);
}

static struct presence_process holder_of(const struct place *place, unsigned slot)
{
    return presence_holder(place->shared, place->fd, slot);
}

/* In a child: until its parent has come so far. */
static void wait_for_step(int step)
{
    while (common->step < step)
        usleep(100);
}

/* ---------------------------------------------------------------- claims ---- */

static void hold_slot_5(void *ctx)
{
    struct place place;
    struct presence_process holder;
    (void)ctx;
    CHECK(enter(&place, WAIT_MS) == EVLOG_OK);
    CHECK(presence_claim(&place.presence, 5, &holder) == EVLOG_OK);
    common->step = 1;
    for (;;)
        pause();
}

/* A claim is one process's, of one slot; others learn which process has it, and its death ends it. */
static void a_claim_lives_as_long_as_its_holder(void **state)
{
    struct place place;
    struct presence_process holder;
    (void)state;
    pid_t child = child_start(hold_slot_5, NULL);
    wait_for_child(child, &common->step, 1);
    OK(enter(&place, WAIT_MS));
    FAILS(EVLOG_BUSY, "process ", presence_claim(&place.presence, 5, &holder));
    assert_int_equal(holder.pid, child);
    assert_false(holder.is_elsewhere);
    assert_int_equal(holder_of(&place, 5).pid, child);
    assert_false(holder_of(&place, 6).is_there);
    OK(presence_claim(&place.presence, 4, &holder));
    OK(presence_claim(&place.presence, 6, &holder));
    kill_process(child);
    assert_false(holder_of(&place, 5).is_there);
    OK(presence_claim(&place.presence, 5, &holder));
    leave(&place);
}

/* The file `shared` deleted, or filled with zeros: the claim holds, and only the holder's name is lost. */
static void a_claim_does_not_hang_on_the_file_shared(void **state)
{
    struct place place;
    struct presence_process holder;
    (void)state;
    pid_t child = child_start(hold_slot_5, NULL);
    wait_for_child(child, &common->step, 1);
    assert_int_equal(unlink(in(home, "shared")), 0);
    OK(enter(&place, WAIT_MS));
    FAILS(EVLOG_BUSY, "another process", presence_claim(&place.presence, 5, &holder));
    assert_true(holder_of(&place, 5).is_there);
    assert_int_equal(holder_of(&place, 5).pid, 0);
    kill_process(child);
    OK(presence_claim(&place.presence, 5, &holder));
    leave(&place);
}

/* In a child: the parent has slot 0, and gives it up when it is asked to. */
static void see_the_parents_claim(void *ctx)
{
    struct place place;
    struct presence_process holder;
    (void)ctx;
    CHECK(enter(&place, WAIT_MS) == EVLOG_OK);
    CHECK(presence_claim(&place.presence, 0, &holder) == EVLOG_BUSY);
    CHECK(holder.pid == getppid() && !holder.is_elsewhere);
    common->step = 1;
    wait_for_step(2);
    CHECK(!holder_of(&place, 0).is_there);
    CHECK(presence_claim(&place.presence, 0, &holder) == EVLOG_OK);
}

/* A process does not exclude itself; a claim that was released can be had. */
static void a_claim_can_be_released(void **state)
{
    struct place place;
    struct presence_process holder;
    (void)state;
    OK(enter(&place, WAIT_MS));
    OK(presence_claim(&place.presence, 0, &holder));
    OK(presence_claim(&place.presence, 0, &holder));
    assert_false(holder_of(&place, 0).is_there);
    pid_t child = child_start(see_the_parents_claim, NULL);
    wait_for_child(child, &common->step, 1);
    presence_release(&place.presence, 0);
    common->step = 2;
    assert_int_equal(child_wait(child), 0);
    leave(&place);
}

static void see_a_holder_elsewhere(void *ctx)
{
    struct place place;
    struct presence_process holder;
    CHECK(enter(&place, WAIT_MS) == EVLOG_OK);
    CHECK_FAILS(EVLOG_BUSY, "(of another pid namespace)",
                presence_claim(&place.presence, 9, &holder));
    CHECK(holder.is_elsewhere && holder.pid == *(const pid_t *)ctx);
    CHECK(!holder_of(&place, 10).is_there);
}

static void see_it_from_another_namespace(void *ctx)
{
    if (unshare(CLONE_NEWPID))
        _exit(CHILD_CANNOT);
    _exit(child_wait(child_start(see_a_holder_elsewhere, ctx)));
}

/* In another pid namespace (a container) the holder has the claim all the same, and is named as such. */
static void a_claim_holds_over_pid_namespaces(void **state)
{
    struct place place;
    struct presence_process holder;
    pid_t self = getpid();
    (void)state;
    OK(enter(&place, WAIT_MS));
    OK(presence_claim(&place.presence, 9, &holder));
    int status = child_wait(child_start(see_it_from_another_namespace, &self));
    leave(&place);
    child_succeeded(status);
}

/* A claim that the system refuses fails. */
static void a_claim_that_cannot_be_locked_fails(void **state)
{
    struct place place;
    struct presence_process holder;
    (void)state;
    OK(enter(&place, WAIT_MS));
    is_refusing = true;
    FAILS(EVLOG_IO, "claiming", presence_claim(&place.presence, 3, &holder));
    is_refusing = false;
    assert_false(holder_of(&place, 3).is_there);
    OK(presence_claim(&place.presence, 3, &holder));
    leave(&place);
}

/* Where a lock cannot be looked at, it counts as held: no process is taken for dead, and no log for unused. */
static void a_lock_that_cannot_be_looked_at_is_held(void **state)
{
    struct place place;
    evlog *log;
    bool is_any;
    (void)state;
    OK(evlog_open(in(home, "log"), NULL, &log));
    OK(evlog_close(log));
    OK(enter(&place, WAIT_MS));
    assert_false(holder_of(&place, 3).is_there);
    OK(presence_is_any(place.fd, &is_any));
    assert_false(is_any);
    is_blind = true;
    bool is_there = holder_of(&place, 3).is_there;
    int result = presence_is_any(place.fd, &is_any);
    int opened = evlog_open(in(home, "log"), NULL, &log);
    int read = evlog_open(in(home, "log"), &(evlog_options){.read_only = true}, &log);
    is_blind = false;
    assert_true(is_there);
    assert_int_equal(result, EVLOG_IO);
    assert_int_equal(opened, EVLOG_IO);
    assert_int_equal(read, EVLOG_IO);
    leave(&place);
}

/* -------------------------------------------------------- forked children ---- */

static void wait_in_a_child(void)
{
    pid_t child = start_process();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, 0);
        alarm(CHILD_SECONDS);
        common->pid = getpid();
        common->step = 1;
        for (;;)
            pause();
    }
}

/* Holds all that a process can hold, forks, and waits to be killed. */
static void hold_everything(void *ctx)
{
    struct place place;
    struct presence_process holder;
    int lock;
    (void)ctx;
    CHECK(enter(&place, WAIT_MS) == EVLOG_OK);
    CHECK(held_open(place.directory, home, "lock", O_RDWR | O_CREAT, &lock) == EVLOG_OK);
    CHECK(flock(lock, LOCK_EX) == 0);
    CHECK(presence_claim(&place.presence, 3, &holder) == EVLOG_OK);
    CHECK(presence_lock(&place.presence, SHARED_LOCK_EVENTS, "events.mdb") == EVLOG_OK);
    CHECK(presence_lock(&place.presence, SHARED_LOCK_STATE, "state.mdb") == EVLOG_OK);
    wait_in_a_child();
    for (;;)
        pause();
}

/* When a process is killed all that it held is free at once, though a child that it forked lives on. */
static void a_forked_child_holds_nothing_of_its_parents(void **state)
{
    struct place place;
    struct presence_process holder;
    int lock;
    (void)state;
    pid_t parent = child_start(hold_everything, NULL);
    wait_for_child(parent, &common->step, 1);
    kill_process(parent);
    assert_int_equal(kill(common->pid, 0), 0);
    OK(enter(&place, WAIT_MS));
    assert_true(place.is_first);
    assert_int_equal(place.presence.slot, 0);
    OK(presence_claim(&place.presence, 3, &holder));
    OK(presence_lock(&place.presence, SHARED_LOCK_EVENTS, "events.mdb"));
    OK(presence_lock(&place.presence, SHARED_LOCK_STATE, "state.mdb"));
    OK(held_open(place.directory, home, "lock", O_RDWR, &lock));
    assert_int_equal(flock(lock, LOCK_EX | LOCK_NB), 0);
    assert_int_equal(kill(common->pid, SIGKILL), 0);
    held_close(lock);
    leave(&place);
}

/* ---------------------------------------------------------------- locks ---- */

static void wait_for_the_lock(void *ctx)
{
    struct place place;
    (void)ctx;
    CHECK(enter(&place, PATIENT_MS) == EVLOG_OK);
    common->step = 1;
    CHECK(presence_lock(&place.presence, SHARED_LOCK_EVENTS, "events.mdb") == EVLOG_OK);
    common->step = 2;
    presence_unlock(&place.presence, SHARED_LOCK_EVENTS);
    leave(&place);
    _exit(0);
}

/* Releases the lock, which the waiting process, which is stopped, can't take. Whether it can be had at once again. */
static bool can_retake(struct presence *presence, pid_t waiting)
{
    usleep(20000);
    assert_int_equal(kill(waiting, SIGSTOP), 0);
    presence_unlock(presence, SHARED_LOCK_EVENTS);
    bool can = presence_try_lock(presence, SHARED_LOCK_EVENTS);
    if (can)
        assert_int_equal(kill(waiting, SIGCONT), 0);
    return can;
}

/* One that releases the lock and wants it again does not have it before another that has waited for long. */
static void a_lock_is_kept_for_who_has_waited_for_long(void **state)
{
    struct place place;
    int tries = 0, status;
    (void)state;
    OK(enter(&place, PATIENT_MS));
    OK(presence_lock(&place.presence, SHARED_LOCK_EVENTS, "events.mdb"));
    pid_t waiting = child_start(wait_for_the_lock, NULL);
    wait_for_child(waiting, &common->step, 1);
    while (can_retake(&place.presence, waiting))
        assert_true(++tries < 500);
    int64_t began_us = clock_monotonic_us();
    OK(presence_lock(&place.presence, SHARED_LOCK_EVENTS,
                     "events.mdb"));                     /* that one may have died */
    assert_true(clock_monotonic_us() - began_us > 5000); /* it has slept */
    presence_unlock(&place.presence, SHARED_LOCK_EVENTS);
    assert_int_equal(kill(waiting, SIGCONT), 0);
    assert_int_equal(waitpid(waiting, &status, 0), waiting);
    assert_int_equal(status, 0);
    assert_int_equal(common->step, 2);
    OK(presence_lock(&place.presence, SHARED_LOCK_EVENTS, "events.mdb"));
    presence_unlock(&place.presence, SHARED_LOCK_EVENTS);
    leave(&place);
}

#define TEST_IN_PLACE(name) cmocka_unit_test_setup_teardown(name, make_place, remove_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_IN_PLACE(a_claim_lives_as_long_as_its_holder),
        TEST_IN_PLACE(a_claim_does_not_hang_on_the_file_shared),
        TEST_IN_PLACE(a_claim_can_be_released),
        TEST_IN_PLACE(a_claim_holds_over_pid_namespaces),
        TEST_IN_PLACE(a_claim_that_cannot_be_locked_fails),
        TEST_IN_PLACE(a_lock_that_cannot_be_looked_at_is_held),
        TEST_IN_PLACE(a_forked_child_holds_nothing_of_its_parents),
        TEST_IN_PLACE(a_lock_is_kept_for_who_has_waited_for_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
