/*
 * Which of the records that were found are the log's.
 *
 * A file has more records than its log: stale copies in free pages and in the slack of pages; what a commit that was
 * cut off has left, or a fast log's events that a power cut took, whose seqs were given again; pages of another file,
 * by a disk that wrote them to the wrong place; and bytes in an event's data that are a record's. Each is sound by
 * itself. What distinguishes them is what speaks for them (enum find_mark), and the chain: `prev` is the chain of the
 * record before. Records that follow each other so are a row.
 *
 *   1. Records of one seq and chain are one: erased, if a copy of it is; and all marks count.
 *   2. After the end of the tree, where that is known, were records of a commit that was cut off: of no event. Only
 *      the journal's are taken, and whole sends only.
 *   3. Of each seq one is chosen, so that the sum of their weights is greatest, and they follow each other where they
 *      can: what is in the tree weighs more than any number of others, then what another file knows of. Of equals it is
 *      the one that was logged last.
 *   4. Where one row ends and the next begins without a gap, or log time goes back, one of them is not of this log, or
 *      of a past that it does not have any more. That with less to speak for it is dropped, as a whole, or that which
 *      has a page with one that was dropped so, or else the shorter one; and 3 is done again without it. Only two rows
 *      that other files know of are both kept: that the chain is broken between them is reported by verify.
 *   5. A row that is not in the tree, not known of, and not framed was perhaps found in data. It is taken only up to
 *      the last seq that the log is known to have had.
 *
 * The choice of 3 is the best path through the seqs (Viterbi's algorithm): V(c), the best sum that ends with c, is its
 * weight and the greatest of V(p), for p of the seq before, and something more if c follows p.
 *
 * Cost: sorting. Memory: a struct for each record that was found, copies not counted. Of one seq at most GROUP_MAX are
 * looked at; a hostile file can have more.
 */
#include "finds.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"

#define GROUP_MAX 200 /* fits in `back` */
#define ROOM_FIRST 4096
#define ROUNDS_MAX 200 /* of a hostile file */
#define PAIRS_MAX 32   /* of which it is counted how many others contradict them, in a round */
#define SUSPECTS_MAX 64
#define PAGE_SIZE 4096 /* or a part of a page */

_Static_assert(GROUP_MAX < UINT8_MAX, "an index in a group, and none");

void finds_free(struct finds *finds)
{
    free(finds->all);
    *finds = (struct finds){.all = NULL};
}

/* ---------------------------------------------------------- many to one ---- */

static int compare(const void *a, const void *b)
{
    const struct find *first = a, *second = b;
    if (first->seq != second->seq)
        return first->seq < second->seq ? -1 : 1;
    return (first->chain > second->chain) - (first->chain < second->chain);
}

/* Whether a copy is to be read rather than another. */
static bool is_better_copy(const struct find *find, const struct find *than)
{
    static const enum find_mark order[] = {FIND_HAS_BYTES, FIND_ERASED, FIND_LIVE};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        if ((find->marks ^ than->marks) & order[i])
            return find->marks & order[i];
    return false;
}

/* Makes copies one. */
static void merge(struct finds *finds)
{
    size_t count = 0;
    if (finds->count > 1)
        qsort(finds->all, finds->count, sizeof *finds->all, compare);
    for (size_t i = 0; i < finds->count; i++) {
        struct find *last = count ? &finds->all[count - 1] : NULL, find = finds->all[i];
        if (!last || compare(last, &find) != 0) {
            finds->all[count++] = find;
            continue;
        }
        uint8_t marks = last->marks | find.marks;
        if (is_better_copy(&find, last))
            *last = find;
        last->marks = marks;
    }
    finds->count = count;
}

int finds_add(struct finds *finds, const struct find *find)
{
    if (finds->count == finds->room) {
        merge(finds);
        if (2 * finds->count >= finds->room) {
            size_t room = finds->room ? 2 * finds->room : ROOM_FIRST;
            struct find *all = realloc(finds->all, room * sizeof *all);
            if (!all)
                return error_nomem();
            finds->all = all;
            finds->room = room;
        }
    }
    finds->all[finds->count++] = *find;
    return EVLOG_OK;
}

/* ------------------------------------------------- the best of each seq ---- */

#define FOLLOWS_WEIGHT 2

static uint64_t weight(const struct find *find)
{
    if (find->marks & FIND_LIVE && !find->is_suspect)
        return UINT64_C(1) << 28;
    if (find->marks & FIND_FACT)
        return UINT64_C(1) << 14;
    if (find->marks & FIND_IN_JOURNAL)
        return 64;
    return find->marks & FIND_FRAMED && !find->is_suspect ? 16 : 1;
}

/* The heavier first; of equals the one that was logged last. */
static int compare_weight(const void *a, const void *b)
{
    const struct find *first = a, *second = b;
    if (weight(first) != weight(second))
        return weight(first) > weight(second) ? -1 : 1;
    if (first->era != second->era)
        return first->era > second->era ? -1 : 1;
    return (first->log_time_us < second->log_time_us) -
           (first->log_time_us > second->log_time_us);
}

static bool follows(const struct find *find, const struct find *before)
{
    return find->seq == before->seq + 1 && find->prev == before->chain;
}

/* All of one seq, the heavier first. */
struct group {
    struct find *all;
    size_t count;
    uint64_t best[GROUP_MAX]; /* V of each */
};

/* The group from `at` on; those that are too many are cut off. Returns where the next one begins. */
static size_t take_group(struct finds *finds, size_t at, struct group *group)
{
    size_t end = at;
    while (end < finds->count && finds->all[end].seq == finds->all[at].seq)
        end++;
    group->all = &finds->all[at];
    group->count = end - at;
    if (group->count > 1)
        qsort(group->all, group->count, sizeof *group->all, compare_weight);
    if (group->count > GROUP_MAX)
        group->count = GROUP_MAX;
    return end;
}

/* V of each record of a group, and by which record of the group before it is reached. */
static void extend(const struct group *before, struct group *now)
{
    for (size_t i = 0; i < now->count; i++) {
        struct find *find = &now->all[i];
        uint64_t best = 0;
        for (size_t j = 0; j < before->count; j++) {
            uint64_t sum =
                before->best[j] + (follows(find, &before->all[j]) ? FOLLOWS_WEIGHT : 0);
            if (sum > best) {
                best = sum;
                find->back = (uint8_t)j;
            }
        }
        now->best[i] = best + weight(find);
    }
}

/* Follows the best path back from the last group. */
static void mark_path(struct finds *finds, const struct group *last)
{
    size_t index = 0, at = finds->count;
    for (size_t i = 1; i < last->count; i++)
        if (last->best[i] > last->best[index])
            index = i;
    while (at > 0) {
        uint64_t seq = finds->all[at - 1].seq;
        while (at > 0 && finds->all[at - 1].seq == seq)
            finds->all[--at].is_best = false;
        finds->all[at + index].is_best = true;
        index = finds->all[at + index].back;
    }
}

static int choose_path(struct finds *finds)
{
    struct group *groups = calloc(2, sizeof *groups), *before = groups, *now = groups + 1;
    if (!groups)
        return error_nomem();
    for (size_t at = 0; at < finds->count;) {
        at = take_group(finds, at, now);
        extend(before, now);
        struct group *other = before;
        before = now;
        now = other;
    }
    if (finds->count)
        mark_path(finds, before);
    free(groups);
    return EVLOG_OK;
}

/* ------------------------------------------------------------------ rows ---- */

/* Records of the best path that follow each other. */
struct row {
    size_t from, end; /* in the array, with others between them */
    size_t count;
    uint64_t first_seq, last_seq;
    const struct find *first, *last; /* with bytes; NULL: there is none */
    bool has_prev;                   /* it is known what it must follow */
    unsigned marks;
    bool is_denied; /* another file knows of another record of one of its seqs */
};

/* The row that begins at `at` or after it; false: there is none. */
static bool next_row(const struct finds *finds, size_t at, struct row *row)
{
    const struct find *last = NULL;
    *row = (struct row){.from = at};
    for (; at < finds->count; at++) {
        const struct find *find = &finds->all[at];
        if (!find->is_best) {
            row->is_denied |= last && last->seq == find->seq && find->marks & FIND_FACT;
            continue;
        }
        if (!last) {
            row->from = at;
            row->first_seq = find->seq;
            row->has_prev = find->marks & FIND_HAS_BYTES;
        } else if (!follows(find, last)) {
            break;
        }
        last = find;
        row->last_seq = find->seq;
        if (find->marks & FIND_HAS_BYTES) {
            row->first = row->first ? row->first : find;
            row->last = find;
        }
        row->marks |= find->marks;
        row->count++;
    }
    row->end = at;
    return last;
}

/* What speaks for a row: the more, the better. */
enum { RANK_KNOWN = 3 };

static unsigned rank(const struct row *row)
{
    if (row->marks & (FIND_FACT | FIND_IN_JOURNAL))
        return RANK_KNOWN;
    if (row->is_denied)
        return 0;
    return row->marks & FIND_LIVE ? 2 : row->marks & FIND_FRAMED ? 1 : 0;
}

/* Drops what the best path has of a row. */
static void drop_row(struct finds *finds, const struct row *row)
{
    for (size_t i = row->from; i < row->end; i++)
        if (finds->all[i].is_best)
            finds->all[i].marks = 0;
}

/*
 * A page is of one log. So when a row is dropped, what else is on its pages is suspect. (Between the records of a page
 * may be others, which have pages of their own.)
 */
static void suspect(struct finds *finds, const struct row *row)
{
    uint64_t pages[SUSPECTS_MAX], page = 0;
    size_t count = 0;
    for (size_t i = row->from; i < row->end && count < SUSPECTS_MAX; i++) {
        const struct find *find = &finds->all[i];
        if (!find->is_best || find->file != 0 || (count && find->place / PAGE_SIZE == page))
            continue;
        page = pages[count++] = find->place / PAGE_SIZE;
    }
    for (size_t i = 0; i < finds->count; i++)
        for (size_t j = 0; j < count && finds->all[i].file == 0; j++)
            finds->all[i].is_suspect |= finds->all[i].place / PAGE_SIZE == pages[j];
}

/* Whether most of a row is. */
static bool is_suspect(const struct finds *finds, const struct row *row)
{
    size_t count = 0;
    for (size_t i = row->from; i < row->end; i++)
        count += finds->all[i].is_best && finds->all[i].is_suspect;
    return 2 * count > row->count;
}

/* Whether two rows cannot both be of this log: there is no gap between them, or log time goes back. */
static bool is_contradicted(const struct row *before, const struct row *row)
{
    if (before->count == 0)
        return false;
    if (before->last_seq + 1 == row->first_seq && row->has_prev)
        return true;
    const struct find *last = before->last, *first = row->first;
    return last && first &&
           (first->era < last->era ||
            (first->era == last->era && first->log_time_us < last->log_time_us));
}

/* How many records are in rows that contradict a row. */
static size_t opposed_count(const struct finds *finds, const struct row *row)
{
    struct row other;
    size_t count = 0;
    for (size_t at = 0; next_row(finds, at, &other); at = other.end)
        if (other.from < row->from ? is_contradicted(&other, row)
                                   : other.from > row->from && is_contradicted(row, &other))
            count += other.count;
    return count;
}

enum by { BY_RANK, BY_PAGE, BY_COUNT };

/* The one of two rows that is to be dropped; NULL: neither, by that. */
static struct row *worse(const struct finds *finds, enum by by, struct row *before,
                         struct row *row)
{
    unsigned this = rank(row), that = rank(before);
    if (this != that)
        return by == BY_RANK ? (this < that ? row : before) : NULL;
    if (this == RANK_KNOWN || by == BY_RANK)
        return NULL;
    bool is_bad = is_suspect(finds, row), was_bad = is_suspect(finds, before);
    if (by == BY_PAGE)
        return is_bad == was_bad ? NULL : is_bad ? row : before;
    size_t opposed = opposed_count(finds, row), was_opposed = opposed_count(finds, before);
    if (opposed != was_opposed)
        return opposed > was_opposed ? row : before;
    return row->count <= before->count ? row : before;
}

/*
 * Drops the worse one of two rows that contradict each other: of all such pairs that whose other row is the longest.
 * Returns whether there was one.
 */
static bool drop_contradicted(struct finds *finds, enum by by)
{
    struct row row, before = {.count = 0}, timed = before, worst = before;
    size_t count_max = 0, pair_count = 0;
    for (size_t at = 0; next_row(finds, at, &row); at = row.end) {
        struct row *bad = NULL, *other = is_contradicted(&before, &row) ? &before : &timed;
        if (is_contradicted(other, &row) && (by != BY_COUNT || pair_count++ < PAIRS_MAX))
            bad = worse(finds, by, other, &row);
        size_t count = bad == &row ? other->count : row.count;
        if (bad && count > count_max) {
            count_max = count;
            worst = *bad;
        }
        before = row;
        if (row.last) /* what is only known of has no time */
            timed = row;
    }
    if (!count_max)
        return false;
    if (by != BY_PAGE) /* or suspicion would spread from page to page */
        suspect(finds, &worst);
    drop_row(finds, &worst);
    return true;
}

/* Takes away what has no marks. */
static void compact(struct finds *finds)
{
    size_t count = 0;
    for (size_t i = 0; i < finds->count; i++)
        if (finds->all[i].marks)
            finds->all[count++] = finds->all[i];
    finds->count = count;
}

/* Leaves the best path only. */
static void leave_best(struct finds *finds)
{
    for (size_t i = 0; i < finds->count; i++)
        if (!finds->all[i].is_best)
            finds->all[i].marks = 0;
    compact(finds);
}

static int choose_rows(struct finds *finds)
{
    bool was_dropped = true;
    for (unsigned i = 0; was_dropped && i < ROUNDS_MAX; i++) {
        int result = choose_path(finds);
        if (result)
            return result;
        was_dropped = drop_contradicted(finds, BY_RANK) || drop_contradicted(finds, BY_PAGE) ||
                      drop_contradicted(finds, BY_COUNT);
        if (was_dropped)
            compact(finds);
    }
    leave_best(finds);
    return EVLOG_OK;
}

/* ------------------------------------------------------------ the limits ---- */

#define VOUCHED (FIND_LIVE | FIND_FACT | FIND_IN_JOURNAL | FIND_FRAMED)

/* Drops the rows that nothing speaks for, and that end after `known_seq`. */
static void drop_loose(struct finds *finds, uint64_t known_seq)
{
    struct row row;
    for (size_t at = 0; next_row(finds, at, &row); at = row.end)
        if (!(row.marks & VOUCHED) && row.last_seq > known_seq)
            drop_row(finds, &row);
    compact(finds);
}

/* Drops, after the end of the tree, what is not the journal's. */
static void drop_after_end(struct finds *finds, uint64_t end_seq)
{
    for (size_t i = 0; i < finds->count; i++)
        if (finds->all[i].seq > end_seq && !(finds->all[i].marks & (FIND_IN_JOURNAL | FIND_FACT)))
            finds->all[i].marks = 0;
    compact(finds);
}

/* Drops, after the end of the tree, the beginning of a send. */
static void drop_half_a_send(struct finds *finds, uint64_t end_seq)
{
    while (finds->count > 0 && finds->all[finds->count - 1].seq > end_seq &&
           finds->all[finds->count - 1].marks & FIND_MORE)
        finds->count--;
}

static bool is_kept(const struct find *find, const struct finds_limits *limits)
{
    return (find->marks & FIND_HAS_BYTES) && find->seq >= limits->first_seq;
}

/* The last seq that something speaks for. */
static uint64_t last_vouched(const struct finds *finds, uint64_t known_seq)
{
    for (size_t i = 0; i < finds->count; i++)
        if (finds->all[i].marks & VOUCHED && finds->all[i].seq > known_seq)
            known_seq = finds->all[i].seq;
    return known_seq;
}

int finds_choose(struct finds *finds, const struct finds_limits *limits, uint64_t *last_seq)
{
    size_t count = 0;
    merge(finds);
    if (limits->end_seq)
        drop_after_end(finds, limits->end_seq);
    int result = choose_rows(finds);
    if (result)
        return result;
    if (limits->end_seq)
        drop_half_a_send(finds, limits->end_seq);
    *last_seq = last_vouched(finds, limits->known_seq);
    drop_loose(finds, *last_seq);
    for (size_t i = 0; i < finds->count; i++)
        if (is_kept(&finds->all[i], limits))
            finds->all[count++] = finds->all[i];
    finds->count = count;
    return EVLOG_OK;
}
