/*
 * Parked events: listed, retried and dropped, from the consumer's own process and from others
 * while it is at work; what becomes of one that fails again, kills its process, or was lost.
 */
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>

#include "child.h"
#include "consume.h"
#include "damage.h"

#define QUICK .backoff_ms = 1, .backoff_max_ms = 1
#define HANG_SECONDS 60

static evlog_consumer *open_consumer(evlog *log, evlog_consumer_options options)
{
    evlog_consumer *consumer;
    OK(evlog_consumer_open(log, "c", &options, &consumer));
    return consumer;
}

/* The parked events as they are listed. */
struct listed {
    evlog_parked of[2048];
    size_t count;
    char error[2048]; /* of the last one */
};

static int list_one(const evlog_parked *parked, void *ctx)
{
    struct listed *listed = ctx;
    assert_true(listed->count < 2048);
    snprintf(listed->error, sizeof listed->error, "%s", parked->error);
    listed->of[listed->count++] = *parked;
    return 0;
}

static struct listed *list(evlog *log)
{
    static struct listed listed;
    listed.count = 0;
    *listed.error = '\0';
    OK(evlog_each_parked(log, "c", list_one, &listed));
    assert_int_equal(info_of(log, "c").parked_count, listed.count);
    size_t retried = 0;
    for (size_t i = 0; i < listed.count; i++)
        retried += (size_t)listed.of[i].is_retry;
    assert_int_equal(info_of(log, "c").retry_count, retried);
    return &listed;
}

/* These are parked, and no others. */
static void parked_are(evlog *log, size_t count, const uint64_t seqs[])
{
    struct listed *listed = list(log);
    for (size_t i = 0; i < count && i < listed->count; i++)
        assert_int_equal(listed->of[i].seq, seqs[i]);
    assert_int_equal(listed->count, count);
}

#define PARKED(log, ...)                                                  \
    parked_are(log, sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t), \
               (uint64_t[]){__VA_ARGS__})

/* Sends `count` events, of which a consumer parks every one, and closes it. */
static void park_some(struct opened *place, unsigned count)
{
    static struct heard heard;
    evlog_consumer *consumer =
        open_consumer(place->log, (evlog_consumer_options){.attempt_max = 1});
    send_some(place->a, count);
    heard = (struct heard){.fails_at = UINT64_MAX};
    poll_now(consumer, &heard);
    OK(evlog_consumer_close(consumer));
}

/* ----------------------------------------------------------------- on record ---- */

/* On record are seq, attempts, the time of the last one, and what the receiver said. */
static void what_is_on_record(void **state)
{
    static struct heard heard = {.fails_at = 2, .why = "no such course"};
    struct opened place = open_log(*state);
    evlog_consumer *consumer =
        open_consumer(place.log, (evlog_consumer_options){QUICK, .attempt_max = 4});
    struct timespec now;
    send_some(place.a, 3);
    OK(evlog_consumer_poll(consumer, 1, -1, hear, &heard, NULL));
    OK(evlog_consumer_poll(consumer, 0, -1, hear, &heard, NULL));
    struct listed *listed = list(place.log);
    assert_int_equal(listed->count, 1);
    assert_int_equal(listed->of[0].seq, 2);
    assert_int_equal(listed->of[0].last_seq, 2);
    assert_int_equal(listed->of[0].attempt_count, 4);
    assert_false(listed->of[0].is_lost || listed->of[0].is_retry);
    assert_string_equal(listed->error, "no such course");
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t age_us = now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000 - listed->of[0].time_us;
    assert_in_range(age_us, 0, 60000000);
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
}

static int fail_silently(const evlog_event *event, void *ctx)
{
    (void)event, (void)ctx;
    return 42;
}

/* The sentence is kept up to its limit, and cut there; one that says nothing is shown by its number. */
static void the_error_is_kept_and_cut(void **state)
{
    static const size_t sizes[] = {1, 511, 512, 1000, 1022};
    static struct heard heard;
    struct opened place = open_log(*state);
    char why[4096];
    evlog_consumer *consumer =
        open_consumer(place.log, (evlog_consumer_options){.attempt_max = 1});
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        memset(why, 'x', sizes[i]);
        why[sizes[i]] = '\0';
        heard = (struct heard){.fails_at = UINT64_MAX, .why = why};
        send_some(place.a, 1);
        poll_now(consumer, &heard);
        assert_string_equal(list(place.log)->error, why);
    }
    memset(why, 'y', sizeof why - 1);
    why[sizeof why - 1] = '\0';
    send_some(place.a, 1);
    poll_now(consumer, &heard);
    assert_in_range(strlen(list(place.log)->error), 1000, EVLOG_PARKED_ERROR_SIZE_MAX);
    send_some(place.a, 1);
    OK(evlog_consumer_poll(consumer, 0, 0, fail_silently, NULL, NULL));
    assert_string_equal(list(place.log)->error, "the receiver returned 42");
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
}

static int end_at_three(const evlog_parked *parked, void *ctx)
{
    (void)ctx;
    return parked->seq == 3 ? -99 : 0;
}

/* Many are listed by seq, those that wait to be retried among the others; a visitor may end it. */
static void many_are_listed_by_seq(void **state)
{
    struct opened place = open_log(*state);
    park_some(&place, 600);
    for (uint64_t seq = 1; seq <= 600; seq += 2)
        OK(evlog_parked_retry(place.log, "c", seq, NULL));
    struct listed *listed = list(place.log);
    assert_int_equal(listed->count, 600);
    size_t retried = 0;
    for (size_t i = 0; i < 600; i++) {
        assert_int_equal(listed->of[i].seq, i + 1);
        retried += (size_t)listed->of[i].is_retry;
    }
    assert_int_equal(retried, 300);
    assert_int_equal(evlog_each_parked(place.log, "c", end_at_three, NULL), -99);
    OK(evlog_close(place.log));
}

/* ------------------------------------------------------------ retry and drop ---- */

/* One that is retried comes before all else, as its next attempt, and is off the record. */
static void one_is_retried(void **state)
{
    static struct heard heard;
    struct opened place = open_log(*state);
    uint64_t count = 0;
    park_some(&place, 3);
    OK(evlog_parked_retry(place.log, "c", 2, &count));
    assert_int_equal(count, 1);
    FAILS(EVLOG_NOTFOUND, "waits to be retried", evlog_parked_retry(place.log, "c", 2, &count));
    FAILS(EVLOG_NOTFOUND, "event 4 is not parked", evlog_parked_retry(place.log, "c", 4, &count));
    FAILS(EVLOG_NOTFOUND, "no consumer", evlog_parked_retry(place.log, "x", 2, &count));
    assert_int_equal(count, 1);
    assert_true(list(place.log)->of[1].is_retry);
    send_some(place.a, 1);
    evlog_consumer *consumer = open_consumer(place.log, (evlog_consumer_options){.replay = 0});
    assert_int_equal(poll_now(consumer, &heard), 2);
    assert_int_equal(heard.of[0].attempt, 2);
    assert_int_equal(heard.of[1].attempt, 1);
    HEARD(&heard, 2, 4);
    PARKED(place.log, 1, 3);
    assert_int_equal(info_of(place.log, "c").done_count, 2);
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
}

/* All are retried in the order of their seqs; a limit holds for them as for others. */
static void all_are_retried_in_order(void **state)
{
    static struct heard heard;
    struct opened place = open_log(*state);
    uint64_t count = 0;
    park_some(&place, 300);
    OK(evlog_parked_retry(place.log, "c", 0, &count));
    assert_int_equal(count, 300);
    OK(evlog_parked_retry(place.log, "c", 0, &count));
    assert_int_equal(count, 0);
    evlog_consumer *consumer = open_consumer(place.log, (evlog_consumer_options){.replay = 0});
    OK(evlog_consumer_poll(consumer, 10, 0, hear, &heard, &count));
    assert_int_equal(count, 10);
    heard_all(&heard, 1, 10);
    assert_int_equal(info_of(place.log, "c").parked_count, 290);
    poll_now(consumer, &heard);
    heard_all(&heard, 11, 300);
    assert_int_equal(list(place.log)->count, 0);
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
}

/* One that fails again is parked again, with its attempts and what was said last; and only once. */
static void one_that_fails_again_is_parked_again(void **state)
{
    static struct heard heard;
    static struct noticed noticed;
    struct opened place = open_log(*state);
    park_some(&place, 2);
    OK(evlog_parked_retry(place.log, "c", 0, NULL));
    evlog_consumer *consumer = open_consumer(
        place.log, (evlog_consumer_options){.notice = notice, .notice_ctx = &noticed});
    for (uint32_t attempt = 2; attempt <= 4; attempt++) {
        heard = (struct heard){.fails_at = 2, .why = "still not"};
        poll_now(consumer, &heard);
        assert_int_equal(heard.of[heard.count - 1].attempt, attempt);
        assert_int_equal(heard.of[heard.count - 1].seq, 2);
        assert_int_equal(heard.count, attempt == 2 ? 2 : 1);
        assert_int_equal(list(place.log)->of[0].attempt_count, attempt);
        assert_string_equal(list(place.log)->error, "still not");
        noticed_is(&noticed, 0, EVLOG_NOTICE_PARKED, 2, 2);
        assert_string_equal(noticed.of[0].text, "still not");
        PARKED(place.log, 2);
        heard.count = noticed.count = 0;
        assert_int_equal(poll_now(consumer, &heard), 0);
        OK(evlog_parked_retry(place.log, "c", 2, NULL));
    }
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
}

struct again {
    evlog *log;
    struct heard heard;
};

static int ask_again_inside(const evlog_event *event, void *ctx)
{
    struct again *again = ctx;
    assert_true(again->heard.count < 10);
    OK(evlog_parked_retry(again->log, "c", 0, NULL));
    return hear(event, &again->heard);
}

/* Asked for again while its retry is under way, it does not come once more, done or not. */
static void a_retry_under_way_is_not_begun_again(void **state)
{
    static struct again again;
    struct opened place = open_log(*state);
    park_some(&place, 1);
    again.log = place.log;
    evlog_consumer *consumer = open_consumer(place.log, (evlog_consumer_options){.replay = 0});
    for (int fails = 1; fails >= 0; fails--) {
        again.heard.fails_at = fails ? 1 : 0;
        OK(evlog_parked_retry(place.log, "c", 1, NULL));
        OK(evlog_consumer_poll(consumer, 0, 0, ask_again_inside, &again, NULL));
        HEARD(&again.heard, 1);
        assert_int_equal(list(place.log)->count, fails);
        assert_int_equal(info_of(place.log, "c").retry_count, 0);
    }
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
}

/* Dropped, one or all, they are off the record, also those that wait to be retried. */
static void dropped_ones_do_not_come(void **state)
{
    static struct heard heard;
    struct opened place = open_log(*state);
    uint64_t count = 0;
    park_some(&place, 600);
    OK(evlog_parked_retry(place.log, "c", 3, NULL));
    OK(evlog_parked_drop(place.log, "c", 3, &count));
    assert_int_equal(count, 1);
    OK(evlog_parked_drop(place.log, "c", 5, NULL));
    FAILS(EVLOG_NOTFOUND, "event 5 is not parked", evlog_parked_drop(place.log, "c", 5, &count));
    FAILS(EVLOG_NOTFOUND, "no consumer", evlog_parked_drop(place.log, "x", 5, &count));
    assert_int_equal(count, 1);
    assert_int_equal(list(place.log)->count, 598);
    for (uint64_t seq = 100; seq < 120; seq++)
        OK(evlog_parked_retry(place.log, "c", seq, NULL));
    OK(evlog_parked_drop(place.log, "c", 0, &count));
    assert_int_equal(count, 598);
    assert_int_equal(list(place.log)->count, 0);
    OK(evlog_parked_drop(place.log, "c", 0, &count));
    assert_int_equal(count, 0);
    evlog_consumer *consumer = open_consumer(place.log, (evlog_consumer_options){.replay = 0});
    assert_int_equal(poll_now(consumer, &heard), 0);
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
}

/* ----------------------------------------------------------- other processes ---- */

struct common {
    atomic_int step, calls;
};

struct job {
    const char *path;
    struct common *common;
    uint64_t kills; /* this seq kills the process */
    int by_hand;
};

static struct job make_job(const void *home)
{
    struct job job = {.path = in(home, "log")};
    job.common =
        mmap(NULL, sizeof *job.common, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(job.common, MAP_FAILED);
    return job;
}

static void await(struct common *common, int step)
{
    while (common->step < step)
        usleep(200);
}

static void retry_and_drop(void *ctx)
{
    struct job *job = ctx;
    evlog *log;
    uint64_t count;
    await(job->common, 1);
    CHECK(evlog_open(job->path, NULL, &log) == EVLOG_OK);
    CHECK(evlog_parked_retry(log, "c", 2, &count) == EVLOG_OK && count == 1);
    await(job->common, 2);
    CHECK(evlog_parked_drop(log, "c", 1, &count) == EVLOG_OK && count == 1);
    CHECK(evlog_parked_retry(log, "c", 0, &count) == EVLOG_OK);
    CHECK(count == 3 || count == 4); /* 2 is under way still, or done */
    CHECK(evlog_close(log) == EVLOG_OK);
}

struct running {
    struct common *common;
    evlog_consumer *consumer;
    struct heard heard;
};

static int hear_and_tell(const evlog_event *event, void *ctx)
{
    struct running *running = ctx;
    int result = hear(event, &running->heard);
    if (event->seq == 2 && event->attempt == 2)
        running->common->step = 2;
    if (event->seq == 5 && event->attempt == 2)
        evlog_consumer_stop(running->consumer);
    return result;
}

static void tell_it_runs(const evlog_notice *notice, void *ctx)
{
    struct common *common = ctx;
    if (notice->kind == EVLOG_NOTICE_CAUGHT_UP)
        common->step = 1;
}

/* Another process has them retried, and drops some, while the consumer waits: it wakes for them. */
static void another_process_has_them_retried(void **state)
{
    static struct running running;
    struct opened place = open_log(*state);
    struct job job = make_job(*state);
    park_some(&place, 5);
    running.common = job.common;
    running.consumer = open_consumer(
        place.log, (evlog_consumer_options){.notice = tell_it_runs, .notice_ctx = job.common});
    alarm(HANG_SECONDS);
    pid_t child = child_start(retry_and_drop, &job);
    OK(evlog_consumer_run(running.consumer, hear_and_tell, &running));
    assert_int_equal(child_wait(child), 0);
    alarm(0);
    HEARD(&running.heard, 2, 3, 4, 5);
    assert_int_equal(list(place.log)->count, 0);
    OK(evlog_consumer_close(running.consumer));
    OK(evlog_close(place.log));
}

/* ----------------------------------------------------------------- deaths ---- */

static int die_inside(const evlog_event *event, void *ctx)
{
    struct job *job = ctx;
    job->common->calls++;
    if (event->seq == job->kills)
        kill(getpid(), SIGKILL);
    return 0;
}

static void consume_and_die(void *ctx)
{
    struct job *job = ctx;
    evlog *log;
    evlog_consumer *consumer;
    evlog_consumer_options options = {.ack_by_hand = job->by_hand};
    CHECK(evlog_open(job->path, NULL, &log) == EVLOG_OK);
    CHECK(evlog_consumer_open(log, "c", &options, &consumer) == EVLOG_OK);
    CHECK(evlog_consumer_poll(consumer, 0, 0, die_inside, job, NULL) == EVLOG_OK);
    CHECK(evlog_consumer_close(consumer) == EVLOG_OK);
    CHECK(evlog_close(log) == EVLOG_OK);
}

/* A retried event that kills its process does so once, and is parked: the consumer does not loop. */
static void a_retried_one_that_kills_does_so_once(void **state)
{
    struct job job = make_job(*state);
    struct opened place = open_log(*state);
    park_some(&place, 3);
    OK(evlog_parked_retry(place.log, "c", 0, NULL));
    job.kills = 2;
    assert_int_equal(child_wait(child_start(consume_and_die, &job)), 128 + SIGKILL);
    struct listed *listed = list(place.log);
    assert_int_equal(listed->count, 2);
    assert_int_equal(listed->of[0].seq, 2);
    assert_true(listed->of[0].is_retry && listed->of[1].is_retry);
    assert_int_equal(child_wait(child_start(consume_and_die, &job)), 0);
    PARKED(place.log, 2);
    assert_false(list(place.log)->of[0].is_retry);
    assert_int_equal(list(place.log)->of[0].attempt_count, 2);
    assert_non_null(strstr(list(place.log)->error, "the process died"));
    assert_int_equal(job.common->calls, 3);
    OK(evlog_close(place.log));
}

/* An event in whose receiver the process dies again and again is given up, and the next one comes. */
static void a_deadly_event_is_given_up(void **state)
{
    for (int by_hand = 0; by_hand < 2; by_hand++) {
        struct job job = make_job(*state);
        struct opened place = open_log(*state);
        OK(evlog_consumer_close(open_consumer(place.log, (evlog_consumer_options){.replay = 0})));
        send_some(place.a, 3);
        job.kills = 2 + 3 * (uint64_t)by_hand;
        job.by_hand = by_hand;
        for (int death = 1; death <= EVLOG_DEATHS_MAX; death++) {
            assert_int_equal(child_wait(child_start(consume_and_die, &job)), 128 + SIGKILL);
            assert_int_equal(list(place.log)->count, 0);
        }
        assert_int_equal(child_wait(child_start(consume_and_die, &job)), 0);
        assert_int_equal(job.common->calls, by_hand ? 22 : 13);
        PARKED(place.log, job.kills);
        assert_int_equal(list(place.log)->of[0].attempt_count, EVLOG_DEATHS_MAX);
        assert_non_null(strstr(list(place.log)->error, "the process died"));
        job.common->calls = 0;
        assert_int_equal(child_wait(child_start(consume_and_die, &job)), 0);
        assert_int_equal(job.common->calls,
                         by_hand ? 2 : 0); /* by hand nothing was acknowledged */
        PARKED(place.log, job.kills);
        OK(evlog_parked_drop(place.log, "c", 0, NULL));
        OK(evlog_close(place.log));
    }
}

/* ------------------------------------------------------------------- by hand ---- */

/*
 * By hand, an event is parked before the checkpoint passes it: handed out again are those that
 * were not acknowledged, and not the one that is parked.
 */
static void by_hand_a_parked_event_does_not_come_again(void **state)
{
    static struct heard heard = {.fails_at = 2};
    struct opened place = open_log(*state);
    evlog_consumer_options options = {.ack_by_hand = 1, .attempt_max = 1};
    evlog_consumer *consumer = open_consumer(place.log, options);
    send_some(place.a, 4);
    poll_now(consumer, &heard);
    HEARD(&heard, 1, 2, 3, 4);
    PARKED(place.log, 2);
    assert_int_equal(info_of(place.log, "c").checkpoint, 0);
    OK(evlog_consumer_close(consumer));
    for (int i = 0; i < 3; i++) {
        consumer = open_consumer(place.log, options);
        OK(evlog_consumer_poll(consumer, i == 1 ? 1 : 0, 0, hear, &heard, NULL));
        if (i == 1)
            HEARD(&heard, 1);
        else
            HEARD(&heard, 1, 3, 4);
        if (i < 2)
            OK(evlog_consumer_close(consumer));
    }
    OK(acknowledge(consumer, 4));
    PARKED(place.log, 2);
    heard.fails_at = 0;
    OK(evlog_parked_retry(place.log, "c", 2, NULL));
    poll_now(consumer, &heard);
    HEARD(&heard, 2);
    OK(acknowledge(consumer, 4)); /* which was handed out before it */
    PARKED(place.log, 2);
    OK(acknowledge(consumer, 2));
    OK(evlog_consumer_close(consumer));
    assert_int_equal(list(place.log)->count, 0);
    OK(evlog_close(place.log));
}

/*
 * By hand, one that was retried is done when it is acknowledged, by its own seq or with an event that
 * was handed out later; one that was not is on record, and comes again.
 */
static void by_hand_a_retry_is_acknowledged(void **state)
{
    static struct heard heard;
    struct opened place = open_log(*state);
    evlog_consumer_options options = {.ack_by_hand = 1};
    park_some(&place, 5);
    OK(evlog_parked_retry(place.log, "c", 0, NULL));
    evlog_consumer *consumer = open_consumer(place.log, options);
    OK(evlog_consumer_poll(consumer, 3, 0, hear, &heard, NULL));
    HEARD(&heard, 1, 2, 3);
    PARKED(place.log, 1, 2, 3, 4, 5);
    OK(acknowledge(consumer, 3)); /* 1 and 2 are out: what they did comes first */
    PARKED(place.log, 1, 2, 3, 4, 5);
    OK(acknowledge(consumer, 1));
    PARKED(place.log, 2, 3, 4, 5);
    OK(acknowledge(consumer, 2));
    PARKED(place.log, 4, 5);
    OK(evlog_consumer_poll(consumer, 1, 0, hear, &heard, NULL));
    send_some(place.a, 2);
    OK(evlog_consumer_close(consumer));
    PARKED(place.log, 4, 5);
    assert_non_null(strstr(list(place.log)->error, "as asked"));
    assert_true(list(place.log)->of[0].is_retry);
    consumer = open_consumer(place.log, options);
    FAILS(EVLOG_NOTFOUND, "retried already", evlog_parked_retry(place.log, "c", 4, NULL));
    heard.count = 0;
    OK(evlog_consumer_poll(consumer, 2, 0, hear, &heard, NULL));
    HEARD(&heard, 4, 5);
    OK(evlog_consumer_poll(consumer, 1, 0, hear, &heard, NULL));
    HEARD(&heard, 6);
    OK(acknowledge(consumer, 6));
    assert_int_equal(list(place.log)->count, 0);
    assert_int_equal(info_of(place.log, "c").checkpoint, 6);
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
}

/* What an event is folded into: how many there were. */
static uint64_t folded(evlog_consumer *consumer)
{
    uint64_t count = 0;
    const void *value;
    size_t size;
    if (evlog_state_get(consumer, "n", 1, &value, &size) == EVLOG_OK)
        memcpy(&count, value, sizeof count);
    return count;
}

struct folding {
    evlog_consumer *consumer;
    struct heard heard;
};

static int fold(const evlog_event *event, void *ctx)
{
    struct folding *folding = ctx;
    uint64_t count = folded(folding->consumer) + 1;
    OK(evlog_state_put(folding->consumer, "n", 1, &count, sizeof count));
    return hear(event, &folding->heard);
}

/*
 * By hand, one that was retried and not acknowledged is on record, with no state of its own, though
 * the checkpoint passes others that are parked or not asked for; and it comes again.
 */
static void by_hand_a_retry_is_owed_until_it_is_done(void **state)
{
    static struct folding folding;
    static const char *const types[] = {"a.v1"};
    struct opened place = open_log(*state);
    evlog_consumer_options options = {
        .attempt_max = 1, .ack_by_hand = true, .types = types, .type_count = 1};
    evlog_consumer *consumer = open_consumer(place.log, options);
    folding = (struct folding){.consumer = consumer, .heard.fails_at = UINT64_MAX};
    send_some(place.a, 1);
    OK(evlog_consumer_poll(consumer, 0, 0, fold, &folding, NULL));
    OK(evlog_parked_retry(place.log, "c", 1, NULL));
    folding.heard = (struct heard){.fails_at = 2};
    OK(evlog_consumer_poll(consumer, 0, 0, fold, &folding, NULL));
    HEARD(&folding.heard, 1);
    send_some(place.a, 1); /* it is parked */
    send_some(place.b, 1); /* it is not asked for */
    OK(evlog_consumer_poll(consumer, 0, 0, fold, &folding, NULL));
    HEARD(&folding.heard, 2);
    PARKED(place.log, 1, 2);
    OK(evlog_consumer_close(consumer));
    PARKED(place.log, 1, 2);
    consumer = folding.consumer = open_consumer(place.log, options);
    assert_int_equal(folded(consumer), 0);
    OK(evlog_consumer_poll(consumer, 0, 0, fold, &folding, NULL));
    HEARD(&folding.heard, 1);
    PARKED(place.log, 1, 2);
    OK(acknowledge(consumer, 1));
    PARKED(place.log, 2);
    assert_int_equal(folded(consumer), 1);
    assert_int_equal(info_of(place.log, "c").checkpoint, 3);
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
}

/*
 * By hand, event 2 of 3 is parked before the checkpoint passes it. Then the consumer is opened
 * otherwise: not by hand, or without the file `shared`, or as before. Event 2 is passed in its turn,
 * and folded once, when it is retried.
 */
static void what_is_parked_ahead_is_folded_once(void **state)
{
    static struct folding folding;
    for (int variant = 0; variant < 3; variant++) {
        char name[] = "log0", shared[4300];
        struct opened place;
        name[3] = (char)('0' + variant);
        OK(evlog_open(in(*state, name), NULL, &place.log));
        OK(evlog_define(place.log, "a.v1", 0, NULL, &place.a));
        send_some(place.a, 3);
        evlog_consumer_options options = {.attempt_max = 1, .ack_by_hand = true};
        evlog_consumer *consumer = open_consumer(place.log, options);
        folding = (struct folding){.consumer = consumer, .heard.fails_at = 2};
        OK(evlog_consumer_poll(consumer, 0, 0, fold, &folding, NULL));
        HEARD(&folding.heard, 1, 2, 3);
        assert_int_equal(info_of(place.log, "c").checkpoint, 0);
        OK(evlog_consumer_close(consumer));
        OK(evlog_close(place.log));
        snprintf(shared, sizeof shared, "%s/shared", in(*state, name));
        assert_int_equal(variant == 1 ? unlink(shared) : 0, 0);
        options.ack_by_hand = variant > 0;
        OK(evlog_open(in(*state, name), NULL, &place.log));
        consumer = open_consumer(place.log, options);
        folding = (struct folding){.consumer = consumer};
        OK(evlog_consumer_poll(consumer, 0, 0, fold, &folding, NULL));
        HEARD(&folding.heard, 1, 3);
        OK(acknowledge(consumer, 3));
        PARKED(place.log, 2);
        assert_int_equal(folded(consumer), 2);
        OK(evlog_parked_retry(place.log, "c", 0, NULL));
        OK(evlog_consumer_poll(consumer, 0, 0, fold, &folding, NULL));
        HEARD(&folding.heard, 2);
        OK(acknowledge(consumer, 2));
        assert_int_equal(list(place.log)->count, 0);
        assert_int_equal(folded(consumer), 3);
        OK(evlog_consumer_close(consumer));
        OK(evlog_close(place.log));
    }
}

struct acking {
    evlog_consumer *consumer;
    int result;
};

static int ack_inside(const evlog_event *event, void *ctx)
{
    struct acking *acking = ctx;
    OK(acknowledge(acking->consumer, event->seq));
    return acking->result;
}

/* By hand, its receiver may acknowledge a retried event: that is done, also if it fails after that. */
static void by_hand_a_retry_is_acknowledged_inside(void **state)
{
    struct opened place = open_log(*state);
    struct acking acking = {.result = 1};
    park_some(&place, 2);
    acking.consumer = open_consumer(place.log, (evlog_consumer_options){.ack_by_hand = 1});
    for (; acking.result >= 0; acking.result--) {
        OK(evlog_parked_retry(place.log, "c", acking.result ? 1 : 2, NULL));
        OK(evlog_consumer_poll(acking.consumer, 0, 0, ack_inside, &acking, NULL));
        assert_int_equal(list(place.log)->count, acking.result);
    }
    OK(evlog_consumer_close(acking.consumer));
    OK(evlog_close(place.log));
}

/* By hand, retries come also while others are out, and are acknowledged with those after them. */
static void by_hand_retries_come_between(void **state)
{
    static struct heard heard;
    struct opened place = open_log(*state);
    park_some(&place, 1);
    send_some(place.a, 4);
    evlog_consumer *consumer =
        open_consumer(place.log, (evlog_consumer_options){.ack_by_hand = 1});
    OK(evlog_consumer_poll(consumer, 2, 0, hear, &heard, NULL));
    OK(evlog_parked_retry(place.log, "c", 1, NULL));
    OK(evlog_consumer_poll(consumer, 1, 0, hear, &heard, NULL));
    HEARD(&heard, 2, 3, 1);
    OK(acknowledge(consumer, 3));
    PARKED(place.log, 1);
    assert_int_equal(info_of(place.log, "c").checkpoint, 3);
    OK(evlog_consumer_poll(consumer, 1, 0, hear, &heard, NULL));
    HEARD(&heard, 4);
    OK(acknowledge(consumer, 4));
    assert_int_equal(list(place.log)->count, 0);
    assert_int_equal(info_of(place.log, "c").checkpoint, 4);
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
}

/* ---------------------------------------------------------------- lost ranges ---- */

static void set_damage(const void *home, uint64_t first, uint64_t last)
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

/* What was damaged is on record; mended, it can be retried; else it is on record again. */
static void a_lost_event_can_be_retried(void **state)
{
    static struct heard heard;
    struct opened place = open_log(*state);
    send_some(place.a, 6);
    OK(evlog_close(place.log));
    set_damage(*state, 3, 4);
    place = open_log(*state);
    evlog_consumer *consumer = open_consumer(place.log, (evlog_consumer_options){.replay = 0});
    poll_now(consumer, &heard);
    HEARD(&heard, 1, 2, 5, 6);
    OK(evlog_parked_retry(place.log, "c", 0, NULL));
    assert_int_equal(poll_now(consumer, &heard), 0);
    struct listed *listed = list(place.log);
    for (size_t i = 0; i < listed->count; i++)
        assert_true(listed->of[i].is_lost && !listed->of[i].is_retry);
    assert_int_equal(listed->of[listed->count - 1].last_seq, 4);
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
    set_damage(*state, 3, 4);
    place = open_log(*state);
    OK(evlog_parked_retry(place.log, "c", 0, NULL));
    consumer = open_consumer(place.log, (evlog_consumer_options){.replay = 0});
    poll_now(consumer, &heard);
    HEARD(&heard, 3, 4);
    assert_int_equal(list(place.log)->count, 0);
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
}

/* Takes events away, or puts back what was taken. */
static void cut_events(const void *home, uint64_t count, struct bytes *taken, int put_back)
{
    struct raw raw = raw_open(in(home, "log/events.mdb"));
    for (uint64_t seq = 1; seq <= count; seq++) {
        unsigned char key[8];
        put_big(key, seq, 8);
        if (put_back) {
            raw_put(&raw, key, 8, taken[seq]);
            free(taken[seq].at);
        } else {
            taken[seq] = raw_get(&raw, key, 8);
            raw_del(&raw, key, 8);
        }
    }
    raw_close(&raw);
}

/*
 * A range that was trimmed away is one entry. When its events are there again (from a backup),
 * each of those that are wanted comes, one after the other; one that fails is parked alone.
 */
static void a_lost_range_is_retried_event_by_event(void **state)
{
    static struct heard heard;
    static struct bytes taken[9];
    static const char *const types[] = {"a.v1"};
    struct opened place = open_log(*state);
    evlog_consumer_options options = {.types = types, .type_count = 1};
    send_some(place.a, 4);
    send_some(place.b, 2);
    send_some(place.a, 4);
    OK(evlog_close(place.log));
    cut_events(*state, 8, taken, 0);
    place = open_log(*state);
    OK(evlog_consumer_close(open_consumer(
        place.log,
        (evlog_consumer_options){
            .start = EVLOG_START_SEQ, .start_seq = 2, .types = types, .type_count = 1})));
    evlog_consumer *consumer = open_consumer(place.log, options);
    poll_now(consumer, &heard);
    HEARD(&heard, 9, 10);
    struct listed *listed = list(place.log);
    assert_int_equal(listed->count, 1);
    assert_int_equal(listed->of[0].seq, 2);
    assert_int_equal(listed->of[0].last_seq, 8);
    OK(evlog_parked_retry(place.log, "c", 2, NULL));
    assert_int_equal(poll_now(consumer, &heard), 0);
    listed = list(place.log);
    assert_int_equal(listed->count, 1);
    assert_int_equal(listed->of[0].last_seq, 8);
    assert_true(listed->of[0].is_lost && !listed->of[0].is_retry);
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
    cut_events(*state, 8, taken, 1);
    place = open_log(*state);
    consumer = open_consumer(place.log, options);
    OK(evlog_parked_retry(place.log, "c", 2, NULL));
    heard.fails_at = 3;
    poll_now(consumer, &heard);
    HEARD(&heard, 2, 3, 4, 7, 8);
    listed = list(place.log);
    assert_int_equal(listed->count, 1);
    assert_int_equal(listed->of[0].seq, 3);
    assert_int_equal(listed->of[0].last_seq, 3);
    assert_false(listed->of[0].is_lost);
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
}

/* -------------------------------------------------------------------- damage ---- */

/* A record of a parked event that is damaged is reported, and can be dropped all the same. */
static void a_damaged_record_can_be_dropped(void **state)
{
    struct opened place = open_log(*state);
    uint64_t count;
    park_some(&place, 3);
    OK(evlog_close(place.log));
    struct raw raw = raw_open(in(*state, "log/state.mdb"));
    static const unsigned char key[] = "pc\0\0\0\0\0\0\0\0\x02";
    struct bytes value = raw_get(&raw, key, 11);
    value.at[15] ^= 1;
    raw_put(&raw, key, 11, value);
    free(value.at);
    raw_close(&raw);
    place = open_log(*state);
    struct listed listed = {.count = 0};
    FAILS(EVLOG_DAMAGED, "parked event", evlog_each_parked(place.log, "c", list_one, &listed));
    FAILS(EVLOG_DAMAGED, "parked event", evlog_parked_retry(place.log, "c", 2, &count));
    OK(evlog_parked_drop(place.log, "c", 2, &count));
    PARKED(place.log, 1, 3);
    OK(evlog_close(place.log));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(what_is_on_record),
        TEST_AT_HOME(the_error_is_kept_and_cut),
        TEST_AT_HOME(many_are_listed_by_seq),
        TEST_AT_HOME(one_is_retried),
        TEST_AT_HOME(all_are_retried_in_order),
        TEST_AT_HOME(one_that_fails_again_is_parked_again),
        TEST_AT_HOME(a_retry_under_way_is_not_begun_again),
        TEST_AT_HOME(dropped_ones_do_not_come),
        TEST_AT_HOME(another_process_has_them_retried),
        TEST_AT_HOME(a_retried_one_that_kills_does_so_once),
        TEST_AT_HOME(a_deadly_event_is_given_up),
        TEST_AT_HOME(by_hand_a_parked_event_does_not_come_again),
        TEST_AT_HOME(by_hand_a_retry_is_acknowledged),
        TEST_AT_HOME(by_hand_a_retry_is_owed_until_it_is_done),
        TEST_AT_HOME(what_is_parked_ahead_is_folded_once),
        TEST_AT_HOME(by_hand_a_retry_is_acknowledged_inside),
        TEST_AT_HOME(by_hand_retries_come_between),
        TEST_AT_HOME(a_lost_event_can_be_retried),
        TEST_AT_HOME(a_lost_range_is_retried_event_by_event),
        TEST_AT_HOME(a_damaged_record_can_be_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
