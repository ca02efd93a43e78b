/*
 * Trimming: the oldest events go, a few at a time, beside senders and readers.
 *
 *   1. an event, evlog.trimmed.v1, says which go; where there is no room for it, it comes after 3, or, with still
 *      no room, not at all: then the floor alone says it
 *   2. the floor is raised, durably (floor.c): from then on they are gone for every reader
 *   3. they are deleted from events.mdb in batches, and after each the log is flushed
 *
 * A death after 2 leaves events below the floor. No reader sees them, and the next trimming deletes them.
 *
 * Why it is flushed: a power cut takes the log back to its last flushed state, whose pages must not have been
 * overwritten since then. An append frees only pages of which `edge` has images. Deleting frees others, which liblmdb
 * may use again in the commit after the next one. So the number of a deletion's commit is stored in `shared` before it is
 * made, and the process that makes the second commit after it flushes first, if that was not done (flusher_settle): also
 * when this process was killed meanwhile.
 *
 * A sender waits for a batch, and for its flush if it is the second one after it. A batch has at most BATCH_COUNT events
 * of BATCH_SIZE bytes together, or one.
 *
 * On a full disk, and at log_size_max, there is still room for 2 and 3: all other writes leave a reserve (env.c), and
 * what a batch frees serves the next one. What the last one frees can be used once there was another commit: so
 * the last event is deleted in one of its own.
 *
 * Absent: giving space back to the disk; it is used again by appends.
 */
#include "trim.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "be64.h"
#include "consumers.h"
#include "error.h"
#include "flusher.h"
#include "note.h"
#include "page.h"
#include "reader.h"
#include "store.h"

#define BATCH_COUNT 2048
#define BATCH_SIZE ((uint64_t)2 << 20)

struct trimming {
    struct store *store;
    const evlog_trim_options *options;
    evlog_trimmed *trimmed;
    uint64_t before_seq;
    uint64_t batch_count; /* events that the last batch has deleted */
};

/* ------------------------------------------------------------ consumers ---- */

/* The first event that a consumer has not done, or has parked; 0: none. */
static int first_needed(struct store *store, const char *name, const struct consumer_entry *entry,
                        uint64_t *seq)
{
    int result = consumers_next_parked(store, name, 0, seq);
    if (*seq > entry->checkpoint)
        *seq = entry->checkpoint + 1;
    return result;
}

static int check_consumer(const char *name, const struct consumer_entry *entry,
                          const char *const *types, size_t type_count, void *ctx)
{
    struct trimming *trimming = ctx;
    evlog_trimmed *trimmed = trimming->trimmed;
    uint64_t seq;
    (void)types;
    (void)type_count;
    int result = first_needed(trimming->store, name, entry, &seq);
    if (result == EVLOG_OK && seq < trimming->before_seq &&
        (!trimmed->held_seq || seq < trimmed->held_seq)) {
        trimmed->held_seq = seq;
        snprintf(trimmed->held_by, sizeof trimmed->held_by, "%s", name);
    }
    return result;
}

/* Whether no consumer is in the way, if that counts. */
static int check_consumers(struct trimming *trimming)
{
    const evlog_trimmed *trimmed = trimming->trimmed;
    int result = consumers_each(trimming->store, check_consumer, trimming);
    if (result || !trimmed->held_seq || trimming->options->force)
        return result;
    return error_set(EVLOG_CONFLICT,
                     "%s: the consumer %s still needs event %" PRIu64
                     ": it has not done it, or has parked it",
                     trimming->store->path, trimmed->held_by, trimmed->held_seq);
}

/* ------------------------------------------------------------- the note ---- */

static int add_note(const struct trimming *trimming)
{
    unsigned char map[] = "\x83\xa9"
                          "first_seq\xcf\0\0\0\0\0\0\0\0\xa8last_seq\xcf\0\0\0\0\0\0\0\0\xa6"
                          "forced\xc2";
    size_t size = sizeof map - 1;
    be64_store(map + 12, trimming->trimmed->first_seq);
    be64_store(map + 30, trimming->trimmed->last_seq);
    map[size - 1] = trimming->trimmed->held_seq ? 0xc3 : 0xc2;
    return note_append(trimming->store, "evlog.trimmed.v1", map, size);
}

/* ------------------------------------------------------------- deleting ---- */

/* In the write transaction, perhaps more than once. The last event is a batch of its own. */
static int delete_batch(struct env *events, void *ctx)
{
    struct trimming *trimming = ctx;
    const struct page_snapshot *base;
    unsigned char key[sizeof(uint64_t)] = {0};
    struct page_node node;
    uint64_t size = 0;
    trimming->batch_count = 0;
    int result = env_base(events, &base);
    if (result)
        return result;
    flusher_need(trimming->store->flusher, env_txnid(events));
    struct page_cursor cursor = {.snapshot = base};
    result = page_seek(&cursor, key, sizeof key);
    while (result == EVLOG_OK && trimming->batch_count < BATCH_COUNT && size < BATCH_SIZE) {
        result = page_cursor_node(&cursor, &node);
        uint64_t end =
            trimming->before_seq - (trimming->batch_count > 0); /* the last goes alone */
        if (result || node.key_size != sizeof key || be64_load(node.key) >= end)
            break;
        memcpy(key, node.key, sizeof key);
        result = env_delete(events, key, sizeof key);
        trimming->batch_count += result == EVLOG_OK;
        size += node.data_size;
        page_cursor_step(&cursor);
    }
    page_cursor_free(&cursor);
    return result == EVLOG_NOTFOUND ? EVLOG_OK : result;
}

/* One batch, flushed. */
static int trim_batch(struct trimming *trimming)
{
    struct store *store = trimming->store;
    int result = env_lock(store->events);
    if (result)
        return result;
    result = flusher_settle(store->flusher);
    if (result == EVLOG_OK)
        result = env_write_locked(store->events, ENV_FLUSH_ALL, (struct env_size){0, 0},
                                  delete_batch, trimming);
    env_unlock(store->events);
    return result ? result : flusher_flush(store->flusher);
}

static int trim_batches(struct trimming *trimming)
{
    const evlog_trim_options *options = trimming->options;
    do {
        int result = trim_batch(trimming);
        if (result)
            return result;
        trimming->trimmed->deleted_count += trimming->batch_count;
        if (options->visit)
            result = options->visit(trimming->trimmed->deleted_count, options->ctx);
        if (result)
            return result;
    } while (trimming->batch_count);
    return EVLOG_OK;
}

/* ------------------------------------------------------------- the whole ---- */

/* The record of the first event that is kept says what came before it. */
static int raise_floor(struct trimming *trimming)
{
    struct store *store = trimming->store;
    struct reader reader = {.events = NULL};
    uint64_t seq = trimming->before_seq;
    int result = reader_read(&reader, store, seq, seq, 1);
    struct floor_place place = {.first_seq = seq};
    if (result == EVLOG_OK)
        place.chain = reader.events[0].record.prev;
    reader_free(&reader);
    return result ? error_prefix(result, "the first event to be kept")
                  : floor_set(store->floor, &place);
}

/* What goes, and whether it may. */
static int prepare(struct trimming *trimming)
{
    uint64_t first, last;
    int result = store_bounds(trimming->store, &first, &last);
    if (result)
        return result;
    if (trimming->before_seq > last) /* the newest one is never taken */
        trimming->before_seq = last;
    if (trimming->before_seq <= first) {
        trimming->before_seq = first; /* what an earlier one has left */
        return EVLOG_OK;
    }
    trimming->trimmed->first_seq = first;
    trimming->trimmed->last_seq = trimming->before_seq - 1;
    return check_consumers(trimming);
}

int trim_events(struct store *store, uint64_t before_seq, const evlog_trim_options *options,
                evlog_trimmed *trimmed)
{
    struct trimming trimming = {
        .store = store, .options = options, .trimmed = trimmed, .before_seq = before_seq};
    *trimmed = (evlog_trimmed){.first_seq = 0};
    int result = prepare(&trimming);
    if (result || options->preview)
        return result;
    int noted = EVLOG_OK;
    if (trimmed->first_seq) {
        noted = add_note(&trimming);
        result = noted && noted != EVLOG_FULL ? noted : raise_floor(&trimming);
    }
    if (result == EVLOG_OK)
        result = trim_batches(&trimming);
    if (noted == EVLOG_FULL && trimmed->deleted_count)
        noted = add_note(&trimming);
    return result || noted == EVLOG_FULL ? result : noted;
}
