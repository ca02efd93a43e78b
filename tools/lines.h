/* Lines of a file descriptor, without waiting for more than is there. */
#ifndef LINES_H
#define LINES_H

#include <stddef.h>

struct lines {
    int fd;
    size_t line_max; /* a longer one is passed over */
    char *buffer;
    size_t begin, end; /* what was read and not yet given out */
    size_t scanned;    /* up to here there is no newline */
    size_t size;       /* of the buffer */
    int is_end;
    int is_too_long; /* in the middle of a line that is passed over */
};

enum { LINES_LINE, LINES_MORE, LINES_TOO_LONG, LINES_END };

void lines_begin(struct lines *lines, int fd, size_t line_max);
void lines_free(struct lines *lines);

/*
 * The next line, its newline left out, valid until lines_fill. LINES_MORE: call lines_fill
 * first. LINES_TOO_LONG: one was passed over. LINES_END: that was all.
 */
int lines_next(struct lines *lines, const char **line, size_t *size);

/* Whether there is nothing in a line but blanks. */
int lines_is_blank(const char *line, size_t size);

/* Whether lines_fill would return at once. */
int lines_ready(const struct lines *lines);

/* Waits for more and reads it. 0, or -1 and errno. */
int lines_fill(struct lines *lines);

#endif
