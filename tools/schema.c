/*
 * evlog schema check: events against their schemas, or a new schema against those of a log.
 * evlog schema add: a schema into a log, from a file or from the catalogue of Open edX.
 *
 * All are questions to the library: the first to evlog_schema_check for every event, the
 * second to evlog_define on a log that is only read, which refuses what breaks with the
 * log's schemas and records nothing.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "evlog/class.h"
#include "evlog/openedx.h"
#include "evlog/schema.h"
#include "print.h"
#include "progress.h"
#include "text.h"

struct check {
    const struct options *options;
    uint64_t typed, untyped, wrong;
};

static int put_finding(const struct options *options, const evlog_event *event, const char *text)
{
    if (options->output == OUTPUT_SHORT) {
        printf("event %" PRIu64 " (%s): ", event->seq, event->event_type);
        text_put(stdout, text, strlen(text), 0, 0);
        putchar('\n');
        return 0;
    }
    return json_put(json_pack("{s:I, s:s, s:s}", "seq", (json_int_t)event->seq, "type",
                              event->event_type, "text", text),
                    options->output);
}

static int check_event(const evlog_event *event, void *ctx)
{
    struct check *check = ctx;
    progress_at(event->seq);
    check->typed += event->schema != NULL;
    check->untyped += event->schema == NULL;
    if (!event->schema || !event->data ||
        evlog_schema_check(event->schema, event->data, event->data_size) == EVLOG_OK)
        return 0;
    check->wrong++;
    return put_finding(check->options, event, evlog_errmsg());
}

/* In a pipe the last line: its being there says that the log was read to its end. */
static int put_counts(const struct check *check)
{
    uint64_t fit_count = check->typed - check->wrong;
    if (check->options->output != OUTPUT_SHORT)
        return result_put(json_pack("{s:I, s:I, s:I}", "fit", (json_int_t)fit_count, "wrong",
                                    (json_int_t)check->wrong, "untyped",
                                    (json_int_t)check->untyped),
                          check->options->output);
    printf("%" PRIu64 " events fit their schema, %" PRIu64 " do not, %" PRIu64 " are untyped\n",
           fit_count, check->wrong, check->untyped);
    return EXIT_DONE;
}

static int check_events(evlog *log, const struct options *options)
{
    struct check check = {.options = options};
    evlog_range range = {.keep_going = 1};
    evlog_outcome outcome;
    evlog_info info;
    int code = evlog_inspect(log, &info);
    if (code)
        return complain_library(code);
    progress_begin("events checked", info.last_seq);
    code = evlog_replay(log, &range, check_event, &check, &outcome);
    progress_end();
    if (code)
        return complain_library(code);
    int status = put_counts(&check);
    return status ? status
                  : report_damage(options, &outcome, check.wrong ? EXIT_NOTHING : EXIT_DONE);
}

/* All of a file, or of standard input for "-", with a NUL after it; NULL, reported. */
static char *read_file(const char *path)
{
    int is_input = strcmp(path, "-") == 0;
    FILE *file = is_input ? stdin : fopen(path, "r");
    size_t max = EVLOG_SCHEMA_SIZE_MAX + 1;
    char *text = calloc(1, max + 1);
    if (!file || !text || (fread(text, 1, max, file) == 0 && ferror(file))) {
        complain(EXIT_MISUSE, "%s: %s", path, text ? strerror(errno) : "out of memory");
        free(text);
        text = NULL;
    }
    if (file && !is_input)
        fclose(file);
    return text;
}

static int is_type(const evlog_type *type, void *ctx)
{
    return strcmp(type->name, ctx) == 0;
}

static int put_verdict(const struct options *options, int fits, const char *text)
{
    int status = EXIT_DONE;
    if (options->output == OUTPUT_SHORT) {
        text_put(stdout, text, strlen(text), 0, 0);
        putchar('\n');
    } else
        status = result_put(json_pack("{s:b, s:s}", "fits", fits, "text", text), options->output);
    return status || fits ? status : EXIT_NOTHING;
}

static int check_schema(evlog *log, const struct options *options, const char *text)
{
    const char *type = options->operands[0];
    evlog_schema *schema;
    evlog_signal *signal;
    int code = evlog_schema_parse(text, &schema);
    if (code)
        return complain_library(code);
    evlog_schema_free(schema);
    if (!evlog_each_type(log, is_type, (void *)type))
        return put_verdict(options, 1, "it fits: the log does not know the event type");
    code = evlog_define(log, type, 0, text, &signal);
    if (code == EVLOG_CONFLICT)
        return put_verdict(options, 0, evlog_errmsg());
    return code ? complain_library(code) : put_verdict(options, 1, "it fits");
}

static int check_file(evlog *log, const struct options *options)
{
    char *text = read_file(options->operands[1]);
    int status = text ? check_schema(log, options, text) : EXIT_MISUSE;
    free(text);
    return status;
}

/* ---------------------------------------------------------------------- adding ---- */

const evlog_definition *openedx_definition(const char *event_type)
{
    const evlog_definition *definition;
    for (size_t i = 0; (definition = evlog_openedx_definition(i)); i++)
        if (strcmp(definition->event_type, event_type) == 0)
            return definition;
    return NULL;
}

static int add(evlog *log, const struct options *options, evlog_definition definition)
{
    evlog_signal *signal;
    definition.accept_incompatible = options->force;
    int code = evlog_define_class(log, &definition, &signal);
    if (code == EVLOG_CONFLICT)
        return complain(
            EXIT_MISUSE,
            "%s\nWith --force it is recorded all the same: a program reads the events of "
            "other schemas where the rules of Avro allow it, and else refuses them.",
            evlog_errmsg());
    return code ? complain_library(code) : EXIT_DONE;
}

static int add_from_catalogue(evlog *log, const struct options *options)
{
    const char *type = options->operands[0];
    const evlog_definition *definition = openedx_definition(type);
    if (definition && options->form_count)
        return complain(EXIT_MISUSE,
                        "the forms of %s are those of its class: --form is for a FILE", type);
    if (definition)
        return add(log, options, *definition);
    return complain(EXIT_MISUSE, "%s is not an event of Open edX: give its schema in a file",
                    type);
}

static int add_from_file(evlog *log, const struct options *options)
{
    char *text = read_file(options->operands[1]);
    if (!text)
        return EXIT_MISUSE;
    evlog_definition definition = {.event_type = options->operands[0],
                                   .schema = text,
                                   .forms = options->forms,
                                   .form_count = options->form_count};
    int status = add(log, options, definition);
    free(text);
    return status;
}

int schema_add_run(struct options *options)
{
    evlog *log;
    int status = open_to_append(options, &log);
    if (status)
        return status;
    status =
        options->operands[1] ? add_from_file(log, options) : add_from_catalogue(log, options);
    return close_appended(log, status);
}

int schema_check_run(struct options *options)
{
    evlog *log;
    if (options->operands[0] && !options->operands[1])
        return complain(EXIT_MISUSE, "which schema? evlog schema check LOG TYPE FILE|-");
    if (open_to_read(options, &log))
        return EXIT_LOG;
    int status = options->operands[0] ? check_file(log, options) : check_events(log, options);
    evlog_close(log);
    return status;
}
