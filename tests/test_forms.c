/*
 * The forms of texts: a class's are in the log beside the schema, and a program without the class refuses
 * what the class would refuse; and the marks of personal fields.
 */
#include "log.h"
#include "pack_struct.h"
#include "shop.h"

static evlog *open_log(const void *home)
{
    evlog *log;
    OK(evlog_open(in(home, "log"), NULL, &log));
    return log;
}

/* Every form that the shop's order has, as the log has it. */
static const char order_forms[] =
    "order.course_key=course_key order.id=uuid order.ordered=time order.paid=time "
    "order.parcel=uuid order.usage_key=usage_key ";

struct marks {
    size_t type_count;
    char forms[1000], personal[1000];
};

static int note_marks(const evlog_type *type, void *ctx)
{
    struct marks *marks = ctx;
    marks->type_count++;
    marks->forms[0] = marks->personal[0] = '\0';
    for (size_t i = 0; i < type->form_count; i++) {
        strcat(strcat(marks->forms, type->forms[i].path), "=");
        strcat(strcat(marks->forms, type->forms[i].form), " ");
    }
    for (size_t i = 0; i < type->personal_count; i++)
        strcat(strcat(marks->personal, type->personal[i]), " ");
    return 0;
}

/* The marks of the newest entry are these, of so many entries. */
static void assert_marks(evlog *log, size_t count, const char *forms, const char *personal)
{
    struct marks marks = {.type_count = 0};
    OK(evlog_each_type(log, note_marks, &marks));
    assert_int_equal(marks.type_count, count);
    assert_string_equal(marks.forms, forms);
    assert_string_equal(marks.personal, personal);
}

/* A class's forms are in the log; a definition without the class has them. */
static void a_class_gives_its_forms_to_all(void **state)
{
    static const struct {
        const char *now, *wrong, *words;
    } table[] = {
        {"course-v1:edX+DemoX+Demo_Course", "course-v9:edX+DemoX+Demo_Course",
         "order.course_key: expected a course key"},
        {"2021-06-09T14:12:45", "2021-06-09 noon 1:45", "order.ordered: expected a time"},
        {"629f9892-c258-11ed", "629f9892-c258-11eg", "order.id: expected a UUID"},
    };
    struct shop_order order = shop_order_full();
    evlog_signal *signal;
    evlog_buffer packed;
    evlog *log = open_log(*state);
    OK(evlog_define_class(log, &shop_definition, &signal));
    assert_marks(log, 1, order_forms, "");
    OK(evlog_send_class(signal, &order, &shop_order_class, NULL, NULL));
    OK(evlog_close(log));
    log = open_log(*state);
    OK(evlog_define(log, SHOP_TYPE, 0, NULL, &signal));
    assert_marks(log, 1, order_forms, "");
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        OK(evlog_class_pack(&shop_definition, &order, &packed));
        OK(evlog_send_event(signal, packed.data, packed.size, NULL, NULL));
        char *at = memmem(packed.data, packed.size, table[i].now, strlen(table[i].now));
        assert_non_null(at);
        memcpy(at, table[i].wrong, strlen(table[i].now));
        FAILS(EVLOG_INVALID, table[i].words,
              evlog_send_event(signal, packed.data, packed.size, NULL, NULL));
        evlog_event *event;
        OK(evlog_read(log, 1, &event));
        FAILS(EVLOG_INVALID, table[i].words,
              evlog_schema_check(event->schema, packed.data, packed.size));
        evlog_event_free(event);
        evlog_buffer_free(&packed);
    }
    OK(evlog_close(log));
}

#define LEAF(name, type) "{\"name\":\"" name "\",\"type\":" type "}"
#define RECORD(name, fields) "{\"type\":\"record\",\"name\":\"" name "\",\"fields\":[" fields "]}"
#define LIST_OF(type) "{\"type\":\"array\",\"items\":" type "}"
#define MAP_OF(type) "{\"type\":\"map\",\"values\":" type "}"
#define TEXT_TYPE "\"string\""
/* Of one argument: a text, a list of maps of texts, two places of one record, a number. */
#define SCHEMA                                                                                                             \
    RECORD(                                                                                                                \
        "Data",                                                                                                            \
        LEAF("a", TEXT_TYPE) "," LEAF("b", LIST_OF(MAP_OF(TEXT_TYPE))) "," LEAF(                                           \
            "c",                                                                                                           \
            RECORD(                                                                                                        \
                "Inner",                                                                                                   \
                LEAF(                                                                                                      \
                    "at",                                                                                                  \
                    TEXT_TYPE))) "," LEAF("d",                                                                             \
                                          "\"Inner\"") ","                                                                 \
                                                       "{\"name\":\"e\",\"type\":[\"null\",\"string\"],\"default\":null}," \
                                                       "{\"name\":\"f\",\"type\":\"string\",\"default\":\"\"}," LEAF(      \
                                                           "n", "\"long\""))

static int define_with(evlog *log, const evlog_form *forms, size_t count)
{
    evlog_signal *signal;
    evlog_definition definition = {.event_type = "org.example.text.v1",
                                   .schema = SCHEMA,
                                   .forms = forms,
                                   .form_count = count};
    return evlog_define_class(log, &definition, &signal);
}

/* The same in a process of its own, so to speak. */
static int define_anew(const void *home, const evlog_form *forms, size_t count)
{
    evlog *log = open_log(home);
    int result = define_with(log, forms, count);
    OK(evlog_close(log));
    return result;
}

/* Forms of a schema as text: by any of a record's places, in any order; equal ones are one entry. */
static void a_text_is_given_forms(void **state)
{
    static const evlog_form one[] = {{"e", "uuid"}, {"d.at", "time"}, {"b.*.*", "course_key"}};
    static const evlog_form same[] = {{"b.*.*", "course_key"}, {"c.at", "time"}, {"e", "uuid"}};
    static const char wrong[] = "\x86\xa1"
                                "a\xa0\xa1"
                                "b\x90\xa1"
                                "c\x81\xa2"
                                "at\xb4"
                                "2021-06-09T14:12:45Z\xa1"
                                "d\x81\xa2"
                                "at\xa1x\xa1"
                                "n\x01\xa1"
                                "f\xa0";
    OK(define_anew(*state, NULL, 0));
    OK(define_anew(*state, one, 3));
    OK(define_anew(*state, same, 3));
    evlog *log = open_log(*state);
    assert_marks(log, 2, "b.*.*=course_key c.at=time e=uuid ", "");
    evlog_signal *signal;
    OK(evlog_define(log, "org.example.text.v1", 0, NULL, &signal));
    FAILS(EVLOG_INVALID, "d.at: expected a time",
          evlog_send_event(signal, wrong, sizeof wrong - 1, NULL, NULL));
    FAILS(EVLOG_CONFLICT, "other forms", define_with(log, one, 2));
    OK(define_with(log, NULL, 0));
    OK(evlog_close(log));
    OK(define_anew(*state, NULL, 0)); /* the first entry */
    log = open_log(*state);
    assert_marks(log, 2, "b.*.*=course_key c.at=time e=uuid ", "");
    OK(evlog_close(log));
}

/* What cannot be is refused, and nothing is in the log. */
static void wrong_forms_are_refused(void **state)
{
    static const struct {
        evlog_form forms[2];
        size_t count;
        const char *words;
    } table[] = {
        {{{"x", "time"}}, 1, "no field x"},
        {{{"a.b", "time"}}, 1, "no field a.b"},
        {{{"", "time"}}, 1, "no field"},
        {{{"b.x.*", "time"}}, 1, "no field b.x.*"},
        {{{"*", "time"}}, 1, "no field *"},
        {{{"b", "time"}}, 1, "not a string"},
        {{{"b.*", "time"}}, 1, "not a string"},
        {{{"n", "time"}}, 1, "not a string"},
        {{{"a", "date"}}, 1, "date is not a form"},
        {{{"a", ""}}, 1, "is not a form"},
        {{{"f", "time"}}, 1, "default"},
        {{{"a", NULL}}, 1, "no form"},
        {{{"c.at", "time"}, {"d.at", "uuid"}}, 2, "of another form"},
    };
    evlog *log = open_log(*state);
    evlog_signal *signal;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        FAILS(EVLOG_INVALID, table[i].words, define_with(log, table[i].forms, table[i].count));
    evlog_definition of_class = shop_definition;
    of_class.forms = table[0].forms;
    of_class.form_count = 1;
    FAILS(EVLOG_INVALID, "a class has its own", evlog_define_class(log, &of_class, &signal));
    struct marks marks = {.type_count = 0};
    OK(evlog_each_type(log, note_marks, &marks));
    assert_int_equal(marks.type_count, 0);
    OK(evlog_close(log));
}

/* Forms that do not fit the schema, as no evlog writes them, are damage, and do not crash. */
static void forged_forms_are_reported(void **state)
{
    static const char *const forged[] = {"\x81\xa1x\xa4time",
                                         "\x81\xa1n\xa4time",
                                         "\x81\xa1"
                                         "a\xa4tame",
                                         "\x81\x01\xa4time",
                                         "\x81\xa1"
                                         "a\x90",
                                         "\x81\x91\xa1"
                                         "a\x91\xa4time"};
    for (size_t i = 0; i < sizeof forged / sizeof *forged; i++) {
        char name[40];
        evlog_signal *signal;
        const struct type *type;
        snprintf(name, sizeof name, "org.example.forged.v%zu", i);
        struct type_text text = {.name = name,
                                 .schema = SCHEMA,
                                 .forms = {forged[i], strlen(forged[i])},
                                 .personal = {"\x92\x90\xa1"
                                              "a",
                                              4}};
        evlog *log = open_log(*state);
        struct marks marks = {.type_count = 0};
        OK(types_define(log->store->types, &text, NULL, &type));
        FAILS(EVLOG_DAMAGED, "its schema in the log", evlog_define(log, name, 0, NULL, &signal));
        OK(evlog_each_type(log, note_marks, &marks));
        OK(evlog_close(log));
    }
}

/* Personal fields are in the log, sorted; other ones are another entry; wrong ones are refused. */
static void personal_fields_are_marked(void **state)
{
    static const char *const marks[] = {"order.guests.*.name", "order.buyer"};
    static const char *const twice[] = {"order.id", "order.id"};
    static const char *const unknown[] = {"order.email"};
    evlog_definition definition = shop_definition;
    evlog_signal *signal;
    evlog *log = open_log(*state);
    definition.personal = twice;
    definition.personal_count = 2;
    FAILS(EVLOG_INVALID, "marked twice", evlog_define_class(log, &definition, &signal));
    definition.personal = unknown;
    definition.personal_count = 1;
    FAILS(EVLOG_INVALID, "no field order.email", evlog_define_class(log, &definition, &signal));
    definition.personal = marks;
    definition.personal_count = 2;
    OK(evlog_define_class(log, &definition, &signal));
    assert_marks(log, 1, order_forms, "order.buyer order.guests.*.name ");
    OK(evlog_close(log));
    log = open_log(*state);
    OK(evlog_define_class(log, &definition, &signal));
    assert_marks(log, 1, order_forms, "order.buyer order.guests.*.name ");
    OK(evlog_close(log));
    log = open_log(*state);
    OK(evlog_define_class(log, &shop_definition, &signal));
    assert_marks(log, 2, order_forms, "");
    evlog_definition untyped = {
        .event_type = "org.example.untyped.v1", .personal = marks, .personal_count = 1};
    FAILS(EVLOG_INVALID, "without a class", evlog_define_class(log, &untyped, &signal));
    OK(evlog_close(log));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_AT_HOME(a_class_gives_its_forms_to_all), TEST_AT_HOME(a_text_is_given_forms),
        TEST_AT_HOME(wrong_forms_are_refused),        TEST_AT_HOME(forged_forms_are_reported),
        TEST_AT_HOME(personal_fields_are_marked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
