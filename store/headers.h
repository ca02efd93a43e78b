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

#endif
