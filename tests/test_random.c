/* Random bytes: never the same in another thread, process or fork, and an error where there are none. */
#include "random.h"

#include <errno.h>
#include <pthread.h>
#include <sys/random.h>
#include <sys/wait.h>

#include "test.h"

#define SIZE 16
#define COUNT 5000 /* some keys */
#define THREADS 4

/* What a thread or process has got. */
struct taken {
    unsigned char bytes[COUNT][SIZE];
};

static int failing; /* an errno of getrandom */
static size_t at_most = SIZE_MAX;

ssize_t __real_getrandom(void *bytes, size_t size, unsigned flags);
ssize_t __wrap_getrandom(void *bytes, size_t size, unsigned flags);

ssize_t __wrap_getrandom(void *bytes, size_t size, unsigned flags)
{
    if (failing) {
        errno = failing;
        if (failing == EINTR)
            failing = 0;
        return -1;
    }
    return __real_getrandom(bytes, size < at_most ? size : at_most, flags);
}

static void *take(void *ctx)
{
    struct taken *taken = ctx;
    for (size_t i = 0; i < COUNT; i++)
        OK(random_bytes(taken->bytes[i], SIZE));
    return NULL;
}

static int compare(const void *one, const void *other)
{
    return memcmp(one, other, SIZE);
}

static void assert_distinct(struct taken *taken, size_t count)
{
    qsort(taken, count * COUNT, SIZE, compare);
    for (size_t i = 1; i < count * COUNT; i++)
        assert_memory_not_equal(taken->bytes[0] + (i - 1) * SIZE, taken->bytes[0] + i * SIZE,
                                SIZE);
}

/* The keystream of RFC 8439, appendix A.1, vectors 1 to 3; and all blocks are the same by vectors of any size. */
static void keys_are_made_more_by_chacha20(void **state)
{
    (void)state;
    static const struct {
        unsigned char last_byte_of_key;
        unsigned block;
        unsigned char stream[64];
    } table[] = {
        {0, 0, {0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90, 0x40, 0x5d, 0x6a, 0xe5, 0x53,
                0x86, 0xbd, 0x28, 0xbd, 0xd2, 0x19, 0xb8, 0xa0, 0x8d, 0xed, 0x1a, 0xa8, 0x36,
                0xef, 0xcc, 0x8b, 0x77, 0x0d, 0xc7, 0xda, 0x41, 0x59, 0x7c, 0x51, 0x57, 0x48,
                0x8d, 0x77, 0x24, 0xe0, 0x3f, 0xb8, 0xd8, 0x4a, 0x37, 0x6a, 0x43, 0xb8, 0xf4,
                0x15, 0x18, 0xa1, 0x1c, 0xc3, 0x87, 0xb6, 0x69, 0xb2, 0xee, 0x65, 0x86}},
        {0, 1, {0x9f, 0x07, 0xe7, 0xbe, 0x55, 0x51, 0x38, 0x7a, 0x98, 0xba, 0x97, 0x7c, 0x73,
                0x2d, 0x08, 0x0d, 0xcb, 0x0f, 0x29, 0xa0, 0x48, 0xe3, 0x65, 0x69, 0x12, 0xc6,
                0x53, 0x3e, 0x32, 0xee, 0x7a, 0xed, 0x29, 0xb7, 0x21, 0x76, 0x9c, 0xe6, 0x4e,
                0x43, 0xd5, 0x71, 0x33, 0xb0, 0x74, 0xd8, 0x39, 0xd5, 0x31, 0xed, 0x1f, 0x28,
                0x51, 0x0a, 0xfb, 0x45, 0xac, 0xe1, 0x0a, 0x1f, 0x4b, 0x79, 0x4d, 0x6f}},
        {1, 1, {0x3a, 0xeb, 0x52, 0x24, 0xec, 0xf8, 0x49, 0x92, 0x9b, 0x9d, 0x82, 0x8d, 0xb1,
                0xce, 0xd4, 0xdd, 0x83, 0x20, 0x25, 0xe8, 0x01, 0x8b, 0x81, 0x60, 0xb8, 0x22,
                0x84, 0xf3, 0xc9, 0x49, 0xaa, 0x5a, 0x8e, 0xca, 0x00, 0xbb, 0xb4, 0xa7, 0x3b,
                0xda, 0xd1, 0x92, 0xb5, 0xc4, 0x2f, 0x73, 0xf2, 0xfd, 0x4e, 0x27, 0x36, 0x44,
                0xc8, 0xb3, 0x61, 0x25, 0xa6, 0x4a, 0xdd, 0xeb, 0x00, 0x6c, 0x13, 0xa0}},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        unsigned char key[RANDOM_KEY_SIZE] = {0}, out[RANDOM_BATCH_SIZE], block[64];
        key[RANDOM_KEY_SIZE - 1] = table[i].last_byte_of_key;
        random_expand(key, 16, out);
        for (size_t word = 0; word < 16; word++)
            memcpy(block + 4 * word, out + 64 * word + 4 * table[i].block, 4);
        assert_memory_equal(block, table[i].stream, 64);
        for (size_t at = 4; at < 64; at += 4)
            assert_memory_not_equal(out + at - 4, out + at, 4);
        for (size_t size = 32; size <= 64; size *= 2) {
            unsigned char other[RANDOM_BATCH_SIZE];
            random_expand(key, size, other);
            assert_memory_equal(out, other, sizeof out);
        }
    }
}

static void threads_get_others(void **state)
{
    (void)state;
    static struct taken taken[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take, &taken[i]), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_distinct(taken, THREADS);
}

/* Takes in a forked child, which writes what it got into a pipe. */
static void take_in_child(struct taken *taken)
{
    int ends[2];
    OK(pipe(ends));
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        take(taken);
        for (size_t at = 0; at < sizeof *taken;) {
            ssize_t count = write(ends[1], taken->bytes[0] + at, sizeof *taken - at);
            if (count < 0)
                _exit(1);
            at += (size_t)count;
        }
        _exit(0);
    }
    close(ends[1]);
    for (size_t at = 0; at < sizeof *taken;) {
        ssize_t count = read(ends[0], taken->bytes[0] + at, sizeof *taken - at);
        assert_true(count > 0);
        at += (size_t)count;
    }
    close(ends[0]);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

/* A child forked in the middle of a batch does not take the rest of it, which its parent takes. */
static void a_forked_child_gets_others(void **state)
{
    (void)state;
    static struct taken taken[3];
    unsigned char one[SIZE];
    OK(random_bytes(one, SIZE));
    take_in_child(&taken[0]);
    take_in_child(&taken[1]);
    take(&taken[2]);
    assert_distinct(taken, 3);
}

/* Where the kernel gives none, so does this, and nothing is written; it gives them when it can. */
static void no_bytes_are_an_error(void **state)
{
    (void)state;
    unsigned char bytes[SIZE], zeros[SIZE] = {0};
    int result = EVLOG_OK;
    failing = ENOSYS; /* noticed when the next key is fetched */
    for (int i = 0; i < COUNT && result == EVLOG_OK; i++) {
        memset(bytes, 0, SIZE);
        result = random_bytes(bytes, SIZE);
    }
    assert_int_equal(result, EVLOG_IO);
    assert_non_null(strstr(evlog_errmsg(), "random"));
    assert_memory_equal(bytes, zeros, SIZE);
    failing = 0;
    OK(random_bytes(bytes, SIZE));
}

/* A call that is interrupted, or gives fewer than asked for, is repeated. */
static void an_interruption_is_none(void **state)
{
    (void)state;
    static struct taken taken;
    failing = EINTR;
    at_most = 7;
    take(&taken);
    at_most = SIZE_MAX;
    assert_int_equal(failing, 0);
    assert_distinct(&taken, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_made_more_by_chacha20), cmocka_unit_test(threads_get_others),
        cmocka_unit_test(a_forked_child_gets_others),     cmocka_unit_test(no_bytes_are_an_error),
        cmocka_unit_test(an_interruption_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
