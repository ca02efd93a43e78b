/* JSON values as text. */
#ifndef DUMP_H
#define DUMP_H

#include <jansson.h>

/* The text of a value, on one line or indented; malloc'd. NULL: out of memory. */
char *dump_json(const json_t *json, int is_indented);

#endif
