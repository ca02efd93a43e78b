/*
 * One process's flush fails: no process acknowledges anything more. Once all have closed the log it is
 * recovered by whoever opens it first, and nothing is lost that was acknowledged (in a fast log: that was
 * flushed), though every later flush was reported as good.
 *
 * The test's own process is the one whose flush fails; the other one is a child. Each does its part
 * when it is told to, by a byte in a pipe.
 */
#include <stdatomic.h>

#include "child.h"

#include "load.h"

#define NUMBERS_MAX (1 << 20)
#define OF_CHILD (1 << 19) /* the first of its numbers */
#define FAILS_WITHIN_US 10000000
#define LARGE ((size_t)250 << 10)
#define LARGE_COUNT 20 /* so many are more than half a journal */

/* What fails. */
struct trial {
    const char *name, *file; /* the file whose flush fails */
    evlog_durability durability;
    bool for_good; /* also those that follow in the same call */
};

static const struct trial trials[] = {
    {"journal", "/journal", EVLOG_DURABLE, false},
    {"journal, for good", "/journal", EVLOG_DURABLE, true},
    {"events", "/events.mdb", EVLOG_DURABLE, false},
    {"edge", "/edge", EVLOG_DURABLE, false},
    {"events of a fast log", "/events.mdb", EVLOG_FAST, false},
    {"edge of a fast log", "/edge", EVLOG_FAST, false},
};

static _Atomic(const struct trial *) failing;
static const char *flushed_path; /* a copy of events.mdb as it was flushed last */

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);

static void copy(int from, int to)
{
    static char bytes[64 << 10];
    ssize_t count;
    for (off_t at = 0; (count = pread(from, bytes, sizeof bytes, at)) > 0; at += count)
        if (pwrite(to, bytes, (size_t)count, at) != count)
            abort();
}

/* What was written to events.mdb and not flushed is lost, as the kernel may do it after a failed flush. */
static void lose_pages(const char *path)
{
    int from = open(flushed_path, O_RDONLY), to = open(path, O_RDWR);
    off_t size = lseek(to, 0, SEEK_END);
    assert_true(from >= 0 && size > 0);
    assert_int_equal(ftruncate(to, 0), 0);
    assert_int_equal(ftruncate(to, size), 0);
    copy(from, to);
    close(from);
    close(to);
}

static bool ends_in(const char *path, const char *end)
{
    size_t size = strlen(path), end_size = strlen(end);
    return size >= end_size && strcmp(path + size - end_size, end) == 0;
}

static void keep_copy(int fd)
{
    int copied = open(flushed_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (copied < 0)
        abort();
    copy(fd, copied);
    close(copied);
}

int __wrap_fdatasync(int fd)
{
    char link[64], path[4096] = "";
    const struct trial *trial = atomic_load(&failing);
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (readlink(link, path, sizeof path - 1) < 0)
        abort();
    if (trial && ends_in(path, trial->file)) {
        if (!trial->for_good)
            atomic_store(&failing, NULL);
        errno = EIO;
        return -1;
    }
    if (ends_in(path, "/events.mdb"))
        keep_copy(fd);
    return __real_fdatasync(fd);
}

struct process {
    const struct trial *trial;
    const char *path;
    int hears, says; /* pipes */
    bool is_child;
    evlog *log;
    evlog_signal *signal;
    evlog_consumer *consumer;
    uint64_t next_number;
    bool is_acknowledged[NUMBERS_MAX], is_there[NUMBERS_MAX];
};

/* The other process has ended: so has the child then, and the test has failed. */
static void give_up(const struct process *process)
{
    if (process->is_child)
        _exit(1);
    fail_msg("the other process has ended");
}

static void say(const struct process *process)
{
    if (write(process->says, "", 1) != 1)
        give_up(process);
}

static void hear(const struct process *process)
{
    char byte;
    if (read(process->hears, &byte, 1) != 1)
        give_up(process);
}

/* ------------------------------------------------------------------ doing ---- */

static int open_log(struct process *process)
{
    evlog_options options = {.durability = process->trial->durability, .flush_every_ms = 1000000};
    int result = evlog_open(process->path, &options, &process->log);
    return result ? result : evlog_define(process->log, LOAD_TYPE, 0, NULL, &process->signal);
}

static int send_data(struct process *process, const void *data, size_t size)
{
    int result = evlog_send_event(process->signal, data, size, NULL, NULL);
    process->is_acknowledged[process->next_number++] = result == EVLOG_OK;
    return result;
}

static int send_one(struct process *process)
{
    unsigned char data[LOAD_SIZE_MAX];
    struct load load = {.number = process->next_number, .count = 1};
    return send_data(process, data, load_make(load, data));
}

static int send_some(struct process *process, int count)
{
    int result = EVLOG_OK;
    while (result == EVLOG_OK && count-- > 0)
        result = send_one(process);
    return result;
}

/* A large one is known by its size, and has its number behind its head. */
static int send_large(struct process *process)
{
    static unsigned char data[LARGE + 8] = "\x81\xa1n\xc6";
    for (int i = 0; i < 4; i++)
        data[4 + i] = (unsigned char)(LARGE >> (24 - 8 * i));
    memcpy(data + 8, &process->next_number, sizeof process->next_number);
    return send_data(process, data, sizeof data);
}

static int hear_event(const evlog_event *event, void *ctx)
{
    (void)event, (void)ctx;
    return 0;
}

static int consume(struct process *process)
{
    return evlog_consumer_poll(process->consumer, 0, 0, hear_event, NULL, NULL);
}

static int note_number(const evlog_event *event, void *ctx)
{
    struct process *process = ctx;
    struct load load;
    bool is_large = event->data_size == LARGE + 8;
    if (is_large)
        memcpy(&load.number, (const char *)event->data + 8, sizeof load.number);
    if ((!is_large && !load_known(event, &load)) || load.number >= NUMBERS_MAX ||
        process->is_there[load.number])
        return evlog_fail("is not what was sent, or is there twice");
    process->is_there[load.number] = true;
    return 0;
}

static int read_all(struct process *process)
{
    memset(process->is_there, 0, sizeof process->is_there);
    return evlog_replay(process->log, NULL, note_number, process, NULL);
}

/* ------------------------------------------------------------ the other one ---- */

/* Has the log open while the flush fails. */
static void be_the_other(void *ctx)
{
    struct process *process = ctx;
    process->next_number = OF_CHILD;
    process->is_child = true;
    hear(process);
    CHECK(open_log(process) == EVLOG_OK && send_some(process, 3) == EVLOG_OK);
    CHECK(evlog_consumer_open(process->log, "c", NULL, &process->consumer) == EVLOG_OK);
    CHECK(consume(process) == EVLOG_OK && evlog_sync(process->log) == EVLOG_OK);
    say(process);
    hear(process);
    CHECK_FAILS(EVLOG_IO, "in another process; close the log and open it", send_one(process));
    CHECK_FAILS(EVLOG_IO, "in another process; close the log and open it", consume(process));
    CHECK(read_all(process) == EVLOG_OK);
    say(process);
    hear(process);
    CHECK(evlog_consumer_close(process->consumer) == EVLOG_IO);
    int closed = evlog_close(process->log);
    CHECK(closed == EVLOG_OK || closed == EVLOG_IO);
    say(process);
    hear(process);
    CHECK(open_log(process) == EVLOG_OK && send_one(process) == EVLOG_OK);
    CHECK(evlog_consumer_open(process->log, "c", NULL, &process->consumer) == EVLOG_OK);
    CHECK(consume(process) == EVLOG_OK);
    CHECK(evlog_consumer_close(process->consumer) == EVLOG_OK);
    CHECK(evlog_close(process->log) == EVLOG_OK);
    say(process);
}

/* ----------------------------------------------------------------- this one ---- */

/* Has the flush made; the first call that reports its failure. */
static int flush_in_vain(struct process *process)
{
    int result = EVLOG_OK;
    atomic_store(&failing, process->trial);
    if (process->trial->durability == EVLOG_FAST)
        result = evlog_sync(process->log);
    else if (strcmp(process->trial->file, "/journal") == 0)
        result = send_one(process);
    else
        for (int i = 0; result == EVLOG_OK && i < LARGE_COUNT; i++)
            result = send_large(process);
    int64_t until_us = load_now_us() + FAILS_WITHIN_US; /* a thread flushes it at this moment */
    while (result == EVLOG_OK && process->next_number < OF_CHILD && load_now_us() < until_us)
        result = send_one(process);
    atomic_store(&failing, NULL);
    return result;
}

/* All that was acknowledged is there; of a fast log, up to `flushed`, and of the child's, what was flushed. */
static void check_all(struct process *process, uint64_t flushed)
{
    OK(evlog_verify(process->log, NULL, NULL, NULL));
    OK(read_all(process));
    for (uint64_t number = 0; number < OF_CHILD; number++)
        if (process->is_acknowledged[number] && number < flushed)
            assert_true(process->is_there[number]);
    for (uint64_t number = OF_CHILD; number < OF_CHILD + 3; number++)
        assert_true(process->is_there[number]);
    assert_false(process->is_there[OF_CHILD + 3]); /* which was refused */
    assert_true(process->is_there[OF_CHILD + 4]);
}

/* Opened anew while the other process has it open still, it refuses as before. */
static void open_too_early(struct process *process)
{
    OK(open_log(process));
    FAILS(EVLOG_IO, "close the log and open it", send_one(process));
    int result = evlog_close(process->log);
    assert_true(result == EVLOG_OK || result == EVLOG_IO);
}

static void fail_one_flush(struct process *process)
{
    bool is_fast = process->trial->durability == EVLOG_FAST;
    OK(open_log(process));
    OK(send_some(process, 3));
    say(process);
    hear(process);
    uint64_t flushed = is_fast ? process->next_number : UINT64_MAX;
    OK(send_some(process, 3));
    FAILS(EVLOG_IO, "", flush_in_vain(process));
    FAILS(EVLOG_IO, "close the log and open it", send_one(process));
    say(process);
    hear(process);
    int result = evlog_close(process->log);
    assert_true(result == EVLOG_OK || result == EVLOG_IO);
    open_too_early(process);
    say(process);
    hear(process);
    if (strcmp(process->trial->file, "/events.mdb") == 0)
        lose_pages(in(process->path, "events.mdb"));
    uint64_t opened = process->next_number;
    OK(open_log(process));
    say(process);
    OK(send_one(process));
    hear(process);
    check_all(process, flushed);
    assert_true(process->is_there[opened]);
    OK(evlog_close(process->log));
}

static void run(void **state, const struct trial *trial)
{
    static struct process process;
    int to_child[2], to_parent[2];
    assert_true(pipe(to_child) == 0 && pipe(to_parent) == 0);
    flushed_path = in(*state, "flushed");
    process = (struct process){
        .trial = trial, .path = in(*state, "log"), .hears = to_child[0], .says = to_parent[1]};
    pid_t pid = child_start(be_the_other, &process);
    process.hears = to_parent[0];
    process.says = to_child[1];
    close(to_child[0]);
    close(to_parent[1]);
    fail_one_flush(&process);
    child_succeeded(child_wait(pid));
    close(to_child[1]);
    close(to_parent[0]);
}

static void of_the_journal(void **state)
{
    run(state, &trials[0]);
}

static void of_the_journal_for_good(void **state)
{
    run(state, &trials[1]);
}

static void of_the_events(void **state)
{
    run(state, &trials[2]);
}

static void of_the_edge(void **state)
{
    run(state, &trials[3]);
}

static void of_the_events_of_a_fast_log(void **state)
{
    run(state, &trials[4]);
}

static void of_the_edge_of_a_fast_log(void **state)
{
    run(state, &trials[5]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(of_the_journal),
        TEST_AT_HOME(of_the_journal_for_good),
        TEST_AT_HOME(of_the_events),
        TEST_AT_HOME(of_the_edge),
        TEST_AT_HOME(of_the_events_of_a_fast_log),
        TEST_AT_HOME(of_the_edge_of_a_fast_log),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
