/* Structs sent and events read into structs, also under older and newer schemas. */
#include "bytes.h"
#include "shop.h"

#define THING_TYPE "org.example.thing.v1"

struct shop {
    evlog *log;
    evlog_signal *signal;
};

static void open_shop(struct shop *shop, const void *home)
{
    OK(evlog_open(in(home, "log"), &(evlog_options){.durability = EVLOG_FAST}, &shop->log));
    OK(evlog_define_class(shop->log, &shop_definition, &shop->signal));
}

static void same_string(evlog_string a, evlog_string b)
{
    assert_int_equal(!a.text, !b.text);
    assert_int_equal(a.size, b.size);
    if (a.size)
        assert_memory_equal(a.text, b.text, a.size);
}

static void same_strings(const evlog_string *a, const evlog_string *b, size_t count)
{
    for (size_t i = 0; i < count; i++)
        same_string(a[i], b[i]);
}

#define SAME_POINTED(a, b)                              \
    do {                                                \
        assert_int_equal(!(a), !(b));                   \
        if (a)                                          \
            assert_memory_equal((a), (b), sizeof *(a)); \
    } while (0)

static void same_person(const struct shop_person *a, const struct shop_person *b)
{
    same_string(a->name, b->name);
    same_string(a->email, b->email);
}

static void same_items(const struct shop_order *a, const struct shop_order *b)
{
    assert_int_equal(a->items.count, b->items.count);
    for (size_t i = 0; i < a->items.count; i++) {
        const struct shop_item *x = &a->items.items[i], *y = &b->items.items[i];
        same_string(x->title, y->title);
        assert_int_equal(x->cents, y->cents);
        assert_int_equal(x->labels.count, y->labels.count);
        same_strings(x->labels.keys, y->labels.keys, x->labels.count);
        same_strings(x->labels.values, y->labels.values, x->labels.count);
    }
}

static void same_containers(const struct shop_order *a, const struct shop_order *b)
{
    assert_int_equal(a->tags.count, b->tags.count);
    same_strings(a->tags.items, b->tags.items, a->tags.count);
    assert_int_equal(a->grid.count, b->grid.count);
    for (size_t i = 0; i < a->grid.count; i++) {
        size_t count = a->grid.items[i].count;
        assert_int_equal(count, b->grid.items[i].count);
        if (count)
            assert_memory_equal(a->grid.items[i].items, b->grid.items[i].items,
                                count * sizeof(int64_t));
    }
    assert_int_equal(a->notes.count, b->notes.count);
    for (size_t i = 0; i < a->notes.count; i++) {
        assert_int_equal(a->notes.items[i].count, b->notes.items[i].count);
        same_strings(a->notes.items[i].values, b->notes.items[i].values, a->notes.items[i].count);
    }
    assert_int_equal(a->flags.count, b->flags.count);
    if (a->flags.count)
        assert_memory_equal(a->flags.values, b->flags.values, a->flags.count * sizeof(bool));
    assert_int_equal(a->groups.count, b->groups.count);
    for (size_t i = 0; i < a->groups.count; i++)
        same_strings(a->groups.values[i].items, b->groups.values[i].items,
                     a->groups.values[i].count);
    assert_int_equal(a->rates.count, b->rates.count);
    for (size_t i = 0; i < a->rates.count; i++)
        assert_memory_equal(a->rates.values[i].values, b->rates.values[i].values,
                            a->rates.values[i].count * sizeof(double));
    assert_int_equal(!a->counts, !b->counts);
    if (a->counts)
        assert_memory_equal(a->counts->values, b->counts->values,
                            a->counts->count * sizeof(int64_t));
    assert_int_equal(!a->codes, !b->codes);
    if (a->codes)
        same_strings(a->codes->items, b->codes->items, a->codes->count);
}

static void same_holes(const struct shop_order *a, const struct shop_order *b)
{
    assert_int_equal(a->holes.count, b->holes.count);
    for (size_t i = 0; i < a->holes.count; i++)
        SAME_POINTED(a->holes.items[i], b->holes.items[i]);
    assert_int_equal(a->maybes.count, b->maybes.count);
    same_strings(a->maybes.values, b->maybes.values, a->maybes.count);
    assert_int_equal(a->guests.count, b->guests.count);
    for (size_t i = 0; i < a->guests.count; i++) {
        assert_int_equal(!a->guests.items[i], !b->guests.items[i]);
        if (a->guests.items[i])
            same_person(a->guests.items[i], b->guests.items[i]);
    }
}

static void same_order(const struct shop_order *a, const struct shop_order *b)
{
    assert_memory_equal(&a->id, &b->id, sizeof a->id);
    same_person(&a->buyer, &b->buyer);
    assert_int_equal(!a->receiver, !b->receiver);
    if (a->receiver)
        same_person(a->receiver, b->receiver);
    same_items(a, b);
    assert_true(a->ordered == b->ordered && a->is_gift == b->is_gift && a->weight == b->weight);
    SAME_POINTED(a->paid, b->paid);
    SAME_POINTED(a->is_fragile, b->is_fragile);
    SAME_POINTED(a->discount, b->discount);
    SAME_POINTED(a->floor, b->floor);
    SAME_POINTED(a->parcel, b->parcel);
    assert_int_equal(a->signature.size, b->signature.size);
    assert_int_equal(!a->photo, !b->photo);
    if (a->photo)
        assert_memory_equal(a->photo->data, b->photo->data, a->photo->size);
    same_string(a->course_key, b->course_key);
    same_string(a->usage_key, b->usage_key);
    same_containers(a, b);
    same_holes(a, b);
    assert_true(a->is_tracked == b->is_tracked && a->class_ == b->class_);
}

/* A struct with a value in every field, and one with as little as can be, come back the same. */
static void structs_come_back(void **state)
{
    struct shop shop;
    struct shop_order orders[] = {shop_order_full(), shop_order_bare()};
    open_shop(&shop, *state);
    for (uint64_t i = 0; i < 2; i++) {
        evlog_event *event;
        evlog_arena *arena;
        struct shop_order back;
        OK(evlog_send_class(shop.signal, &orders[i], &shop_order_class, NULL, NULL));
        OK(evlog_read(shop.log, i + 1, &event));
        assert_ptr_equal(event->signal, shop.signal);
        assert_string_equal(evlog_schema_text(event->schema),
                            evlog_schema_text(evlog_signal_schema(shop.signal)));
        OK(evlog_unpack(event, &shop_order_class, &back, &arena));
        same_order(&orders[i], &back);
        assert_true(evlog_str_is(back.currency, i ? "EUR" : "USD"));
        evlog_arena_free(arena);
        evlog_event_free(event);
    }
    OK(evlog_close(shop.log));
}

/* Strings point into the event, the rest into one arena. */
static void strings_are_borrowed(void **state)
{
    evlog_buffer packed;
    evlog_arena *arena;
    struct shop_order order = shop_order_full(), back;
    (void)state;
    OK(evlog_class_pack(&shop_definition, &order, &packed));
    OK(evlog_class_unpack(&shop_definition, NULL, packed.data, packed.size, &back, &arena));
    const char *begin = packed.data, *end = begin + packed.size;
    assert_true(back.buyer.name.text > begin && back.buyer.name.text < end);
    assert_true(back.tags.items[2].text > begin && back.tags.items[2].text < end);
    assert_true((const char *)back.photo->data > begin && (const char *)back.photo->data < end);
    assert_true((const char *)back.items.items < begin || (const char *)back.items.items > end);
    evlog_arena_free(arena);
    evlog_arena_free(NULL);
    evlog_buffer_free(&packed);
}

/* What a struct cannot say is named, each field by its path; nothing is sent. */
static void refuses_structs_that_say_nothing(void **state)
{
    struct shop shop;
    struct shop_item items[2] = {{.title = {"t", 1}, .labels = {NULL, NULL, 1}}, {.cents = 1}};
    struct shop_order order = shop_order_bare();
    int64_t paid = EVLOG_TIME_US_MAX + 1;
    evlog_info info;
    order.buyer.name.text = NULL;
    order.items.items = items;
    order.items.count = 2;
    order.paid = &paid;
    order.grid.count = 3;
    order.signature.size = 1;
    open_shop(&shop, *state);
    FAILS(EVLOG_INVALID,
          "order.buyer.name: expected string, found NULL; "
          "order.items[0].labels: has 1 entries but keys or values is NULL; "
          "order.items[1].title: expected string, found NULL; "
          "order.paid: the time is not in the years 1 to 9999; "
          "order.signature: has 1 bytes but data is NULL; "
          "order.grid: has 3 items but items is NULL",
          evlog_send_class(shop.signal, &order, &shop_order_class, NULL, NULL));
    order = shop_order_bare();
    order.course_key = evlog_str("no key");
    order.buyer.name = (evlog_string){"\xff", 1};
    FAILS(EVLOG_INVALID, "UTF-8",
          evlog_send_class(shop.signal, &order, &shop_order_class, NULL, NULL));
    order.buyer.name = evlog_str("");
    FAILS(EVLOG_INVALID, "order.course_key: expected a course key",
          evlog_send_class(shop.signal, &order, &shop_order_class, NULL, NULL));
    order.course_key.size = (size_t)1 << 40;
    FAILS(EVLOG_LIMIT, "data",
          evlog_send_class(shop.signal, &order, &shop_order_class, NULL, NULL));
    FAILS(EVLOG_INVALID, "no class", evlog_send_class(shop.signal, &order, NULL, NULL, NULL));
    OK(evlog_inspect(shop.log, &info));
    assert_int_equal(info.last_seq, 0);
    OK(evlog_close(shop.log));
}

/* A disabled signal looks at nothing but the metadata. */
static void a_disabled_signal_sends_nothing(void **state)
{
    struct shop shop;
    struct shop_order order = {.weight = 0};
    evlog_sent sent = {.seq = 77};
    evlog_send_options wrong = {.time_us = INT64_MAX};
    open_shop(&shop, *state);
    evlog_signal_disable(shop.signal);
    OK(evlog_send_class(shop.signal, &order, &shop_order_class, NULL, &sent));
    assert_int_equal(sent.seq, 0);
    FAILS(EVLOG_INVALID, "time",
          evlog_send_class(shop.signal, &order, &shop_order_class, &wrong, NULL));
    evlog_signal_enable(shop.signal);
    FAILS(EVLOG_INVALID, "order.buyer.name",
          evlog_send_class(shop.signal, &order, &shop_order_class, NULL, &sent));
    evlog_sent_free(&sent);
    OK(evlog_close(shop.log));
}

/* The signal that is enabled by another thread, as it were, just after someone asked. */
static evlog_signal *enabled_meanwhile;

bool __real_evlog_signal_is_enabled(const evlog_signal *signal);
bool __wrap_evlog_signal_is_enabled(const evlog_signal *signal);

bool __wrap_evlog_signal_is_enabled(const evlog_signal *signal)
{
    bool is_enabled = __real_evlog_signal_is_enabled(signal);
    if (enabled_meanwhile)
        evlog_signal_enable(enabled_meanwhile);
    return is_enabled;
}

#define OPTIONAL_TIME(F) F(NULLABLE(DATETIME), at)
EVLOG_CLASS(optional_time, OptionalTime, OPTIONAL_TIME);

/* A struct that cannot be packed is never sent, not even when its signal is enabled meanwhile. */
static void what_cannot_be_packed_is_never_sent(void **state)
{
    evlog *log;
    evlog_signal *signal;
    evlog_info info;
    int64_t never = INT64_MAX;
    struct optional_time data = {.at = &never};
    evlog_definition definition = {.event_type = THING_TYPE, .of = &optional_time_class};
    OK(evlog_open(in(*state, "log"), &(evlog_options){.durability = EVLOG_FAST}, &log));
    OK(evlog_define_class(log, &definition, &signal));
    evlog_signal_disable(signal);
    enabled_meanwhile = signal;
    FAILS(EVLOG_INVALID, "data",
          evlog_send_class(signal, &data, &optional_time_class, NULL, NULL));
    enabled_meanwhile = NULL;
    OK(evlog_inspect(log, &info));
    assert_int_equal(info.last_seq, 0);
    OK(evlog_close(log));
}

/* ----------------------------------------------------- evolution of a class ---- */

#define THING_PART(F) F(INT64, n)
EVLOG_CLASS(thing_part, Part, THING_PART);

#define THING_V1(F)           \
    F(STRING, name)           \
    F(NULLABLE(STRING), note) \
    F(INT64, count)           \
    F(CLASS(thing_part), part)
EVLOG_CLASS(thing_v1, Thing, THING_V1);

/* note is gone; a field of every kind of default is new; the order is another. */
#define THING_V2(F)                                 \
    F(CLASS(thing_part), part)                      \
    F(INT64, count)                                 \
    F(NULLABLE(INT64), size)                        \
    F(FALLBACK(BOOL, true), is_enabled)             \
    F(FALLBACK(STRING, "new"), state)               \
    F(DEFAULT(LIST(INT64), [ 1, 2 ]), ids)          \
    F(DEFAULT(CLASS(thing_part), {"n" : 7}), spare) \
    F(FALLBACK(DOUBLE, 0.5), share)                 \
    F(STRING, name)
EVLOG_CLASS(thing_v2, Thing, THING_V2);

static evlog *open_things(const void *home, const evlog_class *of, evlog_signal **signal)
{
    evlog *log;
    evlog_definition definition = {.event_type = THING_TYPE, .argument = "thing", .of = of};
    OK(evlog_open(in(home, "log"), &(evlog_options){.durability = EVLOG_FAST}, &log));
    OK(evlog_define_class(log, &definition, signal));
    return log;
}

static void send_both(const void *home)
{
    evlog_signal *signal;
    struct thing_v1 old = {evlog_str("old"), evlog_str("n"), 1, {2}};
    struct thing_v2 new = {
        .part = {3}, .name = evlog_str("new"), .is_enabled = false, .state = evlog_str("")};
    evlog *log = open_things(home, &thing_v1_class, &signal);
    OK(evlog_send_class(signal, &old, &thing_v1_class, NULL, NULL));
    OK(evlog_close(log));
    log = open_things(home, &thing_v2_class, &signal);
    OK(evlog_send_class(signal, &new, &thing_v2_class, NULL, NULL));
    OK(evlog_close(log));
}

/* An event under the older schema gets the defaults; false and "" of the newer one stay. */
static void newer_class_reads_both(void **state)
{
    evlog_signal *signal;
    evlog_event *event;
    evlog_arena *arena;
    struct thing_v2 thing;
    send_both(*state);
    evlog *log = open_things(*state, &thing_v2_class, &signal);
    OK(evlog_read(log, 1, &event));
    OK(evlog_unpack(event, &thing_v2_class, &thing, &arena));
    assert_true(evlog_str_is(thing.name, "old") && thing.count == 1 && thing.part.n == 2);
    assert_null(thing.size);
    assert_true(thing.is_enabled && evlog_str_is(thing.state, "new") && thing.share == 0.5);
    assert_true(thing.ids.count == 2 && thing.ids.items[1] == 2 && thing.spare.n == 7);
    evlog_arena_free(arena);
    evlog_event_free(event);
    OK(evlog_read(log, 2, &event));
    OK(evlog_unpack(event, &thing_v2_class, &thing, &arena));
    assert_false(thing.is_enabled);
    assert_true(thing.state.text && thing.state.size == 0 && thing.share == 0);
    assert_true(thing.ids.count == 0 && thing.spare.n == 0);
    evlog_arena_free(arena);
    evlog_event_free(event);
    OK(evlog_close(log));
}

/* A program that was not built anew reads what a newer one wrote, and goes on sending. */
static void older_class_reads_both(void **state)
{
    evlog_signal *signal;
    evlog_event *event;
    evlog_arena *arena;
    struct thing_v1 thing, more = {evlog_str("more"), {NULL, 0}, 0, {0}};
    send_both(*state);
    evlog *log = open_things(*state, &thing_v1_class, &signal);
    OK(evlog_read(log, 2, &event));
    OK(evlog_unpack(event, &thing_v1_class, &thing, &arena));
    assert_true(evlog_str_is(thing.name, "new") && thing.part.n == 3);
    assert_null(thing.note.text);
    evlog_arena_free(arena);
    evlog_event_free(event);
    OK(evlog_send_class(signal, &more, &thing_v1_class, NULL, NULL));
    OK(evlog_read(log, 3, &event));
    assert_null(strstr(evlog_schema_text(event->schema), "is_enabled"));
    evlog_event_free(event);
    OK(evlog_close(log));
}

#define OTHER_NAME(F) F(STRING, name)
EVLOG_CLASS(other_name, Other, OTHER_NAME);
#define NAME_AS_NUMBER(F) F(INT64, name)
EVLOG_CLASS(name_as_number, Thing, NAME_AS_NUMBER);
#define NOTE_REQUIRED(F) F(STRING, note)
EVLOG_CLASS(note_required, Thing, NOTE_REQUIRED);
#define COUNT_AS_DOUBLE(F) F(DOUBLE, count)
EVLOG_CLASS(count_as_double, Thing, COUNT_AS_DOUBLE);
#define SOMETHING_ELSE(F) F(INT64, colour) F(LIST(STRING), name)
EVLOG_CLASS(something_else, Thing, SOMETHING_ELSE);

/* A class that cannot read an event is refused with the reason, never misread. */
static void is_refused_never_misread(void **state)
{
    evlog_signal *signal;
    evlog_event *old, *new;
    evlog_arena *arena = NULL;
    union {
        struct other_name other;
        struct name_as_number number;
        struct note_required note;
        struct count_as_double count;
        struct something_else something;
    } target;
    send_both(*state);
    evlog *log = open_things(*state, &thing_v2_class, &signal);
    OK(evlog_read(log, 1, &old));
    OK(evlog_read(log, 2, &new));
    FAILS(EVLOG_CONFLICT, "thing: written as Thing, read as Other",
          evlog_unpack(old, &other_name_class, &target, &arena));
    FAILS(EVLOG_CONFLICT, "name: written as string, read as long",
          evlog_unpack(old, &name_as_number_class, &target, &arena));
    FAILS(EVLOG_CONFLICT,
          "colour: is missing, and the reader has no default for it; "
          "name: written as string, read as array",
          evlog_unpack(old, &something_else_class, &target, &arena));
    FAILS(EVLOG_CONFLICT, "note: is missing",
          evlog_unpack(new, &note_required_class, &target, &arena));
    assert_null(arena);
    OK(evlog_unpack(old, &note_required_class, &target, &arena));
    assert_true(evlog_str_is(target.note.note, "n"));
    evlog_arena_free(arena);
    OK(evlog_unpack(old, &count_as_double_class, &target, &arena));
    assert_true(target.count.count == 1.0);
    evlog_arena_free(arena);
    evlog_event_free(old);
    evlog_event_free(new);
    OK(evlog_close(log));
}

#define TWO_THINGS(F) F(CLASS(thing_part), thing) F(INT64, other)
EVLOG_CLASS(two_things, TwoThings, TWO_THINGS);

/* That a class can read a schema is not taken for another argument's or another class's answer. */
static void what_reads_once_is_asked_again(void **state)
{
    evlog_class on_stack = thing_part_class;
    evlog_definition writer = {.event_type = THING_TYPE, .of = &two_things_class};
    evlog_definition reader = {.event_type = THING_TYPE, .argument = "thing", .of = &on_stack};
    struct two_things things = {.thing = {5}, .other = 6};
    union {
        struct thing_part part;
        struct other_name other;
    } target;
    evlog_schema *schema;
    evlog_buffer packed;
    evlog_arena *arena;
    (void)state;
    OK(evlog_schema_make(&writer, &schema));
    OK(evlog_class_pack(&writer, &things, &packed));
    for (int i = 0; i < 2; i++) {
        OK(evlog_class_unpack(&reader, schema, packed.data, packed.size, &target, &arena));
        assert_int_equal(target.part.n, 5);
        evlog_arena_free(arena);
    }
    reader.argument = "other";
    FAILS(EVLOG_CONFLICT, "no record other",
          evlog_class_unpack(&reader, schema, packed.data, packed.size, &target, &arena));
    evlog_schema_free(schema);
    evlog_buffer_free(&packed);
    reader.argument = "thing";
    OK(evlog_schema_make(&reader, &schema));
    OK(evlog_class_pack(&reader, &things.thing, &packed));
    OK(evlog_class_unpack(&reader, schema, packed.data, packed.size, &target, &arena));
    evlog_arena_free(arena);
    on_stack = other_name_class;
    FAILS(EVLOG_CONFLICT, "written as Part, read as Other",
          evlog_class_unpack(&reader, schema, packed.data, packed.size, &target, &arena));
    evlog_schema_free(schema);
    evlog_buffer_free(&packed);
}

/* A null that the reader has no room for is found when it comes. */
static void finds_the_null_that_comes(void **state)
{
    evlog_signal *signal;
    evlog_event *event;
    evlog_arena *arena;
    struct note_required note;
    struct thing_v1 thing = {evlog_str("x"), {NULL, 0}, 1, {2}};
    evlog *log = open_things(*state, &thing_v1_class, &signal);
    OK(evlog_send_class(signal, &thing, &thing_v1_class, NULL, NULL));
    OK(evlog_read(log, 1, &event));
    FAILS(EVLOG_INVALID, "thing.note: expected string, found null",
          evlog_unpack(event, &note_required_class, &note, &arena));
    evlog_event_free(event);
    OK(evlog_close(log));
}

/* ------------------------------------------------------------ other senders ---- */

/* Raw data are checked like structs; an untyped event is read when it fits. */
static void raw_and_untyped_events(void **state)
{
    static const char good[] = "\x81\xa5thing\x83\xa4name\xa1x\xa5"
                               "count\x05\xa4part\x81\xa1n\x06";
    static const char bad[] = "\x81\xa5thing\x83\xa4name\xa1x\xa5"
                              "count\xc3\xa4part\x81\xa1m\x06";
    evlog *log;
    evlog_signal *signal, *same;
    evlog_event *event;
    evlog_arena *arena;
    struct thing_v1 thing;
    evlog_definition definition = {
        .event_type = THING_TYPE, .argument = "thing", .of = &thing_v1_class};
    OK(evlog_open(in(*state, "log"), &(evlog_options){.durability = EVLOG_FAST}, &log));
    OK(evlog_define(log, THING_TYPE, 0, NULL, &signal));
    assert_null(evlog_signal_schema(signal));
    FAILS(EVLOG_INVALID, "untyped",
          evlog_send_class(signal, &thing, &thing_v1_class, NULL, NULL));
    OK(evlog_send_event(signal, good, sizeof good - 1, NULL, NULL));
    OK(evlog_send_event(signal, bad, sizeof bad - 1, NULL, NULL));
    OK(evlog_define_class(log, &definition, &same));
    assert_ptr_equal(same, signal);
    OK(evlog_send_event(signal, good, sizeof good - 1, NULL, NULL));
    FAILS(EVLOG_INVALID,
          "thing.count: expected integer, found boolean; thing.part.m: no such field; "
          "thing.part.n: missing",
          evlog_send_event(signal, bad, sizeof bad - 1, NULL, NULL));
    for (uint64_t seq = 1; seq <= 3; seq += 2) {
        OK(evlog_read(log, seq, &event));
        assert_int_equal(event->schema != NULL, seq == 3);
        OK(evlog_unpack(event, &thing_v1_class, &thing, &arena));
        assert_true(evlog_str_is(thing.name, "x") && thing.count == 5 && thing.part.n == 6);
        evlog_arena_free(arena);
        evlog_event_free(event);
    }
    OK(evlog_read(log, 2, &event));
    FAILS(EVLOG_INVALID, "thing.count: expected integer, found boolean",
          evlog_unpack(event, &thing_v1_class, &thing, &arena));
    evlog_event_free(event);
    OK(evlog_close(log));
}

static int unpack_in_receiver(const evlog_event *event, void *ctx)
{
    struct thing_v1 thing;
    evlog_arena *arena;
    if (evlog_unpack(event, &thing_v1_class, &thing, &arena))
        return -1;
    *(int64_t *)ctx += thing.count;
    evlog_arena_free(arena);
    return 0;
}

/* Receivers unpack what is sent, and again what is replayed, also where nothing is defined. */
static void receivers_unpack(void **state)
{
    evlog_signal *signal;
    evlog_outcome outcome;
    int64_t sum = 0;
    struct thing_v1 thing = {evlog_str("x"), {NULL, 0}, 5, {2}};
    evlog *log = open_things(*state, &thing_v1_class, &signal);
    OK(evlog_connect(log, signal, NULL, unpack_in_receiver, &sum, NULL));
    OK(evlog_send_class(signal, &thing, &thing_v1_class, NULL, NULL));
    OK(evlog_send_class(signal, &thing, &thing_v1_class, NULL, NULL));
    assert_int_equal(sum, 10);
    OK(evlog_close(log));
    OK(evlog_open(in(*state, "log"), &(evlog_options){.read_only = 1}, &log));
    OK(evlog_replay(log, NULL, unpack_in_receiver, &sum, &outcome));
    assert_int_equal(outcome.delivered, 2);
    assert_int_equal(sum, 20);
    OK(evlog_close(log));
}

/* Strings are packed as msgpack-c does it, whatever their length; also when the buffer grows in one. */
static void strings_are_as_short_as_can_be(void **state)
{
    static char text[70000];
    struct bytes all;
    (void)state;
    memset(text, 'x', sizeof text);
    bytes_begin(&all);
    for (size_t size = 0; size <= sizeof text; size += size < 600 ? 1 : 6940) {
        msgpack_sbuffer expected;
        msgpack_packer packer;
        size_t before = all.buffer.size;
        msgpack_sbuffer_init(&expected);
        msgpack_packer_init(&packer, &expected, msgpack_sbuffer_write);
        msgpack_pack_str_with_body(&packer, text, size);
        bytes_put_text(&all, text, size);
        assert_int_equal(all.buffer.size - before, expected.size);
        assert_memory_equal(all.buffer.data + before, expected.data, expected.size);
        msgpack_sbuffer_destroy(&expected);
    }
    assert_false(all.is_full);
    bytes_free(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_are_as_short_as_can_be),
        TEST_AT_HOME(structs_come_back),
        cmocka_unit_test(strings_are_borrowed),
        TEST_AT_HOME(refuses_structs_that_say_nothing),
        TEST_AT_HOME(a_disabled_signal_sends_nothing),
        TEST_AT_HOME(what_cannot_be_packed_is_never_sent),
        TEST_AT_HOME(newer_class_reads_both),
        TEST_AT_HOME(older_class_reads_both),
        TEST_AT_HOME(is_refused_never_misread),
        cmocka_unit_test(what_reads_once_is_asked_again),
        TEST_AT_HOME(finds_the_null_that_comes),
        TEST_AT_HOME(raw_and_untyped_events),
        TEST_AT_HOME(receivers_unpack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
