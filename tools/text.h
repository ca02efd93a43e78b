/* Text from a log, made safe to show. */
#ifndef TEXT_H
#define TEXT_H

#include <stddef.h>
#include <stdio.h>

/*
 * Writes text with control characters (C0, DEL, C1), line separators and those that change the
 * direction of text as \uXXXX, and bytes that are not UTF-8 as \xXX. In JSON, where they are
 * inside strings only, the result means the same. `keep_newlines` leaves \n as it is. At most
 * `width_max` columns of a terminal are filled, the last one by an ellipsis where that leaves
 * something out; 0: no limit.
 */
void text_put(FILE *out, const char *text, size_t size, int keep_newlines, size_t width_max);

/* The columns that a terminal gives to a text that is written so, without newlines. */
size_t text_width(const char *text, size_t size);

#endif
