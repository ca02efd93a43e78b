/*
 * A command that is fed events and answers for them.
 *
 * One that is not heard answers once, by its exit with 0 after it has read all: that is looked
 * at, since what it left in the pipe would else count as done, or not, by how much a pipe
 * holds.
 *
 * One that is heard answers each event with a line. Events go in and answers come out at the
 * same time: the pipe to the command is written only as far as it takes, and its answers are
 * read meanwhile, so that neither waits for the other for ever. How many may be unanswered is
 * limited. With one line too many it can't be said what the others were for: none of those that
 * came together counts, and it is heard no more.
 *
 * With a timeout it is killed, and all it has started, when for so long it does nothing of what it
 * owes: to read on, when the pipe is full; to answer the oldest event, when it is heard; to end,
 * when its input has ended. One that owes nothing may wait for ever.
 *
 * No event is to blame when the command could not be run (the shell's exit statuses 126 and 127),
 * says that it cannot go on for now (75, EX_TEMPFAIL of sysexits.h), answers too much, or exits with
 * 0 and has not read the only event that it was given.
 *
 * An interrupt that is typed goes to the command as well, which is to finish what it has; so it
 * is started with that signal ignored.
 */
#include "feed.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "evlog.h"
#include "stop.h"

#define SHIELD "trap '' INT; "
#define PIPE_SIZE 65536

/* What went wrong first is what is reported in the end. */
static int has_failed(struct feed *feed, const char *why)
{
    if (!*feed->why)
        snprintf(feed->why, sizeof feed->why, "%s", why);
    return evlog_fail(why);
}

int feed_start(struct feed *feed, const char *command)
{
    char *shielded = malloc(sizeof SHIELD + strlen(command));
    feed->is_at_fault = 1;
    if (!shielded)
        return evlog_fail("out of memory");
    strcat(strcpy(shielded, SHIELD), command);
    feed->child.is_group = feed->timeout_ms > 0;
    int error = child_start(&feed->child, shielded, feed->is_heard);
    free(shielded);
    if (error)
        return evlog_fail(strerror(error));
    fcntl(feed->child.to, F_SETFL, O_NONBLOCK);
    feed->is_running = 1;
    feed->is_confused = feed->is_at_fault = feed->is_killed = 0;
    feed->why[0] = '\0';
    feed->moved_ms = now_ms();
    feed->fed_count = feed->unanswered = feed->oldest = 0;
    return EVLOG_OK;
}

/* -------------------------------------------------------------------- time ---- */

static int64_t deadline(const struct feed *feed)
{
    return feed->timeout_ms ? feed->moved_ms + feed->timeout_ms : INT64_MAX;
}

/* As much of `wait_ms` (-1: without limit) as the command may do nothing for, for poll(2). */
static int wait_at_most(const struct feed *feed, int wait_ms)
{
    int64_t left = deadline(feed) == INT64_MAX ? INT32_MAX : deadline(feed) - now_ms();
    left = left < 0 ? 0 : left;
    left = left > INT32_MAX ? INT32_MAX : left;
    return deadline(feed) == INT64_MAX || (wait_ms >= 0 && wait_ms < left) ? wait_ms : (int)left;
}

static int was_killed(struct feed *feed)
{
    feed->is_killed = 1;
    snprintf(feed->why, sizeof feed->why, "the command did nothing for %g s, and was killed",
             (double)feed->timeout_ms / 1000);
    return evlog_fail(feed->why);
}

static int kill_it(struct feed *feed)
{
    child_kill(&feed->child);
    return was_killed(feed);
}

/* ------------------------------------------------------------------- answers ---- */

/* As many of the oldest events are answered as there are lines. */
static int take_answers(struct feed *feed, uint64_t lines)
{
    if (!lines)
        return EVLOG_OK;
    feed->moved_ms = now_ms();
    if (lines > feed->unanswered) {
        feed->is_confused = feed->is_at_fault = 1;
        return has_failed(feed, "the command has answered more events than it was given");
    }
    uint64_t seq = feed->seqs[(feed->oldest + lines - 1) % UNANSWERED_MAX];
    int code = feed->answered ? feed->answered(seq, feed->ctx) : EVLOG_OK;
    if (code)
        return code;
    feed->oldest = (feed->oldest + lines) % UNANSWERED_MAX;
    feed->unanswered -= lines;
    return EVLOG_OK;
}

/* Reads what the command has answered; `*is_end`: it will not answer any more. */
static int read_answers(struct feed *feed, int *is_end)
{
    char buffer[PIPE_SIZE]; /* what there is at once: to acknowledge is a commit */
    uint64_t lines = 0;
    ssize_t size = read(feed->child.from, buffer, sizeof buffer);
    *is_end = size == 0 || (size < 0 && errno != EINTR);
    for (ssize_t i = 0; i < size; i++)
        lines += buffer[i] == '\n';
    return take_answers(feed, lines);
}

/*
 * Waits for answers, or for the pipe to take more, for so long at most (-1: without limit). 1: it
 * does, 0: not now, or a failure.
 */
static int exchange(struct feed *feed, int wants_room, int timeout_ms)
{
    struct pollfd fds[] = {{.fd = feed->is_heard ? feed->child.from : -1, .events = POLLIN},
                           {.fd = wants_room ? feed->child.to : -1, .events = POLLOUT}};
    int is_end = 0, code = EVLOG_OK, count = poll(fds, 2, wait_at_most(feed, timeout_ms));
    if (count < 0)
        return errno == EINTR ? 0 : evlog_fail(strerror(errno));
    if (count == 0 && now_ms() >= deadline(feed))
        return kill_it(feed);
    if (fds[0].revents)
        code = read_answers(feed, &is_end);
    if (code)
        return code;
    if (is_end)
        return has_failed(feed,
                          "the command has ended, or closed its output, before its input ended");
    return fds[1].revents != 0;
}

int feed_hear(struct feed *feed, int timeout_ms)
{
    int code = exchange(feed, 0, timeout_ms);
    return code < 0 ? code : EVLOG_OK;
}

bool feed_has_ended(struct feed *feed)
{
    struct pollfd fd = {.fd = feed->child.from, .events = POLLIN};
    return feed->is_running && feed->is_heard && !feed->unanswered && poll(&fd, 1, 0) > 0 &&
           !(fd.revents & POLLIN);
}

/* ------------------------------------------------------------------- feeding ---- */

/* Writes a line to the command as fast as it takes it, and hears it meanwhile. */
static int write_line(struct feed *feed, const char *line, size_t size)
{
    while (size > 0) {
        ssize_t count = write(feed->child.to, line, size);
        int code = 0;
        if (count >= 0) {
            line += count;
            size -= (size_t)count;
            if (!feed->is_heard)
                feed->moved_ms = now_ms();
        } else if (errno == EAGAIN || errno == EINTR) {
            code = exchange(feed, 1, -1);
        } else {
            return has_failed(feed, "the command does not read its input any more");
        }
        if (code < 0)
            return code;
    }
    return EVLOG_OK;
}

/* It counts as fed before it is written: what becomes of half an event is for the command's end to say. */
static void note_fed(struct feed *feed, uint64_t seq)
{
    if (feed->is_heard)
        feed->seqs[(feed->oldest + feed->unanswered) % UNANSWERED_MAX] = seq;
    if (!feed->fed_count++)
        feed->first_seq = seq;
    if (!feed->unanswered++)
        feed->moved_ms = now_ms();
    feed->last_seq = seq;
}

int feed_event(struct feed *feed, uint64_t seq, const char *line, size_t size)
{
    int code = 0;
    while (code >= 0 && feed->is_heard && feed->unanswered == UNANSWERED_MAX)
        code = exchange(feed, 0, -1);
    if (code < 0)
        return code;
    note_fed(feed, seq);
    return write_line(feed, line, size);
}

uint64_t feed_oldest(const struct feed *feed)
{
    return feed->is_heard ? feed->seqs[feed->oldest] : feed->first_seq;
}

/* -------------------------------------------------------------------- the end ---- */

/* The exit status says that the command cannot be run, or not now. */
static int is_refusal(int state)
{
    int status = WIFEXITED(state) ? WEXITSTATUS(state) : 0;
    return status == EX_TEMPFAIL || status == 126 || status == 127;
}

/* What its end says of what it was fed. */
static int judge(struct feed *feed, int state, size_t unread_size)
{
    char sentence[FEED_WHY_SIZE];
    int is_signal = WIFSIGNALED(state);
    feed->is_at_fault |= is_refusal(state);
    if (state) {
        snprintf(sentence, sizeof sentence, "the command %s %d",
                 is_signal ? "was killed by signal" : "exited with",
                 is_signal ? WTERMSIG(state) : WEXITSTATUS(state));
        return evlog_fail(sentence);
    }
    feed->is_at_fault |= !feed->is_heard && feed->fed_count == 1 && (*feed->why || unread_size);
    if (*feed->why)
        return evlog_fail(feed->why);
    if (unread_size)
        return evlog_fail("the command exited with 0 and has not read all of its input");
    if (feed->is_heard && feed->unanswered) {
        snprintf(sentence, sizeof sentence,
                 "the command exited with 0 and has not answered %" PRIu64 " event%s",
                 feed->unanswered, feed->unanswered == 1 ? "" : "s");
        return evlog_fail(sentence);
    }
    return EVLOG_OK;
}

/* Hears it until its output ends. */
static int hear_out(struct feed *feed)
{
    struct pollfd fd = {.fd = feed->child.from, .events = POLLIN};
    int code = EVLOG_OK, is_end = 0;
    while (!code && !is_end && !feed->is_killed) {
        int count = poll(&fd, 1, wait_at_most(feed, -1));
        if (count > 0)
            code = read_answers(feed, &is_end);
        else if (count == 0 && now_ms() >= deadline(feed))
            kill_it(feed);
    }
    return code;
}

int feed_end(struct feed *feed)
{
    int state, code = EVLOG_OK;
    size_t unread_size = 0;
    feed->moved_ms = now_ms();
    if (feed->is_heard)
        child_finish(&feed->child);
    if (feed->is_heard && !feed->is_confused)
        code = hear_out(feed);
    int error =
        child_end(&feed->child, &state, feed->is_heard ? NULL : &unread_size, deadline(feed));
    feed->is_running = 0;
    if (error == ETIMEDOUT)
        was_killed(feed);
    if (feed->is_killed || feed->is_confused)
        return evlog_fail(feed->why);
    if (error)
        return evlog_fail(strerror(error));
    return code ? code : judge(feed, state, unread_size);
}
