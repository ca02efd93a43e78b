/*
 * A consumer's state: whatever receivers put, whichever of them fail, however events are
 * acknowledged and whenever it is opened again, it is the fold of the events that are done. A naive
 * twin, an array in memory, says what that is.
 */
#include "be64.h"
#include "consume.h"
#include "consumer.h"
#include "damage.h"
#include "load.h"

static int no_visit(const evlog_consumer_info *info, void *ctx)
{
    (void)info;
    (void)ctx;
    return 0;
}

#define KEYS 12
#define STEPS 1500
#define EVENTS_MAX 20000

static evlog_consumer *open_consumer(evlog *log, const char *name, evlog_consumer_options options)
{
    evlog_consumer *consumer;
    OK(evlog_consumer_open(log, name, &options, &consumer));
    return consumer;
}

static void assert_value(evlog_consumer *consumer, const char *key, const char *expected)
{
    const void *value;
    size_t size;
    if (!expected) {
        FAILS(EVLOG_NOTFOUND, "no such key",
              evlog_state_get(consumer, key, strlen(key), &value, &size));
        return;
    }
    OK(evlog_state_get(consumer, key, strlen(key), &value, &size));
    assert_int_equal(size, strlen(expected));
    assert_memory_equal(value, expected, size);
}

static void put(evlog_consumer *consumer, const char *key, const char *value)
{
    OK(evlog_state_put(consumer, key, strlen(key), value, strlen(value)));
}

/* ------------------------------------------------------------------ limits ---- */

/* Keys are 1 to 255 bytes of any kind; values up to 64 KiB, none at all too. */
static void keys_and_values_have_limits(void **state)
{
    static char bytes[EVLOG_STATE_VALUE_SIZE_MAX + 1];
    struct opened place = open_log(*state);
    evlog_consumer *consumer =
        open_consumer(place.log, "c", (evlog_consumer_options){.replay = 0});
    const void *value = "untouched";
    size_t size = 77;
    memset(bytes, 'v', sizeof bytes);
    for (int round = 0; round < 2; round++) {
        FAILS(EVLOG_INVALID, "1 to 255", evlog_state_put(consumer, "k", 0, "v", 1));
        FAILS(EVLOG_INVALID, "1 to 255", evlog_state_put(consumer, NULL, 1, "v", 1));
        FAILS(EVLOG_LIMIT, "255", evlog_state_put(consumer, bytes, 256, "v", 1));
        FAILS(EVLOG_LIMIT, "65536",
              evlog_state_put(consumer, "k", 1, bytes, EVLOG_STATE_VALUE_SIZE_MAX + 1));
        FAILS(EVLOG_INVALID, "no value", evlog_state_put(consumer, "k", 1, NULL, 1));
        FAILS(EVLOG_INVALID, "1 to 255", evlog_state_get(consumer, "k", 0, &value, &size));
        FAILS(EVLOG_LIMIT, "255", evlog_state_get(consumer, bytes, 256, &value, &size));
        FAILS(EVLOG_INVALID, "1 to 255", evlog_state_delete(consumer, NULL, 0));
        FAILS(EVLOG_LIMIT, "255", evlog_state_delete(consumer, bytes, 256));
        FAILS(EVLOG_NOTFOUND, "no such key", evlog_state_get(consumer, "x", 1, &value, &size));
        FAILS(EVLOG_NOTFOUND, "no such key", evlog_state_delete(consumer, "x", 1));
        assert_string_equal(value, "untouched");
        assert_int_equal(size, 77);
        OK(evlog_state_put(consumer, bytes, 255, bytes, EVLOG_STATE_VALUE_SIZE_MAX));
        OK(evlog_state_put(consumer, "\0", 1, NULL, 0));
        OK(evlog_state_put(consumer, "\0\0", 2, "\0", 1));
        OK(evlog_consumer_close(consumer));
        consumer = open_consumer(place.log, "c", (evlog_consumer_options){.replay = 0});
        OK(evlog_state_get(consumer, bytes, 255, &value, &size));
        assert_int_equal(size, EVLOG_STATE_VALUE_SIZE_MAX);
        assert_memory_equal(value, bytes, size);
        OK(evlog_state_get(consumer, "\0", 1, &value, &size));
        assert_int_equal(size, 0);
        OK(evlog_state_get(consumer, "\0\0", 2, &value, &size));
        assert_int_equal(size, 1);
        assert_int_equal(info_of(place.log, "c").state_count, 3);
        value = "untouched";
        size = 77;
    }
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
}

static int put_too_much(const evlog_event *event, void *ctx)
{
    static char bytes[EVLOG_STATE_VALUE_SIZE_MAX];
    evlog_consumer *consumer = *(evlog_consumer **)ctx;
    uint64_t key = 0;
    (void)event;
    while (key < 2 * EVLOG_STATE_PENDING_MAX / sizeof bytes &&
           evlog_state_put(consumer, &key, 8, bytes, sizeof bytes) == EVLOG_OK)
        key++;
    FAILS(EVLOG_LIMIT, "wait for an acknowledgement",
          evlog_state_put(consumer, &key, 8, bytes, sizeof bytes));
    OK(evlog_state_put(consumer, &key, 8, bytes, 1)); /* there is room for a small one */
    assert_in_range(key, 900, 1024);
    return evlog_fail("too much");
}

/* What waits to be written has a limit; the receiver that met it fails, and has put nothing. */
static void what_is_pending_has_a_limit(void **state)
{
    struct opened place = open_log(*state);
    evlog_consumer *consumer =
        open_consumer(place.log, "c", (evlog_consumer_options){.attempt_max = 1});
    send_some(place.a, 1);
    OK(evlog_consumer_poll(consumer, 0, 0, put_too_much, &consumer, NULL));
    assert_int_equal(info_of(place.log, "c").parked_count, 1);
    assert_int_equal(info_of(place.log, "c").state_count, 0);
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
}

/* Puts a value of 60 KB twice, the number of the event in front; fails at each tenth one. */
static int put_over_and_over(const evlog_event *event, void *ctx)
{
    static char bytes[60000];
    evlog_consumer *consumer = *(evlog_consumer **)ctx;
    uint64_t before = event->seq - 1 - (event->seq % 10 == 1);
    const void *value;
    size_t size;
    if (event->seq > 1) {
        OK(evlog_state_get(consumer, "key", 3, &value, &size));
        assert_memory_equal(value, &before, sizeof before);
    }
    for (int i = 0; i < 2; i++) {
        memcpy(bytes, &event->seq, sizeof event->seq);
        OK(evlog_state_put(consumer, "key", 3, bytes, sizeof bytes));
        assert_in_range(consumer->pending.size, sizeof bytes, 3 * (sizeof bytes + 200));
    }
    return event->seq % 10 == 0 ? evlog_fail("no") : 0;
}

/* Of a key only what may still count is kept; the value before comes back when an event fails. */
static void what_is_put_over_and_over_does_not_add_up(void **state)
{
    struct opened place = open_log(*state);
    evlog_consumer *consumer = open_consumer(
        place.log, "c",
        (evlog_consumer_options){.attempt_max = 1, .on_failure = EVLOG_FAILURE_SKIP});
    send_some(place.a, 100);
    OK(evlog_consumer_poll(consumer, 0, 0, put_over_and_over, &consumer, NULL));
    assert_int_equal(info_of(place.log, "c").checkpoint, 100);
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
}

/* What was written or read is kept, but not more than some MiB; what is not is read in the file. */
static void what_is_written_is_kept_within_bounds(void **state)
{
    static unsigned char bytes[60000];
    struct opened place = open_log(*state);
    evlog_consumer *consumer =
        open_consumer(place.log, "c", (evlog_consumer_options){.replay = 0});
    const struct pending *pending = &consumer->pending;
    const size_t bound = (4 << 20) + sizeof bytes + 200;
    size_t most = 0, size;
    const void *value;
    for (int round = 0; round < 2; round++)
        for (unsigned char key = 0; key < 200; key++) {
            if (round > 0) {
                OK(evlog_state_get(consumer, &key, 1, &value, &size));
                assert_memory_equal(value, (memset(bytes, key, sizeof bytes)), sizeof bytes);
            }
            memset(bytes, key + round, sizeof bytes);
            OK(evlog_state_put(consumer, &key, 1, bytes, sizeof bytes));
            assert_in_range(pending->size, sizeof bytes, sizeof bytes + 200);
            OK(evlog_consumer_commit(consumer));
            assert_int_equal(pending->size, 0);
            assert_in_range(pending->written_size, 0, bound);
            most = pending->written_size > most ? pending->written_size : most;
        }
    assert_in_range(most, 3 << 20, bound);
    OK(evlog_consumer_close(consumer));
    assert_int_equal(info_of(place.log, "c").state_count, 200);
    OK(evlog_close(place.log));
}

/* ------------------------------------------------------------- what is seen ---- */

/* What was put is seen at once, the last of several; a value may be put under another key. */
static void the_last_put_is_seen(void **state)
{
    struct opened place = open_log(*state);
    evlog_consumer *consumer =
        open_consumer(place.log, "c", (evlog_consumer_options){.replay = 0});
    const void *value;
    size_t size;
    put(consumer, "a", "1");
    put(consumer, "a", "22");
    assert_value(consumer, "a", "22");
    OK(evlog_state_get(consumer, "a", 1, &value, &size));
    OK(evlog_state_put(consumer, "b", 1, value, size));
    OK(evlog_state_delete(consumer, "a", 1));
    assert_value(consumer, "a", NULL);
    FAILS(EVLOG_NOTFOUND, "no such key", evlog_state_delete(consumer, "a", 1));
    put(consumer, "c", "gone");
    put(consumer, "c", "");
    OK(evlog_consumer_close(consumer));
    consumer = open_consumer(place.log, "c", (evlog_consumer_options){.replay = 0});
    assert_int_equal(info_of(place.log, "c").state_count, 2);
    assert_value(consumer, "a", NULL);
    assert_value(consumer, "b", "22");
    assert_value(consumer, "c", "");
    OK(evlog_state_get(consumer, "b", 1, &value, &size)); /* from the file this time */
    OK(evlog_state_put(consumer, "a", 1, value, size));
    OK(evlog_state_delete(consumer, "b", 1));
    assert_value(consumer, "a", "22");
    OK(evlog_consumer_close(consumer));
    assert_int_equal(info_of(place.log, "c").state_count, 2);
    OK(evlog_close(place.log));
}

static int put_many(const evlog_event *event, void *ctx)
{
    evlog_consumer *consumer = *(evlog_consumer **)ctx;
    char key[16], value[32], before[32];
    for (uint64_t i = 0; i < 2000; i++) {
        snprintf(key, sizeof key, "key%" PRIu64, i);
        snprintf(value, sizeof value, "%" PRIu64 " of %" PRIu64, i, event->seq);
        snprintf(before, sizeof before, "%" PRIu64 " of %" PRIu64, i, event->seq - 1);
        assert_value(consumer, key, event->seq > 1 ? before : NULL);
        put(consumer, key, value);
    }
    for (uint64_t i = 0; i < 2000; i++) {
        snprintf(key, sizeof key, "key%" PRIu64, i);
        snprintf(value, sizeof value, "%" PRIu64 " of %" PRIu64, i, event->seq);
        assert_value(consumer, key, value);
    }
    return 0;
}

/* Many keys at once, each again and again: each has its own last value, pending or written. */
static void many_keys_are_told_apart(void **state)
{
    struct opened place = open_log(*state);
    evlog_consumer *consumer =
        open_consumer(place.log, "c", (evlog_consumer_options){.replay = 0});
    send_some(place.a, 4);
    OK(evlog_consumer_poll(consumer, 2, 0, put_many, &consumer, NULL));
    OK(evlog_consumer_poll(consumer, 0, 0, put_many, &consumer, NULL));
    assert_int_equal(info_of(place.log, "c").state_count, 2000);
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
}

/* What evlog_each_state has visited, as text. */
struct visited {
    char text[200];
    int stop;
};

static int note_state(const void *key, size_t key_size, const void *value, size_t value_size,
                      void *ctx)
{
    struct visited *visited = ctx;
    size_t length = strlen(visited->text);
    snprintf(visited->text + length, sizeof visited->text - length, "%.*s=%.*s ", (int)key_size,
             (const char *)key, (int)value_size, (const char *)value);
    return visited->stop;
}

static void state_is(evlog *log, const char *name, const char *expected)
{
    struct visited visited = {.stop = 0};
    OK(evlog_each_state(log, name, note_state, &visited));
    assert_string_equal(visited.text, expected);
}

/* The whole state can be listed, in the order of its keys: as it was written last, of this consumer alone. */
static void the_state_is_listed(void **state)
{
    struct opened place = open_log(*state);
    struct visited visited = {.stop = 7};
    evlog_consumer *other = open_consumer(place.log, "cc", (evlog_consumer_options){.replay = 0});
    evlog_consumer *consumer =
        open_consumer(place.log, "c", (evlog_consumer_options){.replay = 0});
    FAILS(EVLOG_NOTFOUND, "no consumer d",
          evlog_each_state(place.log, "d", note_state, &visited));
    FAILS(EVLOG_INVALID, "no function", evlog_each_state(place.log, "c", NULL, NULL));
    put(other, "a", "not this one's");
    OK(evlog_consumer_commit(other));
    put(consumer, "b", "");
    put(consumer, "a", "1");
    put(consumer, "aa", "2");
    state_is(place.log, "c", "");
    OK(evlog_consumer_commit(consumer));
    OK(evlog_state_delete(consumer, "aa", 2));
    state_is(place.log, "c", "a=1 aa=2 b= ");
    assert_int_equal(evlog_each_state(place.log, "c", note_state, &visited), 7);
    assert_string_equal(visited.text, "a=1 ");
    OK(evlog_consumer_close(consumer));
    state_is(place.log, "c", "a=1 b= ");
    OK(evlog_consumer_close(other));
    OK(evlog_close(place.log));
}

static void own_state_is(evlog_consumer *consumer, const char *expected)
{
    struct visited visited = {.stop = 0};
    OK(evlog_state_each(consumer, note_state, &visited));
    assert_string_equal(visited.text, expected);
}

/* Its owner lists it as it gets it: with what is not written yet, and without what was dropped with its event. */
static void the_owner_lists_what_is_not_written_too(void **state)
{
    struct opened place = open_log(*state);
    struct visited visited = {.stop = 7};
    evlog_consumer *other = open_consumer(place.log, "cc", (evlog_consumer_options){.replay = 0});
    evlog_consumer *consumer =
        open_consumer(place.log, "c", (evlog_consumer_options){.attempt_max = 1});
    const evlog_event *event;
    FAILS(EVLOG_INVALID, "no function", evlog_state_each(consumer, NULL, NULL));
    put(other, "a", "not this one's");
    put(consumer, "b", "");
    put(consumer, "a", "1");
    put(consumer, "aa", "2");
    OK(evlog_consumer_commit(consumer));
    own_state_is(consumer, "a=1 aa=2 b= ");
    put(consumer, "c", "3");
    put(consumer, "a", "4");
    put(consumer, "c", "5");
    OK(evlog_state_delete(consumer, "aa", 2));
    own_state_is(consumer, "b= a=4 c=5 ");
    assert_int_equal(evlog_state_each(consumer, note_state, &visited), 7);
    visited = (struct visited){.stop = 7};
    OK(evlog_state_delete(consumer, "b", 1));
    assert_int_equal(evlog_state_each(consumer, note_state, &visited), 7);
    assert_string_equal(visited.text, "a=4 ");
    send_some(place.a, 1);
    OK(evlog_consumer_next(consumer, 0, &event));
    put(consumer, "d", "6");
    OK(evlog_state_delete(consumer, "c", 1));
    own_state_is(consumer, "a=4 d=6 ");
    OK(evlog_consumer_fail(consumer, 1, "why"));
    own_state_is(consumer, "a=4 c=5 ");
    OK(evlog_consumer_close(consumer));
    OK(evlog_consumer_close(other));
    OK(evlog_close(place.log));
}

/* Each consumer has a state of its own, also where one's name is the beginning of another's. */
static void consumers_do_not_share_it(void **state)
{
    struct opened place = open_log(*state);
    evlog_consumer *one = open_consumer(place.log, "c", (evlog_consumer_options){.replay = 0});
    evlog_consumer *two = open_consumer(place.log, "cc", (evlog_consumer_options){.replay = 0});
    put(one, "c", "one");
    put(two, "c", "two");
    put(two, "only", "two");
    OK(evlog_consumer_close(one));
    OK(evlog_consumer_close(two));
    OK(evlog_consumer_remove(place.log, "c"));
    one = open_consumer(place.log, "c", (evlog_consumer_options){.replay = 0});
    two = open_consumer(place.log, "cc", (evlog_consumer_options){.replay = 0});
    assert_value(one, "c", NULL);
    assert_value(two, "c", "two");
    OK(evlog_consumer_close(one));
    OK(evlog_consumer_close(two));
    OK(evlog_close(place.log));
}

/* -------------------------------------------------------------- rolled back ---- */

struct failing {
    evlog_consumer *consumer;
    unsigned calls;
};

static int put_delete_and_fail(const evlog_event *event, void *ctx)
{
    struct failing *failing = ctx;
    assert_value(failing->consumer, "kept", "old"); /* as it was, at each attempt */
    assert_value(failing->consumer, "new", NULL);
    put(failing->consumer, "new", "x");
    put(failing->consumer, "kept", "changed");
    OK(evlog_state_delete(failing->consumer, "kept", 4));
    assert_value(failing->consumer, "kept", NULL);
    failing->calls++;
    return event->attempt < 3 ? evlog_fail("not yet") : 0;
}

/* A receiver that fails has put nothing, whatever it put; the attempt that succeeds has. */
static void a_failing_receiver_has_put_nothing(void **state)
{
    struct opened place = open_log(*state);
    struct failing failing = {.calls = 0};
    failing.consumer = open_consumer(place.log, "c", (evlog_consumer_options){.backoff_ms = 1});
    put(failing.consumer, "kept", "old");
    send_some(place.a, 1);
    OK(evlog_consumer_poll(failing.consumer, 0, -1, put_delete_and_fail, &failing, NULL));
    assert_int_equal(failing.calls, 3);
    assert_value(failing.consumer, "kept", NULL);
    assert_value(failing.consumer, "new", "x");
    OK(evlog_consumer_close(failing.consumer));
    OK(evlog_close(place.log));
}

/* Puts a value under the bytes of the event's seq, as they are in the key of a parked event. Fails at first. */
static int put_by_seq(const evlog_event *event, void *ctx)
{
    evlog_consumer *consumer = *(evlog_consumer **)ctx;
    unsigned char key[sizeof event->seq];
    be64_store(key, event->seq);
    OK(evlog_state_put(consumer, key, sizeof key, "x", 1));
    return event->is_retry ? 0 : evlog_fail("no");
}

/* A key of state may have the very bytes of another of the consumer's keys: they are different entries. */
static void a_key_may_be_as_that_of_a_parked_event(void **state)
{
    struct opened place = open_log(*state);
    evlog_consumer *consumer =
        open_consumer(place.log, "c", (evlog_consumer_options){.attempt_max = 1});
    send_some(place.a, 1);
    OK(evlog_consumer_poll(consumer, 0, 0, put_by_seq, &consumer, NULL));
    assert_int_equal(info_of(place.log, "c").parked_count, 1);
    assert_int_equal(info_of(place.log, "c").state_count, 0);
    OK(evlog_parked_retry(place.log, "c", 1, NULL));
    OK(evlog_consumer_poll(consumer, 0, 0, put_by_seq, &consumer, NULL));
    assert_int_equal(info_of(place.log, "c").parked_count, 0);
    assert_int_equal(info_of(place.log, "c").state_count, 1);
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
}

/* By hand: what was put between polls is of the last event handed out, and goes with its ack. */
static void what_is_put_between_polls_waits_for_the_ack(void **state)
{
    static struct heard heard;
    struct opened place = open_log(*state);
    evlog_consumer_options options = {.ack_by_hand = 1};
    evlog_consumer *consumer = open_consumer(place.log, "c", options);
    send_some(place.a, 3);
    put(consumer, "k", "0");
    OK(evlog_consumer_poll(consumer, 1, 0, hear, &heard, NULL));
    put(consumer, "k", "1");
    OK(evlog_consumer_poll(consumer, 1, 0, hear, &heard, NULL));
    put(consumer, "k", "2");
    OK(acknowledge(consumer, 1));
    assert_value(consumer, "k", "2");
    OK(evlog_consumer_close(consumer));
    consumer = open_consumer(place.log, "c", options);
    assert_value(consumer, "k", "1");
    OK(evlog_consumer_poll(consumer, 1, 0, hear, &heard, NULL));
    put(consumer, "k", "2 again");
    OK(acknowledge(consumer, 2));
    OK(evlog_consumer_close(consumer));
    consumer = open_consumer(place.log, "c", options);
    assert_value(consumer, "k", "2 again");
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
}

/* ------------------------------------------------------------------- the twin ---- */

/* A state, and the seq up to which it is the fold. */
struct fold {
    uint64_t values[KEYS]; /* 0: no such key */
};

struct twin {
    struct opened place;
    evlog_consumer *consumer;
    uint64_t random, seed;
    int by_hand;
    uint64_t sent, acked, out;
    struct fold folds[EVENTS_MAX]; /* by seq: after that event */
    unsigned char is_parked[EVENTS_MAX];
    unsigned failures; /* of the event that comes next, since the consumer was opened */
};

/*
 * What an event does with a state, by its seq: a few puts and deletes, which follow from what is
 * there; some events fail for good, and count for nothing.
 */
static uint64_t plan(uint64_t seed, uint64_t seq, unsigned step)
{
    return load_mix(seed ^ seq * 64 ^ step);
}

static int is_bad(const struct twin *twin, uint64_t seq)
{
    return plan(twin->seed, seq, 63) % 7 == 0;
}

static uint64_t value_after(uint64_t before, uint64_t what)
{
    return what % 3 ? before * 31 + what % 1000 + 1 : 0;
}

static void fold_event(const struct twin *twin, uint64_t seq, struct fold *fold)
{
    for (unsigned step = 0; step < plan(twin->seed, seq, 62) % 6; step++) {
        uint64_t what = plan(twin->seed, seq, step);
        uint64_t *value = &fold->values[what % KEYS];
        *value = value_after(*value, what >> 8);
    }
}

static void key_of(uint64_t number, char key[8])
{
    snprintf(key, 8, "key%u", (unsigned)number);
}

/* A key's value in the consumer's state; 0: none. Its size follows from it too. */
static uint64_t get(evlog_consumer *consumer, uint64_t number)
{
    char key[8];
    const void *value;
    size_t size;
    uint64_t found;
    key_of(number, key);
    int result = evlog_state_get(consumer, key, strlen(key), &value, &size);
    if (result == EVLOG_NOTFOUND)
        return 0;
    OK(result);
    memcpy(&found, value, 8);
    assert_int_equal(size, 8 + found % 400);
    return found;
}

static void set(evlog_consumer *consumer, uint64_t number, uint64_t value)
{
    static unsigned char bytes[408];
    char key[8];
    key_of(number, key);
    memcpy(bytes, &value, 8);
    if (value)
        OK(evlog_state_put(consumer, key, strlen(key), bytes, 8 + value % 400));
    else if (get(consumer, number))
        OK(evlog_state_delete(consumer, key, strlen(key)));
}

static void assert_fold(const struct twin *twin, const struct fold *fold)
{
    for (uint64_t i = 0; i < KEYS; i++)
        assert_int_equal(get(twin->consumer, i), fold->values[i]);
}

static int do_as_planned(const evlog_event *event, void *ctx)
{
    struct twin *twin = ctx;
    uint64_t seq = event->seq;
    while (twin->is_parked[twin->out + 1])
        twin->out++;
    assert_int_equal(seq, twin->out + 1);
    assert_fold(twin, &twin->folds[seq - 1]);
    for (unsigned step = 0; step < plan(twin->seed, seq, 62) % 6; step++) {
        uint64_t what = plan(twin->seed, seq, step);
        set(twin->consumer, what % KEYS,
            value_after(get(twin->consumer, what % KEYS), what >> 8));
    }
    int is_last_time = twin->failures == 1;
    if (is_bad(twin, seq) || (!is_last_time && load_random(&twin->random, 6) == 0)) {
        twin->failures = !is_last_time;
        twin->is_parked[seq] = (unsigned char)is_last_time;
        twin->out += (uint64_t)is_last_time;
        return evlog_fail("at random");
    }
    if (twin->by_hand && load_random(&twin->random, 8) == 0) {
        OK(acknowledge(twin->consumer, seq));
        twin->acked = seq;
    }
    twin->failures = 0;
    twin->out = seq;
    return 0;
}

static void send_planned(struct twin *twin)
{
    unsigned count = (unsigned)load_random(&twin->random, 8);
    send_some(twin->place.a, count);
    for (; count > 0; count--) {
        uint64_t seq = ++twin->sent;
        twin->folds[seq] = twin->folds[seq - 1];
        if (!is_bad(twin, seq))
            fold_event(twin, seq, &twin->folds[seq]);
    }
}

static void open_twin(struct twin *twin, const void *home)
{
    evlog_consumer_options options = {.ack_by_hand = twin->by_hand,
                                      .attempt_max = 2,
                                      .backoff_ms = 1,
                                      .backoff_max_ms = 1,
                                      .commit_every =
                                          1 + (uint32_t)load_random(&twin->random, 9)};
    twin->place = open_log(home);
    twin->consumer = open_consumer(twin->place.log, "c", options);
}

/* Closed and opened again: by hand it is the fold of what was acknowledged, else of all. */
static void reopen_twin(struct twin *twin, const void *home)
{
    OK(evlog_consumer_close(twin->consumer));
    OK(evlog_close(twin->place.log));
    open_twin(twin, home);
    twin->failures = 0;
    evlog_consumer_info info = info_of(twin->place.log, "c");
    uint64_t least = twin->by_hand ? twin->acked : twin->out;
    assert_true(info.checkpoint >= least && info.checkpoint <= twin->out);
    for (uint64_t seq = least + 1; seq <= info.checkpoint; seq++)
        assert_true(is_bad(twin, seq)); /* parked ones alone are passed beside */
    twin->out = twin->acked = info.checkpoint;
    assert_fold(twin, &twin->folds[twin->out]);
    uint64_t keys = 0;
    for (int i = 0; i < KEYS; i++)
        keys += twin->folds[twin->out].values[i] != 0;
    assert_int_equal(info.state_count, keys);
}

static void step_twin(struct twin *twin, const void *home)
{
    switch (load_random(&twin->random, 12)) {
    case 0:
    case 1:
    case 2:
    case 3:
        send_planned(twin);
        break;
    case 4:
        reopen_twin(twin, home);
        break;
    case 5:
    case 6:
        if (twin->by_hand && twin->out > twin->acked) {
            twin->acked += 1 + load_random(&twin->random, twin->out - twin->acked);
            OK(acknowledge(twin->consumer, twin->acked));
        }
        break;
    default:
        OK(evlog_consumer_poll(twin->consumer, load_random(&twin->random, 6), 1, do_as_planned,
                               twin, NULL));
        assert_fold(twin, &twin->folds[twin->out]);
    }
}

/* Random sends, polls, failures, acknowledgements and openings: the state is the fold, always. */
static void it_is_the_fold_of_what_is_done(void **state)
{
    static struct twin twin;
    uint64_t seed = load_seed();
    for (int by_hand = 0; by_hand < 2; by_hand++) {
        char *home = strdup(in(*state, by_hand ? "by-hand" : "by-itself"));
        assert_int_equal(mkdir(home, 0700), 0);
        memset(&twin, 0, sizeof twin);
        twin.random = twin.seed = seed;
        twin.by_hand = by_hand;
        open_twin(&twin, home);
        for (int step = 0; step < STEPS; step++)
            step_twin(&twin, home);
        assert_true(twin.sent < EVENTS_MAX);
        OK(evlog_consumer_poll(twin.consumer, 0, 0, do_as_planned, &twin, NULL));
        if (by_hand)
            OK(acknowledge(twin.consumer, twin.acked = twin.out));
        reopen_twin(&twin, home);
        OK(evlog_consumer_close(twin.consumer));
        OK(evlog_close(twin.place.log));
        free(home);
    }
}

/* ------------------------------------------------------------------ damage ---- */

/* A value that is not as it was written is reported, and the others are read. */
static void a_damaged_value_is_told(void **state)
{
    struct opened place = open_log(*state);
    evlog_consumer *consumer =
        open_consumer(place.log, "c", (evlog_consumer_options){.replay = 0});
    const void *value = "untouched";
    size_t size;
    put(consumer, "bad", "12345");
    put(consumer, "good", "12345");
    put(consumer, "not a value", "12345");
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
    struct raw raw = raw_open(in(*state, "log/state.mdb"));
    struct bytes bytes = raw_get(&raw, "vc\0bad", 6);
    bytes.at[bytes.size - 1] ^= 1;
    raw_put(&raw, "vc\0bad", 6, bytes);
    free(bytes.at);
    bytes = raw_get(&raw, "vc\0not a value", 14);
    bytes.at[10] = 0xa5; /* text where bytes should be, its checksum made to fit */
    memmove(bytes.at + 11, bytes.at + 12, bytes.size - 12);
    bytes.size--;
    entry_refit(log_seed(in(*state, "log/format")), "vc\0not a value", 14, bytes.at, bytes.size);
    raw_put(&raw, "vc\0not a value", 14, bytes);
    free(bytes.at);
    raw_close(&raw);
    place = open_log(*state);
    consumer = open_consumer(place.log, "c", (evlog_consumer_options){.replay = 0});
    FAILS(EVLOG_DAMAGED, "not as it was written",
          evlog_state_get(consumer, "bad", 3, &value, &size));
    FAILS(EVLOG_DAMAGED, "not as it was written",
          evlog_state_get(consumer, "not a value", 11, &value, &size));
    assert_string_equal(value, "untouched");
    struct visited visited = {.stop = 0};
    FAILS(EVLOG_DAMAGED, "not as it was written",
          evlog_each_state(place.log, "c", note_state, &visited));
    assert_string_equal(visited.text, "good=12345 ");
    assert_value(consumer, "good", "12345");
    put(consumer, "bad", "mended");
    OK(evlog_consumer_close(consumer));
    consumer = open_consumer(place.log, "c", (evlog_consumer_options){.replay = 0});
    assert_value(consumer, "bad", "mended");
    assert_int_equal(info_of(place.log, "c").state_count, 3);
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
}

/* A consumer whose own entry is damaged is reported by name and by list, and others can be opened. */
static void a_damaged_consumer_is_told(void **state)
{
    struct opened place = open_log(*state);
    evlog_consumer *consumer =
        open_consumer(place.log, "b", (evlog_consumer_options){.replay = 0});
    OK(evlog_consumer_close(consumer));
    OK(evlog_consumer_close(
        open_consumer(place.log, "c", (evlog_consumer_options){.replay = 0})));
    OK(evlog_close(place.log));
    struct raw raw = raw_open(in(*state, "log/state.mdb"));
    struct bytes bytes = raw_get(&raw, "cc", 2);
    bytes.at[20] ^= 1;
    raw_put(&raw, "cc", 2, bytes);
    free(bytes.at);
    raw_close(&raw);
    place = open_log(*state);
    evlog_consumer_info info;
    FAILS(EVLOG_DAMAGED, "not as it was written",
          evlog_consumer_open(place.log, "c", NULL, &consumer));
    FAILS(EVLOG_DAMAGED, "not as it was written", inspect_into(place.log, "c", &info));
    FAILS(EVLOG_DAMAGED, "not as it was written", evlog_each_consumer(place.log, no_visit, NULL));
    OK(evlog_consumer_close(
        open_consumer(place.log, "b", (evlog_consumer_options){.replay = 0})));
    OK(evlog_close(place.log));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(keys_and_values_have_limits),
        TEST_AT_HOME(what_is_pending_has_a_limit),
        TEST_AT_HOME(what_is_written_is_kept_within_bounds),
        TEST_AT_HOME(what_is_put_over_and_over_does_not_add_up),
        TEST_AT_HOME(the_last_put_is_seen),
        TEST_AT_HOME(many_keys_are_told_apart),
        TEST_AT_HOME(the_state_is_listed),
        TEST_AT_HOME(the_owner_lists_what_is_not_written_too),
        TEST_AT_HOME(consumers_do_not_share_it),
        TEST_AT_HOME(a_failing_receiver_has_put_nothing),
        TEST_AT_HOME(a_key_may_be_as_that_of_a_parked_event),
        TEST_AT_HOME(what_is_put_between_polls_waits_for_the_ack),
        TEST_AT_HOME(it_is_the_fold_of_what_is_done),
        TEST_AT_HOME(a_damaged_value_is_told),
        TEST_AT_HOME(a_damaged_consumer_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
