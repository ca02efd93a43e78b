/*
 * evlog prove: that an event is in what was sealed, and that one seal goes on from another, for somebody who does
 * not have the log.
 *
 *   inclusion     C2SP tlog-proof: "c2sp.org/tlog-proof@v1", the leaf's bytes as extra data, its index (seq - 1), the
 *                 hashes from its sibling up (RFC 6962, 2.1.1), an empty line, and the checkpoint as it was signed
 *   consistency   the request that C2SP tlog-witness gives to a witness (add-checkpoint): "old" and the older size, the
 *                 hashes (2.1.2), an empty line, and the checkpoint
 *
 * Each hash of a proof is the root of a range of leaves: so the events are read once, in order, and each range is
 * made into a tree of its own. The leaves that were trimmed are in such a range as the roots that the seal before the
 * first event has; no range ends inside of one of these, since the event, or the older size, comes after them.
 *
 * What is printed was checked: the ranges make the root that is signed, so what was changed in the log is proved by
 * no proof. The key is not needed, and its signature is not checked here: who gets the proof does that.
 *
 * Cost: reading and hashing all events that are kept, up to the checkpoint's size.
 */
#include <evlog/value.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "keyring.h"
#include "leaf.h"
#include "print.h"
#include "progress.h"
#include "text.h"
#include "tool.h"

struct proving {
    FILE *out;
    struct leaf_names names;
    uint64_t at; /* leaves before the next one */
    struct merkle_range path[MERKLE_LEVELS];
    struct merkle trees[MERKLE_LEVELS]; /* of the ranges */
    unsigned count;
    struct merkle whole; /* what is proved is part of it */
    uint64_t index;      /* of the leaf that is proved; UINT64_MAX: none */
    unsigned char leaf[LEAF_SIZE];
    bool has_leaf;
};

/* ----------------------------------------------------------- the events ---- */

/* Adds a subtree of 2^level leaves to the range that has it, and to the whole. */
static void add(struct proving *proving, unsigned level, const unsigned char root[SHA256_SIZE])
{
    merkle_add_subtree(&proving->whole, level, root);
    for (unsigned i = 0; i < proving->count; i++)
        if (proving->at >= proving->path[i].first && proving->at < proving->path[i].end)
            merkle_add_subtree(&proving->trees[i], level, root);
    proving->at += UINT64_C(1) << level;
}

static int see(const evlog_leaf *leaf, void *ctx)
{
    struct proving *proving = ctx;
    unsigned char data[LEAF_SIZE], hash[SHA256_SIZE];
    progress_at(leaf->last_seq);
    if (leaf->kind == EVLOG_LEAF_DAMAGED)
        return EVLOG_DAMAGED;
    if (leaf->kind == EVLOG_LEAF_MISSING) {
        merkle_leaf("", 1, hash);
        for (uint64_t seq = leaf->seq; seq <= leaf->last_seq; seq++)
            add(proving, 0, hash);
        return EVLOG_OK;
    }
    int code = leaf_data(&proving->names, leaf, data);
    if (code)
        return code;
    if (proving->at == proving->index) {
        memcpy(proving->leaf, data, sizeof data);
        proving->has_leaf = true;
    }
    merkle_leaf(data, sizeof data, hash);
    add(proving, 0, hash);
    return EVLOG_OK;
}

/* A seal of one of the keys, the last that was given first. As sealed_find. */
static int find_by_any(evlog *log, const struct keyring *keys, uint64_t size_min,
                       uint64_t size_max, struct sealed *sealed, char **note)
{
    bool is_any;
    int code = EVLOG_NOTFOUND;
    for (size_t i = keys->count; code == EVLOG_NOTFOUND && i-- > 0;)
        code = sealed_find(log, &keys->keys[i].key, size_min, size_max, sealed, note, &is_any);
    return code;
}

/*
 * What was trimmed, by the roots of the seal before the first event, which may be of another key: wrong ones make no
 * root that is signed. EXIT_DONE, or the status, reported.
 */
static int add_trimmed(struct proving *proving, const struct keyring *keys,
                       const evlog_info *info)
{
    struct sealed sealed;
    bool is_any;
    uint64_t gone = info->first_seq - 1;
    if (gone == 0)
        return EXIT_DONE;
    int code = find_by_any(proving->names.log, keys, gone, gone, &sealed, NULL);
    if (code == EVLOG_NOTFOUND)
        code = sealed_find(proving->names.log, NULL, gone, gone, &sealed, NULL, &is_any);
    if (code == EVLOG_NOTFOUND)
        return complain(EXIT_LOG,
                        "the log begins with event %" PRIu64
                        ", and has no seal of the events before it: nothing can be proved",
                        info->first_seq);
    if (code)
        return complain_library(code);
    unsigned next = 0;
    for (unsigned level = MERKLE_LEVELS; level-- > 0;)
        if (gone >> level & 1)
            add(proving, level, sealed.tree.roots[next++]);
    return EXIT_DONE;
}

/* Reads the events, and compares the root that they make with the one that was sealed. */
static int prove(struct proving *proving, const struct keyring *keys, const evlog_info *info,
                 const struct note_checkpoint *checkpoint)
{
    unsigned char root[SHA256_SIZE];
    int status = add_trimmed(proving, keys, info);
    if (status)
        return status;
    progress_begin("events read", checkpoint->size);
    int code =
        proving->at < checkpoint->size
            ? evlog_each_leaf(proving->names.log, proving->at + 1, checkpoint->size, see, proving)
            : EVLOG_OK;
    progress_end();
    if (code)
        return complain_library(code);
    merkle_root(&proving->whole, root);
    if (memcmp(root, checkpoint->root, sizeof root) == 0)
        return EXIT_DONE;
    return complain(EXIT_DAMAGED,
                    "the events up to %" PRIu64
                    " are not what was sealed, and prove nothing; see: evlog verify --seal",
                    checkpoint->size);
}

/* ------------------------------------------------------------- printing ---- */

static void put_hashes(const struct proving *proving)
{
    char text[NOTE_HASH_TEXT_SIZE];
    unsigned char root[SHA256_SIZE];
    for (unsigned i = 0; i < proving->count; i++) {
        merkle_root(&proving->trees[i], root);
        fprintf(proving->out, "%s\n", note_hash_text(root, text));
    }
    fputc('\n', proving->out);
}

static void put_inclusion(const struct proving *proving)
{
    char text[sodium_base64_ENCODED_LEN(LEAF_SIZE, sodium_base64_VARIANT_ORIGINAL)];
    fputs("c2sp.org/tlog-proof@v1\n", proving->out);
    if (proving->has_leaf) /* without the 00 of RFC 6962 */
        fprintf(proving->out, "extra %s\n",
                sodium_bin2base64(text, sizeof text, proving->leaf + 1, LEAF_SIZE - 1,
                                  sodium_base64_VARIANT_ORIGINAL));
    fprintf(proving->out, "index %" PRIu64 "\n", proving->index);
    put_hashes(proving);
}

/* ---------------------------------------------------------------- verbs ---- */

/*
 * The seal to prove by: the newest one of at least `size_min` events and, where a size is asked for, of just so many.
 */
static int find_seal(const struct options *options, evlog *log, const struct keyring *keys,
                     uint64_t size_min, struct sealed *sealed, char **note)
{
    uint64_t size = options->size;
    int code =
        find_by_any(log, keys, size ? size : size_min, size ? size : UINT64_MAX, sealed, note);
    if (code && code != EVLOG_NOTFOUND)
        return complain_library(code);
    if (code == EVLOG_OK && sealed->checkpoint.size >= size_min)
        return EXIT_DONE;
    if (code == EVLOG_OK)
        free(*note);
    if (size)
        return complain(EXIT_NOTHING, "no seal of this key is of %" PRIu64 " events%s", size,
                        size < size_min ? ", and one must be of more" : "");
    return complain(EXIT_NOTHING, "no seal of this key covers event %" PRIu64 " yet: evlog seal",
                    size_min);
}

static int prove_event(const struct options *options, struct proving *proving,
                       const struct keyring *keys, const evlog_info *info)
{
    struct sealed sealed;
    char *note;
    uint64_t seq;
    if (!seq_read(options->operands[0], &seq) || seq == 0)
        return complain(EXIT_MISUSE, "not a seq (1, 2, 3 ...): %s", options->operands[0]);
    if (seq < info->first_seq || seq > info->last_seq)
        return complain(EXIT_NOTHING,
                        "%s: no event %" PRIu64 ": the log has %" PRIu64 " to %" PRIu64,
                        options->path, seq, info->first_seq, info->last_seq);
    int status = find_seal(options, proving->names.log, keys, seq, &sealed, &note);
    if (status)
        return status;
    proving->index = seq - 1;
    proving->count = merkle_path(seq - 1, sealed.checkpoint.size, proving->path);
    status = prove(proving, keys, info, &sealed.checkpoint);
    if (status == EXIT_DONE) {
        put_inclusion(proving);
        text_put(proving->out, note, strlen(note), 1, 0);
    }
    free(note);
    return status;
}

static int prove_growth(const struct options *options, struct proving *proving,
                        const struct keyring *keys, const evlog_info *info)
{
    struct sealed sealed;
    char *note;
    uint64_t old = options->old_size;
    if (old + 1 < info->first_seq)
        return complain(EXIT_NOTHING,
                        "events up to %" PRIu64 " were trimmed: what was sealed of %" PRIu64
                        " events cannot be proved any more",
                        info->first_seq - 1, old);
    int status = find_seal(options, proving->names.log, keys, old, &sealed, &note);
    if (status)
        return status;
    proving->count = merkle_consistency(old, sealed.checkpoint.size, proving->path);
    status = prove(proving, keys, info, &sealed.checkpoint);
    if (status == EXIT_DONE) {
        fprintf(proving->out, "old %" PRIu64 "\n", old);
        put_hashes(proving);
        text_put(proving->out, note, strlen(note), 1, 0);
    }
    free(note);
    return status;
}

/* Makes the proof's text in `out`. EXIT_DONE, or the status, reported. */
static int prove_either(const struct options *options, evlog *log, const struct keyring *keys,
                        FILE *out)
{
    evlog_info info;
    char name[NOTE_NAME_SIZE_MAX + 1];
    const struct note_key *key = &keys->keys[0].key;
    int code = evlog_inspect(log, &info);
    if (code)
        return complain_library(code);
    if (strcmp(sealed_name(&info, name), key->name) != 0)
        return complain(EXIT_MISUSE, "the key is of the log %s, and this is %s", key->name, name);
    struct proving *proving = calloc(1, sizeof *proving);
    if (!proving)
        return complain(EXIT_LOG, "out of memory");
    proving->out = out;
    proving->names.log = log;
    proving->index = UINT64_MAX;
    int status = options->old_size ? prove_growth(options, proving, keys, &info)
                                   : prove_event(options, proving, keys, &info);
    free(proving);
    return status;
}

static int prove_and_put(const struct options *options, evlog *log, const struct keyring *keys)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    int status = out ? prove_either(options, log, keys, out) : EXIT_LOG;
    if (!out || fclose(out))
        status = complain(EXIT_LOG, "out of memory");
    else if (status == EXIT_DONE && options->output == OUTPUT_JSON)
        status = result_put(json_pack("{s:s}", "proof", text), OUTPUT_JSON);
    else if (status == EXIT_DONE)
        fputs(text, stdout);
    free(text);
    return status;
}

int prove_run(struct options *options)
{
    struct keyring keys = {.count = 0};
    evlog *log;
    if (!options->seal)
        return complain(EXIT_MISUSE,
                        "by whose seals? --seal PUBKEY, what evlog seal keygen printed");
    if ((options->operand_count == 1) == (options->old_size != 0))
        return complain(EXIT_MISUSE,
                        "what is to be proved? a SEQ: that it was sealed; --since-size N: that "
                        "nothing was changed since N events were");
    int status = keyring_read(&keys, options->seal);
    if (status == EXIT_DONE && open_to_read(options, &log))
        status = EXIT_LOG;
    else if (status == EXIT_DONE) {
        status = prove_and_put(options, log, &keys);
        evlog_close(log);
    }
    keyring_free(&keys);
    return status;
}
