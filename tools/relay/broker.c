/* The brokers that this evlog-relay was built with: RELAY_REDIS and RELAY_KAFKA come from the Makefile. */
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
