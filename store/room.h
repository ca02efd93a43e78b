/* Room ahead in a file that liblmdb writes to, and the length of its map, see room.c. */
#ifndef STORE_ROOM_H
#define STORE_ROOM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum room_kind {
    ROOM_ZEROS,  /* by write(2), and flushed with each commit */
    ROOM_BLOCKS, /* by write(2) */
    ROOM_MAPPED, /* by stores into the map: the file is as long as the map, and mostly a hole */
};

struct room {
    const char *name; /* for messages */
    int fd;           /* of the file; liblmdb's own, once it is open */
    enum room_kind kind;
    uint64_t size_max;     /* of the file; 0: no limit */
    uint64_t end;          /* there is room up to here */
    atomic_bool is_reused; /* see room.c: "Pages in the middle" */
};

/*
 * Makes room for `size` more bytes in a file whose pages in use end at `used`, and of which liblmdb has a map
 * of map_size. With its writer's lock held. EVLOG_FULL, EVLOG_IO: the file is as long as it was. `is_reserve`: it may
 * use all that there is up to size_max; what others need must be there whole.
 */
int room_make(struct room *room, size_t map_size, uint64_t used, uint64_t size, bool is_reserve);

/*
 * For a commit that takes free pages, when room_make has failed: how many bytes behind `used` it may use besides.
 * EVLOG_FULL: none may be written to, since pages that are in use have no blocks, or are past the process's limit.
 */
int room_behind(struct room *room, uint64_t used, uint64_t *size);

/* The length of a map: the first one. EVLOG_IO. */
int room_first_map(const struct room *room, size_t *size);

/* One that is longer than `*size`. EVLOG_FULL: it may not be. EVLOG_NOMEM, EVLOG_IO. */
int room_larger_map(const struct room *room, size_t *size);

/*
 * One as long as the file, which another process has made longer, and not as long as the pages that a damaged
 * meta page counts. EVLOG_DAMAGED, EVLOG_NOMEM, EVLOG_IO.
 */
int room_other_map(const struct room *room, uint64_t last_page, uint32_t page_size, size_t *size);

#endif
