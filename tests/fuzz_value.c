/*
 * Fuzz target: values and JSON of MessagePack from strangers.
 *
 * What must hold: the check, values and JSON are of one opinion about what is data; what is walked
 * covers the bytes exactly; each member of a map with string keys is found by its path, or a member
 * before it of the same key is; the JSON has no byte that a terminal obeys.
 */
#include "evlog/value.h"
#include "test.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void must(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "does not hold: %s: %s\n", what, evlog_errmsg());
        abort();
    }
}

/* A key as a part of a path; 0: it is not a string, or has a NUL, or is long. */
static int part_of(const evlog_value *key, char part[512])
{
    char *out = part;
    if (key->kind != EVLOG_VALUE_STRING || key->string.size > 250)
        return 0;
    for (size_t i = 0; i < key->string.size; i++) {
        char c = key->string.text[i];
        if (!c)
            return 0;
        if (c == '.' || c == '\\')
            *out++ = '\\';
        *out++ = c;
    }
    *out = '\0';
    return 1;
}

static void try_member(const evlog_value *map, const evlog_value *key, const evlog_value *value)
{
    char part[512];
    evlog_value found;
    if (!part_of(key, part))
        return;
    must(evlog_value_find(map, part, &found) == EVLOG_OK, "a key is found");
    must(found.data.data <= value->data.data, "the first of equal keys");
}

static void walk(const evlog_value *value)
{
    evlog_items items;
    evlog_value key, item;
    const char *end = (const char *)value->data.data + value->data.size, *at = NULL;
    int is_map = value->kind == EVLOG_VALUE_MAP;
    if (!is_map && value->kind != EVLOG_VALUE_LIST) {
        must(evlog_items_begin(value, &items) == EVLOG_INVALID, "no items");
        return;
    }
    must(evlog_items_begin(value, &items) == EVLOG_OK, "items");
    for (size_t i = 0; i < value->count; i++) {
        must(evlog_items_next(&items, &key, &item), "as many items as it says");
        const char *first = is_map ? key.data.data : item.data.data;
        must(!at || first == at, "one item after the other");
        at = (const char *)item.data.data + item.data.size;
        if (is_map && i < 100)
            try_member(value, &key, &item);
        walk(&item);
    }
    must(!evlog_items_next(&items, &key, &item), "no more items");
    must(!at || at == end, "items to the end");
}

static void try_json(const uint8_t *bytes, size_t size, evlog_json_form form, int checked)
{
    evlog_buffer json;
    must(evlog_data_json(bytes, size, form, &json) == checked, "JSON of what is data");
    if (checked)
        return;
    const unsigned char *text = json.data;
    for (size_t i = 0; i < json.size; i++)
        must((text[i] >= 0x20 && text[i] != 0x7f) || (form && text[i] == '\n'), "printable");
    evlog_buffer_free(&json);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    evlog_value value, found;
    int checked = evlog_data_value(bytes, size, &value);
    must(!checked || checked == EVLOG_INVALID || checked == EVLOG_LIMIT, "a code that is named");
    try_json(bytes, size, EVLOG_JSON_LINE, checked);
    try_json(bytes, size, EVLOG_JSON_INDENTED, checked);
    if (checked)
        return 0;
    must(value.data.size == size, "the value is all of it");
    walk(&value);
    char *path = strndup((const char *)bytes, size);
    int result = evlog_value_find(&value, path, &found);
    must(!result || result == EVLOG_NOTFOUND || result == EVLOG_INVALID, "any path");
    free(path);
    return 0;
}
