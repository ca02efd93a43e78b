/*
 * Everything at once from eight threads on one log: what each has done is what is there
 * in the end. Made for the thread sanitizer (make check-tsan), and run under the other too.
 *
 * Each thread has a signal of its own, so that it knows to the event what its receiver
 * must hear, and two that all share. EVLOG_SEED repeats what each thread does, though
 * not how they meet.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "load.h"

#define THREADS 8
#define STEPS 500
#define ROUNDS 40 /* of opening and closing */
#define SHARED 2
#define BATCH 6
#define EVENTS_MAX (THREADS * STEPS * BATCH)

/* What all threads see. */
struct world {
    const char *path;
    evlog *log;
    evlog_signal *shared[SHARED];
    _Atomic unsigned char heard[EVENTS_MAX + 1]; /* by seq, how often, by the receiver of all */
    pthread_barrier_t start;
};

/* One thread, and what it must find in the end. */
struct worker {
    struct world *world;
    evlog_signal *own;
    uint64_t id, random, next_number;
    struct {
        uint64_t seq, number;
    } sent[STEPS * BATCH];
    size_t sent_count;
    int connected, disabled;
    uint64_t own_heard, own_expected; /* by its receiver; written by this thread only */
    unsigned types;                   /* that only it has defined */
    char failed[256];
};

/* In a thread: this holds, or the thread ends and the test fails. */
#define HOLDS(condition)                                                                  \
    do {                                                                                  \
        if (!(condition)) {                                                               \
            snprintf(worker->failed, sizeof worker->failed, "line %d: %s (%s)", __LINE__, \
                     #condition, evlog_errmsg());                                         \
            return 0;                                                                     \
        }                                                                                 \
    } while (0)

static int hear_all(const evlog_event *event, void *ctx)
{
    struct world *world = ctx;
    atomic_fetch_add(&world->heard[event->seq], 1);
    return 0;
}

static int hear_own(const evlog_event *event, void *ctx)
{
    struct worker *worker = ctx;
    worker->own_heard += event->signal == worker->own;
    return 0;
}

static int hear_nothing(const evlog_event *event, void *ctx)
{
    (void)event;
    (void)ctx;
    return 0;
}

/* ---------------------------------------------------------------- steps ---- */

static void note(struct worker *worker, const evlog_sent *sent, uint64_t number)
{
    worker->sent[worker->sent_count].seq = sent->seq;
    worker->sent[worker->sent_count++].number = number;
}

/* One event through its own signal: it knows what must come of it. */
static int send_own(struct worker *worker)
{
    unsigned char data[LOAD_SIZE_MAX];
    struct load load = {.number = worker->next_number++, .count = 1};
    evlog_sent sent;
    size_t size = load_make(load, data);
    HOLDS(evlog_send_event(worker->own, data, size, NULL, &sent) == EVLOG_OK);
    HOLDS((sent.seq == 0) == worker->disabled);
    HOLDS(worker->disabled || sent.response_count >= 1u + (unsigned)worker->connected);
    if (sent.seq) {
        note(worker, &sent, load.number);
        worker->own_expected += (unsigned)worker->connected;
    }
    evlog_sent_free(&sent);
    HOLDS(worker->own_heard == worker->own_expected);
    return 1;
}

/* Many through the shared ones, which others switch on and off meanwhile. */
static int send_shared(struct worker *worker)
{
    static _Thread_local unsigned char data[BATCH][LOAD_SIZE_MAX];
    evlog_sending sends[BATCH];
    evlog_sent sent[BATCH];
    uint64_t last = 0;
    for (size_t i = 0; i < BATCH; i++) {
        struct load load = {.number = worker->next_number + i, .count = 1};
        sends[i] = (evlog_sending){.signal = worker->world->shared[i % SHARED],
                                   .data = data[i],
                                   .data_size = load_make(load, data[i])};
    }
    HOLDS(evlog_send_events(sends, BATCH, NULL, sent) == EVLOG_OK);
    for (size_t i = 0; i < BATCH; i++) {
        HOLDS(sent[i].seq == 0 || last == 0 || sent[i].seq == last + 1);
        if (sent[i].seq)
            note(worker, &sent[i], worker->next_number + i);
        last = sent[i].seq ? sent[i].seq : last;
        evlog_sent_free(&sent[i]);
    }
    worker->next_number += BATCH;
    return 1;
}

/* To its own signal; and to a shared one or to all, as the others do at the same time. */
static int connect_or_not(struct worker *worker)
{
    evlog *log = worker->world->log;
    size_t other = load_random(&worker->random, SHARED + 1);
    evlog_signal *signal = other < SHARED ? worker->world->shared[other] : NULL;
    char uid[16];
    HOLDS(worker->connected
              ? evlog_disconnect(log, worker->own, NULL, hear_own, worker) == EVLOG_OK
              : evlog_connect(log, worker->own, NULL, hear_own, worker, NULL) == EVLOG_OK);
    worker->connected = !worker->connected;
    HOLDS(evlog_has_receivers(worker->own));
    snprintf(uid, sizeof uid, "%" PRIu64, worker->id);
    if (evlog_disconnect(log, signal, uid, NULL, NULL) == EVLOG_NOTFOUND)
        HOLDS(evlog_connect(log, signal, uid, hear_nothing, NULL, NULL) == EVLOG_OK);
    return 1;
}

/* Its own, which it then knows, and a shared one, for the others to meet. */
static int enable_or_not(struct worker *worker)
{
    evlog_signal *shared = worker->world->shared[load_random(&worker->random, SHARED)];
    worker->disabled = !worker->disabled;
    (worker->disabled ? evlog_signal_disable : evlog_signal_enable)(worker->own);
    HOLDS(evlog_signal_is_enabled(worker->own) == !worker->disabled);
    (evlog_signal_is_enabled(shared) ? evlog_signal_disable : evlog_signal_enable)(shared);
    return 1;
}

/* A type that all define at about the same time, and one that nobody else does. */
static int define_some(struct worker *worker)
{
    evlog *log = worker->world->log;
    evlog_signal *signal, *found;
    char name[64];
    snprintf(name, sizeof name, "org.evlog.common%u.v1", worker->types);
    HOLDS(evlog_define(log, name, 0, NULL, &signal) == EVLOG_OK);
    HOLDS(evlog_signal_by_type(log, name, &found) == EVLOG_OK && found == signal);
    snprintf(name, sizeof name, "org.evlog.own%" PRIu64 ".number%u.v1", worker->id,
             worker->types++);
    HOLDS(evlog_define(log, name, 7, NULL, &signal) == EVLOG_OK);
    HOLDS(strcmp(evlog_signal_type(signal), name) == 0);
    return 1;
}

struct walk {
    uint64_t last_seq, count;
    int64_t log_time_us;
};

static int walk(const evlog_event *event, void *ctx)
{
    struct walk *walk = ctx;
    struct load load;
    if (!load_known(event, &load) || (walk->last_seq && event->seq != walk->last_seq + 1) ||
        event->log_time_us < walk->log_time_us || !event->is_replay)
        return evlog_fail("it is not as it was sent, or not in order");
    walk->last_seq = event->seq;
    walk->log_time_us = event->log_time_us;
    walk->count++;
    return 0;
}

/* The last events, and among them its own. */
static int replay_some(struct worker *worker)
{
    evlog *log = worker->world->log;
    evlog_info info;
    struct walk seen = {.count = 0};
    HOLDS(evlog_inspect(log, &info) == EVLOG_OK);
    uint64_t first = info.last_seq > 300 ? info.last_seq - 300 : 1;
    HOLDS(evlog_replay(log, &(evlog_range){.first_seq = first}, walk, &seen, NULL) == EVLOG_OK);
    HOLDS(seen.count >= (info.last_seq ? info.last_seq - first + 1 : 0));
    if (worker->sent_count && worker->sent[worker->sent_count - 1].seq >= first)
        HOLDS(seen.last_seq >= worker->sent[worker->sent_count - 1].seq);
    return 1;
}

/* One of those it has sent, and the head after it. */
static int read_one(struct worker *worker)
{
    evlog_event *event;
    evlog_info info;
    struct load load;
    if (worker->sent_count == 0)
        return 1;
    size_t i = load_random(&worker->random, worker->sent_count);
    HOLDS(evlog_read(worker->world->log, worker->sent[i].seq, &event) == EVLOG_OK);
    int same = load_known(event, &load) && load.number == worker->sent[i].number;
    evlog_event_free(event);
    HOLDS(same);
    HOLDS(evlog_inspect(worker->world->log, &info) == EVLOG_OK);
    HOLDS(info.last_seq >= worker->sent[worker->sent_count - 1].seq);
    return 1;
}

/* Opened again it is the same handle; closing it may have to wait for a quiet moment. */
static int open_and_close(struct worker *worker)
{
    evlog *log;
    int result;
    HOLDS(evlog_open(worker->world->path, NULL, &log) == EVLOG_OK);
    HOLDS(log == worker->world->log);
    HOLDS(evlog_sync(log) == EVLOG_OK);
    while ((result = evlog_close(log)) == EVLOG_BUSY)
        sched_yield();
    HOLDS(result == EVLOG_OK);
    return 1;
}

static void *work(void *ctx)
{
    static int (*const steps[])(struct worker *) = {
        send_own,      send_own,    send_own, send_shared,    connect_or_not,
        enable_or_not, replay_some, read_one, open_and_close, define_some,
    };
    struct worker *worker = ctx;
    pthread_barrier_wait(&worker->world->start);
    for (int i = 0; i < STEPS; i++) {
        size_t step = load_random(&worker->random, sizeof steps / sizeof *steps);
        if (step == 9 && worker->types >= 20)
            step = 0;
        if (!steps[step](worker))
            break;
    }
    return NULL;
}

/* ------------------------------------------------------------- afterwards ---- */

static int take_number(const evlog_event *event, void *ctx)
{
    uint64_t *numbers = ctx;
    struct load load;
    if (!load_known(event, &load) || event->seq > EVENTS_MAX)
        return evlog_fail("it is not as it was sent");
    numbers[event->seq] = load.number;
    return 0;
}

static int count_signal(evlog_signal *signal, void *ctx)
{
    (void)signal;
    ++*(unsigned *)ctx;
    return 0;
}

/* What is in the log is what the threads were given, each event once, and each was heard once. */
static void check_events(struct world *world, const struct worker *workers)
{
    static uint64_t numbers[EVENTS_MAX + 1];
    uint64_t checked, total = 0;
    evlog_outcome outcome;
    OK(evlog_verify(world->log, NULL, NULL, &checked));
    OK(evlog_replay(world->log, NULL, take_number, numbers, &outcome));
    assert_int_equal(outcome.delivered, checked);
    for (int i = 0; i < THREADS; i++) {
        total += workers[i].sent_count;
        for (size_t j = 0; j < workers[i].sent_count; j++)
            assert_int_equal(numbers[workers[i].sent[j].seq], workers[i].sent[j].number);
    }
    assert_int_equal(total, checked);
    for (uint64_t seq = 1; seq <= total; seq++)
        assert_int_equal(world->heard[seq], 1);
    printf("%" PRIu64 " events\n", total);
    assert_true(total > THREADS * STEPS / 8);
}

static void check_types(struct world *world, const struct worker *workers)
{
    unsigned expected = SHARED + THREADS, most = 0, signals = 0;
    evlog_info info;
    for (int i = 0; i < THREADS; i++) {
        expected += workers[i].types;
        most = workers[i].types > most ? workers[i].types : most;
    }
    OK(evlog_each_signal(world->log, count_signal, &signals));
    OK(evlog_inspect(world->log, &info));
    assert_int_equal(signals, expected + most);
    assert_int_equal(info.type_count, expected + most);
}

static void begin_workers(struct world *world, struct worker *workers, uint64_t seed)
{
    for (uint64_t i = 0; i < THREADS; i++) {
        char name[64];
        workers[i] = (struct worker){
            .world = world, .id = i, .random = load_mix(seed + i), .next_number = i << 32};
        snprintf(name, sizeof name, "org.evlog.own%" PRIu64 ".v1", i);
        OK(evlog_define(world->log, name, 0, NULL, &workers[i].own));
    }
}

static void run_workers(struct worker *workers, void *(*run)(void *))
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run, &workers[i]), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++)
        if (*workers[i].failed)
            fail_msg("thread %d: %s", i, workers[i].failed);
}

static void run_world(const void *home, int durability)
{
    static struct world world;
    static struct worker workers[THREADS];
    memset(&world, 0, sizeof world);
    world.path = in(home, "log");
    evlog_options options = {.durability = durability, .flush_every_ms = 1};
    OK(evlog_open(world.path, &options, &world.log));
    OK(evlog_define(world.log, "org.evlog.shared0.v1", 0, NULL, &world.shared[0]));
    OK(evlog_define(world.log, "org.evlog.shared1.v1", 0, NULL, &world.shared[1]));
    OK(evlog_connect(world.log, NULL, NULL, hear_all, &world, NULL));
    begin_workers(&world, workers, load_seed());
    pthread_barrier_init(&world.start, NULL, THREADS);
    run_workers(workers, work);
    check_events(&world, workers);
    check_types(&world, workers);
    OK(evlog_close(world.log));
    pthread_barrier_destroy(&world.start);
}

/* ----------------------------------------------------------------- tests ---- */

/* All that there is, from eight threads on a durable log. */
static void all_at_once_on_a_durable_log(void **state)
{
    run_world(*state, EVLOG_DURABLE);
}

/* The same on a fast one, with its flusher at work every millisecond. */
static void all_at_once_on_a_fast_log(void **state)
{
    run_world(*state, EVLOG_FAST);
}

/* One round of a thread that keeps nothing open: the last to close closes it for good. */
static int open_send_close(struct worker *worker)
{
    evlog *log;
    evlog_signal *signal;
    evlog_sent sent;
    unsigned char data[LOAD_SIZE_MAX];
    struct load load = {.number = worker->next_number++, .count = 1};
    int result;
    HOLDS(evlog_open(worker->world->path, NULL, &log) == EVLOG_OK);
    HOLDS(evlog_define(log, LOAD_TYPE, 0, NULL, &signal) == EVLOG_OK);
    HOLDS(evlog_send_event(signal, data, load_make(load, data), NULL, &sent) == EVLOG_OK);
    note(worker, &sent, load.number);
    evlog_sent_free(&sent);
    while ((result = evlog_close(log)) == EVLOG_BUSY)
        sched_yield();
    HOLDS(result == EVLOG_OK);
    return 1;
}

static void *open_and_close_for_good(void *ctx)
{
    struct worker *worker = ctx;
    int well = 1;
    for (int i = 0; i < ROUNDS; i++) {
        well = well && open_send_close(worker);
        if (i % 8 == 0)
            pthread_barrier_wait(&worker->world->start); /* now and then it is closed by all */
    }
    return NULL;
}

/* Eight threads open and close one log, again and again really: nothing is lost by it. */
static void opened_and_closed_by_all(void **state)
{
    static struct world world;
    static struct worker workers[THREADS];
    static uint64_t numbers[EVENTS_MAX + 1];
    world.path = in(*state, "log");
    for (uint64_t i = 0; i < THREADS; i++)
        workers[i] = (struct worker){.world = &world, .id = i, .next_number = i << 32};
    pthread_barrier_init(&world.start, NULL, THREADS);
    run_workers(workers, open_and_close_for_good);
    pthread_barrier_destroy(&world.start);
    OK(evlog_open(world.path, NULL, &world.log));
    OK(evlog_verify(world.log, NULL, NULL, NULL));
    OK(evlog_replay(world.log, NULL, take_number, numbers, NULL));
    for (int i = 0; i < THREADS; i++)
        for (size_t j = 0; j < ROUNDS; j++)
            assert_int_equal(numbers[workers[i].sent[j].seq], workers[i].sent[j].number);
    evlog_info info;
    OK(evlog_inspect(world.log, &info));
    assert_int_equal(info.last_seq, THREADS * ROUNDS);
    OK(evlog_close(world.log));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(all_at_once_on_a_durable_log),
        TEST_AT_HOME(all_at_once_on_a_fast_log),
        TEST_AT_HOME(opened_and_closed_by_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
