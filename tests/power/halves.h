/* How large the halves of the journal are in this process; see halves.c. */
#ifndef HALVES_H
#define HALVES_H

#include <stdint.h>

extern uint64_t halves_size; /* as in the library, until it is set */

#endif
