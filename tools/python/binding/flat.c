/*
 * Events as flat bytes, so that Python takes many of them with one call and decodes of each what it
 * is asked for.
 *
 * A flat event is a struct flat_head, followed by its texts and data, without padding:
 *
 *     head | event_type | source | sourcehost | sourcelib | headers | data
 *
 * event.py reads it by the format string HEAD there, which names the members in this order. A batch
 * holds as many events of a cursor as fit into its bytes, one after the other, and the place where
 * each ends. It costs one copy of each event. Nothing here calls Python or keeps an event of the
 * library beyond the next call of its cursor.
 */
#include <evlog.h>
#include <evlog/openedx.h>
#include <evlog/schema.h>
#include <evlog/upkeep.h>

#include <stdlib.h>

enum {
    BATCH_SIZE = 256 << 10, /* bytes, more when one event is larger */
    BATCH_COUNT_MAX = 4096, /* events */
};

enum flat_flag {
    FLAT_IS_REPLAY = 1,
    FLAT_FROM_EVENT_BUS = 2,
    FLAT_IS_RETRY = 4,
    FLAT_ERASED = 8,
};

struct flat_head {
    uint64_t seq;
    int64_t log_time_us, time_us;
    uint64_t schema; /* the pointer, as long as the log is open; 0: untyped */
    int32_t minorversion;
    uint32_t attempt, flags;
    uint16_t event_type_size, source_size, sourcehost_size, sourcelib_size;
    uint32_t headers_size, data_size;
    uint8_t id[16];
} __attribute__((packed));

static struct flat_head head_of(const evlog_event *event)
{
    struct flat_head head = {
        .seq = event->seq,
        .log_time_us = event->log_time_us,
        .time_us = event->time_us,
        .schema = (uintptr_t)event->schema,
        .minorversion = event->minorversion,
        .attempt = event->attempt,
        .flags = (event->is_replay ? FLAT_IS_REPLAY : 0) |
                 (event->from_event_bus ? FLAT_FROM_EVENT_BUS : 0) |
                 (event->is_retry ? FLAT_IS_RETRY : 0) | (event->data ? 0 : FLAT_ERASED),
        .event_type_size = (uint16_t)strlen(event->event_type),
        .source_size = (uint16_t)strlen(event->source),
        .sourcehost_size = (uint16_t)strlen(event->sourcehost),
        .sourcelib_size = (uint16_t)strlen(event->sourcelib),
        .headers_size = (uint32_t)event->headers_size,
        .data_size = (uint32_t)event->data_size,
    };
    memcpy(head.id, event->id, sizeof(head.id));
    return head;
}

static size_t size_of(const struct flat_head *head)
{
    return sizeof(*head) + head->event_type_size + head->source_size + head->sourcehost_size +
           head->sourcelib_size + head->headers_size + head->data_size;
}

static char *put(char *at, const void *bytes, size_t size)
{
    if (size)
        memcpy(at, bytes, size);
    return at + size;
}

static void write_event(const struct flat_head *head, const evlog_event *event, char *bytes)
{
    char *at = put(bytes, head, sizeof(*head));
    at = put(at, event->event_type, head->event_type_size);
    at = put(at, event->source, head->source_size);
    at = put(at, event->sourcehost, head->sourcehost_size);
    at = put(at, event->sourcelib, head->sourcelib_size);
    at = put(at, event->headers, head->headers_size);
    put(at, event->data, head->data_size);
}

/* The bytes that flat_write writes for an event. */
static size_t flat_size(const evlog_event *event)
{
    struct flat_head head = head_of(event);
    return size_of(&head);
}

static void flat_write(const evlog_event *event, char *bytes)
{
    struct flat_head head = head_of(event);
    write_event(&head, event, bytes);
}

typedef struct flat_batch {
    evlog_cursor *cursor;
    const evlog_event *waiting; /* the cursor's last event, which had no room any more */
    char *bytes;
    size_t size, used_size;
    uint32_t *ends; /* where each event ends in `bytes` */
    size_t count;
    /* The cursor's failure after these events, and its sentence; at_end: there are no more. */
    int result;
    char message[1024];
    uint64_t damage_first, damage_last; /* EVLOG_DAMAGED: the seqs */
    bool at_end;
    bool is_untaken; /* Python, which may be interrupted, has not taken all this yet */
} flat_batch;

static void flat_batch_close(flat_batch *batch)
{
    if (!batch)
        return;
    evlog_cursor_close(batch->cursor);
    free(batch->bytes);
    free(batch->ends);
    free(batch);
}

/* Opens a cursor with an empty batch. Errors of evlog_cursor_open, and EVLOG_NOMEM. */
static int flat_batch_open(evlog *log, const evlog_range *range, flat_batch **made)
{
    flat_batch *batch = calloc(1, sizeof(*batch));
    if (!batch)
        return EVLOG_NOMEM;
    int result = evlog_cursor_open(log, range, &batch->cursor);
    if (result) {
        free(batch);
        return result;
    }
    batch->size = BATCH_SIZE;
    batch->bytes = malloc(batch->size);
    batch->ends = malloc(BATCH_COUNT_MAX * sizeof(*batch->ends));
    if (!batch->bytes || !batch->ends) {
        flat_batch_close(batch);
        return EVLOG_NOMEM;
    }
    *made = batch;
    return EVLOG_OK;
}

/* Room for an event that is larger than all of an empty batch. */
static bool grow(flat_batch *batch, size_t size)
{
    char *bytes = realloc(batch->bytes, size);
    if (!bytes)
        return false;
    batch->bytes = bytes;
    batch->size = size;
    return true;
}

static void set_failure(flat_batch *batch, int result)
{
    const char *message = evlog_errmsg();
    size_t size = strlen(message);
    size = size < sizeof(batch->message) ? size : sizeof(batch->message) - 1;
    memcpy(batch->message, message, size);
    batch->message[size] = '\0';
    batch->result = result;
    batch->damage_first = batch->damage_last = 0;
    if (result == EVLOG_DAMAGED)
        evlog_cursor_damage(batch->cursor, &batch->damage_first, &batch->damage_last);
}

/* Appends the event that waits; false: it has no room, or there is no memory. */
static bool append_waiting(flat_batch *batch)
{
    struct flat_head head = head_of(batch->waiting);
    size_t size = size_of(&head);
    if (size > batch->size - batch->used_size) {
        if (batch->count)
            return false;
        if (!grow(batch, size)) {
            batch->result = EVLOG_NOMEM;
            strcpy(batch->message, "out of memory");
            return false;
        }
    }
    write_event(&head, batch->waiting, batch->bytes + batch->used_size);
    batch->waiting = NULL;
    batch->used_size += size;
    batch->ends[batch->count++] = (uint32_t)batch->used_size;
    return true;
}

/* Replaces the batch's events by the next ones of the cursor, when they were taken. */
static void flat_batch_fill(flat_batch *batch)
{
    if (batch->is_untaken)
        return;
    batch->is_untaken = true;
    batch->used_size = batch->count = 0;
    batch->result = EVLOG_OK;
    while (!batch->at_end && batch->count < BATCH_COUNT_MAX) {
        if (!batch->waiting) {
            int result = evlog_cursor_next(batch->cursor, &batch->waiting);
            if (result) {
                batch->waiting = NULL;
                if (result < 0) /* else python_visit has ended the call, and Python knows why */
                    set_failure(batch, result);
                return;
            }
            if (!batch->waiting) {
                batch->at_end = true;
                return;
            }
        }
        if (!append_waiting(batch))
            return;
    }
}

/* evlog_sent without what has to be freed. */
typedef struct flat_sent {
    uint64_t seq;
    uint8_t id[16];
    bool was_there;
} flat_sent;

/* evlog_send_event; Python keeps the receivers' answers itself. */
static int flat_send(evlog_signal *signal, const void *data, size_t data_size,
                     const evlog_send_options *options, flat_sent *flat)
{
    evlog_sent sent = {0};
    int result = evlog_send_event(signal, data, data_size, options, &sent);
    flat->seq = sent.seq;
    memcpy(flat->id, sent.id, sizeof(flat->id));
    flat->was_there = sent.was_there;
    evlog_sent_free(&sent);
    return result;
}

/* evlog_send_events, likewise; `flat` has a place for each. */
static int flat_send_many(const evlog_sending *sends, size_t count, const evlog_send_options *options,
                          flat_sent *flat)
{
    evlog_sent *sent = calloc(count, sizeof(*sent));
    if (!sent)
        return EVLOG_NOMEM;
    int result = evlog_send_events(sends, count, options, sent);
    for (size_t i = 0; i < count; i++) {
        flat[i].seq = sent[i].seq;
        memcpy(flat[i].id, sent[i].id, sizeof(flat[i].id));
        flat[i].was_there = sent[i].was_there;
        evlog_sent_free(&sent[i]);
    }
    free(sent);
    return result;
}
