/*
 * Looking at a log: single events, waiting for them, its types, the whole.
 *
 * The store does the work. Here are the handle's count of calls, and copies of what must outlive
 * the call.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "cursor.h"
#include "error.h"
#include "event.h"
#include "pack.h"
#include "reader.h"
#include "sized.h"
#include "verify.h"

static int copy_out(const evlog_event *found, evlog_event **event)
{
    evlog_event *copy = event_copy(found);
    if (!copy)
        return error_nomem();
    *event = copy;
    return EVLOG_OK;
}

/* ------------------------------------------------------- single events ---- */

static int read_event(evlog *log, uint64_t seq, evlog_event **event)
{
    uint64_t first, last;
    struct reader reader = {.events = NULL};
    int result = store_bounds(log->store, &first, &last);
    if (result)
        return result;
    if (last == 0)
        return error_set(EVLOG_NOTFOUND, "%s: the log is empty", log->store->path);
    if (seq < first || seq > last)
        return error_set(EVLOG_NOTFOUND,
                         "%s: no event %" PRIu64 ": the log has %" PRIu64 " to %" PRIu64,
                         log->store->path, seq, first, last);
    result = reader_read(&reader, log->store, seq, seq, 1);
    if (result == EVLOG_OK) {
        const struct reader_event *read = &reader.events[0];
        evlog_event found;
        event_fill(&found, &read->record, read->type, read->source, signal_of(log, read->type),
                   true);
        result = copy_out(&found, event);
    }
    reader_free(&reader);
    return result;
}

int evlog_read(evlog *log, uint64_t seq, evlog_event **event)
{
    if (!event)
        return error_set(EVLOG_INVALID, "no place for the event is given");
    int result = log_enter(log);
    if (result)
        return result;
    result = read_event(log, seq, event);
    log_leave(log);
    return result;
}

static int not_found(const evlog *log, const uint8_t id[16], uint64_t damaged_count)
{
    char text[EVLOG_UUID_TEXT_SIZE];
    evlog_uuid_text(id, text);
    if (damaged_count)
        return error_set(EVLOG_DAMAGED,
                         "%s: no event has the id %s, but %" PRIu64 " could not be read",
                         log->store->path, text, damaged_count);
    return error_set(EVLOG_NOTFOUND, "%s: no event has the id %s", log->store->path, text);
}

static int find_event(evlog *log, const uint8_t id[16], evlog_cursor *cursor, evlog_event **event)
{
    uint64_t damaged_count = 0, first, last;
    for (;;) {
        const evlog_event *found;
        int result = cursor_next(cursor, &found);
        if (result == EVLOG_DAMAGED && evlog_cursor_damage(cursor, &first, &last) == EVLOG_OK)
            damaged_count += last - first + 1;
        else if (result)
            return result;
        else if (!found)
            return not_found(log, id, damaged_count);
        else if (memcmp(found->id, id, sizeof found->id) == 0)
            return copy_out(found, event);
    }
}

int evlog_find_sized(evlog *log, const uint8_t id[16], const evlog_range *given,
                     size_t range_size, evlog_event **event)
{
    evlog_range range;
    evlog_cursor *cursor;
    if (!id || !event)
        return error_set(EVLOG_INVALID, "no %s is given", id ? "place for the event" : "id");
    int result = sized_in(&range, sizeof range, given, range_size);
    if (result == EVLOG_OK)
        result = log_enter(log);
    if (result)
        return result;
    range.newest_first = true;
    result = cursor_open(log, &range, &cursor);
    if (result == EVLOG_OK) {
        result = find_event(log, id, cursor, event);
        cursor_free(cursor);
    }
    log_leave(log);
    return result;
}

void evlog_event_free(evlog_event *event)
{
    free(event);
}

/* --------------------------------------------------------------- waiting ---- */

/*
 * A ticket is taken before a look whose failure leads to waiting, so that no event is missed; but
 * not before the first look, since a ticket costs the next sender a system call.
 */
static int wait_for(struct store *store, uint64_t seq, int64_t until_us, uint64_t *last_seq)
{
    bool has_ticket = false;
    uint32_t ticket = 0;
    for (;;) {
        uint64_t first, last;
        int result = store_bounds(store, &first, &last);
        if (result)
            return result;
        int64_t left_us = until_us - clock_monotonic_us();
        if (last > seq || left_us <= 0) {
            *last_seq = last;
            return EVLOG_OK;
        }
        if (has_ticket)
            shared_wait(store->shared, ticket, left_us);
        ticket = shared_ticket(store->shared);
        has_ticket = true;
    }
}

int evlog_wait(evlog *log, uint64_t seq, int64_t timeout_ms, uint64_t *last_seq)
{
    if (!last_seq)
        return error_set(EVLOG_INVALID, "no place for the last seq is given");
    int result = log_enter(log);
    if (result)
        return result;
    int64_t now_us = clock_monotonic_us(), until_us = INT64_MAX;
    if (timeout_ms >= 0 && timeout_ms < (INT64_MAX - now_us) / 1000)
        until_us = now_us + timeout_ms * 1000;
    result = wait_for(log->store, seq, until_us, last_seq);
    log_leave(log);
    return result;
}

/* ------------------------------------------------------------ the whole ---- */

int evlog_inspect_sized(evlog *log, evlog_info *info, size_t info_size)
{
    evlog_info found = {.format = 0};
    if (!info)
        return error_set(EVLOG_INVALID, "no place for the info is given");
    int result = log_enter(log);
    if (result)
        return result;
    result = store_inspect(log->store, &found);
    if (result == EVLOG_OK)
        sized_out(info, info_size, &found, sizeof found);
    log_leave(log);
    return result;
}

/* The texts of a list, or of a map's keys and values, each copied with a NUL behind it. */
static char **unpack_texts(evlog_bytes packed, char **texts, char **at)
{
    const unsigned char *from = packed.data;
    struct pack_item head = {.size = 0}, item;
    if (packed.size)
        pack_next(&from, &head);
    size_t count = head.kind == PACK_MAP ? 2 * head.size : head.size;
    for (size_t i = 0; i < count; i++) {
        pack_next(&from, &item);
        pack_skip_items(&from, &item);
        size_t size = item.kind == PACK_STR ? item.size : 0; /* else it is forged */
        texts[i] = *at;
        if (size)
            memcpy(texts[i], item.bytes, size);
        texts[i][size] = '\0';
        *at += size + 1;
    }
    return texts + count;
}

/*
 * A type with the lists of its marks, in one block, to be freed. NULL: out of memory. Each text has
 * a byte or more before it when it is packed, so there are no more than bytes.
 */
static evlog_type *type_of(const struct type *from)
{
    const struct type_text *text = &from->text;
    size_t size = text->forms.size + text->personal.size;
    evlog_type *type = calloc(1, sizeof *type + size * (sizeof(char *) + 2));
    if (!type)
        return NULL;
    char **forms = (char **)(type + 1), *at = (char *)(forms + size);
    char **personal = unpack_texts(text->forms, forms, &at);
    char **end = unpack_texts(text->personal, personal, &at);
    *type = (evlog_type){.number = from->number,
                         .name = text->name,
                         .schema = text->schema,
                         .forms = (const evlog_form *)forms,
                         .form_count = (size_t)(personal - forms) / 2,
                         .personal = (const char *const *)personal,
                         .personal_count = (size_t)(end - personal)};
    return type;
}

struct each_reader {
    int (*visit)(const evlog_reader *, void *);
    void *ctx;
    struct store *store; /* NULL: it is not the events that are read */
    const char *file;
};

/* When an event was logged; 0: it cannot be read any more. */
static int64_t logged_at(struct store *store, uint64_t seq)
{
    struct reader reader = {.events = NULL};
    int64_t time_us = 0;
    if (reader_read(&reader, store, seq, seq, 1) == EVLOG_OK)
        time_us = reader.events[0].record.log_time_us;
    reader_free(&reader);
    return time_us;
}

static int visit_reader(const struct env_reader_info *found, void *ctx)
{
    const struct each_reader *each = ctx;
    evlog_reader reader = {.pid = found->pid,
                           .file = each->file,
                           .behind_count = found->behind_count,
                           .held_size = found->held_size};
    if (each->store && found->last_seq) {
        reader.last_seq = found->last_seq;
        reader.last_log_time_us = logged_at(each->store, found->last_seq);
    }
    return each->visit(&reader, each->ctx);
}

int evlog_each_reader(evlog *log, int (*visit)(const evlog_reader *reader, void *ctx), void *ctx)
{
    int result = log_enter(log);
    if (result)
        return result;
    struct each_reader events = {visit, ctx, log->store, "events.mdb"};
    struct each_reader state = {visit, ctx, NULL, "state.mdb"};
    result = env_each_reader(log->store->events, visit_reader, &events);
    if (result == EVLOG_OK)
        result = env_each_reader(log->store->state, visit_reader, &state);
    log_leave(log);
    return result;
}

int evlog_each_type(evlog *log, int (*visit)(const evlog_type *type, void *ctx), void *ctx)
{
    if (!visit)
        return error_set(EVLOG_INVALID, "no function to visit the types is given");
    int result = log_enter(log);
    if (result)
        return result;
    struct types *types = log->store->types;
    const struct type **list = NULL;
    size_t list_count = 0;
    uint32_t count;
    result = types_refresh(types);
    if (result == EVLOG_OK)
        result = types_list(types, NULL, &list, &list_count, &count);
    for (size_t i = 0; result == EVLOG_OK && i < list_count; i++) {
        evlog_type *type = type_of(list[i]);
        result = type ? visit(type, ctx) : error_nomem();
        free(type);
    }
    free(list);
    log_leave(log);
    return result;
}

int evlog_verify(evlog *log, int (*visit)(const evlog_finding *, uint64_t, void *), void *ctx,
                 uint64_t *checked_count)
{
    int result = log_enter(log);
    if (result)
        return result;
    result = verify_log(log->store, visit, ctx, checked_count);
    log_leave(log);
    return result;
}
