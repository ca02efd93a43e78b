/*
 * The ids of a range of a log's events: for messages that a broker may give a second time long after they came,
 * since it forgot that it gave them.
 *
 * A hash table with open addressing, at most half full, of the 16-byte ids; a place that is all zeros is empty, and
 * the id of zeros has a flag. Ids are a stranger's, so the hash has a secret seed. It is made by reading the
 * range once, and thrown away when messages come that cannot be in it.
 *
 * Cost: 32 to 64 bytes an event, and a look of O(1). Usually the range is what came since the relay's last batch;
 * after FLUSHALL it is the whole log.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <xxhash.h>

#include "evlog/relay.h"
#include "relay.h"

enum { ID_SIZE = 16 };

static const uint8_t zeros[ID_SIZE];

/* The id's place, or the empty one where it would be. */
static uint8_t *place_of(uint8_t (*ids)[ID_SIZE], size_t room, uint64_t seed,
                         const uint8_t id[ID_SIZE])
{
    size_t at = XXH3_64bits_withSeed(id, ID_SIZE, seed) & (room - 1);
    while (memcmp(ids[at], zeros, ID_SIZE) != 0 && memcmp(ids[at], id, ID_SIZE) != 0)
        at = (at + 1) & (room - 1);
    return ids[at];
}

static int grow(struct known *known)
{
    size_t room = known->room ? 2 * known->room : 1024;
    uint8_t(*ids)[ID_SIZE] = calloc(room, ID_SIZE);
    if (!ids)
        return evlog_fail("out of memory");
    for (size_t i = 0; i < known->room; i++)
        if (memcmp(known->ids[i], zeros, ID_SIZE) != 0)
            memcpy(place_of(ids, room, known->seed, known->ids[i]), known->ids[i], ID_SIZE);
    free(known->ids);
    known->ids = ids;
    known->room = room;
    return EVLOG_OK;
}

static int add(struct known *known, const uint8_t id[ID_SIZE])
{
    if (memcmp(id, zeros, ID_SIZE) == 0) {
        known->has_zeros = true;
        return EVLOG_OK;
    }
    if (2 * known->count >= known->room && grow(known))
        return evlog_fail("out of memory");
    uint8_t *place = place_of(known->ids, known->room, known->seed, id);
    known->count += memcmp(place, id, ID_SIZE) != 0;
    memcpy(place, id, ID_SIZE);
    return EVLOG_OK;
}

int known_read(struct known *known, evlog *log, uint64_t first_seq, uint64_t last_seq)
{
    static const char *const types[] = {"*", EVLOG_REFUSED_TYPE};
    evlog_range range = {
        .first_seq = first_seq, .last_seq = last_seq, .types = types, .type_count = 2};
    evlog_cursor *cursor;
    const evlog_event *event = NULL;
    if (known->first_seq == first_seq && known->last_seq == last_seq)
        return EVLOG_OK;
    known_free(known);
    if (first_seq > last_seq)
        return EVLOG_OK;
    if (!known->seed && getrandom(&known->seed, sizeof known->seed, 0) < 0)
        return evlog_fail("no random numbers");
    int result = evlog_cursor_open(log, &range, &cursor);
    if (result)
        return result;
    while ((result = evlog_cursor_next(cursor, &event)) == EVLOG_OK && event)
        if ((result = add(known, event->id)))
            break;
    evlog_cursor_close(cursor);
    known->first_seq = result == EVLOG_OK ? first_seq : 0;
    known->last_seq = result == EVLOG_OK ? last_seq : 0;
    return result;
}

bool known_has(const struct known *known, const uint8_t id[ID_SIZE])
{
    if (memcmp(id, zeros, ID_SIZE) == 0)
        return known->has_zeros;
    return known->room &&
           memcmp(place_of(known->ids, known->room, known->seed, id), id, ID_SIZE) == 0;
}

void known_free(struct known *known)
{
    free(known->ids);
    *known = (struct known){.ids = NULL};
}
