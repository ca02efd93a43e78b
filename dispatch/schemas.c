/*
 * The schemas that a log has of its event types.
 *
 * The log's table of types (store/types.h) holds them as text. Each is parsed once in a process, when
 * an event or a definition first needs it, and is then kept beside its entry. One that cannot be
 * parsed, or whose forms do not fit it, is kept too, with the reason: its events can still be read as
 * they are.
 */
#include "schemas.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "forms.h"
#include "schema.h"

static const evlog_schema unreadable = {.text = "",
                                        .canonical = "",
                                        .damage_code = EVLOG_NOMEM,
                                        .damage = "there was no memory to read it"};

/* A schema from the log's text; when that is damaged, one that says so. NULL: no memory. */
static evlog_schema *read_schema(const struct type_text *text)
{
    evlog_schema *schema = NULL;
    int result = evlog_schema_parse(text->schema, &schema);
    if (result == EVLOG_OK)
        result = forms_apply(schema, text->forms);
    if (result == EVLOG_OK)
        return schema;
    evlog_schema_free(schema);
    if (result == EVLOG_NOMEM)
        return NULL;
    schema = schema_new();
    if (schema) {
        schema->text = text->schema;
        schema->canonical = "";
        schema->damage_code = EVLOG_DAMAGED;
        schema->damage = arena_text(schema->arena, evlog_errmsg(), strlen(evlog_errmsg()));
    }
    return schema;
}

const evlog_schema *schemas_get(const struct type *type)
{
    evlog_schema *schema = atomic_load_explicit(&type->derived->schema, memory_order_acquire);
    if (schema || !type->text.schema)
        return schema;
    void *none = NULL;
    schema = read_schema(&type->text);
    if (!schema)
        return &unreadable;
    if (!atomic_compare_exchange_strong(&type->derived->schema, &none, schema)) {
        evlog_schema_free(schema);
        schema = none; /* another thread was first */
    }
    return schema;
}

void schemas_free(struct types *types)
{
    for (uint32_t i = 0; i < types_count(types); i++)
        evlog_schema_free(atomic_load(&types_at(types, i)->derived->schema));
}
