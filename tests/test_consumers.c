/* A consumer's entries in state.mdb: their bytes, and the transaction that changes them. */
#include <msgpack.h>

#include "consumers.h"
#include "env.h"
#include "log.h"
#include "record.h"
#include "test.h"

#define NAME "mailer"

/* --------------------------------------------------------------- memory ---- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);

static unsigned long failing; /* this allocation from now fails; 0: none */

void *__wrap_malloc(size_t size)
{
    return failing > 0 && --failing == 0 ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return failing > 0 && --failing == 0 ? NULL : __real_calloc(count, size);
}

/* -------------------------------------------------------------- fixture ---- */

struct fixture {
    evlog *log;
    struct store *store;
    evlog_signal *signal;
};

static void begin(struct fixture *fixture, const void *home)
{
    evlog_consumer *consumer;
    const char *types[] = {"a.*"};
    OK(evlog_open(in(home, "log"), NULL, &fixture->log));
    OK(evlog_define(fixture->log, "a.b.v1", 0, NULL, &fixture->signal));
    fixture->store = fixture->log->store;
    evlog_consumer_options options = {.types = types, .type_count = 1};
    OK(evlog_consumer_open(fixture->log, NAME, &options, &consumer));
    OK(evlog_consumer_close(consumer));
}

static struct change *park(enum entry_kind kind, uint64_t seq)
{
    evlog_parked parked = {.seq = seq, .last_seq = seq, .attempt_count = 1, .error = "why"};
    struct change *change = change_park(NAME, kind, &parked);
    assert_non_null(change);
    return change;
}

static struct change *unpark(enum entry_kind kind, uint64_t seq)
{
    struct change *change = change_unpark(NAME, kind, seq);
    assert_non_null(change);
    return change;
}

/* A state key made of `number` gets the value "value", or is deleted. */
static struct change *state(uint64_t number, bool is_put)
{
    struct entry_key key;
    consumer_state_key(NAME, &number, sizeof number, &key);
    struct change *change =
        is_put ? change_put_state(&key, "value", 5) : change_delete_state(&key);
    assert_non_null(change);
    return change;
}

static int is_there(struct fixture *fixture, enum entry_kind kind, uint64_t seq)
{
    struct entry_key key = consumer_seq_key(kind, NAME, seq);
    struct entry entry;
    int result = entry_read(fixture->store->state, ENV_NEWEST, key.bytes, key.size, &entry);
    if (result == EVLOG_OK)
        free(entry.value);
    else
        assert_int_equal(result, EVLOG_NOTFOUND);
    return result == EVLOG_OK;
}

static void write_changes(struct fixture *fixture, struct change *first, struct change *second)
{
    struct consumer_entry entry;
    first->next = second;
    OK(consumers_write(fixture->store, NAME, NULL, NULL, first, &entry));
    changes_free(first);
}

static struct consumer_entry read_entry(struct fixture *fixture)
{
    struct consumer_entry entry;
    OK(consumers_read(fixture->store, NAME, &entry));
    return entry;
}

/* The keys are those of store/README.md, byte by byte. */
static void keys_are_those_of_the_format(void **state)
{
    (void)state;
    struct entry_key key = consumer_key(ENTRY_CONSUMER, "ab");
    assert_int_equal(key.size, 3);
    assert_memory_equal(key.bytes, "cab", 3);
    key = consumer_key(ENTRY_FILTER, "ab");
    assert_int_equal(key.size, 4);
    assert_memory_equal(key.bytes, "fab\0", 4);
    key = consumer_seq_key(ENTRY_PARKED, "ab", 0x0102030405060708);
    assert_int_equal(key.size, 12);
    assert_memory_equal(key.bytes, "pab\0\x01\x02\x03\x04\x05\x06\x07\x08", 12);
    consumer_state_key("ab", "x\0y", 3, &key);
    assert_int_equal(key.size, 7);
    assert_memory_equal(key.bytes, "vab\0x\0y", 7);
}

/* The entry of a new consumer: eleven elements, in the order of store/README.md. */
static void the_entry_is_that_of_the_format(void **state)
{
    struct fixture fixture;
    begin(&fixture, *state);
    struct entry_key key = consumer_key(ENTRY_CONSUMER, NAME);
    msgpack_unpacked unpacked;
    struct entry entry;
    OK(entry_read(fixture.store->state, ENV_NEWEST, key.bytes, key.size, &entry));
    msgpack_unpacked_init(&unpacked);
    assert_int_equal(
        msgpack_unpack_next(&unpacked, (const char *)entry.value, entry.value_size, NULL),
        MSGPACK_UNPACK_SUCCESS);
    const msgpack_object_array *array = &unpacked.data.via.array;
    assert_int_equal(array->size, 11);
    for (int i = 0; i < 8; i++)
        assert_int_equal(array->ptr[i].type, MSGPACK_OBJECT_POSITIVE_INTEGER);
    assert_int_equal(array->ptr[1].via.u64, 0); /* the first slot */
    assert_int_equal(array->ptr[2].via.u64, 0); /* not paused */
    assert_true(array->ptr[3].via.u64 <= array->ptr[4].via.u64);
    assert_int_equal(array->ptr[5].via.u64, 0); /* checkpoint, of an empty log */
    for (int i = 8; i < 10; i++) {
        assert_int_equal(array->ptr[i].type, MSGPACK_OBJECT_ARRAY);
        assert_int_equal(array->ptr[i].via.array.size, 3);
    }
    assert_int_equal(array->ptr[10].type, MSGPACK_OBJECT_POSITIVE_INTEGER);
    assert_int_equal(array->ptr[10].via.u64, 1); /* owner: it was opened once */
    msgpack_unpacked_destroy(&unpacked);
    free(entry.value);
    OK(evlog_close(fixture.log));
}

/* The other kinds of entries, byte by byte but for their checksum. */
static void the_other_entries_are_those_of_the_format(void **state_)
{
    static const char *const types[] = {"a.*", "b"};
    static const char filter[] = "\x92\xa3"
                                 "a.*"
                                 "\xa1"
                                 "b";
    static const char parked[] = "\x03\xd2\xff\xff\x00\x00\x09\x01\xc4\x03why";
    struct entry_key key;
    consumer_state_key(NAME, "k", 1, &key);
    evlog_parked event = {.seq = 7,
                          .last_seq = 9,
                          .attempt_count = 3,
                          .time_us = -65536,
                          .is_lost = 1,
                          .error = "why"};
    (void)state_;
    struct change *change = change_filter(NAME, types, 2);
    assert_int_equal(change->value_size, 10 + sizeof filter - 1);
    assert_memory_equal(change->value + 10, filter, sizeof filter - 1);
    free(change);
    change = change_park(NAME, ENTRY_RETRY, &event);
    assert_int_equal(change->value[0], 0x96);
    assert_int_equal(change->value_size, 10 + sizeof parked - 1);
    assert_memory_equal(change->value + 10, parked, sizeof parked - 1);
    free(change);
    change = change_put_state(&key, "", 0);
    assert_int_equal(change->value_size, 12);
    assert_memory_equal(change->value + 10, "\xc4\x00", 2);
    free(change);
}

/* The counts in the entry follow what is put, put again, moved and taken away. */
static void counts_follow_the_entries(void **state_)
{
    struct fixture fixture;
    begin(&fixture, *state_);
    write_changes(&fixture, park(ENTRY_PARKED, 1), park(ENTRY_PARKED, 2));
    write_changes(&fixture, park(ENTRY_PARKED, 2), state(9, true));
    struct consumer_entry entry = read_entry(&fixture);
    assert_int_equal(entry.parked_count, 2);
    assert_int_equal(entry.retry_count, 0);
    assert_int_equal(entry.state_count, 1);
    write_changes(&fixture, unpark(ENTRY_PARKED, 1), park(ENTRY_RETRY, 1));
    write_changes(&fixture, state(9, false), state(8, false));
    entry = read_entry(&fixture);
    assert_int_equal(entry.parked_count, 2);
    assert_int_equal(entry.retry_count, 1);
    assert_int_equal(entry.state_count, 0);
    OK(evlog_close(fixture.log));
}

/* A parked event becomes one to be retried once; one that was dropped does not come back. */
static void only_what_is_parked_is_retried_or_dropped(void **state)
{
    struct fixture fixture;
    uint64_t count;
    begin(&fixture, *state);
    write_changes(&fixture, park(ENTRY_PARKED, 1), park(ENTRY_PARKED, 2));
    OK(consumers_change_parked(fixture.store, NAME, 1, true, &count));
    assert_int_equal(count, 1);
    assert_true(is_there(&fixture, ENTRY_RETRY, 1) && !is_there(&fixture, ENTRY_PARKED, 1));
    FAILS(EVLOG_NOTFOUND, "event 1 is not parked, or waits to be retried already",
          consumers_change_parked(fixture.store, NAME, 1, true, &count));
    FAILS(EVLOG_NOTFOUND, "event 3 is not parked",
          consumers_change_parked(fixture.store, NAME, 3, false, &count));
    struct consumer_entry entry = read_entry(&fixture);
    assert_int_equal(entry.parked_count, 2);
    assert_int_equal(entry.retry_count, 1);
    OK(consumers_change_parked(fixture.store, NAME, 0, false, &count));
    assert_int_equal(count, 2);
    OK(consumers_change_parked(fixture.store, NAME, 0, true, &count));
    assert_int_equal(count, 0);
    entry = read_entry(&fixture);
    assert_int_equal(entry.parked_count, 0);
    assert_int_equal(entry.retry_count, 0);
    FAILS(EVLOG_NOTFOUND, "no consumer",
          consumers_change_parked(fixture.store, "x", 0, false, &count));
    OK(evlog_close(fixture.log));
}

static int to_300(struct consumer_entry *entry, void *ctx)
{
    (void)ctx;
    entry->checkpoint = 300;
    return EVLOG_OK;
}

/*
 * A reset takes the state and what is parked after the new checkpoint; the rest stays, another
 * consumer's too, until the consumer is removed.
 */
static void a_reset_and_a_removal_take_their_own(void **state_)
{
    struct fixture fixture;
    struct consumer_entry entry;
    evlog_consumer *other;
    begin(&fixture, *state_);
    OK(evlog_consumer_open(fixture.log, NAME "2", NULL, &other));
    OK(evlog_state_put(other, "k", 1, "v", 1));
    OK(evlog_consumer_close(other));
    for (uint64_t seq = 1; seq <= 600; seq++)
        write_changes(&fixture, park(seq % 2 ? ENTRY_PARKED : ENTRY_RETRY, seq),
                      state(seq, true));
    OK(consumers_reset(fixture.store, &(const char *){NAME}, 1, to_300, NULL));
    entry = read_entry(&fixture);
    assert_int_equal(entry.checkpoint, 300);
    assert_int_equal(entry.parked_count, 300);
    assert_int_equal(entry.retry_count, 150);
    assert_int_equal(entry.state_count, 0);
    assert_true(is_there(&fixture, ENTRY_PARKED, 299) && is_there(&fixture, ENTRY_RETRY, 300));
    assert_false(is_there(&fixture, ENTRY_PARKED, 301) || is_there(&fixture, ENTRY_RETRY, 302));
    OK(consumers_read(fixture.store, NAME "2", &entry));
    assert_int_equal(entry.state_count, 1);
    OK(consumers_remove(fixture.store, &(const char *){NAME}, 1));
    assert_false(is_there(&fixture, ENTRY_PARKED, 299));
    FAILS(EVLOG_NOTFOUND, "no consumer " NAME, consumers_read(fixture.store, NAME, &entry));
    OK(consumers_read(fixture.store, NAME "2", &entry));
    OK(evlog_close(fixture.log));
}

/* Creating a consumer writes its filter in the same transaction, and only when it is new. */
static void a_consumer_is_made_with_its_filter(void **state)
{
    static const char *const types[] = {"first.*", "second"};
    struct fixture fixture;
    struct consumer_entry entry = {.checkpoint = 5}, other = {.checkpoint = 6};
    struct page_snapshot before, after;
    char **read;
    size_t count;
    bool is_new;
    begin(&fixture, *state);
    struct change *filter = change_filter("x", types, 2);
    OK(env_snapshot(fixture.store->state, &before));
    OK(consumers_create(fixture.store, "x", filter, &entry, &is_new));
    OK(env_snapshot(fixture.store->state, &after));
    assert_int_equal(after.txnid, before.txnid + 1);
    assert_true(is_new);
    assert_int_equal(entry.slot, 1);
    free(filter);
    filter = change_filter("x", types + 1, 1);
    OK(consumers_create(fixture.store, "x", filter, &other, &is_new));
    assert_false(is_new);
    assert_memory_equal(&other, &entry, sizeof entry);
    free(filter);
    OK(consumers_read_types(fixture.store, "x", &read, &count));
    assert_int_equal(count, 2);
    assert_string_equal(read[0], "first.*");
    assert_string_equal(read[1], "second");
    free(read);
    OK(evlog_close(fixture.log));
}

/* A failing edit changes nothing, nor do the changes that came with it. */
static int refuse(struct consumer_entry *entry, void *ctx)
{
    (void)ctx;
    entry->checkpoint = 77;
    return EVLOG_LIMIT;
}

static void a_failing_edit_changes_nothing(void **state)
{
    struct fixture fixture;
    begin(&fixture, *state);
    struct change *change = park(ENTRY_PARKED, 1);
    struct consumer_entry before = read_entry(&fixture);
    assert_int_equal(consumers_write(fixture.store, NAME, refuse, NULL, change, NULL),
                     EVLOG_LIMIT);
    changes_free(change);
    struct consumer_entry after = read_entry(&fixture);
    assert_int_equal(before.checkpoint, after.checkpoint);
    assert_int_equal(before.updated_us, after.updated_us);
    assert_int_equal(before.parked_count, after.parked_count);
    assert_false(is_there(&fixture, ENTRY_PARKED, 1));
    OK(evlog_close(fixture.log));
}

static int count_parked(const evlog_parked *parked, void *ctx)
{
    (void)parked;
    ++*(int *)ctx;
    return 0;
}

static int list_parked(struct fixture *fixture)
{
    int count = 0;
    int result = consumers_each_parked(fixture->store, NAME, count_parked, &count);
    if (result == EVLOG_OK)
        assert_int_equal(count, 2);
    return result;
}

static int read_types(struct fixture *fixture)
{
    char **types;
    size_t count;
    int result = consumers_read_types(fixture->store, NAME, &types, &count);
    if (result == EVLOG_OK)
        free(types);
    return result;
}

static int next_retry(struct fixture *fixture)
{
    evlog_parked parked;
    return consumers_next_retry(fixture->store, NAME, 0, &parked);
}

static int read_place(struct fixture *fixture)
{
    struct consumer_entry entry;
    return consumers_read(fixture->store, NAME, &entry);
}

static int drop(struct fixture *fixture)
{
    uint64_t count;
    return consumers_change_parked(fixture->store, NAME, 0, false, &count);
}

/* Whichever allocation fails, a lack of memory is reported as that and never as damage. */
static void a_lack_of_memory_is_not_damage(void **state)
{
    static int (*const calls[])(struct fixture *) = {list_parked, read_types, next_retry,
                                                     read_place, drop};
    struct fixture fixture;
    begin(&fixture, *state);
    write_changes(&fixture, park(ENTRY_PARKED, 1), park(ENTRY_RETRY, 2));
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        unsigned long nth = 1;
        for (;; nth++) {
            failing = nth;
            int result = calls[i](&fixture);
            failing = 0;
            if (result == EVLOG_OK)
                break;
            if (result != EVLOG_NOMEM)
                fail_msg("call %zu, allocation %lu: %d: %s", i, nth, result, evlog_errmsg());
        }
        assert_true(nth > 1);
    }
    OK(evlog_close(fixture.log));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_those_of_the_format),
        TEST_AT_HOME(the_entry_is_that_of_the_format),
        cmocka_unit_test(the_other_entries_are_those_of_the_format),
        TEST_AT_HOME(counts_follow_the_entries),
        TEST_AT_HOME(only_what_is_parked_is_retried_or_dropped),
        TEST_AT_HOME(a_reset_and_a_removal_take_their_own),
        TEST_AT_HOME(a_consumer_is_made_with_its_filter),
        TEST_AT_HOME(a_failing_edit_changes_nothing),
        TEST_AT_HOME(a_lack_of_memory_is_not_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
