/*
 * Child processes of the stress tests. They cannot report through cmocka: they say what was
 * wrong and exit, and the parent sees that. None outlives a test that has failed.
 */
#ifndef PROCESSES_H
#define PROCESSES_H

#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "test.h"

/* In a child: says what was wrong with which event (0: with none), and ends. */
static inline void die(const char *what, uint64_t seq)
{
    fprintf(stderr, "event %" PRIu64 ": %s: %s\n", seq, what, evlog_errmsg());
    _exit(1);
}

/* fork(), for the parent to wait for. */
static inline pid_t start_process(void)
{
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    return pid;
}

/* Kills a child, which was alive until now. */
static inline void kill_process(pid_t pid)
{
    int status;
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* Waits for children, which end well. */
static inline void expect_end(const pid_t *pids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int status;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
}

/* Until a child has come so far; it fails when the child has ended before. */
static inline void wait_for_child(pid_t pid, const atomic_int *step, int wanted)
{
    while (*step < wanted) {
        if (waitpid(pid, NULL, WNOHANG) != 0)
            fail_msg("a child has ended, at step %d of %d", *step, wanted);
        usleep(100);
    }
}

/* Memory that parent and children share, zeros. */
static inline void *map_shared(size_t size)
{
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(at != MAP_FAILED);
    return at;
}

#endif
