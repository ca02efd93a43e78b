/*
 * Redis Streams as a source: a member of a consumer group.
 *
 * After each connection, first what this consumer has pending; then what other consumers of the group have had
 * for too long (XAUTOCLAIM, again every claim_ms); then new messages. The group is made at 0 where it
 * is missing, also in the middle (NOGROUP: the stream was deleted, FLUSHALL, a failover). SETID is never used.
 *
 * `after_seq`, by which in.c knows what it has already: before new messages are read, the log's head is noted in
 *
 *   HSET evlog:UUID:{TOPIC}:GROUP CONSUMER SEQ
 *
 * when nothing is pending. The note lives where the pending list lives: a Redis that goes back to an older
 * state has an older note, too. A pending message was first read after its consumer's note, so all of
 * them are after the least of the notes. After the group was made anew, which gives its messages a
 * second time, everything up to the stream's end then is looked for in the whole log.
 *
 * A pending message that Redis has trimmed comes without fields: it is acknowledged, and counted as lost.
 */
#include "redis.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_MAX 512
#define SIZE_LARGE ((size_t)8 << 20) /* after a batch of this size messages are read one by one */
#define BLOCK_MS 1000
#define FIELDS_MAX 1024 /* of a message; what is behind is not looked at */

enum stage { PENDING, CLAIM, NEW };

struct redis_source {
    struct source source;
    struct redis redis;
    const char *topic, *group, *consumer;
    uint32_t claim_ms;
    char *notes_key;
    enum stage stage;
    char claim_from[64];  /* where XAUTOCLAIM goes on */
    int64_t claim_due_ms; /* when to look for dead consumers again */
    bool cannot_claim;    /* Redis before 6.2 */
    bool was_made;        /* the group: up to known_to messages may be in the log */
    char known_to[64];
    size_t last_size;
    redisReply *reply; /* what the batch points into */
    struct raw raws[COUNT_MAX];
    struct raw_field *fields;
    const char **acks; /* of the batch, and the lost ones */
    size_t *ack_sizes, ack_count;
};

/* --------------------------------------------------------------- group ---- */

/* The id of the stream's last message, "0-0" when it has none. */
static enum outcome find_end(struct redis_source *self)
{
    redisReply *reply;
    enum outcome outcome =
        redis_words(&self->redis, "XREVRANGE", self->topic, "+", "-", "COUNT", "1", NULL);
    if (outcome == BROKER_OK)
        outcome = redis_good_reply(&self->redis, &reply);
    if (outcome)
        return outcome;
    snprintf(self->known_to, sizeof self->known_to, "0-0");
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 1 &&
        reply->element[0]->type == REDIS_REPLY_ARRAY && reply->element[0]->elements >= 1 &&
        reply->element[0]->element[0]->type == REDIS_REPLY_STRING)
        snprintf(self->known_to, sizeof self->known_to, "%s", reply->element[0]->element[0]->str);
    freeReplyObject(reply);
    return BROKER_OK;
}

static enum outcome make_group(struct redis_source *self)
{
    redisReply *reply;
    enum outcome outcome = redis_words(&self->redis, "XGROUP", "CREATE", self->topic, self->group,
                                       "0", "MKSTREAM", NULL);
    if (outcome == BROKER_OK)
        outcome = redis_reply(&self->redis, REPLY_WAIT_MS, &reply);
    if (outcome)
        return outcome;
    bool is_there = redis_is_error(reply, "BUSYGROUP");
    if (!is_there && reply->type == REDIS_REPLY_ERROR)
        outcome = redis_error(reply, "XGROUP CREATE");
    freeReplyObject(reply);
    if (outcome == BROKER_OK && !is_there) {
        self->was_made = true;
        outcome = find_end(self);
    }
    return outcome;
}

static enum outcome source_open(void *ctx)
{
    struct redis_source *self = ctx;
    self->stage = PENDING;
    self->claim_due_ms = 0;
    snprintf(self->claim_from, sizeof self->claim_from, "0-0");
    enum outcome outcome = redis_open(&self->redis);
    return outcome ? outcome : make_group(self);
}

/* --------------------------------------------------------------- notes ---- */

/* Appends the command that notes the head; its reply follows. */
static enum outcome add_note(struct redis_source *self, uint64_t head_seq)
{
    char seq[24];
    snprintf(seq, sizeof seq, "%" PRIu64, head_seq);
    return redis_words(&self->redis, "HSET", self->notes_key, self->consumer, seq, NULL);
}

/* The least of all consumers' notes; 0 when there is none. */
static enum outcome read_notes(struct redis_source *self, uint64_t *after_seq)
{
    redisReply *reply;
    enum outcome outcome = redis_words(&self->redis, "HVALS", self->notes_key, NULL);
    if (outcome == BROKER_OK)
        outcome = redis_good_reply(&self->redis, &reply);
    if (outcome)
        return outcome;
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++) {
        const redisReply *value = reply->element[i];
        uint64_t seq = value->type == REDIS_REPLY_STRING ? strtoull(value->str, NULL, 10) : 0;
        least = seq < least ? seq : least;
    }
    freeReplyObject(reply);
    *after_seq = self->was_made || least == UINT64_MAX ? 0 : least;
    return BROKER_OK;
}

/* Whether the id `a` is after `b`. Ids are MS-NUMBER. */
static bool is_after(const char *a, const char *b)
{
    char *a_end, *b_end;
    uint64_t a_ms = strtoull(a, &a_end, 10), b_ms = strtoull(b, &b_end, 10);
    if (a_ms != b_ms)
        return a_ms > b_ms;
    uint64_t a_number = *a_end == '-' ? strtoull(a_end + 1, NULL, 10) : 0;
    uint64_t b_number = *b_end == '-' ? strtoull(b_end + 1, NULL, 10) : 0;
    return a_number > b_number;
}

/* ------------------------------------------------------------- messages ---- */

static bool is_entry(const redisReply *entry)
{
    return entry->type == REDIS_REPLY_ARRAY && entry->elements >= 2 &&
           entry->element[0]->type == REDIS_REPLY_STRING;
}

static evlog_bytes bytes_of(const redisReply *reply)
{
    bool is_text = reply->type == REDIS_REPLY_STRING;
    return (evlog_bytes){is_text ? reply->str : "", is_text ? reply->len : 0};
}

/* Takes one entry, [id, [name, value, ...]], into the batch; without fields it is lost. */
static void take_entry(struct redis_source *self, const redisReply *entry, struct batch *batch)
{
    const redisReply *id = entry->element[0], *pairs = entry->element[1];
    self->acks[self->ack_count] = id->str;
    self->ack_sizes[self->ack_count++] = id->len;
    if (pairs->type != REDIS_REPLY_ARRAY) {
        batch->lost_count++;
        return;
    }
    struct raw_field *fields = self->fields + batch->count * FIELDS_MAX;
    struct raw *raw = &self->raws[batch->count++];
    *raw = (struct raw){.place = id->str, .fields = fields};
    for (size_t i = 0; i + 1 < pairs->elements && raw->field_count < FIELDS_MAX; i += 2) {
        fields[raw->field_count++] =
            (struct raw_field){bytes_of(pairs->element[i]), bytes_of(pairs->element[i + 1])};
        self->last_size += pairs->element[i + 1]->len;
    }
}

static void take_entries(struct redis_source *self, const redisReply *entries,
                         struct batch *batch)
{
    self->last_size = 0;
    if (entries->type != REDIS_REPLY_ARRAY)
        return;
    for (size_t i = 0; i < entries->elements && self->ack_count < COUNT_MAX; i++)
        if (is_entry(entries->element[i]))
            take_entry(self, entries->element[i], batch);
}

/* The entries of the reply of XREADGROUP, [[stream, entries]]; NULL: there are none. */
static const redisReply *entries_of(const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 1)
        return NULL;
    const redisReply *stream = reply->element[0];
    return stream->type == REDIS_REPLY_ARRAY && stream->elements == 2 ? stream->element[1] : NULL;
}

static const char *count_text(const struct redis_source *self)
{
    return self->last_size > SIZE_LARGE ? "1" : "512";
}

/* --------------------------------------------------------------- stages ---- */

/* The reply that the batch will point into. An error of a missing group is mended. */
static enum outcome keep_reply(struct redis_source *self, int64_t wait_ms)
{
    enum outcome outcome = redis_reply(&self->redis, wait_ms, &self->reply);
    if (outcome || self->reply->type != REDIS_REPLY_ERROR)
        return outcome;
    if (redis_is_error(self->reply, "NOGROUP") || redis_is_error(self->reply, "UNBLOCKED"))
        outcome = make_group(self);
    else
        outcome = redis_error(self->reply, "reading");
    return outcome;
}

static enum outcome read_pending(struct redis_source *self, struct batch *batch)
{
    enum outcome outcome =
        redis_words(&self->redis, "XREADGROUP", "GROUP", self->group, self->consumer, "COUNT",
                    count_text(self), "STREAMS", self->topic, "0", NULL);
    if (outcome == BROKER_OK)
        outcome = keep_reply(self, REPLY_WAIT_MS);
    if (outcome)
        return outcome;
    const redisReply *entries = entries_of(self->reply);
    if (entries)
        take_entries(self, entries, batch);
    if (self->ack_count == 0)
        self->stage = CLAIM;
    return BROKER_OK;
}

/* The reply of XAUTOCLAIM: [next, entries, deleted ids (Redis 7)]. */
static void take_claimed(struct redis_source *self, struct batch *batch)
{
    const redisReply *reply = self->reply;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 2 ||
        reply->element[0]->type != REDIS_REPLY_STRING) {
        self->cannot_claim = true;
        return;
    }
    snprintf(self->claim_from, sizeof self->claim_from, "%s", reply->element[0]->str);
    take_entries(self, reply->element[1], batch);
    if (reply->elements > 2 && reply->element[2]->type == REDIS_REPLY_ARRAY)
        batch->lost_count += reply->element[2]->elements;
}

static enum outcome claim(struct redis_source *self, struct batch *batch)
{
    char idle_ms[16];
    snprintf(idle_ms, sizeof idle_ms, "%" PRIu32, self->claim_ms);
    enum outcome outcome =
        redis_words(&self->redis, "XAUTOCLAIM", self->topic, self->group, self->consumer, idle_ms,
                    self->claim_from, "COUNT", count_text(self), NULL);
    if (outcome == BROKER_OK)
        outcome = redis_reply(&self->redis, REPLY_WAIT_MS, &self->reply);
    if (outcome)
        return outcome;
    if (redis_is_error(self->reply, "NOGROUP"))
        return make_group(self);
    if (redis_is_error(self->reply, "ERR unknown command"))
        self->cannot_claim = true;
    else if (self->reply->type == REDIS_REPLY_ERROR)
        return redis_error(self->reply, "XAUTOCLAIM");
    else
        take_claimed(self, batch);
    if (self->cannot_claim || strcmp(self->claim_from, "0-0") == 0) {
        self->stage = NEW;
        self->claim_due_ms = now_ms() + self->claim_ms;
    }
    return BROKER_OK;
}

/* Whether the note is not needed: the whole log is looked at, for messages that come a second time. */
static bool may_be_known(struct redis_source *self, const struct batch *batch)
{
    if (self->was_made && batch->count && is_after(batch->raws[0].place, self->known_to))
        self->was_made = false;
    return self->was_made;
}

static enum outcome read_new(struct redis_source *self, uint64_t head_seq, bool is_waiting,
                             struct batch *batch)
{
    char block_ms[16];
    snprintf(block_ms, sizeof block_ms, "%d", is_waiting ? BLOCK_MS : 1);
    enum outcome outcome = add_note(self, head_seq);
    if (outcome == BROKER_OK)
        outcome =
            redis_words(&self->redis, "XREADGROUP", "GROUP", self->group, self->consumer, "COUNT",
                        count_text(self), "BLOCK", block_ms, "STREAMS", self->topic, ">", NULL);
    if (outcome == BROKER_OK)
        outcome = redis_good_reply(&self->redis, NULL);
    if (outcome == BROKER_OK)
        outcome = keep_reply(self, BLOCK_MS + REPLY_WAIT_MS);
    if (outcome)
        return outcome;
    bool was_mended = self->reply->type == REDIS_REPLY_ERROR;
    const redisReply *entries = entries_of(self->reply);
    if (entries)
        take_entries(self, entries, batch);
    batch->after_seq = may_be_known(self, batch) ? 0 : head_seq;
    batch->is_end = !entries && !was_mended;
    if (now_ms() >= self->claim_due_ms && !self->cannot_claim)
        self->stage = CLAIM;
    return BROKER_OK;
}

/* --------------------------------------------------------------- source ---- */

static void forget(struct redis_source *self)
{
    if (self->reply)
        freeReplyObject(self->reply);
    self->reply = NULL;
    self->ack_count = 0;
}

static enum outcome source_read(void *ctx, uint64_t head_seq, bool is_waiting,
                                struct batch *batch)
{
    struct redis_source *self = ctx;
    forget(self);
    *batch = (struct batch){.raws = self->raws};
    if (self->stage == NEW)
        return read_new(self, head_seq, is_waiting, batch);
    enum outcome outcome = read_notes(self, &batch->after_seq);
    if (outcome)
        return outcome;
    return self->stage == PENDING ? read_pending(self, batch) : claim(self, batch);
}

static enum outcome source_taken(void *ctx, const struct batch *batch)
{
    struct redis_source *self = ctx;
    const char *words[COUNT_MAX + 3] = {"XACK", self->topic, self->group};
    size_t sizes[COUNT_MAX + 3] = {4, strlen(self->topic), strlen(self->group)};
    (void)batch;
    if (self->ack_count == 0)
        return BROKER_OK;
    memcpy(words + 3, self->acks, self->ack_count * sizeof *words);
    memcpy(sizes + 3, self->ack_sizes, self->ack_count * sizeof *sizes);
    enum outcome outcome = redis_command(&self->redis, (int)self->ack_count + 3, words, sizes);
    return outcome ? outcome : redis_good_reply(&self->redis, NULL);
}

static void source_close(void *ctx)
{
    struct redis_source *self = ctx;
    forget(self);
    redis_close(&self->redis);
    free(self->notes_key);
    free(self->fields);
    free(self->acks);
    free(self->ack_sizes);
    free(self);
}

struct source *redis_source(const struct relay_options *options, const char *uuid)
{
    struct redis_source *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->redis.url = &options->url;
    self->topic = options->topics[0];
    self->group = options->group;
    self->consumer = options->consumer;
    self->claim_ms = options->claim_ms;
    self->source = (struct source){self, source_open, source_read, source_taken, source_close};
    self->fields = calloc((size_t)COUNT_MAX * FIELDS_MAX, sizeof *self->fields);
    self->acks = calloc(COUNT_MAX, sizeof *self->acks);
    self->ack_sizes = calloc(COUNT_MAX, sizeof *self->ack_sizes);
    if (asprintf(&self->notes_key, "evlog:%s:{%s}:%s", uuid, self->topic, self->group) < 0)
        self->notes_key = NULL;
    if (!self->fields || !self->acks || !self->ack_sizes || !self->notes_key) {
        source_close(self);
        return NULL;
    }
    return &self->source;
}
