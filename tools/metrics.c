/*
 * evlog metrics: logs and their consumers as Prometheus' text (exposition.c), for the textfile collector of
 * node_exporter and its like. A log that cannot be read is reported; the others are written all the same.
 */
#include <string.h>

#include "exposition.h"
#include "tool.h"

/* The exit status; what fails is reported. */
static int add_log(const struct options *options, const char *path, struct exposition *exposition)
{
    struct options of_log = {.path = path, .open = options->open};
    evlog *log = NULL;
    bool is_open = open_as_it_is(&of_log, &log) == EVLOG_OK;
    int code = exposition_add(exposition, path, is_open ? log : NULL);
    if (code)
        complain(EXIT_LOG, "%s: %s", path, evlog_errmsg());
    if (is_open)
        evlog_close(log);
    return is_open && !code ? EXIT_DONE : EXIT_LOG;
}

static const char *path_of(const struct options *options, size_t i)
{
    return i ? options->operands[i - 1] : options->path;
}

/* -1: each log is given once; else the exit status. */
static int check_logs(const struct options *options)
{
    for (size_t i = 0; i <= options->operand_count; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(path_of(options, i), path_of(options, j)) == 0)
                return complain(EXIT_MISUSE, "%s is given twice", path_of(options, i));
    return -1;
}

int metrics_run(struct options *options)
{
    struct exposition exposition = {0};
    int status = check_logs(options);
    if (status >= 0)
        return status;
    status = EXIT_DONE;
    for (size_t i = 0; i <= options->operand_count; i++)
        if (add_log(options, path_of(options, i), &exposition))
            status = EXIT_LOG;
    exposition_put(stdout, &exposition);
    exposition_free(&exposition);
    return status;
}
