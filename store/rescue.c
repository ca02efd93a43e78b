/*
 * The records of a log, however damaged it is.
 *
 * They are looked for in three ways, and what is found is put together by finds.c:
 *
 *   the tree      of the newest meta page that is sound, page by page as far as they are sound (page.c). What is in it
 *                 is the log
 *   the bytes     of events.mdb, `edge` and the journal (scan.c): what the tree does not lead to any more, and what
 *                 only the other two files have
 *   what is known of: the origin, the floor, the last event that `edge` has flushed: where the chain must go through
 *
 * What was erased does not come back: where an event that was had says so, or an entry of state.mdb, a whole record of
 * that seq, from a stale page, is left out. So is one of which erasing was begun and not completed.
 *
 * Nothing is written, and nothing is locked: a log that can be opened and is in use is copied, not rescued.
 *
 * What was committed is in events.mdb, as long as the machine runs; then what the journal has after it was never
 * acknowledged. After a restart it may be what recovery would bring back.
 *
 * Cost: events.mdb is read twice, each page at random and then from end to end; and each record once more by
 * rescue_next. Memory: finds.c, and the largest record.
 */
#include "rescue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "be64.h"
#include "erase.h"
#include "error.h"
#include "file.h"
#include "journal.h"
#include "making.h"
#include "meta.h"
#include "presence.h"
#include "proof.h"
#include "record.h"
#include "scan.h"
#include "shared.h"
#include "types.h"

static const char *const names[RESCUE_FILES] = {EVENTS_FILE, EDGE_FILE, JOURNAL_FILE};

/* ------------------------------------------------------------- opening ---- */

static int open_files(struct rescue *rescue)
{
    struct stat status;
    for (unsigned i = 0; i < RESCUE_FILES; i++) {
        int result =
            file_open(rescue->directory, rescue->path, names[i], O_RDONLY, &rescue->fds[i]);
        if (result && result != EVLOG_NOTFOUND)
            return result;
        if (result == EVLOG_OK && fstat(rescue->fds[i], &status) == 0)
            rescue->total_size += (uint64_t)status.st_size;
    }
    return EVLOG_OK;
}

int rescue_open(struct rescue *rescue, const char *path)
{
    *rescue = (struct rescue){
        .path = path, .fds = {-1, -1, -1}, .erased_type = types_number(ERASED_TYPE)};
    rescue->directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (rescue->directory < 0)
        return error_errno(errno, "opening", path);
    int result = format_read(rescue->directory, path, &rescue->format);
    if (result == EVLOG_NOTFOUND)
        result = error_set(EVLOG_DAMAGED, "%s: its file " FORMAT_FILE " is gone", path);
    if (result == EVLOG_OK)
        result = open_files(rescue);
    if (result)
        return result;
    int events = rescue->fds[RESCUE_EVENTS];
    bool is_any = false;
    if (events >= 0 && (result = presence_is_any(events, &is_any)))
        return result;
    if (is_any)
        return error_set(EVLOG_BUSY, "%s: a process has the log open for writing", path);
    rescue->is_same_boot =
        events >= 0 && shared_is_same_boot(rescue->directory, SHARED_FILE, events);
    return rescue_know(rescue, 0, record_origin(rescue->format.origin));
}

void rescue_close(struct rescue *rescue)
{
    for (unsigned i = 0; i < RESCUE_FILES; i++)
        if (rescue->fds[i] >= 0)
            close(rescue->fds[i]);
    if (rescue->directory >= 0)
        close(rescue->directory);
    finds_free(&rescue->finds);
    free(rescue->erased);
    free(rescue->bytes);
}

int rescue_know(struct rescue *rescue, uint64_t seq, uint64_t chain)
{
    if (chain == 0 && seq > rescue->known_seq)
        rescue->known_seq = seq;
    if (chain == 0)
        return EVLOG_OK;
    return finds_add(&rescue->finds,
                     &(struct find){.seq = seq, .chain = chain, .marks = FIND_FACT});
}

/* ------------------------------------------------------------ the tree ---- */

static int add(struct rescue *rescue, const struct record *record, uint64_t place, size_t size,
               unsigned marks)
{
    bool is_erased = record->flags & RECORD_ERASED, has_more = record->flags & RECORD_MORE;
    struct find find = {
        .seq = record->seq,
        .chain = record->chain,
        .prev = record->prev,
        .log_time_us = record->log_time_us,
        .place = place,
        .size = (uint32_t)size,
        .era = record->era,
        .file = (uint8_t)rescue->file,
        .marks = (uint8_t)(marks | FIND_HAS_BYTES | (is_erased ? FIND_ERASED : 0) |
                           (has_more ? FIND_MORE : 0) |
                           (record->type == rescue->erased_type ? FIND_ERASES : 0)),
    };
    return finds_add(&rescue->finds, &find);
}

/* Adds the record of a node of the tree, if it is sound. */
static int add_node(struct rescue *rescue, const struct page_snapshot *tree,
                    const unsigned char *leaf, const struct page_node *node)
{
    struct record record;
    unsigned char *value;
    if (node->key_size != sizeof(uint64_t))
        return EVLOG_OK;
    int result = page_copy(tree, node, RECORD_SIZE_MAX, &value, NULL);
    if (result)
        return result == EVLOG_NOMEM ? result : EVLOG_OK;
    uint64_t place = node->overflow * tree->page_size + PAGE_HEADER_SIZE;
    if (node->data)
        place = page_number(leaf) * tree->page_size +
                (uint64_t)((const unsigned char *)node->data - leaf);
    if (record_decode(be64_load(node->key), value, node->data_size, &record) == EVLOG_OK)
        result = add(rescue, &record, place, node->data_size, FIND_LIVE);
    free(value);
    return result;
}

static int add_leaf(struct rescue *rescue, const struct page_snapshot *tree,
                    const unsigned char *leaf)
{
    int result = EVLOG_OK;
    for (unsigned i = 0; result == EVLOG_OK && i < page_node_count(leaf); i++) {
        struct page_node node;
        page_node_at(leaf, i, &node);
        result = add_node(rescue, tree, leaf, &node);
    }
    return result;
}

/* The records that the tree leads to. A page that is not sound, or that the disk does not give, is passed over. */
static int add_tree(struct rescue *rescue, const struct page_snapshot *tree)
{
    struct page_cursor cursor = {.snapshot = tree};
    int result = page_seek(&cursor, "", 0), added = EVLOG_OK;
    for (uint64_t left = tree->last_page; left > 0 && !added; left--) { /* of a forged tree */
        if (result == EVLOG_OK)
            added = add_leaf(rescue, tree, cursor.leaf);
        else if (result != EVLOG_DAMAGED && result != EVLOG_IO)
            break;
        if (!added)
            result = page_next_leaf(&cursor);
    }
    page_cursor_free(&cursor);
    return added || result == EVLOG_NOMEM ? (added ? added : result) : EVLOG_OK;
}

/* The seq at one end of the tree, `key` NULL: the last, if its record is sound; else 0. */
static uint64_t end_of(const struct page_snapshot *tree, const char *key)
{
    struct page_cursor cursor = {.snapshot = tree};
    struct page_node node;
    struct record record;
    uint64_t seq = 0;
    if (page_seek(&cursor, key, 0) == EVLOG_OK && page_cursor_node(&cursor, &node) == EVLOG_OK &&
        node.key_size == sizeof seq)
        seq = be64_load(node.key);
    page_cursor_free(&cursor);
    return seq && record_load(tree, seq, &record) == EVLOG_OK && record.seq == seq ? seq : 0;
}

/*
 * Where the tree ends: for sure, if no meta page of a later commit can have been lost, and it has as many events as it
 * says; else by the count of its events.
 */
static int note_end(struct rescue *rescue, const struct page_snapshot *tree,
                    const struct edge_state *flushed)
{
    bool is_whole = (tree->last_page + 1) * tree->page_size <= tree->file_size;
    uint64_t first = end_of(tree, ""), last = end_of(tree, NULL);
    if (!first || !tree->entries || tree->entries > tree->file_size / RECORD_HEAD_SIZE)
        return EVLOG_OK;
    if (is_whole && flushed->txnid <= tree->txnid && first + tree->entries - 1 == last &&
        proof_succession(tree, 0) == EVLOG_OK)
        rescue->end_seq = last;
    return rescue_know(rescue, first + tree->entries - 1, 0);
}

static int read_flushed(struct rescue *rescue, struct edge_state *flushed)
{
    struct edge *edge;
    *flushed = (struct edge_state){.txnid = 0};
    int result = edge_open(rescue->directory, rescue->path, O_RDONLY, rescue->format.uuid, &edge);
    if (result)
        return result == EVLOG_NOMEM ? result : EVLOG_OK;
    result = edge_read(edge, flushed);
    edge_close(edge);
    if (result)
        return result == EVLOG_NOMEM ? result : EVLOG_OK;
    return rescue_know(rescue, flushed->seq, flushed->chain);
}

static int find_in_tree(struct rescue *rescue)
{
    struct edge_state flushed;
    struct page_snapshot tree;
    int result = read_flushed(rescue, &flushed);
    rescue->file = RESCUE_EVENTS;
    if (result == EVLOG_OK && rescue->fds[RESCUE_EVENTS] >= 0 &&
        meta_read(rescue->fds[RESCUE_EVENTS], EVENTS_FILE, &tree) == EVLOG_OK) {
        result = note_end(rescue, &tree, &flushed);
        if (result == EVLOG_OK)
            result = add_tree(rescue, &tree);
    }
    edge_state_free(&flushed);
    return result;
}

/* ----------------------------------------------------------- the bytes ---- */

static int take(const struct scan_find *find, void *ctx)
{
    struct rescue *rescue = ctx;
    unsigned marks = find->is_framed ? FIND_FRAMED : 0;
    if (rescue->visit) {
        int result =
            rescue->visit(rescue->done_size + find->place, rescue->total_size, rescue->ctx);
        if (result)
            return result;
    }
    if (find->is_in_journal && !(rescue->is_same_boot && rescue->end_seq))
        marks |= FIND_IN_JOURNAL;
    return add(rescue, &find->record, find->place, find->size, marks);
}

static int find_in_bytes(struct rescue *rescue)
{
    struct stat status;
    for (unsigned i = 0; i < RESCUE_FILES; i++) {
        if (rescue->fds[i] < 0)
            continue;
        rescue->file = i;
        struct scan_file file = {.fd = rescue->fds[i],
                                 .name = names[i],
                                 .uuid = i == RESCUE_JOURNAL ? rescue->format.uuid : NULL};
        int result = scan_records(&file, take, rescue);
        rescue->unreadable_count += file.unreadable_count;
        if (result)
            return result;
        if (fstat(rescue->fds[i], &status) == 0)
            rescue->done_size += (uint64_t)status.st_size;
    }
    return EVLOG_OK;
}

/* ----------------------------------------------------- what was decided ---- */

/* Reads a record that was found; rescue->bytes has it then. EVLOG_DAMAGED: it is not there any more. EVLOG_NOMEM. */
static int read_find(struct rescue *rescue, const struct find *find, struct record *record)
{
    size_t count;
    if (find->size > rescue->room) {
        unsigned char *larger = realloc(rescue->bytes, find->size);
        if (!larger)
            return error_nomem();
        rescue->bytes = larger;
        rescue->room = find->size;
    }
    scan_read(rescue->fds[find->file], rescue->bytes, find->size, find->place, &count,
              &rescue->unreadable_count);
    int result = count < find->size ? error_set(EVLOG_DAMAGED, "the file was cut short")
                                    : record_decode(find->seq, rescue->bytes, count, record);
    return result ? error_prefix(result, "%s/%s: changes while it is read", rescue->path,
                                 names[find->file])
                  : EVLOG_OK;
}

int rescue_erased(struct rescue *rescue, uint64_t seq)
{
    if (rescue->erased_count == rescue->erased_room) {
        size_t room = rescue->erased_room ? 2 * rescue->erased_room : 64;
        uint64_t *larger = realloc(rescue->erased, room * sizeof *larger);
        if (!larger)
            return error_nomem();
        rescue->erased = larger;
        rescue->erased_room = room;
    }
    rescue->erased[rescue->erased_count++] = seq;
    return EVLOG_OK;
}

static int compare_seqs(const void *a, const void *b)
{
    uint64_t first = *(const uint64_t *)a, second = *(const uint64_t *)b;
    return (first > second) - (first < second);
}

/* Leaves out whole records of events that were erased. */
static int drop_erased(struct rescue *rescue)
{
    struct finds *finds = &rescue->finds;
    struct record record;
    size_t count = 0;
    for (size_t i = 0; i < finds->count; i++) {
        int result = EVLOG_OK;
        if (finds->all[i].marks & FIND_ERASES)
            result = read_find(rescue, &finds->all[i], &record);
        if (result == EVLOG_OK && finds->all[i].marks & FIND_ERASES)
            result = rescue_erased(rescue, erase_noted_seq(&record));
        if (result)
            return result;
    }
    if (rescue->erased_count == 0)
        return EVLOG_OK;
    qsort(rescue->erased, rescue->erased_count, sizeof *rescue->erased, compare_seqs);
    for (size_t i = 0; i < finds->count; i++) {
        const struct find *find = &finds->all[i];
        if (find->marks & FIND_ERASED ||
            !bsearch(&find->seq, rescue->erased, rescue->erased_count, sizeof *rescue->erased,
                     compare_seqs))
            finds->all[count++] = *find;
    }
    finds->count = count;
    return EVLOG_OK;
}

int rescue_find(struct rescue *rescue, const struct floor_place *floor)
{
    struct finds_limits limits = {.first_seq = floor->first_seq};
    int result = rescue_know(rescue, floor->first_seq - 1, floor->chain);
    if (result == EVLOG_OK)
        result = find_in_tree(rescue);
    if (result == EVLOG_OK)
        result = find_in_bytes(rescue);
    if (result)
        return result;
    limits.end_seq = rescue->end_seq;
    limits.known_seq = rescue->known_seq;
    result = finds_choose(&rescue->finds, &limits, &rescue->last_seq);
    return result ? result : drop_erased(rescue);
}

int rescue_next(struct rescue *rescue, struct record *record, const unsigned char **bytes,
                size_t *size)
{
    *bytes = NULL;
    if (rescue->at == rescue->finds.count)
        return EVLOG_OK;
    const struct find *find = &rescue->finds.all[rescue->at++];
    int result = read_find(rescue, find, record);
    if (result)
        return result;
    *bytes = rescue->bytes;
    *size = find->size;
    return EVLOG_OK;
}
