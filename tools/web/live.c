/*
 * The live view: the newest events, and those that come, as server-sent events.
 *
 * An event of the stream is a row of the table, as list.c writes it; its id is the seq, so a browser that reconnects
 * goes on after the last that it has. What is new is waited for with evlog_wait. Not more than BATCH events go out
 * in BATCH_MS, nor does it look at events for longer: when more come than that, the stream falls behind, and from
 * BEHIND_MAX on it passes over the older ones and says which.
 */
#include "html.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "list.h"
#include "scan.h"
#include "stop.h"
#include "tool.h"

#define FIRST_COUNT 25
#define BATCH 50
#define BATCH_MS 200
#define WAIT_MS 250     /* until it is looked whether to stop */
#define BEHIND_MAX 2000 /* events */
#define ALIVE_MS 5000 /* after which something is sent, so that a closed connection is noticed */

/* ----------------------------------------------------------------- page ---- */

static int put_row(const evlog_event *event, void *ctx)
{
    list_row(ctx, event, false);
    return 0;
}

static void put_stream_url(struct request *request)
{
    char after[24];
    snprintf(after, sizeof after, "%" PRIu64, request->info.last_seq);
    html_log_url(request);
    fputs("live/stream", request->out);
    query_link(request, "after", after);
}

static int put_live(struct request *request, const struct query *query)
{
    struct scan scan = {.query = query,
                        .first_seq = request->info.first_seq,
                        .last_seq = request->info.last_seq,
                        .newest_first = true,
                        .count_max = FIRST_COUNT,
                        .ms_max = PAGE_MS,
                        .visit = put_row,
                        .ctx = request};
    FILE *out = request->out;
    fputs("<div class=\"live\" data-live=\"", out);
    put_stream_url(request);
    fputs(
        "\"><p class=\"state\"><span class=\"dot\"></span><span role=\"status\">Reload the page to see what is new.</span> "
        "<button type=\"button\" hidden data-pause aria-pressed=\"false\">Pause</button> "
        "<button type=\"button\" hidden data-held></button></p>\n",
        out);
    list_begin(out, "Events, newest first");
    int code = scan_run(request->log, &scan);
    list_end(out);
    fputs("</div>\n", out);
    return code;
}

int live_page(struct request *request)
{
    return query_page(request, "Live", "live", put_live);
}

/* --------------------------------------------------------------- stream ---- */

struct stream {
    struct request
        request; /* a copy, for list_row: what it points to lasts as long as the stream */
    struct query query;
    struct stat directory; /* of the log, when it was opened */
    uint64_t seq;          /* of the last event that was looked at */
    bool is_behind;        /* the last look did not come to the end */
    char *text;            /* what is to be sent */
    size_t size, sent;
    int64_t sent_ms;
};

/* A row on one line: its newlines would end the event. */
static int put_event(const evlog_event *event, void *ctx)
{
    struct stream *stream = ctx;
    struct request part = stream->request;
    FILE *out = part.out;
    char *row = NULL;
    size_t size = 0;
    part.out = open_memstream(&row, &size);
    if (!part.out)
        return -1;
    list_row(&part, event, false);
    if (fclose(part.out) == 0) {
        for (size_t i = 0; i < size; i++)
            if (row[i] == '\n' || row[i] == '\r')
                row[i] = ' ';
        fprintf(out, "id: %" PRIu64 "\ndata: %s\n\n", event->seq, row);
    }
    free(row);
    return 0;
}

/* Writes what there is up to `last`. The library's code. */
static int put_new(struct stream *stream, uint64_t last)
{
    FILE *out = stream->request.out;
    if (stream->is_behind && last - stream->seq > BEHIND_MAX) {
        fprintf(out, "event: passed\ndata: {\"first\": %" PRIu64 ", \"last\": %" PRIu64 "}\n\n",
                stream->seq + 1, last - BEHIND_MAX / 2);
        stream->seq = last - BEHIND_MAX / 2;
    }
    struct scan scan = {.query = &stream->query,
                        .first_seq = stream->seq + 1,
                        .last_seq = last,
                        .count_max = BATCH,
                        .ms_max = BATCH_MS,
                        .visit = put_event,
                        .ctx = stream};
    int code = scan_run(stream->request.log, &scan);
    stream->is_behind = scan.next_seq != 0;
    stream->seq = stream->is_behind ? scan.next_seq - 1 : last;
    return code;
}

/* Whether the log is no longer where it was opened. */
static bool is_gone(const struct stream *stream)
{
    struct stat now;
    return stat(stream->request.about->path, &now) || now.st_ino != stream->directory.st_ino ||
           now.st_dev != stream->directory.st_dev;
}

/* Waits for something to send. 0, or other than 0: the stream ends. */
static int fill(struct stream *stream)
{
    int64_t looked_ms = stream->sent_ms;
    int code = 0;
    free(stream->text);
    stream->text = NULL;
    stream->sent = 0;
    FILE *out = stream->request.out = open_memstream(&stream->text, &stream->size);
    if (!out)
        return -1;
    while (!code && ftell(out) == 0 && !stop_wait_ms(looked_ms + BATCH_MS - now_ms())) {
        uint64_t last = 0;
        code = evlog_wait(stream->request.log, stream->seq, WAIT_MS, &last);
        looked_ms = now_ms();
        if (!code && last > stream->seq)
            code = put_new(stream, last);
        if (!code && ftell(out) == 0 && now_ms() - stream->sent_ms >= ALIVE_MS) {
            code = is_gone(stream);
            fputs(":\n\n", out);
        }
    }
    stream->sent_ms = now_ms();
    return fclose(out) || code || stop_is_asked() ? -1 : 0;
}

static ssize_t read_stream(void *ctx, uint64_t at, char *text, size_t size)
{
    struct stream *stream = ctx;
    (void)at;
    if (stream->sent == stream->size && fill(stream))
        return MHD_CONTENT_READER_END_OF_STREAM;
    size_t part = stream->size - stream->sent < size ? stream->size - stream->sent : size;
    memcpy(text, stream->text + stream->sent, part);
    stream->sent += part;
    return part ? (ssize_t)part : MHD_CONTENT_READER_END_OF_STREAM;
}

static void end_stream(void *ctx)
{
    struct stream *stream = ctx;
    if (stream->request.log)
        evlog_close(stream->request.log);
    query_free(&stream->query);
    free(stream->text);
    stream_end(stream);
}

struct MHD_Response *live_stream(struct request *request)
{
    const char *id =
        MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Last-Event-ID");
    const char *after = id ? id : parameter(request, "after");
    struct stream *stream = stream_begin(sizeof *stream);
    if (!stream)
        return NULL;
    stream->request = *request;
    stream->request.log = NULL;
    query_read(request, &stream->query);
    if (!after || !seq_read(after, &stream->seq) || stream->seq > request->info.last_seq)
        stream->seq = request->info.last_seq;
    if (stream->query.wrong || stat(request->about->path, &stream->directory) ||
        web_log_open(request->about, &stream->request.log)) {
        end_stream(stream);
        return NULL;
    }
    return stream_response(read_stream, stream, end_stream);
}
