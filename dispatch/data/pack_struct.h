/* Structs of a class as MessagePack, see pack_struct.c. */
#ifndef DISPATCH_PACK_STRUCT_H
#define DISPATCH_PACK_STRUCT_H

#include "bytes.h"
#include "class.h"

/*
 * Appends an event's data: a map from `argument` to a struct of class `of`, or with NULL the
 * struct's own map. EVLOG_INVALID: the sentence lists everything that cannot be packed; EVLOG_LIMIT;
 * EVLOG_NOMEM. On failure `bytes` is incomplete.
 */
int pack_struct(const evlog_class *of, const char *argument, const void *data,
                struct bytes *bytes);

#endif
