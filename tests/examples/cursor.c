/* The example of evlog_cursor in evlog.h prints each event. */
#include <evlog.h>
#include <inttypes.h>
#include <stdio.h>

static int print(evlog *log)
{
    @example store/evlog.h evlog_cursor *cursor;
    return result;
}

int main(void)
{
    evlog *log;
    evlog_signal *signal;
    if (evlog_open("log", NULL, &log) || evlog_define(log, "org.example.x.v1", 0, NULL, &signal) ||
        evlog_send_event(signal, "\x80", 1, NULL, NULL) ||
        evlog_send_event(signal, "\x80", 1, NULL, NULL) || print(log) || evlog_close(log)) {
        puts(evlog_errmsg());
        return 1;
    }
    return 0;
}
/* prints:
1 org.example.x.v1
2 org.example.x.v1
*/
