/*
 * Error codes and the sentence about this failure.
 *
 * The codes and their general texts are one table, EVLOG_ERRORS in evlog.h.
 * The sentence is thread-local and is set once, where the failure is first understood; functions
 * on the way up pass the code on and leave it alone, or say more in front of it (error_prefix).
 * It is cut at its buffer's end, never allocated, so that it can also report a lack of memory.
 *
 * What a receiver says of its failure (evlog_fail) is kept apart as well: calls inside a receiver
 * may fail, and set the sentence, without the receiver failing for it.
 */
#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char message[ERROR_SIZE];
static _Thread_local char *failure; /* where evlog_fail writes its sentence too, or NULL */

const char *evlog_strerror(int code)
{
    switch (code) {
#define X(name, number, text) \
    case number:              \
        return text;
        EVLOG_ERRORS(X)
#undef X
    }
    return "not an evlog code";
}

const char *evlog_errmsg(void)
{
    return message;
}

const char *evlog_version(void)
{
    return EVLOG_VERSION;
}

int error_set(int code, const char *format, ...)
{
    char text[ERROR_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    memcpy(message, text, sizeof message); /* the arguments may point into the old one */
    return code;
}

int error_prefix(int code, const char *format, ...)
{
    char prefix[ERROR_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(prefix, sizeof prefix, format, args);
    va_end(args);
    return error_set(code, "%s: %s", prefix, message);
}

int error_errno(int errnum, const char *what, const char *path)
{
    char buffer[128];
    const char *reason = strerror_r(errnum, buffer, sizeof buffer);
    switch (errnum) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return error_set(EVLOG_FULL, "%s: %s: %s; free some space and try again", path, what,
                         reason);
    case ENOMEM:
        return error_set(EVLOG_NOMEM, "%s: %s: %s", path, what, reason);
    case ENOENT:
    case ENOTDIR:
        return error_set(EVLOG_NOTFOUND, "%s: %s: %s", path, what, reason);
    default:
        return error_set(EVLOG_IO, "%s: %s: %s", path, what, reason);
    }
}

int error_nomem(void)
{
    return error_set(EVLOG_NOMEM, "out of memory");
}

char *error_redirect_failure(char *place)
{
    char *before = failure;
    failure = place;
    return before;
}

int evlog_fail(const char *why)
{
    error_set(EVLOG_RECEIVER, "%s", why ? why : "");
    if (failure)
        memcpy(failure, message, sizeof message);
    return EVLOG_RECEIVER;
}
