/* --metrics FILE: Prometheus' text, for the node exporter's textfile collector and its like. */
#include "tool.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "relay.h"

void metrics_error(struct metrics *metrics, const char *why)
{
    snprintf(metrics->last_error, sizeof metrics->last_error, "%s", why);
    metrics->last_error_us = evlog_now_us();
}

/* A label's value. */
static void put_value(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else
            fputc(c < ' ' ? ' ' : c, out);
    }
    fputc('"', out);
}

static void put(FILE *out, const struct metrics *metrics, const char *name, const char *kind,
                const char *help, uint64_t value)
{
    fprintf(out,
            "# HELP evlog_relay_%s %s\n# TYPE evlog_relay_%s %s\nevlog_relay_%s{direction=", name,
            help, name, kind, name);
    put_value(out, metrics->direction);
    fputs(",log=", out);
    put_value(out, metrics->log);
    fputs(",topic=", out);
    put_value(out, metrics->topic);
    fprintf(out, "} %" PRIu64 "\n", value);
}

static void put_all(FILE *out, const struct metrics *metrics)
{
    put(out, metrics, "relayed_total", "counter", "Events that the other side has acknowledged.",
        metrics->relayed_count);
    put(out, metrics, "refused_total", "counter",
        "Parked (out), or kept as evlog.refused.v1 (in).", metrics->refused_count);
    put(out, metrics, "passed_total", "counter",
        "Events passed over: from a bus, or of no topic.", metrics->passed_count);
    put(out, metrics, "known_total", "counter", "Messages that came again and were in the log.",
        metrics->known_count);
    put(out, metrics, "lost_total", "counter",
        "Messages the broker trimmed before they were taken.", metrics->lost_count);
    put(out, metrics, "lag_events", "gauge",
        "Events of the log that the consumer is not done with.", metrics->lag_count);
    put(out, metrics, "reconnects_total", "counter", "Times that the broker was away.",
        metrics->link->reconnect_count);
    put(out, metrics, "up", "gauge", "Whether the broker is there.", !metrics->link->is_away);
    put(out, metrics, "last_error_time_seconds", "gauge", "When the last error was; 0: none.",
        (uint64_t)(metrics->last_error_us / 1000000));
    if (!metrics->last_error_us)
        return;
    fputs("# HELP evlog_relay_last_error The last error, as a label.\n"
          "# TYPE evlog_relay_last_error gauge\nevlog_relay_last_error{direction=",
          out);
    put_value(out, metrics->direction);
    fputs(",text=", out);
    put_value(out, metrics->last_error);
    fputs("} 1\n", out);
}

void metrics_write(struct metrics *metrics, bool is_now)
{
    char path[4096];
    int64_t now = now_ms();
    if (!metrics->path || (!is_now && metrics->written_ms && now - metrics->written_ms < 1000))
        return;
    metrics->written_ms = now;
    int size = snprintf(path, sizeof path, "%s.%d", metrics->path, (int)getpid());
    FILE *out = size < (int)sizeof path ? fopen(path, "w") : NULL;
    if (!out) {
        complain(0, "%s: the metrics cannot be written", metrics->path);
        metrics->path = NULL; /* it is said once */
        return;
    }
    put_all(out, metrics);
    if (fclose(out) || rename(path, metrics->path))
        unlink(path);
}
