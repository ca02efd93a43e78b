/* evlog compact: the space that trimming has freed goes back to the disk. */
#include <evlog/upkeep.h>

#include "print.h"
#include "progress.h"
#include "stop.h"
#include "text.h"

static int put_json(const evlog_compacted *compacted, const struct options *options)
{
    return result_put(json_pack("{s:I, s:I, s:b}", "before_size",
                                (json_int_t)compacted->before_size, "after_size",
                                (json_int_t)compacted->after_size, "done", options->yes),
                      options->output);
}

static void put_short(const evlog_compacted *compacted, const struct options *options)
{
    char before[16], after[16];
    printf("%s on disk %s %s%s\n", size_text(compacted->before_size, before),
           options->yes ? "are now" : "would become about",
           size_text(compacted->after_size, after), options->yes ? "" : "; do it with --yes");
}

int compact_run(struct options *options)
{
    evlog_compact_options how = {
        .wait_ms = options->open.wait_ms, .preview = !options->yes, .visit = progress_visit};
    evlog_compacted compacted;
    progress_begin("rewritten up to event", 0);
    progress_stops("the log is as it was");
    int code = evlog_compact(options->path, &how, &compacted);
    progress_end();
    if (code > 0)
        stop_by_signal();
    if (code)
        return complain_library(code);
    if (options->output != OUTPUT_SHORT)
        return put_json(&compacted, options);
    put_short(&compacted, options);
    return EXIT_DONE;
}
