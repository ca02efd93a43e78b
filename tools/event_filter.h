/* Which events of a range are wanted: the filter's options of the verbs that read, see event_filter.c. */
#ifndef EVENT_FILTER_H
#define EVENT_FILTER_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <evlog/value.h>

#define FILTER_MAX 64 /* of each option */

enum filter_relation {
    FILTER_EQUAL,
    FILTER_UNEQUAL,
    FILTER_LESS,
    FILTER_LESS_EQUAL,
    FILTER_MORE,
    FILTER_MORE_EQUAL,
    FILTER_LIKE,
};

/* PATH OP VALUE */
struct condition {
    const char *path;
    enum filter_relation relation;
    evlog_value value;   /* NULL, BOOL, a number, or STRING where it is none of these */
    evlog_string string; /* what a text is compared with */
    regex_t regex;       /* of FILTER_LIKE */
};

/* TEXT */
struct needle {
    const char *text;
    size_t size;
    bool is_folded;          /* case does not matter: `text` has no capitals */
    bool is_numeric;         /* a number may have it */
    size_t rare;             /* the place of the byte that is looked for first */
    unsigned char one_of[2]; /* that byte, and its capital if case does not matter */
};

/* Patterns: names, or beginnings of names and *. One of them has to match. */
struct patterns {
    const char *texts[FILTER_MAX];
    size_t count;
};

/* Zeroed, it wants every event. */
struct event_filter {
    struct condition conditions[FILTER_MAX];
    size_t condition_count;
    struct needle needles[FILTER_MAX];
    size_t needle_count;
    struct patterns not_types, sources, hosts;
    int64_t since_us, until_us; /* of the event's own time; 0: no bound */
};

/* These take an argument, which has to stay, and may be cut in two. 0, or -1: it is wrong, or one too many. */
int event_filter_where(struct event_filter *filter, char *text);
int event_filter_grep(struct event_filter *filter, const char *text);
int event_filter_pattern(struct patterns *patterns, const char *text);

/* Frees what the filter has taken; not needed where the program ends. */
void event_filter_free(struct event_filter *filter);

bool event_filter_is_empty(const struct event_filter *filter);

/* Whether the filter `ctx` wants the event, as `wants` of a range. */
bool event_filter_matches(const evlog_event *event, void *ctx);

#endif
