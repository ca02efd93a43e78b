/* Text with a form: times and opaque keys (UUIDs: store/uuid.h), see forms.c. */
#ifndef DISPATCH_FORMS_H
#define DISPATCH_FORMS_H

#include <stddef.h>
#include <stdint.h>

#define FORMS_TIME_SIZE 36 /* room for a time as text */

/* A time in the years 1 to 9999 as Python's isoformat() has it. Returns the text's size. */
size_t forms_put_time(int64_t time_us, char text[FORMS_TIME_SIZE]);

/* 1 when the text is a time with an offset; digits past the sixth of a second are dropped. */
int forms_get_time(const char *text, size_t size, int64_t *time_us);

/* 1 when the text is a key of this EVLOG_KIND_; what such a key is like is in `*words`. */
int forms_is_key(int kind, const char *text, size_t size, const char **words);

#endif
