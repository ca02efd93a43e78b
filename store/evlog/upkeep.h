/*
 * Keeping a log for years.
 */
#ifndef EVLOG_UPKEEP_H
#define EVLOG_UPKEEP_H

#include <evlog/class.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------- trimming ---- */

typedef struct evlog_trim_options {
    bool preview; /* nothing is changed: what would be done is the result */
    bool force;   /* also events that consumers have not done, or that are not sealed */
    /* Or NULL: called now and then with the events deleted so far. Other than 0 ends the call and is
       returned; what was to go is gone then, but its space is given up only by the next one. */
    int (*visit)(uint64_t deleted_count, void *ctx);
    void *ctx;
} evlog_trim_options;

typedef struct evlog_trimmed {
    uint64_t first_seq; /* what is gone; 0: nothing */
    uint64_t last_seq;
    /* Events whose space can be used again, also those that an earlier trimming has left. */
    uint64_t deleted_count;
    /* The first of these events that a consumer has not done, or has parked; 0: none. */
    uint64_t held_seq;
    char held_by[256]; /* that consumer; else empty */
    /*
     * The first of these events that stays because no seal covers it, in a log that is sealed (evlog/audit.h); 0: none.
     */
    uint64_t unsealed_seq;
} evlog_trimmed;

/*
 * Drops the events before `before_seq`, but never the newest one. From then on the log begins there: no reader, no
 * consumer and no replay gets what came before, in any process, and no seq is used again. The space is used for
 * events to come; the file does not get smaller. An event "evlog.trimmed.v1" says what was dropped: {"first_seq",
 * "last_seq", "forced"}; where there is no room for it, it may be missing. `trimmed` may be NULL.
 *
 * Beside senders, readers and consumers; a sender may wait for a batch of some thousand deletions and its flush. It
 * can be interrupted anywhere, and done again. It works on a full disk, and at log_size_max: all that appends leaves
 * 64 KiB for it, and goes on in the space that it gives up.
 *
 * A log that was sealed is cut where a seal has said what goes, at or before before_seq: what is left stays proved.
 * With `force` it is cut at before_seq, and what is left before the next seal cannot be proved any more.
 *
 * A consumer that loses events by it, with `force`, parks them as lost (EVLOG_NOTICE_LOST) when it gets there.
 *
 * EVLOG_CONFLICT: a consumer needs them, see `trimmed`; nothing was changed. EVLOG_DAMAGED: the first event to be kept
 * cannot be read. EVLOG_FULL: also that reserve is used up. EVLOG_READONLY, EVLOG_BUSY.
 */
EVLOG_INLINE int evlog_trim(evlog *log, uint64_t before_seq, const evlog_trim_options *options,
                            evlog_trimmed *trimmed);

EVLOG_API int evlog_trim_sized(evlog *log, uint64_t before_seq, const evlog_trim_options *options,
                               size_t options_size, evlog_trimmed *trimmed, size_t trimmed_size);

EVLOG_INLINE int evlog_trim(evlog *log, uint64_t before_seq, const evlog_trim_options *options,
                            evlog_trimmed *trimmed)
{
    return evlog_trim_sized(log, before_seq, options, sizeof(evlog_trim_options), trimmed,
                            sizeof(evlog_trimmed));
}

/* ------------------------------------------------------------ retention ---- */

/* Which consumers keep a policy from dropping what they have not done, or have parked. */
typedef enum evlog_held_by {
    EVLOG_HELD_BY_ALL,
    EVLOG_HELD_BY_NONE,
    EVLOG_HELD_BY_NAMED, /* those of `holders` */
} evlog_held_by;

#define EVLOG_HOLDERS_MAX 64

/*
 * What a log keeps: a policy that is part of it. Each limit that is set counts, the newest event is kept in any case.
 * What consumers hold is kept over all limits; a consumer that loses events parks them as lost, see evlog_trim. All
 * zero: no policy, all is kept.
 *
 * Senders apply it, in the background, some thousand events at a time, as evlog_trim would: a send waits for one such
 * batch at most, and does one itself when that thread is far behind. So a log to which nothing is sent stays as it is,
 * but for evlog_retention_apply. To be worth it, it begins when a limit is exceeded by a tenth (or by 2048 events, 2
 * MiB, an hour, where that is less), and then goes down to the limit. An event "evlog.trimmed.v1", with "by_policy",
 * says what was dropped: one for 2048 events or for an hour.
 *
 * In a log that was sealed what is not sealed yet is kept over all limits, and it is trimmed from seal to seal.
 *
 * Age is by log time and the clock of a sender: one that is ahead of the time makes events old.
 */
typedef struct evlog_retention {
    int64_t age_us; /* keep what was logged in this time; 0: no limit */
    uint64_t count; /* keep the newest so many events; 0: no limit */
    uint64_t size;  /* keep so many bytes of pages of events.mdb in use, about; 0: no limit */
    evlog_held_by held_by;
    const char *const *holders; /* names of consumers or groups, which need not exist */
    size_t holder_count;        /* at most EVLOG_HOLDERS_MAX */
} evlog_retention;

/* What a policy would drop now. */
typedef struct evlog_retained {
    uint64_t first_seq; /* 0: nothing */
    uint64_t last_seq;
    uint64_t
        held_seq; /* what a consumer holds of what exceeds the limits begins here; 0: nothing */
    uint64_t held_count; /* so many events */
    char
        held_by[256]; /* that consumer; empty: they are not sealed yet, in a log that is sealed */
} evlog_retained;

/*
 * Makes a policy that of the log, durably; NULL: none. Senders in all processes go by it from then on. EVLOG_INVALID: a
 * number is negative, or `holders` does not go with held_by. EVLOG_LIMIT: too many holders. EVLOG_READONLY, EVLOG_FULL,
 * EVLOG_IO, EVLOG_BUSY, EVLOG_NOMEM.
 */
EVLOG_INLINE int evlog_retain(evlog *log, const evlog_retention *retention);

/* What a policy would drop now, if it were the log's; nothing is changed. The same errors, and EVLOG_DAMAGED. */
EVLOG_INLINE int evlog_retention_look(evlog *log, const evlog_retention *retention,
                                      evlog_retained *retained);

/* The log's policy, to be freed by evlog_retention_free; NULL: it has none. EVLOG_DAMAGED, EVLOG_IO, EVLOG_NOMEM. */
EVLOG_API int evlog_retention_get(evlog *log, evlog_retention **retention);
EVLOG_API void evlog_retention_free(evlog_retention *retention);

/*
 * Applies the log's policy down to the limits, and returns when that is done; what another process is trimming at the
 * moment is left to it. Errors of evlog_trim but EVLOG_CONFLICT.
 */
EVLOG_API int evlog_retention_apply(evlog *log);

EVLOG_API int evlog_retain_sized(evlog *log, const evlog_retention *retention,
                                 size_t retention_size);
EVLOG_API int evlog_retention_look_sized(evlog *log, const evlog_retention *retention,
                                         size_t retention_size, evlog_retained *retained,
                                         size_t retained_size);

EVLOG_INLINE int evlog_retain(evlog *log, const evlog_retention *retention)
{
    return evlog_retain_sized(log, retention, sizeof(evlog_retention));
}

EVLOG_INLINE int evlog_retention_look(evlog *log, const evlog_retention *retention,
                                      evlog_retained *retained)
{
    return evlog_retention_look_sized(log, retention, sizeof(evlog_retention), retained,
                                      sizeof(evlog_retained));
}

/* ------------------------------------------------------------- copying ---- */

typedef struct evlog_copy_options {
    /* A new copy begins with this event; 0: with the log's first. One that is added to must reach up to it. */
    uint64_t since_seq;
    bool preview; /* nothing is changed, or made: what would be done is the result */
    /* Or NULL: called now and then with the last seq copied. Other than 0 ends the call and is
       returned; the next one goes on there. */
    int (*visit)(uint64_t seq, void *ctx);
    void *ctx;
} evlog_copy_options;

typedef struct evlog_copied {
    uint64_t first_seq; /* what was added; 0: nothing */
    uint64_t last_seq;
    uint64_t event_count;
    uint64_t missing_count; /* that the log is known to have had, and did not trim */
} evlog_copied;

/*
 * Copies the log to the directory `path`, which is made; or, where it is an earlier copy, adds what came later. Beside
 * senders, readers and consumers: the copy has the events up to some moment during the call, and the consumers, with
 * their state, as they were not after that. It has the log's origin, and a uuid of its own. What was trimmed in the
 * log since stays in an earlier copy; what was erased is erased in the copy, before the event that says so is in
 * it. `copied` may be NULL.
 *
 * It can be interrupted anywhere, and done again: it goes on where it was. No other process can open the copy
 * meanwhile.
 *
 * EVLOG_CONFLICT: the directory is another log, or something was appended to the copy, or what comes next was trimmed
 * in the log, or since_seq would leave a gap. EVLOG_DAMAGED: an event or entry is not as it was written, see
 * evlog_salvage; what is before it was copied. EVLOG_BUSY: a process has the copy open. EVLOG_FULL, EVLOG_IO,
 * EVLOG_NOMEM, and those of evlog_open.
 */
EVLOG_INLINE int evlog_copy(evlog *log, const char *path, const evlog_copy_options *options,
                            evlog_copied *copied);

EVLOG_API int evlog_copy_sized(evlog *log, const char *path, const evlog_copy_options *options,
                               size_t options_size, evlog_copied *copied, size_t copied_size);

EVLOG_INLINE int evlog_copy(evlog *log, const char *path, const evlog_copy_options *options,
                            evlog_copied *copied)
{
    return evlog_copy_sized(log, path, options, sizeof(evlog_copy_options), copied,
                            sizeof(evlog_copied));
}

/* ------------------------------------------------------------ compacting ---- */

typedef struct evlog_compact_options {
    uint32_t wait_ms; /* for another process that opens or closes the log; 0: 10 seconds */
    bool preview;     /* nothing is changed: what would be done is the result */
    /* Or NULL: called now and then with the last seq copied. Other than 0 ends the call and is returned:
       the log is as it was. */
    int (*visit)(uint64_t seq, void *ctx);
    void *ctx;
} evlog_compact_options;

typedef struct evlog_compacted {
    uint64_t before_size; /* what events.mdb and state.mdb take on the disk, in bytes */
    uint64_t after_size;  /* with `preview`: about */
} evlog_compacted;

/*
 * Gives the space that trimming has freed back to the disk: the data files are written anew beside the old ones,
 * which they then replace. Events, seqs, ids and consumers stay as they are; event types and sources that no event
 * names go. The old events.mdb is overwritten with zeros before it is removed, so nothing that was erased is left in
 * it. An event "evlog.compacted.v1" says that it was done: {"before_size", "after_size"}. `compacted` may be NULL.
 *
 * No other process can have the log open meanwhile, not even to read. It needs room on the disk for what the log has.
 * Interrupted at any point it has done nothing, or all but the overwriting, which the next call does.
 *
 * The new files have the rights, the group and, if root compacts, the owner of the old ones. A user who is not their
 * owner can compact a log of the user's group (evlog_open), and owns the new ones then.
 *
 * EVLOG_BUSY: this process or another one, which the sentence names, has the log open. EVLOG_DAMAGED: an event or entry
 * is not as it was written; nothing was changed. EVLOG_FULL: there is no room for the new files; nothing was changed.
 * EVLOG_NOTFOUND: there is no log. EVLOG_IO: also when only another user may replace the files; nothing was changed
 * then. EVLOG_NOMEM, and those of evlog_open.
 */
EVLOG_INLINE int evlog_compact(const char *path, const evlog_compact_options *options,
                               evlog_compacted *compacted);

EVLOG_API int evlog_compact_sized(const char *path, const evlog_compact_options *options,
                                  size_t options_size, evlog_compacted *compacted,
                                  size_t compacted_size);

EVLOG_INLINE int evlog_compact(const char *path, const evlog_compact_options *options,
                               evlog_compacted *compacted)
{
    return evlog_compact_sized(path, options, sizeof(evlog_compact_options), compacted,
                               sizeof(evlog_compacted));
}

/* -------------------------------------------------------------- erasing ---- */

#define EVLOG_ERASE_REASON_SIZE_MAX 1024
#define EVLOG_ERASE_NOTE_SIZE_MAX (16 << 10)

typedef struct evlog_erase_options {
    bool preview; /* nothing is changed: whether it can be erased is the result */
    /*
     * Must be given: why, 1 to EVLOG_ERASE_REASON_SIZE_MAX bytes. It stays on record, so it must not name the person.
     */
    const char *reason;
    /*
     * Or NULL: a text that goes on record beside the reason, at most EVLOG_ERASE_NOTE_SIZE_MAX bytes. In a log that is
     * sealed (evlog/audit.h) it is a signed note, without which evlog verify --seal reports the erasure.
     */
    const char *note;
} evlog_erase_options;

/*
 * Erases one event's data, its headers and its salt, for a person who has a right to that. Its metadata stay, and
 * the log verifies as before. From then on receivers, replays, consumers and cursors, of all processes, get
 * the event with `data` and `headers` NULL, also those that had read it before and not handed it out yet, and those
 * that have it parked. (Not a process that has the log open for reading only and cannot write to its directory: it may
 * give what it has read before.) An event "evlog.erased.v1", which is in the log before, says what was erased:
 * {"seq", "id", "type", "reason", and "note" where there is one}. Erasing what is erased is EVLOG_OK and changes
 * nothing.
 *
 * `digest` (or NULL: zeros) is 32 bytes that are kept in place of the data: the SHA-256 of what evlog_erase_contents
 * gives, by which what was sealed stays proved. Since the salt is erased with the data, nobody can confirm a guess at
 * them by any of the digests that are left.
 *
 * When it returns, in a log of either durability, a power cut does not bring the data back, and of the log's
 * files only unused parts of events.mdb have their bytes. They leave it when the log is compacted;
 * evlog_info.erased_waiting_count says for how many events that is waited. Out of reach are what receivers have made
 * of the event, copies and snapshots of the files, a program that reads them by liblmdb at the moment, and blocks that
 * the file system or the disk has given up.
 *
 * Beside senders, readers and consumers; senders wait for its flushes, some 10 ms. It can be interrupted
 * anywhere, and done again, which completes it; evlog_verify remarks on what was begun and not completed. Its event
 * may then be there twice.
 *
 * EVLOG_NOTFOUND: no such event, or it was trimmed. EVLOG_INVALID: it is of one of the log's own types, or `reason` is
 * missing, or it or `note` is not UTF-8. EVLOG_LIMIT: one of them is too long. EVLOG_DAMAGED: it cannot be read.
 * EVLOG_FULL: there is no room for the event that says so. EVLOG_READONLY, EVLOG_BUSY.
 */
EVLOG_INLINE int evlog_erase(evlog *log, uint64_t seq, const unsigned char digest[32],
                             const evlog_erase_options *options);

EVLOG_API int evlog_erase_sized(evlog *log, uint64_t seq, const unsigned char digest[32],
                                const evlog_erase_options *options, size_t options_size);

EVLOG_INLINE int evlog_erase(evlog *log, uint64_t seq, const unsigned char digest[32],
                             const evlog_erase_options *options)
{
    return evlog_erase_sized(log, seq, digest, options, sizeof(evlog_erase_options));
}

/*
 * Gives what erasing an event would take away, as it is stored (store/README.md): its salt, headers and data, for the
 * caller to free with evlog_buffer_free. The library has no SHA-256: this is what the digest for
 * evlog_erase is made of. It is as secret as the data, and is given nowhere else. EVLOG_NOTFOUND: no
 * such event, or it was erased. EVLOG_DAMAGED: it cannot be read. EVLOG_BUSY.
 */
EVLOG_API int evlog_erase_contents(evlog *log, uint64_t seq, evlog_buffer *contents);

/* ------------------------------------------------------------ salvaging ---- */

typedef struct evlog_salvage_options {
    bool preview; /* nothing is made: what would be done is the result */
    /* Or NULL: called for each range of events, each consumer, and each file that could not be had whole. Other than 0
       ends the call and is returned. */
    int (*report)(const evlog_finding *finding, void *ctx);
    /* Or NULL: called now and then with how much of the work is done. Likewise. */
    int (*visit)(uint64_t done, uint64_t total, void *ctx);
    void *ctx;
} evlog_salvage_options;

typedef struct evlog_salvaged {
    uint64_t event_count; /* that were had */
    uint64_t first_seq;   /* of them; 0: none */
    uint64_t last_seq;
    uint64_t missing_count;  /* that the log is known to have had, and did not trim */
    uint64_t nameless_count; /* events whose type or source could not be had */
    uint64_t consumer_count; /* that were had, with all of their state */
    uint64_t missing_consumer_count;
    uint64_t unreadable_size; /* bytes that the disk did not give */
    uint64_t noted_seq;       /* of the event that says so; 0: nothing is missing */
    bool is_floor_unknown;    /* events that were trimmed may be back */
} evlog_salvaged;

/*
 * Makes a new log of all that can be had of the log at `path`, however damaged its files are; of them nothing is
 * changed. The new log has the same origin, and a uuid of its own. All that is had is as it was written: events with
 * their seq, id and chain. What is missing is reported, and stays missing: verify reports it in the new log, too, and
 * its seqs are not used again. If something is missing, an event "evlog.salvaged.v1" comes after it. Of a log that is
 * not damaged the new one has the same events and consumers, and no others.
 *
 * Each record is found by its bytes, in events.mdb and in the files beside it, also where no tree leads to it. Of
 * several that claim one seq the one is taken that the tree, the chain and the other files speak for; one that was
 * erased stays so, as far as that can be had. A consumer is taken only with all of its state. Types and sources that
 * could not be had leave their events without names: `evlog show` shows them by their numbers.
 *
 * `new_path` must not exist, or be an empty directory, whose rights and group the new one then gets. It is made under
 * the name new_path.unfinished, which an interrupted call leaves behind, and the next one removes. `salvaged` may be
 * NULL.
 *
 * EVLOG_NOTFOUND: there is no log. EVLOG_DAMAGED: its file `format` is gone or damaged: put back one of the same log,
 * or of a copy. EVLOG_CONFLICT: new_path is something else. EVLOG_BUSY: a process has the log open for writing: copy
 * it. EVLOG_FULL, EVLOG_IO, EVLOG_NOMEM.
 */
EVLOG_INLINE int evlog_salvage(const char *path, const char *new_path,
                               const evlog_salvage_options *options, evlog_salvaged *salvaged);

EVLOG_API int evlog_salvage_sized(const char *path, const char *new_path,
                                  const evlog_salvage_options *options, size_t options_size,
                                  evlog_salvaged *salvaged, size_t salvaged_size);

EVLOG_INLINE int evlog_salvage(const char *path, const char *new_path,
                               const evlog_salvage_options *options, evlog_salvaged *salvaged)
{
    return evlog_salvage_sized(path, new_path, options, sizeof(evlog_salvage_options), salvaged,
                               sizeof(evlog_salvaged));
}

/* ------------------------------------------------------------ repairing ---- */

typedef struct evlog_repair_options {
    bool preview;     /* nothing is changed: what would be done is the result */
    uint32_t wait_ms; /* as in evlog_options */
} evlog_repair_options;

typedef struct evlog_repaired {
    uint64_t first_seq; /* what is cut off; 0: nothing, the newest event is sound */
    uint64_t last_seq;
    uint64_t noted_seq; /* of the event that says so; 0: of a preview */
    char file[64];      /* in the log's directory, with what is cut off; else empty */
} evlog_repaired;

/*
 * Makes a log whose newest events are damaged one that can be written to again: what comes after the last sound event
 * is cut off, and kept aside in a file of the log's directory (cut-FIRST-LAST, see store/README.md). An event
 * "evlog.repaired.v1" comes after it, so that no seq is used again. The events that are cut off stay missing, and are
 * reported as missing by verify, cursors and consumers, as before: only they are not in the way any more.
 * `repaired` may be NULL.
 *
 * By a process that has the log alone. Before it, evlog_salvage with `preview` says whether one of them can still be
 * had from another file. EVLOG_DAMAGED: the file cannot be written to (its meta pages, its list of free pages, or the
 * pages themselves are not sound), or no event is sound, or, of a durable log after a power cut, the file `edge`
 * is not sound: salvage it; nothing was changed. EVLOG_BUSY: a process has the log open. EVLOG_NOTFOUND, EVLOG_FULL,
 * EVLOG_IO, EVLOG_NOMEM.
 */
EVLOG_INLINE int evlog_repair(const char *path, const evlog_repair_options *options,
                              evlog_repaired *repaired);

EVLOG_API int evlog_repair_sized(const char *path, const evlog_repair_options *options,
                                 size_t options_size, evlog_repaired *repaired,
                                 size_t repaired_size);

EVLOG_INLINE int evlog_repair(const char *path, const evlog_repair_options *options,
                              evlog_repaired *repaired)
{
    return evlog_repair_sized(path, options, sizeof(evlog_repair_options), repaired,
                              sizeof(evlog_repaired));
}

/* ------------------------------------------------------------ importing ---- */

#define EVLOG_IMPORTED_TYPE "evlog.imported.v1"

/*
 * Appends events that were elsewhere, in batches. Each batch ends with an event of EVLOG_IMPORTED_TYPE, in the
 * same commit, which records how far the import has come: {"input": bytes, "position", "digest", "events"}. So
 * an import that ended at any point, by kill -9 too, continues exactly after what is in the log: evlog_import_find
 * gives the position up to which it has the input; the caller passes over that much, and calls evlog_import_events for
 * each batch, with the position behind it in `position`.
 */
typedef struct evlog_import {
    /* Identifies the input. The caller chooses it: a hash of the input's beginning, for example. */
    uint8_t input[16];
    /* The position in the input, in the caller's unit (lines, for example); 0: its beginning. */
    uint64_t position;
    /* The caller's: a hash of the input up to the position, for example, to be compared. */
    uint64_t digest;
    uint64_t event_count; /* events of the input up to the position */
    uint64_t seen_seq;    /* the library's: the log was searched for imports up to here */
    bool unless_id;       /* an event whose id the log has is left out; each needs an id */
    uint64_t known_count; /* how many the last evlog_import_events left out */
} evlog_import;

/*
 * Finds how far this input was imported, and sets position, digest and event_count (0: not at all) and seen_seq.
 * It reads from the end of the log back to the last such event, or to the beginning if there is none.
 * EVLOG_DAMAGED: an event on the way cannot be read, which may be the one.
 */
EVLOG_INLINE int evlog_import_find(evlog *log, evlog_import *import);

/*
 * Appends a batch, all or none. Ids, times, minor versions, sources, headers and from_event_bus are as given; log
 * time is now. Each event needs `metadata`; in it 0 is a time and a minor version like any other, an id of zeros is
 * replaced by a new one, and a source of NULL is this process's. The signals may come from evlog_import_define or
 * from any other definition. No receiver runs; consumers and late receivers get the events from the log.
 *
 * `import` is as evlog_import_find or the last call left it, with position and digest set to those after this
 * batch. seen_seq becomes the seq of the event that records it, which follows the batch.
 *
 * With unless_id each call reads the whole log, so batches should be large.
 *
 * EVLOG_CONFLICT: another process has imported from this input since. EVLOG_INVALID, EVLOG_LIMIT: evlog_errmsg
 * names the event, counted from 0. Else as evlog_send_events. After each of these nothing was appended.
 */
EVLOG_INLINE int evlog_import_events(evlog *log, const evlog_sending *sends, size_t count,
                                     evlog_import *import);

/*
 * A signal to import events of a type under exactly the schema of `definition`; without a schema, untyped. A type
 * can have many such signals, one for each schema, and evlog_signal_by_type does not find them. A schema that the
 * log does not have is recorded, and is then the newest of its type. minor_version is not used. Errors of
 * evlog_define_class.
 */
EVLOG_INLINE int evlog_import_define(evlog *log, const evlog_definition *definition,
                                     evlog_signal **signal);

EVLOG_API int evlog_import_find_sized(evlog *log, evlog_import *import, size_t import_size);
EVLOG_API int evlog_import_events_sized(evlog *log, const evlog_sending *sends,
                                        size_t sending_size, size_t metadata_size, size_t count,
                                        evlog_import *import, size_t import_size);
EVLOG_API int evlog_import_define_sized(evlog *log, const evlog_definition *definition,
                                        size_t definition_size, evlog_signal **signal);

EVLOG_INLINE int evlog_import_find(evlog *log, evlog_import *import)
{
    return evlog_import_find_sized(log, import, sizeof(evlog_import));
}

EVLOG_INLINE int evlog_import_events(evlog *log, const evlog_sending *sends, size_t count,
                                     evlog_import *import)
{
    return evlog_import_events_sized(log, sends, sizeof(evlog_sending), sizeof(evlog_metadata),
                                     count, import, sizeof(evlog_import));
}

EVLOG_INLINE int evlog_import_define(evlog *log, const evlog_definition *definition,
                                     evlog_signal **signal)
{
    return evlog_import_define_sized(log, definition, sizeof(evlog_definition), signal);
}

#ifdef __cplusplus
}
#endif

#endif
