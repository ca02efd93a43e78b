/*
 * Event types, named by their content.
 *
 * In the state environment (not in that of the events, so that the senders' commits stay small):
 *
 *   key    't' and the type's number, 8 bytes big-endian
 *   value  [checksum, order, name, schema or nil, forms or nil, personal or nil]
 *
 *   0      10          15
 *   | head | ce order  | name schema forms personal |
 *
 * The number is XXH3-64 of the bytes from 15 on, in the shortest forms of MessagePack. `order` is
 * 1, 2, 3 ..., given in the write transaction, and only says which was defined before which. After
 * an older state.mdb was put back it may have gaps, or be the same for two types; then their
 * numbers decide.
 *
 * 1. A number stands for one text, in every log and for ever: an event whose type is missing from
 *    state.mdb is of an unknown type, never of another one, and is readable again once that type
 *    is defined again. Two texts with one digest: the second one is refused.
 * 2. An entry is never changed or removed: a changed schema is a new entry. It is on disk before
 *    an event can name it.
 * 3. The types in memory only grow and do not move. They are found by number without a lock, in a
 *    hash table of atomic pointers, at most half full; a table that has become too small is kept
 *    beside its successor, since a reader may be in it.
 *
 * Cost: all entries are read when the log is opened (EVLOG_TYPES_MAX bounds it), and again for
 * a definition or a list if state.mdb has changed since.
 */
#include "types.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "be64.h"
#include "entry_pack.h"
#include "env.h"
#include "error.h"
#include "name.h"
#include "pack.h"

#define KEY_SIZE (1 + sizeof(uint64_t))
#define TEXT_AT (ENTRY_HEAD_SIZE + 1 + sizeof(uint32_t)) /* where in a value the text begins */
#define ELEMENT_COUNT 6
#define SLOTS_FIRST 256

/* Slots of types by number: the first free one from `number & mask` on. */
struct slots {
    size_t mask;
    struct slots *older;
    struct type *_Atomic slot[];
};

struct types {
    struct env *env;
    bool is_tolerant;
    pthread_mutex_t lock;    /* over all that changes */
    uint64_t complete_txnid; /* the commit up to which every type is in memory */
    uint32_t order_max;
    _Atomic uint32_t count;
    struct type **all; /* by index */
    size_t all_max;
    struct slots *_Atomic slots;
};

/* ------------------------------------------------------- the memory side ---- */

static struct slots *slots_new(size_t count, struct slots *older)
{
    struct slots *slots = calloc(1, sizeof *slots + count * sizeof *slots->slot);
    if (slots) {
        slots->mask = count - 1;
        slots->older = older;
    }
    return slots;
}

/* The slot that has the type of a number, or where it would be. */
static struct type *_Atomic *slot_of(struct slots *slots, uint64_t number)
{
    size_t at = number & slots->mask;
    struct type *type;
    while ((type = atomic_load_explicit(&slots->slot[at], memory_order_acquire)) &&
           type->number != number)
        at = (at + 1) & slots->mask;
    return &slots->slot[at];
}

static const struct type *in_memory(struct types *types, uint64_t number)
{
    struct slots *slots = atomic_load_explicit(&types->slots, memory_order_acquire);
    return atomic_load_explicit(slot_of(slots, number), memory_order_acquire);
}

/* Makes room for one more type. */
static int make_room(struct types *types)
{
    uint32_t count = atomic_load(&types->count);
    struct slots *slots = atomic_load(&types->slots);
    if (count == types->all_max) {
        size_t max = types->all_max ? 2 * types->all_max : SLOTS_FIRST / 2;
        struct type **all = realloc(types->all, max * sizeof *all);
        if (!all)
            return error_nomem();
        types->all = all;
        types->all_max = max;
    }
    if (2 * (size_t)(count + 1) <= slots->mask)
        return EVLOG_OK;
    struct slots *larger = slots_new(2 * (slots->mask + 1), slots);
    if (!larger)
        return error_nomem();
    for (uint32_t i = 0; i < count; i++)
        atomic_store(slot_of(larger, types->all[i]->number), types->all[i]);
    atomic_store_explicit(&types->slots, larger, memory_order_release);
    return EVLOG_OK;
}

/* Copies `size` bytes and a NUL to `*at`, which moves behind them. */
static void *copy(char **at, const void *bytes, size_t size)
{
    char *to = *at;
    if (!bytes)
        return NULL;
    memcpy(to, bytes, size);
    *at += size + 1;
    return to;
}

/* A type and its text in one block. NULL: out of memory. */
static struct type *type_new(const struct type_text *text, size_t name_size, size_t schema_size)
{
    size_t size =
        name_size + schema_size + text->forms.size + text->personal.size + 4; /* and NULs */
    struct type *type = calloc(1, sizeof *type + sizeof *type->derived + size);
    if (!type)
        return NULL;
    type->derived = (struct type_derived *)(type + 1);
    char *at = (char *)(type->derived + 1);
    type->text = (struct type_text){
        .name = copy(&at, text->name, name_size),
        .schema = copy(&at, text->schema, schema_size),
        .forms = {copy(&at, text->forms.data, text->forms.size), text->forms.size},
        .personal = {copy(&at, text->personal.data, text->personal.size), text->personal.size},
    };
    return type;
}

/* Takes a type into memory. With the lock held. */
static int add(struct types *types, struct type *type, uint64_t number, uint32_t order)
{
    int result = type ? make_room(types) : error_nomem();
    if (result) {
        free(type);
        return result;
    }
    type->number = number;
    type->order = order;
    type->is_reserved = name_is_reserved(type->text.name);
    type->index = atomic_load(&types->count);
    types->all[type->index] = type;
    if (order > types->order_max)
        types->order_max = order;
    atomic_store_explicit(slot_of(atomic_load(&types->slots), number), type,
                          memory_order_release);
    atomic_store(&types->count, type->index + 1);
    return EVLOG_OK;
}

static bool is_same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool is_same_bytes(evlog_bytes a, evlog_bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static bool is_same(const struct type_text *a, const struct type_text *b)
{
    return is_same_text(a->name, b->name) && is_same_text(a->schema, b->schema) &&
           is_same_bytes(a->forms, b->forms) && is_same_bytes(a->personal, b->personal);
}

/* ---------------------------------------------------------- the file side ---- */

static void make_key(uint64_t number, unsigned char key[KEY_SIZE])
{
    key[0] = ENTRY_TYPE;
    be64_store(key + 1, number);
}

/* What an entry says. The texts are not ended by a NUL here. */
struct unpacked {
    uint64_t number;
    uint32_t order;
    struct type_text text;
    size_t name_size, schema_size;
};

/* Reads the next element when it is of the kind, or passes nil and gives NULL. */
static bool next_element(const unsigned char **at, enum pack_kind kind, evlog_bytes *bytes)
{
    const unsigned char *start = *at;
    struct pack_item item;
    pack_next(at, &item);
    *bytes = (evlog_bytes){NULL, 0};
    if (item.kind == PACK_NIL)
        return true;
    pack_skip_items(at, &item);
    *bytes = (evlog_bytes){start, (size_t)(*at - start)};
    if (kind == PACK_STR)
        *bytes = (evlog_bytes){item.bytes, item.size};
    return item.kind == kind && (kind != PACK_STR || !memchr(item.bytes, 0, item.size));
}

/* Whether an entry is as it was written, and under the digest of its text. */
static bool unpack(const struct entry *entry, struct unpacked *unpacked)
{
    const unsigned char *value = entry->value, *at = value + TEXT_AT;
    evlog_bytes name, schema, forms, personal;
    if (entry->key_size != KEY_SIZE || !entry->is_sound || entry->value_size <= TEXT_AT ||
        value[0] != (0x90 | ELEMENT_COUNT) || value[ENTRY_HEAD_SIZE] != 0xce)
        return false;
    bool is_good = next_element(&at, PACK_STR, &name) && name.data &&
                   next_element(&at, PACK_STR, &schema) && next_element(&at, PACK_MAP, &forms) &&
                   next_element(&at, PACK_ARRAY, &personal);
    if (!is_good ||
        be64_load(entry->key + 1) != entry_digest(value + TEXT_AT, entry->value_size - TEXT_AT))
        return false;
    *unpacked = (struct unpacked){
        .number = be64_load(entry->key + 1),
        .order = be32_load(value + ENTRY_HEAD_SIZE + 1),
        .text = {name.data, schema.data, forms, personal},
        .name_size = name.size,
        .schema_size = schema.size,
    };
    return true;
}

static int damaged(const struct entry *entry)
{
    if (entry->key_size != KEY_SIZE)
        return error_set(EVLOG_DAMAGED, "state.mdb: the key of an event type has %zu bytes",
                         entry->key_size);
    return error_set(EVLOG_DAMAGED,
                     "state.mdb: event type %016" PRIx64 " is not as it was written",
                     be64_load(entry->key + 1));
}

int types_check(const struct entry *entry)
{
    struct unpacked unpacked;
    return unpack(entry, &unpacked) ? EVLOG_OK : damaged(entry);
}

/* Takes in an entry, unless it is in memory already. */
static int take(struct types *types, const struct entry *entry)
{
    struct unpacked unpacked;
    if (entry->key_size == KEY_SIZE && in_memory(types, be64_load(entry->key + 1)))
        return EVLOG_OK;
    if (!unpack(entry, &unpacked))
        return damaged(entry);
    if (atomic_load(&types->count) == EVLOG_TYPES_MAX)
        return error_set(EVLOG_DAMAGED, "state.mdb: it has more than %d event types",
                         EVLOG_TYPES_MAX);
    return add(types, type_new(&unpacked.text, unpacked.name_size, unpacked.schema_size),
               unpacked.number, unpacked.order);
}

/* Takes in all that are not in memory. A tolerant table passes over those that are damaged. */
static int take_all(struct types *types, enum env_state state)
{
    struct entry_key prefix = {.size = 1, .bytes = {ENTRY_TYPE}};
    struct entry_walk walk;
    const struct entry *entry;
    int result;
    entry_walk_begin(&walk, types->env, state, &prefix, NULL);
    while ((result = entry_walk_next(&walk, &entry)) == EVLOG_OK && entry) {
        result = take(types, entry);
        if (result && (result != EVLOG_DAMAGED || !types->is_tolerant))
            break;
    }
    entry_walk_end(&walk);
    return result == EVLOG_DAMAGED && types->is_tolerant ? EVLOG_OK : result;
}

static int note_txnid(const struct page_snapshot *snapshot, void *ctx)
{
    *(uint64_t *)ctx = snapshot->txnid;
    return EVLOG_OK;
}

/*
 * Takes in what is not in memory, if the file has changed since the last time. Locked. Which state it is comes from
 * where the types are read, since that is not always the one of the newest meta page.
 */
static int catch_up(struct types *types, enum env_state state)
{
    uint64_t txnid;
    int result = env_read(types->env, state, note_txnid, &txnid);
    if (result)
        return result;
    if (txnid == types->complete_txnid)
        return EVLOG_OK;
    result = take_all(types, state);
    if (result == EVLOG_OK)
        types->complete_txnid = txnid;
    return result;
}

int types_refresh(struct types *types)
{
    pthread_mutex_lock(&types->lock);
    int result = catch_up(types, ENV_NEWEST);
    pthread_mutex_unlock(&types->lock);
    return result;
}

/* Takes in the entry of a number. Locked. */
static int take_one(struct types *types, uint64_t number)
{
    unsigned char key[KEY_SIZE];
    struct entry entry;
    if (in_memory(types, number))
        return EVLOG_OK;
    make_key(number, key);
    int result = entry_read(types->env, ENV_NEWEST, key, sizeof key, &entry);
    if (result)
        return result;
    result = take(types, &entry);
    free(entry.value);
    return result;
}

/* ------------------------------------------------------------ public side ---- */

int types_open(struct env *env, bool is_tolerant, struct types **opened)
{
    struct types *types = calloc(1, sizeof *types);
    if (!types)
        return error_nomem();
    types->env = env;
    types->is_tolerant = is_tolerant;
    types->complete_txnid = UINT64_MAX;
    pthread_mutex_init(&types->lock, NULL);
    atomic_store(&types->slots, slots_new(SLOTS_FIRST, NULL));
    int result = atomic_load(&types->slots) ? catch_up(types, ENV_NEWEST) : error_nomem();
    if (result) {
        types_close(types);
        return result;
    }
    *opened = types;
    return EVLOG_OK;
}

void types_close(struct types *types)
{
    if (!types)
        return;
    for (uint32_t i = 0; i < atomic_load(&types->count); i++)
        free(types->all[i]);
    free(types->all);
    for (struct slots *slots = atomic_load(&types->slots), *older; slots; slots = older) {
        older = slots->older;
        free(slots);
    }
    pthread_mutex_destroy(&types->lock);
    free(types);
}

int types_find(struct types *types, uint64_t number, const struct type **type)
{
    *type = in_memory(types, number);
    if (*type)
        return EVLOG_OK;
    pthread_mutex_lock(&types->lock);
    int result = take_one(types, number);
    pthread_mutex_unlock(&types->lock);
    if (result == EVLOG_OK)
        *type = in_memory(types, number);
    return result;
}

uint32_t types_count(struct types *types)
{
    return atomic_load(&types->count);
}

const struct type *types_at(struct types *types, uint32_t index)
{
    pthread_mutex_lock(&types->lock);
    const struct type *type = types->all[index];
    pthread_mutex_unlock(&types->lock);
    return type;
}

static int by_order(const void *a, const void *b)
{
    const struct type *left = *(const struct type *const *)a;
    const struct type *right = *(const struct type *const *)b;
    if (left->order != right->order)
        return left->order < right->order ? -1 : 1;
    return (left->number > right->number) - (left->number < right->number);
}

int types_list(struct types *types, const char *name, const struct type ***list,
               size_t *list_count, uint32_t *count)
{
    size_t found = 0;
    pthread_mutex_lock(&types->lock);
    uint32_t all_count = atomic_load(&types->count);
    const struct type **types_found = malloc((all_count + 1) * sizeof(struct type *));
    for (uint32_t i = 0; types_found && i < all_count; i++)
        if (!name || strcmp(types->all[i]->text.name, name) == 0)
            types_found[found++] = types->all[i];
    pthread_mutex_unlock(&types->lock);
    if (!types_found)
        return error_nomem();
    qsort(types_found, found, sizeof(struct type *), by_order);
    *list = types_found;
    *list_count = found;
    *count = all_count;
    return EVLOG_OK;
}

/* ---------------------------------------------------------------- defining ---- */

struct defining {
    struct types *types;
    const struct type_text *text;
    const uint32_t *count; /* how many types there must be; NULL: any number */
    unsigned char *value;
    size_t size;
    uint64_t number;
    uint32_t made; /* the order that it was given; 0: it was there */
    uint64_t txnid;
};

/* The most bytes that the entry of a type takes. */
static size_t size_max_of(const struct type_text *text)
{
    return TEXT_AT + 2 * PACK_LENGTH_SIZE_MAX + strlen(text->name) +
           (text->schema ? strlen(text->schema) : 0) + text->forms.size + text->personal.size + 2;
}

static void pack_bytes(struct entry_packing *packing, evlog_bytes bytes)
{
    if (!bytes.size) {
        msgpack_pack_nil(&packing->packer);
        return;
    }
    memcpy(packing->at, bytes.data, bytes.size);
    packing->at += bytes.size;
}

/* Packs the text, which gives the number; the order is still 0. */
static void pack(struct defining *defining)
{
    const struct type_text *text = defining->text;
    struct entry_packing packing;
    entry_pack_begin(&packing, defining->value, ELEMENT_COUNT);
    msgpack_pack_fix_uint32(&packing.packer, 0);
    msgpack_pack_str_with_body(&packing.packer, text->name, strlen(text->name));
    if (text->schema)
        msgpack_pack_str_with_body(&packing.packer, text->schema, strlen(text->schema));
    else
        msgpack_pack_nil(&packing.packer);
    pack_bytes(&packing, text->forms);
    pack_bytes(&packing, text->personal);
    defining->size = entry_pack_end(&packing);
    defining->number = entry_digest(defining->value + TEXT_AT, defining->size - TEXT_AT);
}

static int check_same(const struct defining *defining, const struct type *type)
{
    if (is_same(&type->text, defining->text))
        return EVLOG_OK;
    return error_set(EVLOG_CONFLICT,
                     "event type %s, with this schema, has the number %016" PRIx64
                     ", as event type %s with another: change either a little",
                     defining->text->name, type->number, type->text.name);
}

/* In the write transaction: another process may have been first. */
static int make_entry(struct env *env, void *ctx)
{
    struct defining *defining = ctx;
    struct types *types = defining->types;
    unsigned char key[KEY_SIZE];
    defining->made = 0;
    int result = catch_up(types, ENV_BASE);
    if (result || in_memory(types, defining->number))
        return result;
    uint32_t count = atomic_load(&types->count);
    if (defining->count && *defining->count != count)
        return error_set(EVLOG_BUSY, "another process has added to the log's types");
    if (count == EVLOG_TYPES_MAX)
        return error_set(EVLOG_LIMIT,
                         "the log holds %d different event types, the most there can be",
                         EVLOG_TYPES_MAX);
    defining->made = types->order_max + (types->order_max < UINT32_MAX);
    defining->txnid = env_txnid(env);
    be32_store(defining->value + ENTRY_HEAD_SIZE + 1, defining->made);
    make_key(defining->number, key);
    return entry_put(env, key, sizeof key, defining->value, defining->size, NULL);
}

/* With the lock held. */
static int define(struct defining *defining)
{
    struct types *types = defining->types;
    const struct type_text *text = defining->text;
    if (in_memory(types, defining->number))
        return EVLOG_OK;
    int result = env_write(types->env, ENV_FLUSH_ALL, defining->size, make_entry, defining);
    if (result || !defining->made)
        return result;
    struct type *type =
        type_new(text, strlen(text->name), text->schema ? strlen(text->schema) : 0);
    result = add(types, type, defining->number, defining->made);
    if (result == EVLOG_OK) /* the transaction began with all of them in memory */
        types->complete_txnid = defining->txnid;
    return result;
}

int types_define(struct types *types, const struct type_text *text, const uint32_t *count,
                 const struct type **type)
{
    struct defining defining = {.types = types, .text = text, .count = count};
    size_t size_max = size_max_of(text);
    if (size_max > ENTRY_VALUE_SIZE_MAX)
        return error_set(
            EVLOG_LIMIT,
            "event type %s: its schema, forms and personal fields take more than %zu "
            "bytes",
            text->name, ENTRY_VALUE_SIZE_MAX);
    defining.value = malloc(size_max);
    if (!defining.value)
        return error_nomem();
    pack(&defining);
    pthread_mutex_lock(&types->lock);
    int result = define(&defining);
    pthread_mutex_unlock(&types->lock);
    free(defining.value);
    if (result)
        return result;
    const struct type *found = in_memory(types, defining.number);
    result = check_same(&defining, found);
    if (result == EVLOG_OK)
        *type = found;
    return result;
}

uint64_t types_number(const char *name)
{
    unsigned char text[1 + 31 + 3];
    size_t size = strlen(name);
    assert(size < 32);
    text[0] = (unsigned char)(0xa0 | size);
    memcpy(text + 1, name, size);
    memset(text + 1 + size, 0xc0, 3); /* schema, forms, personal fields: nil */
    return entry_digest(text, 1 + size + 3);
}
