/*
 * Avro's binary encoding (Avro 1.11, "Binary Encoding"), as openedx-events puts it on a bus.
 *
 *   boolean  a byte                         array  count, items, 0      (nothing: 0)
 *   int/long zigzag, 7 bits a byte          map    count, pairs, 0
 *   double   8 bytes little-endian          record its fields, in order, with nothing between
 *   string   size, UTF-8                    union  number of the branch, the value
 *
 * Written is one block for each array or map, with a map's keys sorted by their bytes, so the same
 * data always gives the same bytes (openedx-events sorts them too). Any number of blocks is read,
 * and blocks that begin with their size (a negative count).
 *
 * These bytes contain no names and no tags: under another schema they can be read as other data
 * without an error. Only bytes left over can be noticed, and they are refused. Data in a log is
 * MessagePack; this encoding is for a bus, where the writer's schema is known.
 *
 * Cost: one pass in each direction, and sorting maps. The result has at most EVLOG_DATA_SIZE_MAX
 * bytes, which also stops an array of a billion items of zero bytes each.
 */
#include <stdlib.h>
#include <string.h>

#include "dom.h"
#include "error.h"
#include "keys.h"
#include "match.h"
#include "pack.h"
#include "schema.h"

/* ------------------------------------------------------------- encoding ---- */

struct encoder {
    const unsigned char *at; /* in the data */
    struct bytes *bytes;
};

static void encode(struct encoder *encoder, uint64_t shape, const evlog_class *of);

static void put_long(struct bytes *bytes, int64_t value)
{
    uint64_t rest = (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
    unsigned char out[10];
    size_t size = 0;
    for (; rest > 0x7f; rest >>= 7)
        out[size++] = (unsigned char)(0x80 | (rest & 0x7f));
    out[size++] = (unsigned char)rest;
    bytes_put(bytes, out, size);
}

static void put_text(struct bytes *bytes, const char *text, size_t size)
{
    put_long(bytes, (int64_t)size);
    bytes_put(bytes, text, size);
}

static void put_number(struct bytes *bytes, int kind, const struct pack_item *item)
{
    double value = item->kind == PACK_DOUBLE ? item->as_double : (double)item->as_int;
    float narrow = (float)value;
    uint64_t bits;
    uint32_t bits32;
    unsigned char out[8];
    size_t size = kind == KIND_FLOAT ? 4 : 8;
    memcpy(&bits32, &narrow, sizeof bits32);
    memcpy(&bits, &value, sizeof bits);
    for (size_t i = 0; i < size; i++)
        out[i] = (unsigned char)((size == 4 ? bits32 : bits) >> 8 * i);
    bytes_put(bytes, out, size);
}

/* A record's pairs: where the first is, how many, and which one the encoder is at. */
struct pairs {
    const unsigned char *first;
    size_t count, at;
};

/*
 * Moves to a field's value; 0: the record has none. It goes round from where it is: fields are usually in order, and
 * then it is the first that is looked at.
 */
static int seek_field(struct encoder *encoder, struct pairs *pairs, const evlog_field *field)
{
    for (size_t i = 0; i < pairs->count; i++) {
        struct pack_item key;
        if (pairs->at == pairs->count) {
            encoder->at = pairs->first;
            pairs->at = 0;
        }
        pairs->at++;
        pack_next(&encoder->at, &key);
        if (key.size == field->name_size && memcmp(key.bytes, field->name, key.size) == 0)
            return 1;
        pack_skip(&encoder->at);
    }
    return 0;
}

static void encode_default(struct encoder *encoder, const evlog_field *field)
{
    struct bytes packed;
    bytes_begin(&packed);
    struct encoder inner = {.bytes = encoder->bytes};
    if (dom_pack_text(field->fallback, &packed) == EVLOG_OK) {
        inner.at = (const unsigned char *)packed.buffer.data;
        encode(&inner, field->shape, field->of);
    } else {
        encoder->bytes->is_full = 1;
    }
    bytes_free(&packed);
}

static void skip_pairs(struct encoder *encoder, size_t count)
{
    for (size_t i = 0; i < 2 * count; i++)
        pack_skip(&encoder->at);
}

static void encode_record(struct encoder *encoder, const evlog_class *of, size_t pair_count)
{
    struct fields fields = class_fields(of);
    struct pairs pairs = {encoder->at, pair_count, 0};
    for (size_t i = 0; i < fields.count; i++) {
        const evlog_field *field = field_at(&fields, i);
        if (seek_field(encoder, &pairs, field))
            encode(encoder, field->shape, field->of);
        else
            encode_default(encoder, field);
    }
    skip_pairs(encoder, pairs.count - pairs.at);
}

static void encode_list(struct encoder *encoder, uint64_t shape, const evlog_class *of,
                        size_t count)
{
    if (count)
        put_long(encoder->bytes, (int64_t)count);
    for (size_t i = 0; i < count; i++)
        encode(encoder, shape, of);
    put_long(encoder->bytes, 0);
}

struct entry {
    evlog_string key; /* the first, for keys_compare */
    const unsigned char *value;
};

static void encode_map(struct encoder *encoder, uint64_t shape, const evlog_class *of,
                       size_t count)
{
    struct entry *entries = calloc(count + 1, sizeof *entries);
    if (!entries) {
        encoder->bytes->is_full = 1;
        skip_pairs(encoder, count);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        struct pack_item key;
        pack_next(&encoder->at, &key);
        entries[i].key = (evlog_string){key.bytes, key.size};
        entries[i].value = encoder->at;
        pack_skip(&encoder->at);
    }
    const unsigned char *end = encoder->at;
    qsort(entries, count, sizeof *entries, keys_compare);
    if (count)
        put_long(encoder->bytes, (int64_t)count);
    for (size_t i = 0; i < count; i++) {
        put_text(encoder->bytes, entries[i].key.text, entries[i].key.size);
        encoder->at = entries[i].value;
        encode(encoder, shape, of);
    }
    put_long(encoder->bytes, 0);
    encoder->at = end;
    free(entries);
}

static void encode_item(struct encoder *encoder, uint64_t shape, const evlog_class *of,
                        const struct pack_item *item)
{
    unsigned char truth = item->as_int != 0;
    switch (shape_kind(shape)) {
    case EVLOG_KIND_BOOL:
        bytes_put(encoder->bytes, &truth, 1);
        break;
    case KIND_INT32:
    case EVLOG_KIND_INT64:
        put_long(encoder->bytes, item->as_int);
        break;
    case KIND_FLOAT:
    case EVLOG_KIND_DOUBLE:
        put_number(encoder->bytes, shape_kind(shape), item);
        break;
    case EVLOG_KIND_CLASS:
        encode_record(encoder, of, item->size);
        break;
    case EVLOG_KIND_LIST:
        encode_list(encoder, shape_items(shape), of, item->size);
        break;
    case EVLOG_KIND_MAP:
        encode_map(encoder, shape_items(shape), of, item->size);
        break;
    default:
        put_text(encoder->bytes, item->bytes, item->size);
    }
}

static void encode(struct encoder *encoder, uint64_t shape, const evlog_class *of)
{
    struct pack_item item;
    pack_next(&encoder->at, &item);
    if (shape_is_nullable(shape)) {
        int is_last = (shape & KIND_NULL_LAST) != 0;
        put_long(encoder->bytes, (item.kind == PACK_NIL) == is_last);
        if (item.kind == PACK_NIL)
            return;
    }
    encode_item(encoder, shape, of, &item);
}

int evlog_avro_encode(const evlog_schema *schema, const void *data, size_t data_size,
                      evlog_buffer *avro)
{
    struct bytes bytes;
    if (!schema || !data || !avro)
        return error_set(EVLOG_INVALID, "there is no schema, no data, or no place for the bytes");
    int result = pack_check_map(data, data_size);
    if (result == EVLOG_OK)
        result = match_check(&schema->root, data, MATCH_ANY_FORM);
    if (result)
        return result;
    bytes_begin_sized(&bytes, data_size); /* it has no names, so it is seldom more */
    encode(&(struct encoder){.at = data, .bytes = &bytes}, EVLOG_KIND_CLASS, &schema->root);
    return bytes_end(&bytes, EVLOG_OK, avro);
}

/* ------------------------------------------------------------- decoding ---- */

struct decoder {
    const unsigned char *start, *at, *end;
    struct bytes *bytes;
    unsigned depth;
    int result; /* the first failure: all after it reads nothing */
};

static void decode(struct decoder *decoder, uint64_t shape, const evlog_class *of);

static void fail(struct decoder *decoder, const char *why)
{
    if (!decoder->result)
        decoder->result =
            error_set(EVLOG_INVALID, "Avro, byte %td: %s", decoder->at - decoder->start, why);
}

static int64_t get_long(struct decoder *decoder)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (decoder->at == decoder->end)
            break;
        unsigned char byte = *decoder->at++;
        if (shift == 63 && byte > 1)
            break;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
    }
    fail(decoder, "ends in the middle of a number, or the number is over 64 bits");
    return 0;
}

static const unsigned char *get_bytes(struct decoder *decoder, int64_t size)
{
    const unsigned char *bytes = decoder->at;
    if (size < 0 || size > decoder->end - decoder->at) {
        fail(decoder, "a size goes past the end");
        return NULL;
    }
    decoder->at += size;
    return bytes;
}

static void decode_text(struct decoder *decoder, int is_binary)
{
    int64_t size = get_long(decoder);
    const unsigned char *text = get_bytes(decoder, size);
    if (decoder->result || !text)
        return;
    if (is_binary)
        msgpack_pack_bin_with_body(&decoder->bytes->packer, text, (size_t)size);
    else if (pack_is_utf8(text, (size_t)size))
        msgpack_pack_str_with_body(&decoder->bytes->packer, text, (size_t)size);
    else
        fail(decoder, "a string is not UTF-8");
}

static void decode_number(struct decoder *decoder, int kind)
{
    size_t size = kind == KIND_FLOAT ? 4 : 8;
    const unsigned char *bytes = get_bytes(decoder, (int64_t)size);
    uint64_t bits = 0;
    double value;
    for (size_t i = 0; bytes && i < size; i++)
        bits |= (uint64_t)bytes[i] << 8 * i;
    if (kind == KIND_FLOAT) {
        uint32_t bits32 = (uint32_t)bits;
        float narrow;
        memcpy(&narrow, &bits32, sizeof narrow);
        value = narrow;
    } else {
        memcpy(&value, &bits, sizeof value);
    }
    msgpack_pack_double(&decoder->bytes->packer, value);
}

static void decode_long(struct decoder *decoder, int kind)
{
    int64_t value = get_long(decoder);
    if (kind == KIND_INT32 && value != (int32_t)value)
        fail(decoder, "an int has more than 32 bits");
    msgpack_pack_int64(&decoder->bytes->packer, value);
}

static void decode_bool(struct decoder *decoder)
{
    const unsigned char *byte = get_bytes(decoder, 1);
    if (byte && *byte > 1)
        fail(decoder, "a boolean is neither 0 nor 1");
    if (byte && *byte)
        msgpack_pack_true(&decoder->bytes->packer);
    else
        msgpack_pack_false(&decoder->bytes->packer);
}

/* The number of items in the next block; 0: there is no other block. */
static uint64_t get_block(struct decoder *decoder)
{
    int64_t count = get_long(decoder);
    if (count >= 0 || decoder->result)
        return decoder->result ? 0 : (uint64_t)count;
    get_long(decoder); /* the block's size, for readers that skip it */
    return -(uint64_t)count;
}

/* All blocks of an array or map. The count in its head is written when it is known, at the end. */
static void decode_blocks(struct decoder *decoder, uint64_t shape, const evlog_class *of,
                          int is_map)
{
    unsigned char head[5] = {is_map ? 0xdf : 0xdd};
    size_t place = decoder->bytes->buffer.size;
    uint64_t total = 0, count;
    bytes_put(decoder->bytes, head, sizeof head);
    while ((count = get_block(decoder)) > 0 && !decoder->result) {
        total += count;
        for (; count > 0 && !decoder->result; count--) {
            if (is_map)
                decode_text(decoder, 0);
            decode(decoder, shape, of);
        }
    }
    for (int i = 1; i < 5 && !decoder->bytes->is_full; i++)
        decoder->bytes->buffer.data[place + (size_t)i] = (char)(total >> (32 - 8 * i));
}

static void decode_record(struct decoder *decoder, const evlog_class *of)
{
    struct fields fields = class_fields(of);
    msgpack_pack_map(&decoder->bytes->packer, fields.count);
    for (size_t i = 0; i < fields.count && !decoder->result; i++) {
        const evlog_field *field = field_at(&fields, i);
        msgpack_pack_str_with_body(&decoder->bytes->packer, field->name, field->name_size);
        decode(decoder, field->shape, field->of);
    }
}

static void decode_container(struct decoder *decoder, uint64_t shape, const evlog_class *of)
{
    if (decoder->depth == EVLOG_DATA_DEPTH_MAX) {
        fail(decoder, "too many records, arrays and maps inside each other");
        return;
    }
    decoder->depth++;
    if (shape_kind(shape) == EVLOG_KIND_CLASS)
        decode_record(decoder, of);
    else
        decode_blocks(decoder, shape_items(shape), of, shape_kind(shape) == EVLOG_KIND_MAP);
    decoder->depth--;
}

/* Reads the branch of a union. 1: it is null, which is written. */
static int decode_branch(struct decoder *decoder, uint64_t shape)
{
    int64_t branch = get_long(decoder);
    int is_last = (shape & KIND_NULL_LAST) != 0;
    if (branch != 0 && branch != 1)
        fail(decoder, "a union has no such branch");
    if (branch != is_last)
        return 0;
    msgpack_pack_nil(&decoder->bytes->packer);
    return 1;
}

static void decode(struct decoder *decoder, uint64_t shape, const evlog_class *of)
{
    if (!decoder->result && decoder->bytes->is_full)
        decoder->result = error_nomem();
    if (!decoder->result && decoder->bytes->buffer.size > EVLOG_DATA_SIZE_MAX)
        decoder->result = error_set(EVLOG_LIMIT, "Avro: the data would be more than %d bytes",
                                    EVLOG_DATA_SIZE_MAX);
    if (decoder->result || (shape_is_nullable(shape) && decode_branch(decoder, shape)))
        return;
    switch (shape_kind(shape)) {
    case EVLOG_KIND_BOOL:
        decode_bool(decoder);
        break;
    case KIND_INT32:
    case EVLOG_KIND_INT64:
        decode_long(decoder, shape_kind(shape));
        break;
    case KIND_FLOAT:
    case EVLOG_KIND_DOUBLE:
        decode_number(decoder, shape_kind(shape));
        break;
    case EVLOG_KIND_CLASS:
    case EVLOG_KIND_LIST:
    case EVLOG_KIND_MAP:
        decode_container(decoder, shape, of);
        break;
    default:
        decode_text(decoder, shape_kind(shape) == EVLOG_KIND_BYTES);
    }
}

int evlog_avro_decode(const evlog_schema *schema, const void *avro, size_t avro_size,
                      evlog_buffer *data)
{
    struct bytes bytes;
    if (!schema || (!avro && avro_size) || !data)
        return error_set(EVLOG_INVALID, "there is no schema, no bytes, or no place for the data");
    const unsigned char *at = avro;
    struct decoder decoder = {.start = at, .at = at, .end = at + avro_size, .bytes = &bytes};
    bytes_begin(&bytes);
    decode(&decoder, EVLOG_KIND_CLASS, &schema->root);
    if (!decoder.result && decoder.at != decoder.end)
        fail(&decoder, "bytes are left over: they were written under another schema");
    return bytes_end(&bytes, decoder.result, data);
}
