/*
 * RFC 6962's Merkle tree (section 2.1), leaf by leaf:
 *
 *   a leaf     SHA-256(00 | its bytes)
 *   a node     SHA-256(01 | left | right), where left has as many leaves as the largest power of two
 *              that is less than the node's
 *   the root of no leaf  SHA-256()
 *
 * A tree to which leaves are only added needs no more of its past than the roots of its complete subtrees, one for
 * each bit of its size that is 1: for 13 leaves of 8, of 4 and of 1. (Others call that the frontier, or a compact
 * range.)
 *
 * 1. A subtree is added where its size divides the tree's: so two of one size that come to be side by side are one of
 *    the next.
 * 2. Every node of a proof is the root of a range of leaves, which such a tree has too. So a proof is made by reading
 *    the leaves once, in order (prove.c).
 *
 * Cost: adding a leaf is one node's hash on average. Absent: storing nodes; tiles.
 */
#include "merkle.h"

#include <string.h>

static void join(const unsigned char left[SHA256_SIZE], const unsigned char right[SHA256_SIZE],
                 unsigned char node[SHA256_SIZE])
{
    unsigned char bytes[1 + 2 * SHA256_SIZE] = {1};
    memcpy(bytes + 1, left, SHA256_SIZE);
    memcpy(bytes + 1 + SHA256_SIZE, right, SHA256_SIZE);
    sha256(bytes, sizeof bytes, node);
}

void merkle_leaf(const void *data, size_t size, unsigned char hash[SHA256_SIZE])
{
    sha256(data, size, hash);
}

void merkle_add_subtree(struct merkle *tree, unsigned level,
                        const unsigned char root[SHA256_SIZE])
{
    unsigned char node[SHA256_SIZE];
    memcpy(node, root, SHA256_SIZE);
    for (uint64_t size = tree->size >> level; size & 1; size >>= 1)
        join(tree->roots[--tree->count], node, node);
    memcpy(tree->roots[tree->count++], node, SHA256_SIZE);
    tree->size += UINT64_C(1) << level;
}

void merkle_add(struct merkle *tree, const unsigned char hash[SHA256_SIZE])
{
    merkle_add_subtree(tree, 0, hash);
}

/* The largest level whose size divides `size` and is at most `count`. */
static unsigned level_of(uint64_t size, uint64_t count)
{
    unsigned level = 0;
    while (level + 1 < MERKLE_LEVELS && count >> (level + 1) && !(size >> level & 1))
        level++;
    return level;
}

void merkle_add_empty(struct merkle *tree, uint64_t count)
{
    unsigned char empty[MERKLE_LEVELS][SHA256_SIZE];
    unsigned known = 1;
    merkle_leaf("", 1, empty[0]);
    while (count) {
        unsigned level = level_of(tree->size, count);
        for (; known <= level; known++)
            join(empty[known - 1], empty[known - 1], empty[known]);
        merkle_add_subtree(tree, level, empty[level]);
        count -= UINT64_C(1) << level;
    }
}

void merkle_root(const struct merkle *tree, unsigned char root[SHA256_SIZE])
{
    if (tree->count == 0) {
        sha256("", 0, root);
        return;
    }
    memcpy(root, tree->roots[tree->count - 1], SHA256_SIZE);
    for (unsigned i = tree->count - 1; i > 0; i--)
        join(tree->roots[i - 1], root, root);
}

bool merkle_load(struct merkle *tree, uint64_t size, const void *roots, size_t roots_size)
{
    unsigned count = (unsigned)__builtin_popcountll(size);
    if (roots_size != (size_t)count * SHA256_SIZE)
        return false;
    tree->size = size;
    tree->count = count;
    memcpy(tree->roots, roots, roots_size);
    return true;
}

/* -------------------------------------------------------------- proofs ---- */

/* The largest power of two that is less than `count`, which is at least 2. */
static uint64_t split(uint64_t count)
{
    return UINT64_C(1) << (63 - __builtin_clzll(count - 1));
}

/* Proofs go from the leaf to the root, and are found the other way. */
static unsigned reverse(struct merkle_range *path, unsigned count)
{
    for (unsigned i = 0; i < count / 2; i++) {
        struct merkle_range range = path[i];
        path[i] = path[count - 1 - i];
        path[count - 1 - i] = range;
    }
    return count;
}

unsigned merkle_path(uint64_t index, uint64_t size, struct merkle_range path[MERKLE_LEVELS])
{
    struct merkle_range range = {0, size};
    unsigned count = 0;
    while (range.end - range.first > 1) {
        uint64_t middle = range.first + split(range.end - range.first);
        bool is_left = index < middle;
        path[count++] = is_left ? (struct merkle_range){middle, range.end}
                                : (struct merkle_range){range.first, middle};
        *(is_left ? &range.end : &range.first) = middle;
    }
    return reverse(path, count);
}

unsigned merkle_consistency(uint64_t old_size, uint64_t size,
                            struct merkle_range path[MERKLE_LEVELS])
{
    struct merkle_range range = {0, size};
    unsigned count = 0;
    bool is_old_known = true; /* what is left is the old tree, whose root the reader has */
    while (range.end > old_size) {
        uint64_t middle = range.first + split(range.end - range.first);
        bool is_left = old_size <= middle;
        path[count++] = is_left ? (struct merkle_range){middle, range.end}
                                : (struct merkle_range){range.first, middle};
        *(is_left ? &range.end : &range.first) = middle;
        is_old_known &= is_left;
    }
    if (!is_old_known)
        path[count++] = range;
    return reverse(path, count);
}
