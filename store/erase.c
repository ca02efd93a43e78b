/*
 * Erasing: the data of one event go, with its headers and its salt; its metadata stay, and the chain fits (record.c).
 *
 *   1. an event, evlog.erased.v1, says which goes and why
 *   2. an entry (erased.c) says that 1 was done, and that the bytes are still in events.mdb
 *   3. the record is overwritten by an erased one, in a commit of its own. From then on it is gone for every reader:
 *      what any process has read before, and not handed out yet, is read again (reader.c)
 *   4. the log is flushed, and nothing of an older state is left in the files beside it: in `edge` both slots have
 *      the new state (edge.c), `journal` is overwritten with zeros (journal.c)
 *
 * 3 and 4 are done under the writer's lock. So no process appends between them, and none can put back what was
 * there: a flush that another one has begun before ends first, or finds that a later one was made (flusher.c).
 *
 * A death or a power cut before 3 is flushed leaves the event whole, and one after it erased. Either way the caller
 * has not got its answer, and erasing again does what is missing; by the entry it knows that 1 is not. (Of two
 * that erase one event at the same time, or where the first died before 2, there are two events of 1.)
 *
 * Like trimming, 3 frees pages of the flushed state by more than an append does: see flusher_need.
 *
 * What stays, and where. In events.mdb liblmdb leaves the old bytes in pages that are free, and between the nodes of
 * those that are not; they go when the events are copied into a new file. The entries of 2 are the events for
 * which that is waited. Without the salt, which is gone from every record, nobody can confirm a guess at what
 * they were by the digest. Beyond the files of the log: blocks that the file system has freed or moved, the disk's own
 * copies, what receivers have made of the event.
 *
 * Cost: eight flushes. Senders wait for five of them, and for the zeros, 8 MiB the first time.
 */
#include "erase.h"

#include <inttypes.h>
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

#include "be64.h"
#include "env.h"
#include "erased.h"
#include "error.h"
#include "flusher.h"
#include "name.h"
#include "note.h"
#include "pack.h"
#include "reader.h"
#include "store.h"
#include "types.h"

struct erasing {
    struct store *store;
    uint64_t seq;
    const unsigned char *digest; /* or NULL */
    const char *reason;
    const char *note; /* or NULL */
    bool is_begun;    /* by an earlier one: there is an entry */
};

/* ------------------------------------------------------------- the note ---- */

static int pack_text(msgpack_packer *packer, const char *text)
{
    return msgpack_pack_str_with_body(packer, text, strlen(text));
}

/*
 * What the event was remains known when it is trimmed: its id and type are not personal. A part for which there is no
 * memory is left out, and the next one may find some: so each counts.
 */
static int add_note(const struct erasing *erasing, const struct reader_event *event)
{
    msgpack_sbuffer data;
    msgpack_packer packer;
    char id[EVLOG_UUID_TEXT_SIZE];
    msgpack_sbuffer_init(&data);
    msgpack_packer_init(&packer, &data, msgpack_sbuffer_write);
    int failed = msgpack_pack_map(&packer, erasing->note ? 5 : 4);
    failed |= pack_text(&packer, "seq");
    failed |= msgpack_pack_uint64(&packer, erasing->seq);
    failed |= pack_text(&packer, "id");
    failed |= pack_text(&packer, evlog_uuid_text(event->record.id, id));
    failed |= pack_text(&packer, "type");
    failed |= pack_text(&packer, event->type->text.name);
    failed |= pack_text(&packer, "reason");
    failed |= pack_text(&packer, erasing->reason);
    if (erasing->note) {
        failed |= pack_text(&packer, "note");
        failed |= pack_text(&packer, erasing->note);
    }
    int result =
        failed ? error_nomem() : note_append(erasing->store, ERASED_TYPE, data.data, data.size);
    msgpack_sbuffer_destroy(&data);
    return result;
}

/* Its data begin with the seq, see add_note. */
uint64_t erase_noted_seq(const struct record *record)
{
    const unsigned char *at = record->data;
    struct pack_item map, key, value = {.kind = PACK_NIL};
    if (!at)
        return 0;
    pack_next(&at, &map);
    if (map.kind == PACK_MAP && map.size > 0) {
        pack_next(&at, &key);
        pack_next(&at, &value);
    }
    return value.kind == PACK_INT && value.as_int > 0 ? (uint64_t)value.as_int : 0;
}

/* The entry must not outlast the note: of a fast log this is flushed first. */
static int begin(struct erasing *erasing, const struct reader_event *event)
{
    struct store *store = erasing->store;
    int result = add_note(erasing, event);
    if (result == EVLOG_OK && !store->journal)
        result = flusher_flush(store->flusher);
    if (result == EVLOG_OK)
        result = erased_put(store->state, erasing->seq);
    return result;
}

/* ---------------------------------------------------------- overwriting ---- */

/* In the write transaction, perhaps more than once. */
static int overwrite(struct env *events, void *ctx)
{
    const struct erasing *erasing = ctx;
    unsigned char key[sizeof(uint64_t)], value[RECORD_ERASED_SIZE];
    const struct page_snapshot *base;
    struct record record;
    int result = env_base(events, &base);
    if (result == EVLOG_OK)
        result = record_load(base, erasing->seq, &record);
    if (result == EVLOG_OK && record.seq != erasing->seq)
        result = error_set(EVLOG_NOTFOUND, "%s: event %" PRIu64 " was trimmed",
                           erasing->store->path, erasing->seq);
    if (result || record.flags & RECORD_ERASED)
        return result;
    flusher_need(erasing->store->flusher, env_txnid(events));
    record.flags |= RECORD_ERASED;
    record.erasure = erasing->digest;
    record_encode(&record, value);
    be64_store(key, record.seq);
    return env_put(events, key, sizeof key, value, record_size(&record), NULL);
}

/* After it, only unused parts of events.mdb have what was erased. By the holder of the lock. */
static int scrub(const struct erasing *erasing)
{
    struct store *store = erasing->store;
    int result = flusher_scrub(store->flusher, erasing->is_begun);
    if (result || !store->journal)
        return result;
    result = journal_clear(store->journal, erasing->is_begun);
    if (result == EVLOG_IO)
        shared_fail(store->shared); /* the kernel may report the next flush as good */
    return result;
}

static int overwrite_and_scrub(struct erasing *erasing)
{
    struct store *store = erasing->store;
    int result = env_lock(store->events);
    if (result)
        return result;
    result = flusher_write(store->flusher, overwrite, erasing);
    if (result == EVLOG_OK) {
        atomic_fetch_add(&shared_flushed(store->shared)->erasure_count, 1);
        result = scrub(erasing);
    }
    env_unlock(store->events);
    return result;
}

/* ------------------------------------------------------------- the whole ---- */

/* Reads the event; EVLOG_NOTFOUND: there is none. */
static int read_event(struct store *store, uint64_t seq, struct reader *reader)
{
    uint64_t first, last;
    int result = store_bounds(store, &first, &last);
    if (result)
        return result;
    if (seq < first || seq > last || last == 0)
        return error_set(EVLOG_NOTFOUND, "%s: no event %" PRIu64, store->path, seq);
    return reader_read(reader, store, seq, seq, 1);
}

static int check_event(const struct reader_event *event)
{
    if (!name_is_reserved(event->type->text.name))
        return EVLOG_OK;
    return error_set(EVLOG_INVALID,
                     "event %" PRIu64
                     " is the log's own (%s): it says what happened to the log, and "
                     "cannot be erased",
                     event->record.seq, event->type->text.name);
}

static int check_text(const char *what, const char *text, size_t size_max)
{
    size_t size = strlen(text);
    if (size > size_max)
        return error_set(EVLOG_LIMIT, "the %s has %zu bytes; the most are %zu", what, size,
                         size_max);
    if (!pack_is_utf8(text, size))
        return error_set(EVLOG_INVALID, "the %s is not UTF-8", what);
    return EVLOG_OK;
}

static int check_texts(const evlog_erase_options *options)
{
    if (!options->reason || !*options->reason)
        return error_set(EVLOG_INVALID, "an erasure needs a reason, which goes on record");
    int result = check_text("reason", options->reason, EVLOG_ERASE_REASON_SIZE_MAX);
    if (result || !options->note)
        return result;
    return check_text("note", options->note, EVLOG_ERASE_NOTE_SIZE_MAX);
}

static int erase(struct erasing *erasing, const struct reader_event *event)
{
    bool is_erased = event->record.flags & RECORD_ERASED;
    int result = erased_find(erasing->store->state, erasing->seq, &erasing->is_begun);
    if (result || (is_erased && !erasing->is_begun))
        return result;
    if (!erasing->is_begun)
        result = begin(erasing, event);
    return result ? result : overwrite_and_scrub(erasing);
}

int erase_event(struct store *store, uint64_t seq, const unsigned char *digest,
                const evlog_erase_options *options)
{
    struct erasing erasing = {
        .store = store,
        .seq = seq,
        .digest = digest,
        .reason = options->reason,
        .note = options->note,
    };
    struct reader reader = {.events = NULL};
    int result = check_texts(options);
    if (result == EVLOG_OK)
        result = read_event(store, seq, &reader);
    if (result == EVLOG_OK)
        result = check_event(&reader.events[0]);
    if (result == EVLOG_OK && !options->preview)
        result = erase(&erasing, &reader.events[0]);
    reader_free(&reader);
    return result;
}

int erase_in_copy(struct store *copy, uint64_t seq, const unsigned char *digest)
{
    struct erasing erasing = {.store = copy, .seq = seq, .digest = digest};
    struct record record;
    int result = store_record(copy, seq, &record);
    if (result == EVLOG_DAMAGED)
        return EVLOG_OK;
    if (result == EVLOG_OK)
        result = erased_find(copy->state, seq, &erasing.is_begun);
    if (result || (record.flags & RECORD_ERASED && !erasing.is_begun))
        return result;
    if (!erasing.is_begun)
        result = erased_put(copy->state, seq);
    return result ? result : overwrite_and_scrub(&erasing);
}

/* Whether the new file has nothing of an event: it was erased, or trimmed. */
static int is_gone(uint64_t seq, bool *is_gone, void *ctx)
{
    struct store *store = ctx;
    struct record record;
    uint64_t first, last;
    *is_gone = true;
    int result = store_bounds(store, &first, &last);
    if (result || seq < first || seq > last)
        return result;
    result = store_record(store, seq, &record);
    *is_gone = result == EVLOG_OK && record.flags & RECORD_ERASED;
    return result == EVLOG_DAMAGED || result == EVLOG_NOTFOUND ? EVLOG_OK : result;
}

int erase_end_waiting(struct store *store)
{
    return erased_clear(store->state, is_gone, store);
}

/* -------------------------------------------------------- what is erased ---- */

/* Of a record that was read, salt, headers and data are side by side as they are stored. */
static int copy_contents(const struct record *record, evlog_buffer *contents)
{
    if (record->flags & RECORD_ERASED)
        return error_set(EVLOG_NOTFOUND, "event %" PRIu64 " was erased", record->seq);
    size_t size = RECORD_SALT_SIZE + record->headers_size + record->data_size;
    void *copy = malloc(size);
    if (!copy)
        return error_nomem();
    memcpy(copy, (const char *)record->headers - RECORD_SALT_SIZE, size);
    *contents = (evlog_buffer){.data = copy, .size = size};
    return EVLOG_OK;
}

int erase_contents(struct store *store, uint64_t seq, evlog_buffer *contents)
{
    struct reader reader = {.events = NULL};
    int result = read_event(store, seq, &reader);
    if (result == EVLOG_OK)
        result = copy_contents(&reader.events[0].record, contents);
    reader_free(&reader);
    return result;
}
