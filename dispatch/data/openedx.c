/*
 * The definitions of the events of Open edX, made from the list in evlog/openedx.h.
 */
#include "evlog/openedx.h"

#define DEFINITION(constant, name, tag, type) \
    {.event_type = type, .argument = #name, .of = &tag##_class},

static const evlog_definition definitions[] = {OPENEDX_EVENTS(DEFINITION)};

const evlog_definition *evlog_openedx_definition(size_t i)
{
    return i < sizeof definitions / sizeof *definitions ? &definitions[i] : NULL;
}
