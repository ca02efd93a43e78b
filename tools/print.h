/* Events and tables on standard output. */
#ifndef PRINT_H
#define PRINT_H

#include <jansson.h>

#include "tool.h"

/*
 * Writes JSON and a newline to standard output, in one line or, for OUTPUT_PRETTY, indented, and frees it. 0, or -1:
 * out of memory. `json` is NULL where it could not be made.
 */
int json_put(json_t *json, enum output output);

/* The same for the result of a verb. The exit status, reported. */
int result_put(json_t *json, enum output output);

/* The forms and the personal fields of a type in JSON; NULL: no memory. */
json_t *json_of_forms(const evlog_type *type);
json_t *json_of_personal(const evlog_type *type);

/* Writes what evlog_verify or evlog_salvage found to standard output, as `output` says. 0, or -1: out of memory. */
int finding_put(const evlog_finding *finding, enum output output);

/* Writes an event as `output` says. 0, or -1 with evlog_errmsg: out of memory, as a rule. */
int event_put(FILE *out, const evlog_event *event, enum output output);

/* The same as the options say: the output, and only some fields where these are asked for. */
int event_put_as(FILE *out, const evlog_event *event, const struct options *options);

/* A size for a person: "4.2 MB". Returns `text`. */
const char *size_text(uint64_t size, char text[16]);

#endif
