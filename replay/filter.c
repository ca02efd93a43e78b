/*
 * Which event types are wanted: names, or beginnings of names followed by a '*'.
 *
 * The patterns are compared once for each type and the answer is kept by the type's index: an event
 * costs a look at one byte, however many patterns there are.
 */
#include "filter.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "evlog.h"
#include "name.h"
#include "types.h"

/* What is known of a type. */
enum answer { UNKNOWN = 0, WANTED, UNWANTED };

#define ANSWER_COUNT EVLOG_TYPES_MAX

int filter_check(const char *const *types, size_t type_count)
{
    return name_check_patterns("a range or consumer", types, type_count);
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
