/*
 * The seals in a log. What the events say is believed only as far as the note in them is signed by the key that is
 * asked for, and the tree's roots beside it only when they make the root in the note.
 */
#include "sealed.h"

#include <evlog/value.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

const char *sealed_name(const evlog_info *info, char name[NOTE_NAME_SIZE_MAX + 1])
{
    char uuid[EVLOG_UUID_TEXT_SIZE];
    strcpy(name, "evlog/");
    return strcat(name, evlog_uuid_text(info->origin, uuid));
}

/* The tree that an event says, which is to be proved. */
static enum note_verdict read_unchecked(const evlog_event *event, const evlog_value *data,
                                        const evlog_value *roots, struct sealed *sealed)
{
    evlog_value size;
    *sealed = (struct sealed){.seq = event->seq, .log_time_us = event->log_time_us};
    if (evlog_value_find(data, "size", &size) || size.kind != EVLOG_VALUE_INTEGER ||
        size.integer <= 0 || (uint64_t)size.integer >= event->seq)
        return NOTE_MALFORMED;
    sealed->checkpoint.size = (uint64_t)size.integer;
    return merkle_load(&sealed->tree, sealed->checkpoint.size, roots->bytes.data,
                       roots->bytes.size)
               ? NOTE_GOOD
               : NOTE_MALFORMED;
}

enum note_verdict sealed_read(const struct note_key *key, const evlog_event *event,
                              struct sealed *sealed)
{
    evlog_value data, note, roots;
    unsigned char root[SHA256_SIZE];
    if (evlog_data_value(event->data, event->data_size, &data) ||
        evlog_value_find(&data, "note", &note) || note.kind != EVLOG_VALUE_STRING ||
        evlog_value_find(&data, "roots", &roots) || roots.kind != EVLOG_VALUE_BYTES)
        return NOTE_MALFORMED;
    if (!key)
        return read_unchecked(event, &data, &roots, sealed);
    *sealed = (struct sealed){
        .seq = event->seq, .log_time_us = event->log_time_us, .note = note.string};
    enum note_verdict verdict =
        note_read_checkpoint(key, note.string.text, note.string.size, &sealed->checkpoint);
    if (verdict)
        return verdict;
    uint64_t size = sealed->checkpoint.size;
    if (size == 0 || size >= event->seq)
        return NOTE_MALFORMED;
    if (merkle_load(&sealed->tree, size, roots.bytes.data, roots.bytes.size)) {
        merkle_root(&sealed->tree, root);
        if (memcmp(root, sealed->checkpoint.root, sizeof root) != 0)
            sealed->tree = (struct merkle){.size = 0};
    }
    return NOTE_GOOD;
}

int sealed_check_use(const struct sealed *last, const struct note_key *key, const char *file)
{
    char text[NOTE_KEY_TEXT_SIZE];
    struct note_key next;
    if (!last->checkpoint.has_next ||
        memcmp(last->checkpoint.next, key->public_key, sizeof last->checkpoint.next) == 0)
        return EXIT_DONE;
    note_key_of_name(key, last->checkpoint.next, &next);
    return complain(EXIT_MISUSE, "%s: this key has handed over, by event %" PRIu64 ", to %s",
                    file, last->seq, note_key_text(&next, text));
}

static int see_type(const evlog_type *type, void *ctx)
{
    bool *is_any = ctx;
    *is_any |= strcmp(type->name, EVLOG_SEALED_TYPE) == 0;
    return 0;
}

int sealed_is_any(evlog *log, bool *is_any)
{
    *is_any = false;
    return evlog_each_type(log, see_type, is_any);
}

/* Keeps the note beyond the event. */
static int keep(const struct sealed *found, struct sealed *sealed, char **note)
{
    char *copy = note ? strndup(found->note.text, found->note.size) : NULL;
    if (note && !copy) {
        evlog_fail("out of memory");
        return EVLOG_NOMEM;
    }
    *sealed = *found;
    sealed->note = (evlog_string){.text = copy, .size = copy ? found->note.size : 0};
    if (note)
        *note = copy;
    return EVLOG_OK;
}

static int find(evlog_cursor *cursor, const struct note_key *key, uint64_t size_min,
                uint64_t size_max, struct sealed *sealed, char **note)
{
    const evlog_event *event;
    struct sealed found;
    for (;;) {
        int code = evlog_cursor_next(cursor, &event);
        if (code && code != EVLOG_DAMAGED)
            return code;
        if (code)
            continue;
        if (!event || event->seq <= size_min)
            return EVLOG_NOTFOUND;
        if (sealed_read(key, event, &found) == NOTE_GOOD && found.tree.size >= size_min &&
            found.tree.size && found.tree.size <= size_max)
            return keep(&found, sealed, note);
    }
}

int sealed_find(evlog *log, const struct note_key *key, uint64_t size_min, uint64_t size_max,
                struct sealed *sealed, char **note, bool *is_any)
{
    static const char *const types[] = {EVLOG_SEALED_TYPE};
    evlog_range range = {.types = types, .type_count = 1, .newest_first = true};
    evlog_cursor *cursor;
    int code = sealed_is_any(log, is_any);
    if (code || !*is_any)
        return code ? code : EVLOG_NOTFOUND;
    code = evlog_cursor_open(log, &range, &cursor);
    if (code)
        return code;
    code = find(cursor, key, size_min, size_max, sealed, note);
    evlog_cursor_close(cursor);
    return code;
}
