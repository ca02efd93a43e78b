/* Text with a form: times, UUIDs and opaque keys, see forms.c. */
#ifndef DISPATCH_FORMS_H
#define DISPATCH_FORMS_H

#include <stddef.h>
#include <stdint.h>

#define FORMS_TIME_SIZE 36 /* room for a time as text */
#define FORMS_UUID_SIZE 36 /* of a UUID as text, which has no NUL after it */

/* A time in the years 1 to 9999 as Python's isoformat() has it. Returns the text's size. */
size_t forms_put_time(int64_t time_us, char text[FORMS_TIME_SIZE]);

/* 1 when the text is a time with an offset; digits past the sixth of a second are dropped. */
int forms_get_time(const char *text, size_t size, int64_t *time_us);

void forms_put_uuid(const uint8_t bytes[16], char text[FORMS_UUID_SIZE]);

/* 1 when the text is 8-4-4-4-12 hex digits. */
int forms_get_uuid(const char *text, size_t size, uint8_t bytes[16]);

/* 1 when the text is a key of this EVLOG_KIND_; what such a key is like is in `*words`. */
int forms_is_key(int kind, const char *text, size_t size, const char **words);

#endif
