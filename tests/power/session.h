/*
 * What power.c and harness.c share: options, and sessions.
 *
 * A session is a recorded scenario: a directory with its `trace`, the directory `root` as the
 * scenario has left it (removed once it was compared), `scenario`, its name, and, if it began in what
 * another cut had left, `base`, that, and `promises`, what had been promised before.
 */
#ifndef SESSION_H
#define SESSION_H

#include <limits.h>

#include "rebuild.h"
#include "verdict.h"

/* Before entry `entry`, the rest drawn by the seed. */
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

/* The command line. */
struct power {
    unsigned cut_count, jobs;
    uint64_t seed;
    const char *scenario, *expected, *keep, *trace, *cut, *left_out;
    const char *now; /* the scenario that is played */
    bool is_harness, by_caller;
    char program[PATH_MAX], recorder[PATH_MAX];
    char work[PATH_MAX]; /* removed at the end */
};

extern struct power power;

/* Prints and exits. */
__attribute__((format(printf, 1, 2), noreturn)) void die(const char *format, ...);

/* Runs a command, which succeeds. */
__attribute__((format(printf, 1, 2))) void shell(const char *format, ...);

__attribute__((format(printf, 2, 3))) void name_path(char path[PATH_MAX], const char *format,
                                                     ...);
void below(char path[PATH_MAX], const char *directory, const char *name);
void make_directory(const char *path);

/* Whether --scenario, or its absence, asks for it; and whether expected_red has such a line. */
bool is_wanted(const struct scenario *scenario);
bool is_expected(const char *kind, const char *name);

/*
 * Plays and records the scenario `name`, and loads the trace. The session's directory is made, or
 * has base and promises. false: the harness is broken, or it could not be played.
 */
bool session_record(struct session *session, const char *name, uint64_t seed);

/* Loads a session that was kept, from its path. */
bool session_load(struct session *session);

/* Frees it and removes its directory. */
void session_free(struct session *session);

/*
 * Begins again in the directory that a cut of a session has left: records its second scenario there. To be
 * freed also when it is false.
 */
bool session_again(const struct session *session, const struct cut *cut, uint64_t seed,
                   struct session *again);

struct disk *session_disk(const struct session *session, const char *left_out);

/* Draws cuts, in their order. */
void session_draw(const struct session *session, uint64_t *random, struct cut *cuts,
                  size_t count);

/* Makes cuts, which are in order; `left_out` as for disk_new. */
void session_cut(const struct session *session, const char *left_out, const struct cut *cuts,
                 size_t count, struct outcome *outcomes);

/* In a child: makes the directory `path`, destroying the disk, and judges it. */
void session_judge(const struct session *session, struct disk *disk, const struct cut *cut,
                   const char *path, struct outcome *outcome);

/* Memory shared with children, for munmap. */
struct outcome *outcomes_new(size_t count);

void wait_for_one(void);

/* harness.c: leaves out flushes. Whether the harness is whole. */
bool harness_run(void);

#endif
