/* The examples of evlog/value.h: the receiver writes what is at the path, the walk counts the strings. */
#include <evlog/value.h>
#include <stdio.h>

@example store/evlog/value.h static int note_enrollment

static size_t count_strings(const evlog_value *groups)
{
    @example store/evlog/value.h size_t count = 0;
    return result ? 0 : count;
}

/* {"enrollment": {"user": {"pii": {"email": "a@b"}}}} and ["a", 1, "b"] */
static const char data[] = "\x81\xaa" "enrollment\x81\xa4user\x81\xa3pii\x81\xa5" "email\xa3" "a@b";
static const char list[] = "\x93\xa1" "a\x01\xa1" "b";

int main(void)
{
    evlog *log;
    evlog_signal *signal;
    evlog_value groups;
    char text[8] = "";
    FILE *file = tmpfile();
    if (!file || evlog_open("log", NULL, &log) ||
        evlog_define(log, "org.example.enrolled.v1", 0, NULL, &signal) ||
        evlog_connect(log, signal, NULL, note_enrollment, file, NULL) ||
        evlog_send_event(signal, data, sizeof data - 1, NULL, NULL) ||
        evlog_send_event(signal, "\x80", 1, NULL, NULL) || evlog_close(log) ||
        evlog_data_value(list, sizeof list - 1, &groups)) {
        puts(evlog_errmsg());
        return 1;
    }
    rewind(file);
    return !fgets(text, sizeof text, file) || strcmp(text, "a@b") != 0 || count_strings(&groups) != 2;
}
