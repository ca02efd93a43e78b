/*
 * Entries of state.mdb: the checksum that ties a value to its key, walks beside a
 * naive twin, and files that are damaged or forged: nothing false is sound, every list ends.
 */
#include "damage.h"
#include "entries.h"
#include "env.h"
#include "load.h"

#define TWIN_MAX 600
#define FLIPS 400
#define SEED 0x0123456789abcdefu

/* ------------------------------------------------------------ environments ---- */

static struct env *open_env(const void *home, int create, int read_only)
{
    struct env *env;
    struct env_options options = {.create = create,
                                  .read_only = read_only,
                                  .readers_max = 16,
                                  .is_unflushed = create,
                                  .seed = SEED};
    OK(env_open(in(home, "state.mdb"), &options, &env));
    return env;
}

/* A value [checksum, {"n": number}, bin of `filler` bytes], sealed for its key. */
static size_t make_value(const void *key, size_t key_size, uint64_t number, size_t filler,
                         unsigned char *value)
{
    memcpy(value, "\x93\xcf", 2);
    memset(value + 2, 0, 8);
    value[10] = 0xcf;
    put_big(value + 11, number, 8);
    value[19] = 0xc5;
    put_big(value + 20, filler, 2);
    memset(value + 22, (int)(number & 0xff), filler);
    entry_seal(SEED, key, key_size, value, 22 + filler);
    return 22 + filler;
}

/* What one env_write is to do. */
struct writing {
    const void *key;
    size_t key_size;
    uint64_t number;
    size_t filler;
    int is_delete;
};

static int fill(struct env *env, void *ctx)
{
    static unsigned char value[22 + 65536];
    const struct writing *writing = ctx;
    if (writing->is_delete)
        return env_delete(env, writing->key, writing->key_size);
    size_t size =
        make_value(writing->key, writing->key_size, writing->number, writing->filler, value);
    return env_put(env, writing->key, writing->key_size, value, size, NULL);
}

static void write_one(struct env *env, struct writing writing)
{
    OK(env_write(env, ENV_FLUSH_ALL, 22 + writing.filler, fill, &writing));
}

static int read_value(struct env *env, enum env_state state, const void *key, size_t key_size,
                      void **value, size_t *size)
{
    struct entry entry;
    int result = entry_read(env, state, key, key_size, &entry);
    if (result)
        return result;
    assert_true(entry.is_sound && entry.key_size == key_size);
    assert_memory_equal(entry.key, key, key_size);
    *value = entry.value;
    *size = entry.value_size;
    return EVLOG_OK;
}

/* ------------------------------------------------------------ the checksum ---- */

/* The seal is what store/README.md says, and covers every bit of the value, the key and the log. */
static void a_seal_covers_all_of_it(void **state)
{
    (void)state;
    unsigned char value[256], ours[256];
    size_t size = make_value("ckey", 4, 7, 20, value);
    memcpy(ours, value, size);
    entry_refit(SEED, "ckey", 4, ours, size);
    assert_memory_equal(ours, value, size);
    assert_true(entry_is_sound(SEED, "ckey", 4, value, size));
    for (size_t bit = 0; bit < 8 * size; bit++) {
        value[bit / 8] ^= (unsigned char)(1 << bit % 8);
        assert_false(entry_is_sound(SEED, "ckey", 4, value, size));
        value[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    assert_false(entry_is_sound(SEED, "ckex", 4, value, size));
    assert_false(entry_is_sound(SEED, "cke", 3, value, size));
    assert_false(entry_is_sound(SEED, "ckey\0", 5, value, size));
    assert_false(entry_is_sound(SEED + 1, "ckey", 4, value, size));
}

/* A fitting checksum is not enough: it must be one whole array that begins with a uint64. */
static void what_is_not_one_array_is_not_sound(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        int is_sound;
    } cases[] = {
        {"\x92\xcf\0\0\0\0\0\0\0\0\x07", 11, 1},
        {"\x92\xcf\0\0\0\0\0\0\0\0\x07\x07", 12, 0},         /* one too many */
        {"\x93\xcf\0\0\0\0\0\0\0\0\x07", 11, 0},             /* one is missing */
        {"\x92\xcf\0\0\0\0\0\0\0\0\xc4\x05xx", 14, 0},       /* cut off */
        {"\x82\xcf\0\0\0\0\0\0\0\0\x07\x07\x07", 13, 0},     /* a map */
        {"\x92\xd3\0\0\0\0\0\0\0\0\x07", 11, 0},             /* an int64 */
        {"\x92\xcf\0\0\0\0\0\0\0\0\xc1", 11, 0},             /* no MessagePack */
        {"\x92\xcf\0\0\0\0\0\0\0\0\xa1\xff", 12, 0},         /* no UTF-8 */
        {"\xdc\x00\x02\xcf\0\0\0\0\0\0\0\0\x07\x07", 14, 0}, /* a wider header */
        {"\x91\xcf\0\0\0\0\0\0\0\0", 10, 0},                 /* nothing behind the checksum */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned char value[32];
        memcpy(value, cases[i].bytes, cases[i].size);
        entry_seal(SEED, "k", 1, value, cases[i].size);
        assert_int_equal(entry_is_sound(SEED, "k", 1, value, cases[i].size), cases[i].is_sound);
    }
    for (size_t size = 0; size <= ENTRY_HEAD_SIZE; size++)
        assert_false(entry_is_sound(SEED, "k", 1, "\x92\xcf\0\0\0\0\0\0\0\0", size));
}

/* -------------------------------------------------------- beside the twin ---- */

/* An entry as the twin has it. */
struct known {
    unsigned char key[ENTRY_KEY_SIZE_MAX];
    size_t key_size;
    uint64_t number;
    size_t filler;
};

/* All entries, sorted. */
struct twin {
    struct known known[TWIN_MAX];
    size_t count;
};

static int compare(const void *left, size_t left_size, const void *right, size_t right_size)
{
    int order = memcmp(left, right, left_size < right_size ? left_size : right_size);
    return order ? order : (left_size > right_size) - (left_size < right_size);
}

/* Where a key is, or would be. */
static size_t place_of(const struct twin *twin, const void *key, size_t size)
{
    size_t i = 0;
    while (i < twin->count && compare(twin->known[i].key, twin->known[i].key_size, key, size) < 0)
        i++;
    return i;
}

static int has(const struct twin *twin, size_t place, const void *key, size_t size)
{
    return place < twin->count && twin->known[place].key_size == size &&
           memcmp(twin->known[place].key, key, size) == 0;
}

/* Of few letters, mostly short, so that many are the beginning of others. */
static size_t random_key(uint64_t *random, unsigned char key[ENTRY_KEY_SIZE_MAX])
{
    size_t size = 1 + load_random(random, load_random(random, 8) ? 6 : ENTRY_KEY_SIZE_MAX);
    for (size_t i = 0; i < size; i++)
        key[i] = (unsigned char)"\0ab\xff"[load_random(random, 4)];
    return size;
}

static void put_in_both(struct env *env, struct twin *twin, uint64_t *random)
{
    struct known fresh = {.number = load_random(random, 1 << 30)};
    fresh.key_size = random_key(random, fresh.key);
    fresh.filler = load_random(random, load_random(random, 10) ? 60 : 9000);
    write_one(env, (struct writing){fresh.key, fresh.key_size, fresh.number, fresh.filler, 0});
    size_t place = place_of(twin, fresh.key, fresh.key_size);
    if (!has(twin, place, fresh.key, fresh.key_size)) {
        memmove(&twin->known[place + 1], &twin->known[place],
                (twin->count++ - place) * sizeof fresh);
    }
    twin->known[place] = fresh;
}

static void delete_in_both(struct env *env, struct twin *twin, uint64_t *random)
{
    struct known *gone = &twin->known[load_random(random, twin->count)];
    write_one(env,
              (struct writing){.key = gone->key, .key_size = gone->key_size, .is_delete = 1});
    memmove(gone, gone + 1, (size_t)(&twin->known[--twin->count] - gone) * sizeof *gone);
}

static void assert_value(const struct known *known, const void *value, size_t size)
{
    static unsigned char expected[22 + 65536];
    assert_int_equal(
        make_value(known->key, known->key_size, known->number, known->filler, expected), size);
    assert_memory_equal(value, expected, size);
}

/* A walk of a random prefix from a random place. */
static void walk_both(struct env *env, const struct twin *twin, uint64_t *random)
{
    struct entry_walk walk;
    const struct entry *entry;
    struct entry_key prefix, after;
    random_key(random, prefix.bytes);
    prefix.size = load_random(random, 4);
    after.size = random_key(random, after.bytes);
    int is_after =
        after.size >= prefix.size && memcmp(after.bytes, prefix.bytes, prefix.size) == 0;
    size_t place = place_of(twin, prefix.bytes, prefix.size);
    if (is_after)
        place = place_of(twin, after.bytes, after.size);
    if (is_after && has(twin, place, after.bytes, after.size))
        place++;
    entry_walk_begin(&walk, env, ENV_NEWEST, &prefix, is_after ? &after : NULL);
    for (;; place++) {
        OK(entry_walk_next(&walk, &entry));
        if (!entry)
            break;
        assert_true(has(twin, place, entry->key, entry->key_size));
        assert_true(entry->is_sound);
        assert_value(&twin->known[place], entry->value, entry->value_size);
    }
    OK(entry_walk_next(&walk, &entry));
    assert_null(entry);
    entry_walk_end(&walk);
    assert_true(place == twin->count || twin->known[place].key_size < prefix.size ||
                memcmp(twin->known[place].key, prefix.bytes, prefix.size) != 0);
}

static void read_in_both(struct env *env, const struct twin *twin, uint64_t *random)
{
    unsigned char key[ENTRY_KEY_SIZE_MAX];
    size_t key_size = random_key(random, key), size = 12345;
    void *value = (void *)key;
    size_t place = place_of(twin, key, key_size);
    int result = read_value(env, ENV_NEWEST, key, key_size, &value, &size);
    assert_int_equal(result, has(twin, place, key, key_size) ? EVLOG_OK : EVLOG_NOTFOUND);
    if (result)
        assert_ptr_equal(value, key);
    else
        assert_value(&twin->known[place], value, size);
    if (result == EVLOG_OK)
        free(value);
}

/* Random puts, deletes, reads and walks: as in a sorted array. */
static void walks_are_those_of_a_sorted_array(void **state)
{
    static struct twin twin;
    uint64_t random = load_seed();
    struct env *env = open_env(*state, 1, 0);
    twin.count = 0;
    for (int step = 0; step < 2000; step++) {
        unsigned what = (unsigned)load_random(&random, 10);
        if (what < 4 && twin.count < TWIN_MAX)
            put_in_both(env, &twin, &random);
        else if (what < 6 && twin.count > 0)
            delete_in_both(env, &twin, &random);
        else if (what < 8)
            walk_both(env, &twin, &random);
        else
            read_in_both(env, &twin, &random);
    }
    env_close(env);
}

static int look_at_the_base(struct env *env, void *ctx)
{
    static const struct entry_key prefix = {.size = 0};
    struct entry_walk walk;
    const struct entry *entry;
    void *value;
    size_t size;
    OK(env_delete(env, "a", 1));
    OK(fill(env, &(struct writing){"b", 1, 2, 0, 0}));
    OK(read_value(env, ENV_BASE, "a", 1, &value, &size));
    free(value);
    FAILS(EVLOG_NOTFOUND, "", read_value(env, ENV_BASE, "b", 1, &value, &size));
    entry_walk_begin(&walk, env, ENV_BASE, &prefix, NULL);
    OK(entry_walk_next(&walk, &entry));
    assert_memory_equal(entry->key, "a", 1);
    OK(entry_walk_next(&walk, &entry));
    assert_null(entry);
    entry_walk_end(&walk);
    *(int *)ctx += 1;
    return EVLOG_OK;
}

/* Inside a transaction the base is what it began with, whatever it has changed since. */
static void the_base_is_what_was_there(void **state)
{
    int count = 0;
    void *value;
    size_t size;
    struct env *env = open_env(*state, 1, 0);
    write_one(env, (struct writing){"a", 1, 1, 0, 0});
    OK(env_write(env, ENV_FLUSH_ALL, 100, look_at_the_base, &count));
    assert_int_equal(count, 1);
    FAILS(EVLOG_NOTFOUND, "", read_value(env, ENV_NEWEST, "a", 1, &value, &size));
    OK(read_value(env, ENV_NEWEST, "b", 1, &value, &size));
    free(value);
    env_close(env);
}

/* A walk of an empty file ends at once. */
static void an_empty_walk_ends(void **state)
{
    static const struct entry_key prefix = {1, "c"}, after = {2, "cx"};
    const struct entry_key *const places[] = {NULL, &after};
    struct env *env = open_env(*state, 1, 0);
    for (int i = 0; i < 2; i++) {
        struct entry_walk walk;
        const struct entry *entry;
        entry_walk_begin(&walk, env, ENV_NEWEST, &prefix, places[i]);
        OK(entry_walk_next(&walk, &entry));
        assert_null(entry);
        entry_walk_end(&walk);
    }
    env_close(env);
}

/* ------------------------------------------------------------- hostile files ---- */

#define ENTRIES 900 /* two levels of branches' worth of leaves */

static void number_key(unsigned char key[5], uint64_t number)
{
    key[0] = 'k';
    put_big(key + 1, number, 4);
}

static int fill_many(struct env *env, void *ctx)
{
    (void)ctx;
    for (uint64_t number = 0; number < ENTRIES; number++) {
        unsigned char key[5];
        number_key(key, number);
        struct writing writing = {key, sizeof key, number, number % 97 ? 30 : 6000, 0};
        int result = fill(env, &writing);
        if (result)
            return result;
    }
    return EVLOG_OK;
}

static struct bytes make_many(const void *home)
{
    struct env *env = open_env(home, 1, 0);
    OK(env_write(env, ENV_FLUSH_ALL, ENTRIES * 200, fill_many, NULL));
    OK(env_flush(env));
    env_close(env);
    return file_read(in(home, "state.mdb"));
}

/* A walk of a file that may hold anything. Returns how many of its entries were sound. */
static size_t read_hostile(struct env *env)
{
    static const struct entry_key prefix = {1, "k"};
    struct entry_walk walk;
    const struct entry *entry;
    unsigned char last[ENTRY_KEY_SIZE_MAX];
    size_t last_size = 0, sound = 0, listed = 0;
    int result;
    entry_walk_begin(&walk, env, ENV_NEWEST, &prefix, NULL);
    while ((result = entry_walk_next(&walk, &entry)) == EVLOG_OK && entry) {
        assert_true(!last_size || compare(entry->key, entry->key_size, last, last_size) > 0);
        last_size = entry->key_size;
        memcpy(last, entry->key, last_size);
        if (entry->is_sound) {
            struct known known = {.key_size = 5, .number = get_big(last + 1, 4)};
            assert_int_equal(last_size, 5);
            memcpy(known.key, last, 5);
            known.filler = known.number % 97 ? 30 : 6000;
            assert_value(&known, entry->value, entry->value_size);
        }
        sound += (size_t)entry->is_sound;
        assert_true(++listed < 100 * ENTRIES);
    }
    assert_true(result == EVLOG_OK || result == EVLOG_DAMAGED);
    entry_walk_end(&walk);
    return sound;
}

/* The file as a reader finds it; 0 when it cannot even be opened. */
static size_t try_hostile(const void *home, const struct bytes *bytes)
{
    struct env *env;
    struct env_options options = {.read_only = 1, .readers_max = 16, .seed = SEED};
    void *value;
    size_t size;
    unsigned char key[5];
    file_write(in(home, "state.mdb"), bytes->at, bytes->size);
    int result = env_open(in(home, "state.mdb"), &options, &env);
    if (result) {
        assert_int_equal(result, EVLOG_DAMAGED);
        return 0;
    }
    size_t sound = read_hostile(env);
    number_key(key, ENTRIES / 2);
    result = read_value(env, ENV_NEWEST, key, sizeof key, &value, &size);
    if (result == EVLOG_OK)
        free(value);
    else
        assert_true(result == EVLOG_DAMAGED || result == EVLOG_NOTFOUND);
    env_close(env);
    return sound;
}

/*
 * A few bytes changed anywhere but in a meta page: no crash, nothing false that is sound, and
 * most often most of the list is there still.
 */
static void a_damaged_file_gives_nothing_false(void **state)
{
    struct bytes whole = make_many(*state), bytes = {.at = malloc(whole.size), whole.size};
    uint64_t random = load_seed();
    size_t page_size = (size_t)sysconf(_SC_PAGESIZE), unharmed = 0;
    assert_int_equal(try_hostile(*state, &whole), ENTRIES);
    for (int i = 0; i < FLIPS; i++) {
        memcpy(bytes.at, whole.at, whole.size);
        for (uint64_t flips = 1 + load_random(&random, 4); flips > 0; flips--) {
            size_t pages = whole.size / page_size - 2;
            size_t page = 2 + load_random(&random, pages);
            size_t at = load_random(&random, load_random(&random, 2) ? 64 : page_size);
            bytes.at[page * page_size + at] = (unsigned char)load_random(&random, 256);
        }
        unharmed += try_hostile(*state, &bytes) == ENTRIES;
    }
    assert_in_range(unharmed, 1, FLIPS - 1);
    free(bytes.at);
    free(whole.at);
}

/* The pages of a kind, by LMDB's flags. */
static size_t next_page_of(const struct bytes *bytes, size_t page_size, size_t page, int kind)
{
    for (; page < bytes->size / page_size; page++) {
        uint16_t flags;
        uint64_t number;
        memcpy(&number, bytes->at + page * page_size, 8);
        memcpy(&flags, bytes->at + page * page_size + 10, 2);
        if (flags == kind && number == page)
            return page;
    }
    return 0;
}

/* Every child of a branch is its first: leaves that come again and again end a list. */
static void a_tree_that_leads_in_circles_ends(void **state)
{
    struct bytes bytes = make_many(*state);
    size_t page_size = (size_t)sysconf(_SC_PAGESIZE), changed = 0;
    for (size_t page = 2; (page = next_page_of(&bytes, page_size, page, 0x01)); page++) {
        unsigned char *branch = bytes.at + page * page_size;
        uint16_t lower, first, offset;
        memcpy(&lower, branch + 12, 2);
        memcpy(&first, branch + 16, 2);
        for (size_t at = 16; at < lower; at += 2) {
            memcpy(&offset, branch + at, 2);
            memcpy(branch + offset, branch + first, 6); /* the child's number */
        }
        changed++;
    }
    assert_true(changed > 0);
    size_t sound = try_hostile(*state, &bytes);
    assert_in_range(sound, 0, ENTRIES / 2);
    free(bytes.at);
}

/* A file cut off after any page is damaged, or short of entries, and no more than that. */
static void a_file_cut_short_ends(void **state)
{
    struct bytes whole = make_many(*state);
    size_t page_size = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t pages = 0; pages < whole.size / page_size; pages += 3) {
        struct bytes cut = {.at = whole.at, .size = pages * page_size + pages % 2};
        assert_in_range(try_hostile(*state, &cut), 0, ENTRIES);
    }
    free(whole.at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seal_covers_all_of_it),
        cmocka_unit_test(what_is_not_one_array_is_not_sound),
        TEST_AT_HOME(walks_are_those_of_a_sorted_array),
        TEST_AT_HOME(the_base_is_what_was_there),
        TEST_AT_HOME(an_empty_walk_ends),
        TEST_AT_HOME(a_damaged_file_gives_nothing_false),
        TEST_AT_HOME(a_tree_that_leads_in_circles_ends),
        TEST_AT_HOME(a_file_cut_short_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
