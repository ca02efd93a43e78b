/* The seals in a log, see sealed.c. */
#ifndef SEALED_H
#define SEALED_H

#include <evlog/audit.h>

#include "merkle.h"
#include "signed_note.h"

/* What an event of EVLOG_SEALED_TYPE says, once it was checked with a key. */
struct sealed {
    uint64_t seq; /* of the event */
    int64_t log_time_us;
    struct note_checkpoint checkpoint;
    evlog_string note; /* in the event */
    struct merkle
        tree; /* of the checkpoint's size; of size 0: its roots are not those of the checkpoint */
};

/* The name of a log's key, which is the origin of its checkpoints: "evlog/UUID". Returns `name`. */
const char *sealed_name(const evlog_info *info, char name[NOTE_NAME_SIZE_MAX + 1]);

/*
 * Reads an event's data. NOTE_MALFORMED: also of a tree that the event itself would be in. `key` NULL: of whatever key,
 * and not checked; then there are only a tree and its size, which prove nothing until they have made a root that is
 * signed.
 */
enum note_verdict sealed_read(const struct note_key *key, const evlog_event *event,
                              struct sealed *sealed);

/*
 * The newest seal of this key whose tree is known and that has at least `size_min` and at most `size_max` events; it
 * is read from the newest back, and `*note` (or NULL) is its note, to be freed. `*is_any`: whether the log has
 * seals at all. EVLOG_NOTFOUND: none. Errors of cursors.
 */
int sealed_find(evlog *log, const struct note_key *key, uint64_t size_min, uint64_t size_max,
                struct sealed *sealed, char **note, bool *is_any);

/*
 * A key whose newest seal this is has handed over to another one: a status, reported. Else EXIT_DONE. `file`: the
 * key's.
 */
int sealed_check_use(const struct sealed *last, const struct note_key *key, const char *file);

/* Whether the log has the type of seals, which it keeps once it was sealed. An error of the library. */
int sealed_is_any(evlog *log, bool *is_any);

#endif
