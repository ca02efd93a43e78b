/*
 * Trimming: what is gone and what is not, what consumers hold, and trimming beside senders and readers
 * that are killed in the middle, itself included. What a power cut does to it: tests/power, "trim".
 */
#include "evlog/upkeep.h"

#include "evlog/consumer.h"
#include "log.h"
#include "processes.h"
#include "test.h"

#define TYPE "org.evlog.test.v1"
#define EVENTS 6000 /* of a few batches */

static evlog *open_with(const char *path, evlog_durability durability, evlog_signal **signal)
{
    evlog *log;
    OK(evlog_open(path, &(evlog_options){.durability = durability}, &log));
    OK(evlog_define(log, TYPE, 0, NULL, signal));
    return log;
}

static int send_hundred(evlog_signal *signal)
{
    evlog_sending sends[100];
    for (size_t i = 0; i < 100; i++)
        sends[i] = (evlog_sending){.signal = signal, .data = "\x80", .data_size = 1};
    return evlog_send_events(sends, 100, NULL, NULL);
}

static void send_many(evlog_signal *signal, size_t count)
{
    for (; count >= 100; count -= 100)
        OK(send_hundred(signal));
    for (; count > 0; count--)
        OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
}

static void expect_bounds(evlog *log, uint64_t first, uint64_t last)
{
    evlog_info info;
    OK(evlog_inspect(log, &info));
    assert_int_equal(info.first_seq, first);
    assert_int_equal(info.last_seq, last);
    OK(evlog_verify(log, NULL, NULL, NULL));
}

/* Called once, before a note that something was trimmed. */
static void (*before_note)(void);

struct store;
int __real_note_append(struct store *store, const char *type, const void *data, size_t size);
int __wrap_note_append(struct store *store, const char *type, const void *data, size_t size);

int __wrap_note_append(struct store *store, const char *type, const void *data, size_t size)
{
    void (*call)(void) = before_note;
    before_note = NULL;
    if (call)
        call();
    return __real_note_append(store, type, data, size);
}

/* In this log what a trimming has left is deleted, once, before the log's range is read. */
static evlog *before_count;

int __real_store_range(struct store *store, uint64_t *first, uint64_t *last);
int __wrap_store_range(struct store *store, uint64_t *first, uint64_t *last);

int __wrap_store_range(struct store *store, uint64_t *first, uint64_t *last)
{
    evlog *log = before_count;
    before_count = NULL;
    if (log)
        OK(evlog_trim(log, 1, NULL, NULL));
    return __real_store_range(store, first, last);
}

static int expect_next(const evlog_event *event, void *ctx)
{
    uint64_t *next = ctx;
    if (event->seq != *next)
        return evlog_fail("not the next");
    ++*next;
    return 0;
}

/* What is trimmed meanwhile is passed over, and so are the log's own events. */
static int expect_later(const evlog_event *event, void *ctx)
{
    uint64_t *last = ctx;
    if (event->seq <= *last)
        return evlog_fail("not later");
    *last = event->seq;
    return 0;
}

/* ------------------------------------------------------------- what goes ---- */

static void what_is_trimmed_is_gone(void **state)
{
    static const evlog_durability durabilities[] = {EVLOG_DURABLE, EVLOG_FAST};
    for (unsigned i = 0; i < 2; i++) {
        const char *path = in(*state, i ? "fast" : "durable");
        evlog_signal *signal;
        evlog_event *event;
        evlog_trimmed trimmed;
        uint64_t next = 5000;
        evlog *log = open_with(path, durabilities[i], &signal);
        send_many(signal, EVENTS);
        OK(evlog_trim(log, 5000, NULL, &trimmed));
        assert_int_equal(trimmed.first_seq, 1);
        assert_int_equal(trimmed.last_seq, 4999);
        assert_int_equal(trimmed.deleted_count, 4999);
        expect_bounds(log, 5000, EVENTS + 1); /* the note is the last one */
        FAILS(EVLOG_NOTFOUND, "no event 4999", evlog_read(log, 4999, &event));
        OK(evlog_replay(log, NULL, expect_next, &next, NULL));
        assert_int_equal(next, EVENTS + 1);
        OK(evlog_read(log, EVENTS + 1, &event));
        assert_string_equal(event->event_type, "evlog.trimmed.v1");
        assert_memory_equal(
            event->data,
            "\x83\xa9"
            "first_seq\xcf\0\0\0\0\0\0\0\1\xa8last_seq\xcf\0\0\0\0\0\0\x13\x87\xa6"
            "forced\xc2",
            event->data_size);
        evlog_event_free(event);
        send_many(signal, 10);
        expect_bounds(log, 5000, EVENTS + 11);
        OK(evlog_close(log));
        OK(evlog_open(path, &(evlog_options){.read_only = true}, &log));
        expect_bounds(log, 5000, EVENTS + 11);
        OK(evlog_close(log));
    }
}

static void the_newest_event_stays(void **state)
{
    evlog_signal *signal;
    evlog_trimmed trimmed;
    evlog *log = open_with(in(*state, "log"), EVLOG_DURABLE, &signal);
    OK(evlog_trim(log, 1000, NULL, &trimmed)); /* an empty log */
    assert_int_equal(trimmed.first_seq, 0);
    send_many(signal, 3);
    OK(evlog_trim(log, 4, NULL, &trimmed));
    assert_int_equal(trimmed.last_seq, 2);
    expect_bounds(log, 3, 4);
    OK(evlog_trim(log, 3, NULL, &trimmed));
    assert_int_equal(trimmed.first_seq, 0);
    expect_bounds(log, 3, 4); /* and nothing was noted */
    OK(evlog_trim(log, UINT64_MAX, NULL, &trimmed));
    assert_int_equal(trimmed.last_seq, 3);
    expect_bounds(log, 4, 5);
    OK(evlog_close(log));
}

static void a_preview_changes_nothing(void **state)
{
    evlog_signal *signal;
    evlog_trimmed trimmed;
    evlog *log = open_with(in(*state, "log"), EVLOG_DURABLE, &signal);
    send_many(signal, 10);
    OK(evlog_trim(log, 5, &(evlog_trim_options){.preview = true}, NULL));
    OK(evlog_close(log));
    OK(evlog_open(in(*state, "log"), &(evlog_options){.read_only = true}, &log));
    OK(evlog_trim(log, 5, &(evlog_trim_options){.preview = true}, &trimmed));
    assert_int_equal(trimmed.first_seq, 1);
    assert_int_equal(trimmed.last_seq, 4);
    assert_int_equal(trimmed.deleted_count, 0);
    FAILS(EVLOG_READONLY, "reading only", evlog_trim(log, 5, NULL, NULL));
    expect_bounds(log, 1, 10);
    OK(evlog_close(log));
}

/* ------------------------------------------------------------- consumers ---- */

static void hear_lost(const evlog_notice *notice, void *ctx)
{
    if (notice->kind == EVLOG_NOTICE_LOST)
        memcpy(ctx, (uint64_t[]){notice->first_seq, notice->last_seq}, 2 * sizeof(uint64_t));
}

/* A process that trims to event 60 when it is told to. */
static struct {
    atomic_int step;
    pid_t pid;
} * other;

static void let_other_trim(void)
{
    other->step = 1;
    expect_end(&other->pid, 1);
}

static void start_other(const char *path)
{
    evlog *log;
    other = map_shared(sizeof *other);
    pid_t pid = start_process();
    if (pid) {
        other->pid = pid;
        return;
    }
    while (!other->step)
        usleep(100);
    if (evlog_open(path, NULL, &log) || evlog_trim(log, 60, NULL, NULL) || evlog_close(log))
        die("trimming", 60);
    _exit(0);
}

/*
 * Another process, that of a sender with a policy as a rule, may trim further in the middle of it: then there is no
 * more to do.
 */
static void another_may_trim_further_meanwhile(void **state)
{
    evlog_signal *signal;
    evlog_trimmed trimmed;
    start_other(in(*state, "log"));
    evlog *log = open_with(in(*state, "log"), EVLOG_DURABLE, &signal);
    send_many(signal, 100);
    before_note = let_other_trim;
    OK(evlog_trim(log, 30, NULL, &trimmed));
    expect_bounds(log, 60, 102);
    OK(evlog_close(log));
}

static void a_consumer_holds_what_it_needs(void **state)
{
    evlog_signal *signal;
    evlog_trimmed trimmed;
    evlog_consumer *consumer;
    const evlog_event *event;
    uint64_t lost[2] = {0, 0};
    evlog_consumer_options options = {
        .ack_by_hand = true, .notice = hear_lost, .notice_ctx = lost};
    evlog *log = open_with(in(*state, "log"), EVLOG_DURABLE, &signal);
    send_many(signal, 100);
    OK(evlog_consumer_open(log, "slow", &options, &consumer));
    for (unsigned i = 0; i < 20; i++)
        OK(evlog_consumer_next(consumer, 0, &event));
    OK(acknowledge(consumer, 20));
    OK(evlog_consumer_close(consumer));
    OK(evlog_trim(log, 21, NULL, &trimmed)); /* it has done these */
    FAILS(EVLOG_CONFLICT, "the consumer slow still needs event 21",
          evlog_trim(log, 22, NULL, &trimmed));
    assert_int_equal(trimmed.held_seq, 21);
    assert_string_equal(trimmed.held_by, "slow");
    expect_bounds(log, 21, 101);
    OK(evlog_trim(log, 51, &(evlog_trim_options){.force = true}, &trimmed));
    expect_bounds(log, 51, 102);
    OK(evlog_consumer_open(log, "slow", &options, &consumer));
    OK(evlog_consumer_next(consumer, 0, &event));
    assert_int_equal(event->seq, 51);
    assert_int_equal(lost[0], 21);
    assert_int_equal(lost[1], 50);
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(log));
}

/* What a consumer has parked it may still be given: so it holds that, too. */
static void a_parked_event_is_held(void **state)
{
    evlog_signal *signal;
    evlog_trimmed trimmed;
    evlog_consumer *consumer;
    const evlog_event *event;
    evlog_consumer_options options = {.ack_by_hand = true, .attempt_max = 1};
    evlog *log = open_with(in(*state, "log"), EVLOG_DURABLE, &signal);
    send_many(signal, 10);
    OK(evlog_consumer_open(log, "picky", &options, &consumer));
    for (unsigned i = 1; i <= 10; i++) {
        OK(evlog_consumer_next(consumer, 0, &event));
        OK(i == 3 ? evlog_consumer_fail(consumer, 3, "not this one")
                  : evlog_consumer_done(consumer, i));
    }
    OK(evlog_consumer_close(consumer));
    FAILS(EVLOG_CONFLICT, "event 3", evlog_trim(log, 8, NULL, &trimmed));
    OK(evlog_parked_drop(log, "picky", 3, NULL));
    OK(evlog_trim(log, 8, NULL, &trimmed));
    expect_bounds(log, 8, 11);
    OK(evlog_close(log));
}

/* ---------------------------------------------------------- in the middle ---- */

static int stop_at_once(uint64_t deleted_count, void *ctx)
{
    (void)ctx;
    return deleted_count ? 7 : 0;
}

static void what_is_left_goes_the_next_time(void **state)
{
    evlog_signal *signal;
    evlog_trimmed trimmed;
    evlog *log = open_with(in(*state, "log"), EVLOG_DURABLE, &signal);
    send_many(signal, EVENTS);
    assert_int_equal(
        evlog_trim(log, 5001, &(evlog_trim_options){.visit = stop_at_once}, &trimmed), 7);
    uint64_t deleted_count = trimmed.deleted_count;
    assert_true(deleted_count > 0 && deleted_count < 5000);
    expect_bounds(log, 5001, EVENTS + 1);
    OK(evlog_close(log));
    log = open_with(in(*state, "log"), EVLOG_DURABLE, &signal);
    expect_bounds(log, 5001, EVENTS + 1);
    OK(evlog_trim(log, 1, NULL, &trimmed));
    assert_int_equal(trimmed.first_seq, 0);
    assert_int_equal(trimmed.deleted_count, 5000 - deleted_count);
    expect_bounds(log, 5001, EVENTS + 1);
    OK(evlog_close(log));
}

/* The file does not grow while what comes is no more than what goes. */
static void space_is_used_again(void **state)
{
    evlog_signal *signal;
    evlog_info info;
    evlog *log = open_with(in(*state, "log"), EVLOG_DURABLE, &signal);
    uint64_t size = 0;
    for (unsigned i = 0; i < 12; i++) {
        send_many(signal, 3000);
        OK(evlog_inspect(log, &info));
        OK(evlog_trim(log, info.last_seq - 1000, NULL, NULL));
        if (i == 3)
            size = info.page_count;
    }
    OK(evlog_inspect(log, &info));
    assert_true(info.page_count <= size + size / 10);
    OK(evlog_close(log));
}

#define LOG_SIZE ((uint64_t)1 << 20)
#define CYCLES 50

/* Until there is no room. */
static void send_until_full(evlog_signal *signal)
{
    int result;
    while ((result = send_hundred(signal)) == EVLOG_OK)
        ;
    assert_int_equal(result, EVLOG_FULL);
    assert_non_null(strstr(evlog_errmsg(), "log_size_max"));
}

static void go_on_at_the_limit(const char *path, evlog_durability durability)
{
    evlog_options options = {.durability = durability, .log_size_max = LOG_SIZE};
    evlog_signal *signal;
    evlog_info info;
    evlog *log;
    OK(evlog_open(path, &options, &log));
    OK(evlog_define(log, TYPE, 0, NULL, &signal));
    send_until_full(signal);
    for (unsigned cycle = 0; cycle < CYCLES; cycle++) {
        OK(evlog_inspect(log, &info));
        OK(evlog_trim(log, info.last_seq - 500, NULL, NULL));
        send_many(signal, 2000);
        OK(evlog_inspect(log, &info));
        assert_true(info.file_size <= LOG_SIZE);
    }
    assert_true(info.last_seq > (uint64_t)CYCLES * 2000);
    send_until_full(signal);
    OK(evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_close(log));
}

/* A log that has reached log_size_max can be trimmed, and then goes on in what became free. */
static void what_is_trimmed_is_room_at_the_limit(void **state)
{
    go_on_at_the_limit(in(*state, "durable"), EVLOG_DURABLE);
    go_on_at_the_limit(in(*state, "fast"), EVLOG_FAST);
}

/* -------------------------------------------------- beside others, and kills ---- */

#define SENDERS 3
#define ROUNDS 4
#define SOME 100

struct world {
    const char *path;
    evlog_durability durability;
    atomic_int sent[SENDERS]; /* events that were acknowledged */
    atomic_int trims;
};

static void send_for_ever(struct world *world, unsigned who)
{
    evlog_signal *signal;
    open_with(world->path, world->durability, &signal);
    for (;;) {
        int result = evlog_send_event(signal, "\x80", 1, NULL, NULL);
        if (result)
            die("sending", 0);
        world->sent[who]++;
    }
}

static void trim_for_ever(struct world *world)
{
    evlog_signal *signal;
    evlog *log = open_with(world->path, world->durability, &signal);
    for (;;) {
        evlog_info info;
        if (evlog_inspect(log, &info))
            die("inspecting", 0);
        if (info.last_seq > 100 && evlog_trim(log, info.last_seq - 100, NULL, NULL))
            die("trimming", info.last_seq);
        world->trims++;
    }
}

static void read_for_ever(struct world *world)
{
    evlog *log;
    if (evlog_open(world->path, &(evlog_options){.read_only = true}, &log))
        die("opening to read", 0);
    for (;;) {
        uint64_t next = 0;
        if (evlog_replay(log, NULL, expect_later, &next, NULL))
            die("reading", next);
    }
}

static void wait_until(const atomic_int *count, int wanted)
{
    while (*count < wanted)
        usleep(200);
}

static void play_round(struct world *world, unsigned round)
{
    pid_t pids[SENDERS + 2];
    int before = world->trims;
    for (unsigned i = 0; i < SENDERS + 2; i++) {
        pids[i] = start_process();
        if (pids[i] == 0 && i < SENDERS)
            send_for_ever(world, i);
        else if (pids[i] == 0 && i == SENDERS)
            trim_for_ever(world);
        else if (pids[i] == 0)
            read_for_ever(world);
    }
    wait_until(&world->sent[0], (int)(round + 1) * SOME);
    wait_until(&world->trims, before + 2);
    kill_process(pids[SENDERS]); /* the trimmer first: the senders go on, and flush for it */
    int sent = world->sent[0];
    wait_until(&world->sent[0], sent + 20);
    for (unsigned i = 0; i < SENDERS + 2; i++)
        if (i != SENDERS)
            kill_process(pids[i]);
}

static void trim_beside_others(const char *path, evlog_durability durability)
{
    struct world *world = map_shared(sizeof *world);
    evlog_signal *signal;
    evlog_info info;
    world->path = path;
    world->durability = durability;
    OK(evlog_close(open_with(path, durability, &signal)));
    for (unsigned round = 0; round < ROUNDS; round++) {
        play_round(world, round);
        evlog *log = open_with(path, durability, &signal);
        OK(evlog_verify(log, NULL, NULL, NULL));
        OK(evlog_inspect(log, &info));
        uint64_t sent = 0;
        for (unsigned i = 0; i < SENDERS; i++)
            sent += (uint64_t)world->sent[i];
        assert_true(info.last_seq >= sent); /* and the notes */
        OK(evlog_close(log));
    }
    munmap(world, sizeof *world);
}

static void senders_and_readers_go_on(void **state)
{
    trim_beside_others(in(*state, "durable"), EVLOG_DURABLE);
    trim_beside_others(in(*state, "fast"), EVLOG_FAST);
}

/* ------------------------------------------------------------ while it is verified ---- */

static int trim_once(const evlog_finding *finding, uint64_t seq, void *ctx)
{
    evlog **log = ctx;
    if (finding)
        fail_msg("%s", finding->text);
    if (*log && seq > 0)
        OK(evlog_trim(*log, 5500, NULL, NULL));
    if (seq > 0)
        *log = NULL;
    return 0;
}

/* What is trimmed between two batches of a verification is not reported as missing. */
static void what_goes_meanwhile_is_not_missing(void **state)
{
    evlog_signal *signal;
    evlog *log = open_with(in(*state, "log"), EVLOG_FAST, &signal), *trimmed = log;
    uint64_t checked;
    send_many(signal, EVENTS);
    OK(evlog_verify(log, trim_once, &trimmed, &checked));
    assert_null(trimmed);
    assert_true(checked < EVENTS); /* it was between them */
    expect_bounds(log, 5500, EVENTS + 1);
    OK(evlog_close(log));
}

/* Nor is it said that there are too many when what an earlier trimming has left goes. */
static void what_goes_meanwhile_is_not_counted(void **state)
{
    evlog_signal *signal;
    evlog_trim_options options = {.visit = stop_at_once};
    evlog *log = open_with(in(*state, "log"), EVLOG_FAST, &signal);
    send_many(signal, 20);
    assert_int_equal(evlog_trim(log, 10, &options, NULL), 7);
    before_count = log;
    OK(evlog_verify(log, NULL, NULL, NULL));
    assert_null(before_count);
    OK(evlog_close(log));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(what_is_trimmed_is_gone),
        TEST_AT_HOME(the_newest_event_stays),
        TEST_AT_HOME(another_may_trim_further_meanwhile),
        TEST_AT_HOME(a_preview_changes_nothing),
        TEST_AT_HOME(a_consumer_holds_what_it_needs),
        TEST_AT_HOME(a_parked_event_is_held),
        TEST_AT_HOME(what_is_left_goes_the_next_time),
        TEST_AT_HOME(space_is_used_again),
        TEST_AT_HOME(senders_and_readers_go_on),
        TEST_AT_HOME(what_goes_meanwhile_is_not_missing),
        TEST_AT_HOME(what_goes_meanwhile_is_not_counted),
        TEST_AT_HOME(what_is_trimmed_is_room_at_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
