/*
 * The file `format`: its text exactly, and what becomes of every other text that stands
 * there: a newer version's, a damaged one, someone else's. Whatever it is, evlog_open says
 * so by its code and the log is as it was. And logs that released versions have made stay
 * readable: they are kept in tests/fixtures.
 */
#include "damage.h"
#include "format.h"
#include "load.h"

#define TYPE "org.evlog.format.v1"
#define UUID "480cb81a-e77a-11f1-afb8-dbe8ed80af96"

/* What stands between the first line and the checksum, all as it should be. */
#define UUIDS "uuid " UUID "\norigin " UUID "\n"
#define REST UUIDS "durability durable\ncreated_us 1795464780601547\nto_read\nto_write\n"

/* Makes a log of one event. */
static void make_log(const void *home)
{
    evlog *log;
    evlog_signal *signal;
    OK(evlog_open(in(home, "log"), NULL, &log));
    OK(evlog_define(log, TYPE, 0, NULL, &signal));
    OK(evlog_send_event(signal, SMALL_MAP("\x05"), 4, NULL, NULL));
    OK(evlog_close(log));
}

static void set_text(const void *home, const char *text, size_t size)
{
    file_write(in(home, "log/format"), text, size);
}

/* Sets the text and, below it, the checksum that fits, as store/README.md says. */
static void set_with_checksum(const void *home, const char *text)
{
    char whole[8192];
    int size = snprintf(whole, sizeof whole, "%schecksum %016" PRIx64 "\n", text,
                        (uint64_t)XXH3_64bits(text, strlen(text)));
    set_text(home, whole, (size_t)size);
}

static int open_to(const void *home, int read_only)
{
    evlog *log;
    int result = evlog_open(in(home, "log"), &(evlog_options){.read_only = read_only}, &log);
    if (result == EVLOG_OK)
        OK(evlog_close(log));
    return result;
}

/* The files of the log that hold what lasts. */
static const char *const files[] = {"log/format", "log/events.mdb", "log/state.mdb"};
enum { FILES = sizeof files / sizeof *files };

static void remember(const void *home, struct bytes before[FILES])
{
    for (int i = 0; i < FILES; i++)
        before[i] = file_read(in(home, files[i]));
}

static void assert_untouched(const void *home, struct bytes before[FILES])
{
    for (int i = 0; i < FILES; i++) {
        struct bytes now = file_read(in(home, files[i]));
        assert_int_equal(now.size, before[i].size);
        assert_memory_equal(now.at, before[i].at, now.size);
        free(now.at);
        free(before[i].at);
    }
}

/* Neither a reader nor a writer opens it, for this reason, and no file is changed. */
#define REFUSED(home, code, words)                             \
    do {                                                       \
        struct bytes before[FILES];                            \
        remember(home, before);                                \
        FAILS(code, words, open_to(home, 1));                  \
        FAILS(code, words, open_to(home, 0));                  \
        assert_true(access(in(home, "log/format.new"), F_OK)); \
        assert_untouched(home, before);                        \
    } while (0)

/* ------------------------------------------------------------ the text ---- */

/* format_write writes exactly the text in store/README.md, and format_read reads it. */
static void writes_the_text(void **state)
{
    static const char text[] = "evlog 2\n" REST "checksum 55564d88947ebb8a\n";
    static const uint8_t uuid[16] = {0x48, 0x0c, 0xb8, 0x1a, 0xe7, 0x7a, 0x11, 0xf1,
                                     0xaf, 0xb8, 0xdb, 0xe8, 0xed, 0x80, 0xaf, 0x96};
    struct format read,
        format = {.version = 2, .durability = EVLOG_DURABLE, .created_us = 1795464780601547};
    memcpy(format.uuid, uuid, sizeof uuid);
    memcpy(format.origin, uuid, sizeof uuid);
    int directory = open(*state, O_RDONLY | O_DIRECTORY);
    OK(format_write(directory, *state, &format));
    struct bytes bytes = file_read(in(*state, "format"));
    assert_int_equal(bytes.size, sizeof text - 1);
    assert_memory_equal(bytes.at, text, sizeof text - 1);
    free(bytes.at);
    assert_true(access(in(*state, "format.new"), F_OK));
    OK(format_read(directory, *state, &read));
    close(directory);
    assert_int_equal(read.version, 2);
    assert_memory_equal(read.uuid, uuid, sizeof uuid);
    assert_memory_equal(read.origin, uuid, sizeof uuid);
    assert_int_equal(read.durability, EVLOG_DURABLE);
    assert_true(read.created_us == 1795464780601547);
    assert_false(read.read_only);
}

/* A new log has such a text, of its own class, uuid and time, readable by its owner only. */
static void a_new_log_has_one(void **state)
{
    evlog *log;
    evlog_info info;
    struct stat status;
    char head[300], uuid[EVLOG_UUID_TEXT_SIZE];
    int64_t before = (int64_t)time(NULL) * 1000000;
    OK(evlog_open(in(*state, "log"), &(evlog_options){.durability = EVLOG_FAST}, &log));
    OK(evlog_inspect(log, &info));
    OK(evlog_close(log));
    struct bytes text = file_read(in(*state, "log/format"));
    evlog_uuid_text(info.uuid, uuid);
    assert_memory_equal(info.origin, info.uuid, sizeof info.uuid);
    snprintf(head, sizeof head,
             "evlog 2\nuuid %s\norigin %s\ndurability fast\ncreated_us %" PRId64 "\n"
             "to_read\nto_write\nchecksum ",
             uuid, uuid, info.created_us);
    assert_int_equal(text.size, strlen(head) + 17);
    assert_memory_equal(text.at, head, strlen(head));
    assert_true(info.created_us >= before);
    assert_int_equal(stat(in(*state, "log/format"), &status), 0);
    assert_int_equal(status.st_mode & 077, 0);
    free(text.at);
}

/* ------------------------------------------------------- newer versions ---- */

/* Another version of the format is refused, and named, whatever else the file holds. */
static void a_newer_version_is_refused(void **state)
{
    make_log(*state);
    set_with_checksum(*state, "evlog 3\n" REST);
    REFUSED(*state, EVLOG_UNSUPPORTED, "format 3;");
    set_text(*state, "evlog 3\nnothing that is known\n", 30);
    REFUSED(*state, EVLOG_UNSUPPORTED, "use a newer one");
    set_with_checksum(*state, "evlog 1\n" REST);
    REFUSED(*state, EVLOG_UNSUPPORTED, "format 1;");
    set_with_checksum(*state, "evlog 0\n" REST);
    REFUSED(*state, EVLOG_UNSUPPORTED, "format 0;");
    set_with_checksum(*state, "evlog 21\n" REST);
    REFUSED(*state, EVLOG_UNSUPPORTED, "format 21;");
    set_with_checksum(*state, "evlog 4294967298\n" REST);
    REFUSED(*state, EVLOG_UNSUPPORTED, "format 4294967298;");
    set_with_checksum(*state, "evlog 2.5\n" REST);
    REFUSED(*state, EVLOG_UNSUPPORTED, "format 2.5;");
}

/* A feature that a reader must know is refused to readers and writers. */
static void a_feature_to_read_is_refused(void **state)
{
    make_log(*state);
    set_with_checksum(*state, "evlog 2\nuuid " UUID "\ndurability durable\ncreated_us 1\n"
                              "to_read zstd\nto_write\n");
    REFUSED(*state, EVLOG_UNSUPPORTED, "needed to read");
    set_with_checksum(*state, "evlog 2\nuuid " UUID "\ndurability durable\ncreated_us 1\n"
                              "to_read zstd more\nto_write index\n");
    REFUSED(*state, EVLOG_UNSUPPORTED, "needed to read");
}

/* With a feature that a writer must know a writer is refused, and a reader reads on. */
static void a_feature_to_write_leaves_it_readable(void **state)
{
    evlog *log;
    evlog_event *event;
    struct bytes before[FILES], format;
    make_log(*state);
    format = file_read(in(*state, "log/format"));
    format.at[format.size] = '\0';
    char *old = (char *)format.at, text[400];
    *strstr(old, "to_write") = '\0';
    snprintf(text, sizeof text, "%sto_write index-by-type\n", old);
    set_with_checksum(*state, text);
    free(format.at);
    remember(*state, before);
    FAILS(EVLOG_UNSUPPORTED, "needed to write", open_to(*state, 0));
    OK(evlog_open(in(*state, "log"), &(evlog_options){.read_only = 1}, &log));
    OK(evlog_read(log, 1, &event));
    assert_memory_equal(event->data, SMALL_MAP("\x05"), 4);
    evlog_event_free(event);
    OK(evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_close(log));
    assert_untouched(*state, before);
}

/* Lines that a later version adds are passed over, wherever they stand. */
static void unknown_lines_are_passed_over(void **state)
{
    evlog_info info;
    evlog *log;
    make_log(*state);
    set_with_checksum(*state, "evlog 2\ncolour blue\n" REST "to_reader x\nto x\n\nuuids 7\n");
    OK(evlog_open(in(*state, "log"), &(evlog_options){.read_only = true},
                  &log)); /* the origin is another */
    OK(evlog_inspect(log, &info));
    assert_true(info.created_us == 1795464780601547);
    OK(evlog_close(log));
}

/* -------------------------------------------------------------- damage ---- */

/* A byte of the file that is not as it was is found, whichever and however it is changed. */
static void every_changed_byte_is_found(void **state)
{
    make_log(*state);
    struct bytes good = file_read(in(*state, "log/format"));
    for (size_t i = 0; i < good.size; i++)
        for (int bit = 0; bit < 8; bit++) {
            good.at[i] ^= (unsigned char)(1 << bit);
            set_text(*state, (char *)good.at, good.size);
            int result = open_to(*state, bit % 2);
            if (result != EVLOG_DAMAGED && (i > 7 || result != EVLOG_UNSUPPORTED))
                fail_msg("byte %zu, bit %d: %d", i, bit, result);
            good.at[i] ^= (unsigned char)(1 << bit);
        }
    set_text(*state, (char *)good.at, good.size);
    free(good.at);
    OK(open_to(*state, 0));
}

/* Cut at any place, or with something after its end, it is refused. */
static void every_other_length_is_refused(void **state)
{
    make_log(*state);
    struct bytes good = file_read(in(*state, "log/format"));
    for (size_t size = 0; size < good.size; size++) {
        set_text(*state, (char *)good.at, size);
        int result = open_to(*state, size % 2);
        if (result != EVLOG_DAMAGED && (size >= 8 || result != EVLOG_UNSUPPORTED))
            fail_msg("cut to %zu: %d", size, result);
    }
    char longer[8192] = "";
    memcpy(longer, good.at, good.size);
    strcpy(longer + good.size, "to_read zstd\n");
    set_text(*state, longer, strlen(longer));
    REFUSED(*state, EVLOG_DAMAGED, "checksum");
    memset(longer + good.size, 0, 100);
    set_text(*state, longer, good.size + 1);
    REFUSED(*state, EVLOG_DAMAGED, "checksum");
    free(good.at);
}

/* A line that is missing, or holds what cannot be, is found though the checksum fits. */
static void missing_lines_are_found(void **state)
{
    static const char *const texts[] = {
        "evlog 2\n",
        "evlog 2\norigin " UUID "\ndurability durable\ncreated_us 1\nto_read\nto_write\n",
        "evlog 2\nuuid " UUID "\ndurability durable\ncreated_us 1\nto_read\nto_write\n",
        "evlog 2\n" UUIDS "created_us 1\nto_read\nto_write\n",
        "evlog 2\n" UUIDS "durability durable\nto_read\nto_write\n",
        "evlog 2\nuuid\norigin " UUID "\ndurability durable\ncreated_us 1\n",
        "evlog 2\nuuid " UUID "\norigin \ndurability durable\ncreated_us 1\n",
        "evlog 2\nuuid 480cb81a-e77a-11f1-afb8-dbe8ed80af9\norigin " UUID "\ndurability durable\n"
        "created_us 1\n",
        "evlog 2\nuuid " UUID
        "\norigin 480cb81a_e77a_11f1_afb8_dbe8ed80af96\ndurability durable\n"
        "created_us 1\n",
        "evlog 2\n" UUIDS "durability hyper\ncreated_us 1\nto_read\nto_write\n",
        "evlog 2\n" UUIDS "durability durables\ncreated_us 1\nto_read\nto_write\n",
        "evlog 2\n" UUIDS "durability\ncreated_us 1\nto_read\nto_write\n",
    };
    make_log(*state);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        set_with_checksum(*state, texts[i]);
        REFUSED(*state, EVLOG_DAMAGED, "lacks a line");
    }
}

/* A line that is there twice is damage, also one that is not known and whatever the two say. */
static void doubled_lines_are_found(void **state)
{
    static const char *const lines[] = {
        "evlog 2\n",
        "uuid " UUID "\n",
        "origin " UUID "\n",
        "durability durable\n",
        "created_us 1795464780601547\n",
        "to_read\n",
        "to_read zstd\n",
        "to_write \n",
        "colour\n",
    };
    make_log(*state);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char text[1000];
        snprintf(text, sizeof text, "evlog 2\ncolour blue\n" REST "%s", lines[i]);
        set_with_checksum(*state, text);
        REFUSED(*state, EVLOG_DAMAGED, "has a line twice");
    }
}

/* The order of the lines is free, and a value may be missing with its blank or without. */
static void the_order_is_free(void **state)
{
    evlog_info info;
    evlog *log;
    make_log(*state);
    set_with_checksum(*state, "evlog 2\nto_write \ncreated_us 7\norigin " UUID
                              "\ndurability durable\nto_read\nuuid "
                              "11111111-2222-1333-8444-555555555555\n");
    OK(evlog_open(in(*state, "log"), &(evlog_options){.read_only = true}, &log));
    OK(evlog_inspect(log, &info));
    assert_true(info.created_us == 7);
    assert_int_equal(info.uuid[0], 0x11);
    assert_int_equal(info.origin[0], 0x48);
    OK(evlog_close(log));
}

/* Something else's file of that name: not an evlog log, however long it is. */
static void someone_elses_file_is_refused(void **state)
{
    uint64_t random = load_seed();
    static char huge[1 << 20];
    make_log(*state);
    set_text(*state, "", 0);
    REFUSED(*state, EVLOG_UNSUPPORTED, "not an evlog log");
    set_text(*state, "{\"format\": 1}\n", 14);
    REFUSED(*state, EVLOG_UNSUPPORTED, "not an evlog log");
    set_text(*state, "evlog", 5);
    REFUSED(*state, EVLOG_UNSUPPORTED, "not an evlog log");
    set_text(*state, " evlog 2\n" REST, sizeof " evlog 2\n" REST - 1);
    REFUSED(*state, EVLOG_UNSUPPORTED, "not an evlog log");
    memset(huge, 'x', sizeof huge);
    set_text(*state, huge, sizeof huge);
    REFUSED(*state, EVLOG_UNSUPPORTED, "not an evlog log");
    memcpy(huge, "evlog 2\n", 8);
    set_text(*state, huge, sizeof huge);
    REFUSED(*state, EVLOG_DAMAGED, "checksum");
    for (int i = 0; i < 200; i++) {
        char noise[5000];
        size_t size = load_random(&random, sizeof noise);
        for (size_t at = 0; at < size; at++)
            noise[at] = (char)load_random(&random, 256);
        set_text(*state, noise, size);
        REFUSED(*state, EVLOG_UNSUPPORTED, "not an evlog log");
    }
}

/* A directory where the file should be is not a log, and is not taken for a missing one. */
static void a_directory_in_its_place_is_refused(void **state)
{
    make_log(*state);
    assert_int_equal(unlink(in(*state, "log/format")), 0);
    assert_int_equal(mkdir(in(*state, "log/format"), 0700), 0);
    FAILS(EVLOG_UNSUPPORTED, "format", open_to(*state, 1));
    FAILS(EVLOG_UNSUPPORTED, "format", open_to(*state, 0));
    assert_int_equal(rmdir(in(*state, "log/format")), 0);
    FAILS(EVLOG_DAMAGED, "the file format beside it is gone", open_to(*state, 1));
    FAILS(EVLOG_DAMAGED, "the file format beside it is gone", open_to(*state, 0));
}

/* ------------------------------------------------- what others have made ---- */

/*
 * tests/fixtures/log-format-2.tar.gz was made by make_fixture.c with LMDB 0.9.24: 60 events,
 * data {"n": seq}, time_us = seq, even ones of the second type with minor version 7; but
 * 2 came from a bus, 3 has 10000 bytes more, 40 has been erased
 */
struct fixture {
    uint64_t count;
    int64_t log_time_us;
};

static int is_special(uint64_t seq)
{
    return seq == 2 || seq == 3 || seq == 40;
}

static int check_plain(const evlog_event *event)
{
    uint64_t seq = event->seq;
    const char *type = seq % 2 ? "org.evlog.fixture.first.v1" : "org.evlog.fixture.second.v1";
    char data[] = SMALL_MAP("\x00");
    data[3] = (char)seq;
    assert_string_equal(event->event_type, type);
    assert_int_equal(event->minorversion, seq % 2 ? 0 : 7);
    assert_true(event->time_us == (int64_t)seq);
    assert_string_equal(event->source, "openedx/lms/web");
    assert_string_equal(event->sourcehost, "lms-1");
    assert_string_equal(event->sourcelib, "0.1.0");
    assert_false(event->from_event_bus);
    assert_int_equal(event->data_size, 4);
    assert_memory_equal(event->data, data, 4);
    return 0;
}

static int check_special(const evlog_event *event)
{
    static const uint8_t id[16] = {0, 1, 2, 3, 4, 5, 0x16, 7, 0x88, 9, 10, 11, 12, 13, 14, 15};
    if (event->seq == 40) {
        assert_null(event->data);
        assert_int_equal(event->data_size, 0);
    } else if (event->seq == 2) {
        assert_memory_equal(event->id, id, 16);
        assert_int_equal(event->minorversion, 3);
        assert_true(event->time_us == -315619200000000);
        assert_string_equal(event->source, "openedx/cms/web");
        assert_string_equal(event->sourcelib, "11.2.0");
        assert_true(event->from_event_bus);
    } else {
        const unsigned char *data = event->data;
        assert_int_equal(event->data_size, 10009);
        assert_memory_equal(data, "\x82\xa1n\x03\xa1\x66\xc5\x27\x10", 9);
        for (size_t i = 0; i < 10000; i++)
            assert_int_equal(data[9 + i], i % 251);
    }
    return 0;
}

static int check_fixture(const evlog_event *event, void *ctx)
{
    struct fixture *fixture = ctx;
    assert_true(event->seq == ++fixture->count);
    assert_true(event->log_time_us >= fixture->log_time_us);
    fixture->log_time_us = event->log_time_us;
    return is_special(event->seq) ? check_special(event) : check_plain(event);
}

static void unpack(const void *home)
{
    char command[8000];
    snprintf(command, sizeof command,
             "gzip -dc tests/fixtures/log-format-2.tar.gz | tar -xC '%s'", (const char *)home);
    assert_int_equal(system(command), 0);
}

static void read_fixture(evlog *log)
{
    struct fixture fixture = {.count = 0};
    OK(evlog_replay(log, &(evlog_range){.last_seq = 60}, check_fixture, &fixture, NULL));
    assert_int_equal(fixture.count, 60);
    OK(evlog_verify(log, NULL, NULL, NULL));
}

/* A log of format 2 is read as it was sent, and appended to. */
static void a_log_of_format_2_is_readable(void **state)
{
    evlog *log;
    evlog_info info;
    evlog_signal *signal;
    evlog_sent sent;
    char uuid[EVLOG_UUID_TEXT_SIZE];
    unpack(*state);
    OK(evlog_open(in(*state, "log"), &(evlog_options){.read_only = 1}, &log));
    OK(evlog_inspect(log, &info));
    assert_string_equal(evlog_uuid_text(info.uuid, uuid), "e469bdd4-eb9d-11f1-a7cf-a1c80b13662d");
    assert_int_equal(info.format, 2);
    assert_int_equal(info.durability, EVLOG_DURABLE);
    assert_true(info.created_us == 1795919879972381);
    assert_int_equal(info.type_count, 2);
    assert_int_equal(info.source_count, 2);
    read_fixture(log);
    OK(evlog_close(log));
    OK(evlog_open(in(*state, "log"), NULL, &log));
    OK(evlog_define(log, TYPE, 0, NULL, &signal));
    OK(evlog_send_event(signal, SMALL_MAP("\x05"), 4, NULL, &sent));
    assert_int_equal(sent.seq, 61);
    evlog_sent_free(&sent);
    read_fixture(log);
    OK(evlog_close(log));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(writes_the_text),
        TEST_AT_HOME(a_new_log_has_one),
        TEST_AT_HOME(a_newer_version_is_refused),
        TEST_AT_HOME(a_feature_to_read_is_refused),
        TEST_AT_HOME(a_feature_to_write_leaves_it_readable),
        TEST_AT_HOME(unknown_lines_are_passed_over),
        TEST_AT_HOME(every_changed_byte_is_found),
        TEST_AT_HOME(every_other_length_is_refused),
        TEST_AT_HOME(missing_lines_are_found),
        TEST_AT_HOME(doubled_lines_are_found),
        TEST_AT_HOME(the_order_is_free),
        TEST_AT_HOME(someone_elses_file_is_refused),
        TEST_AT_HOME(a_directory_in_its_place_is_refused),
        TEST_AT_HOME(a_log_of_format_2_is_readable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
