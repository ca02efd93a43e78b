/* What a log must be after a power cut or a death, and whether it is. See verdict.c. */
#ifndef VERDICT_H
#define VERDICT_H

#include "promise.h"
#include "scenarios.h"

/* What was promised. */
struct promises {
    struct promise *list;
    size_t count, room;
};

enum verdict {
    VERDICT_SURVIVED,
    VERDICT_LOST,
    VERDICT_NOT_MEASURED,
    VERDICT_HARNESS_BROKEN,
    VERDICT_COUNT,
};

/* What has happened to those who were given the promises. */
enum loss {
    LOSS_POWER,   /* of power: what was not flushed may be gone */
    LOSS_PROCESS, /* of a process: nothing may be gone, whatever the durability */
};

extern const char *const verdict_names[VERDICT_COUNT];

#define WHY_SIZE 400

void promises_add(struct promises *promises, const struct promise *promise);

/* After a cut: takes out those of a fast log's events that may have been lost. */
void promises_keep_lasting(struct promises *promises, evlog_durability durability);

/*
 * Opens the log `path` in this process, which has none open, and judges it; `why` says what is
 * wrong. The log gets some more events and is closed.
 */
enum verdict verdict_of(const char *path, evlog_durability durability, enum loss loss,
                        const struct promises *promises, char why[WHY_SIZE]);

/*
 * The same for one that only reads, before anybody has opened the log for writing: what it gets is sound and whole,
 * however much that is. If there are promises, the log was promised to be there.
 */
enum verdict verdict_of_reading(const char *path, const struct promises *promises,
                                char why[WHY_SIZE]);

#endif
