/*
 * Random MessagePack: values of every kind, with keys that repeat, look like marks of the JSON form,
 * and are not strings.
 */
#ifndef RANDOM_DATA_H
#define RANDOM_DATA_H

#include <math.h>
#include <msgpack.h>

#include "load.h"

static inline void pack_random(msgpack_packer *packer, uint64_t *random, int depth);

/* A string of few letters, so that keys repeat and look like marks. */
static inline void pack_random_text(msgpack_packer *packer, uint64_t *random)
{
    static const char *const parts[] = {
        "$",    "bin",          "map", "a",    "\"",    "\\",  "\x01", "\xc3\xa9",
        "\x7f", "\xe2\x80\xae", "\n",  "uint", "float", "ext", "/",    "\xf4\x8f\xbf\xbf"};
    char text[64];
    size_t size = 0;
    for (uint64_t count = load_random(random, 4); count; count--) {
        const char *part = parts[load_random(random, sizeof parts / sizeof *parts)];
        memcpy(text + size, part, strlen(part));
        size += strlen(part);
        if (load_random(random, 40) == 0)
            text[size++] = '\0';
    }
    msgpack_pack_str_with_body(packer, text, size);
}

static inline void pack_random_bytes(msgpack_packer *packer, uint64_t *random)
{
    char bytes[40];
    size_t size = load_random(random, sizeof bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)load_random(random, 256);
    if (load_random(random, 2))
        msgpack_pack_bin_with_body(packer, bytes, size);
    else
        msgpack_pack_ext_with_body(packer, bytes, size, (int8_t)load_random(random, 256));
}

static inline void pack_random_number(msgpack_packer *packer, uint64_t *random)
{
    static const double specials[] = {NAN, INFINITY, -INFINITY, 0, 0.1, 1, -0.0, 1e300, 5e-324};
    uint64_t bits = load_random(random, UINT64_MAX) >> load_random(random, 64);
    double real;
    memcpy(&real, &bits, sizeof real);
    switch (load_random(random, 4)) {
    case 0:
        msgpack_pack_uint64(packer, bits);
        break;
    case 1:
        msgpack_pack_int64(packer, (int64_t)(0 - bits));
        break;
    case 2:
        msgpack_pack_double(packer, specials[load_random(random, 9)]);
        break;
    default:
        msgpack_pack_double(packer, isnan(real) ? NAN : real);
    }
}

static inline void pack_random_map(msgpack_packer *packer, uint64_t *random, int depth)
{
    uint64_t count = load_random(random, 5);
    msgpack_pack_map(packer, count);
    for (; count; count--) {
        if (load_random(random, 10))
            pack_random_text(packer, random);
        else
            pack_random(packer, random, depth - 1);
        pack_random(packer, random, depth - 1);
    }
}

static inline void pack_random(msgpack_packer *packer, uint64_t *random, int depth)
{
    uint64_t kind = load_random(random, depth > 0 ? 8 : 6), count;
    if (kind == 0)
        msgpack_pack_nil(packer);
    else if (kind == 1)
        load_random(random, 2) ? msgpack_pack_true(packer) : msgpack_pack_false(packer);
    else if (kind == 2)
        pack_random_text(packer, random);
    else if (kind == 3)
        pack_random_bytes(packer, random);
    else if (kind < 6)
        pack_random_number(packer, random);
    else if (kind == 6)
        for (msgpack_pack_array(packer, count = load_random(random, 5)); count; count--)
            pack_random(packer, random, depth - 1);
    else
        pack_random_map(packer, random, depth);
}

#endif
