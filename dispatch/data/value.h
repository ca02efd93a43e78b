/* What value.c has for the library besides evlog/value.h. */
#ifndef DISPATCH_DATA_VALUE_H
#define DISPATCH_DATA_VALUE_H

#include <evlog/value.h>

/* Whether each backslash of a path precedes a dot or a backslash. */
bool value_path_is_right(const char *path);

/* As evlog_value_find with such a path, but without a sentence. False: it is not there. */
bool value_seek(const evlog_value *from, const char *path, evlog_value *value);

#endif
