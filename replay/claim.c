/*
 * Claims on consumers.
 *
 * A consumer has a slot. The process that has locked the slot's byte of events.mdb
 * (store/presence.c) has the consumer. These locks do not exclude each other within one process, so
 * each log also has a list of the claims that this process holds on it.
 *
 * A consumer may be removed, and made again with another slot, between reading its entry and
 * locking its slot: so the entry is read again when the slot is locked, and its slot compared.
 *
 * A claim keeps others from beginning. That what is written is still the holder's to write is
 * checked again in each transaction (consumer.c), so nothing is lost or counted twice even if a claim
 * is not what it should be.
 */
#include "claim.h"

#include <string.h>
#include <time.h>

#include "clock.h"
#include "error.h"
#include "log.h"

#define RETRY_NS 5000000

/* The claim of this process on a consumer, or NULL. With the log's lock held. */
static struct claim *find(const evlog *log, const char *name)
{
    struct claim *claim = log->claims;
    while (claim && strcmp(claim->name, name) != 0)
        claim = claim->next;
    return claim;
}

bool claim_is_ours(evlog *log, const char *name)
{
    pthread_mutex_lock(&log->lock);
    bool is_ours = find(log, name) != NULL;
    pthread_mutex_unlock(&log->lock);
    return is_ours;
}

/* Adds the claim to the list, unless this process has one on that consumer. */
static int enlist(struct claim *claim)
{
    evlog *log = claim->log;
    pthread_mutex_lock(&log->lock);
    bool is_ours = find(log, claim->name) != NULL;
    if (!is_ours) {
        claim->next = log->claims;
        log->claims = claim;
    }
    pthread_mutex_unlock(&log->lock);
    if (!is_ours)
        return EVLOG_OK;
    return error_set(EVLOG_BUSY, "consumer %s: this process (%d) has it open already",
                     claim->name, (int)log->pid);
}

static bool is_slot_ours(const evlog *log, unsigned slot)
{
    for (const struct claim *claim = log->claims; claim; claim = claim->next)
        if (claim->has_slot && claim->slot == slot)
            return true;
    return false;
}

static int lock_slot(struct claim *claim, unsigned slot, struct presence_process *holder)
{
    evlog *log = claim->log;
    int result = EVLOG_BUSY;
    *holder = (struct presence_process){.is_there = true, .pid = (int32_t)log->pid};
    pthread_mutex_lock(&log->lock);
    if (!is_slot_ours(log, slot))
        result = presence_claim(&log->store->presence, slot, holder);
    if (result == EVLOG_OK) {
        claim->has_slot = true;
        claim->slot = slot;
    }
    pthread_mutex_unlock(&log->lock);
    return result;
}

static void unlock_slot(struct claim *claim)
{
    evlog *log = claim->log;
    pthread_mutex_lock(&log->lock);
    if (claim->has_slot)
        presence_release(&log->store->presence, claim->slot);
    claim->has_slot = false;
    pthread_mutex_unlock(&log->lock);
}

void claim_release(struct claim *claim)
{
    evlog *log = claim->log;
    unlock_slot(claim);
    pthread_mutex_lock(&log->lock);
    struct claim **at = &log->claims;
    while (*at != claim)
        at = &(*at)->next;
    *at = claim->next;
    pthread_mutex_unlock(&log->lock);
}

/* One try. EVLOG_BUSY: `*holder` has the slot, or, if none is there, it is not the consumer's any more. */
static int try_to_take(struct claim *claim, struct consumer_entry *entry,
                       struct presence_process *holder)
{
    struct store *store = claim->log->store;
    int result = consumers_read(store, claim->name, entry);
    if (result == EVLOG_OK)
        result = lock_slot(claim, entry->slot, holder);
    if (result)
        return result;
    result = consumers_read(store, claim->name, entry);
    if (result == EVLOG_OK && entry->slot == claim->slot)
        return EVLOG_OK;
    unlock_slot(claim);
    holder->is_there = false;
    return result ? result : EVLOG_BUSY;
}

static int is_held(const struct claim *claim, struct presence_process holder)
{
    char text[PRESENCE_TEXT_SIZE];
    return error_set(EVLOG_BUSY, "consumer %s: %s has it", claim->name,
                     presence_text(holder, text));
}

static int take(struct claim *claim, uint32_t wait_ms, struct consumer_entry *entry)
{
    int64_t until_us = clock_monotonic_us() + (int64_t)wait_ms * 1000;
    for (;;) {
        struct presence_process holder = {.is_there = false};
        int result = try_to_take(claim, entry, &holder);
        if (result != EVLOG_BUSY)
            return result;
        if (holder.is_there && clock_monotonic_us() >= until_us)
            return is_held(claim, holder);
        nanosleep(&(struct timespec){.tv_nsec = RETRY_NS}, NULL);
    }
}

int claim_take(struct claim *claim, evlog *log, const char *name, uint32_t wait_ms,
               struct consumer_entry *entry)
{
    int result = consumer_name_check(name);
    if (result)
        return result;
    if (log->store->read_only)
        return error_set(EVLOG_READONLY, "%s: is open for reading only", log->store->path);
    *claim = (struct claim){.log = log};
    strcpy(claim->name, name);
    result = enlist(claim);
    if (result)
        return result;
    result = take(claim, wait_ms, entry);
    if (result)
        claim_release(claim);
    return result;
}
