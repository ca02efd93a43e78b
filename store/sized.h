/*
 * Structs of the API whose size the caller gives, see sized.c.
 *
 * A program was compiled against some version of evlog.h and runs with another version of the library. Every
 * struct only ever gets fields at its end, whose zero means "as before", so the one
 * with the shorter struct can be served by the other.
 */
#ifndef STORE_SIZED_H
#define STORE_SIZED_H

#include <stddef.h>

/*
 * Reads a caller's struct of `given_size` (NULL: all zero) into `own`, zeroing what the caller
 * does not have. EVLOG_UNSUPPORTED: it sets a field that this library does not have.
 */
int sized_in(void *own, size_t own_size, const void *given, size_t given_size);

/* The caller's struct, as it is when it has the library's size, else read into `own`; NULL: failed. */
static inline const void *sized_view(void *own, size_t own_size, const void *given,
                                     size_t given_size)
{
    if (given && given_size == own_size)
        return given;
    return sized_in(own, own_size, given, given_size) ? NULL : own;
}

/* Writes `own` to a caller's struct (NULL: nothing), zeroing what this library does not have. */
void sized_out(void *given, size_t given_size, const void *own, size_t own_size);

/* Item i of a caller's array of structs. */
#define SIZED_AT(array, item_size, i) ((void *)((char *)(array) + (size_t)(i) * (item_size)))

#endif
