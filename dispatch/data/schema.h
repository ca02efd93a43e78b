/* What data of an event type must be, see schema.c. */
#ifndef DISPATCH_SCHEMA_H
#define DISPATCH_SCHEMA_H

#include "arena.h"
#include "class.h"
#include "evlog/schema.h"

#define SCHEMA_ROOT "CloudEvent" /* the name of the top record, as openedx-events has it */

struct evlog_schema {
    evlog_class root;      /* the record whose fields are the arguments of the event */
    const evlog_class *of; /* the C class whose structs the data are made from; NULL: from text */
    const char *argument;  /* the name of the only field of the root that is a record, or NULL */
    const char *text;      /* Avro's JSON */
    const char *canonical; /* the same for all schemas that say the same */
    int damage_code;       /* EVLOG_OK, or why its text, from the log, cannot be read: */
    const char *damage;    /* ... in words */
    evlog_arena *arena;    /* all that is pointed to here */
    /* `describe` of a class that has been found able to read it, under its `argument`; or NULL */
    const evlog_field *(*_Atomic read_by)(size_t *field_count);
};

/* Sets argument, text (of `event_type`; NULL: it is there) and canonical. EVLOG_NOMEM. */
int schema_finish(evlog_schema *schema, const char *event_type);

/* A new one with nothing but its arena. NULL: no memory. */
evlog_schema *schema_new(void);

/* 1 when a record or field can be called so in Avro. */
int schema_is_name(const char *name, size_t size);

/*
 * Whether the fallback of a field of class `owner` is a value of it. EVLOG_INVALID,
 * EVLOG_NOMEM.
 */
int schema_check_fallback(const char *owner, const evlog_field *field);

#endif
