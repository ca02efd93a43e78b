/*
 * MessagePack from JSON: what evlog_data_json writes is read back as the same data.
 *
 * The objects of one key for what JSON does not have ({"$bin": ...} and the others, and the
 * additional $) are listed in evlog/value.h. Only widths are not kept: a number, string or map is
 * packed in its shortest form, a 32-bit float as 64 bits of the same value, a NaN without payload.
 *
 * Cost: a jansson tree per event. Jansson parses up to 2048 levels; the library then refuses what
 * is over EVLOG_DATA_DEPTH_MAX.
 */
#include "json.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const words[] = {"bin", "ext", "uint", "float", "map"};

/* Whether a key is one of the words with one $ or more before it; *dollars says how many. */
static bool is_marked(const char *key, size_t *dollars)
{
    *dollars = strspn(key, "$");
    for (size_t i = 0; *dollars && i < sizeof words / sizeof *words; i++)
        if (strcmp(key + *dollars, words[i]) == 0)
            return true;
    return false;
}

/* -------------------------------------------------------------------- base64 ---- */

/* The bytes of four digits, and how many; -1: they are not base64, or spare bits are not zero. */
static int read_group(const char *text, bool is_last, unsigned char bytes[3])
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    static const uint32_t spare[] = {0, 0xff, 0xffff};
    int padding = !is_last || text[3] != '=' ? 0 : text[2] != '=' ? 1 : 2;
    uint32_t group = 0;
    for (int i = 0; i < 4 - padding; i++) {
        const char *digit = text[i] ? strchr(digits, text[i]) : NULL;
        if (!digit)
            return -1;
        group |= (uint32_t)(digit - digits) << (18 - 6 * i);
    }
    for (int i = 0; i < 3; i++)
        bytes[i] = (unsigned char)(group >> (16 - 8 * i));
    return group & spare[padding] ? -1 : 3 - padding;
}

/* The bytes of base64 text, malloc'd; NULL: it is not padded base64, or no memory. */
static char *bytes_of_base64(const json_t *json, size_t *size)
{
    const char *text = json_string_value(json);
    size_t text_size = json_string_length(json);
    if (!text || text_size % 4)
        return NULL;
    char *bytes = malloc(text_size / 4 * 3 + 1);
    *size = 0;
    for (size_t i = 0; bytes && i < text_size; i += 4) {
        int count = read_group(text + i, i + 4 == text_size, (unsigned char *)bytes + *size);
        if (count < 0) {
            free(bytes);
            return NULL;
        }
        *size += (size_t)count;
    }
    return bytes;
}

/* -------------------------------------------------------------------- packing ---- */

struct packing {
    msgpack_packer packer;
    char *why;
    size_t why_size;
};

static int pack(struct packing *packing, const json_t *json);

static int wrong(struct packing *packing, const char *why)
{
    snprintf(packing->why, packing->why_size, "%s", why);
    return -1;
}

static int pack_text(struct packing *packing, const char *text, size_t size)
{
    return msgpack_pack_str_with_body(&packing->packer, text, size)
               ? wrong(packing, "out of memory")
               : 0;
}

static int pack_bin(struct packing *packing, const json_t *value)
{
    size_t size;
    char *bytes = bytes_of_base64(value, &size);
    if (!bytes)
        return wrong(packing, "{\"$bin\": ...} needs base64");
    int failed = msgpack_pack_bin_with_body(&packing->packer, bytes, size);
    free(bytes);
    return failed ? wrong(packing, "out of memory") : 0;
}

static int pack_ext(struct packing *packing, const json_t *value)
{
    const json_t *type = json_array_get(value, 0);
    size_t size;
    char *bytes = bytes_of_base64(json_array_get(value, 1), &size);
    if (!bytes || json_array_size(value) != 2 || !json_is_integer(type) ||
        json_integer_value(type) < -128 || json_integer_value(type) > 127) {
        free(bytes);
        return wrong(packing, "{\"$ext\": ...} needs [type from -128 to 127, base64]");
    }
    int failed = msgpack_pack_ext_with_body(&packing->packer, bytes, size,
                                            (int8_t)json_integer_value(type));
    free(bytes);
    return failed ? wrong(packing, "out of memory") : 0;
}

static int pack_uint(struct packing *packing, const json_t *value)
{
    const char *text = json_is_string(value) ? json_string_value(value) : "";
    size_t size = json_string_length(value);
    errno = 0;
    unsigned long long number = strtoull(text, NULL, 10);
    if (!size || strspn(text, "0123456789") != size || errno)
        return wrong(packing, "{\"$uint\": ...} needs a string of digits, below 2^64");
    return msgpack_pack_uint64(&packing->packer, number) ? wrong(packing, "out of memory") : 0;
}

static int pack_float(struct packing *packing, const json_t *value)
{
    static const struct {
        const char *text;
        double value;
    } table[] = {{"nan", NAN}, {"inf", INFINITY}, {"-inf", -INFINITY}};
    const char *text = json_is_string(value) ? json_string_value(value) : "";
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(text, table[i].text) == 0 && strlen(text) == json_string_length(value))
            return msgpack_pack_double(&packing->packer, table[i].value)
                       ? wrong(packing, "out of memory")
                       : 0;
    return wrong(packing, "{\"$float\": ...} needs \"nan\", \"inf\" or \"-inf\"");
}

static int pack_pairs(struct packing *packing, const json_t *value)
{
    size_t count = json_array_size(value);
    if (!json_is_array(value))
        return wrong(packing, "{\"$map\": ...} needs [[key, value], ...]");
    if (msgpack_pack_map(&packing->packer, count))
        return wrong(packing, "out of memory");
    for (size_t i = 0; i < count; i++) {
        const json_t *pair = json_array_get(value, i);
        if (json_array_size(pair) != 2)
            return wrong(packing, "{\"$map\": ...} needs [[key, value], ...]");
        if (pack(packing, json_array_get(pair, 0)) || pack(packing, json_array_get(pair, 1)))
            return -1;
    }
    return 0;
}

static int pack_marked(struct packing *packing, const char *word, const json_t *value)
{
    static int (*const packers[])(struct packing *, const json_t *) = {
        pack_bin, pack_ext, pack_uint, pack_float, pack_pairs};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(word, words[i]) == 0)
            return packers[i](packing, value);
    return -1;
}

static int pack_object(struct packing *packing, const json_t *json)
{
    size_t dollars = 0;
    json_t *object = (json_t *)json; /* jansson's iterators take no const */
    void *at = json_object_iter(object);
    bool has_mark = json_object_size(json) == 1 && is_marked(json_object_iter_key(at), &dollars);
    if (has_mark && dollars == 1)
        return pack_marked(packing, json_object_iter_key(at) + 1, json_object_iter_value(at));
    if (msgpack_pack_map(&packing->packer, json_object_size(json)))
        return wrong(packing, "out of memory");
    for (; at; at = json_object_iter_next(object, at)) {
        const char *key = json_object_iter_key(at) + has_mark;
        if (pack_text(packing, key, strlen(key)) || pack(packing, json_object_iter_value(at)))
            return -1;
    }
    return 0;
}

static int pack_array(struct packing *packing, const json_t *json)
{
    if (msgpack_pack_array(&packing->packer, json_array_size(json)))
        return wrong(packing, "out of memory");
    for (size_t i = 0; i < json_array_size(json); i++)
        if (pack(packing, json_array_get(json, i)))
            return -1;
    return 0;
}

static int pack(struct packing *packing, const json_t *json)
{
    int failed = 0;
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        return pack_object(packing, json);
    case JSON_ARRAY:
        return pack_array(packing, json);
    case JSON_STRING:
        return pack_text(packing, json_string_value(json), json_string_length(json));
    case JSON_INTEGER:
        failed = msgpack_pack_int64(&packing->packer, json_integer_value(json));
        break;
    case JSON_REAL:
        failed = msgpack_pack_double(&packing->packer, json_real_value(json));
        break;
    case JSON_TRUE:
        failed = msgpack_pack_true(&packing->packer);
        break;
    case JSON_FALSE:
        failed = msgpack_pack_false(&packing->packer);
        break;
    case JSON_NULL:
        failed = msgpack_pack_nil(&packing->packer);
        break;
    }
    return failed ? wrong(packing, "out of memory") : 0;
}

int data_of_json(const json_t *json, msgpack_sbuffer *data, char *why, size_t why_size)
{
    struct packing packing = {.why = why, .why_size = why_size};
    msgpack_packer_init(&packing.packer, data, msgpack_sbuffer_write);
    return pack(&packing, json);
}

/* -------------------------------------------------------------------- mending ---- */

/* The code unit of the escape \\uXXXX at `text`; -1: there is none. */
static int unit_at(const char *text, const char *end)
{
    char digits[5] = "";
    if (end - text < 6 || text[0] != '\\' || text[1] != 'u')
        return -1;
    memcpy(digits, text + 2, 4);
    return strspn(digits, "0123456789abcdefABCDEF") == 4 ? (int)strtol(digits, NULL, 16) : -1;
}

/* How much of a string's text at `at` stays as it is; 0: it is half a pair. */
static size_t whole_at(const char *at, const char *end)
{
    int unit = unit_at(at, end);
    if (unit >= 0xd800 && unit < 0xdc00) {
        int next = unit_at(at + 6, end);
        return next >= 0xdc00 && next < 0xe000 ? 12 : 0;
    }
    if (unit >= 0xdc00 && unit < 0xe000)
        return 0;
    return unit >= 0 ? 6 : *at == '\\' && end - at > 1 ? 2 : 1;
}

/* The word at `at` that JSON does not have, and what stands for it; NULL: none. */
static const char *wordless(const char *at, const char *end, size_t *size)
{
    static const char *const table[][2] = {{"NaN", "{\"$float\": \"nan\"}"},
                                           {"Infinity", "{\"$float\": \"inf\"}"},
                                           {"-Infinity", "{\"$float\": \"-inf\"}"}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        *size = strlen(table[i][0]);
        if ((size_t)(end - at) >= *size && memcmp(at, table[i][0], *size) == 0)
            return table[i][1];
    }
    return NULL;
}

char *json_mended(const char *text, size_t *size)
{
    const char *end = text + *size;
    char *mended = NULL;
    size_t mended_size = 0, count = 0;
    FILE *out = open_memstream(&mended, &mended_size);
    bool is_string = false;
    if (!out)
        return NULL;
    for (const char *at = text; at < end;) {
        size_t kept = is_string ? whole_at(at, end) : 1, word_size = 6;
        const char *word = is_string ? (kept ? NULL : "\\ufffd") : wordless(at, end, &word_size);
        is_string ^= *at == '"';
        if (word)
            fputs(word, out);
        else
            fwrite(at, 1, kept, out);
        count += word != NULL;
        at += word ? word_size : kept;
    }
    if (fclose(out) || !count) {
        free(mended);
        return NULL;
    }
    *size = mended_size;
    return mended;
}

json_t *json_of_text(const char *text, size_t size, char *why, size_t why_size)
{
    json_error_t error;
    json_t *json =
        json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (!json) {
        int is_large = strncmp(error.text, "too big integer", 15) == 0;
        snprintf(why, why_size, "not JSON: %s, at byte %d%s", error.text, error.position,
                 is_large ? " (above 2^63 - 1: write {\"$uint\": \"...\"})" : "");
    }
    return json;
}

/* Whether it has the keys of an event as it is shown. */
static bool is_event(const json_t *json)
{
    static const char *const keys[] = {"id", "type", "minorversion", "time", "sourcelib", "data"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (!json_object_get(json, keys[i]))
            return false;
    return true;
}

static void add_hint(const char *text, size_t size, char *why, size_t why_size)
{
    size_t length = strlen(why);
    char *mended = json_mended(text, &size), ignored[256];
    json_t *json = mended ? json_of_text(mended, size, ignored, sizeof ignored) : NULL;
    if (json)
        snprintf(why + length, why_size - length, " (--lenient takes it, see evlog help send)");
    json_decref(json);
    free(mended);
}

int data_of_mended_text(const char *text, size_t size, msgpack_sbuffer *data, char *why,
                        size_t why_size)
{
    char *mended = json_mended(text, &size);
    int result = data_of_text(mended ? mended : text, size, data, why, why_size);
    free(mended);
    return result;
}

int data_of_text(const char *text, size_t size, msgpack_sbuffer *data, char *why, size_t why_size)
{
    int result = -1;
    json_t *json = json_of_text(text, size, why, why_size);
    if (!json) {
        add_hint(text, size, why, why_size);
        return -1;
    }
    if (!json_is_object(json))
        snprintf(why, why_size, "an event's data is a JSON object: {\"key\": value, ...}");
    else if (is_event(json))
        snprintf(why, why_size,
                 "a whole event, as evlog show prints it, and not an event's data: evlog import "
                 "takes it");
    else
        result = data_of_json(json, data, why, why_size);
    json_decref(json);
    return result;
}
