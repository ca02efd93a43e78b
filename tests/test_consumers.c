/* A consumer's entries in state.mdb: their bytes, and the transaction that changes them. */
#include <msgpack.h>

#include "consumers.h"
#include "env.h"
#include "log.h"
#include "record.h"
#include "test.h"

#define NAME "mailer"

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

/* A change of one entry; without a value it is taken away. */
static struct change *change_to(int kind, uint64_t seq, const char *value, size_t size)
{
    struct key key = position_seq_key(kind, NAME, seq);
    struct change *change = change_new(&key, value, size, 0);
    assert_non_null(change);
    return change;
}

#define VALUE "\x92\xcf\0\0\0\0\0\0\0\0\x01", 11

static int is_there(struct fixture *fixture, int kind, uint64_t seq)
{
    struct key key = position_seq_key(kind, NAME, seq);
    void *value;
    size_t size;
    int result = entry_read(fixture->store->state, key.bytes, key.size, &value, &size);
    if (result == EVLOG_OK)
        free(value);
    else
        assert_int_equal(result, EVLOG_NOTFOUND);
    return result == EVLOG_OK;
}

static void write_changes(struct fixture *fixture, struct change *first, struct change *second)
{
    struct position position;
    first->next = second;
    OK(position_write(fixture->store, NAME, NULL, NULL, first, &position));
    changes_free(first);
}

/* The keys are those of store/README.md, byte by byte. */
static void keys_are_those_of_the_format(void **state)
{
    (void)state;
    struct key key = position_key(KIND_CONSUMER, "ab", NULL, 0);
    assert_int_equal(key.size, 3);
    assert_memory_equal(key.bytes, "cab", 3);
    key = position_key(KIND_FILTER, "ab", NULL, 0);
    assert_int_equal(key.size, 4);
    assert_memory_equal(key.bytes, "fab\0", 4);
    key = position_seq_key(KIND_PARKED, "ab", 0x0102030405060708);
    assert_int_equal(key.size, 12);
    assert_memory_equal(key.bytes, "pab\0\x01\x02\x03\x04\x05\x06\x07\x08", 12);
    key = position_key(KIND_STATE, "ab", "x\0y", 3);
    assert_int_equal(key.size, 7);
    assert_memory_equal(key.bytes, "vab\0x\0y", 7);
}

/* The entry of a new consumer: ten elements, in the order of store/README.md. */
static void the_entry_is_that_of_the_format(void **state)
{
    struct fixture fixture;
    begin(&fixture, *state);
    struct key key = position_key(KIND_CONSUMER, NAME, NULL, 0);
    msgpack_unpacked unpacked;
    void *value;
    size_t size;
    OK(entry_read(fixture.store->state, key.bytes, key.size, &value, &size));
    OK(position_unpack(value, size, &unpacked));
    const msgpack_object_array *array = &unpacked.data.via.array;
    assert_int_equal(array->size, 10);
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
    msgpack_unpacked_destroy(&unpacked);
    free(value);
    OK(evlog_close(fixture.log));
}

/* The counts in the entry follow what is put, put again, moved and taken away. */
static void counts_follow_the_entries(void **state)
{
    struct fixture fixture;
    struct position position;
    begin(&fixture, *state);
    write_changes(&fixture, change_to(KIND_PARKED, 1, VALUE), change_to(KIND_PARKED, 2, VALUE));
    write_changes(&fixture, change_to(KIND_PARKED, 2, VALUE), change_to(KIND_STATE, 9, VALUE));
    OK(position_read(fixture.store, NAME, &position));
    assert_int_equal(position.parked_count, 2);
    assert_int_equal(position.retry_count, 0);
    assert_int_equal(position.state_count, 1);
    write_changes(&fixture, change_to(KIND_PARKED, 1, NULL, 0), change_to(KIND_RETRY, 1, VALUE));
    write_changes(&fixture, change_to(KIND_STATE, 9, NULL, 0), change_to(KIND_STATE, 8, NULL, 0));
    OK(position_read(fixture.store, NAME, &position));
    assert_int_equal(position.parked_count, 2);
    assert_int_equal(position.retry_count, 1);
    assert_int_equal(position.state_count, 0);
    OK(evlog_close(fixture.log));
}

/* A parked event that somebody else has dropped meanwhile does not come back as one to retry. */
static void what_is_put_instead_needs_what_was_there(void **state)
{
    struct fixture fixture;
    begin(&fixture, *state);
    write_changes(&fixture, change_to(KIND_PARKED, 1, VALUE), NULL);
    for (int round = 0; round < 2; round++) {
        struct change *instead = change_to(KIND_RETRY, 1, VALUE);
        instead->is_instead = 1;
        write_changes(&fixture, change_to(KIND_PARKED, 1, NULL, 0), instead);
        assert_int_equal(is_there(&fixture, KIND_RETRY, 1), round == 0);
        write_changes(&fixture, change_to(KIND_RETRY, 1, NULL, 0), NULL);
    }
    assert_false(is_there(&fixture, KIND_PARKED, 1));
    OK(evlog_close(fixture.log));
}

/*
 * Of several kinds, from a seq on, in one transaction; the others stay, another consumer's too.
 */
static void clearing_takes_what_is_asked(void **state)
{
    struct fixture fixture;
    struct clear clears[] = {{.kind = KIND_PARKED, .after_seq = 300}, {.kind = KIND_STATE}};
    struct position position;
    evlog_consumer *other;
    begin(&fixture, *state);
    OK(evlog_consumer_open(fixture.log, NAME "2", NULL, &other));
    OK(evlog_state_put(other, "k", 1, "v", 1));
    OK(evlog_consumer_close(other));
    for (uint64_t seq = 1; seq <= 600; seq++)
        write_changes(&fixture, change_to(KIND_PARKED, seq, VALUE),
                      change_to(KIND_STATE, seq, VALUE));
    OK(position_clear(fixture.store, NAME, NULL, NULL, clears, 2));
    assert_int_equal(clears[0].count, 300);
    assert_int_equal(clears[1].count, 600);
    OK(position_read(fixture.store, NAME, &position));
    assert_int_equal(position.parked_count, 300);
    assert_int_equal(position.state_count, 0);
    assert_true(is_there(&fixture, KIND_PARKED, 300));
    assert_false(is_there(&fixture, KIND_PARKED, 301));
    OK(position_read(fixture.store, NAME "2", &position));
    assert_int_equal(position.state_count, 1);
    OK(position_remove(fixture.store, NAME));
    assert_false(is_there(&fixture, KIND_PARKED, 300));
    FAILS(EVLOG_NOTFOUND, "no consumer " NAME, position_read(fixture.store, NAME, &position));
    OK(position_read(fixture.store, NAME "2", &position));
    OK(evlog_close(fixture.log));
}

/* A failing edit changes nothing, nor do the changes that came with it. */
static int refuse(struct position *position, void *ctx)
{
    (void)ctx;
    position->checkpoint = 77;
    return EVLOG_LIMIT;
}

static void a_failing_edit_changes_nothing(void **state)
{
    struct fixture fixture;
    struct position before, after;
    begin(&fixture, *state);
    struct change *change = change_to(KIND_PARKED, 1, VALUE);
    OK(position_read(fixture.store, NAME, &before));
    assert_int_equal(position_write(fixture.store, NAME, refuse, NULL, change, NULL),
                     EVLOG_LIMIT);
    changes_free(change);
    OK(position_read(fixture.store, NAME, &after));
    assert_memory_equal(&before, &after, sizeof before);
    assert_false(is_there(&fixture, KIND_PARKED, 1));
    OK(evlog_close(fixture.log));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_those_of_the_format),
        TEST_AT_HOME(the_entry_is_that_of_the_format),
        TEST_AT_HOME(counts_follow_the_entries),
        TEST_AT_HOME(what_is_put_instead_needs_what_was_there),
        TEST_AT_HOME(clearing_takes_what_is_asked),
        TEST_AT_HOME(a_failing_edit_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
