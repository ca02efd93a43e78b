/* A line on the terminal that tells how far long work has come. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdint.h>

/* Begins; `total` 0: not known. Nothing is shown in the first half second, nor in a pipe. */
void progress_begin(const char *what, uint64_t total);

/* How far it is. Cheap: looks at the clock now and then only. */
void progress_at(uint64_t done);

/* Takes the line away. */
void progress_end(void);

#endif
