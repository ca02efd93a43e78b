/* evlog types: the event types of a log, counted over a range; or their schemas. */
#include <stdlib.h>
#include <string.h>

#include "print.h"
#include "progress.h"
#include "text.h"
#include "times.h"

struct count {
    char *name;
    uint32_t order; /* in which it was defined */
    uint64_t count, first_seq, last_seq;
    int64_t first_us, last_us; /* log time */
};

struct counts {
    const struct options *options;
    struct count *items;
    size_t count;
    int is_out_of_memory;
};

/* Whether a type is listed: the log's own only with --all, or when they are asked for. */
static int is_listed(const struct options *options, const char *name)
{
    const evlog_range *range = &options->range;
    return evlog_type_matches(range->types, range->type_count, name) ||
           (options->all && !range->type_count);
}

/* A type comes once for each schema that it has had. */
static int is_counted(const struct counts *counts, const char *name)
{
    for (size_t i = 0; i < counts->count; i++)
        if (strcmp(counts->items[i].name, name) == 0)
            return 1;
    return 0;
}

static int add_type(const evlog_type *type, void *ctx)
{
    struct counts *counts = ctx;
    if (!is_listed(counts->options, type->name) || is_counted(counts, type->name))
        return 0;
    char *name = strdup(type->name);
    struct count *items = realloc(counts->items, (counts->count + 1) * sizeof *items);
    counts->items = items ? items : counts->items;
    counts->is_out_of_memory |= !name || !items;
    if (counts->is_out_of_memory) {
        free(name);
        return 1;
    }
    counts->items[counts->count] = (struct count){.name = name, .order = (uint32_t)counts->count};
    counts->count++;
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct count *)a)->name, ((const struct count *)b)->name);
}

static int by_order(const void *a, const void *b)
{
    uint32_t left = ((const struct count *)a)->order, right = ((const struct count *)b)->order;
    return (left > right) - (left < right);
}

static int take_count(const evlog_type_count *count, void *ctx)
{
    struct counts *counts = ctx;
    struct count key = {.name = (char *)count->event_type};
    struct count *found = bsearch(&key, counts->items, counts->count, sizeof key, by_name);
    if (!found)
        return 0; /* defined since the types were listed: another process goes on sending */
    found->count = count->event_count;
    found->first_seq = count->first_seq;
    found->last_seq = count->last_seq;
    found->first_us = count->first_log_time_us;
    found->last_us = count->last_log_time_us;
    return 0;
}

/* "-": the event is not known, see evlog_type_count. */
static const char *time_or_dash(uint64_t seq, int64_t time_us, char text[TIME_TEXT_SIZE])
{
    return seq ? time_second_text(time_us, text) : "-";
}

static int put_short(const struct count *item)
{
    char first[TIME_TEXT_SIZE], last[TIME_TEXT_SIZE];
    printf("%10" PRIu64 "  %-23s  %-23s  ", item->count,
           time_or_dash(item->first_seq, item->first_us, first),
           time_or_dash(item->last_seq, item->last_us, last));
    text_put(stdout, item->name, strlen(item->name), 0, 0);
    putchar('\n');
    return 0;
}

static int add_event(json_t *json, const char *seq_name, const char *time_name, uint64_t seq,
                     int64_t time_us)
{
    char text[TIME_TEXT_SIZE];
    if (!seq)
        return 0;
    return json_object_set_new(json, seq_name, json_integer((json_int_t)seq)) ||
           json_object_set_new(json, time_name, json_string(evlog_time_text(time_us, text)));
}

static int put_json(const struct count *item, enum output output)
{
    json_t *json = json_pack("{s:s, s:I}", "type", item->name, "count", (json_int_t)item->count);
    if (!json ||
        add_event(json, "first_seq", "first_log_time", item->first_seq, item->first_us) ||
        add_event(json, "last_seq", "last_log_time", item->last_seq, item->last_us)) {
        json_decref(json);
        return -1;
    }
    return json_put(json, output);
}

static int is_unbounded(const evlog_range *range)
{
    return !range->first_seq && !range->last_seq && !range->since_us && !range->until_us &&
           !range->type_count;
}

/* Prints the types that occur in the range; all of them when there is no range. */
static int put_all(const struct counts *counts, const struct options *options)
{
    int is_all = is_unbounded(&options->range), shown = 0;
    for (size_t i = 0; i < counts->count; i++) {
        const struct count *item = &counts->items[i];
        if (!is_all && !item->count)
            continue;
        if (!shown++ && options->output == OUTPUT_SHORT)
            printf("%10s  %-23s  %-23s  type\n", "events", "first", "last");
        if (options->output == OUTPUT_SHORT ? put_short(item) : put_json(item, options->output))
            return complain(EXIT_LOG, "out of memory");
    }
    return shown ? EXIT_DONE : -1;
}

static int count_all(evlog *log, struct options *options, struct counts *counts)
{
    evlog_outcome outcome = {0};
    evlog_info info;
    int code = evlog_each_type(log, add_type, counts);
    if (counts->is_out_of_memory)
        return complain(EXIT_LOG, "out of memory");
    code = code < 0 ? code : evlog_inspect(log, &info);
    if (code)
        return complain_library(code);
    if (counts->count)
        qsort(counts->items, counts->count, sizeof *counts->items, by_name);
    evlog_range range = options->range;
    static const char *const all[] = {"*", "evlog.*"};
    range.keep_going = 1;
    range.visit = progress_visit;
    if (options->all && !range.type_count) {
        range.types = all;
        range.type_count = 2;
    }
    progress_begin("events counted", info.last_seq);
    code = evlog_count_types(log, &range, take_count, counts, &outcome);
    progress_end();
    if (code)
        return complain_library(code);
    if (counts->count)
        qsort(counts->items, counts->count, sizeof *counts->items, by_order);
    int status = put_all(counts, options);
    if (status < 0)
        status = outcome.damaged ? EXIT_DONE : nothing_matched(log, options);
    return report_damage(options, &outcome, status);
}

/* ------------------------------------------------------------------ schemas ---- */

struct listing {
    const struct options *options;
    uint64_t shown;
};

static void put_marks_short(const evlog_type *type)
{
    for (size_t i = 0; i < type->form_count; i++) {
        fputs(i ? ", " : "  forms: ", stdout);
        text_put(stdout, type->forms[i].path, strlen(type->forms[i].path), 0, 0);
        fputs(" = ", stdout);
        text_put(stdout, type->forms[i].form, strlen(type->forms[i].form), 0, 0);
    }
    for (size_t i = 0; i < type->personal_count; i++) {
        fputs(i ? ", " : "  personal: ", stdout);
        text_put(stdout, type->personal[i], strlen(type->personal[i]), 0, 0);
    }
}

static int put_schema_short(const evlog_type *type)
{
    printf("%016" PRIx64 "  ", type->number);
    text_put(stdout, type->name, strlen(type->name), 0, 0);
    fputs("  ", stdout);
    if (type->schema)
        text_put(stdout, type->schema, strlen(type->schema), 0, 0);
    else
        fputs("(untyped)", stdout);
    put_marks_short(type);
    putchar('\n');
    return 0;
}

static int put_schema_json(const evlog_type *type, enum output output)
{
    json_t *schema = type->schema ? json_loads(type->schema, 0, NULL) : json_null();
    char number[17]; /* hexadecimal: it is above what programs that read JSON can count to */
    snprintf(number, sizeof number, "%016" PRIx64, type->number);
    return json_put(json_pack("{s:s, s:s, s:o, s:o, s:o}", "number", number, "type", type->name,
                              "forms", json_of_forms(type), "personal", json_of_personal(type),
                              "schema", schema ? schema : json_null()),
                    output);
}

static int put_schema(const evlog_type *type, void *ctx)
{
    struct listing *listing = ctx;
    enum output output = listing->options->output;
    if (!is_listed(listing->options, type->name))
        return 0;
    listing->shown++;
    return output == OUTPUT_SHORT ? put_schema_short(type) : put_schema_json(type, output);
}

static int put_schemas(evlog *log, const struct options *options)
{
    struct listing listing = {.options = options};
    int code = evlog_each_type(log, put_schema, &listing);
    if (code == -1)
        return complain(EXIT_LOG, "out of memory");
    if (code)
        return complain_library(code);
    return listing.shown ? EXIT_DONE : complain(EXIT_NOTHING, "the log has no such event type");
}

int types_run(struct options *options)
{
    evlog *log;
    struct counts counts = {.options = options};
    if (open_to_read(options, &log))
        return EXIT_LOG;
    int status = options->schema ? put_schemas(log, options) : count_all(log, options, &counts);
    for (size_t i = 0; i < counts.count; i++)
        free(counts.items[i].name);
    free(counts.items);
    evlog_close(log);
    return status;
}
