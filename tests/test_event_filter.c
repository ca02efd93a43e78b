/*
 * The filter of the command beside a naive twin on msgpack-c's tree: random data, random conditions and texts; each
 * kind with each relation; what is refused.
 */
#include "event_filter.h"

#include <ctype.h>
#include <math.h>
#include <msgpack.h>
#include <time.h>

#include "load.h"

enum { ROUNDS = 20000, QUESTIONS = 10 };

/* ------------------------------------------------------------ random data ---- */

static const char *const keys[] = {"id", "user", "x.y", "k=v", "a\\b", "0", "", "!"};
static const char *const texts[] = {"",  "7",   "true", "null", "Alice", "alice", "ALICE 17",
                                    "b", "5.0", "e",    "é",    "-0.25", "zz\ny", "10"};
static const int64_t integers[] = {0, 7, -7, 17, INT64_MAX, INT64_MIN, (INT64_C(1) << 53) + 1,
                                   10};
static const uint64_t larges[] = {UINT64_MAX, UINT64_C(1) << 63, (UINT64_C(1) << 63) + 1};
static const double doubles[] = {7.0,     0.1,   -0.25, 0x1p53, 0x1p63, 0x1p64,
                                 -0x1p63, 1e300, NAN,   1.5,    17.5,   INFINITY};

#define PICK(random, table) table[load_random(random, sizeof(table) / sizeof *(table))]

static void pack_text(msgpack_packer *packer, const char *text)
{
    msgpack_pack_str(packer, strlen(text));
    if (*text)
        msgpack_pack_str_body(packer, text, strlen(text));
}

static void pack_some(msgpack_packer *packer, uint64_t *random, int depth)
{
    uint64_t count = load_random(random, 4);
    switch (load_random(random, depth ? 10 : 8)) {
    case 0:
        msgpack_pack_nil(packer);
        break;
    case 1:
        load_random(random, 2) ? msgpack_pack_true(packer) : msgpack_pack_false(packer);
        break;
    case 2:
    case 3:
        msgpack_pack_int64(packer, PICK(random, integers));
        break;
    case 4:
        msgpack_pack_uint64(packer, PICK(random, larges));
        break;
    case 5:
        msgpack_pack_double(packer, PICK(random, doubles));
        break;
    case 6:
        pack_text(packer, PICK(random, texts));
        break;
    case 7:
        msgpack_pack_bin_with_body(packer, "alice", 5);
        break;
    case 8:
        msgpack_pack_array(packer, count);
        for (; count; count--)
            pack_some(packer, random, depth - 1);
        break;
    default:
        msgpack_pack_map(packer, count);
        for (; count; count--) {
            pack_text(packer, PICK(random, keys));
            pack_some(packer, random, depth - 1);
        }
    }
}

static void pack_map(msgpack_packer *packer, uint64_t *random)
{
    msgpack_pack_map(packer, 4);
    for (int i = 0; i < 4; i++) {
        pack_text(packer, PICK(random, keys));
        pack_some(packer, random, 2);
    }
}

/* ---------------------------------------------------------------- the twin ---- */

/* Where `parts` lead to; NULL: nowhere. */
static const msgpack_object *walk(const msgpack_object *at, const char *const *parts,
                                  size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const msgpack_object *next = NULL;
        if (at->type == MSGPACK_OBJECT_MAP)
            for (uint32_t j = 0; j < at->via.map.size && !next; j++) {
                const msgpack_object *key = &at->via.map.ptr[j].key;
                if (key->via.str.size == strlen(parts[i]) &&
                    strncmp(key->via.str.ptr ? key->via.str.ptr : "", parts[i],
                            key->via.str.size) == 0)
                    next = &at->via.map.ptr[j].val;
            }
        if (at->type == MSGPACK_OBJECT_ARRAY && strcmp(parts[i], "0") == 0 && at->via.array.size)
            next = &at->via.array.ptr[0];
        if (!next)
            return NULL;
        at = next;
    }
    return at;
}

static int is_number_object(const msgpack_object *object, long double *number)
{
    *number = object->type == MSGPACK_OBJECT_POSITIVE_INTEGER   ? (long double)object->via.u64
              : object->type == MSGPACK_OBJECT_NEGATIVE_INTEGER ? (long double)object->via.i64
                                                                : (long double)object->via.f64;
    return object->type == MSGPACK_OBJECT_POSITIVE_INTEGER ||
           object->type == MSGPACK_OBJECT_NEGATIVE_INTEGER ||
           object->type == MSGPACK_OBJECT_FLOAT64;
}

/* A value as it is written after the relation. */
struct literal {
    char kind; /* n number, t text, b word, 0 null */
    char text[64];
    long double number;
    int is_true;
};

static struct literal random_literal(uint64_t *random)
{
    struct literal literal = {.kind = 'n'};
    switch (load_random(random, 6)) {
    case 0:
        literal = (struct literal){.kind = '0', .text = "null"};
        break;
    case 1:
        literal.kind = 'b';
        literal.is_true = load_random(random, 2) != 0;
        strcpy(literal.text, literal.is_true ? "true" : "false");
        break;
    case 2:
        literal.number = PICK(random, integers);
        snprintf(literal.text, sizeof literal.text, "%.0Lf", literal.number);
        break;
    case 3:
        literal.number = PICK(random, larges);
        snprintf(literal.text, sizeof literal.text, "%.0Lf", literal.number);
        break;
    case 4: {
        double number = PICK(random, doubles);
        literal.number = isfinite(number) ? number : 2.5;
        snprintf(literal.text, sizeof literal.text, "%.17Lge0", literal.number);
        if (strchr(literal.text, 'e') != strrchr(literal.text, 'e'))
            snprintf(literal.text, sizeof literal.text, "%.17Lg", literal.number);
        break;
    }
    default:
        literal.kind = 't';
        strcpy(literal.text, load_random(random, 2) ? "Alice" : "b");
    }
    return literal;
}

static int order_long(long double a, long double b)
{
    return (a > b) - (a < b);
}

static int by_operator(const char *relation, int order)
{
    return *relation == '='   ? order == 0
           : *relation == '!' ? order != 0
           : *relation == '<' ? order < 0 || (relation[1] && order == 0)
                              : order > 0 || (relation[1] && order == 0);
}

static int twin_matches(const msgpack_object *object, const char *relation,
                        const struct literal *literal)
{
    long double number;
    int same = 0;
    if (object && object->type == MSGPACK_OBJECT_STR) {
        char text[64];
        snprintf(text, sizeof text, "%.*s", (int)object->via.str.size,
                 object->via.str.ptr ? object->via.str.ptr : "");
        return by_operator(relation, strcmp(text, literal->text));
    }
    if (object && is_number_object(object, &number) && literal->kind == 'n' && number == number)
        return by_operator(relation, order_long(number, literal->number));
    if (!object || object->type == MSGPACK_OBJECT_NIL)
        same = literal->kind == '0';
    else if (object->type == MSGPACK_OBJECT_BOOLEAN)
        same = literal->kind == 'b' && object->via.boolean == (bool)literal->is_true;
    return strcmp(relation, "=") == 0 ? same : strcmp(relation, "!=") == 0 && !same;
}

static int has_text(const char *text, size_t size, const char *wanted)
{
    int is_folded = 1;
    char copy[2][64];
    snprintf(copy[0], sizeof copy[0], "%.*s", (int)size, text ? text : "");
    snprintf(copy[1], sizeof copy[1], "%s", wanted);
    for (size_t i = 0; wanted[i]; i++)
        is_folded &= !isupper((unsigned char)wanted[i]);
    for (size_t i = 0; is_folded && copy[0][i]; i++)
        copy[0][i] = (char)tolower((unsigned char)copy[0][i]);
    return strstr(copy[0], copy[1]) != NULL;
}

static int twin_finds(const msgpack_object *object, const char *wanted)
{
    char text[64];
    switch (object->type) {
    case MSGPACK_OBJECT_STR:
        return has_text(object->via.str.ptr, object->via.str.size, wanted);
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        return has_text(text, (size_t)sprintf(text, "%" PRIu64, object->via.u64), wanted);
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return has_text(text, (size_t)sprintf(text, "%" PRId64, object->via.i64), wanted);
    case MSGPACK_OBJECT_FLOAT64:
        if (!isfinite(object->via.f64) || object->via.f64 == 0.1)
            return object->via.f64 == 0.1 && has_text("0.1", 3, wanted);
        sprintf(text, "%.17g", object->via.f64);
        if (!strpbrk(text, ".e"))
            strcat(text, ".0");
        return has_text(text, strlen(text), wanted);
    case MSGPACK_OBJECT_ARRAY:
        for (uint32_t i = 0; i < object->via.array.size; i++)
            if (twin_finds(&object->via.array.ptr[i], wanted))
                return 1;
        return 0;
    case MSGPACK_OBJECT_MAP:
        for (uint32_t i = 0; i < object->via.map.size; i++)
            if (twin_finds(&object->via.map.ptr[i].key, wanted) ||
                twin_finds(&object->via.map.ptr[i].val, wanted))
                return 1;
        return 0;
    default:
        return 0;
    }
}

/* ------------------------------------------------------------- comparison ---- */

/* A key as a path has it. */
static void append_escaped(char *path, const char *key)
{
    path += strlen(path);
    for (; *key; *path++ = *key++)
        if (strchr(".\\=!", *key))
            *path++ = '\\';
    *path = '\0';
}

static void ask_where(const msgpack_sbuffer *data, const msgpack_object *root, uint64_t *random)
{
    static const char *const all[] = {"=", "!=", "<", "<=", ">", ">="};
    const evlog_event event = {.data = data->data, .data_size = data->size};
    const char *parts[3], *relation = PICK(random, all);
    size_t count = 1 + load_random(random, 3);
    struct literal literal = random_literal(random);
    static struct event_filter filter;
    char text[256] = "", shown[256];
    for (size_t i = 0; i < count; i++) {
        parts[i] = PICK(random, keys);
        strcat(text, i ? "." : "");
        append_escaped(text, parts[i]);
    }
    strcat(strcat(text, relation), literal.text);
    strcpy(shown, text);
    memset(&filter, 0, sizeof filter);
    if (event_filter_where(&filter, text))
        fail_msg("%s: refused", shown);
    int expected = twin_matches(walk(root, parts, count), relation, &literal);
    if (event_filter_matches(&event, &filter) != (expected != 0)) {
        msgpack_object_print(stdout, *root);
        fail_msg("%s: %d", shown, !expected);
    }
}

static void ask_grep(const msgpack_sbuffer *data, const msgpack_object *root, uint64_t *random)
{
    static const char *const wanted[] = {"7",  "lic", "LIC", "e",  "00",     "17", "-0.25", "y",
                                         "id", "é",   "k=",  "5.", "1e+300", "92", "0.1"};
    const evlog_event event = {.data = data->data, .data_size = data->size};
    const char *text = PICK(random, wanted);
    static struct event_filter filter;
    memset(&filter, 0, sizeof filter);
    assert_int_equal(event_filter_grep(&filter, text), 0);
    int expected = twin_finds(root, text);
    if (event_filter_matches(&event, &filter) != (expected != 0)) {
        msgpack_object_print(stdout, *root);
        fail_msg("grep %s: %d", text, !expected);
    }
}

/* Of random data it says what the twin says. */
static void agrees_with_a_naive_twin(void **state)
{
    uint64_t random = load_seed();
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        msgpack_sbuffer data;
        msgpack_packer packer;
        msgpack_unpacked tree;
        msgpack_sbuffer_init(&data);
        msgpack_packer_init(&packer, &data, msgpack_sbuffer_write);
        msgpack_unpacked_init(&tree);
        pack_map(&packer, &random);
        assert_int_equal(msgpack_unpack_next(&tree, data.data, data.size, NULL),
                         MSGPACK_UNPACK_SUCCESS);
        for (int i = 0; i < QUESTIONS; i++) {
            ask_where(&data, &tree.data, &random);
            ask_grep(&data, &tree.data, &random);
        }
        msgpack_unpacked_destroy(&tree);
        msgpack_sbuffer_destroy(&data);
    }
}

/* ----------------------------------------------------------------- by hand ---- */

static bool where(const char *data, size_t size, const char *condition)
{
    static struct event_filter filter;
    char text[256];
    const evlog_event event = {.data = data, .data_size = size};
    memset(&filter, 0, sizeof filter);
    strcpy(text, condition);
    if (event_filter_where(&filter, text))
        fail_msg("%s: refused", condition);
    bool matches = event_filter_matches(&event, &filter);
    if (filter.conditions[0].relation == FILTER_LIKE)
        regfree(&filter.conditions[0].regex);
    return matches;
}

/* 2^53 + 1 is not 2^53, and an integer is not the fraction that rounds it. */
static void numbers_are_compared_exactly(void **state)
{
    static const char large[] = "\x81\xa1n\xcf\x00\x20\x00\x00\x00\x00\x00\x01"; /* 2^53 + 1 */
    static const char most[] = "\x81\xa1n\xcf\xff\xff\xff\xff\xff\xff\xff\xff";
    (void)state;
    assert_true(where(large, 12, "n=9007199254740993"));
    assert_false(where(large, 12, "n=9007199254740992"));
    assert_false(where(large, 12, "n=9007199254740992.0"));
    assert_true(where(large, 12, "n>9007199254740992.0"));
    assert_true(where(large, 12, "n<9007199254740994.0"));
    assert_true(where(most, 12, "n<18446744073709551616.0"));
    assert_true(where(most, 12, "n<18446744073709551616"));
    assert_true(where(most, 12, "n=18446744073709551615"));
    assert_true(where(most, 12, "n>-1"));
    assert_true(where(SMALL_MAP("\x07"), 4, "n=7.0"));
    assert_true(where(SMALL_MAP("\x07"), 4, "n=7e0"));
}

/* Quotes make a text of what would be a number; and what is not JSON's number is a text. */
static void quotes_and_texts(void **state)
{
    (void)state;
    assert_false(where(SMALL_MAP("\x07"), 4, "n=\"7\""));
    assert_true(where("\x81\xa1n\xa1"
                      "7",
                      5, "n=\"7\""));
    assert_true(where("\x81\xa1n\xa1"
                      "7",
                      5, "n=7"));
    assert_true(where("\x81\xa1n\xa3"
                      "a\"\n",
                      7, "n=\"a\\\"\\n\""));
    assert_true(where("\x81\xa1n\xa2"
                      "07",
                      6, "n=07"));
    assert_false(where(SMALL_MAP("\x07"), 4, "n=07"));
    assert_false(where(SMALL_MAP("\x07"), 4, "n=0x7"));
    assert_false(where(SMALL_MAP("\x07"), 4, "n="));
    assert_true(where("\x81\xa1n\xa0", 4, "n="));
    assert_true(where("\x81\xa1n\xa3"
                      "a=b",
                      7, "n=a=b"));
}

/* A regular expression is found anywhere in a text, also beyond a NUL, and in nothing else. */
static void regular_expressions(void **state)
{
    (void)state;
    assert_true(where("\x81\xa1n\xa5"
                      "hello",
                      9, "n~l+o$"));
    assert_false(where("\x81\xa1n\xa5"
                       "hello",
                       9, "n~^l"));
    assert_true(where("\x81\xa1n\xa5"
                      "he\0lo",
                      9, "n~lo$"));
    assert_false(where(SMALL_MAP("\x07"), 4, "n~7"));
    assert_false(where(SMALL_MAP("\x07"), 4, "m~.*"));
    assert_true(where("\x81\xa1n\xa1"
                      "3",
                      5, "n~^(1|3)$"));
}

/* "n": a text of a few pieces. Its size. */
static size_t make_text(uint64_t *random, char data[32])
{
    static const char *const pieces[] = {"a", "b", "^",       "\n",
                                         "",  ".", "\xc3\xa9"}; /* "": a NUL */
    size_t size = 0;
    for (uint64_t left = load_random(random, 6); left > 0; left--) {
        const char *piece = PICK(random, pieces);
        strcpy(data + 4 + size, piece);
        size += *piece ? strlen(piece) : 1;
    }
    memcpy(data, "\x81\xa1n", 3);
    data[3] = (char)(0xa0 | size);
    return size;
}

/* How it is compiled does not change what it finds. */
static void regular_expressions_are_those_of_regexec(void **state)
{
    static const char *const expressions[] = {
        "",    "a",      "^",        "$",      "^$",  "a|b",     "^a|b$", "(a)(b)", "ab*a",
        "a.b", "(a|b)*", "^(a|b)*$", "[^a]b+", "\\.", "a{2,3}$", "b\na",  "\xc3.",  "^[^b]*$"};
    uint64_t random = 7;
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        char data[32], condition[64];
        size_t size = make_text(&random, data);
        const char *expression = PICK(&random, expressions);
        regmatch_t range = {.rm_so = 0, .rm_eo = (regoff_t)size};
        regex_t regex;
        assert_int_equal(regcomp(&regex, expression, REG_EXTENDED), 0);
        bool is_found = regexec(&regex, data + 4, 1, &range, REG_STARTEND) == 0;
        regfree(&regex);
        snprintf(condition, sizeof condition, "n~%s", expression);
        if (where(data, 4 + size, condition) != is_found)
            fail_msg("round %d: %s", round, condition);
    }
}

/* Each would take minutes if it were looked for from each byte on. */
static void regular_expressions_take_no_longer_than_the_text(void **state)
{
    static const char *const expressions[] = {"n~[ab]*ax", "n~[ab]*x|q", "n~(ab)*x",
                                              "n~(a*)*(b|a)*c$"};
    const size_t size = 200000;
    char *data = malloc(8 + size + 1);
    (void)state;
    assert_non_null(data);
    memcpy(data, "\x81\xa1n\xdb\0\3\x0d\x40", 8); /* 200000 */
    for (size_t i = 0; i < size; i++)
        data[8 + i] = "ab"[i % 2];
    data[8 + size] = '\0'; /* to which the sanitizer's regexec reads */
    for (size_t i = 0; i < sizeof expressions / sizeof *expressions; i++) {
        clock_t before = clock();
        assert_false(where(data, 8 + size, expressions[i]));
        assert_true(clock() - before < 5 * CLOCKS_PER_SEC);
    }
    free(data);
}

/* Of an erased event everything is null. */
static void what_is_erased_is_null(void **state)
{
    (void)state;
    assert_true(where(NULL, 0, "n=null"));
    assert_true(where(NULL, 0, "n!=7"));
    assert_false(where(NULL, 0, "n!=null"));
    assert_false(where(NULL, 0, "n=7"));
}

static void what_is_wrong_is_refused(void **state)
{
    static const char *const wrong[] = {"",      "n",    "n!7",     "a\\",      "a\\n=1",
                                        "n~(",   "n~[a", "n~a)(b",  "n~(a)\\1", "n~\\\\\\1",
                                        "n=\"a", "n=\"", "n=\"a\"b"};
    static struct event_filter filter;
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[64];
        strcpy(text, wrong[i]);
        if (event_filter_where(&filter, text) != -1)
            fail_msg("%s: taken", wrong[i]);
    }
    assert_int_equal(event_filter_grep(&filter, ""), -1);
    assert_int_equal(event_filter_pattern(&filter.sources, ""), -1);
    assert_true(event_filter_is_empty(&filter));
    for (size_t i = 0; i < FILTER_MAX; i++)
        assert_int_equal(event_filter_grep(&filter, "a"), 0);
    assert_int_equal(event_filter_grep(&filter, "a"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_a_naive_twin),
        cmocka_unit_test(numbers_are_compared_exactly),
        cmocka_unit_test(quotes_and_texts),
        cmocka_unit_test(regular_expressions),
        cmocka_unit_test(regular_expressions_are_those_of_regexec),
        cmocka_unit_test(regular_expressions_take_no_longer_than_the_text),
        cmocka_unit_test(what_is_erased_is_null),
        cmocka_unit_test(what_is_wrong_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
