/* A record as the event a receiver gets. */
#ifndef DISPATCH_EVENT_H
#define DISPATCH_EVENT_H

#include <string.h>

#include "record.h"
#include "schemas.h"
#include "signals.h"
#include "sources.h"

/*
 * `*event` then points into the record, the type and the source, and lives as long as they do. (Field by field, as in
 * record.c.)
 */
static inline void event_fill(evlog_event *event, const struct record *record,
                              const struct type *type, const struct source *source,
                              evlog_signal *signal, bool is_replay)
{
    event->seq = record->seq;
    event->log_time_us = record->log_time_us;
    memcpy(event->id, record->id, sizeof event->id);
    event->event_type = type->text.name;
    event->minorversion = record->minorversion;
    event->time_us = record->time_us;
    event->source = source->text[0];
    event->sourcehost = source->text[1];
    event->sourcelib = source->text[2];
    event->data = record->data;
    event->data_size = record->data_size;
    event->is_replay = is_replay;
    event->from_event_bus = record->flags & RECORD_FROM_EVENT_BUS;
    event->is_retry = false;
    event->attempt = 0;
    event->signal = signal;
    event->schema = schemas_get(type);
    event->headers = record->headers;
    event->headers_size = record->headers_size;
    event->type_number = type->number;
}

/* A copy with all that it points to, to be freed; NULL: no memory. */
evlog_event *event_copy(const evlog_event *event);

#endif
