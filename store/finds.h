/* Which of the records that were found are the log's, see finds.c. */
#ifndef STORE_FINDS_H
#define STORE_FINDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What speaks for a record, in bits. */
enum find_mark {
    FIND_FRAMED = 1,     /* where it was found, a writer puts records */
    FIND_IN_JOURNAL = 2, /* in a frame of this log's own journal */
    FIND_FACT = 4,       /* another file has its seq and chain */
    FIND_LIVE = 8,       /* it is in the tree, in the newest state that can be read */
    FIND_ERASED = 16,    /* it was found erased */
    FIND_MORE = 32,      /* more of its send follow */
    FIND_HAS_BYTES = 64, /* it was found; else it is only known of */
    FIND_ERASES = 128    /* it says that another event was erased */
};

/* A record that was found, or that is only known of. */
struct find {
    uint64_t seq, chain, prev;
    int64_t log_time_us;
    uint64_t place; /* in its file */
    uint32_t size;
    uint16_t era;
    uint8_t file;    /* the caller's number of the file; 0 has pages */
    uint8_t marks;   /* of enum find_mark */
    uint8_t back;    /* used by finds_choose */
    bool is_best;    /* likewise */
    bool is_suspect; /* likewise */
};

/* Zeroed, it is empty. */
struct finds {
    struct find *all;
    size_t count, room;
};

/* EVLOG_NOMEM. */
int finds_add(struct finds *finds, const struct find *find);

struct finds_limits {
    uint64_t first_seq; /* what is before was trimmed */
    uint64_t
        end_seq; /* the last seq in the tree, if it is known, after which only a journal has more; else 0 */
    uint64_t known_seq; /* a seq that the log is known to have had; 0: none */
};

/*
 * Leaves those that are the log's, at most one of each seq, by seq, each with bytes. EVLOG_NOMEM. `*last_seq`: the
 * last seq that the log is known to have had, found or not.
 */
int finds_choose(struct finds *finds, const struct finds_limits *limits, uint64_t *last_seq);

void finds_free(struct finds *finds);

#endif
