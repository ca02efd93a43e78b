/* Structs of a class as MessagePack, and back, see pack_struct.c. */
#ifndef DISPATCH_PACK_STRUCT_H
#define DISPATCH_PACK_STRUCT_H

#include "bytes.h"
#include "class.h"
#include "schema.h"

/*
 * Appends an event's data: a map from `argument` to a struct of class `of`, or with NULL the
 * struct's own map. EVLOG_INVALID: the sentence lists everything that cannot be packed; EVLOG_LIMIT;
 * EVLOG_NOMEM. On failure `bytes` is incomplete.
 */
int pack_struct(const evlog_class *of, const char *argument, const void *data,
                struct bytes *bytes);

/*
 * Reads the data of an event into a struct of the definition's class, which is under its argument;
 * see evlog_class_unpack. Of the definition only these two are used.
 */
int unpack_struct(const evlog_definition *definition, const evlog_schema *writer,
                  evlog_bytes packed, void *data, evlog_arena **arena);

#endif
