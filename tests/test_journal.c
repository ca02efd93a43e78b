/*
 * What the journal gives back when all else is gone: an older events.mdb, without `edge` and `shared`, as after a
 * power cut that nobody flushed before, has every acknowledged event again.
 */
#include <sys/stat.h>

#include "damage.h"

#define TYPE "org.evlog.journal.v1"
#define DATA_SIZE_MAX (5 << 20)
#define WAIT_MS 20
#define FLUSHING_AT ((INT64_C(1) << 60) - 1) /* see flusher.c */

struct world {
    char path[2048];
    evlog *log;
    evlog_signal *signal;
    uint64_t count;
};

static void open_world(struct world *world)
{
    evlog_options options = {.data_size_max = DATA_SIZE_MAX, .wait_ms = WAIT_MS};
    OK(evlog_open(world->path, &options, &world->log));
    OK(evlog_define(world->log, TYPE, 0, NULL, &world->signal));
}

/* It has its number in its data, and `size` bytes. */
static int send_one(struct world *world, size_t size)
{
    static unsigned char data[DATA_SIZE_MAX] = {0x82, 0xa1, 'n',  0xce, 0,   0,
                                                0,    0,    0xa1, 'f',  0xc6};
    for (int i = 0; i < 4; i++) {
        data[11 + i] = (unsigned char)((size - 15) >> (24 - 8 * i));
        data[4 + i] = (unsigned char)((world->count + 1) >> (24 - 8 * i));
    }
    int result = evlog_send_event(world->signal, data, size, NULL, NULL);
    world->count += result == EVLOG_OK;
    return result;
}

static void send(struct world *world, size_t size, unsigned count)
{
    while (count-- > 0)
        OK(send_one(world, size));
}

static void close_world(struct world *world)
{
    OK(evlog_close(world->log));
}

/* events.mdb is what `kept` has; nothing says where in the journal its events are. */
static void put_back(const struct world *world, struct bytes kept)
{
    file_write(in(world->path, "events.mdb"), kept.at, kept.size);
    free(kept.at);
    OK(unlink(in(world->path, "edge")));
    OK(unlink(in(world->path, "shared")));
    unlink(in(world->path, "events.mdb-lock"));
    unlink(in(world->path, "state.mdb-lock"));
}

static int check_number(const evlog_event *event, void *ctx)
{
    const unsigned char *data = event->data;
    uint64_t number = (uint64_t)data[4] << 24 | data[5] << 16 | data[6] << 8 | data[7];
    assert_int_equal(number, event->seq);
    ++*(uint64_t *)ctx;
    return 0;
}

static void assert_all(struct world *world)
{
    uint64_t count = 0;
    OK(evlog_verify(world->log, NULL, NULL, NULL));
    OK(evlog_replay(world->log, NULL, check_number, &count, NULL));
    assert_int_equal(count, world->count);
}

/* Sends `before` events, keeps events.mdb, sends `after` of another size, and puts it back. */
static void lose_and_recover(struct world *world, unsigned before, size_t before_size,
                             unsigned after, size_t after_size)
{
    open_world(world);
    send(world, before_size, before);
    close_world(world);
    struct bytes kept = file_read(in(world->path, "events.mdb"));
    open_world(world);
    send(world, after_size, after);
    close_world(world);
    put_back(world, kept);
    open_world(world);
    assert_all(world);
    send(world, 100, 3);
    assert_all(world);
    close_world(world);
}

static void begin(struct world *world, const void *home)
{
    *world = (struct world){.count = 0};
    snprintf(world->path, sizeof world->path, "%s", in(home, "log"));
}

static void events_in_the_middle_of_a_part_are_found(void **state)
{
    struct world world;
    begin(&world, *state);
    for (unsigned i = 0; i < 5; i++)
        lose_and_recover(&world, 1 + 13 * i, 200, 1 + 29 * i, 300 + i);
}

/* Rows of earlier rounds lie behind the newest one, in both halves. */
static void events_of_any_part_are_found(void **state)
{
    struct world world;
    begin(&world, *state);
    for (unsigned i = 0; i < 9; i++)
        lose_and_recover(&world, 13, 100000, 16 + i, 70001);
}

/* 5 MiB are more than a half. */
static void an_event_behind_the_halves_is_found(void **state)
{
    struct world world;
    begin(&world, *state);
    lose_and_recover(&world, 3, 1000, 1, DATA_SIZE_MAX);
    lose_and_recover(&world, 3, 1000, 2, 1000);
}

/* ----------------------------------------- cut, with what was flushed last ---- */

/* A log, and what a power cut leaves of it: the two files as they were flushed, and the journal as it is. */
struct flushed {
    struct bytes events, edge;
};

static struct flushed keep_flushed(const struct world *world)
{
    return (struct flushed){file_read(in(world->path, "events.mdb")),
                            file_read(in(world->path, "edge"))};
}

static void cut(struct world *world, struct flushed flushed)
{
    close_world(world);
    put_back(world, flushed.events);
    file_write(in(world->path, "edge"), flushed.edge.at, flushed.edge.size);
    free(flushed.edge.at);
}

/* Recovery begins behind the halves, and what it looks for is there too. */
static void an_event_behind_the_halves_follows_another(void **state)
{
    struct world world;
    begin(&world, *state);
    open_world(&world);
    send(&world, DATA_SIZE_MAX, 1);
    struct flushed flushed = keep_flushed(&world);
    send(&world, DATA_SIZE_MAX, 1);
    cut(&world, flushed);
    open_world(&world);
    assert_all(&world);
    close_world(&world);
}

/* Another process flushes, and is slow: what is behind the halves must not be given up meanwhile. */
static void what_is_behind_the_halves_is_kept_until_it_is_flushed(void **state)
{
    struct flock whole = {.l_type = F_WRLCK, .l_start = FLUSHING_AT, .l_len = 1};
    const size_t sizes[] = {100, DATA_SIZE_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct world world;
        begin(&world, in(*state, i ? "large" : "small"));
        OK(mkdir(in(*state, i ? "large" : "small"), 0700));
        open_world(&world);
        send(&world, DATA_SIZE_MAX, 1);
        struct flushed flushed = keep_flushed(&world);
        int other = open(in(world.path, "events.mdb"), O_RDWR);
        OK(fcntl(other, F_OFD_SETLK, &whole));
        send(&world, DATA_SIZE_MAX, 1);
        assert_int_equal(send_one(&world, sizes[i]), EVLOG_BUSY);
        close(other);
        cut(&world, flushed);
        open_world(&world);
        assert_all(&world);
        send(&world, sizes[i], 2);
        assert_all(&world);
        close_world(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(events_in_the_middle_of_a_part_are_found),
        TEST_AT_HOME(events_of_any_part_are_found),
        TEST_AT_HOME(an_event_behind_the_halves_is_found),
        TEST_AT_HOME(an_event_behind_the_halves_follows_another),
        TEST_AT_HOME(what_is_behind_the_halves_is_kept_until_it_is_flushed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
