/* A buffer that grows, see bytes.c. */
#ifndef DISPATCH_BYTES_H
#define DISPATCH_BYTES_H

#include <msgpack.h>
#include <string.h>

#include "evlog.h"

/* A growing buffer. Once there was no memory it is_full, and what is in it is incomplete. */
struct bytes {
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    int is_full;
};

void bytes_begin(struct bytes *bytes);

/* With room for `size` bytes, for many buffers that are kept: what an event needs, but not more. */
void bytes_begin_sized(struct bytes *bytes, size_t size);

/* bytes_reserve for where the buffer has to grow. Sets is_full, and returns NULL: no memory. */
char *bytes_grow(struct bytes *bytes, size_t size);

/* Room for `size` bytes after the last one, for the caller to fill and count. NULL: no memory. */
static inline char *bytes_reserve(struct bytes *bytes, size_t size)
{
    if (size > bytes->buffer.alloc - bytes->buffer.size)
        return bytes_grow(bytes, size);
    return bytes->buffer.data + bytes->buffer.size;
}

static inline void bytes_put(struct bytes *bytes, const void *data, size_t size)
{
    char *room = bytes_reserve(bytes, size);
    if (!room)
        return;
    memcpy(room, data, size);
    bytes->buffer.size += size;
}

void bytes_free(struct bytes *bytes);

/* Writes a string as MessagePack; short ones, as keys are, without msgpack-c. */
void bytes_put_text(struct bytes *bytes, const char *text, size_t size);

/*
 * Hands the bytes over as `buffer`; or frees them, if writing them has failed with `result` or there
 * was no memory: EVLOG_NOMEM. Returns the result.
 */
int bytes_end(struct bytes *bytes, int result, evlog_buffer *buffer);

#endif
