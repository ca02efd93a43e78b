/*
 * A connection to Redis, by hiredis, plain or through TLS. It does not block: a server that hangs, and a signal, end
 * every wait.
 *
 * Commands are appended and sent in large pieces; each has one reply, in their order. A reply that is an error is
 * sorted by what it says: what may pass (loading, out of memory, read only after a failover, busy) is
 * BROKER_AWAY, all that needs a hand (a password, rights, a key of another kind) BROKER_REFUSES.
 */
#include "redis.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define CONNECT_WAIT_MS 5000
#define WORDS_MAX 16
#define UNSENT_SIZE_MAX 32768 /* then Redis gets something to do */
#define NUMBER_SIZE_MAX 23

void redis_close(struct redis *redis)
{
    tls_close(redis->tls);
    if (redis->context)
        redisFree(redis->context);
    free(redis->unsent);
    *redis = (struct redis){.url = redis->url};
}

/* ------------------------------------------------------------- replies ---- */

/* Waits until the connection is ready for `events`. */
static enum outcome wait_for(struct redis *redis, short events, int64_t until_ms)
{
    struct pollfd fds[2] = {{.fd = redis->context->fd, .events = events},
                            {.fd = stop_fd(), .events = POLLIN}};
    for (;;) {
        int64_t left_ms = until_ms - now_ms();
        if (stop_is_asked())
            return BROKER_STOPPED;
        if (left_ms <= 0)
            return broker_fail(BROKER_AWAY, "it does not answer");
        int count = poll(fds, 2, (int)left_ms);
        if (count < 0 && errno != EINTR)
            return broker_fail(BROKER_AWAY, "%s", strerror(errno));
        if (count > 0 && fds[0].revents)
            return BROKER_OK;
    }
}

static enum outcome lost(const char *why)
{
    return broker_fail(BROKER_AWAY, "%s", *why ? why : "the connection is lost");
}

/* What a system call that gave `result` means. */
static enum outcome moved(ssize_t result, size_t *count)
{
    *count = result > 0 ? (size_t)result : 0;
    if (result >= 0 || errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
        return BROKER_OK;
    return lost(strerror(errno));
}

/* Gives hiredis what can be read without waiting. `*count` 0: nothing. */
static enum outcome read_some(struct redis *redis, size_t *count)
{
    char bytes[16384];
    ssize_t result = 0;
    enum outcome outcome;
    redis->read_wants = POLLIN;
    if (redis->tls)
        outcome = tls_read(redis->tls, bytes, sizeof bytes, count, &redis->read_wants);
    else {
        result = recv(redis->context->fd, bytes, sizeof bytes, 0);
        outcome = result == 0 ? lost("it has closed the connection") : moved(result, count);
    }
    if (outcome == BROKER_OK && *count &&
        redisReaderFeed(redis->context->reader, bytes, *count) != REDIS_OK)
        return lost(redis->context->reader->errstr);
    return outcome;
}

enum outcome redis_send(struct redis *redis)
{
    size_t count = 1;
    enum outcome outcome = BROKER_OK;
    redis->write_wants = POLLOUT;
    while (outcome == BROKER_OK && count && redis->sent_size < redis->unsent_size) {
        const char *from = redis->unsent + redis->sent_size;
        size_t size = redis->unsent_size - redis->sent_size;
        if (redis->tls)
            outcome = tls_write(redis->tls, from, size, &count, &redis->write_wants);
        else
            outcome = moved(send(redis->context->fd, from, size, MSG_NOSIGNAL), &count);
        redis->sent_size += outcome == BROKER_OK ? count : 0;
    }
    if (redis->sent_size == redis->unsent_size)
        redis->sent_size = redis->unsent_size = 0;
    redis->send_at_size = redis->unsent_size + UNSENT_SIZE_MAX;
    return outcome;
}

enum outcome redis_reply(struct redis *redis, int64_t wait_ms, redisReply **reply)
{
    int64_t until_ms = now_ms() + wait_ms;
    for (;;) {
        void *found = NULL;
        size_t count = 0;
        if (redisReaderGetReply(redis->context->reader, &found) != REDIS_OK)
            return lost(redis->context->reader->errstr);
        if (found) {
            *reply = found;
            return BROKER_OK;
        }
        enum outcome outcome = redis_send(redis);
        if (outcome == BROKER_OK)
            outcome = read_some(redis, &count);
        if (outcome == BROKER_OK && count == 0)
            outcome = wait_for(
                redis, (short)(redis->read_wants | (redis->unsent_size ? redis->write_wants : 0)),
                until_ms);
        if (outcome)
            return outcome;
    }
}

bool redis_is_error(const redisReply *reply, const char *code)
{
    return reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, code, strlen(code)) == 0;
}

enum outcome redis_error(const redisReply *reply, const char *doing)
{
    static const char *const needs_a_hand[] = {"NOAUTH", "WRONGPASS", "NOPERM",    "WRONGTYPE",
                                               "ERR",    "NOSCRIPT",  "CROSSSLOT", "MOVED"};
    const char *text = reply->type == REDIS_REPLY_ERROR ? reply->str : "an unexpected reply";
    enum outcome outcome = BROKER_AWAY;
    for (size_t i = 0; i < sizeof needs_a_hand / sizeof *needs_a_hand; i++)
        if (strncmp(text, needs_a_hand[i], strlen(needs_a_hand[i])) == 0)
            outcome = BROKER_REFUSES;
    return broker_fail(outcome, "%s: %s", doing, text);
}

enum outcome redis_good_reply(struct redis *redis, redisReply **reply)
{
    redisReply *got;
    enum outcome outcome = redis_reply(redis, REPLY_WAIT_MS, &got);
    if (outcome)
        return outcome;
    if (got->type == REDIS_REPLY_ERROR)
        outcome = redis_error(got, "Redis");
    if (outcome == BROKER_OK && reply)
        *reply = got;
    else
        freeReplyObject(got);
    return outcome;
}

/* ------------------------------------------------------------- commands ---- */

/* Makes room for `size` more bytes; NULL: out of memory. */
static char *unsent_room(struct redis *redis, size_t size)
{
    if (redis->unsent_max - redis->unsent_size < size) {
        size_t max = 2 * redis->unsent_max + size;
        char *larger = realloc(redis->unsent, max);
        if (!larger)
            return NULL;
        redis->unsent = larger;
        redis->unsent_max = max;
    }
    return redis->unsent + redis->unsent_size;
}

/* KIND, a number, and the end of the line. */
static char *put_number(char *at, char kind, size_t number)
{
    char digits[20];
    size_t count = 0;
    do
        digits[count++] = (char)('0' + number % 10);
    while (number /= 10);
    *at++ = kind;
    while (count)
        *at++ = digits[--count];
    memcpy(at, "\r\n", 2);
    return at + 2;
}

/*
 * As the protocol has it: *COUNT, then $SIZE and the bytes of each word. hiredis's own way takes three times as long.
 */
enum outcome redis_command(struct redis *redis, int argc, const char **argv, const size_t *sizes)
{
    size_t size = NUMBER_SIZE_MAX;
    for (int i = 0; i < argc; i++)
        size += NUMBER_SIZE_MAX + sizes[i] + 2;
    char *at = unsent_room(redis, size);
    if (!at)
        return broker_fail(BROKER_AWAY, "out of memory");
    at = put_number(at, '*', (size_t)argc);
    for (int i = 0; i < argc; i++) {
        at = put_number(at, '$', sizes[i]);
        memcpy(at, argv[i], sizes[i]);
        memcpy(at + sizes[i], "\r\n", 2);
        at += sizes[i] + 2;
    }
    redis->unsent_size = (size_t)(at - redis->unsent);
    return redis->unsent_size < redis->send_at_size ? BROKER_OK : redis_send(redis);
}

enum outcome redis_words(struct redis *redis, ...)
{
    const char *words[WORDS_MAX];
    size_t sizes[WORDS_MAX];
    int count = 0;
    va_list arguments;
    va_start(arguments, redis);
    for (const char *word; count < WORDS_MAX && (word = va_arg(arguments, const char *));
         count++) {
        words[count] = word;
        sizes[count] = strlen(word);
    }
    va_end(arguments);
    return redis_command(redis, count, words, sizes);
}

/* ----------------------------------------------------------- connecting ---- */

static enum outcome connect_socket(struct redis *redis)
{
    const struct url *url = redis->url;
    int failure = 0;
    socklen_t size = sizeof failure;
    redis->context = url->scheme == URL_UNIX ? redisConnectUnixNonBlock(url->host)
                                             : redisConnectNonBlock(url->host, url->port);
    if (!redis->context)
        return broker_fail(BROKER_AWAY, "out of memory");
    if (redis->context->err)
        return lost(redis->context->errstr);
    enum outcome outcome = wait_for(redis, POLLOUT, now_ms() + CONNECT_WAIT_MS);
    if (outcome)
        return outcome;
    if (getsockopt(redis->context->fd, SOL_SOCKET, SO_ERROR, &failure, &size) || failure)
        return broker_fail(BROKER_AWAY, "%s", strerror(failure ? failure : errno));
    if (url->scheme != URL_UNIX)
        redisEnableKeepAlive(redis->context);
    if (url->scheme == URL_REDISS && !(redis->tls = tls_open(redis->context->fd, url->host)))
        return BROKER_AWAY;
    redis->send_at_size = UNSENT_SIZE_MAX;
    return BROKER_OK;
}

static enum outcome log_in(struct redis *redis)
{
    const struct url *url = redis->url;
    char database[16];
    enum outcome outcome = BROKER_OK;
    if (*url->password && *url->user)
        outcome = redis_words(redis, "AUTH", url->user, url->password, NULL);
    else if (*url->password)
        outcome = redis_words(redis, "AUTH", url->password, NULL);
    if (outcome == BROKER_OK && *url->password)
        outcome = redis_good_reply(redis, NULL);
    if (outcome || !url->database)
        return outcome;
    snprintf(database, sizeof database, "%d", url->database);
    outcome = redis_words(redis, "SELECT", database, NULL);
    return outcome ? outcome : redis_good_reply(redis, NULL);
}

enum outcome redis_open(struct redis *redis)
{
    redis_close(redis);
    enum outcome outcome = connect_socket(redis);
    if (outcome == BROKER_OK)
        outcome = log_in(redis);
    if (outcome == BROKER_OK)
        outcome =
            redis_words(redis, "PING", NULL); /* it is not loading, and asks for no password */
    if (outcome == BROKER_OK)
        outcome = redis_good_reply(redis, NULL);
    if (outcome)
        redis_close(redis);
    return outcome;
}
