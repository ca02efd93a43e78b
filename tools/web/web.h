/*
 * evlog-web: a page to look at logs with. What its files share.
 *
 * A request is answered by a thread of its own. request.c checks it (Host, token, method), opens the log it is about,
 * for reading only and only for that long, and calls a page's function, which writes HTML to request->out. What
 * comes from outside (a log, the request) reaches the page only through html_text() and html_url().
 *
 * The URL is the state: a filter in one is all there is, so a view can be sent to somebody else.
 *
 *   /                          the logs
 *   /log/NAME/events?...       the timeline and a list, query.c has the parameters
 *   /log/NAME/event/SEQ[.json] an event as a tree; its JSON
 *   /log/NAME/live?...         the same list as it grows; live/stream is its events
 *   /log/NAME/types, type/NUMBER, consumers, consumer/NAME?after=SEQ, verify, verify/stream, about
 *   /metrics                   all logs as Prometheus' text
 *   /page.css /page.js /icon.svg
 *
 * A page costs a bounded time, whatever the log's length: it looks at events for PAGE_MS at most, and then says how
 * far it has come.
 */
#ifndef WEB_H
#define WEB_H

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <evlog.h>
#include <microhttpd.h>

#define LOGS_MAX 64
#define HOSTS_MAX 16
#define CONNECTIONS_MAX 64
#define STREAMS_MAX 24              /* of these, live tails and verifications that are watched */
#define REQUEST_SIZE_MAX (16 << 10) /* of a request's line and headers */
#define FORM_SIZE_MAX 4096
#define IDLE_SECONDS 20 /* a connection that says nothing for so long is closed */
#define PAGE_MS 50      /* that a part of a page may look at events */
#define PATTERNS_MAX 16 /* event types of one filter */
#define LIST_COUNT 50   /* events on a page */

struct verification;

struct web_log {
    const char *path;
    char *name; /* in URLs; each once */
    struct verification *verification;
};

struct site {
    struct web_log logs[LOGS_MAX];
    size_t log_count;
    const char *listen; /* HOST:PORT or unix:PATH */
    const char *hosts
        [HOSTS_MAX]; /* that a request may name, besides this machine's own and the address listened at */
    size_t host_count;
    char *token; /* NULL: none is needed */
};

struct request {
    const struct site *site;
    struct MHD_Connection *connection;
    char *uri;             /* as it came */
    const char *page;      /* the path after /log/NAME/, decoded */
    const char *rest;      /* of it, after the first '/'; "" */
    struct web_log *about; /* NULL: no log */
    evlog *log;            /* open, while its page is written */
    int failure;           /* of opening it */
    evlog_info info;
    FILE *out;
    const char *content_type;
    char *location; /* of a redirection */
    char *cookie;
    struct form *form; /* of a POST */
};

/* Writes a page, and returns its status (MHD_HTTP_OK). A failure of the library: page_failed(). */
typedef int page_function(struct request *request);

page_function logs_page, metrics_page, events_page, event_page, live_page, types_page, type_page,
    consumers_page, consumer_page, verify_page, about_page;

/* Starts a verification of the log, unless one is under way. 0, or -1 and request->failure. */
int verify_start(struct request *request);

/* The response of a stream (server-sent events); NULL: no memory, or too many of them. Its log is opened anew. */
struct MHD_Response *live_stream(struct request *request);
struct MHD_Response *verify_stream(struct request *request);

/* Makes the place for a log's verification. 0, or -1. */
int verify_init(struct web_log *log);

/* Ends the verifications: waits for them at most so long. Whether all have ended. */
bool verify_end_all(struct site *site, int64_t ms);

/* MHD's callbacks. */
enum MHD_Result request_answer(void *site, struct MHD_Connection *connection, const char *url,
                               const char *method, const char *version, const char *data,
                               size_t *data_size, void **context);
void *request_begin(void *site, const char *uri, struct MHD_Connection *connection);
void request_end(void *site, struct MHD_Connection *connection, void **context,
                 enum MHD_RequestTerminationCode why);

/* --------------------------------------------------- for pages, reply.c ---- */

/* Opens a log for reading. The library's code. */
int web_log_open(const struct web_log *log, evlog **opened);

/* A parameter of the URL's query; NULL: there is none, or it is empty. Text without NUL. */
const char *parameter(const struct request *request, const char *name);

/* The status that fits a code of the library's. */
int status_of(int code);

/* A failure of the library as a page, with its sentence. */
int page_failed(struct request *request, int code);

/* Something asked for that does not exist, or is wrong. `status`. */
int page_refused(struct request *request, int status, const char *why);

/* -------------------------------------------------------------- streams ---- */

/* Memory, zeroed, for a stream, and one place of STREAMS_MAX. NULL: none is free, or no memory. */
void *stream_begin(size_t size);
void stream_end(void *ctx);

/* A response of server-sent events that `read` gives and `end` frees. NULL: no memory; then `end` was called. */
struct MHD_Response *stream_response(MHD_ContentReaderCallback read, void *ctx,
                                     MHD_ContentReaderFreeCallback end);

#endif
