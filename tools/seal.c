/*
 * evlog seal: a signed statement of what the log held up to a seq, to be kept elsewhere.
 *
 *   1. the tree (merkle.c) of the newest seal of this key, by the roots that are in its event
 *   2. the events since then are added to it as leaves (leaf.c)
 *   3. its root is signed, with the time, as a checkpoint (signed_note.c), whose origin is evlog/ and the uuid of the
 *      log's origin
 *   4. the note and the roots are appended as an event (store/seals.c), and the note is printed
 *
 * The seal covers the events that were there when it began, and not its own event, which the next one covers. To
 * check what it proves takes the public key and a printed note; nothing in the log is trusted for that, as it may be a
 * forger's. audit.c says what is concluded.
 *
 * With a second key the seal hands over to it: the checkpoint names it, both sign, and the first key is refused from
 * then on (keyring.c).
 *
 * A key belongs to one log: its name is the origin of the log's checkpoints. So a note says which log it is of, and
 * no log can be passed off as another one.
 *
 * Refused: a log with damaged events, since a seal would make them right; a clock that is behind the last seal's time.
 *
 * Cost: reading and hashing the events since the last seal. Death at any point leaves no seal, or a whole one.
 */
#include <stdlib.h>
#include <string.h>

#include "leaf.h"
#include "print.h"
#include "progress.h"
#include "sealed.h"
#include "tool.h"

#define CLOCK_SLACK_S 60

struct sealing {
    struct leaf_names names;
    struct merkle tree;
};

static int add(const evlog_leaf *leaf, void *ctx)
{
    struct sealing *sealing = ctx;
    progress_at(leaf->last_seq);
    return leaf_add(&sealing->tree, &sealing->names, leaf);
}

/* What came before and is not there any more has leaves without bytes. */
static int add_events(struct sealing *sealing, const evlog_info *info)
{
    uint64_t next = sealing->tree.size + 1;
    if (next < info->first_seq) {
        merkle_add_empty(&sealing->tree, info->first_seq - next);
        next = info->first_seq;
    }
    progress_begin("events sealed", info->last_seq);
    int code = evlog_each_leaf(sealing->names.log, next, info->last_seq, add, sealing);
    progress_end();
    return code;
}

/* The tree that the newest seal of this key has, or an empty one. EXIT_DONE, or the status, reported. */
static int begin(struct sealing *sealing, const struct note_key *key, const char *file,
                 const evlog_info *info, int64_t *last_time_s)
{
    struct sealed sealed;
    bool is_any;
    int code = sealed_find(sealing->names.log, key, 0, info->last_seq, &sealed, NULL, &is_any);
    *last_time_s = 0;
    if (code && code != EVLOG_NOTFOUND)
        return complain_library(code);
    if (code == EVLOG_OK) {
        sealing->tree = sealed.tree;
        *last_time_s = sealed.checkpoint.time_s;
        return sealed_check_use(&sealed, key, file);
    }
    if (is_any && info->first_seq > 1)
        return complain(EXIT_LOG,
                        "the log was trimmed, and has no seal of this key from which its "
                        "tree could go on");
    return EXIT_DONE;
}

/*
 * When it is sealed: the clock's, but not before the last seal. 0: the clock is too far behind it, which is reported.
 */
static int64_t time_of(int64_t last_time_s)
{
    int64_t now_s = evlog_now_us() / 1000000;
    char text[EVLOG_TIME_TEXT_SIZE];
    if (now_s >= last_time_s)
        return now_s;
    if (now_s + CLOCK_SLACK_S >= last_time_s)
        return last_time_s;
    complain(EXIT_LOG, "the clock is behind the last seal, which was made at %s: set it right",
             evlog_time_text(last_time_s * 1000000, text));
    return 0;
}

static int put_seal(const struct note_checkpoint *checkpoint, const char *note,
                    const struct options *options)
{
    char root[NOTE_HASH_TEXT_SIZE], time[EVLOG_TIME_TEXT_SIZE];
    if (options->output != OUTPUT_JSON) {
        fputs(note, stdout);
        return EXIT_DONE;
    }
    return result_put(json_pack("{s:I, s:s, s:s, s:s}", "events", (json_int_t)checkpoint->size,
                                "time", evlog_time_text(checkpoint->time_s * 1000000, time),
                                "root", note_hash_text(checkpoint->root, root), "note", note),
                      OUTPUT_JSON);
}

/* Signs the tree, appends the seal, and prints it. */
static int sign(struct sealing *sealing, const struct note_secret *secret,
                const struct note_secret *next, int64_t time_s, const struct options *options)
{
    struct merkle *tree = &sealing->tree;
    struct note_checkpoint checkpoint = {
        .size = tree->size, .time_s = time_s, .has_next = next != NULL};
    char text[NOTE_CHECKPOINT_TEXT_SIZE];
    merkle_root(tree, checkpoint.root);
    if (next)
        memcpy(checkpoint.next, next->key.public_key, sizeof checkpoint.next);
    char *note =
        note_sign(secret, next, note_checkpoint_text(&secret->key, &checkpoint, text), time_s);
    if (!note)
        return complain(EXIT_LOG, "out of memory");
    int code = evlog_add_seal(sealing->names.log, tree->size, note, tree->roots,
                              (size_t)tree->count * SHA256_SIZE);
    int status = code ? complain_library(code) : put_seal(&checkpoint, note, options);
    free(note);
    return status;
}

static int check_name(const struct note_key *key, const char *file, const evlog_info *info)
{
    char name[NOTE_NAME_SIZE_MAX + 1];
    if (strcmp(sealed_name(info, name), key->name) == 0)
        return EXIT_DONE;
    return complain(EXIT_MISUSE, "%s: is the key of %s, and this log is %s", file, key->name,
                    name);
}

/* A key that has sealed the log is none to hand over to: it may have been replaced for a reason. */
static int check_next(evlog *log, const struct note_secret *next, const struct options *options,
                      const evlog_info *info)
{
    struct sealed sealed;
    bool is_any;
    int status = check_name(&next->key, options->next, info);
    if (status)
        return status;
    int code = sealed_find(log, &next->key, 0, UINT64_MAX, &sealed, NULL, &is_any);
    if (code == EVLOG_OK)
        return complain(EXIT_MISUSE,
                        "%s: this key has sealed the log, by event %" PRIu64
                        ": hand over to a new one, which evlog seal keygen makes",
                        options->next, sealed.seq);
    return code == EVLOG_NOTFOUND ? EXIT_DONE : complain_library(code);
}

/* `next`: NULL, or the key to hand over to. */
static int seal(evlog *log, const struct note_secret *secret, const struct note_secret *next,
                const struct options *options)
{
    struct sealing sealing = {.names = {.log = log}};
    evlog_info info;
    int64_t last_time_s;
    int code = evlog_inspect(log, &info);
    if (code)
        return complain_library(code);
    int status = check_name(&secret->key, options->key, &info);
    if (status == EXIT_DONE && next)
        status = check_next(log, next, options, &info);
    if (status)
        return status;
    if (info.last_seq == 0)
        return complain(EXIT_NOTHING, "%s: the log is empty", options->path);
    status = begin(&sealing, &secret->key, options->key, &info, &last_time_s);
    int64_t time_s = status ? 0 : time_of(last_time_s);
    if (time_s == 0)
        return status ? status : EXIT_LOG;
    code = add_events(&sealing, &info);
    if (code == EVLOG_DAMAGED)
        return complain(
            EXIT_DAMAGED,
            "%s; a log is not sealed while events that are not sealed yet are damaged: "
            "run evlog verify %s",
            evlog_errmsg(), options->path);
    return code ? complain_library(code) : sign(&sealing, secret, next, time_s, options);
}

static int seal_with(struct options *options, const struct note_secret *secret,
                     const struct note_secret *next)
{
    evlog *log;
    if (open_to_write(options, &log))
        return EXIT_LOG;
    return close_appended(log, seal(log, secret, next, options));
}

int seal_run(struct options *options)
{
    struct note_secret secret, next;
    if (!options->key)
        return complain(EXIT_MISUSE,
                        "with which key? --key FILE; evlog seal keygen %s --key FILE makes one",
                        options->path);
    int status = note_secret_read(options->key, &secret);
    if (status)
        return status;
    if (options->next)
        status = note_secret_read(options->next, &next);
    if (status == EXIT_DONE) {
        status = seal_with(options, &secret, options->next ? &next : NULL);
        if (options->next)
            note_secret_free(&next);
    }
    note_secret_free(&secret);
    return status;
}

int seal_keygen_run(struct options *options)
{
    char name[NOTE_NAME_SIZE_MAX + 1], text[NOTE_KEY_TEXT_SIZE];
    struct note_key key;
    evlog *log;
    evlog_info info;
    if (!options->key)
        return complain(EXIT_MISUSE, "where is the key to be? --key FILE");
    if (open_to_read(options, &log))
        return EXIT_LOG;
    int code = evlog_inspect(log, &info);
    int status = code ? complain_library(code) : EXIT_DONE;
    evlog_close(log);
    if (status == EXIT_DONE)
        status = note_secret_make(options->key, sealed_name(&info, name), &key);
    if (status || options->output != OUTPUT_JSON) {
        if (!status)
            puts(note_key_text(&key, text));
        return status;
    }
    return result_put(
        json_pack("{s:s, s:s}", "name", key.name, "public_key", note_key_text(&key, text)),
        OUTPUT_JSON);
}
