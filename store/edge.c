/*
 * The file `edge`: the newest flushed state of events.mdb, so that it can be put back.
 *
 * A commit of liblmdb is not flushed. After a power cut the file may have any of the pages that were
 * written since the last flush, and lack others. But while events are only appended, of a state
 * that was flushed few pages are ever written again: its meta page; those on the right edge
 * of its tree, from the root to the last leaf; and those of the tree of free pages. All its other
 * pages stay, and what is written elsewhere is no part of it. So with images of these few put back,
 * it is whole.
 *
 *   slot 0 from 0, slot 1 from SLOT_SIZE; numbers big-endian:
 *    0   8   "evlogedg"
 *    8   8   XXH3-64 of all that follows, seeded by XXH3-64 of the directory's uuid
 *   16   4   page size
 *   20   4   count of images
 *   24   8   txnid
 *   32  16   seq and chain of the last event of the state
 *   48  24   journal: place, seq, chain (zeros in a fast log)
 *   72   8   page number of each image
 * 4072   8   order: one more than that of the slot before; of two of one txnid, the greater counts
 * 4080   8   1: without the list of free pages, which is too long; else 0
 * 4088   8   count of lost pages: neither in use nor free
 *   HEAD_SIZE images, as in the file
 *
 * 1. A slot is written after the state was flushed (flusher.c), and over the older one: a power cut in
 *    the middle leaves the newer, and with it all that recovery needs.
 * 2. More than FREE_PAGES_MAX pages of free list (a snapshot was held for long, or much was trimmed): the
 *    state is put back with an empty list. The pages in it are then used by nothing. How many they are is in
 *    every later slot: a proof of the list (proof.c) must know.
 * 3. What is put back is flushed before its meta page is written, and the other meta page gets
 *    the same state, one txnid older: no meta page of a lost commit remains. A power cut meanwhile
 *    changes nothing in `edge`, so it is done again.
 *
 * 4. Images have zeros where liblmdb reads nothing: else they would have what was deleted or erased from the
 *    page. So a page is the same as its image when it is so but for that.
 *
 * Cost: five or six pages, copied, once for each flush. Absent: commits that write other pages
 * of a flushed state, as deleting does: they must be flushed before the next commit but one (trim.c).
 */
#include "edge.h"

#define XXH_STATIC_LINKING_ONLY /* a state on the stack */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "be64.h"
#include "error.h"
#include "file.h"
#include "meta.h"
#include "record.h"

#define HEAD_SIZE 4096
#define FREE_PAGES_MAX 64
#define IMAGES_MAX (1 + PAGE_DEPTH_MAX + FREE_PAGES_MAX)
#define ROOM_SIZE ((uint64_t)64 << 10) /* of each slot, kept from the beginning */
#define SLOT_SIZE(page_size) (HEAD_SIZE + (uint64_t)IMAGES_MAX * (page_size))

enum {
    AT_CHECK = 8,
    AT_PAGE_SIZE = 16,
    AT_COUNT = 20,
    AT_TXNID = 24,
    AT_SEQ = 32,
    AT_CHAIN = 40
};
enum { AT_JOURNAL = 48, AT_PGNOS = 72 };
enum { AT_ORDER = HEAD_SIZE - 24, AT_LISTLESS = HEAD_SIZE - 16, AT_LOST = HEAD_SIZE - 8 };

_Static_assert(AT_PGNOS + 8 * IMAGES_MAX <= AT_ORDER, "the numbers of all images fit");

static const char magic[8] = {'e', 'v', 'l', 'o', 'g', 'e', 'd', 'g'};

struct edge {
    int fd;
    uint64_t seed;
    uint64_t lost_count; /* that was set; 0: what the newest slot has */
    char *path;
};

void edge_state_free(struct edge_state *state)
{
    free(state->images.pgnos);
    free(state->images.bytes);
    *state = (struct edge_state){.txnid = 0};
}

/* ------------------------------------------------------------- capture ---- */

/* Room for every image there can be, and one more page, which is where a page is read to. */
static int images_new(uint32_t page_size, struct page_images *images)
{
    *images = (struct page_images){.page_size = page_size};
    images->pgnos = calloc(IMAGES_MAX, sizeof *images->pgnos);
    images->bytes = malloc((size_t)IMAGES_MAX * page_size);
    return images->pgnos && images->bytes ? EVLOG_OK : error_nomem();
}

static unsigned char *add_image(struct page_images *images, uint64_t pgno,
                                const unsigned char *page)
{
    unsigned char *image = images->bytes + images->count * images->page_size;
    images->pgnos[images->count++] = pgno;
    return memcpy(image, page, images->page_size);
}

/* Of page_each; returns 1: there are too many. */
static int add_free_page(uint64_t pgno, const unsigned char *page, void *ctx)
{
    struct page_images *images = ctx;
    if (images->count == FREE_PAGES_MAX)
        return 1;
    add_image(images, pgno, page);
    return 0;
}

static int add_right_edge(const struct page_snapshot *snapshot, struct page_images *images)
{
    struct page_cursor cursor = {.snapshot = snapshot};
    int result = snapshot->depth ? page_seek(&cursor, NULL, 0) : EVLOG_OK;
    for (unsigned level = 0; result == EVLOG_OK && level < snapshot->depth; level++) {
        const unsigned char *page = page_on_path(&cursor, level);
        page_clear_unused(add_image(images, page_number(page), page));
    }
    page_cursor_free(&cursor);
    return result;
}

/* `*has_list`: whether the list of free pages is wanted, and whether it is there: it may be too long. */
static int add_images(const struct page_snapshot *snapshot, struct page_images *images,
                      bool *has_list)
{
    struct page_snapshot tree = meta_free_tree(snapshot);
    int result = *has_list ? page_each(&tree, true, add_free_page, images) : 1;
    *has_list = result != 1;
    if (!*has_list) {
        images->count = 0;
        result = EVLOG_OK;
    }
    if (result == EVLOG_OK)
        result = add_right_edge(snapshot, images);
    meta_make(snapshot, *has_list, images->bytes + images->count * images->page_size);
    images->pgnos[images->count++] = snapshot->txnid % 2;
    return result;
}

int edge_capture(const struct page_snapshot *snapshot, uint64_t origin, struct edge_state *state)
{
    struct record record = {.seq = 0, .chain = origin};
    bool has_list = true;
    *state = (struct edge_state){.txnid = snapshot->txnid};
    int result = images_new(snapshot->page_size, &state->images);
    if (result == EVLOG_OK)
        result = add_images(snapshot, &state->images, &has_list);
    if (result == EVLOG_OK && snapshot->depth > 0)
        result = record_load(snapshot, 0, &record);
    if (result) {
        edge_state_free(state);
        return result;
    }
    state->seq = record.seq;
    state->chain = record.chain;
    state->is_listless = !has_list;
    return EVLOG_OK;
}

int edge_checksum(const struct page_snapshot *snapshot, uint64_t *checksum)
{
    struct edge_state state = {.txnid = 0};
    bool has_list = true;
    int result = images_new(snapshot->page_size, &state.images);
    if (result == EVLOG_OK)
        result = add_images(snapshot, &state.images, &has_list);
    *checksum = 0;
    if (result == EVLOG_OK && has_list)
        *checksum = XXH3_64bits(state.images.bytes, state.images.count * snapshot->page_size);
    edge_state_free(&state);
    return result;
}

/* --------------------------------------------------------------- slots ---- */

/* The page size of the machine says where slot 1 is: a log stays on machines of one page size. */
static uint64_t slot_at(unsigned slot)
{
    return slot * SLOT_SIZE((uint64_t)sysconf(_SC_PAGESIZE));
}

int edge_open(int directory, const char *path, int flags, const uint8_t uuid[16],
              struct edge **opened)
{
    struct edge *edge = calloc(1, sizeof *edge + strlen(path) + sizeof "/" EDGE_FILE);
    if (!edge)
        return error_nomem();
    edge->path = (char *)(edge + 1);
    strcat(strcpy(edge->path, path), "/" EDGE_FILE);
    edge->seed = XXH3_64bits(uuid, 16);
    int result = file_open(directory, path, EDGE_FILE, flags, &edge->fd);
    if (result == EVLOG_OK && (flags & O_CREAT)) {
        int errnum = file_reserve(edge->fd, slot_at(0), slot_at(0) + ROOM_SIZE);
        if (!errnum)
            errnum = file_reserve(edge->fd, slot_at(1), slot_at(1) + ROOM_SIZE);
        result = errnum ? error_errno(errnum, "making it", edge->path) : EVLOG_OK;
    }
    if (result) {
        edge_close(edge);
        return result;
    }
    *opened = edge;
    return EVLOG_OK;
}

void edge_close(struct edge *edge)
{
    if (!edge)
        return;
    if (edge->fd >= 0)
        close(edge->fd);
    free(edge);
}

static uint64_t check_of(const struct edge *edge, const unsigned char *head,
                         const struct page_images *images)
{
    XXH3_state_t state;
    XXH3_INITSTATE(&state);
    XXH3_64bits_reset_withSeed(&state, edge->seed);
    XXH3_64bits_update(&state, head + AT_PAGE_SIZE, HEAD_SIZE - AT_PAGE_SIZE);
    XXH3_64bits_update(&state, images->bytes, images->count * images->page_size);
    return XXH3_64bits_digest(&state);
}

/* The head of a slot, without its checksum, its order and the lost pages. */
static void write_head(const struct edge_state *state, unsigned char head[HEAD_SIZE])
{
    const struct page_images *images = &state->images;
    memset(head, 0, HEAD_SIZE);
    memcpy(head, magic, sizeof magic);
    be32_store(head + AT_PAGE_SIZE, images->page_size);
    be32_store(head + AT_COUNT, (uint32_t)images->count);
    be64_store(head + AT_TXNID, state->txnid);
    be64_store(head + AT_SEQ, state->seq);
    be64_store(head + AT_CHAIN, state->chain);
    be64_store(head + AT_JOURNAL, state->journal.place);
    be64_store(head + AT_JOURNAL + 8, state->journal.seq);
    be64_store(head + AT_JOURNAL + 16, state->journal.chain);
    be64_store(head + AT_LISTLESS, state->is_listless);
    for (size_t i = 0; i < images->count; i++)
        be64_store(head + AT_PGNOS + 8 * i, images->pgnos[i]);
}

/* EVLOG_NOTFOUND: it has none. */
static int read_head(const unsigned char head[HEAD_SIZE], struct edge_state *state)
{
    uint32_t page_size = be32_load(head + AT_PAGE_SIZE), count = be32_load(head + AT_COUNT);
    if (memcmp(head, magic, sizeof magic) != 0 || page_size < PAGE_SIZE_MIN ||
        page_size > PAGE_SIZE_MAX || count < 1 || count > IMAGES_MAX)
        return EVLOG_NOTFOUND;
    int result = images_new(page_size, &state->images);
    if (result)
        return result;
    state->images.count = count;
    for (size_t i = 0; i < count; i++)
        state->images.pgnos[i] = be64_load(head + AT_PGNOS + 8 * i);
    state->txnid = be64_load(head + AT_TXNID);
    state->seq = be64_load(head + AT_SEQ);
    state->chain = be64_load(head + AT_CHAIN);
    state->journal = (struct shared_end){.place = be64_load(head + AT_JOURNAL),
                                         .seq = be64_load(head + AT_JOURNAL + 8),
                                         .chain = be64_load(head + AT_JOURNAL + 16)};
    state->order = be64_load(head + AT_ORDER);
    state->is_listless = be64_load(head + AT_LISTLESS) != 0;
    state->lost_count = be64_load(head + AT_LOST);
    return EVLOG_OK;
}

/* EVLOG_NOTFOUND: the slot is not sound. */
static int read_slot(struct edge *edge, unsigned slot, struct edge_state *state)
{
    unsigned char head[HEAD_SIZE];
    size_t count;
    *state = (struct edge_state){.txnid = 0};
    int errnum = file_read(edge->fd, head, sizeof head, slot_at(slot), &count);
    if (errnum)
        return error_errno(errnum, "reading", edge->path);
    int result = count == sizeof head ? read_head(head, state) : EVLOG_NOTFOUND;
    if (result == EVLOG_OK) {
        size_t size = state->images.count * state->images.page_size;
        errnum =
            file_read(edge->fd, state->images.bytes, size, slot_at(slot) + HEAD_SIZE, &count);
        if (errnum)
            result = error_errno(errnum, "reading", edge->path);
        else if (count < size ||
                 be64_load(head + AT_CHECK) != check_of(edge, head, &state->images))
            result = EVLOG_NOTFOUND;
    }
    if (result)
        edge_state_free(state);
    return result;
}

/* What is put back is flushed again, under the same number. */
static bool is_newer(const struct edge_state *state, const struct edge_state *than)
{
    return state->txnid > than->txnid ||
           (state->txnid == than->txnid && state->order > than->order);
}

/* The newest of the sound slots, and its state. EVLOG_NOTFOUND: neither is. */
static int read_newest(struct edge *edge, unsigned *slot, struct edge_state *state)
{
    struct edge_state states[2];
    int results[2];
    for (unsigned i = 0; i < 2; i++)
        results[i] = read_slot(edge, i, &states[i]);
    *slot = results[1] == EVLOG_OK &&
            (results[0] == EVLOG_NOTFOUND || is_newer(&states[1], &states[0]));
    int result = results[*slot];
    if (results[!*slot] != EVLOG_OK && results[!*slot] != EVLOG_NOTFOUND)
        result = results[!*slot]; /* which might be the newer */
    edge_state_free(&states[!*slot]);
    if (result == EVLOG_OK)
        *state = states[*slot];
    else
        edge_state_free(&states[*slot]);
    return result;
}

int edge_clear(struct edge *edge)
{
    struct edge_state state = {.txnid = 0};
    unsigned newest;
    int result = read_newest(edge, &newest, &state);
    edge_state_free(&state);
    if (result && result != EVLOG_NOTFOUND)
        return result;
    int errnum = 0;
    for (unsigned i = 0; i < 2 && !errnum; i++) {
        uint64_t at = slot_at(i == 0 ? !newest : newest);
        errnum = file_write_zeros(edge->fd, at, at + ROOM_SIZE);
        if (!errnum)
            errnum = file_flush(edge->fd);
    }
    return errnum ? error_errno(errnum, "clearing", edge->path) : EVLOG_OK;
}

int edge_read(struct edge *edge, struct edge_state *state)
{
    unsigned slot;
    return read_newest(edge, &slot, state);
}

void edge_set_lost(struct edge *edge, uint64_t lost_count)
{
    edge->lost_count = lost_count;
}

/*
 * EVLOG_NOMEM is only what had no memory before anything was written: where the kernel had none, what it was to write
 * may be lost.
 */
static int end_writing(const struct edge *edge, int errnum, const char *what)
{
    return errnum ? error_errno(errnum == ENOMEM ? EIO : errnum, what, edge->path) : EVLOG_OK;
}

int edge_write(struct edge *edge, const struct edge_state *state)
{
    unsigned char head[HEAD_SIZE];
    struct edge_state newest = {.txnid = 0};
    unsigned slot = 1;
    int result = read_newest(edge, &slot, &newest);
    if (result && result != EVLOG_NOTFOUND)
        return result;
    write_head(state, head);
    be64_store(head + AT_ORDER, newest.order + 1);
    be64_store(head + AT_LOST, edge->lost_count ? edge->lost_count : newest.lost_count);
    edge_state_free(&newest);
    be64_store(head + AT_CHECK, check_of(edge, head, &state->images));
    uint64_t at = slot_at(!slot);
    int errnum = file_write(edge->fd, state->images.bytes,
                            state->images.count * state->images.page_size, at + HEAD_SIZE);
    if (!errnum)
        errnum = file_write(edge->fd, head, sizeof head, at);
    if (!errnum)
        errnum = file_flush(edge->fd);
    return end_writing(edge, errnum, "writing");
}

/* Clears what is behind the images of a slot, as many as the state has. */
static int clear_rest(struct edge *edge, unsigned slot, const struct edge_state *state,
                      bool is_again)
{
    uint64_t from = slot_at(slot) + HEAD_SIZE + state->images.count * state->images.page_size;
    return file_clear(edge->fd, from, slot_at(slot + 1), is_again);
}

int edge_scrub(struct edge *edge, const struct edge_state *state, bool is_again)
{
    int result = edge_write(edge, state);
    if (result == EVLOG_OK)
        result = edge_write(edge, state); /* the other one, which is the older now */
    if (result)
        return result;
    int errnum = clear_rest(edge, 0, state, is_again);
    if (!errnum)
        errnum = clear_rest(edge, 1, state, is_again);
    if (!errnum)
        errnum = file_flush(edge->fd);
    return end_writing(edge, errnum, "clearing");
}

/* ------------------------------------------------------------- recovery ---- */

static const unsigned char *image(const struct edge_state *state, size_t i)
{
    return state->images.bytes + i * state->images.page_size;
}

static bool are_same(const struct page_images *a, const struct page_images *b)
{
    return a->count == b->count && memcmp(a->pgnos, b->pgnos, a->count * sizeof *a->pgnos) == 0 &&
           memcmp(a->bytes, b->bytes, a->count * a->page_size) == 0;
}

int edge_compare(const struct edge_state *state, const struct page_snapshot *snapshot,
                 bool *is_same)
{
    struct edge_state now = {.txnid = 0};
    bool has_list = !state->is_listless;
    int result = images_new(snapshot->page_size, &now.images);
    if (result == EVLOG_OK)
        result = add_images(snapshot, &now.images, &has_list);
    *is_same = result == EVLOG_OK && snapshot->page_size == state->images.page_size &&
               are_same(&now.images, &state->images);
    edge_state_free(&now);
    return result == EVLOG_DAMAGED ? EVLOG_OK : result;
}

/* Returns an errno. */
static int write_page(const struct edge_state *state, int fd, uint64_t pgno,
                      const unsigned char *page)
{
    return file_write(fd, page, state->images.page_size, pgno * state->images.page_size);
}

int edge_restore(const struct edge_state *state, int fd, const char *name)
{
    size_t meta = state->images.count - 1; /* the last one */
    unsigned char *older = malloc(state->images.page_size);
    int errnum = 0;
    if (!older)
        return error_nomem();
    for (size_t i = 0; i < meta && !errnum; i++)
        errnum = write_page(state, fd, state->images.pgnos[i], image(state, i));
    if (!errnum)
        errnum = file_flush(fd);
    memcpy(older, image(state, meta), state->images.page_size);
    meta_make_older(older);
    if (!errnum)
        errnum = write_page(state, fd, !state->images.pgnos[meta], older);
    if (!errnum)
        errnum = write_page(state, fd, state->images.pgnos[meta], image(state, meta));
    if (!errnum)
        errnum = file_flush(fd);
    free(older);
    return errnum ? error_errno(errnum, "putting back its last flushed state", name) : EVLOG_OK;
}
