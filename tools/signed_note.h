/* Signed notes, as C2SP has them, see signed_note.c. */
#ifndef SIGNED_NOTE_H
#define SIGNED_NOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NOTE_NAME_SIZE_MAX 255
#define NOTE_KEY_ID_SIZE 4
#define NOTE_KEY_TEXT_SIZE 512 /* of a verifier key, with the NUL */
#define NOTE_SIZE_MAX ((size_t)64 << 10)

/* Who signs: a name, and an Ed25519 public key. */
struct note_key {
    char name[NOTE_NAME_SIZE_MAX + 1];
    unsigned char id[NOTE_KEY_ID_SIZE];      /* of its signatures of a text, */
    unsigned char time_id[NOTE_KEY_ID_SIZE]; /* ... and of a text and a time */
    unsigned char public_key[32];
};

/* It is to be wiped by note_secret_free. */
struct note_secret {
    struct note_key key;
    unsigned char secret_key[64];
};

/* What a private key's file begins with. */
#define NOTE_PRIVATE "PRIVATE+KEY+"

/* Reads a verifier key, NAME+ID+BASE64. false: it is none. */
bool note_key_parse(const char *text, struct note_key *key);

/* The other way. Returns `text`. */
const char *note_key_text(const struct note_key *key, char text[NOTE_KEY_TEXT_SIZE]);

/* The key of another one's name that has this public key. */
void note_key_of_name(const struct note_key *named, const unsigned char public_key[32],
                      struct note_key *key);

/* Makes a key of that name in a new file, for its owner alone. The exit status, reported. */
int note_secret_make(const char *path, const char *name, struct note_key *key);

/* Reads it. A file that others may read is refused. The exit status, reported. */
int note_secret_read(const char *path, struct note_secret *secret);
void note_secret_free(struct note_secret *secret);

/*
 * Signs a text, which ends with a newline, also with `next` unless it is NULL. time_s: a second signature line of each
 * key covers text and time; 0: there is none. The note is the caller's to free; NULL: out of memory.
 */
char *note_sign(const struct note_secret *secret, const struct note_secret *next,
                const char *text, int64_t time_s);

enum note_verdict {
    NOTE_GOOD,
    NOTE_MALFORMED,
    NOTE_OTHERS, /* no signature is of this key */
    NOTE_FORGED, /* one that claims to be of this key does not fit */
};

/* What is signed. */
struct note_text {
    const char *text; /* in the note; it ends with a newline, not with NUL */
    size_t size;
    int64_t time_s; /* that of the signature with a time; 0: there is none */
};

/* `text` is set when it is good. */
enum note_verdict note_check(const struct note_key *key, const char *note, size_t size,
                             struct note_text *text);

/* ------------------------------------------------------- checkpoints ---- */

/* A tree at some size, as a note's text has it. */
struct note_checkpoint {
    uint64_t size;
    unsigned char root[32];
    int64_t time_s; /* when it was signed; 0: not said */
    bool has_next;  /* it hands over to another key of the same name: */
    unsigned char next[32];
};

#define NOTE_CHECKPOINT_TEXT_SIZE (NOTE_KEY_TEXT_SIZE + 400)

/* The text of a checkpoint whose origin is the key's name. Returns `text`. */
const char *note_checkpoint_text(const struct note_key *key,
                                 const struct note_checkpoint *checkpoint,
                                 char text[NOTE_CHECKPOINT_TEXT_SIZE]);

/* Checks a note and reads it as a checkpoint of the log of that name; NOTE_MALFORMED: it is none. */
enum note_verdict note_read_checkpoint(const struct note_key *key, const char *note, size_t size,
                                       struct note_checkpoint *checkpoint);

/* "is signed by another key" and so on: what is wrong by that verdict. */
const char *note_verdict_text(enum note_verdict verdict);

/* Base64 of 32 bytes, with the NUL. */
#define NOTE_HASH_TEXT_SIZE 45
const char *note_hash_text(const unsigned char hash[32], char text[NOTE_HASH_TEXT_SIZE]);

#endif
