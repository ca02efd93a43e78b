/*
 * What the journal gives back when all else is gone: an older events.mdb, without `edge` and `shared`, as after a
 * power cut that nobody flushed before, has every acknowledged event again.
 */
#include <sys/stat.h>

#include "damage.h"

#define TYPE "org.evlog.journal.v1"
#define DATA_SIZE_MAX (5 << 20)

struct world {
    char path[2048];
    evlog *log;
    evlog_signal *signal;
    uint64_t count;
};

static void open_world(struct world *world)
{
    OK(evlog_open(world->path, &(evlog_options){.data_size_max = DATA_SIZE_MAX}, &world->log));
    OK(evlog_define(world->log, TYPE, 0, NULL, &world->signal));
}

/* Each has its number in its data, and `size` bytes. */
static void send(struct world *world, size_t size, unsigned count)
{
    static unsigned char data[DATA_SIZE_MAX] = {0x82, 0xa1, 'n',  0xce, 0,   0,
                                                0,    0,    0xa1, 'f',  0xc6};
    for (int i = 0; i < 4; i++)
        data[11 + i] = (unsigned char)((size - 15) >> (24 - 8 * i));
    while (count-- > 0) {
        world->count++;
        for (int i = 0; i < 4; i++)
            data[4 + i] = (unsigned char)(world->count >> (24 - 8 * i));
        OK(evlog_send_event(world->signal, data, size, NULL, NULL));
    }
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(events_in_the_middle_of_a_part_are_found),
        TEST_AT_HOME(events_of_any_part_are_found),
        TEST_AT_HOME(an_event_behind_the_halves_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
