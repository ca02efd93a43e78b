/* The open log as a program holds it, see log.c and registry.c. */
#ifndef DISPATCH_LOG_H
#define DISPATCH_LOG_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "store.h"

#define SIGNAL_BUCKETS 256

/* Under the registry's lock; the calls of a log see it open. */
enum log_state {
    LOG_OPENING, /* a thread opens its store */
    LOG_OPEN,
    LOG_ALONE,   /* open for one caller only */
    LOG_CLOSING, /* a thread closes its store */
};

struct evlog {
    struct store *store;
    pid_t pid;           /* of the process that opened it */
    unsigned fork_count; /* log_fork_count() of that process */
    enum log_state state;
    dev_t device;
    ino_t inode; /* 0: its directory is still to be made */
    unsigned open_count;
    atomic_uint call_count; /* public calls under way */
    struct evlog *next;     /* in the registry */

    const char *source[SOURCE_TEXTS]; /* of this process: source, sourcehost, sourcelib */
    _Atomic(const struct source *) own_source; /* its entry, held; NULL before the first send */
    struct peer *peer;     /* what events say of this process; NULL: nothing */
    evlog_options options; /* as they hold: no defaults; the texts are in `source` */

    pthread_mutex_t define_lock; /* held while a type is defined; taken before `lock` */
    _Atomic(evlog_signal *) buckets[SIGNAL_BUCKETS]; /* signals by name; read without the lock */
    _Atomic(evlog_signal *) first_signal; /* in the order of definition; read without it too */
    _Atomic(evlog_signal *) *end_of_signals;
    atomic_uint signal_count;   /* of those by name, after they can be found */
    evlog_signal *first_import; /* signals for importing; with define_lock held */

    pthread_mutex_t lock;                /* over what follows; never held while a receiver runs */
    struct receivers *_Atomic receivers; /* all that are connected; NULL: none yet */
    struct claim *claims;                /* of this process on consumers (replay/claim.c) */
};

/*
 * Every public call but open and close is between these two. EVLOG_FORKED: the
 * log is another process's, and there is nothing to leave. EVLOG_INVALID: NULL.
 */
int log_enter(evlog *log);
void log_leave(evlog *log);

/* The same checks without counting a call, inside one that is counted already. */
int log_check(const evlog *log);

/*
 * evlog_open; with `use` (or NULL) for a caller that needs the directory alone. EVLOG_BUSY, beyond that: this process
 * or another one has it open.
 */
int log_open(const char *path, const evlog_options *options, const struct store_use *use,
             evlog **log);

/* How many forks lead to this process; log_count_fork is called in each child. */
unsigned log_fork_count(void);
void log_count_fork(void);

/* Whether `text` can be a source, host or dispatch_uid: short enough, UTF-8. */
bool log_is_text(const char *text);

#endif
