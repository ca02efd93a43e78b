/* Structs of a class as MessagePack, see pack_struct.c. */
#ifndef DISPATCH_PACK_STRUCT_H
#define DISPATCH_PACK_STRUCT_H

#include "bytes.h"
#include "class.h"

/*
 * Appends the data of an event: `argument` and a struct of class `of`; NULL: the struct's
 * fields themselves. EVLOG_INVALID with all that no data can be made of, EVLOG_LIMIT,
 * EVLOG_NOMEM; what was appended is then of no use.
 */
int pack_struct(const evlog_class *of, const char *argument, const void *data,
                struct bytes *bytes);

#endif
