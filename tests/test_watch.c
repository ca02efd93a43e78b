/*
 * The files of an open log are deleted, moved or replaced: nothing more is acknowledged, and the
 * error says what happened to which.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

#define A_WHILE_US 12000 /* a fast log is looked at every 10 ms */

static const char *const files[] = {
    "events.mdb", "events.mdb-lock", "state.mdb", "state.mdb-lock", "shared", "format", "lock"};

struct opened {
    evlog *log;
    evlog_signal *signal;
    char path[4096], aside[4200];
};

static struct opened open_log(const void *home, const char *name, evlog_durability durability)
{
    struct opened place;
    snprintf(place.path, sizeof place.path, "%s", in(home, name));
    snprintf(place.aside, sizeof place.aside, "%s.aside", place.path);
    OK(evlog_open(place.path, &(evlog_options){.durability = durability}, &place.log));
    OK(evlog_define(place.log, "a.v1", 0, NULL, &place.signal));
    OK(evlog_send_event(place.signal, "\x80", 1, NULL, NULL));
    return place;
}

static int send_later(const struct opened *place)
{
    usleep(A_WHILE_US);
    return evlog_send_event(place->signal, "\x80", 1, NULL, NULL);
}

/* What is done to a file or directory, and what is said then. */
static void remove_it(const char *path, const char *aside)
{
    (void)aside;
    assert_int_equal(unlink(path), 0);
}

static void move(const char *path, const char *aside)
{
    assert_int_equal(rename(path, aside), 0);
}

/* By a copy, as what is restored from a backup is. */
static void replace(const char *path, const char *aside)
{
    char command[9000];
    snprintf(command, sizeof command,
             "cp -rp '%s' '%s.copy' && mv '%s' '%s' && mv '%s.copy' '%s'", path, path, path,
             aside, path, path);
    assert_int_equal(system(command), 0);
}

static const struct deed {
    void (*act)(const char *path, const char *aside);
    const char *said;
} deeds[] = {{remove_it, "was deleted or moved while the log is open"},
             {move, "was deleted or moved while the log is open"},
             {replace, "was replaced while the log is open"}};

static void refused(const struct opened *place, const char *file, const char *said)
{
    char words[300];
    snprintf(words, sizeof words, "%s%s: %s", *file ? "/" : "", file, said);
    FAILS(EVLOG_IO, words, send_later(place));
    FAILS(EVLOG_IO, "close the log and open it", send_later(place)); /* and for good */
    evlog_close(place->log); /* a fast log's last flush fails */
}

static void try_each_file(const void *home, evlog_durability durability)
{
    char name[64], path[5000];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        for (size_t j = 0; j < sizeof deeds / sizeof *deeds; j++) {
            snprintf(name, sizeof name, "log-%d-%zu-%zu", durability, i, j);
            struct opened place = open_log(home, name, durability);
            OK(send_later(&place));
            snprintf(path, sizeof path, "%s/%s", place.path, files[i]);
            deeds[j].act(path, place.aside);
            refused(&place, files[i], deeds[j].said);
        }
}

static void each_file_of_a_durable_log(void **state)
{
    try_each_file(*state, EVLOG_DURABLE);
}

static void each_file_of_a_fast_log(void **state)
{
    try_each_file(*state, EVLOG_FAST);
}

/* The directory: moved, replaced, and deleted with all that is in it. */
static void the_directory(void **state)
{
    char command[5000];
    struct opened place = open_log(*state, "moved", EVLOG_DURABLE);
    move(place.path, place.aside);
    refused(&place, "", "was deleted or moved while the log is open");
    place = open_log(*state, "replaced", EVLOG_DURABLE);
    replace(place.path, place.aside);
    refused(&place, "", "was replaced while the log is open");
    place = open_log(*state, "deleted", EVLOG_FAST);
    snprintf(command, sizeof command, "rm -rf '%s'", place.path);
    assert_int_equal(system(command), 0);
    refused(&place, "", "was deleted or moved while the log is open");
}

/* A consumer's checkpoint is not acknowledged either, nor a new event type. */
static void the_state_is_watched_too(void **state)
{
    struct opened place = open_log(*state, "log", EVLOG_DURABLE);
    evlog_consumer *consumer;
    evlog_signal *other;
    const evlog_event *event;
    OK(evlog_consumer_open(place.log, "c", NULL, &consumer));
    OK(evlog_consumer_next(consumer, 0, &event));
    OK(evlog_consumer_done(consumer, event->seq));
    move(in(*state, "log/state.mdb"), place.aside);
    FAILS(EVLOG_IO, "state.mdb: was deleted or moved", evlog_consumer_commit(consumer));
    FAILS(EVLOG_IO, "close the log", evlog_define(place.log, "b.v1", 0, NULL, &other));
    evlog_consumer_close(consumer);
    evlog_close(place.log);
}

/* Another directory of work, a path that was relative or a link: the files are the same. */
static void paths_do_not_matter(void **state)
{
    struct opened place;
    char before[4096], link[4096];
    assert_non_null(getcwd(before, sizeof before));
    snprintf(link, sizeof link, "%s", in(*state, "link"));
    assert_int_equal(mkdir(in(*state, "real"), 0700), 0);
    assert_int_equal(symlink("real", link), 0);
    assert_int_equal(chdir(*state), 0);
    OK(evlog_open("link/../link", NULL, &place.log));
    OK(evlog_define(place.log, "a.v1", 0, NULL, &place.signal));
    assert_int_equal(chdir("/"), 0);
    OK(send_later(&place));
    assert_int_equal(unlink(link), 0); /* the link is not the log */
    OK(send_later(&place));
    OK(evlog_close(place.log));
    assert_int_equal(chdir(before), 0);
}

/* When the directory has been as it is for long, a look at its ctime finds what happens to it. */
static void after_a_long_time(void **state)
{
    struct opened place[4] = {{NULL}};
    char path[5000];
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "log%d", i);
        place[i] = open_log(*state, path, i % 2 ? EVLOG_FAST : EVLOG_DURABLE);
    }
    usleep(1200000);
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 3; j++)
            OK(send_later(&place[i]));
    snprintf(path, sizeof path, "%s/events.mdb-lock", place[0].path);
    remove_it(path, NULL);
    snprintf(path, sizeof path, "%s/shared", place[1].path);
    replace(path, place[1].aside);
    move(place[2].path, place[2].aside);
    replace(place[3].path, place[3].aside);
    refused(&place[0], "events.mdb-lock", "was deleted or moved");
    refused(&place[1], "shared", "was replaced");
    refused(&place[2], "", "was deleted or moved");
    refused(&place[3], "", "was replaced");
}

static bool is_coarse; /* file times are kept to the second */

int __real_fstat(int fd, struct stat *status);
int __wrap_fstat(int fd, struct stat *status);

int __wrap_fstat(int fd, struct stat *status)
{
    int result = __real_fstat(fd, status);
    if (result == 0 && is_coarse)
        status->st_ctim.tv_nsec = 0;
    return result;
}

/*
 * File systems keep times by a coarse clock: a directory that is looked at between two changes can
 * have the same ctime after both.
 */
static void two_changes_at_one_time(void **state)
{
    char name[64], other[5000], path[5000];
    is_coarse = true;
    for (int i = 0; i < 10; i++) {
        snprintf(name, sizeof name, "log%d", i);
        struct opened place = open_log(*state, name, EVLOG_FAST);
        snprintf(other, sizeof other, "%s/other", place.path);
        snprintf(path, sizeof path, "%s/events.mdb-lock", place.path);
        usleep(A_WHILE_US);
        assert_int_equal(mkdir(other, 0700), 0);
        OK(evlog_send_event(place.signal, "\x80", 1, NULL, NULL));
        remove_it(path, NULL);
        refused(&place, "events.mdb-lock", "was deleted or moved");
    }
    is_coarse = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(each_file_of_a_durable_log),
        TEST_AT_HOME(each_file_of_a_fast_log),
        TEST_AT_HOME(the_directory),
        TEST_AT_HOME(the_state_is_watched_too),
        TEST_AT_HOME(paths_do_not_matter),
        TEST_AT_HOME(after_a_long_time),
        TEST_AT_HOME(two_changes_at_one_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
