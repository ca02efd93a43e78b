/*
 * Importing: events that were elsewhere, and how far an import has come.
 *
 * A batch is one send (dispatch/send.c) whose last event is a note, evlog.imported.v1, which names the input and the
 * position in it after the batch. The log is the only record of that:
 *
 *     ... e e e e N  ...  e e e e N  . . .  s s e e e e N        e: imported, N: note, s: sent by others
 *                                 |         |
 *                                 seen_seq  the next batch looks for notes among these
 *
 * 1. A batch and its note are both in the log or neither is. So an import that finds the last note of its input
 *    continues exactly after what is in the log.
 * 2. A batch is appended only if there is no note after seen_seq, which is checked in the transaction that appends
 *    (store/condition.c). If there is one of another input only, it is tried again from there; one of the same input
 *    is EVLOG_CONFLICT. So two processes that import one input at once double nothing.
 * 3. With unless_id, ids decide instead, in the same transaction.
 *
 * Cost: a batch reads the events that others sent since the last one. The first search reads the log from its end
 * back to the last note.
 *
 * Absent: an index of notes. A note that was trimmed is not found.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "be64.h"
#include "cursor.h"
#include "error.h"
#include "evlog/upkeep.h"
#include "evlog/value.h"
#include "note.h"
#include "send.h"
#include "sized.h"
#include "sources.h"

enum { INPUT_SIZE = 16, NOTE_SIZE = 75 };

static const char *const note_types[] = {EVLOG_IMPORTED_TYPE};

/* ---------------------------------------------------------------- notes ---- */

static void write_note(const evlog_import *import, uint64_t event_count,
                       unsigned char note[NOTE_SIZE])
{
    static const unsigned char empty[NOTE_SIZE + 1] =
        "\x84\xa5input\xc4\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
        "\xa8position\xcf\0\0\0\0\0\0\0\0"
        "\xa6"
        "digest\xcf\0\0\0\0\0\0\0\0"
        "\xa6"
        "events\xcf\0\0\0\0\0\0\0\0";
    memcpy(note, empty, NOTE_SIZE);
    memcpy(note + 9, import->input, INPUT_SIZE);
    be64_store(note + 35, import->position);
    be64_store(note + 51, import->digest);
    be64_store(note + 67, event_count);
}

/* Whether the event is a note of this input; then `import` gets what it says. */
static bool read_note(const evlog_event *event, evlog_import *import)
{
    static const char *const names[] = {"position", "digest", "events"};
    uint64_t numbers[3];
    evlog_value value;
    if (evlog_event_find(event, "input", &value) || value.bytes.size != INPUT_SIZE ||
        memcmp(value.bytes.data, import->input, INPUT_SIZE) != 0)
        return false;
    for (size_t i = 0; i < 3; i++) {
        if (evlog_event_find(event, names[i], &value))
            return false;
        numbers[i] =
            value.kind == EVLOG_VALUE_INTEGER ? (uint64_t)value.integer : value.unsigned_integer;
    }
    import->position = numbers[0];
    import->digest = numbers[1];
    import->event_count = numbers[2];
    return true;
}

/* Looks for the last note of the input between two seqs. EVLOG_NOTFOUND: there is none. */
static int find_between(evlog *log, uint64_t first_seq, uint64_t last_seq, evlog_import *import)
{
    evlog_range range = {.first_seq = first_seq,
                         .last_seq = last_seq,
                         .types = note_types,
                         .type_count = 1,
                         .newest_first = true};
    evlog_cursor *cursor;
    const evlog_event *event;
    bool is_found = false;
    int result = cursor_open(log, &range, &cursor);
    if (result)
        return result;
    while (!is_found && (result = cursor_next(cursor, &event)) == EVLOG_OK && event)
        is_found = read_note(event, import);
    cursor_free(cursor);
    return result ? result : is_found ? EVLOG_OK : EVLOG_NOTFOUND;
}

/* Looks on from seen_seq. EVLOG_NOTFOUND: there is no note of the input since. */
static int look_on(evlog *log, evlog_import *import)
{
    uint64_t head_seq = 0;
    int result = evlog_wait(log, 0, 0, &head_seq);
    if (result)
        return result;
    if (head_seq <= import->seen_seq)
        return EVLOG_NOTFOUND;
    result = find_between(log, import->seen_seq + 1, head_seq, import);
    if (result == EVLOG_OK || result == EVLOG_NOTFOUND)
        import->seen_seq = head_seq;
    return result;
}

int evlog_import_find_sized(evlog *log, evlog_import *given, size_t import_size)
{
    evlog_import import;
    if (!given)
        return error_set(EVLOG_INVALID, "no import is given");
    int result = sized_in(&import, sizeof import, given, import_size);
    if (result == EVLOG_OK)
        result = log_enter(log);
    if (result)
        return result;
    import.position = import.digest = import.event_count = import.seen_seq = 0;
    result = look_on(log, &import);
    if (result == EVLOG_NOTFOUND)
        result = EVLOG_OK;
    if (result == EVLOG_OK)
        sized_out(given, import_size, &import, sizeof import);
    log_leave(log);
    return result;
}

/* --------------------------------------------------------------- events ---- */

struct batch {
    const evlog_sending *sends;
    size_t sending_size, metadata_size, count;
};

static int append(evlog *log, const struct batch *batch, evlog_import *import)
{
    unsigned char data[NOTE_SIZE];
    struct record note;
    const struct source *source;
    size_t known_count = 0;
    struct condition condition = {.unless_id = import->unless_id};
    if (!import->unless_id)
        condition = (struct condition){
            .after_seq = import->seen_seq, .types = note_types, .type_count = 1};
    write_note(import, import->event_count + batch->count, data);
    int result = note_make(log->store, EVLOG_IMPORTED_TYPE, data, sizeof data, &note, &source);
    if (result)
        return result;
    result = send_import(log, batch->sends, batch->sending_size, batch->metadata_size,
                         batch->count, &condition, &note, &known_count);
    source_release(source);
    if (result)
        return result;
    import->event_count += batch->count;
    import->known_count = known_count;
    import->seen_seq = note.seq;
    return EVLOG_OK;
}

/* After a refusal: whether the same may be tried again, since only other inputs were imported. */
static int look_whose(evlog *log, evlog_import *import, int refusal)
{
    char sentence[ERROR_SIZE];
    evlog_import found = *import;
    snprintf(sentence, sizeof sentence, "%s", evlog_errmsg());
    int result = look_on(log, &found);
    if (result == EVLOG_OK)
        return error_set(EVLOG_CONFLICT,
                         "another process has imported this input meanwhile, up to %" PRIu64,
                         found.position);
    if (result != EVLOG_NOTFOUND)
        return result;
    if (found.seen_seq == import->seen_seq)
        return error_set(refusal, "%s", sentence);
    import->seen_seq = found.seen_seq;
    return EVLOG_OK;
}

static int append_again(evlog *log, const struct batch *batch, evlog_import *import)
{
    for (;;) {
        int result = append(log, batch, import);
        bool is_refused = result == EVLOG_CONFLICT || result == EVLOG_NOTFOUND;
        if (!is_refused || import->unless_id)
            return result;
        result = look_whose(log, import, result);
        if (result)
            return result;
    }
}

int evlog_import_events_sized(evlog *log, const evlog_sending *sends, size_t sending_size,
                              size_t metadata_size, size_t count, evlog_import *given,
                              size_t import_size)
{
    struct batch batch = {sends, sending_size, metadata_size, count};
    evlog_import import;
    if (!given || (!sends && count))
        return error_set(EVLOG_INVALID, "no import, or no events are given");
    int result = sized_in(&import, sizeof import, given, import_size);
    if (result == EVLOG_OK)
        result = log_enter(log);
    if (result)
        return result;
    if (log->store->read_only)
        result = error_set(EVLOG_READONLY, "%s: is open for reading only", log->store->path);
    else
        result = append_again(log, &batch, &import);
    if (result == EVLOG_OK)
        sized_out(given, import_size, &import, sizeof import);
    log_leave(log);
    return result;
}
