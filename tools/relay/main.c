/* evlog-relay: found and run by `evlog relay`. Its verbs and its help. */
#include "tool.h"

#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "relay.h"

/*
 * What the C library takes from the system at a time, and keeps: a put is made of what the one before was made of. What
 * is freed joins what lies beside it (no fast bins), so that the next put has it in order again and not scattered.
 */
#define MEMORY_STEP (1 << 20)
#define MEMORY_KEPT (64 << 20)

static const char help[] =
    "usage: evlog relay out LOG URL TOPIC [OPTION]...\n"
    "       evlog relay out LOG URL --config FILE --name NAME [OPTION]...\n"
    "       evlog relay in LOG URL TOPIC --group GROUP [OPTION]...\n"
    "       evlog relay retry LOG [URL] [--from SEQ]\n"
    "\n"
    "Events from a log to an event bus of Open edX, and from the bus into a log: wire-compatible with\n"
    "the real producers and consumers, and nothing is lost. It ends with 0 when it is caught up, or with\n"
    "-f goes on. A broker that is away is waited for without limit.\n"
    "\n"
    "URL is redis://HOST[:PORT][/DB], rediss://... with TLS, unix:///PATH[?db=DB],\n"
    "kafka://HOST:PORT[,HOST:PORT...]?registry=URL, or @FILE, a file with one, which may have USER:PASSWORD@.\n"
    "Else they are in the environment: EVLOG_RELAY_USER, EVLOG_RELAY_PASSWORD, or the file\n"
    "EVLOG_RELAY_PASSWORD_FILE; the registry's in EVLOG_REGISTRY_USER ... On the command line a password is refused.\n"
    "\n"
    "out: a consumer relay.NAME of the log (see evlog consumer ls, pause, reset; evlog parked). Events that\n"
    "came from a bus are passed over. What has no schema or was erased is parked, and the rest goes on.\n"
    "  -f, --follow        go on with what comes\n"
    "      --name NAME     of the consumer; default: the topic\n"
    "      --type TYPE     only these, as for evlog show; may be repeated\n"
    "      --config FILE   EVENT_BUS_PRODUCER_CONFIG as JSON: {TYPE: {TOPIC: {\"enabled\": true,\n"
    "                      \"event_key_field\": PATH}}}\n"
    "      --prefix P      the full topic is P-TOPIC\n"
    "      --all           also what came from a bus: for a bridge between two\n"
    "      --maxlen N      Redis trims the stream to about N entries (MAXLEN ~)\n"
    "      --key PATH      Kafka's key: a field that is a string, long, double or boolean and never null\n"
    "      --exactly-once  Kafka: a transaction for each put, with the position in it\n"
    "  -X KEY=VALUE        a setting of librdkafka (TLS, SASL); -X @FILE: lines of them, secrets too\n"
    "      --rate N        at most N events a second\n"
    "      --metrics FILE  Prometheus' text, written once a second\n"
    "\n"
    "in: a member of the consumer group GROUP, from its first message on. A message is acknowledged when its\n"
    "event is in the log, once. What cannot be used is kept as evlog.refused.v1 (evlog show\n"
    "LOG --type evlog.refused.v1); evlog relay retry sends it when its schema has been added. What came\n"
    "from Kafka is read by the schema it was written under: for that retry needs URL, for the registry in it.\n"
    "  -f, -X, --prefix, --rate, --metrics as above, and\n"
    "      --group GROUP\n"
    "      --consumer C    its name in the group, unique; default: evlog\n"
    "      --claim-after S Redis: take over what another consumer has had for S seconds; default: 60\n"
    "      --plugin FILE   receivers that get the events as they come\n"
    "\n"
    "Exit status: 0 caught up, or stopped by SIGTERM or SIGINT; 1 something was parked, or is refused still, or\n"
    "a receiver failed; 2 wrong arguments; 3 the log, or what the broker refuses: a supervisor should restart it.\n";

static void keep_memory(void)
{
#ifdef __GLIBC__
    mallopt(M_TOP_PAD, MEMORY_STEP);
    mallopt(M_TRIM_THRESHOLD, MEMORY_KEPT);
    mallopt(M_MXFAST, 0);
    mallopt(M_MMAP_THRESHOLD, 4 * MEMORY_STEP); /* it does not grow by itself any more */
#endif
}

int main(int argc, char **argv)
{
    struct relay_options *options = calloc(1, sizeof *options);
    const char *verb = argc > 1 ? argv[1] : "";
    if (!options)
        return complain(RELAY_STATUS_LOG, "out of memory");
    if (strcmp(verb, "--help") == 0 || strcmp(verb, "-h") == 0) {
        fputs(help, stdout);
        return output_flushed(RELAY_STATUS_DONE);
    }
    keep_memory();
    stop_watch();
    signal(SIGPIPE, SIG_IGN);
    int status;
    if (strcmp(verb, "out") == 0)
        status = options_read_out(argc - 1, argv + 1, options);
    else if (strcmp(verb, "in") == 0)
        status = options_read_in(argc - 1, argv + 1, options);
    else if (strcmp(verb, "retry") == 0)
        status = options_read_retry(argc - 1, argv + 1, options);
    else
        status = complain(RELAY_STATUS_MISUSE,
                          "evlog relay out, in, or retry; see: evlog relay --help");
    if (status < 0)
        status = *verb == 'o'   ? out_run(options)
                 : *verb == 'i' ? in_run(options)
                                : retry_run(options);
    memset(&options->url, 0, sizeof options->url);
    for (size_t i = 0; i < options->topic_count; i++)
        free((char *)options->topics[i]);
    free(options);
    return output_flushed(status);
}
