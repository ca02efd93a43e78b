/* Random bytes, see random.c. */
#ifndef STORE_RANDOM_H
#define STORE_RANDOM_H

#include <stddef.h>

/*
 * Fills `bytes` with at most RANDOM_SIZE_MAX random ones, which nobody can predict and no thread,
 * process or fork gets again. Any thread. EVLOG_IO: the kernel gives none.
 */
int random_bytes(void *bytes, size_t size);

#define RANDOM_SIZE_MAX 64

#endif
