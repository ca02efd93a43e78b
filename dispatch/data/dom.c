/*
 * JSON text as a tree, for schemas and the defaults in them.
 *
 * It is RFC 8259, strictly: UTF-8, no comments, nothing after the value, surrogates in pairs only.
 * The library has its own parser because it links no JSON library (jansson is the command's) and
 * because the text in a log may come from anywhere: some hundred lines with a fuzz target are less
 * to maintain than a dependency.
 *
 * It makes a tree, not a stream of tokens, because the attributes of an Avro record come in any
 * order: sorted keys put "fields" before "type".
 *
 * Cost: a node of 80 bytes for each value, in an arena. Depth is limited, and so is recursion.
 */
#include "dom.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "hex.h"
#include "pack.h"

#define DOM_DEPTH_MAX 64
#define TEXT_ARENA_SIZE_MAX ((size_t)64 << 20)

struct parser {
    const char *start, *at, *end;
    evlog_arena *arena;
    int depth;
};

static int wrong(const struct parser *parser, const char *why)
{
    return error_set(EVLOG_INVALID, "not JSON: byte %td: %s", parser->at - parser->start, why);
}

static void skip_blanks(struct parser *parser)
{
    while (parser->at < parser->end && *parser->at && strchr(" \t\r\n", *parser->at))
        parser->at++;
}

/* Skips blanks, and `sign` after them. 0: something else follows. */
static int takes(struct parser *parser, char sign)
{
    skip_blanks(parser);
    if (parser->at == parser->end || *parser->at != sign)
        return 0;
    parser->at++;
    return 1;
}

/* -------------------------------------------------------------- strings ---- */

/* The four hex digits of \uXXXX; -1: they are not hex digits. */
static int get_unit(struct parser *parser)
{
    int unit = 0;
    if (parser->end - parser->at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_value(*parser->at++);
        if (digit < 0)
            return -1;
        unit = unit << 4 | digit;
    }
    return unit;
}

static char *put_utf8(char *out, unsigned code)
{
    if (code < 0x80) {
        *out++ = (char)code;
        return out;
    }
    int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const unsigned char leads[] = {0, 0xc0, 0xe0, 0xf0};
    *out++ = (char)(leads[more] | code >> 6 * more);
    while (more-- > 0)
        *out++ = (char)(0x80 | (code >> 6 * more & 0x3f));
    return out;
}

static int get_unicode(struct parser *parser, char **out)
{
    int unit = get_unit(parser);
    if (unit < 0 || (unit >= 0xdc00 && unit <= 0xdfff))
        return wrong(parser, "an invalid \\u escape");
    unsigned code = (unsigned)unit;
    if (unit >= 0xd800 && unit <= 0xdbff) {
        if (parser->end - parser->at < 2 || *parser->at++ != '\\' || *parser->at++ != 'u')
            return wrong(parser, "half a surrogate pair");
        int low = get_unit(parser);
        if (low < 0xdc00 || low > 0xdfff)
            return wrong(parser, "half a surrogate pair");
        code = 0x10000 + ((code - 0xd800) << 10) + ((unsigned)low - 0xdc00);
    }
    *out = put_utf8(*out, code);
    return EVLOG_OK;
}

static int get_escape(struct parser *parser, char **out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char c = parser->at < parser->end ? *parser->at++ : '\0';
    const char *found = c ? strchr(from, c) : NULL;
    if (c == 'u')
        return get_unicode(parser, out);
    if (!found)
        return wrong(parser, "an unknown escape");
    *(*out)++ = to[found - from];
    return EVLOG_OK;
}

/* A string, after its opening quote. Without its escapes it is never longer than with them. */
static int get_string(struct parser *parser, const char **text, size_t *size)
{
    const char *begin = parser->at;
    while (parser->at < parser->end && *parser->at != '"')
        parser->at += *parser->at == '\\' && parser->end - parser->at > 1 ? 2 : 1;
    if (parser->at >= parser->end)
        return wrong(parser, "a string is not closed");
    char *copy = arena_get(parser->arena, (size_t)(parser->at - begin) + 1), *out = copy;
    if (!copy)
        return arena_failure(parser->arena);
    for (parser->at = begin; *parser->at != '"';) {
        unsigned char c = (unsigned char)*parser->at++;
        int result = EVLOG_OK;
        if (c < 0x20)
            return wrong(parser, "a control character in a string");
        if (c == '\\')
            result = get_escape(parser, &out);
        else
            *out++ = (char)c;
        if (result)
            return result;
    }
    parser->at++;
    *text = copy;
    *size = (size_t)(out - copy);
    return EVLOG_OK;
}

/* --------------------------------------------------------------- values ---- */

static int get_value(struct parser *parser, struct json **value);

static size_t count_digits(struct parser *parser)
{
    const char *begin = parser->at;
    while (parser->at < parser->end && *parser->at >= '0' && *parser->at <= '9')
        parser->at++;
    return (size_t)(parser->at - begin);
}

static int is_next(const struct parser *parser, const char *signs)
{
    return parser->at < parser->end && *parser->at && strchr(signs, *parser->at);
}

static int get_number(struct parser *parser)
{
    if (is_next(parser, "-"))
        parser->at++;
    int has_zero = is_next(parser, "0");
    size_t digits = count_digits(parser);
    if (digits == 0 || (has_zero && digits > 1))
        return wrong(parser, "a value is expected");
    if (is_next(parser, ".")) {
        parser->at++;
        if (!count_digits(parser))
            return wrong(parser, "no digit follows the point");
    }
    if (is_next(parser, "eE")) {
        parser->at++;
        if (is_next(parser, "+-"))
            parser->at++;
        if (!count_digits(parser))
            return wrong(parser, "no digit in the exponent");
    }
    return EVLOG_OK;
}

static int get_word(struct parser *parser, const char *word)
{
    size_t size = strlen(word);
    if ((size_t)(parser->end - parser->at) < size || memcmp(parser->at, word, size) != 0)
        return wrong(parser, "a value is expected");
    parser->at += size;
    return EVLOG_OK;
}

/* One member or item. */
static int get_item(struct parser *parser, int is_object, struct json **item)
{
    const char *key = NULL;
    size_t key_size = 0;
    int result = EVLOG_OK;
    if (is_object) {
        if (!takes(parser, '"'))
            return wrong(parser, "a key is expected");
        result = get_string(parser, &key, &key_size);
        if (result == EVLOG_OK && !takes(parser, ':'))
            result = wrong(parser, "a colon is expected");
    }
    if (result == EVLOG_OK)
        result = get_value(parser, item);
    if (result)
        return result;
    (*item)->key = key;
    (*item)->key_size = key_size;
    return EVLOG_OK;
}

static int get_items(struct parser *parser, struct json *parent, char end)
{
    struct json **place = &parent->first;
    if (takes(parser, end))
        return EVLOG_OK;
    do {
        int result = get_item(parser, parent->kind == JSON_OBJECT, place);
        if (result)
            return result;
        place = &(*place)->next;
        parent->size++;
    } while (takes(parser, ','));
    return takes(parser, end) ? EVLOG_OK
                              : wrong(parser, "a comma or a closing bracket is expected");
}

static int get_container(struct parser *parser, struct json *value, char end)
{
    if (parser->depth == DOM_DEPTH_MAX)
        return error_set(EVLOG_LIMIT, "JSON: more than %d objects and arrays inside each other",
                         DOM_DEPTH_MAX);
    parser->at++;
    parser->depth++;
    value->kind = end == '}' ? JSON_OBJECT : JSON_ARRAY;
    int result = get_items(parser, value, end);
    parser->depth--;
    return result;
}

static int get_content(struct parser *parser, struct json *value)
{
    char first = parser->at < parser->end ? *parser->at : '\0';
    switch (first) {
    case '{':
        return get_container(parser, value, '}');
    case '[':
        return get_container(parser, value, ']');
    case '"':
        parser->at++;
        value->kind = JSON_STRING;
        return get_string(parser, &value->text, &value->size);
    case 't':
    case 'f':
        value->kind = JSON_BOOLEAN;
        return get_word(parser, first == 't' ? "true" : "false");
    case 'n':
        value->kind = JSON_NULL;
        return get_word(parser, "null");
    default:
        value->kind = JSON_NUMBER;
        return get_number(parser);
    }
}

static int get_value(struct parser *parser, struct json **made)
{
    struct json *value = arena_get(parser->arena, sizeof *value);
    if (!value)
        return arena_failure(parser->arena);
    skip_blanks(parser);
    value->raw = parser->at;
    int result = get_content(parser, value);
    value->raw_size = (size_t)(parser->at - value->raw);
    *made = value;
    return result;
}

int dom_parse(const char *text, size_t size, evlog_arena *arena, const struct json **root)
{
    struct parser parser = {.start = text, .at = text, .end = text + size, .arena = arena};
    struct json *value = NULL;
    if (!pack_is_utf8(text, size))
        return error_set(EVLOG_INVALID, "not JSON: it is not UTF-8");
    int result = get_value(&parser, &value);
    skip_blanks(&parser);
    if (result == EVLOG_OK && parser.at != parser.end)
        result = wrong(&parser, "something follows the value");
    if (result == EVLOG_OK)
        *root = value;
    return result;
}

const struct json *dom_get(const struct json *object, const char *key)
{
    const struct json *found = NULL;
    if (object->kind != JSON_OBJECT)
        return NULL;
    for (const struct json *item = object->first; item; item = item->next)
        if (item->key_size == strlen(key) && memcmp(item->key, key, item->key_size) == 0)
            found = item;
    return found;
}

/* ------------------------------------------------------- as MessagePack ---- */

/* Reads a number whatever the decimal point of the program's locale is. */
static double double_of(const char *text)
{
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    double value = plain ? strtod_l(text, NULL, plain) : NAN;
    if (plain)
        freelocale(plain);
    return value;
}

/* An integer in the range of int64 as such, every other number as a double. */
static void pack_number(const struct json *json, struct bytes *bytes)
{
    char text[400], *end;
    size_t size = json->raw_size < sizeof text - 1 ? json->raw_size : sizeof text - 1;
    memcpy(text, json->raw, size);
    text[size] = '\0';
    double value = double_of(text);
    long long whole = strtoll(text, &end, 10);
    if (*end == '\0' && fabs(value) < 9.2e18)
        msgpack_pack_int64(&bytes->packer, whole);
    else
        msgpack_pack_double(&bytes->packer, value);
}

static void put_json(const struct json *json, struct bytes *bytes)
{
    msgpack_packer *packer = &bytes->packer;
    switch (json->kind) {
    case JSON_NULL:
        msgpack_pack_nil(packer);
        break;
    case JSON_BOOLEAN:
        if (*json->raw == 't')
            msgpack_pack_true(packer);
        else
            msgpack_pack_false(packer);
        break;
    case JSON_NUMBER:
        pack_number(json, bytes);
        break;
    case JSON_STRING:
        msgpack_pack_str_with_body(packer, json->text, json->size);
        break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        if (json->kind == JSON_ARRAY)
            msgpack_pack_array(packer, json->size);
        else
            msgpack_pack_map(packer, json->size);
        for (const struct json *item = json->first; item; item = item->next) {
            if (json->kind == JSON_OBJECT)
                msgpack_pack_str_with_body(packer, item->key, item->key_size);
            put_json(item, bytes);
        }
    }
}

int dom_pack_text(const char *text, struct bytes *bytes)
{
    const struct json *json;
    evlog_arena *arena = arena_new(512, TEXT_ARENA_SIZE_MAX);
    int result = arena ? dom_parse(text, strlen(text), arena, &json) : error_nomem();
    if (result == EVLOG_OK)
        put_json(json, bytes);
    evlog_arena_free(arena);
    return result == EVLOG_OK && bytes->is_full ? error_nomem() : result;
}
