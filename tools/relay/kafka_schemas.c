/*
 * The schemas of a registry by their ids, as Kafka's values name them: for the source, and for `evlog relay retry`.
 *
 * An id is asked for once. What the registry does not have, or evlog cannot read, is remembered for UNKNOWN_WAIT_MS:
 * then it is asked for again, as a schema may come after its first record.
 */
#include "kafka_schemas.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "evlog/schema.h"
#include "registry.h"

#define SCHEMAS_MAX 4096
#define UNKNOWN_WAIT_MS 10000

struct written {
    uint32_t id;
    evlog_schema *schema; /* NULL: it cannot be used */
    char why[256];
    int64_t until_ms; /* of one that cannot: then it is asked for again */
};

struct kafka_schemas {
    struct registry *registry;
    struct written *written;
    size_t count;
};

static void forget(struct kafka_schemas *self)
{
    for (size_t i = 0; i < self->count; i++)
        evlog_schema_free(self->written[i].schema);
    self->count = 0;
}

void kafka_schemas_trim(struct kafka_schemas *self, size_t room)
{
    if (self->count + room > SCHEMAS_MAX)
        forget(self);
}

static struct written *known_schema(struct kafka_schemas *self, uint32_t id)
{
    for (size_t i = self->count; i-- > 0;)
        if (self->written[i].id == id)
            return &self->written[i];
    return NULL;
}

/* Asks the registry. What it does not have, or evlog cannot read, is found too, without a schema. */
static enum outcome ask_schema(struct kafka_schemas *self, uint32_t id, const char *topic,
                               struct written *written)
{
    char *text = NULL;
    *written = (struct written){.id = id};
    enum outcome outcome = registry_schema(self->registry, id, topic, &text);
    if (outcome == BROKER_UNFIT)
        snprintf(written->why, sizeof written->why, "schema %" PRIu32 ": %s", id, broker_why());
    else if (outcome)
        return outcome;
    else if (evlog_schema_parse(text, &written->schema)) {
        written->schema = NULL;
        snprintf(written->why, sizeof written->why, "schema %" PRIu32 ": %s", id, evlog_errmsg());
    }
    free(text);
    written->until_ms = now_ms() + UNKNOWN_WAIT_MS;
    return BROKER_OK;
}

enum outcome kafka_schemas_find(struct kafka_schemas *self, uint32_t id, const char *topic,
                                struct raw *raw)
{
    struct written *written = known_schema(self, id);
    if (!written || (!written->schema && now_ms() > written->until_ms)) {
        struct written asked;
        enum outcome outcome = ask_schema(self, id, topic, &asked);
        if (outcome)
            return outcome;
        if (!written)
            written = &self->written[self->count++];
        *written = asked;
    }
    raw->schema = written->schema;
    raw->why = written->schema ? NULL : written->why;
    return BROKER_OK;
}

enum outcome kafka_schemas_check(struct kafka_schemas *self)
{
    return registry_check(self->registry);
}

struct kafka_schemas *kafka_schemas_new(const struct url *url)
{
    struct kafka_schemas *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->registry = registry_new(url);
    self->written = calloc(SCHEMAS_MAX, sizeof *self->written);
    if (self->registry && self->written)
        return self;
    kafka_schemas_free(self);
    return NULL;
}

void kafka_schemas_free(struct kafka_schemas *self)
{
    if (!self)
        return;
    forget(self);
    registry_free(self->registry);
    free(self->written);
    free(self);
}
