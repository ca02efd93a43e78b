/*
 * Facts about the events of Open edX, for the tests: a few of each are in tests/openedx/; the
 * whole catalogue, where it is, in $EVLOG_SHARED, ../shared or /work/shared.
 */
#ifndef FACTS_H
#define FACTS_H

#include <jansson.h>

#include "evlog/openedx.h"
#include "evlog/schema.h"
#include "json.h"
#include "test.h"

/* The path of a file of facts, of the few or of all; NULL: all are not here. */
static inline const char *facts_path(int of_all, const char *name)
{
    const char *const places[] = {getenv("EVLOG_SHARED"), "../shared", "/work/shared"};
    static char path[4200];
    if (!of_all) {
        snprintf(path, sizeof path, "tests/openedx/%s", name);
        return path;
    }
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/openedx/%s", places[i] ? places[i] : "", name);
        if (places[i] && access(path, R_OK) == 0)
            return path;
    }
    printf("SKIPPED: no shared/openedx/%s; the few in tests/openedx were tried\n", name);
    return NULL;
}

/* A file of JSON. */
static inline json_t *facts_load(const char *path)
{
    json_error_t error;
    json_t *json = json_load_file(path, 0, &error);
    if (!json)
        fail_msg("%s: %s", path, error.text);
    return json;
}

/* The signals of a catalogue with their schemas, for `use` to try; how many there were. */
static inline size_t facts_each(const char *path, const char *list,
                                void (*use)(json_t *fact, void *ctx), void *ctx)
{
    json_t *facts = facts_load(path), *fact;
    size_t i;
    json_array_foreach(json_object_get(facts, list), i, fact) use(fact, ctx);
    json_decref(facts);
    return i;
}

static inline const char *facts_text(json_t *fact, const char *key)
{
    const char *text = json_string_value(json_object_get(fact, key));
    return text ? text : "";
}

/* The definition of an event type; NULL: none. */
static inline const evlog_definition *definition_of(const char *event_type)
{
    const evlog_definition *definition;
    for (size_t i = 0; (definition = evlog_openedx_definition(i)); i++)
        if (strcmp(definition->event_type, event_type) == 0)
            return definition;
    return NULL;
}

/* JSON as MessagePack, to be freed with msgpack_sbuffer_destroy. */
static inline msgpack_sbuffer facts_packed(const json_t *json)
{
    char why[256];
    msgpack_sbuffer data;
    msgpack_sbuffer_init(&data);
    if (data_of_json(json, &data, why, sizeof why))
        fail_msg("%s", why);
    return data;
}

/* Hex digits as bytes; how many. */
static inline size_t facts_bytes(const char *hex, unsigned char *bytes)
{
    size_t size = strlen(hex) / 2;
    for (size_t i = 0; i < size; i++)
        if (sscanf(hex + 2 * i, "%2hhx", &bytes[i]) != 1)
            fail_msg("not hex: %s", hex);
    return size;
}

#endif
