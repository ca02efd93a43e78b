/*
 * kill -9 at random instructions.
 *
 *   kill [--rounds N] [--seed S] [--play NAME]
 *
 * In each round a process plays one of the scenarios (scenarios.c) on a log that lives through all rounds of that
 * play, or on a new one, and is killed: by ptrace(2) it runs to a random one of its system calls
 * (begin or end; how many there are is counted in a first round in which nobody is killed) and from there a
 * random number of instructions, 1 to 65,536, small numbers as often as large ones. The threads beside the
 * first run freely. One round in four it is killed after a random time instead, and in all where
 * ptrace is not permitted.
 *
 * In half of the rounds another process sends and reads meanwhile, and goes on for some sends after
 * the death; a failure of one of its calls is a failure of the test. In one round in four the log is
 * then opened by a second process that is killed too, so that what a death has left is met by
 * another.
 * At last a fresh process judges the log (verdict.c): a death loses nothing that was promised, in both durability
 * classes. Promises are kept in memory that outlives the killed.
 *
 * Exit status: 0 when nothing was lost.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "events.h"
#include "traced.h"
#include "verdict.h"

#define ROUNDS_DEFAULT 60
#define PROMISES_MAX 200000 /* in one round */
#define OTHERS_SENDS 5      /* after the death */
#define OTHERS_REST_US 10000
/* Promises; then a log that is kept begins anew: judging looks at all of them for each event. */
#define KEPT_MAX 20000
#define CHILD_SECONDS 60

enum process { PROCESS_VICTIM = 1, PROCESS_SECOND, PROCESS_OTHER };

/* How a log is provided. */
enum log_kind {
    LOG_KEPT,  /* the same for all rounds of a play */
    LOG_NEW,   /* none */
    LOG_GROWN, /* a copy of one that is nearly as large as the first map */
};

static const struct play {
    const char *name;
    enum log_kind log_kind;
} plays[] = {
    {"one", LOG_KEPT},
    {"threads", LOG_KEPT},
    {"batches", LOG_KEPT},
    {"types", LOG_KEPT},
    {"creation", LOG_NEW},
    {"short", LOG_KEPT},
    {"big", LOG_NEW},
    {"consumer", LOG_KEPT},
    {"grown", LOG_GROWN},
    {"again", LOG_KEPT},
    {"erase", LOG_NEW},
    {"fast-one", LOG_KEPT},
    {"fast-threads", LOG_KEPT},
    {"fast-batches", LOG_KEPT},
    {"fast-types", LOG_KEPT},
    {"fast-creation", LOG_NEW},
    {"fast-short", LOG_KEPT},
    {"fast-big", LOG_NEW},
    {"fast-consumer", LOG_KEPT},
    {"fast-grown", LOG_GROWN},
    {"fast-again", LOG_KEPT},
    {"fast-erase", LOG_NEW},
};

#define PLAYS (sizeof plays / sizeof *plays)

/* What all processes share. */
static struct {
    atomic_bool stop;
    atomic_size_t count;
    struct promise list[PROMISES_MAX]; /* kind 0: not written in full */
} * shared;

/* What is known of a play. */
static struct known {
    bool is_counted;
    uint64_t call_count; /* stops at system calls */
    uint64_t life_us;
    struct promises promises; /* of its log */
    char why[WHY_SIZE];
} known[PLAYS];

static struct {
    uint64_t rounds, seed;
    const char *play;
    char work[PATH_MAX];
} options = {.rounds = ROUNDS_DEFAULT};

static struct {
    unsigned in_calls, in_steps, by_time, ended, with_others, twice;
} counts;

static bool has_ptrace = true;

__attribute__((noreturn)) static void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(2);
}

static void shell(const char *format, const char *one, const char *other)
{
    char command[3 * PATH_MAX];
    snprintf(command, sizeof command, format, one, other);
    if (system(command))
        die(command);
}

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* ------------------------------------------------------------- promises ---- */

EVLOG_API void recorder_promise(const void *bytes, size_t size);

/* Found by promise.h. A process that dies in here leaves an entry of kind 0. */
EVLOG_API void recorder_promise(const void *bytes, size_t size)
{
    struct promise promise;
    size_t at = atomic_fetch_add(&shared->count, 1);
    if (at >= PROMISES_MAX)
        abort();
    memcpy(&promise, bytes, size);
    uint32_t kind = promise.kind;
    promise.kind = 0;
    shared->list[at] = promise;
    atomic_thread_fence(memory_order_release);
    *(volatile uint32_t *)&shared->list[at].kind = kind;
}

/* While the victim is run slowly the others could promise without end: past half of the room they rest. */
static bool others_go_on(void)
{
    if (shared->count > PROMISES_MAX / 2)
        usleep(OTHERS_REST_US);
    return !shared->stop;
}

static void take_promises(struct promises *promises)
{
    for (size_t i = 0; i < shared->count; i++) {
        if (shared->list[i].kind)
            promises_add(promises, &shared->list[i]);
        shared->list[i].kind = 0;
    }
    shared->count = 0;
}

/* ------------------------------------------------------------ processes ---- */

/* Starts one that plays; `is_traced`: it stops before it begins. */
static pid_t start(const char *name, const char *root, uint64_t round, enum process process,
                   bool is_traced)
{
    pid_t pid = traced_fork(CHILD_SECONDS, is_traced);
    if (pid)
        return pid;
    scenario_play(scenario_find(name), root, options.seed + round, process, round);
    exit(0);
}

/* Whether a play ended well by itself. */
static bool ended_well(int status)
{
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Plays to the end, traced and counted, or timed. */
static bool play_to_the_end(struct known *play, const char *name, const char *root,
                            uint64_t round, bool is_traced)
{
    uint64_t began_us = now_us();
    pid_t pid = start(name, root, round, PROCESS_VICTIM, is_traced);
    int status;
    if (!is_traced) {
        status = traced_wait(pid);
        play->life_us = now_us() - began_us;
        return ended_well(status);
    }
    if (traced_is_begun(pid, &status))
        return ended_well(traced_count(pid, &play->call_count));
    printf("(no ptrace: all are killed after a random time)\n");
    has_ptrace = false;
    return true;
}

/* Plays and is killed at a system call or some instructions after it. false: it failed. */
static bool play_traced(struct known *play, pid_t pid, uint64_t *random)
{
    int status;
    struct traced_point point = traced_draw(play->call_count, random);
    uint64_t count = 0;
    if (traced_is_begun(pid, &status) && traced_run(pid, point, &count, &status)) {
        traced_kill(pid);
        *(point.steps ? &counts.in_steps : &counts.in_calls) += 1;
        return true;
    }
    counts.ended++;
    play->call_count = count;
    return ended_well(status);
}

/* The same after a random time. */
static bool play_timed(const struct known *play, pid_t pid, uint64_t *random)
{
    usleep((useconds_t)event_random(random, play->life_us + 1));
    kill(pid, SIGKILL);
    int status = traced_wait(pid);
    bool is_killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    *(is_killed ? &counts.by_time : &counts.ended) += 1;
    return is_killed || ended_well(status);
}

static bool play_and_die(struct known *play, const char *name, const char *root, uint64_t round,
                         enum process process, uint64_t *random)
{
    bool is_traced = has_ptrace && event_random(random, 4) > 0;
    pid_t pid = start(name, root, round, process, is_traced);
    return is_traced ? play_traced(play, pid, random) : play_timed(play, pid, random);
}

/* ---------------------------------------------------------------- rounds ---- */

/* In a child: the log is as it must be. */
static bool judge(struct known *play, const struct scenario *scenario, const char *root)
{
    char path[PATH_MAX + 8];
    struct outcome {
        enum verdict verdict;
        char why[WHY_SIZE];
    } *outcome =
        mmap(NULL, sizeof *outcome, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (outcome == MAP_FAILED)
        die("memory");
    snprintf(path, sizeof path, "%s/" SCENARIO_LOG, root);
    outcome->verdict = VERDICT_LOST;
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0) {
        alarm(CHILD_SECONDS);
        outcome->verdict =
            verdict_of(path, scenario->durability, LOSS_PROCESS, &play->promises, outcome->why);
        _exit(0);
    }
    int status = traced_wait(pid);
    bool is_good = outcome->verdict == VERDICT_SURVIVED;
    memcpy(play->why, outcome->why, WHY_SIZE);
    if (WIFSIGNALED(status))
        snprintf(play->why, WHY_SIZE, "the process that judges it was ended by signal %d",
                 WTERMSIG(status));
    munmap(outcome, sizeof *outcome);
    return is_good;
}

static const char *others_of(const struct scenario *scenario)
{
    return scenario->durability == EVLOG_FAST ? "fast-others" : "others";
}

/* Until the others have got on, or have failed. */
static bool wait_for_others(pid_t pid, int *status)
{
    size_t until = shared->count + OTHERS_SENDS;
    while (shared->count < until) {
        if (waitpid(pid, status, WNOHANG) == pid)
            return false;
        usleep(100);
    }
    return true;
}

static bool stop_others(pid_t pid, char *why)
{
    int status;
    bool is_there = wait_for_others(pid, &status);
    shared->stop = true;
    if (is_there)
        status = traced_wait(pid);
    if (is_there && ended_well(status))
        return true;
    if (WIFSIGNALED(status))
        snprintf(why, WHY_SIZE, "another process was ended by signal %d", WTERMSIG(status));
    else
        snprintf(why, WHY_SIZE, "another process ended with %d", WEXITSTATUS(status));
    return false;
}

static bool kill_round(struct known *play, const struct play *what, const char *root,
                       uint64_t round, uint64_t *random)
{
    bool has_others = event_random(random, 2), is_twice = event_random(random, 4) == 0, is_good;
    pid_t others = 0;
    shared->stop = false;
    const struct scenario *scenario = scenario_find(what->name);
    if (has_others)
        others = start(others_of(scenario), root, round, PROCESS_OTHER, false);
    is_good = play_and_die(play, what->name, root, round, PROCESS_VICTIM, random);
    if (is_good && is_twice)
        is_good = play_and_die(play, what->name, root, round, PROCESS_SECOND, random);
    counts.with_others += has_others;
    counts.twice += is_twice;
    if (has_others && !stop_others(others, play->why))
        return false;
    if (!is_good)
        strcpy(play->why, "the victim failed before it was killed");
    take_promises(&play->promises);
    return is_good && judge(play, scenario, root);
}

/* Provides the log of a round. */
static void prepare(const struct play *what, struct known *play, char root[PATH_MAX])
{
    char grown[PATH_MAX];
    struct stat status;
    bool is_fast = strncmp(what->name, "fast-", 5) == 0;
    snprintf(root, PATH_MAX, "%.3000s/%s", options.work, what->name);
    if (what->log_kind == LOG_KEPT && play->promises.count < KEPT_MAX && stat(root, &status) == 0)
        return;
    play->promises.count = 0;
    shell("rm -rf '%s' && mkdir '%s'", root, root);
    if (what->log_kind != LOG_GROWN)
        return;
    snprintf(grown, sizeof grown, "%.3000s/%s", options.work,
             is_fast ? "fast-full-log" : "full-log");
    if (stat(grown, &status)) {
        shell("mkdir '%s'%s", grown, "");
        pid_t pid = start(is_fast ? "fast-filled" : "filled", grown, 0, 0, false);
        if (!ended_well(traced_wait(pid)))
            die("a large log could not be made");
        take_promises(&play->promises);
    }
    shell("cp -r '%s/log' '%s'", grown, root);
}

static bool run_round(uint64_t round, uint64_t *random)
{
    size_t index = round % PLAYS;
    const struct play *what = &plays[index];
    struct known *play = &known[index];
    char root[PATH_MAX];
    if (options.play && strcmp(options.play, what->name) != 0)
        return true;
    prepare(what, play, root);
    if (!play->is_counted) {
        uint64_t past = options.rounds + round;
        bool is_good = play_to_the_end(play, what->name, root, past, has_ptrace);
        take_promises(&play->promises);
        prepare(what, play, root);
        is_good = is_good && play_to_the_end(play, what->name, root, past + PLAYS, false);
        if (!is_good)
            die("a play failed");
        take_promises(&play->promises);
        prepare(what, play, root);
        play->is_counted = true;
    }
    if (kill_round(play, what, root, round, random))
        return true;
    printf("  round %" PRIu64 ", %s: %s\n  its log: %s\n", round, what->name, play->why, root);
    return false;
}

/* -------------------------------------------------------- the command line ---- */

static void parse(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--rounds") == 0)
            options.rounds = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--seed") == 0)
            options.seed = strtoull(argv[i + 1], NULL, 0);
        else if (strcmp(argv[i], "--play") == 0)
            options.play = argv[i + 1];
    }
}

int main(int argc, char **argv)
{
    bool is_good = true;
    options.seed = event_mix((uint64_t)getpid()) % 1000000;
    parse(argc, argv);
    uint64_t random = options.seed;
    shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        die("memory");
    scenario_goes_on = others_go_on;
    strcpy(options.work, "/dev/shm/evlog-kill-XXXXXX");
    if (!mkdtemp(options.work) && !mkdtemp(strcpy(options.work, "/tmp/evlog-kill-XXXXXX")))
        die(options.work);
    printf("kills, seed %" PRIu64 "\n", options.seed);
    for (uint64_t round = 0; is_good && round < options.rounds; round++)
        is_good = run_round(round, &random);
    printf(
        "killed at a system call %u, at an instruction %u, after a time %u; %u had ended; with others %u rounds, twice %u\n",
        counts.in_calls, counts.in_steps, counts.by_time, counts.ended, counts.with_others,
        counts.twice);
    if (is_good)
        shell("rm -rf '%s'%s", options.work, "");
    return is_good ? 0 : 1;
}
