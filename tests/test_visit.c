/*
 * What reads much of the log can be ended on its way, by the `visit` of its options: cursors, replays, look-ups, late
 * receivers, and consumers. The log begins and ends with an event of the type that is looked for, three batches apart.
 */
#include "clock.h"
#include "consume.h"

#define OTHERS 3000
#define LAST (OTHERS + 2)
#define ENDED 77

static const char *const types[] = {"b.v1"};

static struct opened open_long_log(const void *home)
{
    static evlog_sending sends[LAST];
    struct opened place = open_log(home);
    for (size_t i = 0; i < LAST; i++)
        sends[i] = (evlog_sending){.signal = i == 0 || i + 1 == LAST ? place.b : place.a,
                                   .data = "\x80",
                                   .data_size = 1};
    OK(evlog_send_events(sends, LAST, NULL, NULL));
    return place;
}

/* Ends the call that it is called `left` times in; 0: none. It sleeps until it is due again. */
struct visitor {
    unsigned left, count;
};

static int visit(uint64_t seq, void *ctx)
{
    struct visitor *visitor = ctx;
    assert_in_range(seq, 0, LAST + 1);
    visitor->count++;
    usleep(110000);
    return visitor->left && --visitor->left == 0 ? ENDED : 0;
}

/* Before each batch; a call that it has ended is gone on with by the next one, in both directions. */
static void a_cursor_goes_on_where_it_was_ended(void **state)
{
    struct opened place = open_long_log(*state);
    for (int newest_first = 0; newest_first < 2; newest_first++) {
        struct visitor visitor = {.left = 2};
        evlog_range range = {.first_seq = newest_first ? 1 : 2,
                             .last_seq = newest_first ? LAST - 1 : LAST,
                             .types = types,
                             .type_count = 1,
                             .newest_first = newest_first,
                             .visit = visit,
                             .visit_ctx = &visitor};
        evlog_cursor *cursor;
        const evlog_event *event = NULL;
        OK(evlog_cursor_open(place.log, &range, &cursor));
        assert_int_equal(evlog_cursor_next(cursor, &event), ENDED);
        assert_null(event);
        assert_int_equal(visitor.count, 2);
        OK(evlog_cursor_next(cursor, &event));
        assert_int_equal(event->seq, newest_first ? 1 : LAST);
        assert_int_equal(visitor.count, 4);
        OK(evlog_cursor_close(cursor));
    }
    OK(evlog_close(place.log));
}

static int count_visit(uint64_t seq, void *ctx)
{
    (void)seq;
    ++*(unsigned *)ctx;
    return 0;
}

/* Not for each batch, but where some time has passed. */
static void it_is_called_now_and_then(void **state)
{
    struct opened place = open_long_log(*state);
    unsigned count = 0;
    const evlog_range range = {.visit = count_visit, .visit_ctx = &count};
    static struct heard heard;
    int64_t began_us = clock_coarse_us();
    OK(evlog_replay(place.log, &range, hear, &heard, NULL));
    assert_int_equal(heard.count, LAST);
    assert_in_range(count, 1, 1 + (clock_coarse_us() - began_us) / 100000);
    OK(evlog_close(place.log));
}

static void replays_and_look_ups_are_ended(void **state)
{
    static struct heard heard;
    static const uint8_t id[16] = {1};
    struct opened place = open_long_log(*state);
    struct visitor visitor = {.left = 3};
    evlog_range range = {
        .first_seq = 2, .types = types, .type_count = 1, .visit = visit, .visit_ctx = &visitor};
    evlog_event *event;
    OK(evlog_connect(place.log, place.b, NULL, hear, &heard, NULL));
    assert_int_equal(evlog_replay(place.log, &range, hear, &heard, NULL), ENDED);
    visitor.left = 3;
    assert_int_equal(evlog_replay_to_receivers(place.log, &range, NULL), ENDED);
    visitor.left = 3;
    assert_int_equal(evlog_find(place.log, id, &range, &event), ENDED);
    assert_int_equal(heard.count, 0);
    OK(evlog_replay(place.log, &range, hear, &heard, NULL));
    HEARD(&heard, LAST);
    OK(evlog_close(place.log));
}

/* In its history, or while that is looked for: it is disconnected then. */
static void a_late_receiver_is_disconnected(void **state)
{
    static struct heard heard;
    struct opened place = open_long_log(*state);
    const evlog_connect_options cases[] = {
        {.start = EVLOG_START_SEQ, .start_seq = 2},
        {.start = EVLOG_START_LAST, .start_count = 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct visitor visitor = {.left = 3};
        evlog_connect_options options = cases[i];
        options.visit = visit;
        options.visit_ctx = &visitor;
        assert_int_equal(evlog_connect(place.log, place.b, NULL, hear, &heard, &options), ENDED);
        assert_false(evlog_has_receivers(place.b));
        assert_int_equal(heard.count, 0);
        OK(evlog_connect(place.log, place.b, NULL, hear, &heard, &options));
        assert_int_equal(heard.of[heard.count - 1].seq, LAST);
        heard.count = 0;
        OK(evlog_disconnect(place.log, place.b, NULL, hear, &heard));
    }
    OK(evlog_close(place.log));
}

/* While it passes over what it does not want, and while a start is looked for: then nothing is changed. */
static void a_consumer_goes_on_where_it_was_ended(void **state)
{
    struct opened place = open_long_log(*state);
    struct visitor visitor = {.left = 3};
    evlog_consumer_options options = {.start = EVLOG_START_LAST,
                                      .start_count = 3,
                                      .types = types,
                                      .type_count = 1,
                                      .visit = visit,
                                      .visit_ctx = &visitor};
    evlog_reset_options reset = {
        .start = EVLOG_START_LAST, .start_count = 3, .visit = visit, .visit_ctx = &visitor};
    evlog_consumer *consumer;
    const evlog_event *event = NULL;
    assert_int_equal(evlog_consumer_open(place.log, "c", &options, &consumer), ENDED);
    options.start = EVLOG_START_SEQ;
    options.start_seq = 2;
    OK(evlog_consumer_open(place.log, "c", &options, &consumer));
    visitor.left = 3;
    assert_int_equal(evlog_consumer_next(consumer, 0, &event), ENDED);
    assert_null(event);
    OK(evlog_consumer_next(consumer, 0, &event));
    assert_int_equal(event->seq, LAST);
    OK(evlog_consumer_done(consumer, LAST));
    OK(evlog_consumer_close(consumer));
    visitor.left = 3;
    assert_int_equal(evlog_consumer_reset(place.log, "c", &reset, NULL), ENDED);
    assert_int_equal(info_of(place.log, "c").checkpoint, LAST);
    OK(evlog_close(place.log));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(a_cursor_goes_on_where_it_was_ended),
        TEST_AT_HOME(it_is_called_now_and_then),
        TEST_AT_HOME(replays_and_look_ups_are_ended),
        TEST_AT_HOME(a_late_receiver_is_disconnected),
        TEST_AT_HOME(a_consumer_goes_on_where_it_was_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
