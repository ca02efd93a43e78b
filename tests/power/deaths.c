/*
 * Deaths in recovery: what a cut has left is opened by processes that are killed in it.
 *
 * How many system calls an opening has there is counted on a copy. Then each process is killed at a random one of
 * them, or some instructions behind (traced.c), one after the other. Nothing is sent, so whatever dies, dies in making
 * the log whole. The last one stands still at its point for some milliseconds while another opens the log, which
 * waits for the recovery, has to do it itself, and must succeed.
 *
 * Without ptrace they are killed after a random time.
 */
#include "deaths.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "events.h"
#include "traced.h"

#define DEATH_SECONDS 30
#define LIFE_MAX_US 8000 /* without ptrace */
#define STANDS_MAX_US 10000
#define NOBODY -1 /* waits until it stands */

/* One opening. */
struct opening {
    const char *path;
    const struct scenario *scenario;
};

static pid_t start(const struct opening *opening, bool is_traced)
{
    evlog *log;
    evlog_options options = {.durability = opening->scenario->durability};
    pid_t pid = traced_fork(DEATH_SECONDS, is_traced);
    if (pid)
        return pid;
    int result = evlog_open(opening->path, &options, &log);
    if (result)
        fprintf(stderr, "opening: %s\n", evlog_errmsg());
    _exit(result ? 1 : 0);
}

/* How many stops an opening has, on a copy; 0: it cannot be traced. */
static uint64_t count_calls(const struct opening *opening)
{
    char copy[PATH_MAX];
    int status;
    uint64_t count = 0;
    name_path(copy, "%s-counted", opening->path);
    shell("cp -r '%s' '%s'", opening->path, copy);
    pid_t pid = start(&(struct opening){copy, opening->scenario}, true);
    if (traced_is_begun(pid, &status))
        traced_count(pid, &count);
    shell("rm -r '%s'", copy);
    return count;
}

/* Starts one and has it stand, or run, somewhere: true. False: it has ended before, with `*status`. */
static bool run_one(const struct opening *opening, uint64_t call_count, uint64_t *random,
                    pid_t *pid, int *status)
{
    uint64_t count;
    *pid = start(opening, call_count > 0);
    if (call_count > 0)
        return traced_is_begun(*pid, status) &&
               traced_run(*pid, traced_draw(call_count, random), &count, status);
    usleep((useconds_t)event_random(random, LIFE_MAX_US));
    return true;
}

/* Whether it was killed, or has opened the log. When it stands a byte is written to `ready`, and it stands a while. */
static bool kill_one(const struct opening *opening, uint64_t call_count, uint64_t *random,
                     int ready)
{
    pid_t pid;
    int status;
    bool is_there = run_one(opening, call_count, random, &pid, &status);
    if (ready != NOBODY && write(ready, "", 1) == 1)
        usleep((useconds_t)event_random(random, STANDS_MAX_US));
    if (is_there)
        traced_kill(pid);
    return is_there || status == 0;
}

/* In a child of its own, since only its parent can trace a process. Returns the child's pid when the opening stands. */
static pid_t start_last(const struct opening *opening, uint64_t call_count, uint64_t *random)
{
    int ready[2];
    char byte;
    if (pipe(ready))
        die("pipe");
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(kill_one(opening, call_count, random, ready[1]) ? 0 : 1);
    }
    close(ready[1]);
    if (read(ready[0], &byte, 1) != 1)
        die("a process that was to be killed did not begin");
    close(ready[0]);
    return pid;
}

bool deaths_in_recovery(const char *path, const struct scenario *scenario, uint64_t *random,
                        char why[WHY_SIZE])
{
    struct opening opening = {path, scenario};
    if (access(path, F_OK))
        return true; /* the cut was before there was a log */
    uint64_t call_count = count_calls(&opening);
    bool is_good = true;
    for (unsigned i = 1; is_good && i < scenario->death_count; i++)
        is_good = kill_one(&opening, call_count, random, NOBODY);
    pid_t last = start_last(&opening, call_count, random);
    int waited = traced_wait(start(&opening, false));
    int ended = traced_wait(last);
    if (!is_good || waited || ended)
        snprintf(why, WHY_SIZE, "a process that makes it whole could not open it");
    return is_good && !waited && !ended;
}
