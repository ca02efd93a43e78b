/* Event types and their schemas in a log, see define.c. */
#ifndef DISPATCH_DEFINE_H
#define DISPATCH_DEFINE_H

#include "names.h"
#include "signals.h"

/*
 * The schema of a type in the log, read when it is first asked for; it lives as long as the
 * log. NULL: untyped. One that cannot be read says so in `damage`.
 */
const evlog_schema *define_schema_of(const struct name *type);

/* Frees the schemas that were read so. Before the store is closed. */
void define_forget(struct names *types);

/* Frees a definition and those before it. */
void definition_free(struct definition *definition);

#endif
