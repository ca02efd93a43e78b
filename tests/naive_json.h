/*
 * JSON of data made the plain way: msgpack-c's tree, printed by stdio, and the result made safe for
 * a terminal by the command's text_put. It is slow and shares nothing with the library: the twin
 * that its JSON is compared with.
 */
#ifndef NAIVE_JSON_H
#define NAIVE_JSON_H

#include <float.h>
#include <math.h>
#include <msgpack.h>

#include "evlog.h"
#include "test.h"
#include "text.h"

/* `indent` is 0 on one line, else the depth of what is written, counted from 1. */
static void naive_put(FILE *out, const msgpack_object *object, int indent);

static inline void naive_break(FILE *out, int indent)
{
    if (indent)
        fprintf(out, "\n%*s", (indent - 1) * 2, "");
}

/* What precedes item i of something whose depth is `indent`. Returns the depth of the item. */
static inline int naive_begin(FILE *out, uint32_t i, int indent)
{
    if (i)
        fputs(indent ? "," : ", ", out);
    naive_break(out, indent ? indent + 1 : 0);
    return indent ? indent + 1 : 0;
}

static inline void naive_string(FILE *out, const char *text, uint32_t size, const char *before)
{
    static const char special[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    fprintf(out, "\"%s", before);
    for (uint32_t i = 0; i < size; i++) {
        const char *found = text[i] ? strchr(special, text[i]) : NULL;
        if (found)
            fprintf(out, "\\%c", letters[found - special]);
        else if ((unsigned char)text[i] < 0x20)
            fprintf(out, "\\u%04x", (unsigned)text[i]);
        else
            fputc(text[i], out);
    }
    fputc('"', out);
}

static inline void naive_real(FILE *out, double value)
{
    char text[40];
    for (int digits = fabs(value) < DBL_MIN ? 1 : 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    fprintf(out, "%s%s", text, strpbrk(text, ".e") ? "" : ".0");
}

static inline void naive_base64(FILE *out, const char *bytes, uint32_t size)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    fputc('"', out);
    for (uint32_t bit = 0; bit < 8 * size || bit % 24; bit += 6) {
        unsigned digit = 0;
        for (uint32_t i = bit; i < bit + 6; i++)
            digit =
                digit << 1 | (i < 8 * size ? (unsigned char)bytes[i / 8] >> (7 - i % 8) & 1 : 0);
        fputc(bit < 8 * size ? digits[digit] : '=', out);
    }
    fputc('"', out);
}

static inline int naive_mark(FILE *out, const char *word, int indent)
{
    fputc('{', out);
    indent = naive_begin(out, 0, indent);
    fprintf(out, "\"$%s\": ", word);
    return indent;
}

static inline void naive_array(FILE *out, const msgpack_object *first, uint32_t count, int indent)
{
    fputc('[', out);
    for (uint32_t i = 0; i < count; i++)
        naive_put(out, &first[i], naive_begin(out, i, indent));
    naive_break(out, count ? indent : 0);
    fputc(']', out);
}

static inline int naive_is_object(const msgpack_object_map *map)
{
    for (uint32_t i = 0; i < map->size; i++) {
        const msgpack_object *key = &map->ptr[i].key;
        if (key->type != MSGPACK_OBJECT_STR ||
            (key->via.str.size && memchr(key->via.str.ptr, 0, key->via.str.size)))
            return 0;
        for (uint32_t j = 0; j < i; j++)
            if (msgpack_object_equal(*key, map->ptr[j].key))
                return 0;
    }
    return 1;
}

static inline const char *naive_dollar(const msgpack_object_map *map)
{
    static const char *const words[] = {"bin", "ext", "uint", "float", "map"};
    const msgpack_object_str *key = &map->ptr[0].key.via.str;
    char *copy = strndup(key->size ? key->ptr : "", key->size), *word = copy + strspn(copy, "$");
    int is_word = 0;
    for (int i = 0; i < 5; i++)
        is_word |= map->size == 1 && word > copy && strcmp(word, words[i]) == 0;
    free(copy);
    return is_word ? "$" : "";
}

static inline void naive_map(FILE *out, const msgpack_object_map *map, int indent)
{
    int is_object = naive_is_object(map), outer = indent;
    if (!is_object)
        indent = naive_mark(out, "map", indent);
    fputc(is_object ? '{' : '[', out);
    for (uint32_t i = 0; i < map->size; i++) {
        int inner = naive_begin(out, i, indent);
        const msgpack_object_str *key = &map->ptr[i].key.via.str;
        if (!is_object) {
            msgpack_object pair[] = {map->ptr[i].key, map->ptr[i].val};
            naive_array(out, pair, 2, inner);
            continue;
        }
        naive_string(out, key->ptr, key->size, naive_dollar(map));
        fputs(": ", out);
        naive_put(out, &map->ptr[i].val, inner);
    }
    naive_break(out, map->size ? indent : 0);
    fputc(is_object ? '}' : ']', out);
    naive_break(out, is_object ? 0 : outer);
    fputs(is_object ? "" : "}", out);
}

static void naive_put(FILE *out, const msgpack_object *object, int indent)
{
    double real = object->via.f64;
    switch (object->type) {
    case MSGPACK_OBJECT_NIL:
        fputs("null", out);
        return;
    case MSGPACK_OBJECT_BOOLEAN:
        fputs(object->via.boolean ? "true" : "false", out);
        return;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        fprintf(out, "%" PRId64, object->via.i64);
        return;
    case MSGPACK_OBJECT_STR:
        naive_string(out, object->via.str.ptr, object->via.str.size, "");
        return;
    case MSGPACK_OBJECT_ARRAY:
        naive_array(out, object->via.array.ptr, object->via.array.size, indent);
        return;
    case MSGPACK_OBJECT_MAP:
        naive_map(out, &object->via.map, indent);
        return;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        if (object->via.u64 <= INT64_MAX) {
            fprintf(out, "%" PRIu64, object->via.u64);
            return;
        }
        naive_mark(out, "uint", indent);
        fprintf(out, "\"%" PRIu64 "\"", object->via.u64);
        break;
    case MSGPACK_OBJECT_BIN:
        naive_mark(out, "bin", indent);
        naive_base64(out, object->via.bin.ptr, object->via.bin.size);
        break;
    case MSGPACK_OBJECT_EXT: {
        int inner = naive_mark(out, "ext", indent);
        fputc('[', out);
        naive_begin(out, 0, inner);
        fprintf(out, "%d", object->via.ext.type);
        naive_begin(out, 1, inner);
        naive_base64(out, object->via.ext.ptr, object->via.ext.size);
        naive_break(out, inner);
        fputc(']', out);
        break;
    }
    default:
        if (isfinite(real)) {
            naive_real(out, real);
            return;
        }
        naive_mark(out, "float", indent);
        fputs(isnan(real) ? "\"nan\"" : real > 0 ? "\"inf\"" : "\"-inf\"", out);
    }
    naive_break(out, indent);
    fputc('}', out);
}

/* The JSON of one MessagePack value, to be freed. */
static inline char *naive_json(const void *data, size_t size, int is_indented)
{
    msgpack_unpacked unpacked;
    char *raw, *text;
    size_t used = 0, raw_size, text_size;
    FILE *out = open_memstream(&raw, &raw_size), *safe = open_memstream(&text, &text_size);
    msgpack_unpacked_init(&unpacked);
    if (msgpack_unpack_next(&unpacked, data, size, &used) != MSGPACK_UNPACK_SUCCESS)
        fail_msg("msgpack-c does not read it");
    naive_put(out, &unpacked.data, is_indented);
    fclose(out);
    text_put(safe, raw, raw_size, 1, 0);
    fclose(safe);
    free(raw);
    msgpack_unpacked_destroy(&unpacked);
    return text;
}

#endif
