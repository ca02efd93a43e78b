/*
 * What is recorded: programs that send, read and consume, and promise what they were promised.
 *
 * Each is played in a process of its own, in a directory that is empty but for the second part of
 * `recovery`. Each exists for a durable log and, as fast-..., for a fast one; there
 * evlog_sync is called now and then.
 */
#include "scenarios.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "events.h"
#include "halves.h"
#include "promise.h"
#include <evlog/upkeep.h>

#define THREADS 8
#define BATCH_MAX 100
#define ROUND_BITS 16 /* sends of one play */

bool (*scenario_goes_on)(void);

/* One process's part in a scenario. */
struct run {
    const struct scenario *scenario;
    char path[4096]; /* of the log */
    uint64_t random;
    evlog *log;
    evlog_signal *signal;
    uint64_t process, thread;
    uint64_t next; /* its next send's number */
    uint64_t seq;  /* of its last event that was acknowledged */
};

static void must(int result, const char *what)
{
    if (result == EVLOG_OK)
        return;
    fprintf(stderr, "%s: %d: %s\n", what, result, evlog_errmsg());
    _exit(1);
}

/* -------------------------------------------------------------- sending ---- */

static void open_log(struct run *run)
{
    evlog_options options = {.durability = run->scenario->durability, .flush_every_ms = 2};
    must(evlog_open(run->path, &options, &run->log), "opening");
    promise_give((struct promise){.kind = PROMISE_OPENED});
    must(evlog_define(run->log, EVENT_TYPE, 0, NULL, &run->signal), "defining");
}

static void close_log(struct run *run)
{
    must(evlog_close(run->log), "closing");
}

static void acknowledged(struct run *run, const evlog_sent *sent, uint64_t number, uint32_t count)
{
    run->seq = sent[count - 1].seq;
    promise_give((struct promise){
        .kind = PROMISE_ACKNOWLEDGED, .seq = sent[0].seq, .number = number, .count = count});
}

/* One send of `count` events. */
static void send_many(struct run *run, enum event_class class, uint32_t count)
{
    evlog_sending sends[BATCH_MAX];
    evlog_sent sent[BATCH_MAX];
    uint64_t number = event_number(class, run->process, run->thread, run->next++);
    unsigned char *data = malloc((size_t)count * EVENT_SIZE_MAX);
    if (!data)
        must(EVLOG_NOMEM, "sending");
    for (uint32_t i = 0; i < count; i++) {
        unsigned char *at = data + (size_t)i * EVENT_SIZE_MAX;
        size_t size = event_make((struct event_name){number, i, count}, at);
        sends[i] = (evlog_sending){.signal = run->signal, .data = at, .data_size = size};
    }
    if (count == 1)
        must(evlog_send_event(run->signal, data, sends[0].data_size, NULL, sent), "sending");
    else
        must(evlog_send_events(sends, count, NULL, sent), "sending");
    acknowledged(run, sent, number, count);
    for (uint32_t i = 0; i < count; i++)
        evlog_sent_free(&sent[i]);
    free(data);
}

static void sync_log(struct run *run)
{
    uint64_t seq = run->seq;
    must(evlog_sync(run->log), "flushing");
    promise_give((struct promise){.kind = PROMISE_SYNCED, .seq = seq});
}

/* Now and then, in a fast log. */
static void sync_sometimes(struct run *run)
{
    if (run->scenario->durability == EVLOG_FAST && event_random(&run->random, 8) == 0)
        sync_log(run);
}

static void send_singles(struct run *run, enum event_class class, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        send_many(run, class, 1);
        sync_sometimes(run);
    }
}

/* -------------------------------------------------------------- reading ---- */

static void give_seen(uint64_t seq, struct event_name name)
{
    promise_give((struct promise){.kind = PROMISE_SEEN,
                                  .seq = seq,
                                  .number = name.number,
                                  .index = name.index,
                                  .count = name.count});
}

/* Reads the events after `*seq` one by one. */
static void read_new(struct run *run, uint64_t *seq)
{
    uint64_t last;
    must(evlog_wait(run->log, *seq, 0, &last), "waiting");
    while (*seq < last) {
        evlog_event *event;
        struct event_name name;
        must(evlog_read(run->log, ++*seq, &event), "reading");
        bool is_sent = strcmp(event->event_type, EVENT_TYPE) == 0;
        if (is_sent && event->data && !event_known(event, &name))
            must(EVLOG_DAMAGED, "reading");
        if (is_sent && event->data)
            give_seen(*seq, name);
        evlog_event_free(event);
    }
}

/* --------------------------------------------------- threads, processes ---- */

static void *send_in_thread(void *ctx)
{
    send_singles(ctx, EVENT_SMALL, 15);
    return NULL;
}

static void start_process(struct run *run, uint64_t process, void (*play)(struct run *run))
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        must(EVLOG_IO, "fork");
    if (pid)
        return;
    run->process = process;
    run->random += process << 32;
    play(run);
    exit(0);
}

static void wait_for_processes(unsigned count)
{
    for (int status; count > 0; count--)
        if (wait(&status) < 0 ||
            (status != 0 && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)))
            must(EVLOG_IO, "a process");
}

/* ------------------------------------------------------------ consuming ---- */

struct consuming {
    evlog_consumer *consumer;
    uint32_t number;
    uint64_t seq;
};

static int take(const evlog_event *event, void *ctx)
{
    struct consuming *consuming = ctx;
    struct event_name name;
    if (!event_known(event, &name))
        must(EVLOG_DAMAGED, "consuming");
    give_seen(event->seq, name);
    must(event_consume(consuming->consumer, name), "keeping state");
    consuming->seq = event->seq;
    return 0;
}

static void lose_nothing(const evlog_notice *notice, void *ctx)
{
    (void)ctx;
    if (notice->kind == EVLOG_NOTICE_LOST || notice->kind == EVLOG_NOTICE_PARKED)
        must(EVLOG_DAMAGED, notice->text);
}

static void open_consumer(struct run *run, struct consuming *consuming, uint32_t number)
{
    char name[32];
    evlog_consumer_options options = {.notice = lose_nothing, .commit_every = 1 + number * 3};
    snprintf(name, sizeof name, "consumer-%u", number);
    *consuming = (struct consuming){.number = number};
    must(evlog_consumer_open(run->log, name, &options, &consuming->consumer), "a consumer");
    promise_give((struct promise){.kind = PROMISE_CHECKPOINT, .consumer = number});
}

/* Whatever there is, or, where it waits for it, more. */
static void consume(struct consuming *consuming, uint64_t limit, int64_t timeout_ms)
{
    must(evlog_consumer_poll(consuming->consumer, limit, timeout_ms, take, consuming, NULL),
         "consuming");
    promise_give((struct promise){
        .kind = PROMISE_CHECKPOINT, .consumer = consuming->number, .seq = consuming->seq});
}

/* Consumes `last` events that another process sends. */
static void consume_until(struct run *run, uint32_t number, uint64_t last)
{
    struct consuming consuming;
    open_log(run);
    open_consumer(run, &consuming, number);
    while (consuming.seq < last)
        consume(&consuming, 5, 1000);
    must(evlog_consumer_close(consuming.consumer), "closing a consumer");
    close_log(run);
}

/* ------------------------------------------------------- the scenarios ---- */

static void play_one(struct run *run)
{
    open_log(run);
    send_singles(run, EVENT_SMALL, 100);
    close_log(run);
}

static void play_threads(struct run *run)
{
    struct run runs[THREADS];
    pthread_t threads[THREADS];
    open_log(run);
    for (uint64_t i = 0; i < THREADS; i++) {
        runs[i] = *run;
        runs[i].thread = i;
        runs[i].random += i << 32;
        if (pthread_create(&threads[i], NULL, send_in_thread, &runs[i]))
            must(EVLOG_IO, "a thread");
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    close_log(run);
}

/* Many small events at once, or two large ones: a cut leaves some pages of a send in the journal. */
static void play_batches(struct run *run)
{
    open_log(run);
    for (int i = 0; i < 40; i++) {
        if (i % 2)
            send_many(run, EVENT_LARGE, 2);
        else
            send_many(run, EVENT_SMALL, 1 + (uint32_t)event_random(&run->random, BATCH_MAX));
        sync_sometimes(run);
    }
    close_log(run);
}

static void send_some(struct run *run)
{
    open_log(run);
    for (int i = 0; i < 40; i++) {
        send_many(run, EVENT_SMALL, 1 + (uint32_t)event_random(&run->random, 3));
        sync_sometimes(run);
    }
    close_log(run);
}

static void play_processes(struct run *run)
{
    start_process(run, 1, send_some);
    start_process(run, 2, send_some);
    wait_for_processes(2);
}

#define HALF_SIZE (64 << 10)

/* A group that fits into a half of HALF_SIZE a few times. */
static void send_within(struct run *run)
{
    send_many(run, event_random(&run->random, 4) ? EVENT_LARGE : EVENT_SMALL,
              1 + (uint32_t)event_random(&run->random, 4));
}

/* A group that fits, or, three in five, one that does not. */
static void send_within_or_behind(struct run *run)
{
    switch (event_random(&run->random, 5)) {
    case 0:
    case 1:
        send_many(run, EVENT_HUGE, 1);
        break;
    case 2:
        send_many(run, EVENT_LARGE, 16);
        break;
    default:
        send_within(run);
    }
}

/* It sees what the other one has sent also before that is acknowledged. */
static void send_and_see(struct run *run, void (*send)(struct run *run))
{
    uint64_t seq = 0;
    open_log(run);
    for (int i = 0; i < 40; i++) {
        send(run);
        read_new(run, &seq);
    }
    close_log(run);
}

static void go_round(struct run *run)
{
    send_and_see(run, send_within);
}

static void go_behind(struct run *run)
{
    send_and_see(run, send_within_or_behind);
}

/* While events.mdb is being flushed, the journal comes to the end of its other half. */
static void play_halves(struct run *run)
{
    start_process(run, 1, go_round);
    start_process(run, 2, go_round);
    wait_for_processes(2);
}

/* The same, and groups are behind the halves, and follow one another there. */
static void play_behind(struct run *run)
{
    start_process(run, 1, go_behind);
    start_process(run, 2, go_behind);
    wait_for_processes(2);
}

/* Processes that `die` play one after the other while one goes on; then the power is cut. */
static void play_with_deaths(struct run *run, unsigned death_count, void (*play)(struct run *run),
                             void (*die)(struct run *run))
{
    start_process(run, 1, play);
    for (uint64_t i = 0; i < death_count; i++) {
        start_process(run, 2 + i, die);
        wait_for_processes(1);
    }
    wait_for_processes(1);
    open_log(run); /* so that what the dead have stored in maps is seen by the recorder */
    close_log(run);
}

/* One that dies at some operation, often in the middle of a send. */
static void send_and_die(struct run *run)
{
    die_after_entries(1 + event_random(&run->random, 150));
    send_some(run);
}

static void play_deaths(struct run *run)
{
    play_with_deaths(run, 4, send_some, send_and_die);
}

/* Half of its groups do not fit into what is left of a half. */
static void go_by_large_steps(struct run *run)
{
    open_log(run);
    for (int i = 0; i < 60; i++)
        send_many(run, EVENT_LARGE, 4);
    close_log(run);
}

/* One that dies when the journal has a group of it that is not committed. */
static void send_small_and_die(struct run *run)
{
    halves_lives = 1 + event_random(&run->random, 3);
    send_some(run);
}

/*
 * What the dead have left in the journal must not be found in place of what another one has written since, in
 * another part of it.
 */
static void play_half_deaths(struct run *run)
{
    play_with_deaths(run, 12, go_by_large_steps, send_small_and_die);
}

/* A type that is new each time, and sources that are. */
static void play_types(struct run *run)
{
    char type[64], host[64];
    open_log(run);
    for (unsigned i = 0; i < 24; i++) {
        evlog_metadata metadata = {.sourcehost = host};
        evlog_send_options options = {.metadata = &metadata};
        unsigned char data[EVENT_SIZE_MAX];
        evlog_sent sent;
        struct event_name name = {
            event_number(EVENT_SMALL, run->process, run->thread, run->next++), 0, 1};
        snprintf(type, sizeof type, "org.evlog.power.%u.v1", i / 2);
        snprintf(host, sizeof host, "host-%u", i / 3);
        must(evlog_define(run->log, type, 0, NULL, &run->signal), "defining");
        must(evlog_send_event(run->signal, data, event_make(name, data), &options, &sent),
             "sending");
        acknowledged(run, &sent, name.number, 1);
        evlog_sent_free(&sent);
        sync_sometimes(run);
    }
    close_log(run);
}

static void play_creation(struct run *run)
{
    open_log(run);
    send_singles(run, EVENT_SMALL, 2);
    if (run->scenario->durability == EVLOG_FAST)
        sync_log(run);
    close_log(run);
}

/* Past the first map, of 64 MiB: 56 at once, and then on by small steps. */
static void play_growth(struct run *run)
{
    open_log(run);
    for (int i = 0; i < 4; i++)
        send_many(run, EVENT_HUGE, 74);
    for (int i = 0; i < 24; i++) {
        send_many(run, EVENT_HUGE, 4);
        send_singles(run, EVENT_SMALL, 2);
    }
    close_log(run);
}

/* With overflow pages, and one send that is larger than most buffers. */
static void play_big(struct run *run)
{
    open_log(run);
    for (int i = 0; i < 20; i++) {
        send_many(run, EVENT_LARGE, 1 + (uint32_t)event_random(&run->random, 3));
        send_many(run, i % 4 ? EVENT_SMALL : EVENT_HUGE, 1);
        if (i == 10)
            send_many(run, EVENT_HUGE, 32);
        sync_sometimes(run);
    }
    close_log(run);
}

static void play_short(struct run *run)
{
    for (int i = 0; i < 12; i++) {
        open_log(run);
        send_singles(run, EVENT_SMALL, 1 + (unsigned)event_random(&run->random, 3));
        close_log(run);
    }
}

/* In the process of the sender: nothing is seen before its send has returned. */
static void play_consumer(struct run *run)
{
    struct consuming consuming[2];
    open_log(run);
    for (uint32_t i = 0; i < 2; i++)
        open_consumer(run, &consuming[i], i);
    for (int i = 0; i < 24; i++) {
        send_many(run, EVENT_SMALL, 1 + (uint32_t)event_random(&run->random, 4));
        consume(&consuming[i % 2], 0, 0);
    }
    for (uint32_t i = 0; i < 2; i++)
        must(evlog_consumer_close(consuming[i].consumer), "closing a consumer");
    close_log(run);
}

#define CONSUMED 60

static void send_for_consumers(struct run *run)
{
    open_log(run);
    send_singles(run, EVENT_SMALL, CONSUMED);
    close_log(run);
}

static void consume_first(struct run *run)
{
    consume_until(run, 0, CONSUMED);
}

static void consume_second(struct run *run)
{
    consume_until(run, 1, CONSUMED);
}

/* In other processes than the sender. */
static void play_consumers(struct run *run)
{
    start_process(run, 1, send_for_consumers);
    start_process(run, 2, consume_first);
    start_process(run, 3, consume_second);
    wait_for_processes(3);
}

/* Reads each event as soon as it is there, by looking all the time. */
static void read_eagerly(struct run *run)
{
    open_log(run);
    for (uint64_t seq = 0; seq < CONSUMED;)
        read_new(run, &seq);
    close_log(run);
}

static void *read_in_thread(void *ctx)
{
    read_eagerly(ctx);
    return NULL;
}

/* A sender that has a reader in its own process. */
static void send_and_read(struct run *run)
{
    struct run reading = *run;
    pthread_t thread;
    if (pthread_create(&thread, NULL, read_in_thread, &reading))
        must(EVLOG_IO, "a thread");
    send_for_consumers(run);
    pthread_join(thread, NULL);
}

static void play_readers(struct run *run)
{
    start_process(run, 1, send_and_read);
    start_process(run, 2, read_eagerly);
    wait_for_processes(2);
}

/* For kills: a log that is nearly as large as the first map, and a play that grows it. */
static void play_filled(struct run *run)
{
    open_log(run);
    for (int i = 0; i < 5; i++)
        send_many(run, EVENT_HUGE, 66);
    close_log(run);
}

static void play_grown(struct run *run)
{
    open_log(run);
    for (int i = 0; i < 6; i++) {
        send_many(run, EVENT_HUGE, 4);
        send_singles(run, EVENT_SMALL, 1);
    }
    close_log(run);
}

/* For kills: the others, who send and read until they are stopped. */
static void play_others(struct run *run)
{
    uint64_t seq;
    open_log(run);
    must(evlog_wait(run->log, 0, 0, &seq), "waiting");
    while (scenario_goes_on()) {
        send_many(run, EVENT_SMALL, 1 + (uint32_t)event_random(&run->random, 3));
        read_new(run, &seq);
    }
    close_log(run);
}

#define KEPT_SENDS 12

static void trim_before(struct run *run, uint64_t seq)
{
    promise_give((struct promise){.kind = PROMISE_TRIMMING, .seq = seq});
    must(evlog_trim(run->log, seq, NULL, NULL), "trimming");
    promise_give((struct promise){.kind = PROMISE_TRIMMED, .seq = seq});
}

/* Trims before the send KEPT_SENDS ago; `firsts` are the first events of the sends until now. */
static void trim(struct run *run, const uint64_t *firsts, unsigned count)
{
    if (count > KEPT_SENDS)
        trim_before(run, firsts[count - 1 - KEPT_SENDS]);
}

/* What trimming has freed is used by the sends after it, while events.mdb is not flushed. */
static void play_trim(struct run *run)
{
    uint64_t firsts[90];
    open_log(run);
    for (unsigned i = 0; i < 90; i++) {
        uint32_t count = 1 + (uint32_t)event_random(&run->random, 8);
        send_many(run, i % 3 ? EVENT_SMALL : EVENT_LARGE, count);
        firsts[i] = run->seq - count + 1;
        sync_sometimes(run);
        if (i % 10 == 9)
            trim(run, firsts, i + 1);
        if (i % 30 == 29)
            trim_before(run, run->seq); /* what is not flushed perhaps */
    }
    close_log(run);
}

/* Also where others have it open: then nothing is done. */
static void compact(struct run *run)
{
    promise_give((struct promise){.kind = PROMISE_COMPACTING});
    int result = evlog_compact(run->path, &(evlog_compact_options){.wait_ms = 1}, NULL);
    if (result == EVLOG_BUSY)
        return;
    must(result, "compacting");
    promise_give((struct promise){.kind = PROMISE_COMPACTED});
}

/* The files are written anew and change their names, with events before and after. */
static void play_compact(struct run *run)
{
    uint64_t firsts[40];
    for (unsigned i = 0; i < 40; i++) {
        if (i % 10 == 0)
            open_log(run);
        send_many(run, i % 3 ? EVENT_SMALL : EVENT_LARGE, 4);
        firsts[i] = run->seq - 3;
        sync_sometimes(run);
        if (i % 5 == 4)
            trim(run, firsts, i + 1);
        if (i % 10 != 9)
            continue;
        close_log(run);
        compact(run);
    }
}

#define ERASED_AMONG 16 /* sends: some are in the flushed state and some are not */

/* The first event of a send. */
struct send {
    uint64_t seq, number;
    uint32_t count;
};

/* Any event of the last sends. */
static void erase_one(struct run *run, const struct send *sends, unsigned count)
{
    evlog_erase_options options = {.reason = "the power is cut"};
    uint64_t back = event_random(&run->random, count < ERASED_AMONG ? count : ERASED_AMONG);
    const struct send *send = &sends[count - 1 - back];
    uint32_t index = (uint32_t)event_random(&run->random, send->count);
    struct promise promise = {.kind = PROMISE_ERASING,
                              .seq = send->seq + index,
                              .number = send->number,
                              .index = index,
                              .count = send->count};
    promise_give(promise);
    must(evlog_erase(run->log, promise.seq, NULL, &options), "erasing");
    promise.kind = PROMISE_ERASED;
    promise_give(promise);
}

/* What is erased is in the flushed state, or in the journal, or in both, and sends go on. */
static void send_and_erase(struct run *run, unsigned send_count)
{
    struct send sends[60];
    open_log(run);
    for (unsigned i = 0; i < send_count; i++) {
        enum event_class class = i % 3 ? EVENT_SMALL : EVENT_LARGE;
        uint32_t count = 1 + (uint32_t)event_random(&run->random, 4);
        uint64_t number = event_number(class, run->process, run->thread, run->next);
        send_many(run, class, count);
        sends[i] = (struct send){run->seq - count + 1, number, count};
        sync_sometimes(run);
        if (event_random(&run->random, 3) == 0)
            erase_one(run, sends, i + 1);
    }
    close_log(run);
}

static void play_erase(struct run *run)
{
    send_and_erase(run, 60);
}

/* Then there is nothing of it in any file. */
static void play_erase_now(struct run *run)
{
    for (unsigned i = 0; i < 3; i++) {
        send_and_erase(run, 16);
        compact(run);
    }
}

/* Another process sends and flushes meanwhile. */
static void play_erase_beside(struct run *run)
{
    start_process(run, 1, play_erase);
    start_process(run, 2, send_some);
    wait_for_processes(2);
}

/* ------------------------------------------------------------- upkeep ---- */

#define ROUNDS 2
#define SENDERS 8
#define POLICY_COUNT_MIN 40

/* Processes in a round. Their numbers are ROLES apart from one round to the next. */
enum role { ROLE_UPKEEP, ROLE_SENDER, ROLE_CONSUMER = ROLE_SENDER + SENDERS, ROLES = 32 };

static void rest(struct run *run, uint64_t most_us)
{
    usleep((useconds_t)event_random(&run->random, most_us));
}

static void send_beside(struct run *run)
{
    open_log(run);
    for (int i = 0; i < 8; i++) {
        enum event_class class = event_random(&run->random, 4) ? EVENT_SMALL : EVENT_LARGE;
        send_many(run, class, 1 + (uint32_t)event_random(&run->random, 3));
        sync_sometimes(run);
        rest(run, 20000);
    }
    close_log(run);
}

static void consume_beside(struct run *run)
{
    struct consuming consuming;
    open_log(run);
    open_consumer(run, &consuming, (uint32_t)(run->process % ROLES - ROLE_CONSUMER));
    for (int i = 0; i < 12; i++)
        consume(&consuming, 8, 20);
    must(evlog_consumer_close(consuming.consumer), "closing a consumer");
    close_log(run);
}

/* Somewhere, as far as consumers let it. */
static void trim_somewhere(struct run *run)
{
    evlog_info info;
    evlog_trimmed trimmed = {.held_seq = 0};
    must(evlog_inspect(run->log, &info), "inspecting");
    uint64_t before =
        info.first_seq + event_random(&run->random, info.last_seq - info.first_seq + 1);
    int result = evlog_trim(run->log, before, &(evlog_trim_options){.preview = true}, &trimmed);
    if (result != EVLOG_CONFLICT)
        must(result, "looking what can be trimmed");
    trim_before(run, trimmed.held_seq ? trimmed.held_seq : before);
}

/* Other processes go by it, too. */
static void apply_policy(struct run *run)
{
    evlog_info info;
    evlog_retention policy = {.count = POLICY_COUNT_MIN + event_random(&run->random, 40)};
    promise_give((struct promise){.kind = PROMISE_POLICY, .count = (uint32_t)policy.count});
    must(evlog_retain(run->log, &policy), "setting a policy");
    must(evlog_retention_apply(run->log), "applying a policy");
    must(evlog_inspect(run->log, &info), "inspecting");
    promise_give((struct promise){.kind = PROMISE_TRIMMED, .seq = info.first_seq});
}

/* Begins the copy, or adds to it. false: the log was trimmed beyond its end. */
static bool copy_log(struct run *run)
{
    char path[sizeof run->path + sizeof SCENARIO_COPY];
    evlog_copied copied;
    snprintf(path, sizeof path, "%.*s" SCENARIO_COPY,
             (int)(strrchr(run->path, '/') + 1 - run->path), run->path);
    promise_give((struct promise){.kind = PROMISE_COPYING});
    int result = evlog_copy(run->log, path, NULL, &copied);
    if (result == EVLOG_CONFLICT)
        return false;
    must(result, "copying");
    promise_give((struct promise){.kind = PROMISE_COPIED, .seq = copied.last_seq});
    return true;
}

/* The copy begins later than the log did. */
static void play_copy(struct run *run)
{
    uint64_t firsts[30];
    open_log(run);
    for (unsigned i = 0; i < 30; i++) {
        send_many(run, i % 3 ? EVENT_SMALL : EVENT_LARGE, 4);
        firsts[i] = run->seq - 3;
        if (i % 5 == 4 && i > KEPT_SENDS && !copy_log(run))
            must(EVLOG_CONFLICT, "copying");
        if (i == KEPT_SENDS)
            trim_before(run, firsts[i / 2]);
    }
    close_log(run);
}

static void keep_up(struct run *run)
{
    bool is_copied = true;
    open_log(run);
    for (int i = 0; i < 12; i++) {
        switch (event_random(&run->random, 4)) {
        case 0:
            trim_somewhere(run);
            break;
        case 1:
            apply_policy(run);
            break;
        default:
            is_copied = is_copied && copy_log(run);
        }
        rest(run, 20000);
    }
    close_log(run);
    compact(run);
}

/* All of it goes on beside senders and consumers, who are there before anything is trimmed. */
static void play_upkeep(struct run *run)
{
    open_log(run);
    for (uint32_t i = 0; i < SCENARIO_CONSUMERS; i++) {
        struct consuming consuming;
        open_consumer(run, &consuming, i);
        must(evlog_consumer_close(consuming.consumer), "closing a consumer");
    }
    close_log(run);
    for (uint64_t first = ROLES; first <= ROUNDS * ROLES; first += ROLES) {
        start_process(run, first + ROLE_UPKEEP, keep_up);
        for (uint64_t i = 0; i < SENDERS; i++)
            start_process(run, first + ROLE_SENDER + i, send_beside);
        for (uint64_t i = 0; i < SCENARIO_CONSUMERS; i++)
            start_process(run, first + ROLE_CONSUMER + i, consume_beside);
        wait_for_processes(1 + SENDERS + SCENARIO_CONSUMERS);
        compact(run);
    }
}

/* In a directory that a cut has left: what begins again, and goes on. */
static void play_again(struct run *run)
{
    open_log(run);
    send_singles(run, EVENT_SMALL, 3);
    if (run->scenario->durability == EVLOG_FAST)
        sync_log(run);
    close_log(run);
    open_log(run);
    send_many(run, EVENT_SMALL, 5);
    close_log(run);
}

/* One that dies at some operation of opening the log, or when it is open. */
static void open_and_die(struct run *run)
{
    die_after_entries(1 + event_random(&run->random, 40));
    open_log(run);
    _exit(0);
}

/* The same after two that have died in making the log whole. */
static void play_again_deaths(struct run *run)
{
    for (uint64_t i = 0; i < 2; i++) {
        start_process(run, run->process + 1 + i, open_and_die);
        wait_for_processes(1);
    }
    play_again(run);
}

/* Short delays let flushes of one thread or process overlap with what others do. */
#define BOTH(name, play, delay_us, percent, second)                                         \
    {#name, EVLOG_DURABLE, play, delay_us, percent, second, NULL, 0, 0, 0},                 \
    {                                                                                       \
        "fast-" #name, EVLOG_FAST, play, delay_us, percent, (second) ? "fast-again" : NULL, \
            NULL, 0, 0, 0                                                                   \
    }

/* Of what a cut leaves, processes that make it whole are killed in that. */
#define DEATHS 3
#define KILLED(name, play, delay_us)                                                    \
    {"killed-" #name, EVLOG_DURABLE, play, delay_us, 100, NULL, NULL, 0, 0, DEATHS},    \
    {                                                                                   \
        "fast-killed-" #name, EVLOG_FAST, play, delay_us, 100, NULL, NULL, 0, 0, DEATHS \
    }

#define EVENTS_FILE SCENARIO_LOG "/events.mdb"
#define JOURNAL_FILE SCENARIO_LOG "/journal"
#define COPY_STATE_FILE SCENARIO_COPY "/state.mdb"

const struct scenario scenarios[] = {
    BOTH(one, play_one, 0, 100, NULL),
    BOTH(threads, play_threads, 200, 100, NULL),
    {"batches", EVLOG_DURABLE, play_batches, 0, 200, NULL, JOURNAL_FILE, 0, 0, 0},
    {"fast-batches", EVLOG_FAST, play_batches, 0, 100, NULL, NULL, 0, 0, 0},
    BOTH(processes, play_processes, 200, 100, NULL),
    {"halves", EVLOG_DURABLE, play_halves, 200, 100, NULL, EVENTS_FILE, 10000, HALF_SIZE, 0},
    {"behind", EVLOG_DURABLE, play_behind, 200, 150, NULL, EVENTS_FILE, 10000, HALF_SIZE, 0},
    {"half-deaths", EVLOG_DURABLE, play_half_deaths, 200, 150, NULL, EVENTS_FILE, 10000,
     HALF_SIZE, 0},
    BOTH(deaths, play_deaths, 200, 100, NULL),
    BOTH(types, play_types, 0, 100, NULL),
    BOTH(creation, play_creation, 0, 100, NULL),
    BOTH(growth, play_growth, 0, 10, NULL),
    BOTH(big, play_big, 0, 60, NULL),
    BOTH(short, play_short, 0, 100, NULL),
    BOTH(consumer, play_consumer, 0, 100, NULL),
    BOTH(consumers, play_consumers, 1000, 100, NULL),
    BOTH(readers, play_readers, 200, 100, NULL),
    BOTH(trim, play_trim, 0, 100, NULL),
    BOTH(compact, play_compact, 0, 100, NULL),
    BOTH(erase, play_erase, 200, 100, NULL),
    {"erase-now", EVLOG_DURABLE, play_erase_now, 0, 100, NULL, NULL, 0, 0, 0},
    {"fast-erase-now", EVLOG_FAST, play_erase_now, 0, 100, NULL, NULL, 0, 0, 0},
    {"copy", EVLOG_DURABLE, play_copy, 200, 100, NULL, COPY_STATE_FILE, 0, 0, 0},
    {"fast-copy", EVLOG_FAST, play_copy, 200, 100, NULL, COPY_STATE_FILE, 0, 0, 0},
    {"upkeep", EVLOG_DURABLE, play_upkeep, 200, 200, NULL, NULL, 0, HALF_SIZE, 0},
    {"fast-upkeep", EVLOG_FAST, play_upkeep, 200, 200, NULL, NULL, 0, 0, 0},
    {"erase-beside", EVLOG_DURABLE, play_erase_beside, 200, 100, NULL, NULL, 0, 0, 0},
    {"fast-erase-beside", EVLOG_FAST, play_erase_beside, 200, 100, NULL, NULL, 0, 0, 0},
    BOTH(recovery, play_batches, 0, 100, "again"),
    {"recovery-deaths", EVLOG_DURABLE, play_batches, 0, 100, "again-deaths", NULL, 0, 0, 0},
    {"fast-recovery-deaths", EVLOG_FAST, play_batches, 0, 100, "fast-again-deaths", NULL, 0, 0,
     0},
    KILLED(recovery, play_batches, 0),
    KILLED(types, play_types, 0),
    KILLED(trim, play_trim, 0),
    KILLED(compact, play_compact, 0),
    KILLED(erase, play_erase, 0),
    {"killed-halves", EVLOG_DURABLE, play_halves, 200, 100, NULL, NULL, 0, HALF_SIZE, DEATHS},
    BOTH(again, play_again, 0, 0, NULL),
    {"again-deaths", EVLOG_DURABLE, play_again_deaths, 0, 0, NULL, NULL, 0, 0, 0},
    {"fast-again-deaths", EVLOG_FAST, play_again_deaths, 0, 0, NULL, NULL, 0, 0, 0},
    BOTH(filled, play_filled, 0, 0, NULL),
    BOTH(grown, play_grown, 0, 0, NULL),
    BOTH(others, play_others, 0, 0, NULL),
};

const size_t scenario_count = sizeof scenarios / sizeof *scenarios;

const struct scenario *scenario_find(const char *name)
{
    for (size_t i = 0; i < scenario_count; i++)
        if (strcmp(scenarios[i].name, name) == 0)
            return &scenarios[i];
    return NULL;
}

void scenario_begin(const struct scenario *scenario)
{
    if (scenario->half_size)
        halves_size = scenario->half_size;
}

void scenario_play(const struct scenario *scenario, const char *root, uint64_t seed,
                   uint64_t process, uint64_t round)
{
    struct run run = {
        .scenario = scenario, .random = seed, .process = process, .next = round << ROUND_BITS};
    snprintf(run.path, sizeof run.path, "%s/%s", root, SCENARIO_LOG);
    scenario_begin(scenario);
    scenario->play(&run);
}
