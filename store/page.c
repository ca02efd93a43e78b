/*
 * Reading the pages of an LMDB 0.9 file without trusting them.
 *
 * liblmdb follows the pointers in a page as it finds them: one flipped byte in a page header
 * crashes it one time in five. A log may come from an unknown source or from a bad disk, so
 * everything that evlog reads, it reads here, with pread(2) into memory of its own, and checks
 * each field before it is used. liblmdb writes, and holds the reader's slot that keeps a
 * snapshot's pages from being reused (env.h). Reading a copy costs less than it seems: a receiver
 * must have its event outside any transaction anyway, and without a mapping there is no SIGBUS
 * and no pointer that becomes invalid when the map grows.
 *
 * The file, numbers in the machine's byte order, words of 64 bits:
 *
 *   page      0 pgno 8 | 8 pad 2 | 10 flags 2 | 12 lower 2 | 14 upper 2 | 16 ...
 *             overflow pages have their count in 12 to 15
 *   meta      pages 0 and 1, which give a state and its root (meta.c)
 *   branch    at 16: offsets of nodes, 2 each, up to lower; nodes from upper on:
 *   and leaf  low 2 | high 2 | flags 2 | key size 2 | key | data
 *             branch: child = flags << 32 | high << 16 | low; the first key is empty
 *             leaf: data size = high << 16 | low; flag 1: the data is the 8 byte
 *             number of its first overflow page
 *
 * 1. A page that was loaded is sound: its number is its own, its kind is the one expected, and all
 *    its nodes lie inside it. Its users need not check that again.
 * 2. A page that is not sound costs its own subtree and no more: the branch above it says where
 *    the next one begins.
 * 3. The depth is limited, and a cursor moves only to later leaves. A forged tree whose branches
 *    share their children could still be walked for ever; a caller that walks must check that
 *    keys grow (reader.c and entries.c do).
 *
 * Cost: one pread a page, 0.4 to 1 us when cached; of leaves that lie side by side, one for as many as the caller has
 * room for; none for a branch that page_cache.c has. Absent: named databases, DUPSORT, files of 32-bit machines, which
 * hold no log.
 */
#include "page.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "file.h"
#include "page_cache.h"

_Static_assert(sizeof(size_t) == 8,
               "LMDB's file format depends on the word size: evlog is 64-bit");

enum { BRANCH = 1, LEAF = 2, OVERFLOW = 4 };
enum { NODE_BIG = 1, NODE_HEADER_SIZE = 8 };

static uint16_t get16(const unsigned char *at)
{
    uint16_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static uint32_t get32(const unsigned char *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static uint64_t get64(const unsigned char *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

/* --------------------------------------------------------------- pages ---- */

/* Reads pages that lie side by side, or the first `size` bytes of them. */
static int read_pages(const struct page_snapshot *snapshot, uint64_t pgno, void *bytes,
                      size_t size)
{
    const struct page_images *images = snapshot->images;
    int result =
        file_read_all(snapshot->fd, snapshot->name, bytes, size, pgno * snapshot->page_size);
    for (size_t i = 0; images && i < images->count; i++) {
        size_t at = (size_t)(images->pgnos[i] - pgno) * snapshot->page_size;
        if (images->pgnos[i] < pgno || at >= size)
            continue;
        size_t part = size - at < snapshot->page_size ? size - at : snapshot->page_size;
        memcpy((char *)bytes + at, images->bytes + i * snapshot->page_size, part);
        if (size == part)
            result = EVLOG_OK; /* all of it: whatever the file has */
    }
    return result;
}

uint64_t page_number(const unsigned char *page)
{
    return get64(page);
}

unsigned page_node_count(const unsigned char *page)
{
    return (get16(page + 12) - PAGE_HEADER_SIZE) / 2u;
}

static const unsigned char *node_start(const unsigned char *page, unsigned index)
{
    return page + get16(page + PAGE_HEADER_SIZE + 2 * index);
}

static uint64_t node_child(const unsigned char *node)
{
    return get16(node) | (uint64_t)get16(node + 2) << 16 | (uint64_t)get16(node + 4) << 32;
}

static size_t node_size(const unsigned char *node, int kind)
{
    size_t size = NODE_HEADER_SIZE + (size_t)get16(node + 6);
    if (kind == LEAF)
        size += get16(node + 4) & NODE_BIG ? sizeof(uint64_t) : get32(node);
    return size;
}

static bool node_is_sound(const unsigned char *page, uint32_t page_size, unsigned index, int kind)
{
    const unsigned char *node = node_start(page, index);
    size_t offset = (size_t)(node - page);
    if (offset < get16(page + 14) || offset % 2 || offset + NODE_HEADER_SIZE > page_size)
        return false;
    if (kind == LEAF && (get16(node + 4) & ~NODE_BIG))
        return false;
    return offset + node_size(node, kind) <= page_size;
}

static int check_page(const struct page_snapshot *snapshot, uint64_t pgno, int kind,
                      const unsigned char *page)
{
    uint32_t page_size = snapshot->page_size;
    size_t lower = get16(page + 12), upper = get16(page + 14);
    int sound = get64(page) == pgno && get16(page + 10) == kind && lower > PAGE_HEADER_SIZE &&
                lower % 2 == 0 && lower <= upper && upper <= page_size;
    unsigned count = sound ? page_node_count(page) : 0;
    for (unsigned i = 0; sound && i < count; i++)
        sound = node_is_sound(page, page_size, i, kind);
    if (!sound)
        return error_set(EVLOG_DAMAGED, "%s: page %" PRIu64 " is not sound", snapshot->name,
                         pgno);
    return EVLOG_OK;
}

static int load(const struct page_snapshot *snapshot, uint64_t pgno, int kind,
                unsigned char *page)
{
    if (pgno < 2 || pgno > snapshot->last_page)
        return error_set(EVLOG_DAMAGED,
                         "%s: a branch points to page %" PRIu64 ", outside the file",
                         snapshot->name, pgno);
    if (kind == BRANCH && page_cache_take(snapshot, pgno, page))
        return EVLOG_OK;
    int result = read_pages(snapshot, pgno, page, snapshot->page_size);
    if (result == EVLOG_OK)
        result = check_page(snapshot, pgno, kind, page);
    if (result == EVLOG_OK && kind == BRANCH)
        page_cache_keep(snapshot, pgno, page);
    return result;
}

void page_node_at(const unsigned char *leaf, unsigned index, struct page_node *node)
{
    const unsigned char *start = node_start(leaf, index);
    node->key = start + NODE_HEADER_SIZE;
    node->key_size = get16(start + 6);
    node->data_size = get32(start);
    node->data = start + NODE_HEADER_SIZE + node->key_size;
    node->overflow = 0;
    if (get16(start + 4) & NODE_BIG) {
        node->overflow = get64(node->data);
        node->data = NULL;
    }
}

/* Reads the first `size` bytes of a value's overflow pages. `is_exact`: it needs all of them. */
static int read_overflow(const struct page_snapshot *snapshot, const struct page_node *node,
                         bool is_exact, unsigned char *bytes, size_t size)
{
    uint64_t pgno = node->overflow, last = snapshot->last_page;
    uint64_t used = PAGE_HEADER_SIZE + (uint64_t)node->data_size;
    uint64_t pages = (used + snapshot->page_size - 1) / snapshot->page_size;
    if (pgno < 2 || pgno > last || pages > last - pgno + 1)
        return error_set(EVLOG_DAMAGED, "%s: overflow page %" PRIu64 " is outside the file",
                         snapshot->name, pgno);
    int result = read_pages(snapshot, pgno, bytes, size);
    if (result)
        return result;
    if (get64(bytes) != pgno || get16(bytes + 10) != OVERFLOW || get32(bytes + 12) < pages ||
        (is_exact && get32(bytes + 12) > pages))
        return error_set(EVLOG_DAMAGED, "%s: overflow page %" PRIu64 " is not sound",
                         snapshot->name, pgno);
    return EVLOG_OK;
}

int page_read_overflow(const struct page_snapshot *snapshot, const struct page_node *node,
                       unsigned char *bytes)
{
    return read_overflow(snapshot, node, false, bytes,
                         PAGE_HEADER_SIZE + (size_t)node->data_size);
}

/* -------------------------------------------------------------- cursor ---- */

void page_cursor_free(struct page_cursor *cursor)
{
    free(cursor->pages);
    *cursor = (struct page_cursor){.snapshot = cursor->snapshot};
}

static unsigned char *page_at(const struct page_cursor *cursor, unsigned level)
{
    const struct page_snapshot *snapshot = cursor->snapshot;
    bool is_leaf = level + 1 == snapshot->depth;
    return is_leaf ? cursor->leaf : cursor->pages + (size_t)level * snapshot->page_size;
}

const unsigned char *page_on_path(const struct page_cursor *cursor, unsigned level)
{
    return page_at(cursor, level);
}

int page_key_compare(const void *a, size_t a_size, const void *b, size_t b_size)
{
    int order = memcmp(a, b, a_size < b_size ? a_size : b_size);
    return order ? order : (a_size > b_size) - (a_size < b_size);
}

static int node_compare(const unsigned char *node, const void *key, size_t key_size)
{
    return page_key_compare(node + NODE_HEADER_SIZE, get16(node + 6), key, key_size);
}

/* The first node from `low` on that is not less than the key; count when all are. */
static unsigned lower_bound(const unsigned char *page, unsigned low, const void *key,
                            size_t key_size)
{
    unsigned high = page_node_count(page);
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (node_compare(node_start(page, middle), key, key_size) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/*
 * The node to go down by or, in a leaf, to stop at: of a key, or, NULL, the last. (The first node of
 * a branch has no key: it is less than all.)
 */
static unsigned choose_node(const unsigned char *page, bool is_leaf, const void *key,
                            size_t key_size)
{
    unsigned count = page_node_count(page);
    if (!key)
        return count - 1;
    unsigned index = lower_bound(page, !is_leaf, key, key_size);
    if (is_leaf || (index < count && node_compare(node_start(page, index), key, key_size) == 0))
        return index;
    return index - 1;
}

/*
 * How many leaves lie side by side in the file from the one on, that the branch above has at `index`: as many as there
 * is room for, and none that begins after what is wanted.
 */
static unsigned count_adjacent(const struct page_cursor *cursor, const unsigned char *branch,
                               unsigned index)
{
    const struct page_snapshot *snapshot = cursor->snapshot;
    uint64_t pgno = node_child(node_start(branch, index));
    unsigned most = page_node_count(branch) - index, count = 1;
    if (most > cursor->leaf_max)
        most = cursor->leaf_max;
    for (; count < most && pgno + count <= snapshot->last_page; count++) {
        const unsigned char *node = node_start(branch, index + count);
        if (node_child(node) != pgno + count ||
            node_compare(node, cursor->until, cursor->until_size) > 0)
            break;
    }
    return count;
}

/* Reads a leaf, and those beside it that are wanted, in one call; or takes one that was read so. */
static int load_leaf(struct page_cursor *cursor, uint64_t pgno)
{
    const struct page_snapshot *snapshot = cursor->snapshot;
    unsigned depth = snapshot->depth, count = 1;
    if (cursor->ahead_count > 0) {
        cursor->ahead_count--;
        cursor->leaf += snapshot->page_size;
        return check_page(snapshot, pgno, LEAF, cursor->leaf);
    }
    if (depth > 1 && cursor->leaf_max > 1 && pgno >= 2)
        count =
            count_adjacent(cursor, page_at(cursor, depth - 2), cursor->level[depth - 2].index);
    if (count == 1 ||
        read_pages(snapshot, pgno, cursor->leaf, (size_t)count * snapshot->page_size))
        return load(snapshot, pgno, LEAF, cursor->leaf);
    cursor->ahead_count = count - 1;
    return check_page(snapshot, pgno, LEAF, cursor->leaf);
}

/* From the pages that are on the path down to a leaf. */
static int descend(struct page_cursor *cursor, const void *key, size_t key_size)
{
    const struct page_snapshot *snapshot = cursor->snapshot;
    while (cursor->level_count < snapshot->depth) {
        unsigned level = cursor->level_count;
        bool is_leaf = level + 1 == snapshot->depth;
        unsigned char *page = page_at(cursor, level);
        uint64_t pgno = snapshot->root;
        if (level > 0)
            pgno = node_child(
                node_start(page_at(cursor, level - 1), cursor->level[level - 1].index));
        int result = is_leaf ? load_leaf(cursor, pgno) : load(snapshot, pgno, BRANCH, page);
        if (result)
            return result;
        page = page_at(cursor, level);
        cursor->level[level].count = page_node_count(page);
        cursor->level[level].index = choose_node(page, is_leaf, key, key_size);
        cursor->level_count++;
    }
    return EVLOG_OK;
}

int page_seek(struct page_cursor *cursor, const void *key, size_t key_size)
{
    const struct page_snapshot *snapshot = cursor->snapshot;
    cursor->level_count = 0;
    cursor->ahead_count = 0;
    if (snapshot->depth == 0)
        return error_set(EVLOG_NOTFOUND, "%s: is empty", snapshot->name);
    if (!cursor->pages)
        cursor->pages = malloc((size_t)snapshot->depth * snapshot->page_size);
    if (!cursor->pages)
        return error_nomem();
    if (!cursor->leaf)
        cursor->leaf = cursor->pages + (size_t)(snapshot->depth - 1) * snapshot->page_size;
    return descend(cursor, key, key_size);
}

/*
 * Whether all keys between which the key lies are in this page, or below it: of a branch, not below its first or last
 * node.
 */
static bool is_inside(const unsigned char *page, bool is_leaf, const void *key, size_t key_size)
{
    unsigned first = is_leaf ? 0 : 1, count = page_node_count(page);
    return count > first && node_compare(node_start(page, first), key, key_size) <= 0 &&
           node_compare(node_start(page, count - 1), key, key_size) >= 0;
}

int page_seek_near(struct page_cursor *cursor, const void *key, size_t key_size)
{
    unsigned leaf_level = cursor->snapshot->depth - 1, level = cursor->level_count;
    while (level > 0 &&
           !is_inside(page_at(cursor, level - 1), level - 1 == leaf_level, key, key_size))
        level--;
    if (level == 0)
        return page_seek(cursor, key, key_size);
    cursor->level_count = level--;
    cursor->level[level].index =
        choose_node(page_at(cursor, level), level == leaf_level, key, key_size);
    cursor->ahead_count = 0;
    return descend(cursor, key, key_size);
}

/* The lowest level of branches that has a child to the right; -1: none. */
static int level_with_next(const struct page_cursor *cursor)
{
    int branches = (int)cursor->snapshot->depth - 1;
    int level = (int)cursor->level_count < branches ? (int)cursor->level_count : branches;
    while (--level >= 0)
        if (cursor->level[level].index + 1 < cursor->level[level].count)
            return level;
    return -1;
}

int page_next_leaf(struct page_cursor *cursor)
{
    int level = level_with_next(cursor);
    if (level < 0)
        return error_set(EVLOG_NOTFOUND, "%s: has no more leaves", cursor->snapshot->name);
    cursor->level[level].index++;
    cursor->level_count = (unsigned)level + 1;
    return descend(cursor, "", 0);
}

bool page_next_key(const struct page_cursor *cursor, const void **key, size_t *key_size)
{
    int level = level_with_next(cursor);
    if (level < 0)
        return 0;
    const unsigned char *node =
        node_start(page_at(cursor, (unsigned)level), cursor->level[level].index + 1);
    *key = node + NODE_HEADER_SIZE;
    *key_size = get16(node + 6);
    return 1;
}

unsigned page_cursor_index(const struct page_cursor *cursor)
{
    return cursor->level[cursor->snapshot->depth - 1].index;
}

int page_cursor_node(struct page_cursor *cursor, struct page_node *node)
{
    if (page_cursor_index(cursor) == page_node_count(cursor->leaf)) {
        int result = page_next_leaf(cursor);
        if (result)
            return result;
    }
    page_node_at(cursor->leaf, page_cursor_index(cursor), node);
    return EVLOG_OK;
}

void page_cursor_step(struct page_cursor *cursor)
{
    cursor->level[cursor->snapshot->depth - 1].index++;
}

void page_clear_unused(unsigned char *page)
{
    size_t lower = get16(page + 12), upper = get16(page + 14);
    memset(page + lower, 0, upper - lower);
}

/* Whether the nodes fill the page from `upper` to its end, as liblmdb assumes. */
static bool is_packed(const unsigned char *page, uint32_t page_size)
{
    size_t used = 0;
    for (unsigned i = 0; i < page_node_count(page); i++) {
        size_t size = node_size(node_start(page, i), get16(page + 10));
        used += size + size % 2;
    }
    return used == page_size - get16(page + 14);
}

static int check_packed(const struct page_snapshot *snapshot, const unsigned char *page)
{
    if (is_packed(page, snapshot->page_size))
        return EVLOG_OK;
    return error_set(EVLOG_DAMAGED,
                     "%s: the nodes of page %" PRIu64 " are not as long as they say",
                     snapshot->name, get64(page));
}

static int compare_nodes(const unsigned char *a, const unsigned char *b)
{
    return node_compare(a, b + NODE_HEADER_SIZE, get16(b + 6));
}

/* The nodes of branches between whose keys those of a page lie: from `low` on, before `high`. */
struct bounds {
    const unsigned char *low, *high; /* or NULL */
};

/* The bounds of the page on the path below `level`, by those of the one there. */
static struct bounds bounds_below(const struct page_cursor *cursor, unsigned level,
                                  struct bounds bounds)
{
    const unsigned char *branch = page_at(cursor, level);
    unsigned index = cursor->level[level].index;
    if (index > 0)
        bounds.low = node_start(branch, index);
    if (index + 1 < cursor->level[level].count)
        bounds.high = node_start(branch, index + 1);
    return bounds;
}

static bool is_ordered(const unsigned char *page, struct bounds bounds)
{
    unsigned count = page_node_count(page);
    unsigned first = get16(page + 10) == BRANCH ? 1 : 0; /* without a key */
    if (first == count)
        return true;
    if (bounds.low && compare_nodes(node_start(page, first), bounds.low) < 0)
        return false;
    for (unsigned i = first + 1; i < count; i++)
        if (compare_nodes(node_start(page, i - 1), node_start(page, i)) >= 0)
            return false;
    return !bounds.high || compare_nodes(node_start(page, count - 1), bounds.high) < 0;
}

static int check_nodes(const struct page_snapshot *snapshot, const unsigned char *page,
                       struct bounds bounds)
{
    int result = check_packed(snapshot, page);
    if (result || is_ordered(page, bounds))
        return result;
    return error_set(EVLOG_DAMAGED, "%s: the keys of page %" PRIu64 " are not in order",
                     snapshot->name, get64(page));
}

bool page_leaf_is_in_place(const struct page_cursor *cursor)
{
    const unsigned char *leaf = cursor->leaf;
    unsigned depth = cursor->snapshot->depth, count = page_node_count(leaf);
    struct bounds bounds = {NULL, NULL};
    for (unsigned level = 0; level + 1 < depth; level++)
        bounds = bounds_below(cursor, level, bounds);
    return (!bounds.low || compare_nodes(node_start(leaf, 0), bounds.low) >= 0) &&
           (!bounds.high || compare_nodes(node_start(leaf, count - 1), bounds.high) < 0);
}

int page_check_node(const struct page_cursor *cursor)
{
    unsigned char head[PAGE_HEADER_SIZE];
    struct page_node node;
    if (page_cursor_index(cursor) == page_node_count(cursor->leaf))
        return EVLOG_OK;
    page_node_at(cursor->leaf, page_cursor_index(cursor), &node);
    return node.data ? EVLOG_OK : read_overflow(cursor->snapshot, &node, true, head, sizeof head);
}

int page_check_writable(const struct page_cursor *cursor)
{
    const struct page_snapshot *snapshot = cursor->snapshot;
    struct bounds bounds = {NULL, NULL};
    for (unsigned level = 0; level < snapshot->depth; level++) {
        int result = check_nodes(snapshot, page_at(cursor, level), bounds);
        if (result)
            return result;
        if (level + 1 < snapshot->depth)
            bounds = bounds_below(cursor, level, bounds);
    }
    return page_check_node(cursor);
}

enum side { BEFORE, BEHIND };

/*
 * The child of a branch that lies beside the one at `index`: in this branch, or at the end of the
 * branch beside it, if there is one.
 */
static bool child_beside(const unsigned char *branch, unsigned index,
                         const unsigned char *branch_beside, enum side side, uint64_t *pgno)
{
    bool is_inside = side == BEFORE ? index > 0 : index + 1 < page_node_count(branch);
    if (!is_inside && !branch_beside)
        return false;
    const unsigned char *from = is_inside ? branch : branch_beside;
    unsigned last = page_node_count(from) - 1;
    if (is_inside)
        *pgno = node_child(node_start(from, side == BEFORE ? index - 1 : index + 1));
    else
        *pgno = node_child(node_start(from, side == BEFORE ? last : 0));
    return true;
}

/* Looks at the pages beside those on the path, on one side, level by level; `pages`: room for two. */
static int check_beside(const struct page_cursor *cursor, enum side side, unsigned char *pages)
{
    const struct page_snapshot *snapshot = cursor->snapshot;
    const unsigned char *above = NULL;
    struct bounds bounds = {NULL, NULL};
    uint64_t pgno;
    for (unsigned level = 1; level < snapshot->depth; level++) {
        unsigned char *page = pages + (size_t)(level % 2) * snapshot->page_size;
        bool is_leaf = level + 1 == snapshot->depth;
        bounds = bounds_below(cursor, level - 1, bounds);
        if (!child_beside(page_at(cursor, level - 1), cursor->level[level - 1].index, above, side,
                          &pgno))
            continue;
        struct bounds beside = side == BEFORE ? (struct bounds){NULL, bounds.low}
                                              : (struct bounds){bounds.high, NULL};
        int result = load(snapshot, pgno, is_leaf ? LEAF : BRANCH, page);
        if (result == EVLOG_OK)
            result = check_nodes(snapshot, page, beside);
        if (result)
            return result;
        above = page;
    }
    return EVLOG_OK;
}

int page_check_deletable(const struct page_cursor *cursor)
{
    int result = page_check_writable(cursor);
    if (result || cursor->snapshot->depth < 2)
        return result;
    unsigned char *pages = malloc((size_t)2 * cursor->snapshot->page_size);
    if (!pages)
        return error_nomem();
    result = check_beside(cursor, BEFORE, pages);
    if (result == EVLOG_OK)
        result = check_beside(cursor, BEHIND, pages);
    free(pages);
    return result;
}

/* ---------------------------------------------------- all pages of a tree ---- */

struct each {
    const struct page_snapshot *tree;
    bool with_content;
    unsigned char *pages; /* one for each level, and one for overflow pages */
    int (*visit)(uint64_t pgno, const unsigned char *page, void *ctx);
    void *ctx;
};

/* The first of the pages has a header; of the last, what is behind the data is cleared. */
static int each_overflow(const struct each *each, const struct page_node *node)
{
    const struct page_snapshot *tree = each->tree;
    unsigned char *page = each->pages + (size_t)tree->depth * tree->page_size;
    uint64_t used = PAGE_HEADER_SIZE + (uint64_t)node->data_size;
    uint64_t count = (used + tree->page_size - 1) / tree->page_size;
    int result = read_overflow(tree, node, true, page, PAGE_HEADER_SIZE);
    for (uint64_t i = 0; result == EVLOG_OK && i < count; i++) {
        if (each->with_content)
            result = read_pages(tree, node->overflow + i, page, tree->page_size);
        if (each->with_content && i + 1 == count)
            memset(page + (used - i * tree->page_size), 0, count * tree->page_size - used);
        if (result == EVLOG_OK)
            result = each->visit(node->overflow + i, each->with_content ? page : NULL, each->ctx);
    }
    return result;
}

static int each_in_leaf(const struct each *each, const unsigned char *leaf)
{
    int result = EVLOG_OK;
    for (unsigned i = 0; result == EVLOG_OK && i < page_node_count(leaf); i++) {
        struct page_node node;
        page_node_at(leaf, i, &node);
        if (!node.data)
            result = each_overflow(each, &node);
    }
    return result;
}

static int each_below(const struct each *each, uint64_t pgno, unsigned level)
{
    const struct page_snapshot *tree = each->tree;
    unsigned char *page = each->pages + (size_t)level * tree->page_size;
    bool is_leaf = level + 1 == tree->depth;
    if (is_leaf && !each->with_content && tree->overflow_count == 0)
        return each->visit(pgno, NULL, each->ctx);
    int result = load(tree, pgno, is_leaf ? LEAF : BRANCH, page);
    if (result == EVLOG_OK && each->with_content) {
        page_clear_unused(page);
        result = check_packed(tree, page);
    }
    if (result == EVLOG_OK)
        result = each->visit(pgno, is_leaf && !each->with_content ? NULL : page, each->ctx);
    if (is_leaf)
        return result ? result : each_in_leaf(each, page);
    unsigned count = result ? 0 : page_node_count(page);
    for (unsigned i = 0; result == EVLOG_OK && i < count; i++)
        result = each_below(each, node_child(node_start(page, i)), level + 1);
    return result;
}

int page_each(const struct page_snapshot *tree, bool with_content,
              int (*visit)(uint64_t pgno, const unsigned char *page, void *ctx), void *ctx)
{
    struct each each = {.tree = tree, .with_content = with_content, .visit = visit, .ctx = ctx};
    if (tree->depth == 0)
        return EVLOG_OK;
    if (tree->depth > PAGE_DEPTH_MAX)
        return error_set(EVLOG_DAMAGED, "%s: a tree of %u levels", tree->name, tree->depth);
    each.pages = malloc((size_t)(tree->depth + 1) * tree->page_size);
    if (!each.pages)
        return error_nomem();
    int result = each_below(&each, tree->root, 0);
    free(each.pages);
    return result;
}

/* -------------------------------------------------------- a whole value ---- */

int page_copy(const struct page_snapshot *snapshot, const struct page_node *node, size_t size_max,
              unsigned char **data, const unsigned char **key)
{
    size_t size = PAGE_HEADER_SIZE + node->data_size;
    if (node->data_size > size_max)
        return error_set(EVLOG_DAMAGED, "%s: a value claims %zu bytes", snapshot->name,
                         node->data_size);
    unsigned char *copy = malloc(size + node->key_size);
    if (!copy)
        return error_nomem();
    int result = node->data ? EVLOG_OK : page_read_overflow(snapshot, node, copy);
    if (result) {
        free(copy);
        return result;
    }
    memmove(copy, node->data ? node->data : copy + PAGE_HEADER_SIZE, node->data_size);
    *data = copy;
    if (key)
        *key = memcpy(copy + size, node->key, node->key_size);
    return EVLOG_OK;
}
