/*
 * Fuzz target: the file events.mdb, damaged anywhere, is read, opened for writing, and sent to.
 *
 * What must hold: nothing crashes or hangs; each event that is read is as it was sent; a send that succeeds takes away
 * no event that could be read before it; and a log that verify finds sound is sound after it.
 */
#include "fuzz_files.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void send_to(const struct fuzz_log *fuzz, evlog *log)
{
    unsigned char before[FUZZ_EVENTS + 1], after[FUZZ_EVENTS + 1];
    bool was_sound = fuzz_is_sound(log);
    fuzz_read(fuzz, log, before);
    for (unsigned i = 0; i < 4; i++)
        if (fuzz_send(log, i))
            must(!was_sound, "a sound log takes an event");
    fuzz_read(fuzz, log, after);
    for (unsigned i = 1; i <= FUZZ_EVENTS; i++)
        must(after[i] >= before[i], "an event is still there");
    must(fuzz_is_sound(log) || !was_sound, "a sound log stays sound");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct fuzz_log logs[2];
    unsigned char seen[FUZZ_EVENTS + 1];
    evlog *log;
    for (int i = 0; i < 2; i++)
        if (!logs[i].path[0])
            fuzz_make(&logs[i], i ? EVLOG_FAST : EVLOG_DURABLE, NULL);
    const struct fuzz_log *fuzz = &logs[size && bytes[0] & 4];
    fuzz_restore(fuzz, "events.mdb", bytes, size);
    if (evlog_open(fuzz->path, &(evlog_options){.read_only = true}, &log) == EVLOG_OK) {
        fuzz_read(fuzz, log, seen);
        fuzz_is_sound(log);
        evlog_close(log);
    }
    if (evlog_open(fuzz->path, &(evlog_options){.no_create = true}, &log) == EVLOG_OK) {
        send_to(fuzz, log);
        evlog_close(log);
    }
    return 0;
}
