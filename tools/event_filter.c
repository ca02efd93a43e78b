/*
 * Which events of a range are wanted, by what is in them: --where, --grep, --not-type, --source, --host, --by time.
 *
 * --where is PATH OP VALUE in one word, as journalctl has FIELD=VALUE: enrollment.user.id=7. PATH is that of
 * evlog/value.h, keys and places in lists with dots between; a key's own dot is written \. and its = ! < > ~ with a
 * backslash too.
 *
 * 1. All options must want the event. Of several --source or --host one must match, of several --where and --grep each.
 * 2. The event's value decides how it is compared: a number with VALUE as a number, a text with VALUE as a text, true,
 *    false and null with these words. So id=7 finds 7, 7.0 and "7"; id="7", in quotes as in JSON, only the text.
 * 3. Numbers compare exactly, also integers beyond 2^53 with fractions; texts byte by byte, which is the order of code
 *    points. < <= > >= hold only between two numbers or two texts.
 * 4. What is not there counts as null, as in jq, and so does all of an erased event: it matches PATH!=7 and PATH=null.
 *    PATH!=null is true where there is something. A map, a list, bytes and NaN match only !=.
 * 5. ~ finds a POSIX extended regular expression anywhere in a text; in nothing else. Its time is linear in the text's
 *    size (compile), since a text may be a stranger's and 64 MiB long. The expression is the user's own: one such as
 *    (a|b)*a(a|b){20} takes 200 us and 3 KB for a byte of some texts.
 * 6. --grep finds TEXT in a key, in a text, in a number as JSON prints it, in the data and the headers. Without
 *    capitals in TEXT the case of ASCII letters does not matter, as with journalctl -g.
 *
 * It is evaluated on the MessagePack, which was checked when the event was read. Cost: --where reads what precedes
 * the value in the data; --grep looks for its rarest byte with memchr, and walks through the values only when all of
 * TEXT is there, or when it may be in a number. Absent: `or`, patterns in paths, an index.
 */
#include "event_filter.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

/* ------------------------------------------------------------ conditions ---- */

static const struct {
    const char *text;
    enum filter_relation relation;
} relations[] = {
    /* the longer ones first */
    {"!=", FILTER_UNEQUAL}, {"<=", FILTER_LESS_EQUAL}, {">=", FILTER_MORE_EQUAL},
    {"=", FILTER_EQUAL},    {"<", FILTER_LESS},        {">", FILTER_MORE},
    {"~", FILTER_LIKE},
};
#define RELATION_COUNT (sizeof relations / sizeof *relations)

/* The relation that `text` begins with; RELATION_COUNT: none. */
static size_t relation_at(const char *text)
{
    size_t i = 0;
    while (i < RELATION_COUNT && strncmp(text, relations[i].text, strlen(relations[i].text)) != 0)
        i++;
    return i;
}

/*
 * Finds the relation after the path, and takes the backslashes before what would be one out of the path. NULL: there is
 * no relation, or a wrong backslash.
 */
static char *path_end(char *text, size_t *found)
{
    char *to = text;
    for (const char *at = text; *at; at++) {
        *found = relation_at(at);
        if (*found < RELATION_COUNT) {
            char *value = (char *)at + strlen(relations[*found].text);
            *to = '\0';
            return value;
        }
        if (*at == '\\') {
            at++;
            if (*at == '.' || *at == '\\')
                *to++ = '\\';
            else if (!*at || !strchr("=!<>~", *at))
                return NULL;
        }
        *to++ = *at;
    }
    return NULL;
}

/* Whether `text` is a number as JSON has it; strtod also takes others. */
static bool is_number(const char *text)
{
    size_t whole, digits;
    text += *text == '-';
    whole = strspn(text, "0123456789");
    if (!whole || (whole > 1 && *text == '0'))
        return false;
    text += whole;
    if (*text == '.') {
        digits = strspn(++text, "0123456789");
        if (!digits)
            return false;
        text += digits;
    }
    if (*text == 'e' || *text == 'E') {
        text += text[1] == '+' || text[1] == '-' ? 2 : 1;
        digits = strspn(text, "0123456789");
        if (!digits)
            return false;
        text += digits;
    }
    return !*text;
}

static evlog_value number_of(const char *text)
{
    bool is_whole = !strpbrk(text, ".eE");
    errno = 0;
    long long integer = strtoll(text, NULL, 10);
    if (is_whole && !errno)
        return (evlog_value){.kind = EVLOG_VALUE_INTEGER, .integer = integer};
    errno = 0;
    unsigned long long large = strtoull(text, NULL, 10);
    if (is_whole && !errno && *text != '-')
        return (evlog_value){.kind = EVLOG_VALUE_UNSIGNED, .unsigned_integer = large};
    return (evlog_value){.kind = EVLOG_VALUE_DOUBLE, .number = strtod(text, NULL)};
}

/* Takes a text of JSON out of its quotes, in place. -1: it is none. */
static int unquote(char *text)
{
    json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
    bool is_string = json_is_string(json);
    if (is_string)
        strcpy(text, json_string_value(json)); /* which is shorter */
    json_decref(json);
    return is_string ? 0 : -1;
}

/* VALUE is a word or number of JSON, or else a text; in quotes it is a text in any case. */
static int read_value(char *text, struct condition *condition)
{
    bool is_quoted = *text == '"';
    if (is_quoted && unquote(text))
        return -1;
    condition->string = (evlog_string){.text = text, .size = strlen(text)};
    condition->value = (evlog_value){.kind = EVLOG_VALUE_STRING};
    if (is_quoted)
        return 0;
    if (strcmp(text, "null") == 0)
        condition->value = (evlog_value){.kind = EVLOG_VALUE_NULL};
    else if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
        condition->value = (evlog_value){.kind = EVLOG_VALUE_BOOL, .boolean = *text == 't'};
    else if (is_number(text))
        condition->value = number_of(text);
    return 0;
}

/* The end of what is in brackets, from the [ on. */
static const char *bracket_end(const char *at)
{
    at++;
    at += *at == '^';
    at += *at == ']';
    while (*at && *at != ']') {
        const char close[] = {at[1], ']', '\0'};
        bool is_class = *at == '[' && at[1] && strchr(":.=", at[1]);
        const char *end = is_class ? strstr(at + 2, close) : NULL;
        at = end ? end + 2 : at + 1;
    }
    return at + (*at == ']');
}

/*
 * Copies a regular expression, with \` for ^, since glibc finds a ^ that is not the first thing also after a newline.
 * -1: it has \1, which is not POSIX's in extended expressions, and for which glibc takes exponential time.
 */
static int translate(const char *expression, char *to)
{
    for (const char *end; *expression; expression = end) {
        end = expression + 1;
        if (*expression == '[')
            end = bracket_end(expression);
        if (*expression == '\\' && *end && isdigit((unsigned char)*end++))
            return -1;
        if (*expression == '^')
            to = stpcpy(to, "\\`");
        else
            to = mempcpy(to, expression, (size_t)(end - expression));
    }
    strcpy(to, ")");
    return 0;
}

/*
 * glibc looks for an expression from each byte of a text on, anew: that [ab]*ax is not in 100 KB takes it 27 s, and a
 * hundred times as long in 1 MB. So it is compiled as one that begins where the text does, with anything before it:
 * then glibc passes over the text once. -1: it is wrong.
 */
static int compile(const char *expression, regex_t *regex)
{
    static const char anything[] = "\\`([^a]|a)*(";
    if (regcomp(regex, expression, REG_EXTENDED | REG_NOSUB))
        return -1;
    regfree(regex);
    char *whole = malloc(sizeof anything + 2 * strlen(expression) + 1);
    if (!whole)
        return -1;
    int failed = translate(expression, stpcpy(whole, anything));
    if (!failed)
        failed = regcomp(regex, whole, REG_EXTENDED | REG_NOSUB);
    free(whole);
    return failed ? -1 : 0;
}

int event_filter_where(struct event_filter *filter, char *text)
{
    struct condition condition = {.path = text};
    size_t found = RELATION_COUNT;
    if (filter->condition_count == FILTER_MAX)
        return -1;
    char *value = path_end(text, &found);
    if (!value)
        return -1;
    condition.relation = relations[found].relation;
    int failed = condition.relation == FILTER_LIKE ? compile(value, &condition.regex)
                                                   : read_value(value, &condition);
    if (failed)
        return -1;
    filter->conditions[filter->condition_count++] = condition;
    return 0;
}

void event_filter_free(struct event_filter *filter)
{
    for (size_t i = 0; i < filter->condition_count; i++)
        if (filter->conditions[i].relation == FILTER_LIKE)
            regfree(&filter->conditions[i].regex);
    *filter = (struct event_filter){0};
}

/* -------------------------------------------------------------- comparing ---- */

static int order(bool is_less, bool is_more)
{
    return is_more - is_less;
}

/* An integer, which may be above INT64_MAX, as sign and size. */
static bool magnitude(const evlog_value *value, uint64_t *size)
{
    bool is_negative = value->kind == EVLOG_VALUE_INTEGER && value->integer < 0;
    *size = value->kind == EVLOG_VALUE_UNSIGNED ? value->unsigned_integer
            : is_negative                       ? 0 - (uint64_t)value->integer
                                                : (uint64_t)value->integer;
    return is_negative;
}

static int order_integers(const evlog_value *a, const evlog_value *b)
{
    uint64_t a_size, b_size;
    bool a_negative = magnitude(a, &a_size), b_negative = magnitude(b, &b_size);
    if (a_negative != b_negative)
        return a_negative ? -1 : 1;
    int sizes = order(a_size<b_size, a_size> b_size);
    return a_negative ? -sizes : sizes;
}

/*
 * An integer with a fraction, exactly. Rounding keeps the order of two numbers unless it makes them equal; then the
 * fraction is whole.
 */
static int order_mixed(const evlog_value *integer, double fraction)
{
    uint64_t size;
    bool is_negative = magnitude(integer, &size);
    double rounded = is_negative ? -(double)size : (double)size;
    if (rounded != fraction)
        return order(rounded<fraction, rounded> fraction);
    double whole = fabs(fraction);
    if (whole >= 0x1p64)
        return is_negative ? 1 : -1;
    int sizes = order(size<(uint64_t)whole, size>(uint64_t) whole);
    return is_negative ? -sizes : sizes;
}

static bool is_a_number(const evlog_value *value)
{
    return value->kind == EVLOG_VALUE_INTEGER || value->kind == EVLOG_VALUE_UNSIGNED ||
           (value->kind == EVLOG_VALUE_DOUBLE && !isnan(value->number));
}

static int order_numbers(const evlog_value *a, const evlog_value *b)
{
    bool a_fraction = a->kind == EVLOG_VALUE_DOUBLE, b_fraction = b->kind == EVLOG_VALUE_DOUBLE;
    if (a_fraction && b_fraction)
        return order(a->number<b->number, a->number> b->number);
    if (a_fraction)
        return -order_mixed(b, a->number);
    return b_fraction ? order_mixed(a, b->number) : order_integers(a, b);
}

static int order_strings(const evlog_string *a, const evlog_string *b)
{
    size_t size = a->size < b->size ? a->size : b->size;
    int result = memcmp(a->text, b->text, size);
    return result ? result : order(a->size<b->size, a->size> b->size);
}

static bool holds(enum filter_relation relation, int order)
{
    switch (relation) {
    case FILTER_EQUAL:
        return order == 0;
    case FILTER_UNEQUAL:
        return order != 0;
    case FILTER_LESS:
        return order < 0;
    case FILTER_LESS_EQUAL:
        return order <= 0;
    case FILTER_MORE:
        return order > 0;
    case FILTER_MORE_EQUAL:
        return order >= 0;
    case FILTER_LIKE:
        break;
    }
    return false;
}

static bool is_like(const regex_t *regex, const evlog_string *string)
{
    regmatch_t range = {.rm_so = 0, .rm_eo = (regoff_t)string->size};
    return regexec(regex, string->text, 1, &range, REG_STARTEND) == 0;
}

/* Whether it holds for a value of the event; one that is not there is null. */
static bool value_matches(const struct condition *condition, const evlog_value *value)
{
    enum filter_relation relation = condition->relation;
    bool is_same = false;
    if (relation == FILTER_LIKE)
        return value->kind == EVLOG_VALUE_STRING && is_like(&condition->regex, &value->string);
    if (value->kind == EVLOG_VALUE_STRING)
        return holds(relation, order_strings(&value->string, &condition->string));
    if (is_a_number(value) && is_a_number(&condition->value))
        return holds(relation, order_numbers(value, &condition->value));
    if (value->kind == condition->value.kind)
        is_same = value->kind == EVLOG_VALUE_NULL ||
                  (value->kind == EVLOG_VALUE_BOOL && value->boolean == condition->value.boolean);
    return is_same ? relation == FILTER_EQUAL : relation == FILTER_UNEQUAL;
}

static bool condition_matches(const struct condition *condition, const evlog_value *data)
{
    evlog_value value = {.kind = EVLOG_VALUE_NULL};
    if (data->data.data)
        (void)!evlog_value_find(data, condition->path, &value);
    return value_matches(condition, &value);
}

/* ---------------------------------------------------------------- finding ---- */

/* How rare a byte is in texts: the later in this list. Others are rarer still. */
static size_t rareness(char byte)
{
    static const char frequent[] = "eatoinsrhldcumpfgybwvk_.0123-x";
    const char *at = strchr(frequent, byte);
    return at && *at ? (size_t)(at - frequent) : sizeof frequent;
}

int event_filter_grep(struct event_filter *filter, const char *text)
{
    struct needle needle = {.text = text, .size = strlen(text), .is_folded = true};
    if (!needle.size || filter->needle_count == FILTER_MAX)
        return -1;
    for (size_t i = 0; i < needle.size; i++) {
        needle.is_folded &= !(text[i] >= 'A' && text[i] <= 'Z');
        if (rareness(text[i]) > rareness(text[needle.rare]))
            needle.rare = i;
    }
    needle.is_numeric = text[strspn(text, "0123456789.-+e")] == '\0';
    char rare = text[needle.rare];
    needle.one_of[0] = needle.one_of[1] = (unsigned char)rare;
    if (needle.is_folded && rare >= 'a' && rare <= 'z')
        needle.one_of[1] = (unsigned char)(rare - 'a' + 'A');
    filter->needles[filter->needle_count++] = needle;
    return 0;
}

static bool is_equal_folded(const char *a, const char *lower, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char byte = a[i] >= 'A' && a[i] <= 'Z' ? (char)(a[i] - 'A' + 'a') : a[i];
        if (byte != lower[i])
            return false;
    }
    return true;
}

/* The first of the two bytes; NULL: neither is there. */
static const char *find_byte(const char *at, size_t size, const unsigned char one_of[2])
{
    const char *first = memchr(at, one_of[0], size);
    if (one_of[0] == one_of[1])
        return first;
    const char *other = memchr(at, one_of[1], first ? (size_t)(first - at) : size);
    return other ? other : first;
}

static bool is_in(const struct needle *needle, const char *text, size_t size)
{
    if (size < needle->size)
        return false;
    const char *at = text + needle->rare, *end = at + (size - needle->size) + 1;
    while (at < end && (at = find_byte(at, (size_t)(end - at), needle->one_of)) != NULL) {
        const char *begin = at++ - needle->rare;
        if (needle->is_folded ? is_equal_folded(begin, needle->text, needle->size)
                              : memcmp(begin, needle->text, needle->size) == 0)
            return true;
    }
    return false;
}

static bool is_in_number(const struct needle *needle, const evlog_value *value)
{
    char text[24];
    evlog_buffer json;
    if (value->kind == EVLOG_VALUE_DOUBLE) {
        if (evlog_data_json(value->data.data, value->data.size, EVLOG_JSON_LINE, &json))
            return false;
        bool is_found = is_in(needle, json.data, json.size);
        evlog_buffer_free(&json);
        return is_found;
    }
    int size = value->kind == EVLOG_VALUE_INTEGER
                   ? snprintf(text, sizeof text, "%" PRId64, value->integer)
                   : snprintf(text, sizeof text, "%" PRIu64, value->unsigned_integer);
    return is_in(needle, text, (size_t)size);
}

/* In the value, or in what it holds; as deep as data may be. */
static bool is_in_value(const struct needle *needle, const evlog_value *value)
{
    evlog_items items;
    evlog_value key, item;
    if (value->kind == EVLOG_VALUE_STRING)
        return is_in(needle, value->string.text, value->string.size);
    if (is_a_number(value))
        return needle->is_numeric && is_in_number(needle, value);
    if ((value->kind != EVLOG_VALUE_MAP && value->kind != EVLOG_VALUE_LIST) ||
        evlog_items_begin(value, &items))
        return false;
    while (evlog_items_next(&items, &key, &item))
        if (is_in_value(needle, &key) || is_in_value(needle, &item))
            return true;
    return false;
}

static bool is_in_map(const struct needle *needle, const void *data, size_t size)
{
    evlog_value value;
    if (!data || (!needle->is_numeric && !is_in(needle, data, size)))
        return false;
    return evlog_data_value(data, size, &value) == EVLOG_OK && is_in_value(needle, &value);
}

/* --------------------------------------------------------------- the event ---- */

int event_filter_pattern(struct patterns *patterns, const char *text)
{
    if (!*text || patterns->count == FILTER_MAX)
        return -1;
    patterns->texts[patterns->count++] = text;
    return 0;
}

static bool is_any_of(const struct patterns *patterns, const char *name)
{
    for (size_t i = 0; i < patterns->count; i++) {
        const char *pattern = patterns->texts[i];
        size_t size = strlen(pattern);
        if (pattern[size - 1] == '*' ? strncmp(pattern, name, size - 1) == 0
                                     : strcmp(pattern, name) == 0)
            return true;
    }
    return false;
}

bool event_filter_is_empty(const struct event_filter *filter)
{
    return !filter->condition_count && !filter->needle_count && !filter->not_types.count &&
           !filter->sources.count && !filter->hosts.count && !filter->since_us &&
           !filter->until_us;
}

bool event_filter_matches(const evlog_event *event, void *ctx)
{
    const struct event_filter *filter = ctx;
    evlog_value data = {.kind = EVLOG_VALUE_MAP,
                        .data = {.data = event->data, .size = event->data_size}};
    if ((filter->since_us && event->time_us < filter->since_us) ||
        (filter->until_us && event->time_us > filter->until_us) ||
        is_any_of(&filter->not_types, event->event_type) ||
        (filter->sources.count && !is_any_of(&filter->sources, event->source)) ||
        (filter->hosts.count && !is_any_of(&filter->hosts, event->sourcehost)))
        return false;
    for (size_t i = 0; i < filter->condition_count; i++)
        if (!condition_matches(&filter->conditions[i], &data))
            return false;
    for (size_t i = 0; i < filter->needle_count; i++)
        if (!is_in_map(&filter->needles[i], event->data, event->data_size) &&
            !is_in_map(&filter->needles[i], event->headers, event->headers_size))
            return false;
    return true;
}
