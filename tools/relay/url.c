/*
 * URLs of brokers, as EVENT_BUS_REDIS_CONNECTION_URL has them:
 *
 *   redis://[USER@]HOST[:PORT][/DATABASE]
 *   rediss://...                             with TLS
 *   unix:///PATH[?db=DATABASE]
 *   kafka://HOST[:PORT][,HOST[:PORT]...]?registry=URL   the schema registry's, http:// or https://
 *
 * A URL in a file (@FILE) may have USER:PASSWORD; on the command line, where all can read it, it is refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay.h"

static int wrong(const char *why)
{
    evlog_fail(why);
    return EVLOG_INVALID;
}

static int read_number(const char *text, long max, int *number)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (end == text || *end || value < 0 || value > max)
        return -1;
    *number = (int)value;
    return 0;
}

/* Decodes %XX. -1: it does not fit, or is malformed. */
static int decode(const char *text, size_t size, char *out, size_t out_size)
{
    size_t at = 0;
    for (size_t i = 0; i < size; i++) {
        unsigned value = (unsigned char)text[i];
        if (value == '%') {
            char hex[3] = {0};
            char *end;
            if (i + 2 >= size)
                return -1;
            memcpy(hex, text + i + 1, 2);
            value = (unsigned)strtoul(hex, &end, 16);
            if (*end || value == 0)
                return -1;
            i += 2;
        }
        if (at + 1 >= out_size)
            return -1;
        out[at++] = (char)value;
    }
    out[at] = '\0';
    return 0;
}

/* [USER][:PASSWORD]@ at the beginning of `*at`, which moves behind it. */
static int read_user(const char **at, struct url *url)
{
    const char *slash = strpbrk(*at, "/?");
    const char *sign = NULL;
    for (const char *next = *at; (next = strchr(next, '@')) && (!slash || next < slash); next++)
        sign = next;
    if (!sign)
        return 0;
    const char *colon = memchr(*at, ':', (size_t)(sign - *at));
    const char *user_end = colon ? colon : sign;
    if (decode(*at, (size_t)(user_end - *at), url->user, sizeof url->user) ||
        (colon &&
         decode(colon + 1, (size_t)(sign - colon - 1), url->password, sizeof url->password)))
        return -1;
    *at = sign + 1;
    return 0;
}

/* HOST[:PORT], also [::1]:PORT. */
static int read_host(const char *at, size_t size, struct url *url)
{
    char text[300];
    if (size >= sizeof text)
        return -1;
    memcpy(text, at, size);
    text[size] = '\0';
    char *host = text, *colon;
    if (*host == '[') {
        char *close = strchr(++host, ']');
        if (!close || (close[1] && close[1] != ':'))
            return -1;
        colon = close[1] ? close + 1 : NULL;
        *close = '\0';
    } else {
        colon = strrchr(host, ':');
    }
    if (colon)
        *colon = '\0';
    url->port = 6379;
    if (colon && (read_number(colon + 1, 65535, &url->port) || url->port == 0))
        return -1;
    if (strlen(host) >= sizeof url->host)
        return -1;
    strcpy(url->host, *host ? host : "localhost");
    return 0;
}

static int parse_unix(const char *at, struct url *url)
{
    const char *question = strchr(at, '?');
    size_t size = question ? (size_t)(question - at) : strlen(at);
    if (*at != '/' || decode(at, size, url->host, sizeof url->host) || strlen(url->host) > 107)
        return wrong("the URL is not unix:///PATH of a socket, at most 107 bytes");
    if (question &&
        (strncmp(question, "?db=", 4) != 0 || read_number(question + 4, 1 << 20, &url->database)))
        return wrong("the URL has more behind its '?' than db=NUMBER");
    snprintf(url->shown, sizeof url->shown, "unix://%s", url->host);
    return EVLOG_OK;
}

/* HOST[:PORT][,HOST[:PORT]...] up to `size`. */
static int read_brokers(const char *at, size_t size, struct url *url)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:,[]";
    if (size == 0 || size >= sizeof url->brokers || strspn(at, allowed) < size)
        return -1;
    memcpy(url->brokers, at, size);
    url->brokers[size] = '\0';
    return 0;
}

/* The registry's URL, from which user and password are taken. */
static int read_registry(const char *at, struct url *url)
{
    struct url login = {.port = 0};
    const char *scheme = strncmp(at, "http://", 7) == 0 ? "http://" : "https://";
    if (strncmp(at, scheme, strlen(scheme)) != 0)
        return -1;
    at += strlen(scheme);
    if (read_user(&at, &login))
        return -1;
    strcpy(url->registry_user, login.user);
    strcpy(url->registry_password, login.password);
    size_t size = strlen(at);
    while (size > 0 && at[size - 1] == '/')
        size--;
    int written = snprintf(url->registry, sizeof url->registry, "%s%.*s", scheme, (int)size, at);
    return size == 0 || written >= (int)sizeof url->registry || strpbrk(at, "?#@ ") ? -1 : 0;
}

static int parse_kafka(const char *at, struct url *url)
{
    static const char registry[] = "?registry=";
    size_t size = strcspn(at, "/?");
    if (read_brokers(at, size, url))
        return wrong("the URL's hosts are not HOST:PORT[,HOST:PORT...]");
    at += size;
    if (strncmp(at, registry, strlen(registry)) != 0)
        return wrong("the URL does not name the schema registry: kafka://HOST:PORT?registry=URL");
    if (read_registry(at + strlen(registry), url))
        return wrong("the registry's URL is not http:// or https://, a host, and a path");
    snprintf(url->shown, sizeof url->shown, "kafka://%.600s", url->brokers);
    return EVLOG_OK;
}

int url_parse(const char *text, struct url *url)
{
    static const char *const schemes[] = {"redis://", "rediss://", "unix://", "kafka://"};
    enum { SCHEME_COUNT = sizeof schemes / sizeof *schemes };
    *url = (struct url){.port = 0};
    size_t scheme = 0;
    while (scheme < SCHEME_COUNT && strncmp(text, schemes[scheme], strlen(schemes[scheme])) != 0)
        scheme++;
    if (scheme == SCHEME_COUNT)
        return wrong("the URL does not begin with redis://, rediss://, unix:// or kafka://");
    const char *at = text + strlen(schemes[scheme]);
    url->scheme = (enum url_scheme)scheme;
    if (read_user(&at, url))
        return wrong("the URL's user or password is malformed or too long");
    if (url->scheme == URL_UNIX)
        return parse_unix(at, url);
    if (url->scheme == URL_KAFKA)
        return parse_kafka(at, url);
    size_t size = strcspn(at, "/?");
    if (read_host(at, size, url))
        return wrong("the URL's host or port is malformed");
    at += size;
    if (*at == '/' && at[1] && read_number(at + 1, 1 << 20, &url->database))
        return wrong("the URL has more behind its host than /DATABASE, a number");
    if (*at && *at != '/')
        return wrong("the URL has something behind its host that is not /DATABASE");
    snprintf(url->shown, sizeof url->shown, "%s%s:%d", schemes[scheme], url->host, url->port);
    return EVLOG_OK;
}
