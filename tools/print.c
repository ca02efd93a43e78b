/*
 * Events on standard output: as JSON, whose keys are a promise (seq log_time id type minorversion time source
 * sourcehost sourcelib from_event_bus headers (where there are some) data; of a consumer's event attempt is_replay;
 * others may be added), or as one line a person reads (seq, log time to the second, event type, data), cut to the
 * terminal's width.
 */
#include "print.h"

#include <stdlib.h>
#include <string.h>

#include "evlog/value.h"
#include "terminal.h"
#include "text.h"
#include "times.h"

const char *size_text(uint64_t size, char text[16])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double value = (double)size;
    int unit = 0;
    for (; value >= 999.95 && unit < 4; unit++)
        value /= 1000;
    snprintf(text, 16, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return text;
}

int json_put(json_t *json, enum output output)
{
    char *text = json ? json_dumps(json, output == OUTPUT_PRETTY ? JSON_INDENT(2) : 0) : NULL;
    json_decref(json);
    if (!text)
        return -1;
    text_put(stdout, text, strlen(text), 1, 0);
    putchar('\n');
    free(text);
    return 0;
}

int result_put(json_t *json, enum output output)
{
    return json_put(json, output) ? complain(EXIT_LOG, "out of memory, or a name is not UTF-8")
                                  : EXIT_DONE;
}

json_t *json_of_forms(const evlog_type *type)
{
    json_t *forms = json_object();
    for (size_t i = 0; i < type->form_count; i++)
        if (json_object_set_new(forms, type->forms[i].path, json_string(type->forms[i].form))) {
            json_decref(forms);
            return NULL;
        }
    return forms;
}

json_t *json_of_personal(const evlog_type *type)
{
    json_t *personal = json_array();
    for (size_t i = 0; i < type->personal_count; i++)
        if (json_array_append_new(personal, json_string(type->personal[i]))) {
            json_decref(personal);
            return NULL;
        }
    return personal;
}

int finding_put(const evlog_finding *finding, enum output output)
{
    if (output != OUTPUT_SHORT)
        return json_put(json_pack("{s:I, s:I, s:s, s:b}", "first_seq",
                                  (json_int_t)finding->first_seq, "last_seq",
                                  (json_int_t)finding->last_seq, "text", finding->text, "remark",
                                  (int)finding->is_remark),
                        output);
    mark_put(stdout, finding->is_remark ? MARK_SIDE : MARK_BAD);
    fputs(finding->is_remark ? "remark: " : "", stdout);
    text_put(stdout, finding->text, strlen(finding->text), 0, 0);
    mark_put(stdout, MARK_NONE);
    putchar('\n');
    return 0;
}

/*
 * Writes a line with colours: what is beside the type, `side_size` bytes, and the type, which has no blanks. The line
 * is made safe and cut before.
 */
static int put_coloured(FILE *out, const char *line, size_t size, size_t side_size)
{
    char *text = NULL;
    size_t shown_size = 0;
    FILE *memory = open_memstream(&text, &shown_size);
    if (!memory)
        return -1;
    text_put(memory, line, size, 0, line_width(out));
    if (fclose(memory))
        return -1;
    size_t side = side_size < shown_size ? side_size : shown_size;
    size_t name = strcspn(text + side, " ");
    mark_put(out, MARK_SIDE);
    fwrite(text, 1, side, out);
    mark_put(out, MARK_NONE);
    mark_put(out, MARK_NAME);
    fwrite(text + side, 1, name, out);
    mark_put(out, MARK_NONE);
    fwrite(text + side + name, 1, shown_size - side - name, out);
    free(text);
    return 0;
}

static int event_put_short(FILE *out, const evlog_event *event)
{
    char time[TIME_TEXT_SIZE], side[TIME_TEXT_SIZE + 32], *line = NULL;
    evlog_buffer json = {.size = 0};
    int failed = 0;
    if (event->data &&
        evlog_data_json(event->data, event->data_size, EVLOG_JSON_LINE, &json) != EVLOG_OK)
        return -1;
    snprintf(side, sizeof side, "%6" PRIu64 "  %s  ", event->seq,
             time_second_text(event->log_time_us, time));
    int size =
        asprintf(&line, "%s%s  %.*s", side, event->event_type, json.data ? (int)json.size : 8,
                 json.data ? (const char *)json.data : "(erased)");
    evlog_buffer_free(&json);
    if (size < 0)
        return -1;
    if (has_colours(out))
        failed = put_coloured(out, line, (size_t)size, strlen(side));
    else
        text_put(out, line, (size_t)size, 0, line_width(out));
    fputc('\n', out);
    free(line);
    return failed;
}

int event_put(FILE *out, const evlog_event *event, enum output output)
{
    evlog_buffer json;
    if (output == OUTPUT_SHORT)
        return event_put_short(out, event);
    if (evlog_event_json(event, output == OUTPUT_PRETTY ? EVLOG_JSON_INDENTED : EVLOG_JSON_LINE,
                         &json) != EVLOG_OK)
        return -1;
    fwrite(json.data, 1, json.size, out);
    fputc('\n', out);
    evlog_buffer_free(&json);
    return 0;
}

int event_put_as(FILE *out, const evlog_event *event, const struct options *options)
{
    enum output output = options->output;
    if (!options->fields.count)
        return event_put(out, event, output);
    return fields_put(out, &options->fields, event,
                      output == OUTPUT_SHORT  ? FIELDS_TABBED
                      : output == OUTPUT_JSON ? FIELDS_LINE
                                              : FIELDS_INDENTED);
}
