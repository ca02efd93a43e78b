/*
 * evlog: a persistent event log with replay.
 *
 * A program opens a log, defines signals (typed events), connects receivers to
 * them and sends events. A send appends the event to the log first and calls
 * the receivers afterwards, so any range of the log can be delivered again, in
 * the original order, to receivers that come later. The behaviour of signals and
 * metadata is that of Open edX Events (openedx-events 11) and of Django's
 * dispatcher (5.x), on which they are built; where a comment below names one
 * of them, that is the source of the rule.
 *
 * RULES THAT EVERY FUNCTION OBEYS
 *
 * Errors. A function that can fail returns an int: EVLOG_OK (0), or a negative
 *   code of EVLOG_ERRORS. evlog_errmsg() then gives the sentence: what failed,
 *   where, and what to do. On failure no output parameter is touched, unless
 *   the function says otherwise (the send functions do, for EVLOG_RECEIVER).
 * NULL. Options may be NULL: all defaults. In an options struct zero is the
 *   default of each field, so `= {0}` is always a good start. Outputs that the
 *   caller does not want may be NULL where the function says "or NULL".
 *   Functions that free something take NULL and do nothing.
 * Text. UTF-8, ending in NUL. Data is MessagePack: pointer and size.
 * Ownership. What goes in is copied or used during the call only. What comes
 *   out belongs to the library, for the time the function states.
 * Units. Times are int64_t microseconds since 1970-01-01 UTC (`_us`), sizes are
 *   bytes (`_size`), counts are items (`_count`); first and last are included.
 * Threads. A log, its signals and every function here may be used from any
 *   number of threads at once. Only evlog_close requires that no other call is under way.
 * Processes. Any number of processes may send to and read one log. After fork()
 *   the child must not use a log the parent opened: each call then returns
 *   EVLOG_FORKED and touches nothing. The child may open the log itself.
 * Receivers run on the thread that sends or replays, never under a lock or in
 *   a transaction. They may call anything here but evlog_close on their log.
 *
 * The library prints nothing, never exits, installs no signal handler and
 * starts no thread, but for one that flushes an EVLOG_FAST log.
 */
#ifndef EVLOG_H
#define EVLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EVLOG_API __attribute__((visibility("default")))

#define EVLOG_VERSION "0.1.0"

/* ------------------------------------------------------------- limits ---- */

#define EVLOG_NAME_SIZE_MAX 255 /* event type, source, host, lib, dispatch_uid */
#define EVLOG_DATA_SIZE_DEFAULT (1 << 20)
#define EVLOG_DATA_SIZE_MAX (64 << 20)   /* of one event's data, see data_size_max */
#define EVLOG_DATA_DEPTH_MAX 32          /* maps and arrays inside each other */
#define EVLOG_SEND_COUNT_MAX 65536       /* events in one evlog_send_events */
#define EVLOG_SEND_SIZE_MAX (128 << 20)  /* and their data together */
#define EVLOG_TYPES_MAX 65535            /* event types (with their schemas) in a log */
#define EVLOG_SOURCES_MAX 65535          /* different source, host, lib in a log */
#define EVLOG_RECEIVERS_MAX 4096         /* connected at one time in a process */
#define EVLOG_NESTING_MAX 64             /* receivers of a thread called inside each other */
#define EVLOG_PATTERNS_MAX 256           /* event types of one range */
#define EVLOG_CAPTURE_MAX 65536          /* events of one evlog_capture */
#define EVLOG_SCHEMA_SIZE_MAX 262144     /* of a schema's JSON */
#define EVLOG_FIELDS_MAX 1024            /* of one class */
#define EVLOG_CLASSES_MAX 1024           /* of one schema */
#define EVLOG_SHAPE_MAX 8                /* lists and maps in each other, with what is in them */
#define EVLOG_ARENA_SIZE_MAX (256 << 20) /* of one evlog_unpack */
#define EVLOG_CONSUMERS_MAX 1024         /* in a log */
#define EVLOG_CONSUMER_NAME_SIZE_MAX 128
#define EVLOG_OUT_MAX (1 << 20)          /* events handed out to one consumer and not done */
#define EVLOG_PARKED_MAX 100000          /* events parked for one consumer */
#define EVLOG_PARKED_ERROR_SIZE_MAX 1024 /* of the sentence kept; longer ones are cut */
#define EVLOG_DEATHS_MAX 10 /* of a process inside one event's receiver: then it has failed */
#define EVLOG_STATE_KEY_SIZE_MAX 255
#define EVLOG_STATE_VALUE_SIZE_MAX (64 << 10)
#define EVLOG_STATE_COUNT_MAX (1 << 20)    /* keys of one consumer */
#define EVLOG_STATE_PENDING_MAX (64 << 20) /* bytes put and not yet acknowledged */
#define EVLOG_READERS_DEFAULT 1024         /* reads under way at once, all processes */
#define EVLOG_READERS_MAX 65536 /* see readers_max; each takes 64 bytes of a lock file */
#define EVLOG_TIME_US_MIN INT64_C(-62135596800000000) /* year 1 */
#define EVLOG_TIME_US_MAX INT64_C(253402300799999999) /* year 9999 */

/* ------------------------------------------------------------- errors ---- */

/*
 * The codes are named by what the caller can do. Closed: no others are added
 * within a major version.
 */
#define EVLOG_ERRORS(X)                                                                    \
    X(OK, 0, "done")                                                                       \
    X(INVALID, -1, "an argument or the data is wrong: correct the call")                   \
    X(NOTFOUND, -2, "no such log, event, signal or receiver")                              \
    X(LIMIT, -3, "over a limit named in evlog.h")                                          \
    X(CONFLICT, -4, "it exists already, and differently")                                  \
    X(READONLY, -5, "the log is open for reading only")                                    \
    X(BUSY, -6, "in use by others: try again later")                                       \
    X(FULL, -7, "no room: free some and send again; the log is as it was")                 \
    X(IO, -8, "the system refused: see the message, then close the log and open it")       \
    X(NOMEM, -9, "out of memory")                                                          \
    X(DAMAGED, -10, "the log is damaged here: run evlog verify")                           \
    X(UNSUPPORTED, -11, "not an evlog log, a newer one, or a file system it cannot be on") \
    X(FORKED, -12, "the log was opened before fork(): open it in this process")            \
    X(RECEIVER, -13, "a receiver failed; the event is in the log")                         \
    X(STOPPED, -14, "evlog_consumer_stop was called")

enum {
#define X(name, code, text) EVLOG_##name = code,
    EVLOG_ERRORS(X)
#undef X
};

/* The code's general meaning, a constant. Any int may be asked for. */
EVLOG_API const char *evlog_strerror(int code);

/*
 * The sentence about the last failure in this thread, never NULL. Valid until
 * the next failing call in this thread; a success does not change it.
 */
EVLOG_API const char *evlog_errmsg(void);

/* EVLOG_VERSION of the library in use, a constant. */
EVLOG_API const char *evlog_version(void);

/* -------------------------------------------------------------- values ---- */

/* These few structs are values: unlike all others they never get another field. */

/* Text with a length: not ended by NUL, may contain NUL. */
typedef struct evlog_string {
    const char *text; /* UTF-8 */
    size_t size;
} evlog_string;

typedef struct evlog_bytes {
    const void *data;
    size_t size;
} evlog_bytes;

typedef struct evlog_uuid {
    uint8_t bytes[16];
} evlog_uuid;

/* Bytes that a function made, freed with evlog_buffer_free. */
typedef struct evlog_buffer {
    void *data;
    size_t size;
} evlog_buffer;

EVLOG_API void evlog_buffer_free(evlog_buffer *buffer);

/* ------------------------------------------------- opening and closing ---- */

typedef struct evlog evlog;               /* an open log */
typedef struct evlog_signal evlog_signal; /* an event type, as defined in this process */
typedef struct evlog_schema evlog_schema; /* what an event type's data must be; never changes */

/* How hard an event is in the log when its send returns; part of the log. */
typedef enum evlog_durability {
    EVLOG_DURABILITY_DEFAULT = 0, /* as the log is; EVLOG_DURABLE when it is new */
    EVLOG_DURABLE = 1,            /* it survives a power cut */
    EVLOG_FAST = 2,               /* it survives the death of the process, not a power cut */
} evlog_durability;

/* What a send does when a receiver fails. The event is in the log either way. */
typedef enum evlog_dispatch {
    EVLOG_DISPATCH_DEFAULT = 0, /* as the log was opened; see evlog_options */
    EVLOG_DISPATCH_ROBUST = 1,  /* the other receivers run too (Django: send_robust) */
    EVLOG_DISPATCH_STRICT = 2,  /* the first failure ends the dispatch (Django: send) */
} evlog_dispatch;

typedef struct evlog_options {
    evlog_durability durability;
    bool read_only; /* no send; the log is not changed, see evlog_open */
    bool no_create; /* EVLOG_NOTFOUND instead of a new log */
    /* Where events sent here come from. NULL or "": "openedx/<service>/web" */
    const char *source;
    const char *service;     /* NULL or "": SERVICE_NAME_UNSET; not together with `source` */
    const char *sourcehost;  /* NULL: gethostname(2) */
    uint32_t data_size_max;  /* of one event; 0: EVLOG_DATA_SIZE_DEFAULT */
    uint32_t readers_max;    /* 0: EVLOG_READERS_DEFAULT; used by the first opener only */
    uint64_t log_size_max;   /* of the events file; 0: until the disk is full */
    uint32_t flush_every_ms; /* EVLOG_FAST only; 0: 100 */
    /*
     * Of sends that do not say it themselves. DEFAULT: the environment variable EVLOG_DISPATCH,
     * "robust" or "strict"; where that is not set, robust. (The Open edX text: send in
     * development, send_robust in production.)
     */
    evlog_dispatch dispatch;
} evlog_options;

/*
 * Opens the log in the directory `path`, and makes it when it does not exist
 * (one level: the parent must be there; mode 0700, files 0600, less the umask).
 * Opening takes the same time whatever the log's length.
 *
 * A log that this process has open already, by whatever path, is returned
 * again and counted: each evlog_open requires its evlog_close. An option that is
 * set must then be as the log is open, else EVLOG_CONFLICT names it; zero and
 * NULL are always as it is open. (readers_max and no_create are not compared.)
 * EVLOG_READONLY: it is open read_only, and this is not.
 *
 * A read_only log works also where nothing can be written (another's log, a
 * read-only file system). Damage does not stop it from being opened so, as
 * long as one of the two meta pages is sound. It changes nothing of the log; liblmdb's
 * lock files are made where they are missing and can be made, since they keep a writer
 * from reusing the pages that are being read.
 *
 * EVLOG_NOTFOUND: no log there, and no_create or read_only. EVLOG_INVALID: a
 * file, options that make no sense, or EVLOG_DISPATCH is neither "robust" nor
 * "strict". EVLOG_CONFLICT: another durability.
 * EVLOG_UNSUPPORTED: something else's directory, a newer format, or a network
 * file system. EVLOG_DAMAGED: where the log would go on growing, or one of its
 * files is gone. EVLOG_FULL: no room to make it. EVLOG_IO: the system refused
 * (permissions, descriptors, disk).
 */
EVLOG_API int evlog_open_sized(const char *path, const evlog_options *options,
                               size_t options_size, evlog **log);

static inline int evlog_open(const char *path, const evlog_options *options, evlog **log)
{
    return evlog_open_sized(path, options, sizeof(evlog_options), log);
}

/*
 * Takes back one evlog_open; the last one flushes, closes, and frees the log,
 * its signals and its connections. EVLOG_BUSY, from the last one only, and
 * nothing is closed: a call on this log is under way (another thread's, or the
 * send or replay whose receiver this is), or a consumer or cursor of it is open in
 * this process. EVLOG_IO: closed, but a last flush failed (EVLOG_FAST).
 */
EVLOG_API int evlog_close(evlog *log);

/*
 * Makes everything sent so far survive a power cut. An EVLOG_DURABLE log is so
 * already, and this returns at once. EVLOG_IO: what was not flushed may be
 * lost in a power cut; the handle sends no more.
 */
EVLOG_API int evlog_sync(evlog *log);

/* -------------------------------------------------------------- signals ---- */

/*
 * Defines the signal for an event type in this process, and records the type in
 * the log (durably, before its first event). Defining it again the same way
 * gives the same signal. The name is 1 to EVLOG_NAME_SIZE_MAX bytes without
 * blanks, control characters or '*', by custom
 * `{reverse DNS}.{subject}.{action}.{major version}` (ADR-2 of openedx-events),
 * which is not enforced: two of its own types break it.
 *
 * `schema` is Avro's JSON, see evlog_schema_parse: the data of an event are then checked
 * against it in full before anything is appended. NULL: as the type is defined here, or
 * else in the log, where the newest schema counts; untyped, any MessagePack map, when there
 * is none. evlog_define_class (evlog/class.h) does the same with a data class in C, and with
 * more options.
 *
 * A signal has one schema. Only a signal that is untyped can be given one by a later definition,
 * and one whose schema came as text can be given the class of that schema; any other
 * is EVLOG_CONFLICT. So components may define what they only receive with NULL, in any order.
 *
 * A changed schema is a new entry in the log, and every event keeps the one it was written
 * under. It must read what was written under each earlier one of this event type, and they
 * what is written under it (openedx-events: fields are added with a default or removed
 * that have one; the rest is for a new event type, `...v2`): else EVLOG_CONFLICT, unless
 * accept_incompatible is set in the evlog_definition. Then events from before the change
 * are read by the rules of evlog_unpack, or refused; and a later schema need not go with those
 * that this one does not go with.
 *
 * The signal belongs to the log and lives as long.
 *
 * EVLOG_INVALID: a bad name or schema, or a negative minor version. EVLOG_CONFLICT also:
 * defined here with another minor version or schema. EVLOG_LIMIT: EVLOG_TYPES_MAX, or a limit
 * of schemas. EVLOG_READONLY: the type is not in the log and cannot be recorded.
 */
EVLOG_API int evlog_define(evlog *log, const char *event_type, int32_t minor_version,
                           const char *schema, evlog_signal **signal);

/* The signal defined for an event type. EVLOG_NOTFOUND: not in this process. */
EVLOG_API int evlog_signal_by_type(evlog *log, const char *event_type, evlog_signal **signal);

/*
 * Calls `visit` for each signal of the log in the order of definition (all_events
 * of openedx-events) until it returns other than 0, and returns that, or
 * EVLOG_OK. Signals defined meanwhile may or may not be visited.
 */
EVLOG_API int evlog_each_signal(evlog *log, int (*visit)(evlog_signal *signal, void *ctx),
                                void *ctx);

/* What a signal is, valid as long as its log. */
EVLOG_API const char *evlog_signal_type(const evlog_signal *signal);
EVLOG_API int32_t evlog_signal_minor_version(const evlog_signal *signal);

/*
 * A disabled signal sends nothing and logs nothing: a send returns EVLOG_OK and
 * seq 0, its arguments checked no further than its metadata (openedx-events:
 * enable, disable, and the order of steps in send_event).
 */
EVLOG_API void evlog_signal_enable(evlog_signal *signal);
EVLOG_API void evlog_signal_disable(evlog_signal *signal);
EVLOG_API bool evlog_signal_is_enabled(const evlog_signal *signal);

/* --------------------------------------------------------------- events ---- */

/* What a receiver gets. It and all it points to are valid until the receiver returns. */
typedef struct evlog_event {
    uint64_t seq;           /* its place in the log: 1, 2, 3 ... */
    int64_t log_time_us;    /* when it was appended; never less than its predecessor's */
    uint8_t id[16];         /* metadata (EventsMetadata of openedx-events): id, a UUID */
    const char *event_type; /* ... event_type */
    int32_t minorversion;   /* ... minorversion */
    int64_t time_us;        /* ... time, as the sender gave it */
    const char *source;     /* ... source, as in evlog_options */
    const char *sourcehost; /* ... sourcehost */
    const char *sourcelib;  /* ... sourcelib, a version as text: "11.2.0" */
    const void *data;       /* a MessagePack map; NULL when it was erased */
    size_t data_size;
    bool is_replay;       /* delivered again from the log, not by its send; see consumers */
    bool from_event_bus;  /* its sender has set this; see evlog_send_options */
    bool is_retry;        /* from a consumer: it was parked, and is retried */
    uint32_t attempt;     /* from a consumer: 1, and more when it was handed out before; else 0 */
    evlog_signal *signal; /* NULL: this event type is not defined in this process */
    const evlog_schema *schema; /* it was written under; NULL: untyped; as long as the log */
} evlog_event;

/* ------------------------------------------------------------ receivers ---- */

/*
 * How far a replay came. Filled also when the replay fails, unless it is refused (EVLOG_INVALID,
 * EVLOG_LIMIT, EVLOG_FORKED, EVLOG_UNSUPPORTED).
 */
typedef struct evlog_outcome {
    uint64_t delivered;        /* receivers' calls that returned 0 */
    uint64_t failed;           /* calls that did not */
    uint64_t skipped;          /* evlog_replay_to_receivers: events nobody was connected to */
    uint64_t refused;          /* calls that were not made: the receiver refuses replays */
    uint64_t damaged;          /* seqs in the range that could not be read */
    uint64_t last_seq;         /* of the last event handed to a receiver; 0: none */
    uint64_t first_failed_seq; /* the first that failed or was damaged; 0: none */
    int receiver_result;       /* what the first failing receiver returned */
} evlog_outcome;

/*
 * Returns 0 when the event is dealt with, anything else when that failed; that
 * value is the response. evlog_fail puts a sentence beside it.
 */
typedef int evlog_receiver(const evlog_event *event, void *ctx);

/*
 * For use in a receiver: `return evlog_fail("no such course")`. Sets this
 * thread's evlog_errmsg and returns EVLOG_RECEIVER.
 */
EVLOG_API int evlog_fail(const char *why);

/* Where a late receiver or a new consumer begins. */
typedef enum evlog_start {
    EVLOG_START_DEFAULT = 0, /* a receiver: NEW; a consumer: FIRST */
    EVLOG_START_FIRST = 1,   /* the first event there is */
    EVLOG_START_NEW = 2,     /* what is sent from now on */
    EVLOG_START_SEQ = 3,     /* the event start_seq, which may be the next one to come */
    EVLOG_START_TIME = 4,    /* the first event logged at start_time_us or later */
    EVLOG_START_LAST = 5,    /* the last start_count events of the types that are asked for */
} evlog_start;

/* What a receiver or consumer with side effects (mail, payment) does with replays. */
typedef enum evlog_replays {
    EVLOG_REPLAY_KNOWING = 0, /* gets them; is_replay says so */
    EVLOG_REPLAY_SILENT = 1,  /* gets them like any other: is_replay is false */
    EVLOG_REPLAY_REFUSE = 2,  /* does not get them; they are counted as refused */
} evlog_replays;

typedef struct evlog_connect_options {
    evlog_start start;
    uint64_t start_seq;
    int64_t start_time_us;
    uint64_t start_count;
    evlog_replays replay;
    bool keep_going;        /* a failure in the history is counted, and does not end it */
    evlog_outcome *outcome; /* or NULL: how far the history came */
} evlog_connect_options;

/*
 * Connects a receiver to a signal, or, with NULL, to all signals of the log,
 * those defined later too. It hears what this process sends from then on, in
 * the order of connection among all receivers; a send that has begun to call
 * receivers does not see it. `options` or NULL.
 *
 * A receiver is known by signal and dispatch_uid, or, where that is NULL or "",
 * by signal, function and ctx. Connecting a known one again changes nothing,
 * not even its place, brings no history, and is EVLOG_OK (Django: Signal.connect).
 *
 * With a start other than new it is a late receiver: it gets history first, here, on
 * this thread: the events of the whole log from there on, from every process, in log
 * order, each marked is_replay. What this process sends meanwhile it gets from the log
 * too, after what came before. When nothing is left it is connected like any other, and
 * the call returns: so each event comes once, none is left out, and no live one comes before
 * the last of the history. (A receiver that is slower than all senders together does
 * not come to that end.) It may disconnect itself, which ends the history.
 * With a NULL signal, history may have events whose type is not defined here.
 *
 * A failure of it in the history disconnects it and is EVLOG_RECEIVER, damage is
 * EVLOG_DAMAGED, both named in evlog_errmsg and outcome; with keep_going they are
 * counted. EVLOG_LIMIT: EVLOG_RECEIVERS_MAX. EVLOG_INVALID: a start that makes no
 * sense, or history for a receiver that refuses replays.
 */
EVLOG_API int evlog_connect_sized(evlog *log, evlog_signal *signal, const char *dispatch_uid,
                                  evlog_receiver *receiver, void *ctx,
                                  const evlog_connect_options *options, size_t options_size,
                                  size_t outcome_size);

static inline int evlog_connect(evlog *log, evlog_signal *signal, const char *dispatch_uid,
                                evlog_receiver *receiver, void *ctx,
                                const evlog_connect_options *options)
{
    return evlog_connect_sized(log, signal, dispatch_uid, receiver, ctx, options,
                               sizeof(evlog_connect_options), sizeof(evlog_outcome));
}

/*
 * Disconnects what was connected with the same signal, and the same dispatch_uid
 * or else the same function and ctx. A send that has begun to call receivers, in
 * this thread or another, may still call it once (Django). EVLOG_NOTFOUND: no
 * such connection.
 */
EVLOG_API int evlog_disconnect(evlog *log, evlog_signal *signal, const char *dispatch_uid,
                               evlog_receiver *receiver, void *ctx);

/* Whether an event sent here would reach a receiver (Django: has_listeners); false after fork. */
EVLOG_API bool evlog_has_receivers(const evlog_signal *signal);

/* -------------------------------------------------------------- sending ---- */

/*
 * Metadata of the sender's own (send_event_with_custom_metadata). A field that is zero or NULL is
 * made as it is for every event, so {0} changes nothing.
 */
typedef struct evlog_metadata {
    uint8_t id[16];
    int32_t minorversion; /* not compared with the signal's */
    int64_t time_us;
    const char *source;
    const char *sourcehost;
    const char *sourcelib; /* whole numbers with dots between */
} evlog_metadata;

typedef struct evlog_send_options {
    int64_t time_us; /* when it happened, unless the metadata say; 0: now */
    evlog_dispatch dispatch;
    const evlog_metadata *metadata; /* or NULL */
    bool from_event_bus; /* the event says so: it is not to be relayed to a bus again */
} evlog_send_options;

/* One receiver's answer. */
typedef struct evlog_response {
    evlog_receiver *receiver;
    void *ctx;
    const char *dispatch_uid; /* "" when it has none */
    int result;               /* what it returned */
    const char *error;        /* "" when result is 0 or it gave no sentence */
} evlog_response;

/* What became of a send. Freed with evlog_sent_free; never needs to be made. */
typedef struct evlog_sent {
    uint64_t seq; /* 0: not in the log */
    uint8_t id[16];
    const evlog_response *const *responses; /* in the order of the calls */
    size_t response_count;
    void *hold; /* the library's, until evlog_sent_free */
} evlog_sent;

/* Frees the responses and zeroes the struct. */
EVLOG_API void evlog_sent_free_sized(evlog_sent *sent, size_t sent_size);

static inline void evlog_sent_free(evlog_sent *sent)
{
    evlog_sent_free_sized(sent, sizeof(evlog_sent));
}

/*
 * Sends an event: makes its metadata (id: UUID version 1, time, source, host,
 * lib), checks the data, appends both to the log, and when they are there with
 * the log's durability calls every receiver of the signal in the order of
 * connection, on this thread (openedx-events: send_event; Django: send_robust).
 *
 * `data` is one MessagePack map: well formed, at most data_size_max bytes and
 * EVLOG_DATA_DEPTH_MAX deep, its text UTF-8. `sent` (or NULL) is the seq and
 * each response; free it also after EVLOG_RECEIVER.
 *
 * EVLOG_RECEIVER: a receiver failed, the first of which evlog_errmsg names; the event
 * is in the log. Robust, which is the default, the receivers after it have run
 * too; strict, they have not.
 * After any other error nothing is in the log and no receiver ran:
 * EVLOG_INVALID (data or metadata, named by evlog_errmsg), EVLOG_LIMIT (too
 * large, too deep, nested too far), EVLOG_READONLY, EVLOG_FULL (the disk or
 * log_size_max), EVLOG_IO, EVLOG_NOMEM, EVLOG_DAMAGED.
 *
 * A receiver may send: that event is appended and dispatched inside its call.
 * Senders in parallel share commits, so many of them together are faster, not
 * slower, than one.
 */
EVLOG_API int evlog_send_event_sized(evlog_signal *signal, const void *data, size_t data_size,
                                     const evlog_send_options *options, size_t options_size,
                                     size_t metadata_size, evlog_sent *sent, size_t sent_size);

static inline int evlog_send_event(evlog_signal *signal, const void *data, size_t data_size,
                                   const evlog_send_options *options, evlog_sent *sent)
{
    return evlog_send_event_sized(signal, data, data_size, options, sizeof(evlog_send_options),
                                  sizeof(evlog_metadata), sent, sizeof(evlog_sent));
}

/* One of many. */
typedef struct evlog_sending {
    evlog_signal *signal;
    const void *data;
    size_t data_size;
    int64_t time_us; /* these three as in evlog_send_options */
    const evlog_metadata *metadata;
    bool from_event_bus;
} evlog_sending;

/*
 * Appends many events in one commit, all or none, side by side in the log, and
 * then dispatches them in order. All signals must be of one log. Errors as
 * above, evlog_errmsg naming the one that was wrong, counted from 0. A strict
 * dispatch of them all ends at the first failure. `sent` (or NULL) is an
 * array of `count`; each needs its evlog_sent_free. Of `options` only `dispatch`
 * is used.
 */
EVLOG_API int evlog_send_events_sized(const evlog_sending *sends, size_t sending_size,
                                      size_t metadata_size, size_t count,
                                      const evlog_send_options *options, size_t options_size,
                                      evlog_sent *sent, size_t sent_size);

static inline int evlog_send_events(const evlog_sending *sends, size_t count,
                                    const evlog_send_options *options, evlog_sent *sent)
{
    return evlog_send_events_sized(sends, sizeof(evlog_sending), sizeof(evlog_metadata), count,
                                   options, sizeof(evlog_send_options), sent, sizeof(evlog_sent));
}

/* --------------------------------------------------------------- replay ---- */

/* Which events, in which order, and how fast. Zero: all of them, oldest first. */
typedef struct evlog_range {
    uint64_t first_seq;       /* 0: the first there is */
    uint64_t last_seq;        /* 0: the last there is */
    int64_t since_us;         /* log time; 0: no bound */
    int64_t until_us;         /* log time; 0: no bound */
    const char *const *types; /* event types, or beginnings of one: "org.openedx.learning.*" */
    size_t type_count;        /* 0: every type */
    uint64_t limit;           /* the most events to deliver; 0: no limit */
    bool newest_first; /* from the last to the first; the limit then counts from the last */
    bool keep_going;   /* evlog_replay: count failures and damage instead of stopping */
    double speed;      /* times that of the log: 1, as it was; 10, ten times; 0: no waiting */
    double per_second; /* the most events a second; 0: no limit */
} evlog_range;

/*
 * Whether an event type is among a range's `types`. With a type_count of 0 every type is.
 */
EVLOG_API bool evlog_type_matches(const char *const *types, size_t type_count,
                                  const char *event_type);

/*
 * A cursor gives the events of a range one at a time, to programs that would rather ask for an
 * event than be called with it:
 *
 *     evlog_cursor *cursor;
 *     const evlog_event *event;
 *     int result = evlog_cursor_open(log, NULL, &cursor);
 *     if (result)
 *         return result;
 *     while ((result = evlog_cursor_next(cursor, &event)) == EVLOG_OK && event)
 *         printf("%" PRIu64 " %s\n", event->seq, event->event_type);
 *     evlog_cursor_close(cursor);
 *
 * It is used by one thread at a time. It ends at the head of the log as it was when the cursor
 * was opened. Between calls it holds a buffer of 256 KiB or of the largest event, and no
 * transaction: a cursor that is left open for long costs senders and the file nothing.
 */
typedef struct evlog_cursor evlog_cursor;

/*
 * Opens a cursor on `range` (NULL: everything), for the caller to close; while it is open, its log
 * cannot be closed (EVLOG_BUSY). `keep_going` is not used: every damaged range is reported.
 *
 * EVLOG_INVALID: first after last, since after until, a bad type or speed. EVLOG_LIMIT:
 * EVLOG_PATTERNS_MAX. EVLOG_BUSY: all reader slots are taken. EVLOG_DAMAGED: the log's first or
 * last event cannot be found. EVLOG_IO, EVLOG_NOMEM.
 */
EVLOG_API int evlog_cursor_open_sized(evlog *log, const evlog_range *range, size_t range_size,
                                      evlog_cursor **cursor);

static inline int evlog_cursor_open(evlog *log, const evlog_range *range, evlog_cursor **cursor)
{
    return evlog_cursor_open_sized(log, range, sizeof(evlog_range), cursor);
}

/*
 * Gives the next event, marked is_replay, in `*event`; NULL: the range has no more. It is valid
 * until the next call for this cursor. With a speed or per_second, waits until it is due.
 *
 * EVLOG_DAMAGED: the next seqs are damaged or missing, or of a type the log does not know;
 * evlog_cursor_damage says which. The next call goes on behind them. After any other error
 * (EVLOG_BUSY, EVLOG_IO, EVLOG_NOMEM) the next call tries the same events again.
 */
EVLOG_API int evlog_cursor_next(evlog_cursor *cursor, const evlog_event **event);

/*
 * The seqs that the last EVLOG_DAMAGED of evlog_cursor_next was about. Damage that is long may
 * be reported in several parts, one after the other. EVLOG_NOTFOUND: there was none.
 */
EVLOG_API int evlog_cursor_damage(const evlog_cursor *cursor, uint64_t *first_seq,
                                  uint64_t *last_seq);

/* Frees the cursor and the event it gave. EVLOG_FORKED is its only failure. */
EVLOG_API int evlog_cursor_close(evlog_cursor *cursor);

/*
 * Calls `receiver` for each event of a range (NULL: everything), with its own id and time and
 * marked is_replay. It is a loop over a cursor, and ends where that ends. A range with nothing in
 * it is EVLOG_OK.
 *
 * Without keep_going, a receiver that returns other than 0 ends the replay with EVLOG_RECEIVER,
 * and damage ends it with EVLOG_DAMAGED; evlog_errmsg and `outcome` (or NULL) name the event.
 * With keep_going they are counted and the replay is EVLOG_OK.
 *
 * Errors of evlog_cursor_open and evlog_cursor_next. EVLOG_INVALID also: no receiver. EVLOG_LIMIT
 * also: EVLOG_NESTING_MAX.
 */
EVLOG_API int evlog_replay_sized(evlog *log, const evlog_range *range, size_t range_size,
                                 evlog_receiver *receiver, void *ctx, evlog_outcome *outcome,
                                 size_t outcome_size);

static inline int evlog_replay(evlog *log, const evlog_range *range, evlog_receiver *receiver,
                               void *ctx, evlog_outcome *outcome)
{
    return evlog_replay_sized(log, range, sizeof(evlog_range), receiver, ctx, outcome,
                              sizeof(evlog_outcome));
}

/*
 * The same, to the receivers that are connected in this process to each event's
 * signal, in the order of connection. An event of a type that is not defined or
 * is disabled here, or that has no receiver, is skipped and counted.
 */
EVLOG_API int evlog_replay_to_receivers_sized(evlog *log, const evlog_range *range,
                                              size_t range_size, evlog_outcome *outcome,
                                              size_t outcome_size);

static inline int evlog_replay_to_receivers(evlog *log, const evlog_range *range,
                                            evlog_outcome *outcome)
{
    return evlog_replay_to_receivers_sized(log, range, sizeof(evlog_range), outcome,
                                           sizeof(evlog_outcome));
}

/*
 * Reads one event, for the caller to free with evlog_event_free. EVLOG_NOTFOUND: the log does not
 * have this seq. EVLOG_DAMAGED: it has, but the event is not as it was sent. EVLOG_BUSY, EVLOG_IO,
 * EVLOG_NOMEM.
 */
EVLOG_API int evlog_read(evlog *log, uint64_t seq, evlog_event **event);

/*
 * Finds the newest event of a range (NULL: everything) that has this id, for the caller to free
 * with evlog_event_free. There is no index of ids: every event of the range is read, newest
 * first, until it is found, which takes as long as replaying them. newest_first and keep_going are
 * not used.
 *
 * EVLOG_NOTFOUND: no event of the range has it. EVLOG_DAMAGED: none that can be read has it.
 * Errors of evlog_cursor_open and evlog_cursor_next.
 */
EVLOG_API int evlog_find_sized(evlog *log, const uint8_t id[16], const evlog_range *range,
                               size_t range_size, evlog_event **event);

static inline int evlog_find(evlog *log, const uint8_t id[16], const evlog_range *range,
                             evlog_event **event)
{
    return evlog_find_sized(log, id, range, sizeof(evlog_range), event);
}

EVLOG_API void evlog_event_free(evlog_event *event);

/*
 * Waits until the log has an event after `seq`, from whichever process, for at most `timeout_ms`
 * (negative: without limit). `*last_seq` is the log's last event; it is not greater than `seq`
 * when the time was up. Waiting costs nothing; it ends some microseconds after the commit. (A
 * read_only log in a directory that this process cannot write to is polled 50 times a second.)
 * EVLOG_INVALID: no last_seq. EVLOG_BUSY, EVLOG_IO.
 */
EVLOG_API int evlog_wait(evlog *log, uint64_t seq, int64_t timeout_ms, uint64_t *last_seq);

/* ------------------------------------------------------------ consumers ---- */

/*
 * A consumer is a named place in the log that outlives the process: its checkpoint is the last
 * seq it is done with. It gets what every process sends, each event in log order, from where it
 * began and across restarts and crashes.
 *
 * At least once: an event that was not done when its process died comes again, and its `attempt`
 * says so. Checkpoints are written for many events together: for commit_every, at the latest
 * 100 ms after an event is done when another one follows, when there is nothing more to do, and by
 * evlog_consumer_commit and _close. Exactly once, for state that is kept here: what
 * evlog_state_put changes and the checkpoint are one transaction, so after any crash the state is
 * that of the events up to the checkpoint.
 *
 * is_replay of an event from a consumer: it was in the log before the consumer was
 * made, or last reset. What came while it was not running is not a replay.
 *
 * One process at a time has a consumer. It is used by one thread at a time, and may be
 * stopped by any.
 */
typedef struct evlog_consumer evlog_consumer;

/* What becomes of an event that has failed attempt_max times. */
typedef enum evlog_on_failure {
    EVLOG_FAILURE_PARK = 0, /* it is set aside, on record, and the next one comes */
    EVLOG_FAILURE_STOP = 1, /* EVLOG_RECEIVER; it comes again when asked for */
    EVLOG_FAILURE_SKIP = 2, /* it counts as done; the notice is all that is left of it */
} evlog_on_failure;

/* What a consumer's owner may want to know. */
typedef enum evlog_notice_kind {
    EVLOG_NOTICE_CAUGHT_UP = 1, /* it has had all there was; from now on events come live */
    EVLOG_NOTICE_FELL_BEHIND =
        2,                 /* it was caught up, and is now over behind_count events behind */
    EVLOG_NOTICE_LOST = 3, /* events that cannot be had any more: damaged, or trimmed away */
    EVLOG_NOTICE_PARKED = 4,
    EVLOG_NOTICE_SKIPPED = 5,
} evlog_notice_kind;

typedef struct evlog_notice {
    evlog_notice_kind kind;
    /* the events concerned; CAUGHT_UP, FELL_BEHIND: its place, and the head */
    uint64_t first_seq, last_seq;
    const char *text; /* why; "" when there is no more to say */
} evlog_notice;

typedef struct evlog_consumer_options {
    evlog_start start; /* when the consumer is new; else it goes on at its checkpoint */
    uint64_t start_seq;
    int64_t start_time_us;
    uint64_t start_count;
    bool no_create;           /* EVLOG_NOTFOUND when it is new */
    const char *const *types; /* as in a range; kept with the consumer */
    size_t type_count;        /* 0: as it was; every type when it is new */
    evlog_replays replay;
    bool ack_by_hand; /* evlog_consumer_poll: a receiver's 0 does not make an event done */
    evlog_on_failure on_failure;
    uint32_t attempt_max;     /* 0: 3 */
    uint32_t backoff_ms;      /* before the second attempt, doubled for each more; 0: 100 */
    uint32_t backoff_max_ms;  /* 0: 30000 */
    uint32_t commit_every;    /* events; 0: 4096; 1: after each */
    uint32_t claim_wait_ms;   /* how long to wait for a consumer that another process has */
    uint64_t behind_count;    /* 0: 1024 */
    double speed, per_second; /* as in a range */
    /* or NULL. Of this consumer's functions it may call evlog_consumer_stop and evlog_state_get. */
    void (*notice)(const evlog_notice *notice, void *ctx);
    void *notice_ctx;
} evlog_consumer_options;

/*
 * Opens a consumer, and makes it when it does not exist. `name`: 1 to
 * EVLOG_CONSUMER_NAME_SIZE_MAX bytes, without blanks, control characters or '*'.
 *
 * EVLOG_BUSY: another process has it, named with its pid, or this one has it open already; a dead
 * one never does. EVLOG_CONFLICT: the event at its checkpoint is not in this log as it was (a
 * power cut took events of an EVLOG_FAST log, or the log is another's copy): evlog_consumer_reset
 * puts it somewhere. EVLOG_READONLY: a log that is open for reading has no consumers to open.
 * EVLOG_LIMIT: EVLOG_CONSUMERS_MAX. EVLOG_NOTFOUND, EVLOG_INVALID, EVLOG_DAMAGED, EVLOG_FULL.
 */
EVLOG_API int evlog_consumer_open_sized(evlog *log, const char *name,
                                        const evlog_consumer_options *options,
                                        size_t options_size, evlog_consumer **consumer);

static inline int evlog_consumer_open(evlog *log, const char *name,
                                      const evlog_consumer_options *options,
                                      evlog_consumer **consumer)
{
    return evlog_consumer_open_sized(log, name, options, sizeof(evlog_consumer_options),
                                     consumer);
}

/*
 * Writes the checkpoint and frees the consumer and its claim, whatever it returns. The failure
 * of that last commit: what it held comes again. EVLOG_BUSY, and nothing is done: inside its
 * own receiver.
 */
EVLOG_API int evlog_consumer_close(evlog_consumer *consumer);

/*
 * The next event: a parked one that is to be retried, else the next in the log. Waits for it up
 * to `timeout_ms` (negative: without limit). EVLOG_OK with `*event` NULL: there was none in that
 * time, or the consumer was paused. The event is out until evlog_consumer_done or _fail ends it;
 * several may be out at once, up to EVLOG_OUT_MAX. It is valid until the next call of this
 * function, of evlog_consumer_poll, or of evlog_consumer_close.
 *
 * Events that cannot be read are reported by a notice, put on record like parked ones, and
 * passed. An event has also failed when EVLOG_DEATHS_MAX processes (one, if it is retried) died
 * between this call for it and the next call for the consumer, and no other event was out.
 *
 * EVLOG_STOPPED: by evlog_consumer_stop. EVLOG_LIMIT: too many are out, or EVLOG_PARKED_MAX.
 * EVLOG_BUSY: another thread is in this call, or no reader slot is free. EVLOG_FULL, EVLOG_IO: the
 * checkpoint could not be written; the next call tries again. EVLOG_RECEIVER: with
 * EVLOG_FAILURE_STOP, an event in which EVLOG_DEATHS_MAX processes died.
 */
EVLOG_API int evlog_consumer_next(evlog_consumer *consumer, int64_t timeout_ms,
                                  const evlog_event **event);

/*
 * Acknowledges event `seq`, and all that were handed out before it; but if `seq` is a parked
 * event that is retried, only this one. Their state and the checkpoint are written when that is
 * due, see above. Acknowledging again is EVLOG_OK. EVLOG_INVALID: it was not handed out yet, or
 * it was taken back. EVLOG_FULL, EVLOG_IO, EVLOG_LIMIT: acknowledged, but the checkpoint could not
 * be written; the next call tries again. May also be called inside a receiver of this consumer.
 */
EVLOG_API int evlog_consumer_done(evlog_consumer *consumer, uint64_t seq);

/*
 * Event `seq`, which is out, has failed; `why` (or NULL) is kept with it. It comes again as its
 * next attempt, after backoff_ms, doubled for each more up to backoff_max_ms; after attempt_max
 * attempts on_failure says what becomes of it. A parked event that is retried has one attempt,
 * and is parked again. What was handed out after `seq` is taken back, with its state, and comes
 * again too, also if it was done.
 *
 * EVLOG_INVALID: it is not out. EVLOG_RECEIVER: it has failed for the last time,
 * with EVLOG_FAILURE_STOP. EVLOG_NOMEM, EVLOG_FULL, EVLOG_IO: it comes again.
 */
EVLOG_API int evlog_consumer_fail(evlog_consumer *consumer, uint64_t seq, const char *why);

/* Writes the checkpoint now. EVLOG_FULL, EVLOG_IO, EVLOG_LIMIT: the next call tries again. */
EVLOG_API int evlog_consumer_commit(evlog_consumer *consumer);

/*
 * A loop over the three: hands out at most `limit` events (0: as many as there are), and returns
 * when it has, or when none is due any more and it has handed out some; else it waits up to
 * `timeout_ms` (negative: without limit) for the first. An event is done when `receiver` returns 0
 * (unless ack_by_hand: then it stays out), and has failed when it returns anything else.
 * `receiver` NULL: it goes to the receivers connected here to its signal, in their order;
 * one that fails fails the event; an event that none is connected to is skipped, and counted so.
 * `*count` (or NULL) is set always: the events that were handed out and do not come again.
 *
 * EVLOG_OK also when there was nothing, and when it is paused. EVLOG_STOPPED: by
 * evlog_consumer_stop. EVLOG_RECEIVER: with EVLOG_FAILURE_STOP. EVLOG_BUSY: also inside its own
 * receiver. Else as evlog_consumer_next. What was done is written before it returns.
 */
EVLOG_API int evlog_consumer_poll(evlog_consumer *consumer, uint64_t limit, int64_t timeout_ms,
                                  evlog_receiver *receiver, void *ctx, uint64_t *count);

/* Polls until evlog_consumer_stop, and returns EVLOG_OK then; else as evlog_consumer_poll. */
EVLOG_API int evlog_consumer_run(evlog_consumer *consumer, evlog_receiver *receiver, void *ctx);

/*
 * Makes the call under way return after the event it is at, or else the next one at once, with
 * EVLOG_STOPPED. From any thread, and from a signal handler; not once evlog_consumer_close has
 * begun, which waits for those that are under way.
 */
EVLOG_API void evlog_consumer_stop(evlog_consumer *consumer);

/*
 * A consumer's state: small values by key, which are its own. What is put belongs to the event that
 * was handed out last: it is seen by evlog_state_get at once, becomes lasting in one transaction
 * with the checkpoint that passes that event, and is dropped when that event fails. A value that
 * was got is valid until the next call for this consumer. Keys are bytes, 1 to
 * EVLOG_STATE_KEY_SIZE_MAX. On the consumer's thread.
 *
 * EVLOG_NOTFOUND: no such key (get, delete). EVLOG_LIMIT: the sizes in evlog.h, or
 * more than EVLOG_STATE_PENDING_MAX not acknowledged. (EVLOG_STATE_COUNT_MAX is met when it is
 * written.)
 */
EVLOG_API int evlog_state_get(evlog_consumer *consumer, const void *key, size_t key_size,
                              const void **value, size_t *value_size);
EVLOG_API int evlog_state_put(evlog_consumer *consumer, const void *key, size_t key_size,
                              const void *value, size_t value_size);
EVLOG_API int evlog_state_delete(evlog_consumer *consumer, const void *key, size_t key_size);

/* What there is to know of a consumer from outside. */
typedef struct evlog_consumer_info {
    const char *name;
    uint64_t checkpoint;      /* the last seq it is done with; 0: none */
    uint64_t lag_count;       /* events in the log after it, wanted or not */
    int64_t lag_us;           /* how long ago the first of these was logged */
    uint64_t replay_last_seq; /* up to here events are replays to it */
    int64_t created_us;
    int64_t updated_us;  /* its last commit */
    uint64_t done_count; /* events done, each as often as the checkpoint passed it */
    uint64_t refused_count, skipped_count;
    uint64_t parked_count; /* on record, those that wait to be retried included */
    uint64_t retry_count;
    uint64_t state_count; /* keys */
    bool is_paused;
    int32_t pid; /* of the process that has it; 0: none; -1: one in another pid namespace */
    const char *const *types;
    size_t type_count; /* 0: every type */
} evlog_consumer_info;

/*
 * Calls `visit` for each consumer, in the order of their names, until it returns other than 0,
 * and returns that, or EVLOG_OK. The info is valid inside the call. EVLOG_DAMAGED: one or more
 * could not be read; all others were visited.
 */
EVLOG_API int evlog_each_consumer(evlog *log,
                                  int (*visit)(const evlog_consumer_info *info, void *ctx),
                                  void *ctx);

/* The same for one consumer, to be freed with evlog_consumer_info_free. EVLOG_NOTFOUND. */
EVLOG_API int evlog_consumer_inspect(evlog *log, const char *name, evlog_consumer_info **info);
EVLOG_API void evlog_consumer_info_free(evlog_consumer_info *info);

/*
 * Takes a consumer away, with its parked events and its state; one whose entry is damaged, too.
 * EVLOG_NOTFOUND; EVLOG_BUSY: a process has it.
 */
EVLOG_API int evlog_consumer_remove(evlog *log, const char *name);

typedef struct evlog_reset_options {
    evlog_start start; /* which event is the next one; DEFAULT is FIRST */
    uint64_t start_seq;
    int64_t start_time_us;
    uint64_t start_count;
    bool dry_run; /* change nothing, only report what would be done */
} evlog_reset_options;

/* What evlog_consumer_reset did. */
typedef struct evlog_reset {
    uint64_t old_checkpoint, checkpoint;
    uint64_t state_count;  /* keys that are dropped */
    uint64_t parked_count; /* parked events that are dropped: they come again, or are passed */
} evlog_reset;

/*
 * Moves a consumer: the event of `start` is its next. Its state is dropped, since
 * it is that of other events, and parked events after the new checkpoint, since they come
 * again. All that is in the log now is a replay to it. `reset` (or NULL) is what was done.
 * EVLOG_NOTFOUND, EVLOG_BUSY, EVLOG_INVALID.
 */
EVLOG_API int evlog_consumer_reset_sized(evlog *log, const char *name,
                                         const evlog_reset_options *options, size_t options_size,
                                         evlog_reset *reset, size_t reset_size);

static inline int evlog_consumer_reset(evlog *log, const char *name,
                                       const evlog_reset_options *options, evlog_reset *reset)
{
    return evlog_consumer_reset_sized(log, name, options, sizeof(evlog_reset_options), reset,
                                      sizeof(evlog_reset));
}

/*
 * A paused consumer hands out nothing, in whichever process it is open, until it is resumed. That
 * process notices within a moment. EVLOG_NOTFOUND.
 */
EVLOG_API int evlog_consumer_set_paused(evlog *log, const char *name, bool is_paused);

/* An event on record as not done. */
typedef struct evlog_parked {
    uint64_t seq;
    uint64_t last_seq; /* seq; or of a range that was lost, its last */
    uint32_t attempt_count;
    int64_t time_us; /* of the last attempt */
    bool is_lost;    /* damaged or trimmed away when the consumer came there */
    bool is_retry;   /* it waits to be retried */
    const char *error;
} evlog_parked;

/* Calls `visit` for each parked event of a consumer, by seq, as evlog_each_consumer does. */
EVLOG_API int evlog_each_parked(evlog *log, const char *name,
                                int (*visit)(const evlog_parked *parked, void *ctx), void *ctx);

/*
 * Has a parked event, or with seq 0 all of them, handed out again by the process that has the
 * consumer, within a moment, before new ones, when its checkpoint has passed the event. It is on
 * record until it is done; one that fails again is parked again. `*count` (or NULL): how many.
 * EVLOG_NOTFOUND: there is no such consumer, or the event is not parked, or waits to be retried
 * already.
 */
EVLOG_API int evlog_parked_retry(evlog *log, const char *name, uint64_t seq, uint64_t *count);

/*
 * Takes a parked event, or with seq 0 all of them, off the record. It does not come again, unless
 * the checkpoint has not passed it yet: then it may come in its turn; or it is out as a retry and
 * fails: then it is parked again. Results as evlog_parked_retry.
 */
EVLOG_API int evlog_parked_drop(evlog *log, const char *name, uint64_t seq, uint64_t *count);

/* -------------------------------------------------------------- helpers ---- */

/* The time of day, as events have it. */
EVLOG_API int64_t evlog_now_us(void);

#define EVLOG_UUID_TEXT_SIZE 37 /* with the NUL */
#define EVLOG_TIME_TEXT_SIZE 40

/*
 * A UUID as 6ba7b810-9dad-11d1-80b4-00c04fd430c8, and back; reading takes either case, with the
 * hyphens or without. evlog_uuid_text returns `text`. EVLOG_INVALID: the text is not a UUID.
 */
EVLOG_API const char *evlog_uuid_text(const uint8_t id[16], char text[EVLOG_UUID_TEXT_SIZE]);
EVLOG_API int evlog_uuid_parse(const char *text, uint8_t id[16]);

/*
 * A time as 2026-01-31T18:00:00.123456+00:00, ISO 8601 in UTC, and back; reading takes any offset,
 * Z, a blank for T, and no fraction or up to nine digits, of which six are kept. evlog_time_text
 * returns `text`. EVLOG_INVALID: the text is not a time with an offset in the years 1 to 9999.
 */
EVLOG_API const char *evlog_time_text(int64_t time_us, char text[EVLOG_TIME_TEXT_SIZE]);
EVLOG_API int evlog_time_parse(const char *text, int64_t *time_us);

/* ----------------------------------------------------- looking at a log ---- */

typedef struct evlog_info {
    uint8_t uuid[16]; /* the log's own */
    uint32_t format;  /* version of the file format */
    evlog_durability durability;
    bool read_only;            /* this handle */
    int64_t created_us;        /* when the log was made */
    uint64_t first_seq;        /* 0: the log is empty */
    uint64_t last_seq;         /* 0: the log is empty */
    int64_t first_log_time_us; /* of these two; 0 when empty or unreadable */
    int64_t last_log_time_us;
    uint64_t file_size;  /* of the events file, the room kept ahead included */
    uint64_t used_size;  /* of it in use */
    uint64_t page_count; /* pages in use */
    uint32_t page_size;
    uint32_t type_count;   /* event types (with their schemas) */
    uint32_t source_count; /* different source, host, lib */
} evlog_info;

/* What there is to know of a log without reading it through. */
EVLOG_API int evlog_inspect_sized(evlog *log, evlog_info *info, size_t info_size);

static inline int evlog_inspect(evlog *log, evlog_info *info)
{
    return evlog_inspect_sized(log, info, sizeof(evlog_info));
}

/* An event type as the log records it. */
typedef struct evlog_type {
    uint32_t number;    /* by which records refer to it */
    const char *name;   /* valid as long as the log is open */
    const char *schema; /* NULL: untyped */
} evlog_type;

/*
 * Calls `visit` for each event type in the log, and each schema that it has had, in the order
 * they were first defined, by whatever process, until it returns other than 0, and returns
 * that, or EVLOG_OK.
 */
EVLOG_API int evlog_each_type(evlog *log, int (*visit)(const evlog_type *type, void *ctx),
                              void *ctx);

/* What evlog_verify found wrong. Numbers as in store/README.md, "What must hold". */
typedef struct evlog_finding {
    uint64_t first_seq; /* the events concerned; 0: not about single events */
    uint64_t last_seq;
    const char *text; /* a sentence */
} evlog_finding;

/*
 * Reads the whole log and checks what must hold: seqs dense, each record's
 * checksum, the chain from record to record, log time never back, types and
 * sources known, data well formed, the pages sound. `visit` (or NULL) is called
 * for each finding, and with NULL now and then so that it can show progress or
 * stop: when it returns other than 0 the verification ends and returns that.
 * Otherwise EVLOG_OK when nothing was found and EVLOG_DAMAGED when something
 * was. `checked_count` (or NULL) is the events that were read.
 *
 * Trusts no byte of the files and cannot be crashed by them. xxHash finds
 * damage, not an attacker; and events cut off at the end leave no trace inside.
 */
EVLOG_API int evlog_verify(evlog *log,
                           int (*visit)(const evlog_finding *finding, uint64_t seq, void *ctx),
                           void *ctx, uint64_t *checked_count);

#ifdef __cplusplus
}
#endif

#endif
