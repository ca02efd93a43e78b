/*
 * evlog export: events as evlog show prints them, and before them the types of the log (history.c has the form).
 *
 * The types come first, in the order of their definition, so that they are defined in the same order where they are
 * imported, and the newest schema of a type is the newest there too. An event that was sent under another schema than
 * the last line about its type says is preceded by a short line that names the schema.
 *
 * With --redact headers are left out and personal fields masked (redact.c). What is personal in an untyped event is
 * not known: each such type is reported, once.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "print.h"
#include "progress.h"
#include "redact.h"

/* An event type under one schema. */
struct kind {
    uint64_t number;
    const char *name;  /* as long as the log */
    size_t name_first; /* the first kind with this name: there `current` is kept */
    uint64_t current;  /* the number that the last line about the name says */
    bool is_named;     /* it was said that it is exported as it is */
    bool is_untyped;
    struct redaction *redaction; /* NULL: nothing is masked */
};

struct exporter {
    const struct options *options;
    evlog *log;
    struct kind *kinds;
    size_t count, max, last;
    msgpack_sbuffer data;
};

/* ----------------------------------------------------------------- types ---- */

/* Writes a line about a type, which is freed. The library's code. */
static int put_json(json_t *json)
{
    return json_put(json, OUTPUT_JSON) ? out_of_memory() : EVLOG_OK;
}

static const char *number_text(uint64_t number, char text[17])
{
    snprintf(text, 17, "%016" PRIx64, number);
    return text;
}

static struct kind *kind_numbered(struct exporter *exporter, uint64_t number)
{
    if (exporter->last < exporter->count && exporter->kinds[exporter->last].number == number)
        return &exporter->kinds[exporter->last];
    for (size_t i = 0; i < exporter->count; i++)
        if (exporter->kinds[i].number == number) {
            exporter->last = i;
            return &exporter->kinds[i];
        }
    return NULL;
}

static struct kind *first_named(const struct exporter *exporter, const struct kind *kind)
{
    return &exporter->kinds[kind->name_first];
}

static int add_kind(struct exporter *exporter, const evlog_type *type)
{
    int failed = 0;
    if (exporter->count == exporter->max) {
        size_t max = 2 * exporter->max + 64;
        struct kind *larger = realloc(exporter->kinds, max * sizeof *larger);
        if (!larger)
            return out_of_memory();
        exporter->kinds = larger;
        exporter->max = max;
    }
    size_t first = 0;
    while (first < exporter->count && strcmp(exporter->kinds[first].name, type->name) != 0)
        first++;
    struct kind *kind = &exporter->kinds[exporter->count++];
    *kind = (struct kind){.number = type->number,
                          .name = type->name,
                          .name_first = first,
                          .is_untyped = !type->schema};
    first_named(exporter, kind)->current = type->number;
    if (exporter->options->redact)
        kind->redaction = redaction_new(type, &failed);
    return failed ? out_of_memory() : EVLOG_OK;
}

/* Writes the types that were not there before. */
static int put_type(const evlog_type *type, void *ctx)
{
    struct exporter *exporter = ctx;
    char number[17];
    const evlog_range *range = &exporter->options->range;
    if (!evlog_type_matches(range->types, range->type_count, type->name) ||
        kind_numbered(exporter, type->number))
        return EVLOG_OK;
    int code =
        put_json(json_pack("{s:s, s:s, s:s?, s:o, s:o}", "define", type->name, "number",
                           number_text(type->number, number), "schema", type->schema, "forms",
                           json_of_forms(type), "personal", json_of_personal(type)));
    return code ? code : add_kind(exporter, type);
}

/* The line that says under which of its schemas a type goes on. */
static int put_turn(const evlog_event *event)
{
    char number[17];
    return put_json(json_pack("{s:s, s:s}", "define", event->event_type, "number",
                              number_text(event->type_number, number)));
}

/* The type of an event, after a line that says that it is the one, if need be. The library's code. */
static int turn_to(struct exporter *exporter, const evlog_event *event, struct kind **found)
{
    *found = kind_numbered(exporter, event->type_number);
    if (!*found) { /* it was defined since */
        int code = evlog_each_type(exporter->log, put_type, exporter);
        *found = kind_numbered(exporter, event->type_number);
        if (code || !*found)
            return code ? code : evlog_fail("its type is not in the log");
    }
    struct kind *first = first_named(exporter, *found);
    if (first->current == event->type_number)
        return EVLOG_OK;
    first->current = event->type_number;
    return put_turn(event);
}

/* ---------------------------------------------------------------- events ---- */

static int put_redacted(struct exporter *exporter, const evlog_event *event, struct kind *kind)
{
    evlog_event masked = *event;
    masked.headers = "\x80";
    masked.headers_size = 1;
    if (kind->is_untyped && !kind->redaction && !kind->is_named) {
        kind->is_named = true;
        complain(0, "%s has no schema that marks personal fields: its events are not masked",
                 event->event_type);
    }
    if (kind->redaction && event->data) {
        msgpack_sbuffer_clear(&exporter->data);
        if (redact(kind->redaction, event, &exporter->data))
            return -1;
        masked.data = exporter->data.data;
        masked.data_size = exporter->data.size;
    }
    return event_put(stdout, &masked, OUTPUT_JSON);
}

/* Ends the program when standard output cannot be written (closed pipe, full disk), not only after the whole log. */
static int put_event(const evlog_event *event, void *ctx)
{
    struct exporter *exporter = ctx;
    struct kind *kind;
    progress_check(event->seq);
    int code = turn_to(exporter, event, &kind);
    if (code)
        return code;
    int failed = exporter->options->redact ? put_redacted(exporter, event, kind)
                                           : event_put(stdout, event, OUTPUT_JSON);
    if (failed)
        return evlog_fail("out of memory");
    if (ferror(stdout))
        exit(output_flushed(EXIT_DONE));
    progress_at(event->seq);
    return 0;
}

static int export(struct exporter *exporter)
{
    struct options *options = (struct options *)exporter->options;
    evlog_outcome outcome = {0};
    evlog_info info;
    int code = evlog_inspect(exporter->log, &info);
    if (code == EVLOG_OK)
        code = evlog_each_type(exporter->log, put_type, exporter);
    if (code)
        return complain_library(code);
    options->range.keep_going = true;
    if (!isatty(STDOUT_FILENO)) {
        progress_begin("exported up to event", info.last_seq);
        progress_stops("for the rest: --from #");
    }
    code = evlog_replay(exporter->log, &options->range, put_event, exporter, &outcome);
    progress_end();
    int status = EXIT_DONE;
    if (code)
        status = complain_library(code);
    else if (outcome.failed)
        status = complain(EXIT_LOG,
                          "event %" PRIu64 " could not be exported, nor %" PRIu64
                          " others: out of memory",
                          outcome.first_failed_seq, outcome.failed - 1);
    else if (!outcome.delivered && !outcome.damaged)
        status = nothing_matched(exporter->log, options);
    return report_damage(options, &outcome, status);
}

int export_run(struct options *options)
{
    struct exporter exporter = {.options = options};
    if (open_to_read(options, &exporter.log))
        return EXIT_LOG;
    msgpack_sbuffer_init(&exporter.data);
    int status = export(&exporter);
    for (size_t i = 0; i < exporter.count; i++)
        redaction_free(exporter.kinds[i].redaction);
    free(exporter.kinds);
    msgpack_sbuffer_destroy(&exporter.data);
    evlog_close(exporter.log);
    return status;
}
