/*
 * evlog: a persistent event log with replay.
 *
 * A program opens a log, defines signals (typed events), connects receivers to them and sends
 * events. A send appends the event to the log first and calls the receivers afterwards, so any
 * range of the log can be delivered again, in the original order, to receivers that come later.
 * Signals and metadata behave as in Open edX Events (openedx-events 11), receivers as in Django's
 * dispatcher (5.x); a comment that names one of them names the source of the rule.
 *
 * Rules that every function obeys:
 *
 * Errors. A function that can fail returns an int: EVLOG_OK (0) or a negative code of EVLOG_ERRORS,
 *   and evlog_errmsg() then gives the sentence: what failed, where, and what to do. A failing
 *   function touches no output, unless it says otherwise. Comments list the errors that say
 *   something about the call; besides these, any function that takes a log may return
 *   EVLOG_INVALID (a NULL argument), EVLOG_FORKED, EVLOG_NOMEM, EVLOG_IO, and EVLOG_DAMAGED, and one
 *   that changes the log EVLOG_FULL.
 * NULL. Options may be NULL. Zero is the default of every field of an options struct, so {0} is all
 *   defaults. An output may be NULL where its function says "or NULL". Freeing NULL does nothing.
 * Text is UTF-8 and ends in NUL. Data is MessagePack: pointer and size.
 * Ownership. What goes in is used or copied during the call. What comes out is the library's, for
 *   the time that the function states.
 * Units. Times are microseconds since 1970-01-01 UTC (`_us`), sizes are bytes (`_size`), counts are
 *   items (`_count`). Ranges include their first and last.
 * Threads. A log, its signals and every function here may be used by many threads at once, but a
 *   cursor or consumer by one at a time. evlog_close requires that no other call is under way.
 * Processes. Many processes may send to and read one log. After fork() the child may not use a log
 *   that its parent opened (EVLOG_FORKED, nothing is touched), but may open it itself. They may be in
 *   different pid namespaces (containers). A process that is killed holds nothing from then on; for one
 *   that is stopped while it writes, flushes, opens or closes the log, no call of the others waits
 *   longer than wait_ms. It is then EVLOG_BUSY, names that process, and has done nothing: it may be tried again, and
 *   succeeds once that process goes on or is gone. Reading waits for no other process, but where a process can have
 *   no reader's slot of LMDB (another process of the same pid, in another namespace, has it): then it may
 *   wait for a writer, and one that has the log open for reading only may be EVLOG_BUSY. Two waits are
 *   liblmdb's, and have no limit: for its lock of the table of readers, which a process holds for
 *   microseconds, and for a program that writes to the log's files with liblmdb itself.
 * Receivers run on the thread that sends or replays, never under a lock or in a transaction. They
 *   may call everything here but evlog_close on their log.
 * Structs may get fields at their end in later versions, without breaking compiled programs: a
 *   function marked EVLOG_INLINE passes on the sizes of the caller's structs (evlog/sized.h).
 *
 * The library prints nothing, never exits, installs no signal handler and starts no thread, except
 * one for each log that is sent to, which flushes it in the background and drops what its retention policy does not
 * keep: of an EVLOG_FAST log from the beginning, of an EVLOG_DURABLE one once there is something to do.
 *
 * Consumers, which outlive the process, are in evlog/consumer.h, which this header includes. The
 * others: evlog/class.h (data as C structs), evlog/schema.h (Avro), evlog/openedx.h (the Open
 * edX types), evlog/value.h (data without a class, JSON), evlog/plugin.h, evlog/testing.h; keeping a
 * log for years: evlog/upkeep.h; sealing it: evlog/audit.h; relays to an event bus: evlog/relay.h.
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
#define EVLOG_INLINE static inline

#define EVLOG_VERSION "0.1.0"

/* ------------------------------------------------------------- limits ---- */

#define EVLOG_NAME_SIZE_MAX 255 /* event type, source, host, lib, dispatch_uid */
#define EVLOG_DATA_SIZE_DEFAULT (1 << 20)
#define EVLOG_DATA_SIZE_MAX (64 << 20)  /* of one event's data, see data_size_max */
#define EVLOG_DATA_DEPTH_MAX 32         /* maps and arrays inside each other */
#define EVLOG_HEADERS_SIZE_MAX 4096     /* of one event's headers, packed */
#define EVLOG_SEND_COUNT_MAX 65536      /* events in one evlog_send_events */
#define EVLOG_SEND_SIZE_MAX (128 << 20) /* and their data and headers together */
#define EVLOG_TYPES_MAX 65535           /* event types (with their schemas) in a log */
#define EVLOG_RECEIVERS_MAX 4096        /* connected at one time in a process */
#define EVLOG_NESTING_MAX 64            /* receivers of a thread called inside each other */
#define EVLOG_PATTERNS_MAX 256          /* event types of one range */
#define EVLOG_READERS_DEFAULT 1024      /* reads under way at once, all processes */
#define EVLOG_READERS_MAX 65536         /* see readers_max; each takes 64 bytes of a lock file */
#define EVLOG_WAIT_MS_DEFAULT 10000     /* for another process, see wait_ms */
#define EVLOG_TIME_US_MIN INT64_C(-62135596800000000) /* year 1 */
#define EVLOG_TIME_US_MAX INT64_C(253402300799999999) /* year 9999 */

/* ------------------------------------------------------------- errors ---- */

/* The codes are named by what the caller can do. No others are added within a major version. */
#define EVLOG_ERRORS(X)                                                                    \
    X(OK, 0, "done")                                                                       \
    X(INVALID, -1, "an argument or the data is wrong: correct the call")                   \
    X(NOTFOUND, -2, "no such log, event, signal or receiver")                              \
    X(LIMIT, -3, "over a limit named in the headers")                                      \
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
 * The sentence about the last failure in this thread, never NULL. Valid until the next failing call
 * in this thread; a success does not change it.
 */
EVLOG_API const char *evlog_errmsg(void);

/* EVLOG_VERSION of the library in use, a constant. */
EVLOG_API const char *evlog_version(void);

/* -------------------------------------------------------------- values ---- */

/* These six structs are values: unlike all others they never get another field. */

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

/* Text that goes with an event beside its data: trace context, what a relay has to keep. */
typedef struct evlog_header {
    const char *name;  /* 1 to EVLOG_NAME_SIZE_MAX bytes without control characters */
    const char *value; /* any text */
} evlog_header;

/*
 * What a text field of an event type must be like. `path`: the names of fields from the outermost
 * record on with dots between, '*' for the items of a list and the values of a map:
 * "order.items.*.ordered". `form`: "time" (ISO 8601 with an offset), "uuid", or of Open edX
 * "course_key", "ccx_key", "usage_key", "library_key", "library_usage_key", "collection_key",
 * "container_key". See evlog/class.h.
 */
typedef struct evlog_form {
    const char *path;
    const char *form;
} evlog_form;

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

/*
 * How hard an event is in the log when its send returns; part of the log. On ext4 and tmpfs the file of an
 * EVLOG_FAST one is mapped writable into the process, so a stray pointer can damage it.
 */
typedef enum evlog_durability {
    EVLOG_DURABILITY_DEFAULT = 0, /* as the log is; EVLOG_DURABLE when it is new */
    EVLOG_DURABLE = 1,            /* it survives a power cut */
    EVLOG_FAST = 2, /* it survives the death of the process; a power cut, when it was flushed */
} evlog_durability;

/* What a send does when a receiver fails. The event is in the log either way. */
typedef enum evlog_dispatch {
    EVLOG_DISPATCH_DEFAULT = 0, /* as the log was opened */
    EVLOG_DISPATCH_ROBUST = 1,  /* the other receivers run too (Django: send_robust) */
    EVLOG_DISPATCH_STRICT = 2,  /* the first failure ends the dispatch (Django: send) */
} evlog_dispatch;

typedef struct evlog_options {
    evlog_durability durability;
    bool read_only; /* no send; the log is not changed */
    bool no_create; /* EVLOG_NOTFOUND instead of a new log */
    /* Where events sent here come from. NULL or "": "openedx/<service>/web" */
    const char *source;
    const char *service;    /* NULL or "": SERVICE_NAME_UNSET; not together with `source` */
    const char *sourcehost; /* NULL: gethostname(2) */
    uint32_t data_size_max; /* of one event; 0: EVLOG_DATA_SIZE_DEFAULT */
    uint32_t readers_max;   /* 0: EVLOG_READERS_DEFAULT; used by the first opener only */
    /* Of the events file, less 64 KiB that is kept for trimming; 0: until the disk is full. */
    uint64_t log_size_max;
    uint32_t flush_every_ms; /* EVLOG_FAST only; 0: 100 */
    /*
     * Of sends that do not set it. DEFAULT: the environment variable EVLOG_DISPATCH, "robust" or
     * "strict"; without it, robust. (The Open edX text: strict in development, robust in
     * production.)
     */
    evlog_dispatch dispatch;
    /*
     * The longest that a call waits for another process, which writes, flushes, opens or closes the log: then
     * it is EVLOG_BUSY, and the sentence names the process. 0: EVLOG_WAIT_MS_DEFAULT. (A consumer's claim
     * has a limit of its own, claim_wait_ms.)
     */
    uint32_t wait_ms;
    /*
     * Each event sent here gets headers that say which process sent it: "evlog.peer.uid" (the real one),
     * "evlog.peer.pid" and "evlog.peer.program" (the path of the executable); headers of these names that are given are
     * replaced. They count to EVLOG_HEADERS_SIZE_MAX. The process itself writes them: they prove nothing of one that
     * lies. Also by the environment variable EVLOG_RECORD_PEER, "1". What is imported does not get them.
     */
    bool record_peer;
    /*
     * With read_only: nothing is made in the directory, not even liblmdb's lock files, and none of its files is written
     * to. So no process that writes meanwhile knows of this one: what it reads may be given to other events, and is
     * then reported as damage. For a copy, evidence, or a directory that nobody may write to; not for a log that is
     * being sent to.
     */
    bool offline;
} evlog_options;

/*
 * Opens the log in the directory `path`, and makes it when it does not exist (the parent must;
 * directories 0700, files 0600, less the umask), in a time that does not depend on its length. In an empty directory
 * that is setgid and writable for its group (mode 02770) files are 0660, whatever the umask: each user of the group can
 * then send.
 *
 * A log that this process has open already, by whatever path, is returned again and counted: each
 * evlog_open requires its evlog_close. An option that is set must then be as the log is open, or
 * EVLOG_CONFLICT names it (readers_max and no_create are not compared). EVLOG_READONLY: it is open
 * read_only, and this is not.
 *
 * read_only works also where nothing can be written, and on a damaged log of which one meta page is
 * sound. It makes liblmdb's lock files where they are missing and can be made, since they keep a
 * writer from reusing the pages that are being read; nothing else is created or changed.
 *
 * EVLOG_NOTFOUND: no log there, and no_create or read_only. EVLOG_INVALID: a file, contradictory
 * options, or a bad EVLOG_DISPATCH or EVLOG_RECORD_PEER. EVLOG_CONFLICT: another durability. EVLOG_UNSUPPORTED: another
 * program's directory, a newer format, or a network file system. EVLOG_DAMAGED: where the log would
 * go on growing, or one of its files is gone. EVLOG_FULL: no room to make it.
 */
EVLOG_INLINE int evlog_open(const char *path, const evlog_options *options, evlog **log);

/*
 * Takes back one evlog_open; the last one flushes, closes, and frees the log, its signals and its
 * connections. EVLOG_BUSY, from the last one only, and nothing is closed: a call on this log is
 * under way (another thread's, or the send or replay whose receiver this is), or a consumer or
 * cursor is open. EVLOG_IO, EVLOG_FULL: closed, but a last flush failed (EVLOG_FAST).
 */
EVLOG_API int evlog_close(evlog *log);

/*
 * Makes everything sent so far survive a power cut; a durable log is so already. EVLOG_IO: what was
 * not flushed may be lost in a power cut; the handle sends no more. EVLOG_FULL: likewise, but the handle
 * goes on, and the next flush may succeed.
 */
EVLOG_API int evlog_sync(evlog *log);

/* -------------------------------------------------------------- signals ---- */

/*
 * Defines the signal for an event type in this process, and records the type in the log (durably,
 * before its first event). The same definition again gives the same signal. It lives as long as the
 * log. A name is 1 to EVLOG_NAME_SIZE_MAX bytes without blanks, control characters or '*'; by custom
 * `{reverse DNS}.{subject}.{action}.{major version}` (ADR-2 of openedx-events), which is not
 * enforced.
 *
 * `schema` is Avro's JSON, see evlog_schema_parse: all data are checked against it before they are
 * appended. NULL: as the type is defined here, or else its newest schema in the log, or else
 * untyped: any MessagePack map. evlog_define_class (evlog/class.h) takes a C struct's class.
 *
 * A signal has one schema. A later definition may give one to an untyped signal, and the class to a
 * schema that came as text; so components may define what they only receive with NULL, in any
 * order. Every other difference is EVLOG_CONFLICT.
 *
 * A changed schema is a new entry in the log, and every event keeps its own. It must be able to read
 * what was written under each earlier one of the type, and they what is written under it (fields
 * with a default may come and go; the rest is for a new type, `...v2`), or it is EVLOG_CONFLICT,
 * unless evlog_definition.accept_incompatible is set. Then older events are read by the rules of
 * evlog_unpack, or refused, and later schemas need not agree with the older ones.
 *
 * Types that begin with "evlog." are the log's own: what happened to it (evlog.recovered.v1). They
 * cannot be defined or sent. Their events have a seq and are verified like all others, and
 * evlog_read gives them; receivers, cursors, replays and consumers pass over them, unless a type
 * that is asked for begins with "evlog.".
 *
 * EVLOG_INVALID: a bad name or schema, or a negative minor version. EVLOG_LIMIT: EVLOG_TYPES_MAX, or
 * a limit of schemas. EVLOG_READONLY: the type is not in the log and cannot be recorded.
 */
EVLOG_API int evlog_define(evlog *log, const char *event_type, int32_t minor_version,
                           const char *schema, evlog_signal **signal);

/* The signal defined for an event type. EVLOG_NOTFOUND: not in this process. */
EVLOG_API int evlog_signal_by_type(evlog *log, const char *event_type, evlog_signal **signal);

/*
 * Calls `visit` for each signal in the order of definition (openedx-events: all_events) until it
 * returns other than 0, and returns that, or EVLOG_OK. Signals that are defined meanwhile may or
 * may not be visited.
 */
EVLOG_API int evlog_each_signal(evlog *log, int (*visit)(evlog_signal *signal, void *ctx),
                                void *ctx);

/* What a signal is, valid as long as its log. */
EVLOG_API const char *evlog_signal_type(const evlog_signal *signal);
EVLOG_API int32_t evlog_signal_minor_version(const evlog_signal *signal);

/*
 * A disabled signal sends and logs nothing: a send checks its metadata, and returns EVLOG_OK and
 * seq 0 (openedx-events: enable, disable, and the order of steps in send_event).
 */
EVLOG_API void evlog_signal_enable(evlog_signal *signal);
EVLOG_API void evlog_signal_disable(evlog_signal *signal);
EVLOG_API bool evlog_signal_is_enabled(const evlog_signal *signal);

/* --------------------------------------------------------------- events ---- */

/* What a receiver gets. It and all it points to are valid until the receiver returns. */
typedef struct evlog_event {
    uint64_t seq;           /* its place in the log: 1, 2, 3 ... */
    int64_t log_time_us;    /* when it was appended, see below */
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
    const void *headers;        /* a MessagePack map of texts; NULL when the event was erased */
    size_t headers_size;
    uint64_t type_number; /* of the evlog_type that it was sent under */
} evlog_event;

/*
 * Log time is the clock's when the event was appended, but not less than that of the event before:
 * a clock that wobbles is not followed back. When the clock is behind the log by more than a minute
 * it was wrong and was set: then log time steps back with it. evlog_info counts such steps and
 * evlog_verify names them. Every range by log time is exact all the same.
 */

/*
 * The value of an event's header, valid as long as the event. EVLOG_NOTFOUND: it has no header of
 * this name, or was erased.
 */
EVLOG_INLINE int evlog_event_header(const evlog_event *event, const char *name,
                                    evlog_string *value);

/* ------------------------------------------------------------ receivers ---- */

/*
 * Returns 0 when the event is dealt with, anything else when that failed; the value is the response.
 * evlog_fail puts a sentence beside it.
 */
typedef int evlog_receiver(const evlog_event *event, void *ctx);

/* In a receiver: `return evlog_fail("no such course")` sets evlog_errmsg; it is EVLOG_RECEIVER. */
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

/*
 * How far a replay came. Also filled in when it fails, unless it is refused (EVLOG_INVALID,
 * EVLOG_LIMIT, EVLOG_FORKED, EVLOG_UNSUPPORTED).
 */
typedef struct evlog_outcome {
    uint64_t delivered; /* receivers' calls that returned 0 */
    uint64_t failed;    /* calls that did not */
    uint64_t skipped;   /* evlog_replay_to_receivers: events that no receiver was connected to */
    uint64_t refused;   /* calls that were not made: the receiver refuses replays */
    uint64_t damaged;   /* seqs in the range that could not be read */
    uint64_t last_seq;  /* of the last event handed to a receiver; 0: none */
    uint64_t first_failed_seq; /* the first that failed or was damaged; 0: none */
    int receiver_result;       /* what the first failing receiver returned */
} evlog_outcome;

typedef struct evlog_connect_options {
    evlog_start start;
    uint64_t start_seq;
    int64_t start_time_us;
    uint64_t start_count;
    evlog_replays replay;
    bool keep_going;        /* a failure in the history is counted, and does not end it */
    evlog_outcome *outcome; /* or NULL: how far the history came */
    /* As in a range, for the history: other than 0 ends it and disconnects. */
    int (*visit)(uint64_t seq, void *ctx);
    void *visit_ctx;
} evlog_connect_options;

/*
 * Connects a receiver to a signal, or, with NULL, to all signals of the log, those defined later
 * too. It hears what this process sends from then on, in the order of connection among all
 * receivers; a send that has begun to call receivers does not see it.
 *
 * A receiver is known by signal and dispatch_uid, or, where that is NULL or "", by signal, function
 * and ctx. Connecting it again changes nothing, not even its place, brings no history, and is
 * EVLOG_OK (Django: Signal.connect).
 *
 * A start other than NEW makes a late receiver. It first gets history, on this thread: the whole
 * log's events from there on, marked is_replay, and after them those that this process sends
 * meanwhile. When none is left it is connected like any other and the call returns: each event
 * comes once, and no live one before the end of the history. (A receiver that is slower than all
 * senders together never gets there.) It may disconnect itself, which ends the history.
 *
 * A failure of it in the history disconnects it and is EVLOG_RECEIVER, damage is EVLOG_DAMAGED, both
 * named by evlog_errmsg and the outcome; keep_going counts them instead. EVLOG_LIMIT:
 * EVLOG_RECEIVERS_MAX. EVLOG_INVALID: a bad start, or history for one that refuses replays.
 */
EVLOG_INLINE int evlog_connect(evlog *log, evlog_signal *signal, const char *dispatch_uid,
                               evlog_receiver *receiver, void *ctx,
                               const evlog_connect_options *options);

/*
 * Disconnects what was connected with the same signal, and the same dispatch_uid or else function
 * and ctx. A send that has begun to call receivers may still call it once (Django). EVLOG_NOTFOUND:
 * no such connection.
 */
EVLOG_API int evlog_disconnect(evlog *log, evlog_signal *signal, const char *dispatch_uid,
                               evlog_receiver *receiver, void *ctx);

/* Whether an event sent here would reach a receiver (Django: has_listeners); false after fork. */
EVLOG_API bool evlog_has_receivers(const evlog_signal *signal);

/* -------------------------------------------------------------- sending ---- */

/*
 * The sender's own metadata (openedx-events: send_event_with_custom_metadata). A field that is zero
 * or NULL is made as for every event, so {0} changes nothing.
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
    bool from_event_bus;         /* the event says so: it is not to be relayed to a bus again */
    const evlog_header *headers; /* each name once, in any order */
    size_t header_count;
    /*
     * Conditions, see below: what they look at are the events whose seq is greater than `after_seq`. 0: all
     * that there are.
     */
    uint64_t after_seq;
    bool unless_id;  /* an event whose id (metadata->id) is among them is not appended again */
    bool unless_any; /* EVLOG_CONFLICT if there are any: after_seq must be the head of the log */
    /* EVLOG_CONFLICT if any of these types are among them; types as in evlog_range. */
    const char *const *unless_types;
    size_t unless_type_count;
} evlog_send_options;

/*
 * Conditional sends. The conditions are looked at inside the transaction that appends, with all that any
 * process has appended before: nothing can come between the look and the append, and two senders with
 * the same condition cannot both succeed, except that `unless_id` gives both the same event. Use:
 *
 * unless_id, to send what may have been sent before: note a seq durably (evlog_info.last_seq), then send a
 *   batch after it; after a crash, the same batch with the same after_seq adds only what is missing.
 *   It needs no window of time or count. An event that is there is EVLOG_OK with evlog_sent.was_there and
 *   the seq of the first event that has its id; no receiver runs for it. The id is all that is
 *   compared. In one evlog_send_events each event is looked at by itself, and of two with one id the
 *   second was there: all that was not there is appended, or nothing.
 * unless_any, unless_types, to decide by what was read: read to the end, note its seq, decide, send. After
 *   EVLOG_CONFLICT, whose evlog_errmsg names the first event in the way (seq and type), nothing is appended;
 *   read on and decide again. With unless_id too, they are looked at only if some of the events are not
 *   there: so a send that is repeated is not refused because of itself.
 *
 * Cost: the events after after_seq are read, so note a new one now and then; other senders wait only
 * while those are read that came meanwhile. unless_any reads one. EVLOG_CONFLICT also: the log ends before after_seq.
 * EVLOG_NOTFOUND: events after after_seq were trimmed, so that the answer is not known (with 0, what was trimmed does
 * not count). EVLOG_DAMAGED: one of them cannot be read. EVLOG_INVALID: unless_id without an id, after_seq
 * without a condition, or a bad type. After each of these nothing is appended. Senders in parallel share
 * commits all the same: one that is refused does not fail the others.
 */

/* One receiver's answer. */
typedef struct evlog_response {
    evlog_receiver *receiver;
    void *ctx;
    const char *dispatch_uid; /* "" when it has none */
    int result;               /* what it returned */
    const char *error;        /* "" when result is 0 or it gave no sentence */
} evlog_response;

/* What became of a send. The library fills it in; evlog_sent_free frees it. */
typedef struct evlog_sent {
    uint64_t seq; /* 0: not in the log */
    uint8_t id[16];
    const evlog_response *const *responses; /* in the order of the calls */
    size_t response_count;
    void *hold;     /* the library's, until evlog_sent_free */
    bool was_there; /* unless_id: the log had the id already, as `seq`; it was not appended */
} evlog_sent;

/* Frees the responses and zeroes the struct. */
EVLOG_INLINE void evlog_sent_free(evlog_sent *sent);

/*
 * Sends an event: makes its metadata (id: UUID version 1), checks the data, appends both to the log,
 * and when they are there with the log's durability calls every receiver of the signal in the order
 * of connection, on this thread (openedx-events: send_event; Django: send_robust).
 *
 * `data` is one MessagePack map: well formed, at most data_size_max bytes and EVLOG_DATA_DEPTH_MAX
 * deep, its text UTF-8. The headers take at most EVLOG_HEADERS_SIZE_MAX bytes as a MessagePack map.
 * They are not checked against the schema. `sent` (or NULL) gets the seq and each response; free it also after
 * EVLOG_RECEIVER.
 *
 * EVLOG_RECEIVER: a receiver failed, the first of which evlog_errmsg names; the event is in the log.
 * Robust (the default), the receivers after it have run too; strict, they have not. After any other
 * error nothing is in the log and no receiver ran: EVLOG_INVALID (data, metadata, headers, or a
 * clock that is not in the years 1 to 9999), EVLOG_LIMIT (too large or deep, or nested too far),
 * EVLOG_READONLY, EVLOG_FULL (the disk or log_size_max), EVLOG_IO (a write or flush failed, or a
 * file of the log was deleted, moved or replaced: then whether it is in the log is open).
 *
 * A receiver may send: that event is appended and dispatched inside its call. Senders in parallel
 * share commits, so many of them together are faster than one.
 */
EVLOG_INLINE int evlog_send_event(evlog_signal *signal, const void *data, size_t data_size,
                                  const evlog_send_options *options, evlog_sent *sent);

/* One of many. */
typedef struct evlog_sending {
    evlog_signal *signal;
    const void *data;
    size_t data_size;
    int64_t time_us; /* these three as in evlog_send_options */
    const evlog_metadata *metadata;
    bool from_event_bus;
    const evlog_header *headers; /* these two likewise */
    size_t header_count;
} evlog_sending;

/*
 * Appends many events of one log's signals in one commit, all or none, side by side, and then
 * dispatches them in order; strict, until the first failure. Errors as above, evlog_errmsg naming
 * the one that was wrong, counted from 0. `sent` (or NULL) is an array of `count`; each needs its
 * evlog_sent_free. Of `options` only `dispatch` and the conditions are used.
 */
EVLOG_INLINE int evlog_send_events(const evlog_sending *sends, size_t count,
                                   const evlog_send_options *options, evlog_sent *sent);

/* --------------------------------------------------------------- replay ---- */

/* Which events, in which order, and how fast. Zero: all of them, oldest first. */
typedef struct evlog_range {
    uint64_t first_seq; /* 0: the first there is */
    uint64_t last_seq;  /* 0: the last there is */
    int64_t since_us;   /* log time, also across its steps; 0: no bound */
    int64_t until_us;   /* likewise */
    /*
     * Event types, or beginnings of one: "org.openedx.learning.*". Parts of the log that have none of them, by the
     * summaries that earlier readers have made (of each 65,536 events that were read oldest first, unless the log was
     * read_only), are not read: so damage there is not reported. evlog_verify reads all.
     */
    const char *const *types;
    size_t type_count; /* 0: every type but the log's own, see evlog_define */
    uint64_t limit;    /* the most events to deliver; 0: no limit */
    bool newest_first; /* from the last to the first; the limit then counts from the last */
    bool keep_going;   /* evlog_replay: count failures and damage instead of stopping */
    double speed; /* times that of the log: 1, as it was; 10, ten times; 0: no waiting. A step of
                     the clock is not waited for */
    double per_second; /* the most events a second; 0: no limit */
    /*
     * Also events whose type or source the log does not know any more: event_type is then "?" and the 16 hex digits by
     * which the record names it, and the source is empty. Else these are EVLOG_DAMAGED.
     */
    bool with_nameless;
    /*
     * Called for each event that all the above asks for, or NULL: false passes over it, and it doesn't count for
     * `limit`. The event is as its receiver would get it, and valid during the call, which holds no lock and no
     * transaction, and may use nothing of what reads the range.
     */
    bool (*wants)(const evlog_event *event, void *ctx);
    void *wants_ctx;
    /*
     * Called now and then, ten times a second at most, before more of the log is read, with about the seq that was come
     * to; or NULL. Other than 0 ends the call, which returns it; a cursor's next call goes on there. Nothing is held
     * meanwhile, and it may use nothing of what reads the range.
     */
    int (*visit)(uint64_t seq, void *ctx);
    void *visit_ctx;
} evlog_range;

/*
 * Whether an event type is among a range's `types`. With a type_count of 0 every type is; but the
 * log's own, "evlog.*", only when a pattern begins with "evlog.".
 */
EVLOG_API bool evlog_type_matches(const char *const *types, size_t type_count,
                                  const char *event_type);

/*
 * A cursor gives the events of a range one at a time:
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
 * It ends at the head of the log as it was when the cursor was opened. Between calls it holds a
 * buffer of 256 KiB or of the largest event, and no transaction.
 */
typedef struct evlog_cursor evlog_cursor;

/*
 * Opens a cursor on `range` (NULL: everything), for the caller to close; while it is open, its log
 * cannot be closed. keep_going is not used. EVLOG_INVALID: first after last, since after until, a
 * bad type or speed. EVLOG_LIMIT: EVLOG_PATTERNS_MAX. EVLOG_BUSY: all reader slots are taken.
 */
EVLOG_INLINE int evlog_cursor_open(evlog *log, const evlog_range *range, evlog_cursor **cursor);

/*
 * Gives the next event, marked is_replay, in `*event`; NULL: the range has no more. It is valid
 * until the next call for this cursor. With a speed or per_second, waits until it is due.
 *
 * EVLOG_DAMAGED: the next seqs are damaged, missing, or of a type the log does not know;
 * evlog_cursor_damage says which, and the next call goes on behind them. After any other error
 * (EVLOG_BUSY: all reader slots are taken) the next call tries the same events again.
 */
EVLOG_API int evlog_cursor_next(evlog_cursor *cursor, const evlog_event **event);

/*
 * The seqs that the last EVLOG_DAMAGED of evlog_cursor_next was about. Long damage may come in
 * several parts. EVLOG_NOTFOUND: there was none.
 */
EVLOG_API int evlog_cursor_damage(const evlog_cursor *cursor, uint64_t *first_seq,
                                  uint64_t *last_seq);

/* Frees the cursor and the event it gave. EVLOG_FORKED is its only failure. */
EVLOG_API int evlog_cursor_close(evlog_cursor *cursor);

/*
 * Calls `receiver` for each event of a range (NULL: everything), with its own id and time and marked
 * is_replay, in a loop over a cursor. An empty range is EVLOG_OK.
 *
 * A receiver that returns other than 0 ends the replay with EVLOG_RECEIVER, and damage ends it with
 * EVLOG_DAMAGED; evlog_errmsg and `outcome` (or NULL) name the event. With keep_going they are
 * counted and the replay is EVLOG_OK. EVLOG_LIMIT: EVLOG_NESTING_MAX. Else as evlog_cursor_open and
 * evlog_cursor_next.
 */
EVLOG_INLINE int evlog_replay(evlog *log, const evlog_range *range, evlog_receiver *receiver,
                              void *ctx, evlog_outcome *outcome);

/*
 * The same, to the receivers connected in this process to each event's signal, in the order of
 * connection. An event whose type is disabled, not defined here, or without a receiver is skipped
 * and counted.
 */
EVLOG_INLINE int evlog_replay_to_receivers(evlog *log, const evlog_range *range,
                                           evlog_outcome *outcome);

/*
 * Reads one event, for the caller to free with evlog_event_free. EVLOG_NOTFOUND: the log does not
 * have this seq. EVLOG_DAMAGED: it is not as it was sent. EVLOG_BUSY: all reader slots are taken.
 */
EVLOG_API int evlog_read(evlog *log, uint64_t seq, evlog_event **event);

/*
 * Finds the newest event of a range (NULL: everything) with this id, for the caller to free with
 * evlog_event_free. There is no index of ids: it reads from the newest event back until it is
 * found. newest_first and keep_going are not used. EVLOG_NOTFOUND; EVLOG_DAMAGED: not found, and
 * some events could not be read. Else as evlog_cursor_open.
 */
EVLOG_INLINE int evlog_find(evlog *log, const uint8_t id[16], const evlog_range *range,
                            evlog_event **event);

EVLOG_API void evlog_event_free(evlog_event *event);

/*
 * Waits until the log has an event after `seq`, from whichever process, for at most `timeout_ms`
 * (negative: without limit). `*last_seq` is the log's last event; it is not after `seq` when the
 * time was up. Waiting costs nothing, and ends some microseconds after the commit. (A read_only log
 * in a directory that cannot be written to is polled 50 times a second.)
 */
EVLOG_API int evlog_wait(evlog *log, uint64_t seq, int64_t timeout_ms, uint64_t *last_seq);

/* ----------------------------------------------------- looking at a log ---- */

typedef struct evlog_info {
    uint8_t uuid[16];   /* the log's own */
    uint8_t origin[16]; /* of the log that this one is a copy of, else as `uuid` */
    uint32_t format;    /* version of the file format */
    evlog_durability durability;
    bool read_only;            /* this handle */
    int64_t created_us;        /* when the log was made */
    uint64_t first_seq;        /* 0: the log is empty */
    uint64_t last_seq;         /* 0: the log is empty */
    int64_t first_log_time_us; /* of these two; 0 when empty or unreadable */
    int64_t last_log_time_us;
    uint32_t
        clock_step_count; /* times that log time stepped back up to last_seq, at most 65535 */
    bool is_ahead;        /* last_log_time_us is more than a minute after the clock here */
    uint64_t file_size;   /* of the events file, the room kept ahead included */
    uint64_t used_size;   /* of it in use */
    uint64_t page_count;  /* pages in use */
    uint32_t page_size;
    uint32_t type_count;          /* event types (with their schemas) */
    uint64_t source_count;        /* different source, host, lib; counted one by one */
    uint64_t unknown_entry_count; /* entries of state.mdb that a newer evlog has made; kept */
    bool is_unrecovered; /* of a read-only handle: the newest state isn't whole, by a power cut or
                               damage; it reads what the last flush left, until a writer opens the log */
    uint64_t waiting_count; /* ... events that only the journal has until then */
    /* Erased events whose bytes may be in unused parts of the file until it is compacted (evlog/upkeep.h); counted
       one by one. */
    uint64_t erased_waiting_count;
    uint64_t free_size; /* of used_size: in pages that trimming has freed, for events to come */
    /*
     * The chain of the event last_seq, which covers all events before it: "last_seq:last_chain" names what the log
     * holds (by xxHash: against mistakes, not attackers). 0 when empty or unreadable.
     */
    uint64_t last_chain;
} evlog_info;

/* What there is to know of a log without reading it through. */
EVLOG_INLINE int evlog_inspect(evlog *log, evlog_info *info);

/*
 * A process that reads the log at this moment. What was in use when it began cannot be used again until it
 * ends. A call here reads for some milliseconds at most, so one that is many commits behind is a
 * process that is stopped, or not evlog's; then the file grows with each commit.
 */
typedef struct evlog_reader {
    int32_t pid;      /* as the process itself knows it: in another pid namespace, another one */
    const char *file; /* events.mdb or state.mdb */
    uint64_t behind_count; /* commits to that file since it began */
    uint64_t held_size;    /* of pages freed since then, which cannot be used until it ends */
    /* The newest event when it began, and when that was logged; 0: not known. liblmdb notes no time. */
    uint64_t last_seq;
    int64_t last_log_time_us;
} evlog_reader;

/*
 * Calls `visit` for each reader of the log, until it returns other than 0, and returns that, or EVLOG_OK.
 * Processes that read without a place in liblmdb's table, and hold nothing, are not among them.
 */
EVLOG_API int evlog_each_reader(evlog *log, int (*visit)(const evlog_reader *reader, void *ctx),
                                void *ctx);

/* An event type as the log records it. */
typedef struct evlog_type {
    uint64_t number;    /* the digest of what follows, by which records refer to it */
    const char *name;   /* valid as long as the log is open */
    const char *schema; /* NULL: untyped */
    /* These lists are valid until `visit` returns, and sorted by path. */
    const evlog_form *forms; /* of texts, which the schema says nothing of */
    size_t form_count;
    const char *const *personal; /* the paths of fields that are about a person */
    size_t personal_count;
} evlog_type;

/*
 * Calls `visit` for each event type in the log, and each schema that it has had, in the order of
 * their first definition by any process, until it returns other than 0, and returns that, or
 * EVLOG_OK.
 */
EVLOG_API int evlog_each_type(evlog *log, int (*visit)(const evlog_type *type, void *ctx),
                              void *ctx);

/* How often an event type occurs in a range. */
typedef struct evlog_type_count {
    const char *event_type; /* valid until `visit` returns */
    uint64_t event_count;
    uint64_t first_seq, last_seq; /* 0: the event is damaged, or was trimmed meanwhile */
    int64_t first_log_time_us, last_log_time_us;
} evlog_type_count;

/*
 * Counts the events of a range (NULL: everything) by their types, and calls `visit` for each type that occurs, in the
 * order of their names, until it returns other than 0, and returns that, or EVLOG_OK. Of the range its seqs, times,
 * types, keep_going and visit can be set. `outcome` (or NULL) is as a replay's. Where earlier readers have made
 * summaries (see evlog_range), events are not read but for the first and the last of each type: so damage there is not
 * reported, and counting ten million takes milliseconds.
 *
 * EVLOG_INVALID: something else of the range is set. EVLOG_DAMAGED: without keep_going. Else as evlog_cursor_open and
 * evlog_cursor_next.
 */
EVLOG_INLINE int evlog_count_types(evlog *log, const evlog_range *range,
                                   int (*visit)(const evlog_type_count *count, void *ctx),
                                   void *ctx, evlog_outcome *outcome);

/* What evlog_verify found wrong, or a remark: see store/README.md, "What must hold". */
typedef struct evlog_finding {
    uint64_t first_seq; /* the events concerned; 0: not about single events */
    uint64_t last_seq;
    const char *text; /* a sentence */
    bool is_remark;   /* it is not wrong, and does not make the result EVLOG_DAMAGED */
} evlog_finding;

/*
 * Reads the whole log and checks what must hold: seqs dense, each record's checksum, the chain from
 * record to record, log time back only where the clock was set, types and sources known, data well formed, pages sound,
 * consumers' entries whole. It remarks on steps of the clock and a log time in the future. `visit` (or
 * NULL) is called for each finding or remark, and with NULL now and then
 * to show progress; other than 0 from it ends the verification and is returned. EVLOG_DAMAGED:
 * something was found. `checked_count` (or NULL) is the events that were read.
 *
 * It trusts no byte of the files and cannot be crashed by them. xxHash finds damage, not an
 * attacker; and events cut off at the end leave no trace inside.
 */
EVLOG_API int evlog_verify(evlog *log,
                           int (*visit)(const evlog_finding *finding, uint64_t seq, void *ctx),
                           void *ctx, uint64_t *checked_count);

/* -------------------------------------------------------------- helpers ---- */

/* The time of day, as events have it. */
EVLOG_API int64_t evlog_now_us(void);

#define EVLOG_UUID_TEXT_SIZE 37 /* with the NUL */
#define EVLOG_TIME_TEXT_SIZE 40

/*
 * A UUID as 6ba7b810-9dad-11d1-80b4-00c04fd430c8, and back; reading takes either case, with or
 * without hyphens. evlog_uuid_text returns `text`. EVLOG_INVALID: the text is not a UUID.
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

#ifdef __cplusplus
}
#endif

#include <evlog/sized.h>

#include <evlog/consumer.h>

#endif
