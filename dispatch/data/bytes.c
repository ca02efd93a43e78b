/*
 * A buffer that grows: what packing, encoding and JSON write to.
 *
 * It is msgpack-c's buffer, and it remembers that it ran out of memory, so that a writer checks once,
 * at the end. Short strings are written without msgpack-c, which needs two calls for each: half of
 * what is packed are the names of fields.
 */
#include "bytes.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"

#define SIZE_FIRST 1024 /* what most events need */

static int put_packed(void *ctx, const char *data, size_t size)
{
    bytes_put(ctx, data, size);
    return 0;
}

void bytes_begin(struct bytes *bytes)
{
    msgpack_sbuffer_init(&bytes->buffer);
    msgpack_packer_init(&bytes->packer, bytes, put_packed);
    bytes->is_full = 0;
}

void bytes_begin_sized(struct bytes *bytes, size_t size)
{
    bytes_begin(bytes);
    bytes->buffer.data = malloc(size);
    bytes->buffer.alloc = bytes->buffer.data ? size : 0;
    bytes->is_full = !bytes->buffer.data;
}

char *bytes_grow(struct bytes *bytes, size_t size)
{
    msgpack_sbuffer *buffer = &bytes->buffer;
    size_t needed = buffer->size + size;
    size_t alloc = buffer->alloc ? 2 * buffer->alloc : SIZE_FIRST;
    alloc = needed > alloc ? needed : alloc;
    char *data = bytes->is_full ? NULL : realloc(buffer->data, alloc);
    bytes->is_full = data == NULL;
    if (!data)
        return NULL;
    buffer->data = data;
    buffer->alloc = alloc;
    return data + buffer->size;
}

void bytes_put_text(struct bytes *bytes, const char *text, size_t size)
{
    char *room = size <= UINT8_MAX ? bytes_reserve(bytes, 2 + size) : NULL;
    if (!room) {
        msgpack_pack_str_with_body(&bytes->packer, text, size);
        return;
    }
    char *at = room;
    if (size <= 0x1f) {
        *at++ = (char)(0xa0 | size);
    } else {
        *at++ = (char)0xd9;
        *at++ = (char)size;
    }
    memcpy(at, text, size);
    bytes->buffer.size += (size_t)(at - room) + size;
}

void bytes_free(struct bytes *bytes)
{
    msgpack_sbuffer_destroy(&bytes->buffer);
}

int bytes_end(struct bytes *bytes, int result, evlog_buffer *buffer)
{
    if (result == EVLOG_OK && bytes->is_full)
        result = error_nomem();
    if (result) {
        bytes_free(bytes);
        return result;
    }
    *buffer = (evlog_buffer){.data = bytes->buffer.data, .size = bytes->buffer.size};
    return EVLOG_OK;
}

void evlog_buffer_free(evlog_buffer *buffer)
{
    if (!buffer)
        return;
    free(buffer->data);
    *buffer = (evlog_buffer){.size = 0};
}
