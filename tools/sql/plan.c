/*
 * Which events a query needs: its conditions become a range of the log, so that not all of it is read.
 *
 * idxStr has two bytes for each argument of xFilter: its kind, and its operator.
 *
 *   L   the log's directory, of the table-valued function
 *   s   seq           = > G(>=) < l(<=)
 *   t   log_time      likewise
 *   T   type          = L(LIKE) G(GLOB) I(IN, all values at once)
 *
 * 1. What is read is never less than what the conditions ask for: SQLite looks at each row again, so that a condition
 *    may be left out here (of a kind of value or a collation that is not understood).
 * 2. A text is compared with log_time as SQLite does, byte by byte. log_time has one form, so its order is that of
 *    time, and the first time whose text is not before a given text, whatever that is, is found by bisection.
 *
 * Cost for SQLite: it does not know how long a log is; a million events are assumed. Each lower or upper bound of seq
 * or log_time leaves a quarter, a seq one event. A type leaves a tenth of the rows, but all events are still read.
 */
#include <string.h>

#include "table.h"

SQLITE_EXTENSION_INIT3

#define ROWS 1e6

/* ---------------------------------------------------------- xBestIndex ---- */

static char operator_of(int op)
{
    switch (op) {
    case SQLITE_INDEX_CONSTRAINT_EQ:
        return '=';
    case SQLITE_INDEX_CONSTRAINT_GT:
        return '>';
    case SQLITE_INDEX_CONSTRAINT_GE:
        return 'G';
    case SQLITE_INDEX_CONSTRAINT_LT:
        return '<';
    case SQLITE_INDEX_CONSTRAINT_LE:
        return 'l';
    default:
        return 0;
    }
}

static char type_operator(sqlite3_index_info *info, int i)
{
    switch (info->aConstraint[i].op) {
    case SQLITE_INDEX_CONSTRAINT_EQ:
        /* Since SQLite 3.38 all values of an IN can be had at once; else the log is read for each of them. */
        return sqlite3_libversion_number() >= 3038000 && sqlite3_vtab_in(info, i, 1) ? 'I' : '=';
    case SQLITE_INDEX_CONSTRAINT_LIKE:
        return 'L';
    case SQLITE_INDEX_CONSTRAINT_GLOB:
        return 'G';
    default:
        return 0;
    }
}

/* A condition as two bytes; false: it cannot be used. */
static bool describe(sqlite3_index_info *info, int i, char kind_and_operator[2])
{
    const struct sqlite3_index_constraint *constraint = &info->aConstraint[i];
    bool is_binary = strcmp(sqlite3_vtab_collation(info, i), "BINARY") == 0;
    char kind = 0, op = 0;
    if (constraint->iColumn == COLUMN_LOG && constraint->op == SQLITE_INDEX_CONSTRAINT_EQ)
        kind = 'L', op = '=';
    else if (constraint->iColumn == COLUMN_SEQ)
        kind = 's', op = operator_of(constraint->op);
    else if (constraint->iColumn == COLUMN_LOG_TIME && is_binary)
        kind = 't', op = operator_of(constraint->op);
    else if (constraint->iColumn == COLUMN_TYPE && is_binary)
        kind = 'T', op = type_operator(info, i);
    kind_and_operator[0] = kind;
    kind_and_operator[1] = op;
    return op != 0;
}

static double rows_left(const char kind_and_operator[2])
{
    if (kind_and_operator[0] == 's' && kind_and_operator[1] == '=')
        return 1 / ROWS;
    return kind_and_operator[0] == 'T' ? 0.1 : kind_and_operator[0] == 'L' ? 1 : 0.25;
}

/* Takes the conditions that can be used into `plan`. Returns how many; the part of the rows in `*part`. */
static int take_conditions(const struct table *table, sqlite3_index_info *info, char *plan,
                           double *rows, double *cost)
{
    int count = 0;
    for (int i = 0; i < info->nConstraint; i++) {
        const struct sqlite3_index_constraint *constraint = &info->aConstraint[i];
        char *at = plan + 2 * count;
        if (!constraint->usable || (table->log && constraint->iColumn == COLUMN_LOG) ||
            !describe(info, i, at))
            continue;
        info->aConstraintUsage[i].argvIndex = ++count;
        info->aConstraintUsage[i].omit = at[0] == 'L';
        *rows *= rows_left(at);
        *cost *= at[0] == 'T' ? 0.9 : rows_left(at);
    }
    plan[2 * count] = '\0';
    return count;
}

/* The function must know its log: SQLITE_CONSTRAINT where this order of a join does not give it. */
static int check_log(struct table *table, const sqlite3_index_info *info)
{
    bool is_there = false;
    for (int i = 0; i < info->nConstraint; i++)
        if (info->aConstraint[i].iColumn == COLUMN_LOG &&
            info->aConstraint[i].op == SQLITE_INDEX_CONSTRAINT_EQ) {
            if (info->aConstraint[i].usable)
                return SQLITE_OK;
            is_there = true;
        }
    if (is_there || table->log)
        return is_there && !table->log ? SQLITE_CONSTRAINT : SQLITE_OK;
    sqlite3_free(table->base.zErrMsg);
    table->base.zErrMsg = sqlite3_mprintf("evlog: which log? select * from evlog('LOG')");
    return SQLITE_ERROR;
}

static void take_order(sqlite3_index_info *info)
{
    const struct sqlite3_index_orderby *by = info->aOrderBy;
    sqlite3_uint64 type_only = 1 << COLUMN_TYPE;
    if (info->nOrderBy == 0)
        return;
    /* seq is unique: what comes after it in ORDER BY changes nothing. */
    if (by->iColumn == COLUMN_SEQ)
        info->orderByConsumed = 1;
    else if (by->iColumn == COLUMN_TYPE && info->nOrderBy == 1 && info->colUsed == type_only) {
        info->idxNum |= PLAN_TYPES_ONLY;
        info->orderByConsumed = 1;
    }
    if (info->orderByConsumed && by->desc)
        info->idxNum |= PLAN_NEWEST_FIRST;
}

int plan_best(sqlite3_vtab *base, sqlite3_index_info *info)
{
    struct table *table = (struct table *)base;
    double rows = ROWS, cost = ROWS;
    int result = check_log(table, info);
    if (result)
        return result;
    char *plan = sqlite3_malloc(2 * info->nConstraint + 1);
    if (!plan)
        return SQLITE_NOMEM;
    take_conditions(table, info, plan, &rows, &cost);
    info->idxStr = plan;
    info->needToFreeIdxStr = 1;
    info->idxNum = info->colUsed & (1 << COLUMN_DAMAGE) ? PLAN_DAMAGE_ROWS : 0;
    take_order(info);
    info->estimatedRows = rows < 1 ? 1 : (sqlite3_int64)rows;
    info->estimatedCost = cost + 10;
    if (strstr(plan, "s="))
        info->idxFlags = SQLITE_INDEX_SCAN_UNIQUE;
    return SQLITE_OK;
}

/* --------------------------------------------------- seq and log_time ---- */

/* Leaves first to last of what a range has; false: nothing is left. */
static bool narrow_seqs(evlog_range *range, uint64_t first, uint64_t last)
{
    if (first > range->first_seq)
        range->first_seq = first;
    if (range->last_seq == 0 || last < range->last_seq)
        range->last_seq = last;
    return last > 0 && range->first_seq <= range->last_seq;
}

static bool narrow_by_seq(evlog_range *range, char op, sqlite3_value *value)
{
    int kind = sqlite3_value_numeric_type(value);
    if (kind != SQLITE_INTEGER)
        return kind != SQLITE_NULL;
    sqlite3_int64 seq = sqlite3_value_int64(value);
    uint64_t at = seq > 0 ? (uint64_t)seq : 0;
    switch (op) {
    case '=':
        return narrow_seqs(range, at, at);
    case '>':
        return narrow_seqs(range, seq < 0 ? 0 : at + 1, UINT64_MAX);
    case 'G':
        return narrow_seqs(range, at, UINT64_MAX);
    case '<':
        return narrow_seqs(range, 0, at ? at - 1 : 0);
    default:
        return narrow_seqs(range, 0, at);
    }
}

/* The first time whose text is not before `text` (or, `is_after`, is after it); one too late when there is none. */
static int64_t first_time(const char *text, bool is_after)
{
    int64_t first = EVLOG_TIME_US_MIN, end = EVLOG_TIME_US_MAX + 1;
    while (first < end) {
        char of_middle[EVLOG_TIME_TEXT_SIZE];
        int64_t middle = first + (end - first) / 2;
        int order = strcmp(evlog_time_text(middle, of_middle), text);
        if (order > 0 || (order == 0 && !is_after))
            end = middle;
        else
            first = middle + 1;
    }
    return first;
}

/* 0 is no bound in a range: then it is a microsecond wider. */
static bool narrow_times(evlog_range *range, int64_t since_us, int64_t until_us)
{
    since_us = since_us == 0 ? -1 : since_us;
    until_us = until_us == 0 ? 1 : until_us;
    if (range->since_us == 0 || since_us > range->since_us)
        range->since_us = since_us;
    if (range->until_us == 0 || until_us < range->until_us)
        range->until_us = until_us;
    return range->since_us <= range->until_us;
}

static bool narrow_by_time(evlog_range *range, char op, sqlite3_value *value)
{
    const char *text = (const char *)sqlite3_value_text(value);
    if (sqlite3_value_type(value) == SQLITE_NULL)
        return false;
    if (sqlite3_value_type(value) != SQLITE_TEXT || !text ||
        strlen(text) != (size_t)sqlite3_value_bytes(value))
        return true;
    switch (op) {
    case '=':
        return narrow_times(range, first_time(text, false), first_time(text, true) - 1);
    case '>':
        return narrow_times(range, first_time(text, true), EVLOG_TIME_US_MAX);
    case 'G':
        return narrow_times(range, first_time(text, false), EVLOG_TIME_US_MAX);
    case '<':
        return narrow_times(range, EVLOG_TIME_US_MIN, first_time(text, false) - 1);
    default:
        return narrow_times(range, EVLOG_TIME_US_MIN, first_time(text, true) - 1);
    }
}

void plan_read(const char *plan, int count, sqlite3_value **arguments, struct wanted *wanted)
{
    static const char *const all_types[] = {"*", "evlog.*"};
    *wanted = (struct wanted){.range = {.types = all_types, .type_count = 2}};
    for (int i = 0; i < count; i++, plan += 2) {
        bool is_some = true;
        if (plan[0] == 'L')
            wanted->log = (const char *)sqlite3_value_text(arguments[i]);
        else if (plan[0] == 's')
            is_some = narrow_by_seq(&wanted->range, plan[1], arguments[i]);
        else if (plan[0] == 't')
            is_some = narrow_by_time(&wanted->range, plan[1], arguments[i]);
        wanted->is_nothing |= !is_some;
    }
}

/* --------------------------------------------------------------- types ---- */

static int keep(struct type_condition *condition, sqlite3_value *value)
{
    size_t size = (condition->count + 1) * sizeof *condition->from;
    sqlite3_value **from = sqlite3_realloc64(condition->from, size);
    if (!from)
        return SQLITE_NOMEM;
    condition->from = from;
    condition->from[condition->count] = sqlite3_value_dup(value);
    return condition->from[condition->count++] ? SQLITE_OK : SQLITE_NOMEM;
}

/* A condition's value, or the values of an IN. */
static int keep_all(struct type_condition *condition, sqlite3_value *value)
{
    sqlite3_value *one;
    if (condition->kind != 'I')
        return keep(condition, value);
    int result = sqlite3_vtab_in_first(value, &one);
    while (result == SQLITE_OK && one) {
        result = keep(condition, one);
        if (result == SQLITE_OK)
            result = sqlite3_vtab_in_next(value, &one);
    }
    return result == SQLITE_DONE ? SQLITE_OK : result;
}

int plan_types(const char *plan, int count, sqlite3_value **arguments,
               struct type_conditions *conditions)
{
    int result = SQLITE_OK;
    *conditions = (struct type_conditions){.count = 0};
    for (int i = 0; i < count && result == SQLITE_OK; i++, plan += 2) {
        if (plan[0] != 'T')
            continue;
        size_t size = (conditions->count + 1) * sizeof *conditions->of;
        struct type_condition *of = sqlite3_realloc64(conditions->of, size);
        if (!of)
            return SQLITE_NOMEM;
        conditions->of = of;
        of[conditions->count] = (struct type_condition){.kind = plan[1]};
        result = keep_all(&of[conditions->count++], arguments[i]);
    }
    return result;
}

void plan_types_free(struct type_conditions *conditions)
{
    for (size_t i = 0; i < conditions->count; i++) {
        for (size_t j = 0; j < conditions->of[i].count; j++)
            sqlite3_value_free(conditions->of[i].from[j]);
        sqlite3_free(conditions->of[i].from);
    }
    sqlite3_free(conditions->of);
    *conditions = (struct type_conditions){.count = 0};
}

/* Whether a type fits one value; a value of another kind may be made a text by SQLite, so it fits any. */
static bool fits(char kind, sqlite3_value *value, const char *type)
{
    const char *text = (const char *)sqlite3_value_text(value);
    if (sqlite3_value_type(value) != SQLITE_TEXT || !text)
        return sqlite3_value_type(value) != SQLITE_NULL;
    return kind == 'L'   ? sqlite3_strlike(text, type, 0) == 0
           : kind == 'G' ? sqlite3_strglob(text, type) == 0
                         : strcmp(text, type) == 0;
}

static bool fits_any(const struct type_condition *condition, const char *type)
{
    for (size_t i = 0; i < condition->count; i++)
        if (fits(condition->kind, condition->from[i], type))
            return true;
    return false;
}

bool plan_wants_type(const struct type_conditions *conditions, const char *type)
{
    for (size_t i = 0; i < conditions->count; i++)
        if (!fits_any(&conditions->of[i], type))
            return false;
    return true;
}
