/* SQLite's functions, as they are given to an extension: in a file of its own since all others use it. */
#include "table.h"

SQLITE_EXTENSION_INIT1
