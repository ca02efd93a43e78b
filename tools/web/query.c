/*
 * The filter: parameters of the URL, the same on every page that has them. They are called as the command's options.
 *
 *   type=T        event types, with blanks between, or beginnings of them: "org.openedx.*"
 *   since= until= log time, as the command reads it: 2026-01-31T18:00, -1h
 *   where=PATH=VALUE grep=TEXT not-type=T source=S host=H
 *                 what event_filter.c reads; each may be there several times
 *   from= to=     seqs
 *   id=UUID
 *   own=1         the log's own events too
 *   before=SEQ    a place in the list: the events before it; after=SEQ: those after it
 *
 * What is empty is not there, so that a form can have all fields, and blanks before a value do not count.
 *
 * A regular expression (where=PATH~VALUE) may cost what nobody can wait for: some become large by themselves, and some
 * take 200 us and 3 KB for each byte of a text (event_filter.c). So it is short, without {N} and with few +, and is not
 * looked for in events of more than LIKE_DATA_MAX bytes; the page says so. A text that is looked for is short, too.
 */
#include "query.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "html.h"
#include "times.h"
#include "tool.h"

#define LIKE_SIZE_MAX 128
#define LIKE_DATA_MAX 4096
#define GREP_SIZE_MAX 256
#define PLUS_MAX 4

/* Whether a condition that is a regular expression costs little: glibc makes a + twice as large as what precedes it. */
static bool is_cheap(const char *text)
{
    size_t plus_count = 0;
    if (!strchr(text, '~'))
        return true;
    for (const char *at = text; *at; at++)
        plus_count += *at == '+';
    return strlen(text) <= LIKE_SIZE_MAX && plus_count <= PLUS_MAX && !strchr(text, '{');
}

static int add_where(struct event_filter *filter, char *text)
{
    return is_cheap(text) ? event_filter_where(filter, text) : -1;
}

static int add_grep(struct event_filter *filter, char *text)
{
    return strlen(text) <= GREP_SIZE_MAX ? event_filter_grep(filter, text) : -1;
}

static int add_not_type(struct event_filter *filter, char *text)
{
    return event_filter_pattern(&filter->not_types, text);
}

static int add_source(struct event_filter *filter, char *text)
{
    return event_filter_pattern(&filter->sources, text);
}

static int add_host(struct event_filter *filter, char *text)
{
    return event_filter_pattern(&filter->hosts, text);
}

static const struct {
    const char *name, *label, *hint;
    int (*add)(struct event_filter *filter, char *text); /* of what may be there several times */
    bool is_rare;                                        /* and so is folded away */
} fields[] = {
    {"type", "Type", "org.openedx.*", NULL, false},
    {"since", "Since", "-1h, 2026-01-31", NULL, false},
    {"until", "Until", "now", NULL, false},
    {"where", "Where", "user.id=7", add_where, false},
    {"grep", "Contains", "text", add_grep, false},
    {"not-type", "Not type", "org.example.*", add_not_type, true},
    {"source", "Source", "openedx/lms/*", add_source, true},
    {"host", "Host", "", add_host, true},
    {"from", "From seq", "", NULL, true},
    {"to", "To seq", "", NULL, true},
    {"id", "Id", "UUID", NULL, true},
};
#define FIELD_COUNT (sizeof fields / sizeof *fields)

/* -------------------------------------------------------------- reading ---- */

/* The values of a parameter that is there several times. */
struct values {
    const char *name;
    const char *texts[PATTERNS_MAX];
    size_t count;
    bool is_too_many;
};

static enum MHD_Result take_value(void *ctx, enum MHD_ValueKind kind, const char *name,
                                  const char *value)
{
    struct values *values = ctx;
    (void)kind;
    if (strcmp(name, values->name) != 0 || !value)
        return MHD_YES;
    value += strspn(value, " ");
    values->is_too_many |= *value && values->count == PATTERNS_MAX;
    if (*value && values->count < PATTERNS_MAX)
        values->texts[values->count++] = value;
    return MHD_YES;
}

static struct values values_of(const struct request *request, const char *name)
{
    struct values values = {.name = name};
    MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, take_value, &values);
    return values;
}

/* A copy that lasts as long as the query, and may be changed; NULL: no memory. */
static char *keep(struct query *query, const char *text)
{
    char *copy = query->text_count < TEXTS_MAX ? strdup(text) : NULL;
    if (copy)
        query->texts[query->text_count++] = copy;
    else
        query->wrong = "Out of memory.";
    return copy;
}

static void read_types(const struct request *request, struct query *query)
{
    static const char *const all[] = {"*", "evlog.*"};
    const char *value = parameter(request, "type");
    char *text = value ? keep(query, value) : NULL, *rest;
    query->range.types = query->types;
    for (char *type = text ? strtok_r(text, " \t\r\n,", &rest) : NULL; type;
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

static void read_filter(const struct request *request, struct query *query)
{
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        struct values values =
            fields[i].add ? values_of(request, fields[i].name) : (struct values){0};
        if (values.is_too_many)
            query->wrong = "A filter has at most 16 of a kind.";
        for (size_t j = 0; j < values.count; j++) {
            char *text = keep(query, values.texts[j]);
            if (text && fields[i].add(&query->filter, text))
                query->wrong =
                    "Where is a path, one of = != < <= > >= ~, and a value: user.id=7. What is looked for is short "
                    "here, and a regular expression has few + and neither {N} nor \\1.";
        }
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
    read_filter(request, query);
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
    event_filter_free(&query->filter);
    while (query->text_count)
        free(query->texts[--query->text_count]);
}

bool query_chooses(const struct query *query)
{
    return query->has_id || !event_filter_is_empty(&query->filter) ||
           (query->range.type_count && query->range.types == query->types);
}

static bool has_like(const struct event_filter *filter)
{
    for (size_t i = 0; i < filter->condition_count; i++)
        if (filter->conditions[i].relation == FILTER_LIKE)
            return true;
    return false;
}

bool query_matches(const struct query *query, const evlog_event *event)
{
    if (event->data_size > LIKE_DATA_MAX && has_like(&query->filter))
        return false;
    return (!query->has_id || memcmp(event->id, query->id, sizeof query->id) == 0) &&
           event_filter_matches(event, (void *)&query->filter);
}

/* -------------------------------------------------------------- writing ---- */

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
        struct values given = values_of(request, field);
        bool is_replaced = strcmp(field, name) == 0 ||
                           (strcmp(name, "since") == 0 && strcmp(field, "until") == 0);
        for (size_t j = 0; j < given.count && !is_replaced; j++)
            put_pair(request->out, &between, field, given.texts[j]);
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

static void put_input(FILE *out, size_t i, const char *value)
{
    fprintf(
        out,
        "<label class=\"f-%s\">%s<input name=\"%s\" placeholder=\"%s\"%s autocomplete=\"off\" "
        "spellcheck=\"false\" value=\"",
        fields[i].name, fields[i].label, fields[i].name, fields[i].hint,
        strstr(fields[i].name, "type") ? " list=\"types\"" : "");
    html_text(out, value);
    fputs("\"></label>\n", out);
}

/* Of what may be there several times there is an input for each, and one more. */
static void put_inputs(FILE *out, const struct request *request, bool rare)
{
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        struct values values = values_of(request, fields[i].name);
        if (fields[i].is_rare != rare)
            continue;
        for (size_t j = 0; j < values.count && (!j || fields[i].add); j++)
            put_input(out, i, values.texts[j]);
        if (!values.count || (fields[i].add && values.count < PATTERNS_MAX))
            put_input(out, i, "");
    }
}

static bool is_any_given(const struct request *request, bool rare)
{
    for (size_t i = 0; i < FIELD_COUNT; i++)
        if (fields[i].is_rare == rare && parameter(request, fields[i].name))
            return true;
    return rare && parameter(request, "own");
}

static void put_form(const struct request *request, const char *page)
{
    FILE *out = request->out;
    bool has_rare = is_any_given(request, true);
    fputs("<form class=\"filter\" role=\"search\" action=\"", out);
    html_log_url(request);
    fprintf(out, "%s\" method=\"get\">\n", page);
    put_inputs(out, request, false);
    fprintf(out, "<details class=\"more\"%s><summary>More</summary><div>\n",
            has_rare ? " open" : "");
    put_inputs(out, request, true);
    fprintf(
        out,
        "<label class=\"check\"><input type=\"checkbox\" name=\"own\" value=\"1\"%s> the log&#39;s own</label>\n"
        "</div></details>\n<button>Show</button>",
        parameter(request, "own") ? " checked" : "");
    if (has_rare || is_any_given(request, false)) {
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
    if (has_like(&query.filter))
        fprintf(
            request->out,
            "<p class=\"note\">A regular expression is looked for in events of up to %d bytes of data here; "
            "evlog show has no such limit.</p>\n",
            LIKE_DATA_MAX);
    int code = query.wrong ? EVLOG_INVALID : put(request, &query);
    if (code)
        html_wrong(request->out, query.wrong ? query.wrong : evlog_errmsg());
    query_free(&query);
    page_end(request);
    return code ? status_of(code) : MHD_HTTP_OK;
}
