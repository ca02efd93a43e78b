/*
 * Types and sources: the bytes of an entry, numbers that are dense, the same for all
 * processes and for ever, and what becomes of an entry that is not as it was written: a
 * writer does not start, a reader has a hole in its place.
 */
#include <errno.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "damage.h"
#include "store.h"

#define TEXTS(...) ((const char *const[NAMES_TEXTS]){__VA_ARGS__})

static struct store *open_store(const void *home, int read_only)
{
    struct store *store;
    OK(store_open(in(home, "log"), &(evlog_options){.read_only = read_only}, &store));
    return store;
}

static int try_open(const void *home, int read_only)
{
    struct store *store;
    int result = store_open(in(home, "log"), &(evlog_options){.read_only = read_only}, &store);
    if (result == EVLOG_OK)
        store_close(store);
    return result;
}

/* The number under which it is interned. */
static uint32_t intern(struct names *names, const char *const text[NAMES_TEXTS])
{
    const struct name *name = NULL;
    OK(names_intern(names, text, NULL, &name));
    for (int i = 0; i < NAMES_TEXTS; i++) {
        assert_int_equal(!name->text[i], !text[i]);
        assert_true(!text[i] || strcmp(name->text[i], text[i]) == 0);
    }
    assert_ptr_equal(names_get(names, name->number), name);
    return name->number;
}

static uint32_t intern_number(struct names *names, unsigned number)
{
    char text[32];
    snprintf(text, sizeof text, "type.%u.v1", number);
    return intern(names, TEXTS(text));
}

/* A new log with the types type.1.v1 to type.`count`.v1, closed. */
static void make_types(const void *home, unsigned count)
{
    struct store *store = open_store(home, 0);
    for (unsigned i = 1; i <= count; i++)
        assert_int_equal(intern_number(store->types, i), i);
    OK(store_close(store));
}

static void assert_is(struct names *names, uint32_t number, const char *text)
{
    const struct name *name = names_get(names, number);
    assert_non_null(name);
    assert_int_equal(name->number, number);
    assert_string_equal(name->text[0], text);
}

/* ------------------------------------------------------------- interning ---- */

/* The first text is number 1, the next 2; the same texts are the same entry. */
static void numbers_are_dense_from_1(void **state)
{
    struct store *store = open_store(*state, 0);
    assert_int_equal(names_count(store->types), 0);
    assert_null(names_get(store->types, 0));
    assert_null(names_get(store->types, 1));
    for (unsigned i = 1; i <= 20; i++)
        assert_int_equal(intern_number(store->types, i), i);
    for (unsigned i = 20; i >= 1; i--)
        assert_int_equal(intern_number(store->types, i), i);
    assert_int_equal(names_count(store->types), 20);
    assert_null(names_get(store->types, 21));
    assert_null(names_get(store->types, UINT32_MAX));
    OK(store_close(store));
}

/* Types and sources are counted each for itself. */
static void types_and_sources_are_apart(void **state)
{
    struct store *store = open_store(*state, 0);
    assert_int_equal(intern(store->types, TEXTS("x")), 1);
    assert_int_equal(intern(store->sources, TEXTS("x", "", "")), 1);
    assert_int_equal(intern(store->types, TEXTS("y")), 2);
    assert_int_equal(intern(store->sources, TEXTS("x", "", "1")), 2);
    assert_int_equal(names_count(store->types), 2);
    assert_int_equal(names_count(store->sources), 2);
    OK(store_close(store));
}

/* Every text counts: where one ends, and whether there is one, are differences too. */
static void all_texts_make_the_entry(void **state)
{
    struct store *store = open_store(*state, 0);
    const char *const *const entries[] = {
        TEXTS("a", "bc", "d"), TEXTS("ab", "c", "d"), TEXTS("a", "b", "cd"),
        TEXTS("a", "", ""),    TEXTS("a", "", "1"),   TEXTS("A", "", "1"),
    };
    const char *const *const types[] = {TEXTS("a"), TEXTS("a", ""), TEXTS("a", "schema"),
                                        TEXTS("a", "schem")};
    for (uint32_t i = 0; i < sizeof entries / sizeof *entries; i++)
        assert_int_equal(intern(store->sources, entries[i]), i + 1);
    for (uint32_t i = 0; i < sizeof types / sizeof *types; i++)
        assert_int_equal(intern(store->types, types[i]), i + 1);
    OK(store_close(store));
    store = open_store(*state, 1);
    assert_int_equal(names_count(store->sources), 6);
    assert_int_equal(names_count(store->types), 4);
    assert_null(names_get(store->types, 1)->text[1]);
    assert_string_equal(names_get(store->types, 2)->text[1], "");
    assert_string_equal(names_get(store->types, 3)->text[1], "schema");
    assert_string_equal(names_get(store->sources, 2)->text[2], "d");
    OK(store_close(store));
}

/* Texts of EVLOG_NAME_SIZE_MAX bytes, three in an entry, come back whole. */
static void the_longest_texts_come_back(void **state)
{
    char a[EVLOG_NAME_SIZE_MAX + 1] = "", b[EVLOG_NAME_SIZE_MAX + 1] = "";
    memset(a, 'a', EVLOG_NAME_SIZE_MAX);
    memset(b, 'a', EVLOG_NAME_SIZE_MAX);
    b[EVLOG_NAME_SIZE_MAX - 1] = 'b';
    struct store *store = open_store(*state, 0);
    assert_int_equal(intern(store->sources, TEXTS(a, a, a)), 1);
    assert_int_equal(intern(store->sources, TEXTS(a, a, b)), 2);
    OK(store_close(store));
    store = open_store(*state, 0);
    assert_int_equal(intern(store->sources, TEXTS(a, a, b)), 2);
    assert_int_equal(intern(store->sources, TEXTS(a, a, a)), 1);
    OK(store_close(store));
}

/* What was interned has its number for ever, and the next one goes on behind it. */
static void numbers_last(void **state)
{
    enum { COUNT = 700 };
    make_types(*state, COUNT);
    struct store *store = open_store(*state, 0);
    assert_int_equal(names_count(store->types), COUNT);
    assert_is(store->types, COUNT, "type.700.v1");
    for (unsigned i = COUNT; i >= 1; i--)
        assert_int_equal(intern_number(store->types, i), i);
    assert_int_equal(intern(store->types, TEXTS("another")), COUNT + 1);
    OK(store_close(store));
}

/* A log that is open for reading only takes no new ones, and says so. */
static void a_reader_makes_none(void **state)
{
    const struct name *name = NULL;
    make_types(*state, 2);
    struct store *store = open_store(*state, 1);
    assert_int_equal(intern_number(store->types, 2), 2);
    FAILS(EVLOG_READONLY, "reading only", names_intern(store->types, TEXTS("new"), NULL, &name));
    assert_null(name);
    assert_int_equal(names_count(store->types), 2);
    OK(store_close(store));
}

/* ------------------------------------------------------------- the bytes ---- */

#define TYPE_KEY "t\0\0\0\x01"
#define SOURCE_KEY "s\0\0\0\x01"

static void assert_value(const void *home, const char *key, const void *bytes, size_t size)
{
    struct raw raw = raw_open(in(home, "log/state.mdb"));
    struct bytes value = raw_get(&raw, key, 5);
    assert_int_equal(value.size, size);
    assert_memory_equal(value.at, bytes, size);
    free(value.at);
    raw_close(&raw);
}

/* Entries are what store/README.md says; the checksums are another program's (python3-xxhash). */
static void entries_are_the_golden_bytes(void **state)
{
    static const char type[] = "\x94\xcf\x88\x9c\xed\x6a\x18\x3c\xdd\x21\xa6"
                               "a.b.v1\xc0\xc0";
    static const char source[] = "\x94\xcf\x95\x1a\x84\xb0\x0e\xc3\xd8\x6b\xaf"
                                 "openedx/lms/web\xa5lms-1\xa5"
                                 "0.1.0";
    struct store *store = open_store(*state, 0);
    intern(store->types, TEXTS("a.b.v1"));
    intern(store->sources, TEXTS("openedx/lms/web", "lms-1", "0.1.0"));
    OK(store_close(store));
    assert_value(*state, TYPE_KEY, type, sizeof type - 1);
    assert_value(*state, SOURCE_KEY, source, sizeof source - 1);
}

/* ---------------------------------------------------------------- limits ---- */

static void type_key(unsigned char key[5], uint32_t number)
{
    key[0] = 't';
    put_big(key + 1, number, 4);
}

/* Writes types past the library, `first` to `last`. */
static void put_types(const void *home, uint32_t first, uint32_t last)
{
    struct raw raw = raw_open(in(home, "log/state.mdb"));
    for (uint32_t i = first; i <= last; i++) {
        unsigned char key[5], value[64] = "\x94\xcf.........";
        int size = snprintf((char *)value + 11, 32, "type.%u.v1", i);
        value[10] = (unsigned char)(0xa0 | size);
        memcpy(value + 11 + size, "\xc0\xc0", 2);
        type_key(key, i);
        entry_refit(key, 5, value, 13 + (size_t)size);
        raw_put(&raw, key, 5, (struct bytes){value, 13 + (size_t)size});
    }
    raw_close(&raw);
}

/* EVLOG_TYPES_MAX of them are read, found and used; one more is over the limit. */
static void a_full_table_says_so(void **state)
{
    const struct name *name = NULL;
    make_types(*state, 1);
    put_types(*state, 2, EVLOG_TYPES_MAX - 1);
    struct store *store = open_store(*state, 0);
    assert_int_equal(names_count(store->types), EVLOG_TYPES_MAX - 1);
    for (unsigned i = 1; i < EVLOG_TYPES_MAX; i += 777)
        assert_int_equal(intern_number(store->types, i), i);
    assert_int_equal(intern_number(store->types, EVLOG_TYPES_MAX), EVLOG_TYPES_MAX);
    FAILS(EVLOG_LIMIT, "65535 different event types",
          names_intern(store->types, TEXTS("one more"), NULL, &name));
    assert_null(name);
    assert_int_equal(intern_number(store->types, 1), 1);
    assert_null(names_get(store->types, EVLOG_TYPES_MAX + 1));
    OK(store_close(store));
    put_types(*state, EVLOG_TYPES_MAX + 1, EVLOG_TYPES_MAX + 3);
    store = open_store(*state, 1);
    assert_int_equal(names_count(store->types), EVLOG_TYPES_MAX);
    assert_null(names_get(store->types, EVLOG_TYPES_MAX + 1));
    OK(store_close(store));
}

/* ------------------------------------------------------------- processes ---- */

#define PROCESSES 4
#define COMMON 61 /* a prime: any step goes round */

struct shared {
    _Atomic int ready;
    uint32_t numbers[PROCESSES][COMMON]; /* of the common names, as each process got them */
    uint32_t own[PROCESSES][COMMON];     /* of the names only it interns */
};

/* In a child, where cmocka cannot report: it ends with 1. */
static uint32_t child_intern(struct names *names, const char *text)
{
    const struct name *name;
    if (names_intern(names, TEXTS(text), NULL, &name) || strcmp(name->text[0], text) != 0 ||
        names_get(names, name->number) != name)
        _exit(1);
    return name->number;
}

static void intern_in_own_order(const char *path, struct shared *shared, int process)
{
    struct store *store;
    alarm(60);
    if (store_open(path, &(evlog_options){.read_only = 0}, &store))
        _exit(1);
    shared->ready++;
    while (shared->ready < PROCESSES)
        usleep(100);
    for (int i = 0; i < COMMON; i++) {
        char common[32], own[32];
        int which = i * (process + 1) % COMMON;
        snprintf(common, sizeof common, "common.%d", which);
        snprintf(own, sizeof own, "own.%d.%d", process, i);
        shared->numbers[process][which] = child_intern(store->types, common);
        shared->own[process][i] = child_intern(store->types, own);
    }
    if (store_close(store))
        _exit(1);
    _exit(0);
}

/* A number in the range, and nobody else's. */
static void take(unsigned char *taken, uint32_t number)
{
    assert_in_range(number, 1, COMMON * (PROCESSES + 1));
    assert_false(taken[number]);
    taken[number] = 1;
}

/* Processes that intern the same names at once, each in its own order, get the same numbers. */
static void processes_agree(void **state)
{
    struct shared *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    unsigned char taken[COMMON * (PROCESSES + 1) + 1] = {0};
    pid_t pids[PROCESSES];
    assert_true(shared != MAP_FAILED);
    make_types(*state, 0);
    fflush(NULL);
    for (int i = 0; i < PROCESSES; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0)
            intern_in_own_order(in(*state, "log"), shared, i);
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    struct store *store = open_store(*state, 0);
    assert_int_equal(names_count(store->types), COMMON * (PROCESSES + 1));
    for (int i = 0; i < COMMON; i++) {
        take(taken, shared->numbers[0][i]);
        for (int j = 0; j < PROCESSES; j++) {
            assert_int_equal(shared->numbers[j][i], shared->numbers[0][i]);
            take(taken, shared->own[j][i]);
        }
    }
    OK(store_close(store));
    munmap(shared, sizeof *shared);
}

/* What another process has added after this one opened the log is found by its number. */
static void what_others_add_is_found(void **state)
{
    int go[2];
    char byte = 0;
    make_types(*state, 3);
    assert_int_equal(pipe(go), 0);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) { /* before the parent opens the log */
        struct store *other;
        alarm(60);
        if (read(go[0], &byte, 1) != 1 ||
            store_open(in(*state, "log"), &(evlog_options){.read_only = 0}, &other) ||
            child_intern(other->types, "late.4") != 4 || store_close(other))
            _exit(1);
        _exit(0);
    }
    struct store *store = open_store(*state, 0);
    int status;
    assert_null(names_get(store->types, 4));
    assert_int_equal(write(go[1], &byte, 1), 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(names_count(store->types), 3);
    assert_is(store->types, 4, "late.4");
    assert_int_equal(names_count(store->types), 4);
    assert_int_equal(intern(store->types, TEXTS("late.4")), 4);
    assert_int_equal(intern(store->types, TEXTS("later")), 5);
    OK(store_close(store));
    close(go[0]);
    close(go[1]);
}

/* ---------------------------------------------------------------- damage ---- */

static struct bytes get_type(const void *home, uint32_t number)
{
    unsigned char key[5];
    type_key(key, number);
    struct raw raw = raw_open(in(home, "log/state.mdb"));
    struct bytes value = raw_get(&raw, key, 5);
    raw_close(&raw);
    return value;
}

static void put_type(const void *home, uint32_t number, struct bytes value)
{
    unsigned char key[5];
    type_key(key, number);
    struct raw raw = raw_open(in(home, "log/state.mdb"));
    raw_put(&raw, key, 5, value);
    raw_close(&raw);
}

/* Of types 1 to 3, 2 is damaged: a writer does not start, a reader has all but it. */
static void assert_hole(const void *home)
{
    FAILS(EVLOG_DAMAGED, "event type 2 is not as it was written", try_open(home, 0));
    struct store *store = open_store(home, 1);
    assert_is(store->types, 1, "type.1.v1");
    assert_null(names_get(store->types, 2));
    assert_is(store->types, 3, "type.3.v1");
    assert_int_equal(names_count(store->types), 3);
    OK(store_close(store));
}

/* Each bit of an entry, flipped, is found. */
static void a_flipped_bit_is_a_hole(void **state)
{
    make_types(*state, 3);
    struct bytes value = get_type(*state, 2);
    for (size_t bit = 0; bit < value.size * 8; bit++) {
        value.at[bit / 8] ^= (unsigned char)(1 << bit % 8);
        put_type(*state, 2, value);
        assert_hole(*state);
        value.at[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    put_type(*state, 2, value);
    free(value.at);
    OK(try_open(*state, 0));
}

/* An entry that is good in itself but stands under another number is found. */
static void a_moved_entry_is_a_hole(void **state)
{
    make_types(*state, 3);
    struct bytes value = get_type(*state, 3);
    put_type(*state, 2, value);
    assert_hole(*state);
    free(value.at);
}

/* An entry that is gone is found by those behind it. */
static void a_missing_entry_is_a_hole(void **state)
{
    make_types(*state, 3);
    struct raw raw = raw_open(in(*state, "log/state.mdb"));
    raw_del(&raw, "t\0\0\0\x02", 5);
    raw_close(&raw);
    assert_hole(*state);
}

/* One whose checksum fits but which no evlog wrote is found. */
static void a_forged_entry_is_a_hole(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } table[] = {
        {"\x94\xcf........\xc0\xc0\xc0", 13}, /* no name */
        {"\x94\xcf........\x01\xc0\xc0", 13}, /* a number for a name */
        {"\x94\xcf........\xa3"               /* a NUL in it */
         "a\0b\xc0\xc0",
         16},
        {"\x94\xcf........\xa1\xff\xc0\xc0", 14},     /* not UTF-8 */
        {"\x94\xcf........\xa1x\x80\xc0", 14},        /* a map for a schema */
        {"\x93\xcf........\xa1x\xc0", 13},            /* three elements */
        {"\x95\xcf........\xa1x\xc0\xc0\xc0", 15},    /* five */
        {"\x94\xcf........\xa1x\xc0", 13},            /* four said, three there */
        {"\x94\xcf........\xa1x\xc0\xc0\xc0", 15},    /* something behind it */
        {"\x94\xd3........\xa1x\xc0\xc0", 14},        /* another number for a checksum */
        {"\x94\xcf........\xdb\xff\xff\xff\xff", 15}, /* 4 GiB */
        {"\x94\xcf", 2},
        {"", 0},
    };
    make_types(*state, 3);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        unsigned char value[32] = "";
        memcpy(value, table[i].bytes, table[i].size);
        if (table[i].size > 10)
            entry_refit("t\0\0\0\x02", 5, value, table[i].size);
        put_type(*state, 2, (struct bytes){value, table[i].size});
        assert_hole(*state);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(numbers_are_dense_from_1),
        TEST_AT_HOME(types_and_sources_are_apart),
        TEST_AT_HOME(all_texts_make_the_entry),
        TEST_AT_HOME(the_longest_texts_come_back),
        TEST_AT_HOME(numbers_last),
        TEST_AT_HOME(a_reader_makes_none),
        TEST_AT_HOME(entries_are_the_golden_bytes),
        TEST_AT_HOME(a_full_table_says_so),
        TEST_AT_HOME(processes_agree),
        TEST_AT_HOME(what_others_add_is_found),
        TEST_AT_HOME(a_flipped_bit_is_a_hole),
        TEST_AT_HOME(a_moved_entry_is_a_hole),
        TEST_AT_HOME(a_missing_entry_is_a_hole),
        TEST_AT_HOME(a_forged_entry_is_a_hole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
