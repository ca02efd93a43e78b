/* Whether bytes are one MessagePack map that evlog takes as data, see pack.c. */
#ifndef STORE_PACK_H
#define STORE_PACK_H

#include <stddef.h>

/*
 * EVLOG_OK when `data` is exactly one well-formed map within the limits, else
 * EVLOG_INVALID or EVLOG_LIMIT, and a sentence that begins with the place.
 */
int pack_check_map(const void *data, size_t size);

/* The same for a value of any kind, after which msgpack-c can unpack it safely. */
int pack_check(const void *data, size_t size);

/* 1 when `text` is UTF-8 (RFC 3629: no surrogates, nothing overlong, to U+10FFFF). */
int pack_is_utf8(const void *text, size_t size);

#endif
