/*
 * The floor: the first event that a log keeps.
 *
 *   key    'l' "floor"
 *   value  [checksum, seq of the first event kept, chain of the event before it]
 *
 * Trimming sets the floor first, durably, and then deletes the events below it. So events that are
 * missing at the beginning of the log without a floor are known to be lost, not trimmed; and the
 * first event kept still proves what came before it, by its `prev`. Events below the floor, which a
 * crash has kept from being deleted, count as trimmed.
 *
 * The first event kept is flushed before: a floor behind the last event, which a power cut would leave else, is that
 * of another events.mdb (belongs.c).
 *
 * It only rises. It is read when the log is opened, and again when the first event in the file
 * turns out to be above it (store.c).
 */
#include "floor.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "entry_fields.h"
#include "entry_pack.h"
#include "env.h"
#include "error.h"
#include "flusher.h"

static const char key[] = {ENTRY_LOG, 'f', 'l', 'o', 'o', 'r'};

#define ELEMENT_COUNT 3
#define VALUE_SIZE_MAX (ENTRY_HEAD_SIZE + 2 * PACK_INTEGER_SIZE_MAX)

struct floor {
    struct env *env;
    struct flusher *flusher; /* or NULL: what can be read survives */
    bool is_tolerant;
    pthread_mutex_t lock;
    struct floor_place place;
};

static int damaged(void)
{
    return error_set(EVLOG_DAMAGED,
                     "state.mdb: the floor, the first event kept, is not as it was written");
}

static int unpack(const struct entry *entry, struct floor_place *place)
{
    struct entry_fields fields = entry_fields_of(entry, ELEMENT_COUNT);
    uint64_t first_seq = entry_field_integer(&fields), chain = entry_field_integer(&fields);
    if (fields.is_bad || first_seq == 0 || first_seq > INT64_MAX)
        return damaged();
    *place = (struct floor_place){first_seq, chain};
    return EVLOG_OK;
}

bool floor_is_key(const unsigned char *bytes, size_t size)
{
    return size == sizeof key && memcmp(bytes, key, size) == 0;
}

int floor_check(const struct entry *entry)
{
    struct floor_place place;
    return floor_is_key(entry->key, entry->key_size) ? unpack(entry, &place) : EVLOG_OK;
}

int floor_unpack(const struct entry *entry, struct floor_place *place)
{
    return unpack(entry, place);
}

/* EVLOG_NOTFOUND: there is none. */
static int read_place(struct env *env, enum env_state state, struct floor_place *place)
{
    struct entry entry;
    int result = entry_read(env, state, key, sizeof key, &entry);
    if (result)
        return result == EVLOG_DAMAGED ? error_prefix(result, "the floor") : result;
    result = unpack(&entry, place);
    free(entry.value);
    return result;
}

static void raise_to(struct floor *floor, const struct floor_place *place)
{
    pthread_mutex_lock(&floor->lock);
    if (place->first_seq > floor->place.first_seq)
        floor->place = *place;
    pthread_mutex_unlock(&floor->lock);
}

int floor_refresh(struct floor *floor)
{
    struct floor_place place;
    int result = read_place(floor->env, ENV_NEWEST, &place);
    if (result == EVLOG_OK)
        raise_to(floor, &place);
    if (result == EVLOG_NOTFOUND || (result == EVLOG_DAMAGED && floor->is_tolerant))
        return EVLOG_OK;
    return result;
}

int floor_open(struct env *env, struct flusher *flusher, uint64_t origin, bool is_tolerant,
               struct floor **opened)
{
    struct floor *floor = calloc(1, sizeof *floor);
    if (!floor)
        return error_nomem();
    floor->env = env;
    floor->flusher = flusher;
    floor->is_tolerant = is_tolerant;
    floor->place = (struct floor_place){1, origin};
    pthread_mutex_init(&floor->lock, NULL);
    int result = floor_refresh(floor);
    if (result) {
        floor_close(floor);
        return result;
    }
    *opened = floor;
    return EVLOG_OK;
}

void floor_close(struct floor *floor)
{
    if (!floor)
        return;
    pthread_mutex_destroy(&floor->lock);
    free(floor);
}

struct floor_place floor_get(struct floor *floor)
{
    pthread_mutex_lock(&floor->lock);
    struct floor_place place = floor->place;
    pthread_mutex_unlock(&floor->lock);
    return place;
}

/* In the write transaction. */
static int fill(struct env *env, void *ctx)
{
    const struct floor_place *place = ctx;
    unsigned char value[VALUE_SIZE_MAX];
    struct floor_place now = {.first_seq = 0};
    struct entry_packing packing;
    int result = read_place(env, ENV_BASE, &now);
    if (result && result != EVLOG_NOTFOUND)
        return result;
    if (result == EVLOG_OK && now.first_seq >= place->first_seq)
        return EVLOG_OK;
    entry_pack_begin(&packing, value, ELEMENT_COUNT);
    msgpack_pack_uint64(&packing.packer, place->first_seq);
    msgpack_pack_uint64(&packing.packer, place->chain);
    return entry_put(env, key, sizeof key, value, entry_pack_end(&packing), NULL);
}

int floor_set(struct floor *floor, const struct floor_place *place)
{
    struct floor_place wanted = *place;
    int result = floor->flusher ? flusher_flush_upto(floor->flusher, place->first_seq) : EVLOG_OK;
    if (result == EVLOG_OK)
        result = env_write(floor->env, ENV_FLUSH_ALL, 0, fill, &wanted); /* of the reserve */
    return result ? result : floor_refresh(floor);
}
