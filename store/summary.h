/* Which event types the parts of a log have, so that a reader need not read them all, see summary.c. */
#ifndef STORE_SUMMARY_H
#define STORE_SUMMARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "entries.h"
#include "reader.h"

#define SUMMARY_SEGMENT 65536
#define SUMMARY_BLOCK 512
#define SUMMARY_BLOCKS (SUMMARY_SEGMENT / SUMMARY_BLOCK)

/* What a reader has found of the segment it is in. Zeroed: of none. */
struct summary_view {
    uint64_t first_seq; /* of the segment */
    bool is_wanted[SUMMARY_BLOCKS];
};

/* Whether events of the type of this number are wanted. */
typedef bool summary_wants(uint64_t number, void *ctx);

/*
 * Of the seqs from `*first` to `*last`, which the log has: moves `*first` on past blocks that have no event that is
 * wanted, and `*last` back, to where such blocks begin again or more is not known; or, `from_last`, `*last` past such
 * blocks, and `*first` to where they end again. Nothing is left: `*first` is greater than `*last`. A summary that
 * cannot be read is none.
 */
void summary_skip(struct summary_view *view, struct store *store, summary_wants *wants, void *ctx,
                  bool from_last, uint64_t *first, uint64_t *last);

/*
 * Called for each type of a segment, by its number: first with a count of 0, and false says that the type is not known
 * here, so that the segment is to be read; then with the number of its events from the seq `first` to `last`.
 */
typedef bool summary_counted(uint64_t number, uint64_t count, uint64_t first, uint64_t last,
                             void *ctx);

/*
 * Counts whole blocks from `*first`, which begins one, up to `last` or the end of the segment, and moves `*first`
 * behind them. Not where there is no summary, or one with a type that is not known. `last` is not before `*first`.
 */
void summary_count(struct store *store, summary_counted *counted, void *ctx, uint64_t *first,
                   uint64_t last);

/* A reader's way through the log, to make summaries of the segments that it has read in full. */
struct summary_maker;

/* Whether reading from `first` to `last` passes a whole segment. */
bool summary_is_passed(uint64_t first, uint64_t last);

/* NULL: no memory. */
struct summary_maker *summary_maker_new(void);
void summary_maker_free(struct summary_maker *maker);

/*
 * Takes note of events that were read side by side. Where a segment has been read from its first event to its last,
 * and has no summary that is sound, it is written. What fails is left: a later reader will make it. It
 * does not wait for a lock, and leaves the thread's sentence alone.
 */
void summary_note(struct summary_maker *maker, struct store *store,
                  const struct reader_event *events, size_t count);

/* EVLOG_DAMAGED: an entry of kind `b` is not as it was written. */
int summary_check(const struct entry *entry);

#endif
