/* The brokers that this evlog-relay was built with: RELAY_REDIS and RELAY_KAFKA come from the Makefile. */
#include "kafka_schemas.h"
#include "relay.h"

#ifdef RELAY_REDIS
#define REDIS_MISSING NULL
#else
#define REDIS_MISSING \
    "this evlog-relay was built without Redis: install libhiredis-dev and libssl-dev, and make it again"
#define redis_sink(options, uuid) ((void)(uuid), NULL)
#define redis_source(options, uuid) ((void)(uuid), NULL)
#endif

#ifdef RELAY_KAFKA
#define KAFKA_MISSING NULL
#else
#define KAFKA_MISSING                                                                             \
    "this evlog-relay was built without Kafka: install librdkafka-dev and libcurl4-openssl-dev, " \
    "and make it again"
#define kafka_sink(options, uuid) ((void)(uuid), NULL)
#define kafka_source(options, uuid) ((void)(uuid), NULL)
#define kafka_schemas_new(url) ((void)(url), NULL)
#define kafka_schemas_find(self, id, topic, raw) \
    ((void)(self), (void)(id), (void)(topic), (void)(raw), BROKER_OK)
#define kafka_schemas_free(self) ((void)(self))
#endif

const char *broker_missing(enum url_scheme scheme)
{
    return scheme == URL_KAFKA ? KAFKA_MISSING : REDIS_MISSING;
}

struct sink *broker_sink(const struct relay_options *options, const char *uuid)
{
    return options->url.scheme == URL_KAFKA ? kafka_sink(options, uuid)
                                            : redis_sink(options, uuid);
}

struct source *broker_source(const struct relay_options *options, const char *uuid)
{
    return options->url.scheme == URL_KAFKA ? kafka_source(options, uuid)
                                            : redis_source(options, uuid);
}

struct kafka_schemas *broker_schemas(const struct relay_options *options)
{
    return kafka_schemas_new(&options->url);
}

enum outcome broker_find_schema(struct kafka_schemas *schemas, uint32_t id, const char *topic,
                                struct raw *raw)
{
    return kafka_schemas_find(schemas, id, topic, raw);
}

void broker_schemas_free(struct kafka_schemas *schemas)
{
    kafka_schemas_free(schemas);
}
