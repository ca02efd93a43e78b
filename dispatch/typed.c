/*
 * Typed events: structs to be sent, events read into structs.
 *
 * Thin: packing, checking and resolution are elsewhere. What is decided here is which
 * argument of the event the struct is, and under which schema it was written.
 *
 * The argument is that of the signal's definition. Where that has none to tell (an event type
 * that this process knows only by name), it is the event's only argument, if it has one only.
 *
 * An event is read under its writer's schema, which the log names. Whether a class can
 * read that schema is found out once and remembered with the schema. An untyped event must
 * fit the class as if it were sent under it.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "define.h"
#include "error.h"
#include "match.h"
#include "pack.h"
#include "pack_struct.h"
#include "resolve.h"
#include "schema.h"
#include "sized.h"

int evlog_send_class_sized(evlog_signal *signal, const void *data, const evlog_class *of,
                           const evlog_send_options *options, size_t options_size,
                           size_t metadata_size, evlog_sent *sent, size_t sent_size)
{
    struct bytes bytes;
    if (!signal || !data || !of)
        return error_set(EVLOG_INVALID, "no signal, no data, or no class is given");
    const evlog_schema *schema = evlog_signal_schema(signal);
    if (!schema)
        return error_set(EVLOG_INVALID, "%s is untyped here; see evlog_define_class",
                         evlog_signal_type(signal));
    if (sent)
        memset(sent, 0, sent_size);
    bytes_begin(&bytes);
    int result = pack_struct(of, schema->argument, data, &bytes);
    /*
     * A disabled signal checks the metadata only. Without data nothing is sent, even if the signal
     * has been enabled since.
     */
    if (result == EVLOG_OK || !evlog_signal_is_enabled(signal))
        result =
            evlog_send_event_sized(signal, result ? NULL : bytes.buffer.data, bytes.buffer.size,
                                   options, options_size, metadata_size, sent, sent_size);
    bytes_free(&bytes);
    return result;
}

/* What the writer has where the reader's class is to be read; NULL: nothing. */
static const evlog_class *written_class(const evlog_schema *writer, const char *argument)
{
    size_t hint = 0;
    if (!argument)
        return &writer->root;
    struct fields fields = class_fields(&writer->root);
    const evlog_field *field = class_find(&fields, argument, strlen(argument), &hint);
    return field && shape_kind(field->shape) == EVLOG_KIND_CLASS ? field->of : NULL;
}

static bool is_same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/*
 * Whether the class can read what was written under the schema. An answer is remembered by the
 * class's function, which is its own, and not by its address, where another may follow.
 */
static int can_read(const evlog_class *of, const char *argument, evlog_schema *writer)
{
    if (writer->damage_code)
        return error_set(writer->damage_code, "the event's schema: %s", writer->damage);
    bool is_usual = of->describe && is_same_text(argument, writer->argument);
    if (is_usual && atomic_load(&writer->read_by) == of->describe)
        return EVLOG_OK;
    const evlog_class *from = written_class(writer, argument);
    if (!from)
        return error_set(EVLOG_CONFLICT, "the event's schema has no record %s", argument);
    if (argument && strcmp(from->name, of->name) != 0)
        return error_set(EVLOG_CONFLICT, "%s: written as %.64s, read as %.64s", argument,
                         from->name, of->name);
    int result = resolve_classes(of, from, 0);
    if (result == EVLOG_OK && is_usual)
        atomic_store(&writer->read_by, of->describe);
    return result;
}

static int unpack(const evlog_class *of, const char *argument, const evlog_schema *writer,
                  const void *packed, size_t packed_size, void *data, evlog_arena **arena)
{
    int result = pack_check_map(packed, packed_size);
    if (result == EVLOG_OK && writer)
        result = can_read(of, argument, (evlog_schema *)writer); /* it notes that it can */
    if (result)
        return result;
    evlog_arena *made = arena_new(of->size + 256, EVLOG_ARENA_SIZE_MAX);
    void *target = made ? arena_get(made, of->size) : NULL;
    result = !made    ? error_nomem()
             : target ? match_read(of, argument, packed, writer ? MATCH_RESOLVE : 0, made, target)
                      : arena_failure(made);
    if (result) {
        evlog_arena_free(made);
        return result;
    }
    memcpy(data, target, of->size);
    *arena = made;
    return EVLOG_OK;
}

int evlog_unpack(const evlog_event *event, const evlog_class *of, void *data, evlog_arena **arena)
{
    if (!event || !of || !data || !arena)
        return error_set(EVLOG_INVALID, "no event, no class, or no place for its data is given");
    if (!event->data)
        return error_set(EVLOG_NOTFOUND, "event %" PRIu64 ": its data were erased", event->seq);
    const evlog_schema *schema = event->signal ? evlog_signal_schema(event->signal) : NULL;
    if (!schema)
        schema = event->schema;
    return unpack(of, schema ? schema->argument : NULL, event->schema, event->data,
                  event->data_size, data, arena);
}

int evlog_class_unpack_sized(const evlog_definition *given, size_t definition_size,
                             const evlog_schema *writer, const void *packed, size_t packed_size,
                             void *data, evlog_arena **arena)
{
    evlog_definition definition;
    int result = sized_in(&definition, sizeof definition, given, definition_size);
    if (result)
        return result;
    if (!definition.of || !packed || !data || !arena)
        return error_set(EVLOG_INVALID, "no class, nothing packed, or no place for its data");
    return unpack(definition.of, definition.argument, writer, packed, packed_size, data, arena);
}

int evlog_schema_check(const evlog_schema *schema, const void *data, size_t data_size)
{
    if (!schema || !data)
        return error_set(EVLOG_INVALID, "no schema or no data is given");
    if (schema->damage_code)
        return error_set(schema->damage_code, "the schema: %s", schema->damage);
    int result = pack_check_map(data, data_size);
    return result ? result : match_check(&schema->root, data, 0);
}
