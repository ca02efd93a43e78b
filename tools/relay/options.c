/*
 * The arguments of the relays.
 *
 * Nothing secret is taken from the command line. The broker's user and password are in the environment,
 * EVLOG_RELAY_USER and EVLOG_RELAY_PASSWORD, or the password in the file EVLOG_RELAY_PASSWORD_FILE; or the
 * URL is given as @FILE, and may have both.
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
    FROM
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
    {NULL, 0, NULL, 0},
};

struct arguments {
    struct relay_options *options;
    const char *prefix, *config;
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
    while ((letter = getopt_long(argc, argv, "f", longs, NULL)) != -1) {
        bool is_allowed = false;
        if (letter == '?')
            return misuse("an option is wrong", NULL);
        for (const int *next = allowed; *next; next++)
            is_allowed |= *next == letter;
        if (!is_allowed)
            return misuse("this relay does not take the option", argv[optind - 1]);
        if (take(arguments, letter))
            return misuse("an option's argument is wrong", optarg);
    }
    return -1;
}

/* ------------------------------------------------------------- secrets ---- */

/* The first line of a file. NULL: it was reported. */
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

static int read_secrets(struct url *url)
{
    const char *user = getenv("EVLOG_RELAY_USER"), *password = getenv("EVLOG_RELAY_PASSWORD");
    const char *path = getenv("EVLOG_RELAY_PASSWORD_FILE");
    char *line = NULL;
    if (path && !password && !(password = line = first_line(path)))
        return RELAY_STATUS_MISUSE;
    bool fits = (!user || strlen(user) < sizeof url->user) &&
                (!password || strlen(password) < sizeof url->password);
    if (fits && user)
        strcpy(url->user, user);
    if (fits && password)
        strcpy(url->password, password);
    free(line);
    return fits ? -1 : misuse("the user or password is too long", NULL);
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
    if (!is_file && *url->password)
        return misuse("a password on the command line can be read by everybody: give it in "
                      "EVLOG_RELAY_PASSWORD, or the URL as @FILE",
                      NULL);
    return read_secrets(url);
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

static int add_route(struct arguments *arguments, const char *type, const char *topic)
{
    struct relay_options *options = arguments->options;
    size_t index = topic_index(arguments, topic);
    if (!*topic || index == TOPICS_MAX || options->route_count == ROUTES_MAX)
        return misuse("an empty topic, or too many", topic);
    options->routes[options->route_count++] = (struct route){type, index};
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
        if (!json_is_object(config) || (enabled && !json_is_boolean(enabled)))
            return misuse("the configuration of a topic is not {\"enabled\": true or false, ...}",
                          topic);
        if (enabled && !json_is_true(enabled))
            continue;
        is_used = true;
        status = add_route(arguments, type, topic);
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
    static const int allowed[] = {'f',    NAME,    TYPES, RATE,   CONFIG,
                                  PREFIX, METRICS, ALL,   MAXLEN, 0};
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
    if (arguments.config && (options->type_count || !options->name))
        return misuse("--config needs --name, and excludes --type", NULL);
    status = arguments.config ? read_config(&arguments)
                              : add_route(&arguments, NULL, argv[optind + 2]);
    if (status < 0 && !options->name)
        options->name = options->topics[0];
    return status;
}

int options_read_in(int argc, char **argv, struct relay_options *options)
{
    static const int allowed[] = {'f', GROUP, CONSUMER, RATE, PREFIX, METRICS, PLUGIN, CLAIM, 0};
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
    return status >= 0 ? status : add_route(&arguments, NULL, argv[optind + 2]);
}

int options_read_retry(int argc, char **argv, struct relay_options *options)
{
    static const int allowed[] = {FROM, 0};
    struct arguments arguments = {.options = options};
    int status = read_all(argc, argv, allowed, &arguments);
    if (status >= 0)
        return status;
    if (argc - optind != 1)
        return misuse("usage: evlog relay retry LOG [--from SEQ]", NULL);
    options->log = argv[optind];
    return -1;
}
