/* evlog retain: what a log keeps, as a policy of its own. */
#include "retention.h"

#include <stdlib.h>
#include <string.h>

#include "text.h"

/* ------------------------------------------------------------- showing it ---- */

/* In the largest unit that gives a whole number: 90d, 12h, 90s. */
static const char *age_text(int64_t age_us, char text[32])
{
    static const struct {
        int64_t seconds;
        char letter;
    } units[] = {{604800, 'w'}, {86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    size_t i = 0;
    int64_t seconds = age_us / 1000000;
    while (units[i].seconds > 1 && seconds % units[i].seconds)
        i++;
    snprintf(text, 32, "%" PRId64 "%c", seconds / units[i].seconds, units[i].letter);
    return text;
}

static json_t *holders_json(const evlog_retention *retention)
{
    if (retention->held_by != EVLOG_HELD_BY_NAMED)
        return json_string(retention->held_by == EVLOG_HELD_BY_ALL ? "all" : "none");
    json_t *names = json_array();
    for (size_t i = 0; i < retention->holder_count; i++)
        json_array_append_new(names, json_string(retention->holders[i]));
    return names;
}

json_t *retention_json(const evlog_retention *retention, const evlog_retained *retained)
{
    if (!retention)
        return json_null();
    return json_pack("{s:f, s:I, s:I, s:o, s:I, s:I, s:I, s:I, s:s*}", "max_age_seconds",
                     (double)retention->age_us / 1e6, "keep", (json_int_t)retention->count,
                     "max_size", (json_int_t)retention->size, "held_by", holders_json(retention),
                     "first_seq", (json_int_t)retained->first_seq, "last_seq",
                     (json_int_t)retained->last_seq, "held_seq", (json_int_t)retained->held_seq,
                     "held", (json_int_t)retained->held_count, "in_the_way",
                     *retained->held_by ? retained->held_by : NULL);
}

static void put_limits(const evlog_retention *retention)
{
    char text[32];
    const char *between = "";
    fputs("keeps       ", stdout);
    if (retention->age_us) {
        printf("the last %s", age_text(retention->age_us, text));
        between = ", ";
    }
    if (retention->count) {
        printf("%s%" PRIu64 " event%s", between, retention->count, plural(retention->count));
        between = ", ";
    }
    if (retention->size)
        printf("%s%s", between, size_text(retention->size, text));
    puts(", at most");
}

static void put_holders(const evlog_retention *retention)
{
    fputs("held by     ", stdout);
    if (retention->held_by != EVLOG_HELD_BY_NAMED)
        fputs(retention->held_by == EVLOG_HELD_BY_ALL ? "all consumers" : "no consumer", stdout);
    for (size_t i = 0; i < retention->holder_count; i++) {
        fputs(i ? ", " : "", stdout);
        text_put(stdout, retention->holders[i], strlen(retention->holders[i]), 0, 0);
    }
    putchar('\n');
}

void retention_put(const evlog_retention *retention, const evlog_retained *retained)
{
    if (!retention) {
        puts("keeps       all");
        return;
    }
    put_limits(retention);
    put_holders(retention);
    if (retained->first_seq)
        printf("to go       event%s %" PRIu64 " to %" PRIu64 "\n",
               plural(retained->last_seq - retained->first_seq + 1), retained->first_seq,
               retained->last_seq);
    if (retained->held_count) {
        printf("held back   %" PRIu64 " event%s from %" PRIu64 " on, %s", retained->held_count,
               plural(retained->held_count), retained->held_seq,
               *retained->held_by ? "by the consumer " : "since they are not sealed yet");
        text_put(stdout, retained->held_by, strlen(retained->held_by), 0, 0);
        putchar('\n');
    }
}

int retention_read(evlog *log, evlog_retention **retention, evlog_retained *retained)
{
    memset(retained, 0, sizeof *retained);
    int code = evlog_retention_get(log, retention);
    if (code || !*retention)
        return code;
    code = evlog_retention_look(log, *retention, retained);
    if (code)
        evlog_retention_free(*retention);
    return code;
}

static int put(const evlog_retention *retention, const evlog_retained *retained,
               const struct options *options)
{
    if (options->output == OUTPUT_SHORT) {
        retention_put(retention, retained);
        return EXIT_DONE;
    }
    static const evlog_retention all = {.age_us = 0};
    return result_put(retention_json(retention ? retention : &all, retained), options->output);
}

/* ------------------------------------------------------------- setting it ---- */

/* NAME,NAME. The argument is cut. 0, or -1: too many names. */
static int read_holders(char *text, evlog_retention *retention, const char **names)
{
    retention->held_by = EVLOG_HELD_BY_NAMED;
    retention->holders = names;
    for (char *name = strtok(text, ","); name; name = strtok(NULL, ",")) {
        if (retention->holder_count == EVLOG_HOLDERS_MAX)
            return -1;
        names[retention->holder_count++] = name;
    }
    return 0;
}

static int read_policy(const struct options *options, evlog_retention *retention,
                       const char **names)
{
    *retention = (evlog_retention){
        .age_us = options->keep_age_us, .count = options->keep_count, .size = options->keep_size};
    char *held_by = options->held_by;
    if (!held_by || strcmp(held_by, "all") == 0)
        return 0;
    if (strcmp(held_by, "none") != 0)
        return read_holders(held_by, retention, names);
    retention->held_by = EVLOG_HELD_BY_NONE;
    return 0;
}

static int set(evlog *log, const evlog_retention *retention, const struct options *options)
{
    evlog_retained retained = {.first_seq = 0};
    int code = retention ? evlog_retention_look(log, retention, &retained) : EVLOG_OK;
    if (!code && options->yes)
        code = evlog_retain(log, retention);
    if (code)
        return library_status(code);
    int status = put(retention, &retained, options);
    if (!options->yes && options->output == OUTPUT_SHORT)
        puts("this is not the policy yet; make it that with --yes");
    return status;
}

static int show(evlog *log, const struct options *options)
{
    evlog_retention *retention;
    evlog_retained retained;
    int code = retention_read(log, &retention, &retained);
    if (code)
        return library_status(code);
    int status = put(retention, &retained, options);
    evlog_retention_free(retention);
    return status;
}

int retain_run(struct options *options)
{
    evlog *log;
    evlog_retention retention;
    const char *names[EVLOG_HOLDERS_MAX];
    bool has_limit = options->keep_age_us || options->keep_count || options->keep_size;
    bool is_set = has_limit || options->off;
    if (has_limit && options->off)
        return complain(EXIT_MISUSE, "--off is that all is kept: it goes with no limit");
    if (!has_limit && options->held_by)
        return complain(
            EXIT_MISUSE,
            "what is to be kept? --held-by goes with --max-age, --keep or --max-size");
    if (read_policy(options, &retention, names))
        return complain(EXIT_MISUSE, "--held-by takes no more than %d names", EVLOG_HOLDERS_MAX);
    if (is_set && options->yes ? open_to_write(options, &log) : open_to_read(options, &log))
        return EXIT_LOG;
    int status =
        is_set ? set(log, options->off ? NULL : &retention, options) : show(log, options);
    evlog_close(log);
    return status;
}
