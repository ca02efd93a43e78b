/*
 * What a relay needs of the library beside evlog.h: a place for what it could not use.
 *
 * A relay that reads a bus must not lose a message that is no event (its data do not fit its schema, it has
 * no id, its type is not known). It sends it as an event of this type, with its bytes as they came, and
 * may try again when the schema has been added: `evlog relay retry`.
 */
#ifndef EVLOG_RELAY_H
#define EVLOG_RELAY_H

#include <evlog.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The data: {"why": text, "broker": text, "topic": text, "place": text (the broker's id of it),
 * "fields": [[name, value], ...], both bytes, in the message's order; of Kafka the headers, and then "key" and
 * "value", each perhaps nil}. Without `fields` it was larger than EVLOG_DATA_SIZE_MAX allows. Readers pass over keys
 * that they do not know.
 */
#define EVLOG_REFUSED_TYPE "evlog.refused.v1"

/*
 * The signal of EVLOG_REFUSED_TYPE, one of the log's own types, which evlog_define refuses. It is untyped
 * and sent like any other; receivers of all signals do not hear it. Errors of evlog_define.
 */
EVLOG_API int evlog_define_refused(evlog *log, evlog_signal **signal);

#ifdef __cplusplus
}
#endif

#endif
