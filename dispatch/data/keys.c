/*
 * The keys of a map: MessagePack lets them be anything, and repeat.
 *
 * Cost: a pass over the map, in which values are skipped. Up to COMPARED_MAX keys are compared each
 * with each; more are sorted in memory of their own.
 */
#include "keys.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "pack.h"

#define COMPARED_MAX 32

int keys_compare(const void *a, const void *b)
{
    const evlog_string *x = a, *y = b;
    size_t size = x->size < y->size ? x->size : y->size;
    int order = memcmp(x->text, y->text, size);
    return order ? order : (x->size > y->size) - (x->size < y->size);
}

static bool is_same(const evlog_string *a, const evlog_string *b)
{
    return a->size == b->size && memcmp(a->text, b->text, a->size) == 0;
}

/* A string that is there twice among `count`; text NULL: none. Sorts them when they are many. */
static evlog_string find_twice(evlog_string *strings, size_t count)
{
    if (count <= COMPARED_MAX) {
        for (size_t i = 0; i < count; i++)
            for (size_t j = 0; j < i; j++)
                if (is_same(&strings[i], &strings[j]))
                    return strings[i];
        return (evlog_string){.text = NULL};
    }
    qsort(strings, count, sizeof *strings, keys_compare);
    for (size_t i = 1; i < count; i++)
        if (is_same(&strings[i], &strings[i - 1]))
            return strings[i];
    return (evlog_string){.text = NULL};
}

int keys_look(const unsigned char *at, size_t count, struct keys *keys)
{
    evlog_string few[COMPARED_MAX], *strings = few;
    size_t string_count = 0;
    if (count > COMPARED_MAX && !(strings = malloc(count * sizeof *strings)))
        return error_nomem();
    *keys = (struct keys){.are_strings = true};
    for (size_t i = 0; i < count; i++) {
        struct pack_item key;
        pack_next(&at, &key);
        if (key.kind == PACK_STR) {
            strings[string_count++] = (evlog_string){.text = key.bytes, .size = key.size};
            keys->have_nul |= memchr(key.bytes, 0, key.size) != NULL;
        } else {
            keys->are_strings = false;
            pack_skip_items(&at, &key);
        }
        pack_skip(&at);
    }
    keys->twice = find_twice(strings, string_count);
    if (strings != few)
        free(strings);
    return EVLOG_OK;
}
