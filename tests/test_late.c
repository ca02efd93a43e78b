/*
 * Late receivers: history first, then live, each event once; also while threads and processes
 * send, and whatever the receiver does in its history: fail, disconnect, send.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "child.h"
#include "consume.h"
#include "damage.h"
#include "load.h"

#define LATE(...) (&(evlog_connect_options){__VA_ARGS__})

/* ---------------------------------------------------------------- starting ---- */

/* History from the first, a seq, a time, the last n; then live; history alone is a replay. */
static void history_then_live(void **state)
{
    static struct heard heard;
    struct opened place = open_log(*state);
    evlog_event *event;
    evlog_outcome outcome;
    for (int i = 0; i < 5; i++) {
        send_some(place.a, 1);
        usleep(1000);
    }
    OK(evlog_read(place.log, 4, &event));
    const struct {
        evlog_connect_options options;
        uint64_t first;
    } cases[] = {
        {{.start = EVLOG_START_FIRST}, 1},
        {{.start = EVLOG_START_SEQ, .start_seq = 3}, 3},
        {{.start = EVLOG_START_SEQ, .start_seq = 6}, 6},
        {{.start = EVLOG_START_TIME, .start_time_us = event->log_time_us}, 4},
        {{.start = EVLOG_START_TIME, .start_time_us = INT64_MAX}, 6},
        {{.start = EVLOG_START_LAST, .start_count = 2}, 4},
        {{.start = EVLOG_START_LAST, .start_count = 99}, 1},
        {{.start = EVLOG_START_LAST, .start_count = 0}, 6},
        {{.start = EVLOG_START_NEW}, 6},
        {{.start = EVLOG_START_DEFAULT}, 6},
    };
    evlog_event_free(event);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t head = 5 + i;
        uint64_t shift = cases[i].first == 6 || cases[i].options.start_count == 2 ? i : 0;
        evlog_connect_options options = cases[i].options;
        options.start_seq += options.start_seq == 6 ? i : 0;
        options.outcome = &outcome;
        OK(evlog_connect(place.log, place.a, NULL, hear, &heard, &options));
        uint64_t first = cases[i].first + shift;
        for (size_t j = 0; j < heard.count; j++)
            assert_true(heard.of[j].is_replay && !heard.of[j].attempt);
        assert_int_equal(outcome.delivered, head + 1 - first);
        assert_int_equal(outcome.last_seq, first <= head ? head : 0);
        assert_int_equal(outcome.failed + outcome.damaged + outcome.skipped, 0);
        send_some(place.a, 1);
        assert_false(heard.of[heard.count - 1].is_replay);
        heard_all(&heard, first, head + 1);
        OK(evlog_disconnect(place.log, place.a, NULL, hear, &heard));
    }
    OK(evlog_close(place.log));
}

/* History is that of its signal; connected to all, that of the whole log, defined here or not. */
static void history_is_that_of_its_signal(void **state)
{
    static struct heard one, all;
    struct opened place = open_log(*state);
    send_some(place.a, 2);
    send_some(place.b, 2);
    OK(evlog_close(place.log));
    OK(evlog_open(in(*state, "log"), NULL, &place.log));
    OK(evlog_define(place.log, "b.v1", 0, NULL, &place.b));
    OK(evlog_connect(place.log, place.b, NULL, hear, &one, LATE(.start = EVLOG_START_FIRST)));
    HEARD(&one, 3, 4);
    OK(evlog_connect(place.log, place.b, "last", hear, &one,
                     LATE(.start = EVLOG_START_LAST, .start_count = 1)));
    HEARD(&one, 4);
    OK(evlog_connect(place.log, NULL, NULL, hear, &all, LATE(.start = EVLOG_START_FIRST)));
    HEARD(&all, 1, 2, 3, 4);
    OK(evlog_close(place.log));
}

/* A long history comes whole and in order, over many pieces. */
static void a_long_history_comes_whole(void **state)
{
    static struct heard heard;
    static evlog_sending sends[6000];
    struct opened place = open_log(*state);
    for (size_t i = 0; i < 6000; i++)
        sends[i] = (evlog_sending){.signal = place.a, .data = "\x80", .data_size = 1};
    OK(evlog_send_events(sends, 6000, NULL, NULL));
    OK(evlog_connect(place.log, place.a, NULL, hear, &heard, LATE(.start = EVLOG_START_FIRST)));
    heard_all(&heard, 1, 6000);
    OK(evlog_close(place.log));
}

/* One that is silent has the same history, and none of it says that it is. */
static void a_silent_one_does_not_see_the_border(void **state)
{
    static struct heard heard;
    struct opened place = open_log(*state);
    send_some(place.a, 2);
    OK(evlog_connect(place.log, place.a, NULL, hear, &heard,
                     LATE(.start = EVLOG_START_FIRST, .replay = EVLOG_REPLAY_SILENT)));
    send_some(place.a, 1);
    for (size_t i = 0; i < 3; i++)
        assert_false(heard.of[i].is_replay);
    heard_all(&heard, 1, 3);
    OK(evlog_close(place.log));
}

/* Starts that make no sense, and history for a receiver that refuses it, connect nothing. */
static void what_makes_no_sense_is_refused(void **state)
{
    static struct heard heard;
    struct opened place = open_log(*state);
    evlog_outcome outcome = {.delivered = 77};
    const evlog_connect_options refused[] = {
        {.start = 6},
        {.start = -1},
        {.start = EVLOG_START_SEQ, .start_seq = 0},
        {.start = EVLOG_START_SEQ, .start_seq = 4},
        {.start = EVLOG_START_FIRST, .replay = EVLOG_REPLAY_REFUSE},
        {.replay = 3},
        {.replay = -1},
    };
    send_some(place.a, 2);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        evlog_connect_options options = refused[i];
        options.outcome = &outcome;
        FAILS(EVLOG_INVALID, "", evlog_connect(place.log, place.a, NULL, hear, &heard, &options));
        FAILS(EVLOG_NOTFOUND, "", evlog_disconnect(place.log, place.a, NULL, hear, &heard));
    }
    FAILS(EVLOG_INVALID, "no receiver",
          evlog_connect(place.log, place.a, NULL, NULL, NULL, LATE(.start = EVLOG_START_FIRST)));
    FAILS(EVLOG_INVALID, "no log",
          evlog_connect(NULL, place.a, NULL, hear, &heard, LATE(.start = EVLOG_START_FIRST)));
    assert_int_equal(outcome.delivered, 0);
    assert_int_equal(heard.count, 0);
    assert_false(evlog_has_receivers(place.a));
    OK(evlog_close(place.log));
}

/* One that is known, by itself or its dispatch_uid, is not connected again, and hears no history. */
static void a_known_one_gets_no_history(void **state)
{
    static struct heard heard, other;
    struct opened place = open_log(*state);
    evlog_outcome outcome = {.delivered = 77};
    send_some(place.a, 3);
    OK(evlog_connect(place.log, place.a, NULL, hear, &heard, NULL));
    OK(evlog_connect(place.log, place.a, NULL, hear, &heard,
                     LATE(.start = EVLOG_START_FIRST, .outcome = &outcome)));
    OK(evlog_connect(place.log, place.a, "uid", hear, &other, LATE(.start = EVLOG_START_FIRST)));
    HEARD(&other, 1, 2, 3);
    OK(evlog_connect(place.log, place.a, "uid", hear, &heard, LATE(.start = EVLOG_START_FIRST)));
    assert_int_equal(heard.count + other.count, 0);
    assert_int_equal(outcome.delivered, 0);
    send_some(place.a, 1);
    HEARD(&heard, 4);
    HEARD(&other, 4);
    OK(evlog_close(place.log));
}

/* ---------------------------------------------------- failures and damage ---- */

/* A failure in the history ends and disconnects it, and says which event it was. */
static void a_failure_in_the_history_disconnects(void **state)
{
    static struct heard heard = {.fails_at = 3, .why = "no such course"};
    struct opened place = open_log(*state);
    evlog_outcome outcome;
    send_some(place.a, 5);
    FAILS(EVLOG_RECEIVER, "event 3 (a.v1)",
          evlog_connect(place.log, place.a, NULL, hear, &heard,
                        LATE(.start = EVLOG_START_FIRST, .outcome = &outcome)));
    assert_non_null(strstr(evlog_errmsg(), "no such course"));
    HEARD(&heard, 1, 2, 3);
    assert_int_equal(outcome.delivered, 2);
    assert_int_equal(outcome.failed, 1);
    assert_int_equal(outcome.last_seq, 3);
    assert_int_equal(outcome.first_failed_seq, 3);
    assert_int_equal(outcome.receiver_result, EVLOG_RECEIVER);
    assert_false(evlog_has_receivers(place.a));
    send_some(place.a, 1);
    assert_int_equal(heard.count, 0);
    OK(evlog_close(place.log));
}

/* With keep_going failures are counted, and it is connected; a live failure is another matter. */
static void failures_can_be_counted(void **state)
{
    static struct heard heard = {.fails_at = UINT64_MAX, .fails = 3};
    struct opened place = open_log(*state);
    evlog_outcome outcome;
    send_some(place.a, 5);
    OK(evlog_connect(
        place.log, place.a, NULL, hear, &heard,
        LATE(.start = EVLOG_START_SEQ, .start_seq = 2, .keep_going = 1, .outcome = &outcome)));
    assert_int_equal(outcome.delivered, 1);
    assert_int_equal(outcome.failed, 3);
    assert_int_equal(outcome.first_failed_seq, 2);
    assert_int_equal(outcome.last_seq, 5);
    send_some(place.a, 1);
    heard_all(&heard, 2, 6);
    OK(evlog_close(place.log));
}

/* Damage in the history ends it too, or is counted. */
static void damage_in_the_history_is_told(void **state)
{
    static struct heard heard;
    struct opened place = open_log(*state);
    evlog_outcome outcome;
    send_some(place.a, 5);
    OK(evlog_close(place.log));
    struct raw raw = raw_open(in(*state, "log/events.mdb"));
    struct bytes value = raw_get(&raw, "\0\0\0\0\0\0\0\x03", 8);
    value.at[5] ^= 1;
    raw_put(&raw, "\0\0\0\0\0\0\0\x03", 8, value);
    free(value.at);
    raw_close(&raw);
    place = open_log(*state);
    FAILS(EVLOG_DAMAGED, "event 3",
          evlog_connect(place.log, place.a, NULL, hear, &heard,
                        LATE(.start = EVLOG_START_FIRST, .outcome = &outcome)));
    HEARD(&heard, 1, 2);
    assert_int_equal(outcome.damaged, 1);
    assert_int_equal(outcome.delivered, 2);
    assert_false(evlog_has_receivers(place.a));
    OK(evlog_connect(place.log, place.a, NULL, hear, &heard,
                     LATE(.start = EVLOG_START_FIRST, .keep_going = 1, .outcome = &outcome)));
    HEARD(&heard, 1, 2, 4, 5);
    assert_int_equal(outcome.damaged, 1);
    assert_int_equal(outcome.first_failed_seq, 3);
    OK(evlog_close(place.log));
}

/* ------------------------------------------------------ from inside history ---- */

/* What a receiver does when it comes to an event of its history. */
struct inside {
    struct opened place;
    struct heard heard, other;
    uint64_t at;
};

static int disconnect_inside(const evlog_event *event, void *ctx)
{
    struct inside *inside = ctx;
    if (event->seq == inside->at)
        OK(evlog_disconnect(inside->place.log, inside->place.a, NULL, disconnect_inside, inside));
    return hear(event, &inside->heard);
}

/* It may disconnect itself: nothing more comes, and the outcome says how far it was. */
static void disconnecting_itself_ends_the_history(void **state)
{
    static struct inside inside = {.at = 2};
    static evlog_sending sends[3000];
    inside.place = open_log(*state);
    evlog_outcome outcome;
    for (size_t i = 0; i < 3000; i++)
        sends[i] = (evlog_sending){.signal = inside.place.a, .data = "\x80", .data_size = 1};
    OK(evlog_send_events(sends, 3000, NULL, NULL));
    OK(evlog_connect(inside.place.log, inside.place.a, NULL, disconnect_inside, &inside,
                     LATE(.start = EVLOG_START_FIRST, .outcome = &outcome)));
    assert_int_equal(outcome.delivered, 2);
    assert_int_equal(outcome.last_seq, 2);
    assert_false(evlog_has_receivers(inside.place.a));
    send_some(inside.place.a, 1);
    HEARD(&inside.heard, 1, 2);
    OK(evlog_close(inside.place.log));
}

static int send_inside(const evlog_event *event, void *ctx)
{
    struct inside *inside = ctx;
    size_t before = inside->heard.count + 1;
    hear(event, &inside->heard);
    if (event->seq <= inside->at)
        send_some(inside->place.a, 2);
    assert_int_equal(inside->heard.count, before); /* not inside its call */
    return 0;
}

/* What it sends from inside its history comes later, once; others hear it live at once. */
static void what_it_sends_comes_later_once(void **state)
{
    static struct inside inside = {.at = 3};
    inside.place = open_log(*state);
    send_some(inside.place.a, 3);
    OK(evlog_connect(inside.place.log, inside.place.a, NULL, hear, &inside.other, NULL));
    OK(evlog_connect(inside.place.log, inside.place.a, NULL, send_inside, &inside,
                     LATE(.start = EVLOG_START_FIRST)));
    for (size_t i = 0; i < 9; i++)
        assert_true(inside.heard.of[i].is_replay);
    heard_all(&inside.heard, 1, 9);
    heard_all(&inside.other, 4, 9);
    send_some(inside.place.a, 1);
    assert_false(inside.heard.of[0].is_replay);
    heard_all(&inside.heard, 10, 10);
    OK(evlog_close(inside.place.log));
}

static int connect_inside(const evlog_event *event, void *ctx)
{
    struct inside *inside = ctx;
    if (event->seq == inside->at) {
        OK(evlog_connect(inside->place.log, inside->place.a, NULL, hear, &inside->other,
                         LATE(.start = EVLOG_START_FIRST)));
        FAILS(EVLOG_BUSY, "still at work", evlog_close(inside->place.log));
        OK(evlog_connect(inside->place.log, inside->place.a, NULL, connect_inside, inside,
                         LATE(.start = EVLOG_START_FIRST))); /* it is known already */
    }
    return hear(event, &inside->heard);
}

/* A late receiver may connect another one inside its history, which has its own, whole. */
static void one_may_connect_another_inside(void **state)
{
    static struct inside inside = {.at = 2};
    inside.place = open_log(*state);
    send_some(inside.place.a, 3);
    OK(evlog_connect(inside.place.log, inside.place.a, NULL, connect_inside, &inside,
                     LATE(.start = EVLOG_START_FIRST)));
    send_some(inside.place.a, 1);
    heard_all(&inside.heard, 1, 4);
    heard_all(&inside.other, 1, 4);
    OK(evlog_close(inside.place.log));
}

/* --------------------------------------------------------------- under load ---- */

#define ROUNDS 20
#define SENDERS 4
#define OTHERS 2 /* other processes that send */
#define LATES 6  /* late receivers of a round, each connected by a thread of its own */
#define EVENTS_MAX 200000

/* What all see: the other processes too. */
struct common {
    atomic_int round, stop, started, ended, failed;
};

/* A late receiver, and what it has been given. */
struct late {
    struct load_test *test;
    evlog_connect_options start;
    unsigned delay_us;
    unsigned slowness; /* every so manyth event it is slow */
    uint64_t first;    /* the first seq it asked for at least, when it is known; 0: not */
    _Atomic uint64_t last_history;
    atomic_int is_live, broken;
    atomic_uchar times[EVENTS_MAX];
    unsigned char was_history[EVENTS_MAX];
};

struct load_test {
    evlog *log;
    evlog_signal *signal;
    const char *path;
    struct common *common;
    uint64_t random;
    atomic_uchar is_own[EVENTS_MAX]; /* by seq: sent by this process */
    struct late lates[LATES];
};

static void *send_until_stopped(void *ctx)
{
    struct load_test *test = ctx;
    while (!test->common->stop) {
        evlog_sent sent;
        OK(evlog_send_event(test->signal, "\x80", 1, NULL, &sent));
        assert_true(sent.seq < EVENTS_MAX);
        test->is_own[sent.seq] = 1;
        evlog_sent_free(&sent);
        if (sent.seq % 16 == 0)
            usleep(100);
    }
    return NULL;
}

static void send_in_round(struct load_test *test)
{
    evlog *log;
    evlog_signal *signal;
    CHECK(evlog_open(test->path, NULL, &log) == EVLOG_OK);
    CHECK(evlog_define(log, LOAD_TYPE, 0, NULL, &signal) == EVLOG_OK);
    test->common->started++;
    while (!test->common->stop) {
        CHECK(evlog_send_event(signal, "\x80", 1, NULL, NULL) == EVLOG_OK);
        usleep(150);
    }
    CHECK(evlog_close(log) == EVLOG_OK);
    test->common->ended++;
}

/* In a process that is forked before there are threads: the sanitizer's malloc may be locked in others. */
static void send_elsewhere(void *ctx)
{
    struct load_test *test = ctx;
    for (int round = 1; round <= ROUNDS; round++) {
        while (test->common->round < round)
            usleep(100);
        send_in_round(test);
    }
}

/* History in order and before anything live; the rest is counted, and looked at afterwards. */
static int hear_late(const evlog_event *event, void *ctx)
{
    struct late *late = ctx;
    if (event->is_replay) {
        if (late->is_live || event->seq <= late->last_history)
            late->broken = 1;
        late->last_history = event->seq;
        late->was_history[event->seq] = 1;
    } else {
        late->is_live = 1;
        if (event->seq <= late->last_history)
            late->broken = 2;
    }
    late->times[event->seq]++;
    if (late->slowness && event->seq % late->slowness == 0)
        usleep(200);
    return 0;
}

static void *connect_late(void *ctx)
{
    struct late *late = ctx;
    evlog_info info;
    usleep(late->delay_us);
    OK(evlog_inspect(late->test->log, &info));
    if (late->start.start == EVLOG_START_SEQ)
        late->first = late->start.start_seq = 1 + late->start.start_seq % (info.last_seq + 1);
    if (late->start.start == EVLOG_START_FIRST)
        late->first = 1;
    if (late->start.start == EVLOG_START_TIME)
        late->start.start_time_us =
            info.first_log_time_us +
            (int64_t)(late->start.start_seq %
                      (uint64_t)(info.last_log_time_us + 1 - info.first_log_time_us));
    OK(evlog_connect(late->test->log, late->test->signal, NULL, hear_late, late, &late->start));
    return NULL;
}

static void plan_late(struct load_test *test, struct late *late)
{
    static const evlog_start starts[] = {EVLOG_START_FIRST, EVLOG_START_SEQ, EVLOG_START_SEQ,
                                         EVLOG_START_TIME, EVLOG_START_LAST};
    memset(late, 0, sizeof *late);
    late->test = test;
    late->start.start = starts[load_random(&test->random, 5)];
    late->start.start_seq = load_random(&test->random, 1 << 20);
    late->start.start_count = load_random(&test->random, 3000);
    late->delay_us = (unsigned)load_random(&test->random, 60000);
    late->slowness =
        load_random(&test->random, 2) ? 50 + (unsigned)load_random(&test->random, 50) : 0;
}

/*
 * From the first it was given on: up to the end of its history every event of the log, then every
 * one of this process; each once.
 */
static void check_late(const struct load_test *test, struct late *late, uint64_t head)
{
    uint64_t first = 1;
    assert_int_equal(late->broken, 0);
    while (first <= head && !late->times[first])
        first++;
    if (late->first)
        assert_true(first == late->first || (first > late->first && !late->last_history));
    for (uint64_t seq = first; seq <= head; seq++) {
        int is_history = seq <= late->last_history;
        if (late->times[seq] != (is_history || test->is_own[seq]))
            fail_msg("event %" PRIu64 " came %d times; history was %" PRIu64 " to %" PRIu64
                     ", the head %" PRIu64,
                     seq, late->times[seq], first, late->last_history, head);
        assert_int_equal(late->was_history[seq], is_history);
    }
}

static void run_round(struct load_test *test, uint64_t *handovers)
{
    pthread_t senders[SENDERS], connecters[LATES];
    evlog_info info;
    test->common->stop = test->common->started = test->common->ended = 0;
    test->common->round++;
    for (int i = 0; i < SENDERS; i++)
        assert_int_equal(pthread_create(&senders[i], NULL, send_until_stopped, test), 0);
    while (test->common->started < OTHERS)
        usleep(100);
    for (int i = 0; i < LATES; i++) {
        plan_late(test, &test->lates[i]);
        assert_int_equal(pthread_create(&connecters[i], NULL, connect_late, &test->lates[i]), 0);
    }
    for (int i = 0; i < LATES; i++)
        pthread_join(connecters[i], NULL);
    usleep(20000);
    test->common->stop = 1;
    for (int i = 0; i < SENDERS; i++)
        pthread_join(senders[i], NULL);
    while (test->common->ended < OTHERS)
        usleep(100);
    OK(evlog_inspect(test->log, &info));
    assert_true(info.last_seq < EVENTS_MAX);
    for (int i = 0; i < LATES; i++) {
        check_late(test, &test->lates[i], info.last_seq);
        *handovers += test->lates[i].is_live && test->lates[i].last_history;
        OK(evlog_disconnect(test->log, test->signal, NULL, hear_late, &test->lates[i]));
    }
}

/*
 * Receivers connect late, at random moments with random starts, while 4 threads here and 2 other
 * processes send: each event of its range comes once, history in log order and before what is live.
 */
static void handover_under_load_loses_nothing(void **state)
{
    static struct load_test test;
    uint64_t handovers = 0;
    test.random = load_seed();
    test.path = in(*state, "log");
    test.common = mmap(NULL, sizeof *test.common, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(test.common, MAP_FAILED);
    pid_t others[OTHERS];
    for (int i = 0; i < OTHERS; i++)
        others[i] = child_start(send_elsewhere, &test);
    OK(evlog_open(test.path, &(evlog_options){.durability = EVLOG_FAST}, &test.log));
    OK(evlog_define(test.log, LOAD_TYPE, 0, NULL, &test.signal));
    send_some(test.signal, 10);
    for (uint64_t seq = 1; seq <= 10; seq++)
        test.is_own[seq] = 1;
    for (int i = 0; i < ROUNDS; i++)
        run_round(&test, &handovers);
    assert_in_range(handovers, ROUNDS, ROUNDS * LATES);
    for (int i = 0; i < OTHERS; i++)
        assert_int_equal(child_wait(others[i]), 0);
    OK(evlog_close(test.log));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(history_then_live),
        TEST_AT_HOME(history_is_that_of_its_signal),
        TEST_AT_HOME(a_long_history_comes_whole),
        TEST_AT_HOME(a_silent_one_does_not_see_the_border),
        TEST_AT_HOME(what_makes_no_sense_is_refused),
        TEST_AT_HOME(a_known_one_gets_no_history),
        TEST_AT_HOME(a_failure_in_the_history_disconnects),
        TEST_AT_HOME(failures_can_be_counted),
        TEST_AT_HOME(damage_in_the_history_is_told),
        TEST_AT_HOME(disconnecting_itself_ends_the_history),
        TEST_AT_HOME(what_it_sends_comes_later_once),
        TEST_AT_HOME(one_may_connect_another_inside),
        TEST_AT_HOME(handover_under_load_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
