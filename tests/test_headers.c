/* Headers as they are stored: which maps are some, and how many bytes they take. */
#include "headers.h"

#include "test.h"

/* The bytes of a literal. */
#define BYTES(text) text, sizeof(text) - 1

/* Measures a copy of exactly this size, so that ASan sees each byte that is read beyond it. */
static size_t measure(const char *bytes, size_t left)
{
    char *exact = malloc(left ? left : 1);
    size_t size = 0;
    assert_non_null(exact);
    memcpy(exact, bytes, left);
    bool is_good = headers_measure(exact, left, &size);
    assert_true(is_good == (size > 0));
    free(exact);
    return size;
}

static void good_maps_are_measured(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t left, size;
    } table[] = {
        {BYTES("\x80"), 1},
        {BYTES("\x80\x81\xa1n\x05"), 1},
        {BYTES("\xde\x00\x00"), 3},
        {BYTES("\xdf\x00\x00\x00\x00"), 5},
        {BYTES("\x81\xa1k\xa1v"), 5},
        {BYTES("\x81\xa1k\xa0\x80"), 4},
        {BYTES("\x82\xa1k\xa1v\xa2kk\xa1v"), 10},
        {BYTES("\x82\xa1k\xa1v\xa1l\xa1v"), 9},
        {BYTES("\xde\x00\x01\xd9\x01k\xda\x00\x01v"), 10},
        {BYTES("\x81\xa1k\xdb\x00\x00\x00\x01v"), 9},
        {BYTES("\x81\xa2\xc3\xa9\xa5\xe2\x82\xac\n\t"), 10},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        assert_int_equal(measure(table[i].bytes, table[i].left), table[i].size);
}

static void everything_else_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t left;
    } table[] = {
        {BYTES("")},
        {BYTES("\xc0")},
        {BYTES("\x90")},
        {BYTES("\x81")},
        {BYTES("\xde\x00")},
        {BYTES("\xdf\xff\xff\xff\xff")},
        {BYTES("\x81\xa1k")},
        {BYTES("\x81\xa2k")},
        {BYTES("\x81\xa1k\xa2v")},
        {BYTES("\x81\xa1k\xd9")},
        {BYTES("\x81\xa1k\xdb\xff\xff\xff\xff")},
        {BYTES("\x81\xa1k\x05")},             /* a value that is no text */
        {BYTES("\x81\xa1k\xc4\x01v")},        /* bytes */
        {BYTES("\x81\x05\xa1v")},             /* a name that is no text */
        {BYTES("\x81\xa0\xa1v")},             /* an empty name */
        {BYTES("\x81\xa1\n\xa1v")},           /* control characters in a name */
        {BYTES("\x81\xa1\x7f\xa1v")},         /* */
        {BYTES("\x81\xa2\xc2\x85\xa1v")},     /* */
        {BYTES("\x81\xa1\xff\xa1v")},         /* not UTF-8 */
        {BYTES("\x81\xa1k\xa1\xff")},         /* */
        {BYTES("\x82\xa1k\xa1v\xa1k\xa1v")},  /* a name that is there twice */
        {BYTES("\x82\xa1l\xa1v\xa1k\xa1v")},  /* not in order */
        {BYTES("\x82\xa2kk\xa1v\xa1k\xa1v")}, /* */
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (measure(table[i].bytes, table[i].left))
            fail_msg("row %zu is taken", i);
}

/* A name of 255 bytes, and 4096 bytes in all, are the most. */
static void the_limits_are_kept(void **state)
{
    (void)state;
    char bytes[EVLOG_HEADERS_SIZE_MAX + 2] = "\x81\xd9\xff";
    memset(bytes + 3, 'k', 255);
    bytes[258] = '\xa0';
    assert_int_equal(measure(bytes, sizeof bytes), 259);
    memset(bytes, 'v', sizeof bytes);
    memcpy(bytes, "\x81\xda\x01\x00", 4);
    bytes[4 + 256] = '\xa0';
    assert_int_equal(measure(bytes, sizeof bytes), 0);
    memset(bytes, 'v', sizeof bytes);
    memcpy(bytes, "\x81\xa1k\xda\x0f\xfa", 6); /* 4090 */
    assert_int_equal(measure(bytes, sizeof bytes), 4096);
    bytes[5]++;
    assert_int_equal(measure(bytes, sizeof bytes), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_maps_are_measured),
        cmocka_unit_test(everything_else_is_refused),
        cmocka_unit_test(the_limits_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
