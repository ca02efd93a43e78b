/* evlog verify: what is wrong with a log, finding by finding. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "head.h"
#include "print.h"
#include "progress.h"

struct verify {
    const struct options *options;
    uint64_t findings;
    bool is_out_of_memory;
    bool is_audited; /* there are verdicts */
};

static int visit(const evlog_finding *finding, uint64_t seq, void *ctx)
{
    struct verify *verify = ctx;
    progress_at(seq);
    progress_check(seq);
    if (!finding)
        return 0;
    progress_end();
    verify->findings += !finding->is_remark;
    verify->is_out_of_memory = finding_put(finding, verify->options->output) != 0;
    return verify->is_out_of_memory;
}

static void put_short(const struct verify *verify, const struct audit *audit, uint64_t checked)
{
    char head[HEAD_TEXT_SIZE];
    if (verify->is_audited)
        audit_put(audit);
    if (audit->info.last_seq)
        printf("head %s\n", head_text(&audit->info, head));
    printf(verify->findings ? "%" PRIu64 " event%s read: %" PRIu64 " finding%s\n"
                            : "%" PRIu64 " event%s read: all is as it was written\n",
           checked, plural(checked), verify->findings, plural(verify->findings));
}

/* The last line in a pipe: its being there says that the log was read to its end. The exit status. */
static int put_json(const struct verify *verify, const struct audit *audit, uint64_t checked)
{
    char head[HEAD_TEXT_SIZE];
    json_t *result = verify->is_audited ? audit_json(audit) : json_object();
    json_t *counts = json_pack(
        "{s:I, s:I, s:I, s:I, s:s}", "events", (json_int_t)checked, "findings",
        (json_int_t)verify->findings, "first_seq", (json_int_t)audit->info.first_seq, "last_seq",
        (json_int_t)audit->info.last_seq, "head", head_text(&audit->info, head));
    if (json_object_update(result, counts)) {
        json_decref(result);
        result = NULL;
    }
    json_decref(counts);
    return result_put(result, verify->options->output);
}

static int report_result(const struct verify *verify, const struct audit *audit, int code,
                         uint64_t checked)
{
    int status = EXIT_DONE;
    if (verify->is_out_of_memory)
        return complain(EXIT_LOG, "out of memory, or a finding is not UTF-8");
    if (code && code != EVLOG_DAMAGED)
        return complain_library(code);
    if (verify->options->output == OUTPUT_SHORT)
        put_short(verify, audit, checked);
    else
        status = put_json(verify, audit, checked);
    return status ? status : verify->findings ? EXIT_NOTHING : EXIT_DONE;
}

/* What --expect names: a head, or the file of a checkpoint. */
struct expected {
    struct head head;
    struct note_checkpoint checkpoint;
    bool is_head, is_checkpoint;
};

/* Reads a checkpoint that one of the keys has signed. EXIT_DONE, or the status, reported. */
static int read_checkpoint(const char *path, const struct keyring *keys,
                           struct note_checkpoint *checkpoint)
{
    char *note = malloc(NOTE_SIZE_MAX + 1);
    FILE *file = fopen(path, "re");
    size_t size = note && file ? fread(note, 1, NOTE_SIZE_MAX + 1, file) : 0;
    int status = EXIT_DONE;
    enum note_verdict verdict = NOTE_GOOD;
    if (!note)
        status = complain(EXIT_LOG, "out of memory");
    else if (!file || ferror(file))
        status = complain(EXIT_MISUSE,
                          "--expect takes SEQ:CHAIN, as evlog info prints it, or the file of a "
                          "checkpoint: %s: %s",
                          path, strerror(errno));
    else
        verdict = keyring_read_checkpoint(keys, note, size, checkpoint);
    if (verdict)
        status =
            complain(EXIT_MISUSE, "%s: this checkpoint %s", path, note_verdict_text(verdict));
    if (file)
        fclose(file);
    free(note);
    return status;
}

static int read_expected(const struct options *options, struct keyring *keys,
                         struct expected *expected)
{
    int status = options->seal ? keyring_read(keys, options->seal) : EXIT_DONE;
    if (status || !options->expect)
        return status;
    expected->is_head = head_read(options->expect, &expected->head);
    if (expected->is_head)
        return EXIT_DONE;
    if (!options->seal)
        return complain(
            EXIT_MISUSE,
            "--expect takes SEQ:CHAIN, as evlog info prints it: 5003:0123456789abcdef; "
            "or, with --seal PUBKEY, the file of a checkpoint");
    expected->is_checkpoint = true;
    return read_checkpoint(options->expect, keys, &expected->checkpoint);
}

/* The seals, after the log itself. An error of the library. */
static int check_seals(struct verify *verify, struct audit *audit,
                       const struct expected *expected)
{
    audit->visit = visit;
    audit->ctx = verify;
    int code = audit_run(audit, expected->is_checkpoint ? &expected->checkpoint : NULL);
    verify->is_audited = code == EVLOG_OK;
    return code;
}

static int check(struct verify *verify, struct audit *audit, const struct expected *expected,
                 uint64_t *checked)
{
    int known = evlog_inspect(audit->log, &audit->info);
    progress_begin("events verified", audit->info.last_seq);
    progress_stops("not all of it was read; it was at event #");
    int code = evlog_verify(audit->log, visit, verify, checked);
    progress_end();
    bool goes_on = !verify->is_out_of_memory && (!code || code == EVLOG_DAMAGED);
    if (goes_on && (verify->options->expect || verify->options->seal))
        code = known;
    if (goes_on && !known && expected->is_head)
        code = head_check(audit->log, &audit->info, &expected->head, visit, verify);
    if (goes_on && !code && !known && verify->options->seal)
        code = check_seals(verify, audit, expected);
    return code;
}

int verify_run(struct options *options)
{
    uint64_t checked = 0;
    struct verify verify = {.options = options};
    struct audit audit = {.log = NULL};
    struct expected expected = {.is_head = false};
    int status = read_expected(options, &audit.keys, &expected);
    if (status == EXIT_DONE && open_as_it_is(options, &audit.log))
        status = EXIT_LOG;
    if (status == EXIT_DONE) {
        int code = check(&verify, &audit, &expected, &checked);
        status = report_result(&verify, &audit, code, checked);
        evlog_close(audit.log);
    }
    audit_free(&audit);
    return status;
}
