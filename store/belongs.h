/* Whether the files of a log's directory belong together, see belongs.c. */
#ifndef STORE_BELONGS_H
#define STORE_BELONGS_H

struct store;

/* EVLOG_DAMAGED: state.mdb is another log's. EVLOG_IO, EVLOG_BUSY, EVLOG_NOMEM. */
int belongs_check_state(struct store *store);

/*
 * EVLOG_CONFLICT: events.mdb is another log's, or older than state.mdb. EVLOG_IO, EVLOG_BUSY,
 * EVLOG_NOMEM. Damage is for others to find.
 */
int belongs_check_events(struct store *store);

#endif
