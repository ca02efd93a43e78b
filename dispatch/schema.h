/* What data of an event type must be, see schema.c. */
#ifndef DISPATCH_SCHEMA_H
#define DISPATCH_SCHEMA_H

#include <msgpack.h>

#include "arena.h"
#include "evlog.h"

/* A kind is the lowest byte of a shape. */
#define KIND_OF(shape) ((int)((shape)&0x3f))
#define IS_NULLABLE(shape) (((shape)&EVLOG_KIND_NULLABLE) != 0)
#define NOT_NULLABLE(shape) ((shape) & ~(uint64_t)(EVLOG_KIND_NULLABLE | EVLOG_KIND_NULL_LAST))
#define ITEMS_OF(shape) ((shape) >> 8)

struct evlog_schema {
    evlog_class root;      /* the record whose fields are the arguments of the event */
    const evlog_class *of; /* the C class whose structs the data are made from; NULL: from text */
    const char *argument;  /* the name of the only field of the root that is a record, or NULL */
    const char *text;      /* Avro's JSON */
    const char *canonical; /* the same for all schemas that say the same */
    const char *damage;    /* why its text, from the log, cannot be read; NULL: it can */
    evlog_arena *arena;    /* all that is pointed to here */
    const evlog_class *_Atomic read_as; /* a class that has been found able to read it */
};

const evlog_field *class_fields(const evlog_class *of, size_t *count);

/* The field of that name, looked for from `*hint` on, which is moved behind it; NULL: none. */
const evlog_field *class_find(const evlog_field *fields, size_t count, const char *name,
                              size_t name_size, size_t *hint);

/* 1 when a kind is text in Avro, and evlog_string in a struct but for times and UUIDs. */
int kind_is_text(int kind);
int kind_is_string(int kind);

/* Avro's name of a kind that has one: "long". */
const char *kind_avro(int kind);

/* Bytes of one item of this shape in a C array. */
size_t shape_size(uint64_t shape, const evlog_class *of);

/* 1 when the two describe the same structs: same schema, same kinds, same layout. */
int class_is_same(const evlog_class *a, const evlog_class *b);

/* Sets argument, text (of `event_type`; NULL: it is there) and canonical. EVLOG_NOMEM. */
int schema_finish(evlog_schema *schema, const char *event_type);

/* A new one with nothing but its arena. NULL: no memory. */
evlog_schema *schema_new(void);

/* 1 when a record or field can be called so in Avro. */
int schema_is_name(const char *name, size_t size);

/* 1 when the fallback of a field is a value of it; else `*why` says why not. */
int schema_is_fallback(const evlog_field *field, const char **why);

/* A growing buffer of bytes; is_full once there was no memory, and what is put then is lost. */
struct bytes {
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    int is_full;
};

void bytes_begin(struct bytes *bytes);
void bytes_put(struct bytes *bytes, const void *data, size_t size);
void bytes_free(struct bytes *bytes);

/* A string as MessagePack; the short ones, which keys are, without a detour. */
void bytes_put_text(struct bytes *bytes, const char *text, size_t size);

/* Gives the bytes away as `buffer`, or frees them when some were lost: EVLOG_NOMEM. */
int bytes_end(struct bytes *bytes, evlog_buffer *buffer);

#endif
