/* The public keys that an auditor believes, see keyring.c. */
#ifndef KEYRING_H
#define KEYRING_H

#include "erasure.h"
#include "sealed.h"

struct keyring_key {
    struct note_key key;
    uint64_t to_seq; /* the event by which it handed over to another one; 0: none */
};

struct keyring {
    struct keyring_key *keys; /* in the order they were given, then as they were handed over to */
    size_t count, max;
    size_t given;
};

/* Zeroed, it is empty. Reads a key, or a file of keys, one a line. The exit status, reported. */
int keyring_read(struct keyring *ring, const char *text);
void keyring_free(struct keyring *ring);

/* Reads a checkpoint that one of them has signed. */
enum note_verdict keyring_read_checkpoint(const struct keyring *ring, const char *note,
                                          size_t size, struct note_checkpoint *checkpoint);

/*
 * Reads a seal's event. `*by`: which of the keys has signed it, or what does not fit. Of a seal that hands over it is
 * the key that does, if that is in the ring.
 */
enum note_verdict keyring_read_seal(const struct keyring *ring, const evlog_event *event,
                                    struct sealed *sealed, size_t *by);

/* The same of the note of an erasure. */
enum note_verdict keyring_read_erasure(const struct keyring *ring, evlog_string note,
                                       struct erasure *erasure, size_t *by);

/* Whether a seal is the one that handed over to this key: it has signed none before. */
bool keyring_begins(const struct keyring *ring, size_t by, const struct sealed *sealed);

enum keyring_handover {
    KEYRING_NONE,     /* the seal hands over to no key */
    KEYRING_TAKEN,    /* the next key is believed from here on, and this one is not */
    KEYRING_UNSIGNED, /* the next key has not signed it */
    KEYRING_UNNAMED,  /* keys were given, and the next one is none of them */
    KEYRING_NOMEM,
};

/* Follows a seal of key `by`, which has not handed over yet, to the key that it hands over to. */
enum keyring_handover keyring_follow(struct keyring *ring, size_t by,
                                     const struct sealed *sealed);

#endif
