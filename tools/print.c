/*
 * Events on standard output: as JSON, whose keys are a promise (seq log_time id type minorversion time source
 * sourcehost sourcelib from_event_bus headers (where there are some) data; of a consumer's event attempt is_replay;
 * others may be added), or as one line a person reads (seq, log time to the second, event type, data), cut to the
 * terminal's width.
 */
#include "print.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "evlog/value.h"
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
    fputs(finding->is_remark ? "remark: " : "", stdout);
    text_put(stdout, finding->text, strlen(finding->text), 0, 0);
    putchar('\n');
    return 0;
}

size_t line_width(FILE *out)
{
    struct winsize size;
    return isatty(fileno(out)) && ioctl(fileno(out), TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

static int event_put_short(FILE *out, const evlog_event *event)
{
    char time[TIME_TEXT_SIZE], *line = NULL;
    evlog_buffer json = {.size = 0};
    if (event->data &&
        evlog_data_json(event->data, event->data_size, EVLOG_JSON_LINE, &json) != EVLOG_OK)
        return -1;
    int size = asprintf(&line, "%6" PRIu64 "  %s  %s  %.*s", event->seq,
                        time_second_text(event->log_time_us, time), event->event_type,
                        json.data ? (int)json.size : 8,
                        json.data ? (const char *)json.data : "(erased)");
    evlog_buffer_free(&json);
    if (size < 0)
        return -1;
    text_put(out, line, (size_t)size, 0, line_width(out));
    fputc('\n', out);
    free(line);
    return 0;
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
