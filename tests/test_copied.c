/*
 * Files that were cut short, and logs that were copied while they were written to: what verify finds sound
 * can be opened, sent to and verified again; else verify reports it, or the opening mends it.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "damage.h"
#include "meta.h"

#define TYPE "org.evlog.copied.v1"
#define COPIES 30
#define EVENTS 60
#define EVENTS_EACH 300 /* for each copy */

static int send_one(evlog *log, unsigned n)
{
    static const char zeros[5000];
    char data[5100] = "\x82\xa1n\xcd\0\0\xa1\x66\xc5";
    evlog_signal *signal;
    size_t size = n % 9 ? 40 : sizeof zeros;
    data[4] = (char)(n >> 8);
    data[5] = (char)n;
    data[9] = (char)(size >> 8);
    data[10] = (char)size;
    int result = evlog_define(log, TYPE, 0, NULL, &signal);
    return result ? result : evlog_send_event(signal, data, 11 + size, NULL, NULL);
}

static void make_log(const char *path, evlog_durability durability)
{
    evlog *log;
    OK(evlog_open(path, &(evlog_options){.durability = durability}, &log));
    for (unsigned i = 1; i <= EVENTS; i++)
        OK(send_one(log, i));
    OK(evlog_close(log));
}

/* What verify, reading only, says. `*count`: the events that it read, and those that it said are waiting. */
static int verify(const char *path, uint64_t *count)
{
    evlog *log;
    evlog_info info = {.last_seq = 0};
    *count = 0;
    int result = evlog_open(path, &(evlog_options){.read_only = true}, &log);
    if (result)
        return result;
    result = evlog_verify(log, NULL, NULL, count);
    if (result == EVLOG_OK)
        OK(evlog_inspect(log, &info));
    *count += info.waiting_count;
    evlog_close(log);
    return result;
}

/*
 * Uses a log: what verify finds sound must work, and be sound afterwards. Returns the count of its events
 * when it was opened, 0 when it was not.
 */
static uint64_t use(const char *path)
{
    evlog *log;
    evlog_info info = {.last_seq = 0};
    uint64_t count;
    int verified = verify(path, &count);
    int result = evlog_open(path, &(evlog_options){.no_create = true}, &log);
    if (verified && result)
        return 0;
    OK(result);
    OK(evlog_inspect(log, &info));
    if (verified == EVLOG_OK && info.durability == EVLOG_DURABLE) /* a fast one may go back */
        assert_int_equal(info.last_seq, count);
    for (unsigned i = 0; i < 3; i++) {
        result = send_one(log, i);
        if (verified == EVLOG_OK)
            OK(result);
    }
    OK(evlog_close(log));
    if (verified == EVLOG_OK)
        OK(verify(path, &count));
    return info.last_seq;
}

static void remove_log(const char *home)
{
    char command[500];
    assert_true(snprintf(command, sizeof command, "cd '%s' && rm -rf log", home) <
                (int)sizeof command);
    assert_int_equal(system(command), 0);
}

/* By cp -r, which reads one file after the other. */
static void copy(const char *home, const char *from, const char *to)
{
    char command[500];
    assert_true(snprintf(command, sizeof command, "cd '%s' && rm -rf %s && cp -r %s %s", home, to,
                         from, to) < (int)sizeof command);
    assert_int_equal(system(command), 0);
}

/* Back into the files that are there. */
static void copy_into(const char *home, const char *from, const char *to)
{
    char command[500];
    assert_true(snprintf(command, sizeof command, "cd '%s' && cp %s/* %s", home, from, to) <
                (int)sizeof command);
    assert_int_equal(system(command), 0);
}

/* ------------------------------------------------------------- cut short ---- */

/* Cuts a file of a log short at each page, in place or in a copy. */
static void cut_short(const char *home, const char *file, evlog_durability durability,
                      bool is_copied)
{
    struct page_snapshot snapshot;
    make_log(in(home, "log"), durability);
    copy(home, "log", "kept");
    int fd = open(in(home, file), O_RDONLY);
    OK(meta_read(fd, file, &snapshot));
    close(fd);
    for (uint64_t pages = snapshot.last_page + 2; pages-- > 0;) {
        if (is_copied)
            copy(home, "kept", "log");
        else
            copy_into(home, "kept", "log");
        assert_int_equal(truncate(in(home, file), (off_t)(pages * snapshot.page_size)), 0);
        uint64_t count = use(in(home, "log"));
        if (pages > snapshot.last_page)
            assert_int_equal(count, EVENTS);
        assert_true(count == 0 || count >= EVENTS); /* mended: that is an event, too */
    }
}

static void a_file_that_was_cut_short_is_reported_or_mended(void **state)
{
    for (int i = 0; i < 8; i++) {
        remove_log(*state);
        cut_short(*state, i % 2 ? "log/events.mdb" : "log/state.mdb",
                  i / 2 % 2 ? EVLOG_FAST : EVLOG_DURABLE, i / 4);
    }
}

/* ------------------------------------------------------ changed in a copy ---- */

static int find_words(const evlog_finding *finding, uint64_t seq, void *ctx)
{
    (void)seq;
    if (finding && strstr(finding->text, ctx) && !finding->is_remark)
        return 1;
    return 0;
}

/*
 * An event of the newest state is changed in a copy: then what the last flush left is read, which may be nothing,
 * and that is said, not taken for all there is.
 */
static void a_changed_copy(const char *home, evlog_durability durability)
{
    struct page_snapshot snapshot;
    evlog *log;
    evlog_info info;
    make_log(in(home, "log"), durability);
    int fd = open(in(home, "log/events.mdb"), O_RDONLY);
    OK(meta_read(fd, "events.mdb", &snapshot));
    close(fd);
    copy(home, "log", "copy");
    struct bytes file = file_read(in(home, "copy/events.mdb"));
    for (size_t page = 2; page <= snapshot.last_page; page++)
        file.at[page * snapshot.page_size + snapshot.page_size - 60] ^= 1;
    file_write(in(home, "copy/events.mdb"), file.at, file.size);
    free(file.at);
    OK(evlog_open(in(home, "copy"), &(evlog_options){.read_only = true}, &log));
    OK(evlog_inspect(log, &info));
    assert_true(info.is_unrecovered);
    assert_int_equal(info.last_seq + info.waiting_count, EVENTS);
    assert_int_equal(evlog_verify(log, find_words, (void *)"newest state is not whole", NULL), 1);
    OK(evlog_close(log));
    assert_true(use(in(home, "copy")) >= EVENTS); /* that it was mended is an event, too */
}

static void a_changed_copy_is_not_taken_for_an_older_log(void **state)
{
    a_changed_copy(*state, EVLOG_DURABLE);
    remove_log(*state);
    a_changed_copy(*state, EVLOG_FAST);
}

/* --------------------------------------------------------- copied in use ---- */

/* Sends so many events for each byte it is given. */
static pid_t start_sender(const char *path, evlog_durability durability, const int orders[2])
{
    char byte;
    evlog *log;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child > 0)
        return child;
    if (evlog_open(path, &(evlog_options){.durability = durability, .flush_every_ms = 5}, &log))
        _exit(1);
    close(orders[1]);
    while (read(orders[0], &byte, 1) == 1)
        for (unsigned i = 0; i < EVENTS_EACH; i++)
            if (send_one(log, i))
                _exit(2);
    _exit(evlog_close(log) != EVLOG_OK);
}

/* A copy is begun when the sender is, and each is about as long at it as the other. */
static void copy_in_use(const char *home, evlog_durability durability)
{
    unsigned opened_count = 0;
    int orders[2], status;
    make_log(in(home, "log"), durability);
    assert_int_equal(pipe2(orders, O_CLOEXEC), 0);
    pid_t sender = start_sender(in(home, "log"), durability, orders);
    for (int i = 0; i < COPIES; i++) {
        assert_int_equal(write(orders[1], "", 1), 1);
        copy(home, "log", "copy");
        opened_count += use(in(home, "copy")) > 0;
    }
    close(orders[1]);
    assert_int_equal(waitpid(sender, &status, 0), sender);
    assert_int_equal(status, 0);
    close(orders[0]);
    printf("%u of %d copies were opened\n", opened_count, COPIES);
    assert_true(use(in(home, "log")) == EVENTS + COPIES * EVENTS_EACH);
}

static void a_fast_log_that_is_copied_in_use_is_reported_or_mended(void **state)
{
    copy_in_use(*state, EVLOG_FAST);
}

static void a_durable_log_that_is_copied_in_use_is_reported_or_mended(void **state)
{
    copy_in_use(*state, EVLOG_DURABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(a_file_that_was_cut_short_is_reported_or_mended),
        TEST_AT_HOME(a_changed_copy_is_not_taken_for_an_older_log),
        TEST_AT_HOME(a_fast_log_that_is_copied_in_use_is_reported_or_mended),
        TEST_AT_HOME(a_durable_log_that_is_copied_in_use_is_reported_or_mended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
