/*
 * Dispatch as Django's signals do it: each behaviour of its dispatcher that has a meaning
 * in C. The numbers name Django's own tests (tests/dispatch, tests/signals).
 */
#include "test.h"

#define TYPE "org.openedx.learning.course.enrollment.created.v1"
#define OTHER "org.openedx.learning.student.registration.completed.v1"

/* Receivers write a letter each into `heard`, and do what their struct says besides. */
struct fixture;
struct actor {
    struct fixture *fixture;
    char letter;
    int result;                /* what to return */
    const char *sentence;      /* and to say */
    struct actor *connects;    /* connects this one when called */
    struct actor *disconnects; /* disconnects this one when called */
    evlog_signal *sends;       /* sends this once when called */
};

struct fixture {
    evlog *log;
    evlog_signal *signal, *other;
    char heard[256];
    struct actor a, b, c;
};

static int act(const evlog_event *event, void *ctx)
{
    struct actor *actor = ctx;
    struct fixture *fixture = actor->fixture;
    size_t size = strlen(fixture->heard);
    fixture->heard[size] = actor->letter;
    fixture->heard[size + 1] = '\0';
    if (actor->connects)
        OK(evlog_connect(fixture->log, fixture->signal, NULL, act, actor->connects, NULL));
    if (actor->disconnects)
        evlog_disconnect(fixture->log, fixture->signal, NULL, act, actor->disconnects);
    if (actor->sends) {
        evlog_signal *signal = actor->sends;
        actor->sends = NULL;
        OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    }
    (void)event;
    if (actor->sentence)
        return evlog_fail(actor->sentence);
    return actor->result;
}

static void begin(struct fixture *fixture, const void *home)
{
    *fixture = (struct fixture){.log = NULL};
    OK(evlog_open(in(home, "log"), &(evlog_options){.durability = EVLOG_FAST}, &fixture->log));
    OK(evlog_define(fixture->log, TYPE, 0, NULL, &fixture->signal));
    OK(evlog_define(fixture->log, OTHER, 0, NULL, &fixture->other));
    fixture->a = (struct actor){.fixture = fixture, .letter = 'a'};
    fixture->b = (struct actor){.fixture = fixture, .letter = 'b'};
    fixture->c = (struct actor){.fixture = fixture, .letter = 'c'};
}

static void connect(struct fixture *fixture, struct actor *actor)
{
    OK(evlog_connect(fixture->log, fixture->signal, NULL, act, actor, NULL));
}

/* Sends once; what was heard is `expected`. */
static void send_and_hear(struct fixture *fixture, const char *expected)
{
    fixture->heard[0] = '\0';
    OK(evlog_send_event(fixture->signal, "\x80", 1, NULL, NULL));
    assert_string_equal(fixture->heard, expected);
}

/* Receivers are called in the order of connection (Django: docs, PR 11976). */
static void calls_in_order_of_connection(void **state)
{
    struct fixture fixture;
    begin(&fixture, *state);
    connect(&fixture, &fixture.c);
    connect(&fixture, &fixture.a);
    connect(&fixture, &fixture.b);
    send_and_hear(&fixture, "cab");
    OK(evlog_close(fixture.log));
}

/* 3, 4, 13, 14: each response beside its receiver; none when nobody is connected. */
static void returns_each_response(void **state)
{
    struct fixture fixture;
    evlog_sent sent;
    begin(&fixture, *state);
    OK(evlog_send_event(fixture.signal, "\x80", 1, NULL, &sent));
    assert_int_equal(sent.response_count, 0);
    assert_int_equal(sent.seq, 1);
    evlog_sent_free(&sent);
    connect(&fixture, &fixture.a);
    OK(evlog_connect(fixture.log, fixture.signal, "named", act, &fixture.b, NULL));
    OK(evlog_send_event(fixture.signal, "\x80", 1, NULL, &sent));
    assert_int_equal(sent.response_count, 2);
    assert_ptr_equal(sent.responses[0]->ctx, &fixture.a);
    assert_ptr_equal(sent.responses[0]->receiver, act);
    assert_string_equal(sent.responses[0]->dispatch_uid, "");
    assert_string_equal(sent.responses[1]->dispatch_uid, "named");
    assert_int_equal(sent.responses[1]->result, 0);
    OK(evlog_disconnect(fixture.log, fixture.signal, "named", NULL, NULL));
    OK(evlog_close(fixture.log));
    assert_string_equal(sent.responses[1]->dispatch_uid, "named"); /* kept until freed */
    evlog_sent_free(&sent);
    assert_null(sent.responses);
}

/* 16: robust, the default: a failure is a response with its sentence, and the next runs. */
static void robust_goes_on_after_a_failure(void **state)
{
    struct fixture fixture;
    evlog_sent sent;
    begin(&fixture, *state);
    fixture.a.result = 7;
    fixture.b.sentence = "no such course";
    connect(&fixture, &fixture.a);
    connect(&fixture, &fixture.b);
    connect(&fixture, &fixture.c);
    FAILS(EVLOG_RECEIVER,
          "2 calls of receivers failed; the first: event 1 (" TYPE
          ") is in the log, but receiver failed with 7",
          evlog_send_event(fixture.signal, "\x80", 1, NULL, &sent));
    assert_string_equal(fixture.heard, "abc");
    assert_int_equal(sent.seq, 1);
    assert_int_equal(sent.responses[0]->result, 7);
    assert_string_equal(sent.responses[0]->error, "");
    assert_int_equal(sent.responses[1]->result, EVLOG_RECEIVER);
    assert_string_equal(sent.responses[1]->error, "no such course");
    assert_int_equal(sent.responses[2]->result, 0);
    evlog_sent_free(&sent);
    OK(evlog_close(fixture.log));
}

/* A failure is the result also where no response is asked for, and whatever a later one calls. */
static void a_failure_is_never_lost(void **state)
{
    struct fixture fixture;
    begin(&fixture, *state);
    fixture.a.sentence = "no such course";
    fixture.b.disconnects = &fixture.c; /* which is not connected, so it fails inside */
    connect(&fixture, &fixture.a);
    OK(evlog_connect(fixture.log, fixture.signal, "named", act, &fixture.b, NULL));
    FAILS(EVLOG_RECEIVER,
          "event 1 (" TYPE ") is in the log, but receiver failed with -13: no such",
          evlog_send_event(fixture.signal, "\x80", 1, NULL, NULL));
    assert_string_equal(fixture.heard, "ab");
    evlog_sending sends[] = {{.signal = fixture.other, .data = "\x80", .data_size = 1},
                             {.signal = fixture.signal, .data = "\x80", .data_size = 1},
                             {.signal = fixture.signal, .data = "\x80", .data_size = 1}};
    fixture.a.sentence = NULL;
    fixture.b.result = 3;
    FAILS(EVLOG_RECEIVER,
          "2 calls of receivers failed; the first: event 3 (" TYPE
          ") is in the log, but receiver named failed with 3",
          evlog_send_events(sends, 3, NULL, NULL));
    assert_string_equal(fixture.heard, "ababab");
    OK(evlog_close(fixture.log));
}

/* How a log's sends are dispatched: the send says, or the log, or the environment. */
static void dispatch_has_a_default(void **state)
{
    static const struct {
        const char *variable;
        evlog_dispatch of_log, of_send;
        const char *heard;
    } table[] = {
        {NULL, 0, 0, "ab"},
        {"", 0, 0, "ab"},
        {"robust", 0, 0, "ab"},
        {"strict", 0, 0, "a"},
        {"strict", EVLOG_DISPATCH_ROBUST, 0, "ab"},
        {"robust", EVLOG_DISPATCH_STRICT, 0, "a"},
        {"strict", EVLOG_DISPATCH_STRICT, EVLOG_DISPATCH_ROBUST, "ab"},
        {"robust", EVLOG_DISPATCH_ROBUST, EVLOG_DISPATCH_STRICT, "a"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct fixture fixture = {.log = NULL};
        evlog_options options = {.dispatch = table[i].of_log};
        evlog_send_options how = {.dispatch = table[i].of_send};
        if (table[i].variable)
            setenv("EVLOG_DISPATCH", table[i].variable, 1);
        OK(evlog_open(in(*state, "log"), &options, &fixture.log));
        unsetenv("EVLOG_DISPATCH");
        OK(evlog_define(fixture.log, TYPE, 0, NULL, &fixture.signal));
        fixture.a = (struct actor){.fixture = &fixture, .letter = 'a', .result = 1};
        fixture.b = (struct actor){.fixture = &fixture, .letter = 'b'};
        connect(&fixture, &fixture.a);
        connect(&fixture, &fixture.b);
        FAILS(EVLOG_RECEIVER, "failed with 1",
              evlog_send_event(fixture.signal, "\x80", 1, &how, NULL));
        assert_string_equal(fixture.heard, table[i].heard);
        how.dispatch = 3;
        FAILS(EVLOG_INVALID, "dispatch 3",
              evlog_send_event(fixture.signal, "\x80", 1, &how, NULL));
        OK(evlog_close(fixture.log));
    }
}

static int ask_and_fail(const evlog_event *event, void *ctx)
{
    evlog_signal *signal;
    (void)event;
    FAILS(EVLOG_NOTFOUND, "unknown.v1", evlog_signal_by_type(ctx, "unknown.v1", &signal));
    return 7;
}

static int say_and_send(const evlog_event *event, void *ctx)
{
    evlog_signal *signal = ctx;
    (void)event;
    int result = evlog_fail("said first");
    assert_int_equal(evlog_send_event(signal, "\x80", 1, NULL, NULL), EVLOG_OK);
    return result;
}

static int say_nothing(const evlog_event *event, void *ctx)
{
    (void)event;
    (void)ctx;
    evlog_fail("but then it is done");
    return 0;
}

/*
 * A receiver's sentence is what it gave to evlog_fail: not what some call inside it failed with,
 * nor what another receiver said, to which it sent.
 */
static void a_sentence_is_the_receivers_own(void **state)
{
    struct fixture fixture;
    evlog_sent sent;
    begin(&fixture, *state);
    OK(evlog_connect(fixture.log, fixture.signal, NULL, ask_and_fail, fixture.log, NULL));
    OK(evlog_connect(fixture.log, fixture.signal, NULL, say_and_send, fixture.other, NULL));
    OK(evlog_connect(fixture.log, fixture.other, NULL, say_nothing, NULL, NULL));
    FAILS(EVLOG_RECEIVER, "failed with 7",
          evlog_send_event(fixture.signal, "\x80", 1, NULL, &sent));
    assert_int_equal(sent.responses[0]->result, 7);
    assert_string_equal(sent.responses[0]->error, "");
    assert_int_equal(sent.responses[1]->result, EVLOG_RECEIVER);
    assert_string_equal(sent.responses[1]->error, "said first");
    evlog_sent_free(&sent);
    OK(evlog_close(fixture.log));
}

/* Not robust (Django: send): the first failure ends the dispatch; the event is in the log. */
static void not_robust_ends_at_the_first_failure(void **state)
{
    struct fixture fixture;
    evlog_sent sent;
    evlog_send_options options = {.dispatch = EVLOG_DISPATCH_STRICT};
    begin(&fixture, *state);
    fixture.b.sentence = "no such course";
    connect(&fixture, &fixture.a);
    connect(&fixture, &fixture.b);
    connect(&fixture, &fixture.c);
    FAILS(EVLOG_RECEIVER, "event 1",
          evlog_send_event(fixture.signal, "\x80", 1, &options, &sent));
    assert_non_null(strstr(evlog_errmsg(), "no such course"));
    assert_string_equal(fixture.heard, "ab");
    assert_int_equal(sent.seq, 1);
    assert_int_equal(sent.response_count, 2);
    evlog_sent_free(&sent);
    evlog_event *event;
    OK(evlog_read(fixture.log, 1, &event));
    evlog_event_free(event);
    OK(evlog_close(fixture.log));
}

/* 11: connecting the same receiver six times is once, in its first place. */
static void connecting_twice_is_once(void **state)
{
    struct fixture fixture;
    begin(&fixture, *state);
    for (int i = 0; i < 6; i++) {
        connect(&fixture, &fixture.a);
        connect(&fixture, &fixture.b);
    }
    send_and_hear(&fixture, "ab");
    OK(evlog_disconnect(fixture.log, fixture.signal, NULL, act, &fixture.a));
    send_and_hear(&fixture, "b");
    OK(evlog_close(fixture.log));
}

/* 12: a dispatch_uid is the identity: another function with it is not connected. */
static void dispatch_uid_is_the_identity(void **state)
{
    struct fixture fixture;
    begin(&fixture, *state);
    OK(evlog_connect(fixture.log, fixture.signal, "uid", act, &fixture.a, NULL));
    OK(evlog_connect(fixture.log, fixture.signal, "uid", act, &fixture.b, NULL));
    send_and_hear(&fixture, "a");
    /* connected with a uid, it is only disconnected by it */
    FAILS(EVLOG_NOTFOUND, "not connected",
          evlog_disconnect(fixture.log, fixture.signal, NULL, act, &fixture.a));
    OK(evlog_disconnect(fixture.log, fixture.signal, "uid", NULL, NULL));
    assert_false(evlog_has_receivers(fixture.signal));
    OK(evlog_close(fixture.log));
}

/* An empty dispatch_uid is none (Django tests it for truth). */
static void empty_dispatch_uid_is_none(void **state)
{
    struct fixture fixture;
    begin(&fixture, *state);
    OK(evlog_connect(fixture.log, fixture.signal, "", act, &fixture.a, NULL));
    OK(evlog_connect(fixture.log, fixture.signal, NULL, act, &fixture.a, NULL));
    OK(evlog_connect(fixture.log, fixture.signal, "", act, &fixture.b, NULL));
    send_and_hear(&fixture, "ab");
    OK(evlog_close(fixture.log));
}

/* 17, 18, 19: disconnect says whether there was something; has_receivers follows. */
static void disconnect_tells_what_it_did(void **state)
{
    struct fixture fixture;
    begin(&fixture, *state);
    assert_false(evlog_has_receivers(fixture.signal));
    connect(&fixture, &fixture.a);
    assert_true(evlog_has_receivers(fixture.signal));
    assert_false(evlog_has_receivers(fixture.other));
    OK(evlog_disconnect(fixture.log, fixture.signal, NULL, act, &fixture.a));
    FAILS(EVLOG_NOTFOUND, TYPE,
          evlog_disconnect(fixture.log, fixture.signal, NULL, act, &fixture.a));
    assert_false(evlog_has_receivers(fixture.signal));
    OK(evlog_close(fixture.log));
}

/* 5, 23: one connected to all signals hears each, later defined ones too, at its place. */
static void null_signal_is_all_signals(void **state)
{
    struct fixture fixture;
    evlog_signal *later;
    begin(&fixture, *state);
    connect(&fixture, &fixture.a);
    OK(evlog_connect(fixture.log, NULL, NULL, act, &fixture.b, NULL));
    connect(&fixture, &fixture.c);
    OK(evlog_connect(fixture.log, fixture.signal, NULL, act, &fixture.b, NULL)); /* another one */
    send_and_hear(&fixture, "abcb");
    OK(evlog_define(fixture.log, "later.v1", 0, NULL, &later));
    assert_true(evlog_has_receivers(later));
    fixture.heard[0] = '\0';
    OK(evlog_send_event(later, "\x80", 1, NULL, NULL));
    OK(evlog_send_event(fixture.other, "\x80", 1, NULL, NULL));
    assert_string_equal(fixture.heard, "bb");
    OK(evlog_disconnect(fixture.log, NULL, NULL, act, &fixture.b));
    send_and_hear(&fixture, "acb");
    assert_false(evlog_has_receivers(later));
    OK(evlog_close(fixture.log));
}

/* 24: receivers that disconnect themselves while being called all run, and are gone after. */
static void disconnecting_itself_is_for_the_next_send(void **state)
{
    struct fixture fixture;
    begin(&fixture, *state);
    fixture.a.disconnects = &fixture.a;
    fixture.b.disconnects = &fixture.b;
    connect(&fixture, &fixture.a);
    connect(&fixture, &fixture.b);
    connect(&fixture, &fixture.c);
    send_and_hear(&fixture, "abc");
    send_and_hear(&fixture, "c");
    OK(evlog_close(fixture.log));
}

/* One that is disconnected by an earlier receiver still hears this send; by a later one, too. */
static void disconnecting_another_is_for_the_next_send(void **state)
{
    struct fixture fixture;
    begin(&fixture, *state);
    fixture.b.disconnects = &fixture.c;
    connect(&fixture, &fixture.a);
    connect(&fixture, &fixture.b);
    connect(&fixture, &fixture.c);
    send_and_hear(&fixture, "abc");
    fixture.b.disconnects = &fixture.a;
    send_and_hear(&fixture, "ab");
    send_and_hear(&fixture, "b");
    OK(evlog_close(fixture.log));
}

/* One that is connected by a receiver hears the next send, not this one. */
static void connecting_inside_is_for_the_next_send(void **state)
{
    struct fixture fixture;
    begin(&fixture, *state);
    fixture.a.connects = &fixture.c;
    connect(&fixture, &fixture.a);
    connect(&fixture, &fixture.b);
    send_and_hear(&fixture, "ab");
    fixture.a.connects = NULL;
    send_and_hear(&fixture, "abc");
    OK(evlog_close(fixture.log));
}

/* A send inside a receiver is whole before the outer one's next receiver (depth first). */
static void nested_sends_are_depth_first(void **state)
{
    struct fixture fixture;
    begin(&fixture, *state);
    fixture.a.sends = fixture.other;
    connect(&fixture, &fixture.a);
    connect(&fixture, &fixture.b);
    OK(evlog_connect(fixture.log, fixture.other, NULL, act, &fixture.c, NULL));
    send_and_hear(&fixture, "acb");
    evlog_event *event;
    OK(evlog_read(fixture.log, 2, &event));
    assert_string_equal(event->event_type, OTHER);
    evlog_event_free(event);
    OK(evlog_close(fixture.log));
}

static int send_again(const evlog_event *event, void *ctx)
{
    int *depth = ctx;
    ++*depth;
    return evlog_send_event(event->signal, "\x80", 1,
                            &(evlog_send_options){.dispatch = EVLOG_DISPATCH_STRICT}, NULL);
}

/* A receiver that sends its own signal for ever is stopped at a limit, nothing half done. */
static void endless_nesting_is_stopped(void **state)
{
    struct fixture fixture;
    int depth = 0;
    begin(&fixture, *state);
    OK(evlog_connect(fixture.log, fixture.signal, NULL, send_again, &depth, NULL));
    FAILS(EVLOG_RECEIVER, "event 1",
          evlog_send_event(fixture.signal, "\x80", 1,
                           &(evlog_send_options){.dispatch = EVLOG_DISPATCH_STRICT}, NULL));
    assert_int_equal(depth, EVLOG_NESTING_MAX);
    evlog_info info;
    OK(evlog_inspect(fixture.log, &info));
    assert_int_equal(info.last_seq, EVLOG_NESTING_MAX);
    OK(evlog_disconnect(fixture.log, fixture.signal, NULL, send_again, &depth));
    OK(evlog_send_event(fixture.signal, "\x80", 1, NULL, NULL));
    OK(evlog_close(fixture.log));
}

static int replay_again(const evlog_event *event, void *ctx)
{
    struct fixture *fixture = ctx;
    (void)event;
    fixture->a.result++;
    return evlog_replay(fixture->log, NULL, replay_again, fixture, NULL);
}

static int connect_late_again(const evlog_event *event, void *ctx)
{
    struct fixture *fixture = ctx;
    char uid[32];
    (void)event;
    snprintf(uid, sizeof uid, "%d", fixture->a.result++);
    return evlog_connect(fixture->log, NULL, uid, connect_late_again, fixture,
                         &(evlog_connect_options){.start = EVLOG_START_FIRST});
}

/* Nor does a receiver that replays, or connects a late one, inside itself for ever. */
static void endless_replays_are_stopped(void **state)
{
    struct fixture fixture;
    begin(&fixture, *state);
    OK(evlog_send_event(fixture.signal, "\x80", 1, NULL, NULL));
    FAILS(EVLOG_RECEIVER, "event 1",
          evlog_replay(fixture.log, NULL, replay_again, &fixture, NULL));
    assert_int_equal(fixture.a.result, EVLOG_NESTING_MAX);
    FAILS(EVLOG_RECEIVER, "event 1",
          evlog_connect(fixture.log, NULL, NULL, connect_late_again, &fixture,
                        &(evlog_connect_options){.start = EVLOG_START_FIRST}));
    OK(evlog_close(fixture.log));
}

static int close_inside(const evlog_event *event, void *ctx)
{
    (void)event;
    FAILS(EVLOG_BUSY, "receiver", evlog_close(ctx));
    return 0;
}

/* Closing the log from inside a receiver is refused, in a send and in a replay. */
static void closing_inside_is_refused(void **state)
{
    struct fixture fixture;
    begin(&fixture, *state);
    OK(evlog_connect(fixture.log, fixture.signal, NULL, close_inside, fixture.log, NULL));
    OK(evlog_send_event(fixture.signal, "\x80", 1, NULL, NULL));
    OK(evlog_replay(fixture.log, NULL, close_inside, fixture.log, NULL));
    OK(evlog_close(fixture.log));
}

static int read_inside(const evlog_event *event, void *ctx)
{
    evlog_event *read;
    evlog *log = ctx;
    OK(evlog_read(log, event->seq, &read)); /* it is in the log before any receiver runs */
    assert_int_equal(read->data_size, event->data_size);
    assert_memory_equal(read->id, event->id, 16);
    evlog_event_free(read);
    return 0;
}

/* Guarantee 1 of the README: the event is in the log when its first receiver runs. */
static void event_is_in_the_log_before_receivers(void **state)
{
    struct fixture fixture;
    evlog_sent sent;
    begin(&fixture, *state);
    OK(evlog_connect(fixture.log, fixture.signal, NULL, read_inside, fixture.log, NULL));
    OK(evlog_send_event(fixture.signal, "\x80", 1, NULL, &sent));
    assert_int_equal(sent.response_count, 1);
    assert_int_equal(sent.responses[0]->result, 0);
    evlog_sent_free(&sent);
    OK(evlog_close(fixture.log));
}

/* 1, 2: what cannot be a receiver is refused, and nothing is connected. */
static void bad_connections_are_refused(void **state)
{
    struct fixture fixture;
    evlog *other_log;
    evlog_signal *foreign;
    char long_uid[EVLOG_NAME_SIZE_MAX + 2];
    memset(long_uid, 'u', sizeof long_uid - 1);
    long_uid[sizeof long_uid - 1] = '\0';
    begin(&fixture, *state);
    OK(evlog_open(in(*state, "other"), NULL, &other_log));
    OK(evlog_define(other_log, TYPE, 0, NULL, &foreign));
    FAILS(EVLOG_INVALID, "no receiver",
          evlog_connect(fixture.log, fixture.signal, NULL, NULL, NULL, NULL));
    FAILS(EVLOG_INVALID, "no receiver",
          evlog_connect(fixture.log, fixture.signal, "u", NULL, NULL, NULL));
    FAILS(EVLOG_INVALID, "another log",
          evlog_connect(fixture.log, foreign, NULL, act, NULL, NULL));
    FAILS(EVLOG_INVALID, "dispatch_uid",
          evlog_connect(fixture.log, fixture.signal, long_uid, act, NULL, NULL));
    FAILS(EVLOG_INVALID, "no log", evlog_connect(NULL, NULL, NULL, act, NULL, NULL));
    assert_false(evlog_has_receivers(fixture.signal));
    OK(evlog_close(other_log));
    OK(evlog_close(fixture.log));
}

/* EVLOG_RECEIVERS_MAX may be connected, and when one goes another may come. */
static void connections_are_limited(void **state)
{
    struct fixture fixture;
    static struct actor many[EVLOG_RECEIVERS_MAX + 1];
    begin(&fixture, *state);
    for (int i = 0; i < EVLOG_RECEIVERS_MAX; i++)
        OK(evlog_connect(fixture.log, fixture.other, NULL, act, &many[i], NULL));
    FAILS(EVLOG_LIMIT, "4096",
          evlog_connect(fixture.log, fixture.other, NULL, act, &many[EVLOG_RECEIVERS_MAX], NULL));
    OK(evlog_disconnect(fixture.log, fixture.other, NULL, act, &many[7]));
    OK(evlog_connect(fixture.log, fixture.other, NULL, act, &many[EVLOG_RECEIVERS_MAX], NULL));
    OK(evlog_close(fixture.log));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(calls_in_order_of_connection),
        TEST_AT_HOME(returns_each_response),
        TEST_AT_HOME(robust_goes_on_after_a_failure),
        TEST_AT_HOME(a_failure_is_never_lost),
        TEST_AT_HOME(dispatch_has_a_default),
        TEST_AT_HOME(a_sentence_is_the_receivers_own),
        TEST_AT_HOME(not_robust_ends_at_the_first_failure),
        TEST_AT_HOME(connecting_twice_is_once),
        TEST_AT_HOME(dispatch_uid_is_the_identity),
        TEST_AT_HOME(empty_dispatch_uid_is_none),
        TEST_AT_HOME(disconnect_tells_what_it_did),
        TEST_AT_HOME(null_signal_is_all_signals),
        TEST_AT_HOME(disconnecting_itself_is_for_the_next_send),
        TEST_AT_HOME(disconnecting_another_is_for_the_next_send),
        TEST_AT_HOME(connecting_inside_is_for_the_next_send),
        TEST_AT_HOME(nested_sends_are_depth_first),
        TEST_AT_HOME(endless_nesting_is_stopped),
        TEST_AT_HOME(endless_replays_are_stopped),
        TEST_AT_HOME(closing_inside_is_refused),
        TEST_AT_HOME(event_is_in_the_log_before_receivers),
        TEST_AT_HOME(bad_connections_are_refused),
        TEST_AT_HOME(connections_are_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
