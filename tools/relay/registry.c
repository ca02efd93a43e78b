/*
 * A client of a Confluent schema registry: the two requests that the real producers and consumers make.
 *
 *   POST /subjects/SUBJECT/versions?normalize=False   {"schema": TEXT, "schemaType": "AVRO", "references": []}
 *   GET  /schemas/ids/ID?subject=TOPIC-value
 *
 * Nothing is cached here: who asks keeps the ids. A request takes at most REQUEST_WAIT_MS and ends when
 * stopping is asked; an answer has at most ANSWER_SIZE_MAX bytes, and its JSON is not trusted. Redirections are
 * not followed, since they would carry the password elsewhere. TLS is verified, as libcurl does by default.
 *
 * What an answer means: 200 is OK; no answer, 408, 429 and 5xx are BROKER_AWAY; of a schema 404 (its id), 409, 413
 * and 422 are BROKER_UNFIT; all else, wrong credentials among it, needs a hand, and is BROKER_REFUSES.
 */
#include "registry.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUEST_WAIT_MS 10000
#define CONNECT_WAIT_MS 5000
#define ANSWER_SIZE_MAX ((size_t)2 << 20)

struct answer {
    char *text; /* ends in NUL */
    size_t size;
    bool is_too_large;
};

struct registry {
    const struct url *url;
    CURL *curl;
    CURLM *multi;
    struct curl_slist *headers;
    struct answer answer;
    long status;
    char *away_path, *away_body; /* of the request that was BROKER_AWAY; body NULL: a GET */
    char error[CURL_ERROR_SIZE];
};

/* ------------------------------------------------------------- requests ---- */

static size_t take(char *data, size_t one, size_t count, void *ctx)
{
    struct answer *answer = ctx;
    size_t size = one * count;
    answer->is_too_large = answer->size + size > ANSWER_SIZE_MAX;
    if (answer->is_too_large)
        return 0;
    char *text = realloc(answer->text, answer->size + size + 1);
    if (!text)
        return 0;
    memcpy(text + answer->size, data, size);
    answer->text = text;
    answer->size += size;
    text[answer->size] = '\0';
    return size;
}

/* Lets the transfer run to its end. */
static enum outcome run(struct registry *registry, CURLcode *code)
{
    struct curl_waitfd stop = {.fd = stop_fd(), .events = CURL_WAIT_POLLIN};
    int running = 1, left;
    enum outcome outcome = BROKER_OK;
    *code = CURLE_OK;
    if (curl_multi_add_handle(registry->multi, registry->curl))
        return broker_fail(BROKER_AWAY, "registry: out of memory");
    while (running && outcome == BROKER_OK) {
        curl_multi_perform(registry->multi, &running);
        if (stop_is_asked())
            outcome = BROKER_STOPPED;
        else if (running)
            curl_multi_wait(registry->multi, &stop, 1, 1000, NULL);
    }
    for (CURLMsg *msg; (msg = curl_multi_info_read(registry->multi, &left));)
        if (msg->msg == CURLMSG_DONE)
            *code = msg->data.result;
    curl_multi_remove_handle(registry->multi, registry->curl);
    return outcome;
}

/* What the registry says about its refusal, or its status. */
static enum outcome fail_with_answer(struct registry *registry, enum outcome outcome)
{
    json_t *json = registry->answer.text ? json_loads(registry->answer.text, 0, NULL) : NULL;
    const char *message = json_string_value(json_object_get(json, "message"));
    broker_fail(outcome, "the registry %s answers %ld%s%.300s", registry->url->registry,
                registry->status, message ? ": " : "", message ? message : "");
    json_decref(json);
    return outcome;
}

static enum outcome sort_answer(struct registry *registry, CURLcode code, bool is_get)
{
    if (registry->answer.is_too_large)
        return broker_fail(BROKER_UNFIT, "the registry %s answers with more than %zu bytes",
                           registry->url->registry, ANSWER_SIZE_MAX);
    if (code)
        return broker_fail(code == CURLE_PEER_FAILED_VERIFICATION ||
                                   code == CURLE_UNSUPPORTED_PROTOCOL
                               ? BROKER_REFUSES
                               : BROKER_AWAY,
                           "registry %s: %s", registry->url->registry,
                           *registry->error ? registry->error : curl_easy_strerror(code));
    long status = registry->status;
    if (status == 200)
        return BROKER_OK;
    if (status == 408 || status == 429 || status >= 500)
        return fail_with_answer(registry, BROKER_AWAY);
    if ((is_get && status == 404) || status == 409 || status == 413 || status == 422)
        return fail_with_answer(registry, BROKER_UNFIT);
    return fail_with_answer(registry, BROKER_REFUSES);
}

static void forget_away(struct registry *registry)
{
    free(registry->away_path);
    free(registry->away_body);
    registry->away_path = registry->away_body = NULL;
}

/* `path` begins with a slash. `body` NULL: a GET. */
static enum outcome request(struct registry *registry, const char *path, const char *body)
{
    char *url;
    CURLcode code;
    CURL *curl = registry->curl;
    free(registry->answer.text);
    registry->answer = (struct answer){.text = NULL};
    registry->status = 0;
    *registry->error = '\0';
    if (asprintf(&url, "%s%s", registry->url->registry, path) < 0)
        return broker_fail(BROKER_AWAY, "registry: out of memory");
    curl_easy_setopt(curl, CURLOPT_URL, url);
    if (body) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
        curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, body);
    } else {
        curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
    }
    enum outcome outcome = run(registry, &code);
    free(url);
    if (outcome)
        return outcome;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &registry->status);
    outcome = sort_answer(registry, code, !body);
    if (outcome != BROKER_AWAY)
        return outcome;
    char *away_path = strdup(path), *away_body = body ? strdup(body) : NULL;
    forget_away(registry);
    registry->away_path = away_path;
    registry->away_body = away_body;
    return outcome;
}

enum outcome registry_check(struct registry *registry)
{
    if (!registry->away_path)
        return BROKER_OK;
    char *path = registry->away_path, *body = registry->away_body;
    registry->away_path = registry->away_body = NULL;
    enum outcome outcome = request(registry, path, body);
    free(path);
    free(body);
    return outcome == BROKER_UNFIT ? BROKER_OK : outcome; /* it answers */
}

/* ------------------------------------------------------------- the two ---- */

/* The answer as an object; NULL: it is not one. */
static json_t *read_answer(struct registry *registry)
{
    json_t *json = registry->answer.text
                       ? json_loads(registry->answer.text, JSON_REJECT_DUPLICATES, NULL)
                       : NULL;
    if (json_is_object(json))
        return json;
    json_decref(json);
    return NULL;
}

static enum outcome not_understood(const struct registry *registry, enum outcome outcome)
{
    return broker_fail(outcome, "the registry %s answers with something else than a schema",
                       registry->url->registry);
}

enum outcome registry_register(struct registry *registry, const char *subject, const char *text,
                               uint32_t *id)
{
    char *path = NULL;
    char *escaped = curl_easy_escape(registry->curl, subject, 0);
    json_t *json =
        json_pack("{s:s, s:s, s:[]}", "schema", text, "schemaType", "AVRO", "references");
    char *body = json_dumps(json, JSON_ENSURE_ASCII);
    if (!escaped || asprintf(&path, "/subjects/%s/versions?normalize=False", escaped) < 0)
        path = NULL;
    enum outcome outcome = path && body ? request(registry, path, body)
                                        : broker_fail(BROKER_AWAY, "registry: out of memory");
    free(path);
    free(body);
    json_decref(json);
    curl_free(escaped);
    if (outcome)
        return outcome;
    json = read_answer(registry);
    json_t *number = json_object_get(json, "id");
    json_int_t value = json_integer_value(number);
    if (!json_is_integer(number) || value < 0 || value > UINT32_MAX)
        outcome = not_understood(registry, BROKER_REFUSES);
    else
        *id = (uint32_t)value;
    json_decref(json);
    return outcome;
}

enum outcome registry_schema(struct registry *registry, uint32_t id, const char *topic,
                             char **text)
{
    char *path = NULL;
    char *escaped = curl_easy_escape(registry->curl, topic, 0);
    if (!escaped || asprintf(&path, "/schemas/ids/%" PRIu32 "?subject=%s-value", id, escaped) < 0)
        path = NULL;
    enum outcome outcome = path ? request(registry, path, NULL)
                                : broker_fail(BROKER_AWAY, "registry: out of memory");
    free(path);
    curl_free(escaped);
    if (outcome)
        return outcome;
    json_t *json = read_answer(registry);
    const char *schema = json_string_value(json_object_get(json, "schema"));
    const char *kind = json_string_value(json_object_get(json, "schemaType"));
    if (!schema || (kind && strcmp(kind, "AVRO") != 0))
        outcome = not_understood(registry, BROKER_UNFIT);
    else if (!(*text = strdup(schema)))
        outcome = broker_fail(BROKER_AWAY, "registry: out of memory");
    json_decref(json);
    return outcome;
}

/* --------------------------------------------------------------- making ---- */

static void set_up(struct registry *registry)
{
    CURL *curl = registry->curl;
    const struct url *url = registry->url;
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, registry->error);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, registry->headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &registry->answer);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)REQUEST_WAIT_MS);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_WAIT_MS);
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
    if (*url->registry_user || *url->registry_password) {
        curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        curl_easy_setopt(curl, CURLOPT_USERNAME, url->registry_user);
        curl_easy_setopt(curl, CURLOPT_PASSWORD, url->registry_password);
    }
}

struct registry *registry_new(const struct url *url)
{
    struct registry *registry = calloc(1, sizeof *registry);
    if (!registry || curl_global_init(CURL_GLOBAL_DEFAULT)) {
        free(registry);
        return NULL;
    }
    registry->url = url;
    registry->curl = curl_easy_init();
    registry->multi = curl_multi_init();
    struct curl_slist *headers =
        curl_slist_append(NULL, "Content-Type: application/vnd.schemaregistry.v1+json");
    registry->headers =
        headers ? curl_slist_append(headers, "Accept: application/vnd.schemaregistry.v1+json")
                : NULL;
    if (!registry->curl || !registry->multi || !registry->headers) {
        registry_free(registry);
        return NULL;
    }
    set_up(registry);
    return registry;
}

void registry_free(struct registry *registry)
{
    if (!registry)
        return;
    forget_away(registry);
    free(registry->answer.text);
    if (registry->curl)
        curl_easy_cleanup(registry->curl);
    if (registry->multi)
        curl_multi_cleanup(registry->multi);
    curl_slist_free_all(registry->headers);
    free(registry);
}
