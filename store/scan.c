/*
 * Finding records in the bytes of a file: events.mdb, `edge`, the journal, or a part of one.
 *
 * Nothing of the file's structure is believed: no page's number, size or kind, no pointer, no length. A record
 * begins with bytes of fixed values at fixed places, among them the checksum of its first 101
 * bytes, and its contents end where their MessagePack does (record.c). All of a record lies side by side, in a
 * leaf, on overflow pages (of which only the first has a head), in an image of `edge`, in a frame. So it is found by
 * its bytes at any place.
 *
 * What is inside a sound record is passed over: an event's data may have the bytes of another record. But those of
 * a damaged event are searched, too. So it is said whether a record is framed: whether before it is what
 * a writer puts there:
 *
 *   in a leaf      size 2 + 2 | 0 2 | 8 2 | key 8     the sizes are its own, the key is its seq
 *   on pages       pgno 8 | 0 2 | 4 2 | count 4       pgno and count are right for some size of a page
 *   in a frame     size 8 | checksum 8                see journal.c
 *
 * One that is not framed may have been found in data, or its surroundings are damaged; the caller decides (finds.c).
 *
 * Cost: each byte is read and looked at once; each record is hashed once. Memory: WINDOW_SIZE, or twice the largest
 * record. A hostile file can have heads whose contents are long and do not fit: those that are longer than a
 * page can be only begin behind the head of one, and after a multiple of the file's size is spent on them in vain, no
 * more of them is looked at.
 */
#include "scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "be64.h"
#include "error.h"
#include "file.h"
#include "journal.h"
#include "page.h"

#define WINDOW_SIZE ((size_t)1 << 20)
#define BLOCK_SIZE 4096   /* what is given up when the disk fails to give it */
#define NODE_HEAD_SIZE 16 /* with a key of 8 bytes */
#define BEFORE_SIZE 16    /* the longest frame */
#define FIRST_BYTE 0x9f
#define VAIN_FACTOR 64
#define VAIN_SIZE_MIN ((uint64_t)4 << 30)

_Static_assert(BEFORE_SIZE >= NODE_HEAD_SIZE && BEFORE_SIZE >= PAGE_HEADER_SIZE &&
                   BEFORE_SIZE >= JOURNAL_FRAME_HEAD,
               "any frame is in the window before its record");

struct scan {
    struct scan_file *file;
    uint64_t file_size;
    unsigned char *bytes; /* a window on the file: from `start` on, `filled` bytes */
    size_t room, filled;
    uint64_t start;
    uint64_t vain_size; /* bytes of long contents that were read in vain */
};

void scan_read(int fd, void *bytes, size_t size, uint64_t at, size_t *count,
               uint64_t *unreadable_count)
{
    size_t part_size, part_count;
    if (file_read(fd, bytes, size, at, count) == 0)
        return;
    for (*count = 0; *count < size; *count += part_size) {
        part_size = size - *count < BLOCK_SIZE ? size - *count : BLOCK_SIZE;
        unsigned char *part = (unsigned char *)bytes + *count;
        if (file_read(fd, part, part_size, at + *count, &part_count)) {
            memset(part, 0, part_size);
            *unreadable_count += part_size;
        } else if (part_count < part_size) {
            *count += part_count;
            return;
        }
    }
}

/* Has `size` bytes from `place` on in the window, as far as the file has them, and those before. */
static int load(struct scan *scan, uint64_t place, size_t size)
{
    uint64_t start = place < BEFORE_SIZE ? 0 : place - BEFORE_SIZE;
    size_t needed = (size_t)(place - start) + size;
    if (start >= scan->start && place + size <= scan->start + scan->filled)
        return EVLOG_OK;
    size_t room = needed < WINDOW_SIZE ? WINDOW_SIZE : needed;
    if (room != scan->room) {
        free(scan->bytes);
        scan->room = scan->filled = 0;
        scan->bytes = malloc(room);
        if (!scan->bytes)
            return error_nomem();
        scan->room = room;
    }
    scan->start = start;
    scan_read(scan->file->fd, scan->bytes, room, start, &scan->filled,
              &scan->file->unreadable_count);
    return EVLOG_OK;
}

static const unsigned char *at_place(const struct scan *scan, uint64_t place)
{
    return scan->bytes + (place - scan->start);
}

/* How many bytes from a place on are in the window. */
static size_t left_at(const struct scan *scan, uint64_t place)
{
    return scan->filled - (size_t)(place - scan->start);
}

/* -------------------------------------------------------------- frames ---- */

static bool is_in_node(const unsigned char *before, const struct scan_find *find)
{
    uint16_t words[4]; /* low, high, flags, size of the key */
    memcpy(words, before, sizeof words);
    return ((size_t)words[1] << 16 | words[0]) == find->size && words[2] == 0 && words[3] == 8 &&
           be64_load(before + 8) == find->record.seq;
}

static bool is_on_pages(const unsigned char *before, const struct scan_find *find)
{
    uint64_t pgno, page_place = find->place - PAGE_HEADER_SIZE;
    uint16_t words[2]; /* zero, flags */
    uint32_t count;
    memcpy(&pgno, before, sizeof pgno);
    memcpy(words, before + 8, sizeof words);
    memcpy(&count, before + 12, sizeof count);
    if (words[0] != 0 || words[1] != 4)
        return false;
    for (uint64_t page_size = PAGE_SIZE_MIN; page_size <= PAGE_SIZE_MAX; page_size *= 2)
        if (page_place / page_size == pgno && page_place % page_size == 0 &&
            (PAGE_HEADER_SIZE + find->size + page_size - 1) / page_size == count)
            return true;
    return false;
}

static void look_before(const struct scan *scan, struct scan_find *find)
{
    if (find->place < BEFORE_SIZE)
        return;
    const unsigned char *before = find->bytes - BEFORE_SIZE;
    find->is_in_journal = scan->file->uuid && journal_is_frame(scan->file->uuid, before,
                                                               find->size, find->record.chain);
    find->is_framed =
        find->is_in_journal || is_in_node(before, find) || is_on_pages(before, find);
}

/* ------------------------------------------------------------- records ---- */

/* Whether a record that is longer than a page may begin at a place. */
static bool may_be_long(const struct scan *scan, uint64_t place)
{
    uint64_t factor = scan->file_size < UINT64_MAX / VAIN_FACTOR ? VAIN_FACTOR : 1;
    const unsigned char *bytes = at_place(scan, place);
    if (scan->vain_size > VAIN_SIZE_MIN + factor * scan->file_size)
        return false;
    if (place % PAGE_SIZE_MIN == PAGE_HEADER_SIZE)
        return true;
    return scan->file->uuid && place >= BEFORE_SIZE &&
           journal_is_frame(scan->file->uuid, bytes - BEFORE_SIZE, be64_load(bytes - BEFORE_SIZE),
                            record_head_chain(bytes));
}

/* Has the whole record at a place, which begins with a head, in the window. `*size` 0: it is not whole. */
static int find_end(struct scan *scan, uint64_t place, size_t *size)
{
    size_t limit = PAGE_SIZE_MAX;
    uint64_t left = scan->file_size - place;
    for (;;) {
        size_t part = left < limit ? (size_t)left : limit;
        int result = load(scan, place, part);
        if (result)
            return result;
        part = part < left_at(scan, place) ? part : left_at(scan, place);
        if (record_measure(at_place(scan, place), part, size))
            return EVLOG_OK;
        *size = 0;
        if (part < limit || limit > RECORD_SIZE_MAX || !may_be_long(scan, place))
            return EVLOG_OK;
        scan->vain_size += part;
        limit *= 4;
    }
}

/* Looks at a place where a head is. `*size`: of the record there; 0: there is none. */
static int look_at(struct scan *scan, uint64_t place, size_t *size,
                   int (*visit)(const struct scan_find *, void *), void *ctx)
{
    struct scan_find find = {.place = place};
    int result = find_end(scan, place, size);
    if (result || *size == 0)
        return result;
    find.bytes = at_place(scan, place);
    find.size = *size;
    if (*size > PAGE_SIZE_MAX)
        scan->vain_size += *size; /* unless it is sound */
    if (record_decode(record_head_seq(find.bytes), find.bytes, *size, &find.record)) {
        *size = 0;
        return EVLOG_OK;
    }
    if (*size > PAGE_SIZE_MAX)
        scan->vain_size -= *size;
    look_before(scan, &find);
    return visit(&find, ctx);
}

/* The next place from `*place` on where a head is. The end of the file: there is none. */
static int find_head(struct scan *scan, uint64_t *place)
{
    while (*place + RECORD_HEAD_SIZE < scan->file_size) {
        int result = load(scan, *place, RECORD_HEAD_SIZE + 1);
        if (result)
            return result;
        size_t left = left_at(scan, *place);
        if (left <= RECORD_HEAD_SIZE)
            break; /* it was cut short meanwhile */
        const unsigned char *from = at_place(scan, *place);
        const unsigned char *hit = memchr(from, FIRST_BYTE, left - RECORD_HEAD_SIZE);
        *place += hit ? (size_t)(hit - from) : left - RECORD_HEAD_SIZE;
        if (hit && record_has_head(hit, left_at(scan, *place)))
            return EVLOG_OK;
        *place += hit != NULL;
    }
    *place = scan->file_size;
    return EVLOG_OK;
}

int scan_records(struct scan_file *file, int (*visit)(const struct scan_find *, void *),
                 void *ctx)
{
    struct scan scan = {.file = file};
    struct stat status;
    size_t size;
    if (fstat(file->fd, &status))
        return error_errno(errno, "looking at its size", file->name);
    scan.file_size = (uint64_t)status.st_size;
    uint64_t place = 0;
    int result = find_head(&scan, &place);
    while (result == EVLOG_OK && place < scan.file_size) {
        result = look_at(&scan, place, &size, visit, ctx);
        place += size ? size : 1;
        if (result == EVLOG_OK)
            result = find_head(&scan, &place);
    }
    free(scan.bytes);
    return result;
}
