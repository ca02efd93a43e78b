/*
 * Data compared with a class: checking it, and reading it into a struct.
 *
 * One walk does both, so that a check and a read never disagree. It goes through the data and the
 * class side by side and, if there is a target, writes each value at its field's offset. The data
 * is MessagePack that has passed pack_check, so lengths are not checked again. Keys may come in any
 * order; the order of the fields is the fastest.
 *
 * 1. The walk continues after a problem, so that all problems are reported at once.
 * 2. Only the target is written, which has the size of its class. What the data does not have stays
 *    zero, or becomes the field's fallback.
 * 3. Kinds are not converted: an integer is not a boolean, and a string is not a number. But an
 *    integer is read as a double (JSON writes 1.0 as 1) if the double is exactly that integer.
 *
 * Cost: one pass. A key in the order of the fields is compared with one name. A check allocates
 * nothing, except to sort the keys of a map that has many (keys.c).
 */
#include "match.h"

#include <string.h>

#include "dom.h"
#include "error.h"
#include "keys.h"
#include "opaque_key.h"
#include "pack.h"
#include "time_text.h"
#include "uuid.h"

#define EXACT_DOUBLE (INT64_C(1) << 53)
#define EXACT_FLOAT (INT64_C(1) << 24)

struct match {
    const unsigned char *at;
    struct problems problems;
    evlog_arena *arena; /* NULL: only a check */
    int flags;
    int failure; /* EVLOG_NOMEM or EVLOG_LIMIT: ends the walk */
};

static void match_value(struct match *match, const struct place *place, uint64_t shape,
                        const evlog_class *of, void *target);

/* ---------------------------------------------------------------- words ---- */

static const char *found(const struct pack_item *item)
{
    static const char *const words[] = {
        [PACK_NIL] = "null",     [PACK_BOOL] = "boolean",  [PACK_INT] = "integer",
        [PACK_UINT] = "integer", [PACK_DOUBLE] = "number", [PACK_STR] = "string",
        [PACK_BIN] = "binary",   [PACK_EXT] = "extension", [PACK_ARRAY] = "list",
        [PACK_MAP] = "map",
    };
    return words[item->kind];
}

/* Reports a value of another kind than the class's, and skips what is in it. */
static void mismatch(struct match *match, const struct place *place, int kind,
                     const struct pack_item *item)
{
    problem_add(&match->problems, place, "expected %s, found %s", kind_of(kind)->data,
                found(item));
    pack_skip_items(&match->at, item);
}

/* Zeroed memory for what is read. NULL: this is only a check, or the walk has ended. */
static void *get_memory(struct match *match, size_t size)
{
    if (!match->arena || match->failure)
        return NULL;
    void *memory = arena_get(match->arena, size);
    if (!memory)
        match->failure = arena_failure(match->arena);
    return memory;
}

/* -------------------------------------------------------------- scalars ---- */

static void match_bool(struct match *match, const struct place *place,
                       const struct pack_item *item, bool *target)
{
    if (item->kind != PACK_BOOL)
        mismatch(match, place, EVLOG_KIND_BOOL, item);
    else if (target)
        *target = item->as_int != 0;
}

static void match_integer(struct match *match, const struct place *place, int kind,
                          const struct pack_item *item, int64_t *target)
{
    if (item->kind == PACK_UINT)
        problem_add(&match->problems, place, "the integer is above 2^63 - 1");
    else if (item->kind != PACK_INT)
        mismatch(match, place, kind, item);
    else if (kind == KIND_INT32 && item->as_int != (int32_t)item->as_int)
        problem_add(&match->problems, place, "the integer has more than 32 bits");
    else if (target)
        *target = item->as_int;
}

/* Avro lets a long lose its last digits when it becomes a double; here that is refused. */
static void match_number(struct match *match, const struct place *place, int kind,
                         const struct pack_item *item, double *target)
{
    int64_t exact = kind == KIND_FLOAT ? EXACT_FLOAT : EXACT_DOUBLE;
    double value = item->kind == PACK_DOUBLE ? item->as_double : (double)item->as_int;
    if (item->kind != PACK_DOUBLE && item->kind != PACK_INT && item->kind != PACK_UINT)
        mismatch(match, place, kind, item);
    else if (item->kind == PACK_UINT ||
             (item->kind == PACK_INT && (item->as_int > exact || item->as_int < -exact)))
        problem_add(&match->problems, place, "the integer is too large to be a double");
    else if (target)
        *target = value;
}

static void match_bytes(struct match *match, const struct place *place,
                        const struct pack_item *item, evlog_bytes *target)
{
    int is_widened = item->kind == PACK_STR && match->flags & MATCH_RESOLVE;
    if (item->kind != PACK_BIN && !is_widened)
        mismatch(match, place, EVLOG_KIND_BYTES, item);
    else if (target)
        *target = (evlog_bytes){.data = item->bytes, .size = item->size};
}

static void match_time(struct match *match, const struct place *place,
                       const struct pack_item *item, int64_t *target)
{
    int64_t time_us;
    if (!time_text_get(item->bytes, item->size, &time_us))
        problem_add(&match->problems, place,
                    "expected a time with its offset (2026-01-31T18:00:00+00:00), found another "
                    "string");
    else if (target)
        *target = time_us;
}

static void match_uuid(struct match *match, const struct place *place,
                       const struct pack_item *item, evlog_uuid *target)
{
    evlog_uuid uuid;
    if (!uuid_parse(item->bytes, item->size, uuid.bytes))
        problem_add(&match->problems, place, "expected a UUID, found another string");
    else if (target)
        *target = uuid;
}

/* Every kind that is a string in the data. */
static void match_text(struct match *match, const struct place *place, int kind,
                       const struct pack_item *item, void *target)
{
    const char *words;
    int is_widened = item->kind == PACK_BIN && match->flags & MATCH_RESOLVE &&
                     pack_is_utf8(item->bytes, item->size);
    if (item->kind != PACK_STR && !is_widened)
        mismatch(match, place, kind, item);
    else if (kind == EVLOG_KIND_DATETIME && !(match->flags & MATCH_ANY_FORM))
        match_time(match, place, item, target);
    else if (kind == EVLOG_KIND_UUID && !(match->flags & MATCH_ANY_FORM))
        match_uuid(match, place, item, target);
    else if (kind != EVLOG_KIND_STRING && !(match->flags & MATCH_ANY_FORM) &&
             !opaque_key_is(kind, item->bytes, item->size, &words))
        problem_add(&match->problems, place, "expected %s, found another string", words);
    else if (target)
        *(evlog_string *)target = (evlog_string){.text = item->bytes, .size = item->size};
}

/* --------------------------------------------------------- lists and maps ---- */

static void match_list(struct match *match, const struct place *place, size_t count,
                       uint64_t shape, const evlog_class *of, void *target)
{
    size_t size = target && count ? shape_size(shape, of) : 0;
    char *items = size ? get_memory(match, count * size) : NULL;
    struct place item = {.up = place};
    for (size_t i = 0; i < count && !match->failure; i++) {
        item.index = i;
        match_value(match, &item, shape, of, items ? items + i * size : NULL);
    }
    evlog_list list = {.items = items, .count = count};
    if (target)
        memcpy(target, &list, sizeof list);
}

/* Reports a key of a map that is there twice. Does not move. */
static void check_keys(struct match *match, const struct place *place, size_t count)
{
    struct keys keys;
    int result = keys_look(match->at, count, &keys);
    if (result)
        match->failure = result;
    if (result || !keys.twice.text)
        return;
    struct place key = {place, keys.twice.text, keys.twice.size, 0, 1};
    problem_add(&match->problems, &key, "the key is there twice");
}

/* Takes a key that must be a string. 0: it is not one, and it and its value are skipped. */
static int take_key(struct match *match, const struct place *place, struct pack_item *key)
{
    pack_next(&match->at, key);
    if (key->kind == PACK_STR)
        return 1;
    problem_add(&match->problems, place, "a key is not a string but %s", found(key));
    pack_skip_items(&match->at, key);
    pack_skip(&match->at);
    return 0;
}

static void match_map(struct match *match, const struct place *place, size_t count,
                      uint64_t shape, const evlog_class *of, void *target)
{
    size_t size = target && count ? shape_size(shape, of) : 0;
    evlog_string *keys = size ? get_memory(match, count * sizeof *keys) : NULL;
    char *values = keys ? get_memory(match, count * size) : NULL;
    check_keys(match, place, count);
    for (size_t i = 0; i < count && !match->failure; i++) {
        struct pack_item key;
        if (!take_key(match, place, &key))
            continue;
        struct place entry = {place, key.bytes, key.size, 0, 1};
        match_value(match, &entry, shape, of, values ? values + i * size : NULL);
        if (values)
            keys[i] = (evlog_string){.text = key.bytes, .size = key.size};
    }
    evlog_map map = {.keys = keys, .values = values, .count = count};
    if (target)
        memcpy(target, &map, sizeof map);
}

/* -------------------------------------------------------------- records ---- */

static void read_fallback(struct match *match, const struct place *place,
                          const evlog_field *field, void *target)
{
    struct bytes packed;
    void *copy = NULL;
    bytes_begin(&packed);
    if (!(match->failure = dom_pack_text(field->fallback, &packed)) &&
        (copy = get_memory(match, packed.buffer.size))) { /* texts point into it */
        const unsigned char *rest = match->at;
        int flags = match->flags;
        match->at = memcpy(copy, packed.buffer.data, packed.buffer.size);
        match->flags |= MATCH_RESOLVE; /* the default of bytes is "" */
        match_value(match, place, field->shape, field->of, target);
        match->at = rest;
        match->flags = flags;
    }
    bytes_free(&packed);
}

/* A field that is not in the data. */
static void match_missing(struct match *match, const struct place *place,
                          const evlog_field *field, void *target)
{
    struct place at = {place, field->name, field->name_size, 0, 0};
    int is_allowed = match->flags & MATCH_RESOLVE ? field->fallback != NULL : field->is_optional;
    if (!is_allowed)
        problem_add(&match->problems, &at, "missing");
    else if (target && strcmp(field->fallback, "null") != 0)
        read_fallback(match, &at, field, (char *)target + field->offset);
}

struct seen {
    uint64_t bits[EVLOG_FIELDS_MAX / 64];
};

/* Marks a field as seen. Returns whether it was already. */
static int see(struct seen *seen, size_t i)
{
    uint64_t bit = UINT64_C(1) << i % 64, was = seen->bits[i / 64] & bit;
    seen->bits[i / 64] |= bit;
    return was != 0;
}

static void match_field(struct match *match, const struct place *place, const evlog_field *field,
                        size_t index, const struct pack_item *key, struct seen *seen,
                        char *target)
{
    struct place at = {place, key->bytes, key->size, 0, 0};
    if (!field && !(match->flags & MATCH_RESOLVE))
        problem_add(&match->problems, &at, "no such field");
    if (field && see(seen, index))
        problem_add(&match->problems, &at, "given twice");
    if (field)
        match_value(match, &at, field->shape, field->of, target ? target + field->offset : NULL);
    else
        pack_skip(&match->at);
}

static void match_record(struct match *match, const struct place *place, size_t pair_count,
                         const evlog_class *of, void *target)
{
    size_t hint = 0;
    struct fields fields = class_fields(of);
    struct seen seen;
    memset(&seen, 0, (fields.count + 63) / 64 * sizeof seen.bits[0]);
    for (size_t i = 0; i < pair_count && !match->failure; i++) {
        struct pack_item key;
        if (!take_key(match, place, &key))
            continue;
        const evlog_field *field = class_find(&fields, key.bytes, key.size, &hint);
        match_field(match, place, field, hint - 1, &key, &seen, target);
    }
    for (size_t i = 0; i < fields.count && !match->failure; i++)
        if (!see(&seen, i))
            match_missing(match, place, field_at(&fields, i), target);
}

/* --------------------------------------------------------------- values ---- */

static void match_scalar(struct match *match, const struct place *place, int kind,
                         const struct pack_item *item, void *target)
{
    switch (kind) {
    case EVLOG_KIND_BOOL:
        match_bool(match, place, item, target);
        break;
    case KIND_INT32:
    case EVLOG_KIND_INT64:
        match_integer(match, place, kind, item, target);
        break;
    case KIND_FLOAT:
    case EVLOG_KIND_DOUBLE:
        match_number(match, place, kind, item, target);
        break;
    case EVLOG_KIND_BYTES:
        match_bytes(match, place, item, target);
        break;
    default:
        match_text(match, place, kind, item, target);
    }
}

/* The place of a NULLABLE value that is not null: memory that the target points to. */
static void *behind_pointer(struct match *match, uint64_t shape, const evlog_class *of,
                            void *target)
{
    if (!target || kind_is_string(shape_kind(shape)))
        return target;
    void *value = get_memory(match, shape_size(shape_not_null(shape), of));
    memcpy(target, &value, sizeof value);
    return value;
}

static void match_value(struct match *match, const struct place *place, uint64_t shape,
                        const evlog_class *of, void *target)
{
    int kind = shape_kind(shape);
    struct pack_item item;
    pack_next(&match->at, &item);
    if (shape_is_nullable(shape)) {
        if (item.kind == PACK_NIL)
            return;
        target = behind_pointer(match, shape, of, target);
    }
    if (kind < EVLOG_KIND_CLASS || kind > EVLOG_KIND_MAP)
        match_scalar(match, place, kind, &item, target);
    else if (item.kind != (kind == EVLOG_KIND_LIST ? PACK_ARRAY : PACK_MAP))
        mismatch(match, place, kind, &item);
    else if (kind == EVLOG_KIND_CLASS)
        match_record(match, place, item.size, of, target);
    else if (kind == EVLOG_KIND_LIST)
        match_list(match, place, item.size, shape_items(shape), of, target);
    else
        match_map(match, place, item.size, shape_items(shape), of, target);
}

/* One walk, from the data's outermost value. Of `problems` only what is read is set: it is large. */
static int walk(const void *data, uint64_t shape, const evlog_class *of, int flags,
                evlog_arena *arena, void *target)
{
    static const struct place whole = {.up = NULL};
    struct match match;
    match.at = data;
    match.arena = arena;
    match.flags = flags;
    match.failure = EVLOG_OK;
    match.problems.size = match.problems.count = match.problems.left_out = 0;
    match_value(&match, &whole, shape, of, target);
    return match.failure ? match.failure : problems_end(&match.problems, EVLOG_INVALID);
}

int match_check(const evlog_class *of, const void *data, int flags)
{
    return walk(data, EVLOG_KIND_CLASS, of, flags, NULL, NULL);
}

int match_read(const evlog_class *of, const char *argument, const void *data, int flags,
               evlog_arena *arena, void *target)
{
    evlog_field field = {.name = argument,
                         .name_size = argument ? strlen(argument) : 0,
                         .shape = EVLOG_KIND_CLASS,
                         .of = of};
    evlog_class root = {.name = "", .size = of->size, .fields = &field, .field_count = 1};
    return walk(data, EVLOG_KIND_CLASS, argument ? &root : of, flags, arena, target);
}

int match_check_fallback(const evlog_field *field)
{
    struct bytes packed;
    bytes_begin(&packed);
    int result = dom_pack_text(field->fallback, &packed);
    if (result == EVLOG_OK)
        result = walk(packed.buffer.data, field->shape, field->of, MATCH_RESOLVE, NULL, NULL);
    bytes_free(&packed);
    return result;
}
