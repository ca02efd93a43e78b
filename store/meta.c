/*
 * The two meta pages of an LMDB 0.9 file, from which a committed state of it is read.
 *
 * Pages 0 and 1, numbers in the machine's byte order: what `struct meta` below says, then zeros. Commit T writes
 * page T % 2, so that the state before stays readable; both begin with txnid 0. The tables are the roots of two
 * trees: of free pages, whose keys are numbers of transactions, and the main one.
 *
 * 1. A meta page that was parsed as sound has a page size, a depth and a root that page.c can walk down from; what
 *    the pages themselves say is checked there.
 * 2. What is read is of one moment: a page that a writer is writing is read again until it is whole, and a pair
 *    that was read while others committed, until the same one is found twice.
 *
 * When a meta page could not be written, liblmdb takes it back: txnid and last page are then the old ones again, the
 * tables are not. It is the older of the two and in use by no transaction, until the next commit overwrites it. When
 * the first commit was taken back, both have txnid 0 again, and liblmdb uses page 0.
 *
 * Cost: four reads of 152 bytes and a look at the file's size; with a cache whose state is still the newest, one read.
 */
#include "meta.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "error.h"
#include "file.h"
#include "page_cache.h"

enum { KIND_META = 8, TABLE_KIND = 0xff, INTEGER_KEY = 8 };
#define MAGIC 0xBEEFC0DEu
#define VERSION 1
#define NO_PAGE UINT64_MAX

struct table {
    uint32_t page_size; /* of the free pages' table; the main one's is not used */
    uint16_t flags, depth;
    uint64_t branch_count, leaf_count, overflow_count; /* pages */
    uint64_t entries;
    uint64_t root; /* NO_PAGE: empty */
};

/* As it is in the file. */
struct meta {
    uint64_t pgno;
    uint16_t pad, kind, lower, upper;
    uint32_t magic, version;
    uint64_t address, map_size;
    struct table free, main;
    uint64_t last_page;
    uint64_t txnid;
};

_Static_assert(sizeof(struct meta) == PAGE_META_SIZE, "a meta page has no padding");

enum state { UNSOUND, TAKEN_BACK, SOUND };

static struct meta meta_of(const unsigned char *bytes)
{
    struct meta meta;
    memcpy(&meta, bytes, sizeof meta);
    return meta;
}

static bool is_sound(const struct meta *meta, uint64_t pgno)
{
    uint32_t page_size = meta->free.page_size;
    uint64_t root = meta->main.root, depth = meta->main.depth;
    if (meta->pgno != pgno || meta->kind != KIND_META || meta->magic != MAGIC ||
        meta->version != VERSION)
        return false;
    if (page_size < PAGE_SIZE_MIN || page_size > PAGE_SIZE_MAX || (page_size & (page_size - 1)))
        return false;
    if (meta->main.flags != 0 || (meta->free.flags & TABLE_KIND) != INTEGER_KEY ||
        meta->last_page < 1 || meta->last_page > INT64_MAX / page_size)
        return false;
    return root == NO_PAGE ? depth == 0 : depth >= 1 && depth <= PAGE_DEPTH_MAX;
}

/* The snapshot that a meta page gives, of which nothing else is set; not of one that is not sound. */
static enum state parse(const unsigned char *bytes, uint64_t pgno, struct page_snapshot *snapshot)
{
    struct meta meta = meta_of(bytes);
    const struct table *main = &meta.main;
    if (!is_sound(&meta, pgno))
        return UNSOUND;
    snapshot->page_size = meta.free.page_size;
    snapshot->depth = main->depth;
    snapshot->root = main->root;
    snapshot->free_depth = meta.free.depth;
    snapshot->free_root = meta.free.root;
    snapshot->last_page = meta.last_page;
    snapshot->entries = main->entries;
    snapshot->overflow_count = main->overflow_count;
    snapshot->tree_page_count = main->branch_count + main->leaf_count + main->overflow_count;
    snapshot->txnid = meta.txnid;
    memcpy(snapshot->meta, bytes, sizeof snapshot->meta);
    return main->root == NO_PAGE || main->root <= meta.last_page ? SOUND : TAKEN_BACK;
}

/*
 * Reads a meta page until two reads are the same: a writer may be writing it. It is always the
 * older of the two that is written, so this ends. One past the file's end is unsound.
 */
static int read_page(const struct page_snapshot *file, uint64_t pgno, uint32_t page_size,
                     struct page_snapshot *snapshot, enum state *state)
{
    unsigned char first[PAGE_META_SIZE], second[PAGE_META_SIZE];
    uint64_t place = pgno * page_size;
    *state = UNSOUND;
    do {
        int result = file_read_all(file->fd, file->name, first, sizeof first, place);
        if (result == EVLOG_OK)
            result = file_read_all(file->fd, file->name, second, sizeof second, place);
        if (result)
            return result == EVLOG_DAMAGED ? EVLOG_OK : result;
    } while (memcmp(first, second, sizeof first) != 0);
    *state = parse(first, pgno, snapshot);
    return EVLOG_OK;
}

/* Page 0 has the page size, and so where page 1 is; else each possible size is tried. */
static int read_page_one(const struct page_snapshot *file, uint32_t page_size,
                         struct page_snapshot *one, enum state *state)
{
    uint32_t size = page_size ? page_size : PAGE_SIZE_MIN;
    uint32_t size_max = page_size ? page_size : PAGE_SIZE_MAX;
    int result = EVLOG_OK;
    for (*state = UNSOUND; result == EVLOG_OK && *state == UNSOUND && size <= size_max;
         size *= 2) {
        result = read_page(file, 1, size, one, state);
        if (*state != UNSOUND && one->page_size != size)
            *state = UNSOUND;
    }
    return result;
}
/* Whether a meta page is of the commit before the newest one, which is page `pgno`; or taken back. */
static bool is_companion(const struct page_snapshot *newest, uint64_t pgno,
                         const struct page_snapshot *other, enum state state)
{
    uint64_t before = newest->txnid ? newest->txnid - 1 : 0;
    if (state == UNSOUND || other->txnid != before || newest->txnid % 2 != pgno)
        return false;
    return state == SOUND || other->root < newest->file_size / newest->page_size;
}

/* Reads both meta pages, and compares them. */
static int read_both(int fd, const char *name, struct page_snapshot *snapshot)
{
    struct page_snapshot zero = {.page_size = 0}, one = {.page_size = 0};
    struct page_snapshot file = {.fd = fd, .name = name};
    enum state zero_state, one_state;
    struct stat status;
    int result = read_page(&file, 0, 0, &zero, &zero_state);
    if (result == EVLOG_OK)
        result = read_page_one(&file, zero.page_size, &one, &one_state);
    if (result)
        return result;
    if (fstat(fd, &status)) /* after the meta pages: it grows before they are written */
        return error_errno(errno, "looking at its size", name);
    if (zero_state != SOUND && one_state != SOUND)
        return error_set(EVLOG_DAMAGED, "%s: neither of its two meta pages is sound", name);
    bool is_zero = zero_state == SOUND && (one_state != SOUND || zero.txnid >= one.txnid);
    const struct page_snapshot *other = is_zero ? &one : &zero;
    enum state other_state = is_zero ? one_state : zero_state;
    *snapshot = is_zero ? zero : one;
    snapshot->fd = fd;
    snapshot->name = name;
    snapshot->file_size = (uint64_t)status.st_size;
    snapshot->has_other = other_state == SOUND;
    memcpy(snapshot->other_meta, other->meta, sizeof snapshot->other_meta);
    snapshot->one_meta = !is_companion(snapshot, !is_zero, other, other_state);
    return EVLOG_OK;
}

/*
 * While others write, the two pages that were read may be of commits further apart: they do not
 * fit each other when the same are found twice.
 */
int meta_read(int fd, const char *name, struct page_snapshot *snapshot)
{
    uint64_t txnid;
    int result = read_both(fd, name, snapshot);
    do {
        txnid = snapshot->txnid;
        if (result || !snapshot->one_meta)
            return result;
        result = read_both(fd, name, snapshot);
    } while (result == EVLOG_OK && snapshot->txnid != txnid);
    return result;
}

bool meta_step_back(struct page_snapshot *snapshot)
{
    struct page_snapshot before = {
        .fd = snapshot->fd, .name = snapshot->name, .file_size = snapshot->file_size};
    if (snapshot->one_meta ||
        parse(snapshot->other_meta, snapshot->txnid % 2 == 0, &before) != SOUND)
        return false;
    *snapshot = before;
    return true;
}

int meta_read_cached(int fd, const char *name, struct page_cache *cache,
                     struct page_snapshot *snapshot)
{
    unsigned char metas[PAGE_CACHE_PAGE_SIZE + PAGE_META_SIZE];
    if (file_read_all(fd, name, metas, sizeof metas, 0) == EVLOG_OK &&
        page_cache_find(cache, metas, metas + PAGE_CACHE_PAGE_SIZE, snapshot))
        return EVLOG_OK;
    int result = meta_read(fd, name, snapshot);
    if (result || snapshot->one_meta || !snapshot->has_other ||
        snapshot->page_size != PAGE_CACHE_PAGE_SIZE)
        return result;
    snapshot->cache = cache;
    page_cache_renew(cache, snapshot);
    return EVLOG_OK;
}

int meta_of_images(int fd, const char *name, const struct page_images *images,
                   struct page_snapshot *snapshot)
{
    struct stat status;
    enum state state = UNSOUND;
    for (size_t i = 0; i < images->count && state != SOUND; i++)
        if (images->pgnos[i] < 2)
            state = parse(images->bytes + i * images->page_size, images->pgnos[i], snapshot);
    if (state != SOUND || snapshot->page_size != images->page_size)
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

void meta_make(const struct page_snapshot *snapshot, bool with_list, unsigned char *page)
{
    struct meta meta = meta_of(snapshot->meta);
    if (!with_list)
        meta.free = (struct table){
            .page_size = meta.free.page_size, .flags = meta.free.flags, .root = NO_PAGE};
    memset(page, 0, snapshot->page_size);
    memcpy(page, &meta, sizeof meta);
}

void meta_make_older(unsigned char *page)
{
    struct meta meta = meta_of(page);
    meta.pgno = !meta.pgno;
    meta.txnid -= meta.txnid > 0;
    memcpy(page, &meta, sizeof meta);
}

bool meta_other(const struct page_snapshot *snapshot, struct page_snapshot *other)
{
    *other = *snapshot;
    if (!snapshot->has_other)
        return false;
    return parse(snapshot->other_meta, page_number(snapshot->other_meta), other) == SOUND;
}

struct page_snapshot meta_free_tree(const struct page_snapshot *snapshot)
{
    struct page_snapshot tree = *snapshot;
    struct meta meta = meta_of(snapshot->meta);
    tree.root = snapshot->free_root;
    tree.depth = snapshot->free_root == NO_PAGE ? 0 : snapshot->free_depth;
    tree.entries = meta.free.entries;
    tree.overflow_count = meta.free.overflow_count;
    return tree;
}
