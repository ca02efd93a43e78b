/*
 * The command of the power-cut test: records scenarios, cuts them, judges what is left. README.md.
 *
 *   power [--cuts N] [--seed S] [--scenario NAME] [--jobs J] [--expected FILE] [--keep DIR]
 *   power --leave-out SITE ...  without this flush, "flush log/events.mdb", or with "#3" the third
 *   power --harness ...         leaves out each kind of flush in turn
 *   power --trace DIR --cut N:S one cut of a trace that was kept
 *   power --play NAME ROOT SEED PROCESS  what is recorded
 *
 * A session is a recorded scenario: a directory with its `trace`, the directory `root` as the
 * scenario has left it, `scenario`, its name, and, if it began in what another cut had left,
 * `base`, that, and `promises`, what had been promised before.
 *
 * For each cut a child makes the directory and judges it, so that each log is opened by a fresh process; as many
 * at once as --jobs says. The parent plays the trace once, from cut to cut. A cut is N:S: before entry N,
 * the rest drawn by the seed S.
 *
 * Exit status: 0 when nothing was lost but in what `expected_red` names, and the harness is whole.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
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

#include "events.h"
#include "rebuild.h"
#include "verdict.h"

#define CUTS_DEFAULT 300
#define HARNESS_CUTS 60   /* for each kind of flush and scenario */
#define FIRST_CUTS 4      /* of one first cut in recovery so many second ones are made */
#define AGAIN_PROCESS "9" /* sends after a cut as this one */
#define CHILD_SECONDS 60
#define READ_FIRST_EVERY 3 /* cuts after which somebody reads before anybody may recover */
#define JOBS_MAX 64
#define SITES_MAX 64

struct cut {
    size_t entry;
    uint64_t seed;
};

/* What became of a cut; shared with the child. */
struct outcome {
    enum verdict verdict;
    char why[WHY_SIZE];
};

struct session {
    const struct scenario *scenario; /* whose durability the log has */
    char path[PATH_MAX];
    bool has_base;
    struct trace trace;
    struct promises before; /* its beginning */
};

static struct {
    unsigned cut_count, jobs;
    uint64_t seed;
    const char *scenario, *expected, *keep, *trace, *cut, *left_out;
    const char *now; /* the scenario that is played */
    bool is_harness;
    char program[PATH_MAX], recorder[PATH_MAX];
    char work[PATH_MAX]; /* removed at the end */
} options = {.cut_count = CUTS_DEFAULT, .expected = "tests/power/expected_red"};

static unsigned totals[VERDICT_COUNT];

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fputc('\n', stderr);
    exit(2);
}

/* ---------------------------------------------------------- what is known ---- */

/* Whether `expected_red` has a line that begins with these words. */
static bool is_expected(const char *kind, const char *name)
{
    char line[1024], words[512];
    bool is_found = false;
    FILE *file = fopen(options.expected, "r");
    int size = snprintf(words, sizeof words, "%s %s ", kind, name);
    if (!file)
        die("%s: %s", options.expected, strerror(errno));
    while (!is_found && fgets(line, sizeof line, file))
        is_found = strncmp(line, words, (size_t)size) == 0;
    fclose(file);
    return is_found;
}

/* ------------------------------------------------------------ directories ---- */

__attribute__((format(printf, 1, 2))) static void shell(const char *format, ...)
{
    char command[3 * PATH_MAX];
    va_list list;
    va_start(list, format);
    vsnprintf(command, sizeof command, format, list);
    va_end(list);
    if (system(command))
        die("failed: %s", command);
}

static void make_directory(const char *path)
{
    if (mkdir(path, 0700) && errno != EEXIST)
        die("%s: %s", path, strerror(errno));
}

static void make_work(void)
{
    snprintf(options.work, sizeof options.work, "/dev/shm/evlog-power-XXXXXX");
    if (!mkdtemp(options.work)) {
        snprintf(options.work, sizeof options.work, "/tmp/evlog-power-XXXXXX");
        if (!mkdtemp(options.work))
            die("%s: %s", options.work, strerror(errno));
    }
}

__attribute__((format(printf, 2, 3))) static void name_path(char path[PATH_MAX],
                                                            const char *format, ...)
{
    va_list list;
    va_start(list, format);
    if (vsnprintf(path, PATH_MAX, format, list) >= PATH_MAX)
        die("%s: the path is too long", path);
    va_end(list);
}

static void below(char path[PATH_MAX], const char *directory, const char *name)
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
    char root[PATH_MAX], trace[PATH_MAX], delay[32], number[32];
    below(root, session->path, "root");
    below(trace, session->path, "trace");
    snprintf(delay, sizeof delay, "%u", session->scenario->delay_us);
    snprintf(number, sizeof number, "%" PRIu64, seed);
    setenv("EVLOG_RECORD", root, 1);
    setenv("EVLOG_RECORD_TRACE", trace, 1);
    setenv("EVLOG_RECORD_DELAY_US", delay, 1);
    setenv("LD_PRELOAD", options.recorder, 1);
    alarm(CHILD_SECONDS);
    execl(options.program, options.program, "--play", play, root, number,
          session->has_base ? AGAIN_PROCESS : "0", (char *)NULL);
    fprintf(stderr, "%s: %s\n", options.program, strerror(errno));
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

static struct disk *first_disk(const struct session *session, const char *left_out)
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
    struct disk *disk = first_disk(session, NULL);
    disk_play(disk, session->trace.count);
    return disk_write(disk, whole, DISK_EVERYTHING, 0) && disk_same(whole, root);
}

static bool load_session(struct session *session)
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
static bool record(struct session *session, const char *name, uint64_t seed)
{
    char root[PATH_MAX];
    below(root, session->path, "root");
    make_directory(session->path);
    make_directory(root);
    write_text(session->path, "scenario", session->scenario->name,
               strlen(session->scenario->name));
    if (!play(session, name, seed) || !load_session(session))
        return false;
    bool is_whole = in_child(check_whole, session, NULL) == 0;
    shell("rm -rf '%s/whole' '%s/root' '%s/'trace.*", session->path, session->path,
          session->path);
    return is_whole;
}

static void free_session(struct session *session)
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

/* A random entry of these kinds, or the count of entries where there is none. */
static size_t draw_entry(const struct trace *trace, uint64_t *random, unsigned kinds)
{
    size_t begin = (size_t)event_random(random, trace->count);
    for (size_t i = 0; i < trace->count; i++) {
        size_t at = (begin + i) % trace->count;
        if (kinds >> trace->entries[at]->kind & 1)
            return at;
    }
    return trace->count;
}

/* Just after a promise, inside a flush, or anywhere. */
static size_t draw_point(const struct trace *trace, uint64_t *random)
{
    uint64_t how = event_random(random, 100);
    if (how < 40)
        return draw_entry(trace, random, 1u << TRACE_PROMISE) + 1;
    if (how < 65) {
        size_t ended = draw_entry(trace, random, 1u << TRACE_ENDED);
        uint64_t begun = ended < trace->count ? trace->entries[ended]->ref : 0;
        return begun + 1 + (size_t)event_random(random, ended - begun);
    }
    return (size_t)event_random(random, trace->count + 1);
}

static void draw_cuts(const struct trace *trace, uint64_t *random, struct cut *cuts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t entry = draw_point(trace, random);
        cuts[i].entry = entry < trace->count ? entry : trace->count;
        cuts[i].seed = event_random(random, UINT32_MAX);
    }
    qsort(cuts, count, sizeof *cuts, by_entry);
}

/* ----------------------------------------------------------------- cutting ---- */

/* In a child: makes the directory `path` and judges it. */
static void cut_here(const struct session *session, struct disk *disk, const struct cut *cut,
                     const char *path, struct outcome *outcome)
{
    char log[PATH_MAX];
    struct promises promises;
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
        verdict = verdict_of_reading(log, promises.count > 0, outcome->why);
    if (verdict == VERDICT_SURVIVED)
        verdict =
            verdict_of(log, session->scenario->durability, LOSS_POWER, &promises, outcome->why);
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
    name_path(path, "%s/cut-%d", options.work, (int)getpid());
    cut_here(session, disk, cut, path, outcome);
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    _exit(system(command) ? 1 : 0);
}

static void wait_for_one(void)
{
    int status;
    while (wait(&status) < 0 && errno == EINTR)
        ;
}

static struct outcome *new_outcomes(size_t count)
{
    struct outcome *outcomes = mmap(NULL, (count + 1) * sizeof *outcomes, PROT_READ | PROT_WRITE,
                                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (outcomes == MAP_FAILED)
        die("no memory");
    return outcomes;
}

/* Makes all cuts, which are in order. */
static void make_cuts(const struct session *session, const char *left_out, const struct cut *cuts,
                      size_t count, struct outcome *outcomes)
{
    unsigned running = 0;
    struct disk *disk = first_disk(session, left_out);
    for (size_t i = 0; i < count; i++) {
        disk_play(disk, cuts[i].entry);
        if (running == options.jobs) {
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

/* --------------------------------------------------------------- reporting ---- */

/* Keeps a session, once, and prints how to make the cut again. */
static void keep(const struct session *session, const struct cut *cut, const char *why)
{
    char kept[PATH_MAX];
    struct stat status;
    if (is_expected("scenario", options.now))
        return;
    name_path(kept, "%s/%s-%" PRIu64, options.keep, session->scenario->name, options.seed);
    if (stat(kept, &status))
        shell("mkdir -p '%s' && cp -r '%s' '%s'", options.keep, session->path, kept);
    printf("    %zu:%" PRIu64 " %s\n", cut->entry, cut->seed, why);
    printf("    again: %s --trace %s --cut %zu:%" PRIu64, options.program, kept, cut->entry,
           cut->seed);
    if (options.left_out)
        printf(" --leave-out '%s'", options.left_out);
    putchar('\n');
}

/* Counts the verdicts; keeps the first that is bad. */
static void count_outcomes(const struct session *session, const struct cut *cuts,
                           const struct outcome *outcomes, size_t count,
                           unsigned counts[VERDICT_COUNT])
{
    for (size_t i = 0; i < count; i++) {
        enum verdict verdict = outcomes[i].verdict;
        bool is_bad = verdict == VERDICT_LOST || verdict == VERDICT_HARNESS_BROKEN;
        if (is_bad && !counts[verdict])
            keep(session, &cuts[i], outcomes[i].why);
        counts[verdict]++;
    }
}

/* One line for a scenario. Whether it is as expected. */
static bool report(const struct scenario *scenario, const unsigned counts[VERDICT_COUNT])
{
    bool is_known = is_expected("scenario", scenario->name);
    bool is_good = !counts[VERDICT_HARNESS_BROKEN] && (is_known || !counts[VERDICT_LOST]);
    printf("  %-16s", scenario->name);
    for (int i = 0; i < VERDICT_COUNT; i++) {
        if (counts[i] || i == VERDICT_SURVIVED)
            printf(" %4u %s", counts[i], verdict_names[i]);
        if (!is_known || i != VERDICT_LOST)
            totals[i] += counts[i];
    }
    if (is_known)
        printf(counts[VERDICT_LOST] ? " (expected)" : " (expected to lose: see expected_red)");
    printf(is_good ? "\n" : "  FAILED\n");
    fflush(stdout);
    return is_good;
}

/* --------------------------------------------------------------- scenarios ---- */

static void cut_session(const struct session *session, uint64_t *random, size_t count,
                        unsigned counts[VERDICT_COUNT])
{
    struct cut *cuts = calloc(count + 1, sizeof *cuts);
    struct outcome *outcomes = new_outcomes(count);
    if (!cuts)
        die("no memory");
    draw_cuts(&session->trace, random, cuts, count);
    make_cuts(session, options.left_out, cuts, count, outcomes);
    count_outcomes(session, cuts, outcomes, count, counts);
    munmap(outcomes, (count + 1) * sizeof *outcomes);
    free(cuts);
}

/* In a child: makes the directory of the first cut, which the second part of recovery begins in. */
static bool make_base(const struct session *session, const struct cut *cut)
{
    char base[PATH_MAX];
    name_path(base, "%s-again/root", session->path);
    struct disk *disk = first_disk(session, NULL);
    disk_play(disk, cut->entry);
    return disk_write(disk, base, DISK_ANYTHING, cut->seed);
}

/* Cuts a session, begins again in what is left, and cuts that. */
static void cut_twice(const struct session *session, uint64_t *random, size_t count,
                      unsigned counts[VERDICT_COUNT])
{
    struct cut cut;
    struct promises promises;
    struct session again = {.scenario = scenario_find(session->scenario->second)};
    name_path(again.path, "%s-again", session->path);
    draw_cuts(&session->trace, random, &cut, 1);
    make_directory(again.path);
    shell("mkdir '%s/root'", again.path);
    if (in_child(make_base, session, &cut))
        die("the directory of a cut could not be made");
    shell("cp -r '%s/root' '%s/base'", again.path, again.path);
    promises_until(session, cut.entry, &promises);
    promises_keep_lasting(&promises, session->scenario->durability);
    write_text(again.path, "promises", promises.list, promises.count * sizeof *promises.list);
    free(promises.list);
    again.has_base = true;
    if (record(&again, session->scenario->second, *random))
        cut_session(&again, random, count, counts);
    else if (!counts[VERDICT_LOST]++)
        keep(session, &cut, "what was left could not be opened and sent to");
    free_session(&again);
}

static bool run_scenario(const struct scenario *scenario, uint64_t seed, size_t count)
{
    unsigned counts[VERDICT_COUNT] = {0};
    uint64_t random = seed;
    struct session session = {.scenario = scenario};
    options.now = scenario->name;
    below(session.path, options.work, scenario->name);
    if (!record(&session, scenario->name, seed))
        counts[VERDICT_HARNESS_BROKEN]++;
    else if (!scenario->second)
        cut_session(&session, &random, count, counts);
    else
        for (size_t i = 0; i < count; i += FIRST_CUTS)
            cut_twice(&session, &random, FIRST_CUTS, counts);
    free_session(&session);
    return report(scenario, counts);
}

static bool is_wanted(const struct scenario *scenario)
{
    return options.scenario ? strcmp(scenario->name, options.scenario) == 0
                            : scenario->cut_percent > 0;
}

/* All scenarios, each with its share of the cuts. */
static bool run_all(void)
{
    bool is_good = true;
    size_t percents = 0;
    for (size_t i = 0; i < scenario_count; i++)
        percents += is_wanted(&scenarios[i]) ? scenarios[i].cut_percent : 0;
    printf("power cuts, seed %" PRIu64 "\n", options.seed);
    for (size_t i = 0; i < scenario_count; i++)
        if (is_wanted(&scenarios[i])) {
            size_t count = (options.cut_count * scenarios[i].cut_percent + percents - 1) /
                           (percents ? percents : 1);
            is_good = run_scenario(&scenarios[i], options.seed + i, count) && is_good;
        }
    printf("%u survived, %u lost, %u not measured, %u harness broken\n", totals[0], totals[1],
           totals[2], totals[3]);
    return is_good;
}

/* ---------------------------------------------------------- the harness ---- */

struct site {
    char name[PATH_MAX];
    unsigned cut_count, noticed_count;
};

static struct sites {
    struct site list[SITES_MAX];
    size_t count;
} sites;

static struct site *site_of(const char *name)
{
    for (size_t i = 0; i < sites.count; i++)
        if (strcmp(sites.list[i].name, name) == 0)
            return &sites.list[i];
    if (sites.count == SITES_MAX)
        die("too many kinds of flush");
    struct site *site = &sites.list[sites.count++];
    snprintf(site->name, sizeof site->name, "%s", name);
    return site;
}

/* The sites of a session, as bits. */
static uint64_t find_sites(const struct session *session)
{
    uint64_t found = 0;
    struct disk *disk = first_disk(session, NULL);
    for (size_t i = 0; i < session->trace.count; i++) {
        const struct trace_entry *entry = session->trace.entries[i];
        disk_play(disk, i);
        if (entry->kind == TRACE_FLUSH || entry->kind == TRACE_WRITE_SYNC)
            found |= UINT64_C(1) << (site_of(disk_site(disk, entry)) - sites.list);
    }
    disk_free(disk);
    return found;
}

static void leave_out(const struct session *session, struct site *site, uint64_t *random)
{
    struct cut cuts[HARNESS_CUTS];
    struct outcome *outcomes = new_outcomes(HARNESS_CUTS);
    unsigned noticed = 0;
    draw_cuts(&session->trace, random, cuts, HARNESS_CUTS);
    make_cuts(session, site->name, cuts, HARNESS_CUTS, outcomes);
    for (size_t i = 0; i < HARNESS_CUTS; i++)
        noticed += outcomes[i].verdict == VERDICT_LOST;
    munmap(outcomes, (HARNESS_CUTS + 1) * sizeof *outcomes);
    site->cut_count += HARNESS_CUTS;
    site->noticed_count += noticed;
    printf("  %-16s without %-24s %2u of %d cuts lose something\n", session->scenario->name,
           site->name, noticed, HARNESS_CUTS);
    fflush(stdout);
}

/* Leaves out what this scenario flushes and no earlier one has shown to be missed. */
static bool harness_scenario(const struct scenario *scenario, uint64_t seed)
{
    uint64_t random = seed;
    struct session session = {.scenario = scenario};
    below(session.path, options.work, scenario->name);
    bool is_whole = record(&session, scenario->name, seed);
    uint64_t found = is_whole ? find_sites(&session) : 0;
    if (!is_whole)
        printf("  %-16s %s: FAILED\n", scenario->name, verdict_names[VERDICT_HARNESS_BROKEN]);
    for (size_t i = 0; i < sites.count; i++)
        if ((found >> i & 1) && !sites.list[i].noticed_count)
            leave_out(&session, &sites.list[i], &random);
    free_session(&session);
    return is_whole;
}

/* Leaving out a kind of flush must be noticed in one scenario at least. */
static bool run_harness(void)
{
    bool is_good = true;
    printf("flushes left out, seed %" PRIu64 "\n", options.seed);
    for (size_t i = 0; i < scenario_count; i++)
        if (is_wanted(&scenarios[i]) && !scenarios[i].second &&
            (options.scenario || !is_expected("scenario", scenarios[i].name)))
            is_good = harness_scenario(&scenarios[i], options.seed + i) && is_good;
    for (size_t i = 0; i < sites.count; i++) {
        if (sites.list[i].noticed_count)
            continue;
        bool is_known = is_expected("site", sites.list[i].name);
        printf("  nobody has noticed that %s was left out%s\n", sites.list[i].name,
               is_known ? " (expected)" : ": FAILED");
        is_good = is_good && is_known;
    }
    return is_good;
}

/* --------------------------------------------------------------- one cut ---- */

static bool run_again(void)
{
    struct cut cut;
    struct outcome outcome;
    char name[64] = "", path[PATH_MAX];
    struct session session = {.scenario = NULL};
    if (!options.cut || sscanf(options.cut, "%zu:%" SCNu64, &cut.entry, &cut.seed) != 2)
        die("--trace DIR --cut N:S");
    snprintf(session.path, sizeof session.path, "%s", options.trace);
    below(path, session.path, "scenario");
    FILE *file = fopen(path, "r");
    if (file && fread(name, 1, sizeof name - 1, file) > 0)
        session.scenario = scenario_find(name);
    if (!session.scenario || !load_session(&session) || cut.entry > session.trace.count)
        die("%s: no session that was kept", options.trace);
    struct disk *disk = first_disk(&session, options.left_out);
    disk_play(disk, cut.entry);
    name_path(path, "%s/cut-%zu-%" PRIu64, session.path, cut.entry, cut.seed);
    shell("rm -rf '%s' '%s-opened'", path, path);
    make_directory(path);
    if (fork() == 0)
        _exit(disk_write(disk, path, DISK_ANYTHING, cut.seed) ? 0 : 1);
    wait_for_one();
    printf("as it was cut: %s\n", path);
    strcat(path, "-opened");
    cut_here(&session, disk, &cut, path, &outcome);
    printf("and opened:    %s\n%s: %s\n", path, verdict_names[outcome.verdict], outcome.why);
    return outcome.verdict == VERDICT_SURVIVED;
}

/* ------------------------------------------------------- the command line ---- */

static void find_programs(void)
{
    ssize_t size = readlink("/proc/self/exe", options.program, sizeof options.program - 1);
    if (size < 0)
        die("/proc/self/exe: %s", strerror(errno));
    options.program[size] = '\0';
    snprintf(options.recorder, sizeof options.recorder, "%.*s/recorder.so",
             (int)(strrchr(options.program, '/') - options.program), options.program);
    if (access(options.recorder, R_OK))
        die("%s: %s", options.recorder, strerror(errno));
}

static void parse(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--harness") == 0) {
            options.is_harness = true;
            continue;
        }
        if (strcmp(argv[i], "--cuts") == 0)
            options.cut_count = (unsigned)strtoul(value, NULL, 10);
        else if (strcmp(argv[i], "--seed") == 0)
            options.seed = strtoull(value, NULL, 0);
        else if (strcmp(argv[i], "--scenario") == 0)
            options.scenario = value;
        else if (strcmp(argv[i], "--jobs") == 0)
            options.jobs = (unsigned)strtoul(value, NULL, 10);
        else if (strcmp(argv[i], "--expected") == 0)
            options.expected = value;
        else if (strcmp(argv[i], "--keep") == 0)
            options.keep = value;
        else if (strcmp(argv[i], "--trace") == 0)
            options.trace = value;
        else if (strcmp(argv[i], "--leave-out") == 0)
            options.left_out = value;
        else if (strcmp(argv[i], "--cut") == 0)
            options.cut = value;
        else
            die("%s: no such option; see tests/power/README.md", argv[i]);
        i++;
    }
    if (options.jobs == 0 || options.jobs > JOBS_MAX)
        options.jobs = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    if (options.scenario && !scenario_find(options.scenario))
        die("%s: no such scenario", options.scenario);
}

int main(int argc, char **argv)
{
    static char keep_default[PATH_MAX + 16];
    if (argc == 6 && strcmp(argv[1], "--play") == 0) {
        const struct scenario *scenario = scenario_find(argv[2]);
        if (!scenario)
            die("%s: no such scenario", argv[2]);
        scenario_play(scenario, argv[3], strtoull(argv[4], NULL, 10), strtoull(argv[5], NULL, 10),
                      0);
        return 0;
    }
    options.seed = event_mix((uint64_t)getpid()) % 1000000;
    parse(argc, argv);
    find_programs();
    snprintf(keep_default, sizeof keep_default, "%.*s/kept",
             (int)(strrchr(options.program, '/') - options.program), options.program);
    options.keep = options.keep ? options.keep : keep_default;
    make_work();
    bool is_good = options.trace ? run_again() : options.is_harness ? run_harness() : run_all();
    shell("rm -rf '%s'", options.work);
    return is_good ? 0 : 1;
}
