/*
 * Making a new log of what can be had of a damaged one.
 *
 *   1. the entries of state.mdb are found (remains.c), with them the floor, and events that consumers have done
 *   2. the records are found (rescue.c)
 *   3. what is missing is reported
 *   4. a log is made under another name: entries as they are, records as they are (rewrite.c), and, if something is
 *      missing, an event evlog.salvaged.v1 behind the last seq that the log is known to have had
 *   5. it gets its name
 *
 * So no seq that was lost is given again, as far as it is known of; and a consumer that has done an event that is lost
 * is not ahead of the log. `prev` of the event evlog.salvaged.v1 is the chain of the last event that was had.
 *
 * Absent: going on where an interrupted call was.
 */
#include "salvage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "be64.h"
#include "erased.h"
#include "error.h"
#include "file.h"
#include "flusher.h"
#include "making.h"
#include "note.h"
#include "remains.h"
#include "rescue.h"
#include "rewrite.h"
#include "store.h"

#define FLUSH_SIZE ((uint64_t)64 << 20)
#define ENTRIES_SIZE ((size_t)1 << 20) /* of a commit */
#define GAPS_NOTED_MAX 100
#define UNFINISHED ".unfinished"

struct salvage {
    const char *path, *new_path;
    const evlog_salvage_options *options;
    evlog_salvaged *salvaged;
    struct rescue rescue;
    struct remains remains;
    struct store *to;
    struct rewrite rewrite;
    size_t entry_at;      /* the first entry that is not put yet */
    struct record before; /* the last that was written */
    uint64_t unflushed_size;
};

/* ------------------------------------------------------------ reporting ---- */

static int report(struct salvage *salvage, uint64_t first_seq, uint64_t last_seq,
                  const char *text)
{
    const evlog_salvage_options *options = salvage->options;
    evlog_finding finding = {.first_seq = first_seq, .last_seq = last_seq, .text = text};
    return options->report ? options->report(&finding, options->ctx) : 0;
}

static int report_gap(uint64_t first, uint64_t last, void *ctx)
{
    struct salvage *salvage = ctx;
    char text[160];
    const char *why = first == 1 && salvage->salvaged->is_floor_unknown
                          ? ", or trimmed: how far the log was trimmed is not known"
                          : "";
    salvage->salvaged->missing_count += last - first + 1;
    if (first == last)
        snprintf(text, sizeof text, "event %" PRIu64 ": missing%s", first, why);
    else
        snprintf(text, sizeof text, "events %" PRIu64 " to %" PRIu64 ": missing%s", first, last,
                 why);
    return report(salvage, first, last, text);
}

/* Calls `visit` for each range of seqs that is missing. */
static int each_gap(const struct salvage *salvage,
                    int (*visit)(uint64_t first, uint64_t last, void *ctx), void *ctx)
{
    const struct finds *finds = &salvage->rescue.finds;
    uint64_t next = salvage->remains.has_floor ? salvage->remains.floor.first_seq : 1;
    int result = 0;
    for (size_t i = 0; result == 0 && i < finds->count; i++) {
        uint64_t seq = finds->all[i].seq;
        if (seq > next)
            result = visit(next, seq - 1, ctx);
        next = seq + 1;
    }
    if (result == 0 && salvage->rescue.last_seq >= next)
        result = visit(next, salvage->rescue.last_seq, ctx);
    return result;
}

static int report_consumer(const char *name, const struct consumer_entry *place, bool is_taken,
                           void *ctx)
{
    struct salvage *salvage = ctx;
    char text[EVLOG_CONSUMER_NAME_SIZE_MAX + 160];
    salvage->salvaged->consumer_count += is_taken;
    if (is_taken)
        return 0;
    salvage->salvaged->missing_consumer_count++;
    if (place)
        snprintf(
            text, sizeof text,
            "consumer %s: missing, since parts of its state are; it had done all up to event "
            "%" PRIu64,
            name, place->checkpoint);
    else
        snprintf(text, sizeof text, "consumer %s: missing, where it was is not known", name);
    return report(salvage, 0, 0, text);
}

static int report_files(struct salvage *salvage)
{
    int result = 0;
    if (!salvage->remains.is_whole)
        result =
            report(salvage, 0, 0,
                   salvage->remains.fd < 0
                       ? "state.mdb: is gone, and with it types, sources, consumers, and how "
                         "far the log was trimmed"
                       : "state.mdb: not all of it can be read: types, sources, consumers or "
                         "their filters may be missing");
    if (result == 0 && salvage->salvaged->is_floor_unknown && salvage->remains.fd >= 0)
        result = report(salvage, 0, 0, "state.mdb: how far the log was trimmed is not known");
    if (result == 0 && salvage->rescue.fds[RESCUE_EVENTS] < 0)
        result = report(salvage, 0, 0, "events.mdb: is gone");
    return result;
}

/* --------------------------------------------------------------- finding ---- */

static int know_consumer(const char *name, const struct consumer_entry *place, bool is_taken,
                         void *ctx)
{
    struct salvage *salvage = ctx;
    (void)name;
    (void)is_taken;
    return place ? rescue_know(&salvage->rescue, place->checkpoint, place->chain) : EVLOG_OK;
}

/* Also an entry of an older state: what was erased once stays so. */
static int know_erased(struct salvage *salvage)
{
    struct remains *remains = &salvage->remains;
    int result = EVLOG_OK;
    for (size_t i = 0; result == EVLOG_OK && i < remains->count; i++) {
        struct entry entry;
        uint64_t seq;
        if (remains->all[i].kind != ENTRY_ERASED)
            continue;
        result = remains_read(remains, &remains->all[i], &entry);
        if (result)
            break;
        if (erased_check(&entry, &seq) == EVLOG_OK)
            result = rescue_erased(&salvage->rescue, seq);
        free(entry.value);
    }
    return result;
}

static int find_all(struct salvage *salvage)
{
    struct rescue *rescue = &salvage->rescue;
    struct remains *remains = &salvage->remains;
    uint64_t origin = record_origin(rescue->format.origin);
    struct floor_place floor = {.first_seq = 1, .chain = origin};
    int fd, result = file_open(rescue->directory, rescue->path, STATE_FILE, O_RDONLY, &fd);
    if (result && result != EVLOG_NOTFOUND)
        return result;
    result = remains_find(remains, fd, origin);
    if (result == EVLOG_OK)
        result = remains_each_consumer(remains, know_consumer, salvage);
    if (result == EVLOG_OK)
        result = know_erased(salvage);
    if (remains->has_floor)
        floor = remains->floor;
    salvage->before.chain = floor.chain;
    if (result == EVLOG_OK)
        result = rescue_find(rescue, &floor);
    salvage->salvaged->is_floor_unknown = !remains->has_floor && !remains->is_whole;
    return result;
}

static bool is_named(const struct salvage *salvage, enum entry_kind kind, uint64_t number)
{
    unsigned char key[1 + sizeof number] = {(unsigned char)kind};
    be64_store(key + 1, number);
    return remains_has(&salvage->remains, key, sizeof key);
}

static void count_record(struct salvage *salvage, const struct record *record)
{
    evlog_salvaged *salvaged = salvage->salvaged;
    if (salvaged->event_count++ == 0)
        salvaged->first_seq = record->seq;
    salvaged->last_seq = record->seq;
    salvaged->nameless_count += !is_named(salvage, ENTRY_TYPE, record->type) ||
                                !is_named(salvage, ENTRY_SOURCE, record->source);
}

/* -------------------------------------------------------------- the new log ---- */

static int put_entries(struct env *state, void *ctx)
{
    struct salvage *salvage = ctx;
    const struct remains *remains = &salvage->remains;
    size_t size = 0, at = salvage->entry_at;
    int result = EVLOG_OK;
    for (; result == EVLOG_OK && at < remains->count && size < ENTRIES_SIZE; at++) {
        struct entry entry;
        if (!remains->all[at].is_taken)
            continue;
        result = remains_read(&salvage->remains, &remains->all[at], &entry);
        if (result)
            break;
        if (!floor_is_key(entry.key, entry.key_size) && entry.key[0] != ENTRY_ERASED &&
            entry.key[0] != ENTRY_SUMMARY)
            result =
                env_put(state, entry.key, entry.key_size, entry.value, entry.value_size, NULL);
        size += entry.value_size;
        free(entry.value);
    }
    if (result == EVLOG_OK)
        salvage->entry_at = at;
    return result;
}

static int write_entries(struct salvage *salvage)
{
    const struct remains *remains = &salvage->remains;
    int result = EVLOG_OK;
    if (remains->has_floor)
        result = floor_set(salvage->to->floor, &remains->floor);
    while (result == EVLOG_OK && salvage->entry_at < remains->count) {
        size_t before = salvage->entry_at;
        result = env_write(salvage->to->state, ENV_FLUSH_ALL, ENTRIES_SIZE, put_entries, salvage);
        if (result == EVLOG_OK && salvage->entry_at == before)
            break;
    }
    return result;
}

static int after_batch(const struct raw_batch *batch, void *ctx)
{
    struct salvage *salvage = ctx;
    const evlog_salvage_options *options = salvage->options;
    salvage->unflushed_size += batch->size;
    if (salvage->unflushed_size >= FLUSH_SIZE) {
        int result = flusher_restart(salvage->to->flusher);
        salvage->unflushed_size = 0;
        if (result)
            return result;
    }
    return options->visit ? options->visit(salvage->rewrite.written_count,
                                           salvage->rescue.finds.count, options->ctx)
                          : 0;
}

static int write_record(struct salvage *salvage, const struct record *record,
                        const unsigned char *bytes, size_t size)
{
    bool is_full;
    int result = raw_add(&salvage->rewrite.batch, record, bytes, size, &is_full);
    if (result || !is_full)
        return result;
    result = rewrite_batch(&salvage->rewrite, false);
    return result ? result : raw_add(&salvage->rewrite.batch, record, bytes, size, &is_full);
}

/* Counts the records and, unless it is a preview, writes them. */
static int write_records(struct salvage *salvage)
{
    struct record record;
    const unsigned char *bytes;
    size_t size;
    int result;
    while ((result = rescue_next(&salvage->rescue, &record, &bytes, &size)) == EVLOG_OK &&
           bytes) {
        count_record(salvage, &record);
        if (salvage->to)
            result = write_record(salvage, &record, bytes, size);
        if (result)
            return result;
        salvage->before = record;
        salvage->before.headers = salvage->before.data = salvage->before.erasure = NULL;
    }
    if (result || !salvage->to)
        return result;
    if (salvage->rewrite.batch.count)
        result = rewrite_batch(&salvage->rewrite, false);
    return result ? result : flusher_restart(salvage->to->flusher);
}

/* -------------------------------------------------------------- the note ---- */

/* The event's data as they are packed: {"events", "missing", "consumers", "gaps": [[first, last], ...]} */
struct packed {
    unsigned char bytes[64 + GAPS_NOTED_MAX * 19], *at;
    size_t gap_count;
};

static void pack_text(struct packed *packed, const char *text)
{
    size_t size = strlen(text);
    *packed->at++ = (unsigned char)(0xa0 | size);
    memcpy(packed->at, text, size);
    packed->at += size;
}

static void pack_number(struct packed *packed, uint64_t number)
{
    *packed->at++ = 0xcf;
    be64_store(packed->at, number);
    packed->at += sizeof number;
}

/* The note has the first ones; what is missing is found in the log, too. */
static int pack_gap(uint64_t first, uint64_t last, void *ctx)
{
    struct packed *packed = ctx;
    if (packed->gap_count == GAPS_NOTED_MAX)
        return 1;
    packed->gap_count++;
    *packed->at++ = 0x92;
    pack_number(packed, first);
    pack_number(packed, last);
    return 0;
}

static int write_note(struct salvage *salvage)
{
    const evlog_salvaged *salvaged = salvage->salvaged;
    struct packed packed = {.gap_count = 0};
    uint64_t seq = salvage->rescue.last_seq + 1;
    packed.at = packed.bytes;
    *packed.at++ = 0x84;
    pack_text(&packed, "events");
    pack_number(&packed, salvaged->event_count);
    pack_text(&packed, "missing");
    pack_number(&packed, salvaged->missing_count);
    pack_text(&packed, "consumers");
    pack_number(&packed, salvaged->missing_consumer_count);
    pack_text(&packed, "gaps");
    *packed.at++ = 0xdc;
    unsigned char *count = packed.at;
    packed.at += 2;
    each_gap(salvage, pack_gap, &packed);
    count[0] = (unsigned char)(packed.gap_count >> 8);
    count[1] = (unsigned char)packed.gap_count;
    int result = note_append_at(salvage->to, &salvage->before, seq, "evlog.salvaged.v1",
                                packed.bytes, (size_t)(packed.at - packed.bytes));
    if (result == EVLOG_OK)
        salvage->salvaged->noted_seq = seq;
    return result;
}

/* Whether there is something to say. */
static bool is_incomplete(const struct salvage *salvage)
{
    const evlog_salvaged *salvaged = salvage->salvaged;
    return salvaged->missing_count || salvaged->missing_consumer_count ||
           salvaged->nameless_count || !salvage->remains.is_whole;
}

static int fill(struct salvage *salvage)
{
    struct store *to = salvage->to;
    salvage->rewrite = (struct rewrite){.events = to->events,
                                        .state = to->state,
                                        .to_events = to->events,
                                        .to_state = to->state,
                                        .visit = after_batch,
                                        .ctx = salvage};
    int result = write_entries(salvage);
    if (result == EVLOG_OK)
        result = types_refresh(to->types);
    if (result == EVLOG_OK)
        result = write_records(salvage);
    if (result == EVLOG_OK && is_incomplete(salvage))
        result = write_note(salvage);
    rewrite_free(&salvage->rewrite);
    return result;
}

/* ------------------------------------------------------------ its directory ---- */

/* EVLOG_CONFLICT: there is something that is not an empty directory. */
static int check_new(const char *path)
{
    struct dirent *entry;
    int count = 0;
    DIR *directory = opendir(path);
    if (!directory && errno == ENOENT)
        return EVLOG_OK;
    if (!directory && errno == ENOTDIR)
        return error_set(EVLOG_CONFLICT, "%s: is there already", path);
    if (!directory)
        return error_errno(errno, "looking at the directory", path);
    errno = 0; /* by which readdir reports that it has failed */
    while ((entry = readdir(directory)))
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    int errnum = errno;
    closedir(directory);
    if (errnum)
        return error_errno(errnum, "looking at the directory", path);
    return count ? error_set(EVLOG_CONFLICT, "%s: is there already", path) : EVLOG_OK;
}

/* Removes what an interrupted call has left: files of a log, and no others. */
static int remove_unfinished(const char *path)
{
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (directory < 0)
        return errno == ENOENT ? EVLOG_OK : error_errno(errno, "opening", path);
    for (unsigned i = 0; i < making_file_count; i++)
        unlinkat(directory, making_files[i], 0);
    close(directory);
    return rmdir(path) ? error_errno(errno, "removing", path) : EVLOG_OK;
}

static int rename_durably(const char *from, const char *to)
{
    if (rename(from, to))
        return error_errno(errno, "giving its name to", from);
    int directory = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int parent = directory < 0 ? -1 : openat(directory, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int failed = parent < 0 || (fsync(parent) && errno != EINVAL);
    int errnum = errno;
    if (parent >= 0)
        close(parent);
    if (directory >= 0)
        close(directory);
    return failed ? error_errno(errnum, "flushing the directory of", to) : EVLOG_OK;
}

/*
 * Makes the directory `path` when the one that it is to replace is there, empty: it gets the rights and the group of
 * that one, by which files are made for a group (file.c). Otherwise store_open makes it.
 */
static int make_alike(const char *path, const char *replaced)
{
    struct stat there;
    if (stat(replaced, &there))
        return errno == ENOENT ? EVLOG_OK : error_errno(errno, "looking at", replaced);
    if (mkdir(path, 0700) || chown(path, (uid_t)-1, there.st_gid) ||
        chmod(path, there.st_mode & 07777))
        return error_errno(errno, "making the directory", path);
    return EVLOG_OK;
}

/* Closes the log; the result, and its sentence, is the first failure. */
static int close_new(struct store *store, int result)
{
    char why[ERROR_SIZE];
    snprintf(why, sizeof why, "%s", evlog_errmsg());
    int closed = store_close(store);
    return result ? error_set(result, "%s", why) : closed;
}

static int make_new(struct salvage *salvage)
{
    char path[PATH_MAX];
    const struct format *format = &salvage->rescue.format;
    const struct store_use use = {.is_alone = true, .copied = format};
    evlog_options options = {.durability = format->durability};
    size_t size = strlen(salvage->new_path);
    while (size > 1 && salvage->new_path[size - 1] == '/')
        size--;
    if (snprintf(path, sizeof path, "%.*s" UNFINISHED, (int)size, salvage->new_path) >=
        (int)sizeof path)
        return error_set(EVLOG_INVALID, "%s: the path is too long", salvage->new_path);
    int result = remove_unfinished(path);
    if (result == EVLOG_OK)
        result = make_alike(path, salvage->new_path);
    if (result == EVLOG_OK)
        result = store_open(path, &options, &use, &salvage->to);
    if (result)
        return result;
    result = close_new(salvage->to, fill(salvage));
    return result ? result : rename_durably(path, salvage->new_path);
}

static int run(struct salvage *salvage)
{
    const evlog_salvage_options *options = salvage->options;
    int result = check_new(salvage->new_path);
    if (result == EVLOG_OK)
        result = rescue_open(&salvage->rescue, salvage->path);
    salvage->rescue.visit = options->visit;
    salvage->rescue.ctx = options->ctx;
    if (result == EVLOG_OK)
        result = find_all(salvage);
    if (result == EVLOG_OK)
        result = report_files(salvage);
    if (result == EVLOG_OK)
        result = each_gap(salvage, report_gap, salvage);
    if (result == EVLOG_OK)
        result = remains_each_consumer(&salvage->remains, report_consumer, salvage);
    if (result)
        return result;
    result = options->preview ? write_records(salvage) : make_new(salvage);
    salvage->salvaged->unreadable_size =
        salvage->rescue.unreadable_count + salvage->remains.unreadable_count;
    return result;
}

int salvage_log(const char *path, const char *new_path, const evlog_salvage_options *options,
                evlog_salvaged *salvaged)
{
    struct salvage salvage = {.path = path,
                              .new_path = new_path,
                              .options = options,
                              .salvaged = salvaged,
                              .rescue = {.directory = -1, .fds = {-1, -1, -1}},
                              .remains = {.fd = -1}};
    int result = run(&salvage);
    if (salvage.remains.fd >= 0)
        close(salvage.remains.fd);
    remains_free(&salvage.remains);
    rescue_close(&salvage.rescue);
    return result;
}
