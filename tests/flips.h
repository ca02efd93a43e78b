/*
 * A log of known content for the tests that damage its files, and what is asked of it afterwards.
 *
 *   FLIPS_EVENTS events of FLIPS_TYPES types; event n has the number n, and a filler that follows from it:
 *   of a few bytes, and each twentieth of OVERFLOW_SIZE, which are on overflow pages
 *   flushed when FLIPS_FLUSHED of them were sent
 *   consumer "folds": done up to FLIPS_DONE, a state, two events parked; "all": done up to the end
 *
 * flips_use does what a user would do with it: reads, verifies, sends, consumes, resets and removes, closes,
 * reads and verifies again. flips_judge says by what was noted meanwhile whether that was right.
 */
#ifndef FLIPS_H
#define FLIPS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <evlog.h>
#include <evlog/consumer.h>

#define FLIPS_EVENTS 50
#define FLIPS_TYPES 3
#define FLIPS_FLUSHED 40
#define FLIPS_DONE 30
#define FLIPS_SENT_MAX 4
#define FLIPS_PLACES (FLIPS_EVENTS + FLIPS_SENT_MAX + 1)
#define OVERFLOW_SIZE 5000
#define DATA_SIZE_MAX (OVERFLOW_SIZE + 32)
#define STATE_KEYS 24
#define LARGE_STATE_SIZE 6000
#define WHY_SIZE 320

static const char *const flips_types[FLIPS_TYPES] = {
    "org.evlog.flips.made.v1", "org.evlog.flips.changed.v1", "org.evlog.flips.removed.v1"};

enum verdict { HARMLESS, REPORTED, MENDED, LOST, WRONG, CRASHED, VERDICTS };

/* In memory that the process shares with the one that looks after it. */
struct flips_look {
    const char *step; /* what it does now */
    bool is_wrong;    /* and why */
    bool is_lost;
    char why[WHY_SIZE];
    bool is_reported;        /* by anything */
    bool is_reported_in_use; /* by what was done between the two times that it was verified */
    bool is_in_use;
    bool is_refused; /* by the opening for writing or a send */
    char first_report[WHY_SIZE];
    unsigned findings[3];      /* of verify: before, and after (2) */
    bool had[3][FLIPS_PLACES]; /* read as they were sent, by number: before, between, after */
    uint64_t sent
        [FLIPS_SENT_MAX]; /* seqs of events FLIPS_EVENTS + 1 and on that were acknowledged; 0: not */
    bool has_recovered; /* the log says so */
    bool is_done;
};

__attribute__((format(printf, 2, 3))) static void flips_wrong(struct flips_look *look,
                                                              const char *format, ...)
{
    va_list list;
    if (look->is_wrong)
        return;
    va_start(list, format);
    vsnprintf(look->why, WHY_SIZE, format, list);
    va_end(list);
    look->is_wrong = true;
}

/* Notes that a call has reported damage; wrong: it has failed with something that is not about that. */
static void flips_reported(struct flips_look *look, const char *what, int code)
{
    bool is_about_damage = code == EVLOG_DAMAGED || code == EVLOG_CONFLICT ||
                           code == EVLOG_UNSUPPORTED || code == EVLOG_IO ||
                           (code == EVLOG_BUSY && look->is_reported); /* it looks removed */
    if (!is_about_damage)
        flips_wrong(look, "%s: %s: %s", what, evlog_strerror(code), evlog_errmsg());
    if (!look->is_reported)
        snprintf(look->first_report, WHY_SIZE, "%s: %s: %s", what, evlog_strerror(code),
                 evlog_errmsg());
    look->is_reported = true;
    look->is_reported_in_use |= look->is_in_use;
}

/* ------------------------------------------------------------ its events ---- */

static uint64_t flips_mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

/* {"n": number, "f": filler} */
static size_t flips_make(uint64_t number, unsigned char data[DATA_SIZE_MAX])
{
    size_t size = number % 20 == 0 || number == FLIPS_EVENTS + 2 ? OVERFLOW_SIZE
                                                                 : 20 + flips_mix(number) % 60;
    uint64_t word = number;
    memcpy(data, "\x82\xa1n\xcc\0\xa1\x66\xc5", 8);
    data[4] = (unsigned char)number;
    data[8] = (unsigned char)(size >> 8);
    data[9] = (unsigned char)size;
    for (size_t i = 0; i < size; i += 8) {
        word = flips_mix(word);
        memcpy(data + 10 + i, &word, size - i < 8 ? size - i : 8);
    }
    return 10 + size;
}

/* The number of an event; 0: it is not one that was ever sent. */
static uint64_t flips_number(const evlog_event *event)
{
    static unsigned char data[DATA_SIZE_MAX];
    uint64_t number = event->data_size > 10 ? ((const unsigned char *)event->data)[4] : 0;
    bool is_known = number > 0 && number < FLIPS_PLACES &&
                    event->data_size == flips_make(number, data) &&
                    memcmp(event->data, data, event->data_size) == 0 &&
                    strcmp(event->event_type, flips_types[number % FLIPS_TYPES]) == 0;
    return is_known ? number : 0;
}

static int flips_send(evlog *log, uint64_t number, uint64_t *seq)
{
    unsigned char data[DATA_SIZE_MAX];
    evlog_signal *signal;
    evlog_sent sent = {.seq = 0};
    int result = evlog_define(log, flips_types[number % FLIPS_TYPES], 0, NULL, &signal);
    if (result == EVLOG_OK)
        result = evlog_send_event(signal, data, flips_make(number, data), NULL, &sent);
    *seq = sent.seq;
    evlog_sent_free(&sent);
    return result;
}

/* ---------------------------------------------------------- its consumers ---- */

/* What the consumer does with events: fails at two of them, folds the others. */
struct flips_fold {
    struct flips_look *look; /* or NULL: the log is being made */
    evlog_consumer *consumer;
    uint64_t last_number;
};

static bool flips_is_parked(uint64_t number)
{
    return number == 7 || number == 13;
}

static uint64_t flips_sum(uint64_t sum, uint64_t number)
{
    return flips_mix(sum ^ number);
}

static int flips_get_sum(evlog_consumer *consumer, uint64_t *sum)
{
    const void *value;
    size_t size;
    *sum = 0;
    int result = evlog_state_get(consumer, "sum", 3, &value, &size);
    if (result == EVLOG_OK && size == sizeof *sum)
        memcpy(sum, value, sizeof *sum);
    return result == EVLOG_NOTFOUND ? EVLOG_OK : result;
}

static int flips_put_more(evlog_consumer *consumer, uint64_t number)
{
    static unsigned char value[LARGE_STATE_SIZE];
    char key[32];
    snprintf(key, sizeof key, "key %u", (unsigned)(number % STATE_KEYS));
    memset(value, (int)number, sizeof value);
    return evlog_state_put(consumer, key, strlen(key), value,
                           number % STATE_KEYS ? 90 : sizeof value);
}

static int flips_fold(const evlog_event *event, void *ctx)
{
    struct flips_fold *fold = ctx;
    uint64_t number = flips_number(event), sum;
    if (number == 0 && fold->look) {
        flips_wrong(fold->look, "a consumer got seq %llu with other data than were sent",
                    (unsigned long long)event->seq);
        return 0;
    }
    if (flips_is_parked(number))
        return evlog_fail("this one fails");
    int result = flips_get_sum(fold->consumer, &sum);
    sum = flips_sum(sum, number);
    if (result == EVLOG_OK)
        result = evlog_state_put(fold->consumer, "sum", 3, &sum, sizeof sum);
    if (result == EVLOG_OK && !fold->look)
        result = flips_put_more(fold->consumer, number);
    if (result && fold->look)
        flips_reported(fold->look, "a consumer's state", result);
    fold->last_number = number;
    return EVLOG_OK;
}

static const evlog_consumer_options flips_consumer = {.attempt_max = 1};
static const evlog_reset_options flips_from_first = {.start = EVLOG_START_FIRST};

static int flips_make_consumers(evlog *log)
{
    struct flips_fold fold = {.look = NULL};
    evlog_consumer *consumer;
    int result = evlog_consumer_open(log, "folds", &flips_consumer, &consumer);
    for (int i = 0; result == EVLOG_OK && i < FLIPS_DONE; i++) {
        fold.consumer = consumer;
        result = evlog_consumer_poll(consumer, 1, 0, flips_fold, &fold, NULL);
    }
    if (result == EVLOG_OK)
        result = evlog_consumer_close(consumer);
    if (result == EVLOG_OK)
        result = evlog_consumer_open(log, "all", &flips_consumer, &consumer);
    fold.consumer = consumer;
    if (result == EVLOG_OK)
        result = evlog_consumer_poll(consumer, 0, 0, flips_fold, &fold, NULL);
    return result ? result : evlog_consumer_close(consumer);
}

static int flips_open(const char *path, evlog_durability durability, evlog **log)
{
    evlog_options options = {
        .durability = durability, .flush_every_ms = 1000000, .sourcehost = "here"};
    return evlog_open(path, &options, log);
}

/* Closes it and opens it as after a power cut: it is flushed then, whatever its durability. */
static int flips_reopen(const char *path, evlog **log)
{
    char shared[4096];
    int result = evlog_close(*log);
    snprintf(shared, sizeof shared, "%s/shared", path);
    unlink(shared);
    return result ? result : flips_open(path, 0, log);
}

/* Makes the log, and leaves it open. */
static int flips_make_log(const char *path, evlog_durability durability, evlog **log)
{
    uint64_t seq;
    int result = flips_open(path, durability, log);
    for (uint64_t i = 1; result == EVLOG_OK && i <= FLIPS_EVENTS; i++) {
        result = flips_send(*log, i, &seq);
        if (result == EVLOG_OK && i == FLIPS_FLUSHED - 5)
            result = flips_make_consumers(*log);
        if (result == EVLOG_OK && i == FLIPS_FLUSHED)
            result = flips_reopen(path, log);
    }
    return result;
}

/* -------------------------------------------------------------- looking ---- */

static int flips_finding(const evlog_finding *finding, uint64_t seq, void *ctx)
{
    (void)seq;
    struct {
        struct flips_look *look;
        int when;
    } *at = ctx;
    if (!finding || finding->is_remark)
        return 0;
    at->look->findings[at->when]++;
    if (!at->look->is_reported)
        snprintf(at->look->first_report, WHY_SIZE, "verify %d: %s", at->when, finding->text);
    at->look->is_reported = true;
    return 0;
}

static void flips_verify(struct flips_look *look, evlog *log, int when)
{
    struct {
        struct flips_look *look;
        int when;
    } at = {look, when};
    look->step = when == 0 ? "verify before" : "verify after";
    int result = evlog_verify(log, flips_finding, &at, NULL);
    if (result && result != EVLOG_DAMAGED)
        flips_reported(look, look->step, result);
    if (result == EVLOG_DAMAGED && look->findings[when] == 0)
        flips_wrong(look, "verify: damaged, without a finding: %s", evlog_errmsg());
}

static void flips_note(struct flips_look *look, const evlog_event *event, int when)
{
    uint64_t number = flips_number(event);
    if (strcmp(event->event_type, "evlog.recovered.v1") == 0) {
        look->has_recovered = true;
        return;
    }
    if (number == 0)
        flips_wrong(look, "seq %llu is read with other data than were sent",
                    (unsigned long long)event->seq);
    else if (look->had[when][number])
        flips_wrong(look, "event %llu is read twice", (unsigned long long)number);
    else if (number <= FLIPS_EVENTS && event->seq != number)
        flips_wrong(look, "event %llu has seq %llu", (unsigned long long)number,
                    (unsigned long long)event->seq);
    look->had[when][number] = true;
}

static void flips_read(struct flips_look *look, evlog *log, int when)
{
    static const char *const types[] = {"*", "evlog.*"};
    evlog_range range = {.types = types, .type_count = 2};
    const evlog_event *event;
    evlog_cursor *cursor;
    look->step = when == 0 ? "read before" : when == 1 ? "read" : "read after";
    int result = evlog_cursor_open(log, &range, &cursor);
    if (result) {
        flips_reported(look, look->step, result);
        return;
    }
    for (int tries = 0; tries < 1000; tries++) {
        result = evlog_cursor_next(cursor, &event);
        if (result)
            flips_reported(look, look->step, result);
        else if (!event)
            break;
        else
            flips_note(look, event, when);
    }
    if (result || event)
        flips_wrong(look, "%s: a cursor without end", look->step);
    evlog_cursor_close(cursor);
}

/* What a process sees that only reads. */
static void flips_read_only(struct flips_look *look, const char *path, int when)
{
    evlog_options options = {.read_only = true};
    evlog *log;
    look->step = "open to read";
    int result = evlog_open(path, &options, &log);
    if (result) {
        flips_reported(look, look->step, result);
        return;
    }
    flips_verify(look, log, when);
    flips_read(look, log, when);
    evlog_close(log);
}

/* ---------------------------------------------------------------- using ---- */

static void flips_send_more(struct flips_look *look, evlog *log)
{
    look->step = "send";
    for (uint64_t i = 0; i < FLIPS_SENT_MAX; i++) {
        uint64_t seq;
        int result = flips_send(log, FLIPS_EVENTS + 1 + i, &seq);
        look->sent[i] = result ? 0 : seq;
        look->is_refused |= result != 0;
        if (result)
            flips_reported(look, "send", result);
    }
}

static void flips_check_sum(struct flips_look *look, evlog_consumer *consumer, uint64_t last)
{
    uint64_t sum, expected = 0;
    for (uint64_t i = 1; i <= last; i++)
        if (!flips_is_parked(i))
            expected = flips_sum(expected, i);
    int result = flips_get_sum(consumer, &sum);
    if (result)
        flips_reported(look, "a consumer's state", result);
    else if (sum != expected && !look->is_reported)
        flips_wrong(look, "a consumer's state is not what its events up to %llu make",
                    (unsigned long long)last);
}

static void flips_consume_one(struct flips_look *look, evlog *log, const char *name)
{
    struct flips_fold fold = {.look = look};
    int result = evlog_consumer_open(log, name, &flips_consumer, &fold.consumer);
    if (result) {
        flips_reported(look, name, result);
        return;
    }
    result = evlog_consumer_poll(fold.consumer, 0, 0, flips_fold, &fold, NULL);
    if (result)
        flips_reported(look, name, result);
    else
        flips_check_sum(look, fold.consumer, fold.last_number);
    result = evlog_consumer_close(fold.consumer);
    if (result)
        flips_reported(look, name, result);
}

static int flips_see_consumer(const evlog_consumer_info *info, void *ctx)
{
    (void)info;
    (void)ctx;
    return 0;
}

static int flips_see_parked(const evlog_parked *parked, void *ctx)
{
    (void)parked;
    ++*(unsigned *)ctx;
    return 0;
}

static void flips_did(struct flips_look *look, const char *what, int result)
{
    if (result && !(result == EVLOG_NOTFOUND && look->is_reported))
        flips_reported(look, what, result);
}

static void flips_consume(struct flips_look *look, evlog *log)
{
    unsigned parked_count = 0;
    look->step = "consume";
    flips_consume_one(look, log, "folds");
    flips_consume_one(look, log, "all");
    look->step = "look at consumers";
    flips_did(look, "consumers", evlog_each_consumer(log, flips_see_consumer, NULL));
    flips_did(look, "parked", evlog_each_parked(log, "folds", flips_see_parked, &parked_count));
    if (parked_count != 2 && !look->is_reported)
        flips_wrong(look, "%u events are parked, not 2", parked_count);
    flips_did(look, "drop", evlog_parked_drop(log, "folds", 0, NULL));
    look->step = "reset";
    flips_did(look, "reset", evlog_consumer_reset(log, "all", &flips_from_first, NULL));
    flips_consume_one(look, log, "all");
    look->step = "remove";
    flips_did(look, "remove", evlog_consumer_remove(log, "folds"));
}

/* All that is done with the log. What it finds is in `look`. */
static void flips_use(struct flips_look *look, const char *path)
{
    evlog *log;
    flips_read_only(look, path, 0);
    look->step = "open";
    look->is_in_use = true;
    int result = flips_open(path, 0, &log);
    if (result) {
        look->is_refused = true;
        flips_reported(look, "open", result);
    } else {
        flips_read(look, log, 1);
        flips_send_more(look, log);
        flips_consume(look, log);
        look->step = "close";
        result = evlog_close(log);
        if (result)
            flips_reported(look, "close", result);
    }
    look->is_in_use = false;
    flips_read_only(look, path, 2);
    look->is_done = true;
}

/* -------------------------------------------------------------- judging ---- */

__attribute__((format(printf, 2, 3))) static enum verdict flips_lost(struct flips_look *look,
                                                                     const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(look->why, WHY_SIZE, format, list);
    va_end(list);
    return LOST;
}

/* `kept`: the last event that the log may not lose when it mends itself and says so. */
static enum verdict flips_judge(struct flips_look *look, uint64_t kept)
{
    if (!look->is_done)
        return CRASHED;
    if (look->is_wrong)
        return WRONG;
    for (uint64_t i = 1; i <= FLIPS_EVENTS; i++) {
        bool is_let_go = i > kept && look->has_recovered;
        if ((look->had[0][i] || look->had[1][i]) && !look->had[2][i] && !is_let_go)
            return flips_lost(look, "event %llu was there, and is not any more",
                              (unsigned long long)i);
        if (!look->had[2][i] && !look->is_reported && !is_let_go)
            return flips_lost(look, "event %llu is missing, and nothing says so",
                              (unsigned long long)i);
    }
    for (uint64_t i = 0; i < FLIPS_SENT_MAX; i++)
        if (look->sent[i] && !look->had[2][FLIPS_EVENTS + 1 + i])
            return flips_lost(look, "event %llu was acknowledged, and is not there",
                              (unsigned long long)(FLIPS_EVENTS + 1 + i));
    if (look->is_refused && look->findings[0] == 0) {
        snprintf(look->why, WHY_SIZE, "verify found nothing, then: %.250s", look->first_report);
        return WRONG;
    }
    if (look->has_recovered ||
        (look->findings[0] > 0 && !look->is_reported_in_use && look->findings[2] == 0))
        return MENDED;
    return look->is_reported ? REPORTED : HARMLESS;
}

#endif
