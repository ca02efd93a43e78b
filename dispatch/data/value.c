/*
 * Values in data, found by path or one after the other.
 *
 * A value is a place in the data and what pack_next reads there. The data is checked once, when its
 * outermost value is made; everything else starts from a value and trusts its bytes. So one check
 * serves any number of searches, and no tree is built.
 *
 * Cost: a search reads the keys on its way and skips the values between them. Nothing is
 * allocated. Absent: patterns (`groups.*`) and indexes from the end.
 */
#include "value.h"

#include "error.h"
#include "pack.h"
#include "sized.h"

/* ---------------------------------------------------------------- values ---- */

static const evlog_value_kind kinds[] = {
    [PACK_NIL] = EVLOG_VALUE_NULL,      [PACK_BOOL] = EVLOG_VALUE_BOOL,
    [PACK_INT] = EVLOG_VALUE_INTEGER,   [PACK_UINT] = EVLOG_VALUE_UNSIGNED,
    [PACK_DOUBLE] = EVLOG_VALUE_DOUBLE, [PACK_STR] = EVLOG_VALUE_STRING,
    [PACK_BIN] = EVLOG_VALUE_BYTES,     [PACK_EXT] = EVLOG_VALUE_EXTENSION,
    [PACK_ARRAY] = EVLOG_VALUE_LIST,    [PACK_MAP] = EVLOG_VALUE_MAP,
};

static evlog_value value_of(const struct pack_item *item)
{
    evlog_value value = {.kind = kinds[item->kind]};
    switch (item->kind) {
    case PACK_NIL:
        break;
    case PACK_BOOL:
        value.boolean = item->as_int != 0;
        break;
    case PACK_INT:
        value.integer = item->as_int;
        value.number = (double)item->as_int;
        break;
    case PACK_UINT:
        value.unsigned_integer = (uint64_t)item->as_int;
        value.number = (double)value.unsigned_integer;
        break;
    case PACK_DOUBLE:
        value.number = item->as_double;
        break;
    case PACK_STR:
        value.string = (evlog_string){.text = item->bytes, .size = item->size};
        break;
    case PACK_BIN:
        value.bytes = (evlog_bytes){.data = item->bytes, .size = item->size};
        break;
    case PACK_EXT:
        value.extension_type = (int8_t)item->bytes[0];
        value.bytes = (evlog_bytes){.data = item->bytes + 1, .size = item->size - 1};
        break;
    case PACK_ARRAY:
    case PACK_MAP:
        value.count = item->size;
    }
    return value;
}

/* The value at `*at`, and moves past it and all that is in it. */
static evlog_value take_value(const unsigned char **at)
{
    const unsigned char *start = *at;
    struct pack_item item;
    pack_next(at, &item);
    pack_skip_items(at, &item);
    evlog_value value = value_of(&item);
    value.data = (evlog_bytes){.data = start, .size = (size_t)(*at - start)};
    return value;
}

int evlog_data_value_sized(const void *data, size_t data_size, evlog_value *value,
                           size_t value_size)
{
    const unsigned char *at = data;
    if (!value)
        return error_set(EVLOG_INVALID, "there is no place for the value");
    if (!data)
        return error_set(EVLOG_NOTFOUND, "there is no data: it was erased");
    int result = pack_check(data, data_size);
    if (result)
        return result;
    evlog_value own = take_value(&at);
    sized_out(value, value_size, &own, sizeof own);
    return EVLOG_OK;
}

/* ----------------------------------------------------------------- paths ---- */

/* One part of a path, as it is written there. */
struct part {
    const char *text;
    size_t size;
};

/* Reads the part at `*path` and moves to the dot or NUL after it. False: a wrong backslash. */
static bool take_part(const char **path, struct part *part)
{
    const char *at = *path;
    for (; *at && *at != '.'; at++)
        if (*at == '\\' && *++at != '.' && *at != '\\')
            return false;
    *part = (struct part){*path, (size_t)(at - *path)};
    *path = at;
    return true;
}

static bool is_key(const struct part *part, const struct pack_item *key)
{
    size_t at = 0;
    if (key->kind != PACK_STR || key->size > part->size)
        return false;
    for (size_t i = 0; i < key->size; i++, at++) {
        at += at < part->size && part->text[at] == '\\';
        if (at >= part->size || part->text[at] != key->bytes[i])
            return false;
    }
    return at == part->size;
}

/* The number that a part is; false when it is not one, or has zeros before it. */
static bool is_index(const struct part *part, size_t *index)
{
    size_t number = 0;
    if (part->size == 0 || part->size > 9 || (part->size > 1 && part->text[0] == '0'))
        return false;
    for (size_t i = 0; i < part->size; i++) {
        if (part->text[i] < '0' || part->text[i] > '9')
            return false;
        number = number * 10 + (size_t)(part->text[i] - '0');
    }
    *index = number;
    return true;
}

/* Moves from the first key of a map to the value under `part`. */
static bool seek_key(const unsigned char **at, size_t count, const struct part *part)
{
    for (; count > 0; count--) {
        struct pack_item key;
        pack_next(at, &key);
        if (is_key(part, &key))
            return true;
        pack_skip_items(at, &key);
        pack_skip(at);
    }
    return false;
}

/* Moves from a map or list to what `part` names in it. `in` is its head, whatever it is. */
static bool enter(const unsigned char **at, const struct part *part, struct pack_item *in)
{
    size_t index;
    pack_next(at, in);
    if (in->kind == PACK_MAP)
        return seek_key(at, in->size, part);
    if (in->kind != PACK_ARRAY || !is_index(part, &index) || index >= in->size)
        return false;
    for (; index > 0; index--)
        pack_skip(at);
    return true;
}

static int not_found(const char *path, const char *part_end, const struct pack_item *in)
{
    int size = (int)(part_end - path);
    if (in->kind == PACK_MAP)
        return error_set(EVLOG_NOTFOUND, "%.*s: the map has no such key", size, path);
    if (in->kind == PACK_ARRAY)
        return error_set(EVLOG_NOTFOUND, "%.*s: the list has %zu items, numbered from 0", size,
                         path, in->size);
    return error_set(EVLOG_NOTFOUND, "%.*s: what should hold it is not a map or list", size,
                     path);
}

/*
 * Moves from the value at `*at` to that at `path`. When it is not there, `*end` is the end of the
 * path's first part that is not, and `*in` what should hold it.
 */
static bool seek(const unsigned char **at, const char *path, const char **end,
                 struct pack_item *in)
{
    *end = path;
    do {
        struct part part;
        if (!take_part(end, &part) || !enter(at, &part, in))
            return false;
    } while (*(*end)++ == '.');
    return true;
}

bool value_path_is_right(const char *path)
{
    struct part part;
    do
        if (!take_part(&path, &part))
            return false;
    while (*path++ == '.');
    return true;
}

bool value_seek(const evlog_value *from, const char *path, evlog_value *value)
{
    const unsigned char *at = from->data.data;
    struct pack_item in;
    const char *end;
    if (!seek(&at, path, &end, &in))
        return false;
    *value = take_value(&at);
    return true;
}

int evlog_value_find_sized(const evlog_value *from, const char *path, evlog_value *value,
                           size_t value_size)
{
    if (!from || !from->data.data || !path || !value)
        return error_set(EVLOG_INVALID, "there is no value, no path, or no place for the result");
    const unsigned char *at = from->data.data;
    struct pack_item in;
    const char *end;
    if (!value_path_is_right(path))
        return error_set(EVLOG_INVALID, "%s: a backslash must precede a dot or a backslash",
                         path);
    if (!seek(&at, path, &end, &in))
        return not_found(path, end, &in);
    evlog_value own = take_value(&at);
    sized_out(value, value_size, &own, sizeof own);
    return EVLOG_OK;
}

/* ----------------------------------------------------------------- items ---- */

int evlog_items_begin_sized(const evlog_value *of, evlog_items *items, size_t items_size)
{
    if (!of || !items || !of->data.data ||
        (of->kind != EVLOG_VALUE_LIST && of->kind != EVLOG_VALUE_MAP))
        return error_set(EVLOG_INVALID, "only maps and lists have items");
    const unsigned char *at = of->data.data;
    struct pack_item head;
    pack_next(&at, &head);
    evlog_items own = {.at = at, .left_count = head.size, .is_map = of->kind == EVLOG_VALUE_MAP};
    sized_out(items, items_size, &own, sizeof own);
    return EVLOG_OK;
}

bool evlog_items_next_sized(evlog_items *items, size_t items_size, evlog_value *key,
                            evlog_value *value, size_t value_size)
{
    evlog_items own;
    if (!items || sized_in(&own, sizeof own, items, items_size) || !own.left_count)
        return false;
    const unsigned char *at = own.at;
    evlog_value taken = {.kind = EVLOG_VALUE_NULL};
    if (own.is_map)
        taken = take_value(&at);
    sized_out(key, value_size, &taken, sizeof taken);
    taken = take_value(&at);
    sized_out(value, value_size, &taken, sizeof taken);
    own.at = at;
    own.left_count--;
    sized_out(items, items_size, &own, sizeof own);
    return true;
}
