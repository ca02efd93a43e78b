/* The example of evlog/openedx.h sends an event. */
#include <evlog/openedx.h>
#include <stdio.h>

int main(void)
{
    evlog *log;
    evlog_signal *created;
    evlog_info info;
    if (evlog_open("log", NULL, &log)) {
        puts(evlog_errmsg());
        return 1;
    }
    @example store/evlog/openedx.h evlog_define_openedx(log);
    return evlog_inspect(log, &info) || info.last_seq != 1 || evlog_close(log);
}
