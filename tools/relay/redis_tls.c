/*
 * TLS to Redis, by OpenSSL: hiredis has it from 1.0 on, and that of Debian 12 is older. The socket does not block; the
 * handshake is part of the first reading or writing.
 *
 * The certificate is verified, with the host's name or address, always: there is no option to leave it out. The
 * authorities are the machine's; SSL_CERT_FILE and SSL_CERT_DIR in the environment name others.
 *
 * Absent: a certificate of the client's own.
 */
#include "redis_tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_SIZE_MAX (1 << 20)

struct tls {
    SSL_CTX *context;
    SSL *ssl;
};

/* The certificate must be of `host`: an address, which is there as such, or a name. */
static int expect_host(SSL *ssl, const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host);
    return SSL_set1_host(ssl, host) && SSL_set_tlsext_host_name(ssl, host);
}

struct tls *tls_open(int fd, const char *host)
{
    struct tls *tls = calloc(1, sizeof *tls);
    if (tls && (tls->context = SSL_CTX_new(TLS_client_method())) &&
        SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION) &&
        SSL_CTX_set_default_verify_paths(tls->context)) {
        SSL_CTX_set_verify(tls->context, SSL_VERIFY_PEER, NULL);
        SSL_CTX_set_mode(tls->context,
                         SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        tls->ssl = SSL_new(tls->context);
    }
    if (tls && tls->ssl && expect_host(tls->ssl, host) && SSL_set_fd(tls->ssl, fd)) {
        SSL_set_connect_state(tls->ssl);
        return tls;
    }
    tls_close(tls);
    broker_fail(BROKER_AWAY, "TLS: out of memory");
    return NULL;
}

void tls_close(struct tls *tls)
{
    if (!tls)
        return;
    SSL_free(tls->ssl);
    SSL_CTX_free(tls->context);
    free(tls);
}

static enum outcome fail(const struct tls *tls, int error)
{
    long verified = SSL_get_verify_result(tls->ssl);
    unsigned long code = ERR_peek_last_error();
    if (verified != X509_V_OK)
        return broker_fail(BROKER_REFUSES, "TLS: its certificate: %s",
                           X509_verify_cert_error_string(verified));
    if (error == SSL_ERROR_ZERO_RETURN || (error == SSL_ERROR_SYSCALL && errno == 0))
        return broker_fail(BROKER_AWAY, "it has closed the connection");
    if (error == SSL_ERROR_SYSCALL)
        return broker_fail(BROKER_AWAY, "%s", strerror(errno));
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    return broker_fail(BROKER_AWAY, "TLS: %s", reason ? reason : "it failed");
}

/* What a call that gave `result` means. */
static enum outcome moved(const struct tls *tls, int result, size_t *count, short *wants)
{
    *count = result > 0 ? (size_t)result : 0;
    if (result > 0)
        return BROKER_OK;
    int error = SSL_get_error(tls->ssl, result);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
        return fail(tls, error);
    *wants = error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
    return BROKER_OK;
}

static int at_most(size_t size)
{
    return size < PIECE_SIZE_MAX ? (int)size : PIECE_SIZE_MAX;
}

enum outcome tls_read(struct tls *tls, void *bytes, size_t size, size_t *count, short *wants)
{
    ERR_clear_error();
    errno = 0;
    return moved(tls, SSL_read(tls->ssl, bytes, at_most(size)), count, wants);
}

enum outcome tls_write(struct tls *tls, const void *bytes, size_t size, size_t *count,
                       short *wants)
{
    ERR_clear_error();
    errno = 0;
    return moved(tls, SSL_write(tls->ssl, bytes, at_most(size)), count, wants);
}
