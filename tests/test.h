/*
 * What the tests share: verbs that print the call, the code and the sentence when
 * something is not as it should be, and a directory of its own for each test.
 */
#ifndef TEST_H
#define TEST_H

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "evlog.h"

/* The call is EVLOG_OK. */
#define OK(call)                                                                     \
    do {                                                                             \
        int ok_result = (call);                                                      \
        if (ok_result)                                                               \
            fail_msg("%s: %d (%s): %s", #call, ok_result, evlog_strerror(ok_result), \
                     evlog_errmsg());                                                \
    } while (0)

/* The call fails with this code, and its sentence contains `words`. */
#define FAILS(code, words, call)                                                          \
    do {                                                                                  \
        int fails_result = (call);                                                        \
        if (fails_result != (code))                                                       \
            fail_msg("%s: %d, not %s: %s", #call, fails_result, #code, evlog_errmsg());   \
        if (!strstr(evlog_errmsg(), words))                                               \
            fail_msg("%s: says \"%s\", nothing of \"%s\"", #call, evlog_errmsg(), words); \
    } while (0)

/* Ends the test as skipped. tests/run.sh reports it with the reason. */
#define SKIP(why)                      \
    do {                               \
        printf("SKIPPING: %s\n", why); \
        fflush(stdout);                \
        skip();                        \
    } while (0)

/* A setup and teardown: `*state` is the path of a new directory, removed afterwards. */
static inline int make_home(void **state)
{
    const char *base = getenv("TMPDIR");
    char path[4096];
    snprintf(path, sizeof path, "%s/evlog-test-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(path))
        return -1;
    *state = strdup(path);
    return 0;
}

static inline int remove_home(void **state)
{
    char command[4200];
    snprintf(command, sizeof command, "chmod -R u+rwx '%s'; rm -rf '%s'", (char *)*state,
             (char *)*state);
    free(*state);
    return system(command);
}

/* `home`/`name`, in one of a few buffers that are used in turn. */
static inline const char *in(const void *home, const char *name)
{
    static char paths[8][4200];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", (const char *)home, name);
    return path;
}

/* A test that gets a new directory. */
#define TEST_AT_HOME(name) cmocka_unit_test_setup_teardown(name, make_home, remove_home)

/* {"n": number} as MessagePack, for a small number. */
#define SMALL_MAP(number) "\x81\xa1n" number

/* Acknowledges, and has it written. */
static inline int acknowledge(evlog_consumer *consumer, uint64_t seq)
{
    int result = evlog_consumer_done(consumer, seq);
    return result ? result : evlog_consumer_commit(consumer);
}

/* evlog_consumer_inspect into a struct of one's own; its texts are gone. */
static inline int inspect_into(evlog *log, const char *name, evlog_consumer_info *copy)
{
    evlog_consumer_info *info;
    int result = evlog_consumer_inspect(log, name, &info);
    if (result)
        return result;
    *copy = *info;
    copy->name = NULL;
    copy->types = NULL;
    copy->group = copy->by = NULL;
    evlog_consumer_info_free(info);
    return EVLOG_OK;
}

#endif
