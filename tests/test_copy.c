/*
 * Copying a log, and adding to a copy: what is in it, beside senders, consumers and kills, and what is refused.
 */
#include "evlog/upkeep.h"

#include <sys/stat.h>

#include "damage.h"
#include "evlog/consumer.h"
#include "log.h"
#include "processes.h"
#include "test.h"

#define TYPE "org.evlog.test.v1"

static evlog *open_with(const char *path, evlog_durability durability, evlog_signal **signal)
{
    evlog *log;
    OK(evlog_open(path, &(evlog_options){.durability = durability}, &log));
    OK(evlog_define(log, TYPE, 0, NULL, signal));
    return log;
}

static void send_many(evlog_signal *signal, size_t count)
{
    for (size_t i = 0; i < count; i++)
        OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
}

static evlog *open_copy(const char *path)
{
    evlog *log;
    OK(evlog_open(path, &(evlog_options){.read_only = true}, &log));
    return log;
}

static void expect_bounds(const char *path, uint64_t first, uint64_t last)
{
    evlog_info info;
    evlog *log = open_copy(path);
    OK(evlog_inspect(log, &info));
    assert_int_equal(info.first_seq, first);
    assert_int_equal(info.last_seq, last);
    OK(evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_close(log));
}

/* The records of the same seqs are the same bytes. */
static void expect_same_records(const char *path, const char *copy, uint64_t first, uint64_t last)
{
    char file[4400];
    snprintf(file, sizeof file, "%s/events.mdb", path);
    struct raw ours = raw_open(file);
    snprintf(file, sizeof file, "%s/events.mdb", copy);
    struct raw theirs = raw_open(file);
    for (uint64_t seq = first; seq <= last; seq++) {
        unsigned char key[8];
        put_big(key, seq, sizeof key);
        struct bytes a = raw_get(&ours, key, sizeof key), b = raw_get(&theirs, key, sizeof key);
        assert_int_equal(a.size, b.size);
        assert_memory_equal(a.at, b.at, a.size);
        free(a.at);
        free(b.at);
    }
    raw_close(&ours);
    raw_close(&theirs);
}

/* ---------------------------------------------------------- what is in it ---- */

/* Events of several types and sources, with headers, large ones, and a consumer with state and a parked event. */
static void fill(const char *path, evlog_durability durability)
{
    static char large[0x8000 + 6] = "\x81\xa1n\xc5\x80";
    evlog_signal *signal, *other;
    evlog_consumer *consumer;
    const evlog_event *event;
    evlog_header header = {.name = "trace", .value = "abc"};
    evlog *log = open_with(path, durability, &signal);
    OK(evlog_define(log, "org.evlog.other.v1", 0, NULL, &other));
    send_many(signal, 50);
    OK(evlog_send_event(other, large, sizeof large, NULL, NULL));
    evlog_metadata metadata = {.id = {[6] = 0x10, [8] = 0x80, [15] = 7},
                               .time_us = 1,
                               .source = "elsewhere",
                               .sourcehost = "h",
                               .sourcelib = "1"};
    evlog_send_options sending = {.metadata = &metadata, .headers = &header, .header_count = 1};
    OK(evlog_send_event(other, "\x80", 1, &sending, NULL));
    send_many(signal, 3000);
    evlog_consumer_options options = {.ack_by_hand = true, .attempt_max = 1};
    OK(evlog_consumer_open(log, "mailer", &options, &consumer));
    for (unsigned i = 1; i <= 10; i++) {
        OK(evlog_consumer_next(consumer, 0, &event));
        if (i == 3)
            OK(evlog_consumer_fail(consumer, 3, "not this one"));
    }
    OK(evlog_state_put(consumer, "k", 1, "value", 5));
    OK(acknowledge(consumer, 10));
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(log));
}

static void expect_consumer(const char *path)
{
    evlog_consumer_info info;
    evlog_consumer *consumer;
    const evlog_event *event;
    const void *value;
    size_t size;
    evlog *log;
    OK(evlog_open(path, NULL, &log));
    OK(inspect_into(log, "mailer", &info));
    assert_int_equal(info.parked_count, 1);
    OK(evlog_consumer_open(log, "mailer", NULL, &consumer));
    OK(evlog_state_get(consumer, "k", 1, &value, &size));
    assert_int_equal(size, 5);
    assert_memory_equal(value, "value", 5);
    OK(evlog_consumer_next(consumer, 0, &event));
    assert_int_equal(event->seq, 11);
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(log));
}

static void a_copy_has_everything(void **state)
{
    static const evlog_durability durabilities[] = {EVLOG_DURABLE, EVLOG_FAST};
    for (unsigned i = 0; i < 2; i++) {
        char path[4200], copy[4200];
        evlog_info ours, theirs;
        evlog_copied copied;
        evlog *log, *opened;
        strcpy(path, in(*state, i ? "fast" : "durable"));
        strcpy(copy, in(*state, i ? "fast-copy" : "durable-copy"));
        fill(path, durabilities[i]);
        OK(evlog_open(path, NULL, &log));
        OK(evlog_copy(log, copy, NULL, &copied));
        assert_int_equal(copied.first_seq, 1);
        assert_int_equal(copied.last_seq, 3052);
        assert_int_equal(copied.event_count, 3052);
        OK(evlog_inspect(log, &ours));
        opened = open_copy(copy);
        OK(evlog_inspect(opened, &theirs));
        assert_memory_equal(ours.origin, theirs.origin, sizeof ours.origin);
        assert_memory_not_equal(ours.uuid, theirs.uuid, sizeof ours.uuid);
        assert_int_equal(theirs.durability, durabilities[i]);
        OK(evlog_close(opened));
        OK(evlog_close(log));
        expect_bounds(copy, 1, 3052);
        expect_same_records(path, copy, 1, 3052);
        expect_consumer(copy);
    }
}

static void a_copy_can_be_written_to(void **state)
{
    char path[4200], copy[4200];
    evlog_signal *signal;
    strcpy(path, in(*state, "log"));
    strcpy(copy, in(*state, "copy"));
    evlog *log = open_with(path, EVLOG_DURABLE, &signal);
    send_many(signal, 10);
    OK(evlog_copy(log, copy, NULL, NULL));
    OK(evlog_close(log));
    log = open_with(copy, EVLOG_DURABLE, &signal);
    send_many(signal, 5);
    OK(evlog_close(log));
    expect_bounds(copy, 1, 15);
    OK(evlog_open(path, NULL, &log));
    FAILS(EVLOG_CONFLICT, "something was appended to the copy",
          evlog_copy(log, copy, NULL, NULL));
    OK(evlog_define(log, TYPE, 0, NULL, &signal));
    send_many(signal, 20); /* as many, and more, but others */
    FAILS(EVLOG_CONFLICT, "something was appended to the copy",
          evlog_copy(log, copy, NULL, NULL));
    OK(evlog_close(log));
}

static void an_empty_log_is_copied(void **state)
{
    char copy[4200];
    evlog_copied copied;
    evlog *log;
    strcpy(copy, in(*state, "copy"));
    OK(evlog_open(in(*state, "log"), NULL, &log));
    OK(evlog_copy(log, copy, NULL, &copied));
    assert_int_equal(copied.event_count, 0);
    assert_int_equal(copied.first_seq, 0);
    OK(evlog_close(log));
    expect_bounds(copy, 0, 0);
}

struct looking {
    evlog *log;
    unsigned visit_count, reader_count;
};

static int count_reader(const evlog_reader *reader, void *ctx)
{
    (void)reader;
    ((struct looking *)ctx)->reader_count++;
    return 0;
}

/* After a batch: what it was read with is not held. */
static int look_for_readers(uint64_t seq, void *ctx)
{
    struct looking *looking = ctx;
    (void)seq;
    looking->visit_count++;
    OK(evlog_each_reader(looking->log, count_reader, looking));
    return 0;
}

/* However many events are copied, no reader of the log is held from one batch to the next. */
static void no_reader_is_held_between_batches(void **state)
{
    static char large[0x8000 + 6] = "\x81\xa1n\xc5\x80";
    char path[4200];
    evlog_signal *signal;
    strcpy(path, in(*state, "log"));
    evlog *log = open_with(path, EVLOG_DURABLE, &signal);
    for (unsigned i = 0; i < 160; i++) /* five batches */
        OK(evlog_send_event(signal, large, sizeof large, NULL, NULL));
    OK(evlog_close(log));
    OK(evlog_open(path, NULL, &log));
    struct looking looking = {.log = log};
    evlog_copy_options options = {.visit = look_for_readers, .ctx = &looking};
    OK(evlog_copy(log, in(*state, "copy"), &options, NULL));
    OK(evlog_close(log));
    assert_in_range(looking.visit_count, 5, 160);
    assert_int_equal(looking.reader_count, 0);
}

/* -------------------------------------------------------- adding to a copy ---- */

static void what_came_later_is_added(void **state)
{
    char copy[4200];
    evlog_signal *signal, *later;
    evlog_copied copied;
    strcpy(copy, in(*state, "copy"));
    evlog *log = open_with(in(*state, "log"), EVLOG_DURABLE, &signal);
    send_many(signal, 10);
    OK(evlog_copy(log, copy, NULL, NULL));
    OK(evlog_copy(log, copy, NULL, &copied));
    assert_int_equal(copied.event_count, 0);
    OK(evlog_define(log, "org.evlog.later.v1", 0, NULL, &later));
    send_many(later, 10);
    FAILS(EVLOG_CONFLICT, "there would be a gap",
          evlog_copy(log, copy, &(evlog_copy_options){.since_seq = 12}, NULL));
    OK(evlog_copy(log, copy, &(evlog_copy_options){.since_seq = 11}, &copied));
    assert_int_equal(copied.first_seq, 11);
    assert_int_equal(copied.last_seq, 20);
    OK(evlog_close(log));
    expect_bounds(copy, 1, 20);
    expect_same_records(in(*state, "log"), copy, 1, 20);
}

static void a_copy_may_begin_later(void **state)
{
    char copy[4200], of_trimmed[4200];
    evlog_signal *signal;
    strcpy(copy, in(*state, "copy"));
    strcpy(of_trimmed, in(*state, "of-trimmed"));
    evlog *log = open_with(in(*state, "log"), EVLOG_DURABLE, &signal);
    send_many(signal, 100);
    OK(evlog_copy(log, copy, &(evlog_copy_options){.since_seq = 51}, NULL));
    expect_bounds(copy, 51, 100);
    OK(evlog_trim(log, 31, NULL, NULL)); /* which is event 101 */
    OK(evlog_copy(log, copy, NULL, NULL));
    expect_bounds(copy, 51, 101);
    OK(evlog_copy(log, of_trimmed, NULL, NULL));
    expect_bounds(of_trimmed, 31, 101);
    send_many(signal, 10);
    OK(evlog_trim(log, 105, NULL, NULL));
    FAILS(EVLOG_CONFLICT, "what is between them was trimmed", evlog_copy(log, copy, NULL, NULL));
    OK(evlog_close(log));
}

/* What was erased in the log is erased in the copy, before the event that says so is in it. */
static void what_was_erased_goes_from_the_copy(void **state)
{
    char path[4200], copy[4200];
    unsigned char digest[32] = {7};
    evlog_signal *signal;
    evlog_event *event;
    evlog_info info;
    strcpy(path, in(*state, "log"));
    strcpy(copy, in(*state, "copy"));
    evlog *log = open_with(path, EVLOG_DURABLE, &signal);
    send_many(signal, 5);
    OK(evlog_send_event(signal, "\x81\xa1n\xa6secret", 10, NULL, NULL));
    send_many(signal, 5);
    OK(evlog_copy(log, copy, NULL, NULL));
    OK(evlog_erase(log, 6, digest, &(evlog_erase_options){.reason = "asked for"}));
    send_many(signal, 5);
    OK(evlog_erase(log, 8, digest, &(evlog_erase_options){.reason = "asked for"}));
    OK(evlog_trim(log, 9, NULL, NULL)); /* and then both are trimmed in the log */
    OK(evlog_copy(log, copy, NULL, NULL));
    OK(evlog_inspect(log, &info));
    OK(evlog_close(log));
    expect_bounds(copy, 1, info.last_seq);
    log = open_copy(copy);
    for (uint64_t seq = 6; seq <= 8; seq += 2) {
        OK(evlog_read(log, seq, &event));
        assert_null(event->data);
        evlog_event_free(event);
    }
    OK(evlog_inspect(log, &info));
    assert_int_equal(info.erased_waiting_count, 2);
    OK(evlog_close(log));
    OK(evlog_compact(copy, NULL, NULL));
}

static void erasures_are_copied_alike(void **state)
{
    char path[4200], copy[4200];
    unsigned char digest[32] = {7};
    evlog_signal *signal;
    strcpy(path, in(*state, "log"));
    strcpy(copy, in(*state, "copy"));
    evlog *log = open_with(path, EVLOG_FAST, &signal);
    send_many(signal, 10);
    OK(evlog_copy(log, copy, NULL, NULL));
    OK(evlog_erase(log, 6, digest, &(evlog_erase_options){.reason = "asked for"}));
    send_many(signal, 5);
    OK(evlog_erase(log, 14, digest, &(evlog_erase_options){.reason = "asked for"}));
    OK(evlog_copy(log, copy, NULL, NULL));
    OK(evlog_close(log));
    expect_bounds(copy, 1, 17);
    expect_same_records(path, copy, 1, 17);
}

/* A log's policy is copied, and applied to the copy by those who send to it, not by adding to it. */
static void a_policy_does_not_trim_a_copy(void **state)
{
    char path[4200], copy[4200];
    evlog_signal *signal;
    evlog_retention *kept, retention = {.count = 10, .held_by = EVLOG_HELD_BY_NONE};
    for (unsigned i = 0; i < 2; i++) {
        strcpy(path, in(*state, i ? "fast" : "durable"));
        strcpy(copy, in(*state, i ? "fast-copy" : "durable-copy"));
        evlog *log = open_with(path, i ? EVLOG_FAST : EVLOG_DURABLE, &signal);
        send_many(signal, 3000);
        OK(evlog_copy(log, copy, NULL, NULL));
        OK(evlog_retain(log, &retention));
        for (unsigned round = 0; round < 3; round++) {
            OK(evlog_copy(log, copy, NULL, NULL)); /* from now on with the policy */
            send_many(signal, 5);
        }
        OK(evlog_close(log));
        log = open_copy(copy);
        evlog_event *event;
        OK(evlog_read(log, 1, &event));
        evlog_event_free(event);
        OK(evlog_retention_get(log, &kept));
        assert_int_equal(kept->count, 10);
        evlog_retention_free(kept);
        OK(evlog_close(log));
    }
}

static void another_log_is_no_copy(void **state)
{
    char other[4200], command[9000];
    evlog_signal *signal;
    strcpy(other, in(*state, "other"));
    evlog *log = open_with(other, EVLOG_DURABLE, &signal);
    OK(evlog_close(log));
    log = open_with(in(*state, "log"), EVLOG_DURABLE, &signal);
    FAILS(EVLOG_CONFLICT, "another log", evlog_copy(log, other, NULL, NULL));
    FAILS(EVLOG_BUSY, "this process has it open", evlog_copy(log, in(*state, "log"), NULL, NULL));
    OK(evlog_close(log));
    snprintf(command, sizeof command, "cp -r '%s' '%s'", in(*state, "log"), in(*state, "by-cp"));
    assert_int_equal(system(command), 0);
    OK(evlog_open(in(*state, "log"), NULL, &log));
    FAILS(EVLOG_CONFLICT, "could be taken for it",
          evlog_copy(log, in(*state, "by-cp"), NULL, NULL));
    OK(evlog_close(log));
}

static void a_preview_makes_nothing(void **state)
{
    char copy[4200];
    struct stat status;
    evlog_signal *signal;
    evlog_copied copied;
    evlog_copy_options preview = {.preview = true};
    strcpy(copy, in(*state, "copy"));
    evlog *log = open_with(in(*state, "log"), EVLOG_DURABLE, &signal);
    send_many(signal, 10);
    OK(evlog_copy(log, copy, &preview, &copied));
    assert_int_equal(copied.event_count, 10);
    assert_int_equal(stat(copy, &status), -1);
    OK(evlog_copy(log, copy, NULL, NULL));
    send_many(signal, 5);
    OK(evlog_copy(log, copy, &preview, &copied));
    assert_int_equal(copied.first_seq, 11);
    assert_int_equal(copied.event_count, 5);
    OK(evlog_close(log));
    expect_bounds(copy, 1, 10);
}

static void damage_ends_it(void **state)
{
    char copy[4200], file[4400];
    evlog_signal *signal;
    evlog_copied copied;
    strcpy(copy, in(*state, "copy"));
    evlog *log = open_with(in(*state, "log"), EVLOG_DURABLE, &signal);
    send_many(signal, 100);
    OK(evlog_close(log));
    snprintf(file, sizeof file, "%s/events.mdb", in(*state, "log"));
    unsigned char key[8];
    put_big(key, 77, sizeof key);
    struct raw raw = raw_open(file);
    struct bytes value = raw_get(&raw, key, sizeof key);
    value.at[value.size - 1] ^= 1;
    raw_put(&raw, key, sizeof key, value);
    raw_close(&raw);
    free(value.at);
    OK(evlog_open(in(*state, "log"), &(evlog_options){.read_only = true}, &log));
    FAILS(EVLOG_DAMAGED, "event 77", evlog_copy(log, copy, NULL, &copied));
    OK(evlog_close(log));
}

/* -------------------------------------------------- beside others, and kills ---- */

static int stop_after_some(uint64_t seq, void *ctx)
{
    (void)ctx;
    return seq > 1 ? 7 : 0;
}

static void what_was_interrupted_goes_on(void **state)
{
    static char data[0x8000 + 6] = "\x81\xa1n\xc5\x80";
    char copy[4200];
    evlog_signal *signal;
    evlog_copied copied;
    strcpy(copy, in(*state, "copy"));
    evlog *log = open_with(in(*state, "log"), EVLOG_DURABLE, &signal);
    for (unsigned i = 0; i < 100; i++) /* of a few batches */
        OK(evlog_send_event(signal, data, sizeof data, NULL, NULL));
    assert_int_equal(
        evlog_copy(log, copy, &(evlog_copy_options){.visit = stop_after_some}, &copied), 7);
    assert_true(copied.last_seq > 1 && copied.last_seq < 100);
    uint64_t done = copied.last_seq;
    expect_bounds(copy, 1, done);
    OK(evlog_copy(log, copy, NULL, &copied));
    assert_int_equal(copied.first_seq, done + 1);
    OK(evlog_close(log));
    expect_bounds(copy, 1, 100);
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

/* The copy is open alone meanwhile, and a process that is killed leaves what can be gone on with. */
static void nobody_opens_a_copy_that_is_made(void **state)
{
    char path[4200], copy[4200], words[64];
    atomic_int *step = map_shared(sizeof *step);
    evlog_signal *signal;
    strcpy(path, in(*state, "log"));
    strcpy(copy, in(*state, "copy"));
    evlog *log = open_with(path, EVLOG_DURABLE, &signal), *opened;
    send_many(signal, 10);
    OK(evlog_close(log));
    pid_t pid = start_process();
    if (pid == 0) {
        if (evlog_open(path, NULL, &log) ||
            evlog_copy(log, copy, &(evlog_copy_options){.visit = wait_in_visit, .ctx = step},
                       NULL))
            die("copying", 0);
        _exit(0);
    }
    wait_for_child(pid, step, 1);
    snprintf(words, sizeof words, "process %d has the log for itself", (int)pid);
    FAILS(EVLOG_BUSY, words, evlog_open(copy, NULL, &opened));
    FAILS(EVLOG_BUSY, words, evlog_open(copy, &(evlog_options){.read_only = true}, &opened));
    kill_process(pid);
    OK(evlog_open(path, NULL, &log));
    OK(evlog_copy(log, copy, NULL, NULL));
    OK(evlog_close(log));
    expect_bounds(copy, 1, 10);
}

/* A process that has the copy open, to write or only to read, is named. */
static void an_open_copy_is_not_added_to(void **state)
{
    char copy[4200], words[64];
    evlog_signal *signal;
    strcpy(copy, in(*state, "copy"));
    evlog *log = open_with(in(*state, "log"), EVLOG_DURABLE, &signal), *opened;
    send_many(signal, 10);
    OK(evlog_copy(log, copy, NULL, NULL));
    OK(evlog_close(log));
    for (unsigned i = 0; i < 2; i++) {
        atomic_int *step = map_shared(sizeof *step);
        pid_t pid = start_process();
        if (pid == 0) {
            if (evlog_open(copy, &(evlog_options){.read_only = i == 1}, &opened))
                die("opening", 0);
            *step = 1;
            for (;;)
                pause();
        }
        wait_for_child(pid, step, 1);
        OK(evlog_open(in(*state, "log"), NULL, &log));
        snprintf(words, sizeof words, "process %d has the log open", (int)pid);
        FAILS(EVLOG_BUSY, words, evlog_copy(log, copy, NULL, NULL));
        kill_process(pid);
        OK(evlog_copy(log, copy, NULL, NULL));
        OK(evlog_close(log));
    }
}

#define SENDERS 8
#define CONSUMERS 8
#define COPIES 12

static void send_for_ever(const char *path, evlog_durability durability)
{
    evlog_signal *signal;
    open_with(path, durability, &signal);
    for (;;)
        if (evlog_send_event(signal, "\x80", 1, NULL, NULL))
            die("sending", 0);
}

/* A consumer's state: how many events it has done, and the last of them. */
struct counted {
    uint64_t count, seq;
};

static int count_state(evlog_consumer *consumer, const evlog_event *event)
{
    const void *value;
    size_t size;
    struct counted counted = {.count = 0};
    int result = evlog_state_get(consumer, "n", 1, &value, &size);
    if (result == EVLOG_OK)
        memcpy(&counted, value, sizeof counted);
    else if (result != EVLOG_NOTFOUND)
        return result;
    counted.count++;
    counted.seq = event->seq;
    result = evlog_state_put(consumer, "n", 1, &counted, sizeof counted);
    return result ? result : evlog_consumer_done(consumer, event->seq);
}

/* Its state goes with its checkpoint, in every copy. Few commits let it keep up with the senders. */
static void consume_for_ever(const char *path, evlog_durability durability, const char *name)
{
    evlog_signal *signal;
    evlog_consumer *consumer;
    const evlog_event *event;
    evlog *log = open_with(path, durability, &signal);
    if (evlog_consumer_open(log, name,
                            &(evlog_consumer_options){.ack_by_hand = true, .commit_every = 16},
                            &consumer))
        die("opening the consumer", 0);
    for (;;)
        if (evlog_consumer_next(consumer, 1000, &event) ||
            (event && count_state(consumer, event)))
            die("consuming", event ? event->seq : 0);
}

static const char *counter(unsigned i)
{
    static char name[16];
    snprintf(name, sizeof name, "counter-%u", i);
    return name;
}

static unsigned trim_count; /* each is one event of the log's own, which consumers pass over */

static bool is_own(evlog *log, uint64_t seq)
{
    evlog_event *event;
    int result = evlog_read(log, seq, &event);
    if (result == EVLOG_NOTFOUND)
        return true; /* trimmed */
    OK(result);
    bool is = strncmp(event->event_type, "evlog.", 6) == 0;
    evlog_event_free(event);
    return is;
}

/* What it has counted are the events up to its checkpoint, which is not behind the copy's end. */
static void expect_counter(evlog *log, const char *name, uint64_t last_seq)
{
    evlog_consumer_info info;
    evlog_consumer *consumer;
    const void *value;
    size_t size;
    struct counted counted;
    int result = inspect_into(log, name, &info);
    if (result == EVLOG_NOTFOUND || info.checkpoint == 0)
        return; /* its process has not come so far */
    OK(result);
    assert_true(info.checkpoint <= last_seq);
    OK(evlog_consumer_open(log, name, NULL, &consumer));
    OK(evlog_state_get(consumer, "n", 1, &value, &size));
    memcpy(&counted, value, sizeof counted);
    OK(evlog_consumer_close(consumer));
    assert_true(counted.count <= info.checkpoint &&
                counted.count + trim_count >= info.checkpoint);
    assert_true(counted.seq <= info.checkpoint);
    for (uint64_t seq = counted.seq + 1; seq <= info.checkpoint; seq++)
        assert_true(is_own(log, seq));
}

static void expect_consistent(const char *copy)
{
    evlog_info info;
    evlog *log;
    OK(evlog_open(copy, NULL, &log));
    OK(evlog_inspect(log, &info));
    OK(evlog_verify(log, NULL, NULL, NULL));
    for (unsigned i = 0; i < CONSUMERS; i++)
        expect_counter(log, counter(i), info.last_seq);
    OK(evlog_close(log));
}

/* Trims what all consumers have done. */
static void trim_done(evlog *log)
{
    uint64_t least = UINT64_MAX;
    for (unsigned i = 0; i < CONSUMERS; i++) {
        evlog_consumer_info info;
        if (inspect_into(log, counter(i), &info))
            return; /* one is not there yet, and will want all */
        least = info.checkpoint < least ? info.checkpoint : least;
    }
    OK(evlog_trim(log, least, NULL, NULL));
    trim_count++;
}

static pid_t start(unsigned i, const char *path, evlog_durability durability)
{
    pid_t pid = start_process();
    if (pid == 0 && i < SENDERS)
        send_for_ever(path, durability);
    else if (pid == 0)
        consume_for_ever(path, durability, counter(i - SENDERS));
    return pid;
}

static void copy_beside_others(void **state, evlog_durability durability)
{
    char path[4200], copy[4300];
    evlog_signal *signal;
    pid_t pids[SENDERS + CONSUMERS];
    trim_count = 0;
    strcpy(path, in(*state, durability == EVLOG_FAST ? "fast" : "durable"));
    evlog *log = open_with(path, durability, &signal);
    OK(evlog_close(log));
    for (unsigned i = 0; i < SENDERS + CONSUMERS; i++)
        pids[i] = start(i, path, durability);
    for (unsigned i = 0; i < COPIES; i++) {
        OK(evlog_open(path, NULL, &log));
        if (i % 3 == 0) {
            snprintf(copy, sizeof copy, "%s-%u", path, i);
            trim_done(log);
        }
        OK(evlog_copy(log, copy, NULL, NULL));
        OK(evlog_close(log));
        expect_consistent(copy);
        unsigned killed = i * 5 % (SENDERS + CONSUMERS); /* and another takes its place */
        kill_process(pids[killed]);
        pids[killed] = start(killed, path, durability);
    }
    for (unsigned i = 0; i < SENDERS + CONSUMERS; i++)
        kill_process(pids[i]);
}

static void copying_beside_senders_and_consumers(void **state)
{
    copy_beside_others(state, EVLOG_DURABLE);
    copy_beside_others(state, EVLOG_FAST);
}

/* A copier is killed anywhere, and the next one goes on. */
static void a_copier_that_is_killed(void **state)
{
    char path[4200], copy[4200];
    evlog_signal *signal;
    evlog *log;
    strcpy(path, in(*state, "log"));
    strcpy(copy, in(*state, "copy"));
    fill(path, EVLOG_DURABLE);
    for (unsigned i = 0; i < 20; i++) {
        log = open_with(path, EVLOG_DURABLE, &signal);
        send_many(signal, 20);
        OK(evlog_close(log));
        pid_t pid = start_process();
        if (pid == 0) {
            if (evlog_open(path, NULL, &log))
                die("opening", 0);
            for (;;)
                if (evlog_copy(log, copy, NULL, NULL))
                    die("copying", 0);
        }
        usleep(i * 1500);
        kill_process(pid);
    }
    OK(evlog_open(path, NULL, &log));
    OK(evlog_copy(log, copy, NULL, NULL));
    OK(evlog_close(log));
    expect_bounds(copy, 1, 3052 + 20 * 20);
    expect_same_records(path, copy, 1, 3052 + 20 * 20);
    expect_consumer(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(a_copy_has_everything),
        TEST_AT_HOME(a_copy_can_be_written_to),
        TEST_AT_HOME(an_empty_log_is_copied),
        TEST_AT_HOME(no_reader_is_held_between_batches),
        TEST_AT_HOME(what_came_later_is_added),
        TEST_AT_HOME(a_copy_may_begin_later),
        TEST_AT_HOME(what_was_erased_goes_from_the_copy),
        TEST_AT_HOME(erasures_are_copied_alike),
        TEST_AT_HOME(a_policy_does_not_trim_a_copy),
        TEST_AT_HOME(another_log_is_no_copy),
        TEST_AT_HOME(a_preview_makes_nothing),
        TEST_AT_HOME(damage_ends_it),
        TEST_AT_HOME(what_was_interrupted_goes_on),
        TEST_AT_HOME(nobody_opens_a_copy_that_is_made),
        TEST_AT_HOME(an_open_copy_is_not_added_to),
        TEST_AT_HOME(copying_beside_senders_and_consumers),
        TEST_AT_HOME(a_copier_that_is_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
