/*
 * Consumers are killed, round after round on one log, while others send: whatever the moment,
 * the state kept with the checkpoint is that of the events up to it, what was parked agrees
 * with both, and what comes again says so. EVLOG_SEED repeats a run.
 *
 * What was handed out is written down in memory that outlives the killed (struct seen), by the
 * receiver itself. A process can die after the library has noted that an event is about to be
 * handed out and before the receiver has: so one event a kill may say that it comes again
 * when nobody has seen it, the next one, and no other.
 */
#include "load.h"
#include "processes.h"

#define ROUNDS 32
#define SENDERS 2
#define LIFE_US_MAX 110000
#define EVENTS_MAX 100000
#define BUCKETS 16
#define ATTEMPTS 2
#define BAD_EVERY 31

/* The consumers, each of its own process. */
static const struct kind {
    const char *name;
    uint32_t commit_every;
    int by_hand;
} kinds[] = {{"every-1", 1, 0}, {"every-7", 7, 0}, {"every-256", 256, 0}, {"by-hand", 256, 1}};

#define CONSUMERS (sizeof kinds / sizeof *kinds)

/* What has been handed out to one consumer. */
struct seen {
    uint64_t checkpoint; /* before this run */
    uint64_t last;       /* of this run; 0: none */
    uint64_t most;       /* of all runs */
    uint64_t again_count, unseen_count;
    unsigned char times[EVENTS_MAX + 1]; /* by seq */
};

static struct {
    _Atomic int stop;
    _Atomic uint64_t end; /* the last event; 0: more will come */
    struct seen seen[CONSUMERS];
} * shared;

/* Events that fail at the first attempt, and those that do until they are parked. */
static int is_flaky(uint64_t seq)
{
    return seq % 11 == 3;
}

static int is_bad(uint64_t seq)
{
    return seq % BAD_EVERY == 13;
}

/* -------------------------------------------------------------- the fold ---- */

/*
 * The state: a hash of all events in their order, but those that were parked; a sum of those
 * that were parked and retried, whenever that was; and counters of both, which are taken away
 * at every fifth. Values are of different sizes.
 */
struct fold {
    uint64_t hash, counters[BUCKETS], retried;
};

static uint64_t hash_after(uint64_t hash, uint64_t number)
{
    return load_mix(hash ^ number);
}

static void fold_event(struct fold *fold, uint64_t number)
{
    fold->hash = hash_after(fold->hash, number);
    fold->counters[number % BUCKETS]++;
}

static void fold_retried_event(struct fold *fold, uint64_t number)
{
    fold->retried += number;
    fold->counters[number % BUCKETS]++;
}

static uint64_t get(evlog_consumer *consumer, const char *key, size_t key_size)
{
    const void *value;
    size_t size;
    uint64_t number;
    int result = evlog_state_get(consumer, key, key_size, &value, &size);
    if (result == EVLOG_NOTFOUND)
        return 0;
    if (result || size < sizeof number)
        die("getting", 0);
    memcpy(&number, value, sizeof number);
    return number;
}

static void put(evlog_consumer *consumer, const char *key, size_t key_size, uint64_t number)
{
    unsigned char value[8 + 200] = {0};
    memcpy(value, &number, sizeof number);
    if (evlog_state_put(consumer, key, key_size, value, 8 + number % 200))
        die("putting", number);
}

static void fold_hash(evlog_consumer *consumer, uint64_t number)
{
    put(consumer, "hash", 4, hash_after(get(consumer, "hash", 4), number));
}

static void fold_counter(evlog_consumer *consumer, uint64_t number)
{
    char key[2] = {'n', (char)(number % BUCKETS)};
    uint64_t counter = get(consumer, key, sizeof key) + 1;
    if (counter < 5)
        put(consumer, key, sizeof key, counter);
    else if (evlog_state_delete(consumer, key, sizeof key))
        die("deleting", number);
}

static void fold_retried(evlog_consumer *consumer, uint64_t number)
{
    put(consumer, "retried", 7, get(consumer, "retried", 7) + number);
}

/* ------------------------------------------------------------ those that die ---- */

struct worker {
    const struct kind *kind;
    struct seen *seen;
    evlog_consumer *consumer;
    uint64_t random;
    uint64_t most; /* seen before this run */
    uint64_t done; /* the last for which 0 was returned in this run; 0: none */
};

/* In order and without a gap, but for what was parked ahead of the checkpoint. */
static void check_place(const struct worker *worker, const evlog_event *event)
{
    const struct seen *seen = worker->seen;
    uint64_t next = seen->last ? seen->last + 1 : seen->checkpoint + 1;
    if (event->seq == seen->last && event->attempt > 1)
        return;
    while (is_bad(next) && seen->times[next] && next < event->seq)
        next++;
    if (event->seq != next)
        die("not the next one", event->seq);
}

/* What comes again says so, and nothing else does, but the one that was about to come. */
static void check_attempt(const struct worker *worker, const evlog_event *event)
{
    struct seen *seen = worker->seen;
    int is_seen = seen->times[event->seq] > 0;
    if (is_seen && event->attempt < 2)
        die("comes again and does not say so", event->seq);
    if (!is_seen && event->attempt > 1 && event->seq != worker->most + 1)
        die("says that it comes again", event->seq);
    seen->again_count += is_seen;
    seen->unseen_count += !is_seen && event->attempt > 1;
}

static void note(struct seen *seen, uint64_t seq)
{
    if (seen->times[seq] < UINT8_MAX)
        seen->times[seq]++;
    seen->last = seq;
    if (seq > seen->most)
        seen->most = seq;
}

static void ack(struct worker *worker, uint64_t seq)
{
    if (acknowledge(worker->consumer, seq))
        die("acknowledging", seq);
}

/* One that was parked and is retried: seen before, and out of order. */
static int take_again(struct worker *worker, const evlog_event *event, uint64_t number)
{
    if (!is_bad(event->seq) || !worker->seen->times[event->seq] || event->attempt <= ATTEMPTS)
        die("is not parked", event->seq);
    fold_retried(worker->consumer, number);
    if (worker->kind->by_hand && worker->done && load_random(&worker->random, 2))
        ack(worker, worker->done);
    usleep((useconds_t)load_random(&worker->random, 2000)); /* so that some die here */
    fold_counter(worker->consumer, number);
    return load_random(&worker->random, 3) ? 0 : evlog_fail("not now");
}

static int take(const evlog_event *event, void *ctx)
{
    struct worker *worker = ctx;
    struct load load;
    int by_hand = worker->kind->by_hand;
    uint64_t before = worker->seen->last;
    if (event->seq > EVENTS_MAX || !load_known(event, &load))
        die("not as it was sent", event->seq);
    if (event->seq <= worker->seen->checkpoint || event->seq < before)
        return take_again(worker, event, load.number);
    check_place(worker, event);
    check_attempt(worker, event);
    note(worker->seen, event->seq);
    fold_hash(worker->consumer, load.number);
    if (by_hand && before && load_random(&worker->random, 5) == 0)
        ack(worker, event->seq - 1); /* half of what this one puts is not of that */
    fold_counter(worker->consumer, load.number);
    if (is_bad(event->seq) || (is_flaky(event->seq) && event->attempt == 1))
        return evlog_fail("not now");
    if (by_hand && load_random(&worker->random, 20) == 0)
        ack(worker, event->seq);
    worker->done = event->seq;
    return 0;
}

static evlog_consumer_options options_of(const struct kind *kind)
{
    return (evlog_consumer_options){.ack_by_hand = kind->by_hand,
                                    .commit_every = kind->commit_every,
                                    .attempt_max = ATTEMPTS,
                                    .backoff_ms = 1};
}

/* Some of what was handed out, or all; at the end everything. */
static void ack_some(struct worker *worker)
{
    uint64_t first = worker->seen->checkpoint, done = worker->done;
    if (!worker->kind->by_hand || !done)
        return;
    if (shared->end || load_random(&worker->random, 4) == 0)
        ack(worker, done);
    else if (load_random(&worker->random, 3) == 0)
        ack(worker, done - load_random(&worker->random, done - first));
}

static int is_at_end(evlog *log, const char *name)
{
    evlog_consumer_info info;
    if (shared->end && inspect_into(log, name, &info))
        die("asking", 0);
    return shared->end && info.checkpoint == shared->end;
}

/* Consumes until it is killed; at the end, until it is done with all there is. */
static void consume(const char *path, size_t number, uint64_t random)
{
    struct worker worker = {.kind = &kinds[number],
                            .seen = &shared->seen[number],
                            .random = random,
                            .most = shared->seen[number].most};
    evlog_consumer_options options = options_of(worker.kind);
    evlog *log;
    if (evlog_open(path, NULL, &log) ||
        evlog_consumer_open(log, worker.kind->name, &options, &worker.consumer))
        die("opening", 0);
    while (!is_at_end(log, worker.kind->name)) {
        uint64_t limit = load_random(&worker.random, 4) ? load_random(&worker.random, 40) : 0;
        int64_t timeout_ms = (int64_t)load_random(&worker.random, 5);
        if (evlog_consumer_poll(worker.consumer, limit, timeout_ms, take, &worker, NULL))
            die("polling", worker.seen->last);
        ack_some(&worker);
        if (load_random(&worker.random, 20) == 0 && !is_bad(worker.seen->last) &&
            evlog_parked_retry(log, worker.kind->name, 0, NULL))
            die("asking for a retry", 0);
    }
    if (evlog_consumer_close(worker.consumer) || evlog_close(log))
        die("closing", 0);
    _exit(0);
}

static void send_now_and_then(const char *path, uint64_t sender, uint64_t random)
{
    static unsigned char data[LOAD_SIZE_MAX];
    evlog *log;
    evlog_signal *signal;
    evlog_sent sent = {.seq = 0};
    if (evlog_open(path, NULL, &log) || evlog_define(log, LOAD_TYPE, 0, NULL, &signal))
        die("opening to send", 0);
    for (uint64_t i = 1; !shared->stop && sent.seq < EVENTS_MAX / 2; i++) {
        struct load load = {.number = sender << 32 | i, .count = 1};
        if (evlog_send_event(signal, data, load_make(load, data), NULL, &sent))
            die("sending", i);
        evlog_sent_free(&sent);
        if (load_random(&random, 6) == 0)
            usleep((useconds_t)load_random(&random, 9000));
    }
    if (evlog_close(log))
        die("closing", 0);
    _exit(0);
}

/* ------------------------------------------------------------- looking on ---- */

/* What each consumer should have. */
struct twin {
    struct fold fold;
    uint64_t checkpoint, retried_count;
};

struct test {
    char *path;
    uint64_t random;
    struct twin twins[CONSUMERS];
    unsigned char *is_parked; /* by seq, for the consumer looked at */
    uint64_t *numbers;        /* of all events, by seq */
    uint64_t event_count;
    pid_t senders[SENDERS];
};

static int take_number(const evlog_event *event, void *ctx)
{
    struct test *test = ctx;
    struct load load;
    if (!load_known(event, &load) || event->seq != test->event_count + 1)
        return 1;
    test->numbers[++test->event_count] = load.number;
    return 0;
}

static void move_twin(struct test *test, struct twin *twin, uint64_t checkpoint)
{
    assert_true(checkpoint >= twin->checkpoint && checkpoint <= test->event_count);
    while (twin->checkpoint < checkpoint) {
        uint64_t seq = ++twin->checkpoint;
        if (!is_bad(seq))
            fold_event(&twin->fold, test->numbers[seq]);
    }
}

static uint64_t compare_state(evlog_consumer *consumer, const struct fold *fold)
{
    uint64_t keys = (fold->hash != 0) + (fold->retried != 0);
    assert_int_equal(get(consumer, "hash", 4), fold->hash);
    assert_int_equal(get(consumer, "retried", 7), fold->retried);
    for (int i = 0; i < BUCKETS; i++) {
        char key[2] = {'n', (char)i};
        assert_int_equal(get(consumer, key, sizeof key), fold->counters[i] % 5);
        keys += fold->counters[i] % 5 > 0;
    }
    return keys;
}

/* Only bad events are parked, each after all its attempts. */
static int note_parked(const evlog_parked *parked, void *ctx)
{
    struct test *test = ctx;
    test->is_parked[parked->seq] = 1;
    return !is_bad(parked->seq) || parked->attempt_count < ATTEMPTS || parked->is_lost ||
           (strcmp(parked->error, "not now") && !strstr(parked->error, "the process died"));
}

/*
 * A bad event that the checkpoint has passed is parked, or else its retry is in the state: which
 * should then be so.
 */
static struct fold check_parked(struct test *test, evlog *log, struct twin *twin,
                                const evlog_consumer_info *info)
{
    struct fold fold = twin->fold;
    uint64_t parked_count = 0;
    memset(test->is_parked, 0, EVENTS_MAX + 1);
    OK(evlog_each_parked(log, info->name, note_parked, test));
    twin->retried_count = 0;
    for (uint64_t seq = 1; seq <= EVENTS_MAX; seq++) {
        parked_count += test->is_parked[seq];
        /* one that is parked ahead of the checkpoint is passed over in its turn */
        if (seq <= info->checkpoint && is_bad(seq) && !test->is_parked[seq]) {
            fold_retried_event(&fold, test->numbers[seq]);
            twin->retried_count++;
        }
    }
    assert_int_equal(parked_count, info->parked_count);
    return fold;
}

static uint64_t bad_count(uint64_t last)
{
    return (last + BAD_EVERY - 13) / BAD_EVERY;
}

static void check_consumer(struct test *test, evlog *log, size_t number)
{
    const struct kind *kind = &kinds[number];
    struct twin *twin = &test->twins[number];
    evlog_consumer_options options = options_of(kind);
    evlog_consumer *consumer;
    evlog_consumer_info info;
    options.no_create = 1;
    int result = evlog_consumer_open(log, kind->name, &options, &consumer);
    if (result == EVLOG_NOTFOUND && twin->checkpoint == 0)
        return; /* killed before it was made */
    OK(result);
    OK(inspect_into(log, kind->name, &info));
    move_twin(test, twin, info.checkpoint);
    info.name = kind->name;
    struct fold fold = check_parked(test, log, twin, &info);
    assert_int_equal(compare_state(consumer, &fold), info.state_count);
    if (!kind->by_hand)
        assert_int_equal(info.done_count,
                         info.checkpoint - bad_count(info.checkpoint) + twin->retried_count);
    OK(evlog_consumer_close(consumer));
    OK(inspect_into(log, kind->name, &info));
    assert_int_equal(info.checkpoint, twin->checkpoint);
    shared->seen[number].checkpoint = info.checkpoint;
}

static void check_all(struct test *test)
{
    evlog *log;
    OK(evlog_open(test->path, NULL, &log));
    OK(evlog_replay(log, &(evlog_range){.first_seq = test->event_count + 1}, take_number, test,
                    NULL));
    for (size_t i = 0; i < CONSUMERS; i++)
        check_consumer(test, log, i);
    OK(evlog_close(log));
}

/* Starts a process for each consumer. */
static void start(struct test *test, pid_t pids[CONSUMERS])
{
    for (size_t i = 0; i < CONSUMERS; i++) {
        uint64_t random = load_mix(load_random(&test->random, UINT64_MAX));
        shared->seen[i].last = 0;
        pids[i] = start_process();
        if (pids[i] == 0)
            consume(test->path, i, random);
    }
}

static void run_round(struct test *test)
{
    pid_t pids[CONSUMERS];
    int64_t deaths_us[CONSUMERS];
    start(test, pids);
    for (size_t i = 0; i < CONSUMERS; i++)
        deaths_us[i] = load_now_us() + (int64_t)load_random(&test->random, LIFE_US_MAX);
    for (size_t alive = CONSUMERS; alive > 0; usleep(200))
        for (size_t i = 0; i < CONSUMERS; i++) {
            if (pids[i] == 0 || load_now_us() < deaths_us[i])
                continue;
            kill_process(pids[i]);
            pids[i] = 0;
            alive--;
        }
    check_all(test);
}

/* Nobody is killed any more: all come to the end, and have had everything. */
static void run_to_the_end(struct test *test)
{
    pid_t pids[CONSUMERS];
    shared->stop = 1;
    expect_end(test->senders, SENDERS);
    check_all(test);
    shared->end = test->event_count;
    start(test, pids);
    expect_end(pids, CONSUMERS);
    check_all(test);
    for (size_t i = 0; i < CONSUMERS; i++) {
        const struct seen *seen = &shared->seen[i];
        assert_int_equal(test->twins[i].checkpoint, test->event_count);
        for (uint64_t seq = 1; seq <= test->event_count; seq++)
            assert_true(seen->times[seq] > 0);
        printf("%s: %" PRIu64 " events, %" PRIu64 " handed out again, %" PRIu64
               " about to be, %" PRIu64 " retried\n",
               kinds[i].name, test->event_count, seen->again_count, seen->unseen_count,
               test->twins[i].retried_count);
    }
}

static void begin(struct test *test, void **state)
{
    evlog *log;
    test->path = strdup(in(*state, "log"));
    test->random = load_seed();
    test->numbers = calloc(EVENTS_MAX + 1, sizeof *test->numbers);
    test->is_parked = calloc(EVENTS_MAX + 1, 1);
    assert_true(test->numbers && test->is_parked);
    shared = map_shared(sizeof *shared);
    OK(evlog_open(test->path, NULL, &log));
    OK(evlog_close(log));
    for (uint64_t i = 0; i < SENDERS; i++) {
        test->senders[i] = start_process();
        if (test->senders[i] == 0)
            send_now_and_then(test->path, i + 1, test->random + i);
    }
}

static void end(struct test *test)
{
    munmap(shared, sizeof *shared);
    free(test->numbers);
    free(test->is_parked);
    free(test->path);
}

/* ------------------------------------------------------------------ tests ---- */

/* Four consumers killed at random 32 times each: their state is that of their events, always. */
static void state_is_that_of_the_events_after_every_kill(void **state)
{
    struct test test = {.path = NULL};
    begin(&test, state);
    for (int i = 0; i < ROUNDS; i++)
        run_round(&test);
    run_to_the_end(&test);
    end(&test);
}

/* ------------------------------------------------- deaths at chosen places ---- */

/* A child's consumer. The receiver puts 1 more under "n", and does what its event says. */
struct scene {
    evlog *log;
    evlog_consumer *consumer;
    uint64_t fail_seq, die_seq, ack_seq; /* 0: none; ack_seq before die_seq dies */
    uint32_t attempts[10];               /* by seq: the last; 0: not handed out */
};

static int act(const evlog_event *event, void *ctx)
{
    struct scene *scene = ctx;
    put(scene->consumer, "n", 1, get(scene->consumer, "n", 1) + 1);
    scene->attempts[event->seq] = event->attempt;
    if (event->seq == scene->die_seq) {
        if (scene->ack_seq && acknowledge(scene->consumer, scene->ack_seq))
            die("acknowledging", scene->ack_seq);
        kill(getpid(), SIGKILL);
    }
    return event->seq == scene->fail_seq ? evlog_fail("not now") : 0;
}

static void open_scene(struct scene *scene, const void *home, int by_hand)
{
    evlog_consumer_options options = {.ack_by_hand = by_hand, .attempt_max = 1};
    if (evlog_open(in(home, "log"), NULL, &scene->log) ||
        evlog_consumer_open(scene->log, "scene", &options, &scene->consumer))
        die("opening", 0);
}

static void close_scene(struct scene *scene)
{
    OK(evlog_consumer_close(scene->consumer));
    OK(evlog_close(scene->log));
}

static void poll_some(struct scene *scene, uint64_t limit)
{
    if (evlog_consumer_poll(scene->consumer, limit, 0, act, scene, NULL))
        die("polling", 0);
}

static void send_events(const void *home, int count)
{
    evlog *log;
    evlog_signal *signal;
    OK(evlog_open(in(home, "log"), NULL, &log));
    OK(evlog_define(log, LOAD_TYPE, 0, NULL, &signal));
    for (int i = 0; i < count; i++)
        OK(evlog_send_event(signal, SMALL_MAP("\x01"), 4, NULL, NULL));
    OK(evlog_close(log));
}

/* Runs a part of a test in a child, which is killed in its course. */
static void run_to_death(void (*part)(const void *home), const void *home)
{
    int status;
    pid_t pid = start_process();
    if (pid == 0) {
        part(home);
        kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static uint64_t count_parked(const struct scene *scene)
{
    evlog_consumer_info info;
    OK(inspect_into(scene->log, "scene", &info));
    return info.parked_count;
}

static void die_at_5(const void *home)
{
    struct scene scene = {.die_seq = 5};
    open_scene(&scene, home, 0);
    poll_some(&scene, 0);
}

static void die_at_1(const void *home)
{
    struct scene scene = {.die_seq = 1};
    open_scene(&scene, home, 0);
    poll_some(&scene, 0);
}

/* Two deaths, the second on the way to where the first was: all that came before says so. */
static void what_came_before_two_deaths_says_so(void **state)
{
    struct scene scene = {.die_seq = 0};
    const uint32_t expected[] = {0, 3, 2, 2, 2, 2, 1, 1};
    send_events(*state, 7);
    run_to_death(die_at_5, *state);
    run_to_death(die_at_1, *state);
    open_scene(&scene, *state, 0);
    poll_some(&scene, 0);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_int_equal(scene.attempts[i], expected[i]);
    assert_int_equal(get(scene.consumer, "n", 1), 7);
    close_scene(&scene);
}

/* Events 1 and 2 are parked, 3 is acknowledged; now the two are to come again. */
static void retry_1_and_2(struct scene *scene, const void *home)
{
    *scene = (struct scene){.fail_seq = 1};
    open_scene(scene, home, 1);
    poll_some(scene, 1);
    scene->fail_seq = 2;
    poll_some(scene, 2);
    if (acknowledge(scene->consumer, 3) || evlog_parked_retry(scene->log, "scene", 0, NULL))
        die("retrying", 0);
    scene->fail_seq = 0;
}

static void retry_and_die_inside(const void *home)
{
    struct scene scene;
    retry_1_and_2(&scene, home);
    scene.die_seq = 2;
    scene.ack_seq = 1;
    poll_some(&scene, 2);
}

/* A retried event that acknowledges others and dies: what it had put is not there, theirs is. */
static void an_ack_inside_a_retry_leaves_out_what_it_puts(void **state)
{
    struct scene scene = {.die_seq = 0};
    send_events(*state, 3);
    run_to_death(retry_and_die_inside, *state);
    open_scene(&scene, *state, 1);
    assert_int_equal(get(scene.consumer, "n", 1), 2);
    assert_int_equal(count_parked(&scene), 1);
    close_scene(&scene);
}

static void retry_and_die_after(const void *home)
{
    struct scene scene;
    retry_1_and_2(&scene, home);
    poll_some(&scene, 3);
    if (!scene.attempts[4] || get(scene.consumer, "n", 1) != 4)
        die("was not handed out", 4);
}

/* What event 4 puts is built on retried ones, none of them acknowledged: they go together. */
static void what_is_built_on_a_retry_goes_with_it(void **state)
{
    struct scene scene = {.die_seq = 0};
    send_events(*state, 4);
    run_to_death(retry_and_die_after, *state);
    open_scene(&scene, *state, 1);
    assert_int_equal(get(scene.consumer, "n", 1), 1);
    assert_int_equal(count_parked(&scene), 2);
    OK(evlog_parked_retry(scene.log, "scene", 0, NULL));
    poll_some(&scene, 0);
    OK(acknowledge(scene.consumer, 4));
    assert_int_equal(get(scene.consumer, "n", 1), 4);
    assert_int_equal(count_parked(&scene), 0);
    close_scene(&scene);
}

/* By hand, event 2 is parked ahead of the checkpoint: its retry waits, or it would come twice. */
static void a_retry_waits_for_the_checkpoint(void **state)
{
    struct scene scene = {.fail_seq = 2};
    send_events(*state, 3);
    open_scene(&scene, *state, 1);
    poll_some(&scene, 1);
    poll_some(&scene, 1);
    assert_int_equal(count_parked(&scene), 1);
    OK(evlog_parked_retry(scene.log, "scene", 0, NULL));
    scene = (struct scene){.log = scene.log, .consumer = scene.consumer};
    poll_some(&scene, 0);
    assert_int_equal(scene.attempts[2], 0);
    OK(acknowledge(scene.consumer, 3));
    poll_some(&scene, 0);
    assert_int_equal(scene.attempts[2], 2);
    OK(acknowledge(scene.consumer, 2));
    assert_int_equal(count_parked(&scene), 0);
    close_scene(&scene);
}

static int ack_and_fail(const evlog_event *event, void *ctx)
{
    struct scene *scene = ctx;
    put(scene->consumer, "n", 1, 77);
    OK(acknowledge(scene->consumer, event->seq - 1));
    return evlog_fail("not now");
}

/* A receiver may acknowledge what came before and then fail: only its own puts are taken back. */
static void a_receiver_may_acknowledge_and_then_fail(void **state)
{
    struct scene scene = {.fail_seq = 0};
    send_events(*state, 2);
    open_scene(&scene, *state, 1);
    poll_some(&scene, 1);
    OK(evlog_consumer_poll(scene.consumer, 1, 0, ack_and_fail, &scene, NULL));
    assert_int_equal(get(scene.consumer, "n", 1), 1);
    close_scene(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(what_came_before_two_deaths_says_so),
        TEST_AT_HOME(a_receiver_may_acknowledge_and_then_fail),
        TEST_AT_HOME(an_ack_inside_a_retry_leaves_out_what_it_puts),
        TEST_AT_HOME(what_is_built_on_a_retry_goes_with_it),
        TEST_AT_HOME(a_retry_waits_for_the_checkpoint),
        TEST_AT_HOME(state_is_that_of_the_events_after_every_kill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
