/*
 * Verifying a log from the page: started by a POST, once at a time for each log, by a thread of its own that has the
 * log open meanwhile. Its state stays until the next one, for everybody who looks. FINDINGS_MAX findings are kept.
 */
#include "html.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stop.h"

#define FINDINGS_MAX 500
#define STREAM_MS 250 /* between two reports of progress */

enum state { NEVER, RUNNING, ENDED };

struct found {
    char *text;
    uint64_t first_seq;
    bool is_remark;
};

struct verification {
    pthread_mutex_t lock; /* of all below */
    const char *path;
    enum state state;
    uint64_t done, total;
    int code;
    char *why; /* of another failure than damage */
    int64_t began_us, ended_us;
    struct found found[FINDINGS_MAX];
    uint64_t found_count, remark_count;
};

int verify_init(struct web_log *log)
{
    log->verification = calloc(1, sizeof *log->verification);
    if (!log->verification || pthread_mutex_init(&log->verification->lock, NULL))
        return -1;
    log->verification->path = log->path;
    return 0;
}

static void forget(struct verification *verification)
{
    for (size_t i = 0; i < FINDINGS_MAX; i++)
        free(verification->found[i].text);
    memset(verification->found, 0, sizeof verification->found);
    free(verification->why);
    verification->why = NULL;
    verification->done = verification->total = 0;
    verification->found_count = verification->remark_count = 0;
    verification->code = 0;
}

/* ------------------------------------------------------------- the thread ---- */

static int visit(const evlog_finding *finding, uint64_t seq, void *ctx)
{
    struct verification *verification = ctx;
    pthread_mutex_lock(&verification->lock);
    verification->done = seq;
    if (finding) {
        uint64_t at = verification->found_count + verification->remark_count;
        if (at < FINDINGS_MAX)
            verification->found[at] =
                (struct found){strdup(finding->text), finding->first_seq, finding->is_remark};
        *(finding->is_remark ? &verification->remark_count : &verification->found_count) += 1;
    }
    pthread_mutex_unlock(&verification->lock);
    return stop_is_asked();
}

static void *verify(void *ctx)
{
    struct verification *verification = ctx;
    evlog *log;
    evlog_info info = {0};
    uint64_t checked = 0;
    int code = evlog_open(verification->path, &(evlog_options){.read_only = true}, &log);
    if (!code) {
        if (evlog_inspect(log, &info) == EVLOG_OK) {
            pthread_mutex_lock(&verification->lock);
            verification->total = info.last_seq;
            pthread_mutex_unlock(&verification->lock);
        }
        code = evlog_verify(log, visit, verification, &checked);
        evlog_close(log);
    }
    pthread_mutex_lock(&verification->lock);
    verification->code = code;
    verification->why = code && code != EVLOG_DAMAGED ? strdup(evlog_errmsg()) : NULL;
    if (!code || code == EVLOG_DAMAGED)
        verification->done = checked;
    verification->ended_us = evlog_now_us();
    verification->state = ENDED;
    pthread_mutex_unlock(&verification->lock);
    return NULL;
}

int verify_start(struct request *request)
{
    struct verification *verification = request->about->verification;
    pthread_t thread;
    int failed = 0;
    pthread_mutex_lock(&verification->lock);
    if (verification->state != RUNNING) {
        forget(verification);
        verification->began_us = evlog_now_us();
        failed = pthread_create(&thread, NULL, verify, verification);
        if (!failed) {
            pthread_detach(thread);
            verification->state = RUNNING;
        }
    }
    pthread_mutex_unlock(&verification->lock);
    if (failed) {
        evlog_fail("no thread can be started");
        request->failure = EVLOG_NOMEM;
    }
    return failed ? -1 : 0;
}

static bool is_running(struct verification *verification)
{
    pthread_mutex_lock(&verification->lock);
    bool is = verification->state == RUNNING;
    pthread_mutex_unlock(&verification->lock);
    return is;
}

bool verify_end_all(struct site *site, int64_t ms)
{
    for (int64_t until = now_ms() + ms;; usleep(5000)) {
        bool is_any = false;
        for (size_t i = 0; i < site->log_count; i++)
            is_any |= is_running(site->logs[i].verification);
        if (!is_any || now_ms() >= until)
            return !is_any;
    }
}

/* ----------------------------------------------------------------- page ---- */

static void put_found(struct request *request, const struct verification *verification)
{
    FILE *out = request->out;
    uint64_t all = verification->found_count + verification->remark_count;
    if (!all)
        return;
    fputs(
        "<table class=\"findings\"><caption>Findings</caption><thead><tr><th scope=\"col\">Seq</th><th "
        "scope=\"col\">Finding</th></tr></thead><tbody>\n",
        out);
    for (size_t i = 0; i < all && i < FINDINGS_MAX; i++) {
        const struct found *found = &verification->found[i];
        fputs("<tr><td class=\"seq\">", out);
        if (found->first_seq)
            html_seq(request, found->first_seq);
        fprintf(out, "</td><td>%s", found->is_remark ? "<i>Remark:</i> " : "");
        html_text(out, found->text ? found->text : "");
        fputs("</td></tr>\n", out);
    }
    fputs("</tbody></table>\n", out);
    if (all > FINDINGS_MAX)
        fprintf(out,
                "<p class=\"note\">Only the first %d are kept; evlog verify prints all.</p>\n",
                FINDINGS_MAX);
}

static void put_running(FILE *out, const struct verification *verification)
{
    fprintf(out,
            "<div data-verify=\"verify/stream\"><p><progress max=\"%" PRIu64 "\" value=\"%" PRIu64
            "\" aria-label=\"Events verified\"></progress> <span role=\"status\">",
            verification->total ? verification->total : 1, verification->done);
    html_count(out, verification->done);
    fputs(" of ", out);
    html_count(out, verification->total);
    fputs("</span></p></div>\n<noscript><meta http-equiv=\"refresh\" content=\"2\"></noscript>\n",
          out);
}

static void put_ended(FILE *out, const struct verification *verification)
{
    bool is_well = !verification->code;
    fprintf(out, "<p class=\"%s\" role=\"status\">", is_well ? "well" : "wrong");
    if (verification->why)
        html_text(out, verification->why);
    else {
        html_events(out, verification->done);
        fputs(" read: ", out);
        if (is_well)
            fputs("all is as it was written", out);
        else {
            html_count(out, verification->found_count);
            fputs(verification->found_count == 1 ? " finding" : " findings", out);
        }
    }
    fputs(".</p>\n<p class=\"note\">Verified from ", out);
    html_time(out, verification->began_us, 1000000);
    fputs(", for ", out);
    html_duration(out, verification->ended_us - verification->began_us);
    fputs(".</p>\n", out);
}

int verify_page(struct request *request)
{
    struct verification *verification = request->about->verification;
    FILE *out = request->out;
    page_begin(request, "Verify", "verify");
    fputs(
        "<p>Reads the whole log and checks every event and page. Events cut off at the end leave nothing inside that "
        "shows it; a seal does.</p>\n",
        out);
    pthread_mutex_lock(&verification->lock);
    if (verification->state == RUNNING)
        put_running(out, verification);
    else
        fprintf(out, "<form method=\"post\" action=\"verify\"><button>%s</button></form>\n",
                verification->state == NEVER ? "Verify now" : "Verify again");
    if (verification->state == ENDED)
        put_ended(out, verification);
    put_found(request, verification);
    pthread_mutex_unlock(&verification->lock);
    page_end(request);
    return MHD_HTTP_OK;
}

/* --------------------------------------------------------------- stream ---- */

struct stream {
    struct verification *verification;
    bool is_last; /* it has been said that it has ended */
};

static ssize_t read_stream(void *ctx, uint64_t at, char *text, size_t size)
{
    struct stream *stream = ctx;
    struct verification *verification = stream->verification;
    if (stream->is_last || (at && stop_wait_ms(STREAM_MS)))
        return MHD_CONTENT_READER_END_OF_STREAM;
    pthread_mutex_lock(&verification->lock);
    stream->is_last = verification->state != RUNNING;
    int used = snprintf(text, size,
                        "event: %s\ndata: {\"done\": %" PRIu64 ", \"total\": %" PRIu64
                        ", \"findings\": %" PRIu64 "}\n\n",
                        stream->is_last ? "ended" : "progress", verification->done,
                        verification->total, verification->found_count);
    pthread_mutex_unlock(&verification->lock);
    return used > 0 && (size_t)used < size ? used : MHD_CONTENT_READER_END_WITH_ERROR;
}

struct MHD_Response *verify_stream(struct request *request)
{
    struct stream *stream = stream_begin(sizeof *stream);
    if (!stream)
        return NULL;
    stream->verification = request->about->verification;
    return stream_response(read_stream, stream, stream_end);
}
