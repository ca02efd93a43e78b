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
        {BYTES("\x81\xa1k\xa1\0")},           /* a NUL */
        {BYTES("\x82\xa1k\xa1v\xa1k\xa1v")},  /* a name that is there twice */
        {BYTES("\x82\xa1l\xa1v\xa1k\xa1v")},  /* not in order */
        {BYTES("\x82\xa2kk\xa1v\xa1k\xa1v")}, /* */
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (measure(table[i].bytes, table[i].left))
            fail_msg("row %zu is taken", i);
}

/* ------------------------------------------------------------- packing ---- */

static void is_packed_as(const evlog_header *headers, size_t count, const char *bytes,
                         size_t size)
{
    void *packed;
    size_t packed_size;
    OK(headers_pack(headers, count, &packed, &packed_size));
    assert_int_equal(packed_size, size);
    assert_memory_equal(packed, bytes, size);
    assert_true(headers_check(packed, size));
    free(packed);
}

/* Headers are packed in the order of their names, in the shortest form. */
static void headers_are_packed_in_order(void **state)
{
    (void)state;
    char text[300], expected[700];
    const evlog_header two[] = {{"kk", "v"}, {"k", ""}},
                       bytes[] = {{"\xc3\xa9", "1"}, {"z", "2"}};
    is_packed_as(two, 2, BYTES("\x82\xa1k\xa0\xa2kk\xa1v"));
    is_packed_as(bytes, 2, BYTES("\x82\xa1z\xa1\x32\xa2\xc3\xa9\xa1\x31"));
    memset(text, 'x', sizeof text);
    text[256] = '\0';
    const evlog_header widest = {text + 1, text}; /* 255 and 256 bytes */
    size_t size = (size_t)snprintf(expected, sizeof expected, "\x81\xd9\xff%s\xda\x01", text + 1);
    expected[size++] = '\0';
    memcpy(expected + size, text, 256);
    is_packed_as(&widest, 1, expected, size + 256);
    text[31] = '\0';
    const evlog_header narrow = {"k", text};
    snprintf(expected, sizeof expected, "\x81\xa1k\xbf%s", text);
    is_packed_as(&narrow, 1, expected, 35);
    text[31] = 'x';
    text[32] = '\0';
    snprintf(expected, sizeof expected, "\x81\xa1k\xd9\x20%s", text);
    is_packed_as(&narrow, 1, expected, 37);
}

/* As many as fit, and not one more; what was packed is read as it was given. */
static void as_many_as_fit_are_packed(void **state)
{
    (void)state;
    static char names[1024][3];
    static evlog_header headers[1024];
    evlog_string value;
    void *packed;
    size_t size;
    for (size_t i = 0; i < 1024; i++) { /* 4 bytes each */
        names[i][0] = (char)('A' + i % 32);
        names[i][1] = (char)('A' + i / 32);
        headers[i] = (evlog_header){names[i], ""};
    }
    OK(headers_pack(headers, 1023, &packed, &size));
    assert_int_equal(size, 3 + 1023 * 4);
    evlog_event event = {.headers = packed, .headers_size = size};
    for (size_t i = 0; i < 1023; i++)
        OK(evlog_event_header(&event, names[i], &value));
    FAILS(EVLOG_NOTFOUND, names[1023], evlog_event_header(&event, names[1023], &value));
    free(packed);
    FAILS(EVLOG_LIMIT, "4099 bytes", headers_pack(headers, 1024, &packed, &size));
    FAILS(EVLOG_LIMIT, "1366 cannot", headers_pack(headers, 1366, &packed, &size));
}

/* What is not a header is refused with its place or name. */
static void bad_headers_are_refused(void **state)
{
    (void)state;
    static char long_name[257];
    static char large[4096];
    void *packed = NULL;
    size_t size;
    memset(long_name, 'k', 256);
    memset(large, 'v', 4095);
    static const struct {
        evlog_header headers[2];
        int code;
        const char *words;
    } table[] = {
        {{{"", "v"}, {"b", "v"}}, EVLOG_INVALID, "header 0: a name"},
        {{{"a", "v"}, {NULL, "v"}}, EVLOG_INVALID, "header 1: a name"},
        {{{"a", "v"}, {"b\n", "v"}}, EVLOG_INVALID, "header 1: a name"},
        {{{"a", "v"}, {"b\x7f", "v"}}, EVLOG_INVALID, "header 1: a name"},
        {{{"a", "v"}, {"\xc2\x9f", "v"}}, EVLOG_INVALID, "header 1: a name"},
        {{{"a", "v"}, {"\xff", "v"}}, EVLOG_INVALID, "header 1: a name"},
        {{{"a", "v"}, {long_name, "v"}}, EVLOG_INVALID, "header 1: a name"},
        {{{"a", "v"}, {"b", NULL}}, EVLOG_INVALID, "header b: its value"},
        {{{"a", "v"}, {"b", "\xed\xa0\x80"}}, EVLOG_INVALID, "header b: its value"},
        {{{"a", "v"}, {"a", "w"}}, EVLOG_INVALID, "header a is given twice"},
        {{{"a", "v"}, {"b", large}}, EVLOG_LIMIT, "over 4096"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        FAILS(table[i].code, table[i].words, headers_pack(table[i].headers, 2, &packed, &size));
    FAILS(EVLOG_INVALID, "NULL", headers_pack(NULL, 1, &packed, &size));
    assert_null(packed);
}

/* A header of an event is found by its whole name, and an event of a stranger's is not trusted. */
static void a_header_is_found(void **state)
{
    (void)state;
    evlog_event event = {.headers = "\x82\xa1k\xa1v\xa2kk\xa2vv", .headers_size = 11};
    evlog_string value = {"", 0};
    OK(evlog_event_header(&event, "kk", &value));
    assert_int_equal(value.size, 2);
    assert_memory_equal(value.text, "vv", 2);
    FAILS(EVLOG_NOTFOUND, "no header kkk", evlog_event_header(&event, "kkk", &value));
    FAILS(EVLOG_NOTFOUND, "no header ", evlog_event_header(&event, "", &value));
    FAILS(EVLOG_INVALID, "no event", evlog_event_header(NULL, "k", &value));
    FAILS(EVLOG_INVALID, "no name", evlog_event_header(&event, NULL, &value));
    FAILS(EVLOG_INVALID, "no place", evlog_event_header(&event, "k", NULL));
    FAILS(EVLOG_NOTFOUND, "no header", /* an older program's event, without the field */
          evlog_event_header_sized(&event, offsetof(evlog_event, headers), "k", &value));
    event.headers_size = 10;
    FAILS(EVLOG_INVALID, "not a map of texts", evlog_event_header(&event, "k", &value));
    event.headers = NULL;
    FAILS(EVLOG_NOTFOUND, "no header k", evlog_event_header(&event, "k", &value));
    assert_int_equal(value.size, 2);
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
        cmocka_unit_test(headers_are_packed_in_order),
        cmocka_unit_test(as_many_as_fit_are_packed),
        cmocka_unit_test(bad_headers_are_refused),
        cmocka_unit_test(a_header_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
