/* Processes that are killed while they make whole what a cut has left. See deaths.c. */
#ifndef DEATHS_H
#define DEATHS_H

#include "session.h"

/*
 * Has processes open the log `path`, one after the other, each killed at some point of that, as many as the scenario
 * says, and another that is not killed and begins before the last of these is gone. false: one could not open the log;
 * `why` says so.
 */
bool deaths_in_recovery(const char *path, const struct scenario *scenario, uint64_t *random,
                        char why[WHY_SIZE]);

#endif
