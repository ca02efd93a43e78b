/* TLS to Redis, see redis_tls.c. */
#ifndef RELAY_REDIS_TLS_H
#define RELAY_REDIS_TLS_H

#include "relay.h"

struct tls;

/*
 * For a socket that is being connected to `host`, whose certificate must be one of it and signed by an
 * authority that this machine trusts. NULL: broker_why says why not.
 */
struct tls *tls_open(int fd, const char *host);
void tls_close(struct tls *tls);

/* Moves what can be moved without waiting. `*count` 0: nothing, and `*wants` is what to wait for, POLLIN or POLLOUT. */
enum outcome tls_read(struct tls *tls, void *bytes, size_t size, size_t *count, short *wants);
enum outcome tls_write(struct tls *tls, const void *bytes, size_t size, size_t *count,
                       short *wants);

#endif
