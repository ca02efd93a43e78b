/*
 * Judges a log by what was promised. README.md, "Verdicts", is what is checked here.
 *
 * All events are read into memory as their names (events.h), which is all there is to them: their data follow
 * from that.
 */
#include "verdict.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <evlog/upkeep.h>
#include <time.h>
#include <unistd.h>

#include "events.h"

#define NEW_PROCESS 0xfff /* sends after the cut */

const char *const verdict_names[VERDICT_COUNT] = {"survived", "lost", "not measured",
                                                  "harness broken"};

struct look {
    evlog_durability durability;
    enum loss loss;
    bool is_durable;     /* all that was promised is there */
    bool is_reading;     /* before recovery: nothing that was promised needs to be there */
    bool is_copy;        /* of the log that the promises are about: nor here */
    size_t copied_count; /* but that consumers are as by the first so many promises, or later */
    const struct promises *promises;
    char *why;
    evlog *log;
    struct event_name *events; /* by seq - 1 */
    size_t event_count, event_room;
    size_t trimmed_count; /* of these, at the beginning: as they were promised, or all zero */
    int64_t begun_us;     /* after the cut */
    uint64_t new_seq;     /* the first event that was appended after a cut; 0: none */
};

/* Notes what is wrong; false. */
__attribute__((format(printf, 2, 3))) static bool wrong(struct look *look, const char *format,
                                                        ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(look->why, WHY_SIZE, format, list);
    va_end(list);
    return false;
}

/* Whether a call has succeeded; else notes its sentence. */
static bool well(struct look *look, int result, const char *what)
{
    return result == EVLOG_OK ||
           wrong(look, "%s: %s: %s", what, evlog_strerror(result), evlog_errmsg());
}

void promises_add(struct promises *promises, const struct promise *promise)
{
    if (promises->count == promises->room) {
        promises->room = promises->room * 2 + 64;
        promises->list = realloc(promises->list, promises->room * sizeof *promise);
        if (!promises->list)
            abort();
    }
    promises->list[promises->count++] = *promise;
}

/* The last seq that must have survived also in a fast log: erasing flushes, and a copy has only what is flushed. */
static uint64_t covered_seq(const struct promises *promises)
{
    uint64_t seq = 0;
    for (size_t i = 0; i < promises->count; i++) {
        const struct promise *promise = &promises->list[i];
        bool covers = promise->kind == PROMISE_SYNCED || promise->kind == PROMISE_CHECKPOINT ||
                      promise->kind == PROMISE_COPIED || promise->kind == PROMISE_ERASED;
        if (covers && promise->seq > seq)
            seq = promise->seq;
    }
    return seq;
}

void promises_keep_lasting(struct promises *promises, evlog_durability durability)
{
    size_t kept = 0;
    uint64_t covered = covered_seq(promises);
    for (size_t i = 0; i < promises->count; i++) {
        const struct promise *promise = &promises->list[i];
        uint64_t last =
            promise->seq + (promise->kind == PROMISE_ACKNOWLEDGED ? promise->count - 1 : 0);
        if (durability == EVLOG_DURABLE || last <= covered)
            promises->list[kept++] = *promise;
    }
    promises->count = kept;
}

static bool has_promise(const struct look *look, enum promise_kind kind)
{
    for (size_t i = 0; i < look->promises->count; i++)
        if (look->promises->list[i].kind == kind)
            return true;
    return false;
}

/* The promise of a kind about an event; NULL: there is none. */
static const struct promise *promise_of(const struct look *look, enum promise_kind kind,
                                        uint64_t seq)
{
    for (size_t i = 0; i < look->promises->count; i++)
        if (look->promises->list[i].kind == kind && look->promises->list[i].seq == seq)
            return &look->promises->list[i];
    return NULL;
}

/* --------------------------------------------------------- the events ---- */

#define OWN UINT64_MAX /* less its seq: the number of an event of the log's own */

static bool is_own(struct event_name name)
{
    return name.number >> 60 == OWN >> 60;
}

static int take(const evlog_event *event, void *ctx);

/* All events, the log's own included, which say that it was recovered. */
static int read_all(struct look *look, uint64_t first)
{
    static const char *const types[] = {"org.*", "evlog.*"};
    evlog_range range = {.first_seq = first, .types = types, .type_count = 2};
    return evlog_replay(look->log, &range, take, look, NULL);
}

/* Which event it is, by its data; of one that was erased, by what was promised. */
static int know(const struct look *look, const evlog_event *event, struct event_name *name)
{
    const struct promise *erasing = promise_of(look, PROMISE_ERASING, event->seq);
    if (!event->data && !erasing)
        return evlog_fail("it was erased, and nobody has asked for that");
    if (!event->data) {
        *name = (struct event_name){erasing->number, erasing->index, erasing->count};
        return 0;
    }
    if (!look->is_reading && promise_of(look, PROMISE_ERASED, event->seq))
        return evlog_fail("it was erased, and is whole");
    return event_known(event, name) ? 0 : evlog_fail("nobody has sent it so");
}

static int take(const evlog_event *event, void *ctx)
{
    struct look *look = ctx;
    if (event->seq != look->event_count + 1)
        return evlog_fail("its seq is not the next one");
    if (look->event_count == look->event_room) {
        look->event_room = look->event_room * 2 + 1024;
        look->events = realloc(look->events, look->event_room * sizeof *look->events);
        if (!look->events)
            abort();
    }
    struct event_name *name = &look->events[look->event_count];
    bool is_recovered = strcmp(event->event_type, "evlog.recovered.v1") == 0;
    if (!look->new_seq && (is_recovered || event->log_time_us >= look->begun_us))
        look->new_seq = event->seq;
    if (strncmp(event->event_type, "evlog.", 6) == 0)
        *name = (struct event_name){.number = OWN - event->seq, .count = 1};
    else if (know(look, event, name))
        return 1;
    look->event_count++;
    return 0;
}

/*
 * The log may begin later: but not before what was trimmed, nor after what was about to be, or, with a policy, after
 * what that keeps. (A fast log may have lost events at its end after the policy was applied.)
 */
static bool check_first(struct look *look, const evlog_info *info)
{
    uint64_t least = 0, most = 1, kept = info->last_seq - info->first_seq + 1;
    for (size_t i = 0; i < look->promises->count; i++) {
        const struct promise *promise = &look->promises->list[i];
        bool is_done = promise->kind == PROMISE_TRIMMED && promise->seq > 1;
        if (is_done && promise->seq > least)
            least = promise->seq;
        if ((is_done || promise->kind == PROMISE_TRIMMING) && promise->seq > most)
            most = promise->seq;
        bool is_by_policy =
            promise->kind == PROMISE_POLICY && (kept >= promise->count || !look->is_durable);
        if (is_by_policy && info->first_seq > most)
            most = info->first_seq;
    }
    if (!look->is_reading && info->first_seq > most)
        return wrong(look, "it begins with event %" PRIu64, info->first_seq);
    return info->first_seq >= least ||
           wrong(look, "it begins with event %" PRIu64 ", and was trimmed before %" PRIu64,
                 info->first_seq, least);
}

/* What was promised of those that were trimmed: each consumer has had them, before. */
static void know_trimmed(struct look *look)
{
    for (size_t i = 0; i < look->promises->count; i++) {
        const struct promise *promise = &look->promises->list[i];
        bool is_seen = promise->kind == PROMISE_SEEN;
        if (!is_seen && promise->kind != PROMISE_ACKNOWLEDGED)
            continue;
        uint32_t first = is_seen ? promise->index : 0;
        uint32_t count = is_seen ? 1 : promise->count;
        for (uint32_t j = 0; j < count && promise->seq + j <= look->trimmed_count; j++)
            look->events[promise->seq + j - 1] =
                (struct event_name){promise->number, first + j, promise->count};
    }
}

static bool begin_reading(struct look *look)
{
    evlog_info info;
    if (has_promise(look, PROMISE_POLICY) && !look->is_reading &&
        !well(look, evlog_retention_apply(look->log), "applying the policy"))
        return false; /* so that it does not go on while the events are read */
    if (!well(look, evlog_inspect(look->log, &info), "inspecting") ||
        (!look->is_copy && !check_first(look, &info)))
        return false;
    if (look->event_count || info.first_seq <= 1)
        return true;
    look->trimmed_count = look->event_count = info.first_seq - 1;
    look->event_room = look->event_count + 1024;
    look->events = calloc(look->event_room, sizeof *look->events);
    if (!look->events)
        abort();
    know_trimmed(look);
    return true;
}

static int note_finding(const evlog_finding *finding, uint64_t seq, void *ctx)
{
    struct look *look = ctx;
    (void)seq;
    bool is_cut_off =
        finding && finding->is_remark && promise_of(look, PROMISE_ERASING, finding->first_seq);
    if (!finding || is_cut_off)
        return 0;
    wrong(look, "verify, event %" PRIu64 ": %s", finding->first_seq, finding->text);
    return 1;
}

/* Verifies the log and reads what was not read yet. */
static bool read_events(struct look *look)
{
    look->why[0] = '\0';
    int result = evlog_verify(look->log, note_finding, look, NULL);
    if (result && look->why[0])
        return false;
    return well(look, result, "verifying") && begin_reading(look) &&
           well(look, read_all(look, look->event_count + 1), "reading");
}

static int by_number(const void *a, const void *b)
{
    const struct event_name *one = a, *other = b;
    if (one->number != other->number)
        return one->number < other->number ? -1 : 1;
    return one->index < other->index ? -1 : one->index > other->index;
}

/* Each send is there whole, but for what was trimmed of the first one, side by side, and once. */
static bool check_sends(struct look *look)
{
    for (size_t i = look->trimmed_count, rest; i < look->event_count; i += rest) {
        const struct event_name *head = &look->events[i];
        uint32_t first = i == look->trimmed_count && i > 0 ? head->index : 0;
        rest = first < head->count ? head->count - first : 0;
        if (rest == 0 || i + rest > look->event_count)
            return wrong(look, "the send at event %zu is not there in full", i + 1);
        for (uint32_t j = 0; j < rest; j++)
            if (head[j].number != head->number || head[j].index != first + j)
                return wrong(look, "event %zu is not the next of its send", i + j + 1);
    }
    size_t count = look->event_count - look->trimmed_count;
    struct event_name *sorted = malloc((count + 1) * sizeof *sorted);
    if (!sorted)
        abort();
    if (count)
        memcpy(sorted, look->events + look->trimmed_count, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, by_number);
    bool is_once = true;
    for (size_t i = 1; i < count; i++)
        if (by_number(&sorted[i - 1], &sorted[i]) == 0)
            is_once = wrong(look, "send %" PRIx64 " is there twice", sorted[i].number);
    free(sorted);
    return is_once;
}

/* ------------------------------------------------------- the promises ---- */

static bool check_event(struct look *look, const struct promise *promise, uint64_t covered)
{
    bool is_lasting = look->is_durable || promise->seq <= covered;
    bool is_seen = promise->kind == PROMISE_SEEN;
    uint32_t first = is_seen ? promise->index : 0, last = is_seen ? first : promise->count - 1;
    for (uint32_t index = first; index <= last; index++) {
        uint64_t seq = promise->seq + (index - first);
        if (seq <= look->trimmed_count)
            continue;
        if (seq > look->event_count && !is_lasting)
            return true;
        if (seq > look->event_count)
            return wrong(look, "event %" PRIu64 " was %s, and the log ends at %zu", seq,
                         is_seen ? "seen" : "acknowledged", look->event_count);
        const struct event_name *name = &look->events[seq - 1];
        if (!is_lasting && look->new_seq && look->new_seq <= seq)
            /* it was lost, and others came after it */
            return true;
        if (name->number != promise->number || name->index != index)
            return wrong(look, "event %" PRIu64 " was %s, and is another now", seq,
                         is_seen ? "seen" : "acknowledged");
    }
    return true;
}

static bool check_promises(struct look *look)
{
    uint64_t covered = covered_seq(look->promises);
    if (covered > look->event_count)
        return wrong(look, "event %" PRIu64 " was flushed, and the log ends at %zu", covered,
                     look->event_count);
    for (size_t i = 0; i < look->promises->count; i++) {
        const struct promise *promise = &look->promises->list[i];
        bool is_event = promise->kind == PROMISE_ACKNOWLEDGED || promise->kind == PROMISE_SEEN;
        if (is_event && !check_event(look, promise, covered))
            return false;
    }
    return true;
}

/* ------------------------------------------------------ the consumers ---- */

/*
 * The checkpoint that a consumer must have at least, if it must exist: the newest, but the last commit of
 * state.mdb may be undone by a power cut, and then it is the newest that a later one has followed. A copy is flushed.
 */
static bool was_promised(const struct look *look, uint32_t number, uint64_t *checkpoint)
{
    uint64_t newest = 0, before = 0;
    bool is_made = false, is_followed = false,
         is_undone = look->loss == LOSS_POWER && !look->is_copy;
    size_t count = look->is_copy ? look->copied_count : look->promises->count;
    for (size_t i = 0; i < count; i++) {
        const struct promise *promise = &look->promises->list[i];
        if (promise->kind != PROMISE_CHECKPOINT || promise->consumer != number)
            continue;
        is_made = true;
        if (promise->seq <= newest)
            continue;
        is_followed = true;
        before = newest;
        newest = promise->seq;
    }
    *checkpoint = is_undone ? before : newest;
    return is_undone ? is_followed : is_made;
}

static bool check_state(struct look *look, evlog_consumer *consumer, uint64_t checkpoint)
{
    uint64_t sum, expected = 0;
    for (uint64_t i = 0; i < checkpoint; i++)
        if (look->events[i].count && !is_own(look->events[i]))
            expected = event_fold(expected, look->events[i]);
    return well(look, event_state(consumer, &sum), "reading state") &&
           (sum == expected ||
            wrong(look, "its state is not that of the events up to %" PRIu64, checkpoint));
}

static int consume(const evlog_event *event, void *ctx)
{
    struct event_name name;
    return event_known(event, &name) ? event_consume(ctx, name) : evlog_fail("is not known");
}

/* Where a consumer is: not ahead of the log, nor before what is left of it, and nothing was lost to it. */
static bool check_place(struct look *look, const char *name, const evlog_consumer_info *info)
{
    evlog_info log;
    if (!well(look, evlog_inspect(look->log, &log), "inspecting"))
        return false;
    if (info->checkpoint > log.last_seq)
        return wrong(look, "%s is at %" PRIu64 ", and the log ends at %" PRIu64, name,
                     info->checkpoint, log.last_seq);
    if (info->checkpoint < look->trimmed_count)
        return wrong(look, "%s is at %" PRIu64 ", and what is up to %zu was trimmed", name,
                     info->checkpoint, look->trimmed_count);
    return !info->parked_count || wrong(look, "%s has lost events", name);
}

/* `*checkpoint` is UINT64_MAX when there is none. */
static bool inspect_consumer(struct look *look, const char *name, uint64_t *checkpoint)
{
    evlog_consumer_info *info;
    int result = evlog_consumer_inspect(look->log, name, &info);
    *checkpoint = UINT64_MAX;
    if (result == EVLOG_NOTFOUND)
        return true;
    if (!well(look, result, name))
        return false;
    *checkpoint = info->checkpoint;
    bool is_good = check_place(look, name, info);
    evlog_consumer_info_free(info);
    return is_good;
}

/* Takes all that it has not had. */
static bool let_consume(struct look *look, const char *name, uint64_t checkpoint)
{
    evlog_consumer *consumer;
    if (!well(look, evlog_consumer_open(look->log, name, NULL, &consumer), name))
        return false;
    bool is_good =
        check_state(look, consumer, checkpoint) &&
        well(look, evlog_consumer_poll(consumer, 0, 0, consume, consumer, NULL), "consuming") &&
        check_state(look, consumer, look->event_count);
    return well(look, evlog_consumer_close(consumer), "closing a consumer") && is_good;
}

static bool check_consumer(struct look *look, uint32_t number)
{
    char name[32];
    uint64_t promised, checkpoint;
    snprintf(name, sizeof name, "consumer-%u", number);
    bool is_promised = was_promised(look, number, &promised);
    if (!inspect_consumer(look, name, &checkpoint))
        return false;
    if (checkpoint == UINT64_MAX)
        return !is_promised || wrong(look, "%s is gone", name);
    if (checkpoint < promised)
        return wrong(look, "%s was at %" PRIu64 ", and is at %" PRIu64, name, promised,
                     checkpoint);
    if (checkpoint > look->event_count)
        return wrong(look, "%s is at %" PRIu64 ", and events were read up to %zu", name,
                     checkpoint, look->event_count);
    if (look->is_reading)
        return true;
    return let_consume(look, name, checkpoint) && inspect_consumer(look, name, &checkpoint);
}

static bool check_consumers(struct look *look)
{
    for (uint32_t i = 0; i < SCENARIO_CONSUMERS; i++)
        if (!check_consumer(look, i))
            return false;
    return true;
}

/* -------------------------------------------------------- and onwards ---- */

static bool send_more(struct look *look, const char *type, uint64_t n, uint32_t count)
{
    static unsigned char data[3][EVENT_SIZE_MAX];
    evlog_sending sends[3];
    evlog_signal *signal;
    uint64_t number = event_number(EVENT_SMALL, NEW_PROCESS, 0, n);
    if (!well(look, evlog_define(look->log, type, 0, NULL, &signal), "defining"))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        size_t size = event_make((struct event_name){number, i, count}, data[i]);
        sends[i] = (evlog_sending){.signal = signal, .data = data[i], .data_size = size};
    }
    return well(look, evlog_send_events(sends, count, NULL, NULL), "sending");
}

static bool judge_open(struct look *look)
{
    if (!read_events(look) || !check_sends(look) || (!look->is_copy && !check_promises(look)) ||
        !check_consumers(look))
        return false;
    uint64_t n = look->event_count; /* another one for each judgement */
    return send_more(look, EVENT_TYPE, n, 1) && send_more(look, "org.evlog.new.v1", n + 1, 3) &&
           read_events(look) && check_sends(look) && check_consumers(look);
}

/* -------------------------------------------------- what was erased ---- */

/* All of a file; NULL: there is none. */
static char *read_file(const char *log, const char *name, size_t *size)
{
    char path[4352], *bytes = NULL;
    snprintf(path, sizeof path, "%s/%s", log, name);
    FILE *file = fopen(path, "r");
    FILE *out = file ? open_memstream(&bytes, size) : NULL;
    for (int c; out && (c = getc_unlocked(file)) != EOF;)
        putc_unlocked(c, out);
    if (out)
        fclose(out);
    if (file)
        fclose(file);
    return bytes;
}

/*
 * Whether a file has none of the 16 bytes by which the events that were erased, by the first `count` promises, would be
 * known.
 */
static bool check_file(struct look *look, const char *log, const char *name, size_t count)
{
    size_t size = 0;
    bool is_clean = true;
    char *bytes = read_file(log, name, &size);
    for (size_t i = 0; bytes && is_clean && i < count; i++) {
        const struct promise *promise = &look->promises->list[i];
        unsigned char words[16];
        memcpy(words, &promise->number, 8);
        memcpy(words + 8, &promise->index, 4);
        memcpy(words + 12, &promise->count, 4);
        if (promise->kind == PROMISE_ERASED && memmem(bytes, size, words, sizeof words))
            is_clean =
                wrong(look, "event %" PRIu64 " was erased, and %s has it", promise->seq, name);
    }
    free(bytes);
    return is_clean;
}

/*
 * An erasure that was acknowledged has left nothing on the disk beside events.mdb, and nothing there once the log was
 * compacted after it.
 */
static bool check_files(struct look *look, const char *log)
{
    static const char *const names[] = {"events.mdb", "events.mdb.old", "events.mdb.new"};
    size_t count = look->promises->count, compacted = count;
    while (compacted > 0 && look->promises->list[compacted - 1].kind != PROMISE_COMPACTED)
        compacted--;
    bool is_clean =
        check_file(look, log, "journal", count) && check_file(look, log, "edge", count);
    for (size_t i = 0; is_clean && i < sizeof names / sizeof *names; i++)
        is_clean = check_file(look, log, names[i], compacted);
    return is_clean;
}

/* -------------------------------------------------------- the copy ---- */

/* Each event that it has is the log's, also of those that were trimmed there, but for its own ones. */
static bool check_same(const struct look *log, struct look *copy)
{
    if (copy->event_count > log->event_count)
        return wrong(copy, "it has event %zu, and the log ends at %zu", copy->event_count,
                     log->event_count);
    for (size_t i = copy->trimmed_count; i < copy->event_count; i++)
        if (log->events[i].count && by_number(&copy->events[i], &log->events[i]))
            return wrong(copy, "event %zu is another one in the log", i + 1);
    return true;
}

static bool judge_read_copy(const struct look *log, struct look *copy, uint64_t least_count)
{
    if (!read_events(copy) || !check_sends(copy) || !check_same(log, copy) ||
        !check_consumers(copy))
        return false;
    return copy->event_count >= least_count ||
           wrong(copy, "it ends with event %zu, and had %" PRIu64, copy->event_count,
                 least_count);
}

/* Opens the copy and judges it: as it is, or, to be used as a log from then on, by sending and consuming. */
static bool judge_copy_opened(const struct look *log, const char *path, bool is_reading,
                              uint64_t least_count)
{
    char why[WHY_SIZE];
    struct look copy = *log;
    evlog_options options = {.read_only = is_reading, .no_create = true};
    copy.events = NULL;
    copy.event_count = copy.event_room = copy.trimmed_count = 0;
    copy.is_reading = is_reading;
    copy.is_copy = true;
    if (!well(&copy, evlog_open(path, &options, &copy.log), "opening the copy"))
        return false;
    bool is_good = is_reading ? judge_read_copy(log, &copy, least_count) : judge_open(&copy);
    free(copy.events);
    int result = evlog_close(copy.log);
    if (is_good)
        return well(&copy, result, "closing the copy");
    snprintf(why, sizeof why, "%.*s", WHY_SIZE - 16, copy.why);
    return wrong(&copy, "the copy: %s", why);
}

/* Adds to it what it lacks. `*is_behind`: what would come next was trimmed. */
static bool copy_again(struct look *look, const char *path, bool *is_behind)
{
    evlog_copied copied;
    int result = evlog_copy(look->log, path, NULL, &copied);
    *is_behind = result == EVLOG_CONFLICT && strstr(evlog_errmsg(), "was trimmed");
    return *is_behind || well(look, result, "copying again");
}

/* What was promised of the copy. */
struct copy_promise {
    bool is_whole;       /* it was made, or added to, and nothing was begun since */
    size_t before_count; /* promises before that was begun */
    uint64_t last_seq;
};

static struct copy_promise find_copy(const struct look *look)
{
    struct copy_promise found = {.is_whole = false};
    size_t begun = 0;
    for (size_t i = 0; i < look->promises->count; i++) {
        const struct promise *promise = &look->promises->list[i];
        if (promise->kind == PROMISE_COPYING)
            begun = i;
        if (promise->kind == PROMISE_COPYING || promise->kind == PROMISE_COPIED)
            found.is_whole = promise->kind == PROMISE_COPIED;
        if (promise->kind == PROMISE_COPIED && promise->seq > found.last_seq)
            found.last_seq = promise->seq;
    }
    found.before_count = found.is_whole ? begun : 0;
    return found;
}

/* A copy that was made is a log. So is one that was being made, once that is done again. */
static bool judge_copy(struct look *look, const char *log)
{
    char path[4352];
    bool is_behind;
    struct copy_promise found = find_copy(look);
    look->copied_count = found.before_count;
    snprintf(path, sizeof path, "%.*s" SCENARIO_COPY, (int)(strrchr(log, '/') + 1 - log), log);
    if (found.is_whole && !judge_copy_opened(look, path, true, found.last_seq))
        return false;
    if (!copy_again(look, path, &is_behind))
        return false;
    if (is_behind && !found.is_whole)
        return true;
    return judge_copy_opened(look, path, true, is_behind ? found.last_seq : look->event_count) &&
           judge_copy_opened(look, path, false, 0);
}

/* ------------------------------------------------------- the whole ---- */

/* Opens the log, judges it, and its copy, if it has one, and closes it; then both have some more events. */
static bool judge(struct look *look, const char *path, bool has_copy)
{
    evlog_options options = {.durability = look->durability,
                             .no_create = has_promise(look, PROMISE_OPENED)};
    if (!well(look, evlog_open(path, &options, &look->log), "opening"))
        return false;
    bool is_good = judge_open(look) && (!has_copy || judge_copy(look, path));
    free(look->events);
    look->events = NULL;
    look->event_count = look->event_room = look->trimmed_count = look->new_seq = 0;
    int result = evlog_close(look->log);
    return is_good && well(look, result, "closing");
}

/* What was cut off is done, or not, and can be done again, which leaves no other files. */
static bool judge_compacted(struct look *look, const char *path)
{
    static const char *const names[] = {"events.mdb.old", "events.mdb.new", "state.mdb.new"};
    char file[4352];
    if (!well(look, evlog_compact(path, NULL, NULL), "compacting"))
        return false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(file, sizeof file, "%s/%s", path, names[i]);
        if (access(file, F_OK) == 0)
            return wrong(look, "%s is there after compacting", names[i]);
    }
    return judge(look, path, false);
}

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

enum verdict verdict_of(const char *path, evlog_durability durability, enum loss loss,
                        const struct promises *promises, char why[WHY_SIZE])
{
    struct look look = {.durability = durability,
                        .loss = loss,
                        .is_durable = durability == EVLOG_DURABLE || loss == LOSS_PROCESS,
                        .promises = promises,
                        .why = why,
                        .begun_us = now_us()};
    bool is_good = !has_promise(&look, PROMISE_ERASED) || check_files(&look, path);
    is_good = is_good && judge(&look, path, has_promise(&look, PROMISE_COPYING));
    if (is_good && has_promise(&look, PROMISE_COMPACTING))
        is_good = judge_compacted(&look, path);
    return is_good ? VERDICT_SURVIVED : VERDICT_LOST;
}

enum verdict verdict_of_reading(const char *path, const struct promises *promises,
                                char why[WHY_SIZE])
{
    struct look look = {
        .why = why, .is_reading = true, .promises = promises, .begun_us = INT64_MAX};
    evlog_options options = {.read_only = true};
    int result = evlog_open(path, &options, &look.log);
    if (result == EVLOG_NOTFOUND && promises->count == 0)
        return VERDICT_SURVIVED;
    if (!well(&look, result, "opening for reading only"))
        return VERDICT_LOST;
    bool is_good = begin_reading(&look) &&
                   well(&look, read_all(&look, look.event_count + 1), "reading only") &&
                   check_sends(&look);
    free(look.events);
    bool is_closed = well(&look, evlog_close(look.log), "closing what was only read");
    return is_good && is_closed ? VERDICT_SURVIVED : VERDICT_LOST;
}
