/* Random bytes: never the same in another thread, process or fork, and an error where there are none. */
#include "random.h"

#include <errno.h>
#include <pthread.h>
#include <sys/random.h>
#include <sys/wait.h>

#include "test.h"

#define SIZE 16
#define COUNT 1000 /* some batches */
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
    failing = ENOSYS;
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
        cmocka_unit_test(threads_get_others),
        cmocka_unit_test(a_forked_child_gets_others),
        cmocka_unit_test(no_bytes_are_an_error),
        cmocka_unit_test(an_interruption_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
