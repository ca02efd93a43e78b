/*
 * Fuzz target: what verify --seal reads of an attacker's: public keys, signed notes, checkpoints, notes of erasures,
 * seals, and a log with them.
 *
 *   input: what 1 byte, then a text, or, for a seal, its text, a 0, and the roots
 *   what   0 a public key | 1 a note as it is | 2 a text that the key signs, as a checkpoint and an erasure | 3 the
 *          same signed by a second key, too | 4 data of a seal's event | 5 as 3, in a log, which is audited | 6 as 1,
 *          in a log
 *   text   in one that is signed, @ is the key's name, $ the root of the log's events, and & the second key
 *
 * What must hold: no byte beyond the input is read (it has its exact size, under AddressSanitizer); a key and a
 * checkpoint that are taken are the same when they are written anew; nothing counts as signed but what was; a tree that
 * is taken makes its signed root; an audit says of no event that it is sealed but of those that were, whatever seals
 * the log has.
 *
 * The keys are always the same, and Ed25519 has no random numbers: so notes in the corpus stay good.
 */
#include <sodium.h>
#include <unistd.h>

#include "audit.h"
#include "leaf.h"
#include "test.h"

#define NAME "evlog/480cb81a-e77a-11f1-afb8-dbe8ed80af96"
#define EVENTS 5
#define SEALS_MAX 40 /* then the log is made anew */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static struct note_secret secrets[2];

static struct {
    char path[64];
    char name[NOTE_NAME_SIZE_MAX + 1]; /* of its key */
    evlog *log;
    unsigned seals;
    bool is_spoilt;                  /* the key has signed what is not so */
    unsigned char root[SHA256_SIZE]; /* of EVENTS events */
} made;

static void must(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "does not hold: %s: %s\n", what, evlog_errmsg());
        abort();
    }
}

static char *copy_text(const uint8_t *bytes, size_t size)
{
    char *text = malloc(size + 1);
    memcpy(text, bytes, size);
    text[size] = '\0';
    return text;
}

/* The key of that name, as if it had been read. */
static void make_key(struct note_secret *secret, const char *name, unsigned char first)
{
    unsigned char seed[crypto_sign_SEEDBYTES] = {first}, public_key[32];
    *secret = (struct note_secret){.key = {.name = ""}};
    strcpy(secret->key.name, name);
    crypto_sign_seed_keypair(public_key, secret->secret_key, seed);
    note_key_of_name(&secret->key, public_key, &secret->key);
}

static void make_keys(const char *name)
{
    must(sodium_init() >= 0, "libsodium");
    make_key(&secrets[0], name, 1);
    make_key(&secrets[1], name, 2);
}

static struct keyring make_ring(void)
{
    char text[NOTE_KEY_TEXT_SIZE];
    struct keyring ring = {.count = 0};
    must(keyring_read(&ring, note_key_text(&secrets[0].key, text)) == EXIT_DONE, "a key is read");
    return ring;
}

/* ---------------------------------------------------------------- texts ---- */

static void try_key(const char *text)
{
    struct note_key key;
    char again[NOTE_KEY_TEXT_SIZE];
    if (!note_key_parse(text, &key))
        return;
    note_key_text(&key, again);
    must(strncmp(text, again, strlen(again)) == 0, "a key has one form");
    must(strcmp(text + strlen(again), "") == 0 || strcmp(text + strlen(again), "\n") == 0,
         "nothing follows a key");
}

/* A checkpoint that was taken is the beginning of the text. */
static void check_checkpoint(const struct note_checkpoint *checkpoint, const char *note)
{
    char again[NOTE_CHECKPOINT_TEXT_SIZE];
    note_checkpoint_text(&secrets[0].key, checkpoint, again);
    must(strncmp(note, again, strlen(again)) == 0, "a checkpoint has one form");
    must(checkpoint->time_s >= 0, "a time after 1970");
}

/* Whoever has not signed it: only notes whose text this target has signed are good, and those are few. */
static void try_note(const char *note, size_t size)
{
    struct note_text text;
    struct note_checkpoint checkpoint;
    struct erasure erasure;
    if (note_check(&secrets[0].key, note, size, &text) == NOTE_GOOD) {
        char *plain = copy_text((const uint8_t *)text.text, text.size);
        char *again = note_sign(&secrets[0], NULL, plain, 0);
        const char *line = strstr(again + strlen(plain), " evlog/");
        must(strlen(plain) == text.size && line && memmem(note, size, line, strlen(line)),
             "what is good was signed");
        free(again);
        free(plain);
    }
    if (note_read_checkpoint(&secrets[0].key, note, size, &checkpoint) == NOTE_GOOD)
        check_checkpoint(&checkpoint, note);
    erasure_read(&secrets[0].key, (evlog_string){.text = note, .size = size}, &erasure);
}

/* What a character of a text that is signed stands for. */
static const char *stands_for(char c, char text[NOTE_KEY_TEXT_SIZE])
{
    text[0] = c;
    text[1] = '\0';
    return c == '@'   ? secrets[0].key.name
           : c == '$' ? note_hash_text(made.root, text)
           : c == '&' ? note_key_text(&secrets[1].key, text)
                      : text;
}

/* The text, which may have anything in it, with one signature or with two. */
static char *sign(const char *text, bool by_both)
{
    char part[NOTE_KEY_TEXT_SIZE], *whole, *note;
    size_t size;
    FILE *out = open_memstream(&whole, &size);
    for (; *text; text++)
        fputs(stands_for(*text, part), out);
    fputc('\n', out);
    must(fclose(out) == 0, "memory");
    note = note_sign(&secrets[0], by_both ? &secrets[1] : NULL, whole, by_both ? 1795464780 : 0);
    must(note != NULL, "it is signed");
    free(whole);
    return note;
}

static void try_signed(const char *text, bool by_both)
{
    char *note = sign(text, by_both);
    struct note_checkpoint checkpoint;
    struct erasure erasure = {.seq = 0};
    try_note(note, strlen(note));
    bool is_checkpoint =
        note_read_checkpoint(&secrets[0].key, note, strlen(note), &checkpoint) == NOTE_GOOD;
    bool is_erasure =
        erasure_read(&secrets[0].key, (evlog_string){.text = note, .size = strlen(note)},
                     &erasure) == NOTE_GOOD;
    must(!is_checkpoint || !is_erasure, "a note is one of the two");
    must(!is_erasure || strncmp(note + strlen(secrets[0].key.name), "/erasure\nseq ", 13) == 0,
         "an erasure says that it is one");
    free(note);
}

/* ---------------------------------------------------------------- seals ---- */

static void try_event(const uint8_t *data, size_t size)
{
    struct keyring ring = make_ring();
    const evlog_event event = {
        .seq = 40, .event_type = EVLOG_SEALED_TYPE, .data = data, .data_size = size};
    struct sealed sealed;
    unsigned char root[SHA256_SIZE];
    size_t by;
    if (sealed_read(NULL, &event, &sealed) == NOTE_GOOD)
        must(sealed.tree.size > 0 && sealed.tree.size < 40, "a tree of events before it");
    if (keyring_read_seal(&ring, &event, &sealed, &by) == NOTE_GOOD) {
        must(sealed.checkpoint.size > 0 && sealed.checkpoint.size < 40,
             "a seal of events before");
        if (sealed.tree.size) {
            merkle_root(&sealed.tree, root);
            must(memcmp(root, sealed.checkpoint.root, sizeof root) == 0, "a tree of that root");
        }
        enum keyring_handover handover = keyring_follow(&ring, by, &sealed);
        must(ring.count == (handover == KEYRING_TAKEN &&
                                    memcmp(sealed.checkpoint.next, secrets[0].key.public_key, 32)
                                ? 2u
                                : 1u),
             "a key more, where it is handed over");
    }
    keyring_free(&ring);
}

/* ------------------------------------------------------------------ logs ---- */

static void remove_log(void)
{
    char command[128];
    if (!made.log)
        return;
    evlog_close(made.log);
    made.log = NULL;
    snprintf(command, sizeof command, "rm -rf '%s'", made.path);
    if (system(command))
        fprintf(stderr, "%s is left\n", made.path);
}

static int add_leaf(const evlog_leaf *leaf, void *ctx)
{
    struct leaf_names names = {.log = made.log};
    return leaf_add(ctx, &names, leaf);
}

/* Some events, and a true seal of them. */
static void make_log(void)
{
    char text[NOTE_CHECKPOINT_TEXT_SIZE];
    evlog_info info;
    evlog_signal *signal;
    struct merkle tree = {.size = 0};
    struct note_checkpoint checkpoint = {.size = EVENTS};
    static bool is_registered;
    if (!is_registered)
        atexit(remove_log);
    is_registered = true;
    snprintf(made.path, sizeof made.path, "%s/evlog-fuzz-XXXXXX",
             access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
    must(mkdtemp(made.path) != NULL, "a directory is made");
    must(!evlog_open(made.path, &(evlog_options){.durability = EVLOG_FAST}, &made.log),
         "the log is made");
    must(!evlog_define(made.log, "org.evlog.fuzz.v1", 0, NULL, &signal), "a type");
    for (int i = 0; i < EVENTS; i++)
        must(!evlog_send_event(signal, "\x80", 1, NULL, NULL), "an event");
    must(!evlog_inspect(made.log, &info), "the log is looked at");
    make_keys(sealed_name(&info, made.name));
    must(!evlog_each_leaf(made.log, 1, EVENTS, add_leaf, &tree), "a tree");
    merkle_root(&tree, checkpoint.root);
    memcpy(made.root, checkpoint.root, sizeof made.root);
    char *note = note_sign(&secrets[0], NULL,
                           note_checkpoint_text(&secrets[0].key, &checkpoint, text), 1795464780);
    must(!evlog_add_seal(made.log, EVENTS, note, tree.roots, tree.count * SHA256_SIZE), "a seal");
    free(note);
    made.seals = 0;
    made.is_spoilt = false;
}

static int visit(const evlog_finding *finding, uint64_t seq, void *ctx)
{
    (void)seq;
    (void)ctx;
    must(!finding || (finding->text && strlen(finding->text) < 600), "a finding has a text");
    return 0;
}

/* Text, and behind a 0 the size (one byte) and the roots that the event claims. */
static void try_log(const char *text, const uint8_t *rest, size_t rest_size, bool is_note)
{
    if (made.log && made.seals >= SEALS_MAX)
        remove_log();
    if (!made.log)
        make_log();
    uint64_t size = rest_size ? 1 + rest[0] % (EVENTS + 1) : 1;
    size_t roots_size = rest_size ? (rest_size - 1) / SHA256_SIZE * SHA256_SIZE : 0;
    char *note = is_note ? strdup(text) : sign(text, true);
    struct audit audit = {.log = made.log, .visit = visit};
    made.seals += evlog_add_seal(made.log, size, note, rest ? rest + 1 : NULL, roots_size) == 0;
    free(note);
    made.is_spoilt |= !is_note;
    must(!evlog_inspect(made.log, &audit.info), "the log is looked at");
    audit.keys = make_ring();
    must(audit_run(&audit, NULL) == EVLOG_OK, "it is audited");
    must(audit.sealed_to == EVENTS || (made.is_spoilt && audit.sealed_to == 0),
         "what is sealed is what was sealed");
    audit_free(&audit);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    unsigned what = size ? bytes[0] % 7 : 0;
    if (size == 0)
        return 0;
    bytes++;
    size--;
    char *text = copy_text(bytes, size);
    if (what < 5)
        make_keys(NAME);
    else if (made.log)
        make_keys(made.name);
    size_t used = strlen(text) < size ? strlen(text) + 1 : size;
    if (what == 0)
        try_key(text);
    else if (what == 1)
        try_note((const char *)bytes, size);
    else if (what <= 3)
        try_signed(text, what == 3);
    else if (what == 4)
        try_event(bytes, size);
    else
        try_log(text, used < size ? bytes + used : NULL, size - used, what == 6);
    free(text);
    return 0;
}
