/*
 * Event data between MessagePack and JSON text: each way for every special form, both ways for
 * random values, and what strangers may write.
 */
#include "json.h"

#include "evlog/value.h"
#include "pack.h"
#include "random_data.h"

#define BYTES(text) text, sizeof(text) - 1

/* The JSON text of MessagePack, to be freed; NULL when there is none. */
static char *text_of(const void *data, size_t size)
{
    evlog_buffer json;
    if (evlog_data_json(data, size, EVLOG_JSON_LINE, &json))
        return NULL;
    char *text = strndup(json.data, json.size);
    evlog_buffer_free(&json);
    return text;
}

/* The text is packed as exactly these bytes. */
static void packs(const char *text, size_t text_size, const void *bytes, size_t size)
{
    char why[256] = "";
    msgpack_sbuffer data;
    msgpack_sbuffer_init(&data);
    if (data_of_text(text, text_size, &data, why, sizeof why))
        fail_msg("%s: %s", text, why);
    if (data.size != size || memcmp(data.data, bytes, size) != 0)
        fail_msg("%s: packed otherwise, in %zu bytes", text, data.size);
    msgpack_sbuffer_destroy(&data);
}

/* The text is refused with a sentence that contains `words`. */
static void refuses(const char *text, size_t size, const char *words)
{
    char why[256] = "";
    msgpack_sbuffer data;
    msgpack_sbuffer_init(&data);
    if (!data_of_text(text, size, &data, why, sizeof why))
        fail_msg("%s: taken", text);
    if (!strstr(why, words))
        fail_msg("%s: says \"%s\", nothing of \"%s\"", text, why, words);
    msgpack_sbuffer_destroy(&data);
}

/* An empty string that comes first is one: msgpack-c then gives no pointer. */
static void an_empty_string_may_come_first(void **state)
{
    (void)state;
    char *key = text_of(BYTES("\x81\xa0\x01")), *value = text_of(BYTES("\x91\xa0")),
         *bytes = text_of(BYTES("\x91\xc4\x00"));
    assert_string_equal(key, "{\"\": 1}");
    assert_string_equal(value, "[\"\"]");
    assert_string_equal(bytes, "[{\"$bin\": \"\"}]");
    free(key);
    free(value);
    free(bytes);
}

/* Values and their text, which each have one form. */
static const struct {
    const char *bytes;
    size_t size;
    const char *text;
} forms[] = {
    {BYTES("\x80"), "{}"},
    {BYTES("\x83\xa1k\xc0\xa1l\xc2\xa1m\xc3"), "{\"k\": null, \"l\": false, \"m\": true}"},
    {BYTES("\x81\xa1k\x93\x01\x90\x80"), "{\"k\": [1, [], {}]}"},
    {BYTES("\x82\xa1z\x01\xa1k\x02"), "{\"z\": 1, \"k\": 2}"}, /* in their order */
    {BYTES("\x81\xa0\xa5\"\\\n\x01/"), "{\"\": \"\\\"\\\\\\n\\u0001/\"}"},
    {BYTES("\x81\xa1k\xa3x\0y"), "{\"k\": \"x\\u0000y\"}"},
    {BYTES("\x81\xa2\xc3\xa9\xa4\xf0\x9f\x98\x80"), "{\"\xc3\xa9\": \"\xf0\x9f\x98\x80\"}"},
    {BYTES("\x81\xa1k\xff"), "{\"k\": -1}"},
    {BYTES("\x81\xa1k\xcf\x00\x20\x00\x00\x00\x00\x00\x01"), "{\"k\": 9007199254740993}"},
    {BYTES("\x81\xa1k\xcf\x7f\xff\xff\xff\xff\xff\xff\xff"), "{\"k\": 9223372036854775807}"},
    {BYTES("\x81\xa1k\xd3\x80\x00\x00\x00\x00\x00\x00\x00"), "{\"k\": -9223372036854775808}"},
    {BYTES("\x81\xa1k\xcf\x80\x00\x00\x00\x00\x00\x00\x00"),
     "{\"k\": {\"$uint\": \"9223372036854775808\"}}"},
    {BYTES("\x81\xa1k\xcf\xff\xff\xff\xff\xff\xff\xff\xff"),
     "{\"k\": {\"$uint\": \"18446744073709551615\"}}"},
    {BYTES("\x81\xa1k\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00"), "{\"k\": {\"$float\": \"nan\"}}"},
    {BYTES("\x81\xa1k\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00"), "{\"k\": {\"$float\": \"inf\"}}"},
    {BYTES("\x81\xa1k\xcb\xff\xf0\x00\x00\x00\x00\x00\x00"), "{\"k\": {\"$float\": \"-inf\"}}"},
    {BYTES("\x81\xa1k\xc4\x00"), "{\"k\": {\"$bin\": \"\"}}"},
    {BYTES("\x81\xa1k\xc4\x01\xff"), "{\"k\": {\"$bin\": \"/w==\"}}"},
    {BYTES("\x81\xa1k\xc4\x02\xff\xfe"), "{\"k\": {\"$bin\": \"//4=\"}}"},
    {BYTES("\x81\xa1k\xc4\x03\x00\x01\x02"), "{\"k\": {\"$bin\": \"AAEC\"}}"},
    {BYTES("\x81\xa1k\xd6\xff\x00\x00\x00\x01"), "{\"k\": {\"$ext\": [-1, \"AAAAAQ==\"]}}"},
    {BYTES("\x81\xa1k\xc7\x00\x7f"), "{\"k\": {\"$ext\": [127, \"\"]}}"},
    {BYTES("\x82\x01\xa1k\xc0\x02"), "{\"$map\": [[1, \"k\"], [null, 2]]}"},
    {BYTES("\x82\xa1k\x01\xa1k\x02"), "{\"$map\": [[\"k\", 1], [\"k\", 2]]}"},
    {BYTES("\x81\xa2k\0\x01"), "{\"$map\": [[\"k\\u0000\", 1]]}"},
    {BYTES("\x81\xa4$bin\x01"), "{\"$$bin\": 1}"},
    {BYTES("\x81\xa5$$map\x01"), "{\"$$$map\": 1}"},
    {BYTES("\x81\xa5$bins\x01"), "{\"$bins\": 1}"},
    {BYTES("\x81\xa3map\x01"), "{\"map\": 1}"},
    {BYTES("\x82\xa4$bin\x01\xa1k\x02"), "{\"$bin\": 1, \"k\": 2}"}, /* two keys: no mark */
};

/* Every kind of value has its one text, and the text gives the same bytes back. */
static void each_form_goes_both_ways(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        char *text = text_of(forms[i].bytes, forms[i].size);
        assert_non_null(text);
        assert_string_equal(text, forms[i].text);
        packs(text, strlen(text), forms[i].bytes, forms[i].size);
        free(text);
    }
}

/* A map whose one key is a word with very many dollars gets one more. */
static void a_key_of_any_length_is_marked(void **state)
{
    enum { DOLLARS = 1000 };
    unsigned char bytes[DOLLARS + 16] = "\x81\xda\x03\xeb"; /* a string of 1003 bytes */
    (void)state;
    memset(bytes + 4, '$', DOLLARS);
    memcpy(bytes + 4 + DOLLARS, "map\x07", 4);
    char *text = text_of(bytes, DOLLARS + 8);
    assert_non_null(text);
    assert_int_equal(strspn(strchr(text, '$'), "$"), DOLLARS + 1);
    packs(text, strlen(text), bytes, DOLLARS + 8);
    free(text);
}

/* A double has as many digits as it needs and no more, whatever stands beside it. */
static void doubles_are_shortest(void **state)
{
    static const struct {
        double value;
        const char *text;
    } table[] = {
        {0.1, "0.1"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1, "1.0"},
        {-0.0, "-0.0"},
        {100, "100.0"},
        {1e15, "1e+15"},
        {1e22, "1e+22"},
        {1.0 / 3, "0.3333333333333333"},
        {9007199254740993.0, "9007199254740992.0"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {2.2250738585072014e-308, "2.2250738585072014e-308"},
        {5e-324, "5e-324"},
        {0.1f, "0.10000000149011612"},
    };
    enum { COUNT = sizeof table / sizeof *table };
    msgpack_sbuffer data;
    msgpack_packer packer;
    (void)state;
    msgpack_sbuffer_init(&data);
    msgpack_packer_init(&packer, &data, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, COUNT);
    for (size_t i = 0; i < COUNT; i++)
        msgpack_pack_double(&packer, table[i].value);
    char *text = text_of(data.data, data.size), *rest = text + 1;
    assert_non_null(text);
    for (size_t i = 0; i < COUNT; i++) {
        char *number = strsep(&rest, ",]");
        assert_string_equal(number + (i > 0), table[i].text);
    }
    free(text);
    msgpack_sbuffer_destroy(&data);
}

/* What JSON calls a real stays a double, and what it calls an integer an integer. */
static void reals_and_integers_stay_what_they_are(void **state)
{
    (void)state;
    packs(BYTES("{\"k\":1.0}"), BYTES("\x81\xa1k\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00"));
    packs(BYTES("{\"k\":1e0}"), BYTES("\x81\xa1k\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00"));
    packs(BYTES("{\"k\":-0.0}"), BYTES("\x81\xa1k\xcb\x80\x00\x00\x00\x00\x00\x00\x00"));
    packs(BYTES("{\"k\":1e-400}"), BYTES("\x81\xa1k\xcb\x00\x00\x00\x00\x00\x00\x00\x00"));
    packs(BYTES("{\"k\":1}"), BYTES("\x81\xa1k\x01"));
    packs(BYTES("{\"k\":{\"$uint\":\"1\"}}"), BYTES("\x81\xa1k\x01"));
}

/* A 32-bit float is written with the value it has, and is 64 bits long when it comes back. */
static void a_32_bit_float_keeps_its_value(void **state)
{
    (void)state;
    char *text = text_of(BYTES("\x81\xa1k\xca\x3d\xcc\xcc\xcd"));
    assert_string_equal(text, "{\"k\": 0.10000000149011612}");
    packs(text, strlen(text), BYTES("\x81\xa1k\xcb\x3f\xb9\x99\x99\xa0\x00\x00\x00"));
    free(text);
}

/* What is not data is refused by a sentence that says what is required. */
static void what_is_wrong_is_refused(void **state)
{
    static const struct {
        const char *text;
        size_t size;
        const char *words;
    } table[] = {
        {BYTES(""), "not JSON"},
        {BYTES("{"), "not JSON"},
        {BYTES("{a:1}"), "near 'a', at byte 2"},
        {BYTES("{\"k\":1} x"), "end of file expected"},
        {BYTES("{\"k\":1,\"k\":2}"), "duplicate object key"},
        {BYTES("{\"a\0b\":1}"), "not JSON"},
        {BYTES("{\"k\":\"\xff\"}"), "0xff"},
        {BYTES("{\"k\":\"\xed\xa0\x80\"}"), "not JSON"},
        {BYTES("{\"k\":\"\\ud800\"}"), "not JSON"},
        {BYTES("{\"k\":NaN}"), "not JSON"},
        {BYTES("{\"k\":9223372036854775808}"), "$uint"},
        {BYTES("{\"k\":-9223372036854775809}"), "too big negative integer"},
        {BYTES("{\"k\":1e400}"), "real number overflow"},
        {BYTES("[1]"), "a JSON object"},
        {BYTES("5"), "a JSON object"},
        {BYTES("\"text\""), "a JSON object"},
        {BYTES("null"), "a JSON object"},
        {BYTES("{\"k\":{\"$bin\":5}}"), "base64"},
        {BYTES("{\"k\":{\"$bin\":\"A\"}}"), "base64"},
        {BYTES("{\"k\":{\"$bin\":\"AA\"}}"), "base64"},
        {BYTES("{\"k\":{\"$bin\":\"AA=C\"}}"), "base64"},
        {BYTES("{\"k\":{\"$bin\":\"====\"}}"), "base64"},
        {BYTES("{\"k\":{\"$bin\":\"A===\"}}"), "base64"},
        {BYTES("{\"k\":{\"$bin\":\"AB==\"}}"), "base64"}, /* spare bits that are not zero */
        {BYTES("{\"k\":{\"$bin\":\"AAF=\"}}"), "base64"},
        {BYTES("{\"k\":{\"$bin\":\"AA==AA==\"}}"), "base64"},
        {BYTES("{\"k\":{\"$bin\":\"AA\\u0000=\"}}"), "base64"},
        {BYTES("{\"k\":{\"$bin\":\"AAE-\"}}"), "base64"},
        {BYTES("{\"k\":{\"$ext\":5}}"), "[type from -128 to 127, base64]"},
        {BYTES("{\"k\":{\"$ext\":[5]}}"), "[type"},
        {BYTES("{\"k\":{\"$ext\":[128,\"\"]}}"), "[type"},
        {BYTES("{\"k\":{\"$ext\":[-129,\"\"]}}"), "[type"},
        {BYTES("{\"k\":{\"$ext\":[5.0,\"\"]}}"), "[type"},
        {BYTES("{\"k\":{\"$ext\":[5,\"\",1]}}"), "[type"},
        {BYTES("{\"k\":{\"$uint\":5}}"), "below 2^64"},
        {BYTES("{\"k\":{\"$uint\":\"\"}}"), "below 2^64"},
        {BYTES("{\"k\":{\"$uint\":\"-1\"}}"), "below 2^64"},
        {BYTES("{\"k\":{\"$uint\":\" 1\"}}"), "below 2^64"},
        {BYTES("{\"k\":{\"$uint\":\"1\\u00002\"}}"), "below 2^64"},
        {BYTES("{\"k\":{\"$uint\":\"18446744073709551616\"}}"), "below 2^64"},
        {BYTES("{\"k\":{\"$float\":\"NaN\"}}"), "\"nan\""},
        {BYTES("{\"k\":{\"$float\":\"nan\\u0000\"}}"), "\"nan\""},
        {BYTES("{\"k\":{\"$float\":1.5}}"), "\"nan\""},
        {BYTES("{\"k\":{\"$map\":{}}}"), "[[key, value], ...]"},
        {BYTES("{\"k\":{\"$map\":[1]}}"), "[[key, value], ...]"},
        {BYTES("{\"k\":{\"$map\":[[1,2,3]]}}"), "[[key, value], ...]"},
        {BYTES("{\"k\":{\"$map\":[[1,{\"$bin\":5}]]}}"), "base64"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        refuses(table[i].text, table[i].size, table[i].words);
}

/* The hint at $uint is given where it helps, not for reals or negative numbers. */
static void only_a_large_integer_is_told_of_uint(void **state)
{
    static const char *const texts[] = {"{\"k\":1e400}", "{\"k\":-9223372036854775809}"};
    char why[256];
    msgpack_sbuffer data;
    (void)state;
    msgpack_sbuffer_init(&data);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(data_of_text(texts[i], strlen(texts[i]), &data, why, sizeof why), -1);
        assert_null(strstr(why, "$uint"));
    }
    msgpack_sbuffer_destroy(&data);
}

/* Thousands of brackets are refused, not followed down until the stack ends. */
static void depth_is_bounded(void **state)
{
    enum { DEPTH = 100000 };
    static char text[5 + DEPTH];
    (void)state;
    memcpy(text, "{\"k\":", 5);
    memset(text + 5, '[', DEPTH);
    refuses(text, sizeof text, "depth");
}

/* Maps in maps that are pairs at every depth take time in their size, not in 2 to the depth. */
static void maps_of_pairs_take_their_time_once(void **state)
{
    enum { DEPTH = 30 };
    char bytes[5 * DEPTH + 1], *at = bytes;
    (void)state;
    for (int i = 0; i < DEPTH; i++, at += 3)
        memcpy(at, "\x82\xa1k", 3);
    *at++ = '\x80';
    memset(at, '\x01', 2 * DEPTH);
    char *text = text_of(bytes, sizeof bytes);
    assert_non_null(text);
    packs(text, strlen(text), bytes, sizeof bytes);
    free(text);
}

/* ------------------------------------------------------------------- at random ---- */

/* Any value in its shortest packing is the same bytes after the way through JSON text. */
static void random_data_goes_both_ways(void **state)
{
    uint64_t random = load_seed();
    msgpack_sbuffer data;
    msgpack_packer packer;
    (void)state;
    msgpack_sbuffer_init(&data);
    msgpack_packer_init(&packer, &data, msgpack_sbuffer_write);
    for (int i = 0; i < 20000; i++) {
        msgpack_sbuffer_clear(&data);
        pack_random_map(&packer, &random, 6);
        OK(pack_check_map(data.data, data.size));
        char *text = text_of(data.data, data.size);
        assert_non_null(text);
        packs(text, strlen(text), data.data, data.size);
        free(text);
    }
    msgpack_sbuffer_destroy(&data);
}

/* Damaged text is refused or read as other data, which the library then finds well formed. */
static void mutated_text_is_refused_or_well_formed(void **state)
{
    uint64_t random = load_seed(), taken = 0;
    msgpack_sbuffer data;
    msgpack_packer packer;
    char why[256];
    (void)state;
    msgpack_sbuffer_init(&data);
    msgpack_packer_init(&packer, &data, msgpack_sbuffer_write);
    for (int i = 0; i < 20000; i++) {
        msgpack_sbuffer_clear(&data);
        pack_random_map(&packer, &random, 3);
        char *text = text_of(data.data, data.size);
        assert_non_null(text);
        size_t size = strlen(text);
        text[load_random(&random, size)] ^= (char)(1 << load_random(&random, 8));
        size -= load_random(&random, 8) == 0 ? load_random(&random, size) : 0;
        msgpack_sbuffer_clear(&data);
        *why = 0;
        if (data_of_text(text, size, &data, why, sizeof why))
            assert_true(*why);
        else if (data.data[0] >> 4 == -8)
            taken += pack_check_map(data.data, data.size) == EVLOG_OK;
        free(text);
    }
    assert_true(taken > 1000);
    msgpack_sbuffer_destroy(&data);
}

/* Whatever the library lets into a log has JSON, and that is data again. */
static void all_that_may_be_in_a_log_has_json(void **state)
{
    uint64_t random = load_seed(), taken = 0;
    msgpack_sbuffer data;
    msgpack_packer packer;
    (void)state;
    msgpack_sbuffer_init(&data);
    msgpack_packer_init(&packer, &data, msgpack_sbuffer_write);
    for (int i = 0; i < 40000; i++) {
        msgpack_sbuffer_clear(&data);
        pack_random_map(&packer, &random, 4);
        data.data[load_random(&random, data.size)] = (char)load_random(&random, 256);
        if (pack_check_map(data.data, data.size))
            continue;
        char *text = text_of(data.data, data.size), why[256] = "";
        assert_non_null(text);
        msgpack_sbuffer_clear(&data);
        assert_int_equal(data_of_text(text, strlen(text), &data, why, sizeof why), 0);
        OK(pack_check_map(data.data, data.size));
        free(text);
        taken++;
    }
    assert_true(taken > 1000);
    msgpack_sbuffer_destroy(&data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_string_may_come_first),
        cmocka_unit_test(each_form_goes_both_ways),
        cmocka_unit_test(a_key_of_any_length_is_marked),
        cmocka_unit_test(doubles_are_shortest),
        cmocka_unit_test(reals_and_integers_stay_what_they_are),
        cmocka_unit_test(a_32_bit_float_keeps_its_value),
        cmocka_unit_test(what_is_wrong_is_refused),
        cmocka_unit_test(only_a_large_integer_is_told_of_uint),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(maps_of_pairs_take_their_time_once),
        cmocka_unit_test(random_data_goes_both_ways),
        cmocka_unit_test(mutated_text_is_refused_or_well_formed),
        cmocka_unit_test(all_that_may_be_in_a_log_has_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
