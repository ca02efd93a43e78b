/* The events of a log as leaves, and trimming a log that is sealed. */
#include "damage.h"
#include "evlog/audit.h"
#include "evlog/upkeep.h"

#define TYPE "org.evlog.test.v1"
#define EVENTS 12

static evlog *open_log(const void *home)
{
    evlog *log;
    OK(evlog_open(in(home, "log"), NULL, &log));
    return log;
}

static void send(evlog *log, unsigned count)
{
    evlog_signal *signal;
    OK(evlog_define(log, TYPE, 0, NULL, &signal));
    for (unsigned i = 0; i < count; i++)
        OK(evlog_send_event(signal, SMALL_MAP("\x07"), 4, NULL, NULL));
}

/* What the visitor got. */
struct seen {
    evlog_leaf leaves[64];
    unsigned char contents[64][200];
    unsigned count;
};

static int see(const evlog_leaf *leaf, void *ctx)
{
    struct seen *seen = ctx;
    assert_true(seen->count < 64);
    seen->leaves[seen->count] = *leaf;
    if (leaf->contents) {
        assert_true(leaf->contents_size <= sizeof seen->contents[0]);
        memcpy(seen->contents[seen->count], leaf->contents, leaf->contents_size);
    }
    seen->count++;
    return 0;
}

static int stop(const evlog_leaf *leaf, void *ctx)
{
    *(uint64_t *)ctx = leaf->seq;
    return leaf->seq == 3 ? 7 : 0;
}

/* A leaf has the bytes of the record; what is erased is 32 bytes in their place, and the head is the same. */
static void a_leaf_is_as_its_record_is_stored(void **state)
{
    static struct seen before, after;
    evlog *log = open_log(*state);
    evlog_buffer contents, names;
    unsigned char digest[32];
    uint64_t last;
    before.count = after.count = 0;
    memset(digest, 5, sizeof digest);
    send(log, EVENTS);
    OK(evlog_each_leaf(log, 1, EVENTS, see, &before));
    assert_int_equal(before.count, EVENTS);
    OK(evlog_erase_contents(log, 3, &contents));
    assert_int_equal(before.leaves[2].contents_size, contents.size);
    assert_memory_equal(before.contents[2], contents.data, contents.size);
    evlog_buffer_free(&contents);
    OK(evlog_erase(log, 3, digest, &(evlog_erase_options){.reason = "r", .note = "n"}));
    OK(evlog_each_leaf(log, 1, EVENTS + 1, see, &after));
    assert_int_equal(after.count, EVENTS + 1);
    assert_int_equal(after.leaves[2].kind, EVLOG_LEAF_ERASED);
    assert_memory_equal(after.leaves[2].head, before.leaves[2].head, EVLOG_LEAF_HEAD_SIZE);
    assert_memory_equal(after.contents[2], digest, sizeof digest);
    for (unsigned i = 0; i < EVENTS; i++) {
        assert_int_equal(after.leaves[i].seq, i + 1);
        assert_int_equal(get_big(after.leaves[i].head + 1, 8), i + 1);
        assert_int_equal(after.leaves[i].chain, before.leaves[i].chain);
        assert_int_equal(after.leaves[i].prev,
                         i ? before.leaves[i - 1].chain : after.leaves[0].prev);
    }
    OK(evlog_leaf_names(log, after.leaves[0].type_number, after.leaves[0].source_number, &names));
    assert_int_equal(((unsigned char *)names.data)[0], 0xa0 | (sizeof TYPE - 1));
    assert_memory_equal((char *)names.data + 1, TYPE, sizeof TYPE - 1);
    evlog_buffer_free(&names);
    FAILS(EVLOG_NOTFOUND, "", evlog_leaf_names(log, 1, after.leaves[0].source_number, &names));
    assert_int_equal(evlog_each_leaf(log, 1, EVENTS, stop, &last), 7);
    assert_int_equal(last, 3);
    FAILS(EVLOG_INVALID, "seq", evlog_each_leaf(log, 0, 1, see, &after));
    FAILS(EVLOG_INVALID, "visitor", evlog_each_leaf(log, 1, 1, NULL, NULL));
    OK(evlog_close(log));
}

/* What is damaged is not what is missing. */
static void damaged_and_missing_are_told_apart(void **state)
{
    static struct seen seen;
    const char *events = strdup(in(*state, "log/events.mdb"));
    evlog *log = open_log(*state);
    seen.count = 0;
    send(log, EVENTS);
    OK(evlog_close(log));
    struct damage_place place = damage_place_of(events, EVENTS);
    file_patch(events, "x", 1, place.value + place.size - 2);
    OK(evlog_open(in(*state, "log"), &(evlog_options){.read_only = true}, &log));
    OK(evlog_each_leaf(log, 1, EVENTS, see, &seen));
    OK(evlog_close(log));
    assert_int_equal(seen.count, EVENTS);
    assert_int_equal(seen.leaves[EVENTS - 1].kind, EVLOG_LEAF_DAMAGED);
    OK(evlog_repair(in(*state, "log"), NULL, NULL));
    log = open_log(*state);
    seen.count = 0;
    OK(evlog_each_leaf(log, 1, EVENTS + 1, see, &seen));
    assert_int_equal(seen.count, EVENTS + 1);
    assert_int_equal(seen.leaves[EVENTS - 1].kind, EVLOG_LEAF_MISSING);
    assert_int_equal(seen.leaves[EVENTS - 1].seq, EVENTS);
    assert_int_equal(seen.leaves[EVENTS - 1].last_seq, EVENTS);
    OK(evlog_close(log));
    free((char *)events);
}

static void seal(evlog *log, uint64_t size)
{
    static const unsigned char roots[32];
    OK(evlog_add_seal(log, size, "note", roots, sizeof roots));
}

static uint64_t first_of(evlog *log)
{
    evlog_info info;
    OK(evlog_inspect(log, &info));
    return info.first_seq;
}

/* A log that was sealed is cut only where a seal has the tree of what goes. */
static void a_sealed_log_is_trimmed_up_to_a_seal(void **state)
{
    evlog *log = open_log(*state);
    evlog_trimmed trimmed;
    send(log, 5);
    seal(log, 5); /* 6 */
    send(log, 5);
    seal(log, 9); /* 12: of fewer events than there are */
    send(log, 5); /* to 17 */
    OK(evlog_trim(log, 5, NULL, &trimmed));
    assert_int_equal(trimmed.first_seq, 0);
    assert_int_equal(trimmed.unsealed_seq, 1);
    OK(evlog_trim(log, 12, NULL, &trimmed));
    assert_int_equal(first_of(log), 6);
    assert_int_equal(trimmed.unsealed_seq, 6);
    OK(evlog_trim(log, 13, NULL, &trimmed));
    assert_int_equal(first_of(log), 10);
    OK(evlog_trim(log, 16, NULL, &trimmed));
    assert_int_equal(first_of(log), 10);
    OK(evlog_trim(log, 11, NULL, &trimmed)); /* less than was looked through */
    assert_int_equal(first_of(log), 10);
    OK(evlog_trim(log, 16, &(evlog_trim_options){.force = true}, &trimmed));
    assert_int_equal(first_of(log), 16);
    assert_int_equal(trimmed.unsealed_seq, 0);
    OK(evlog_close(log));
}

/* So does a policy, in one step for all that a seal covers. */
static void a_policy_goes_from_seal_to_seal(void **state)
{
    static const evlog_retention policy = {.count = 10, .held_by = EVLOG_HELD_BY_NONE};
    evlog_retained retained;
    evlog *log = open_log(*state);
    send(log, 3000);
    OK(evlog_retain(log, &policy));
    seal(log, 2500); /* 3001 */
    OK(evlog_retention_look(log, &policy, &retained));
    assert_int_equal(retained.held_seq,
                     1); /* the event of the seal is itself among the newest ten */
    assert_string_equal(retained.held_by, "");
    send(log, 10);
    OK(evlog_retention_look(log, &policy, &retained));
    assert_int_equal(retained.last_seq, 2500);
    assert_int_equal(retained.held_seq, 2501);
    OK(evlog_retention_apply(log));
    assert_int_equal(first_of(log), 2501);
    OK(evlog_close(log));
}

/* Its arguments. */
static void a_seal_is_of_events_that_are_there(void **state)
{
    evlog *log = open_log(*state);
    unsigned char roots[65 * 32] = {0};
    char *note = malloc(EVLOG_SEAL_NOTE_SIZE_MAX + 2);
    send(log, 2);
    memset(note, 'n', EVLOG_SEAL_NOTE_SIZE_MAX + 1);
    note[EVLOG_SEAL_NOTE_SIZE_MAX + 1] = '\0';
    FAILS(EVLOG_INVALID, "that are there", evlog_add_seal(log, 0, "", roots, 0));
    FAILS(EVLOG_INVALID, "that are there", evlog_add_seal(log, 3, "", roots, 32));
    FAILS(EVLOG_INVALID, "UTF-8", evlog_add_seal(log, 2, "\xff", roots, 32));
    FAILS(EVLOG_INVALID, "", evlog_add_seal(log, 2, "", roots, 33));
    FAILS(EVLOG_INVALID, "", evlog_add_seal(log, 2, NULL, roots, 32));
    FAILS(EVLOG_LIMIT, "too long", evlog_add_seal(log, 2, note, roots, 32));
    FAILS(EVLOG_LIMIT, "too long", evlog_add_seal(log, 2, "", roots, sizeof roots));
    free(note);
    OK(evlog_add_seal(log, 2, "", roots, 32));
    OK(evlog_close(log));
    OK(evlog_open(in(*state, "log"), &(evlog_options){.read_only = true}, &log));
    FAILS(EVLOG_READONLY, "", evlog_add_seal(log, 2, "", roots, 32));
    OK(evlog_close(log));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(a_leaf_is_as_its_record_is_stored),
        TEST_AT_HOME(damaged_and_missing_are_told_apart),
        TEST_AT_HOME(a_sealed_log_is_trimmed_up_to_a_seal),
        TEST_AT_HOME(a_policy_goes_from_seal_to_seal),
        TEST_AT_HOME(a_seal_is_of_events_that_are_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
