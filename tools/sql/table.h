/* A log as a virtual table of SQLite, see table.c. */
#ifndef SQL_TABLE_H
#define SQL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sqlite3ext.h>

#include <evlog.h>
#include <evlog/value.h>

/* The columns, in this order; then those of paths. */
enum {
    COLUMN_SEQ,
    COLUMN_LOG_TIME,
    COLUMN_TIME,
    COLUMN_ID,
    COLUMN_TYPE,
    COLUMN_SOURCE,
    COLUMN_HOST,
    COLUMN_LIB,
    COLUMN_HEADERS,
    COLUMN_DATA,
    COLUMN_DAMAGE,
    COLUMN_LOG, /* hidden: the argument of the table-valued function */
    COLUMN_PATHS,
};

#define PATHS_MAX 500

struct path_column {
    char *name;
    const char *path; /* in the same block */
};

struct table {
    sqlite3_vtab base;
    sqlite3 *db;
    char *log;       /* its directory; NULL: the table-valued function, which is given it */
    bool is_offline; /* read without a trace, as evlog_options has it */
    struct path_column *paths;
    size_t path_count;
};

/* What an xBestIndex has decided; idxNum of SQLite. Its constraints are in idxStr, see plan.c. */
enum {
    PLAN_NEWEST_FIRST = 1,
    PLAN_DAMAGE_ROWS = 2, /* the column damage is asked for: damaged events are rows */
    PLAN_TYPES_ONLY = 4,  /* nothing but types is asked for, in their order */
};

/* How many events were read in this process, about: for the progress of evlog sql. */
uint64_t evlog_sqlite_read_count(void);

/* xBestIndex. */
int plan_best(sqlite3_vtab *base, sqlite3_index_info *info);

/* What the constraints ask for. `types` points into `arguments`. */
struct wanted {
    const char *log; /* NULL: the table's */
    evlog_range range;
    bool is_nothing; /* no event can fit */
};

/* Reads the arguments of xFilter, which idxStr describes; those of types are left to plan_wants_type. */
void plan_read(const char *plan, int count, sqlite3_value **arguments, struct wanted *wanted);

/* A condition on the type, kept for the time of a scan. */
struct type_condition {
    char kind;            /* of plan.c */
    sqlite3_value **from; /* copies, to be freed */
    size_t count;
};

struct type_conditions {
    struct type_condition *of;
    size_t count;
};

/* Copies the conditions on the type. SQLite's code. */
int plan_types(const char *plan, int count, sqlite3_value **arguments,
               struct type_conditions *conditions);
void plan_types_free(struct type_conditions *conditions);
bool plan_wants_type(const struct type_conditions *conditions, const char *type);

/* Gives SQLite an event's column. `data`: its data's value, once it was looked at; kind MAP then. */
void column_give(sqlite3_context *context, const struct table *table, const evlog_event *event,
                 evlog_value *data, int column);

#endif
