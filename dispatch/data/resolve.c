/*
 * Schema resolution (Avro 1.11, "Schema Resolution"): whether one schema can read what another
 * wrote.
 *
 * Data contains the names of its fields, so fields cannot be mistaken for each other as in Avro's
 * binary form. What can go wrong is that a field is missing, may be null, or is of another type
 * under the same name. The rules:
 *
 *   a field of the reader that the writer lacks   must have a default or fallback
 *   a field of the writer that the reader lacks   is skipped
 *   null where the reader's field has none        is refused
 *   int is read as long, float, double; long and float as double; string and bytes as each other
 *   records                                       must have the same name
 *   lists and maps                                follow the rule of their items
 *
 * The names of the outermost records are not compared, since the data does not contain them.
 *
 * Cost: one step for each pair of fields, at most PAIRS_MAX: records that a hostile schema shares
 * could be paired in exponentially many ways.
 */
#include "resolve.h"

#include <string.h>

#include "error.h"
#include "problems.h"
#include "schema.h"

#define PAIRS_MAX 200000

struct resolve {
    struct problems problems;
    int flags;
    unsigned pairs;
};

static void resolve_fields(struct resolve *resolve, const struct place *place,
                           const evlog_class *reader, const evlog_class *writer);

/* Avro's type promotion. */
static int is_widened(int reader, int writer)
{
    switch (writer) {
    case KIND_INT32:
        return reader == EVLOG_KIND_INT64 || reader == KIND_FLOAT || reader == EVLOG_KIND_DOUBLE;
    case EVLOG_KIND_INT64:
        return reader == KIND_FLOAT || reader == EVLOG_KIND_DOUBLE;
    case KIND_FLOAT:
        return reader == EVLOG_KIND_DOUBLE;
    case EVLOG_KIND_BYTES:
        return kind_is_text(reader);
    default:
        return kind_is_text(writer) && reader == EVLOG_KIND_BYTES;
    }
}

static void resolve_shapes(struct resolve *resolve, const struct place *place, uint64_t reader,
                           const evlog_class *reader_of, uint64_t writer,
                           const evlog_class *writer_of)
{
    struct place items = {.up = place, .name = "*", .name_size = 1, .is_key = 1};
    if (shape_is_nullable(writer) && !shape_is_nullable(reader) && resolve->flags & RESOLVE_NULLS)
        problem_add(&resolve->problems, place, "may be null, which the reader has no room for");
    int from = shape_kind(writer), to = shape_kind(reader);
    int is_same = from == to || (kind_is_text(from) && kind_is_text(to));
    if (!is_same && !is_widened(to, from))
        problem_add(&resolve->problems, place, "written as %s, read as %s", kind_of(from)->avro,
                    kind_of(to)->avro);
    else if (to == EVLOG_KIND_LIST || to == EVLOG_KIND_MAP)
        resolve_shapes(resolve, &items, shape_items(reader), reader_of, shape_items(writer),
                       writer_of);
    else if (to == EVLOG_KIND_CLASS && strcmp(reader_of->name, writer_of->name) != 0)
        problem_add(&resolve->problems, place, "written as %.64s, read as %.64s", writer_of->name,
                    reader_of->name);
    else if (to == EVLOG_KIND_CLASS)
        resolve_fields(resolve, place, reader_of, writer_of);
}

static void resolve_fields(struct resolve *resolve, const struct place *place,
                           const evlog_class *reader, const evlog_class *writer)
{
    size_t hint = 0;
    struct fields fields = class_fields(reader);
    struct fields written = class_fields(writer);
    for (size_t i = 0; i < fields.count && resolve->pairs++ < PAIRS_MAX; i++) {
        const evlog_field *field = field_at(&fields, i);
        struct place at = {place, field->name, field->name_size, 0, 0};
        const evlog_field *from = class_find(&written, field->name, field->name_size, &hint);
        if (from)
            resolve_shapes(resolve, &at, field->shape, field->of, from->shape, from->of);
        else if (!field->fallback)
            problem_add(&resolve->problems, &at,
                        "is missing, and the reader has no default for it");
    }
}

int resolve_classes(const evlog_class *reader, const evlog_class *writer, int flags)
{
    static const struct place whole = {.up = NULL};
    struct resolve resolve = {.flags = flags};
    resolve_fields(&resolve, &whole, reader, writer);
    if (resolve.pairs >= PAIRS_MAX)
        return error_set(EVLOG_LIMIT, "the schemas are too complex to be compared");
    return problems_end(&resolve.problems, EVLOG_CONFLICT);
}

int evlog_schema_reads(const evlog_schema *reader, const evlog_schema *writer)
{
    if (!reader || !writer)
        return error_set(EVLOG_INVALID, "there is no schema");
    return resolve_classes(&reader->root, &writer->root, RESOLVE_NULLS);
}
