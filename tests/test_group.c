/*
 * Groups of consumers: whose an event is, in order, across kills; and how a group is made, changed,
 * moved and removed, whole. EVLOG_SEED repeats a run.
 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <evlog/upkeep.h>
#include <evlog/value.h>

#include "consume.h"
#include "consumers.h"
#include "groups.h"
#include "load.h"
#include "log.h"
#include "processes.h"

#define PATH "k.id"
#define SEQ_MAX 8000

/* ------------------------------------------------------------------ values ---- */

/* Data of events, and of the value at PATH what its worker follows from; kind -1: there is none. */
static const struct value {
    const char *data;
    size_t data_size;
    int kind;
    const char *bytes;
    size_t size;
} values[] = {
#define DATA(text) text, sizeof(text) - 1
#define AT_PATH(text) DATA("\x81\xa1k\x81\xa2id" text)
    /* the same number, text and double in all their encodings */
    {AT_PATH("\x07"), EVLOG_VALUE_INTEGER, DATA("\0\0\0\0\0\0\0\7")},
    {AT_PATH("\xcc\x07"), EVLOG_VALUE_INTEGER, DATA("\0\0\0\0\0\0\0\7")},
    {AT_PATH("\xcf\0\0\0\0\0\0\0\x07"), EVLOG_VALUE_INTEGER, DATA("\0\0\0\0\0\0\0\7")},
    {AT_PATH("\xff"), EVLOG_VALUE_INTEGER, DATA("\xff\xff\xff\xff\xff\xff\xff\xff")},
    {AT_PATH("\xd0\xff"), EVLOG_VALUE_INTEGER, DATA("\xff\xff\xff\xff\xff\xff\xff\xff")},
    {AT_PATH("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), EVLOG_VALUE_UNSIGNED,
     DATA("\xff\xff\xff\xff\xff\xff\xff\xff")},
    {AT_PATH("\xa1"
             "7"),
     EVLOG_VALUE_STRING, DATA("7")},
    {AT_PATH("\xd9\x01"
             "7"),
     EVLOG_VALUE_STRING, DATA("7")},
    {AT_PATH("\xc4\x01"
             "7"),
     EVLOG_VALUE_BYTES, DATA("7")},
    {AT_PATH("\xcb\x40\x1c\0\0\0\0\0\0"), EVLOG_VALUE_DOUBLE, DATA("\x40\x1c\0\0\0\0\0\0")},
    {AT_PATH("\xca\x40\xe0\0\0"), EVLOG_VALUE_DOUBLE, DATA("\x40\x1c\0\0\0\0\0\0")},
    {AT_PATH("\xcb\x80\0\0\0\0\0\0\0"), EVLOG_VALUE_DOUBLE, DATA("\0\0\0\0\0\0\0\0")},
    {AT_PATH("\xcb\xff\xf8\0\0\0\0\0\1"), EVLOG_VALUE_DOUBLE, DATA("\x7f\xf8\0\0\0\0\0\0")},
    {AT_PATH("\xca\x7f\xc0\0\0"), EVLOG_VALUE_DOUBLE, DATA("\x7f\xf8\0\0\0\0\0\0")},
    {AT_PATH("\xc0"), EVLOG_VALUE_NULL, DATA("")},
    {AT_PATH("\xc3"), EVLOG_VALUE_BOOL, DATA("\0\0\0\0\0\0\0\1")},
    {AT_PATH("\xc2"), EVLOG_VALUE_BOOL, DATA("\0\0\0\0\0\0\0\0")},
    {AT_PATH("\xa0"), EVLOG_VALUE_STRING, DATA("")},
    {AT_PATH("\xa6 \0*\x1b[2"), EVLOG_VALUE_STRING, DATA(" \0*\x1b[2")},
    {AT_PATH("\x92\x01\x92\x02\x90"), EVLOG_VALUE_LIST, DATA("\x92\x01\x92\x02\x90")},
    {AT_PATH("\x81\xc0\x90"), EVLOG_VALUE_MAP, DATA("\x81\xc0\x90")},
    {AT_PATH("\xd4\x05x"), EVLOG_VALUE_EXTENSION, DATA("\xd4\x05x")},
    /* the first of two equal keys */
    {DATA("\x81\xa1k\x82\xa2id\xa1x\xa2id\xa1y"), EVLOG_VALUE_STRING, DATA("x")},
    /* none: nothing, no key, something else on the way to it, a key that is not text */
    {DATA("\x80"), -1, NULL, 0},
    {DATA("\x81\xa1k\xc0"), -1, NULL, 0},
    {DATA("\x81\xa1k\x91\x07"), -1, NULL, 0},
    {DATA("\x81\xa1k\x81\xc4\x02id\x07"), -1, NULL, 0},
    {DATA("\x81\xa4k.id\x07"), -1, NULL, 0},
};

#define VALUES (sizeof values / sizeof *values)
#define PLAIN 400 /* besides: texts "0" to "399" */

/* Data number i. */
static size_t data_of(size_t i, unsigned char data[64])
{
    if (i < VALUES) {
        memcpy(data, values[i].data, values[i].data_size);
        return values[i].data_size;
    }
    char text[8];
    int size = snprintf(text, sizeof text, "%zu", i - VALUES);
    return (size_t)sprintf((char *)data, "\x81\xa1k\x81\xa2id%c%s", 0xa0 | size, text);
}

/* The worker that the header says. */
static uint32_t worker_of(size_t i, uint32_t workers)
{
    char text[8];
    uint64_t hash;
    if (i < VALUES && values[i].kind < 0)
        return 1;
    if (i < VALUES)
        hash = XXH3_64bits_withSeed(values[i].bytes, values[i].size, (uint64_t)values[i].kind);
    else
        hash = XXH3_64bits_withSeed(text, (size_t)snprintf(text, sizeof text, "%zu", i - VALUES),
                                    EVLOG_VALUE_STRING);
    return (uint32_t)(1 + hash % workers);
}

static void send_value(evlog_signal *signal, size_t i)
{
    unsigned char data[64];
    size_t size = data_of(i, data);
    OK(evlog_send_event(signal, data, size, NULL, NULL));
}

/* Worker `worker` of `workers` of the group g. */
static evlog_consumer_options as_worker(uint32_t worker, uint32_t workers)
{
    return (evlog_consumer_options){.worker = worker, .workers = workers, .by = PATH};
}

static int open_worker(evlog *log, uint32_t worker, uint32_t workers, evlog_consumer **consumer)
{
    evlog_consumer_options options = as_worker(worker, workers);
    return evlog_consumer_open(log, "g", &options, consumer);
}

/* Each value goes to the worker that the header's rule gives it, in any number of workers. */
static void a_value_has_the_worker_that_the_header_says(void **state)
{
    struct opened place = open_log(*state);
    for (size_t i = 0; i < VALUES; i++)
        send_value(place.a, i);
    for (uint32_t workers = 1; workers < 20; workers = workers * 3 + 1) {
        struct heard heard = {.count = 0};
        size_t count = 0;
        for (uint32_t worker = 1; worker <= workers; worker++) {
            evlog_consumer *consumer;
            OK(open_worker(place.log, worker, workers, &consumer));
            poll_now(consumer, &heard);
            OK(evlog_consumer_close(consumer));
            for (; count < heard.count; count++)
                assert_int_equal(worker, worker_of(heard.of[count].seq - 1, workers));
        }
        assert_int_equal(count, VALUES);
        OK(evlog_consumer_remove(place.log, "g"));
    }
    OK(evlog_close(place.log));
}

/* ----------------------------------------------------- the whole against a model ---- */

static struct model {
    uint64_t random, head;
    uint32_t workers, division; /* division: how often the workers were changed */
    uint16_t value_of[SEQ_MAX];
    unsigned char is_wanted[SEQ_MAX];
    _Atomic uint32_t given_by[SEQ_MAX];      /* the worker; 0: none yet */
    uint64_t last_of[EVLOG_WORKERS_MAX + 1]; /* the last event a worker had first */
    uint64_t kills, given_count, again_count;
    atomic_int is_sent;
} * model;

struct session {
    uint32_t worker;
    uint64_t left; /* it is killed after so many; 0: not */
    uint64_t last_seq, checkpoint;
};

/* What a worker is given is its own, in order, and nobody else's. */
static int take(const evlog_event *event, void *ctx)
{
    struct session *session = ctx;
    uint32_t me = session->worker;
    uint64_t seq = event->seq;
    if (!model->is_wanted[seq])
        die("was not asked for", seq);
    if (worker_of(model->value_of[seq], model->workers) != me)
        die("is another worker's", seq);
    uint32_t before = atomic_exchange(&model->given_by[seq], me);
    if (before ? before != me || event->attempt < 2 : seq <= model->last_of[me])
        die(before ? "was given before" : "is not in order", seq);
    if (seq <= session->last_seq || seq <= session->checkpoint)
        die("is not after the one before", seq);
    session->last_seq = seq;
    if (!before)
        model->last_of[me] = seq;
    model->given_count++;
    model->again_count += before != 0;
    if (session->left && --session->left == 0)
        kill(getpid(), SIGKILL);
    return 0;
}

static void run_worker(const char *path, uint32_t worker, uint64_t until)
{
    static const char *const types[] = {"a.v1"};
    struct session session = {.worker = worker,
                              .left = until ? 0 : load_random(&model->random, 40)};
    evlog_consumer_options options = as_worker(worker, model->workers);
    evlog_consumer_info info;
    evlog *log;
    evlog_consumer *consumer;
    options.commit_every = 1 + (uint32_t)load_random(&model->random, 9);
    options.last_seq = until;
    options.types = types; /* the first ones; later groups have those of the group before */
    options.type_count = model->division == 0;
    if (evlog_open(path, NULL, &log) || evlog_consumer_open(log, "g", &options, &consumer) ||
        inspect_into(log, evlog_consumer_name(consumer), &info))
        die("opening", worker);
    session.checkpoint = info.checkpoint;
    uint64_t count = 1;
    while (count || (!until && !model->is_sent))
        if (evlog_consumer_poll(consumer, load_random(&model->random, 9), until ? 0 : 2, take,
                                &session, &count))
            die("polling", worker);
    if (evlog_consumer_close(consumer) || evlog_close(log))
        die("closing", worker);
    _exit(0);
}

static void run_sender(const char *path, unsigned count)
{
    evlog *log;
    evlog_signal *wanted, *other;
    unsigned char data[64];
    if (evlog_open(path, NULL, &log) || evlog_define(log, "a.v1", 0, NULL, &wanted) ||
        evlog_define(log, "b.v1", 0, NULL, &other))
        die("opening to send", 0);
    for (; count > 0 && model->head + 1 < SEQ_MAX; count--) {
        uint64_t seq = model->head + 1;
        size_t value = load_random(&model->random, VALUES + PLAIN);
        model->value_of[seq] = (uint16_t)value;
        model->is_wanted[seq] = load_random(&model->random, 5) != 0;
        size_t size = data_of(value, data);
        if (evlog_send_event(model->is_wanted[seq] ? wanted : other, data, size, NULL, NULL))
            die("sending", seq);
        model->head = seq;
        if (load_random(&model->random, 8) == 0)
            usleep(500);
    }
    model->is_sent = 1;
    if (evlog_close(log))
        die("closing", 0);
    _exit(0);
}

static pid_t start_worker(const char *path, uint32_t worker, uint64_t until)
{
    model->random += 7919;
    pid_t pid = start_process();
    if (pid == 0)
        run_worker(path, worker, until);
    return pid;
}

/* All workers beside a sender, each begun again when it was killed. */
static void run_beside_sender(const char *path)
{
    pid_t pids[EVLOG_WORKERS_MAX + 1];
    uint32_t running = model->workers;
    model->is_sent = 0;
    pid_t sender = start_process();
    if (sender == 0)
        run_sender(path, 150);
    for (uint32_t i = 1; i <= model->workers; i++)
        pids[i] = start_worker(path, i, 0);
    while (running > 0) {
        int status;
        siginfo_t ended;
        assert_int_equal(waitid(P_ALL, 0, &ended, WEXITED | WNOWAIT), 0);
        if (ended.si_pid == sender) {
            expect_end(&sender, 1);
            sender = 0;
            continue;
        }
        uint32_t i = 1;
        while (i < model->workers && pids[i] != ended.si_pid)
            i++;
        assert_int_equal(waitpid(pids[i], &status, 0), ended.si_pid);
        if (status && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
            fail_msg("worker %u of %u ended with %d", i, model->workers, status);
        model->kills += status != 0;
        if (status && !model->is_sent)
            pids[i] = start_worker(path, i, 0);
        else
            running--;
    }
    if (sender)
        expect_end(&sender, 1);
}

/* Every event that is wanted has been given. */
static void finish_round(const char *path)
{
    pid_t pids[EVLOG_WORKERS_MAX];
    for (uint32_t i = 1; i <= model->workers; i++)
        pids[i - 1] = start_worker(path, i, model->head);
    expect_end(pids, model->workers);
    for (uint64_t seq = 1; seq <= model->head; seq++)
        if (model->is_wanted[seq] && !model->given_by[seq])
            fail_msg("event %" PRIu64 " was given to nobody", seq);
}

/*
 * Whatever is sent, and whoever is killed, each event goes to one worker, that of its value, in order;
 * and so it goes on when the number of workers is changed where all have come to.
 */
static void each_event_goes_to_one_worker(void **state)
{
    const char *path = in(*state, "log");
    model = map_shared(sizeof *model);
    model->random = load_seed();
    evlog *log;
    OK(evlog_open(path, &(evlog_options){.durability = EVLOG_FAST}, &log));
    OK(evlog_close(log));
    for (unsigned round = 0; round < 7; round++) {
        uint32_t next = 1 + (round + (uint32_t)model->random % 5) % 8;
        model->division += next != model->workers && round > 0;
        model->workers = next;
        memset(model->last_of, 0, sizeof model->last_of);
        run_beside_sender(path);
        finish_round(path);
    }
    assert_true(model->head > 500 && model->kills > 5 && model->again_count > 0);
    printf("%" PRIu64 " events, given %" PRIu64 " times, %" PRIu64 " of them again, %" PRIu64
           " kills\n",
           model->head, model->given_count, model->again_count, model->kills);
    munmap(model, sizeof *model);
}

/* ------------------------------------------------------------------ changing ---- */

/* Has a worker take all up to a seq (0: all there is). */
static void go_to(evlog *log, uint32_t worker, uint32_t workers, uint64_t seq)
{
    struct heard heard = {.count = 0};
    evlog_consumer_options options = as_worker(worker, workers);
    evlog_consumer *consumer;
    options.last_seq = seq;
    OK(evlog_consumer_open(log, "g", &options, &consumer));
    poll_now(consumer, &heard);
    OK(evlog_consumer_close(consumer));
    for (size_t i = 0; i < heard.count && seq; i++)
        assert_true(heard.of[i].seq <= seq);
}

static struct opened open_values(void **state, unsigned count)
{
    struct opened place = open_log(*state);
    for (unsigned i = 0; i < count; i++)
        send_value(place.a, VALUES + i);
    return place;
}

/* A worker stops at last_seq, also when more is there, and others are told how far to go. */
static void a_group_is_changed_only_where_all_are(void **state)
{
    struct opened place = open_values(state, 60);
    evlog_consumer *consumer;
    go_to(place.log, 1, 3, 40);
    go_to(place.log, 2, 3, 20);
    assert_int_equal(info_of(place.log, "g/1of3:" PATH).checkpoint, 40);
    FAILS(
        EVLOG_CONFLICT,
        "the group g has 3 workers by k.id, and cannot have 2 by k.id now: g/3of3:k.id is done up "
        "to seq 0 and g/1of3:k.id up to 40",
        open_worker(place.log, 1, 2, &consumer));
    evlog_consumer_options other = {.worker = 1, .workers = 3, .by = "other"};
    FAILS(EVLOG_CONFLICT, "cannot have 3 by other now",
          evlog_consumer_open(place.log, "g", &other, &consumer));
    go_to(place.log, 2, 3, 40);
    FAILS(EVLOG_CONFLICT, "evlog consume --to 40", open_worker(place.log, 2, 4, &consumer));
    go_to(place.log, 3, 3, 40);
    OK(evlog_consumer_set_paused(place.log, "g/2of3:" PATH, true));
    OK(open_worker(place.log, 4, 5, &consumer));
    OK(evlog_consumer_close(consumer));
    for (int i = 1; i <= 5; i++) {
        char name[64];
        snprintf(name, sizeof name, "g/%dof5:" PATH, i);
        evlog_consumer_info info = info_of(place.log, name);
        assert_int_equal(info.checkpoint, 40);
        assert_int_equal(info.replay_last_seq, 60);
        assert_true(info.is_paused && info.worker == (uint32_t)i && info.workers == 5);
    }
    FAILS(EVLOG_NOTFOUND, "it is a group: name one of its consumers, as g/1of5:k.id",
          evlog_consumer_inspect(place.log, "g/1of3:" PATH, &(evlog_consumer_info *){NULL}) ==
                  EVLOG_NOTFOUND
              ? evlog_consumer_inspect(place.log, "g", &(evlog_consumer_info *){NULL})
              : EVLOG_OK);
    OK(evlog_close(place.log));
}

static int refuse(const evlog_event *event, void *ctx)
{
    (void)event;
    (void)ctx;
    return evlog_fail("no");
}

/* What is kept for one of its consumers is not lost by a change: it is refused, until a reset. */
static void a_group_with_parked_events_or_state_is_not_changed(void **state)
{
    static const char *const types[] = {"a.v1"};
    struct opened place = open_values(state, 30);
    evlog_consumer_options options = as_worker(2, 2);
    evlog_consumer *consumer;
    char **kept;
    size_t kept_count;
    options.attempt_max = 1;
    options.types = types;
    options.type_count = 1;
    OK(evlog_consumer_open(place.log, "g", &options, &consumer));
    OK(evlog_consumer_poll(consumer, 1, 0, refuse, NULL, NULL));
    struct heard heard = {.count = 0};
    poll_now(consumer, &heard);
    OK(evlog_consumer_close(consumer));
    go_to(place.log, 1, 2, 0);
    FAILS(EVLOG_CONFLICT, "g/2of2:k.id has 1 parked events",
          open_worker(place.log, 1, 1, &consumer));
    OK(evlog_parked_drop(place.log, "g/2of2:" PATH, 0, NULL));
    OK(evlog_consumer_reset(place.log, "g", &(evlog_reset_options){.start = EVLOG_START_FIRST},
                            NULL));
    OK(open_worker(place.log, 1, 2, &consumer));
    OK(evlog_consumer_poll(consumer, 1, 0, hear, &heard, NULL));
    OK(evlog_state_put(consumer, "k", 1, "v", 1));
    poll_now(consumer, &heard);
    OK(evlog_consumer_close(consumer));
    go_to(place.log, 2, 2, 0);
    FAILS(EVLOG_CONFLICT, "and 1 keys of state", open_worker(place.log, 1, 1, &consumer));
    evlog_reset done;
    OK(evlog_consumer_reset(place.log, "g",
                            &(evlog_reset_options){.start = EVLOG_START_SEQ, .start_seq = 11},
                            &done));
    assert_int_equal(done.state_count, 1);
    assert_int_equal(done.old_checkpoint, 30);
    OK(open_worker(place.log, 1, 1, &consumer));
    heard.count = 0;
    poll_now(consumer, &heard);
    heard_all(&heard, 11, 30);
    OK(consumers_read_types(place.log->store, evlog_consumer_name(consumer), &kept, &kept_count));
    assert_int_equal(kept_count, 1);
    free(kept);
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
}

/* Nor by what was looked up before a worker was paused: it would go on again in the changed group. */
static void a_pause_is_not_lost_by_a_change(void **state)
{
    static const char *const names[] = {"g/1of1:" PATH};
    struct opened place = open_values(state, 3);
    struct store *store = place.log->store;
    struct consumer_entry entry = {.checkpoint = 0};
    struct group_making making = {.group = "g", .names = names, .count = 1, .entry = &entry};
    struct group_member *members;
    bool is_new;
    go_to(place.log, 1, 2, 0);
    OK(members_list(store, ENV_NEWEST, "g", &members, &making.old_count));
    making.old = members;
    OK(evlog_consumer_set_paused(place.log, "g/2of2:" PATH, true));
    OK(groups_create(store, &making, &is_new));
    assert_false(is_new);
    assert_true(info_of(place.log, "g/2of2:" PATH).is_paused);
    free(members);
    OK(evlog_close(place.log));
}

/* Nor while a process has one of its consumers. */
static void a_group_is_not_changed_under_a_worker(void **state)
{
    struct opened place = open_values(state, 3);
    evlog_consumer *consumer, *other;
    OK(open_worker(place.log, 2, 2, &consumer));
    FAILS(EVLOG_BUSY, "consumer g/2of2:k.id: this process", open_worker(place.log, 1, 3, &other));
    OK(open_worker(place.log, 1, 2, &other));
    OK(evlog_consumer_close(other));
    OK(evlog_consumer_close(consumer));
    OK(open_worker(place.log, 1, 3, &consumer));
    FAILS(EVLOG_BUSY, "has it open", evlog_consumer_remove(place.log, "g"));
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
}

/* Many processes that want to begin, or change, a group at once all get what they want. */
static void all_begin_at_once(void **state)
{
    const char *path = in(*state, "log");
    struct opened place = open_values(state, 20);
    OK(evlog_close(place.log));
    for (uint32_t workers = 8; workers > 0; workers -= 2) {
        pid_t pids[8];
        for (uint32_t i = 0; i < workers; i++)
            if ((pids[i] = start_process()) == 0) {
                evlog *log;
                evlog_consumer *consumer;
                if (evlog_open(path, NULL, &log) || open_worker(log, i + 1, workers, &consumer) ||
                    evlog_consumer_close(consumer) || evlog_close(log))
                    die("opening", i + 1);
                _exit(0);
            }
        expect_end(pids, workers);
    }
}

/* ------------------------------------------------------------------- the whole ---- */

static int count_members(const evlog_consumer_info *info, void *ctx)
{
    assert_string_equal(info->group, "g");
    assert_string_equal(info->by, PATH);
    ++*(unsigned *)ctx;
    return 0;
}

static unsigned members(evlog *log)
{
    unsigned count = 0;
    OK(evlog_each_consumer(log, count_members, &count));
    return count;
}

/* A group is made whole by its first worker, is known by its name, and goes whole. */
static void a_group_is_whole_or_not_there(void **state)
{
    struct opened place = open_values(state, 9);
    evlog_consumer_options options = as_worker(3, 4);
    evlog_consumer *consumer;
    options.no_create = true;
    FAILS(EVLOG_NOTFOUND, "no group g", evlog_consumer_open(place.log, "g", &options, &consumer));
    OK(open_worker(place.log, 3, 4, &consumer));
    assert_string_equal(evlog_consumer_name(consumer), "g/3of4:" PATH);
    OK(evlog_consumer_close(consumer));
    assert_int_equal(members(place.log), 4);
    FAILS(EVLOG_CONFLICT, "g is a group of consumers",
          evlog_consumer_open(place.log, "g", NULL, &consumer));
    FAILS(EVLOG_INVALID, "remove the group g", evlog_consumer_remove(place.log, "g/3of4:" PATH));
    /* a worker's whole name is as good, and filters as well */
    OK(evlog_consumer_open(place.log, "g/3of4:" PATH, NULL, &consumer));
    struct heard heard = {.count = 0};
    poll_now(consumer, &heard);
    for (size_t i = 0; i < heard.count; i++)
        assert_int_equal(worker_of(VALUES + heard.of[i].seq - 1, 4), 3);
    OK(evlog_consumer_close(consumer));
    OK(evlog_consumer_set_paused(place.log, "g", true));
    assert_true(info_of(place.log, "g/4of4:" PATH).is_paused);
    OK(evlog_consumer_remove(place.log, "g"));
    assert_int_equal(members(place.log), 0);
    FAILS(EVLOG_NOTFOUND, "no consumer g", evlog_consumer_remove(place.log, "g"));
    OK(evlog_consumer_open(place.log, "g", NULL, &consumer));
    OK(evlog_consumer_close(consumer));
    FAILS(EVLOG_CONFLICT, "g is a consumer, and not a group",
          open_worker(place.log, 1, 2, &consumer));
    OK(evlog_close(place.log));
}

/* A group that has lost a consumer is not opened: no worker would get that one's events. */
static void a_group_without_one_of_its_consumers_is_refused(void **state)
{
    static const char *const lost[] = {"g/2of3:" PATH};
    struct opened place = open_values(state, 9);
    evlog_consumer *consumer;
    go_to(place.log, 1, 3, 0);
    OK(consumers_remove(place.log->store, lost, 1));
    FAILS(EVLOG_DAMAGED, "the group g has 2 of its 3 consumers",
          open_worker(place.log, 1, 3, &consumer));
    FAILS(EVLOG_DAMAGED, "the group g has 2 of its 3 consumers",
          open_worker(place.log, 1, 2, &consumer));
    OK(evlog_consumer_remove(place.log, "g"));
    OK(open_worker(place.log, 1, 2, &consumer));
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(place.log));
}

/* What cannot be a worker, a group or a path is refused, and nothing is made. */
static void what_cannot_be_a_worker_is_refused(void **state)
{
    static const struct {
        const char *name;
        uint32_t worker, workers;
        const char *by, *words;
    } wrong[] = {
        {"g", 0, 2, "a", "numbered from 1"},
        {"g", 3, 2, "a", "numbered from 1"},
        {"g", 1, 0, "a", "numbered from 1"},
        {"g", 1, EVLOG_WORKERS_MAX + 1, "a", "1 to 256 workers"},
        {"g", 1, 2, NULL, "by which value is not given"},
        {"g", 1, 2, "", "by which value is not given"},
        {"g", 0, 0, "a", "numbered from 1"},
        {"g", 1, 2, "a b", "has no blanks"},
        {"g", 1, 2, "a*", "has no blanks"},
        {"g", 1, 2, "a\\b", "a backslash must precede"},
        {"g/1of2:a\\b", 0, 0, NULL, "a backslash must precede"},
        {"g", 1, 2, "\xff", "UTF-8"},
        {"a b", 1, 2, "a", "a group's name"},
        {"", 1, 2, "a", "a group's name"},
        {NULL, 1, 2, "a", "a group's name"},
        {"g/1of2:a", 1, 2, "a", "is one consumer of the group g"},
        {"g", 1, 100,
         "01234567890123456789012345678901234567890123456789012345678901234567890123456789"
         "0123456789012345678901234567890123456789",
         "is too long"},
    };
    struct opened place = open_log(*state);
    evlog_consumer *consumer;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        evlog_consumer_options options = {
            .worker = wrong[i].worker, .workers = wrong[i].workers, .by = wrong[i].by};
        FAILS(EVLOG_INVALID, wrong[i].words,
              evlog_consumer_open(place.log, wrong[i].name, &options, &consumer));
    }
    assert_int_equal(members(place.log), 0);
    OK(evlog_close(place.log));
}

/* Names that are not a member's are those of ordinary consumers; of a member's, the first part counts. */
static void a_name_is_a_members_or_not(void **state)
{
    static const char *const not [] = {"g",
                                       "g/1of2",
                                       "g/1of2:",
                                       "/1of2:a",
                                       "g/0of2:a",
                                       "g/3of2:a",
                                       "g/01of2:a",
                                       "g/1of02:a",
                                       "g/1of257:a",
                                       "g/1-of2:a",
                                       "g/1of99999999999999999999:a"};
    struct member member;
    (void)state;
    for (size_t i = 0; i < sizeof not / sizeof *not ; i++)
        if (member_parse(not [i], &member))
            fail_msg("%s is taken for a member's name", not [i]);
    assert_true(member_parse("a/1of2/3of4:b/5of6:c:d", &member));
    assert_string_equal(member.group, "a/1of2");
    assert_string_equal(member.by, "b/5of6:c:d");
    assert_true(member.worker == 3 && member.workers == 4);
    assert_true(member_is_of("a/1of2:b", "a") && member_is_of("a", "a"));
    assert_false(member_is_of("a/b/1of2:b", "a"));
}

/* ------------------------------------------------------------ with what else there is ---- */

/* An event that was erased has no value any more: every worker is given it, and none misses it. */
static void an_erased_event_goes_to_every_worker(void **state)
{
    struct opened place = open_values(state, 8);
    evlog_consumer *consumer;
    OK(evlog_erase(place.log, 5, NULL, &(evlog_erase_options){.reason = "test"}));
    for (uint32_t i = 1; i <= 3; i++) {
        struct heard heard = {.count = 0};
        unsigned found = 0;
        OK(open_worker(place.log, i, 3, &consumer));
        poll_now(consumer, &heard);
        for (size_t at = 0; at < heard.count; at++)
            found += heard.of[at].seq == 5;
        assert_int_equal(found, 1);
        OK(evlog_consumer_close(consumer));
    }
    OK(evlog_close(place.log));
}

/* A policy that a group holds is held by each of its workers; trimming stops at the one that is behind. */
static void a_group_holds_what_its_workers_need(void **state)
{
    static const char *const holders[] = {"g"};
    struct opened place = open_values(state, 20);
    evlog_retained retained;
    evlog_trimmed trimmed;
    evlog_retention retention = {
        .count = 1, .held_by = EVLOG_HELD_BY_NAMED, .holders = holders, .holder_count = 1};
    go_to(place.log, 1, 2, 0);
    OK(evlog_retention_look(place.log, &retention, &retained));
    assert_string_equal(retained.held_by, "g/2of2:" PATH);
    assert_int_equal(retained.held_seq, 1);
    FAILS(EVLOG_CONFLICT, "the consumer g/2of2:k.id still needs event 1",
          evlog_trim(place.log, 10, NULL, &trimmed));
    OK(evlog_close(place.log));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(a_value_has_the_worker_that_the_header_says),
        TEST_AT_HOME(each_event_goes_to_one_worker),
        TEST_AT_HOME(a_group_is_changed_only_where_all_are),
        TEST_AT_HOME(a_group_with_parked_events_or_state_is_not_changed),
        TEST_AT_HOME(a_group_is_not_changed_under_a_worker),
        TEST_AT_HOME(a_pause_is_not_lost_by_a_change),
        TEST_AT_HOME(all_begin_at_once),
        TEST_AT_HOME(a_group_is_whole_or_not_there),
        TEST_AT_HOME(a_group_without_one_of_its_consumers_is_refused),
        TEST_AT_HOME(what_cannot_be_a_worker_is_refused),
        TEST_AT_HOME(a_name_is_a_members_or_not),
        TEST_AT_HOME(an_erased_event_goes_to_every_worker),
        TEST_AT_HOME(a_group_holds_what_its_workers_need),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
