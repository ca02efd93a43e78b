/* evlog salvage: a new log of what can be had of a damaged one. */
#include <evlog/upkeep.h>

#include "print.h"
#include "progress.h"
#include "stop.h"

struct salvage {
    const struct options *options;
    bool is_out_of_memory, has_begun;
};

static int report(const evlog_finding *finding, void *ctx)
{
    struct salvage *salvage = ctx;
    progress_clear();
    salvage->is_out_of_memory = finding_put(finding, salvage->options->output) != 0;
    return salvage->is_out_of_memory;
}

static int visit(uint64_t done, uint64_t total, void *ctx)
{
    struct salvage *salvage = ctx;
    if (!salvage->has_begun)
        progress_begin("bytes searched", total);
    salvage->has_begun = true;
    return progress_visit(done, ctx);
}

static int put_json(const evlog_salvaged *salvaged, const struct options *options)
{
    return result_put(
        json_pack(
            "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:b}", "events",
            (json_int_t)salvaged->event_count, "first_seq", (json_int_t)salvaged->first_seq,
            "last_seq", (json_int_t)salvaged->last_seq, "missing",
            (json_int_t)salvaged->missing_count, "nameless", (json_int_t)salvaged->nameless_count,
            "consumers", (json_int_t)salvaged->consumer_count, "missing_consumers",
            (json_int_t)salvaged->missing_consumer_count, "unreadable_size",
            (json_int_t)salvaged->unreadable_size, "noted_seq", (json_int_t)salvaged->noted_seq,
            "floor_unknown", (int)salvaged->is_floor_unknown, "done", options->yes),
        options->output);
}

static void put_short(const evlog_salvaged *salvaged, const struct options *options)
{
    printf("%" PRIu64 " event%s and %" PRIu64 " consumer%s %s in %s%s\n", salvaged->event_count,
           plural(salvaged->event_count), salvaged->consumer_count,
           plural(salvaged->consumer_count), options->yes ? "are" : "would be",
           options->operands[0], options->yes ? "" : "; do it with --yes");
    if (salvaged->missing_count)
        printf("%" PRIu64 " event%s missing\n", salvaged->missing_count,
               salvaged->missing_count == 1 ? " is" : "s are");
    if (salvaged->nameless_count)
        printf("of %" PRIu64 " event%s the type or source is not known\n",
               salvaged->nameless_count, plural(salvaged->nameless_count));
    if (salvaged->unreadable_size)
        printf("%" PRIu64 " bytes could not be read from the disk\n", salvaged->unreadable_size);
}

static bool is_incomplete(const evlog_salvaged *salvaged)
{
    return salvaged->missing_count || salvaged->missing_consumer_count ||
           salvaged->nameless_count || salvaged->is_floor_unknown;
}

int salvage_run(struct options *options)
{
    struct salvage salvage = {.options = options};
    evlog_salvage_options how = {
        .preview = !options->yes, .report = report, .visit = visit, .ctx = &salvage};
    evlog_salvaged salvaged;
    int status = options->yes ? make_for_group(options, options->operands[0]) : EXIT_DONE;
    if (status)
        return status;
    progress_stops("nothing was made");
    int code = evlog_salvage(options->path, options->operands[0], &how, &salvaged);
    progress_end();
    if (code)
        unmake_for_group(options, options->operands[0]);
    if (code > 0 && !salvage.is_out_of_memory)
        stop_by_signal();
    if (salvage.is_out_of_memory)
        return complain(EXIT_LOG, "out of memory, or a finding is not UTF-8");
    if (code)
        return library_status(code);
    if (options->output == OUTPUT_SHORT)
        put_short(&salvaged, options);
    else
        status = put_json(&salvaged, options);
    return status ? status : is_incomplete(&salvaged) ? EXIT_DAMAGED : EXIT_DONE;
}
