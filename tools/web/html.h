/* Text on a page, see html.c. */
#ifndef WEB_HTML_H
#define WEB_HTML_H

#include <evlog/value.h>

#include "web.h"

/* Text, from wherever, as what it is: also inside an attribute's quotes. */
void html_text(FILE *out, const char *text);
void html_text_sized(FILE *out, const char *text, size_t size);

/* Text as a part of a URL. */
void html_url(FILE *out, const char *text);

/* A number with its thousands apart: 1,234,567. */
void html_count(FILE *out, uint64_t count);

/* A time, UTC, to the digits that `unit_us` needs, as a <time>. */
void html_time(FILE *out, int64_t time_us, int64_t unit_us);

/* How long: "1.2 s", "3 min", "5 h", "12 d". */
void html_duration(FILE *out, int64_t us);

/* What is wrong, as a paragraph. */
void html_wrong(FILE *out, const char *text);

/* "1 event", "2 events" */
void html_events(FILE *out, uint64_t count);

/* What a line of a list has of an event's data: JSON, or its size where that is large. */
void html_summary(FILE *out, const evlog_event *event);

/* "/log/NAME/" */
void html_log_url(const struct request *request);

/* A seq, which leads to its event. */
void html_seq(const struct request *request, uint64_t seq);

/* The beginning of a page, up to its <main>, and its end. `section` is the item of the menu, or NULL. */
void page_begin(struct request *request, const char *title, const char *section);
void page_end(struct request *request);

#endif
