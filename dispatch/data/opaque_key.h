/* The keys of Open edX, see opaque_key.c. */
#ifndef DISPATCH_OPAQUE_KEY_H
#define DISPATCH_OPAQUE_KEY_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the text is a key of this EVLOG_KIND_. If not, `*description` is what such a key is. */
bool opaque_key_is(int kind, const char *text, size_t size, const char **description);

#endif
