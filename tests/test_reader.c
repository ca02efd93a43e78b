/*
 * Reading files that are damaged, cut, or made by a stranger: every byte changed in turn,
 * every bit of the records, cut anywhere, pages of noise, trees that lead in circles.
 *
 * Whatever the file holds: reading it ends and does not crash (ASan), an event that is
 * delivered is what was sent, and one that is not is counted as damaged and found by
 * evlog_verify. The one thing that cannot be seen is a whole older state of the file: when
 * a meta page is changed so that the other counts as the newer, the newest events are gone.
 */
#include <errno.h>

#include "damage.h"
#include "load.h"

#define TYPE "org.evlog.reader.v1"
#define COUNT 50    /* events of the log, sent in two commits */
#define BIG_SEQ_1 7 /* two of them are on overflow pages */
#define BIG_SEQ_2 32
#define BIG_SIZE 2100
#define DATA_SIZE_MAX 2200
#define TIME_US 1700000000000000
#define PAGE 4096

static int is_big(uint64_t seq)
{
    return seq == BIG_SEQ_1 || seq == BIG_SEQ_2;
}

/* What event `seq` carries. */
static size_t make_data(uint64_t seq, unsigned char data[DATA_SIZE_MAX])
{
    static const unsigned char head[] = {0x82, 0xa1, 'n', 0xcd, 0, 0, 0xa1, 'f', 0xc5, 0, 0};
    size_t size = is_big(seq) ? BIG_SIZE : seq * 7 % 40;
    memcpy(data, head, sizeof head);
    put_big(data + 4, seq, 2);
    put_big(data + 9, size, 2);
    for (size_t i = 0; i < size; i++)
        data[sizeof head + i] = (unsigned char)(load_mix(seq) >> i % 50);
    return sizeof head + size;
}

static evlog_metadata make_metadata(uint64_t seq)
{
    evlog_metadata metadata = {.minorversion = (int32_t)seq,
                               .time_us = TIME_US + (int64_t)seq,
                               .source = seq % 2 ? "openedx/lms/web" : "openedx/cms/web"};
    memset(metadata.id, (int)seq, sizeof metadata.id);
    return metadata;
}

/* Sends the events `first` to `last` in one commit. */
static void send_range(evlog_signal *signal, uint64_t first, uint64_t last)
{
    static unsigned char data[COUNT + 1][DATA_SIZE_MAX];
    evlog_send sends[COUNT + 1];
    evlog_metadata metadata[COUNT + 1];
    for (uint64_t seq = first; seq <= last; seq++) {
        metadata[seq] = make_metadata(seq);
        sends[seq - first] = (evlog_send){.signal = signal,
                                          .data = data[seq],
                                          .data_size = make_data(seq, data[seq]),
                                          .metadata = &metadata[seq]};
    }
    OK(evlog_send_events(sends, last - first + 1, NULL, NULL));
}

static evlog *open_to_read(const void *home)
{
    evlog *log;
    OK(evlog_open(in(home, "log"), &(evlog_options){.read_only = 1}, &log));
    return log;
}

/* Makes a log of `count` events and gives back the bytes of its events file in use. */
static struct bytes make_log(const void *home, uint64_t count)
{
    evlog *log;
    evlog_signal *signal;
    evlog_info info;
    OK(evlog_open(in(home, "log"), &(evlog_options){.durability = EVLOG_FAST}, &log));
    OK(evlog_define(log, TYPE, 0, NULL, &signal));
    send_range(signal, 1, count / 2);
    send_range(signal, count / 2 + 1, count);
    OK(evlog_inspect(log, &info));
    assert_int_equal(info.page_size, PAGE);
    OK(evlog_close(log));
    struct bytes file = file_read(in(home, "log/events.mdb"));
    file.size = info.used_size;
    return file;
}

/* ------------------------------------------------------ what is delivered ---- */

struct heard {
    uint64_t count, last_seq, max_seq;
    int downwards;
    unsigned char seen[COUNT + 1];
};

/* Is it what was sent? And in order. */
static int hear(const evlog_event *event, void *ctx)
{
    struct heard *heard = ctx;
    unsigned char data[DATA_SIZE_MAX];
    evlog_metadata metadata = make_metadata(event->seq);
    if (event->seq < 1 || event->seq > COUNT)
        fail_msg("event %" PRIu64 " was never sent", event->seq);
    size_t size = make_data(event->seq, data);
    if (event->data_size != size || memcmp(event->data, data, size) != 0 ||
        memcmp(event->id, metadata.id, 16) != 0 || event->time_us != metadata.time_us ||
        event->minorversion != metadata.minorversion || !event->from_event_bus ||
        strcmp(event->event_type, TYPE) != 0 || strcmp(event->source, metadata.source) != 0)
        fail_msg("event %" PRIu64 " is not what was sent", event->seq);
    if (heard->count > 0 && (event->seq < heard->last_seq) != heard->downwards)
        fail_msg("event %" PRIu64 " after %" PRIu64, event->seq, heard->last_seq);
    if (heard->seen[event->seq]++)
        fail_msg("event %" PRIu64 " twice", event->seq);
    heard->last_seq = event->seq;
    heard->max_seq = event->seq > heard->max_seq ? event->seq : heard->max_seq;
    heard->count++;
    return 0;
}

/* How a file may be read. */
enum loss {
    TOLD,        /* what is not delivered is counted, and verify finds something */
    TAIL_UNTOLD, /* but for the newest, when an older state of the file is read */
};

static void check_replay(evlog *log, uint64_t count, enum loss loss, int newest_first)
{
    struct heard heard = {.downwards = newest_first};
    evlog_outcome outcome;
    evlog_range range = {.keep_going = 1, .newest_first = newest_first};
    OK(evlog_replay(log, &range, hear, &heard, &outcome));
    assert_true(outcome.delivered == heard.count);
    assert_true(outcome.failed == 0 && outcome.skipped == 0);
    uint64_t expected = loss == TAIL_UNTOLD ? heard.max_seq : count;
    if (heard.count + outcome.damaged < expected)
        fail_msg("%" PRIu64 " delivered and %" PRIu64 " damaged, of %" PRIu64 "%s", heard.count,
                 outcome.damaged, expected, newest_first ? ", newest first" : "");
    assert_true((outcome.damaged > 0) == (outcome.first_failed_seq > 0));
    int result = evlog_verify(log, NULL, NULL, NULL);
    if (result != EVLOG_DAMAGED && (result != EVLOG_OK || heard.count < expected))
        fail_msg("verify: %d, with %" PRIu64 " delivered", result, heard.count);
}

static void check_single(evlog *log, uint64_t seq)
{
    evlog_event *event;
    struct heard heard = {.count = 0};
    int result = evlog_read(log, seq, &event);
    if (result == EVLOG_OK) {
        assert_true(event->seq == seq);
        hear(event, &heard);
        evlog_event_free(event);
    } else if (result != EVLOG_DAMAGED) {
        fail_msg("reading event %" PRIu64 ": %d: %s", seq, result, evlog_errmsg());
    }
}

/* -------------------------------------------------------- damage by bytes ---- */

/* A log that is not damaged passes, or the tests below would show nothing. */
static void a_sound_file_is_read_whole(void **state)
{
    struct bytes file = make_log(*state, COUNT);
    evlog *log = open_to_read(*state);
    uint64_t checked;
    evlog_outcome outcome;
    struct heard heard = {.count = 0};
    OK(evlog_replay(log, NULL, hear, &heard, &outcome));
    assert_int_equal(heard.count, COUNT);
    check_replay(log, COUNT, TOLD, 1);
    for (uint64_t seq = 1; seq <= COUNT; seq++)
        check_single(log, seq);
    OK(evlog_verify(log, NULL, NULL, &checked));
    assert_int_equal(checked, COUNT);
    OK(evlog_close(log));
    free(file.at);
}

/* Every byte of the pages in use is changed in turn, under a log that is open. */
static void every_changed_byte_is_survived(void **state)
{
    uint64_t random = load_seed();
    struct bytes file = make_log(*state, COUNT);
    evlog *log = open_to_read(*state);
    int fd = open(in(*state, "log/events.mdb"), O_RDWR);
    for (size_t at = 0; at < file.size; at++) {
        unsigned char changed = file.at[at] ^ (unsigned char)(1 + load_random(&random, 255));
        assert_int_equal(pwrite(fd, &changed, 1, (off_t)at), 1);
        if (at >= 2 * PAGE)
            check_single(log, 1 + load_random(&random, COUNT));
        check_replay(log, COUNT, at < 2 * PAGE ? TAIL_UNTOLD : TOLD, at % 4 == 0);
        assert_int_equal(pwrite(fd, file.at + at, 1, (off_t)at), 1);
    }
    close(fd);
    check_replay(log, COUNT, TOLD, 0);
    OK(evlog_close(log));
    free(file.at);
}

/* The same with the log opened after the damage: the meta pages whole, the rest by chance. */
static void a_damaged_file_can_be_opened_to_read(void **state)
{
    uint64_t random = load_seed();
    struct bytes file = make_log(*state, COUNT);
    const char *path = strdup(in(*state, "log/events.mdb"));
    for (int i = 0; i < 2 * 160 + 1000; i++) {
        size_t at = (size_t)load_random(&random, file.size);
        if (i < 2 * 160)
            at = (size_t)(i / 160 * PAGE + i % 160);
        unsigned char changed = file.at[at] ^ (unsigned char)(1 << load_random(&random, 8));
        file_patch(path, &changed, 1, at);
        evlog *log = open_to_read(*state);
        check_replay(log, COUNT, at < 2 * PAGE ? TAIL_UNTOLD : TOLD, i % 2);
        OK(evlog_close(log));
        file_patch(path, file.at + at, 1, at);
    }
    free((char *)path);
    free(file.at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(a_sound_file_is_read_whole),
        TEST_AT_HOME(every_changed_byte_is_survived),
        TEST_AT_HOME(a_damaged_file_can_be_opened_to_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
