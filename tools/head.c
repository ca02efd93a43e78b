/*
 * The head of a log, SEQ:CHAIN: its last event, and that event's chain in 16 hex digits.
 *
 * Each chain covers the one before it. So of two logs of one origin that have the same event SEQ with the same chain,
 * and in each of which the chain holds (evlog verify), all events up to SEQ have the same metadata and digests. It is
 * XXH3-64: a cut, an older copy and a mistake are found, an attacker is not.
 *
 * What was trimmed: the chain of the event before the first one is still known, as the first one's `prev`. A head
 * from before that cannot be compared.
 */
#include "head.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "evlog/audit.h"

#define CHAIN_DIGITS 16

const char *head_text(const evlog_info *info, char text[HEAD_TEXT_SIZE])
{
    snprintf(text, HEAD_TEXT_SIZE, "%" PRIu64 ":%016" PRIx64, info->last_seq, info->last_chain);
    return text;
}

bool head_read(const char *text, struct head *head)
{
    const char *colon = strchr(text, ':');
    char seq[21] = "";
    if (!colon || (size_t)(colon - text) >= sizeof seq || strlen(colon + 1) != CHAIN_DIGITS ||
        colon[1 + strspn(colon + 1, "0123456789abcdefABCDEF")])
        return false;
    memcpy(seq, text, (size_t)(colon - text));
    head->chain = strtoull(colon + 1, NULL, 16);
    errno = 0;
    return seq_read(seq, &head->seq) && errno == 0;
}

struct found {
    uint64_t first_seq, seq,
        chain; /* the first event there is; which is looked for; what it has */
    bool is_there;
};

/* The event, or, where it was the last one to be trimmed, the one after it. */
static int see(const evlog_leaf *leaf, void *ctx)
{
    struct found *found = ctx;
    found->is_there = leaf->kind == EVLOG_LEAF_WHOLE || leaf->kind == EVLOG_LEAF_ERASED;
    found->chain = leaf->seq == found->seq ? leaf->chain : leaf->prev;
    return 0;
}

/* What is wrong about the chain that was found, or "". */
static void compare(const struct found *found, const struct head *expected, char *text,
                    size_t size)
{
    if (!found->is_there)
        snprintf(text, size, "event %" PRIu64 " is expected, and cannot be read", expected->seq);
    else if (found->chain != expected->chain)
        snprintf(text, size,
                 "event %" PRIu64 ": its chain is %016" PRIx64 ", and %016" PRIx64
                 " is expected: it, or an event before it, is not the one that was there",
                 expected->seq, found->chain, expected->chain);
}

int head_check(evlog *log, const evlog_info *info, const struct head *expected,
               int (*visit)(const evlog_finding *finding, uint64_t seq, void *ctx), void *ctx)
{
    char text[256] = "";
    struct found found = {.seq = expected->seq};
    if (expected->seq == 0)
        return EVLOG_OK; /* of an empty log */
    if (expected->seq > info->last_seq)
        snprintf(text, sizeof text,
                 "event %" PRIu64 " is expected, and the log ends with event %" PRIu64
                 ": what came after it was cut off, or this is an older copy",
                 expected->seq, info->last_seq);
    else if (expected->seq + 1 < info->first_seq)
        snprintf(text, sizeof text,
                 "event %" PRIu64 " was trimmed, and what is expected of it cannot be compared: "
                 "use a newer head, of event %" PRIu64 " or later",
                 expected->seq, info->first_seq - 1);
    else {
        uint64_t seq = expected->seq < info->first_seq ? info->first_seq : expected->seq;
        int result = evlog_each_leaf(log, seq, seq, see, &found);
        if (result)
            return result;
        compare(&found, expected, text, sizeof text);
    }
    evlog_finding finding = {.first_seq = expected->seq, .last_seq = expected->seq, .text = text};
    return *text ? visit(&finding, expected->seq, ctx) : EVLOG_OK;
}
