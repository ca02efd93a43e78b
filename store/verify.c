/*
 * evlog verify: is the log what was sent?
 *
 * The reader (reader.c) refuses what is damaged, seq by seq; this reads everything
 * and tells what was refused. Besides it looks at what a reader of a range does not:
 * that log time never steps back, that the file has as many entries as seqs, that
 * the meta pages of both files and every type and source are sound.
 *
 * It works on a log in use: batch by batch, up to the head as it was at the
 * beginning, holding no snapshot for longer than a batch. It does not look at
 * liblmdb's list of free pages, and cannot see that events are missing after
 * the last one.
 */
#include "verify.h"

#include <inttypes.h>
#include <stdio.h>

#include "error.h"
#include "reader.h"
#include "store.h"

#define BATCH 4096

struct verification {
    struct store *store;
    int (*visit)(const evlog_finding *, uint64_t, void *);
    void *ctx;
    uint64_t finding_count, checked_count;
    int64_t log_time_us; /* of the last event read */
};

/* What the visitor says, 0 to go on. */
static int tell(struct verification *verification, uint64_t first, uint64_t last,
                const char *text)
{
    evlog_finding finding = {.first_seq = first, .last_seq = last, .text = text};
    verification->finding_count++;
    return verification->visit ? verification->visit(&finding, last, verification->ctx) : 0;
}

static int tell_progress(struct verification *verification, uint64_t seq)
{
    return verification->visit ? verification->visit(NULL, seq, verification->ctx) : 0;
}

static int check_times(struct verification *verification, const struct reader *reader)
{
    int said = 0;
    for (size_t i = 0; said == 0 && i < reader->count; i++) {
        const struct record *record = &reader->events[i].record;
        char text[128];
        snprintf(text, sizeof text, "event %" PRIu64 ": its log time is before its predecessor's",
                 record->seq);
        if (record->log_time_us < verification->log_time_us)
            said = tell(verification, record->seq, record->seq, text);
        verification->log_time_us = record->log_time_us;
    }
    return said;
}

static int check_events(struct verification *verification, uint64_t first, uint64_t last)
{
    struct reader reader = {.events = NULL};
    int result = EVLOG_OK, said = 0;
    for (uint64_t seq = first; said == 0 && seq <= last; seq = reader.next) {
        result = reader_read(&reader, verification->store, seq, last, BATCH);
        if (result == EVLOG_DAMAGED) {
            said = tell(verification, seq, reader.next - 1, evlog_errmsg());
        } else if (result == EVLOG_OK) {
            verification->checked_count += reader.count;
            said = check_times(verification, &reader);
        } else {
            break;
        }
        if (said == 0)
            said = tell_progress(verification, reader.next - 1);
        result = EVLOG_OK;
    }
    reader_free(&reader);
    return said ? said : result;
}

/* Whether a file's newest state can be found, and its meta pages are both sound. */
static int check_metas(struct verification *verification, struct env *env, const char *name)
{
    struct page_snapshot snapshot;
    char text[80];
    int result = env_snapshot(env, &snapshot);
    if (result == EVLOG_DAMAGED)
        return tell(verification, 0, 0, evlog_errmsg());
    if (result)
        return result;
    snprintf(text, sizeof text, "%s: one of its two meta pages is not sound", name);
    return snapshot.one_meta ? tell(verification, 0, 0, text) : 0;
}

static int check_names(struct verification *verification, struct names *names)
{
    int result = names_refresh(names);
    if (result == EVLOG_DAMAGED)
        return tell(verification, 0, 0, evlog_errmsg());
    if (result)
        return result;
    return names_damage(names) ? tell(verification, 0, 0, names_damage(names)) : 0;
}

static int check_files(struct verification *verification)
{
    struct store *store = verification->store;
    int result = check_metas(verification, store->events, "events.mdb");
    if (result == 0)
        result = check_metas(verification, store->state, "state.mdb");
    if (result == 0)
        result = check_names(verification, store->types);
    return result ? result : check_names(verification, store->sources);
}

/*
 * Seqs are dense: as many entries as there are seqs. Not asked where some could not be read, for
 * they may be missing, nor when others append meanwhile.
 */
static int check_count(struct verification *verification, uint64_t first, uint64_t last)
{
    struct page_snapshot snapshot;
    uint64_t first_now, last_now, expected = last ? last - first + 1 : 0;
    if (verification->checked_count != expected)
        return EVLOG_OK;
    int result = env_snapshot(verification->store->events, &snapshot);
    if (result)
        return result;
    result = store_bounds(verification->store, &first_now, &last_now);
    if (result || first_now != first || last_now != last)
        return result;
    char text[160];
    snprintf(text, sizeof text, "events.mdb: says it has %" PRIu64 " events, and has %" PRIu64,
             snapshot.entries, expected);
    return snapshot.entries == expected ? 0 : tell(verification, 0, 0, text);
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
        result = check_count(&verification, first, last);
    if (result == 0 && verification.finding_count > 0)
        result = error_set(EVLOG_DAMAGED, "%s: %" PRIu64 " findings", store->path,
                           verification.finding_count);
    if (result == EVLOG_OK || result == EVLOG_DAMAGED)
        if (checked_count)
            *checked_count = verification.checked_count;
    return result;
}
