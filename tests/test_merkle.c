/*
 * The Merkle tree of seals, beside tests/audit/vectors.txt, which Go's transparency-dev/merkle has made
 * (tests/audit/vectors).
 */
#include "merkle.h"

#include <sodium.h>

#include "test.h"

#define LEAVES 40

static void leaf_of(int number, unsigned char hash[SHA256_SIZE])
{
    char data[24];
    int size = snprintf(data + 1, sizeof data - 1, "leaf %d", number);
    data[0] = 0;
    merkle_leaf(data, 1 + (size_t)size, hash);
}

/* The root of a range, as prove.c has it: a tree of its own. */
static void root_of(struct merkle_range range, unsigned char root[SHA256_SIZE])
{
    struct merkle tree = {.size = 0};
    unsigned char hash[SHA256_SIZE];
    for (uint64_t i = range.first; i < range.end; i++) {
        leaf_of((int)i, hash);
        merkle_add(&tree, hash);
    }
    merkle_root(&tree, root);
}

static void root_text(struct merkle_range range, char text[65])
{
    unsigned char root[SHA256_SIZE];
    root_of(range, root);
    sodium_bin2hex(text, 65, root, sizeof root);
}

/* One line of the vectors, as this tree has it. */
static void line_of(const char *what, uint64_t a, uint64_t b, char *line, size_t size)
{
    struct merkle_range path[MERKLE_LEVELS] = {{0, a}};
    unsigned count = strcmp(what, "root") == 0        ? 1
                     : strcmp(what, "inclusion") == 0 ? merkle_path(a, b, path)
                                                      : merkle_consistency(a, b, path);
    size_t used = (size_t)snprintf(line, size, "%s %" PRIu64, what, a);
    if (*what != 'r')
        used += (size_t)snprintf(line + used, size - used, " %" PRIu64, b);
    for (unsigned i = 0; i < count; i++) {
        char root[65];
        root_text(path[i], root);
        used += (size_t)snprintf(line + used, size - used, " %s", root);
    }
    snprintf(line + used, size - used, "\n");
}

/* Roots, inclusion and consistency proofs are those of an implementation that is not ours. */
static void it_is_that_of_rfc_6962(void **state)
{
    char expected[2048], line[2048], what[16];
    FILE *file = fopen("tests/audit/vectors.txt", "r");
    int count = 0;
    (void)state;
    assert_non_null(file);
    for (; fgets(expected, sizeof expected, file); count++) {
        uint64_t a = 0, b = 0;
        assert_true(sscanf(expected, "%15s %" SCNu64 " %" SCNu64, what, &a, &b) >= 2);
        line_of(what, a, b, line, sizeof line);
        assert_string_equal(line, expected);
    }
    fclose(file);
    assert_int_equal(count, 59);
}

/* The roots of the complete subtrees are all that a tree needs to go on. */
static void a_tree_goes_on_from_its_subtrees(void **state)
{
    unsigned char hash[SHA256_SIZE], root[SHA256_SIZE], expected[SHA256_SIZE];
    (void)state;
    for (uint64_t size = 0; size < LEAVES; size++) {
        struct merkle tree = {.size = 0}, loaded;
        for (uint64_t i = 0; i < size; i++) {
            leaf_of((int)i, hash);
            merkle_add(&tree, hash);
        }
        size_t roots_size = (size_t)tree.count * SHA256_SIZE;
        assert_true(merkle_load(&loaded, size, tree.roots, roots_size));
        assert_false(merkle_load(&loaded, size, tree.roots, roots_size + 1));
        assert_false(merkle_load(&loaded, size, tree.roots, roots_size + SHA256_SIZE));
        assert_true(merkle_load(&loaded, size, tree.roots, roots_size));
        for (uint64_t i = size; i < LEAVES; i++) {
            leaf_of((int)i, hash);
            merkle_add(&loaded, hash);
        }
        merkle_root(&loaded, root);
        root_of((struct merkle_range){0, LEAVES}, expected);
        assert_memory_equal(root, expected, sizeof root);
    }
}

/* Many leaves without bytes are what they are one by one. */
static void empty_leaves_are_added_at_once(void **state)
{
    unsigned char empty[SHA256_SIZE];
    (void)state;
    merkle_leaf("", 1, empty);
    for (uint64_t before = 0; before < 20; before++)
        for (uint64_t count = 0; count < 70; count++) {
            struct merkle many = {.size = 0}, single = {.size = 0};
            for (uint64_t i = 0; i < before; i++) {
                unsigned char hash[SHA256_SIZE];
                leaf_of((int)i, hash);
                merkle_add(&many, hash);
                merkle_add(&single, hash);
            }
            merkle_add_empty(&many, count);
            for (uint64_t i = 0; i < count; i++)
                merkle_add(&single, empty);
            assert_int_equal(many.size, single.size);
            assert_int_equal(many.count, single.count);
            assert_memory_equal(many.roots, single.roots, many.count * SHA256_SIZE);
        }
    struct merkle huge = {.size = 0};
    merkle_add_empty(&huge, INT64_MAX);
    assert_int_equal(huge.size, INT64_MAX);
    assert_int_equal(huge.count, 63);
}

/* By the processor's instructions it is what libsodium has. */
static void sha256_is_sha256(void **state)
{
    unsigned char data[700], ours[SHA256_SIZE], theirs[SHA256_SIZE];
    (void)state;
    randombytes_buf_deterministic(data, sizeof data, (const unsigned char[32]){7});
    for (size_t size = 0; size < sizeof data; size++) {
        sha256(data + size % 7, size - size % 7, ours);
        crypto_hash_sha256(theirs, data + size % 7, size - size % 7);
        assert_memory_equal(ours, theirs, sizeof ours);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_that_of_rfc_6962),
        cmocka_unit_test(a_tree_goes_on_from_its_subtrees),
        cmocka_unit_test(empty_leaves_are_added_at_once),
        cmocka_unit_test(sha256_is_sha256),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
