/*
 * Redis Streams as a source: a member of a consumer group.
 *
 * After each connection, first what this consumer has pending; then what other consumers of the group have had
 * for too long (XAUTOCLAIM, again every claim_ms); then new messages. The group is made at 0 where it
 * is missing, also in the middle (NOGROUP: the stream was deleted, FLUSHALL, a failover). SETID is never used.
 *
 * How in.c knows what it has already: before new messages are read, the log's head is noted in
 *
 *   HSET evlog:UUID:{TOPIC}:GROUP CONSUMER SEQ
 *
 * when nothing is pending. So
 * 1. a pending message, which was first read after its consumer's note, can be in the log only after the least of
 *    the notes;
 * 2. a new message can be there only if Redis forgot that it gave it: the group was made anew, or Redis went back to an
 *    older state. The notes are in the same Redis, and are older then, too, or gone (a group is made in one
 *    MULTI with the deletion of its notes). So the message is after the note that is found when the connection is
 *    made, and not after the log's head then; and it is before the stream's end then. Until it has passed that end the
 *    relay leaves the note as it is, and each message is looked for between the note and the head (known.c);
 * 3. or its sender saw that Redis went back, and put it again (evlog relay out does): so the last million events of
 *    these are looked for as long as the connection is.
 *
 * Absent: what is put again after this relay, too, was started anew; and several relays of one group on one
 * log, of which one holds a batch while Redis goes back, and appends it after another one has connected.
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
#define RECENT_COUNT 1000000
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
    bool is_past_end;     /* new messages were not there when the connection was made */
    char end[64];         /* of the stream then */
    uint64_t note;        /* of this consumer, else the least, then */
    uint64_t head_seq;    /* of the log at the first reading of new messages; 0: not read yet */
    size_t last_size;
    redisReply *reply; /* what the batch points into */
    struct raw raws[COUNT_MAX];
    struct raw_field *fields;
    const char **acks; /* of the batch, and the lost ones */
    size_t *ack_sizes, ack_count;
};

/* --------------------------------------------------------------- notes ---- */

static evlog_bytes bytes_of(const redisReply *reply)
{
    bool is_text = reply->type == REDIS_REPLY_STRING;
    return (evlog_bytes){is_text ? reply->str : "", is_text ? reply->len : 0};
}

/* Appends the command that notes the head; its reply follows. */
static enum outcome add_note(struct redis_source *self, uint64_t head_seq)
{
    char seq[24];
    snprintf(seq, sizeof seq, "%" PRIu64, head_seq);
    return redis_words(&self->redis, "HSET", self->notes_key, self->consumer, seq, NULL);
}

/* The least of all consumers' notes, 0 when there is none; and this one's, the least when it has none. */
static enum outcome read_notes(struct redis_source *self, uint64_t *least, uint64_t *own)
{
    redisReply *reply;
    bool has_own = false;
    enum outcome outcome = redis_words(&self->redis, "HGETALL", self->notes_key, NULL);
    if (outcome == BROKER_OK)
        outcome = redis_good_reply(&self->redis, &reply);
    if (outcome)
        return outcome;
    size_t count = reply->type == REDIS_REPLY_ARRAY ? reply->elements : 0;
    *least = count ? UINT64_MAX : 0;
    for (size_t i = 0; i + 1 < count; i += 2) {
        evlog_bytes name = bytes_of(reply->element[i]), value = bytes_of(reply->element[i + 1]);
        uint64_t seq = strtoull(value.data, NULL, 10);
        *least = seq < *least ? seq : *least;
        if (strcmp(name.data, self->consumer) == 0) {
            *own = seq;
            has_own = true;
        }
    }
    if (!has_own)
        *own = *least;
    freeReplyObject(reply);
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
    snprintf(self->end, sizeof self->end, "0-0");
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 1 &&
        reply->element[0]->type == REDIS_REPLY_ARRAY && reply->element[0]->elements >= 1 &&
        reply->element[0]->element[0]->type == REDIS_REPLY_STRING)
        snprintf(self->end, sizeof self->end, "%s", reply->element[0]->element[0]->str);
    freeReplyObject(reply);
    return BROKER_OK;
}

/* A group that was made by another one meanwhile is as good. */
static enum outcome make_group(struct redis_source *self)
{
    redisReply *reply;
    enum outcome outcome = redis_words(&self->redis, "MULTI", NULL);
    if (outcome == BROKER_OK)
        outcome = redis_words(&self->redis, "DEL", self->notes_key, NULL);
    if (outcome == BROKER_OK)
        outcome = redis_words(&self->redis, "XGROUP", "CREATE", self->topic, self->group, "0",
                              "MKSTREAM", NULL);
    if (outcome == BROKER_OK)
        outcome = redis_words(&self->redis, "EXEC", NULL);
    for (int i = 0; outcome == BROKER_OK && i < 3; i++) /* MULTI, and QUEUED twice */
        outcome = redis_good_reply(&self->redis, NULL);
    if (outcome == BROKER_OK)
        outcome = redis_good_reply(&self->redis, &reply);
    if (outcome)
        return outcome;
    const redisReply *made =
        reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 ? reply->element[1] : reply;
    if (made->type != REDIS_REPLY_STATUS && !redis_is_error(made, "BUSYGROUP"))
        outcome = redis_error(made, "XGROUP CREATE");
    freeReplyObject(reply);
    return outcome;
}

static enum outcome has_group(struct redis_source *self, bool *has)
{
    redisReply *reply;
    enum outcome outcome = redis_words(&self->redis, "XPENDING", self->topic, self->group, NULL);
    if (outcome == BROKER_OK)
        outcome = redis_reply(&self->redis, REPLY_WAIT_MS, &reply);
    if (outcome)
        return outcome;
    *has = reply->type == REDIS_REPLY_ARRAY;
    if (!*has && !redis_is_error(reply, "NOGROUP"))
        outcome = redis_error(reply, "XPENDING");
    freeReplyObject(reply);
    return outcome;
}

/* What is known of the group when the connection is made, or it has to be made itself. */
static enum outcome begin(struct redis_source *self)
{
    uint64_t least;
    bool has;
    self->stage = PENDING;
    self->claim_due_ms = 0;
    snprintf(self->claim_from, sizeof self->claim_from, "0-0");
    self->is_past_end = false;
    self->head_seq = 0;
    enum outcome outcome = has_group(self, &has);
    if (outcome == BROKER_OK && !has)
        outcome = make_group(self);
    if (outcome == BROKER_OK)
        outcome = read_notes(self, &least, &self->note);
    return outcome ? outcome : find_end(self);
}

static enum outcome source_open(void *ctx)
{
    struct redis_source *self = ctx;
    enum outcome outcome = redis_open(&self->redis);
    return outcome ? outcome : begin(self);
}

/* ------------------------------------------------------------- messages ---- */

static bool is_entry(const redisReply *entry)
{
    return entry->type == REDIS_REPLY_ARRAY && entry->elements >= 2 &&
           entry->element[0]->type == REDIS_REPLY_STRING;
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
    *raw = (struct raw){.broker = "redis", .place = id->str, .fields = fields};
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
        outcome = begin(self);
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
        return begin(self);
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

/* Where new messages may be in the log, if Redis forgot that it gave them. */
static void look_back(struct redis_source *self, struct batch *batch)
{
    if (batch->count == 0 || is_after(batch->raws[0].place, self->end))
        self->is_past_end = true;
    uint64_t head_seq = self->head_seq;
    batch->older_first_seq = self->note + 1;
    batch->older_last_seq = head_seq;
    if (self->is_past_end && head_seq > RECENT_COUNT && head_seq - RECENT_COUNT > self->note)
        batch->older_first_seq = head_seq - RECENT_COUNT + 1;
}

static enum outcome read_new(struct redis_source *self, uint64_t head_seq, bool is_waiting,
                             struct batch *batch)
{
    char block_ms[16];
    snprintf(block_ms, sizeof block_ms, "%d", is_waiting ? BLOCK_MS : 1);
    if (!self->head_seq)
        self->head_seq = head_seq;
    enum outcome outcome = add_note(self, self->is_past_end ? head_seq : self->note);
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
    if (was_mended)
        return BROKER_OK;
    batch->after_seq = head_seq;
    batch->is_end = !entries;
    look_back(self, batch);
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
    uint64_t own;
    enum outcome outcome = read_notes(self, &batch->after_seq, &own);
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
