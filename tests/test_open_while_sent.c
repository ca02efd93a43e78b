/*
 * Opening a log that another process is sending to: what is read of it before liblmdb has it open is
 * held by nobody, so its pages may be others' by then. That is no damage.
 */
#include <stdatomic.h>
#include <sys/mman.h>

#include "child.h"
#include "load.h"

#define TYPE "org.evlog.test.v1"
#define PAGE 4096
#define OPENS 200
#define SENDS 37

/* The two processes, in memory that they share. */
static struct common {
    atomic_uint asked, done; /* rounds of sending */
    atomic_int is_ready, is_over;
} * common;

/* ------------------------------------------------- the calls it makes ---- */

static int is_slow; /* this process is, and lets the other one send meanwhile */

ssize_t __real_pread(int fd, void *bytes, size_t size, off_t offset);
ssize_t __wrap_pread(int fd, void *bytes, size_t size, off_t offset);

ssize_t __wrap_pread(int fd, void *bytes, size_t size, off_t offset)
{
    if (is_slow && offset >= 2 * PAGE) {
        is_slow = 0;
        for (unsigned round = ++common->asked; common->done < round;)
            usleep(100);
    }
    return __real_pread(fd, bytes, size, offset);
}

/* ----------------------------------------------------------------- tests ---- */

/* In a child: sends when it is asked to, events in a leaf and events with pages of their own. */
static void send_when_asked(void *ctx)
{
    static unsigned char data[LOAD_SIZE_MAX];
    uint64_t number = 0;
    evlog *log;
    evlog_signal *signal;
    CHECK(evlog_open(ctx, NULL, &log) == EVLOG_OK);
    CHECK(evlog_define(log, TYPE, 0, NULL, &signal) == EVLOG_OK);
    common->is_ready = 1;
    while (!common->is_over) {
        for (int i = 0; i < SENDS && common->done < common->asked; i++) {
            size_t size = load_make((struct load){.number = ++number}, data);
            CHECK(evlog_send_event(signal, data, size, NULL, NULL) == EVLOG_OK);
        }
        common->done = common->asked;
        usleep(100);
    }
    CHECK(evlog_close(log) == EVLOG_OK);
}

/* A log is opened as often as is wanted, whatever becomes meanwhile of the pages that are read. */
static void a_log_that_is_sent_to_is_not_called_damaged(void **state)
{
    evlog *log;
    evlog_signal *signal;
    evlog_options options = {.durability = EVLOG_FAST};
    OK(evlog_open(in(*state, "log"), &options, &log));
    OK(evlog_define(log, TYPE, 0, NULL, &signal));
    OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    OK(evlog_close(log));
    common =
        mmap(NULL, sizeof *common, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(common != MAP_FAILED);
    pid_t child = child_start(send_when_asked, (void *)in(*state, "log"));
    while (!common->is_ready)
        usleep(100);
    for (int i = 0; i < OPENS; i++) {
        is_slow = 1;
        OK(evlog_open(in(*state, "log"), NULL, &log));
        OK(evlog_close(log));
        assert_int_equal(is_slow, 0);
    }
    common->is_over = 1;
    assert_int_equal(child_wait(child), 0);
    munmap(common, sizeof *common);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(a_log_that_is_sent_to_is_not_called_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
