/*
 * Lines by read(2), because stdio cannot say whether more is there: a program that feeds `evlog
 * send` line by line should put each one in the log at once, and a file in large batches. The buffer
 * doubles up to the longest line allowed; what has been given out is moved away at the next fill.
 */
#include "lines.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINES_READ_SIZE ((size_t)1 << 16)

void lines_begin(struct lines *lines, int fd, size_t line_max)
{
    *lines = (struct lines){.fd = fd, .line_max = line_max};
}

void lines_free(struct lines *lines)
{
    free(lines->buffer);
    *lines = (struct lines){.fd = -1};
}

int lines_next(struct lines *lines, const char **line, size_t *size)
{
    const char *from = lines->buffer + lines->scanned;
    const char *newline =
        lines->end > lines->scanned ? memchr(from, '\n', lines->end - lines->scanned) : NULL;
    size_t stop = newline ? (size_t)(newline - lines->buffer) : lines->end;
    if (stop - lines->begin > lines->line_max) {
        lines->is_too_long = 1;
        lines->begin = stop;
    }
    if (!newline && !(lines->is_end && (lines->begin < lines->end || lines->is_too_long))) {
        lines->scanned = lines->end;
        return lines->is_end ? LINES_END : LINES_MORE;
    }
    *line = lines->buffer + lines->begin;
    *size = stop - lines->begin;
    lines->begin = lines->scanned = newline ? stop + 1 : stop;
    if (!lines->is_too_long)
        return LINES_LINE;
    lines->is_too_long = 0;
    return LINES_TOO_LONG;
}

int lines_is_blank(const char *line, size_t size)
{
    size_t i = 0;
    while (i < size && (line[i] == ' ' || line[i] == '\t' || line[i] == '\r'))
        i++;
    return i == size;
}

int lines_ready(const struct lines *lines)
{
    struct pollfd wait = {.fd = lines->fd, .events = POLLIN};
    return poll(&wait, 1, 0) != 0;
}

/* Makes room for another read. */
static int make_room(struct lines *lines)
{
    size_t kept = lines->end - lines->begin;
    if (lines->begin) {
        memmove(lines->buffer, lines->buffer + lines->begin, kept);
        lines->scanned -= lines->begin;
        lines->begin = 0;
        lines->end = kept;
    }
    if (lines->size - kept >= LINES_READ_SIZE)
        return 0;
    size_t size = lines->size ? lines->size * 2 : 2 * LINES_READ_SIZE;
    char *buffer = realloc(lines->buffer, size);
    if (!buffer)
        return -1;
    lines->buffer = buffer;
    lines->size = size;
    return 0;
}

int lines_fill(struct lines *lines)
{
    ssize_t count;
    if (make_room(lines))
        return -1;
    do
        count = read(lines->fd, lines->buffer + lines->end, lines->size - lines->end);
    while (count < 0 && errno == EINTR);
    if (count < 0)
        return -1;
    lines->is_end = count == 0;
    lines->end += (size_t)count;
    return 0;
}
