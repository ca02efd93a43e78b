/*
 * Kafka as a sink.
 *
 * An event is a record: ten headers, a key if the route has one, and the value; key and value are 00, the
 * schema's id in the registry in 4 bytes, big endian, and Avro. The partition is librdkafka's choice by the key, as it
 * is the real producers'. Ids are asked for once for each schema, topic and key.
 *
 * A put is made by a thread of its own (worker.c), so that the relay's gathers and encodes the next one meanwhile. It
 * hands all items to librdkafka, which has up to five requests in flight for each partition and keeps
 * their order (idempotence, acks=all); then it waits for the reports. Each item has a slot:
 *
 *   NEW -> QUEUED -> HEARD -> DONE     HEARD: in a transaction that is not committed yet
 *     ^       |        |
 *     +---- FAILED     |    the client is made anew. It had failed for good, so nothing behind the failed one was taken
 *     +----------------+    of that partition (enable.gapless.guarantee), nothing at all of a transaction
 *
 * 1. A broker that is away leaves what is queued queued, and librdkafka sends it when it is back: without a limit
 *    of time (message.timeout.ms 0), once, since the client lives on.
 * 2. What the broker refuses as it is, by its size for one, may have failed because of what was in one request with
 *    it: so those that are not DONE are put again one by one, and one that fails alone is BROKER_UNFIT. Those behind
 *    it, which other partitions may have, come again.
 * 3. With --exactly-once each put is a transaction, in which the position of a topic is committed as the offset of
 *    partition 0 of that topic by the group evlog-relay-UUID-NAME; its metadata are the epoch. A failure
 *    closes the client; opening it ends what was open (the transactional id is the same), and reads the
 *    positions. They expire (offsets.retention.minutes), so one before the checkpoint does not count.
 * 4. From sink_put to sink_put_ends the whole sink, with its client and registry, is the worker's, and the items are
 *    read only; else all is the relay's thread's. So reports come to the thread that works, which polls.
 *    The worker ends by itself STOP_WAIT_MS after a signal, as every wait in it looks at stop_is_asked.
 *
 * Without --exactly-once there are no positions: what was acknowledged by the broker and not yet in the checkpoint
 * when the relay was killed comes again, at most one put.
 */
#include "kafka.h"

#include <stdlib.h>
#include <string.h>

#include "evlog/schema.h"
#include "key.h"
#include "registry.h"
#include "worker.h"

#define PUT_MAX 1024       /* the memory of more records does not stay in the processor's cache */
#define EXACT_PUT_MAX 4096 /* of a transaction, whose commit takes longer than that */
#define STOP_WAIT_MS 400   /* after a signal: for what is on its way */
#define FRAME_SIZE 5
#define IDS_MAX 4096

enum slot_state { SLOT_NEW, SLOT_QUEUED, SLOT_HEARD, SLOT_DONE, SLOT_FAILED };

struct slot {
    uint64_t seq;
    size_t topic;
    bool is_retry;
    enum slot_state state;
    rd_kafka_resp_err_t error;
    struct kafka_sink *sink;
};

/* The ids of a schema and a key for a topic. */
struct ids {
    const evlog_schema *schema;
    const char *key_path;
    size_t topic;
    uint32_t value_id, key_id;
};

struct kafka_sink {
    struct sink sink;
    struct kafka kafka;
    rd_kafka_topic_t *topics[TOPICS_MAX]; /* of the client */
    const struct relay_options *options;
    struct registry *registry;
    char group[256];
    char epoch[64];
    uint64_t
        positions[TOPICS_MAX]; /* with exactly_once: what is committed; NO_POSITION: nothing */
    struct worker *worker;     /* puts what is between sink_put and sink_put_ends */
    const struct outgoing *items;
    struct slot *slots;
    size_t slot_count; /* of the put that has not ended well; 0: none */
    size_t left_count; /* QUEUED */
    uint64_t last_seq;
    size_t first, end;  /* of the items that are on their way */
    bool is_last;       /* they are the last of the put */
    bool is_unfit;      /* the item at `end` is */
    uint64_t single_to; /* items up to this seq are put one by one */
    struct ids *ids;
    size_t ids_count;
    uint8_t *frame;
    size_t frame_room;
};

/* ------------------------------------------------------------------ ids ---- */

static enum outcome out_of_memory(void)
{
    return broker_fail(BROKER_AWAY, "out of memory");
}

/* FULLTOPIC-WHAT */
static enum outcome register_text(struct kafka_sink *self, size_t topic, const char *what,
                                  const char *text, uint32_t *id)
{
    char *subject;
    if (asprintf(&subject, "%s-%s", self->options->topics[topic], what) < 0)
        return out_of_memory();
    enum outcome outcome = registry_register(self->registry, subject, text, id);
    free(subject);
    return outcome;
}

static enum outcome register_value(struct kafka_sink *self, struct ids *ids)
{
    const char *schema = evlog_schema_text(ids->schema);
    char *text = schema_sorted(schema), *name = schema_name(schema);
    enum outcome outcome = text && name
                               ? register_text(self, ids->topic, name, text, &ids->value_id)
                               : broker_fail(BROKER_UNFIT, "its schema has no name");
    free(text);
    free(name);
    return outcome;
}

static enum outcome register_key(struct kafka_sink *self, struct ids *ids)
{
    struct key key;
    if (!ids->key_path)
        return BROKER_OK;
    if (key_of_schema(evlog_schema_text(ids->schema), ids->key_path, &key))
        return broker_fail(BROKER_UNFIT, "%s", evlog_errmsg());
    enum outcome outcome = register_text(self, ids->topic, key.kind, key.schema, &ids->key_id);
    free(key.schema);
    return outcome;
}

static enum outcome find_ids(struct kafka_sink *self, const struct outgoing *item,
                             const struct ids **found)
{
    struct ids ids = {item->message->schema, item->key_path, item->topic, 0, 0};
    for (size_t i = self->ids_count; i-- > 0;) {
        *found = &self->ids[i];
        if ((*found)->schema == ids.schema && (*found)->key_path == ids.key_path &&
            (*found)->topic == ids.topic)
            return BROKER_OK;
    }
    enum outcome outcome = register_value(self, &ids);
    if (outcome == BROKER_OK)
        outcome = register_key(self, &ids);
    if (outcome)
        return outcome;
    if (self->ids_count == IDS_MAX)
        self->ids_count = 0;
    self->ids[self->ids_count] = ids;
    *found = &self->ids[self->ids_count++];
    return BROKER_OK;
}

/* -------------------------------------------------------------- reports ---- */

static void hear_report(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
    struct slot *slot = message->_private;
    (void)client;
    (void)opaque;
    if (slot->state != SLOT_QUEUED)
        return;
    bool is_exact = slot->sink->options->exactly_once;
    slot->state = message->err ? SLOT_FAILED : is_exact ? SLOT_HEARD : SLOT_DONE;
    slot->error = message->err;
    slot->sink->left_count--;
}

/* Whether the broker refuses the record as it is. */
static bool is_unfit(rd_kafka_resp_err_t error)
{
    return error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ||
           error == RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE ||
           error == RD_KAFKA_RESP_ERR_INVALID_RECORD || error == RD_KAFKA_RESP_ERR_INVALID_MSG ||
           error == RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE ||
           error == RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP;
}

/* The first slot up to `end` that has failed; NULL: none. What failed with the client is not counted. */
static const struct slot *find_failed(const struct kafka_sink *self, size_t end)
{
    for (size_t i = 0; i < end; i++) {
        const struct slot *slot = &self->slots[i];
        if (slot->state == SLOT_FAILED && slot->error != RD_KAFKA_RESP_ERR__PURGE_QUEUE &&
            slot->error != RD_KAFKA_RESP_ERR__PURGE_INFLIGHT &&
            slot->error != RD_KAFKA_RESP_ERR__FATAL)
            return slot;
    }
    return NULL;
}

/* After a failure for good: what is on its way may still be acknowledged; the rest fails. */
static void give_up(struct kafka_sink *self)
{
    rd_kafka_flush(self->kafka.client, SLICE_MS);
    rd_kafka_purge(self->kafka.client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_flush(self->kafka.client, SLICE_MS);
}

/* Waits until nothing is queued any more. */
static enum outcome wait_for_reports(struct kafka_sink *self)
{
    int64_t stop_ms = 0, heard_ms = now_ms();
    while (self->left_count) {
        size_t before = self->left_count;
        rd_kafka_flush(self->kafka.client, 50); /* at once, without waiting for more to send */
        if (self->left_count < before)
            heard_ms = now_ms();
        enum outcome outcome = self->left_count ? kafka_state(&self->kafka) : BROKER_OK;
        if (outcome && rd_kafka_fatal_error(self->kafka.client, NULL, 0))
            give_up(self);
        if (outcome)
            return outcome;
        if (stop_is_asked() && !stop_ms)
            stop_ms = now_ms();
        if (stop_ms && now_ms() - stop_ms > STOP_WAIT_MS && self->left_count)
            return BROKER_STOPPED;
        if (self->left_count && now_ms() - heard_ms > ANSWER_WAIT_MS)
            return broker_fail(BROKER_AWAY, "it does not answer");
    }
    return BROKER_OK;
}

/* --------------------------------------------------------------- records ---- */

#define TEXT(text) text, sizeof text - 1

/* A header: a value that is always the same, or (NULL) the text of a field. */
struct header {
    const char *name;
    ssize_t name_size;
    evlog_string value;
    enum field field;
};

static rd_kafka_headers_t *make_headers(const struct message *message)
{
    static const struct header headers[] = {
        {TEXT("ce_specversion"), {TEXT("1.0")}, FIELD_COUNT},
        {TEXT("content-type"), {TEXT("application/avro")}, FIELD_COUNT},
        {TEXT("ce_datacontenttype"), {TEXT("application/avro")}, FIELD_COUNT},
        {TEXT("ce_type"), {NULL, 0}, TYPE},
        {TEXT("ce_id"), {NULL, 0}, ID},
        {TEXT("ce_source"), {NULL, 0}, SOURCE},
        {TEXT("ce_time"), {NULL, 0}, TIME},
        {TEXT("ce_minorversion"), {NULL, 0}, MINORVERSION},
        {TEXT("sourcehost"), {NULL, 0}, SOURCEHOST},
        {TEXT("sourcelib"), {NULL, 0}, SOURCELIB}};
    enum { COUNT = sizeof headers / sizeof *headers };
    rd_kafka_headers_t *list = rd_kafka_headers_new(COUNT);
    for (size_t i = 0; list && i < COUNT; i++) {
        const struct header *header = &headers[i];
        const evlog_string *value =
            header->value.text ? &header->value : &message->texts[header->field];
        rd_kafka_header_add(list, header->name, header->name_size, value->text,
                            (ssize_t)value->size);
    }
    return list;
}

/* Puts 00, the id and the Avro behind the frame's first `at` bytes. */
static int put_frame(struct kafka_sink *self, size_t at, uint32_t id, const evlog_buffer *avro)
{
    size_t size = at + FRAME_SIZE + avro->size;
    if (size > self->frame_room) {
        uint8_t *larger = realloc(self->frame, 2 * size);
        if (!larger)
            return -1;
        self->frame = larger;
        self->frame_room = 2 * size;
    }
    uint8_t *out = self->frame + at;
    out[0] = 0;
    for (int i = 0; i < 4; i++)
        out[1 + i] = (uint8_t)(id >> (24 - 8 * i));
    if (avro->size)
        memcpy(out + FRAME_SIZE, avro->data, avro->size);
    return 0;
}

static enum outcome produce(struct kafka_sink *self, const struct outgoing *item,
                            const struct ids *ids, struct slot *slot)
{
    size_t key_size = item->key_path ? FRAME_SIZE + item->key.size : 0;
    rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR__QUEUE_FULL;
    if ((key_size && put_frame(self, 0, ids->key_id, &item->key)) ||
        put_frame(self, key_size, ids->value_id, &item->message->data))
        return out_of_memory();
    uint8_t *key = key_size ? self->frame : NULL, *value = self->frame + key_size;
    rd_kafka_headers_t *headers = make_headers(item->message);
    while (headers && error == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        error = rd_kafka_producev(self->kafka.client, RD_KAFKA_V_RKT(self->topics[item->topic]),
                                  RD_KAFKA_V_KEY(key, key_size),
                                  RD_KAFKA_V_VALUE(value, FRAME_SIZE + item->message->data.size),
                                  RD_KAFKA_V_HEADERS(headers),
                                  RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                  RD_KAFKA_V_OPAQUE(slot), RD_KAFKA_V_END);
        if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL &&
            rd_kafka_poll(self->kafka.client, 50) == 0 && stop_is_asked())
            break;
    }
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        slot->state = SLOT_QUEUED;
        self->left_count++;
        return BROKER_OK;
    }
    if (headers)
        rd_kafka_headers_destroy(headers);
    if (stop_is_asked())
        return BROKER_STOPPED;
    if (error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
        return broker_fail(BROKER_UNFIT,
                           "its %zu bytes are more than message.max.bytes of -X allows",
                           FRAME_SIZE + item->message->data.size);
    enum outcome outcome = kafka_state(&self->kafka);
    return outcome ? outcome : kafka_fail("it cannot be sent", error, NULL);
}

/* Queues the items from `first` to before `end` that are new; BROKER_UNFIT: `end` is that of the item. */
static enum outcome queue_items(struct kafka_sink *self)
{
    const struct ids *ids = NULL;
    for (size_t i = self->first; i < self->end; i++) {
        if (self->slots[i].state != SLOT_NEW)
            continue;
        enum outcome outcome = find_ids(self, &self->items[i], &ids);
        if (outcome == BROKER_OK)
            outcome = produce(self, &self->items[i], ids, &self->slots[i]);
        if (outcome == BROKER_UNFIT)
            self->end = i;
        if (outcome)
            return outcome;
        if (i % 64 == 63)
            rd_kafka_poll(self->kafka.client, 0);
    }
    return BROKER_OK;
}

/* ---------------------------------------------------------- transactions ---- */

/* The outcome of a call for transactions, which is to be freed. `*is_open`: it is to be called again. */
static enum outcome sort_error(struct kafka_sink *self, rd_kafka_error_t *error,
                               const char *doing, int64_t until_ms, bool *is_open)
{
    *is_open = false;
    if (!error)
        return BROKER_OK;
    rd_kafka_poll(self->kafka.client, 0);
    enum outcome outcome =
        kafka_fail(doing, rd_kafka_error_code(error), rd_kafka_error_string(error));
    if (rd_kafka_error_is_retriable(error) && !self->kafka.is_down) {
        *is_open = now_ms() < until_ms && !stop_is_asked();
        if (*is_open)
            outcome = BROKER_OK;
        else if (stop_is_asked())
            outcome = BROKER_STOPPED;
    }
    rd_kafka_error_destroy(error);
    return outcome;
}

static enum outcome init_transactions(struct kafka_sink *self)
{
    int64_t until_ms = now_ms() + ANSWER_WAIT_MS;
    enum outcome outcome = BROKER_OK;
    bool is_open = true;
    while (outcome == BROKER_OK && is_open)
        outcome = sort_error(self, rd_kafka_init_transactions(self->kafka.client, SLICE_MS),
                             "transactions", until_ms, &is_open);
    return outcome;
}

/* Adds the topics' positions to the transaction: all of them, or that of one topic. */
static enum outcome send_positions(struct kafka_sink *self, size_t first, size_t last,
                                   uint64_t seq)
{
    int64_t until_ms = now_ms() + ANSWER_WAIT_MS;
    enum outcome outcome = BROKER_OK;
    bool is_open = true;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_consumer_group_metadata_t *group = rd_kafka_consumer_group_metadata_new(self->group);
    for (size_t i = first; i <= last; i++) {
        rd_kafka_topic_partition_t *position =
            rd_kafka_topic_partition_list_add(list, self->options->topics[i], 0);
        bool is_behind = self->positions[i] != NO_POSITION && self->positions[i] > seq;
        position->offset = (int64_t)(is_behind ? self->positions[i] : seq);
        position->metadata = strdup(self->epoch);
        position->metadata_size = position->metadata ? strlen(position->metadata) : 0;
    }
    while (outcome == BROKER_OK && is_open)
        outcome = sort_error(
            self, rd_kafka_send_offsets_to_transaction(self->kafka.client, list, group, SLICE_MS),
            "the position", until_ms, &is_open);
    rd_kafka_consumer_group_metadata_destroy(group);
    rd_kafka_topic_partition_list_destroy(list);
    return outcome;
}

static enum outcome begin(struct kafka_sink *self)
{
    bool is_open;
    return sort_error(self, rd_kafka_begin_transaction(self->kafka.client), "a transaction", 0,
                      &is_open);
}

/* Ends the transaction of the items from `first` to before `end`. */
static enum outcome commit(struct kafka_sink *self, size_t first, size_t end)
{
    int64_t until_ms = now_ms() + ANSWER_WAIT_MS;
    enum outcome outcome = BROKER_OK;
    bool is_open = true;
    while (outcome == BROKER_OK && is_open)
        outcome = sort_error(self, rd_kafka_commit_transaction(self->kafka.client, SLICE_MS),
                             "a transaction", until_ms, &is_open);
    for (size_t i = first; outcome == BROKER_OK && i < end; i++)
        self->slots[i].state = SLOT_DONE;
    return outcome;
}

/* -------------------------------------------------------------- opening ---- */

/* So kafka_find asks for these topics only, and a topic that the broker makes when it is asked for is made early. */
static enum outcome make_topics(struct kafka_sink *self)
{
    for (size_t i = 0; i < self->options->topic_count; i++) {
        const char *name = self->options->topics[i];
        self->topics[i] = rd_kafka_topic_new(self->kafka.client, name, NULL);
        if (!self->topics[i])
            return broker_fail(BROKER_REFUSES, "the topic %s: %s", name,
                               rd_kafka_err2str(rd_kafka_last_error()));
    }
    return BROKER_OK;
}

static enum outcome make_client(struct kafka_sink *self)
{
    static const char *const settings[][2] = {{"enable.idempotence", "true"},
                                              {"acks", "all"},
                                              {"message.timeout.ms", "0"},
                                              {"enable.gapless.guarantee", "true"}};
    enum outcome outcome;
    bool is_exact = self->options->exactly_once;
    rd_kafka_conf_t *conf = kafka_conf(self->options, &self->kafka, &outcome);
    if (!conf)
        return outcome;
    rd_kafka_conf_set_dr_msg_cb(conf, hear_report);
    /* a transaction has its own limit of time, and its failure is undone as a whole */
    for (size_t i = 0; outcome == BROKER_OK && i < (is_exact ? 2 : 4); i++)
        outcome = kafka_set(conf, settings[i][0], settings[i][1]);
    if (outcome == BROKER_OK && is_exact)
        outcome = kafka_set(conf, "transactional.id", self->group);
    if (outcome) {
        rd_kafka_conf_destroy(conf);
        return outcome;
    }
    self->left_count = 0;
    outcome = kafka_make(&self->kafka, RD_KAFKA_PRODUCER, conf);
    return outcome ? outcome : make_topics(self);
}

/* What is not done is new again. */
static void close_client(struct kafka_sink *self)
{
    for (size_t i = 0; i < self->options->topic_count; i++)
        if (self->topics[i])
            rd_kafka_topic_destroy(self->topics[i]);
    memset(self->topics, 0, sizeof self->topics);
    kafka_close(&self->kafka);
    for (size_t i = 0; i < self->slot_count; i++)
        if (self->slots[i].state != SLOT_DONE)
            self->slots[i].state = SLOT_NEW;
    self->left_count = 0;
}

static bool has_failed(const struct kafka_sink *self)
{
    for (size_t i = 0; i < self->slot_count; i++)
        if (self->slots[i].state == SLOT_FAILED)
            return true;
    return rd_kafka_fatal_error(self->kafka.client, NULL, 0) != RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* A client with which something has failed for good is not used again. */
static void close_failed(struct kafka_sink *self)
{
    if (self->kafka.client && has_failed(self))
        close_client(self);
}

static enum outcome ask_positions(struct kafka *reader, rd_kafka_topic_partition_list_t *list)
{
    int64_t until_ms = now_ms() + ANSWER_WAIT_MS;
    rd_kafka_resp_err_t error;
    enum outcome outcome = kafka_find(reader);
    if (outcome)
        return outcome;
    do {
        error = rd_kafka_committed(reader->client, list, SLICE_MS);
        if (stop_is_asked())
            return BROKER_STOPPED;
    } while (error && now_ms() < until_ms);
    for (int i = 0; !error && i < list->cnt; i++)
        error = list->elems[i].err;
    return error ? kafka_fail("the positions", error, NULL) : BROKER_OK;
}

static enum outcome read_positions(struct kafka_sink *self)
{
    struct kafka reader = {.client = NULL};
    enum outcome outcome;
    rd_kafka_conf_t *conf = kafka_conf(self->options, &reader, &outcome);
    if (!conf)
        return outcome;
    outcome = kafka_set(conf, "group.id", self->group);
    if (outcome == BROKER_OK)
        outcome = kafka_make(&reader, RD_KAFKA_CONSUMER, conf);
    if (outcome)
        return outcome;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    for (size_t i = 0; i < self->options->topic_count; i++)
        rd_kafka_topic_partition_list_add(list, self->options->topics[i], 0);
    outcome = ask_positions(&reader, list);
    for (int i = 0; outcome == BROKER_OK && i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *found = &list->elems[i];
        if (found->offset >= 0 && found->metadata_size == strlen(self->epoch) &&
            memcmp(found->metadata, self->epoch, found->metadata_size) == 0)
            self->positions[i] = (uint64_t)found->offset;
    }
    rd_kafka_topic_partition_list_destroy(list);
    kafka_close(&reader);
    return outcome;
}

/* A client that works, and in exactly_once the positions. */
static enum outcome open_client(struct kafka_sink *self)
{
    bool is_exact = self->options->exactly_once;
    enum outcome outcome = BROKER_OK;
    if (is_exact)
        close_client(self);
    else
        close_failed(self);
    for (size_t i = 0; i < self->options->topic_count; i++)
        self->positions[i] = NO_POSITION;
    if (!self->kafka.client)
        outcome = make_client(self);
    if (outcome == BROKER_OK)
        outcome = kafka_find(&self->kafka);
    if (outcome == BROKER_OK && is_exact)
        outcome = init_transactions(self);
    if (outcome == BROKER_OK && is_exact)
        outcome = read_positions(self);
    return outcome;
}

static enum outcome sink_open(void *ctx, const char *epoch, uint64_t *positions)
{
    struct kafka_sink *self = ctx;
    snprintf(self->epoch, sizeof self->epoch, "%s", epoch);
    if (self->options->exactly_once)
        self->slot_count = 0; /* the positions say what is there */
    enum outcome outcome = open_client(self);
    if (outcome == BROKER_OK)
        outcome = registry_check(self->registry);
    memcpy(positions, self->positions, self->options->topic_count * sizeof *positions);
    return outcome;
}

/* -------------------------------------------------------------- putting ---- */

static void begin_slots(struct kafka_sink *self, const struct outgoing *items, size_t count)
{
    bool is_same = self->slot_count == count;
    for (size_t i = 0; is_same && i < count; i++)
        is_same = self->slots[i].seq == items[i].message->seq;
    for (size_t i = 0; !is_same && i < count; i++)
        self->slots[i] = (struct slot){.seq = items[i].message->seq,
                                       .topic = items[i].topic,
                                       .is_retry = items[i].is_retry,
                                       .sink = self};
    self->slot_count = count;
}

/* The position of all topics, or that of the topic of the only item. */
static enum outcome end_transaction(struct kafka_sink *self)
{
    const struct slot *unfit = &self->slots[self->end], *only = &self->slots[self->first];
    size_t topic = self->is_last ? 0 : only->topic;
    size_t last_topic = self->is_last ? self->options->topic_count - 1 : topic;
    uint64_t seq = self->is_last ? self->last_seq : only->seq;
    if (self->is_unfit && !unfit->is_retry)
        seq = unfit->seq - 1;
    enum outcome outcome = send_positions(self, topic, last_topic, seq);
    return outcome ? outcome : commit(self, self->first, self->end);
}

/* What was queued is there. BROKER_UNFIT: up to before `end`, which is that of an item that is refused. */
static enum outcome end_some(struct kafka_sink *self)
{
    enum outcome outcome = wait_for_reports(self);
    const struct slot *failed = find_failed(self, self->end);
    if (failed && outcome != BROKER_STOPPED)
        outcome = kafka_fail("it refuses an event", failed->error, NULL);
    if (failed && is_unfit(failed->error)) {
        bool is_alone = self->end - self->first == 1;
        self->end = self->first;
        self->single_to = self->last_seq;
        return is_alone ? BROKER_UNFIT : BROKER_AGAIN;
    }
    if (outcome == BROKER_OK && self->options->exactly_once)
        outcome = end_transaction(self);
    return outcome;
}

/* Puts the items from `first` to before `end`, or to before one that is unfit. */
static enum outcome put_some(struct kafka_sink *self, size_t first, size_t end)
{
    char why[512];
    enum outcome outcome = self->options->exactly_once ? begin(self) : BROKER_OK;
    self->first = first;
    self->end = end;
    self->is_last = end == self->slot_count;
    if (outcome == BROKER_OK)
        outcome = queue_items(self);
    self->is_unfit = outcome == BROKER_UNFIT;
    if (outcome && !self->is_unfit)
        return outcome;
    snprintf(why, sizeof why, "%s", broker_why());
    outcome = end_some(self);
    return outcome == BROKER_OK && self->is_unfit ? broker_fail(BROKER_UNFIT, "%s", why)
                                                  : outcome;
}

/* All of a put, by the worker; those up to single_to one by one, since one of them was refused. */
static enum outcome put_all(void *ctx)
{
    struct kafka_sink *self = ctx;
    enum outcome outcome = BROKER_OK;
    for (size_t first = 0; outcome == BROKER_OK && first < self->slot_count;) {
        bool is_single = self->slots[first].seq <= self->single_to;
        size_t end = is_single ? first + 1 : self->slot_count;
        outcome = put_some(self, first, end);
        first = end;
    }
    return outcome; /* of no items the position is not put: the checkpoint, which is later, counts */
}

static enum outcome sink_put(void *ctx, const struct outgoing *items, size_t count,
                             uint64_t last_seq)
{
    struct kafka_sink *self = ctx;
    self->items = items;
    self->last_seq = last_seq;
    begin_slots(self, items, count);
    worker_begin(self->worker);
    return BROKER_OK;
}

static enum outcome sink_put_ends(void *ctx, uint64_t *unfit_seq)
{
    struct kafka_sink *self = ctx;
    enum outcome outcome = worker_end(self->worker);
    if (outcome == BROKER_UNFIT)
        *unfit_seq = self->slots[self->end].seq;
    if (outcome == BROKER_OK || outcome == BROKER_UNFIT) {
        close_failed(self);
        self->slot_count = 0;
    }
    return outcome;
}

/* --------------------------------------------------------------- making ---- */

static void sink_close(void *ctx)
{
    struct kafka_sink *self = ctx;
    worker_free(self->worker);
    close_client(self);
    registry_free(self->registry);
    free(self->slots);
    free(self->ids);
    free(self->frame);
    free(self);
}

struct sink *kafka_sink(const struct relay_options *options, const char *uuid)
{
    struct kafka_sink *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    size_t put_max = options->exactly_once ? EXACT_PUT_MAX : PUT_MAX;
    self->options = options;
    self->sink =
        (struct sink){self, put_max, false, sink_open, sink_put, sink_put_ends, sink_close};
    self->registry = registry_new(&options->url);
    self->slots = calloc(put_max * options->topic_count, sizeof *self->slots);
    self->ids = calloc(IDS_MAX, sizeof *self->ids);
    self->worker = worker_new(put_all, self);
    kafka_id("evlog-relay", uuid, options->name, self->group);
    if (!self->registry || !self->slots || !self->ids || !self->worker) {
        sink_close(self);
        return NULL;
    }
    return &self->sink;
}
