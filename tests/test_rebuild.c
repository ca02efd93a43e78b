/*
 * The disk of the power-cut test (power/README.md, "The disk"): what must be there after a cut is there after every
 * one, and each thing that may be is met.
 *
 * A trace is written by hand; a cut at its end is made with many seeds, and what the file "a" or "b"
 * then has is counted.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "test.h"

#include "power/rebuild.h"

#define SEEDS 300
#define PAGE 4096
#define ROOT 1 /* inodes */
#define FILE_A 2

/* --------------------------------------------------------- the traces ---- */

static struct {
    char bytes[1 << 20];
    size_t size;
    const struct trace_entry *entries[64];
    size_t count;
} tape;

static uint64_t add(struct trace_entry entry, const char *names, const void *payload)
{
    char *at = tape.bytes + tape.size;
    tape.entries[tape.count] = (const struct trace_entry *)at;
    memcpy(at, &entry, sizeof entry);
    if (entry.name_size)
        memcpy(at + sizeof entry, names, entry.name_size);
    if (entry.payload_size)
        memcpy(at + sizeof entry + entry.name_size, payload, entry.payload_size);
    tape.size += trace_padded(sizeof entry + entry.name_size + entry.payload_size);
    return tape.count++;
}

static uint64_t add_begun(enum trace_kind kind, uint64_t file)
{
    return add((struct trace_entry){.kind = kind, .file = file}, NULL, NULL);
}

static void add_ended(uint64_t ref)
{
    add((struct trace_entry){.kind = TRACE_ENDED, .ref = ref}, NULL, NULL);
}

static void add_flush(uint64_t file)
{
    add_ended(add_begun(TRACE_FLUSH, file));
}

/* `size` times the same character. */
static uint64_t add_write(enum trace_kind kind, uint64_t at, size_t size, char c)
{
    static char bytes[16 * PAGE];
    memset(bytes, c, size);
    return add(
        (struct trace_entry){
            .kind = kind, .file = FILE_A, .at = at, .size = size, .payload_size = (uint32_t)size},
        NULL, bytes);
}

static void add_size(uint64_t size)
{
    add((struct trace_entry){.kind = TRACE_SIZE, .file = FILE_A, .size = size}, NULL, NULL);
}

/* The root, and in it "a", whose name is durable. */
static void begin(void)
{
    tape.size = tape.count = 0;
    add((struct trace_entry){.kind = TRACE_OPEN, .file = ROOT, .name_size = 1}, "", NULL);
    add((struct trace_entry){.kind = TRACE_CREATE, .file = FILE_A, .name_size = 2}, "a", NULL);
    add_flush(ROOT);
}

/* ------------------------------------------------------------ the cuts ---- */

struct seen {
    const char *path;
    char bytes[16 * PAGE];
    ssize_t a_size, b_size; /* -1: there is no such file */
};

static ssize_t read_name(const char *directory, const char *name, char *bytes, size_t size)
{
    int fd = open(in(directory, name), O_RDONLY);
    if (fd < 0)
        return -1;
    ssize_t count = read(fd, bytes, size);
    close(fd);
    unlink(in(directory, name));
    return count;
}

/* One cut at the end of the trace. */
static struct seen *cut(const char *home, enum disk_rest rest, uint64_t seed,
                        const char *left_out)
{
    static struct seen seen;
    struct trace trace = {.entries = tape.entries, .count = tape.count};
    struct disk *disk = disk_new(&trace, NULL, left_out);
    memset(&seen, 0, sizeof seen);
    disk_play(disk, trace.count);
    assert_true(disk_write(disk, home, rest, seed));
    disk_free(disk);
    seen.b_size = read_name(home, "b", seen.bytes, sizeof seen.bytes);
    seen.a_size = read_name(home, "a", seen.bytes, sizeof seen.bytes);
    return &seen;
}

/* How many of SEEDS cuts are as `is` says. */
static int count_cuts(const char *home, bool (*is)(const struct seen *seen))
{
    int count = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        count += is(cut(home, DISK_ANYTHING, seed, NULL));
    return count;
}

static void in_all(const char *home, bool (*is)(const struct seen *seen))
{
    assert_int_equal(count_cuts(home, is), SEEDS);
}

static void in_some(const char *home, bool (*is)(const struct seen *seen))
{
    int count = count_cuts(home, is);
    assert_true(count > 0 && count < SEEDS);
}

static bool has_a(const struct seen *seen)
{
    return seen->a_size >= 0;
}

static bool has_a_or_b(const struct seen *seen)
{
    return (seen->a_size >= 0) != (seen->b_size >= 0);
}

static bool first_is_x(const struct seen *seen)
{
    return seen->a_size >= PAGE && seen->bytes[0] == 'x' && seen->bytes[PAGE - 1] == 'x';
}

static bool first_is_x_or_y(const struct seen *seen)
{
    return seen->a_size >= PAGE && (seen->bytes[0] == 'x' || seen->bytes[0] == 'y');
}

static bool second_is_y(const struct seen *seen)
{
    return seen->a_size >= 2 * PAGE && seen->bytes[PAGE] == 'y' &&
           seen->bytes[2 * PAGE - 1] == 'y';
}

static bool second_is_alone(const struct seen *seen)
{
    return !first_is_x(seen) && second_is_y(seen);
}

static bool first_is_torn(const struct seen *seen)
{
    return seen->a_size >= PAGE && (seen->bytes[0] == 'x') != (seen->bytes[PAGE - 1] == 'x');
}

static bool sector_is_torn(const struct seen *seen)
{
    for (int at = 0; at < PAGE; at++)
        if (seen->bytes[at] != seen->bytes[at / 512 * 512])
            return true;
    return false;
}

static bool later_without_earlier(const struct seen *seen)
{
    return seen->bytes[100] == 'y' && seen->bytes[0] != 'x';
}

static bool is_empty(const struct seen *seen)
{
    return seen->a_size == 0;
}

static bool has_two_pages(const struct seen *seen)
{
    return seen->a_size == 2 * PAGE;
}

static bool has_a_page_or_two(const struct seen *seen)
{
    return seen->a_size == PAGE || seen->a_size == 2 * PAGE;
}

/* --------------------------------------------------------------- bytes ---- */

/* What came before the flush began is there; what came while it ran may be. */
static void a_flush_covers_what_came_before_it(void **state)
{
    begin();
    add_write(TRACE_WRITE, 0, PAGE, 'x');
    uint64_t flush = add_begun(TRACE_FLUSH, FILE_A);
    add_write(TRACE_WRITE, PAGE, PAGE, 'y');
    in_some(*state, first_is_x);
    add_ended(flush);
    in_all(*state, first_is_x);
    in_some(*state, second_is_y);
}

/* An old state or a new one, of each sector; in any order of pages. */
static void the_rest_is_there_in_any_order(void **state)
{
    begin();
    add_write(TRACE_WRITE, 0, PAGE, 'x');
    add_write(TRACE_WRITE, PAGE, PAGE, 'y');
    in_some(*state, second_is_alone);
    in_some(*state, first_is_torn);
    assert_int_equal(count_cuts(*state, sector_is_torn), 0);
}

/* Over what was flushed, there is the old or the new. */
static void overwriting_leaves_the_old_or_the_new(void **state)
{
    begin();
    add_write(TRACE_WRITE, 0, PAGE, 'x');
    add_flush(FILE_A);
    add_write(TRACE_WRITE, 0, PAGE, 'y');
    in_all(*state, first_is_x_or_y);
    in_some(*state, first_is_x);
}

/* Two writes to one sector are in their order. */
static void a_sector_has_no_later_write_without_an_earlier_one(void **state)
{
    begin();
    add_write(TRACE_WRITE, 0, 100, 'x');
    add_write(TRACE_WRITE, 100, 100, 'y');
    assert_int_equal(count_cuts(*state, later_without_earlier), 0);
}

/* O_DSYNC makes its own pages durable, as they are, and no others. */
static void a_synchronous_write_covers_its_own_pages(void **state)
{
    begin();
    add_write(TRACE_WRITE, PAGE, PAGE, 'y');
    add_write(TRACE_WRITE, 0, PAGE - 1, 'x');
    uint64_t begun = add_write(TRACE_WRITE_SYNC, PAGE - 1, 1, 'x');
    in_some(*state, first_is_x);
    add_ended(begun);
    in_all(*state, first_is_x);
    in_some(*state, second_is_y);
}

/* Nothing takes a page back behind what is durable in it. */
static void what_is_durable_stays(void **state)
{
    begin();
    add_write(TRACE_WRITE, 0, 2 * PAGE, 'z');
    add_ended(add_write(TRACE_WRITE_SYNC, 0, PAGE, 'x'));
    in_all(*state, first_is_x);
    add_flush(FILE_A);
    in_all(*state, first_is_x);
    in_all(*state, has_two_pages);
}

/* A size is durable by a flush, too. */
static void a_size_is_one_that_the_file_has_had(void **state)
{
    begin();
    in_all(*state, is_empty);
    add_size(PAGE);
    add_flush(FILE_A);
    add_size(2 * PAGE);
    in_all(*state, has_a_page_or_two);
    in_some(*state, has_two_pages);
    add_flush(FILE_A);
    in_all(*state, has_two_pages);
}

/* --------------------------------------------------------------- names ---- */

/* A new name is there when its directory is flushed; flushing the file is not enough. */
static void a_name_requires_its_directory(void **state)
{
    tape.size = tape.count = 0;
    add((struct trace_entry){.kind = TRACE_OPEN, .file = ROOT, .name_size = 1}, "", NULL);
    add((struct trace_entry){.kind = TRACE_CREATE, .file = FILE_A, .name_size = 2}, "a", NULL);
    add_flush(FILE_A);
    in_some(*state, has_a);
    add_flush(ROOT);
    in_all(*state, has_a);
    add((struct trace_entry){.kind = TRACE_UNLINK, .file = FILE_A, .name_size = 2}, "a", NULL);
    in_some(*state, has_a);
    add_flush(ROOT);
    assert_int_equal(count_cuts(*state, has_a), 0);
}

/* A rename takes one name away and gives the other, or does neither. */
static void a_rename_is_done_or_not(void **state)
{
    begin();
    add((struct trace_entry){.kind = TRACE_RENAME, .file = FILE_A, .name_size = 4}, "a\0b", NULL);
    in_all(*state, has_a_or_b);
    in_some(*state, has_a);
    add_flush(ROOT);
    assert_int_equal(count_cuts(*state, has_a), 0);
}

/* ---------------------------------------------------------- the harness ---- */

/* Without a cut, everything is there. */
static void everything_is_there_without_a_cut(void **state)
{
    begin();
    add_write(TRACE_WRITE, 0, PAGE, 'x');
    add_write(TRACE_STORE, 0, 1, 'y');
    add_write(TRACE_WRITE, PAGE, PAGE, 'y');
    add_size(2 * PAGE);
    struct seen *seen = cut(*state, DISK_EVERYTHING, 0, NULL);
    assert_true(has_two_pages(seen) && second_is_y(seen));
    assert_int_equal(seen->bytes[0], 'y');
}

/* A flush that is left out covers nothing: all of its kind, or one. */
static void what_is_left_out_covers_nothing(void **state)
{
    int all = 0, first = 0, second = 0;
    begin();
    add_write(TRACE_WRITE, 0, PAGE, 'x');
    add_flush(FILE_A);
    add_flush(FILE_A);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        all += first_is_x(cut(*state, DISK_ANYTHING, seed, "flush a"));
        first += first_is_x(cut(*state, DISK_ANYTHING, seed, "flush a#1"));
        second += first_is_x(cut(*state, DISK_ANYTHING, seed, "flush a#2"));
    }
    assert_true(all < SEEDS);
    assert_int_equal(first, SEEDS);
    assert_int_equal(second, SEEDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(a_flush_covers_what_came_before_it),
        TEST_AT_HOME(the_rest_is_there_in_any_order),
        TEST_AT_HOME(overwriting_leaves_the_old_or_the_new),
        TEST_AT_HOME(a_sector_has_no_later_write_without_an_earlier_one),
        TEST_AT_HOME(a_synchronous_write_covers_its_own_pages),
        TEST_AT_HOME(what_is_durable_stays),
        TEST_AT_HOME(a_size_is_one_that_the_file_has_had),
        TEST_AT_HOME(a_name_requires_its_directory),
        TEST_AT_HOME(a_rename_is_done_or_not),
        TEST_AT_HOME(everything_is_there_without_a_cut),
        TEST_AT_HOME(what_is_left_out_covers_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
