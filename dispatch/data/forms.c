/*
 * The forms of texts: what a class says of its fields beyond Avro.
 *
 * For Avro a time, a UUID and an opaque key are strings; a class in C refuses those that do not have
 * its form. So that a program without the class refuses them too, the log records the forms beside
 * the schema (store/types.c), and they are applied to it when it is read: the fields get the kinds
 * that the class has, and match.c checks them.
 *
 * A path is the names of fields from the outermost record on with dots between, and '*' for the
 * items of a list and the values of a map: order.items.*.ordered. A record that is used in several
 * places is one class, so its fields have one path, by the place where the schema's text has it in
 * full, the first. When paths are given, each of its places will do.
 *
 * Packed, forms are a map from path to form, and personal fields a list of paths, both sorted by the
 * bytes of the path: so equal marks are equal bytes.
 */
#include "forms.h"

#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "error.h"
#include "keys.h"
#include "pack.h"

static const struct {
    int kind;
    const char *name;
} forms_known[] = {
    {EVLOG_KIND_DATETIME, "time"},
    {EVLOG_KIND_UUID, "uuid"},
    {EVLOG_KIND_COURSE_KEY, "course_key"},
    {EVLOG_KIND_CCX_KEY, "ccx_key"},
    {EVLOG_KIND_USAGE_KEY, "usage_key"},
    {EVLOG_KIND_LIBRARY_KEY, "library_key"},
    {EVLOG_KIND_LIBRARY_USAGE_KEY, "library_usage_key"},
    {EVLOG_KIND_COLLECTION_KEY, "collection_key"},
    {EVLOG_KIND_CONTAINER_KEY, "container_key"},
};

#define FORM_COUNT (sizeof forms_known / sizeof *forms_known)

static const char *form_of(int kind)
{
    for (size_t i = 0; i < FORM_COUNT; i++)
        if (forms_known[i].kind == kind)
            return forms_known[i].name;
    return NULL;
}

static int kind_of_form(const char *form, size_t size)
{
    for (size_t i = 0; i < FORM_COUNT; i++)
        if (strlen(forms_known[i].name) == size && memcmp(forms_known[i].name, form, size) == 0)
            return forms_known[i].kind;
    return 0;
}

/* ------------------------------------------------------------- from a tree ---- */

/* A field with a form; the path first, for keys_compare. */
struct found {
    evlog_string path;
    const char *form;
};

struct walk {
    evlog_schema *schema;
    const evlog_class *seen[EVLOG_CLASSES_MAX];
    size_t seen_count;
    struct bytes path;
    struct found *found;
    size_t found_count, found_max;
    int result;
};

static bool is_first_visit(struct walk *walk, const evlog_class *of)
{
    for (size_t i = 0; i < walk->seen_count; i++)
        if (walk->seen[i] == of)
            return false;
    if (walk->seen_count < EVLOG_CLASSES_MAX)
        walk->seen[walk->seen_count++] = of;
    return true;
}

static void note(struct walk *walk, const char *form)
{
    size_t size = walk->path.buffer.size;
    if (walk->path.is_full)
        walk->result = error_nomem();
    if (walk->result)
        return;
    if (walk->found_count == walk->found_max) {
        size_t max = walk->found_max ? 2 * walk->found_max : 16;
        struct found *found = realloc(walk->found, max * sizeof *found);
        if (!found) {
            walk->result = error_nomem();
            return;
        }
        walk->found = found;
        walk->found_max = max;
    }
    const char *path = arena_text(walk->schema->arena, walk->path.buffer.data, size);
    if (path)
        walk->found[walk->found_count++] = (struct found){{path, size}, form};
    else
        walk->result = arena_failure(walk->schema->arena);
}

/* Depth is limited: by schema_make.c, and by that of JSON. */
static void visit_class(struct walk *walk, const evlog_class *of)
{
    struct fields fields = class_fields(of);
    for (size_t i = 0; i < fields.count && !walk->result; i++) {
        const evlog_field *field = field_at(&fields, i);
        uint64_t shape = field->shape;
        size_t size = walk->path.buffer.size;
        if (size)
            bytes_put(&walk->path, ".", 1);
        bytes_put(&walk->path, field->name, field->name_size);
        for (; shape_kind(shape) == EVLOG_KIND_LIST || shape_kind(shape) == EVLOG_KIND_MAP;
             shape = shape_items(shape))
            bytes_put(&walk->path, ".*", 2);
        const char *form = form_of(shape_kind(shape));
        if (form)
            note(walk, form);
        else if (shape_kind(shape) == EVLOG_KIND_CLASS && is_first_visit(walk, field->of))
            visit_class(walk, field->of);
        walk->path.buffer.size = size;
    }
}

/* Copies what was packed into the schema's arena. */
static int keep(evlog_schema *schema, struct bytes *packed, evlog_bytes *kept)
{
    int result = packed->is_full ? error_nomem() : EVLOG_OK;
    if (result == EVLOG_OK) {
        kept->data = arena_text(schema->arena, packed->buffer.data, packed->buffer.size);
        kept->size = kept->data ? packed->buffer.size : 0;
        result = kept->data ? EVLOG_OK : arena_failure(schema->arena);
    }
    bytes_free(packed);
    return result;
}

static int pack_found(struct walk *walk)
{
    struct bytes packed;
    walk->schema->forms = (evlog_bytes){NULL, 0};
    if (walk->result || walk->found_count == 0)
        return walk->result;
    qsort(walk->found, walk->found_count, sizeof *walk->found, keys_compare);
    bytes_begin(&packed);
    msgpack_pack_map(&packed.packer, walk->found_count);
    for (size_t i = 0; i < walk->found_count; i++) {
        const struct found *found = &walk->found[i];
        bytes_put_text(&packed, found->path.text, found->path.size);
        bytes_put_text(&packed, found->form, strlen(found->form));
    }
    return keep(walk->schema, &packed, &walk->schema->forms);
}

int forms_pack(evlog_schema *schema)
{
    struct walk *walk = calloc(1, sizeof *walk);
    if (!walk)
        return error_nomem();
    walk->schema = schema;
    bytes_begin(&walk->path);
    visit_class(walk, &schema->root);
    int result = pack_found(walk);
    bytes_free(&walk->path);
    free(walk->found);
    free(walk);
    return result;
}

/* --------------------------------------------------------------- by a path ---- */

/* A field, and which level of its shape: 0 itself, 1 the items of that list. */
struct target {
    const evlog_class *owner;
    evlog_field *field;
    unsigned level;
};

static uint64_t shape_at(const struct target *target)
{
    return target->field->shape >> 8 * target->level;
}

/* Goes one part of a path down. false: there is no such part. */
static bool go_down(const evlog_class *root, struct target *target, evlog_string part)
{
    size_t hint = 0;
    int kind = target->field ? shape_kind(shape_at(target)) : EVLOG_KIND_CLASS;
    if (kind == EVLOG_KIND_LIST || kind == EVLOG_KIND_MAP) {
        target->level++;
        return part.size == 1 && *part.text == '*';
    }
    if (kind != EVLOG_KIND_CLASS)
        return false;
    const evlog_class *of = target->field ? target->field->of : root;
    struct fields fields = class_fields(of);
    *target = (struct target){
        .owner = of, .field = (evlog_field *)class_find(&fields, part.text, part.size, &hint)};
    return target->field != NULL;
}

static int find(const evlog_schema *schema, evlog_string path, struct target *target)
{
    const char *at = path.text, *end = path.text + path.size;
    *target = (struct target){.field = NULL};
    for (;;) {
        const char *dot = memchr(at, '.', (size_t)(end - at));
        evlog_string part = {at, (size_t)((dot ? dot : end) - at)};
        if (!go_down(&schema->root, target, part))
            return error_set(EVLOG_INVALID, "the schema has no field %.*s", (int)path.size,
                             path.text);
        if (!dot)
            return EVLOG_OK;
        at = dot + 1;
    }
}

static int give_one(const evlog_schema *schema, evlog_string path, evlog_string form)
{
    struct target target;
    int result = find(schema, path, &target);
    if (result)
        return result;
    int kind = kind_of_form(form.text, form.size), now = shape_kind(shape_at(&target));
    if (!kind)
        return error_set(EVLOG_INVALID, "%.*s: %.*s is not a form", (int)path.size, path.text,
                         (int)form.size, form.text);
    if (now != EVLOG_KIND_STRING && now != kind)
        return error_set(EVLOG_INVALID, "%.*s: is not a string, or of another form",
                         (int)path.size, path.text);
    uint64_t mask = UINT64_C(0x3f) << 8 * target.level;
    target.field->shape = (target.field->shape & ~mask) | (uint64_t)(unsigned)kind
                                                              << 8 * target.level;
    return target.field->fallback ? schema_check_fallback(target.owner->name, target.field)
                                  : EVLOG_OK;
}

int forms_give(evlog_schema *schema, const evlog_form *forms, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!forms[i].path || !forms[i].form)
            return error_set(EVLOG_INVALID, "form %zu has no path or no form", i);
        int result = give_one(schema, evlog_str(forms[i].path), evlog_str(forms[i].form));
        if (result)
            return result;
    }
    return forms_pack(schema);
}

int forms_apply(evlog_schema *schema, evlog_bytes packed)
{
    const unsigned char *at = packed.data;
    struct pack_item map = {.size = 0}, path, form;
    if (packed.size)
        pack_next(&at, &map);
    for (size_t i = 0; i < map.size; i++) {
        pack_next(&at, &path);
        pack_skip_items(&at, &path);
        pack_next(&at, &form);
        pack_skip_items(&at, &form);
        if (path.kind != PACK_STR || form.kind != PACK_STR)
            return error_set(EVLOG_INVALID, "a form, or a path, is not a text");
        int result = give_one(schema, (evlog_string){path.bytes, path.size},
                              (evlog_string){form.bytes, form.size});
        if (result)
            return result;
    }
    schema->forms = packed;
    return EVLOG_OK;
}

/* ------------------------------------------------------------ personal fields ---- */

int forms_mark_personal(evlog_schema *schema, const char *const *paths, size_t count)
{
    struct bytes packed;
    struct target target;
    if (count == 0)
        return EVLOG_OK;
    evlog_string *sorted = calloc(count, sizeof *sorted);
    int result = sorted ? EVLOG_OK : error_nomem();
    for (size_t i = 0; i < count && result == EVLOG_OK; i++) {
        sorted[i] = evlog_str(paths[i] ? paths[i] : "");
        result = find(schema, sorted[i], &target);
    }
    if (result == EVLOG_OK)
        qsort(sorted, count, sizeof *sorted, keys_compare);
    for (size_t i = 1; i < count && result == EVLOG_OK; i++)
        if (keys_compare(&sorted[i - 1], &sorted[i]) == 0)
            result = error_set(EVLOG_INVALID, "the field %s is marked twice", sorted[i].text);
    if (result == EVLOG_OK) {
        bytes_begin(&packed);
        msgpack_pack_array(&packed.packer, count);
        for (size_t i = 0; i < count; i++)
            bytes_put_text(&packed, sorted[i].text, sorted[i].size);
        result = keep(schema, &packed, &schema->personal);
    }
    free(sorted);
    return result;
}
