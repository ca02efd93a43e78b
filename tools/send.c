/* evlog send: one event from the arguments, or one for each line of standard input (intake.c). */
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "intake.h"
#include "json.h"
#include "print.h"
#include "progress.h"
#include "stop.h"

#define BATCH_COUNT_MAX 4096
#define BATCH_SIZE_MAX ((size_t)4 << 20)

struct sender {
    const struct options *options;
    evlog_signal *signal;
    struct intake intake;
    uint64_t failed_count, first_seq, last_seq;
    msgpack_sbuffer data; /* the batch: all its data, one after another */
    size_t count;
    struct {
        size_t at, size; /* in data */
    } batch[BATCH_COUNT_MAX];
};

static int read_data(const struct options *options, const char *text, size_t size,
                     msgpack_sbuffer *data, char *why, size_t why_size)
{
    return options->lenient ? data_of_mended_text(text, size, data, why, why_size)
                            : data_of_text(text, size, data, why, why_size);
}

/* --------------------------------------------------------------- one event ---- */

static int put_sent(const struct options *options, const evlog_sent *sent)
{
    char id[EVLOG_UUID_TEXT_SIZE];
    evlog_uuid_text(sent->id, id);
    if (options->output == OUTPUT_SHORT) {
        printf("event %" PRIu64 " is in the log, id %s\n", sent->seq, id);
        return EXIT_DONE;
    }
    return result_put(json_pack("{s:I, s:s}", "seq", (json_int_t)sent->seq, "id", id),
                      options->output);
}

/* Reports a plugin's receivers that failed, and returns how many; the event is in the log all the same. */
static int report_failures(const evlog_sent *sent)
{
    int failed = 0;
    for (size_t i = 0; i < sent->response_count; i++) {
        const evlog_response *response = sent->responses[i];
        if (!response->result)
            continue;
        failed++;
        complain(EXIT_NOTHING, "event %" PRIu64 " is in the log, but %s%s failed: %s", sent->seq,
                 *response->dispatch_uid ? "receiver " : "a receiver", response->dispatch_uid,
                 *response->error ? response->error : "it does not say why");
    }
    return failed;
}

static int send_one(const struct options *options, evlog_signal *signal,
                    const msgpack_sbuffer *data)
{
    evlog_sent sent;
    evlog_send_options how = {.time_us = options->time_us,
                              .headers = options->headers,
                              .header_count = options->header_count};
    int code = evlog_send_event(signal, data->data, data->size, &how, &sent);
    if (code && code != EVLOG_RECEIVER)
        return complain_library(code);
    int status = put_sent(options, &sent);
    if (report_failures(&sent) && status == EXIT_DONE)
        status = EXIT_NOTHING;
    evlog_sent_free(&sent);
    return status;
}

/* -------------------------------------------------------------- many events ---- */

static int append(void *ctx, size_t first, size_t count)
{
    struct sender *sender = ctx;
    evlog_sent *sent = calloc(count, sizeof *sent);
    evlog_sending *sends = calloc(count, sizeof *sends);
    int code = sent && sends ? EVLOG_OK : out_of_memory();
    for (size_t i = 0; !code && i < count; i++)
        sends[i] = (evlog_sending){.signal = sender->signal,
                                   .data = sender->data.data + sender->batch[first + i].at,
                                   .data_size = sender->batch[first + i].size,
                                   .time_us = sender->options->time_us,
                                   .headers = sender->options->headers,
                                   .header_count = sender->options->header_count};
    if (!code)
        code = evlog_send_events(sends, count, NULL, sent);
    if (code == EVLOG_RECEIVER)
        code = EVLOG_OK; /* they are in the log; report_failures names the receivers */
    if (!code) {
        sender->first_seq = sender->first_seq ? sender->first_seq : sent[0].seq;
        sender->last_seq = sent[count - 1].seq;
        for (size_t i = 0; i < count; i++) {
            sender->failed_count += (uint64_t)report_failures(&sent[i]);
            evlog_sent_free(&sent[i]);
        }
    }
    free(sent);
    free(sends);
    return code;
}

static void clear(void *ctx)
{
    struct sender *sender = ctx;
    sender->count = 0;
    msgpack_sbuffer_clear(&sender->data);
}

static int take(void *ctx, const char *line, size_t size, char why[INTAKE_WHY_SIZE])
{
    struct sender *sender = ctx;
    size_t at = sender->data.size;
    if (!line)
        return INTAKE_BAD;
    if (lines_is_blank(line, size))
        return INTAKE_PASSED;
    if (read_data(sender->options, line, size, &sender->data, why, INTAKE_WHY_SIZE)) {
        sender->data.size = at;
        return INTAKE_BAD;
    }
    sender->batch[sender->count].at = at;
    sender->batch[sender->count++].size = sender->data.size - at;
    bool is_large = sender->count == BATCH_COUNT_MAX || sender->data.size >= BATCH_SIZE_MAX;
    return is_large ? INTAKE_FULL : INTAKE_TAKEN;
}

static int put_summary(const struct sender *sender)
{
    const struct intake *intake = &sender->intake;
    if (sender->options->output == OUTPUT_SHORT) {
        printf("%" PRIu64 " event%s in the log", intake->appended_count,
               intake->appended_count == 1 ? " is" : "s are");
        if (intake->appended_count)
            printf(", from seq %" PRIu64 " to %" PRIu64, sender->first_seq, sender->last_seq);
        if (intake->skipped_count)
            printf("; %" PRIu64 " line%s skipped", intake->skipped_count,
                   intake->skipped_count == 1 ? " was" : "s were");
        putchar('\n');
        return EXIT_DONE;
    }
    return result_put(
        json_pack("{s:I, s:I, s:I, s:I}", "sent", (json_int_t)intake->appended_count, "skipped",
                  (json_int_t)intake->skipped_count, "first_seq", (json_int_t)sender->first_seq,
                  "last_seq", (json_int_t)sender->last_seq),
        sender->options->output);
}

static int send_lines(const struct options *options, evlog_signal *signal)
{
    struct sender *sender = calloc(1, sizeof *sender);
    if (!sender)
        return complain(EXIT_LOG, "out of memory");
    stop_watch();
    sender->options = options;
    sender->signal = signal;
    sender->intake = (struct intake){.ctx = sender,
                                     .take = take,
                                     .append = append,
                                     .clear = clear,
                                     .batch_max = BATCH_COUNT_MAX,
                                     .skip_bad = options->skip_bad,
                                     .stop_fd = stop_fd()};
    msgpack_sbuffer_init(&sender->data);
    if (!isatty(STDIN_FILENO)) /* else the terminal shows what is typed */
        progress_begin("events sent", 0);
    int status = intake_run(&sender->intake, STDIN_FILENO, "standard input");
    progress_end();
    if (status < 0 && sender->intake.is_stopped)
        status = complain(
            EXIT_NOTHING,
            "interrupted: %" PRIu64 " event%s in the log, of the first %" PRIu64
            " line%s; the rest: tail -n +%" PRIu64,
            sender->intake.appended_count, sender->intake.appended_count == 1 ? " is" : "s are",
            sender->intake.line, plural(sender->intake.line), sender->intake.line + 1);
    else if (status < 0)
        status = put_summary(sender);
    if (status == EXIT_DONE && sender->failed_count)
        status = EXIT_NOTHING;
    msgpack_sbuffer_destroy(&sender->data);
    free(sender);
    return status;
}

/* ----------------------------------------------------------------- the verb ---- */

static int is_type(const evlog_type *type, void *ctx)
{
    return strcmp(type->name, ctx) == 0;
}

/*
 * The type's signal. A type of Open edX that the log does not know yet gets its schema, from the catalogue, so that its
 * first event is checked like all others.
 */
static int define(evlog *log, const struct options *options, evlog_signal **signal)
{
    const char *type = options->operands[0];
    const evlog_definition *catalogued = options->untyped ? NULL : openedx_definition(type);
    int found = catalogued ? evlog_each_type(log, is_type, (void *)type) : 1;
    if (found < 0)
        return found;
    if (found || evlog_signal_by_type(log, type, signal) == EVLOG_OK) /* of a plugin */
        return evlog_define(log, type, options->minorversion, NULL, signal);
    evlog_definition definition = *catalogued;
    if (options->minorversion)
        definition.minor_version = options->minorversion;
    return evlog_define_class(log, &definition, signal);
}

/* Sends the data, or, when there are none, the lines of standard input. */
static int send_to(evlog *log, const struct options *options, const msgpack_sbuffer *data)
{
    const char *type = options->operands[0];
    evlog_signal *signal;
    if (options->known) {
        int found = evlog_each_type(log, is_type, (void *)type);
        if (found < 0)
            return complain_library(found);
        if (!found)
            return complain(EXIT_MISUSE,
                            "%s: the log does not know the event type %s; see: "
                            "evlog types %s",
                            options->path, type, options->path);
    }
    int status = load_plugins(log, options);
    if (status >= 0)
        return status;
    int code = define(log, options, &signal);
    if (code)
        return complain_library(code);
    return data->size ? send_one(options, signal, data) : send_lines(options, signal);
}

static int open_and_send(struct options *options, const msgpack_sbuffer *data)
{
    evlog *log;
    int status = open_to_append(options, &log);
    return status ? status : close_appended(log, send_to(log, options, data));
}

/*
 * Whether standard input is a pipe or file that has something, or may yet have: it is not to be dropped in silence, nor
 * taken from a loop of the shell that reads it.
 */
static bool has_input(void)
{
    struct stat input;
    struct pollfd ready = {.fd = STDIN_FILENO, .events = POLLIN};
    if (fstat(STDIN_FILENO, &input))
        return false;
    if (S_ISREG(input.st_mode))
        return input.st_size > lseek(STDIN_FILENO, 0, SEEK_CUR);
    return S_ISFIFO(input.st_mode) && (poll(&ready, 1, 0) == 0 || ready.revents & POLLIN);
}

/* Data that are no JSON are refused before a log or an event type is made for them. */
int send_run(struct options *options)
{
    const char *text = options->operands[1] ? options->operands[1] : "{}";
    char why[256];
    msgpack_sbuffer data;
    if (*options->operands[0] && strchr("{[-", *options->operands[0]))
        return complain(EXIT_MISUSE, "'%s' is not an event type: evlog send LOG TYPE [JSON|-]",
                        options->operands[0]);
    if (!options->operands[1] && has_input())
        return complain(
            EXIT_MISUSE,
            "standard input is not read unless it is asked for: evlog send %s %s - sends "
            "its lines, and evlog send %s %s '{}' an event without data",
            options->path, options->operands[0], options->path, options->operands[0]);
    msgpack_sbuffer_init(&data);
    int is_wrong =
        strcmp(text, "-") != 0 && read_data(options, text, strlen(text), &data, why, sizeof why);
    int status = is_wrong ? complain(EXIT_MISUSE, "%s", why) : open_and_send(options, &data);
    msgpack_sbuffer_destroy(&data);
    if (status != EXIT_DONE)
        stop_by_signal();
    return status;
}
