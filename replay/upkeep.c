/* The calls of evlog/upkeep.h: the store does the work. */
#include "evlog/upkeep.h"

#include <stdio.h>

#include "compact.h"
#include "copy.h"
#include "erase.h"
#include "error.h"
#include "log.h"
#include "repair.h"
#include "salvage.h"
#include "sized.h"
#include "trim.h"

int evlog_trim_sized(evlog *log, uint64_t before_seq, const evlog_trim_options *given,
                     size_t options_size, evlog_trimmed *trimmed, size_t trimmed_size)
{
    evlog_trim_options options;
    evlog_trimmed done = {.first_seq = 0};
    int result = sized_in(&options, sizeof options, given, options_size);
    if (result == EVLOG_OK)
        result = log_enter(log);
    if (result)
        return result;
    if (log->store->read_only && !options.preview)
        result = error_set(EVLOG_READONLY, "%s: is open for reading only", log->store->path);
    else
        result = trim_events(log->store, before_seq, &options, &done);
    sized_out(trimmed, trimmed_size, &done, sizeof done);
    log_leave(log);
    return result;
}

/* ------------------------------------------------------------- copying ---- */

/* Closes a log; the result, and its sentence, is the first failure. */
static int close_after(evlog *log, int result)
{
    char why[ERROR_SIZE];
    snprintf(why, sizeof why, "%s", evlog_errmsg());
    int closed = evlog_close(log);
    return result ? error_set(result, "%s", why) : closed;
}

/* NULL: there is none, and a preview makes none. */
static int open_copy(const evlog *log, const char *path, bool is_preview, evlog **to)
{
    const struct store *store = log->store;
    const struct store_use use = {.is_alone = true, .copied = &store->format};
    evlog_options options = {
        .durability = store->format.durability, .read_only = is_preview, .no_create = is_preview};
    int result = log_open(path, &options, is_preview ? NULL : &use, to);
    if (result != EVLOG_NOTFOUND || !is_preview)
        return result;
    *to = NULL;
    return EVLOG_OK;
}

static int copy_to(evlog *log, const char *path, const evlog_copy_options *options,
                   evlog_copied *copied)
{
    evlog *to;
    int result = open_copy(log, path, options->preview, &to);
    if (result)
        return result;
    result = copy_events(log->store, to ? to->store : NULL, options, copied);
    return close_after(to, result);
}

int evlog_copy_sized(evlog *log, const char *path, const evlog_copy_options *given,
                     size_t options_size, evlog_copied *copied, size_t copied_size)
{
    evlog_copy_options options;
    evlog_copied done = {.first_seq = 0};
    int result = sized_in(&options, sizeof options, given, options_size);
    if (result == EVLOG_OK)
        result = log_enter(log);
    if (result)
        return result;
    result = copy_to(log, path, &options, &done);
    sized_out(copied, copied_size, &done, sizeof done);
    log_leave(log);
    return result;
}

/* ----------------------------------------------------------- compacting ---- */

static int open_alone(const char *path, const evlog_compact_options *options, evlog **log)
{
    const struct store_use use = {.is_alone = true};
    return log_open(path, &(evlog_options){.no_create = true, .wait_ms = options->wait_ms}, &use,
                    log);
}

static int preview_compacting(const char *path, const evlog_compact_options *options,
                              evlog_compacted *compacted)
{
    evlog *log;
    int result = log_open(path, &(evlog_options){.read_only = true, .wait_ms = options->wait_ms},
                          NULL, &log);
    if (result)
        return result;
    return close_after(log, compact_preview(log->store, compacted));
}

/* What an earlier one has left is overwritten first. */
static int compact(const char *path, const evlog_compact_options *options,
                   evlog_compacted *compacted)
{
    evlog *log;
    int result = open_alone(path, options, &log);
    if (result)
        return result;
    result = compact_scrub(log->store);
    if (result == EVLOG_OK)
        result = compact_files(log->store, options, compacted);
    result = close_after(log, result);
    if (result == EVLOG_OK)
        result = open_alone(path, options, &log);
    if (result)
        return result;
    result = compact_scrub(log->store);
    if (result == EVLOG_OK)
        result = erase_end_waiting(log->store);
    if (result == EVLOG_OK)
        result = compact_note(log->store, compacted);
    return close_after(log, result);
}

int evlog_compact_sized(const char *path, const evlog_compact_options *given, size_t options_size,
                        evlog_compacted *compacted, size_t compacted_size)
{
    evlog_compact_options options;
    evlog_compacted done = {.before_size = 0};
    int result = sized_in(&options, sizeof options, given, options_size);
    if (result == EVLOG_OK)
        result = options.preview ? preview_compacting(path, &options, &done)
                                 : compact(path, &options, &done);
    sized_out(compacted, compacted_size, &done, sizeof done);
    return result;
}

/* ------------------------------------------------------------- erasing ---- */

int evlog_erase_sized(evlog *log, uint64_t seq, const unsigned char digest[32],
                      const evlog_erase_options *given, size_t options_size)
{
    evlog_erase_options options;
    int result = sized_in(&options, sizeof options, given, options_size);
    if (result == EVLOG_OK)
        result = log_enter(log);
    if (result)
        return result;
    if (log->store->read_only && !options.preview)
        result = error_set(EVLOG_READONLY, "%s: is open for reading only", log->store->path);
    else
        result = erase_event(log->store, seq, digest, &options);
    log_leave(log);
    return result;
}

int evlog_erase_contents(evlog *log, uint64_t seq, evlog_buffer *contents)
{
    if (!contents)
        return error_set(EVLOG_INVALID, "no place for the contents is given");
    int result = log_enter(log);
    if (result)
        return result;
    result = erase_contents(log->store, seq, contents);
    log_leave(log);
    return result;
}

/* ----------------------------------------------------------- salvaging ---- */

int evlog_salvage_sized(const char *path, const char *new_path,
                        const evlog_salvage_options *given, size_t options_size,
                        evlog_salvaged *salvaged, size_t salvaged_size)
{
    evlog_salvage_options options;
    evlog_salvaged done = {.event_count = 0};
    int result = sized_in(&options, sizeof options, given, options_size);
    if (result == EVLOG_OK && (!path || !new_path || !*path || !*new_path))
        result = error_set(EVLOG_INVALID, "no path is given");
    if (result)
        return result;
    result = salvage_log(path, new_path, &options, &done);
    sized_out(salvaged, salvaged_size, &done, sizeof done);
    return result;
}

/* ----------------------------------------------------------- repairing ---- */

int evlog_repair_sized(const char *path, const evlog_repair_options *given, size_t options_size,
                       evlog_repaired *repaired, size_t repaired_size)
{
    const struct store_use use = {.is_alone = true};
    evlog_repair_options options;
    evlog_repaired done = {.first_seq = 0};
    evlog *log;
    int result = sized_in(&options, sizeof options, given, options_size);
    if (result)
        return result;
    evlog_options open = {
        .no_create = true, .read_only = options.preview, .wait_ms = options.wait_ms};
    result = log_open(path, &open, options.preview ? NULL : &use, &log);
    if (result == EVLOG_OK)
        result = close_after(log, repair_end(log->store, options.preview, &done));
    if (result == EVLOG_DAMAGED)
        error_set(result, "%s; it cannot be repaired: salvage it", evlog_errmsg());
    sized_out(repaired, repaired_size, &done, sizeof done);
    return result;
}
