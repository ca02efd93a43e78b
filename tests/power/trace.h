/*
 * The format of a trace: entries one after the other, each a head, its names (NUL-terminated,
 * relative to the recorded directory, which is ""), and its payload, padded to 8 bytes. Entries are
 * numbered from 0 by their place. Written by recorder.c, read by rebuild.c on the same machine.
 */
#ifndef TRACE_H
#define TRACE_H

#include <stdint.h>

enum trace_kind {
    TRACE_OPEN = 1,   /* an existing `file` was opened by its name */
    TRACE_CREATE,     /* a new `file` */
    TRACE_MKDIR,      /* a new directory */
    TRACE_RENAME,     /* `file` from the first name to the second */
    TRACE_LINK,       /* the second name for `file`, the first one's */
    TRACE_UNLINK,     /* a name of a file or directory is gone */
    TRACE_WRITE,      /* payload at `at` */
    TRACE_WRITE_SYNC, /* the same through O_DSYNC; durable when TRACE_ENDED refers to it */
    TRACE_STORE,      /* the same through a map: how the bytes are now; never beyond the size */
    TRACE_ZERO,       /* `size` bytes at `at` are zeros: a hole, or fallocate */
    TRACE_SIZE,       /* the file has `size` bytes from now on */
    TRACE_FLUSH,   /* begun; `size` bytes at `at`, or size 0: the whole; payload: its callers */
    TRACE_ENDED,   /* entry `ref`, a TRACE_FLUSH or TRACE_WRITE_SYNC, has ended well */
    TRACE_PROMISE, /* payload: a struct promise */
};

struct trace_entry {
    uint32_t kind; /* enum trace_kind */
    uint32_t process;
    uint64_t file; /* inode */
    uint64_t at, size;
    uint64_t ref;
    uint32_t name_size, payload_size; /* name_size: of both names, with their NULs */
};

#define TRACE_CALLERS_MAX 8 /* in a flush's payload: uint64_t offsets into the program */

static inline uint64_t trace_padded(uint64_t size)
{
    return (size + 7) & ~UINT64_C(7);
}

#endif
