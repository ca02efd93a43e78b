/* Parts of events that are printed in place of whole ones: --fields, see fields.c. */
#ifndef FIELDS_H
#define FIELDS_H

#include <stddef.h>
#include <stdio.h>

#include <evlog.h>

#define FIELDS_SHOWN_MAX 64

struct event_field {
    const char *name; /* as it was given; the key in JSON */
    int part;         /* of the event: an index of the table in fields.c */
    const char *path; /* in the data, or the header's name; NULL: the part as a whole */
};

struct fields {
    struct event_field list[FIELDS_SHOWN_MAX];
    size_t count; /* 0: whole events are printed */
};

enum fields_form { FIELDS_TABBED, FIELDS_LINE, FIELDS_INDENTED };

/*
 * Reads NAME,NAME... into more fields. `text` is cut in parts, and has to stay. 0, or -1: it is wrong, or one too many.
 */
int fields_read(struct fields *fields, char *text);

/* Writes the fields of an event, and a newline. 0, or -1 with evlog_errmsg: out of memory, as a rule. */
int fields_put(FILE *out, const struct fields *fields, const evlog_event *event,
               enum fields_form form);

#endif
