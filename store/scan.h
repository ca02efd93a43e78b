/* Finding records in the bytes of a file, whatever became of its structure, see scan.c. */
#ifndef STORE_SCAN_H
#define STORE_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record.h"

/* A record that was found. `bytes`, and what `record` points to, are valid during the call. */
struct scan_find {
    struct record record;
    const unsigned char *bytes;
    size_t size;
    uint64_t place; /* in the file */
    bool is_framed; /* before it is what belongs there: the head of a node, a page or a frame */
    bool is_in_journal; /* ... of a frame */
};

struct scan_file {
    int fd;
    const char *name;          /* for sentences */
    const uint8_t *uuid;       /* of the directory, by which frames of the journal are known */
    uint64_t unreadable_count; /* bytes that the disk did not give; filled in */
};

/*
 * Calls `visit` for each record, in the order of their places, until it returns other than 0, and
 * returns that. What the disk does not give is passed over. EVLOG_IO: its size cannot be had. EVLOG_NOMEM.
 */
int scan_records(struct scan_file *file, int (*visit)(const struct scan_find *find, void *ctx),
                 void *ctx);

/* Reads as file_read, but where the disk gives an error there are zeros; `*unreadable_count` grows. */
void scan_read(int fd, void *bytes, size_t size, uint64_t at, size_t *count,
               uint64_t *unreadable_count);

#endif
