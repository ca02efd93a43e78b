/* Which events a page shows, see query.c. */
#ifndef WEB_QUERY_H
#define WEB_QUERY_H

#include "event_filter.h"
#include "web.h"

#define TEXTS_MAX (1 + 5 * PATTERNS_MAX) /* of a URL */

struct query {
    char *texts[TEXTS_MAX]; /* what `types` and `filter` point into */
    size_t text_count;
    const char *types[PATTERNS_MAX];
    evlog_range range; /* its types are `types` */
    struct event_filter filter;
    bool is_own; /* the log's own events too */
    bool has_id;
    uint8_t id[16];
    const char *wrong; /* what is wrong with the request; NULL: nothing */
};

/* Reads the URL's parameters. Free it also when it is `wrong`. */
void query_read(const struct request *request, struct query *query);
void query_free(struct query *query);

/* Whether more than a range of seqs or times is asked for. */
bool query_chooses(const struct query *query);

bool query_matches(const struct query *query, const evlog_event *event);

/*
 * Writes the query of a link ("?" and what follows): the parameters of this request, and `name`=`value` in place of
 * that one and of a place in the list. With "since" the caller adds "until".
 */
void query_link(const struct request *request, const char *name, const char *value);

/*
 * A page with the filter: the form, which leads to this page, and what `put` writes of the events that match, or what
 * is wrong. The status.
 */
int query_page(struct request *request, const char *title, const char *section,
               int put(struct request *request, const struct query *query));

#endif
