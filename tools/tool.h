/*
 * What the verbs of the command share.
 *
 * A verb is a function in a file of its name. main.c finds it, options.c reads its
 * arguments into a struct options, and the verb returns the exit status. Data goes to standard
 * output, all else to standard error; what comes from a log reaches either only through
 * text_put(), which escapes what could move a terminal's cursor or reorder its text.
 */
#ifndef TOOL_H
#define TOOL_H

#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <evlog/class.h>

#include "event_filter.h"
#include "fields.h"

/* The exit statuses: X(name, status, what it means), of which `evlog help exit` is made. */
#define EXIT_STATUSES(X)                                                                         \
    X(DONE, 0, "done")                                                                           \
    X(NOTHING, 1,                                                                                \
      "nothing matched, no such consumer, something was found, or a command or receiver failed") \
    X(MISUSE, 2, "wrong arguments or input, or what was asked for is refused")                   \
    X(LOG, 3, "the log cannot be opened, read or written, or others have it; no room or memory") \
    X(DAMAGED, 4, "events that were asked for are damaged or missing")                           \
    X(PREVIEW, 5, "nothing was done, it was only said what would be: --yes does it")

enum exit_status {
#define X(name, status, text) EXIT_##name = status,
    EXIT_STATUSES(X)
#undef X
};

enum output { OUTPUT_AUTO, OUTPUT_SHORT, OUTPUT_JSON, OUTPUT_PRETTY, OUTPUT_CSV };

#define PLUGINS_MAX 64
#define FORMS_MAX 256
#define HEADERS_MAX 64
#define COLUMNS_MAX 100
#define OPERANDS_MAX 1000

struct options {
    const char *path;                   /* the log */
    const char *operands[OPERANDS_MAX]; /* those that are not given are NULL */
    size_t operand_count;
    evlog_range range; /* its types are in `types`, and what it `wants` is `filter` */
    struct event_filter filter;
    int by_event_time; /* since and until are the filter's */
    const char *types[EVLOG_PATTERNS_MAX];
    enum output output; /* never OUTPUT_AUTO once read */
    struct fields fields;
    evlog_options open; /* what verbs that send open the log with */
    int64_t time_us;
    int32_t minorversion;
    evlog_header headers[HEADERS_MAX];
    size_t header_count;
    const char *columns[COLUMNS_MAX]; /* NAME=PATH */
    size_t column_count;
    const char *exec;
    uint32_t attempts;                               /* of a consumer's event; 0: not given */
    uint32_t backoff_ms, backoff_max_ms, timeout_ms; /* likewise */
    evlog_on_failure on_failure;
    bool waits_for_ever;
    const char *state_key; /* NULL: not given */
    const char *reason;
    const char *expect;       /* NULL: not given */
    const char *key;          /* the file of a private key; likewise */
    const char *next;         /* that of the key that follows it; likewise */
    uint64_t size;            /* of a seal; 0: not given */
    uint64_t old_size;        /* of an earlier one; likewise */
    const char *seal;         /* a public key, or the file of some; likewise */
    uint32_t worker, workers; /* 0: not given */
    const char *by;           /* NULL: not given */
    int known;
    int skip_bad;
    int skip_known;
    int lenient;
    int untyped;
    int redact;
    evlog_reset_options
        start;           /* of a consumer, or the first event to be kept; zero: none was given */
    uint64_t keep_size;  /* 0: not given */
    uint64_t keep_count; /* likewise */
    int64_t keep_age_us;
    char *held_by; /* NULL: not given */
    int off;
    int64_t idle_us;    /* 0: not given */
    uint64_t since_seq; /* of a copy; 0: not given */
    int no_pager;
    int group_writable;
    int follow;
    int is_show;   /* tail goes on for show -f */
    int has_count; /* the range's limit was given; 0 only for following */
    int preview;
    int now;
    int yes;
    int all;
    int ack_lines;
    int schema;
    int force;
    const char *plugins[PLUGINS_MAX];
    evlog_form forms[FORMS_MAX];
    size_t form_count;
    size_t plugin_count;
};

/*
 * The options of all verbs, as options.c has them. Two may have one name, which means to a verb the one that it takes.
 */
enum verb_option {
    OPT_END = 0, /* of a list */
    OPT_FROM,
    OPT_TO,
    OPT_SINCE,
    OPT_UNTIL,
    OPT_TYPE,
    OPT_WHERE,
    OPT_GREP,
    OPT_NOT_TYPE,
    OPT_SOURCE,
    OPT_HOST,
    OPT_BY_TIME,
    OPT_COUNT,
    OPT_REVERSE,
    OPT_OUTPUT,
    OPT_FIELDS,
    OPT_NO_PAGER,
    OPT_OFFLINE,
    OPT_OUTPUT_OF_ROWS,
    OPT_OUTPUT_OF_NOTES,
    OPT_COLUMN,
    OPT_EXEC,
    OPT_FOLLOW,
    OPT_WAIT_FOR_LOG,
    OPT_WAIT_FOR_CLAIM,
    OPT_ATTEMPTS,
    OPT_BACKOFF,
    OPT_BACKOFF_MAX,
    OPT_ON_FAILURE,
    OPT_TIMEOUT,
    OPT_START,
    OPT_WORKER,
    OPT_BY_PATH,
    OPT_TO_WHERE,
    OPT_BEFORE,
    OPT_KEEP,
    OPT_MAX_AGE,
    OPT_MAX_SIZE,
    OPT_FORCE,
    OPT_SINCE_SEQ,
    OPT_HELD_BY,
    OPT_OFF,
    OPT_IDLE,
    OPT_PREVIEW,
    OPT_NOW,
    OPT_REASON,
    OPT_EXPECT,
    OPT_KEY,
    OPT_NEXT,
    OPT_STATE_KEY,
    OPT_SEAL,
    OPT_SIZE,
    OPT_SINCE_SIZE,
    OPT_YES,
    OPT_ALL,
    OPT_ACK_LINES,
    OPT_SPEED,
    OPT_RATE,
    OPT_KEEP_GOING,
    OPT_SKIP_BAD,
    OPT_LENIENT,
    OPT_UNTYPED,
    OPT_SOURCEHOST,
    OPT_SKIP_KNOWN,
    OPT_REDACT,
    OPT_KNOWN,
    OPT_NO_NEW_LOG,
    OPT_NO_NEW_CONSUMER,
    OPT_DURABILITY,
    OPT_GROUP_WRITABLE,
    OPT_SERVICE,
    OPT_TIME,
    OPT_MINORVERSION,
    OPT_HEADER,
    OPT_SCHEMA,
    OPT_FORCE_SCHEMA,
    OPT_FORM,
    OPT_PLUGIN,
    OPT_WAIT,
    OPT_UTC,
    OPT_HELP,
};

#define TAKES(...) ((const unsigned char[]){__VA_ARGS__, OPT_END})

struct verb {
    const char *name;      /* one word, or a family's name and one */
    const char *arguments; /* as help shows them */
    const char *summary;
    const unsigned char *options; /* those it takes, as TAKES makes them */
    int operand_min;              /* the log included */
    int operand_max;
    int (*run)(struct options *options);
    const char *help; /* paragraphs below the summary */
};

int send_run(struct options *options);
int show_run(struct options *options);
int get_run(struct options *options);
int replay_run(struct options *options);
int types_run(struct options *options);
int schema_check_run(struct options *options);
int schema_add_run(struct options *options);
int info_run(struct options *options);
int verify_run(struct options *options);
int trim_run(struct options *options);
int erase_run(struct options *options);
int retain_run(struct options *options);
int seal_run(struct options *options);
int prove_run(struct options *options);
int seal_keygen_run(struct options *options);
int copy_run(struct options *options);
int compact_run(struct options *options);
int salvage_run(struct options *options);
int repair_run(struct options *options);
int export_run(struct options *options);
int import_run(struct options *options);
int tail_run(struct options *options);
int sql_run(struct options *options);
int metrics_run(struct options *options);
int diff_run(struct options *options);
int consume_run(struct options *options);
int consumer_ls_run(struct options *options);
int consumer_info_run(struct options *options);
int consumer_state_run(struct options *options);
int consumer_add_run(struct options *options);
int consumer_rm_run(struct options *options);
int consumer_reset_run(struct options *options);
int consumer_pause_run(struct options *options);
int consumer_resume_run(struct options *options);
int parked_ls_run(struct options *options);
int parked_retry_run(struct options *options);
int parked_drop_run(struct options *options);

/*
 * Reads the arguments of a verb. -1: go on, else the exit status (after --help, or a
 * misuse that has been reported).
 */
int options_read(const struct verb *verb, int argc, char **argv, struct options *options);

/* An option, as help has it. */
struct option_help {
    const char *name;     /* without its hyphens */
    char letter;          /* of its short form; 0: it has none */
    const char *argument; /* NULL: it takes none */
    const char *takes;    /* what its argument must be; or NULL */
    const char *help;     /* may have more lines than one */
};

/* The i-th option of all; false: there is none. */
bool option_at(size_t i, struct option_help *option);

/* Whether a verb takes an option. */
bool verb_takes(const struct verb *verb, enum verb_option option);

/* Whether the i-th is one of a verb. */
bool option_is_of(const struct verb *verb, size_t i);

/* Whether it was asked only to say what it would do: a verb that takes --yes without that, or --preview. */
bool options_preview(const struct verb *verb, const struct options *options);

/* Help on a verb. */
void verb_help(FILE *out, const struct verb *verb);

/* Reports a failure on standard error, "evlog: " before it, and returns `status`. */
int complain(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same with the library's sentence and the status that fits its code. */
int complain_library(int code);

/* EVLOG_NOMEM, for a callback of the library, with the sentence. */
int out_of_memory(void);

/* The status of a call: EXIT_DONE, or the failure's, reported; what is not there is EXIT_NOTHING. */
int library_status(int code);

/* Opens the log to look at it: it is not made, and nothing of it is changed. */
int open_to_read(const struct options *options, evlog **log);

/* The same, where it is not said that the log waits to be recovered. */
int open_as_it_is(const struct options *options, evlog **log);

/* Opens the log to change it; it is not made. A failure is reported. */
int open_to_write(const struct options *options, evlog **log);

/* With --group-writable: makes the directory of a new log for it. EXIT_DONE, or the exit status, reported. */
int make_for_group(const struct options *options, const char *path);

/* Removes it again, where no log was made in it. */
void unmake_for_group(const struct options *options, const char *path);

/* Opens the log to append to it, with options->open. EXIT_DONE, or the exit status, reported. */
int open_to_append(struct options *options, evlog **log);

/* Closes a log that was appended to. `status`; where that is EXIT_DONE, a failure's, reported. */
int close_appended(evlog *log, int status);

/* The room behind what is in use, which the file of events has already. */
uint64_t ahead_size(const evlog_info *info);

/* Whether an argument is a seq, and not an ID. One past the largest becomes UINT64_MAX, which no event has. */
bool seq_read(const char *text, uint64_t *seq);

/* The definition of an event type of Open edX; NULL: it is none. */
const evlog_definition *openedx_definition(const char *event_type);

/* Loads the plugins in the order they were given. -1: go on, else the exit status, reported. */
int load_plugins(evlog *log, const struct options *options);

/*
 * The same, and defines the log's other types for receivers of all signals. -1: go on, else the
 * status.
 */
int plug(evlog *log, const struct options *options);

/*
 * Says why nothing matched (the log is empty, the range lies past its end, or else) and
 * returns EXIT_NOTHING.
 */
int nothing_matched(evlog *log, const struct options *options);

/* "1 event", "2 events" */
static inline const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

/* The exit status after a replay that kept going; damage is reported. */
int report_damage(const struct options *options, const evlog_outcome *outcome, int status);

/* Flushes standard output; a failure there is reported and makes `status` EXIT_LOG. */
int output_flushed(int status);

#endif
