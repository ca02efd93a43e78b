/*
 * Schemas: Avro's JSON and Avro's bytes.
 */
#ifndef EVLOG_SCHEMA_H
#define EVLOG_SCHEMA_H

#include <evlog.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EVLOG_SCHEMA_SIZE_MAX 262144 /* of its JSON */

/* -------------------------------------------------------------- schemas ---- */

/*
 * Reads a schema from Avro's JSON. What evlog takes: a record (the data's arguments are its
 * fields) of boolean, int, long, float, double, string, bytes, records, arrays, maps, and
 * unions of one of these with null. Other attributes, logicalType too, are passed over.
 * Names follow Avro, but for the namespace, which is an event type. No record holds itself.
 *
 * EVLOG_INVALID: with the byte where it goes wrong. EVLOG_LIMIT: EVLOG_SCHEMA_SIZE_MAX, or a limit in evlog/class.h.
 */
EVLOG_API int evlog_schema_parse(const char *text, evlog_schema **schema);

/* The schema that the signal's events are sent under, as long as its log; NULL: untyped. */
EVLOG_API const evlog_schema *evlog_signal_schema(const evlog_signal *signal);

/* For the schemas made by evlog_schema_parse and evlog_schema_make only. */
EVLOG_API void evlog_schema_free(evlog_schema *schema);

/* Its JSON, as long as it. */
EVLOG_API const char *evlog_schema_text(const evlog_schema *schema);

/*
 * Checks data in full, as a send does. EVLOG_INVALID: evlog_errmsg names each field that is
 * missing, unknown or wrong by its path, separated by "; ", as many as it has room for:
 * `enrollment.user.pii.email: expected string, found integer`.
 */
EVLOG_API int evlog_schema_check(const evlog_schema *schema, const void *data, size_t data_size);

/*
 * Whether all that was written under `writer` can be read under `reader`. EVLOG_CONFLICT:
 * evlog_errmsg names each field that stands against it by its path.
 */
EVLOG_API int evlog_schema_reads(const evlog_schema *reader, const evlog_schema *writer);

/*
 * Data between MessagePack and Avro's binary encoding: as openedx-events puts it on an event
 * bus, byte for byte (map keys in order, one block). Text may be of any form here.
 *
 * EVLOG_INVALID: not of this schema; bytes end too soon or are left over, as they are when
 * the wrong schema is taken. EVLOG_LIMIT: more than EVLOG_DATA_SIZE_MAX would come of it.
 */
EVLOG_API int evlog_avro_encode(const evlog_schema *schema, const void *data, size_t data_size,
                                evlog_buffer *avro);
EVLOG_API int evlog_avro_decode(const evlog_schema *schema, const void *avro, size_t avro_size,
                                evlog_buffer *data);

#ifdef __cplusplus
}
#endif

#endif
