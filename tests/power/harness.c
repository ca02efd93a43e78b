/*
 * Checks the power-cut test: flushes are left out, and that must be noticed.
 *
 * A site is what flushes of one kind have in common: the file and how it is flushed (disk_site). Leaving out all
 * of a site must lose something in one scenario at least; a scenario after that does not try it again.
 * By caller, a site is also the functions of the program that lead to the flush, each is tried in each
 * scenario, recovery included, and the result is a table: a flush that is superfluous for one caller
 * is no fault.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "events.h"
#include "session.h"

/* For each site and scenario: so many cuts at once, until one loses something, or so often. */
#define HARNESS_CUTS 20
#define TRIES_MAX 6
#define TRIES_EXPECTED 1  /* nobody is expected to notice it */
#define TRIES_BY_CALLER 3 /* all of them, to be counted */
#define AGAIN_COUNT 8     /* by caller: recoveries */
#define SITES_MAX 256

struct site {
    char name[PATH_MAX];
    bool is_here; /* in the session that is looked at */
    unsigned cut_count, noticed_count;
};

static struct site *sites;
static size_t site_count;

static struct site *site_of(const char *name)
{
    for (size_t i = 0; i < site_count; i++)
        if (strcmp(sites[i].name, name) == 0)
            return &sites[i];
    if (site_count == SITES_MAX)
        die("too many kinds of flush");
    struct site *site = &sites[site_count++];
    if (snprintf(site->name, sizeof site->name, "%s", name) >= (int)sizeof site->name)
        die("%s: the name is too long", name);
    return site;
}

/* Marks the sites of a session. */
static void find_sites(const struct session *session)
{
    struct disk *disk = session_disk(session, NULL);
    for (size_t i = 0; i < site_count; i++)
        sites[i].is_here = false;
    for (size_t i = 0; i < session->trace.count; i++) {
        const struct trace_entry *entry = session->trace.entries[i];
        disk_play(disk, i);
        if (entry->kind != TRACE_FLUSH && entry->kind != TRACE_WRITE_SYNC)
            continue;
        const char *name =
            power.by_caller ? disk_site_by_caller(disk, entry) : disk_site(disk, entry);
        site_of(name)->is_here = true;
    }
    disk_free(disk);
}

/* How many of some cuts lose something. */
static unsigned try_cuts(const struct session *session, const char *name, uint64_t *random)
{
    struct cut cuts[HARNESS_CUTS];
    struct outcome *outcomes = outcomes_new(HARNESS_CUTS);
    unsigned noticed = 0;
    session_draw(session, random, cuts, HARNESS_CUTS);
    session_cut(session, name, cuts, HARNESS_CUTS, outcomes);
    for (size_t i = 0; i < HARNESS_CUTS; i++)
        noticed += outcomes[i].verdict == VERDICT_LOST;
    munmap(outcomes, (HARNESS_CUTS + 1) * sizeof *outcomes);
    return noticed;
}

static void leave_out(const struct session *session, struct site *site, uint64_t *random)
{
    unsigned noticed = 0, tries = 0, tries_max = TRIES_MAX;
    if (power.by_caller)
        tries_max = TRIES_BY_CALLER;
    else if (is_expected("site", site->name))
        tries_max = TRIES_EXPECTED;
    for (; tries < tries_max && (power.by_caller || !noticed); tries++)
        noticed += try_cuts(session, site->name, random);
    site->cut_count += tries * HARNESS_CUTS;
    site->noticed_count += noticed;
    if (!power.by_caller)
        printf("  %-16s without %-24s %2u of %3u cuts lose something\n", session->scenario->name,
               site->name, noticed, tries * HARNESS_CUTS);
    fflush(stdout);
}

/* Leaves out what was recorded here; what others have shown to be missed only by caller. */
static void try_sites(const struct session *session, uint64_t *random)
{
    find_sites(session);
    for (size_t i = 0; i < site_count; i++)
        if (sites[i].is_here && (power.by_caller || !sites[i].noticed_count))
            leave_out(session, &sites[i], random);
}

static void try_recoveries(const struct session *session, uint64_t *random)
{
    for (int i = 0; i < AGAIN_COUNT; i++) {
        struct cut cut;
        struct session again;
        session_draw(session, random, &cut, 1);
        if (session_again(session, &cut, *random, &again))
            try_sites(&again, random);
        session_free(&again);
    }
}

static bool try_scenario(const struct scenario *scenario, uint64_t seed)
{
    uint64_t random = seed;
    struct session session = {.scenario = scenario};
    below(session.path, power.work, scenario->name);
    bool is_whole = session_record(&session, scenario->name, seed);
    if (!is_whole)
        printf("  %-16s %s: FAILED\n", scenario->name, verdict_names[VERDICT_HARNESS_BROKEN]);
    else if (scenario->second)
        try_recoveries(&session, &random);
    else
        try_sites(&session, &random);
    session_free(&session);
    return is_whole;
}

/* Whether each site was missed in one scenario at least, but for those that are known. */
static bool report(void)
{
    bool is_good = true;
    for (size_t i = 0; i < site_count; i++) {
        if (sites[i].noticed_count)
            continue;
        bool is_known = is_expected("site", sites[i].name);
        printf("  nobody has noticed that %s was left out%s\n", sites[i].name,
               is_known ? " (expected)" : ": FAILED");
        is_good = is_good && is_known;
    }
    return is_good;
}

static void report_callers(void)
{
    for (size_t i = 0; i < site_count; i++) {
        const char *places = strstr(sites[i].name, " 0x");
        int size = places ? (int)(places - sites[i].name) : (int)strlen(sites[i].name);
        printf("%4u of %4u cuts lose something without %.*s\n", sites[i].noticed_count,
               sites[i].cut_count, size, sites[i].name);
        fflush(stdout);
        if (places)
            shell("addr2line -fsi -e '%s'%s | paste - - | sed 's/^/                /'",
                  power.program, places);
    }
}

bool harness_run(void)
{
    bool is_good = true;
    sites = calloc(SITES_MAX, sizeof *sites);
    if (!sites)
        die("no memory");
    printf("flushes left out, seed %" PRIu64 "\n", power.seed);
    for (size_t i = 0; i < scenario_count; i++)
        if (is_wanted(&scenarios[i]) && (power.by_caller || !scenarios[i].second) &&
            (power.scenario || !is_expected("scenario", scenarios[i].name)))
            is_good = try_scenario(&scenarios[i], power.seed + i) && is_good;
    if (power.by_caller)
        report_callers();
    else
        is_good = report() && is_good;
    free(sites);
    return is_good;
}
