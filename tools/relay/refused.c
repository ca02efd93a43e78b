/*
 * Messages that cannot be used, kept as evlog.refused.v1 (evlog/relay.h), and `evlog relay retry`.
 *
 * The id of such an event is made of the message: its bytes and where it came from. So a message that is
 * delivered again is refused once, and the event that it may become later can have the message's own id.
 * What was retried with success is known by that id: there is no other record of it.
 *
 * A message of Kafka is read by the schema that it was written under, whose number it has: retry asks the registry, and
 * guesses nothing. Where this process has the type under another schema, the log is opened anew, and the walk goes on
 * at that event.
 */
#include "tool.h"

#include <msgpack.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "evlog/relay.h"
#include "evlog/value.h"
#include "relay.h"

#define RETRY_FIELDS_MAX 1026

static void make_id(const struct relay_options *options, const struct raw *raw, uint8_t id[16])
{
    const char *const texts[] = {raw->broker, options->topics[0], raw->place};
    XXH3_state_t *state = XXH3_createState();
    if (!state)
        return;
    XXH3_128bits_reset(state);
    for (size_t i = 0; i < 3; i++)
        XXH3_128bits_update(state, texts[i], strlen(texts[i]) + 1);
    for (size_t i = 0; i < raw->field_count; i++) {
        XXH3_128bits_update(state, raw->fields[i].name.data, raw->fields[i].name.size);
        XXH3_128bits_update(state, raw->fields[i].value.data, raw->fields[i].value.size);
    }
    XXH128_hash_t hash = XXH3_128bits_digest(state);
    XXH3_freeState(state);
    memcpy(id, &hash.high64, 8);
    memcpy(id + 8, &hash.low64, 8);
    id[6] = (uint8_t)((id[6] & 0x0f) | 0x80); /* UUID version 8: made by a rule of one's own */
    id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
}

static void put_text(msgpack_packer *packer, const char *text)
{
    size_t size = strlen(text);
    msgpack_pack_str(packer, size);
    msgpack_pack_str_body(packer, text, size);
}

static void put_bytes(msgpack_packer *packer, evlog_bytes bytes)
{
    if (!bytes.data) {
        msgpack_pack_nil(packer);
        return;
    }
    msgpack_pack_bin(packer, bytes.size);
    msgpack_pack_bin_body(packer, bytes.data, bytes.size);
}

static void put_fields(msgpack_packer *packer, const struct raw *raw)
{
    put_text(packer, "fields");
    msgpack_pack_array(packer, raw->field_count);
    for (size_t i = 0; i < raw->field_count; i++) {
        msgpack_pack_array(packer, 2);
        put_bytes(packer, raw->fields[i].name);
        put_bytes(packer, raw->fields[i].value);
    }
}

int refused_make(evlog_signal *refused, const struct relay_options *options,
                 const struct raw *raw, const char *why, struct reading *reading)
{
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    const char *const texts[][2] = {{"why", why},
                                    {"broker", raw->broker},
                                    {"topic", options->topics[0]},
                                    {"place", raw->place}};
    size_t size = 4096;
    for (size_t i = 0; i < raw->field_count; i++)
        size += raw->fields[i].name.size + raw->fields[i].value.size + 11;
    bool has_fields = size <= EVLOG_DATA_SIZE_MAX;
    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, has_fields ? 5 : 4);
    for (size_t i = 0; i < 4; i++) {
        put_text(&packer, texts[i][0]);
        put_text(&packer, texts[i][1]);
    }
    if (has_fields)
        put_fields(&packer, raw);
    reading_free(reading);
    *reading = (struct reading){.signal = refused};
    snprintf(reading->why, sizeof reading->why, "%s", why);
    make_id(options, raw, reading->metadata.id);
    reading->data = (evlog_buffer){buffer.data, buffer.size};
    return buffer.data ? EVLOG_OK : EVLOG_NOMEM;
}

/* ---------------------------------------------------------------- retry ---- */

struct retry {
    evlog *log;
    const struct relay_options *options;
    struct kafka_schemas *schemas; /* NULL: no registry was given */
    uint64_t next_seq;    /* of the walk, when the log is to be opened again; 0: it is not */
    bool is_reopened;     /* the next event is the one that it was opened again for */
    enum outcome outcome; /* of the registry */
    uint64_t sent_count, known_count, still_count;
};

/* The message that a refused event keeps. -1: it does not have it. */
static int raw_of(const evlog_event *event, struct raw_field *fields, struct raw *raw)
{
    evlog_value list, pair, value, broker;
    evlog_items items, parts;
    size_t count = 0;
    if (evlog_event_find(event, "fields", &list) || evlog_items_begin(&list, &items) ||
        evlog_event_find(event, "broker", &broker))
        return -1;
    bool is_kafka = broker.string.size == 5 && memcmp(broker.string.text, "kafka", 5) == 0;
    while (evlog_items_next(&items, NULL, &pair)) {
        if (count == RETRY_FIELDS_MAX || pair.kind != EVLOG_VALUE_LIST || pair.count != 2 ||
            evlog_items_begin(&pair, &parts))
            return -1;
        evlog_items_next(&parts, NULL, &value);
        fields[count].name = value.bytes;
        evlog_items_next(&parts, NULL, &value);
        fields[count++].value = value.bytes;
    }
    *raw = (struct raw){.broker = is_kafka ? "kafka" : "redis",
                        .place = "",
                        .fields = fields,
                        .field_count = count};
    return 0;
}

/* What a message of Kafka was written under, or why that is not known. */
static enum outcome find_schema(struct retry *retry, const evlog_event *event, struct raw *raw)
{
    char name[EVLOG_NAME_SIZE_MAX + 1] = "";
    evlog_value topic;
    uint32_t id;
    if (strcmp(raw->broker, "kafka") != 0 || !raw_schema_id(raw, &id))
        return BROKER_OK;
    raw->why =
        "it was written under a schema of the registry: evlog relay retry LOG URL asks that";
    if (!retry->schemas)
        return BROKER_OK;
    if (evlog_event_find(event, "topic", &topic) == EVLOG_OK && topic.kind == EVLOG_VALUE_STRING)
        snprintf(name, sizeof name, "%.*s", (int)topic.string.size, topic.string.text);
    return broker_find_schema(retry->schemas, id, name, raw);
}

static int send_again(struct retry *retry, const struct raw *raw, uint64_t refused_seq)
{
    struct reading reading;
    evlog_sent sent = {.seq = 0};
    int result = reading_make(retry->log, raw, &reading);
    if (reading.is_other_schema && !retry->is_reopened)
        retry->next_seq = refused_seq;
    retry->is_reopened = false;
    if (result == EVLOG_OK) {
        evlog_send_options how = {.metadata = &reading.metadata,
                                  .from_event_bus = true,
                                  .headers = &reading.header,
                                  .header_count = reading.header.name ? 1 : 0,
                                  .unless_id = true,
                                  .after_seq = refused_seq};
        result =
            evlog_send_event(reading.signal, reading.data.data, reading.data.size, &how, &sent);
    }
    if (result == EVLOG_OK || result == EVLOG_RECEIVER)
        ++*(sent.was_there ? &retry->known_count : &retry->sent_count);
    evlog_sent_free(&sent);
    reading_free(&reading);
    return result;
}

static int retry_event(const evlog_event *event, void *ctx)
{
    struct retry *retry = ctx;
    struct raw_field fields[RETRY_FIELDS_MAX];
    struct raw raw;
    if (!event->data || raw_of(event, fields, &raw)) {
        retry->still_count++;
        complain(0, "event %" PRIu64 ": the message is not kept in it", event->seq);
        return 0;
    }
    retry->outcome = find_schema(retry, event, &raw);
    if (retry->outcome)
        return evlog_fail(retry->outcome == BROKER_STOPPED ? "stopped" : broker_why());
    int result = send_again(retry, &raw, event->seq);
    if (retry->next_seq)
        return 1;
    if (result == EVLOG_RECEIVER)
        complain(0, "%s", evlog_errmsg());
    else if (result == EVLOG_INVALID || result == EVLOG_NOTFOUND || result == EVLOG_LIMIT ||
             result == EVLOG_CONFLICT) {
        retry->still_count++;
        complain(0, "event %" PRIu64 " is refused still: %s", event->seq, evlog_errmsg());
    } else if (result) {
        return evlog_fail(evlog_errmsg());
    }
    return 0;
}

/* From the first event on, or the next one. More than 0: until an event for which the log is opened again. */
static int walk(struct retry *retry)
{
    static const char *const types[] = {EVLOG_REFUSED_TYPE};
    evlog_range range = {.first_seq =
                             retry->next_seq ? retry->next_seq : retry->options->first_seq,
                         .types = types,
                         .type_count = 1};
    evlog_options open = {.no_create = true, .data_size_max = EVLOG_DATA_SIZE_MAX};
    retry->is_reopened = retry->next_seq != 0;
    retry->next_seq = 0;
    int code = evlog_open(retry->options->log, &open, &retry->log);
    if (code)
        return code;
    code = evlog_replay(retry->log, &range, retry_event, retry, NULL);
    int closed = evlog_close(retry->log);
    return code ? code : closed;
}

int retry_run(const struct relay_options *options)
{
    struct retry retry = {.options = options};
    int code;
    if (options->has_url && !(retry.schemas = broker_schemas(options)))
        return complain(RELAY_STATUS_LOG, "out of memory");
    do
        code = walk(&retry);
    while (retry.next_seq);
    if (code)
        complain(0, "%s", evlog_errmsg());
    printf("%" PRIu64 " sent, %" PRIu64 " were in the log already, %" PRIu64 " refused still\n",
           retry.sent_count, retry.known_count, retry.still_count);
    broker_schemas_free(retry.schemas);
    return code ? RELAY_STATUS_LOG : retry.still_count ? RELAY_STATUS_FAILED : RELAY_STATUS_DONE;
}
