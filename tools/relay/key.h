/* Kafka's key of an event, see key.c. */
#ifndef RELAY_KEY_H
#define RELAY_KEY_H

#include "relay.h"

/* A schema's JSON as json.dumps(schema, sort_keys=True) of Python writes it; NULL: it is not JSON, or out of memory. */
char *schema_sorted(const char *text);

/* NAMESPACE.NAME of a schema's record; to be freed; NULL as above. */
char *schema_name(const char *text);

/* What a key is. */
struct key {
    const char *kind; /* "string", "long", "double", "boolean" */
    char *schema;     /* the field's definition, sorted; freed by who asks */
};

/* EVLOG_INVALID: no field of a schema with this path can be a key; evlog_errmsg says why. */
int key_of_schema(const char *text, const char *path, struct key *key);

/* The Avro of an event's field. EVLOG_INVALID, EVLOG_NOMEM. */
int key_of_event(const evlog_event *event, const char *path, evlog_buffer *avro);

#endif
