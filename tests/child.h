/*
 * What a test does in a process of its own: after a fork, as another user, among other mounts.
 *
 * cmocka's verbs must not fail there (they would go on with the parent's tests), so a
 * child has its own, CHECK, which prints what was not so and ends it. A child that waits
 * for ever is killed by its alarm.
 */
#ifndef CHILD_H
#define CHILD_H

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "test.h"

#define CHILD_SECONDS 180
#define CHILD_CANNOT 77 /* this machine does not let it */
#define NOBODY 65534

/* In a child: this holds. */
#define CHECK(condition)                                                                    \
    do {                                                                                    \
        if (!(condition)) {                                                                 \
            fprintf(stderr, "in a child, %s:%d: %s (%s)\n", __FILE__, __LINE__, #condition, \
                    evlog_errmsg());                                                        \
            _exit(1);                                                                       \
        }                                                                                   \
    } while (0)

/* In a child: the call fails with this code, and its sentence contains `words`. */
#define CHECK_FAILS(code, words, call) CHECK((call) == (code) && strstr(evlog_errmsg(), words))

/* Begins `run` in a child. */
static inline pid_t child_start(void (*run)(void *ctx), void *ctx)
{
    static const int deadly[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGSYS};
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++)
            signal(deadly[i], SIG_DFL); /* cmocka would go on with the tests */
        alarm(CHILD_SECONDS);
        run(ctx);
        _exit(0);
    }
    return pid;
}

/* Its exit status; 128 and the signal that ended it. */
static inline int child_wait(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) != pid)
        assert_int_equal(errno, EINTR);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/*
 * The verdict on a child's exit status: skips the test if the machine did not let the child do
 * it. Skipping leaves the test at once, so the caller frees what it holds first.
 */
static inline void child_succeeded(int status)
{
    if (status == CHILD_CANNOT)
        SKIP("this process does not have the rights it requires");
    assert_int_equal(status, 0);
}

/* Runs it to its end, and judges its exit status as above. */
static inline void in_child(void (*run)(void *ctx), void *ctx)
{
    child_succeeded(child_wait(child_start(run, ctx)));
}

/* Whether this process may read and write files whatever their modes, as root usually may. */
static inline bool overrides_modes(const void *home)
{
    const char *path = in(home, "of-no-mode");
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0);
    assert_true(fd >= 0);
    close(fd);
    bool overrides = access(path, R_OK | W_OK) == 0;
    unlink(path);
    return overrides;
}

/* In a child: from here on with no rights of root. */
static inline void become_nobody(void)
{
    if (geteuid() == 0 && (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY)))
        _exit(CHILD_CANNOT);
}

/* In a child: from here on with mounts that nobody else sees, gone with it. */
static inline void leave_mounts(void)
{
    if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
        _exit(CHILD_CANNOT);
}

#endif
