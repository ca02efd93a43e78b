/*
 * The disk is really full: a file system of two megabytes, mounted for a child, or a limit to
 * the size of a file. Each time sends go on until EVLOG_FULL; then the log is as it
 * was, and when there is room the same handle goes on.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "child.h"

#include "evlog/upkeep.h"
#include "load.h"

#define BATCH 200

/* How to fill it. */
struct filling {
    const char *path; /* a directory of this test */
    int durability;
    unsigned count; /* events in a send */
};

struct world {
    struct filling filling;
    evlog *log;
    evlog_signal *signal;
    uint64_t number;
    unsigned heard, replayed;
};

static int hear(const evlog_event *event, void *ctx)
{
    (void)event;
    ++*(unsigned *)ctx;
    return 0;
}

static int check(const evlog_event *event, void *ctx)
{
    struct world *world = ctx;
    struct load load;
    world->replayed++;
    return !load_known(event, &load) || load.number != event->seq;
}

static int send_some(struct world *world)
{
    static unsigned char data[BATCH][LOAD_SIZE_MAX];
    evlog_sending sends[BATCH];
    for (unsigned i = 0; i < world->filling.count; i++) {
        struct load load = {.number = world->number + 1 + i, .count = 1};
        sends[i] = (evlog_sending){
            .signal = world->signal, .data = data[i], .data_size = load_make(load, data[i])};
    }
    int result = evlog_send_events(sends, world->filling.count, NULL, NULL);
    if (result == EVLOG_OK)
        world->number += world->filling.count;
    return result;
}

/* The log has what was sent, each receiver heard it, and nothing else is there. */
static void check_log(struct world *world)
{
    uint64_t checked;
    world->replayed = 0;
    CHECK(evlog_verify(world->log, NULL, NULL, &checked) == EVLOG_OK);
    CHECK(checked == world->number && world->heard == world->number);
    CHECK(evlog_replay(world->log, NULL, check, world, NULL) == EVLOG_OK);
    CHECK(world->replayed == world->number);
}

/* Sends until there is no room a few times one after the other: a reader that ends gives back pages. */
static void fill(struct world *world)
{
    for (int refused = 0; refused < 3;) {
        int result = send_some(world);
        if (result == EVLOG_OK) {
            refused = 0;
            continue;
        }
        CHECK(result == EVLOG_FULL && strstr(evlog_errmsg(), "free some space"));
        check_log(world);
        refused++;
    }
}

static void open_log(struct world *world, const char *path)
{
    evlog_options options = {.durability = world->filling.durability, .flush_every_ms = 1};
    CHECK(evlog_open(path, &options, &world->log) == EVLOG_OK);
    CHECK(evlog_define(world->log, LOAD_TYPE, 0, NULL, &world->signal) == EVLOG_OK);
    CHECK(evlog_connect(world->log, world->signal, NULL, hear, &world->heard, NULL) == EVLOG_OK);
}

/* Something that takes room, until it is removed. */
static void make_ballast(const char *path, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    CHECK(fd >= 0 && posix_fallocate(fd, 0, (off_t)size) == 0 && close(fd) == 0);
}

/* What is left of a file system, to the last byte. */
static void take_the_rest(const char *path)
{
    static const char page[4096];
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    CHECK(fd >= 0);
    while (write(fd, page, sizeof page) > 0)
        ;
    CHECK(errno == ENOSPC && close(fd) == 0);
}

static void mount_disk(const char *path, const char *size)
{
    leave_mounts();
    CHECK(mkdir(path, 0700) == 0);
    if (mount("none", path, "tmpfs", 0, size))
        _exit(CHILD_CANNOT);
}

static void mount_small(const char *path)
{
    mount_disk(path, "size=2m");
}

/* ------------------------------------------------------------ a full disk ---- */

static void fill_a_disk(void *ctx)
{
    static struct world world;
    world.filling = *(struct filling *)ctx;
    const char *disk = strdup(world.filling.path), *log = strdup(in(disk, "log"));
    mount_small(disk);
    make_ballast(in(disk, "ballast"), 600 << 10);
    open_log(&world, log);
    fill(&world);
    uint64_t before = world.number;
    CHECK(unlink(in(disk, "ballast")) == 0); /* the same handle goes on */
    CHECK(send_some(&world) == EVLOG_OK);
    fill(&world);
    CHECK(world.number > before);
    CHECK(evlog_sync(world.log) == EVLOG_OK);
    CHECK(evlog_close(world.log) == EVLOG_OK);
    take_the_rest(in(disk, "rest"));
    open_log(&world, log); /* full as it is, it can be opened, read, and closed */
    check_log(&world);
    world.filling.count = BATCH; /* a page that is free inside the file has room for little */
    CHECK(send_some(&world) == EVLOG_FULL);
    check_log(&world);
    CHECK(evlog_close(world.log) == EVLOG_OK);
    CHECK(unlink(in(disk, "rest")) == 0);
}

/* With not a block left on the disk the oldest events can go. */
static void trim_on_a_full_disk(void *ctx)
{
    static struct world world;
    evlog_trimmed trimmed;
    evlog_info info;
    world.filling = *(struct filling *)ctx;
    const char *disk = strdup(world.filling.path), *log = strdup(in(disk, "log"));
    mount_small(disk);
    open_log(&world, log);
    fill(&world);
    take_the_rest(in(disk, "rest"));
    uint64_t before_seq = world.number / 2;
    CHECK(evlog_trim(world.log, before_seq, NULL, &trimmed) == EVLOG_OK);
    CHECK(trimmed.first_seq == 1 && trimmed.last_seq == before_seq - 1);
    CHECK(trimmed.deleted_count == before_seq - 1);
    CHECK(unlink(in(disk, "rest")) == 0);
    CHECK(evlog_verify(world.log, NULL, NULL, NULL) == EVLOG_OK);
    CHECK(evlog_inspect(world.log, &info) == EVLOG_OK);
    CHECK(info.first_seq == before_seq && info.last_seq >= world.number);
    CHECK(evlog_close(world.log) == EVLOG_OK);
}

#define CYCLES 50

/* Trims all but some, and sends much more than one such trimming frees: what is on the disk stays as it is. */
static void go_on_by_trimming(struct world *world)
{
    evlog_info info;
    for (unsigned cycle = 0; cycle < CYCLES; cycle++) {
        CHECK(evlog_inspect(world->log, &info) == EVLOG_OK);
        CHECK(evlog_trim(world->log, info.last_seq - 100, NULL, NULL) == EVLOG_OK);
        for (unsigned i = 0; i < 400 / world->filling.count; i++)
            CHECK(send_some(world) == EVLOG_OK);
    }
    CHECK(evlog_inspect(world->log, &info) == EVLOG_OK);
    CHECK(info.last_seq - info.first_seq >= 400);
    CHECK(evlog_verify(world->log, NULL, NULL, NULL) == EVLOG_OK);
}

static void send_on_a_full_disk(void *ctx)
{
    static struct world world;
    struct statvfs left;
    world.filling = *(struct filling *)ctx;
    const char *disk = strdup(world.filling.path), *log = strdup(in(disk, "log"));
    mount_disk(disk, "size=4m");
    open_log(&world, log);
    fill(&world);
    take_the_rest(in(disk, "rest"));
    go_on_by_trimming(&world);
    CHECK(statvfs(disk, &left) == 0 && left.f_bfree == 0);
    CHECK(evlog_close(world.log) == EVLOG_OK);
    open_log(&world, log); /* a process that has not yet written knows of no room */
    go_on_by_trimming(&world);
    CHECK(evlog_close(world.log) == EVLOG_OK);
}

/* Sends take the pages that trimming has freed, on a disk without a free block. */
static void what_is_trimmed_is_room_on_a_full_disk(void **state)
{
    static const int durabilities[] = {EVLOG_DURABLE, EVLOG_FAST};
    for (unsigned i = 0; i < 4; i++) {
        char name[16];
        snprintf(name, sizeof name, "disk%u", i);
        struct filling filling = {in(*state, name), durabilities[i % 2], i < 2 ? 1 : BATCH};
        in_child(send_on_a_full_disk, &filling);
    }
}

#define TRIES_MAX 10000 /* a millisecond apart */

/* The policy is applied when a send has found no room: the sends that follow it find some. */
static void retain_on_a_full_disk(void *ctx)
{
    static struct world world;
    const evlog_retention policy = {.count = 300};
    world.filling = *(struct filling *)ctx;
    const char *disk = strdup(world.filling.path), *log = strdup(in(disk, "log"));
    mount_disk(disk, "size=4m");
    open_log(&world, log);
    fill(&world);
    take_the_rest(in(disk, "rest"));
    uint64_t before = world.number;
    CHECK(evlog_retain(world.log, &policy) == EVLOG_OK);
    for (unsigned tries = 0; world.number < before + 5000; tries++) {
        int result = send_some(&world);
        CHECK(result == EVLOG_OK || (result == EVLOG_FULL && tries < TRIES_MAX + 5000));
        if (result)
            usleep(1000);
    }
    CHECK(evlog_verify(world.log, NULL, NULL, NULL) == EVLOG_OK);
    CHECK(evlog_close(world.log) == EVLOG_OK);
}

static void a_policy_makes_room_on_a_full_disk(void **state)
{
    static const int durabilities[] = {EVLOG_DURABLE, EVLOG_FAST};
    for (unsigned i = 0; i < 2; i++) {
        struct filling filling = {in(*state, i ? "disk1" : "disk0"), durabilities[i], 1};
        in_child(retain_on_a_full_disk, &filling);
    }
}

static void a_full_disk_can_be_trimmed(void **state)
{
    static const int durabilities[] = {EVLOG_DURABLE, EVLOG_FAST};
    for (unsigned i = 0; i < 2; i++) {
        struct filling filling = {in(*state, i ? "disk1" : "disk0"), durabilities[i], 1};
        in_child(trim_on_a_full_disk, &filling);
    }
}

static void fill_disk_with(void **state, int durability, unsigned count)
{
    struct filling filling = {in(*state, "disk"), durability, count};
    in_child(fill_a_disk, &filling);
}

/* One event after the other, each on the disk, until it is full. */
static void a_durable_log_fills_the_disk(void **state)
{
    fill_disk_with(state, EVLOG_DURABLE, 1);
}

/* The same without waiting for it. */
static void a_fast_log_fills_the_disk(void **state)
{
    fill_disk_with(state, EVLOG_FAST, 1);
}

/* Two hundred at once: all of them or none. */
static void batches_fill_the_disk(void **state)
{
    fill_disk_with(state, EVLOG_DURABLE, BATCH);
}

/* And in a fast log. */
static void fast_batches_fill_the_disk(void **state)
{
    fill_disk_with(state, EVLOG_FAST, BATCH);
}

/* ----------------------------------------------------- no room to begin ---- */

/* Less and less room for a new log: it is made, or it is EVLOG_FULL; nobody is killed. */
static void make_logs_in_little_room(void *path)
{
    const char *disk = strdup(path); /* not one of in()'s */
    mount_small(disk);
    make_ballast(in(disk, "ballast"), 1 << 20);
    for (size_t room = 0; room <= 896 << 10; room += 4 << 10) {
        static struct world world;
        char name[32];
        take_the_rest(in(disk, "rest"));
        struct stat status;
        CHECK(stat(in(disk, "rest"), &status) == 0);
        CHECK(truncate(in(disk, "rest"), status.st_size - (off_t)room) == 0);
        snprintf(name, sizeof name, "log%zu", room);
        world.log = NULL;
        int result = evlog_open(in(disk, name), NULL, &world.log);
        if (result == EVLOG_OK) {
            result = evlog_define(world.log, LOAD_TYPE, 0, NULL, &world.signal);
            if (result == EVLOG_OK)
                result = evlog_send_event(world.signal, "\x80", 1, NULL, NULL);
            CHECK(evlog_verify(world.log, NULL, NULL, NULL) == EVLOG_OK);
            CHECK(evlog_close(world.log) == EVLOG_OK);
        }
        CHECK(result == EVLOG_OK || result == EVLOG_FULL);
        CHECK(unlink(in(disk, "rest")) == 0);
        CHECK(evlog_open(in(disk, name), NULL, &world.log) ==
              EVLOG_OK); /* with room it is made */
        CHECK(evlog_close(world.log) == EVLOG_OK);
        CHECK(room < 896 << 10 || result == EVLOG_OK);
        char command[4300];
        snprintf(command, sizeof command, "rm -r '%s'", in(disk, name));
        CHECK(system(command) == 0);
    }
}

/* A log that there is no room to make is refused, and made when there is. */
static void no_room_for_a_new_log_is_said(void **state)
{
    in_child(make_logs_in_little_room, (void *)in(*state, "disk"));
}

/* ---------------------------------------------------------- a full file ---- */

/* The process's own limit to a file's size. */
static void set_limit(rlim_t size)
{
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_FSIZE, &limit) == 0);
    limit.rlim_cur = size;
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

static void fill_a_file(void *ctx)
{
    static struct world world;
    world.filling = *(struct filling *)ctx;
    signal(SIGXFSZ, SIG_IGN);
    open_log(&world, world.filling.path);
    set_limit(256 << 10);
    fill(&world);
    uint64_t before = world.number;
    set_limit(512 << 10);
    CHECK(send_some(&world) == EVLOG_OK);
    fill(&world);
    CHECK(world.number > before);
    set_limit(RLIM_INFINITY);
    CHECK(send_some(&world) == EVLOG_OK);
    check_log(&world);
    CHECK(evlog_close(world.log) == EVLOG_OK);
}

/* A limit to the size of files (setrlimit) is a full disk as well; wants no rights. */
static void a_limit_to_files_is_a_full_disk(void **state)
{
    static const int durabilities[] = {EVLOG_DURABLE, EVLOG_FAST};
    for (unsigned i = 0; i < 4; i++) {
        char name[16];
        snprintf(name, sizeof name, "log%u", i);
        struct filling filling = {in(*state, name), durabilities[i % 2], i < 2 ? 1 : BATCH};
        in_child(fill_a_file, &filling);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(a_durable_log_fills_the_disk),
        TEST_AT_HOME(a_fast_log_fills_the_disk),
        TEST_AT_HOME(batches_fill_the_disk),
        TEST_AT_HOME(fast_batches_fill_the_disk),
        TEST_AT_HOME(a_full_disk_can_be_trimmed),
        TEST_AT_HOME(what_is_trimmed_is_room_on_a_full_disk),
        TEST_AT_HOME(a_policy_makes_room_on_a_full_disk),
        TEST_AT_HOME(no_room_for_a_new_log_is_said),
        TEST_AT_HOME(a_limit_to_files_is_a_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
