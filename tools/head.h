/* The head of a log: what it holds, in one line, see head.c. */
#ifndef HEAD_H
#define HEAD_H

#include "tool.h"

#define HEAD_TEXT_SIZE 40

/* "5003:0123456789abcdef"; of an empty log "0:0000000000000000". Returns `text`. */
const char *head_text(const evlog_info *info, char text[HEAD_TEXT_SIZE]);

struct head {
    uint64_t seq, chain;
};

/* Reads what head_text writes. false: it is something else. */
bool head_read(const char *text, struct head *head);

/*
 * Whether the log has what it held when `expected` was noted. Calls `visit` with a finding when it has not, and
 * returns what that returns, or EVLOG_OK. Errors of evlog_each_leaf.
 */
int head_check(evlog *log, const evlog_info *info, const struct head *expected,
               int (*visit)(const evlog_finding *finding, uint64_t seq, void *ctx), void *ctx);

#endif
