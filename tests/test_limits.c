/*
 * The limits of a process, descriptors, address space, the size of a file; and of a file system.
 *
 * Each operation is tried with no descriptor left, one, two ... until it succeeds; likewise with
 * address space, with files that may become so large, and with blocks of a small file system. It fails with a
 * code that the header has for it, no signal ends the process, no descriptor is left open, and when
 * there is more the same handle goes on. Each in a child, whose limits they are. Without the
 * sanitizers, which want address space themselves.
 */
#include <dirent.h>
#include <sys/resource.h>

#include "child.h"

#include "load.h"

#define EVENTS 8
#define LIMIT_NONE RLIM_INFINITY
#define DISK_SIZE "12m"
#define FULL_TIMES 3
#define DISK_BLOCK 4096

struct world {
    const char *path, *rest; /* the log, and a file that is not of it */
    evlog_options options;
    evlog *log;
    evlog_signal *signal;
    evlog_consumer *consumer;
    unsigned round;
    uint64_t sent; /* acknowledged */
};

static void set_limit(__rlimit_resource_t which, rlim_t size)
{
    struct rlimit limit;
    CHECK(getrlimit(which, &limit) == 0);
    limit.rlim_cur = size < limit.rlim_max ? size : limit.rlim_max;
    CHECK(setrlimit(which, &limit) == 0);
}

/* -------------------------------------------------------------- operations ---- */

static int open_log(struct world *world)
{
    return evlog_open(world->path, &world->options, &world->log);
}

static int open_to_read(struct world *world)
{
    return evlog_open(world->path, &(evlog_options){.read_only = true}, &world->log);
}

static int define(struct world *world)
{
    char name[64];
    evlog_signal *signal;
    snprintf(name, sizeof name, "org.evlog.test.number%u.v1", world->round);
    return evlog_define(world->log, name, 0, NULL, &signal);
}

static int send(struct world *world)
{
    int result = evlog_send_event(world->signal, SMALL_MAP("\x01"), 4, NULL, NULL);
    world->sent += result == EVLOG_OK;
    return result;
}

static int count_event(const evlog_event *event, void *ctx)
{
    (void)event;
    ++*(uint64_t *)ctx;
    return 0;
}

static int replay(struct world *world)
{
    uint64_t count = 0;
    int result = evlog_replay(world->log, NULL, count_event, &count, NULL);
    CHECK(result || count == world->sent);
    return result;
}

static int look(struct world *world)
{
    evlog_info info;
    uint64_t last;
    int result = evlog_inspect(world->log, &info);
    CHECK(result || info.last_seq == world->sent);
    return result ? result : evlog_wait(world->log, world->sent, 0, &last);
}

static int verify(struct world *world)
{
    return evlog_verify(world->log, NULL, NULL, NULL);
}

static int sync_log(struct world *world)
{
    return evlog_sync(world->log);
}

static int open_consumer(struct world *world)
{
    char name[32];
    snprintf(name, sizeof name, "consumer%u", world->round);
    return evlog_consumer_open(world->log, name, NULL, &world->consumer);
}

/* A consumer from its beginning to its end. */
static int consume(struct world *world)
{
    uint64_t count = 0;
    int result = open_consumer(world);
    if (result)
        return result;
    result = evlog_consumer_poll(world->consumer, 0, 0, count_event, &count, NULL);
    int closed = evlog_consumer_close(world->consumer);
    CHECK(result || closed || count == world->sent);
    return result ? result : closed;
}

/* All else that is done with one. */
static int administer(struct world *world)
{
    evlog_reset_options options = {.start = EVLOG_START_NEW};
    char name[32];
    snprintf(name, sizeof name, "consumer%u", world->round);
    int result = open_consumer(world);
    if (result == EVLOG_OK)
        result = evlog_consumer_close(world->consumer);
    if (result == EVLOG_OK)
        result = evlog_consumer_reset(world->log, name, &options, NULL);
    if (result == EVLOG_OK)
        result = evlog_consumer_set_paused(world->log, name, true);
    return result ? result : evlog_consumer_remove(world->log, name);
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
    enum { NEW, CLOSED, OPEN, GROWS } begins; /* with what log; GROWS: open, and it takes room */
    evlog_durability durability;
};

static const struct operation operations[] = {
    {"making a log", open_log, NEW, EVLOG_DURABLE},
    {"making a fast log", open_log, NEW, EVLOG_FAST},
    {"opening", open_log, CLOSED, EVLOG_DURABLE},
    {"opening a fast log", open_log, CLOSED, EVLOG_FAST},
    {"opening to read", open_to_read, CLOSED, EVLOG_DURABLE},
    {"defining", define, GROWS, EVLOG_DURABLE},
    {"sending", send, GROWS, EVLOG_DURABLE},
    {"sending to a fast log", send, GROWS, EVLOG_FAST},
    {"replaying", replay, OPEN, EVLOG_DURABLE},
    {"looking", look, OPEN, EVLOG_DURABLE},
    {"verifying", verify, OPEN, EVLOG_DURABLE},
    {"flushing", sync_log, OPEN, EVLOG_FAST},
    {"consuming", consume, GROWS, EVLOG_DURABLE},
    {"consuming a fast log", consume, GROWS, EVLOG_FAST},
    {"administering", administer, OPEN, EVLOG_DURABLE},
    {"closing", close_log, OPEN, EVLOG_DURABLE},
    {"closing a fast log", close_log, OPEN, EVLOG_FAST},
};

static void open_world(struct world *world)
{
    CHECK(open_log(world) == EVLOG_OK);
    CHECK(evlog_define(world->log, LOAD_TYPE, 0, NULL, &world->signal) == EVLOG_OK);
}

static void close_world(struct world *world)
{
    if (world->log)
        CHECK(close_log(world) == EVLOG_OK);
}

static void remove_log(struct world *world)
{
    char command[4300];
    snprintf(command, sizeof command, "rm -r '%s'", world->path);
    CHECK(system(command) == 0);
    free((char *)world->path);
}

/* A log for an operation to begin with. */
static void make_world(struct world *world, const void *home, const struct operation *operation)
{
    static unsigned number;
    char name[32];
    snprintf(name, sizeof name, "log%td-%u", operation - operations, number++);
    if (world->path)
        remove_log(world);
    *world = (struct world){.path = strdup(in(home, name)),
                            .rest = in(home, "rest"),
                            .options = {.durability = operation->durability}};
    if (operation->begins == NEW)
        return;
    open_world(world);
    for (int i = 0; i < EVENTS; i++)
        CHECK(send(world) == EVLOG_OK);
    if (operation->begins == CLOSED)
        close_world(world);
}

/* With no limit any more the handle goes on, and so does the log when it is opened again. */
static void check_world(struct world *world, const struct operation *operation)
{
    if (world->log && operation->begins >= OPEN)
        CHECK(send(world) == EVLOG_OK && replay(world) == EVLOG_OK);
    close_world(world);
    open_world(world);
    CHECK(verify(world) == EVLOG_OK && send(world) == EVLOG_OK && replay(world) == EVLOG_OK);
    if (operation->begins < OPEN)
        close_world(world);
}

static _Noreturn void fail_in(const struct operation *operation, const char *what, unsigned left,
                              int result)
{
    fprintf(stderr, "%s, %u %s: %d (%s)\n", operation->name, left, what, result, evlog_errmsg());
    _exit(1);
}

/* -------------------------------------------------------------- descriptors ---- */

static unsigned count_descriptors(void)
{
    unsigned count = 0;
    DIR *directory = opendir("/proc/self/fd");
    CHECK(directory);
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

/* Takes each number that is free below the one returned. */
static int fill_gaps(void)
{
    int highest = 0, next;
    DIR *directory = opendir("/proc/self/fd");
    CHECK(directory);
    for (struct dirent *entry; (entry = readdir(directory));)
        if (atoi(entry->d_name) > highest)
            highest = atoi(entry->d_name);
    closedir(directory);
    do
        CHECK((next = dup(STDERR_FILENO)) >= 0);
    while (next <= highest);
    close(next);
    return next;
}

/* With so many descriptors left. Whether it was enough. */
static bool run_with_descriptors(struct world *world, const struct operation *operation,
                                 unsigned left)
{
    int limit = fill_gaps();
    unsigned before = count_descriptors();
    set_limit(RLIMIT_NOFILE, (rlim_t)limit + left);
    int result = operation->run(world);
    set_limit(RLIMIT_NOFILE, LIMIT_NONE);
    if (result && (result != EVLOG_IO || !strstr(evlog_errmsg(), "Too many open files")))
        fail_in(operation, "descriptors left", left, result);
    if (result && count_descriptors() > before)
        fail_in(operation, "descriptors left, some are not closed", left, result);
    return result == EVLOG_OK;
}

/* ------------------------------------------------------------ address space ---- */

static rlim_t address_space(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file && fscanf(file, "%lu", &pages) == 1 && fclose(file) == 0);
    return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

/* With so many times two megabytes of address space left. */
static bool run_with_space(struct world *world, const struct operation *operation, unsigned left)
{
    set_limit(RLIMIT_AS, address_space() + ((rlim_t)left << 21));
    int result = operation->run(world);
    set_limit(RLIMIT_AS, LIMIT_NONE);
    if (result && result != EVLOG_NOMEM && !strstr(evlog_errmsg(), "starting a thread"))
        fail_in(operation, "times 2 MiB left", left, result);
    return result == EVLOG_OK;
}

/* ------------------------------------------------------------- size of files ---- */

/* With files of 0, 512, 1024, 2048 ... bytes at most. */
static bool run_with_files(struct world *world, const struct operation *operation, unsigned left)
{
    set_limit(RLIMIT_FSIZE, left ? (rlim_t)256 << left : 0);
    int result = operation->run(world);
    set_limit(RLIMIT_FSIZE, LIMIT_NONE);
    if (result && (result != EVLOG_FULL || !strstr(evlog_errmsg(), "free some space")))
        fail_in(operation, "doublings of a file's size", left, result);
    return result == EVLOG_OK;
}

/* ------------------------------------------------------------- a small disk ---- */

/* A tmpfs; or, by hand, what is mounted at the directory that the environment variable DISK names. */
static void mount_disk(const char *path)
{
    const char *disk = getenv("DISK");
    leave_mounts();
    if (disk ? mount(disk, path, NULL, MS_BIND, NULL)
             : mount("none", path, "tmpfs", 0, "size=" DISK_SIZE))
        _exit(CHILD_CANNOT);
}

/* Takes what is left of the disk but for so many blocks. */
static void fill_disk(const char *path, unsigned left)
{
    static const char block[DISK_BLOCK];
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    off_t size = 0;
    CHECK(fd >= 0);
    while (write(fd, block, sizeof block) == sizeof block)
        size += sizeof block;
    CHECK(errno == ENOSPC && size >= (off_t)left * DISK_BLOCK);
    CHECK(ftruncate(fd, size - (off_t)left * DISK_BLOCK) == 0 && close(fd) == 0);
}

/* With so many blocks left on the disk. */
static bool run_on_full_disk(struct world *world, const struct operation *operation,
                             unsigned left)
{
    fill_disk(world->rest, left);
    int result = operation->run(world);
    CHECK(unlink(world->rest) == 0);
    if (result && (result != EVLOG_FULL || !strstr(evlog_errmsg(), "free some space")))
        fail_in(operation, "blocks left", left, result);
    return operation->begins == GROWS ? left == FULL_TIMES : result == EVLOG_OK;
}

/* ------------------------------------------------------------------- tests ---- */

/* What a child does: one operation with more and more of something, until it is enough. */
struct trial {
    const void *home;
    const struct operation *operation;
    bool (*run)(struct world *world, const struct operation *operation, unsigned left);
};

static void try_each(void *ctx)
{
    const struct trial *trial = ctx;
    const struct operation *operation = trial->operation;
    struct world world = {.path = NULL};
    bool is_enough = false;
    unsigned left = 0;
    if (trial->run == run_on_full_disk)
        mount_disk(trial->home);
    for (; !is_enough; left++) {
        CHECK(left < 1000);
        if (left == 0 || operation->begins == NEW)
            make_world(&world, trial->home, operation);
        else if (operation->begins >= OPEN && !world.log)
            open_world(&world);
        world.round = left;
        is_enough = trial->run(&world, operation, left);
        check_world(&world, operation);
    }
    printf("%s: %u are enough\n", operation->name, left - 1);
    fflush(stdout);
}

static void try_all(void **state, bool (*run)(struct world *, const struct operation *, unsigned))
{
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        struct trial trial = {*state, &operations[i], run};
        in_child(try_each, &trial);
    }
}

static void too_few_descriptors_are_reported(void **state)
{
    try_all(state, run_with_descriptors);
}

static void too_little_address_space_is_reported(void **state)
{
    try_all(state, run_with_space);
}

static void too_small_files_are_reported(void **state)
{
    try_all(state, run_with_files);
}

static void a_full_disk_is_reported(void **state)
{
    try_all(state, run_on_full_disk);
}

/* Sends until there is no address space for a larger map of events.mdb; and then there is. */
static void outgrow_the_map(void *ctx)
{
    static unsigned char data[256 << 10] = "\x81\xa1n\xc6\x00\x03\xff\x00";
    static const size_t size = 8 + 0x3ff00;
    struct world *world = ctx;
    int result;
    open_world(world);
    set_limit(RLIMIT_AS, address_space() + ((rlim_t)48 << 20));
    while ((result = evlog_send_event(world->signal, data, size, NULL, NULL)) == EVLOG_OK)
        world->sent++;
    CHECK(result == EVLOG_NOMEM && strstr(evlog_errmsg(), "events.mdb: growing the map"));
    CHECK(world->sent > 100 && replay(world) == EVLOG_OK);
    set_limit(RLIMIT_AS, LIMIT_NONE);
    result = evlog_send_event(world->signal, data, size, NULL, NULL);
    CHECK(result == EVLOG_OK && ++world->sent && replay(world) == EVLOG_OK);
    CHECK(verify(world) == EVLOG_OK);
    close_world(world);
}

/* The log of a process that has the address space goes on meanwhile, and the other one's goes on later. */
static void a_map_that_cannot_grow_stops_nothing(void **state)
{
    static const evlog_durability durabilities[] = {EVLOG_DURABLE, EVLOG_FAST};
    for (int i = 0; i < 2; i++) {
        struct world world = {.path = in(*state, i ? "fast" : "durable"),
                              .options = {.durability = durabilities[i]}};
        in_child(outgrow_the_map, &world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(too_few_descriptors_are_reported),
        TEST_AT_HOME(too_little_address_space_is_reported),
        TEST_AT_HOME(too_small_files_are_reported),
        TEST_AT_HOME(a_full_disk_is_reported),
        TEST_AT_HOME(a_map_that_cannot_grow_stops_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
