/*
 * Trimming, retention, copying and compacting beside 8 senders and 8 consumers, all of them killed at random times.
 *
 * Each round runs 8 processes that send, 8 that consume, and one that trims at random seqs, sets and takes back
 * policies, and makes a copy, adds to it and looks at it; one after the other is killed and started anew, in
 * the end all. Then the log is compacted, in half of the rounds by a process that is killed in it first, and looked at:
 *
 * - it verifies; its seqs have no gap; every event that was acknowledged and is not before its first one is there, as
 *   it was sent
 * - no consumer needs what was trimmed: none of them is ever told of a lost event
 * - each consumer gets its events in order, whole; its state is the fold of exactly the events up to its checkpoint,
 *   and in the end all eight have had the same events, all that were acknowledged among them
 * - each copy that was made verifies, has the events that the log has, and no consumer that is ahead of it
 *
 * usage: test_upkeep [long]     6 rounds of a second, or 100 of 3
 */
#include "evlog/consumer.h"
#include "evlog/upkeep.h"
#include "load.h"
#include "processes.h"

#define SENDERS 8
#define CONSUMERS 8
#define ROLES (SENDERS + CONSUMERS + 1) /* the last one: upkeep */
#define SEQ_MAX 2000000
#define KILLS_A_ROUND 12

static bool is_long;

/* What the processes know together. */
static struct {
    uint64_t next[SENDERS]; /* the number of a sender's next event */
    uint64_t sent[SEQ_MAX]; /* by seq: number + 1 of an acknowledged event; 0: of none */
    unsigned char had[CONSUMERS][SEQ_MAX];   /* by seq: a consumer has had it */
    uint64_t trims, policies, copies, added; /* how often */
    unsigned copy;                           /* the number of the copy that is added to */
    bool is_copied;                          /* it is whole, and nobody is at it */
    uint64_t seed;
} * known;

/* What a consumer keeps in its state. */
struct fold {
    uint64_t count, sum;
};

/* ----------------------------------------------------------------- the roles ---- */

static evlog *open_log(const char *path)
{
    evlog *log;
    if (evlog_open(path, &(evlog_options){.no_create = true}, &log))
        die("opening", 0);
    return log;
}

static void send_events(const char *path, unsigned sender)
{
    static unsigned char data[LOAD_SIZE_MAX];
    evlog *log = open_log(path);
    evlog_signal *signal;
    evlog_sent sent = {.seq = 0};
    if (evlog_define(log, LOAD_TYPE, 0, NULL, &signal))
        die("defining", 0);
    if (evlog_wait(log, 0, 0, &sent.seq)) /* the head */
        die("waiting", 0);
    while (sent.seq + 100 < SEQ_MAX) {
        uint64_t number = (uint64_t)sender << 40 | known->next[sender]++;
        size_t size = load_make((struct load){.number = number, .count = 1}, data);
        if (evlog_send_event(signal, data, size, NULL, &sent))
            die("sending", number);
        known->sent[sent.seq] = number + 1;
        evlog_sent_free(&sent);
        usleep(1000);
    }
}

struct consuming {
    evlog_consumer *consumer;
    unsigned char *had;
    uint64_t last;
};

static struct fold fold_of(evlog_consumer *consumer)
{
    struct fold fold = {.count = 0};
    const void *value;
    size_t size;
    int result = evlog_state_get(consumer, "fold", 4, &value, &size);
    if (result == EVLOG_OK)
        memcpy(&fold, value, sizeof fold);
    else if (result != EVLOG_NOTFOUND)
        die("reading the state", 0);
    return fold;
}

static int fold_event(const evlog_event *event, void *ctx)
{
    struct consuming *consuming = ctx;
    struct fold fold = fold_of(consuming->consumer);
    struct load load;
    if (!load_known(event, &load))
        die("is not as it was sent", event->seq);
    if (event->seq <= consuming->last)
        die("is not in its turn", event->seq);
    if (known->sent[event->seq] && known->sent[event->seq] != load.number + 1)
        die("is another one", event->seq);
    consuming->last = event->seq;
    consuming->had[event->seq] = 1;
    fold.count++;
    fold.sum += event->seq;
    if (evlog_state_put(consuming->consumer, "fold", 4, &fold, sizeof fold))
        die("keeping state", event->seq);
    return 0;
}

static void no_loss(const evlog_notice *notice, void *ctx)
{
    (void)ctx;
    if (notice->kind == EVLOG_NOTICE_LOST || notice->kind == EVLOG_NOTICE_PARKED)
        die(notice->text, notice->first_seq);
}

static void consume_some(evlog *log, unsigned i, bool is_last)
{
    char name[8] = {'c', (char)('0' + i), '\0'};
    struct consuming consuming = {.had = known->had[i]};
    evlog_consumer_options options = {.notice = no_loss, .commit_every = 50};
    if (evlog_consumer_open(log, name, &options, &consuming.consumer))
        die("opening a consumer", i);
    do {
        if (evlog_consumer_poll(consuming.consumer, is_last ? 0 : 100, is_last ? 0 : 100,
                                fold_event, &consuming, NULL))
            die("consuming", 0);
    } while (!is_last);
    struct fold fold = fold_of(consuming.consumer);
    for (uint64_t seq = 1; seq < SEQ_MAX; seq++)
        if (known->had[i][seq]) {
            fold.count--;
            fold.sum -= seq;
        }
    if (fold.count || fold.sum)
        die("its state is not the fold of what it had: consumer", i);
    if (evlog_consumer_close(consuming.consumer))
        die("closing a consumer", i);
}

/* -------------------------------------------------------------------- upkeep ---- */

static void trim_somewhere(evlog *log, uint64_t *random)
{
    evlog_info info;
    evlog_trimmed trimmed;
    if (evlog_inspect(log, &info))
        die("inspecting", 0);
    uint64_t before = info.first_seq + load_random(random, info.last_seq - info.first_seq + 2);
    int result = evlog_trim(log, before, NULL, &trimmed);
    if (result == EVLOG_CONFLICT &&
        trimmed.held_seq > info.first_seq) /* as far as consumers let it */
        result = evlog_trim(log, trimmed.held_seq, NULL, &trimmed);
    if (result && result != EVLOG_CONFLICT)
        die("trimming", before);
    known->trims += !result && trimmed.first_seq;
}

static void set_policy(evlog *log, uint64_t *random)
{
    evlog_retention policy = {.count = 200 + load_random(random, 2000)};
    if (evlog_retain(log, load_random(random, 3) ? &policy : NULL))
        die("setting a policy", 0);
    if (load_random(random, 2) && evlog_retention_apply(log))
        die("applying a policy", 0);
    known->policies++;
}

static char *copy_path(const char *path)
{
    static char copy[4300];
    snprintf(copy, sizeof copy, "%s-copy%u", path, known->copy);
    return copy;
}

/* Begins a copy, or adds to the one that there is. After it was trimmed too far behind it, another one is begun. */
static void copy_log(evlog *log, const char *path, uint64_t *random)
{
    if (load_random(random, 8) == 0)
        known->copy++;
    known->is_copied = false;
    int result = evlog_copy(log, copy_path(path), NULL, NULL);
    if (result == EVLOG_CONFLICT)
        known->copy++;
    else if (result)
        die("copying", 0);
    else
        known->copies++;
    known->is_copied = !result;
}

static void compact_beside_others(const char *path)
{
    int result = evlog_compact(path, &(evlog_compact_options){.wait_ms = 1}, NULL);
    if (result && result != EVLOG_BUSY)
        die("compacting", 0);
}

static void keep_up(const char *path)
{
    uint64_t random = load_mix(known->seed ^ (uint64_t)getpid());
    for (;;) {
        evlog *log = open_log(path);
        for (int i = 0; i < 10; i++) {
            uint64_t what = load_random(&random, 4);
            if (what < 2)
                trim_somewhere(log, &random);
            else if (what == 2)
                set_policy(log, &random);
            else
                copy_log(log, path, &random);
            usleep((useconds_t)load_random(&random, 20000));
        }
        if (evlog_close(log))
            die("closing", 0);
        compact_beside_others(path);
    }
}

/* -------------------------------------------------------------- what must hold ---- */

static int is_within(const evlog_consumer_info *info, void *ctx)
{
    const evlog_info *log = ctx;
    if (info->checkpoint > log->last_seq || info->checkpoint + 1 < log->first_seq ||
        info->parked_count)
        fail_msg("consumer %s is at %" PRIu64 ", with %" PRIu64 " parked; the log has %" PRIu64
                 " to %" PRIu64,
                 info->name, info->checkpoint, info->parked_count, log->first_seq, log->last_seq);
    return 0;
}

/* The log or a copy: sound, without gaps, and what was acknowledged is there as it was sent. */
static uint64_t check_log(const char *path, bool is_copy)
{
    static const char *const all[] = {"*", "evlog.*"};
    evlog *log;
    evlog_info info;
    evlog_cursor *cursor;
    const evlog_event *event;
    OK(evlog_open(path, &(evlog_options){.read_only = is_copy}, &log));
    OK(evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_inspect(log, &info));
    OK(evlog_each_consumer(log, is_within, &info));
    OK(evlog_cursor_open(log, &(evlog_range){.types = all, .type_count = 2}, &cursor));
    uint64_t seq = info.first_seq;
    for (;; seq++) {
        struct load load;
        OK(evlog_cursor_next(cursor, &event));
        if (!event)
            break;
        assert_int_equal(event->seq, seq);
        bool is_ours = strcmp(event->event_type, LOAD_TYPE) == 0;
        if (is_ours && !load_known(event, &load))
            fail_msg("event %" PRIu64 " is not as it was sent", seq);
        if (known->sent[seq] && (!is_ours || known->sent[seq] != load.number + 1))
            fail_msg("event %" PRIu64 " is not the one that was acknowledged", seq);
    }
    assert_int_equal(seq, info.last_seq + 1);
    for (; !is_copy && seq < SEQ_MAX; seq++)
        if (known->sent[seq])
            fail_msg("event %" PRIu64 " was acknowledged, and the log ends before it", seq);
    evlog_cursor_close(cursor);
    OK(evlog_close(log));
    return info.last_seq - info.first_seq + 1;
}

/* ----------------------------------------------------------------------- rounds ---- */

static pid_t start(const char *path, unsigned role)
{
    pid_t pid = start_process();
    if (pid)
        return pid;
    if (role < SENDERS)
        send_events(path, role);
    else if (role < SENDERS + CONSUMERS)
        consume_some(open_log(path), role - SENDERS, false);
    else
        keep_up(path);
    _exit(0);
}

static void run_all(const char *path, uint64_t *random)
{
    pid_t pids[ROLES];
    useconds_t pause_us = (is_long ? 3000000 : 1000000) / KILLS_A_ROUND;
    for (unsigned i = 0; i < ROLES; i++)
        pids[i] = start(path, i);
    for (int i = 0; i < KILLS_A_ROUND; i++) {
        usleep(pause_us / 2 + (useconds_t)load_random(random, pause_us));
        unsigned role = load_random(random, 3) ? (unsigned)load_random(random, ROLES) : ROLES - 1;
        kill_process(pids[role]);
        pids[role] = start(path, role);
    }
    for (unsigned i = 0; i < ROLES; i++)
        kill_process(pids[i]);
}

/* Compacts it; a process that begins to is perhaps killed in it before. */
static void compact(const char *path, uint64_t *random)
{
    pid_t pid = load_random(random, 2) ? start_process() : -1;
    if (pid == 0) {
        compact_beside_others(path);
        for (;;)
            pause();
    }
    if (pid > 0) {
        usleep((useconds_t)load_random(random, 50000));
        kill_process(pid);
    }
    OK(evlog_compact(path, NULL, NULL));
}

static void finish(const char *path)
{
    evlog *log = open_log(path);
    for (unsigned i = 0; i < CONSUMERS; i++)
        consume_some(log, i, true);
    OK(evlog_close(log));
    for (uint64_t seq = 1; seq < SEQ_MAX; seq++)
        for (unsigned i = 0; i < CONSUMERS; i++)
            if (known->had[i][seq] != known->had[0][seq] ||
                (known->sent[seq] && !known->had[i][seq]))
                fail_msg("consumer %u has not had event %" PRIu64, i, seq);
}

static void nothing_is_lost_and_nobody_is_misled(void **state)
{
    uint64_t random = load_seed(), kept = 0;
    for (int durable = 0; durable < 2; durable++) {
        const char *path = strdup(in(*state, durable ? "durable" : "fast"));
        evlog *log;
        memset(known, 0, sizeof *known);
        known->seed = random;
        OK(evlog_open(path, &(evlog_options){.durability = durable ? EVLOG_DURABLE : EVLOG_FAST},
                      &log));
        for (char name[] = "c0"; name[1] < '0' + CONSUMERS; name[1]++) {
            evlog_consumer *consumer; /* they are there before anything is trimmed */
            OK(evlog_consumer_open(log, name, NULL, &consumer));
            OK(evlog_consumer_close(consumer));
        }
        OK(evlog_close(log));
        for (int round = 0; round < (is_long ? 50 : 3); round++) {
            run_all(path, &random);
            kept = check_log(path, false);
            if (known->is_copied)
                check_log(copy_path(path), true);
            compact(path, &random);
            check_log(path, false);
        }
        finish(path);
        uint64_t sent = 0;
        for (uint64_t seq = 1; seq < SEQ_MAX; seq++)
            sent += known->sent[seq] != 0;
        printf("%s: %" PRIu64 " acknowledged, %" PRIu64 " kept, %" PRIu64 " trims, %" PRIu64
               " policies, %" PRIu64 " copies\n",
               durable ? "durable" : "fast", sent, kept, known->trims, known->policies,
               known->copies);
        assert_true(known->trims && known->copies && kept < sent);
        free((void *)path);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(nothing_is_lost_and_nobody_is_misled),
    };
    is_long = argc > 1 && strcmp(argv[1], "long") == 0;
    known = map_shared(sizeof *known);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
