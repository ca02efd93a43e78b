/*
 * Structs of the API whose size the caller gives. Costs a memcpy a call.
 */
#include "sized.h"

#include <string.h>

#include "error.h"

int sized_in(void *own, size_t own_size, const void *given, size_t given_size)
{
    const unsigned char *bytes = given;
    size_t shared_size = !given ? 0 : given_size < own_size ? given_size : own_size;
    if (shared_size)
        memcpy(own, given, shared_size);
    memset((unsigned char *)own + shared_size, 0, own_size - shared_size);
    for (size_t i = own_size; i < given_size && given; i++)
        if (bytes[i])
            return error_set(EVLOG_UNSUPPORTED,
                             "this program sets an option that libevlog %s does not have: it was "
                             "compiled for a newer one",
                             EVLOG_VERSION);
    return EVLOG_OK;
}

void sized_out(void *given, size_t given_size, const void *own, size_t own_size)
{
    size_t shared_size = given_size < own_size ? given_size : own_size;
    if (!given)
        return;
    memcpy(given, own, shared_size);
    memset((unsigned char *)given + shared_size, 0, given_size - shared_size);
}
