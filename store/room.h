/* Room ahead in a file that liblmdb writes to, see room.c. */
#ifndef STORE_ROOM_H
#define STORE_ROOM_H

#include <stdint.h>

enum room_kind {
    ROOM_ZEROS,  /* by write(2), and flushed with each commit */
    ROOM_BLOCKS, /* by write(2) */
    ROOM_MAPPED, /* by stores into the map: the file is as long as the map, and mostly a hole */
};

struct room {
    enum room_kind kind;
    uint64_t size_max; /* of the file; 0: no limit */
    uint64_t end;      /* there is room up to here */
};

/*
 * Makes room for `size` more bytes in the file `fd`, called `name`, whose pages in use end at `used`.
 * With its writer's lock held. EVLOG_FULL, EVLOG_IO: the file is as long as it was.
 */
int room_make(struct room *room, int fd, const char *name, uint64_t used, uint64_t size);

#endif
