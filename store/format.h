/* The file that makes a directory a log and says of what kind, see format.c. */
#ifndef STORE_FORMAT_H
#define STORE_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "evlog.h"

#define FORMAT_VERSION 2
#define FORMAT_FILE "format"

struct format {
    uint32_t version;
    uint8_t uuid[16];   /* the directory's own */
    uint8_t origin[16]; /* of the log that this began as: copies keep it; seeds the chain */
    evlog_durability durability;
    int64_t created_us;
    bool read_only; /* this evlog can read the log but must not write to it */
};

/*
 * Reads it from a directory, whose path is for the sentence. EVLOG_NOTFOUND: there is none. EVLOG_UNSUPPORTED: of a
 * later version, or not of this form. EVLOG_DAMAGED: its checksum does not fit. EVLOG_IO.
 */
int format_read(int directory, const char *path, struct format *format);

/*
 * Makes it, whole or not at all: before it is there the directory is not a log. The directory and
 * its parent are flushed too, which LMDB does not do.
 */
int format_write(int directory, const char *path, const struct format *format);

/*
 * Flushes the directory and its parent, for a process that has found the file and is about to promise something: the
 * one that made it may have died before it did. EVLOG_IO.
 */
int format_settle(int directory, const char *path);

#endif
