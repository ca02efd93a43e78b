/* A log beside its seals, see audit.c. */
#ifndef AUDIT_H
#define AUDIT_H

#include <jansson.h>

#include "keyring.h"
#include "tool.h"

/*
 * How far apart a signed time and a log time may be: a seal is appended after it was signed, and two processes have two
 * clocks.
 */
#define AUDIT_SLACK_S 120

/* What is judged. */
enum audit_about {
    AUDIT_INTEGRITY,    /* nothing was changed */
    AUDIT_COMPLETENESS, /* nothing was cut off or taken out */
    AUDIT_FRESHNESS,    /* until when it is sealed, and that times are what they say */
    AUDIT_ABOUTS
};

/* A checkpoint that one of the keys has signed. */
struct audit_seal {
    uint64_t seq; /* of its event; 0: it is the one that is expected */
    size_t by;    /* the key, in the ring */
    int64_t log_time_us;
    struct note_checkpoint checkpoint;
    bool has_tree; /* its event has the roots to go on from */
    bool begins;   /* it is the first one that this key has signed */
};

struct audit_erasure {
    uint64_t seq;       /* of what was erased */
    uint64_t noted_seq; /* of the event that says so */
    bool is_signed;
    unsigned char digest[SHA256_SIZE];
};

struct audit {
    evlog *log;
    struct keyring keys;
    evlog_info info;
    int (*visit)(const evlog_finding *finding, uint64_t seq, void *ctx);
    void *ctx;
    uint64_t findings[AUDIT_ABOUTS];

    /* What the log says of itself (audit_notes.c). */
    struct audit_seal *seals; /* by size */
    size_t seal_count, seal_max;
    struct audit_erasure *erasures; /* by seq */
    size_t erasure_count, erasure_max;
    uint64_t others_count, others_first, others_last; /* seals by keys that are not in the ring */
    struct merkle gone; /* what one of these says of the events that were trimmed; size 0: none */
    uint64_t trimmed_to,
        trim_noted_seq; /* what is trimmed by an event, and that event; 0: none */

    const struct note_checkpoint *expected; /* NULL: none */
    bool is_expected_found;
    uint64_t sealed_to; /* the last event that a seal covers */
    int64_t sealed_time_s;
};

/*
 * Checks the log, whose keys, info and visitor are set, against its seals and, or NULL, a checkpoint. Findings go to
 * `visit`; what that returns, if it is not 0, ends it. An error of the library.
 */
int audit_run(struct audit *audit, const struct note_checkpoint *expected);

/* Prints the verdicts, for a person (audit_verdicts.c). */
void audit_put(const struct audit *audit);

/* The same as an object; NULL: out of memory. */
json_t *audit_json(const struct audit *audit);

void audit_free(struct audit *audit);

/* Reports a finding, or a remark; what `visit` returns. */
int audit_find(struct audit *audit, enum audit_about about, bool is_remark, uint64_t first_seq,
               uint64_t last_seq, const char *format, ...) __attribute__((format(printf, 6, 7)));

/*
 * Reads the log's own events, seals, erasures and trims, and adds the checkpoint that is expected. An error of the
 * library, or what `visit` returns.
 */
int audit_read_notes(struct audit *audit);

#endif
