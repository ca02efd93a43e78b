/*
 * Values in data: found by path, walked one after the other, and what strangers may have written.
 * Random data is compared with msgpack-c's tree.
 */
#include "evlog/value.h"

#include "json.h"
#include "pack.h"
#include "random_data.h"

#define BYTES(text) text, sizeof(text) - 1
#define COUNT(table) (sizeof table / sizeof *table)

/* The MessagePack of JSON, to be destroyed. */
static msgpack_sbuffer packed(const char *json)
{
    char why[256];
    msgpack_sbuffer data;
    msgpack_sbuffer_init(&data);
    if (data_of_text(json, strlen(json), &data, why, sizeof why))
        fail_msg("%s: %s", json, why);
    return data;
}

/* The value's own bytes, as JSON, are this text. */
static void is_json(const evlog_value *value, const char *text)
{
    evlog_buffer json;
    OK(evlog_data_json(value->data.data, value->data.size, EVLOG_JSON_LINE, &json));
    if (json.size != strlen(text) || memcmp(json.data, text, json.size) != 0)
        fail_msg("%.*s is not %s", (int)json.size, (char *)json.data, text);
    evlog_buffer_free(&json);
}

/* ----------------------------------------------------------------- kinds ---- */

static evlog_value whole(const void *data, size_t size)
{
    evlog_value value;
    OK(evlog_data_value(data, size, &value));
    assert_ptr_equal(value.data.data, data);
    assert_int_equal(value.data.size, size);
    return value;
}

/* The members of a value that its kind does not have are zero. */
static void is_only(evlog_value value, evlog_value expected)
{
    assert_int_equal(value.kind, expected.kind);
    assert_int_equal(value.boolean, expected.boolean);
    assert_int_equal(value.extension_type, expected.extension_type);
    assert_true(value.integer == expected.integer);
    assert_true(value.unsigned_integer == expected.unsigned_integer);
    assert_true(value.number == expected.number);
    assert_int_equal(value.string.size, expected.string.size);
    assert_int_equal(value.bytes.size, expected.bytes.size);
    assert_int_equal(value.count, expected.count);
    assert_true(!value.string.text == (value.kind != EVLOG_VALUE_STRING));
}

/* Each kind sets its own members and no others. */
static void each_kind_has_its_members(void **state)
{
    (void)state;
    is_only(whole(BYTES("\xc0")), (evlog_value){.kind = EVLOG_VALUE_NULL});
    is_only(whole(BYTES("\xc2")), (evlog_value){.kind = EVLOG_VALUE_BOOL});
    is_only(whole(BYTES("\xc3")), (evlog_value){.kind = EVLOG_VALUE_BOOL, .boolean = true});
    is_only(whole(BYTES("\xff")),
            (evlog_value){.kind = EVLOG_VALUE_INTEGER, .integer = -1, .number = -1});
    is_only(whole(BYTES("\xcd\x01\x00")),
            (evlog_value){.kind = EVLOG_VALUE_INTEGER, .integer = 256, .number = 256});
    is_only(whole(BYTES("\xcf\xff\xff\xff\xff\xff\xff\xff\xff")),
            (evlog_value){.kind = EVLOG_VALUE_UNSIGNED,
                          .unsigned_integer = UINT64_MAX,
                          .number = 18446744073709551616.0});
    is_only(whole(BYTES("\xca\x3f\x00\x00\x00")),
            (evlog_value){.kind = EVLOG_VALUE_DOUBLE, .number = 0.5});
    is_only(whole(BYTES("\xa3x\0y")),
            (evlog_value){.kind = EVLOG_VALUE_STRING, .string.size = 3});
    is_only(whole(BYTES("\xc4\x02xy")),
            (evlog_value){.kind = EVLOG_VALUE_BYTES, .bytes.size = 2});
    is_only(whole(BYTES("\xc7\x02\xfbxy")),
            (evlog_value){.kind = EVLOG_VALUE_EXTENSION, .extension_type = -5, .bytes.size = 2});
    is_only(whole(BYTES("\x92\xc0\xc0")), (evlog_value){.kind = EVLOG_VALUE_LIST, .count = 2});
    is_only(whole(BYTES("\x81\xc0\xc0")), (evlog_value){.kind = EVLOG_VALUE_MAP, .count = 1});
    assert_memory_equal(whole(BYTES("\xa2xy")).string.text, "xy", 2);
    assert_memory_equal(whole(BYTES("\xc4\x02xy")).bytes.data, "xy", 2);
    assert_memory_equal(whole(BYTES("\xd5\x05xy")).bytes.data, "xy", 2);
}

/* ----------------------------------------------------------------- paths ---- */

static const char enrollment[] =
    "{\"enrollment\": {\"user\": {\"id\": 42, \"pii\": {\"email\": \"a@b.c\", \"name\": null}},"
    " \"groups\": [\"x\", [\"y\", {\"z\": true}], 3]}, \"a.b\": {\"c\\\\d\": 1, \"\": {\"\": 2}},"
    " \"\": 3, \"0\": 4}";

/* Keys, numbers of items, escaped dots and backslashes, and empty keys lead to their values. */
static void a_path_leads_to_its_value(void **state)
{
    static const struct {
        const char *path, *json;
    } table[] = {
        {"enrollment.user.pii.email", "\"a@b.c\""},
        {"enrollment.user.pii.name", "null"},
        {"enrollment.user.pii", "{\"email\": \"a@b.c\", \"name\": null}"},
        {"enrollment.user.id", "42"},
        {"enrollment.groups", "[\"x\", [\"y\", {\"z\": true}], 3]"},
        {"enrollment.groups.0", "\"x\""},
        {"enrollment.groups.2", "3"},
        {"enrollment.groups.1.0", "\"y\""},
        {"enrollment.groups.1.1.z", "true"},
        {"a\\.b.c\\\\d", "1"},
        {"a\\.b..", "2"},
        {"a\\.b.", "{\"\": 2}"},
        {"", "3"},
        {"0", "4"},
    };
    msgpack_sbuffer data = packed(enrollment);
    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        evlog_value value;
        OK(evlog_data_find(data.data, data.size, table[i].path, &value));
        is_json(&value, table[i].json);
    }
    msgpack_sbuffer_destroy(&data);
}

/* What is not there is named as far as the first part that is missing, and nothing is set. */
static void a_missing_part_is_named(void **state)
{
    static const struct {
        const char *path, *sentence;
    } table[] = {
        {"user", "user: the map has no such key"},
        {"enrollment.user.email.x", "enrollment.user.email: the map has no such key"},
        {"enrollment.use", "enrollment.use: the map has no such key"},
        {"enrollment.users", "enrollment.users: the map has no such key"},
        {"enrollment.groups.3", "enrollment.groups.3: the list has 3 items, numbered from 0"},
        {"enrollment.groups.00", "enrollment.groups.00: the list has 3 items"},
        {"enrollment.groups.-1", "enrollment.groups.-1: the list has 3 items"},
        {"enrollment.groups.x", "enrollment.groups.x: the list has 3 items"},
        {"enrollment.groups.", "enrollment.groups.: the list has 3 items"},
        {"enrollment.groups.4294967296", "the list has 3 items"},
        {"enrollment.groups.18446744073709551616", "the list has 3 items"},
        {"enrollment.user.id.x.y",
         "enrollment.user.id.x: what should hold it is not a map or list"},
        {"enrollment.user.pii.name.0", "is not a map or list"},
        {"a.b", "a: the map has no such key"},
        {"a\\.b.c\\\\", "a\\.b.c\\\\: the map has no such key"},
        {".", ".: what should hold it is not a map or list"},
    };
    msgpack_sbuffer data = packed(enrollment);
    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        evlog_value value = {.count = 7};
        FAILS(EVLOG_NOTFOUND, table[i].sentence,
              evlog_data_find(data.data, data.size, table[i].path, &value));
        assert_int_equal(value.count, 7);
    }
    msgpack_sbuffer_destroy(&data);
}

/* A backslash before anything but a dot or a backslash, and missing arguments, are refused. */
static void wrong_calls_are_refused(void **state)
{
    static const char *const paths[] = {"a\\", "a\\b", "a.b\\.c\\", "\\"};
    msgpack_sbuffer data = packed("{\"a\": {\"b.c\": 1}}");
    evlog_value value = whole(data.data, data.size), none = {.kind = EVLOG_VALUE_MAP};
    evlog_items items;
    (void)state;
    for (size_t i = 0; i < COUNT(paths); i++)
        FAILS(EVLOG_INVALID, "a backslash must precede",
              evlog_value_find(&value, paths[i], &value));
    FAILS(EVLOG_INVALID, "no path", evlog_value_find(&value, NULL, &value));
    FAILS(EVLOG_INVALID, "no place", evlog_value_find(&value, "a", NULL));
    FAILS(EVLOG_INVALID, "no value", evlog_value_find(NULL, "a", &value));
    FAILS(EVLOG_INVALID, "no value", evlog_value_find(&none, "a", &value));
    FAILS(EVLOG_INVALID, "no place", evlog_data_value(data.data, data.size, NULL));
    FAILS(EVLOG_INVALID, "only maps and lists", evlog_items_begin(&none, &items));
    FAILS(EVLOG_INVALID, "only maps and lists", evlog_items_begin(NULL, &items));
    FAILS(EVLOG_INVALID, "only maps and lists", evlog_items_begin(&value, NULL));
    OK(evlog_data_find(data.data, data.size, "a.b\\.c", &value));
    FAILS(EVLOG_INVALID, "only maps and lists", evlog_items_begin(&value, &items));
    assert_false(evlog_items_next(NULL, NULL, NULL));
    msgpack_sbuffer_destroy(&data);
}

/* Of equal keys the first counts; keys that are not strings are passed, whatever they are. */
static void the_first_of_equal_keys_counts(void **state)
{
    evlog_value value;
    (void)state;
    OK(evlog_data_find(BYTES("\x85\x81\xa1k\x01\x02\x91\xa1k\x03\xc0\x04\xa1k\x05\xa1k\x06"), "k",
                       &value));
    assert_int_equal(value.integer, 5);
}

/* A value that was found is searched in turn, and may be its own output. */
static void a_value_is_searched_further(void **state)
{
    msgpack_sbuffer data = packed(enrollment);
    evlog_value value = whole(data.data, data.size);
    (void)state;
    OK(evlog_value_find(&value, "enrollment.user", &value));
    OK(evlog_value_find(&value, "pii", &value));
    OK(evlog_value_find(&value, "email", &value));
    is_json(&value, "\"a@b.c\"");
    msgpack_sbuffer_destroy(&data);
}

/* ----------------------------------------------------------------- items ---- */

/* Items come in their order, a map's with their keys, a list's without; either may be unwanted. */
static void items_come_in_their_order(void **state)
{
    evlog_value value = whole(BYTES("\x83\xa1"
                                    "a\x01\x92\xc0\xc0\x02\xa1"
                                    "c\x93\x07\x80\x09"));
    evlog_value key;
    evlog_items items;
    (void)state;
    OK(evlog_items_begin(&value, &items));
    assert_true(evlog_items_next(&items, &key, &value));
    is_json(&key, "\"a\"");
    assert_int_equal(value.integer, 1);
    assert_true(evlog_items_next(&items, &key, NULL));
    is_json(&key, "[null, null]");
    assert_true(evlog_items_next(&items, NULL, &value));
    is_json(&value, "[7, {}, 9]");
    assert_false(evlog_items_next(&items, &key, &value));
    assert_false(evlog_items_next(&items, &key, &value));
    OK(evlog_items_begin(&value, &items));
    for (int i = 0; i < 3; i++) {
        static const char *const texts[] = {"7", "{}", "9"};
        assert_true(evlog_items_next(&items, &key, &value));
        assert_int_equal(key.kind, EVLOG_VALUE_NULL);
        assert_null(key.data.data);
        is_json(&value, texts[i]);
    }
    assert_false(evlog_items_next(&items, NULL, NULL));
}

/* ---------------------------------------------------------------- random ---- */

/* A path while it grows. */
struct path {
    char text[4096];
    size_t size;
};

static void add_part(struct path *path, const char *key, size_t size)
{
    if (path->size)
        path->text[path->size++] = '.';
    for (size_t i = 0; i < size; i++) {
        if (key[i] == '.' || key[i] == '\\')
            path->text[path->size++] = '\\';
        path->text[path->size++] = key[i];
    }
    path->text[path->size] = '\0';
}

/* Whether a path can lead to entry i: no key before it is the same. (A path's first part is not "".) */
static int has_path(const msgpack_object_map *map, uint32_t i, const struct path *path)
{
    const msgpack_object *key = &map->ptr[i].key;
    if (key->type != MSGPACK_OBJECT_STR ||
        (key->via.str.size ? memchr(key->via.str.ptr, 0, key->via.str.size) != NULL
                           : path->size == 0))
        return 0;
    for (uint32_t j = 0; j < i; j++)
        if (msgpack_object_equal(*key, map->ptr[j].key))
            return 0;
    return 1;
}

static void compare(const evlog_value *root, const evlog_value *value,
                    const msgpack_object *object, struct path *path);

static void compare_map(const evlog_value *root, const evlog_value *value,
                        const msgpack_object_map *map, struct path *path)
{
    evlog_value key, item;
    evlog_items items;
    size_t size = path ? path->size : 0;
    OK(evlog_items_begin(value, &items));
    for (uint32_t i = 0; i < map->size; i++) {
        assert_true(evlog_items_next(&items, &key, &item));
        compare(NULL, &key, &map->ptr[i].key, NULL);
        int is_reached = root && has_path(map, i, path);
        if (is_reached)
            add_part(path, key.string.text, key.string.size);
        compare(is_reached ? root : NULL, &item, &map->ptr[i].val, path);
        if (path)
            path->text[path->size = size] = '\0';
    }
    assert_false(evlog_items_next(&items, &key, &item));
}

static void compare_list(const evlog_value *root, const evlog_value *value,
                         const msgpack_object_array *list, struct path *path)
{
    evlog_value item;
    evlog_items items;
    size_t size = path ? path->size : 0;
    OK(evlog_items_begin(value, &items));
    for (uint32_t i = 0; i < list->size; i++) {
        char number[16];
        assert_true(evlog_items_next(&items, NULL, &item));
        if (path)
            add_part(path, number, (size_t)sprintf(number, "%u", i));
        compare(root, &item, &list->ptr[i], path);
        if (path)
            path->text[path->size = size] = '\0';
    }
    assert_false(evlog_items_next(&items, NULL, &item));
}

static void compare_scalar(const evlog_value *value, const msgpack_object *object)
{
    switch (value->kind) {
    case EVLOG_VALUE_NULL:
        assert_int_equal(object->type, MSGPACK_OBJECT_NIL);
        break;
    case EVLOG_VALUE_BOOL:
        assert_int_equal(object->type, MSGPACK_OBJECT_BOOLEAN);
        assert_int_equal(value->boolean, object->via.boolean);
        break;
    case EVLOG_VALUE_INTEGER:
    case EVLOG_VALUE_UNSIGNED:
        assert_true(object->type == MSGPACK_OBJECT_POSITIVE_INTEGER ||
                    object->type == MSGPACK_OBJECT_NEGATIVE_INTEGER);
        assert_true((uint64_t)value->integer + value->unsigned_integer == object->via.u64);
        break;
    case EVLOG_VALUE_DOUBLE:
        assert_true(object->type == MSGPACK_OBJECT_FLOAT64);
        assert_memory_equal(&value->number, &object->via.f64, 8);
        break;
    case EVLOG_VALUE_STRING:
        assert_int_equal(object->type, MSGPACK_OBJECT_STR);
        assert_int_equal(value->string.size, object->via.str.size);
        if (value->string.size)
            assert_memory_equal(value->string.text, object->via.str.ptr, value->string.size);
        break;
    case EVLOG_VALUE_EXTENSION:
        assert_int_equal(object->type, MSGPACK_OBJECT_EXT);
        assert_int_equal(value->extension_type, object->via.ext.type);
        assert_int_equal(value->bytes.size, object->via.ext.size);
        break;
    default:
        assert_int_equal(value->kind, EVLOG_VALUE_BYTES);
        assert_int_equal(object->type, MSGPACK_OBJECT_BIN);
        assert_int_equal(value->bytes.size, object->via.bin.size);
    }
}

/* A value is the tree's, and, where `root` is given, is found at `path` too. */
static void compare(const evlog_value *root, const evlog_value *value,
                    const msgpack_object *object, struct path *path)
{
    evlog_value found;
    if (root && path->size) {
        OK(evlog_value_find(root, path->text, &found));
        assert_ptr_equal(found.data.data, value->data.data);
        assert_int_equal(found.data.size, value->data.size);
        assert_int_equal(found.kind, value->kind);
    }
    if (value->kind == EVLOG_VALUE_MAP) {
        assert_int_equal(object->type, MSGPACK_OBJECT_MAP);
        assert_int_equal(value->count, object->via.map.size);
        compare_map(root, value, &object->via.map, path);
    } else if (value->kind == EVLOG_VALUE_LIST) {
        assert_int_equal(object->type, MSGPACK_OBJECT_ARRAY);
        assert_int_equal(value->count, object->via.array.size);
        compare_list(root, value, &object->via.array, path);
    } else {
        compare_scalar(value, object);
    }
}

/* Random data, walked, is msgpack-c's tree, and each value that has a path is found by it. */
static void random_data_is_the_trees(void **state)
{
    uint64_t seed = load_seed();
    msgpack_sbuffer data;
    msgpack_packer packer;
    (void)state;
    msgpack_sbuffer_init(&data);
    msgpack_packer_init(&packer, &data, msgpack_sbuffer_write);
    for (int i = 0; i < 20000; i++) {
        struct path path = {.size = 0};
        msgpack_unpacked tree;
        size_t used = 0;
        msgpack_sbuffer_clear(&data);
        pack_random_map(&packer, &seed, 5);
        msgpack_unpacked_init(&tree);
        assert_int_equal(msgpack_unpack_next(&tree, data.data, data.size, &used),
                         MSGPACK_UNPACK_SUCCESS);
        evlog_value root = whole(data.data, data.size);
        compare(&root, &root, &tree.data, &path);
        msgpack_unpacked_destroy(&tree);
    }
    msgpack_sbuffer_destroy(&data);
}

/* ------------------------------------------------------------- strangers ---- */

/* Every truncation is refused, and nothing past the end is read (the sanitizer looks). */
static void truncated_data_is_refused(void **state)
{
    msgpack_sbuffer data = packed(enrollment);
    (void)state;
    for (size_t size = 0; size < data.size; size++) {
        evlog_value value = {.count = 7};
        char *exact = malloc(size + 1);
        memcpy(exact + 1, data.data, size);
        FAILS(EVLOG_INVALID, "data", evlog_data_find(exact + 1, size, "enrollment", &value));
        assert_int_equal(value.count, 7);
        free(exact);
    }
    msgpack_sbuffer_destroy(&data);
}

static void hostile_data_is_refused(void **state)
{
    char deep[EVLOG_DATA_DEPTH_MAX + 2];
    evlog_value value;
    (void)state;
    memset(deep, '\x91', sizeof deep);
    deep[sizeof deep - 1] = '\xc0';
    FAILS(EVLOG_LIMIT, "deep", evlog_data_value(deep, sizeof deep, &value));
    FAILS(EVLOG_INVALID, "past the end", evlog_data_value(BYTES("\xdb\xff\xff\xff\xff"), &value));
    FAILS(EVLOG_INVALID, "middle", evlog_data_value(BYTES("\xdf\xff\xff\xff\xff"), &value));
    FAILS(EVLOG_INVALID, "follows", evlog_data_value(BYTES("\xc0\xc0"), &value));
    FAILS(EVLOG_NOTFOUND, "erased", evlog_data_value(NULL, 0, &value));
}

/* --------------------------------------------------------------- growing ---- */

/* A program whose structs are shorter or longer gets what it has room for, and zeros. */
static void structs_of_another_size_are_served(void **state)
{
    struct {
        evlog_value value;
        uint64_t more;
    } longer = {.more = 7};
    struct {
        unsigned char bytes[offsetof(evlog_value, number)];
        uint64_t after;
    } shorter = {.after = 7};
    (void)state;
    OK(evlog_data_value_sized(BYTES("\x05"), &longer.value, sizeof longer));
    assert_int_equal(longer.value.integer, 5);
    assert_int_equal(longer.more, 0);
    OK(evlog_data_value_sized(BYTES("\x05"), (evlog_value *)&shorter, sizeof shorter.bytes));
    assert_int_equal(shorter.bytes[offsetof(evlog_value, integer)], 5);
    assert_int_equal(shorter.after, 7);
}

/* -------------------------------------------------- the header's examples ---- */

static int note_enrollment(const evlog_event *event, void *ctx)
{
    evlog_value email;
    int result = evlog_event_find(event, "enrollment.user.pii.email", &email);
    if (result == EVLOG_NOTFOUND)
        return EVLOG_OK;
    if (result == EVLOG_OK && email.kind == EVLOG_VALUE_STRING)
        fwrite(email.string.text, 1, email.string.size, ctx);
    return result;
}

static size_t count_strings(const evlog_value *groups)
{
    size_t count = 0;
    evlog_items items;
    evlog_value key, value;
    int result = evlog_items_begin(groups, &items);
    while (result == EVLOG_OK && evlog_items_next(&items, &key, &value))
        count += value.kind == EVLOG_VALUE_STRING;
    return count;
}

/* The header's examples do what is said there. */
static void the_examples_work(void **state)
{
    msgpack_sbuffer data = packed(enrollment);
    evlog_event event = {.data = data.data, .data_size = data.size}, erased = {.seq = 1};
    evlog_value groups;
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    (void)state;
    OK(note_enrollment(&event, out));
    OK(note_enrollment(&erased, out));
    fclose(out);
    assert_string_equal(text, "a@b.c");
    OK(evlog_event_find(&event, "enrollment.groups", &groups));
    assert_int_equal(count_strings(&groups), 1);
    free(text);
    msgpack_sbuffer_destroy(&data);
}

static char *text_of_file(const char *path)
{
    static char text[65536];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return strdup(text);
}

/* The examples are here as they are in the header: every line of them, without its star. */
static void the_examples_are_the_headers(void **state)
{
    char *header = text_of_file("store/evlog/value.h"),
         *here = text_of_file("tests/test_value.c");
    char *rest = header, *line;
    int count = 0;
    (void)state;
    while ((line = strsep(&rest, "\n"))) {
        int is_code = strncmp(line, " *   ", 5) == 0 && !strstr(line, "\"$");
        if (is_code && !strstr(here, line + 5))
            fail_msg("not in this test: %s", line + 5);
        count += is_code;
    }
    assert_true(count >= 15);
    free(header);
    free(here);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_has_its_members),
        cmocka_unit_test(a_path_leads_to_its_value),
        cmocka_unit_test(a_missing_part_is_named),
        cmocka_unit_test(wrong_calls_are_refused),
        cmocka_unit_test(the_first_of_equal_keys_counts),
        cmocka_unit_test(a_value_is_searched_further),
        cmocka_unit_test(items_come_in_their_order),
        cmocka_unit_test(random_data_is_the_trees),
        cmocka_unit_test(truncated_data_is_refused),
        cmocka_unit_test(hostile_data_is_refused),
        cmocka_unit_test(structs_of_another_size_are_served),
        cmocka_unit_test(the_examples_work),
        cmocka_unit_test(the_examples_are_the_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
