/* What event types and consumers may be called: one word, that is not a pattern. */
#include "name.h"

#include <string.h>

#include "error.h"
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
