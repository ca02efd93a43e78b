/*
 * Kafka by librdkafka: its configuration, its errors, and waiting for its brokers.
 *
 * librdkafka connects by itself, again and again; so "away" is what it reports: that all brokers are down, or
 * that nothing answers. Its own lines are printed only with -X debug=...: they would repeat what the relay says,
 * at each attempt. No call waits longer than SLICE_MS, so that a signal is noticed.
 */
#include "kafka.h"

#include "tool.h"

#include <ctype.h>
#include <string.h>
#include <syslog.h>

/* --------------------------------------------------------------- errors ---- */

static bool is_about_credentials(rd_kafka_resp_err_t error)
{
    switch (error) {
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION: /* a name that cannot be one */
    case RD_KAFKA_RESP_ERR_INVALID_GROUP_ID:
        return true;
    default:
        return false;
    }
}

enum outcome kafka_fail(const char *doing, rd_kafka_resp_err_t error, const char *text)
{
    return broker_fail(is_about_credentials(error) ? BROKER_REFUSES : BROKER_AWAY, "%s: %s",
                       doing, text ? text : rd_kafka_err2str(error));
}

/*
 * A certificate that does not fit will not fit the next time. Other failures of TLS may be a broker that is being
 * restarted.
 */
static bool is_about_certificate(const char *reason)
{
    return strstr(reason, "certificate verify failed") != NULL;
}

static void hear_error(rd_kafka_t *client, int error, const char *reason, void *opaque)
{
    struct kafka *kafka = opaque;
    (void)client;
    if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
        kafka->is_down = true;
        if (*kafka->why)
            return; /* what the single brokers said is better */
    }
    kafka->needs_a_hand |=
        is_about_credentials((rd_kafka_resp_err_t)error) || is_about_certificate(reason);
    snprintf(kafka->why, sizeof kafka->why, "%s", reason);
}

static void print_log(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
    (void)client;
    if (level == LOG_DEBUG)
        complain(0, "librdkafka: %s: %s", facility, text);
}

enum outcome kafka_state(const struct kafka *kafka)
{
    char text[512];
    if (kafka->needs_a_hand)
        return broker_fail(BROKER_REFUSES, "%s", kafka->why);
    if (kafka->client && rd_kafka_fatal_error(kafka->client, text, sizeof text))
        return broker_fail(BROKER_AWAY, "%s", text);
    if (kafka->is_down)
        return broker_fail(BROKER_AWAY, "%s", *kafka->why ? kafka->why : "it does not answer");
    return BROKER_OK;
}

/* -------------------------------------------------------- configuration ---- */

enum outcome kafka_set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char why[512];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof why) == RD_KAFKA_CONF_OK)
        return BROKER_OK;
    return broker_fail(BROKER_REFUSES, "%s: %s", name, why);
}

/* KEY=VALUE of -X; a value is not shown, for it may be a secret. */
static enum outcome set_option(rd_kafka_conf_t *conf, const char *setting)
{
    char name[128], why[512];
    size_t size = strcspn(setting, "=");
    snprintf(name, sizeof name, "%.*s", (int)size, setting);
    if (rd_kafka_conf_set(conf, name, setting + size + 1, why, sizeof why) == RD_KAFKA_CONF_OK)
        return BROKER_OK;
    return broker_fail(BROKER_REFUSES, "librdkafka does not take -X %s with this value", name);
}

rd_kafka_conf_t *kafka_conf(const struct relay_options *options, struct kafka *kafka,
                            enum outcome *outcome)
{
    const struct url *url = &options->url;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_opaque(conf, kafka);
    rd_kafka_conf_set_error_cb(conf, hear_error);
    rd_kafka_conf_set_log_cb(conf, print_log);
    *outcome = kafka_set(conf, "bootstrap.servers", url->brokers);
    if (*outcome == BROKER_OK)
        *outcome = kafka_set(conf, "client.id", "evlog-relay");
    if (*outcome == BROKER_OK)
        *outcome = kafka_set(conf, "reconnect.backoff.max.ms", "2000");
    if (*outcome == BROKER_OK)
        *outcome = kafka_set(conf, "topic.metadata.refresh.interval.ms", "10000");
    if (*outcome == BROKER_OK && *url->user)
        *outcome = kafka_set(conf, "sasl.username", url->user);
    if (*outcome == BROKER_OK && *url->password)
        *outcome = kafka_set(conf, "sasl.password", url->password);
    for (size_t i = 0; *outcome == BROKER_OK && i < options->setting_count; i++)
        *outcome = set_option(conf, options->settings[i]);
    if (*outcome == BROKER_OK)
        return conf;
    rd_kafka_conf_destroy(conf);
    return NULL;
}

enum outcome kafka_make(struct kafka *kafka, rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
    char why[512];
    kafka->is_down = kafka->needs_a_hand = kafka->is_redirected = false;
    *kafka->why = '\0';
    kafka->client = rd_kafka_new(type, conf, why, sizeof why);
    if (kafka->client)
        return BROKER_OK;
    rd_kafka_conf_destroy(conf);
    return broker_fail(BROKER_REFUSES, "librdkafka: %s", why);
}

void kafka_close(struct kafka *kafka)
{
    if (!kafka->client)
        return;
    if (rd_kafka_type(kafka->client) == RD_KAFKA_PRODUCER) {
        rd_kafka_purge(kafka->client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_poll(kafka->client, 0);
    }
    rd_kafka_destroy_flags(kafka->client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    kafka->client = NULL;
}

/* -------------------------------------------------------------- waiting ---- */

enum outcome kafka_find(struct kafka *kafka)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR__TIMED_OUT;
    int64_t until_ms = now_ms() + ANSWER_WAIT_MS;
    kafka->is_down = false;
    do {
        if (stop_is_asked())
            return BROKER_STOPPED;
        error = rd_kafka_metadata(kafka->client, 0, NULL, &metadata, SLICE_MS);
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
            rd_kafka_metadata_destroy(metadata);
            kafka->is_down = false;
            *kafka->why = '\0';
            return BROKER_OK;
        }
        if (!kafka->is_redirected)
            rd_kafka_poll(kafka->client, 0); /* errors */
    } while (!kafka->is_down && !kafka->needs_a_hand && now_ms() < until_ms);
    enum outcome outcome = kafka_state(kafka);
    return outcome ? outcome : kafka_fail("it does not answer", error, NULL);
}

void kafka_id(const char *prefix, const char *uuid, const char *name, char id[256])
{
    snprintf(id, 256, "%s-%s-%s", prefix, uuid, name);
    for (char *at = id; *at; at++)
        if (!isalnum((unsigned char)*at) && *at != '.' && *at != '_' && *at != '-')
            *at = '_';
}
