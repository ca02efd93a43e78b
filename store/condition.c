/*
 * Conditions of a send, looked at inside the transaction that appends it.
 *
 *     after_seq          seen_seq           the log's end         this send
 *  -------|------------------|--------------------|--------------------|
 *          condition_look_     condition_look:      condition_look_at:
 *          before: by the      in the transaction   what is before it
 *          sender, unlocked                         in its group
 *
 * The sender looks before it queues up, so that no other sender waits while it reads much. The leader of a group
 * commit (append.c) then looks, for each request that has a condition, at the events that have come
 * since, in the state that the transaction began with, and at what the requests before it in the group
 * are about to append. Nothing can come between the look and the append.
 *
 * 1. Events whose ids are in the log are taken out first, and each gets the seq of the first event
 *    with its id; of several with one id in one send the first is appended. The other conditions are
 *    asked only if events are left. So a send that is repeated, because its sender died before it had
 *    the result, is not refused because of itself.
 * 2. What cannot be read decides nothing: then the send fails.
 * 3. What was seen before the transaction stays so: events come only at the end, and one that is erased
 *    keeps id and type. What was seen in a transaction is forgotten by the next look.
 * 4. An event of a type that state.mdb does not have (any more) may be of any type: it is in the way.
 *
 * Cost: O(events after `after_seq`), which are read and whose checksums are checked, those up
 * to `seen_seq` without the writer's lock; and a sort of the send's ids. With `unless_any` alone one event is read.
 *
 * Absent: an index of ids. A sender notes a seq before it sends, so few events come after it.
 */
#include "condition.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "be64.h"
#include "error.h"
#include "floor.h"
#include "types.h"

enum { ID_SIZE = 16 };

/* By id; records with one id in the order in which they were sent. */
static int compare(const void *a, const void *b)
{
    const struct record *first = *(struct record *const *)a, *second = *(struct record *const *)b;
    int order = memcmp(first->id, second->id, ID_SIZE);
    return order ? order : (first > second) - (first < second);
}

int condition_begin(struct judgement *judgement, const struct condition *condition,
                    struct types *types, struct floor *floor, struct record *records,
                    size_t count)
{
    *judgement = (struct judgement){.condition = condition,
                                    .types = types,
                                    .floor = floor,
                                    .records = records,
                                    .count = count};
    judgement->seen_seq = condition->after_seq;
    if (!condition->unless_id)
        return EVLOG_OK;
    judgement->by_id = malloc(count * sizeof(struct record *));
    if (!judgement->by_id)
        return error_nomem();
    for (size_t i = 0; i < count; i++)
        judgement->by_id[i] = &records[i];
    qsort(judgement->by_id, count, sizeof(struct record *), compare);
    return EVLOG_OK;
}

void condition_free(struct judgement *judgement)
{
    free(judgement->by_id);
    judgement->by_id = NULL;
}

/* ----------------------------------------------------------- one event ---- */

/* Marks the send's records that have the id of `found`. */
static void look_for_id(struct judgement *judgement, const struct record *found)
{
    size_t first = 0, end = judgement->count;
    while (first < end) {
        size_t middle = first + (end - first) / 2;
        if (memcmp(judgement->by_id[middle]->id, found->id, ID_SIZE) < 0)
            first = middle + 1;
        else
            end = middle;
    }
    for (; first < judgement->count; first++) {
        struct record *record = judgement->by_id[first];
        if (record->was_there || memcmp(record->id, found->id, ID_SIZE) != 0)
            return;
        record->was_there = true;
        record->seq = found->seq;
    }
}

/* Whether it is in the way, as the first one. */
static int look_for_type(struct judgement *judgement, const struct record *found)
{
    const struct condition *condition = judgement->condition;
    const struct type *type = NULL;
    if (judgement->way_seq || !(condition->unless_any || condition->type_count > 0))
        return EVLOG_OK;
    int result = types_find(judgement->types, found->type, &type);
    if (result && result != EVLOG_NOTFOUND)
        return result;
    const char *name = type ? type->text.name : NULL;
    if (name && !condition->unless_any &&
        !evlog_type_matches(condition->types, condition->type_count, name))
        return EVLOG_OK;
    judgement->way_seq = found->seq;
    snprintf(judgement->way_type, sizeof judgement->way_type, "%s", name ? name : "unknown type");
    return EVLOG_OK;
}

int condition_look_at(struct judgement *judgement, const struct record *record)
{
    if (judgement->by_id)
        look_for_id(judgement, record);
    return look_for_type(judgement, record);
}

/* Whether no event that follows can change the result. */
static bool is_decided(const struct judgement *judgement)
{
    return judgement->way_seq && !judgement->by_id;
}

/* ------------------------------------------------------------- the log ---- */

/* Looks at the record at the cursor, which is to be that of `seq`. */
static int look_at_node(struct judgement *judgement, struct page_cursor *cursor, uint64_t seq)
{
    struct page_node node;
    struct record record;
    unsigned char *copy = NULL;
    int result = page_cursor_node(cursor, &node);
    bool is_missing = result == EVLOG_NOTFOUND;
    if (result == EVLOG_OK)
        is_missing = node.key_size != sizeof seq || be64_load(node.key) != seq;
    if (is_missing)
        return error_set(EVLOG_DAMAGED, "event %" PRIu64 ": is missing", seq);
    if (result == EVLOG_OK && !node.data)
        result = page_copy(cursor->snapshot, &node, RECORD_SIZE_MAX, &copy, NULL);
    if (result == EVLOG_OK)
        result = record_decode(seq, copy ? copy : node.data, node.data_size, &record);
    if (result == EVLOG_OK)
        result = condition_look_at(judgement, &record);
    free(copy);
    page_cursor_step(cursor);
    return result;
}

/* What is between `after_seq` and the first event after it, `seq`, was trimmed, or is missing. */
static int check_gap(const struct judgement *judgement, uint64_t after_seq, uint64_t seq)
{
    int result = EVLOG_OK;
    if (seq == after_seq + 1)
        return EVLOG_OK;
    if (seq > floor_get(judgement->floor).first_seq)
        result = floor_refresh(judgement->floor);
    if (result)
        return result;
    if (seq > floor_get(judgement->floor).first_seq)
        return error_set(EVLOG_DAMAGED, "events %" PRIu64 " to %" PRIu64 " are missing",
                         after_seq + 1, seq - 1);
    return after_seq == 0 ? EVLOG_OK
                          : error_set(EVLOG_NOTFOUND,
                                      "events %" PRIu64 " to %" PRIu64
                                      " are not in the log any more: whether the condition "
                                      "holds is not known",
                                      after_seq + 1, seq - 1);
}

/* Goes to the first event to be looked at, whose seq is `*seq`. */
static int seek(const struct judgement *judgement, struct page_cursor *cursor, uint64_t *seq)
{
    uint64_t after_seq = judgement->seen_seq;
    unsigned char key[sizeof after_seq];
    struct page_node node;
    be64_store(key, after_seq + 1);
    int result = page_seek(cursor, key, sizeof key);
    if (result == EVLOG_OK)
        result = page_cursor_node(cursor, &node);
    if (result == EVLOG_NOTFOUND || (result == EVLOG_OK && node.key_size != sizeof after_seq))
        return error_set(EVLOG_DAMAGED, "%s: there is no event after %" PRIu64,
                         cursor->snapshot->name, after_seq);
    if (result)
        return result;
    *seq = be64_load(node.key);
    return check_gap(judgement, after_seq, *seq);
}

/* Forgets what was found after seen_seq, and which ids the send has twice. */
static void forget(struct judgement *judgement)
{
    uint64_t seen_seq = judgement->seen_seq;
    if (judgement->way_seq > seen_seq)
        judgement->way_seq = 0;
    for (size_t i = 0; i < judgement->count; i++) {
        struct record *record = &judgement->records[i];
        if (record->was_there && record->seq > 0 && record->seq <= seen_seq)
            continue;
        record->was_there = false;
        record->seq = 0;
    }
}

/* Looks at the events after seen_seq, up to `last_seq`. `*first_seq`: of the first there is. */
static int look_on(struct judgement *judgement, const struct page_snapshot *snapshot,
                   uint64_t last_seq, uint64_t *first_seq)
{
    struct page_cursor cursor = {.snapshot = snapshot};
    if (judgement->seen_seq >= last_seq || is_decided(judgement))
        return EVLOG_OK;
    int result = seek(judgement, &cursor, first_seq);
    for (uint64_t seq = *first_seq;
         result == EVLOG_OK && seq <= last_seq && !is_decided(judgement); seq++)
        result = look_at_node(judgement, &cursor, seq);
    page_cursor_free(&cursor);
    return result;
}

/*
 * The snapshot's pages may be overwritten meanwhile (env_read): what is read is proved by its seq and
 * checksum, but that nothing precedes the first event is not, and then all is looked at again.
 */
int condition_look_before(const struct page_snapshot *snapshot, void *ctx)
{
    struct judgement *judgement = ctx;
    struct record last = {.seq = 0};
    uint64_t first_seq = 0;
    judgement->seen_seq = judgement->condition->after_seq;
    forget(judgement);
    int result = snapshot->depth > 0 ? record_load(snapshot, 0, &last) : EVLOG_OK;
    if (result == EVLOG_OK)
        result = look_on(judgement, snapshot, last.seq, &first_seq);
    if (result == EVLOG_OK && first_seq == judgement->seen_seq + 1)
        judgement->seen_seq = last.seq;
    return result;
}

int condition_look(struct judgement *judgement, const struct page_snapshot *base,
                   uint64_t last_seq)
{
    uint64_t first_seq = 0, after_seq = judgement->condition->after_seq;
    forget(judgement);
    if (after_seq > last_seq)
        return error_set(EVLOG_CONFLICT,
                         "the log ends at event %" PRIu64 ", before event %" PRIu64
                         " of the condition: it is not the log in which that was seen, or events "
                         "were lost",
                         last_seq, after_seq);
    return look_on(judgement, base, last_seq, &first_seq);
}

/* -------------------------------------------------------------- result ---- */

/* Of the records with one id that are left, all but the first are there, as that one is. */
static void look_at_itself(struct judgement *judgement)
{
    for (size_t i = 1; judgement->by_id && i < judgement->count; i++)
        if (memcmp(judgement->by_id[i - 1]->id, judgement->by_id[i]->id, ID_SIZE) == 0)
            judgement->by_id[i]->was_there = true;
}

static void number(struct judgement *judgement, uint64_t next_seq)
{
    for (size_t i = 0; i < judgement->count; i++)
        if (!judgement->records[i].was_there)
            judgement->records[i].seq = next_seq++;
    for (size_t i = 1; judgement->by_id && i < judgement->count; i++)
        if (judgement->by_id[i]->seq == 0)
            judgement->by_id[i]->seq = judgement->by_id[i - 1]->seq;
}

int condition_end(struct judgement *judgement, uint64_t next_seq, size_t *left_count)
{
    size_t left = 0;
    look_at_itself(judgement);
    for (size_t i = 0; i < judgement->count; i++)
        left += !judgement->records[i].was_there;
    if (left > 0 && judgement->way_seq)
        return error_set(
            EVLOG_CONFLICT, "event %" PRIu64 " (%s) is in the way: it is after event %" PRIu64,
            judgement->way_seq, judgement->way_type, judgement->condition->after_seq);
    number(judgement, next_seq);
    *left_count = left;
    return EVLOG_OK;
}
