/* Sending as replay/import.c uses it, see send.c. */
#ifndef DISPATCH_SEND_H
#define DISPATCH_SEND_H

#include "condition.h"
#include "log.h"

/*
 * Appends events of the log's signals, followed by `note` (note.h), in one commit, under a condition. Their metadata
 * are taken as they are, except that an id of zeros is replaced; no receiver runs. `note` gets its seq;
 * `*known_count` is the number of events that unless_id left out. The caller has entered the log. Errors of
 * evlog_send_events and append_records.
 */
int send_import(evlog *log, const evlog_sending *sends, size_t sending_size, size_t metadata_size,
                size_t count, const struct condition *condition, struct record *note,
                size_t *known_count);

#endif
