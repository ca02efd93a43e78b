/*
 * The public keys that an auditor believes: those that were given, and those that one of them has handed over to.
 *
 *   checkpoint 1   checkpoint 2      checkpoint 3
 *   key A          A, and B          key B
 *                  "next B"
 *
 * A key hands over by a seal whose fourth line names the next one (signed_note.c), signed by both.
 *
 * 1. An auditor with key A alone believes B from that seal on, as A's holder has said. An auditor with key B alone
 *    believes all that B has signed; that seal is the first, and covers all that A had sealed.
 * 2. A key that has handed over signs nothing any more: a seal or an erasure by it after that event is a finding. So a
 *    key that is stolen after it was replaced is of no use in a log that has the handover.
 * 3. Where several keys were given, no others are believed: a handover to another key is a finding. An auditor who
 *    knows the new key from elsewhere gives both, and so finds a thief of A who hands over to another key.
 * 4. The next key has signed the seal itself. A "next" line that was added does not fit A's signature, and B's cannot
 *    be made without B's private key.
 *
 * Absent: revoking a key. A thief of A can cut the log before the handover and go on from there; a checkpoint that was
 * kept (--expect), or key B, shows that.
 */
#include "keyring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

#define FILE_SIZE_MAX ((size_t)64 << 10)

void keyring_free(struct keyring *ring)
{
    free(ring->keys);
    *ring = (struct keyring){.count = 0};
}

/* false: out of memory. */
static bool add(struct keyring *ring, const struct note_key *key)
{
    if (ring->count == ring->max) {
        size_t max = ring->max ? 2 * ring->max : 4;
        void *grown = realloc(ring->keys, max * sizeof *ring->keys);
        if (!grown)
            return false;
        ring->keys = grown;
        ring->max = max;
    }
    ring->keys[ring->count++] = (struct keyring_key){.key = *key};
    return true;
}

/* -------------------------------------------------------------- reading ---- */

/* The key that a line is. EXIT_DONE, or the status, reported. */
static int add_line(struct keyring *ring, const char *line, const char *from)
{
    struct note_key key;
    if (strncmp(line, NOTE_PRIVATE, strlen(NOTE_PRIVATE)) == 0)
        return complain(
            EXIT_MISUSE,
            "%s: is the private key, which only the sealing machine needs; the public "
            "one is what evlog seal keygen printed",
            from);
    if (!note_key_parse(line, &key))
        return complain(EXIT_MISUSE,
                        "not a public key, nor a file with one: %s; it is what evlog seal keygen "
                        "printed: evlog/UUID+ID+BASE64",
                        from);
    if (ring->count && strcmp(ring->keys[0].key.name, key.name) != 0)
        return complain(EXIT_MISUSE, "%s: has keys of two logs: %s and %s", from,
                        ring->keys[0].key.name, key.name);
    return add(ring, &key) ? EXIT_DONE : complain(EXIT_LOG, "out of memory");
}

static int add_lines(struct keyring *ring, char *text, const char *path)
{
    char *rest = text;
    int status = EXIT_DONE;
    for (char *line; status == EXIT_DONE && (line = strsep(&rest, "\n"));)
        if (*line || ring->count == 0)
            status = add_line(ring, line, path);
    return status;
}

/* The beginning of a file, as a text; "": it cannot be read. */
static void read_file(const char *path, char text[FILE_SIZE_MAX])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    size_t used = 0;
    ssize_t got = 0;
    while (fd >= 0 && used < FILE_SIZE_MAX - 1 &&
           ((got = read(fd, text + used, FILE_SIZE_MAX - 1 - used)) > 0 ||
            (got < 0 && errno == EINTR)))
        used += got > 0 ? (size_t)got : 0;
    text[got < 0 ? 0 : used] = '\0';
    if (fd >= 0)
        close(fd);
}

int keyring_read(struct keyring *ring, const char *text)
{
    struct note_key key;
    char *lines = malloc(FILE_SIZE_MAX);
    int status = EXIT_DONE;
    if (!lines)
        return complain(EXIT_LOG, "out of memory");
    if (note_key_parse(text, &key) || strncmp(text, NOTE_PRIVATE, strlen(NOTE_PRIVATE)) == 0) {
        snprintf(lines, FILE_SIZE_MAX, "%s", text);
        text = "(a private key)"; /* what a complaint names */
    } else
        read_file(text, lines);
    status = add_lines(ring, lines, text);
    explicit_bzero(lines, FILE_SIZE_MAX);
    free(lines);
    ring->given = ring->count;
    return status;
}

/* ------------------------------------------------------------- checking ---- */

enum note_verdict keyring_read_checkpoint(const struct keyring *ring, const char *note,
                                          size_t size, struct note_checkpoint *checkpoint)
{
    enum note_verdict verdict = NOTE_OTHERS;
    for (size_t i = 0; verdict == NOTE_OTHERS && i < ring->count; i++)
        verdict = note_read_checkpoint(&ring->keys[i].key, note, size, checkpoint);
    return verdict;
}

bool keyring_begins(const struct keyring *ring, size_t by, const struct sealed *sealed)
{
    return sealed->checkpoint.has_next &&
           memcmp(sealed->checkpoint.next, ring->keys[by].key.public_key,
                  sizeof sealed->checkpoint.next) == 0;
}

enum note_verdict keyring_read_seal(const struct keyring *ring, const evlog_event *event,
                                    struct sealed *sealed, size_t *by)
{
    enum note_verdict verdict = NOTE_OTHERS;
    struct sealed read;
    for (size_t i = 0; i < ring->count; i++) {
        enum note_verdict of_this = sealed_read(&ring->keys[i].key, event, &read);
        if (of_this == NOTE_OTHERS)
            continue;
        verdict = of_this;
        *by = i;
        if (of_this != NOTE_GOOD)
            break;
        *sealed = read;
        if (!keyring_begins(ring, i, sealed))
            break;
    }
    return verdict;
}

enum note_verdict keyring_read_erasure(const struct keyring *ring, evlog_string note,
                                       struct erasure *erasure, size_t *by)
{
    enum note_verdict verdict = NOTE_OTHERS;
    for (size_t i = 0; verdict == NOTE_OTHERS && i < ring->count; i++) {
        verdict = erasure_read(&ring->keys[i].key, note, erasure);
        *by = i;
    }
    return verdict;
}

enum keyring_handover keyring_follow(struct keyring *ring, size_t by, const struct sealed *sealed)
{
    struct note_checkpoint again;
    struct note_key next;
    size_t at = 0;
    if (!sealed->checkpoint.has_next || keyring_begins(ring, by, sealed))
        return KEYRING_NONE;
    note_key_of_name(&ring->keys[by].key, sealed->checkpoint.next, &next);
    if (note_read_checkpoint(&next, sealed->note.text, sealed->note.size, &again) != NOTE_GOOD)
        return KEYRING_UNSIGNED;
    while (at < ring->count && memcmp(ring->keys[at].key.public_key, next.public_key, 32) != 0)
        at++;
    if (at == ring->count && ring->given > 1)
        return KEYRING_UNNAMED;
    if (at == ring->count && !add(ring, &next))
        return KEYRING_NOMEM;
    ring->keys[by].to_seq = sealed->seq;
    return KEYRING_TAKEN;
}
