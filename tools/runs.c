/*
 * The runs of evlog consume's command.
 *
 * The consumer acknowledges by hand: what a run of the command was given is acknowledged when its input
 * has ended and it exits with 0, or, with --ack-lines, event by event as it answers with lines
 * (feed.c). A command that stops reading, or ends before its input does, has failed.
 *
 * When a run fails, what it has not acknowledged is taken back and comes again in another run. If that was one
 * event, its attempt has failed (evlog_consumer_fail): it is parked or skipped after the last one. If they were
 * several it is not known which is to blame: none has failed, and the next run gets half as many. A run that
 * goes well doubles that number again. So an event that no run can deal with is found after about log2(n) runs,
 * and those around it are given to the command a few times more.
 *
 * It ends with the first run that fails when that is not an event's fault (feed.c), and with --on-failure stop unless
 * there are --attempts. Then all of them come again when it is run the next time.
 *
 * A parked event that is retried is given to a command of its own: so it is acknowledged alone.
 */
#include <stdlib.h>
#include <string.h>

#include "consume.h"
#include "print.h"
#include "progress.h"
#include "stop.h"

#define ANSWER_WAIT_MS 10

/* How a run ended. */
enum end {
    END_WELL,
    END_AGAIN, /* what is not acknowledged comes again, to other runs */
    END_OVER,  /* and there is no other run; reported */
};

static uint32_t attempt_max(const struct options *options)
{
    if (options->attempts)
        return options->attempts;
    return options->on_failure == EVLOG_FAILURE_STOP ? 1 : ATTEMPTS;
}

void runs_options(const struct options *options, evlog_consumer_options *wanted)
{
    wanted->ack_by_hand = true;
    wanted->attempt_max = attempt_max(options);
}

/* ---------------------------------------------------------------- what failed ---- */

static void report_rest(const struct feed *feed)
{
    uint64_t first = feed_oldest(feed), last = feed->last_seq;
    if (feed->unanswered == 1)
        complain(EXIT_NOTHING, "event %" PRIu64 " is not acknowledged: it comes again", first);
    else
        complain(EXIT_NOTHING,
                 "events %" PRIu64 " to %" PRIu64 " are not acknowledged: they come again", first,
                 last);
}

/* For the exit status `status`, reported. */
static enum end is_over(struct consuming *consuming, int status)
{
    consume_note(consuming, status);
    consuming->is_over = true;
    return END_OVER;
}

/*
 * It failed when it was given this event alone. END_OVER: that was the last time, and it is neither parked nor skipped.
 */
static enum end blame(struct consuming *consuming, uint64_t seq, const char *why)
{
    uint32_t max = attempt_max(consuming->options);
    consuming->blame_count = seq == consuming->blamed_seq ? consuming->blame_count + 1 : 1;
    consuming->blamed_seq = seq;
    if (consuming->blame_count < max)
        complain(EXIT_NOTHING, "event %" PRIu64 ", attempt %u of %u: %s", seq,
                 consuming->blame_count, max, why);
    consuming->given_count += consuming->blame_count >= max; /* it does not come again */
    int code = evlog_consumer_fail(consuming->consumer, seq, why);
    if (!code)
        return END_AGAIN;
    return is_over(consuming, complain_library(code));
}

/* Several events, or half as many at a time, come again. */
static enum end give_back(struct consuming *consuming, const char *why)
{
    const struct feed *feed = &consuming->feed;
    uint64_t first = feed_oldest(feed);
    consuming->run_max = feed->unanswered / 2;
    complain(EXIT_NOTHING,
             "%s: events %" PRIu64 " to %" PRIu64 " come again, at most %" PRIu64 " at a time",
             why, first, feed->last_seq, consuming->run_max);
    int code = evlog_consumer_give_back(consuming->consumer, first);
    if (!code)
        return END_AGAIN;
    return is_over(consuming, complain_library(code));
}

/* Whether there are no attempts after this one that failed. */
static bool is_final(const struct consuming *consuming, const struct feed *feed)
{
    const struct options *options = consuming->options;
    return feed->is_at_fault || stop_is_asked() ||
           (options->on_failure == EVLOG_FAILURE_STOP && attempt_max(options) == 1);
}

/* A run has failed: what becomes of what it has not acknowledged. */
static enum end after_failure(struct consuming *consuming)
{
    struct feed *feed = &consuming->feed;
    char why[FEED_WHY_SIZE];
    snprintf(why, sizeof why, "%s", evlog_errmsg());
    if (is_final(consuming, feed) || !feed->unanswered) {
        consume_note(consuming, complain(EXIT_NOTHING, "%s", why));
        if (feed->unanswered)
            report_rest(feed);
        return is_final(consuming, feed) ? is_over(consuming, EXIT_NOTHING) : END_WELL;
    }
    consuming->given_count -= feed->unanswered;
    consuming->again_seq = feed->last_seq; /* before it may be parked */
    if (feed->unanswered > 1)
        return give_back(consuming, why);
    consuming->run_max = 1;
    return blame(consuming, feed_oldest(feed), why);
}

/* Ends the command's input, and acknowledges what it has dealt with. */
static enum end end_run(struct consuming *consuming)
{
    struct feed *feed = &consuming->feed;
    if (!feed->is_running)
        return END_WELL;
    int failed = feed_end(feed), code = EVLOG_OK;
    if (!failed && !feed->is_heard && feed->fed_count) {
        code = evlog_consumer_done(consuming->consumer, feed->last_seq);
        feed->unanswered = code ? feed->fed_count : 0;
    }
    consuming->acked_count += feed->fed_count - feed->unanswered;
    if (code) {
        int status = complain_library(code);
        report_rest(feed);
        return is_over(consuming, status);
    }
    if (failed)
        return after_failure(consuming);
    if (consuming->run_max < EVLOG_OUT_MAX)
        consuming->run_max *= 2;
    if (consuming->run_max > UNANSWERED_MAX)
        consuming->run_max = EVLOG_OUT_MAX;
    return END_WELL;
}

/* -------------------------------------------------------------------- giving ---- */

static int answered(uint64_t seq, void *ctx)
{
    struct consuming *consuming = ctx;
    return evlog_consumer_done(consuming->consumer, seq);
}

/*
 * A command that answered all it had may have ended since; then another one gets the event. That the command fails now
 * is no error here: feed->why says so.
 */
static int give_in_turn(struct consuming *consuming, uint64_t seq, const char *line, size_t size)
{
    struct feed *feed = &consuming->feed;
    if (feed_has_ended(feed) && end_run(consuming) == END_OVER)
        return EVLOG_OK;
    int code = feed->is_running ? EVLOG_OK : feed_start(feed, consuming->options->exec);
    if (code)
        return code;
    code = feed_event(feed, seq, line, size);
    if (seq >= consuming->again_seq)
        consuming->again_seq = 0;
    return *feed->why ? EVLOG_OK : code;
}

/* An event that is retried: the command's end says what becomes of it. */
static int give_alone(struct consuming *consuming, uint64_t seq, const char *line, size_t size)
{
    struct feed *feed = calloc(1, sizeof *feed);
    if (!feed)
        return evlog_fail("out of memory");
    feed->is_heard = consuming->options->ack_lines;
    feed->timeout_ms = consuming->options->timeout_ms;
    int code = feed_start(feed, consuming->options->exec);
    if (!code) {
        code = feed_event(feed, seq, line, size);
        int ended = feed_end(feed);
        code = ended ? ended : code;
    }
    int is_at_fault = feed->is_at_fault;
    free(feed);
    if (code && !is_at_fault)
        return evlog_consumer_fail(consuming->consumer, seq, evlog_errmsg());
    if (!code)
        code = evlog_consumer_done(consuming->consumer, seq);
    consuming->acked_count += !code;
    return code;
}

static int give(struct consuming *consuming, const evlog_event *event)
{
    char *line = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&line, &size);
    int code = EVLOG_OK, failed = !memory || event_put(memory, event, OUTPUT_JSON);
    if (memory)
        failed |= fclose(memory) != 0;
    if (failed)
        code = evlog_fail("out of memory");
    else if (event->is_retry)
        code = give_alone(consuming, event->seq, line, size);
    else
        code = give_in_turn(consuming, event->seq, line, size);
    free(line);
    progress_at(++consuming->given_count);
    return code;
}

/* ------------------------------------------------------------------- one round ---- */

/* Waits so long for the next event, and gives it. `*is_given`: there was one. */
static int give_next(struct consuming *consuming, int64_t timeout_ms, bool *is_given)
{
    const evlog_event *event = NULL;
    int code = evlog_consumer_next(consuming->consumer, timeout_ms, &event);
    *is_given = !code && event;
    if (code || !event)
        return code == EVLOG_STOPPED ? EVLOG_OK : code; /* stop_is_asked says so */
    return give(consuming, event);
}

int runs_is_paused(const struct consuming *consuming)
{
    evlog_consumer_info *info;
    int code =
        evlog_consumer_inspect(consuming->log, evlog_consumer_name(consuming->consumer), &info);
    if (code)
        return code;
    int paused = info->is_paused;
    evlog_consumer_info_free(info);
    return paused;
}

/* It has all there was, and what came again too. */
static bool is_caught_up(const struct consuming *consuming)
{
    return consuming->is_caught_up && !consuming->again_seq;
}

/* The run has what it may get. */
static bool is_run_full(const struct consuming *consuming)
{
    const struct feed *feed = &consuming->feed;
    if (!feed->is_running)
        return false;
    uint64_t count = feed->is_heard && consuming->run_max == EVLOG_OUT_MAX ? 0 : feed->fed_count;
    return *feed->why || count >= consuming->run_max;
}

/*
 * Nothing was given just now: answers are to come, or the command can end for now, or events are due later.
 */
static int wait_a_moment(struct consuming *consuming)
{
    const struct options *options = consuming->options;
    struct feed *feed = &consuming->feed;
    bool is_given;
    if (feed->is_heard && feed->is_running && feed->unanswered) {
        int code = feed_hear(feed, ANSWER_WAIT_MS);
        return *feed->why ? EVLOG_OK : code;
    }
    int paused = runs_is_paused(consuming);
    if (paused < 0)
        return paused;
    if (paused && !options->follow)
        return evlog_fail("the consumer is paused; see: evlog help consumer resume");
    if (!feed->is_running || feed->is_heard || !(paused || is_caught_up(consuming)))
        return give_next(consuming, MOMENT_MS, &is_given);
    end_run(consuming);
    return EVLOG_OK;
}

/* Gives an event, hears what is answered, or ends a run. */
static int round_of(struct consuming *consuming)
{
    const struct options *options = consuming->options;
    const struct feed *feed = &consuming->feed;
    bool is_idle = feed->is_heard && feed->is_running ? !feed->unanswered : !feed->is_running;
    bool is_given;
    if (is_run_full(consuming)) {
        end_run(consuming);
        return EVLOG_OK;
    }
    int code = give_next(consuming, options->follow && is_idle ? -1 : 0, &is_given);
    if (code || is_given || stop_is_asked())
        return code;
    if (!is_caught_up(consuming) || options->follow)
        return wait_a_moment(consuming);
    consuming->is_over = end_run(consuming) != END_AGAIN;
    return EVLOG_OK;
}

static bool has_reached_limit(const struct consuming *consuming)
{
    uint64_t limit = consuming->options->range.limit;
    return limit && consuming->given_count >= limit;
}

void runs_consume(struct consuming *consuming)
{
    const struct options *options = consuming->options;
    int code = EVLOG_OK;
    consuming->run_max = EVLOG_OUT_MAX;
    consuming->feed = (struct feed){.is_heard = options->ack_lines,
                                    .answered = answered,
                                    .ctx = consuming,
                                    .timeout_ms = options->timeout_ms};
    while (!code && !consuming->is_over && !stop_is_asked()) {
        code = round_of(consuming);
        if (!code && has_reached_limit(consuming)) {
            end_run(consuming);
            consuming->is_over |= has_reached_limit(consuming); /* nothing comes again */
        }
    }
    if (code)
        consume_note(consuming, complain_library(code));
    end_run(consuming);
}
