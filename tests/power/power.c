/*
 * The command of the power-cut test: records scenarios, cuts them, judges what is left. README.md.
 *
 *   power [--cuts N] [--seed S] [--scenario NAME] [--jobs J] [--expected FILE] [--keep DIR]
 *   power --leave-out SITE ...  without this flush, "flush log/events.mdb", or with "#3" the third
 *   power --harness ...         leaves out each kind of flush in turn; --callers: by its callers
 *   power --trace DIR --cut N:S one cut of a trace that was kept
 *   power --play NAME ROOT SEED PROCESS  what is recorded
 *
 * A cut is N:S: before entry N of the trace, the rest drawn by the seed S. Sessions are in session.c, the
 * harness's check in harness.c.
 *
 * Exit status: 0 when nothing was lost but in what `expected_red` names, and the harness is whole.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "events.h"
#include "session.h"

#define CUTS_DEFAULT 300
#define FIRST_CUTS 4 /* of one first cut in recovery so many second ones are made */
#define JOBS_MAX 64

struct power power = {.cut_count = CUTS_DEFAULT, .expected = "tests/power/expected_red"};

static unsigned totals[VERDICT_COUNT];

/* ---------------------------------------------------------- what is known ---- */

/* Whether `expected_red` has a line that begins with these words. */
bool is_expected(const char *kind, const char *name)
{
    char line[1024], words[512];
    bool is_found = false;
    FILE *file = fopen(power.expected, "r");
    int size = snprintf(words, sizeof words, "%s %s ", kind, name);
    if (!file)
        die("%s: %s", power.expected, strerror(errno));
    while (!is_found && fgets(line, sizeof line, file))
        is_found = strncmp(line, words, (size_t)size) == 0;
    fclose(file);
    return is_found;
}

/* --------------------------------------------------------------- reporting ---- */

/* Keeps a session and prints how to make the cut again. */
static void keep(const struct session *session, const struct cut *cut, const char *why)
{
    static unsigned kept_count;
    char kept[PATH_MAX];
    if (is_expected("scenario", power.now))
        return;
    name_path(kept, "%s/%s-%" PRIu64 "-%u", power.keep, session->scenario->name, power.seed,
              kept_count++);
    shell("rm -rf '%s' && mkdir -p '%s' && cp -r '%s' '%s'", kept, power.keep, session->path,
          kept);
    printf("    %zu:%" PRIu64 " %s\n", cut->entry, cut->seed, why);
    printf("    again: %s --trace %s --cut %zu:%" PRIu64, power.program, kept, cut->entry,
           cut->seed);
    if (power.left_out)
        printf(" --leave-out '%s'", power.left_out);
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
    struct outcome *outcomes = outcomes_new(count);
    if (!cuts)
        die("no memory");
    session_draw(session, random, cuts, count);
    session_cut(session, power.left_out, cuts, count, outcomes);
    count_outcomes(session, cuts, outcomes, count, counts);
    munmap(outcomes, (count + 1) * sizeof *outcomes);
    free(cuts);
}

/* Cuts a session, begins again in what is left, and cuts that. */
static void cut_twice(const struct session *session, uint64_t *random, size_t count,
                      unsigned counts[VERDICT_COUNT])
{
    struct cut cut;
    struct session again;
    session_draw(session, random, &cut, 1);
    if (session_again(session, &cut, *random, &again))
        cut_session(&again, random, count, counts);
    else if (!counts[VERDICT_LOST]++)
        keep(session, &cut, "what was left could not be opened and sent to");
    session_free(&again);
}

static bool run_scenario(const struct scenario *scenario, uint64_t seed, size_t count)
{
    unsigned counts[VERDICT_COUNT] = {0};
    uint64_t random = seed;
    struct session session = {.scenario = scenario};
    power.now = scenario->name;
    below(session.path, power.work, scenario->name);
    if (!session_record(&session, scenario->name, seed))
        counts[VERDICT_HARNESS_BROKEN]++;
    else if (!scenario->second)
        cut_session(&session, &random, count, counts);
    else
        for (size_t i = 0; i < count; i += FIRST_CUTS)
            cut_twice(&session, &random, FIRST_CUTS, counts);
    session_free(&session);
    return report(scenario, counts);
}

bool is_wanted(const struct scenario *scenario)
{
    return power.scenario ? strcmp(scenario->name, power.scenario) == 0
                          : scenario->cut_percent > 0;
}

/* All scenarios, each with its share of the cuts. */
static bool run_all(void)
{
    bool is_good = true;
    size_t percents = 0;
    for (size_t i = 0; i < scenario_count; i++)
        percents += is_wanted(&scenarios[i]) ? scenarios[i].cut_percent : 0;
    printf("power cuts, seed %" PRIu64 "\n", power.seed);
    for (size_t i = 0; i < scenario_count; i++)
        if (is_wanted(&scenarios[i])) {
            size_t count = (power.cut_count * scenarios[i].cut_percent + percents - 1) /
                           (percents ? percents : 1);
            is_good = run_scenario(&scenarios[i], power.seed + i, count) && is_good;
        }
    printf("%u survived, %u lost, %u not measured, %u harness broken\n", totals[0], totals[1],
           totals[2], totals[3]);
    return is_good;
}

/* --------------------------------------------------------------- one cut ---- */

static bool run_again(void)
{
    struct cut cut;
    struct outcome outcome;
    char name[64] = "", path[PATH_MAX];
    struct session session = {.scenario = NULL};
    if (!power.cut || sscanf(power.cut, "%zu:%" SCNu64, &cut.entry, &cut.seed) != 2)
        die("--trace DIR --cut N:S");
    snprintf(session.path, sizeof session.path, "%s", power.trace);
    below(path, session.path, "scenario");
    FILE *file = fopen(path, "r");
    if (file && fread(name, 1, sizeof name - 1, file) > 0)
        session.scenario = scenario_find(name);
    if (!session.scenario || !session_load(&session) || cut.entry > session.trace.count)
        die("%s: no session that was kept", power.trace);
    struct disk *disk = session_disk(&session, power.left_out);
    disk_play(disk, cut.entry);
    name_path(path, "%s/cut-%zu-%" PRIu64, session.path, cut.entry, cut.seed);
    shell("rm -rf '%s' '%s-opened'", path, path);
    make_directory(path);
    if (fork() == 0)
        _exit(disk_write(disk, path, DISK_ANYTHING, cut.seed) ? 0 : 1);
    wait_for_one();
    printf("as it was cut: %s\n", path);
    strcat(path, "-opened");
    session_judge(&session, disk, &cut, path, &outcome);
    printf("and opened:    %s\n%s: %s\n", path, verdict_names[outcome.verdict], outcome.why);
    return outcome.verdict == VERDICT_SURVIVED;
}

/* ------------------------------------------------------- the command line ---- */

static void find_programs(void)
{
    ssize_t size = readlink("/proc/self/exe", power.program, sizeof power.program - 1);
    if (size < 0)
        die("/proc/self/exe: %s", strerror(errno));
    power.program[size] = '\0';
    snprintf(power.recorder, sizeof power.recorder, "%.*s/recorder.so",
             (int)(strrchr(power.program, '/') - power.program), power.program);
    if (access(power.recorder, R_OK))
        die("%s: %s", power.recorder, strerror(errno));
}

static void make_work(void)
{
    snprintf(power.work, sizeof power.work, "/dev/shm/evlog-power-XXXXXX");
    if (!mkdtemp(power.work)) {
        snprintf(power.work, sizeof power.work, "/tmp/evlog-power-XXXXXX");
        if (!mkdtemp(power.work))
            die("%s: %s", power.work, strerror(errno));
    }
}

static void parse(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--harness") == 0) {
            power.is_harness = true;
            continue;
        }
        if (strcmp(argv[i], "--callers") == 0) {
            power.is_harness = power.by_caller = true;
            continue;
        }
        if (strcmp(argv[i], "--cuts") == 0)
            power.cut_count = (unsigned)strtoul(value, NULL, 10);
        else if (strcmp(argv[i], "--seed") == 0)
            power.seed = strtoull(value, NULL, 0);
        else if (strcmp(argv[i], "--scenario") == 0)
            power.scenario = value;
        else if (strcmp(argv[i], "--jobs") == 0)
            power.jobs = (unsigned)strtoul(value, NULL, 10);
        else if (strcmp(argv[i], "--expected") == 0)
            power.expected = value;
        else if (strcmp(argv[i], "--keep") == 0)
            power.keep = value;
        else if (strcmp(argv[i], "--trace") == 0)
            power.trace = value;
        else if (strcmp(argv[i], "--leave-out") == 0)
            power.left_out = value;
        else if (strcmp(argv[i], "--cut") == 0)
            power.cut = value;
        else
            die("%s: no such option; see tests/power/README.md", argv[i]);
        i++;
    }
    if (power.jobs == 0 || power.jobs > JOBS_MAX)
        power.jobs = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    if (power.scenario && !scenario_find(power.scenario))
        die("%s: no such scenario", power.scenario);
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
    power.seed = event_mix((uint64_t)getpid()) % 1000000;
    parse(argc, argv);
    find_programs();
    snprintf(keep_default, sizeof keep_default, "%.*s/kept",
             (int)(strrchr(power.program, '/') - power.program), power.program);
    power.keep = power.keep ? power.keep : keep_default;
    make_work();
    bool is_good = power.trace ? run_again() : power.is_harness ? harness_run() : run_all();
    shell("rm -rf '%s'", power.work);
    return is_good ? 0 : 1;
}
