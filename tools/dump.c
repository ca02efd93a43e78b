/*
 * JSON values as text. Jansson writes all reals of a value with one precision; here each one has
 * the digits it needs to come back the same and no more, so that 0.1 is 0.1 beside
 * 0.30000000000000004. The rest is as json.dumps of Python has it: a blank after a colon and, on
 * one line, after a comma; keys in their order; text as it is, but for the quote, the backslash
 * and control characters below 0x20.
 */
#include "dump.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_string(FILE *out, const char *text, size_t size)
{
    static const char special[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    size_t from = 0;
    fputc('"', out);
    for (size_t i = 0; i < size; i++) {
        const char *found = text[i] ? strchr(special, text[i]) : NULL;
        if (!found && (unsigned char)text[i] >= 0x20)
            continue;
        fwrite(text + from, 1, i - from, out);
        from = i + 1;
        if (found)
            fprintf(out, "\\%c", letters[found - special]);
        else
            fprintf(out, "\\u%04x", (unsigned)text[i]);
    }
    fwrite(text + from, 1, size - from, out);
    fputc('"', out);
}

/*
 * Fewer than 15 digits never need a try of their own: %g leaves trailing zeros out, and every
 * number of 15 digits survives the way through a double. But for the subnormal ones.
 */
static void put_real(FILE *out, double value)
{
    char text[40];
    for (int digits = fabs(value) < DBL_MIN ? 1 : 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    fprintf(out, "%s%s", text, strpbrk(text, ".e") ? "" : ".0");
}

static void put_break(FILE *out, int indent)
{
    if (indent)
        fprintf(out, "\n%*s", (indent - 1) * 2, "");
}

/* `indent` is 0 on one line, else how deep `json` stands, counted from 1. */
static void put(FILE *out, const json_t *json, int indent);

static void put_array(FILE *out, const json_t *json, int indent)
{
    fputc('[', out);
    for (size_t i = 0; i < json_array_size(json); i++) {
        if (i)
            fputs(indent ? "," : ", ", out);
        put_break(out, indent ? indent + 1 : 0);
        put(out, json_array_get(json, i), indent ? indent + 1 : 0);
    }
    if (json_array_size(json))
        put_break(out, indent);
    fputc(']', out);
}

static void put_object(FILE *out, const json_t *json, int indent)
{
    json_t *object = (json_t *)json; /* jansson's iterators want it so */
    const char *separator = "";
    fputc('{', out);
    for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at)) {
        fputs(separator, out);
        separator = indent ? "," : ", ";
        put_break(out, indent ? indent + 1 : 0);
        put_string(out, json_object_iter_key(at), json_object_iter_key_len(at));
        fputs(": ", out);
        put(out, json_object_iter_value(at), indent ? indent + 1 : 0);
    }
    if (json_object_size(json))
        put_break(out, indent);
    fputc('}', out);
}

static void put(FILE *out, const json_t *json, int indent)
{
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        put_object(out, json, indent);
        break;
    case JSON_ARRAY:
        put_array(out, json, indent);
        break;
    case JSON_STRING:
        put_string(out, json_string_value(json), json_string_length(json));
        break;
    case JSON_INTEGER:
        fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(json));
        break;
    case JSON_REAL:
        put_real(out, json_real_value(json));
        break;
    case JSON_TRUE:
        fputs("true", out);
        break;
    case JSON_FALSE:
        fputs("false", out);
        break;
    case JSON_NULL:
        fputs("null", out);
        break;
    }
}

char *dump_json(const json_t *json, int is_indented)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    put(out, json, is_indented);
    int failed = ferror(out);
    if (fclose(out) || failed) {
        free(text);
        return NULL;
    }
    return text;
}
