/*
 * Events on standard output: as JSON, whose keys are a promise (seq log_time id type
 * minorversion time source sourcehost sourcelib from_event_bus data; of a consumer's event
 * attempt is_replay; others may be added), or as one line a person reads (seq, log time to the
 * second, event type, data), cut to the terminal's width.
 */
#include "print.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "dump.h"
#include "json.h"
#include "text.h"
#include "times.h"

const char *uuid_text(const uint8_t id[16], char text[37])
{
    char *at = text;
    for (int i = 0; i < 16; i++)
        at += sprintf(at, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", id[i]);
    return text;
}

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

/* "11.2.0" as [11, 2, 0], as openedx-events has it; a part too large for a number as text. */
static json_t *json_of_lib(const char *lib)
{
    json_t *list = json_array();
    while (lib && *lib && list) {
        char *end;
        errno = 0;
        long long number = strtoll(lib, &end, 10);
        size_t size = strcspn(lib, ".");
        json_t *part =
            errno || end != lib + size ? json_stringn(lib, size) : json_integer(number);
        if (json_array_append_new(list, part)) {
            json_decref(list);
            return NULL;
        }
        lib += size + (lib[size] == '.');
    }
    return list;
}

json_t *json_of_event(const evlog_event *event)
{
    char log_time[TIME_TEXT_SIZE], time[TIME_TEXT_SIZE], id[37];
    json_t *lib = json_of_lib(event->sourcelib);
    json_t *data = event->data ? json_of_data(event->data, event->data_size) : json_null();
    if (!lib || !data) {
        json_decref(lib);
        json_decref(data);
        return NULL;
    }
    json_t *json = json_pack(
        "{s:I, s:s, s:s, s:s, s:i, s:s, s:s, s:s, s:o, s:b, s:o}", /**/
        "seq", (json_int_t)event->seq, "log_time", time_text(event->log_time_us, log_time), "id",
        uuid_text(event->id, id), "type", event->event_type, "minorversion",
        (int)event->minorversion, "time", time_text(event->time_us, time), "source",
        event->source, "sourcehost", event->sourcehost, "sourcelib", lib, "from_event_bus",
        event->from_event_bus, "data", data);
    if (json && event->attempt &&
        (json_object_set_new(json, "attempt", json_integer(event->attempt)) ||
         json_object_set_new(json, "is_replay", json_boolean(event->is_replay)))) {
        json_decref(json);
        return NULL;
    }
    return json;
}

int json_put(FILE *out, const json_t *json, enum output output)
{
    char *text = dump_json(json, output == OUTPUT_PRETTY);
    if (!text)
        return -1;
    text_put(out, text, strlen(text), 1, 0);
    fputc('\n', out);
    free(text);
    return 0;
}

/* How many characters a line on `out` may have; 0: any. */
static size_t line_width(FILE *out)
{
    struct winsize size;
    return isatty(fileno(out)) && ioctl(fileno(out), TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

static int event_put_short(FILE *out, const evlog_event *event)
{
    char time[TIME_TEXT_SIZE], *line = NULL, *text = NULL;
    json_t *json = event->data ? json_of_data(event->data, event->data_size) : NULL;
    if (json)
        text = dump_json(json, 0);
    json_decref(json);
    if (event->data && !text)
        return -1;
    int size = asprintf(&line, "%6" PRIu64 "  %.19s  %s  %s", event->seq,
                        time_short_text(event->log_time_us, time), event->event_type,
                        text ? text : "(erased)");
    free(text);
    if (size < 0)
        return -1;
    text_put(out, line, (size_t)size, 0, line_width(out));
    fputc('\n', out);
    free(line);
    return 0;
}

int event_put(FILE *out, const evlog_event *event, enum output output)
{
    if (output == OUTPUT_SHORT)
        return event_put_short(out, event);
    json_t *json = json_of_event(event);
    int failed = !json || json_put(out, json, output);
    json_decref(json);
    return failed ? -1 : 0;
}
