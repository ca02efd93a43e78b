/*
 * evlog relay in: the messages of a broker into a log.
 *
 *   read a batch -> make events of it -> one conditional send -> flush -> acknowledge the messages
 *
 * 1. Nothing is acknowledged that is not in the log and flushed.
 * 2. The send has `unless_id` after a seq that the source gives (struct batch): what was in the log before a
 *    crash, and is delivered again, is not appended again. What may be older is looked for before (known.c).
 * 3. A message that cannot be used is sent as evlog.refused.v1 in the same send, at its place in the order.
 * 4. A message under another schema than this process has of its type ends a part of the batch; the log is opened
 *    again, and the rest goes on.
 * 5. A failure of the log that may pass (no room, busy) is waited for, with the batch in hand; another one ends
 *    the relay, and the broker delivers again.
 */
#include "tool.h"

#include <stdlib.h>
#include <string.h>

#include "evlog/plugin.h"
#include "evlog/relay.h"
#include "relay.h"

#define LOG_WAIT_MS 1000

struct in {
    const struct relay_options *options;
    evlog *log;
    evlog_signal *refused;
    struct source *source;
    struct link_state link;
    struct metrics metrics;
    struct reading *readings;
    evlog_sending *sendings;
    evlog_sent *sents;
    const struct raw **raws; /* of each of them its message */
    size_t count, room;
    struct known known;
    bool is_reopened; /* for the first message of what is left of the batch */
    bool has_failed;
};

/* ------------------------------------------------------------- messages ---- */

static bool is_unusable(int code)
{
    return code == EVLOG_INVALID || code == EVLOG_NOTFOUND || code == EVLOG_LIMIT ||
           code == EVLOG_CONFLICT;
}

static int refuse(struct in *in, const struct raw *raw, struct reading *reading)
{
    char why[512];
    snprintf(why, sizeof why, "%s", evlog_errmsg());
    metrics_error(&in->metrics, why);
    return refused_make(in->refused, in->options, raw, why, reading);
}

static void fill_sending(struct in *in, size_t i)
{
    struct reading *reading = &in->readings[i];
    in->sendings[i] = (evlog_sending){.signal = reading->signal,
                                      .data = reading->data.data,
                                      .data_size = reading->data.size,
                                      .metadata = &reading->metadata,
                                      .from_event_bus = reading->signal != in->refused,
                                      .headers = &reading->header,
                                      .header_count = reading->header.name ? 1 : 0};
}

static int make_room(struct in *in, size_t count)
{
    if (count <= in->room)
        return EVLOG_OK;
    free(in->readings);
    free(in->sendings);
    free(in->sents);
    free(in->raws);
    in->readings = calloc(count, sizeof *in->readings);
    in->sendings = calloc(count, sizeof *in->sendings);
    in->sents = calloc(count, sizeof *in->sents);
    in->raws = calloc(count, sizeof *in->raws);
    in->room = in->readings && in->sendings && in->sents && in->raws ? count : 0;
    return in->room ? EVLOG_OK : evlog_fail("out of memory");
}

/* Makes of a message what is sent, unless the log is known to have it. */
static int read_message(struct in *in, const struct raw *raw, bool is_first)
{
    struct reading *reading = &in->readings[in->count];
    int result = reading_make(in->log, raw, reading);
    if (reading->is_other_schema && !(is_first && in->is_reopened)) {
        reading_free(reading);
        return EVLOG_CONFLICT;
    }
    if (is_unusable(result))
        result = refuse(in, raw, reading);
    bool is_known = result == EVLOG_OK && known_has(&in->known, reading->metadata.id);
    if (result == EVLOG_OK && !is_known) {
        in->raws[in->count] = raw;
        fill_sending(in, in->count++);
        return EVLOG_OK;
    }
    in->metrics.known_count += is_known;
    reading_free(reading);
    return result;
}

/* Makes what is sent of the batch's messages, up to one of another schema: the batch is cut before it. */
static int read_messages(struct in *in, struct batch *batch)
{
    int result = make_room(in, batch->count);
    if (result == EVLOG_OK && batch->older_first_seq)
        result = known_read(&in->known, in->log, batch->older_first_seq, batch->older_last_seq);
    else if (result == EVLOG_OK)
        known_free(&in->known);
    for (size_t i = 0; result == EVLOG_OK && i < batch->count; i++) {
        result = read_message(in, &batch->raws[i], i == 0);
        if (result == EVLOG_CONFLICT) {
            batch->count = i;
            return EVLOG_OK;
        }
    }
    return result;
}

/* ---------------------------------------------------------------- the log ---- */

static void count_sents(struct in *in, size_t first, size_t count)
{
    for (size_t i = first; i < first + count; i++) {
        evlog_sent *sent = &in->sents[i];
        bool is_refused = in->sendings[i].signal == in->refused;
        if (sent->was_there)
            in->metrics.known_count++;
        else if (is_refused)
            in->metrics.refused_count++;
        else
            in->metrics.relayed_count++;
        if (is_refused && !sent->was_there)
            complain(0, "event %" PRIu64 " is a message that was refused: %s", sent->seq,
                     in->readings[i].why);
        evlog_sent_free(sent);
    }
}

static int send_some(struct in *in, uint64_t after_seq, size_t first, size_t count)
{
    evlog_send_options how = {
        .unless_id = true, .after_seq = after_seq, .dispatch = EVLOG_DISPATCH_ROBUST};
    int result = evlog_send_events(&in->sendings[first], count, &how, &in->sents[first]);
    if (result == EVLOG_RECEIVER) {
        complain(0, "%s", evlog_errmsg());
        metrics_error(&in->metrics, evlog_errmsg());
        in->has_failed = true;
        result = EVLOG_OK;
    }
    if (result == EVLOG_OK)
        count_sents(in, first, count);
    return result;
}

/* The batch is refused as a whole because of one or its size: the messages one by one. */
static int send_one_by_one(struct in *in, uint64_t after_seq)
{
    int result = EVLOG_OK;
    for (size_t i = 0; result == EVLOG_OK && i < in->count; i++) {
        result = send_some(in, after_seq, i, 1);
        if (!is_unusable(result) || in->sendings[i].signal == in->refused)
            continue;
        result = refuse(in, in->raws[i], &in->readings[i]);
        fill_sending(in, i);
        if (result == EVLOG_OK)
            result = send_some(in, after_seq, i, 1);
    }
    return result;
}

static int head_of(struct in *in, uint64_t *head_seq)
{
    return evlog_wait(in->log, 0, 0, head_seq);
}

static int append_once(struct in *in, const struct batch *batch)
{
    uint64_t head_seq;
    int result = head_of(in, &head_seq);
    if (result)
        return result;
    /* A note after the end: the log is an older copy, or lost events. All of it is looked at. */
    uint64_t after_seq = batch->after_seq > head_seq ? 0 : batch->after_seq;
    result = send_some(in, after_seq, 0, in->count);
    if (result == EVLOG_NOTFOUND && after_seq > 0)
        result = send_some(in, after_seq = 0, 0, in->count);
    if (is_unusable(result))
        result = send_one_by_one(in, after_seq);
    return result == EVLOG_OK ? evlog_sync(in->log) : result;
}

/* Tries until it is in the log. -1: it is, else the exit status. */
static int append(struct in *in, const struct batch *batch)
{
    bool is_said = false;
    for (;;) {
        int result = append_once(in, batch);
        if (result == EVLOG_OK)
            return -1;
        metrics_error(&in->metrics, evlog_errmsg());
        if (result != EVLOG_FULL && result != EVLOG_BUSY)
            return complain(RELAY_STATUS_LOG, "%s", evlog_errmsg());
        if (!is_said)
            complain(0, "%s; waiting", evlog_errmsg());
        is_said = true;
        metrics_write(&in->metrics, false);
        if (stop_wait_ms(LOG_WAIT_MS))
            return RELAY_STATUS_DONE;
    }
}

/* ------------------------------------------------------------- opening ---- */

static int define_type(const evlog_type *type, void *ctx)
{
    evlog_signal *signal;
    if (!evlog_type_matches(NULL, 0, type->name) ||
        evlog_signal_by_type(ctx, type->name, &signal) == EVLOG_OK)
        return EVLOG_OK;
    return evlog_define(ctx, type->name, 0, NULL, &signal);
}

/* The log's signals. `first` (or NULL): a message whose type comes before those of plugins. */
static int prepare_log(struct in *in, const struct raw *first)
{
    struct reading reading;
    int result = EVLOG_OK;
    if (first) {
        reading_make(in->log, first, &reading); /* a failure will be met again */
        reading_free(&reading);
    }
    for (size_t i = 0; result == EVLOG_OK && i < in->options->plugin_count; i++)
        result = evlog_plugin_load(in->log, in->options->plugins[i]);
    if (result == EVLOG_OK)
        result = evlog_define_refused(in->log, &in->refused);
    if (result == EVLOG_OK && in->options->plugin_count)
        result = evlog_each_type(in->log, define_type, in->log);
    return result;
}

static int open_log(struct in *in)
{
    evlog_options open = {.data_size_max = EVLOG_DATA_SIZE_MAX};
    return evlog_open(in->options->log, &open, &in->log);
}

/* Opens the log again, so that the type of a message can be defined with its schema. -1: go on. */
static int reopen(struct in *in, const struct raw *raw)
{
    int result = evlog_close(in->log);
    in->log = NULL;
    if (result == EVLOG_OK)
        result = open_log(in);
    if (result == EVLOG_OK)
        result = prepare_log(in, raw);
    in->is_reopened = true;
    return result ? complain(RELAY_STATUS_LOG, "%s", evlog_errmsg()) : -1;
}

/* -------------------------------------------------------------- one round ---- */

/* What can be sent together, from the beginning of `part`, which is cut behind it. -1: go on. */
static int take_part(struct in *in, struct batch *part)
{
    int status = -1;
    in->count = 0;
    int result = read_messages(in, part);
    if (result)
        status = complain(RELAY_STATUS_LOG, "%s", evlog_errmsg());
    else if (in->count)
        status = append(in, part);
    for (size_t i = 0; i < in->count; i++)
        reading_free(&in->readings[i]);
    return status;
}

/* Into the log; then the messages are acknowledged. -1: go on. */
static int take(struct in *in, const struct batch *batch, enum outcome *outcome)
{
    int status = -1;
    in->metrics.lost_count += batch->lost_count;
    if (batch->lost_count)
        complain(0, "%" PRIu64 " messages were trimmed by the broker before they were taken",
                 batch->lost_count);
    for (size_t done = 0; status < 0 && done < batch->count;) {
        struct batch part = *batch;
        part.raws += done;
        part.count -= done;
        status = take_part(in, &part);
        done += part.count;
        in->is_reopened = false;
        if (status < 0 && done < batch->count)
            status = reopen(in, &batch->raws[done]);
    }
    if (status < 0)
        *outcome = in->source->taken(in->source->self, batch);
    return status;
}

/* Waits so long that not more than --rate come. */
static void keep_rate(const struct in *in, size_t count, int64_t since_ms)
{
    if (in->options->per_second > 0 && count) {
        int64_t due_ms = (int64_t)((double)count * 1000 / in->options->per_second);
        stop_wait_ms(due_ms - (now_ms() - since_ms));
    }
}

/* Reads a batch and takes it. -1: go on. */
static int round_of(struct in *in, enum outcome *outcome, bool *is_end)
{
    struct batch batch;
    uint64_t head_seq;
    int64_t since_ms = now_ms();
    if (head_of(in, &head_seq))
        return complain(RELAY_STATUS_LOG, "%s", evlog_errmsg());
    *outcome = in->source->read(in->source->self, head_seq, in->options->follow, &batch);
    if (*outcome)
        return -1;
    *is_end = batch.is_end;
    int status = take(in, &batch, outcome);
    if (status < 0)
        keep_rate(in, batch.count, since_ms);
    return status;
}

/* -1: go on. */
static int handle(struct in *in, enum outcome outcome)
{
    if (outcome == BROKER_OK)
        return -1;
    if (outcome == BROKER_STOPPED)
        return RELAY_STATUS_DONE;
    metrics_error(&in->metrics, broker_why());
    if (outcome == BROKER_REFUSES)
        return complain(RELAY_STATUS_LOG, "%s: %s", in->link.shown, broker_why());
    return link_wait(&in->link) ? RELAY_STATUS_DONE : -1;
}

static int relay(struct in *in)
{
    bool is_connected = false, is_end = false;
    int status = -1;
    while (status < 0 && !stop_is_asked() && !(is_end && !in->options->follow)) {
        enum outcome outcome = BROKER_OK;
        if (!is_connected) {
            outcome = in->source->open(in->source->self);
            if (outcome == BROKER_OK)
                link_back(&in->link);
        }
        if (outcome == BROKER_OK)
            status = round_of(in, &outcome, &is_end);
        is_connected = outcome == BROKER_OK;
        if (status < 0)
            status = handle(in, outcome);
        metrics_write(&in->metrics, false);
    }
    if (status >= 0 && status != RELAY_STATUS_DONE)
        return status;
    return in->has_failed ? RELAY_STATUS_FAILED : RELAY_STATUS_DONE;
}

/* --------------------------------------------------------------- the whole ---- */

static int prepare(struct in *in)
{
    char uuid[EVLOG_UUID_TEXT_SIZE];
    evlog_info info;
    int result = evlog_inspect(in->log, &info);
    if (result == EVLOG_OK)
        result = prepare_log(in, NULL);
    if (result)
        return result;
    in->source = broker_source(in->options, evlog_uuid_text(info.uuid, uuid));
    return in->source ? EVLOG_OK : evlog_fail("out of memory");
}

static int run(struct in *in)
{
    int result = prepare(in);
    int status = result ? complain(result == EVLOG_RECEIVER || result == EVLOG_NOTFOUND
                                       ? RELAY_STATUS_MISUSE
                                       : RELAY_STATUS_LOG,
                                   "%s", evlog_errmsg())
                        : relay(in);
    if (in->source)
        in->source->close(in->source->self);
    metrics_write(&in->metrics, true);
    free(in->readings);
    free(in->sendings);
    free(in->sents);
    free(in->raws);
    known_free(&in->known);
    return status;
}

int in_run(const struct relay_options *options)
{
    struct in *in = calloc(1, sizeof *in);
    if (!in)
        return complain(RELAY_STATUS_LOG, "out of memory");
    *in = (struct in){.options = options,
                      .link = {.shown = options->url.shown},
                      .metrics = {.path = options->metrics,
                                  .direction = "in",
                                  .log = options->log,
                                  .topic = options->topics[0],
                                  .link = &in->link}};
    int code = open_log(in);
    int status = code ? complain(RELAY_STATUS_LOG, "%s", evlog_errmsg()) : run(in);
    if (in->log)
        evlog_close(in->log);
    free(in);
    return status;
}
