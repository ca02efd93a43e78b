/* Big-endian numbers, the order of keys. */
#ifndef STORE_BE64_H
#define STORE_BE64_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t be64_load(const void *bytes)
{
    uint64_t value;
    memcpy(&value, bytes, sizeof value);
    return be64toh(value);
}

static inline void be64_store(void *bytes, uint64_t value)
{
    value = htobe64(value);
    memcpy(bytes, &value, sizeof value);
}

static inline uint16_t be16_load(const void *bytes)
{
    uint16_t value;
    memcpy(&value, bytes, sizeof value);
    return be16toh(value);
}

static inline void be16_store(void *bytes, uint16_t value)
{
    value = htobe16(value);
    memcpy(bytes, &value, sizeof value);
}

static inline uint32_t be32_load(const void *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return be32toh(value);
}

static inline void be32_store(void *bytes, uint32_t value)
{
    value = htobe32(value);
    memcpy(bytes, &value, sizeof value);
}

#endif
