/*
 * Reading liblmdb's list of free pages: a tree beside that of the records.
 *
 *   key    the number of the transaction that has freed the pages, a word
 *   value  words: a count, and that many numbers of pages, descending
 *
 * How liblmdb takes pages from it: a transaction T may use the entries of transactions before the oldest snapshot that
 * is read, which is T - 1 at the latest. It merges entries, the oldest first, into one list, and takes the
 * pages with the least numbers that are enough side by side: of one page the first, of more the beginning of
 * the first run that is long enough. When there is none it merges the next entry, up to 60 of them for each page of
 * a run; and then it takes new pages behind the last one. What is left is put back as entries of old numbers.
 *
 * So, of pieces of at most r pages, a run of n gives n - (r - 1) or more before one finds no place in it: a
 * piece is taken from its beginning, and what is left is shorter than r. (Runs of entries that are
 * merged are longer still.) The sum of these is what a transaction can have for certain.
 *
 * Where pages are scattered over entries, runs appear only as these are merged, and one may be taken from the middle
 * of what becomes a longer one: then it leaves two rests. So of the runs of all entries merged, each piece of k pages
 * costs k + (r - 1), and the last one finds a place while one page is left.
 *
 * A long record needs pages side by side, while single ones are taken before it and between; and what is left of
 * entries that were merged is put back as an entry that may be as long, when all else is done. Hence two sums:
 * of the records' pieces, and of the list's own, which are single pages as a rule.
 *
 * Cost: the pages of the list that are read; of the capacity, mostly one entry.
 */
#include "freelist.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>

#include <string.h>

#include "error.h"
#include "meta.h"

#define ENTRIES_FOR_PAGE 60 /* that liblmdb merges for each page of a run before it gives up */
#define NODE_SIZE 26        /* of an entry in a leaf, beside its numbers */

uint64_t freelist_pgno(const struct freelist_entry *entry, uint64_t i)
{
    uint64_t pgno;
    memcpy(&pgno, entry->pgnos + i * sizeof pgno, sizeof pgno);
    return pgno;
}

/* The keys ascend. */
static int read_key(const struct page_snapshot *snapshot, const struct page_node *node,
                    struct freelist_entry *entry)
{
    uint64_t txnid = 0;
    if (node->key_size == sizeof txnid)
        memcpy(&txnid, node->key, sizeof txnid);
    if (txnid <= entry->txnid || txnid > snapshot->txnid)
        return error_set(EVLOG_DAMAGED, "%s: its list of free pages has a wrong key",
                         snapshot->name);
    entry->txnid = txnid;
    return EVLOG_OK;
}

static int read_value(const struct page_snapshot *snapshot, const unsigned char *value,
                      size_t size, struct freelist_entry *entry)
{
    uint64_t count = 0;
    if (size >= sizeof count)
        memcpy(&count, value, sizeof count);
    if (size < sizeof count || size % 8 || count != size / 8 - 1)
        return error_set(EVLOG_DAMAGED, "%s: an entry of its list of free pages has a wrong size",
                         snapshot->name);
    entry->count = count;
    entry->pgnos = value + sizeof count;
    return EVLOG_OK;
}

int freelist_each(const struct page_snapshot *snapshot,
                  int (*visit)(const struct freelist_entry *entry, void *ctx), void *ctx)
{
    struct page_snapshot list = meta_free_tree(snapshot);
    struct page_cursor cursor = {.snapshot = &list};
    struct freelist_entry entry = {.txnid = 0};
    struct page_node node;
    size_t size_max = (list.last_page + 2) * 8;
    int result = list.depth ? page_seek(&cursor, "", 0) : EVLOG_NOTFOUND;
    while (result == EVLOG_OK && (result = page_cursor_node(&cursor, &node)) == EVLOG_OK) {
        unsigned char *value;
        result = read_key(snapshot, &node, &entry);
        if (result == EVLOG_OK)
            result = page_copy(&list, &node, size_max, &value, NULL);
        if (result)
            break;
        result = read_value(snapshot, value, node.data_size, &entry);
        if (result == EVLOG_OK)
            result = visit(&entry, ctx);
        free(value);
        page_cursor_step(&cursor);
    }
    page_cursor_free(&cursor);
    return result == EVLOG_NOTFOUND ? EVLOG_OK : result;
}

/* ------------------------------------------------------------- capacity ---- */

/* Pages that are there in pieces of at most `run_max`. */
struct pieces {
    uint64_t run_max;
    uint64_t run_count; /* that have given pages */
    uint64_t page_count;
};

struct counting {
    const struct freelist_need *need;
    uint32_t page_size;
    uint64_t entry_count;
    uint64_t listed_count;   /* pages of the entries that were counted */
    struct pieces any, runs; /* those of `any` are as long as the list's own */
    uint64_t *pgnos;         /* of the entries in which runs are looked for */
    uint64_t kept_count, pgnos_max;
};

enum { ENOUGH = 1 }; /* beside the codes of the library, as what ends a walk */

/* Adds what a run gives for certain. */
static void add_run(struct pieces *pieces, uint64_t length)
{
    if (length < pieces->run_max)
        return;
    pieces->run_count++;
    pieces->page_count += length - (pieces->run_max - 1);
}

static void add_runs(struct pieces *pieces, const struct freelist_entry *entry)
{
    uint64_t length = 0, last = 0;
    for (uint64_t i = 0; i < entry->count; i++) {
        uint64_t pgno = freelist_pgno(entry, i);
        if (pgno + 1 != last) {
            add_run(pieces, length);
            length = 0;
        }
        length++;
        last = pgno;
    }
    add_run(pieces, length);
}

static uint64_t less_by(uint64_t count, uint64_t less)
{
    return count > less ? count - less : 0;
}

/* Each run that was counted gives as many pages less as pieces are longer. */
static void raise_run_max(struct pieces *pieces, uint64_t run_max)
{
    if (run_max <= pieces->run_max)
        return;
    pieces->page_count =
        less_by(pieces->page_count, (run_max - pieces->run_max) * pieces->run_count);
    pieces->run_max = run_max;
}

/* The pages side by side that an entry of so many needs at most. */
static uint64_t run_of_entry(const struct counting *counting, uint64_t count)
{
    return (PAGE_HEADER_SIZE + (count + 1) * 8) / counting->page_size + 1;
}

/* What the entries that are changed need of it themselves. */
static uint64_t pages_of_list(const struct counting *counting)
{
    uint64_t size = counting->listed_count * 8 + counting->entry_count * NODE_SIZE;
    return size / counting->page_size + 2 * counting->any.run_max;
}

/* Keeps the numbers of an entry. */
static int keep(struct counting *counting, const struct freelist_entry *entry)
{
    uint64_t count = counting->kept_count + entry->count;
    if (count > counting->pgnos_max) {
        uint64_t *pgnos = realloc(counting->pgnos, 2 * count * sizeof *pgnos);
        if (!pgnos)
            return error_nomem();
        counting->pgnos = pgnos;
        counting->pgnos_max = 2 * count;
    }
    if (entry->count)
        memcpy(counting->pgnos + counting->kept_count, entry->pgnos, entry->count * 8);
    counting->kept_count = count;
    return EVLOG_OK;
}

static int add_entry(const struct freelist_entry *entry, void *ctx)
{
    struct counting *counting = ctx;
    const struct freelist_need *need = counting->need;
    if (entry->txnid >= need->oldest_txnid)
        return ENOUGH;
    bool has_runs =
        need->run_page_count && counting->entry_count < need->run_max * ENTRIES_FOR_PAGE;
    int result = has_runs ? keep(counting, entry) : EVLOG_OK;
    if (result)
        return result;
    counting->entry_count++;
    counting->listed_count += entry->count;
    raise_run_max(&counting->any, run_of_entry(counting, counting->listed_count));
    add_runs(&counting->any, entry);
    if (has_runs)
        add_runs(&counting->runs, entry);
    bool is_enough = counting->any.page_count >= need->page_count + pages_of_list(counting) &&
                     counting->runs.page_count >= need->run_page_count;
    return is_enough ? ENOUGH : 0;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x < y) - (x > y);
}

/* Whether runs can be had for certain where free pages lie side by side only when all entries are merged. */
static bool has_merged_runs(const struct counting *counting)
{
    struct pieces merged = {.run_max = counting->need->run_max};
    struct freelist_entry all = {.count = counting->kept_count,
                                 .pgnos = (const unsigned char *)counting->pgnos};
    if (all.count == 0)
        return false;
    qsort(counting->pgnos, all.count, sizeof *counting->pgnos, compare);
    add_runs(&merged, &all);
    return merged.page_count >= counting->need->merged_page_count;
}

int freelist_capacity(const struct page_snapshot *snapshot, const struct freelist_need *need,
                      struct freelist_capacity *capacity)
{
    struct counting counting = {
        .need = need,
        .page_size = snapshot->page_size,
        .any.run_max = 1,
        .runs.run_max = need->run_max,
    };
    int result = freelist_each(snapshot, add_entry, &counting);
    capacity->page_count = less_by(counting.any.page_count, pages_of_list(&counting));
    capacity->run_page_count = counting.runs.page_count;
    if (capacity->run_page_count < need->run_page_count && has_merged_runs(&counting))
        capacity->run_page_count = need->run_page_count;
    free(counting.pgnos);
    return result == ENOUGH ? EVLOG_OK : result;
}

struct summing {
    uint64_t since_txnid, page_count;
};

static int add_count(const struct freelist_entry *entry, void *ctx)
{
    struct summing *summing = ctx;
    summing->page_count += entry->txnid >= summing->since_txnid ? entry->count : 0;
    return 0;
}

int freelist_count(const struct page_snapshot *snapshot, uint64_t since_txnid,
                   uint64_t *page_count)
{
    struct summing summing = {.since_txnid = since_txnid};
    int result = freelist_each(snapshot, add_count, &summing);
    *page_count = summing.page_count;
    return result;
}
