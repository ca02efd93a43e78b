/*
 * The relays: events from a log to a broker, and messages from a broker into a log.
 *
 *   main.c       evlog-relay out | in | retry, and its help
 *   options.c    arguments, secrets from the environment or files, --config
 *   url.c        redis://, rediss://, unix://, kafka://
 *   broker.c     which brokers this program was built with
 *   message.c    an event as a message, and a message as an event: the text of each field
 *   out.c        the consumer `relay.NAME` and what it has put on the broker
 *   in.c         messages into the log; refused.c: those that cannot be used; known.c: those it may have
 *   redis.c      a connection, redis_tls.c its TLS; redis_out.c, redis_in.c: Redis Streams as a sink and as a source
 *   kafka.c      librdkafka; kafka_out.c, kafka_in.c: Kafka as a sink and as a source
 *   worker.c     a thread of a sink's own
 *   registry.c   the schema registry, kafka_schemas.c what it has; key.c: Kafka's key of an event
 *   metrics.c    --metrics FILE
 *
 * out.c and in.c know nothing of Redis or Kafka, and redis_*.c and kafka_*.c nothing of a log: between them are
 * `struct sink` and `struct source` below, so that another broker is another file.
 *
 * What is guaranteed:
 * 1. Out: an event is done when the broker has acknowledged it. A broker that is away is waited for
 *    without limit and parks nothing; an event that is no message (no schema, erased), or that the broker refuses for
 *    good (too large, its schema), is parked, and the rest goes on. Order is the log's, on Kafka in each
 *    partition. On Redis each event is there once: its XADD and the relay's position are in one MULTI; on Kafka
 *    with --exactly-once, to readers of committed records: both are in one transaction.
 * 2. In: an event is in the log, and flushed, before its message is acknowledged; a redelivery is
 *    not a second event, by a conditional send after a seq that was noted on the broker before the message
 *    was first read; on Kafka the note is with the committed offset. What cannot be used is in the log as
 *    evlog.refused.v1.
 * 3. Nothing of a message or a reply is trusted.
 *
 * Absent: Redis Cluster's redirections. A parked event that is retried is on the broker twice if
 * the relay dies between its XADD and its acknowledgement.
 */
#ifndef RELAY_H
#define RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <evlog.h>

#include "stop.h"

enum {
    RELAY_STATUS_DONE = 0,
    RELAY_STATUS_FAILED = 1, /* parked, or refused, or a receiver failed */
    RELAY_STATUS_MISUSE = 2,
    RELAY_STATUS_LOG = 3, /* the log or the broker: a supervisor should restart it */
};

/* ------------------------------------------------------------- options ---- */

enum url_scheme { URL_REDIS, URL_REDISS, URL_UNIX, URL_KAFKA };

struct url {
    enum url_scheme scheme;
    char host[256]; /* of URL_UNIX the path */
    int port;
    int database;
    char user[256], password[1024];
    char shown[640];    /* without secrets, for sentences */
    char brokers[1024]; /* of URL_KAFKA: HOST:PORT[,HOST:PORT...] */
    char registry[512]; /* likewise: the schema registry's URL, without secrets and last slash */
    char registry_user[256], registry_password[1024];
};

/* EVLOG_INVALID: evlog_errmsg says what is wrong with it. */
int url_parse(const char *text, struct url *url);

#define TOPICS_MAX 64
#define ROUTES_MAX 256
#define SETTINGS_MAX 64

/* Events of a type go to a topic. */
struct route {
    const char *type; /* NULL: all that the relay gets */
    size_t topic;     /* an index of `topics` */
    const char *key;  /* event_key_field: the path of the field that is Kafka's key; NULL: none */
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
    const char *settings[SETTINGS_MAX]; /* of librdkafka: KEY=VALUE */
    size_t setting_count;
    bool follow, all;
    bool exactly_once; /* Kafka: by transactions */
    double per_second;
    uint64_t stream_length_max; /* MAXLEN ~; 0: none */
    uint32_t claim_ms;  /* idle time after which another consumer's messages are taken over */
    uint64_t first_seq; /* retry: from here on */
    bool has_url;       /* retry: the URL was given, for its registry */
};

/* -1: go on, else the exit status. What the options point to lives as long as the process. */
int options_read_out(int argc, char **argv, struct relay_options *options);
int options_read_in(int argc, char **argv, struct relay_options *options);
int options_read_retry(int argc, char **argv, struct relay_options *options);

int out_run(const struct relay_options *options);
int in_run(const struct relay_options *options);
int retry_run(const struct relay_options *options);

/* ------------------------------------------------------------- messages ---- */

/* The fields of a message but its data, in the order of Redis. */
enum field { TYPE, ID, SOURCE, TIME, MINORVERSION, SOURCEHOST, SOURCELIB, FIELD_COUNT };

extern const char *const field_names[FIELD_COUNT]; /* "type" ... */

#define DATA_FIELD "event_data"

/* An event as a message. Freed with message_free. */
struct message {
    uint64_t seq;
    uint64_t before_seq;             /* of the event that was handed out before it; 0: none */
    const evlog_schema *schema;      /* as long as the log */
    evlog_string texts[FIELD_COUNT]; /* one after the other, without NUL */
    size_t texts_size;
    evlog_buffer data; /* Avro */
};

#define MESSAGE_TEXTS_MAX (FIELD_COUNT * EVLOG_NAME_SIZE_MAX)

/*
 * Its texts are put at `room`, of MESSAGE_TEXTS_MAX bytes. EVLOG_INVALID: it cannot be one; evlog_errmsg says why.
 * EVLOG_NOMEM.
 */
int message_make(const evlog_event *event, char *room, struct message *message);
void message_free(struct message *message);

/* A message as it came. */
struct raw_field {
    evlog_bytes name, value;
};

struct raw {
    const char *broker; /* "redis", "kafka" */
    const char *place;  /* the broker's id of it */
    const struct raw_field
        *fields; /* of Kafka the headers, then "key" and "value"; NULL data: null */
    size_t field_count;
    const evlog_schema
        *schema;     /* that it was written under; NULL: the log's, or the catalogue's */
    const char *why; /* it cannot be used; NULL: that is not known yet */
};

/* The id of the schema in Kafka's value. false: the value is not framed. */
bool raw_schema_id(const struct raw *raw, uint32_t *id);

#define FILLED_HEADER "evlog.relay.filled"

/* What a message says, as an event is sent. It is used where it was made: its pointers are into itself. */
struct reading {
    evlog_metadata metadata;
    evlog_signal *signal;
    evlog_buffer data;   /* freed with reading_free */
    evlog_header header; /* what was filled in; NULL name: nothing */
    char texts[FIELD_COUNT][EVLOG_NAME_SIZE_MAX + 1];
    char filled[128];
    char why[256];        /* of a message that was refused */
    bool is_other_schema; /* this process has the type under another schema than the message's */
};

/*
 * EVLOG_INVALID, EVLOG_NOTFOUND (an unknown type), EVLOG_LIMIT, EVLOG_CONFLICT: it cannot be used, and evlog_errmsg
 * says why; its metadata have its id, if that could be read. After EVLOG_CONFLICT with is_other_schema it can,
 * when the log has been closed and opened. All else is the log's failure.
 */
int reading_make(evlog *log, const struct raw *raw, struct reading *reading);
void reading_free(struct reading *reading);

/* -------------------------------------------------------------- refused ---- */

/* Makes of a message that cannot be used the event that keeps it. EVLOG_NOMEM. */
int refused_make(evlog_signal *refused, const struct relay_options *options,
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
    BROKER_UNFIT,   /* one event or schema cannot be taken, now or later; the others can */
    BROKER_AGAIN,   /* it has to be asked once more, from `open` on */
};

/* The sentence of this thread's last outcome but BROKER_OK and BROKER_STOPPED. */
const char *broker_why(void);

/* Sets it, and returns `outcome`. */
enum outcome broker_fail(enum outcome outcome, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

struct outgoing {
    const struct message *message;
    size_t topic;
    const char *key_path; /* NULL: without key */
    evlog_buffer key;     /* Avro */
    bool is_retry;        /* a parked event: its seq is before that of others */
};

#define NO_POSITION UINT64_MAX

/* Where events go. */
struct sink {
    void *self;
    size_t put_count_max; /* at most PUT_COUNT_MAX messages in a put */
    bool
        goes_back; /* a position before what is done: the broker lost events, which are put again */
    /* Connects anew, and gives the position of each topic that counts for `epoch`, or NO_POSITION. */
    enum outcome (*open)(void *self, const char *epoch, uint64_t *positions);
    /*
     * Puts messages, in order, and makes last_seq the position of all topics that have not a later one; all or none
     * of a topic. They are on their way when it returns, and on the broker when put_ends does; then the next put may
     * begin. The items do not change before put_ends, or close, returns. After BROKER_AWAY and BROKER_AGAIN it is
     * called again, after `open`, with the same messages, less those up to the positions.
     */
    enum outcome (*put)(void *self, const struct outgoing *items, size_t count,
                        uint64_t last_seq);
    /*
     * BROKER_UNFIT: the event *unfit_seq cannot be put; those before it have been, and the positions are before
     * it. BROKER_AGAIN: nothing is wrong, but the same has to be put again.
     */
    enum outcome (*put_ends)(void *self, uint64_t *unfit_seq);
    void (*close)(void *self);
};

#define PUT_COUNT_MAX 4096

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

/* Why this evlog-relay cannot talk to such a broker; NULL: it can. */
const char *broker_missing(enum url_scheme scheme);

/* That of options->url. `uuid`: the log's. NULL: out of memory. */
struct sink *broker_sink(const struct relay_options *options, const char *uuid);
struct source *broker_source(const struct relay_options *options, const char *uuid);

/* The schemas of messages of Kafka, by their ids, from the registry of options->url. NULL: out of memory. */
struct kafka_schemas *broker_schemas(const struct relay_options *options);
enum outcome broker_find_schema(struct kafka_schemas *schemas, uint32_t id, const char *topic,
                                struct raw *raw); /* as kafka_schemas_find */
void broker_schemas_free(struct kafka_schemas *schemas);

struct sink *redis_sink(const struct relay_options *options, const char *uuid);
struct source *redis_source(const struct relay_options *options, const char *uuid);
struct sink *kafka_sink(const struct relay_options *options, const char *uuid);
struct source *kafka_source(const struct relay_options *options, const char *uuid);

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
