/* Times as text, see time_text.c. */
#ifndef STORE_TIME_TEXT_H
#define STORE_TIME_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIME_TEXT_MAX 36 /* bytes of a time as text, less the NUL that none of these writes */

/*
 * Writes a time with six digits of fraction, and returns the text's size. `is_short`: without a
 * fraction that is zero, as Python's isoformat() writes it.
 */
size_t time_text_put(int64_t time_us, bool is_short, char text[TIME_TEXT_MAX]);

/*
 * Whether the text is a time with an offset, in the years 1 to 9999; only then sets `*time_us`.
 * Digits after the sixth of a fraction are dropped.
 */
bool time_text_get(const char *text, size_t size, int64_t *time_us);

#endif
