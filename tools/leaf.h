/* An event as a leaf of a seal's tree, see leaf.c. */
#ifndef LEAF_H
#define LEAF_H

#include <evlog/audit.h>

#include "merkle.h"

/* RFC 6962's 00, a record's head, and the SHA-256 of its contents and of its names. */
#define LEAF_SIZE (1 + EVLOG_LEAF_HEAD_SIZE + 2 * SHA256_SIZE)

#define LEAF_NAMES_MAX 64

/* The SHA-256 of the types and sources that were last met. Zeroed, but for the log, it is ready. */
struct leaf_names {
    evlog *log;
    struct {
        uint64_t type, source;
        bool is_set;
        unsigned char hash[SHA256_SIZE];
    } known[LEAF_NAMES_MAX];
};

/* The bytes of a whole or an erased leaf. Errors of evlog_leaf_names, which name the event. */
int leaf_data(struct leaf_names *names, const evlog_leaf *leaf, unsigned char data[LEAF_SIZE]);

/*
 * Adds a leaf to a tree that has all before it, or a range that is missing as leaves without bytes. EVLOG_DAMAGED: it
 * cannot be read, or names what the log does not know. Errors of evlog_leaf_names.
 */
int leaf_add(struct merkle *tree, struct leaf_names *names, const evlog_leaf *leaf);

#endif
