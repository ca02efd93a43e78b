/* The forms of texts, and other marks of fields by their paths, see forms.c. */
#ifndef DISPATCH_FORMS_H
#define DISPATCH_FORMS_H

#include "schema.h"

/*
 * Sets schema->forms by the kinds of its fields, in its arena; nothing when all texts are of any
 * form. EVLOG_NOMEM, EVLOG_LIMIT.
 */
int forms_pack(evlog_schema *schema);

/*
 * Gives texts of a schema from Avro's JSON, which says nothing of forms, those that a program
 * gives, or those that a log has (a MessagePack map from path to form; size 0: none). Before
 * others see the schema. EVLOG_INVALID: a path that is not a text, an unknown form, another form
 * of the same field, or a default that is not of its form. EVLOG_NOMEM, EVLOG_LIMIT.
 */
int forms_give(evlog_schema *schema, const evlog_form *forms, size_t count);
int forms_apply(evlog_schema *schema, evlog_bytes packed);

/*
 * Sets schema->personal to the list of these paths, sorted, in its arena. EVLOG_INVALID: one is
 * not a field's, or there twice. EVLOG_NOMEM, EVLOG_LIMIT.
 */
int forms_mark_personal(evlog_schema *schema, const char *const *paths, size_t count);

#endif
