/* evlog consumer ls, info, state, add, rm, reset, pause, resume. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "print.h"
#include "text.h"
#include "times.h"

/* How long, for a person: "1.2 s", "3 min", "5 h", "12 d". */
static const char *lag_text(int64_t lag_us, char text[32])
{
    double seconds = (double)lag_us / 1e6;
    if (seconds < 60)
        snprintf(text, 32, "%.1f s", seconds);
    else if (seconds < 3600)
        snprintf(text, 32, "%.0f min", seconds / 60);
    else if (seconds < 86400)
        snprintf(text, 32, "%.0f h", seconds / 3600);
    else
        snprintf(text, 32, "%.0f d", seconds / 86400);
    return text;
}

/* What only a worker has. */
static void add_worker(json_t *object, const evlog_consumer_info *info)
{
    if (!info->workers)
        return;
    json_object_set_new(object, "group", json_string(info->group));
    json_object_set_new(object, "worker", json_integer(info->worker));
    json_object_set_new(object, "workers", json_integer(info->workers));
    json_object_set_new(object, "by", json_string(info->by));
}

static json_t *json_of_types(const evlog_consumer_info *info)
{
    json_t *types = json_array();
    for (size_t i = 0; i < info->type_count; i++)
        json_array_append_new(types, json_string(info->types[i]));
    return types;
}

/*
 * When the last event that it is done with was logged; 0: not known. Since when it is there is not recorded: not longer
 * than since then, and until its next commit at least since updated_us.
 */
static int64_t place_time(evlog *log, const evlog_consumer_info *info)
{
    evlog_event *event;
    if (!info->checkpoint || evlog_read(log, info->checkpoint, &event))
        return 0;
    int64_t time_us = event->log_time_us;
    evlog_event_free(event);
    return time_us;
}

static json_t *json_of_place(evlog *log, const evlog_consumer_info *info)
{
    char text[TIME_TEXT_SIZE];
    int64_t time_us = place_time(log, info);
    return time_us ? json_string(evlog_time_text(time_us, text)) : json_null();
}

static int put_json(evlog *log, const evlog_consumer_info *info, enum output output)
{
    char created[TIME_TEXT_SIZE], updated[TIME_TEXT_SIZE];
    json_t *object = json_pack(
        "{s:s, s:I, s:o, s:I, s:f, s:I, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:i, s:o}", /**/
        "name", info->name, "checkpoint", (json_int_t)info->checkpoint, "checkpoint_log_time",
        json_of_place(log, info), "lag_events", (json_int_t)info->lag_count, "lag_seconds",
        (double)info->lag_us / 1e6, "replay_last_seq", (json_int_t)info->replay_last_seq,
        "created", evlog_time_text(info->created_us, created), "updated",
        evlog_time_text(info->updated_us, updated), "done", (json_int_t)info->done_count,
        "refused", (json_int_t)info->refused_count, "skipped", (json_int_t)info->skipped_count,
        "parked", (json_int_t)info->parked_count, "to_retry", (json_int_t)info->retry_count,
        "state_keys", (json_int_t)info->state_count, "paused", info->is_paused, "pid",
        (int)info->pid, "types", json_of_types(info));
    if (object)
        add_worker(object, info);
    return json_put(object, output);
}

/* One of a list. */
struct listing {
    const struct options *options;
    evlog *log;
    int count, failed;
};

static int list_one(const evlog_consumer_info *info, void *ctx)
{
    struct listing *listing = ctx;
    char lag[32], pid[16] = "-";
    if (listing->options->output != OUTPUT_SHORT) {
        listing->count++;
        listing->failed = put_json(listing->log, info, listing->options->output);
        return listing->failed;
    }
    if (!listing->count++)
        printf("%10s  %10s  %8s  %6s  %6s  %7s  name\n", "done up to", "lag", "for", "parked",
               "state", "pid");
    if (info->pid)
        snprintf(pid, sizeof pid, "%d", (int)info->pid);
    printf("%10" PRIu64 "  %10" PRIu64 "  %8s  %6" PRIu64 "  %6" PRIu64 "  %7s  ",
           info->checkpoint, info->lag_count, lag_text(info->lag_us, lag), info->parked_count,
           info->state_count, pid);
    text_put(stdout, info->name, strlen(info->name), 0, 0);
    puts(info->is_paused ? " (paused)" : "");
    return 0;
}

static void put_types(const evlog_consumer_info *info)
{
    if (!info->type_count)
        puts("all");
    for (size_t i = 0; i < info->type_count; i++) {
        fputs(i ? "            " : "", stdout);
        text_put(stdout, info->types[i], strlen(info->types[i]), 0, 0);
        putchar('\n');
    }
}

static int show_one(const evlog_consumer_info *info, void *ctx)
{
    struct listing *listing = ctx;
    char time[TIME_TEXT_SIZE], lag[32];
    listing->count++;
    if (listing->options->output != OUTPUT_SHORT) {
        listing->failed = put_json(listing->log, info, listing->options->output);
        return listing->failed;
    }
    fputs("consumer    ", stdout);
    text_put(stdout, info->name, strlen(info->name), 0, 0);
    if (info->workers) {
        printf("\nworker      %u of %u of the group ", info->worker, info->workers);
        text_put(stdout, info->group, strlen(info->group), 0, 0);
        fputs(", by the value at ", stdout);
        text_put(stdout, info->by, strlen(info->by), 0, 0);
    }
    printf("\nmade        %s\n", time_short_text(info->created_us, time));
    printf("done up to  seq %" PRIu64, info->checkpoint);
    int64_t place_us = place_time(listing->log, info);
    if (place_us)
        printf(", logged on %s", time_short_text(place_us, time));
    printf("\nwrote last  on %s\n", time_short_text(info->updated_us, time));
    printf("behind      %" PRIu64 " event%s, %s\n", info->lag_count, plural(info->lag_count),
           lag_text(info->lag_us, lag));
    printf("replays     up to seq %" PRIu64 "\n", info->replay_last_seq);
    printf("events      %" PRIu64 " done, %" PRIu64 " refused, %" PRIu64 " skipped, %" PRIu64
           " parked (%" PRIu64 " to be retried)\n",
           info->done_count, info->refused_count, info->skipped_count, info->parked_count,
           info->retry_count);
    printf("state       %" PRIu64 " key%s\n", info->state_count, plural(info->state_count));
    if (info->pid)
        printf("at work     process %d%s\n", (int)info->pid, info->is_paused ? ", paused" : "");
    else
        printf("at work     no process%s\n", info->is_paused ? "; it is paused" : "");
    fputs("types       ", stdout);
    put_types(info);
    return 0;
}

/* The consumers of a group. */
struct group {
    const char *name;
    int (*visit)(const evlog_consumer_info *, void *);
    void *ctx;
    int count;
};

static int look_at_member(const evlog_consumer_info *info, void *ctx)
{
    struct group *group = ctx;
    if (!info->group || strcmp(info->group, group->name) != 0)
        return 0;
    group->count++;
    return group->visit(info, group->ctx);
}

/* Calls `visit` for one consumer, or for those of the group of that name. */
static int look_at(evlog *log, const char *name,
                   int (*visit)(const evlog_consumer_info *, void *), void *ctx)
{
    struct group group = {.name = name, .visit = visit, .ctx = ctx};
    evlog_consumer_info *info;
    int code = evlog_consumer_inspect(log, name, &info);
    if (code == EVLOG_NOTFOUND) {
        code = evlog_each_consumer(log, look_at_member, &group);
        return code || group.count ? code : evlog_consumer_inspect(log, name, &info);
    }
    if (code)
        return code;
    code = visit(info, ctx);
    evlog_consumer_info_free(info);
    return code;
}

static int list(struct options *options, const char *name,
                int (*visit)(const evlog_consumer_info *, void *))
{
    evlog *log;
    struct listing listing = {.options = options};
    if (open_to_read(options, &log))
        return EXIT_LOG;
    listing.log = log;
    int code =
        name ? look_at(log, name, visit, &listing) : evlog_each_consumer(log, visit, &listing);
    int status = EXIT_DONE;
    if (listing.failed)
        status = complain(EXIT_LOG, "out of memory");
    else if (code == EVLOG_NOTFOUND)
        status = complain(EXIT_NOTHING, "%s", evlog_errmsg());
    else if (code)
        status = complain_library(code);
    else if (!listing.count)
        status = complain(EXIT_NOTHING, "%s: it has no consumers", options->path);
    evlog_close(log);
    return status;
}

int consumer_ls_run(struct options *options)
{
    return list(options, NULL, list_one);
}

int consumer_info_run(struct options *options)
{
    return list(options, options->operands[0], show_one);
}

/* -------------------------------------------------------------------- state ---- */

struct states {
    const struct options *options;
    uint64_t count;
    int failed;
};

/* Bytes: a string, where they are UTF-8, else {"$bin": base64}, as in events. */
static json_t *json_of_bytes(const void *bytes, size_t size)
{
    json_t *json = json_stringn(bytes, size);
    if (json)
        return json;
    size_t text_size = sodium_base64_encoded_len(size, sodium_base64_VARIANT_ORIGINAL);
    char *text = malloc(text_size);
    if (text)
        json = json_pack(
            "{s:s}", "$bin",
            sodium_bin2base64(text, text_size, bytes, size, sodium_base64_VARIANT_ORIGINAL));
    free(text);
    return json;
}

/* A line for each on a terminal: the key, a tab, and the value; what is not text is escaped. */
static int state_one(const void *key, size_t key_size, const void *value, size_t value_size,
                     void *ctx)
{
    struct states *states = ctx;
    const char *wanted = states->options->state_key;
    if (wanted && (strlen(wanted) != key_size || memcmp(wanted, key, key_size) != 0))
        return 0;
    states->count++;
    if (states->options->output != OUTPUT_SHORT) {
        states->failed = json_put(json_pack("{s:o, s:o}", "key", json_of_bytes(key, key_size),
                                            "value", json_of_bytes(value, value_size)),
                                  states->options->output);
        return states->failed;
    }
    text_put(stdout, key, key_size, 0, 0);
    putchar('\t');
    text_put(stdout, value, value_size, 0, 0);
    putchar('\n');
    return 0;
}

int consumer_state_run(struct options *options)
{
    evlog *log;
    struct states states = {.options = options};
    const char *name = options->operands[0];
    if (open_to_read(options, &log))
        return EXIT_LOG;
    int code = evlog_each_state(log, name, state_one, &states);
    int status = states.failed ? complain(EXIT_LOG, "out of memory") : library_status(code);
    if (status == EXIT_DONE && !states.count)
        status = complain(EXIT_NOTHING,
                          options->state_key ? "consumer %s has no such key in its state"
                                             : "consumer %s has no state",
                          name);
    evlog_close(log);
    return status;
}

/* ----------------------------------------------------------------- changing ---- */

int consumer_add_run(struct options *options)
{
    evlog *log;
    evlog_consumer *consumer;
    const char *name = options->operands[0];
    evlog_consumer_options wanted = {.start = options->start.start,
                                     .start_seq = options->start.start_seq,
                                     .start_time_us = options->start.start_time_us,
                                     .start_count = options->start.start_count,
                                     .types = options->range.types,
                                     .type_count = options->range.type_count};
    if (open_to_write(options, &log))
        return EXIT_LOG;
    int code =
        evlog_consumer_open(log, name, &(evlog_consumer_options){.no_create = 1}, &consumer);
    int is_there = !code;
    if (code == EVLOG_NOTFOUND)
        code = evlog_consumer_open(log, name, &wanted, &consumer);
    if (!code)
        code = evlog_consumer_close(consumer);
    int status = library_status(code);
    if (!code && is_there)
        status = complain(EXIT_MISUSE, "consumer %s exists already", name);
    evlog_close(log);
    return status;
}

/* What is removed: the consumers of a name, and whether they are. */
static int add_loss(const evlog_consumer_info *info, void *ctx)
{
    return json_array_append_new(ctx, json_pack("{s:s, s:I, s:I, s:I}", "name", info->name,
                                                "checkpoint", (json_int_t)info->checkpoint,
                                                "parked", (json_int_t)info->parked_count,
                                                "state_keys", (json_int_t)info->state_count));
}

static uint64_t count_of(const json_t *loss, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(loss, key));
}

static int put_loss(json_t *loss, const struct options *options)
{
    const char *name = json_string_value(json_object_get(loss, "name"));
    uint64_t parked = count_of(loss, "parked"), keys = count_of(loss, "state_keys");
    if (options->output != OUTPUT_SHORT) {
        json_object_set_new(loss, "done", json_boolean(options->yes));
        return json_put(json_incref(loss), options->output);
    }
    printf("%s consumer ", options->yes ? "removed" : "would remove");
    text_put(stdout, name, strlen(name), 0, 0);
    printf(", done up to seq %" PRIu64 ", with %" PRIu64 " parked event%s and %" PRIu64
           " key%s of state%s\n",
           count_of(loss, "checkpoint"), parked, plural(parked), keys, plural(keys),
           options->yes ? "" : "; do it with --yes");
    return 0;
}

/* Removes a consumer, or those of a group, or only says so. The exit status, reported. */
static int remove_named(evlog *log, const char *name, const struct options *options)
{
    json_t *losses = json_array();
    int code = losses ? look_at(log, name, add_loss, losses) : out_of_memory();
    if (!code && options->yes)
        code = evlog_consumer_remove(log, name);
    int status = library_status(code);
    for (size_t i = 0; !status && i < json_array_size(losses); i++)
        if (put_loss(json_array_get(losses, i), options))
            status = complain(EXIT_LOG, "out of memory");
    json_decref(losses);
    return status;
}

/* What did nothing for a time: a consumer, or some workers of a group. */
struct idle_one {
    char name[EVLOG_CONSUMER_NAME_SIZE_MAX + 1];
    uint32_t count, wanted; /* it goes when all its workers are idle */
};

struct idle {
    int64_t since_us;
    struct idle_one *list;
    size_t count;
    bool is_failed; /* out of memory */
};

/* The one of that name, which is added if it is not there; NULL: out of memory. */
static struct idle_one *idle_named(struct idle *idle, const char *name)
{
    for (size_t i = 0; i < idle->count; i++)
        if (strcmp(idle->list[i].name, name) == 0)
            return &idle->list[i];
    struct idle_one *list = realloc(idle->list, (idle->count + 1) * sizeof *list);
    idle->is_failed = !list;
    if (!list)
        return NULL;
    idle->list = list;
    struct idle_one *one = &list[idle->count++];
    *one = (struct idle_one){.count = 0};
    snprintf(one->name, sizeof one->name, "%s", name);
    return one;
}

/* One that a process has is not idle, though it waits. */
static int find_idle(const evlog_consumer_info *info, void *ctx)
{
    struct idle *idle = ctx;
    if (info->pid || info->updated_us > idle->since_us)
        return 0;
    struct idle_one *one = idle_named(idle, info->group ? info->group : info->name);
    if (!one)
        return -1;
    one->count++;
    one->wanted = info->workers ? info->workers : 1;
    return 0;
}

static int remove_idle(evlog *log, const struct options *options)
{
    struct idle idle = {.since_us = evlog_now_us() - options->idle_us};
    int code = evlog_each_consumer(log, find_idle, &idle);
    int status = idle.is_failed ? complain(EXIT_LOG, "out of memory") : library_status(code);
    size_t count = 0;
    for (size_t i = 0; i < idle.count && !status; i++)
        if (idle.list[i].count >= idle.list[i].wanted) {
            status = remove_named(log, idle.list[i].name, options);
            count++;
        }
    free(idle.list);
    if (!status && !count && options->output == OUTPUT_SHORT)
        puts("no consumer is idle for that long");
    return status;
}

int consumer_rm_run(struct options *options)
{
    evlog *log;
    const char *name = options->operands[0];
    if (!name == !options->idle_us)
        return complain(EXIT_MISUSE, "which one? evlog consumer rm %s NAME, or --idle AGE",
                        options->path);
    if (open_to_write(options, &log))
        return EXIT_LOG;
    int status = name ? remove_named(log, name, options) : remove_idle(log, options);
    evlog_close(log);
    return status;
}

static int put_reset(const char *name, const evlog_reset *reset, const struct options *options)
{
    bool is_done = options->yes;
    if (options->output != OUTPUT_SHORT)
        return result_put(json_pack("{s:s, s:I, s:I, s:I, s:I, s:b}", "name", name, "next_seq",
                                    (json_int_t)reset->checkpoint + 1, "old_next_seq",
                                    (json_int_t)reset->old_checkpoint + 1, "parked",
                                    (json_int_t)reset->parked_count, "state_keys",
                                    (json_int_t)reset->state_count, "done", (int)is_done),
                          options->output);
    printf("the next event of consumer ");
    text_put(stdout, name, strlen(name), 0, 0);
    printf(" %s %" PRIu64 ", and not %" PRIu64 "; %" PRIu64 " parked event%s and %" PRIu64
           " key%s of state %s%s\n",
           is_done ? "is" : "would be", reset->checkpoint + 1, reset->old_checkpoint + 1,
           reset->parked_count, plural(reset->parked_count), reset->state_count,
           plural(reset->state_count), is_done ? "are dropped" : "would be dropped",
           is_done ? "" : "; do it with --yes");
    return EXIT_DONE;
}

int consumer_reset_run(struct options *options)
{
    evlog *log;
    evlog_reset reset;
    const char *name = options->operands[0];
    if (!options->start.start)
        return complain(EXIT_MISUSE,
                        "where to? evlog consumer reset %s %s --to first|last|last:N|SEQ|TIME",
                        options->path, name);
    if (open_to_write(options, &log))
        return EXIT_LOG;
    options->start.dry_run = !options->yes;
    int code = evlog_consumer_reset(log, name, &options->start, &reset);
    int status = code ? library_status(code) : put_reset(name, &reset, options);
    evlog_close(log);
    return status;
}

static int pause_or_resume(struct options *options, int is_paused)
{
    evlog *log;
    if (open_to_write(options, &log))
        return EXIT_LOG;
    int status = library_status(evlog_consumer_set_paused(log, options->operands[0], is_paused));
    evlog_close(log);
    return status;
}

int consumer_pause_run(struct options *options)
{
    return pause_or_resume(options, 1);
}

int consumer_resume_run(struct options *options)
{
    return pause_or_resume(options, 0);
}
