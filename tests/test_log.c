/*
 * The handle: one for a log in a process, counted; another process's after a fork; not
 * to be closed while it is in use.
 */
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "child.h"
#include "log.h"

#define TYPE "org.evlog.test.v1"

static int count(const evlog_event *event, void *ctx)
{
    (void)event;
    ++*(unsigned *)ctx;
    return 0;
}

static uint64_t head(evlog *log)
{
    evlog_info info;
    OK(evlog_inspect(log, &info));
    return info.last_seq;
}

static evlog *open_fast(const void *home)
{
    evlog *log;
    OK(evlog_open(in(home, "log"), &(evlog_options){.durability = EVLOG_FAST}, &log));
    return log;
}

/* --------------------------------------------------------- opened twice ---- */

/* By whatever path: one handle, which is there until it was closed as often as opened. */
static void opened_again_it_is_the_same(void **state)
{
    evlog *log = open_fast(*state), *other;
    evlog_signal *signal;
    assert_int_equal(symlink(in(*state, "log"), in(*state, "link")), 0);
    assert_int_equal(mkdir(in(*state, "beside"), 0700), 0);
    const char *paths[] = {in(*state, "log/"), in(*state, "beside/../log"), in(*state, "link")};
    for (int i = 0; i < 3; i++) {
        OK(evlog_open(paths[i], NULL, &other));
        assert_ptr_equal(other, log);
    }
    OK(evlog_define(log, TYPE, 0, NULL, &signal));
    for (int i = 0; i < 3; i++)
        OK(evlog_close(log));
    OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    assert_int_equal(head(log), 1);
    OK(evlog_close(log));
    log = open_fast(*state);
    FAILS(EVLOG_NOTFOUND, TYPE, evlog_signal_by_type(log, TYPE, &signal));
    OK(evlog_close(log));
}

/* Two logs are two handles, and a log that takes the place of another is not that one. */
static void another_log_is_another_handle(void **state)
{
    evlog *first = open_fast(*state), *second;
    OK(evlog_open(in(*state, "second"), NULL, &second));
    assert_ptr_not_equal(first, second);
    OK(evlog_close(second));
    assert_int_equal(rename(in(*state, "log"), in(*state, "moved")), 0);
    second = open_fast(*state);
    assert_ptr_not_equal(first, second);
    OK(evlog_close(second));
    OK(evlog_open(in(*state, "moved"), NULL, &second));
    assert_ptr_equal(first, second);
    OK(evlog_close(first));
    OK(evlog_close(second));
}

/*
 * The options of the first open hold; what contradicts them is refused, and counts for nothing.
 */
static void a_second_open_may_not_contradict(void **state)
{
    evlog *log = open_fast(*state), *other = log;
    FAILS(EVLOG_CONFLICT, "fast",
          evlog_open(in(*state, "log"), &(evlog_options){.durability = EVLOG_DURABLE}, &other));
    FAILS(EVLOG_CONFLICT, "another read_only",
          evlog_open(in(*state, "log"), &(evlog_options){.read_only = 1}, &other));
    assert_ptr_equal(log, other);
    OK(evlog_close(log));
    FAILS(EVLOG_CONFLICT, "fast",
          evlog_open(in(*state, "log"), &(evlog_options){.durability = EVLOG_DURABLE}, &other));
    OK(evlog_open(in(*state, "log"), &(evlog_options){.read_only = 1}, &log));
    FAILS(EVLOG_CONFLICT, "another offline",
          evlog_open(in(*state, "log"), &(evlog_options){.read_only = 1, .offline = 1}, &other));
    FAILS(EVLOG_INVALID, "offline is given without read_only",
          evlog_open(in(*state, "log"), &(evlog_options){.offline = 1}, &other));
    FAILS(EVLOG_READONLY, "reading only", evlog_open(in(*state, "log"), NULL, &other));
    OK(evlog_close(log));
    log = open_fast(*state); /* nothing was counted that was refused */
    OK(evlog_close(log));
}

/* Each option of a second open is as the log is open, or refused by name; zero is as it is. */
static void a_second_open_is_compared(void **state)
{
    const evlog_options first = {.durability = EVLOG_FAST,
                                 .service = "lms",
                                 .sourcehost = "lms-1",
                                 .data_size_max = 1000,
                                 .log_size_max = 100 << 20,
                                 .flush_every_ms = 50,
                                 .dispatch = EVLOG_DISPATCH_STRICT};
    const struct {
        evlog_options options;
        const char *name;
    } others[] = {
        {{.durability = EVLOG_DURABLE}, "durability"},
        {{.service = "cms"}, "another service"},
        {{.source = "shop/till"}, "another source"},
        {{.sourcehost = "lms-2"}, "another sourcehost"},
        {{.data_size_max = 1001}, "another data_size_max"},
        {{.log_size_max = 101 << 20}, "another log_size_max"},
        {{.flush_every_ms = 100}, "another flush_every_ms"},
        {{.dispatch = EVLOG_DISPATCH_ROBUST}, "another dispatch"},
        {{.read_only = true}, "another read_only"},
    };
    evlog *log, *again;
    OK(evlog_open(in(*state, "log"), &first, &log));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        FAILS(EVLOG_CONFLICT, others[i].name,
              evlog_open(in(*state, "log"), &others[i].options, &again));
    OK(evlog_open(in(*state, "log"), NULL, &again));
    OK(evlog_open(in(*state, "log"), &first, &again));
    OK(evlog_open(in(*state, "log"), &(evlog_options){.source = "openedx/lms/web"}, &again));
    assert_ptr_equal(log, again);
    for (int i = 0; i < 4; i++)
        OK(evlog_close(log));
    OK(evlog_open(in(*state, "log"), NULL, &log)); /* nothing was counted that was refused */
    FAILS(EVLOG_CONFLICT, "another flush_every_ms",
          evlog_open(in(*state, "log"), &(evlog_options){.flush_every_ms = 50}, &again));
    OK(evlog_open(in(*state, "log"), &(evlog_options){.flush_every_ms = 100}, &again));
    OK(evlog_close(log));
    OK(evlog_close(log));
}

/* ------------------------------------------------------------- options ---- */

/* Options that make no sense, or are over a limit: refused, the log not even made. */
static void refuses_bad_options(void **state)
{
    static char long_text[300];
    memset(long_text, 's', sizeof long_text - 1);
    const struct {
        evlog_options options;
        int code;
        const char *words;
    } table[] = {
        {{.durability = 3}, EVLOG_INVALID, "durability 3"},
        {{.durability = -1}, EVLOG_INVALID, "durability -1"},
        {{.data_size_max = EVLOG_DATA_SIZE_MAX + 1}, EVLOG_LIMIT, "data_size_max"},
        {{.readers_max = EVLOG_READERS_MAX + 1}, EVLOG_LIMIT, "readers_max"},
        {{.service = "lms", .source = "shop/till"}, EVLOG_INVALID, "service and source"},
        {{.source = long_text}, EVLOG_INVALID, "source"},
        {{.source = "\xff"}, EVLOG_INVALID, "source"},
        {{.service = long_text}, EVLOG_INVALID, "service"},
        {{.service = "\xc3"}, EVLOG_INVALID, "service"},
        {{.sourcehost = long_text}, EVLOG_INVALID, "sourcehost"},
        {{.sourcehost = "\xff"}, EVLOG_INVALID, "sourcehost"},
        {{.dispatch = 3}, EVLOG_INVALID, "dispatch 3"},
    };
    evlog *log = NULL;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        FAILS(table[i].code, table[i].words,
              evlog_open(in(*state, "log"), &table[i].options, &log));
    setenv("EVLOG_DISPATCH", "Robust", 1);
    FAILS(EVLOG_INVALID, "EVLOG_DISPATCH is \"Robust\"",
          evlog_open(in(*state, "log"), NULL, &log));
    unsetenv("EVLOG_DISPATCH");
    FAILS(EVLOG_INVALID, "no path", evlog_open(NULL, NULL, &log));
    FAILS(EVLOG_INVALID, "no path", evlog_open("", NULL, &log));
    FAILS(EVLOG_INVALID, "no place", evlog_open(in(*state, "log"), NULL, NULL));
    assert_null(log);
    assert_int_equal(access(in(*state, "log"), F_OK), -1);
    OK(evlog_close(NULL));
}

/* The greatest there are, and the smallest that leave any room, are good. */
static void takes_the_limits(void **state)
{
    evlog *log;
    evlog_signal *signal;
    evlog_options options = {.data_size_max = EVLOG_DATA_SIZE_MAX,
                             .readers_max = EVLOG_READERS_MAX,
                             .log_size_max = UINT64_MAX,
                             .flush_every_ms = UINT32_MAX,
                             .durability = EVLOG_FAST};
    OK(evlog_open(in(*state, "log"), &options, &log));
    OK(evlog_define(log, TYPE, 0, NULL, &signal));
    OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    OK(evlog_close(log));
    options = (evlog_options){.data_size_max = 1, .readers_max = 1, .flush_every_ms = 1};
    OK(evlog_open(in(*state, "log"), &options, &log));
    OK(evlog_define(log, TYPE, 0, NULL, &signal));
    OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    assert_int_equal(head(log), 2);
    OK(evlog_close(log));
}

/* Every function that takes a log says so when it gets none. */
static void no_log_is_said(void **state)
{
    evlog_signal *signal = NULL;
    evlog_event *event = NULL;
    evlog_info info;
    unsigned heard = 0;
    (void)state;
    const int codes[] = {
        evlog_sync(NULL),
        evlog_define(NULL, TYPE, 0, NULL, &signal),
        evlog_signal_by_type(NULL, TYPE, &signal),
        evlog_connect(NULL, NULL, NULL, count, &heard, NULL),
        evlog_disconnect(NULL, NULL, NULL, count, &heard),
        evlog_replay(NULL, NULL, count, &heard, NULL),
        evlog_replay_to_receivers(NULL, NULL, NULL),
        evlog_read(NULL, 1, &event),
        evlog_inspect(NULL, &info),
        evlog_verify(NULL, NULL, NULL, NULL),
        evlog_send_event(NULL, "\x80", 1, NULL, NULL),
    };
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        assert_int_equal(codes[i], EVLOG_INVALID);
    evlog_sent_free(NULL);
    evlog_event_free(NULL);
}

/* ---------------------------------------------------------- after a fork ---- */

struct forked {
    evlog *log;
    evlog_signal *signal;
    const char *path;
    unsigned heard;
    int go[2], done[2]; /* pipes */
};

static void begin_forked(struct forked *forked, const void *home)
{
    *forked = (struct forked){.log = open_fast(home), .path = strdup(in(home, "log"))};
    OK(evlog_define(forked->log, TYPE, 0, NULL, &forked->signal));
    OK(evlog_connect(forked->log, forked->signal, NULL, count, &forked->heard, NULL));
    OK(evlog_send_event(forked->signal, "\x80", 1, NULL, NULL));
}

static int visit_signal(evlog_signal *signal, void *ctx)
{
    (void)signal;
    ++*(unsigned *)ctx;
    return 0;
}

static int visit_type(const evlog_type *type, void *ctx)
{
    (void)type;
    ++*(unsigned *)ctx;
    return 0;
}

#define CHECK_FORKED(call) CHECK_FAILS(EVLOG_FORKED, "before fork()", call)

static void use_what_is_the_parents(void *ctx)
{
    struct forked *forked = ctx;
    evlog *log = forked->log;
    evlog_signal *signal = NULL;
    evlog_event *event = NULL;
    evlog_cursor *cursor = NULL;
    evlog_info info = {.format = 77};
    evlog_sent sent = {.seq = 77};
    evlog_sending send = {.signal = forked->signal, .data = "\x80", .data_size = 1};
    evlog_outcome outcome = {.delivered = 77};
    uint64_t checked = 77;
    unsigned *heard = &forked->heard, before = *heard;
    CHECK_FORKED(evlog_sync(log));
    CHECK_FORKED(evlog_define(log, TYPE, 0, NULL, &signal));
    CHECK_FORKED(evlog_define(log, "other.v1", 0, NULL, &signal));
    CHECK_FORKED(evlog_signal_by_type(log, TYPE, &signal));
    CHECK_FORKED(evlog_each_signal(log, visit_signal, heard));
    CHECK_FORKED(evlog_connect(log, NULL, NULL, count, heard, NULL));
    CHECK_FORKED(evlog_disconnect(log, forked->signal, NULL, count, heard));
    CHECK_FORKED(evlog_send_event(forked->signal, "\x80", 1, NULL, &sent));
    CHECK_FORKED(evlog_send_events(&send, 1, NULL, &sent));
    CHECK_FORKED(evlog_replay(log, NULL, count, heard, &outcome));
    CHECK_FORKED(evlog_replay_to_receivers(log, NULL, &outcome));
    CHECK_FORKED(evlog_read(log, 1, &event));
    CHECK_FORKED(evlog_find(log, info.uuid, NULL, &event));
    CHECK_FORKED(evlog_cursor_open(log, NULL, &cursor));
    CHECK_FORKED(evlog_inspect(log, &info));
    CHECK_FORKED(evlog_each_type(log, visit_type, heard));
    CHECK_FORKED(evlog_verify(log, NULL, NULL, &checked));
    CHECK_FORKED(evlog_close(log));
    CHECK(*heard == before && !signal && !event && !cursor && info.format == 77);
    CHECK(sent.seq == 77 && outcome.delivered == 77 && checked == 77);
}

/* Each public function in a child: EVLOG_FORKED, nothing touched, the parent goes on. */
static void a_child_is_refused(void **state)
{
    struct forked forked;
    begin_forked(&forked, *state);
    in_child(use_what_is_the_parents, &forked);
    OK(evlog_send_event(forked.signal, "\x80", 1, NULL, NULL));
    assert_int_equal(forked.heard, 2);
    assert_int_equal(head(forked.log), 2);
    OK(evlog_verify(forked.log, NULL, NULL, NULL));
    OK(evlog_close(forked.log));
    free((char *)forked.path);
}

static void use_a_signal(void *ctx)
{
    struct forked *forked = ctx;
    evlog_signal_disable(forked->signal);
    CHECK(!evlog_signal_is_enabled(forked->signal));
    evlog_signal_enable(forked->signal);
    CHECK(strcmp(evlog_signal_type(forked->signal), TYPE) == 0);
    CHECK(evlog_signal_minor_version(forked->signal) == 0);
    CHECK(!evlog_has_receivers(forked->signal)); /* it can be sent through no more */
    CHECK_FORKED(evlog_sync(forked->log));
}

/*
 * A child that was forked while a thread of the parent held the handle's lock does not wait for
 * it.
 */
static void a_child_waits_for_no_thread_of_its_parent(void **state)
{
    struct forked forked;
    begin_forked(&forked, *state);
    pthread_mutex_lock(&forked.log->lock);
    pid_t pid = child_start(use_a_signal, &forked);
    pthread_mutex_unlock(&forked.log->lock);
    assert_int_equal(child_wait(pid), 0);
    assert_true(evlog_has_receivers(forked.signal));
    OK(evlog_close(forked.log));
    free((char *)forked.path);
}

static void open_it_oneself(void *ctx)
{
    struct forked *forked = ctx;
    evlog *log, *again;
    evlog_signal *signal;
    char byte;
    CHECK(evlog_open(forked->path, NULL, &log) == EVLOG_OK);
    CHECK(log != forked->log);
    CHECK(evlog_open(forked->path, NULL, &again) == EVLOG_OK && again == log);
    CHECK(evlog_close(again) == EVLOG_OK);
    CHECK(evlog_define(log, TYPE, 0, NULL, &signal) == EVLOG_OK && signal != forked->signal);
    for (int i = 0; i < 50; i++)
        CHECK(evlog_send_event(signal, "\x80", 1, NULL, NULL) == EVLOG_OK);
    CHECK(write(forked->go[1], "", 1) == 1 && read(forked->done[0], &byte, 1) == 1);
    CHECK(evlog_send_event(signal, "\x80", 1, NULL, NULL) == EVLOG_OK);
    CHECK(evlog_verify(log, NULL, NULL, NULL) == EVLOG_OK);
    CHECK_FORKED(evlog_close(forked->log));
    CHECK(evlog_close(log) == EVLOG_OK);
    CHECK_FORKED(evlog_sync(forked->log));
}

/* The child opens the log itself, and both send; the parent's handle outlives the child's. */
static void a_child_opens_it_itself(void **state)
{
    struct forked forked;
    char byte;
    begin_forked(&forked, *state);
    assert_int_equal(pipe(forked.go), 0);
    assert_int_equal(pipe(forked.done), 0);
    pid_t pid = child_start(open_it_oneself, &forked);
    close(forked.go[1]); /* now the child's end only: when it dies, nobody waits */
    for (int i = 0; i < 50; i++)
        OK(evlog_send_event(forked.signal, "\x80", 1, NULL, NULL));
    assert_int_equal(read(forked.go[0], &byte, 1), 1);
    OK(evlog_send_event(forked.signal, "\x80", 1, NULL, NULL));
    assert_int_equal(write(forked.done[1], "", 1), 1);
    assert_int_equal(child_wait(pid), 0);
    OK(evlog_send_event(forked.signal, "\x80", 1, NULL, NULL));
    assert_int_equal(head(forked.log), 1 + 50 + 50 + 3);
    assert_int_equal(forked.heard, 1 + 50 + 2);
    OK(evlog_verify(forked.log, NULL, NULL, NULL));
    OK(evlog_close(forked.log));
    close(forked.go[0]);
    close(forked.done[0]);
    close(forked.done[1]);
    free((char *)forked.path);
}

static void open_when_the_parent_has_closed(void *ctx)
{
    struct forked *forked = ctx;
    evlog *log;
    char byte;
    CHECK(read(forked->go[0], &byte, 1) == 1);
    CHECK(evlog_open(forked->path, NULL, &log) == EVLOG_OK);
    CHECK_FORKED(evlog_close(forked->log));
    CHECK(evlog_verify(log, NULL, NULL, NULL) == EVLOG_OK);
    CHECK(evlog_close(log) == EVLOG_OK);
}

/* The parent closes first: what the child has of it is still refused, its own works. */
static void a_parent_closes_first(void **state)
{
    struct forked forked;
    begin_forked(&forked, *state);
    assert_int_equal(pipe(forked.go), 0);
    pid_t pid = child_start(open_when_the_parent_has_closed, &forked);
    OK(evlog_close(forked.log));
    assert_int_equal(write(forked.go[1], "", 1), 1);
    assert_int_equal(child_wait(pid), 0);
    close(forked.go[0]);
    close(forked.go[1]);
    free((char *)forked.path);
}

/* --------------------------------------------- opening waits for nobody else ---- */

/* Holds a log's lock file, as a process that opens or closes it does. */
struct holder {
    int fd;
    const char *path; /* of the log that is held */
    evlog *log;
    sem_t is_waiting;
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void *open_held(void *ctx)
{
    struct holder *holder = ctx;
    sem_post(&holder->is_waiting);
    return (void *)(intptr_t)evlog_open(holder->path, NULL, &holder->log);
}

static void *let_go_after_a_while(void *ctx)
{
    struct holder *holder = ctx;
    usleep(1500000);
    flock(holder->fd, LOCK_UN);
    return NULL;
}

static void open_another(void *ctx)
{
    evlog *log;
    CHECK(evlog_open(ctx, NULL, &log) == EVLOG_OK);
    CHECK(evlog_close(log) == EVLOG_OK);
}

/*
 * While one thread waits to open a log, for a process that has it locked, other threads open and
 * close others and fork, and their children do the same.
 */
static void opening_holds_up_nothing_else(void **state)
{
    struct holder holder = {.path = strdup(in(*state, "held"))};
    pthread_t opener, timer;
    evlog *other;
    void *result;
    char *path = strdup(in(*state, "other"));
    sem_init(&holder.is_waiting, 0, 0);
    OK(evlog_open(holder.path, NULL, &holder.log));
    OK(evlog_close(holder.log));
    holder.fd = open(in(holder.path, "lock"), O_RDWR | O_CLOEXEC);
    assert_int_equal(flock(holder.fd, LOCK_EX), 0);
    OK(pthread_create(&opener, NULL, open_held, &holder));
    OK(pthread_create(&timer, NULL, let_go_after_a_while, &holder));
    sem_wait(&holder.is_waiting);
    usleep(100000);
    int64_t began_ms = now_ms();
    OK(evlog_open(path, NULL, &other));
    OK(evlog_close(other));
    in_child(open_another, path);
    assert_true(now_ms() - began_ms < 1000);
    OK(pthread_join(opener, &result));
    OK(pthread_join(timer, NULL));
    assert_int_equal((intptr_t)result, EVLOG_OK);
    OK(evlog_close(holder.log));
    close(holder.fd);
    sem_destroy(&holder.is_waiting);
    free((char *)holder.path);
    free(path);
}

static void *open_it(void *ctx)
{
    evlog *log;
    return evlog_open(ctx, NULL, &log) ? NULL : log;
}

/* Threads that make a log at one moment, by different paths, have one handle. */
static void threads_that_make_it_have_one_handle(void **state)
{
    pthread_t threads[6];
    void *logs[6];
    assert_int_equal(symlink(*state, in(*state, "link")), 0);
    char *paths[] = {strdup(in(*state, "log")), strdup(in(*state, "link/log"))};
    for (int i = 0; i < 6; i++)
        OK(pthread_create(&threads[i], NULL, open_it, paths[i % 2]));
    for (int i = 0; i < 6; i++)
        OK(pthread_join(threads[i], &logs[i]));
    for (int i = 0; i < 6; i++)
        assert_true(logs[i] && logs[i] == logs[0]);
    for (int i = 0; i < 6; i++)
        OK(evlog_close(logs[i]));
    free(paths[0]);
    free(paths[1]);
}

/* ------------------------------------------------- closed while in use ---- */

static int open_and_close_inside(const evlog_event *event, void *ctx)
{
    evlog *log;
    (void)event;
    OK(evlog_open(ctx, NULL, &log));
    return evlog_close(log);
}

/* Only the last evlog_close can be BUSY: all others just count. */
static void only_the_last_close_is_refused(void **state)
{
    evlog *log = open_fast(*state);
    evlog_signal *signal;
    char *path = strdup(in(*state, "log"));
    OK(evlog_define(log, TYPE, 0, NULL, &signal));
    OK(evlog_connect(log, signal, NULL, open_and_close_inside, path, NULL));
    OK(evlog_send_event(signal, "\x80", 1,
                        &(evlog_send_options){.dispatch = EVLOG_DISPATCH_STRICT}, NULL));
    OK(evlog_close(log));
    free(path);
}

static int close_inside(const evlog_event *event, void *ctx)
{
    evlog *log = ctx;
    (void)event;
    int result = evlog_close(log);
    evlog_fail(evlog_errmsg());
    return result;
}

/* A receiver cannot close the log whose send or replay it is in. */
static void a_receiver_cannot_close_it(void **state)
{
    evlog *log = open_fast(*state);
    evlog_signal *signal;
    evlog_sent sent;
    evlog_outcome outcome;
    OK(evlog_define(log, TYPE, 0, NULL, &signal));
    OK(evlog_connect(log, signal, NULL, close_inside, log, NULL));
    FAILS(EVLOG_RECEIVER, "still at work", evlog_send_event(signal, "\x80", 1, NULL, &sent));
    assert_int_equal(sent.responses[0]->result, EVLOG_BUSY);
    assert_non_null(strstr(sent.responses[0]->error, "receiver"));
    evlog_sent_free(&sent);
    FAILS(EVLOG_RECEIVER, "still at work", evlog_replay(log, NULL, close_inside, log, &outcome));
    assert_int_equal(outcome.receiver_result, EVLOG_BUSY);
    assert_int_equal(head(log), 1);
    OK(evlog_close(log));
}

struct slow {
    evlog *log;
    evlog_signal *signal;
    sem_t running, go_on;
};

static int wait_inside(const evlog_event *event, void *ctx)
{
    struct slow *slow = ctx;
    (void)event;
    sem_post(&slow->running);
    sem_wait(&slow->go_on);
    return 0;
}

static void *send_slowly(void *ctx)
{
    struct slow *slow = ctx;
    return (void *)(intptr_t)evlog_send_event(slow->signal, "\x80", 1, NULL, NULL);
}

/* While another thread's call is under way nothing is closed; then it is. */
static void another_threads_call_keeps_it_open(void **state)
{
    struct slow slow = {.log = open_fast(*state)};
    pthread_t thread;
    void *result;
    sem_init(&slow.running, 0, 0);
    sem_init(&slow.go_on, 0, 0);
    OK(evlog_define(slow.log, TYPE, 0, NULL, &slow.signal));
    OK(evlog_connect(slow.log, slow.signal, NULL, wait_inside, &slow, NULL));
    assert_int_equal(pthread_create(&thread, NULL, send_slowly, &slow), 0);
    sem_wait(&slow.running);
    FAILS(EVLOG_BUSY, "at work", evlog_close(slow.log));
    assert_int_equal(head(slow.log), 1);
    sem_post(&slow.go_on);
    pthread_join(thread, &result);
    assert_int_equal((intptr_t)result, EVLOG_OK);
    OK(evlog_close(slow.log));
    sem_destroy(&slow.running);
    sem_destroy(&slow.go_on);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(opened_again_it_is_the_same),
        TEST_AT_HOME(another_log_is_another_handle),
        TEST_AT_HOME(a_second_open_may_not_contradict),
        TEST_AT_HOME(a_second_open_is_compared),
        TEST_AT_HOME(refuses_bad_options),
        TEST_AT_HOME(takes_the_limits),
        cmocka_unit_test(no_log_is_said),
        TEST_AT_HOME(a_child_is_refused),
        TEST_AT_HOME(a_child_waits_for_no_thread_of_its_parent),
        TEST_AT_HOME(a_child_opens_it_itself),
        TEST_AT_HOME(a_parent_closes_first),
        TEST_AT_HOME(opening_holds_up_nothing_else),
        TEST_AT_HOME(threads_that_make_it_have_one_handle),
        TEST_AT_HOME(only_the_last_close_is_refused),
        TEST_AT_HOME(a_receiver_cannot_close_it),
        TEST_AT_HOME(another_threads_call_keeps_it_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
