/*
 * Opening and closing: the logs that this process has open.
 *
 * A process has at most one handle for a directory: LMDB notices neither a second
 * environment for a file nor what that does to the snapshots of the first. So there is a
 * registry, by device and inode, and opening again counts.
 *
 * Opening and closing a store wait for other processes, so the registry's mutex is not held
 * meanwhile: the log is in the registry in the state LOG_OPENING or LOG_CLOSING, and a thread that
 * opens the same directory waits for that state to end. All else, fork(2) included, waits for
 * neither.
 *
 *             evlog_open            the store is open
 *   (nothing) ----------> LOG_OPENING -------------> LOG_OPEN
 *       ^                     |                         | evlog_close, the last one
 *       +---------------------+------ LOG_CLOSING <-----+
 *              it could not be opened; it is closed
 *
 * A log that must have the directory for itself (log_open with `use`) is LOG_ALONE in place of LOG_OPEN, and is not
 * opened again.
 *
 * 1. A directory is in the registry once for each process.
 * 2. A log that is opened before its directory exists has no identity yet. Until it has one it
 *    may be any that is asked for, so every other evlog_open of a directory that is not open waits.
 * 3. A forked child finds the mutex free, and passes over its parent's logs, in whatever state.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "flusher.h"
#include "log.h"
#include "peer.h"
#include "receivers.h"
#include "schemas.h"
#include "signals.h"
#include "sized.h"

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t registry_changed = PTHREAD_COND_INITIALIZER;
static evlog *registry;

static void lock_registry(void)
{
    pthread_mutex_lock(&registry_lock);
}

static void unlock_registry(void)
{
    pthread_mutex_unlock(&registry_lock);
}

/* The condition may have counted threads as waiting that the child does not have. */
static void unlock_registry_in_child(void)
{
    log_count_fork();
    registry_changed = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
    pthread_mutex_unlock(&registry_lock);
}

static void watch_forks(void)
{
    pthread_atfork(lock_registry, unlock_registry, unlock_registry_in_child);
}

/* ------------------------------------------------------------- opening ---- */

#define SERVICE_SIZE_MAX 200 /* leaves room for what a source has around it */

static bool is_set(const char *text)
{
    return text && *text;
}

static int check_options(const char *path, const evlog_options *options)
{
    if (!path || !*path)
        return error_set(EVLOG_INVALID, "no path is given");
    if (options->durability && options->durability != EVLOG_DURABLE &&
        options->durability != EVLOG_FAST)
        return error_set(EVLOG_INVALID, "durability %d is neither EVLOG_DURABLE nor EVLOG_FAST",
                         options->durability);
    if (options->dispatch > EVLOG_DISPATCH_STRICT)
        return error_set(EVLOG_INVALID, "dispatch %d is not an EVLOG_DISPATCH_...",
                         options->dispatch);
    if (options->data_size_max > EVLOG_DATA_SIZE_MAX)
        return error_set(EVLOG_LIMIT, "data_size_max %u is over %d", options->data_size_max,
                         EVLOG_DATA_SIZE_MAX);
    if (options->readers_max > EVLOG_READERS_MAX)
        return error_set(EVLOG_LIMIT, "readers_max %u is over %d", options->readers_max,
                         EVLOG_READERS_MAX);
    if (is_set(options->service) && is_set(options->source))
        return error_set(EVLOG_INVALID, "service and source are both given");
    if (options->offline && !options->read_only)
        return error_set(EVLOG_INVALID, "offline is given without read_only");
    const struct {
        const char *name, *text;
        size_t size_max;
    } texts[] = {
        {"service", options->service, SERVICE_SIZE_MAX},
        {"source", options->source, EVLOG_NAME_SIZE_MAX},
        {"sourcehost", options->sourcehost, EVLOG_NAME_SIZE_MAX},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].text &&
            (!log_is_text(texts[i].text) || strlen(texts[i].text) > texts[i].size_max))
            return error_set(EVLOG_INVALID, "the %s must be at most %zu bytes of UTF-8",
                             texts[i].name, texts[i].size_max);
    return EVLOG_OK;
}

/* The dispatch of sends that do not say it themselves. */
static int find_dispatch(evlog_dispatch asked, evlog_dispatch *dispatch)
{
    const char *variable = getenv("EVLOG_DISPATCH");
    if (asked)
        *dispatch = asked;
    else if (!is_set(variable) || strcmp(variable, "robust") == 0)
        *dispatch = EVLOG_DISPATCH_ROBUST;
    else if (strcmp(variable, "strict") == 0)
        *dispatch = EVLOG_DISPATCH_STRICT;
    else
        return error_set(
            EVLOG_INVALID,
            "the environment variable EVLOG_DISPATCH is \"%.40s\", neither \"robust\" "
            "nor \"strict\"",
            variable);
    return EVLOG_OK;
}

/* The options as they hold, with the defaults; but for the texts, and the log's durability. */
static int fill_options(const evlog_options *asked, evlog_options *filled)
{
    *filled = *asked;
    filled->service = filled->source = filled->sourcehost = NULL;
    if (!filled->data_size_max)
        filled->data_size_max = EVLOG_DATA_SIZE_DEFAULT;
    if (!filled->flush_every_ms)
        filled->flush_every_ms = FLUSH_EVERY_MS;
    int result = peer_is_wanted(asked->record_peer, &filled->record_peer);
    return result ? result : find_dispatch(asked->dispatch, &filled->dispatch);
}

static void write_source(const evlog_options *options, char source[EVLOG_NAME_SIZE_MAX + 1])
{
    if (is_set(options->source))
        strcpy(source, options->source);
    else
        snprintf(source, EVLOG_NAME_SIZE_MAX + 1, "openedx/%s/web",
                 is_set(options->service) ? options->service : "SERVICE_NAME_UNSET");
}

/* The source of events sent here (EventsMetadata of openedx-events: source, sourcehost, sourcelib). */
static int describe_source(evlog *log, const evlog_options *options)
{
    char host[HOST_NAME_MAX + 1] = "", source[EVLOG_NAME_SIZE_MAX + 1];
    gethostname(host, sizeof host - 1);
    write_source(options, source);
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
    receivers_release(log->receivers);
    signals_free(log);
    source_release(atomic_load(&log->own_source));
    for (int i = 0; i < SOURCE_TEXTS; i++)
        free((char *)log->source[i]);
    free(log->peer);
    pthread_mutex_destroy(&log->define_lock);
    pthread_mutex_destroy(&log->lock);
    free(log);
}

static int log_new(const evlog_options *options, evlog **made)
{
    evlog *log = calloc(1, sizeof *log);
    if (!log)
        return error_nomem();
    log->pid = getpid();
    log->fork_count = log_fork_count();
    log->state = LOG_OPENING;
    log->open_count = 1;
    log->end_of_signals = &log->first_signal;
    pthread_mutex_init(&log->define_lock, NULL);
    pthread_mutex_init(&log->lock, NULL);
    int result = fill_options(options, &log->options);
    if (result == EVLOG_OK)
        result = describe_source(log, options);
    if (result == EVLOG_OK && log->options.record_peer && !(log->peer = peer_new()))
        result = error_nomem();
    if (result) {
        log_free(log);
        return result;
    }
    *made = log;
    return EVLOG_OK;
}

/*
 * What is at `path`; all zero: nothing, or nothing can be (store_open reports that). Not knowing it, this
 * process could open a log twice.
 */
static int look(const char *path, struct stat *status)
{
    *status = (struct stat){.st_ino = 0};
    if (stat(path, status) == 0 || errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG)
        return EVLOG_OK;
    return error_errno(errno, "opening", path);
}

/*
 * The log in the registry that is, or may become, the one of that directory. With the registry's lock
 * held, as the next ones.
 */
static evlog *find(const struct stat *status)
{
    evlog *maker = NULL;
    for (evlog *log = registry; log; log = log->next) {
        if (log->fork_count != log_fork_count())
            continue;
        if (log->inode != 0 && log->device == status->st_dev && log->inode == status->st_ino)
            return log;
        if (log->inode == 0)
            maker = log;
    }
    return maker;
}

/*
 * Waits until the directory is neither being opened nor being closed. `*log`: it is open; NULL: it is not.
 */
static int find_open(const char *path, struct stat *status, evlog **log)
{
    int result;
    while ((result = look(path, status)) == EVLOG_OK && (*log = find(status)) &&
           ((*log)->state == LOG_OPENING || (*log)->state == LOG_CLOSING))
        pthread_cond_wait(&registry_changed, &registry_lock);
    return result;
}

/* The option that asks for something else than how the log is open; NULL: none. */
static const char *find_difference(const evlog *log, const evlog_options *asked)
{
    const evlog_options *now = &log->options;
    char source[EVLOG_NAME_SIZE_MAX + 1];
    write_source(asked, source);
    bool has_other_source = strcmp(source, log->source[0]) != 0;
    const struct {
        const char *name;
        bool is_other;
    } options[] = {
        {"source", is_set(asked->source) && has_other_source},
        {"service", is_set(asked->service) && has_other_source},
        {"sourcehost", asked->sourcehost && strcmp(asked->sourcehost, log->source[1]) != 0},
        {"data_size_max", asked->data_size_max && asked->data_size_max != now->data_size_max},
        {"log_size_max", asked->log_size_max && asked->log_size_max != now->log_size_max},
        {"flush_every_ms", asked->flush_every_ms && asked->flush_every_ms != now->flush_every_ms},
        {"dispatch", asked->dispatch && asked->dispatch != now->dispatch},
        {"record_peer", asked->record_peer && !now->record_peer},
        {"read_only", asked->read_only && !now->read_only},
        {"offline", asked->offline && !now->offline},
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (options[i].is_other)
            return options[i].name;
    return NULL;
}

static int open_again(evlog *log, const evlog_options *options, const struct store_use *use)
{
    if (use || log->state == LOG_ALONE)
        return error_set(EVLOG_BUSY, "%s: this process has it open, and %s needs it alone",
                         log->store->path, use ? "this" : "that");
    if (options->durability && options->durability != log->store->format.durability)
        return error_set(
            EVLOG_CONFLICT, "%s: its durability is %s, and is not changed by opening it",
            log->store->path, log->store->format.durability == EVLOG_FAST ? "fast" : "durable");
    if (log->store->read_only && !options->read_only)
        return error_set(EVLOG_READONLY,
                         "%s: this process has it open for reading only; close that first",
                         log->store->path);
    const char *difference = find_difference(log, options);
    if (difference)
        return error_set(EVLOG_CONFLICT, "%s: this process has it open with another %s",
                         log->store->path, difference);
    log->open_count++;
    return EVLOG_OK;
}

static int begin_opening(const evlog_options *options, const struct stat *status, evlog **log)
{
    int result = log_new(options, log);
    if (result)
        return result;
    (*log)->device = status->st_dev;
    (*log)->inode = status->st_ino;
    (*log)->next = registry;
    registry = *log;
    return EVLOG_OK;
}

static void remove_from_registry(evlog *log)
{
    evlog **at = &registry;
    while (*at != log)
        at = &(*at)->next;
    *at = log->next;
}

/* Opens the store of a log that is in the registry; when that fails, the log is freed. */
static int finish_opening(evlog *log, const char *path, const evlog_options *options,
                          const struct store_use *use)
{
    struct stat status;
    int result = store_open(path, options, use, &log->store);
    if (result == EVLOG_OK && stat(path, &status)) {
        result = error_errno(errno, "opening", path);
        store_close(log->store);
    }
    lock_registry();
    if (result) {
        remove_from_registry(log);
    } else {
        log->device = status.st_dev;
        log->inode = status.st_ino;
        log->state = use ? LOG_ALONE : LOG_OPEN;
    }
    pthread_cond_broadcast(&registry_changed);
    unlock_registry();
    if (result)
        log_free(log);
    return result;
}

int log_open(const char *path, const evlog_options *options, const struct store_use *use,
             evlog **opened)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct stat status;
    evlog *log = NULL;
    int result = check_options(path, options);
    if (result == EVLOG_OK && !opened)
        result = error_set(EVLOG_INVALID, "no place for the log is given");
    if (result)
        return result;
    pthread_once(&once, watch_forks);
    lock_registry();
    result = find_open(path, &status, &log);
    bool is_new = result == EVLOG_OK && !log;
    if (result == EVLOG_OK)
        result = is_new ? begin_opening(options, &status, &log) : open_again(log, options, use);
    unlock_registry();
    if (result == EVLOG_OK && is_new)
        result = finish_opening(log, path, options, use);
    if (result == EVLOG_OK)
        *opened = log;
    return result;
}

int evlog_open_sized(const char *path, const evlog_options *given, size_t options_size,
                     evlog **opened)
{
    evlog_options options;
    int result = sized_in(&options, sizeof options, given, options_size);
    return result ? result : log_open(path, &options, NULL, opened);
}

/* ------------------------------------------------------------- closing ---- */

/* Takes back one evlog_open; `*is_last`: it was the last, and the log is to be closed. */
static int begin_closing(evlog *log, bool *is_last)
{
    *is_last = log->open_count == 1;
    if (!*is_last) {
        log->open_count--;
        return EVLOG_OK;
    }
    if (atomic_load(&log->call_count) > 0)
        return error_set(
            EVLOG_BUSY, "%s: a receiver, another thread, a consumer or a cursor is still at work",
            log->store->path);
    log->state = LOG_CLOSING;
    return EVLOG_OK;
}

static int finish_closing(evlog *log)
{
    schemas_free(log->store->types);
    int result = store_close(log->store);
    lock_registry();
    remove_from_registry(log);
    pthread_cond_broadcast(&registry_changed);
    unlock_registry();
    log_free(log);
    return result;
}

int evlog_close(evlog *log)
{
    bool is_last;
    if (!log)
        return EVLOG_OK;
    if (log->fork_count != log_fork_count())
        return error_set(EVLOG_FORKED,
                         "%s: was opened before fork(); it is its parent's to close",
                         log->store->path);
    lock_registry();
    int result = begin_closing(log, &is_last);
    unlock_registry();
    return result == EVLOG_OK && is_last ? finish_closing(log) : result;
}

int evlog_sync(evlog *log)
{
    int result = log_enter(log);
    if (result)
        return result;
    if (!log->store->read_only && log->store->format.durability == EVLOG_FAST)
        result = flusher_flush(log->store->flusher);
    log_leave(log);
    return result;
}
