/*
 * How many events of each type: an open hash table of names.
 *
 * A name is looked up by its text, and not at all where it is the one before, by its pointer: names are the log's,
 * and valid as long as it is open. A log has at most EVLOG_TYPES_MAX of them.
 */
#include "counts.h"

#include <stdlib.h>
#include <string.h>

static size_t hash(const char *name)
{
    uint64_t hash = 0xcbf29ce484222325; /* FNV-1a */
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 0x100000001b3;
    return (size_t)(hash ^ hash >> 32);
}

/* The slot of a name, or the free one where it belongs. */
static uint32_t *slot_of(const struct counts *counts, const char *name)
{
    size_t at = hash(name) & (counts->slot_count - 1);
    while (counts->slots[at] && strcmp(counts->of[counts->slots[at] - 1].name, name) != 0)
        at = (at + 1) & (counts->slot_count - 1);
    return &counts->slots[at];
}

/* Makes room for one more, so that at most half of the slots are used. */
static int make_room(struct counts *counts)
{
    size_t slot_count = counts->slot_count ? 2 * counts->slot_count : 64;
    if (2 * (counts->count + 1) <= counts->slot_count)
        return 0;
    struct count *of = realloc(counts->of, slot_count / 2 * sizeof *of);
    if (!of)
        return -1;
    counts->of = of;
    uint32_t *slots = calloc(slot_count, sizeof *slots);
    if (!slots)
        return -1;
    free(counts->slots);
    counts->slots = slots;
    counts->slot_count = slot_count;
    for (size_t i = 0; i < counts->count; i++)
        *slot_of(counts, of[i].name) = (uint32_t)i + 1;
    return 0;
}

struct count *counts_find(struct counts *counts, const char *name)
{
    if (counts->last_name == name)
        return &counts->of[counts->last];
    if (make_room(counts))
        return NULL;
    uint32_t *slot = slot_of(counts, name);
    if (!*slot) {
        char *copy = strdup(name);
        if (!copy)
            return NULL;
        counts->of[counts->count++] = (struct count){.name = copy};
        *slot = (uint32_t)counts->count;
    }
    counts->last_name = name;
    counts->last = *slot - 1;
    return &counts->of[counts->last];
}

int counts_add(struct counts *counts, const char *name)
{
    struct count *count = counts_find(counts, name);
    if (!count)
        return -1;
    count->count++;
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct count *)a)->name, ((const struct count *)b)->name);
}

static int by_name_reverse(const void *a, const void *b)
{
    return by_name(b, a);
}

void counts_sort(struct counts *counts, bool is_reverse)
{
    if (counts->count)
        qsort(counts->of, counts->count, sizeof *counts->of,
              is_reverse ? by_name_reverse : by_name);
    counts->at = 0;
    counts->given = 0;
}

bool counts_next(struct counts *counts)
{
    if (counts->at < counts->count && counts->given == counts->of[counts->at].count) {
        counts->at++;
        counts->given = 0;
    }
    counts->given++;
    return counts->at < counts->count;
}

const char *counts_name(const struct counts *counts)
{
    return counts->of[counts->at].name;
}

void counts_free(struct counts *counts)
{
    for (size_t i = 0; i < counts->count; i++)
        free(counts->of[i].name);
    free(counts->of);
    free(counts->slots);
    *counts = (struct counts){.count = 0};
}
