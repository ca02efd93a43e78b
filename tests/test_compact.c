/*
 * Compacting: what stays and what goes, who is in the way, and kills in the middle. What a power cut does to it:
 * tests/power, "compact".
 */
#include "evlog/upkeep.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include "damage.h"
#include "evlog/consumer.h"
#include "processes.h"
#include "test.h"

#define TYPE "org.evlog.test.v1"
#define EVENTS 3000
#define KEPT 2900 /* the first event that is kept */

static evlog *open_with(const char *path, evlog_durability durability, evlog_signal **signal)
{
    evlog *log;
    OK(evlog_open(path, &(evlog_options){.durability = durability}, &log));
    OK(evlog_define(log, TYPE, 0, NULL, signal));
    return log;
}

/* A log whose first events, of a type and source of their own, were trimmed; a consumer has a state. */
static void fill(const char *path, evlog_durability durability)
{
    static char large[3000] = "\x81\xa1n\xc5\x0b\xb2"
                              "what is trimmed";
    evlog_signal *signal, *early;
    evlog_consumer *consumer;
    const evlog_event *event;
    evlog_metadata metadata = {.id = {[6] = 0x10, [8] = 0x80, [15] = 7},
                               .time_us = 1,
                               .source = "early",
                               .sourcehost = "h",
                               .sourcelib = "1"};
    evlog *log = open_with(path, durability, &signal);
    OK(evlog_define(log, "org.evlog.early.v1", 0, NULL, &early));
    OK(evlog_send_event(early, "\x80", 1, &(evlog_send_options){.metadata = &metadata}, NULL));
    for (unsigned i = 1; i < KEPT; i += 100) {
        evlog_sending sends[100];
        for (size_t j = 0; j < 100; j++)
            sends[j] =
                (evlog_sending){.signal = signal, .data = large, .data_size = sizeof large};
        OK(evlog_send_events(sends, 100, NULL, NULL));
    }
    for (unsigned i = 2 + KEPT; i <= EVENTS; i++)
        OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    OK(evlog_consumer_open(log, "mailer",
                           &(evlog_consumer_options){.ack_by_hand = true,
                                                     .start = EVLOG_START_SEQ,
                                                     .start_seq = KEPT + 10},
                           &consumer));
    OK(evlog_consumer_next(consumer, 0, &event));
    OK(evlog_state_put(consumer, "k", 1, "value", 5));
    OK(acknowledge(consumer, KEPT + 10));
    OK(evlog_consumer_close(consumer));
    OK(evlog_trim(log, KEPT + 2, NULL, NULL)); /* which is event EVENTS + 1 */
    OK(evlog_close(log));
}

/* The record of a seq, for the caller to free. */
static struct bytes record_of(const char *path, uint64_t seq)
{
    char file[4400];
    unsigned char key[8];
    snprintf(file, sizeof file, "%s/events.mdb", path);
    put_big(key, seq, sizeof key);
    struct raw raw = raw_open(file);
    struct bytes value = raw_get(&raw, key, sizeof key);
    raw_close(&raw);
    return value;
}

static int print_finding(const evlog_finding *finding, uint64_t seq, void *ctx)
{
    (void)seq;
    (void)ctx;
    if (finding)
        print_error("%s\n", finding->text);
    return 0;
}

static void expect_whole(const char *path, const struct bytes *record, uint64_t last)
{
    evlog_info info;
    evlog_consumer_info mailer;
    evlog *log;
    OK(evlog_open(path, &(evlog_options){.read_only = true}, &log));
    OK(evlog_inspect(log, &info));
    assert_int_equal(info.first_seq, KEPT + 2);
    assert_int_equal(info.last_seq, last);
    OK(evlog_verify(log, print_finding, NULL, NULL));
    OK(inspect_into(log, "mailer", &mailer));
    assert_int_equal(mailer.checkpoint, KEPT + 10);
    OK(evlog_close(log));
    struct bytes now = record_of(path, KEPT + 50);
    assert_int_equal(now.size, record->size);
    assert_memory_equal(now.at, record->at, now.size);
    free(now.at);
}

static bool is_there(const char *path, const char *name)
{
    char file[4400];
    struct stat status;
    snprintf(file, sizeof file, "%s/%s", path, name);
    return stat(file, &status) == 0;
}

static void expect_no_leftovers(const char *path)
{
    assert_false(is_there(path, "events.mdb.old"));
    assert_false(is_there(path, "events.mdb.new"));
    assert_false(is_there(path, "events.mdb.new-lock"));
    assert_false(is_there(path, "state.mdb.new"));
    assert_false(is_there(path, "state.mdb.new-lock"));
}

static bool has_bytes(const char *path, const char *name, const char *words)
{
    char file[4400];
    snprintf(file, sizeof file, "%s/%s", path, name);
    struct bytes bytes = file_read(file);
    bool has = memmem(bytes.at, bytes.size, words, strlen(words)) != NULL;
    free(bytes.at);
    return has;
}

/* ------------------------------------------------------- what it is for ---- */

static void the_space_goes_and_the_events_stay(void **state)
{
    static const evlog_durability durabilities[] = {EVLOG_DURABLE, EVLOG_FAST};
    for (unsigned i = 0; i < 2; i++) {
        char path[4200];
        evlog_info before, after;
        evlog_compacted preview, compacted;
        evlog_signal *signal;
        evlog_event *event;
        evlog_sent sent;
        strcpy(path, in(*state, i ? "fast" : "durable"));
        fill(path, durabilities[i]);
        struct bytes record = record_of(path, KEPT + 50);
        evlog *log = open_with(path, durabilities[i], &signal);
        OK(evlog_inspect(log, &before));
        OK(evlog_close(log));
        assert_true(has_bytes(path, "events.mdb", "what is trimmed"));
        OK(evlog_compact(path, &(evlog_compact_options){.preview = true}, &preview));
        OK(evlog_compact(path, NULL, &compacted));
        assert_true(compacted.before_size > 8000000);
        assert_true(compacted.after_size < 200000);
        assert_int_equal(preview.before_size, compacted.before_size);
        assert_true(preview.after_size < 200000);
        expect_no_leftovers(path);
        expect_whole(path, &record, EVENTS + 2);
        assert_false(has_bytes(path, "events.mdb", "what is trimmed"));
        log = open_with(path, durabilities[i], &signal);
        OK(evlog_inspect(log, &after));
        assert_int_equal(after.page_count < before.page_count / 10, 1);
        assert_int_equal(after.type_count, 3); /* this one, and evlog.trimmed and .compacted */
        assert_int_equal(after.source_count, before.source_count - 1);
        assert_memory_equal(after.uuid, before.uuid, sizeof after.uuid);
        OK(evlog_read(log, EVENTS + 2, &event));
        assert_string_equal(event->event_type, "evlog.compacted.v1");
        evlog_event_free(event);
        OK(evlog_send_event(signal, "\x80", 1, NULL, &sent));
        assert_int_equal(sent.seq, EVENTS + 3);
        evlog_sent_free(&sent);
        OK(evlog_close(log));
        OK(evlog_compact(path, NULL, NULL)); /* and again */
        expect_whole(path, &record, EVENTS + 4);
        free(record.at);
    }
}

/* Seen through a descriptor that was open before. */
static void the_old_bytes_are_overwritten(void **state)
{
    char path[4200], file[4400], byte;
    strcpy(path, in(*state, "log"));
    fill(path, EVLOG_DURABLE);
    snprintf(file, sizeof file, "%s/events.mdb", path);
    int fd = open(file, O_RDONLY);
    assert_true(fd >= 0);
    OK(evlog_compact(path, NULL, NULL));
    off_t size = lseek(fd, 0, SEEK_END);
    assert_true(size > 8000000);
    for (off_t at = 0; at < size; at += 97) {
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        assert_int_equal(byte, 0);
    }
    close(fd);
}

static void an_empty_log_is_compacted(void **state)
{
    evlog *log;
    evlog_info info;
    OK(evlog_open(in(*state, "log"), NULL, &log));
    OK(evlog_close(log));
    OK(evlog_compact(in(*state, "log"), NULL, NULL));
    OK(evlog_open(in(*state, "log"), NULL, &log));
    OK(evlog_inspect(log, &info));
    assert_int_equal(info.last_seq, 1); /* the note */
    OK(evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_close(log));
    FAILS(EVLOG_NOTFOUND, "no log there", evlog_compact(in(*state, "none"), NULL, NULL));
}

static void its_files_stay_whose_they_are(void **state)
{
    char path[4200], file[4400];
    struct stat status;
    strcpy(path, in(*state, "log"));
    fill(path, EVLOG_DURABLE);
    snprintf(file, sizeof file, "%s/events.mdb", path);
    assert_int_equal(chmod(file, 0660), 0);
    bool is_root = geteuid() == 0;
    if (is_root)
        assert_int_equal(chown(file, 1234, 1235), 0);
    OK(evlog_compact(path, NULL, NULL));
    assert_int_equal(stat(file, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0660);
    if (is_root) {
        assert_int_equal(status.st_uid, 1234);
        assert_int_equal(status.st_gid, 1235);
    }
}

/* ----------------------------------------------------- what is in the way ---- */

static void others_are_named(void **state)
{
    char path[4200], words[64];
    evlog *log;
    strcpy(path, in(*state, "log"));
    fill(path, EVLOG_DURABLE);
    struct bytes record = record_of(path, KEPT + 50);
    OK(evlog_open(path, NULL, &log));
    FAILS(EVLOG_BUSY, "this process has it open", evlog_compact(path, NULL, NULL));
    OK(evlog_close(log));
    for (unsigned i = 0; i < 2; i++) {
        atomic_int *step = map_shared(sizeof *step);
        pid_t pid = start_process();
        if (pid == 0) {
            if (evlog_open(path, &(evlog_options){.read_only = i == 1}, &log))
                die("opening", 0);
            *step = 1;
            for (;;)
                pause();
        }
        wait_for_child(pid, step, 1);
        snprintf(words, sizeof words, "process %d has the log open", (int)pid);
        FAILS(EVLOG_BUSY, words, evlog_compact(path, NULL, NULL));
        kill_process(pid);
        expect_no_leftovers(path);
        expect_whole(path, &record, EVENTS + 1);
    }
    free(record.at);
}

static int wait_in_visit(uint64_t seq, void *ctx)
{
    atomic_int *step = ctx;
    (void)seq;
    *step = 1;
    while (*step == 1)
        usleep(100);
    return 0;
}

static void nobody_comes_in_meanwhile(void **state)
{
    char path[4200], words[64];
    atomic_int *step = map_shared(sizeof *step);
    evlog *log;
    strcpy(path, in(*state, "log"));
    fill(path, EVLOG_DURABLE);
    struct bytes record = record_of(path, KEPT + 50);
    pid_t pid = start_process();
    if (pid == 0) {
        if (evlog_compact(path, &(evlog_compact_options){.visit = wait_in_visit, .ctx = step},
                          NULL))
            die("compacting", 0);
        _exit(0);
    }
    wait_for_child(pid, step, 1);
    snprintf(words, sizeof words, "process %d has the log for itself", (int)pid);
    FAILS(EVLOG_BUSY, words, evlog_open(path, NULL, &log));
    FAILS(EVLOG_BUSY, words, evlog_open(path, &(evlog_options){.read_only = true}, &log));
    *step = 2;
    expect_end(&pid, 1);
    expect_whole(path, &record, EVENTS + 2);
    free(record.at);
}

static void damage_changes_nothing(void **state)
{
    char path[4200], file[4400];
    strcpy(path, in(*state, "log"));
    fill(path, EVLOG_DURABLE);
    snprintf(file, sizeof file, "%s/events.mdb", path);
    unsigned char key[8];
    put_big(key, KEPT + 20, sizeof key);
    struct raw raw = raw_open(file);
    struct bytes value = raw_get(&raw, key, sizeof key);
    value.at[value.size - 1] ^= 1;
    raw_put(&raw, key, sizeof key, value);
    raw_close(&raw);
    free(value.at);
    struct bytes before = file_read(file);
    FAILS(EVLOG_DAMAGED, "event 2920", evlog_compact(path, NULL, NULL));
    struct bytes after = file_read(file);
    assert_int_equal(before.size, after.size);
    assert_memory_equal(before.at, after.at, after.size);
    free(before.at);
    free(after.at);
    expect_no_leftovers(path);
}

static int count_findings(const evlog_finding *finding, uint64_t seq, void *ctx)
{
    (void)seq;
    if (finding && !finding->is_remark && finding->first_seq == KEPT + 20 &&
        finding->last_seq == KEPT + 20)
        ++*(unsigned *)ctx;
    return 0;
}

/* What is missing stays missing, and is reported as before: in a copy, too. */
static void a_gap_stays_a_gap(void **state)
{
    char path[4200], copy[4200], file[4400];
    unsigned char key[8];
    unsigned findings = 0;
    evlog *log;
    evlog_copied copied;
    strcpy(path, in(*state, "log"));
    strcpy(copy, in(*state, "copy"));
    fill(path, EVLOG_DURABLE);
    snprintf(file, sizeof file, "%s/events.mdb", path);
    put_big(key, KEPT + 20, sizeof key);
    struct raw raw = raw_open(file);
    raw_del(&raw, key, sizeof key);
    raw_close(&raw);
    OK(evlog_compact(path, NULL, NULL));
    OK(evlog_open(path, NULL, &log));
    FAILS(EVLOG_DAMAGED, "", evlog_verify(log, count_findings, &findings, NULL));
    OK(evlog_copy(log, copy, NULL, &copied));
    assert_int_equal(copied.missing_count, 1);
    OK(evlog_close(log));
    OK(evlog_open(copy, NULL, &log));
    FAILS(EVLOG_DAMAGED, "", evlog_verify(log, count_findings, &findings, NULL));
    OK(evlog_close(log));
    assert_int_equal(findings, 2);
}

static int stop(uint64_t seq, void *ctx)
{
    (void)seq;
    (void)ctx;
    return 7;
}

static void without_room_it_stays_as_it_was(void **state)
{
    char path[4200];
    strcpy(path, in(*state, "log"));
    fill(path, EVLOG_DURABLE);
    struct bytes record = record_of(path, KEPT + 50);
    assert_int_equal(evlog_compact(path, &(evlog_compact_options){.visit = stop}, NULL), 7);
    expect_whole(path, &record, EVENTS + 1);
    expect_no_leftovers(path);
    pid_t pid = start_process();
    if (pid == 0) {
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){16384, 16384});
        int result = evlog_compact(path, NULL, NULL);
        if (result != EVLOG_FULL)
            die("it fits", 0);
        _exit(0);
    }
    expect_end(&pid, 1);
    expect_whole(path, &record, EVENTS + 1);
    expect_no_leftovers(path);
    free(record.at);
}

/* ---------------------------------------------------------------- kills ---- */

static void one_that_is_killed(void **state)
{
    char path[4200];
    evlog_info info;
    evlog *log;
    strcpy(path, in(*state, "log"));
    fill(path, EVLOG_DURABLE);
    struct bytes record = record_of(path, KEPT + 50);
    for (unsigned i = 0; i < 40; i++) {
        pid_t pid = start_process();
        if (pid == 0)
            for (;;)
                if (evlog_compact(path, NULL, NULL))
                    die("compacting", 0);
        usleep(i * 700);
        kill_process(pid);
        OK(evlog_open(path, NULL, &log));
        OK(evlog_inspect(log, &info));
        OK(evlog_close(log));
        expect_whole(path, &record, info.last_seq);
    }
    OK(evlog_compact(path, NULL, NULL));
    expect_no_leftovers(path);
    free(record.at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(the_space_goes_and_the_events_stay),
        TEST_AT_HOME(the_old_bytes_are_overwritten),
        TEST_AT_HOME(an_empty_log_is_compacted),
        TEST_AT_HOME(its_files_stay_whose_they_are),
        TEST_AT_HOME(others_are_named),
        TEST_AT_HOME(nobody_comes_in_meanwhile),
        TEST_AT_HOME(damage_changes_nothing),
        TEST_AT_HOME(a_gap_stays_a_gap),
        TEST_AT_HOME(without_room_it_stays_as_it_was),
        TEST_AT_HOME(one_that_is_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
