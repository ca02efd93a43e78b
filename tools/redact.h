/* Events without what is about a person, see redact.c. */
#ifndef REDACT_H
#define REDACT_H

#include <msgpack.h>

#include <evlog.h>

/* Which fields of a schema are masked, and how. */
struct redaction;

/* NULL: nothing is personal, or out of memory, which `*failed` says. */
struct redaction *redaction_new(const evlog_type *type, int *failed);
void redaction_free(struct redaction *redaction);

/* Appends an event's data to `data`, masked. 0 or -1. */
int redact(const struct redaction *redaction, const evlog_event *event, msgpack_sbuffer *data);

#endif
