/*
 * How an older state of the tree of records ends: which event was the newest for a reader that holds it.
 *
 * liblmdb's table of readers has the transaction whose state one reads, and no time; where the tree of that
 * state began is not kept anywhere. But each transaction that changes the tree writes its root anew, and
 * frees the old one: so the pages that the next transaction has freed, which are on the list of free pages and as they
 * were while the reader holds them, have the root among them. From each of these pages it is gone down to
 * the last record, as if it were a root; the greatest seq is the one from the root, since what else was freed is
 * part of the same state.
 *
 * Pages of the tree of the list itself are freed too. Their keys are words of the machine, which as a seq are beyond
 * all that the log has.
 *
 * Cost: the list up to that entry, and a path for each of some pages. When the reader ends meanwhile, the answer may be
 * that of a later state, or none.
 */
#include "older.h"

#include "be64.h"
#include "error.h"
#include "freelist.h"

enum { FOUND = 1, PAGES_MAX = 256 };

struct older {
    const struct page_snapshot *newest;
    uint64_t txnid, last_seq;
    uint64_t seq_max; /* of the newest state */
};

/* The key of the last record below a page, as if it were the root of a tree of that depth; 0: it is not. */
static uint64_t last_seq_below(const struct page_snapshot *newest, uint64_t pgno, unsigned depth)
{
    struct page_snapshot tree = *newest;
    struct page_cursor cursor = {.snapshot = &tree};
    struct page_node node;
    uint64_t seq = 0;
    tree.root = pgno;
    tree.depth = depth;
    if (page_seek(&cursor, NULL, 0) == EVLOG_OK && page_cursor_node(&cursor, &node) == EVLOG_OK &&
        node.key_size == sizeof seq)
        seq = be64_load(node.key);
    page_cursor_free(&cursor);
    return seq;
}

static int look_at_entry(const struct freelist_entry *entry, void *ctx)
{
    struct older *older = ctx;
    if (entry->txnid <= older->txnid)
        return 0;
    if (entry->txnid > older->txnid + 1 || entry->count > PAGES_MAX)
        return FOUND;
    for (uint64_t i = 0; i < entry->count; i++) {
        uint64_t pgno = freelist_pgno(entry, i);
        for (unsigned depth = 1; depth <= older->newest->depth; depth++) {
            uint64_t seq =
                pgno > older->newest->last_page ? 0 : last_seq_below(older->newest, pgno, depth);
            if (seq <= older->seq_max && seq > older->last_seq)
                older->last_seq = seq;
        }
    }
    return FOUND;
}

uint64_t older_last_seq(const struct page_snapshot *newest, uint64_t txnid)
{
    struct older older = {.newest = newest, .txnid = txnid};
    if (newest->depth)
        older.seq_max = last_seq_below(newest, newest->root, newest->depth);
    if (freelist_each(newest, look_at_entry, &older) != FOUND)
        return 0;
    return older.last_seq;
}
