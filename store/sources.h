/* Where events come from: source, sourcehost and sourcelib, named by their content, see sources.c. */
#ifndef STORE_SOURCES_H
#define STORE_SOURCES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "entries.h"

struct sources;

#define SOURCE_TEXTS 3 /* source, sourcehost, sourcelib */

/* Valid until its holders have released it. */
struct source {
    uint64_t number; /* the digest of its texts, by which records name it */
    const char *text[SOURCE_TEXTS];
    atomic_uint *holder_count;
};

/* EVLOG_NOMEM. */
int sources_open(struct env *env, struct sources **sources);
void sources_close(struct sources *sources);

/*
 * The source of a number, for the caller to release. Any thread. EVLOG_NOTFOUND; EVLOG_DAMAGED: its
 * entry is not as it was written. EVLOG_IO, EVLOG_BUSY, EVLOG_NOMEM.
 */
int sources_find(struct sources *sources, uint64_t number, const struct source **source);

/*
 * The source with these texts, for the caller to release; when the log does not have it, it is made,
 * durably. Any thread. EVLOG_CONFLICT: other texts have its digest. EVLOG_READONLY: there is none
 * and the env cannot write. Errors of env_write and env_read.
 */
int sources_define(struct sources *sources, const char *const text[SOURCE_TEXTS],
                   const struct source **source);

/* NULL: does nothing. */
void source_release(const struct source *source);

/* How many the log has, by a walk over all of them. EVLOG_DAMAGED, EVLOG_IO, EVLOG_BUSY, EVLOG_NOMEM. */
int sources_count(struct sources *sources, uint64_t *count);

/* EVLOG_DAMAGED: an entry of kind `s` is not as it was written. */
int sources_check(const struct entry *entry);

#endif
