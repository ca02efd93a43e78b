/*
 * The file `shared`, by which the processes that have a log open communicate.
 *
 *      0     4  word      counts wakes in steps of 2; its lowest bit: a reader waits
 *     64    64  boot      boot id 16 | device, inode, when it was made 8 each | a flush has failed 4
 *    128    64  journal   version 4 | place, seq, chain 8 each
 *    192    64  flushed   seq, txnid, place, needed txnid 8 each | process 4 | retention 4 | erasures 8
 *    256    64  lock 0    of events.mdb, 4 | noted txnid 8, checksum 8 | last commit: inode 8, txnid 8
 *    320    64  lock 1    of state.mdb, likewise
 *    384 16384  processes 1024 of 16: pid 4 | generation 4 | pid namespace 8
 *  16768 32768  slots     1024 of 32: tag 8 | seq 6 and attempt 2 in one number of 8 | inside 8 | most 8
 *  49536  4096  claimers  1024 of 4
 *
 * In the machine's byte order, mapped by all of them. It holds nothing that a log needs after the
 * machine was started anew; until then it says that the page cache is to be trusted
 * (recover.c). When it is removed while no process has the log open, it is made again.
 *
 * Waking. A waiter sets the bit, reads the log's head, and sleeps in futex(2) on the word as it
 * read it. A committer reads the bit, and only when it is set counts up, clears it, and wakes all
 * waiters. Between its write and its read each side has a full fence; so either the committer
 * sees the bit or the waiter sees the commit. A waiter that was killed leaves the bit set, and
 * the next commit clears it: nothing has to be repaired, and a sender pays for a system call only
 * when a process waits, or has waited.
 *
 * Claims. A slot is a consumer's, and claimed by a lock on events.mdb (presence.c). Which process has
 * it is written down here, for others to name it.
 *
 * Marks. The holder of a slot writes there which event it is about to hand out, and whether its
 * receiver has returned: plain stores, no system call, and in the page cache when the process
 * is gone. The greatest seq it ever handed out is there too, since after a death events are
 * redelivered from an earlier one on. After a power cut a mark may be an older one, or zeros, and
 * its reader must be content with that.
 *
 * The file is written in full when it is made, so that a full disk is met here and not as a
 * SIGBUS. The process that creates it zero-fills it, which would erase marks that another process has
 * written already: so it is opened only under the lock of the log's directory (store.c). Absent:
 * any protection from a process that cuts it short meanwhile; a log's directory is its owner's.
 */
#include "shared.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"
#include "file.h"
#include "uuid.h"

#define WAITING 1u
#define BLIND_WAIT_US 20000 /* of a reader that cannot be woken */

#define CHECK_EVERY_US 10000

#define END_TRIES 1000 /* to read three numbers that are being set */

#define ATTEMPT_BITS 16
#define ATTEMPT_MAX UINT64_C(0xffff)

struct slot {
    _Atomic uint64_t tag;
    _Atomic uint64_t place; /* seq << ATTEMPT_BITS | attempt: one store changes both */
    _Atomic uint64_t inside;
    _Atomic uint64_t most; /* no less than the seq in place */
};

#define BOOT_ID_SIZE 16

struct boot {
    unsigned char id[BOOT_ID_SIZE];
    struct boot_file {
        uint64_t device, inode;
        uint64_t born_ns; /* 0: the file system does not know; an inode may be used again */
    } file;
    _Atomic uint32_t has_failed;
};

struct journal {
    _Atomic uint32_t version; /* odd: it is being set */
    _Atomic uint64_t place, seq, chain;
};

#define OWN_LINE _Alignas(64)

/* What different processes write is in different cache lines. */
struct page {
    OWN_LINE _Atomic uint32_t word;
    OWN_LINE struct boot boot;
    OWN_LINE struct journal journal;
    OWN_LINE struct shared_flushed flushed;
    struct {
        OWN_LINE _Atomic uint32_t word;
        _Atomic uint64_t noted_txnid, noted_checksum;
        _Atomic uint64_t inode, committed_txnid;
    } locks[2];
    OWN_LINE struct shared_process processes[SHARED_PROCESSES];
    struct slot slots[SHARED_SLOTS];
    _Atomic uint32_t claimers[SHARED_SLOTS];
};

_Static_assert(offsetof(struct page, slots) == 384 + 16 * SHARED_PROCESSES &&
                   sizeof(struct page) == 384 + 16 * SHARED_PROCESSES + 36 * SHARED_SLOTS,
               "the layout has no holes");

struct shared {
    int fd;
    struct page *page;
    _Atomic int64_t checked_us; /* by the coarse clock */
    atomic_bool is_short;       /* it was cut short, and `page` is memory of this process alone */
    char path[];
};

/* ------------------------------------------------------------- opening ---- */

/* Makes the file as long as it has to be, with blocks of its own. */
static int fill(struct shared *shared, const char *path)
{
    struct stat status;
    if (fstat(shared->fd, &status))
        return error_errno(errno, "looking at its size", path);
    int errnum = file_write_zeros(shared->fd, (uint64_t)status.st_size, sizeof(struct page));
    return errnum ? error_errno(errnum, "writing", path) : EVLOG_OK;
}

static int map(struct shared *shared, const char *path)
{
    void *at =
        mmap(NULL, sizeof *shared->page, PROT_READ | PROT_WRITE, MAP_SHARED, shared->fd, 0);
    if (at == MAP_FAILED)
        return error_errno(errno, "mapping", path);
    shared->page = at;
    return EVLOG_OK;
}

static int open_file(struct shared *shared, const char *path)
{
    int result = file_open_path(path, O_RDWR | O_CREAT, &shared->fd);
    if (result == EVLOG_OK)
        result = fill(shared, path);
    return result ? result : map(shared, path);
}

/* A reader uses the file as it is, or does without. */
static int open_for_reading(struct shared *shared, const char *path)
{
    struct stat status;
    if (file_open_path(path, O_RDWR, &shared->fd) || fstat(shared->fd, &status) ||
        status.st_size < (off_t)sizeof(struct page))
        return EVLOG_OK;
    return map(shared, path);
}

int shared_open(const char *path, bool read_only, struct shared **opened)
{
    struct shared *shared = calloc(1, sizeof *shared + strlen(path) + 1);
    if (!shared)
        return error_nomem();
    strcpy(shared->path, path);
    shared->fd = -1;
    int result = read_only ? open_for_reading(shared, path) : open_file(shared, path);
    if (result || !shared->page) {
        shared_close(shared);
        shared = NULL;
    }
    if (result == EVLOG_OK)
        *opened = shared;
    return result;
}

/* Whether it is time to look again. */
static bool is_due(struct shared *shared)
{
    int64_t now_us = clock_coarse_us();
    if (now_us - atomic_load_explicit(&shared->checked_us, memory_order_relaxed) < CHECK_EVERY_US)
        return false;
    atomic_store_explicit(&shared->checked_us, now_us, memory_order_relaxed);
    return true;
}

static int is_cut_short(const struct shared *shared)
{
    return error_set(
        EVLOG_IO,
        "%s: was cut short while the log is open; close the log, see to its files, and "
        "open it",
        shared->path);
}

int shared_check(struct shared *shared, bool is_rare)
{
    struct stat status;
    if (!shared)
        return EVLOG_OK;
    if (atomic_load_explicit(&shared->is_short, memory_order_relaxed))
        return is_cut_short(shared);
    if ((is_rare && !is_due(shared)) || fstat(shared->fd, &status) ||
        status.st_size >= (off_t)sizeof *shared->page)
        return EVLOG_OK;
    atomic_store(&shared->is_short, true);
    mmap(shared->page, sizeof *shared->page, PROT_READ | PROT_WRITE,
         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0); /* if not, it is a SIGBUS after all */
    return is_cut_short(shared);
}

bool shared_is_whole(int directory, const char *name)
{
    struct stat status;
    return fstatat(directory, name, &status, 0) == 0 &&
           status.st_size >= (off_t)sizeof(struct page);
}

void shared_close(struct shared *shared)
{
    if (!shared)
        return;
    if (shared->page)
        munmap(shared->page, sizeof *shared->page);
    if (shared->fd >= 0)
        close(shared->fd);
    free(shared);
}

/* -------------------------------------------------------------- waking ---- */

void shared_wake(struct shared *shared)
{
    if (!shared)
        return;
    atomic_thread_fence(memory_order_seq_cst);
    uint32_t word = atomic_load(&shared->page->word);
    if (!(word & WAITING))
        return;
    while (!atomic_compare_exchange_weak(&shared->page->word, &word, (word & ~WAITING) + 2))
        ;
    syscall(SYS_futex, &shared->page->word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

uint32_t shared_ticket(struct shared *shared)
{
    if (!shared || shared_check(shared, true))
        return 0;
    uint32_t word = atomic_fetch_or(&shared->page->word, WAITING) | WAITING;
    atomic_thread_fence(memory_order_seq_cst);
    return word;
}

void shared_wait(struct shared *shared, uint32_t ticket, int64_t timeout_us)
{
    if (shared && atomic_load(&shared->is_short))
        shared = NULL;
    if (!shared && timeout_us > BLIND_WAIT_US)
        timeout_us = BLIND_WAIT_US;
    struct timespec time = {.tv_sec = timeout_us / 1000000,
                            .tv_nsec = timeout_us % 1000000 * 1000};
    if (shared)
        syscall(SYS_futex, &shared->page->word, FUTEX_WAIT, ticket, &time, NULL, 0);
    else
        nanosleep(&time, NULL);
}

/* ------------------------------------------------------------ processes ---- */

struct shared_process *shared_process(struct shared *shared, unsigned slot)
{
    return &shared->page->processes[slot];
}

_Atomic uint32_t *shared_lock_word(struct shared *shared, enum shared_lock lock)
{
    return &shared->page->locks[lock].word;
}

_Atomic uint32_t *shared_claimer(struct shared *shared, unsigned slot)
{
    return &shared->page->claimers[slot];
}

/* ----------------------------------------------- how far the log is on disk ---- */

void shared_end_set(struct shared *shared, struct shared_end end)
{
    struct journal *journal = &shared->page->journal;
    uint32_t version = atomic_load(&journal->version) | 1;
    atomic_store(&journal->version, version);
    atomic_store(&journal->place, end.place);
    atomic_store(&journal->seq, end.seq);
    atomic_store(&journal->chain, end.chain);
    atomic_store(&journal->version, version + 1);
}

bool shared_end_get(struct shared *shared, struct shared_end *end)
{
    struct journal *journal = &shared->page->journal;
    for (int tries = 0; tries < END_TRIES; tries++) {
        uint32_t version = atomic_load(&journal->version);
        *end = (struct shared_end){.place = atomic_load(&journal->place),
                                   .seq = atomic_load(&journal->seq),
                                   .chain = atomic_load(&journal->chain)};
        if (version % 2 == 0 && version == atomic_load(&journal->version))
            return true;
    }
    return false;
}

struct shared_flushed *shared_flushed(struct shared *shared)
{
    return &shared->page->flushed;
}

uint64_t shared_erasures(struct shared *shared)
{
    return shared ? atomic_load(&shared->page->flushed.erasure_count) : 0;
}

void shared_note(struct shared *shared, enum shared_lock which, uint64_t txnid, uint64_t checksum)
{
    atomic_store(&shared->page->locks[which].noted_txnid, 0);
    atomic_store(&shared->page->locks[which].noted_checksum, checksum);
    atomic_store(&shared->page->locks[which].noted_txnid, txnid);
}

uint64_t shared_noted(const struct shared *shared, enum shared_lock which, uint64_t txnid)
{
    uint64_t checksum = atomic_load(&shared->page->locks[which].noted_checksum);
    return atomic_load(&shared->page->locks[which].noted_txnid) == txnid ? checksum : 0;
}

void shared_set_committed(struct shared *shared, enum shared_lock which, uint64_t inode,
                          uint64_t txnid)
{
    if (atomic_load_explicit(&shared->page->locks[which].inode, memory_order_relaxed) != inode) {
        atomic_store(&shared->page->locks[which].committed_txnid, 0);
        atomic_store(&shared->page->locks[which].inode, inode);
    }
    atomic_store_explicit(&shared->page->locks[which].committed_txnid, txnid,
                          memory_order_release);
}

uint64_t shared_committed(const struct shared *shared, enum shared_lock which, uint64_t inode)
{
    bool is_of_it = shared && atomic_load(&shared->page->locks[which].inode) == inode;
    return is_of_it ? atomic_load(&shared->page->locks[which].committed_txnid) : 0;
}

void shared_fail(struct shared *shared)
{
    if (shared)
        atomic_store(&shared->page->boot.has_failed, 1);
}

bool shared_has_failed(const struct shared *shared)
{
    return shared && atomic_load(&shared->page->boot.has_failed);
}

/* The kernel's name of this run of the machine, or zeros, which no run has. */
static void read_boot_id(unsigned char id[BOOT_ID_SIZE])
{
    char text[UUID_TEXT_SIZE];
    memset(id, 0, BOOT_ID_SIZE);
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (read(fd, text, sizeof text) == sizeof text)
        uuid_parse(text, sizeof text, id);
    close(fd);
}

static struct boot_file boot_file_of(int events)
{
    struct stat status = {.st_ino = 0};
    struct statx more = {.stx_mask = 0};
    fstat(events, &status);
    if (statx(events, "", AT_EMPTY_PATH, STATX_BTIME, &more) || !(more.stx_mask & STATX_BTIME))
        more.stx_btime = (struct statx_timestamp){.tv_sec = 0};
    return (struct boot_file){status.st_dev, status.st_ino,
                              (uint64_t)more.stx_btime.tv_sec * 1000000000 +
                                  more.stx_btime.tv_nsec};
}

bool shared_is_same_boot(int directory, const char *name, int events)
{
    static const unsigned char no_id[BOOT_ID_SIZE];
    unsigned char id[BOOT_ID_SIZE];
    struct boot boot;
    struct boot_file now = boot_file_of(events);
    size_t count;
    int fd;
    if (file_open(directory, "", name, O_RDONLY, &fd))
        return false;
    int errnum = file_read(fd, &boot, sizeof boot, offsetof(struct page, boot), &count);
    close(fd);
    read_boot_id(id);
    return errnum == 0 && count == sizeof boot && memcmp(id, no_id, sizeof id) != 0 &&
           memcmp(id, boot.id, sizeof id) == 0 && memcmp(&now, &boot.file, sizeof now) == 0 &&
           !boot.has_failed;
}

void shared_set_boot(struct shared *shared, int events)
{
    struct boot *boot = &shared->page->boot;
    boot->file = boot_file_of(events);
    read_boot_id(boot->id);
}

void shared_clear_boot(struct shared *shared)
{
    memset(shared->page->boot.id, 0, BOOT_ID_SIZE);
    for (size_t i = 0; i < sizeof shared->page->locks / sizeof *shared->page->locks; i++)
        atomic_store(&shared->page->locks[i].committed_txnid, 0);
    atomic_store(&shared->page->boot.has_failed, 0);
}

/* --------------------------------------------------------------- marks ---- */

void shared_mark_begin(struct shared *shared, unsigned slot, uint64_t tag)
{
    struct slot *at = &shared->page->slots[slot];
    if (atomic_load(&at->tag) == tag)
        return;
    atomic_store(&at->place, 0);
    atomic_store(&at->inside, 0);
    atomic_store(&at->most, 0);
    atomic_store(&at->tag, tag);
}

struct shared_mark shared_mark_get(const struct shared *shared, unsigned slot)
{
    const struct slot *at = &shared->page->slots[slot];
    uint64_t place = atomic_load(&at->place);
    return (struct shared_mark){.seq = place >> ATTEMPT_BITS,
                                .attempt = (uint32_t)(place & ATTEMPT_MAX),
                                .inside = (uint32_t)atomic_load(&at->inside),
                                .most = atomic_load(&at->most)};
}

void shared_mark_enter(struct shared *shared, unsigned slot, const struct shared_mark *mark)
{
    struct slot *at = &shared->page->slots[slot];
    uint64_t attempt = mark->attempt < ATTEMPT_MAX ? mark->attempt : ATTEMPT_MAX;
    if (mark->seq > atomic_load_explicit(&at->most, memory_order_relaxed))
        atomic_store_explicit(&at->most, mark->seq, memory_order_release);
    atomic_store_explicit(&at->place, mark->seq << ATTEMPT_BITS | attempt, memory_order_release);
    atomic_store_explicit(&at->inside, mark->inside, memory_order_release);
}

void shared_mark_leave(struct shared *shared, unsigned slot)
{
    atomic_store_explicit(&shared->page->slots[slot].inside, 0, memory_order_release);
}
