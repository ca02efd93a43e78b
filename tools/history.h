/* Lines of evlog export: events, and the types they were sent under; see history.c. */
#ifndef HISTORY_H
#define HISTORY_H

#include <msgpack.h>
#include <stdbool.h>

#include <evlog/class.h>

/* An event of a line. Freed with history_free. */
struct history_event {
    const char *type;
    evlog_metadata metadata; /* an id of zeros: it has none */
    bool has_id;
    bool from_event_bus;
    evlog_header *headers;
    size_t header_count;
    size_t data_at, data_size; /* in the buffer that its data was appended to */
    void *owner;               /* of the texts */
    char sourcelib[EVLOG_NAME_SIZE_MAX + 1];
};

/* A type of a line: an event type under one schema. Freed with history_type_free. */
struct history_type {
    const char *name;
    uint64_t number;    /* by which later lines name it; 0: they do not */
    bool is_named_only; /* the line names a type that was defined before, by its number */
    evlog_definition definition; /* without a schema: untyped */
    void *owner;
};

enum history_line {
    HISTORY_WRONG = -1, /* `why` says what is wrong */
    HISTORY_EVENT,
    HISTORY_ERASED, /* an event without its data */
};

/* Whether a line is one of a type: its first key is "define". */
bool history_is_type(const char *line, size_t size);

/* Reads a line with an event, whose data it appends to `data`. */
enum history_line history_read(const char *line, size_t size, struct history_event *event,
                               msgpack_sbuffer *data, char *why, size_t why_size);
void history_free(struct history_event *event);

/* Reads a line with a type. 0, or -1 with a sentence. */
int history_read_type(const char *line, size_t size, struct history_type *type, char *why,
                      size_t why_size);
void history_type_free(struct history_type *type);

#endif
