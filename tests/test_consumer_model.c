/*
 * A consumer against a model: whatever is done with it, each event is folded into its state once.
 *
 * Sessions, each in a process of its own, open one consumer (by poll or by hand, at random), send,
 * take events, end or fail them in any order, retry and drop what is parked, and close or are
 * killed. Between sessions the file `shared` may be deleted, or the consumer reset. After each one
 * the state, the record of parked events and the checkpoint are compared with what the model
 * allows. The state has a counter for each event, so an event that is lost or folded twice is
 * found. An event that is left out, or that does not say that it comes again, is found at once.
 */
#include "load.h"
#include "processes.h"

#define SEQ_MAX 4000
#define SESSIONS 150
#define OUT_KEPT 64

static struct model {
    uint64_t random;
    uint64_t head;                        /* events sent */
    unsigned char is_wanted[SEQ_MAX];     /* by seq */
    unsigned char was_parked[SEQ_MAX];    /* a notice said so */
    unsigned char may_be_gone[SEQ_MAX];   /* dropped, skipped, or before a reset's checkpoint */
    unsigned char was_handed[SEQ_MAX];    /* ever */
    unsigned char is_remembered[SEQ_MAX]; /* ... since `shared` was deleted or it was reset */
    uint64_t handed_count, parked_count, skipped_count; /* in all sessions */
} * model;

struct session {
    evlog *log;
    evlog_signal *wanted, *other;
    evlog_consumer *consumer;
    bool by_hand, is_last;
    uint64_t checkpoint;            /* when it began */
    unsigned char has_had[SEQ_MAX]; /* by seq */
    uint64_t out[OUT_KEPT];
    size_t out_count;
};

static uint64_t dice(uint64_t sides)
{
    return load_random(&model->random, sides);
}

static uint64_t counter_of(evlog_consumer *consumer, uint64_t seq)
{
    const void *value;
    size_t size;
    int result = evlog_state_get(consumer, &seq, sizeof seq, &value, &size);
    return result == EVLOG_OK ? *(const unsigned char *)value : 0;
}

/* -------------------------------------------------------------- a session ---- */

static void note_notice(const evlog_notice *notice, void *ctx)
{
    uint64_t seq = notice->first_seq;
    (void)ctx;
    if (notice->kind == EVLOG_NOTICE_PARKED) {
        model->was_parked[seq] = 1;
        model->parked_count++;
    } else if (notice->kind == EVLOG_NOTICE_SKIPPED) {
        model->may_be_gone[seq] = 1;
        model->skipped_count++;
    }
}

static void send_some(struct session *session)
{
    for (uint64_t i = dice(4); i > 0 && model->head + 1 < SEQ_MAX; i--) {
        bool is_wanted = dice(3) > 0;
        model->is_wanted[model->head + 1] = is_wanted;
        if (evlog_send_event(is_wanted ? session->wanted : session->other, "\x80", 1, NULL, NULL))
            die("sending", model->head + 1);
        model->head++;
    }
}

/* What comes in its turn is not parked, and all that was before it has come. */
static void check_turn(struct session *session, const evlog_event *event)
{
    if (model->was_parked[event->seq])
        die("is parked, and came in its turn", event->seq);
    if (event->attempt > 1 ? !model->was_handed[event->seq] : model->is_remembered[event->seq])
        die("does not say whether it comes again", event->seq);
    for (uint64_t seq = session->checkpoint + 1; seq < event->seq; seq++)
        if (model->is_wanted[seq] && !session->has_had[seq] && !model->was_parked[seq] &&
            !model->may_be_gone[seq])
            die("was left out", seq);
    session->has_had[event->seq] = 1;
    model->was_handed[event->seq] = model->is_remembered[event->seq] = 1;
}

/* What comes is folded. */
static int take(const evlog_event *event, void *ctx)
{
    struct session *session = ctx;
    unsigned char count = (unsigned char)(counter_of(session->consumer, event->seq) + 1);
    model->handed_count++;
    if (!model->is_wanted[event->seq])
        die("was not asked for", event->seq);
    if (!event->is_retry)
        check_turn(session, event);
    else if (!model->was_parked[event->seq] || event->attempt < 2)
        die("was not parked, and is retried", event->seq);
    if (evlog_state_put(session->consumer, &event->seq, sizeof event->seq, &count, 1))
        die("putting", event->seq);
    if (!session->is_last && dice(6) == 0)
        return evlog_fail("as the dice fell");
    if (session->by_hand && session->out_count < OUT_KEPT)
        session->out[session->out_count++] = event->seq;
    return 0;
}

static void take_by_hand(struct session *session)
{
    const evlog_event *event;
    if (evlog_consumer_next(session->consumer, (int64_t)dice(3), &event))
        die("the next one", 0);
    if (event && take(event, session) && evlog_consumer_fail(session->consumer, event->seq, "no"))
        die("failing", event->seq);
}

/* Ends one of those that are out, in any order; some of them may have been taken back. */
static void end_one(struct session *session)
{
    if (session->out_count == 0)
        return;
    size_t i = dice(session->out_count);
    uint64_t seq = session->out[i];
    session->out[i] = session->out[--session->out_count];
    int result = dice(5) || session->is_last ? evlog_consumer_done(session->consumer, seq)
                 : dice(2)                   ? evlog_consumer_fail(session->consumer, seq, "late")
                                             : evlog_consumer_give_back(session->consumer, seq);
    if (result && result != EVLOG_INVALID)
        die("ending", seq);
}

/* A parked event, drawn at random. */
static int draw(const evlog_parked *parked, void *ctx)
{
    *(uint64_t *)ctx = parked->seq;
    return dice(3) == 0;
}

static void drop_one(struct session *session)
{
    uint64_t seq = 0;
    evlog_consumer_info info;
    evlog_each_parked(session->log, "c", draw, &seq);
    if (seq == 0)
        return;
    if (inspect_into(session->log, "c", &info))
        die("asking", 0);
    model->may_be_gone[seq] = 1;
    if (seq > info.checkpoint)
        model->was_parked[seq] = 0; /* it may come in its turn */
    int result = evlog_parked_drop(session->log, "c", seq, NULL);
    if (result && result != EVLOG_NOTFOUND)
        die("dropping", seq);
}

static void step(struct session *session)
{
    switch (dice(10)) {
    case 0:
    case 1:
        send_some(session);
        break;
    case 2:
        if (evlog_parked_retry(session->log, "c", 0, NULL))
            die("retrying", 0);
        break;
    case 3:
        drop_one(session);
        break;
    case 4:
        if (evlog_consumer_commit(session->consumer))
            die("committing", 0);
        break;
    default:
        if (session->by_hand && dice(2))
            end_one(session);
        else if (session->by_hand && dice(3))
            take_by_hand(session);
        else if (evlog_consumer_poll(session->consumer, dice(6), (int64_t)dice(3), take, session,
                                     NULL))
            die("polling", 0);
    }
}

static void open_session(struct session *session, const char *path)
{
    const char *types[] = {"a.v1"};
    evlog_consumer_info info;
    evlog_consumer_options options = {.types = types,
                                      .type_count = 1,
                                      .ack_by_hand = session->by_hand,
                                      .on_failure =
                                          dice(4) ? EVLOG_FAILURE_PARK : EVLOG_FAILURE_SKIP,
                                      .attempt_max = 1 + (uint32_t)dice(2),
                                      .backoff_ms = 1,
                                      .commit_every = 1 + (uint32_t)dice(20),
                                      .notice = note_notice};
    if (evlog_open(path, &(evlog_options){.durability = EVLOG_FAST}, &session->log) ||
        evlog_define(session->log, "a.v1", 0, NULL, &session->wanted) ||
        evlog_define(session->log, "b.v1", 0, NULL, &session->other) ||
        evlog_consumer_open(session->log, "c", &options, &session->consumer) ||
        inspect_into(session->log, "c", &info))
        die("opening", 0);
    session->checkpoint = info.checkpoint;
}

static void run_session(const char *path)
{
    static struct session session;
    session.by_hand = dice(2);
    open_session(&session, path);
    for (uint64_t i = dice(60); i > 0; i--)
        step(&session);
    if (dice(3))
        kill(getpid(), SIGKILL);
    if (evlog_consumer_close(session.consumer) || evlog_close(session.log))
        die("closing", 0);
    _exit(0);
}

/* Retries and takes all there is, until nothing is left. */
static void finish(const char *path)
{
    static struct session session = {.is_last = true};
    uint64_t count = 1;
    open_session(&session, path);
    for (int quiet = 0; quiet < 3; quiet = count ? 0 : quiet + 1) {
        if (evlog_parked_retry(session.log, "c", 0, NULL) ||
            evlog_consumer_poll(session.consumer, 0, 2, take, &session, &count))
            die("finishing", 0);
    }
    if (evlog_consumer_close(session.consumer) || evlog_close(session.log))
        die("closing", 0);
    _exit(0);
}

/* ---------------------------------------------------------------- the model ---- */

static unsigned char is_parked[SEQ_MAX];

static int note_parked(const evlog_parked *parked, void *ctx)
{
    (void)ctx;
    is_parked[parked->seq] = 1;
    return 0;
}

/* A reset drops the state, and what is parked after the new checkpoint. */
static void reset(const char *path)
{
    evlog *log;
    uint64_t next = 1 + dice(model->head + 1);
    evlog_reset_options to = {.start = EVLOG_START_SEQ, .start_seq = next};
    OK(evlog_open(path, NULL, &log));
    OK(evlog_consumer_reset(log, "c", &to, NULL));
    OK(evlog_close(log));
    memset(model->is_remembered, 0, sizeof model->is_remembered);
    for (uint64_t seq = 1; seq <= model->head; seq++) {
        model->may_be_gone[seq] = seq < next;
        model->was_parked[seq] &= seq < next;
    }
}

static bool is_as_it_may_be(uint64_t seq, uint64_t count, uint64_t checkpoint)
{
    if (count + is_parked[seq] > model->is_wanted[seq])
        return false;
    if (seq > checkpoint)
        return count == 0;
    return count + is_parked[seq] == model->is_wanted[seq] || model->may_be_gone[seq];
}

/* Up to the checkpoint each event that is asked for is folded once, or parked; after it none is. */
static void compare(const char *path, bool is_end)
{
    evlog *log;
    evlog_consumer *consumer;
    evlog_consumer_info info;
    OK(evlog_open(path, NULL, &log));
    OK(evlog_consumer_open(log, "c", &(evlog_consumer_options){.no_create = true}, &consumer));
    OK(inspect_into(log, "c", &info));
    memset(is_parked, 0, sizeof is_parked);
    OK(evlog_each_parked(log, "c", note_parked, NULL));
    for (uint64_t seq = 1; seq <= model->head; seq++) {
        uint64_t count = counter_of(consumer, seq);
        if (!is_as_it_may_be(seq, count, info.checkpoint))
            fail_msg("event %" PRIu64 ": folded %" PRIu64
                     " times, %s, the checkpoint is %" PRIu64,
                     seq, count, is_parked[seq] ? "parked" : "not parked", info.checkpoint);
    }
    if (is_end) {
        assert_int_equal(info.checkpoint, model->head);
        assert_int_equal(info.parked_count, 0);
    }
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(log));
}

static void begin(void (*session)(const char *path), const char *path)
{
    int status;
    uint64_t seed = model->random;
    pid_t pid = start_process();
    if (pid == 0)
        session(path);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (status && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
        fail_msg("the session that began with %" PRIu64 " ended with %d", seed, status);
}

static void every_event_is_folded_once(void **state)
{
    const char *path = in(*state, "log");
    char shared[4200];
    uint64_t without_shared = 0;
    model = map_shared(sizeof *model);
    model->random = load_seed();
    snprintf(shared, sizeof shared, "%s/shared", path);
    for (int i = 0; i < SESSIONS; i++) {
        begin(run_session, path);
        compare(path, false);
        if (dice(4) == 0 && unlink(shared) == 0) {
            without_shared++;
            memset(model->is_remembered, 0, sizeof model->is_remembered);
        }
        if (dice(12) == 0) {
            reset(path);
            compare(path, false);
        }
    }
    begin(finish, path);
    compare(path, true);
    assert_true(model->head > 100 && model->parked_count > 20 && without_shared > 5);
    printf("%" PRIu64 " events, handed out %" PRIu64 " times, parked %" PRIu64
           " times, skipped %" PRIu64 " times\n",
           model->head, model->handed_count, model->parked_count, model->skipped_count);
    munmap(model, sizeof *model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST_AT_HOME(every_event_is_folded_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
