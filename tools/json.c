/*
 * MessagePack to JSON and back, so that what `evlog show -o json` prints can be sent again.
 *
 * What JSON has a word for is written with it. For the rest there is an object of one key:
 *
 *   {"$bin": "AAEC"}                   binary, base64 (RFC 4648, padded)
 *   {"$ext": [5, "AAEC"]}              extension type -128..127, its bytes
 *   {"$uint": "18446744073709551615"}  an integer above 2^63 - 1
 *   {"$float": "nan"}                  nan, inf, -inf
 *   {"$map": [[1, "a"], [1, "b"]]}     a map with keys that are no strings, repeat, or hold NUL
 *
 * A map of one key that looks like one of these has one more $ before its key: {"$bin": 1} is
 * written {"$$bin": 1}. Not kept are only the widths: a number, string or map is packed in the
 * shortest form, a 32-bit float as 64 bits of the same value, a NaN without its payload.
 *
 * Cost: a jansson tree per event, at most some 40 times the data. Depth is what the library lets
 * into a log (EVLOG_DATA_DEPTH_MAX), going in what jansson parses (2048), refused by the library
 * afterwards.
 */
#include "json.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const words[] = {"bin", "ext", "uint", "float", "map"};

/* Whether a key is one of the words with one $ or more before it; *dollars says how many. */
static int is_marked(const char *key, size_t size, size_t *dollars)
{
    size_t count = 0;
    while (count < size && key[count] == '$')
        count++;
    *dollars = count;
    for (size_t i = 0; count && i < sizeof words / sizeof *words; i++)
        if (size - count == strlen(words[i]) && memcmp(key + count, words[i], size - count) == 0)
            return 1;
    return 0;
}

/* -------------------------------------------------------------------- base64 ---- */

static const char digits64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static json_t *base64_of(const char *bytes, size_t size)
{
    size_t text_size = (size + 2) / 3 * 4;
    char *text = malloc(text_size + 1);
    if (!text)
        return NULL;
    for (size_t i = 0, o = 0; i < size; i += 3, o += 4) {
        uint32_t group = (uint32_t)(unsigned char)bytes[i] << 16;
        if (i + 1 < size)
            group |= (uint32_t)(unsigned char)bytes[i + 1] << 8;
        if (i + 2 < size)
            group |= (unsigned char)bytes[i + 2];
        text[o] = digits64[group >> 18];
        text[o + 1] = digits64[group >> 12 & 63];
        text[o + 2] = i + 1 < size ? digits64[group >> 6 & 63] : '=';
        text[o + 3] = i + 2 < size ? digits64[group & 63] : '=';
    }
    json_t *json = json_stringn(text, text_size);
    free(text);
    return json;
}

/* The bytes of base64 text, malloc'd, or NULL. Takes one form only: padded, spare bits zero. */
static char *bytes_of_base64(const json_t *json, size_t *size)
{
    const char *text = json_string_value(json);
    size_t text_size = json_string_length(json);
    if (!text || text_size % 4)
        return NULL;
    size_t padding =
        text_size == 0 ? 0 : (text[text_size - 1] == '=') + (text[text_size - 2] == '=');
    char *bytes = malloc(text_size / 4 * 3 + 1);
    if (!bytes)
        return NULL;
    *size = text_size / 4 * 3 - padding;
    uint32_t group = 0;
    for (size_t i = 0; i < text_size; i++) {
        const char *digit = text[i] ? strchr(digits64, text[i]) : NULL;
        int is_padding = text[i] == '=' && i >= text_size - padding;
        if (!digit && !is_padding) {
            free(bytes);
            return NULL;
        }
        group = group << 6 | (is_padding ? 0 : (uint32_t)(digit - digits64));
        if (i % 4 == 3) {
            for (size_t j = 0; j < 3; j++)
                bytes[i / 4 * 3 + j] = (char)(group >> (16 - 8 * j));
            if (i + 1 == text_size && group & (padding == 2 ? 0xffff : padding ? 0xff : 0)) {
                free(bytes);
                return NULL;
            }
            group = 0;
        }
    }
    return bytes;
}

/* ---------------------------------------------------------- MessagePack to JSON ---- */

static json_t *of_object(const msgpack_object *object);

/* {"$word": value}; takes the value over, which may be NULL. */
static json_t *marked(const char *key, json_t *value)
{
    json_t *json = json_object();
    if (json_object_set_new(json, key, value)) {
        json_decref(json);
        return NULL;
    }
    return json;
}

static json_t *of_real(double value)
{
    if (isnan(value) || isinf(value))
        return marked("$float", json_string(isnan(value) ? "nan" : value > 0 ? "inf" : "-inf"));
    return json_real(value);
}

static json_t *of_uint(uint64_t value)
{
    char text[24];
    if (value <= INT64_MAX)
        return json_integer((json_int_t)value);
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    return marked("$uint", json_string(text));
}

static json_t *of_ext(const msgpack_object_ext *ext)
{
    json_t *pair = json_array();
    if (json_array_append_new(pair, json_integer(ext->type)) ||
        json_array_append_new(pair, base64_of(ext->ptr, ext->size))) {
        json_decref(pair);
        return NULL;
    }
    return marked("$ext", pair);
}

static json_t *of_array(const msgpack_object_array *array)
{
    json_t *json = json_array();
    for (uint32_t i = 0; json && i < array->size; i++)
        if (json_array_append_new(json, of_object(&array->ptr[i]))) {
            json_decref(json);
            return NULL;
        }
    return json;
}

/* A map that JSON's object cannot hold, as pairs. */
static json_t *of_pairs(const msgpack_object_map *map)
{
    json_t *pairs = json_array();
    for (uint32_t i = 0; pairs && i < map->size; i++) {
        json_t *pair = json_array();
        if (json_array_append_new(pair, of_object(&map->ptr[i].key)) ||
            json_array_append_new(pair, of_object(&map->ptr[i].val)) ||
            json_array_append(pairs, pair)) {
            json_decref(pair);
            json_decref(pairs);
            return NULL;
        }
        json_decref(pair);
    }
    return marked("$map", pairs);
}

/* msgpack-c gives an empty string NULL when nothing of a length came before it. */
static const char *start_of(const msgpack_object_str *text)
{
    return text->ptr ? text->ptr : "";
}

/*
 * Puts the keys of a map, with nulls, into a new object. 0: no object can hold them, some being
 * no strings, or holding NUL, or coming twice. Before any value is looked at: a map that turned
 * out to be pairs after its values were made would have them made twice, and theirs four times.
 */
static int take_keys(const msgpack_object_map *map, json_t *json)
{
    for (uint32_t i = 0; i < map->size; i++) {
        const msgpack_object *key = &map->ptr[i].key;
        const char *text = start_of(&key->via.str);
        if (key->type != MSGPACK_OBJECT_STR || memchr(text, 0, key->via.str.size) ||
            json_object_setn_new(json, text, key->via.str.size, json_null()))
            return 0;
    }
    return json_object_size(json) == map->size;
}

/* {key: value} where the key looks like a mark: it gets one more $. Takes the value over. */
static json_t *longer_marked(const msgpack_object_str *key, json_t *value)
{
    char *longer = malloc(key->size + 2);
    if (!longer) {
        json_decref(value);
        return NULL;
    }
    *longer = '$';
    memcpy(longer + 1, key->ptr, key->size);
    longer[key->size + 1] = 0;
    json_t *json = marked(longer, value);
    free(longer);
    return json;
}

static json_t *of_map(const msgpack_object_map *map)
{
    json_t *json = json_object();
    size_t dollars;
    if (!take_keys(map, json)) {
        json_decref(json);
        return of_pairs(map);
    }
    for (uint32_t i = 0; i < map->size; i++) {
        const msgpack_object_str *key = &map->ptr[i].key.via.str;
        json_t *value = of_object(&map->ptr[i].val);
        if (map->size == 1 && is_marked(start_of(key), key->size, &dollars)) {
            json_decref(json);
            return longer_marked(key, value);
        }
        if (json_object_setn_new(json, start_of(key), key->size, value)) {
            json_decref(json);
            return NULL;
        }
    }
    return json;
}

static json_t *of_object(const msgpack_object *object)
{
    switch (object->type) {
    case MSGPACK_OBJECT_NIL:
        return json_null();
    case MSGPACK_OBJECT_BOOLEAN:
        return json_boolean(object->via.boolean);
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        return of_uint(object->via.u64);
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return json_integer(object->via.i64);
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return of_real(object->via.f64);
    case MSGPACK_OBJECT_STR:
        return json_stringn(start_of(&object->via.str), object->via.str.size);
    case MSGPACK_OBJECT_BIN:
        return marked("$bin", base64_of(object->via.bin.ptr, object->via.bin.size));
    case MSGPACK_OBJECT_EXT:
        return of_ext(&object->via.ext);
    case MSGPACK_OBJECT_ARRAY:
        return of_array(&object->via.array);
    case MSGPACK_OBJECT_MAP:
        return of_map(&object->via.map);
    }
    return NULL;
}

json_t *json_of_data(const void *data, size_t size)
{
    msgpack_unpacked unpacked;
    size_t used = 0;
    json_t *json = NULL;
    msgpack_unpacked_init(&unpacked);
    if (msgpack_unpack_next(&unpacked, data, size, &used) == MSGPACK_UNPACK_SUCCESS)
        json = of_object(&unpacked.data);
    msgpack_unpacked_destroy(&unpacked);
    return json;
}

/* ---------------------------------------------------------- JSON to MessagePack ---- */

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
        return wrong(packing, "{\"$bin\": ...} wants base64");
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
        return wrong(packing, "{\"$ext\": ...} wants [type from -128 to 127, base64]");
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
        return wrong(packing, "{\"$uint\": ...} wants a string of digits, below 2^64");
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
    return wrong(packing, "{\"$float\": ...} wants \"nan\", \"inf\" or \"-inf\"");
}

static int pack_pairs(struct packing *packing, const json_t *value)
{
    size_t count = json_array_size(value);
    if (!json_is_array(value))
        return wrong(packing, "{\"$map\": ...} wants [[key, value], ...]");
    if (msgpack_pack_map(&packing->packer, count))
        return wrong(packing, "out of memory");
    for (size_t i = 0; i < count; i++) {
        const json_t *pair = json_array_get(value, i);
        if (json_array_size(pair) != 2)
            return wrong(packing, "{\"$map\": ...} wants [[key, value], ...]");
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
    size_t count = json_object_size(json), dollars = 0;
    json_t *value, *object = (json_t *)json; /* jansson's iterators want it so */
    const char *key = count == 1 ? json_object_iter_key(json_object_iter(object)) : "";
    size_t is_word = (size_t)is_marked(key, strlen(key), &dollars);
    if (is_word && dollars == 1)
        return pack_marked(packing, key + 1, json_object_get(json, key));
    if (msgpack_pack_map(&packing->packer, count))
        return wrong(packing, "out of memory");
    json_object_foreach(object, key,
                        value) if (pack_text(packing, key + is_word, strlen(key) - is_word) ||
                                   pack(packing, value)) return -1;
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

int data_of_text(const char *text, size_t size, msgpack_sbuffer *data, char *why, size_t why_size)
{
    json_error_t error;
    json_t *json =
        json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (!json) {
        int is_large = strncmp(error.text, "too big integer", 15) == 0;
        snprintf(why, why_size, "not JSON: %s, at byte %d%s", error.text, error.position,
                 is_large ? " (above 2^63 - 1: write {\"$uint\": \"...\"})" : "");
        return -1;
    }
    int result = -1;
    if (!json_is_object(json))
        snprintf(why, why_size, "an event's data is a JSON object: {\"key\": value, ...}");
    else
        result = data_of_json(json, data, why, why_size);
    json_decref(json);
    return result;
}
