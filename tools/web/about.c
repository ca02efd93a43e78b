/* What a log is; the logs, where there are several; and all of them as metrics. */
#include "html.h"

#include <string.h>

#include "evlog/upkeep.h"
#include "exposition.h"
#include "list.h"
#include "scan.h"
#include "tool.h"

#define OWN_SHOWN_MAX 10

static void put_size(FILE *out, uint64_t size)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double value = (double)size;
    int unit = 0;
    for (; value >= 999.95 && unit < 4; unit++)
        value /= 1000;
    fprintf(out, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

static uint64_t event_count(const evlog_info *info)
{
    return info->last_seq ? info->last_seq - info->first_seq + 1 : 0;
}

/* What is there only when there is something to say. */
static void put_remarks(FILE *out, const evlog_info *info)
{
    if (info->is_unrecovered)
        fputs(
            "<p class=\"wrong\">The log waits to be recovered: this is what the last flush left. The next program "
            "that opens it for writing brings back what the journal has.</p>\n",
            out);
    if (info->waiting_count) {
        fputs("<p class=\"wrong\">", out);
        html_events(out, info->waiting_count);
        fputs(" wait in the journal until a program opens the log for writing.</p>\n", out);
    }
    if (info->clock_step_count)
        fprintf(out,
                "<p class=\"note\">The clock stepped back %" PRIu32
                " times; Verify names the places.</p>\n",
                info->clock_step_count);
    if (info->is_ahead)
        fputs(
            "<p class=\"note\">The log is ahead of the clock here: a sender&#39;s clock was ahead, or this one is "
            "wrong.</p>\n",
            out);
    if (info->erased_waiting_count) {
        fputs("<p class=\"note\">", out);
        html_events(out, info->erased_waiting_count);
        fputs(
            " erased, whose bytes may be in unused parts of the file until the log is compacted.</p>\n",
            out);
    }
}

static void put_retention(FILE *out, evlog *log)
{
    evlog_retention *retention;
    fputs("<dt>Keeps</dt><dd>", out);
    if (evlog_retention_get(log, &retention) != EVLOG_OK) {
        fputs("not readable; see Verify</dd>\n", out);
        return;
    }
    const char *between = "at most ";
    if (!retention)
        fputs("all", out);
    if (retention && retention->age_us) {
        fputs(between, out);
        html_duration(out, retention->age_us);
        between = ", ";
    }
    if (retention && retention->count) {
        fputs(between, out);
        html_events(out, retention->count);
        between = ", ";
    }
    if (retention && retention->size) {
        fputs(between, out);
        put_size(out, retention->size);
    }
    fputs("</dd>\n", out);
    evlog_retention_free(retention);
}

static void put_facts(struct request *request)
{
    const evlog_info *info = &request->info;
    FILE *out = request->out;
    char text[EVLOG_UUID_TEXT_SIZE];
    fputs("<dl class=\"facts\">\n<dt>Directory</dt><dd>", out);
    html_text(out, request->about->path);
    fputs("</dd>\n<dt>Events</dt><dd>", out);
    html_count(out, event_count(info));
    if (info->last_seq) {
        fprintf(out, ", seq %" PRIu64 " to %" PRIu64 "</dd>\n<dt>Logged</dt><dd>",
                info->first_seq, info->last_seq);
        html_time(out, info->first_log_time_us, 1000000);
        fputs(" to ", out);
        html_time(out, info->last_log_time_us, 1000000);
    }
    fprintf(out, "</dd>\n<dt>Durability</dt><dd>%s</dd>\n",
            info->durability == EVLOG_FAST
                ? "fast: a send that returned survives the death of the process, not a power cut"
                : "durable: a send that returned survives a power cut");
    put_retention(out, request->log);
    fputs("<dt>Types</dt><dd>", out);
    html_count(out, info->type_count);
    fputs("</dd>\n<dt>Sources</dt><dd>", out);
    html_count(out, info->source_count);
    fputs("</dd>\n<dt>Size</dt><dd>", out);
    put_size(out, info->used_size - info->free_size);
    fputs(" in use, ", out);
    put_size(out, info->free_size);
    fputs(" free for events to come, ", out);
    put_size(out, ahead_size(info));
    fputs(" kept ahead, ", out);
    put_size(out, info->file_size);
    fputs(" on disk</dd>\n<dt>Made</dt><dd>", out);
    html_time(out, info->created_us, 1000000);
    fprintf(out, "</dd>\n<dt>UUID</dt><dd><code>%s</code></dd>\n",
            evlog_uuid_text(info->uuid, text));
    if (memcmp(info->origin, info->uuid, sizeof info->uuid) != 0)
        fprintf(out, "<dt>Copy of</dt><dd><code>%s</code></dd>\n",
                evlog_uuid_text(info->origin, text));
    fprintf(out, "<dt>Format</dt><dd>%" PRIu32 "</dd>\n</dl>\n", info->format);
}

static int put_row(const evlog_event *event, void *ctx)
{
    struct request *request = ctx;
    list_row(request, event, false);
    return 0;
}

/* What was recorded about the log itself, seals among them. */
static int put_own(struct request *request)
{
    static const char *const own[] = {"evlog.*"};
    struct query query = {.range = {.types = own, .type_count = 1, .with_nameless = true}};
    struct scan scan = {.query = &query,
                        .first_seq = request->info.first_seq,
                        .last_seq = request->info.last_seq,
                        .newest_first = true,
                        .count_max = OWN_SHOWN_MAX,
                        .ms_max = PAGE_MS,
                        .visit = put_row,
                        .ctx = request};
    FILE *out = request->out;
    fputs("<section><h2>What happened to it</h2>\n", out);
    list_begin(out, "The log&#39;s own events, newest first: seals, trimming, erasing, repairs");
    int code = scan_run(request->log, &scan);
    list_end(out);
    if (!scan.count)
        fprintf(out, "<p class=\"note\">None%s.</p>\n",
                scan.next_seq ? " among the newest events" : "");
    fputs(
        "<p><a href=\"events?type=evlog.sealed.*\">Seals</a> \xc2\xb7 <a href=\"events?type=evlog.*\">all of "
        "the log&#39;s own events</a></p></section>\n",
        out);
    return code;
}

int about_page(struct request *request)
{
    page_begin(request, "About", "about");
    put_remarks(request->out, &request->info);
    put_facts(request);
    int code = put_own(request);
    if (code)
        html_wrong(request->out, evlog_errmsg());
    page_end(request);
    return code ? status_of(code) : MHD_HTTP_OK;
}

/* ----------------------------------------------------------------- logs ---- */

static void put_log(struct request *request, const struct web_log *web_log)
{
    FILE *out = request->out;
    evlog *log;
    evlog_info info;
    fputs("<tr><td class=\"type\"><a href=\"/log/", out);
    html_url(out, web_log->name);
    fputs("/events\">", out);
    html_text(out, web_log->name);
    fputs("</a></td>", out);
    int code = web_log_open(web_log, &log);
    if (!code) {
        code = evlog_inspect(log, &info);
        evlog_close(log);
    }
    if (code) {
        fputs("<td colspan=\"3\" class=\"wrong\">", out);
        html_text(out, evlog_errmsg());
        fputs("</td></tr>\n", out);
        return;
    }
    fputs("<td class=\"number\">", out);
    html_count(out, event_count(&info));
    fputs("</td><td class=\"number\">", out);
    put_size(out, info.file_size);
    fputs("</td><td>", out);
    if (info.last_log_time_us)
        html_time(out, info.last_log_time_us, 1000000);
    fputs("</td></tr>\n", out);
}

int logs_page(struct request *request)
{
    page_begin(request, "Logs", NULL);
    fputs(
        "<table><thead><tr><th scope=\"col\">Log</th><th scope=\"col\">Events</th><th scope=\"col\">On "
        "disk</th><th scope=\"col\">Last event</th></tr></thead><tbody>\n",
        request->out);
    for (size_t i = 0; i < request->site->log_count; i++)
        put_log(request, &request->site->logs[i]);
    fputs("</tbody></table>\n", request->out);
    page_end(request);
    return MHD_HTTP_OK;
}

int metrics_page(struct request *request)
{
    const struct site *site = request->site;
    struct exposition exposition = {0};
    for (size_t i = 0; i < site->log_count; i++) {
        evlog *log = NULL;
        bool is_open = web_log_open(&site->logs[i], &log) == EVLOG_OK;
        (void)exposition_add(&exposition, site->logs[i].path,
                             is_open ? log : NULL); /* evlog_up */
        if (is_open)
            evlog_close(log);
    }
    exposition_put(request->out, &exposition);
    exposition_free(&exposition);
    request->content_type = "text/plain; version=0.0.4; charset=utf-8";
    return MHD_HTTP_OK;
}
