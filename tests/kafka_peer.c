/*
 * The other side of the relays to and from Kafka, for the tests: librdkafka's mock brokers, and a program that writes
 * and reads records as they are.
 *
 *   kafka_peer mock COUNT               prints HOST:PORT,...; then a line "ok" for each command on standard input:
 *                                       topic NAME PARTITIONS | down | up | error API CODE COUNT
 *   kafka_peer read BROKERS TOPIC       all records: PARTITION OFFSET KEY VALUE NAME=VALUE...; committed ones only
 *   kafka_peer write BROKERS TOPIC      records from standard input, without the offset; PARTITION -1: by the key
 *   kafka_peer produce BROKERS TOPIC COUNT SIZE HEADERS   so many records of zeros, as fast as librdkafka takes them
 *   kafka_peer group BROKERS GROUP TOPIC          its offset in each partition, and the metadata
 *   kafka_peer reset BROKERS GROUP TOPIC OFFSET   sets them, without metadata
 *
 * Keys, values and headers are in hexadecimal; "-" is null. Everything waits at most WAIT_MS.
 */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS 30000

static void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

static rd_kafka_t *make(rd_kafka_type_t type, const char *const *settings)
{
    char why[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    for (; settings[0]; settings += 2)
        if (rd_kafka_conf_set(conf, settings[0], settings[1], why, sizeof why))
            die("%s: %s", settings[0], why);
    rd_kafka_t *client = rd_kafka_new(type, conf, why, sizeof why);
    if (!client)
        die("%s", why);
    return client;
}

/* ----------------------------------------------------------------- mock ---- */

static void obey(rd_kafka_mock_cluster_t *cluster, int broker_count, const char *line)
{
    char name[256];
    int number, code, times;
    if (sscanf(line, "topic %255s %d", name, &number) == 2) {
        if (rd_kafka_mock_topic_create(cluster, name, number, 1))
            die("topic");
    } else if (sscanf(line, "error %d %d %d", &number, &code, &times) == 3) {
        while (times-- > 0)
            rd_kafka_mock_push_request_errors(cluster, (int16_t)number, 1,
                                              (rd_kafka_resp_err_t)code);
    } else {
        for (int i = 1; i <= broker_count; i++)
            if (strncmp(line, "down", 4) == 0)
                rd_kafka_mock_broker_set_down(cluster, i);
            else
                rd_kafka_mock_broker_set_up(cluster, i);
    }
}

static void mock(int broker_count)
{
    const char *const settings[] = {NULL};
    char line[512];
    rd_kafka_t *client = make(RD_KAFKA_PRODUCER, settings);
    rd_kafka_mock_cluster_t *cluster = rd_kafka_mock_cluster_new(client, broker_count);
    puts(rd_kafka_mock_cluster_bootstraps(cluster));
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        obey(cluster, broker_count, line);
        puts("ok");
        fflush(stdout);
    }
}

/* -------------------------------------------------------------- records ---- */

static void put_hex(const void *data, size_t size)
{
    const unsigned char *bytes = data;
    if (!data)
        putchar('-');
    for (size_t i = 0; data && i < size; i++)
        printf("%02x", bytes[i]);
}

/* In place. -1: null. */
static ssize_t from_hex(char *text)
{
    size_t size = strlen(text) / 2;
    unsigned byte;
    if (strcmp(text, "-") == 0)
        return -1;
    for (size_t i = 0; i < size; i++) {
        if (sscanf(text + 2 * i, "%2x", &byte) != 1)
            die("not hexadecimal: %s", text);
        text[i] = (char)byte;
    }
    return (ssize_t)size;
}

static void print_record(const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers;
    const char *name;
    const void *value;
    size_t size;
    printf("%d %lld ", (int)message->partition, (long long)message->offset);
    put_hex(message->key, message->key_len);
    putchar(' ');
    put_hex(message->payload, message->len);
    if (rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR)
        for (size_t i = 0; !rd_kafka_header_get_all(headers, i, &name, &value, &size); i++) {
            printf(" %s=", name);
            put_hex(value, size);
        }
    putchar('\n');
}

static int partition_count(rd_kafka_t *client, const char *topic)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(client, topic, NULL);
    if (rd_kafka_metadata(client, 0, handle, &metadata, WAIT_MS))
        die("no metadata");
    int count = metadata->topic_cnt ? metadata->topics[0].partition_cnt : 0;
    rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(handle);
    return count;
}

static rd_kafka_topic_partition_list_t *partitions(rd_kafka_t *client, const char *topic)
{
    int count = partition_count(client, topic);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(count + 1);
    for (int i = 0; i < count; i++)
        rd_kafka_topic_partition_list_add(list, topic, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    return list;
}

static void read_all(const char *brokers, const char *topic)
{
    const char *const settings[] = {"bootstrap.servers",
                                    brokers,
                                    "group.id",
                                    "peer",
                                    "enable.partition.eof",
                                    "true",
                                    "enable.auto.commit",
                                    "false",
                                    "isolation.level",
                                    "read_committed",
                                    NULL};
    rd_kafka_t *client = make(RD_KAFKA_CONSUMER, settings);
    rd_kafka_poll_set_consumer(client);
    rd_kafka_topic_partition_list_t *list = partitions(client, topic);
    int left = list->cnt;
    rd_kafka_assign(client, list);
    while (left > 0) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(client, WAIT_MS);
        if (!message)
            die("no record in time");
        if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
            left--;
        else if (!message->err)
            print_record(message);
        rd_kafka_message_destroy(message);
    }
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_consumer_close(client);
    rd_kafka_destroy(client);
}

static void hear(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
    (void)client;
    (void)opaque;
    if (message->err)
        die("%s", rd_kafka_err2str(message->err));
}

static void write_record(rd_kafka_t *client, const char *topic, char *line)
{
    char *save, *partition = strtok_r(line, " \n", &save);
    char *key = strtok_r(NULL, " \n", &save), *value = strtok_r(NULL, " \n", &save);
    rd_kafka_headers_t *headers = rd_kafka_headers_new(16);
    if (!value)
        die("a record is PARTITION KEY VALUE ...");
    for (char *pair; (pair = strtok_r(NULL, " \n", &save));) {
        char *text = strchr(pair, '=');
        if (!text)
            die("a header is NAME=VALUE");
        *text++ = '\0';
        ssize_t size = from_hex(text);
        rd_kafka_header_add(headers, pair, -1, size < 0 ? NULL : text, size < 0 ? 0 : size);
    }
    ssize_t key_size = from_hex(key), size = from_hex(value);
    if (key_size < 0)
        key = NULL;
    if (size < 0)
        value = NULL;
    size_t key_bytes = key ? (size_t)key_size : 0, value_bytes = value ? (size_t)size : 0;
    rd_kafka_resp_err_t error = rd_kafka_producev(
        client, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(atoi(partition)),
        RD_KAFKA_V_KEY(key, key_bytes), RD_KAFKA_V_VALUE(value, value_bytes),
        RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
    if (error)
        die("%s", rd_kafka_err2str(error));
    rd_kafka_poll(client, 0);
}

static rd_kafka_t *make_producer(const char *brokers)
{
    const char *const settings[] = {"bootstrap.servers", brokers, "enable.idempotence", "true",
                                    NULL};
    char why[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    for (size_t i = 0; settings[i]; i += 2)
        rd_kafka_conf_set(conf, settings[i], settings[i + 1], why, sizeof why);
    rd_kafka_conf_set_dr_msg_cb(conf, hear);
    return rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
}

static void end_producing(rd_kafka_t *client)
{
    if (rd_kafka_flush(client, WAIT_MS))
        die("not written in time");
    rd_kafka_destroy(client);
}

static void write_all(const char *brokers, const char *topic)
{
    rd_kafka_t *client = make_producer(brokers);
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, stdin) > 0)
        write_record(client, topic, line);
    end_producing(client);
    free(line);
}

/* What librdkafka's rdkafka_performance -P does. */
static void produce(const char *brokers, const char *topic, long count, size_t size, int headers)
{
    rd_kafka_t *client = make_producer(brokers);
    void *value = calloc(1, size);
    while (count > 0) {
        rd_kafka_headers_t *list = rd_kafka_headers_new(16);
        for (int i = 0; i < headers; i++)
            rd_kafka_header_add(list, "ce_header", -1, "01234567890123456789", -1);
        rd_kafka_resp_err_t error = rd_kafka_producev(
            client, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_VALUE(value, size),
            RD_KAFKA_V_HEADERS(list), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
        if (error)
            rd_kafka_headers_destroy(list);
        if (error && error != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            die("%s", rd_kafka_err2str(error));
        count -= !error;
        rd_kafka_poll(client, error ? 10 : 0);
    }
    end_producing(client);
    free(value);
}

static void group(const char *brokers, const char *name, const char *topic, const char *offset)
{
    const char *const settings[] = {"bootstrap.servers", brokers, "group.id", name, NULL};
    rd_kafka_t *client = make(RD_KAFKA_CONSUMER, settings);
    rd_kafka_topic_partition_list_t *list = partitions(client, topic);
    for (int i = 0; offset && i < list->cnt; i++)
        list->elems[i].offset = atoll(offset);
    rd_kafka_resp_err_t error =
        offset ? rd_kafka_commit(client, list, 0) : rd_kafka_committed(client, list, WAIT_MS);
    if (error)
        die("%s", rd_kafka_err2str(error));
    for (int i = 0; !offset && i < list->cnt; i++)
        printf("%d %lld %.*s\n", i, (long long)list->elems[i].offset,
               (int)list->elems[i].metadata_size,
               list->elems[i].metadata ? (const char *)list->elems[i].metadata : "");
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(client);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "mock") == 0 && argc == 3)
        mock(atoi(argv[2]));
    else if (strcmp(what, "read") == 0 && argc == 4)
        read_all(argv[2], argv[3]);
    else if (strcmp(what, "write") == 0 && argc == 4)
        write_all(argv[2], argv[3]);
    else if (strcmp(what, "produce") == 0 && argc == 7)
        produce(argv[2], argv[3], atol(argv[4]), strtoul(argv[5], NULL, 10), atoi(argv[6]));
    else if (strcmp(what, "group") == 0 && argc == 5)
        group(argv[2], argv[3], argv[4], NULL);
    else if (strcmp(what, "reset") == 0 && argc == 6)
        group(argv[2], argv[3], argv[4], argv[5]);
    else
        die("usage: kafka_peer mock | read | write | produce | group | reset");
    return 0;
}
