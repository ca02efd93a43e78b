/*
 * Each failing call in turn: of each operation the first call of the system fails, then
 * the second, and so on until it gets through untouched; in each of the ways that the system has.
 *
 * After every failure: a code and a sentence, no receiver ran, and the log, opened
 * again, is exactly what it was, and takes events. No operation is half done: what
 * says it failed did nothing, what says EVLOG_OK did all.
 */
#include <limits.h>
#include <lmdb.h>

#include "load.h"

#include "faults.h"

#define EVENTS_MAX 4096
#define MANY 10
#define LARGE 12000
#define NONE UINT_MAX
#define TRIES_MAX 14 /* of an operation with a fault, unless FAULTS=all */

int __real_mdb_env_set_mapsize(MDB_env *env, size_t size);
int __wrap_mdb_env_set_mapsize(MDB_env *env, size_t size);

/*
 * The first map is small here: liblmdb makes it as large as the file, so that it is often full.
 */
int __wrap_mdb_env_set_mapsize(MDB_env *env, size_t size)
{
    return __real_mdb_env_set_mapsize(env, size == (size_t)64 << 20 ? 64 << 10 : size);
}

/* A log, and what must be in it. */
struct world {
    const char *path;
    evlog_options options;
    evlog *log;
    evlog_signal *signal;
    uint64_t numbers[EVENTS_MAX], next_number;
    size_t count;     /* of numbers */
    unsigned heard;   /* by the receiver */
    size_t delivered; /* by a replay */
    unsigned round;
    unsigned tried; /* events that a send had, whose outcome was open; 0: it is known */
};

static int hear(const evlog_event *event, void *ctx)
{
    struct world *world = ctx;
    (void)event;
    world->heard++;
    return 0;
}

static void open_world(struct world *world)
{
    OK(evlog_open(world->path, &world->options, &world->log));
    OK(evlog_define(world->log, LOAD_TYPE, 0, NULL, &world->signal));
    OK(evlog_connect(world->log, world->signal, NULL, hear, world, NULL));
}

static void close_world(struct world *world)
{
    int result = evlog_close(world->log); /* EVLOG_IO: there was one before */
    if (result && result != EVLOG_IO)
        fail_msg("closing: %d: %s", result, evlog_errmsg());
    world->log = NULL;
}

/* ------------------------------------------------------------ operations ---- */

static int make(struct world *world)
{
    return evlog_open(world->path, &world->options, &world->log);
}

static int define(struct world *world)
{
    char name[64];
    evlog_signal *signal;
    snprintf(name, sizeof name, "org.evlog.test.number%u.v1", world->round);
    return evlog_define(world->log, name, 0, NULL, &signal);
}

/* Events with the next numbers; their twin gets them when they are in the log. */
static int send(struct world *world, unsigned count, const evlog_metadata *metadata)
{
    static unsigned char data[MANY][LOAD_SIZE_MAX];
    evlog_sending sends[MANY];
    evlog_sent sent[MANY];
    for (unsigned i = 0; i < count; i++) {
        struct load load = {.number = world->next_number + i, .count = 1};
        sends[i] = (evlog_sending){.signal = world->signal,
                                   .data = data[i],
                                   .data_size = load_make(load, data[i]),
                                   .metadata = metadata};
    }
    int result = evlog_send_events(sends, count, NULL, sent);
    for (unsigned i = 0; result == EVLOG_OK && i < count; i++) {
        world->numbers[world->count++] = world->next_number++;
        evlog_sent_free(&sent[i]);
    }
    if (result == EVLOG_IO && strstr(evlog_errmsg(), "whether these events are in the log"))
        world->tried = count;
    return result;
}

static int send_one(struct world *world)
{
    return send(world, 1, NULL);
}

/* Also the very first commit to each of its files. */
static int make_and_send(struct world *world)
{
    int result = make(world);
    if (result == EVLOG_OK)
        result = evlog_define(world->log, LOAD_TYPE, 0, NULL, &world->signal);
    if (result == EVLOG_OK)
        result = evlog_connect(world->log, world->signal, NULL, hear, world, NULL);
    return result ? result : send_one(world);
}

static int send_many(struct world *world)
{
    return send(world, MANY, NULL);
}

/* One that wants pages of its own, which the map, as large as the file, has no room for. */
static int send_large(struct world *world)
{
    unsigned char data[LOAD_SIZE_MAX];
    while (load_make((struct load){.number = world->next_number, .count = 1}, data) < LARGE)
        world->next_number++;
    return send(world, 1, NULL);
}

/* From a source that the log does not know yet. */
static int send_from_elsewhere(struct world *world)
{
    char host[64];
    snprintf(host, sizeof host, "host%u", world->round);
    return send(world, 1, &(evlog_metadata){.sourcehost = host});
}

static int check_event(const evlog_event *event, void *ctx)
{
    struct world *world = ctx;
    struct load load;
    if (event->seq != world->delivered + 1 || !load_known(event, &load) ||
        load.number != world->numbers[world->delivered])
        return evlog_fail("it is not what was sent");
    world->delivered++;
    return 0;
}

static int replay(struct world *world)
{
    evlog_outcome outcome;
    world->delivered = 0;
    int result = evlog_replay(world->log, NULL, check_event, world, &outcome);
    assert_int_not_equal(result, EVLOG_RECEIVER);
    assert_int_equal(outcome.delivered, world->delivered);
    if (result == EVLOG_OK)
        assert_int_equal(world->delivered, world->count);
    return result;
}

/* Opened to be read, with locks or without, whatever can be had. */
static int open_to_read(struct world *world)
{
    int result = evlog_open(world->path, &(evlog_options){.read_only = 1}, &world->log);
    if (result)
        return result;
    result = replay(world);
    int closed = evlog_close(world->log);
    world->log = NULL;
    return result ? result : closed;
}

static int replay_backwards(struct world *world)
{
    evlog_outcome outcome;
    unsigned heard = world->heard;
    evlog_range range = {.newest_first = 1, .since_us = 1};
    int result = evlog_replay(world->log, &range, hear, world, &outcome);
    assert_int_equal(outcome.delivered, world->heard - heard);
    if (result == EVLOG_OK)
        assert_int_equal(world->heard - heard, world->count);
    world->heard = heard;
    return result;
}

static int look(struct world *world)
{
    evlog_info info;
    evlog_event *event;
    int result = evlog_inspect(world->log, &info);
    if (result == EVLOG_OK)
        assert_int_equal(info.last_seq, world->count);
    if (result == EVLOG_OK)
        result = evlog_read(world->log, world->count, &event);
    if (result == EVLOG_OK) {
        assert_int_equal(event->seq, world->count);
        evlog_event_free(event);
    }
    return result;
}

/* A verification that meets a failing disk may call it damage, but not all is well. */
static int verify(struct world *world)
{
    uint64_t checked = 0;
    int result = evlog_verify(world->log, NULL, NULL, &checked);
    if (result == EVLOG_OK)
        assert_int_equal(checked, world->count);
    return result;
}

static int define_with_schema(struct world *world)
{
    static const char schema[] = "{\"type\":\"record\",\"name\":\"E\",\"fields\":"
                                 "[{\"name\":\"n\",\"type\":\"long\"}]}";
    char name[64];
    evlog_signal *signal;
    snprintf(name, sizeof name, "org.evlog.test.schema%u.v1", world->round);
    return evlog_define(world->log, name, 0, schema, &signal);
}

/* Hears the history, and is disconnected again. */
static int connect_late(struct world *world)
{
    evlog_outcome outcome;
    evlog_connect_options options = {.start = EVLOG_START_FIRST, .outcome = &outcome};
    world->delivered = 0;
    int result = evlog_connect(world->log, world->signal, "late", check_event, world, &options);
    assert_int_equal(outcome.delivered, world->delivered);
    if (result)
        return result;
    assert_int_equal(world->delivered, world->count);
    result = evlog_disconnect(world->log, world->signal, "late", NULL, NULL);
    if (result && fault_end()) /* it is connected still */
        OK(evlog_disconnect(world->log, world->signal, "late", NULL, NULL));
    return result;
}

static int add_count(const evlog_type_count *count, void *ctx)
{
    *(uint64_t *)ctx += count->event_count;
    return 0;
}

static int count_types(struct world *world)
{
    uint64_t count = 0;
    int result = evlog_count_types(world->log, NULL, add_count, &count, NULL);
    if (result == EVLOG_OK)
        assert_int_equal(count, world->count);
    return result;
}

static int replay_to_receivers(struct world *world)
{
    evlog_outcome outcome;
    unsigned heard = world->heard;
    int result = evlog_replay_to_receivers(world->log, NULL, &outcome);
    assert_int_equal(outcome.delivered, world->heard - heard);
    if (result == EVLOG_OK)
        assert_int_equal(outcome.delivered, world->count);
    world->heard = heard;
    return result;
}

/* When it could not be read on, the next call gives the same event. */
static int walk(struct world *world)
{
    evlog_cursor *cursor = NULL;
    const evlog_event *event;
    int failed = EVLOG_OK, result = evlog_cursor_open(world->log, NULL, &cursor);
    world->delivered = 0;
    while (result == EVLOG_OK) {
        result = evlog_cursor_next(cursor, &event);
        if (result && !failed) {
            fault_end();
            failed = result;
            result = EVLOG_OK;
        } else if (result || !event) {
            break;
        } else {
            assert_int_equal(check_event(event, world), 0);
        }
    }
    if (world->delivered || !failed)
        OK(evlog_cursor_close(cursor));
    if (result == EVLOG_OK)
        assert_int_equal(world->delivered, world->count);
    return failed ? failed : result;
}

static int find(struct world *world)
{
    evlog_event *event;
    uint8_t id[16];
    int armed_before = armed;
    armed = 0;
    OK(evlog_read(world->log, 1, &event));
    memcpy(id, event->id, sizeof id);
    evlog_event_free(event);
    armed = armed_before;
    int result = evlog_find(world->log, id, NULL, &event);
    if (result == EVLOG_OK) {
        assert_int_equal(event->seq, 1);
        evlog_event_free(event);
    }
    return result;
}

static int count_type(const evlog_type *type, void *ctx)
{
    (void)type;
    ++*(unsigned *)ctx;
    return 0;
}

static int count_reader(const evlog_reader *reader, void *ctx)
{
    (void)reader;
    ++*(unsigned *)ctx;
    return 0;
}

static int list(struct world *world)
{
    unsigned type_count = 0, reader_count = 0;
    int result = evlog_each_type(world->log, count_type, &type_count);
    if (result == EVLOG_OK)
        assert_int_equal(type_count, 1);
    return result ? result : evlog_each_reader(world->log, count_reader, &reader_count);
}

static int wait_for_more(struct world *world)
{
    uint64_t last;
    int result = evlog_wait(world->log, world->count, 0, &last);
    if (result == EVLOG_OK)
        assert_int_equal(last, world->count);
    return result;
}

/* The same log once more. */
static int open_again(struct world *world)
{
    evlog *log;
    int result = evlog_open(world->path, NULL, &log);
    if (result)
        return result;
    assert_ptr_equal(log, world->log);
    return evlog_close(log);
}

static int sync_log(struct world *world)
{
    return evlog_sync(world->log);
}

static int connect_more(struct world *world)
{
    char uid[16];
    snprintf(uid, sizeof uid, "%u", world->round);
    int result = evlog_connect(world->log, NULL, uid, check_event, world, NULL);
    return result ? result : evlog_disconnect(world->log, NULL, uid, NULL, NULL);
}

static int close_log(struct world *world)
{
    int result = evlog_close(world->log);
    world->log = NULL;
    return result;
}

struct operation {
    const char *name;
    int (*run)(struct world *world);
    enum { NEW, CLOSED, OPEN, READS } begins; /* with what log; and whether it only reads */
    int durability;
};

static const struct operation operations[] = {
    {"making a log", make, NEW, EVLOG_DURABLE},
    {"making a fast log", make, NEW, EVLOG_FAST},
    {"making and sending", make_and_send, NEW, EVLOG_DURABLE},
    {"making and sending, fast", make_and_send, NEW, EVLOG_FAST},
    {"opening", make, CLOSED, EVLOG_DURABLE},
    {"opening a fast log", make, CLOSED, EVLOG_FAST},
    {"opening to read", open_to_read, CLOSED, EVLOG_DURABLE},
    {"defining", define, OPEN, EVLOG_DURABLE},
    {"sending one", send_one, OPEN, EVLOG_DURABLE},
    {"sending one, fast", send_one, OPEN, EVLOG_FAST},
    {"sending many", send_many, OPEN, EVLOG_DURABLE},
    {"sending many, fast", send_many, OPEN, EVLOG_FAST},
    {"sending a large one", send_large, OPEN, EVLOG_DURABLE},
    {"sending from elsewhere", send_from_elsewhere, OPEN, EVLOG_DURABLE},
    {"defining with a schema", define_with_schema, OPEN, EVLOG_DURABLE},
    {"opening it again", open_again, READS, EVLOG_DURABLE},
    {"connecting late", connect_late, READS, EVLOG_DURABLE},
    {"replaying to receivers", replay_to_receivers, READS, EVLOG_FAST},
    {"walking", walk, READS, EVLOG_DURABLE},
    {"finding", find, READS, EVLOG_DURABLE},
    {"listing", list, READS, EVLOG_DURABLE},
    {"counting", count_types, READS, EVLOG_DURABLE},
    {"waiting", wait_for_more, READS, EVLOG_DURABLE},
    {"connecting", connect_more, READS, EVLOG_FAST},
    {"replaying", replay, READS, EVLOG_DURABLE},
    {"replaying backwards", replay_backwards, READS, EVLOG_FAST},
    {"looking", look, READS, EVLOG_DURABLE},
    {"verifying", verify, READS, EVLOG_DURABLE},
    {"syncing", sync_log, OPEN, EVLOG_FAST},
    {"closing", close_log, OPEN, EVLOG_DURABLE},
    {"closing a fast log", close_log, OPEN, EVLOG_FAST},
};

/* ------------------------------------------------------------ afterwards ---- */

/* Where the test is, for the reader of a failure. */
static void report(const struct operation *operation, const struct fault *what, unsigned at,
                   int result)
{
    print_error("%s, %s, call %u: %d (%s)\n", operation->name, what->name, at, result,
                evlog_errmsg());
}

/* A read or write that was interrupted is no failure. */
static bool may_fail(const struct operation *operation, const struct fault *what)
{
    return what->errnum != EINTR || operation->begins < OPEN || what->calls & (FLUSHING | LOCKS);
}

/* What was open is known when the log was opened again: all of that send is there, or nothing. */
static void settle(struct world *world)
{
    evlog_info info;
    OK(evlog_inspect(world->log, &info));
    if (world->tried && info.last_seq != world->count) {
        assert_int_equal(info.last_seq, world->count + world->tried);
        for (unsigned i = 0; i < world->tried; i++)
            world->numbers[world->count++] = world->next_number++;
    }
    world->tried = 0;
}

/* Opened again with no fault, the log is what it was. */
static void check_world(struct world *world)
{
    open_world(world);
    settle(world);
    OK(verify(world));
    OK(replay(world));
}

/* The handle that met the fault: where there is no broken disk it goes on. */
static int goes_on(struct world *world, int result)
{
    int reading = replay(world), sending = send_one(world);
    return (reading == EVLOG_OK && sending == EVLOG_OK) ||
           (sending == EVLOG_IO && result == EVLOG_IO &&
            (reading == EVLOG_OK || reading == EVLOG_IO));
}

/*
 * The operation, while one call fails: it does all, or nothing and says so. How many have
 * failed.
 */
static unsigned run_with_fault(struct world *world, const struct operation *operation,
                               const struct fault *what, unsigned at)
{
    size_t count = world->count;
    unsigned heard = world->heard;
    fault_arm(what, at);
    int result = operation->run(world);
    bool is_right = fault_is_right(what, result, world->path);
    unsigned hits = fault_hits;
    if (hits && what->calls == FLUSHING)
        assert_int_equal(result, EVLOG_IO); /* never passed over */
    if (result && (!is_right || !may_fail(operation, what) || world->heard != heard)) {
        report(operation, what, at, result);
        fail_msg("not as it should fail");
    }
    assert_int_equal(world->heard - heard, world->count - count);
    if (world->log && operation->begins == OPEN && !goes_on(world, result)) {
        report(operation, what, at, result);
        fail_msg("the handle does not go on");
    }
    return hits;
}

/* One operation with one failing call, and what is there then. 1: it met none. */
static int run_once(struct world *world, const struct operation *operation,
                    const struct fault *what, unsigned at)
{
    world->round = at;
    if (operation->begins >= OPEN && !world->log)
        open_world(world);
    unsigned hits = run_with_fault(world, operation, what, at);
    if (operation->begins == READS && hits) {
        OK(verify(world)); /* the handle is none the worse for it */
        OK(replay(world));
        return 0;
    }
    if (world->log)
        close_world(world);
    check_world(world); /* and it is open now, for the next time */
    if (operation->begins < OPEN || !hits) {
        OK(send_one(world));
        close_world(world);
    }
    return !hits;
}

/* A log for an operation to begin with. */
static void make_world(struct world *world, const void *home, const struct operation *operation)
{
    static unsigned number;
    char name[32];
    free((char *)world->path);
    snprintf(name, sizeof name, "log%u", number++);
    *world = (struct world){
        .path = strdup(in(home, name)),
        .options = {.durability = operation->durability, .flush_every_ms = 1000000}};
    if (operation->begins == NEW)
        return;
    open_world(world);
    OK(send_many(world));
    close_world(world);
}

/* How many of its calls have failed, each by itself. */
static unsigned run_operation(void *home, size_t index, const struct fault *what, unsigned number)
{
    static struct world world;
    const struct operation *operation = &operations[index];
    unsigned at, count = 0;
    make_world(&world, home, operation);
    run_once(&world, operation, what, NONE);
    unsigned step = fault_step(fault_count, TRIES_MAX, number, &at);
    for (unsigned last = fault_count; at <= last; at += step) {
        if (operation->begins == NEW)
            make_world(&world, home, operation);
        count += !run_once(&world, operation, what, at);
    }
    if (world.log)
        close_world(&world);
    return count;
}

/* ----------------------------------------------------------------- tests ---- */

static void run_all(void **state, size_t first, size_t last)
{
    fault_run_all(*state, first, last, sizeof operations / sizeof *operations, run_operation);
}

/* Memory that is not there, once or from then on. */
static void no_memory_changes_nothing(void **state)
{
    run_all(state, 0, 1);
}

/* A full disk: EVLOG_FULL, and the same handle goes on when there is room. */
static void a_full_disk_changes_nothing(void **state)
{
    run_all(state, 2, 3);
}

/* Calls that fail with EIO: whichever it is. */
static void a_broken_disk_changes_nothing(void **state)
{
    run_all(state, 4, 5);
}

/* Writes and flushes that reach the page cache, and then say that they failed; each is heard. */
static void a_failed_flush_changes_nothing(void **state)
{
    run_all(state, 6, 8);
}

/* Calls that are interrupted, or do half of what they were asked for. */
static void half_a_call_changes_nothing(void **state)
{
    run_all(state, 9, 11);
}

/*
 * A fast log goes back to its last flush: its pages may be lost though they can be read. That is on
 * record, in an event of its own.
 */
static void goes_back(struct world *world)
{
    evlog_info info;
    evlog_event *event;
    open_world(world);
    OK(evlog_inspect(world->log, &info));
    assert_int_equal(info.last_seq, 1);
    OK(evlog_read(world->log, 1, &event));
    assert_string_equal(event->event_type, "evlog.recovered.v1");
    evlog_event_free(event);
    OK(evlog_verify(world->log, NULL, NULL, NULL));
    OK(send_one(world));
}

/* One flush that fails is final for the handle: no send after it, until the log is reopened. */
static void a_failed_flush_is_final(void **state)
{
    static struct world world;
    static const struct fault flush = {"a flush", FLUSHING, REFUSED, EIO, 0};
    static const int durabilities[] = {EVLOG_DURABLE, EVLOG_FAST};
    for (int i = 0; i < 2; i++) {
        char *path = strdup(in(*state, i ? "fast" : "durable"));
        world = (struct world){
            .path = path, .options = {.durability = durabilities[i], .flush_every_ms = 1000000}};
        open_world(&world);
        OK(send_many(&world));
        fault_begin(&flush, 1);
        int result = i ? evlog_sync(world.log) : send_one(&world);
        assert_int_equal(fault_end(), 1);
        assert_int_equal(result, EVLOG_IO);
        for (int j = 0; j < 3; j++)
            FAILS(EVLOG_IO, "close the log and open it", send_one(&world));
        assert_int_equal(world.heard, MANY);
        OK(replay(&world));
        close_world(&world);
        if (i == 0) {
            check_world(&world);
            OK(send_one(&world));
        } else {
            goes_back(&world);
        }
        close_world(&world);
        free(path);
    }
}

/* Of the calls that look up names in opening a log, one fails. Whether it is open. */
static bool opens_without(struct world *world, unsigned at)
{
    static const struct fault name = {"a name", NAMES, REFUSED, EIO, 0};
    fault_begin(&name, at);
    int result = make(world);
    fault_end();
    if (result)
        FAILS(EVLOG_IO, "/", result);
    return result == EVLOG_OK;
}

/* An open log's files are watched, whatever failed when it was opened. */
static void what_cannot_be_looked_at_is_not_left_unwatched(void **state)
{
    static struct world world;
    char *away = strdup(in(*state, "away")), *journal = strdup(in(*state, "log/journal"));
    unsigned hits = 1;
    world = (struct world){.path = in(*state, "log")};
    open_world(&world);
    OK(send_one(&world));
    close_world(&world);
    for (unsigned at = 1; hits; at++) {
        bool is_open = opens_without(&world, at);
        hits = fault_hits;
        if (!is_open)
            continue;
        OK(evlog_define(world.log, LOAD_TYPE, 0, NULL, &world.signal));
        assert_int_equal(rename(journal, away), 0);
        FAILS(EVLOG_IO, "journal: was deleted or moved", send_one(&world));
        assert_int_equal(rename(away, journal), 0);
        close_world(&world);
    }
    free(away);
    free(journal);
}

/* A directory that is not read to its end may have anything: it does not become a log. */
static void a_directory_that_cannot_be_read_is_left_alone(void **state)
{
    static const struct fault name = {"a name", NAMES, REFUSED, EIO, 0};
    const char *path = *state;
    unsigned hits = 1;
    assert_int_equal(mkdir(in(path, "a directory of something else"), 0700), 0);
    for (unsigned at = 1; hits; at++) {
        evlog *log;
        fault_begin(&name, at);
        int result = evlog_open(path, NULL, &log);
        hits = fault_end();
        assert_true(result == EVLOG_UNSUPPORTED || (hits && result == EVLOG_IO));
        assert_int_not_equal(access(in(path, "lock"), F_OK), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(no_memory_changes_nothing),
        TEST_AT_HOME(a_full_disk_changes_nothing),
        TEST_AT_HOME(a_broken_disk_changes_nothing),
        TEST_AT_HOME(a_failed_flush_changes_nothing),
        TEST_AT_HOME(half_a_call_changes_nothing),
        TEST_AT_HOME(a_failed_flush_is_final),
        TEST_AT_HOME(what_cannot_be_looked_at_is_not_left_unwatched),
        TEST_AT_HOME(a_directory_that_cannot_be_read_is_left_alone),
    };
    fault_choose_directory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
