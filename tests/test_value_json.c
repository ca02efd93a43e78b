/*
 * JSON of data and events: each form, random data against a plain twin, data from strangers, and
 * the program's locale.
 */
#include "evlog/value.h"

#include "naive_json.h"
#include "random_data.h"

#define BYTES(text) text, sizeof(text) - 1
#define COUNT(table) (sizeof table / sizeof *table)

/* Compares JSON, which has no NUL after it, with a text, and frees it. */
static void is_text(evlog_buffer json, const char *text)
{
    if (json.size != strlen(text) || memcmp(json.data, text, json.size) != 0)
        fail_msg("\n%.*s\n  is not\n%s", (int)json.size, (char *)json.data, text);
    evlog_buffer_free(&json);
}

static void data_is(const void *data, size_t size, const char *text)
{
    evlog_buffer json;
    OK(evlog_data_json(data, size, EVLOG_JSON_LINE, &json));
    is_text(json, text);
}

/* Every kind of value has its one text. */
static void each_kind_has_its_form(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *text;
    } table[] = {
        {BYTES("\x80"), "{}"},
        {BYTES("\x90"), "[]"},
        {BYTES("\xc0"), "null"},
        {BYTES("\xc2"), "false"},
        {BYTES("\xc3"), "true"},
        {BYTES("\x7f"), "127"},
        {BYTES("\xe0"), "-32"},
        {BYTES("\xcc\xff"), "255"},
        {BYTES("\xd3\x80\x00\x00\x00\x00\x00\x00\x00"), "-9223372036854775808"},
        {BYTES("\xcf\x7f\xff\xff\xff\xff\xff\xff\xff"), "9223372036854775807"},
        {BYTES("\xcf\x80\x00\x00\x00\x00\x00\x00\x00"), "{\"$uint\": \"9223372036854775808\"}"},
        {BYTES("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), "{\"$uint\": \"18446744073709551615\"}"},
        {BYTES("\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00"), "{\"$float\": \"nan\"}"},
        {BYTES("\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00"), "{\"$float\": \"inf\"}"},
        {BYTES("\xcb\xff\xf0\x00\x00\x00\x00\x00\x00"), "{\"$float\": \"-inf\"}"},
        {BYTES("\xca\x3d\xcc\xcc\xcd"), "0.10000000149011612"},
        {BYTES("\xa0"), "\"\""},
        {BYTES("\xa4/\xc3\xa9x"), "\"/\xc3\xa9x\""},
        {BYTES("\xab\"\\\b\f\n\r\t\x00\x01\x1f\x7f"),
         "\"\\\"\\\\\\b\\f\\n\\r\\t\\u0000\\u0001\\u001f\\u007f\""},
        {BYTES("\xc4\x00"), "{\"$bin\": \"\"}"},
        {BYTES("\xc4\x01\xff"), "{\"$bin\": \"/w==\"}"},
        {BYTES("\xc4\x02\xff\xfe"), "{\"$bin\": \"//4=\"}"},
        {BYTES("\xc4\x03\x00\x01\x02"), "{\"$bin\": \"AAEC\"}"},
        {BYTES("\xd6\xff\x00\x00\x00\x01"), "{\"$ext\": [-1, \"AAAAAQ==\"]}"},
        {BYTES("\xc7\x00\x7f"), "{\"$ext\": [127, \"\"]}"},
        {BYTES("\x93\x01\x90\x80"), "[1, [], {}]"},
        {BYTES("\x82\xa1z\x01\xa1k\xc0"), "{\"z\": 1, \"k\": null}"},
        {BYTES("\x82\x01\xa1k\xc0\x02"), "{\"$map\": [[1, \"k\"], [null, 2]]}"},
        {BYTES("\x81\x80\x80"), "{\"$map\": [[{}, {}]]}"},
        {BYTES("\x82\xa1k\x01\xa1k\x02"), "{\"$map\": [[\"k\", 1], [\"k\", 2]]}"},
        {BYTES("\x81\xa2k\0\x01"), "{\"$map\": [[\"k\\u0000\", 1]]}"},
        {BYTES("\x81\xa4$bin\x01"), "{\"$$bin\": 1}"},
        {BYTES("\x81\xa5$$map\x01"), "{\"$$$map\": 1}"},
        {BYTES("\x81\xa5$bins\x01"), "{\"$bins\": 1}"},
        {BYTES("\x81\xa3map\x01"), "{\"map\": 1}"},
        {BYTES("\x82\xa4$bin\x01\xa1k\x02"), "{\"$bin\": 1, \"k\": 2}"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(table); i++)
        data_is(table[i].bytes, table[i].size, table[i].text);
}

/* What a terminal would obey is escaped, and the characters beside it are not. */
static void what_a_terminal_obeys_is_escaped(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *text;
    } table[] = {
        {BYTES("\xa4\xc2\x80\xc2\x9f"), "\"\\u0080\\u009f\""},
        {BYTES("\xa2\xc2\xa0"), "\"\xc2\xa0\""},
        {BYTES("\xa6\xd8\x9b\xd8\x9c\xd8\x9d"), "\"\xd8\x9b\\u061c\xd8\x9d\""},
        {BYTES("\xac\xe2\x80\x8d\xe2\x80\x8e\xe2\x80\x8f\xe2\x80\x90"),
         "\"\xe2\x80\x8d\\u200e\\u200f\xe2\x80\x90\""},
        {BYTES("\xac\xe2\x80\xa7\xe2\x80\xa8\xe2\x80\xae\xe2\x80\xaf"),
         "\"\xe2\x80\xa7\\u2028\\u202e\xe2\x80\xaf\""},
        {BYTES("\xac\xe2\x81\xa5\xe2\x81\xa6\xe2\x81\xa9\xe2\x81\xaa"),
         "\"\xe2\x81\xa5\\u2066\\u2069\xe2\x81\xaa\""},
        {BYTES("\xa9\xef\xbb\xbe\xef\xbb\xbf\xef\xbc\x80"),
         "\"\xef\xbb\xbe\\ufeff\xef\xbc\x80\""},
        {BYTES("\x81\xa1\x1b\xa4\xf4\x8f\xbf\xbf"), "{\"\\u001b\": \"\xf4\x8f\xbf\xbf\"}"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(table); i++)
        data_is(table[i].bytes, table[i].size, table[i].text);
}

/* The indented form has a line for each value, those inside marks too. */
static void indented_form_has_a_line_for_each_value(void **state)
{
    evlog_buffer json;
    (void)state;
    OK(evlog_data_json(BYTES("\x84\xa1k\x92\x01\x80\xa1l\x90\xa1m\xc4\x00\xa1n\x81\x01\x02"),
                       EVLOG_JSON_INDENTED, &json));
    is_text(json, "{\n"
                  "  \"k\": [\n"
                  "    1,\n"
                  "    {}\n"
                  "  ],\n"
                  "  \"l\": [],\n"
                  "  \"m\": {\n"
                  "    \"$bin\": \"\"\n"
                  "  },\n"
                  "  \"n\": {\n"
                  "    \"$map\": [\n"
                  "      [\n"
                  "        1,\n"
                  "        2\n"
                  "      ]\n"
                  "    ]\n"
                  "  }\n"
                  "}");
}

/* --------------------------------------------------------------- doubles ---- */

static size_t pack_one_double(double value, char bytes[9])
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    bytes[0] = '\xcb';
    for (int i = 0; i < 8; i++)
        bytes[1 + i] = (char)(bits >> (56 - 8 * i));
    return 9;
}

static void double_is(double value, const char *text)
{
    char bytes[9];
    data_is(bytes, pack_one_double(value, bytes), text);
}

/* As few digits as give the same double again, in the form that %g would choose. */
static void doubles_are_shortest(void **state)
{
    static const struct {
        double value;
        const char *text;
    } table[] = {
        {0.0, "0.0"},
        {-0.0, "-0.0"},
        {1, "1.0"},
        {-100, "-100.0"},
        {0.1, "0.1"},
        {-0.05, "-0.05"},
        {19.99, "19.99"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1.0 / 3, "0.3333333333333333"},
        {0.0001, "0.0001"},
        {0.00012345678901234567, "0.00012345678901234567"},
        {0.00001, "1e-05"},
        {123456789012345, "123456789012345.0"},
        {1e15, "1e+15"},
        {1234567890123456, "1234567890123456.0"},
        {12345678901234568, "12345678901234568.0"},
        {1.2345678901234567e17, "1.2345678901234566e+17"},
        {9007199254740993.0, "9007199254740992.0"},
        {1e22, "1e+22"},
        {1e23, "1e+23"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {2.2250738585072014e-308, "2.2250738585072014e-308"},
        {5e-324, "5e-324"},
        {1e-323, "1e-323"},
        {1706724000.123456, "1706724000.123456"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(table); i++)
        double_is(table[i].value, table[i].text);
}

/* Random doubles of all sizes, and of few digits, are the twin's to the letter. */
static void random_doubles_are_the_twins(void **state)
{
    uint64_t seed = load_seed();
    (void)state;
    for (int i = 0; i < 100000; i++) {
        uint64_t bits = load_random(&seed, UINT64_MAX);
        double value, power = (double)(uint64_t[]){1, 10, 100, 10000, 100000000}[bits % 5];
        if (i % 2)
            value = (double)(int64_t)(bits >> load_random(&seed, 64)) / power;
        else
            memcpy(&value, &bits, sizeof value);
        char bytes[9], *text = naive_json(bytes, pack_one_double(value, bytes), 0);
        data_is(bytes, sizeof bytes, text);
        free(text);
    }
}

/* The C library as in a locale with a decimal comma, which few machines have installed. */
static int has_comma;

int __wrap_snprintf(char *text, size_t size, const char *format, ...);
double __wrap_strtod(const char *text, char **end);
double __real_strtod(const char *text, char **end);

int __wrap_snprintf(char *text, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int result = vsnprintf(text, size, format, args);
    va_end(args);
    char *point = has_comma && strcmp(format, "%.*g") == 0 ? strchr(text, '.') : NULL;
    if (point)
        *point = ',';
    return result;
}

double __wrap_strtod(const char *text, char **end)
{
    char copy[64];
    if (!has_comma)
        return __real_strtod(text, end);
    assert_null(end);
    assert_null(strchr(text, '.'));
    strncpy(copy, text, sizeof copy - 1);
    copy[sizeof copy - 1] = '\0';
    char *comma = strchr(copy, ',');
    if (comma)
        *comma = '.';
    return __real_strtod(copy, NULL);
}

/* A program whose locale writes a comma still writes JSON. */
static void locale_does_not_matter(void **state)
{
    (void)state;
    has_comma = 1;
    double_is(1.5, "1.5");
    double_is(0.1 + 0.2, "0.30000000000000004");
    double_is(1.7976931348623157e308, "1.7976931348623157e+308");
    double_is(5e-324, "5e-324");
    has_comma = 0;
}

/* ---------------------------------------------------------------- random ---- */

/* Random data of every kind has the twin's text, on one line and indented. */
static void random_data_is_the_twins(void **state)
{
    uint64_t seed = load_seed();
    msgpack_sbuffer data;
    msgpack_packer packer;
    (void)state;
    msgpack_sbuffer_init(&data);
    msgpack_packer_init(&packer, &data, msgpack_sbuffer_write);
    for (int i = 0; i < 20000; i++) {
        msgpack_sbuffer_clear(&data);
        pack_random_map(&packer, &seed, 6);
        evlog_buffer json;
        char *text = naive_json(data.data, data.size, i % 2);
        OK(evlog_data_json(data.data, data.size, i % 2 ? EVLOG_JSON_INDENTED : EVLOG_JSON_LINE,
                           &json));
        is_text(json, text);
        free(text);
    }
    msgpack_sbuffer_destroy(&data);
}

/* A map of very many keys, one of them twice or none, is not taken for one that is an object. */
static void a_repeated_key_is_found_among_many(void **state)
{
    (void)state;
    for (int count = 30; count < 36; count++)
        for (int repeated = 0; repeated < 2; repeated++) {
            char bytes[256] = {'\xde', 0, (char)count}, *at = bytes + 3;
            for (int i = 0; i < count; i++) {
                *at++ = '\xa1';
                *at++ = (char)(repeated && i == count - 1 ? 'a' : 'a' + i % 26 - 32 * (i >= 26));
                *at++ = '\x01';
            }
            evlog_buffer json;
            OK(evlog_data_json(bytes, (size_t)(at - bytes), EVLOG_JSON_LINE, &json));
            assert_true((memcmp(json.data, "{\"$map\"", 7) == 0) == repeated);
            evlog_buffer_free(&json);
        }
}

/* ------------------------------------------------------------- strangers ---- */

/* Every truncation is refused, and nothing past the end is read (the sanitizer looks). */
static void truncated_data_is_refused(void **state)
{
    static const char bytes[] = "\x84\xa1k\x92\x01\x80\xa1l\xda\x00\x02xy\xa1m\xc4\x01z\xa1n\xcb"
                                "\x3f\xf0\x00\x00\x00\x00\x00\x00";
    (void)state;
    for (size_t size = 0; size < sizeof bytes - 1; size++) {
        evlog_buffer json = {.size = 7};
        char *exact = malloc(size + 1);
        memcpy(exact + 1, bytes, size);
        FAILS(EVLOG_INVALID, "data", evlog_data_json(exact + 1, size, EVLOG_JSON_LINE, &json));
        assert_int_equal(json.size, 7);
        free(exact);
    }
}

/* What is not one well-formed value has no JSON; the sentence says why. */
static void hostile_data_is_refused(void **state)
{
    char deep[EVLOG_DATA_DEPTH_MAX + 2];
    evlog_buffer json;
    (void)state;
    memset(deep, '\x91', sizeof deep);
    deep[sizeof deep - 1] = '\xc0';
    FAILS(EVLOG_LIMIT, "deep", evlog_data_json(deep, sizeof deep, EVLOG_JSON_LINE, &json));
    FAILS(EVLOG_INVALID, "follows", evlog_data_json("\x80\x80", 2, EVLOG_JSON_LINE, &json));
    FAILS(EVLOG_INVALID, "UTF-8", evlog_data_json("\xa1\xff", 2, EVLOG_JSON_LINE, &json));
    FAILS(EVLOG_INVALID, "past the end",
          evlog_data_json("\xc6\xff\xff\xff\xff", 5, EVLOG_JSON_LINE, &json));
    FAILS(EVLOG_INVALID, "0xc1", evlog_data_json("\xc1", 1, EVLOG_JSON_LINE, &json));
    FAILS(EVLOG_NOTFOUND, "erased", evlog_data_json(NULL, 0, EVLOG_JSON_LINE, &json));
    FAILS(EVLOG_INVALID, "no place", evlog_data_json("\x80", 1, EVLOG_JSON_LINE, NULL));
    OK(evlog_data_json(deep + 1, sizeof deep - 1, EVLOG_JSON_INDENTED, &json));
    evlog_buffer_free(&json);
}

/* Text that would be larger than the limit is refused before it has been made. */
static void the_size_of_the_text_is_limited(void **state)
{
    enum { SIZE = 20 << 20 };
    unsigned char *bytes = malloc(SIZE);
    evlog_buffer json;
    size_t at = 0;
    (void)state;
    for (; at < EVLOG_DATA_DEPTH_MAX - 1; at++)
        bytes[at] = 0x91;
    uint32_t count = (uint32_t)(SIZE - at - 5);
    bytes[at++] = 0xdd;
    for (int i = 3; i >= 0; i--)
        bytes[at++] = (unsigned char)(count >> 8 * i);
    memset(bytes + at, 0xc0, count);
    FAILS(EVLOG_LIMIT, "more than", evlog_data_json(bytes, SIZE, EVLOG_JSON_INDENTED, &json));
    OK(evlog_data_json(bytes, SIZE, EVLOG_JSON_LINE, &json));
    assert_true(json.size > 6 * (size_t)count);
    evlog_buffer_free(&json);
    free(bytes);
}

/* ---------------------------------------------------------------- events ---- */

static evlog_event example(void)
{
    return (evlog_event){
        .seq = 7,
        .log_time_us = INT64_C(1769882400123456),
        .id = {0xf8, 0x1d, 0x4f, 0xae, 0x7d, 0xec, 0x11, 0xd0, 0xa7, 0x65, 0, 0xa0, 0xc9, 0x1e,
               0x6b, 1},
        .event_type = "a.b.c.v1",
        .minorversion = 2,
        .time_us = 0,
        .source = "openedx/lms/web",
        .sourcehost = "h\"",
        .sourcelib = "11.2.0",
        .data = "\x81\xa1k\x01",
        .data_size = 4,
    };
}

#define EVENT_HEAD                                                                      \
    "{\"seq\": 7, \"log_time\": \"2026-01-31T18:00:00.123456+00:00\", "                 \
    "\"id\": \"f81d4fae-7dec-11d0-a765-00a0c91e6b01\", \"type\": \"a.b.c.v1\", "        \
    "\"minorversion\": 2, \"time\": \"1970-01-01T00:00:00.000000+00:00\", \"source\": " \
    "\"openedx/lms/web\", \"sourcehost\": \"h\\\"\", \"sourcelib\": "

static void event_is(const evlog_event *event, const char *text)
{
    evlog_buffer json;
    OK(evlog_event_json(event, EVLOG_JSON_LINE, &json));
    is_text(json, text);
}

/* An event has the fields that the command prints, in their order. */
static void an_event_has_its_fields_in_order(void **state)
{
    evlog_event event = example();
    (void)state;
    event_is(&event, EVENT_HEAD "[11, 2, 0], \"from_event_bus\": false, \"data\": {\"k\": 1}}");
    event.from_event_bus = true;
    event.data = NULL;
    event_is(&event, EVENT_HEAD "[11, 2, 0], \"from_event_bus\": true, \"data\": null}");
    event.attempt = 3;
    event.is_replay = true;
    event_is(&event, EVENT_HEAD "[11, 2, 0], \"from_event_bus\": true, \"data\": null, "
                                "\"attempt\": 3, \"is_replay\": true}");
}

/* Headers stand before the data, and only where there are some; they are no data. */
static void headers_are_an_object(void **state)
{
    evlog_event event = example();
    evlog_buffer json;
    (void)state;
    event.headers = "\x80";
    event.headers_size = 1;
    event_is(&event, EVENT_HEAD "[11, 2, 0], \"from_event_bus\": false, \"data\": {\"k\": 1}}");
    event.headers = "\x81\xa4$bin\xa2\"\n";
    event.headers_size = 9;
    event_is(&event, EVENT_HEAD "[11, 2, 0], \"from_event_bus\": false, "
                                "\"headers\": {\"$bin\": \"\\\"\\n\"}, \"data\": {\"k\": 1}}");
    event.headers = "\x82\xa1k\xa1v\xa1l\xa0";
    event.headers_size = 8;
    event_is(&event,
             EVENT_HEAD "[11, 2, 0], \"from_event_bus\": false, "
                        "\"headers\": {\"k\": \"v\", \"l\": \"\"}, \"data\": {\"k\": 1}}");
    event.headers_size--;
    FAILS(EVLOG_INVALID, "headers", evlog_event_json(&event, EVLOG_JSON_LINE, &json));
}

/* A version is a list of numbers, of strings where a part is none, and empty without a text. */
static void a_version_is_a_list(void **state)
{
    static const struct {
        const char *text, *list;
    } table[] = {
        {"0", "[0]"},
        {"", "[]"},
        {NULL, "[]"},
        {"9223372036854775807.9223372036854775808",
         "[9223372036854775807, \"9223372036854775808\"]"},
        {"1.x.", "[1, \"x\"]"},
        {"1..-2", "[1, 0, \"-2\"]"},
    };
    evlog_event event = example();
    char text[1024];
    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        event.sourcelib = table[i].text;
        snprintf(text, sizeof text,
                 EVENT_HEAD "%s, \"from_event_bus\": false, \"data\": {\"k\": 1}}",
                 table[i].list);
        event_is(&event, text);
    }
}

/* The indented form of an event goes on through its data. */
static void an_event_is_indented_to_its_data(void **state)
{
    evlog_event event = example();
    evlog_buffer json;
    (void)state;
    OK(evlog_event_json(&event, EVLOG_JSON_INDENTED, &json));
    char *text = strndup(json.data, json.size);
    assert_memory_equal(text, "{\n  \"seq\": 7,\n  \"log_time\": ", 27);
    assert_non_null(strstr(text, "\n  \"sourcelib\": [\n    11,\n    2,\n    0\n  ],\n"));
    assert_non_null(strstr(text, "\n  \"data\": {\n    \"k\": 1\n  }\n}"));
    free(text);
    evlog_buffer_free(&json);
}

/* An event of a stranger's making is refused, not read past its end; a shorter struct is taken. */
static void a_strangers_event_is_refused_or_printed(void **state)
{
    evlog_event event = example();
    evlog_buffer json;
    (void)state;
    event.data_size = 3;
    FAILS(EVLOG_INVALID, "ends", evlog_event_json(&event, EVLOG_JSON_LINE, &json));
    event = example();
    event.source = "\xe2";
    FAILS(EVLOG_INVALID, "source is not UTF-8", evlog_event_json(&event, EVLOG_JSON_LINE, &json));
    event = example();
    event.sourcelib = "1.\xe2";
    FAILS(EVLOG_INVALID, "sourcelib is not UTF-8",
          evlog_event_json(&event, EVLOG_JSON_LINE, &json));
    FAILS(EVLOG_INVALID, "no event", evlog_event_json(NULL, EVLOG_JSON_LINE, &json));
    event = example();
    FAILS(EVLOG_INVALID, "no place", evlog_event_json(&event, EVLOG_JSON_LINE, NULL));
    event.attempt = 1;
    OK(evlog_event_json_sized(&event, offsetof(evlog_event, attempt), EVLOG_JSON_LINE, &json));
    is_text(json, EVENT_HEAD "[11, 2, 0], \"from_event_bus\": false, \"data\": {\"k\": 1}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_has_its_form),
        cmocka_unit_test(what_a_terminal_obeys_is_escaped),
        cmocka_unit_test(indented_form_has_a_line_for_each_value),
        cmocka_unit_test(doubles_are_shortest),
        cmocka_unit_test(random_doubles_are_the_twins),
        cmocka_unit_test(locale_does_not_matter),
        cmocka_unit_test(random_data_is_the_twins),
        cmocka_unit_test(a_repeated_key_is_found_among_many),
        cmocka_unit_test(truncated_data_is_refused),
        cmocka_unit_test(hostile_data_is_refused),
        cmocka_unit_test(the_size_of_the_text_is_limited),
        cmocka_unit_test(an_event_has_its_fields_in_order),
        cmocka_unit_test(headers_are_an_object),
        cmocka_unit_test(a_version_is_a_list),
        cmocka_unit_test(an_event_is_indented_to_its_data),
        cmocka_unit_test(a_strangers_event_is_refused_or_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
