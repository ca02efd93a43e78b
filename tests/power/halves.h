/* What a scenario chooses of the journal in this process; see halves.c. */
#ifndef HALVES_H
#define HALVES_H

#include <stdint.h>

extern uint64_t halves_size; /* of a half: as in the library, until it is set */
extern uint64_t
    halves_lives; /* flushes of the journal until this process is killed; 0: it is not */

#endif
