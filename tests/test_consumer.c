/*
 * Consumers: where they begin and go on, what they are given and in which order, how events
 * are acknowledged, fail, and are replays; which process may have one; and what each call refuses.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "child.h"
#include "consume.h"
#include "damage.h"
#include "load.h"
#include "trimmed.h"

#define QUICK .backoff_ms = 1, .backoff_max_ms = 2
#define HANG_SECONDS 60

static evlog_consumer *open_consumer(evlog *log, const char *name, evlog_consumer_options options)
{
    evlog_consumer *consumer;
    OK(evlog_consumer_open(log, name, &options, &consumer));
    return consumer;
}

/* --------------------------------------------------------------- starting ---- */

/* A new consumer that begins there is given these. */
#define BEGINS(place, name_, start_, ...)                                      \
    do {                                                                       \
        evlog_consumer *begins =                                               \
            open_consumer((place).log, name_, (evlog_consumer_options)start_); \
        poll_now(begins, &heard);                                              \
        HEARD(&heard, __VA_ARGS__);                                            \
        OK(evlog_consumer_close(begins));                                      \
    } while (0)

/* When it is new it begins where it was asked to: first, seq, time, the last n. */
static void a_new_consumer_begins_where_it_is_asked_to(void **state)
{
    static struct heard heard;
    struct opened place = open_log(*state);
    evlog_event *event;
    for (int i = 0; i < 6; i++) {
        send_some(place.a, 1);
        usleep(1000);
    }
    OK(evlog_read(place.log, 4, &event));
    BEGINS(place, "default", {.start = EVLOG_START_DEFAULT}, 1, 2, 3, 4, 5, 6);
    BEGINS(place, "first", {.start = EVLOG_START_FIRST}, 1, 2, 3, 4, 5, 6);
    BEGINS(place, "seq", ((evlog_consumer_options){.start = EVLOG_START_SEQ, .start_seq = 5}), 5,
           6);
    BEGINS(place, "time",
           ((evlog_consumer_options){.start = EVLOG_START_TIME,
                                     .start_time_us = event->log_time_us}),
           4, 5, 6);
    BEGINS(place, "after",
           ((evlog_consumer_options){.start = EVLOG_START_TIME,
                                     .start_time_us = event->log_time_us + 1}),
           5, 6);
    BEGINS(place, "last", ((evlog_consumer_options){.start = EVLOG_START_LAST, .start_count = 2}),
           5, 6);
    BEGINS(place, "many",
           ((evlog_consumer_options){.start = EVLOG_START_LAST, .start_count = 100}), 1, 2, 3, 4,
           5, 6);
    evlog_event_free(event);
    OK(evlog_close(place.log));
}

/* New, the next seq, none of the last, a time to come: what is sent from now on. */
static void new_is_what_comes(void **state)
{
    static struct heard heard;
    static const evlog_consumer_options starts[] = {
        {.start = EVLOG_START_NEW},
        {.start = EVLOG_START_SEQ, .start_seq = 4},
        {.start = EVLOG_START_LAST, .start_count = 0},
        {.start = EVLOG_START_TIME, .start_time_us = INT64_MAX},
    };
    struct opened place = open_log(*state);
    evlog_consumer *consumers[4];
    send_some(place.a, 3);
    for (int i = 0; i < 4; i++)
        consumers[i] = open_consumer(place.log, (char[]){'c', (char)('0' + i), 0}, starts[i]);
    for (int i = 0; i < 4; i++)
        assert_int_equal(poll_now(consumers[i], &heard), 0);
    send_some(place.a, 2);
    for (int i = 0; i < 4; i++) {
        poll_now(consumers[i], &heard);
        HEARD(&heard, 4, 5);
        OK(evlog_consumer_close(consumers[i]));
    }
    OK(evlog_close(place.log));
}

/* The last n are counted among the types that are wanted. */
static void the_last_are_those_that_are_wanted(void **state)
{
    static struct heard heard;
    static const char *const types[] = {"a.*"};
    struct opened place = open_log(*state);
    send_some(place.a, 3);
    send_some(place.b, 3);
    evlog_consumer *consumer = open_consumer(
        place.log, "c",
        (evlog_consumer_options){
            .start = EVLOG_START_LAST, .start_count = 2, .types = types, .type_count = 1});
    poll_now(consumer, &heard);
    HEARD(&heard, 2, 3);
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
}

/* When it is not new it goes on at its checkpoint, whatever start is given, also in an empty log. */
static void a_known_consumer_goes_on_at_its_checkpoint(void **state)
{
    static struct heard heard;
    struct opened place = open_log(*state);
    evlog_consumer_options options = {.start = EVLOG_START_FIRST};
    evlog_consumer *consumer = open_consumer(place.log, "c", options);
    assert_int_equal(poll_now(consumer, &heard), 0);
    send_some(place.a, 3);
    OK(evlog_consumer_poll(consumer, 2, 0, hear, &heard, NULL));
    HEARD(&heard, 1, 2);
    OK(evlog_consumer_close(consumer));
    for (int i = 0; i < 2; i++) {
        OK(evlog_close(place.log));
        place = open_log(*state);
        options.start = EVLOG_START_SEQ;
        options.start_seq = 1;
        consumer = open_consumer(place.log, "c", options);
        assert_int_equal(info_of(place.log, "c").checkpoint, 2 + i);
        send_some(place.a, 1);
        OK(evlog_consumer_poll(consumer, 1, 0, hear, &heard, NULL));
        heard_all(&heard, (uint64_t)(3 + i), (uint64_t)(3 + i));
        OK(evlog_consumer_close(consumer));
    }
    OK(evlog_close(place.log));
}

/* With no_create only what is there is opened; a start that makes no sense makes no consumer. */
static void what_is_refused_makes_no_consumer(void **state)
{
    static const char *const bad[] = {"a*b"};
    static const evlog_consumer_options refused[] = {
        {.start = 6},
        {.start = -1},
        {.start = EVLOG_START_SEQ, .start_seq = 0},
        {.start = EVLOG_START_SEQ, .start_seq = 2},
        {.types = bad, .type_count = 1},
        {.types = NULL, .type_count = 1},
        {.start = EVLOG_START_NEW, .types = bad, .type_count = 1},
        {.replay = 3},
        {.replay = -1},
        {.on_failure = 3},
        {.on_failure = -1},
        {.speed = -1},
        {.per_second = -0.5},
    };
    struct opened place = open_log(*state);
    evlog_consumer *consumer = (void *)1;
    evlog_consumer_options no_create = {.no_create = 1};
    FAILS(EVLOG_NOTFOUND, "no consumer c",
          evlog_consumer_open(place.log, "c", &no_create, &consumer));
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        FAILS(EVLOG_INVALID, "", evlog_consumer_open(place.log, "c", &refused[i], &consumer));
        FAILS(EVLOG_NOTFOUND, "no consumer c",
              evlog_consumer_open(place.log, "c", &no_create, &consumer));
    }
    assert_ptr_equal(consumer, (void *)1);
    OK(evlog_consumer_open(place.log, "c", NULL, &consumer));
    OK(evlog_consumer_close(consumer));
    OK(evlog_consumer_open(place.log, "c", &no_create, &consumer));
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
}

/* ---------------------------------------------------------------- filters ---- */

/* It gets what it wants; its checkpoint passes the rest, and is written down when it is closed. */
static void a_checkpoint_passes_what_is_not_wanted(void **state)
{
    static struct heard heard;
    static const char *const types[] = {"b.v1"};
    struct opened place = open_log(*state);
    evlog_consumer_options options = {.types = types, .type_count = 1};
    evlog_consumer *consumer = open_consumer(place.log, "c", options);
    send_some(place.a, 5);
    send_some(place.b, 1);
    send_some(place.a, 5);
    poll_now(consumer, &heard);
    HEARD(&heard, 6);
    OK(evlog_consumer_close(consumer));
    assert_int_equal(info_of(place.log, "c").checkpoint, 11);
    assert_int_equal(info_of(place.log, "c").lag_count, 0);
    assert_int_equal(info_of(place.log, "c").done_count, 1);
    OK(evlog_close(place.log));
    place = open_log(*state);
    consumer = open_consumer(place.log, "c", (evlog_consumer_options){.no_create = 1});
    send_some(place.a, 3);
    assert_int_equal(poll_now(consumer, &heard), 0);
    OK(evlog_consumer_close(consumer));
    assert_int_equal(info_of(place.log, "c").checkpoint, 14);
    OK(evlog_close(place.log));
}

/* Many that are not wanted are passed for good now and then, though nothing is handed out. */
static void many_unwanted_are_passed_on_the_way(void **state)
{
    static struct heard heard;
    static const char *const types[] = {"b.v1"};
    static evlog_sending sends[20000];
    struct opened place = open_log(*state);
    evlog_consumer_options options = {.types = types, .type_count = 1};
    evlog_consumer *consumer = open_consumer(place.log, "c", options);
    for (size_t i = 0; i < 20000; i++)
        sends[i] = (evlog_sending){.signal = place.a, .data = "\x80", .data_size = 1};
    OK(evlog_send_events(sends, 20000, NULL, NULL));
    assert_int_equal(poll_now(consumer, &heard), 0);
    assert_in_range(info_of(place.log, "c").checkpoint, 10000, 20000);
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
}

/* The types are kept with the consumer, and replaced when others are given. */
static void types_are_kept_until_others_are_given(void **state)
{
    static struct heard heard;
    static const char *const b[] = {"x.y", "b.v1"}, *const a[] = {"a.*"}, *const all[] = {"*"};
    static const struct {
        const char *const *types;
        size_t count;
        size_t wanted;
    } cases[] = {{b, 2, 1}, {NULL, 0, 1}, {a, 1, 2}, {NULL, 0, 2}, {all, 1, 3}, {NULL, 0, 3}};
    struct opened place = open_log(*state);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        evlog_consumer_options options = {.types = cases[i].types, .type_count = cases[i].count};
        evlog_consumer *consumer = open_consumer(place.log, "c", options);
        send_some(place.a, 2);
        send_some(place.b, 1);
        poll_now(consumer, &heard);
        assert_int_equal(heard.count, cases[i].wanted);
        heard.count = 0;
        OK(evlog_consumer_close(consumer));
    }
    assert_int_equal(info_of(place.log, "c").type_count, 1);
    OK(evlog_close(place.log));
}

/* --------------------------------------------------------- poll, run, stop ---- */

/* A poll hands out at most its limit, and what there is when that is less, and says how many. */
static void a_poll_ends_at_its_limit(void **state)
{
    static struct heard heard;
    static const char *const types[] = {"a.v1"};
    struct opened place = open_log(*state);
    evlog_consumer_options options = {.types = types, .type_count = 1};
    evlog_consumer *consumer = open_consumer(place.log, "c", options);
    uint64_t count = 7;
    send_some(place.a, 2);
    send_some(place.b, 2);
    send_some(place.a, 3);
    OK(evlog_consumer_poll(consumer, 3, 0, hear, &heard, &count));
    assert_int_equal(count, 3);
    HEARD(&heard, 1, 2, 5);
    OK(evlog_consumer_poll(consumer, 3, -1, hear, &heard, &count));
    assert_int_equal(count, 2);
    HEARD(&heard, 6, 7);
    OK(evlog_consumer_poll(consumer, 3, 1, hear, &heard, &count));
    assert_int_equal(count, 0);
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
}

static void *send_later(void *ctx)
{
    struct opened *place = ctx;
    usleep(20000);
    send_some(place->a, 1);
    return NULL;
}

/* A poll that finds nothing waits for the first event, and is not slept over. */
static void a_poll_waits_for_the_first(void **state)
{
    static struct heard heard;
    struct opened place = open_log(*state);
    evlog_consumer *consumer =
        open_consumer(place.log, "c", (evlog_consumer_options){.replay = 0});
    pthread_t thread;
    alarm(HANG_SECONDS);
    for (uint64_t i = 1; i <= 3; i++) {
        assert_int_equal(pthread_create(&thread, NULL, send_later, &place), 0);
        OK(evlog_consumer_poll(consumer, 0, i == 2 ? INT64_MAX : -1, hear, &heard, NULL));
        heard_all(&heard, i, i);
        pthread_join(thread, NULL);
    }
    alarm(0);
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
}

static atomic_int is_running;

static void *stop_later(void *ctx)
{
    while (!is_running)
        usleep(100);
    usleep(10000);
    evlog_consumer_stop(ctx);
    return NULL;
}

static int hear_and_run(const evlog_event *event, void *ctx)
{
    is_running = 1;
    return hear(event, ctx);
}

/* A run ends when another thread stops it, while it waits, and leaves nothing unwritten. */
static void a_run_is_stopped_from_a_thread(void **state)
{
    static struct heard heard;
    struct opened place = open_log(*state);
    evlog_consumer *consumer =
        open_consumer(place.log, "c", (evlog_consumer_options){.replay = 0});
    pthread_t thread;
    alarm(HANG_SECONDS);
    for (uint64_t i = 1; i <= 20; i++) {
        is_running = 0;
        send_some(place.a, 1);
        assert_int_equal(pthread_create(&thread, NULL, stop_later, consumer), 0);
        OK(evlog_consumer_run(consumer, hear_and_run, &heard));
        heard_all(&heard, i, i);
        assert_int_equal(info_of(place.log, "c").checkpoint, i);
        pthread_join(thread, NULL);
    }
    alarm(0);
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
}

static int stop_in_the_midst(const evlog_event *event, void *ctx)
{
    if (event->seq % 3 == 0)
        evlog_consumer_stop(*(evlog_consumer **)ctx);
    return 0;
}

/* Stopped from inside its receiver it ends after that event; stopped before, it does not begin. */
static void a_stop_counts_for_one_poll(void **state)
{
    static struct heard heard;
    struct opened place = open_log(*state);
    evlog_consumer *consumer =
        open_consumer(place.log, "c", (evlog_consumer_options){.replay = 0});
    uint64_t count;
    send_some(place.a, 7);
    FAILS(EVLOG_STOPPED, "stopped",
          evlog_consumer_poll(consumer, 0, -1, stop_in_the_midst, &consumer, &count));
    assert_int_equal(count, 3);
    OK(evlog_consumer_run(consumer, stop_in_the_midst, &consumer));
    assert_int_equal(info_of(place.log, "c").checkpoint, 6);
    evlog_consumer_stop(consumer);
    evlog_consumer_stop(consumer);
    FAILS(EVLOG_STOPPED, "stopped", evlog_consumer_poll(consumer, 0, -1, hear, &heard, &count));
    assert_int_equal(count, 0);
    OK(evlog_consumer_poll(consumer, 0, -1, hear, &heard, &count));
    HEARD(&heard, 7);
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
}

static evlog_consumer *signalled;

static void stop_by_signal(int number)
{
    (void)number;
    evlog_consumer_stop(signalled);
}

/* A signal handler may stop a run that waits for events, and one that waits for an attempt. */
static void a_run_is_stopped_from_a_signal_handler(void **state)
{
    static struct heard heard;
    struct opened place = open_log(*state);
    struct sigaction action = {.sa_handler = stop_by_signal}, before;
    signalled =
        open_consumer(place.log, "c",
                      (evlog_consumer_options){.backoff_ms = 3600000, .backoff_max_ms = 3600000});
    assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
    alarm(1);
    OK(evlog_consumer_run(signalled, hear, &heard));
    send_some(place.a, 1);
    heard.fails_at = 1;
    alarm(1);
    OK(evlog_consumer_run(signalled, hear, &heard));
    HEARD(&heard, 1);
    sigaction(SIGALRM, &before, NULL);
    OK(evlog_consumer_close(signalled));
    OK(evlog_close(place.log));
}

/* --------------------------------------------------------- acknowledgement ---- */

/* Where the checkpoint on record is while the receiver runs. */
struct watching {
    evlog *log;
    uint64_t checkpoints[64];
};

static int watch_checkpoint(const evlog_event *event, void *ctx)
{
    struct watching *watch = ctx;
    watch->checkpoints[event->seq] = info_of(watch->log, "c").checkpoint;
    return 0;
}

/* Acknowledged as each returns: together, commit_every of them, and at the end of a poll. */
static void checkpoints_are_written_together(void **state)
{
    struct opened place = open_log(*state);
    static const uint32_t every[] = {1, 4, 100};
    send_some(place.a, 10);
    for (size_t i = 0; i < 3; i++) {
        struct watching watch = {.log = place.log};
        evlog_consumer *consumer =
            open_consumer(place.log, "c", (evlog_consumer_options){.commit_every = every[i]});
        OK(evlog_consumer_poll(consumer, 0, 0, watch_checkpoint, &watch, NULL));
        assert_int_equal(info_of(place.log, "c").checkpoint, 10);
        for (uint64_t seq = 1; seq <= 10 && every[i] < 100; seq++)
            assert_true(seq - 1 - watch.checkpoints[seq] < every[i]);
        if (every[i] == 1)
            for (uint64_t seq = 1; seq <= 10; seq++)
                assert_int_equal(watch.checkpoints[seq], seq - 1);
        OK(evlog_consumer_close(consumer));
        OK(evlog_consumer_remove(place.log, "c"));
    }
    OK(evlog_close(place.log));
}

/* By hand: in batches; what was not acknowledged comes again, as its second attempt. */
static void unacknowledged_events_come_again(void **state)
{
    static struct heard heard;
    struct opened place = open_log(*state);
    evlog_consumer_options options = {.ack_by_hand = 1};
    evlog_consumer *consumer = open_consumer(place.log, "c", options);
    send_some(place.a, 6);
    assert_int_equal(poll_now(consumer, &heard), 6);
    heard_all(&heard, 1, 6);
    assert_int_equal(info_of(place.log, "c").checkpoint, 0);
    OK(acknowledge(consumer, 2));
    assert_int_equal(info_of(place.log, "c").checkpoint, 2);
    OK(acknowledge(consumer, 4));
    OK(acknowledge(consumer, 3));
    OK(acknowledge(consumer, 4));
    assert_int_equal(info_of(place.log, "c").checkpoint, 4);
    assert_int_equal(poll_now(consumer, &heard), 0);
    OK(evlog_consumer_close(consumer));
    for (uint32_t attempt = 2; attempt <= 3; attempt++) {
        consumer = open_consumer(place.log, "c", options);
        assert_int_equal(poll_now(consumer, &heard), 2);
        assert_int_equal(heard.of[0].attempt, 2);
        assert_int_equal(heard.of[1].attempt, attempt);
        heard_all(&heard, 5, 6);
        send_some(place.a, attempt == 3);
        OK(evlog_consumer_close(consumer));
    }
    consumer = open_consumer(place.log, "c", options);
    assert_int_equal(poll_now(consumer, &heard), 3);
    assert_int_equal(heard.of[2].attempt, 1);
    OK(acknowledge(consumer, 7));
    OK(evlog_consumer_close(consumer));
    assert_int_equal(info_of(place.log, "c").checkpoint, 7);
    OK(evlog_close(place.log));
}

/* By hand, with a filter: when all that was handed out is acknowledged, the rest is passed too. */
static void acknowledging_all_passes_the_unwanted(void **state)
{
    static struct heard heard;
    static const char *const types[] = {"a.v1"};
    struct opened place = open_log(*state);
    evlog_consumer_options options = {.ack_by_hand = 1, .types = types, .type_count = 1};
    evlog_consumer *consumer = open_consumer(place.log, "c", options);
    send_some(place.b, 2);
    send_some(place.a, 2);
    send_some(place.b, 2);
    assert_int_equal(poll_now(consumer, &heard), 2);
    OK(acknowledge(consumer, 3));
    assert_int_equal(info_of(place.log, "c").checkpoint, 3);
    OK(acknowledge(consumer, 4));
    assert_int_equal(info_of(place.log, "c").checkpoint, 6);
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
}

/* A receiver that acknowledges. */
struct acking {
    evlog_consumer *consumer;
    struct heard heard;
    uint64_t before; /* it acknowledges so many before its own */
    int fails;       /* and fails then */
};

static int ack_inside(const evlog_event *event, void *ctx)
{
    struct acking *acking = ctx;
    hear(event, &acking->heard);
    FAILS(EVLOG_INVALID, "not handed out", acknowledge(acking->consumer, event->seq + 1));
    if (event->seq > acking->before)
        OK(acknowledge(acking->consumer, event->seq - acking->before));
    return acking->fails ? evlog_fail("after all") : 0;
}

/* Inside the receiver its own event can be acknowledged, or those before; never one to come. */
static void a_receiver_may_acknowledge(void **state)
{
    static struct acking acking;
    struct opened place = open_log(*state);
    acking.consumer =
        open_consumer(place.log, "c", (evlog_consumer_options){.ack_by_hand = 1, QUICK});
    send_some(place.a, 4);
    OK(evlog_consumer_poll(acking.consumer, 0, 0, ack_inside, &acking, NULL));
    assert_int_equal(info_of(place.log, "c").checkpoint, 4);
    acking.before = 1;
    send_some(place.a, 4);
    OK(evlog_consumer_poll(acking.consumer, 0, 0, ack_inside, &acking, NULL));
    assert_int_equal(info_of(place.log, "c").checkpoint, 7);
    OK(acknowledge(acking.consumer, 8));
    heard_all(&acking.heard, 1, 8);
    acking.before = 0; /* it fails with an event that it has acknowledged: that is done */
    acking.fails = 1;
    send_some(place.a, 2);
    OK(evlog_consumer_poll(acking.consumer, 0, 0, ack_inside, &acking, NULL));
    HEARD(&acking.heard, 9, 10);
    assert_int_equal(info_of(place.log, "c").checkpoint, 10);
    assert_int_equal(info_of(place.log, "c").parked_count, 0);
    OK(evlog_consumer_close(acking.consumer));
    OK(evlog_close(place.log));
}

/* What was not handed out cannot be acknowledged; what is done can be again. */
static void what_was_not_handed_out_is_not_acknowledged(void **state)
{
    static struct heard heard;
    struct opened place = open_log(*state);
    evlog_consumer *by_hand =
        open_consumer(place.log, "c", (evlog_consumer_options){.ack_by_hand = 1});
    evlog_consumer *other = open_consumer(place.log, "d", (evlog_consumer_options){.replay = 0});
    send_some(place.a, 2);
    FAILS(EVLOG_INVALID, "event 1 was not handed out", acknowledge(by_hand, 1));
    FAILS(EVLOG_INVALID, "event 0 was not handed out", acknowledge(by_hand, 0));
    OK(evlog_consumer_poll(by_hand, 1, 0, hear, &heard, NULL));
    FAILS(EVLOG_INVALID, "event 2 was not handed out", acknowledge(by_hand, 2));
    FAILS(EVLOG_INVALID, "was not handed out", acknowledge(by_hand, UINT64_MAX));
    OK(acknowledge(by_hand, 1));
    poll_now(other, &heard);
    OK(acknowledge(other, 1));
    OK(evlog_consumer_close(by_hand));
    OK(evlog_consumer_close(other));
    OK(evlog_close(place.log));
}

/* --------------------------------------------------------------- failures ---- */

/* It comes with attempts 1, 2, 3, before any later event, and is parked then. */
static void a_failing_event_is_parked(void **state)
{
    static struct heard heard = {.fails_at = 2, .why = "no such course"};
    static struct noticed noticed;
    struct opened place = open_log(*state);
    evlog_consumer *consumer =
        open_consumer(place.log, "c",
                      (evlog_consumer_options){QUICK, .notice = notice, .notice_ctx = &noticed});
    uint64_t count;
    send_some(place.a, 3);
    OK(evlog_consumer_poll(consumer, 0, -1, hear, &heard, &count));
    assert_int_equal(count, 1); /* it does not wait for the second attempt, having had one */
    OK(evlog_consumer_poll(consumer, 0, -1, hear, &heard, &count));
    assert_int_equal(count, 2);
    for (uint32_t i = 1; i <= 3; i++)
        assert_int_equal(heard.of[i].attempt, i);
    HEARD(&heard, 1, 2, 2, 2, 3);
    noticed_is(&noticed, 0, EVLOG_NOTICE_PARKED, 2, 2);
    assert_string_equal(noticed.of[0].text, "no such course");
    noticed_is(&noticed, 1, EVLOG_NOTICE_CAUGHT_UP, 3, 3);
    assert_int_equal(noticed.count, 2);
    evlog_consumer_info info = info_of(place.log, "c");
    assert_int_equal(info.checkpoint, 3);
    assert_int_equal(info.parked_count, 1);
    assert_int_equal(info.done_count, 2);
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
}

/* One that succeeds at last is done; attempt_max says how often it is tried. */
static void an_event_may_succeed_at_last(void **state)
{
    static struct heard heard = {.fails_at = 1, .fails = 4};
    struct opened place = open_log(*state);
    evlog_consumer *consumer =
        open_consumer(place.log, "c", (evlog_consumer_options){QUICK, .attempt_max = 5});
    send_some(place.a, 2);
    OK(evlog_consumer_poll(consumer, 0, -1, hear, &heard, NULL));
    HEARD(&heard, 1, 1, 1, 1, 1, 2);
    assert_int_equal(info_of(place.log, "c").parked_count, 0);
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
}

/* With STOP each poll tries it once more and fails, and nothing passes it; it keeps its count. */
static void stop_goes_no_further(void **state)
{
    static struct heard heard = {.fails_at = 2};
    struct opened place = open_log(*state);
    evlog_consumer_options options = {QUICK, .on_failure = EVLOG_FAILURE_STOP};
    evlog_consumer *consumer = open_consumer(place.log, "c", options);
    uint64_t count;
    send_some(place.a, 3);
    OK(evlog_consumer_poll(consumer, 1, -1, hear, &heard, &count));
    assert_int_equal(count, 1);
    FAILS(EVLOG_RECEIVER, "event 2 failed: as asked",
          evlog_consumer_poll(consumer, 0, -1, hear, &heard, &count));
    assert_int_equal(count, 0);
    HEARD(&heard, 1, 2, 2, 2);
    assert_int_equal(info_of(place.log, "c").checkpoint, 1);
    for (uint32_t attempt = 4; attempt <= 6; attempt++) {
        FAILS(EVLOG_RECEIVER, "event 2", evlog_consumer_run(consumer, hear, &heard));
        assert_int_equal(heard.of[0].attempt, attempt);
        HEARD(&heard, 2);
    }
    OK(evlog_consumer_close(consumer));
    consumer = open_consumer(place.log, "c", options);
    heard.fails_at = 0;
    poll_now(consumer, &heard);
    assert_int_equal(heard.of[0].attempt, 7);
    HEARD(&heard, 2, 3);
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
}

/* With SKIP it counts as done, and is reported and counted. */
static void skip_passes_it(void **state)
{
    static struct heard heard = {.fails_at = UINT64_MAX};
    static struct noticed noticed;
    struct opened place = open_log(*state);
    evlog_consumer *consumer = open_consumer(
        place.log, "c",
        (evlog_consumer_options){QUICK, .on_failure = EVLOG_FAILURE_SKIP, .attempt_max = 2,
                                 .notice = notice, .notice_ctx = &noticed});
    send_some(place.a, 2);
    for (int i = 0; i < 2; i++)
        OK(evlog_consumer_poll(consumer, 1, -1, hear, &heard, NULL));
    HEARD(&heard, 1, 1, 2, 2);
    noticed_is(&noticed, 0, EVLOG_NOTICE_SKIPPED, 1, 1);
    noticed_is(&noticed, 1, EVLOG_NOTICE_SKIPPED, 2, 2);
    evlog_consumer_info info = info_of(place.log, "c");
    assert_int_equal(info.checkpoint, 2);
    assert_int_equal(info.skipped_count, 2);
    assert_int_equal(info.parked_count + info.done_count, 0);
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
}

/* A poll whose time is up between two attempts leaves the next to the next poll, in its turn. */
static void attempts_go_on_with_the_next_poll(void **state)
{
    static struct heard heard = {.fails_at = 1, .fails = 2};
    struct opened place = open_log(*state);
    evlog_consumer *consumer =
        open_consumer(place.log, "c", (evlog_consumer_options){.backoff_ms = 50});
    uint64_t count = 9;
    send_some(place.a, 2);
    OK(evlog_consumer_poll(consumer, 0, 0, hear, &heard, &count));
    assert_int_equal(count, 0);
    HEARD(&heard, 1);
    OK(evlog_consumer_poll(consumer, 0, 0, hear, &heard, &count));
    assert_int_equal(count + heard.count, 0); /* it is not due yet, and 2 does not come before */
    OK(evlog_consumer_poll(consumer, 0, -1, hear, &heard, &count));
    assert_int_equal(count, 2);
    assert_int_equal(heard.of[1].attempt, 3);
    HEARD(&heard, 1, 1, 2);
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
}

/* ---------------------------------------------------------------- replays ---- */

/* A replay is what was in the log when the consumer was made or reset, not what came since. */
static void a_replay_is_what_was_there_before(void **state)
{
    static struct heard heard;
    struct opened place = open_log(*state);
    send_some(place.a, 2);
    evlog_consumer *consumer =
        open_consumer(place.log, "c", (evlog_consumer_options){.replay = 0});
    send_some(place.a, 1);
    OK(evlog_consumer_close(consumer));
    send_some(place.a, 1); /* while it is down */
    consumer = open_consumer(place.log, "c", (evlog_consumer_options){.replay = 0});
    poll_now(consumer, &heard);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(heard.of[i].is_replay, i < 2);
    heard_all(&heard, 1, 4);
    OK(evlog_consumer_close(consumer));
    evlog_reset_options first = {.start = EVLOG_START_FIRST};
    OK(evlog_consumer_reset(place.log, "c", &first, NULL));
    send_some(place.a, 1);
    consumer = open_consumer(place.log, "c", (evlog_consumer_options){.replay = 0});
    poll_now(consumer, &heard);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(heard.of[i].is_replay, i < 4);
    heard_all(&heard, 1, 5);
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
}

/* Silently: the same events, and none says that it is a replay. Refused: passed, and counted. */
static void replays_are_silent_or_refused(void **state)
{
    static struct heard heard;
    struct opened place = open_log(*state);
    send_some(place.a, 2);
    evlog_consumer *silent = open_consumer(
        place.log, "silent", (evlog_consumer_options){.replay = EVLOG_REPLAY_SILENT});
    evlog_consumer *refuses = open_consumer(
        place.log, "refuses", (evlog_consumer_options){.replay = EVLOG_REPLAY_REFUSE});
    send_some(place.a, 2);
    poll_now(silent, &heard);
    for (size_t i = 0; i < 4; i++)
        assert_false(heard.of[i].is_replay);
    heard_all(&heard, 1, 4);
    poll_now(refuses, &heard);
    assert_false(heard.of[0].is_replay);
    HEARD(&heard, 3, 4);
    evlog_consumer_info info = info_of(place.log, "refuses");
    assert_int_equal(info.refused_count, 2);
    assert_int_equal(info.done_count, 2);
    assert_int_equal(info_of(place.log, "silent").refused_count, 0);
    OK(evlog_consumer_close(silent));
    OK(evlog_consumer_close(refuses));
    OK(evlog_close(place.log));
}

/* --------------------------------------------------------------- connected ---- */

/* Without a receiver events go to those connected, in their order; one that has none is skipped. */
static void connected_receivers_are_called(void **state)
{
    static struct heard one, two, all;
    struct opened place = open_log(*state);
    send_some(place.a, 1);
    send_some(place.b, 1);
    OK(evlog_connect(place.log, place.a, NULL, hear, &one, NULL));
    OK(evlog_connect(place.log, place.a, NULL, hear, &two, NULL));
    evlog_consumer *consumer =
        open_consumer(place.log, "c", (evlog_consumer_options){.replay = 0});
    OK(evlog_consumer_poll(consumer, 0, 0, NULL, NULL, NULL));
    assert_int_equal(one.of[0].attempt, 1);
    HEARD(&one, 1);
    HEARD(&two, 1);
    assert_int_equal(info_of(place.log, "c").done_count, 1);
    assert_int_equal(info_of(place.log, "c").skipped_count, 1);
    OK(evlog_connect(place.log, NULL, NULL, hear, &all, NULL));
    evlog_signal_disable(place.a);
    OK(evlog_consumer_close(consumer));
    OK(evlog_consumer_reset(place.log, "c", &(evlog_reset_options){.start = EVLOG_START_FIRST},
                            NULL));
    consumer = open_consumer(place.log, "c", (evlog_consumer_options){.replay = 0});
    OK(evlog_consumer_poll(consumer, 0, 0, NULL, NULL, NULL));
    HEARD(&all, 2);
    assert_int_equal(one.count, 0);
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
}

/* One that fails fails the event: all of them are called again, and its sentence is the reason. */
static void one_that_fails_fails_the_event(void **state)
{
    static struct heard one, fails = {.fails_at = 1, .why = "the second of three"}, three;
    static struct noticed noticed;
    struct opened place = open_log(*state);
    send_some(place.a, 2);
    OK(evlog_connect(place.log, place.a, NULL, hear, &one, NULL));
    OK(evlog_connect(place.log, place.a, NULL, hear, &fails, NULL));
    OK(evlog_connect(place.log, place.a, NULL, hear, &three, NULL));
    evlog_consumer *consumer =
        open_consumer(place.log, "c",
                      (evlog_consumer_options){QUICK, .attempt_max = 2, .notice = notice,
                                               .notice_ctx = &noticed});
    OK(evlog_consumer_poll(consumer, 0, -1, NULL, NULL, NULL));
    HEARD(&one, 1, 1, 2);
    HEARD(&fails, 1, 1, 2);
    HEARD(&three, 1, 1, 2);
    noticed_is(&noticed, 0, EVLOG_NOTICE_PARKED, 1, 1);
    assert_string_equal(noticed.of[0].text, "the second of three");
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
}

/* A connected receiver's own policy holds too: it is silent, or refuses, also for a silent consumer. */
static void connected_receivers_have_their_own_policy(void **state)
{
    static struct heard knowing, silent, refuses;
    static const int policies[] = {EVLOG_REPLAY_KNOWING, EVLOG_REPLAY_SILENT};
    struct opened place = open_log(*state);
    send_some(place.a, 2);
    OK(evlog_connect(place.log, place.a, NULL, hear, &knowing, NULL));
    OK(evlog_connect(place.log, place.a, NULL, hear, &silent,
                     &(evlog_connect_options){.replay = EVLOG_REPLAY_SILENT}));
    OK(evlog_connect(place.log, place.a, NULL, hear, &refuses,
                     &(evlog_connect_options){.replay = EVLOG_REPLAY_REFUSE}));
    for (int i = 0; i < 2; i++) {
        evlog_consumer *consumer =
            open_consumer(place.log, "c", (evlog_consumer_options){.replay = policies[i]});
        OK(evlog_consumer_poll(consumer, 0, 0, NULL, NULL, NULL));
        assert_int_equal(knowing.of[0].is_replay, i == 0);
        assert_int_equal(silent.of[0].is_replay, 0);
        HEARD(&knowing, 1, 2);
        HEARD(&silent, 1, 2);
        assert_int_equal(refuses.count, 0);
        assert_int_equal(info_of(place.log, "c").refused_count, 2);
        OK(evlog_consumer_close(consumer));
        OK(evlog_consumer_remove(place.log, "c"));
    }
    OK(evlog_close(place.log));
}

/* ---------------------------------------------------------------- notices ---- */

/* It has caught up, falls behind when it does not keep step, and catches up again. */
static void it_catches_up_and_falls_behind(void **state)
{
    static struct heard heard;
    static struct noticed noticed;
    struct opened place = open_log(*state);
    evlog_consumer *consumer = open_consumer(
        place.log, "c",
        (evlog_consumer_options){.behind_count = 3, .notice = notice, .notice_ctx = &noticed});
    send_some(place.a, 5);
    poll_now(consumer, &heard);
    poll_now(consumer, &heard);
    send_some(place.a, 3); /* so many is not behind */
    poll_now(consumer, &heard);
    assert_int_equal(noticed.count, 1);
    noticed_is(&noticed, 0, EVLOG_NOTICE_CAUGHT_UP, 5, 5);
    send_some(place.a, 4);
    poll_now(consumer, &heard);
    assert_int_equal(noticed.count, 3);
    noticed_is(&noticed, 1, EVLOG_NOTICE_FELL_BEHIND, 8, 12);
    noticed_is(&noticed, 2, EVLOG_NOTICE_CAUGHT_UP, 12, 12);
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
}

/* Damages the records of some events, through liblmdb; the log is closed. */
static void damage_events(const void *home, uint64_t first, uint64_t last)
{
    struct raw raw = raw_open(in(home, "log/events.mdb"));
    for (uint64_t seq = first; seq <= last; seq++) {
        unsigned char key[8];
        put_big(key, seq, 8);
        struct bytes value = raw_get(&raw, key, 8);
        value.at[5] ^= 1;
        raw_put(&raw, key, 8, value);
        free(value.at);
    }
    raw_close(&raw);
}

static int copy_parked(const evlog_parked *parked, void *ctx)
{
    *(evlog_parked *)ctx = *parked;
    return 0;
}

/* What is damaged is reported, put on record, and passed; the others come. */
static void what_is_damaged_is_told_and_passed(void **state)
{
    static struct heard heard;
    static struct noticed noticed;
    struct opened place = open_log(*state);
    evlog_parked parked = {.seq = 0};
    send_some(place.a, 6);
    OK(evlog_close(place.log));
    damage_events(*state, 3, 3);
    place = open_log(*state);
    evlog_consumer *consumer = open_consumer(
        place.log, "c", (evlog_consumer_options){.notice = notice, .notice_ctx = &noticed});
    poll_now(consumer, &heard);
    HEARD(&heard, 1, 2, 4, 5, 6);
    noticed_is(&noticed, 0, EVLOG_NOTICE_LOST, 3, 3);
    assert_non_null(strstr(noticed.of[0].text, "event 3"));
    OK(evlog_each_parked(place.log, "c", copy_parked, &parked));
    assert_int_equal(parked.seq, 3);
    assert_int_equal(parked.last_seq, 3);
    assert_true(parked.is_lost);
    assert_int_equal(parked.attempt_count, 0);
    assert_int_equal(info_of(place.log, "c").parked_count, 1);
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
}

/* What was trimmed away before it came there is reported as a range, once. */
static void what_was_trimmed_away_is_told_once(void **state)
{
    static struct heard heard;
    static struct noticed noticed;
    struct opened place = open_log(*state);
    evlog_parked parked = {.seq = 0};
    evlog_consumer_options options = {.notice = notice, .notice_ctx = &noticed};
    evlog_consumer *consumer = open_consumer(place.log, "c", options);
    send_some(place.a, 2);
    poll_now(consumer, &heard);
    OK(evlog_consumer_close(consumer));
    send_some(place.a, 8);
    OK(evlog_close(place.log));
    trim_log(in(*state, "log"), 7);
    place = open_log(*state);
    heard.count = noticed.count = 0;
    for (int i = 0; i < 2; i++) {
        consumer = open_consumer(place.log, "c", options);
        poll_now(consumer, &heard);
        OK(evlog_consumer_close(consumer));
    }
    HEARD(&heard, 8, 9, 10);
    noticed_is(&noticed, 0, EVLOG_NOTICE_LOST, 3, 7);
    assert_int_equal(noticed.of[1].kind, EVLOG_NOTICE_CAUGHT_UP);
    OK(evlog_each_parked(place.log, "c", copy_parked, &parked));
    assert_int_equal(parked.seq, 3);
    assert_int_equal(parked.last_seq, 7);
    BEGINS(place, "new", {.start = EVLOG_START_FIRST}, 8, 9, 10);
    assert_int_equal(info_of(place.log, "new").parked_count, 0); /* it has lost nothing */
    OK(evlog_close(place.log));
}

/* ----------------------------------------------------- which log it is of ---- */

/* A log that is behind the checkpoint, or has another event there, is refused until a reset. */
static void another_past_is_a_conflict(void **state)
{
    static const char *const files[] = {"log/events.mdb", "log/edge"};
    static struct heard heard;
    evlog_consumer *consumer = (void *)1;
    struct opened place = open_log(*state);
    send_some(place.a, 3);
    OK(evlog_close(place.log));
    struct bytes older[2];
    for (int i = 0; i < 2; i++)
        older[i] = file_read(in(*state, files[i]));
    place = open_log(*state);
    send_some(place.a, 3);
    evlog_consumer *first = open_consumer(place.log, "c", (evlog_consumer_options){.replay = 0});
    OK(evlog_consumer_poll(first, 5, 0, hear, &heard, NULL));
    OK(evlog_consumer_close(first));
    OK(evlog_close(place.log));
    for (int i = 0; i < 2; i++)
        file_write(in(*state, files[i]), older[i].at, older[i].size);
    place = open_log(*state);
    for (int i = 0; i < 2; i++) { /* first without event 5, then with another one */
        FAILS(EVLOG_CONFLICT, "done with event 5",
              evlog_consumer_open(place.log, "c", NULL, &consumer));
        assert_ptr_equal(consumer, (void *)1);
        assert_int_equal(info_of(place.log, "c").checkpoint, 5);
        assert_int_equal(info_of(place.log, "c").pid, 0);
        usleep(2000);
        send_some(place.a, 3);
    }
    heard.count = 0;
    OK(evlog_consumer_reset(
        place.log, "c", &(evlog_reset_options){.start = EVLOG_START_SEQ, .start_seq = 4}, NULL));
    consumer = open_consumer(place.log, "c", (evlog_consumer_options){.replay = 0});
    poll_now(consumer, &heard);
    HEARD(&heard, 4, 5, 6, 7, 8, 9);
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
    for (int i = 0; i < 2; i++)
        free(older[i].at);
}

/* ------------------------------------------------------- who may have one ---- */

struct inside {
    evlog *log;
    evlog_consumer *consumer;
    unsigned calls;
};

static int call_from_inside(const evlog_event *event, void *ctx)
{
    struct inside *inside = ctx;
    struct heard heard;
    uint64_t count = 5;
    (void)event;
    inside->calls++;
    FAILS(EVLOG_BUSY, "polled already",
          evlog_consumer_poll(inside->consumer, 0, 0, hear, &heard, &count));
    assert_int_equal(count, 0);
    FAILS(EVLOG_BUSY, "polled already", evlog_consumer_run(inside->consumer, hear, &heard));
    FAILS(EVLOG_BUSY, "being polled", evlog_consumer_close(inside->consumer));
    FAILS(EVLOG_BUSY, "has it open", evlog_consumer_remove(inside->log, "c"));
    FAILS(EVLOG_BUSY, "still at work", evlog_close(inside->log));
    return 0;
}

/* Inside its own receiver it can be neither polled nor closed; nor can its log. */
static void its_receiver_cannot_poll_or_close_it(void **state)
{
    struct opened place = open_log(*state);
    struct inside inside = {.log = place.log};
    inside.consumer = open_consumer(place.log, "c", (evlog_consumer_options){.replay = 0});
    send_some(place.a, 2);
    OK(evlog_consumer_poll(inside.consumer, 0, 0, call_from_inside, &inside, NULL));
    assert_int_equal(inside.calls, 2);
    FAILS(EVLOG_BUSY, "a consumer", evlog_close(place.log));
    OK(evlog_consumer_close(inside.consumer));
    OK(evlog_consumer_close(NULL));
    OK(evlog_close(place.log));
}

/* Within a process a consumer is open once; others beside it are free. */
static void a_process_has_it_open_once(void **state)
{
    struct opened place = open_log(*state);
    evlog_consumer *consumer =
                       open_consumer(place.log, "c", (evlog_consumer_options){.replay = 0}),
                   *again = (void *)1;
    evlog_reset_options first = {.start = EVLOG_START_FIRST};
    evlog_consumer_options waits = {.claim_wait_ms = 5};
    FAILS(EVLOG_BUSY, "has it open", evlog_consumer_open(place.log, "c", NULL, &again));
    FAILS(EVLOG_BUSY, "has it open", evlog_consumer_open(place.log, "c", &waits, &again));
    FAILS(EVLOG_BUSY, "has it open", evlog_consumer_reset(place.log, "c", &first, NULL));
    FAILS(EVLOG_BUSY, "has it open", evlog_consumer_remove(place.log, "c"));
    assert_ptr_equal(again, (void *)1);
    assert_int_equal(info_of(place.log, "c").pid, getpid());
    again = open_consumer(place.log, "d", (evlog_consumer_options){.replay = 0});
    OK(evlog_consumer_close(again));
    OK(evlog_consumer_close(consumer));
    assert_int_equal(info_of(place.log, "c").pid, 0);
    OK(evlog_consumer_remove(place.log, "c"));
    OK(evlog_close(place.log));
}

/* What two processes know of each other. */
struct common {
    atomic_int step;
    pid_t pid;
};

static struct common *make_common(void)
{
    struct common *common =
        mmap(NULL, sizeof *common, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(common, MAP_FAILED);
    return common;
}

static void await(struct common *common, int step)
{
    while (common->step < step)
        usleep(200);
}

struct job {
    const char *path;
    struct common *common;
    evlog *log;
    evlog_consumer *consumer;
};

static evlog *child_open(const struct job *job)
{
    evlog *log;
    CHECK(evlog_open(job->path, NULL, &log) == EVLOG_OK);
    return log;
}

static void have_it(void *ctx)
{
    struct job *job = ctx;
    evlog_consumer *consumer;
    evlog *log = child_open(job);
    CHECK(evlog_consumer_open(log, "c", NULL, &consumer) == EVLOG_OK);
    job->common->step = 1;
    await(job->common, 2);
    CHECK(evlog_consumer_close(consumer) == EVLOG_OK);
    CHECK(evlog_close(log) == EVLOG_OK);
}

/* The second process learns which one has it; or it waits, and gets it when it is closed. */
static void a_second_process_is_told_or_waits(void **state)
{
    struct opened place = open_log(*state);
    struct job job = {.path = in(*state, "log"), .common = make_common()};
    evlog_reset_options first = {.start = EVLOG_START_FIRST};
    evlog_consumer *consumer = (void *)1;
    pid_t child = child_start(have_it, &job);
    char words[64];
    await(job.common, 1);
    snprintf(words, sizeof words, "process %d has it", (int)child);
    FAILS(EVLOG_BUSY, words, evlog_consumer_open(place.log, "c", NULL, &consumer));
    FAILS(EVLOG_BUSY, words,
          evlog_consumer_open(place.log, "c", &(evlog_consumer_options){.claim_wait_ms = 20},
                              &consumer));
    FAILS(EVLOG_BUSY, words, evlog_consumer_remove(place.log, "c"));
    FAILS(EVLOG_BUSY, words, evlog_consumer_reset(place.log, "c", &first, NULL));
    first.dry_run = true;
    FAILS(EVLOG_BUSY, words, evlog_consumer_reset(place.log, "c", &first, NULL));
    assert_ptr_equal(consumer, (void *)1);
    assert_int_equal(info_of(place.log, "c").pid, child);
    job.common->step = 2;
    consumer = open_consumer(place.log, "c",
                             (evlog_consumer_options){.claim_wait_ms = 1000 * HANG_SECONDS});
    OK(evlog_consumer_close(consumer));
    assert_int_equal(child_wait(child), 0);
    OK(evlog_close(place.log));
}

/* A dead holder's claim is void, however it died. */
static void a_dead_holder_has_nothing(void **state)
{
    struct opened place = open_log(*state);
    struct job job = {.path = in(*state, "log"), .common = make_common()};
    pid_t child = child_start(have_it, &job);
    await(job.common, 1);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(child_wait(child), 128 + SIGKILL);
    assert_int_equal(info_of(place.log, "c").pid, 0);
    OK(evlog_consumer_close(
        open_consumer(place.log, "c", (evlog_consumer_options){.replay = 0})));
    OK(evlog_close(place.log));
}

static void use_the_parents(void *ctx)
{
    struct job *job = ctx;
    struct heard heard = {.count = 0};
    const void *value;
    size_t size;
    uint64_t count = 3;
    CHECK(evlog_consumer_poll(job->consumer, 0, 0, hear, &heard, &count) == EVLOG_FORKED);
    CHECK(count == 0);
    CHECK(evlog_consumer_run(job->consumer, hear, &heard) == EVLOG_FORKED);
    CHECK(acknowledge(job->consumer, 1) == EVLOG_FORKED);
    CHECK(evlog_consumer_close(job->consumer) == EVLOG_FORKED);
    CHECK(evlog_state_put(job->consumer, "k", 1, "v", 1) == EVLOG_FORKED);
    CHECK(evlog_state_get(job->consumer, "k", 1, &value, &size) == EVLOG_FORKED);
    CHECK(evlog_state_delete(job->consumer, "k", 1) == EVLOG_FORKED);
    CHECK(evlog_consumer_set_paused(job->log, "c", 1) == EVLOG_FORKED);
    CHECK(evlog_wait(job->log, 0, 0, &count) == EVLOG_FORKED);
    evlog *log = child_open(job); /* its own handle sees the parent at work */
    evlog_consumer *consumer;
    CHECK_FAILS(EVLOG_BUSY, "has it", evlog_consumer_open(log, "c", NULL, &consumer));
    CHECK(evlog_close(log) == EVLOG_OK);
}

/* A forked child can do nothing with its parent's consumer, and takes nothing away from it. */
static void a_fork_has_no_consumer(void **state)
{
    static struct heard heard;
    struct opened place = open_log(*state);
    struct job job = {.path = in(*state, "log"), .log = place.log};
    job.consumer = open_consumer(place.log, "c", (evlog_consumer_options){.replay = 0});
    send_some(place.a, 1);
    in_child(use_the_parents, &job);
    in_child(use_the_parents, &job); /* the first one's end has let go of no claim */
    poll_now(job.consumer, &heard);
    HEARD(&heard, 1);
    OK(evlog_consumer_close(job.consumer));
    OK(evlog_close(place.log));
}

static int take(const evlog_event *event, void *ctx)
{
    (void)event, (void)ctx;
    return 0;
}

/* One thread of those that fight for a consumer. */
static void *fight(void *ctx)
{
    struct job *job = ctx;
    evlog_reset_options first = {.start = EVLOG_START_FIRST};
    for (int i = 0; i < 50; i++) {
        evlog_consumer *consumer;
        int result = evlog_consumer_open(job->log, "c", NULL, &consumer);
        if (result == EVLOG_OK) {
            job->common->step +=
                evlog_consumer_poll(consumer, 1, 0, take, NULL, NULL) != EVLOG_OK;
            job->common->step += evlog_consumer_close(consumer) != EVLOG_OK;
        }
        if (i % 10 == 0)
            evlog_consumer_remove(job->log, "c");
        else if (i % 3 == 0)
            evlog_consumer_reset(job->log, "c", &first, NULL);
    }
    return NULL;
}

static void fight_in_a_child(void *ctx)
{
    struct job *job = ctx;
    job->log = child_open(job);
    fight(job);
    CHECK(evlog_close(job->log) == EVLOG_OK);
}

/*
 * Opened, reset and removed by threads and a process at once: each has it alone, and afterwards
 * nobody has it.
 */
static void many_fight_for_one_consumer(void **state)
{
    struct opened place = open_log(*state);
    struct job job = {.path = in(*state, "log"), .common = make_common(), .log = place.log};
    pthread_t threads[3];
    send_some(place.a, 3);
    pid_t child = child_start(fight_in_a_child, &job);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, fight, &job), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(child_wait(child), 0);
    assert_int_equal(job.common->step, 0);
    OK(evlog_consumer_close(
        open_consumer(place.log, "c", (evlog_consumer_options){.replay = 0})));
    child = child_start(have_it, &job);
    await(job.common, 1);
    job.common->step = 2;
    assert_int_equal(child_wait(child), 0);
    OK(evlog_close(place.log));
}

/* ------------------------------------------------------------------ pausing ---- */

/* Paused it hands out nothing, and waits its time; resumed it goes on where it was. */
static void a_paused_consumer_hands_out_nothing(void **state)
{
    static struct heard heard;
    static struct noticed noticed;
    struct opened place = open_log(*state);
    evlog_consumer_options options = {.notice = notice, .notice_ctx = &noticed};
    evlog_consumer *consumer = open_consumer(place.log, "c", options);
    send_some(place.a, 2);
    OK(evlog_consumer_set_paused(place.log, "c", 1));
    assert_true(info_of(place.log, "c").is_paused);
    assert_int_equal(poll_now(consumer, &heard), 0);
    OK(evlog_consumer_poll(consumer, 0, 5, hear, &heard, NULL));
    OK(evlog_consumer_close(consumer));
    consumer = open_consumer(place.log, "c", options); /* it stays so */
    assert_int_equal(poll_now(consumer, &heard), 0);
    assert_int_equal(noticed.count, 0);
    OK(evlog_consumer_set_paused(place.log, "c", 0));
    assert_int_equal(poll_now(consumer, &heard), 2);
    heard_all(&heard, 1, 2);
    OK(evlog_consumer_close(consumer));
    FAILS(EVLOG_NOTFOUND, "no consumer x", evlog_consumer_set_paused(place.log, "x", 1));
    OK(evlog_close(place.log));
}

static void pause_and_resume(void *ctx)
{
    struct job *job = ctx;
    evlog *log = child_open(job);
    await(job->common, 1);
    CHECK(evlog_consumer_set_paused(log, "c", 1) == EVLOG_OK);
    job->common->step = 2;
    await(job->common, 3);
    CHECK(evlog_consumer_set_paused(log, "c", 0) == EVLOG_OK);
    CHECK(evlog_close(log) == EVLOG_OK);
}

struct slow {
    struct common *common;
    evlog *log;
    uint64_t last;
};

/* Slow as it is, it sees in the midst of a batch that it is paused by another process. */
static int hear_slowly(const evlog_event *event, void *ctx)
{
    struct slow *slow = ctx;
    slow->last = event->seq;
    if (slow->common->step == 0)
        slow->common->step = 1;
    usleep(10000);
    return 0;
}

/*
 * Another process pauses it while it is at work with many events, and later wakes it. (By hand,
 * so that no checkpoint is written meanwhile, which would notice it too.)
 */
static void another_process_pauses_and_resumes_it(void **state)
{
    struct opened place = open_log(*state);
    struct job job = {.path = in(*state, "log"), .common = make_common()};
    struct slow slow = {.common = job.common, .log = place.log};
    evlog_consumer *consumer =
        open_consumer(place.log, "c", (evlog_consumer_options){.ack_by_hand = 1});
    uint64_t count;
    static struct heard heard;
    send_some(place.a, 500);
    alarm(HANG_SECONDS);
    pid_t child = child_start(pause_and_resume, &job);
    OK(evlog_consumer_poll(consumer, 0, 0, hear_slowly, &slow, &count));
    assert_int_equal(job.common->step, 2);
    assert_in_range(count, 1, 499);
    assert_int_equal(count, slow.last);
    job.common->step = 3;
    OK(evlog_consumer_poll(consumer, 0, -1, hear, &heard, NULL)); /* the resuming wakes it */
    heard_all(&heard, slow.last + 1, 500);
    alarm(0);
    assert_int_equal(child_wait(child), 0);
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
}

/* -------------------------------------------------------- remove and reset ---- */

static int put_and_fail(const evlog_event *event, void *ctx)
{
    OK(evlog_state_put(*(evlog_consumer **)ctx, &event->seq, 8, "v", 1));
    return event->seq % 2 ? 0 : evlog_fail("even");
}

/* A consumer "c" with 6 events behind it: keys for 1, 3, 5; parked 2, 4, 6. */
static void make_history(struct opened *place)
{
    evlog_consumer *consumer =
        open_consumer(place->log, "c", (evlog_consumer_options){.attempt_max = 1});
    send_some(place->a, 6);
    OK(evlog_consumer_poll(consumer, 0, 0, put_and_fail, &consumer, NULL));
    OK(evlog_consumer_close(consumer));
    OK(evlog_parked_retry(place->log, "c", 4, NULL));
}

static int count_parked(const evlog_parked *parked, void *ctx)
{
    (void)parked;
    ++*(int *)ctx;
    return 0;
}

/* Removed, it is gone with its state and parked events; made again it begins anew. */
static void a_removed_consumer_leaves_nothing(void **state)
{
    static struct heard heard;
    struct opened place = open_log(*state);
    const void *value;
    size_t size;
    make_history(&place);
    evlog_consumer *other = open_consumer(place.log, "c2", (evlog_consumer_options){.replay = 0});
    OK(evlog_state_put(other, "k", 1, "v", 1));
    OK(evlog_consumer_close(other));
    OK(evlog_consumer_remove(place.log, "c"));
    FAILS(EVLOG_NOTFOUND, "no consumer c", evlog_consumer_remove(place.log, "c"));
    FAILS(EVLOG_NOTFOUND, "no consumer c", inspect_into(place.log, "c", NULL));
    FAILS(EVLOG_NOTFOUND, "no consumer c", evlog_each_parked(place.log, "c", copy_parked, NULL));
    evlog_consumer *consumer =
        open_consumer(place.log, "c", (evlog_consumer_options){.replay = 0});
    int parked = 0;
    OK(evlog_each_parked(place.log, "c", count_parked, &parked));
    assert_int_equal(parked, 0);
    FAILS(EVLOG_NOTFOUND, "no such key",
          evlog_state_get(consumer, &(uint64_t){1}, 8, &value, &size));
    poll_now(consumer, &heard);
    assert_int_equal(heard.of[5].attempt, 1);
    heard_all(&heard, 1, 6);
    OK(evlog_consumer_close(consumer));
    assert_int_equal(info_of(place.log, "c2").state_count, 1); /* the other one's is there */
    OK(evlog_close(place.log));
}

/* A dry run says what a reset would do, and changes nothing; a reset does it. */
static void a_reset_does_what_its_dry_run_tells(void **state)
{
    static struct heard heard;
    struct opened place = open_log(*state);
    evlog_reset_options start = {.start = EVLOG_START_SEQ, .start_seq = 4};
    evlog_reset dry = {.checkpoint = 99}, real;
    make_history(&place);
    evlog_consumer_info before = info_of(place.log, "c");
    start.dry_run = true;
    OK(evlog_consumer_reset(place.log, "c", &start, &dry));
    start.dry_run = false;
    evlog_consumer_info after = info_of(place.log, "c");
    assert_memory_equal(&before, &after, offsetof(evlog_consumer_info, lag_us));
    assert_int_equal(after.parked_count, 3);
    assert_int_equal(after.state_count, 3);
    assert_int_equal(after.updated_us, before.updated_us);
    OK(evlog_consumer_reset(place.log, "c", &start, &real));
    assert_memory_equal(&dry, &real, sizeof dry);
    assert_int_equal(real.old_checkpoint, 6);
    assert_int_equal(real.checkpoint, 3);
    assert_int_equal(real.state_count, 3);
    assert_int_equal(real.parked_count, 2);
    after = info_of(place.log, "c");
    assert_int_equal(after.checkpoint, 3);
    assert_int_equal(after.parked_count, 1);
    assert_int_equal(after.retry_count, 0);
    assert_int_equal(after.state_count, 0);
    assert_int_equal(after.replay_last_seq, 6);
    evlog_consumer *consumer =
        open_consumer(place.log, "c", (evlog_consumer_options){.replay = 0});
    poll_now(consumer, &heard);
    assert_int_equal(heard.of[0].attempt, 1);
    assert_true(heard.of[2].is_replay);
    HEARD(&heard, 4, 5, 6);
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
}

/* To the first, the last, a time; forwards events are passed over, and parked ones stay on record. */
static void a_reset_goes_anywhere(void **state)
{
    struct opened place = open_log(*state);
    evlog_reset done;
    make_history(&place);
    OK(evlog_consumer_reset(place.log, "c",
                            &(evlog_reset_options){.start = EVLOG_START_FIRST, .dry_run = true},
                            &done));
    assert_int_equal(done.checkpoint, 0);
    assert_int_equal(done.parked_count, 3);
    OK(evlog_consumer_reset(place.log, "c",
                            &(evlog_reset_options){.start = EVLOG_START_DEFAULT, .dry_run = true},
                            &done));
    assert_int_equal(done.checkpoint, 0);
    send_some(place.a, 4);
    OK(evlog_consumer_reset(
        place.log, "c",
        &(evlog_reset_options){.start = EVLOG_START_LAST, .start_count = 1, .dry_run = true},
        &done));
    assert_int_equal(done.checkpoint, 9);
    OK(evlog_consumer_reset(place.log, "c", &(evlog_reset_options){.start = EVLOG_START_NEW},
                            &done));
    assert_int_equal(done.checkpoint, 10);
    assert_int_equal(done.parked_count, 0);
    assert_int_equal(info_of(place.log, "c").parked_count, 3);
    FAILS(EVLOG_INVALID, "no seq 12",
          evlog_consumer_reset(place.log, "c",
                               &(evlog_reset_options){.start = EVLOG_START_SEQ, .start_seq = 12},
                               &done));
    FAILS(EVLOG_INVALID, "not an EVLOG_START",
          evlog_consumer_reset(place.log, "c", &(evlog_reset_options){.start = 17}, &done));
    FAILS(EVLOG_INVALID, "no start", evlog_consumer_reset(place.log, "c", NULL, &done));
    FAILS(EVLOG_NOTFOUND, "no consumer x",
          evlog_consumer_reset(place.log, "x", &(evlog_reset_options){.start = EVLOG_START_NEW},
                               &done));
    OK(evlog_consumer_close(
        open_consumer(place.log, "c", (evlog_consumer_options){.replay = 0})));
    OK(evlog_close(place.log));
}

/* ------------------------------------------------------------------ limits ---- */

/* Names: 1 to 128 bytes of UTF-8 without blanks, control characters or '*'; by every call. */
static void names_have_limits(void **state)
{
    static const char *const bad[] = {"", "a b", "a\nb", "a*", "\x7f", "\xff\xfe", "\xc3", NULL};
    struct opened place = open_log(*state);
    evlog_reset_options first = {.start = EVLOG_START_FIRST};
    char longest[EVLOG_CONSUMER_NAME_SIZE_MAX + 2];
    evlog_consumer *consumer = (void *)1;
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    for (size_t i = 0; i <= sizeof bad / sizeof *bad; i++) {
        const char *name = i < sizeof bad / sizeof *bad ? bad[i] : longest;
        FAILS(EVLOG_INVALID, "name", evlog_consumer_open(place.log, name, NULL, &consumer));
        FAILS(EVLOG_INVALID, "name", evlog_consumer_remove(place.log, name));
        FAILS(EVLOG_INVALID, "name", evlog_consumer_reset(place.log, name, &first, NULL));
        FAILS(EVLOG_INVALID, "name", evlog_consumer_set_paused(place.log, name, 1));
        FAILS(EVLOG_INVALID, "name", evlog_each_parked(place.log, name, copy_parked, NULL));
        FAILS(EVLOG_INVALID, "name", evlog_parked_retry(place.log, name, 1, NULL));
        FAILS(EVLOG_INVALID, "name", evlog_parked_drop(place.log, name, 1, NULL));
        if (name)
            FAILS(EVLOG_INVALID, "name", inspect_into(place.log, name, NULL));
    }
    assert_ptr_equal(consumer, (void *)1);
    longest[EVLOG_CONSUMER_NAME_SIZE_MAX] = '\0';
    consumer = open_consumer(place.log, longest, (evlog_consumer_options){.replay = 0});
    OK(evlog_consumer_close(consumer));
    assert_int_equal(info_of(place.log, longest).checkpoint, 0);
    OK(evlog_consumer_close(
        open_consumer(place.log, "é/ü", (evlog_consumer_options){.replay = 0})));
    OK(evlog_close(place.log));
}

struct names {
    char last[EVLOG_CONSUMER_NAME_SIZE_MAX + 1];
    int count, ends_at;
};

static int are_in_order(const evlog_consumer_info *info, void *ctx)
{
    struct names *names = ctx;
    assert_true(strcmp(names->last, info->name) < 0);
    strcpy(names->last, info->name);
    return ++names->count == names->ends_at ? 77 : 0;
}

/* Makes consumers like "c0", as many as there can be but one, in one commit; the log is closed. */
static void make_consumers(const void *home)
{
    struct raw raw = raw_open(in(home, "log/state.mdb"));
    struct bytes model = raw_get(&raw, "cc0", 3);
    uint64_t seed = log_seed(in(home, "log/format"));
    unsigned char bytes[256];
    assert_int_equal(model.at[10], 0); /* its slot */
    for (unsigned slot = 1; slot < EVLOG_CONSUMERS_MAX - 1; slot++) {
        char key[256];
        int key_size = snprintf(key, sizeof key, "cc%u", slot);
        memcpy(bytes, model.at, 10);
        bytes[10] = 0xcd;
        put_big(bytes + 11, slot, 2);
        memcpy(bytes + 13, model.at + 11, model.size - 11);
        struct bytes value = {.at = bytes, .size = model.size + 2};
        entry_refit(seed, key, (size_t)key_size, value.at, value.size);
        raw_put(&raw, key, (size_t)key_size, value);
    }
    free(model.at);
    raw_close(&raw);
}

/* There can be EVLOG_CONSUMERS_MAX; they are listed by name; the place of one removed is free. */
static void there_can_be_so_many(void **state)
{
    struct opened place = open_log(*state);
    evlog_consumer *consumer = (void *)1;
    struct names names = {.count = 0};
    OK(evlog_consumer_close(
        open_consumer(place.log, "c0", (evlog_consumer_options){.replay = 0})));
    OK(evlog_close(place.log));
    make_consumers(*state);
    place = open_log(*state);
    OK(evlog_consumer_close(
        open_consumer(place.log, "last", (evlog_consumer_options){.replay = 0})));
    FAILS(EVLOG_LIMIT, "1024 consumers", evlog_consumer_open(place.log, "x", NULL, &consumer));
    assert_ptr_equal(consumer, (void *)1);
    OK(evlog_each_consumer(place.log, are_in_order, &names));
    assert_int_equal(names.count, EVLOG_CONSUMERS_MAX);
    names = (struct names){.ends_at = 300};
    assert_int_equal(evlog_each_consumer(place.log, are_in_order, &names), 77);
    assert_int_equal(names.count, 300);
    OK(evlog_consumer_remove(place.log, "c500"));
    OK(evlog_consumer_close(
        open_consumer(place.log, "x", (evlog_consumer_options){.replay = 0})));
    OK(evlog_close(place.log));
}

/* A log that is open for reading lists its consumers, and has none to open or change. */
static void a_reader_can_only_look(void **state)
{
    struct opened place = open_log(*state);
    evlog_reset_options first = {.start = EVLOG_START_FIRST};
    evlog_consumer *consumer = (void *)1;
    evlog *log;
    uint64_t last;
    int parked = 0;
    make_history(&place);
    OK(evlog_close(place.log));
    OK(evlog_open(in(*state, "log"), &(evlog_options){.read_only = 1}, &log));
    assert_int_equal(info_of(log, "c").checkpoint, 6);
    OK(evlog_each_parked(log, "c", count_parked, &parked));
    assert_int_equal(parked, 3);
    OK(evlog_wait(log, 3, 0, &last));
    assert_int_equal(last, 6);
    FAILS(EVLOG_READONLY, "reading only", evlog_consumer_open(log, "c", NULL, &consumer));
    FAILS(EVLOG_READONLY, "reading only", evlog_consumer_remove(log, "c"));
    FAILS(EVLOG_READONLY, "reading only", evlog_consumer_reset(log, "c", &first, NULL));
    FAILS(EVLOG_READONLY, "reading only", evlog_consumer_set_paused(log, "c", 1));
    FAILS(EVLOG_READONLY, "reading only", evlog_parked_retry(log, "c", 0, NULL));
    FAILS(EVLOG_READONLY, "reading only", evlog_parked_drop(log, "c", 0, NULL));
    OK(evlog_close(log));
}

/* What is not there is refused by every call, and no output is touched. */
static void nothing_is_refused_by_every_call(void **state)
{
    struct opened place = open_log(*state);
    static struct heard heard;
    evlog_reset_options first = {.start = EVLOG_START_FIRST};
    evlog_consumer *consumer = (void *)1;
    const void *value = "v";
    size_t size = 5;
    uint64_t number = 6;
    FAILS(EVLOG_INVALID, "no log", evlog_consumer_open(NULL, "c", NULL, &consumer));
    FAILS(EVLOG_INVALID, "no place", evlog_consumer_open(place.log, "c", NULL, NULL));
    FAILS(EVLOG_INVALID, "no log", evlog_consumer_remove(NULL, "c"));
    FAILS(EVLOG_INVALID, "no log", evlog_consumer_reset(NULL, "c", &first, NULL));
    FAILS(EVLOG_INVALID, "no log", evlog_consumer_set_paused(NULL, "c", 0));
    FAILS(EVLOG_INVALID, "no log", evlog_each_consumer(NULL, are_in_order, NULL));
    FAILS(EVLOG_INVALID, "no log", evlog_each_parked(NULL, "c", copy_parked, NULL));
    FAILS(EVLOG_INVALID, "no log", evlog_parked_retry(NULL, "c", 0, &number));
    FAILS(EVLOG_INVALID, "no log", evlog_parked_drop(NULL, "c", 0, &number));
    FAILS(EVLOG_INVALID, "no log", evlog_wait(NULL, 0, 0, &number));
    FAILS(EVLOG_INVALID, "no consumer", acknowledge(NULL, 1));
    FAILS(EVLOG_INVALID, "no consumer", evlog_consumer_run(NULL, hear, &heard));
    FAILS(EVLOG_INVALID, "no consumer", evlog_state_get(NULL, "k", 1, &value, &size));
    FAILS(EVLOG_INVALID, "no consumer", evlog_state_put(NULL, "k", 1, "v", 1));
    FAILS(EVLOG_INVALID, "no consumer", evlog_state_delete(NULL, "k", 1));
    assert_int_equal(number, 6);
    FAILS(EVLOG_INVALID, "no consumer", evlog_consumer_poll(NULL, 0, 0, hear, &heard, &number));
    assert_int_equal(number, 0);
    assert_ptr_equal(consumer, (void *)1);
    assert_int_equal(size, 5);
    OK(evlog_close(place.log));
}

/* ------------------------------------------------------------- evlog_wait ---- */

/* Waiting gives the last event there is: at once when it is later, else when it comes. */
static void waiting_tells_the_last_event(void **state)
{
    struct opened place = open_log(*state);
    uint64_t last = 9;
    pthread_t thread;
    OK(evlog_wait(place.log, 0, 0, &last));
    assert_int_equal(last, 0);
    OK(evlog_wait(place.log, 0, 2, &last));
    assert_int_equal(last, 0);
    send_some(place.a, 3);
    OK(evlog_wait(place.log, 2, -1, &last));
    assert_int_equal(last, 3);
    OK(evlog_wait(place.log, 3, 0, &last));
    assert_int_equal(last, 3);
    OK(evlog_wait(place.log, UINT64_MAX, 1, &last));
    assert_int_equal(last, 3);
    alarm(HANG_SECONDS);
    for (uint64_t i = 3; i < 6; i++) {
        assert_int_equal(pthread_create(&thread, NULL, send_later, &place), 0);
        OK(evlog_wait(place.log, i, i == 4 ? INT64_MAX : -1, &last));
        assert_int_equal(last, i + 1);
        pthread_join(thread, NULL);
    }
    alarm(0);
    OK(evlog_close(place.log));
}

/* Paced by the second, failing events take their time too: no more are handed out than asked. */
static void failing_events_are_paced(void **state)
{
    static struct heard heard = {.fails_at = UINT64_MAX};
    struct opened place = open_log(*state);
    evlog_consumer *consumer = open_consumer(
        place.log, "c",
        (evlog_consumer_options){
            .on_failure = EVLOG_FAILURE_SKIP, .attempt_max = 1, .per_second = 0.001});
    send_some(place.a, 3);
    poll_now(consumer, &heard);
    HEARD(&heard, 1);
    poll_now(consumer, &heard);
    assert_int_equal(heard.count, 0);
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(a_new_consumer_begins_where_it_is_asked_to),
        TEST_AT_HOME(new_is_what_comes),
        TEST_AT_HOME(the_last_are_those_that_are_wanted),
        TEST_AT_HOME(a_known_consumer_goes_on_at_its_checkpoint),
        TEST_AT_HOME(what_is_refused_makes_no_consumer),
        TEST_AT_HOME(a_checkpoint_passes_what_is_not_wanted),
        TEST_AT_HOME(many_unwanted_are_passed_on_the_way),
        TEST_AT_HOME(types_are_kept_until_others_are_given),
        TEST_AT_HOME(a_poll_ends_at_its_limit),
        TEST_AT_HOME(a_poll_waits_for_the_first),
        TEST_AT_HOME(a_run_is_stopped_from_a_thread),
        TEST_AT_HOME(a_stop_counts_for_one_poll),
        TEST_AT_HOME(a_run_is_stopped_from_a_signal_handler),
        TEST_AT_HOME(checkpoints_are_written_together),
        TEST_AT_HOME(unacknowledged_events_come_again),
        TEST_AT_HOME(acknowledging_all_passes_the_unwanted),
        TEST_AT_HOME(a_receiver_may_acknowledge),
        TEST_AT_HOME(what_was_not_handed_out_is_not_acknowledged),
        TEST_AT_HOME(a_failing_event_is_parked),
        TEST_AT_HOME(an_event_may_succeed_at_last),
        TEST_AT_HOME(stop_goes_no_further),
        TEST_AT_HOME(skip_passes_it),
        TEST_AT_HOME(attempts_go_on_with_the_next_poll),
        TEST_AT_HOME(a_replay_is_what_was_there_before),
        TEST_AT_HOME(replays_are_silent_or_refused),
        TEST_AT_HOME(connected_receivers_are_called),
        TEST_AT_HOME(one_that_fails_fails_the_event),
        TEST_AT_HOME(connected_receivers_have_their_own_policy),
        TEST_AT_HOME(it_catches_up_and_falls_behind),
        TEST_AT_HOME(what_is_damaged_is_told_and_passed),
        TEST_AT_HOME(what_was_trimmed_away_is_told_once),
        TEST_AT_HOME(another_past_is_a_conflict),
        TEST_AT_HOME(its_receiver_cannot_poll_or_close_it),
        TEST_AT_HOME(a_process_has_it_open_once),
        TEST_AT_HOME(a_second_process_is_told_or_waits),
        TEST_AT_HOME(a_dead_holder_has_nothing),
        TEST_AT_HOME(a_fork_has_no_consumer),
        TEST_AT_HOME(many_fight_for_one_consumer),
        TEST_AT_HOME(a_paused_consumer_hands_out_nothing),
        TEST_AT_HOME(another_process_pauses_and_resumes_it),
        TEST_AT_HOME(a_removed_consumer_leaves_nothing),
        TEST_AT_HOME(a_reset_does_what_its_dry_run_tells),
        TEST_AT_HOME(a_reset_goes_anywhere),
        TEST_AT_HOME(names_have_limits),
        TEST_AT_HOME(there_can_be_so_many),
        TEST_AT_HOME(a_reader_can_only_look),
        TEST_AT_HOME(nothing_is_refused_by_every_call),
        TEST_AT_HOME(waiting_tells_the_last_event),
        TEST_AT_HOME(failing_events_are_paced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
