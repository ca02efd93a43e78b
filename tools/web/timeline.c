/*
 * The timeline: bars of events over log time, each made of the types in it.
 *
 * How many events a bar has is not counted: it is the seq of the first event of the next bar less that of its own, and
 * each of these is one seek. That is exact (seqs are dense), whatever the log's length; where the clock was set back,
 * a bar has what was logged from the first event at its time to the first of the next bar.
 *
 * Which types they are is counted up to READ_MAX events. Beyond that it is estimated: from each bar PASSES times
 * BLOCK events are read, at equal distances, one pass over all bars after the other. Both end when the time is up, but
 * for one event of each bar, and what was not read is estimated, too. The page says which it is. When a filter asks for
 * types, the bars are estimated likewise, and say so.
 *
 * The picture is an SVG without text; its numbers are also a table, for those who cannot see it.
 */
#include "timeline.h"

#include <stdlib.h>
#include <string.h>

#include "html.h"
#include "stop.h"

#define BARS_MAX 72
#define READ_MAX 40000
#define BLOCK 64
#define PASSES 12
#define KINDS 7            /* types with a colour of their own; the last is all others */
#define TYPES_SEEN_MAX 200 /* more are others */
#define DAMAGED_MAX 64     /* places of damage that a seek passes over */
#define WIDTH 1000
#define HEIGHT 140

struct bar {
    int64_t time_us;     /* where it begins */
    uint64_t first_seq;  /* of its first event; of an empty one, of the next */
    uint64_t count;      /* events of all types */
    uint64_t read_count; /* of these, those that were looked at */
    uint64_t seen[KINDS];
};

/* A type that was seen, and where. */
struct seen {
    char *name;
    double estimate;
    uint32_t bars[BARS_MAX];
};

struct timeline {
    struct request *request;
    const struct query *query;
    int64_t unit_us;
    struct bar bars[BARS_MAX + 1]; /* the last is the end */
    size_t count;
    uint64_t total, read_count;
    struct seen seen[TYPES_SEEN_MAX];
    size_t seen_count;
    uint32_t others[BARS_MAX]; /* events of types that are not in `seen` */
    struct bar *at;            /* the bar that is being read */
    double most;               /* in one bar, of what the filter lets through */
    int64_t until_ms;
};

static int64_t floor_to(int64_t time_us, int64_t unit_us)
{
    int64_t rest = time_us % unit_us;
    return time_us - (rest < 0 ? rest + unit_us : rest);
}

/* The smallest unit with which the time needs no more than BARS_MAX bars. */
static int64_t choose_unit(int64_t first_us, int64_t last_us)
{
    static const int64_t s = 1000000, h = 3600000000, d = 86400000000;
    const int64_t units[] = {1000,    2000,    5000,     10000,  20000,  50000,  100000, 200000,
                             500000,  s,       2 * s,    5 * s,  10 * s, 30 * s, 60 * s, 120 * s,
                             300 * s, 600 * s, 1800 * s, h,      2 * h,  3 * h,  6 * h,  12 * h,
                             d,       2 * d,   7 * d,    30 * d, 90 * d, 365 * d};
    size_t i = 0;
    while (i + 1 < sizeof units / sizeof *units &&
           (floor_to(last_us, units[i]) - floor_to(first_us, units[i])) / units[i] >= BARS_MAX)
        i++;
    int64_t unit = units[i];
    while ((floor_to(last_us, unit) - floor_to(first_us, unit)) / unit >= BARS_MAX)
        unit *= 2;
    return unit;
}

/* The first event of a range, the log's own too; `*seq` is 0 when there is none. */
static int find_first(evlog *log, evlog_range range, uint64_t *seq, int64_t *log_time_us)
{
    static const char *const all[] = {"*", "evlog.*"};
    evlog_cursor *cursor;
    const evlog_event *event;
    range.types = all;
    range.type_count = 2;
    range.limit = 1;
    range.with_nameless = true;
    *seq = 0;
    int code = evlog_cursor_open(log, &range, &cursor);
    if (code)
        return code;
    int tries = 0;
    do {
        code = evlog_cursor_next(cursor, &event);
    } while (code == EVLOG_DAMAGED && ++tries < DAMAGED_MAX);
    if (!code && event) {
        *seq = event->seq;
        *log_time_us = event->log_time_us;
    }
    evlog_cursor_close(cursor);
    return code;
}

/* The seqs and times that the filter is about; `*first_seq` is 0 when that is nothing. */
static int find_ends(const struct timeline *timeline, uint64_t *first_seq, uint64_t *last_seq,
                     int64_t *first_us, int64_t *last_us)
{
    const evlog_range *asked = &timeline->query->range;
    evlog_range range = {.first_seq = asked->first_seq,
                         .last_seq = asked->last_seq,
                         .since_us = asked->since_us,
                         .until_us = asked->until_us};
    evlog *log = timeline->request->log;
    int code = find_first(log, range, first_seq, first_us);
    range.newest_first = true;
    if (!code && *first_seq)
        code = find_first(log, range, last_seq, last_us);
    if (code || !*first_seq)
        return code;
    if (asked->since_us > 0 && asked->since_us < *first_us)
        *first_us = asked->since_us;
    if (*last_us < *first_us) /* the clock was set back */
        *last_us = *first_us;
    return 0;
}

/* Where the bars begin, and how many events are in each. */
static int make_bars(struct timeline *timeline)
{
    uint64_t first_seq, last_seq = 0, seq;
    int64_t first_us = 0, last_us = 0, time_us;
    int code = find_ends(timeline, &first_seq, &last_seq, &first_us, &last_us);
    if (code || !first_seq || last_seq < first_seq)
        return code;
    timeline->unit_us = choose_unit(first_us, last_us);
    int64_t begin_us = floor_to(first_us, timeline->unit_us);
    size_t count = (size_t)((last_us - begin_us) / timeline->unit_us) + 1;
    uint64_t place = first_seq;
    for (size_t i = 0; i < count && !code; i++) {
        int64_t at_us = begin_us + (int64_t)i * timeline->unit_us;
        evlog_range range = {.first_seq = place, .last_seq = last_seq, .since_us = at_us};
        if (i) {
            code = find_first(timeline->request->log, range, &seq, &time_us);
            place = seq ? seq : last_seq + 1;
        }
        timeline->bars[i] = (struct bar){.time_us = at_us, .first_seq = place};
        if (place > last_seq && !code)
            count = i + 1; /* the clock was set back behind the rest */
    }
    timeline->bars[count] = (struct bar){.time_us = begin_us + (int64_t)count * timeline->unit_us,
                                         .first_seq = last_seq + 1};
    for (size_t i = 0; i < count; i++)
        timeline->bars[i].count = timeline->bars[i + 1].first_seq - timeline->bars[i].first_seq;
    timeline->count = count;
    timeline->total = last_seq - first_seq + 1;
    return code;
}

/* ---------------------------------------------------------------- types ---- */

/* The counter of a type in the present bar. */
static uint32_t *counter_of(struct timeline *timeline, const char *name)
{
    size_t i = 0, at = (size_t)(timeline->at - timeline->bars);
    while (i < timeline->seen_count && strcmp(timeline->seen[i].name, name) != 0)
        i++;
    if (i == timeline->seen_count && i < TYPES_SEEN_MAX) {
        timeline->seen[i] = (struct seen){.name = strdup(name)};
        timeline->seen_count += timeline->seen[i].name != NULL;
    }
    return i < timeline->seen_count ? &timeline->seen[i].bars[at] : &timeline->others[at];
}

static bool is_counted(const struct query *query, const evlog_event *event)
{
    return !query_chooses(query) ||
           (evlog_type_matches(query->range.types, query->range.type_count, event->event_type) &&
            query_matches(query, event));
}

/* Reads so many events from a seq on into the bar timeline->at: one, and the others as long as there is time. */
static int read_types(struct timeline *timeline, uint64_t first, uint64_t count)
{
    static const char *const all[] = {"*", "evlog.*"};
    evlog_range range = {.first_seq = first,
                         .last_seq = first + count - 1,
                         .types = all,
                         .type_count = 2,
                         .with_nameless = true};
    evlog_cursor *cursor;
    const evlog_event *event = NULL;
    int code = evlog_cursor_open(timeline->request->log, &range, &cursor);
    if (code)
        return code;
    do {
        code = evlog_cursor_next(cursor, &event);
        if (code || !event)
            continue;
        timeline->at->read_count++;
        if (is_counted(timeline->query, event))
            ++*counter_of(timeline, event->event_type);
    } while ((code == EVLOG_DAMAGED || (!code && event)) && now_ms() < timeline->until_ms);
    evlog_cursor_close(cursor);
    return code == EVLOG_DAMAGED ? EVLOG_OK : code;
}

/* Reads all, or in passes a part of each bar. */
static int read_bars(struct timeline *timeline)
{
    int code = 0;
    bool reads_all = timeline->total <= READ_MAX;
    for (unsigned pass = 0; pass < (reads_all ? 1 : PASSES); pass++)
        for (size_t i = 0; i < timeline->count && !code; i++) {
            struct bar *bar = timeline->at = &timeline->bars[i];
            if (pass && now_ms() >= timeline->until_ms)
                break;
            if (reads_all || bar->count <= (uint64_t)BLOCK * PASSES) {
                if (!pass && bar->count)
                    code = read_types(timeline, bar->first_seq, bar->count);
            } else /* the passes in an order that soon is all over the bar: 0 5 10 3 8 1 ... */
                code = read_types(
                    timeline, bar->first_seq + bar->count / PASSES * (pass * 5 % PASSES), BLOCK);
        }
    for (size_t i = 0; i < timeline->count; i++)
        timeline->read_count += timeline->bars[i].read_count;
    return code;
}

static double share(const struct bar *bar, uint64_t seen)
{
    return bar->read_count ? (double)seen * (double)bar->count / (double)bar->read_count : 0;
}

static int by_estimate(const void *a, const void *b)
{
    double left = ((const struct seen *)a)->estimate, right = ((const struct seen *)b)->estimate;
    return left < right ? 1
           : left > right
               ? -1
               : strcmp(((const struct seen *)a)->name, ((const struct seen *)b)->name);
}

static double bar_total(const struct bar *bar)
{
    uint64_t all = 0;
    for (size_t i = 0; i < KINDS; i++)
        all += bar->seen[i];
    return share(bar, all);
}

/* The types by how many there are, and each bar by kind. */
static void sum_up(struct timeline *timeline)
{
    for (size_t i = 0; i < timeline->seen_count; i++)
        for (size_t j = 0; j < timeline->count; j++)
            timeline->seen[i].estimate += share(&timeline->bars[j], timeline->seen[i].bars[j]);
    if (timeline->seen_count)
        qsort(timeline->seen, timeline->seen_count, sizeof *timeline->seen, by_estimate);
    for (size_t j = 0; j < timeline->count; j++) {
        struct bar *bar = &timeline->bars[j];
        bar->seen[KINDS - 1] = timeline->others[j];
        for (size_t i = 0; i < timeline->seen_count; i++)
            bar->seen[i < KINDS - 1 ? i : KINDS - 1] += timeline->seen[i].bars[j];
        if (bar_total(bar) > timeline->most)
            timeline->most = bar_total(bar);
    }
}

static bool is_exact(const struct timeline *timeline)
{
    return timeline->read_count == timeline->total;
}

/* -------------------------------------------------------------- writing ---- */

/* A link to what a bar shows. */
static void put_zoom(const struct timeline *timeline, size_t i)
{
    char since[EVLOG_TIME_TEXT_SIZE], until[EVLOG_TIME_TEXT_SIZE];
    struct request *request = timeline->request;
    fputs("events", request->out);
    query_link(request, "since", evlog_time_text(timeline->bars[i].time_us, since));
    fputs("&amp;until=", request->out);
    html_url(request->out, evlog_time_text(timeline->bars[i + 1].time_us - 1, until));
}

/* The number of a bar: exact, unless a part of it was read for the types that are asked for. */
static void put_number(FILE *out, const struct timeline *timeline, const struct bar *bar)
{
    bool is_whole = bar->read_count == bar->count;
    if (!is_whole && !query_chooses(timeline->query)) {
        html_count(out, bar->count);
        return;
    }
    fputs(is_whole ? "" : "\xe2\x89\x88 ", out);
    html_count(out, (uint64_t)(bar_total(bar) + 0.5));
}

static void put_bar(const struct timeline *timeline, size_t i)
{
    FILE *out = timeline->request->out;
    const struct bar *bar = &timeline->bars[i];
    double width = (double)WIDTH / (double)timeline->count, top = HEIGHT;
    fputs("<a tabindex=\"-1\" href=\"", out);
    put_zoom(timeline, i);
    fputs("\"><title>", out);
    html_time(out, bar->time_us, timeline->unit_us);
    fputs(" \xc2\xb7 ", out);
    put_number(out, timeline, bar);
    fprintf(out, "</title><rect class=\"hit\" x=\"%.2f\" y=\"0\" width=\"%.2f\" height=\"%d\"/>",
            (double)i * width, width, HEIGHT);
    for (size_t kind = 0; kind < KINDS; kind++) {
        double height =
            timeline->most > 0 ? share(bar, bar->seen[kind]) / timeline->most * (HEIGHT - 4) : 0;
        if (height <= 0)
            continue;
        height = height < 1 ? 1 : height;
        top -= height;
        fprintf(out,
                "<rect class=\"k%zu\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"/>",
                kind, (double)i * width + width * 0.06, top, width * 0.88, height);
    }
    fputs("</a>\n", out);
}

static void put_picture(const struct timeline *timeline)
{
    FILE *out = timeline->request->out;
    fprintf(out,
            "<div class=\"chart\"><svg viewBox=\"0 0 %d %d\" preserveAspectRatio=\"none\" "
            "aria-hidden=\"true\">\n",
            WIDTH, HEIGHT);
    for (size_t i = 0; i < timeline->count; i++)
        put_bar(timeline, i);
    fputs("</svg><div class=\"axis\">", out);
    size_t marks[] = {0, timeline->count / 2, timeline->count};
    for (size_t i = 0; i < 3; i++)
        if (i != 1 || timeline->count > 2) {
            fputs("<span>", out);
            html_time(out, timeline->bars[marks[i]].time_us, timeline->unit_us);
            fputs("</span>", out);
        }
    fputs("</div></div>\n", out);
}

static void put_legend(const struct timeline *timeline)
{
    FILE *out = timeline->request->out;
    size_t shown = timeline->seen_count < KINDS ? timeline->seen_count : KINDS - 1;
    double others = 0;
    fputs("<ul class=\"legend\">\n", out);
    for (size_t i = 0; i < shown; i++) {
        fputs("<li><a href=\"events", out);
        query_link(timeline->request, "type", timeline->seen[i].name);
        fprintf(out, "\"><i class=\"k%zu\"></i>", i);
        html_text(out, timeline->seen[i].name);
        fputs("</a> <b>", out);
        html_count(out, (uint64_t)(timeline->seen[i].estimate + 0.5));
        fputs("</b></li>\n", out);
    }
    for (size_t i = 0; i < timeline->count; i++)
        others += share(&timeline->bars[i], timeline->bars[i].seen[KINDS - 1]);
    if (others > 0) {
        fprintf(out, "<li><i class=\"k%d\"></i>Other types <b>", KINDS - 1);
        html_count(out, (uint64_t)(others + 0.5));
        fputs("</b></li>\n", out);
    }
    fputs("</ul>\n", out);
}

static void put_table(const struct timeline *timeline)
{
    FILE *out = timeline->request->out;
    fputs(
        "<details class=\"numbers\"><summary>The timeline as a table</summary>\n<table><thead><tr><th scope=\"col\">From"
        "</th><th scope=\"col\">Events</th></tr></thead><tbody>\n",
        out);
    for (size_t i = 0; i < timeline->count; i++) {
        if (!timeline->bars[i].count)
            continue;
        fputs("<tr><td><a href=\"", out);
        put_zoom(timeline, i);
        fputs("\">", out);
        html_time(out, timeline->bars[i].time_us, timeline->unit_us);
        fputs("</a></td><td class=\"number\">", out);
        put_number(out, timeline, &timeline->bars[i]);
        fputs("</td></tr>\n", out);
    }
    fputs("</tbody></table></details>\n", out);
}

static void put_said(const struct timeline *timeline)
{
    FILE *out = timeline->request->out;
    bool chooses = query_chooses(timeline->query);
    fputs("<p class=\"note\">", out);
    html_events(out, timeline->total);
    fputs(chooses ? " of all types in this time, " : ", ", out);
    html_duration(out, timeline->unit_us);
    fputs(" a bar. ", out);
    if (!is_exact(timeline)) {
        fputs(chooses ? "The bars are estimated"
                      : "The bars are exact; which types they are is estimated",
              out);
        fputs(" from ", out);
        html_count(out, timeline->read_count);
        fputs(" events all over the time. ", out);
    }
    if (timeline->request->info.clock_step_count)
        fputs("A clock was set back: a bar begins at the first event of its time.", out);
    fputs("</p>\n", out);
}

static void put_all(const struct timeline *timeline)
{
    fputs("<section class=\"timeline\" aria-label=\"Timeline\">\n", timeline->request->out);
    put_said(timeline);
    put_picture(timeline);
    put_legend(timeline);
    put_table(timeline);
    fputs("</section>\n", timeline->request->out);
}

int timeline_put(struct request *request, const struct query *query)
{
    struct timeline *timeline = calloc(1, sizeof *timeline);
    if (!timeline)
        return evlog_fail("out of memory");
    timeline->request = request;
    timeline->query = query;
    int code = make_bars(timeline);
    timeline->until_ms = now_ms() + PAGE_MS;
    if (!code)
        code = read_bars(timeline);
    if (!code && timeline->count) {
        sum_up(timeline);
        put_all(timeline);
    }
    for (size_t i = 0; i < timeline->seen_count; i++)
        free(timeline->seen[i].name);
    free(timeline);
    return code;
}
