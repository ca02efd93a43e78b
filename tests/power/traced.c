/*
 * Running a process to a random one of its system calls or instructions, by ptrace(2).
 *
 * Its first thread stops when a system call begins and when it ends; from one of these stops on it is run instruction
 * by instruction. The threads beside it run freely, also while it stands. It is killed when its tracer ends.
 */
#include "traced.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "events.h"

#define STEPS_BITS 16
#define STATUS_NO_PTRACE 77

int traced_wait(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, __WALL) < 0)
        if (errno != EINTR) {
            perror("waitpid");
            exit(2);
        }
    return status;
}

void traced_kill(pid_t pid)
{
    kill(pid, SIGKILL);
    for (int status = traced_wait(pid); WIFSTOPPED(status);)
        status = traced_wait(pid);
}

static void be_traced(void)
{
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
        _exit(STATUS_NO_PTRACE);
    raise(SIGSTOP);
}

pid_t traced_fork(unsigned seconds, bool is_traced)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) {
        perror("fork");
        exit(2);
    }
    if (pid)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(seconds);
    if (is_traced)
        be_traced();
    return 0;
}

bool traced_is_begun(pid_t pid, int *status)
{
    *status = traced_wait(pid);
    if (!WIFSTOPPED(*status))
        return false;
    ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL));
    return true;
}

/* Lets it run to its next stop; false: it has ended. A signal is passed on. */
static bool go_on(pid_t pid, enum __ptrace_request how, int *status)
{
    int signal = 0;
    *status = 1;
    do {
        if (ptrace(how, pid, NULL, (void *)(intptr_t)signal))
            return false;
        *status = traced_wait(pid);
        if (!WIFSTOPPED(*status))
            return false;
        signal = WSTOPSIG(*status) & 0x7f;
    } while (signal != SIGTRAP);
    return true;
}

int traced_count(pid_t pid, uint64_t *call_count)
{
    int status;
    for (*call_count = 0; go_on(pid, PTRACE_SYSCALL, &status); ++*call_count)
        ;
    return status;
}

bool traced_run(pid_t pid, struct traced_point point, uint64_t *call_count, int *status)
{
    for (*call_count = 0; *call_count < point.calls; ++*call_count)
        if (!go_on(pid, PTRACE_SYSCALL, status))
            return false;
    for (uint64_t i = 0; i < point.steps; i++)
        if (!go_on(pid, PTRACE_SINGLESTEP, status))
            return false;
    return true;
}

struct traced_point traced_draw(uint64_t call_count, uint64_t *random)
{
    struct traced_point point = {.steps = 0};
    if (event_random(random, 2)) {
        uint64_t bits = event_random(random, STEPS_BITS + 1);
        point.steps = 1 + event_random(random, UINT64_C(1) << bits);
    }
    point.calls = event_random(random, call_count + 1);
    return point;
}
