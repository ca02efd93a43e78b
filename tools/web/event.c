/*
 * One event: its metadata, its data as a tree, and its neighbours.
 *
 * The tree is nested <details>, so that it works without a script. It is bounded: NODES_MAX values, TEXT_MAX bytes of
 * each text; what is left out is said. The JSON has all of it, up to JSON_DATA_MAX.
 */
#include "html.h"

#include <stdlib.h>
#include <string.h>

#include "list.h"
#include "scan.h"
#include "tool.h"

#define NODES_MAX 3000
#define TEXT_MAX 8192
#define OPEN_DEPTH 4 /* levels that are shown unfolded */
#define NEIGHBOURS 3 /* on each side */
#define JSON_DATA_MAX (8 << 20)

struct tree {
    FILE *out;
    size_t node_count;
};

/* ----------------------------------------------------------------- tree ---- */

static void put_cut_text(FILE *out, const char *text, size_t size)
{
    size_t end = size;
    if (size > TEXT_MAX)
        for (end = TEXT_MAX; end && ((unsigned char)text[end] & 0xc0) == 0x80; end--)
            ;
    html_text_sized(out, text, end);
    if (end < size) {
        fputs("\xe2\x80\xa6 <i>", out);
        html_count(out, size - end);
        fputs(" bytes more</i>", out);
    }
}

static void put_bytes(FILE *out, evlog_bytes bytes)
{
    const unsigned char *data = bytes.data;
    size_t shown = bytes.size < 64 ? bytes.size : 64;
    fprintf(out, "<span class=\"v-bytes\">%zu byte%s", bytes.size, bytes.size == 1 ? "" : "s");
    for (size_t i = 0; i < shown; i++)
        fprintf(out, "%s%02x", i ? " " : ": ", data[i]);
    fputs(shown < bytes.size ? " \xe2\x80\xa6</span>" : "</span>", out);
}

/* With the digits that it needs, as in JSON. */
static void put_double(FILE *out, const evlog_value *value)
{
    evlog_buffer json;
    if (evlog_data_json(value->data.data, value->data.size, EVLOG_JSON_LINE, &json) != EVLOG_OK)
        return;
    fputs("<span class=\"v-number\">", out);
    html_text_sized(out, json.data, json.size);
    fputs("</span>", out);
    evlog_buffer_free(&json);
}

/* A value that has nothing inside. */
static void put_scalar(FILE *out, const evlog_value *value)
{
    switch (value->kind) {
    case EVLOG_VALUE_NULL:
        fputs("<span class=\"v-word\">null</span>", out);
        break;
    case EVLOG_VALUE_BOOL:
        fprintf(out, "<span class=\"v-word\">%s</span>", value->boolean ? "true" : "false");
        break;
    case EVLOG_VALUE_INTEGER:
        fprintf(out, "<span class=\"v-number\">%" PRId64 "</span>", value->integer);
        break;
    case EVLOG_VALUE_UNSIGNED:
        fprintf(out, "<span class=\"v-number\">%" PRIu64 "</span>", value->unsigned_integer);
        break;
    case EVLOG_VALUE_DOUBLE:
        put_double(out, value);
        break;
    case EVLOG_VALUE_STRING:
        fputs("<span class=\"v-text\">", out);
        put_cut_text(out, value->string.text, value->string.size);
        fputs("</span>", out);
        break;
    case EVLOG_VALUE_EXTENSION:
        fprintf(out, "<i>extension %d</i> ", value->extension_type);
        put_bytes(out, value->bytes);
        break;
    default:
        put_bytes(out, value->bytes);
    }
}

static void put_key(FILE *out, const evlog_value *key, size_t index)
{
    fputs("<span class=\"key\">", out);
    if (!key)
        fprintf(out, "%zu", index);
    else if (key->kind == EVLOG_VALUE_STRING)
        put_cut_text(out, key->string.text, key->string.size);
    else if (key->kind == EVLOG_VALUE_MAP || key->kind == EVLOG_VALUE_LIST)
        fputs("(a map or list)", out);
    else
        put_scalar(out, key);
    fputs("</span> ", out);
}

static void put_items(struct tree *tree, const evlog_value *of, unsigned depth);

static void put_node(struct tree *tree, const evlog_value *key, size_t index,
                     const evlog_value *value, unsigned depth)
{
    FILE *out = tree->out;
    bool is_map = value->kind == EVLOG_VALUE_MAP;
    fputs("<li>", out);
    if ((!is_map && value->kind != EVLOG_VALUE_LIST) || value->count == 0) {
        put_key(out, key, index);
        if (value->kind == EVLOG_VALUE_LIST || is_map)
            fputs(is_map ? "<span class=\"v-word\">{}</span>"
                         : "<span class=\"v-word\">[]</span>",
                  out);
        else
            put_scalar(out, value);
    } else {
        fprintf(out, "<details%s><summary>", depth < OPEN_DEPTH ? " open" : "");
        put_key(out, key, index);
        fprintf(out, is_map ? "<small>{%zu}</small>" : "<small>[%zu]</small>", value->count);
        fputs("</summary>", out);
        put_items(tree, value, depth + 1);
        fputs("</details>", out);
    }
    fputs("</li>\n", out);
}

static void put_items(struct tree *tree, const evlog_value *of, unsigned depth)
{
    evlog_items items;
    evlog_value key, value;
    bool is_map = of->kind == EVLOG_VALUE_MAP;
    size_t index = 0;
    fputs("<ul class=\"tree\">\n", tree->out);
    if (evlog_items_begin(of, &items) == EVLOG_OK)
        for (; tree->node_count < NODES_MAX && evlog_items_next(&items, &key, &value); index++) {
            tree->node_count++;
            put_node(tree, is_map ? &key : NULL, index, &value, depth);
        }
    if (index < of->count) {
        fputs("<li class=\"note\">", tree->out);
        html_count(tree->out, of->count - index);
        fputs(" more are not shown here.</li>\n", tree->out);
    }
    fputs("</ul>\n", tree->out);
}

static void put_data(FILE *out, const void *data, size_t data_size, const char *none)
{
    struct tree tree = {.out = out};
    evlog_value value;
    if (!data || evlog_data_value(data, data_size, &value) != EVLOG_OK)
        fprintf(out, "<p class=\"note\">%s</p>\n", data ? "It is not well formed." : none);
    else if (!value.count)
        fputs("<p class=\"note\">Empty.</p>\n", out);
    else
        put_items(&tree, &value, 0);
}

/* ------------------------------------------------------------- metadata ---- */

static void put_field(FILE *out, const char *name, const char *text)
{
    fprintf(out, "<dt>%s</dt><dd>", name);
    html_text(out, text);
    fputs("</dd>\n", out);
}

static void put_type(struct request *request, const evlog_event *event)
{
    FILE *out = request->out;
    fputs("<dt>Type</dt><dd><a href=\"", out);
    html_log_url(request);
    fprintf(out, "type/%016" PRIx64 "\">", event->type_number);
    html_text(out, event->event_type);
    fprintf(out, "</a>%s <a class=\"aside\" href=\"", event->schema ? "" : " (untyped)");
    html_log_url(request);
    fputs("events?type=", out);
    html_url(out, event->event_type);
    fputs("\">all of this type</a></dd>\n", out);
}

static void put_metadata(struct request *request, const evlog_event *event)
{
    FILE *out = request->out;
    char id[EVLOG_UUID_TEXT_SIZE];
    fputs("<dl class=\"facts\">\n", out);
    put_type(request, event);
    fputs("<dt>Time</dt><dd>", out);
    html_time(out, event->time_us, 1);
    fputs("</dd>\n<dt>Logged</dt><dd>", out);
    html_time(out, event->log_time_us, 1);
    fputs("</dd>\n", out);
    put_field(out, "Id", evlog_uuid_text(event->id, id));
    fprintf(out, "<dt>Minor version</dt><dd>%" PRId32 "</dd>\n", event->minorversion);
    put_field(out, "Source", event->source);
    put_field(out, "Host", event->sourcehost);
    put_field(out, "Library", event->sourcelib);
    if (event->from_event_bus)
        put_field(out, "From", "an event bus");
    fputs("</dl>\n", out);
}

/* ----------------------------------------------------------- neighbours ---- */

struct neighbours {
    struct request *request;
    uint64_t seq;
    uint64_t before, after; /* the nearest; 0: none */
};

static int put_neighbour(const evlog_event *event, void *ctx)
{
    struct neighbours *neighbours = ctx;
    list_row(neighbours->request, event, event->seq == neighbours->seq);
    if (event->seq < neighbours->seq)
        neighbours->before = event->seq;
    else if (event->seq > neighbours->seq && !neighbours->after)
        neighbours->after = event->seq;
    return 0;
}

static void put_step(const struct request *request, uint64_t seq, const char *rel,
                     const char *label)
{
    if (!seq)
        return;
    fputs("<a href=\"", request->out);
    html_log_url(request);
    fprintf(request->out, "event/%" PRIu64 "\" rel=\"%s\">%s</a>\n", seq, rel, label);
}

/* The events around it, of any type. */
static int put_neighbours(struct request *request, uint64_t seq)
{
    static const char *const all[] = {"*", "evlog.*"};
    struct query query = {.range = {.types = all, .type_count = 2, .with_nameless = true}};
    struct neighbours neighbours = {.request = request, .seq = seq};
    uint64_t first = request->info.first_seq, last = request->info.last_seq;
    struct scan scan = {.query = &query,
                        .first_seq = seq > first + NEIGHBOURS ? seq - NEIGHBOURS : first,
                        .last_seq = last - seq > NEIGHBOURS ? seq + NEIGHBOURS : last,
                        .count_max = 2 * NEIGHBOURS + 1,
                        .ms_max = PAGE_MS,
                        .visit = put_neighbour,
                        .ctx = &neighbours};
    fputs("<section><h2>Around it</h2>\n", request->out);
    list_begin(request->out, "The events before and after it");
    int code = scan_run(request->log, &scan);
    list_end(request->out);
    fputs("<nav class=\"pager\" aria-label=\"Neighbours\">", request->out);
    put_step(request, neighbours.before, "prev", "\xe2\x86\x90 Before");
    put_step(request, neighbours.after, "next", "After \xe2\x86\x92");
    fputs("</nav></section>\n", request->out);
    return code;
}

/* ----------------------------------------------------------------- page ---- */

static int json_page(struct request *request, const evlog_event *event)
{
    evlog_buffer json;
    if (event->data_size > JSON_DATA_MAX)
        return page_refused(
            request, MHD_HTTP_FORBIDDEN,
            "The data of this event are too large for this page; evlog get prints them.");
    int code = evlog_event_json(event, EVLOG_JSON_INDENTED, &json);
    if (code)
        return page_failed(request, code);
    request->content_type = "application/json";
    fwrite(json.data, 1, json.size, request->out);
    fputc('\n', request->out);
    evlog_buffer_free(&json);
    return MHD_HTTP_OK;
}

static int html_page(struct request *request, const evlog_event *event)
{
    FILE *out = request->out;
    char title[40];
    snprintf(title, sizeof title, "Event %" PRIu64, event->seq);
    page_begin(request, title, NULL);
    put_metadata(request, event);
    if (event->headers_size > 1) {
        fputs("<section><h2>Headers</h2>\n", out);
        put_data(out, event->headers, event->headers_size, "");
        fputs("</section>\n", out);
    }
    fprintf(out, "<section><h2>Data <a class=\"aside\" href=\"%" PRIu64 ".json\">JSON</a></h2>\n",
            event->seq);
    put_data(out, event->data, event->data_size, "The data were erased.");
    fputs("</section>\n", out);
    if (put_neighbours(request, event->seq))
        fputs("<p class=\"note\">Its neighbours could not be read.</p>\n", out);
    page_end(request);
    return MHD_HTTP_OK;
}

/* One that cannot be read still has neighbours. */
static int damaged_page(struct request *request, uint64_t seq)
{
    char title[40];
    snprintf(title, sizeof title, "Event %" PRIu64, seq);
    page_begin(request, title, NULL);
    html_wrong(request->out, evlog_errmsg());
    put_neighbours(request, seq);
    page_end(request);
    return MHD_HTTP_OK;
}

int event_page(struct request *request)
{
    char text[24];
    size_t size = strcspn(request->rest, ".");
    evlog_event *event;
    uint64_t seq;
    bool is_json = strcmp(request->rest + size, ".json") == 0;
    snprintf(text, sizeof text, "%.*s", size < sizeof text ? (int)size : 0, request->rest);
    if ((!is_json && request->rest[size]) || !seq_read(text, &seq))
        return page_refused(request, MHD_HTTP_NOT_FOUND, "A seq is a number: 1, 2, 3 ...");
    int code = evlog_read(request->log, seq, &event);
    if (code == EVLOG_DAMAGED && !is_json && seq >= request->info.first_seq &&
        seq <= request->info.last_seq)
        return damaged_page(request, seq);
    if (code)
        return page_failed(request, code);
    int status = is_json ? json_page(request, event) : html_page(request, event);
    evlog_event_free(event);
    return status;
}
