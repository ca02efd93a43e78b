/*
 * Typed events, and imports, without memory: each allocation in turn fails, and the call says so and leaves
 * nothing.
 */
#include "evlog/upkeep.h"
#include "shop.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

/* This allocation of this thread from now fails, not one of the flusher's; 0: none. */
static _Thread_local unsigned long failing;

static int fails_now(void)
{
    return failing > 0 && --failing == 0;
}

void *__wrap_malloc(size_t size)
{
    return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails_now() ? NULL : __real_realloc(old, size);
}

static struct shop_order order;
static evlog_schema *schema;
static evlog_buffer packed, avro;
static evlog *a_log;
static evlog_signal *signal_of;

static int make(void)
{
    evlog_schema *made;
    int result = evlog_schema_make(&shop_definition, &made);
    if (result == EVLOG_OK)
        evlog_schema_free(made);
    return result;
}

static int parse(void)
{
    evlog_schema *made;
    int result = evlog_schema_parse(evlog_schema_text(schema), &made);
    if (result == EVLOG_OK)
        evlog_schema_free(made);
    return result;
}

static int pack(void)
{
    evlog_buffer buffer;
    int result = evlog_class_pack(&shop_definition, &order, &buffer);
    if (result == EVLOG_OK)
        evlog_buffer_free(&buffer);
    return result;
}

static int unpack(void)
{
    struct shop_order read;
    evlog_arena *arena;
    int result =
        evlog_class_unpack(&shop_definition, schema, packed.data, packed.size, &read, &arena);
    if (result == EVLOG_OK)
        evlog_arena_free(arena);
    return result;
}

static int encode(void)
{
    evlog_buffer buffer;
    int result = evlog_avro_encode(schema, packed.data, packed.size, &buffer);
    if (result == EVLOG_OK)
        evlog_buffer_free(&buffer);
    return result;
}

static int decode(void)
{
    evlog_buffer buffer;
    int result = evlog_avro_decode(schema, avro.data, avro.size, &buffer);
    if (result == EVLOG_OK)
        evlog_buffer_free(&buffer);
    return result;
}

static int define(void)
{
    return evlog_define_class(a_log, &shop_definition, &signal_of);
}

static int send(void)
{
    evlog_sent sent;
    const evlog_header header = {"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad-01"};
    const evlog_send_options options = {.headers = &header, .header_count = 1};
    int result = evlog_send_class(signal_of, &order, &shop_order_class, &options, &sent);
    evlog_sent_free(&sent);
    return result;
}

static evlog_signal *import_signal;
static evlog_import an_import;

static int import_define(void)
{
    const evlog_definition definition = {.event_type = "org.example.free.v1"};
    return evlog_import_define(a_log, &definition, &import_signal);
}

static int import(void)
{
    const evlog_header header = {"a", "b"};
    evlog_metadata metadata = {.source = "elsewhere"};
    evlog_sending send = {.signal = import_signal,
                          .data = SMALL_MAP("\x01"),
                          .data_size = 4,
                          .metadata = &metadata,
                          .headers = &header,
                          .header_count = 1};
    evlog_sending sends[2] = {send, send};
    return evlog_import_events(a_log, sends, 2, &an_import);
}

static int import_find(void)
{
    return evlog_import_find(a_log, &an_import);
}

/*
 * Lets the first, second, third ... allocation fail until the call gets through; it may get
 * through also where it tries again (of a type that the log has got by then).
 */
static void each_failing(const char *what, int (*call)(void))
{
    for (unsigned long n = 1;; n++) {
        failing = n;
        int result = call();
        int got_through = failing > 0;
        failing = 0;
        if (got_through && result)
            fail_msg("%s: %d without a reason: %s", what, result, evlog_errmsg());
        if (got_through) {
            printf("%s: %lu allocations\n", what, n - 1);
            return;
        }
        bool tries_again = call == define || call == import_define || call == import;
        if (result != EVLOG_NOMEM && !(result == EVLOG_OK && tries_again))
            fail_msg("%s: %d when allocation %lu fails: %s", what, result, n, evlog_errmsg());
    }
}

static void says_when_there_is_no_memory(void **state)
{
    evlog_info info;
    order = shop_order_full();
    order.currency.text = NULL; /* so that its default is sent */
    OK(evlog_schema_make(&shop_definition, &schema));
    OK(evlog_class_pack(&shop_definition, &order, &packed));
    OK(evlog_avro_encode(schema, packed.data, packed.size, &avro));
    OK(evlog_open(in(*state, "log"), &(evlog_options){.durability = EVLOG_FAST}, &a_log));
    each_failing("make", make);
    each_failing("parse", parse);
    each_failing("pack", pack);
    each_failing("unpack", unpack);
    each_failing("encode", encode);
    each_failing("decode", decode);
    each_failing("define", define);
    each_failing("send", send);
    OK(evlog_inspect(a_log, &info));
    assert_int_equal(info.last_seq, 1);
    each_failing("import_define", import_define);
    each_failing("import", import);
    each_failing("import_find", import_find);
    OK(evlog_inspect(
        a_log, &info)); /* the batches that were reported, each with its note, and no others */
    assert_int_equal(info.last_seq, 1 + an_import.event_count / 2 * 3);
    OK(evlog_close(a_log));
    evlog_buffer_free(&packed);
    evlog_buffer_free(&avro);
    evlog_schema_free(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(says_when_there_is_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
