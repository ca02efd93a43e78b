/* The event types, and one of them with its schema, forms and personal fields. */
#include "html.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define TYPES_SHOWN_MAX 500
#define SCHEMA_SHOWN_MAX (256 << 10)
#define DEPTH_MAX 8 /* of records inside each other, in the table of fields */
#define FIELDS_SHOWN_MAX 500

/* ----------------------------------------------------------------- list ---- */

struct listing {
    struct request *request;
    const char *after; /* NULL once it has been passed */
    size_t count;
    uint64_t last_number;
    bool has_more;
};

static int put_one(const evlog_type *type, void *ctx)
{
    struct listing *listing = ctx;
    FILE *out = listing->request->out;
    char number[17];
    snprintf(number, sizeof number, "%016" PRIx64, type->number);
    if (listing->after) { /* those up to the last of the page before */
        if (strcmp(listing->after, number) == 0)
            listing->after = NULL;
        return 0;
    }
    if (listing->count == TYPES_SHOWN_MAX) {
        listing->has_more = true;
        return 1;
    }
    listing->count++;
    listing->last_number = type->number;
    fputs("<tr><td class=\"type\"><a href=\"", out);
    html_log_url(listing->request);
    fprintf(out, "type/%s\">", number);
    html_text(out, type->name);
    fprintf(out, "</a></td><td>%s</td><td class=\"number\">", type->schema ? "Avro" : "untyped");
    if (type->personal_count)
        html_count(out, type->personal_count);
    else
        fputs("none", out);
    fputs("</td><td><a href=\"", out);
    html_log_url(listing->request);
    fputs("events?type=", out);
    html_url(out, type->name);
    fputs("\">events</a></td></tr>\n", out);
    return 0;
}

int types_page(struct request *request)
{
    FILE *out = request->out;
    struct listing listing = {.request = request, .after = parameter(request, "after")};
    page_begin(request, "Types", "types");
    fputs(
        "<p class=\"note\">Each event type, and each schema that it has had, in the order of their definition.</p>\n"
        "<table><thead><tr><th scope=\"col\">Type</th><th scope=\"col\">Schema</th><th "
        "scope=\"col\">Personal fields</th><th scope=\"col\">Events</th></tr></thead><tbody>\n",
        out);
    int code = evlog_each_type(request->log, put_one, &listing);
    fputs("</tbody></table>\n", out);
    if (!listing.count && code >= 0)
        fputs("<p class=\"note\">The log has no event types here.</p>\n", out);
    if (listing.has_more)
        fprintf(
            out,
            "<nav class=\"pager\" aria-label=\"Pages\"><a rel=\"next\" href=\"?after=%016" PRIx64
            "\">More \xe2\x86\x92</a></nav>\n",
            listing.last_number);
    if (code < 0)
        html_wrong(out, evlog_errmsg());
    page_end(request);
    return code < 0 ? status_of(code) : MHD_HTTP_OK;
}

/* --------------------------------------------------------------- schema ---- */

struct schema {
    FILE *out;
    const evlog_type *type;
    size_t field_count;
};

/* What a field is, in short: "string", "null or long", "list of X". */
static void put_avro(FILE *out, const json_t *avro, int depth)
{
    const char *type = json_string_value(avro);
    if (depth > DEPTH_MAX)
        fputs("\xe2\x80\xa6", out);
    else if (type)
        html_text(out, type);
    else if (json_is_array(avro))
        for (size_t i = 0; i < json_array_size(avro) && i < 16; i++) {
            fputs(i ? " or " : "", out);
            put_avro(out, json_array_get(avro, i), depth + 1);
        }
    else if ((type = json_string_value(json_object_get(avro, "type")))) {
        bool is_list = strcmp(type, "array") == 0, is_map = strcmp(type, "map") == 0;
        fputs(is_list ? "list of " : is_map ? "map of " : "", out);
        if (is_list || is_map)
            put_avro(out, json_object_get(avro, is_list ? "items" : "values"), depth + 1);
        else {
            const char *name = json_string_value(json_object_get(avro, "name"));
            html_text(out, name ? name : type);
        }
    } else
        put_avro(out, json_object_get(avro, "type"), depth + 1);
}

/* Whether a path is among the personal ones. */
static bool is_personal(const evlog_type *type, const char *path)
{
    for (size_t i = 0; i < type->personal_count; i++)
        if (strcmp(type->personal[i], path) == 0)
            return true;
    return false;
}

static const char *form_of(const evlog_type *type, const char *path)
{
    for (size_t i = 0; i < type->form_count; i++)
        if (strcmp(type->forms[i].path, path) == 0)
            return type->forms[i].form;
    return "";
}

/* The record inside a type: of a union or list, the first one. `*star` where it is an item. */
static const json_t *record_in(const json_t *avro, bool *is_item, int depth)
{
    if (depth > DEPTH_MAX)
        return NULL;
    for (size_t i = 0; i < json_array_size(avro) && i < 16; i++) {
        const json_t *found = record_in(json_array_get(avro, i), is_item, depth + 1);
        if (found)
            return found;
    }
    if (json_object_get(avro, "fields"))
        return avro;
    for (size_t i = 0; i < 2; i++) {
        const json_t *inner = json_object_get(avro, i ? "values" : "items");
        const json_t *found = inner ? record_in(inner, is_item, depth + 1) : NULL;
        if (found) {
            *is_item = true;
            return found;
        }
    }
    const json_t *inner = json_object_get(avro, "type");
    return inner && !json_is_string(inner) ? record_in(inner, is_item, depth + 1) : NULL;
}

static void put_fields(struct schema *schema, const json_t *record, const char *path, int depth)
{
    const json_t *fields = json_object_get(record, "fields");
    FILE *out = schema->out;
    for (size_t i = 0; i < json_array_size(fields) && schema->field_count < FIELDS_SHOWN_MAX;
         i++) {
        const json_t *field = json_array_get(fields, i), *type = json_object_get(field, "type");
        const char *name = json_string_value(json_object_get(field, "name"));
        const char *doc = json_string_value(json_object_get(field, "doc"));
        char *whole, *item;
        bool is_item = false;
        if (!name || asprintf(&whole, "%s%s%s", path, *path ? "." : "", name) < 0)
            continue;
        schema->field_count++;
        fputs("<tr><td><code>", out);
        html_text(out, whole);
        fputs("</code></td><td>", out);
        put_avro(out, type, 0);
        fputs("</td><td>", out);
        html_text(out, form_of(schema->type, whole));
        fputs(is_personal(schema->type, whole) ? "</td><td>personal</td><td>"
                                               : "</td><td></td><td>",
              out);
        html_text(out, doc ? doc : "");
        fputs("</td></tr>\n", out);
        const json_t *inner = record_in(type, &is_item, 0);
        if (inner && depth < DEPTH_MAX &&
            asprintf(&item, "%s%s", whole, is_item ? ".*" : "") >= 0) {
            put_fields(schema, inner, item, depth + 1);
            free(item);
        }
        free(whole);
    }
}

static void put_schema(FILE *out, const evlog_type *type)
{
    json_error_t error;
    if (!type->schema) {
        fputs("<p>It is untyped: its data are any map.</p>\n", out);
        return;
    }
    size_t size = strlen(type->schema);
    json_t *avro =
        size <= SCHEMA_SHOWN_MAX ? json_loads(type->schema, JSON_DECODE_ANY, &error) : NULL;
    struct schema schema = {.out = out, .type = type};
    char *text = avro ? json_dumps(avro, JSON_INDENT(2) | JSON_ENCODE_ANY) : NULL;
    if (json_object_get(avro, "fields")) {
        fputs(
            "<table class=\"fields\"><caption>Fields</caption><thead><tr><th scope=\"col\">Field</th><th "
            "scope=\"col\">Type</th><th scope=\"col\">Form</th><th scope=\"col\">Personal</th><th scope=\"col\">Meaning</th></tr></thead>\n"
            "<tbody>\n",
            out);
        put_fields(&schema, avro, "", 0);
        fputs("</tbody></table>\n", out);
    }
    fprintf(out, "<details%s><summary>The schema (Avro)</summary><pre>",
            schema.field_count ? "" : " open");
    html_text_sized(out, text ? text : type->schema,
                    text                      ? strlen(text)
                    : size > SCHEMA_SHOWN_MAX ? SCHEMA_SHOWN_MAX
                                              : size);
    fputs("</pre></details>\n", out);
    free(text);
    json_decref(avro);
}

/* ------------------------------------------------------------- one type ---- */

struct search {
    struct request *request;
    uint64_t number;
    bool is_found;
};

static int put_type(const evlog_type *type, void *ctx)
{
    struct search *search = ctx;
    struct request *request = search->request;
    FILE *out = request->out;
    if (type->number != search->number)
        return 0;
    search->is_found = true;
    page_begin(request, type->name, NULL);
    fputs("<p><a href=\"", out);
    html_log_url(request);
    fputs("events?type=", out);
    html_url(out, type->name);
    fputs("\">Its events</a> \xc2\xb7 <a href=\"", out);
    html_log_url(request);
    fputs("live?type=", out);
    html_url(out, type->name);
    fprintf(out, "\">live</a> \xc2\xb7 number <code>%016" PRIx64 "</code></p>\n", type->number);
    put_schema(out, type);
    page_end(request);
    return 1;
}

int type_page(struct request *request)
{
    struct search search = {.request = request, .number = strtoull(request->rest, NULL, 16)};
    int code = 0;
    if (strlen(request->rest) == 16 && strspn(request->rest, "0123456789abcdef") == 16)
        code = evlog_each_type(request->log, put_type, &search);
    if (search.is_found)
        return MHD_HTTP_OK;
    return code < 0
               ? page_failed(request, code)
               : page_refused(request, MHD_HTTP_NOT_FOUND, "The log has no such event type.");
}
