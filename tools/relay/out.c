/*
 * evlog relay out: the events of a log, in its order, to a broker.
 *
 * It is the consumer relay.NAME. Events are gathered into a put, which the broker acknowledges as a whole, with
 * the relay's position; then they are done. Between the two the process may die:
 *
 *             checkpoint            position
 *   ---------------|-------------------|---------------> seq
 *     done                on the broker       to be put
 *
 * 1. After each connection the broker's position counts: events up to it are not put again. When it is behind
 *    what is done, because the broker went back to an older state, the events between are read
 *    from the log and put again, except parked ones. When there is none, what is done counts.
 * 2. A position is of the consumer as it was made or last reset (epoch_of): so after evlog consumer reset
 *    all comes again.
 * 3. What is put is flushed in the log before: no broker has an event that a power cut takes from a fast log.
 * 4. An event that cannot be a message, or that the broker refuses for good, is parked at once, with those before
 *    it put and done, and those after it handed out again.
 *
 * While the broker works on a put, the next one is gathered; it begins when the one before is done.
 */
#include "tool.h"

#include <stdlib.h>
#include <string.h>

#include "evlog/class.h"
#include "evlog/consumer.h"
#include "evlog/openedx.h"
#include "evlog/schema.h"
#include "key.h"
#include "relay.h"

#define PUT_SIZE_MAX ((size_t)4 << 20)
#define WAIT_MS 1000

struct put {
    struct message *messages; /* PUT_COUNT_MAX */
    struct outgoing *items;   /* of each message and topic */
    char *texts; /* of the messages, one after the other: the pages behind are not touched */
    size_t message_count, item_count, size, texts_size;
    uint64_t last_seq;  /* of the events handed out in turn; 0: none */
    uint64_t retry_seq; /* a parked one that is retried; 0: none */
    uint64_t bad_seq;   /* it cannot be a message; 0: none */
    char why[512];
};

struct out {
    const struct relay_options *options;
    evlog *log;
    evlog_consumer *consumer;
    struct sink *sink;
    struct link_state link;
    struct metrics metrics;
    struct put put, sent; /* that is gathered, and that is being put */
    uint64_t sent_position;
    bool has_sent, is_on_its_way;
    char name[EVLOG_CONSUMER_NAME_SIZE_MAX + 1];
    char epoch[64];
    uint64_t positions[TOPICS_MAX];
    uint64_t done_seq;
    bool is_connected;
    uint64_t *parked; /* while events are put again, sorted */
    size_t parked_count, parked_max;
};

static int log_failed(int code)
{
    return complain(code == EVLOG_INVALID || code == EVLOG_NOTFOUND ? RELAY_STATUS_MISUSE
                                                                    : RELAY_STATUS_LOG,
                    "%s", evlog_errmsg());
}

/* ---------------------------------------------------------------- a put ---- */

static void put_clear(struct put *put)
{
    for (size_t i = 0; i < put->item_count; i++)
        evlog_buffer_free(&put->items[i].key);
    for (size_t i = 0; i < put->message_count; i++)
        message_free(&put->messages[i]);
    put->message_count = put->item_count = put->size = put->texts_size = 0;
    put->last_seq = put->retry_seq = put->bad_seq = 0;
}

/* Closed also when it fails, which is for want of memory. */
static int put_open(struct put *put)
{
    *put = (struct put){.messages = calloc(PUT_COUNT_MAX, sizeof *put->messages),
                        .items = calloc(PUT_COUNT_MAX * TOPICS_MAX, sizeof *put->items),
                        .texts = malloc(PUT_COUNT_MAX * MESSAGE_TEXTS_MAX)};
    return put->messages && put->items && put->texts ? 0 : -1;
}

static void put_close(struct put *put)
{
    put_clear(put);
    free(put->messages);
    free(put->items);
    free(put->texts);
}

static bool put_is_full(const struct out *out)
{
    const struct put *put = &out->put;
    return put->message_count == out->sink->put_count_max || put->size >= PUT_SIZE_MAX ||
           put->retry_seq || put->bad_seq;
}

/* The route by which a topic gets an event; NULL: it does not. */
static const struct route *route_to(const struct out *out, const evlog_event *event, size_t topic)
{
    const struct relay_options *options = out->options;
    for (size_t i = 0; i < options->route_count; i++) {
        const struct route *route = &options->routes[i];
        if (route->topic == topic &&
            (!route->type || evlog_type_matches(&route->type, 1, event->event_type)))
            return route;
    }
    return NULL;
}

/* Leaves only the first items in the put. */
static void cut_items(struct put *put, size_t count)
{
    while (put->item_count > count)
        evlog_buffer_free(&put->items[--put->item_count].key);
}

/* Adds a message to the items. EVLOG_INVALID: it cannot have the key of the route. */
static int add_item(struct out *out, const evlog_event *event, const struct message *message,
                    const struct route *route)
{
    struct put *put = &out->put;
    struct outgoing item = {
        .message = message, .topic = route->topic, .is_retry = event->is_retry};
    if (out->options->url.scheme == URL_KAFKA && route->key) {
        int result = key_of_event(event, route->key, &item.key);
        if (result)
            return result;
        item.key_path = route->key;
    }
    put->items[put->item_count++] = item;
    return EVLOG_OK;
}

/* Adds an event to the put, if a topic gets it. EVLOG_INVALID: it cannot be a message. */
static int put_add(struct out *out, const evlog_event *event)
{
    struct put *put = &out->put;
    struct message *message = &put->messages[put->message_count];
    size_t first = put->item_count;
    if (event->from_event_bus && !out->options->all) {
        out->metrics.passed_count++;
        return EVLOG_OK;
    }
    int result = EVLOG_OK;
    for (size_t topic = 0; result == EVLOG_OK && topic < out->options->topic_count; topic++) {
        const struct route *route = route_to(out, event, topic);
        if (route)
            result = add_item(out, event, message, route);
    }
    if (result == EVLOG_OK && put->item_count == first)
        return EVLOG_OK;
    if (result == EVLOG_OK)
        result = message_make(event, put->texts + put->texts_size, message);
    if (result) {
        cut_items(put, first);
        return result;
    }
    message->before_seq = put->last_seq;
    put->message_count++;
    put->texts_size += message->texts_size;
    put->size += message->data.size + 256;
    return EVLOG_OK;
}

/* ------------------------------------------------------------ connecting ---- */

static int add_parked(const evlog_parked *parked, void *ctx)
{
    struct out *out = ctx;
    if (out->parked_count == out->parked_max) {
        size_t max = 2 * out->parked_max + 64;
        uint64_t *larger = realloc(out->parked, max * sizeof *larger);
        if (!larger)
            return EVLOG_NOMEM;
        out->parked = larger;
        out->parked_max = max;
    }
    out->parked[out->parked_count++] = parked->seq;
    return 0;
}

static int compare(const void *a, const void *b)
{
    uint64_t first = *(const uint64_t *)a, second = *(const uint64_t *)b;
    return (first > second) - (first < second);
}

static bool is_parked(const struct out *out, uint64_t seq)
{
    return out->parked_count &&
           bsearch(&seq, out->parked, out->parked_count, sizeof seq, compare) != NULL;
}

/* The broker refuses an event: only those before it have been put. It is parked, and what follows comes again. */
static void cut_put(struct out *out, struct put *put, uint64_t unfit_seq)
{
    size_t count = 0;
    put->bad_seq = unfit_seq;
    snprintf(put->why, sizeof put->why, "%s", broker_why());
    while (count < put->item_count && put->items[count].message->seq != unfit_seq)
        count++;
    if (put->retry_seq != unfit_seq && count < put->item_count)
        put->last_seq = put->items[count].message->before_seq;
    put->retry_seq = 0; /* it is refused, or taken back with what follows */
    cut_items(put, count);
    out->is_connected = false; /* the client may have failed with it */
}

/*
 * Takes from the put what the broker has already: what was put before the connection was lost, or by a relay that
 * was killed. Only here, when it begins: the positions may have changed since it was gathered.
 */
static void drop_known(const struct out *out, struct put *put)
{
    size_t count = 0;
    for (size_t i = 0; i < put->item_count; i++) {
        struct outgoing *item = &put->items[i];
        if (item->is_retry || item->message->seq > out->positions[item->topic])
            put->items[count++] = *item;
        else
            evlog_buffer_free(&item->key);
    }
    put->item_count = count;
}

static enum outcome put_begin(struct out *out, struct put *put, uint64_t last_seq)
{
    out->sent_position = last_seq;
    drop_known(out, put);
    if (evlog_sync(out->log))
        return broker_fail(BROKER_REFUSES, "%s", evlog_errmsg());
    return out->sink->put(out->sink->self, put->items, put->item_count, last_seq);
}

static enum outcome put_end(struct out *out, struct put *put)
{
    uint64_t unfit_seq = 0;
    enum outcome outcome = out->sink->put_ends(out->sink->self, &unfit_seq);
    if (outcome == BROKER_OK)
        for (size_t i = 0; i < out->options->topic_count; i++)
            if (out->positions[i] < out->sent_position)
                out->positions[i] = out->sent_position;
    if (outcome == BROKER_UNFIT)
        cut_put(out, put, unfit_seq);
    return outcome;
}

static enum outcome put_now(struct out *out, struct put *put, uint64_t last_seq)
{
    enum outcome outcome = put_begin(out, put, last_seq);
    return outcome ? outcome : put_end(out, put);
}

/* Puts the events of the cursor, which the broker had and lost. */
static enum outcome put_cursor(struct out *out, evlog_cursor *cursor)
{
    const evlog_event *event = NULL;
    enum outcome outcome = BROKER_OK;
    do {
        int result = evlog_cursor_next(cursor, &event);
        if (result == EVLOG_DAMAGED)
            continue; /* the consumer has reported it when it came there */
        if (result)
            return broker_fail(BROKER_REFUSES, "%s", evlog_errmsg());
        if (event && !is_parked(out, event->seq))
            put_add(out, event); /* what cannot be a message was parked, or dropped */
        if (event)
            out->put.last_seq = event->seq;
        if (out->put.last_seq && (!event || put_is_full(out))) {
            outcome = put_now(out, &out->put, out->put.last_seq);
            out->metrics.relayed_count += outcome == BROKER_OK ? out->put.item_count : 0;
            put_clear(&out->put);
        }
    } while (outcome == BROKER_OK && event && !stop_is_asked());
    return outcome == BROKER_OK && stop_is_asked() ? BROKER_STOPPED : outcome;
}

/* The broker has gone back: what is done and is after its position is put again. */
static enum outcome put_again(struct out *out, uint64_t from_seq)
{
    const struct relay_options *options = out->options;
    evlog_range range = {.first_seq = from_seq + 1,
                         .last_seq = out->done_seq,
                         .types = options->types,
                         .type_count = options->type_count};
    evlog_cursor *cursor;
    out->parked_count = 0;
    int result = evlog_each_parked(out->log, out->name, add_parked, out);
    if (result == EVLOG_OK)
        result = evlog_cursor_open(out->log, &range, &cursor);
    if (result)
        return broker_fail(BROKER_REFUSES, "%s", evlog_errmsg());
    if (out->parked_count)
        qsort(out->parked, out->parked_count, sizeof *out->parked, compare);
    uint64_t before = out->metrics.relayed_count;
    enum outcome outcome = put_cursor(out, cursor);
    evlog_cursor_close(cursor);
    if (outcome == BROKER_OK)
        outcome = put_now(out, &out->put,
                          out->done_seq); /* what is behind the last of them is not wanted */
    if (out->metrics.relayed_count > before)
        complain(
            0,
            "%s had events up to %" PRIu64 " only: %" PRIu64 " up to %" PRIu64 " were put again",
            options->url.shown, from_seq, out->metrics.relayed_count - before, out->done_seq);
    return outcome;
}

/* A position after the end of the log is of a log that lost events, or of another copy. */
static enum outcome check_positions(struct out *out, uint64_t *least)
{
    uint64_t head_seq;
    if (evlog_wait(out->log, 0, 0, &head_seq))
        return broker_fail(BROKER_REFUSES, "%s", evlog_errmsg());
    *least = out->done_seq;
    for (size_t i = 0; i < out->options->topic_count; i++) {
        uint64_t *position = &out->positions[i];
        if (*position == NO_POSITION || (!out->sink->goes_back && *position < out->done_seq))
            *position = out->done_seq;
        if (*position > head_seq) {
            complain(0,
                     "%s has events up to %" PRIu64 ", and the log ends at %" PRIu64
                     ": it lost events, or is an older copy",
                     out->options->topics[i], *position, head_seq);
            return broker_fail(BROKER_REFUSES, "%s",
                               "evlog consumer reset makes the relay begin where you say");
        }
        *least = *position < *least ? *position : *least;
    }
    return BROKER_OK;
}

static enum outcome connect_sink(struct out *out)
{
    uint64_t least = 0;
    enum outcome outcome = out->sink->open(out->sink->self, out->epoch, out->positions);
    if (outcome == BROKER_OK)
        outcome = check_positions(out, &least);
    if (outcome)
        return outcome;
    link_back(&out->link);
    if (least < out->done_seq) {
        struct put waiting = out->put; /* it comes after what is put again */
        outcome = put_open(&out->put) ? broker_fail(BROKER_REFUSES, "%s", "out of memory")
                                      : put_again(out, least);
        put_close(&out->put);
        out->put = waiting;
    }
    out->is_connected = outcome == BROKER_OK;
    return outcome;
}

/* --------------------------------------------------------------- one round ---- */

/* The position that a put makes, also of a parked event alone. */
static uint64_t position_after(const struct out *out, const struct put *put)
{
    return put->last_seq > out->done_seq ? put->last_seq : out->done_seq;
}

static bool has_something(const struct put *put)
{
    return put->last_seq || put->item_count;
}

/* Tries until the put, which may be on its way, is on the broker. -1: go on, else the exit status. */
static int deliver(struct out *out, struct put *put)
{
    for (;;) {
        enum outcome outcome = out->is_connected ? BROKER_OK : connect_sink(out);
        if (outcome == BROKER_OK && out->is_on_its_way)
            outcome = put_end(out, put);
        else if (outcome == BROKER_OK && has_something(put))
            outcome = put_now(out, put, position_after(out, put));
        out->is_on_its_way = false;
        if (outcome == BROKER_OK || outcome == BROKER_UNFIT)
            return -1;
        out->is_connected = false;
        if (outcome == BROKER_AGAIN)
            continue;
        if (outcome == BROKER_STOPPED)
            return RELAY_STATUS_DONE;
        metrics_error(&out->metrics, broker_why());
        if (outcome == BROKER_REFUSES)
            return complain(RELAY_STATUS_LOG, "%s: %s", out->link.shown, broker_why());
        bool is_stopped = link_wait(&out->link);
        metrics_write(&out->metrics, false);
        if (is_stopped)
            return RELAY_STATUS_DONE;
    }
}

/* What was put is done. */
static int acknowledge(struct out *out, struct put *put)
{
    int result = EVLOG_OK;
    if (put->last_seq) {
        result = evlog_consumer_done(out->consumer, put->last_seq);
        out->done_seq = put->last_seq;
    }
    if (result == EVLOG_OK && put->retry_seq)
        result = evlog_consumer_done(out->consumer, put->retry_seq);
    out->metrics.relayed_count += put->item_count;
    if (result == EVLOG_OK && put->bad_seq) {
        complain(0, "event %" PRIu64 " is parked: %s", put->bad_seq, put->why);
        metrics_error(&out->metrics, put->why);
        out->metrics.refused_count++;
        result = evlog_consumer_fail(out->consumer, put->bad_seq, put->why);
        out->done_seq = put->bad_seq > out->done_seq ? put->bad_seq : out->done_seq;
    }
    put_clear(put);
    return result;
}

/* Takes an event that was handed out into the put. */
static void take(struct out *out, const evlog_event *event)
{
    struct put *put = &out->put;
    if (put_add(out, event)) {
        put->bad_seq = event->seq;
        snprintf(put->why, sizeof put->why, "%s", evlog_errmsg());
    } else if (event->is_retry) {
        put->retry_seq = event->seq;
    } else {
        put->last_seq = event->seq;
    }
}

/* Gathers a put; waits for its first event with `wait_ms`. */
static int gather(struct out *out, int64_t wait_ms, bool *is_empty)
{
    const evlog_event *event;
    int result = EVLOG_OK;
    *is_empty = true;
    while (result == EVLOG_OK && !put_is_full(out)) {
        result = evlog_consumer_next(out->consumer, *is_empty ? wait_ms : 0, &event);
        if (result || !event)
            break;
        *is_empty = false;
        take(out, event);
    }
    return result == EVLOG_STOPPED ? EVLOG_OK : result;
}

static bool is_paused(struct out *out)
{
    evlog_consumer_info *info;
    if (evlog_consumer_inspect(out->log, out->name, &info))
        return false;
    bool paused = info->is_paused;
    out->metrics.lag_count = info->lag_count;
    evlog_consumer_info_free(info);
    return paused;
}

/* Whether all is on the broker. Not after a paused consumer. */
static int at_end(struct out *out, bool *is_over)
{
    int result = evlog_consumer_commit(out->consumer);
    bool paused = is_paused(out);
    metrics_write(&out->metrics, false);
    *is_over = !out->options->follow;
    if (result == EVLOG_OK && paused && *is_over)
        result = evlog_fail("the consumer is paused; see: evlog help consumer resume");
    return result;
}

/* What was gathered is on its way, if the broker is there; else put_ends tries until it is. */
static void put_begins(struct out *out)
{
    struct put gathered = out->put;
    out->put = out->sent;
    out->sent = gathered;
    out->has_sent = true;
    if (out->is_connected && has_something(&out->sent))
        out->is_connected = out->is_on_its_way =
            put_begin(out, &out->sent, position_after(out, &out->sent)) == BROKER_OK;
}

/* -1: go on, else the exit status. */
static int put_ends(struct out *out)
{
    int status = deliver(out, &out->sent);
    if (status >= 0)
        return status;
    out->has_sent = false;
    bool is_cut = out->sent.bad_seq != 0;
    int result = acknowledge(out, &out->sent);
    if (is_cut)
        put_clear(&out->put); /* the consumer hands out again what came after the parked event */
    return result ? log_failed(result) : -1;
}

/* -1: go on, else the exit status. */
static int round_of(struct out *out, bool *is_over)
{
    bool is_empty, is_idle = !out->has_sent;
    int status = -1;
    int result = gather(out, out->options->follow && is_idle ? WAIT_MS : 0, &is_empty);
    if (result == EVLOG_OK && !is_idle)
        status = put_ends(out);
    else if (result == EVLOG_OK && is_empty)
        result = at_end(out, is_over);
    if (result)
        return log_failed(result);
    if (status < 0 && !is_empty)
        put_begins(out);
    if (status < 0 && !is_empty && (out->sent.bad_seq || out->sent.retry_seq))
        status = put_ends(out); /* after one that is parked, others may come in turn */
    metrics_write(&out->metrics, false);
    return status;
}

static int relay(struct out *out)
{
    bool is_over = false;
    int status = deliver(out, &out->put); /* connects, also when there is nothing to put */
    while (status < 0 && !is_over && !stop_is_asked())
        status = round_of(out, &is_over);
    if (status < 0 && out->has_sent)
        status = put_ends(out);
    if (status < 0)
        status = out->metrics.refused_count ? RELAY_STATUS_FAILED : RELAY_STATUS_DONE;
    return status;
}

/* ---------------------------------------------------------------- the whole ---- */

/* What the consumer was made or reset as. */
static int epoch_of(struct out *out)
{
    evlog_consumer_info *info;
    int result = evlog_consumer_inspect(out->log, out->name, &info);
    if (result)
        return result;
    snprintf(out->epoch, sizeof out->epoch, "%" PRId64 ".%" PRIu64, info->created_us,
             info->replay_last_seq);
    out->done_seq = info->checkpoint;
    evlog_consumer_info_free(info);
    return EVLOG_OK;
}

static void hear_notice(const evlog_notice *notice, void *ctx)
{
    struct out *out = ctx;
    if (notice->kind != EVLOG_NOTICE_LOST)
        return;
    out->metrics.refused_count++;
    complain(0, "events %" PRIu64 " to %" PRIu64 " are lost: %s", notice->first_seq,
             notice->last_seq, notice->text);
}

static int open_consumer(struct out *out)
{
    const struct relay_options *options = out->options;
    evlog_consumer_options wanted = {.types = options->types,
                                     .type_count = options->type_count,
                                     .ack_by_hand = true,
                                     .attempt_max = 1,
                                     .per_second = options->per_second,
                                     .notice = hear_notice,
                                     .notice_ctx = out};
    if (snprintf(out->name, sizeof out->name, "relay.%s", options->name) >=
        (int)sizeof out->name) {
        evlog_fail("the consumer's name is too long: see --name");
        return EVLOG_INVALID;
    }
    int result = evlog_consumer_open(out->log, out->name, &wanted, &out->consumer);
    return result ? result : epoch_of(out);
}

/* Whether events of a type can have the key of a route. */
static int check_key(const struct relay_options *options, const struct route *route,
                     const char *type, const char *schema)
{
    struct key key;
    bool is_wanted =
        !options->type_count || evlog_type_matches(options->types, options->type_count, type);
    if (!schema || !is_wanted || !evlog_type_matches(&route->type, route->type ? 1 : 0, type))
        return EVLOG_OK;
    int result = key_of_schema(schema, route->key, &key);
    if (result) {
        complain(0, "%s", type);
        return result;
    }
    free(key.schema);
    return EVLOG_OK;
}

struct newest {
    const char *name, *schema;
};

struct newest_list {
    struct newest *items;
    size_t count, max;
};

/* The newest schema of each type: a later one is visited later. */
static int add_newest(const evlog_type *type, void *ctx)
{
    struct newest_list *list = ctx;
    size_t i = 0;
    while (i < list->count && strcmp(list->items[i].name, type->name) != 0)
        i++;
    if (i == list->max) {
        size_t max = 2 * list->max + 64;
        struct newest *larger = realloc(list->items, max * sizeof *larger);
        if (!larger)
            return EVLOG_NOMEM;
        list->items = larger;
        list->max = max;
    }
    list->items[i] = (struct newest){type->name, type->schema};
    list->count += i == list->count;
    return 0;
}

/* The same with the catalogue's schema of the route's type, which is not in the log yet. */
static int check_catalogue_key(const struct relay_options *options, const struct route *route)
{
    evlog_schema *schema;
    const evlog_definition *definition;
    size_t i = 0;
    while ((definition = evlog_openedx_definition(i)) &&
           (!route->type || strcmp(definition->event_type, route->type) != 0))
        i++;
    if (!definition)
        return EVLOG_OK;
    int result = evlog_schema_make(definition, &schema);
    if (result)
        return result;
    result = check_key(options, route, definition->event_type, evlog_schema_text(schema));
    evlog_schema_free(schema);
    return result;
}

/* Refuses a key that would have every event of a type parked. Types that come later are seen event by event. */
static int check_keys(struct out *out)
{
    const struct relay_options *options = out->options;
    struct newest_list list = {.items = NULL};
    int result = evlog_each_type(out->log, add_newest, &list);
    for (size_t i = 0; i < options->route_count && options->url.scheme == URL_KAFKA; i++) {
        const struct route *route = &options->routes[i];
        bool is_there = false;
        for (size_t k = 0; result == EVLOG_OK && route->key && k < list.count; k++) {
            is_there |= route->type && strcmp(route->type, list.items[k].name) == 0;
            result = check_key(options, route, list.items[k].name, list.items[k].schema);
        }
        if (result == EVLOG_OK && route->key && !is_there)
            result = check_catalogue_key(options, route);
    }
    free(list.items);
    return result;
}

static int prepare(struct out *out)
{
    char uuid[EVLOG_UUID_TEXT_SIZE];
    evlog_info info;
    int result = evlog_inspect(out->log, &info);
    if (result == EVLOG_OK)
        result = check_keys(out);
    if (result == EVLOG_OK)
        result = open_consumer(out);
    if (result)
        return result;
    out->sink = broker_sink(out->options, evlog_uuid_text(info.uuid, uuid));
    if (!out->sink || put_open(&out->put) || put_open(&out->sent))
        return evlog_fail("out of memory");
    stop_consumer(out->consumer);
    return EVLOG_OK;
}

static int run(struct out *out)
{
    int result = prepare(out);
    int status = result ? log_failed(result) : relay(out);
    stop_consumer(NULL);
    if (out->sink)
        out->sink->close(out->sink->self);
    put_close(&out->put);
    put_close(&out->sent);
    if (out->consumer && evlog_consumer_close(out->consumer) && status == RELAY_STATUS_DONE)
        status = complain(RELAY_STATUS_LOG, "%s", evlog_errmsg());
    is_paused(out); /* the lag */
    metrics_write(&out->metrics, true);
    free(out->parked);
    return status;
}

int out_run(const struct relay_options *options)
{
    struct out *out = calloc(1, sizeof *out);
    evlog_options open = {.no_create = true};
    if (!out)
        return complain(RELAY_STATUS_LOG, "out of memory");
    *out = (struct out){.options = options,
                        .link = {.shown = options->url.shown},
                        .metrics = {.path = options->metrics,
                                    .direction = "out",
                                    .log = options->log,
                                    .topic = options->topics[0],
                                    .link = &out->link}};
    int code = evlog_open(options->log, &open, &out->log);
    int status = code ? complain(RELAY_STATUS_LOG, "%s", evlog_errmsg()) : run(out);
    if (code == EVLOG_OK)
        evlog_close(out->log);
    free(out);
    return status;
}
