/*
 * The retention policy: what it drops and what it does not, that senders apply it by themselves, what is noted of it,
 * and all that beside senders and consumers that are killed.
 */
#include <time.h>

#include "evlog/consumer.h"
#include "evlog/upkeep.h"

#include "damage.h"
#include "flusher.h"
#include "log.h"
#include "processes.h"

#define TYPE "org.evlog.test.v1"

/* Seconds that the clock of this process is ahead. */
static _Atomic int64_t ahead_s;
static _Atomic time_t stopped_s; /* 0: it goes */

int __real_clock_gettime(clockid_t clock, struct timespec *time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *time);

int __wrap_clock_gettime(clockid_t clock, struct timespec *time)
{
    int result = __real_clock_gettime(clock, time);
    if (clock == CLOCK_REALTIME)
        time->tv_sec = stopped_s ? stopped_s : time->tv_sec + ahead_s;
    return result;
}

static evlog *open_with(const char *path, evlog_durability durability, evlog_signal **signal)
{
    evlog *log;
    OK(evlog_open(path, &(evlog_options){.durability = durability}, &log));
    OK(evlog_define(log, TYPE, 0, NULL, signal));
    return log;
}

static evlog *open_log(const void *home, evlog_signal **signal)
{
    return open_with(in(home, "log"), EVLOG_DURABLE, signal);
}

static struct flusher_due do_nothing(void *ctx)
{
    (void)ctx;
    return FLUSHER_WORK_IS_DONE;
}

/* One whose flusher's thread does not apply the policy: the test does. */
static evlog *open_without_thread(const void *home, evlog_signal **signal)
{
    evlog *log = open_log(home, signal);
    flusher_set_work(log->store->flusher, do_nothing, NULL);
    return log;
}

static void send_many(evlog_signal *signal, size_t count)
{
    evlog_sending sends[100];
    for (size_t i = 0; i < 100; i++)
        sends[i] = (evlog_sending){.signal = signal, .data = "\x80", .data_size = 1};
    for (; count > 0; count -= 100)
        OK(evlog_send_events(sends, 100, NULL, NULL));
}

static evlog_info look(evlog *log)
{
    evlog_info info;
    OK(evlog_inspect(log, &info));
    return info;
}

/* The notes of a policy: how many, and whether they name all up to the first event, each once. */
struct notes {
    unsigned count;
    uint64_t next;
};

static int add_note(const evlog_event *event, void *ctx)
{
    struct notes *notes = ctx;
    const unsigned char *data = event->data;
    if (event->data_size < 50)
        return 0; /* of evlog_trim */
    assert_memory_equal(data,
                        "\x84\xa9"
                        "first_seq\xcf",
                        12);
    assert_memory_equal(data + 45,
                        "\xc2\xa9"
                        "by_policy\xc3",
                        12);
    assert_int_equal(get_big(data + 12, 8), notes->next);
    notes->next = get_big(data + 30, 8) + 1;
    notes->count++;
    return 0;
}

/* `since`: what the first note begins with. */
static struct notes read_notes(evlog *log, uint64_t since)
{
    static const char *const types[] = {"evlog.trimmed.v1"};
    struct notes notes = {.next = since};
    OK(evlog_replay(log, &(evlog_range){.types = types, .type_count = 1}, add_note, &notes,
                    NULL));
    return notes;
}

/* ---------------------------------------------------------------- limits ---- */

/* The policy is part of the log, and any of its handles reads it. */
static void a_policy_is_kept(void **state)
{
    static const char *const holders[] = {"billing", "search"};
    const evlog_retention policy = {.age_us = 7,
                                    .count = 8,
                                    .size = 9,
                                    .held_by = EVLOG_HELD_BY_NAMED,
                                    .holders = holders,
                                    .holder_count = 2};
    evlog_signal *signal;
    evlog_retention *read;
    evlog *log = open_log(*state, &signal);
    OK(evlog_retention_get(log, &read));
    assert_null(read);
    OK(evlog_retain(log, &policy));
    OK(evlog_close(log));
    OK(evlog_open(in(*state, "log"), &(evlog_options){.read_only = true}, &log));
    OK(evlog_retention_get(log, &read));
    assert_int_equal(read->age_us, 7);
    assert_int_equal(read->count, 8);
    assert_int_equal(read->size, 9);
    assert_int_equal(read->held_by, EVLOG_HELD_BY_NAMED);
    assert_int_equal(read->holder_count, 2);
    assert_string_equal(read->holders[0], "billing");
    assert_string_equal(read->holders[1], "search");
    evlog_retention_free(read);
    FAILS(EVLOG_READONLY, "reading only", evlog_retain(log, NULL));
    FAILS(EVLOG_READONLY, "reading only", evlog_retention_apply(log));
    OK(evlog_close(log));
    log = open_log(*state, &signal);
    OK(evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_retain(log, NULL));
    OK(evlog_retention_get(log, &read));
    assert_null(read);
    OK(evlog_close(log));
}

static void what_is_no_policy_is_refused(void **state)
{
    static const char *const names[EVLOG_HOLDERS_MAX + 1] = {"a"};
    static const char *const blank[] = {"a b"};
    const struct {
        evlog_retention policy;
        int code;
        const char *words;
    } cases[] = {
        {{.age_us = -1}, EVLOG_INVALID, "negative"},
        {{.count = UINT64_MAX}, EVLOG_INVALID, "negative"},
        {{.held_by = EVLOG_HELD_BY_NAMED}, EVLOG_INVALID, "only then"},
        {{.holders = names, .holder_count = 1}, EVLOG_INVALID, "only then"},
        {{.held_by = (evlog_held_by)3}, EVLOG_INVALID, "only then"},
        {{.held_by = EVLOG_HELD_BY_NAMED,
          .holders = names,
          .holder_count = EVLOG_HOLDERS_MAX + 1},
         EVLOG_LIMIT,
         "at most 64"},
        {{.held_by = EVLOG_HELD_BY_NAMED, .holders = blank, .holder_count = 1},
         EVLOG_INVALID,
         "consumer's name"},
    };
    evlog_signal *signal;
    evlog *log = open_log(*state, &signal);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        FAILS(cases[i].code, cases[i].words, evlog_retain(log, &cases[i].policy));
    OK(evlog_close(log));
}

static uint64_t pages_in_use(evlog *log)
{
    struct page_snapshot snapshot;
    OK(env_snapshot(log->store->events, &snapshot));
    return snapshot.tree_page_count;
}

static void a_count_is_kept(void **state)
{
    evlog_signal *signal;
    evlog_retained retained;
    const evlog_retention policy = {.count = 1000};
    evlog *log = open_log(*state, &signal);
    send_many(signal, 20000);
    OK(evlog_retention_look(log, &policy, &retained));
    assert_int_equal(retained.first_seq, 1);
    assert_int_equal(retained.last_seq, 19000);
    assert_int_equal(retained.held_count, 0);
    assert_int_equal(look(log).first_seq, 1); /* nothing was changed */
    OK(evlog_retain(log, &policy));
    OK(evlog_retention_apply(log));
    evlog_info info = look(log);
    assert_in_range(info.last_seq - info.first_seq + 1, 1000, 1010); /* and notes */
    struct notes notes = read_notes(log, 1);
    assert_in_range(notes.count, 2, 3);         /* of 16,384 each */
    assert_in_range(pages_in_use(log), 1, 200); /* and what is gone is deleted */
    OK(evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_retention_apply(log));
    OK(evlog_close(log));
}

static void a_size_is_kept(void **state)
{
    evlog_signal *signal;
    const evlog_retention policy = {.size = 400 << 10};
    evlog *log = open_log(*state, &signal);
    send_many(signal, 8000);
    assert_true(pages_in_use(log) > 200);
    OK(evlog_retain(log, &policy));
    OK(evlog_retention_apply(log));
    assert_in_range(pages_in_use(log), 80, 101);
    OK(evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_close(log));
}

static void an_age_is_kept(void **state)
{
    evlog_signal *signal;
    const evlog_retention policy = {.age_us = 3600 * INT64_C(1000000)};
    evlog *log = open_log(*state, &signal);
    for (unsigned i = 0; i < 6; i++) { /* 20 minutes apart */
        send_many(signal, 100);
        ahead_s += i < 5 ? 1200 : 600;
    }
    OK(evlog_retain(
        log, &policy)); /* now: before, a note of the flusher's work could be among the events */
    OK(evlog_retention_apply(log));
    assert_int_equal(look(log).first_seq, 301); /* logged 50 minutes ago */
    ahead_s += 900;
    OK(evlog_retention_apply(log));
    assert_int_equal(look(log).first_seq, 401);
    ahead_s += 360000;
    OK(evlog_retention_apply(log));
    evlog_info info = look(log);
    /* the newest, and what notes the others; when the flusher was first, the newest is that note */
    assert_true(info.first_seq + 1 >= info.last_seq);
    OK(evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_close(log));
    ahead_s = 0;
}

/* ------------------------------------------------------------- consumers ---- */

static void make_consumer(evlog *log, const char *name, uint64_t done)
{
    const evlog_event *event;
    evlog_consumer *consumer;
    OK(evlog_consumer_open(log, name, &(evlog_consumer_options){.ack_by_hand = true}, &consumer));
    for (uint64_t i = 0; i < done; i++)
        OK(evlog_consumer_next(consumer, 0, &event));
    if (done)
        OK(acknowledge(consumer, done));
    OK(evlog_consumer_close(consumer));
}

static void consumers_hold_what_they_need(void **state)
{
    static const char *const quick[] = {"quick", "absent"};
    evlog_retention policy = {.count = 100};
    evlog_signal *signal;
    evlog_retained retained;
    evlog *log = open_log(*state, &signal);
    send_many(signal, 1000);
    make_consumer(log, "slow", 200);
    make_consumer(log, "quick", 500);
    OK(evlog_retain(log, &policy));
    OK(evlog_retention_apply(log));
    assert_int_equal(look(log).first_seq, 201);
    OK(evlog_retention_look(log, &policy, &retained));
    assert_int_equal(retained.first_seq, 0);
    assert_int_equal(retained.held_seq, 201);
    assert_true(retained.held_count >= 700);
    assert_string_equal(retained.held_by, "slow");
    policy = (evlog_retention){
        .count = 100, .held_by = EVLOG_HELD_BY_NAMED, .holders = quick, .holder_count = 2};
    OK(evlog_retain(log, &policy));
    OK(evlog_retention_apply(log));
    assert_int_equal(look(log).first_seq, 501);
    policy = (evlog_retention){.count = 100, .held_by = EVLOG_HELD_BY_NONE};
    OK(evlog_retain(log, &policy));
    OK(evlog_retention_apply(log));
    assert_true(look(log).first_seq > 900);
    OK(evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_close(log));
}

/* -------------------------------------------------------------- by senders ---- */

/* Sends until there are at most `count` events. */
static void send_until(evlog *log, evlog_signal *signal, uint64_t count)
{
    evlog_info info;
    do {
        OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
        info = look(log);
    } while (info.last_seq - info.first_seq + 1 > count);
}

static void senders_apply_with(const char *path, evlog_durability durability)
{
    evlog_signal *signal, *other_signal;
    const evlog_retention policy = {.count = 5000};
    evlog *log = open_with(path, durability, &signal);
    send_many(signal, 12000);
    pid_t pid = start_process(); /* another one sets the policy */
    if (pid == 0) {
        evlog *other = open_with(path, durability, &other_signal);
        _exit(evlog_retain(other, &policy) || evlog_close(other));
    }
    expect_end(&pid, 1);
    send_until(log, signal, 5500);
    OK(evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_close(log));
}

/* Whoever has set it, and whenever: a process that sends applies it. */
static void senders_apply_it(void **state)
{
    senders_apply_with(in(*state, "durable"), EVLOG_DURABLE);
    senders_apply_with(in(*state, "fast"), EVLOG_FAST);
}

/* A process that is there for one event drops some, too. */
/*
 * Where the flusher's thread is far behind, each send does a step; and none any more once it is not, or there is no
 * policy.
 */
static void senders_that_are_faster_do_steps(void **state)
{
    evlog_signal *signal;
    evlog *log = open_without_thread(*state, &signal);
    send_many(signal, 30000);
    OK(evlog_retain(log, &(evlog_retention){.count = 1000}));
    atomic_store(&log->store->is_behind, true);
    OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    assert_int_equal(look(log).first_seq, 16385);
    for (unsigned i = 0; i < 20; i++)
        OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    assert_false(log->store->is_behind);
    assert_int_equal(look(log).first_seq, 16385); /* the rest is left to the thread */
    OK(evlog_retain(log, &(evlog_retention){.count = 0}));
    atomic_store(&log->store->is_behind, true);
    OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    assert_false(log->store->is_behind);
    OK(evlog_close(log));
}

static void a_sender_of_one_event_applies_it(void **state)
{
    evlog_signal *signal;
    evlog *log = open_log(*state, &signal);
    send_many(signal, 6000);
    OK(evlog_retain(log, &(evlog_retention){.count = 100}));
    OK(evlog_close(log));
    uint64_t pages = UINT64_MAX;
    for (unsigned i = 0; i < 3; i++) {
        log = open_log(*state, &signal);
        OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
        OK(evlog_close(log));
        log = open_log(*state, &signal);
        assert_in_range(look(log).last_seq - look(log).first_seq, 90, 110);
        assert_true(pages_in_use(log) < pages); /* a batch is deleted each time */
        pages = pages_in_use(log);
        OK(evlog_close(log));
    }
}

static _Atomic unsigned looked;

static struct flusher_due look_at_5000(void *ctx)
{
    (void)ctx;
    looked++;
    return (struct flusher_due){((int64_t)stopped_s + 1) * 1000000, 5000};
}

/* Where many events are sent in a second, the next look is not put off until it is over. */
static void it_is_looked_again_after_many_events(void **state)
{
    evlog_signal *signal;
    stopped_s = time(NULL);
    evlog *log = open_log(*state, &signal);
    flusher_set_work(log->store->flusher, look_at_5000, NULL);
    flusher_work_is_due(log->store->flusher);
    send_many(signal, 100);
    while (looked < 1)
        usleep(1000);
    send_many(signal, 4800);
    usleep(50000);
    assert_int_equal(looked, 1);
    send_many(signal, 100);
    for (int i = 0; looked < 2 && i < 30000; i++)
        usleep(1000);
    assert_in_range(looked, 2, 100); /* again with each event from then on */
    OK(evlog_close(log));
    stopped_s = 0;
}

/* ------------------------------------------------------------------ notes ---- */

/* Of few events a note an hour, at most; what was not noted yet is, later, and once. */
static void notes_are_few(void **state)
{
    evlog_signal *signal;
    evlog *log = open_without_thread(*state, &signal);
    send_many(signal, 100);
    OK(evlog_retain(log, &(evlog_retention){.count = 90}));
    OK(evlog_retention_apply(log));
    assert_int_equal(read_notes(log, 1).count, 1); /* the first one at once */
    uint64_t noted = read_notes(log, 1).next;
    for (unsigned i = 0; i < 10; i++) {
        OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
        OK(evlog_retention_apply(log));
    }
    assert_int_equal(read_notes(log, 1).count, 1);
    OK(evlog_close(log));
    log = open_without_thread(*state, &signal);
    ahead_s += 3601;
    send_many(signal, 100);
    OK(evlog_retention_apply(log)); /* the first note itself has gone by now */
    struct notes notes = read_notes(log, noted);
    assert_int_equal(notes.count, 1);
    assert_in_range(look(log).first_seq - notes.next, 0,
                    1); /* the note itself made one more due */
    OK(evlog_close(log));
    ahead_s = 0;
}

/* What evlog_trim has dropped in between is not the policy's. */
static void what_is_trimmed_by_hand_is_not_noted_as_policy(void **state)
{
    evlog_signal *signal;
    evlog *log = open_log(*state, &signal);
    send_many(signal, 300);
    OK(evlog_retain(log, &(evlog_retention){.count = 299})); /* of the hour's note */
    OK(evlog_retention_apply(log));
    OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    OK(evlog_retention_apply(log));
    uint64_t first = look(log).first_seq;
    OK(evlog_trim(log, 200, NULL, NULL));
    ahead_s += 3601;
    OK(evlog_retain(log, &(evlog_retention){.count = 50}));
    OK(evlog_retention_apply(log));
    static const char *const types[] = {"evlog.trimmed.v1"};
    evlog_cursor *cursor;
    const evlog_event *event;
    unsigned count = 0;
    OK(evlog_cursor_open(log, &(evlog_range){.types = types, .type_count = 1}, &cursor));
    for (;;) {
        OK(evlog_cursor_next(cursor, &event));
        if (!event)
            break;
        uint64_t from = get_big((const unsigned char *)event->data + 12, 8);
        uint64_t to = get_big((const unsigned char *)event->data + 30, 8);
        if (event->data_size < 50)
            assert_int_equal(to, 199);
        else
            assert_true(to < first || from >= 200);
        count++;
    }
    assert_true(count >= 2);
    evlog_cursor_close(cursor);
    OK(evlog_close(log));
    ahead_s = 0;
}

/* The policy's checksum does not fit; or it does, and its last field is not a number. */
static void damage_policy(const void *home, bool is_forged)
{
    static const char key[] = "lretention";
    struct raw raw = raw_open(in(home, "log/state.mdb"));
    struct bytes value = raw_get(&raw, key, sizeof key - 1);
    value.at[value.size - 1] ^= is_forged ? 0xc0 : 1;
    if (is_forged)
        entry_refit(log_seed(in(home, "log/format")), key, sizeof key - 1, value.at, value.size);
    raw_put(&raw, key, sizeof key - 1, value);
    free(value.at);
    raw_close(&raw);
}

/* A policy that is not as it was written drops nothing, and verify reports it; it can be set again. */
static void a_damaged_policy_drops_nothing(void **state)
{
    evlog_signal *signal;
    evlog_retention *read;
    evlog *log = open_log(*state, &signal);
    send_many(signal, 1000);
    OK(evlog_retain(log, &(evlog_retention){.count = 10}));
    OK(evlog_retain(log, &(evlog_retention){.count = 5000}));
    OK(evlog_close(log));
    for (int i = 0; i < 2; i++) {
        damage_policy(*state, i);
        log = open_log(*state, &signal);
        OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
        FAILS(EVLOG_DAMAGED, "retention policy", evlog_retention_get(log, &read));
        FAILS(EVLOG_DAMAGED, "retention policy", evlog_retention_apply(log));
        assert_int_equal(evlog_verify(log, NULL, NULL, NULL), EVLOG_DAMAGED);
        OK(evlog_close(log));
        log = open_log(*state, &signal);
        assert_int_equal(look(log).first_seq, 1);
        OK(evlog_retain(log, &(evlog_retention){.count = 5000}));
        OK(evlog_verify(log, NULL, NULL, NULL));
        OK(evlog_close(log));
    }
}

/* -------------------------------------------------- beside others, and kills ---- */

#define SENDERS 8
#define CONSUMERS 4
#define ROUNDS 4
#define KEEP 3000

struct world {
    const char *path;
    evlog_durability durability;
    atomic_int sent[SENDERS]; /* events that were acknowledged */
    _Atomic uint64_t done[CONSUMERS];
    atomic_int given[CONSUMERS];
};

static void send_for_ever(struct world *world, unsigned who)
{
    evlog_signal *signal;
    evlog_sending sends[100];
    evlog *log = open_with(world->path, world->durability, &signal);
    for (size_t i = 0; i < 100; i++)
        sends[i] = (evlog_sending){.signal = signal, .data = "\x80", .data_size = 1};
    for (;;) {
        if (evlog_send_events(sends, 100, NULL, NULL))
            die("sending", 0);
        world->sent[who] += 100;
        uint64_t slowest = world->done[0]; /* no faster than consumers are */
        for (unsigned i = 1; i < CONSUMERS; i++)
            slowest = world->done[i] < slowest ? world->done[i] : slowest;
        for (uint64_t last; !evlog_wait(log, 0, 0, &last) && last > slowest + 20000;) {
            usleep(1000);
            slowest = world->done[0];
            for (unsigned i = 1; i < CONSUMERS; i++)
                slowest = world->done[i] < slowest ? world->done[i] : slowest;
        }
    }
}

static void hear_lost(const evlog_notice *notice, void *ctx)
{
    (void)ctx;
    if (notice->kind == EVLOG_NOTICE_LOST)
        die("was lost", notice->first_seq);
}

/* Nothing that it needs is gone: each event of the type comes, or comes again. */
static void consume_for_ever(struct world *world, unsigned who)
{
    static const char *const types[] = {"*"};
    char name[16];
    const evlog_event *event;
    evlog_signal *signal;
    evlog_consumer *consumer;
    evlog_consumer_options options = {
        .ack_by_hand = true, .notice = hear_lost, .types = types, .type_count = 1};
    snprintf(name, sizeof name, "c%u", who);
    evlog *log = open_with(world->path, world->durability, &signal);
    if (evlog_consumer_open(log, name, &options, &consumer))
        die("opening a consumer", 0);
    for (unsigned i = 1;; i++) {
        int result = evlog_consumer_next(consumer, -1, &event);
        if (result)
            die("consuming", 0);
        world->given[who]++;
        if (i % 200 == 0) {
            if (acknowledge(consumer, event->seq))
                die("acknowledging", event->seq);
            world->done[who] = event->seq;
        }
    }
}

static void wait_until(const atomic_int *count, int wanted)
{
    while (*count < wanted)
        usleep(200);
}

static void play_round(struct world *world, unsigned round)
{
    pid_t pids[SENDERS + CONSUMERS];
    for (unsigned i = 0; i < SENDERS + CONSUMERS; i++) {
        pids[i] = start_process();
        if (pids[i] == 0 && i < SENDERS)
            send_for_ever(world, i);
        else if (pids[i] == 0)
            consume_for_ever(world, i - SENDERS);
    }
    int before = world->given[0];
    wait_until(&world->given[0], before + 6000 + (int)(round * 500));
    for (unsigned i = 0; i < SENDERS + CONSUMERS; i++)
        kill_process(pids[i]);
}

static void retain_beside_others(const char *path, evlog_durability durability)
{
    struct world *world = map_shared(sizeof *world);
    evlog_signal *signal;
    world->path = path;
    world->durability = durability;
    evlog *log = open_with(path, durability, &signal);
    OK(evlog_retain(log, &(evlog_retention){.count = KEEP}));
    char name[16];
    for (unsigned i = 0; i < CONSUMERS; i++) {
        snprintf(name, sizeof name, "c%u", i);
        make_consumer(log, name, 0);
    }
    OK(evlog_close(log));
    for (unsigned round = 0; round < ROUNDS; round++) {
        play_round(world, round);
        log = open_with(path, durability, &signal);
        OK(evlog_verify(log, NULL, NULL, NULL));
        evlog_info info = look(log);
        uint64_t sent = 0, slowest = UINT64_MAX;
        for (unsigned i = 0; i < SENDERS; i++)
            sent += (uint64_t)world->sent[i];
        for (unsigned i = 0; i < CONSUMERS; i++)
            slowest = world->done[i] < slowest ? world->done[i] : slowest;
        assert_true(info.last_seq >= sent); /* and the notes */
        OK(evlog_retention_apply(log));
        info = look(log);
        uint64_t held = info.last_seq - slowest;
        assert_true(info.last_seq - info.first_seq + 1 <= (held > KEEP ? held : KEEP) + 400);
        OK(evlog_close(log));
    }
    munmap(world, sizeof *world);
}

static void senders_and_consumers_go_on(void **state)
{
    retain_beside_others(in(*state, "durable"), EVLOG_DURABLE);
    retain_beside_others(in(*state, "fast"), EVLOG_FAST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(a_policy_is_kept),
        TEST_AT_HOME(what_is_no_policy_is_refused),
        TEST_AT_HOME(a_count_is_kept),
        TEST_AT_HOME(a_size_is_kept),
        TEST_AT_HOME(an_age_is_kept),
        TEST_AT_HOME(consumers_hold_what_they_need),
        TEST_AT_HOME(senders_apply_it),
        TEST_AT_HOME(senders_that_are_faster_do_steps),
        TEST_AT_HOME(a_sender_of_one_event_applies_it),
        TEST_AT_HOME(it_is_looked_again_after_many_events),
        TEST_AT_HOME(notes_are_few),
        TEST_AT_HOME(what_is_trimmed_by_hand_is_not_noted_as_policy),
        TEST_AT_HOME(a_damaged_policy_drops_nothing),
        TEST_AT_HOME(senders_and_consumers_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
