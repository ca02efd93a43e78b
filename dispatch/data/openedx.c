/*
 * The events of Open edX: their definitions, made from the list in openedx.h.
 *
 * Defining them all writes 75 types into a new log, one commit each; into one that has
 * them it writes nothing.
 */
#include "evlog/openedx.h"

#define DEFINITION(constant, argument, tag, event_type) {event_type, 0, #argument, &tag##_class},

static const evlog_definition definitions[] = {OPENEDX_EVENTS(DEFINITION)};

#define DEFINITION_COUNT (sizeof definitions / sizeof *definitions)

const evlog_definition *evlog_openedx(size_t *count)
{
    if (count)
        *count = DEFINITION_COUNT;
    return definitions;
}

int evlog_define_openedx(evlog *log)
{
    int result = EVLOG_OK;
    evlog_signal *signal;
    for (size_t i = 0; i < DEFINITION_COUNT && result == EVLOG_OK; i++)
        result = evlog_define_class(log, &definitions[i], &signal);
    return result;
}
