/* A connection to Redis, see redis.c. */
#ifndef RELAY_REDIS_H
#define RELAY_REDIS_H

#include <hiredis/hiredis.h>

#include "redis_tls.h"

struct redis {
    const struct url *url;
    redisContext *context; /* NULL: none */
    struct tls *tls;       /* NULL: plain */
    char *unsent;          /* commands; up to sent_size they are sent */
    size_t sent_size, unsent_size, unsent_max;
    size_t send_at_size; /* from then on they are tried to be sent */
    short read_wants, write_wants;
};

#define REPLY_WAIT_MS 10000 /* a server that is silent for so long is away */

/* Connects anew, and logs in. */
enum outcome redis_open(struct redis *redis);
void redis_close(struct redis *redis);

/*
 * Appends a command to those that are sent with the next redis_send or redis_reply, or before. Memory is BROKER_AWAY.
 */
enum outcome redis_command(struct redis *redis, int argc, const char **argv, const size_t *sizes);

/* The same for words that end in NUL, the last of them NULL. */
enum outcome redis_words(struct redis *redis, ...);

/* Sends of what was appended as much as can be sent without waiting. */
enum outcome redis_send(struct redis *redis);

/* Sends what was appended, and waits for the next reply, to be freed by the caller; errors, too, are replies. */
enum outcome redis_reply(struct redis *redis, int64_t wait_ms, redisReply **reply);

/* The same, of a command whose reply must not be an error. `reply` NULL: it is not wanted. */
enum outcome redis_good_reply(struct redis *redis, redisReply **reply);

/* BROKER_AWAY or BROKER_REFUSES, by what an error says. */
enum outcome redis_error(const redisReply *reply, const char *doing);

bool redis_is_error(const redisReply *reply, const char *code);

#endif
