/* What the relays to and from Kafka have in common, see kafka.c. */
#ifndef RELAY_KAFKA_H
#define RELAY_KAFKA_H

#include <librdkafka/rdkafka.h>

#include "relay.h"

#define SLICE_MS \
    500 /* the longest that librdkafka is waited for at once: a signal ends it then */
#define ANSWER_WAIT_MS 10000 /* brokers that are silent for so long are away */

struct kafka {
    rd_kafka_t *client; /* NULL: none */
    bool is_down;       /* all brokers are, or librdkafka has given up */
    bool needs_a_hand;  /* credentials */
    bool is_redirected; /* a consumer's events come with its records, and not by rd_kafka_poll */
    char why[512];
};

/*
 * A configuration with the URL, the credentials, and -X. NULL: broker_why, and `*outcome` is BROKER_REFUSES. Its
 * opaque is `kafka`.
 */
rd_kafka_conf_t *kafka_conf(const struct relay_options *options, struct kafka *kafka,
                            enum outcome *outcome);

/* Sets what the relay rests upon. BROKER_REFUSES: librdkafka does not take it. */
enum outcome kafka_set(rd_kafka_conf_t *conf, const char *name, const char *value);

/* Makes the client; the configuration is its own, or freed. */
enum outcome kafka_make(struct kafka *kafka, rd_kafka_type_t type, rd_kafka_conf_t *conf);

/* Waits, at most ANSWER_WAIT_MS, for a broker that answers. */
enum outcome kafka_find(struct kafka *kafka);

/* What has become of the client: BROKER_OK, or why not. */
enum outcome kafka_state(const struct kafka *kafka);

/* BROKER_AWAY or BROKER_REFUSES, by what an error says. `text` (or NULL): librdkafka's. */
enum outcome kafka_fail(const char *doing, rd_kafka_resp_err_t error, const char *text);

/* Forgets what the client has not sent, and frees it. */
void kafka_close(struct kafka *kafka);

/* An id that this log and name have, the same in each run: PREFIX-UUID-NAME, in what Kafka allows. */
void kafka_id(const char *prefix, const char *uuid, const char *name, char id[256]);

#endif
