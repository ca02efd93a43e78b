/*
 * Schema resolution (Avro 1.11, "Schema Resolution"): whether one schema can read what another
 * wrote.
 *
 * Data carry their field names, so nothing can shift as in Avro's binary form; what can go
 * wrong is that a field is not there, may be null, or is another thing under the same name. The
 * rules:
 *
 *   a field of the reader that the writer lacks   wants a default or fallback
 *   a field of the writer that the reader lacks   is passed over
 *   null where the reader has none                is refused
 *   int is read as long, float, double; long and float as double; string and bytes as each other
 *   records                                       must have the same name
 *   lists and maps                                as their items
 *
 * The names of the top records are not compared: nothing in the data goes by them.
 *
 * Cost: the pairs of fields, not more than PAIRS_MAX: records shared in a tree of a
 * stranger's making could be paired in more ways than there is time for.
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

/* What Avro calls promotion. */
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
        problem_add(&resolve->problems, place, "written as %s, read as %s", kind_avro(from),
                    kind_avro(to));
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
                        "is not there, and the reader has no default for it");
    }
}

int resolve_classes(const evlog_class *reader, const evlog_class *writer, int flags)
{
    static const struct place whole = {.up = NULL};
    struct resolve resolve = {.flags = flags};
    resolve_fields(&resolve, &whole, reader, writer);
    if (resolve.pairs >= PAIRS_MAX)
        return error_set(EVLOG_LIMIT, "the schemas are too intricate to be compared");
    return problems_end(&resolve.problems, EVLOG_CONFLICT);
}

int evlog_schema_reads(const evlog_schema *reader, const evlog_schema *writer)
{
    if (!reader || !writer)
        return error_set(EVLOG_INVALID, "no schema is given");
    return resolve_classes(&reader->root, &writer->root, RESOLVE_NULLS);
}
