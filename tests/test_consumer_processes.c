/*
 * Consumers in processes of their own, while others send: each has its events, in order, however
 * fast or slow or unlucky it and the others are; the way from history to what is live
 * has no seam; and one that is held for long costs the log nothing. EVLOG_SEED repeats a run.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "env.h"
#include "load.h"
#include "log.h"
#include "processes.h"

#define OTHER_TYPE "org.evlog.other.v1"
#define EVENTS_MAX 50000

/* What a consumer has had, in memory that outlives it. */
struct list {
    uint64_t first_head, second_head; /* of the log before and after it was opened */
    uint64_t count, again_count;
    uint64_t seqs[EVENTS_MAX]; /* each when it came first */
};

/* ---------------------------------------------------------------- senders ---- */

static _Atomic int *stop; /* shared */

/* Sends `count` events (0: until stop), one in three of the other type, now and then pausing. */
static void send_load(const char *path, uint64_t sender, uint64_t count, unsigned pause_us)
{
    static unsigned char data[LOAD_SIZE_MAX];
    uint64_t random = sender;
    evlog *log;
    evlog_signal *signals[2];
    if (evlog_open(path, NULL, &log) || evlog_define(log, LOAD_TYPE, 0, NULL, &signals[0]) ||
        evlog_define(log, OTHER_TYPE, 0, NULL, &signals[1]))
        die("opening to send", 0);
    for (uint64_t i = 1; count ? i <= count : !*stop; i++) {
        struct load load = {.number = sender << 32 | i, .count = 1};
        evlog_signal *signal = signals[load_random(&random, 3) == 0];
        if (evlog_send_event(signal, data, load_make(load, data), NULL, NULL))
            die("sending", i);
        if (load_random(&random, 4) == 0)
            usleep((useconds_t)load_random(&random, pause_us));
    }
    if (evlog_close(log))
        die("closing", 0);
    _exit(0);
}

/* --------------------------------------------------------- what there is in a log ---- */

/* The seqs of a log's events of a type, or of every one. */
struct wanted {
    const char *type;
    uint64_t count;
    uint64_t seqs[EVENTS_MAX];
};

static int add_wanted(const evlog_event *event, void *ctx)
{
    struct wanted *wanted = ctx;
    if (wanted->type && strcmp(event->event_type, wanted->type) != 0)
        return 0;
    wanted->seqs[wanted->count++] = event->seq;
    return 0;
}

static void read_wanted(evlog *log, const char *type, struct wanted *wanted)
{
    wanted->type = type;
    wanted->count = 0;
    OK(evlog_replay(log, NULL, add_wanted, wanted, NULL));
}

static uint64_t head_of(evlog *log)
{
    evlog_info info;
    if (evlog_inspect(log, &info))
        die("asking for the head", 0);
    return info.last_seq;
}

/* ------------------------------------------------ eight consumers, eight senders ---- */

#define SENDERS 8
#define SENDS 90
#define KILLS 5

enum { KEEPS_STATE = 1, BY_HAND = 2, FAILS_ALWAYS = 4, IS_KILLED = 8 };

static const struct kind {
    const char *name, *type;
    int how;
    unsigned work_us; /* its receiver takes so long */
    uint32_t commit_every;
    uint64_t limit; /* of its polls */
} kinds[] = {
    {"plain", NULL, 0, 0, 0, 0},
    {"slow", NULL, IS_KILLED, 400, 0, 0},
    {"one type", LOAD_TYPE, IS_KILLED, 0, 1, 0},
    {"other type, slow", OTHER_TYPE, 0, 1000, 7, 5},
    {"failing", NULL, FAILS_ALWAYS, 0, 0, 0},
    {"state", NULL, KEEPS_STATE | IS_KILLED, 100, 16, 0},
    {"by hand", NULL, BY_HAND | IS_KILLED, 0, 0, 30},
    {"small polls", NULL, 0, 0, 0, 3},
};

#define CONSUMERS (sizeof kinds / sizeof *kinds)

struct crowd {
    _Atomic int stop;
    _Atomic uint64_t end; /* the last event; 0: not known yet */
    struct list lists[CONSUMERS];
};

struct member {
    const struct kind *kind;
    struct list *list;
    evlog *log;
    evlog_consumer *consumer;
    uint64_t last; /* in this process */
};

static void name_of(const struct kind *kind, char name[32])
{
    snprintf(name, 32, "%s", kind->name);
    for (char *c = name; *c; c++)
        if (*c == ' ' || *c == ',')
            *c = '-';
}

/* Adds the event to the count and the sum that are kept as state. */
static void add_to_state(const struct member *member, uint64_t seq)
{
    const void *value;
    size_t size;
    uint64_t sums[2] = {0, 0};
    int result = evlog_state_get(member->consumer, "sums", 4, &value, &size);
    if (result == EVLOG_OK && size == sizeof sums)
        memcpy(sums, value, sizeof sums);
    else if (result != EVLOG_NOTFOUND)
        die("getting", seq);
    sums[0]++;
    sums[1] += seq;
    if (evlog_state_put(member->consumer, "sums", 4, sums, sizeof sums))
        die("putting", seq);
}

static int take(const evlog_event *event, void *ctx)
{
    struct member *member = ctx;
    struct list *list = member->list;
    struct load load;
    uint64_t most = list->count ? list->seqs[list->count - 1] : 0;
    int is_attempt = event->seq == member->last && event->attempt > 1;
    if (!load_known(event, &load))
        die("not as it was sent", event->seq);
    if (event->seq <= member->last && !is_attempt)
        die("twice, or out of order", event->seq);
    if (event->seq <= most && event->attempt < 2)
        die("comes again and does not say so", event->seq);
    if (event->seq > most)
        list->seqs[list->count++] = event->seq;
    else
        list->again_count++;
    member->last = event->seq;
    if (member->kind->how & KEEPS_STATE)
        add_to_state(member, event->seq);
    if (member->kind->work_us)
        usleep(member->kind->work_us);
    return member->kind->how & FAILS_ALWAYS ? evlog_fail("never") : 0;
}

static int is_at_end(const struct member *member, const struct crowd *crowd, const char *name)
{
    evlog_consumer_info info;
    if (!crowd->end)
        return 0;
    if (inspect_into(member->log, name, &info))
        die("asking", 0);
    return info.checkpoint == crowd->end;
}

static void consume(const char *path, struct crowd *crowd, size_t number)
{
    const struct kind *kind = &kinds[number];
    struct member member = {.kind = kind, .list = &crowd->lists[number]};
    evlog_consumer_options options = {.types = &kind->type,
                                      .type_count = kind->type != NULL,
                                      .ack_by_hand = (kind->how & BY_HAND) != 0,
                                      .attempt_max = 2,
                                      .backoff_ms = 1,
                                      .commit_every = kind->commit_every};
    char name[32];
    name_of(kind, name);
    if (evlog_open(path, NULL, &member.log) ||
        evlog_consumer_open(member.log, name, &options, &member.consumer))
        die("opening", 0);
    while (!is_at_end(&member, crowd, name)) {
        if (evlog_consumer_poll(member.consumer, kind->limit, 20, take, &member, NULL))
            die("polling", member.last);
        if (kind->how & BY_HAND && member.last && acknowledge(member.consumer, member.last))
            die("acknowledging", member.last);
    }
    if (evlog_consumer_close(member.consumer) || evlog_close(member.log))
        die("closing", 0);
    _exit(0);
}

/* Kills those that may be killed, one after the other, and starts them again. */
static void kill_some(const char *path, struct crowd *crowd, pid_t pids[CONSUMERS],
                      uint64_t random)
{
    for (int i = 0; i < KILLS; i++)
        for (size_t j = 0; j < CONSUMERS; j++) {
            if (!(kinds[j].how & IS_KILLED))
                continue;
            usleep((useconds_t)load_random(&random, 30000));
            kill_process(pids[j]);
            pids[j] = start_process();
            if (pids[j] == 0)
                consume(path, crowd, j);
        }
}

static int expect_never(const evlog_parked *parked, void *ctx)
{
    uint64_t *last = ctx;
    assert_int_equal(parked->seq, ++*last);
    assert_int_equal(parked->attempt_count, 2);
    assert_string_equal(parked->error, "never");
    return 0;
}

static void check_state(evlog *log, const char *name, const struct wanted *wanted)
{
    evlog_consumer *consumer;
    const void *value;
    size_t size;
    uint64_t sums[2] = {0, 0};
    for (uint64_t i = 0; i < wanted->count; i++)
        sums[0]++, sums[1] += wanted->seqs[i];
    OK(evlog_consumer_open(log, name, NULL, &consumer));
    OK(evlog_state_get(consumer, "sums", 4, &value, &size));
    assert_int_equal(size, sizeof sums);
    assert_memory_equal(value, sums, size);
    OK(evlog_consumer_close(consumer));
}

/* It has had exactly its events, and is done with them all. */
static void check_member(evlog *log, const struct kind *kind, const struct list *list)
{
    static struct wanted wanted;
    evlog_consumer_info info;
    uint64_t last = 0;
    char name[32];
    name_of(kind, name);
    read_wanted(log, kind->type, &wanted);
    assert_int_equal(list->count, wanted.count);
    assert_memory_equal(list->seqs, wanted.seqs, list->count * sizeof *list->seqs);
    OK(inspect_into(log, name, &info));
    assert_int_equal(info.lag_count, 0);
    assert_int_equal(info.lag_us, 0);
    assert_int_equal(info.pid, 0);
    assert_int_equal(info.parked_count, kind->how & FAILS_ALWAYS ? wanted.count : 0);
    if (!(kind->how & BY_HAND))
        assert_int_equal(info.done_count, kind->how & FAILS_ALWAYS ? 0 : wanted.count);
    if (!(kind->how & (IS_KILLED | FAILS_ALWAYS)))
        assert_int_equal(list->again_count, 0);
    if (kind->how & FAILS_ALWAYS)
        OK(evlog_each_parked(log, name, expect_never, &last));
    if (kind->how & KEEPS_STATE)
        check_state(log, name, &wanted);
    printf("%s: %" PRIu64 " events, %" PRIu64 " more than once\n", name, list->count,
           list->again_count);
}

/* Each of eight has exactly its events, four of them killed now and then, one always failing. */
static void eight_consumers_have_their_events_from_eight_senders(void **state)
{
    char *path = strdup(in(*state, "log"));
    struct crowd *crowd = map_shared(sizeof *crowd);
    pid_t senders[SENDERS], consumers[CONSUMERS];
    uint64_t seed = load_seed();
    evlog *log;
    OK(evlog_open(path, NULL, &log));
    OK(evlog_close(log));
    for (size_t i = 0; i < CONSUMERS; i++)
        if ((consumers[i] = start_process()) == 0)
            consume(path, crowd, i);
    for (uint64_t i = 0; i < SENDERS; i++)
        if ((senders[i] = start_process()) == 0)
            send_load(path, i + 1, SENDS, 20000);
    kill_some(path, crowd, consumers, seed);
    expect_end(senders, SENDERS);
    crowd->end = SENDERS * SENDS;
    expect_end(consumers, CONSUMERS);
    OK(evlog_open(path, NULL, &log));
    assert_int_equal(head_of(log), SENDERS * SENDS);
    for (size_t i = 0; i < CONSUMERS; i++)
        check_member(log, &kinds[i], &crowd->lists[i]);
    OK(evlog_close(log));
    munmap(crowd, sizeof *crowd);
    free(path);
}

/* ----------------------------------------------------------------- handover ---- */

#define ROUNDS 14
#define AT_ONCE 3

/* One that begins somewhere and goes on until it has been live for a while. */
struct beginner {
    evlog_reset_options start;
    const char *type;
    uint64_t live_count; /* how many more than there were when it was opened */
    struct list *list;
    uint64_t random;
};

static int add_to_list(const evlog_event *event, void *ctx)
{
    struct list *list = ctx;
    struct load load;
    if (!load_known(event, &load) || list->count == EVENTS_MAX)
        die("not as it was sent", event->seq);
    if (event->is_replay != (event->seq <= list->second_head) &&
        event->is_replay != (event->seq <= list->first_head))
        die("replay or not", event->seq);
    list->seqs[list->count++] = event->seq;
    return 0;
}

static void begin_and_go_live(const char *path, const char *name, const struct beginner *beginner)
{
    struct list *list = beginner->list;
    uint64_t random = beginner->random, last = 0;
    evlog_consumer_options options = {.start = beginner->start.start,
                                      .start_seq = beginner->start.start_seq,
                                      .start_time_us = beginner->start.start_time_us,
                                      .start_count = beginner->start.start_count,
                                      .types = &beginner->type,
                                      .type_count = beginner->type != NULL};
    evlog *log;
    evlog_consumer *consumer;
    if (evlog_open(path, NULL, &log))
        die("opening", 0);
    list->first_head = head_of(log);
    if (evlog_consumer_open(log, name, &options, &consumer))
        die("opening the consumer", 0);
    list->second_head = head_of(log);
    while (last < list->second_head + beginner->live_count) {
        uint64_t limit = load_random(&random, 50);
        if (evlog_consumer_poll(consumer, limit, 20, add_to_list, list, NULL))
            die("polling", last);
        last = list->count ? list->seqs[list->count - 1] : 0;
    }
    if (evlog_consumer_close(consumer) || evlog_close(log))
        die("closing", 0);
    _exit(0);
}

static int64_t time_of(evlog *log, uint64_t seq)
{
    evlog_event *event;
    OK(evlog_read(log, seq, &event));
    int64_t time_us = event->log_time_us;
    evlog_event_free(event);
    return time_us;
}

static struct beginner make_beginner(evlog *log, uint64_t *random, struct list *list)
{
    static const char *const types[] = {NULL, LOAD_TYPE, OTHER_TYPE};
    uint64_t head = head_of(log);
    struct beginner beginner = {.type = types[load_random(random, 3)],
                                .live_count = load_random(random, 100) + 10,
                                .list = list,
                                .random = load_random(random, UINT64_MAX)};
    beginner.start.start = EVLOG_START_FIRST + (unsigned)load_random(random, 5);
    beginner.start.start_seq = load_random(random, head + 1) + 1;
    beginner.start.start_count = load_random(random, head + 10);
    beginner.start.start_time_us = time_of(log, load_random(random, head) + 1);
    beginner.start.start_time_us += (int64_t)load_random(random, 3) - 1;
    return beginner;
}

/* How many of what is wanted are up to `seq`. */
static uint64_t count_to(const struct wanted *wanted, uint64_t seq)
{
    uint64_t count = 0;
    while (count < wanted->count && wanted->seqs[count] <= seq)
        count++;
    return count;
}

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* Between which two of those wanted the first that it had should be. */
static void expect_begin(evlog *log, const struct beginner *beginner, const struct wanted *wanted,
                         uint64_t *low, uint64_t *high)
{
    const struct list *list = beginner->list;
    const evlog_reset_options *start = &beginner->start;
    uint64_t first = count_to(wanted, list->first_head);
    uint64_t second = count_to(wanted, list->second_head);
    *low = *high = 0;
    if (start->start == EVLOG_START_NEW) {
        *low = first;
        *high = second;
    } else if (start->start == EVLOG_START_SEQ) {
        *low = *high = count_to(wanted, start->start_seq - 1);
    } else if (start->start == EVLOG_START_LAST) {
        *low = less(first, start->start_count);
        *high = less(second, start->start_count);
    } else if (start->start == EVLOG_START_TIME) {
        while (*low < wanted->count && time_of(log, wanted->seqs[*low]) < start->start_time_us)
            ++*low;
        *high = *low;
    }
}

static void check_beginner(evlog *log, const struct beginner *beginner)
{
    static struct wanted wanted;
    const struct list *list = beginner->list;
    uint64_t low, high;
    read_wanted(log, beginner->type, &wanted);
    expect_begin(log, beginner, &wanted, &low, &high);
    assert_true(list->count > 0);
    uint64_t at = count_to(&wanted, list->seqs[0] - 1);
    if (at < low || at > high)
        fail_msg("start %d: it begins with event %" PRIu64 ", the %" PRIu64
                 "th of its types, not the %" PRIu64 "th to %" PRIu64 "th",
                 beginner->start.start, list->seqs[0], at, low, high);
    assert_true(at + list->count <= wanted.count);
    assert_memory_equal(list->seqs, wanted.seqs + at, list->count * sizeof *list->seqs);
}

static void run_round(const char *path, int round, uint64_t *random)
{
    struct beginner beginners[AT_ONCE];
    struct list *lists = map_shared(AT_ONCE * sizeof *lists);
    pid_t pids[AT_ONCE];
    evlog *log;
    OK(evlog_open(path, NULL, &log));
    for (int i = 0; i < AT_ONCE; i++)
        beginners[i] = make_beginner(log, random, &lists[i]);
    OK(evlog_close(log));
    for (int i = 0; i < AT_ONCE; i++) {
        char name[32];
        snprintf(name, sizeof name, "beginner-%d-%d", round, i);
        if ((pids[i] = start_process()) == 0)
            begin_and_go_live(path, name, &beginners[i]);
    }
    expect_end(pids, AT_ONCE);
    OK(evlog_open(path, NULL, &log));
    for (int i = 0; i < AT_ONCE; i++)
        check_beginner(log, &beginners[i]);
    OK(evlog_close(log));
    munmap(lists, AT_ONCE * sizeof *lists);
}

/* Begun anywhere while two processes send: no gap, nothing twice, in order, from there on. */
static void history_and_live_have_no_seam(void **state)
{
    char *path = strdup(in(*state, "log"));
    uint64_t random = load_seed(), last = 0;
    pid_t senders[2];
    evlog *log;
    stop = map_shared(sizeof *stop);
    OK(evlog_open(path, &(evlog_options){.durability = EVLOG_FAST}, &log));
    OK(evlog_close(log));
    for (uint64_t i = 0; i < 2; i++)
        if ((senders[i] = start_process()) == 0)
            send_load(path, i + 1, 0, 12000);
    OK(evlog_open(path, NULL, &log));
    OK(evlog_wait(log, 100, 20000, &last));
    assert_true(last > 0);
    OK(evlog_close(log));
    for (int round = 0; round < ROUNDS; round++)
        run_round(path, round, &random);
    *stop = 1;
    expect_end(senders, 2);
    munmap((void *)stop, sizeof *stop);
    free(path);
}

/* A process that waits for the next event without a limit is woken by the one that sends it. */
static void a_send_wakes_who_waits(void **state)
{
    evlog *log;
    evlog_signal *signal;
    atomic_int *waiting = map_shared(sizeof *waiting);
    OK(evlog_open(in(*state, "log"), NULL, &log));
    OK(evlog_define(log, "org.evlog.test.v1", 0, NULL, &signal));
    pid_t waiter = start_process();
    if (waiter == 0) {
        uint64_t last;
        evlog *own;
        OK(evlog_open(in(*state, "log"), &(evlog_options){.read_only = true}, &own));
        *waiting = 1;
        alarm(60); /* else it would sleep for ever */
        OK(evlog_wait(own, 0, -1, &last));
        _exit(last == 1 ? 0 : 1);
    }
    wait_for_child(waiter, waiting, 1);
    usleep(200000); /* it is asleep by now */
    OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    expect_end(&waiter, 1);
    OK(evlog_close(log));
    munmap(waiting, sizeof *waiting);
}

/* ----------------------------------------------------- held for long ---- */

#define HELD_EVENTS 3000

/* How a consumer, or a reader, is held while events are sent. */
enum { NOT_AT_ALL, INSIDE_ITS_RECEIVER, WITH_UNACKNOWLEDGED_EVENTS, WITH_A_SNAPSHOT };

static _Atomic int *step; /* shared: 1 it holds, 2 it may go on */

static void hold(void)
{
    *step = 1;
    while (*step < 2)
        usleep(1000);
}

static int hold_at_first(const evlog_event *event, void *ctx)
{
    if (*(const int *)ctx == INSIDE_ITS_RECEIVER && event->seq == 1)
        hold();
    return 0;
}

static int hold_snapshot(const struct page_snapshot *snapshot, void *ctx)
{
    (void)snapshot;
    (void)ctx;
    hold();
    return EVLOG_OK;
}

static void hold_and_go_on(const char *path, int how)
{
    evlog *log;
    evlog_consumer *consumer;
    uint64_t count = 0;
    int by_hand = how == WITH_UNACKNOWLEDGED_EVENTS;
    if (evlog_open(path, NULL, &log) ||
        evlog_consumer_open(log, "held", &(evlog_consumer_options){.ack_by_hand = by_hand},
                            &consumer) ||
        evlog_consumer_poll(consumer, 50, 0, hold_at_first, &how, &count) || count != 50)
        die("holding", count);
    if (how == WITH_A_SNAPSHOT && env_read(log->store->events, ENV_NEWEST, hold_snapshot, NULL))
        die("holding a snapshot", 0);
    if (how == NOT_AT_ALL || how == WITH_UNACKNOWLEDGED_EVENTS)
        hold();
    if (by_hand && acknowledge(consumer, 50))
        die("acknowledging", 50);
    if (evlog_consumer_close(consumer) || evlog_close(log))
        die("closing", 0);
    _exit(0);
}

static void send_small(evlog *log, int count)
{
    evlog_signal *signal;
    OK(evlog_define(log, LOAD_TYPE, 0, NULL, &signal));
    for (int i = 0; i < count; i++)
        OK(evlog_send_event(signal, SMALL_MAP("\x01"), 4, NULL, NULL));
}

/* The pages of an events file in which so many were sent while something was held. */
static uint64_t pages_when_held(const void *home, const char *name, int how)
{
    const char *path = in(home, name);
    evlog *log;
    evlog_info info;
    pid_t pid = 0;
    *step = 0;
    OK(evlog_open(path, &(evlog_options){.durability = EVLOG_FAST}, &log));
    send_small(log, 100);
    OK(evlog_close(log));
    if (how != NOT_AT_ALL && (pid = start_process()) == 0)
        hold_and_go_on(path, how);
    while (how != NOT_AT_ALL && *step < 1 && waitpid(pid, NULL, WNOHANG) == 0)
        usleep(1000);
    OK(evlog_open(path, NULL, &log));
    send_small(log, HELD_EVENTS);
    OK(evlog_inspect(log, &info));
    OK(evlog_close(log));
    *step = 2;
    if (pid)
        expect_end(&pid, 1);
    return info.page_count;
}

/*
 * However long a consumer is held, the file is as without it; a held snapshot shows what would
 * be.
 */
static void a_held_consumer_does_not_make_the_file_grow(void **state)
{
    step = map_shared(sizeof *step);
    uint64_t without = pages_when_held(*state, "a", NOT_AT_ALL);
    uint64_t inside = pages_when_held(*state, "b", INSIDE_ITS_RECEIVER);
    uint64_t by_hand = pages_when_held(*state, "c", WITH_UNACKNOWLEDGED_EVENTS);
    uint64_t snapshot = pages_when_held(*state, "d", WITH_A_SNAPSHOT);
    printf("pages: %" PRIu64 " without, %" PRIu64 " inside its receiver, %" PRIu64
           " by hand; %" PRIu64 " with a snapshot\n",
           without, inside, by_hand, snapshot);
    assert_in_range(inside, without / 4,
                    4 * without); /* a flush may hold a snapshot for a moment */
    assert_in_range(by_hand, without / 4, 4 * without);
    assert_true(snapshot > 16 * without);
    munmap((void *)step, sizeof *step);
}

/* ---------------------------------------------------------- who has it ---- */

static void have_it(const char *path)
{
    evlog *log;
    evlog_consumer *consumer;
    if (evlog_open(path, NULL, &log) || evlog_consumer_open(log, "c", NULL, &consumer))
        die("opening", 0);
    hold();
    _exit(0);
}

/* Tries to have what its parent's other child has; in a pid namespace of its own, when root. */
static void try_to_have_it(const char *path, int is_elsewhere)
{
    evlog *log;
    evlog_consumer *consumer;
    if (evlog_open(path, NULL, &log))
        die("opening", 0);
    int result = evlog_consumer_open(log, "c", NULL, &consumer);
    if (result != EVLOG_BUSY)
        die("not busy", 0);
    if (!strstr(evlog_errmsg(), is_elsewhere ? "(of another pid namespace)" : "process "))
        die("does not say who has it", 0);
    _exit(0);
}

/* The second process to open a consumer learns which process has it, from another container too. */
static void the_second_is_told_who_has_it(void **state)
{
    char *path = strdup(in(*state, "log"));
    pid_t first, second;
    evlog *log;
    step = map_shared(sizeof *step);
    OK(evlog_open(path, NULL, &log));
    OK(evlog_close(log));
    if ((first = start_process()) == 0)
        have_it(path);
    while (*step < 1)
        usleep(1000);
    if ((second = start_process()) == 0)
        try_to_have_it(path, 0);
    expect_end(&second, 1);
    if ((second = start_process()) == 0) {
        if (unshare(CLONE_NEWPID)) {
            puts("NOT TRIED: another container, which takes root to make");
            fflush(NULL);
            _exit(0);
        }
        pid_t inside = start_process();
        if (inside == 0)
            try_to_have_it(path, 1);
        expect_end(&inside, 1);
        _exit(0);
    }
    expect_end(&second, 1);
    *step = 2;
    expect_end(&first, 1);
    munmap((void *)step, sizeof *step);
    free(path);
}

#define TURNS 150

/*
 * Opens, resets and removes one consumer again and again; nobody ever finds two at work with
 * it.
 */
static void *open_or_reset(void *ctx)
{
    static atomic_int at_work;
    evlog *log = ctx;
    for (int i = 0; i < TURNS; i++) {
        evlog_consumer *consumer;
        evlog_reset_options start = {.start = EVLOG_START_FIRST};
        int result = evlog_consumer_open(log, "c", NULL, &consumer);
        if (result == EVLOG_OK) {
            assert_int_equal(atomic_fetch_add(&at_work, 1), 0);
            OK(evlog_consumer_poll(consumer, 1, 0, hold_at_first, &(int){NOT_AT_ALL}, NULL));
            atomic_fetch_sub(&at_work, 1);
            OK(evlog_consumer_close(consumer));
        } else {
            assert_true(result == EVLOG_BUSY || result == EVLOG_NOTFOUND);
        }
        result = i % 2 ? evlog_consumer_reset(log, "c", &start, NULL)
                       : evlog_consumer_remove(log, "c");
        assert_true(result == EVLOG_OK || result == EVLOG_BUSY || result == EVLOG_NOTFOUND);
    }
    return NULL;
}

/* Threads that open, reset and remove a consumer exclude each other as processes do. */
static void threads_exclude_each_other(void **state)
{
    pthread_t threads[3];
    evlog *log;
    OK(evlog_open(in(*state, "log"), &(evlog_options){.durability = EVLOG_FAST}, &log));
    send_small(log, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, open_or_reset, log), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    OK(evlog_close(log));
}

/* ------------------------------------------------------- one process alone ---- */

/* Pauses its own consumer, as anybody may, and takes its time. */
static int pause_and_dawdle(const evlog_event *event, void *ctx)
{
    if (event->seq == 1)
        OK(evlog_consumer_set_paused(ctx, "paused", 1));
    usleep(5000);
    return 0;
}

/* By hand, where no commit brings word of it, a pause ends the handing out within a batch. */
static void a_pause_is_noticed_in_the_midst_of_a_batch(void **state)
{
    evlog *log;
    evlog_consumer *consumer;
    evlog_consumer_options options = {.ack_by_hand = 1};
    uint64_t count, rest;
    OK(evlog_open(in(*state, "log"), NULL, &log));
    send_small(log, 200);
    OK(evlog_consumer_open(log, "paused", &options, &consumer));
    OK(evlog_consumer_poll(consumer, 0, 0, pause_and_dawdle, log, &count));
    assert_in_range(count, 1, 199);
    OK(evlog_consumer_poll(consumer, 0, 0, pause_and_dawdle, log, &rest));
    assert_int_equal(rest, 0);
    OK(evlog_consumer_set_paused(log, "paused", 0));
    OK(evlog_consumer_poll(consumer, 0, 0, pause_and_dawdle, log, &rest));
    assert_int_equal(count + rest, 200);
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(log));
}

/* A filtered consumer that never waits moves on past what it does not want all the same. */
static void polls_that_do_not_wait_pass_over_what_is_not_wanted(void **state)
{
    evlog *log;
    evlog_consumer *consumer;
    const char *type = OTHER_TYPE;
    evlog_consumer_options options = {.types = &type, .type_count = 1};
    evlog_consumer_info info = {.lag_count = 1};
    OK(evlog_open(in(*state, "log"), NULL, &log));
    send_small(log, 20);
    OK(evlog_consumer_open(log, "other", &options, &consumer));
    while (info.lag_count > 0) {
        OK(evlog_consumer_poll(consumer, 0, 0, hold_at_first, &info, NULL));
        OK(inspect_into(log, "other", &info));
        usleep(10000);
    }
    OK(evlog_consumer_close(consumer));
    OK(evlog_close(log));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(eight_consumers_have_their_events_from_eight_senders),
        TEST_AT_HOME(history_and_live_have_no_seam),
        TEST_AT_HOME(a_send_wakes_who_waits),
        TEST_AT_HOME(a_held_consumer_does_not_make_the_file_grow),
        TEST_AT_HOME(the_second_is_told_who_has_it),
        TEST_AT_HOME(threads_exclude_each_other),
        TEST_AT_HOME(a_pause_is_noticed_in_the_midst_of_a_batch),
        TEST_AT_HOME(polls_that_do_not_wait_pass_over_what_is_not_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
