/* The file `journal`: events before they are in events.mdb, see journal.c. */
#ifndef STORE_JOURNAL_H
#define STORE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record.h"
#include "shared.h"

#define JOURNAL_FILE "journal"
#define JOURNAL_HALF_SIZE (UINT64_C(4) << 20)
#define JOURNAL_FRAME_HEAD 16

struct journal;

/*
 * Opens the file in a log's directory, and makes it when `flags` of open(2) have O_CREAT; one that
 * is only read may be missing (EVLOG_NOTFOUND). `uuid` is the directory's own. EVLOG_IO, EVLOG_FULL,
 * EVLOG_NOMEM, EVLOG_UNSUPPORTED: not a regular file.
 */
int journal_open(int directory, const char *path, int flags, const uint8_t uuid[16],
                 struct journal **journal);
void journal_close(struct journal *journal);

/* ------------------------------------------------------------ writing ---- */

/* All by the holder of the writer's lock. */

/*
 * Where a group of `count` records of together `size` bytes goes, when the journal ends at `end` and
 * recovery would begin at `base`; `is_flushed`: after the last event. false: nowhere, before the log is
 * flushed.
 */
bool journal_place(uint64_t end, uint64_t base, bool is_flushed, size_t size, size_t count,
                   uint64_t *place);

/* Whether the log is to be flushed as soon as the group at `place` is committed. */
bool journal_is_behind(uint64_t place);

/* Whether `place` is in another part of the file than `end`. */
bool journal_is_other_part(uint64_t place, uint64_t end);

/*
 * A group: begin, add each record as it is encoded, flush. Then it survives a power cut, and
 * `*end` is where the next one may go. EVLOG_FULL: nothing has changed. EVLOG_IO.
 */
int journal_begin(struct journal *journal, uint64_t end, uint64_t place, size_t size,
                  size_t count);
int journal_add(struct journal *journal, const void *record, size_t size, uint64_t chain);
int journal_flush(struct journal *journal, uint64_t *end);

/*
 * Takes the group back that begin, add and flush have, or may have, written. EVLOG_IO: whether
 * it is there after a power cut is open.
 */
int journal_retract(struct journal *journal);

/*
 * Overwrites all there is with zeros, and flushes: when the log is flushed and the journal is begun anew
 * (flusher_scrub). `is_again`: see file_clear. EVLOG_IO.
 */
int journal_clear(struct journal *journal, bool is_again);

/* ------------------------------------------------------------ reading ---- */

/*
 * Follows the records that come after `from`, and calls `visit` for each, in order. What it returns
 * other than 0 ends that and is returned. `from` moves past each that was visited, before the
 * next. They may be part of a send whose rest is missing: their flags say so. EVLOG_IO, EVLOG_NOMEM.
 */
int journal_follow(struct journal *journal, struct shared_end *from,
                   int (*visit)(const struct record *record, const void *bytes, size_t size,
                                void *ctx),
                   void *ctx);

/*
 * Moves `from->place` to the frame of the event that follows `from`, where nothing is known of the place: each
 * part is a row of frames from its beginning. EVLOG_NOTFOUND: it isn't there.
 */
int journal_search(struct journal *journal, struct shared_end *from);

/* Whether the bytes before a record of that size and chain are a frame's head of the directory `uuid`. */
bool journal_is_frame(const uint8_t uuid[16], const unsigned char head[JOURNAL_FRAME_HEAD],
                      size_t size, uint64_t chain);

/* Moves `from` to the place after the event `seq`. EVLOG_NOTFOUND: it isn't in the journal. */
int journal_find(struct journal *journal, struct shared_end *from, uint64_t seq, uint64_t chain);

#endif
