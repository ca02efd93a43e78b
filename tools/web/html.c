/*
 * HTML: text made safe for it, and the frame of every page.
 *
 * Text is escaped twice over: what HTML gives a meaning to (& < > " ') becomes a reference, and what turns text around
 * or cannot be seen (text.c) is written as on a terminal. No page has a script or a style of its own, so that the
 * Content-Security-Policy forbids them.
 */
#include "html.h"

#include <string.h>

#include "text.h"
#include "times.h"

#define SUMMARY_DATA_MAX (16 << 10) /* larger data are not turned into JSON for a list */
#define SUMMARY_SIZE_MAX 400

/* ----------------------------------------------------------------- text ---- */

static const char *reference(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

/* These characters are ASCII, so none is a part of another one. */
void html_text_sized(FILE *out, const char *text, size_t size)
{
    size_t run = 0;
    for (size_t i = 0; i < size; i++) {
        const char *escaped = reference(text[i]);
        if (!escaped)
            continue;
        text_put(out, text + run, i - run, 1, 0);
        fputs(escaped, out);
        run = i + 1;
    }
    text_put(out, text + run, size - run, 1, 0);
}

void html_text(FILE *out, const char *text)
{
    html_text_sized(out, text, strlen(text));
}

void html_url(FILE *out, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        bool is_plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                        (c >= 'A' && c <= 'Z') || (c && strchr("-._~*", c));
        fprintf(out, is_plain ? "%c" : "%%%02X", c);
    }
}

void html_count(FILE *out, uint64_t count)
{
    char digits[24];
    int size = snprintf(digits, sizeof digits, "%" PRIu64, count);
    for (int i = 0; i < size; i++) {
        if (i && (size - i) % 3 == 0)
            fputc(',', out);
        fputc(digits[i], out);
    }
}

void html_events(FILE *out, uint64_t count)
{
    html_count(out, count);
    fputs(count == 1 ? " event" : " events", out);
}

void html_wrong(FILE *out, const char *text)
{
    fputs("<p class=\"wrong\" role=\"alert\">", out);
    html_text(out, text);
    fputs("</p>\n", out);
}

void html_time(FILE *out, int64_t time_us, int64_t unit_us)
{
    char text[TIME_TEXT_SIZE];
    int size = unit_us >= 86400000000 ? 10
               : unit_us >= 60000000  ? 16
               : unit_us >= 1000000   ? 19
               : unit_us >= 1000      ? 23
                                      : 26;
    evlog_time_text(time_us, text);
    fprintf(out, "<time datetime=\"%s\">", text);
    fprintf(out, "%.*s</time>", size, time_short_text(time_us, text));
}

void html_duration(FILE *out, int64_t us)
{
    double seconds = (double)us / 1e6;
    if (seconds < 1)
        fprintf(out, "%.0f ms", seconds * 1000);
    else if (seconds < 60)
        fprintf(out, "%.3g s", seconds);
    else if (seconds < 3600)
        fprintf(out, "%.0f min", seconds / 60);
    else if (seconds < 86400)
        fprintf(out, "%.3g h", seconds / 3600);
    else
        fprintf(out, "%.3g d", seconds / 86400);
}

void html_summary(FILE *out, const evlog_event *event)
{
    evlog_buffer json;
    if (!event->data) {
        fputs("<i>erased</i>", out);
        return;
    }
    if (event->data_size > SUMMARY_DATA_MAX) {
        fputs("<i>", out);
        html_count(out, event->data_size);
        fputs(" bytes</i>", out);
        return;
    }
    if (evlog_data_json(event->data, event->data_size, EVLOG_JSON_LINE, &json) != EVLOG_OK) {
        fputs("<i>not readable</i>", out);
        return;
    }
    const char *text = json.data;
    size_t size = json.size;
    if (size > SUMMARY_SIZE_MAX) /* not inside of a character */
        for (size = SUMMARY_SIZE_MAX; size && ((unsigned char)text[size] & 0xc0) == 0x80; size--)
            ;
    html_text_sized(out, text, size);
    if (size < json.size)
        fputs("\xe2\x80\xa6", out);
    evlog_buffer_free(&json);
}

/* ----------------------------------------------------------------- page ---- */

void html_log_url(const struct request *request)
{
    fputs("/log/", request->out);
    html_url(request->out, request->about->name);
    fputc('/', request->out);
}

void html_seq(const struct request *request, uint64_t seq)
{
    fputs("<a href=\"", request->out);
    html_log_url(request);
    fprintf(request->out, "event/%" PRIu64 "\">%" PRIu64 "</a>", seq, seq);
}

static void put_menu(struct request *request, const char *section)
{
    static const char *const items[][2] = {{"events", "Events"}, {"live", "Live"},
                                           {"types", "Types"},   {"consumers", "Consumers"},
                                           {"verify", "Verify"}, {"about", "About"}};
    FILE *out = request->out;
    fputs("<nav aria-label=\"Log\"><ul>", out);
    for (size_t i = 0; i < sizeof items / sizeof *items; i++) {
        fputs("<li><a href=\"", out);
        html_log_url(request);
        fprintf(out, "%s\"%s>%s</a>", items[i][0],
                section && strcmp(section, items[i][0]) == 0 ? " aria-current=\"page\"" : "",
                items[i][1]);
    }
    fputs("</ul></nav>", out);
}

void page_begin(struct request *request, const char *title, const char *section)
{
    FILE *out = request->out;
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>", out);
    html_text(out, title);
    if (request->about) {
        fputs(" \xc2\xb7 ", out);
        html_text(out, request->about->name);
    }
    fputs(" \xc2\xb7 evlog</title>\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
          "<meta name=\"color-scheme\" content=\"light dark\">\n"
          "<link rel=\"icon\" href=\"/icon.svg\">\n<link rel=\"stylesheet\" href=\"/page.css\">\n"
          "<script src=\"/page.js\" defer></script>\n</head>\n<body>\n"
          "<a class=\"skip\" href=\"#main\">Skip to content</a>\n<header><a class=\"brand\" "
          "href=\"/\">evlog</a>",
          out);
    if (request->about) {
        fputs("<a class=\"log\" href=\"", out);
        html_log_url(request);
        fputs("about\">", out);
        html_text(out, request->about->name);
        fputs("</a>", out);
        put_menu(request, section);
    }
    fputs("</header>\n<main id=\"main\">\n<h1>", out);
    html_text(out, title);
    fputs("</h1>\n", out);
}

void page_end(struct request *request)
{
    fprintf(
        request->out,
        "</main>\n<footer>evlog %s. Times are UTC. This page only reads.</footer>\n</body>\n</html>\n",
        evlog_version());
}
