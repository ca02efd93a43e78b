/*
 * An environment among others: signals that interrupt it, readers that take all its
 * slots, and the size that it may have.
 */
#include <errno.h>
#include <evlog/upkeep.h>
#include <lmdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "child.h"
#include "env.h"
#include "load.h"

static int hear(const evlog_event *event, void *ctx)
{
    struct load load;
    ++*(unsigned *)ctx;
    return load_known(event, &load) ? 0 : evlog_fail("it is not as it was sent");
}

static uint64_t head(evlog *log)
{
    evlog_info info;
    OK(evlog_inspect(log, &info));
    return info.last_seq;
}

/* One event, whose data follow from `number`. */
static int send_number(evlog_signal *signal, uint64_t number)
{
    unsigned char data[LOAD_SIZE_MAX];
    size_t size = load_make((struct load){.number = number, .count = 1}, data);
    return evlog_send_event(signal, data, size, NULL, NULL);
}

/* ------------------------------------------------------------ interrupted ---- */

#define SENDERS 4
#define REPLAYERS 2
#define SENDS 150
#define ALARM_US 300

static _Atomic unsigned alarms;
static atomic_int sending;

static void count_alarm(int signal_number)
{
    (void)signal_number;
    alarms++;
}

/* An alarm every so many microseconds, without SA_RESTART; 0: no more. */
static void set_alarms(suseconds_t us)
{
    struct sigaction action = {.sa_handler = count_alarm};
    struct itimerval timer = {.it_interval.tv_usec = us, .it_value.tv_usec = us};
    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &timer, NULL), 0);
}

struct worker {
    evlog *log;
    evlog_signal *signal;
    uint64_t base;
    int result;
    char message[256];
    pthread_t thread;
};

static void note(struct worker *worker, int result)
{
    if (result && !worker->result) {
        worker->result = result;
        snprintf(worker->message, sizeof worker->message, "%s", evlog_errmsg());
    }
}

static void *send_all(void *ctx)
{
    struct worker *worker = ctx;
    for (uint64_t i = 0; i < SENDS; i++)
        note(worker, send_number(worker->signal, worker->base + i));
    sending--;
    return NULL;
}

static void *replay_all(void *ctx)
{
    struct worker *worker = ctx;
    do {
        unsigned heard = 0;
        note(worker, evlog_replay(worker->log, NULL, hear, &heard, NULL));
        note(worker, evlog_verify(worker->log, NULL, NULL, NULL));
    } while (sending);
    return NULL;
}

static void run_interrupted(const void *home, int durability)
{
    struct worker workers[SENDERS + REPLAYERS];
    evlog *log;
    evlog_options options = {.durability = durability, .flush_every_ms = 1};
    alarms = 0;
    sending = SENDERS;
    set_alarms(ALARM_US);
    for (uint64_t i = 0; i < 20; i++) {
        OK(evlog_open(in(home, "log"), &options, &log));
        OK(evlog_close(log));
    }
    OK(evlog_open(in(home, "log"), &options, &log));
    for (uint64_t i = 0; i < SENDERS + REPLAYERS; i++) {
        workers[i] = (struct worker){.log = log, .base = i << 32};
        OK(evlog_define(log, LOAD_TYPE, 0, NULL, &workers[i].signal));
    }
    for (int i = 0; i < SENDERS + REPLAYERS; i++)
        assert_int_equal(pthread_create(&workers[i].thread, NULL,
                                        i < SENDERS ? send_all : replay_all, &workers[i]),
                         0);
    for (int i = 0; i < SENDERS + REPLAYERS; i++)
        pthread_join(workers[i].thread, NULL);
    OK(evlog_sync(log));
    OK(evlog_close(log));
    set_alarms(0);
    for (int i = 0; i < SENDERS + REPLAYERS; i++)
        if (workers[i].result)
            fail_msg("thread %d: %d (%s)", i, workers[i].result, workers[i].message);
    printf("%u alarms\n", alarms);
    assert_true(alarms > 20);
    OK(evlog_open(in(home, "log"), NULL, &log));
    OK(evlog_verify(log, NULL, NULL, NULL));
    assert_int_equal(head(log), SENDERS * SENDS);
    OK(evlog_close(log));
}

/* Signals that interrupt every call there is are nobody's failure. */
static void alarms_do_no_harm(void **state)
{
    run_interrupted(*state, EVLOG_DURABLE);
}

/* Nor in a fast log. */
static void alarms_do_no_harm_to_a_fast_log(void **state)
{
    run_interrupted(*state, EVLOG_FAST);
}

/* --------------------------------------------------------- many readers ---- */

#define SLOTS 5

struct hoarder {
    const char *file;
    int wanted;             /* slots; 0: all */
    int ready[2], leave[2]; /* pipes */
};

/* Takes all slots, with liblmdb itself: no reader of evlog holds one for longer than a moment. */
static void hoard(void *ctx)
{
    struct hoarder *hoarder = ctx;
    MDB_env *env;
    MDB_txn *txns[SLOTS + 1];
    char byte;
    int count = 0, rc;
    CHECK(mdb_env_create(&env) == MDB_SUCCESS);
    CHECK(mdb_env_open(env, hoarder->file, MDB_NOSUBDIR | MDB_NOTLS | MDB_RDONLY, 0600) ==
          MDB_SUCCESS);
    while ((rc = mdb_txn_begin(env, NULL, MDB_RDONLY, &txns[count])) == MDB_SUCCESS &&
           ++count != hoarder->wanted)
        CHECK(count <= SLOTS);
    CHECK(hoarder->wanted ? rc == MDB_SUCCESS : rc == MDB_READERS_FULL && count == SLOTS);
    CHECK(write(hoarder->ready[1], "", 1) == 1);
    CHECK(read(hoarder->leave[0], &byte, 1) == 1);
    while (count > 0)
        mdb_txn_abort(txns[--count]);
    mdb_env_close(env);
}

static pid_t start_hoarder(struct hoarder *hoarder, const void *home)
{
    char byte;
    hoarder->file = in(home, "log/events.mdb");
    assert_int_equal(pipe(hoarder->ready), 0);
    assert_int_equal(pipe(hoarder->leave), 0);
    pid_t pid = child_start(hoard, hoarder);
    close(hoarder->ready[1]); /* now the child's only: when it dies, nobody waits */
    assert_int_equal(read(hoarder->ready[0], &byte, 1), 1);
    close(hoarder->ready[0]);
    return pid;
}

static void end_hoarder(struct hoarder *hoarder)
{
    close(hoarder->leave[0]);
    close(hoarder->leave[1]);
}

static evlog *open_with_few_slots(const void *home, evlog_signal **signal)
{
    evlog *log;
    evlog_options options = {.durability = EVLOG_FAST, .readers_max = SLOTS};
    OK(evlog_open(in(home, "log"), &options, &log));
    OK(evlog_define(log, LOAD_TYPE, 0, NULL, signal));
    OK(send_number(*signal, 1));
    return log;
}

/* All slots taken: readers get EVLOG_BUSY and a name, senders are not held up; later all is well. */
static void no_slot_is_busy(void **state)
{
    char words[80];
    struct hoarder hoarder = {.wanted = 0};
    evlog_signal *signal;
    evlog_event *event = NULL;
    evlog_info info;
    unsigned heard = 0;
    evlog *log = open_with_few_slots(*state, &signal);
    pid_t pid = start_hoarder(&hoarder, *state);
    snprintf(words, sizeof words, "all %d reader slots are taken, the oldest by process %d;",
             SLOTS, (int)pid);
    FAILS(EVLOG_BUSY, words, evlog_read(log, 1, &event));
    FAILS(EVLOG_BUSY, words, evlog_replay(log, NULL, hear, &heard, NULL));
    FAILS(EVLOG_BUSY, words, evlog_inspect(log, &info));
    FAILS(EVLOG_BUSY, words, evlog_verify(log, NULL, NULL, NULL));
    assert_true(!event && heard == 0);
    for (uint64_t i = 2; i <= 50; i++)
        OK(send_number(signal, i));
    assert_int_equal(write(hoarder.leave[1], "", 1), 1);
    assert_int_equal(child_wait(pid), 0);
    end_hoarder(&hoarder);
    OK(evlog_replay(log, NULL, hear, &heard, NULL));
    assert_int_equal(heard, 50);
    OK(evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_close(log));
}

struct seen {
    pid_t pid;
    unsigned count;
    uint64_t behind_count, held_size, last_seq;
    int64_t last_log_time_us;
};

static int see_reader(const evlog_reader *reader, void *ctx)
{
    struct seen *seen = ctx;
    assert_string_equal(reader->file, "events.mdb");
    assert_int_equal(reader->pid, seen->pid);
    seen->behind_count = reader->behind_count;
    seen->held_size = reader->held_size;
    seen->last_seq = reader->last_seq;
    seen->last_log_time_us = reader->last_log_time_us;
    return ++seen->count == SLOTS ? 7 : 0;
}

/* A process that holds a snapshot is named, and how many commits it is behind. */
static void a_reader_that_is_held_up_is_named(void **state)
{
    struct hoarder hoarder = {.wanted = 0};
    evlog_signal *signal;
    evlog *log = open_with_few_slots(*state, &signal);
    struct seen seen = {.pid = start_hoarder(&hoarder, *state)};
    for (uint64_t i = 2; i <= 50; i++)
        OK(send_number(signal, i));
    assert_int_equal(evlog_each_reader(log, see_reader, &seen), 7);
    assert_int_equal(seen.behind_count, 49);
    assert_int_equal(seen.last_seq, 1);
    assert_in_range(seen.held_size, 49 * 4096, 49 * 6 * 4096); /* some pages for each commit */
    assert_int_equal(kill(seen.pid, SIGKILL), 0);
    assert_int_equal(child_wait(seen.pid), 128 + SIGKILL);
    end_hoarder(&hoarder);
    seen.count = 0;
    OK(evlog_each_reader(log, see_reader, &seen));
    assert_int_equal(seen.count, 0);
    OK(evlog_close(log));
}

/*
 * A reader is said to have the event as its newest that was so when it began, and when that was logged,
 * whatever was committed next.
 */
static void check_newest(const char *path, unsigned before, unsigned trimmed)
{
    struct hoarder hoarder = {.wanted = 1};
    struct seen seen = {.count = SLOTS - 1};
    evlog_signal *signal;
    evlog_event *event;
    evlog_trimmed done;
    assert_int_equal(mkdir(path, 0700), 0);
    evlog *log = open_with_few_slots(path, &signal);
    for (uint64_t i = 2; i <= before; i++)
        OK(send_number(signal, i));
    seen.pid = start_hoarder(&hoarder, path);
    if (trimmed)
        OK(evlog_trim(log, trimmed, NULL, &done));
    for (unsigned i = 1; i <= 150; i++)
        OK(send_number(signal, i));
    assert_int_equal(evlog_each_reader(log, see_reader, &seen), 7);
    assert_int_equal(seen.last_seq, before);
    OK(evlog_read(log, before, &event));
    assert_int_equal(seen.last_log_time_us, event->log_time_us);
    evlog_event_free(event);
    assert_int_equal(kill(seen.pid, SIGKILL), 0);
    assert_int_equal(child_wait(seen.pid), 128 + SIGKILL);
    end_hoarder(&hoarder);
    OK(evlog_close(log));
}

static void a_held_up_readers_newest_event_is_known(void **state)
{
    check_newest(in(*state, "one"), 1, 0);
    check_newest(in(*state, "few"), 20, 0);
    check_newest(in(*state, "many"), 3000, 0);
    check_newest(in(*state, "trimmed"), 3000, 1500);
}

/* A reader that was killed has no slot any more: the next one to find none clears them. */
static void the_dead_hold_no_slot(void **state)
{
    struct hoarder hoarder = {.wanted = 0};
    evlog_signal *signal;
    unsigned heard = 0;
    evlog *log = open_with_few_slots(*state, &signal);
    for (int i = 0; i < 3; i++) {
        pid_t pid = start_hoarder(&hoarder, *state);
        kill(pid, SIGKILL);
        assert_int_equal(child_wait(pid), 128 + SIGKILL);
        end_hoarder(&hoarder);
        OK(evlog_replay(log, NULL, hear, &heard, NULL));
    }
    assert_int_equal(heard, 3);
    OK(evlog_close(log));
}

/* ----------------------------------------------------------------- size ---- */

#define LOG_SIZE ((uint64_t)1 << 20)

/* Sends until there is no room: what was sent is there, and no more; its number. */
static uint64_t fill(evlog *log, evlog_signal *signal, uint64_t number, uint64_t most)
{
    evlog_info info;
    int result;
    while ((result = send_number(signal, number)) == EVLOG_OK)
        number++;
    assert_int_equal(result, EVLOG_FULL);
    assert_non_null(strstr(evlog_errmsg(), "log_size_max"));
    OK(evlog_inspect(log, &info));
    assert_int_equal(info.last_seq, number);
    assert_true(info.file_size <= most);
    OK(evlog_verify(log, NULL, NULL, NULL));
    return number;
}

static void fill_to_the_limit(const void *home, int durability)
{
    evlog *log;
    evlog_signal *signal;
    static evlog_sending sends[3000];
    unsigned heard = 0;
    uint64_t number = 0;
    for (uint64_t size = LOG_SIZE; size <= 3 * LOG_SIZE; size += LOG_SIZE) {
        evlog_options options = {.durability = durability, .log_size_max = size};
        OK(evlog_open(in(home, "log"), &options, &log));
        OK(evlog_define(log, LOAD_TYPE, 0, NULL, &signal));
        OK(evlog_connect(log, signal, NULL, hear, &heard, NULL));
        uint64_t before = number;
        number = fill(log, signal, number, size);
        assert_true(number > before);
        assert_int_equal(heard, number);
        for (size_t i = 0; i < 3000; i++)
            sends[i] = (evlog_sending){.signal = signal, .data = "\x80", .data_size = 1};
        FAILS(EVLOG_FULL, "log_size_max", evlog_send_events(sends, 3000, NULL, NULL));
        assert_int_equal(heard, number);
        assert_int_equal(fill(log, signal, number, size), number);
        OK(evlog_close(log));
    }
    OK(evlog_open(in(home, "log"), NULL, &log)); /* and with no limit it goes on */
    OK(evlog_define(log, LOAD_TYPE, 0, NULL, &signal));
    for (int i = 0; i < 1000; i++)
        OK(send_number(signal, number++));
    assert_int_equal(head(log), number);
    OK(evlog_close(log));
}

/* log_size_max is the file's size: EVLOG_FULL there, and on after opening with more. */
static void a_log_keeps_to_its_size(void **state)
{
    fill_to_the_limit(*state, EVLOG_DURABLE);
}

/* A fast log too. */
static void a_fast_log_keeps_to_its_size(void **state)
{
    fill_to_the_limit(*state, EVLOG_FAST);
}

/* A limit that leaves no room at all is a log that is full from the beginning. */
static void a_tiny_log_is_full(void **state)
{
    static const uint64_t sizes[] = {1, 4096, 8192, 12288};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        evlog *log;
        evlog_signal *signal;
        char name[16];
        snprintf(name, sizeof name, "log%zu", i);
        OK(evlog_open(in(*state, name), &(evlog_options){.log_size_max = sizes[i]}, &log));
        OK(evlog_define(log, LOAD_TYPE, 0, NULL, &signal));
        int result;
        while ((result = send_number(signal, head(log))) == EVLOG_OK)
            ;
        assert_int_equal(result, EVLOG_FULL);
        OK(evlog_verify(log, NULL, NULL, NULL));
        OK(evlog_close(log));
    }
}

/* ------------------------------------------------------ in a transaction ---- */

#define PUTS 100

static _Atomic unsigned meta_reads; /* of meta page 0 */
static atomic_int failing;          /* mdb_cursor_get, with this code */

ssize_t __real_pread(int fd, void *bytes, size_t size, off_t offset);
ssize_t __wrap_pread(int fd, void *bytes, size_t size, off_t offset);

ssize_t __wrap_pread(int fd, void *bytes, size_t size, off_t offset)
{
    meta_reads += offset == 0;
    return __real_pread(fd, bytes, size, offset);
}

int __real_mdb_cursor_get(MDB_cursor *cursor, MDB_val *key, MDB_val *data, MDB_cursor_op op);
int __wrap_mdb_cursor_get(MDB_cursor *cursor, MDB_val *key, MDB_val *data, MDB_cursor_op op);

int __wrap_mdb_cursor_get(MDB_cursor *cursor, MDB_val *key, MDB_val *data, MDB_cursor_op op)
{
    return failing ? failing : __real_mdb_cursor_get(cursor, key, data, op);
}

static struct env *make_env(const void *home)
{
    static const struct env_options options = {.create = 1, .readers_max = 4};
    struct env *env;
    OK(env_open(in(home, "one.mdb"), &options, &env));
    return env;
}

/* Puts keys; `*ctx`: how many of them were new. */
static int put_many(struct env *env, void *ctx)
{
    unsigned *new_count = ctx;
    *new_count = 0;
    for (unsigned i = 0; i < PUTS; i++) {
        bool is_new;
        int result = env_put(env, &i, sizeof i, "value", 5, &is_new);
        if (result)
            return result;
        *new_count += is_new;
    }
    return EVLOG_OK;
}

/* However many keys a transaction puts, the meta pages are read once for its base. */
static void a_transaction_reads_one_base(void **state)
{
    unsigned new_count;
    struct env *env = make_env(*state);
    OK(env_write(env, ENV_FLUSH_ALL, 4096, put_many, &new_count));
    assert_int_equal(new_count, PUTS);
    unsigned before = meta_reads;
    OK(env_write(env, ENV_FLUSH_ALL, 4096, put_many, &new_count));
    assert_int_equal(new_count, 0);
    assert_in_range(meta_reads - before, 1, 2); /* twice, until both are the same */
    env_close(env);
}

/* A look-up that fails is not taken for a key that was there: what counts keys would go wrong. */
static void a_failed_look_up_fails_the_put(void **state)
{
    unsigned new_count;
    struct env *env = make_env(*state);
    failing = MDB_CORRUPTED;
    FAILS(EVLOG_DAMAGED, "looking for a key",
          env_write(env, ENV_FLUSH_ALL, 4096, put_many, &new_count));
    failing = 0;
    OK(env_write(env, ENV_FLUSH_ALL, 4096, put_many, &new_count));
    assert_int_equal(new_count, PUTS);
    env_close(env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(alarms_do_no_harm),
        TEST_AT_HOME(alarms_do_no_harm_to_a_fast_log),
        TEST_AT_HOME(no_slot_is_busy),
        TEST_AT_HOME(a_reader_that_is_held_up_is_named),
        TEST_AT_HOME(a_held_up_readers_newest_event_is_known),
        TEST_AT_HOME(the_dead_hold_no_slot),
        TEST_AT_HOME(a_log_keeps_to_its_size),
        TEST_AT_HOME(a_fast_log_keeps_to_its_size),
        TEST_AT_HOME(a_tiny_log_is_full),
        TEST_AT_HOME(a_transaction_reads_one_base),
        TEST_AT_HOME(a_failed_look_up_fails_the_put),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
