/* Lines of a descriptor: as they come, without waiting, of any length up to the limit. */
#include "lines.h"

#include <errno.h>

#include "load.h"
#include "test.h"

/* A pipe whose writing end has got `text`, and is closed unless `open` wants it. */
static int pipe_with(const char *text, size_t size, int *open)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], text, size), (ssize_t)size);
    if (open)
        *open = ends[1];
    else
        close(ends[1]);
    return ends[0];
}

/* The next line or end, filling as often as it takes. */
static int next(struct lines *lines, const char **line, size_t *size)
{
    int found;
    while ((found = lines_next(lines, line, size)) == LINES_MORE)
        assert_int_equal(lines_fill(lines), 0);
    return found;
}

static void gives(struct lines *lines, const char *expected)
{
    const char *line;
    size_t size;
    assert_int_equal(next(lines, &line, &size), LINES_LINE);
    assert_int_equal(size, strlen(expected));
    assert_memory_equal(line, expected, size);
}

static void ends(struct lines *lines)
{
    const char *line;
    size_t size;
    assert_int_equal(next(lines, &line, &size), LINES_END);
    assert_int_equal(next(lines, &line, &size), LINES_END);
    close(lines->fd);
    lines_free(lines);
}

/* Newlines end lines; the last one needs none, and empty ones are lines too. */
static void lines_end_at_newlines_and_at_the_end(void **state)
{
    struct lines lines;
    (void)state;
    lines_begin(&lines, pipe_with("one\n\ntwo\r\nthree", 15, NULL), 100);
    gives(&lines, "one");
    gives(&lines, "");
    gives(&lines, "two\r");
    gives(&lines, "three");
    ends(&lines);
    lines_begin(&lines, pipe_with("one\n", 4, NULL), 100);
    gives(&lines, "one");
    ends(&lines);
    lines_begin(&lines, pipe_with("", 0, NULL), 100);
    ends(&lines);
}

/*
 * A line of the longest length is given, one more byte is passed over, and the next line comes.
 */
static void a_line_that_is_too_long_is_passed_over(void **state)
{
    const char *line;
    size_t size;
    struct lines lines;
    (void)state;
    lines_begin(&lines, pipe_with("12345\n123456\nx\n1234567", 22, NULL), 5);
    gives(&lines, "12345");
    assert_int_equal(next(&lines, &line, &size), LINES_TOO_LONG);
    gives(&lines, "x");
    assert_int_equal(next(&lines, &line, &size), LINES_TOO_LONG);
    ends(&lines);
}

/* A very long line is passed over in the memory that the limit needs. */
static void memory_is_bounded_by_the_longest_line_allowed(void **state)
{
    const char *line;
    size_t size;
    int found = LINES_MORE;
    struct lines lines;
    FILE *file = tmpfile();
    (void)state;
    assert_non_null(file);
    for (int i = 0; i < 4 << 20; i++)
        fputc('x', file);
    fputs("\nlast\n", file);
    fflush(file);
    lseek(fileno(file), 0, SEEK_SET);
    lines_begin(&lines, dup(fileno(file)), 1000);
    while (found == LINES_MORE) {
        found = lines_next(&lines, &line, &size);
        assert_true(lines.size <= 1 << 18);
        if (found == LINES_MORE)
            assert_int_equal(lines_fill(&lines), 0);
    }
    assert_int_equal(found, LINES_TOO_LONG);
    gives(&lines, "last");
    ends(&lines);
    fclose(file);
}

/*
 * A line is given as soon as it is there, and lines_ready says when reading would mean waiting.
 */
static void a_line_is_given_before_the_next_is_there(void **state)
{
    const char *line;
    size_t size;
    int writer;
    struct lines lines;
    (void)state;
    lines_begin(&lines, pipe_with("one\ntw", 6, &writer), 100);
    assert_true(lines_ready(&lines));
    gives(&lines, "one");
    assert_int_equal(lines_next(&lines, &line, &size), LINES_MORE);
    assert_false(lines_ready(&lines));
    assert_int_equal(write(writer, "o\n", 2), 2);
    assert_true(lines_ready(&lines));
    gives(&lines, "two");
    close(writer);
    assert_true(lines_ready(&lines));
    ends(&lines);
}

/* What cannot be read is an error, not an end. */
static void a_failed_read_is_an_error(void **state)
{
    const char *line;
    size_t size;
    struct lines lines;
    (void)state;
    lines_begin(&lines, -1, 100);
    assert_int_equal(lines_next(&lines, &line, &size), LINES_MORE);
    assert_int_equal(lines_fill(&lines), -1);
    assert_int_equal(errno, EBADF);
    lines_free(&lines);
}

/* Random lines come out as they went in, whatever pieces they were written in. */
static void random_lines_come_as_they_were_written(void **state)
{
    enum { SIZE = 1 << 20, LINE_MAX_SIZE = 3000 };
    uint64_t random = load_seed();
    static char text[SIZE];
    struct lines lines;
    int found;
    FILE *file = tmpfile();
    (void)state;
    assert_non_null(file);
    for (size_t i = 0; i < SIZE; i++)
        text[i] = load_random(&random, 1000) ? (char)('a' + i % 26) : '\n';
    assert_int_equal(fwrite(text, 1, SIZE, file), SIZE);
    fflush(file);
    lseek(fileno(file), 0, SEEK_SET);
    lines_begin(&lines, dup(fileno(file)), LINE_MAX_SIZE);
    const char *line, *at = text;
    size_t size;
    while ((found = next(&lines, &line, &size)) != LINES_END) {
        const char *newline = memchr(at, '\n', (size_t)(text + SIZE - at));
        size_t expected = (size_t)((newline ? newline : text + SIZE) - at);
        assert_int_equal(found, expected > LINE_MAX_SIZE ? LINES_TOO_LONG : LINES_LINE);
        if (found == LINES_LINE) {
            assert_int_equal(size, expected);
            assert_memory_equal(line, at, size);
        }
        at += expected + 1;
    }
    assert_true(at >= text + SIZE);
    ends(&lines);
    fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_end_at_newlines_and_at_the_end),
        cmocka_unit_test(a_line_that_is_too_long_is_passed_over),
        cmocka_unit_test(memory_is_bounded_by_the_longest_line_allowed),
        cmocka_unit_test(a_line_is_given_before_the_next_is_there),
        cmocka_unit_test(a_failed_read_is_an_error),
        cmocka_unit_test(random_lines_come_as_they_were_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
