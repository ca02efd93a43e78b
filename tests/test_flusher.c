/*
 * The flusher of a fast log: it flushes, and so do evlog_sync and evlog_close; when it
 * fails the next send says so; it does not outlive its handle.
 *
 * A flush is counted by the file it is of; what waits for the flusher waits as long as
 * it takes: the time limit of all tests ends what never comes.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>

#include "evlog/upkeep.h"
#include "processes.h"
#include "shared.h"
#include "test.h"

#define TYPE "org.evlog.test.v1"

/* ------------------------------------------------------ wrapped calls ---- */

static _Atomic unsigned event_flushes, state_flushes, journal_flushes;
static atomic_int failing;     /* with this errno */
static atomic_bool is_dying;   /* in the next flush of events.mdb */
static atomic_bool is_failing; /* only those of events.mdb */

/* As after a process that was killed while it set where the journal ends. */
static atomic_bool is_end_unknown;

bool __real_shared_end_get(struct shared *shared, struct shared_end *end);
bool __wrap_shared_end_get(struct shared *shared, struct shared_end *end);

bool __wrap_shared_end_get(struct shared *shared, struct shared_end *end)
{
    return !is_end_unknown && __real_shared_end_get(shared, end);
}

/* The library's, and liblmdb's: found here before libc's. */
EVLOG_API int fdatasync(int fd)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    path[size > 0 ? size : 0] = '\0';
    if (strstr(path, "events.mdb"))
        event_flushes++;
    if (is_dying && strstr(path, "events.mdb"))
        kill(getpid(), SIGKILL);
    if (strstr(path, "state.mdb"))
        state_flushes++;
    if (strstr(path, "/journal"))
        journal_flushes++;
    if (failing || (is_failing && strstr(path, "events.mdb"))) {
        errno = failing ? failing : EIO;
        return -1;
    }
    return fsync(fd);
}

/* ------------------------------------------------------------- helpers ---- */

static evlog *open_log(const void *home, int durability, uint32_t flush_every_ms,
                       evlog_signal **signal)
{
    evlog *log;
    evlog_options options = {.durability = durability, .flush_every_ms = flush_every_ms};
    OK(evlog_open(in(home, "log"), &options, &log));
    OK(evlog_define(log, TYPE, 0, NULL, signal));
    return log;
}

static unsigned thread_count(void)
{
    DIR *directory = opendir("/proc/self/task");
    unsigned count = 0;
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory));)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

/* A thread that was joined is still listed for a moment. */
static void wait_for_threads(unsigned count)
{
    while (thread_count() != count)
        usleep(100);
}

static int count(const evlog_event *event, void *ctx)
{
    (void)event;
    ++*(unsigned *)ctx;
    return 0;
}

#define NEVER UINT32_MAX /* in ms: seven weeks */

/* ----------------------------------------------------------------- tests ---- */

/* Sends of a fast log flush nothing; a sync does, and so does closing. */
static void sync_and_close_flush(void **state)
{
    evlog_signal *signal;
    evlog *log = open_log(*state, EVLOG_FAST, NEVER, &signal);
    OK(evlog_send_event(signal, "\x80", 1, NULL, NULL)); /* it also makes its source's entry */
    unsigned before = event_flushes;
    for (int i = 0; i < 100; i++)
        OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    assert_int_equal(event_flushes, before);
    OK(evlog_sync(log));
    assert_int_equal(event_flushes, before + 1);
    OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    OK(evlog_close(log));
    assert_true(event_flushes > before + 1);
}

/* Each send of a durable log flushes the journal once and nothing else, and a sync has nothing to do. */
static void durable_sends_flush(void **state)
{
    evlog_signal *signal;
    evlog *log = open_log(*state, EVLOG_DURABLE, NEVER, &signal);
    OK(evlog_send_event(signal, "\x80", 1, NULL, NULL)); /* it also makes its source's entry */
    unsigned before = journal_flushes, of_events = event_flushes, of_state = state_flushes;
    for (unsigned i = 1; i <= 10; i++) {
        OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
        assert_int_equal(journal_flushes, before + i);
    }
    OK(evlog_sync(log));
    assert_int_equal(event_flushes, of_events);
    assert_int_equal(state_flushes, of_state);
    OK(evlog_close(log));
}

/* A type is on the disk before an event can name it, in a fast log too. */
static void a_type_is_durable_in_a_fast_log(void **state)
{
    evlog_signal *signal;
    evlog *log = open_log(*state, EVLOG_FAST, NEVER, &signal);
    unsigned before = state_flushes;
    OK(evlog_define(log, "org.evlog.other.v1", 0, NULL, &signal));
    assert_true(state_flushes > before);
    before = state_flushes;
    OK(evlog_send_event(signal, "\x80", 1, NULL, NULL)); /* its source */
    assert_true(state_flushes > before);
    before = state_flushes;
    OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    assert_int_equal(state_flushes, before);
    OK(evlog_close(log));
}

/* The thread flushes what was sent, again and again. */
static void the_thread_flushes(void **state)
{
    evlog_signal *signal;
    evlog *log = open_log(*state, EVLOG_FAST, 1, &signal);
    for (int i = 0; i < 5; i++) {
        unsigned before = event_flushes;
        OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
        while (event_flushes == before)
            usleep(100);
    }
    OK(evlog_close(log));
}

/* A log in which nothing was sent since the last flush is not flushed again. */
static void an_idle_log_is_not_flushed(void **state)
{
    evlog_signal *signal;
    evlog *log = open_log(*state, EVLOG_FAST, 1, &signal);
    OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    OK(evlog_sync(log));
    usleep(20000); /* a flush that began before the last one is over */
    unsigned before = event_flushes;
    usleep(100000);
    assert_int_equal(event_flushes, before);
    OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    while (event_flushes == before)
        usleep(100);
    OK(evlog_close(log));
}

/* A background flush that failed is reported by the next send, which is not in the log. */
static void a_failed_background_flush_is_told(void **state)
{
    evlog_signal *signal;
    evlog_info info;
    unsigned heard = 0;
    evlog *log = open_log(*state, EVLOG_FAST, 1, &signal);
    OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    OK(evlog_connect(log, signal, NULL, count, &heard, NULL));
    failing = EIO;
    while (evlog_send_event(signal, "\x80", 1, NULL, NULL) == EVLOG_OK)
        usleep(100); /* nothing but the thread flushes here */
    failing = 0;
    unsigned before = heard;
    FAILS(EVLOG_IO, "close the log and open it", evlog_send_event(signal, "\x80", 1, NULL, NULL));
    FAILS(EVLOG_IO, "close the log and open it", evlog_sync(log));
    assert_int_equal(heard, before);
    OK(evlog_inspect(log, &info));
    assert_int_equal(info.last_seq, 1 + heard);
    FAILS(EVLOG_IO, "flush has failed", evlog_close(log));
    log = open_log(*state, EVLOG_FAST, 1, &signal);
    OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    OK(evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_close(log));
}

/* A last flush that fails is reported by evlog_close, and the log is closed all the same. */
static void close_tells_of_its_flush(void **state)
{
    evlog_signal *signal;
    evlog *log = open_log(*state, EVLOG_FAST, NEVER, &signal);
    unsigned threads = thread_count();
    OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    failing = EIO;
    FAILS(EVLOG_IO, "flushing", evlog_close(log));
    failing = 0;
    wait_for_threads(threads - 1);
    log = open_log(*state, EVLOG_FAST, NEVER, &signal);
    OK(evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_close(log));
}

/* A fast handle has one thread, whatever its interval, and leaves none; others have none. */
static void no_thread_is_left(void **state)
{
    static const uint32_t every_ms[] = {1, 0, NEVER};
    evlog_signal *signal;
    evlog *log = open_log(*state, EVLOG_FAST, 0, &signal);
    OK(evlog_close(log));
    unsigned threads = thread_count();
    for (int i = 0; i < 3; i++) {
        log = open_log(*state, EVLOG_FAST, every_ms[i], &signal);
        wait_for_threads(threads + 1);
        OK(evlog_close(log));
        wait_for_threads(threads);
    }
    OK(evlog_open(in(*state, "log"), &(evlog_options){.read_only = 1}, &log));
    wait_for_threads(threads);
    OK(evlog_close(log));
    OK(evlog_open(in(*state, "durable"), NULL, &log));
    wait_for_threads(threads);
    OK(evlog_close(log));
}

/* A fast log has no journal, so it is flushed whatever is known of one. */
static void a_fast_log_is_flushed_without_a_journals_end(void **state)
{
    evlog_signal *signal;
    evlog *log = open_log(*state, EVLOG_FAST, NEVER, &signal);
    OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    is_end_unknown = true;
    unsigned before = event_flushes;
    OK(evlog_sync(log));
    assert_int_equal(event_flushes, before + 1);
    is_end_unknown = false;
    OK(evlog_close(log));
}

/* Opening a log with a policy that has to be recovered, which is put on record, starts one thread; closing ends it. */
static void a_recovery_starts_one_thread(void **state)
{
    evlog_signal *signal;
    unsigned threads = thread_count();
    evlog *log = open_log(*state, EVLOG_FAST, NEVER, &signal);
    OK(evlog_retain(log, &(evlog_retention){.count = 1000}));
    OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    OK(evlog_sync(log));
    OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    failing = EIO;
    FAILS(EVLOG_IO, "", evlog_sync(log));
    failing = 0;
    assert_int_equal(evlog_close(log), EVLOG_IO);
    wait_for_threads(threads);
    log = open_log(*state, EVLOG_FAST, NEVER, &signal);
    assert_int_equal(thread_count(), threads + 1);
    evlog_event *event;
    OK(evlog_read(log, 2, &event));
    assert_string_equal(event->event_type, "evlog.recovered.v1");
    evlog_event_free(event);
    OK(evlog_close(log));
    wait_for_threads(threads);
}

/* ----------------------------------------------- pages that trimming frees ---- */

/* In a process of its own, which is killed before what it has deleted is flushed. */
static void trim_and_die(const void *home, const atomic_int *is_open)
{
    evlog *log;
    while (!*is_open)
        usleep(1000);
    if (evlog_open(in(home, "log"), NULL, &log))
        die("opening", 0);
    is_dying = true;
    evlog_trim(log, 200, NULL, NULL);
}

/*
 * Then the second send after that flushes, as in any log: also in one that was compacted, whose commits are counted
 * anew, and which had more when it was trimmed before.
 */
static void another_process_flushes_before_they_are_used(void **state)
{
    evlog_signal *signal;
    atomic_int *is_open = map_shared(sizeof *is_open);
    evlog *log = open_log(*state, EVLOG_FAST, NEVER, &signal);
    for (int i = 0; i < 300; i++)
        OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    OK(evlog_trim(log, 100, NULL, NULL));
    OK(evlog_close(log));
    OK(evlog_compact(in(*state, "log"), NULL, NULL));
    pid_t pid = start_process();
    if (pid == 0)
        trim_and_die(*state, is_open);
    log = open_log(*state, EVLOG_FAST, NEVER, &signal);
    *is_open = 1;
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    unsigned before = event_flushes;
    OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    assert_int_equal(event_flushes, before);
    OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    assert_int_equal(event_flushes, before + 1);
    OK(evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_close(log));
    munmap(is_open, sizeof *is_open);
}

/* What was not flushed and is to be kept is flushed before it is written down, durably, that the log begins there. */
static void a_fast_log_goes_back_to_what_is_kept(void **state)
{
    evlog_signal *signal;
    evlog_info info;
    evlog *log = open_log(*state, EVLOG_FAST, NEVER, &signal);
    for (int i = 0; i < 10; i++)
        OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    OK(evlog_sync(log));
    for (int i = 0; i < 10; i++)
        OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    is_failing = true;
    FAILS(EVLOG_IO, "", evlog_trim(log, 15, NULL, NULL));
    is_failing = false;
    assert_int_equal(evlog_close(log), EVLOG_IO);
    log = open_log(*state, EVLOG_FAST, NEVER, &signal);
    OK(evlog_inspect(log, &info));
    assert_true(info.first_seq == 1 && info.last_seq == 11);
    OK(evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_close(log));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(sync_and_close_flush),
        TEST_AT_HOME(durable_sends_flush),
        TEST_AT_HOME(a_type_is_durable_in_a_fast_log),
        TEST_AT_HOME(the_thread_flushes),
        TEST_AT_HOME(an_idle_log_is_not_flushed),
        TEST_AT_HOME(a_failed_background_flush_is_told),
        TEST_AT_HOME(close_tells_of_its_flush),
        TEST_AT_HOME(no_thread_is_left),
        TEST_AT_HOME(a_fast_log_is_flushed_without_a_journals_end),
        TEST_AT_HOME(a_recovery_starts_one_thread),
        TEST_AT_HOME(another_process_flushes_before_they_are_used),
        TEST_AT_HOME(a_fast_log_goes_back_to_what_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
