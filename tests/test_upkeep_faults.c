/*
 * Each failing call in turn, as in test_faults.c, of what keeps a log: trimming, a policy, copying, compacting,
 * erasing, salvaging, repairing, importing, seals and groups of workers.
 *
 * Absent: summaries, which take 65,536 events to be made (test_summary.c); and two failures that do not follow each
 * other.
 *
 * A log has EVENTS events, of which each follows from its seq, and a consumer with a state. It is made anew for each
 * failing call, and one operation meets that. When the operation has failed its code and sentence say so; the log
 * opens, verifies, and has every event in order, from its beginning or, where it is trimmed, from the floor; it is what
 * it was or what the operation makes of it, and so is what is made beside it. Then the same operation is run again, on
 * the handle or after opening anew, and completes.
 */
#include <limits.h>

#include "damage.h"
#include "evlog/audit.h"
#include "evlog/consumer.h"
#include "evlog/upkeep.h"
#include "load.h"

#include "faults.h"

#define EVENTS 24
#define LARGE_SEQ 7 /* an event on pages of its own */
#define LARGE_SIZE 12000
#define DONE_SEQ 12   /* up to here the consumer is */
#define KEPT_SEQ 10   /* the first event that is kept where others are trimmed */
#define ERASED_SEQ 5  /* which is erased */
#define MORE 8        /* events that come later */
#define NONE UINT_MAX /* of the calls fails */
#define TRIES_MAX 2   /* of an operation with a fault, unless FAULTS=all */

static const char *const files[] = {"events.mdb", "state.mdb", "journal", "edge", "format"};

#define FILES (sizeof files / sizeof *files)

struct world {
    const char *home, *path, *other; /* its directory, the log, and what is made beside it */
    evlog_options options;
    evlog *log; /* or NULL: it is closed */
    evlog_salvaged salvaged;
    uint64_t digests[FILES]; /* of the log's files, before */
    struct bytes cut;        /* the record that is damaged */
    bool is_refused;         /* it can only be salvaged */
    mode_t mode;             /* of the directory that a new log replaces; 0: there is none */
};

/* ------------------------------------------------------------- the events ---- */

/* The number that an event's data follow from (load.h). */
static uint64_t number_of(uint64_t seq)
{
    static unsigned char data[LOAD_SIZE_MAX];
    static uint64_t large;
    if (seq != LARGE_SEQ)
        return seq;
    for (uint64_t number = 1000; !large; number++)
        if (load_make((struct load){.number = number, .count = 1}, data) >= LARGE_SIZE)
            large = number;
    return large;
}

/* The data of the events from `seq` on. */
struct batch {
    unsigned char data[EVENTS][LOAD_SIZE_MAX];
    evlog_sending sends[EVENTS];
};

static void make_batch(struct batch *batch, evlog_signal *signal, uint64_t seq, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct load load = {.number = number_of(seq + i), .count = 1};
        batch->sends[i] = (evlog_sending){.signal = signal,
                                          .data = batch->data[i],
                                          .data_size = load_make(load, batch->data[i])};
    }
}

/* Sends events, of which the first gets this seq. */
static int send_some(evlog *log, uint64_t seq, unsigned count)
{
    static struct batch batch;
    evlog_signal *signal;
    int result = evlog_define(log, LOAD_TYPE, 0, NULL, &signal);
    make_batch(&batch, signal, seq, count);
    return result ? result : evlog_send_events(batch.sends, count, NULL, NULL);
}

/* What a log has: every event from the first to the last is there, and is what it was. */
struct view {
    uint64_t first, last;
    uint64_t loads;           /* events that are not the log's own */
    uint64_t erased, erasure; /* the event that is erased, and the one that says so; 0: none */
    uint64_t notes;           /* the log's own events */
    uint64_t checkpoint;      /* of the consumer; UINT64_MAX: there is none */
};

static int look_at(const evlog_event *event, void *ctx)
{
    struct view *view = ctx;
    struct load load;
    assert_int_equal(event->seq, view->last + 1);
    view->last = event->seq;
    if (strcmp(event->event_type, "evlog.erased.v1") == 0)
        view->erasure = event->seq;
    if (strcmp(event->event_type, LOAD_TYPE) != 0) {
        view->notes++;
        return 0;
    }
    view->loads++;
    if (!event->data)
        view->erased = event->seq;
    else if (!load_known(event, &load) || load.number != number_of(event->seq))
        fail_msg("event %" PRIu64 " is not what was sent", event->seq);
    return 0;
}

static void view_events(evlog *log, uint64_t last_seq, struct view *view)
{
    static const char *const types[] = {"org.*", "evlog.*"};
    evlog_info info;
    OK(evlog_inspect(log, &info));
    *view = (struct view){.first = 0};
    if (!info.last_seq)
        return;
    view->first = info.first_seq;
    view->last = info.first_seq - 1;
    evlog_range range = {.types = types, .type_count = 2, .last_seq = last_seq};
    OK(evlog_replay(log, &range, look_at, view, NULL));
    assert_int_equal(view->last, last_seq ? last_seq : info.last_seq);
}

/* The consumer's state is that of its checkpoint. */
static void view_consumer(evlog *log, struct view *view)
{
    evlog_consumer_info info;
    int result = inspect_into(log, "mailer", &info);
    view->checkpoint = UINT64_MAX;
    if (result == EVLOG_NOTFOUND)
        return;
    OK(result);
    assert_int_equal(info.state_count, 1);
    view->checkpoint = info.checkpoint;
}

static int tell(const evlog_finding *finding, uint64_t seq, void *ctx)
{
    (void)seq;
    (void)ctx;
    if (finding && !finding->is_remark)
        print_error("%s\n", finding->text);
    return 0;
}

static struct view view_whole(const char *path, bool is_read_only)
{
    struct view view;
    evlog *log;
    OK(evlog_open(path, &(evlog_options){.read_only = is_read_only, .no_create = true}, &log));
    OK(evlog_verify(log, tell, NULL, NULL));
    view_events(log, 0, &view);
    view_consumer(log, &view);
    OK(evlog_close(log));
    return view;
}

/* ------------------------------------------------------------ before and after ---- */

static bool is_there(const char *path, const char *name)
{
    return access(in(path, name), F_OK) == 0;
}

static bool has_bytes(const char *path, const void *bytes, size_t size)
{
    struct bytes file = file_read(path);
    bool has = memmem(file.at, file.size, bytes, size) != NULL;
    free(file.at);
    return has;
}

static void digest_files(const char *path, uint64_t digests[FILES])
{
    for (size_t i = 0; i < FILES; i++) {
        struct bytes file = file_read(in(path, files[i]));
        digests[i] = XXH3_64bits(file.at, file.size);
        free(file.at);
    }
}

/* Removes a directory that has files only. */
static void remove_directory(const char *path)
{
    DIR *directory = opendir(path);
    if (!directory)
        return;
    for (struct dirent *entry; (entry = readdir(directory));)
        unlinkat(dirfd(directory), entry->d_name, 0);
    closedir(directory);
    assert_int_equal(rmdir(path), 0);
}

static void open_log(struct world *world)
{
    OK(evlog_open(world->path, &world->options, &world->log));
}

/* EVLOG_IO: there was one before. */
static void close_log(struct world *world)
{
    int result = world->log ? evlog_close(world->log) : EVLOG_OK;
    if (result && result != EVLOG_IO)
        fail_msg("closing: %d: %s", result, evlog_errmsg());
    world->log = NULL;
}

static int take(const evlog_event *event, void *ctx)
{
    if (event->seq == 1)
        OK(evlog_state_put(ctx, "key", 3, "value", 5));
    return 0;
}

/* Makes a consumer that has done so many events. */
static void consume(evlog *log, const char *name, uint64_t count)
{
    evlog_consumer *consumer;
    OK(evlog_consumer_open(log, name, NULL, &consumer));
    if (count)
        OK(evlog_consumer_poll(consumer, count, 0, take, consumer, NULL));
    OK(evlog_consumer_close(consumer));
}

/* ---------------------------------------------------------------- trimming ---- */

static int trim(struct world *world)
{
    evlog_trimmed trimmed;
    return evlog_trim(world->log, KEPT_SEQ, NULL, &trimmed);
}

/* What was to go is all there or gone. */
static void check_trimmed(struct world *world, int result)
{
    struct view view = view_whole(world->path, false);
    assert_int_equal(view.checkpoint, DONE_SEQ);
    assert_true(view.first == KEPT_SEQ || (result && view.first == 1));
    if (result)
        return;
    MDB_stat stat;
    struct raw raw = raw_open(in(world->path, "events.mdb"));
    assert_int_equal(mdb_stat(raw.txn, raw.dbi, &stat), 0);
    raw_close(&raw);
    assert_int_equal(stat.ms_entries, view.last - view.first + 1);
}

static void prepare_trimmed(struct world *world)
{
    OK(evlog_trim(world->log, KEPT_SEQ, NULL, NULL));
}

/* ---------------------------------------------------------------- a policy ---- */

static int retain(struct world *world)
{
    return evlog_retain(world->log, &(evlog_retention){.count = 1000});
}

static void check_retained(struct world *world, int result)
{
    evlog_retention *retention;
    struct view view = view_whole(world->path, false);
    assert_int_equal(view.first, 1);
    open_log(world);
    OK(evlog_retention_get(world->log, &retention));
    assert_true(retention ? retention->count == 1000 : result != EVLOG_OK);
    evlog_retention_free(retention);
    close_log(world);
}

/* Nothing can go yet: a consumer holds it. */
static void prepare_policy(struct world *world)
{
    consume(world->log, "keeper", 0);
    OK(evlog_retain(world->log, &(evlog_retention){.count = 4}));
}

static void begin_apply(struct world *world)
{
    OK(evlog_consumer_remove(world->log, "keeper"));
}

static int apply(struct world *world)
{
    return evlog_retention_apply(world->log);
}

/* What the other consumer has not done stays. */
static void check_applied(struct world *world, int result)
{
    struct view view = view_whole(world->path, false);
    assert_int_equal(view.checkpoint, DONE_SEQ);
    assert_true(view.first == DONE_SEQ + 1 || (result && view.first == 1));
}

/* ----------------------------------------------------------------- copying ---- */

static int copy(struct world *world)
{
    return evlog_copy(world->log, world->other, NULL, NULL);
}

/* A copy that was not completed is not there, or has the first events. */
static void check_copied(struct world *world, int result)
{
    struct view ours = view_whole(world->path, false);
    evlog *log;
    assert_int_equal(ours.first, 1);
    assert_int_equal(ours.checkpoint, DONE_SEQ);
    int opened = evlog_open(world->other, &(evlog_options){.read_only = true}, &log);
    if (opened == EVLOG_NOTFOUND && result)
        return;
    OK(opened);
    OK(evlog_close(log));
    struct view view = view_whole(world->other, true);
    assert_true(view.last <= ours.last && (view.last == 0 || view.first == 1));
    assert_int_equal(view.erased, view.erasure ? ERASED_SEQ : view.erased);
    if (result)
        return;
    assert_int_equal(view.last, ours.last);
    assert_int_equal(view.checkpoint, DONE_SEQ);
    assert_int_equal(view.erased, ours.erased);
}

/* A copy to which more is to be added, and of which something is to be erased. */
static void prepare_copy(struct world *world)
{
    OK(copy(world));
    OK(evlog_erase(world->log, ERASED_SEQ, NULL, &(evlog_erase_options){.reason = "r"}));
    OK(send_some(world->log, EVENTS + 2, MORE));
}

/* -------------------------------------------------------------- compacting ---- */

static int compact(struct world *world)
{
    return evlog_compact(world->path, NULL, NULL);
}

/* Of files that are empty, one may be left for the next time. */
static void check_compacted(struct world *world, int result)
{
    static const char *const left[] = {"events.mdb.old", "events.mdb.new", "events.mdb.new-lock",
                                       "state.mdb.new", "state.mdb.new-lock"};
    struct view view = view_whole(world->path, false);
    assert_int_equal(view.first, KEPT_SEQ);
    assert_int_equal(view.checkpoint, DONE_SEQ);
    for (size_t i = 0; !result && i < (fault_hits ? 1 : sizeof left / sizeof *left); i++)
        assert_false(is_there(world->path, left[i]));
}

/* ----------------------------------------------------------------- erasing ---- */

static int erase(struct world *world)
{
    return evlog_erase(world->log, ERASED_SEQ, NULL, &(evlog_erase_options){.reason = "r"});
}

/* It is whole or erased; and once that was acknowledged, in no file beside events.mdb. */
static void check_erased(struct world *world, int result)
{
    static const char *const beside[] = {"journal", "edge", "state.mdb", "shared", "format"};
    unsigned char data[LOAD_SIZE_MAX];
    struct view view = view_whole(world->path, false);
    assert_int_equal(view.first, 1);
    assert_int_equal(view.checkpoint, DONE_SEQ);
    assert_true(view.erased == ERASED_SEQ || (result && view.erased == 0));
    assert_true(view.erasure || !view.erased);
    load_make((struct load){.number = number_of(ERASED_SEQ), .count = 1}, data);
    for (size_t i = 0; !result && i < sizeof beside / sizeof *beside; i++)
        assert_false(is_there(world->path, beside[i]) &&
                     has_bytes(in(world->path, beside[i]), data, 21));
}

/* --------------------------------------------------------------- salvaging ---- */

static int salvage(struct world *world)
{
    return evlog_salvage(world->path, world->other, NULL, &world->salvaged);
}

static bool is_reported(const evlog_salvaged *salvaged)
{
    return salvaged->missing_count || salvaged->missing_consumer_count ||
           salvaged->unreadable_size || salvaged->noted_seq || salvaged->is_floor_unknown;
}

/* Of the log nothing is changed. The new one has all, or what is missing is reported; or there is none. */
static void check_salvaged(struct world *world, int result)
{
    uint64_t digests[FILES];
    digest_files(world->path, digests);
    assert_memory_equal(digests, world->digests, sizeof digests);
    if (!is_there(world->other, "format")) {
        assert_int_not_equal(result, EVLOG_OK);
        return;
    }
    if (is_reported(&world->salvaged)) {
        assert_true(fault_hits > 0);
    } else {
        struct view view = view_whole(world->other, false);
        assert_int_equal(view.first, KEPT_SEQ);
        assert_int_equal(view.loads, EVENTS - KEPT_SEQ + 1);
        assert_int_equal(view.checkpoint, DONE_SEQ);
    }
    struct stat status;
    assert_int_equal(stat(world->other, &status), 0);
    assert_true(!world->mode || (status.st_mode & 0777) == world->mode);
    world->mode = 0;
    remove_directory(world->other);
}

/* An event is damaged in one file, and is in another. The new log is to replace an empty directory. */
static void prepare_flip(struct world *world)
{
    OK(evlog_trim(world->log, KEPT_SEQ, NULL, NULL));
    close_log(world);
    struct damage_place flipped = damage_place_of(in(world->path, "events.mdb"), DONE_SEQ);
    file_patch(in(world->path, "events.mdb"), "x", 1, flipped.value + flipped.size - 2);
    world->mode = 0750;
    assert_int_equal(mkdir(world->other, world->mode), 0);
}

/* --------------------------------------------------------------- repairing ---- */

/* The newest event is damaged, and nothing is there to mend it by. */
static void prepare_damage(struct world *world)
{
    close_log(world);
    const char *events = in(world->path, "events.mdb");
    struct damage_place place = damage_place_of(events, EVENTS);
    assert_int_equal(unlink(in(world->path, "edge")), 0);
    file_patch(events, "x", 1, place.value + place.size - 2);
    struct bytes file = file_read(events);
    world->cut = (struct bytes){.at = malloc(place.size), .size = place.size};
    memcpy(world->cut.at, file.at + place.value, place.size);
    free(file.at);
}

static int repair(struct world *world)
{
    return evlog_repair(world->path, NULL, NULL);
}

static int is_of_the_last(const evlog_finding *finding, uint64_t seq, void *ctx)
{
    (void)seq;
    (void)ctx;
    if (finding && !finding->is_remark && finding->first_seq)
        assert_true(finding->first_seq == EVENTS && finding->last_seq == EVENTS);
    return 0;
}

/*
 * Where a write has failed, or the machine's boot is not known, and there is no `edge`, a log whose newest event is
 * damaged is not opened for writing: its journal may have events that come after that one (recover.c). It is read, and
 * salvaged.
 */
static void open_damaged(struct world *world, int result)
{
    int opened = evlog_open(world->path, &world->options, &world->log);
    world->is_refused = opened == EVLOG_DAMAGED && result;
    if (world->is_refused)
        opened = evlog_open(world->path, &(evlog_options){.read_only = true}, &world->log);
    OK(opened);
}

/* What is cut off is kept aside. */
static void check_repaired(struct world *world, int result)
{
    struct view view;
    evlog_event *event;
    evlog_info info;
    open_damaged(world, result);
    assert_int_equal(evlog_verify(world->log, is_of_the_last, NULL, NULL), EVLOG_DAMAGED);
    view_events(world->log, EVENTS - 1, &view);
    assert_int_equal(view.first, 1);
    view_consumer(world->log, &view);
    assert_int_equal(view.checkpoint, DONE_SEQ);
    OK(evlog_inspect(world->log, &info));
    assert_true(info.last_seq > EVENTS || (result && info.last_seq == EVENTS));
    if (info.last_seq > EVENTS) {
        OK(evlog_read(world->log, EVENTS + 1, &event));
        assert_string_equal(event->event_type, "evlog.repaired.v1");
        evlog_event_free(event);
        struct bytes file = file_read(in(world->path, "cut-24-24"));
        assert_int_equal(file.size, 16 + world->cut.size);
        assert_memory_equal(file.at + 16, world->cut.at, world->cut.size);
        free(file.at);
    }
    if (!result)
        OK(send_some(world->log, EVENTS + 2, 1));
    close_log(world);
}

/* --------------------------------------------------------------- importing ---- */

/* What is not there yet, as a program imports. */
static int import_all(struct world *world)
{
    static const evlog_metadata metadata = {.time_us = 1};
    static struct batch batch;
    evlog_import import = {.input = "the input"};
    evlog_definition definition = {.event_type = LOAD_TYPE};
    evlog_signal *signal;
    int result = evlog_import_define(world->log, &definition, &signal);
    if (result == EVLOG_OK)
        result = evlog_import_find(world->log, &import);
    if (result || import.position)
        return result;
    make_batch(&batch, signal, EVENTS + 1, MORE);
    for (unsigned i = 0; i < MORE; i++)
        batch.sends[i].metadata = &metadata;
    import.position = MORE;
    return evlog_import_events(world->log, batch.sends, MORE, &import);
}

/* All are there, once, or none. */
static void check_imported(struct world *world, int result)
{
    struct view view = view_whole(world->path, false);
    assert_int_equal(view.first, 1);
    assert_true((view.loads == EVENTS + MORE && view.notes == 1) ||
                (result && view.loads == EVENTS && view.notes == 0));
}

/* ------------------------------------------------------------------- seals ---- */

static int seal(struct world *world)
{
    static const unsigned char roots[64];
    return evlog_add_seal(world->log, EVENTS, "note", roots, sizeof roots);
}

static void check_sealed(struct world *world, int result)
{
    struct view view = view_whole(world->path, false);
    assert_int_equal(view.first, 1);
    assert_true(view.notes > 0 || result);
}

static int count_leaf(const evlog_leaf *leaf, void *ctx)
{
    *(uint64_t *)ctx += leaf->kind == EVLOG_LEAF_WHOLE;
    return 0;
}

static int read_leaves(struct world *world)
{
    uint64_t count = 0;
    int result = evlog_each_leaf(world->log, 1, EVENTS, count_leaf, &count);
    if (result == EVLOG_OK)
        assert_int_equal(count, EVENTS);
    return result;
}

static void check_untouched(struct world *world, int result)
{
    (void)result;
    struct view view = view_whole(world->path, false);
    assert_int_equal(view.first, 1);
    assert_int_equal(view.last, EVENTS);
    assert_false(is_there(world->other, "."));
}

/* ---------------------------------------------------------------- previews ---- */

static int preview(struct world *world)
{
    evlog_trimmed trimmed;
    evlog_retained retained;
    evlog_copied copied;
    int result =
        evlog_trim(world->log, KEPT_SEQ, &(evlog_trim_options){.preview = true}, &trimmed);
    if (result == EVLOG_OK)
        result = evlog_retention_look(world->log, &(evlog_retention){.count = 4}, &retained);
    if (result == EVLOG_OK)
        result =
            evlog_copy(world->log, world->other, &(evlog_copy_options){.preview = true}, &copied);
    if (result)
        return result;
    assert_int_equal(trimmed.last_seq, KEPT_SEQ - 1);
    assert_int_equal(retained.last_seq, DONE_SEQ);
    assert_int_equal(retained.held_seq, DONE_SEQ + 1);
    assert_int_equal(copied.event_count, EVENTS);
    return EVLOG_OK;
}

/* Of a log that is closed. */
static int preview_closed(struct world *world)
{
    evlog_repaired repaired;
    evlog_salvaged salvaged;
    int result = evlog_compact(world->path, &(evlog_compact_options){.preview = true}, NULL);
    if (result == EVLOG_OK)
        result = evlog_repair(world->path, &(evlog_repair_options){.preview = true}, &repaired);
    if (result == EVLOG_OK)
        result = evlog_salvage(world->path, world->other,
                               &(evlog_salvage_options){.preview = true}, &salvaged);
    if (result)
        return result;
    assert_int_equal(repaired.first_seq, 0);
    assert_true(salvaged.event_count == EVENTS || is_reported(&salvaged));
    return EVLOG_OK;
}

/* ------------------------------------------------------------------ groups ---- */

static int open_worker(struct world *world, uint32_t workers)
{
    evlog_consumer_options options = {.worker = 1, .workers = workers, .by = "n"};
    evlog_consumer *consumer;
    int result = evlog_consumer_open(world->log, "group", &options, &consumer);
    return result ? result : evlog_consumer_close(consumer);
}

static int make_group(struct world *world)
{
    return open_worker(world, 3);
}

static int divide_group(struct world *world)
{
    return open_worker(world, 2);
}

static int remove_group(struct world *world)
{
    int result = evlog_consumer_remove(world->log, "group");
    return result == EVLOG_NOTFOUND && !armed ? EVLOG_OK : result; /* by the one before */
}

static void prepare_group(struct world *world)
{
    OK(make_group(world));
}

static int count_worker(const evlog_consumer_info *info, void *ctx)
{
    *(uint64_t *)ctx += info->group != NULL;
    return 0;
}

/* It is whole: how many workers it has. */
static uint64_t count_workers(struct world *world)
{
    uint64_t count = 0;
    check_untouched(world, EVLOG_OK);
    open_log(world);
    OK(evlog_each_consumer(world->log, count_worker, &count));
    close_log(world);
    return count;
}

static void check_group_made(struct world *world, int result)
{
    uint64_t count = count_workers(world);
    assert_true(count == 3 || (result && count == 0));
}

static void check_group_divided(struct world *world, int result)
{
    uint64_t count = count_workers(world);
    assert_true(count == 2 || (result && count == 3));
}

static void check_group_removed(struct world *world, int result)
{
    uint64_t count = count_workers(world);
    assert_true(count == 0 || (result && count == 3));
}

/* -------------------------------------------------------------- operations ---- */

struct operation {
    const char *name;
    void (*prepare)(struct world *world); /* or NULL; with the log open */
    void (*begin)(struct world *world);   /* or NULL; right before the first run */
    int (*run)(struct world *world);
    void (*check)(struct world *world, int result); /* with the log closed */
    bool is_open;                                   /* the log, to the operation */
    evlog_durability durability;
};

static const struct operation operations[] = {
    {"trimming", NULL, NULL, trim, check_trimmed, true, EVLOG_DURABLE},
    {"trimming a fast log", NULL, NULL, trim, check_trimmed, true, EVLOG_FAST},
    {"setting a policy", NULL, NULL, retain, check_retained, true, EVLOG_DURABLE},
    {"applying a policy", prepare_policy, begin_apply, apply, check_applied, true, EVLOG_DURABLE},
    {"applying it, fast", prepare_policy, begin_apply, apply, check_applied, true, EVLOG_FAST},
    {"copying", NULL, NULL, copy, check_copied, true, EVLOG_DURABLE},
    {"copying a fast log", NULL, NULL, copy, check_copied, true, EVLOG_FAST},
    {"adding to a copy", prepare_copy, NULL, copy, check_copied, true, EVLOG_DURABLE},
    {"compacting", prepare_trimmed, NULL, compact, check_compacted, false, EVLOG_DURABLE},
    {"compacting a fast log", prepare_trimmed, NULL, compact, check_compacted, false, EVLOG_FAST},
    {"erasing", NULL, NULL, erase, check_erased, true, EVLOG_DURABLE},
    {"erasing, fast", NULL, NULL, erase, check_erased, true, EVLOG_FAST},
    {"salvaging", prepare_trimmed, NULL, salvage, check_salvaged, false, EVLOG_DURABLE},
    {"salvaging a damaged one", prepare_flip, NULL, salvage, check_salvaged, false,
     EVLOG_DURABLE},
    {"repairing", prepare_damage, NULL, repair, check_repaired, false, EVLOG_DURABLE},
    {"repairing a fast log", prepare_damage, NULL, repair, check_repaired, false, EVLOG_FAST},
    {"importing", NULL, NULL, import_all, check_imported, true, EVLOG_DURABLE},
    {"sealing", NULL, NULL, seal, check_sealed, true, EVLOG_DURABLE},
    {"reading leaves", NULL, NULL, read_leaves, check_untouched, true, EVLOG_DURABLE},
    {"previewing", NULL, NULL, preview, check_untouched, true, EVLOG_DURABLE},
    {"previewing, closed", NULL, NULL, preview_closed, check_untouched, false, EVLOG_DURABLE},
    {"making a group", NULL, NULL, make_group, check_group_made, true, EVLOG_DURABLE},
    {"dividing a group", prepare_group, NULL, divide_group, check_group_divided, true,
     EVLOG_DURABLE},
    {"removing a group", prepare_group, NULL, remove_group, check_group_removed, true,
     EVLOG_DURABLE},
};

/* A log that is closed, or open as the operation wants it. */
static void make_world(struct world *world, const struct operation *operation)
{
    world->options =
        (evlog_options){.durability = operation->durability, .flush_every_ms = 1000000};
    world->cut = (struct bytes){.at = NULL};
    world->mode = 0;
    world->is_refused = false;
    open_log(world);
    OK(send_some(world->log, 1, EVENTS));
    consume(world->log, "mailer", DONE_SEQ);
    if (operation->prepare)
        operation->prepare(world);
    close_log(world);
    if (operation->run == salvage)
        digest_files(world->path, world->digests);
    if (operation->is_open)
        open_log(world);
    if (operation->begin)
        operation->begin(world);
}

static void remove_world(struct world *world)
{
    char unfinished[4200];
    snprintf(unfinished, sizeof unfinished, "%s.unfinished", world->other);
    free(world->cut.at);
    remove_directory(unfinished);
    remove_directory(world->other);
    remove_directory(world->path);
}

/*
 * The handle that met the fault goes on, unless that was about a file: then it may refuse. The operation is complete
 * then, or is the first thing after opening the log anew.
 */
static bool goes_on(struct world *world, const struct operation *operation, int failed)
{
    int result = operation->run(world);
    return result == EVLOG_OK || (result == EVLOG_IO && failed == EVLOG_IO);
}

/* A log that is damaged is refused as such; and salvaging, what the disk gives at first, and not again. */
static bool is_damaged(const struct operation *operation, int result)
{
    bool is_damage = operation->prepare == prepare_damage && strstr(evlog_errmsg(), "salvage it");
    return fault_hits && result == EVLOG_DAMAGED &&
           (is_damage || strstr(evlog_errmsg(), "changes while it is read"));
}

static char place[200]; /* which call has failed, and the operation's result */

static void run_once(struct world *world, const struct operation *operation,
                     const struct fault *what, unsigned at)
{
    static unsigned number;
    make_world(world, operation);
    fault_arm(what, at);
    int result = operation->run(world);
    snprintf(place, sizeof place, "%s, %s, call %u: %d", operation->name, what->name, at, result);
    if (!fault_is_right(what, result, world->home) && !is_damaged(operation, result))
        fail_msg("not as it should fail: %s", evlog_errmsg());
    if (fault_hits && what->calls == FLUSHING && !result)
        fail_msg("a flush that failed is passed over");
    if (operation->is_open && number++ % 2 && !goes_on(world, operation, result))
        fail_msg("the handle does not go on: %s", evlog_errmsg());
    close_log(world);
    operation->check(world, result);
    if (operation->is_open)
        open_log(world);
    fault_hits = 0;
    if (world->is_refused) {
        FAILS(EVLOG_DAMAGED, "salvage", operation->run(world));
    } else {
        OK(operation->run(world));
        close_log(world);
        operation->check(world, EVLOG_OK);
    }
    remove_world(world);
    *place = '\0';
}

/* How many of its calls have failed, each by itself. */
static unsigned run_operation(void *home, size_t index, const struct fault *what, unsigned number)
{
    const struct operation *operation = &operations[index];
    char path[4200], other[4200];
    struct world world = {.home = home, .path = path, .other = other};
    unsigned at, count = 0;
    snprintf(path, sizeof path, "%s/log", (char *)home);
    snprintf(other, sizeof other, "%s/other", (char *)home);
    make_world(&world, operation);
    fault_begin(what, NONE);
    OK(operation->run(&world));
    fault_end();
    close_log(&world);
    remove_world(&world);
    unsigned last = fault_count, step = fault_step(last, TRIES_MAX, number, &at);
    for (; at <= last; at += step) {
        run_once(&world, operation, what, at);
        count++;
    }
    return count;
}

/* ----------------------------------------------------------------- tests ---- */

static void run_all(void **state, size_t first, size_t last)
{
    fault_run_all(*state, first, last, sizeof operations / sizeof *operations, run_operation);
}

/* Memory that is not there, once or from then on. */
static void no_memory_leaves_a_log_whole(void **state)
{
    run_all(state, 0, 1);
}

/* A full disk. */
static void a_full_disk_leaves_a_log_whole(void **state)
{
    run_all(state, 2, 3);
}

/* Calls that fail with EIO: whichever it is. */
static void a_broken_disk_leaves_a_log_whole(void **state)
{
    run_all(state, 4, 5);
}

/* Writes and flushes that are done, and then say that they failed; and flushes that fail. */
static void a_failed_flush_leaves_a_log_whole(void **state)
{
    run_all(state, 6, 8);
}

/* Calls that are interrupted, or do half of what they were asked for. */
static void half_a_call_leaves_a_log_whole(void **state)
{
    run_all(state, 9, 11);
}

/* Where the test was when it failed. */
static int leave(void **state)
{
    if (*place)
        print_error("%s\n", place);
    *place = '\0';
    return remove_home(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_home, leave)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(no_memory_leaves_a_log_whole),     TEST(a_full_disk_leaves_a_log_whole),
        TEST(a_broken_disk_leaves_a_log_whole), TEST(a_failed_flush_leaves_a_log_whole),
        TEST(half_a_call_leaves_a_log_whole),
    };
    fault_choose_directory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
