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
static unsigned char *page_reads; /* of each page; NULL: not asked for */

ssize_t __real_pread(int fd, void *bytes, size_t size, off_t offset);
ssize_t __wrap_pread(int fd, void *bytes, size_t size, off_t offset);

ssize_t __wrap_pread(int fd, void *bytes, size_t size, off_t offset)
{
    reads++;
    for (off_t at = offset - offset % PAGE; page_reads && at < offset + (off_t)size; at += PAGE)
        page_reads[at / PAGE]++;
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
    assert_in_range(in_full, COUNT, COUNT + COUNT / 8);
    assert_true(reads_to_open(*state) < few + 60);
}

/* --------------------------------------------- what the full proof reads ---- */

#define MILLION 1000000
enum { BRANCH = 1, LEAF = 2, OVERFLOW = 4, NODE_BIG = 1 };
enum { KEY_SIZE = 8, NODE_SIZE = 8 + KEY_SIZE, CHILDREN = (PAGE - 16) / (NODE_SIZE + 2) };

/* A file whose leaves are holes, with a list of free pages in one entry. */
struct vast {
    int fd;
    uint64_t next; /* page to be used */
    struct page_snapshot snapshot;
};

static void write_page(struct vast *vast, const void *page, size_t size)
{
    assert_int_equal(pwrite(vast->fd, page, size, (off_t)vast->next * PAGE), size);
    vast->next++;
}

/* A branch to the pages from `first` on, as liblmdb fills one that is only appended to. */
static void write_branch(struct vast *vast, uint64_t first, unsigned count)
{
    unsigned char page[PAGE] = {0};
    uint16_t head[4] = {0, BRANCH, (uint16_t)(16 + 2 * count),
                        (uint16_t)(PAGE - NODE_SIZE * count)};
    memcpy(page, &vast->next, 8);
    memcpy(page + 8, head, sizeof head);
    for (unsigned i = 0; i < count; i++) {
        uint16_t at = (uint16_t)(PAGE - NODE_SIZE * (i + 1)), key_size = KEY_SIZE;
        uint64_t child = first + i;
        memcpy(page + 16 + 2 * i, &at, sizeof at);
        memcpy(page + at, &child, 6);
        memcpy(page + at + 6, &key_size, sizeof key_size);
        put_big(page + at + 8, child, KEY_SIZE);
    }
    write_page(vast, page, sizeof page);
}

/* Branches over `count` pages that are there from `first` on, and over these, up to the root. Returns how many. */
static uint64_t write_branches(struct vast *vast, uint64_t first, uint64_t count)
{
    uint64_t begin = vast->next;
    for (uint64_t i = 0; i < count; i += CHILDREN)
        write_branch(vast, first + i, (unsigned)(count - i < CHILDREN ? count - i : CHILDREN));
    uint64_t made = vast->next - begin;
    vast->snapshot.depth++;
    vast->snapshot.root = begin;
    return made > 1 ? made + write_branches(vast, begin, made) : made;
}

/* The list: a leaf with one entry, whose value is behind it. Returns how many pages that takes. */
static uint64_t write_list(struct vast *vast, uint64_t first_free, uint64_t count)
{
    uint64_t size = (count + 1) * 8, txnid = 1, leaf = vast->next;
    uint32_t pages = (uint32_t)((16 + size + PAGE - 1) / PAGE);
    unsigned char page[PAGE] = {0}, *value = calloc(pages, PAGE);
    uint16_t head[4] = {0, LEAF, 18, PAGE - 24}, at = PAGE - 24, flags = NODE_BIG, key_size = 8;
    uint64_t overflow = leaf + 1;
    memcpy(page, &leaf, 8);
    memcpy(page + 8, head, sizeof head);
    memcpy(page + 16, &at, sizeof at);
    memcpy(page + at, &size, 4);
    memcpy(page + at + 4, &flags, sizeof flags);
    memcpy(page + at + 6, &key_size, sizeof key_size);
    memcpy(page + at + 8, &txnid, 8);
    memcpy(page + at + 16, &overflow, 8);
    write_page(vast, page, sizeof page);
    memcpy(value, &overflow, 8);
    value[10] = OVERFLOW;
    memcpy(value + 12, &pages, sizeof pages);
    memcpy(value + 16, &count, 8);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t pgno = first_free + count - 1 - i;
        memcpy(value + 24 + 8 * i, &pgno, sizeof pgno);
    }
    assert_int_equal(pwrite(vast->fd, value, (size_t)pages * PAGE, (off_t)overflow * PAGE),
                     pages * PAGE);
    vast->next += pages;
    free(value);
    vast->snapshot.free_root = leaf;
    vast->snapshot.free_depth = 1;
    return 1 + pages;
}

/*
 * Of a million leaves the proof reads none (here they are holes), and each branch once: a page for each 226 leaves. Of
 * the list it reads each page twice, and the head of a value once more.
 */
static void a_million_pages_are_proved_by_their_branches(void **state)
{
    enum { FREE = 50000 };
    struct vast vast = {.next = 2 + MILLION + FREE};
    vast.fd = open(in(*state, "file"), O_RDWR | O_CREAT, 0600);
    uint64_t branches = write_branches(&vast, 2, MILLION), branches_at = 2 + MILLION + FREE;
    vast.snapshot.depth++; /* of the leaves */
    uint64_t list = write_list(&vast, 2 + MILLION, FREE);
    assert_int_equal(ftruncate(vast.fd, (off_t)vast.next * PAGE), 0);
    vast.snapshot.fd = vast.fd;
    vast.snapshot.name = "file";
    vast.snapshot.page_size = PAGE;
    vast.snapshot.txnid = 2;
    vast.snapshot.last_page = vast.next - 1;
    vast.snapshot.file_size = vast.next * PAGE;
    page_reads = calloc(vast.next, 1);
    reads = 0;
    OK(proof_pages(&vast.snapshot, 0));
    assert_int_equal(branches, 4425 + 20 + 1);
    for (uint64_t i = 0; i < branches_at + branches; i++)
        assert_int_equal(page_reads[i], i >= branches_at);
    assert_true(reads <= branches + 2 * list + 1);
    free(page_reads);
    page_reads = NULL;
    vast.snapshot.last_page++;
    vast.snapshot.file_size += PAGE;
    FAILS(EVLOG_DAMAGED, "1 of its pages are neither", proof_pages(&vast.snapshot, 0));
    close(vast.fd);
}

/* Where there are overflow pages, each leaf is read once, and of each value the head of its first page. */
static void with_overflow_pages_each_leaf_is_read_once(void **state)
{
    MDB_stat tree, list;
    change(*state, 0, 4000, 400);
    change(*state, 4000, 40, 3 * PAGE);
    change(*state, 100, 20, 0);
    struct raw raw = raw_open(in(*state, "file"));
    assert_int_equal(mdb_stat(raw.txn, raw.dbi, &tree), 0);
    assert_int_equal(mdb_stat(raw.txn, 0, &list), 0);
    mdb_txn_abort(raw.txn);
    mdb_env_close(raw.env);
    struct page_snapshot snapshot = open_file(*state);
    page_reads = calloc(snapshot.last_page + 1, 1);
    reads = 0;
    OK(proof_pages(&snapshot, 0));
    uint64_t twice = 0;
    for (uint64_t i = 0; i <= snapshot.last_page; i++)
        twice += page_reads[i] > 1;
    free(page_reads);
    page_reads = NULL;
    uint64_t of_list = list.ms_branch_pages + list.ms_leaf_pages + list.ms_overflow_pages;
    uint64_t of_tree = tree.ms_branch_pages + tree.ms_leaf_pages;
    assert_true(tree.ms_leaf_pages > 400 && tree.ms_overflow_pages == 40 * 4);
    assert_true(twice <= of_list);
    assert_in_range(reads, of_tree + 40, of_tree + 40 + 3 * of_list);
    close(snapshot.fd);
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
        TEST_AT_HOME(a_million_pages_are_proved_by_their_branches),
        TEST_AT_HOME(with_overflow_pages_each_leaf_is_read_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
