/*
 * Sources: where events come from, named by their content.
 *
 * In the state environment:
 *
 *   key    's' and the source's number, 8 bytes big-endian
 *   value  [checksum, source, sourcehost, sourcelib]
 *
 * The number is XXH3-64 of what follows the checksum, in the shortest forms of MessagePack. So it
 * stands for these texts in every log and for ever; other texts with the same digest are refused.
 *
 * Any number of sources fits (each pod of a cluster is one), so they are not all kept in memory: the
 * last ones used are, one in each of CACHE_SLOTS places. A source is freed when it is neither there
 * nor held. An entry is never removed, and it is on disk before an event can name it. One that was
 * damaged is written anew, as it was, when its texts are sent again.
 *
 * Cost: a lock and a look for a source that is in its place, else a descent in state.mdb, and for a
 * new one a commit. Memory: CACHE_SLOTS sources at most, besides those that are held.
 */
#include "sources.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "be64.h"
#include "entry_pack.h"
#include "env.h"
#include "error.h"
#include "pack.h"

#define KEY_SIZE (1 + sizeof(uint64_t))
#define CACHE_SLOTS 1024

struct sources {
    struct env *env;
    pthread_mutex_t lock;
    const struct source *slots[CACHE_SLOTS]; /* each held; NULL: empty */
};

/* ------------------------------------------------------- the memory side ---- */

/* A source, held once, and its texts in one block. NULL: out of memory. */
static const struct source *source_new(uint64_t number, const char *const text[SOURCE_TEXTS],
                                       const size_t size[SOURCE_TEXTS])
{
    size_t total = sizeof(struct source) + sizeof(atomic_uint);
    for (int i = 0; i < SOURCE_TEXTS; i++)
        total += size[i] + 1;
    struct source *source = calloc(1, total);
    if (!source)
        return NULL;
    source->number = number;
    source->holder_count = (atomic_uint *)(source + 1);
    atomic_init(source->holder_count, 1);
    char *at = (char *)(source + 1) + sizeof(atomic_uint);
    for (int i = 0; i < SOURCE_TEXTS; i++) {
        source->text[i] = memcpy(at, text[i], size[i]);
        at += size[i] + 1;
    }
    return source;
}

static void source_hold(const struct source *source)
{
    atomic_fetch_add_explicit(source->holder_count, 1, memory_order_relaxed);
}

void source_release(const struct source *source)
{
    if (source && atomic_fetch_sub(source->holder_count, 1) == 1)
        free((void *)source);
}

/* The source of a number, held, if it is in its place; else NULL. */
static const struct source *cache_get(struct sources *sources, uint64_t number)
{
    pthread_mutex_lock(&sources->lock);
    const struct source *source = sources->slots[number % CACHE_SLOTS];
    if (source && source->number == number)
        source_hold(source);
    else
        source = NULL;
    pthread_mutex_unlock(&sources->lock);
    return source;
}

static void cache_put(struct sources *sources, const struct source *source)
{
    source_hold(source);
    pthread_mutex_lock(&sources->lock);
    const struct source *before = sources->slots[source->number % CACHE_SLOTS];
    sources->slots[source->number % CACHE_SLOTS] = source;
    pthread_mutex_unlock(&sources->lock);
    source_release(before);
}

static bool is_same(const struct source *source, const char *const text[SOURCE_TEXTS])
{
    for (int i = 0; i < SOURCE_TEXTS; i++)
        if (strcmp(source->text[i], text[i]) != 0)
            return false;
    return true;
}

/* ---------------------------------------------------------- the file side ---- */

static void make_key(uint64_t number, unsigned char key[KEY_SIZE])
{
    key[0] = ENTRY_SOURCE;
    be64_store(key + 1, number);
}

/* Whether an entry is as it was written, and under the digest of its texts. */
static bool unpack(const struct entry *entry, const char *text[SOURCE_TEXTS],
                   size_t size[SOURCE_TEXTS])
{
    const unsigned char *at = entry->value + ENTRY_HEAD_SIZE;
    if (entry->key_size != KEY_SIZE || !entry->is_sound ||
        entry->value[0] != (0x90 | (1 + SOURCE_TEXTS)))
        return false;
    for (int i = 0; i < SOURCE_TEXTS; i++) {
        struct pack_item item;
        pack_next(&at, &item);
        if (item.kind != PACK_STR || memchr(item.bytes, 0, item.size))
            return false;
        text[i] = item.bytes;
        size[i] = item.size;
    }
    return be64_load(entry->key + 1) ==
           entry_digest(entry->value + ENTRY_HEAD_SIZE, entry->value_size - ENTRY_HEAD_SIZE);
}

int sources_check(const struct entry *entry)
{
    const char *text[SOURCE_TEXTS];
    size_t size[SOURCE_TEXTS];
    if (unpack(entry, text, size))
        return EVLOG_OK;
    if (entry->key_size != KEY_SIZE)
        return error_set(EVLOG_DAMAGED, "state.mdb: the key of a source has %zu bytes",
                         entry->key_size);
    return error_set(EVLOG_DAMAGED, "state.mdb: source %016" PRIx64 " is not as it was written",
                     be64_load(entry->key + 1));
}

/* Reads a source, held once. */
static int read_source(struct env *env, enum env_state state, uint64_t number,
                       const struct source **source)
{
    unsigned char key[KEY_SIZE];
    const char *text[SOURCE_TEXTS];
    size_t size[SOURCE_TEXTS];
    struct entry entry;
    make_key(number, key);
    int result = entry_read(env, state, key, sizeof key, &entry);
    if (result)
        return result;
    if (unpack(&entry, text, size)) {
        *source = source_new(number, text, size);
        result = *source ? EVLOG_OK : error_nomem();
    } else {
        result = sources_check(&entry);
    }
    free(entry.value);
    return result;
}

/* ------------------------------------------------------------ public side ---- */

int sources_open(struct env *env, struct sources **opened)
{
    struct sources *sources = calloc(1, sizeof *sources);
    if (!sources)
        return error_nomem();
    sources->env = env;
    pthread_mutex_init(&sources->lock, NULL);
    *opened = sources;
    return EVLOG_OK;
}

void sources_close(struct sources *sources)
{
    if (!sources)
        return;
    for (int i = 0; i < CACHE_SLOTS; i++)
        source_release(sources->slots[i]);
    pthread_mutex_destroy(&sources->lock);
    free(sources);
}

int sources_find(struct sources *sources, uint64_t number, const struct source **source)
{
    const struct source *found = cache_get(sources, number);
    if (!found) {
        int result = read_source(sources->env, ENV_NEWEST, number, &found);
        if (result)
            return result;
        cache_put(sources, found);
    }
    *source = found;
    return EVLOG_OK;
}

int sources_count(struct sources *sources, uint64_t *count)
{
    struct entry_key prefix = {.size = 1, .bytes = {ENTRY_SOURCE}};
    struct entry_walk walk;
    const struct entry *entry;
    uint64_t found = 0;
    int result;
    entry_walk_begin(&walk, sources->env, ENV_NEWEST, &prefix, NULL);
    while ((result = entry_walk_next(&walk, &entry)) == EVLOG_OK && entry)
        found++;
    entry_walk_end(&walk);
    if (result == EVLOG_OK)
        *count = found;
    return result;
}

/* ---------------------------------------------------------------- defining ---- */

struct defining {
    const char *const *text;
    unsigned char *value;
    size_t size;
    uint64_t number;
};

static size_t size_max_of(const char *const text[SOURCE_TEXTS])
{
    size_t size = ENTRY_HEAD_SIZE;
    for (int i = 0; i < SOURCE_TEXTS; i++)
        size += PACK_LENGTH_SIZE_MAX + strlen(text[i]);
    return size;
}

static void pack(struct defining *defining)
{
    struct entry_packing packing;
    entry_pack_begin(&packing, defining->value, 1 + SOURCE_TEXTS);
    for (int i = 0; i < SOURCE_TEXTS; i++)
        msgpack_pack_str_with_body(&packing.packer, defining->text[i], strlen(defining->text[i]));
    defining->size = entry_pack_end(&packing);
    defining->number =
        entry_digest(defining->value + ENTRY_HEAD_SIZE, defining->size - ENTRY_HEAD_SIZE);
}

/* In the write transaction: another process may have been first. */
static int make_entry(struct env *env, void *ctx)
{
    struct defining *defining = ctx;
    unsigned char key[KEY_SIZE];
    const struct source *known;
    int result = read_source(env, ENV_BASE, defining->number, &known);
    if (result == EVLOG_OK)
        source_release(known);
    if (result != EVLOG_NOTFOUND && result != EVLOG_DAMAGED)
        return result;
    make_key(defining->number, key);
    return entry_put(env, key, sizeof key, defining->value, defining->size, NULL);
}

static int define(struct sources *sources, struct defining *defining,
                  const struct source **source)
{
    int result = sources_find(sources, defining->number, source);
    if (result == EVLOG_NOTFOUND || result == EVLOG_DAMAGED) {
        result = env_write(sources->env, ENV_FLUSH_ALL, defining->size, make_entry, defining);
        if (result == EVLOG_OK)
            result = sources_find(sources, defining->number, source);
    }
    if (result || is_same(*source, defining->text))
        return result;
    result = error_set(EVLOG_CONFLICT,
                       "source %s, host %s, has the number %016" PRIx64
                       ", as source %s, host %s: change either a little",
                       defining->text[0], defining->text[1], defining->number, (*source)->text[0],
                       (*source)->text[1]);
    source_release(*source);
    return result;
}

int sources_define(struct sources *sources, const char *const text[SOURCE_TEXTS],
                   const struct source **source)
{
    struct defining defining = {.text = text, .value = malloc(size_max_of(text))};
    const struct source *found;
    if (!defining.value)
        return error_nomem();
    pack(&defining);
    int result = define(sources, &defining, &found);
    free(defining.value);
    if (result == EVLOG_OK)
        *source = found;
    return result;
}
