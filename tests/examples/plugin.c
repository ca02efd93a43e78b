/* The example of evlog/plugin.h, called as evlog_plugin_load does. */
#include <evlog/class.h>
#include <evlog/plugin.h>
#include <stdio.h>

#define LEARNER(F) F(STRING, username)
EVLOG_CLASS(learner, Learner, LEARNER);

static const evlog_definition definition = {
    .event_type = "org.example.enrolled.v1", .argument = "learner", .of = &learner_class};

static int make(const evlog_event *event, void *ctx)
{
    (void)event;
    (void)ctx;
    return 0;
}

@example store/evlog/plugin.h static int start(evlog *log)

int main(void)
{
    evlog *log;
    evlog_signal *created;
    const evlog_plugin *plugin = evlog_plugin_main();
    if (evlog_open("log", NULL, &log) || plugin->start(log) ||
        evlog_signal_by_type(log, definition.event_type, &created)) {
        puts(evlog_errmsg());
        return 1;
    }
    return !evlog_has_receivers(created) || evlog_close(log);
}
