/* JSON text, see json.c. */
#ifndef DISPATCH_JSON_TEXT_H
#define DISPATCH_JSON_TEXT_H

#include "bytes.h"

/* Appends UTF-8 as a JSON string, with its quotes and escapes. */
void json_put_string(struct bytes *bytes, const char *text, size_t size);

#endif
