/*
 * The file `journal` of a durable log: events before they are in events.mdb.
 *
 * A group's records are written here and flushed, by one write and one flush, before liblmdb
 * commits them without a flush. So what any process can see in the log survives a power cut, and a
 * send costs one flush. Recovery reads the file, and salvaging (scan.c).
 *
 *   part 0     from 0                           JOURNAL_HALF_SIZE
 *   part 1     from JOURNAL_HALF_SIZE           JOURNAL_HALF_SIZE
 *   behind     from 2 * JOURNAL_HALF_SIZE       one group that fits in neither, as long as it is
 *
 * A part is a row of frames, numbers big-endian:
 *
 *   0   8   size of the record
 *   8   8   XXH3-64 of the size and the record's chain, seeded by XXH3-64 of the directory's uuid
 *   16  ..  the record, as in events.mdb
 *
 * The row goes on at the beginning of another part when a group does not fit in what is left of
 * one. The next frame after event n is the one that has seq n + 1 and, as `prev`, the chain of n:
 * that distinguishes it from what an earlier round has left, so frames need no number of the round. It
 * is looked for where the last one ended, and then at the beginning of each part.
 *
 * 1. A half is left only when recovery would begin in it (`base`); what is behind the halves is left, or
 *    overwritten by another such group, only when it is flushed. So nothing that recovery needs is
 *    overwritten.
 * 2. A process may die between the flush and the commit: its frames were never seen by anybody, and
 *    the next writer writes its own in their place. When that goes on in another part, the beginning of
 *    all other places where a frame may be looked for is overwritten with zeros (JOURNAL_FRAME_HEAD of
 *    them are always kept free at the end of a half), with the same flush. So there is
 *    one row only, and it is the one that was committed.
 * 3. The halves are overwritten, not extended: zeros are written ahead, in strides, when they are
 *    used for the first time, so that a flush need not write the file's inode. A group of LARGE or more
 *    extends the file: writing its bytes twice costs more than the inode.
 *
 * Erasing an event overwrites all of the file with zeros (erase.c), once nothing in it is needed. What was behind the
 * halves and was cut off is not in the file any more, and so not overwritten.
 *
 * Cost: a copy of the record, a hash of 16 bytes. Absent: any reading beside these.
 */
#include "journal.h"

#define XXH_INLINE_ALL
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "be64.h"
#include "error.h"
#include "file.h"

#define PARTS 3
#define BEHIND (2 * JOURNAL_HALF_SIZE)
#define STRIDE ((uint64_t)256 << 10)
#define LARGE ((size_t)64 << 10)
#define FIRST_SIZE ((uint64_t)64 << 10)
#define CHAIN_AT 2                     /* in a record */
#define PIECE_SIZE ((size_t)256 << 10) /* of a write */

struct journal {
    int fd;
    uint64_t seed;
    uint64_t zeroed;      /* up to here the file was written once */
    uint64_t start, at;   /* of the group being written: its place, and what is written of it */
    unsigned char *piece; /* what is to be written at `at` */
    size_t filled, room;
    char *path;
};

/* ------------------------------------------------------------- opening ---- */

static int fail(const struct journal *journal, int errnum, const char *what)
{
    return error_errno(errnum, what, journal->path);
}

static int look(struct journal *journal)
{
    struct stat status;
    if (fstat(journal->fd, &status))
        return fail(journal, errno, "looking at its size");
    journal->zeroed = (uint64_t)status.st_size;
    return EVLOG_OK;
}

static int make_room(struct journal *journal, uint64_t end, size_t size)
{
    if (end <= journal->zeroed || size >= LARGE)
        return EVLOG_OK;
    int result = look(journal); /* another process may have been there */
    if (result || end <= journal->zeroed)
        return result;
    uint64_t limit = end <= JOURNAL_HALF_SIZE ? JOURNAL_HALF_SIZE : BEHIND;
    uint64_t ahead = end + STRIDE < limit ? end + STRIDE : limit;
    int errnum = file_write_zeros(journal->fd, journal->zeroed, ahead);
    if (errnum && ftruncate(journal->fd, (off_t)journal->zeroed))
        errnum = errno;
    if (errnum)
        return fail(journal, errnum, "growing it");
    journal->zeroed = ahead;
    return EVLOG_OK;
}

int journal_open(int directory, const char *path, int flags, const uint8_t uuid[16],
                 struct journal **opened)
{
    struct journal *journal = calloc(1, sizeof *journal + strlen(path) + sizeof "/" JOURNAL_FILE);
    if (!journal)
        return error_nomem();
    journal->path = (char *)(journal + 1);
    strcat(strcpy(journal->path, path), "/" JOURNAL_FILE);
    journal->seed = XXH3_64bits(uuid, 16);
    int result = file_open(directory, path, JOURNAL_FILE, flags, &journal->fd);
    if (result == EVLOG_OK)
        result = look(journal);
    if (result == EVLOG_OK && (flags & O_CREAT) && journal->zeroed < FIRST_SIZE) {
        int errnum = file_write_zeros(journal->fd, journal->zeroed, FIRST_SIZE);
        if (!errnum)
            errnum = file_flush(journal->fd);
        result = errnum ? fail(journal, errnum, "making it") : EVLOG_OK;
    }
    if (result) {
        journal_close(journal);
        return result;
    }
    *opened = journal;
    return EVLOG_OK;
}

void journal_close(struct journal *journal)
{
    if (!journal)
        return;
    if (journal->fd >= 0)
        close(journal->fd);
    free(journal->piece);
    free(journal);
}

/* --------------------------------------------------------------- parts ---- */

static unsigned part_of(uint64_t place)
{
    return place >= BEHIND ? 2 : place >= JOURNAL_HALF_SIZE;
}

static uint64_t part_start(unsigned part)
{
    return part * JOURNAL_HALF_SIZE;
}

/* The end of what can be in a part, for reading. */
static uint64_t part_end(unsigned part)
{
    return part == 2 ? INT64_MAX : part_start(part + 1);
}

bool journal_is_behind(uint64_t place)
{
    return part_of(place) == 2;
}

bool journal_is_other_part(uint64_t place, uint64_t end)
{
    return part_of(place) != part_of(end);
}

bool journal_place(uint64_t end, uint64_t base, bool is_flushed, size_t size, size_t count,
                   uint64_t *place)
{
    uint64_t needed = size + (uint64_t)(count + 1) * JOURNAL_FRAME_HEAD;
    unsigned part = part_of(end);
    if (part < 2 && end + needed <= part_end(part))
        *place = end;
    else if (needed <= JOURNAL_HALF_SIZE)
        *place = part_start(part == 0);
    else
        *place = BEHIND;
    return *place == end || (part == 2 ? is_flushed : part_of(base) == part);
}

/* ------------------------------------------------------------- writing ---- */

/* Overwrites the beginning of a frame that may be anywhere; where the file ends there is none. */
static int erase(struct journal *journal, uint64_t place)
{
    static const unsigned char zeros[JOURNAL_FRAME_HEAD];
    struct stat status;
    if (fstat(journal->fd, &status))
        return errno;
    if (place >= (uint64_t)status.st_size)
        return 0;
    return file_write(journal->fd, zeros, sizeof zeros, place);
}

/* The row goes on in another part: no frame may be found elsewhere. */
static int erase_others(struct journal *journal, uint64_t end, uint64_t place)
{
    int errnum = end < BEHIND ? erase(journal, end) : 0;
    for (unsigned part = 0; !errnum && part < PARTS; part++)
        if (part != part_of(place) && part != part_of(end))
            errnum = erase(journal, part_start(part));
    if (!errnum && journal_is_behind(end) && ftruncate(journal->fd, (off_t)BEHIND))
        errnum = errno;
    return errnum;
}

static int reserve(struct journal *journal, size_t size)
{
    size_t room = size < PIECE_SIZE ? PIECE_SIZE : size;
    if (journal->room >= size)
        return EVLOG_OK;
    unsigned char *piece = realloc(journal->piece, room);
    if (!piece)
        return error_nomem();
    journal->piece = piece;
    journal->room = room;
    return EVLOG_OK;
}

int journal_begin(struct journal *journal, uint64_t end, uint64_t place, size_t size,
                  size_t count)
{
    journal->start = journal->at = place;
    journal->filled = 0;
    uint64_t needed = size + (uint64_t)(count + 1) * JOURNAL_FRAME_HEAD;
    int result = journal_is_behind(place) ? EVLOG_OK : make_room(journal, place + needed, size);
    if (result == EVLOG_OK)
        result = reserve(journal, 1);
    if (result || !journal_is_other_part(place, end))
        return result;
    int errnum = erase_others(journal, end, place);
    return errnum ? fail(journal, errnum, "writing") : EVLOG_OK;
}

static int write_piece(struct journal *journal)
{
    int errnum = file_write(journal->fd, journal->piece, journal->filled, journal->at);
    if (errnum)
        return fail(journal, errnum, "writing");
    journal->at += journal->filled;
    journal->filled = 0;
    return EVLOG_OK;
}

/* `head`: the size, in 8 bytes. */
static uint64_t checksum(uint64_t seed, const unsigned char *head, uint64_t chain)
{
    unsigned char covered[16];
    memcpy(covered, head, 8);
    be64_store(covered + 8, chain);
    return XXH3_64bits_withSeed(covered, sizeof covered, seed);
}

static uint64_t check_of(const struct journal *journal, const unsigned char *head, uint64_t chain)
{
    return checksum(journal->seed, head, chain);
}

bool journal_is_frame(const uint8_t uuid[16], const unsigned char head[JOURNAL_FRAME_HEAD],
                      size_t size, uint64_t chain)
{
    return be64_load(head) == size &&
           be64_load(head + 8) == checksum(XXH3_64bits(uuid, 16), head, chain);
}

int journal_add(struct journal *journal, const void *record, size_t size, uint64_t chain)
{
    int result = EVLOG_OK;
    if (journal->filled + JOURNAL_FRAME_HEAD + size > journal->room && journal->filled > 0)
        result = write_piece(journal);
    if (result == EVLOG_OK)
        result = reserve(journal, JOURNAL_FRAME_HEAD + size);
    if (result)
        return result;
    unsigned char *at = journal->piece + journal->filled;
    be64_store(at, size);
    be64_store(at + 8, check_of(journal, at, chain));
    memcpy(at + JOURNAL_FRAME_HEAD, record, size);
    journal->filled += JOURNAL_FRAME_HEAD + size;
    return EVLOG_OK;
}

int journal_flush(struct journal *journal, uint64_t *end)
{
    int result = write_piece(journal);
    if (result)
        return result;
    int errnum = file_flush(journal->fd);
    if (errnum)
        return fail(journal, errnum, "flushing");
    if (journal->room > PIECE_SIZE) { /* a big event's */
        free(journal->piece);
        journal->piece = NULL;
        journal->room = 0;
    }
    *end = journal->at;
    return EVLOG_OK;
}

int journal_retract(struct journal *journal)
{
    journal->filled = 0;
    int errnum = erase(journal, journal->start);
    if (!errnum)
        errnum = file_flush(journal->fd);
    return errnum ? fail(journal, errnum, "taking back what was written") : EVLOG_OK;
}

int journal_clear(struct journal *journal, bool is_again)
{
    struct stat status;
    int errnum = fstat(journal->fd, &status) ? errno : 0;
    if (!errnum)
        errnum = file_clear(journal->fd, 0, (uint64_t)status.st_size, is_again);
    if (!errnum)
        errnum = file_flush(journal->fd);
    if (!errnum && (uint64_t)status.st_size > BEHIND && ftruncate(journal->fd, (off_t)BEHIND))
        errnum = errno;
    return errnum ? fail(journal, errnum, "clearing it") : EVLOG_OK;
}

/* ------------------------------------------------------------- reading ---- */

/* A frame that was read into `piece`. */
struct frame {
    struct record record;
    const unsigned char *bytes;
    size_t size;
};

/* Reads the frame at `place`, which is to follow `from`. EVLOG_NOTFOUND: there is none. */
static int read_frame(struct journal *journal, const struct shared_end *from, uint64_t place,
                      struct frame *frame)
{
    unsigned char head[JOURNAL_FRAME_HEAD];
    size_t count;
    int errnum = file_read(journal->fd, head, sizeof head, place, &count);
    if (errnum)
        return fail(journal, errnum, "reading");
    uint64_t size = be64_load(head);
    if (count < sizeof head || size < RECORD_HEAD_SIZE || size > RECORD_SIZE_MAX ||
        size > part_end(part_of(place)) - place)
        return EVLOG_NOTFOUND;
    int result = reserve(journal, size);
    if (result)
        return result;
    errnum = file_read(journal->fd, journal->piece, size, place + sizeof head, &count);
    if (errnum)
        return fail(journal, errnum, "reading");
    if (count < size || record_decode(from->seq + 1, journal->piece, size, &frame->record) ||
        frame->record.prev != from->chain ||
        be64_load(head + 8) != check_of(journal, head, frame->record.chain))
        return EVLOG_NOTFOUND;
    frame->bytes = journal->piece;
    frame->size = size;
    return EVLOG_OK;
}

/* The frame that follows, wherever it is; moves `from` past it. */
static int next_frame(struct journal *journal, struct shared_end *from, struct frame *frame)
{
    uint64_t place = from->place;
    int result = read_frame(journal, from, place, frame);
    for (unsigned part = 0; result == EVLOG_NOTFOUND && part < PARTS; part++) {
        place = part_start(part);
        if (place != from->place)
            result = read_frame(journal, from, place, frame);
    }
    if (result == EVLOG_OK)
        *from = (struct shared_end){.place = place + JOURNAL_FRAME_HEAD + frame->size,
                                    .seq = frame->record.seq,
                                    .chain = frame->record.chain};
    return result;
}

int journal_follow(struct journal *journal, struct shared_end *from,
                   int (*visit)(const struct record *, const void *, size_t, void *), void *ctx)
{
    struct frame frame;
    int result;
    journal->filled = 0;
    while ((result = next_frame(journal, from, &frame)) == EVLOG_OK)
        if ((result = visit(&frame.record, frame.bytes, frame.size, ctx)))
            return result;
    return result == EVLOG_NOTFOUND ? EVLOG_OK : result;
}

/* The place behind the frame at `place`, whose record is not looked at. EVLOG_NOTFOUND: none is there. */
static int skip_frame(struct journal *journal, uint64_t *place)
{
    unsigned char head[JOURNAL_FRAME_HEAD + CHAIN_AT + 8];
    size_t count;
    int errnum = file_read(journal->fd, head, sizeof head, *place, &count);
    if (errnum)
        return fail(journal, errnum, "reading");
    uint64_t size = be64_load(head);
    if (count < sizeof head || size < RECORD_HEAD_SIZE || size > RECORD_SIZE_MAX ||
        be64_load(head + 8) !=
            check_of(journal, head, be64_load(head + JOURNAL_FRAME_HEAD + CHAIN_AT)))
        return EVLOG_NOTFOUND;
    *place += JOURNAL_FRAME_HEAD + size;
    return EVLOG_OK;
}

int journal_search(struct journal *journal, struct shared_end *from)
{
    struct frame frame;
    int result = EVLOG_NOTFOUND;
    journal->filled = 0;
    for (unsigned part = 0; part < PARTS; part++) {
        from->place = part_start(part);
        do {
            result = read_frame(journal, from, from->place, &frame);
            if (result != EVLOG_NOTFOUND)
                return result;
        } while ((result = skip_frame(journal, &from->place)) == EVLOG_OK);
        if (result != EVLOG_NOTFOUND)
            return result;
    }
    return result;
}

int journal_find(struct journal *journal, struct shared_end *from, uint64_t seq, uint64_t chain)
{
    struct frame frame;
    int result = EVLOG_OK;
    journal->filled = 0;
    while (result == EVLOG_OK && from->seq < seq)
        result = next_frame(journal, from, &frame);
    if (result == EVLOG_OK && (from->seq != seq || from->chain != chain))
        result = EVLOG_NOTFOUND;
    return result;
}
