/* The terminal that output goes to: its width, colours, and the pager, see terminal.c. */
#ifndef TERMINAL_H
#define TERMINAL_H

#include <stdbool.h>
#include <stdio.h>

/* How many characters a line on `out` may have; 0: any. */
size_t line_width(FILE *out);

/* Whether what is written to `out` may have colours. */
bool has_colours(FILE *out);

/* What a part of the output is; each has a colour. */
enum mark { MARK_NONE, MARK_SIDE, MARK_NAME, MARK_BAD };

/* Begins a part that is marked; MARK_NONE ends it. Writes nothing where there are no colours. */
void mark_put(FILE *out, enum mark mark);

/* Whether a person sees standard output, at once or in the pager. */
bool is_watched(void);

/* From now on standard output goes through the pager, if it is a terminal. Main calls it before anything is printed. */
void pager_begin(void);

#endif
