/* A claim on a consumer: no other process opens, moves or removes it, see claim.c. */
#ifndef REPLAY_CLAIM_H
#define REPLAY_CLAIM_H

#include <stdbool.h>
#include <stdint.h>

#include "consumers.h"
#include "evlog.h"

struct claim {
    evlog *log;
    char name[EVLOG_CONSUMER_NAME_SIZE_MAX + 1];
    struct claim *next; /* of this process; under the log's lock, as what follows */
    bool has_slot;
    unsigned slot;
};

/*
 * Claims the consumer `name`, and reads its entry. Waits up to `wait_ms` for another process.
 * EVLOG_BUSY: it has it, named by its pid, or this process has it. EVLOG_NOTFOUND: there is no
 * such consumer. EVLOG_INVALID: not a consumer's name. EVLOG_READONLY.
 */
int claim_take(struct claim *claim, evlog *log, const char *name, uint32_t wait_ms,
               struct consumer_entry *entry);
void claim_release(struct claim *claim);

/* Whether this process has claimed a consumer. */
bool claim_is_ours(evlog *log, const char *name);

#endif
