/*
 * What a seal is made of: the events of a log as the leaves of a Merkle tree.
 *
 * A seal is a signed statement of what the log held up to a seq. The library links no SHA-256 and no signatures: `evlog
 * seal` and `evlog verify --seal` do that, and tools/seal.c says how. Here is what they need of a log.
 */
#ifndef EVLOG_AUDIT_H
#define EVLOG_AUDIT_H

#include <evlog.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EVLOG_LEAF_HEAD_SIZE 82
#define EVLOG_SEALED_TYPE "evlog.sealed.v1"
#define EVLOG_SEAL_NOTE_SIZE_MAX (16 << 10)

typedef enum evlog_leaf_kind {
    EVLOG_LEAF_WHOLE,
    EVLOG_LEAF_ERASED,
    EVLOG_LEAF_MISSING, /* the log does not have these seqs: no leaf of theirs has bytes */
    EVLOG_LEAF_DAMAGED, /* they cannot be read as they were written: evlog_errmsg says why */
} evlog_leaf_kind;

/* An event, or a range of seqs that has none, as it is stored (store/README.md). */
typedef struct evlog_leaf {
    uint64_t seq;
    uint64_t last_seq; /* of a range; else as `seq` */
    evlog_leaf_kind kind;
    /* The rest is of a whole or erased one. */
    uint64_t chain; /* its checksum, and that of the event before it */
    uint64_t prev;
    unsigned char head
        [EVLOG_LEAF_HEAD_SIZE]; /* bytes 19 to 100 of its record, the flag `erased` taken as 0 */
    const void
        *contents; /* salt, headers and data; of an erased one the 32 bytes of its SHA-256 */
    size_t contents_size;
    uint64_t type_number; /* what the head names: see evlog_leaf_names */
    uint64_t source_number;
    const char *event_type; /* "?": the log does not know it */
    int64_t log_time_us;
    uint32_t era;     /* clock steps before it */
    const void *data; /* NULL when it was erased */
    size_t data_size;
} evlog_leaf;

/*
 * Calls `visit` for each event from `first_seq` to `last_seq`, which the log must have or have had, in order, also for
 * those of the log's own types; until it returns other than 0, and returns that, or EVLOG_OK. Each record's checksum
 * and chain are checked. A leaf is valid until `visit` returns. EVLOG_BUSY: all reader slots are taken.
 */
EVLOG_API int evlog_each_leaf(evlog *log, uint64_t first_seq, uint64_t last_seq,
                              int (*visit)(const evlog_leaf *leaf, void *ctx), void *ctx);

/*
 * What the numbers of a type and of a source stand for, as state.mdb has it: the value of the type's entry from byte 15
 * on and that of the source's from byte 10 on, side by side, for the caller to free with evlog_buffer_free.
 * EVLOG_NOTFOUND: the log does not have one of them. EVLOG_DAMAGED: it is not as it was written.
 */
EVLOG_API int evlog_leaf_names(evlog *log, uint64_t type_number, uint64_t source_number,
                               evlog_buffer *names);

/*
 * Appends an event of EVLOG_SEALED_TYPE: {"size", "note", "roots"}. `size`: of the tree, of the events 1 to `size`.
 * `note`: the checkpoint of it that was signed. `roots`: of the tree's complete subtrees, the largest first, 32 bytes
 * each; by these the next seal goes on, and what is left is proved when the log was trimmed. From the first seal on the
 * log is trimmed only up to a seal (evlog/upkeep.h). Nothing of it is checked here. EVLOG_INVALID: no such event, or a
 * text that is not UTF-8. EVLOG_LIMIT. Errors of evlog_send_event.
 */
EVLOG_API int evlog_add_seal(evlog *log, uint64_t size, const char *note, const void *roots,
                             size_t roots_size);

#ifdef __cplusplus
}
#endif

#endif
