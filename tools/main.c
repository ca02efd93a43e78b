/* The command: its verbs, its help, and how it tells what went wrong. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"
#include "tool.h"

/* The letters of `options` are those of the table in options.c; f t s u T n r are the range. */
const struct verb verbs[] = {
    {"send", "LOG TYPE [JSON|-]", "append an event, or one for each line of standard input",
     "obKcdSimp", 2, 3, send_run,
     "JSON is the event's data, an object; {} when it is left out. With - each line of standard\n"
     "input is one. They are appended in batches, each in one commit. A line that is wrong is\n"
     "named, those before it are in the log, and nothing after it is read; with --skip-bad it is\n"
     "counted and passed over. The log and the event type are made when they do not exist.\n"
     "Data of a type that has a schema in the log, or from a plugin, are checked against it.\n"
     "\n"
     "Data that JSON has no word for is written as\n"
     "  {\"$bin\": \"AAEC\"}                    binary, in base64\n"
     "  {\"$ext\": [5, \"AAEC\"]}               a MessagePack extension type and its bytes\n"
     "  {\"$uint\": \"18446744073709551615\"}   an integer above 2^63 - 1\n"
     "  {\"$float\": \"nan\"}                   nan, inf or -inf\n"
     "  {\"$map\": [[1, \"a\"]]}                a map with keys that are no plain strings\n"
     "and an object that only looks like one of these has one more $: {\"$$bin\": 1}.\n"},
    {"show", "LOG", "print events, oldest first", "ftsuTnro", 1, 1, show_run,
     "On a terminal one line an event, cut to its width; in a pipe one JSON object a line.\n"
     "Events that are damaged are passed over, and told at the end with exit status 4.\n"},
    {"get", "LOG SEQ|ID", "print one event, by its seq or its UUID", "o", 2, 2, get_run,
     "An ID is looked for from the first event on, since the log has no index of them.\n"},
    {"replay", "LOG --exec COMMAND | --plugin FILE.so",
     "run a command or a plugin's receivers for each event, in the original order", "ftsuTnrxkp",
     1, 1, replay_run,
     "COMMAND runs once for each event, by /bin/sh, with the event as one JSON line on its\n"
     "standard input and its seq, type and id in EVLOG_SEQ, EVLOG_TYPE and EVLOG_ID. Unless it\n"
     "exits with 0 the replay stops and names the event, from which --from can go on. With\n"
     "--plugin the events go to the receivers that the plugins connect.\n"},
    {"types", "LOG", "list the event types and how many events each has", "ftsuToM", 1, 1,
     types_run,
     "Reads through the range, so it takes the time that takes; with --schema it reads no events.\n"},
    {"schema", "check LOG [TYPE FILE|-] | add LOG TYPE [FILE|-]",
     "check events or a new schema against a log's schemas, or add one", "o", 2, 4, schema_run,
     "`evlog schema check LOG` reads every event and checks it against the schema that it was\n"
     "written under. `evlog schema check LOG TYPE FILE` tells whether the Avro schema in FILE can\n"
     "become the next one of TYPE: whether it can read what the log has of it, and whether those\n"
     "who have the earlier schemas can read what is written under it. Nothing is changed.\n"
     "`evlog schema add` makes it the next one, if it can be; without FILE it is that of the\n"
     "Open edX event of this type. `evlog send` then checks against it.\n"
     "Exit status 1 when it finds something.\n"},
    {"info", "LOG", "tell what the log is: how many events, from when to when, how large", "o", 1,
     1, info_run, "Takes the same time whatever the log's length.\n"},
    {"verify", "LOG", "check every event and page, and tell what is wrong", "o", 1, 1, verify_run,
     "Reads the whole log. Exit status 1 when anything was found. Events that were cut off at\n"
     "the end leave nothing inside the log that could tell of them.\n"},
};
const size_t verb_count = sizeof verbs / sizeof *verbs;

int complain(int status, const char *format, ...)
{
    va_list arguments;
    char *text = NULL;
    va_start(arguments, format);
    int size = vasprintf(&text, format, arguments);
    va_end(arguments);
    fflush(stdout);
    fputs("evlog: ", stderr);
    if (size < 0)
        fputs("out of memory", stderr);
    else
        text_put(stderr, text, (size_t)size, 1, 0);
    fputc('\n', stderr);
    if (size >= 0)
        free(text);
    return status;
}

int complain_library(int code)
{
    int status = code == EVLOG_INVALID || code == EVLOG_LIMIT || code == EVLOG_CONFLICT
                     ? EXIT_MISUSE
                 : code == EVLOG_RECEIVER ? EXIT_NOTHING
                 : code == EVLOG_DAMAGED  ? EXIT_DAMAGED
                                          : EXIT_LOG;
    return complain(status, "%s", evlog_errmsg());
}

int open_to_read(const struct options *options, evlog **log)
{
    int code = evlog_open(options->path, &(evlog_options){.read_only = 1}, log);
    if (code)
        complain(EXIT_LOG, "%s", evlog_errmsg());
    return code;
}

int nothing_matched(evlog *log, const evlog_range *range)
{
    evlog_info info;
    if (evlog_inspect(log, &info))
        return complain_library(EVLOG_IO);
    if (!info.last_seq)
        return complain(EXIT_NOTHING, "the log is empty");
    if (range->first_seq > info.last_seq)
        return complain(EXIT_NOTHING, "no event from seq %" PRIu64 " on: the last is %" PRIu64,
                        range->first_seq, info.last_seq);
    if (range->last_seq && range->last_seq < info.first_seq)
        return complain(EXIT_NOTHING, "no event up to seq %" PRIu64 ": the first is %" PRIu64,
                        range->last_seq, info.first_seq);
    return complain(EXIT_NOTHING, "no event matches, of %" PRIu64 " in the log",
                    info.last_seq - info.first_seq + 1);
}

int told_damage(const struct options *options, const evlog_outcome *outcome, int status)
{
    if (!outcome->damaged)
        return status;
    return complain(EXIT_DAMAGED,
                    "%s: %" PRIu64 " of the events asked for could not be read, the first at seq "
                    "%" PRIu64 "; run: evlog verify %s",
                    options->path, outcome->damaged, outcome->first_failed_seq, options->path);
}

int output_flushed(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    return complain(EXIT_LOG, "cannot write to standard output: %s", strerror(errno));
}

int type_matches(const evlog_range *range, const char *event_type)
{
    for (size_t i = 0; i < range->type_count; i++) {
        size_t size = strlen(range->types[i]);
        int is_start = size > 0 && range->types[i][size - 1] == '*';
        if (is_start ? strncmp(range->types[i], event_type, size - 1) == 0
                     : strcmp(range->types[i], event_type) == 0)
            return 1;
    }
    return range->type_count == 0;
}

int load_plugins(evlog *log, const struct options *options)
{
    for (size_t i = 0; i < options->plugin_count; i++)
        if (evlog_plugin_load(log, options->plugins[i]))
            return complain(EXIT_MISUSE, "%s", evlog_errmsg());
    return -1;
}

static const struct verb *verb_named(const char *name)
{
    for (size_t i = 0; i < verb_count; i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

/* `evlog help [VERB]`, `evlog --help`, `evlog --version`. -1: none of these. */
static int asked_about_itself(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";
    int is_help = strcmp(word, "help") == 0;
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
        printf("evlog %s\n", evlog_version());
        return output_flushed(EXIT_DONE);
    }
    if (!is_help && strcmp(word, "--help") != 0 && strcmp(word, "-h") != 0)
        return -1;
    if (is_help && argc > 2 && !verb_named(argv[2]))
        return complain(EXIT_MISUSE, "no such verb: %s; see: evlog help", argv[2]);
    help_print(is_help && argc > 2 ? verb_named(argv[2]) : NULL);
    return output_flushed(EXIT_DONE);
}

int main(int argc, char **argv)
{
    struct options options = {0};
    int status = asked_about_itself(argc, argv);
    if (status >= 0)
        return status;
    if (argc < 2)
        return complain(EXIT_MISUSE, "what to do? See: evlog help");
    const struct verb *verb = verb_named(argv[1]);
    if (!verb)
        return complain(EXIT_MISUSE, "no such verb: %s; see: evlog help", argv[1]);
    status = options_read(verb, argc - 1, argv + 1, &options);
    if (status < 0)
        status = verb->run(&options);
    return output_flushed(status);
}
