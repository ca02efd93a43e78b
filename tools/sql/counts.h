/* How many events of each type, see counts.c. */
#ifndef SQL_COUNTS_H
#define SQL_COUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct count {
    char *name;
    uint64_t count;
    bool is_decided, is_wanted; /* by a query's conditions */
};

/* Zeroed: none. */
struct counts {
    struct count *of;
    size_t count;
    uint32_t *slots; /* places in `of`, plus 1, by the name's hash; 0: free */
    size_t slot_count;
    const char *last_name; /* as it was asked for last, and its place */
    size_t last;
    size_t at; /* what is given: of[at], as often as it was counted */
    uint64_t given;
};

/* The type's, which is made where there was none; NULL: no memory. */
struct count *counts_find(struct counts *counts, const char *name);

/* Counts an event. -1: no memory. */
int counts_add(struct counts *counts, const char *name);

/* Sorts by name, after which nothing can be found or added. */
void counts_sort(struct counts *counts, bool is_reverse);

/* Goes on to the next: each as often as it was counted. False: there is none. */
bool counts_next(struct counts *counts);
const char *counts_name(const struct counts *counts);

void counts_free(struct counts *counts);

#endif
