/* The events page: the filter, the timeline, and a list, newest first. */
#include "html.h"

#include <stdlib.h>
#include <string.h>

#include "list.h"
#include "scan.h"
#include "timeline.h"
#include "tool.h"

/* The rows, kept so that those that were read forwards can be put newest first. */
struct rows {
    struct request *request;
    char *text[LIST_COUNT];
    size_t count;
    uint64_t first_seq, last_seq; /* the smallest and the largest seq */
};

static int keep_row(const evlog_event *event, void *ctx)
{
    struct rows *rows = ctx;
    struct request part = *rows->request;
    char *text = NULL;
    size_t size;
    part.out = open_memstream(&text, &size);
    if (!part.out)
        return -1;
    list_row(&part, event, false);
    if (fclose(part.out)) {
        free(text);
        return -1;
    }
    rows->text[rows->count] = text;
    rows->first_seq = !rows->count || event->seq < rows->first_seq ? event->seq : rows->first_seq;
    rows->last_seq = event->seq > rows->last_seq ? event->seq : rows->last_seq;
    rows->count++;
    return 0;
}

static void put_rows(FILE *out, const struct rows *rows, bool newest_first)
{
    for (size_t i = 0; i < rows->count; i++)
        fputs(rows->text[newest_first ? i : rows->count - 1 - i], out);
}

static void put_place(struct request *request, const char *name, uint64_t seq, const char *rel,
                      const char *label)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, seq);
    fputs("<a href=\"", request->out);
    html_log_url(request);
    fputs("events", request->out);
    query_link(request, name, text);
    fprintf(request->out, "#list\" rel=\"%s\">%s</a>\n", rel, label);
}

/* Where the scan was cut short, so that the list may lack something. */
static void put_cut(struct request *request, const struct scan *scan, const struct rows *rows)
{
    FILE *out = request->out;
    if (!scan->next_seq || rows->count == LIST_COUNT)
        return;
    fputs(
        "<p class=\"note\" role=\"status\">Not all was looked at: the search came as far as seq ",
        out);
    html_count(out, scan->newest_first ? scan->next_seq + 1 : scan->next_seq - 1);
    fputs(" in the time that a page may take. ", out);
    if (scan->newest_first)
        put_place(request, "before", scan->next_seq + 1, "next", "Search on");
    else
        put_place(request, "after", scan->next_seq - 1, "prev", "Search on");
    fputs("</p>\n", out);
}

static void put_list(struct request *request, const struct scan *scan, const struct rows *rows)
{
    FILE *out = request->out;
    bool has_newer = rows->count && rows->last_seq < request->info.last_seq &&
                     (parameter(request, "before") || parameter(request, "after"));
    bool has_older = rows->count && (!scan->newest_first || scan->next_seq);
    if (rows->count) {
        list_begin(out, "Events, newest first");
        put_rows(out, rows, scan->newest_first);
        list_end(out);
    } else if (!scan->next_seq)
        fputs("<p class=\"note\" role=\"status\">No event matches.</p>\n", out);
    put_cut(request, scan, rows);
    if (scan->damaged_count) {
        fputs("<p class=\"wrong\" role=\"alert\">", out);
        html_events(out, scan->damaged_count);
        fputs(" here could not be read. Verify reports what is damaged.</p>\n", out);
    }
    fputs("<nav class=\"pager\" aria-label=\"Pages\">", out);
    if (has_newer)
        put_place(request, "after", rows->last_seq, "prev", "\xe2\x86\x90 Newer");
    if (has_older && rows->first_seq > request->info.first_seq)
        put_place(request, "before", rows->first_seq, "next", "Older \xe2\x86\x92");
    fputs("</nav>\n", out);
}

/* The seqs that the list is about: the filter's, and those before or after a place. */
static void set_bounds(const struct request *request, const struct query *query,
                       struct scan *scan)
{
    const char *before = parameter(request, "before"), *after = parameter(request, "after");
    uint64_t place;
    scan->first_seq = request->info.first_seq;
    scan->last_seq = request->info.last_seq;
    if (query->range.first_seq > scan->first_seq)
        scan->first_seq = query->range.first_seq;
    if (query->range.last_seq && query->range.last_seq < scan->last_seq)
        scan->last_seq = query->range.last_seq;
    scan->newest_first = true;
    if (before && seq_read(before, &place) && place <= scan->last_seq)
        scan->last_seq = place ? place - 1 : 0;
    else if (!before && after && seq_read(after, &place) && place < UINT64_MAX) {
        scan->newest_first = false;
        scan->first_seq = place >= scan->first_seq ? place + 1 : scan->first_seq;
    }
}

static int put_events(struct request *request, const struct query *query)
{
    struct rows rows = {.request = request};
    struct scan scan = {.query = query,
                        .count_max = LIST_COUNT,
                        .ms_max = PAGE_MS,
                        .visit = keep_row,
                        .ctx = &rows};
    set_bounds(request, query, &scan);
    int code = timeline_put(request, query);
    if (!code)
        code = scan_run(request->log, &scan);
    fputs("<section id=\"list\" aria-label=\"List\">\n", request->out);
    if (!code)
        put_list(request, &scan, &rows);
    fputs("</section>\n", request->out);
    for (size_t i = 0; i < rows.count; i++)
        free(rows.text[i]);
    return code;
}

int events_page(struct request *request)
{
    return query_page(request, "Events", "events", put_events);
}
