/*
 * The relays: events from a log to a broker, and messages from a broker into a log.
 *
 *   main.c       evlog-relay out | in | retry, and its help
 *   options.c    arguments, secrets from the environment or files, --config
 *   url.c        redis://, rediss://, unix://
 *   stop.c       SIGINT and SIGTERM, and waiting so that they end it
 *   message.c    an event as a message, and a message as an event: the text of each field
 *   out.c        the consumer `relay.NAME` and what it has put on the broker
 *   in.c         messages into the log; refused.c: those that cannot be used; known.c: those it may have
 *   redis.c      a connection, redis_tls.c its TLS; redis_out.c, redis_in.c: Redis Streams as a sink and as a source
 *   metrics.c    --metrics FILE
 *
 * out.c and in.c know nothing of Redis, and redis_*.c nothing of a log: between them are `struct sink` and
 * `struct source` below, so that another broker is another file.
 *
 * What is guaranteed:
 * 1. Out: an event is done when the broker has acknowledged it. A broker that is away is waited for
 *    without limit and parks nothing; an event that is no message (no schema, erased) is parked, and the
 *    rest goes on. Order is the log's. On Redis each event is there once: its XADD and the relay's position are
 *    in one MULTI.
 * 2. In: an event is in the log, and flushed, before the broker hears that it was taken; a redelivery is
 *    not a second event, by a conditional send after a seq that was noted on the broker before the message
 *    was first read. What cannot be used is in the log as evlog.refused.v1.
 * 3. Nothing of a message or a reply is trusted.
 *
 * Absent: Kafka; Redis Cluster's redirections. A parked event that is retried is on Redis twice if
 * the relay dies between its XADD and its acknowledgement.
 */
#ifndef RELAY_H
#define RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <evlog.h>

enum {
    RELAY_STATUS_DONE = 0,
    RELAY_STATUS_FAILED = 1, /* parked, or refused, or a receiver failed */
    RELAY_STATUS_MISUSE = 2,
    RELAY_STATUS_LOG = 3, /* the log or the broker: a supervisor should restart it */
};

/* ------------------------------------------------------------- options ---- */

enum url_scheme { URL_REDIS, URL_REDISS, URL_UNIX };

struct url {
    enum url_scheme scheme;
    char host[256]; /* of URL_UNIX the path */
    int port;
    int database;
    char user[256], password[1024];
    char shown[640]; /* without secrets, for sentences */
};

/* EVLOG_INVALID: evlog_errmsg says what is wrong with it. */
int url_parse(const char *text, struct url *url);

#define TOPICS_MAX 64
#define ROUTES_MAX 256

/* Events of a type go to a topic. */
struct route {
    const char *type; /* NULL: all that the relay gets */
    size_t topic;     /* an index of `topics` */
};

struct relay_options {
    const char *log;
    struct url url;
    const char *topics[TOPICS_MAX]; /* full ones; of `in` one */
    size_t topic_count;
    struct route routes[ROUTES_MAX];
    size_t route_count;
    const char *types[EVLOG_PATTERNS_MAX];
    size_t type_count;
    const char *name; /* of the consumer, without "relay." */
    const char *group, *consumer;
    const char *metrics;
    const char *plugins[16];
    size_t plugin_count;
    bool follow, all;
    double per_second;
    uint64_t stream_length_max; /* MAXLEN ~; 0: none */
    uint32_t claim_ms;  /* idle time after which another consumer's messages are taken over */
    uint64_t first_seq; /* retry: from here on */
};

/* -1: go on, else the exit status. What the options point to lives as long as the process. */
int options_read_out(int argc, char **argv, struct relay_options *options);
int options_read_in(int argc, char **argv, struct relay_options *options);
int options_read_retry(int argc, char **argv, struct relay_options *options);

int out_run(const struct relay_options *options);
int in_run(const struct relay_options *options);
int retry_run(const struct relay_options *options);

/* ------------------------------------------------------------- stopping ---- */

/* From now on SIGINT and SIGTERM ask to stop; a second one ends the process. */
void stop_watch(void);

/* A consumer that a signal stops, too; NULL: none any more. */
void stop_consumer(evlog_consumer *consumer);

bool stop_is_asked(void);

/* A descriptor that can be read when stopping is asked. */
int stop_fd(void);

/* Waits, at most until stopping is asked; whether it is. */
bool stop_wait_ms(int64_t ms);

int64_t now_ms(void); /* of a clock that only goes forward */

/* ------------------------------------------------------------- messages ---- */

/* The fields of a message but its data, in the order of Redis (bus.md section 2). */
enum field { TYPE, ID, SOURCE, TIME, MINORVERSION, SOURCEHOST, SOURCELIB, FIELD_COUNT };

extern const char *const field_names[FIELD_COUNT]; /* "type" ... */

#define DATA_FIELD "event_data"

/* An event as a message. Freed with message_free. */
struct message {
    uint64_t seq;
    const char *fields[FIELD_COUNT]; /* each ends in NUL */
    char texts[FIELD_COUNT][EVLOG_NAME_SIZE_MAX + 1];
    evlog_buffer data; /* Avro */
};

/* EVLOG_INVALID: it cannot be one; evlog_errmsg says why. EVLOG_NOMEM. */
int message_make(const evlog_event *event, struct message *message);
void message_free(struct message *message);

/* A message as it came. */
struct raw_field {
    evlog_bytes name, value;
};

struct raw {
    const char *place; /* the broker's id of it */
    const struct raw_field *fields;
    size_t field_count;
    void *owner; /* the broker's */
};

#define FILLED_HEADER "evlog.relay.filled"

/* What a message says, as an event is sent. It is used where it was made: its pointers are into itself. */
struct reading {
    evlog_metadata metadata;
    evlog_signal *signal;
    evlog_buffer data;   /* freed with reading_free */
    evlog_header header; /* what was filled in; NULL name: nothing */
    char texts[FIELD_COUNT][EVLOG_NAME_SIZE_MAX + 1];
    char filled[128];
    char why[256]; /* of a message that was refused */
};

/*
 * EVLOG_INVALID, EVLOG_NOTFOUND (an unknown type), EVLOG_LIMIT: it cannot be used, and evlog_errmsg says why; its
 * metadata have its id, if that could be read. All else is the log's failure.
 */
int reading_make(evlog *log, const struct raw *raw, struct reading *reading);
void reading_free(struct reading *reading);

/* -------------------------------------------------------------- refused ---- */

/* Makes of a message that cannot be used the event that keeps it. EVLOG_NOMEM. */
int refused_make(evlog_signal *refused, const struct relay_options *options, const char *broker,
                 const struct raw *raw, const char *why, struct reading *reading);

/* ---------------------------------------------------------------- known ---- */

/* The ids of the events from first_seq to last_seq. */
struct known {
    uint8_t (*ids)[16]; /* `room` of them, a power of two */
    size_t count, room;
    uint64_t seed, first_seq, last_seq;
    bool has_zeros;
};

/* Reads these events, if it has not. EVLOG_DAMAGED, EVLOG_NOMEM, and as evlog_cursor_next. */
int known_read(struct known *known, evlog *log, uint64_t first_seq, uint64_t last_seq);
bool known_has(const struct known *known, const uint8_t id[16]);
void known_free(struct known *known);

/* ---------------------------------------------------------------- broker ---- */

enum outcome {
    BROKER_OK,
    BROKER_AWAY,    /* no connection, or it does not answer, or it cannot now: try again */
    BROKER_REFUSES, /* what is asked cannot be done there: it ends the relay */
    BROKER_STOPPED, /* stop_is_asked */
};

/* The sentence of the last BROKER_AWAY or BROKER_REFUSES. */
const char *broker_why(void);

/* Sets it, and returns `outcome`. */
enum outcome broker_fail(enum outcome outcome, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

struct outgoing {
    const struct message *message;
    size_t topic;
};

#define NO_POSITION UINT64_MAX

/* Where events go. */
struct sink {
    void *self;
    /* Connects anew, and gives the position of each topic that counts for `epoch`, or NO_POSITION. */
    enum outcome (*open)(void *self, const char *epoch, uint64_t *positions);
    /*
     * Puts messages, in order, and makes last_seq the position of all topics; all or none of a topic. They are
     * on their way when it returns, and on the broker when put_ends does; then the next put may begin. What
     * the items point to is not used after `put`.
     */
    enum outcome (*put)(void *self, const struct outgoing *items, size_t count,
                        uint64_t last_seq);
    enum outcome (*put_ends)(void *self);
    void (*close)(void *self);
};

/* What a source has given. */
struct batch {
    struct raw *raws;
    size_t count;
    uint64_t after_seq;                       /* those that are in the log are after it ... */
    uint64_t older_first_seq, older_last_seq; /* ... or among these; 0: no others */
    uint64_t lost_count; /* messages that the broker had given out and does not have any more */
    bool is_end;         /* there are no more now */
};

/* Where messages come from. */
struct source {
    void *self;
    enum outcome (*open)(void *self);
    /* `head_seq` is the log's last event now. Waits a moment if there is nothing, with `is_waiting`. */
    enum outcome (*read)(void *self, uint64_t head_seq, bool is_waiting, struct batch *batch);
    /* The messages of the last batch are in the log. */
    enum outcome (*taken)(void *self, const struct batch *batch);
    void (*close)(void *self);
};

/* `uuid`: the log's. NULL: out of memory. */
struct sink *redis_sink(const struct relay_options *options, const char *uuid);
struct source *redis_source(const struct relay_options *options, const char *uuid);

/* ----------------------------------------------------------- connection ---- */

/* Whether the broker is there, for sentences: one when it goes and one when it is back. */
struct link_state {
    const char *shown; /* its URL */
    bool is_away;
    int64_t away_since_ms;
    int64_t backoff_ms;
    uint64_t reconnect_count;
};

/* It is away: says so the first time, and waits. Whether stopping is asked. */
bool link_wait(struct link_state *link);

/* It is there. */
void link_back(struct link_state *link);

/* --------------------------------------------------------------- metrics ---- */

struct metrics {
    const char *path; /* NULL: none */
    const char *direction, *log, *topic;
    uint64_t relayed_count, refused_count, passed_count, known_count, lost_count, lag_count;
    int64_t written_ms;
    const struct link_state *link;
    char last_error[512];
    int64_t last_error_us;
};

void metrics_error(struct metrics *metrics, const char *why);

/* Writes the file, at most once a second unless `is_now`, by a rename. */
void metrics_write(struct metrics *metrics, bool is_now);

#endif
