/* Whether the files that a process has open are still the log's, see watch.c. */
#ifndef STORE_WATCH_H
#define STORE_WATCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define WATCH_FILES_MAX 12

struct watch {
    int directory, parent; /* descriptors; the first is the store's */
    bool is_rare;
    bool is_begun;
    _Atomic int64_t checked_us;
    _Atomic int64_t settled_ns; /* when the directory last changed, looked at well after that */
    struct watch_file {
        const char *name;
        dev_t device;
        ino_t inode;
    } itself, files[WATCH_FILES_MAX];
    size_t count;
    char *path; /* without links */
};

/*
 * Notes what the directory `path`, which is open as `directory`, and its files `names` (constants)
 * are now. With is_rare set they are looked at every 10 ms at most. EVLOG_NOMEM, EVLOG_IO.
 */
int watch_begin(struct watch *watch, const char *path, int directory, const char *const *names,
                size_t count);
void watch_end(struct watch *watch);

/*
 * EVLOG_IO: the directory or a file was deleted, moved or replaced. `now_us` is the time of day.
 * Before watch_begin all is well.
 */
int watch_check(struct watch *watch, int64_t now_us);

#endif
