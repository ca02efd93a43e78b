/*
 * Error codes and sentences: one text for each code and one for any other number, and a
 * sentence for each thread that stays until its next failure.
 */
#include "error.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>

#include "test.h"

/* Each code has its number and its text; the numbers are part of the ABI. */
static void every_code_has_its_text(void **state)
{
    (void)state;
    static const struct {
        int code, number;
        const char *words;
    } table[] = {
        {EVLOG_OK, 0, "done"},
        {EVLOG_INVALID, -1, "correct the call"},
        {EVLOG_NOTFOUND, -2, "no such"},
        {EVLOG_LIMIT, -3, "over a limit"},
        {EVLOG_CONFLICT, -4, "exists already"},
        {EVLOG_READONLY, -5, "reading only"},
        {EVLOG_BUSY, -6, "try again later"},
        {EVLOG_FULL, -7, "no room"},
        {EVLOG_IO, -8, "the system refused"},
        {EVLOG_NOMEM, -9, "out of memory"},
        {EVLOG_DAMAGED, -10, "evlog verify"},
        {EVLOG_UNSUPPORTED, -11, "a newer one"},
        {EVLOG_FORKED, -12, "before fork()"},
        {EVLOG_RECEIVER, -13, "a receiver failed"},
        {EVLOG_STOPPED, -14, "evlog_consumer_stop"},
    };
    size_t count = 0;
#define X(name, code, text) count++;
    EVLOG_ERRORS(X)
#undef X
    assert_int_equal(count, sizeof table / sizeof *table);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(table[i].code, table[i].number);
        assert_non_null(strstr(evlog_strerror(table[i].code), table[i].words));
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(evlog_strerror(table[i].code), evlog_strerror(table[j].code));
    }
}

/* Any other number may be asked for. */
static void any_number_may_be_asked(void **state)
{
    (void)state;
    static const int others[] = {1, 2, -15, -100, 4096, INT_MAX, INT_MIN};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_string_equal(evlog_strerror(others[i]), "not an evlog code");
}

/* error_set gives back the code and sets the sentence; a success leaves it. */
static void the_sentence_stays_until_the_next_failure(void **state)
{
    (void)state;
    assert_int_equal(error_set(EVLOG_BUSY, "%s has %d", "this", 7), EVLOG_BUSY);
    assert_string_equal(evlog_errmsg(), "this has 7");
    OK(evlog_close(NULL));
    assert_string_equal(evlog_errmsg(), "this has 7");
    FAILS(EVLOG_INVALID, "no path", evlog_open(NULL, NULL, NULL));
    assert_int_equal(error_nomem(), EVLOG_NOMEM);
    assert_string_equal(evlog_errmsg(), "out of memory");
}

/* The old sentence may be part of the new one, as a caller that adds to it does. */
static void the_old_sentence_may_be_in_the_new(void **state)
{
    (void)state;
    error_set(EVLOG_IO, "inner");
    error_set(EVLOG_IO, "outer: %s", evlog_errmsg());
    assert_string_equal(evlog_errmsg(), "outer: inner");
    error_set(EVLOG_IO, "%s, %s", evlog_errmsg() + 7, evlog_errmsg());
    assert_string_equal(evlog_errmsg(), "inner, outer: inner");
    assert_int_equal(evlog_fail(evlog_errmsg()), EVLOG_RECEIVER);
    assert_string_equal(evlog_errmsg(), "inner, outer: inner");
}

/* error_prefix says more in front of the sentence there is, and gives back the code. */
static void a_sentence_can_be_prefixed(void **state)
{
    (void)state;
    error_set(EVLOG_IO, "inner");
    assert_int_equal(error_prefix(EVLOG_BUSY, "event %d", 7), EVLOG_BUSY);
    assert_string_equal(evlog_errmsg(), "event 7: inner");
    error_prefix(EVLOG_BUSY, "%s", evlog_errmsg());
    assert_string_equal(evlog_errmsg(), "event 7: inner: event 7: inner");
}

/* A sentence that is too long is cut, and ends. */
static void a_long_sentence_is_cut(void **state)
{
    (void)state;
    static char text[5000];
    memset(text, 'x', sizeof text - 1);
    assert_int_equal(error_set(EVLOG_LIMIT, "%s", text), EVLOG_LIMIT);
    size_t size = strlen(evlog_errmsg());
    assert_in_range(size, 500, 4096);
    assert_memory_equal(evlog_errmsg(), text, size);
    error_set(EVLOG_LIMIT, "short");
    assert_string_equal(evlog_errmsg(), "short");
}

static void *fail_elsewhere(void *ctx)
{
    char **seen = ctx;
    seen[0] = strdup(evlog_errmsg());
    error_set(EVLOG_IO, "another thread's");
    seen[1] = strdup(evlog_errmsg());
    return NULL;
}

/* A thread begins with an empty sentence, and none sees another's. */
static void each_thread_has_its_own(void **state)
{
    (void)state;
    pthread_t thread;
    char *seen[2];
    error_set(EVLOG_BUSY, "this thread's");
    assert_int_equal(pthread_create(&thread, NULL, fail_elsewhere, seen), 0);
    pthread_join(thread, NULL);
    assert_string_equal(seen[0], "");
    assert_string_equal(seen[1], "another thread's");
    assert_string_equal(evlog_errmsg(), "this thread's");
    free(seen[0]);
    free(seen[1]);
}

/* What the system said becomes the code that fits, with the path, the deed and the reason. */
static void system_errors_become_codes(void **state)
{
    (void)state;
    static const struct {
        int errnum, code;
    } table[] = {
        {ENOSPC, EVLOG_FULL},  {EDQUOT, EVLOG_FULL},     {EFBIG, EVLOG_FULL},
        {ENOMEM, EVLOG_NOMEM}, {ENOENT, EVLOG_NOTFOUND}, {ENOTDIR, EVLOG_NOTFOUND},
        {EACCES, EVLOG_IO},    {EIO, EVLOG_IO},          {EMFILE, EVLOG_IO},
        {EROFS, EVLOG_IO},     {EISDIR, EVLOG_IO},       {0, EVLOG_IO},
        {99999, EVLOG_IO},     {-1, EVLOG_IO},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        FAILS(table[i].code,
              "/a/path: opening: ", error_errno(table[i].errnum, "opening", "/a/path"));
        assert_non_null(strstr(evlog_errmsg(), strerror(table[i].errnum)));
    }
}

/* evlog_fail sets a receiver's sentence; NULL is an empty one. */
static void a_receiver_gives_its_sentence(void **state)
{
    (void)state;
    assert_int_equal(evlog_fail("no such course"), EVLOG_RECEIVER);
    assert_string_equal(evlog_errmsg(), "no such course");
    assert_int_equal(evlog_fail("100%s"), EVLOG_RECEIVER);
    assert_string_equal(evlog_errmsg(), "100%s");
    assert_int_equal(evlog_fail(NULL), EVLOG_RECEIVER);
    assert_string_equal(evlog_errmsg(), "");
}

/* The library says the version of its header. */
static void the_version_is_the_headers(void **state)
{
    (void)state;
    assert_string_equal(evlog_version(), EVLOG_VERSION);
}

/* What evlog_fail says can be had apart from what other calls say. */
static void a_receivers_sentence_is_kept_apart(void **state)
{
    (void)state;
    char place[ERROR_SIZE] = "";
    assert_null(error_redirect_failure(place));
    error_set(EVLOG_NOTFOUND, "not this");
    assert_string_equal(place, "");
    assert_int_equal(evlog_fail("this"), EVLOG_RECEIVER);
    error_set(EVLOG_NOTFOUND, "nor this");
    assert_string_equal(place, "this");
    assert_ptr_equal(error_redirect_failure(NULL), place);
    evlog_fail("elsewhere");
    assert_string_equal(place, "this");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_its_text),
        cmocka_unit_test(any_number_may_be_asked),
        cmocka_unit_test(the_sentence_stays_until_the_next_failure),
        cmocka_unit_test(the_old_sentence_may_be_in_the_new),
        cmocka_unit_test(a_sentence_can_be_prefixed),
        cmocka_unit_test(a_long_sentence_is_cut),
        cmocka_unit_test(each_thread_has_its_own),
        cmocka_unit_test(system_errors_become_codes),
        cmocka_unit_test(a_receiver_gives_its_sentence),
        cmocka_unit_test(a_receivers_sentence_is_kept_apart),
        cmocka_unit_test(the_version_is_the_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
