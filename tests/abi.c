/*
 * A program as a user compiles it, which calls the functions that take, fill or pass each struct of
 * the public headers. test_abi.sh compiles it against one version of the headers and runs it with a
 * library whose structs are longer, or shorter; the sanitizer finds what reads or
 * writes past a struct.
 *
 *   abi DIRECTORY [PLUGIN]
 *
 * Compiled with LONGER it also sets what the longer structs have, which a shorter library must refuse.
 *
 * Every array has more than one item and every struct stands alone on the stack, so that a wrong size shows.
 */
#include <evlog.h>
#include <evlog/class.h>
#include <evlog/openedx.h>
#include <evlog/plugin.h>
#include <evlog/schema.h>
#include <evlog/testing.h>
#include <evlog/value.h>
#include <stdio.h>
#include <stdlib.h>

#define OK(call) must((call), #call, __LINE__)
#define IS(condition) must((condition) ? EVLOG_OK : EVLOG_INVALID, #condition, __LINE__)

static const char *where;

static void must(int result, const char *call, int line)
{
    if (result == EVLOG_OK)
        return;
    printf("%s, line %d: %s: %d: %s\n", where, line, call, result, evlog_errmsg());
    exit(1);
}

#define LEARNER(F)  \
    F(INT64, id)    \
    F(STRING, name) \
    F(LIST(STRING), groups)
EVLOG_CLASS(learner, Learner, LEARNER);

#define JOINED(F)              \
    F(CLASS(learner), learner) \
    F(BOOL, is_active)         \
    F(NULLABLE(DATETIME), at)
EVLOG_CLASS(joined, Joined, JOINED);

static const evlog_definition definitions[] = {
    {"org.example.joined.v1", 0, "joined", &joined_class},
    {"org.example.learner.v1", 1, NULL, &learner_class},
};
static const evlog_string groups[] = {{"a", 1}, {"b", 1}};

static const struct joined alice = {
    .learner = {.id = 7, .name = {"alice", 5}, .groups = {groups, 2}}, .is_active = true};

struct heard {
    unsigned count;
    uint64_t last_seq;
};

static int hear(const evlog_event *event, void *ctx)
{
    struct heard *heard = ctx;
    heard->count++;
    heard->last_seq = event->seq;
    IS(event->data && event->data_size && event->event_type[0] == 'o');
    return 0;
}

static int refuse(const evlog_event *event, void *ctx)
{
    (void)event;
    (void)ctx;
    return evlog_fail("refused");
}

/* ---------------------------------------------------------------- sending ---- */

static void send_and_connect(evlog *log, evlog_signal *signals[2])
{
    static struct heard live, late; /* connected until the log is closed */
    evlog_outcome outcome;
    evlog_connect_options options = {.start = EVLOG_START_FIRST, .outcome = &outcome};
    evlog_metadata metadata = {
        .id = {1, 2}, .time_us = 1, .source = "s", .sourcehost = "h", .sourcelib = "1.2"};
    const evlog_header headers[] = {{"b", "2"}, {"a", "1"}};
    evlog_string value;
    evlog_event *event;
    evlog_send_options send_options = {.dispatch = EVLOG_DISPATCH_STRICT,
                                       .metadata = &metadata,
                                       .headers = headers,
                                       .header_count = 2};
    evlog_sent sent, many[3];
    evlog_buffer packed;
    where = "sending";
    OK(evlog_connect(log, NULL, NULL, hear, &live, NULL));
    OK(evlog_send_class(signals[0], &alice, &joined_class, NULL, &sent));
    IS(sent.seq == 1 && sent.response_count == 1 && sent.responses[0]->receiver == hear &&
       sent.responses[0]->ctx == &live && sent.responses[0]->result == 0);
    evlog_sent_free(&sent);
    OK(evlog_class_pack(&definitions[0], &alice, &packed));
    OK(evlog_send_event(signals[0], packed.data, packed.size, &send_options, &sent));
    IS(sent.seq == 2 && sent.id[1] == 2);
    evlog_sent_free(&sent);
    OK(evlog_read(log, 2, &event));
    OK(evlog_event_header(event, "b", &value));
    IS(value.size == 1 && *value.text == '2');
    evlog_event_free(event);

    evlog_sending sends[3] = {
        {.signal = signals[0], .data = packed.data, .data_size = packed.size},
        {.signal = signals[0], .data = packed.data, .data_size = packed.size, .time_us = 5},
        {.signal = signals[0],
         .data = packed.data,
         .data_size = packed.size,
         .metadata = &metadata}};
    OK(evlog_send_events(sends, 3, &(evlog_send_options){.dispatch = EVLOG_DISPATCH_ROBUST},
                         many));
    for (unsigned i = 0; i < 3; i++) {
        IS(many[i].seq == 3 + i && many[i].response_count == 1);
        evlog_sent_free(&many[i]);
    }
    IS(live.count == 5 && live.last_seq == 5);
    OK(evlog_connect(log, signals[0], "late", hear, &late, &options));
    IS(late.count == 5 && outcome.delivered == 5 && outcome.last_seq == 5);
    OK(evlog_connect(log, signals[0], "failing", refuse, NULL, NULL));
    IS(evlog_send_event(signals[0], packed.data, packed.size, NULL, &sent) == EVLOG_RECEIVER);
    IS(sent.seq == 6 && sent.response_count == 3 && sent.responses[2]->result == EVLOG_RECEIVER &&
       strcmp(sent.responses[2]->dispatch_uid, "failing") == 0 &&
       strcmp(sent.responses[2]->error, "refused") == 0);
    evlog_sent_free(&sent);
    OK(evlog_disconnect(log, signals[0], "failing", refuse, NULL));
    evlog_buffer_free(&packed);
}

/* ------------------------------------------------------------ typed events ---- */

static void pack_and_unpack(evlog *log, evlog_signal *signal)
{
    struct joined joined;
    evlog_arena *arena;
    evlog_event *event;
    evlog_buffer packed, avro, back;
    evlog_schema *schema;
    where = "typed events";
    OK(evlog_read(log, 1, &event));
    OK(evlog_unpack(event, &joined_class, &joined, &arena));
    IS(joined.learner.id == 7 && evlog_str_is(joined.learner.name, "alice") &&
       joined.learner.groups.count == 2 && joined.is_active && !joined.at);
    evlog_arena_free(arena);
    evlog_event_free(event);

    OK(evlog_schema_make(&definitions[0], &schema));
    OK(evlog_schema_reads(schema, evlog_signal_schema(signal)));
    OK(evlog_class_pack(&definitions[0], &alice, &packed));
    OK(evlog_schema_check(schema, packed.data, packed.size));
    OK(evlog_class_unpack(&definitions[0], schema, packed.data, packed.size, &joined, &arena));
    IS(joined.learner.id == 7);
    evlog_arena_free(arena);
    OK(evlog_avro_encode(schema, packed.data, packed.size, &avro));
    OK(evlog_avro_decode(schema, avro.data, avro.size, &back));
    OK(evlog_schema_check(schema, back.data, back.size));
    evlog_buffer_free(&packed);
    evlog_buffer_free(&avro);
    evlog_buffer_free(&back);
    evlog_schema_free(schema);
    for (size_t i = 0; evlog_openedx_definition(i); i++)
        IS(evlog_openedx_definition(i)->event_type[0] == 'o' &&
           evlog_openedx_definition(i)->of->size);
    OK(evlog_define_openedx(log));
}

static void find_values(evlog *log)
{
    evlog_event *event;
    evlog_value whole, value, key, item;
    evlog_items items;
    evlog_buffer json;
    size_t count = 0;
    where = "values";
    OK(evlog_read(log, 1, &event));
    OK(evlog_event_find(event, "joined.learner.id", &value));
    IS(value.kind == EVLOG_VALUE_INTEGER && value.integer == 7);
    OK(evlog_data_value(event->data, event->data_size, &whole));
    OK(evlog_value_find(&whole, "joined.learner.groups", &value));
    OK(evlog_items_begin(&value, &items));
    while (evlog_items_next(&items, &key, &item))
        count += item.kind == EVLOG_VALUE_STRING && key.kind == EVLOG_VALUE_NULL;
    IS(count == 2);
    OK(evlog_event_json(event, EVLOG_JSON_LINE, &json));
    evlog_buffer_free(&json);
    OK(evlog_data_json(event->data, event->data_size, EVLOG_JSON_INDENTED, &json));
    evlog_buffer_free(&json);
    evlog_event_free(event);
}

/* ------------------------------------------------------------------ replay ---- */

static void replay(evlog *log)
{
    const char *types[] = {"org.example.*"};
    struct heard heard = {0, 0};
    evlog_outcome outcome;
    evlog_range range = {.first_seq = 2, .types = types, .type_count = 1, .limit = 3};
    where = "replay";
    OK(evlog_replay(log, &range, hear, &heard, &outcome));
    IS(heard.count == 3 && outcome.delivered == 3 && outcome.last_seq == 4);
    OK(evlog_replay(log, NULL, refuse, NULL, NULL) == EVLOG_RECEIVER ? EVLOG_OK : EVLOG_INVALID);
    OK(evlog_replay_to_receivers(log, &(evlog_range){.last_seq = 2}, &outcome));
    IS(outcome.delivered + outcome.failed >= 2);
}

/* --------------------------------------------------------------- consumers ---- */

static int see_parked(const evlog_parked *parked, void *ctx)
{
    *(uint64_t *)ctx = parked->seq;
    return parked->attempt_count == 1 && parked->error[0] ? 0 : 1;
}

static int see_consumer(const evlog_consumer_info *info, void *ctx)
{
    ++*(unsigned *)ctx;
    return info->name[0] && info->parked_count == 1 ? 0 : 1;
}

static void note(const evlog_notice *notice, void *ctx)
{
    *(unsigned *)ctx += notice->kind == EVLOG_NOTICE_PARKED && notice->first_seq == 1;
}

static void consume(evlog *log)
{
    const char *types[] = {"org.example.joined.v1", "org.example.learner.v1"};
    unsigned parked_count = 0, seen = 0;
    uint64_t count, parked_seq = 0;
    struct heard heard = {1, 1};
    evlog_consumer *consumer;
    evlog_consumer_info *info;
    const evlog_event *event;
    evlog_reset reset;
    evlog_consumer_options options = {.types = types,
                                      .type_count = 2,
                                      .attempt_max = 1,
                                      .commit_every = 1,
                                      .notice = note,
                                      .notice_ctx = &parked_count};
    evlog_consumer_options worker = {.worker = 2, .workers = 2, .by = "name", .last_seq = 3};
    where = "consumers";
    OK(evlog_consumer_open(log, "c", &options, &consumer));
    OK(evlog_consumer_poll(consumer, 1, 0, refuse, NULL, &count));
    IS(count == 1 && parked_count == 1);
    OK(evlog_consumer_next(consumer, 0, &event));
    IS(event && event->seq == 2);
    OK(evlog_state_put(consumer, "k", 1, "v", 1));
    OK(evlog_consumer_done(consumer, 2));
    heard.last_seq = 2;
    OK(evlog_consumer_poll(consumer, 0, 0, hear, &heard, &count));
    IS(count == 4 && heard.last_seq == 6);
    OK(evlog_consumer_close(consumer));
    OK(evlog_each_parked(log, "c", see_parked, &parked_seq));
    OK(evlog_each_consumer(log, see_consumer, &seen));
    IS(parked_seq == 1 && seen == 1);
    OK(evlog_consumer_inspect(log, "c", &info));
    IS(info->parked_count == 1 && info->checkpoint >= 6 && info->state_count == 1 &&
       info->type_count == 2);
    evlog_consumer_info_free(info);
    OK(evlog_consumer_reset(
        log, "c", &(evlog_reset_options){.start = EVLOG_START_SEQ, .start_seq = 2}, &reset));
    IS(reset.checkpoint == 1 && reset.old_checkpoint >= 6);
    OK(evlog_consumer_open(log, "g", &worker, &consumer));
    IS(evlog_consumer_name(consumer)[0] == 'g');
    OK(evlog_consumer_close(consumer));
    OK(evlog_consumer_remove(log, "g"));
}

/* ---------------------------------------------------------- looking at a log ---- */

static int see_type(const evlog_type *type, void *ctx)
{
    *(unsigned *)ctx += type->name[0] == 'o' && type->number > 0;
    return 0;
}

static int see_finding(const evlog_finding *finding, uint64_t seq, void *ctx)
{
    (void)seq;
    (void)ctx;
    return finding ? 1 : 0;
}

static void look(evlog *log)
{
    evlog_info info;
    unsigned types = 0;
    uint64_t checked;
    where = "looking";
    OK(evlog_inspect(log, &info));
    IS(info.first_seq == 1 && info.last_seq == 6 && info.type_count > 2 && info.source_count > 0);
    OK(evlog_each_type(log, see_type, &types));
    IS(types == info.type_count);
    OK(evlog_verify(log, see_finding, NULL, &checked));
    IS(checked == 6);
}

static void capture(evlog *log, evlog_signal *signal)
{
    evlog_capture *captured;
    where = "capture";
    OK(evlog_capture_begin(log, NULL, &captured));
    OK(evlog_send_class(signal, &alice, &joined_class, NULL, NULL));
    OK(evlog_send_class(signal, &alice, &joined_class, NULL, NULL));
    IS(evlog_capture_count(captured) == 2 && evlog_capture_event(captured, 1)->seq == 8);
    OK(evlog_capture_end(captured));
}

/* The fields that test_abi.sh has added are options that the library does not have. */
static void ask_for_more(const char *path, evlog_signal *signal)
{
#ifdef LONGER
    evlog *log;
    evlog_options options = {.longer_ = {[7] = 1}};
    evlog_send_options send_options = {.longer_ = {1}};
    where = "options of a later library";
    IS(evlog_open(path, &options, &log) == EVLOG_UNSUPPORTED);
    IS(evlog_send_event(signal, "\x80", 1, &send_options, NULL) == EVLOG_UNSUPPORTED);
#else
    (void)path;
    (void)signal;
#endif
}

int main(int argc, char **argv)
{
    evlog *log;
    evlog_signal *signals[2];
    evlog_options options = {.durability = EVLOG_FAST, .service = "abi", .data_size_max = 1000};
    where = "opening";
    if (argc < 2)
        return 2;
    OK(evlog_open(argv[1], &options, &log));
    for (int i = 0; i < 2; i++)
        OK(evlog_define_class(log, &definitions[i], &signals[i]));
    send_and_connect(log, signals);
    pack_and_unpack(log, signals[0]);
    find_values(log);
    replay(log);
    consume(log);
    look(log);
    capture(log, signals[0]);
    ask_for_more(argv[1], signals[0]);
    if (argc > 2)
        OK(evlog_plugin_load(log, argv[2]));
    OK(evlog_close(log));
    return 0;
}
