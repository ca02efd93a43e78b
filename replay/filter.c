/*
 * Which event types are wanted: names, or beginnings of one with a '*'.
 *
 * A record tells its type by a number, so the patterns are tried once for each type and the
 * answer is kept by number: an event costs a look at a byte, however many patterns there are.
 */
#include "filter.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "log.h"
#include "names.h"

int filter_check(const char *const *types, size_t type_count)
{
    if (type_count > EVLOG_PATTERNS_MAX)
        return error_set(EVLOG_LIMIT, "%zu event types, more than %d", type_count,
                         EVLOG_PATTERNS_MAX);
    if (type_count > 0 && !types)
        return error_set(EVLOG_INVALID, "the range or consumer counts event types but has none");
    for (size_t i = 0; i < type_count; i++) {
        const char *type = types[i];
        if (!type || !*type || !log_is_text(type))
            return error_set(EVLOG_INVALID, "event type %zu is not 1 to %d bytes of UTF-8", i,
                             EVLOG_NAME_SIZE_MAX);
        const char *star = strchr(type, '*');
        if (star && star[1])
            return error_set(EVLOG_INVALID, "event type %s: a '*' can only stand at the end",
                             type);
    }
    return EVLOG_OK;
}

int filter_begin(struct filter *filter, const char *const *types, size_t type_count)
{
    int result = filter_check(types, type_count);
    if (result)
        return result;
    unsigned char *wanted = calloc(EVLOG_TYPES_MAX + 1, 1);
    if (!wanted)
        return error_nomem();
    *filter = (struct filter){.types = types, .type_count = type_count, .wanted = wanted};
    return EVLOG_OK;
}

void filter_free(struct filter *filter)
{
    free(filter->wanted);
    filter->wanted = NULL;
}

static int matches(const struct filter *filter, const char *event_type)
{
    for (size_t i = 0; i < filter->type_count; i++) {
        const char *pattern = filter->types[i];
        size_t size = strlen(pattern);
        if (pattern[size - 1] == '*' ? strncmp(pattern, event_type, size - 1) == 0
                                     : strcmp(pattern, event_type) == 0)
            return 1;
    }
    return filter->type_count == 0;
}

int filter_wants(struct filter *filter, const struct name *type)
{
    unsigned char *wanted = &filter->wanted[type->number];
    if (*wanted == 0)
        *wanted = matches(filter, type->text[0]) ? 1 : 2;
    return *wanted == 1;
}
