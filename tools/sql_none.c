/* evlog sql where evlog was built without SQLite; in its place is sql.c. */
#include "tool.h"

int sql_run(struct options *options)
{
    (void)options;
    return complain(EXIT_LOG, "evlog was built without SQLite (Debian: apt-get install "
                              "libsqlite3-dev, then make)");
}
