/* Events and tables on standard output. */
#ifndef PRINT_H
#define PRINT_H

#include <jansson.h>

#include "tool.h"

/* Writes JSON and a newline, in one line or, for OUTPUT_PRETTY, indented. 0 or -1. */
int json_put(FILE *out, const json_t *json, enum output output);

/* Writes an event as `output` says. 0, or -1 with evlog_errmsg: out of memory, as a rule. */
int event_put(FILE *out, const evlog_event *event, enum output output);

/* A size for a person: "4.2 MB". Returns `text`. */
const char *size_text(uint64_t size, char text[16]);

#endif
