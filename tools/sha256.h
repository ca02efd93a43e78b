/* SHA-256 in one call, see sha256.c. */
#ifndef SHA256_H
#define SHA256_H

#include <stddef.h>

#define SHA256_SIZE 32

void sha256(const void *data, size_t size, unsigned char out[SHA256_SIZE]);

#endif
