/*
 * The arguments of the verbs. One table holds every option; a verb names those it takes
 * by their letters, and help is made from the same table. Those of EVERY are taken by every verb. Only
 * those of SHORT are short options, the other letters are names in here.
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

#define SHORT "hnorf"
#define EVERY "hw&"

static const struct {
    char letter;
    const char *name;
    const char *argument; /* NULL: it takes none */
    const char *takes;    /* what an argument that was wrong should have been */
    const char *help;
} table[] = {
    {'F', "from", "SEQ", "a seq: 1, 2, 3 ...", "first event"},
    {'t', "to", "SEQ", "a seq: 1, 2, 3 ...", "last event"},
    {'s', "since", "TIME", "a time", "first time of logging"},
    {'u', "until", "TIME", "a time", "last time of logging; a date means all of that day"},
    {'T', "type", "TYPE", "no more than 256 types",
     "event type, or the beginning of one and *; may be repeated"},
    {'=', "where", "PATH=VALUE", "PATH, one of = != < <= > >= ~, and a value that fits it",
     "events whose data have this; also != < <= > >= and ~, see below"},
    {'~', "grep", "TEXT", "a text, and no more than 64",
     "events with TEXT in their data or headers; unless it has capitals,\n"
     "case does not matter"},
    {'!', "not-type", "TYPE", "an event type, and no more than 64", "events of other types"},
    {'@', "source", "SOURCE", "a source, and no more than 64",
     "events of this source (of one of these), or beginning of one and *"},
    {'#', "host", "HOST", "a host, and no more than 64", "the same for the source's host"},
    {'%', "by", "WHICH", "log or time",
     "which time --since and --until mean: log (default), when it was logged,\n"
     "or time, the event's own; then the whole log is read"},
    {'n', "count", "N", "a number: 1, 2, 3 ...", "at most N events"},
    {'r', "reverse", NULL, NULL, "newest first; -n then counts from the newest"},
    {'o', "output", "FORM", "short, json or pretty",
     "short, json (one object a line) or pretty; default: short\n"
     "(get: pretty) on a terminal, json in a pipe"},
    {'{', "fields", "FIELDS", "names with commas between, and no more than 64",
     "only these, in this order: seq,time,enrollment.user.id; see below"},
    {'[', "no-pager", NULL, NULL,
     "print to the terminal itself, and not through EVLOG_PAGER, PAGER or less"},
    {']', "offline", NULL, NULL,
     "leave no trace in the log's directory, which nobody need be able to write\n"
     "to; a program that sends meanwhile can make events look damaged"},
    {'J', "output", "FORM", "table, csv or json",
     "table, csv (with a line of names) or json (one object a line); default:\n"
     "table on a terminal, json in a pipe"},
    {'}', "output", "FORM", "note or json",
     "note (default), as others read it, or json, an object that has it"},
    {'Y', "column", "NAME=PATH", "NAME=PATH, and no more than 100",
     "a column of the value at PATH in the data (user=enrollment.user.id); may\n"
     "be repeated"},
    {'x', "exec", "COMMAND", NULL, "the command to run for the events"},
    {'f', "follow", NULL, NULL, "when all is dealt with, wait for more"},
    {'|', "wait", "SECONDS", "a number of seconds above 0",
     "the longest to wait for another process that writes to, opens or closes\n"
     "the log, and may be stopped; default: 10. When it is given, -f also waits\n"
     "for a log that is not there yet"},
    {'`', "wait", "SECONDS", "a number of seconds above 0, or forever",
     "the longest to wait for another process that writes to, opens or closes\n"
     "the log, and may be stopped; default: 10. When it is given, also for one\n"
     "that has the consumer: a hot standby"},
    {'j', "attempts", "N", "a number: 1, 2, 3 ...",
     "how often an event is tried before it has failed; default: 3 (with\n"
     "--exec and --on-failure stop: 1)"},
    {'q', "backoff", "SECONDS", "a number of seconds above 0",
     "the wait before the second attempt, doubled for each more; default: 0.1"},
    {';', "backoff-max", "SECONDS", "a number of seconds above 0",
     "the longest wait between two attempts; default: 30"},
    {'l', "on-failure", "WHAT", "park, stop or skip",
     "what becomes of an event that has failed: park (default), stop or skip"},
    {'^', "timeout", "SECONDS", "a number of seconds above 0",
     "kill the command, and what it has started, when for so long it does\n"
     "not read on, does not answer, or does not end"},
    {'W', "start", "WHERE", "first, last, last:N, a seq or a time",
     "where a new consumer begins; default: first"},
    {'L', "worker", "I/N", "two numbers, as 1/4, from 1/1 to 256/256",
     "be worker I of N, which share the events by the value at --by"},
    {'g', "by", "PATH", "a path", "where in an event's data that value is: order.customer.id"},
    {'Z', "to", "WHERE", "first, last, last:N, a seq or a time", "where it is to go on"},
    {'B', "before", "WHERE", "a seq or a time",
     "the first event to be kept, by its seq or time of logging"},
    {'N', "keep", "N", "a number: 1, 2, 3 ...", "keep the newest N events"},
    {'G', "max-age", "AGE", "a number and s, m, h, d or w",
     "keep the events of the last AGE: 90d, 12h, 2w"},
    {'z', "max-size", "SIZE", "a number of bytes, or with K, M, G or T",
     "keep the newest events of about SIZE bytes: 500M, 20G"},
    {'Q', "force", NULL, NULL,
     "also events that a consumer has not done yet, or that are not sealed"},
    {'1', "since", "SEQ", "a seq: 1, 2, 3 ...",
     "a new copy begins with this event; an earlier one must reach up to it"},
    {'7', "held-by", "WHICH", "all, none, or names of consumers with commas between them",
     "the consumers that keep back what they have not done:\nall (default), none, or NAME,NAME..."},
    {'8', "off", NULL, NULL, "keep all: no policy any more"},
    {'9', "idle", "AGE", "a number and s, m, h, d or w",
     "those that have done nothing for so long: 30d, 12h"},
    {'2', "preview", NULL, NULL, "only say what would be done"},
    {'3', "now", NULL, NULL, "then compact the log, which no other process may have open"},
    {'v', "reason", "TEXT", NULL, "why; it stays in the log, so it must not name the person"},
    {'4', "expect", "SEQ:CHAIN", NULL,
     "the head that was noted earlier: what the log held is as it was; with\n"
     "--seal also the file of a checkpoint"},
    {'5', "key", "FILE", NULL, "the file of the private key"},
    {'0', "next", "FILE", NULL,
     "hand over to the key in this file, and sign with both: from then on\n"
     "only that one seals the log"},
    {'_', "key", "KEY", NULL, "only the value of this key"},
    {'6', "seal", "PUBKEY", NULL,
     "check the log against its seals; PUBKEY is the public key, or a file of\n"
     "one or more, one a line"},
    {'V', "size", "N", "a number: 1, 2, 3 ...", "the seal of N events; default: the newest"},
    {'U', "since-size", "N", "a number: 1, 2, 3 ...",
     "that the seal goes on from the first N events"},
    {'y', "yes", NULL, NULL, "do it; without it, only say what would be done"},
    {'a', "all", NULL, NULL, "all of them"},
    {'A', "ack-lines", NULL, NULL, "each line that the command prints acknowledges one event"},
    {'E', "speed", "FACTOR", "a number above 0",
     "with the time between events as it was, 1, or that many times faster"},
    {'R', "rate", "N", "a number above 0", "at most that many events a second"},
    {'k', "keep-going", NULL, NULL, "count failures and damaged events, and pass on"},
    {'b', "skip-bad", NULL, NULL, "pass over lines that are wrong, and count them"},
    {'<', "lenient", NULL, NULL,
     "take what JSON does not have: half of an emoji (\\ud83d alone) becomes\n"
     "U+FFFD, NaN, Infinity and -Infinity numbers"},
    {'(', "untyped", NULL, NULL, "do not check a new type of Open edX by its schema"},
    {')', "sourcehost", "HOST", NULL, "the host that the event comes from; default: this one"},
    {'I', "skip-known", NULL, NULL,
     "pass over events whose ids the log has, and count them; this reads the\n"
     "log for each 65,536 events"},
    {'X', "redact", NULL, NULL, "mask personal fields, and leave headers out"},
    {'K', "known", NULL, NULL, "refuse an event type that is not in the log"},
    {'c', "no-create", NULL, NULL, "refuse to make a new log"},
    {'C', "no-create", NULL, NULL, "refuse to make a new consumer"},
    {'d', "durability", "KIND", "durable or fast",
     "of a new log: durable (default) survives a power cut, fast\n"
     "does not, but survives the death of the process"},
    {'+', "group-writable", NULL, NULL,
     "of a new log: every user of its group can send and read, whatever the\n"
     "umask (directory 2770, files 660)"},
    {'S', "service", "NAME", NULL, "the source becomes openedx/NAME/web"},
    {'i', "time", "TIME", "a time, and not 1970-01-01 to the microsecond",
     "when the event happened; default: now"},
    {'m', "minorversion", "N", "a number: 0, 1, 2 ...",
     "the event type's minor version; default: 0"},
    {'H', "header", "NAME=VALUE", "NAME=VALUE, and no more than 64",
     "text that goes with the event beside its data; may be repeated"},
    {'M', "schema", NULL, NULL, "each type's schemas, one a line"},
    {'O', "force", NULL, NULL, "record the schema although it does not go with earlier ones"},
    {'D', "form", "FIELD=FORM", "a field's path, = and a form; no more than 256",
     "the text in FIELD (order.placed_at, order.items.*.id) is of FORM: time,\n"
     "uuid, course_key, usage_key ...; may be repeated"},
    {'p', "plugin", "FILE.so", "no more than 64 plugins",
     "load a plugin's receivers; may be repeated, in that order"},
    {'w', "wait", "SECONDS", "a number of seconds above 0",
     "the longest to wait for another process that writes to, opens or closes\n"
     "the log, and may be stopped; default: 10"},
    {'&', "utc", NULL, NULL, "show and read times in UTC, and not in the local zone"},
    {'h', "help", NULL, NULL, "show this help"},
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
    "extended regular expression, found anywhere in a text. All options have to fit the event.\n";

static const char fields_help[] =
    "--fields takes the keys that evlog show -o json prints (data for all of it), headers.NAME, and paths\n"
    "in the data, as --where does; data.PATH is always one of these, and \\, a comma in it. In JSON each\n"
    "event is an object with just these keys, null where there is no such value. -o short prints a line\n"
    "an event with tabs between: texts without quotes, nothing where there is no value.\n";

/* ---------------------------------------------------------------------- help ---- */

/* The letter of a short option; 0: it has none. */
static char short_of(size_t i)
{
    char letter = table[i].letter == 'J' || table[i].letter == '}' ? 'o' : table[i].letter;
    return strchr(SHORT, letter) ? letter : 0;
}

static void option_help(FILE *out, size_t i)
{
    char left[40];
    char letter = short_of(i);
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

static bool takes(const struct verb *verb, int letter)
{
    return strchr(EVERY, letter) || strchr(verb->options, letter);
}

/*
 * The option that a name means to a verb, for options may share one, as --to: the first that the verb takes, where
 * those of EVERY are last in the table; or, to be refused, the first of all.
 */
static size_t option_named(const struct verb *verb, const char *name)
{
    size_t first = TABLE_COUNT;
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        if (strcmp(table[i].name, name) != 0)
            continue;
        if (takes(verb, table[i].letter))
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
    *option = (struct option_help){table[i].name, short_of(i), table[i].argument, table[i].takes,
                                   table[i].help};
    return true;
}

bool options_preview(const struct verb *verb, const struct options *options)
{
    bool shows = verb->run == retain_run && !options->keep_age_us && !options->keep_count &&
                 !options->keep_size && !options->off;
    return options->preview || (takes(verb, 'y') && !options->yes && !shows);
}

bool option_is_of(const struct verb *verb, size_t i)
{
    return takes(verb, table[i].letter) && option_named(verb, table[i].name) == i;
}

void verb_help(FILE *out, const struct verb *verb)
{
    int has_times = strpbrk(verb->options, "suiWZB") != NULL;
    int has_where = strpbrk(verb->options, "WZ") != NULL;
    int has_filter = strchr(verb->options, '=') != NULL;
    int has_fields = strchr(verb->options, '{') != NULL;
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
static int range_option_read(struct options *options, int letter, char *text)
{
    evlog_range *range = &options->range;
    switch (letter) {
    case 'F':
        return whole_number(text, 1, UINT64_MAX, &range->first_seq);
    case 't':
        return whole_number(text, 1, UINT64_MAX, &range->last_seq);
    case 's':
        return read_bound(text, 0, &range->since_us);
    case 'u':
        return read_bound(text, 1, &range->until_us);
    case 'T':
        return add_type(options, text);
    case 'n':
        options->has_count = 1;
        return whole_number(text, 0, UINT64_MAX, &range->limit);
    case 'E':
        return read_factor(text, &range->speed);
    case 'R':
        return read_factor(text, &range->per_second);
    case 'L':
        return read_worker(text, options);
    case 'g':
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
static int filter_option_read(struct options *options, int letter, char *text)
{
    struct event_filter *filter = &options->filter;
    switch (letter) {
    case '=':
        return event_filter_where(filter, text);
    case '~':
        return event_filter_grep(filter, text);
    case '!':
        return event_filter_pattern(&filter->not_types, text);
    case '@':
        return event_filter_pattern(&filter->sources, text);
    case '#':
        return event_filter_pattern(&filter->hosts, text);
    case '%':
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
static int failure_option_read(struct options *options, int letter, char *text)
{
    uint64_t number;
    switch (letter) {
    case '`':
        options->waits_for_ever = strcmp(text, "forever") == 0;
        return options->waits_for_ever ? 0 : read_wait(text, &options->open.wait_ms);
    case 'j':
        if (whole_number(text, 1, UINT32_MAX, &number))
            return -1;
        options->attempts = (uint32_t)number;
        return 0;
    case 'q':
        return read_wait(text, &options->backoff_ms);
    case ';':
        return read_wait(text, &options->backoff_max_ms);
    case 'l':
        return read_on_failure(text, &options->on_failure);
    case '^':
        return read_wait(text, &options->timeout_ms);
    default:
        return 1;
    }
}

/* What is to be kept, or copied. 0, -1 when it is wrong, 1 when it is another option. */
static int keep_option_read(struct options *options, int letter, char *text)
{
    switch (letter) {
    case 'B':
        return read_before(text, &options->start);
    case 'N':
        options->start = (evlog_reset_options){.start = EVLOG_START_LAST};
        if (whole_number(text, 1, INT64_MAX, &options->keep_count))
            return -1;
        options->start.start_count = options->keep_count;
        return 0;
    case 'G':
        return read_max_age(text, options);
    case 'z':
        return read_size(text, &options->keep_size);
    case '7':
        options->held_by = text;
        return *text ? 0 : -1;
    case '9':
        return read_age(text, &options->idle_us);
    case '1':
        return whole_number(text, 1, UINT64_MAX, &options->since_seq);
    default:
        return 1;
    }
}

/* What is sent, and to what. 0, -1 when it is wrong, 1 when it is another option. */
static int send_option_read(struct options *options, int letter, char *text)
{
    uint64_t number;
    switch (letter) {
    case 'd':
        return read_durability(text, &options->open.durability);
    case 'i':
        return read_time(text, 0, &options->time_us) || !options->time_us ? -1 : 0;
    case 'm':
        if (whole_number(text, 0, INT32_MAX, &number))
            return -1;
        options->minorversion = (int32_t)number;
        return 0;
    case 'H':
        return add_header(options, text);
    case 'S':
        options->open.service = text;
        return 0;
    case ')':
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
static int output_option_read(struct options *options, int letter, char *text)
{
    switch (letter) {
    case 'o':
        return read_output(text, &options->output);
    case 'J':
        return read_form_of_rows(text, &options->output);
    case '}':
        return read_form_of_notes(text, &options->output);
    case '{':
        return fields_read(&options->fields, text);
    case 'Y':
        return add_column(options, text);
    default:
        return 1;
    }
}

/* What is signed, and compared. 0, -1 when it is wrong, 1 when it is another option. */
static int seal_option_read(struct options *options, int letter, char *text)
{
    switch (letter) {
    case 'v':
        options->reason = text;
        return 0;
    case 'V':
        return whole_number(text, 1, INT64_MAX, &options->size);
    case 'U':
        return whole_number(text, 1, INT64_MAX, &options->old_size);
    case '4':
        options->expect = text;
        return 0;
    case '5':
        options->key = text;
        return 0;
    case '0':
        options->next = text;
        return 0;
    case '_':
        options->state_key = text;
        return 0;
    case '6':
        options->seal = text;
        return 0;
    default:
        return 1;
    }
}

/* Reads one option's argument into its place. 0, or -1 when it is wrong. */
static int option_read(struct options *options, int letter, char *text)
{
    static int (*const groups[])(struct options *, int, char *) = {
        range_option_read,  filter_option_read, keep_option_read,   send_option_read,
        output_option_read, seal_option_read,   failure_option_read};
    int result = 1;
    for (size_t i = 0; result > 0 && i < sizeof groups / sizeof *groups; i++)
        result = groups[i](options, letter, text);
    if (result <= 0)
        return result;
    switch (letter) {
    case 'W':
    case 'Z':
        return read_start(text, &options->start);
    case 'D':
        return read_form(text, options);
    case 'w':
    case '|':
        return read_wait(text, &options->open.wait_ms);
    case 'x':
        options->exec = text;
        return 0;
    default: /* 'p' */
        if (options->plugin_count == PLUGINS_MAX)
            return -1;
        options->plugins[options->plugin_count++] = text;
        return 0;
    }
}

static void option_set(struct options *options, int letter)
{
    options->group_writable |= letter == '+';
    options->no_pager |= letter == '[';
    options->open.offline |= letter == ']';
    options->range.newest_first |= letter == 'r';
    options->range.keep_going |= letter == 'k';
    options->skip_bad |= letter == 'b';
    options->skip_known |= letter == 'I';
    options->lenient |= letter == '<';
    options->untyped |= letter == '(';
    options->redact |= letter == 'X';
    options->known |= letter == 'K';
    options->follow |= letter == 'f';
    options->preview |= letter == '2';
    options->now |= letter == '3';
    options->off |= letter == '8';
    options->yes |= letter == 'y';
    options->all |= letter == 'a';
    options->ack_lines |= letter == 'A';
    options->schema |= letter == 'M';
    options->force |= letter == 'O' || letter == 'Q';
    options->open.no_create |= letter == 'c' || letter == 'C' || letter == 'K';
}

static size_t option_index(int letter)
{
    size_t i = 0;
    while (i < TABLE_COUNT && table[i].letter != letter)
        i++;
    return i;
}

/* Takes one option as getopt gives it. -1: go on, else the exit status. */
static int option_take(const struct verb *verb, struct options *options, int letter)
{
    size_t i = option_index(letter);
    if (i < TABLE_COUNT) /* a short one means what its name does */
        letter = table[i = option_named(verb, table[i].name)].letter;
    if (letter == 'h') {
        pager_begin();
        verb_help(stdout, verb);
        return EXIT_DONE;
    }
    if (i == TABLE_COUNT) {
        fprintf(stderr, "See: evlog help %s\n", verb->name);
        return EXIT_MISUSE; /* getopt has said what */
    }
    if (!takes(verb, letter))
        return complain(EXIT_MISUSE, "evlog %s has no option --%s; see: evlog help %s",
                        verb->name, table[i].name, verb->name);
    if (letter == 'x' && options->exec)
        return complain(EXIT_MISUSE, "--exec is given twice: one command gets the events");
    if (!table[i].argument)
        option_set(options, letter);
    else if (option_read(options, letter, optarg))
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
        options->output = strchr(verb->options, '}') ? OUTPUT_SHORT
                          : !isatty(STDOUT_FILENO)   ? OUTPUT_JSON
                          : verb->run == get_run     ? OUTPUT_PRETTY
                                                     : OUTPUT_SHORT;
    return range_complete(verb, options);
}

int options_read(const struct verb *verb, int argc, char **argv, struct options *options)
{
    struct option longs[TABLE_COUNT + 1] = {{0}};
    char command[] = "evlog";
    int letter, status, count = 0;
    for (size_t i = 0; i < TABLE_COUNT; i++)
        if (option_named(verb, table[i].name) == i)
            longs[count++] =
                (struct option){table[i].name, table[i].argument != NULL, NULL, table[i].letter};
    argv[0] = command; /* getopt puts it before its messages */
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--utc") == 0)
            times_in_utc(); /* wherever it stands, before any time is read */
    while ((letter = getopt_long(argc, argv, "hn:o:rf", longs, NULL)) != -1)
        if ((status = option_take(verb, options, letter)) >= 0)
            return status;
    return operands_read(verb, argc, argv, options);
}
