/* Text made safe to show: what is escaped, what is not, and where a line is cut. */
#include "text.h"

#include "load.h"
#include "test.h"

#define BYTES(text) text, sizeof(text) - 1

/* What text_put writes, to be freed. */
static char *put(const char *text, size_t size, int keep_newlines, size_t width_max)
{
    char *written = NULL;
    size_t written_size = 0;
    FILE *out = open_memstream(&written, &written_size);
    assert_non_null(out);
    text_put(out, text, size, keep_newlines, width_max);
    assert_int_equal(fclose(out), 0);
    return written;
}

static void shows(const char *text, size_t size, size_t width_max, const char *expected)
{
    char *written = put(text, size, 0, width_max);
    assert_string_equal(written, expected);
    free(written);
}

/* What a terminal shows and does not obey stays as it is. */
static void harmless_text_is_left_alone(void **state)
{
    (void)state;
    shows(BYTES(""), 0, "");
    shows(BYTES("a ~\\\""), 0, "a ~\\\"");
    shows(BYTES("\xc2\xa0\xc3\xa9\xd7\xa9\xe6\xbc\xa2\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf"), 0,
          "\xc2\xa0\xc3\xa9\xd7\xa9\xe6\xbc\xa2\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf");
}

/* Control characters, C1 among them, line separators and what turns text around are escaped. */
static void dangerous_characters_are_escaped(void **state)
{
    (void)state;
    shows(BYTES("\x1b[2J"), 0, "\\u001b[2J");
    shows(BYTES("a\0b\tc\nd\re\x7f"), 0, "a\\u0000b\\u0009c\\u000ad\\u000de\\u007f");
    shows(BYTES("\xc2\x80\xc2\x9b"
                "2J\xc2\x9f"),
          0, "\\u0080\\u009b2J\\u009f");
    shows(BYTES("\xd8\x9c\xe2\x80\x8e\xe2\x80\x8f"), 0, "\\u061c\\u200e\\u200f");
    shows(BYTES("\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa\xe2\x80\xae"), 0,
          "\\u2028\\u2029\\u202a\\u202e");
    shows(BYTES("\xe2\x81\xa6\xe2\x81\xa9\xef\xbb\xbf"), 0, "\\u2066\\u2069\\ufeff");
}

/* Every code point below U+0100 is escaped exactly when it is a control character. */
static void each_control_character_is_escaped(void **state)
{
    (void)state;
    for (unsigned code = 0; code < 0x100; code++) {
        char text[3] = {(char)code, 0, 0}, escaped[8];
        size_t size = 1;
        if (code >= 0x80) {
            text[0] = (char)(0xc0 | code >> 6);
            text[1] = (char)(0x80 | (code & 0x3f));
            size = 2;
        }
        snprintf(escaped, sizeof escaped, "\\u%04x", code);
        shows(text, size, 0, code < 0x20 || (code >= 0x7f && code < 0xa0) ? escaped : text);
    }
}

/* Bytes that are no UTF-8 are shown one by one, and what follows them is read again. */
static void invalid_utf8_is_escaped_byte_by_byte(void **state)
{
    (void)state;
    shows(BYTES("\xff"), 0, "\\xff");
    shows(BYTES("\x80z"), 0, "\\x80z");
    shows(BYTES("\xc3z"), 0, "\\xc3z");
    shows(BYTES("\xc3\x1b"), 0, "\\xc3\\u001b");
    shows(BYTES("\xe2\x80"), 0, "\\xe2\\x80");
    shows(BYTES("\xc0\x9b"), 0, "\\xc0\\x9b");                   /* overlong */
    shows(BYTES("\xe0\x80\x9b"), 0, "\\xe0\\x80\\x9b");          /* overlong */
    shows(BYTES("\xed\xa0\x80"), 0, "\\xed\\xa0\\x80");          /* a surrogate */
    shows(BYTES("\xf4\x90\x80\x80"), 0, "\\xf4\\x90\\x80\\x80"); /* past U+10FFFF */
    shows(BYTES("\xf8\x88\x80\x80\x80"), 0, "\\xf8\\x88\\x80\\x80\\x80");
}

/* A newline stays only where the caller wants it to. */
static void a_newline_is_kept_on_request(void **state)
{
    (void)state;
    char *written = put(BYTES("a\nb\r\n"), 1, 0);
    assert_string_equal(written, "a\nb\\u000d\n");
    free(written);
}

/* Text that fits is whole; what does not ends in an ellipsis in the last column. */
static void a_line_is_cut_to_its_width(void **state)
{
    (void)state;
    shows(BYTES("12345"), 5, "12345");
    shows(BYTES("123456"), 5, "1234\xe2\x80\xa6");
    shows(BYTES("123456"), 1, "\xe2\x80\xa6");
    shows(BYTES("\xc3\xa9\xc3\xa9\xc3\xa9"), 3, "\xc3\xa9\xc3\xa9\xc3\xa9");
    shows(BYTES("\xc3\xa9\xc3\xa9\xc3\xa9"), 2, "\xc3\xa9\xe2\x80\xa6");
    /* an escape is cut out whole, and a wide character takes two columns, a combining one none */
    shows(BYTES("ab\x1b"), 8, "ab\\u001b");
    shows(BYTES("abc\x1b"), 8, "abc\xe2\x80\xa6");
    shows(BYTES("a\xe6\xbc\xa2\xe6\xbc\xa2"), 5, "a\xe6\xbc\xa2\xe6\xbc\xa2");
    shows(BYTES("a\xe6\xbc\xa2\xe6\xbc\xa2"), 4, "a\xe6\xbc\xa2\xe2\x80\xa6");
    shows(BYTES("a\xe6\xbc\xa2\xe6\xbc\xa2"), 3, "a\xe2\x80\xa6");
    shows(BYTES("e\xcc\x81"
                "bc"),
          3,
          "e\xcc\x81"
          "bc");
}

/*
 * Whatever the bytes, what is written is UTF-8 without a control character, and within the
 * width.
 */
static void random_bytes_are_safe_to_show(void **state)
{
    uint64_t random = load_seed();
    (void)state;
    for (int i = 0; i < 50000; i++) {
        char text[64];
        size_t size = load_random(&random, sizeof text), width = load_random(&random, 20);
        for (size_t j = 0; j < size; j++)
            text[j] = load_random(&random, 2) ? (char)load_random(&random, 256)
                                              : "\xe2\x80\xae\xc2\x9b"[j % 5];
        char *written = put(text, size, 0, width), *again;
        for (char *at = written; *at; at++)
            assert_true((unsigned char)*at >= 0x20 && *at != 0x7f);
        again = put(written, strlen(written), 0, width);
        assert_string_equal(again, written); /* nothing more to escape, nor to cut */
        free(again);
        free(written);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(harmless_text_is_left_alone),
        cmocka_unit_test(dangerous_characters_are_escaped),
        cmocka_unit_test(each_control_character_is_escaped),
        cmocka_unit_test(invalid_utf8_is_escaped_byte_by_byte),
        cmocka_unit_test(a_newline_is_kept_on_request),
        cmocka_unit_test(a_line_is_cut_to_its_width),
        cmocka_unit_test(random_bytes_are_safe_to_show),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
