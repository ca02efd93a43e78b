/* Writing to a file all that is asked for, see file.c. */
#ifndef STORE_FILE_H
#define STORE_FILE_H

#include <stddef.h>
#include <stdint.h>

/* Each returns 0 or an errno. */
int file_write(int fd, const void *bytes, size_t size, uint64_t at);
int file_write_zeros(int fd, uint64_t from, uint64_t to);

#endif
