/*
 * Logs and their consumers as Prometheus' text (exposition format 0.0.4).
 *
 * All samples of a metric must stand together, so what is known of all logs is gathered first. A log that cannot be
 * looked at has evlog_up 0 and nothing else. Counters only grow: evlog_events_total is the seq of the newest event,
 * which trimming does not change.
 *
 * In a label, what text_put escapes is written so, and each backslash and quote with a backslash before it.
 */
#include "exposition.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"
#include "tool.h"

struct consumer {
    char *name;
    evlog_consumer_info info; /* its texts are gone */
};

struct exposition_log {
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
    struct exposition_log *log = ctx;
    log->reader_count++;
    if (reader->held_size > log->held_size)
        log->held_size = reader->held_size;
    return 0;
}

static int add_consumer(const evlog_consumer_info *info, void *ctx)
{
    struct exposition_log *log = ctx;
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

int exposition_add(struct exposition *exposition, const char *path, evlog *log)
{
    size_t size = (exposition->count + 1) * sizeof *exposition->logs;
    struct exposition_log *logs = realloc(exposition->logs, size);
    if (!logs)
        return out_of_memory();
    struct exposition_log *of = &logs[exposition->count++];
    exposition->logs = logs;
    *of = (struct exposition_log){.path = path};
    if (!log)
        return EVLOG_OK;
    int code = evlog_inspect(log, &of->info);
    if (code == EVLOG_OK)
        code = evlog_each_reader(log, add_reader, of);
    if (code == EVLOG_OK)
        code = evlog_each_consumer(log, add_consumer, of);
    of->is_up = code == EVLOG_OK;
    return code;
}

void exposition_free(struct exposition *exposition)
{
    for (size_t i = 0; i < exposition->count; i++) {
        for (size_t j = 0; j < exposition->logs[i].consumer_count; j++)
            free(exposition->logs[i].consumers[j].name);
        free(exposition->logs[i].consumers);
    }
    free(exposition->logs);
}

/* ------------------------------------------------------------- metrics ---- */

static double up(const struct exposition_log *log)
{
    return log->is_up;
}

static double appended(const struct exposition_log *log)
{
    return (double)log->info.last_seq;
}

static double kept(const struct exposition_log *log)
{
    return log->info.last_seq ? (double)(log->info.last_seq - log->info.first_seq + 1) : 0;
}

static double oldest_seq(const struct exposition_log *log)
{
    return (double)log->info.first_seq;
}

static double head_time(const struct exposition_log *log)
{
    return (double)log->info.last_log_time_us / 1e6;
}

static double oldest_time(const struct exposition_log *log)
{
    return (double)log->info.first_log_time_us / 1e6;
}

static double file_size(const struct exposition_log *log)
{
    return (double)log->info.file_size;
}

static double used_size(const struct exposition_log *log)
{
    return (double)(log->info.used_size - log->info.free_size);
}

static double kept_ahead(const struct exposition_log *log)
{
    return (double)ahead_size(&log->info);
}

static double free_size(const struct exposition_log *log)
{
    return (double)log->info.free_size;
}

static double readers(const struct exposition_log *log)
{
    return (double)log->reader_count;
}

static double held(const struct exposition_log *log)
{
    return (double)log->held_size;
}

static double clock_steps(const struct exposition_log *log)
{
    return log->info.clock_step_count;
}

static double erased_waiting(const struct exposition_log *log)
{
    return (double)log->info.erased_waiting_count;
}

static double waits_for_recovery(const struct exposition_log *log)
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
    double (*of_log)(const struct exposition_log *log);
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
    {"ahead_bytes", "gauge", "Room that the file has behind what is in use, for events to come.",
     kept_ahead, NULL},
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
static void put_label(FILE *out, const char *name, const char *value)
{
    char *text = NULL;
    size_t size = 0;
    FILE *escaped = open_memstream(&text, &size);
    if (escaped) {
        text_put(escaped, value, strlen(value), 0, 0);
        fclose(escaped);
    }
    fprintf(out, "%s=\"", name);
    for (size_t i = 0; i < size; i++)
        fprintf(out, text[i] == '"' || text[i] == '\\' ? "\\%c" : "%c", text[i]);
    fputc('"', out);
    free(text);
}

static void put_sample(FILE *out, const char *name, const struct exposition_log *log,
                       const char *consumer, double value)
{
    fprintf(out, "evlog_%s{", name);
    put_label(out, "log", log->path);
    if (consumer) {
        fputc(',', out);
        put_label(out, "consumer", consumer);
    }
    fprintf(out, value == floor(value) ? "} %.0f\n" : "} %.6f\n", value);
}

static void put_metric(FILE *out, const struct metric *metric,
                       const struct exposition *exposition)
{
    fprintf(out, "# HELP evlog_%s %s\n# TYPE evlog_%s %s\n", metric->name, metric->help,
            metric->name, metric->kind);
    for (size_t i = 0; i < exposition->count; i++) {
        const struct exposition_log *log = &exposition->logs[i];
        if (metric->of_log && (log->is_up || metric->of_log == up))
            put_sample(out, metric->name, log, NULL, metric->of_log(log));
        for (size_t j = 0; metric->of_consumer && log->is_up && j < log->consumer_count; j++)
            put_sample(out, metric->name, log, log->consumers[j].name,
                       metric->of_consumer(&log->consumers[j].info));
    }
}

void exposition_put(FILE *out, const struct exposition *exposition)
{
    for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++)
        put_metric(out, &metrics[i], exposition);
}
