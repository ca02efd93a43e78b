/*
 * Fuzz target: data from strangers, for every class there is. The first byte chooses the class;
 * the rest is MessagePack for the check and for unpacking, and bytes for the Avro decoder.
 *
 *   clang -fsanitize=fuzzer,address tests/fuzz_unpack.c ... (see fuzz_main.c for the plain driver)
 *
 * What must hold: the check and unpacking are of one opinion; what was unpacked can be packed
 * and passes the check; what Avro decoded and passes the check comes back from Avro the same.
 */
#include "evlog/openedx.h"
#include "shop.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void must(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "does not hold: %s: %s\n", what, evlog_errmsg());
        abort();
    }
}

static void try_unpack(const evlog_definition *definition, const evlog_schema *schema,
                       const uint8_t *bytes, size_t size)
{
    static union {
        char bytes[4096];
        int64_t aligned;
    } target;
    evlog_arena *arena;
    evlog_buffer packed;
    int checked = evlog_schema_check(schema, bytes, size);
    int result = evlog_class_unpack(definition, NULL, bytes, size, &target, &arena);
    must(!checked == !result || result == EVLOG_LIMIT, "checked and unpacked alike");
    if (result == EVLOG_OK) {
        must(evlog_class_pack(definition, &target, &packed) == EVLOG_OK, "packed again");
        must(evlog_schema_check(schema, packed.data, packed.size) == EVLOG_OK, "checked again");
        evlog_buffer_free(&packed);
        evlog_arena_free(arena);
    }
    if (evlog_class_unpack(definition, schema, bytes, size, &target, &arena) == EVLOG_OK)
        evlog_arena_free(arena);
}

static void try_avro(const evlog_schema *schema, const uint8_t *bytes, size_t size)
{
    evlog_buffer data, avro, again;
    if (evlog_avro_decode(schema, bytes, size, &data))
        return;
    if (evlog_avro_encode(schema, data.data, data.size, &avro) == EVLOG_OK) {
        must(evlog_avro_decode(schema, avro.data, avro.size, &again) == EVLOG_OK,
             "decoded again");
        evlog_buffer_free(&avro);
        must(evlog_avro_encode(schema, again.data, again.size, &avro) == EVLOG_OK,
             "encoded again");
        evlog_buffer_free(&avro);
        evlog_buffer_free(&again);
    }
    evlog_buffer_free(&data);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const evlog_definition *definition;
    evlog_schema *schema;
    if (size == 0)
        return 0;
    definition = evlog_openedx_definition(bytes[0] % 76);
    if (!definition)
        definition = &shop_definition;
    must(evlog_schema_make(definition, &schema) == EVLOG_OK, "the schema");
    must(definition->of->size <= 4096, "the target's size");
    try_unpack(definition, schema, bytes + 1, size - 1);
    try_avro(schema, bytes + 1, size - 1);
    evlog_schema_free(schema);
    return 0;
}
