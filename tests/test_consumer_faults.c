/*
 * Each failing call in turn, as in test_faults.c, of what is done with consumers.
 *
 * A log has twelve events. A consumer that is new for each failure has dealt with eight of them: every
 * fourth one is parked, the others are in its state. Then one operation meets a call that fails. When it
 * has failed, its outputs are untouched and the consumer is what it was, or what the operation makes of
 * it, never half of it. Operations that commit more than once may have stopped between two commits: then the
 * state has exactly the events up to the checkpoint. In each case the log verifies when it is opened again, the
 * consumer goes on to the end of it with each event folded once, and what came twice says so.
 */
#include <limits.h>

#include "load.h"

#include "faults.h"

#define EVENTS 12
#define TAKEN 8       /* of them, before the operation */
#define NONE UINT_MAX /* of the calls fails */
#define TRIES_MAX 8   /* of an operation with a fault, unless FAULTS=all */

#define BIT(seq) (UINT32_C(1) << (seq))
#define EXTRA 20 /* a key of the state that is no event's */

/* What there is to know of a consumer. Masks have a bit for each seq or key. */
struct consumer_view {
    bool is_there, is_paused;
    uint64_t checkpoint, done_count, parked_count, retry_count, state_count;
    uint32_t parked, retried, state;
};

struct world {
    evlog_options options;
    const char *path;
    evlog *log;
    evlog_consumer *consumer;
    char name[32];
    uint32_t heard;      /* the events that it was given */
    bool is_made_anew;   /* what it was given does not count any more */
    bool is_good, stops; /* `take`: no event fails; the last one ends a run */
};

static bool is_bad(uint64_t seq)
{
    return seq % 4 == 0;
}

/* ------------------------------------------------------------ the consumer ---- */

static int put(struct world *world, uint64_t key)
{
    return evlog_state_put(world->consumer, &key, sizeof key, "x", 1);
}

/* No call of the receiver itself fails, or the event would. */
static int take(const evlog_event *event, void *ctx)
{
    struct world *world = ctx;
    if (world->heard & BIT(event->seq) && !world->is_made_anew)
        assert_true(event->attempt > 1);
    world->heard |= BIT(event->seq);
    if (world->stops && event->seq == EVENTS)
        evlog_consumer_stop(world->consumer);
    if (is_bad(event->seq) && !world->is_good)
        return evlog_fail("every fourth");
    int was_armed = armed;
    armed = 0;
    OK(put(world, event->seq));
    if (event->seq == 1)
        OK(put(world, EXTRA));
    armed = was_armed;
    return 0;
}

static int open_consumer(struct world *world)
{
    static evlog_consumer *const untouched = (evlog_consumer *)&is_bad;
    evlog_consumer_options options = {.attempt_max = 1, .commit_every = 3};
    evlog_consumer *consumer = untouched;
    int result = evlog_consumer_open(world->log, world->name, &options, &consumer);
    if (result)
        assert_ptr_equal(consumer, untouched);
    else
        world->consumer = consumer;
    return result;
}

static int poll_some(struct world *world, uint64_t limit)
{
    return evlog_consumer_poll(world->consumer, limit, 0, take, world, NULL);
}

static int close_consumer(struct world *world)
{
    evlog_consumer *consumer = world->consumer;
    world->consumer = NULL;
    return evlog_consumer_close(consumer);
}

static void open_log(struct world *world)
{
    OK(evlog_open(world->path, &world->options, &world->log));
}

static void close_log(struct world *world)
{
    int result = world->consumer ? close_consumer(world) : EVLOG_OK;
    assert_true(result == EVLOG_OK || result == EVLOG_IO); /* it has failed before */
    result = evlog_close(world->log);
    assert_true(result == EVLOG_OK || result == EVLOG_IO);
    world->log = NULL;
}

/* A new consumer, where the operation begins; or only a name for one. */
static void make_consumer(struct world *world, bool is_name_only)
{
    static unsigned number;
    snprintf(world->name, sizeof world->name, "consumer%u", number++);
    world->heard = 0;
    world->is_made_anew = world->is_good = world->stops = false;
    if (is_name_only)
        return;
    OK(open_consumer(world));
    OK(poll_some(world, TAKEN));
    OK(close_consumer(world));
}

static int note_parked(const evlog_parked *parked, void *ctx)
{
    struct consumer_view *view = ctx;
    *(parked->is_retry ? &view->retried : &view->parked) |= BIT(parked->seq);
    return 0;
}

static bool has_key(struct world *world, uint64_t key)
{
    const void *value;
    size_t size;
    int result = evlog_state_get(world->consumer, &key, sizeof key, &value, &size);
    assert_true(result == EVLOG_OK || result == EVLOG_NOTFOUND);
    return result == EVLOG_OK;
}

static struct consumer_view view_of(struct world *world)
{
    struct consumer_view view;
    evlog_consumer_info info;
    memset(&view, 0, sizeof view); /* so that two can be compared as bytes */
    int result = inspect_into(world->log, world->name, &info);
    if (result == EVLOG_NOTFOUND)
        return view;
    OK(result);
    view.is_there = true;
    view.is_paused = info.is_paused;
    view.checkpoint = info.checkpoint;
    view.done_count = info.done_count;
    view.parked_count = info.parked_count;
    view.retry_count = info.retry_count;
    view.state_count = info.state_count;
    OK(evlog_each_parked(world->log, world->name, note_parked, &view));
    OK(open_consumer(world));
    for (uint64_t key = 1; key <= EXTRA + 1; key++)
        view.state |= has_key(world, key) ? BIT(key) : 0;
    OK(close_consumer(world));
    return view;
}

/* -------------------------------------------------------------- operations ---- */

static int poll_rest(struct world *world)
{
    return poll_some(world, 0);
}

static int poll_to_receivers(struct world *world)
{
    evlog_signal *signal;
    int result = evlog_define(world->log, LOAD_TYPE, 0, NULL, &signal);
    if (result == EVLOG_OK)
        result = evlog_connect(world->log, signal, NULL, take, world, NULL);
    return result ? result : evlog_consumer_poll(world->consumer, 0, 0, NULL, NULL, NULL);
}

static int run(struct world *world)
{
    world->stops = true;
    int result = evlog_consumer_run(world->consumer, take, world);
    world->stops = false;
    return result;
}

/* Takes one event after the other, and lets each be done, or fail. */
static int take_by_hand(struct world *world)
{
    const evlog_event *event;
    int result;
    while ((result = evlog_consumer_next(world->consumer, 0, &event)) == EVLOG_OK && event) {
        uint64_t seq = event->seq;
        result = take(event, world) ? evlog_consumer_fail(world->consumer, seq, "every fourth")
                                    : evlog_consumer_done(world->consumer, seq);
        if (result)
            return result;
    }
    return result ? result : evlog_consumer_commit(world->consumer);
}

/* One event, which adds a key and takes one away. */
static int change_keys(struct world *world)
{
    const evlog_event *event;
    uint64_t key = EXTRA;
    int result = evlog_consumer_next(world->consumer, 0, &event);
    if (result == EVLOG_OK)
        result = take(event, world);
    if (result == EVLOG_OK)
        result = put(world, EXTRA + 1);
    if (result == EVLOG_OK)
        result = evlog_state_delete(world->consumer, &key, sizeof key);
    return result ? result : acknowledge(world->consumer, TAKEN + 1);
}

/* What is done is written by the closing. */
static int close_it(struct world *world)
{
    const evlog_event *event;
    int result = evlog_consumer_next(world->consumer, 0, &event);
    if (result == EVLOG_OK)
        result = take(event, world);
    if (result == EVLOG_OK)
        result = evlog_consumer_done(world->consumer, TAKEN + 1);
    return result ? result : close_consumer(world);
}

static int count_one(const evlog_consumer_info *info, void *ctx)
{
    (void)info;
    ++*(unsigned *)ctx;
    return 0;
}

static int look(struct world *world)
{
    struct consumer_view view = {.parked = 0};
    evlog_consumer_info *info = NULL;
    unsigned count = 0;
    int result = evlog_each_consumer(world->log, count_one, &count);
    if (result == EVLOG_OK)
        result = evlog_consumer_inspect(world->log, world->name, &info);
    evlog_consumer_info_free(info);
    return result ? result : evlog_each_parked(world->log, world->name, note_parked, &view);
}

static int count_of(int result, uint64_t count, uint64_t expected)
{
    assert_int_equal(count, result ? UINT64_MAX : expected);
    return result;
}

static int retry(struct world *world)
{
    uint64_t count = UINT64_MAX;
    int result = evlog_parked_retry(world->log, world->name, 0, &count);
    return count_of(result, count, 2);
}

static int drop(struct world *world)
{
    uint64_t count = UINT64_MAX;
    int result = evlog_parked_drop(world->log, world->name, 4, &count);
    return count_of(result, count, 1);
}

/* A parked event comes again, and is done. */
static int take_retried(struct world *world)
{
    int result = evlog_parked_retry(world->log, world->name, 4, NULL);
    world->is_good = true;
    if (result == EVLOG_OK)
        result = poll_some(world, 1);
    world->is_good = false;
    return result;
}

static int set_paused(struct world *world)
{
    return evlog_consumer_set_paused(world->log, world->name, true);
}

static int reset(struct world *world)
{
    evlog_reset_options options = {.start = EVLOG_START_SEQ, .start_seq = 5};
    evlog_reset done = {.checkpoint = 77};
    int result = evlog_consumer_reset(world->log, world->name, &options, &done);
    assert_int_equal(done.checkpoint, result ? 77 : 4);
    world->is_made_anew = true;
    return result;
}

static int remove_it(struct world *world)
{
    world->is_made_anew = true;
    return evlog_consumer_remove(world->log, world->name);
}

struct operation {
    const char *name;
    int (*run)(struct world *world);
    enum { NEW, CLOSED, OPEN } begins; /* with what consumer */
    enum {
        WHOLE, /* it commits once */
        STEPS, /* more than once, and the state follows the checkpoint */
        PARTS, /* more than once, and in between it is neither */
    } commits;
    evlog_durability durability;
};

static const struct operation operations[] = {
    {"making a consumer", open_consumer, NEW, WHOLE, EVLOG_DURABLE},
    {"making a fast log's", open_consumer, NEW, WHOLE, EVLOG_FAST},
    {"opening it", open_consumer, CLOSED, WHOLE, EVLOG_DURABLE},
    {"polling", poll_rest, OPEN, STEPS, EVLOG_DURABLE},
    {"polling a fast log", poll_rest, OPEN, STEPS, EVLOG_FAST},
    {"polling to receivers", poll_to_receivers, OPEN, STEPS, EVLOG_DURABLE},
    {"running", run, OPEN, STEPS, EVLOG_DURABLE},
    {"taking by hand", take_by_hand, OPEN, STEPS, EVLOG_FAST},
    {"changing keys", change_keys, OPEN, WHOLE, EVLOG_DURABLE},
    {"closing it", close_it, OPEN, WHOLE, EVLOG_FAST},
    {"looking", look, CLOSED, WHOLE, EVLOG_DURABLE},
    {"retrying", retry, CLOSED, WHOLE, EVLOG_DURABLE},
    {"taking a retried one", take_retried, OPEN, PARTS, EVLOG_DURABLE},
    {"dropping", drop, CLOSED, WHOLE, EVLOG_DURABLE},
    {"pausing", set_paused, CLOSED, WHOLE, EVLOG_DURABLE},
    {"resetting", reset, CLOSED, WHOLE, EVLOG_FAST},
    {"removing", remove_it, CLOSED, WHOLE, EVLOG_DURABLE},
};

/* -------------------------------------------------------------- afterwards ---- */

/* Each event up to the checkpoint is in the state, or parked. */
static bool is_folded(const struct consumer_view *view)
{
    for (uint64_t seq = 1; seq <= EVENTS; seq++) {
        bool is_passed = seq <= view->checkpoint;
        if (is_bad(seq) ? is_passed && !(view->parked & BIT(seq))
                        : is_passed != !!(view->state & BIT(seq)))
            return false;
    }
    return view->checkpoint >= TAKEN;
}

/* What an operation makes of a consumer. */
struct views {
    struct consumer_view before, after;
};

static bool is_view(const struct consumer_view *view, const struct consumer_view *expected)
{
    return memcmp(view, expected, sizeof *view) == 0;
}

static bool is_allowed(const struct operation *operation, const struct views *views,
                       const struct consumer_view *view, int result)
{
    if (result == EVLOG_OK)
        return is_view(view, &views->after);
    if (operation->commits == WHOLE)
        return is_view(view, &views->before) || is_view(view, &views->after);
    return operation->commits == PARTS || is_folded(view);
}

/* Goes on to the end, where each event is in the state or was parked, and each key is counted. */
static void finish(struct world *world, const struct operation *operation)
{
    struct consumer_view view = view_of(world);
    if (view.is_paused)
        OK(evlog_consumer_set_paused(world->log, world->name, false));
    OK(open_consumer(world));
    OK(poll_some(world, 0));
    OK(close_consumer(world));
    view = view_of(world);
    assert_int_equal(view.checkpoint, EVENTS);
    assert_int_equal(view.state_count, __builtin_popcount(view.state));
    assert_int_equal(view.parked_count, __builtin_popcount(view.parked | view.retried));
    for (uint64_t seq = operation->run == reset ? 5 : 1; seq <= EVENTS; seq++)
        if (!is_bad(seq))
            assert_true(view.state & BIT(seq));
        else if (operation->run != drop && operation->run != take_retried)
            assert_true(view.parked & BIT(seq));
    OK(evlog_consumer_remove(world->log, world->name));
}

/* The handles that met the fault: where there is no broken disk they go on. */
static bool goes_on(struct world *world, int failed)
{
    int result;
    do
        result = world->consumer ? poll_some(world, 0)
                                 : evlog_consumer_set_paused(world->log, world->name, false);
    while (result == EVLOG_STOPPED); /* which it was before the fault */
    return result == EVLOG_OK || (!world->consumer && result == EVLOG_NOTFOUND) ||
           (result == EVLOG_IO && failed == EVLOG_IO);
}

/* The operation's result, while one call fails. */
static int run_with_fault(struct world *world, const struct operation *operation,
                          const struct fault *what, unsigned at)
{
    fault_arm(what, at);
    int result = operation->run(world);
    if (!fault_is_right(what, result, world->path)) {
        print_error("%s, %s, call %u: %d (%s)\n", operation->name, what->name, at, result,
                    evlog_errmsg());
        fail_msg("not as it should fail");
    }
    return result;
}

/* One operation with one failing call, and what is there then. `views` are made when none fails. */
static void run_once(struct world *world, const struct operation *operation,
                     const struct fault *what, unsigned at, struct views *views)
{
    static unsigned number;
    make_consumer(world, operation->begins == NEW);
    if (at == NONE)
        views->before = view_of(world);
    if (operation->begins == OPEN)
        OK(open_consumer(world));
    int result = run_with_fault(world, operation, what, at);
    bool went_on = number++ % 2; /* each time one of two things is looked at */
    if (went_on && !goes_on(world, result))
        fail_msg("%s, %s, call %u: the handle does not go on: %s", operation->name, what->name,
                 at, evlog_errmsg());
    close_log(world);
    open_log(world);
    OK(evlog_verify(world->log, NULL, NULL, NULL));
    struct consumer_view view = view_of(world);
    if (at == NONE && !went_on)
        views->after = view;
    if (!went_on && !is_allowed(operation, views, &view, result))
        fail_msg("%s, %s, call %u: the consumer is half of it", operation->name, what->name, at);
    finish(world, operation);
}

static void make_log(struct world *world, const void *home, const struct operation *operation)
{
    static unsigned number;
    char name[32];
    evlog_signal *signal;
    snprintf(name, sizeof name, "log%u", number++);
    *world = (struct world){
        .path = strdup(in(home, name)),
        .options = {.durability = operation->durability, .flush_every_ms = 1000000}};
    open_log(world);
    OK(evlog_define(world->log, LOAD_TYPE, 0, NULL, &signal));
    for (int i = 0; i < EVENTS; i++)
        OK(evlog_send_event(signal, SMALL_MAP("\x01"), 4, NULL, NULL));
}

/* How many of its calls have failed, each by itself. */
static unsigned run_operation(void *home, size_t index, const struct fault *what, unsigned number)
{
    const struct operation *operation = &operations[index];
    struct world world;
    struct views views;
    unsigned at, count = 0;
    make_log(&world, home, operation);
    run_once(&world, operation, what, NONE, &views);
    run_once(&world, operation, what, NONE, &views); /* in one of the two it did not go on */
    unsigned last = fault_count, step = fault_step(last, TRIES_MAX, number, &at);
    for (; at <= last; at += step, count += fault_hits > 0)
        run_once(&world, operation, what, at, &views);
    close_log(&world);
    free((char *)world.path);
    return count;
}

/* ----------------------------------------------------------------- tests ---- */

static void run_all(void **state, size_t first, size_t last)
{
    fault_run_all(*state, first, last, sizeof operations / sizeof *operations, run_operation);
}

/* Memory that is not there, once or from then on. */
static void no_memory_leaves_a_consumer_whole(void **state)
{
    run_all(state, 0, 1);
}

/* A full disk. */
static void a_full_disk_leaves_a_consumer_whole(void **state)
{
    run_all(state, 2, 3);
}

/* Calls that fail with EIO: whichever it is. */
static void a_broken_disk_leaves_a_consumer_whole(void **state)
{
    run_all(state, 4, 5);
}

/* Writes and flushes that are done, and then say that they failed; and flushes that fail. */
static void a_failed_flush_leaves_a_consumer_whole(void **state)
{
    run_all(state, 6, 8);
}

/* Calls that are interrupted, or do half of what they were asked for. */
static void half_a_call_leaves_a_consumer_whole(void **state)
{
    run_all(state, 9, 11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(no_memory_leaves_a_consumer_whole),
        TEST_AT_HOME(a_full_disk_leaves_a_consumer_whole),
        TEST_AT_HOME(a_broken_disk_leaves_a_consumer_whole),
        TEST_AT_HOME(a_failed_flush_leaves_a_consumer_whole),
        TEST_AT_HOME(half_a_call_leaves_a_consumer_whole),
    };
    fault_choose_directory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
