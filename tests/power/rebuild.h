/* From a trace and a point to a directory as a disk could hold it. See rebuild.c. */
#ifndef REBUILD_H
#define REBUILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "trace.h"

/* A trace, as it is in memory. */
struct trace {
    const struct trace_entry **entries;
    size_t count;
    char *bytes;
    size_t size;
};

/* What is on the disk of a cut besides what must be. */
enum disk_rest {
    DISK_ANYTHING,   /* by the seed */
    DISK_EVERYTHING, /* as if there had been no cut */
};

struct disk;

const char *trace_name(const struct trace_entry *entry);
const void *trace_payload(const struct trace_entry *entry);

/* Reads a whole trace. false: it is not one. */
bool trace_read(const char *path, struct trace *trace);
void trace_free(struct trace *trace);

/*
 * The state of a disk before the first entry: what is in the directory `base`, all of it durable; NULL:
 * empty. `left_out` (or NULL) is a site, as the two below name it, whose flushes do nothing; with
 * "#N" behind it, the Nth of them alone.
 */
struct disk *disk_new(const struct trace *trace, const char *base, const char *left_out);
void disk_free(struct disk *disk);

/* Plays the entries up to and without `end`. */
void disk_play(struct disk *disk, size_t end);

/*
 * What a flush or O_DSYNC write is of, "flush log/events.mdb" or "dsync log/events.mdb", at the
 * point of its beginning; valid until the next call.
 */
const char *disk_site(struct disk *disk, const struct trace_entry *entry);

/* The same, and the places in the program that it was called from, from the innermost: " 0x1234 ...". */
const char *disk_site_by_caller(struct disk *disk, const struct trace_entry *entry);

/* Whether a flush has ended. */
bool disk_has_flushed(const struct disk *disk);

/* Makes the directory of a cut here, below the existing `path`. Destroys the disk's state. */
bool disk_write(struct disk *disk, const char *path, enum disk_rest rest, uint64_t seed);

/* Whether two directories are equal. Prints the first difference. */
bool disk_same(const char *one, const char *other);

#endif
