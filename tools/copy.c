/* evlog copy: a copy of a log, or what came later added to one. */
#include <evlog/upkeep.h>

#include "print.h"
#include "progress.h"
#include "stop.h"

static int put_json(const evlog_copied *copied, const struct options *options)
{
    return result_put(json_pack("{s:I, s:I, s:I, s:I, s:b}", "first_seq",
                                (json_int_t)copied->first_seq, "last_seq",
                                (json_int_t)copied->last_seq, "events",
                                (json_int_t)copied->event_count, "missing",
                                (json_int_t)copied->missing_count, "done", !options->preview),
                      options->output);
}

static void put_short(const evlog_copied *copied, const struct options *options)
{
    const char *done = options->preview ? "would be copied" : "copied";
    if (!copied->event_count)
        puts(options->preview ? "there is no event to copy" : "no event was to be copied");
    else if (copied->first_seq == copied->last_seq)
        printf("event %" PRIu64 " %s\n", copied->first_seq, done);
    else
        printf("events %" PRIu64 " to %" PRIu64 " %s\n", copied->first_seq, copied->last_seq,
               done);
}

int copy_run(struct options *options)
{
    evlog *log;
    evlog_info info;
    evlog_copied copied;
    evlog_copy_options how = {
        .since_seq = options->since_seq, .preview = options->preview, .visit = progress_visit};
    if (open_to_read(options, &log))
        return EXIT_LOG;
    int status = options->preview ? EXIT_DONE : make_for_group(options, options->operands[0]);
    if (status) {
        evlog_close(log);
        return status;
    }
    progress_begin("copied up to event", evlog_inspect(log, &info) ? 0 : info.last_seq);
    progress_stops("the same command goes on; it was at event #");
    int code = evlog_copy(log, options->operands[0], &how, &copied);
    progress_end();
    if (code)
        unmake_for_group(options, options->operands[0]);
    if (code > 0)
        stop_by_signal();
    status = code ? library_status(code) : EXIT_DONE;
    evlog_close(log);
    if (code)
        return status;
    if (options->output == OUTPUT_SHORT)
        put_short(&copied, options);
    else
        status = put_json(&copied, options);
    if (status == EXIT_DONE && copied.missing_count)
        return complain(EXIT_DAMAGED,
                        "%" PRIu64
                        " event%s missing in %s, and in the copy; see: evlog verify %s",
                        copied.missing_count, copied.missing_count == 1 ? " is" : "s are",
                        options->path, options->path);
    return status;
}
