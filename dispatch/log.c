/*
 * The open log as a program holds it.
 *
 * A process has at most one handle for a directory: LMDB notices neither a second
 * environment for a file nor what that does to the snapshots of the first. So
 * there is a registry, by device and inode, and opening again counts.
 *
 * A forked child inherits the registry and the handles in it, but not LMDB's locks. It
 * must not even close them; each handle remembers its pid, every call compares, and
 * the registry passes over those of another pid. Its mutex is held across fork, so
 * the child never finds it locked by a thread it does not have.
 *
 * Calls under way are counted, for evlog_close to refuse while there are any: a
 * receiver's own send is one of them.
 */
#include "log.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "define.h"
#include "error.h"
#include "pack.h"
#include "receivers.h"
#include "signals.h"
#include "sized.h"
#include "uuid.h"

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static evlog *registry;

static void lock_registry(void)
{
    pthread_mutex_lock(&registry_lock);
}

static void unlock_registry(void)
{
    pthread_mutex_unlock(&registry_lock);
}

/*
 * fork(2) takes the locks of those who watch it in the reverse order of their beginning,
 * and an open takes the registry's before uuid.c's: so uuid.c begins first.
 */
static void watch_forks(void)
{
    uint8_t unused[16];
    uuid_make(unused);
    pthread_atfork(lock_registry, unlock_registry, unlock_registry);
}

int log_enter(evlog *log)
{
    if (!log)
        return error_set(EVLOG_INVALID, "no log is given");
    if (log->pid != getpid())
        return error_set(EVLOG_FORKED, "%s: was opened before fork(); open it in this process",
                         log->store->path);
    atomic_fetch_add(&log->call_count, 1);
    return EVLOG_OK;
}

void log_leave(evlog *log)
{
    atomic_fetch_sub(&log->call_count, 1);
}

int log_is_text(const char *text)
{
    size_t size = strnlen(text, EVLOG_NAME_SIZE_MAX + 1);
    return size <= EVLOG_NAME_SIZE_MAX && pack_is_utf8(text, size);
}

/* ------------------------------------------------------------- opening ---- */

static int check_options(const char *path, const evlog_options *options)
{
    if (!path || !*path)
        return error_set(EVLOG_INVALID, "no path is given");
    if (options->durability && options->durability != EVLOG_DURABLE &&
        options->durability != EVLOG_FAST)
        return error_set(EVLOG_INVALID, "durability %d is neither EVLOG_DURABLE nor EVLOG_FAST",
                         options->durability);
    if (options->data_size_max > EVLOG_DATA_SIZE_MAX)
        return error_set(EVLOG_LIMIT, "data_size_max %u is over %d", options->data_size_max,
                         EVLOG_DATA_SIZE_MAX);
    if (options->readers_max > EVLOG_READERS_MAX)
        return error_set(EVLOG_LIMIT, "readers_max %u is over %d", options->readers_max,
                         EVLOG_READERS_MAX);
    if (options->service &&
        (!*options->service || strlen(options->service) > 200 || !log_is_text(options->service)))
        return error_set(EVLOG_INVALID, "the service must be 1 to 200 bytes of UTF-8");
    if (options->sourcehost && !log_is_text(options->sourcehost))
        return error_set(EVLOG_INVALID, "the sourcehost must be at most %d bytes of UTF-8",
                         EVLOG_NAME_SIZE_MAX);
    return EVLOG_OK;
}

/* Who sends here (EventsMetadata of openedx-events: source, sourcehost, sourcelib). */
static int describe_source(evlog *log, const evlog_options *options)
{
    char host[HOST_NAME_MAX + 1] = "", source[EVLOG_NAME_SIZE_MAX + 1];
    gethostname(host, sizeof host - 1);
    snprintf(source, sizeof source, "openedx/%s/web",
             options->service ? options->service : "SERVICE_NAME_UNSET");
    const char *given = options->sourcehost;
    if (!given)
        given = log_is_text(host) ? host : "";
    log->source[0] = strdup(source);
    log->source[1] = strdup(given);
    log->source[2] = strdup(EVLOG_VERSION);
    return log->source[0] && log->source[1] && log->source[2] ? EVLOG_OK : error_nomem();
}

static void log_free(evlog *log)
{
    receivers_free(log);
    signals_free(log);
    for (int i = 0; i < NAMES_TEXTS; i++)
        free((char *)log->source[i]);
    pthread_mutex_destroy(&log->define_lock);
    pthread_mutex_destroy(&log->lock);
    free(log);
}

static int log_new(const char *path, const evlog_options *options, evlog **made)
{
    struct stat status;
    evlog *log = calloc(1, sizeof *log);
    if (!log)
        return error_nomem();
    log->pid = getpid();
    log->open_count = 1;
    log->data_size_max =
        options->data_size_max ? options->data_size_max : EVLOG_DATA_SIZE_DEFAULT;
    log->end_of_signals = &log->first_signal;
    pthread_mutex_init(&log->define_lock, NULL);
    pthread_mutex_init(&log->lock, NULL);
    int result = describe_source(log, options);
    if (result == EVLOG_OK)
        result = store_open(path, options, &log->store);
    if (result == EVLOG_OK && stat(path, &status)) {
        result = error_errno(errno, "opening", path);
        store_close(log->store);
    }
    if (result) {
        log_free(log);
        return result;
    }
    log->device = status.st_dev;
    log->inode = status.st_ino;
    *made = log;
    return EVLOG_OK;
}

static evlog *find_open(const char *path)
{
    struct stat status;
    if (stat(path, &status))
        return NULL;
    for (evlog *log = registry; log; log = log->next)
        if (log->pid == getpid() && log->device == status.st_dev && log->inode == status.st_ino)
            return log;
    return NULL;
}

static int open_again(evlog *log, const evlog_options *options)
{
    if (options->durability && options->durability != log->store->format.durability)
        return error_set(
            EVLOG_CONFLICT, "%s: its durability is %s, and is not changed by opening it",
            log->store->path, log->store->format.durability == EVLOG_FAST ? "fast" : "durable");
    if (log->store->read_only && !options->read_only)
        return error_set(EVLOG_READONLY,
                         "%s: this process has it open for reading only; close that first",
                         log->store->path);
    log->open_count++;
    return EVLOG_OK;
}

int evlog_open_sized(const char *path, const evlog_options *given, size_t options_size,
                     evlog **opened)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    evlog_options options;
    int result = sized_in(&options, sizeof options, given, options_size);
    if (result == EVLOG_OK)
        result = check_options(path, &options);
    if (result == EVLOG_OK && !opened)
        result = error_set(EVLOG_INVALID, "no place for the log is given");
    if (result)
        return result;
    pthread_once(&once, watch_forks);
    lock_registry();
    evlog *log = find_open(path);
    if (log) {
        result = open_again(log, &options);
    } else {
        result = log_new(path, &options, &log);
        if (result == EVLOG_OK) {
            log->next = registry;
            registry = log;
        }
    }
    unlock_registry();
    if (result == EVLOG_OK)
        *opened = log;
    return result;
}

/* ------------------------------------------------------------- closing ---- */

static void forget(evlog *log)
{
    evlog **at = &registry;
    while (*at != log)
        at = &(*at)->next;
    *at = log->next;
}

int evlog_close(evlog *log)
{
    if (!log)
        return EVLOG_OK;
    if (log->pid != getpid())
        return error_set(EVLOG_FORKED,
                         "%s: was opened before fork(); it is its parent's to close",
                         log->store->path);
    lock_registry();
    int result = EVLOG_OK;
    if (atomic_load(&log->call_count) > 0) {
        result = error_set(EVLOG_BUSY,
                           "%s: a receiver of it, another thread or a consumer is still at work",
                           log->store->path);
    } else if (--log->open_count == 0) {
        forget(log);
        define_forget(log->store->types);
        result = store_close(log->store);
        log_free(log);
    }
    unlock_registry();
    return result;
}

int evlog_sync(evlog *log)
{
    int result = log_enter(log);
    if (result)
        return result;
    if (!log->store->read_only && log->store->format.durability == EVLOG_FAST)
        result = env_flush(log->store->events);
    log_leave(log);
    return result;
}
