/*
 * evlog send: one event from the arguments, or one for each line of standard input.
 *
 * Lines gather in a batch, which is one evlog_send_events: it goes out when it is large, when
 * the input has nothing more for now, and at the end. When the library refuses a batch because of
 * one event in it (too deep, too large, no map), the batch is halved until that event is
 * found, so its line can be named and the others still go out in their order. Which events
 * are right is decided in one place only, the library.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "evlog/schema.h"
#include "json.h"
#include "lines.h"
#include "print.h"
#include "progress.h"

#define BATCH_COUNT_MAX 4096
#define BATCH_SIZE_MAX ((size_t)4 << 20)
#define LINE_SIZE_MAX ((size_t)4 * EVLOG_DATA_SIZE_MAX) /* JSON of the largest data, and more */

struct sender {
    const struct options *options;
    evlog_signal *signal;
    struct lines lines;
    uint64_t line; /* the number of the last one read */
    uint64_t sent_count, skipped_count, failed_count, first_seq, last_seq;
    msgpack_sbuffer data; /* the batch: all its data, one after another */
    size_t count;
    struct {
        uint64_t line;
        size_t at, size; /* in data */
    } batch[BATCH_COUNT_MAX];
};

/* --------------------------------------------------------------- one event ---- */

static int put_sent(const struct options *options, const evlog_sent *sent)
{
    char id[EVLOG_UUID_TEXT_SIZE];
    evlog_uuid_text(sent->id, id);
    if (options->output == OUTPUT_SHORT) {
        printf("event %" PRIu64 " is in the log, id %s\n", sent->seq, id);
        return EXIT_DONE;
    }
    json_t *json = json_pack("{s:I, s:s}", "seq", (json_int_t)sent->seq, "id", id);
    int failed = !json || json_put(stdout, json, options->output);
    json_decref(json);
    return failed ? complain(EXIT_LOG, "out of memory") : EXIT_DONE;
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

/* A line that is wrong: counted (-1: go on), or reported, and the end (the exit status). */
static int bad_line(struct sender *sender, uint64_t line, const char *why)
{
    if (sender->options->skip_bad) {
        sender->skipped_count++;
        complain(EXIT_MISUSE, "line %" PRIu64 " is skipped: %s", line, why);
        return -1;
    }
    return complain(EXIT_MISUSE,
                    "line %" PRIu64 ": %s\nThe lines before it are in the log (%" PRIu64
                    " event%s), it and those after it are not.",
                    line, why, sender->sent_count, plural(sender->sent_count));
}

/* Appends some of the batch at once. Returns the library's code. */
static int append(struct sender *sender, size_t first, size_t count)
{
    evlog_sent *sent = calloc(count, sizeof *sent);
    evlog_sending *sends = calloc(count, sizeof *sends);
    int code = sent && sends ? EVLOG_OK : EVLOG_NOMEM;
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
        sender->sent_count += count;
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

/* Appends some of the batch, looking for the wrong one if there is one. -1: go on. */
static int append_or_halve(struct sender *sender, size_t first, size_t count)
{
    int code = append(sender, first, count);
    if (!code)
        return -1;
    if (code != EVLOG_INVALID && code != EVLOG_LIMIT) {
        int status = complain_library(code);
        return complain(status,
                        "stopped before line %" PRIu64 "; %" PRIu64
                        " event%s of the lines before "
                        "it in the log",
                        sender->batch[first].line, sender->sent_count,
                        sender->sent_count == 1 ? " is" : "s are");
    }
    if (count == 1)
        return bad_line(sender, sender->batch[first].line, evlog_errmsg());
    int status = append_or_halve(sender, first, count / 2);
    return status >= 0 ? status : append_or_halve(sender, first + count / 2, count - count / 2);
}

/* Sends the batch out. -1: go on, else the exit status. */
static int flush(struct sender *sender)
{
    int status = sender->count ? append_or_halve(sender, 0, sender->count) : -1;
    sender->count = 0;
    msgpack_sbuffer_clear(&sender->data);
    progress_at(sender->sent_count);
    return status;
}

/* Takes one line into the batch. -1: go on. */
static int take_line(struct sender *sender, const char *line, size_t size)
{
    char why[256];
    size_t at = sender->data.size, blank = 0;
    while (blank < size && strchr(" \t\r", line[blank]) && line[blank])
        blank++;
    if (blank == size)
        return -1;
    if (data_of_text(line, size, &sender->data, why, sizeof why)) {
        sender->data.size = at;
        int status = flush(sender);
        return status >= 0 ? status : bad_line(sender, sender->line, why);
    }
    sender->batch[sender->count].line = sender->line;
    sender->batch[sender->count].at = at;
    sender->batch[sender->count++].size = sender->data.size - at;
    int is_large = sender->count == BATCH_COUNT_MAX || sender->data.size >= BATCH_SIZE_MAX;
    return is_large ? flush(sender) : -1;
}

static int too_long(struct sender *sender)
{
    int status = flush(sender);
    return status >= 0 ? status : bad_line(sender, sender->line, "longer than 256 MiB");
}

/* Reads what there is, after sending what was held when that would mean waiting. -1: go on. */
static int read_more(struct sender *sender)
{
    int status = lines_ready(&sender->lines) ? -1 : flush(sender);
    if (status >= 0 || lines_fill(&sender->lines) == 0)
        return status;
    int error = errno;
    status = flush(sender);
    return status >= 0 ? status
                       : complain(EXIT_LOG, "cannot read standard input: %s", strerror(error));
}

static int put_summary(const struct sender *sender)
{
    if (sender->options->output == OUTPUT_SHORT) {
        printf("%" PRIu64 " event%s in the log", sender->sent_count,
               sender->sent_count == 1 ? " is" : "s are");
        if (sender->sent_count)
            printf(", from seq %" PRIu64 " to %" PRIu64, sender->first_seq, sender->last_seq);
        if (sender->skipped_count)
            printf("; %" PRIu64 " line%s skipped", sender->skipped_count,
                   sender->skipped_count == 1 ? " was" : "s were");
        putchar('\n');
        return EXIT_DONE;
    }
    json_t *json =
        json_pack("{s:I, s:I, s:I, s:I}", "sent", (json_int_t)sender->sent_count, "skipped",
                  (json_int_t)sender->skipped_count, "first_seq", (json_int_t)sender->first_seq,
                  "last_seq", (json_int_t)sender->last_seq);
    int failed = !json || json_put(stdout, json, sender->options->output);
    json_decref(json);
    return failed ? complain(EXIT_LOG, "out of memory") : EXIT_DONE;
}

static int send_lines(const struct options *options, evlog_signal *signal)
{
    struct sender *sender = calloc(1, sizeof *sender);
    const char *line;
    size_t size;
    int found = LINES_MORE, status = -1;
    if (!sender)
        return complain(EXIT_LOG, "out of memory");
    sender->options = options;
    sender->signal = signal;
    lines_begin(&sender->lines, STDIN_FILENO, LINE_SIZE_MAX);
    msgpack_sbuffer_init(&sender->data);
    if (!isatty(STDIN_FILENO)) /* where somebody is typing */
        progress_begin("events sent", 0);
    while (status < 0 && found != LINES_END) {
        found = lines_next(&sender->lines, &line, &size);
        sender->line += found == LINES_LINE || found == LINES_TOO_LONG;
        status = found == LINES_LINE       ? take_line(sender, line, size)
                 : found == LINES_TOO_LONG ? too_long(sender)
                 : found == LINES_MORE     ? read_more(sender)
                                           : flush(sender);
    }
    progress_end();
    if (status < 0)
        status = put_summary(sender);
    if (status == EXIT_DONE && sender->failed_count)
        status = EXIT_NOTHING;
    lines_free(&sender->lines);
    msgpack_sbuffer_destroy(&sender->data);
    free(sender);
    return status;
}

/* ----------------------------------------------------------------- the verb ---- */

static int is_type(const evlog_type *type, void *ctx)
{
    return strcmp(type->name, ctx) == 0;
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
    int code = evlog_define(log, type, options->minorversion, NULL, &signal);
    if (code)
        return complain_library(code);
    return data->size ? send_one(options, signal, data) : send_lines(options, signal);
}

static int open_and_send(struct options *options, const msgpack_sbuffer *data)
{
    evlog *log;
    options->open.data_size_max = EVLOG_DATA_SIZE_MAX;
    int code = evlog_open(options->path, &options->open, &log);
    if (code)
        return complain(code == EVLOG_INVALID || code == EVLOG_CONFLICT ? EXIT_MISUSE : EXIT_LOG,
                        "%s", evlog_errmsg());
    int status = send_to(log, options, data);
    code = evlog_close(log);
    return code && status == EXIT_DONE ? complain_library(code) : status;
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
    msgpack_sbuffer_init(&data);
    int is_wrong =
        strcmp(text, "-") != 0 && data_of_text(text, strlen(text), &data, why, sizeof why);
    int status = is_wrong ? complain(EXIT_MISUSE, "%s", why) : open_and_send(options, &data);
    msgpack_sbuffer_destroy(&data);
    return status;
}
