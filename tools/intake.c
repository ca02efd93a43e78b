/*
 * Lines of input that become events.
 *
 * Lines gather in a batch, which is one call of the library: it is appended when it is large, when
 * the input has nothing more for now, and at the end. When the library refuses a batch because of
 * one event in it (too deep, too large, no map), the batch is halved until that event is
 * found, so its line can be named and the others are still appended in their order. Which events
 * are right is decided in one place only, the library.
 */
#include "intake.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "progress.h"

#define LINE_SIZE_MAX ((size_t)4 * EVLOG_DATA_SIZE_MAX) /* JSON of the largest data, and more */

/* A line that is wrong: counted (-1: go on), or reported, and the end (the exit status). */
static int bad_line(struct intake *intake, uint64_t line, const char *why)
{
    if (intake->skip_bad) {
        intake->skipped_count++;
        complain(EXIT_MISUSE, "line %" PRIu64 " is skipped: %s", line, why);
        return -1;
    }
    if (intake->preview)
        return complain(EXIT_MISUSE, "line %" PRIu64 ": %s", line, why);
    return complain(EXIT_MISUSE,
                    "line %" PRIu64 ": %s\nThe lines before it are in the log (%" PRIu64
                    " event%s), it and those after it are not.",
                    line, why, intake->appended_count, plural(intake->appended_count));
}

/* Appends some of the batch, looking for the wrong one if there is one. -1: go on. */
static int append_or_halve(struct intake *intake, size_t first, size_t count)
{
    int code = intake->append(intake->ctx, first, count);
    if (!code) {
        intake->appended_count += count;
        return -1;
    }
    if (code != EVLOG_INVALID && code != EVLOG_LIMIT) {
        int status = complain_library(code);
        return complain(status,
                        "stopped before line %" PRIu64 "; %" PRIu64
                        " event%s of the lines before "
                        "it in the log",
                        intake->numbers[first], intake->appended_count,
                        intake->appended_count == 1 ? " is" : "s are");
    }
    if (count == 1)
        return bad_line(intake, intake->numbers[first], evlog_errmsg());
    int status = append_or_halve(intake, first, count / 2);
    return status >= 0 ? status : append_or_halve(intake, first + count / 2, count - count / 2);
}

static void look_for_stop(struct intake *intake)
{
    struct pollfd stop = {.fd = intake->stop_fd, .events = POLLIN};
    intake->is_stopped |= poll(&stop, 1, 0) > 0;
}

/* Appends the batch. -1: go on, else the exit status. */
static int flush(struct intake *intake)
{
    int status = intake->count ? append_or_halve(intake, 0, intake->count) : -1;
    intake->count = 0;
    intake->clear(intake->ctx);
    progress_at(intake->appended_count);
    look_for_stop(intake);
    return status;
}

/* A line, or NULL: it is too long. -1: go on. */
static int take_line(struct intake *intake, const char *line, size_t size)
{
    char why[INTAKE_WHY_SIZE] = "longer than 256 MiB";
    if (intake->line == 1 && size >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0) {
        line += 3; /* a byte order mark */
        size -= 3;
    }
    int taken = intake->take(intake->ctx, line, size, why);
    if (taken >= 0) {
        flush(intake);
        return taken;
    }
    if (taken == INTAKE_BAD) {
        int status = flush(intake);
        return status >= 0 ? status : bad_line(intake, intake->line, why);
    }
    if (taken != INTAKE_PASSED)
        intake->numbers[intake->count++] = intake->line;
    return taken == INTAKE_FULL ? flush(intake) : -1;
}

/* Waits until there is more, or it is to end. */
static void wait_for_more(struct intake *intake)
{
    struct pollfd fds[] = {{.fd = intake->lines.fd, .events = POLLIN},
                           {.fd = intake->stop_fd, .events = POLLIN}};
    while (poll(fds, 2, -1) < 0 && errno == EINTR)
        ;
    intake->is_stopped |= fds[1].revents != 0;
}

/* Reads what there is, after appending what was held when that would mean waiting. -1: go on. */
static int read_more(struct intake *intake, const char *name)
{
    int status = lines_ready(&intake->lines) ? -1 : flush(intake);
    if (status >= 0)
        return status;
    wait_for_more(intake);
    if (intake->is_stopped || lines_fill(&intake->lines) == 0)
        return -1;
    int error = errno;
    status = flush(intake);
    return status >= 0 ? status : complain(EXIT_LOG, "cannot read %s: %s", name, strerror(error));
}

static int read_all(struct intake *intake, const char *name)
{
    const char *line;
    size_t size;
    int found = LINES_MORE, status = -1;
    while (status < 0 && found != LINES_END && !intake->is_stopped) {
        found = lines_next(&intake->lines, &line, &size);
        intake->line += found == LINES_LINE || found == LINES_TOO_LONG;
        status = found == LINES_LINE       ? take_line(intake, line, size)
                 : found == LINES_TOO_LONG ? take_line(intake, NULL, 0)
                 : found == LINES_MORE     ? read_more(intake, name)
                                           : flush(intake);
    }
    if (status < 0 && intake->is_stopped)
        status = flush(intake);
    return status;
}

int intake_run(struct intake *intake, int fd, const char *name)
{
    intake->numbers = calloc(intake->batch_max, sizeof *intake->numbers);
    if (!intake->numbers)
        return complain(EXIT_LOG, "out of memory");
    lines_begin(&intake->lines, fd, LINE_SIZE_MAX);
    int status = read_all(intake, name);
    lines_free(&intake->lines);
    free(intake->numbers);
    return status;
}
