/* A log is trimmed by hand, in the two steps that the library takes, or one of them alone. */
#ifndef TRIMMED_H
#define TRIMMED_H

#include "damage.h"
#include "log.h"

/* Raises the floor of a log that is not open, so that `last` is the last event trimmed. */
static inline void raise_floor(const char *path, uint64_t last)
{
    char file[4400];
    unsigned char key[8];
    evlog *log;
    snprintf(file, sizeof file, "%s/events.mdb", path);
    put_big(key, last, sizeof key);
    struct raw raw = raw_open(file);
    struct bytes value = raw_get(&raw, key, sizeof key);
    raw_close(&raw);
    struct floor_place place = {.first_seq = last + 1, .chain = get_big(value.at + 2, 8)};
    free(value.at);
    OK(evlog_open(path, NULL, &log));
    OK(floor_set(log->store->floor, &place));
    OK(evlog_close(log));
}

/* Deletes the events from 1 to `last` of a log that is not open. */
static inline void delete_events(const char *path, uint64_t last)
{
    char file[4400];
    snprintf(file, sizeof file, "%s/events.mdb", path);
    struct raw raw = raw_open(file);
    for (uint64_t seq = 1; seq <= last; seq++) {
        unsigned char key[8];
        put_big(key, seq, sizeof key);
        raw_del(&raw, key, sizeof key);
    }
    raw_close(&raw);
}

/* Both. */
static inline void trim_log(const char *path, uint64_t last)
{
    raise_floor(path, last);
    delete_events(path, last);
}

#endif
