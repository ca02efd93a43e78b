/*
 * A state.mdb that is damaged where liblmdb would believe it: what a consumer does with it fails with
 * a code, and does not end the process. (tests/test_entries.c has the reading of it.)
 */
#include "child.h"
#include "damage.h"

#define TYPE "org.evlog.test.v1"
#define LARGE 10000
#define PAGE 4096

static char large[LARGE];

static int put_large(const evlog_event *event, void *ctx)
{
    evlog_consumer *consumer = *(evlog_consumer **)ctx;
    (void)event;
    return evlog_state_put(consumer, "large", 5, large, sizeof large);
}

/* A log whose consumer has a value that needs pages of its own, and has read its first event. */
static void make_log(const char *path)
{
    evlog *log;
    evlog_signal *signal;
    evlog_consumer *consumer;
    OK(evlog_open(path, NULL, &log));
    OK(evlog_define(log, TYPE, 0, NULL, &signal));
    OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    OK(evlog_consumer_open(log, "one", NULL, &consumer));
    OK(evlog_consumer_poll(consumer, 0, 0, put_large, &consumer, NULL));
    OK(evlog_consumer_close(consumer));
    OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    OK(evlog_close(log));
}

/* Where the first overflow page of the file is. */
static uint64_t find_overflow(const char *path)
{
    struct bytes file = file_read(path);
    uint64_t at = 2 * PAGE;
    while (at < file.size &&
           (file.at[at + 10] != 4 || *(uint64_t *)(void *)(file.at + at) != at / PAGE))
        at += PAGE;
    assert_true(at < file.size);
    free(file.at);
    return at;
}

/* In a child: nothing that takes the value's pages away gets through. */
static void change_the_large_value(void *ctx)
{
    evlog *log;
    evlog_signal *signal;
    evlog_consumer *consumer;
    CHECK(evlog_open(ctx, NULL, &log) == EVLOG_OK);
    CHECK(evlog_define(log, TYPE, 0, NULL, &signal) == EVLOG_OK);
    CHECK(evlog_consumer_open(log, "one", NULL, &consumer) == EVLOG_OK);
    CHECK_FAILS(EVLOG_DAMAGED, "overflow page",
                evlog_consumer_poll(consumer, 0, 0, put_large, &consumer, NULL));
    CHECK_FAILS(EVLOG_DAMAGED, "overflow page", evlog_consumer_close(consumer));
    CHECK_FAILS(EVLOG_DAMAGED, "overflow page", evlog_consumer_remove(log, "one"));
    CHECK(evlog_close(log) == EVLOG_OK);
}

/*
 * The number and the count of a value's own pages are not believed when it is put anew or taken away:
 * liblmdb would free others' pages in their stead, and abort, or write over them.
 */
static void counts_of_overflow_pages_are_checked(void **state)
{
    static const unsigned offsets[] = {0, 6, 12, 13, 14};
    char path[4200];
    snprintf(path, sizeof path, "%s", in(*state, "log/state.mdb"));
    make_log(in(*state, "log"));
    struct bytes whole = file_read(path);
    uint64_t page = find_overflow(path);
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
        unsigned char byte = whole.at[page + offsets[i]] ^ 8;
        file_write(path, whole.at, whole.size);
        file_patch(path, &byte, 1, page + offsets[i]);
        in_child(change_the_large_value, (void *)in(*state, "log"));
    }
    free(whole.at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(counts_of_overflow_pages_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
