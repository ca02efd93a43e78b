/* Walking a range of the log, see cursor.c. */
#ifndef REPLAY_CURSOR_H
#define REPLAY_CURSOR_H

#include "evlog.h"
#include "summary.h"

struct type;

/*
 * evlog_cursor_open for a range of this library's own size (NULL: everything) and a log that the
 * caller has entered and leaves after closing the cursor: it does not count as a call.
 */
int cursor_open(evlog *log, const evlog_range *range, evlog_cursor **cursor);
void cursor_free(evlog_cursor *cursor);

/*
 * From now on whole blocks that a summary counts are not read; `counted` is called for them instead (store/summary.c),
 * before the events behind them are given. For a cursor that reads oldest first and has given no event yet.
 */
void cursor_count(evlog_cursor *cursor, summary_counted *counted, void *ctx);

/* The type of the event that was given last. */
const struct type *cursor_type(const evlog_cursor *cursor);

/* evlog_cursor_next without its checks. */
int cursor_next(evlog_cursor *cursor, const evlog_event **event);

#endif
