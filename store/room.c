/*
 * Room ahead in a file that liblmdb writes to, and how long the map of it is.
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
 * A map is address space, and begins with more than most files need. One that is stored into begins small,
 * since liblmdb sets the file's length to it; so it must never be shorter than the file, which another
 * process may have made longer. It doubles, or grows by MAPPED_STRIDE_MAX.
 *
 * Pages in the middle. Where a mapped file is read ahead, the kernel (Linux 6.16 and later, ext4) keeps it in memory
 * in pieces of up to 2 MiB, and one page stored into makes it write the whole piece: a log that is trimmed, whose free
 * pages lie anywhere, was written to fifteen times over here after some minutes. Room that is asked for by
 * POSIX_FADV_WILLNEED comes in single pages. This costs a third of a bulk send's CPU time, so it is done only for a log
 * from which events are deleted (is_reused). Pages that were in memory before, or that a reader has brought there, stay
 * in large pieces.
 *
 * Where no room can be had behind the last page in use, since the disk or log_size_max is full, the pages that trimming
 * has freed must do. liblmdb takes them first by itself; here they are counted (freelist.c), so that a commit is begun
 * only when they are enough with what is left behind, less a reserve for trimming:
 *
 *   pages that may be used   those freed by transactions older than the oldest reader; those that a reader holds at
 *                            this moment are waited for, for a tenth of a second
 *   side by side             a long record needs a run of pages. Without one, liblmdb goes behind the last page: in an
 *                            ordinary file a write fails there, and the commit with it, whole (env.c). In a mapped
 *                            one it is SIGBUS: so there the runs are counted, too, and rather too few than too many.
 *   blocks                   a page before the last one in use has some in any case: in an ordinary file liblmdb wrote
 *                            it, and a mapped one is first filled up to there
 *   the list itself          is written anew, in pages of its own: they are part of what is needed
 *   log_size_max             the map ends there, or the commit is refused: liblmdb reports that it is full, and
 *                            its transaction is ended
 *
 * This costs some reads of the list, and only when room cannot be had; one count serves for some commits.
 *
 * Invariants: zeros are written only past the last page in use, as it is now: another process may have
 * used what was room. The file shrinks only when it could not be lengthened whole. A mapped one is not
 * lengthened here, but by liblmdb.
 */
#include "room.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "file.h"

#define STRIDE_MIN ((uint64_t)64 << 10)
#define STRIDE_MAX ((uint64_t)4 << 20)
#define MAP_SIZE_FIRST ((uint64_t)64 << 20)
#define MAPPED_SIZE_FIRST ((uint64_t)1 << 20)
#define MAPPED_STRIDE_MAX ((uint64_t)1 << 30)

static uint64_t less(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t limit_of(const struct room *room)
{
    return room->size_max ? room->size_max : UINT64_MAX;
}

static uint64_t stride_at(uint64_t end)
{
    return end / 8 < STRIDE_MIN ? STRIDE_MIN : less(end / 8, STRIDE_MAX);
}

/* Lengthens a file from `end` to `needed` or more; undoes what it could not do whole. */
static int lengthen(const struct room *room, uint64_t end, uint64_t needed, uint64_t size)
{
    bool with_zeros = room->kind == ROOM_ZEROS && size < STRIDE_MIN;
    int (*add)(int, uint64_t, uint64_t) = with_zeros ? file_write_zeros : file_reserve;
    int errnum = add(room->fd, end, less(needed + stride_at(end), limit_of(room)));
    if (errnum)
        errnum = add(room->fd, end, needed);
    if (errnum && ftruncate(room->fd, (off_t)end))
        errnum = errno;
    return errnum;
}

/* Has blocks allocated up to `to`; where the file system cannot, zeros are written where no page is. */
static int fill_holes(const struct room *room, uint64_t used, uint64_t to)
{
    uint64_t from = room->end;
    int errnum = file_allocate(room->fd, from, to);
    if (errnum == EOPNOTSUPP)
        errnum = file_write_zeros(room->fd, from < used ? used : from, to);
    return errnum;
}

static int make_mapped(struct room *room, uint64_t used, uint64_t needed, uint64_t file_size)
{
    uint64_t to = less(needed + stride_at(needed), file_size);
    needed = less(needed, file_size); /* liblmdb adds no page past its map, which ends there */
    if (needed <= room->end)
        return 0;
    int errnum = fill_holes(room, used, to);
    if (errnum) {
        to = needed;
        errnum = fill_holes(room, used, to);
    }
    if (errnum)
        return errnum;
    uint64_t from = room->end > used ? room->end : used;
    if (atomic_load_explicit(&room->is_reused, memory_order_relaxed) && to > from)
        posix_fadvise(room->fd, (off_t)from, (off_t)(to - from), POSIX_FADV_WILLNEED);
    room->end = to;
    return 0;
}

static int make_unmapped(struct room *room, uint64_t needed, uint64_t size, uint64_t end)
{
    int errnum = needed > end ? lengthen(room, end, needed, size) : 0;
    if (!errnum)
        room->end = needed > end ? needed : end;
    return errnum;
}

/* No write goes past the process's limit of a file's size, which may have been lowered meanwhile. */
static bool is_past_limit(const struct room *room, uint64_t needed)
{
    return room->kind != ROOM_MAPPED && needed > file_size_limit();
}

static int fail_at_limit(const struct room *room)
{
    return error_set(EVLOG_FULL, "%s: log_size_max, %" PRIu64 " bytes, is reached", room->name,
                     room->size_max);
}

static int file_size_of(const struct room *room, uint64_t *size)
{
    struct stat status;
    if (fstat(room->fd, &status))
        return error_errno(errno, "looking at its size", room->name);
    *size = (uint64_t)status.st_size;
    return EVLOG_OK;
}

int room_make(struct room *room, size_t map_size, uint64_t used, uint64_t size, bool is_reserve)
{
    uint64_t file_size, size_max = limit_of(room);
    bool is_bounded = is_reserve && map_size <= size_max; /* else liblmdb would go on behind it */
    if (used + size > size_max && !is_bounded)
        return fail_at_limit(room);
    uint64_t needed = less(used + size, size_max);
    if (is_past_limit(room, needed))
        return error_errno(EFBIG, "growing the file", room->name);
    if (needed <= room->end)
        return EVLOG_OK;
    int result = file_size_of(room, &file_size);
    if (result)
        return result;
    int errnum = room->kind == ROOM_MAPPED ? make_mapped(room, used, needed, file_size)
                                           : make_unmapped(room, needed, size, file_size);
    return errnum ? error_errno(errnum, "growing the file", room->name) : EVLOG_OK;
}

int room_behind(struct room *room, uint64_t used, uint64_t *size)
{
    uint64_t end = less(room->end, limit_of(room));
    if (is_past_limit(room, used))
        return error_errno(EFBIG, "growing the file", room->name);
    int errnum = room->kind == ROOM_MAPPED && used > room->end ? fill_holes(room, used, used) : 0;
    if (errnum)
        return error_errno(errnum, "growing the file", room->name);
    if (used > room->end)
        room->end = used;
    end = less(end, room->kind == ROOM_MAPPED ? UINT64_MAX : file_size_limit());
    *size = end > used ? end - used : 0;
    return EVLOG_OK;
}

/* ------------------------------------------------------------- the map ---- */

int room_first_map(const struct room *room, size_t *size)
{
    uint64_t file_size;
    *size = less(MAP_SIZE_FIRST, limit_of(room));
    if (room->kind != ROOM_MAPPED)
        return EVLOG_OK;
    int result = file_size_of(room, &file_size);
    if (result)
        return result;
    *size = less(less(MAPPED_SIZE_FIRST, limit_of(room)), file_size_limit());
    if (file_size > *size)
        *size = file_size;
    return EVLOG_OK;
}

/*
 * Whether there is address space for a map that is so much longer (RLIMIT_AS). liblmdb unmaps the old one
 * before it asks for the new one, and could not go on without either.
 */
static int check_space(const struct room *room, size_t more)
{
    if (more == 0)
        return EVLOG_OK;
    void *space = mmap(NULL, more, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (space == MAP_FAILED)
        return error_errno(ENOMEM, "growing the map", room->name);
    munmap(space, more);
    return EVLOG_OK;
}

int room_larger_map(const struct room *room, size_t *size)
{
    uint64_t file_size, before = *size;
    if (before >= limit_of(room))
        return fail_at_limit(room);
    bool is_mapped = room->kind == ROOM_MAPPED;
    uint64_t more = is_mapped ? less(before, MAPPED_STRIDE_MAX) : before;
    *size = before + less(more, limit_of(room) - before);
    int result = is_mapped ? file_size_of(room, &file_size) : EVLOG_OK;
    if (result)
        return result;
    if (is_mapped && file_size >= *size)
        *size = file_size;
    else if (is_mapped && *size > file_size_limit())
        return error_errno(EFBIG, "growing the file", room->name);
    return check_space(room, *size - before);
}

int room_other_map(const struct room *room, uint64_t last_page, uint32_t page_size, size_t *size)
{
    uint64_t file_size, before = *size;
    int result = file_size_of(room, &file_size);
    if (result)
        return result;
    if (last_page >= file_size / page_size)
        return error_set(EVLOG_DAMAGED, "%s: a meta page counts pages that it does not have",
                         room->name);
    if (room->kind == ROOM_MAPPED && *size < file_size)
        *size = file_size;
    while (*size < file_size)
        *size *= 2;
    return check_space(room, *size - before);
}
