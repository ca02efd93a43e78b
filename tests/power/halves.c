/*
 * The library's journal.c, but for two things that a scenario chooses: the size of the halves, for with small ones a
 * short trace goes round the journal many times; and that the process dies between the journal and the commit. It is
 * linked in place of the library's.
 */
#include "halves.h"

#include <signal.h>

#include "journal.h"

uint64_t halves_size = JOURNAL_HALF_SIZE;
uint64_t halves_lives;

static int flush_only(struct journal *journal, uint64_t *end);

#undef JOURNAL_HALF_SIZE
#define JOURNAL_HALF_SIZE halves_size
#define journal_flush flush_only

#include "journal.c" /* of store/ */

#undef journal_flush

int journal_flush(struct journal *journal, uint64_t *end)
{
    int result = flush_only(journal, end);
    if (halves_lives > 0 && --halves_lives == 0)
        kill(getpid(), SIGKILL);
    return result;
}
