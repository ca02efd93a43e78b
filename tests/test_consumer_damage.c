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

/* A byte of state.mdb that changes while the log is open: an opening would find it. */
struct flip {
    const char *log, *file;
    uint64_t at;
    unsigned char byte;
};

/* In a child: nothing that takes the value's pages away gets through. */
static void change_the_large_value(void *ctx)
{
    const struct flip *flip = ctx;
    evlog *log;
    evlog_signal *signal;
    evlog_consumer *consumer;
    CHECK(evlog_open(flip->log, NULL, &log) == EVLOG_OK);
    CHECK(evlog_define(log, TYPE, 0, NULL, &signal) == EVLOG_OK);
    file_patch(flip->file, &flip->byte, 1, flip->at);
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
        struct flip flip = {.log = in(*state, "log"),
                            .file = path,
                            .at = page + offsets[i],
                            .byte = whole.at[page + offsets[i]] ^ 8};
        file_write(path, whole.at, whole.size);
        in_child(change_the_large_value, &flip);
    }
    free(whole.at);
}

/* ------------------------------------------------------- parked events ---- */

#define RETRIED "rone\0\0\0\0\0\0\0\0\1"
#define FORGED "rone\0\0\0\0\0\0\0\0\0\1"

static int refuse(const evlog_event *event, void *ctx)
{
    (void)event;
    (void)ctx;
    return 1;
}

/* A log whose consumer has parked its only event, which is to be retried. */
static void park(const char *path)
{
    static const evlog_consumer_options options = {.attempt_max = 1};
    evlog *log;
    evlog_signal *signal;
    evlog_consumer *consumer;
    OK(evlog_open(path, NULL, &log));
    OK(evlog_define(log, TYPE, 0, NULL, &signal));
    OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    OK(evlog_consumer_open(log, "one", &options, &consumer));
    OK(evlog_consumer_poll(consumer, 0, 0, refuse, NULL, NULL));
    OK(evlog_consumer_close(consumer));
    OK(evlog_parked_retry(log, "one", 1, NULL));
    OK(evlog_close(log));
}

/* In a child: the poll ends, says which it was, and goes on when that one is dropped. */
static void poll_and_drop(void *ctx)
{
    evlog *log;
    evlog_consumer *consumer;
    uint64_t count;
    CHECK(evlog_open(ctx, NULL, &log) == EVLOG_OK);
    CHECK(evlog_consumer_open(log, "one", NULL, &consumer) == EVLOG_OK);
    CHECK_FAILS(EVLOG_DAMAGED, "the record of parked event",
                evlog_consumer_poll(consumer, 0, 0, refuse, NULL, &count));
    CHECK(count == 0);
    CHECK(evlog_parked_drop(log, "one", 0, &count) == EVLOG_OK && count == 1);
    CHECK(evlog_consumer_poll(consumer, 0, 0, refuse, NULL, NULL) == EVLOG_OK);
    CHECK(evlog_consumer_close(consumer) == EVLOG_OK);
    CHECK(evlog_close(log) == EVLOG_OK);
}

/* A retry that stands under a key that is never taken away is not handed out for ever. */
static void a_forged_retry_ends_a_poll(void **state)
{
    char path[4200];
    snprintf(path, sizeof path, "%s", in(*state, "log/state.mdb"));
    park(in(*state, "log"));
    struct raw raw = raw_open(path);
    struct bytes value = raw_get(&raw, RETRIED, sizeof RETRIED - 1);
    raw_del(&raw, RETRIED, sizeof RETRIED - 1);
    entry_refit(log_seed(in(*state, "log/format")), FORGED, sizeof FORGED - 1, value.at,
                value.size);
    raw_put(&raw, FORGED, sizeof FORGED - 1, value);
    raw_close(&raw);
    free(value.at);
    in_child(poll_and_drop, (void *)in(*state, "log"));
}

/* One that is damaged is named, and can be dropped. */
static void a_damaged_retry_is_named_and_can_be_dropped(void **state)
{
    char path[4200];
    snprintf(path, sizeof path, "%s", in(*state, "log/state.mdb"));
    park(in(*state, "log"));
    struct raw raw = raw_open(path);
    struct bytes value = raw_get(&raw, RETRIED, sizeof RETRIED - 1);
    value.at[value.size - 1] ^= 1;
    raw_put(&raw, RETRIED, sizeof RETRIED - 1, value);
    raw_close(&raw);
    free(value.at);
    in_child(poll_and_drop, (void *)in(*state, "log"));
}

/* Makes a key's value longer, by what its node says, wherever the file has it. */
static void lengthen(const char *path, const void *key, size_t key_size)
{
    struct bytes file = file_read(path);
    unsigned count = 0;
    for (size_t at = 2 * PAGE; at + key_size < file.size; at++)
        if (memcmp(file.at + at, key, key_size) == 0) {
            unsigned char longer = (unsigned char)(file.at[at - 8] + 2);
            file_patch(path, &longer, 1, at - 8);
            count++;
        }
    assert_true(count > 0);
    free(file.at);
}

/*
 * A node that gives a wrong size is not taken out of its page: liblmdb would write over its
 * neighbours.
 */
static void a_node_of_a_wrong_size_is_not_taken_out(void **state)
{
    evlog *log;
    uint64_t count;
    park(in(*state, "log"));
    OK(evlog_open(in(*state, "log"), NULL, &log));
    lengthen(in(*state, "log/state.mdb"), RETRIED, sizeof RETRIED - 1);
    FAILS(EVLOG_DAMAGED, "not as long as they say", evlog_parked_drop(log, "one", 1, &count));
    FAILS(EVLOG_DAMAGED, "not as long as they say", evlog_consumer_remove(log, "one"));
    OK(evlog_close(log));
}

/* The opening sees it when it is on the right edge. */
static void a_node_of_a_wrong_size_on_the_right_edge_is_not_opened(void **state)
{
    evlog *log;
    park(in(*state, "log"));
    lengthen(in(*state, "log/state.mdb"), RETRIED, sizeof RETRIED - 1);
    FAILS(EVLOG_DAMAGED, "not as long as they say", evlog_open(in(*state, "log"), NULL, &log));
}

/* --------------------------------------------------- a consumer's entry ---- */

#define ENTRY "cone"

static int no_visit(const evlog_consumer_info *info, void *ctx)
{
    (void)info;
    (void)ctx;
    return 1;
}

/* A consumer whose entry is damaged is named, and can be removed and made again. */
static void a_damaged_consumer_is_named_and_can_be_removed(void **state)
{
    evlog *log;
    evlog_consumer *consumer;
    park(in(*state, "log"));
    struct raw raw = raw_open(in(*state, "log/state.mdb"));
    struct bytes value = raw_get(&raw, ENTRY, sizeof ENTRY - 1);
    value.at[value.size - 1] ^= 1;
    raw_put(&raw, ENTRY, sizeof ENTRY - 1, value);
    raw_close(&raw);
    free(value.at);
    OK(evlog_open(in(*state, "log"), NULL, &log));
    FAILS(EVLOG_DAMAGED, "", evlog_consumer_open(log, "one", NULL, &consumer));
    FAILS(EVLOG_DAMAGED, "consumer one", evlog_each_consumer(log, no_visit, NULL));
    OK(evlog_consumer_remove(log, "one"));
    OK(evlog_each_consumer(log, no_visit, NULL));
    FAILS(EVLOG_NOTFOUND, "no consumer", evlog_consumer_remove(log, "one"));
    OK(evlog_consumer_open(log, "one", NULL, &consumer));
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(log));
}

/* One that was lost and is made anew counts none of its entries; it takes them for no limit, and a reset ends them. */
static void what_a_lost_consumer_has_left_goes_with_a_reset(void **state)
{
    static const evlog_consumer_options options = {.attempt_max = 1};
    static const evlog_reset_options from_first = {.start = EVLOG_START_FIRST};
    evlog *log;
    evlog_consumer *consumer;
    park(in(*state, "log"));
    struct raw raw = raw_open(in(*state, "log/state.mdb"));
    raw_del(&raw, ENTRY, sizeof ENTRY - 1);
    raw_close(&raw);
    OK(evlog_open(in(*state, "log"), NULL, &log));
    FAILS(EVLOG_DAMAGED, "", evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_consumer_open(log, "one", &options, &consumer));
    OK(evlog_consumer_close(consumer));
    OK(evlog_consumer_reset(log, "one", &from_first, NULL));
    OK(evlog_consumer_open(log, "one", &options, &consumer));
    OK(evlog_consumer_poll(consumer, 0, 0, refuse, NULL, NULL));
    OK(evlog_consumer_close(consumer));
    OK(evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_close(log));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(counts_of_overflow_pages_are_checked),
        TEST_AT_HOME(a_forged_retry_ends_a_poll),
        TEST_AT_HOME(a_damaged_retry_is_named_and_can_be_dropped),
        TEST_AT_HOME(a_node_of_a_wrong_size_is_not_taken_out),
        TEST_AT_HOME(a_node_of_a_wrong_size_on_the_right_edge_is_not_opened),
        TEST_AT_HOME(a_damaged_consumer_is_named_and_can_be_removed),
        TEST_AT_HOME(what_a_lost_consumer_has_left_goes_with_a_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
