/* The sentence beside a code: set where a failure is first understood, see error.c. */
#ifndef STORE_ERROR_H
#define STORE_ERROR_H

#include "evlog.h"

#define ERROR_SIZE 1024 /* of a sentence with its NUL; a longer one is cut */

/* Sets this thread's evlog_errmsg and returns `code`: `return error_set(EVLOG_IO, ...)`. */
int error_set(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Puts more in front of the sentence there is, with a colon between, and returns `code`. (The
 * arguments of error_set may also point into it: `error_set(code, "%s; try again", evlog_errmsg())`.)
 */
int error_prefix(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * For a failed system call: says what was tried on which path and the reason of
 * `errnum`, and returns the code that fits it: FULL, NOMEM, NOTFOUND or IO.
 */
int error_errno(int errnum, const char *what, const char *path);

/*
 * Has evlog_fail in this thread write its sentence to `place` too, ERROR_SIZE bytes; NULL: only
 * to evlog_errmsg. Returns the place before, which the caller restores.
 */
char *error_redirect_failure(char *place);

/* For memory that could not be had. */
int error_nomem(void);

#endif
