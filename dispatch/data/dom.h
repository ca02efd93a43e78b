/* JSON text as a tree, see dom.c. */
#ifndef DISPATCH_DOM_H
#define DISPATCH_DOM_H

#include "arena.h"
#include "bytes.h"

enum json_kind { JSON_NULL, JSON_BOOLEAN, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
    enum json_kind kind;
    const char *key; /* of an object's member, ends in NUL */
    size_t key_size;
    const char *text; /* of a string, without its escapes, ends in NUL */
    size_t size;      /* of it, or of the array or object: its items */
    const char *raw;  /* in the text that was parsed, which is not copied */
    size_t raw_size;
    struct json *first, *next; /* the first item, and the one after this */
};

/*
 * Parses all of `text` into a tree in the arena. EVLOG_INVALID: not JSON, with the byte;
 * EVLOG_LIMIT: deeper than DOM_DEPTH_MAX; EVLOG_NOMEM.
 */
int dom_parse(const char *text, size_t size, evlog_arena *arena, const struct json **root);

/* The member of an object; of several with this key the last; NULL: none. */
const struct json *dom_get(const struct json *object, const char *key);

/* Appends JSON text as MessagePack. Errors of dom_parse. */
int dom_pack_text(const char *text, struct bytes *bytes);

#endif
