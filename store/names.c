/*
 * Types and sources: what repeats in records, by number.
 *
 * In the state environment (not in that of the events, so that the senders' commits stay small).
 * Key: the kind's letter and the number, 4 bytes big-endian. Value: see entries.c,
 *
 *   't' [checksum, name, schema or nil, nil]
 *   's' [checksum, source, sourcehost, sourcelib]
 *
 * 1. An entry is never changed or removed: a changed schema is a new entry.
 * 2. Numbers are dense from 1, given in a (durable) write transaction of the state environment.
 *    So an entry is on disk before an event can name it, and a number that is missing before
 *    another has been lost: it is never given again.
 * 3. A table in memory only grows; entries do not move. A reader finds one by one load and without
 *    a lock: it has a place for every possible number, half a megabyte of address space, mapped so
 *    that only what is used costs memory or time.
 *
 * Cost: all entries are read when the log is opened (EVLOG_TYPES_MAX bounds it).
 */
#include "names.h"

#define XXH_INLINE_ALL
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xxhash.h>

#include "be64.h"
#include "entry_pack.h"
#include "env.h"
#include "error.h"
#include "pack.h"

#define BUCKETS 1024
#define KEY_SIZE 5
#define NUMBER_MAX 65535
#define TABLE_SIZE ((NUMBER_MAX + 1) * sizeof(_Atomic(struct name *)))

_Static_assert(EVLOG_TYPES_MAX <= NUMBER_MAX && EVLOG_SOURCES_MAX <= NUMBER_MAX,
               "the table holds every type and source");

struct names {
    struct env *env;
    enum entry_kind kind;
    bool is_tolerant;
    pthread_mutex_t lock; /* over the buckets and all growing */
    _Atomic uint32_t count;
    struct name *buckets[BUCKETS];
    _Atomic(struct name *) *by_number; /* a place may be NULL: not known, or lost */
};

static void make_key(const struct names *names, uint32_t number, unsigned char key[KEY_SIZE])
{
    key[0] = (unsigned char)names->kind;
    be32_store(key + 1, number);
}

/* ------------------------------------------------------- the memory side ---- */

static unsigned bucket_of(const char *const text[NAMES_TEXTS])
{
    uint64_t hash = 0;
    for (int i = 0; i < NAMES_TEXTS && text[i]; i++)
        hash = XXH3_64bits_withSeed(text[i], strlen(text[i]), hash);
    return (unsigned)(hash % BUCKETS);
}

static bool same_texts(const char *const a[NAMES_TEXTS], const char *const b[NAMES_TEXTS])
{
    for (int i = 0; i < NAMES_TEXTS; i++)
        if (!a[i] != !b[i] || (a[i] && strcmp(a[i], b[i]) != 0))
            return false;
    return true;
}

static const struct name *find(struct names *names, const char *const text[NAMES_TEXTS])
{
    struct name *name = names->buckets[bucket_of(text)];
    while (name && !same_texts(name->text, text))
        name = name->next;
    return name;
}

/* An entry and its texts in one block. NULL: out of memory. */
static struct name *name_new(uint32_t number, const char *const text[], const size_t size[])
{
    size_t total = sizeof(struct name) + sizeof(void *);
    for (int i = 0; i < NAMES_TEXTS; i++)
        total += text[i] ? size[i] + 1 : 0;
    struct name *name = calloc(1, total);
    if (!name)
        return NULL;
    name->number = number;
    name->derived = (void *_Atomic *)(name + 1);
    char *at = (char *)(name + 1) + sizeof(void *);
    for (int i = 0; i < NAMES_TEXTS; i++)
        if (text[i]) {
            name->text[i] = memcpy(at, text[i], size[i]);
            at += size[i] + 1;
        }
    return name;
}

/* Adds `name` to the table, which owns it. */
static void add(struct names *names, struct name *name)
{
    unsigned bucket = bucket_of(name->text);
    name->next = names->buckets[bucket];
    names->buckets[bucket] = name;
    atomic_store(&names->by_number[name->number], name);
    atomic_store(&names->count, name->number);
}

/* ---------------------------------------------------------- the file side ---- */

static int damaged(enum entry_kind kind, uint32_t number)
{
    return error_set(EVLOG_DAMAGED, "state.mdb: %s %" PRIu32 " is not as it was written",
                     kind == ENTRY_TYPE ? "event type" : "source", number);
}

static int unpack_texts(enum entry_kind kind, const struct entry *entry,
                        const char *text[NAMES_TEXTS], size_t size[NAMES_TEXTS])
{
    const unsigned char *at = entry->value;
    struct pack_item item;
    pack_next(&at, &item);
    if (item.size != 1 + NAMES_TEXTS)
        return EVLOG_DAMAGED;
    pack_skip(&at);
    for (int i = 0; i < NAMES_TEXTS; i++) {
        pack_next(&at, &item);
        text[i] = NULL;
        size[i] = 0;
        if (item.kind == PACK_NIL && i > 0 && kind == ENTRY_TYPE)
            continue;
        if (item.kind != PACK_STR || memchr(item.bytes, 0, item.size))
            return EVLOG_DAMAGED;
        text[i] = item.bytes;
        size[i] = item.size;
    }
    return EVLOG_OK;
}

static uint32_t number_of(const struct entry *entry)
{
    return entry->key_size == KEY_SIZE ? be32_load(entry->key + 1) : 0;
}

int names_check(enum entry_kind kind, const struct entry *entry, uint32_t *next)
{
    const char *text[NAMES_TEXTS];
    size_t size[NAMES_TEXTS];
    uint32_t expected = *next, number = number_of(entry);
    if (number >= expected)
        *next = number + 1;
    if (number != expected || !entry->is_sound || unpack_texts(kind, entry, text, size))
        return damaged(kind, expected);
    return EVLOG_OK;
}

/*
 * Takes in an entry of a number not in memory yet. One that is not sound, or missing before this
 * one, is damage; in a tolerant table it is passed over.
 */
static int take(struct names *names, const struct entry *entry)
{
    const char *text[NAMES_TEXTS];
    size_t size[NAMES_TEXTS];
    uint32_t next = atomic_load(&names->count) + 1, number = number_of(entry);
    bool is_good = number && number <= NUMBER_MAX && entry->is_sound &&
                   unpack_texts(names->kind, entry, text, size) == EVLOG_OK;
    if (number == 0 || ((number != next || !is_good) && !names->is_tolerant))
        return damaged(names->kind, next);
    if (!is_good) {
        atomic_store(&names->count, number < NUMBER_MAX ? number : NUMBER_MAX);
        return EVLOG_OK;
    }
    struct name *name = name_new(number, text, size);
    if (!name)
        return error_nomem();
    add(names, name);
    return EVLOG_OK;
}

/* Takes in the entries that are in the file but not in memory. With the lock held. */
static int catch_up(struct names *names, enum env_state state)
{
    struct entry_key prefix = {.size = 1, .bytes = {(unsigned char)names->kind}};
    struct entry_key after = {.size = KEY_SIZE};
    struct entry_walk walk;
    const struct entry *entry;
    int result;
    make_key(names, atomic_load(&names->count), after.bytes);
    entry_walk_begin(&walk, names->env, state, &prefix, &after);
    while ((result = entry_walk_next(&walk, &entry)) == EVLOG_OK && entry &&
           atomic_load(&names->count) < NUMBER_MAX) {
        result = take(names, entry);
        if (result)
            break;
    }
    entry_walk_end(&walk);
    return result == EVLOG_DAMAGED && names->is_tolerant ? EVLOG_OK : result;
}

int names_refresh(struct names *names)
{
    pthread_mutex_lock(&names->lock);
    int result = catch_up(names, ENV_NEWEST);
    pthread_mutex_unlock(&names->lock);
    return result;
}

/* ------------------------------------------------------------ public side ---- */

int names_open(struct env *env, enum entry_kind kind, bool is_tolerant, struct names **opened)
{
    struct names *names = calloc(1, sizeof *names);
    if (!names)
        return error_nomem();
    names->env = env;
    names->kind = kind;
    names->is_tolerant = is_tolerant;
    pthread_mutex_init(&names->lock, NULL);
    void *table =
        mmap(NULL, TABLE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    names->by_number = table == MAP_FAILED ? NULL : table;
    int result = names->by_number ? catch_up(names, ENV_NEWEST) : error_nomem();
    if (result) {
        names_close(names);
        return result;
    }
    *opened = names;
    return EVLOG_OK;
}

void names_close(struct names *names)
{
    if (!names)
        return;
    for (uint32_t i = 1; i <= names->count; i++)
        free(names->by_number[i]);
    if (names->by_number)
        munmap(names->by_number, TABLE_SIZE);
    pthread_mutex_destroy(&names->lock);
    free(names);
}

uint32_t names_count(struct names *names)
{
    return atomic_load(&names->count);
}

const struct name *names_get(struct names *names, uint64_t number)
{
    if (number == 0 || number > NUMBER_MAX)
        return NULL;
    if (number > atomic_load(&names->count))
        names_refresh(names);
    return atomic_load(&names->by_number[number]);
}

struct intern {
    struct names *names;
    const char *const *text;
    const uint32_t *count; /* how many entries there must be; NULL: any number */
};

/* The most bytes that an entry of these texts takes. */
static size_t size_of(const char *const text[NAMES_TEXTS])
{
    size_t size = ENTRY_HEAD_SIZE;
    for (int i = 0; i < NAMES_TEXTS; i++)
        size += text[i] ? PACK_LENGTH_SIZE_MAX + strlen(text[i]) : 1;
    return size;
}

static int put_entry(struct env *env, const struct names *names, uint32_t number,
                     const char *const text[NAMES_TEXTS])
{
    unsigned char key[KEY_SIZE];
    struct entry_packing packing;
    unsigned char *value = malloc(size_of(text));
    if (!value)
        return error_nomem();
    make_key(names, number, key);
    entry_pack_begin(&packing, value, 1 + NAMES_TEXTS);
    for (int i = 0; i < NAMES_TEXTS; i++)
        if (text[i])
            msgpack_pack_str_with_body(&packing.packer, text[i], strlen(text[i]));
        else
            msgpack_pack_nil(&packing.packer);
    size_t size = entry_pack_end(&packing, key, sizeof key);
    int result = env_put(env, key, sizeof key, value, size, NULL);
    free(value);
    return result;
}

/* In the write transaction: another process may have been first. */
static int make_entry(struct env *env, void *ctx)
{
    struct intern *intern = ctx;
    struct names *names = intern->names;
    int result = catch_up(names, ENV_BASE);
    if (result)
        return result;
    if (find(names, intern->text))
        return EVLOG_OK;
    uint32_t number = atomic_load(&names->count) + 1;
    if (intern->count && *intern->count != number - 1)
        return error_set(EVLOG_BUSY, "another process has added to the log's types");
    uint32_t max = names->kind == ENTRY_TYPE ? EVLOG_TYPES_MAX : EVLOG_SOURCES_MAX;
    if (number > max)
        return error_set(EVLOG_LIMIT,
                         "the log holds %" PRIu32 " different %s, the most there can be", max,
                         names->kind == ENTRY_TYPE ? "event types" : "sources");
    return put_entry(env, names, number, intern->text);
}

int names_intern(struct names *names, const char *const text[NAMES_TEXTS], const uint32_t *count,
                 const struct name **found)
{
    struct intern intern = {.names = names, .text = text, .count = count};
    int result = EVLOG_OK;
    pthread_mutex_lock(&names->lock);
    const struct name *name = find(names, text);
    if (!name) {
        result = env_write(names->env, ENV_FLUSH_ALL, size_of(text), make_entry, &intern);
        if (result == EVLOG_OK)
            result = catch_up(names, ENV_NEWEST); /* takes in what was made */
        name = find(names, text);
    }
    pthread_mutex_unlock(&names->lock);
    if (result == EVLOG_OK)
        *found = name;
    return result;
}
