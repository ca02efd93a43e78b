/*
 * Fuzz target: one file of a log, damaged anywhere, is salvaged and repaired.
 *
 *   of the first byte also: bit 2: a fast log; bits 3 and 4: which file
 *
 * What must hold: nothing crashes or hangs; each event of the new log is as it was sent; verify finds nothing in it but
 * what is missing, or has no name; salvaging changes nothing of the log; and each event that could be read is in the
 * new one.
 */
#include <evlog/upkeep.h>

#include "fuzz_files.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void add_consumer(evlog *log)
{
    evlog_consumer *consumer;
    const evlog_event *event;
    must(evlog_consumer_open(log, "one", NULL, &consumer) == EVLOG_OK, "a consumer is made");
    for (int i = 0; i < 9; i++) {
        must(evlog_consumer_next(consumer, 0, &event) == EVLOG_OK && event, "it has an event");
        evlog_state_put(consumer, &i, sizeof i, event->id, sizeof event->id);
        evlog_consumer_done(consumer, event->seq);
    }
    must(evlog_consumer_close(consumer) == EVLOG_OK, "the consumer is closed");
}

static int allow(const evlog_finding *finding, uint64_t seq, void *ctx)
{
    (void)seq;
    (void)ctx;
    if (finding && !finding->is_remark && !strstr(finding->text, "missing") &&
        !strstr(finding->text, "type") && !strstr(finding->text, "source")) {
        fprintf(stderr, "%s\n", finding->text);
        must(false, "a salvaged log is sound");
    }
    return 0;
}

static void look_at(const struct fuzz_log *fuzz, const char *path,
                    const unsigned char before[FUZZ_EVENTS + 1])
{
    unsigned char seen[FUZZ_EVENTS + 1];
    evlog *log;
    must(evlog_open(path, &(evlog_options){.no_create = true}, &log) == EVLOG_OK,
         "what was salvaged is opened");
    fuzz_read(fuzz, log, seen);
    for (unsigned i = 1; i <= FUZZ_EVENTS; i++)
        must(seen[i] >= before[i], "what could be read is salvaged");
    int result = evlog_verify(log, allow, NULL, NULL);
    must(result == EVLOG_OK || result == EVLOG_DAMAGED, "it can be verified");
    must(evlog_close(log) == EVLOG_OK, "it is closed");
}

/* The bytes of a file, in a number. */
static uint64_t sum_of(const struct fuzz_log *fuzz, const char *name)
{
    if (access(fuzz_file(fuzz, name), R_OK))
        return 0;
    struct bytes file = file_read(fuzz_file(fuzz, name));
    uint64_t sum = XXH3_64bits(file.at, file.size);
    free(file.at);
    return sum;
}

static void salvage(const struct fuzz_log *fuzz)
{
    unsigned char before[FUZZ_EVENTS + 1] = {0};
    char path[256], command[600];
    uint64_t sums[3];
    evlog *log;
    if (evlog_open(fuzz->path, &(evlog_options){.read_only = true}, &log) == EVLOG_OK) {
        fuzz_read(fuzz, log, before);
        evlog_close(log);
    }
    for (size_t i = 0; i < 3; i++)
        sums[i] = sum_of(fuzz, fuzz_names[i + 1]);
    snprintf(path, sizeof path, "%s-new", fuzz->path);
    int result = evlog_salvage(fuzz->path, path, NULL, NULL);
    must(result == EVLOG_OK || result == EVLOG_DAMAGED, "salvaging is done or refused");
    if (result == EVLOG_OK)
        look_at(fuzz, path, before);
    for (size_t i = 0; i < 3; i++)
        must(sums[i] == sum_of(fuzz, fuzz_names[i + 1]), "the log is as it was");
    snprintf(command, sizeof command, "rm -rf '%s' '%s.unfinished' '%s'/cut-*", path, path,
             fuzz->path);
    must(system(command) == 0, "the new log is removed");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char *const files[] = {"events.mdb", "state.mdb", "edge", "journal"};
    static struct fuzz_log logs[2];
    unsigned char seen[FUZZ_EVENTS + 1];
    unsigned how = size ? bytes[0] : 0;
    evlog *log;
    for (int i = 0; i < 2; i++)
        if (!logs[i].path[0])
            fuzz_make(&logs[i], i ? EVLOG_FAST : EVLOG_DURABLE, add_consumer);
    const struct fuzz_log *fuzz = &logs[(how & 4) != 0];
    fuzz_restore(fuzz, files[how >> 3 & 3], bytes, size);
    salvage(fuzz);
    evlog_repair(fuzz->path, NULL, NULL);
    if (evlog_open(fuzz->path, &(evlog_options){.no_create = true}, &log) == EVLOG_OK) {
        fuzz_read(fuzz, log, seen);
        evlog_close(log);
    }
    return 0;
}
