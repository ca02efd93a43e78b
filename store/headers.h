/* An event's headers as they are stored, see headers.c. */
#ifndef STORE_HEADERS_H
#define STORE_HEADERS_H

#include <stdbool.h>
#include <stddef.h>

#include "evlog.h"

#define HEADERS_NONE 0x80 /* the one byte of an empty map */

/*
 * Whether the bytes begin with a map that is an event's headers; then sets `size` to the bytes that
 * it takes. `left` is how many bytes there are.
 */
bool headers_measure(const void *bytes, size_t left, size_t *size);

/* Whether these bytes are an event's headers and nothing more. */
bool headers_check(const void *bytes, size_t size);

/*
 * Packs headers, at least one, for the caller to free. EVLOG_INVALID: a name or value is not as in
 * evlog_header, or a name is there twice. EVLOG_LIMIT: EVLOG_HEADERS_SIZE_MAX. EVLOG_NOMEM.
 */
int headers_pack(const evlog_header *headers, size_t count, void **packed, size_t *size);

#endif
