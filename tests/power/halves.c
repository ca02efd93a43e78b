/*
 * The library's journal.c, but for the size of the halves, which a scenario chooses: with small ones a short trace
 * goes round the journal many times. It is linked in place of the library's.
 */
#include "halves.h"

#include "journal.h"

uint64_t halves_size = JOURNAL_HALF_SIZE;

#undef JOURNAL_HALF_SIZE
#define JOURNAL_HALF_SIZE halves_size

#include "journal.c" /* of store/ */
