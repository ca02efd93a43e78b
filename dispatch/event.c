/*
 * Events for their caller to keep: one block with all they point to, but for the signal and
 * the schema, which live as long as the log.
 */
#include "event.h"

#include <stdlib.h>
#include <string.h>

/* Copies `text` to `*at` and moves it on. */
static const char *copy_text(char **at, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = memcpy(*at, text, size);
    *at += size;
    return copy;
}

evlog_event *event_copy(const evlog_event *event)
{
    size_t size = sizeof *event + event->data_size + event->headers_size +
                  strlen(event->event_type) + strlen(event->source) + strlen(event->sourcehost) +
                  strlen(event->sourcelib) + 4;
    evlog_event *copy = malloc(size);
    if (!copy)
        return NULL;
    *copy = *event;
    char *at = (char *)(copy + 1);
    if (event->data)
        copy->data = memcpy(at, event->data, event->data_size);
    at += event->data_size;
    if (event->headers)
        copy->headers = memcpy(at, event->headers, event->headers_size);
    at += event->headers_size;
    copy->event_type = copy_text(&at, event->event_type);
    copy->source = copy_text(&at, event->source);
    copy->sourcehost = copy_text(&at, event->sourcehost);
    copy->sourcelib = copy_text(&at, event->sourcelib);
    return copy;
}
