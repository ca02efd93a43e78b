/*
 * What a log says of itself: its seals, erasures and trims, as far as an auditor may believe them. They are read
 * first, by their types, since the tree needs to know at which sizes there is a root to compare with (audit.c).
 *
 * Memory: some 150 bytes a seal and an erasure. Only notes that one of the keys has signed, before it handed over,
 * count as seals.
 */
#include <evlog/value.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "sealed.h"

static const char *const about_names[] = {"integrity", "completeness", "freshness"};

int audit_find(struct audit *audit, enum audit_about about, bool is_remark, uint64_t first_seq,
               uint64_t last_seq, const char *format, ...)
{
    char text[512];
    int used = snprintf(text, sizeof text, "%s: ", about_names[about]);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + used, sizeof text - (size_t)used, format, arguments);
    va_end(arguments);
    audit->findings[about] += !is_remark;
    evlog_finding finding = {
        .first_seq = first_seq, .last_seq = last_seq, .text = text, .is_remark = is_remark};
    return audit->visit(&finding, last_seq, audit->ctx);
}

/* Makes room for one more. */
static int grow(void **items, size_t count, size_t *max, size_t item_size)
{
    if (count < *max)
        return EVLOG_OK;
    size_t more = *max ? 2 * *max : 64;
    void *grown = realloc(*items, more * item_size);
    if (!grown)
        return out_of_memory();
    *items = grown;
    *max = more;
    return EVLOG_OK;
}

static int add_seal(struct audit *audit, const struct audit_seal *seal)
{
    void *seals = audit->seals;
    int code = grow(&seals, audit->seal_count, &audit->seal_max, sizeof *seal);
    audit->seals = seals;
    if (code == EVLOG_OK)
        audit->seals[audit->seal_count++] = *seal;
    return code;
}

/* When it was sealed is signed; the event's own log time is not, until the next seal. */
static int check_time(struct audit *audit, const struct sealed *sealed)
{
    char signed_text[EVLOG_TIME_TEXT_SIZE], logged_text[EVLOG_TIME_TEXT_SIZE];
    const struct audit_seal *before =
        audit->seal_count ? &audit->seals[audit->seal_count - 1] : NULL;
    int64_t time_s = sealed->checkpoint.time_s;
    int64_t apart_s = sealed->log_time_us / 1000000 - time_s;
    uint64_t seq = sealed->seq;
    if (time_s == 0)
        return audit_find(audit, AUDIT_FRESHNESS, false, seq, seq,
                          "event %" PRIu64 ": when it was sealed is not signed", seq);
    evlog_time_text(time_s * 1000000, signed_text);
    if (apart_s > AUDIT_SLACK_S || apart_s < -AUDIT_SLACK_S)
        return audit_find(
            audit, AUDIT_FRESHNESS, false, seq, seq,
            "event %" PRIu64
            ": it was sealed at %s, by the signature, and logged at %s: its time was "
            "moved",
            seq, signed_text, evlog_time_text(sealed->log_time_us, logged_text));
    if (before && time_s < before->checkpoint.time_s)
        return audit_find(audit, AUDIT_FRESHNESS, false, seq, seq,
                          "event %" PRIu64
                          ": it was sealed at %s, before the seal of event %" PRIu64
                          ", which it follows: the clock was turned back",
                          seq, signed_text, before->seq);
    return 0;
}

/*
 * Of another key: an earlier one, or a forger's. It proves nothing, but what it says of what was trimmed can be tried.
 */
static void note_others(struct audit *audit, const evlog_event *event)
{
    struct sealed said;
    if (audit->others_count++ == 0)
        audit->others_first = event->seq;
    audit->others_last = event->seq;
    if (sealed_read(NULL, event, &said) == NOTE_GOOD &&
        said.tree.size + 1 == audit->info.first_seq)
        audit->gone = said.tree;
}

static int report_others(struct audit *audit)
{
    uint64_t first = audit->others_first, last = audit->others_last;
    if (audit->others_count == 1)
        return audit_find(audit, AUDIT_INTEGRITY, true, first, first,
                          "event %" PRIu64 ": its seal %s", first,
                          note_verdict_text(NOTE_OTHERS));
    return audit->others_count == 0 ? 0
                                    : audit_find(audit, AUDIT_INTEGRITY, true, first, last,
                                                 "events %" PRIu64 " to %" PRIu64 ": %" PRIu64
                                                 " seals among them are not signed by this key",
                                                 first, last, audit->others_count);
}

/* A key that has handed over signs nothing any more. What audit_find returns; `*is_over`: it has. */
static int check_over(struct audit *audit, size_t by, uint64_t seq, const char *what,
                      bool *is_over)
{
    const struct keyring_key *key = &audit->keys.keys[by];
    *is_over = key->to_seq != 0;
    return !*is_over ? 0
                     : audit_find(audit, AUDIT_INTEGRITY, false, seq, seq,
                                  "event %" PRIu64 ": its %s is signed by a key that had handed "
                                  "over, by event %" PRIu64 ": whoever has that key has made it",
                                  seq, what, key->to_seq);
}

/* Whether a seal hands over to another key, and that one is believed. */
static int follow(struct audit *audit, size_t by, const struct sealed *sealed)
{
    char text[NOTE_KEY_TEXT_SIZE];
    struct note_key next;
    uint64_t seq = sealed->seq;
    enum keyring_handover handover = keyring_follow(&audit->keys, by, sealed);
    if (handover == KEYRING_NONE)
        return 0;
    if (handover == KEYRING_NOMEM)
        return out_of_memory();
    note_key_of_name(&audit->keys.keys[0].key, sealed->checkpoint.next, &next);
    return audit_find(audit, AUDIT_INTEGRITY, handover == KEYRING_TAKEN, seq, seq,
                      "event %" PRIu64 ": it hands over to the key %s%s", seq,
                      note_key_text(&next, text),
                      handover == KEYRING_TAKEN ? ", which alone is believed from there on"
                      : handover == KEYRING_UNSIGNED
                          ? ", which has not signed it: it is forged"
                          : ", which is none of those that were given: give it, too, if it "
                            "was published; else the key that signed this was stolen");
}

static int see_seal(struct audit *audit, const evlog_event *event)
{
    struct sealed sealed;
    uint64_t seq = event->seq;
    bool is_over;
    size_t by;
    enum note_verdict verdict = keyring_read_seal(&audit->keys, event, &sealed, &by);
    if (verdict == NOTE_OTHERS) {
        note_others(audit, event);
        return 0;
    }
    if (verdict)
        return audit_find(audit, AUDIT_INTEGRITY, false, seq, seq,
                          "event %" PRIu64 ": its seal %s", seq, note_verdict_text(verdict));
    int result = check_over(audit, by, seq, "seal", &is_over);
    if (result || is_over)
        return result;
    result = check_time(audit, &sealed);
    if (result == 0)
        result = follow(audit, by, &sealed);
    if (result)
        return result;
    return add_seal(audit,
                    &(struct audit_seal){.seq = seq,
                                         .by = by,
                                         .log_time_us = sealed.log_time_us,
                                         .checkpoint = sealed.checkpoint,
                                         .has_tree = sealed.tree.size != 0,
                                         .begins = keyring_begins(&audit->keys, by, &sealed)});
}

static int add_erasure(struct audit *audit, const struct audit_erasure *erasure)
{
    void *erasures = audit->erasures;
    int code = grow(&erasures, audit->erasure_count, &audit->erasure_max, sizeof *erasure);
    audit->erasures = erasures;
    if (code == EVLOG_OK)
        audit->erasures[audit->erasure_count++] = *erasure;
    return code;
}

/* The note of an erasure, if it is one of these keys: another one's counts as none. What audit_find returns. */
static int check_note(struct audit *audit, evlog_string note, struct audit_erasure *erasure,
                      bool *is_wrong)
{
    struct erasure said;
    size_t by;
    uint64_t seq = erasure->noted_seq;
    enum note_verdict verdict = keyring_read_erasure(&audit->keys, note, &said, &by);
    *is_wrong = verdict != NOTE_OTHERS && (verdict || said.seq != erasure->seq);
    if (*is_wrong)
        return audit_find(audit, AUDIT_INTEGRITY, false, seq, seq,
                          "event %" PRIu64 ": its note of an erasure %s", seq,
                          verdict ? note_verdict_text(verdict) : "is of another event");
    if (verdict)
        return 0;
    erasure->is_signed = true;
    memcpy(erasure->digest, said.digest, sizeof erasure->digest);
    return check_over(audit, by, seq, "note of an erasure", is_wrong);
}

static int see_erasure(struct audit *audit, const evlog_event *event)
{
    struct audit_erasure erasure = {.noted_seq = event->seq};
    evlog_value data, value;
    bool is_wrong = false;
    int result = 0;
    if (evlog_data_value(event->data, event->data_size, &data) ||
        evlog_value_find(&data, "seq", &value) || value.kind != EVLOG_VALUE_INTEGER)
        return 0;
    erasure.seq = (uint64_t)value.integer;
    if (evlog_value_find(&data, "note", &value) == EVLOG_OK && value.kind == EVLOG_VALUE_STRING)
        result = check_note(audit, value.string, &erasure, &is_wrong);
    return result || is_wrong ? result : add_erasure(audit, &erasure);
}

static int see_trim(struct audit *audit, const evlog_event *event)
{
    evlog_value value;
    if (evlog_event_find(event, "last_seq", &value) == EVLOG_OK && value.number >= 1 &&
        value.kind == EVLOG_VALUE_INTEGER && (uint64_t)value.integer > audit->trimmed_to) {
        audit->trimmed_to = (uint64_t)value.integer;
        audit->trim_noted_seq = event->seq;
    }
    return 0;
}

static int see(struct audit *audit, const evlog_event *event)
{
    if (strcmp(event->event_type, EVLOG_SEALED_TYPE) == 0)
        return see_seal(audit, event);
    if (strcmp(event->event_type, "evlog.erased.v1") == 0)
        return see_erasure(audit, event);
    return see_trim(audit, event);
}

static int by_size(const void *a, const void *b)
{
    const struct audit_seal *one = a, *other = b;
    if (one->checkpoint.size != other->checkpoint.size)
        return one->checkpoint.size < other->checkpoint.size ? -1 : 1;
    uint64_t one_at = one->seq - 1,
             other_at = other->seq - 1; /* what is expected, 0, comes last */
    return one_at < other_at ? -1 : one_at > other_at;
}

static int by_seq(const void *a, const void *b)
{
    const struct audit_erasure *one = a, *other = b;
    return one->seq < other->seq ? -1 : one->seq > other->seq;
}

int audit_read_notes(struct audit *audit)
{
    static const char *const types[] = {EVLOG_SEALED_TYPE, "evlog.erased.v1", "evlog.trimmed.v1"};
    evlog_range range = {.types = types, .type_count = 3, .last_seq = audit->info.last_seq};
    evlog_cursor *cursor;
    const evlog_event *event = NULL;
    int code = evlog_cursor_open(audit->log, &range, &cursor);
    if (code)
        return code;
    do { /* what is damaged is found elsewhere */
        code = evlog_cursor_next(cursor, &event);
        if (code == EVLOG_OK && event)
            code = see(audit, event);
    } while (code == EVLOG_DAMAGED || (code == EVLOG_OK && event));
    evlog_cursor_close(cursor);
    if (code == EVLOG_OK)
        code = report_others(audit);
    if (code == EVLOG_OK && audit->expected)
        code = add_seal(audit, &(struct audit_seal){.checkpoint = *audit->expected});
    if (audit->seal_count)
        qsort(audit->seals, audit->seal_count, sizeof *audit->seals, by_size);
    if (audit->erasure_count)
        qsort(audit->erasures, audit->erasure_count, sizeof *audit->erasures, by_seq);
    return code;
}
