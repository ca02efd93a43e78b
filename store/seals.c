/*
 * Seals in a log: the events evlog.sealed.v1, which `evlog seal` appends (tools/seal.c). Here is what the library has
 * to do with them:
 *
 *   {"size": leaves of the tree, which are the events 1 to size
 *    "note": the signed checkpoint
 *    "roots": the roots of the tree's complete subtrees, 32 bytes each, the largest first}
 *
 * From the roots the next seal goes on, and with them what is left of a trimmed log is proved. So in a log that was
 * sealed once, trimming cuts only where a seal has said what went before: the first event that is kept is size + 1 of
 * some seal, whose event comes after it and is kept. What is not sealed yet holds the log as a consumer does, and only
 * `force` takes it.
 *
 * 1. Whether a log is sealed is known by its types, whose entries last; which seals there are, by the records: so
 *    copies and salvaged logs need nothing else.
 * 2. Each event is looked at once in a process, when it is to be trimmed. A log that was never sealed is not looked
 *    through.
 *
 * The library checks no signature: whoever can append a false seal to a log can do worse to it, and `evlog verify
 * --seal` finds both.
 */
#include "seals.h"

#include <msgpack.h>
#include <string.h>

#include "error.h"
#include "evlog/audit.h"
#include "note.h"
#include "pack.h"
#include "reader.h"
#include "store.h"

#define BATCH 1024
#define ROOT_SIZE 32

static int pack_text(msgpack_packer *packer, const char *text)
{
    return msgpack_pack_str_with_body(packer, text, strlen(text));
}

/* A part for which there is no memory is left out, and the next one may find some: so each counts. */
static int pack(msgpack_sbuffer *data, uint64_t size, const char *note, const void *roots,
                size_t roots_size)
{
    msgpack_packer packer;
    msgpack_packer_init(&packer, data, msgpack_sbuffer_write);
    int failed = msgpack_pack_map(&packer, 3);
    failed |= pack_text(&packer, "size");
    failed |= msgpack_pack_uint64(&packer, size);
    failed |= pack_text(&packer, "note");
    failed |= pack_text(&packer, note);
    failed |= pack_text(&packer, "roots");
    failed |= msgpack_pack_bin_with_body(&packer, roots, roots_size);
    return failed ? error_nomem() : EVLOG_OK;
}

int seals_add(struct store *store, uint64_t size, const char *note, const void *roots,
              size_t roots_size)
{
    uint64_t first, last;
    msgpack_sbuffer data;
    size_t note_size = strlen(note);
    int result = store_bounds(store, &first, &last);
    if (result)
        return result;
    if (size == 0 || size > last || !pack_is_utf8(note, note_size) || roots_size % ROOT_SIZE)
        return error_set(EVLOG_INVALID, "%s: a seal is of events that are there, and is UTF-8",
                         store->path);
    if (note_size > EVLOG_SEAL_NOTE_SIZE_MAX || roots_size > ROOT_SIZE * (size_t)64)
        return error_set(EVLOG_LIMIT, "a seal of %zu bytes is too long", note_size + roots_size);
    msgpack_sbuffer_init(&data);
    result = pack(&data, size, note, roots, roots_size);
    if (result == EVLOG_OK)
        result = note_append(store, EVLOG_SEALED_TYPE, data.data, data.size);
    msgpack_sbuffer_destroy(&data);
    return result;
}

/* ------------------------------------------------------------- trimming ---- */

/* The size of a seal's tree, which its data begin with; 0: it says none that can be. */
static uint64_t size_of(const struct record *record)
{
    const unsigned char *at = record->data;
    struct pack_item map = {.kind = PACK_NIL}, key, value = {.kind = PACK_NIL};
    if (at)
        pack_next(&at, &map);
    if (map.kind != PACK_MAP || map.size == 0)
        return 0;
    pack_next(&at, &key);
    pack_next(&at, &value);
    bool is_size = key.kind == PACK_STR && key.size == 4 && memcmp(key.bytes, "size", 4) == 0;
    if (!is_size || value.kind != PACK_INT || value.as_int <= 0 ||
        (uint64_t)value.as_int >= record->seq)
        return 0;
    return (uint64_t)value.as_int;
}

/* What cannot be read is passed over. */
static int look_through(struct store *store, struct seals *seals, uint64_t type, uint64_t end)
{
    struct reader reader = {.with_nameless = true};
    int result = EVLOG_OK;
    while (result == EVLOG_OK && seals->looked_to < end) {
        result = reader_read(&reader, store, seals->looked_to, end - 1, BATCH);
        for (size_t i = 0; result == EVLOG_OK && i < reader.count; i++) {
            const struct record *record = &reader.events[i].record;
            uint64_t size = record->type == type ? size_of(record) : 0;
            if (size && size + 1 > seals->floor)
                seals->floor = size + 1;
        }
        if (result == EVLOG_DAMAGED)
            result = EVLOG_OK;
        if (result == EVLOG_OK)
            seals->looked_to = reader.next;
    }
    reader_free(&reader);
    return result;
}

/* A wish that is nearer than an earlier one is looked through again. */
static int find_floor(struct store *store, uint64_t first, uint64_t wanted, uint64_t type,
                      uint64_t *before_seq)
{
    struct seals *seals = &store->seals;
    if (seals->looked_to < first || seals->looked_to > wanted) {
        seals->looked_to = first;
        seals->floor = 0;
    }
    int result = look_through(store, seals, type, wanted);
    if (result == EVLOG_OK)
        *before_seq = seals->floor > first ? seals->floor : first;
    return result;
}

int seals_floor(struct store *store, uint64_t first, uint64_t wanted, uint64_t *before_seq,
                bool *is_sealed)
{
    const struct type *type;
    uint64_t number = types_number(EVLOG_SEALED_TYPE);
    int result = types_find(store->types, number, &type);
    *is_sealed = result == EVLOG_OK;
    *before_seq = wanted;
    if (result == EVLOG_NOTFOUND || (result == EVLOG_OK && wanted <= first))
        return EVLOG_OK;
    if (result)
        return result;
    pthread_mutex_lock(&store->seals.lock);
    result = find_floor(store, first, wanted, number, before_seq);
    pthread_mutex_unlock(&store->seals.lock);
    return result;
}
