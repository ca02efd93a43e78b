/*
 * Kafka as a source: a member of a consumer group.
 *
 * A group begins with the first records; nothing is committed but by `taken`, when a batch is in the log and flushed.
 * The member is a static one (group.instance.id), so a relay that was killed has its partitions back at once.
 * Only one relay of a group puts a topic into a log (take_place): two could put a record there one
 * after the other, each with a note of its own.
 *
 * What is in the log already, after a crash or a rebalance, is known by notes. The metadata of a committed offset are
 *
 *   evlog1 UUID:SEQ UUID:SEQ ...
 *
 * one pair for each log that has had the partition: no record from this offset on is in that log up to SEQ. What
 * a log has of another one's stays true when the offset grows, so it is kept (the newest NOTES_MAX pairs).
 *
 *        committed            next
 *   ---------|==================|----------------> offset
 *     in the |  at most one batch,
 *     log    |  perhaps in the log after SEQ
 *
 * 1. After an assignment the first COUNT_MAX records are looked for after SEQ: an earlier run has put no more than one
 *    batch into the log without committing. What follows cannot be in the log: the head of the log when the batch
 *    was read is the next note. But a producer may have put a record there twice, so the last LOOK_BACK events
 *    before that head are looked at all the same.
 * 2. Without a note (a new group, one that was reset, a log that has not had the partition) all records that are in the
 *    partition now may be in the log as it was when the partition was assigned (batch.older_last_seq), and no
 *    note is written before they are taken. But an empty log has none of them.
 * 3. Offsets that go back (the topic was made anew, a broker lost records) make the note void: it is as in 2
 *    with the log as it is then.
 * 4. A commit that fails leaves what was read unknown: the client is made anew, and begins where it had committed.
 *
 * A record of which the registry is away is held, and nothing is read until it is back.
 */
#include "kafka.h"

#include "tool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <xxhash.h>

#include "kafka_schemas.h"

#define COUNT_MAX 512
#define SIZE_LARGE ((size_t)8 << 20) /* a batch ends behind so many bytes */
#define LOOK_BACK 8192               /* events: two puts of a relay out */
#define FIELDS_MAX 1024              /* headers of a record; what is behind is not looked at */
#define NOTES_MAX 48
#define NOTES_SIZE_MAX 4000 /* less than offset.metadata.max.bytes of a broker */
#define NOTES_HEAD "evlog1"

struct partition {
    int32_t number;
    int64_t next; /* offset; -1: not known yet */
    int64_t
        known_to; /* without a note: records before it may be anywhere in the log; -1: not asked */
    bool has_note;
    uint64_t note_seq;
    size_t unsure_count; /* records that may be in the log after note_seq */
    bool is_at_end, is_in_batch, is_first;
    char others[NOTES_SIZE_MAX]; /* of other logs: " UUID:SEQ" each */
};

struct kafka_source {
    struct source source;
    struct kafka kafka;
    const struct relay_options *options;
    const char *topic;
    struct kafka_schemas *schemas;
    char uuid[EVLOG_UUID_TEXT_SIZE];
    char member[256];
    int place_fd; /* -1: not taken */
    rd_kafka_queue_t *commits;
    struct partition *partitions;
    size_t partition_count;
    bool is_assigned, is_changed; /* since the last read */
    bool is_broken;               /* the client has to be made anew */
    bool is_missing;              /* the topic is */
    uint64_t head_seq;            /* of the batch */
    rd_kafka_message_t *messages[COUNT_MAX];
    size_t count, size;
    bool is_held; /* the batch waits for the registry */
    struct raw raws[COUNT_MAX];
    char places[COUNT_MAX][40];
    struct raw_field *fields;
    size_t field_count, field_max;
    size_t firsts[COUNT_MAX]; /* of a message's fields */
    uint64_t
        assigned_seq; /* the head of the log when the partitions were assigned, or offsets went back */
    bool has_older; /* the batch has records that may be in the log up to it */
    uint64_t after_seq, lost_count;
};

/* ----------------------------------------------------------------- notes ---- */

/* Reads what was committed with an offset: the note of this log, and those of others. */
static void read_notes(const struct kafka_source *self, const char *metadata, size_t size,
                       struct partition *partition)
{
    char text[NOTES_SIZE_MAX + 1];
    char *save = NULL;
    size_t used = 0, count = 0;
    if (!metadata || size > NOTES_SIZE_MAX)
        return;
    memcpy(text, metadata, size);
    text[size] = '\0';
    char *word = strtok_r(text, " ", &save);
    if (!word || strcmp(word, NOTES_HEAD) != 0)
        return;
    while ((word = strtok_r(NULL, " ", &save)) && count < NOTES_MAX) {
        char *colon = strchr(word, ':'), *end;
        uint64_t seq = colon ? strtoull(colon + 1, &end, 10) : 0;
        if (!colon || colon - word != EVLOG_UUID_TEXT_SIZE - 1 || end == colon + 1 || *end)
            continue;
        *colon = '\0';
        if (strcmp(word, self->uuid) == 0) {
            partition->has_note = true;
            partition->note_seq = seq;
        } else {
            used += (size_t)snprintf(partition->others + used, sizeof partition->others - used,
                                     " %s:%" PRIu64, word, seq);
            count++;
        }
    }
}

/* The metadata to commit, to be freed. NULL: out of memory. */
static char *write_notes(const struct kafka_source *self, const struct partition *partition)
{
    char own[EVLOG_UUID_TEXT_SIZE + 24] = "", *text;
    if (partition->has_note)
        snprintf(own, sizeof own, " %s:%" PRIu64, self->uuid, partition->note_seq);
    return asprintf(&text, NOTES_HEAD "%s%s", own, partition->others) < 0 ? NULL : text;
}

/* ----------------------------------------------------------- assignment ---- */

static void drop_batch(struct kafka_source *self)
{
    for (size_t i = 0; i < self->count; i++)
        rd_kafka_message_destroy(self->messages[i]);
    self->count = self->size = self->field_count = 0;
    self->is_held = false;
    for (size_t i = 0; i < self->partition_count; i++)
        self->partitions[i].is_in_batch = false;
}

static void forget_partitions(struct kafka_source *self)
{
    drop_batch(self);
    free(self->partitions);
    self->partitions = NULL;
    self->partition_count = 0;
    self->is_assigned = false;
    self->is_changed = true;
}

/* What the group has committed of these partitions. */
static rd_kafka_resp_err_t ask_committed(rd_kafka_t *client,
                                         rd_kafka_topic_partition_list_t *list)
{
    int64_t until_ms = now_ms() + ANSWER_WAIT_MS;
    rd_kafka_resp_err_t error;
    do
        error = rd_kafka_committed(client, list, SLICE_MS);
    while (error && !stop_is_asked() && now_ms() < until_ms);
    for (int i = 0; !error && i < list->cnt; i++)
        error = list->elems[i].err;
    return error;
}

static rd_kafka_resp_err_t take_assignment(struct kafka_source *self,
                                           rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_resp_err_t error = ask_committed(self->kafka.client, list);
    if (error)
        return error;
    self->partitions = calloc((size_t)list->cnt + 1, sizeof *self->partitions);
    if (!self->partitions)
        return RD_KAFKA_RESP_ERR__FAIL;
    for (int i = 0; i < list->cnt; i++) {
        rd_kafka_topic_partition_t *given = &list->elems[i];
        struct partition *partition = &self->partitions[i];
        *partition = (struct partition){.number = given->partition,
                                        .next = given->offset >= 0 ? given->offset : -1,
                                        .known_to = -1,
                                        .is_first = true,
                                        .unsure_count = COUNT_MAX};
        if (given->offset >= 0)
            read_notes(self, given->metadata, given->metadata_size, partition);
        else
            given->offset = RD_KAFKA_OFFSET_BEGINNING;
        if (!partition->has_note && self->head_seq == 0) {
            partition->has_note = true; /* an empty log has none of the records */
            partition->unsure_count = 0;
        }
    }
    self->partition_count = (size_t)list->cnt;
    self->is_assigned = true;
    self->assigned_seq = self->head_seq;
    return rd_kafka_assign(self->kafka.client, list);
}

/* A batch that is being read is dropped: nothing of it is in the log. */
static void hear_rebalance(rd_kafka_t *client, rd_kafka_resp_err_t what,
                           rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct kafka *kafka = opaque;
    struct kafka_source *self =
        (struct kafka_source *)((char *)kafka - offsetof(struct kafka_source, kafka));
    rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
    forget_partitions(self);
    if (what == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS)
        error = take_assignment(self, list);
    if (what != RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS || error)
        rd_kafka_assign(client, NULL);
    if (error) {
        self->is_broken = true;
        snprintf(kafka->why, sizeof kafka->why, "the group's offsets: %s",
                 rd_kafka_err2str(error));
    }
}

/* -------------------------------------------------------------- opening ---- */

/* Only one relay of the group puts the topic into this log: the name of a socket lives as long as its process. */
static enum outcome take_place(struct kafka_source *self)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    XXH64_hash_t group = XXH3_64bits(self->options->group, strlen(self->options->group));
    XXH64_hash_t topic = XXH3_64bits(self->topic, strlen(self->topic));
    if (self->place_fd >= 0)
        return BROKER_OK;
    int size = snprintf(address.sun_path + 1, sizeof address.sun_path - 1,
                        "evlog-relay-in/%s/%016" PRIx64 "%016" PRIx64, self->uuid,
                        (uint64_t)group, (uint64_t)topic);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return broker_fail(BROKER_REFUSES, "%s", strerror(errno));
    if (bind(fd, (struct sockaddr *)&address,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)size))) {
        close(fd);
        return broker_fail(BROKER_REFUSES, "another relay of the group %s puts %s into this log",
                           self->options->group, self->topic);
    }
    self->place_fd = fd;
    return BROKER_OK;
}

static void close_client(struct kafka_source *self)
{
    forget_partitions(self);
    if (self->commits)
        rd_kafka_queue_destroy(self->commits);
    self->commits = NULL;
    kafka_close(&self->kafka);
    self->is_broken = false;
}

/* Until now errors came by rd_kafka_poll. */
static enum outcome subscribe(struct kafka_source *self)
{
    rd_kafka_poll_set_consumer(self->kafka.client);
    self->kafka.is_redirected = true;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, self->topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t error = rd_kafka_subscribe(self->kafka.client, list);
    rd_kafka_topic_partition_list_destroy(list);
    return error ? broker_fail(BROKER_REFUSES, "%s: %s", self->topic, rd_kafka_err2str(error))
                 : BROKER_OK;
}

static enum outcome make_client(struct kafka_source *self)
{
    const char *const settings[][2] = {{"group.id", self->options->group},
                                       {"group.instance.id", self->member},
                                       {"auto.offset.reset", "earliest"},
                                       {"enable.auto.commit", "false"},
                                       {"enable.auto.offset.store", "false"},
                                       {"enable.partition.eof", "true"},
                                       {"partition.assignment.strategy", "range,roundrobin"}};
    enum outcome outcome;
    rd_kafka_conf_t *conf = kafka_conf(self->options, &self->kafka, &outcome);
    if (!conf)
        return outcome;
    rd_kafka_conf_set_rebalance_cb(conf, hear_rebalance);
    for (size_t i = 0; outcome == BROKER_OK && i < sizeof settings / sizeof *settings; i++)
        outcome = kafka_set(conf, settings[i][0], settings[i][1]);
    if (outcome) {
        rd_kafka_conf_destroy(conf);
        return outcome;
    }
    outcome = kafka_make(&self->kafka, RD_KAFKA_CONSUMER, conf);
    if (outcome)
        return outcome;
    self->commits = rd_kafka_queue_new(self->kafka.client);
    return BROKER_OK;
}

static enum outcome source_open(void *ctx)
{
    struct kafka_source *self = ctx;
    enum outcome outcome = take_place(self);
    if (self->is_broken)
        close_client(self);
    bool is_new = !self->kafka.client;
    if (outcome == BROKER_OK && is_new)
        outcome = make_client(self);
    if (outcome == BROKER_OK)
        outcome = kafka_find(&self->kafka);
    if (outcome == BROKER_OK && is_new)
        outcome = subscribe(self);
    if (outcome == BROKER_OK)
        return kafka_schemas_check(self->schemas);
    if (is_new)
        close_client(self);
    return outcome;
}

/* -------------------------------------------------------------- schemas ---- */

/* The schemas of the batch. BROKER_AWAY: it is held. */
static enum outcome find_schemas(struct kafka_source *self)
{
    uint32_t id;
    for (size_t i = 0; i < self->count; i++) {
        struct raw *raw = &self->raws[i];
        if (raw->schema || raw->why || !raw_schema_id(raw, &id))
            continue;
        enum outcome outcome = kafka_schemas_find(self->schemas, id, self->topic, raw);
        if (outcome)
            return outcome;
    }
    return BROKER_OK;
}

/* -------------------------------------------------------------- records ---- */

static struct partition *find_partition(struct kafka_source *self, int32_t number)
{
    for (size_t i = 0; i < self->partition_count; i++)
        if (self->partitions[i].number == number)
            return &self->partitions[i];
    return NULL;
}

/* Without a note: all that is in the partition now may be in the log. */
static enum outcome ask_known_to(struct kafka_source *self, struct partition *partition)
{
    int64_t low, high, until_ms = now_ms() + ANSWER_WAIT_MS;
    rd_kafka_resp_err_t error;
    do {
        if (stop_is_asked())
            return BROKER_STOPPED;
        error = rd_kafka_query_watermark_offsets(self->kafka.client, self->topic,
                                                 partition->number, &low, &high, SLICE_MS);
    } while (error && now_ms() < until_ms);
    if (error)
        return kafka_fail("the end of the partition", error, NULL);
    partition->known_to = high > partition->next ? high : partition->next;
    return BROKER_OK;
}

/* Retention has taken records that were not read. */
static void count_lost(struct kafka_source *self, const struct partition *partition)
{
    int64_t low, high;
    if (partition->next >= 0 &&
        rd_kafka_get_watermark_offsets(self->kafka.client, self->topic, partition->number, &low,
                                       &high) == RD_KAFKA_RESP_ERR_NO_ERROR &&
        low > partition->next)
        self->lost_count += (uint64_t)(low - partition->next);
}

/* A record may be there twice, by a producer's retry or a relay out that was killed: the copies are near. */
static uint64_t look_back(uint64_t seq)
{
    return seq > LOOK_BACK ? seq - LOOK_BACK : 0;
}

/* The seq after which the record of this offset is looked for in the log. */
static enum outcome note_of(struct kafka_source *self, struct partition *partition,
                            int64_t offset, uint64_t *after_seq)
{
    if (partition->is_first && offset > partition->next)
        count_lost(self, partition);
    partition->is_first = false;
    if (partition->next >= 0 && offset < partition->next) {
        partition->has_note = false;
        partition->known_to = -1;
        self->assigned_seq = self->head_seq;
    }
    if (!partition->has_note && partition->known_to < 0) {
        enum outcome outcome = ask_known_to(self, partition);
        if (outcome)
            return outcome;
    }
    if (!partition->has_note && offset >= partition->known_to) {
        partition->has_note = true;
        partition->note_seq = self->head_seq;
        partition->unsure_count = 0;
    }
    self->has_older |= !partition->has_note && self->assigned_seq > 0;
    *after_seq = partition->has_note && partition->unsure_count ? partition->note_seq
                                                                : look_back(self->head_seq);
    partition->unsure_count -= partition->has_note && partition->unsure_count;
    partition->next = offset + 1;
    return BROKER_OK;
}

static int add_field(struct kafka_source *self, const char *name, const void *data, size_t size)
{
    if (self->field_count == self->field_max) {
        size_t max = 2 * self->field_max + 1024;
        struct raw_field *larger = realloc(self->fields, max * sizeof *larger);
        if (!larger)
            return -1;
        self->fields = larger;
        self->field_max = max;
    }
    self->fields[self->field_count++] =
        (struct raw_field){{name, strlen(name)}, {data, data ? size : 0}};
    self->size += size;
    return 0;
}

/* The fields of a record: its headers, the key, the value. */
static int add_fields(struct kafka_source *self, const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers = NULL;
    const char *name;
    const void *value;
    size_t size;
    int failed = 0;
    self->firsts[self->count] = self->field_count;
    rd_kafka_message_headers(message, &headers);
    for (size_t i = 0; headers && i < FIELDS_MAX && !failed &&
                       !rd_kafka_header_get_all(headers, i, &name, &value, &size);
         i++)
        failed = add_field(self, name, value, size);
    if (!failed)
        failed = add_field(self, "key", message->key, message->key_len);
    return failed ? failed : add_field(self, "value", message->payload, message->len);
}

static enum outcome take_record(struct kafka_source *self, rd_kafka_message_t *message)
{
    uint64_t after_seq;
    struct partition *partition = find_partition(self, message->partition);
    if (!partition) {
        rd_kafka_message_destroy(message); /* of an assignment that is gone */
        return BROKER_OK;
    }
    enum outcome outcome = note_of(self, partition, message->offset, &after_seq);
    if (outcome == BROKER_OK && add_fields(self, message))
        outcome = broker_fail(BROKER_AWAY, "out of memory");
    if (outcome) {
        rd_kafka_message_destroy(message);
        self->is_broken = true;
        return outcome;
    }
    self->after_seq = after_seq < self->after_seq ? after_seq : self->after_seq;
    partition->is_in_batch = true;
    partition->is_at_end = false;
    snprintf(self->places[self->count], sizeof *self->places, "%" PRId32 ":%" PRId64,
             message->partition, message->offset);
    self->messages[self->count++] = message;
    return BROKER_OK;
}

/* What comes in the place of a record. */
static enum outcome take_event(struct kafka_source *self, const rd_kafka_message_t *message)
{
    struct partition *partition = find_partition(self, message->partition);
    switch (message->err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        if (partition)
            partition->is_at_end = true;
        return BROKER_OK;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
        if (!self->is_missing)
            complain(0, "the topic %s is not there yet", self->topic);
        self->is_missing = true;
        return BROKER_OK;
    case RD_KAFKA_RESP_ERR__FATAL:
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
        self->is_broken = true;
        return broker_fail(BROKER_REFUSES, "%s", rd_kafka_message_errstr(message));
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
        return kafka_fail(self->topic, message->err, rd_kafka_message_errstr(message));
    default: /* librdkafka tries again */
        return BROKER_OK;
    }
}

/* Polls until the batch is full, or there is nothing now. */
static enum outcome fill_batch(struct kafka_source *self)
{
    enum outcome outcome = BROKER_OK;
    int wait_ms = SLICE_MS;
    self->is_changed = false;
    while (outcome == BROKER_OK && self->count < COUNT_MAX && self->size < SIZE_LARGE) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(self->kafka.client, wait_ms);
        if (self->is_broken)
            outcome = broker_fail(BROKER_AWAY, "%s", self->kafka.why);
        if (!message)
            break;
        if (message->err || outcome) {
            if (outcome == BROKER_OK)
                outcome = take_event(self, message);
            rd_kafka_message_destroy(message);
        } else {
            outcome = take_record(self, message);
        }
        wait_ms = 0;
    }
    if (outcome)
        return outcome;
    outcome = kafka_state(&self->kafka);
    return self->count ? BROKER_OK : outcome;
}

static bool is_at_end(const struct kafka_source *self)
{
    bool at_end = self->is_assigned || self->is_missing;
    for (size_t i = 0; i < self->partition_count; i++)
        at_end &= self->partitions[i].is_at_end;
    return at_end && self->count == 0;
}

static void make_raws(struct kafka_source *self)
{
    for (size_t i = 0; i < self->count; i++) {
        size_t end = i + 1 < self->count ? self->firsts[i + 1] : self->field_count;
        self->raws[i] = (struct raw){.broker = "kafka",
                                     .place = self->places[i],
                                     .fields = self->fields + self->firsts[i],
                                     .field_count = end - self->firsts[i]};
    }
}

static enum outcome source_read(void *ctx, uint64_t head_seq, bool is_waiting,
                                struct batch *batch)
{
    struct kafka_source *self = ctx;
    enum outcome outcome = BROKER_OK;
    (void)is_waiting; /* the wait is short, and the end is known without it */
    if (!self->is_held) {
        drop_batch(self);
        self->head_seq = head_seq;
        self->after_seq = UINT64_MAX;
        self->has_older = false;
        kafka_schemas_trim(self->schemas, COUNT_MAX);
        outcome = fill_batch(self);
        if (outcome && self->count)
            self->is_broken = true; /* what was read of it is read again */
        if (outcome)
            return outcome;
        make_raws(self);
    }
    outcome = find_schemas(self);
    self->is_held = outcome != BROKER_OK;
    *batch = (struct batch){.raws = self->raws,
                            .count = self->count,
                            .after_seq = self->after_seq,
                            .older_first_seq = self->has_older ? 1 : 0,
                            .older_last_seq = self->has_older ? self->assigned_seq : 0,
                            .lost_count = self->lost_count,
                            .is_end = is_at_end(self)};
    if (outcome == BROKER_OK)
        self->lost_count = 0;
    return outcome;
}

/* --------------------------------------------------------------- commit ---- */

/* Adds the partitions of the batch, with their new notes. */
static rd_kafka_topic_partition_list_t *make_commit(struct kafka_source *self)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    for (size_t i = 0; i < self->partition_count; i++) {
        struct partition *partition = &self->partitions[i];
        if (!partition->is_in_batch)
            continue;
        if (partition->has_note && partition->unsure_count == 0)
            partition->note_seq = self->head_seq;
        rd_kafka_topic_partition_t *item =
            rd_kafka_topic_partition_list_add(list, self->topic, partition->number);
        item->offset = partition->next;
        item->metadata = write_notes(self, partition);
        item->metadata_size = item->metadata ? strlen(item->metadata) : 0;
    }
    return list;
}

/* Waits for the answer to the commit. */
static enum outcome wait_for_commit(struct kafka_source *self, rd_kafka_resp_err_t *error)
{
    int64_t until_ms = now_ms() + ANSWER_WAIT_MS, stop_ms = 0;
    for (;;) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(self->commits, 100);
        if (event) {
            bool is_answer = rd_kafka_event_type(event) == RD_KAFKA_EVENT_OFFSET_COMMIT;
            *error = rd_kafka_event_error(event);
            rd_kafka_event_destroy(event);
            if (is_answer)
                return BROKER_OK;
        }
        if (stop_is_asked() && !stop_ms)
            stop_ms = now_ms();
        if (stop_ms && now_ms() - stop_ms > SLICE_MS)
            return BROKER_STOPPED;
        if (now_ms() > until_ms)
            return broker_fail(BROKER_AWAY, "it does not answer");
    }
}

/* The group has gone on without this member: what it was given is given again. */
static bool is_out_of_group(rd_kafka_resp_err_t error)
{
    return error == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION ||
           error == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID ||
           error == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS ||
           error == RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST || error == RD_KAFKA_RESP_ERR__STATE;
}

static enum outcome source_taken(void *ctx, const struct batch *batch)
{
    struct kafka_source *self = ctx;
    rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
    (void)batch;
    if (self->count == 0)
        return BROKER_OK;
    rd_kafka_topic_partition_list_t *list = make_commit(self);
    error = rd_kafka_commit_queue(self->kafka.client, list, self->commits, NULL, NULL);
    rd_kafka_topic_partition_list_destroy(list);
    enum outcome outcome = error ? BROKER_OK : wait_for_commit(self, &error);
    drop_batch(self);
    if (outcome == BROKER_OK && !error)
        return BROKER_OK;
    self->is_broken = true;
    if (outcome)
        return outcome;
    if (is_out_of_group(error))
        return source_open(self);
    return kafka_fail("the offset", error, NULL);
}

/* --------------------------------------------------------------- making ---- */

static void source_close(void *ctx)
{
    struct kafka_source *self = ctx;
    close_client(self);
    kafka_schemas_free(self->schemas);
    if (self->place_fd >= 0)
        close(self->place_fd);
    free(self->fields);
    free(self);
}

struct source *kafka_source(const struct relay_options *options, const char *uuid)
{
    struct kafka_source *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->options = options;
    self->topic = options->topics[0];
    self->place_fd = -1;
    snprintf(self->uuid, sizeof self->uuid, "%s", uuid);
    kafka_id("evlog-relay", uuid, options->consumer, self->member);
    self->source = (struct source){self, source_open, source_read, source_taken, source_close};
    self->schemas = kafka_schemas_new(&options->url);
    if (!self->schemas) {
        source_close(self);
        return NULL;
    }
    return &self->source;
}
