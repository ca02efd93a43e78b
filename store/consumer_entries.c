/*
 * The bytes of a consumer's entries in state.mdb.
 *
 *   c name            its place:
 *                     [sum, slot, paused, created_us, updated_us, checkpoint, chain,
 *                      replay_last_seq, [done, refused, skipped], [parked, retry, state], owner]
 *   f name NUL        [sum, [event types]]: the types it wants; absent: all
 *   p name NUL seq    [sum, attempts, time_us, last_seq, is_lost, error]: parked; seq of 8 bytes,
 *                     error bin
 *   r name NUL seq    the same: parked, and to be retried
 *   v name NUL key    [sum, value]: its state, value bin
 *
 * A value is packed straight into memory of a size known before, and read without allocating: so
 * a lack of memory is never reported as damage. Nothing here reads or writes a file (consumers.c
 * does).
 */
#include "consumer_entries.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "be64.h"
#include "entry_fields.h"
#include "entry_pack.h"
#include "error.h"
#include "name.h"
#include "record.h"
#include "shared.h"

_Static_assert(1 + EVLOG_CONSUMER_NAME_SIZE_MAX + 1 + EVLOG_STATE_KEY_SIZE_MAX <=
                   ENTRY_KEY_SIZE_MAX,
               "the longest key fits");
_Static_assert(ENTRY_HEAD_SIZE + 8 * PACK_INTEGER_SIZE_MAX +
                       2 * (1 + 3 * PACK_INTEGER_SIZE_MAX) <=
                   CONSUMER_ENTRY_SIZE_MAX,
               "the longest entry `c` fits");

int consumer_name_check(const char *name)
{
    return name_check("a consumer's name", name, name ? strlen(name) : 0,
                      EVLOG_CONSUMER_NAME_SIZE_MAX);
}

/* ---------------------------------------------------------------- keys ---- */

static void begin_key(struct entry_key *key, enum entry_kind kind, const char *name)
{
    size_t name_size = strlen(name);
    key->bytes[0] = (unsigned char)kind;
    memcpy(key->bytes + 1, name, name_size);
    key->size = 1 + name_size;
    if (kind != ENTRY_CONSUMER)
        key->bytes[key->size++] = '\0';
}

struct entry_key consumer_key(enum entry_kind kind, const char *name)
{
    struct entry_key key;
    begin_key(&key, kind, name);
    return key;
}

struct entry_key consumer_seq_key(enum entry_kind kind, const char *name, uint64_t seq)
{
    struct entry_key key;
    begin_key(&key, kind, name);
    be64_store(key.bytes + key.size, seq);
    key.size += sizeof seq;
    return key;
}

void consumer_state_key(const char *name, const void *bytes, size_t size, struct entry_key *key)
{
    begin_key(key, ENTRY_STATE, name);
    memcpy(key->bytes + key->size, bytes, size);
    key->size += size;
}

uint64_t consumer_key_seq(const struct entry *entry)
{
    const unsigned char *name_end = memchr(entry->key, '\0', entry->key_size);
    if (!name_end || name_end + 1 + sizeof(uint64_t) != entry->key + entry->key_size)
        return 0;
    return be64_load(name_end + 1);
}

/* ------------------------------------------------------------- packing ---- */

size_t consumer_pack(const struct consumer_entry *entry, unsigned char *value)
{
    struct entry_packing packing;
    msgpack_packer *packer = &packing.packer;
    entry_pack_begin(&packing, value, 11);
    msgpack_pack_uint32(packer, entry->slot);
    msgpack_pack_int(packer, entry->is_paused);
    msgpack_pack_int64(packer, entry->created_us);
    msgpack_pack_int64(packer, entry->updated_us);
    msgpack_pack_uint64(packer, entry->checkpoint);
    msgpack_pack_uint64(packer, entry->chain);
    msgpack_pack_uint64(packer, entry->replay_last_seq);
    msgpack_pack_array(packer, 3);
    msgpack_pack_uint64(packer, entry->done_count);
    msgpack_pack_uint64(packer, entry->refused_count);
    msgpack_pack_uint64(packer, entry->skipped_count);
    msgpack_pack_array(packer, 3);
    msgpack_pack_uint64(packer, entry->parked_count);
    msgpack_pack_uint64(packer, entry->retry_count);
    msgpack_pack_uint64(packer, entry->state_count);
    msgpack_pack_uint64(packer, entry->owner);
    return entry_pack_end(&packing);
}

/* A change with room for a value of up to `size_max` bytes; 0: without a value. */
static struct change *change_new(const struct entry_key *key, size_t size_max)
{
    size_t block_size = sizeof(struct change) + key->size + size_max;
    struct change *change = malloc(block_size);
    if (!change)
        return NULL;
    *change = (struct change){.key_size = key->size, .block_size = block_size};
    change->key = memcpy(change + 1, key->bytes, key->size);
    change->value = size_max ? change->key + key->size : NULL;
    return change;
}

/* Starts a change whose value is an array of `count`, with `size_max` bytes after its checksum. */
static struct change *change_begin(struct entry_packing *packing, const struct entry_key *key,
                                   size_t count, size_t size_max)
{
    struct change *change = change_new(key, ENTRY_HEAD_SIZE + size_max);
    if (change)
        entry_pack_begin(packing, change->value, count);
    return change;
}

static struct change *change_end(struct change *change, struct entry_packing *packing)
{
    change->value_size = entry_pack_end(packing);
    return change;
}

struct change *change_filter(const char *name, const char *const *types, size_t type_count)
{
    struct entry_key key = consumer_key(ENTRY_FILTER, name);
    struct entry_packing packing;
    size_t size_max = PACK_LENGTH_SIZE_MAX;
    for (size_t i = 0; i < type_count; i++)
        size_max += PACK_LENGTH_SIZE_MAX + strlen(types[i]);
    struct change *change = change_begin(&packing, &key, 2, size_max);
    if (!change)
        return NULL;
    msgpack_pack_array(&packing.packer, type_count);
    for (size_t i = 0; i < type_count; i++)
        msgpack_pack_str_with_body(&packing.packer, types[i], strlen(types[i]));
    return change_end(change, &packing);
}

struct change *change_park(const char *name, enum entry_kind kind, const evlog_parked *parked)
{
    struct entry_key key = consumer_seq_key(kind, name, parked->seq);
    struct entry_packing packing;
    size_t size = strnlen(parked->error, EVLOG_PARKED_ERROR_SIZE_MAX);
    struct change *change =
        change_begin(&packing, &key, 6, 4 * PACK_INTEGER_SIZE_MAX + PACK_LENGTH_SIZE_MAX + size);
    if (!change)
        return NULL;
    msgpack_pack_uint32(&packing.packer, parked->attempt_count);
    msgpack_pack_int64(&packing.packer, parked->time_us);
    msgpack_pack_uint64(&packing.packer, parked->last_seq);
    msgpack_pack_int(&packing.packer, parked->is_lost);
    msgpack_pack_bin_with_body(&packing.packer, parked->error, size);
    return change_end(change, &packing);
}

struct change *change_unpark(const char *name, enum entry_kind kind, uint64_t seq)
{
    struct entry_key key = consumer_seq_key(kind, name, seq);
    return change_new(&key, 0);
}

/* The head of a bin of so many bytes; returns where they go. */
static unsigned char *put_bin_head(unsigned char *at, size_t size)
{
    if (size <= UINT8_MAX) {
        *at++ = 0xc4;
    } else if (size <= UINT16_MAX) {
        *at++ = 0xc5;
        *at++ = (unsigned char)(size >> 8);
    } else {
        *at++ = 0xc6;
        be32_store(at, (uint32_t)size);
        return at + sizeof(uint32_t);
    }
    *at++ = (unsigned char)size;
    return at;
}

size_t change_state_size(size_t key_size, size_t size)
{
    return sizeof(struct change) + key_size + ENTRY_HEAD_SIZE + PACK_LENGTH_SIZE_MAX + size;
}

/* Packed by hand: a consumer may put state for each event, and msgpack_packer calls back for each piece. */
void change_set_state(struct change *change, const void *value, size_t size)
{
    unsigned char *at = change->value = change->key + change->key_size;
    *at++ = 0x92; /* an array of the checksum, which entry_put sets, and the bytes */
    *at++ = 0xcf;
    be64_store(at, 0);
    at = put_bin_head(at + sizeof(uint64_t), size);
    memcpy(at, value, size);
    change->state_size = size;
    change->value_size = (size_t)(at - change->value) + size;
}

struct change *change_put_state(const struct entry_key *key, const void *value, size_t size)
{
    struct change *change = change_new(key, ENTRY_HEAD_SIZE + PACK_LENGTH_SIZE_MAX + size);
    if (change)
        change_set_state(change, value, size);
    return change;
}

struct change *change_delete_state(const struct entry_key *key)
{
    return change_new(key, 0);
}

void changes_free(struct change *changes)
{
    while (changes) {
        struct change *next = changes->next;
        free(changes);
        changes = next;
    }
}

size_t changes_size(const struct change *changes)
{
    size_t size = 512;
    for (const struct change *change = changes; change; change = change->next)
        size += change->is_superseded ? 0 : change->key_size + change->value_size + 64;
    return size;
}

/* ------------------------------------------------------------- reading ---- */

static int damaged(const char *name, int kind)
{
    const char *what = kind == ENTRY_CONSUMER ? "its place"
                       : kind == ENTRY_FILTER ? "its filter"
                                              : "a value of its state";
    return error_set(EVLOG_DAMAGED, "state.mdb: consumer %s: %s is not as it was written", name,
                     what);
}

int consumer_unpack(const char *name, const struct entry *packed, struct consumer_entry *entry)
{
    struct entry_fields fields = entry_fields_of(packed, 11);
    struct consumer_entry read = {.slot = 0};
    uint64_t slot = entry_field_integer(&fields);
    read.slot = (uint32_t)slot;
    read.is_paused = entry_field_integer(&fields) != 0;
    read.created_us = (int64_t)entry_field_integer(&fields);
    read.updated_us = (int64_t)entry_field_integer(&fields);
    read.checkpoint = entry_field_integer(&fields);
    read.chain = entry_field_integer(&fields);
    read.replay_last_seq = entry_field_integer(&fields);
    entry_field_array(&fields, 3);
    read.done_count = entry_field_integer(&fields);
    read.refused_count = entry_field_integer(&fields);
    read.skipped_count = entry_field_integer(&fields);
    entry_field_array(&fields, 3);
    read.parked_count = entry_field_integer(&fields);
    read.retry_count = entry_field_integer(&fields);
    read.state_count = entry_field_integer(&fields);
    read.owner = entry_field_integer(&fields);
    if (fields.is_bad || slot >= SHARED_SLOTS)
        return damaged(name, ENTRY_CONSUMER);
    *entry = read;
    return EVLOG_OK;
}

int consumer_unpack_filter(const char *name, const struct entry *entry, char ***types,
                           size_t *count)
{
    struct entry_fields fields = entry_fields_of(entry, 2), again;
    size_t type_count = entry_field(&fields, 1u << PACK_ARRAY).size;
    again = fields;
    size_t size = (type_count + 1) * sizeof(char *);
    for (size_t i = 0; !fields.is_bad && i < type_count; i++)
        size += entry_field(&fields, 1u << PACK_STR).size + 1;
    if (fields.is_bad || type_count > EVLOG_PATTERNS_MAX)
        return damaged(name, ENTRY_FILTER);
    char **list = calloc(1, size);
    if (!list)
        return error_nomem();
    char *text = (char *)(list + type_count + 1);
    for (size_t i = 0; i < type_count; i++) {
        struct pack_item item = entry_field(&again, 1u << PACK_STR);
        list[i] = memcpy(text, item.bytes, item.size);
        text += item.size + 1;
    }
    *types = list;
    *count = type_count;
    return EVLOG_OK;
}

int consumer_unpack_parked(const char *name, const struct entry *entry, evlog_parked *parked,
                           char error[EVLOG_PARKED_ERROR_SIZE_MAX + 1])
{
    uint64_t seq = consumer_key_seq(entry);
    struct entry_fields fields = entry_fields_of(entry, 6);
    evlog_parked read = {.seq = seq, .error = error};
    read.attempt_count = (uint32_t)entry_field_integer(&fields);
    read.time_us = (int64_t)entry_field_integer(&fields);
    read.last_seq = entry_field_integer(&fields);
    read.is_lost = entry_field_integer(&fields) != 0;
    read.is_retry = entry->key[0] == ENTRY_RETRY;
    struct pack_item text = entry_field(&fields, 1u << PACK_BIN);
    if (fields.is_bad || seq == 0 || read.last_seq < seq ||
        text.size > EVLOG_PARKED_ERROR_SIZE_MAX)
        return error_set(EVLOG_DAMAGED,
                         "state.mdb: consumer %s: the record of parked event %" PRIu64
                         " is not as it was written; drop it, or all",
                         name, seq);
    memcpy(error, text.bytes, text.size);
    error[text.size] = '\0';
    *parked = read;
    return EVLOG_OK;
}

int consumer_unpack_state(const struct entry *entry, const void **value, size_t *size)
{
    struct entry_fields fields = entry_fields_of(entry, 2);
    struct pack_item item = entry_field(&fields, 1u << PACK_BIN);
    if (fields.is_bad)
        return error_set(EVLOG_DAMAGED, "state.mdb: a value is not as it was written");
    *value = item.bytes;
    *size = item.size;
    return EVLOG_OK;
}

int consumer_entry_name(const struct entry *entry, char name[EVLOG_CONSUMER_NAME_SIZE_MAX + 1])
{
    const unsigned char *start = entry->key + 1;
    size_t size = entry->key_size - 1;
    if (entry->key[0] != ENTRY_CONSUMER) {
        const unsigned char *end = memchr(start, '\0', size);
        size = end ? (size_t)(end - start) : 0;
    }
    if (name_check("a consumer's name", (const char *)start, size, EVLOG_CONSUMER_NAME_SIZE_MAX))
        return error_set(EVLOG_DAMAGED,
                         "state.mdb: an entry of kind '%c' does not have a consumer's name",
                         entry->key[0]);
    memcpy(name, start, size);
    name[size] = '\0';
    return EVLOG_OK;
}

int consumer_entry_check(const char *name, const struct entry *entry)
{
    char error[EVLOG_PARKED_ERROR_SIZE_MAX + 1];
    evlog_parked parked;
    struct consumer_entry place;
    const void *value;
    size_t size;
    char **types = NULL;
    int result = EVLOG_OK;
    switch (entry->key[0]) {
    case ENTRY_CONSUMER:
        return consumer_unpack(name, entry, &place);
    case ENTRY_FILTER:
        result = consumer_unpack_filter(name, entry, &types, &size);
        free(types);
        return result;
    case ENTRY_STATE:
        result = consumer_unpack_state(entry, &value, &size);
        return result ? damaged(name, ENTRY_STATE) : EVLOG_OK;
    default:
        return consumer_unpack_parked(name, entry, &parked, error);
    }
}
