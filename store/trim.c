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
 * may use again in the commit after the next one. So the number of a deletion's commit is stored in `shared` before it
 * is made, and the process that makes the second commit after it flushes first, if that was not done (flusher_settle):
 * also when this process was killed meanwhile.
 *
 * A sender waits for a batch, and for its flush if it is the second one after it. A batch has at most BATCH_COUNT
 * events of BATCH_SIZE bytes together, or one.
 *
 * On a full disk, and at log_size_max, there is still room for 2 and 3: all other writes leave a reserve (env.c), and
 * what a batch frees serves the next one. What the last one frees can be used once there was another commit: so
 * the last event is deleted in one of its own.
 *
 * A log that is sealed is cut only at a seal (seals.c), unless by force.
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
#include "held.h"
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

struct holding {
    struct store *store;
    const struct trim_holders *holders;
    uint64_t *seq;
    char *held_by;
};

static bool is_holder(const struct trim_holders *holders, const char *name)
{
    for (size_t i = 0; i < holders->count; i++)
        if (member_is_of(name, holders->names[i]))
            return true;
    return holders->held_by == EVLOG_HELD_BY_ALL;
}

static int check_consumer(const char *name, const struct consumer_entry *entry,
                          const char *const *types, size_t type_count, void *ctx)
{
    const struct holding *holding = ctx;
    uint64_t seq;
    (void)types;
    (void)type_count;
    if (!is_holder(holding->holders, name))
        return EVLOG_OK;
    int result = first_needed(holding->store, name, entry, &seq);
    if (result == EVLOG_OK && seq < *holding->seq) {
        *holding->seq = seq;
        snprintf(holding->held_by, 256, "%s", name);
    }
    return result;
}

int trim_find_hold(struct store *store, const struct trim_holders *holders, uint64_t before_seq,
                   uint64_t *seq, char held_by[256])
{
    struct holding holding = {store, holders, seq, held_by};
    *seq = before_seq;
    *held_by = '\0';
    int result = holders->held_by == EVLOG_HELD_BY_NONE
                     ? EVLOG_OK
                     : consumers_each(store, check_consumer, &holding);
    if (*seq == before_seq)
        *seq = 0;
    return result;
}

/* Whether no consumer is in the way, if that counts. */
static int check_consumers(struct trimming *trimming)
{
    static const struct trim_holders all = {.held_by = EVLOG_HELD_BY_ALL};
    evlog_trimmed *trimmed = trimming->trimmed;
    int result = trim_find_hold(trimming->store, &all, trimming->before_seq, &trimmed->held_seq,
                                trimmed->held_by);
    if (result || !trimmed->held_seq || trimming->options->force)
        return result;
    return error_set(EVLOG_CONFLICT,
                     "%s: the consumer %s still needs event %" PRIu64
                     ": it has not done it, or has parked it",
                     trimming->store->path, trimmed->held_by, trimmed->held_seq);
}

/* ------------------------------------------------------------- the note ---- */

int trim_note(struct store *store, const struct trim_note *note)
{
    unsigned char map[] = "\x84\xa9"
                          "first_seq\xcf\0\0\0\0\0\0\0\0\xa8last_seq\xcf\0\0\0\0\0\0\0\0\xa6"
                          "forced\xc2\xa9"
                          "by_policy\xc3";
    size_t policy_size = sizeof "\xa9"
                                "by_policy\xc3" -
                         1;
    size_t size = sizeof map - 1 - (note->is_by_policy ? 0 : policy_size);
    map[0] = note->is_by_policy ? 0x84 : 0x83;
    be64_store(map + 12, note->first_seq);
    be64_store(map + 30, note->last_seq);
    map[45] = note->is_forced ? 0xc3 : 0xc2;
    return note_append(store, "evlog.trimmed.v1", map, size);
}

static int add_note(const struct trimming *trimming)
{
    const evlog_trimmed *trimmed = trimming->trimmed;
    const struct trim_note note = {.first_seq = trimmed->first_seq,
                                   .last_seq = trimmed->last_seq,
                                   .is_forced = trimmed->held_seq != 0};
    return trim_note(trimming->store, &note);
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
    struct page_cursor cursor = {.snapshot = base};
    result = page_seek(&cursor, key, sizeof key);
    while (result == EVLOG_OK && trimming->batch_count < BATCH_COUNT && size < BATCH_SIZE) {
        result = page_cursor_node(&cursor, &node);
        uint64_t end =
            trimming->before_seq - (trimming->batch_count > 0); /* the last goes alone */
        if (result || node.key_size != sizeof key || be64_load(node.key) >= end)
            break;
        memcpy(key, node.key, sizeof key);
        if (trimming->batch_count == 0)
            flusher_need(trimming->store->flusher, env_txnid(events));
        result = env_delete(events, key, sizeof key);
        trimming->batch_count += result == EVLOG_OK;
        size += node.data_size;
        page_cursor_step(&cursor);
    }
    page_cursor_free(&cursor);
    return result == EVLOG_NOTFOUND ? EVLOG_OK : result;
}

/* One batch, flushed; nothing, when there is nothing left. */
static int trim_batch(struct trimming *trimming)
{
    struct store *store = trimming->store;
    int result = env_lock(store->events);
    if (result)
        return result;
    result = flusher_write(store->flusher, delete_batch, trimming);
    env_unlock(store->events);
    if (result || trimming->batch_count == 0)
        return result;
    return flusher_flush(store->flusher);
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

/* Whether another process has trimmed further since the bounds were looked at. */
static bool is_overtaken(const struct trimming *trimming)
{
    uint64_t first, last;
    return store_bounds(trimming->store, &first, &last) == EVLOG_OK &&
           first > trimming->before_seq;
}

/* The record of the first event that is kept says what came before it. */
static int raise_floor(struct trimming *trimming)
{
    struct store *store = trimming->store;
    struct reader reader = {.events = NULL};
    uint64_t seq = trimming->before_seq;
    int result = reader_read(&reader, store, seq, seq, 1);
    struct floor_place place = {.first_seq = seq};
    env_will_reuse(store->events);
    if (result == EVLOG_OK)
        place.chain = reader.events[0].record.prev;
    reader_free(&reader);
    if (result == EVLOG_DAMAGED && is_overtaken(trimming))
        return EVLOG_OK; /* the floor is above it, and the event is gone */
    return result ? error_prefix(result, "the first event to be kept")
                  : floor_set(store->floor, &place);
}

/* Goes back to a seal, if the log has any. */
static int keep_unsealed(struct trimming *trimming, uint64_t first)
{
    uint64_t wanted = trimming->before_seq;
    bool is_sealed;
    if (trimming->options->force)
        return EVLOG_OK;
    int result = seals_floor(trimming->store, first, wanted, &trimming->before_seq, &is_sealed);
    if (result == EVLOG_OK && trimming->before_seq < wanted)
        trimming->trimmed->unsealed_seq = trimming->before_seq;
    return result;
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
    result = keep_unsealed(trimming, first);
    if (result || trimming->before_seq == first)
        return result;
    trimming->trimmed->first_seq = first;
    trimming->trimmed->last_seq = trimming->before_seq - 1;
    return check_consumers(trimming);
}

int trim_raise(struct store *store, uint64_t before_seq)
{
    struct trimming trimming = {.store = store, .before_seq = before_seq};
    return raise_floor(&trimming);
}

int trim_some(struct store *store, uint64_t *count)
{
    struct trimming trimming = {.store = store};
    uint64_t last;
    *count = 0;
    int result = store_bounds(store, &trimming.before_seq, &last);
    if (result == EVLOG_OK)
        result = trim_batch(&trimming);
    *count = trimming.batch_count;
    return result;
}

static int trim_all(struct store *store, uint64_t before_seq, const evlog_trim_options *options,
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

/* Another process that trims does no harm: this only keeps it from applying the policy beside. */
int trim_events(struct store *store, uint64_t before_seq, const evlog_trim_options *options,
                evlog_trimmed *trimmed)
{
    bool is_locked =
        !options->preview && held_lock(store->events_fd, TRIMMING_AT, HELD_ALONE) == 0;
    int result = trim_all(store, before_seq, options, trimmed);
    if (is_locked)
        held_unlock(store->events_fd, TRIMMING_AT);
    return result;
}
