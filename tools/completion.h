/* Completion for shells, see completion.c. */
#ifndef COMPLETION_H
#define COMPLETION_H

#include <stddef.h>

struct verb;

/* `evlog completion WORD...`; the exit status. */
int completion_run(const struct verb *verbs, size_t count, int word_count, char **words);

#endif
