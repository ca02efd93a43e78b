/* evlog repair: what is damaged at the end of a log is cut off. */
#include <evlog/upkeep.h>

#include "print.h"

static int put_json(const evlog_repaired *repaired, const struct options *options)
{
    return result_put(
        json_pack("{s:I, s:I, s:I, s:s, s:b}", "first_seq", (json_int_t)repaired->first_seq,
                  "last_seq", (json_int_t)repaired->last_seq, "noted_seq",
                  (json_int_t)repaired->noted_seq, "file", repaired->file, "done", options->yes),
        options->output);
}

static void put_short(const evlog_repaired *repaired, const struct options *options)
{
    if (!repaired->first_seq) {
        puts("the newest event is sound: there is nothing to repair");
        return;
    }
    if (repaired->first_seq == repaired->last_seq)
        printf("event %" PRIu64, repaired->first_seq);
    else
        printf("events %" PRIu64 " to %" PRIu64, repaired->first_seq, repaired->last_seq);
    printf(" %s cut off, and kept in %s/%s%s\n",
           !options->yes                               ? "would be"
           : repaired->first_seq == repaired->last_seq ? "is"
                                                       : "are",
           options->path, repaired->file, options->yes ? "" : "; do it with --yes");
}

int repair_run(struct options *options)
{
    evlog_repair_options how = {.preview = !options->yes, .wait_ms = options->open.wait_ms};
    evlog_repaired repaired;
    int code = evlog_repair(options->path, &how, &repaired);
    if (code)
        return library_status(code);
    if (options->output != OUTPUT_SHORT)
        return put_json(&repaired, options);
    put_short(&repaired, options);
    return EXIT_DONE;
}
