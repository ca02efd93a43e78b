/*
 * Whether the files of a log's directory belong together.
 *
 * Files are put back from backups one by one, and into the wrong directory. `format` has the log's
 * origin, which seeds the checksum of each entry of state.mdb, and is the `prev` of the first
 * event; the floor, in state.mdb, has the `prev` of the first event that is kept. So before a
 * writer adds to files, one entry and one event show that these are of this log. evlog verify
 * reports the same.
 *
 * Not found here: files that are older than the others. An older state.mdb may lack types, and the
 * events that name them are reported one by one (reader.c). And a trimmed log's events.mdb beside a
 * state.mdb without a floor: its first events are reported as missing.
 *
 * Cost: a descent in each file.
 */
#include "belongs.h"

#include <inttypes.h>

#include "error.h"
#include "store.h"

int belongs_check_state(struct store *store)
{
    bool is_foreign;
    int result = entries_are_foreign(store->state, &is_foreign);
    if (result == EVLOG_DAMAGED || (result == EVLOG_OK && !is_foreign))
        return EVLOG_OK;
    if (result)
        return result;
    return error_set(
        EVLOG_DAMAGED,
        "%s: state.mdb is another log's, or damaged all over: none of its entries is "
        "of the origin in the file format; put back the one that belongs to "
        "events.mdb",
        store->path);
}

/* Whether the event at the floor begins the log, as far as it is kept. */
static int check_first(const struct page_snapshot *snapshot, void *ctx)
{
    struct store *store = ctx;
    struct floor_place floor = floor_get(store->floor);
    struct record record = {.seq = 0};
    int result =
        snapshot->depth == 0 ? EVLOG_NOTFOUND : record_load(snapshot, floor.first_seq, &record);
    if (result == EVLOG_NOTFOUND && floor.first_seq > 1)
        return error_set(EVLOG_CONFLICT,
                         "%s: events.mdb is older than state.mdb, or another log's: it ends "
                         "before event %" PRIu64 ", the first that is kept",
                         store->path, floor.first_seq);
    if (result == EVLOG_NOTFOUND || result == EVLOG_DAMAGED)
        return EVLOG_OK;
    if (result || record.seq != floor.first_seq || record.prev == floor.chain)
        return result;
    return error_set(EVLOG_CONFLICT,
                     "%s: events.mdb is another log's: its event %" PRIu64 " does not follow %s",
                     store->path, record.seq,
                     record.seq == 1 ? "from the origin in the file format"
                                     : "what state.mdb says was trimmed before it");
}

int belongs_check_events(struct store *store)
{
    return env_read(store->events, ENV_NEWEST, check_first, store);
}
