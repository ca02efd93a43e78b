/*
 * UUIDs: the layout of RFC 9562, their text, and that none is made twice: by threads, by
 * forked children, by a clock that stands still or steps back. The clock is wrapped by the
 * linker (tests.mk), and is the real one unless a test stops it.
 */
#include "uuid.h"

#include <errno.h>
#include <pthread.h>
#include <sys/wait.h>
#include <time.h>

#include "test.h"

#define THREADS 8
#define EACH 50000
#define CHILDREN 8
#define CHILD_EACH 2000

/* ----------------------------------------------------------- the clock ---- */

static int64_t stopped_at_ns; /* 0: it runs */

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    if (clock != CLOCK_REALTIME || !stopped_at_ns)
        return __real_clock_gettime(clock, now);
    *now = (struct timespec){.tv_sec = stopped_at_ns / 1000000000,
                             .tv_nsec = stopped_at_ns % 1000000000};
    return 0;
}

/* The real time in 100 ns since 1582-10-15, as a UUID counts it. */
static uint64_t now_ticks(void)
{
    struct timespec now;
    __real_clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 10000000 + (uint64_t)now.tv_nsec / 100 +
           UINT64_C(122192928000000000);
}

/* --------------------------------------------------------------- reading ---- */

struct uuid {
    uint8_t bytes[16];
};

/* The 60 bits of time, put together again from their three places. */
static uint64_t ticks_of(const uint8_t *uuid)
{
    uint64_t low = (uint64_t)uuid[0] << 24 | uuid[1] << 16 | uuid[2] << 8 | uuid[3];
    uint64_t middle = (uint64_t)uuid[4] << 8 | uuid[5];
    uint64_t high = (uint64_t)(uuid[6] & 15) << 8 | uuid[7];
    return high << 48 | middle << 32 | low;
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct uuid));
}

/* Sorts them. */
static void assert_all_differ(struct uuid *uuids, size_t count)
{
    qsort(uuids, count, sizeof *uuids, compare);
    for (size_t i = 1; i < count; i++)
        if (compare(&uuids[i - 1], &uuids[i]) == 0) {
            char text[37];
            evlog_uuid_text(uuids[i].bytes, text);
            fail_msg("%s was made twice", text);
        }
}

static struct uuid *room_for(size_t count)
{
    struct uuid *uuids = calloc(count, sizeof *uuids);
    assert_non_null(uuids);
    return uuids;
}

/* ------------------------------------------------------------ the layout ---- */

/*
 * The example of RFC 9562, appendix A.1: 2022-02-22 19:22:22 UTC. (The first test: a
 * process that has made a later one makes no earlier one.)
 */
static void the_time_stands_where_the_rfc_says(void **state)
{
    (void)state;
    uint8_t uuid[16];
    stopped_at_ns = INT64_C(1645557742) * 1000000000;
    uuid_make(uuid);
    stopped_at_ns = 0;
    assert_memory_equal(uuid, "\xC2\x32\xAB\x00\x94\x14\x11\xEC", 8);
}

/* Its time is the clock's. (Asked early: a process that makes many runs ahead of the clock.) */
static void the_time_is_now(void **state)
{
    (void)state;
    uint8_t uuid[16];
    uint64_t before = now_ticks();
    uuid_make(uuid);
    assert_in_range(ticks_of(uuid), before, now_ticks());
}

/* Version 1, the RFC's variant, and a node with the multicast bit, which no card has. */
static void version_variant_and_node_are_right(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        uint8_t uuid[16];
        uuid_make(uuid);
        assert_int_equal(uuid[6] >> 4, 1);
        assert_int_equal(uuid[8] >> 6, 2);
        assert_int_equal(uuid[10] & 1, 1);
    }
}

/* -------------------------------------------------------------- the text ---- */

/* 36 characters, lower case, hyphens where they belong. */
static void formats_as_the_rfc_does(void **state)
{
    (void)state;
    static const uint8_t uuid[16] = {0xf8, 0x1d, 0x4f, 0xae, 0x7d, 0xec, 0x11, 0xd0,
                                     0xa7, 0x65, 0x00, 0xa0, 0xc9, 0x1e, 0x6b, 0xf6};
    static const uint8_t zero[16], ones[16] = {255, 255, 255, 255, 255, 255, 255, 255,
                                               255, 255, 255, 255, 255, 255, 255, 255};
    char text[37];
    evlog_uuid_text(uuid, text);
    assert_string_equal(text, "f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
    evlog_uuid_text(zero, text);
    assert_string_equal(text, "00000000-0000-0000-0000-000000000000");
    evlog_uuid_text(ones, text);
    assert_string_equal(text, "ffffffff-ffff-ffff-ffff-ffffffffffff");
}

/* What was formatted is parsed again, in either case. */
static void parses_what_it_formats(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        uint8_t uuid[16], parsed[16] = {0};
        char text[37];
        uuid_make(uuid);
        evlog_uuid_text(uuid, text);
        assert_true(uuid_parse(text, strlen(text), parsed));
        assert_memory_equal(parsed, uuid, 16);
        for (char *at = text; *at; at++)
            *at = (char)(*at >= 'a' ? *at - 32 : *at);
        memset(parsed, 0, sizeof parsed);
        assert_true(uuid_parse(text, strlen(text), parsed));
        assert_memory_equal(parsed, uuid, 16);
    }
}

/* Everything else is refused, and the output left alone. */
static void refuses_every_other_text(void **state)
{
    (void)state;
    static const char *const table[] = {
        "",
        "-",
        "f",
        "f81d4fae7dec11d0a76500a0c91e6bf6",
        "f81d4fae-7dec-11d0-a765-00a0c91e6bf",
        "f81d4fae-7dec-11d0-a765-00a0c91e6bf66",
        "f81d4fae-7dec-11d0-a765-00a0c91e6bf6 ",
        " f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
        "{f81d4fae-7dec-11d0-a765-00a0c91e6bf6}",
        "f81d4fae 7dec 11d0 a765 00a0c91e6bf6",
        "f81d4fae+7dec-11d0-a765-00a0c91e6bf6",
        "f81d4fa-e7dec-11d0-a765-00a0c91e6bf6",
        "f81d4fae-7dec-11d0-a76500a0-c91e6bf6",
        "g81d4fae-7dec-11d0-a765-00a0c91e6bf6",
        "f81d4fae-7dec-11d0-a765-00a0c91e6bfG",
        "f81d4fae-7dec-11d0-a765-00a0c91e6b\xff\xff",
        "0xf81d4f-7dec-11d0-a765-00a0c91e6bf6",
        "+81d4fae-7dec-11d0-a765-00a0c91e6bf6",
    };
    static const uint8_t untouched[16] = {7, 7, 7};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        uint8_t uuid[16] = {7, 7, 7};
        char *exact = strdup(table[i]);
        if (uuid_parse(exact, strlen(exact), uuid))
            fail_msg("\"%s\" is taken", table[i]);
        assert_memory_equal(uuid, untouched, 16);
        free(exact);
    }
}

/* The public function takes 32 digits too, and nothing else besides; its writer returns the text. */
static void the_public_functions_are_lenient_about_hyphens_only(void **state)
{
    (void)state;
    static const char *const refused[] = {
        "", "f81d4fae-7dec-11d0-a765-00a0c91e6bf", "f81d4fae7dec11d0a76500a0c91e6bfg",
        "f81d4fae-7dec-11d0-a76500a0c91e6bf6", "f81d4fae7dec11d0a76500a0c91e6bf6 "};
    static const uint8_t untouched[16] = {7, 7, 7};
    uint8_t plain[16], hyphened[16], uuid[16] = {7, 7, 7};
    char text[EVLOG_UUID_TEXT_SIZE];
    OK(evlog_uuid_parse("F81d4fae7dec11d0a76500a0c91e6bf6", plain));
    OK(evlog_uuid_parse("f81d4fae-7dec-11d0-a765-00a0c91e6bf6", hyphened));
    assert_memory_equal(plain, hyphened, 16);
    assert_ptr_equal(evlog_uuid_text(plain, text), text);
    assert_string_equal(text, "f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        FAILS(EVLOG_INVALID, refused[i], evlog_uuid_parse(refused[i], uuid));
    FAILS(EVLOG_INVALID, "not a UUID", evlog_uuid_parse(NULL, uuid));
    assert_memory_equal(uuid, untouched, 16);
}

/* ------------------------------------------------------------ uniqueness ---- */

static void *make_many(void *ctx)
{
    struct uuid *uuids = ctx;
    for (size_t i = 0; i < EACH; i++)
        uuid_make(uuids[i].bytes);
    return NULL;
}

/* Eight threads at once: none twice, and each thread's times grow. */
static void threads_never_make_one_twice(void **state)
{
    (void)state;
    struct uuid *uuids = room_for(THREADS * EACH);
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_many, uuids + i * EACH), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 1; i < THREADS * EACH; i++)
        assert_true(i % EACH == 0 || ticks_of(uuids[i].bytes) > ticks_of(uuids[i - 1].bytes));
    assert_all_differ(uuids, THREADS * EACH);
    free(uuids);
}

/* A clock that stands still: the time is counted on, and order kept. */
static void a_clock_that_stands_still_is_counted_on(void **state)
{
    (void)state;
    uint8_t first[16], next[16];
    stopped_at_ns = INT64_C(4102444800) * 1000000000; /* 2100: later than all made so far */
    uuid_make(first);
    for (uint64_t i = 1; i <= 100000; i++) {
        uuid_make(next);
        assert_true(ticks_of(next) == ticks_of(first) + i);
        assert_memory_equal(next + 8, first + 8, 8);
    }
    stopped_at_ns = 0;
}

/* A clock that steps back, by an hour or to the year 1970: no time comes again. */
static void a_clock_that_steps_back_is_not_followed(void **state)
{
    (void)state;
    uint8_t before[16], next[16];
    int64_t now_ns = INT64_C(4133980800) * 1000000000; /* 2101 */
    stopped_at_ns = now_ns;
    uuid_make(before);
    stopped_at_ns = now_ns - INT64_C(3600) * 1000000000;
    uuid_make(next);
    assert_true(ticks_of(next) == ticks_of(before) + 1);
    stopped_at_ns = 1;
    uuid_make(next);
    assert_true(ticks_of(next) == ticks_of(before) + 2);
    stopped_at_ns = now_ns + 100;
    uuid_make(next);
    assert_true(ticks_of(next) == ticks_of(before) + 3);
    stopped_at_ns = now_ns + 1000;
    uuid_make(next);
    assert_true(ticks_of(next) == ticks_of(before) + 10);
    stopped_at_ns = 0;
}

/* --------------------------------------------------------------- forking ---- */

static void write_all(int fd, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size > 0) {
        ssize_t count = write(fd, at, size);
        if (count <= 0)
            _exit(2);
        at += count;
        size -= (size_t)count;
    }
}

static void read_all(int fd, void *bytes, size_t size)
{
    char *at = bytes;
    while (size > 0) {
        ssize_t count = read(fd, at, size);
        assert_true(count > 0);
        at += count;
        size -= (size_t)count;
    }
}

/* A child that makes some and writes them down; ended if it hangs. */
static pid_t start_child(int *from)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        static struct uuid uuids[CHILD_EACH];
        alarm(20);
        for (size_t i = 0; i < CHILD_EACH; i++)
            uuid_make(uuids[i].bytes);
        write_all(ends[1], uuids, sizeof uuids);
        _exit(0);
    }
    close(ends[1]);
    *from = ends[0];
    return pid;
}

/* Children and parent make theirs at once, from the same clock and counter. */
static void fork_and_collect(struct uuid *uuids)
{
    pid_t pids[CHILDREN];
    int from[CHILDREN];
    for (size_t i = 0; i < CHILDREN; i++)
        pids[i] = start_child(&from[i]);
    for (size_t i = 0; i < CHILD_EACH; i++)
        uuid_make(uuids[i].bytes);
    for (size_t i = 0; i < CHILDREN; i++) {
        int status;
        read_all(from[i], uuids + (i + 1) * CHILD_EACH, CHILD_EACH * sizeof *uuids);
        close(from[i]);
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
}

/* Children of one fork after the other, on a stopped clock: only the place distinguishes them. */
static void forked_children_never_make_the_same(void **state)
{
    (void)state;
    struct uuid *uuids = room_for((CHILDREN + 1) * CHILD_EACH);
    uint8_t before[16], after[16];
    uuid_make(before);
    stopped_at_ns = INT64_C(4165516800) * 1000000000; /* 2102 */
    fork_and_collect(uuids);
    uuid_make(after);
    stopped_at_ns = 0;
    assert_memory_equal(after + 8, before + 8, 8); /* the parent's place stays */
    for (size_t i = 1; i <= CHILDREN; i++)
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(uuids[i * CHILD_EACH].bytes + 8,
                                    uuids[j * CHILD_EACH].bytes + 8, 8);
    assert_all_differ(uuids, (CHILDREN + 1) * CHILD_EACH);
    free(uuids);
}

/* A child forked while other threads are at it makes its own, and does not hang. */
static void forking_amid_threads_is_safe(void **state)
{
    (void)state;
    struct uuid *uuids = room_for((CHILDREN + 1) * CHILD_EACH);
    struct uuid *others = room_for(THREADS * EACH);
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_many, others + i * EACH), 0);
    fork_and_collect(uuids);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_all_differ(uuids, (CHILDREN + 1) * CHILD_EACH);
    free(uuids);
    free(others);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_time_stands_where_the_rfc_says),
        cmocka_unit_test(the_time_is_now),
        cmocka_unit_test(version_variant_and_node_are_right),
        cmocka_unit_test(formats_as_the_rfc_does),
        cmocka_unit_test(parses_what_it_formats),
        cmocka_unit_test(refuses_every_other_text),
        cmocka_unit_test(the_public_functions_are_lenient_about_hyphens_only),
        cmocka_unit_test(threads_never_make_one_twice),
        cmocka_unit_test(a_clock_that_stands_still_is_counted_on),
        cmocka_unit_test(a_clock_that_steps_back_is_not_followed),
        cmocka_unit_test(forked_children_never_make_the_same),
        cmocka_unit_test(forking_amid_threads_is_safe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
