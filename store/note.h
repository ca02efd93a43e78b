/* Events of the log's own: what happens to the log is in the log, see note.c. */
#ifndef STORE_NOTE_H
#define STORE_NOTE_H

#include <stddef.h>

struct record;
struct source;
struct store;

/*
 * Appends an event of one of the log's own types, "evlog.recovered.v1", with `data`, one
 * MessagePack map. It needs no more than a store that is open for writing. Errors of types_define,
 * sources_define and append_records.
 */
int note_append(struct store *store, const char *type, const void *data, size_t size);

/*
 * The record of such an event, for a caller who appends it together with others. It points to `data`. `*source` is
 * to be released when it has been appended. Errors of types_define and sources_define.
 */
int note_make(struct store *store, const char *type, const void *data, size_t size,
              struct record *record, const struct source **source);

#endif
