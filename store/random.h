/* Random bytes, see random.c. */
#ifndef STORE_RANDOM_H
#define STORE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#define RANDOM_SIZE_MAX 64

/*
 * Fills `bytes` with at most RANDOM_SIZE_MAX random ones, which nobody can predict and no thread,
 * process or fork gets again. Any thread. EVLOG_IO: the kernel gives none.
 */
int random_bytes(void *bytes, size_t size);

/*
 * Another number in a forked child than in its parent, never 0. It is counted from the first call
 * of random_bytes on.
 */
unsigned random_forks(void);

#define RANDOM_KEY_SIZE 32
#define RANDOM_BATCH_SIZE 1024

/*
 * The first sixteen blocks of ChaCha20 with this key and the nonce 0: the first words of all of them, then the second
 * words, and so on. By vectors of at most so many bytes. (For tests.)
 */
void random_expand(const unsigned char key[RANDOM_KEY_SIZE], size_t vector_size_max,
                   unsigned char out[RANDOM_BATCH_SIZE]);

#endif
