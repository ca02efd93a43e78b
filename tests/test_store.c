/*
 * The directory of a log: what can be one, what is left alone, which users may read and write
 * it, and that opening it costs the same however long it is.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "child.h"

#define TYPE "org.evlog.test.v1"

/* ------------------------------------------------------ wrapped calls ---- */

static unsigned long file_system; /* statfs says it is this one; 0: what it is */
static _Atomic uint64_t read_count, read_size;

int __real_statfs(const char *path, struct statfs *status);
int __wrap_statfs(const char *path, struct statfs *status);
ssize_t __real_pread(int fd, void *bytes, size_t size, off_t offset);
ssize_t __wrap_pread(int fd, void *bytes, size_t size, off_t offset);

static unsigned meanwhile_at; /* the read before which others commit; 0: none */
static void (*meanwhile)(void);

int __wrap_statfs(const char *path, struct statfs *status)
{
    int result = __real_statfs(path, status);
    if (file_system)
        status->f_type = (__typeof__(status->f_type))file_system;
    return result;
}

ssize_t __wrap_pread(int fd, void *bytes, size_t size, off_t offset)
{
    read_count++;
    read_size += size;
    if (meanwhile_at && read_count == meanwhile_at)
        meanwhile();
    return __real_pread(fd, bytes, size, offset);
}

/* ------------------------------------------------------------- helpers ---- */

static int count(const evlog_event *event, void *ctx)
{
    (void)event;
    ++*(unsigned *)ctx;
    return 0;
}

static uint64_t head(evlog *log)
{
    evlog_info info;
    OK(evlog_inspect(log, &info));
    return info.last_seq;
}

/* A log with `events` events in it, closed again. */
static void make_log(const char *path, size_t events)
{
    static evlog_sending sends[10000];
    evlog *log;
    evlog_signal *signal;
    OK(evlog_open(path, &(evlog_options){.durability = EVLOG_FAST}, &log));
    OK(evlog_define(log, TYPE, 0, NULL, &signal));
    for (size_t i = 0; i < sizeof sends / sizeof *sends; i++)
        sends[i] = (evlog_sending){.signal = signal, .data = SMALL_MAP("\x05"), .data_size = 4};
    for (size_t sent = 0, n; sent < events; sent += n) {
        n = events - sent < 10000 ? events - sent : 10000;
        OK(evlog_send_events(sends, n, NULL, NULL));
    }
    OK(evlog_close(log));
}

/* A file with these bytes, in place of what is there. */
static void write_file(const char *path, const void *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    close(fd);
}

static off_t size_of(const char *path)
{
    struct stat status;
    return stat(path, &status) ? -1 : status.st_size;
}

static void sends_and_verifies(evlog *log)
{
    evlog_signal *signal;
    uint64_t before = head(log);
    OK(evlog_define(log, TYPE, 0, NULL, &signal));
    OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    assert_int_equal(head(log), before + 1);
    OK(evlog_verify(log, NULL, NULL, NULL));
}

/* ------------------------------------------------------- where a log is ---- */

/* Paths that no log can be at: each with its code, and nothing made. */
static void refuses_paths_that_cannot_be(void **state)
{
    static char long_path[5000];
    memset(long_path, 'p', sizeof long_path - 1);
    write_file(in(*state, "file"), "hello", 5);
    const struct {
        const char *path;
        int code;
        const char *words;
    } table[] = {
        {in(*state, "file"), EVLOG_INVALID, "is a file"},
        {in(*state, "file/log"), EVLOG_NOTFOUND, "Not a directory"},
        {in(*state, "no/log"), EVLOG_NOTFOUND, "no/log"},
        {"/dev/null", EVLOG_INVALID, "is a file"},
        {long_path, EVLOG_INVALID, "too long"},
    };
    evlog *log = NULL;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        FAILS(table[i].code, table[i].words, evlog_open(table[i].path, NULL, &log));
    assert_null(log);
    assert_int_equal(size_of(in(*state, "file")), 5);
    assert_int_equal(size_of(in(*state, "no")), -1);
}

/* no_create and read_only make nothing, neither from nothing nor in an empty directory. */
static void makes_nothing_when_told_not_to(void **state)
{
    evlog *log = NULL;
    const evlog_options table[] = {{.no_create = 1}, {.read_only = 1}};
    assert_int_equal(mkdir(in(*state, "empty"), 0700), 0);
    for (int i = 0; i < 2; i++) {
        FAILS(EVLOG_NOTFOUND, "no log there", evlog_open(in(*state, "new"), &table[i], &log));
        FAILS(EVLOG_NOTFOUND, "no log there", evlog_open(in(*state, "empty"), &table[i], &log));
    }
    assert_int_equal(size_of(in(*state, "new")), -1);
    assert_int_equal(rmdir(in(*state, "empty")), 0);
    assert_null(log);
}

static void *hold_lock(void *ctx)
{
    usleep(200000);
    close(*(int *)ctx);
    return NULL;
}

/*
 * A log that was opened by a relative path is closed under its own lock from anywhere: closing
 * waits for whoever has that lock, and makes no lock file in a directory of the same name.
 */
static void closes_its_own_directory_after_chdir(void **state)
{
    evlog *log;
    struct timespec began, ended;
    pthread_t thread;
    int before = open(".", O_RDONLY | O_DIRECTORY);
    assert_int_equal(mkdir(in(*state, "other"), 0700), 0);
    assert_int_equal(mkdir(in(*state, "other/log"), 0700), 0);
    assert_int_equal(chdir(*state), 0);
    OK(evlog_open("log", NULL, &log));
    int fd = open("log/lock", O_RDWR);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(chdir("other"), 0);
    clock_gettime(CLOCK_MONOTONIC, &began);
    assert_int_equal(pthread_create(&thread, NULL, hold_lock, &fd), 0);
    OK(evlog_close(log));
    clock_gettime(CLOCK_MONOTONIC, &ended);
    pthread_join(thread, NULL);
    assert_true(
        (ended.tv_sec - began.tv_sec) * 1000 + (ended.tv_nsec - began.tv_nsec) / 1000000 >= 190);
    assert_int_equal(rmdir("log"), 0);
    assert_int_equal(fchdir(before), 0);
    close(before);
}

/* A directory of something else is refused, and not even a lock file is left in it. */
static void leaves_a_strange_directory_alone(void **state)
{
    evlog *log = NULL;
    assert_int_equal(mkdir(in(*state, "dir"), 0700), 0);
    write_file(in(*state, "dir/notes.txt"), "hello", 5);
    FAILS(EVLOG_UNSUPPORTED, "notes.txt", evlog_open(in(*state, "dir"), NULL, &log));
    FAILS(EVLOG_UNSUPPORTED, "notes.txt",
          evlog_open(in(*state, "dir"), &(evlog_options){.read_only = 1}, &log));
    assert_int_equal(unlink(in(*state, "dir/notes.txt")), 0);
    assert_int_equal(rmdir(in(*state, "dir")), 0);
    assert_null(log);
}

/* A `format` that is something else's file is refused, and nothing is made beside it. */
static void leaves_a_strange_format_alone(void **state)
{
    evlog *log = NULL;
    assert_int_equal(mkdir(in(*state, "dir"), 0700), 0);
    write_file(in(*state, "dir/format"), "PNG", 3);
    FAILS(EVLOG_UNSUPPORTED, "not an evlog log", evlog_open(in(*state, "dir"), NULL, &log));
    assert_int_equal(size_of(in(*state, "dir/format")), 3);
    assert_int_equal(size_of(in(*state, "dir/events.mdb")), -1);
    assert_null(log);
}

/* A network file system is refused by its name: LMDB's locks do not hold there. */
static void refuses_network_file_systems(void **state)
{
    static const struct {
        unsigned long type;
        const char *name;
    } table[] = {{0x6969, "(NFS)"}, {0xFF534D42, "(CIFS)"}, {0x01021997, "(9p)"}};
    evlog *log = NULL;
    make_log(in(*state, "log"), 1);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        file_system = table[i].type;
        FAILS(EVLOG_UNSUPPORTED, table[i].name, evlog_open(in(*state, "log"), NULL, &log));
        FAILS(EVLOG_UNSUPPORTED, table[i].name,
              evlog_open(in(*state, "log"), &(evlog_options){.read_only = 1}, &log));
        file_system = 0;
    }
    OK(evlog_open(in(*state, "log"), NULL, &log));
    OK(evlog_close(log));
}

/* ---------------------------------------------------- what is left of one ---- */

/* Nothing is begun again over data whose `format` is gone, whatever they are. */
static void data_without_a_format_is_kept(void **state)
{
    static const struct {
        const char *file;
        const char *bytes; /* NULL: a log's own events */
    } table[] = {{"log/events.mdb", NULL},
                 {"log/events.mdb", "something else's"},
                 {"log/state.mdb", "something else's"},
                 {"log/events.mdb", "x"}};
    static const evlog_options options[] = {{.no_create = 0}, {.no_create = 1}, {.read_only = 1}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        evlog *log = NULL;
        make_log(in(*state, "log"), table[i].bytes ? 0 : 1);
        if (table[i].bytes)
            write_file(in(*state, table[i].file), table[i].bytes, strlen(table[i].bytes));
        off_t size = size_of(in(*state, table[i].file));
        assert_int_equal(rename(in(*state, "log/format"), in(*state, "format")), 0);
        for (int j = 0; j < 3; j++) {
            FAILS(EVLOG_DAMAGED, "format", evlog_open(in(*state, "log"), &options[j], &log));
            assert_int_equal(size_of(in(*state, table[i].file)), size);
        }
        assert_int_equal(rename(in(*state, "format"), in(*state, "log/format")), 0);
        if (!table[i].bytes) {
            OK(evlog_open(in(*state, "log"), NULL, &log));
            assert_int_equal(head(log), 1);
            OK(evlog_close(log));
        }
        assert_int_equal(rename(in(*state, "log"), in(*state, i % 2 ? "a" : "b")), 0);
        if (i % 2) { /* the names are wanted again */
            remove_home((void *[]){strdup(in(*state, "a"))});
            remove_home((void *[]){strdup(in(*state, "b"))});
        }
    }
}

/* Events of which one meta page is broken and `format` gone are not taken for a new log's. */
static void broken_data_without_a_format_is_kept(void **state)
{
    evlog *log = NULL;
    make_log(in(*state, "log"), 1);
    assert_int_equal(unlink(in(*state, "log/format")), 0);
    assert_int_equal(unlink(in(*state, "log/state.mdb")), 0); /* it would speak for the other */
    for (int page = 1; page >= 0; page--) {
        int fd = open(in(*state, "log/events.mdb"), O_WRONLY);
        assert_int_equal(pwrite(fd, "damage", 6, page * sysconf(_SC_PAGESIZE) + 16), 6);
        close(fd);
        off_t size = size_of(in(*state, "log/events.mdb"));
        FAILS(EVLOG_DAMAGED, "format", evlog_open(in(*state, "log"), NULL, &log));
        assert_int_equal(size_of(in(*state, "log/events.mdb")), size);
    }
}

/* What an interrupted making has left, at each of its steps, is begun again. */
static void a_half_made_log_is_begun_again(void **state)
{
    static char zeros[8192];
    static const struct {
        const char *file;
        size_t size; /* of zeros; 0 and no file: as it was made */
        int keep;    /* as it was made */
    } table[] = {
        {"events.mdb", 0, 0},        {"events.mdb", 4096, 0},
        {"events.mdb", 8192, 0},     {"state.mdb", 0, 0},
        {"events.mdb-lock", 100, 0}, {"format.new", 50, 0},
        {"state.mdb-lock", 64, 0},   {"lock", 0, 1},
        {"events.mdb", 0, 1},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        evlog *log;
        char name[16], path[64];
        snprintf(name, sizeof name, "log%zu", i);
        snprintf(path, sizeof path, "%s/%s", name, table[i].file);
        OK(evlog_open(in(*state, name), NULL, &log));
        OK(evlog_close(log));
        if (!table[i].keep)
            write_file(in(*state, path), zeros, table[i].size);
        snprintf(path, sizeof path, "%s/format", name);
        assert_int_equal(unlink(in(*state, path)), 0);
        FAILS(EVLOG_NOTFOUND, "no log there",
              evlog_open(in(*state, name), &(evlog_options){.no_create = 1}, &log));
        OK(evlog_open(in(*state, name), NULL, &log));
        sends_and_verifies(log);
        OK(evlog_close(log));
    }
}

/* The file of a fast log is longer than its meta pages; a power cut leaves any sectors of these. */
static void a_torn_beginning_is_begun_again(void **state)
{
    const size_t page_size = (size_t)sysconf(_SC_PAGESIZE), sector_size = 512;
    evlog_options options = {.durability = EVLOG_FAST};
    evlog *log;
    for (unsigned cut = 0; cut < 8; cut++) {
        char name[16], path[64];
        snprintf(name, sizeof name, "log%u", cut);
        OK(evlog_open(in(*state, name), &options, &log));
        OK(evlog_close(log));
        snprintf(path, sizeof path, "%s/format", name);
        OK(unlink(in(*state, path)));
        snprintf(path, sizeof path, "%s/events.mdb", name);
        char *bytes = calloc(1, 1 << 20);
        int fd = open(in(*state, path), O_RDWR);
        for (unsigned page = 0; page < 2; page++)
            if (cut >> page & 1) {
                size_t size = cut & 4 ? page_size : sector_size;
                assert_int_equal(pread(fd, bytes + page * page_size, size, page * page_size),
                                 size);
            }
        OK(ftruncate(fd, 0));
        assert_int_equal(pwrite(fd, bytes, 1 << 20, 0), 1 << 20);
        close(fd);
        free(bytes);
        OK(evlog_open(in(*state, name), &options, &log));
        sends_and_verifies(log);
        OK(evlog_close(log));
    }
}

/* Without its state.mdb a log can be read, and verify reports it; else it is refused. */
static void expect_damaged(const char *path, const evlog_options *options, const char *file,
                           const char *words)
{
    evlog *log;
    if (!options->read_only || strcmp(file, "log/state.mdb") != 0) {
        FAILS(EVLOG_DAMAGED, words, evlog_open(path, options, &log));
        return;
    }
    OK(evlog_open(path, options, &log));
    assert_int_equal(evlog_verify(log, NULL, NULL, NULL), EVLOG_DAMAGED);
    OK(evlog_close(log));
}

/*
 * A log whose data file is gone, empty or cut is damaged: it must not be taken for an
 * empty one, nor be made anew. Cut, it can still be read as far as it goes.
 */
static void a_log_without_its_data_is_damaged(void **state)
{
    static const char *const files[] = {"log/events.mdb", "log/state.mdb"};
    static const evlog_options options[] = {{.no_create = 0}, {.no_create = 1}, {.read_only = 1}};
    evlog *log = NULL;
    make_log(in(*state, "log"), 500);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(rename(in(*state, files[i]), in(*state, "aside")), 0);
        for (int j = 0; j < 3; j++)
            expect_damaged(in(*state, "log"), &options[j], files[i], "is gone");
        assert_int_equal(size_of(in(*state, files[i])), -1);
        for (off_t size = 0; size <= 100; size += 100) {
            write_file(in(*state, files[i]), "", 0);
            assert_int_equal(truncate(in(*state, files[i]), size), 0);
            for (int j = 0; j < 3; j++)
                expect_damaged(in(*state, "log"), &options[j], files[i], files[i] + 4);
            assert_int_equal(size_of(in(*state, files[i])), size);
        }
        assert_int_equal(rename(in(*state, "aside"), in(*state, files[i])), 0);
    }
    assert_int_equal(truncate(in(*state, "log/events.mdb"), 5 * sysconf(_SC_PAGESIZE)), 0);
    FAILS(EVLOG_DAMAGED, "cut short", evlog_open(in(*state, "log"), NULL, &log));
    OK(evlog_open(in(*state, "log"), &options[2], &log));
    assert_int_equal(evlog_verify(log, NULL, NULL, NULL), EVLOG_DAMAGED);
    OK(evlog_close(log));
}

/* A log that was copied without its lock files is whole. */
static void the_lock_files_hold_nothing(void **state)
{
    evlog *log;
    make_log(in(*state, "log"), 1);
    for (int i = 0; i < 3; i++) {
        const char *files[] = {"log/lock", "log/events.mdb-lock", "log/state.mdb-lock"};
        assert_int_equal(unlink(in(*state, files[i])), 0);
    }
    OK(evlog_open(in(*state, "log"), NULL, &log));
    sends_and_verifies(log);
    OK(evlog_close(log));
}

/* ------------------------------------------------------------- rights ---- */

/* Modes are 0700 and 0600, less the umask, for whatever is made. */
static void modes_are_the_owners_only(void **state)
{
    static const char *const files[] = {"format",    "events.mdb", "events.mdb-lock",
                                        "state.mdb", "lock",       "state.mdb-lock"};
    static const mode_t masks[] = {0, 022, 0777 & ~0300};
    bool overrides = overrides_modes(*state);
    mode_t before = umask(0);
    for (size_t i = 0; i < sizeof masks / sizeof *masks; i++) {
        char name[32];
        struct stat status;
        snprintf(name, sizeof name, "log%zu", i);
        umask(masks[i]);
        if (!overrides && (masks[i] & 0700))
            continue; /* it could not read what it made */
        make_log(in(*state, name), 1);
        assert_int_equal(stat(in(*state, name), &status), 0);
        assert_int_equal(status.st_mode & 07777, 0700 & ~masks[i]);
        for (size_t j = 0; j < sizeof files / sizeof *files; j++) {
            snprintf(name, sizeof name, "log%zu/%s", i, files[j]);
            assert_int_equal(stat(in(*state, name), &status), 0);
            assert_int_equal(status.st_mode & 07777, 0600 & ~masks[i]);
        }
    }
    umask(before);
}

/* In a child that may not write at `path`: reading works, and writing says why it does not. */
static void read_what_cannot_be_written(const char *path, const char *why)
{
    evlog *log = NULL;
    evlog_signal *signal;
    evlog_info info;
    unsigned heard = 0;
    uint64_t checked;
    CHECK_FAILS(EVLOG_IO, why, evlog_open(path, NULL, &log));
    CHECK(!log);
    CHECK(evlog_open(path, &(evlog_options){.read_only = 1}, &log) == EVLOG_OK);
    CHECK(evlog_inspect(log, &info) == EVLOG_OK && info.last_seq == 100 && info.read_only);
    CHECK(evlog_replay(log, NULL, count, &heard, NULL) == EVLOG_OK && heard == 100);
    CHECK(evlog_verify(log, NULL, NULL, &checked) == EVLOG_OK && checked == 100);
    CHECK(evlog_define(log, TYPE, 0, NULL, &signal) == EVLOG_OK);
    CHECK_FAILS(EVLOG_READONLY, "reading only", evlog_send_event(signal, "\x80", 1, NULL, NULL));
    CHECK_FAILS(EVLOG_READONLY, "no event type", evlog_define(log, "new.v1", 0, NULL, &signal));
    CHECK(evlog_sync(log) == EVLOG_OK);
    CHECK(evlog_close(log) == EVLOG_OK);
}

static void read_as_nobody(void *path)
{
    become_nobody();
    if (access(path, R_OK | X_OK))
        _exit(CHILD_CANNOT);
    read_what_cannot_be_written(path, "Permission denied");
}

/* For everybody to read, with these files taken away first. */
static void open_to_all(const void *home, const char *const *gone, size_t gone_count)
{
    static const char *const files[] = {
        "",           "/format",         "/events.mdb", "/events.mdb-lock",
        "/state.mdb", "/state.mdb-lock", "/lock"};
    char path[32];
    chmod(home, 0755);
    for (size_t i = 0; i < gone_count; i++)
        assert_int_equal(unlink(in(home, gone[i])), 0);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "log%s", files[i]);
        chmod(in(home, path), i == 0 ? 0555 : 0444);
    }
}

/* Another one's log can be read, though nothing of it can be written. */
static void anothers_log_is_read_only(void **state)
{
    make_log(in(*state, "log"), 100);
    open_to_all(*state, NULL, 0);
    in_child(read_as_nobody, (void *)in(*state, "log"));
}

/* Also where there are no lock files, and none can be made. */
static void anothers_copied_log_is_read_only(void **state)
{
    const char *const gone[] = {"log/lock", "log/events.mdb-lock", "log/state.mdb-lock"};
    make_log(in(*state, "log"), 100);
    open_to_all(*state, gone, 3);
    in_child(read_as_nobody, (void *)in(*state, "log"));
}

static void make_as_nobody(void *path)
{
    evlog *log = NULL;
    become_nobody();
    CHECK_FAILS(EVLOG_IO, "Permission denied", evlog_open(path, NULL, &log));
    CHECK(!log);
}

/* Where no directory can be made, that is what is said. */
static void no_right_to_make_one_is_said(void **state)
{
    chmod(*state, 0555);
    in_child(make_as_nobody, (void *)in(*state, "log"));
}

static void read_on_a_read_only_mount(void *path)
{
    leave_mounts();
    if (mount(path, path, NULL, MS_BIND, NULL) ||
        mount("none", path, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL))
        _exit(CHILD_CANNOT);
    read_what_cannot_be_written(path, "Read-only file system");
}

/* A log on a file system mounted for reading can be read, as root too. */
static void a_read_only_mount_is_read_only(void **state)
{
    make_log(in(*state, "log"), 100);
    in_child(read_on_a_read_only_mount, (void *)in(*state, "log"));
}

/* The same for a copy without lock files. */
static void a_copy_on_a_read_only_mount_is_read_only(void **state)
{
    make_log(in(*state, "log"), 100);
    assert_int_equal(unlink(in(*state, "log/lock")), 0);
    assert_int_equal(unlink(in(*state, "log/events.mdb-lock")), 0);
    assert_int_equal(unlink(in(*state, "log/state.mdb-lock")), 0);
    in_child(read_on_a_read_only_mount, (void *)in(*state, "log"));
}

/* --------------------------------------------------------------- its cost ---- */

/* What opening, a send and closing read of a file. */
static void cost_of_opening(const char *path, uint64_t *reads, uint64_t *size)
{
    evlog *log;
    evlog_signal *signal;
    read_count = read_size = 0;
    OK(evlog_open(path, NULL, &log));
    OK(evlog_define(log, TYPE, 0, NULL, &signal));
    OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
    OK(evlog_close(log));
    *reads = read_count;
    *size = read_size;
}

/* Opening a log of 100 000 events costs a page for each level more of the tree, a few times. */
static void opening_costs_the_same_at_any_length(void **state)
{
    uint64_t short_reads, short_size, long_reads, long_size;
    make_log(in(*state, "short"), 10);
    make_log(in(*state, "long"), 100000);
    cost_of_opening(in(*state, "short"), &short_reads, &short_size);
    cost_of_opening(in(*state, "long"), &long_reads, &long_size);
    printf("10 events: %" PRIu64 " reads, %" PRIu64 " bytes; 100000: %" PRIu64 ", %" PRIu64 "\n",
           short_reads, short_size, long_reads, long_size);
    assert_true(long_reads <= short_reads + 32);
    assert_true(long_size <= short_size + 32 * (uint64_t)sysconf(_SC_PAGESIZE));
}

/* Another process with the log open commits to state.mdb when it is asked to. */
static int to_other, from_other;

static void define_another(evlog *log)
{
    static int number;
    char type[64];
    evlog_signal *signal;
    snprintf(type, sizeof type, "org.example.a.type.with.a.long.name.number.%d.v1", number++);
    CHECK(evlog_define(log, type, 0, NULL, &signal) == EVLOG_OK);
}

static void commit_when_told(void *ctx)
{
    evlog *log;
    evlog_consumer *consumer;
    char byte;
    CHECK(evlog_open(in(ctx, "log"), NULL, &log) == EVLOG_OK);
    for (int i = 0; i < 200; i++) /* so that there are branches */
        define_another(log);
    CHECK(evlog_consumer_open(log, "c", NULL, &consumer) == EVLOG_OK);
    CHECK(write(from_other, "o", 1) == 1);
    while (read(to_other, &byte, 1) == 1) {
        for (int i = 0; i < byte;
             i++) /* pages change their roles: branch, leaf, list of free ones */
            if (i % 3)
                CHECK(evlog_consumer_set_paused(log, "c", i % 2) == EVLOG_OK);
            else
                define_another(log);
        CHECK(write(from_other, "d", 1) == 1);
    }
}

static char commits; /* how many the other makes */

static void ask_other(void)
{
    char byte;
    assert_int_equal(write(to_other, &commits, 1), 1);
    assert_int_equal(read(from_other, &byte, 1), 1);
}

/* Others commit between any two reads of opening a log, and use its pages again: no damage. */
static void opening_amid_commits_finds_no_damage(void **state)
{
    int to[2], from[2];
    char byte;
    assert_int_equal(pipe(to) | pipe(from), 0);
    to_other = to[0];
    from_other = from[1];
    pid_t pid = fork();
    if (pid == 0) {
        close(to[1]);
        alarm(CHILD_SECONDS);
        commit_when_told(*state);
        _exit(0);
    }
    close(to[0]);
    close(from[1]);
    to_other = to[1];
    from_other = from[0];
    assert_int_equal(read(from_other, &byte, 1), 1);
    meanwhile = ask_other;
    for (commits = 3; commits < 15; commits++)
        for (unsigned at = 1; at <= 12; at++) { /* those before the names are read */
            evlog *log;
            read_count = 0;
            meanwhile_at = at;
            OK(evlog_open(in(*state, "log"), NULL, &log));
            meanwhile_at = 0;
            OK(evlog_close(log));
        }
    close(to_other);
    assert_int_equal(child_wait(pid), 0);
    close(from_other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(refuses_paths_that_cannot_be),
        TEST_AT_HOME(makes_nothing_when_told_not_to),
        TEST_AT_HOME(closes_its_own_directory_after_chdir),
        TEST_AT_HOME(leaves_a_strange_directory_alone),
        TEST_AT_HOME(leaves_a_strange_format_alone),
        TEST_AT_HOME(refuses_network_file_systems),
        TEST_AT_HOME(data_without_a_format_is_kept),
        TEST_AT_HOME(broken_data_without_a_format_is_kept),
        TEST_AT_HOME(a_half_made_log_is_begun_again),
        TEST_AT_HOME(a_torn_beginning_is_begun_again),
        TEST_AT_HOME(a_log_without_its_data_is_damaged),
        TEST_AT_HOME(the_lock_files_hold_nothing),
        TEST_AT_HOME(modes_are_the_owners_only),
        TEST_AT_HOME(anothers_log_is_read_only),
        TEST_AT_HOME(anothers_copied_log_is_read_only),
        TEST_AT_HOME(no_right_to_make_one_is_said),
        TEST_AT_HOME(a_read_only_mount_is_read_only),
        TEST_AT_HOME(a_copy_on_a_read_only_mount_is_read_only),
        TEST_AT_HOME(opening_costs_the_same_at_any_length),
        TEST_AT_HOME(opening_amid_commits_finds_no_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
