/* Plugins, good and bad, for test_plugin.c: which one is said by -DPLUGIN_name. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "evlog.h"
#include "evlog/plugin.h"

#define TYPE "org.example.plugged.v1"

int no_such_function(void);

#ifdef PLUGIN_refusing
/* Refuses the event whose seq PLUGIN_REFUSES says, or all, with PLUGIN_WHY; prints the others. */
static int hear(const evlog_event *event)
{
    const char *refused = getenv("PLUGIN_REFUSES");
    char seq[24], why[40];
    snprintf(seq, sizeof seq, "%" PRIu64, event->seq);
    snprintf(why, sizeof why, "no seat for %s", seq);
    if (refused && (strcmp(refused, seq) == 0 || strcmp(refused, "all") == 0))
        return evlog_fail(getenv("PLUGIN_WHY") ? getenv("PLUGIN_WHY") : why);
    printf("heard %s\n", seq);
    return 0;
}
#endif

static int count(const evlog_event *event, void *ctx)
{
    (void)ctx;
#ifdef PLUGIN_refusing
    return hear(event);
#endif
    setenv("PLUGIN_HEARD", event->event_type, 1);
    return 0;
}

static int start(evlog *log)
{
    evlog_signal *signal;
    int result = evlog_define(log, TYPE, 0, NULL, &signal);
    if (result == EVLOG_OK)
        result = evlog_connect(log, signal, "plugged", count, NULL, NULL);
    if (result == EVLOG_OK)
        result = evlog_connect(log, NULL, NULL, count, NULL, NULL);
#ifdef PLUGIN_failing
    return result ? result : evlog_fail("no database");
#elif defined PLUGIN_unlinked
    return no_such_function();
#else
    return result;
#endif
}

#ifdef PLUGIN_old
EVLOG_API const evlog_plugin *evlog_plugin_main(void);
EVLOG_API const evlog_plugin *evlog_plugin_main(void)
{
    static const evlog_plugin plugin = {EVLOG_PLUGIN_ABI + 1, sizeof plugin, "of another time",
                                        start};
    return &plugin;
}
#elif defined PLUGIN_nameless
EVLOG_API int something_else(evlog *log);
EVLOG_API int something_else(evlog *log)
{
    return start(log);
}
#elif defined PLUGIN_startless
EVLOG_PLUGIN("startless", NULL);
extern int (*const unused)(evlog *);
int (*const unused)(evlog *) = start;
#else
EVLOG_PLUGIN("good or failing", start);
#endif
