/*
 * The file `shared` when two processes open a new log at once: what one has written there is not
 * zeroed by the other, which saw the file when it was still empty. It held a waiter's bit, and
 * every commit looks at that: the waiter would have slept for ever.
 */
#include <stdatomic.h>
#include <sys/mman.h>

#include "child.h"

#define SLOW_US 300000

/* ------------------------------------------------- the calls it makes ---- */

static const char *slow;     /* this process is slow to write to it */
static _Atomic int *is_slow; /* shared: it is at it now */

ssize_t __real_pwrite(int fd, const void *bytes, size_t size, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t size, off_t offset);

ssize_t __wrap_pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = slow ? readlink(link, path, sizeof path - 1) : 0;
    path[length > 0 ? length : 0] = '\0';
    if (slow && strcmp(path, slow) == 0) {
        *is_slow = 1;
        usleep(SLOW_US); /* the other one is asleep then, or waits for this one */
    }
    return __real_pwrite(fd, bytes, size, offset);
}

/* ----------------------------------------------------------------- tests ---- */

/* In a child: opens the log while the parent does, and waits for its event. */
static void wait_for_event(void *ctx)
{
    evlog *log;
    uint64_t last;
    slow = NULL;
    while (!*is_slow)
        usleep(100);
    CHECK(evlog_open(ctx, NULL, &log) == EVLOG_OK);
    CHECK(evlog_wait(log, 0, -1, &last) == EVLOG_OK);
    CHECK(last == 1);
    CHECK(evlog_close(log) == EVLOG_OK);
}

/* A process that waits in a log whose other opener is slow is woken by what that one sends. */
static void two_openers_make_one_file(void **state)
{
    char path[4200];
    evlog *log;
    evlog_signal *signal;
    OK(evlog_open(in(*state, "log"), NULL, &log)); /* a whole log, but for this file */
    OK(evlog_define(log, "org.evlog.test.v1", 0, NULL, &signal));
    OK(evlog_close(log));
    snprintf(path, sizeof path, "%s", in(*state, "log/shared"));
    assert_int_equal(unlink(path), 0);
    is_slow =
        mmap(NULL, sizeof *is_slow, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(is_slow != MAP_FAILED);
    slow = path;
    pid_t child = child_start(wait_for_event, (void *)in(*state, "log"));
    OK(evlog_open(in(*state, "log"), NULL, &log));
    assert_int_equal(*is_slow, 1);
    OK(evlog_define(log, "org.evlog.test.v1", 0, NULL, &signal));
    usleep(SLOW_US);
    OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    assert_int_equal(child_wait(child), 0);
    OK(evlog_close(log));
    munmap((void *)is_slow, sizeof *is_slow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(two_openers_make_one_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
