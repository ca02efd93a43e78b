/*
 * Fuzz target: the text of schemas from strangers.
 *
 * What must hold: what is taken reads its own kind, has room for its own defaults, and is
 * compared and used without harm.
 */
#include "evlog/schema.h"
#include "test.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    evlog_schema *schema, *again;
    evlog_buffer buffer;
    char *text = malloc(size + 1);
    memcpy(text, bytes, size);
    text[size] = '\0';
    if (evlog_schema_parse(text, &schema) == EVLOG_OK) {
        int reads = evlog_schema_reads(schema, schema);
        if (reads != EVLOG_OK && reads != EVLOG_LIMIT)
            abort();
        if (evlog_schema_parse(evlog_schema_text(schema), &again))
            abort();
        evlog_schema_free(again);
        /* no data: where all has a default that is an event, and can be encoded */
        if (evlog_schema_check(schema, "\x80", 1) == EVLOG_OK) {
            if (evlog_avro_encode(schema, "\x80", 1, &buffer))
                abort();
            evlog_buffer_free(&buffer);
        }
        if (evlog_avro_decode(schema, bytes, size, &buffer) == EVLOG_OK)
            evlog_buffer_free(&buffer);
        evlog_schema_free(schema);
    }
    free(text);
    return 0;
}
