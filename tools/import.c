/*
 * evlog import: what evlog export wrote, or other history as lines of JSON (history.c), into a log.
 *
 * Exactly once. The library records with each batch how far the input has come (evlog/upkeep.h): the number of lines
 * that are events, and a hash of these lines. An input is identified by a hash of the first of them. So the same
 * command continues where it was, also when the input has got more events at its end, and definitions of new
 * types at its beginning:
 *
 *     1   first event            position                          end
 *       |       passed over        |            imported            |
 *       |-input-|                  |
 *       |--------- digest ---------|  compared with the recorded one
 *
 * Lines that define types are not counted and not hashed, and are always read. An input is refused when it has the
 * first event of an imported one and differs from that one before the position: it is not known which of its events
 * are in the log. --skip-known decides by ids instead, and ignores the position.
 *
 * An event is imported under the schema that the last line defining its type gives; without such a line, as evlog
 * send does.
 *
 * --preview reads everything and checks what can be checked without writing: the form of the lines, and data
 * against the schema.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "evlog/schema.h"
#include "evlog/upkeep.h"
#include "evlog/value.h"
#include "history.h"
#include "intake.h"
#include "print.h"
#include "progress.h"
#include "stop.h"

#define BATCH_COUNT_MAX 4096
#define BATCH_SIZE_MAX ((size_t)4 << 20)

/* With --skip-known each batch costs a reading of the log. */
#define KNOWN_COUNT_MAX EVLOG_SEND_COUNT_MAX
#define KNOWN_SIZE_MAX ((size_t)64 << 20)

/* An event type under one schema. */
struct kind {
    uint64_t number; /* 0: it has none */
    char *name;
    evlog_signal *signal;       /* with --preview NULL */
    const evlog_schema *schema; /* with --preview; NULL: none, or it is not known */
    evlog_schema *own;          /* `schema`, unless it is the log's */
    bool is_current;            /* of those with this name */
};

struct item {
    struct history_event event;
    evlog_signal *signal;
    uint64_t position, digest; /* of the input after this line */
};

struct importer {
    const struct options *options;
    evlog *log; /* NULL: there is none, with --preview */
    evlog_import import;
    struct intake intake;
    XXH3_state_t *hash;       /* of the lines of events that were read */
    uint64_t position;        /* how many these are */
    uint64_t before_position; /* up to here the input had been imported */
    uint64_t before_digest, before_count;
    uint64_t known_count, erased_count, first_seq, last_seq;
    struct kind *kinds;
    size_t kind_count, kind_max;
    size_t last_kind; /* the one found last: as a rule the next event has the same */
    msgpack_sbuffer data;
    struct item *batch;
    size_t count, size_max;
};

/* ---------------------------------------------------------------- kinds ---- */

static bool is_current(const struct importer *importer, size_t at, const char *name)
{
    return at < importer->kind_count && importer->kinds[at].is_current &&
           strcmp(importer->kinds[at].name, name) == 0;
}

static struct kind *current_kind(struct importer *importer, const char *name)
{
    size_t at = importer->last_kind;
    if (!is_current(importer, at, name))
        for (at = 0; at < importer->kind_count && !is_current(importer, at, name);)
            at++;
    if (at == importer->kind_count)
        return NULL;
    importer->last_kind = at;
    return &importer->kinds[at];
}

static void make_current(struct importer *importer, struct kind *kind)
{
    struct kind *before = current_kind(importer, kind->name);
    if (before)
        before->is_current = false;
    kind->is_current = true;
}

/* A new one, which is current. NULL: no memory. */
static struct kind *add_kind(struct importer *importer, const char *name)
{
    if (importer->kind_count == importer->kind_max) {
        size_t max = 2 * importer->kind_max + 16;
        struct kind *larger = realloc(importer->kinds, max * sizeof *larger);
        if (!larger)
            return NULL;
        importer->kinds = larger;
        importer->kind_max = max;
    }
    struct kind *kind = &importer->kinds[importer->kind_count];
    *kind = (struct kind){.name = strdup(name)};
    if (!kind->name)
        return NULL;
    importer->kind_count++;
    make_current(importer, kind);
    return kind;
}

static struct kind *numbered_kind(const struct importer *importer,
                                  const struct history_type *type)
{
    for (size_t i = 0; type->number && i < importer->kind_count; i++)
        if (importer->kinds[i].number == type->number &&
            strcmp(importer->kinds[i].name, type->name) == 0)
            return &importer->kinds[i];
    return NULL;
}

/* Defines in the log, or with --preview only reads the schema. The library's code. */
static int define_kind(struct importer *importer, struct kind *kind, evlog_definition *definition)
{
    definition->accept_incompatible = importer->options->force;
    if (!importer->options->preview)
        return evlog_import_define(importer->log, definition, &kind->signal);
    int code = definition->schema ? evlog_schema_parse(definition->schema, &kind->own) : EVLOG_OK;
    kind->schema = kind->own;
    return code;
}

static int definition_failed(struct importer *importer, int code)
{
    int status = complain(code == EVLOG_INVALID || code == EVLOG_LIMIT || code == EVLOG_CONFLICT
                              ? EXIT_MISUSE
                              : EXIT_LOG,
                          "line %" PRIu64 ": %s", importer->intake.line, evlog_errmsg());
    if (code == EVLOG_CONFLICT)
        fputs("With --force it is recorded all the same, as evlog schema add does.\n", stderr);
    return status;
}

/* A line that defines a type. A wrong one is not skipped: the events after it would get another schema. */
static int take_type(struct importer *importer, struct history_type *type)
{
    struct kind *kind = numbered_kind(importer, type);
    if (kind) {
        make_current(importer, kind);
        return INTAKE_PASSED;
    }
    if (type->is_named_only)
        return complain(EXIT_MISUSE,
                        "line %" PRIu64 ": no line before it defines %s with this number",
                        importer->intake.line, type->name);
    if (!(kind = add_kind(importer, type->name)))
        return complain(EXIT_LOG, "out of memory");
    kind->number = type->number;
    int code = define_kind(importer, kind, &type->definition);
    return code ? definition_failed(importer, code) : INTAKE_PASSED;
}

static int take_type_line(struct importer *importer, const char *line, size_t size)
{
    char why[INTAKE_WHY_SIZE];
    struct history_type type;
    if (history_read_type(line, size, &type, why, sizeof why))
        return complain(EXIT_MISUSE, "line %" PRIu64 ": %s", importer->intake.line, why);
    int status = take_type(importer, &type);
    history_type_free(&type);
    return status;
}

/* A type that no line defines: as the log has it. The library's code; EVLOG_INVALID: the line is wrong. */
static int find_kind(struct importer *importer, const char *name, struct kind **found)
{
    evlog_signal *signal = NULL;
    *found = current_kind(importer, name);
    if (*found)
        return EVLOG_OK;
    int code = importer->log ? evlog_define(importer->log, name, 0, NULL, &signal) : EVLOG_OK;
    if (code == EVLOG_READONLY && importer->options->preview)
        code = EVLOG_OK; /* the log does not know it */
    if (code)
        return code;
    if (!(*found = add_kind(importer, name)))
        return out_of_memory();
    (*found)->signal = signal;
    (*found)->schema = signal ? evlog_signal_schema(signal) : NULL;
    return EVLOG_OK;
}

/* ---------------------------------------------------------- the position ---- */

/* At the first event: which input it is, and how far it was imported. -1: go on. */
static int identify(struct importer *importer)
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(importer->hash));
    memcpy(importer->import.input, canonical.digest, sizeof importer->import.input);
    if (importer->options->skip_known || !importer->log)
        return -1;
    int code = evlog_import_find(importer->log, &importer->import);
    if (code)
        return complain_library(code);
    importer->before_position = importer->import.position;
    importer->before_digest = importer->import.digest;
    importer->before_count = importer->import.event_count;
    return -1;
}

static uint64_t digest(const struct importer *importer)
{
    return XXH3_128bits_digest(importer->hash).low64;
}

/* Counts a line that is an event, or is wrong; NULL: it is too long. -1: go on. */
static int count_line(struct importer *importer, const char *line, size_t size)
{
    int status = -1;
    if (line)
        XXH3_128bits_update(importer->hash, line, size);
    XXH3_128bits_update(importer->hash, "\n", 1);
    if (++importer->position == 1)
        status = identify(importer);
    if (status >= 0 || importer->position != importer->before_position ||
        digest(importer) == importer->before_digest)
        return status;
    return complain(EXIT_MISUSE,
                    "this input begins as one of which %" PRIu64
                    " events were imported, and differs from it before line %" PRIu64
                    ". With --skip-known the events whose ids the log does not have are imported",
                    importer->before_count, importer->intake.line + 1);
}

/* ----------------------------------------------------------------- lines ---- */

/* With --preview: what the library would refuse. */
static bool is_refused(const struct kind *kind, const struct history_event *event,
                       const char *data)
{
    evlog_value value;
    return kind->schema ? evlog_schema_check(kind->schema, data, event->data_size)
                        : evlog_data_value(data, event->data_size, &value);
}

/* Puts an event that was read into the batch. */
static int add_event(struct importer *importer, struct history_event *event,
                     char why[INTAKE_WHY_SIZE])
{
    const char *data = importer->data.data + event->data_at;
    struct kind *kind = NULL;
    int code = find_kind(importer, event->type, &kind);
    bool is_wrong = code == EVLOG_INVALID ||
                    (!code && importer->options->preview && is_refused(kind, event, data));
    if (is_wrong)
        snprintf(why, INTAKE_WHY_SIZE, "%s", evlog_errmsg());
    else if (importer->options->skip_known && !event->has_id)
        is_wrong = snprintf(why, INTAKE_WHY_SIZE, "it has no id, which --skip-known needs") > 0;
    if (is_wrong || code) {
        importer->data.size = event->data_at;
        history_free(event);
        return is_wrong ? INTAKE_BAD : complain_library(code);
    }
    struct item *item = &importer->batch[importer->count++];
    *item = (struct item){*event, kind->signal, importer->position, digest(importer)};
    if (*event->sourcelib)
        item->event.metadata.sourcelib = item->event.sourcelib; /* the copy's */
    bool is_large = importer->count == importer->intake.batch_max ||
                    importer->data.size >= importer->size_max;
    return is_large ? INTAKE_FULL : INTAKE_TAKEN;
}

static int take_event(struct importer *importer, const char *line, size_t size,
                      char why[INTAKE_WHY_SIZE])
{
    struct history_event event;
    enum history_line found =
        history_read(line, size, &event, &importer->data, why, INTAKE_WHY_SIZE);
    if (found == HISTORY_EVENT)
        return add_event(importer, &event, why);
    importer->erased_count += found == HISTORY_ERASED;
    return found == HISTORY_ERASED ? INTAKE_PASSED : INTAKE_BAD;
}

static int take(void *ctx, const char *line, size_t size, char why[INTAKE_WHY_SIZE])
{
    struct importer *importer = ctx;
    if (line && lines_is_blank(line, size))
        return INTAKE_PASSED;
    if (line && history_is_type(line, size))
        return take_type_line(importer, line, size);
    int status = count_line(importer, line, size);
    if (status >= 0)
        return status;
    if (importer->position <= importer->before_position)
        return INTAKE_PASSED;
    return line ? take_event(importer, line, size, why) : INTAKE_BAD;
}

/* ----------------------------------------------------------------- batch ---- */

static int append(void *ctx, size_t first, size_t count)
{
    struct importer *importer = ctx;
    evlog_import *import = &importer->import, next = *import;
    if (importer->options->preview)
        return EVLOG_OK;
    evlog_sending *sends = calloc(count, sizeof *sends);
    if (!sends)
        return out_of_memory();
    for (size_t i = 0; i < count; i++) {
        const struct item *item = &importer->batch[first + i];
        sends[i] = (evlog_sending){.signal = item->signal,
                                   .data = importer->data.data + item->event.data_at,
                                   .data_size = item->event.data_size,
                                   .metadata = &item->event.metadata,
                                   .from_event_bus = item->event.from_event_bus,
                                   .headers = item->event.headers,
                                   .header_count = item->event.header_count};
    }
    next.position = importer->batch[first + count - 1].position;
    next.digest = importer->batch[first + count - 1].digest;
    int code = evlog_import_events(importer->log, sends, count, &next);
    free(sends);
    if (code)
        return code;
    *import = next;
    importer->known_count += next.known_count;
    if (next.known_count < count) {
        importer->last_seq = next.seen_seq - 1;
        if (!importer->first_seq)
            importer->first_seq = next.seen_seq - (count - next.known_count);
    }
    return EVLOG_OK;
}

static void clear(void *ctx)
{
    struct importer *importer = ctx;
    for (size_t i = 0; i < importer->count; i++)
        history_free(&importer->batch[i].event);
    importer->count = 0;
    msgpack_sbuffer_clear(&importer->data);
}

/* --------------------------------------------------------------- summary ---- */

static void put_more(uint64_t count, const char *one, const char *many)
{
    if (count)
        printf("; %" PRIu64 " %s", count, count == 1 ? one : many);
}

static void put_short(const struct importer *importer)
{
    uint64_t count = importer->intake.appended_count - importer->known_count;
    if (!count && importer->before_count)
        printf("nothing new");
    else
        printf("%" PRIu64 " event%s %s", count, plural(count),
               importer->options->preview ? "would be imported" : "imported");
    if (importer->first_seq)
        printf(", seq %" PRIu64 " to %" PRIu64, importer->first_seq, importer->last_seq);
    put_more(importer->before_count, "was imported before", "were imported before");
    put_more(importer->known_count, "was in the log already", "were in the log already");
    put_more(importer->erased_count, "is erased, and left out", "are erased, and left out");
    put_more(importer->intake.skipped_count, "line was skipped", "lines were skipped");
    putchar('\n');
}

static int put_summary(const struct importer *importer)
{
    if (importer->options->output == OUTPUT_SHORT) {
        put_short(importer);
        return EXIT_DONE;
    }
    return result_put(
        json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "done", !importer->options->preview,
                  "imported",
                  (json_int_t)(importer->intake.appended_count - importer->known_count), "before",
                  (json_int_t)importer->before_count, "known", (json_int_t)importer->known_count,
                  "erased", (json_int_t)importer->erased_count, "skipped",
                  (json_int_t)importer->intake.skipped_count, "first_seq",
                  (json_int_t)importer->first_seq, "last_seq", (json_int_t)importer->last_seq),
        importer->options->output);
}

/* After all was read, or it was interrupted. */
static int end(struct importer *importer)
{
    if (importer->intake.is_stopped)
        return complain(EXIT_NOTHING,
                        "interrupted: %" PRIu64
                        " event%s imported; the same command continues after them",
                        importer->intake.appended_count, plural(importer->intake.appended_count));
    if (importer->position < importer->before_position)
        return complain(EXIT_MISUSE,
                        "the input is shorter than before: %" PRIu64
                        " events of it had been imported",
                        importer->before_count);
    return put_summary(importer);
}

/* -------------------------------------------------------------- the verb ---- */

static int import_from(struct importer *importer, int fd)
{
    const struct options *options = importer->options;
    size_t count_max = options->skip_known ? KNOWN_COUNT_MAX : BATCH_COUNT_MAX;
    importer->size_max = options->skip_known ? KNOWN_SIZE_MAX : BATCH_SIZE_MAX;
    importer->import.unless_id = options->skip_known;
    importer->batch = calloc(count_max, sizeof *importer->batch);
    importer->hash = XXH3_createState();
    msgpack_sbuffer_init(&importer->data);
    if (!importer->batch || !importer->hash)
        return complain(EXIT_LOG, "out of memory");
    XXH3_128bits_reset(importer->hash);
    importer->intake = (struct intake){.ctx = importer,
                                       .take = take,
                                       .append = append,
                                       .clear = clear,
                                       .batch_max = count_max,
                                       .skip_bad = options->skip_bad,
                                       .preview = options->preview,
                                       .stop_fd = stop_fd()};
    if (!isatty(fd))
        progress_begin(options->preview ? "events checked" : "events imported", 0);
    int status = intake_run(&importer->intake, fd, options->operands[0]);
    progress_end();
    return status < 0 ? end(importer) : status;
}

static void free_all(struct importer *importer)
{
    if (importer->batch)
        clear(importer);
    for (size_t i = 0; i < importer->kind_count; i++) {
        evlog_schema_free(importer->kinds[i].own);
        free(importer->kinds[i].name);
    }
    free(importer->kinds);
    free(importer->batch);
    XXH3_freeState(importer->hash);
    msgpack_sbuffer_destroy(&importer->data);
}

/* Opens the log; with --preview for reading only, and it need not be there. EXIT_DONE, or the exit status, reported. */
static int open_log(struct importer *importer, struct options *options)
{
    evlog_options open = {.read_only = true, .wait_ms = options->open.wait_ms};
    if (!options->preview)
        return open_to_append(options, &importer->log);
    int code = evlog_open(options->path, &open, &importer->log);
    return code && code != EVLOG_NOTFOUND ? complain(EXIT_LOG, "%s", evlog_errmsg()) : EXIT_DONE;
}

static int import_file(struct options *options, int fd)
{
    struct importer importer = {.options = options};
    int status = open_log(&importer, options);
    if (status)
        return status;
    stop_watch();
    status = import_from(&importer, fd);
    if (importer.log)
        status = close_appended(importer.log, status);
    free_all(&importer);
    return status;
}

int import_run(struct options *options)
{
    const char *name = options->operands[0];
    bool is_input = !name || strcmp(name, "-") == 0;
    int fd = is_input ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return complain(EXIT_MISUSE, "%s: %s", name, strerror(errno));
    options->operands[0] = is_input ? "standard input" : name;
    int status = import_file(options, fd);
    if (!is_input)
        close(fd);
    if (status != EXIT_DONE)
        stop_by_signal();
    return status;
}
