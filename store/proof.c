/*
 * Whether liblmdb may write to a file: its list of free pages.
 *
 * liblmdb takes pages for what it writes from a list, which it believes: an entry for each
 * transaction that has freed pages, their numbers in descending order. One flipped bit there makes it
 * overwrite pages that are in use, or crash. So it is proved:
 *
 *   1. each number is of a page of the file behind the two meta pages
 *   2. the numbers of an entry descend, and no page is in the list twice
 *   3. no page of the list is in use, by the tree of records or by the list itself
 *   4. free + in use + lost + 2 = last page + 1: no page is missing, but for those that were lost when a list was
 *      given up (edge.c)
 *
 * 4 finds also the loss of an entry. One bit for each page says that it was met.
 *
 * The two meta pages belong to successive commits, and one flipped bit of a number can make the older the
 * newer. Then an acknowledged commit would be lost. But pages are only added to a file, so the last page of
 * a commit is never less than that of the one before; and each commit frees the root of the one before,
 * under its own number, where the next commit takes nothing from. So the newest is not the last when
 * the other one counts more pages, or has freed the root of the newest. A bit that takes two from the
 * number of the last one leaves a list with a later key, as does a commit whose meta page could not be
 * written (meta.c): the last commit's number in `shared` distinguishes them. A process that was killed
 * while it stored into a mapped meta page leaves more pages under the older number, too.
 *
 * When a log is closed, a checksum over all that liblmdb will believe is noted in `shared`: as long as it
 * fits, the proof need not be made again.
 *
 * Cost: the branches of the tree are read, not its leaves: 5,000 pages for a million. When the tree has
 * overflow pages their numbers are in the leaves: then these are read as well, once.
 */
#include "proof.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "edge.h"
#include "error.h"
#include "freelist.h"
#include "meta.h"

struct proof {
    const struct page_snapshot *snapshot;
    unsigned char *met; /* a bit for each page */
    uint64_t count;     /* of bits that are set */
};

/* Notes a page that is in use or free. */
static int meet(struct proof *proof, uint64_t pgno, const char *how)
{
    const struct page_snapshot *snapshot = proof->snapshot;
    if (pgno < 2 || pgno > snapshot->last_page)
        return error_set(EVLOG_DAMAGED, "%s: page %" PRIu64 ", %s, is outside the file",
                         snapshot->name, pgno, how);
    unsigned char *byte = &proof->met[pgno / 8], bit = (unsigned char)(1 << pgno % 8);
    if (*byte & bit)
        return error_set(EVLOG_DAMAGED,
                         "%s: page %" PRIu64 ", %s, is in use or free elsewhere too",
                         snapshot->name, pgno, how);
    *byte |= bit;
    proof->count++;
    return EVLOG_OK;
}

static int meet_used(uint64_t pgno, const unsigned char *page, void *ctx)
{
    (void)page;
    return meet(ctx, pgno, "in use");
}

static int meet_entry(const struct freelist_entry *entry, void *ctx)
{
    struct proof *proof = ctx;
    uint64_t last = UINT64_MAX;
    for (uint64_t i = 0; i < entry->count; i++) {
        uint64_t pgno = freelist_pgno(entry, i);
        if (pgno >= last)
            return error_set(EVLOG_DAMAGED, "%s: its list of free pages is not in order",
                             proof->snapshot->name);
        last = pgno;
        int result = meet(proof, pgno, "free");
        if (result)
            return result;
    }
    return EVLOG_OK;
}

int proof_count_lost(const struct page_snapshot *snapshot, uint64_t *lost_count)
{
    struct proof proof = {.snapshot = snapshot};
    struct page_snapshot list = meta_free_tree(snapshot);
    if ((snapshot->last_page + 1) * snapshot->page_size > snapshot->file_size)
        return error_set(EVLOG_DAMAGED, "%s: was cut short", snapshot->name);
    proof.met = calloc(1, snapshot->last_page / 8 + 1);
    if (!proof.met)
        return error_nomem();
    int result = page_each(&list, true, meet_used, &proof);
    if (result == EVLOG_OK)
        result = page_each(snapshot, false, meet_used, &proof);
    if (result == EVLOG_OK)
        result = freelist_each(snapshot, meet_entry, &proof);
    *lost_count = snapshot->last_page - 1 - proof.count;
    free(proof.met);
    return result;
}

int proof_pages(const struct page_snapshot *snapshot, uint64_t lost_count)
{
    uint64_t count;
    int result = proof_count_lost(snapshot, &count);
    if (result || count == lost_count || lost_count == PROOF_LOST_ANY)
        return result;
    if (lost_count == 0)
        return error_set(EVLOG_DAMAGED,
                         "%s: %" PRIu64 " of its pages are neither in use nor free",
                         snapshot->name, count);
    return error_set(EVLOG_DAMAGED,
                     "%s: %" PRIu64
                     " of its pages are neither in use nor free, instead of %" PRIu64,
                     snapshot->name, count, lost_count);
}

/* ----------------------------------------------------------- succession ---- */

/* Whether an entry of a list has a page. */
static int look_for_page(const struct page_snapshot *list, const struct page_node *node,
                         uint64_t pgno, bool *has)
{
    unsigned char *value;
    int result = page_copy(list, node, (list->last_page + 2) * 8, &value, NULL);
    if (result)
        return result;
    for (size_t at = 8; at + 8 <= node->data_size && !*has; at += 8)
        *has = memcmp(value + at, &pgno, sizeof pgno) == 0;
    free(value);
    return EVLOG_OK;
}

/*
 * The last entry of a state's list: its key, 0 when there is none, and, when the commit of the state itself
 * has made it, whether it has a page.
 */
static int look_at_last(const struct page_snapshot *state, uint64_t pgno, uint64_t *key,
                        bool *has)
{
    struct page_snapshot list = meta_free_tree(state);
    struct page_cursor cursor = {.snapshot = &list};
    struct page_node node;
    *key = 0;
    *has = false;
    int result = list.depth ? page_seek(&cursor, NULL, 0) : EVLOG_NOTFOUND;
    if (result == EVLOG_OK)
        result = page_cursor_node(&cursor, &node);
    if (result == EVLOG_OK && node.key_size == sizeof *key)
        memcpy(key, node.key, sizeof *key);
    if (result == EVLOG_OK && *key == state->txnid)
        result = look_for_page(&list, &node, pgno, has);
    page_cursor_free(&cursor);
    return result == EVLOG_NOTFOUND || result == EVLOG_DAMAGED ? EVLOG_OK : result;
}

int proof_is_last(const struct page_snapshot *newest, uint64_t committed_txnid)
{
    if (newest->txnid >= committed_txnid)
        return EVLOG_OK;
    return error_set(EVLOG_DAMAGED, "%s: its newest meta page is not the last one", newest->name);
}

int proof_succession(const struct page_snapshot *newest, uint64_t committed_txnid)
{
    struct page_snapshot other;
    uint64_t key;
    bool is_freed;
    if (newest->one_meta)
        return error_set(
            EVLOG_DAMAGED,
            "%s: one of its two meta pages is not sound, or is not of the commit before",
            newest->name);
    if (!meta_other(newest, &other))
        return EVLOG_OK;
    int result = look_at_last(&other, newest->root, &key, &is_freed);
    bool is_later = key > newest->txnid && key <= committed_txnid;
    bool is_shorter = newest->last_page < other.last_page && newest->txnid != committed_txnid;
    if (result == EVLOG_OK && (is_freed || is_later || is_shorter))
        result = proof_is_last(newest, UINT64_MAX);
    return result;
}

int proof_is_noted(const struct page_snapshot *snapshot, uint64_t noted_checksum, bool *is_noted)
{
    uint64_t checksum = 0;
    int result = EVLOG_OK;
    if (noted_checksum && !snapshot->one_meta)
        result = edge_checksum(snapshot, &checksum);
    *is_noted = result == EVLOG_OK && checksum && checksum == noted_checksum;
    return result;
}

int proof_whole(const struct page_snapshot *snapshot, uint64_t committed_txnid,
                uint64_t lost_count)
{
    struct page_cursor cursor = {.snapshot = snapshot};
    int result = proof_succession(snapshot, committed_txnid);
    if (result == EVLOG_OK)
        result = proof_pages(snapshot, lost_count);
    if (result == EVLOG_OK && snapshot->depth > 0)
        result = page_seek(&cursor, NULL, 0);
    if (result == EVLOG_OK && snapshot->depth > 0)
        result = page_check_writable(&cursor);
    page_cursor_free(&cursor);
    return result;
}

static int pass(uint64_t pgno, const unsigned char *page, void *ctx)
{
    (void)pgno;
    (void)page;
    (void)ctx;
    return 0;
}

int proof_all(const struct page_snapshot *snapshot, uint64_t committed_txnid)
{
    int result = proof_whole(snapshot, committed_txnid, 0);
    return result ? result : page_each(snapshot, true, pass, NULL);
}
