/*
 * Makes the log that tests/fixtures keeps (test_format.c says what is in it), and prints its uuid
 * and when it was made, which that test has too. `make fixture` runs it and packs the log; when a
 * version has been released its log is never made again.
 */
#include <unistd.h>

#include "damage.h"
#include "flusher.h"
#include "log.h"

#define FIRST "org.evlog.fixture.first.v1"
#define SECOND "org.evlog.fixture.second.v1"

static void send_plain(evlog_signal *signal, uint64_t seq)
{
    char data[] = SMALL_MAP("\x00");
    data[3] = (char)seq;
    OK(evlog_send_event(signal, data, 4, &(evlog_send_options){.time_us = (int64_t)seq}, NULL));
}

static void send_from_bus(evlog_signal *signal)
{
    const evlog_metadata metadata = {
        .id = {0, 1, 2, 3, 4, 5, 0x16, 7, 0x88, 9, 10, 11, 12, 13, 14, 15},
        .minorversion = 3,
        .time_us = -315619200000000,
        .source = "openedx/cms/web",
        .sourcehost = "cms-1",
        .sourcelib = "11.2.0"};
    OK(evlog_send_event(signal, SMALL_MAP("\x02"), 4,
                        &(evlog_send_options){.metadata = &metadata, .from_event_bus = true},
                        NULL));
}

static void send_large(evlog_signal *signal)
{
    unsigned char data[10009] = "\x82\xa1n\x03\xa1\x66\xc5\x27\x10";
    for (size_t i = 0; i < 10000; i++)
        data[9 + i] = (unsigned char)(i % 251);
    OK(evlog_send_event(signal, data, sizeof data, &(evlog_send_options){.time_us = 3}, NULL));
}

static void erase(const char *path, uint64_t seq)
{
    unsigned char key[8], erased[137] = {0};
    struct raw raw = raw_open(path);
    put_big(key, seq, 8);
    struct bytes value = raw_get(&raw, key, 8);
    memcpy(erased, value.at, 101);
    erased[88] |= 2;
    memcpy(erased + 101, "\xc4\x20", 2);
    memcpy(erased + 135, "\xc0\xc0", 2);
    raw_put(&raw, key, 8, (struct bytes){erased, sizeof erased});
    raw_close(&raw);
    free(value.at);
}

/* The erased event is put back by no recovery. */
static void flush(const char *path)
{
    char journal[4096];
    evlog *log;
    OK(evlog_open(path, NULL, &log));
    OK(flusher_restart(log->store->flusher));
    OK(evlog_close(log));
    snprintf(journal, sizeof journal, "%s/journal", path);
    assert_int_equal(truncate(journal, 0), 0);
}

int main(int count, char **arguments)
{
    evlog *log;
    evlog_signal *signals[2];
    evlog_info info;
    char uuid[EVLOG_UUID_TEXT_SIZE], events[4096];
    assert_int_equal(count, 2);
    OK(evlog_open(arguments[1], &(evlog_options){.service = "lms", .sourcehost = "lms-1"}, &log));
    OK(evlog_define(log, FIRST, 0, NULL, &signals[1]));
    OK(evlog_define(log, SECOND, 7, NULL, &signals[0]));
    for (uint64_t seq = 1; seq <= 60; seq++)
        if (seq == 2)
            send_from_bus(signals[0]);
        else if (seq == 3)
            send_large(signals[1]);
        else
            send_plain(signals[seq % 2], seq);
    OK(evlog_inspect(log, &info));
    OK(evlog_close(log));
    snprintf(events, sizeof events, "%s/events.mdb", arguments[1]);
    erase(events, 40);
    flush(arguments[1]);
    printf("uuid %s created_us %" PRId64 "\n", evlog_uuid_text(info.uuid, uuid), info.created_us);
    return 0;
}
