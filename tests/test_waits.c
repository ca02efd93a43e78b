/*
 * Nobody waits for another process without a limit: processes that are stopped, traced or killed while
 * they hold something, foreign ones, and files that are not files.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "child.h"
#include "flusher.h"
#include "log.h"
#include "processes.h"

#define WAIT_MS 150
#define LONG_MS 5000 /* no wait of WAIT_MS takes so long */
#define PATIENT_MS 30000
#define TYPE "waits.v1"

/* ----------------------------------------- stopping inside a system call ---- */

/* In a child: where it stops itself, once. */
static enum { NOWHERE, AT_PREAD, AT_PWRITE, AT_FDATASYNC, AT_PWRITE_AFTER_FDATASYNC } stops;

static void stop_if(int here)
{
    if (stops == AT_PWRITE_AFTER_FDATASYNC && here == AT_FDATASYNC)
        stops = AT_PWRITE;
    else if ((int)stops != here)
        return;
    if (stops == AT_PWRITE && here == AT_FDATASYNC)
        return;
    stops = NOWHERE;
    raise(SIGSTOP);
}

/* These take the place of libc's, in liblmdb too. */
#define EVERYWHERE __attribute__((visibility("default")))

EVERYWHERE ssize_t pread(int fd, void *bytes, size_t size, off_t at)
{
    stop_if(AT_PREAD);
    return syscall(SYS_pread64, fd, bytes, size, at);
}

EVERYWHERE ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    stop_if(AT_PWRITE);
    return syscall(SYS_pwrite64, fd, bytes, size, at);
}

EVERYWHERE int fdatasync(int fd)
{
    stop_if(AT_FDATASYNC);
    return (int)syscall(SYS_fdatasync, fd);
}

/* ------------------------------------------------------------ a playground ---- */

static const char *home;
static atomic_int *step;

static int make_log(void **state)
{
    evlog *log;
    evlog_signal *signal;
    if (make_home(state))
        return -1;
    home = *state;
    step = map_shared(sizeof *step);
    OK(evlog_open(in(home, "log"), NULL, &log));
    OK(evlog_define(log, TYPE, 0, NULL, &signal));
    OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    return evlog_close(log);
}

static int remove_log(void **state)
{
    munmap((void *)step, sizeof *step);
    return remove_home(state);
}

static int open_for(uint32_t wait_ms, bool read_only, evlog **log)
{
    evlog_options options = {.wait_ms = wait_ms, .read_only = read_only};
    return evlog_open(in(home, "log"), &options, log);
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* It is EVLOG_BUSY after WAIT_MS, and names the process. */
#define IS_BUSY(pid, call)                                            \
    do {                                                              \
        char busy_name[32];                                           \
        int64_t busy_since = now_ms();                                \
        snprintf(busy_name, 32, "process %d ", (int)(pid));           \
        FAILS(EVLOG_BUSY, busy_name, call);                           \
        assert_in_range(now_ms() - busy_since, WAIT_MS - 1, LONG_MS); \
    } while (0)

static void wait_until_stopped(pid_t child)
{
    int status;
    assert_int_equal(waitpid(child, &status, WUNTRACED), child);
    assert_true(WIFSTOPPED(status));
}

/* How a stopped process goes on. */
enum end { CONTINUED, KILLED };

static void end_stopped(pid_t child, enum end end)
{
    assert_int_equal(kill(child, end == KILLED ? SIGKILL : SIGCONT), 0);
    assert_int_equal(child_wait(child), end == KILLED ? 128 + SIGKILL : 0);
}

/* ------------------------------------------------------ the writers' locks ---- */

/* Which lock a child holds, and where it stops. */
struct holder {
    bool is_state; /* that of state.mdb; else of events.mdb */
    enum { IN_TRANSACTION, IN_FLUSH, IN_COMMIT, TRACED } where;
};

static int stop_in_transaction(struct env *env, void *ctx)
{
    const struct holder *holder = ctx;
    (void)env;
    if (holder->where == IN_TRANSACTION)
        raise(SIGSTOP);
    *step = 1;
    while (holder->where == TRACED && *step < 2)
        usleep(100);
    return EVLOG_INVALID; /* nothing is committed */
}

static void hold_a_lock(void *ctx)
{
    struct holder *holder = ctx;
    evlog *log;
    evlog_signal *signal;
    CHECK(open_for(WAIT_MS, false, &log) == EVLOG_OK);
    CHECK(evlog_define(log, TYPE, 0, NULL, &signal) == EVLOG_OK);
    CHECK(evlog_send_event(signal, "\x80", 1, NULL, NULL) == EVLOG_OK);
    struct env *env = holder->is_state ? log->store->state : log->store->events;
    if (holder->where == IN_TRANSACTION || holder->where == TRACED) {
        CHECK(env_write(env, ENV_FLUSH_ALL, 100, stop_in_transaction, holder) == EVLOG_INVALID);
    } else if (holder->is_state) {
        stops = AT_FDATASYNC; /* which liblmdb calls in its commit */
        CHECK(evlog_define(log, "of-a-child.v1", 0, NULL, &signal) == EVLOG_OK);
    } else {
        stops = holder->where == IN_FLUSH ? AT_FDATASYNC : AT_PWRITE_AFTER_FDATASYNC;
        CHECK(evlog_send_event(signal, "\x80", 1, NULL, NULL) == EVLOG_OK);
    }
    CHECK(evlog_close(log) == EVLOG_OK);
}

/* A type that the log does not have. */
static const char *new_type(void)
{
    static char name[32];
    static int count;
    snprintf(name, sizeof name, "other%d.v1", count++);
    return name;
}

/* Readers go on; who wants the lock that is held is told who has it. */
static void is_held(evlog *log, evlog_signal *signal, const struct holder *holder, pid_t child)
{
    evlog_event *event;
    evlog_info info;
    evlog_consumer *consumer;
    evlog_signal *other;
    OK(evlog_inspect(log, &info));
    OK(evlog_read(log, 1, &event));
    evlog_event_free(event);
    OK(evlog_verify(log, NULL, NULL, NULL));
    if (holder->is_state) {
        OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
        IS_BUSY(child, evlog_define(log, new_type(), 0, NULL, &other));
        IS_BUSY(child, evlog_consumer_open(log, "c", NULL, &consumer));
    } else {
        IS_BUSY(child, evlog_send_event(signal, "\x80", 1, NULL, NULL));
        IS_BUSY(child, evlog_send_event(signal, "\x80", 1, NULL, NULL));
        OK(evlog_define(log, new_type(), 0, NULL, &other));
    }
}

static void is_free(evlog *log, evlog_signal *signal)
{
    evlog_consumer *consumer;
    evlog_signal *other;
    OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    OK(evlog_define(log, new_type(), 0, NULL, &other));
    OK(evlog_consumer_open(log, "c", NULL, &consumer));
    OK(evlog_consumer_close(consumer));
    OK(evlog_verify(log, NULL, NULL, NULL));
}

static void try_holder(struct holder holder, enum end end)
{
    evlog *log;
    evlog_signal *signal;
    OK(open_for(WAIT_MS, false, &log));
    OK(evlog_define(log, TYPE, 0, NULL, &signal));
    pid_t child = child_start(hold_a_lock, &holder);
    wait_until_stopped(child);
    is_held(log, signal, &holder, child);
    end_stopped(child, end);
    is_free(log, signal);
    OK(evlog_close(log));
}

/* A process is stopped, or killed, with the lock of events.mdb or state.mdb, in its transaction. */
static void a_stopped_writer_is_named(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        try_holder((struct holder){.is_state = i % 2}, i < 2 ? CONTINUED : KILLED);
}

/* The same in the flush of a send, and inside liblmdb's commits. */
static void a_writer_stopped_in_a_commit_is_named(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        enum end end = i ? KILLED : CONTINUED;
        try_holder((struct holder){.where = IN_FLUSH}, end);
        try_holder((struct holder){.where = IN_COMMIT}, end);
        if (i == 0) /* its type is there after that */
            try_holder((struct holder){.where = IN_COMMIT, .is_state = true}, KILLED);
        else
            try_holder((struct holder){.where = IN_COMMIT, .is_state = true}, CONTINUED);
    }
}

/* A debugger stops it. */
static void a_traced_writer_is_named(void **state)
{
    struct holder holder = {.where = TRACED};
    evlog *log;
    evlog_signal *signal;
    int status;
    (void)state;
    OK(open_for(WAIT_MS, false, &log));
    OK(evlog_define(log, TYPE, 0, NULL, &signal));
    pid_t child = child_start(hold_a_lock, &holder);
    wait_for_child(child, step, 1);
    if (ptrace(PTRACE_SEIZE, child, NULL, NULL)) {
        kill_process(child);
        OK(evlog_close(log));
        SKIP("this process may not trace another");
    }
    assert_int_equal(ptrace(PTRACE_INTERRUPT, child, NULL, NULL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSTOPPED(status));
    is_held(log, signal, &holder, child);
    assert_int_equal(ptrace(PTRACE_DETACH, child, NULL, NULL), 0);
    *step = 2;
    assert_int_equal(child_wait(child), 0);
    is_free(log, signal);
    OK(evlog_close(log));
}

/* ---------------------------------------------------------------- flushing ---- */

static void stop_in_a_flush(void *ctx)
{
    evlog *log;
    evlog_signal *signal;
    (void)ctx;
    evlog_options options = {.flush_every_ms = 1000000, .durability = EVLOG_FAST};
    CHECK(evlog_open(in(home, "fast"), &options, &log) == EVLOG_OK);
    CHECK(evlog_define(log, TYPE, 0, NULL, &signal) == EVLOG_OK);
    CHECK(evlog_send_event(signal, "\x80", 1, NULL, NULL) == EVLOG_OK);
    stops = AT_FDATASYNC;
    CHECK(evlog_sync(log) == EVLOG_OK);
    CHECK(evlog_close(log) == EVLOG_OK);
}

/* A process is stopped while it flushes a fast log: others send, and are told who flushes. */
static void a_stopped_flush_is_named(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        evlog *log;
        evlog_signal *signal;
        evlog_options options = {
            .flush_every_ms = 1000000, .wait_ms = WAIT_MS, .durability = EVLOG_FAST};
        OK(evlog_open(in(home, "fast"), &options, &log));
        OK(evlog_define(log, TYPE, 0, NULL, &signal));
        pid_t child = child_start(stop_in_a_flush, NULL);
        wait_until_stopped(child);
        OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
        IS_BUSY(child, evlog_sync(log));
        end_stopped(child, i ? KILLED : CONTINUED);
        OK(evlog_sync(log));
        OK(evlog_close(log));
    }
}

/* ----------------------------------------------------- opening and closing ---- */

static void stop_while_opening(void *ctx)
{
    evlog *log;
    (void)ctx;
    stops = AT_PREAD; /* of the file `format`, with the lock of the directory */
    CHECK(open_for(WAIT_MS, false, &log) == EVLOG_OK);
    CHECK(evlog_close(log) == EVLOG_OK);
}

/* A process is stopped while it opens the log: others neither open nor close it without end. */
static void a_stopped_opener_is_named(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        evlog *log, *opened;
        evlog_signal *signal;
        OK(evlog_open(in(home, "other"), NULL, &opened));
        pid_t child = child_start(stop_while_opening, NULL);
        wait_until_stopped(child);
        IS_BUSY(child, open_for(WAIT_MS, false, &log));
        IS_BUSY(child, open_for(WAIT_MS, true, &log));
        end_stopped(child, i ? KILLED : CONTINUED);
        OK(open_for(PATIENT_MS, false, &log));
        child = child_start(stop_while_opening, NULL);
        wait_until_stopped(child);
        OK(evlog_define(log, TYPE, 0, NULL, &signal));
        OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
        end_stopped(child, i ? KILLED : CONTINUED);
        OK(evlog_close(log));
        OK(evlog_close(opened));
    }
}

/* Closing while another process is stopped in opening takes WAIT_MS, and closes. */
static void closing_does_not_wait_for_ever(void **state)
{
    evlog *log;
    (void)state;
    OK(open_for(WAIT_MS, false, &log));
    pid_t child = child_start(stop_while_opening, NULL);
    wait_until_stopped(child);
    int64_t since_ms = now_ms();
    OK(evlog_close(log));
    assert_in_range(now_ms() - since_ms, WAIT_MS - 1, LONG_MS);
    end_stopped(child, CONTINUED);
}

struct opening {
    pthread_t thread;
    atomic_bool is_done;
    int result;
};

static void *open_patiently(void *ctx)
{
    struct opening *opening = ctx;
    evlog *log;
    opening->result = open_for(PATIENT_MS, false, &log);
    if (opening->result == EVLOG_OK)
        opening->result = evlog_close(log);
    opening->is_done = true;
    return NULL;
}

static void do_nothing(void *ctx)
{
    (void)ctx;
}

/* A fork while another thread waits for an opening is not held up. */
static void a_fork_does_not_wait_for_an_opening(void **state)
{
    struct opening opening = {.is_done = false};
    (void)state;
    pid_t child = child_start(stop_while_opening, NULL);
    wait_until_stopped(child);
    assert_int_equal(pthread_create(&opening.thread, NULL, open_patiently, &opening), 0);
    for (int i = 0; i < 100; i++)
        in_child(do_nothing, NULL);
    assert_false(opening.is_done);
    end_stopped(child, CONTINUED);
    pthread_join(opening.thread, NULL);
    assert_int_equal(opening.result, EVLOG_OK);
}

/* ------------------------------------------------------- foreign programs ---- */

/* A program that has nothing to do with evlog locks one of its files. */
static void lock_a_file(void *ctx)
{
    int fd = open(in(home, ctx), O_RDWR | O_CREAT, 0600);
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    CHECK(fd >= 0 && fcntl(fd, F_SETLK, &whole) == 0 && flock(fd, LOCK_EX) == 0);
    raise(SIGSTOP);
}

/* liblmdb would wait for one of its lock files for ever: EVLOG_BUSY; a reader does without. */
static void a_foreign_lock_is_not_waited_for(void **state)
{
    static char names[][32] = {"log/events.mdb-lock", "log/state.mdb-lock"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        evlog *log;
        evlog_event *event;
        pid_t child = child_start(lock_a_file, names[i]);
        wait_until_stopped(child);
        IS_BUSY(child, open_for(WAIT_MS, false, &log));
        OK(open_for(WAIT_MS, true, &log));
        OK(evlog_read(log, 1, &event));
        evlog_event_free(event);
        OK(evlog_close(log));
        end_stopped(child, KILLED);
        OK(open_for(WAIT_MS, false, &log));
        OK(evlog_close(log));
    }
}

/* Nor the file `lock`. */
static void a_foreign_flock_is_not_waited_for(void **state)
{
    evlog *log;
    char name[] = "log/lock";
    (void)state;
    pid_t child = child_start(lock_a_file, name);
    wait_until_stopped(child);
    FAILS(EVLOG_BUSY, "process", open_for(WAIT_MS, false, &log));
    FAILS(EVLOG_BUSY, "process", open_for(WAIT_MS, true, &log));
    end_stopped(child, KILLED);
    OK(open_for(WAIT_MS, false, &log));
    OK(evlog_close(log));
}

/* --------------------------------------------------------- what is no file ---- */

static void make_fifo(const char *path)
{
    assert_int_equal(mkfifo(path, 0600), 0);
}

static void make_directory(const char *path)
{
    assert_int_equal(mkdir(path, 0700), 0);
}

static void make_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd);
}

static void make_device(const char *path)
{
    assert_int_equal(symlink("/dev/zero", path), 0);
}

static void (*const kinds[])(const char *) = {make_fifo, make_directory, make_socket,
                                              make_device};
#define KINDS (sizeof kinds / sizeof *kinds)

static const char *const names[] = {
    "format", "events.mdb", "state.mdb", "events.mdb-lock", "state.mdb-lock", "shared",
    "lock",   "journal",    "edge"};
#define NAMES (sizeof names / sizeof *names)

/* In place of each file of a log in turn: a FIFO, a directory, a socket, a device. It hangs nobody. */
static void what_is_no_file_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < NAMES * KINDS; i++) {
        char path[4200], aside[4200];
        evlog *log;
        snprintf(path, sizeof path, "%s/log/%s", home, names[i / KINDS]);
        snprintf(aside, sizeof aside, "%s/aside", home);
        assert_true(rename(path, aside) == 0 || errno == ENOENT);
        kinds[i % KINDS](path);
        alarm(30);
        FAILS(EVLOG_UNSUPPORTED, "is not a regular file", open_for(WAIT_MS, false, &log));
        assert_non_null(strstr(evlog_errmsg(), names[i / KINDS]));
        if (open_for(WAIT_MS, true, &log) == EVLOG_OK)
            OK(evlog_close(log)); /* a reader does without some of them */
        alarm(0);
        assert_int_equal(i % KINDS == 1 ? rmdir(path) : unlink(path), 0);
        assert_true(rename(aside, path) == 0 || errno == ENOENT);
        OK(open_for(WAIT_MS, false, &log));
        OK(evlog_close(log));
    }
}

/* The same where a new log is to be made. */
static void a_log_is_not_made_of_what_is_no_file(void **state)
{
    static const char *const made[] = {"format.new", "events.mdb", "state.mdb", "lock"};
    (void)state;
    for (size_t i = 0; i < 4 * KINDS; i++) {
        char path[4200];
        evlog *log;
        make_directory(in(home, "new"));
        snprintf(path, sizeof path, "%s/new/%s", home, made[i / KINDS]);
        kinds[i % KINDS](path);
        alarm(30);
        FAILS(EVLOG_UNSUPPORTED, "is not a regular file",
              evlog_open(in(home, "new"), NULL, &log));
        alarm(0);
        snprintf(path, sizeof path, "rm -r '%s/new'", home);
        assert_int_equal(system(path), 0);
    }
}

#define TEST_OF_LOG(name) cmocka_unit_test_setup_teardown(name, make_log, remove_log)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_OF_LOG(a_stopped_writer_is_named),
        TEST_OF_LOG(a_writer_stopped_in_a_commit_is_named),
        TEST_OF_LOG(a_traced_writer_is_named),
        TEST_OF_LOG(a_stopped_flush_is_named),
        TEST_OF_LOG(a_stopped_opener_is_named),
        TEST_OF_LOG(closing_does_not_wait_for_ever),
        TEST_OF_LOG(a_fork_does_not_wait_for_an_opening),
        TEST_OF_LOG(a_foreign_lock_is_not_waited_for),
        TEST_OF_LOG(a_foreign_flock_is_not_waited_for),
        TEST_OF_LOG(what_is_no_file_is_refused),
        TEST_OF_LOG(a_log_is_not_made_of_what_is_no_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
