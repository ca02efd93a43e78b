/*
 * Making a log whole again after a power cut.
 *
 * A process that opens a log for writing, while no other has it open so, asks first whether events.mdb
 * is as other processes of this run of the machine left it: `shared` has the machine's boot id and the
 * file's device and inode. Then the page cache has all that they wrote, and there is nothing to do: a
 * commit of liblmdb is there or not, whenever a process died. Else, or when a flush has failed:
 *
 *   1. the pages of the newest state in `edge` are put back into events.mdb, when they differ
 *   2. the environments are opened
 *   3. a durable log: what its journal has after the last event is appended, whole sends only
 *   4. the log is flushed, the journal begun anew, and the boot id written
 *
 * A cut at any point leaves `edge` and the journal as they were, or a newer state in `edge`: so it is
 * done again. After 1, the state is one that was flushed, so every page of it is there.
 *
 * A fast log has no journal: it loses the events since its last flush. Where step 1 changes nothing, nobody can know
 * whether there were any, and no event says so (store.c).
 *
 * Where `edge` has no sound state, the log is flushed also when nothing else is to do: the next power cut finds one.
 * If the newest event is damaged there, it cannot be: a fast log is opened all the same, and refuses sends until
 * that event is cut off (repair.c). A durable one is not opened for writing after a power cut: its journal may have
 * that event, and later ones, which only salvage.c finds.
 *
 * So what was damaged on the way, by a flipped bit of the list of free pages, say, is mended; a durable
 * log loses nothing by it. Without a sound `edge` the file is taken as it is, if that is proved.
 *
 * A `edge` newer than both meta pages, which are sound, was written after a flush that
 * this events.mdb never saw: it is another one, and nothing is changed.
 *
 * A process that only reads changes nothing. It reads the newest state, if its pages are proved, and the events from
 * the last leaf of `edge` on are all there and fit each other; else the state of `edge`, from its images.
 *
 * Absent: a file system that is taken away from a running machine with what was not written, and
 * mounted again without a reboot, is not noticed.
 */
#include "recover.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "be64.h"
#include "env.h"
#include "error.h"
#include "flusher.h"
#include "meta.h"
#include "proof.h"
#include "record.h"
#include "shared.h"

#define EVENTS_NAME "events.mdb"

void recover_free(struct recovery *recovery)
{
    edge_state_free(&recovery->base);
}

/* ------------------------------------------------------------ the pages ---- */

/*
 * Whether a state would be whole with its images put back. A file that was flushed has all its pages: one
 * that lacks some was cut short since. `is_mending`: something in the file was damaged, which may be
 * what no image can mend; then the present state must not be given up for it.
 */
static int check_base(const struct edge_state *base, int events, bool is_mending)
{
    struct page_snapshot snapshot;
    struct record last;
    int result = meta_of_images(events, EVENTS_NAME, &base->images, &snapshot);
    if (result)
        return result;
    if ((snapshot.last_page + 1) * snapshot.page_size > snapshot.file_size)
        return error_set(EVLOG_DAMAGED, EVENTS_NAME ": was cut short");
    if (is_mending)
        result = proof_whole(&snapshot, 0, base->is_listless ? PROOF_LOST_ANY : base->lost_count);
    if (result == EVLOG_OK && snapshot.depth > 0)
        result = record_load(&snapshot, 0, &last);
    return result;
}

/* Its list was given up: counts what that has lost. */
static int note_lost(struct edge *edge, int events)
{
    struct page_snapshot restored;
    uint64_t lost_count;
    int result = meta_read(events, EVENTS_NAME, &restored);
    if (result == EVLOG_OK)
        result = proof_count_lost(&restored, &lost_count);
    if (result == EVLOG_OK)
        edge_set_lost(edge, lost_count);
    return result;
}

static int restore(struct recovery *recovery, int events, struct shared *shared,
                   struct edge *edge)
{
    const struct edge_state *base = &recovery->base;
    struct page_snapshot newest;
    bool is_same = false;
    int result = check_base(base, events, recovery->is_mending);
    if (result)
        return result;
    result = meta_read(events, EVENTS_NAME, &newest);
    if (result && result != EVLOG_DAMAGED)
        return result;
    bool is_sound = result == EVLOG_OK && !newest.one_meta;
    if (is_sound && newest.txnid < base->txnid)
        return error_set(EVLOG_DAMAGED,
                         "events.mdb is older than the file " EDGE_FILE " beside it, or another "
                         "log's: put the right one back, or remove " EDGE_FILE);
    result = EVLOG_OK;
    if (is_sound && newest.txnid == base->txnid) /* else a page of a lost commit may be in use */
        result = edge_compare(base, &newest, &is_same);
    if (result)
        return result;
    shared_clear_boot(shared); /* from here on it is changed */
    if (is_same && !base->is_listless)
        return EVLOG_OK;
    recovery->was_restored = true;
    result = edge_restore(base, events, EVENTS_NAME);
    return result || !base->is_listless ? result : note_lost(edge, events);
}

/*
 * What other processes of this run of the machine have left: EVLOG_OK when liblmdb may write to it, by its
 * checksum, its images, or in full.
 */
static int prove(int events, const struct shared *shared, const struct edge_state *base,
                 uint64_t committed_txnid)
{
    struct page_snapshot newest;
    bool is_proved;
    int result = meta_read(events, EVENTS_NAME, &newest);
    if (result)
        return result;
    result =
        proof_is_last(&newest, base->txnid > committed_txnid ? base->txnid : committed_txnid);
    if (result == EVLOG_OK)
        result = proof_succession(&newest, committed_txnid);
    if (result == EVLOG_OK)
        result = proof_is_noted(&newest, shared_noted(shared, SHARED_LOCK_EVENTS, newest.txnid),
                                &is_proved);
    if (result || is_proved)
        return result;
    if (base->images.count == 0 || base->txnid < newest.txnid || newest.one_meta)
        return proof_whole(&newest, committed_txnid, base->lost_count);
    if (base->is_listless)
        result = proof_whole(&newest, committed_txnid, base->lost_count);
    if (result == EVLOG_OK)
        result = edge_compare(base, &newest, &is_proved);
    if (result || is_proved)
        return result;
    return error_set(EVLOG_DAMAGED, EVENTS_NAME ": is not as it was flushed");
}

int recover_begin(struct recovery *recovery, int directory, int events, struct shared *shared,
                  struct edge *edge)
{
    struct stat status;
    *recovery = (struct recovery){.is_needed = false};
    if (fstat(events, &status))
        return error_errno(errno, "looking at it", EVENTS_NAME);
    int result = edge_read(edge, &recovery->base);
    if (result && result != EVLOG_NOTFOUND)
        return result;
    recovery->has_base = result == EVLOG_OK;
    if (shared_is_same_boot(directory, SHARED_FILE, events)) {
        result = prove(events, shared, &recovery->base,
                       shared_committed(shared, SHARED_LOCK_EVENTS, status.st_ino));
        recovery->is_stateless = result == EVLOG_OK && !recovery->has_base;
        if (result != EVLOG_DAMAGED)
            return result;
        recovery->is_mending = true;
    }
    recovery->is_needed = true;
    if (recovery->has_base)
        return restore(recovery, events, shared, edge);
    result = status.st_size == 0 ? EVLOG_OK : prove(events, shared, &recovery->base, 0);
    if (result == EVLOG_OK)
        shared_clear_boot(shared);
    return result;
}

/* ---------------------------------------------------------- the journal ---- */

/* Notes the last event that ends a send. */
static int note_whole(const struct record *record, const void *bytes, size_t size, void *ctx)
{
    uint64_t *last_seq = ctx;
    (void)bytes;
    (void)size;
    if (!(record->flags & RECORD_MORE))
        *last_seq = record->seq;
    return 0;
}

/* The last event of a state. */
struct tail {
    uint64_t seq, chain;
};

struct replay {
    struct journal *journal;
    struct shared_end from;
    struct env *env;
    uint64_t last_seq;
};

static int append(const struct record *record, const void *bytes, size_t size, void *ctx)
{
    struct replay *replay = ctx;
    unsigned char key[sizeof record->seq];
    void *place;
    if (record->seq > replay->last_seq)
        return 1;
    be64_store(key, record->seq);
    int result = env_append(replay->env, key, sizeof key, size, &place);
    if (result == EVLOG_OK)
        memcpy(place, bytes, size);
    return result;
}

static int fill(struct env *env, void *ctx)
{
    struct replay *replay = ctx;
    struct shared_end from = replay->from;
    (void)env;
    int result = journal_follow(replay->journal, &from, append, replay);
    return result == 1 ? EVLOG_OK : result;
}

/*
 * The place in the journal behind an event; where it can begin, if that event isn't there. Where `edge` is
 * gone, or is older, the event that follows is looked for everywhere.
 */
static int place_of(struct journal *journal, const struct edge_state *base, struct tail tail,
                    struct shared_end *from)
{
    *from = base->journal;
    int result = journal_find(journal, from, tail.seq, tail.chain);
    if (result == EVLOG_NOTFOUND) {
        *from = (struct shared_end){.seq = tail.seq, .chain = tail.chain};
        result = journal_search(journal, from);
    }
    if (result == EVLOG_NOTFOUND) {
        from->place = base->journal.place;
        result = EVLOG_OK;
    }
    return result;
}

static int read_tail(const struct page_snapshot *snapshot, void *ctx)
{
    struct tail *tail = ctx;
    struct record record;
    if (snapshot->depth == 0)
        return EVLOG_OK;
    int result = record_load(snapshot, 0, &record);
    if (result == EVLOG_OK)
        *tail = (struct tail){record.seq, record.chain};
    return result;
}

static int replay_journal(struct recovery *recovery, struct env *env, struct journal *journal,
                          uint64_t origin)
{
    struct replay replay = {.journal = journal, .env = env};
    struct tail tail = {.chain = origin};
    int result = env_read(env, ENV_NEWEST, read_tail, &tail);
    if (result == EVLOG_OK)
        result = place_of(journal, &recovery->base, tail, &replay.from);
    struct shared_end from = replay.from;
    replay.last_seq = tail.seq;
    if (result == EVLOG_OK)
        result = journal_follow(journal, &from, note_whole, &replay.last_seq);
    if (result || replay.last_seq == tail.seq)
        return result;
    recovery->replayed_count = replay.last_seq - tail.seq;
    return env_write(env, ENV_FLUSH_ALL, 0, fill, &replay); /* these had room once */
}

/*
 * Flushes the state that the log begins with. What is known of an earlier one, which had a greater number, is of
 * another events.mdb (compact.c), or of commits that a power cut has taken.
 */
static int flush_anew(struct flusher *flusher, struct shared *shared)
{
    int result = flusher_restart(flusher);
    if (result == EVLOG_OK)
        atomic_store(&shared_flushed(shared)->needed_txnid, 0);
    return result;
}

int recover_finish(struct recovery *recovery, int events, struct env *env,
                   struct journal *journal, struct flusher *flusher, struct shared *shared,
                   uint64_t origin)
{
    int result = EVLOG_OK;
    if (recovery->is_stateless) {
        result = flush_anew(flusher, shared);
        return result == EVLOG_DAMAGED ? EVLOG_OK
                                       : result; /* the newest event: sends are refused */
    }
    if (!recovery->is_needed)
        return EVLOG_OK;
    if (journal)
        result = replay_journal(recovery, env, journal, origin);
    if (result == EVLOG_OK)
        result = flush_anew(flusher, shared);
    if (result == EVLOG_DAMAGED && !journal && !recovery->has_base)
        return EVLOG_OK; /* the newest event, as above: it can be cut off. The next opening does it again */
    if (result == EVLOG_OK)
        shared_set_boot(shared, events);
    return result;
}

/* -------------------------------------------------------- only reading ---- */

/* One record more of a walk: it must be the next one. */
static int step(const struct page_snapshot *snapshot, struct page_cursor *cursor,
                struct tail *tail)
{
    struct page_node node;
    struct record record;
    unsigned char *value;
    int result = page_cursor_node(cursor, &node);
    if (result == EVLOG_OK)
        result = page_copy(snapshot, &node, RECORD_SIZE_MAX, &value, NULL);
    if (result)
        return result;
    result = record_decode(tail->seq + 1, value, node.data_size, &record);
    free(value);
    if (result == EVLOG_OK && tail->chain && record.prev != tail->chain)
        result = error_set(EVLOG_DAMAGED, "event %" PRIu64 " does not follow the one before",
                           record.seq);
    if (result)
        return result;
    *tail = (struct tail){record.seq, record.chain};
    page_cursor_step(cursor);
    return EVLOG_OK;
}

/*
 * Moves `tail`, whose chain 0 is not known, over the events that follow it, as long as they fit.
 * EVLOG_DAMAGED: then one does not, or a page on the way is not sound.
 */
static int walk(const struct page_snapshot *snapshot, struct tail *tail)
{
    struct page_cursor cursor = {.snapshot = snapshot};
    unsigned char key[sizeof tail->seq];
    be64_store(key, tail->seq + 1);
    int result = page_seek(&cursor, key, sizeof key);
    while (result == EVLOG_OK)
        result = step(snapshot, &cursor, tail);
    page_cursor_free(&cursor);
    return result == EVLOG_NOTFOUND ? EVLOG_OK : result;
}

/* The event before those in the last leaf of a state: later leaves have copies of these. */
static int before_last_leaf(const struct page_snapshot *base, struct tail *tail)
{
    struct page_cursor cursor = {.snapshot = base};
    struct page_node node;
    *tail = (struct tail){.seq = 0};
    if (base->depth == 0)
        return EVLOG_OK;
    int result = page_seek(&cursor, NULL, 0);
    if (result == EVLOG_OK) {
        page_node_at(cursor.leaf, 0, &node);
        if (node.key_size == sizeof tail->seq)
            tail->seq = be64_load(node.key) - 1;
    }
    page_cursor_free(&cursor);
    return result;
}

/* Whether a state that is newer than the flushed one is whole; `tail` is then its last event. */
static int check_newer(const struct page_snapshot *newest, const struct edge_state *flushed,
                       struct tail *tail)
{
    struct page_snapshot base;
    int result = meta_of_images(newest->fd, EVENTS_NAME, &flushed->images, &base);
    if (result == EVLOG_OK)
        result = proof_pages(newest, flushed->lost_count); /* all branches, too */
    if (result == EVLOG_OK)
        result = before_last_leaf(&base, tail);
    if (result == EVLOG_OK)
        result = walk(newest, tail);
    if (result == EVLOG_OK && newest->entries - base.entries != tail->seq - flushed->seq)
        result = error_set(EVLOG_DAMAGED, "it does not have as many events as it says");
    return result;
}

/*
 * Whether the newest state in the file has all from the flushed one on, as many as its meta page counts;
 * `tail` is then its last event. EVLOG_DAMAGED: it has not.
 */
static int check_newest(int events, const struct edge_state *flushed, struct tail *tail)
{
    struct page_snapshot newest;
    bool is_same;
    int result = meta_read(events, EVENTS_NAME, &newest);
    if (result)
        return result;
    if (newest.one_meta || newest.txnid < flushed->txnid)
        return error_set(EVLOG_DAMAGED, "a meta page is not whole");
    if (newest.txnid > flushed->txnid)
        return check_newer(&newest, flushed, tail);
    result = edge_compare(flushed, &newest, &is_same);
    return result || is_same ? result : error_set(EVLOG_DAMAGED, "it is not as it was flushed");
}

static int count_waiting(struct journal *journal, const struct edge_state *flushed,
                         struct tail tail, uint64_t *waiting_count)
{
    struct shared_end from;
    uint64_t last_seq = tail.seq;
    int result = place_of(journal, flushed, tail, &from);
    if (result == EVLOG_OK)
        result = journal_follow(journal, &from, note_whole, &last_seq);
    *waiting_count = last_seq - tail.seq;
    return result;
}

void recover_view_free(struct recovery_view *view)
{
    edge_state_free(&view->base);
}

int recover_view(int directory, int events, struct edge *edge, struct journal *journal,
                 struct recovery_view *view)
{
    struct edge_state flushed;
    bool is_any;
    *view = (struct recovery_view){.waiting_count = 0};
    int result = edge ? presence_is_any(events, &is_any) : EVLOG_OK;
    if (result || !edge || is_any || shared_is_same_boot(directory, SHARED_FILE, events))
        return result;
    result = edge_read(edge, &flushed);
    view->has_no_base = result == EVLOG_NOTFOUND;
    if (result)
        return result == EVLOG_NOTFOUND ? EVLOG_OK : result;
    struct tail tail = {flushed.seq, flushed.chain};
    if (check_base(&flushed, events, false)) { /* it is read as far as it goes */
        edge_state_free(&flushed);
        return EVLOG_OK;
    }
    result = check_newest(events, &flushed, &tail);
    bool is_whole = result == EVLOG_OK;
    if (result == EVLOG_DAMAGED) {
        snprintf(view->damage, sizeof view->damage, "%s", evlog_errmsg());
        tail = (struct tail){flushed.seq, flushed.chain};
        result = EVLOG_OK;
    }
    if (result == EVLOG_OK && journal)
        result = count_waiting(journal, &flushed, tail, &view->waiting_count);
    if (result == EVLOG_OK && !is_whole)
        view->base = flushed;
    else
        edge_state_free(&flushed);
    return result;
}
