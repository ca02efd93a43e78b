/*
 * Sources: the bytes of an entry, numbers that are digests of their texts, any number of them in
 * bounded memory, and what becomes of an entry that is not as it was written.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "damage.h"
#include "env.h"
#include "load.h"
#include "log.h"
#include "processes.h"
#include "sources.h"

#define SEED 0x0123456789abcdefu
#define GOLDEN_NUMBER 0xac280b00abe1d02e

/* The digest of all texts is what this gives, or theirs: 0 is theirs. */
static uint64_t same_digest;

uint64_t __real_entry_digest(const void *bytes, size_t size);
uint64_t __wrap_entry_digest(const void *bytes, size_t size);

uint64_t __wrap_entry_digest(const void *bytes, size_t size)
{
    return same_digest ? same_digest : __real_entry_digest(bytes, size);
}

/* A commit's last write, of its meta page, has been made and is held before it ends. */
static atomic_bool is_to_hold, is_held;

#define META_SIZE_MAX 4096

/* Takes the place of libc's, in liblmdb too. */
__attribute__((visibility("default"))) ssize_t pwrite(int fd, const void *bytes, size_t size,
                                                      off_t at)
{
    ssize_t count = syscall(SYS_pwrite64, fd, bytes, size, at);
    if (is_to_hold && size < META_SIZE_MAX && at < 2 * META_SIZE_MAX)
        for (is_held = true; is_to_hold;)
            usleep(100);
    return count;
}

/* A state environment and its sources. */
struct table {
    struct env *env;
    struct sources *sources;
};

static struct table open_with(const void *home, bool read_only, struct presence *presence)
{
    struct table table;
    struct env_options options = {.presence = presence,
                                  .create = access(in(home, "state.mdb"), F_OK) != 0,
                                  .read_only = read_only,
                                  .readers_max = 64,
                                  .is_unflushed = true,
                                  .lock = SHARED_LOCK_STATE,
                                  .seed = SEED};
    OK(env_open(in(home, "state.mdb"), &options, &table.env));
    OK(sources_open(table.env, &table.sources));
    return table;
}

static struct table open_table(const void *home, bool read_only)
{
    return open_with(home, read_only, NULL);
}

static void close_table(struct table *table)
{
    sources_close(table->sources);
    env_close(table->env);
}

#define TEXTS(...) ((const char *const[SOURCE_TEXTS]){__VA_ARGS__})

static void assert_is(const struct source *source, const char *const text[SOURCE_TEXTS])
{
    for (int i = 0; i < SOURCE_TEXTS; i++)
        assert_string_equal(source->text[i], text[i]);
}

/* Defines a source, finds it by its number, and returns that. */
static uint64_t define(struct table *table, const char *const text[SOURCE_TEXTS])
{
    const struct source *source = NULL, *found = NULL;
    OK(sources_define(table->sources, text, &source));
    assert_is(source, text);
    uint64_t number = source->number;
    source_release(source);
    OK(sources_find(table->sources, number, &found));
    assert_is(found, text);
    source_release(found);
    return number;
}

static uint64_t count_of(struct table *table)
{
    uint64_t count = UINT64_MAX;
    OK(sources_count(table->sources, &count));
    return count;
}

/* ------------------------------------------------------------- defining ---- */

/* Every text counts, and where one ends; the same texts are the same entry. */
static void all_texts_make_the_entry(void **state)
{
    const char *const *const texts[] = {
        TEXTS("a", "bc", "d"), TEXTS("ab", "c", "d"), TEXTS("a", "b", "cd"),
        TEXTS("a", "", ""),    TEXTS("a", "", "1"),   TEXTS("A", "", "1"),
    };
    enum { COUNT = sizeof texts / sizeof *texts };
    uint64_t numbers[COUNT];
    struct table table = open_table(*state, false);
    assert_int_equal(count_of(&table), 0);
    for (int i = 0; i < COUNT; i++) {
        numbers[i] = define(&table, texts[i]);
        for (int j = 0; j < i; j++)
            assert_true(numbers[i] != numbers[j]);
    }
    close_table(&table);
    table = open_table(*state, false);
    for (int i = COUNT - 1; i >= 0; i--)
        assert_true(define(&table, texts[i]) == numbers[i]);
    assert_int_equal(count_of(&table), COUNT);
    close_table(&table);
}

/* Texts of EVLOG_NAME_SIZE_MAX bytes, three in an entry, come back whole. */
static void the_longest_texts_come_back(void **state)
{
    char a[EVLOG_NAME_SIZE_MAX + 1] = "", b[EVLOG_NAME_SIZE_MAX + 1] = "";
    memset(a, 'a', EVLOG_NAME_SIZE_MAX);
    memset(b, 'a', EVLOG_NAME_SIZE_MAX);
    b[EVLOG_NAME_SIZE_MAX - 1] = 'b';
    struct table table = open_table(*state, false);
    uint64_t first = define(&table, TEXTS(a, a, a));
    assert_true(define(&table, TEXTS(a, a, b)) != first);
    close_table(&table);
    table = open_table(*state, true);
    assert_true(define(&table, TEXTS(a, a, a)) == first);
    close_table(&table);
}

/* Other texts with the same digest are refused, by name. */
static void other_texts_with_that_digest_are_refused(void **state)
{
    const struct source *source = NULL;
    same_digest = 77;
    for (int round = 0; round < 2; round++) {
        struct table table = open_table(*state, false);
        if (round == 0)
            define(&table, TEXTS("a", "host", ""));
        FAILS(EVLOG_CONFLICT, "000000000000004d, as source a, host host",
              sources_define(table.sources, TEXTS("b", "", ""), &source));
        assert_null(source);
        define(&table, TEXTS("a", "host", ""));
        assert_int_equal(count_of(&table), 1);
        close_table(&table);
    }
    same_digest = 0;
}

/* A reader takes no new ones, and says so. */
static void a_reader_makes_none(void **state)
{
    const struct source *source = NULL;
    struct table table = open_table(*state, false);
    define(&table, TEXTS("a", "", ""));
    close_table(&table);
    table = open_table(*state, true);
    define(&table, TEXTS("a", "", ""));
    FAILS(EVLOG_READONLY, "reading only",
          sources_define(table.sources, TEXTS("b", "", ""), &source));
    assert_null(source);
    close_table(&table);
}

/* A source that is held stays as it is, however many others come and go. */
static void what_is_held_stays(void **state)
{
    enum { COUNT = 5000 };
    const struct source *held[8];
    struct table table = open_table(*state, false);
    for (int i = 0; i < COUNT; i++) {
        char host[32];
        snprintf(host, sizeof host, "pod-%d", i);
        const struct source *source;
        OK(sources_define(table.sources, TEXTS("a", host, ""), &source));
        if (i < 8)
            held[i] = source;
        else
            source_release(source);
    }
    assert_int_equal(count_of(&table), COUNT);
    for (int i = 0; i < 8; i++) {
        char host[32];
        snprintf(host, sizeof host, "pod-%d", i);
        assert_is(held[i], TEXTS("a", host, ""));
        source_release(held[i]);
    }
    close_table(&table);
}

/* --------------------------------------------------------------- threads ---- */

#define THREADS 4
#define HOSTS 3000

struct thread {
    struct table *table;
    pthread_t thread;
    uint64_t random;
    bool is_good;
};

static void *find_at_random(void *ctx)
{
    struct thread *thread = ctx;
    thread->is_good = true;
    for (int i = 0; i < 20000 && thread->is_good; i++) {
        const struct source *source;
        char host[32];
        snprintf(host, sizeof host, "pod-%u", (unsigned)load_random(&thread->random, HOSTS));
        if (sources_define(thread->table->sources, TEXTS("a", host, ""), &source)) {
            thread->is_good = false;
            break;
        }
        thread->is_good = strcmp(source->text[1], host) == 0;
        source_release(source);
    }
    return NULL;
}

/* Threads that find more sources than there is room for find the right ones. */
static void threads_find_what_they_ask_for(void **state)
{
    struct thread threads[THREADS];
    struct table table = open_table(*state, false);
    for (int i = 0; i < THREADS; i++) {
        threads[i] = (struct thread){.table = &table, .random = (uint64_t)i + 1};
        assert_int_equal(pthread_create(&threads[i].thread, NULL, find_at_random, &threads[i]),
                         0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i].thread, NULL);
        assert_true(threads[i].is_good);
    }
    close_table(&table);
}

/* ------------------------------------------------------------- the bytes ---- */

static void make_key(unsigned char key[9], uint64_t number)
{
    key[0] = 's';
    put_big(key + 1, number, 8);
}

static struct bytes get_source(const void *home, uint64_t number)
{
    unsigned char key[9];
    make_key(key, number);
    struct raw raw = raw_open(in(home, "state.mdb"));
    struct bytes value = raw_get(&raw, key, sizeof key);
    raw_close(&raw);
    return value;
}

static void put_source(const void *home, uint64_t number, struct bytes value)
{
    unsigned char key[9];
    make_key(key, number);
    struct raw raw = raw_open(in(home, "state.mdb"));
    raw_put(&raw, key, sizeof key, value);
    raw_close(&raw);
}

/* An entry is what store/README.md says; the checksum is another program's. */
static void an_entry_is_the_golden_bytes(void **state)
{
    static const char golden[] = "\x94\xcf\x50\x64\x67\x65\x12\xec\xb6\x85\xaf"
                                 "openedx/lms/web\xa5lms-1\xa5"
                                 "0.1.0";
    struct table table = open_table(*state, false);
    define(&table, TEXTS("openedx/lms/web", "lms-1", "0.1.0"));
    close_table(&table);
    struct bytes value = get_source(*state, GOLDEN_NUMBER);
    assert_int_equal(value.size, sizeof golden - 1);
    assert_memory_equal(value.at, golden, sizeof golden - 1);
    free(value.at);
}

/* --------------------------------------------------------------- any number ---- */

#define PODS 70000
#define MEMORY_MAX (1 << 20)

size_t __sanitizer_get_current_allocated_bytes(void); /* of this test's build */

/* Writes the entries of PODS hosts past the library, which would flush each. */
static void put_pods(const void *home, uint64_t *numbers)
{
    struct raw raw = raw_open(in(home, "state.mdb"));
    for (int i = 0; i < PODS; i++) {
        unsigned char key[9], value[48] = "\x94\xcf........\xa1"
                                          "a\xa9";
        snprintf((char *)value + 13, 16, "pod-%05d", i);
        value[22] = 0xa0;
        numbers[i] = XXH3_64bits(value + 10, 13);
        make_key(key, numbers[i]);
        entry_refit(SEED, key, sizeof key, value, 23);
        raw_put(&raw, key, sizeof key, (struct bytes){value, 23});
    }
    raw_close(&raw);
}

/* More hosts than any table would hold: each is found, a new one is taken, and memory stays small. */
static void any_number_of_them_fits(void **state)
{
    uint64_t *numbers = calloc(PODS, sizeof *numbers);
    struct table table = open_table(*state, false);
    close_table(&table);
    put_pods(*state, numbers);
    table = open_table(*state, false);
    size_t before = __sanitizer_get_current_allocated_bytes();
    for (int i = 0; i < PODS; i++) {
        const struct source *source;
        char host[16];
        snprintf(host, sizeof host, "pod-%05d", i);
        OK(sources_find(table.sources, numbers[i], &source));
        assert_is(source, TEXTS("a", host, ""));
        source_release(source);
    }
    define(&table, TEXTS("a", "pod-new", ""));
    assert_true(__sanitizer_get_current_allocated_bytes() < before + MEMORY_MAX);
    assert_int_equal(count_of(&table), PODS + 1);
    close_table(&table);
    free(numbers);
}

/* ----------------------------------------------------------- while another defines ---- */

struct definer {
    struct table *table;
    pthread_t thread;
    atomic_bool is_done;
};

static void *define_one(void *ctx)
{
    struct definer *definer = ctx;
    define(definer->table, TEXTS("a", "host", "1.2"));
    definer->is_done = true;
    return NULL;
}

static void define_at_once(const void *home, struct presence *presence)
{
    struct table first = open_with(home, false, presence);
    struct table second = open_with(home, false, presence);
    struct definer definers[2] = {{.table = &first}, {.table = &second}};
    is_held = false;
    is_to_hold = true;
    assert_int_equal(pthread_create(&definers[0].thread, NULL, define_one, &definers[0]), 0);
    while (!is_held)
        usleep(100);
    assert_int_equal(pthread_create(&definers[1].thread, NULL, define_one, &definers[1]), 0);
    usleep(100000);
    bool is_early = definers[1].is_done;
    is_to_hold = false;
    for (int i = 0; i < 2; i++)
        pthread_join(definers[i].thread, NULL);
    assert_false(is_early);
    assert_int_equal(count_of(&second), 1);
    close_table(&first);
    close_table(&second);
}

/* What another thread is about to define can be read in the file before it is on disk: it is waited for. */
static void one_that_is_not_on_disk_yet_is_waited_for(void **state)
{
    define_at_once(*state, NULL);
}

/* As a process of the same pid in another pid namespace would: liblmdb gives this process no slots then. */
static pid_t take_pid(const char *lock_file)
{
    int ready[2];
    char byte;
    struct flock lock = {.l_type = F_WRLCK, .l_start = getpid(), .l_len = 1};
    assert_int_equal(pipe(ready), 0);
    pid_t child = start_process();
    if (child == 0) {
        int fd = open(lock_file, O_RDWR);
        if (fd < 0 || fcntl(fd, F_SETLK, &lock) || write(ready[1], "", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return child;
}

static void it_is_waited_for_without_a_slot(void **state)
{
    evlog *log;
    OK(evlog_open(in(*state, "."), NULL, &log));
    OK(evlog_close(log));
    pid_t child = take_pid(in(*state, "state.mdb-lock"));
    OK(evlog_open(in(*state, "."), NULL, &log));
    OK(evlog_define(log, "org.evlog.test.v1", 0, NULL,
                    &(evlog_signal *){NULL})); /* a commit is noted */
    define_at_once(*state, &log->store->presence);
    OK(evlog_close(log));
    kill_process(child);
}

/* ---------------------------------------------------------------- damage ---- */

/* A damaged entry is not found; sending the texts again writes it as it was. */
static void assert_mended(const void *home, uint64_t number, const struct bytes *whole)
{
    const struct source *source = NULL;
    struct table table = open_table(home, true);
    FAILS(EVLOG_DAMAGED, "not as it was written", sources_find(table.sources, number, &source));
    assert_null(source);
    close_table(&table);
    table = open_table(home, false);
    assert_true(define(&table, TEXTS("a", "host", "1.2")) == number);
    assert_int_equal(count_of(&table), 1);
    close_table(&table);
    struct bytes now = get_source(home, number);
    assert_int_equal(now.size, whole->size);
    assert_memory_equal(now.at, whole->at, whole->size);
    free(now.at);
}

/* Each bit of an entry, flipped, is found, and mended by its next use. */
static void a_flipped_bit_is_found_and_mended(void **state)
{
    struct table table = open_table(*state, false);
    uint64_t number = define(&table, TEXTS("a", "host", "1.2"));
    close_table(&table);
    struct bytes whole = get_source(*state, number), value = get_source(*state, number);
    for (size_t bit = 0; bit < value.size * 8; bit++) {
        value.at[bit / 8] ^= (unsigned char)(1 << bit % 8);
        put_source(*state, number, value);
        assert_mended(*state, number, &whole);
        value.at[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    free(value.at);
    free(whole.at);
}

/* One whose checksum fits but which no evlog wrote is found, another's texts among them. */
static void a_forged_entry_is_found_and_mended(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } forged[] = {
        {"\x94\xcf........\xa1"
         "b\xa4host\xa3"
         "1.2",
         21}, /* another source */
        {"\x94\xcf........\xc0\xa4host\xa3"
         "1.2",
         20}, /* none */
        {"\x94\xcf........\xa1"
         "a\xa4"
         "ho\0t\xa3"
         "1.2",
         21},
        {"\x94\xcf........\xa1"
         "a\xa4host\xc4\x03"
         "1.2",
         22},
        {"\x93\xcf........\xa1"
         "a\xa4host",
         17},
        {"\x95\xcf........\xa1"
         "a\xa4host\xa3"
         "1.2\xc0",
         22},
    };
    struct table table = open_table(*state, false);
    uint64_t number = define(&table, TEXTS("a", "host", "1.2"));
    close_table(&table);
    struct bytes whole = get_source(*state, number);
    for (size_t i = 0; i < sizeof forged / sizeof *forged; i++) {
        unsigned char key[9], value[32];
        memcpy(value, forged[i].bytes, forged[i].size);
        make_key(key, number);
        entry_refit(SEED, key, sizeof key, value, forged[i].size);
        put_source(*state, number, (struct bytes){value, forged[i].size});
        assert_mended(*state, number, &whole);
    }
    free(whole.at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(all_texts_make_the_entry),
        TEST_AT_HOME(the_longest_texts_come_back),
        TEST_AT_HOME(other_texts_with_that_digest_are_refused),
        TEST_AT_HOME(a_reader_makes_none),
        TEST_AT_HOME(what_is_held_stays),
        TEST_AT_HOME(threads_find_what_they_ask_for),
        TEST_AT_HOME(an_entry_is_the_golden_bytes),
        TEST_AT_HOME(any_number_of_them_fits),
        TEST_AT_HOME(one_that_is_not_on_disk_yet_is_waited_for),
        TEST_AT_HOME(it_is_waited_for_without_a_slot),
        TEST_AT_HOME(a_flipped_bit_is_found_and_mended),
        TEST_AT_HOME(a_forged_entry_is_found_and_mended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
