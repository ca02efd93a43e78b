/* Events as rows of a table, see list.c. */
#ifndef WEB_LIST_H
#define WEB_LIST_H

#include "web.h"

/* The table up to its rows, and its end. */
void list_begin(FILE *out, const char *caption);
void list_end(FILE *out);

/* One row; that of the event that the page is about is current. */
void list_row(const struct request *request, const evlog_event *event, bool is_current);

#endif
