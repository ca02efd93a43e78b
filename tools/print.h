/* Events and tables on standard output. */
#ifndef PRINT_H
#define PRINT_H

#include <jansson.h>

#include "tool.h"

/* The JSON object of an event, to be json_decref'd; NULL: out of memory. */
json_t *json_of_event(const evlog_event *event);

/* Writes JSON and a newline, in one line or, for OUTPUT_PRETTY, indented. 0 or -1. */
int json_put(FILE *out, const json_t *json, enum output output);

/* Writes an event as `output` says. 0, or -1: out of memory. */
int event_put(FILE *out, const evlog_event *event, enum output output);

/* The UUID's text (RFC 9562). Returns `text`. */
const char *uuid_text(const uint8_t id[16], char text[37]);

/* A size for a person: "4.2 MB". Returns `text`. */
const char *size_text(uint64_t size, char text[16]);

#endif
