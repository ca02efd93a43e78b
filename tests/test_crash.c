/*
 * Senders are killed, round after round on one log: what was acknowledged is there, what
 * was sent together is there together, and the next one goes on. EVLOG_SEED repeats a run.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "load.h"

#define ROUNDS 44
#define PROCESSES 2
#define THREADS 4
#define BATCH_MAX 40
#define LIFE_US_MAX 90000

/* What a sender writes to the pipe when its send has returned. */
struct ack {
    uint64_t seq, number;
    uint32_t count;
};

/* ---------------------------------------------------------- those that die ---- */

struct sender {
    evlog_signal *signal;
    uint64_t base; /* of its numbers */
    int pipe;
};

/* It cannot be reported through cmocka from here: the parent sees the exit. */
static void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, evlog_errmsg());
    _exit(1);
}

/* One send of 1 to BATCH_MAX events, and its acknowledgement. */
static void send_some(struct sender *sender, uint64_t number, uint32_t count)
{
    static _Thread_local unsigned char data[BATCH_MAX][LOAD_SIZE_MAX];
    evlog_sending sends[BATCH_MAX];
    evlog_sent sent[BATCH_MAX];
    for (uint32_t i = 0; i < count; i++)
        sends[i] = (evlog_sending){
            .signal = sender->signal,
            .data = data[i],
            .data_size =
                load_make((struct load){.number = number, .index = i, .count = count}, data[i])};
    if (count == 1 ? evlog_send_event(sender->signal, data[0], sends[0].data_size, NULL, sent)
                   : evlog_send_events(sends, count, NULL, sent))
        die("sending");
    struct ack ack = {.seq = sent[0].seq, .number = number, .count = count};
    for (uint32_t i = 0; i < count; i++) {
        if (sent[i].seq != ack.seq + i)
            die("not side by side");
        evlog_sent_free(&sent[i]);
    }
    if (write(sender->pipe, &ack, sizeof ack) != sizeof ack)
        die("writing to the pipe");
}

static void *send_for_ever(void *ctx)
{
    struct sender *sender = ctx;
    uint64_t random = sender->base;
    for (uint64_t number = sender->base;; number++)
        send_some(sender, number,
                  load_random(&random, 4) ? 1 : (uint32_t)load_random(&random, BATCH_MAX) + 1);
    return NULL;
}

static void live(const char *path, uint64_t base, int threads, int pipe)
{
    evlog *log;
    evlog_signal *signal;
    pthread_t thread;
    static struct sender senders[THREADS];
    if (evlog_open(path, NULL, &log) || evlog_define(log, LOAD_TYPE, 0, NULL, &signal))
        die("opening");
    for (int i = 0; i < threads; i++) {
        senders[i] = (struct sender){signal, base | (uint64_t)i << 32, pipe};
        if (i > 0)
            pthread_create(&thread, NULL, send_for_ever, &senders[i]);
    }
    send_for_ever(&senders[0]);
}

/* --------------------------------------------------------- looking on ---- */

struct round {
    const char *path;
    uint64_t random, number;
    pid_t pids[PROCESSES];
    int64_t deaths_us[PROCESSES];
    int alive;
    struct ack *acks;
    size_t ack_count, ack_room;
    struct load *events; /* of all rounds, by seq - 1 */
    size_t event_count, event_room, checked_count;
};

static void start(struct round *round, int *from)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    round->alive = 1 + (load_random(&round->random, 3) == 0);
    for (int i = 0; i < PROCESSES; i++) {
        int threads = load_random(&round->random, 2) ? 1 : THREADS;
        round->deaths_us[i] =
            load_now_us() + (int64_t)load_random(&round->random, LIFE_US_MAX) + 1000;
        if (i >= round->alive)
            continue;
        round->pids[i] = fork();
        assert_true(round->pids[i] >= 0);
        if (round->pids[i] == 0) {
            close(ends[0]);
            live(round->path, round->number << 40 | (uint64_t)i << 36, threads, ends[1]);
        }
    }
    close(ends[1]);
    *from = ends[0];
    fcntl(*from, F_SETFL, O_NONBLOCK);
}

static void take_ack(struct round *round, struct ack ack)
{
    if (round->ack_count == round->ack_room) {
        round->ack_room = round->ack_room * 2 + 1024;
        round->acks = realloc(round->acks, round->ack_room * sizeof *round->acks);
        assert_non_null(round->acks);
    }
    round->acks[round->ack_count++] = ack;
}

/* Kills those whose time has come. */
static void kill_some(struct round *round, int count)
{
    for (int i = 0; i < count; i++) {
        int status;
        if (round->pids[i] == 0 || load_now_us() < round->deaths_us[i])
            continue;
        kill(round->pids[i], SIGKILL);
        assert_int_equal(waitpid(round->pids[i], &status, 0), round->pids[i]);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        round->pids[i] = 0;
        round->alive--;
    }
}

/* Reads acknowledgements until all are dead and the pipe is empty. */
static void look_on(struct round *round, int from)
{
    struct ack ack;
    ssize_t size;
    int count = round->alive;
    round->ack_count = 0;
    while ((size = read(from, &ack, sizeof ack)) != 0) {
        if (size == sizeof ack)
            take_ack(round, ack);
        else
            assert_true(size < 0 && errno == EAGAIN);
        if (size < 0 && round->alive)
            usleep(200);
        kill_some(round, count);
    }
    close(from);
}

/* ------------------------------------------------------------- afterwards ---- */

static int take_event(const evlog_event *event, void *ctx)
{
    struct round *round = ctx;
    struct load load;
    if (!load_known(event, &load) || event->seq != round->event_count + 1)
        return 1;
    if (round->event_count == round->event_room) {
        round->event_room = round->event_room * 2 + 1024;
        round->events = realloc(round->events, round->event_room * sizeof *round->events);
        assert_non_null(round->events);
    }
    round->events[round->event_count++] = load;
    return 0;
}

static int compare_event(const evlog_event *event, void *ctx)
{
    struct round *round = ctx;
    struct load load, *before = &round->events[round->checked_count++];
    return !load_known(event, &load) || load.number != before->number ||
           load.index != before->index;
}

/* From `first` on every send is whole, and each thread's numbers follow without a gap. */
static void check_sends(const struct round *round, size_t first)
{
    uint64_t next[PROCESSES][THREADS] = {{0}};
    for (size_t i = first; i < round->event_count; i++) {
        const struct load *head = &round->events[i];
        uint64_t *expected = &next[head->number >> 36 & 15][head->number >> 32 & 15];
        assert_int_equal(head->number >> 40, round->number);
        assert_int_equal(head->number & UINT32_MAX, *expected);
        ++*expected;
        assert_int_equal(head->index, 0);
        assert_true(i + head->count <= round->event_count);
        for (uint32_t j = 1; j < head->count; j++, i++) {
            assert_int_equal(round->events[i + 1].number, head->number);
            assert_int_equal(round->events[i + 1].index, j);
        }
    }
}

static void check_acks(const struct round *round)
{
    for (size_t i = 0; i < round->ack_count; i++) {
        const struct ack *ack = &round->acks[i];
        if (ack->seq + ack->count - 1 > round->event_count)
            fail_msg("event %" PRIu64 " was acknowledged, and the log ends at %zu", ack->seq,
                     round->event_count);
        assert_int_equal(round->events[ack->seq - 1].number, ack->number);
        assert_int_equal(round->events[ack->seq - 1].count, ack->count);
    }
}

static void check_log(struct round *round)
{
    evlog *log;
    evlog_outcome outcome;
    size_t before = round->event_count;
    OK(evlog_open(round->path, &(evlog_options){.no_create = 1}, &log));
    OK(evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_replay(log, &(evlog_range){.first_seq = before + 1}, take_event, round, &outcome));
    if (round->number == ROUNDS) {
        OK(evlog_replay(log, NULL, compare_event, round, NULL));
        assert_int_equal(round->checked_count, round->event_count);
    }
    OK(evlog_close(log));
    check_sends(round, before);
    check_acks(round);
}

/* ------------------------------------------------------------------ tests ---- */

static void run_rounds(void **state, int durability)
{
    evlog *log;
    struct round round = {.path = in(*state, "log"), .random = load_seed()};
    char *path = strdup(round.path);
    size_t ack_count = 0;
    round.path = path;
    OK(evlog_open(path, &(evlog_options){.durability = durability}, &log));
    OK(evlog_close(log));
    for (round.number = 1; round.number <= ROUNDS; round.number++) {
        int from;
        start(&round, &from);
        look_on(&round, from);
        check_log(&round);
        ack_count += round.ack_count;
    }
    printf("%zu sends were acknowledged, %zu events are there\n", ack_count, round.event_count);
    assert_true(ack_count > ROUNDS);
    free(round.acks);
    free(round.events);
    free(path);
}

/* A durable log: every acknowledged event outlives its sender, 44 times over. */
static void durable_events_outlive_their_sender(void **state)
{
    run_rounds(state, EVLOG_DURABLE);
}

/* A fast one as well: what dies is the process, not the system. */
static void fast_events_outlive_their_sender(void **state)
{
    run_rounds(state, EVLOG_FAST);
}

/* Killed while a log is made, at any moment: the next one makes it or finds it whole. */
static void a_log_is_made_or_not(void **state)
{
    uint64_t random = load_seed();
    for (int i = 0; i < 40; i++) {
        evlog *log;
        char name[16];
        int status;
        snprintf(name, sizeof name, "log%d", i);
        pid_t pid = fork();
        if (pid == 0)
            live(in(*state, name), (uint64_t)1 << 40, 1, open("/dev/null", O_WRONLY));
        usleep((useconds_t)load_random(&random, 15000));
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        OK(evlog_open(in(*state, name), NULL, &log));
        OK(evlog_verify(log, NULL, NULL, NULL));
        OK(evlog_close(log));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(durable_events_outlive_their_sender),
        TEST_AT_HOME(fast_events_outlive_their_sender),
        TEST_AT_HOME(a_log_is_made_or_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
