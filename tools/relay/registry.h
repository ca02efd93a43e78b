/* A client of a Confluent schema registry, see registry.c. */
#ifndef RELAY_REGISTRY_H
#define RELAY_REGISTRY_H

#include "relay.h"

struct registry;

/* NULL: out of memory. */
struct registry *registry_new(const struct url *url);
void registry_free(struct registry *registry);

/* Registers a schema under a subject. BROKER_UNFIT: it is refused, or does not go with earlier ones. */
enum outcome registry_register(struct registry *registry, const char *subject, const char *text,
                               uint32_t *id);

/* The text of a schema, to be freed. BROKER_UNFIT: there is none with this id, or it is not Avro. */
enum outcome registry_schema(struct registry *registry, uint32_t id, const char *topic,
                             char **text);

/* Repeats the last request if it was BROKER_AWAY: whether the registry is back. */
enum outcome registry_check(struct registry *registry);

#endif
