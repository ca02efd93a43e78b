/*
 * What evlog verify --seal has found, in three verdicts: violated, proved, or unproved; for a person and as JSON.
 * What each is about is in audit.c.
 */
#include "audit.h"
#include "times.h"

static const char *verdict(const struct audit *audit, enum audit_about about)
{
    bool is_proved = about == AUDIT_COMPLETENESS
                         ? audit->is_expected_found && !audit->findings[AUDIT_INTEGRITY]
                         : audit->sealed_to != 0;
    return audit->findings[about] ? "violated" : is_proved ? "proved" : "unproved";
}

static void put_completeness(const struct audit *audit)
{
    if (audit->findings[AUDIT_COMPLETENESS])
        puts("something is missing");
    else if (audit->findings[AUDIT_INTEGRITY])
        puts("events that differ may stand for others");
    else if (audit->is_expected_found)
        printf("nothing up to event %" PRIu64 " was cut off or taken out\n",
               audit->expected->size);
    else
        puts("whether events were cut off at the end, only --expect CHECKPOINT shows");
}

void audit_put(const struct audit *audit)
{
    uint64_t first = audit->info.first_seq, last = audit->info.last_seq;
    char time[TIME_TEXT_SIZE] = "?";
    printf("integrity     %s: ", verdict(audit, AUDIT_INTEGRITY));
    if (audit->findings[AUDIT_INTEGRITY])
        puts("not everything is what was sealed");
    else if (audit->sealed_to)
        printf("events %" PRIu64 " to %" PRIu64 " are what was sealed\n", first,
               audit->sealed_to);
    else
        puts("nothing is sealed");
    printf("completeness  %s: ", verdict(audit, AUDIT_COMPLETENESS));
    put_completeness(audit);
    printf("freshness     %s: ", verdict(audit, AUDIT_FRESHNESS));
    if (audit->sealed_time_s)
        printf("sealed until %s\n", time_short_text(audit->sealed_time_s * 1000000, time));
    else
        puts("no time is signed");
    if (audit->sealed_to < last)
        printf("unproved      events from %" PRIu64 " to %" PRIu64 ", which no seal covers\n",
               audit->sealed_to < first ? first : audit->sealed_to + 1, last);
}

static json_t *unproved_json(const struct audit *audit)
{
    uint64_t first = audit->info.first_seq, last = audit->info.last_seq;
    if (audit->sealed_to >= last)
        return json_null();
    return json_pack("{s:I, s:I}", "first_seq",
                     (json_int_t)(audit->sealed_to < first ? first : audit->sealed_to + 1),
                     "last_seq", (json_int_t)last);
}

static json_t *until_json(const struct audit *audit)
{
    char time[EVLOG_TIME_TEXT_SIZE];
    if (!audit->sealed_time_s)
        return json_null();
    return json_string(evlog_time_text(audit->sealed_time_s * 1000000, time));
}

static json_t *keys_json(const struct audit *audit)
{
    char text[NOTE_KEY_TEXT_SIZE];
    json_t *keys = json_array();
    for (size_t i = 0; i < audit->keys.count; i++)
        if (json_array_append_new(keys,
                                  json_string(note_key_text(&audit->keys.keys[i].key, text)))) {
            json_decref(keys);
            return NULL;
        }
    return keys;
}

json_t *audit_json(const struct audit *audit)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:o, s:o, s:o}", "integrity",
                     verdict(audit, AUDIT_INTEGRITY), "completeness",
                     verdict(audit, AUDIT_COMPLETENESS), "freshness",
                     verdict(audit, AUDIT_FRESHNESS), "origin", audit->keys.keys[0].key.name,
                     "sealed_to", (json_int_t)audit->sealed_to, "sealed_until", until_json(audit),
                     "unproved", unproved_json(audit), "keys", keys_json(audit));
}
