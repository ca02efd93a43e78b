/* Signed notes: keys, signatures, and that nothing else passes for one. */
#include "signed_note.h"

#include <sodium.h>
#include <sys/stat.h>

#include "test.h"
#include "tool.h"

#define NAME "evlog/480cb81a-e77a-11f1-afb8-dbe8ed80af96"

/* The example of Go's golang.org/x/mod/sumdb/note. */
#define THEIR_KEY "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
#define THEIR_TEXT                                               \
    "If you think cryptography is the answer to your problem,\n" \
    "then you don't know what your problem is.\n"
#define THEIR_LINE                                                                    \
    "\xe2\x80\x94 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1" \
    "FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"

static enum note_verdict check(const struct note_key *key, const char *note)
{
    struct note_text text;
    return note_check(key, note, strlen(note), &text);
}

static void a_note_of_another_program_is_read(void **state)
{
    static const char note[] = THEIR_TEXT "\n" THEIR_LINE;
    struct note_key key;
    struct note_text text;
    char again[NOTE_KEY_TEXT_SIZE];
    (void)state;
    assert_true(note_key_parse(THEIR_KEY, &key));
    assert_string_equal(note_key_text(&key, again), THEIR_KEY);
    assert_int_equal(note_check(&key, note, strlen(note), &text), NOTE_GOOD);
    assert_int_equal(text.size, strlen(THEIR_TEXT));
    assert_int_equal(text.time_s, 0);
    assert_int_equal(check(&key, "Not " THEIR_TEXT "\n" THEIR_LINE), NOTE_FORGED);
    assert_int_equal(check(&key, THEIR_TEXT THEIR_LINE), NOTE_MALFORMED);
    assert_int_equal(check(&key, THEIR_TEXT "\n"), NOTE_MALFORMED);
    assert_int_equal(check(&key, THEIR_TEXT "\n" THEIR_LINE "x"), NOTE_MALFORMED);
    assert_int_equal(check(&key, THEIR_TEXT "\n" THEIR_LINE "x\n"), NOTE_MALFORMED);
    assert_int_equal(check(&key, ""), NOTE_MALFORMED);
    assert_int_equal(check(&key, "\n\n"), NOTE_MALFORMED);
}

/* A key of its own, which is kept for its owner alone and read again. */
static void make_key(const void *home, struct note_secret *secret)
{
    const char *path = in(home, "key");
    struct note_key key;
    struct stat status;
    assert_int_equal(note_secret_make(path, NAME, &key), EXIT_DONE);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(note_secret_read(path, secret), EXIT_DONE);
    assert_string_equal(secret->key.name, key.name);
    assert_memory_equal(secret->key.public_key, key.public_key, sizeof key.public_key);
    assert_memory_equal(secret->key.id, key.id, sizeof key.id);
    assert_int_equal(note_secret_make(path, NAME, &key), EXIT_MISUSE);
}

static char *make_note(const struct note_secret *secret, const struct note_checkpoint *checkpoint)
{
    char text[NOTE_CHECKPOINT_TEXT_SIZE];
    char *note = note_sign(secret, NULL, note_checkpoint_text(&secret->key, checkpoint, text),
                           checkpoint->time_s);
    assert_non_null(note);
    return note;
}

/* Each bit of a checkpoint is covered: what is left without its signed time says that it has none. */
static void no_bit_can_be_changed(void **state)
{
    struct note_secret secret;
    const struct note_checkpoint checkpoint = {
        .size = 1234, .root = {7, 8}, .time_s = 1795464780};
    struct note_checkpoint read;
    make_key(*state, &secret);
    char *note = make_note(&secret, &checkpoint);
    size_t size = strlen(note), without_time = 0;
    assert_int_equal(note_read_checkpoint(&secret.key, note, size, &read), NOTE_GOOD);
    assert_int_equal(read.size, 1234);
    assert_int_equal(read.time_s, 1795464780);
    assert_memory_equal(read.root, checkpoint.root, sizeof read.root);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        note[bit / 8] ^= (char)(1 << bit % 8);
        if (note_read_checkpoint(&secret.key, note, size, &read) == NOTE_GOOD) {
            assert_int_equal(read.size, 1234);
            assert_memory_equal(read.root, checkpoint.root, sizeof read.root);
            if (read.time_s)
                fail_msg("bit %zu of byte %zu of: %s", bit % 8, bit / 8, note);
            without_time++;
        }
        note[bit / 8] ^= (char)(1 << bit % 8);
    }
    assert_true(without_time > 0); /* where a line is no longer of this key */
    for (size_t end = 0; end < size; end++)
        if (note_read_checkpoint(&secret.key, note, end, &read) == NOTE_GOOD)
            assert_int_equal(read.time_s, 0);
    free(note);
    note_secret_free(&secret);
}

/* A key signs for its own name only, and a time is signed only for the text that it stands by. */
static void signatures_are_not_exchanged(void **state)
{
    struct note_secret secret;
    struct note_checkpoint read;
    make_key(*state, &secret);
    char *one = make_note(&secret, &(struct note_checkpoint){.size = 1, .time_s = 1000});
    char *other = make_note(&secret, &(struct note_checkpoint){.size = 1, .time_s = 2000});
    char *larger = make_note(&secret, &(struct note_checkpoint){.size = 2, .time_s = 3000});
    char *other_line = strrchr(other, '\xe2'), *one_line = strrchr(one, '\xe2');
    char mixed[2000];
    snprintf(mixed, sizeof mixed, "%.*s%s", (int)(one_line - one), one, other_line);
    assert_int_equal(note_read_checkpoint(&secret.key, mixed, strlen(mixed), &read), NOTE_GOOD);
    assert_int_equal(read.time_s, 2000); /* of the same text: both are true */
    snprintf(mixed, sizeof mixed, "%.*s%s", (int)(one_line - one), one, strrchr(larger, '\xe2'));
    assert_int_equal(note_read_checkpoint(&secret.key, mixed, strlen(mixed), &read), NOTE_FORGED);
    const char *text_end = strstr(one, "\n\n") + 2;
    snprintf(mixed, sizeof mixed, "%.*s%s", (int)(text_end - one), one, one_line);
    assert_int_equal(note_read_checkpoint(&secret.key, mixed, strlen(mixed), &read), NOTE_OTHERS);
    struct note_key renamed = secret.key;
    renamed.name[0] = 'E';
    assert_int_equal(note_read_checkpoint(&renamed, one, strlen(one), &read), NOTE_OTHERS);
    char *erasure = note_sign(&secret, NULL, NAME "/erasure\nseq 3\nwhy x\n", 0);
    assert_int_equal(note_read_checkpoint(&secret.key, erasure, strlen(erasure), &read),
                     NOTE_MALFORMED);
    free(erasure);
    free(one);
    free(other);
    free(larger);
    note_secret_free(&secret);
}

/* More lines than a note may have, and longer ones, take no more than a look. */
static void a_note_has_a_limit(void **state)
{
    struct note_secret secret;
    struct note_checkpoint read;
    make_key(*state, &secret);
    char *note = make_note(&secret, &(struct note_checkpoint){.size = 1});
    char *many = calloc(1, 2 * NOTE_SIZE_MAX);
    strcpy(many, note);
    for (int i = 0; i < 16; i++)
        strcat(many, "\xe2\x80\x94 witness.example AAAAAQAA\n");
    assert_int_equal(note_read_checkpoint(&secret.key, many, strlen(many), &read), NOTE_GOOD);
    for (int i = 0; i < 64; i++)
        strcat(many, "\xe2\x80\x94 witness.example AAAAAQAA\n");
    assert_int_equal(note_read_checkpoint(&secret.key, many, strlen(many), &read),
                     NOTE_MALFORMED);
    strcpy(many, note);
    memset(many + strlen(many), 'x', NOTE_SIZE_MAX);
    strcat(many, "\n");
    assert_int_equal(note_read_checkpoint(&secret.key, many, strlen(many), &read),
                     NOTE_MALFORMED);
    free(many);
    free(note);
    note_secret_free(&secret);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_note_of_another_program_is_read),
        TEST_AT_HOME(no_bit_can_be_changed),
        TEST_AT_HOME(signatures_are_not_exchanged),
        TEST_AT_HOME(a_note_has_a_limit),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
