/* The schemas that a log has of its event types, see schemas.c. */
#ifndef DISPATCH_SCHEMAS_H
#define DISPATCH_SCHEMAS_H

#include "evlog.h"
#include "types.h"

/*
 * The schema of an entry in the log's table of types, as long as the log; NULL: untyped. One that
 * cannot be read says why in its `damage`.
 */
const evlog_schema *schemas_get(const struct type *type);

/* Frees all that schemas_get has made. Before the store is closed. */
void schemas_free(struct types *types);

#endif
