/* What event types and consumers may be called: one word, that is not a pattern; and the patterns. */
#include "name.h"

#include <stdio.h>
#include <string.h>

#include "error.h"
#include "evlog.h"
#include "pack.h"

int name_check(const char *what, const char *name, size_t size, size_t size_max)
{
    if (!name || size == 0 || size > size_max || !pack_is_utf8(name, size))
        return error_set(EVLOG_INVALID, "%s is 1 to %zu bytes of UTF-8", what, size_max);
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)name[i];
        if (c <= ' ' || c == 0x7f || c == '*')
            return error_set(EVLOG_INVALID,
                             "%s has no blanks, control characters or '*': byte %zu is 0x%02x",
                             what, i, c);
    }
    return EVLOG_OK;
}

bool name_is_reserved(const char *event_type)
{
    static const char prefix[] = "evlog.";
    return strncmp(event_type, prefix, sizeof prefix - 1) == 0;
}

static int check_pattern(const char *what, const char *pattern)
{
    const char *star = pattern ? strchr(pattern, '*') : NULL;
    if (star && star[1])
        return error_set(EVLOG_INVALID, "event type %s: a '*' can only stand at the end",
                         pattern);
    if (star && star == pattern)
        return EVLOG_OK;
    size_t star_size = star ? 1 : 0, size = pattern ? strlen(pattern) - star_size : 0;
    return name_check(what, pattern, size, EVLOG_NAME_SIZE_MAX - star_size);
}

int name_check_patterns(const char *what, const char *const *patterns, size_t count)
{
    char which[96];
    if (count > EVLOG_PATTERNS_MAX)
        return error_set(EVLOG_LIMIT, "%zu event types, more than %d", count, EVLOG_PATTERNS_MAX);
    if (count > 0 && !patterns)
        return error_set(EVLOG_INVALID, "%s: event types are counted but not given", what);
    for (size_t i = 0; i < count; i++) {
        snprintf(which, sizeof which, "%s: event type %zu", what, i);
        int result = check_pattern(which, patterns[i]);
        if (result)
            return result;
    }
    return EVLOG_OK;
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
