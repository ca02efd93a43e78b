/*
 * Redis Streams as a sink.
 *
 * A topic is a stream. Each put is, for each topic, one MULTI of its XADDs and the relay's position,
 *
 *   SET evlog:UUID:{TOPIC} "SEQ EPOCH"
 *
 * UUID is the log's, and the braces are literal, so that both keys are in one slot of a cluster. So a position
 * says exactly what is in the stream, whatever died between, and a Redis that fails over to an older state has an older
 * position, too. EPOCH names the making or last reset of the consumer: a position of another one does not
 * count.
 *
 * A topic without events in a put gets its position alone. Redis works on a put while its rest is made, and while
 * the next one is gathered.
 */
#include "redis.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PUT_MAX 512 /* messages in one put */
#define FIELD_ARGS_MAX (6 + 2 * (FIELD_COUNT + 1))

struct redis_sink {
    struct sink sink;
    struct redis redis;
    const struct relay_options *options;
    char *keys[TOPICS_MAX];
    char epoch[64];
    uint64_t positions[TOPICS_MAX];    /* NO_POSITION: none of this epoch */
    size_t command_counts[TOPICS_MAX]; /* of the put that is on its way */
};

/* ------------------------------------------------------------ positions ---- */

/* "SEQ EPOCH" */
static uint64_t read_position(const redisReply *reply, const char *epoch)
{
    char *end;
    if (reply->type != REDIS_REPLY_STRING)
        return NO_POSITION;
    uint64_t seq = strtoull(reply->str, &end, 10);
    if (end == reply->str || *end != ' ' || strcmp(end + 1, epoch) != 0)
        return NO_POSITION;
    return seq;
}

/* A stream, or nothing: else the XADDs of a MULTI would fail and its SET would not. */
static enum outcome check_kind(struct redis_sink *self, size_t topic)
{
    redisReply *reply;
    enum outcome outcome = redis_words(&self->redis, "TYPE", self->options->topics[topic], NULL);
    if (outcome == BROKER_OK)
        outcome = redis_good_reply(&self->redis, &reply);
    if (outcome)
        return outcome;
    if (reply->type != REDIS_REPLY_STATUS ||
        (strcmp(reply->str, "stream") != 0 && strcmp(reply->str, "none") != 0))
        outcome = broker_fail(BROKER_REFUSES, "the key %s is not a stream",
                              self->options->topics[topic]);
    freeReplyObject(reply);
    return outcome;
}

static enum outcome sink_open(void *ctx, const char *epoch, uint64_t *positions)
{
    struct redis_sink *self = ctx;
    enum outcome outcome = redis_open(&self->redis);
    snprintf(self->epoch, sizeof self->epoch, "%s", epoch);
    for (size_t i = 0; outcome == BROKER_OK && i < self->options->topic_count; i++) {
        redisReply *reply;
        outcome = check_kind(self, i);
        if (outcome == BROKER_OK)
            outcome = redis_words(&self->redis, "GET", self->keys[i], NULL);
        if (outcome == BROKER_OK)
            outcome = redis_good_reply(&self->redis, &reply);
        if (outcome)
            break;
        positions[i] = self->positions[i] = read_position(reply, epoch);
        freeReplyObject(reply);
    }
    return outcome;
}

/* -------------------------------------------------------------- sending ---- */

struct words {
    int count;
    const char *words[FIELD_ARGS_MAX];
    size_t sizes[FIELD_ARGS_MAX];
};

static void add(struct words *words, const char *word, size_t size)
{
    words->words[words->count] = word;
    words->sizes[words->count++] = size;
}

static void add_text(struct words *words, const char *word)
{
    add(words, word, strlen(word));
}

static enum outcome add_message(struct redis_sink *self, const struct message *message,
                                const char *topic)
{
    struct words words = {.count = 0};
    char length[24];
    add_text(&words, "XADD");
    add_text(&words, topic);
    if (self->options->stream_length_max) {
        snprintf(length, sizeof length, "%" PRIu64, self->options->stream_length_max);
        add_text(&words, "MAXLEN");
        add_text(&words, "~");
        add_text(&words, length);
    }
    add_text(&words, "*");
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        add_text(&words, field_names[i]);
        add(&words, message->texts[i].text, message->texts[i].size);
    }
    add_text(&words, DATA_FIELD);
    add(&words, message->data.data ? message->data.data : "", message->data.size);
    return redis_command(&self->redis, words.count, words.words, words.sizes);
}

static enum outcome add_position(struct redis_sink *self, size_t topic, uint64_t last_seq)
{
    char value[96];
    uint64_t *position = &self->positions[topic];
    if (*position == NO_POSITION || *position < last_seq)
        *position = last_seq;
    snprintf(value, sizeof value, "%" PRIu64 " %s", *position, self->epoch);
    return redis_words(&self->redis, "SET", self->keys[topic], value, NULL);
}

/* Appends what a topic gets. `*command_count`: of its MULTI, 0: it has none. */
static enum outcome add_topic(struct redis_sink *self, const struct outgoing *items, size_t count,
                              size_t topic, uint64_t last_seq, size_t *command_count)
{
    enum outcome outcome = BROKER_OK;
    *command_count = 0;
    for (size_t i = 0; outcome == BROKER_OK && i < count; i++) {
        if (items[i].topic != topic)
            continue;
        if (++*command_count == 1)
            outcome = redis_words(&self->redis, "MULTI", NULL);
        if (outcome == BROKER_OK)
            outcome = add_message(self, items[i].message, self->options->topics[topic]);
    }
    if (outcome == BROKER_OK)
        outcome = add_position(self, topic, last_seq);
    if (outcome == BROKER_OK && *command_count)
        outcome = redis_words(&self->redis, "EXEC", NULL);
    return outcome;
}

/* ------------------------------------------------------------- replies ---- */

/* The reply to EXEC: each command was done. */
static enum outcome check_exec(const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ARRAY)
        return redis_error(reply, "EXEC");
    for (size_t i = 0; i < reply->elements; i++)
        if (reply->element[i]->type == REDIS_REPLY_ERROR)
            return redis_error(reply->element[i], "in a MULTI");
    return BROKER_OK;
}

/*
 * Reads the replies of a topic: MULTI, QUEUED for each, EXEC. The first error that says why is kept, since
 * EXEC says only that there was one.
 */
static enum outcome read_topic(struct redis_sink *self, size_t command_count)
{
    enum outcome failed = BROKER_OK;
    size_t reply_count = command_count ? command_count + 3 : 1;
    for (size_t i = 0; i < reply_count; i++) {
        redisReply *reply;
        enum outcome outcome = redis_reply(&self->redis, REPLY_WAIT_MS, &reply);
        if (outcome)
            return outcome;
        if (!failed && command_count && i + 1 == reply_count)
            failed = check_exec(reply);
        else if (!failed && reply->type == REDIS_REPLY_ERROR)
            failed = redis_error(reply, "XADD");
        freeReplyObject(reply);
    }
    return failed;
}

static enum outcome sink_put(void *ctx, const struct outgoing *items, size_t count,
                             uint64_t last_seq)
{
    struct redis_sink *self = ctx;
    enum outcome outcome = BROKER_OK;
    for (size_t i = 0; outcome == BROKER_OK && i < self->options->topic_count; i++)
        outcome = add_topic(self, items, count, i, last_seq, &self->command_counts[i]);
    return outcome ? outcome : redis_send(&self->redis);
}

static enum outcome sink_put_ends(void *ctx, uint64_t *unfit_seq)
{
    struct redis_sink *self = ctx;
    (void)unfit_seq; /* Redis takes all */
    enum outcome outcome = BROKER_OK;
    for (size_t i = 0; outcome == BROKER_OK && i < self->options->topic_count; i++)
        outcome = read_topic(self, self->command_counts[i]);
    return outcome;
}

static void sink_close(void *ctx)
{
    struct redis_sink *self = ctx;
    redis_close(&self->redis);
    for (size_t i = 0; i < self->options->topic_count; i++)
        free(self->keys[i]);
    free(self);
}

struct sink *redis_sink(const struct relay_options *options, const char *uuid)
{
    struct redis_sink *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->options = options;
    self->redis.url = &options->url;
    self->sink =
        (struct sink){self, PUT_MAX, true, sink_open, sink_put, sink_put_ends, sink_close};
    for (size_t i = 0; i < options->topic_count; i++)
        if (asprintf(&self->keys[i], "evlog:%s:{%s}", uuid, options->topics[i]) < 0) {
            self->keys[i] = NULL;
            sink_close(self);
            return NULL;
        }
    return &self->sink;
}
