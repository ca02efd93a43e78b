/*
 * Sessions: recording, and making the cuts of what was recorded.
 *
 * For each cut a child makes the directory and judges it, so that each log is opened by a fresh
 * process; as many at once as --jobs says. The parent plays the trace once, from cut to cut.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "deaths.h"
#include "events.h"
#include "session.h"

#define AGAIN_PROCESS "9" /* sends after a cut as this one */
#define CHILD_SECONDS 60
#define READ_FIRST_EVERY 3 /* cuts after which somebody reads before anybody may recover */

__attribute__((format(printf, 1, 2), noreturn)) void die(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fputc('\n', stderr);
    exit(2);
}

/* ------------------------------------------------------------ directories ---- */

__attribute__((format(printf, 1, 2))) void shell(const char *format, ...)
{
    char command[3 * PATH_MAX];
    va_list list;
    va_start(list, format);
    vsnprintf(command, sizeof command, format, list);
    va_end(list);
    if (system(command))
        die("failed: %s", command);
}

void make_directory(const char *path)
{
    if (mkdir(path, 0700) && errno != EEXIST)
        die("%s: %s", path, strerror(errno));
}

__attribute__((format(printf, 2, 3))) void name_path(char path[PATH_MAX], const char *format, ...)
{
    va_list list;
    va_start(list, format);
    if (vsnprintf(path, PATH_MAX, format, list) >= PATH_MAX)
        die("%s: the path is too long", path);
    va_end(list);
}

void below(char path[PATH_MAX], const char *directory, const char *name)
{
    name_path(path, "%s/%s", directory, name);
}

static void write_text(const char *directory, const char *name, const void *bytes, size_t size)
{
    char path[PATH_MAX];
    below(path, directory, name);
    FILE *file = fopen(path, "w");
    if (!file || fwrite(bytes, 1, size, file) != size || fclose(file))
        die("%s: %s", path, strerror(errno));
}

/* --------------------------------------------------------------- sessions ---- */

/* In a child: becomes the recorded program. */
static void become_player(const struct session *session, const char *play, uint64_t seed)
{
    const struct scenario *scenario = session->scenario;
    char root[PATH_MAX], trace[PATH_MAX], delay[32], number[32];
    below(root, session->path, "root");
    below(trace, session->path, "trace");
    snprintf(delay, sizeof delay, "%u", scenario->delay_us);
    snprintf(number, sizeof number, "%" PRIu64, seed);
    setenv("EVLOG_RECORD", root, 1);
    setenv("EVLOG_RECORD_TRACE", trace, 1);
    setenv("EVLOG_RECORD_DELAY_US", delay, 1);
    if (scenario->slow_us) {
        snprintf(delay, sizeof delay, "%u", scenario->slow_us);
        setenv("EVLOG_RECORD_SLOW", scenario->near, 1);
        setenv("EVLOG_RECORD_SLOW_US", delay, 1);
    }
    setenv("LD_PRELOAD", power.recorder, 1);
    alarm(CHILD_SECONDS);
    execl(power.program, power.program, "--play", play, root, number,
          session->has_base ? AGAIN_PROCESS : "0", (char *)NULL);
    fprintf(stderr, "%s: %s\n", power.program, strerror(errno));
    _exit(127);
}

static bool play(const struct session *session, const char *name, uint64_t seed)
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        die("fork: %s", strerror(errno));
    if (pid == 0)
        become_player(session, name, seed);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (status)
        fprintf(stderr, "%s: the recorded program ended with %d\n", name, status);
    return status == 0;
}

struct disk *session_disk(const struct session *session, const char *left_out)
{
    char base[PATH_MAX];
    below(base, session->path, "base");
    return disk_new(&session->trace, session->has_base ? base : NULL, left_out);
}

/* In a child, since disk_write destroys. Returns its exit status. */
static int in_child(bool (*act)(const struct session *session, const struct cut *cut),
                    const struct session *session, const struct cut *cut)
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        die("fork: %s", strerror(errno));
    if (pid == 0)
        _exit(act(session, cut) ? 0 : 1);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

/* Whether the whole trace gives the directory that the program has left. */
static bool check_whole(const struct session *session, const struct cut *cut)
{
    (void)cut;
    char whole[PATH_MAX], root[PATH_MAX];
    below(whole, session->path, "whole");
    below(root, session->path, "root");
    make_directory(whole);
    struct disk *disk = session_disk(session, NULL);
    disk_play(disk, session->trace.count);
    return disk_write(disk, whole, DISK_EVERYTHING, 0) && disk_same(whole, root);
}

bool session_load(struct session *session)
{
    char path[PATH_MAX];
    struct promise promise;
    struct stat status;
    below(path, session->path, "base");
    session->has_base = stat(path, &status) == 0;
    below(path, session->path, "promises");
    FILE *file = fopen(path, "r");
    while (file && fread(&promise, sizeof promise, 1, file) == 1)
        promises_add(&session->before, &promise);
    if (file)
        fclose(file);
    below(path, session->path, "trace");
    return trace_read(path, &session->trace);
}

/* Records a scenario. Its directory is made, or has base and promises. */
bool session_record(struct session *session, const char *name, uint64_t seed)
{
    char root[PATH_MAX];
    below(root, session->path, "root");
    make_directory(session->path);
    make_directory(root);
    write_text(session->path, "scenario", session->scenario->name,
               strlen(session->scenario->name));
    if (!play(session, name, seed) || !session_load(session))
        return false;
    bool is_whole = in_child(check_whole, session, NULL) == 0;
    shell("rm -rf '%s/whole' '%s/root' '%s/'trace.*", session->path, session->path,
          session->path);
    return is_whole;
}

void session_free(struct session *session)
{
    trace_free(&session->trace);
    free(session->before.list);
    shell("rm -rf '%s'", session->path);
}

/* What had been promised before entry `end`. */
static void promises_until(const struct session *session, size_t end, struct promises *promises)
{
    *promises = (struct promises){.list = NULL};
    for (size_t i = 0; i < session->before.count; i++)
        promises_add(promises, &session->before.list[i]);
    for (size_t i = 0; i < end; i++)
        if (session->trace.entries[i]->kind == TRACE_PROMISE)
            promises_add(promises, trace_payload(session->trace.entries[i]));
}

/* ------------------------------------------------------------ where to cut ---- */

static int by_entry(const void *a, const void *b)
{
    size_t one = ((const struct cut *)a)->entry, other = ((const struct cut *)b)->entry;
    return one < other ? -1 : one > other;
}

/* The file that has this name in the trace at last; 0: none. */
static uint64_t file_named(const struct trace *trace, const char *name)
{
    for (size_t i = trace->count; name && i-- > 0;) {
        const struct trace_entry *entry = trace->entries[i];
        if ((entry->kind == TRACE_OPEN || entry->kind == TRACE_CREATE) &&
            strcmp(trace_name(entry), name) == 0)
            return entry->file;
    }
    return 0;
}

/* A random entry of this kind, or the count of entries where there is none; `file` 0: of any. */
static size_t draw_entry(const struct trace *trace, uint64_t *random, enum trace_kind kind,
                         uint64_t file)
{
    size_t begin = (size_t)event_random(random, trace->count);
    for (size_t i = 0; i < trace->count; i++) {
        size_t at = (begin + i) % trace->count;
        const struct trace_entry *entry = trace->entries[at];
        const struct trace_entry *of = kind == TRACE_ENDED ? trace->entries[entry->ref] : entry;
        if (entry->kind == kind && (!file || of->file == file))
            return at;
    }
    return trace->count;
}

/* Inside a flush. */
static size_t draw_flush(const struct trace *trace, uint64_t *random, uint64_t file)
{
    size_t ended = draw_entry(trace, random, TRACE_ENDED, file);
    uint64_t begun = ended < trace->count ? trace->entries[ended]->ref : 0;
    return begun + 1 + (size_t)event_random(random, ended - begun);
}

/* Inside a flush of `near`, if there is such a file; just after a promise; inside a flush; or anywhere. */
static size_t draw_point(const struct trace *trace, uint64_t *random, uint64_t near)
{
    if (near && event_random(random, 3))
        return draw_flush(trace, random, near);
    uint64_t how = event_random(random, 100);
    if (how < 40)
        return draw_entry(trace, random, TRACE_PROMISE, 0) + 1;
    if (how < 65)
        return draw_flush(trace, random, 0);
    return (size_t)event_random(random, trace->count + 1);
}

void session_draw(const struct session *session, uint64_t *random, struct cut *cuts, size_t count)
{
    const struct trace *trace = &session->trace;
    uint64_t near = file_named(trace, session->scenario->near);
    for (size_t i = 0; i < count; i++) {
        size_t entry = draw_point(trace, random, near);
        cuts[i].entry = entry < trace->count ? entry : trace->count;
        cuts[i].seed = event_random(random, UINT32_MAX);
    }
    qsort(cuts, count, sizeof *cuts, by_entry);
}

/* ----------------------------------------------------------------- cutting ---- */

/* Opens it for writing; but in some scenarios others have begun to, and were killed. */
static enum verdict judge_opened(const struct scenario *scenario, const char *log, uint64_t seed,
                                 const struct promises *promises, char why[WHY_SIZE])
{
    if (scenario->death_count && !deaths_in_recovery(log, scenario, &seed, why))
        return VERDICT_LOST;
    return verdict_of(log, scenario->durability, LOSS_POWER, promises, why);
}

/* In a child: makes the directory `path` and judges it. */
void session_judge(const struct session *session, struct disk *disk, const struct cut *cut,
                   const char *path, struct outcome *outcome)
{
    char log[PATH_MAX];
    struct promises promises;
    scenario_begin(session->scenario);
    promises_until(session, cut->entry, &promises);
    below(log, path, SCENARIO_LOG);
    outcome->verdict = VERDICT_HARNESS_BROKEN;
    snprintf(outcome->why, WHY_SIZE, "the directory of the cut could not be made");
    bool is_measured = promises.count > 0 || disk_has_flushed(disk);
    make_directory(path);
    if (!disk_write(disk, path, DISK_ANYTHING, cut->seed))
        return;
    outcome->verdict = VERDICT_LOST;
    snprintf(outcome->why, WHY_SIZE, "the process that opened it died");
    enum verdict verdict = VERDICT_SURVIVED;
    if (cut->seed % READ_FIRST_EVERY == 0)
        verdict = verdict_of_reading(log, &promises, outcome->why);
    if (verdict == VERDICT_SURVIVED)
        verdict = judge_opened(session->scenario, log, cut->seed, &promises, outcome->why);
    bool is_nothing = verdict == VERDICT_SURVIVED && !is_measured;
    outcome->verdict = is_nothing ? VERDICT_NOT_MEASURED : verdict;
}

static void cut_in_child(const struct session *session, struct disk *disk, const struct cut *cut,
                         struct outcome *outcome)
{
    char path[PATH_MAX], command[PATH_MAX + 16];
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        die("fork: %s", strerror(errno));
    if (pid)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(CHILD_SECONDS);
    name_path(path, "%s/cut-%d", power.work, (int)getpid());
    session_judge(session, disk, cut, path, outcome);
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    _exit(system(command) ? 1 : 0);
}

void wait_for_one(void)
{
    int status;
    while (wait(&status) < 0 && errno == EINTR)
        ;
}

struct outcome *outcomes_new(size_t count)
{
    struct outcome *outcomes = mmap(NULL, (count + 1) * sizeof *outcomes, PROT_READ | PROT_WRITE,
                                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (outcomes == MAP_FAILED)
        die("no memory");
    return outcomes;
}

/* Makes all cuts, which are in order. */
void session_cut(const struct session *session, const char *left_out, const struct cut *cuts,
                 size_t count, struct outcome *outcomes)
{
    unsigned running = 0;
    struct disk *disk = session_disk(session, left_out);
    for (size_t i = 0; i < count; i++) {
        disk_play(disk, cuts[i].entry);
        if (running == power.jobs) {
            wait_for_one();
            running--;
        }
        cut_in_child(session, disk, &cuts[i], &outcomes[i]);
        running++;
    }
    for (; running > 0; running--)
        wait_for_one();
    disk_free(disk);
}

/* ------------------------------------------------------------ once more ---- */

/* In a child: makes the directory of the first cut, which the second part of recovery begins in. */
static bool make_base(const struct session *session, const struct cut *cut)
{
    char base[PATH_MAX];
    name_path(base, "%s-again/root", session->path);
    struct disk *disk = session_disk(session, NULL);
    disk_play(disk, cut->entry);
    return disk_write(disk, base, DISK_ANYTHING, cut->seed);
}

bool session_again(const struct session *session, const struct cut *cut, uint64_t seed,
                   struct session *again)
{
    struct promises promises;
    *again =
        (struct session){.scenario = scenario_find(session->scenario->second), .has_base = true};
    name_path(again->path, "%s-again", session->path);
    make_directory(again->path);
    shell("mkdir '%s/root'", again->path);
    if (in_child(make_base, session, cut))
        die("the directory of a cut could not be made");
    shell("cp -r '%s/root' '%s/base'", again->path, again->path);
    promises_until(session, cut->entry, &promises);
    promises_keep_lasting(&promises, session->scenario->durability);
    write_text(again->path, "promises", promises.list, promises.count * sizeof *promises.list);
    free(promises.list);
    return session_record(again, session->scenario->second, seed);
}
