/* An event's data from JSON, see json.c. */
#ifndef JSON_H
#define JSON_H

#include <jansson.h>
#include <msgpack.h>

/* Packs a JSON value. 0, or -1 with a sentence in `why`. */
int data_of_json(const json_t *json, msgpack_sbuffer *data, char *why, size_t why_size);

/*
 * What strict JSON refuses and programs write: half of a character's pair of \\u escapes becomes U+FFFD, a bare NaN,
 * Infinity or -Infinity {"$float": ...}. A copy of `size` bytes to be freed, whatever it is worth as JSON; NULL:
 * nothing is to be mended, or no memory.
 */
char *json_mended(const char *text, size_t *size);

/* Parses JSON text; NULL, with a sentence in `why`. Duplicate keys are refused: one of the values would be lost. */
json_t *json_of_text(const char *text, size_t size, char *why, size_t why_size);

/*
 * Parses JSON text and packs it: what `evlog send` takes. 0, or -1 with a sentence. An event as a whole, as `evlog
 * show` prints it, is refused: it would be an event in an event. Where mending would help, the sentence says so.
 */
int data_of_text(const char *text, size_t size, msgpack_sbuffer *data, char *why,
                 size_t why_size);

/* The same, of the mended text. */
int data_of_mended_text(const char *text, size_t size, msgpack_sbuffer *data, char *why,
                        size_t why_size);

#endif
