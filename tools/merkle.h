/* RFC 6962's Merkle tree, see merkle.c. */
#ifndef MERKLE_H
#define MERKLE_H

#include <stdbool.h>
#include <stdint.h>

#include "sha256.h"

#define MERKLE_LEVELS 64

/*
 * A tree, by the roots of its complete subtrees, the largest and leftmost first: as many as `size` has bits that are 1.
 */
struct merkle {
    uint64_t size; /* in leaves */
    unsigned count;
    unsigned char roots[MERKLE_LEVELS][SHA256_SIZE];
};

/* Leaves from `first` on, before `end`, counted from 0. */
struct merkle_range {
    uint64_t first, end;
};

/* The hash of a leaf; `data` are its bytes behind one byte of 0, which `size` counts. */
void merkle_leaf(const void *data, size_t size, unsigned char hash[SHA256_SIZE]);

/* Adds a leaf by its hash. */
void merkle_add(struct merkle *tree, const unsigned char hash[SHA256_SIZE]);

/* Adds a complete subtree of 2^level leaves; the tree's size must be a multiple of that. */
void merkle_add_subtree(struct merkle *tree, unsigned level,
                        const unsigned char root[SHA256_SIZE]);

/* Adds `count` leaves without bytes. */
void merkle_add_empty(struct merkle *tree, uint64_t count);

void merkle_root(const struct merkle *tree, unsigned char root[SHA256_SIZE]);

/* A tree of `size` from its roots, side by side. false: these are not as many as that has. */
bool merkle_load(struct merkle *tree, uint64_t size, const void *roots, size_t roots_size);

/*
 * The subtrees whose roots are the proof that leaf `index` is in a tree of `size`, in the order of the proof (RFC
 * 6962, 2.1.1); their count. index < size.
 */
unsigned merkle_path(uint64_t index, uint64_t size, struct merkle_range path[MERKLE_LEVELS]);

/* Likewise the proof that the tree of `size` begins with that of `old_size` (2.1.2). 0 < old_size <= size. */
unsigned merkle_consistency(uint64_t old_size, uint64_t size,
                            struct merkle_range path[MERKLE_LEVELS]);

#endif
