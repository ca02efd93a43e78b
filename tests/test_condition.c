/*
 * Conditional sends: what was sent before is not sent again, and what was decided by is still so when the
 * event is appended; with threads in one group commit, with processes, and with kills between.
 *
 * Commits can be made slow here, so that senders queue up behind one and share the next.
 */
#include <errno.h>
#include <lmdb.h>
#include <pthread.h>
#include <sched.h>

#include "processes.h"
#include "record.h"
#include "test.h"
#include "trimmed.h"

#define TYPE "org.evlog.test.v1"
#define OTHER "org.evlog.other.v1"
#define THREADS 8
#define ROUNDS 30
#define BATCH 16

static _Atomic unsigned commit_us, begun, commits; /* commits: that changed something */
static _Atomic bool is_failing;

/* Records that are read by the writing thread, while it writes to the log. */
static _Thread_local bool is_writing;
static _Atomic unsigned read_in_commit;

int __real_mdb_txn_begin(MDB_env *env, MDB_txn *parent, unsigned flags, MDB_txn **txn);
int __wrap_mdb_txn_begin(MDB_env *env, MDB_txn *parent, unsigned flags, MDB_txn **txn);
void __real_mdb_txn_abort(MDB_txn *txn);
void __wrap_mdb_txn_abort(MDB_txn *txn);
int __real_record_decode(uint64_t seq, const void *value, size_t size, struct record *record);
int __wrap_record_decode(uint64_t seq, const void *value, size_t size, struct record *record);

int __wrap_mdb_txn_begin(MDB_env *env, MDB_txn *parent, unsigned flags, MDB_txn **txn)
{
    is_writing = !(flags & MDB_RDONLY);
    return __real_mdb_txn_begin(env, parent, flags, txn);
}

void __wrap_mdb_txn_abort(MDB_txn *txn)
{
    is_writing = false;
    __real_mdb_txn_abort(txn);
}

int __wrap_record_decode(uint64_t seq, const void *value, size_t size, struct record *record)
{
    read_in_commit += is_writing;
    return __real_record_decode(seq, value, size, record);
}

int __real_mdb_txn_commit(MDB_txn *txn);
int __wrap_mdb_txn_commit(MDB_txn *txn);

int __wrap_mdb_txn_commit(MDB_txn *txn)
{
    const char *path;
    is_writing = false;
    mdb_env_get_path(mdb_txn_env(txn), &path);
    if (!strstr(path, "events.mdb"))
        return __real_mdb_txn_commit(txn);
    begun++;
    if (commit_us)
        usleep(commit_us);
    if (is_failing) {
        mdb_txn_abort(txn);
        return ENOSPC;
    }
    MDB_env *env = mdb_txn_env(txn);
    MDB_envinfo before, after;
    mdb_env_info(env, &before);
    int rc = __real_mdb_txn_commit(txn);
    mdb_env_info(env, &after);
    commits += after.me_last_txnid != before.me_last_txnid;
    return rc;
}

struct fixture {
    evlog *log;
    evlog_signal *signal, *other;
    atomic_uint heard;
};

static int hear(const evlog_event *event, void *ctx)
{
    atomic_uint *heard = ctx;
    (void)event;
    ++*heard;
    return 0;
}

static void begin_as(struct fixture *fixture, const void *home, evlog_durability durability)
{
    *fixture = (struct fixture){.log = NULL};
    OK(evlog_open(in(home, "log"), &(evlog_options){.durability = durability}, &fixture->log));
    OK(evlog_define(fixture->log, TYPE, 0, NULL, &fixture->signal));
    OK(evlog_define(fixture->log, OTHER, 0, NULL, &fixture->other));
    OK(evlog_connect(fixture->log, fixture->signal, NULL, hear, &fixture->heard, NULL));
}

static void begin(struct fixture *fixture, const void *home)
{
    begin_as(fixture, home, EVLOG_FAST);
}

static uint64_t head(const struct fixture *fixture)
{
    evlog_info info;
    OK(evlog_inspect(fixture->log, &info));
    return info.last_seq;
}

/* The metadata of the event of a number. */
static evlog_metadata numbered(uint64_t number)
{
    evlog_metadata metadata = {.id = {1}};
    memcpy(metadata.id + 8, &number, sizeof number);
    return metadata;
}

static int send_id(evlog_signal *signal, uint64_t number, evlog_send_options options,
                   evlog_sent *sent)
{
    evlog_metadata metadata = numbered(number);
    options.metadata = &metadata;
    options.unless_id = true;
    return evlog_send_event(signal, "\x80", 1, &options, sent);
}

static int send_after(evlog_signal *signal, evlog_send_options options)
{
    return evlog_send_event(signal, "\x80", 1, &options, NULL);
}

/* --------------------------------------------------------------- one id ---- */

/* The second send of an id has the seq of the first, and no receiver runs. */
static void an_id_is_appended_once(void **state)
{
    struct fixture fixture;
    evlog_sent sent;
    begin(&fixture, *state);
    OK(send_id(fixture.signal, 1, (evlog_send_options){.after_seq = 0}, &sent));
    assert_int_equal(sent.seq, 1);
    assert_false(sent.was_there);
    evlog_sent_free(&sent);
    OK(send_id(fixture.signal, 2, (evlog_send_options){.after_seq = 0}, NULL));
    OK(send_id(fixture.signal, 1, (evlog_send_options){.after_seq = 0}, &sent));
    assert_int_equal(sent.seq, 1);
    assert_true(sent.was_there);
    assert_int_equal(sent.response_count, 0);
    assert_memory_equal(sent.id, numbered(1).id, 16);
    evlog_sent_free(&sent);
    assert_int_equal(fixture.heard, 2);
    assert_int_equal(head(&fixture), 2);
    OK(evlog_close(fixture.log));
}

/* Only what is after the seq counts; several pages and large records are looked through. */
static void the_look_begins_after_the_seq(void **state)
{
    static unsigned char large[70000] = {0x81, 0xa1, 'b', 0xc6, 0, 1, 0x11, 0x68};
    struct fixture fixture;
    evlog_sent sent;
    begin(&fixture, *state);
    for (uint64_t i = 1; i <= 300; i++) {
        evlog_metadata metadata = numbered(i);
        bool is_large = i % 50 == 0;
        OK(evlog_send_event(fixture.signal, is_large ? large : (const void *)"\x80",
                            is_large ? sizeof large : 1,
                            &(evlog_send_options){.metadata = &metadata}, NULL));
    }
    for (uint64_t i = 1; i <= 300; i += 7) {
        OK(send_id(fixture.signal, i, (evlog_send_options){.after_seq = i - 1}, &sent));
        assert_int_equal(sent.seq, i);
        evlog_sent_free(&sent);
    }
    assert_int_equal(head(&fixture), 300);
    OK(send_id(fixture.signal, 200, (evlog_send_options){.after_seq = 200}, &sent));
    assert_int_equal(sent.seq, 301);
    evlog_sent_free(&sent);
    OK(send_id(fixture.signal, 200, (evlog_send_options){.after_seq = 0}, &sent));
    assert_int_equal(sent.seq, 200); /* the first one that is there */
    evlog_sent_free(&sent);
    OK(evlog_close(fixture.log));
}

/* Of a batch, what is not there is appended, and of two with one id the first. */
static void a_batch_adds_what_is_missing(void **state)
{
    static const uint64_t numbers[] = {5, 1, 7, 5, 2, 7, 8};
    static const uint64_t seqs[] = {4, 1, 5, 4, 2, 5, 6};
    enum { COUNT = sizeof numbers / sizeof *numbers };
    struct fixture fixture;
    evlog_metadata metadata[COUNT];
    evlog_sending sends[COUNT];
    evlog_sent sent[COUNT];
    begin(&fixture, *state);
    for (uint64_t i = 1; i <= 3; i++)
        OK(send_id(fixture.signal, i, (evlog_send_options){.after_seq = 0}, NULL));
    for (size_t i = 0; i < COUNT; i++) {
        metadata[i] = numbered(numbers[i]);
        sends[i] = (evlog_sending){fixture.signal, "\x80", 1, .metadata = &metadata[i]};
    }
    for (int round = 0; round < 2; round++) {
        OK(evlog_send_events(sends, COUNT, &(evlog_send_options){.unless_id = true}, sent));
        for (size_t i = 0; i < COUNT; i++) {
            assert_int_equal(sent[i].seq, seqs[i]);
            bool is_new = round == 0 && (i == 0 || i == 2 || i == 6);
            assert_int_equal(sent[i].was_there, !is_new);
            evlog_sent_free(&sent[i]);
        }
        assert_int_equal(head(&fixture), 6);
        assert_int_equal(fixture.heard, 6);
    }
    OK(evlog_verify(fixture.log, NULL, NULL, NULL));
    OK(evlog_close(fixture.log));
}

/* ----------------------------------------------------- nothing in the way ---- */

/* The first event in the way is named, and nothing is appended. */
static void what_is_in_the_way_is_named(void **state)
{
    static const char *const types[] = {OTHER}, *const patterns[] = {"org.evlog.o*"};
    struct fixture fixture;
    begin(&fixture, *state);
    OK(send_after(fixture.signal, (evlog_send_options){.unless_any = true}));
    FAILS(EVLOG_CONFLICT, "event 1 (" TYPE ") is in the way",
          send_after(fixture.signal, (evlog_send_options){.unless_any = true}));
    OK(send_after(fixture.signal, (evlog_send_options){.unless_any = true, .after_seq = 1}));
    OK(send_after(fixture.other,
                  (evlog_send_options){.unless_types = types, .unless_type_count = 1}));
    OK(send_after(fixture.other, (evlog_send_options){.after_seq = 3, .unless_any = true}));
    FAILS(EVLOG_CONFLICT, "event 3 (" OTHER ")",
          send_after(fixture.signal, (evlog_send_options){.after_seq = 1,
                                                          .unless_types = types,
                                                          .unless_type_count = 1}));
    FAILS(EVLOG_CONFLICT, "event 4 (" OTHER ")",
          send_after(fixture.signal, (evlog_send_options){.after_seq = 3,
                                                          .unless_types = patterns,
                                                          .unless_type_count = 1}));
    OK(send_after(
        fixture.signal,
        (evlog_send_options){.after_seq = 4, .unless_types = patterns, .unless_type_count = 1}));
    assert_int_equal(head(&fixture), 5);
    OK(evlog_close(fixture.log));
}

/* A send that is repeated is not in its own way. */
static void a_repeated_send_is_not_in_its_own_way(void **state)
{
    struct fixture fixture;
    evlog_sent sent;
    begin(&fixture, *state);
    for (int round = 0; round < 2; round++) {
        OK(send_id(fixture.signal, 9, (evlog_send_options){.unless_any = true}, &sent));
        assert_int_equal(sent.seq, 1);
        assert_int_equal(sent.was_there, round);
        evlog_sent_free(&sent);
    }
    FAILS(EVLOG_CONFLICT, "event 1 (",
          send_id(fixture.signal, 10, (evlog_send_options){.unless_any = true}, NULL));
    OK(evlog_close(fixture.log));
}

/* Conditions that cannot be asked. */
static void bad_conditions_are_refused(void **state)
{
    static const char *const bad[] = {"a*b"};
    struct fixture fixture;
    begin(&fixture, *state);
    OK(send_after(fixture.signal, (evlog_send_options){.after_seq = 0}));
    FAILS(EVLOG_INVALID, "no id",
          send_after(fixture.signal, (evlog_send_options){.unless_id = true}));
    FAILS(EVLOG_INVALID, "no condition",
          send_after(fixture.signal, (evlog_send_options){.after_seq = 1}));
    FAILS(EVLOG_INVALID, "a*b",
          send_after(fixture.signal,
                     (evlog_send_options){.unless_types = bad, .unless_type_count = 1}));
    FAILS(EVLOG_CONFLICT, "the log ends at event 1",
          send_after(fixture.signal, (evlog_send_options){.after_seq = 2, .unless_any = true}));
    FAILS(EVLOG_CONFLICT, "the log ends at event 1",
          send_id(fixture.signal, 1, (evlog_send_options){.after_seq = 2}, NULL));
    assert_int_equal(head(&fixture), 1);
    OK(evlog_close(fixture.log));
}

/* ---------------------------------------------------------------- groups ---- */

struct sender {
    struct fixture *fixture;
    unsigned number;
    pthread_barrier_t *barrier;
    pthread_t thread;
    unsigned won;
    int result;
};

/*
 * In each round the threads send with one condition while the commit of another send is under way: they
 * share the next one.
 */
static void *race_in_a_group(void *ctx)
{
    static const char *const types[] = {TYPE};
    struct sender *sender = ctx;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        unsigned before = begun;
        pthread_barrier_wait(sender->barrier);
        if (sender->number == 0) {
            sender->result = send_after(sender->fixture->other, (evlog_send_options){0});
        } else {
            while (begun == before)
                sched_yield();
            int result =
                send_after(sender->fixture->signal, (evlog_send_options){.after_seq = 2 * round,
                                                                         .unless_types = types,
                                                                         .unless_type_count = 1});
            sender->won += result == EVLOG_OK;
            if (result != EVLOG_OK && result != EVLOG_CONFLICT)
                sender->result = result;
        }
        pthread_barrier_wait(sender->barrier);
    }
    return NULL;
}

/* Each thread sends the same batches; half of the threads one by one. */
static void *race_with_ids(void *ctx)
{
    struct sender *sender = ctx;
    for (uint64_t round = 0; round < ROUNDS && sender->result == EVLOG_OK; round++) {
        evlog_metadata metadata[BATCH];
        evlog_sending sends[BATCH];
        for (size_t i = 0; i < BATCH; i++) {
            metadata[i] = numbered(round * BATCH + i);
            sends[i] =
                (evlog_sending){sender->fixture->signal, "\x80", 1, .metadata = &metadata[i]};
        }
        pthread_barrier_wait(sender->barrier);
        if (sender->number % 2)
            sender->result =
                evlog_send_events(sends, BATCH, &(evlog_send_options){.unless_id = true}, NULL);
        for (uint64_t i = 0; i < BATCH && sender->number % 2 == 0 && !sender->result; i++)
            sender->result = send_id(sender->fixture->signal, round * BATCH + i,
                                     (evlog_send_options){.after_seq = 0}, NULL);
    }
    return NULL;
}

static unsigned race(struct fixture *fixture, void *(*run)(void *))
{
    struct sender senders[THREADS];
    pthread_barrier_t barrier;
    unsigned won = 0;
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (unsigned i = 0; i < THREADS; i++) {
        senders[i] = (struct sender){.fixture = fixture, .number = i, .barrier = &barrier};
        assert_int_equal(pthread_create(&senders[i].thread, NULL, run, &senders[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(senders[i].thread, NULL);
        assert_int_equal(senders[i].result, EVLOG_OK);
        won += senders[i].won;
    }
    pthread_barrier_destroy(&barrier);
    return won;
}

/* Of the sends that share a commit one has no other in its way. */
static void one_of_a_group_is_first(void **state)
{
    struct fixture fixture;
    begin_as(&fixture, *state, EVLOG_DURABLE);
    commits = 0;
    commit_us = 3000;
    assert_int_equal(race(&fixture, race_in_a_group), ROUNDS);
    commit_us = 0;
    assert_int_equal(head(&fixture), 2 * ROUNDS);
    assert_int_equal(commits,
                     2 * ROUNDS); /* nothing is written for a group of which nothing is left */
    OK(evlog_verify(fixture.log, NULL, NULL, NULL));
    OK(evlog_close(fixture.log));
}

/* The same ids in the requests of one group are appended once. */
static void a_group_appends_an_id_once(void **state)
{
    struct fixture fixture;
    begin_as(&fixture, *state, EVLOG_DURABLE);
    commit_us = 1000;
    race(&fixture, race_with_ids);
    commit_us = 0;
    assert_int_equal(head(&fixture), ROUNDS * BATCH);
    assert_int_equal(fixture.heard, ROUNDS * BATCH);
    OK(evlog_verify(fixture.log, NULL, NULL, NULL));
    OK(evlog_close(fixture.log));
}

static void *send_under_failure(void *ctx)
{
    struct sender *sender = ctx;
    pthread_barrier_wait(sender->barrier);
    sender->result =
        send_after(sender->fixture->signal, (evlog_send_options){.unless_any = true});
    return NULL;
}

/*
 * When the commit of a group fails, the one that was in the way is not in the log: nobody hears of a
 * conflict with it.
 */
static void a_conflict_with_what_failed_is_none(void **state)
{
    struct fixture fixture;
    struct sender senders[THREADS];
    pthread_barrier_t barrier;
    begin(&fixture, *state);
    pthread_barrier_init(&barrier, NULL, THREADS);
    commit_us = 5000;
    is_failing = true;
    for (unsigned i = 0; i < THREADS; i++) {
        senders[i] = (struct sender){.fixture = &fixture, .barrier = &barrier};
        pthread_create(&senders[i].thread, NULL, send_under_failure, &senders[i]);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(senders[i].thread, NULL);
        assert_int_equal(senders[i].result, EVLOG_FULL);
    }
    is_failing = false;
    commit_us = 0;
    pthread_barrier_destroy(&barrier);
    OK(send_after(fixture.signal, (evlog_send_options){.unless_any = true}));
    assert_int_equal(head(&fixture), 1);
    OK(evlog_close(fixture.log));
}

/* ------------------------------------------------------- what is not there ---- */

/* A log that has the ids 1 to 9, and is not open. */
static void make_nine(const void *home, char path[4200])
{
    struct fixture fixture;
    snprintf(path, 4200, "%s", in(home, "log"));
    begin_as(&fixture, home, EVLOG_DURABLE);
    for (uint64_t i = 1; i <= 9; i++)
        OK(send_id(fixture.signal, i, (evlog_send_options){.after_seq = 0}, NULL));
    OK(evlog_close(fixture.log));
}

/* Whether something was among events that were trimmed is not known; of all there is, it is. */
static void what_was_trimmed_decides_nothing(void **state)
{
    struct fixture fixture;
    char path[4200];
    make_nine(*state, path);
    raise_floor(path, 4);
    delete_events(path, 4);
    begin_as(&fixture, *state, EVLOG_DURABLE);
    FAILS(EVLOG_NOTFOUND, "events 3 to 4 are not in the log any more",
          send_id(fixture.signal, 6, (evlog_send_options){.unless_id = true, .after_seq = 2},
                  NULL));
    assert_int_equal(head(&fixture), 9);
    OK(send_id(fixture.signal, 6, (evlog_send_options){.unless_id = true, .after_seq = 4}, NULL));
    OK(send_id(fixture.signal, 6, (evlog_send_options){.unless_id = true}, NULL));
    assert_int_equal(head(&fixture), 9);
    OK(evlog_close(fixture.log));
}

/* Events that are missing, and were not trimmed, may be what is looked for. */
static void what_is_missing_decides_nothing(void **state)
{
    struct fixture fixture;
    char path[4200];
    make_nine(*state, path);
    delete_events(path, 4);
    begin_as(&fixture, *state, EVLOG_DURABLE);
    for (uint64_t after = 0; after < 4; after++)
        FAILS(EVLOG_DAMAGED, "are missing",
              send_id(fixture.signal, 2,
                      (evlog_send_options){.unless_id = true, .after_seq = after}, NULL));
    OK(send_id(fixture.signal, 6, (evlog_send_options){.unless_id = true, .after_seq = 4}, NULL));
    assert_int_equal(head(&fixture), 9);
    OK(evlog_close(fixture.log));
}

/* ------------------------------------------------------------- processes ---- */

#define EVENTS 4000

/* A child that relays: it notes the head, sends numbered batches, and begins anew where it noted. */
static void relay(const char *path, _Atomic uint64_t noted[2])
{
    struct fixture fixture = {.log = NULL};
    if (evlog_open(path, NULL, &fixture.log) ||
        evlog_define(fixture.log, TYPE, 0, NULL, &fixture.signal))
        die("opening", 0);
    while (noted[1] < EVENTS) {
        evlog_metadata metadata[BATCH];
        evlog_sending sends[BATCH];
        evlog_info info;
        for (size_t i = 0; i < BATCH; i++) {
            metadata[i] = numbered(noted[1] + i);
            sends[i] = (evlog_sending){fixture.signal, "\x80", 1, .metadata = &metadata[i]};
        }
        if (evlog_send_events(sends, BATCH,
                              &(evlog_send_options){.unless_id = true, .after_seq = noted[0]},
                              NULL) ||
            evlog_inspect(fixture.log, &info))
            die("sending", noted[1]);
        /* As in one write of a file: the events first, so that a kill between repeats a batch. */
        noted[1] += BATCH;
        noted[0] = info.last_seq;
    }
    if (evlog_close(fixture.log))
        die("closing", 0);
    _exit(0);
}

/* A child that is killed again and again: each event is there once. */
static void after_kills_each_event_is_there_once(void **state)
{
    struct fixture fixture;
    _Atomic uint64_t *noted = map_shared(2 * sizeof *noted);
    unsigned char *seen = calloc(EVENTS, 1);
    const char *path = in(*state, "log");
    unsigned kills = 0;
    int status;
    pid_t pid = start_process();
    if (pid == 0)
        relay(path, noted);
    do {
        usleep(3000 + (kills * 7919) % 20000);
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status))
            break;
        kills++;
        pid = start_process();
        if (pid == 0)
            relay(path, noted);
    } while (kills < 200);
    if (kills == 200)
        expect_end(&pid, 1);
    else
        assert_int_equal(status, 0);
    begin_as(&fixture, *state, EVLOG_DURABILITY_DEFAULT);
    assert_int_equal(head(&fixture), EVENTS);
    for (uint64_t seq = 1; seq <= EVENTS; seq++) {
        evlog_event *event;
        uint64_t number;
        OK(evlog_read(fixture.log, seq, &event));
        memcpy(&number, event->id + 8, sizeof number);
        assert_true(number < EVENTS && !seen[number]);
        seen[number] = 1;
        evlog_event_free(event);
    }
    OK(evlog_verify(fixture.log, NULL, NULL, NULL));
    OK(evlog_close(fixture.log));
    free(seen);
}

/* A process that counts up, by what it has read: an event is sent only at the head it was read at. */
static void count_up(const char *path, evlog_durability durability)
{
    struct fixture fixture = {.log = NULL};
    uint64_t last_seq;
    if (evlog_open(path, &(evlog_options){.durability = durability}, &fixture.log) ||
        evlog_define(fixture.log, TYPE, 0, NULL, &fixture.signal))
        die("opening", 0);
    for (unsigned won = 0; won < 100;) {
        unsigned char data[12] = "\x81\xa1n\xcf";
        if (evlog_wait(fixture.log, 0, 0, &last_seq))
            die("looking", 0);
        memcpy(data + 4, &last_seq, sizeof last_seq);
        int result = evlog_send_event(
            fixture.signal, data, sizeof data,
            &(evlog_send_options){.after_seq = last_seq, .unless_any = true}, NULL);
        if (result && result != EVLOG_CONFLICT)
            die("sending", last_seq);
        won += result == EVLOG_OK;
    }
    if (evlog_close(fixture.log))
        die("closing", 0);
    _exit(0);
}

/* Four processes decide by the head: each event was decided at the one before it. */
static void processes_decide_by_the_head(void **state)
{
    struct fixture fixture;
    pid_t pids[4];
    begin(&fixture, *state);
    OK(evlog_close(fixture.log));
    for (size_t i = 0; i < 4; i++) {
        pids[i] = start_process();
        if (pids[i] == 0)
            count_up(in(*state, "log"), EVLOG_FAST);
    }
    expect_end(pids, 4);
    begin(&fixture, *state);
    assert_int_equal(head(&fixture), 400);
    for (uint64_t seq = 1; seq <= 400; seq++) {
        evlog_event *event;
        uint64_t decided_at;
        OK(evlog_read(fixture.log, seq, &event));
        memcpy(&decided_at, (const char *)event->data + 4, sizeof decided_at);
        assert_int_equal(decided_at, seq - 1);
        evlog_event_free(event);
    }
    OK(evlog_close(fixture.log));
}

/* A look far back keeps no other sender waiting: only what has come meanwhile is read with the lock. */
static void a_long_look_is_without_the_lock(void **state)
{
    struct fixture fixture;
    evlog_sent sent;
    begin(&fixture, *state);
    for (uint64_t i = 1; i <= 200; i++)
        OK(send_id(fixture.signal, i, (evlog_send_options){.after_seq = i - 1}, NULL));
    read_in_commit = 0;
    OK(send_id(fixture.signal, 7, (evlog_send_options){.after_seq = 0}, &sent));
    assert_true(sent.was_there);
    assert_int_equal(sent.seq, 7);
    evlog_sent_free(&sent);
    OK(send_id(fixture.signal, 201, (evlog_send_options){.after_seq = 0}, NULL));
    FAILS(EVLOG_CONFLICT, "event 101 (",
          send_after(fixture.signal, (evlog_send_options){.after_seq = 100, .unless_any = true}));
    assert_in_range(read_in_commit, 0, 3);
    OK(evlog_close(fixture.log));
}

/* That an event is there is not reported of files that are not the log's any more. */
static void what_is_in_a_deleted_file_is_not_there(void **state)
{
    struct fixture fixture;
    begin_as(&fixture, *state, EVLOG_DURABLE);
    OK(send_id(fixture.signal, 1, (evlog_send_options){.after_seq = 0}, NULL));
    assert_int_equal(unlink(in(*state, "log/events.mdb")), 0);
    FAILS(EVLOG_IO, "events.mdb",
          send_id(fixture.signal, 1, (evlog_send_options){.after_seq = 0}, NULL));
    evlog_close(fixture.log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(an_id_is_appended_once),
        TEST_AT_HOME(the_look_begins_after_the_seq),
        TEST_AT_HOME(a_batch_adds_what_is_missing),
        TEST_AT_HOME(what_is_in_the_way_is_named),
        TEST_AT_HOME(a_repeated_send_is_not_in_its_own_way),
        TEST_AT_HOME(bad_conditions_are_refused),
        TEST_AT_HOME(one_of_a_group_is_first),
        TEST_AT_HOME(a_group_appends_an_id_once),
        TEST_AT_HOME(a_conflict_with_what_failed_is_none),
        TEST_AT_HOME(a_long_look_is_without_the_lock),
        TEST_AT_HOME(what_is_in_a_deleted_file_is_not_there),
        TEST_AT_HOME(what_was_trimmed_decides_nothing),
        TEST_AT_HOME(what_is_missing_decides_nothing),
        TEST_AT_HOME(after_kills_each_event_is_there_once),
        TEST_AT_HOME(processes_decide_by_the_head),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
