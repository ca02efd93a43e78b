/*
 * Room ahead (room.c) in a mapped file, and the lengths of maps (env.c): whatever is sent, each page that a
 * commit uses has blocks before it; a full disk is an error and no signal; and no process shortens the
 * file that another one is lengthening.
 */
#include <fcntl.h>
#include <lmdb.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "be64.h"
#include "child.h"
#include "env.h"

#define TYPE "org.evlog.room.v1"
#define PAGE 4096
#define BATCH_MAX 512
#define GROUP_MAX (900 << 10)

/* ------------------------------------------------- the calls it makes ---- */

static enum { ALLOCATE, ALLOCATE_EXACTLY, REFUSE, CANNOT } mode;
static unsigned refused_count;
static off_t lowest;    /* where it was asked for blocks */
static off_t allocated; /* up to where it has got them */

int __real_fallocate(int fd, int flags, off_t offset, off_t size);
int __wrap_fallocate(int fd, int flags, off_t offset, off_t size);

/* ALLOCATE_EXACTLY: what is asked for first is more than is needed, and is refused. */
int __wrap_fallocate(int fd, int flags, off_t offset, off_t size)
{
    bool is_refused = mode == REFUSE || (mode == ALLOCATE_EXACTLY && refused_count % 2 == 0);
    if (mode == CANNOT) {
        errno = EOPNOTSUPP;
        return -1;
    }
    lowest = offset < lowest ? offset : lowest;
    if (mode != ALLOCATE)
        refused_count++;
    if (!is_refused && offset <= allocated && offset + size > allocated)
        allocated = offset + size;
    if (!is_refused)
        return __real_fallocate(fd, flags, offset, size);
    errno = ENOSPC;
    return -1;
}

/* Two processes, in memory that they share. */
static struct common {
    atomic_bool is_opening, is_grown;
    ino_t events;
} * common;
static bool is_slow; /* this process is */

/*
 * liblmdb's, when it maps a file: the length was chosen, and now another process has time to make the file
 * longer, if it may.
 */
__attribute__((visibility("default"))) int ftruncate(int fd, off_t size)
{
    struct stat status;
    if (is_slow && fstat(fd, &status) == 0 && status.st_ino == common->events) {
        common->is_opening = true;
        for (int i = 0; i < 500 && !common->is_grown; i++)
            usleep(1000);
    }
    return (int)syscall(SYS_ftruncate, fd, size);
}

/* --------------------------------------------------------------- the log ---- */

struct world {
    char path[2048];
    evlog *log;
    evlog_signal *signal;
    uint64_t count;
};

static void open_world(struct world *world, const char *path)
{
    allocated = 0;
    if (path != world->path)
        snprintf(world->path, sizeof world->path, "%s", path);
    OK(evlog_open(world->path,
                  &(evlog_options){.durability = EVLOG_FAST, .flush_every_ms = 3600000},
                  &world->log));
    OK(evlog_define(world->log, TYPE, 0, NULL, &world->signal));
}

static int send(struct world *world, size_t size, unsigned count)
{
    static unsigned char data[GROUP_MAX + 16] = {0x81, 0xa1, 'n', 0xc6};
    evlog_sending sends[BATCH_MAX];
    for (int i = 0; i < 4; i++)
        data[4 + i] = (unsigned char)(size >> (24 - 8 * i));
    for (unsigned i = 0; i < count; i++)
        sends[i] = (evlog_sending){.signal = world->signal, .data = data, .data_size = size + 8};
    int result = evlog_send_events(sends, count, NULL, NULL);
    world->count += result ? 0 : count;
    return result;
}

/* Every page in use is before the first hole, and had blocks before something was stored there, which makes some. */
static void assert_no_hole(const struct world *world)
{
    evlog_info info;
    int fd = open(in(world->path, "events.mdb"), O_RDONLY);
    assert_true(fd >= 0);
    OK(evlog_inspect(world->log, &info));
    off_t hole = lseek(fd, 0, SEEK_HOLE);
    if (hole < (off_t)info.used_size)
        fail_msg("%" PRIu64 " events: %llu bytes in use, a hole at %lld", world->count,
                 (unsigned long long)info.used_size, (long long)hole);
    close(fd);
    if (mode != CANNOT && allocated < (off_t)info.used_size)
        fail_msg("%" PRIu64 " events: %llu bytes in use, and blocks up to %lld", world->count,
                 (unsigned long long)info.used_size, (long long)allocated);
}

static void close_world(struct world *world)
{
    evlog_info info;
    mode = ALLOCATE;
    OK(evlog_inspect(world->log, &info));
    assert_int_equal(info.last_seq, world->count);
    OK(evlog_verify(world->log, NULL, NULL, NULL));
    OK(evlog_close(world->log));
}

/* ----------------------------------------------------------------- tests ---- */

/* Sizes at which a record takes the most pages for its bytes, and some between. */
static void each_page_of_a_commit_has_blocks(void **state)
{
    static const unsigned sizes[] = {1,    100,  256,  700,  800,  900,  1200, 1220, 1240,  1260,
                                     1800, 1880, 1890, 1895, 1900, 1902, 1904, 1906, 1910,  1920,
                                     2040, 3900, 3960, 3980, 4000, 8000, 8060, 8080, 100000};
    static const unsigned counts[] = {1, 7, BATCH_MAX};
    struct world world = {.count = 0};
    open_world(&world, in(*state, "log"));
    mode = ALLOCATE_EXACTLY;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++) {
            unsigned count = counts[i];
            if (count * (sizes[j] + 200) > GROUP_MAX)
                count = GROUP_MAX / (sizes[j] + 200);
            for (int k = 0; k < 3; k++) {
                refused_count = 0;
                OK(send(&world, sizes[j], count));
                assert_no_hole(&world);
            }
        }
    close_world(&world);
}

/* Also when a reader holds a snapshot, so that the list of free pages grows with each commit. */
static void each_page_of_a_commit_has_blocks_beside_a_held_reader(void **state)
{
    struct world world = {.count = 0};
    MDB_env *env;
    MDB_txn *txn;
    open_world(&world, in(*state, "log"));
    OK(send(&world, 100, 1));
    pid_t reader = fork();
    if (reader == 0) {
        alarm(CHILD_SECONDS);
        if (mdb_env_create(&env) || mdb_env_set_mapsize(env, 1 << 30) ||
            mdb_env_open(env, in(world.path, "events.mdb"), MDB_NOSUBDIR | MDB_RDONLY | MDB_NOTLS,
                         0) ||
            mdb_txn_begin(env, NULL, MDB_RDONLY, &txn))
            _exit(1);
        for (;;)
            pause();
    }
    usleep(100000); /* it may begin later: then less is tried */
    mode = ALLOCATE_EXACTLY;
    for (int i = 0; i < 1500; i++) {
        refused_count = 0;
        OK(send(&world, 60, 1));
        if (i % 50 == 0)
            assert_no_hole(&world);
    }
    kill(reader, SIGKILL);
    assert_int_equal(child_wait(reader), 128 + SIGKILL);
    close_world(&world);
}

/* A copy of a log may have holes anywhere. */
static void holes_are_filled_before_the_first_commit(void **state)
{
    struct world world = {.count = 0};
    open_world(&world, in(*state, "log"));
    for (int i = 0; i < 200; i++)
        OK(send(&world, 256, 1));
    close_world(&world);
    int fd = open(in(world.path, "events.mdb"), O_RDWR);
    struct stat status;
    assert_int_equal(fstat(fd, &status), 0);
    open_world(&world, world.path);
    evlog_info info;
    OK(evlog_inspect(world.log, &info));
    off_t end = (off_t)info.used_size;
    if (__real_fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, end,
                         status.st_size - end))
        SKIP("the file system has no holes");
    assert_true(lseek(fd, 0, SEEK_HOLE) <= end);
    lowest = end;
    OK(send(&world, 256, 1));
    assert_no_hole(&world);
    assert_true(lseek(fd, 0, SEEK_HOLE) > end);
    assert_int_equal(lowest, 0); /* a page that is in use, or free, may be a hole too */
    close(fd);
    close_world(&world);
}

static void a_full_disk_is_an_error(void **state)
{
    struct world world = {.count = 0};
    struct stat before, after;
    open_world(&world, in(*state, "log"));
    OK(send(&world, 256, 1));
    assert_int_equal(stat(in(world.path, "events.mdb"), &before), 0);
    mode = REFUSE;
    int result = EVLOG_OK;
    for (int i = 0; i < 100 && result == EVLOG_OK; i++)
        result = send(&world, 5000, 7);
    assert_int_equal(result, EVLOG_FULL);
    assert_no_hole(&world);
    assert_int_equal(stat(in(world.path, "events.mdb"), &after), 0);
    assert_true(after.st_size >= before.st_size);
    mode = ALLOCATE;
    OK(send(&world, 5000, 7));
    close_world(&world);
}

/* Zeros are then written, but not over what is there. */
static void a_file_system_that_cannot_allocate_gets_zeros(void **state)
{
    struct world world = {.count = 0};
    mode = CANNOT;
    open_world(&world, in(*state, "log"));
    for (int i = 0; i < 300; i++) {
        OK(send(&world, i % 10 ? 300 : 9000, 1 + i % 5));
        if (i % 100 == 50) {
            OK(evlog_close(world.log));
            open_world(&world, world.path);
        }
    }
    assert_no_hole(&world);
    close_world(&world);
}

/* In a child: opens the log, and takes its time between choosing the map's length and mapping. */
static void open_slowly(void *ctx)
{
    evlog *log;
    is_slow = true;
    int result = evlog_open(ctx, NULL, &log);
    is_slow = false;
    CHECK(result == EVLOG_OK);
    CHECK(evlog_verify(log, NULL, NULL, NULL) == EVLOG_OK);
    CHECK(evlog_close(log) == EVLOG_OK);
}

static void opening_does_not_shorten_a_file_that_grows(void **state)
{
    struct world world = {.count = 0};
    struct stat status;
    common =
        mmap(NULL, sizeof *common, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(common != MAP_FAILED);
    open_world(&world, in(*state, "log"));
    OK(send(&world, 100000, 7));
    OK(send(&world, 100000, 7)); /* past the first map */
    assert_int_equal(stat(in(world.path, "events.mdb"), &status), 0);
    common->events = status.st_ino;
    pid_t child = child_start(open_slowly, world.path);
    while (!common->is_opening)
        usleep(100);
    for (int i = 0; i < 40; i++)
        OK(send(&world, 100000, 1));
    common->is_grown = true;
    assert_int_equal(child_wait(child), 0);
    for (int i = 0; i < 400; i++) /* up to the end of the map that it has, and past it */
        OK(send(&world, 10000, 1));
    close_world(&world);
    munmap(common, sizeof *common);
    common = NULL;
}

/* A process whose map is too small grows it to no less than the file, and reads meanwhile. */
static void maps_of_two_processes_follow_each_other(void **state)
{
    struct world world = {.count = 0};
    int orders[2], answers[2];
    char byte;
    uint64_t seen = 0;
    evlog_info info;
    open_world(&world, in(*state, "log"));
    assert_int_equal(pipe2(orders, O_CLOEXEC) | pipe2(answers, O_CLOEXEC), 0);
    pid_t child = fork();
    if (child == 0) {
        struct world theirs = {.count = 0};
        alarm(CHILD_SECONDS);
        close(orders[1]);
        if (evlog_open(world.path, NULL, &theirs.log) ||
            evlog_define(theirs.log, TYPE, 0, NULL, &theirs.signal))
            _exit(1);
        while (read(orders[0], &byte, 1) == 1)
            if (send(&theirs, 100000, 7) || write(answers[1], "", 1) != 1)
                _exit(2);
        _exit(evlog_close(theirs.log) != EVLOG_OK);
    }
    for (int i = 0; i < 12; i++) { /* in turns the one and the other has the smaller map */
        assert_int_equal(write(orders[1], "", 1), 1);
        assert_int_equal(read(answers[0], &byte, 1), 1);
        world.count += 7;
        OK(evlog_inspect(world.log, &info));
        assert_int_equal(info.last_seq, world.count);
        for (int j = 0; j < i % 3 * 4; j++)
            OK(send(&world, 100000, 7));
        seen = info.last_seq;
    }
    assert_true(seen > 0);
    close(orders[1]);
    assert_int_equal(child_wait(child), 0);
    close_world(&world);
}

/* ------------------------------------------------ below the log: env.c ---- */

struct filling {
    uint64_t key;
    size_t size;
    int result;
};

static int fill(struct env *env, void *ctx)
{
    struct filling *filling = ctx;
    unsigned char key[sizeof filling->key];
    void *bytes;
    be64_store(key, filling->key);
    int result = env_append(env, key, sizeof key, filling->size, &bytes);
    if (result)
        return result;
    memset(bytes, 1, filling->size);
    return filling->result;
}

static struct env *open_mapped(const char *path)
{
    struct env *env;
    const struct env_options options = {.create = true,
                                        .is_unflushed = true,
                                        .is_mapped = true,
                                        .readers_max = 126,
                                        .wait_ms = 1000};
    OK(env_open(path, &options, &env));
    return env;
}

static int write_to(struct env *env, uint64_t key, size_t size, int result)
{
    struct filling filling = {key, size, result};
    return env_write(env, ENV_FLUSH_ALL, size, fill, &filling);
}

/* A transaction that ends has made the file longer than another process's map, with no page there. */
static void a_map_that_grows_does_not_shorten_the_file(void **state)
{
    char byte;
    int orders[2], answers[2];
    const char *path = in(*state, "file");
    struct env *env = open_mapped(path);
    OK(write_to(env, 1, 100, 0));
    assert_int_equal(pipe2(orders, O_CLOEXEC) | pipe2(answers, O_CLOEXEC), 0);
    pid_t child = fork();
    if (child == 0) {
        alarm(CHILD_SECONDS);
        struct env *theirs;
        close(orders[1]);
        theirs = open_mapped(path);
        if (write_to(theirs, 2, 3 << 20, EVLOG_CONFLICT) != EVLOG_CONFLICT ||
            write(answers[1], "", 1) != 1 || read(orders[0], &byte, 1) != 1)
            _exit(1);
        _exit(write_to(theirs, 3, 2 << 20, 0) != EVLOG_OK);
    }
    assert_int_equal(read(answers[0], &byte, 1), 1);
    OK(write_to(env, 2, 1 << 20, 0));
    assert_int_equal(write(orders[1], "", 1), 1);
    assert_int_equal(child_wait(child), 0);
    env_close(env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(each_page_of_a_commit_has_blocks),
        TEST_AT_HOME(each_page_of_a_commit_has_blocks_beside_a_held_reader),
        TEST_AT_HOME(holes_are_filled_before_the_first_commit),
        TEST_AT_HOME(a_full_disk_is_an_error),
        TEST_AT_HOME(a_file_system_that_cannot_allocate_gets_zeros),
        TEST_AT_HOME(opening_does_not_shorten_a_file_that_grows),
        TEST_AT_HOME(maps_of_two_processes_follow_each_other),
        TEST_AT_HOME(a_map_that_grows_does_not_shorten_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
