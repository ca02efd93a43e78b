/*
 * Signed notes (C2SP signed-note), and what is signed here: checkpoints (C2SP tlog-checkpoint) and erasures (erase.c).
 *
 *   TEXT, which ends with a newline
 *   an empty line
 *   — NAME BASE64(key id 4 | signature 64)                 Ed25519 of TEXT
 *   — NAME BASE64(key id 4 | time 8 | signature 64)        Ed25519 of "cosignature/v1\ntime TIME\n" and TEXT
 *
 *   key id         SHA-256(NAME | 0a | type | public key)'s first 4 bytes; type 01, and 04 for the line with a time
 *   verifier key   NAME+HEX(key id)+BASE64(01 | public key)
 *   private key    PRIVATE+KEY+NAME+HEX(key id)+BASE64(01 | seed), one line, in a file for its owner alone (Go's
 *                  sumdb/note has it so)
 *   checkpoint     TEXT is three lines: origin, size, BASE64(root); the origin is the key's name. A fourth one, "next "
 *                  and a verifier key of the same name, hands over to that key, which has signed the note as well
 *                  (keyring.c)
 *
 * 1. The line with a time is a cosignature (C2SP tlog-cosignature) by the log's own key: so when a checkpoint was
 *    made is signed, in a form that others' tools read, and no line of the text.
 *    No text that is signed begins with "cosignature/v1".
 * 2. Where one line of a known key does not fit, the note is refused whole. Lines of other keys (witnesses) are
 *    passed over.
 * 3. A note is read only if it is as a signer writes it: no control characters, base64 in its one form.
 * 4. Secrets are in locked memory no longer than they are used, in no message and no argument.
 */
#include "signed_note.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sha256.h"
#include "tool.h"

#define DASH "\xe2\x80\x94 "
#define NEXT "next "
#define TYPE_TEXT 1
#define TYPE_TIME 4
#define TIME_SIZE 8
#define SIGNATURE_SIZE crypto_sign_BYTES
#define LINE_BYTES_MAX (NOTE_KEY_ID_SIZE + TIME_SIZE + SIGNATURE_SIZE)
#define LINES_MAX 64                                /* of signatures in a note */
#define LINES_SIZE (2 * (NOTE_NAME_SIZE_MAX + 140)) /* of a key's two lines */
#define BASE64 sodium_base64_VARIANT_ORIGINAL

static const char *base64(const unsigned char *bytes, size_t size, char *text, size_t text_size)
{
    return sodium_bin2base64(text, text_size, bytes, size, BASE64);
}

const char *note_hash_text(const unsigned char hash[32], char text[NOTE_HASH_TEXT_SIZE])
{
    return base64(hash, 32, text, NOTE_HASH_TEXT_SIZE);
}

/* Reads base64 up to `end`, all of it; the count of bytes, 0: it is malformed, empty, or too long. */
static size_t unbase64(const char *text, const char *end, unsigned char *bytes, size_t size_max)
{
    size_t size = 0;
    const char *stop = NULL;
    for (const char *at = text; at < end; at++)
        if ((unsigned char)*at > '~') /* libsodium takes some such bytes for others */
            return 0;
    if (sodium_base642bin(bytes, size_max, text, (size_t)(end - text), NULL, &size, &stop,
                          BASE64) ||
        stop != end)
        return 0;
    return size;
}

/* ---------------------------------------------------------------- keys ---- */

static void make_id(const struct note_key *key, unsigned char type,
                    unsigned char id[NOTE_KEY_ID_SIZE])
{
    unsigned char bytes[NOTE_NAME_SIZE_MAX + 2 + sizeof key->public_key], hash[SHA256_SIZE];
    size_t size = strlen(key->name);
    memcpy(bytes, key->name, size);
    bytes[size++] = '\n';
    bytes[size++] = type;
    memcpy(bytes + size, key->public_key, sizeof key->public_key);
    sha256(bytes, size + sizeof key->public_key, hash);
    memcpy(id, hash, NOTE_KEY_ID_SIZE);
}

/* A name of printable ASCII without blanks and pluses is all that is made here, and all that is needed. */
static bool set_name(struct note_key *key, const char *name, size_t size)
{
    if (size == 0 || size > NOTE_NAME_SIZE_MAX)
        return false;
    for (size_t i = 0; i < size; i++)
        if (name[i] <= ' ' || name[i] > '~' || name[i] == '+')
            return false;
    memcpy(key->name, name, size);
    key->name[size] = '\0';
    return true;
}

static void complete(struct note_key *key, const unsigned char public_key[32])
{
    memcpy(key->public_key, public_key, sizeof key->public_key);
    make_id(key, TYPE_TEXT, key->id);
    make_id(key, TYPE_TIME, key->time_id);
}

static const char *put_key(const struct note_key *key, const unsigned char bytes[32], char *text,
                           size_t size)
{
    unsigned char typed[33] = {TYPE_TEXT};
    char id[2 * NOTE_KEY_ID_SIZE + 1], encoded[64];
    memcpy(typed + 1, bytes, 32);
    sodium_bin2hex(id, sizeof id, key->id, sizeof key->id);
    snprintf(text, size, "%s+%s+%s", key->name, id,
             base64(typed, sizeof typed, encoded, sizeof encoded));
    sodium_memzero(typed, sizeof typed);
    sodium_memzero(encoded, sizeof encoded);
    return text;
}

const char *note_key_text(const struct note_key *key, char text[NOTE_KEY_TEXT_SIZE])
{
    return put_key(key, key->public_key, text, NOTE_KEY_TEXT_SIZE);
}

/* NAME+ID+BASE64, of 32 bytes behind their type. */
static bool split_key(const char *text, struct note_key *key, unsigned char bytes[32],
                      unsigned char id[NOTE_KEY_ID_SIZE])
{
    unsigned char typed[33];
    size_t size = strcspn(text, "\n");
    const char *plus = memchr(text, '+', size), *end = text + size;
    const char *second = plus ? memchr(plus + 1, '+', (size_t)(end - plus - 1)) : NULL;
    size_t id_size = 0;
    bool is_good = second && (!*end || !end[1]) && set_name(key, text, (size_t)(plus - text)) &&
                   second - plus - 1 == 2 * NOTE_KEY_ID_SIZE &&
                   sodium_hex2bin(id, NOTE_KEY_ID_SIZE, plus + 1, 2 * NOTE_KEY_ID_SIZE, NULL,
                                  &id_size, NULL) == 0 &&
                   id_size == NOTE_KEY_ID_SIZE &&
                   unbase64(second + 1, end, typed, sizeof typed) == sizeof typed &&
                   typed[0] == TYPE_TEXT;
    if (is_good)
        memcpy(bytes, typed + 1, 32);
    sodium_memzero(typed, sizeof typed);
    return is_good;
}

bool note_key_parse(const char *text, struct note_key *key)
{
    unsigned char public_key[32], id[NOTE_KEY_ID_SIZE];
    if (!split_key(text, key, public_key, id))
        return false;
    complete(key, public_key);
    return memcmp(id, key->id, sizeof id) == 0;
}

void note_key_of_name(const struct note_key *named, const unsigned char public_key[32],
                      struct note_key *key)
{
    if (key != named)
        *key = *named;
    complete(key, public_key);
}

/* The whole of a small file, with a NUL behind it. -1 with errno. */
static ssize_t read_small(int fd, char *text, size_t size)
{
    size_t used = 0;
    ssize_t got;
    while (used < size - 1 && (got = read(fd, text + used, size - 1 - used)) != 0) {
        if (got < 0 && errno != EINTR)
            return -1;
        used += got > 0 ? (size_t)got : 0;
    }
    text[used] = '\0';
    return (ssize_t)used;
}

/* ------------------------------------------------------------- secrets ---- */

static bool derive(struct note_secret *secret, const unsigned char seed[32])
{
    unsigned char public_key[32];
    if (crypto_sign_seed_keypair(public_key, secret->secret_key, seed))
        return false;
    complete(&secret->key, public_key);
    return true;
}

/* In one piece, flushed: a key that has been printed is there. */
static bool write_file(int fd, const char *text)
{
    size_t size = strlen(text);
    return write(fd, text, size) == (ssize_t)size && fsync(fd) == 0;
}

static int make_file(const char *path, const struct note_secret *secret,
                     const unsigned char seed[32])
{
    char text[NOTE_KEY_TEXT_SIZE + sizeof NOTE_PRIVATE] = NOTE_PRIVATE;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return complain(errno == EEXIST ? EXIT_MISUSE : EXIT_LOG, "%s: %s", path,
                        errno == EEXIST ? "exists, and a key is not overwritten"
                                        : strerror(errno));
    put_key(&secret->key, seed, text + strlen(NOTE_PRIVATE), NOTE_KEY_TEXT_SIZE);
    strcat(text, "\n");
    bool is_written = write_file(fd, text);
    sodium_memzero(text, sizeof text);
    int why = errno;
    close(fd);
    if (is_written)
        return EXIT_DONE;
    unlink(path);
    return complain(EXIT_LOG, "%s: %s", path, strerror(why));
}

int note_secret_make(const char *path, const char *name, struct note_key *key)
{
    struct note_secret secret = {.key = {.name = ""}};
    unsigned char seed[32];
    if (sodium_init() < 0 || !set_name(&secret.key, name, strlen(name)))
        return complain(EXIT_LOG, "no key can be made: libsodium has no random numbers");
    sodium_mlock(&secret, sizeof secret);
    randombytes_buf(seed, sizeof seed);
    int status = derive(&secret, seed) ? make_file(path, &secret, seed)
                                       : complain(EXIT_LOG, "no key can be made");
    *key = secret.key;
    sodium_memzero(seed, sizeof seed);
    note_secret_free(&secret);
    return status;
}

/* Whose file it is, and who else may read it. EXIT_DONE, or the status, reported. */
static int check_file(int fd, const char *path)
{
    struct stat stat;
    if (fstat(fd, &stat))
        return complain(EXIT_LOG, "%s: %s", path, strerror(errno));
    if (!S_ISREG(stat.st_mode))
        return complain(EXIT_MISUSE, "%s: is not a file", path);
    if (stat.st_mode & 077)
        return complain(EXIT_MISUSE,
                        "%s: others may read or write this key: chmod 600 it, and if "
                        "others could read it, make a new one",
                        path);
    if (stat.st_uid != geteuid() && stat.st_uid != 0)
        return complain(EXIT_MISUSE, "%s: this key is another user's", path);
    return EXIT_DONE;
}

int note_secret_read(const char *path, struct note_secret *secret)
{
    char text[NOTE_KEY_TEXT_SIZE + sizeof NOTE_PRIVATE];
    unsigned char seed[32], id[NOTE_KEY_ID_SIZE];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return complain(EXIT_MISUSE, "%s: %s; evlog seal keygen makes a key", path,
                        strerror(errno));
    int status = check_file(fd, path);
    ssize_t size = status ? -1 : read_small(fd, text, sizeof text);
    close(fd);
    if (status)
        return status;
    sodium_mlock(secret, sizeof *secret);
    bool is_good = sodium_init() >= 0 && size > 0 &&
                   strncmp(text, NOTE_PRIVATE, strlen(NOTE_PRIVATE)) == 0 &&
                   split_key(text + strlen(NOTE_PRIVATE), &secret->key, seed, id) &&
                   derive(secret, seed) && memcmp(id, secret->key.id, sizeof id) == 0;
    sodium_memzero(text, sizeof text);
    sodium_memzero(seed, sizeof seed);
    if (is_good)
        return EXIT_DONE;
    note_secret_free(secret);
    return complain(EXIT_MISUSE, "%s: is not a private key; evlog seal keygen makes one", path);
}

void note_secret_free(struct note_secret *secret)
{
    sodium_munlock(secret, sizeof *secret); /* which wipes it */
}

/* ------------------------------------------------------------- signing ---- */

/* What the signature with a time covers; to be freed. NULL: out of memory. */
static char *with_time(const char *text, size_t size, int64_t time_s, size_t *signed_size)
{
    char *covered;
    int length =
        asprintf(&covered, "cosignature/v1\ntime %" PRId64 "\n%.*s", time_s, (int)size, text);
    *signed_size = length < 0 ? 0 : (size_t)length;
    return length < 0 ? NULL : covered;
}

static void put_time(unsigned char bytes[TIME_SIZE], int64_t time_s)
{
    for (int i = 0; i < TIME_SIZE; i++)
        bytes[i] = (unsigned char)((uint64_t)time_s >> (56 - 8 * i));
}

/* The base64 of a line's bytes: with a time, or, 0, without. */
static bool make_line(const struct note_secret *secret, const char *text, int64_t time_s,
                      char *line, size_t line_size)
{
    unsigned char bytes[LINE_BYTES_MAX];
    size_t used = NOTE_KEY_ID_SIZE, size = strlen(text);
    char *covered = time_s ? with_time(text, size, time_s, &size) : strdup(text);
    memcpy(bytes, time_s ? secret->key.time_id : secret->key.id, used);
    if (time_s) {
        put_time(bytes + used, time_s);
        used += TIME_SIZE;
    }
    bool is_signed = covered && crypto_sign_detached(bytes + used, NULL, (unsigned char *)covered,
                                                     size, secret->secret_key) == 0;
    free(covered);
    base64(bytes, used + SIGNATURE_SIZE, line, line_size);
    return is_signed;
}

/* The lines of one key: with the time, too, unless it is 0. */
static bool make_lines(const struct note_secret *secret, const char *text, int64_t time_s,
                       char lines[LINES_SIZE])
{
    char line[128], time_line[128];
    if (!make_line(secret, text, 0, line, sizeof line) ||
        (time_s && !make_line(secret, text, time_s, time_line, sizeof time_line)))
        return false;
    int used = snprintf(lines, LINES_SIZE, DASH "%s %s\n", secret->key.name, line);
    if (time_s)
        snprintf(lines + used, LINES_SIZE - (size_t)used, DASH "%s %s\n", secret->key.name,
                 time_line);
    return true;
}

char *note_sign(const struct note_secret *secret, const struct note_secret *next,
                const char *text, int64_t time_s)
{
    char lines[LINES_SIZE], next_lines[LINES_SIZE] = "", *note;
    if (!make_lines(secret, text, time_s, lines) ||
        (next && !make_lines(next, text, time_s, next_lines)))
        return NULL;
    return asprintf(&note, "%s\n%s%s", text, lines, next_lines) < 0 ? NULL : note;
}

/* ------------------------------------------------------------ checking ---- */

/* Where the signatures begin: behind the last empty line. NULL: there is none. */
static const char *find_signatures(const char *note, size_t size)
{
    for (const char *at = note + size; at - note >= 2; at--)
        if (at[-1] == '\n' && at[-2] == '\n')
            return at;
    return NULL;
}

static bool is_plain(const char *note, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)note[i] < ' ' && note[i] != '\n')
            return false;
    return size > 0 && note[size - 1] == '\n';
}

static bool fits(const struct note_key *key, const struct note_text *text,
                 const unsigned char *bytes, bool has_time, int64_t time_s)
{
    size_t size = text->size;
    char *covered = has_time ? with_time(text->text, size, time_s, &size) : NULL;
    const void *message = has_time ? covered : text->text;
    bool is_good =
        message && crypto_sign_verify_detached(bytes, message, size, key->public_key) == 0;
    free(covered);
    return is_good;
}

/* A line's bytes, by the key's ids. NOTE_OTHERS: it is not of this key. */
static enum note_verdict check_bytes(const struct note_key *key, struct note_text *text,
                                     const unsigned char *bytes, size_t size)
{
    bool is_text = memcmp(bytes, key->id, NOTE_KEY_ID_SIZE) == 0;
    bool has_time = memcmp(bytes, key->time_id, NOTE_KEY_ID_SIZE) == 0;
    int64_t time_s = 0;
    if (!is_text && !has_time)
        return NOTE_OTHERS;
    size_t head_size = NOTE_KEY_ID_SIZE + (has_time ? TIME_SIZE : 0);
    if (size != head_size + SIGNATURE_SIZE || (has_time && bytes[NOTE_KEY_ID_SIZE] & 0x80))
        return NOTE_FORGED;
    for (int i = 0; has_time && i < TIME_SIZE; i++)
        time_s = time_s << 8 | bytes[NOTE_KEY_ID_SIZE + i];
    if (!fits(key, text, bytes + head_size, has_time, time_s))
        return NOTE_FORGED;
    if (has_time)
        text->time_s = time_s;
    return is_text ? NOTE_GOOD : NOTE_OTHERS; /* a time alone does not make it the log's */
}

/* A signature line up to `end`, its newline. */
static enum note_verdict check_line(const struct note_key *key, struct note_text *text,
                                    const char *at, const char *end)
{
    unsigned char bytes[8192]; /* larger signatures than Ed25519's, of other keys */
    size_t name_size = strlen(key->name);
    if (end - at < (ptrdiff_t)strlen(DASH) || memcmp(at, DASH, strlen(DASH)) != 0)
        return NOTE_MALFORMED;
    at += strlen(DASH);
    const char *blank = memchr(at, ' ', (size_t)(end - at));
    size_t size = blank ? unbase64(blank + 1, end, bytes, sizeof bytes) : 0;
    if (!blank || blank == at || size <= NOTE_KEY_ID_SIZE)
        return NOTE_MALFORMED;
    if ((size_t)(blank - at) != name_size || memcmp(at, key->name, name_size) != 0)
        return NOTE_OTHERS;
    return check_bytes(key, text, bytes, size);
}

enum note_verdict note_check(const struct note_key *key, const char *note, size_t size,
                             struct note_text *text)
{
    bool is_signed = false;
    const char *at =
        size <= NOTE_SIZE_MAX && is_plain(note, size) ? find_signatures(note, size) : NULL;
    if (!at || at == note + size)
        return NOTE_MALFORMED;
    struct note_text found = {.text = note, .size = (size_t)(at - note) - 1};
    for (int lines = 0; at < note + size; lines++) {
        const char *end = memchr(at, '\n', (size_t)(note + size - at));
        enum note_verdict verdict =
            lines < LINES_MAX ? check_line(key, &found, at, end) : NOTE_MALFORMED;
        if (verdict == NOTE_MALFORMED || verdict == NOTE_FORGED)
            return verdict;
        is_signed |= verdict == NOTE_GOOD;
        at = end + 1;
    }
    if (!is_signed)
        return NOTE_OTHERS;
    *text = found;
    return NOTE_GOOD;
}

const char *note_verdict_text(enum note_verdict verdict)
{
    return verdict == NOTE_GOOD     ? "is good"
           : verdict == NOTE_OTHERS ? "is not signed by this key"
           : verdict == NOTE_FORGED
               ? "is not what this key has signed: its signature does not fit"
               : "is not of the form that it should have";
}

/* --------------------------------------------------------- checkpoints ---- */

const char *note_checkpoint_text(const struct note_key *key,
                                 const struct note_checkpoint *checkpoint,
                                 char text[NOTE_CHECKPOINT_TEXT_SIZE])
{
    char root[NOTE_HASH_TEXT_SIZE], next_text[NOTE_KEY_TEXT_SIZE];
    struct note_key next;
    int used = snprintf(text, NOTE_CHECKPOINT_TEXT_SIZE, "%s\n%" PRIu64 "\n%s\n", key->name,
                        checkpoint->size, note_hash_text(checkpoint->root, root));
    if (checkpoint->has_next) {
        note_key_of_name(key, checkpoint->next, &next);
        snprintf(text + used, NOTE_CHECKPOINT_TEXT_SIZE - (size_t)used, NEXT "%s\n",
                 note_key_text(&next, next_text));
    }
    return text;
}

/* The fourth line, from `at` up to `end`. false: it begins like one that hands over, and does not name a key. */
static bool parse_next(const char *at, const char *end, struct note_checkpoint *checkpoint)
{
    char text[NOTE_KEY_TEXT_SIZE];
    struct note_key next;
    size_t size = (size_t)(end - at);
    if (size <= strlen(NEXT) || memcmp(at, NEXT, strlen(NEXT)) != 0)
        return true;
    at += strlen(NEXT);
    size = (size_t)((const char *)memchr(at, '\n', (size_t)(end - at)) - at);
    if (size >= sizeof text)
        return false;
    memcpy(text, at, size);
    text[size] = '\0';
    checkpoint->has_next = note_key_parse(text, &next);
    if (checkpoint->has_next)
        memcpy(checkpoint->next, next.public_key, sizeof checkpoint->next);
    return checkpoint->has_next;
}

/* Three lines, or four. More say nothing. Written anew, they must be the same. */
static bool parse_checkpoint(const struct note_key *key, const struct note_text *text,
                             struct note_checkpoint *checkpoint)
{
    char again[NOTE_CHECKPOINT_TEXT_SIZE];
    size_t name_size = strlen(key->name);
    const char *end = text->text + text->size;
    if (text->size <= name_size + 1 || memcmp(text->text, key->name, name_size) != 0)
        return false;
    const char *number = text->text + name_size + 1;
    const char *line = memchr(number, '\n', (size_t)(end - number));
    const char *root = line ? line + 1 : end;
    const char *root_end = memchr(root, '\n', (size_t)(end - root));
    if (!line || line - number > 19 || !root_end ||
        unbase64(root, root_end, checkpoint->root, 32) != 32 ||
        !parse_next(root_end + 1, end, checkpoint))
        return false;
    checkpoint->size = strtoull(number, NULL, 10); /* ends at the newline */
    checkpoint->time_s = text->time_s;
    note_checkpoint_text(key, checkpoint, again);
    return strlen(again) <= text->size && memcmp(again, text->text, strlen(again)) == 0;
}

enum note_verdict note_read_checkpoint(const struct note_key *key, const char *note, size_t size,
                                       struct note_checkpoint *checkpoint)
{
    struct note_text text;
    struct note_checkpoint read = {.size = 0};
    enum note_verdict verdict = note_check(key, note, size, &text);
    if (verdict == NOTE_GOOD && !parse_checkpoint(key, &text, &read))
        verdict = NOTE_MALFORMED;
    if (verdict == NOTE_GOOD)
        *checkpoint = read;
    return verdict;
}
