/*
 * Fuzz target: the file state.mdb, damaged anywhere, in which consumers are used, reset and removed.
 *
 * What must hold: nothing crashes or hangs; no event is harmed; and where verify finds the log sound, all of it
 * works, and leaves it sound.
 */
#include "fuzz_files.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const char *const consumers[] = {"one", "two", "three"};

static void handle(evlog_consumer *consumer, unsigned count)
{
    const evlog_event *event;
    for (unsigned i = 0; i < count; i++) {
        if (evlog_consumer_next(consumer, 0, &event) || !event)
            return;
        evlog_state_put(consumer, &i, sizeof i, event->data,
                        event->data_size < 500 ? event->data_size : 500);
        if (event->seq % 5 == 0)
            evlog_consumer_fail(consumer, event->seq, "it is a fifth one");
        else
            evlog_consumer_done(consumer, event->seq);
    }
    evlog_consumer_commit(consumer);
}

static int use(evlog *log, const char *name, unsigned count)
{
    evlog_consumer *consumer;
    int result =
        evlog_consumer_open(log, name, &(evlog_consumer_options){.attempt_max = 1}, &consumer);
    if (result)
        return result;
    handle(consumer, count);
    return evlog_consumer_close(consumer);
}

static void add_consumers(evlog *log)
{
    for (unsigned i = 0; i < 3; i++)
        must(use(log, consumers[i], 7 + 11 * i) == EVLOG_OK, "a consumer works");
}

static int pass_info(const evlog_consumer_info *info, void *ctx)
{
    (void)info;
    (void)ctx;
    return 0;
}

static int pass_parked(const evlog_parked *parked, void *ctx)
{
    (void)parked;
    (void)ctx;
    return 0;
}

static void use_all(evlog *log, bool was_sound)
{
    uint64_t count;
    int results[] = {
        evlog_each_consumer(log, pass_info, NULL),
        evlog_each_parked(log, "two", pass_parked, NULL),
        use(log, "one", 9),
        evlog_parked_retry(log, "two", 0, &count),
        use(log, "two", 5),
        evlog_parked_drop(log, "two", 0, &count),
        evlog_consumer_reset(log, "three", &(evlog_reset_options){.start = EVLOG_START_FIRST},
                             NULL),
        use(log, "three", 3),
        evlog_consumer_remove(log, "one"),
        evlog_consumer_remove(log, "two"),
        use(log, "one", 2),
        fuzz_send(log, 1),
    };
    for (size_t i = 0; i < sizeof results / sizeof *results; i++)
        must(results[i] == EVLOG_OK || results[i] == EVLOG_NOTFOUND || !was_sound,
             "what is sound works");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct fuzz_log fuzz;
    unsigned char seen[FUZZ_EVENTS + 1];
    evlog *log;
    if (!fuzz.path[0])
        fuzz_make(&fuzz, EVLOG_DURABLE, add_consumers);
    fuzz_restore(&fuzz, "state.mdb", bytes, size);
    if (evlog_open(fuzz.path, &(evlog_options){.no_create = true}, &log) != EVLOG_OK)
        return 0;
    bool was_sound = fuzz_is_sound(log);
    use_all(log, was_sound);
    if (was_sound)
        must(fuzz_read(&fuzz, log, seen) == FUZZ_EVENTS && fuzz_is_sound(log),
             "what was sound is sound");
    evlog_close(log);
    return 0;
}
