/*
 * Sending: metadata, checks, append, dispatch.
 *
 * The steps and their order are those of send_event in openedx-events (its
 * metadata is made first, so a bad time is refused even of a disabled signal; a
 * disabled signal then ends it; then the data are checked; then the receivers
 * run), with one between the last two: the events are appended, all of one call
 * in one commit.
 *
 * 1. Before the append everything that can be refused has been, and the memory that the
 *    append needs is there. What fails up to and with it leaves no trace.
 * 2. After it the result is EVLOG_OK or EVLOG_RECEIVER; the latter whenever a receiver failed,
 *    whether or not its response was asked for. If there is no memory to record a response, the
 *    receivers run all the same.
 * 3. The receivers of an event are those connected when it is in the log, not
 *    when its send began: so a thread that connects one and then reads the log's head gets
 *    all later seqs.
 * 4. Nothing is held while a receiver runs but its list, which is never changed.
 *
 * An import (replay/import.c) is a send whose metadata are taken as they are, that runs no receiver, and that ends
 * with an event of the log's own, the note.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "condition.h"
#include "error.h"
#include "event.h"
#include "headers.h"
#include "match.h"
#include "name.h"
#include "pack.h"
#include "peer.h"
#include "receivers.h"
#include "retain.h"
#include "schema.h"
#include "send.h"
#include "sized.h"
#include "uuid.h"

/* One event of a call. */
struct parcel {
    evlog_signal *signal;
    bool wants_sent; /* the caller asks what became of it: */
    evlog_sent sent;
    const struct definition *definition; /* of its signal, as it was when the send began */
    const struct source *source;
    bool holds_source;     /* it is not the log's own, and is to be released */
    void *headers;         /* packed, to be freed; NULL: none */
    struct record *record; /* NULL: its signal is disabled */
    bool is_import;
    int64_t now_us; /* when the call began */
    bool is_late;   /* something was waited for since, perhaps */
};

/* ------------------------------------------------------------ metadata ---- */

/* Whole numbers with dots between: a tuple of ints in openedx-events. */
static int is_version(const char *text)
{
    if (!log_is_text(text))
        return 0;
    do {
        size_t digits = strspn(text, "0123456789");
        if (digits == 0 || digits > 9)
            return 0;
        text += digits;
    } while (*text++ == '.');
    return text[-1] == '\0';
}

static int check_metadata(const evlog_metadata *metadata)
{
    if (metadata->minorversion < 0)
        return error_set(EVLOG_INVALID, "metadata: minorversion is negative: %d",
                         metadata->minorversion);
    if (metadata->source && (!*metadata->source || !log_is_text(metadata->source)))
        return error_set(EVLOG_INVALID, "metadata: source must be 1 to %d bytes of UTF-8",
                         EVLOG_NAME_SIZE_MAX);
    if (metadata->sourcehost && !log_is_text(metadata->sourcehost))
        return error_set(EVLOG_INVALID, "metadata: sourcehost must be at most %d bytes of UTF-8",
                         EVLOG_NAME_SIZE_MAX);
    if (metadata->sourcelib && !is_version(metadata->sourcelib))
        return error_set(
            EVLOG_INVALID,
            "metadata: sourcelib must be whole numbers with dots between, as 11.2.0");
    return EVLOG_OK;
}

static int check_time(int64_t time_us, bool is_given)
{
    if (time_us < EVLOG_TIME_US_MIN || time_us > EVLOG_TIME_US_MAX)
        return error_set(EVLOG_INVALID, "%s: %" PRId64 " us is not in the years 1 to 9999",
                         is_given ? "time" : "the clock of this machine is wrong", time_us);
    return EVLOG_OK;
}

static bool has_id(const evlog_metadata *metadata)
{
    static const uint8_t no_id[16];
    return memcmp(metadata->id, no_id, sizeof no_id) != 0;
}

/* `given` is the sender's, or all zero. */
static int make_metadata(const evlog_sending *send, const evlog_metadata *given,
                         const struct parcel *parcel, struct record *record)
{
    int64_t time_us = given->time_us ? given->time_us : send->time_us;
    bool is_given = time_us != 0 || parcel->is_import;
    bool has_minor_version = given->minorversion || parcel->is_import;
    if (!is_given)
        time_us = parcel->now_us;
    int result = check_time(time_us, is_given);
    if (result == EVLOG_OK)
        result = check_metadata(given);
    if (result)
        return result;
    record_begin(record);
    record->time_us = time_us;
    record->type = parcel->definition->type->number;
    record->minorversion = has_minor_version ? given->minorversion : send->signal->minor_version;
    record->flags = send->from_event_bus ? RECORD_FROM_EVENT_BUS : 0;
    record->data = send->data;
    record->data_size = send->data_size;
    if (has_id(given))
        memcpy(record->id, given->id, sizeof record->id);
    else
        uuid_make_at(parcel->now_us, record->id);
    return EVLOG_OK;
}

static int check_data(const evlog *log, const evlog_sending *send,
                      const struct definition *definition)
{
    if (send->data_size > log->options.data_size_max)
        return error_set(EVLOG_LIMIT, "data: %zu bytes is over data_size_max, %" PRIu32,
                         send->data_size, log->options.data_size_max);
    if (!send->data)
        return error_set(EVLOG_INVALID, "data: none is given; an empty map is one byte, 0x80");
    int result = pack_check_map(send->data, send->data_size);
    if (result == EVLOG_OK && definition->schema)
        result = match_check(&definition->schema->root, send->data, 0);
    return result;
}

/* What the sender gives goes into the record as a map that `parcel` holds. */
static int pack_headers(const evlog *log, const evlog_sending *send, struct parcel *parcel,
                        struct record *record)
{
    static const unsigned char none = HEADERS_NONE;
    record->headers = &none;
    record->headers_size = 1;
    bool has_peer = log->peer && !parcel->is_import && (send->headers || !send->header_count) &&
                    send->header_count <= EVLOG_HEADERS_SIZE_MAX;
    if (send->header_count == 0 && !has_peer)
        return EVLOG_OK;
    size_t count = send->header_count;
    evlog_header *with_peer =
        has_peer ? peer_add(log->peer, send->headers, send->header_count, &count) : NULL;
    int result = has_peer && !with_peer
                     ? error_nomem()
                     : headers_pack(with_peer ? with_peer : send->headers, count,
                                    &parcel->headers, &record->headers_size);
    free(with_peer);
    record->headers = parcel->headers;
    return result;
}

/* The log's own source, which it holds from its first use on. */
static int define_own_source(evlog *log, const struct source **source)
{
    const struct source *none = NULL;
    int result = sources_define(log->store->sources, log->source, source);
    if (result == EVLOG_OK && !atomic_compare_exchange_strong(&log->own_source, &none, *source)) {
        source_release(*source);
        *source = none; /* another thread was first */
    }
    return result;
}

static int define_source(evlog *log, const evlog_metadata *given, struct parcel *parcel)
{
    const char *const text[SOURCE_TEXTS] = {
        given->source ? given->source : log->source[0],
        given->sourcehost ? given->sourcehost : log->source[1],
        given->sourcelib ? given->sourcelib : log->source[2],
    };
    int result = sources_define(log->store->sources, text, &parcel->source);
    parcel->holds_source = result == EVLOG_OK;
    return result;
}

static int find_source(evlog *log, const evlog_metadata *given, struct parcel *parcel)
{
    bool is_own = !given->source && !given->sourcehost && !given->sourcelib;
    parcel->source = is_own ? atomic_load(&log->own_source) : NULL;
    parcel->is_late = !parcel->source;
    if (parcel->source)
        return EVLOG_OK;
    return is_own ? define_own_source(log, &parcel->source) : define_source(log, given, parcel);
}

/* ------------------------------------------------------------ dispatch ---- */

/* Pointers to `count` responses, in one block with them. NULL: no memory. */
static const evlog_response *const *new_responses(size_t count)
{
    evlog_response **list = calloc(count + 1, sizeof(evlog_response *) + sizeof(evlog_response));
    for (size_t i = 0; list && i < count; i++)
        list[i] = (evlog_response *)(list + count + 1) + i;
    return (const evlog_response *const *)list;
}

/* Room for the responses of a list, which `sent` holds from now on. EVLOG_NOMEM. */
static int make_room(evlog_sent *sent, const evlog_signal *signal, struct receivers *receivers)
{
    size_t count = 0;
    for (size_t i = 0; receivers_next(receivers, signal, &i);)
        count++;
    if (receivers)
        atomic_fetch_add(&receivers->holder_count, 1);
    receivers_release(sent->hold);
    sent->hold = receivers;
    free((void *)sent->responses);
    sent->responses = new_responses(count);
    return sent->responses ? EVLOG_OK : error_nomem();
}

static void record_response(evlog_sent *sent, const struct connection *connection, int result,
                            const char *sentence)
{
    if (!sent->responses)
        return;
    char *error = *sentence ? strdup(sentence) : NULL;
    *(evlog_response *)sent->responses[sent->response_count++] = (evlog_response){
        .receiver = connection->receiver,
        .ctx = connection->ctx,
        .dispatch_uid = connection->dispatch_uid,
        .result = result,
        .error = error ? error : "",
    };
}

/* How a call's dispatch failed. */
struct failures {
    unsigned count;
    char first[ERROR_SIZE]; /* the sentence about the first */
};

static void add_failure(struct failures *failures, const evlog_event *event,
                        const struct connection *connection, int result, const char *why)
{
    if (failures->count++ > 0)
        return;
    snprintf(failures->first, sizeof failures->first,
             "event %" PRIu64 " (%s) is in the log, but receiver %s%sfailed with %d%s%s",
             event->seq, event->event_type, connection->dispatch_uid,
             *connection->dispatch_uid ? " " : "", result, *why ? ": " : "", why);
}

static int end_failures(const struct failures *failures)
{
    if (failures->count == 0)
        return EVLOG_OK;
    if (failures->count == 1)
        return error_set(EVLOG_RECEIVER, "%s", failures->first);
    return error_set(EVLOG_RECEIVER, "%u calls of receivers failed; the first: %s",
                     failures->count, failures->first);
}

/* Calls the receivers of one event. */
static void call_receivers(struct parcel *parcel, evlog_dispatch how, struct failures *failures)
{
    evlog_signal *signal = parcel->signal;
    struct receivers *receivers = receivers_hold(signal->log);
    struct connection *connection;
    evlog_event event;
    if (!receivers && !parcel->sent.hold)
        return;
    event_fill(&event, parcel->record, parcel->definition->type, parcel->source, signal, false);
    /* Others than before the append. Without memory for them they run, but unrecorded. */
    if (parcel->wants_sent && receivers != parcel->sent.hold)
        make_room(&parcel->sent, signal, receivers);
    for (size_t i = 0; (connection = receivers_next(receivers, signal, &i));) {
        const char *why = "";
        if (!receivers_is_due(signal->log, connection, event.seq))
            continue;
        int result = receivers_call(connection, &event, &why);
        record_response(&parcel->sent, connection, result, why);
        if (result)
            add_failure(failures, &event, connection, result, why);
        if (result && how == EVLOG_DISPATCH_STRICT)
            break;
    }
    receivers_release(receivers);
}

void evlog_sent_free_sized(evlog_sent *sent, size_t sent_size)
{
    if (!sent)
        return;
    for (size_t i = 0; i < sent->response_count; i++)
        if (*sent->responses[i]->error)
            free((char *)sent->responses[i]->error);
    free((void *)sent->responses);
    receivers_release(sent->hold);
    memset(sent, 0, sent_size);
}

/* ---------------------------------------------------------------- send ---- */

/* The caller's structs, which may be of other sizes. */
struct given {
    const evlog_sending *sends;
    size_t sending_size, metadata_size, count;
    evlog_sent *sent; /* or NULL */
    size_t sent_size;
    struct condition condition;
    int64_t now_us;      /* one reading of the clock serves all events of a call */
    struct record *note; /* of an import; else NULL */
    size_t known_count;  /* of an import: events that were in the log */
};

/* The checks, and what the record gets from them. */
static int prepare_record(evlog *log, const evlog_sending *send, const evlog_metadata *metadata,
                          struct parcel *parcel, struct record *record)
{
    int result = check_data(log, send, parcel->definition);
    if (result == EVLOG_OK)
        result = pack_headers(log, send, parcel, record);
    if (result == EVLOG_OK && log->store->read_only)
        result = error_set(EVLOG_READONLY, "%s: is open for reading only", log->store->path);
    if (result == EVLOG_OK)
        result = find_source(log, metadata, parcel);
    if (result)
        return result;
    record->source = parcel->source->number;
    record->log_time_us = parcel->is_late ? 0 : parcel->now_us;
    parcel->record = record;
    if (parcel->wants_sent) { /* before there is anything to lose */
        struct receivers *receivers = receivers_hold(log);
        result = make_room(&parcel->sent, send->signal, receivers);
        receivers_release(receivers);
    }
    return result;
}

/* Everything up to the append. `record` is a place for this event's, if it has one. */
static int prepare(evlog *log, const evlog_sending *send, const evlog_metadata *metadata,
                   struct parcel *parcel, struct record *record)
{
    if (!send->signal)
        return error_set(EVLOG_INVALID, "no signal is given");
    if (send->signal->log != log)
        return error_set(EVLOG_INVALID, "signal %s is of another log",
                         send->signal->type->text.name);
    parcel->signal = send->signal;
    parcel->definition = atomic_load(&send->signal->definition);
    int result = make_metadata(send, metadata, parcel, record);
    if (result || !evlog_signal_is_enabled(send->signal))
        return result;
    return prepare_record(log, send, metadata, parcel, record);
}

/* The same for the `i`th of the caller's structs. */
static int prepare_given(evlog *log, const struct given *given, size_t i, struct parcel *parcel,
                         struct record *record)
{
    static const evlog_metadata none = {.time_us = 0};
    evlog_sending own_send;
    evlog_metadata own_metadata;
    const evlog_sending *send =
        sized_view(&own_send, sizeof own_send, SIZED_AT(given->sends, given->sending_size, i),
                   given->sending_size);
    const evlog_metadata *metadata = &none;
    if (send && send->metadata)
        metadata =
            sized_view(&own_metadata, sizeof own_metadata, send->metadata, given->metadata_size);
    parcel->wants_sent = given->sent != NULL;
    parcel->is_import = given->note != NULL;
    parcel->now_us = given->now_us;
    if (!send || !metadata)
        return EVLOG_UNSUPPORTED;
    if (parcel->is_import && !send->metadata)
        return error_set(EVLOG_INVALID, "an event that is imported has no metadata");
    if (given->condition.unless_id && !has_id(metadata))
        return error_set(EVLOG_INVALID, "unless_id is set, but no id is given");
    return prepare(log, send, metadata, parcel, record);
}

static int prepare_all(evlog *log, const struct given *given, struct parcel *parcels,
                       struct record *records, size_t *record_count)
{
    size_t size = 0, count = given->count;
    for (size_t i = 0; i < count; i++) {
        int result = prepare_given(log, given, i, &parcels[i], &records[*record_count]);
        if (result == EVLOG_OK && parcels[i].record) {
            size += parcels[i].record->data_size + parcels[i].record->headers_size;
            ++*record_count;
        }
        if (result == EVLOG_OK && size > EVLOG_SEND_SIZE_MAX)
            result =
                error_set(EVLOG_LIMIT, "their data and headers are more than %d bytes together",
                          EVLOG_SEND_SIZE_MAX);
        if (result)
            return count == 1 ? result
                              : error_prefix(result, "event %zu of the %zu to send", i, count);
    }
    return EVLOG_OK;
}

static int dispatch_all(struct parcel *parcels, size_t count, evlog_dispatch how)
{
    struct failures failures;
    failures.count = 0;
    for (size_t i = 0; i < count; i++) {
        struct parcel *parcel = &parcels[i];
        if (!parcel->record)
            continue;
        parcel->sent.seq = parcel->record->seq;
        parcel->sent.was_there = parcel->record->was_there;
        memcpy(parcel->sent.id, parcel->record->id, sizeof parcel->sent.id);
        if (parcel->record->was_there)
            continue;
        if (failures.count > 0 && how == EVLOG_DISPATCH_STRICT)
            continue;
        call_receivers(parcel, how, &failures);
    }
    return end_failures(&failures);
}

/* The events, and behind them the note of an import. */
static int append(evlog *log, struct given *given, struct record *records, size_t count)
{
    struct appender *appender = log->store->appender;
    if (!given->note)
        return count ? append_records(appender, &given->condition, records, count) : EVLOG_OK;
    records[count] = *given->note;
    int result = append_records(appender, &given->condition, records, count + 1);
    if (result)
        return result;
    *given->note = records[count];
    for (size_t i = 0; i < count; i++)
        given->known_count += records[i].was_there;
    return EVLOG_OK;
}

static void give_back(const struct given *given, const struct parcel *parcels)
{
    for (size_t i = 0; i < given->count; i++)
        if (parcels[i].holds_source)
            source_release(parcels[i].source);
    for (size_t i = 0; i < given->count && given->sent; i++)
        sized_out(SIZED_AT(given->sent, given->sent_size, i), given->sent_size, &parcels[i].sent,
                  sizeof parcels[i].sent);
}

/*
 * `parcels`, begun or all zero, and `records` are room for as many as are given. `sent` is written after a
 * failure too, as all zero: a caller frees it without looking.
 */
static int send_given(evlog *log, struct given *given, evlog_dispatch how, struct parcel *parcels,
                      struct record *records)
{
    size_t record_count = 0;
    retain_help(log->store);
    given->now_us = clock_wall_us();
    int result = prepare_all(log, given, parcels, records, &record_count);
    if (result == EVLOG_OK)
        result = append(log, given, records, record_count);
    if (result == EVLOG_OK && !given->note)
        result = dispatch_all(parcels, given->count, how);
    else
        for (size_t i = 0; i < given->count; i++)
            evlog_sent_free(&parcels[i].sent);
    give_back(given, parcels);
    for (size_t i = 0; i < given->count; i++)
        free(parcels[i].headers);
    return result;
}

/* What is looked at before it is set. (All of it at once would be `rep stos`: 10 ns.) */
static void begin_parcel(struct parcel *parcel)
{
    parcel->sent = (evlog_sent){.seq = 0};
    parcel->holds_source = false;
    parcel->headers = NULL;
    parcel->record = NULL;
}

/* One event, the usual case, needs no memory but the stack's. */
static int send_in_log(evlog *log, struct given *given, evlog_dispatch how)
{
    struct parcel one, *parcels = &one;
    struct record one_and_note[2], *records = one_and_note;
    int result = receivers_check_nesting();
    if (result)
        return result;
    begin_parcel(&one);
    if (given->count == 1)
        return send_given(log, given, how, parcels, records);
    parcels = calloc(given->count + 1, sizeof *parcels);
    records = malloc((given->count + 1) * sizeof *records);
    result = parcels && records ? send_given(log, given, how, parcels, records) : error_nomem();
    free(parcels);
    free(records);
    return result;
}

static int check_count(size_t count)
{
    if (count > EVLOG_SEND_COUNT_MAX)
        return error_set(EVLOG_LIMIT, "%zu events at once is over %d", count,
                         EVLOG_SEND_COUNT_MAX);
    return EVLOG_OK;
}

int send_import(evlog *log, const evlog_sending *sends, size_t sending_size, size_t metadata_size,
                size_t count, const struct condition *condition, struct record *note,
                size_t *known_count)
{
    struct given given = {.sends = sends,
                          .sending_size = sending_size,
                          .metadata_size = metadata_size,
                          .count = count,
                          .condition = *condition,
                          .note = note};
    int result = check_count(count);
    if (result == EVLOG_OK)
        result = send_in_log(log, &given, EVLOG_DISPATCH_ROBUST);
    if (result == EVLOG_OK)
        *known_count = given.known_count;
    return result;
}

static int send_all(struct given *given, evlog_dispatch how)
{
    if (given->count == 0)
        return EVLOG_OK;
    int result = check_count(given->count);
    if (result)
        return result;
    if (!given->sends || !given->sends->signal)
        return error_set(EVLOG_INVALID, "no signal is given");
    if (how > EVLOG_DISPATCH_STRICT)
        return error_set(EVLOG_INVALID, "dispatch %d is not an EVLOG_DISPATCH_...", how);
    evlog *log = given->sends->signal->log;
    result = log_enter(log);
    if (result)
        return result;
    result = send_in_log(log, given, how ? how : log->options.dispatch);
    log_leave(log);
    return result;
}

/* `*options`: the caller's, `own` when they have another size, or the defaults. */
static int read_options(const evlog_send_options **options, evlog_send_options *own,
                        const evlog_send_options *given, size_t size, struct condition *condition)
{
    static const evlog_send_options defaults = {.after_seq = 0};
    *options = given ? sized_view(own, sizeof *own, given, size) : &defaults;
    if (!given)
        return EVLOG_OK;
    if (!*options)
        return EVLOG_UNSUPPORTED;
    condition->after_seq = (*options)->after_seq;
    condition->unless_id = (*options)->unless_id;
    condition->unless_any = (*options)->unless_any;
    condition->types = (*options)->unless_types;
    condition->type_count = (*options)->unless_type_count;
    if (condition->after_seq > 0 && !condition_is_set(condition))
        return error_set(EVLOG_INVALID, "after_seq is set, but no condition");
    return name_check_patterns("unless_types", condition->types, condition->type_count);
}

int evlog_send_event_sized(evlog_signal *signal, const void *data, size_t data_size,
                           const evlog_send_options *given_options, size_t options_size,
                           size_t metadata_size, evlog_sent *sent, size_t sent_size)
{
    evlog_send_options own;
    const evlog_send_options *options;
    evlog_sending send = {.signal = signal, .data = data, .data_size = data_size};
    struct given given = {.sends = &send,
                          .sending_size = sizeof send,
                          .metadata_size = metadata_size,
                          .count = 1,
                          .sent = sent,
                          .sent_size = sent_size};
    int result = read_options(&options, &own, given_options, options_size, &given.condition);
    if (result)
        return result;
    send.time_us = options->time_us;
    send.metadata = options->metadata;
    send.from_event_bus = options->from_event_bus;
    send.headers = options->headers;
    send.header_count = options->header_count;
    return send_all(&given, options->dispatch);
}

int evlog_send_events_sized(const evlog_sending *sends, size_t sending_size, size_t metadata_size,
                            size_t count, const evlog_send_options *given_options,
                            size_t options_size, evlog_sent *sent, size_t sent_size)
{
    evlog_send_options own;
    const evlog_send_options *options;
    struct given given = {.sends = sends,
                          .sending_size = sending_size,
                          .metadata_size = metadata_size,
                          .count = count,
                          .sent = sent,
                          .sent_size = sent_size};
    int result = read_options(&options, &own, given_options, options_size, &given.condition);
    return result ? result : send_all(&given, options->dispatch);
}
