/*
 * Erasing: what is gone and what stays, for readers that come later and for those that have it queued; that no file but
 * events.mdb has the bytes; that it can be cut off anywhere. What a power cut does to it: tests/power, "erase".
 */
#include <dirent.h>
#include <errno.h>
#include <sys/file.h>

#include "child.h"
#include "damage.h"
#include "erase.h"
#include "erased.h"
#include "evlog/upkeep.h"
#include "evlog/value.h"
#include "log.h"
#include "processes.h"

#define TYPE "org.evlog.test.v1"
#define AT_DIGEST 93 /* in a record, of the number itself */
#define AT_ERASURE 103
#define DATA_SIZE_MAX (6 << 20)
#define FLUSHING_AT ((INT64_C(1) << 60) - 1) /* see flusher.c */

static const evlog_erase_options because = {.reason = "on request"};
static const evlog_durability durabilities[] = {EVLOG_DURABLE, EVLOG_FAST};

static evlog *open_with(const char *path, evlog_durability durability, evlog_signal **signal)
{
    evlog *log;
    evlog_options options = {
        .durability = durability, .data_size_max = DATA_SIZE_MAX, .flush_every_ms = 1};
    OK(evlog_open(path, &options, &log));
    OK(evlog_define(log, TYPE, 0, NULL, signal));
    return log;
}

/* Data that are found nowhere else: {"f": bytes that follow from `number`}. */
struct secret {
    unsigned char *data;
    size_t size;
};

#define SECRET_HEAD 8

static struct secret secret_new(uint32_t number, size_t size)
{
    struct secret secret = {.data = malloc(size), .size = size};
    uint64_t word = number * UINT64_C(0x9e3779b97f4a7c15) + 1;
    assert_true(secret.data && size > SECRET_HEAD + 16);
    memcpy(secret.data, "\x81\xa1\x66\xc6", 4);
    put_big(secret.data + 4, size - SECRET_HEAD, 4);
    for (size_t i = SECRET_HEAD; i < size; i++) {
        word ^= word << 13, word ^= word >> 7, word ^= word << 17;
        secret.data[i] = (unsigned char)word;
    }
    return secret;
}

/* With a header, which is a secret, too. */
static uint64_t send_secret(evlog_signal *signal, const struct secret *secret)
{
    evlog_sent sent;
    evlog_send_options options = {.headers = &(evlog_header){"learner", "header of alice"},
                                  .header_count = 1};
    OK(evlog_send_event(signal, secret->data, secret->size, &options, &sent));
    uint64_t seq = sent.seq;
    evlog_sent_free(&sent);
    return seq;
}

static void send_many(evlog_signal *signal, size_t count)
{
    while (count-- > 0)
        OK(evlog_send_event(signal, "\x80", 1, NULL, NULL));
}

/* Whether there are 16 of these bytes side by side; of many, some are looked for. */
static bool holds(const unsigned char *at, size_t at_size, const unsigned char *bytes,
                  size_t size)
{
    size_t step = size < 1024 ? 16 : size / 64;
    bool is_there = false;
    for (size_t i = 0; i + 16 <= size && !is_there; i += step)
        is_there = memmem(at, at_size, bytes + i, 16) != NULL;
    return is_there;
}

static bool has_bytes(const char *path, const unsigned char *bytes, size_t size)
{
    struct bytes file = file_read(path);
    bool is_there = holds(file.at, file.size, bytes, size);
    free(file.at);
    return is_there;
}

static uint64_t file_size(const char *path)
{
    struct stat status;
    OK(stat(path, &status));
    return (uint64_t)status.st_size;
}

static bool is_zeros(const char *path)
{
    struct bytes file = file_read(path);
    bool is_zero = file.size && !file.at[0] && memcmp(file.at, file.at + 1, file.size - 1) == 0;
    free(file.at);
    return is_zero;
}

static const char *const beside[] = {"journal", "edge", "state.mdb", "shared", "format", "lock"};
static const char *const locks[] = {"events.mdb-lock", "state.mdb-lock"};

struct sought {
    const char *path; /* of the log */
    const unsigned char *bytes;
    size_t size;
};

/* Without an allocation: a thread of the parent may have held the sanitizer's lock at the fork. */
static void look_in_locks(void *ctx)
{
    static unsigned char contents[1 << 20];
    const struct sought *sought = ctx;
    char file[4200];
    for (size_t i = 0; i < sizeof locks / sizeof *locks; i++) {
        snprintf(file, sizeof file, "%s/%s", sought->path, locks[i]);
        int fd = open(file, O_RDONLY);
        ssize_t size = fd < 0 ? 0 : read(fd, contents, sizeof contents);
        if (size == (ssize_t)sizeof contents ||
            (size > 0 && holds(contents, (size_t)size, sought->bytes, sought->size)))
            _exit(1);
        close(fd);
    }
}

/*
 * No file but events.mdb has it. In the lock files a child looks: where a process that has the log open closes one, the
 * lock by which others know that it reads is gone (fcntl(2)), and its pages are reused under it.
 */
static void expect_nowhere_beside(const char *path, const unsigned char *bytes, size_t size)
{
    char file[4200];
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++) {
        snprintf(file, sizeof file, "%s/%s", path, beside[i]);
        if (access(file, F_OK) == 0 && has_bytes(file, bytes, size))
            fail_msg("%s has what was erased", beside[i]);
    }
    in_child(look_in_locks, &(struct sought){path, bytes, size});
}

static struct bytes record_of(const char *path, uint64_t seq)
{
    unsigned char key[8];
    struct raw raw = raw_open(in(path, "events.mdb"));
    put_big(key, seq, sizeof key);
    struct bytes value = raw_get(&raw, key, sizeof key);
    mdb_txn_abort(raw.txn);
    mdb_env_close(raw.env);
    return value;
}

/* ------------------------------------------------------------- what goes ---- */

static void expect_erased(evlog *log, uint64_t seq, const evlog_event *before)
{
    evlog_event *event;
    evlog_buffer json;
    evlog_string value;
    OK(evlog_read(log, seq, &event));
    assert_null(event->data);
    assert_null(event->headers);
    assert_int_equal(event->data_size + event->headers_size, 0);
    assert_memory_equal(event->id, before->id, 16);
    assert_string_equal(event->event_type, before->event_type);
    assert_string_equal(event->sourcehost, before->sourcehost);
    assert_int_equal(event->time_us, before->time_us);
    assert_int_equal(event->log_time_us, before->log_time_us);
    FAILS(EVLOG_NOTFOUND, "", evlog_event_header(event, "learner", &value));
    OK(evlog_event_json(event, EVLOG_JSON_LINE, &json));
    assert_non_null(memmem(json.data, json.size, "\"data\": null", 12));
    assert_null(memmem(json.data, json.size, "headers", 7));
    evlog_buffer_free(&json);
    evlog_event_free(event);
}

static int count_erased(const evlog_event *event, void *ctx)
{
    *(unsigned *)ctx += !event->data;
    return 0;
}

/* In both classes, in a page with others and in pages of its own: for its own process, and for one that comes later. */
static void what_is_erased_is_gone(void **state)
{
    static const size_t sizes[] = {60, 1500, 100000};
    for (unsigned i = 0; i < 6; i++) {
        const char *path = in(*state, (const char[]){(char)('a' + i), 0});
        char name[2048];
        evlog_signal *signal;
        evlog_event *before;
        evlog_info info;
        unsigned erased_count = 0;
        snprintf(name, sizeof name, "%s", path);
        evlog *log = open_with(name, durabilities[i % 2], &signal);
        struct secret secret = secret_new(i, sizes[i / 2]);
        send_many(signal, 30);
        uint64_t seq = send_secret(signal, &secret);
        send_many(signal, 30);
        OK(evlog_read(log, seq, &before));
        OK(evlog_erase(log, seq, NULL, &because));
        expect_erased(log, seq, before);
        expect_nowhere_beside(name, secret.data, secret.size);
        OK(evlog_replay(log, NULL, count_erased, &erased_count, NULL));
        assert_int_equal(erased_count, 1);
        OK(evlog_verify(log, NULL, NULL, NULL));
        send_many(signal, 30);
        OK(evlog_close(log));
        OK(evlog_open(name, &(evlog_options){.read_only = true}, &log));
        expect_erased(log, seq, before);
        OK(evlog_verify(log, NULL, NULL, NULL));
        OK(evlog_inspect(log, &info));
        assert_int_equal(info.erased_waiting_count, 1);
        assert_int_equal(info.unknown_entry_count, 0);
        OK(evlog_close(log));
        evlog_event_free(before);
        free(secret.data);
    }
}

/* The event that says so, and the digest that is kept. */
static void it_is_on_record(void **state)
{
    static const unsigned char digest[33] = "32 bytes: a SHA-256 as it were...";
    evlog_signal *signal;
    evlog_event *erased, *note;
    evlog_buffer json;
    char id[EVLOG_UUID_TEXT_SIZE], expected[256];
    evlog *log = open_with(in(*state, "log"), EVLOG_DURABLE, &signal);
    struct secret secret = secret_new(1, 100);
    send_secret(signal, &secret);
    send_secret(signal, &secret);
    OK(evlog_read(log, 2, &erased));
    OK(evlog_erase(log, 2, digest, &because));
    OK(evlog_erase(log, 1, NULL, &because));
    OK(evlog_read(log, 3, &note));
    assert_string_equal(note->event_type, "evlog.erased.v1");
    snprintf(expected, sizeof expected,
             "{\"seq\": 2, \"id\": \"%s\", \"type\": \"" TYPE "\", \"reason\": \"on request\"}",
             evlog_uuid_text(erased->id, id));
    OK(evlog_data_json(note->data, note->data_size, EVLOG_JSON_LINE, &json));
    assert_int_equal(json.size, strlen(expected));
    assert_memory_equal(json.data, expected, json.size);
    evlog_buffer_free(&json);
    evlog_event_free(erased);
    evlog_event_free(note);
    OK(evlog_close(log));
    struct bytes first = record_of(in(*state, "log"), 1),
                 second = record_of(in(*state, "log"), 2);
    assert_memory_equal(second.at + AT_ERASURE, digest, 32);
    assert_memory_equal(first.at + AT_ERASURE, (char[32]){0}, 32);
    free(first.at);
    free(second.at);
    free(secret.data);
}

/*
 * All that is left of an event are its metadata and two digests: that of its contents is not that of the data that
 * one has guessed, by themselves or with the headers or any salt but the one, which is nowhere.
 */
static void a_guess_cannot_be_confirmed(void **state)
{
    unsigned char guess[18 + 1 + 200] = {0xc4, 16};
    evlog_signal *signal;
    evlog_buffer contents;
    evlog *log = open_with(in(*state, "log"), EVLOG_DURABLE, &signal);
    struct secret secret = secret_new(1, 200);
    OK(evlog_send_event(signal, secret.data, secret.size, NULL, NULL));
    OK(evlog_send_event(signal, secret.data, secret.size, NULL, NULL));
    OK(evlog_erase_contents(log, 1, &contents));
    OK(evlog_erase(log, 1, NULL, &because));
    FAILS(EVLOG_NOTFOUND, "was erased", evlog_erase_contents(log, 1, &contents));
    expect_nowhere_beside(in(*state, "log"), (unsigned char *)contents.data + 2, 16);
    OK(evlog_close(log));
    struct bytes erased = record_of(in(*state, "log"), 1), twin = record_of(in(*state, "log"), 2);
    assert_int_equal(contents.size, sizeof guess);
    assert_memory_equal(contents.data, "\xc4\x10", 2);
    assert_memory_equal((char *)contents.data + 19, secret.data, secret.size);
    uint64_t digest = get_big(erased.at + AT_DIGEST, 8);
    assert_int_equal(digest, XXH3_64bits(contents.data, contents.size)); /* with the salt it is */
    assert_true(digest != get_big(twin.at + AT_DIGEST, 8));
    guess[18] = 0x80;
    memcpy(guess + 19, secret.data, secret.size);
    for (size_t from = 0; from < 20; from++)
        assert_true(digest != XXH3_64bits(guess + from, sizeof guess - from));
    memcpy(guess + 2, twin.at + 103, 16);
    assert_true(digest != XXH3_64bits(guess, sizeof guess));
    assert_null(memmem(erased.at, erased.size, (char *)contents.data + 2, 16));
    evlog_buffer_free(&contents);
    free(erased.at);
    free(twin.at);
    free(secret.data);
}

static void a_second_time_changes_nothing(void **state)
{
    evlog_signal *signal;
    evlog_info info;
    evlog *log = open_with(in(*state, "log"), EVLOG_DURABLE, &signal);
    send_many(signal, 3);
    for (unsigned i = 0; i < 3; i++)
        OK(evlog_erase(log, 2, NULL, &(evlog_erase_options){.reason = "again"}));
    OK(erase_end_waiting(log->store)); /* as when it is compacted */
    OK(evlog_erase(log, 2, NULL, &because));
    OK(evlog_inspect(log, &info));
    assert_int_equal(info.last_seq, 4);
    assert_int_equal(info.erased_waiting_count, 0);
    OK(evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_close(log));
}

static void what_cannot_be_erased(void **state)
{
    char long_reason[EVLOG_ERASE_REASON_SIZE_MAX + 2];
    evlog_erase_options preview = {.preview = true, .reason = "to see"};
    evlog_signal *signal;
    evlog_buffer contents;
    evlog_info info;
    evlog *log = open_with(in(*state, "log"), EVLOG_DURABLE, &signal);
    FAILS(EVLOG_NOTFOUND, "no event 1", evlog_erase(log, 1, NULL, &because));
    send_many(signal, 10);
    OK(evlog_trim(log, 5, NULL, NULL));
    FAILS(EVLOG_NOTFOUND, "no event 4", evlog_erase(log, 4, NULL, &because));
    FAILS(EVLOG_NOTFOUND, "no event 12", evlog_erase(log, 12, NULL, &because));
    FAILS(EVLOG_INVALID, "the log's own (evlog.trimmed.v1)",
          evlog_erase(log, 11, NULL, &because));
    FAILS(EVLOG_INVALID, "reason", evlog_erase(log, 6, NULL, NULL));
    FAILS(EVLOG_INVALID, "reason",
          evlog_erase(log, 6, NULL, &(evlog_erase_options){.reason = ""}));
    FAILS(EVLOG_INVALID, "UTF-8",
          evlog_erase(log, 6, NULL, &(evlog_erase_options){.reason = "\xff"}));
    memset(long_reason, 'x', sizeof long_reason);
    long_reason[EVLOG_ERASE_REASON_SIZE_MAX + 1] = '\0';
    FAILS(EVLOG_LIMIT, "1025",
          evlog_erase(log, 6, NULL, &(evlog_erase_options){.reason = long_reason}));
    FAILS(EVLOG_NOTFOUND, "", evlog_erase_contents(log, 99, &contents));
    FAILS(EVLOG_INVALID, "", evlog_erase_contents(log, 6, NULL));
    OK(evlog_erase(log, 6, NULL, &preview));
    OK(evlog_close(log));
    OK(evlog_open(in(*state, "log"), &(evlog_options){.read_only = true}, &log));
    OK(evlog_erase(log, 6, NULL, &preview));
    FAILS(EVLOG_NOTFOUND, "", evlog_erase(log, 12, NULL, &preview));
    FAILS(EVLOG_READONLY, "reading only", evlog_erase(log, 6, NULL, &because));
    OK(evlog_inspect(log, &info));
    assert_int_equal(info.last_seq, 11);
    assert_int_equal(info.erased_waiting_count, 0);
    OK(evlog_erase_contents(log, 6, &contents)); /* it is there */
    evlog_buffer_free(&contents);
    OK(evlog_close(log));
}

/* ---------------------------------------------------- those that have it queued ---- */

/* In this process, or in another one. */
static void erase_in(const char *path, evlog *log, bool is_other, uint64_t seq)
{
    pid_t pid = is_other ? start_process() : 0;
    if (pid == 0 && is_other) {
        if (evlog_open(path, NULL, &log) || evlog_erase(log, seq, NULL, &because))
            die("erasing", seq);
        _exit(evlog_close(log) != EVLOG_OK);
    }
    if (is_other)
        expect_end(&pid, 1);
    else
        OK(evlog_erase(log, seq, NULL, &because));
}

static void expect_given(const evlog_event *event, uint64_t seq, bool is_erased)
{
    assert_non_null(event);
    assert_int_equal(event->seq, seq);
    assert_int_equal(event->data == NULL, is_erased);
}

/* A cursor has read its events before they are erased, whichever way it goes. */
static void a_cursor_gives_nothing_that_was_erased(void **state)
{
    evlog_signal *signal;
    const evlog_event *event;
    evlog *log = open_with(in(*state, "log"), EVLOG_DURABLE, &signal);
    send_many(signal, 100);
    for (unsigned i = 0; i < 4; i++) {
        evlog_range range = {.newest_first = i % 2, .last_seq = 100};
        uint64_t erased = 20 + i;
        evlog_cursor *cursor;
        OK(evlog_cursor_open(log, &range, &cursor));
        for (uint64_t n = 1; n <= 100; n++) {
            uint64_t seq = i % 2 ? 101 - n : n;
            if (n == 10)
                erase_in(in(*state, "log"), log, i / 2, erased);
            OK(evlog_cursor_next(cursor, &event));
            expect_given(event, seq,
                         (seq >= 20 && seq < erased) ||
                             (seq == erased && n >= 10)); /* also those of the rounds before */
        }
        OK(evlog_cursor_next(cursor, &event));
        assert_null(event);
        OK(evlog_cursor_close(cursor));
    }
    OK(evlog_close(log));
}

/* Waits long for its second event, which is erased meanwhile. */
static void *erase_soon(void *ctx)
{
    usleep(50000);
    OK(evlog_erase(ctx, 2, NULL, &because));
    return NULL;
}

static void an_event_that_is_waited_for_can_be_erased(void **state)
{
    evlog_signal *signal;
    const evlog_event *event;
    evlog_cursor *cursor;
    pthread_t thread;
    evlog *log = open_with(in(*state, "log"), EVLOG_FAST, &signal);
    send_many(signal, 3);
    OK(evlog_cursor_open(log, &(evlog_range){.per_second = 0.7}, &cursor));
    OK(evlog_cursor_next(cursor, &event));
    assert_int_equal(pthread_create(&thread, NULL, erase_soon, log), 0);
    OK(evlog_cursor_next(cursor, &event));
    expect_given(event, 2, true);
    pthread_join(thread, NULL);
    OK(evlog_cursor_close(cursor));
    OK(evlog_close(log));
}

/* A consumer has a batch in memory, some events out, and one parked. */
static void a_consumer_gives_nothing_that_was_erased(void **state)
{
    evlog_consumer_options options = {.ack_by_hand = true, .attempt_max = 1};
    evlog_signal *signal;
    const evlog_event *event;
    evlog_consumer *consumer;
    evlog *log = open_with(in(*state, "log"), EVLOG_DURABLE, &signal);
    send_many(signal, 100);
    OK(evlog_consumer_open(log, "c", &options, &consumer));
    for (uint64_t seq = 1; seq <= 10; seq++) {
        OK(evlog_consumer_next(consumer, 0, &event));
        OK(seq == 3 ? evlog_consumer_fail(consumer, 3, "not this one")
                    : evlog_consumer_done(consumer, seq));
    }
    OK(evlog_consumer_next(consumer, 0, &event));
    expect_given(event, 11, false);
    for (unsigned i = 0; i < 2; i++) {
        erase_in(in(*state, "log"), log, i, 50 + i);
        erase_in(in(*state, "log"), log, i, 3);
    }
    for (uint64_t seq = 12; seq <= 100; seq++) {
        OK(evlog_consumer_next(consumer, 0, &event));
        expect_given(event, seq, seq == 50 || seq == 51);
    }
    OK(acknowledge(consumer, 100));
    OK(evlog_parked_retry(log, "c", 3, NULL));
    OK(evlog_consumer_next(consumer, 1000, &event));
    expect_given(event, 3, true);
    assert_true(event->is_retry);
    OK(acknowledge(consumer, 3));
    OK(evlog_consumer_close(consumer));
    OK(evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_close(log));
}

/* A copy that is made later has nothing of it, and nothing that waits; it says what was erased. */
static void a_copy_has_nothing_of_it(void **state)
{
    char copy[2048];
    evlog_signal *signal;
    evlog_event *before;
    evlog_info info;
    struct secret secret = secret_new(1, 1000);
    evlog *log = open_with(in(*state, "log"), EVLOG_DURABLE, &signal);
    uint64_t seq = send_secret(signal, &secret);
    send_many(signal, 3);
    OK(evlog_read(log, seq, &before));
    OK(evlog_erase(log, seq, NULL, &because));
    snprintf(copy, sizeof copy, "%s", in(*state, "copy"));
    OK(evlog_copy(log, copy, NULL, NULL));
    OK(evlog_close(log));
    expect_nowhere_beside(copy, secret.data, secret.size);
    assert_false(has_bytes(in(copy, "events.mdb"), secret.data, secret.size));
    OK(evlog_open(copy, &(evlog_options){.read_only = true}, &log));
    expect_erased(log, seq, before);
    OK(evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_inspect(log, &info));
    assert_int_equal(info.erased_waiting_count, 0);
    OK(evlog_close(log));
    evlog_event_free(before);
    free(secret.data);
}

static int note_remark(const evlog_finding *finding, uint64_t seq, void *ctx)
{
    (void)seq;
    if (finding && finding->is_remark && strstr(finding->text, "erase it again"))
        *(uint64_t *)ctx = finding->first_seq;
    return 0;
}

/* Every file of the log; one that is not there has nothing. */
static void expect_nowhere(const char *path, const struct secret *secret)
{
    DIR *directory = opendir(path);
    char file[4200];
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory));) {
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        if (*entry->d_name != '.' && has_bytes(file, secret->data, secret->size))
            fail_msg("%s has what was erased", entry->d_name);
    }
    closedir(directory);
}

/*
 * Compacted, no file of the log has any of it: not in unused parts of pages, of which there are many, nor in what is
 * beside them. What was begun and is not erased is still known then.
 */
static void compacted_it_is_in_no_file(void **state)
{
    char path[2048];
    for (unsigned i = 0; i < 2; i++) {
        evlog_signal *signal;
        evlog_info info;
        uint64_t begun = 0;
        struct secret secrets[8];
        snprintf(path, sizeof path, "%s", in(*state, i ? "fast" : "durable"));
        evlog *log = open_with(path, durabilities[i], &signal);
        for (unsigned n = 0; n < 8; n++) {
            secrets[n] = secret_new(n, n % 2 ? 300 + n : 9000 * n + 60);
            send_many(signal, 20);
            uint64_t seq = send_secret(signal, &secrets[n]);
            send_many(signal, n);
            OK(evlog_erase(log, seq, NULL, &because));
        }
        OK(erased_put(log->store->state, 1));
        OK(evlog_close(log));
        assert_true(has_bytes(in(path, "events.mdb"), secrets[7].data, secrets[7].size));
        OK(evlog_compact(path, NULL, NULL));
        for (unsigned n = 0; n < 8; n++) {
            expect_nowhere(path, &secrets[n]);
            free(secrets[n].data);
        }
        log = open_with(path, durabilities[i], &signal);
        OK(evlog_verify(log, note_remark, &begun, NULL));
        assert_int_equal(begun, 1);
        OK(evlog_inspect(log, &info));
        assert_int_equal(info.erased_waiting_count, 1);
        OK(evlog_close(log));
    }
}

/* ---------------------------------------------------------- journal and edge ---- */

/* The journal has events in both halves and behind them, of rounds before, and pieces of those. */
static void no_part_of_the_journal_has_it(void **state)
{
    static const size_t sizes[] = {300, 100000, 5 << 20};
    char path[2048];
    evlog_signal *signal;
    struct secret secrets[3], filler = secret_new(9, 70001);
    uint64_t seqs[3];
    snprintf(path, sizeof path, "%s", in(*state, "log"));
    evlog *log = open_with(path, EVLOG_DURABLE, &signal);
    for (unsigned i = 0; i < 3; i++) {
        secrets[i] = secret_new(i, sizes[i]);
        for (unsigned j = 0; j < 45 + i; j++) /* 3 MiB */
            OK(evlog_send_event(signal, filler.data, filler.size, NULL, NULL));
        seqs[i] = send_secret(signal, &secrets[i]);
    }
    for (unsigned i = 0; i < 3; i++)
        assert_true(has_bytes(in(path, "journal"), secrets[i].data, sizes[i]));
    for (unsigned i = 0; i < 3; i++) {
        OK(evlog_erase(log, seqs[i], NULL, &because));
        expect_nowhere_beside(path, secrets[i].data, sizes[i]);
        assert_true(is_zeros(in(path, "journal")));
        OK(evlog_verify(log, NULL, NULL, NULL));
        free(secrets[i].data);
    }
    send_many(signal, 10);
    OK(evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_close(log));
    free(filler.data);
}

/* What a death has left: erased, and the files beside are as they were. */
static void what_was_left_beside_is_scrubbed(void **state)
{
    char path[2048];
    evlog_signal *signal;
    evlog_info info;
    struct secret secret = secret_new(1, 300);
    snprintf(path, sizeof path, "%s", in(*state, "log"));
    evlog *log = open_with(path, EVLOG_DURABLE, &signal);
    uint64_t seq = send_secret(signal, &secret);
    OK(evlog_close(log));
    struct bytes journal = file_read(in(path, "journal"));
    log = open_with(path, EVLOG_DURABLE, &signal);
    OK(evlog_erase(log, seq, NULL, &because));
    file_patch(in(path, "journal"), journal.at, journal.size, 0);
    assert_true(has_bytes(in(path, "journal"), secret.data, secret.size));
    OK(evlog_erase(log, seq, NULL, &because));
    expect_nowhere_beside(path, secret.data, secret.size);
    send_many(signal, 3);
    OK(evlog_inspect(log, &info));
    assert_int_equal(info.last_seq, 5); /* one note */
    OK(evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_close(log));
    free(journal.at);
    free(secret.data);
}

/* Behind its images, a slot has nothing of one that had more. */
static void no_rest_of_a_slot_has_it(void **state)
{
    char path[2048];
    evlog_signal *signal;
    struct secret secret = secret_new(1, 1000);
    snprintf(path, sizeof path, "%s", in(*state, "log"));
    evlog *log = open_with(path, EVLOG_DURABLE, &signal);
    uint64_t seq = send_secret(signal, &secret);
    for (unsigned slot = 0; slot < 2; slot++)
        file_patch(in(path, "edge"), secret.data, secret.size,
                   401408 * slot + 4096 + 50 * 4096 + 7);
    OK(evlog_erase(log, seq, NULL, &because));
    expect_nowhere_beside(path, secret.data, secret.size);
    OK(evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_close(log));
    free(secret.data);
}

/* ------------------------------------------------------------- in the middle ---- */

/* It was on record when its process died: erasing again completes it, and there is no second event about it. */
static void what_was_begun_is_completed(void **state)
{
    evlog_signal *signal;
    evlog_info info;
    uint64_t begun = 0;
    evlog *log = open_with(in(*state, "log"), EVLOG_DURABLE, &signal);
    struct secret secret = secret_new(1, 500);
    send_many(signal, 3);
    uint64_t seq =
        send_secret(signal, &secret); /* the newest, which the next one's chain begins with */
    OK(erased_put(log->store->state, seq));
    OK(evlog_verify(log, note_remark, &begun, NULL));
    assert_int_equal(begun, seq);
    OK(evlog_erase(log, seq, NULL, &because));
    begun = 0;
    OK(evlog_verify(log, note_remark, &begun, NULL));
    assert_int_equal(begun, 0);
    OK(evlog_inspect(log, &info));
    assert_int_equal(info.last_seq, seq);
    expect_nowhere_beside(in(*state, "log"), secret.data, secret.size);
    OK(evlog_close(log));
    log = open_with(in(*state, "log"), EVLOG_DURABLE, &signal);
    send_many(signal, 3);
    OK(evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_close(log));
    free(secret.data);
}

/* Another process flushes, and is stopped in it: nothing is acknowledged. */
static void a_stopped_flush_is_waited_for(void **state)
{
    struct flock whole = {.l_type = F_WRLCK, .l_start = FLUSHING_AT, .l_len = 1};
    evlog_options options = {.wait_ms = 20};
    struct secret secret = secret_new(1, 500);
    evlog_signal *signal;
    evlog *log;
    OK(evlog_open(in(*state, "log"), &options, &log));
    OK(evlog_define(log, TYPE, 0, NULL, &signal));
    uint64_t seq = send_secret(signal, &secret);
    send_many(signal, 3);
    int other = open(in(*state, "log/events.mdb"), O_RDWR);
    OK(fcntl(other, F_OFD_SETLK, &whole));
    FAILS(EVLOG_BUSY, "flushing", evlog_erase(log, seq, NULL, &because));
    send_many(signal, 1);
    close(other);
    OK(evlog_erase(log, seq, NULL, &because));
    expect_nowhere_beside(in(*state, "log"), secret.data, secret.size);
    OK(evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_close(log));
    free(secret.data);
}

/* -------------------------------------------------------------- failing calls ---- */

enum call { NO_CALL, FLUSH, WRITE };
static enum call failing;
static unsigned calls_left; /* before the one that fails */
static uint64_t journal_written;

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
ssize_t __real_pwrite(int fd, const void *bytes, size_t size, off_t at);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t size, off_t at);

static bool fails(enum call kind)
{
    if (failing != kind || calls_left-- > 0)
        return false;
    failing = NO_CALL;
    errno = EIO;
    return true;
}

int __wrap_fdatasync(int fd)
{
    return fails(FLUSH) ? -1 : __real_fdatasync(fd);
}

ssize_t __wrap_pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    char link[64], path[4096] = "";
    if (fails(WRITE))
        return -1;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (readlink(link, path, sizeof path - 1) > 8 && strstr(path, "/journal"))
        journal_written += size;
    return __real_pwrite(fd, bytes, size, at);
}

/*
 * The n-th flush or write of an erasure fails. False: it has not so many. Erased again, by whoever opens the log, all
 * is as it should be; what a failed flush may have left on the disk is overwritten whatever the kernel shows.
 */
static bool fail_one_call(const char *path, evlog_durability durability, enum call kind,
                          unsigned n)
{
    evlog_options options = {.durability = durability, .flush_every_ms = 1000000};
    struct secret secret = secret_new(n, 700);
    evlog_signal *signal;
    evlog_event *before;
    evlog *log;
    OK(evlog_open(path, &options, &log));
    OK(evlog_define(log, TYPE, 0, NULL, &signal));
    send_many(signal, 3);
    uint64_t seq = send_secret(signal, &secret);
    OK(evlog_read(log, seq, &before));
    OK(evlog_sync(log)); /* a failed flush of a fast log loses what was sent since the last one */
    calls_left = n;
    failing = kind;
    int result = evlog_erase(log, seq, NULL, &because);
    bool has_failed = failing == NO_CALL;
    failing = NO_CALL;
    assert_int_equal(result != EVLOG_OK, has_failed);
    evlog_close(log); /* which reports the failure too, perhaps */
    OK(evlog_open(path, &options, &log));
    OK(evlog_verify(log, NULL, NULL, NULL));
    journal_written = 0;
    OK(evlog_erase(log, seq, NULL, &because));
    expect_erased(log, seq, before);
    expect_nowhere_beside(path, secret.data, secret.size);
    if (durability == EVLOG_DURABLE && n > 3) /* the entry was there */
        assert_true(journal_written >= file_size(in(path, "journal")));
    OK(evlog_verify(log, NULL, NULL, NULL));
    OK(evlog_close(log));
    evlog_event_free(before);
    free(secret.data);
    return has_failed;
}

static void each_failing_call_leaves_it_to_be_done_again(void **state)
{
    char path[2048];
    for (unsigned i = 0; i < 2; i++)
        for (enum call kind = FLUSH; kind <= WRITE; kind++) {
            unsigned n = 0;
            do
                snprintf(path, sizeof path, "%s/%u-%d-%u", (char *)*state, i, kind, n);
            while (fail_one_call(path, durabilities[i], kind, n++));
            assert_true(n > (kind == FLUSH ? 5 : 4));
        }
}

/* ------------------------------------------------------------ beside others ---- */

#define SENDERS 2
#define ROUNDS 3
#define SOME 60

struct world {
    const char *path;
    evlog_durability durability;
    atomic_int sent[SENDERS], erased, read;
};

static void send_for_ever(struct world *world, unsigned who)
{
    evlog_signal *signal;
    open_with(world->path, world->durability, &signal);
    struct secret secret = secret_new(who, 200);
    for (;; world->sent[who]++)
        if (evlog_send_event(signal, secret.data, secret.size, NULL, NULL))
            die("sending", 0);
}

/* Every other event that there is; erasing again is nothing. */
static void erase_for_ever(struct world *world)
{
    evlog_signal *signal;
    evlog *log = open_with(world->path, world->durability, &signal);
    for (uint64_t seq = 2;; seq += 2) {
        uint64_t last;
        int result = evlog_wait(log, seq, -1, &last);
        if (result == EVLOG_OK)
            result = evlog_erase(log, seq, NULL, &because);
        if (result && !(result == EVLOG_INVALID && strstr(evlog_errmsg(), "the log's own")))
            die("erasing", seq);
        world->erased += result == EVLOG_OK;
    }
}

static int expect_later(const evlog_event *event, void *ctx)
{
    uint64_t *last = ctx;
    if (event->seq <= *last)
        return evlog_fail("not later");
    *last = event->seq;
    return 0;
}

static void read_for_ever(struct world *world)
{
    evlog *log;
    if (evlog_open(world->path, &(evlog_options){.read_only = true}, &log))
        die("opening to read", 0);
    for (;; world->read++) {
        uint64_t last = 0;
        if (evlog_replay(log, NULL, expect_later, &last, NULL))
            die("reading", last);
    }
}

/* Until the eraser is killed, somewhere; the others go on for a while, and flush for it. */
static void play_round(struct world *world, unsigned round)
{
    pid_t pids[SENDERS + 2];
    int before = world->erased;
    for (unsigned i = 0; i < SENDERS + 2; i++) {
        pids[i] = start_process();
        if (pids[i] == 0 && i < SENDERS)
            send_for_ever(world, i);
        else if (pids[i] == 0 && i == SENDERS)
            erase_for_ever(world);
        else if (pids[i] == 0)
            read_for_ever(world);
    }
    wait_for_child(pids[SENDERS], &world->erased, before + 10);
    wait_for_child(pids[0], &world->sent[0], (int)(round + 1) * SOME);
    kill_process(pids[SENDERS]);
    wait_for_child(pids[0], &world->sent[0], world->sent[0] + 20);
    for (unsigned i = 0; i < SENDERS + 2; i++)
        if (i != SENDERS)
            kill_process(pids[i]);
}

static int count_and_compare(const evlog_event *event, void *ctx)
{
    unsigned *counts = ctx;
    counts[!event->data]++;
    return event->data || event->seq % 2 == 0 ? 0 : evlog_fail("nobody has erased it");
}

static void senders_and_readers_go_on(void **state)
{
    for (unsigned i = 0; i < 2; i++) {
        struct world *world = map_shared(sizeof *world);
        char path[2048];
        evlog_signal *signal;
        unsigned counts[2] = {0, 0};
        snprintf(path, sizeof path, "%s", in(*state, i ? "fast" : "durable"));
        world->path = path;
        world->durability = durabilities[i];
        OK(evlog_close(open_with(path, durabilities[i], &signal)));
        for (unsigned round = 0; round < ROUNDS; round++)
            play_round(world, round);
        evlog *log = open_with(path, durabilities[i], &signal);
        OK(evlog_verify(log, NULL, NULL, NULL));
        OK(evlog_replay(log, NULL, count_and_compare, counts, NULL));
        assert_true(counts[0] + counts[1] >= (unsigned)(world->sent[0] + world->sent[1]));
        assert_true(counts[1] > 0);
        OK(evlog_close(log));
        munmap(world, sizeof *world);
    }
}

/* While other processes send and flush all the time, `edge` and `journal` never have again what was erased. */
static void no_flush_of_others_brings_it_back(void **state)
{
    for (unsigned i = 0; i < 2; i++) {
        struct world *world = map_shared(sizeof *world);
        pid_t pids[SENDERS];
        char path[2048];
        evlog_signal *signal;
        snprintf(path, sizeof path, "%s", in(*state, i ? "fast" : "durable"));
        world->path = path;
        world->durability = durabilities[i];
        OK(evlog_close(open_with(path, durabilities[i], &signal)));
        for (unsigned who = 0; who < SENDERS; who++) {
            pids[who] = start_process(); /* before this process has a thread, see look_in_locks */
            if (pids[who] == 0)
                send_for_ever(world, who);
            wait_for_child(pids[who], &world->sent[who], 1);
        }
        evlog *log = open_with(path, durabilities[i], &signal);
        for (uint32_t n = 0; n < 25; n++) {
            struct secret secret = secret_new(100 + n, 400);
            OK(evlog_erase(log, send_secret(signal, &secret), NULL, &because));
            expect_nowhere_beside(path, secret.data, secret.size);
            wait_for_child(pids[0], &world->sent[0], world->sent[0] + 2);
            expect_nowhere_beside(path, secret.data, secret.size);
            free(secret.data);
        }
        for (unsigned who = 0; who < SENDERS; who++)
            kill_process(pids[who]);
        OK(evlog_verify(log, NULL, NULL, NULL));
        OK(evlog_close(log));
        munmap(world, sizeof *world);
    }
}

static atomic_int *
    flushing; /* of a child that stands before it locks to flush: 1; it may go on: 2. NULL: it does not */

int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);

int __wrap_fcntl(int fd, int command, ...)
{
    va_list list;
    va_start(list, command);
    struct flock *range = va_arg(list, void *);
    va_end(list);
    if (flushing && command == F_OFD_SETLK && range->l_start == FLUSHING_AT &&
        range->l_type == F_WRLCK && *flushing == 0) {
        *flushing = 1;
        while (*flushing == 1)
            usleep(100);
    }
    return __real_fcntl(fd, command, range);
}

/* One that flushes a state which it has copied before something was erased there comes too late, and writes nothing. */
static void a_state_from_before_is_not_flushed_after(void **state)
{
    char path[2048];
    evlog *log;
    evlog_signal *signal;
    evlog_options options = {.durability = EVLOG_FAST, .flush_every_ms = 3600000};
    atomic_int *step = map_shared(sizeof *step);
    struct secret secret = secret_new(7, 400);
    snprintf(path, sizeof path, "%s", in(*state, "log"));
    OK(evlog_open(path, &options, &log));
    OK(evlog_define(log, TYPE, 0, NULL, &signal));
    uint64_t seq = send_secret(signal, &secret);
    pid_t pid = start_process();
    if (pid == 0) {
        evlog *other;
        bool is_open = evlog_open(path, &options, &other) == EVLOG_OK;
        flushing = step;
        _exit(!is_open || evlog_sync(other));
    }
    wait_for_child(pid, step, 1);
    OK(evlog_erase(log, seq, NULL, &because));
    expect_nowhere_beside(path, secret.data, secret.size);
    *step = 2;
    expect_end(&pid, 1);
    expect_nowhere_beside(path, secret.data, secret.size);
    OK(evlog_close(log));
    free(secret.data);
    munmap(step, sizeof *step);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(what_is_erased_is_gone),
        TEST_AT_HOME(it_is_on_record),
        TEST_AT_HOME(a_guess_cannot_be_confirmed),
        TEST_AT_HOME(a_second_time_changes_nothing),
        TEST_AT_HOME(what_cannot_be_erased),
        TEST_AT_HOME(a_cursor_gives_nothing_that_was_erased),
        TEST_AT_HOME(an_event_that_is_waited_for_can_be_erased),
        TEST_AT_HOME(a_consumer_gives_nothing_that_was_erased),
        TEST_AT_HOME(a_copy_has_nothing_of_it),
        TEST_AT_HOME(compacted_it_is_in_no_file),
        TEST_AT_HOME(no_part_of_the_journal_has_it),
        TEST_AT_HOME(what_was_left_beside_is_scrubbed),
        TEST_AT_HOME(no_rest_of_a_slot_has_it),
        TEST_AT_HOME(what_was_begun_is_completed),
        TEST_AT_HOME(a_stopped_flush_is_waited_for),
        TEST_AT_HOME(each_failing_call_leaves_it_to_be_done_again),
        TEST_AT_HOME(senders_and_readers_go_on),
        TEST_AT_HOME(no_flush_of_others_brings_it_back),
        TEST_AT_HOME(a_state_from_before_is_not_flushed_after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
