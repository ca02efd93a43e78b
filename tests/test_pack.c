/* Checking MessagePack from strangers: dispatch of every first byte, and the limits. */
#include "pack.h"
#include "test.h"

static int check(const char *bytes, size_t size)
{
    return pack_check_map(bytes, size);
}

#define BYTES(text) text, sizeof(text) - 1

/* An empty map and maps of every kind of value are data. */
static void takes_every_kind_of_value(void **state)
{
    (void)state;
    OK(check(BYTES("\x80")));
    OK(check(BYTES("\x81\xa1n\xc0")));
    OK(check(BYTES("\x81\xa1n\xcf\xff\xff\xff\xff\xff\xff\xff\xff")));
    OK(check(BYTES("\x81\xa1n\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00")));
    OK(check(BYTES("\x81\xa1n\xc4\x02\xff\xfe")));
    OK(check(BYTES("\x81\xa1n\xd4\x01\x02")));
    OK(check(BYTES("\x81\xa1n\xc7\x00\x05")));
    OK(check(BYTES("\xde\x00\x01\xd9\x01n\x92\x01\x80")));
    OK(check(BYTES("\x81\x05\x06")));
}

/* What is not one whole map is refused, and the sentence says where. */
static void refuses_what_is_no_map(void **state)
{
    (void)state;
    FAILS(EVLOG_INVALID, "empty", check("", 0));
    FAILS(EVLOG_INVALID, "must be a MessagePack map", check(BYTES("\x90")));
    FAILS(EVLOG_INVALID, "must be a MessagePack map", check(BYTES("{\"n\":1}")));
    FAILS(EVLOG_INVALID, "something follows", check(BYTES("\x80\x80")));
    FAILS(EVLOG_INVALID, "0xc1", check(BYTES("\x81\xa1n\xc1")));
    FAILS(EVLOG_INVALID, "middle of a value", check(BYTES("\x82\xa1n\x01")));
    FAILS(EVLOG_INVALID, "middle of a length", check(BYTES("\x81\xa1n\xdb\x00\x00")));
    FAILS(EVLOG_INVALID, "past the end",
          check(BYTES("\x81\xa1n\xdb\xff\xff\xff\xff"
                      "abc")));
    FAILS(EVLOG_INVALID, "middle of a value", check(BYTES("\x81\xa1n\xdd\xff\xff\xff\xff")));
    FAILS(EVLOG_INVALID, "middle of a value", check(BYTES("\xdf\xff\xff\xff\xff")));
}

/* EVLOG_DATA_DEPTH_MAX containers may be open at once, and not one more. */
static void limits_the_depth(void **state)
{
    (void)state;
    char deep[EVLOG_DATA_DEPTH_MAX + 8] = "\x81\xa1n";
    memset(deep + 3, '\x91', EVLOG_DATA_DEPTH_MAX - 2);
    deep[3 + EVLOG_DATA_DEPTH_MAX - 2] = '\x90';
    OK(check(deep, 3 + EVLOG_DATA_DEPTH_MAX - 1));
    deep[3 + EVLOG_DATA_DEPTH_MAX - 2] = '\x91';
    deep[3 + EVLOG_DATA_DEPTH_MAX - 1] = '\x90';
    FAILS(EVLOG_LIMIT, "deep", check(deep, 3 + EVLOG_DATA_DEPTH_MAX));
}

/* Every prefix of a good map is refused, and no byte beyond it is read (ASan). */
static void refuses_every_prefix(void **state)
{
    (void)state;
    static const char good[] =
        "\x83\xa1n\x93\x01\xa2hi\xc0\xa1m\x81\xa1x\xcd\x01\x00\xa1o\xc7\x03\x01"
        "abc";
    for (size_t size = 0; size < sizeof good - 1; size++) {
        char *copy = malloc(size + 1);
        memcpy(copy, good, size);
        char *exact = realloc(copy, size ? size : 1);
        assert_int_equal(check(exact, size), EVLOG_INVALID);
        free(exact);
    }
    OK(check(BYTES(good)));
}

/* The bounds of RFC 3629, from both sides. */
static void knows_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int good;
    } table[] = {
        {"", 1},
        {"plain ascii, long enough for words", 1},
        {"\x7f", 1},
        {"\x80", 0},
        {"\xc2\x80", 1},
        {"\xc1\xbf", 0},
        {"\xc3", 0},
        {"\xdf\xbf", 1},
        {"\xe0\xa0\x80", 1},
        {"\xe0\x9f\xbf", 0},
        {"\xed\x9f\xbf", 1},
        {"\xed\xa0\x80", 0},
        {"\xef\xbf\xbf", 1},
        {"\xf0\x90\x80\x80", 1},
        {"\xf0\x8f\xbf\xbf", 0},
        {"\xf4\x8f\xbf\xbf", 1},
        {"\xf4\x90\x80\x80", 0},
        {"\xf5\x80\x80\x80", 0},
        {"eight by\xff", 0},
        {"\xe2\x82", 0},
        {"\xe2\x28\xa1", 0},
        {"\xf0\x9f\x98\x80 in a text", 1},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (pack_is_utf8(table[i].text, strlen(table[i].text)) != table[i].good)
            fail_msg("row %zu is %sgood", i, table[i].good ? "" : "not ");
    FAILS(EVLOG_INVALID, "UTF-8", check(BYTES("\x81\xa1n\xa2\xc3\x28")));
    FAILS(EVLOG_INVALID, "UTF-8", check(BYTES("\x81\xa1\xff\x01")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_every_kind_of_value),
        cmocka_unit_test(refuses_what_is_no_map),
        cmocka_unit_test(limits_the_depth),
        cmocka_unit_test(refuses_every_prefix),
        cmocka_unit_test(knows_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
