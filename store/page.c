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
 *   meta      pages 0 and 1; at 16: magic 4 | version 4 | address 8 | mapsize 8 |
 *             two tables of 48: free pages, main | last page 8 | txnid 8
 *   table     page size 4 (the first) | flags 2 | depth 2 | branch, leaf, overflow pages,
 *             entries, root: 8 each; root ~0: empty
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

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "page_cache.h"

_Static_assert(sizeof(size_t) == 8,
               "LMDB's file format depends on the word size: evlog is 64-bit");

enum { BRANCH = 1, LEAF = 2, OVERFLOW = 4, META = 8 };
enum {
    TABLE_KIND = 0xff,
    INTEGER_KEY = 8
}; /* flags of the table of free pages, and of the file */
enum { NODE_BIG = 1, NODE_HEADER_SIZE = 8 };
enum { META_MAGIC = 16, META_VERSION = 20, META_FREE = 40, META_MAIN = 88, META_LAST_PAGE = 136 };
enum { META_TXNID = 144, META_END = PAGE_META_SIZE };
enum {
    TABLE_FLAGS = 4,
    TABLE_DEPTH = 6,
    TABLE_BRANCH = 8,
    TABLE_LEAF = 16,
    TABLE_OVERFLOW = 24,
    TABLE_ENTRIES = 32,
    TABLE_ROOT = 40
};
#define MAGIC 0xBEEFC0DEu
#define NO_PAGE UINT64_MAX

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

/* Reads `size` bytes: EVLOG_DAMAGED when the file ends before them. */
static int read_at(int fd, const char *name, void *bytes, size_t size, uint64_t offset)
{
    char *at = bytes;
    while (size > 0) {
        ssize_t count = pread(fd, at, size, (off_t)offset);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return error_errno(errno, "reading a page", name);
        if (count == 0)
            return error_set(EVLOG_DAMAGED, "%s: ends before byte %" PRIu64, name, offset + size);
        at += count;
        offset += (uint64_t)count;
        size -= (size_t)count;
    }
    return EVLOG_OK;
}

/* ---------------------------------------------------------- meta pages ---- */

/*
 * When a meta page could not be written, liblmdb takes it back: txnid and last page are then the
 * old ones again, the tables are not. It is the older of the two and in use by no transaction,
 * until the next commit overwrites it. Commit T writes meta page T % 2; both begin with txnid 0, so
 * when the first commit was taken back, both have it again, and liblmdb uses page 0.
 */
enum meta { UNSOUND, TAKEN_BACK, SOUND };

static enum meta meta_parse(const unsigned char *page, uint64_t pgno,
                            struct page_snapshot *snapshot)
{
    const unsigned char *main = page + META_MAIN;
    uint32_t page_size = get32(page + META_FREE);
    uint64_t last_page = get64(page + META_LAST_PAGE);
    uint64_t root = get64(main + TABLE_ROOT);
    unsigned depth = get16(main + TABLE_DEPTH);
    if (get64(page) != pgno || get16(page + 10) != META || get32(page + META_MAGIC) != MAGIC ||
        get32(page + META_VERSION) != 1)
        return UNSOUND;
    if (page_size < 512 || page_size > 65536 || (page_size & (page_size - 1)))
        return UNSOUND;
    if (get16(main + TABLE_FLAGS) != 0 ||
        (get16(page + META_FREE + TABLE_FLAGS) & TABLE_KIND) != INTEGER_KEY || last_page < 1 ||
        last_page > INT64_MAX / page_size)
        return UNSOUND;
    if (root == NO_PAGE ? depth != 0 : depth < 1 || depth > PAGE_DEPTH_MAX)
        return UNSOUND;
    snapshot->page_size = page_size;
    snapshot->depth = depth;
    snapshot->root = root;
    snapshot->free_depth = get16(page + META_FREE + TABLE_DEPTH);
    snapshot->free_root = get64(page + META_FREE + TABLE_ROOT);
    snapshot->last_page = last_page;
    snapshot->entries = get64(main + TABLE_ENTRIES);
    snapshot->overflow_count = get64(main + TABLE_OVERFLOW);
    snapshot->tree_page_count =
        get64(main + TABLE_BRANCH) + get64(main + TABLE_LEAF) + snapshot->overflow_count;
    snapshot->txnid = get64(page + META_TXNID);
    memcpy(snapshot->meta, page, sizeof snapshot->meta);
    return root == NO_PAGE || root <= last_page ? SOUND : TAKEN_BACK;
}

/*
 * Reads a meta page until two reads are the same: a writer may be writing it. It is always the
 * older of the two that is written, so this ends. One past the file's end is unsound.
 */
static int meta_read(const struct page_snapshot *file, uint64_t pgno, uint32_t page_size,
                     struct page_snapshot *snapshot, enum meta *meta)
{
    unsigned char first[META_END], second[META_END];
    int result;
    *meta = UNSOUND;
    do {
        result = read_at(file->fd, file->name, first, sizeof first, pgno * page_size);
        if (result == EVLOG_OK)
            result = read_at(file->fd, file->name, second, sizeof second, pgno * page_size);
        if (result)
            return result == EVLOG_DAMAGED ? EVLOG_OK : result;
    } while (memcmp(first, second, sizeof first) != 0);
    *meta = meta_parse(first, pgno, snapshot);
    return EVLOG_OK;
}

/* Page 0 has the page size, and so where page 1 is; else each possible size is tried. */
static int meta_read_one(const struct page_snapshot *file, uint32_t page_size,
                         struct page_snapshot *one, enum meta *meta)
{
    uint32_t size = page_size ? page_size : 512, size_max = page_size ? page_size : 65536;
    int result = EVLOG_OK;
    for (*meta = UNSOUND; result == EVLOG_OK && *meta == UNSOUND && size <= size_max; size *= 2) {
        result = meta_read(file, 1, size, one, meta);
        if (*meta != UNSOUND && one->page_size != size)
            *meta = UNSOUND;
    }
    return result;
}

/* Whether a meta page is of the commit before the newest one, which is page `pgno`; or taken back. */
static bool is_companion(const struct page_snapshot *newest, uint64_t pgno,
                         const struct page_snapshot *other, enum meta meta)
{
    uint64_t before = newest->txnid ? newest->txnid - 1 : 0;
    if (meta == UNSOUND || other->txnid != before || newest->txnid % 2 != pgno)
        return false;
    return meta == SOUND || other->root < newest->file_size / newest->page_size;
}

/* Reads both meta pages, and compares them. */
static int read_metas(int fd, const char *name, struct page_snapshot *snapshot)
{
    struct page_snapshot zero = {.page_size = 0}, one = {.page_size = 0};
    struct page_snapshot file = {.fd = fd, .name = name};
    enum meta meta_zero, meta_one;
    struct stat status;
    int result = meta_read(&file, 0, 0, &zero, &meta_zero);
    if (result == EVLOG_OK)
        result = meta_read_one(&file, zero.page_size, &one, &meta_one);
    if (result)
        return result;
    if (fstat(fd, &status)) /* after the meta pages: it grows before they are written */
        return error_errno(errno, "looking at its size", name);
    if (meta_zero != SOUND && meta_one != SOUND)
        return error_set(EVLOG_DAMAGED, "%s: neither of its two meta pages is sound", name);
    bool is_zero = meta_zero == SOUND && (meta_one != SOUND || zero.txnid >= one.txnid);
    const struct page_snapshot *other = is_zero ? &one : &zero;
    enum meta other_meta = is_zero ? meta_one : meta_zero;
    *snapshot = is_zero ? zero : one;
    snapshot->fd = fd;
    snapshot->name = name;
    snapshot->file_size = (uint64_t)status.st_size;
    snapshot->has_other = other_meta == SOUND;
    memcpy(snapshot->other_meta, other->meta, sizeof snapshot->other_meta);
    snapshot->one_meta = !is_companion(snapshot, !is_zero, other, other_meta);
    return EVLOG_OK;
}

/*
 * While others write, the two pages that were read may be of commits further apart: they do not
 * fit each other when the same are found twice.
 */
int page_snapshot_read(int fd, const char *name, struct page_snapshot *snapshot)
{
    uint64_t txnid;
    int result = read_metas(fd, name, snapshot);
    do {
        txnid = snapshot->txnid;
        if (result || !snapshot->one_meta)
            return result;
        result = read_metas(fd, name, snapshot);
    } while (result == EVLOG_OK && snapshot->txnid != txnid);
    return result;
}

bool page_snapshot_step_back(struct page_snapshot *snapshot)
{
    struct page_snapshot before = {
        .fd = snapshot->fd, .name = snapshot->name, .file_size = snapshot->file_size};
    if (snapshot->one_meta ||
        meta_parse(snapshot->other_meta, snapshot->txnid % 2 == 0, &before) != SOUND)
        return false;
    *snapshot = before;
    return true;
}

int page_snapshot_read_cached(int fd, const char *name, struct page_cache *cache,
                              struct page_snapshot *snapshot)
{
    unsigned char metas[PAGE_CACHE_PAGE_SIZE + PAGE_META_SIZE];
    if (read_at(fd, name, metas, sizeof metas, 0) == EVLOG_OK &&
        page_cache_find(cache, metas, metas + PAGE_CACHE_PAGE_SIZE, snapshot))
        return EVLOG_OK;
    int result = page_snapshot_read(fd, name, snapshot);
    if (result || snapshot->one_meta || !snapshot->has_other ||
        snapshot->page_size != PAGE_CACHE_PAGE_SIZE)
        return result;
    snapshot->cache = cache;
    page_cache_renew(cache, snapshot);
    return EVLOG_OK;
}

int page_snapshot_of_images(int fd, const char *name, const struct page_images *images,
                            struct page_snapshot *snapshot)
{
    struct stat status;
    enum meta meta = UNSOUND;
    for (size_t i = 0; i < images->count && meta != SOUND; i++)
        if (images->pgnos[i] < 2)
            meta = meta_parse(images->bytes + i * images->page_size, images->pgnos[i], snapshot);
    if (meta != SOUND || snapshot->page_size != images->page_size)
        return error_set(EVLOG_DAMAGED, "%s: the image of its meta page is not sound", name);
    if (fstat(fd, &status))
        return error_errno(errno, "looking at its size", name);
    snapshot->fd = fd;
    snapshot->name = name;
    snapshot->images = images;
    snapshot->cache = NULL;
    snapshot->file_size = (uint64_t)status.st_size;
    snapshot->one_meta = false;
    snapshot->has_other = false;
    return EVLOG_OK;
}

void page_make_meta(const struct page_snapshot *snapshot, bool with_list, unsigned char *page)
{
    static const uint64_t none = NO_PAGE;
    unsigned char *table = page + META_FREE;
    memset(page, 0, snapshot->page_size);
    memcpy(page, snapshot->meta, sizeof snapshot->meta);
    if (with_list)
        return;
    memset(table + TABLE_DEPTH, 0, TABLE_ROOT - TABLE_DEPTH);
    memcpy(table + TABLE_ROOT, &none, sizeof none);
}

void page_make_older_meta(unsigned char *page)
{
    uint64_t pgno = !get64(page), txnid = get64(page + META_TXNID);
    txnid -= txnid > 0;
    memcpy(page, &pgno, sizeof pgno);
    memcpy(page + META_TXNID, &txnid, sizeof txnid);
}

bool page_other(const struct page_snapshot *snapshot, struct page_snapshot *other)
{
    *other = *snapshot;
    if (!snapshot->has_other)
        return false;
    return meta_parse(snapshot->other_meta, get64(snapshot->other_meta), other) == SOUND;
}

struct page_snapshot page_free_tree(const struct page_snapshot *snapshot)
{
    struct page_snapshot tree = *snapshot;
    tree.root = snapshot->free_root;
    tree.depth = snapshot->free_root == NO_PAGE ? 0 : snapshot->free_depth;
    tree.entries = get64(snapshot->meta + META_FREE + TABLE_ENTRIES);
    tree.overflow_count = get64(snapshot->meta + META_FREE + TABLE_OVERFLOW);
    return tree;
}

/* --------------------------------------------------------------- pages ---- */

/* Reads pages that lie side by side, or the first `size` bytes of them. */
static int read_pages(const struct page_snapshot *snapshot, uint64_t pgno, void *bytes,
                      size_t size)
{
    const struct page_images *images = snapshot->images;
    int result = read_at(snapshot->fd, snapshot->name, bytes, size, pgno * snapshot->page_size);
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
