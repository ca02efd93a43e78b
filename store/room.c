/*
 * Room ahead in a file that liblmdb writes to.
 *
 * Before each commit the file is given blocks for all pages that the commit may add, under the writer's
 * lock. So a full disk is met before the transaction, in a call that can report it, and not in the
 * middle. Past the last page in use nothing is LMDB's, and only the holder of the lock writes there.
 *
 *   ROOM_ZEROS   zeros are written, in strides: a small commit that is flushed overwrites them, which
 *                needs no allocation by the file system and so no journal (a fifth less for a commit here)
 *   ROOM_BLOCKS  blocks are only allocated: zeros first would double the work of a large commit, and of
 *                one that is not flushed
 *   ROOM_MAPPED  a store into a hole of a file on a full disk ends the process (SIGBUS). The file's size says
 *                nothing of holes, and a copy of a log may have some anywhere: so a process has blocks
 *                allocated from the file's beginning when it first writes, and ahead from then on
 *
 * Invariants: zeros are written only past the last page in use, as it is now: another process may have
 * used what was room. The file shrinks only when it could not be lengthened whole, and is never
 * lengthened here when it is mapped: that is liblmdb's to do (env.c).
 */
#include "room.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "file.h"

#define STRIDE_MIN ((uint64_t)64 << 10)
#define STRIDE_MAX ((uint64_t)4 << 20)

static uint64_t less(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t stride_at(uint64_t end)
{
    return end / 8 < STRIDE_MIN ? STRIDE_MIN : less(end / 8, STRIDE_MAX);
}

/* Lengthens a file from `end` to `needed` or more; undoes what it could not do whole. */
static int lengthen(const struct room *room, int fd, uint64_t end, uint64_t needed, uint64_t size)
{
    uint64_t size_max = room->size_max ? room->size_max : UINT64_MAX;
    bool with_zeros = room->kind == ROOM_ZEROS && size < STRIDE_MIN;
    int (*add)(int, uint64_t, uint64_t) = with_zeros ? file_write_zeros : file_reserve;
    int errnum = add(fd, end, less(needed + stride_at(end), size_max));
    if (errnum)
        errnum = add(fd, end, needed);
    if (errnum && ftruncate(fd, (off_t)end))
        errnum = errno;
    return errnum;
}

/* Has blocks allocated up to `to`; where the file system cannot, zeros are written where no page is. */
static int fill_holes(const struct room *room, int fd, uint64_t used, uint64_t to)
{
    uint64_t from = room->end;
    int errnum = file_allocate(fd, from, to);
    if (errnum == EOPNOTSUPP)
        errnum = file_write_zeros(fd, from < used ? used : from, to);
    return errnum;
}

static int make_mapped(struct room *room, int fd, uint64_t used, uint64_t needed,
                       uint64_t file_size)
{
    uint64_t to = less(needed + stride_at(needed), file_size);
    needed = less(needed, file_size); /* liblmdb adds no page past its map, which is no longer */
    if (needed <= room->end)
        return 0;
    int errnum = fill_holes(room, fd, used, to);
    if (errnum) {
        to = needed;
        errnum = fill_holes(room, fd, used, to);
    }
    if (!errnum)
        room->end = to;
    return errnum;
}

static int make_unmapped(struct room *room, int fd, uint64_t needed, uint64_t size, uint64_t end)
{
    int errnum = needed > end ? lengthen(room, fd, end, needed, size) : 0;
    if (!errnum)
        room->end = needed > end ? needed : end;
    return errnum;
}

/* No write goes past the process's limit of a file's size, which may have been lowered meanwhile. */
static bool is_past_limit(const struct room *room, uint64_t needed)
{
    return room->kind != ROOM_MAPPED && needed > file_size_limit();
}

int room_make(struct room *room, int fd, const char *name, uint64_t used, uint64_t size)
{
    struct stat status;
    uint64_t needed = room->size_max ? less(used + size, room->size_max) : used + size;
    if (is_past_limit(room, needed))
        return error_errno(EFBIG, "growing the file", name);
    if (needed <= room->end)
        return EVLOG_OK;
    if (fstat(fd, &status))
        return error_errno(errno, "looking at its size", name);
    uint64_t file_size = (uint64_t)status.st_size;
    int errnum = room->kind == ROOM_MAPPED ? make_mapped(room, fd, used, needed, file_size)
                                           : make_unmapped(room, fd, needed, size, file_size);
    return errnum ? error_errno(errnum, "growing the file", name) : EVLOG_OK;
}
