/*
 * evlog verify --seal: a log beside its seals. Three verdicts: integrity (nothing was changed), completeness (nothing
 * was cut off or taken out), and freshness (until when it is sealed). An attacker may have written every byte of the
 * log, and has neither the private key nor the checkpoint that was kept elsewhere; so:
 *
 *      F                S1               S2                  E              last
 *      |----------------|----------------|-------------------|..............|
 *      first event      sizes of trees that the key has signed               events that nothing proves
 *
 * 1. The events are made into a tree from the first on, and where the tree has the size of a signed checkpoint its
 *    root is compared. So a checkpoint proves each event up to its size, by SHA-256, whatever else the log says.
 * 2. Where a root differs, something between it and the one before was changed, added or taken out. From the roots
 *    that are in the seal's event, if they make its root, the tree goes on: so it is found between which two seals.
 * 3. A log that was trimmed begins with such roots, of the seal whose size is the event before the first one; of
 *    whatever key, since roots that are not those of what went make no root that is signed.
 * 4. Only the checkpoint that is expected says that nothing was cut off: inside a log an end leaves no trace, and an
 *    older copy is good. The event of its seal must be there, too: `evlog seal` appends it before it prints it.
 * 5. When a seal was made is signed with it. Events that follow it and say that they were logged before, or the
 *    reverse, are findings.
 * 6. What was erased must have been signed for, or have been erased, on record, before the log was first sealed by
 *    these keys.
 * 7. Which keys are believed, and where in the log, keyring.c says.
 *
 * What is not found: what whoever holds the key did before sealing; what was never sealed, which is named as
 * unproved; and that records are whole and chained is what verify itself checks (store/verify.c).
 *
 * Cost: the log is read twice, and each event hashed once.
 */
#include "audit.h"

#include <stdlib.h>
#include <string.h>

#include "leaf.h"
#include "progress.h"
#include "sealed.h"

#define TIME_SLACK_US (AUDIT_SLACK_S * INT64_C(1000000))

/* The walk through the events. */
struct walk {
    struct audit *audit;
    struct leaf_names names;
    struct merkle tree;
    uint64_t at;       /* leaves so far; that of `tree`, if it is known */
    bool is_known;     /* `tree` is what the log has */
    bool is_guessed;   /* it begins after a trim, without the roots of what went */
    bool is_explained; /* why it is not known was reported */
    size_t next;       /* of the seals, the first one that was not come to */
    uint64_t from;     /* the first event that no root has been compared for */
    int64_t latest_us; /* the latest log time since then, of event latest_seq */
    uint64_t latest_seq;
    int64_t sealed_us; /* the latest seal whose event was passed: its time, and that event */
    uint64_t sealed_seq;
    bool is_back; /* log time is before that, which was reported */
};

/* ---------------------------------------------------------- the roots ---- */

static bool is_expected(const struct audit_seal *seal)
{
    return seal->seq == 0;
}

/* Puts the tree of a seal's event in place of one that is not what was sealed. */
static int reload(struct walk *walk, const struct audit_seal *seal)
{
    evlog_event *event;
    struct sealed sealed;
    if (is_expected(seal))
        return EVLOG_OK;
    walk->is_known = false;
    walk->is_explained = true;
    int code = seal->has_tree ? evlog_read(walk->audit->log, seal->seq, &event) : EVLOG_DAMAGED;
    if (code)
        return code == EVLOG_DAMAGED || code == EVLOG_NOTFOUND ? EVLOG_OK : code;
    walk->is_known =
        sealed_read(&walk->audit->keys.keys[seal->by].key, event, &sealed) == NOTE_GOOD &&
        sealed.tree.size == seal->checkpoint.size;
    if (walk->is_known)
        walk->tree = sealed.tree;
    walk->is_explained = !walk->is_known;
    walk->is_guessed = false;
    evlog_event_free(event);
    return EVLOG_OK;
}

/* The text behind "events 1 to 5 are not what was sealed". */
static const char *mismatch(const struct walk *walk)
{
    return walk->is_guessed ? "they differ, or the log was trimmed elsewhere than at a seal"
                            : "one was changed, added, taken out or moved";
}

/* "event 11 is", "events 1 to 10 are" */
static const char *range_text(uint64_t first, uint64_t last, char text[64])
{
    if (first >= last)
        snprintf(text, 64, "event %" PRIu64 " is", last);
    else
        snprintf(text, 64, "events %" PRIu64 " to %" PRIu64 " are", first, last);
    return text;
}

static int report_mismatch(struct walk *walk, const struct audit_seal *seal)
{
    struct audit *audit = walk->audit;
    uint64_t size = seal->checkpoint.size;
    char range[64];
    if (is_expected(seal) && walk->from > size)
        return audit_find(audit, AUDIT_INTEGRITY, false, 1, size,
                          "events up to %" PRIu64
                          " are not those of the checkpoint that is expected: "
                          "this key has sealed two logs that differ",
                          size);
    if (is_expected(seal))
        return audit_find(audit, AUDIT_INTEGRITY, false, walk->from, size,
                          "events up to %" PRIu64
                          " are not those of the checkpoint that is expected: "
                          "this is not the log that it was made of, or one of events %" PRIu64
                          " to %" PRIu64 " is another",
                          size, walk->from, size);
    return audit_find(audit, AUDIT_INTEGRITY, false, walk->from, size,
                      "%s not what event %" PRIu64 " has sealed: %s",
                      range_text(walk->from, size, range), seal->seq, mismatch(walk));
}

/* Events that claim to be later than the seal that covers them. */
static int check_latest(struct walk *walk, const struct audit_seal *seal)
{
    char logged[EVLOG_TIME_TEXT_SIZE], sealed[EVLOG_TIME_TEXT_SIZE];
    int64_t time_us = seal->checkpoint.time_s * 1000000;
    if (time_us == 0 || !walk->latest_seq || walk->latest_us <= time_us + TIME_SLACK_US)
        return 0;
    return audit_find(walk->audit, AUDIT_FRESHNESS, false, walk->latest_seq, walk->latest_seq,
                      "event %" PRIu64 ": it says that it was logged at %s, and was sealed at %s "
                      "already: a clock was wrong, or set",
                      walk->latest_seq, evlog_time_text(walk->latest_us, logged),
                      evlog_time_text(time_us, sealed));
}

static int accept(struct walk *walk, const struct audit_seal *seal)
{
    struct audit *audit = walk->audit;
    audit->sealed_to = seal->checkpoint.size;
    audit->is_expected_found |= is_expected(seal);
    if (seal->checkpoint.time_s >= audit->sealed_time_s) {
        audit->sealed_time_s = seal->checkpoint.time_s;
    }
    return check_latest(walk, seal);
}

/* The tree has come to the size of a seal. */
static int compare(struct walk *walk, const struct audit_seal *seal)
{
    unsigned char root[SHA256_SIZE];
    int result = 0;
    bool is_same = false;
    if (walk->is_known) {
        merkle_root(&walk->tree, root);
        is_same = memcmp(root, seal->checkpoint.root, sizeof root) == 0;
    }
    if (is_same)
        result = accept(walk, seal);
    else if (!walk->is_explained)
        result = report_mismatch(walk, seal);
    if (result == 0 && !is_same)
        result = reload(walk, seal);
    if (is_same || (walk->is_known && !is_expected(seal))) {
        walk->from = seal->checkpoint.size + 1;
        walk->latest_seq = 0;
    }
    return result;
}

/* The seals whose size the tree has now. */
static int compare_due(struct walk *walk)
{
    struct audit *audit = walk->audit;
    int result = 0;
    while (result == 0 && walk->next < audit->seal_count &&
           audit->seals[walk->next].checkpoint.size == walk->at)
        result = compare(walk, &audit->seals[walk->next++]);
    return result;
}

/* --------------------------------------------------------- the events ---- */

/* Whether an erasure is on record, and signed. */
static bool is_signed_for(const struct audit *audit, const evlog_leaf *leaf)
{
    size_t low = 0, high = audit->erasure_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        *(audit->erasures[middle].seq < leaf->seq ? &low : &high) =
            audit->erasures[middle].seq < leaf->seq ? middle + 1 : middle;
    }
    const struct audit_seal *first = audit->seals;
    uint64_t first_sealed = audit->seal_count && (audit->info.first_seq == 1 || first->begins)
                                ? first->checkpoint.size
                                : 0;
    for (size_t i = low; i < audit->erasure_count && audit->erasures[i].seq == leaf->seq; i++) {
        const struct audit_erasure *erasure = &audit->erasures[i];
        if (erasure->is_signed ? memcmp(erasure->digest, leaf->contents, SHA256_SIZE) == 0
                               : erasure->noted_seq <= first_sealed)
            return true;
    }
    return false;
}

static int check_erased(struct walk *walk, const evlog_leaf *leaf)
{
    if (leaf->kind != EVLOG_LEAF_ERASED || is_signed_for(walk->audit, leaf))
        return 0;
    return audit_find(walk->audit, AUDIT_INTEGRITY, false, leaf->seq, leaf->seq,
                      "event %" PRIu64
                      ": it was erased, and no erasure of it is signed by this key",
                      leaf->seq);
}

static int check_time(struct walk *walk, const evlog_leaf *leaf)
{
    char logged[EVLOG_TIME_TEXT_SIZE], sealed[EVLOG_TIME_TEXT_SIZE];
    if (!walk->latest_seq || leaf->log_time_us > walk->latest_us) {
        walk->latest_us = leaf->log_time_us;
        walk->latest_seq = leaf->seq;
    }
    bool is_back = walk->sealed_seq && leaf->log_time_us < walk->sealed_us - TIME_SLACK_US;
    bool is_new = is_back && !walk->is_back;
    walk->is_back = is_back;
    if (!is_new)
        return 0;
    return audit_find(walk->audit, AUDIT_FRESHNESS, false, leaf->seq, leaf->seq,
                      "event %" PRIu64 ": it says that it was logged at %s, and it follows event "
                      "%" PRIu64 ", which was sealed at %s: the clock was turned back",
                      leaf->seq, evlog_time_text(leaf->log_time_us, logged), walk->sealed_seq,
                      evlog_time_text(walk->sealed_us, sealed));
}

/* Remembers when a seal was signed whose event this is: the events after it are later. */
static void note_time(struct walk *walk, const evlog_leaf *leaf)
{
    const struct audit *audit = walk->audit;
    if (strcmp(leaf->event_type, EVLOG_SEALED_TYPE) != 0)
        return;
    for (size_t i = walk->next; i-- > 0;) {
        const struct audit_seal *seal = &audit->seals[i];
        int64_t time_us = seal->checkpoint.time_s * 1000000;
        if (seal->seq == leaf->seq && time_us >= walk->sealed_us) {
            walk->sealed_us = time_us;
            walk->sealed_seq = leaf->seq;
        }
        if (!is_expected(seal))
            return;
    }
}

static int see_event(struct walk *walk, const evlog_leaf *leaf)
{
    int result = check_erased(walk, leaf);
    if (result == 0)
        result = check_time(walk, leaf);
    note_time(walk, leaf);
    if (result)
        return result;
    int code = walk->is_known ? leaf_add(&walk->tree, &walk->names, leaf) : EVLOG_OK;
    walk->at++;
    if (code != EVLOG_DAMAGED)
        return code;
    walk->is_known = false;
    walk->is_explained = true;
    return audit_find(walk->audit, AUDIT_INTEGRITY, false, leaf->seq, leaf->seq, "%s",
                      evlog_errmsg());
}

/* Up to each seal's size, for the range may be longer. */
static int see_missing(struct walk *walk, const evlog_leaf *leaf)
{
    const struct audit *audit = walk->audit;
    int result = 0;
    while (result == 0 && walk->at < leaf->last_seq) {
        uint64_t to = leaf->last_seq;
        if (walk->next < audit->seal_count && audit->seals[walk->next].checkpoint.size < to)
            to = audit->seals[walk->next].checkpoint.size;
        if (walk->is_known)
            merkle_add_empty(&walk->tree, to - walk->at);
        walk->at = to;
        if (walk->at < leaf->last_seq)
            result = compare_due(walk);
    }
    return result;
}

static int see_damaged(struct walk *walk, const evlog_leaf *leaf)
{
    char why[300];
    snprintf(why, sizeof why, "%s", evlog_errmsg());
    walk->at = leaf->last_seq;
    walk->is_known = false;
    walk->is_explained = true;
    return audit_find(walk->audit, AUDIT_INTEGRITY, false, leaf->seq, leaf->last_seq,
                      "%s, so what is sealed with it cannot be checked", why);
}

/* Seals whose sizes are in a range that cannot be read are passed over. */
static void pass_over(struct walk *walk)
{
    const struct audit *audit = walk->audit;
    while (walk->next < audit->seal_count && audit->seals[walk->next].checkpoint.size < walk->at)
        walk->next++;
}

static int see(const evlog_leaf *leaf, void *ctx)
{
    struct walk *walk = ctx;
    progress_at(leaf->last_seq);
    int result = leaf->kind == EVLOG_LEAF_MISSING   ? see_missing(walk, leaf)
                 : leaf->kind == EVLOG_LEAF_DAMAGED ? see_damaged(walk, leaf)
                                                    : see_event(walk, leaf);
    pass_over(walk);
    return result ? result : compare_due(walk);
}

/* ------------------------------------------------------------- the whole ---- */

/* A log that was trimmed begins with the tree of the seal before its first event. */
static int begin(struct walk *walk)
{
    struct audit *audit = walk->audit;
    uint64_t gone = audit->info.first_seq ? audit->info.first_seq - 1 : 0;
    walk->at = gone;
    walk->from = gone + 1;
    walk->is_known = true;
    pass_over(walk);
    if (gone == 0)
        return 0;
    for (size_t i = walk->next; i < audit->seal_count && audit->seals[i].checkpoint.size == gone;
         i++) {
        int code = reload(walk, &audit->seals[i]);
        if (code)
            return code;
        if (walk->tree.size == gone)
            return compare_due(walk);
    }
    walk->tree = audit->gone;
    if (!walk->tree.size)
        merkle_add_empty(&walk->tree, gone);
    walk->is_known = walk->is_guessed = true;
    walk->is_explained = false;
    return audit->gone.size ? compare_due(walk) : 0;
}

static int check_trimmed(struct audit *audit)
{
    uint64_t gone = audit->info.first_seq ? audit->info.first_seq - 1 : 0;
    if (gone == 0)
        return 0;
    if (audit->trimmed_to < gone)
        return audit_find(audit, AUDIT_COMPLETENESS, false, 1, gone,
                          "the log begins with event %" PRIu64
                          ", and no event says that those before it were trimmed",
                          gone + 1);
    return audit_find(audit, AUDIT_COMPLETENESS, true, 1, gone,
                      "events up to %" PRIu64 " were trimmed, as event %" PRIu64 " says%s", gone,
                      audit->trim_noted_seq,
                      audit->trim_noted_seq > audit->sealed_to ? ", which is not sealed yet"
                                                               : "");
}

static bool is_same(const struct note_checkpoint *one, const struct note_checkpoint *other)
{
    return one->size == other->size && memcmp(one->root, other->root, SHA256_SIZE) == 0 &&
           memcmp(one->next, other->next, sizeof one->next) == 0;
}

/* Whether the log has the event of the seal that is expected. */
static bool has_its_event(const struct audit *audit)
{
    for (size_t i = 0; i < audit->seal_count; i++)
        if (!is_expected(&audit->seals[i]) &&
            is_same(&audit->seals[i].checkpoint, audit->expected))
            return true;
    return false;
}

/* Whether the log goes as far as the checkpoint that is expected. */
static int check_end(struct audit *audit)
{
    uint64_t size = audit->expected ? audit->expected->size : 0, last = audit->info.last_seq;
    if (!audit->expected)
        return 0;
    if (size > last)
        return audit_find(audit, AUDIT_COMPLETENESS, false, last + 1, size,
                          "the checkpoint that is expected is of %" PRIu64
                          " events, and the log ends with event %" PRIu64
                          ": what came after it was cut off, or this is an older copy",
                          size, last);
    if (size + 1 < audit->info.first_seq)
        return audit_find(audit, AUDIT_COMPLETENESS, false, 1, size,
                          "the checkpoint that is expected is of %" PRIu64
                          " events, and these were trimmed: use a newer one",
                          size);
    if (audit->is_expected_found && !has_its_event(audit))
        return audit_find(
            audit, AUDIT_COMPLETENESS, false, size + 1, size + 1,
            "the checkpoint that is expected is there up to its last event, %" PRIu64
            ", and the event of its seal is not: what came after was cut off",
            size);
    return 0;
}

/* A seal covers only events that there were. */
static int check_seals(struct audit *audit)
{
    int result = 0;
    if (audit->seal_count == (audit->expected ? 1u : 0u))
        result = audit_find(audit, AUDIT_INTEGRITY, false, 0, 0,
                            "no event of this log is a seal by this key%s",
                            audit->expected ? "" : ": nothing of it is proved");
    return result;
}

static int check_name(struct audit *audit)
{
    char name[NOTE_NAME_SIZE_MAX + 1];
    const struct note_key *key = &audit->keys.keys[0].key;
    if (strcmp(sealed_name(&audit->info, name), key->name) == 0)
        return 0;
    return audit_find(audit, AUDIT_INTEGRITY, false, 0, 0,
                      "the key is of the log %s, and this is %s", key->name, name);
}

static int walk_through(struct audit *audit)
{
    struct walk walk = {.audit = audit, .names = {.log = audit->log}};
    const evlog_info *info = &audit->info;
    int result = begin(&walk);
    progress_begin("events compared with the seals", info->last_seq);
    if (result == 0 && info->last_seq)
        result = evlog_each_leaf(audit->log, info->first_seq, info->last_seq, see, &walk);
    progress_end();
    return result;
}

int audit_run(struct audit *audit, const struct note_checkpoint *expected)
{
    audit->expected = expected;
    int result = check_name(audit);
    if (result || audit->findings[AUDIT_INTEGRITY])
        return result;
    result = audit_read_notes(audit);
    if (result == 0)
        result = check_seals(audit);
    if (result == 0)
        result = walk_through(audit);
    if (result == 0)
        result = check_trimmed(audit);
    return result ? result : check_end(audit);
}

void audit_free(struct audit *audit)
{
    keyring_free(&audit->keys);
    free(audit->seals);
    free(audit->erasures);
}
