/* A signed erasure, see erasure.c. */
#ifndef ERASURE_H
#define ERASURE_H

#include <evlog.h>

#include "sha256.h"
#include "signed_note.h"

struct erasure {
    uint64_t seq;
    unsigned char digest[SHA256_SIZE]; /* of what is erased */
};

/* Signs that an event is to be erased, by whoever runs this, now. To be freed; NULL: out of memory. */
char *erasure_sign(const struct note_secret *secret, const evlog_event *event,
                   const unsigned char digest[SHA256_SIZE], const char *reason);

/* What a note says, once it was checked. */
enum note_verdict erasure_read(const struct note_key *key, evlog_string note,
                               struct erasure *erasure);

#endif
