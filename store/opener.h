/* A process that has a file open, see opener.c. */
#ifndef STORE_OPENER_H
#define STORE_OPENER_H

#include <stdint.h>

/* The pid of another process that has the file of `fd` open; 0: none that this one can see. */
int32_t opener_pid(int fd);

#endif
