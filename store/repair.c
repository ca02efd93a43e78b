/*
 * Cutting off the damaged end of a log.
 *
 * An append takes seq and chain from the last record. When that is damaged nothing can be appended, and it is not
 * guessed what it was. So the damaged records at the end are taken away, on request:
 *
 *   1. they are written to a file cut-FIRST-LAST of the log's directory, which is flushed
 *   2. in one commit they are deleted, and an event evlog.repaired.v1 comes with the seq after the last of them; its
 *      `prev` is the chain of the last sound event
 *   3. the log is flushed
 *
 * The file, numbers big-endian, for each of them: seq 8 | size 8 | the value as it was in events.mdb. Size 0: its pages
 * could not be read. A death after 1 leaves the file, which the next repair writes anew.
 *
 * The seqs that were cut off stay missing, and verify goes on reporting them: they were events, perhaps acknowledged
 * ones, and a log without them is not whole. Only an auditor who reads evlog.repaired.v1 knows the reason; that is no
 * proof of it, since the seqs could have been cut off for another one. So they are not taken for trimmed ones.
 *
 * Like trimming, 2 frees pages of the flushed state (flusher_need).
 */
#include "repair.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "be64.h"
#include "env.h"
#include "error.h"
#include "file.h"
#include "flusher.h"
#include "note.h"
#include "page.h"
#include "record.h"
#include "store.h"

#define FILE_AT 45 /* in the data of evlog.repaired.v1 */

struct repair {
    struct store *store;
    struct record kept; /* the last sound one; seq 0: there is none */
    uint64_t last_seq;
    struct record note;
    int fd; /* of the file with what is cut off */
};

/* -------------------------------------------------------------- looking ---- */

/* Goes back from the last record to the first that is sound. */
static int find_kept(const struct page_snapshot *snapshot, void *ctx)
{
    struct repair *repair = ctx;
    uint64_t first_seq = floor_get(repair->store->floor).first_seq;
    repair->kept = (struct record){.seq = 0};
    for (uint64_t seq = repair->last_seq; seq >= first_seq; seq--) {
        struct record record;
        int result = record_load(snapshot, seq, &record);
        if (result == EVLOG_OK && record.seq == seq) {
            repair->kept = record;
            return EVLOG_OK;
        }
        if (result && result != EVLOG_DAMAGED && result != EVLOG_NOTFOUND)
            return result;
    }
    return EVLOG_OK;
}

static int look(struct repair *repair)
{
    struct store *store = repair->store;
    uint64_t first_seq;
    int result = store_bounds(store, &first_seq, &repair->last_seq);
    if (result == EVLOG_OK && repair->last_seq)
        result = env_read(store->events, ENV_NEWEST, find_kept, repair);
    if (result == EVLOG_OK && repair->last_seq && !repair->kept.seq)
        result = error_set(EVLOG_DAMAGED, "%s: none of its events is sound", store->path);
    return result;
}

/* -------------------------------------------------------- what is cut off ---- */

static int write_one(struct repair *repair, const struct page_snapshot *snapshot,
                     const struct page_node *node, uint64_t *place)
{
    unsigned char head[16], *value = NULL;
    int result = page_copy(snapshot, node, RECORD_SIZE_MAX, &value, NULL);
    if (result && result != EVLOG_DAMAGED)
        return result;
    uint64_t size = result ? 0 : node->data_size;
    memcpy(head, node->key, 8);
    be64_store(head + 8, size);
    int errnum = file_write(repair->fd, head, sizeof head, *place);
    if (!errnum && size)
        errnum = file_write(repair->fd, value, size, *place + sizeof head);
    free(value);
    *place += sizeof head + size;
    return errnum ? error_errno(errnum, "writing what is cut off", repair->store->path)
                  : EVLOG_OK;
}

static int write_all(const struct page_snapshot *snapshot, void *ctx)
{
    struct repair *repair = ctx;
    struct page_cursor cursor = {.snapshot = snapshot};
    struct page_node node;
    unsigned char key[sizeof(uint64_t)];
    uint64_t place = 0;
    be64_store(key, repair->kept.seq + 1);
    int result = page_seek(&cursor, key, sizeof key);
    while (result == EVLOG_OK && (result = page_cursor_node(&cursor, &node)) == EVLOG_OK) {
        if (node.key_size == sizeof key)
            result = write_one(repair, snapshot, &node, &place);
        page_cursor_step(&cursor);
    }
    page_cursor_free(&cursor);
    return result == EVLOG_NOTFOUND ? EVLOG_OK : result;
}

static int keep_aside(struct repair *repair, const char *name)
{
    struct store *store = repair->store;
    int result =
        file_open(store->directory, store->path, name, O_WRONLY | O_CREAT | O_TRUNC, &repair->fd);
    if (result)
        return result;
    result = env_read(store->events, ENV_NEWEST, write_all, repair);
    if (result == EVLOG_OK && (fsync(repair->fd) || fsync(store->directory)))
        result = error_errno(errno, "flushing what is cut off", store->path);
    close(repair->fd);
    return result;
}

/* -------------------------------------------------------------- cutting ---- */

/* In the write transaction, perhaps more than once. */
static int cut(struct env *events, void *ctx)
{
    struct repair *repair = ctx;
    const struct page_snapshot *base;
    struct page_node node;
    unsigned char key[sizeof(uint64_t)];
    int result = env_base(events, &base);
    if (result)
        return result;
    flusher_need(repair->store->flusher, env_txnid(events));
    struct page_cursor cursor = {.snapshot = base};
    be64_store(key, repair->kept.seq + 1);
    result = page_seek(&cursor, key, sizeof key);
    while (result == EVLOG_OK && (result = page_cursor_node(&cursor, &node)) == EVLOG_OK) {
        result = env_delete(events, node.key, node.key_size);
        page_cursor_step(&cursor);
    }
    page_cursor_free(&cursor);
    return result == EVLOG_NOTFOUND ? note_put(events, &repair->note) : result;
}

static int cut_off(struct repair *repair, evlog_repaired *repaired)
{
    struct store *store = repair->store;
    const struct source *source;
    unsigned char map[128] = "\x83\xa9"
                             "first_seq\xcf\0\0\0\0\0\0\0\0\xa8last_seq\xcf\0\0\0\0\0\0\0\0\xa4"
                             "file\xd9";
    size_t name_size = strlen(repaired->file);
    be64_store(map + 12, repaired->first_seq);
    be64_store(map + 30, repaired->last_seq);
    map[FILE_AT - 1] = (unsigned char)name_size;
    memcpy(map + FILE_AT, repaired->file, name_size);
    int result =
        note_make(store, "evlog.repaired.v1", map, FILE_AT + name_size, &repair->note, &source);
    if (result)
        return result;
    result = note_place(&repair->note, &repair->kept, repaired->last_seq + 1);
    if (result == EVLOG_OK)
        result = flusher_settle(store->flusher);
    if (result == EVLOG_OK)
        result = env_write(store->events, ENV_FLUSH_ALL, 0, cut, repair);
    if (result == EVLOG_OK)
        result = flusher_restart(store->flusher);
    if (result == EVLOG_OK)
        repaired->noted_seq = repair->note.seq;
    source_release(source);
    return result;
}

int repair_end(struct store *store, bool is_preview, evlog_repaired *repaired)
{
    struct repair repair = {.store = store};
    int result = look(&repair);
    if (result || repair.kept.seq == repair.last_seq)
        return result;
    repaired->first_seq = repair.kept.seq + 1;
    repaired->last_seq = repair.last_seq;
    snprintf(repaired->file, sizeof repaired->file, "cut-%" PRIu64 "-%" PRIu64,
             repaired->first_seq, repaired->last_seq);
    if (is_preview && store->journal && store->view.has_no_base)
        result =
            error_set(EVLOG_DAMAGED, "event %" PRIu64 " is damaged, and its journal may have it",
                      repaired->first_seq);
    if (is_preview)
        return result;
    result = keep_aside(&repair, repaired->file);
    return result ? result : cut_off(&repair, repaired);
}
