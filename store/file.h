/* Opening, reading and writing the files of a log, see file.c. */
#ifndef STORE_FILE_H
#define STORE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Opens a file of the directory at `path`, for a process alone (O_CLOEXEC), and never waits for
 * it: EVLOG_UNSUPPORTED: it is not a regular file. *fd is -1 after a failure. EVLOG_NOTFOUND,
 * EVLOG_IO, EVLOG_FULL.
 */
int file_open(int directory, const char *path, const char *name, int flags, int *fd);

/* The same by its path. */
int file_open_path(const char *path, int flags, int *fd);

/* How large this process may make a file, see setrlimit(2). */
uint64_t file_size_limit(void);

/* Each returns 0 or an errno; EFBIG, and nothing is written, past that size. */
int file_write(int fd, const void *bytes, size_t size, uint64_t at);
int file_write_zeros(int fd, uint64_t from, uint64_t to);

/*
 * Overwrites with zeros what the file has in [from, to), and nothing past its end. Without `is_again`, only those
 * pieces that are not zeros: after a flush that failed, what is read need not be what is on the disk.
 */
int file_clear(int fd, uint64_t from, uint64_t to, bool is_again);
int file_flush(int fd);

/* Reads up to `size` bytes; `*count` is less than that where the file ends. */
int file_read(int fd, void *bytes, size_t size, uint64_t at, size_t *count);

/* Reads `size` bytes. EVLOG_DAMAGED: the file, of that name, ends before them. EVLOG_IO. */
int file_read_all(int fd, const char *name, void *bytes, size_t size, uint64_t at);

/* Has the file system keep blocks for [from, to); its size stays. EOPNOTSUPP: it cannot. */
int file_allocate(int fd, uint64_t from, uint64_t to);

/* Lengthens a file to `to`, with blocks for [from, to), or with zeros where the file system cannot. */
int file_reserve(int fd, uint64_t from, uint64_t to);

#endif
