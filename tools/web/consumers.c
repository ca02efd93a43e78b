/* The consumers with their lag, and one of them with its parked events. */
#include "html.h"

#include <stdlib.h>
#include <string.h>

#include "tool.h"

#define PARKED_SHOWN_MAX 200

static void put_link(struct request *request, const char *name)
{
    FILE *out = request->out;
    fputs("<a href=\"", out);
    html_log_url(request);
    fputs("consumer/", out);
    html_url(out, name);
    fputs("\">", out);
    html_text(out, name);
    fputs("</a>", out);
}

static const char *work_of(const evlog_consumer_info *info)
{
    return info->is_paused ? "paused" : info->pid ? "at work" : "not at work";
}

struct listing {
    struct request *request;
    size_t count;
};

static int put_one(const evlog_consumer_info *info, void *ctx)
{
    struct listing *listing = ctx;
    FILE *out = listing->request->out;
    listing->count++;
    fputs("<tr><td class=\"type\">", out);
    put_link(listing->request, info->name);
    fputs("</td><td class=\"number\">", out);
    html_count(out, info->checkpoint);
    fprintf(out, "</td><td class=\"number%s\">", info->lag_count ? " late" : "");
    html_count(out, info->lag_count);
    fputs("</td><td class=\"number\">", out);
    if (info->lag_count)
        html_duration(out, info->lag_us);
    fprintf(out, "</td><td class=\"number%s\">", info->parked_count ? " bad" : "");
    html_count(out, info->parked_count);
    fprintf(out, "</td><td>%s</td><td>", work_of(info));
    html_time(out, info->updated_us, 1000000);
    fputs("</td></tr>\n", out);
    return 0;
}

int consumers_page(struct request *request)
{
    FILE *out = request->out;
    struct listing listing = {.request = request};
    page_begin(request, "Consumers", "consumers");
    fputs(
        "<table><thead><tr><th scope=\"col\">Consumer</th><th scope=\"col\">Done up to</th><th "
        "scope=\"col\">Lag</th><th scope=\"col\">For</th><th scope=\"col\">Parked</th><th scope=\"col\">State</th>"
        "<th scope=\"col\">Last commit</th></tr></thead>\n<tbody>\n",
        out);
    int code = evlog_each_consumer(request->log, put_one, &listing);
    fputs("</tbody></table>\n", out);
    if (!listing.count && !code)
        fputs("<p class=\"note\">The log has no consumers.</p>\n", out);
    if (code)
        html_wrong(out, evlog_errmsg());
    page_end(request);
    return code && code != EVLOG_DAMAGED ? MHD_HTTP_INTERNAL_SERVER_ERROR : MHD_HTTP_OK;
}

/* ---------------------------------------------------------- one of them ---- */

struct parked {
    struct request *request;
    uint64_t after;
    size_t count;
    uint64_t last_seq;
    bool has_more;
};

static int put_parked(const evlog_parked *event, void *ctx)
{
    struct parked *parked = ctx;
    FILE *out = parked->request->out;
    if (event->seq <= parked->after)
        return 0;
    if (parked->count == PARKED_SHOWN_MAX) {
        parked->has_more = true;
        return 1;
    }
    if (!parked->count++)
        fputs(
            "<table class=\"parked\"><thead><tr><th scope=\"col\">Seq</th><th scope=\"col\">Attempts</th><th "
            "scope=\"col\">Last attempt</th><th scope=\"col\">Why</th></tr></thead><tbody>\n",
            out);
    parked->last_seq = event->seq;
    fputs("<tr><td class=\"seq\">", out);
    html_seq(parked->request, event->seq);
    if (event->last_seq > event->seq)
        fprintf(out, " to %" PRIu64, event->last_seq);
    fprintf(out, "</td><td class=\"number\">%" PRIu32 "</td><td>", event->attempt_count);
    html_time(out, event->time_us, 1000000);
    fputs("</td><td>", out);
    fputs(event->is_lost    ? "<b>lost</b>: "
          : event->is_retry ? "<b>to be retried</b>: "
                            : "",
          out);
    html_text(out, event->error);
    fputs("</td></tr>\n", out);
    return 0;
}

static void put_number(FILE *out, const char *name, uint64_t count)
{
    fprintf(out, "<dt>%s</dt><dd>", name);
    html_count(out, count);
    fputs("</dd>\n", out);
}

static void put_facts(struct request *request, const evlog_consumer_info *info)
{
    FILE *out = request->out;
    fputs("<dl class=\"facts\">\n<dt>Done up to</dt><dd>", out);
    html_count(out, info->checkpoint);
    fputs(", on ", out);
    html_time(out, info->updated_us, 1000000);
    fputs("</dd>\n<dt>Behind</dt><dd>", out);
    html_events(out, info->lag_count);
    if (info->lag_count) {
        fputs(", for ", out);
        html_duration(out, info->lag_us);
    }
    fprintf(out, "</dd>\n<dt>State</dt><dd>%s", work_of(info));
    if (info->pid > 0)
        fprintf(out, ", process %" PRId32, info->pid);
    fputs("</dd>\n<dt>Made</dt><dd>", out);
    html_time(out, info->created_us, 1000000);
    fputs("</dd>\n", out);
    put_number(out, "Done", info->done_count);
    put_number(out, "Refused", info->refused_count);
    put_number(out, "Skipped", info->skipped_count);
    put_number(out, "Parked", info->parked_count);
    put_number(out, "To be retried", info->retry_count);
    put_number(out, "Keys of state", info->state_count);
    put_number(out, "Replays up to", info->replay_last_seq);
    fputs("<dt>Types</dt><dd>", out);
    fputs(info->type_count ? "" : "all", out);
    for (size_t i = 0; i < info->type_count; i++) {
        fputs(i ? "<br>" : "", out);
        html_text(out, info->types[i]);
    }
    fputs("</dd>\n</dl>\n", out);
}

static void put_all_parked(struct request *request, const char *name)
{
    FILE *out = request->out;
    struct parked parked = {.request = request};
    const char *after = parameter(request, "after");
    if (after && !seq_read(after, &parked.after))
        parked.after = 0;
    fputs("<section><h2>Parked events</h2>\n", out);
    int code = evlog_each_parked(request->log, name, put_parked, &parked);
    fputs(parked.count ? "</tbody></table>\n" : "<p class=\"note\">None here.</p>\n", out);
    if (code < 0)
        html_wrong(out, evlog_errmsg());
    if (parked.has_more)
        fprintf(out,
                "<nav class=\"pager\" aria-label=\"Pages\"><a rel=\"next\" href=\"?after=%" PRIu64
                "\">More \xe2\x86\x92</a></nav>\n",
                parked.last_seq);
    fputs("</section>\n", out);
}

int consumer_page(struct request *request)
{
    evlog_consumer_info *info;
    int code = evlog_consumer_inspect(request->log, request->rest, &info);
    if (code)
        return page_failed(request, code);
    page_begin(request, info->name, NULL);
    put_facts(request, info);
    put_all_parked(request, info->name);
    page_end(request);
    evlog_consumer_info_free(info);
    return MHD_HTTP_OK;
}
