/* A record as the event a receiver gets. */
#ifndef DISPATCH_EVENT_H
#define DISPATCH_EVENT_H

#include <string.h>

#include "record.h"
#include "schemas.h"
#include "signals.h"
#include "sources.h"

/* `*event` then points into the record, the type and the source, and lives as long as they do. */
static inline void event_fill(evlog_event *event, const struct record *record,
                              const struct type *type, const struct source *source,
                              evlog_signal *signal, bool is_replay)
{
    *event = (evlog_event){
        .seq = record->seq,
        .log_time_us = record->log_time_us,
        .event_type = type->text.name,
        .minorversion = record->minorversion,
        .time_us = record->time_us,
        .source = source->text[0],
        .sourcehost = source->text[1],
        .sourcelib = source->text[2],
        .data = record->data,
        .data_size = record->data_size,
        .is_replay = is_replay,
        .from_event_bus = record->flags & RECORD_FROM_EVENT_BUS,
        .signal = signal,
        .schema = schemas_get(type),
        .headers = record->headers,
        .headers_size = record->headers_size,
        .type_number = type->number,
    };
    memcpy(event->id, record->id, sizeof event->id);
}

/* A copy with all that it points to, to be freed; NULL: no memory. */
evlog_event *event_copy(const evlog_event *event);

#endif
