/*
 * A consumer's events one by one: evlog_consumer_next, _done, _fail and _commit. What several
 * events out at once mean for acknowledging, failing, state, parking and deaths; waiting and
 * stopping; and that the pull form and polls are one thing.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>

#include "child.h"
#include "claim.h"
#include "consume.h"

#define QUICK .backoff_ms = 1, .backoff_max_ms = 1

static evlog_consumer *open_consumer(evlog *log, evlog_consumer_options options)
{
    evlog_consumer *consumer;
    OK(evlog_consumer_open(log, "c", &options, &consumer));
    return consumer;
}

static void close_all(evlog_consumer *consumer, struct opened *place)
{
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place->log));
}

/* The next event, which may wait for its backoff or for what another process does. */
static const evlog_event *next(evlog_consumer *consumer)
{
    const evlog_event *event = NULL;
    OK(evlog_consumer_next(consumer, 5000, &event));
    assert_non_null(event);
    return event;
}

/* The next one is `seq`, handed out for the `attempt`th time. */
static void next_is(evlog_consumer *consumer, uint64_t seq, uint32_t attempt)
{
    const evlog_event *event = next(consumer);
    if (event->seq != seq || event->attempt != attempt)
        fail_msg("event %" PRIu64 ", attempt %u, not %" PRIu64 ", %u", event->seq, event->attempt,
                 seq, attempt);
}

/* These are next, each for the `attempt`th time. */
static void next_are(evlog_consumer *consumer, uint64_t first, uint64_t last, uint32_t attempt)
{
    for (uint64_t seq = first; seq <= last; seq++)
        next_is(consumer, seq, attempt);
}

/* There is none now. */
static void none(evlog_consumer *consumer)
{
    const evlog_event *event = (const evlog_event *)&event;
    OK(evlog_consumer_next(consumer, 0, &event));
    assert_null(event);
}

static uint64_t checkpoint_of(evlog *log)
{
    return info_of(log, "c").checkpoint;
}

/* How many parked events there are, and which is the first. */
struct parked {
    size_t count;
    evlog_parked first;
    char error[EVLOG_PARKED_ERROR_SIZE_MAX + 1];
};

static int note_parked(const evlog_parked *parked, void *ctx)
{
    struct parked *noted = ctx;
    if (noted->count++ == 0) {
        noted->first = *parked;
        snprintf(noted->error, sizeof noted->error, "%s", parked->error);
    }
    return 0;
}

static struct parked parked_of(evlog *log)
{
    struct parked noted = {.count = 0};
    OK(evlog_each_parked(log, "c", note_parked, &noted));
    assert_int_equal(info_of(log, "c").parked_count, noted.count);
    return noted;
}

/* Event `seq`, and no other, is parked. */
static void only_is_parked(evlog *log, uint64_t seq)
{
    struct parked parked = parked_of(log);
    assert_int_equal(parked.count, 1);
    assert_int_equal(parked.first.seq, seq);
}

/* A consumer that has parked the first `count` events, of `count`. */
static void park_all(struct opened *place, unsigned count)
{
    evlog_consumer *consumer =
        open_consumer(place->log, (evlog_consumer_options){.attempt_max = 1});
    send_some(place->a, count);
    for (uint64_t seq = 1; seq <= count; seq++) {
        next_is(consumer, seq, 1);
        OK(evlog_consumer_fail(consumer, seq, "not now"));
    }
    OK(evlog_consumer_close(consumer));
    assert_int_equal(checkpoint_of(place->log), count);
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---------------------------------------------------------------- state ---- */

static void put(evlog_consumer *consumer, const char *key, uint64_t number)
{
    OK(evlog_state_put(consumer, key, strlen(key), &number, sizeof number));
}

/* 0: there is no such key. */
static uint64_t get(evlog_consumer *consumer, const char *key)
{
    const void *value;
    size_t size;
    uint64_t number;
    if (evlog_state_get(consumer, key, strlen(key), &value, &size) == EVLOG_NOTFOUND)
        return 0;
    assert_int_equal(size, sizeof number);
    memcpy(&number, value, sizeof number);
    return number;
}

/* ------------------------------------------------------- out and done ---- */

/* Several events are out at once; one that is done acknowledges those before it, and no other. */
static void done_acknowledges_all_before(void **state)
{
    struct opened place = open_log(*state);
    evlog_consumer *consumer = open_consumer(place.log, (evlog_consumer_options){.replay = 0});
    send_some(place.a, 7);
    next_are(consumer, 1, 5, 1);
    OK(evlog_consumer_commit(consumer));
    assert_int_equal(checkpoint_of(place.log), 0);
    OK(evlog_consumer_done(consumer, 3));
    OK(evlog_consumer_commit(consumer));
    assert_int_equal(checkpoint_of(place.log), 3);
    assert_int_equal(info_of(place.log, "c").done_count, 3);
    next_is(consumer, 6, 1);
    OK(evlog_consumer_close(consumer));
    assert_int_equal(checkpoint_of(place.log), 3);
    consumer = open_consumer(place.log, (evlog_consumer_options){.replay = 0});
    next_are(consumer, 4, 5, 2);
    next_is(consumer, 6, 2);
    next_is(consumer, 7, 1);
    none(consumer);
    OK(evlog_consumer_done(consumer, 7));
    OK(evlog_consumer_commit(consumer));
    assert_int_equal(checkpoint_of(place.log), 7);
    assert_int_equal(info_of(place.log, "c").done_count, 7);
    close_all(consumer, &place);
}

/* What is done already may be done again; what was not handed out yet may not. */
static void done_again_and_too_early(void **state)
{
    struct opened place = open_log(*state);
    evlog_consumer *consumer = open_consumer(place.log, (evlog_consumer_options){QUICK});
    send_some(place.a, 3);
    FAILS(EVLOG_INVALID, "not handed out", evlog_consumer_done(consumer, 1));
    next_are(consumer, 1, 2, 1);
    FAILS(EVLOG_INVALID, "event 0", evlog_consumer_done(consumer, 0));
    FAILS(EVLOG_INVALID, "event 3", evlog_consumer_done(consumer, 3));
    FAILS(EVLOG_INVALID, "event 3", evlog_consumer_fail(consumer, 3, NULL));
    OK(evlog_consumer_done(consumer, 1));
    OK(evlog_consumer_done(consumer, 1));
    FAILS(EVLOG_INVALID, "event 1", evlog_consumer_fail(consumer, 1, NULL));
    OK(evlog_consumer_fail(consumer, 2, NULL));
    FAILS(EVLOG_INVALID, "event 2", evlog_consumer_done(consumer, 2)); /* it was taken back */
    FAILS(EVLOG_INVALID, "event 2", evlog_consumer_fail(consumer, 2, NULL));
    next_is(consumer, 2, 2);
    OK(evlog_consumer_done(consumer, 2));
    OK(evlog_consumer_done(consumer, 1));
    next_is(consumer, 3, 1);
    close_all(consumer, &place);
}

/* A parked event that is retried is acknowledged alone, or with one that was handed out after it. */
static void a_retried_event_is_done_alone(void **state)
{
    struct opened place = open_log(*state);
    park_all(&place, 3);
    OK(evlog_parked_retry(place.log, "c", 0, NULL));
    evlog_consumer *consumer = open_consumer(place.log, (evlog_consumer_options){.replay = 0});
    send_some(place.a, 2);
    next_are(consumer, 1, 3, 2);
    next_are(consumer, 4, 5, 1);
    OK(evlog_consumer_done(consumer, 1));
    OK(evlog_consumer_commit(consumer));
    assert_int_equal(parked_of(place.log).first.seq, 2);
    OK(evlog_consumer_done(consumer, 3)); /* what 2 did comes first */
    OK(evlog_consumer_commit(consumer));
    assert_int_equal(parked_of(place.log).count, 2);
    assert_int_equal(checkpoint_of(place.log), 3);
    OK(evlog_consumer_done(consumer, 4));
    OK(evlog_consumer_commit(consumer));
    assert_int_equal(parked_of(place.log).count, 0);
    assert_int_equal(checkpoint_of(place.log), 4);
    none(consumer);
    close_all(consumer, &place);
}

/* What is given back comes again at once, with what came after it; however often, it has not failed. */
static void what_is_given_back_has_not_failed(void **state)
{
    struct opened place = open_log(*state);
    evlog_consumer *consumer =
        open_consumer(place.log, (evlog_consumer_options){.attempt_max = 2, .backoff_ms = 60000});
    send_some(place.a, 3);
    FAILS(EVLOG_INVALID, "event 1", evlog_consumer_give_back(consumer, 1));
    next_are(consumer, 1, 2, 1);
    OK(evlog_consumer_done(consumer, 1));
    for (uint32_t attempt = 1; attempt <= 4; attempt++) {
        next_is(consumer, 3, attempt == 1 ? 1 : 2);
        put(consumer, "k", 3);
        OK(evlog_consumer_give_back(consumer, 2));
        assert_int_equal(get(consumer, "k"), 0);
        next_is(consumer, 2, attempt + 1);
    }
    FAILS(EVLOG_INVALID, "event 3", evlog_consumer_give_back(consumer, 3));
    assert_int_equal(parked_of(place.log).count, 0);
    OK(evlog_consumer_done(consumer, 2));
    next_is(consumer, 3, 2);
    close_all(consumer, &place);
}

/* A parked event that is given back is one that is to be retried, as before. */
static void a_retry_that_is_given_back_comes_again(void **state)
{
    struct opened place = open_log(*state);
    park_all(&place, 2);
    OK(evlog_parked_retry(place.log, "c", 2, NULL));
    evlog_consumer *consumer = open_consumer(place.log, (evlog_consumer_options){.replay = 0});
    for (int i = 0; i < 3; i++) {
        next_is(consumer, 2, 2);
        OK(evlog_consumer_give_back(consumer, 2));
        assert_int_equal(info_of(place.log, "c").retry_count, 1);
    }
    next_is(consumer, 2, 2);
    OK(evlog_consumer_done(consumer, 2));
    OK(evlog_consumer_commit(consumer));
    only_is_parked(place.log, 1);
    none(consumer);
    close_all(consumer, &place);
}

/* Closing with events out gives them back: they come again, and say so. */
static void what_is_out_when_it_is_closed_comes_again(void **state)
{
    struct opened place = open_log(*state);
    evlog_consumer *consumer = open_consumer(place.log, (evlog_consumer_options){.replay = 0});
    send_some(place.a, 3);
    next_are(consumer, 1, 2, 1);
    put(consumer, "k", 2);
    OK(evlog_consumer_done(consumer, 1));
    OK(evlog_consumer_close(consumer));
    assert_int_equal(checkpoint_of(place.log), 1);
    consumer = open_consumer(place.log, (evlog_consumer_options){.replay = 0});
    assert_int_equal(get(consumer, "k"), 0);
    next_is(consumer, 2, 2);
    next_is(consumer, 3, 1);
    close_all(consumer, &place);
}

/* An event and its data stay as they are until the next one is asked for, whatever else is called. */
static void an_event_is_valid_until_the_next(void **state)
{
    struct opened place = open_log(*state);
    evlog_consumer *consumer =
        open_consumer(place.log, (evlog_consumer_options){.attempt_max = 1});
    OK(evlog_send_event(place.a, SMALL_MAP("\x01"), 4, NULL, NULL));
    OK(evlog_send_event(place.a, SMALL_MAP("\x02"), 4, NULL, NULL));
    next(consumer);
    const evlog_event *event = next(consumer);
    put(consumer, "k", 1);
    OK(evlog_consumer_done(consumer, 1));
    OK(evlog_consumer_commit(consumer));
    OK(evlog_consumer_fail(consumer, 2, "not now"));
    assert_int_equal(event->seq, 2);
    assert_int_equal(event->data_size, 4);
    assert_memory_equal(event->data, SMALL_MAP("\x02"), 4);
    assert_string_equal(event->event_type, "a.v1");
    assert_ptr_equal(event->signal, place.a);
    OK(evlog_parked_retry(place.log, "c", 2, NULL));
    event = next(consumer);
    assert_true(event->is_retry);
    OK(evlog_consumer_done(consumer, 2));
    assert_memory_equal(event->data, SMALL_MAP("\x02"), 4);
    close_all(consumer, &place);
}

/* Up to EVLOG_OUT_MAX are out; then some have to be done first. */
static void out_has_a_limit(void **state)
{
    static evlog_sending sends[4096];
    struct opened place = open_log(*state);
    evlog_consumer *consumer = open_consumer(place.log, (evlog_consumer_options){.replay = 0});
    const evlog_event *event;
    for (size_t i = 0; i < 4096; i++)
        sends[i] = (evlog_sending){.signal = place.a, .data = "\x80", .data_size = 1};
    for (size_t i = 0; i < EVLOG_OUT_MAX / 4096 + 1; i++)
        OK(evlog_send_events(sends, 4096, NULL, NULL));
    for (uint64_t seq = 1; seq <= EVLOG_OUT_MAX; seq++) {
        OK(evlog_consumer_next(consumer, 0, &event));
        if (event->seq != seq)
            fail_msg("%" PRIu64 " came as %" PRIu64, event->seq, seq);
    }
    event = NULL;
    FAILS(EVLOG_LIMIT, "acknowledge some", evlog_consumer_next(consumer, 0, &event));
    FAILS(EVLOG_LIMIT, "acknowledge some",
          evlog_consumer_poll(consumer, 0, 0, hear, &(struct heard){.count = 0}, NULL));
    assert_null(event);
    OK(evlog_consumer_done(consumer, 2));
    next_are(consumer, EVLOG_OUT_MAX + 1, EVLOG_OUT_MAX + 2, 1);
    FAILS(EVLOG_LIMIT, "acknowledge some", evlog_consumer_next(consumer, 0, &event));
    for (uint64_t seq = 3; seq <= EVLOG_OUT_MAX; seq++) /* one by one is not slow either */
        if (evlog_consumer_done(consumer, seq))
            fail_msg("%" PRIu64 ": %s", seq, evlog_errmsg());
    next_is(consumer, EVLOG_OUT_MAX + 3, 1);
    OK(evlog_consumer_done(consumer, EVLOG_OUT_MAX + 3));
    OK(evlog_consumer_commit(consumer));
    assert_int_equal(checkpoint_of(place.log), EVLOG_OUT_MAX + 3);
    close_all(consumer, &place);
}

/* Many parked events are out at once, each one once; what one takes back comes again. */
static void many_retried_events_are_out_at_once(void **state)
{
    enum { COUNT = 60 };
    struct opened place = open_log(*state);
    park_all(&place, COUNT);
    OK(evlog_parked_retry(place.log, "c", 0, NULL));
    evlog_consumer *consumer = open_consumer(place.log, (evlog_consumer_options){.replay = 0});
    next_are(consumer, 1, COUNT, 2);
    none(consumer);
    OK(evlog_consumer_fail(consumer, 2, "not now"));
    next_are(consumer, 3, COUNT, 2);
    none(consumer);
    OK(evlog_parked_retry(place.log, "c", 2, NULL)); /* before those that are out */
    next_is(consumer, 2, 3);
    for (uint64_t seq = 1; seq <= COUNT; seq++)
        OK(evlog_consumer_done(consumer, seq));
    none(consumer);
    assert_int_equal(parked_of(place.log).count, 0);
    close_all(consumer, &place);
}

/* -------------------------------------------------------------- failing ---- */

/* What was handed out after one that fails is taken back with its state, and comes again. */
static void failing_takes_back_what_came_after(void **state)
{
    struct opened place = open_log(*state);
    evlog_consumer *consumer = open_consumer(place.log, (evlog_consumer_options){QUICK});
    send_some(place.a, 4);
    for (uint64_t seq = 1; seq <= 4; seq++) {
        next_is(consumer, seq, 1);
        put(consumer, "last", seq);
        put(consumer, (const char *[]){"1", "2", "3", "4"}[seq - 1], seq);
    }
    OK(evlog_consumer_fail(consumer, 3, "not now"));
    assert_int_equal(get(consumer, "last"), 2);
    assert_int_equal(get(consumer, "2"), 2);
    assert_int_equal(get(consumer, "3") + get(consumer, "4"), 0);
    next_are(consumer, 3, 4, 2);
    put(consumer, "last", 4);
    OK(evlog_consumer_fail(consumer, 1, "not now"));
    assert_int_equal(get(consumer, "last") + get(consumer, "1"), 0);
    next_are(consumer, 1, 2, 2);
    put(consumer, "last", 2);
    OK(evlog_consumer_done(consumer, 2));
    OK(evlog_consumer_close(consumer));
    consumer = open_consumer(place.log, (evlog_consumer_options){QUICK});
    assert_int_equal(get(consumer, "last"), 2);
    assert_int_equal(get(consumer, "1") + get(consumer, "2"), 0);
    next_are(consumer, 3, 4, 2);
    close_all(consumer, &place);
}

/* Attempts are counted, and each waits twice as long as the one before; meanwhile nothing comes. */
static void attempts_wait_for_their_backoff(void **state)
{
    struct opened place = open_log(*state);
    evlog_consumer *consumer = open_consumer(
        place.log,
        (evlog_consumer_options){.backoff_ms = 40, .backoff_max_ms = 60, .attempt_max = 4});
    send_some(place.a, 2);
    next_is(consumer, 1, 1);
    for (uint32_t attempt = 2; attempt <= 4; attempt++) {
        int64_t failed_ms = now_ms();
        OK(evlog_consumer_fail(consumer, 1, "not now"));
        none(consumer);
        next_is(consumer, 1, attempt);
        assert_in_range(now_ms() - failed_ms, attempt == 2 ? 39 : 59, 4000);
    }
    OK(evlog_consumer_fail(consumer, 1, "not now"));
    next_is(consumer, 2, 1);
    struct parked parked = parked_of(place.log);
    assert_int_equal(parked.count, 1);
    assert_int_equal(parked.first.attempt_count, 4);
    assert_string_equal(parked.error, "not now");
    OK(evlog_consumer_fail(consumer, 2, NULL));
    next_is(consumer, 2, 2);
    OK(evlog_consumer_done(consumer, 2));
    close_all(consumer, &place);
}

/* With a deadline before the next attempt, the wait ends at the deadline. */
static void a_wait_for_an_attempt_has_its_deadline(void **state)
{
    struct opened place = open_log(*state);
    const evlog_event *event;
    evlog_consumer *consumer =
        open_consumer(place.log, (evlog_consumer_options){.backoff_ms = 30000});
    send_some(place.a, 1);
    next_is(consumer, 1, 1);
    OK(evlog_consumer_fail(consumer, 1, "not now"));
    int64_t began_ms = now_ms();
    OK(evlog_consumer_next(consumer, 30, &event));
    assert_null(event);
    assert_in_range(now_ms() - began_ms, 29, 4000);
    close_all(consumer, &place);
}

/* One that has failed for the last time while others are out is parked ahead of the checkpoint. */
static void parked_ahead_of_what_is_out(void **state)
{
    struct opened place = open_log(*state);
    evlog_consumer *consumer =
        open_consumer(place.log, (evlog_consumer_options){.attempt_max = 1});
    send_some(place.a, 4);
    next_are(consumer, 1, 2, 1);
    OK(evlog_consumer_fail(consumer, 2, "not now"));
    only_is_parked(place.log, 2);
    next_is(consumer, 3, 1);
    assert_int_equal(checkpoint_of(place.log), 0);
    OK(evlog_consumer_close(consumer));
    for (int again = 0; again < 2; again++) {
        consumer = open_consumer(place.log, (evlog_consumer_options){.attempt_max = 1});
        next_is(consumer, 1, 2);
        next_is(consumer, 3, again ? 3 : 2);
        if (again)
            OK(evlog_consumer_done(consumer, 3));
        OK(evlog_consumer_close(consumer));
    }
    only_is_parked(place.log, 2);
    assert_int_equal(checkpoint_of(place.log), 3);
    assert_int_equal(info_of(place.log, "c").done_count, 2);
    OK(evlog_close(place.log));
}

/* With EVLOG_FAILURE_SKIP the notice is all that is left of it, and it is counted. */
static void skipped_when_it_has_failed(void **state)
{
    static struct noticed noticed;
    struct opened place = open_log(*state);
    noticed.count = 0;
    evlog_consumer *consumer =
        open_consumer(place.log, (evlog_consumer_options){.on_failure = EVLOG_FAILURE_SKIP,
                                                          .attempt_max = 1,
                                                          .notice = notice,
                                                          .notice_ctx = &noticed});
    send_some(place.a, 2);
    next_is(consumer, 1, 1);
    put(consumer, "k", 1);
    OK(evlog_consumer_fail(consumer, 1, "not now"));
    noticed_is(&noticed, 0, EVLOG_NOTICE_SKIPPED, 1, 1);
    assert_string_equal(noticed.of[0].text, "not now");
    next_is(consumer, 2, 1);
    OK(evlog_consumer_done(consumer, 2));
    OK(evlog_consumer_commit(consumer));
    assert_int_equal(get(consumer, "k"), 0);
    evlog_consumer_info info = info_of(place.log, "c");
    assert_int_equal(info.checkpoint, 2);
    assert_int_equal(info.skipped_count, 1);
    assert_int_equal(info.done_count, 1);
    assert_int_equal(info.parked_count, 0);
    close_all(consumer, &place);
}

/* With EVLOG_FAILURE_STOP the last failure is the result, and the event comes when it is asked for. */
static void stops_when_it_has_failed(void **state)
{
    struct opened place = open_log(*state);
    evlog_consumer *consumer =
        open_consumer(place.log, (evlog_consumer_options){QUICK, .on_failure = EVLOG_FAILURE_STOP,
                                                          .attempt_max = 2});
    send_some(place.a, 3);
    next_are(consumer, 1, 3, 1);
    OK(evlog_consumer_fail(consumer, 2, "not now"));
    next_is(consumer, 2, 2);
    FAILS(EVLOG_RECEIVER, "event 2 failed: not yet", evlog_consumer_fail(consumer, 2, "not yet"));
    next_is(consumer, 2, 3);
    FAILS(EVLOG_RECEIVER, "event 2 failed: it failed", evlog_consumer_fail(consumer, 2, NULL));
    next_is(consumer, 2, 4);
    OK(evlog_consumer_done(consumer, 2)); /* and 1 */
    OK(evlog_consumer_commit(consumer));
    assert_int_equal(checkpoint_of(place.log), 2);
    next_is(consumer, 3, 2);
    close_all(consumer, &place);
}

/* A retried event has one attempt; what came after it is taken back with it, retried events too. */
static void a_retried_event_fails(void **state)
{
    struct opened place = open_log(*state);
    park_all(&place, 3);
    OK(evlog_parked_retry(place.log, "c", 0, NULL));
    evlog_consumer *consumer = open_consumer(place.log, (evlog_consumer_options){QUICK});
    send_some(place.a, 1);
    next_is(consumer, 1, 2);
    next_is(consumer, 2, 2);
    put(consumer, "k", 2);
    next_is(consumer, 3, 2);
    next_is(consumer, 4, 1);
    OK(evlog_consumer_fail(consumer, 2, "still not"));
    assert_int_equal(get(consumer, "k"), 0);
    next_is(consumer, 3, 2); /* its retry was not ended by anybody */
    next_is(consumer, 4, 2);
    OK(evlog_consumer_done(consumer, 4));
    OK(evlog_consumer_commit(consumer));
    only_is_parked(place.log, 2);
    struct parked parked = parked_of(place.log);
    assert_false(parked.first.is_retry);
    assert_int_equal(parked.first.attempt_count, 2);
    assert_string_equal(parked.error, "still not");
    close_all(consumer, &place);
}

/*
 * A retry that is taken back comes before what is new again, also when a look for others had found
 * none before: another one waits for the checkpoint.
 */
static void a_retry_that_is_taken_back_comes_again(void **state)
{
    struct opened place = open_log(*state);
    park_all(&place, 1);
    send_some(place.a, 4);
    evlog_consumer *consumer =
        open_consumer(place.log, (evlog_consumer_options){QUICK, .attempt_max = 1});
    next_are(consumer, 2, 4, 1);
    OK(evlog_consumer_fail(consumer, 4, "not now"));
    OK(evlog_parked_retry(place.log, "c", 0, NULL)); /* 4 waits for the checkpoint */
    usleep(150000);
    next_is(consumer, 1, 2);
    next_is(consumer, 5, 1);
    none(consumer);
    OK(evlog_consumer_fail(consumer, 3, "not now"));
    next_is(consumer, 1, 2);
    next_is(consumer, 5, 2);
    close_all(consumer, &place);
}

/* One retry that waits is dropped and another asked for: as many wait as before, and it comes. */
static void a_retry_instead_of_another_is_noticed(void **state)
{
    struct opened place = open_log(*state);
    park_all(&place, 1);
    send_some(place.a, 2);
    evlog_consumer *consumer =
        open_consumer(place.log, (evlog_consumer_options){.attempt_max = 1});
    next_are(consumer, 2, 3, 1);
    OK(evlog_consumer_fail(consumer, 3, "not now"));
    OK(evlog_parked_retry(place.log, "c", 3, NULL)); /* it waits for the checkpoint */
    usleep(150000);
    none(consumer);
    OK(evlog_parked_drop(place.log, "c", 3, NULL));
    OK(evlog_parked_retry(place.log, "c", 1, NULL));
    next_is(consumer, 1, 2);
    close_all(consumer, &place);
}

/* ------------------------------------------------- waiting and stopping ---- */

/* A wait ends in time, whether it is paused or has nothing. */
static void a_wait_ends_in_time(void **state)
{
    struct opened place = open_log(*state);
    evlog_consumer *consumer = open_consumer(place.log, (evlog_consumer_options){.replay = 0});
    for (int is_paused = 0; is_paused < 2; is_paused++) {
        const evlog_event *event = (const evlog_event *)&event;
        OK(evlog_consumer_set_paused(place.log, "c", is_paused));
        send_some(place.a, (unsigned)is_paused);
        usleep(150000);
        int64_t began_ms = now_ms();
        OK(evlog_consumer_next(consumer, 30, &event));
        assert_null(event);
        assert_in_range(now_ms() - began_ms, 29, 4000);
    }
    OK(evlog_consumer_set_paused(place.log, "c", false));
    next_is(consumer, 1, 1);
    close_all(consumer, &place);
}

/* What a thread does a little later. */
struct later {
    pthread_t thread;
    void (*act)(struct later *later);
    struct opened place;
    evlog_consumer *consumer;
};

static void *act_later(void *ctx)
{
    struct later *later = ctx;
    usleep(30000);
    later->act(later);
    return NULL;
}

static void begin_later(struct later *later, void (*act)(struct later *))
{
    later->act = act;
    assert_int_equal(pthread_create(&later->thread, NULL, act_later, later), 0);
}

static void end_later(struct later *later)
{
    assert_int_equal(pthread_join(later->thread, NULL), 0);
}

static void send_one(struct later *later)
{
    send_some(later->place.a, 1);
}

static void resume(struct later *later)
{
    OK(evlog_consumer_set_paused(later->place.log, "c", false));
}

static void retry_one(struct later *later)
{
    OK(evlog_parked_retry(later->place.log, "c", 1, NULL));
}

static void stop(struct later *later)
{
    evlog_consumer_stop(later->consumer);
}

/* A wait without limit ends when an event is sent, it is resumed, or a parked event is retried. */
static void a_wait_ends_for_what_others_do(void **state)
{
    static struct later later;
    later = (struct later){.place = open_log(*state)};
    evlog_consumer *consumer = later.consumer =
        open_consumer(later.place.log, (evlog_consumer_options){.attempt_max = 1});
    const evlog_event *event;
    begin_later(&later, send_one);
    OK(evlog_consumer_next(consumer, -1, &event));
    assert_int_equal(event->seq, 1);
    end_later(&later);
    OK(evlog_consumer_fail(consumer, 1, "not now"));
    begin_later(&later, retry_one);
    OK(evlog_consumer_next(consumer, -1, &event));
    assert_true(event->seq == 1 && event->is_retry);
    end_later(&later);
    OK(evlog_consumer_done(consumer, 1));
    OK(evlog_consumer_set_paused(later.place.log, "c", true));
    send_some(later.place.a, 1);
    usleep(150000);
    begin_later(&later, resume);
    OK(evlog_consumer_next(consumer, -1, &event));
    assert_int_equal(event->seq, 2);
    end_later(&later);
    close_all(consumer, &later.place);
}

static evlog_consumer *stopped_by_signal;

static void stop_in_handler(int number)
{
    (void)number;
    evlog_consumer_stop(stopped_by_signal);
}

/*
 * It is stopped by another thread, by a signal handler, or before it waits; in a wait for an event
 * and in one for an attempt. It goes on where it was, and what is out stays out.
 */
static void a_wait_is_stopped(void **state)
{
    static struct later later;
    struct sigaction action = {.sa_handler = stop_in_handler}, before;
    later = (struct later){.place = open_log(*state)};
    evlog_consumer *consumer = later.consumer = stopped_by_signal =
        open_consumer(later.place.log, (evlog_consumer_options){.backoff_ms = 60000});
    const evlog_event *event = NULL;
    send_some(later.place.a, 2);
    next_is(consumer, 1, 1);
    evlog_consumer_stop(consumer);
    evlog_consumer_stop(consumer);
    FAILS(EVLOG_STOPPED, "stopped", evlog_consumer_next(consumer, 0, &event));
    assert_null(event);
    next_is(consumer, 2, 1);
    begin_later(&later, stop);
    FAILS(EVLOG_STOPPED, "stopped", evlog_consumer_next(consumer, -1, &event));
    end_later(&later);
    OK(evlog_consumer_fail(consumer, 2, "not now"));
    begin_later(&later, stop);
    FAILS(EVLOG_STOPPED, "stopped", evlog_consumer_next(consumer, -1, &event));
    end_later(&later);
    sigaction(SIGALRM, &action, &before);
    setitimer(ITIMER_REAL, &(struct itimerval){.it_value.tv_usec = 30000}, NULL);
    FAILS(EVLOG_STOPPED, "stopped", evlog_consumer_next(consumer, -1, &event));
    sigaction(SIGALRM, &before, NULL);
    OK(evlog_consumer_done(consumer, 1));
    OK(evlog_consumer_commit(consumer));
    assert_int_equal(checkpoint_of(later.place.log), 1);
    assert_null(event);
    close_all(consumer, &later.place);
}

/* Places that are not given are refused, and so is a consumer that is not. */
static void null_is_refused(void **state)
{
    struct opened place = open_log(*state);
    const evlog_event *event;
    const void *value;
    size_t size;
    evlog_consumer *consumer = open_consumer(place.log, (evlog_consumer_options){.replay = 0});
    send_some(place.a, 1);
    FAILS(EVLOG_INVALID, "no place", evlog_consumer_next(consumer, 0, NULL));
    FAILS(EVLOG_INVALID, "no consumer", evlog_consumer_next(NULL, 0, &event));
    FAILS(EVLOG_INVALID, "no consumer", evlog_consumer_done(NULL, 1));
    FAILS(EVLOG_INVALID, "no consumer", evlog_consumer_fail(NULL, 1, NULL));
    FAILS(EVLOG_INVALID, "no consumer", evlog_consumer_commit(NULL));
    FAILS(EVLOG_INVALID, "no consumer", evlog_consumer_poll(NULL, 0, 0, hear, NULL, NULL));
    FAILS(EVLOG_INVALID, "no consumer", evlog_state_get(NULL, "k", 1, &value, &size));
    next_is(consumer, 1, 1);
    put(consumer, "k", 1);
    FAILS(EVLOG_INVALID, "no place", evlog_state_get(consumer, "k", 1, NULL, &size));
    FAILS(EVLOG_INVALID, "no place", evlog_state_get(consumer, "k", 1, &value, NULL));
    assert_int_equal(get(consumer, "k"), 1);
    close_all(consumer, &place);
}

/* ------------------------------------------------------------- and polls ---- */

/* What is out from before a poll stays out, and the checkpoint stays before it. */
static void polls_and_next_are_mixed(void **state)
{
    struct opened place = open_log(*state);
    struct heard heard = {.count = 0};
    evlog_consumer *consumer = open_consumer(place.log, (evlog_consumer_options){QUICK});
    send_some(place.a, 5);
    next_is(consumer, 1, 1);
    OK(evlog_consumer_poll(consumer, 2, 0, hear, &heard, NULL));
    HEARD(&heard, 2, 3);
    assert_int_equal(checkpoint_of(place.log), 0);
    next_is(consumer, 4, 1);
    OK(evlog_consumer_done(consumer, 1)); /* 2 and 3 are done too */
    OK(evlog_consumer_commit(consumer));
    assert_int_equal(checkpoint_of(place.log), 3);
    assert_int_equal(info_of(place.log, "c").done_count, 3);
    assert_int_equal(poll_now(consumer, &heard), 1);
    HEARD(&heard, 5);
    OK(evlog_consumer_fail(consumer, 4, "not now")); /* takes 5 back, though it is done */
    next_are(consumer, 4, 5, 2);
    OK(evlog_consumer_done(consumer, 5));
    OK(evlog_consumer_close(consumer));
    assert_int_equal(checkpoint_of(place.log), 5);
    OK(evlog_close(place.log));
}

/* What a poll by hand leaves out is done or fails by the same calls. */
static void a_poll_by_hand_leaves_events_out(void **state)
{
    struct opened place = open_log(*state);
    struct heard heard = {.count = 0};
    evlog_consumer *consumer =
        open_consumer(place.log, (evlog_consumer_options){QUICK, .ack_by_hand = true});
    send_some(place.a, 4);
    OK(evlog_consumer_poll(consumer, 3, 0, hear, &heard, NULL));
    HEARD(&heard, 1, 2, 3);
    next_is(consumer, 4, 1);
    OK(evlog_consumer_fail(consumer, 2, "not now"));
    OK(evlog_consumer_poll(consumer, 1, 1000, hear, &heard, NULL));
    OK(evlog_consumer_poll(consumer, 0, 0, hear, &heard, NULL));
    assert_int_equal(heard.of[0].attempt + heard.of[1].attempt + heard.of[2].attempt, 6);
    HEARD(&heard, 2, 3, 4);
    OK(evlog_consumer_done(consumer, 4));
    OK(evlog_consumer_close(consumer));
    assert_int_equal(checkpoint_of(place.log), 4);
    OK(evlog_close(place.log));
}

/* What a receiver does with its own consumer. */
struct inside {
    evlog_consumer *consumer;
    uint64_t done, fail; /* when `at` is handed out; 0: none */
    uint64_t at;
    int result;
    uint64_t calls;
};

static int act_inside(const evlog_event *event, void *ctx)
{
    struct inside *inside = ctx;
    inside->calls++;
    put(inside->consumer, "before", event->seq);
    if (event->seq != inside->at)
        return 0;
    inside->at = 0;
    const evlog_event *other;
    FAILS(EVLOG_BUSY, "polled already", evlog_consumer_next(inside->consumer, 0, &other));
    FAILS(EVLOG_BUSY, "polled already",
          evlog_consumer_poll(inside->consumer, 0, 0, act_inside, ctx, NULL));
    FAILS(EVLOG_BUSY, "being polled", evlog_consumer_close(inside->consumer));
    FAILS(EVLOG_INVALID, "not handed out", evlog_consumer_done(inside->consumer, event->seq + 1));
    if (inside->done)
        OK(evlog_consumer_done(inside->consumer, inside->done));
    if (inside->fail)
        OK(evlog_consumer_fail(inside->consumer, inside->fail, "inside"));
    put(inside->consumer, "after", event->seq);
    return inside->result;
}

/* An event that is done inside its receiver is done, whatever this returns. */
static void done_inside_its_receiver(void **state)
{
    struct opened place = open_log(*state);
    evlog_consumer *consumer = open_consumer(place.log, (evlog_consumer_options){QUICK});
    struct inside inside = {.consumer = consumer, .at = 2, .done = 2, .result = 7};
    uint64_t count;
    send_some(place.a, 3);
    OK(evlog_consumer_poll(consumer, 0, 0, act_inside, &inside, &count));
    assert_int_equal(count, 3);
    assert_int_equal(inside.calls, 3);
    assert_int_equal(checkpoint_of(place.log), 3);
    assert_int_equal(get(consumer, "after"), 2);
    assert_int_equal(parked_of(place.log).count, 0);
    close_all(consumer, &place);
}

/* One that fails inside its receiver has failed, though this returns 0; and with it what it put. */
static void failed_inside_its_receiver(void **state)
{
    struct opened place = open_log(*state);
    evlog_consumer *consumer = open_consumer(place.log, (evlog_consumer_options){QUICK});
    struct inside inside = {.consumer = consumer, .at = 1, .fail = 1};
    uint64_t count;
    send_some(place.a, 2);
    OK(evlog_consumer_poll(consumer, 0, 1000, act_inside, &inside, &count));
    assert_int_equal(count, 2);
    assert_int_equal(inside.calls, 3);
    assert_int_equal(checkpoint_of(place.log), 2);
    close_all(consumer, &place);
}

/* By hand, an earlier event fails inside a later one's receiver: both come again, neither counts. */
static void an_earlier_one_fails_inside_a_receiver(void **state)
{
    struct opened place = open_log(*state);
    evlog_consumer *consumer = open_consumer(
        place.log, (evlog_consumer_options){.ack_by_hand = true, .backoff_ms = 60000});
    struct inside inside = {.consumer = consumer, .at = 2, .fail = 1};
    uint64_t count;
    send_some(place.a, 3);
    next_is(consumer, 1, 1);
    OK(evlog_consumer_poll(consumer, 0, 0, act_inside, &inside, &count));
    assert_int_equal(count, 0);
    assert_int_equal(inside.calls, 1);
    close_all(consumer, &place);
}

/* ---------------------------------------------------------------- deaths ---- */

/* A process that takes some events and dies. */
struct mortal {
    const void *home;
    unsigned take, done; /* how many; how far it gets with them */
};

static void live_and_die(void *ctx)
{
    const struct mortal *mortal = ctx;
    const evlog_event *event;
    evlog_consumer *consumer;
    evlog *log;
    uint64_t seqs[8];
    CHECK(evlog_open(in(mortal->home, "log"), NULL, &log) == EVLOG_OK);
    CHECK(evlog_consumer_open(log, "c", &(evlog_consumer_options){.attempt_max = 3, QUICK},
                              &consumer) == EVLOG_OK);
    for (unsigned i = 0; i < mortal->take; i++) {
        CHECK(evlog_consumer_next(consumer, 1000, &event) == EVLOG_OK && event);
        seqs[i] = event->seq;
    }
    for (unsigned i = 0; i < mortal->done; i++)
        CHECK(evlog_consumer_done(consumer, seqs[i]) == EVLOG_OK);
    kill(getpid(), SIGKILL);
}

static void dies(struct mortal mortal)
{
    assert_int_equal(child_wait(child_start(live_and_die, &mortal)), 128 + SIGKILL);
}

/* An event that EVLOG_DEATHS_MAX processes had out, alone, when they died is parked. */
static void an_event_that_kills_is_parked(void **state)
{
    struct opened place = open_log(*state);
    OK(evlog_consumer_close(open_consumer(place.log, (evlog_consumer_options){.replay = 0})));
    send_some(place.a, 2);
    for (int death = 0; death < EVLOG_DEATHS_MAX; death++) {
        assert_int_equal(parked_of(place.log).count, 0);
        dies((struct mortal){.home = *state, .take = 1});
    }
    evlog_consumer *consumer = open_consumer(place.log, (evlog_consumer_options){.replay = 0});
    next_is(consumer, 2, 1);
    only_is_parked(place.log, 1);
    assert_int_equal(parked_of(place.log).first.attempt_count, EVLOG_DEATHS_MAX);
    assert_non_null(strstr(parked_of(place.log).error, "the process died"));
    close_all(consumer, &place);
}

/* With EVLOG_FAILURE_STOP it is reported, and comes when it is asked for once more. */
static void an_event_that_kills_stops(void **state)
{
    struct opened place = open_log(*state);
    const evlog_event *event;
    OK(evlog_consumer_close(open_consumer(place.log, (evlog_consumer_options){.replay = 0})));
    send_some(place.a, 1);
    for (int death = 0; death < EVLOG_DEATHS_MAX; death++)
        dies((struct mortal){.home = *state, .take = 1});
    evlog_consumer *consumer =
        open_consumer(place.log, (evlog_consumer_options){.on_failure = EVLOG_FAILURE_STOP});
    FAILS(EVLOG_RECEIVER, "the process died", evlog_consumer_next(consumer, 0, &event));
    next_is(consumer, 1, EVLOG_DEATHS_MAX + 1);
    close_all(consumer, &place);
}

/*
 * A retried event in which a process dies is parked again at once, and is left alone; asked for
 * once more, it comes.
 */
static void a_retried_event_that_kills_does_so_once(void **state)
{
    struct opened place = open_log(*state);
    park_all(&place, 1);
    for (uint32_t attempt = 2; attempt <= 3; attempt++) {
        OK(evlog_parked_retry(place.log, "c", 1, NULL));
        dies((struct mortal){.home = *state, .take = 1});
        evlog_consumer *consumer =
            open_consumer(place.log, (evlog_consumer_options){.replay = 0});
        none(consumer);
        only_is_parked(place.log, 1);
        assert_false(parked_of(place.log).first.is_retry);
        assert_int_equal(parked_of(place.log).first.attempt_count, attempt);
        OK(evlog_consumer_close(consumer));
    }
    OK(evlog_close(place.log));
}

/* A death in an event before it was parked does not count for its retry. */
static void an_earlier_death_does_not_count_for_a_retry(void **state)
{
    struct opened place = open_log(*state);
    OK(evlog_consumer_close(open_consumer(place.log, (evlog_consumer_options){.replay = 0})));
    send_some(place.a, 1);
    dies((struct mortal){.home = *state, .take = 1});
    evlog_consumer *consumer =
        open_consumer(place.log, (evlog_consumer_options){.attempt_max = 1});
    next_is(consumer, 1, 2);
    OK(evlog_consumer_fail(consumer, 1, "not now"));
    OK(evlog_parked_retry(place.log, "c", 1, NULL));
    next_is(consumer, 1, 3);
    OK(evlog_consumer_done(consumer, 1));
    assert_int_equal(parked_of(place.log).count, 0);
    close_all(consumer, &place);
}

/* With several out nobody can say which of them it was: none is parked for it. */
static void a_death_with_several_out_is_none_of_theirs(void **state)
{
    struct opened place = open_log(*state);
    OK(evlog_consumer_close(open_consumer(place.log, (evlog_consumer_options){.replay = 0})));
    send_some(place.a, 3);
    for (int death = 0; death <= EVLOG_DEATHS_MAX; death++)
        dies((struct mortal){.home = *state, .take = 3});
    evlog_consumer *consumer = open_consumer(place.log, (evlog_consumer_options){.replay = 0});
    next_are(consumer, 1, 2, 2);
    next_is(consumer, 3, EVLOG_DEATHS_MAX + 2);
    assert_int_equal(parked_of(place.log).count, 0);
    close_all(consumer, &place);
}

/* Once an event is done, a death is not its own, though the checkpoint was not written. */
static void a_death_after_done_is_not_the_events(void **state)
{
    struct opened place = open_log(*state);
    OK(evlog_consumer_close(open_consumer(place.log, (evlog_consumer_options){.replay = 0})));
    send_some(place.a, 1);
    for (int death = 0; death <= EVLOG_DEATHS_MAX; death++)
        dies((struct mortal){.home = *state, .take = 1, .done = 1});
    evlog_consumer *consumer = open_consumer(place.log, (evlog_consumer_options){.replay = 0});
    next_is(consumer, 1, EVLOG_DEATHS_MAX + 2);
    assert_int_equal(parked_of(place.log).count, 0);
    close_all(consumer, &place);
}

static unsigned
    removed_count; /* the consumer is removed before so many claims, by another process */

int __real_claim_take(struct claim *claim, evlog *log, const char *name, uint32_t wait_ms,
                      struct consumer_entry *entry);
int __wrap_claim_take(struct claim *claim, evlog *log, const char *name, uint32_t wait_ms,
                      struct consumer_entry *entry);

int __wrap_claim_take(struct claim *claim, evlog *log, const char *name, uint32_t wait_ms,
                      struct consumer_entry *entry)
{
    if (removed_count == 0)
        return __real_claim_take(claim, log, name, wait_ms, entry);
    unsigned more = removed_count - 1;
    removed_count = 0; /* removing takes a claim, too */
    OK(evlog_consumer_remove(log, name));
    removed_count = more;
    return EVLOG_NOTFOUND;
}

/* A consumer that is removed while it is opened is made again, but not without end. */
static void removed_while_it_is_opened(void **state)
{
    struct opened place = open_log(*state);
    evlog_consumer *consumer;
    removed_count = 3;
    consumer = open_consumer(place.log, (evlog_consumer_options){.backoff_ms = 1});
    assert_int_equal(removed_count, 0);
    OK(evlog_consumer_close(consumer));
    removed_count = UINT32_MAX;
    FAILS(EVLOG_BUSY, "consumer c: was removed 100 times while it was being opened",
          evlog_consumer_open(place.log, "c", NULL, &consumer));
    removed_count = 0;
    OK(evlog_close(place.log));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(done_acknowledges_all_before),
        TEST_AT_HOME(done_again_and_too_early),
        TEST_AT_HOME(a_retried_event_is_done_alone),
        TEST_AT_HOME(what_is_given_back_has_not_failed),
        TEST_AT_HOME(a_retry_that_is_given_back_comes_again),
        TEST_AT_HOME(what_is_out_when_it_is_closed_comes_again),
        TEST_AT_HOME(an_event_is_valid_until_the_next),
        TEST_AT_HOME(out_has_a_limit),
        TEST_AT_HOME(many_retried_events_are_out_at_once),
        TEST_AT_HOME(failing_takes_back_what_came_after),
        TEST_AT_HOME(attempts_wait_for_their_backoff),
        TEST_AT_HOME(a_wait_for_an_attempt_has_its_deadline),
        TEST_AT_HOME(parked_ahead_of_what_is_out),
        TEST_AT_HOME(skipped_when_it_has_failed),
        TEST_AT_HOME(stops_when_it_has_failed),
        TEST_AT_HOME(a_retried_event_fails),
        TEST_AT_HOME(a_retry_that_is_taken_back_comes_again),
        TEST_AT_HOME(a_retry_instead_of_another_is_noticed),
        TEST_AT_HOME(a_wait_ends_in_time),
        TEST_AT_HOME(a_wait_ends_for_what_others_do),
        TEST_AT_HOME(a_wait_is_stopped),
        TEST_AT_HOME(null_is_refused),
        TEST_AT_HOME(polls_and_next_are_mixed),
        TEST_AT_HOME(a_poll_by_hand_leaves_events_out),
        TEST_AT_HOME(done_inside_its_receiver),
        TEST_AT_HOME(failed_inside_its_receiver),
        TEST_AT_HOME(an_earlier_one_fails_inside_a_receiver),
        TEST_AT_HOME(an_event_that_kills_is_parked),
        TEST_AT_HOME(an_event_that_kills_stops),
        TEST_AT_HOME(a_retried_event_that_kills_does_so_once),
        TEST_AT_HOME(an_earlier_death_does_not_count_for_a_retry),
        TEST_AT_HOME(a_death_with_several_out_is_none_of_theirs),
        TEST_AT_HOME(a_death_after_done_is_not_the_events),
        TEST_AT_HOME(removed_while_it_is_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
