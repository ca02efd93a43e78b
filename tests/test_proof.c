/*
 * Whether liblmdb may write to a file (proof.c): files that it has made are proved, and each rule, broken
 * by hand in the file's bytes, is found. What openings read for it is counted.
 */
#include <signal.h>
#include <sys/wait.h>

#include "damage.h"
#include "env.h"
#include "meta.h"
#include "proof.h"

#define PAGE 4096
#define KEY "key %08u, and some more to make it long"

/* ----------------------------------------------------------------- files ---- */

/* Puts or deletes `count` keys from `first` on, in one commit; `size` 0: deletes. */
static void change(const void *home, unsigned first, unsigned count, size_t size)
{
    struct raw raw = raw_open(in(home, "file"));
    struct bytes value = {.at = calloc(1, size + 1), .size = size};
    for (unsigned i = first; i < first + count; i++) {
        char key[64];
        snprintf(key, sizeof key, KEY, i);
        if (size)
            raw_put(&raw, key, strlen(key), value);
        else
            raw_del(&raw, key, strlen(key));
    }
    free(value.at);
    raw_close(&raw);
}

/* A file with several entries in its list of free pages, and a tree of two levels. */
static void make_file(const void *home)
{
    for (unsigned i = 0; i < 6; i++)
        change(home, i * 40, 40, 100);
    change(home, 20, 120, 0);
}

static struct page_snapshot open_file(const void *home)
{
    struct page_snapshot snapshot;
    int fd = open(in(home, "file"), O_RDONLY);
    assert_true(fd >= 0);
    OK(meta_read(fd, "file", &snapshot));
    return snapshot;
}

static void assert_proved(const void *home)
{
    struct page_snapshot snapshot = open_file(home);
    OK(proof_all(&snapshot, 0));
    close(snapshot.fd);
}

static void assert_refused(const void *home, const char *words)
{
    struct page_snapshot snapshot = open_file(home);
    FAILS(EVLOG_DAMAGED, words, proof_whole(&snapshot, 0, 0));
    close(snapshot.fd);
}

static void set64(const void *home, uint64_t at, uint64_t value)
{
    file_patch(in(home, "file"), &value, sizeof value, at);
}

/* ---------------------------------------------------------- the list of it ---- */

#define NUMBERS_MAX 1024

/* An entry of the list: where its key and its count are, and the numbers behind that. */
struct entry {
    uint64_t key_at, count_at;
    uint64_t count, numbers[NUMBERS_MAX];
};

/* The entry `index` of the list. false: it has fewer. */
static bool read_entry(const void *home, unsigned index, struct entry *entry)
{
    struct page_snapshot snapshot = open_file(home), list = meta_free_tree(&snapshot);
    struct page_cursor cursor = {.snapshot = &list};
    struct page_node node;
    OK(page_seek(&cursor, "", 0));
    int result = page_cursor_node(&cursor, &node);
    for (; result == EVLOG_OK && index > 0; index--) {
        page_cursor_step(&cursor);
        result = page_cursor_node(&cursor, &node);
    }
    if (result == EVLOG_OK) {
        uint64_t page_at = page_number(cursor.leaf) * PAGE;
        assert_non_null(node.data);
        entry->key_at = page_at + (uint64_t)((const unsigned char *)node.key - cursor.leaf);
        entry->count_at = page_at + (uint64_t)((const unsigned char *)node.data - cursor.leaf);
        memcpy(&entry->count, node.data, sizeof entry->count);
        assert_true(entry->count < NUMBERS_MAX);
        memcpy(entry->numbers, (const char *)node.data + 8, entry->count * 8);
    }
    page_cursor_free(&cursor);
    close(snapshot.fd);
    return result == EVLOG_OK;
}

/* Where a number can be put into the list so that its entry is still in order. */
static uint64_t place_for(const void *home, uint64_t number)
{
    struct entry entry;
    for (unsigned index = 0; read_entry(home, index, &entry); index++)
        for (uint64_t i = 0; i < entry.count; i++) {
            bool is_below = i == 0 || entry.numbers[i - 1] > number;
            bool is_above = i + 1 == entry.count || entry.numbers[i + 1] < number;
            if (is_below && is_above && entry.numbers[i] != number)
                return entry.count_at + 8 + 8 * i;
        }
    fail_msg("the list has no place for page %" PRIu64, number);
    return 0;
}

/* ------------------------------------------------------------------ sound ---- */

static void an_empty_file_is_proved(void **state)
{
    struct raw raw = raw_open(in(*state, "file"));
    mdb_txn_abort(raw.txn);
    mdb_env_close(raw.env);
    assert_proved(*state);
}

static void a_file_with_free_pages_is_proved(void **state)
{
    make_file(*state);
    assert_proved(*state);
}

/* Values of many pages; and so many pages freed at once that the list has overflow pages, too. */
static void overflow_pages_in_the_tree_and_in_the_list_are_proved(void **state)
{
    change(*state, 0, 200, 20000);
    assert_proved(*state);
    change(*state, 20, 160, 0);
    struct page_snapshot snapshot = open_file(*state), list = meta_free_tree(&snapshot);
    assert_true(snapshot.overflow_count > 0 && list.overflow_count > 0);
    close(snapshot.fd);
    assert_proved(*state);
}

/* Random commits: what liblmdb leaves is always proved. */
static void what_liblmdb_leaves_is_proved(void **state)
{
    uint64_t seed = 1;
    for (unsigned round = 0; round < 60; round++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        unsigned first = (unsigned)(seed >> 40) % 500, count = 1 + (unsigned)(seed >> 20) % 90;
        change(*state, first, count, 1 + (seed >> 33) % (round % 3 ? 200 : 9000));
        if (round % 2)
            change(*state, first, count, 0);
        assert_proved(*state);
    }
}

/* ----------------------------------------------------------------- broken ---- */

static void a_free_page_outside_the_file_is_found(void **state)
{
    struct entry entry;
    make_file(*state);
    assert_true(read_entry(*state, 0, &entry));
    struct page_snapshot snapshot = open_file(*state);
    set64(*state, entry.count_at + 8, snapshot.last_page + 1);
    close(snapshot.fd);
    assert_refused(*state, "is outside the file");
    set64(*state, entry.count_at + 8, entry.numbers[0]);
    set64(*state, entry.count_at + 8 * entry.count, 1);
    assert_refused(*state, "is outside the file");
}

static void a_free_page_that_is_listed_twice_is_found(void **state)
{
    struct entry entry;
    make_file(*state);
    assert_true(read_entry(*state, 0, &entry));
    set64(*state, place_for(*state, entry.numbers[0]), entry.numbers[0]);
    assert_refused(*state, "is in use or free elsewhere too");
}

static void a_free_page_that_is_in_use_is_found(void **state)
{
    make_file(*state);
    struct page_snapshot snapshot = open_file(*state);
    set64(*state, place_for(*state, snapshot.root), snapshot.root);
    assert_refused(*state, "is in use or free elsewhere too");
    close(snapshot.fd);
}

/* The pages of the list itself are in use. */
static void a_free_page_of_the_list_itself_is_found(void **state)
{
    make_file(*state);
    struct page_snapshot snapshot = open_file(*state);
    set64(*state, place_for(*state, snapshot.free_root), snapshot.free_root);
    assert_refused(*state, "is in use or free elsewhere too");
    close(snapshot.fd);
}

static void free_pages_that_do_not_descend_are_found(void **state)
{
    struct entry entry = {.count = 0};
    make_file(*state);
    for (unsigned index = 0; entry.count < 2; index++)
        assert_true(read_entry(*state, index, &entry));
    set64(*state, entry.count_at + 8, entry.numbers[1]);
    set64(*state, entry.count_at + 16, entry.numbers[0]);
    assert_refused(*state, "is not in order");
}

static void a_wrong_key_in_the_list_is_found(void **state)
{
    struct entry entry, last;
    make_file(*state);
    struct page_snapshot snapshot = open_file(*state);
    assert_true(read_entry(*state, 0, &entry) && read_entry(*state, 1, &last));
    set64(*state, entry.key_at, 0);
    assert_refused(*state, "wrong key");
    set64(*state, entry.key_at, snapshot.txnid + 1);
    assert_refused(*state, "wrong key");
    set64(*state, entry.key_at, snapshot.txnid); /* above the next one's */
    assert_refused(*state, "wrong key");
    close(snapshot.fd);
}

static void a_wrong_count_in_the_list_is_found(void **state)
{
    struct entry entry;
    make_file(*state);
    assert_true(read_entry(*state, 0, &entry));
    set64(*state, entry.count_at, entry.count + 1);
    assert_refused(*state, "wrong size");
    set64(*state, entry.count_at, UINT64_MAX);
    assert_refused(*state, "wrong size");
}

/* A page that is neither in use nor free: the list has lost an entry, say. */
static void a_missing_page_is_found(void **state)
{
    make_file(*state);
    struct page_snapshot snapshot = open_file(*state);
    assert_int_equal(truncate(in(*state, "file"), (off_t)(snapshot.last_page + 3) * PAGE), 0);
    snapshot.file_size += 2 * PAGE;
    snapshot.last_page += 1;
    FAILS(EVLOG_DAMAGED, "1 of its pages are neither in use nor free", proof_pages(&snapshot, 0));
    close(snapshot.fd);
}

static void a_file_that_was_cut_short_is_found(void **state)
{
    make_file(*state);
    struct page_snapshot snapshot = open_file(*state);
    assert_int_equal(truncate(in(*state, "file"), (off_t)snapshot.last_page * PAGE), 0);
    close(snapshot.fd);
    assert_refused(*state, "cut short");
}

/* A tree whose branches all point to one child ends at the second visit, however large the file. */
static void a_forged_file_of_a_million_pages_ends_at_once(void **state)
{
    struct bytes file;
    make_file(*state);
    struct page_snapshot snapshot = open_file(*state);
    assert_true(snapshot.depth == 2);
    file = file_read(in(*state, "file"));
    unsigned char *root = file.at + snapshot.root * PAGE;
    uint16_t at[2];
    memcpy(at, root + 16, sizeof at); /* the first two nodes */
    file_patch(in(*state, "file"), root + at[0], 4, snapshot.root * PAGE + at[1]);
    assert_int_equal(truncate(in(*state, "file"), (off_t)PAGE << 20), 0);
    snapshot.file_size = (uint64_t)PAGE << 20;
    snapshot.last_page = (1 << 20) - 1;
    FAILS(EVLOG_DAMAGED, "is in use or free elsewhere too", proof_pages(&snapshot, 0));
    file_patch(in(*state, "file"), root + at[1], 4, snapshot.root * PAGE + at[1]);
    FAILS(EVLOG_DAMAGED, "are neither in use nor free", proof_pages(&snapshot, 0));
    free(file.at);
    close(snapshot.fd);
}

/* ------------------------------------------------------------- meta pages ---- */

enum { META_FLAGS = 44, META_TXNID = 144 };

static void flip_bit(const void *home, uint64_t at, unsigned bit)
{
    struct bytes file = file_read(in(home, "file"));
    unsigned char byte = file.at[at] ^ (unsigned char)(1 << bit);
    file_patch(in(home, "file"), &byte, 1, at);
    free(file.at);
}

/*
 * Any bit of either number, also the one that makes the older state the newest, with the next number, and
 * the one that makes the newest number the one before the older.
 */
static void no_flip_of_a_txnid_hides_the_last_commit(void **state)
{
    unsigned successive_count = 0;
    make_file(*state);
    for (unsigned rounds = 0; rounds < 4; rounds++) {
        change(*state, 300 + rounds, 1, 10);
        struct page_snapshot newest = open_file(*state), flipped;
        OK(proof_succession(&newest, newest.txnid));
        for (unsigned bit = 0; bit < 128; bit++) {
            uint64_t at = bit / 64 * PAGE + META_TXNID + bit % 64 / 8;
            flip_bit(*state, at, bit % 8);
            OK(meta_read(newest.fd, "file", &flipped));
            successive_count += !flipped.one_meta;
            assert_int_equal(proof_succession(&flipped, newest.txnid), EVLOG_DAMAGED);
            flip_bit(*state, at, bit % 8);
        }
        close(newest.fd);
    }
    assert_true(successive_count > 0);
}

/*
 * A process that was killed while it stored into a mapped meta page leaves the tables and the last page of its
 * commit under the number that was there before. The commit before it is then the last one.
 */
static void a_meta_page_that_was_half_stored_is_not_the_last(void **state)
{
    make_file(*state);
    change(*state, 300, 200, 1000);
    struct page_snapshot newest = open_file(*state), before;
    set64(*state, newest.txnid % 2 * PAGE + META_TXNID, newest.txnid - 2);
    OK(meta_read(newest.fd, "file", &before));
    assert_int_equal(before.txnid, newest.txnid - 1);
    assert_true(before.last_page < newest.last_page);
    OK(proof_whole(&before, before.txnid, 0));
    assert_int_equal(proof_whole(&before, 0, 0), EVLOG_DAMAGED);
    close(newest.fd);
}

/* The same for a first commit, which has freed nothing. */
static void no_flip_of_a_txnid_hides_the_first_commit(void **state)
{
    change(*state, 0, 1, 10);
    assert_proved(*state);
    flip_bit(*state, META_TXNID, 1);
    assert_refused(*state, "is not the last one");
}

/* liblmdb would take the list for one of another kind. */
static void a_list_of_another_kind_is_not_sound(void **state)
{
    make_file(*state);
    for (unsigned bit = 0; bit < 8; bit++) {
        flip_bit(*state, META_FLAGS, bit);
        flip_bit(*state, PAGE + META_FLAGS, bit);
        struct page_snapshot snapshot;
        int fd = open(in(*state, "file"), O_RDONLY);
        FAILS(EVLOG_DAMAGED, "neither of its two meta pages", meta_read(fd, "file", &snapshot));
        close(fd);
        flip_bit(*state, META_FLAGS, bit);
        flip_bit(*state, PAGE + META_FLAGS, bit);
    }
}

/* --------------------------------------------------------- pages beside it ---- */

/* Whether a deletion of key `number` is refused, and a put there is not. */
static bool is_refused(const struct page_snapshot *snapshot, unsigned number)
{
    struct page_cursor cursor = {.snapshot = snapshot};
    char key[64];
    snprintf(key, sizeof key, KEY, number);
    OK(page_seek(&cursor, key, strlen(key)));
    OK(page_check_writable(&cursor));
    int result = page_check_deletable(&cursor);
    assert_true(result == EVLOG_OK || result == EVLOG_DAMAGED);
    page_cursor_free(&cursor);
    return result != EVLOG_OK;
}

/* The numbers of all leaves, in the order of their keys. */
static size_t list_leaves(const struct page_snapshot *snapshot, uint64_t *pgnos, unsigned *firsts,
                          size_t count_max)
{
    struct page_cursor cursor = {.snapshot = snapshot};
    struct page_node node;
    size_t count = 0;
    int result = page_seek(&cursor, "", 0);
    for (; result == EVLOG_OK; result = page_next_leaf(&cursor)) {
        assert_true(count < count_max);
        page_node_at(cursor.leaf, 0, &node);
        pgnos[count] = page_number(cursor.leaf);
        firsts[count++] = (unsigned)strtoul((const char *)node.key + 4, NULL, 10);
    }
    page_cursor_free(&cursor);
    return count;
}

/*
 * liblmdb merges a page that gets too empty with the one beside it, and with one that is not sound it
 * crashes: then nothing is deleted next to it, also where another branch has it.
 */
static void nothing_is_deleted_beside_a_page_that_is_not_sound(void **state)
{
    static uint64_t pgnos[512];
    static unsigned firsts[512];
    change(*state, 0, 4000, 300);
    struct page_snapshot snapshot = open_file(*state);
    assert_true(snapshot.depth >= 3);
    size_t count = list_leaves(&snapshot, pgnos, firsts, 512);
    for (size_t i = 1; i + 1 < count; i += 1) {
        uint64_t at = pgnos[i] * PAGE + 14; /* upper */
        struct bytes file = file_read(in(*state, "file"));
        unsigned char lower = (unsigned char)(file.at[at] - 2);
        assert_false(is_refused(&snapshot, firsts[i - 1]));
        file_patch(in(*state, "file"), &lower, 1, at);
        assert_true(is_refused(&snapshot, firsts[i - 1]));
        assert_true(is_refused(&snapshot, firsts[i + 1]));
        file_patch(in(*state, "file"), &file.at[at], 1, at);
        free(file.at);
        i += i > 3 && i + 40 < count ? 6 : 0;
    }
    close(snapshot.fd);
}

/* Where the key of a number is in the file. */
static struct damage_place place_of_key(const void *home, unsigned number)
{
    struct page_snapshot snapshot = open_file(home);
    struct page_cursor cursor = {.snapshot = &snapshot};
    struct page_node node;
    char key[64];
    snprintf(key, sizeof key, KEY, number);
    OK(page_seek(&cursor, key, strlen(key)));
    OK(page_cursor_node(&cursor, &node));
    struct damage_place place = {.key = page_number(cursor.leaf) * PAGE +
                                        (uint64_t)((const unsigned char *)node.key - cursor.leaf),
                                 .size = node.key_size};
    page_cursor_free(&cursor);
    close(snapshot.fd);
    return place;
}

/* Nor where keys are not in order: liblmdb would make keys of branches of them, and hide whole pages. */
static void nothing_is_put_where_keys_are_not_in_order(void **state)
{
    static uint64_t pgnos[512];
    static unsigned firsts[512];
    change(*state, 0, 400, 300);
    struct page_snapshot snapshot = open_file(*state);
    size_t count = list_leaves(&snapshot, pgnos, firsts, 512);
    assert_true(count > 4);
    for (unsigned number = firsts[2]; number < firsts[3]; number++) {
        struct damage_place place = place_of_key(*state, number);
        for (int bit = 0; bit < 8; bit += 7) { /* another key; the same page or not */
            flip_bit(*state, place.key, (unsigned)bit);
            struct page_cursor cursor = {.snapshot = &snapshot};
            char key[64];
            snprintf(key, sizeof key, KEY, number == firsts[2] ? number + 1 : firsts[2]);
            OK(page_seek(&cursor, key, strlen(key)));
            FAILS(EVLOG_DAMAGED, "are not in order", page_check_writable(&cursor));
            page_cursor_free(&cursor);
            flip_bit(*state, place.key, (unsigned)bit);
        }
    }
    close(snapshot.fd);
}

/* ------------------------------------------------------------ what is read ---- */

static unsigned long reads;
ssize_t __real_pread(int fd, void *bytes, size_t size, off_t offset);
ssize_t __wrap_pread(int fd, void *bytes, size_t size, off_t offset);

ssize_t __wrap_pread(int fd, void *bytes, size_t size, off_t offset)
{
    reads++;
    return __real_pread(fd, bytes, size, offset);
}

/* A log in a child, which closes it or is killed. */
static void make_log(const void *home, unsigned count, bool is_killed)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        evlog *log;
        evlog_signal *signal;
        char data[3004] = "\x81\xa1n\xc5\x0b\xb5";
        bool is_made = evlog_open(in(home, "log"), NULL, &log) == EVLOG_OK &&
                       evlog_define(log, "org.evlog.proof.v1", 0, NULL, &signal) == EVLOG_OK;
        for (unsigned i = 0; i < count && is_made; i++)
            is_made = evlog_send_event(signal, data, 6 + 0xbb5, NULL, NULL) == EVLOG_OK;
        if (is_made && is_killed)
            raise(SIGKILL);
        _exit(!is_made || evlog_close(log));
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(is_killed ? WIFSIGNALED(status) : status == 0);
}

static unsigned long reads_to_open(const void *home)
{
    evlog *log;
    reads = 0;
    OK(evlog_open(in(home, "log"), NULL, &log));
    unsigned long count = reads;
    OK(evlog_close(log));
    return count;
}

/* After a normal close opening reads as much of a long log as of a short one; after a kill, all leaves. */
static void what_was_noted_is_not_proved_again(void **state)
{
    enum { COUNT = 3000 };
    make_log(*state, 10, false);
    unsigned long few = reads_to_open(*state);
    make_log(*state, COUNT, false);
    unsigned long many = reads_to_open(*state);
    assert_true(many < few + 60);
    make_log(*state, 1, true);
    unsigned long in_full = reads_to_open(*state);
    assert_true(in_full > COUNT);
    assert_true(reads_to_open(*state) < few + 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(an_empty_file_is_proved),
        TEST_AT_HOME(a_file_with_free_pages_is_proved),
        TEST_AT_HOME(overflow_pages_in_the_tree_and_in_the_list_are_proved),
        TEST_AT_HOME(what_liblmdb_leaves_is_proved),
        TEST_AT_HOME(a_free_page_outside_the_file_is_found),
        TEST_AT_HOME(a_free_page_that_is_listed_twice_is_found),
        TEST_AT_HOME(a_free_page_that_is_in_use_is_found),
        TEST_AT_HOME(a_free_page_of_the_list_itself_is_found),
        TEST_AT_HOME(free_pages_that_do_not_descend_are_found),
        TEST_AT_HOME(a_wrong_key_in_the_list_is_found),
        TEST_AT_HOME(a_wrong_count_in_the_list_is_found),
        TEST_AT_HOME(a_missing_page_is_found),
        TEST_AT_HOME(a_file_that_was_cut_short_is_found),
        TEST_AT_HOME(a_forged_file_of_a_million_pages_ends_at_once),
        TEST_AT_HOME(no_flip_of_a_txnid_hides_the_last_commit),
        TEST_AT_HOME(a_meta_page_that_was_half_stored_is_not_the_last),
        TEST_AT_HOME(no_flip_of_a_txnid_hides_the_first_commit),
        TEST_AT_HOME(a_list_of_another_kind_is_not_sound),
        TEST_AT_HOME(nothing_is_deleted_beside_a_page_that_is_not_sound),
        TEST_AT_HOME(nothing_is_put_where_keys_are_not_in_order),
        TEST_AT_HOME(what_was_noted_is_not_proved_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
