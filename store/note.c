/*
 * Events of the log's own: what happens to the log is in the log.
 *
 * They are events like all others: they have a seq, are chained, copied and verified. Their types
 * begin with "evlog.", which no program can define (name.h), and are untyped; their source is
 * "evlog", this host, and the library's version. Receivers, consumers and cursors pass over them
 * unless a pattern asks for them (replay/filter.c).
 */
#include "note.h"

#include <assert.h>
#include <limits.h>
#include <unistd.h>

#include "be64.h"
#include "clock.h"
#include "flusher.h"
#include "name.h"
#include "pack.h"
#include "random.h"
#include "store.h"
#include "uuid.h"

static int find_source(struct store *store, const struct source **source)
{
    char host[HOST_NAME_MAX + 1] = "";
    gethostname(host, sizeof host - 1);
    bool is_text = strlen(host) <= EVLOG_NAME_SIZE_MAX && pack_is_utf8(host, strlen(host));
    const char *const text[SOURCE_TEXTS] = {"evlog", is_text ? host : "", EVLOG_VERSION};
    return sources_define(store->sources, text, source);
}

int note_make(struct store *store, const char *name, const void *data, size_t size,
              struct record *record, const struct source **source)
{
    const struct type_text text = {.name = name};
    const struct type *type;
    assert(name_is_reserved(name) && pack_check_map(data, size) == EVLOG_OK);
    int result = types_define(store->types, &text, NULL, &type);
    if (result == EVLOG_OK)
        result = find_source(store, source);
    if (result)
        return result;
    *record = (struct record){.time_us = clock_wall_us(),
                              .type = type->number,
                              .source = (*source)->number,
                              .data = data,
                              .data_size = size};
    uuid_make(record->id);
    return EVLOG_OK;
}

int note_append(struct store *store, const char *name, const void *data, size_t size)
{
    const struct source *source;
    struct record record;
    int result = note_make(store, name, data, size, &record, &source);
    if (result)
        return result;
    result = append_records(store->appender, NULL, &record, 1);
    source_release(source);
    return result;
}

int note_place(struct record *record, const struct record *before, uint64_t seq)
{
    record->seq = seq;
    record->prev = before->chain;
    record->era = before->era;
    record->log_time_us = clock_wall_us();
    if (record->log_time_us < before->log_time_us)
        record->log_time_us = before->log_time_us;
    return random_bytes(record->salt, sizeof record->salt);
}

int note_put(struct env *events, struct record *record)
{
    unsigned char key[sizeof record->seq];
    void *bytes;
    be64_store(key, record->seq);
    int result = env_append(events, key, sizeof key, record_size(record), &bytes);
    if (result == EVLOG_OK)
        record_encode(record, bytes);
    return result;
}

static int put_alone(struct env *events, void *ctx)
{
    return note_put(events, ctx);
}

int note_append_at(struct store *store, const struct record *before, uint64_t seq,
                   const char *name, const void *data, size_t size)
{
    const struct source *source;
    struct record record;
    int result = note_make(store, name, data, size, &record, &source);
    if (result)
        return result;
    result = note_place(&record, before, seq);
    if (result == EVLOG_OK)
        result =
            env_write(store->events, ENV_FLUSH_ALL, record_size(&record), put_alone, &record);
    if (result == EVLOG_OK)
        result = flusher_restart(store->flusher);
    source_release(source);
    return result;
}
