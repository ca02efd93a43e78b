/*
 * evlog verify: is the log what was sent?
 *
 * The reader (reader.c) refuses what is damaged, seq by seq; this reads everything and reports
 * what was refused. It also checks what reading a range does not: that log time goes back only where
 * the clock was followed (append.c), which is a remark, as is a log time in the future; that branches lead to the
 * leaves that have what they say; that the file
 * has as many entries as seqs, what liblmdb will believe of both files, and every entry of
 * state.mdb: that it is as it was written, that types and sources have the digests of their texts, that
 * what is a consumer's has its consumer, and that a consumer counts what it has; and that the files
 * belong together (belongs.c). Entries of unknown kinds are a remark: nothing is wrong.
 *
 * It works on a log in use: batch by batch, up to the head as it was at the beginning, holding no
 * snapshot for longer than a batch or than it takes to prove the list of free pages (proof.c). It
 * cannot see that events are missing after the last one.
 */
#include "verify.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "belongs.h"
#include "clock.h"
#include "consumers.h"
#include "edge.h"
#include "erased.h"
#include "error.h"
#include "proof.h"
#include "reader.h"
#include "retain.h"
#include "store.h"
#include "summary.h"

#define BATCH 4096

struct verification {
    struct store *store;
    int (*visit)(const evlog_finding *, uint64_t, void *);
    void *ctx;
    uint64_t finding_count, checked_count;
    uint64_t misplaced; /* the page that was reported last */
    uint64_t seq;       /* these of the last event read; 0: none */
    uint16_t era;
    int64_t log_time_us;
    char consumer[EVLOG_CONSUMER_NAME_SIZE_MAX + 1]; /* whose entry the last one of a kind was */
};

/* Reports a finding, whose text is the sentence there is. What the visitor returns, 0 to go on. */
static int report(struct verification *verification, uint64_t first, uint64_t last)
{
    evlog_finding finding = {.first_seq = first, .last_seq = last, .text = evlog_errmsg()};
    verification->finding_count++;
    return verification->visit ? verification->visit(&finding, last, verification->ctx) : 0;
}

/* Reports what is not wrong but worth knowing, of an event or, 0, the files. */
static int remark(struct verification *verification, uint64_t seq, const char *text)
{
    evlog_finding finding = {.first_seq = seq, .last_seq = seq, .text = text, .is_remark = true};
    return verification->visit ? verification->visit(&finding, seq, verification->ctx) : 0;
}

static int report_progress(struct verification *verification, uint64_t seq)
{
    return verification->visit ? verification->visit(NULL, seq, verification->ctx) : 0;
}

/* Reports damage, and files that do not belong together, as a finding; other results are passed on. */
static int report_damage(struct verification *verification, int result)
{
    bool is_finding = result == EVLOG_DAMAGED || result == EVLOG_CONFLICT;
    return is_finding ? report(verification, 0, 0) : result;
}

/* -------------------------------------------------------------- events ---- */

/* A record that begins a new era says that the clock stepped back, and by how much it shows. */
static int check_step(struct verification *verification, const struct record *record)
{
    char from[EVLOG_TIME_TEXT_SIZE], to[EVLOG_TIME_TEXT_SIZE], text[256];
    bool follows = record->seq == verification->seq + 1;
    int64_t back_us = verification->log_time_us - record->log_time_us;
    if (follows && (record->era != verification->era + 1 || back_us <= CLOCK_STEP_US)) {
        error_set(EVLOG_DAMAGED,
                  "event %" PRIu64 ": it says that the clock stepped back, and it did not",
                  record->seq);
        return report(verification, record->seq, record->seq);
    }
    snprintf(text, sizeof text,
             "event %" PRIu64 ": the clock had stepped back: log time goes from %s to %s",
             record->seq, evlog_time_text(verification->log_time_us, from),
             evlog_time_text(record->log_time_us, to));
    return remark(verification, record->seq, text);
}

static int check_time(struct verification *verification, const struct record *record)
{
    uint16_t era_before = verification->seq ? verification->era : record->era;
    if (record_is_earlier(record, era_before, verification->log_time_us)) {
        error_set(EVLOG_DAMAGED, "event %" PRIu64 ": its log time is before its predecessor's",
                  record->seq);
        return report(verification, record->seq, record->seq);
    }
    if (record->seq == 1 && record->era != 0) {
        error_set(EVLOG_DAMAGED, "event 1: it says that the clock stepped back before it");
        return report(verification, 1, 1);
    }
    return record->era > era_before ? check_step(verification, record) : 0;
}

static int check_times(struct verification *verification, const struct reader *reader)
{
    int stop = 0;
    for (size_t i = 0; stop == 0 && i < reader->count; i++) {
        const struct record *record = &reader->events[i].record;
        stop = check_time(verification, record);
        verification->seq = record->seq;
        verification->era = record->era;
        verification->log_time_us = record->log_time_us;
    }
    return stop;
}

/* Whether the last event that was read is in the future. */
static int check_future(struct verification *verification)
{
    char time[EVLOG_TIME_TEXT_SIZE], text[256];
    if (!verification->seq || verification->log_time_us - clock_wall_us() <= CLOCK_STEP_US)
        return 0;
    snprintf(text, sizeof text,
             "event %" PRIu64 ": its log time, %s, is in the future: the clock was wrong, or is",
             verification->seq, evlog_time_text(verification->log_time_us, time));
    return remark(verification, verification->seq, text);
}

/*
 * A leaf that the branches lead past is read here, leaf after leaf, and not by a reader that begins at one of its
 * events.
 */
static int check_place(struct verification *verification, const struct reader *reader)
{
    if (reader->misplaced == 0 || reader->misplaced == verification->misplaced)
        return EVLOG_OK;
    verification->misplaced = reader->misplaced;
    return report_damage(verification,
                         error_set(EVLOG_DAMAGED,
                                   "events.mdb: page %" PRIu64
                                   " has other events than the branches above it say: a reader "
                                   "that begins at one of them may miss it; evlog salvage finds "
                                   "them",
                                   reader->misplaced));
}

/* Whether what could not be read was trimmed since: then `reader` goes on with what is kept; else the error stays. */
static bool were_trimmed(const struct verification *verification, struct reader *reader,
                         uint64_t seq)
{
    char why[ERROR_SIZE];
    uint64_t first, last;
    snprintf(why, sizeof why, "%s", evlog_errmsg());
    if (store_bounds(verification->store, &first, &last) == EVLOG_OK && first > seq) {
        reader->next = first;
        return true;
    }
    error_set(EVLOG_DAMAGED, "%s", why);
    return false;
}

static int check_batch(struct verification *verification, struct reader *reader, uint64_t first,
                       uint64_t last)
{
    int result = reader_read(reader, verification->store, first, last, BATCH);
    if (result == EVLOG_DAMAGED && were_trimmed(verification, reader, first))
        return EVLOG_OK;
    if (result == EVLOG_DAMAGED)
        result = report(verification, first, reader->next - 1);
    if (result == EVLOG_OK)
        result = check_place(verification, reader);
    if (result)
        return result;
    verification->checked_count += reader->count;
    return check_times(verification, reader);
}

static int check_events(struct verification *verification, uint64_t first, uint64_t last)
{
    struct reader reader = {.checks_places = true};
    int result = EVLOG_OK;
    for (uint64_t seq = first; result == EVLOG_OK && seq <= last; seq = reader.next) {
        result = check_batch(verification, &reader, seq, last);
        if (result == EVLOG_OK)
            result = report_progress(verification, reader.next - 1);
    }
    reader_free(&reader);
    return result;
}

/*
 * Seqs are dense: as many entries as there are seqs. Not asked where some could not be read, for
 * they may be missing, nor when others append or trim meanwhile.
 */
static int check_count(struct verification *verification, uint64_t first, uint64_t last)
{
    struct page_snapshot snapshot, later;
    uint64_t first_now, last_now, expected = last ? last - first + 1 : 0;
    if (verification->checked_count != expected)
        return EVLOG_OK;
    int result = env_snapshot(verification->store->events, &snapshot);
    if (result)
        return result;
    result = store_range(verification->store, &first_now, &last_now);
    if (result == EVLOG_OK)
        result = env_snapshot(verification->store->events, &later);
    if (result || first_now > first || last_now != last || later.txnid != snapshot.txnid)
        return result;
    expected += first - first_now; /* trimmed, but not deleted yet */
    if (snapshot.entries != expected)
        result = error_set(EVLOG_DAMAGED,
                           "events.mdb: says it has %" PRIu64 " events, and has %" PRIu64,
                           snapshot.entries, expected);
    return report_damage(verification, result);
}

/* ---------------------------------------------------------------- files ---- */

/* What is known of a file. */
struct known {
    uint64_t committed_txnid, lost_count;
};

/* To events.mdb it is appended. */
static int prove_events(const struct page_snapshot *snapshot, void *ctx)
{
    const struct known *known = ctx;
    int result = proof_is_last(snapshot, known->committed_txnid);
    return result ? result : proof_whole(snapshot, known->committed_txnid, known->lost_count);
}

/* In state.mdb consumers put and delete anywhere; an older one, put back, is not damaged. */
static int prove_state(const struct page_snapshot *snapshot, void *ctx)
{
    const struct known *known = ctx;
    return proof_all(snapshot, known->committed_txnid);
}

/* Pages that nothing uses are not wrong, but many. */
static int remark_lost(struct verification *verification, uint64_t lost_count)
{
    char text[256];
    if (lost_count == 0)
        return 0;
    snprintf(text, sizeof text,
             "events.mdb: %" PRIu64
             " of its pages are neither in use nor free, since a list of free "
             "pages was given up after a power cut",
             lost_count);
    return remark(verification, 0, text);
}

/* What opening for writing requires of a file, also while other processes have it open. */
static int check_pages(struct verification *verification, struct env *env, enum shared_lock lock,
                       int (*prove)(const struct page_snapshot *, void *))
{
    const struct store *store = verification->store;
    struct edge_state flushed = {.txnid = 0};
    int result = store->edge ? edge_read(store->edge, &flushed) : EVLOG_OK;
    if (result && result != EVLOG_NOTFOUND)
        return result;
    struct known known = {.lost_count = flushed.lost_count};
    edge_state_free(&flushed);
    if (shared_is_same_boot(store->directory, SHARED_FILE, store->events_fd))
        known.committed_txnid = shared_committed(store->shared, lock, env_inode(env));
    result = report_damage(verification, env_read(env, ENV_NEWEST, prove, &known));
    return result || lock == SHARED_LOCK_STATE ? result
                                               : remark_lost(verification, known.lost_count);
}

/* Whether a state is the flushed one when it has its number, and not an older one. */
static int compare(const struct page_snapshot *snapshot, void *ctx)
{
    const struct edge_state *flushed = ctx;
    bool is_same = true;
    int result = EVLOG_OK;
    if (flushed->txnid > snapshot->txnid)
        return error_set(EVLOG_DAMAGED, "%s: its newest meta page is not the last one",
                         snapshot->name);
    if (flushed->txnid == snapshot->txnid)
        result = edge_compare(flushed, snapshot, &is_same);
    if (result || is_same)
        return result;
    return error_set(EVLOG_DAMAGED, "%s: is not as it was flushed", snapshot->name);
}

/* Damage that nothing else has found. */
static int check_flushed(struct verification *verification)
{
    struct store *store = verification->store;
    struct edge_state flushed = {.txnid = 0};
    if (verification->finding_count > 0)
        return EVLOG_OK;
    bool is_hidden = !store->edge && faccessat(store->directory, EDGE_FILE, F_OK, 0) == 0;
    if (is_hidden) /* from this user, in a log that is open for reading only */
        return EVLOG_OK;
    int result = store->edge ? edge_read(store->edge, &flushed) : EVLOG_NOTFOUND;
    if (result == EVLOG_NOTFOUND)
        result = error_set(EVLOG_DAMAGED, EDGE_FILE ": neither of its two states is sound");
    if (result == EVLOG_OK)
        result = env_read(store->events, ENV_NEWEST, compare, &flushed);
    edge_state_free(&flushed);
    return report_damage(verification, result);
}

static int check_consumer_entry(struct verification *verification, const struct entry *entry)
{
    char name[EVLOG_CONSUMER_NAME_SIZE_MAX + 1];
    struct store *store = verification->store;
    int result = consumer_entry_name(entry, name);
    if (result)
        return report_damage(verification, result);
    int damage = consumer_entry_check(name, entry);
    result = report_damage(verification, damage);
    if (result || strcmp(name, verification->consumer) == 0)
        return result;
    strcpy(verification->consumer, name);
    if (entry->key[0] != ENTRY_CONSUMER)
        damage = consumers_check_owner(store, name, entry);
    else if (damage == EVLOG_OK)
        damage = consumers_check_counts(store, name);
    else
        return 0; /* reported already */
    return report_damage(verification, damage);
}

/* An event that was to be erased, and is not: a process died, or the power was cut. */
static int check_erased(struct verification *verification, const struct entry *entry)
{
    struct reader reader = {.events = NULL};
    char text[128];
    uint64_t seq, first, last;
    int result = erased_check(entry, &seq);
    if (result)
        return report_damage(verification, result);
    result = store_bounds(verification->store, &first, &last);
    if (result || seq < first || seq > last)
        return result; /* it was trimmed */
    result = reader_read(&reader, verification->store, seq, seq, 1);
    bool is_whole = result == EVLOG_OK && !(reader.events[0].record.flags & RECORD_ERASED);
    reader_free(&reader);
    if (!is_whole)
        return result == EVLOG_DAMAGED ? EVLOG_OK : result; /* that is found below */
    snprintf(text, sizeof text,
             "event %" PRIu64 ": erasing it was begun and not completed; erase it again", seq);
    return remark(verification, seq, text);
}

static int check_log_entry(const struct entry *entry)
{
    int result = floor_check(entry);
    return result ? result : retain_check(entry);
}

static int check_entry(struct verification *verification, const struct entry *entry)
{
    if (entry->key[0] == ENTRY_TYPE)
        return report_damage(verification, types_check(entry));
    if (entry->key[0] == ENTRY_SOURCE)
        return report_damage(verification, sources_check(entry));
    if (entry->key[0] == ENTRY_LOG)
        return report_damage(verification, check_log_entry(entry));
    if (entry->key[0] == ENTRY_ERASED)
        return check_erased(verification, entry);
    if (entry->key[0] == ENTRY_SUMMARY)
        return report_damage(verification, summary_check(entry));
    return check_consumer_entry(verification, entry);
}

/* All entries of a kind. */
static int check_kind(struct verification *verification, enum entry_kind kind)
{
    struct entry_key prefix = {.size = 1, .bytes = {(unsigned char)kind}};
    struct entry_walk walk;
    const struct entry *entry;
    int result;
    verification->consumer[0] = '\0';
    entry_walk_begin(&walk, verification->store->state, ENV_NEWEST, &prefix, NULL);
    do {
        result = report_damage(verification, entry_walk_next(&walk, &entry));
        if (result == 0 && entry)
            result = check_entry(verification, entry);
    } while (result == 0 && entry);
    entry_walk_end(&walk);
    return result;
}

static int check_unknown(struct verification *verification)
{
    uint64_t count = 0;
    int result =
        report_damage(verification, entries_count_unknown(verification->store->state, &count));
    if (result || count == 0)
        return result;
    char text[96];
    snprintf(text, sizeof text,
             "state.mdb: it has %" PRIu64 " entries of kinds that this evlog does not know",
             count);
    return remark(verification, 0, text);
}

/* What is read is older than what was written, and only recovery brings that back. */
static int check_recovered(struct verification *verification)
{
    const struct recovery_view *view = &verification->store->view;
    char rest[96] = "", text[256];
    if (view->waiting_count)
        snprintf(rest, sizeof rest, "; %" PRIu64 " more are in the journal", view->waiting_count);
    if (*view->damage) {
        error_set(
            EVLOG_DAMAGED,
            "events.mdb: its newest state is not whole, by a power cut or damage (%s). What the "
            "last flush left is read, events up to %" PRIu64
            "%s. The next program that opens the log for writing recovers it",
            view->damage, view->base.seq, rest);
        return report(verification, 0, 0);
    }
    if (!view->waiting_count)
        return 0;
    snprintf(text, sizeof text,
             "%" PRIu64
             " events are in the journal only, since a power cut; the next program that "
             "opens the log for writing brings them back",
             view->waiting_count);
    return remark(verification, 0, text);
}

static int check_files(struct verification *verification)
{
    static const enum entry_kind kinds[] = {
        ENTRY_TYPE,   ENTRY_SOURCE, ENTRY_LOG,   ENTRY_ERASED, ENTRY_CONSUMER,
        ENTRY_FILTER, ENTRY_PARKED, ENTRY_RETRY, ENTRY_STATE,  ENTRY_SUMMARY};
    struct store *store = verification->store;
    const char *gone = env_gone(store->state);
    int result = check_recovered(verification);
    if (result == 0 && gone)
        result = report_damage(verification, error_set(EVLOG_DAMAGED, "%s", gone));
    if (result == 0)
        result = check_pages(verification, store->events, SHARED_LOCK_EVENTS, prove_events);
    if (result == 0 && !gone)
        result = check_pages(verification, store->state, SHARED_LOCK_STATE, prove_state);
    if (result == 0)
        result = report_damage(verification, belongs_check_state(store));
    if (result == 0)
        result = report_damage(verification, belongs_check_events(store));
    for (size_t i = 0; result == 0 && i < sizeof kinds / sizeof *kinds; i++)
        result = check_kind(verification, kinds[i]);
    return result ? result : check_unknown(verification);
}

int verify_log(struct store *store, int (*visit)(const evlog_finding *, uint64_t, void *),
               void *ctx, uint64_t *checked_count)
{
    struct verification verification = {
        .store = store, .visit = visit, .ctx = ctx, .log_time_us = INT64_MIN};
    uint64_t first = 0, last = 0;
    int result = check_files(&verification);
    if (result == 0)
        result = store_bounds(store, &first, &last);
    if (result == 0 && last > 0)
        result = check_events(&verification, first, last);
    if (result == 0)
        result = check_future(&verification);
    if (result == 0)
        result = check_count(&verification, first, last);
    if (result == 0)
        result = check_flushed(&verification);
    if (result)
        return result;
    if (checked_count)
        *checked_count = verification.checked_count;
    if (verification.finding_count > 0)
        return error_set(EVLOG_DAMAGED, "%s: %" PRIu64 " findings", store->path,
                         verification.finding_count);
    return EVLOG_OK;
}
