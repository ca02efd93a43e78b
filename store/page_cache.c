/*
 * What was read of a file's newest state: its meta pages, its branches, and a note of the caller.
 *
 * 1. A page of a state does not change while that state is the newest and a reader's slot is held: so what was read
 *    of it may be kept as long as both meta pages are as they were.
 * 2. Whoever asks says of which snapshot: what the cache has of another state is not given, nor overwritten.
 * 3. Only what was found sound is put in (page.c). Leaves, which have the records, are always read.
 *
 * A branch has its slot by its number, and takes the place of the one before it there.
 *
 * Cost: a mutex and a copy of a page, in place of a pread and its checks; 130 KiB an environment.
 */
#include "page_cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define CACHE_SLOTS 32

struct page_cache {
    pthread_mutex_t lock;        /* over what follows */
    struct page_snapshot newest; /* page_size 0: none */
    bool has_note;
    uint64_t note[2];
    uint64_t pgnos[CACHE_SLOTS]; /* of branches of that state; 0: none */
    unsigned char pages[CACHE_SLOTS][PAGE_CACHE_PAGE_SIZE];
};

struct page_cache *page_cache_new(void)
{
    struct page_cache *cache = calloc(1, sizeof *cache);
    if (cache)
        pthread_mutex_init(&cache->lock, NULL);
    return cache;
}

void page_cache_free(struct page_cache *cache)
{
    if (!cache)
        return;
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

/* Whether both meta pages are as they were: then nothing was committed since, and they are whole. */
static bool is_newest(const struct page_cache *cache, const unsigned char *zero,
                      const unsigned char *one)
{
    const struct page_snapshot *newest = &cache->newest;
    uint64_t pgno;
    memcpy(&pgno, newest->meta, sizeof pgno);
    bool is_zero = pgno == 0;
    return memcmp(is_zero ? zero : one, newest->meta, PAGE_META_SIZE) == 0 &&
           memcmp(is_zero ? one : zero, newest->other_meta, PAGE_META_SIZE) == 0;
}

bool page_cache_find(struct page_cache *cache, const unsigned char *zero,
                     const unsigned char *one, struct page_snapshot *snapshot)
{
    pthread_mutex_lock(&cache->lock);
    bool is_known = cache->newest.page_size && is_newest(cache, zero, one);
    if (is_known)
        *snapshot = cache->newest;
    pthread_mutex_unlock(&cache->lock);
    return is_known;
}

void page_cache_renew(struct page_cache *cache, const struct page_snapshot *snapshot)
{
    pthread_mutex_lock(&cache->lock);
    memset(cache->pgnos, 0, sizeof cache->pgnos);
    cache->newest = *snapshot;
    cache->has_note = false;
    pthread_mutex_unlock(&cache->lock);
}

/* With the lock held. */
static bool is_of(const struct page_cache *cache, const struct page_snapshot *snapshot)
{
    return cache->newest.txnid == snapshot->txnid &&
           memcmp(cache->newest.meta, snapshot->meta, PAGE_META_SIZE) == 0;
}

bool page_cache_note(const struct page_snapshot *snapshot, uint64_t note[2])
{
    struct page_cache *cache = snapshot->cache;
    if (!cache)
        return false;
    pthread_mutex_lock(&cache->lock);
    bool has_note = cache->has_note && is_of(cache, snapshot);
    memcpy(note, cache->note, sizeof cache->note);
    pthread_mutex_unlock(&cache->lock);
    return has_note;
}

void page_cache_set_note(const struct page_snapshot *snapshot, uint64_t first, uint64_t second)
{
    struct page_cache *cache = snapshot->cache;
    if (!cache)
        return;
    pthread_mutex_lock(&cache->lock);
    if (is_of(cache, snapshot)) {
        cache->note[0] = first;
        cache->note[1] = second;
        cache->has_note = true;
    }
    pthread_mutex_unlock(&cache->lock);
}

bool page_cache_take(const struct page_snapshot *snapshot, uint64_t pgno, unsigned char *page)
{
    struct page_cache *cache = snapshot->cache;
    size_t slot = pgno % CACHE_SLOTS;
    if (!cache)
        return false;
    pthread_mutex_lock(&cache->lock);
    bool is_there = cache->pgnos[slot] == pgno && is_of(cache, snapshot);
    if (is_there)
        memcpy(page, cache->pages[slot], PAGE_CACHE_PAGE_SIZE);
    pthread_mutex_unlock(&cache->lock);
    return is_there;
}

void page_cache_keep(const struct page_snapshot *snapshot, uint64_t pgno,
                     const unsigned char *page)
{
    struct page_cache *cache = snapshot->cache;
    size_t slot = pgno % CACHE_SLOTS;
    if (!cache)
        return;
    pthread_mutex_lock(&cache->lock);
    if (is_of(cache, snapshot)) {
        memcpy(cache->pages[slot], page, PAGE_CACHE_PAGE_SIZE);
        cache->pgnos[slot] = pgno;
    }
    pthread_mutex_unlock(&cache->lock);
}
