/* Reading MessagePack that has been checked, beside msgpack-c reading the same. */
#include <msgpack.h>

#include "load.h"
#include "pack.h"

#define SIZE 100000

struct made {
    unsigned char bytes[SIZE];
    size_t size;
    uint64_t seed;
};

static void put(struct made *made, unsigned byte)
{
    made->bytes[made->size++] = (unsigned char)byte;
}

static void put_big_endian(struct made *made, uint64_t value, unsigned bytes)
{
    while (bytes-- > 0)
        put(made, (unsigned)(value >> 8 * bytes));
}

/*
 * A length in one of the widths that MessagePack has for it: `first` is the code of the
 * narrowest.
 */
static void put_length(struct made *made, unsigned first, unsigned narrowest, uint64_t length)
{
    unsigned step = (unsigned)load_random(&made->seed, narrowest == 1 ? 3 : 2);
    put(made, first + step);
    put_big_endian(made, length, narrowest << step);
}

static void put_text(struct made *made)
{
    uint64_t length = load_random(&made->seed, 40);
    if (load_random(&made->seed, 2) && length < 32)
        put(made, 0xa0 | (unsigned)length);
    else
        put_length(made, 0xd9, 1, length);
    for (uint64_t i = 0; i < length; i++)
        put(made, 'a' + (unsigned)(i % 26));
}

static void put_scalar(struct made *made)
{
    static const unsigned char widths[] = {4, 8, 1, 2, 4, 8, 1, 2, 4, 8}; /* of 0xca to 0xd3 */
    unsigned code = (unsigned)load_random(&made->seed, 16);
    if (code < sizeof widths) {
        put(made, 0xca + code);
        put_big_endian(made, load_mix(made->seed++), widths[code]);
    } else if (code < 14) {
        static const unsigned char others[] = {0xc0, 0xc2, 0xc3, 0xc0};
        put(made, others[code - 10]);
    } else {
        put(made, code == 14 ? (unsigned)load_random(&made->seed, 128)
                             : 0xe0 + (unsigned)load_random(&made->seed, 32));
    }
}

static void put_binary(struct made *made)
{
    uint64_t length = load_random(&made->seed, 20);
    unsigned fixed = (unsigned)load_random(&made->seed, 6);
    if (fixed < 5) {
        put(made, 0xd4 + fixed);
        length = 1 + (UINT64_C(1) << fixed);
    } else {
        put_length(made, 0xc4, 1, length);
    }
    for (uint64_t i = 0; i < length; i++)
        put(made, (unsigned)i * 37);
}

static void put_any(struct made *made, unsigned depth)
{
    unsigned kind = (unsigned)load_random(&made->seed, depth ? 10 : 6);
    uint64_t count = load_random(&made->seed, 5);
    if (kind < 3 || made->size > SIZE / 2) {
        put_scalar(made);
    } else if (kind < 5) {
        put_text(made);
    } else if (kind < 6) {
        put_binary(made);
    } else {
        int is_map = kind < 8;
        if (load_random(&made->seed, 2))
            put(made, (is_map ? 0x80 : 0x90) | (unsigned)count);
        else
            put_length(made, is_map ? 0xde : 0xdc, 2, count);
        for (uint64_t i = is_map ? 2 * count : count; i > 0; i--)
            put_any(made, depth - 1);
    }
}

/* One element and what is in it, read both ways. */
static void compare(const unsigned char **at, const msgpack_object *object)
{
    struct pack_item item;
    pack_next(at, &item);
    switch (object->type) {
    case MSGPACK_OBJECT_NIL:
        assert_int_equal(item.kind, PACK_NIL);
        break;
    case MSGPACK_OBJECT_BOOLEAN:
        assert_true(item.kind == PACK_BOOL && item.as_int == object->via.boolean);
        break;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        assert_int_equal(item.kind, object->via.u64 > INT64_MAX ? PACK_UINT : PACK_INT);
        assert_true((uint64_t)item.as_int == object->via.u64);
        break;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        assert_true(item.kind == PACK_INT && item.as_int == object->via.i64);
        break;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        assert_int_equal(item.kind, PACK_DOUBLE);
        assert_memory_equal(&item.as_double, &object->via.f64, sizeof item.as_double);
        break;
    case MSGPACK_OBJECT_STR:
    case MSGPACK_OBJECT_BIN:
        assert_int_equal(item.kind, object->type == MSGPACK_OBJECT_STR ? PACK_STR : PACK_BIN);
        assert_int_equal(item.size, object->via.str.size);
        assert_memory_equal(item.bytes, object->via.str.ptr, item.size);
        break;
    case MSGPACK_OBJECT_EXT:
        assert_int_equal(item.kind, PACK_EXT);
        break;
    case MSGPACK_OBJECT_ARRAY:
        assert_true(item.kind == PACK_ARRAY && item.size == object->via.array.size);
        for (uint32_t i = 0; i < object->via.array.size; i++)
            compare(at, &object->via.array.ptr[i]);
        break;
    case MSGPACK_OBJECT_MAP:
        assert_true(item.kind == PACK_MAP && item.size == object->via.map.size);
        for (uint32_t i = 0; i < object->via.map.size; i++) {
            compare(at, &object->via.map.ptr[i].key);
            compare(at, &object->via.map.ptr[i].val);
        }
        break;
    }
}

/* Any data, in every width of every kind, are read as msgpack-c reads them, and skipped whole. */
static void reads_as_msgpack_c_does(void **state)
{
    struct made *made = malloc(sizeof *made);
    (void)state;
    made->seed = load_seed();
    for (int i = 0; i < 20000; i++) {
        msgpack_unpacked unpacked;
        size_t used = 0;
        made->size = 0;
        put_any(made, 6);
        OK(pack_check(made->bytes, made->size));
        msgpack_unpacked_init(&unpacked);
        assert_int_equal(
            msgpack_unpack_next(&unpacked, (const char *)made->bytes, made->size, &used),
            MSGPACK_UNPACK_SUCCESS);
        const unsigned char *at = made->bytes, *skipped = made->bytes;
        compare(&at, &unpacked.data);
        pack_skip(&skipped);
        assert_ptr_equal(at, made->bytes + made->size);
        assert_ptr_equal(skipped, at);
        msgpack_unpacked_destroy(&unpacked);
    }
    free(made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_as_msgpack_c_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
