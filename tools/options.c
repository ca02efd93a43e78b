/*
 * The arguments of the verbs. One table holds every option; a verb names those it takes (TAKES, in main.c), and help
 * is made from the same table. Those at its end, from the plain --wait on, are taken by every verb.
 */
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "progress.h"
#include "terminal.h"
#include "times.h"
#include "tool.h"

#define SHORTS "hn:o:rf" /* as getopt takes them */
#define LONG_FIRST 256   /* what getopt gives for the others: this, and the place in the table */

static const struct {
    enum verb_option option;
    char letter; /* of its short form; 0: it has none */
    const char *name;
    const char *argument; /* NULL: it takes none */
    const char *takes;    /* what an argument that was wrong should have been */
    const char *help;
} table[] = {
    {OPT_FROM, 0, "from", "SEQ", "a seq: 1, 2, 3 ...", "first event"},
    {OPT_TO, 0, "to", "SEQ", "a seq: 1, 2, 3 ...", "last event"},
    {OPT_SINCE, 0, "since", "TIME", "a time", "first time of logging"},
    {OPT_UNTIL, 0, "until", "TIME", "a time",
     "last time of logging; a date means all of that day"},
    {OPT_TYPE, 0, "type", "TYPE", "no more than 256 types",
     "event type, or the beginning of one and *; may be repeated"},
    {OPT_WHERE, 0, "where", "PATH=VALUE",
     "PATH, one of = != < <= > >= ~, and a value that fits it",
     "events whose data have this; also != < <= > >= and ~, see below"},
    {OPT_GREP, 0, "grep", "TEXT", "a text, and no more than 64",
     "events with TEXT in their data or headers; unless it has capitals,\n"
     "case does not matter"},
    {OPT_NOT_TYPE, 0, "not-type", "TYPE", "an event type, and no more than 64",
     "events of other types"},
    {OPT_SOURCE, 0, "source", "SOURCE", "a source, and no more than 64",
     "events of this source (of one of these), or beginning of one and *"},
    {OPT_HOST, 0, "host", "HOST", "a host, and no more than 64",
     "the same for the source's host"},
    {OPT_BY_TIME, 0, "by", "WHICH", "log or time",
     "which time --since and --until mean: log (default), when it was logged,\n"
     "or time, the event's own; then the whole log is read"},
    {OPT_COUNT, 'n', "count", "N", "a number: 1, 2, 3 ...", "at most N events"},
    {OPT_REVERSE, 'r', "reverse", NULL, NULL, "newest first; -n then counts from the newest"},
    {OPT_OUTPUT, 'o', "output", "FORM", "short, json or pretty",
     "short, json (one object a line) or pretty; default: short\n"
     "(get: pretty) on a terminal, json in a pipe"},
    {OPT_FIELDS, 0, "fields", "FIELDS", "names with commas between, and no more than 64",
     "only these, in this order: seq,time,enrollment.user.id; see below"},
    {OPT_NO_PAGER, 0, "no-pager", NULL, NULL,
     "print to the terminal itself, and not through EVLOG_PAGER, PAGER or less"},
    {OPT_OFFLINE, 0, "offline", NULL, NULL,
     "leave no trace in the log's directory, which nobody need be able to write\n"
     "to; a program that sends meanwhile can make events look damaged"},
    {OPT_OUTPUT_OF_ROWS, 'o', "output", "FORM", "table, csv or json",
     "table, csv (with a line of names) or json (one object a line); default:\n"
     "table on a terminal, json in a pipe"},
    {OPT_OUTPUT_OF_NOTES, 'o', "output", "FORM", "note or json",
     "note (default), as others read it, or json, an object that has it"},
    {OPT_COLUMN, 0, "column", "NAME=PATH", "NAME=PATH, and no more than 100",
     "a column of the value at PATH in the data (user=enrollment.user.id); may\n"
     "be repeated"},
    {OPT_EXEC, 0, "exec", "COMMAND", NULL, "the command to run for the events"},
    {OPT_FOLLOW, 'f', "follow", NULL, NULL, "when all is dealt with, wait for more"},
    {OPT_WAIT_FOR_LOG, 0, "wait", "SECONDS", "a number of seconds above 0",
     "the longest to wait for another process that writes to, opens or closes\n"
     "the log, and may be stopped; default: 10. When it is given, -f also waits\n"
     "for a log that is not there yet"},
    {OPT_WAIT_FOR_CLAIM, 0, "wait", "SECONDS", "a number of seconds above 0, or forever",
     "the longest to wait for another process that writes to, opens or closes\n"
     "the log, and may be stopped; default: 10. When it is given, also for one\n"
     "that has the consumer: a hot standby"},
    {OPT_ATTEMPTS, 0, "attempts", "N", "a number: 1, 2, 3 ...",
     "how often an event is tried before it has failed; default: 3 (with\n"
     "--exec and --on-failure stop: 1)"},
    {OPT_BACKOFF, 0, "backoff", "SECONDS", "a number of seconds above 0",
     "the wait before the second attempt, doubled for each more; default: 0.1"},
    {OPT_BACKOFF_MAX, 0, "backoff-max", "SECONDS", "a number of seconds above 0",
     "the longest wait between two attempts; default: 30"},
    {OPT_ON_FAILURE, 0, "on-failure", "WHAT", "park, stop or skip",
     "what becomes of an event that has failed: park (default), stop or skip"},
    {OPT_TIMEOUT, 0, "timeout", "SECONDS", "a number of seconds above 0",
     "kill the command, and what it has started, when for so long it does\n"
     "not read on, does not answer, or does not end"},
    {OPT_START, 0, "start", "WHERE", "first, last, last:N, a seq or a time",
     "where a new consumer begins; default: first"},
    {OPT_WORKER, 0, "worker", "I/N", "two numbers, as 1/4, from 1/1 to 256/256",
     "be worker I of N, which share the events by the value at --by"},
    {OPT_BY_PATH, 0, "by", "PATH", "a path",
     "where in an event's data that value is: order.customer.id"},
    {OPT_TO_WHERE, 0, "to", "WHERE", "first, last, last:N, a seq or a time",
     "where it is to go on"},
    {OPT_BEFORE, 0, "before", "WHERE", "a seq or a time",
     "the first event to be kept, by its seq or time of logging"},
    {OPT_KEEP, 0, "keep", "N", "a number: 1, 2, 3 ...", "keep the newest N events"},
    {OPT_MAX_AGE, 0, "max-age", "AGE", "a number and s, m, h, d or w",
     "keep the events of the last AGE: 90d, 12h, 2w"},
    {OPT_MAX_SIZE, 0, "max-size", "SIZE", "a number of bytes, or with K, M, G or T",
     "keep the newest events of about SIZE bytes: 500M, 20G"},
    {OPT_FORCE, 0, "force", NULL, NULL,
     "also events that a consumer has not done yet, or that are not sealed"},
    {OPT_SINCE_SEQ, 0, "since", "SEQ", "a seq: 1, 2, 3 ...",
     "a new copy begins with this event; an earlier one must reach up to it"},
    {OPT_HELD_BY, 0, "held-by", "WHICH",
     "all, none, or names of consumers with commas between them",
     "the consumers that keep back what they have not done:\nall (default), none, or NAME,NAME..."},
    {OPT_OFF, 0, "off", NULL, NULL, "keep all: no policy any more"},
    {OPT_IDLE, 0, "idle", "AGE", "a number and s, m, h, d or w",
     "those that have done nothing for so long: 30d, 12h"},
    {OPT_PREVIEW, 0, "preview", NULL, NULL, "only say what would be done"},
    {OPT_NOW, 0, "now", NULL, NULL, "then compact the log, which no other process may have open"},
    {OPT_REASON, 0, "reason", "TEXT", NULL,
     "why; it stays in the log, so it must not name the person"},
    {OPT_EXPECT, 0, "expect", "SEQ:CHAIN", NULL,
     "the head that was noted earlier: what the log held is as it was; with\n"
     "--seal also the file of a checkpoint"},
    {OPT_KEY, 0, "key", "FILE", NULL, "the file of the private key"},
    {OPT_NEXT, 0, "next", "FILE", NULL,
     "hand over to the key in this file, and sign with both: from then on\n"
     "only that one seals the log"},
    {OPT_STATE_KEY, 0, "key", "KEY", NULL, "only the value of this key"},
    {OPT_SEAL, 0, "seal", "PUBKEY", NULL,
     "check the log against its seals; PUBKEY is the public key, or a file of\n"
     "one or more, one a line"},
    {OPT_SIZE, 0, "size", "N", "a number: 1, 2, 3 ...",
     "the seal of N events; default: the newest"},
    {OPT_SINCE_SIZE, 0, "since-size", "N", "a number: 1, 2, 3 ...",
     "that the seal goes on from the first N events"},
    {OPT_YES, 0, "yes", NULL, NULL, "do it; without it, only say what would be done"},
    {OPT_ALL, 0, "all", NULL, NULL, "all of them"},
    {OPT_ACK_LINES, 0, "ack-lines", NULL, NULL,
     "each line that the command prints acknowledges one event"},
    {OPT_SPEED, 0, "speed", "FACTOR", "a number above 0",
     "with the time between events as it was, 1, or that many times faster"},
    {OPT_RATE, 0, "rate", "N", "a number above 0", "at most that many events a second"},
    {OPT_KEEP_GOING, 0, "keep-going", NULL, NULL,
     "count failures and damaged events, and pass on"},
    {OPT_SKIP_BAD, 0, "skip-bad", NULL, NULL, "pass over lines that are wrong, and count them"},
    {OPT_LENIENT, 0, "lenient", NULL, NULL,
     "take what JSON does not have: half of an emoji (\\ud83d alone) becomes\n"
     "U+FFFD, NaN, Infinity and -Infinity numbers"},
    {OPT_UNTYPED, 0, "untyped", NULL, NULL, "do not check a new type of Open edX by its schema"},
    {OPT_SOURCEHOST, 0, "sourcehost", "HOST", NULL,
     "the host that the event comes from; default: this one"},
    {OPT_SKIP_KNOWN, 0, "skip-known", NULL, NULL,
     "pass over events whose ids the log has, and count them; this reads the\n"
     "log for each 65,536 events"},
    {OPT_REDACT, 0, "redact", NULL, NULL, "mask personal fields, and leave headers out"},
    {OPT_KNOWN, 0, "known", NULL, NULL, "refuse an event type that is not in the log"},
    {OPT_NO_NEW_LOG, 0, "no-create", NULL, NULL, "refuse to make a new log"},
    {OPT_NO_NEW_CONSUMER, 0, "no-create", NULL, NULL, "refuse to make a new consumer"},
    {OPT_DURABILITY, 0, "durability", "KIND", "durable or fast",
     "of a new log: durable (default) survives a power cut, fast\n"
     "does not, but survives the death of the process"},
    {OPT_GROUP_WRITABLE, 0, "group-writable", NULL, NULL,
     "of a new log: every user of its group can send and read, whatever the\n"
     "umask (directory 2770, files 660)"},
    {OPT_SERVICE, 0, "service", "NAME", NULL, "the source becomes openedx/NAME/web"},
    {OPT_TIME, 0, "time", "TIME", "a time, and not 1970-01-01 to the microsecond",
     "when the event happened; default: now"},
    {OPT_MINORVERSION, 0, "minorversion", "N", "a number: 0, 1, 2 ...",
     "the event type's minor version; default: 0"},
    {OPT_HEADER, 0, "header", "NAME=VALUE", "NAME=VALUE, and no more than 64",
     "text that goes with the event beside its data; may be repeated"},
    {OPT_SCHEMA, 0, "schema", NULL, NULL, "each type's schemas, one a line"},
    {OPT_FORCE_SCHEMA, 0, "force", NULL, NULL,
     "record the schema although it does not go with earlier ones"},
    {OPT_FORM, 0, "form", "FIELD=FORM", "a field's path, = and a form; no more than 256",
     "the text in FIELD (order.placed_at, order.items.*.id) is of FORM: time,\n"
     "uuid, course_key, usage_key ...; may be repeated"},
    {OPT_PLUGIN, 0, "plugin", "FILE.so", "no more than 64 plugins",
     "load a plugin's receivers; may be repeated, in that order"},
    {OPT_WAIT, 0, "wait", "SECONDS", "a number of seconds above 0",
     "the longest to wait for another process that writes to, opens or closes\n"
     "the log, and may be stopped; default: 10"},
    {OPT_UTC, 0, "utc", NULL, NULL, "show and read times in UTC, and not in the local zone"},
    {OPT_HELP, 'h', "help", NULL, NULL, "show this help"},
};
#define TABLE_COUNT (sizeof table / sizeof *table)

static const char where_help[] =
    "WHERE is first, last (what comes from now on), last:N (the last N events), a seq or a time.\n";

static const char times_help[] =
    "A TIME is 2026-01-31, \"2026-01-31 18:00\", 2026-01-31T18:00:00.5+01:00, 18:00, @SECONDS since\n"
    "1970, now, today, \"yesterday 18:00\", tomorrow, -90min, \"2 days ago\", 1h30m (ago), +5min, or what\n"
    "date(1) prints. UTC, +01:00 or Europe/Berlin may follow it; else it is in the local zone.\n";

static const char filter_help[] =
    "--where is one word: enrollment.user.id=7. The path's parts have dots between; items of lists\n"
    "count from 0. Numbers compare as numbers, texts as texts, true, false and null as such; \"7\" in\n"
    "quotes is only the text. What is not there is null: it matches x!=7 and x=null. ~ is a POSIX\n"
    "extended regular expression (so without \\1), found anywhere in a text. All options have to fit the\n"
    "event.\n";

static const char fields_help[] =
    "--fields takes the keys that evlog show -o json prints (data for all of it), headers.NAME, and paths\n"
    "in the data, as --where does; data.PATH is always one of these, and \\, a comma in it. In JSON each\n"
    "event is an object with just these keys, null where there is no such value. -o short prints a line\n"
    "an event with tabs between: texts without quotes, nothing where there is no value.\n";

/* ---------------------------------------------------------------------- help ---- */

static void option_help(FILE *out, size_t i)
{
    char left[40];
    char letter = table[i].letter;
    int is_short = letter != 0;
    const char *help = table[i].help;
    snprintf(left, sizeof left, "%c%c%s --%s%s%s", is_short ? '-' : ' ', is_short ? letter : ' ',
             is_short ? "," : " ", table[i].name, table[i].argument ? " " : "",
             table[i].argument ? table[i].argument : "");
    fprintf(out, "  %-24s ", left);
    for (const char *end; (end = strchr(help, '\n')); help = end + 1)
        fprintf(out, "%.*s\n  %-24s ", (int)(end - help), help, "");
    fprintf(out, "%s\n", help);
}

bool verb_takes(const struct verb *verb, enum verb_option option)
{
    const unsigned char *at = verb->options;
    while (*at != OPT_END && *at != option)
        at++;
    return option >= OPT_WAIT || *at == option;
}

/*
 * The option that a name means to a verb, for options may share one, as --to: the first that the verb takes, where
 * those of every verb are last in the table; or, to be refused, the first of all.
 */
static size_t option_named(const struct verb *verb, const char *name)
{
    size_t first = TABLE_COUNT;
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        if (strcmp(table[i].name, name) != 0)
            continue;
        if (verb_takes(verb, table[i].option))
            return i;
        if (first == TABLE_COUNT)
            first = i;
    }
    return first;
}

bool option_at(size_t i, struct option_help *option)
{
    if (i >= TABLE_COUNT)
        return false;
    *option = (struct option_help){table[i].name, table[i].letter, table[i].argument,
                                   table[i].takes, table[i].help};
    return true;
}

bool options_preview(const struct verb *verb, const struct options *options)
{
    bool shows = verb->run == retain_run && !options->keep_age_us && !options->keep_count &&
                 !options->keep_size && !options->off;
    return options->preview || (verb_takes(verb, OPT_YES) && !options->yes && !shows);
}

bool option_is_of(const struct verb *verb, size_t i)
{
    return verb_takes(verb, table[i].option) && option_named(verb, table[i].name) == i;
}

void verb_help(FILE *out, const struct verb *verb)
{
    bool has_where = verb_takes(verb, OPT_START) || verb_takes(verb, OPT_TO_WHERE);
    bool has_times = has_where || verb_takes(verb, OPT_SINCE) || verb_takes(verb, OPT_UNTIL) ||
                     verb_takes(verb, OPT_TIME) || verb_takes(verb, OPT_BEFORE);
    bool has_filter = verb_takes(verb, OPT_WHERE);
    bool has_fields = verb_takes(verb, OPT_FIELDS);
    fprintf(out, "usage: evlog %s [OPTION]... %s\n\n%s: %s.\n\n%s%s", verb->name, verb->arguments,
            verb->name, verb->summary, verb->help, *verb->help ? "\n" : "");
    for (size_t i = 0; i < TABLE_COUNT; i++)
        if (option_is_of(verb, i))
            option_help(out, i);
    fprintf(out, "%s%s%s%s%s", has_times || has_filter || has_fields ? "\n" : "",
            has_fields ? fields_help : "", has_filter ? filter_help : "",
            has_where ? where_help : "", has_times ? times_help : "");
}

/* ------------------------------------------------------------------- reading ---- */

static int whole_number(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
    uint64_t result = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (result > (UINT64_MAX - digit) / 10)
            return -1;
        result = result * 10 + digit;
    }
    if (at == text || *at || result < min || result > max)
        return -1;
    *value = result;
    return 0;
}

/* As time_read(), counted from the clock. */
static int read_time(const char *text, int is_end, int64_t *time_us)
{
    return time_read(text, is_end, evlog_now_us(), time_us);
}

/* The same for a range, where 0 is no bound: the microsecond beside it, as no log is so old. */
static int read_bound(const char *text, int is_end, int64_t *time_us)
{
    int result = read_time(text, is_end, time_us);
    if (!result && *time_us == 0)
        *time_us = is_end ? -1 : 1;
    return result;
}

static int read_output(const char *text, enum output *output)
{
    static const char *const names[] = {"short", "json", "pretty"};
    for (int i = 0; i < 3; i++)
        if (strcmp(text, names[i]) == 0) {
            *output = (enum output)(OUTPUT_SHORT + i);
            return 0;
        }
    return -1;
}

static int read_form_of_rows(const char *text, enum output *output)
{
    *output = strcmp(text, "table") == 0  ? OUTPUT_SHORT
              : strcmp(text, "json") == 0 ? OUTPUT_JSON
              : strcmp(text, "csv") == 0  ? OUTPUT_CSV
                                          : OUTPUT_AUTO;
    return *output ? 0 : -1;
}

static int read_form_of_notes(const char *text, enum output *output)
{
    *output = strcmp(text, "note") == 0 ? OUTPUT_SHORT : OUTPUT_JSON;
    return *output == OUTPUT_SHORT || strcmp(text, "json") == 0 ? 0 : -1;
}

static int add_column(struct options *options, const char *text)
{
    const char *equals = strchr(text, '=');
    if (!equals || equals == text || options->column_count == COLUMNS_MAX)
        return -1;
    options->columns[options->column_count++] = text;
    return 0;
}

static int read_durability(const char *text, evlog_durability *durability)
{
    *durability = strcmp(text, "durable") == 0 ? EVLOG_DURABLE
                  : strcmp(text, "fast") == 0  ? EVLOG_FAST
                                               : 0;
    return *durability ? 0 : -1;
}

static int add_type(struct options *options, const char *text)
{
    if (options->range.type_count == EVLOG_PATTERNS_MAX)
        return -1;
    options->types[options->range.type_count++] = text;
    options->range.types = options->types;
    return 0;
}

/* first, last, last:N, a seq or a time. */
static int read_start(const char *text, evlog_reset_options *start)
{
    int is_last_n = strncmp(text, "last:", 5) == 0;
    *start = (evlog_reset_options){.start = EVLOG_START_SEQ};
    if (strcmp(text, "first") == 0)
        start->start = EVLOG_START_FIRST;
    else if (strcmp(text, "last") == 0 || strcmp(text, "new") == 0)
        start->start = EVLOG_START_NEW;
    else if (is_last_n)
        start->start = EVLOG_START_LAST;
    else if (whole_number(text, 1, UINT64_MAX, &start->start_seq))
        start->start = EVLOG_START_TIME;
    if (is_last_n)
        return whole_number(text + 5, 1, UINT64_MAX, &start->start_count);
    return start->start == EVLOG_START_TIME ? read_time(text, 0, &start->start_time_us) : 0;
}

/* 90d; it lies after the beginning of the calendar. */
static int read_age(const char *age, int64_t *age_us)
{
    int64_t read_us;
    if (span_read(age, &read_us) || !read_us || read_us > evlog_now_us() - EVLOG_TIME_US_MIN)
        return -1;
    *age_us = read_us;
    return 0;
}

/* What was logged since then is kept. */
static int read_max_age(const char *age, struct options *options)
{
    if (read_age(age, &options->keep_age_us))
        return -1;
    options->start = (evlog_reset_options){
        .start = EVLOG_START_TIME, .start_time_us = evlog_now_us() - options->keep_age_us};
    return 0;
}

/* The first event to be kept. */
static int read_before(const char *text, evlog_reset_options *start)
{
    if (read_start(text, start))
        return -1;
    return start->start == EVLOG_START_SEQ || start->start == EVLOG_START_TIME ? 0 : -1;
}

static int read_size(const char *text, uint64_t *size)
{
    static const char units[] = "KMGT";
    char number[24];
    size_t length = strlen(text);
    const char *unit = length ? strchr(units, text[length - 1]) : NULL;
    unsigned shift = unit && *unit ? 10 * (unsigned)(unit - units + 1) : 0;
    if (length == 0 || length >= sizeof number)
        return -1;
    memcpy(number, text, length + 1);
    if (shift)
        number[length - 1] = '\0';
    if (whole_number(number, 1, UINT64_MAX >> shift, size))
        return -1;
    *size <<= shift;
    return 0;
}

/* NAME=VALUE: the argument is cut after its name. */
static int add_header(struct options *options, char *text)
{
    char *value = strchr(text, '=');
    if (!value || value == text || options->header_count == HEADERS_MAX)
        return -1;
    *value = '\0';
    options->headers[options->header_count++] = (evlog_header){text, value + 1};
    return 0;
}

static int read_factor(const char *text, double *factor)
{
    char *end;
    *factor = strtod(text, &end);
    return end == text || *end || !(*factor > 0) || *factor > 1e9 ? -1 : 0;
}

/* Seconds, as milliseconds. */
static int read_wait(const char *text, uint32_t *wait_ms)
{
    double seconds;
    if (read_factor(text, &seconds) || seconds > UINT32_MAX / 1000)
        return -1;
    *wait_ms = seconds < 0.001 ? 1 : (uint32_t)(seconds * 1000);
    return 0;
}

/* I/N: which share of the events. */
static int read_worker(char *text, struct options *options)
{
    uint64_t worker, workers;
    char *slash = strchr(text, '/');
    if (!slash)
        return -1;
    *slash = '\0';
    int result = whole_number(slash + 1, 1, EVLOG_WORKERS_MAX, &workers) ||
                 whole_number(text, 1, workers, &worker);
    *slash = '/';
    if (result)
        return -1;
    options->worker = (uint32_t)worker;
    options->workers = (uint32_t)workers;
    return 0;
}

/* Reads the argument of an option of a range. 0, -1 when it is wrong, 1 when it is another option. */
static int range_option_read(struct options *options, enum verb_option option, char *text)
{
    evlog_range *range = &options->range;
    switch (option) {
    case OPT_FROM:
        return whole_number(text, 1, UINT64_MAX, &range->first_seq);
    case OPT_TO:
        return whole_number(text, 1, UINT64_MAX, &range->last_seq);
    case OPT_SINCE:
        return read_bound(text, 0, &range->since_us);
    case OPT_UNTIL:
        return read_bound(text, 1, &range->until_us);
    case OPT_TYPE:
        return add_type(options, text);
    case OPT_COUNT:
        options->has_count = 1;
        return whole_number(text, 0, UINT64_MAX, &range->limit);
    case OPT_SPEED:
        return read_factor(text, &range->speed);
    case OPT_RATE:
        return read_factor(text, &range->per_second);
    case OPT_WORKER:
        return read_worker(text, options);
    case OPT_BY_PATH:
        options->by = text;
        return *text ? 0 : -1;
    default:
        return 1;
    }
}

/* log or time. */
static int read_by(const char *text, int *by_event_time)
{
    *by_event_time = strcmp(text, "time") == 0;
    return *by_event_time || strcmp(text, "log") == 0 ? 0 : -1;
}

/* The same for an option of the filter. */
static int filter_option_read(struct options *options, enum verb_option option, char *text)
{
    struct event_filter *filter = &options->filter;
    switch (option) {
    case OPT_WHERE:
        return event_filter_where(filter, text);
    case OPT_GREP:
        return event_filter_grep(filter, text);
    case OPT_NOT_TYPE:
        return event_filter_pattern(&filter->not_types, text);
    case OPT_SOURCE:
        return event_filter_pattern(&filter->sources, text);
    case OPT_HOST:
        return event_filter_pattern(&filter->hosts, text);
    case OPT_BY_TIME:
        return read_by(text, &options->by_event_time);
    default:
        return 1;
    }
}

static int read_on_failure(const char *text, evlog_on_failure *on_failure)
{
    static const char *const names[] = {"park", "stop", "skip"};
    for (int i = 0; i < 3; i++)
        if (strcmp(text, names[i]) == 0) {
            *on_failure = (evlog_on_failure)i;
            return 0;
        }
    return -1;
}

/* How events that fail are dealt with. 0, -1 when it is wrong, 1 when it is another option. */
static int failure_option_read(struct options *options, enum verb_option option, char *text)
{
    uint64_t number;
    switch (option) {
    case OPT_WAIT_FOR_CLAIM:
        options->waits_for_ever = strcmp(text, "forever") == 0;
        return options->waits_for_ever ? 0 : read_wait(text, &options->open.wait_ms);
    case OPT_ATTEMPTS:
        if (whole_number(text, 1, UINT32_MAX, &number))
            return -1;
        options->attempts = (uint32_t)number;
        return 0;
    case OPT_BACKOFF:
        return read_wait(text, &options->backoff_ms);
    case OPT_BACKOFF_MAX:
        return read_wait(text, &options->backoff_max_ms);
    case OPT_ON_FAILURE:
        return read_on_failure(text, &options->on_failure);
    case OPT_TIMEOUT:
        return read_wait(text, &options->timeout_ms);
    default:
        return 1;
    }
}

/* What is to be kept, or copied. 0, -1 when it is wrong, 1 when it is another option. */
static int keep_option_read(struct options *options, enum verb_option option, char *text)
{
    switch (option) {
    case OPT_BEFORE:
        return read_before(text, &options->start);
    case OPT_KEEP:
        options->start = (evlog_reset_options){.start = EVLOG_START_LAST};
        if (whole_number(text, 1, INT64_MAX, &options->keep_count))
            return -1;
        options->start.start_count = options->keep_count;
        return 0;
    case OPT_MAX_AGE:
        return read_max_age(text, options);
    case OPT_MAX_SIZE:
        return read_size(text, &options->keep_size);
    case OPT_HELD_BY:
        options->held_by = text;
        return *text ? 0 : -1;
    case OPT_IDLE:
        return read_age(text, &options->idle_us);
    case OPT_SINCE_SEQ:
        return whole_number(text, 1, UINT64_MAX, &options->since_seq);
    default:
        return 1;
    }
}

/* What is sent, and to what. 0, -1 when it is wrong, 1 when it is another option. */
static int send_option_read(struct options *options, enum verb_option option, char *text)
{
    uint64_t number;
    switch (option) {
    case OPT_DURABILITY:
        return read_durability(text, &options->open.durability);
    case OPT_TIME:
        return read_time(text, 0, &options->time_us) || !options->time_us ? -1 : 0;
    case OPT_MINORVERSION:
        if (whole_number(text, 0, INT32_MAX, &number))
            return -1;
        options->minorversion = (int32_t)number;
        return 0;
    case OPT_HEADER:
        return add_header(options, text);
    case OPT_SERVICE:
        options->open.service = text;
        return 0;
    case OPT_SOURCEHOST:
        options->open.sourcehost = text;
        return 0;
    default:
        return 1;
    }
}

/* FIELD=FORM. The argument is cut in two. */
static int read_form(char *text, struct options *options)
{
    char *equals = strchr(text, '=');
    if (!equals || options->form_count == FORMS_MAX)
        return -1;
    *equals = '\0';
    options->forms[options->form_count++] = (evlog_form){.path = text, .form = equals + 1};
    return 0;
}

/* How results are written. 0, -1 when it is wrong, 1 when it is another option. */
static int output_option_read(struct options *options, enum verb_option option, char *text)
{
    switch (option) {
    case OPT_OUTPUT:
        return read_output(text, &options->output);
    case OPT_OUTPUT_OF_ROWS:
        return read_form_of_rows(text, &options->output);
    case OPT_OUTPUT_OF_NOTES:
        return read_form_of_notes(text, &options->output);
    case OPT_FIELDS:
        return fields_read(&options->fields, text);
    case OPT_COLUMN:
        return add_column(options, text);
    default:
        return 1;
    }
}

/* What is signed, and compared. 0, -1 when it is wrong, 1 when it is another option. */
static int seal_option_read(struct options *options, enum verb_option option, char *text)
{
    switch (option) {
    case OPT_REASON:
        options->reason = text;
        return 0;
    case OPT_SIZE:
        return whole_number(text, 1, INT64_MAX, &options->size);
    case OPT_SINCE_SIZE:
        return whole_number(text, 1, INT64_MAX, &options->old_size);
    case OPT_EXPECT:
        options->expect = text;
        return 0;
    case OPT_KEY:
        options->key = text;
        return 0;
    case OPT_NEXT:
        options->next = text;
        return 0;
    case OPT_STATE_KEY:
        options->state_key = text;
        return 0;
    case OPT_SEAL:
        options->seal = text;
        return 0;
    default:
        return 1;
    }
}

/* Reads one option's argument into its place. 0, or -1 when it is wrong. */
static int option_read(struct options *options, enum verb_option option, char *text)
{
    static int (*const groups[])(struct options *, enum verb_option, char *) = {
        range_option_read,  filter_option_read, keep_option_read,   send_option_read,
        output_option_read, seal_option_read,   failure_option_read};
    int result = 1;
    for (size_t i = 0; result > 0 && i < sizeof groups / sizeof *groups; i++)
        result = groups[i](options, option, text);
    if (result <= 0)
        return result;
    switch (option) {
    case OPT_START:
    case OPT_TO_WHERE:
        return read_start(text, &options->start);
    case OPT_FORM:
        return read_form(text, options);
    case OPT_WAIT:
    case OPT_WAIT_FOR_LOG:
        return read_wait(text, &options->open.wait_ms);
    case OPT_EXEC:
        options->exec = text;
        return 0;
    default: /* OPT_PLUGIN */
        if (options->plugin_count == PLUGINS_MAX)
            return -1;
        options->plugins[options->plugin_count++] = text;
        return 0;
    }
}

static void option_set(struct options *options, enum verb_option option)
{
    options->group_writable |= option == OPT_GROUP_WRITABLE;
    options->no_pager |= option == OPT_NO_PAGER;
    options->open.offline |= option == OPT_OFFLINE;
    options->range.newest_first |= option == OPT_REVERSE;
    options->range.keep_going |= option == OPT_KEEP_GOING;
    options->skip_bad |= option == OPT_SKIP_BAD;
    options->skip_known |= option == OPT_SKIP_KNOWN;
    options->lenient |= option == OPT_LENIENT;
    options->untyped |= option == OPT_UNTYPED;
    options->redact |= option == OPT_REDACT;
    options->known |= option == OPT_KNOWN;
    options->follow |= option == OPT_FOLLOW;
    options->preview |= option == OPT_PREVIEW;
    options->now |= option == OPT_NOW;
    options->off |= option == OPT_OFF;
    options->yes |= option == OPT_YES;
    options->all |= option == OPT_ALL;
    options->ack_lines |= option == OPT_ACK_LINES;
    options->schema |= option == OPT_SCHEMA;
    options->force |= option == OPT_FORCE_SCHEMA || option == OPT_FORCE;
    options->open.no_create |=
        option == OPT_NO_NEW_LOG || option == OPT_NO_NEW_CONSUMER || option == OPT_KNOWN;
}

/* Which option getopt has given: a short one means what its name does. TABLE_COUNT: none of a verb. */
static size_t option_given(const struct verb *verb, int given)
{
    size_t i = 0;
    if (given >= LONG_FIRST)
        return (size_t)given - LONG_FIRST;
    while (i < TABLE_COUNT && table[i].letter != given)
        i++;
    return i < TABLE_COUNT ? option_named(verb, table[i].name) : i;
}

/* Takes one option as getopt gives it. -1: go on, else the exit status. */
static int option_take(const struct verb *verb, struct options *options, int given)
{
    size_t i = option_given(verb, given);
    if (i == TABLE_COUNT) {
        fprintf(stderr, "See: evlog help %s\n", verb->name);
        return EXIT_MISUSE; /* getopt has said what */
    }
    enum verb_option option = table[i].option;
    if (option == OPT_HELP) {
        pager_begin();
        verb_help(stdout, verb);
        return EXIT_DONE;
    }
    if (!verb_takes(verb, option))
        return complain(EXIT_MISUSE, "evlog %s has no option --%s; see: evlog help %s",
                        verb->name, table[i].name, verb->name);
    if (option == OPT_EXEC && options->exec)
        return complain(EXIT_MISUSE, "--exec is given twice: one command gets the events");
    if (!table[i].argument)
        option_set(options, option);
    else if (option_read(options, option, optarg))
        return complain(EXIT_MISUSE, "--%s takes %s, not '%s'; see: evlog help %s", table[i].name,
                        table[i].takes, optarg, verb->name);
    return -1;
}

/* The filter; where it passes over many events an interruption is still seen. */
static bool wants(const evlog_event *event, void *ctx)
{
    progress_check(event->seq);
    return event_filter_matches(event, ctx);
}

/* What has to fit together, and what the range needs of the filter, once all options are read. -1: go on. */
static int range_complete(const struct verb *verb, struct options *options)
{
    evlog_range *range = &options->range;
    if (options->has_count && !range->limit && !options->follow && verb->run != tail_run)
        return complain(EXIT_MISUSE,
                        "--count takes a number: 1, 2, 3 ..., not '0'; see: evlog help %s",
                        verb->name);
    if (verb->run == show_run && options->follow &&
        (range->newest_first || range->last_seq || range->until_us))
        return complain(EXIT_MISUSE,
                        "-f goes on for ever: it takes no --reverse, --to or --until");
    if (range->since_us && range->until_us && range->since_us > range->until_us)
        return complain(EXIT_MISUSE, "--since is after --until");
    if (options->by_event_time) {
        options->filter.since_us = range->since_us;
        options->filter.until_us = range->until_us;
        range->since_us = range->until_us = 0;
    }
    if (event_filter_is_empty(&options->filter))
        return -1;
    range->wants = wants;
    range->wants_ctx = &options->filter;
    return -1;
}

static bool is_directory(const char *path)
{
    struct stat there;
    return stat(path, &there) == 0 && S_ISDIR(there.st_mode);
}

/*
 * The log that EVLOG_LOG names, where LOG is left out; NULL: it is the first argument. So it is when there are as many
 * arguments as the verb can have, when one less would be too few, and else when it is a directory.
 */
static const char *default_log(const struct verb *verb, int count, const char *first)
{
    const char *log = getenv("EVLOG_LOG");
    bool are_logs = strncmp(verb->arguments, "LOG...", 6) == 0;
    if (!log || !*log || count >= verb->operand_max)
        return NULL;
    if (count < verb->operand_min)
        return log;
    return are_logs || is_directory(first) ? NULL : log;
}

static int operands_read(const struct verb *verb, int argc, char **argv, struct options *options)
{
    options->path = default_log(verb, argc - optind, argv[optind]);
    int count = argc - optind + (options->path != NULL);
    if (count < verb->operand_min || count > verb->operand_max)
        return complain(EXIT_MISUSE, "%s; usage: evlog %s %s",
                        count < verb->operand_min ? "an argument is missing"
                                                  : "too many arguments",
                        verb->name, verb->arguments);
    if (!options->path)
        options->path = argv[optind++];
    while (optind < argc)
        options->operands[options->operand_count++] = argv[optind++];
    if (options->output == OUTPUT_AUTO)
        options->output = verb_takes(verb, OPT_OUTPUT_OF_NOTES) ? OUTPUT_SHORT
                          : !isatty(STDOUT_FILENO)              ? OUTPUT_JSON
                          : verb->run == get_run                ? OUTPUT_PRETTY
                                                                : OUTPUT_SHORT;
    return range_complete(verb, options);
}

int options_read(const struct verb *verb, int argc, char **argv, struct options *options)
{
    struct option longs[TABLE_COUNT + 1] = {{0}};
    char command[] = "evlog";
    int given, status, count = 0;
    for (size_t i = 0; i < TABLE_COUNT; i++)
        if (option_named(verb, table[i].name) == i)
            longs[count++] = (struct option){table[i].name, table[i].argument != NULL, NULL,
                                             LONG_FIRST + (int)i};
    argv[0] = command; /* getopt puts it before its messages */
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--utc") == 0)
            times_in_utc(); /* wherever it stands, before any time is read */
    while ((given = getopt_long(argc, argv, SHORTS, longs, NULL)) != -1)
        if ((status = option_take(verb, options, given)) >= 0)
            return status;
    return operands_read(verb, argc, argv, options);
}
