/*
 * Typed events: structs to be sent, events read into structs.
 *
 * Packing, checking and resolution are in data/. What is decided here is which argument of the
 * event the struct is, and under which schema the event was written.
 *
 * The argument is that of the signal's definition. Where that has none (an event type that this
 * process knows only by name), it is the event's only argument, if it has one only.
 */
#include <inttypes.h>
#include <string.h>

#include "error.h"
#include "pack_struct.h"

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

int evlog_unpack(const evlog_event *event, const evlog_class *of, void *data, evlog_arena **arena)
{
    if (!event || !of || !data || !arena)
        return error_set(EVLOG_INVALID, "no event, no class, or no place for its data is given");
    if (!event->data)
        return error_set(EVLOG_NOTFOUND, "event %" PRIu64 ": its data were erased", event->seq);
    const evlog_schema *schema = event->signal ? evlog_signal_schema(event->signal) : NULL;
    if (!schema)
        schema = event->schema;
    evlog_definition definition = {.argument = schema ? schema->argument : NULL, .of = of};
    return unpack_struct(&definition, event->schema, (evlog_bytes){event->data, event->data_size},
                         data, arena);
}
