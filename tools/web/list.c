/* Events as rows: seq, log time, type, and the beginning of the data. */
#include "list.h"

#include <string.h>

#include "html.h"

void list_begin(FILE *out, const char *caption)
{
    fprintf(
        out,
        "<table class=\"events\"><caption>%s</caption>\n<thead><tr><th scope=\"col\">Seq</th><th "
        "scope=\"col\">Logged</th><th scope=\"col\">Type</th><th scope=\"col\">Data</th></tr></thead>\n"
        "<tbody>\n",
        caption);
}

void list_end(FILE *out)
{
    fputs("</tbody></table>\n", out);
}

void list_row(const struct request *request, const evlog_event *event, bool is_current)
{
    FILE *out = request->out;
    fprintf(out, "<tr%s><td class=\"seq\">", is_current ? " class=\"current\"" : "");
    html_seq(request, event->seq);
    fputs("</td><td class=\"when\">", out);
    html_time(out, event->log_time_us, 1000);
    fputs("</td><td class=\"type\">", out);
    html_text(out, event->event_type);
    fputs("</td><td class=\"data\"><code>", out);
    html_summary(out, event);
    fputs("</code></td></tr>\n", out);
}
