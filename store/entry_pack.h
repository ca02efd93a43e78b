/* Packing the value of an entry, see entries.c. (Apart from entries.h: msgpack.h takes many names.) */
#ifndef STORE_ENTRY_PACK_H
#define STORE_ENTRY_PACK_H

#include <msgpack.h>
#include <stddef.h>

/* A value that is being packed into memory that has room for all of it. */
struct entry_packing {
    msgpack_packer packer;
    unsigned char *value, *at;
};

/*
 * Starts an array of `count`, the checksum included; then pack the others. The size is returned at
 * the end; the value still has to be sealed, which entry_put does.
 */
void entry_pack_begin(struct entry_packing *packing, unsigned char *value, size_t count);
size_t entry_pack_end(const struct entry_packing *packing);

#endif
