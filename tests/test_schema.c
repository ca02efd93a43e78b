/* Schemas: what is taken and refused, what data they let through, and which reads which. */
#include "load.h"
#include "shop.h"

#define COUNT(table) (sizeof table / sizeof *table)
#define RECORD(fields) "{\"type\":\"record\",\"name\":\"R\",\"fields\":[" fields "]}"
#define FIELD(name, type) "{\"name\":\"" name "\",\"type\":" type "}"

static evlog_schema *parsed(const char *text)
{
    evlog_schema *schema;
    OK(evlog_schema_parse(text, &schema));
    return schema;
}

/* ---------------------------------------------------------------- parsing ---- */

/* What Avro allows and data in a log can be is taken, attributes in any order. */
static void takes_schemas(void **state)
{
    static const char *const good[] = {
        RECORD(""),
        RECORD(FIELD("a", "\"boolean\"") "," FIELD("b", "[\"null\",\"long\"]")),
        " { \"fields\" : [ ] , \"name\" : \"a.b.R\", \"namespace\":\"x-y.z\", \"doc\":\"\\u00e9\\ud83d\\ude00\", \"type\":\"record\" } ",
        RECORD("{\"name\":\"a\",\"type\":[\"string\",\"null\"],\"default\":\"x\"}"),
        RECORD(
            "{\"name\":\"a\",\"type\":[\"null\",\"string\"],\"default\":null,\"order\":\"ignore\"}"),
        RECORD("{\"name\":\"a\",\"type\":{\"type\":\"string\",\"logicalType\":\"uuid\"}}"),
        RECORD(
            "{\"name\":\"a\",\"type\":{\"type\":\"map\",\"values\":{\"type\":\"array\",\"items\":\"double\"}},\"default\":{\"k\":[1,2.5]}}"),
        RECORD(FIELD("a", "{\"name\":\"P\",\"type\":\"record\",\"fields\":[]}") "," FIELD(
            "b", "\"P\"") "," FIELD("c", "[\"null\",\"P\"]")),
        "{\"type\":\"record\",\"name\":\"R\",\"namespace\":\"n.m\",\"fields\":[" FIELD(
            "a",
            "{\"name\":\"o.P\",\"type\":\"record\",\"fields\":[]}") "," FIELD("b",
                                                                              "\"o.P\"") "]}",
        RECORD(FIELD("a", "{\"type\":\"array\",\"items\":[\"null\",\"int\"]}")),
    };
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        evlog_schema *schema = parsed(good[i]);
        assert_string_equal(evlog_schema_text(schema), good[i]);
        evlog_schema_free(schema);
    }
}

static const struct {
    const char *text, *words;
} refused[] = {
    {"", "byte 0: a value is expected"},
    {"{", "byte 1: a key is expected"},
    {"{} x", "byte 3: something follows"},
    {"{\"a\":01}", "a value is expected"},
    {"{\"a\":tru}", "a value is expected"},
    {"{\"a\":1.}", "no digit follows the point"},
    {"{\"a\":\"\\x\"}", "an unknown escape"},
    {"{\"a\":\"\\ud83d\"}", "surrogate"},
    {"{\"a\":\"\\udc00\"}", "\\u escape"},
    {"{\"a\":\"\n\"}", "control character"},
    {"{\"a\":\"", "not closed"},
    {"\"\xff\"", "UTF-8"},
    {"{\"a\":[1,]}", "a value is expected"},
    {"[]", "must be a record"},
    {"\"string\"", "must be a record"},
    {"{\"type\":\"record\"}", "a record: has no name"},
    {"{\"type\":\"record\",\"name\":\"R\"}", "array of fields"},
    {"{\"type\":\"record\",\"name\":\"1R\",\"fields\":[]}", "1R: is not a name"},
    {"{\"type\":\"record\",\"name\":\"R\",\"fields\":[1]}", "a field: has no name or no type"},
    {RECORD(FIELD("a-b", "\"long\"")), "a-b: is not a name"},
    {RECORD(FIELD("a", "\"long\"") "," FIELD("a", "\"long\"")), "a: two fields"},
    {RECORD(FIELD("a", "\"null\"")), "null: is not a type that evlog supports"},
    {RECORD(FIELD("a", "\"R\"")), "R: is not a known type (a record cannot contain itself)"},
    {RECORD(FIELD("a", "[\"null\",\"R\"]")), "cannot contain itself"},
    {RECORD(FIELD("a", "\"Other\"")), "Other: is not a known type"},
    {RECORD(FIELD("a", "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\"]}")),
     "enum: is not a type"},
    {RECORD(FIELD("a", "{\"type\":\"fixed\",\"name\":\"E\",\"size\":4}")),
     "fixed: is not a type"},
    {RECORD(FIELD("a", "[\"string\",\"long\"]")), "a union"},
    {RECORD(FIELD("a", "[\"null\"]")), "a union"},
    {RECORD(FIELD("a", "[\"null\",\"null\"]")), "a union"},
    {RECORD(FIELD("a", "[\"null\",\"string\",\"long\"]")), "a union"},
    {RECORD(FIELD("a", "[\"null\",[\"null\",\"long\"]]")), "directly in another"},
    {RECORD(FIELD("a", "{\"type\":\"array\"}")), "an array: does not say what its items are"},
    {RECORD(FIELD("a", "{\"type\":\"map\"}")), "a map: does not say what its items are"},
    {RECORD(FIELD("a", "1")), "a type: is a name"},
    {RECORD(FIELD("a", "{\"name\":\"R\",\"type\":\"record\",\"fields\":[]}")), "R: two records"},
    {RECORD("{\"name\":\"a\",\"type\":\"long\",\"default\":\"x\"}"),
     "R.a: its default does not have its type"},
    {RECORD("{\"name\":\"a\",\"type\":\"long\",\"default\":null}"), "R.a: its default"},
    {RECORD("{\"name\":\"a\",\"type\":[\"null\",\"long\"],\"default\":1}"), "R.a: its default"},
    {RECORD("{\"name\":\"a\",\"type\":[\"long\",\"null\"],\"default\":null}"),
     "R.a: its default"},
    {RECORD("{\"name\":\"a\",\"type\":\"int\",\"default\":2147483648}"), "R.a: its default"},
    {RECORD("{\"name\":\"a\",\"type\":\"bytes\",\"default\":\"\\u00ff\"}"), "bytes"},
};

/* All else is refused, and the sentence says what stands against it. */
static void refuses_schemas(void **state)
{
    evlog_schema *schema = NULL;
    (void)state;
    for (size_t i = 0; i < COUNT(refused); i++)
        FAILS(EVLOG_INVALID, refused[i].words, evlog_schema_parse(refused[i].text, &schema));
    FAILS(EVLOG_INVALID, "no text", evlog_schema_parse(NULL, &schema));
    FAILS(EVLOG_INVALID, "no place", evlog_schema_parse("{}", NULL));
    assert_null(schema);
}

/* Repeats `unit` between `head` and `tail`. */
static char *repeated(const char *head, const char *unit, size_t count, const char *tail)
{
    char *text = malloc(strlen(head) + count * strlen(unit) + strlen(tail) + 1), *at = text;
    at += sprintf(at, "%s", head);
    for (size_t i = 0; i < count; i++)
        at += sprintf(at, "%s", unit);
    strcpy(at, tail);
    return text;
}

/* What could be made to grow has its limit: size, depth, fields, containers. */
static void schemas_are_bounded(void **state)
{
    static const struct {
        const char *head, *unit;
        size_t count;
        const char *words;
    } table[] = {
        {"", " ", EVLOG_SCHEMA_SIZE_MAX + 1, "more than 262144 bytes"},
        {"", "[", 100000, "inside each other"},
        {"", "{\"a\":", 40000, "inside each other"},
        {"{\"type\":\"record\",\"name\":\"R\",\"fields\":[{}", ",{}", EVLOG_FIELDS_MAX,
         "R has 1025 fields"},
        {"{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":",
         "{\"type\":\"array\",\"items\":", 70, "inside each other"},
    };
    evlog_schema *schema;
    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        char *text = repeated(table[i].head, table[i].unit, table[i].count, i == 3 ? "]}" : "");
        FAILS(EVLOG_LIMIT, table[i].words, evlog_schema_parse(text, &schema));
        free(text);
    }
    char *deep =
        repeated("{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":",
                 "{\"type\":\"array\",\"items\":", EVLOG_SHAPE_MAX, "\"long\"");
    char *whole = repeated(deep, "}", EVLOG_SHAPE_MAX, "}]}");
    FAILS(EVLOG_LIMIT, "more than 7 arrays and maps", evlog_schema_parse(whole, &schema));
    free(deep);
    free(whole);
}

/* Every piece of a good schema, and every byte of it changed, is taken or refused, no more. */
static void hostile_text_does_no_harm(void **state)
{
    evlog_schema *shop, *schema;
    uint64_t seed = load_seed();
    (void)state;
    OK(evlog_schema_make(&shop_definition, &shop));
    const char *text = evlog_schema_text(shop);
    size_t size = strlen(text);
    for (size_t i = 0; i < size + 2000; i++) {
        char *copy = strdup(text);
        if (i < size)
            copy[i] = '\0';
        else
            for (int j = 0; j < 3; j++)
                copy[load_random(&seed, size)] = "{}[]\",:\\0x\xff"[load_random(&seed, 11)];
        if (evlog_schema_parse(copy, &schema) == EVLOG_OK)
            evlog_schema_free(schema);
        free(copy);
    }
    evlog_schema_free(shop);
}

/* --------------------------------------------------------------- checking ---- */

#define ABC                                  \
    RECORD(FIELD("a", "\"long\"") "," FIELD( \
        "b",                                 \
        "[\"null\",\"string\"]") ",{\"name\":\"c\",\"type\":[\"null\",\"boolean\"],\"default\":null}")

static const struct {
    const char *data;
    size_t size;
    const char *words; /* NULL: it is right */
} problems[] = {
#define DATA(bytes) bytes, sizeof bytes - 1
    {DATA("\x82\xa1"
          "a\x00\xa1"
          "b\xa0"),
     NULL},
    {DATA("\x83\xa1"
          "c\xc2\xa1"
          "b\xc0\xa1"
          "a\xd3\x80\x00\x00\x00\x00\x00\x00\x00"),
     NULL},
    {DATA("\x80"), "a: missing; b: missing"},
    {DATA("\x82\xa1"
          "a\xc3\xa1"
          "b\x01"),
     "a: expected integer, found boolean; b: expected string, found integer"},
    {DATA("\x82\xa1"
          "a\xcf\x80\x00\x00\x00\x00\x00\x00\x00\xa1"
          "b\xc0"),
     "a: the integer is above 2^63 - 1"},
    {DATA("\x82\xa1"
          "a\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00\xa1"
          "b\xc0"),
     "a: expected integer, found number"},
    {DATA("\x83\xa1"
          "a\x01\xa1"
          "b\xc0\xa1"
          "d\xc0"),
     "d: no such field"},
    {DATA("\x83\xa1"
          "a\x01\xa1"
          "a\x02\xa1"
          "b\xc0"),
     "a: given twice"},
    {DATA("\x83\xa1"
          "a\x01\xa1"
          "b\xc0\x05\x93\x01\x02\x03"),
     "data: a key is not a string but integer"},
    {DATA("\x82\xa1"
          "a\x93\x01\x02\x03\xa1"
          "b\x81\x01\x02"),
     "a: expected integer, found list; b: expected string, found map"},
    {DATA("\x82\xa1"
          "a\xc0\xa1"
          "b\xc4\x01z"),
     "a: expected integer, found null; b: expected string, found binary"},
    {DATA("\x82\xa1"
          "a\xd4\x01\x02\xa1"
          "b\xc0"),
     "a: expected integer, found extension"},
    {DATA("\x82\xa1"
          "a"),
     "ends in the middle"},
    {DATA("\x90"), "must be a MessagePack map"},
};

/* Each field that is missing, unknown, twice there or of another kind is named, all together. */
static void names_each_problem(void **state)
{
    evlog_schema *schema = parsed(ABC);
    (void)state;
    for (size_t i = 0; i < COUNT(problems); i++)
        if (problems[i].words)
            FAILS(EVLOG_INVALID, problems[i].words,
                  evlog_schema_check(schema, problems[i].data, problems[i].size));
        else
            OK(evlog_schema_check(schema, problems[i].data, problems[i].size));
    evlog_schema_free(schema);
}

/* Paths go through records, lists and maps. */
static void paths_lead_to_the_problem(void **state)
{
    static const char data[] = "\x81\xa1l\x92\x81\xa1m\x82\xa1x\x01\xa1y\xa1!\x81\xa1m\x91\x01";
    evlog_schema *schema = parsed(RECORD(FIELD(
        "l",
        "{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":\"I\",\"fields\":[" FIELD(
            "m", "{\"type\":\"map\",\"values\":\"long\"}") "]}}")));
    (void)state;
    FAILS(EVLOG_INVALID,
          "l[0].m[\"y\"]: expected integer, found string; l[1].m: expected map, found list",
          evlog_schema_check(schema, data, sizeof data - 1));
    evlog_schema_free(schema);
}

/* Keys that a map has twice are found, among few and among many. */
static void keys_are_not_there_twice(void **state)
{
    evlog_schema *schema = parsed(RECORD(FIELD("m", "{\"type\":\"map\",\"values\":\"long\"}")));
    (void)state;
    for (unsigned count = 2; count <= 200; count += 66) {
        unsigned char data[2000], *at = data;
        memcpy(at, "\x81\xa1m\xde", 4);
        at[4] = 0;
        at[5] = (unsigned char)count;
        at += 6;
        for (unsigned i = 0; i < count; i++)
            at += sprintf((char *)at, "\xa4%04u%c", i, 5);
        OK(evlog_schema_check(schema, data, (size_t)(at - data)));
        memcpy(at - 5, data + 7, 4); /* the last key becomes the first */
        FAILS(EVLOG_INVALID, "m[\"0000\"]: the key is there twice",
              evlog_schema_check(schema, data, (size_t)(at - data)));
    }
    evlog_schema_free(schema);
}

/* A number with a point takes NaN, infinity, and a whole number that is the same. */
static void numbers_are_exact(void **state)
{
    static const struct {
        const char *data;
        size_t size;
        const char *words;
    } table[] = {
        {DATA("\x82\xa1"
              "d\x01\xa1"
              "f\x01"),
         NULL},
        {DATA("\x82\xa1"
              "d\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00\xa1"
              "f\xca\x7f\x80\x00\x00"),
         NULL},
        {DATA("\x82\xa1"
              "d\xcf\x00\x20\x00\x00\x00\x00\x00\x00\xa1"
              "f\x01"),
         NULL},
        {DATA("\x82\xa1"
              "d\xcf\x00\x20\x00\x00\x00\x00\x00\x01\xa1"
              "f\x01"),
         "d: the integer is too large"},
        {DATA("\x82\xa1"
              "d\x01\xa1"
              "f\xce\x01\x00\x00\x01"),
         "f: the integer is too large"},
        {DATA("\x82\xa1"
              "d\xa1"
              "1\xa1"
              "f\x01"),
         "d: expected number, found string"},
    };
    evlog_schema *schema = parsed(RECORD(FIELD("d", "\"double\"") "," FIELD("f", "\"float\"")));
    (void)state;
    for (size_t i = 0; i < COUNT(table); i++)
        if (table[i].words)
            FAILS(EVLOG_INVALID, table[i].words,
                  evlog_schema_check(schema, table[i].data, table[i].size));
        else
            OK(evlog_schema_check(schema, table[i].data, table[i].size));
    evlog_schema_free(schema);
}

/* More problems than the sentence has room for are counted. */
static void many_problems_are_counted(void **state)
{
    char text[8000] = "{\"type\":\"record\",\"name\":\"R\",\"fields\":[";
    (void)state;
    for (int i = 0; i < 100; i++)
        sprintf(text + strlen(text), "%s{\"name\":\"field_%d\",\"type\":\"long\"}", i ? "," : "",
                i);
    strcat(text, "]}");
    evlog_schema *schema = parsed(text);
    FAILS(EVLOG_INVALID, "field_0: missing; field_1: missing",
          evlog_schema_check(schema, "\x80", 1));
    const char *more = strstr(evlog_errmsg(), "; and ");
    assert_non_null(more);
    unsigned named = 0;
    for (const char *at = evlog_errmsg(); (at = strstr(at, "missing")); at++)
        named++;
    assert_int_equal(named + (unsigned)atoi(more + 6), 100);
    evlog_schema_free(schema);
}

/* A full order with any byte changed, or cut, is checked and unpacked without harm. */
static void hostile_data_does_no_harm(void **state)
{
    uint64_t seed = load_seed();
    evlog_schema *schema;
    evlog_buffer packed;
    struct shop_order order = shop_order_full();
    (void)state;
    OK(evlog_schema_make(&shop_definition, &schema));
    OK(evlog_class_pack(&shop_definition, &order, &packed));
    for (size_t i = 0; i < packed.size + 3000; i++) {
        size_t size = i < packed.size ? i : packed.size;
        unsigned char *copy = malloc(size + 1);
        struct shop_order read;
        evlog_arena *arena;
        evlog_buffer avro;
        memcpy(copy, packed.data, size);
        for (unsigned j = 0; i >= packed.size && j < 1 + i % 3; j++)
            copy[load_random(&seed, size)] = (unsigned char)load_random(&seed, 256);
        int checked = evlog_schema_check(schema, copy, size);
        if (evlog_class_unpack(&shop_definition, NULL, copy, size, &read, &arena) == EVLOG_OK) {
            assert_int_equal(checked, EVLOG_OK);
            evlog_arena_free(arena);
        } else {
            assert_int_not_equal(checked, EVLOG_OK);
        }
        if (evlog_class_unpack(&shop_definition, schema, copy, size, &read, &arena) == EVLOG_OK)
            evlog_arena_free(arena);
        if (evlog_avro_encode(schema, copy, size, &avro) == EVLOG_OK)
            evlog_buffer_free(&avro);
        free(copy);
    }
    evlog_buffer_free(&packed);
    evlog_schema_free(schema);
}

/* ------------------------------------------------------------- resolution ---- */

/* Avro's rules of schema resolution: what reads what. */
static void reads_by_the_rules_of_avro(void **state)
{
#define A(type) RECORD(FIELD("a", type))
#define PART(name, fields) "{\"type\":\"record\",\"name\":\"" name "\",\"fields\":[" fields "]}"
    static const struct {
        const char *reader, *writer, *words; /* NULL: it is read */
    } table[] = {
        {A("\"long\""), A("\"long\""), NULL},
        {A("\"long\""), A("\"int\""), NULL},
        {A("\"double\""), A("\"long\""), NULL},
        {A("\"float\""), A("\"long\""), NULL},
        {A("\"double\""), A("\"float\""), NULL},
        {A("\"bytes\""), A("\"string\""), NULL},
        {A("\"string\""), A("\"bytes\""), NULL},
        {A("\"int\""), A("\"long\""), "a: written as long, read as int"},
        {A("\"float\""), A("\"double\""), "a: written as double, read as float"},
        {A("\"long\""), A("\"boolean\""), "a: written as boolean, read as long"},
        {A("\"string\""), A("\"long\""), "a: written as long, read as string"},
        {A("[\"null\",\"long\"]"), A("\"long\""), NULL},
        {A("[\"long\",\"null\"]"), A("[\"null\",\"long\"]"), NULL},
        {A("\"long\""), A("[\"null\",\"long\"]"), "a: may be null"},
        {RECORD(""), A("\"long\""), NULL},
        {A("\"long\""), RECORD(""), "a: is missing, and the reader has no default"},
        {A("[\"null\",\"long\"]"), RECORD(""), "a: is missing"},
        {RECORD("{\"name\":\"a\",\"type\":\"long\",\"default\":0}"), RECORD(""), NULL},
        {A("{\"type\":\"array\",\"items\":\"double\"}"),
         A("{\"type\":\"array\",\"items\":\"long\"}"), NULL},
        {A("{\"type\":\"array\",\"items\":\"long\"}"),
         A("{\"type\":\"array\",\"items\":\"string\"}"),
         "a[\"*\"]: written as string, read as long"},
        {A("{\"type\":\"map\",\"values\":\"long\"}"),
         A("{\"type\":\"array\",\"items\":\"long\"}"), "a: written as array, read as map"},
        {A(PART("P", "")), A(PART("P", FIELD("x", "\"long\""))), NULL},
        {A(PART("Q", "")), A(PART("P", "")), "a: written as P, read as Q"},
        {A(PART("P", FIELD("x", "\"long\""))), A(PART("P", "")), "a.x: is missing"},
        {A("\"long\""),
         "{\"type\":\"record\",\"name\":\"Other\",\"fields\":[" FIELD("a", "\"long\"") "]}",
         NULL},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        evlog_schema *reader = parsed(table[i].reader), *writer = parsed(table[i].writer);
        if (table[i].words)
            FAILS(EVLOG_CONFLICT, table[i].words, evlog_schema_reads(reader, writer));
        else
            OK(evlog_schema_reads(reader, writer));
        evlog_schema_free(reader);
        evlog_schema_free(writer);
    }
}

/* A tree that names each record twice could be walked in 2^40 ways; it is given up in time. */
static void intricate_schemas_are_given_up(void **state)
{
    char text[12000] = "{\"type\":\"record\",\"name\":\"R\",\"fields\":[";
    (void)state;
    for (int i = 0; i < 40; i++) {
        char one[300];
        snprintf(
            one, sizeof one,
            "%s{\"name\":\"f%d\",\"type\":{\"type\":\"record\",\"name\":\"L%d\",\"fields\":[",
            i ? "," : "", i, i);
        if (i)
            snprintf(one + strlen(one), sizeof one - strlen(one),
                     FIELD("x", "\"L%d\"") "," FIELD("y", "\"L%d\""), i - 1, i - 1);
        strcat(text, one);
        strcat(text, "]}}");
    }
    strcat(text, "]}");
    evlog_schema *reader = parsed(text), *writer = parsed(text);
    FAILS(EVLOG_LIMIT, "too complex", evlog_schema_reads(reader, writer));
    evlog_schema_free(reader);
    evlog_schema_free(writer);
}

/* ------------------------------------------------------- classes as schemas ---- */

/*
 * Every kind of field has its Avro type; DEFAULT and NULLABLE have a default, FALLBACK has none.
 */
static void writes_every_kind(void **state)
{
    evlog_schema *schema;
    (void)state;
    OK(evlog_schema_make(&shop_definition, &schema));
    static const char *const parts[] = {
        "{\"name\":\"CloudEvent\",\"type\":\"record\"",
        "\"namespace\":\"" SHOP_TYPE "\"",
        "{\"name\":\"id\",\"type\":\"string\"}",
        "{\"name\":\"email\",\"type\":[\"null\",\"string\"],\"default\":null}",
        "{\"name\":\"receiver\",\"type\":[\"null\",\"Person\"],\"default\":null}",
        "{\"name\":\"ordered\",\"type\":\"string\"}",
        "{\"name\":\"is_gift\",\"type\":\"boolean\"}",
        "{\"name\":\"weight\",\"type\":\"double\"}",
        "{\"name\":\"floor\",\"type\":[\"null\",\"long\"],\"default\":null}",
        "{\"name\":\"signature\",\"type\":\"bytes\"}",
        "{\"name\":\"grid\",\"type\":{\"type\":\"array\",\"items\":{\"type\":\"array\",\"items\":\"long\"}}}",
        "{\"name\":\"notes\",\"type\":{\"type\":\"array\",\"items\":{\"type\":\"map\",\"values\":\"string\"}}}",
        "{\"name\":\"groups\",\"type\":{\"type\":\"map\",\"values\":{\"type\":\"array\",\"items\":\"string\"}}}",
        "{\"name\":\"counts\",\"type\":[\"null\",{\"type\":\"map\",\"values\":\"long\"}],\"default\":null}",
        "{\"name\":\"holes\",\"type\":{\"type\":\"array\",\"items\":[\"null\",\"long\"]}}",
        "{\"name\":\"currency\",\"type\":\"string\",\"default\":\"EUR\"}",
        "{\"name\":\"is_tracked\",\"type\":\"boolean\"}",
        "{\"name\":\"class\",\"type\":\"long\"}",
    };
    for (size_t i = 0; i < COUNT(parts); i++)
        if (!strstr(evlog_schema_text(schema), parts[i]))
            fail_msg("%s is not in %s", parts[i], evlog_schema_text(schema));
    evlog_schema_free(schema);
}

#define PERSON_AGAIN(F) F(INT64, age)
EVLOG_CLASS(person_again, Person, PERSON_AGAIN);
#define TWO_PERSONS(F) F(CLASS(shop_person), a) F(CLASS(person_again), b)
EVLOG_CLASS(two_persons, Two, TWO_PERSONS);
#define BAD_NAME(F) F(AS(INT64, "a-b"), a)
EVLOG_CLASS(bad_name, Bad, BAD_NAME);
#define BAD_DEFAULT(F) F(FALLBACK(INT64, "x"), a)
EVLOG_CLASS(bad_default, Bad, BAD_DEFAULT);
#define SAME_NAME(F) F(INT64, a) F(AS(INT64, "a"), b)
EVLOG_CLASS(same_name, Bad, SAME_NAME);

/* A class that Avro has no words for is refused when it is defined. */
static void refuses_classes(void **state)
{
    static const struct {
        evlog_definition definition;
        const char *words;
    } table[] = {
        {{.event_type = "t", .argument = "x", .of = &two_persons_class},
         "two different classes are called Person"},
        {{.event_type = "t", .argument = "x", .of = &bad_name_class},
         "a-b is not a name in Avro"},
        {{.event_type = "t", .argument = "x", .of = &bad_default_class},
         "Bad.a: its default does not have its type"},
        {{.event_type = "t", .argument = "x", .of = &same_name_class}, "two fields are called a"},
        {{.event_type = "t", .argument = "x y", .of = &shop_person_class}, "the argument x y"},
        {{.event_type = "t", .argument = "x", .of = NULL}, "no class"},
        {{.event_type = NULL, .argument = "x", .of = &shop_person_class}, "no event type"},
    };
    evlog_schema *schema;
    (void)state;
    for (size_t i = 0; i < COUNT(table); i++)
        FAILS(EVLOG_INVALID, table[i].words, evlog_schema_make(&table[i].definition, &schema));
    FAILS(EVLOG_INVALID, "no event type", evlog_schema_make(NULL, &schema));
}

/* ------------------------------------------------------------------- Avro ---- */

/* A full order goes to Avro and back, under the class and under its text alone. */
static void avro_comes_back(void **state)
{
    evlog_schema *made, *read;
    evlog_buffer packed, avro, same, back;
    struct shop_order order = shop_order_full();
    (void)state;
    OK(evlog_schema_make(&shop_definition, &made));
    OK(evlog_schema_parse(evlog_schema_text(made), &read));
    OK(evlog_class_pack(&shop_definition, &order, &packed));
    OK(evlog_avro_encode(made, packed.data, packed.size, &avro));
    OK(evlog_avro_decode(read, avro.data, avro.size, &back));
    OK(evlog_schema_check(made, back.data, back.size));
    OK(evlog_avro_encode(read, back.data, back.size, &same));
    assert_int_equal(same.size, avro.size);
    assert_memory_equal(same.data, avro.data, avro.size);
    evlog_buffer_free(&packed);
    evlog_buffer_free(&avro);
    evlog_buffer_free(&same);
    evlog_buffer_free(&back);
    evlog_schema_free(made);
    evlog_schema_free(read);
}

/* Fields come in any order, and after a record in any order its surroundings are read from the right place. */
static void avro_has_the_order_of_the_schema(void **state)
{
    static const char avro[] = "\x04\x02\x04\x06\x08\x00\x0a";
    static const struct {
        const char *data;
        size_t size;
    } table[] = {
        {DATA("\x82\xa1l\x92\x82\xa1x\x01\xa1y\x02\x82\xa1x\x03\xa1y\x04\xa1z\x05")},
        {DATA("\x82\xa1l\x92\x82\xa1y\x02\xa1x\x01\x82\xa1x\x03\xa1y\x04\xa1z\x05")},
        {DATA("\x82\xa1z\x05\xa1l\x92\x82\xa1y\x02\xa1x\x01\x82\xa1y\x04\xa1x\x03")},
    };
    evlog_schema *schema = parsed(RECORD(FIELD(
        "l",
        "{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":\"I\",\"fields\":[" FIELD(
            "x", "\"long\"") "," FIELD("y", "\"long\"") "]}}") "," FIELD("z", "\"long\"")));
    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        evlog_buffer out;
        OK(evlog_avro_encode(schema, table[i].data, table[i].size, &out));
        assert_int_equal(out.size, sizeof avro - 1);
        assert_memory_equal(out.data, avro, out.size);
        evlog_buffer_free(&out);
    }
    evlog_schema_free(schema);
}

/* Blocks, also with sizes, are read; what is cut, left over or too large is refused. */
static void avro_is_not_trusted(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        int code;
        const char *words;
    } table[] = {
        {DATA("\x02\x02\x04\x04\x06\x00"), EVLOG_OK, NULL},         /* [1], [2, 3] */
        {DATA("\x01\x02\x02\x03\x04\x04\x06\x00"), EVLOG_OK, NULL}, /* with sizes */
        {DATA("\x00"), EVLOG_OK, NULL},
        {DATA(""), EVLOG_INVALID, "byte 0: ends in the middle"},
        {DATA("\x02"), EVLOG_INVALID, "byte 1: ends in the middle"},
        {DATA("\x00\x00"), EVLOG_INVALID, "left over"},
        {DATA("\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), EVLOG_INVALID, "over 64 bits"},
        {DATA("\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"), EVLOG_INVALID, "ends"},
    };
    evlog_schema *longs = parsed(A("{\"type\":\"array\",\"items\":\"long\"}"));
    evlog_schema *empties = parsed(A("{\"type\":\"array\",\"items\":" PART("P", "") "}"));
    evlog_schema *text = parsed(A("\"string\"")), *maybe = parsed(A("[\"null\",\"boolean\"]"));
    evlog_buffer data;
    (void)state;
    for (size_t i = 0; i < COUNT(table); i++)
        if (table[i].code) {
            FAILS(table[i].code, table[i].words,
                  evlog_avro_decode(longs, table[i].bytes, table[i].size, &data));
        } else {
            OK(evlog_avro_decode(longs, table[i].bytes, table[i].size, &data));
            OK(evlog_schema_check(longs, data.data, data.size));
            evlog_buffer_free(&data);
        }
    FAILS(EVLOG_LIMIT, "would be more",
          evlog_avro_decode(empties, "\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10, &data));
    FAILS(EVLOG_INVALID, "past the end", evlog_avro_decode(text, "\x04x", 2, &data));
    FAILS(EVLOG_INVALID, "past the end", evlog_avro_decode(text, "\x01x", 2, &data));
    FAILS(EVLOG_INVALID, "UTF-8", evlog_avro_decode(text, "\x02\xff", 2, &data));
    FAILS(EVLOG_INVALID, "no such branch", evlog_avro_decode(maybe, "\x04", 1, &data));
    FAILS(EVLOG_INVALID, "neither 0 nor 1", evlog_avro_decode(maybe, "\x02\x02", 2, &data));
    evlog_schema_free(longs);
    evlog_schema_free(empties);
    evlog_schema_free(text);
    evlog_schema_free(maybe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_schemas),
        cmocka_unit_test(refuses_schemas),
        cmocka_unit_test(schemas_are_bounded),
        cmocka_unit_test(hostile_text_does_no_harm),
        cmocka_unit_test(names_each_problem),
        cmocka_unit_test(paths_lead_to_the_problem),
        cmocka_unit_test(keys_are_not_there_twice),
        cmocka_unit_test(numbers_are_exact),
        cmocka_unit_test(many_problems_are_counted),
        cmocka_unit_test(hostile_data_does_no_harm),
        cmocka_unit_test(reads_by_the_rules_of_avro),
        cmocka_unit_test(intricate_schemas_are_given_up),
        cmocka_unit_test(writes_every_kind),
        cmocka_unit_test(refuses_classes),
        cmocka_unit_test(avro_comes_back),
        cmocka_unit_test(avro_has_the_order_of_the_schema),
        cmocka_unit_test(avro_is_not_trusted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
