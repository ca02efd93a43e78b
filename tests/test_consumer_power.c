/*
 * Consumers of a fast log over a power cut: state.mdb is flushed with each commit, events.mdb now and
 * then, so what a consumer remembers can be ahead of the log. What was new to it must not become a replay
 * for that.
 *
 * The cut is played: whenever events.mdb is flushed it is copied, and afterwards the copy stands
 * in its place. (What the kernel may write on its own is left out: it can only be less bad.)
 */
#include "child.h"
#include "damage.h"

#define TYPE "org.evlog.test.v1"
#define NEVER UINT32_MAX /* in ms: seven weeks */

/* ------------------------------------------------- the calls it makes ---- */

/* The library's: found here before libc's. */
EVLOG_API int fdatasync(int fd)
{
    char link[64], path[4096], copy[4100];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    path[size > 0 ? size : 0] = '\0';
    if (size > 10 && strcmp(path + size - 10, "events.mdb") == 0) {
        struct bytes file = file_read(path);
        snprintf(copy, sizeof copy, "%s.cut", path);
        file_write(copy, file.at, file.size);
        free(file.at);
    }
    return fsync(fd);
}

/* ------------------------------------------------------------- helpers ---- */

static const evlog_options fast = {.durability = EVLOG_FAST, .flush_every_ms = NEVER};
static const evlog_consumer_options mailer = {.replay = EVLOG_REPLAY_REFUSE};

static evlog *open_log(const char *path, evlog_signal **signal)
{
    evlog *log;
    CHECK(evlog_open(path, &fast, &log) == EVLOG_OK);
    CHECK(evlog_define(log, TYPE, 0, NULL, signal) == EVLOG_OK);
    return log;
}

static void send(evlog_signal *signal, int count)
{
    for (int i = 0; i < count; i++)
        CHECK(evlog_send_event(signal, "\x80", 1, NULL, NULL) == EVLOG_OK);
}

/* What was not flushed is gone. To be called when nobody has the log open. */
static void cut_power(const void *home)
{
    struct bytes file = file_read(in(home, "log/events.mdb.cut"));
    file_write(in(home, "log/events.mdb"), file.at, file.size);
    free(file.at);
    unlink(in(home, "log/events.mdb-lock"));
    unlink(in(home, "log/state.mdb-lock"));
}

static int hear(const evlog_event *event, void *ctx)
{
    assert_int_equal(event->is_replay, 0);
    ++*(unsigned *)ctx;
    return 0;
}

/* All of 3 events that are sent now are new to the consumer. */
static void hears_what_is_new(const void *home)
{
    evlog_signal *signal;
    evlog_consumer *consumer;
    unsigned heard = 0;
    evlog *log = open_log(in(home, "log"), &signal);
    send(signal, 3);
    OK(evlog_consumer_open(log, "mailer", &mailer, &consumer));
    OK(evlog_consumer_poll(consumer, 0, 0, hear, &heard, NULL));
    assert_int_equal(heard, 3);
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(log));
}

/* ----------------------------------------------------------------- tests ---- */

/* In a child: the power is cut when the consumer has just been made. */
static void make_consumer(void *ctx)
{
    evlog_signal *signal;
    evlog_consumer *consumer;
    evlog *log = open_log(ctx, &signal);
    send(signal, 5);
    CHECK(evlog_sync(log) == EVLOG_OK);
    send(signal, 5);
    CHECK(evlog_consumer_open(log, "mailer", &mailer, &consumer) == EVLOG_OK);
    _exit(0);
}

/* A new consumer's history is in the log as lastingly as the consumer. */
static void a_new_consumer_hears_what_comes_after_a_power_cut(void **state)
{
    in_child(make_consumer, (void *)in(*state, "log"));
    cut_power(*state);
    hears_what_is_new(*state);
}

/* In a child: the power is cut when the consumer has just been reset. */
static void reset_consumer(void *ctx)
{
    evlog_reset_options first = {.start = EVLOG_START_FIRST};
    evlog_signal *signal;
    evlog_consumer *consumer;
    evlog *log = open_log(ctx, &signal);
    send(signal, 5);
    CHECK(evlog_consumer_open(log, "mailer", &mailer, &consumer) == EVLOG_OK);
    CHECK(evlog_consumer_close(consumer) == EVLOG_OK);
    send(signal, 5);
    CHECK(evlog_consumer_reset(log, "mailer", &first, NULL) == EVLOG_OK);
    _exit(0);
}

/* One that was reset, too. */
static void a_reset_consumer_hears_what_comes_after_a_power_cut(void **state)
{
    in_child(reset_consumer, (void *)in(*state, "log"));
    cut_power(*state);
    hears_what_is_new(*state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(a_new_consumer_hears_what_comes_after_a_power_cut),
        TEST_AT_HOME(a_reset_consumer_hears_what_comes_after_a_power_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
