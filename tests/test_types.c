/*
 * Event types: the bytes of an entry, numbers that are digests of their text, the same for all
 * processes and for ever, and what becomes of an entry that is not as it was written: a
 * writer does not start, a reader does not know that type.
 */
#include <errno.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "damage.h"
#include "env.h"
#include "types.h"

#define SEED 0x0123456789abcdefu

/* The digest of all texts is what this gives, or theirs: 0 is theirs. */
static uint64_t same_digest;

uint64_t __real_entry_digest(const void *bytes, size_t size);
uint64_t __wrap_entry_digest(const void *bytes, size_t size);

uint64_t __wrap_entry_digest(const void *bytes, size_t size)
{
    return same_digest ? same_digest : __real_entry_digest(bytes, size);
}

/* A state environment and its types. */
struct table {
    struct env *env;
    struct types *types;
};

static int try_open(const void *home, bool read_only, struct table *table)
{
    struct env_options options = {.create = access(in(home, "state.mdb"), F_OK) != 0,
                                  .read_only = read_only,
                                  .readers_max = 64,
                                  .is_unflushed = true,
                                  .seed = SEED};
    OK(env_open(in(home, "state.mdb"), &options, &table->env));
    int result = types_open(table->env, read_only, &table->types);
    if (result)
        env_close(table->env);
    return result;
}

static struct table open_table(const void *home, bool read_only)
{
    struct table table;
    OK(try_open(home, read_only, &table));
    return table;
}

static void close_table(struct table *table)
{
    types_close(table->types);
    env_close(table->env);
}

#define TEXT(...) (&(struct type_text){__VA_ARGS__})
#define BYTES(text)           \
    {                         \
        text, sizeof text - 1 \
    }

static bool is_same(evlog_bytes a, evlog_bytes b)
{
    return a.size == b.size && (!a.size || memcmp(a.data, b.data, a.size) == 0);
}

static const struct type *define(struct types *types, const struct type_text *text)
{
    const struct type *type = NULL, *found = NULL;
    OK(types_define(types, text, NULL, &type));
    assert_string_equal(type->text.name, text->name);
    assert_int_equal(!type->text.schema, !text->schema);
    assert_true(!text->schema || strcmp(type->text.schema, text->schema) == 0);
    assert_true(is_same(type->text.forms, text->forms));
    assert_true(is_same(type->text.personal, text->personal));
    OK(types_find(types, type->number, &found));
    assert_ptr_equal(found, type);
    assert_ptr_equal(types_at(types, type->index), type);
    return type;
}

static const struct type *define_number(struct types *types, unsigned number)
{
    char text[32];
    snprintf(text, sizeof text, "type.%u.v1", number);
    return define(types, TEXT(.name = text));
}

/* A new environment with the types type.1.v1 to type.`count`.v1, closed. */
static void make_types(const void *home, unsigned count)
{
    struct table table = open_table(home, false);
    for (unsigned i = 1; i <= count; i++)
        assert_int_equal(define_number(table.types, i)->order, i);
    close_table(&table);
}

/* ------------------------------------------------------------- defining ---- */

/* The same text is the same entry, in whatever order, and after opening again. */
static void a_text_is_one_entry(void **state)
{
    enum { COUNT = 700 };
    uint64_t numbers[COUNT + 1];
    const struct type *none = NULL;
    struct table table = open_table(*state, false);
    assert_int_equal(types_count(table.types), 0);
    FAILS(EVLOG_NOTFOUND, "", types_find(table.types, 0, &none));
    for (unsigned i = 1; i <= COUNT; i++)
        numbers[i] = define_number(table.types, i)->number;
    close_table(&table);
    table = open_table(*state, false);
    assert_int_equal(types_count(table.types), COUNT);
    for (unsigned i = COUNT; i >= 1; i--) {
        const struct type *type = define_number(table.types, i);
        assert_true(type->number == numbers[i]);
        assert_int_equal(type->order, i);
    }
    assert_int_equal(types_count(table.types), COUNT);
    assert_int_equal(define(table.types, TEXT(.name = "another"))->order, COUNT + 1);
    close_table(&table);
}

/* Every part of the text makes the entry, and whether there is one. */
static void every_part_makes_the_entry(void **state)
{
    const struct type_text *const texts[] = {
        TEXT(.name = "a"),
        TEXT(.name = "ab"),
        TEXT(.name = "a", .schema = ""),
        TEXT(.name = "a", .schema = "b"),
        TEXT(.name = "a", .schema = "b", .forms = BYTES("\x80")),
        TEXT(.name = "a", .schema = "b", .forms = BYTES("\x81\xa1x\xa4time")),
        TEXT(.name = "a", .schema = "b", .personal = BYTES("\x90")),
        TEXT(.name = "a", .schema = "b", .personal = BYTES("\x91\xa1x")),
        TEXT(.name = "a", .forms = BYTES("\x81\xa1x\xa4time"), .personal = BYTES("\x91\xa1x")),
    };
    enum { COUNT = sizeof texts / sizeof *texts };
    struct table table = open_table(*state, false);
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < COUNT; i++)
            assert_int_equal(define(table.types, texts[i])->order, i + 1);
        close_table(&table);
        table = open_table(*state, false);
        assert_int_equal(types_count(table.types), COUNT);
    }
    close_table(&table);
}

/* Lists are in the order of definition, of one name or of all. */
static void lists_are_in_the_order_of_definition(void **state)
{
    static const char *const schemas[] = {"zz", "b", "y", "c", "x", "d"};
    const struct type **list;
    size_t list_count;
    uint32_t count;
    struct table table = open_table(*state, false);
    for (int i = 0; i < 6; i++)
        define(table.types, TEXT(.name = i % 2 ? "odd" : "even", .schema = schemas[i]));
    close_table(&table);
    table = open_table(*state, true);
    OK(types_list(table.types, NULL, &list, &list_count, &count));
    assert_int_equal(list_count, 6);
    for (size_t i = 0; i < list_count; i++)
        assert_string_equal(list[i]->text.schema, schemas[i]);
    free(list);
    OK(types_list(table.types, "odd", &list, &list_count, &count));
    assert_int_equal(list_count, 3);
    assert_int_equal(count, 6);
    for (size_t i = 0; i < list_count; i++)
        assert_string_equal(list[i]->text.schema, schemas[2 * i + 1]);
    free(list);
    close_table(&table);
}

/* With a count an entry is only made while there are so many. */
static void a_count_that_is_out_of_date_makes_none(void **state)
{
    const struct type *type = NULL;
    uint32_t count = 1;
    struct table table = open_table(*state, false);
    define_number(table.types, 1);
    OK(types_define(table.types, TEXT(.name = "second"), &count, &type));
    type = NULL;
    FAILS(EVLOG_BUSY, "added", types_define(table.types, TEXT(.name = "third"), &count, &type));
    assert_null(type);
    OK(types_define(table.types, TEXT(.name = "second"), &count, &type)); /* it is there */
    assert_int_equal(types_count(table.types), 2);
    close_table(&table);
}

/* Another text with the same digest is refused by name, whether this process knows the first. */
static void another_text_with_that_digest_is_refused(void **state)
{
    const struct type *type = NULL;
    same_digest = 77;
    for (int round = 0; round < 2; round++) {
        struct table table = open_table(*state, false);
        if (round == 0)
            define(table.types, TEXT(.name = "first"));
        FAILS(EVLOG_CONFLICT, "000000000000004d, as event type first",
              types_define(table.types, TEXT(.name = "second"), NULL, &type));
        assert_null(type);
        define(table.types, TEXT(.name = "first"));
        assert_int_equal(types_count(table.types), 1);
        close_table(&table);
    }
    same_digest = 0;
}

/* A reader takes no new ones, and says so. */
static void a_reader_makes_none(void **state)
{
    const struct type *type = NULL;
    make_types(*state, 2);
    struct table table = open_table(*state, true);
    assert_int_equal(define_number(table.types, 2)->order, 2);
    FAILS(EVLOG_READONLY, "reading only",
          types_define(table.types, TEXT(.name = "new"), NULL, &type));
    assert_null(type);
    assert_int_equal(types_count(table.types), 2);
    close_table(&table);
}

/* What does not fit in an entry is over a limit. */
static void a_text_that_is_too_long_is_refused(void **state)
{
    const struct type *type = NULL;
    char *schema = calloc(1, ENTRY_VALUE_SIZE_MAX + 1);
    memset(schema, 'x', ENTRY_VALUE_SIZE_MAX);
    struct table table = open_table(*state, false);
    FAILS(EVLOG_LIMIT, "1048576 bytes",
          types_define(table.types, TEXT(.name = "a", .schema = schema), NULL, &type));
    schema[ENTRY_VALUE_SIZE_MAX - 100] = '\0';
    define(table.types, TEXT(.name = "a", .schema = schema));
    close_table(&table);
    free(schema);
}

/* ------------------------------------------------------------- the bytes ---- */

static void make_key(unsigned char key[9], uint64_t number)
{
    key[0] = 't';
    put_big(key + 1, number, 8);
}

static struct bytes get_type(const void *home, uint64_t number)
{
    unsigned char key[9];
    make_key(key, number);
    struct raw raw = raw_open(in(home, "state.mdb"));
    struct bytes value = raw_get(&raw, key, sizeof key);
    raw_close(&raw);
    return value;
}

static void put_type(const void *home, uint64_t number, struct bytes value)
{
    unsigned char key[9];
    make_key(key, number);
    struct raw raw = raw_open(in(home, "state.mdb"));
    raw_put(&raw, key, sizeof key, value);
    raw_close(&raw);
}

/* Entries are what store/README.md says; the checksums are another program's (python3-xxhash). */
static void entries_are_the_golden_bytes(void **state)
{
    static const char untyped[] = "\x96\xcf\x55\xc3\x8d\xac\xce\x37\x1e\x04\xce\0\0\0\x01\xa6"
                                  "a.b.v1\xc0\xc0\xc0";
    static const char typed[] = "\x96\xcf\x93\x95\xb0\x1d\xd9\x16\xf3\xa9\xce\0\0\0\x02\xa6"
                                "a.b.v1\xa6schema\x81\xa2"
                                "at\xa4time\x91\xa2"
                                "at";
    struct table table = open_table(*state, false);
    define(table.types, TEXT(.name = "a.b.v1"));
    define(table.types, TEXT(.name = "a.b.v1", .schema = "schema",
                             .forms = BYTES("\x81\xa2"
                                            "at\xa4time"),
                             .personal = BYTES("\x91\xa2"
                                               "at")));
    close_table(&table);
    struct bytes value = get_type(*state, 0xa233f539a04d34fc);
    assert_int_equal(value.size, sizeof untyped - 1);
    assert_memory_equal(value.at, untyped, sizeof untyped - 1);
    free(value.at);
    value = get_type(*state, 0x5f18177f9688800f);
    assert_int_equal(value.size, sizeof typed - 1);
    assert_memory_equal(value.at, typed, sizeof typed - 1);
    free(value.at);
}

/* ---------------------------------------------------------------- limits ---- */

/* Writes types past the library, `first` to `last`. */
static void put_types(const void *home, uint32_t first, uint32_t last)
{
    struct raw raw = raw_open(in(home, "state.mdb"));
    for (uint32_t i = first; i <= last; i++) {
        unsigned char key[9], value[64] = "\x96\xcf........\xce";
        put_big(value + 11, i, 4);
        int name_size = snprintf((char *)value + 16, 32, "type.%u.v1", i);
        size_t size = 16 + (size_t)name_size + 3;
        value[15] = (unsigned char)(0xa0 | name_size);
        memcpy(value + size - 3, "\xc0\xc0\xc0", 3);
        make_key(key, XXH3_64bits(value + 15, size - 15));
        entry_refit(SEED, key, sizeof key, value, size);
        raw_put(&raw, key, sizeof key, (struct bytes){value, size});
    }
    raw_close(&raw);
}

/* EVLOG_TYPES_MAX of them are read, found and used; one more is over the limit. */
static void a_full_table_says_so(void **state)
{
    const struct type *type = NULL;
    make_types(*state, 1);
    put_types(*state, 2, EVLOG_TYPES_MAX - 1);
    struct table table = open_table(*state, false);
    assert_int_equal(types_count(table.types), EVLOG_TYPES_MAX - 1);
    for (unsigned i = 1; i < EVLOG_TYPES_MAX; i += 777)
        assert_int_equal(define_number(table.types, i)->order, i);
    assert_int_equal(define_number(table.types, EVLOG_TYPES_MAX)->order, EVLOG_TYPES_MAX);
    FAILS(EVLOG_LIMIT, "65535 different event types",
          types_define(table.types, TEXT(.name = "one more"), NULL, &type));
    assert_null(type);
    define_number(table.types, 1);
    close_table(&table);
    put_types(*state, EVLOG_TYPES_MAX + 1, EVLOG_TYPES_MAX + 3);
    table = open_table(*state, true);
    assert_int_equal(types_count(table.types), EVLOG_TYPES_MAX);
    close_table(&table);
    FAILS(EVLOG_DAMAGED, "more than 65535 event types", try_open(*state, false, &table));
}

/* ------------------------------------------------------------- processes ---- */

#define PROCESSES 4
#define COMMON 61 /* a prime: any step goes round */

struct shared {
    _Atomic int ready;
    uint64_t numbers[PROCESSES][COMMON]; /* of the common names, as each process got them */
    uint32_t orders[PROCESSES][COMMON];  /* of the names only it defines */
};

/* In a child, where cmocka cannot report: it ends with 1. */
static const struct type *child_define(struct types *types, const char *name)
{
    const struct type *type, *found;
    if (types_define(types, TEXT(.name = name), NULL, &type) ||
        strcmp(type->text.name, name) != 0 || types_find(types, type->number, &found) ||
        found != type)
        _exit(1);
    return type;
}

static void define_in_own_order(const void *home, struct shared *shared, int process)
{
    alarm(60);
    struct table table = open_table(home, false);
    shared->ready++;
    while (shared->ready < PROCESSES)
        usleep(100);
    for (int i = 0; i < COMMON; i++) {
        char common[32], own[32];
        int which = i * (process + 1) % COMMON;
        snprintf(common, sizeof common, "common.%d", which);
        snprintf(own, sizeof own, "own.%d.%d", process, i);
        shared->numbers[process][which] = child_define(table.types, common)->number;
        shared->orders[process][i] = child_define(table.types, own)->order;
    }
    close_table(&table);
    _exit(0);
}

/* Processes that define the same names at once get the same numbers, and each order is given once. */
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
            define_in_own_order(*state, shared, i);
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    struct table table = open_table(*state, false);
    assert_int_equal(types_count(table.types), COMMON * (PROCESSES + 1));
    for (uint32_t i = 0; i < types_count(table.types); i++) {
        uint32_t order = types_at(table.types, i)->order;
        assert_in_range(order, 1, COMMON * (PROCESSES + 1));
        assert_false(taken[order]++);
    }
    for (int i = 0; i < COMMON; i++)
        for (int j = 0; j < PROCESSES; j++) {
            assert_true(shared->numbers[j][i] == shared->numbers[0][i]);
            assert_true(i == 0 || shared->orders[j][i] > shared->orders[j][i - 1]);
        }
    close_table(&table);
    munmap(shared, sizeof *shared);
}

/* What another process has added after this one opened the log is found by its number. */
static void what_others_add_is_found(void **state)
{
    int go[2], back[2];
    char byte = 0;
    uint64_t number;
    const struct type *type;
    make_types(*state, 3);
    assert_int_equal(pipe(go) | pipe(back), 0);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) { /* before the parent opens the log */
        alarm(60);
        if (read(go[0], &byte, 1) != 1)
            _exit(1);
        struct table other = open_table(*state, false);
        number = child_define(other.types, "late.4")->number;
        close_table(&other);
        _exit(write(back[1], &number, sizeof number) != sizeof number);
    }
    struct table table = open_table(*state, false);
    int status;
    assert_int_equal(write(go[1], &byte, 1), 1);
    assert_int_equal(read(back[0], &number, sizeof number), sizeof number);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(types_count(table.types), 3);
    OK(types_find(table.types, number, &type));
    assert_string_equal(type->text.name, "late.4");
    assert_int_equal(type->order, 4);
    assert_int_equal(types_count(table.types), 4);
    assert_int_equal(define(table.types, TEXT(.name = "later"))->order, 5);
    close_table(&table);
    for (int i = 0; i < 2; i++) {
        close(go[i]);
        close(back[i]);
    }
}

/* ---------------------------------------------------------------- damage ---- */

static uint64_t number_of(unsigned number)
{
    unsigned char text[32];
    int size = snprintf((char *)text + 1, 24, "type.%u.v1", number);
    text[0] = (unsigned char)(0xa0 | size);
    memcpy(text + 1 + size, "\xc0\xc0\xc0", 3);
    return XXH3_64bits(text, 4 + (size_t)size);
}

/* Of types 1 to 3, 2 is damaged or, not `is_there`, gone: a reader has all but it. */
static void assert_hole(const void *home, bool is_there)
{
    struct table table;
    char words[64];
    const struct type *type = NULL;
    uint64_t number = number_of(2);
    snprintf(words, sizeof words, "event type %016" PRIx64 " is not as it was written", number);
    if (is_there)
        FAILS(EVLOG_DAMAGED, words, try_open(home, false, &table));
    table = open_table(home, true);
    OK(types_find(table.types, number_of(1), &type));
    assert_string_equal(type->text.name, "type.1.v1");
    if (is_there)
        FAILS(EVLOG_DAMAGED, "not as it was written", types_find(table.types, number, &type));
    else
        FAILS(EVLOG_NOTFOUND, "", types_find(table.types, number, &type));
    OK(types_find(table.types, number_of(3), &type));
    assert_string_equal(type->text.name, "type.3.v1");
    assert_int_equal(types_count(table.types), 2);
    close_table(&table);
}

/* Each bit of an entry, flipped, is found. */
static void a_flipped_bit_is_a_hole(void **state)
{
    make_types(*state, 3);
    struct bytes value = get_type(*state, number_of(2));
    for (size_t bit = 0; bit < value.size * 8; bit++) {
        value.at[bit / 8] ^= (unsigned char)(1 << bit % 8);
        put_type(*state, number_of(2), value);
        assert_hole(*state, true);
        value.at[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    put_type(*state, number_of(2), value);
    free(value.at);
    struct table table = open_table(*state, false);
    close_table(&table);
}

/* An entry that is good in itself is found under another number, also with a checksum for it. */
static void a_moved_entry_is_a_hole(void **state)
{
    unsigned char key[9];
    make_types(*state, 3);
    struct bytes value = get_type(*state, number_of(3));
    put_type(*state, number_of(2), value);
    assert_hole(*state, true);
    make_key(key, number_of(2));
    entry_refit(SEED, key, sizeof key, value.at, value.size);
    put_type(*state, number_of(2), value);
    assert_hole(*state, true);
    free(value.at);
}

/* One that is gone is not known, and is there again once it is defined again. */
static void a_missing_entry_is_mended_by_defining_it(void **state)
{
    unsigned char key[9];
    const struct type *type;
    make_types(*state, 3);
    make_key(key, number_of(2));
    struct raw raw = raw_open(in(*state, "state.mdb"));
    raw_del(&raw, key, sizeof key);
    raw_close(&raw);
    assert_hole(*state, false);
    struct table table = open_table(*state, false);
    assert_int_equal(define_number(table.types, 2)->order, 4);
    OK(types_find(table.types, number_of(2), &type));
    close_table(&table);
}

/* One whose checksum fits but which no evlog wrote is found. */
static void a_forged_entry_is_a_hole(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } table[] = {
        {"\xc0\xc0\xc0\xc0", 4}, /* no name */
        {"\x01\xc0\xc0\xc0", 4}, /* a number for a name */
        {"\xa3"
         "a\0b\xc0\xc0\xc0",
         7},                          /* a NUL in it */
        {"\xa1\xff\xc0\xc0\xc0", 5},  /* not UTF-8 */
        {"\xa1x\x80\xc0\xc0", 5},     /* a map for a schema */
        {"\xa1x\xc0\x90\xc0", 5},     /* a list of forms */
        {"\xa1x\xc0\xc0\x80", 5},     /* a map of personal fields */
        {"\xa1x\xc0\xc0", 4},         /* one is missing */
        {"\xa1x\xc0\xc0\xc0\xc0", 6}, /* something behind it */
        {"\xdb\xff\xff\xff\xff", 5},  /* 4 GiB */
        {"", 0},
    };
    make_types(*state, 3);
    for (size_t i = 0; i < 2 * sizeof table / sizeof *table; i++) {
        unsigned char key[9], value[48] = "\x96\xcf........\xce\0\0\0\x02";
        size_t size = 15 + table[i / 2].size;
        if (i % 2)
            value[10] = 0xd2; /* the order as another integer */
        memcpy(value + 15, table[i / 2].bytes, table[i / 2].size);
        make_key(key, number_of(2));
        entry_refit(SEED, key, sizeof key, value, size);
        put_type(*state, number_of(2), (struct bytes){value, size});
        assert_hole(*state, true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(a_text_is_one_entry),
        TEST_AT_HOME(every_part_makes_the_entry),
        TEST_AT_HOME(lists_are_in_the_order_of_definition),
        TEST_AT_HOME(a_count_that_is_out_of_date_makes_none),
        TEST_AT_HOME(another_text_with_that_digest_is_refused),
        TEST_AT_HOME(a_reader_makes_none),
        TEST_AT_HOME(a_text_that_is_too_long_is_refused),
        TEST_AT_HOME(entries_are_the_golden_bytes),
        TEST_AT_HOME(a_full_table_says_so),
        TEST_AT_HOME(processes_agree),
        TEST_AT_HOME(what_others_add_is_found),
        TEST_AT_HOME(a_flipped_bit_is_a_hole),
        TEST_AT_HOME(a_moved_entry_is_a_hole),
        TEST_AT_HOME(a_missing_entry_is_mended_by_defining_it),
        TEST_AT_HOME(a_forged_entry_is_a_hole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
