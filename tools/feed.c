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
#include <unistd.h>

#include "evlog.h"

#define SHIELD "trap '' INT; "
#define SENTENCE_SIZE 128
#define PIPE_SIZE 65536

int feed_start(struct feed *feed, const char *command)
{
    char *shielded = malloc(sizeof SHIELD + strlen(command));
    if (!shielded)
        return evlog_fail("out of memory");
    strcat(strcpy(shielded, SHIELD), command);
    int error = child_start(&feed->child, shielded, feed->is_heard);
    free(shielded);
    if (error)
        return evlog_fail(strerror(error));
    if (feed->is_heard)
        fcntl(feed->child.to, F_SETFL, O_NONBLOCK);
    feed->is_running = 1;
    feed->is_confused = 0;
    feed->fed_count = feed->unanswered = feed->oldest = 0;
    return EVLOG_OK;
}

/* ------------------------------------------------------------------- answers ---- */

/* As many of the oldest events are answered as there are lines. */
static int take_answers(struct feed *feed, uint64_t lines)
{
    if (!lines)
        return EVLOG_OK;
    if (lines > feed->unanswered) {
        feed->is_confused = 1;
        return evlog_fail("the command has answered more events than it was given");
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

/* Waits for answers, or for the pipe to take more. 1: it does, 0: not now, or a failure. */
static int exchange(struct feed *feed, int wants_room, int timeout_ms)
{
    struct pollfd fds[] = {{.fd = feed->child.from, .events = POLLIN},
                           {.fd = wants_room ? feed->child.to : -1, .events = POLLOUT}};
    int is_end = 0, code = EVLOG_OK;
    if (poll(fds, 2, timeout_ms) < 0)
        return errno == EINTR ? 0 : evlog_fail(strerror(errno));
    if (fds[0].revents)
        code = read_answers(feed, &is_end);
    if (code)
        return code;
    if (is_end)
        return evlog_fail("the command has ended, or closed its output, before its input ended");
    return fds[1].revents != 0;
}

int feed_hear(struct feed *feed, int timeout_ms)
{
    int code = exchange(feed, 0, timeout_ms);
    return code < 0 ? code : EVLOG_OK;
}

/* ------------------------------------------------------------------- feeding ---- */

static int has_left(void)
{
    return evlog_fail("the command does not read its input any more");
}

/* Writes a line to a command that answers, as fast as it takes it. */
static int write_and_hear(struct feed *feed, const char *line, size_t size)
{
    int code = 0;
    while (code >= 0 && feed->unanswered == UNANSWERED_MAX)
        code = exchange(feed, 0, -1);
    while (code >= 0 && size > 0) {
        ssize_t count = write(feed->child.to, line, size);
        if (count >= 0) {
            line += count;
            size -= (size_t)count;
        } else if (errno == EAGAIN || errno == EINTR) {
            code = exchange(feed, 1, -1);
        } else {
            return has_left();
        }
    }
    return code < 0 ? code : EVLOG_OK;
}

int feed_event(struct feed *feed, uint64_t seq, const char *line, size_t size)
{
    int code = EVLOG_OK;
    if (feed->is_heard)
        code = write_and_hear(feed, line, size);
    else if (child_feed(&feed->child, line, size))
        code = has_left();
    if (code)
        return code;
    if (feed->is_heard)
        feed->seqs[(feed->oldest + feed->unanswered) % UNANSWERED_MAX] = seq;
    if (!feed->fed_count++)
        feed->first_seq = seq;
    feed->unanswered++;
    feed->last_seq = seq;
    return EVLOG_OK;
}

uint64_t feed_oldest(const struct feed *feed)
{
    return feed->is_heard ? feed->seqs[feed->oldest] : feed->first_seq;
}

/* -------------------------------------------------------------------- the end ---- */

/* What its end says of what it was fed. */
static int judge(const struct feed *feed, int state, size_t unread_size)
{
    char sentence[SENTENCE_SIZE];
    int is_signal = WIFSIGNALED(state);
    if (state) {
        snprintf(sentence, sizeof sentence, "the command %s %d",
                 is_signal ? "was killed by signal" : "exited with",
                 is_signal ? WTERMSIG(state) : WEXITSTATUS(state));
        return evlog_fail(sentence);
    }
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

int feed_end(struct feed *feed)
{
    int state, code = EVLOG_OK, is_end = 0, was_confused = feed->is_confused;
    size_t unread_size = 0;
    if (feed->is_heard)
        child_finish(&feed->child);
    while (feed->is_heard && !feed->is_confused && !code && !is_end)
        code = read_answers(feed, &is_end);
    int error = child_end(&feed->child, &state, feed->is_heard ? NULL : &unread_size);
    feed->is_running = 0;
    if (error)
        return evlog_fail(strerror(error));
    return code || was_confused ? code : judge(feed, state, unread_size);
}
