/*
 * An event as a leaf of a seal's tree. Leaf number i, counted from 0, is the event of seq i + 1. Its bytes, 146:
 *
 *   at  bytes
 *    0   82   bytes 19 to 100 of its record (store/README.md), from the seq on, the flag `erased` taken as 0
 *   82   32   SHA-256 of all bytes from 101 on: salt, headers and data; of an erased record the 32 bytes that are there
 *  114   32   SHA-256 of what its type and source are: the value of the entry `t` from byte 15 on, and that of `s` from
 *             10 on
 *
 * Of a seq that the log does not have (after a repair, or salvaged) the leaf has no bytes.
 *
 * 1. Erasing an event with its SHA-256 changes no leaf; without the salt nobody can confirm a guess at what it said.
 * 2. The names are in it since a record has only their XXH3-64: an attacker could give an event another type of the
 *    same digest.
 * 3. The chain is not in it: so an event that was changed changes no other leaf, and the seals say between which two
 *    it was.
 *
 * Cost: with RFC 6962's 00 before it a leaf is three blocks of SHA-256.
 */
#include "leaf.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int hash_names(struct leaf_names *names, const evlog_leaf *leaf,
                      unsigned char hash[SHA256_SIZE])
{
    evlog_buffer text;
    size_t slot = (leaf->type_number ^ leaf->source_number) % LEAF_NAMES_MAX;
    if (names->known[slot].is_set && names->known[slot].type == leaf->type_number &&
        names->known[slot].source == leaf->source_number) {
        memcpy(hash, names->known[slot].hash, SHA256_SIZE);
        return EVLOG_OK;
    }
    int code = evlog_leaf_names(names->log, leaf->type_number, leaf->source_number, &text);
    if (code == EVLOG_NOTFOUND || code == EVLOG_DAMAGED) {
        char why[128];
        snprintf(why, sizeof why,
                 "event %" PRIu64 ": its type or source is not known, so its leaf is not either",
                 leaf->seq);
        evlog_fail(why);
        return EVLOG_DAMAGED;
    }
    if (code)
        return code;
    sha256(text.data, text.size, hash);
    evlog_buffer_free(&text);
    names->known[slot].type = leaf->type_number;
    names->known[slot].source = leaf->source_number;
    names->known[slot].is_set = true;
    memcpy(names->known[slot].hash, hash, SHA256_SIZE);
    return EVLOG_OK;
}

int leaf_data(struct leaf_names *names, const evlog_leaf *leaf, unsigned char data[LEAF_SIZE])
{
    unsigned char *contents = data + 1 + EVLOG_LEAF_HEAD_SIZE;
    data[0] = 0;
    memcpy(data + 1, leaf->head, EVLOG_LEAF_HEAD_SIZE);
    if (leaf->kind == EVLOG_LEAF_ERASED)
        memcpy(contents, leaf->contents, SHA256_SIZE);
    else
        sha256(leaf->contents, leaf->contents_size, contents);
    return hash_names(names, leaf, contents + SHA256_SIZE);
}

int leaf_add(struct merkle *tree, struct leaf_names *names, const evlog_leaf *leaf)
{
    unsigned char data[LEAF_SIZE], hash[SHA256_SIZE];
    if (leaf->kind == EVLOG_LEAF_DAMAGED)
        return EVLOG_DAMAGED;
    if (leaf->kind == EVLOG_LEAF_MISSING) {
        merkle_add_empty(tree, leaf->last_seq - leaf->seq + 1);
        return EVLOG_OK;
    }
    int code = leaf_data(names, leaf, data);
    if (code)
        return code;
    merkle_leaf(data, sizeof data, hash);
    merkle_add(tree, hash);
    return EVLOG_OK;
}
