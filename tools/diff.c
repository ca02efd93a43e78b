/*
 * evlog diff: the first event at which two logs part.
 *
 * Of logs with one origin (a log and its copies) the chain of an event covers all before it. So the first event at
 * which it differs is found by bisection, reading a few events of each. Then the events before it are read in both,
 * since what is erased or missing changes no chain. Logs of different origins are compared event by event; their log
 * times are not, as they differ by nature (evlog import).
 *
 *      A   |   trimmed   |==================|xxxxxxx
 *      B          |=========================|yyyyyyyyyyyy
 *                        first              parted
 *
 * 1. What is compared begins at the later of the two beginnings and ends at the earlier of the two ends. A trimmed
 *    beginning is no difference, an earlier end is one.
 * 2. An event that only one of them can read is a difference. One that neither can is counted, and the result is not
 *    "the same" then.
 *
 * Data are compared in their order, so that each is passed once: maps whose keys are in another order differ.
 */
#include <stdlib.h>
#include <string.h>

#include "evlog/audit.h"
#include "evlog/value.h"
#include "print.h"
#include "progress.h"
#include "text.h"
#include "tool.h"

struct side {
    const char *path;
    evlog *log;
    evlog_info info;
    evlog_cursor *cursor;
    const evlog_event *event; /* NULL: it cannot be read, see why, or there are no more */
    uint64_t first, last;     /* of what cannot be read */
    char why[512];
};

struct diff {
    const struct options *options;
    struct side sides[2];
    bool same_origin;
    uint64_t first, last; /* what both have */
    uint64_t parted;      /* the first event whose chain differs; 0: none */
    uint64_t seq;         /* the first that differs; 0: none */
    json_t *fields;       /* which of it */
    uint64_t unreadable_count;
};

/* --------------------------------------------------------------- chains ---- */

struct chain {
    uint64_t seq, chain;
    bool is_there;
};

static int take_chain(const evlog_leaf *leaf, void *ctx)
{
    struct chain *chain = ctx;
    chain->is_there = leaf->kind == EVLOG_LEAF_WHOLE || leaf->kind == EVLOG_LEAF_ERASED;
    chain->seq = leaf->seq;
    chain->chain = leaf->chain;
    return chain->is_there; /* stops */
}

/* The first event from `first` to `last` that one side has; is_there false: none. */
static int next_chain(const struct side *side, uint64_t first, uint64_t last, struct chain *chain)
{
    chain->is_there = false;
    int code = evlog_each_leaf(side->log, first, last, take_chain, chain);
    return code == 1 ? EVLOG_OK : code;
}

/*
 * Whether the first event from `*seq` to `last` that both have, which becomes `*seq`, has one chain; -1: none, or an
 * error.
 */
static int is_same(const struct diff *diff, uint64_t *seq, uint64_t last, int *code)
{
    struct chain a = {.seq = *seq}, b = {.seq = 0};
    do {
        *seq = a.seq > b.seq ? a.seq : b.seq;
        *code = next_chain(&diff->sides[0], *seq, last, &a);
        if (*code == EVLOG_OK)
            *code = next_chain(&diff->sides[1], *seq, last, &b);
        if (*code || !a.is_there || !b.is_there)
            return -1;
    } while (a.seq != b.seq);
    *seq = a.seq;
    return a.chain == b.chain;
}

/* Finds the first event whose chain differs. The library's code. */
static int find_parting(struct diff *diff)
{
    uint64_t first = diff->first, end = diff->last + 1; /* it is in [first, end] */
    int code = EVLOG_OK;
    while (first < end) {
        uint64_t middle = first + (end - first) / 2, seq = middle;
        int same = is_same(diff, &seq, end - 1, &code);
        if (code)
            return code;
        if (same == 1)
            first = seq + 1;
        else
            end = middle;
        if (same == 0)
            diff->parted = seq;
    }
    return EVLOG_OK;
}

/* --------------------------------------------------------------- fields ---- */

static void add_key(FILE *path, const evlog_value *key, size_t index)
{
    fputs(ftell(path) ? "." : "", path);
    if (key->kind == EVLOG_VALUE_NULL)
        fprintf(path, "%zu", index);
    for (size_t i = 0; key->kind == EVLOG_VALUE_STRING && i < key->string.size; i++) {
        char c = key->string.text[i];
        fprintf(path, c == '.' || c == '\\' ? "\\%c" : "%c", c);
    }
    if (key->kind != EVLOG_VALUE_NULL && key->kind != EVLOG_VALUE_STRING)
        fputc('?', path);
}

static bool equals(const evlog_value *a, const evlog_value *b)
{
    return a->data.size == b->data.size && memcmp(a->data.data, b->data.data, a->data.size) == 0;
}

/* Writes the path of the first value that differs. They do differ; evlog_data_value has limited their depth. */
static void find_path(FILE *path, const evlog_value *a, const evlog_value *b)
{
    evlog_items of_a, of_b;
    evlog_value key_a, key_b, in_a, in_b;
    if (a->kind != b->kind || evlog_items_begin(a, &of_a) || evlog_items_begin(b, &of_b))
        return;
    for (size_t i = 0;; i++) {
        bool more_a = evlog_items_next(&of_a, &key_a, &in_a);
        bool more_b = evlog_items_next(&of_b, &key_b, &in_b);
        if (!more_a && !more_b)
            return; /* their own bytes differ */
        bool is_key_same =
            more_a && more_b && (key_a.kind == EVLOG_VALUE_NULL || equals(&key_a, &key_b));
        if (is_key_same && equals(&in_a, &in_b))
            continue;
        add_key(path, more_a ? &key_a : &key_b, i);
        if (is_key_same)
            find_path(path, &in_a, &in_b);
        return;
    }
}

/* "data" and the path of what differs; NULL: no memory. */
static json_t *data_field(const evlog_event *a, const evlog_event *b)
{
    char *text = NULL;
    size_t size = 0;
    evlog_value of_a, of_b;
    FILE *path = open_memstream(&text, &size);
    if (!path)
        return NULL;
    fputs("data", path);
    if (evlog_data_value(a->data, a->data_size, &of_a) == EVLOG_OK &&
        evlog_data_value(b->data, b->data_size, &of_b) == EVLOG_OK)
        find_path(path, &of_a, &of_b);
    fclose(path);
    json_t *json = text ? json_stringn(text, size) : NULL;
    free(text);
    return json;
}

static bool bytes_differ(const void *a, size_t a_size, const void *b, size_t b_size)
{
    return a_size != b_size || (a_size && memcmp(a, b, a_size) != 0);
}

/* Which fields of two events differ, in the order of evlog show. */
static json_t *differing(const struct diff *diff, const evlog_event *a, const evlog_event *b)
{
    bool is_erased = !a->data != !b->data;
    const struct {
        const char *name;
        bool differs;
    } fields[] = {
        {"log_time", diff->same_origin && a->log_time_us != b->log_time_us},
        {"id", memcmp(a->id, b->id, sizeof a->id) != 0},
        {"type", strcmp(a->event_type, b->event_type) != 0},
        {"schema", a->type_number != b->type_number && strcmp(a->event_type, b->event_type) == 0},
        {"minorversion", a->minorversion != b->minorversion},
        {"time", a->time_us != b->time_us},
        {"source", strcmp(a->source, b->source) != 0},
        {"sourcehost", strcmp(a->sourcehost, b->sourcehost) != 0},
        {"sourcelib", strcmp(a->sourcelib, b->sourcelib) != 0},
        {"from_event_bus", a->from_event_bus != b->from_event_bus},
        {"headers",
         !is_erased && bytes_differ(a->headers, a->headers_size, b->headers, b->headers_size)},
        {"erased", is_erased},
    };
    json_t *names = json_array();
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (fields[i].differs)
            json_array_append_new(names, json_string(fields[i].name));
    if (!is_erased && bytes_differ(a->data, a->data_size, b->data, b->data_size))
        json_array_append_new(names, data_field(a, b));
    return names;
}

/* ------------------------------------------------------------ comparing ---- */

/* Takes the next event of a side, or what cannot be read. The library's code. */
static int side_next(struct side *side)
{
    int code = evlog_cursor_next(side->cursor, &side->event);
    side->first = side->last = side->event && !code ? side->event->seq : 0;
    if (code != EVLOG_DAMAGED)
        return code;
    side->event = NULL;
    snprintf(side->why, sizeof side->why, "%s", evlog_errmsg());
    return evlog_cursor_damage(side->cursor, &side->first, &side->last);
}

/* Both at `seq`. Sets diff->seq where they differ there. */
static void compare(struct diff *diff, uint64_t seq, const struct side *a, const struct side *b)
{
    if (!a->event && !b->event) {
        diff->unreadable_count++;
        return;
    }
    json_t *fields = a->event && b->event ? differing(diff, a->event, b->event)
                                          : json_pack("[s]", "unreadable");
    if (json_array_size(fields) || seq == diff->parted) {
        diff->seq = seq;
        diff->fields = fields;
    } else
        json_decref(fields);
}

/*
 * Reads both until they differ. What cannot be read may be several seqs at once, which the other side has one by
 * one: `at` is the seq that is compared. The library's code.
 */
static int walk(struct diff *diff, uint64_t last)
{
    struct side *a = &diff->sides[0], *b = &diff->sides[1];
    int code = EVLOG_OK;
    for (uint64_t at = diff->first; code == EVLOG_OK && at <= last && !diff->seq; at++) {
        progress_at(at - diff->first);
        if (a->last < at)
            code = side_next(a);
        if (code == EVLOG_OK && b->last < at)
            code = side_next(b);
        if (code == EVLOG_OK && (!a->last || !b->last))
            break;
        if (code == EVLOG_OK && a->first <= at && b->first <= at) /* else just trimmed */
            compare(diff, at, a, b);
    }
    return code;
}

static int open_cursors(struct diff *diff, uint64_t last)
{
    static const char *const all[] = {"*", "evlog.*"};
    evlog_range range = {.first_seq = diff->first,
                         .last_seq = last,
                         .types = all,
                         .type_count = 2,
                         .with_nameless = true};
    int code = evlog_cursor_open(diff->sides[0].log, &range, &diff->sides[0].cursor);
    return code ? code : evlog_cursor_open(diff->sides[1].log, &range, &diff->sides[1].cursor);
}

/* Compares what both have. The library's code. */
static int compare_all(struct diff *diff)
{
    const evlog_info *a = &diff->sides[0].info, *b = &diff->sides[1].info;
    diff->same_origin = memcmp(a->origin, b->origin, sizeof a->origin) == 0;
    diff->first = a->first_seq > b->first_seq ? a->first_seq : b->first_seq;
    diff->last = a->last_seq < b->last_seq ? a->last_seq : b->last_seq;
    if (!diff->last || diff->first > diff->last)
        return EVLOG_OK;
    int code = diff->same_origin ? find_parting(diff) : EVLOG_OK;
    uint64_t last = diff->parted ? diff->parted : diff->last;
    if (code == EVLOG_OK)
        code = open_cursors(diff, last);
    progress_begin("events compared", last - diff->first + 1);
    if (code == EVLOG_OK)
        code = walk(diff, last);
    progress_end();
    return code;
}

/* --------------------------------------------------------------- result ---- */

static bool has_common(const struct diff *diff)
{
    return diff->last && diff->first <= diff->last;
}

static bool is_as_long(const struct diff *diff)
{
    return diff->sides[0].info.last_seq == diff->sides[1].info.last_seq;
}

static const char *result_of(const struct diff *diff)
{
    return diff->seq                ? "differ"
           : !is_as_long(diff)      ? "ends"
           : diff->unreadable_count ? "unreadable"
                                    : "same";
}

static json_t *event_json(const struct side *side)
{
    evlog_buffer text;
    if (!side->event)
        return *side->why ? json_string(side->why) : json_null();
    if (evlog_event_json(side->event, EVLOG_JSON_LINE, &text) != EVLOG_OK)
        return NULL;
    json_t *json = json_loadb(text.data, text.size, 0, NULL);
    evlog_buffer_free(&text);
    return json;
}

static json_t *side_json(const struct diff *diff, const struct side *side)
{
    return json_pack("{s:s, s:I, s:I, s:o}", "path", side->path, "first_seq",
                     (json_int_t)side->info.first_seq, "last_seq",
                     (json_int_t)side->info.last_seq, "event",
                     diff->seq ? event_json(side) : json_null());
}

static int put_json(const struct diff *diff)
{
    json_t *json =
        json_pack("{s:s, s:b, s:I, s:O?, s:I, s:o, s:o}", "result", result_of(diff),
                  "same_origin", (int)diff->same_origin, "seq", (json_int_t)diff->seq, "fields",
                  diff->fields, "unreadable", (json_int_t)diff->unreadable_count, "a",
                  side_json(diff, &diff->sides[0]), "b", side_json(diff, &diff->sides[1]));
    return json_put(json, diff->options->output);
}

static void put_event(const struct side *side)
{
    if (side->event)
        event_put(stdout, side->event, OUTPUT_SHORT);
    else {
        text_put(stdout, side->why, strlen(side->why), 0, 0);
        putchar('\n');
    }
}

static void put_difference(const struct diff *diff)
{
    printf("event %" PRIu64 " differs:", diff->seq);
    for (size_t i = 0; i < json_array_size(diff->fields); i++) {
        const json_t *name = json_array_get(diff->fields, i);
        fputs(i ? ", " : " ", stdout);
        text_put(stdout, json_string_value(name), json_string_length(name), 0, 0);
    }
    puts(json_array_size(diff->fields) ? "" : " its salt, which is not shown");
    put_event(&diff->sides[0]);
    put_event(&diff->sides[1]);
}

/* Which one ends earlier. */
static void put_ends(const struct diff *diff)
{
    bool is_a = diff->sides[0].info.last_seq < diff->sides[1].info.last_seq;
    const struct side *shorter = &diff->sides[!is_a], *longer = &diff->sides[is_a];
    text_put(stdout, shorter->path, strlen(shorter->path), 0, 0);
    if (shorter->info.last_seq)
        printf(" ends at event %" PRIu64 ", ", shorter->info.last_seq);
    else
        fputs(" is empty, ", stdout);
    text_put(stdout, longer->path, strlen(longer->path), 0, 0);
    printf(" at %" PRIu64 "\n", longer->info.last_seq);
}

static int put_short(const struct diff *diff)
{
    puts(diff->same_origin ? "same origin" : "different origins: log times are not compared");
    if (diff->seq)
        put_difference(diff);
    else if (has_common(diff))
        printf("events %" PRIu64 " to %" PRIu64 " are the same\n", diff->first, diff->last);
    else
        puts("no event is in both");
    if (diff->unreadable_count)
        printf("%" PRIu64 " of the events cannot be read in either\n", diff->unreadable_count);
    if (!diff->seq && !is_as_long(diff))
        put_ends(diff);
    return 0;
}

static int report(const struct diff *diff)
{
    if (diff->options->output == OUTPUT_SHORT ? put_short(diff) : put_json(diff))
        return complain(EXIT_LOG, "out of memory, or a text is not UTF-8");
    return strcmp(result_of(diff), "same") == 0         ? EXIT_DONE
           : strcmp(result_of(diff), "unreadable") == 0 ? EXIT_DAMAGED
                                                        : EXIT_NOTHING;
}

/* ------------------------------------------------------------------ run ---- */

static int side_open(const struct options *options, struct side *side, const char *path)
{
    struct options of_side = {.path = path, .open = options->open};
    side->path = path;
    return open_to_read(&of_side, &side->log);
}

static void side_close(struct side *side)
{
    evlog_cursor_close(side->cursor);
    if (side->log)
        evlog_close(side->log);
}

int diff_run(struct options *options)
{
    struct diff diff = {.options = options};
    struct side *a = &diff.sides[0], *b = &diff.sides[1];
    int status = EXIT_LOG;
    if (side_open(options, a, options->path) == EVLOG_OK &&
        side_open(options, b, options->operands[0]) == EVLOG_OK) {
        int code = evlog_inspect(a->log, &a->info);
        if (code == EVLOG_OK)
            code = evlog_inspect(b->log, &b->info);
        if (code == EVLOG_OK)
            code = compare_all(&diff);
        status = code ? complain_library(code) : report(&diff);
    }
    json_decref(diff.fields);
    side_close(a);
    side_close(b);
    return status;
}
