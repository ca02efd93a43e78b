/* The schemas that Kafka's values name, see kafka_schemas.c. */
#ifndef RELAY_KAFKA_SCHEMAS_H
#define RELAY_KAFKA_SCHEMAS_H

#include "relay.h"

struct kafka_schemas;

/* With the registry of the URL. NULL: out of memory. */
struct kafka_schemas *kafka_schemas_new(const struct url *url);
void kafka_schemas_free(struct kafka_schemas *self);

/*
 * Sets the schema of a record, or why it has none that can be used; what was set lives until kafka_schemas_trim.
 * BROKER_AWAY, BROKER_REFUSES and BROKER_STOPPED of the registry.
 */
enum outcome kafka_schemas_find(struct kafka_schemas *self, uint32_t id, const char *topic,
                                struct raw *raw);

/* Forgets them all, if there is not room for so many more. */
void kafka_schemas_trim(struct kafka_schemas *self, size_t room);

/* Whether the registry, if it was away, is back. */
enum outcome kafka_schemas_check(struct kafka_schemas *self);

#endif
