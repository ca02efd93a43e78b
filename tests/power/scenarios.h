/* The programs whose power is cut. See scenarios.c. */
#ifndef SCENARIOS_H
#define SCENARIOS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "evlog.h"

struct run;

struct scenario {
    const char *name;
    evlog_durability durability;
    void (*play)(struct run *run);
    unsigned delay_us;    /* how long flushes take at most */
    unsigned cut_percent; /* of the usual number of cuts: less where one takes long */
    const char *second;   /* played in a directory that a cut has left, and cut again; or NULL */
    const char *near;     /* a file: two in three cuts are inside a flush of it; or NULL */
    unsigned slow_us;     /* how long those flushes take at most; 0: as others */
    uint64_t half_size;   /* of the journal; 0: the library's */
    unsigned death_count; /* after a cut so many processes are killed in making the log whole */
};

/* All of them. */
extern const struct scenario scenarios[];
extern const size_t scenario_count;

const struct scenario *scenario_find(const char *name);

/* The name that its log has in the recorded directory. */
#define SCENARIO_LOG "log"
#define SCENARIO_COPY "copy" /* and the one of its copy, beside it, if it is copied */
#define SCENARIO_CONSUMERS 8 /* at most: "consumer-0" ... */

/* Sets what concerns the library in this process. Before anything is played, or a log is judged. */
void scenario_begin(const struct scenario *scenario);

/*
 * Plays a scenario in the directory `root`; ends the process when something fails. `process` and
 * `round` make its sends' numbers differ from those of other plays on the same log.
 */
void scenario_play(const struct scenario *scenario, const char *root, uint64_t seed,
                   uint64_t process, uint64_t round);

/* Asked before each send of the scenario "others": whether it goes on. It may wait. */
extern bool (*scenario_goes_on)(void);

#endif
