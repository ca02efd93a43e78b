/*
 * The arguments of the relays.
 *
 * Nothing secret is taken from the command line. The broker's user and password are in the environment,
 * EVLOG_RELAY_USER and EVLOG_RELAY_PASSWORD, or the password in the file EVLOG_RELAY_PASSWORD_FILE; or the
 * URL is given as @FILE, and may have both. Those of the schema registry likewise, with EVLOG_REGISTRY_ for
 * EVLOG_RELAY_; other secrets of librdkafka as -X @FILE, lines of KEY=VALUE.
 *
 * --config FILE is EVENT_BUS_PRODUCER_CONFIG as JSON: {TYPE: {TOPIC: {"event_key_field": ..., "enabled": ...}}}.
 */
#include "tool.h"

#include <getopt.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "relay.h"

enum letter {
    GROUP = 256,
    CONSUMER,
    NAME,
    TYPES,
    RATE,
    CONFIG,
    PREFIX,
    METRICS,
    ALL,
    MAXLEN,
    PLUGIN,
    CLAIM,
    FROM,
    KEY,
    EXACTLY_ONCE
};

static const struct option longs[] = {
    {"follow", no_argument, NULL, 'f'},
    {"group", required_argument, NULL, GROUP},
    {"consumer", required_argument, NULL, CONSUMER},
    {"name", required_argument, NULL, NAME},
    {"type", required_argument, NULL, TYPES},
    {"rate", required_argument, NULL, RATE},
    {"config", required_argument, NULL, CONFIG},
    {"prefix", required_argument, NULL, PREFIX},
    {"metrics", required_argument, NULL, METRICS},
    {"all", no_argument, NULL, ALL},
    {"maxlen", required_argument, NULL, MAXLEN},
    {"plugin", required_argument, NULL, PLUGIN},
    {"claim-after", required_argument, NULL, CLAIM},
    {"from", required_argument, NULL, FROM},
    {"key", required_argument, NULL, KEY},
    {"exactly-once", no_argument, NULL, EXACTLY_ONCE},
    {NULL, 0, NULL, 0},
};

struct arguments {
    struct relay_options *options;
    const char *prefix, *config, *key;
};

static int misuse(const char *what, const char *value)
{
    return complain(RELAY_STATUS_MISUSE, "%s%s%s; see: evlog relay --help", what,
                    value ? ": " : "", value ? value : "");
}

/* A number above 0. */
static int read_number(const char *text, uint64_t max, uint64_t *value)
{
    char *end;
    if (*text < '0' || *text > '9')
        return -1;
    *value = strtoull(text, &end, 10);
    return *end || *value == 0 || *value > max ? -1 : 0;
}

static int read_rate(const char *text, double *rate)
{
    char *end;
    *rate = strtod(text, &end);
    return end == text || *end || !(*rate > 0) || *rate > 1e9 ? -1 : 0;
}

static int add(const char **list, size_t *count, size_t max, const char *text)
{
    if (*count == max)
        return -1;
    list[(*count)++] = text;
    return 0;
}

static int take_number(struct relay_options *options, int letter)
{
    uint64_t number;
    switch (letter) {
    case MAXLEN:
        return read_number(optarg, INT64_MAX, &options->stream_length_max);
    case FROM:
        return read_number(optarg, INT64_MAX, &options->first_seq);
    case RATE:
        return read_rate(optarg, &options->per_second);
    default: /* CLAIM */
        if (read_number(optarg, 1000000, &number))
            return -1;
        options->claim_ms = (uint32_t)number * 1000;
        return 0;
    }
}

/* -X KEY=VALUE. Not a secret, and nothing that the relay's promises rest upon. */
static int add_setting(struct relay_options *options, const char *text, bool is_file)
{
    static const char *const own[] = {"bootstrap.servers",
                                      "metadata.broker.list",
                                      "group.id",
                                      "enable.auto.commit",
                                      "enable.auto.offset.store",
                                      "auto.offset.reset",
                                      "enable.idempotence",
                                      "acks",
                                      "request.required.acks",
                                      "transactional.id",
                                      "message.timeout.ms",
                                      "delivery.timeout.ms",
                                      "enable.gapless.guarantee",
                                      "partition.assignment.strategy",
                                      "enable.partition.eof",
                                      "group.protocol"};
    size_t size = strcspn(text, "=");
    if (size == 0 || !text[size])
        return misuse("-X is not KEY=VALUE", is_file ? NULL : text);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (strlen(own[i]) == size && strncmp(text, own[i], size) == 0)
            return misuse("the relay sets this itself", own[i]);
    char *name = strndup(text, size);
    bool is_secret = !name || strstr(name, "password") || strstr(name, "secret") ||
                     strstr(name, "key.pem") || strcmp(name, "sasl.jaas.config") == 0 ||
                     strcmp(name, "sasl.oauthbearer.config") == 0;
    free(name);
    if (is_secret && !is_file)
        return misuse("a secret on the command line can be read by everybody: give it in "
                      "EVLOG_RELAY_PASSWORD, or in a file with -X @FILE",
                      NULL);
    if (add(options->settings, &options->setting_count, SETTINGS_MAX, text))
        return misuse("too many -X", NULL);
    return -1;
}

/* Lines of KEY=VALUE; empty ones and those with '#' are passed over. What they say stays in memory. */
static int add_settings_of(struct relay_options *options, const char *path)
{
    char *line = NULL;
    size_t room = 0;
    int status = -1;
    FILE *file = fopen(path, "r");
    if (!file)
        return complain(RELAY_STATUS_MISUSE, "%s: cannot be read", path);
    while (status < 0 && getline(&line, &room, file) >= 0) {
        line[strcspn(line, "\r\n")] = '\0';
        if (*line && *line != '#') {
            status = add_setting(options, line, true);
            line = NULL; /* it is kept */
            room = 0;
        }
    }
    free(line);
    fclose(file);
    return status;
}

static int take(struct arguments *arguments, int letter)
{
    struct relay_options *options = arguments->options;
    switch (letter) {
    case 'f':
        options->follow = true;
        return 0;
    case ALL:
        options->all = true;
        return 0;
    case GROUP:
        options->group = optarg;
        return 0;
    case CONSUMER:
        options->consumer = optarg;
        return 0;
    case NAME:
        options->name = optarg;
        return 0;
    case CONFIG:
        arguments->config = optarg;
        return 0;
    case PREFIX:
        arguments->prefix = optarg;
        return 0;
    case METRICS:
        options->metrics = optarg;
        return 0;
    case KEY:
        arguments->key = optarg;
        return 0;
    case EXACTLY_ONCE:
        options->exactly_once = true;
        return 0;
    case TYPES:
        return add(options->types, &options->type_count, EVLOG_PATTERNS_MAX, optarg);
    case PLUGIN:
        return add(options->plugins, &options->plugin_count, 16, optarg);
    default:
        return take_number(options, letter);
    }
}

/* `allowed`: the letters of this verb, ended by 0. -1: go on. */
static int read_all(int argc, char **argv, const int *allowed, struct arguments *arguments)
{
    int letter;
    optind = 1;
    while ((letter = getopt_long(argc, argv, "fX:", longs, NULL)) != -1) {
        bool is_allowed = false;
        if (letter == '?')
            return misuse("an option is wrong", NULL);
        for (const int *next = allowed; *next; next++)
            is_allowed |= *next == letter;
        if (!is_allowed)
            return misuse("this relay does not take the option", argv[optind - 1]);
        if (letter == 'X') {
            int status = *optarg == '@' ? add_settings_of(arguments->options, optarg + 1)
                                        : add_setting(arguments->options, optarg, false);
            if (status >= 0)
                return status;
        } else if (take(arguments, letter)) {
            return misuse("an option's argument is wrong", optarg);
        }
    }
    return -1;
}

/* ------------------------------------------------------------- secrets ---- */

static char *first_line(const char *path)
{
    char *line = NULL;
    size_t room = 0;
    FILE *file = fopen(path, "r");
    ssize_t size = file ? getline(&line, &room, file) : -1;
    if (file)
        fclose(file);
    if (size < 0) {
        free(line);
        complain(0, "%s: cannot be read, or is empty", path);
        return NULL;
    }
    line[strcspn(line, "\r\n")] = '\0';
    return line;
}

struct secret {
    const char *user_name, *password_name, *file_name; /* of the environment */
    char *user, *password;
    size_t user_room, password_room;
};

static int read_secret(const struct secret *secret)
{
    const char *user = getenv(secret->user_name), *password = getenv(secret->password_name);
    const char *path = getenv(secret->file_name);
    char *line = NULL;
    if (path && !password && !(password = line = first_line(path)))
        return RELAY_STATUS_MISUSE;
    bool fits = (!user || strlen(user) < secret->user_room) &&
                (!password || strlen(password) < secret->password_room);
    if (fits && user)
        strcpy(secret->user, user);
    if (fits && password)
        strcpy(secret->password, password);
    free(line);
    return fits ? -1 : misuse("the user or password is too long", NULL);
}

static int read_secrets(struct url *url)
{
    const struct secret broker = {
        "EVLOG_RELAY_USER", "EVLOG_RELAY_PASSWORD", "EVLOG_RELAY_PASSWORD_FILE", url->user,
        url->password,      sizeof url->user,       sizeof url->password};
    const struct secret registry = {"EVLOG_REGISTRY_USER",          "EVLOG_REGISTRY_PASSWORD",
                                    "EVLOG_REGISTRY_PASSWORD_FILE", url->registry_user,
                                    url->registry_password,         sizeof url->registry_user,
                                    sizeof url->registry_password};
    int status = read_secret(&broker);
    return status >= 0 || url->scheme != URL_KAFKA ? status : read_secret(&registry);
}

static int read_url(const char *text, struct url *url)
{
    char *line = NULL;
    bool is_file = *text == '@';
    if (is_file && !(line = first_line(text + 1)))
        return RELAY_STATUS_MISUSE;
    int code = url_parse(is_file ? line : text, url);
    free(line);
    if (code)
        return misuse(evlog_errmsg(), NULL);
    if (!is_file && (*url->password || *url->registry_password))
        return misuse("a password on the command line can be read by everybody: give it in "
                      "EVLOG_RELAY_PASSWORD, or the URL as @FILE",
                      NULL);
    const char *missing = broker_missing(url->scheme);
    return missing ? misuse(missing, NULL) : read_secrets(url);
}

/* What one broker has and the other does not. */
static int check_scheme(const struct relay_options *options, bool has_key)
{
    bool is_kafka = options->url.scheme == URL_KAFKA;
    if (!is_kafka && (options->setting_count || options->exactly_once || has_key))
        return misuse("-X, --key and --exactly-once are for kafka:// only", NULL);
    if (is_kafka && options->stream_length_max)
        return misuse("--maxlen is for Redis only", NULL);
    return -1;
}

/* --------------------------------------------------------------- topics ---- */

/* The index of a full topic; TOPICS_MAX: too many, or out of memory. */
static size_t topic_index(struct arguments *arguments, const char *topic)
{
    struct relay_options *options = arguments->options;
    const char *prefix = arguments->prefix ? arguments->prefix : "";
    char *full;
    if (asprintf(&full, "%s%s%s", prefix, *prefix ? "-" : "", topic) < 0)
        return TOPICS_MAX;
    for (size_t i = 0; i < options->topic_count; i++)
        if (strcmp(options->topics[i], full) == 0) {
            free(full);
            return i;
        }
    if (options->topic_count == TOPICS_MAX)
        return TOPICS_MAX;
    options->topics[options->topic_count] = full;
    return options->topic_count++;
}

static int add_route(struct arguments *arguments, const char *type, const char *topic,
                     const char *key)
{
    struct relay_options *options = arguments->options;
    size_t index = topic_index(arguments, topic);
    if (!*topic || index == TOPICS_MAX || options->route_count == ROUTES_MAX)
        return misuse("an empty topic, or too many", topic);
    options->routes[options->route_count++] = (struct route){type, index, key};
    return -1;
}

static int add_topics_of(struct arguments *arguments, const char *type, json_t *topics)
{
    const char *topic;
    json_t *config;
    int status = -1;
    bool is_used = false;
    json_object_foreach(topics, topic, config)
    {
        json_t *enabled = json_object_get(config, "enabled");
        json_t *key = json_object_get(config, "event_key_field");
        if (!json_is_object(config) || (enabled && !json_is_boolean(enabled)) ||
            (key && !json_is_string(key)))
            return misuse("the configuration of a topic is not {\"enabled\": true or false, ...}",
                          topic);
        if (enabled && !json_is_true(enabled))
            continue;
        is_used = true;
        status = add_route(arguments, type, topic, json_string_value(key));
        if (status >= 0)
            return status;
    }
    if (is_used &&
        add(arguments->options->types, &arguments->options->type_count, EVLOG_PATTERNS_MAX, type))
        return misuse("too many types", type);
    return -1;
}

/* The JSON stays in memory: what it names is used as long as the process lives. */
static int read_config(struct arguments *arguments)
{
    json_error_t error;
    const char *type;
    json_t *topics;
    json_t *config = json_load_file(arguments->config, JSON_REJECT_DUPLICATES, &error);
    if (!config)
        return complain(RELAY_STATUS_MISUSE, "%s, line %d: %s", arguments->config, error.line,
                        error.text);
    if (!json_is_object(config))
        return misuse("the configuration is not an object", arguments->config);
    json_object_foreach(config, type, topics)
    {
        int status = json_is_object(topics)
                         ? add_topics_of(arguments, type, topics)
                         : misuse("the topics of a type are not an object", type);
        if (status >= 0)
            return status;
    }
    return arguments->options->route_count
               ? -1
               : misuse("the configuration enables no topic", arguments->config);
}

/* ---------------------------------------------------------------- verbs ---- */

int options_read_out(int argc, char **argv, struct relay_options *options)
{
    static const int allowed[] = {'f',     'X', NAME,   TYPES, RATE,         CONFIG, PREFIX,
                                  METRICS, ALL, MAXLEN, KEY,   EXACTLY_ONCE, 0};
    struct arguments arguments = {.options = options};
    int status = read_all(argc, argv, allowed, &arguments);
    if (status >= 0)
        return status;
    int wanted = arguments.config ? 2 : 3;
    if (argc - optind != wanted)
        return misuse(arguments.config
                          ? "usage: evlog relay out LOG URL --config FILE --name NAME"
                          : "usage: evlog relay out LOG URL TOPIC",
                      NULL);
    options->log = argv[optind];
    status = read_url(argv[optind + 1], &options->url);
    if (status >= 0)
        return status;
    if (arguments.config && (options->type_count || !options->name || arguments.key))
        return misuse("--config needs --name, and excludes --type and --key", NULL);
    status = check_scheme(options, arguments.key);
    if (status >= 0)
        return status;
    status = arguments.config ? read_config(&arguments)
                              : add_route(&arguments, NULL, argv[optind + 2], arguments.key);
    if (status < 0 && !options->name)
        options->name = options->topics[0];
    return status;
}

int options_read_in(int argc, char **argv, struct relay_options *options)
{
    static const int allowed[] = {'f',    'X',     GROUP,  CONSUMER, RATE,
                                  PREFIX, METRICS, PLUGIN, CLAIM,    0};
    struct arguments arguments = {.options = options};
    int status = read_all(argc, argv, allowed, &arguments);
    if (status >= 0)
        return status;
    if (argc - optind != 3 || !options->group || !*options->group)
        return misuse("usage: evlog relay in LOG URL TOPIC --group GROUP", NULL);
    options->log = argv[optind];
    if (!options->consumer)
        options->consumer = "evlog";
    if (!options->claim_ms)
        options->claim_ms = 60000;
    status = read_url(argv[optind + 1], &options->url);
    if (status < 0)
        status = check_scheme(options, false);
    return status >= 0 ? status : add_route(&arguments, NULL, argv[optind + 2], NULL);
}

int options_read_retry(int argc, char **argv, struct relay_options *options)
{
    static const int allowed[] = {FROM, 0};
    struct arguments arguments = {.options = options};
    int status = read_all(argc, argv, allowed, &arguments);
    if (status >= 0)
        return status;
    if (argc - optind != 1 && argc - optind != 2)
        return misuse("usage: evlog relay retry LOG [URL] [--from SEQ]", NULL);
    options->log = argv[optind];
    options->has_url = argc - optind == 2;
    if (options->has_url)
        status = read_url(argv[optind + 1], &options->url);
    if (status < 0 && options->has_url && options->url.scheme != URL_KAFKA)
        return misuse("retry takes the URL of Kafka only, for the registry in it", NULL);
    return status;
}
