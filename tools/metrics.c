/*
 * evlog metrics: logs and their consumers as Prometheus' text (exposition format 0.0.4), for the textfile collector of
 * node_exporter and its like.
 *
 * All samples of a metric must stand together, so what is known of all logs is gathered first. A log that cannot
 * be looked at has evlog_up 0 and nothing else; the others are written all the same. Counters only grow:
 * evlog_events_total is the seq of the newest event, which trimming does not change.
 *
 * In a label, what text_put escapes is written so, and each backslash and quote with a backslash before it.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"
#include "tool.h"

struct consumer {
    char *name;
    evlog_consumer_info info; /* its texts are gone */
};

struct log {
    const char *path;
    bool is_up;
    evlog_info info;
    uint64_t reader_count, held_size;
    struct consumer *consumers;
    size_t consumer_count;
};

/* ----------------------------------------------------------- gathering ---- */

static int add_reader(const evlog_reader *reader, void *ctx)
{
    struct log *log = ctx;
    log->reader_count++;
    if (reader->held_size > log->held_size)
        log->held_size = reader->held_size;
    return 0;
}

static int add_consumer(const evlog_consumer_info *info, void *ctx)
{
    struct log *log = ctx;
    size_t size = (log->consumer_count + 1) * sizeof *log->consumers;
    struct consumer *consumers = realloc(log->consumers, size);
    char *name = strdup(info->name);
    if (consumers)
        log->consumers = consumers;
    if (!consumers || !name) {
        free(name);
        return out_of_memory();
    }
    consumers[log->consumer_count++] = (struct consumer){.name = name, .info = *info};
    return 0;
}

/* The exit status; what fails is reported, and the log is not up. */
static int gather(const struct options *options, struct log *of)
{
    struct options of_log = {.path = of->path, .open = options->open};
    evlog *log;
    if (open_as_it_is(&of_log, &log))
        return EXIT_LOG;
    int code = evlog_inspect(log, &of->info);
    if (code == EVLOG_OK)
        code = evlog_each_reader(log, add_reader, of);
    if (code == EVLOG_OK)
        code = evlog_each_consumer(log, add_consumer, of);
    of->is_up = code == EVLOG_OK;
    int status = code ? complain(EXIT_LOG, "%s: %s", of->path, evlog_errmsg()) : EXIT_DONE;
    evlog_close(log);
    return status;
}

/* ------------------------------------------------------------- metrics ---- */

static double up(const struct log *log)
{
    return log->is_up;
}

static double appended(const struct log *log)
{
    return (double)log->info.last_seq;
}

static double kept(const struct log *log)
{
    return log->info.last_seq ? (double)(log->info.last_seq - log->info.first_seq + 1) : 0;
}

static double oldest_seq(const struct log *log)
{
    return (double)log->info.first_seq;
}

static double head_time(const struct log *log)
{
    return (double)log->info.last_log_time_us / 1e6;
}

static double oldest_time(const struct log *log)
{
    return (double)log->info.first_log_time_us / 1e6;
}

static double file_size(const struct log *log)
{
    return (double)log->info.file_size;
}

static double used_size(const struct log *log)
{
    return (double)(log->info.used_size - log->info.free_size);
}

static double free_size(const struct log *log)
{
    return (double)log->info.free_size;
}

static double readers(const struct log *log)
{
    return (double)log->reader_count;
}

static double held(const struct log *log)
{
    return (double)log->held_size;
}

static double clock_steps(const struct log *log)
{
    return log->info.clock_step_count;
}

static double erased_waiting(const struct log *log)
{
    return (double)log->info.erased_waiting_count;
}

static double waits_for_recovery(const struct log *log)
{
    return log->info.is_unrecovered || log->info.waiting_count;
}

static double done(const evlog_consumer_info *info)
{
    return (double)info->done_count;
}

static double checkpoint(const evlog_consumer_info *info)
{
    return (double)info->checkpoint;
}

static double lag(const evlog_consumer_info *info)
{
    return (double)info->lag_count;
}

static double lag_time(const evlog_consumer_info *info)
{
    return (double)info->lag_us / 1e6;
}

static double parked(const evlog_consumer_info *info)
{
    return (double)info->parked_count;
}

static double is_paused(const evlog_consumer_info *info)
{
    return info->is_paused;
}

static double is_claimed(const evlog_consumer_info *info)
{
    return info->pid != 0;
}

static double commit_time(const evlog_consumer_info *info)
{
    return (double)info->updated_us / 1e6;
}

/* Of a log, or of a consumer. */
static const struct metric {
    const char *name, *kind, *help;
    double (*of_log)(const struct log *log);
    double (*of_consumer)(const evlog_consumer_info *info);
} metrics[] = {
    {"up", "gauge", "Whether the log can be read.", up, NULL},
    {"events_total", "counter", "Events appended so far; the seq of the newest.", appended, NULL},
    {"kept_events", "gauge", "Events that are in the log.", kept, NULL},
    {"oldest_seq", "gauge", "Seq of the oldest event that is in the log; 0: none.", oldest_seq,
     NULL},
    {"head_time_seconds", "gauge", "When the newest event was logged; 0: none.", head_time, NULL},
    {"oldest_time_seconds", "gauge", "When the oldest event was logged; 0: none.", oldest_time,
     NULL},
    {"file_size_bytes", "gauge", "Length of the file of events.", file_size, NULL},
    {"used_bytes", "gauge", "What events take of the file.", used_size, NULL},
    {"free_bytes", "gauge", "Pages of the file that trimming has freed, for events to come.",
     free_size, NULL},
    {"readers", "gauge", "Processes and threads that read the log at this moment.", readers,
     NULL},
    {"reader_held_bytes", "gauge",
     "Pages that cannot be used again until the oldest reader ends.", held, NULL},
    {"clock_steps_total", "counter", "Times that log time stepped back, at most 65535.",
     clock_steps, NULL},
    {"erased_waiting_events", "gauge",
     "Erased events whose bytes may be in the file until it is compacted.", erased_waiting, NULL},
    {"waits_for_recovery", "gauge",
     "Whether the newest events are not read until a writer opens it.", waits_for_recovery, NULL},
    {"consumer_events_total", "counter",
     "Events done, each as often as the checkpoint passed it.", NULL, done},
    {"consumer_checkpoint_seq", "gauge", "The last seq that the consumer is done with; 0: none.",
     NULL, checkpoint},
    {"consumer_lag_events", "gauge", "Events in the log after the checkpoint, wanted or not.",
     NULL, lag},
    {"consumer_lag_seconds", "gauge", "How long ago the first of these was logged.", NULL,
     lag_time},
    {"consumer_parked_events", "gauge", "Events on record as not done.", NULL, parked},
    {"consumer_paused", "gauge", "Whether the consumer is paused.", NULL, is_paused},
    {"consumer_claimed", "gauge", "Whether a process has the consumer.", NULL, is_claimed},
    {"consumer_commit_time_seconds", "gauge", "When the consumer committed last.", NULL,
     commit_time},
};

/* ------------------------------------------------------------- writing ---- */

/* NAME="VALUE". */
static void put_label(const char *name, const char *value)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out) {
        text_put(out, value, strlen(value), 0, 0);
        fclose(out);
    }
    printf("%s=\"", name);
    for (size_t i = 0; i < size; i++)
        printf(text[i] == '"' || text[i] == '\\' ? "\\%c" : "%c", text[i]);
    putchar('"');
    free(text);
}

static void put_sample(const char *name, const struct log *log, const char *consumer,
                       double value)
{
    printf("evlog_%s{", name);
    put_label("log", log->path);
    if (consumer) {
        putchar(',');
        put_label("consumer", consumer);
    }
    printf(value == floor(value) ? "} %.0f\n" : "} %.6f\n", value);
}

static void put_metric(const struct metric *metric, const struct log *logs, size_t count)
{
    printf("# HELP evlog_%s %s\n# TYPE evlog_%s %s\n", metric->name, metric->help, metric->name,
           metric->kind);
    for (size_t i = 0; i < count; i++) {
        if (metric->of_log && (logs[i].is_up || metric->of_log == up))
            put_sample(metric->name, &logs[i], NULL, metric->of_log(&logs[i]));
        for (size_t j = 0; metric->of_consumer && logs[i].is_up && j < logs[i].consumer_count;
             j++)
            put_sample(metric->name, &logs[i], logs[i].consumers[j].name,
                       metric->of_consumer(&logs[i].consumers[j].info));
    }
}

/* -1: each log is given once; else the exit status. */
static int check_logs(const struct log *logs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(logs[i].path, logs[j].path) == 0)
                return complain(EXIT_MISUSE, "%s is given twice", logs[i].path);
    return -1;
}

static void free_logs(struct log *logs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < logs[i].consumer_count; j++)
            free(logs[i].consumers[j].name);
        free(logs[i].consumers);
    }
    free(logs);
}

int metrics_run(struct options *options)
{
    size_t count = options->operand_count + 1;
    struct log *logs = calloc(count, sizeof *logs);
    if (!logs)
        return complain(EXIT_LOG, "out of memory");
    for (size_t i = 0; i < count; i++)
        logs[i].path = i ? options->operands[i - 1] : options->path;
    int status = check_logs(logs, count);
    if (status < 0) {
        status = EXIT_DONE;
        for (size_t i = 0; i < count; i++)
            if (gather(options, &logs[i]))
                status = EXIT_LOG;
        for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++)
            put_metric(&metrics[i], logs, count);
    }
    free_logs(logs, count);
    return status;
}
