/* Events of the log's own: what happens to the log is in the log, see note.c. */
#ifndef STORE_NOTE_H
#define STORE_NOTE_H

#include <stddef.h>
#include <stdint.h>

struct env;
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
 * Puts such an event behind the last one, `before`, as event `seq`, which may leave a gap; its `prev` is the chain of
 * `before`. Flushed. By a process that has the log alone. Errors of types_define, sources_define, env_write and
 * flusher_restart.
 */
int note_append_at(struct store *store, const struct record *before, uint64_t seq,
                   const char *type, const void *data, size_t size);

/*
 * The parts of that, for a commit that does more: a record with all but its place, whose source is to be released; its
 * place; and in the `fill` of env_write, its bytes.
 */
int note_make(struct store *store, const char *type, const void *data, size_t size,
              struct record *record, const struct source **source);
int note_place(struct record *record, const struct record *before, uint64_t seq);
int note_put(struct env *events, struct record *record);

#endif
