/* Waiting for a broker that is away: a line when it goes, one when it is back, and backoff between. */
#include "tool.h"

#include <stdarg.h>

#include "relay.h"

#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 10000

static _Thread_local char why[512];

const char *broker_why(void)
{
    return why;
}

enum outcome broker_fail(enum outcome outcome, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    return outcome;
}

bool link_wait(struct link_state *link)
{
    if (!link->is_away) {
        link->is_away = true;
        link->away_since_ms = now_ms();
        link->backoff_ms = BACKOFF_MIN_MS;
        link->reconnect_count++;
        complain(0, "%s is away: %s; waiting for it", link->shown, broker_why());
    }
    bool is_stopped = stop_wait_ms(link->backoff_ms);
    link->backoff_ms =
        2 * link->backoff_ms > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : 2 * link->backoff_ms;
    return is_stopped;
}

void link_back(struct link_state *link)
{
    if (!link->is_away)
        return;
    link->is_away = false;
    complain(0, "%s is back after %.1f s", link->shown,
             (double)(now_ms() - link->away_since_ms) / 1000);
}
