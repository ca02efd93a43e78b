/*
 * Which event types are wanted: names, or beginnings of names followed by a '*'.
 *
 * The patterns are compared once for each type and the answer is kept by the type's index: an event
 * costs a look at one byte, however many patterns there are.
 */
#include "filter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "evlog.h"
#include "name.h"
#include "types.h"

/* What is known of a type. */
enum answer { UNKNOWN = 0, WANTED, UNWANTED };

#define ANSWER_COUNT EVLOG_TYPES_MAX

/* A type is a name, or the beginning of one, perhaps empty, and a '*'. */
static int check_type(const char *type, size_t i)
{
    char what[48];
    const char *star = type ? strchr(type, '*') : NULL;
    if (star && star[1])
        return error_set(EVLOG_INVALID, "event type %s: a '*' can only stand at the end", type);
    if (star && star == type)
        return EVLOG_OK;
    size_t star_size = star ? 1 : 0, size = type ? strlen(type) - star_size : 0;
    snprintf(what, sizeof what, "event type %zu of a range or consumer", i);
    return name_check(what, type, size, EVLOG_NAME_SIZE_MAX - star_size);
}

int filter_check(const char *const *types, size_t type_count)
{
    if (type_count > EVLOG_PATTERNS_MAX)
        return error_set(EVLOG_LIMIT, "%zu event types, more than %d", type_count,
                         EVLOG_PATTERNS_MAX);
    if (type_count > 0 && !types)
        return error_set(EVLOG_INVALID, "the range or consumer counts event types but has none");
    for (size_t i = 0; i < type_count; i++) {
        int result = check_type(types[i], i);
        if (result)
            return result;
    }
    return EVLOG_OK;
}

int filter_begin(struct filter *filter, const char *const *types, size_t type_count)
{
    size_t text_size = 0;
    int result = filter_check(types, type_count);
    if (result || type_count == 0)
        return result;
    for (size_t i = 0; i < type_count; i++)
        text_size += strlen(types[i]) + 1;
    char **copies = calloc(1, type_count * sizeof *copies + ANSWER_COUNT + text_size);
    if (!copies)
        return error_nomem();
    unsigned char *answers = (unsigned char *)(copies + type_count);
    char *text = (char *)(answers + ANSWER_COUNT);
    for (size_t i = 0; i < type_count; i++) {
        copies[i] = strcpy(text, types[i]);
        text += strlen(text) + 1;
    }
    *filter = (struct filter){.types = copies, .type_count = type_count, .answers = answers};
    return EVLOG_OK;
}

void filter_free(struct filter *filter)
{
    free(filter->types);
    *filter = (struct filter){.types = NULL};
}

static bool matches(const char *pattern, const char *event_type)
{
    size_t size = strlen(pattern);
    if (size == 0 || pattern[size - 1] != '*')
        return strcmp(pattern, event_type) == 0;
    return strncmp(pattern, event_type, size - 1) == 0;
}

/* The log's own types are asked for by a pattern that names them, not by one of all types. */
bool evlog_type_matches(const char *const *types, size_t type_count, const char *event_type)
{
    bool is_reserved = name_is_reserved(event_type);
    for (size_t i = 0; i < type_count; i++)
        if (matches(types[i], event_type) && (!is_reserved || name_is_reserved(types[i])))
            return true;
    return type_count == 0 && !is_reserved;
}

bool filter_wants(struct filter *filter, const struct type *type)
{
    if (!filter->types)
        return !type->is_reserved;
    unsigned char *answer = &filter->answers[type->index];
    if (*answer == UNKNOWN)
        *answer = evlog_type_matches((const char *const *)filter->types, filter->type_count,
                                     type->text.name)
                      ? WANTED
                      : UNWANTED;
    return *answer == WANTED;
}
