/* The processes that have a log open for writing, their locks and their claims, see presence.c. */
#ifndef STORE_PRESENCE_H
#define STORE_PRESENCE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "shared.h"

/* This process's place among them. */
struct presence {
    struct shared *shared;
    int fd; /* events.mdb, of held.c */
    unsigned slot;
    uint32_t word;    /* names this process; a lock's word while it has that lock */
    uint32_t wait_ms; /* the most that presence_lock waits */
    bool is_there;
};

/*
 * Takes a slot; `fd` is events.mdb, opened for writing by held_open, and stays the caller's. With
 * the log's directory locked. `*is_first`: no other process has the log open for writing, and none
 * can have until presence_share. EVLOG_LIMIT: SHARED_PROCESSES have. EVLOG_IO.
 */
int presence_begin(struct presence *presence, struct shared *shared, int fd, uint32_t wait_ms,
                   bool *is_first);

/* Whether a process has the log open for writing; `fd` is events.mdb, opened by the caller. EVLOG_IO. */
int presence_is_any(int fd, bool *is_any);

/*
 * Keeps all others out, also those that only read, until presence_end. EVLOG_BUSY: one has the log open; the
 * sentence names it. EVLOG_IO.
 */
int presence_alone(struct presence *presence);

/*
 * This process reads the log, for as long as `fd`, events.mdb, is open. `shared` may be NULL. EVLOG_BUSY: another
 * process keeps all others out.
 */
int presence_read(struct shared *shared, int fd);

/* Other processes may be there too. */
void presence_share(struct presence *presence);
void presence_end(struct presence *presence);

/*
 * Takes the lock of one of the two environments, from other processes only: the threads of this
 * one must have excluded each other. A process that died with it loses it. EVLOG_BUSY: another
 * process has it for wait_ms; the sentence names it, and `path`.
 */
int presence_lock(struct presence *presence, enum shared_lock which, const char *path);

/* The same without waiting. false: another process has it, or died with it. */
bool presence_try_lock(struct presence *presence, enum shared_lock which);
void presence_unlock(struct presence *presence, enum shared_lock which);

/* ------------------------------------------------------- other processes ---- */

struct presence_process {
    bool is_there;
    bool is_elsewhere; /* in another pid namespace */
    int32_t pid;       /* its own number of itself, there; 0: not known */
};

/* The process of a word, whether or not it still lives. `shared` may be NULL. */
struct presence_process presence_process(struct shared *shared, uint32_t word);

#define PRESENCE_TEXT_SIZE 64

/* This process, to be written down for others: presence_parse reads it. Its size is fixed. */
#define PRESENCE_LINE_SIZE 32
void presence_format(char line[PRESENCE_LINE_SIZE + 1]);
struct presence_process presence_parse(const char *line);

/* "process 17", for sentences. Returns `text`. */
const char *presence_text(struct presence_process process, char text[PRESENCE_TEXT_SIZE]);

/* ---------------------------------------------------------------- claims ---- */

/*
 * Claims a slot for as long as this process has the log open, or until presence_release. EVLOG_BUSY:
 * `*holder`, another process, has it. Claims of one process do not exclude each other: the caller
 * keeps count of its own. EVLOG_IO.
 */
int presence_claim(struct presence *presence, unsigned slot, struct presence_process *holder);
void presence_release(struct presence *presence, unsigned slot);

/* The process, other than this one, that has claimed a slot; `fd` is events.mdb, `shared` may be NULL. */
struct presence_process presence_holder(struct shared *shared, int fd, unsigned slot);

#endif
