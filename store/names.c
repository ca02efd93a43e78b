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
 * 3. A table in memory only grows; entries do not move. A reader finds one by two loads and
 *    without a lock: chunks of pointers, published before the count.
 *
 * Cost: all entries are read when the log is opened (EVLOG_TYPES_MAX bounds it).
 */
#include "names.h"

#define XXH_INLINE_ALL
#include <inttypes.h>
#include <msgpack.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "be64.h"
#include "entries.h"
#include "env.h"
#include "error.h"
#include "pack.h"

#define CHUNK 256
#define CHUNKS 256
#define BUCKETS 1024
#define KEY_SIZE 5
#define NUMBER_MAX (CHUNK * CHUNKS - 1)

_Static_assert(CHUNK *CHUNKS > EVLOG_TYPES_MAX, "the chunks hold every type");
_Static_assert(CHUNK *CHUNKS > EVLOG_SOURCES_MAX, "the chunks hold every source");

struct names {
    struct env *env;
    enum entry_kind kind;
    bool is_tolerant;
    pthread_mutex_t lock; /* over the buckets and all growing */
    _Atomic uint32_t count;
    _Atomic(struct name **) chunks[CHUNKS];
    struct name *buckets[BUCKETS];
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

/* The chunk of a number; NULL: out of memory. */
static struct name **chunk_of(struct names *names, uint32_t number)
{
    struct name **chunk = atomic_load(&names->chunks[number / CHUNK]);
    if (!chunk) {
        chunk = calloc(CHUNK, sizeof(struct name *));
        atomic_store(&names->chunks[number / CHUNK], chunk);
    }
    return chunk;
}

/* Adds `name`, which has the next number, to the table, which owns it. */
static int add(struct names *names, struct name *name)
{
    struct name **chunk = chunk_of(names, name->number);
    if (!chunk) {
        free(name);
        return error_nomem();
    }
    unsigned bucket = bucket_of(name->text);
    name->next = names->buckets[bucket];
    names->buckets[bucket] = name;
    chunk[name->number % CHUNK] = name;
    atomic_store(&names->count, name->number);
    return EVLOG_OK;
}

/* Gives the next number to an entry that cannot be read. */
static int add_hole(struct names *names, uint32_t number)
{
    if (!chunk_of(names, number))
        return error_nomem();
    atomic_store(&names->count, number);
    return EVLOG_OK;
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

static uint32_t next_number(struct names *names)
{
    return atomic_load(&names->count) + 1;
}

/* The entry of the next number is missing or not sound: in a tolerant table it is a hole. */
static int lose_next(struct names *names)
{
    uint32_t number = next_number(names);
    int result = damaged(names->kind, number);
    return names->is_tolerant ? add_hole(names, number) : result;
}

static int take_next(struct names *names, const struct entry *entry)
{
    const char *text[NAMES_TEXTS];
    size_t size[NAMES_TEXTS];
    if (!entry->is_sound || unpack_texts(names->kind, entry, text, size))
        return lose_next(names);
    struct name *name = name_new(next_number(names), text, size);
    return name ? add(names, name) : error_nomem();
}

/* Takes in an entry, and what is missing before it. */
static int take(struct names *names, const struct entry *entry)
{
    uint32_t number = number_of(entry);
    int result = EVLOG_OK;
    while (result == EVLOG_OK && next_number(names) < number && next_number(names) <= NUMBER_MAX)
        result = lose_next(names);
    if (result == EVLOG_OK && next_number(names) == number)
        return take_next(names, entry);
    return result == EVLOG_OK && number == 0 ? damaged(names->kind, next_number(names)) : result;
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
    int result = catch_up(names, ENV_NEWEST);
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
    for (unsigned i = 0; i < CHUNKS; i++) {
        struct name **chunk = names->chunks[i];
        for (unsigned j = 0; chunk && j < CHUNK; j++)
            free(chunk[j]);
        free(chunk);
    }
    pthread_mutex_destroy(&names->lock);
    free(names);
}

uint32_t names_count(struct names *names)
{
    return atomic_load(&names->count);
}

const struct name *names_get(struct names *names, uint32_t number)
{
    if (number == 0 || number > NUMBER_MAX)
        return NULL;
    if (number > atomic_load(&names->count))
        names_refresh(names);
    if (number > atomic_load(&names->count))
        return NULL;
    return atomic_load(&names->chunks[number / CHUNK])[number % CHUNK];
}

struct intern {
    struct names *names;
    const char *const *text;
    const uint32_t *count; /* how many entries there must be; NULL: any number */
    const struct name *found;
    uint32_t made; /* the number of a new entry, not yet in memory */
};

/* A buffer that could not grow has lost a piece but may have room for the next: each is checked. */
static int pack_entry(const char *const text[], msgpack_sbuffer *buffer)
{
    msgpack_packer packer;
    msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
    int failed = msgpack_pack_array(&packer, 1 + NAMES_TEXTS);
    failed |= msgpack_pack_fix_uint64(&packer, 0); /* the checksum, see entry_seal */
    for (int i = 0; i < NAMES_TEXTS; i++)
        failed |= text[i] ? msgpack_pack_str_with_body(&packer, text[i], strlen(text[i]))
                          : msgpack_pack_nil(&packer);
    return failed ? error_nomem() : EVLOG_OK;
}

/* In the write transaction: another process may have been first. */
static int make_entry(struct env *env, void *ctx)
{
    struct intern *intern = ctx;
    struct names *names = intern->names;
    int result = catch_up(names, ENV_BASE);
    if (result)
        return result;
    intern->found = find(names, intern->text);
    if (intern->found)
        return EVLOG_OK;
    uint32_t number = next_number(names);
    if (intern->count && *intern->count != number - 1)
        return error_set(EVLOG_BUSY, "another process has added to the log's types");
    uint32_t max = names->kind == ENTRY_TYPE ? EVLOG_TYPES_MAX : EVLOG_SOURCES_MAX;
    if (number > max)
        return error_set(EVLOG_LIMIT,
                         "the log holds %" PRIu32 " different %s, the most there can be", max,
                         names->kind == ENTRY_TYPE ? "event types" : "sources");
    unsigned char key[KEY_SIZE];
    make_key(names, number, key);
    msgpack_sbuffer buffer;
    msgpack_sbuffer_init(&buffer);
    result = pack_entry(intern->text, &buffer);
    if (result == EVLOG_OK) {
        entry_seal(key, sizeof key, buffer.data, buffer.size);
        result = env_put(env, key, sizeof key, buffer.data, buffer.size, NULL);
    }
    msgpack_sbuffer_destroy(&buffer);
    intern->made = number;
    return result;
}

static size_t size_of(const char *const text[NAMES_TEXTS])
{
    size_t size = 0;
    for (int i = 0; i < NAMES_TEXTS; i++)
        size += text[i] ? strlen(text[i]) + 5 : 1;
    return size;
}

static int intern_text(struct names *names, const char *const text[NAMES_TEXTS],
                       const uint32_t *count, const struct name **name)
{
    struct intern intern = {.names = names, .text = text, .count = count};
    int result = EVLOG_OK;
    pthread_mutex_lock(&names->lock);
    intern.found = find(names, text);
    if (!intern.found)
        result = env_write(names->env, ENV_FLUSH_ALL, size_of(text), make_entry, &intern);
    if (result == EVLOG_OK && !intern.found) {
        size_t size[NAMES_TEXTS];
        for (int i = 0; i < NAMES_TEXTS; i++)
            size[i] = text[i] ? strlen(text[i]) : 0;
        struct name *made = name_new(intern.made, text, size);
        result = made ? add(names, made) : error_nomem();
        intern.found = made;
    }
    pthread_mutex_unlock(&names->lock);
    if (result == EVLOG_OK)
        *name = intern.found;
    return result;
}

int names_intern(struct names *names, const char *const text[NAMES_TEXTS],
                 const struct name **name)
{
    return intern_text(names, text, NULL, name);
}

int names_intern_at(struct names *names, const char *const text[NAMES_TEXTS], uint32_t count,
                    const struct name **name)
{
    return intern_text(names, text, &count, name);
}
