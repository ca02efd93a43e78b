/*
 * Reading records in batches.
 *
 * A batch is some leaves of one snapshot, read into a buffer, and the events in them, which point
 * into it. The snapshot is held (env_read) while the buffer is filled and released before a
 * receiver gets an event: so a slow receiver holds nothing, and the file does not grow because of
 * it. The next batch reads the newest snapshot; events before the head are the same in all of
 * them, but for those that are erased. Erasing is counted (shared.h) once it is committed, and a batch that was
 * begun before is stale: what is left of it is read again. So nothing is handed out after it was erased. A process that
 * cannot read `shared` does not notice.
 *
 * Every seq that is asked for is answered, in order: by a record, or by EVLOG_DAMAGED and the
 * range that cannot be read. A batch ends before damage, and the next one consists of it alone,
 * so that no caller has to look for it among the good records.
 *
 * A record is good when its seq is the one expected, its bytes are what was sent (record.c), its
 * `prev` is the chain of the record before it, and its type and source are known.
 *
 * Reading ends, whatever the file holds: the next leaf is read only after one has given a record,
 * each record has the seq that was expected, and what is skipped ends at a greater seq. A forged
 * tree that leads in circles cannot do that for long.
 *
 * Cost: a descent (one pread a level) a batch, one pread for 16 leaves where they lie side by side, as appending puts
 * them, no allocation once the buffer is
 * there. A record larger than the buffer makes it grow, to EVLOG_DATA_SIZE_MAX and little more,
 * until the next batch of small ones.
 */
#include "reader.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "be64.h"
#include "error.h"
#include "store.h"

#define COUNT_MAX 4096 /* events in a batch */
#define LEAVES_MAX 16  /* read at once */

/* One call of reader_read. */
struct batch {
    struct reader *reader;
    struct store *store;
    struct page_cursor cursor; /* its leaves are in the reader's buffer */
    struct floor_place floor;
    uint64_t first, last, expected;
    unsigned char until[sizeof(uint64_t)]; /* the key of the last event that fits */
    size_t count_max;
    bool had_large;
    uint64_t last_seq, last_chain; /* of the reader, as the batch began */
};

/* What a step comes to, besides the codes: the batch ends here. */
enum { ENOUGH = 1 };

static void release_sources(struct reader *reader)
{
    while (reader->held_count > 0)
        source_release(reader->held[--reader->held_count]);
    memset(reader->recent, 0, sizeof reader->recent);
}

void reader_free(struct reader *reader)
{
    release_sources(reader);
    free(reader->held);
    free(reader->buffer);
    free(reader->events);
    *reader = (struct reader){.events = NULL};
}

/* Makes room for `size` bytes more; ENOUGH when that would move what events point to. */
static int make_room(struct reader *reader, size_t size)
{
    if (size <= reader->buffer_size - reader->used)
        return EVLOG_OK;
    if (reader->count > 0)
        return ENOUGH;
    size_t wanted = reader->used + size;
    unsigned char *buffer = realloc(reader->buffer, wanted);
    if (!buffer)
        return error_nomem();
    reader->buffer = buffer;
    reader->buffer_size = wanted;
    return EVLOG_OK;
}

/* [expected, next - 1] cannot be read. When there are good ones before it, the batch ends first. */
static int lost(struct batch *batch, uint64_t next)
{
    struct reader *reader = batch->reader;
    if (reader->count > 0)
        return ENOUGH;
    if (next <= batch->expected || next > batch->last)
        next = batch->last + 1;
    reader->next = next;
    reader->last_seq = 0;
    return EVLOG_DAMAGED;
}

/* The same; the sentence there is becomes the reason. */
static int lost_reading(struct batch *batch, uint64_t next)
{
    int result = lost(batch, next);
    uint64_t last = batch->reader->next - 1;
    if (result == ENOUGH)
        return result;
    if (last == batch->expected)
        return error_prefix(result, "event %" PRIu64, last);
    return error_prefix(result, "events %" PRIu64 " to %" PRIu64, batch->expected, last);
}

static int lost_range(struct batch *batch, uint64_t next, const char *why)
{
    error_set(EVLOG_DAMAGED, "%s", why);
    return lost_reading(batch, next);
}

/* The seq at which, by the branches, the next leaf begins; 0: none. */
static uint64_t next_leaf_seq(const struct batch *batch)
{
    const void *key;
    size_t key_size;
    if (page_next_key(&batch->cursor, &key, &key_size) && key_size == sizeof(uint64_t))
        return be64_load(key);
    return 0;
}

/* ------------------------------------------------------------- a record ---- */

static int check_link(const struct batch *batch, const struct record *record)
{
    const struct reader *reader = batch->reader;
    bool fits = true;
    if (record->seq == batch->floor.first_seq)
        fits = record->prev == batch->floor.chain;
    else if (reader->last_seq == record->seq - 1)
        fits = record->prev == reader->last_chain;
    if (!fits)
        return error_set(EVLOG_DAMAGED, "event %" PRIu64 ": it does not follow the one before it",
                         record->seq);
    return EVLOG_OK;
}

/* Keeps a source until the next batch. */
static int hold_source(struct reader *reader, const struct source *source)
{
    if (reader->held_count == reader->held_max) {
        size_t max = reader->held_max ? 2 * reader->held_max : READER_RECENT_SLOTS;
        const struct source **held = realloc(reader->held, max * sizeof *held);
        if (!held) {
            source_release(source);
            return error_nomem();
        }
        reader->held = held;
        reader->held_max = max;
    }
    reader->held[reader->held_count++] = source;
    return EVLOG_OK;
}

static int find_source(struct batch *batch, uint64_t number, const struct source **source)
{
    const struct source **recent = &batch->reader->recent[number % READER_RECENT_SLOTS];
    if (!*recent || (*recent)->number != number) {
        const struct source *found;
        int result = sources_find(batch->store->sources, number, &found);
        if (result == EVLOG_OK)
            result = hold_source(batch->reader, found);
        if (result)
            return result;
        *recent = found;
    }
    *source = *recent;
    return EVLOG_OK;
}

/* What was not found, or is damaged, is NULL where that will do. */
static int find_or_not(const struct batch *batch, int result, const void **found)
{
    bool is_unknown = result == EVLOG_NOTFOUND || result == EVLOG_DAMAGED;
    if (!is_unknown || !batch->reader->with_nameless)
        return result;
    *found = NULL;
    return EVLOG_OK;
}

/* Looks up the type and source of a record. Nothing else than one that is not there is damage. */
static int find_names(struct batch *batch, struct reader_event *event)
{
    const struct record *record = &event->record;
    const char *what = "event type";
    uint64_t number = record->type;
    int result = types_find(batch->store->types, number, &event->type);
    result = find_or_not(batch, result, (const void **)&event->type);
    if (result == EVLOG_OK) {
        what = "source";
        number = record->source;
        result = find_source(batch, number, &event->source);
        result = find_or_not(batch, result, (const void **)&event->source);
    }
    if (result == EVLOG_NOTFOUND)
        return error_set(EVLOG_DAMAGED,
                         "event %" PRIu64 ": it names %s %016" PRIx64
                         ", which the log does not know",
                         record->seq, what, number);
    return result == EVLOG_DAMAGED ? error_prefix(result, "event %" PRIu64, record->seq) : result;
}

/* The bytes of a node's value, read from overflow pages when they are there. */
static int find_value(struct batch *batch, const struct page_node *node, const void **value)
{
    struct reader *reader = batch->reader;
    *value = node->data;
    if (node->data)
        return EVLOG_OK;
    int result = page_read_overflow(batch->cursor.snapshot, node, reader->buffer + reader->used);
    *value = reader->buffer + reader->used + PAGE_HEADER_SIZE;
    if (result == EVLOG_OK)
        reader->used += PAGE_HEADER_SIZE + node->data_size;
    return result;
}

static int take_record(struct batch *batch, const struct page_node *node)
{
    struct reader *reader = batch->reader;
    struct reader_event *event = &reader->events[reader->count];
    const void *value;
    int result = find_value(batch, node, &value);
    if (result == EVLOG_DAMAGED)
        return lost_reading(batch, batch->expected + 1);
    if (result)
        return result;
    result = record_decode(batch->expected, value, node->data_size, &event->record);
    if (result)
        return lost(batch, batch->expected + 1);
    result = check_link(batch, &event->record);
    if (result == EVLOG_OK)
        result = find_names(batch, event);
    if (result && result != EVLOG_DAMAGED)
        return result;
    if (result) {
        result = lost(batch, batch->expected + 1);
        if (result == ENOUGH)
            return result;
    }
    reader->last_seq = event->record.seq;
    reader->last_chain = event->record.chain;
    reader->count += result == EVLOG_OK;
    return result;
}

/* ----------------------------------------------------------- the leaves ---- */

static uint64_t seq_at(const unsigned char *leaf, unsigned index, struct page_node *node)
{
    page_node_at(leaf, index, node);
    return node->key_size == sizeof(uint64_t) ? be64_load(node->key) : 0;
}

/*
 * Looks for the seq expected, which is not where it should be, in the whole leaf, whose order may
 * be damaged. When it is not there `*index` is one past the last, and `*next` the nearest seq
 * after it.
 */
static void look_for(struct batch *batch, const unsigned char *leaf, unsigned *index,
                     uint64_t *next)
{
    struct page_node node;
    unsigned count = page_node_count(leaf);
    *next = next_leaf_seq(batch);
    for (*index = 0; *index < count; (*index)++) {
        uint64_t seq = seq_at(leaf, *index, &node);
        if (seq == batch->expected)
            return;
        if (seq > batch->expected && (*next == 0 || seq < *next))
            *next = seq;
    }
}

/* Takes the records of the cursor's leaf. */
static int take_leaf(struct batch *batch)
{
    struct reader *reader = batch->reader;
    size_t offset = (size_t)(batch->cursor.leaf - reader->buffer);
    unsigned count = page_node_count(reader->buffer + offset);
    for (unsigned index = page_cursor_index(&batch->cursor); index < count; index++) {
        struct page_node node;
        if (seq_at(reader->buffer + offset, index, &node) != batch->expected) {
            uint64_t next;
            look_for(batch, reader->buffer + offset, &index, &next);
            if (index == count)
                return lost_range(batch, next, "missing");
            seq_at(reader->buffer + offset, index, &node);
        }
        if (node.data_size > RECORD_SIZE_MAX)
            return lost_range(batch, batch->expected + 1,
                              "its record claims a size over the limit");
        if (!node.data) {
            int result = make_room(reader, PAGE_HEADER_SIZE + node.data_size);
            if (result)
                return result;
            batch->cursor.leaf = reader->buffer + offset; /* it may have moved */
            page_node_at(batch->cursor.leaf, index, &node);
            reader->has_large = true;
        }
        int result = take_record(batch, &node);
        if (result)
            return result;
        if (batch->expected++ == batch->last || reader->count == batch->count_max)
            return ENOUGH;
    }
    return EVLOG_OK;
}

/* Makes room in the buffer for the next leaf, and those after it, unless large records will need it. */
static int place_leaf(struct batch *batch)
{
    struct reader *reader = batch->reader;
    struct page_cursor *cursor = &batch->cursor;
    size_t page_size = cursor->snapshot->page_size;
    if (cursor->ahead_count > 0)
        return EVLOG_OK;
    int result = make_room(reader, page_size);
    if (result)
        return result;
    size_t room = (reader->buffer_size - reader->used) / page_size;
    cursor->leaf = reader->buffer + reader->used;
    cursor->leaf_max = room < LEAVES_MAX ? (unsigned)room : LEAVES_MAX;
    if (reader->has_large || batch->had_large)
        cursor->leaf_max = 1;
    return EVLOG_OK;
}

/* What was read of leaves is used. */
static void keep_leaves(struct batch *batch, bool was_ahead)
{
    if (!was_ahead)
        batch->reader->used +=
            (size_t)(1 + batch->cursor.ahead_count) * batch->cursor.snapshot->page_size;
}

static int take_leaves(struct batch *batch)
{
    unsigned char key[sizeof(uint64_t)];
    be64_store(key, batch->expected);
    int result = place_leaf(batch);
    if (result)
        return result;
    result = page_seek(&batch->cursor, key, sizeof key);
    keep_leaves(batch, false);
    while (result == EVLOG_OK) {
        if (batch->reader->checks_places && !page_leaf_is_in_place(&batch->cursor))
            batch->reader->misplaced = page_number(batch->cursor.leaf);
        result = take_leaf(batch);
        if (result == EVLOG_OK)
            result = place_leaf(batch);
        if (result)
            return result;
        bool was_ahead = batch->cursor.ahead_count > 0;
        result = page_next_leaf(&batch->cursor);
        keep_leaves(batch, was_ahead);
    }
    if (result == EVLOG_NOTFOUND)
        return lost_range(batch, 0, "missing");
    return result == EVLOG_DAMAGED ? lost_reading(batch, next_leaf_seq(batch)) : result;
}

static int read_batch(const struct page_snapshot *snapshot, void *ctx)
{
    struct batch *batch = ctx;
    struct reader *reader = batch->reader;
    batch->expected = batch->first;
    release_sources(reader);
    reader->count = 0;
    reader->used = 0;
    reader->misplaced = 0;
    batch->had_large = reader->has_large;
    reader->has_large = false;
    reader->last_chain = batch->last_chain;
    reader->last_seq = batch->last_seq == batch->first - 1 ? batch->last_seq : 0;
    uint64_t left = batch->last - batch->first;
    be64_store(batch->until,
               batch->first + (left < batch->count_max ? left : batch->count_max - 1));
    batch->cursor = (struct page_cursor){
        .snapshot = snapshot, .until = batch->until, .until_size = sizeof batch->until};
    int result = take_leaves(batch);
    page_cursor_free(&batch->cursor);
    if (result != ENOUGH)
        return result;
    reader->next = batch->expected;
    return EVLOG_OK;
}

/*
 * Makes the buffers as large as they have to be. One that has grown for a large record, and was
 * not needed so large since, is given back.
 */
static int make_buffers(struct reader *reader, size_t count_max)
{
    size_t size = reader->buffer_size;
    if (count_max > 1 && size < READER_BUFFER_SIZE)
        size = READER_BUFFER_SIZE;
    if (size > READER_BUFFER_SIZE && reader->used <= READER_BUFFER_SIZE)
        size = READER_BUFFER_SIZE;
    if (reader->count_max < count_max) {
        free(reader->events);
        reader->events = malloc(count_max * sizeof *reader->events);
        reader->count_max = reader->events ? count_max : 0;
    }
    if (size != reader->buffer_size) {
        free(reader->buffer);
        reader->buffer = malloc(size);
        reader->buffer_size = reader->buffer ? size : 0;
    }
    if (reader->count_max < count_max || (size > 0 && !reader->buffer))
        return error_nomem();
    return EVLOG_OK;
}

int reader_read(struct reader *reader, struct store *store, uint64_t first, uint64_t last,
                size_t count_max)
{
    struct batch batch = {.reader = reader,
                          .store = store,
                          .floor = floor_get(store->floor),
                          .first = first,
                          .last = last,
                          .count_max = count_max < COUNT_MAX ? count_max : COUNT_MAX,
                          .last_seq = reader->last_seq,
                          .last_chain = reader->last_chain};
    int result = make_buffers(reader, batch.count_max);
    reader->erasure_count = shared_erasures(store->shared);
    return result ? result : env_read(store->events, ENV_CHECKED, read_batch, &batch);
}

bool reader_is_stale(const struct reader *reader, const struct store *store)
{
    return reader->erasure_count != shared_erasures(store->shared);
}
