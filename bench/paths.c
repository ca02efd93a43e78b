/*
 * The hot paths by themselves, for callgrind and perf: nothing else is in the loop.
 *
 *   bench-paths durable|fast|bulk|durable-bulk|replay|consumer|state COUNT DIRECTORY
 *
 * Sends (one or 512 a call) or reads COUNT events of 256 bytes in a new log below DIRECTORY. bench/instructions.sh
 * counts what `measured` does.
 */
#include "bench.h"

#define EVENT_SIZE 256
#define BATCH 512

static unsigned char data[EVENT_SIZE] = {0x81, 0xa1, 'n', 0xc4, EVENT_SIZE - 5};
static evlog *events;
static evlog_signal *signal_sent;
static uint64_t sink;

static void send_one_by_one(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        CHECK(evlog_send_event(signal_sent, data, sizeof data, NULL, NULL));
}

static void send_bulk(unsigned count)
{
    static evlog_sending sends[BATCH];
    for (unsigned i = 0; i < BATCH; i++)
        sends[i] = (evlog_sending){.signal = signal_sent, .data = data, .data_size = sizeof data};
    for (unsigned sent = 0; sent < count; sent += BATCH)
        CHECK(evlog_send_events(sends, count - sent < BATCH ? count - sent : BATCH, NULL, NULL));
}

static int take(const evlog_event *event, void *ctx)
{
    (void)ctx;
    sink += event->seq + *(const unsigned char *)event->data;
    return 0;
}

static void replay(unsigned count)
{
    evlog_outcome outcome;
    CHECK(evlog_replay(events, NULL, take, NULL, &outcome));
    CHECK(outcome.delivered != count);
}

/* A count for each of 100 keys. */
static int tally(const evlog_event *event, void *ctx)
{
    evlog_consumer *consumer = *(evlog_consumer **)ctx;
    uint64_t key = event->seq % 100, sum = 0;
    const void *value;
    size_t size;
    if (evlog_state_get(consumer, &key, sizeof key, &value, &size) == EVLOG_OK)
        memcpy(&sum, value, sizeof sum);
    sum++;
    return evlog_state_put(consumer, &key, sizeof key, &sum, sizeof sum);
}

static void consume_by(evlog_receiver *receiver, unsigned count)
{
    evlog_consumer *consumer;
    uint64_t handed;
    CHECK(evlog_consumer_open(events, "bench", NULL, &consumer));
    CHECK(evlog_consumer_poll(consumer, 0, 0, receiver, &consumer, &handed));
    CHECK(handed != count);
    CHECK(evlog_consumer_close(consumer));
}

static void consume(unsigned count)
{
    consume_by(take, count);
}

static void consume_state(unsigned count)
{
    consume_by(tally, count);
}

static const struct path {
    const char *name;
    evlog_durability durability;
    bool is_read;
    void (*run)(unsigned);
} paths[] = {
    {"durable", EVLOG_DURABLE, false, send_one_by_one},
    {"fast", EVLOG_FAST, false, send_one_by_one},
    {"durable-bulk", EVLOG_DURABLE, false, send_bulk},
    {"bulk", EVLOG_FAST, false, send_bulk},
    {"replay", EVLOG_FAST, true, replay},
    {"consumer", EVLOG_FAST, true, consume},
    {"state", EVLOG_FAST, true, consume_state},
};

/* Named for callgrind, so neither inlined nor local. */
void measured(const struct path *path, unsigned count);

__attribute__((noinline)) void measured(const struct path *path, unsigned count)
{
    path->run(count);
}

int main(int argc, char **argv)
{
    const size_t path_count = sizeof paths / sizeof *paths;
    const struct path *path = paths;
    char log_path[4096];
    unsigned count = argc == 4 ? (unsigned)atoi(argv[2]) : 0;
    while (count && path < paths + path_count && strcmp(path->name, argv[1]) != 0)
        path++;
    if (count == 0 || path == paths + path_count) {
        fprintf(
            stderr,
            "usage: %s durable|fast|durable-bulk|bulk|replay|consumer|state COUNT DIRECTORY\n",
            argv[0]);
        return 2;
    }
    snprintf(log_path, sizeof log_path, "%s/log", argv[3]);
    CHECK(evlog_open(
        log_path,
        &(evlog_options){.durability = path->durability,
                         .flush_every_ms = path->durability == EVLOG_FAST ? 3600000 : 0},
        &events));
    CHECK(evlog_define(events, "org.openedx.learning.course.enrollment.created.v1", 0, NULL,
                       &signal_sent));
    if (path->is_read)
        send_bulk(count);
    else
        send_one_by_one(1); /* the type and the source are defined */
    double began = bench_now();
    measured(path, count);
    printf("%s: %.0f ns an event\n", path->name, (bench_now() - began) / count * 1e9);
    CHECK(evlog_close(events));
    return 0;
}
