/*
 * Help for the tests of those who use this library (openedx_events/testing.py).
 *
 * A capture is a receiver that keeps copies, and a note of which signals were enabled. The
 * note is what upstream's helpers lacked for years: an event turned off in one test class
 * stayed off in the next. Signals that were defined meanwhile are left enabled.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "event.h"
#include "evlog/testing.h"
#include "log.h"

struct evlog_capture {
    evlog *log;
    evlog_signal *signal; /* NULL: all */
    pthread_mutex_t lock; /* over the events: receivers run in any thread */
    evlog_event **events;
    size_t count, max;
    evlog_signal **disabled; /* when it began */
    size_t disabled_count;
};

/* ------------------------------------------------------------- switching ---- */

static int enable_one(evlog_signal *signal, void *ctx)
{
    (void)ctx;
    evlog_signal_enable(signal);
    return 0;
}

static int disable_one(evlog_signal *signal, void *ctx)
{
    (void)ctx;
    evlog_signal_disable(signal);
    return 0;
}

int evlog_enable_all(evlog *log)
{
    return evlog_each_signal(log, enable_one, NULL);
}

int evlog_disable_all(evlog *log)
{
    return evlog_each_signal(log, disable_one, NULL);
}

int evlog_enable_types(evlog *log, const char *const *types, size_t type_count)
{
    evlog_signal *signal;
    int result = EVLOG_OK;
    for (size_t i = 0; i < type_count && result == EVLOG_OK; i++)
        result = evlog_signal_by_type(log, types[i], &signal);
    for (size_t i = 0; i < type_count && result == EVLOG_OK; i++)
        if (evlog_signal_by_type(log, types[i], &signal) == EVLOG_OK)
            evlog_signal_enable(signal);
    return result;
}

/* ------------------------------------------------------------- capturing ---- */

static int make_room(evlog_capture *capture)
{
    if (capture->count == EVLOG_CAPTURE_MAX)
        return evlog_fail("the capture is full");
    if (capture->count < capture->max)
        return EVLOG_OK;
    size_t max = capture->max ? 2 * capture->max : 16;
    evlog_event **more = realloc(capture->events, max * sizeof(evlog_event *));
    if (!more)
        return error_nomem();
    capture->events = more;
    capture->max = max;
    return EVLOG_OK;
}

static int keep(const evlog_event *event, void *ctx)
{
    evlog_capture *capture = ctx;
    pthread_mutex_lock(&capture->lock);
    int result = make_room(capture);
    evlog_event *copy = result == EVLOG_OK ? event_copy(event) : NULL;
    if (copy)
        capture->events[capture->count++] = copy;
    else if (result == EVLOG_OK)
        result = error_nomem();
    pthread_mutex_unlock(&capture->lock);
    return result;
}

static int note_disabled(evlog_signal *signal, void *ctx)
{
    evlog_capture *capture = ctx;
    if (evlog_signal_is_enabled(signal))
        return 0;
    evlog_signal **more =
        realloc(capture->disabled, (capture->disabled_count + 1) * sizeof(evlog_signal *));
    if (!more)
        return error_nomem();
    capture->disabled = more;
    more[capture->disabled_count++] = signal;
    return 0;
}

static void capture_free(evlog_capture *capture)
{
    for (size_t i = 0; i < capture->count; i++)
        free(capture->events[i]);
    free(capture->events);
    free(capture->disabled);
    pthread_mutex_destroy(&capture->lock);
    free(capture);
}

int evlog_capture_begin(evlog *log, evlog_signal *signal, evlog_capture **capture)
{
    if (!capture)
        return error_set(EVLOG_INVALID, "no place for the capture is given");
    evlog_capture *made = calloc(1, sizeof *made);
    if (!made)
        return error_nomem();
    made->log = log;
    made->signal = signal;
    pthread_mutex_init(&made->lock, NULL);
    int result = evlog_each_signal(log, note_disabled, made);
    if (result == EVLOG_OK)
        result = evlog_connect(log, signal, NULL, keep, made, NULL);
    if (result) {
        capture_free(made);
        return result;
    }
    *capture = made;
    return EVLOG_OK;
}

int evlog_capture_end(evlog_capture *capture)
{
    if (!capture)
        return EVLOG_OK;
    int result = evlog_disconnect(capture->log, capture->signal, NULL, keep, capture);
    if (result)
        return result;
    evlog_enable_all(capture->log);
    for (size_t i = 0; i < capture->disabled_count; i++)
        evlog_signal_disable(capture->disabled[i]);
    capture_free(capture);
    return EVLOG_OK;
}

size_t evlog_capture_count(evlog_capture *capture)
{
    pthread_mutex_lock(&capture->lock);
    size_t count = capture->count;
    pthread_mutex_unlock(&capture->lock);
    return count;
}

const evlog_event *evlog_capture_event(evlog_capture *capture, size_t i)
{
    pthread_mutex_lock(&capture->lock);
    const evlog_event *event = i < capture->count ? capture->events[i] : NULL;
    pthread_mutex_unlock(&capture->lock);
    return event;
}
