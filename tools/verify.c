/* evlog verify: what is wrong with a log, finding by finding. */

#include "print.h"
#include "progress.h"

struct verify {
    const struct options *options;
    uint64_t findings;
    bool is_out_of_memory;
};

static int visit(const evlog_finding *finding, uint64_t seq, void *ctx)
{
    struct verify *verify = ctx;
    progress_at(seq);
    if (!finding)
        return 0;
    progress_end();
    verify->findings += !finding->is_remark;
    verify->is_out_of_memory = finding_put(finding, verify->options->output) != 0;
    return verify->is_out_of_memory;
}

static int report_result(const struct verify *verify, int code, uint64_t checked)
{
    if (verify->is_out_of_memory)
        return complain(EXIT_LOG, "out of memory, or a finding is not UTF-8");
    if (code && code != EVLOG_DAMAGED)
        return complain_library(code);
    if (verify->options->output == OUTPUT_SHORT)
        printf(verify->findings ? "%" PRIu64 " event%s read: %" PRIu64 " finding%s\n"
                                : "%" PRIu64 " event%s read: all is as it was written\n",
               checked, plural(checked), verify->findings, plural(verify->findings));
    return code ? EXIT_NOTHING : EXIT_DONE;
}

int verify_run(struct options *options)
{
    evlog *log;
    evlog_info info;
    uint64_t checked = 0;
    struct verify verify = {.options = options};
    if (open_as_it_is(options, &log))
        return EXIT_LOG;
    progress_begin("events verified", evlog_inspect(log, &info) ? 0 : info.last_seq);
    int code = evlog_verify(log, visit, &verify, &checked);
    progress_end();
    int status = report_result(&verify, code, checked);
    evlog_close(log);
    return status;
}
