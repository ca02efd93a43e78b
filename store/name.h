/* What event types and consumers may be called, see name.c. */
#ifndef STORE_NAME_H
#define STORE_NAME_H

#include <stdbool.h>
#include <stddef.h>

/*
 * EVLOG_INVALID: `name` (or NULL) is not 1 to `size_max` bytes of UTF-8 without blanks, control
 * characters and '*'. `what` begins the sentence: "an event type".
 */
int name_check(const char *what, const char *name, size_t size, size_t size_max);

/*
 * Which event types are asked for: names, or beginnings of names, perhaps empty, followed by a '*'. `what`
 * begins the sentence, and the place in the list follows it: "event type". EVLOG_INVALID; EVLOG_LIMIT:
 * more than EVLOG_PATTERNS_MAX.
 */
int name_check_patterns(const char *what, const char *const *patterns, size_t count);

/* Whether an event type is the log's own, which begins with "evlog.": see note.c. */
bool name_is_reserved(const char *event_type);

#endif
