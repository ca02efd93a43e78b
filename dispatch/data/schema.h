/* What the data of an event type must be, see schema.c. */
#ifndef DISPATCH_SCHEMA_H
#define DISPATCH_SCHEMA_H

#include "arena.h"
#include "class.h"
#include "evlog/schema.h"

#define SCHEMA_ROOT "CloudEvent" /* the name of the outermost record in openedx-events */

struct evlog_schema {
    evlog_class root;      /* the record whose fields are the arguments of the event */
    const evlog_class *of; /* the C class that it was made from; NULL: made from text */
    const char *argument;  /* the name of the only field of the root that is a record, or NULL */
    const char *text;      /* Avro's JSON */
    const char *canonical; /* the same for all schemas of the same meaning */
    evlog_bytes forms;     /* of its texts, packed, see forms.c; size 0: they are of any form */
    evlog_bytes personal;  /* the fields that are about a person, likewise */
    int damage_code;       /* EVLOG_OK, or why its text, from the log, cannot be read: */
    const char *damage;    /* ... in words */
    evlog_arena *arena;    /* everything that is pointed to here */
    /* `describe` of a class that has been found able to read it, under its `argument`; or NULL */
    const evlog_field *(*_Atomic read_by)(size_t *field_count);
};

/* Sets argument, canonical and, unless `event_type` is NULL, text. EVLOG_NOMEM, EVLOG_LIMIT. */
int schema_finish(evlog_schema *schema, const char *event_type);

/* A new schema that has nothing but its arena. NULL: no memory. */
evlog_schema *schema_new(void);

/* Whether Avro allows this name of a record or field. */
int schema_is_name(const char *name, size_t size);

/*
 * Whether the fallback of a field of class `owner` has the field's type: EVLOG_OK, EVLOG_INVALID,
 * EVLOG_NOMEM.
 */
int schema_check_fallback(const char *owner, const evlog_field *field);

#endif
