/*
 * What a log says of itself: its seals, erasures and trims, as far as an auditor may believe them. They are read
 * first, by their types, since the tree needs to know at which sizes there is a root to compare with (audit.c).
 *
 * Memory: some 100 bytes a seal and an erasure. Only notes that the key has signed count as seals.
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

static int see_seal(struct audit *audit, const evlog_event *event)
{
    struct sealed sealed;
    uint64_t seq = event->seq;
    enum note_verdict verdict = sealed_read(&audit->key, event, &sealed);
    if (verdict) /* of another key: an earlier one, or a forger's, which proves nothing */
        return audit_find(audit, AUDIT_INTEGRITY, verdict == NOTE_OTHERS, seq, seq,
                          "event %" PRIu64 ": its seal %s", seq, note_verdict_text(verdict));
    int result = check_time(audit, &sealed);
    if (result)
        return result;
    return add_seal(audit, &(struct audit_seal){.seq = seq,
                                                .log_time_us = sealed.log_time_us,
                                                .checkpoint = sealed.checkpoint,
                                                .has_tree = sealed.tree.size != 0});
}

static int see_erasure(struct audit *audit, const evlog_event *event)
{
    struct audit_erasure erasure = {.noted_seq = event->seq};
    struct erasure said;
    evlog_value data, value;
    void *erasures = audit->erasures;
    if (evlog_data_value(event->data, event->data_size, &data) ||
        evlog_value_find(&data, "seq", &value) || value.kind != EVLOG_VALUE_INTEGER)
        return 0;
    erasure.seq = (uint64_t)value.integer;
    if (evlog_value_find(&data, "note", &value) == EVLOG_OK && value.kind == EVLOG_VALUE_STRING) {
        enum note_verdict verdict = erasure_read(&audit->key, value.string, &said);
        erasure.is_signed = verdict == NOTE_GOOD && said.seq == erasure.seq;
        if (!erasure.is_signed)
            return audit_find(audit, AUDIT_INTEGRITY, false, event->seq, event->seq,
                              "event %" PRIu64 ": its note of an erasure %s", event->seq,
                              verdict ? note_verdict_text(verdict) : "is of another event");
        memcpy(erasure.digest, said.digest, sizeof erasure.digest);
    }
    int code = grow(&erasures, audit->erasure_count, &audit->erasure_max, sizeof erasure);
    audit->erasures = erasures;
    if (code == EVLOG_OK)
        audit->erasures[audit->erasure_count++] = erasure;
    return code;
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
    if (code == EVLOG_OK && audit->expected)
        code = add_seal(audit, &(struct audit_seal){.checkpoint = *audit->expected});
    if (audit->seal_count)
        qsort(audit->seals, audit->seal_count, sizeof *audit->seals, by_size);
    if (audit->erasure_count)
        qsort(audit->erasures, audit->erasure_count, sizeof *audit->erasures, by_seq);
    return code;
}
