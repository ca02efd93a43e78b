/* Walking a range of the log, see cursor.c. */
#ifndef REPLAY_CURSOR_H
#define REPLAY_CURSOR_H

#include "evlog.h"

/*
 * evlog_cursor_open for a range of this library's own size (NULL: everything) and a log that the
 * caller has entered and leaves after closing the cursor: it does not count as a call.
 */
int cursor_open(evlog *log, const evlog_range *range, evlog_cursor **cursor);
void cursor_free(evlog_cursor *cursor);

/* evlog_cursor_next without its checks. */
int cursor_next(evlog_cursor *cursor, const evlog_event **event);

#endif
