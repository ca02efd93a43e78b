/* Repairing: a log whose newest events are damaged can be written to again, and nothing else of it is changed. */
#include "damage.h"
#include "evlog/upkeep.h"

#define TYPE "org.evlog.test.v1"
#define EVENTS 40

static int send_one(evlog *log)
{
    evlog_signal *signal;
    int result = evlog_define(log, TYPE, 0, NULL, &signal);
    return result ? result : evlog_send_event(signal, "\x81\xa1n\x07", 4, NULL, NULL);
}

static void make_log(const char *path, evlog_durability durability)
{
    evlog *log;
    OK(evlog_open(path, &(evlog_options){.durability = durability}, &log));
    for (unsigned i = 0; i < EVENTS; i++)
        OK(send_one(log));
    OK(evlog_close(log));
}

/* A byte of the data of an event is changed. */
static void damage_event(const char *path, uint64_t seq)
{
    struct damage_place place = damage_place_of(in(path, "events.mdb"), seq);
    file_patch(in(path, "events.mdb"), "x", 1, place.value + place.size - 2);
}

static int note_missing(const evlog_finding *finding, uint64_t seq, void *ctx)
{
    uint64_t *range = ctx;
    (void)seq;
    if (!finding || finding->is_remark)
        return 0;
    assert_int_equal(range[0], 0); /* one only */
    range[0] = finding->first_seq;
    range[1] = finding->last_seq;
    return 0;
}

static void expect_missing(evlog *log, uint64_t first, uint64_t last)
{
    uint64_t range[2] = {0, 0};
    assert_int_equal(evlog_verify(log, note_missing, range, NULL), EVLOG_DAMAGED);
    assert_int_equal(range[0], first);
    assert_int_equal(range[1], last);
}

/* What was cut off is in a file of its own, in the form of store/README.md. */
static void expect_file(const char *path, const struct bytes *record, uint64_t seq)
{
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    struct bytes file = file_read(path);
    assert_int_equal(get_big(file.at, 8), seq);
    assert_int_equal(get_big(file.at + 8, 8), record->size);
    assert_memory_equal(file.at + 16, record->at, record->size);
    free(file.at);
}

static struct bytes raw_record(const char *path, uint64_t seq)
{
    struct damage_place place = damage_place_of(in(path, "events.mdb"), seq);
    struct bytes file = file_read(in(path, "events.mdb"));
    struct bytes record = {.at = malloc(place.size), .size = place.size};
    memcpy(record.at, file.at + place.value, place.size);
    free(file.at);
    return record;
}

static void a_damaged_end_is_cut_off(void **state)
{
    for (int i = 0; i < 2; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s", in(*state, i ? "fast" : "durable"));
        evlog_repaired repaired;
        evlog_event *event;
        evlog *log;
        make_log(path, i ? EVLOG_FAST : EVLOG_DURABLE);
        unlink(in(path, "edge"));       /* from which opening would mend it */
        damage_event(path, EVENTS - 5); /* not at the end: it stays */
        damage_event(path, EVENTS - 1);
        damage_event(path, EVENTS);
        OK(evlog_open(path, NULL, &log));
        FAILS(EVLOG_DAMAGED, "", send_one(log));
        FAILS(EVLOG_BUSY, "", evlog_repair(path, NULL, NULL));
        OK(evlog_close(log));
        OK(evlog_repair(path, &(evlog_repair_options){.preview = true}, &repaired));
        assert_int_equal(repaired.first_seq, EVENTS - 1);
        assert_int_equal(repaired.last_seq, EVENTS);
        assert_int_equal(repaired.noted_seq, 0);
        assert_int_equal(access(in(path, repaired.file), F_OK), -1);
        struct bytes record = raw_record(path, EVENTS - 1);
        OK(evlog_repair(path, NULL, &repaired));
        assert_int_equal(repaired.noted_seq, EVENTS + 1);
        expect_file(in(path, repaired.file), &record, EVENTS - 1);
        free(record.at);
        OK(evlog_open(path, NULL, &log));
        OK(send_one(log));
        OK(evlog_read(log, EVENTS + 1, &event));
        assert_string_equal(event->event_type, "evlog.repaired.v1");
        evlog_event_free(event);
        OK(evlog_read(log, EVENTS + 2, &event));
        evlog_event_free(event);
        FAILS(EVLOG_DAMAGED, "missing", evlog_read(log, EVENTS, &event));
        OK(evlog_close(log));
        OK(evlog_repair(path, NULL, &repaired)); /* nothing is left to do */
        assert_int_equal(repaired.first_seq, 0);
    }
}

static void what_was_cut_off_is_reported_as_missing(void **state)
{
    char path[4096];
    snprintf(path, sizeof path, "%s", in(*state, "log"));
    evlog *log;
    make_log(path, EVLOG_DURABLE);
    damage_event(path, EVENTS);
    OK(evlog_repair(path, NULL, NULL));
    for (int i = 0; i < 2; i++) {
        OK(evlog_open(path, NULL, &log));
        expect_missing(log, EVENTS, EVENTS);
        OK(send_one(log));
        OK(evlog_close(log));
        unlink(in(path, "shared")); /* as after a restart */
    }
}

/* After a power cut, without `edge`: a fast log is repaired all the same. */
static void a_fast_log_without_a_flushed_state_is_repaired(void **state)
{
    char path[4096];
    evlog_repaired repaired;
    evlog *log;
    snprintf(path, sizeof path, "%s", in(*state, "log"));
    make_log(path, EVLOG_FAST);
    damage_event(path, EVENTS);
    file_write(in(path, "edge"), "", 0);
    unlink(in(path, "shared"));
    for (int i = 0; i < 2; i++) { /* each opening anew */
        OK(evlog_open(path, NULL, &log));
        FAILS(EVLOG_DAMAGED, "its checksum does not fit", send_one(log));
        FAILS(EVLOG_DAMAGED, "its checksum does not fit",
              evlog_close(log)); /* it is not flushed */
    }
    OK(evlog_repair(path, &(evlog_repair_options){.preview = true}, &repaired));
    assert_int_equal(repaired.first_seq, EVENTS);
    OK(evlog_repair(path, NULL, &repaired));
    assert_int_equal(repaired.first_seq, EVENTS);
    OK(evlog_open(path, NULL, &log));
    OK(send_one(log));
    expect_missing(log, EVENTS, EVENTS);
    OK(evlog_close(log));
}

/* A durable one is not: its journal has the event. Neither the preview nor the repair changes it, and both say so. */
static void a_durable_log_without_a_flushed_state_is_salvaged(void **state)
{
    char path[4096];
    evlog_salvaged salvaged;
    snprintf(path, sizeof path, "%s", in(*state, "log"));
    make_log(path, EVLOG_DURABLE);
    damage_event(path, EVENTS);
    file_write(in(path, "edge"), "", 0);
    unlink(in(path, "shared"));
    FAILS(EVLOG_DAMAGED, "salvage it",
          evlog_repair(path, &(evlog_repair_options){.preview = true}, NULL));
    FAILS(EVLOG_DAMAGED, "salvage it", evlog_repair(path, NULL, NULL));
    OK(evlog_salvage(path, in(*state, "new"), NULL, &salvaged));
    assert_int_equal(salvaged.event_count, EVENTS);
}

static void what_liblmdb_must_not_write_to_is_refused(void **state)
{
    char path[4096];
    snprintf(path, sizeof path, "%s", in(*state, "log"));
    unsigned char zeros[4096] = {0};
    make_log(path, EVLOG_FAST);
    struct bytes before = file_read(in(path, "events.mdb"));
    file_patch(in(path, "events.mdb"), zeros, sizeof zeros, 0);
    file_patch(in(path, "events.mdb"), zeros, sizeof zeros, 4096);
    unlink(in(path, "edge"));
    FAILS(EVLOG_DAMAGED, "salvage", evlog_repair(path, NULL, NULL));
    FAILS(EVLOG_DAMAGED, "salvage",
          evlog_repair(path, &(evlog_repair_options){.preview = true}, NULL));
    file_write(in(path, "events.mdb"), before.at, before.size);
    for (uint64_t seq = 1; seq <= EVENTS; seq++)
        damage_event(path, seq);
    FAILS(EVLOG_DAMAGED, "none of its events is sound", evlog_repair(path, NULL, NULL));
    free(before.at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(a_damaged_end_is_cut_off),
        TEST_AT_HOME(what_was_cut_off_is_reported_as_missing),
        TEST_AT_HOME(a_fast_log_without_a_flushed_state_is_repaired),
        TEST_AT_HOME(a_durable_log_without_a_flushed_state_is_salvaged),
        TEST_AT_HOME(what_liblmdb_must_not_write_to_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
