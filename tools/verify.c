/* evlog verify: what is wrong with a log, finding by finding. */

#include "head.h"
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

static int report_result(const struct verify *verify, const evlog_info *info, int code,
                         uint64_t checked)
{
    char head[HEAD_TEXT_SIZE];
    if (verify->is_out_of_memory)
        return complain(EXIT_LOG, "out of memory, or a finding is not UTF-8");
    if (code && code != EVLOG_DAMAGED)
        return complain_library(code);
    if (verify->options->output == OUTPUT_SHORT) {
        if (info->last_seq)
            printf("head %s\n", head_text(info, head));
        printf(verify->findings ? "%" PRIu64 " event%s read: %" PRIu64 " finding%s\n"
                                : "%" PRIu64 " event%s read: all is as it was written\n",
               checked, plural(checked), verify->findings, plural(verify->findings));
    }
    return verify->findings ? EXIT_NOTHING : EXIT_DONE;
}

int verify_run(struct options *options)
{
    evlog *log;
    evlog_info info = {.last_seq = 0};
    uint64_t checked = 0;
    struct verify verify = {.options = options};
    struct head expected;
    if (options->expect && !head_read(options->expect, &expected))
        return complain(
            EXIT_MISUSE,
            "--expect takes SEQ:CHAIN, as evlog info prints it: 5003:0123456789abcdef");
    if (open_as_it_is(options, &log))
        return EXIT_LOG;
    int known = evlog_inspect(log, &info);
    progress_begin("events verified", info.last_seq);
    int code = evlog_verify(log, visit, &verify, &checked);
    progress_end();
    if (options->expect && !verify.is_out_of_memory && (!code || code == EVLOG_DAMAGED))
        code = known ? known : head_check(log, &info, &expected, visit, &verify);
    int status = report_result(&verify, &info, code, checked);
    evlog_close(log);
    return status;
}
