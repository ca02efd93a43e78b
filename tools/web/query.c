/*
 * The filter: parameters of the URL, the same on every page that has them.
 *
 *   type=T        event types, with blanks between, or beginnings of them: "org.openedx.*"
 *   since= until= log time, as the command reads it: 2026-01-31T18:00, -1h
 *   from= to=     seqs
 *   own=1         the log's own events too
 *   id=UUID
 *   before=SEQ    a place in the list: the events before it; after=SEQ: those after it
 *
 * What is empty is not there, so that a form can have all fields.
 */
#include "query.h"

#include <stdlib.h>
#include <string.h>

#include "html.h"
#include "times.h"
#include "tool.h"

static const struct {
    const char *name, *label, *hint;
} fields[] = {
    {"type", "Type", "org.openedx.*"},
    {"since", "Since", "-1h, 2026-01-31"},
    {"until", "Until", "now"},
    {"from", "From seq", ""},
    {"to", "To seq", ""},
    {"id", "Id", "UUID"},
};
#define FIELD_COUNT (sizeof fields / sizeof *fields)

static void read_types(const struct request *request, struct query *query)
{
    static const char *const all[] = {"*", "evlog.*"};
    const char *value = parameter(request, "type");
    char *rest;
    query->range.types = query->types;
    query->text = strdup(value ? value : "");
    if (!query->text)
        return;
    for (char *type = strtok_r(query->text, " \t\r\n,", &rest); type;
         type = strtok_r(NULL, " \t\r\n,", &rest)) {
        if (query->range.type_count == PATTERNS_MAX) {
            query->wrong = "Too many event types.";
            return;
        }
        query->types[query->range.type_count++] = type;
    }
    if (query->is_own && !query->range.type_count) {
        query->range.types = all;
        query->range.type_count = 2;
    }
}

static void read_seq(const struct request *request, struct query *query, const char *name,
                     uint64_t *seq)
{
    const char *text = parameter(request, name);
    if (text && !seq_read(text, seq))
        query->wrong = "A seq is a number: 1, 2, 3 ...";
}

static void read_time(const struct request *request, struct query *query, const char *name,
                      int64_t *time_us)
{
    const char *text = parameter(request, name);
    if (text && time_read(text, strcmp(name, "until") == 0, evlog_now_us(), time_us))
        query->wrong = "A time is 2026-01-31 18:00:00, today, or -1h (UTC).";
}

void query_read(const struct request *request, struct query *query)
{
    *query = (struct query){.range = {.with_nameless = true}};
    const char *id = parameter(request, "id");
    query->is_own = parameter(request, "own") != NULL;
    query->has_id = id != NULL;
    if (id && evlog_uuid_parse(id, query->id))
        query->wrong = "An id is a UUID.";
    read_types(request, query);
    read_seq(request, query, "from", &query->range.first_seq);
    read_seq(request, query, "to", &query->range.last_seq);
    read_time(request, query, "since", &query->range.since_us);
    read_time(request, query, "until", &query->range.until_us);
    if (query->range.last_seq && query->range.first_seq > query->range.last_seq)
        query->wrong = "The first seq is after the last.";
    if (query->range.until_us && query->range.since_us > query->range.until_us)
        query->wrong = "The first time is after the last.";
}

void query_free(struct query *query)
{
    free(query->text);
    query->text = NULL;
}

bool query_chooses(const struct query *query)
{
    return query->has_id || (query->range.type_count && query->range.types == query->types);
}

bool query_matches(const struct query *query, const evlog_event *event)
{
    return !query->has_id || memcmp(event->id, query->id, sizeof query->id) == 0;
}

static void put_pair(FILE *out, const char **between, const char *name, const char *value)
{
    fputs(*between, out);
    html_url(out, name);
    fputc('=', out);
    html_url(out, value);
    *between = "&amp;";
}

void query_link(const struct request *request, const char *name, const char *value)
{
    const char *between = "?";
    for (size_t i = 0; i <= FIELD_COUNT; i++) {
        const char *field = i < FIELD_COUNT ? fields[i].name : "own";
        const char *given = parameter(request, field);
        bool is_replaced = strcmp(field, name) == 0 ||
                           (strcmp(name, "since") == 0 && strcmp(field, "until") == 0);
        if (given && !is_replaced)
            put_pair(request->out, &between, field, given);
    }
    put_pair(request->out, &between, name, value);
}

/* The types as suggestions. */
static int put_option(const evlog_type *type, void *ctx)
{
    FILE *out = ctx;
    fputs("<option value=\"", out);
    html_text(out, type->name);
    fputs("\">", out);
    return ftell(out) > 200000;
}

static void put_form(const struct request *request, const char *page)
{
    FILE *out = request->out;
    bool is_used = parameter(request, "own") != NULL;
    fputs("<form class=\"filter\" role=\"search\" action=\"", out);
    html_log_url(request);
    fprintf(out, "%s\" method=\"get\">\n", page);
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        const char *value = parameter(request, fields[i].name);
        is_used |= value != NULL;
        fprintf(
            out,
            "<label class=\"f-%s\">%s<input name=\"%s\" placeholder=\"%s\"%s autocomplete=\"off\" "
            "spellcheck=\"false\" value=\"",
            fields[i].name, fields[i].label, fields[i].name, fields[i].hint,
            i == 0 ? " list=\"types\"" : "");
        html_text(out, value ? value : "");
        fputs("\"></label>\n", out);
    }
    fprintf(
        out,
        "<label class=\"check\"><input type=\"checkbox\" name=\"own\" value=\"1\"%s> the log&#39;s own</label>\n"
        "<button>Show</button>",
        parameter(request, "own") ? " checked" : "");
    if (is_used) {
        fputs("<a class=\"clear\" href=\"", out);
        html_log_url(request);
        fprintf(out, "%s\">Clear</a>", page);
    }
    fputs("<datalist id=\"types\">", out);
    (void)evlog_each_type(request->log, put_option, out);
    fputs("</datalist></form>\n", out);
}

int query_page(struct request *request, const char *title, const char *section,
               int put(struct request *request, const struct query *query))
{
    struct query query;
    page_begin(request, title, section);
    query_read(request, &query);
    put_form(request, section);
    int code = query.wrong ? EVLOG_INVALID : put(request, &query);
    if (code)
        html_wrong(request->out, query.wrong ? query.wrong : evlog_errmsg());
    query_free(&query);
    page_end(request);
    return code ? status_of(code) : MHD_HTTP_OK;
}
