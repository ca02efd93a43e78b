/*
 * The problems of some data, each with its path.
 *
 * Problems are collected and reported together, so that they can be corrected together. The sentence
 * has room for about ten; the others are counted. Paths contain the names of fields and the keys of
 * maps, never values: data is personal, and error messages end up in files.
 *
 * Cost: nothing until there is a problem; then a path is made from the places on the stack.
 */
#include "problems.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "error.h"

#define PATH_SIZE 400
#define NAME_SIZE 64 /* how much of a name is shown */

struct path {
    char text[PATH_SIZE];
    size_t size;
};

static void put(struct path *path, const char *text, size_t size)
{
    size_t room = PATH_SIZE - path->size;
    size = size < room ? size : room;
    memcpy(path->text + path->size, text, size);
    path->size += size;
}

/* How much of a name is shown: not half a character at its end. */
static size_t shown_size(const char *name, size_t size)
{
    if (size <= NAME_SIZE)
        return size;
    size = NAME_SIZE;
    while (size > 0 && ((unsigned char)name[size] & 0xc0) == 0x80)
        size--;
    return size;
}

static void put_place(struct path *path, const struct place *place)
{
    char number[24];
    if (!place->up)
        return;
    put_place(path, place->up);
    if (!place->name) {
        put(path, number, (size_t)snprintf(number, sizeof number, "[%zu]", place->index));
        return;
    }
    if (place->is_key)
        put(path, "[\"", 2);
    else if (path->size)
        put(path, ".", 1);
    put(path, place->name, shown_size(place->name, place->name_size));
    if (place->is_key)
        put(path, "\"]", 2);
}

void problem_add(struct problems *problems, const struct place *place, const char *format, ...)
{
    char line[PATH_SIZE + 300], sentence[256];
    struct path path = {.size = 0};
    va_list args;
    problems->count++;
    if (problems->left_out) {
        problems->left_out++; /* so a million problems do not cost a million paths */
        return;
    }
    put_place(&path, place);
    if (!path.size)
        put(&path, "data", 4);
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    int size = snprintf(line, sizeof line, "%s%.*s: %s", problems->size ? "; " : "",
                        (int)path.size, path.text, sentence);
    if (size < 0 || (size_t)size + problems->size >= PROBLEMS_SIZE) {
        problems->left_out++;
        return;
    }
    memcpy(problems->text + problems->size, line, (size_t)size + 1);
    problems->size += (size_t)size;
}

int problems_end(const struct problems *problems, int code)
{
    if (!problems->count)
        return EVLOG_OK;
    if (problems->left_out)
        return error_set(code, "%s; and %u more", problems->text, problems->left_out);
    return error_set(code, "%s", problems->text);
}
