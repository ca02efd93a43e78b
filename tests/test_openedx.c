/* The catalogue of Open edX's events, against the facts about openedx-events 11.2. */
#include "evlog/value.h"
#include "facts.h"

#define BYTES_MAX 8192

/* ---------------------------------------------------------------- schemas ---- */

static void try_schema(json_t *fact, void *ctx)
{
    const char *event_type = facts_text(fact, "event_type");
    const evlog_definition *definition = definition_of(event_type);
    json_t *theirs = json_object_get(fact, "avro_schema_current");
    evlog_schema *schema;
    if (!definition)
        fail_msg("%s is not in the catalogue", event_type);
    assert_int_equal(definition->minor_version, 0);
    if (!theirs)
        return;
    OK(evlog_schema_make(definition, &schema));
    json_t *ours = json_loads(evlog_schema_text(schema), JSON_REJECT_DUPLICATES, NULL);
    if (!json_equal(ours, theirs))
        fail_msg("%s: %s", event_type, evlog_schema_text(schema));
    json_decref(ours);
    evlog_schema_free(schema);
    ++*(size_t *)ctx;
}

/* The schema made from a class equals, as JSON, the one that openedx-events makes. */
static void makes_the_schemas_of_openedx_events(void **state)
{
    size_t few = 0, all = 0;
    (void)state;
    facts_each(facts_path(0, "catalog.json"), "signals", try_schema, &few);
    assert_int_equal(few, 8);
    const char *path = facts_path(1, "catalog.json");
    if (!path)
        return;
    assert_int_equal(facts_each(path, "signals", try_schema, &all), 75);
    assert_int_equal(all, 72);
}

/* A schema's text, read back, makes the same text of canonical form, and reads its own kind. */
static void schemas_are_read_back(void **state)
{
    (void)state;
    assert_non_null(evlog_openedx_definition(74));
    assert_null(evlog_openedx_definition(75));
    for (size_t i = 0; i < 75; i++) {
        evlog_schema *made, *read;
        OK(evlog_schema_make(evlog_openedx_definition(i), &made));
        OK(evlog_schema_parse(evlog_schema_text(made), &read));
        assert_string_equal(evlog_schema_text(made), evlog_schema_text(read));
        OK(evlog_schema_reads(made, read));
        OK(evlog_schema_reads(read, made));
        evlog_schema_free(made);
        evlog_schema_free(read);
    }
}

/* ------------------------------------------------------------------ classes ---- */

static void collect_class(const evlog_class *of, const evlog_class **seen, size_t *count)
{
    size_t field_count;
    const evlog_field *fields = of->describe(&field_count);
    for (size_t i = 0; i < *count; i++)
        if (seen[i]->size == of->size && strcmp(seen[i]->name, of->name) == 0)
            return; /* each file that includes openedx.h has a copy of its own */
    seen[(*count)++] = of;
    for (size_t i = 0; i < field_count; i++)
        if (fields[i].of)
            collect_class(fields[i].of, seen, count);
}

static void try_class(json_t *fact, void *ctx)
{
    const evlog_class **classes = ctx;
    json_t *field, *fields = json_object_get(fact, "fields");
    size_t i, count, right = 0;
    for (const evlog_class **of = classes; *of; of++) {
        const evlog_field *ours = (*of)->describe(&count);
        int is_same = strcmp((*of)->name, facts_text(fact, "name")) == 0 &&
                      count == json_array_size(fields);
        json_array_foreach(fields, i, field)
        {
            is_same = is_same && strcmp(ours[i].name, facts_text(field, "name")) == 0 &&
                      ours[i].is_optional == json_is_true(json_object_get(field, "nullable")) &&
                      !ours[i].fallback == json_is_true(json_object_get(field, "required"));
        }
        right += is_same;
    }
    if (right != 1)
        fail_msg("%s: %zu classes have its fields", facts_text(fact, "key"), right);
}

/* Each of the 54 data classes is there with its fields, in their order, and its defaults. */
static void has_the_classes_of_openedx_events(void **state)
{
    size_t class_count = 0;
    const evlog_class *classes[100] = {NULL};
    (void)state;
    for (size_t i = 0; evlog_openedx_definition(i); i++)
        collect_class(evlog_openedx_definition(i)->of, classes, &class_count);
    /* the ones that no event has */
    collect_class(&openedx_user_non_personal_data_class, classes, &class_count);
    collect_class(&openedx_base_ledger_transaction_class, classes, &class_count);
    collect_class(&openedx_base_enterprise_fulfillment_class, classes, &class_count);
    collect_class(&openedx_licensed_enterprise_course_enrollment_class, classes, &class_count);
    const char *path = facts_path(1, "catalog.json");
    if (path)
        assert_int_equal(facts_each(path, "data_classes", try_class, classes), 54);
}

/* All 75 are defined, in order, each with its schema; and again; and in a log opened later. */
static void defines_them_all(void **state)
{
    evlog *log;
    evlog_signal *signal;
    evlog_info info;
    for (int i = 0; i < 2; i++) {
        OK(evlog_open(in(*state, "log"), &(evlog_options){.durability = EVLOG_FAST}, &log));
        OK(evlog_define_openedx(log));
        OK(evlog_define_openedx(log));
        OK(evlog_inspect(log, &info));
        assert_int_equal(info.type_count, 75);
        OK(evlog_signal_by_type(log, OPENEDX_ROLE_ASSIGNMENT_DELETED, &signal));
        assert_string_equal(evlog_signal_type(signal),
                            "org.openedx.authz.role_assignment.deleted");
        assert_non_null(strstr(evlog_schema_text(evlog_signal_schema(signal)), "actor_id"));
        OK(evlog_close(log));
    }
}

static bool is_marked(const evlog_definition *definition, const char *path)
{
    for (size_t i = 0; i < definition->personal_count; i++)
        if (strcmp(definition->personal[i], path) == 0)
            return true;
    return false;
}

/* Each place of UserPersonalData under `path` is marked, and counted. */
static unsigned check_marks(const evlog_definition *definition, const evlog_class *of,
                            const char *path)
{
    char below[300];
    size_t field_count;
    unsigned count = 0;
    const evlog_field *fields = of->describe(&field_count);
    for (size_t i = 0; i < field_count; i++) {
        size_t size = (size_t)snprintf(below, sizeof below, "%s.%s", path, fields[i].name);
        for (uint64_t shape = fields[i].shape; shape > 0xff && size < sizeof below; shape >>= 8)
            size += (size_t)snprintf(below + size, sizeof below - size, ".*");
        if (fields[i].of && strcmp(fields[i].of->name, "UserPersonalData") != 0)
            count += check_marks(definition, fields[i].of, below);
        else if (fields[i].of && !is_marked(definition, below))
            fail_msg("%s: %s is not marked as personal", definition->event_type, below);
        else
            count += fields[i].of != NULL;
    }
    return count;
}

/* What is about a person is marked: UserPersonalData wherever it is, and what else is listed. */
static void marks_personal_fields(void **state)
{
    const evlog_definition *definition;
    unsigned count = 0;
    (void)state;
    for (size_t i = 0; (definition = evlog_openedx_definition(i)); i++)
        count += check_marks(definition, definition->of, definition->argument);
    assert_int_equal(count, 38);
}

/* A signatory's image, which upstream cannot send, is sent and comes back as bytes. */
static void sends_what_upstream_cannot(void **state)
{
    evlog *log;
    evlog_signal *signal;
    evlog_event *event;
    evlog_arena *arena;
    struct openedx_certificate_signatory_data signatory = {.image = {"\x89PNG\0\xff", 6},
                                                           .name = evlog_str("A"),
                                                           .organization = evlog_str("O"),
                                                           .title = evlog_str("")};
    struct openedx_certificate_config_data read,
        config = {.certificate_type = evlog_str("verified"),
                  .course_key = evlog_str("course-v1:edX+DemoX+Demo_Course"),
                  .title = evlog_str("t"),
                  .signatories = {&signatory, 1}};
    OK(evlog_open(in(*state, "log"), NULL, &log));
    OK(evlog_define_class(log, definition_of(OPENEDX_COURSE_CERTIFICATE_CONFIG_CHANGED),
                          &signal));
    OK(evlog_send_class(signal, &config, &openedx_certificate_config_data_class, NULL, NULL));
    OK(evlog_read(log, 1, &event));
    OK(evlog_unpack(event, &openedx_certificate_config_data_class, &read, &arena));
    assert_int_equal(read.signatories.count, 1);
    assert_int_equal(read.signatories.items[0].image.size, 6);
    assert_memory_equal(read.signatories.items[0].image.data, "\x89PNG\0\xff", 6);
    assert_string_equal(read.signatories.items[0].title.text ? "" : "NULL", "");
    evlog_arena_free(arena);
    evlog_event_free(event);
    OK(evlog_close(log));
}

/* ----------------------------------------------------------------- vectors ---- */

/* JSON is encoded to exactly these bytes, and they decoded are the same JSON. */
static void try_bytes(const evlog_schema *schema, const char *what, const json_t *json,
                      const char *hex)
{
    unsigned char bytes[BYTES_MAX];
    size_t size = facts_bytes(hex, bytes);
    evlog_buffer avro, back, text;
    msgpack_sbuffer data = facts_packed(json);
    OK(evlog_avro_encode(schema, data.data, data.size, &avro));
    if (avro.size != size || memcmp(avro.data, bytes, size) != 0)
        fail_msg("%s is encoded otherwise", what);
    OK(evlog_avro_decode(schema, bytes, size, &back));
    OK(evlog_data_json(back.data, back.size, EVLOG_JSON_LINE, &text));
    json_t *decoded = json_loadb(text.data, text.size, 0, NULL);
    if (!json_equal(decoded, json))
        fail_msg("%s is decoded otherwise: %s", what, json_dumps(decoded, 0));
    FAILS(EVLOG_INVALID, "Avro", evlog_avro_decode(schema, bytes, size - 1, &back));
    json_decref(decoded);
    evlog_buffer_free(&text);
    evlog_buffer_free(&avro);
    evlog_buffer_free(&back);
    msgpack_sbuffer_destroy(&data);
}

static void try_vector(json_t *fact, void *ctx)
{
    const char *event_type = facts_text(fact, "event_type");
    const evlog_definition *definition = definition_of(event_type);
    json_t *json = json_object_get(fact, "data");
    evlog_schema *made, *read;
    if (!definition || !json)
        return; /* of another schema, or of a bus's frame around the bytes */
    OK(evlog_schema_make(definition, &made));
    OK(evlog_schema_parse(evlog_schema_text(made), &read));
    try_bytes(made, facts_text(fact, "id"), json, facts_text(fact, "hex"));
    try_bytes(read, facts_text(fact, "id"), json, facts_text(fact, "hex"));
    evlog_schema_free(made);
    evlog_schema_free(read);
    ++*(size_t *)ctx;
}

/* Encoding gives, byte for byte, what openedx-events and Avro's own library give. */
static void encodes_the_vectors(void **state)
{
    size_t few = 0, all = 0;
    (void)state;
    facts_each(facts_path(0, "vectors.json"), "vectors", try_vector, &few);
    assert_int_equal(few, 7);
    const char *path = facts_path(1, "vectors.json");
    if (!path)
        return;
    facts_each(path, "vectors", try_vector, &all);
    assert_in_range(all, 12, 30);
}

/* Avro's own JSON names the branch of a union, {"string": "abc"}; here it is the value alone. */
static json_t *untagged(const json_t *schema, const json_t *value, json_t *names)
{
    const char *name = json_string_value(schema);
    json_t *field, *item, *made;
    size_t i;
    if (name)
        return json_object_get(names, name) ? untagged(json_object_get(names, name), value, names)
                                            : json_incref((json_t *)value);
    if (json_is_array(schema))
        return json_is_null(value)
                   ? json_null()
                   : untagged(json_array_get(schema, 1),
                              json_object_iter_value(json_object_iter((json_t *)value)), names);
    const char *type = json_string_value(json_object_get(schema, "type")), *key;
    if (strcmp(type, "array") == 0) {
        made = json_array();
        json_array_foreach(value, i, item)
            json_array_append_new(made, untagged(json_object_get(schema, "items"), item, names));
        return made;
    }
    made = json_object();
    if (strcmp(type, "map") == 0) {
        json_object_foreach((json_t *)value, key, item) json_object_set_new(
            made, key, untagged(json_object_get(schema, "values"), item, names));
        return made;
    }
    json_object_set(names, json_string_value(json_object_get(schema, "name")), (json_t *)schema);
    json_array_foreach(json_object_get(schema, "fields"), i, field)
    {
        key = json_string_value(json_object_get(field, "name"));
        json_object_set_new(
            made, key,
            untagged(json_object_get(field, "type"), json_object_get(value, key), names));
    }
    return made;
}

static void try_golden(char *line)
{
    char *event_type = strtok(line, "\t"), *hex = strtok(NULL, "\t"), *text = strtok(NULL, "\n");
    const evlog_definition *definition = definition_of(event_type);
    evlog_schema *schema;
    OK(evlog_schema_make(definition, &schema));
    json_t *json_schema = json_loads(evlog_schema_text(schema), 0, NULL), *names = json_object();
    json_t *tagged = json_loads(text, 0, NULL), *json = untagged(json_schema, tagged, names);
    try_bytes(schema, event_type, json, hex);
    json_decref(json);
    json_decref(tagged);
    json_decref(names);
    json_decref(json_schema);
    evlog_schema_free(schema);
}

static size_t try_goldens(const char *path)
{
    char line[BYTES_MAX];
    size_t count = 0;
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof line, file)); /* the head */
    for (; fgets(line, sizeof line, file); count++)
        try_golden(line);
    fclose(file);
    return count;
}

/* So for data that have a value everywhere, against Apache's Avro. */
static void encodes_the_golden_data(void **state)
{
    (void)state;
    assert_int_equal(try_goldens(facts_path(0, "avro_golden.tsv")), 6);
    const char *path = facts_path(1, "avro_golden.tsv");
    if (path)
        assert_int_equal(try_goldens(path), 33);
}

/* ------------------------------------------------------- an older schema ---- */

static json_t *fact_with_id(json_t *facts, const char *id)
{
    json_t *fact;
    size_t i;
    json_array_foreach(json_object_get(facts, "vectors"), i,
                       fact) if (strcmp(facts_text(fact, "id"), id) == 0) return fact;
    return NULL;
}

/* XBLOCK_DUPLICATED as it was before XBlockData had a version. */
#define OLD_DUPLICATED_XBLOCK_DATA(F) \
    F(USAGE_KEY, usage_key)           \
    F(STRING, block_type)             \
    F(USAGE_KEY, source_usage_key)
EVLOG_CLASS(old_duplicated_xblock_data, DuplicatedXBlockData, OLD_DUPLICATED_XBLOCK_DATA);

/*
 * V20: the bytes of the newer writer under the older schema would be other data without an
 * error. Left over bytes give it away here; with the writer's schema they are read rightly.
 */
static void is_not_misread_under_an_older_schema(void **state)
{
    unsigned char bytes[BYTES_MAX];
    evlog_buffer packed;
    evlog_arena *arena;
    struct old_duplicated_xblock_data read;
    evlog_definition old = {.event_type = OPENEDX_XBLOCK_DUPLICATED,
                            .argument = "xblock_info",
                            .of = &old_duplicated_xblock_data_class};
    evlog_schema *older, *newer;
    json_t *facts = facts_load(facts_path(0, "vectors.json"));
    size_t size = facts_bytes(facts_text(fact_with_id(facts, "V09"), "hex"), bytes);
    json_t *right = json_object_get(
        json_object_get(fact_with_id(facts, "V20"), "correct_with_schema_resolution"),
        "xblock_info");
    (void)state;
    OK(evlog_schema_make(&old, &older));
    OK(evlog_schema_make(definition_of(OPENEDX_XBLOCK_DUPLICATED), &newer));
    FAILS(EVLOG_INVALID, "left over", evlog_avro_decode(older, bytes, size, &packed));
    OK(evlog_avro_decode(newer, bytes, size, &packed));
    OK(evlog_class_unpack(&old, newer, packed.data, packed.size, &read, &arena));
    assert_true(evlog_str_is(read.usage_key, facts_text(right, "usage_key")));
    assert_true(evlog_str_is(read.block_type, facts_text(right, "block_type")));
    assert_true(evlog_str_is(read.source_usage_key, facts_text(right, "source_usage_key")));
    evlog_arena_free(arena);
    evlog_buffer_free(&packed);
    evlog_schema_free(older);
    evlog_schema_free(newer);
    json_decref(facts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_the_schemas_of_openedx_events),
        cmocka_unit_test(schemas_are_read_back),
        cmocka_unit_test(has_the_classes_of_openedx_events),
        TEST_AT_HOME(defines_them_all),
        cmocka_unit_test(marks_personal_fields),
        TEST_AT_HOME(sends_what_upstream_cannot),
        cmocka_unit_test(encodes_the_vectors),
        cmocka_unit_test(encodes_the_golden_data),
        cmocka_unit_test(is_not_misread_under_an_older_schema),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
