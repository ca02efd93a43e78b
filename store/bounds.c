/*
 * Where a log begins and ends, and what evlog_inspect says of it.
 *
 * Seqs are dense, so the first key, the last one and the count of entries agree. Where a damaged page or count
 * makes them differ, the range is guessed from what is sound, and rather too long than too short: an event too many
 * is reported as missing, one too few would not be.
 *
 * Cost: O(depth), at any length; evlog_inspect reads the list of free pages, too.
 */
#include <inttypes.h>
#include <string.h>

#include "be64.h"
#include "clock.h"
#include "erased.h"
#include "error.h"
#include "freelist.h"
#include "page.h"
#include "page_cache.h"
#include "store.h"

/* --------------------------------------------------------------- bounds ---- */

/* The seq at one end of a snapshot, `key` NULL: the last. 0: the path there is damaged. */
static int end_of(struct page_cursor *cursor, const char *key, uint64_t *seq)
{
    struct page_node node;
    *seq = 0;
    int result = page_seek(cursor, key, 0);
    if (result == EVLOG_OK)
        result = page_cursor_node(cursor, &node);
    if (result == EVLOG_OK && node.key_size == sizeof *seq && be64_load(node.key) <= INT64_MAX)
        *seq = be64_load(node.key);
    return result == EVLOG_DAMAGED || result == EVLOG_NOTFOUND ? EVLOG_OK : result;
}

/* The seq when the record under it is sound, else 0: a record's checksum covers its seq. */
static uint64_t believe(const struct page_snapshot *snapshot, uint64_t seq)
{
    struct record record;
    bool is_sound = seq && record_load(snapshot, seq, &record) == EVLOG_OK && record.seq == seq;
    return is_sound ? seq : 0;
}

struct bounds {
    uint64_t first, last;
    bool is_guessed; /* `first`: by the count of entries, or by nothing */
    bool may_guess;
};

/*
 * The bounds where those that were found do not agree with the count of entries, or an end could
 * not be reached (0). An end is believed when its record is sound, and the count unless the file
 * has no room for so many. The range is then rather too long than too short: an event too many is
 * reported as missing, one too few would not be.
 */
static struct bounds guess_bounds(const struct page_snapshot *snapshot, struct bounds found)
{
    uint64_t count_max = snapshot->file_size / RECORD_HEAD_SIZE;
    uint64_t count = snapshot->entries <= count_max ? snapshot->entries : 0;
    uint64_t first = believe(snapshot, found.first), last = believe(snapshot, found.last);
    if (first && last && (last < first || last - first >= count_max))
        last = 0;
    if (!first && !last)
        first = 1;
    uint64_t back = count ? count : count_max;
    uint64_t first_by_count = last > back ? last - back + 1 : 1;
    uint64_t last_by_count = first + (count ? count - 1 : 0);
    bool is_short = first && last && count > last - first + 1;
    return (struct bounds){.first = first && !is_short ? first : first_by_count,
                           .last = last && !is_short ? last : last_by_count,
                           .is_guessed = !found.first || !first || is_short};
}

/*
 * Seqs are dense: the first, the last and the count of entries must agree. EVLOG_DAMAGED: they do not, and
 * what they are may not be guessed. (The count is the meta page's, so pages of another state don't agree.)
 */
static int find_bounds(const struct page_snapshot *snapshot, void *ctx)
{
    struct bounds *bounds = ctx, found = {.first = 0};
    struct page_cursor cursor = {.snapshot = snapshot};
    uint64_t noted[2];
    if (page_cache_note(snapshot, noted)) {
        bounds->first = noted[0];
        bounds->last = noted[1];
        bounds->is_guessed = false;
        return EVLOG_OK;
    }
    if (snapshot->depth > 0) {
        int result = end_of(&cursor, "", &found.first);
        if (result == EVLOG_OK)
            result = end_of(&cursor, NULL, &found.last);
        page_cursor_free(&cursor);
        if (result)
            return result;
        if (found.first == 0 || found.last < found.first ||
            found.last - found.first + 1 != snapshot->entries ||
            snapshot->entries > snapshot->file_size / RECORD_HEAD_SIZE) {
            if (!bounds->may_guess)
                return error_set(EVLOG_DAMAGED, "%s: its count of events is wrong",
                                 snapshot->name);
            found = guess_bounds(snapshot, found);
        } else {
            page_cache_set_note(snapshot, found.first, found.last);
        }
    }
    found.may_guess = bounds->may_guess;
    *bounds = found;
    return EVLOG_OK;
}

static int read_bounds(struct store *store, struct bounds *bounds)
{
    bounds->may_guess = false;
    int result = env_read(store->events, ENV_CHECKED, find_bounds, bounds);
    if (result != EVLOG_DAMAGED)
        return result;
    bounds->may_guess = true;
    return env_read(store->events, ENV_NEWEST, find_bounds, bounds);
}

int store_range(struct store *store, uint64_t *first, uint64_t *last)
{
    struct bounds bounds;
    int result = read_bounds(store, &bounds);
    if (result)
        return result;
    *first = bounds.first;
    *last = bounds.last;
    return EVLOG_OK;
}

/*
 * The floor is the first event that is kept; a first one in the file above it means that another
 * process has raised it, or that events were lost. One past the end does not hide what there is;
 * and where the first one in the file was guessed, it bounds the range.
 */
int store_bounds(struct store *store, uint64_t *first, uint64_t *last)
{
    struct bounds bounds;
    int result = read_bounds(store, &bounds);
    if (result == EVLOG_OK && bounds.first > floor_get(store->floor).first_seq)
        result = floor_refresh(store->floor);
    if (result)
        return result;
    uint64_t floor = floor_get(store->floor).first_seq;
    bool is_of_file = bounds.last < floor || (bounds.is_guessed && floor < bounds.first);
    *first = is_of_file ? bounds.first : floor;
    *last = bounds.last;
    return EVLOG_OK;
}

/* -------------------------------------------------------- the whole log ---- */

struct lookup {
    uint64_t seq;
    struct record *record;
};

static int look_up(const struct page_snapshot *snapshot, void *ctx)
{
    const struct lookup *lookup = ctx;
    int result =
        snapshot->depth ? record_load(snapshot, lookup->seq, lookup->record) : EVLOG_NOTFOUND;
    if (result == EVLOG_NOTFOUND || (result == EVLOG_OK && lookup->record->seq != lookup->seq))
        return error_set(EVLOG_DAMAGED, "event %" PRIu64 ": missing", lookup->seq);
    return result;
}

int store_record(struct store *store, uint64_t seq, struct record *record)
{
    struct lookup lookup = {.seq = seq, .record = record};
    return env_read(store->events, ENV_CHECKED, look_up, &lookup);
}

/* All zero when there is none that can be read. */
static struct record look_at(struct store *store, uint64_t seq)
{
    struct record record = {.seq = 0};
    if (seq && store_record(store, seq, &record))
        record = (struct record){.seq = 0};
    return record;
}

/* The pages of the newest state, and its free ones; where their list is not sound, none are free. */
struct pages {
    struct page_snapshot snapshot;
    uint64_t free_count;
};

static int count_pages(const struct page_snapshot *snapshot, void *ctx)
{
    struct pages *pages = ctx;
    pages->snapshot = *snapshot;
    int result = freelist_count(snapshot, 0, &pages->free_count);
    if (result == EVLOG_DAMAGED || pages->free_count > snapshot->last_page)
        pages->free_count = 0;
    return result == EVLOG_DAMAGED ? EVLOG_OK : result;
}

int store_inspect(struct store *store, evlog_info *info)
{
    struct pages pages;
    const struct page_snapshot *snapshot = &pages.snapshot;
    uint64_t first, last, source_count = 0, unknown_count = 0, waiting_count = 0;
    int result = store_bounds(store, &first, &last);
    if (result == EVLOG_OK)
        result = types_refresh(store->types);
    if (result == EVLOG_OK)
        result = sources_count(store->sources, &source_count);
    if (result == EVLOG_OK)
        result = entries_count_unknown(store->state, &unknown_count);
    if (result == EVLOG_OK)
        result = erased_count(store->state, &waiting_count);
    if (result == EVLOG_OK)
        result = env_read(store->events, ENV_NEWEST, count_pages, &pages);
    if (result)
        return result;
    struct record oldest = look_at(store, first), newest = look_at(store, last);
    *info = (evlog_info){
        .format = store->format.version,
        .durability = store->format.durability,
        .read_only = store->read_only,
        .created_us = store->format.created_us,
        .first_seq = first,
        .last_seq = last,
        .first_log_time_us = oldest.log_time_us,
        .last_log_time_us = newest.log_time_us,
        .clock_step_count = newest.era,
        .is_ahead = newest.log_time_us - clock_wall_us() > CLOCK_STEP_US,
        .is_unrecovered = *store->view.damage != '\0',
        .waiting_count = store->view.waiting_count,
        .file_size = snapshot->file_size,
        .used_size = (snapshot->last_page + 1) * snapshot->page_size,
        .page_count = snapshot->last_page + 1,
        .page_size = snapshot->page_size,
        .type_count = types_count(store->types),
        .source_count = source_count,
        .unknown_entry_count = unknown_count,
        .erased_waiting_count = waiting_count,
        .free_size = pages.free_count * snapshot->page_size,
        .last_chain = newest.chain,
    };
    memcpy(info->uuid, store->format.uuid, sizeof info->uuid);
    memcpy(info->origin, store->format.origin, sizeof info->origin);
    return EVLOG_OK;
}
