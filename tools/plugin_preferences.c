/*
 * An example of a plugin: notification preferences, made when a learner enrolls.
 *
 * The example of the Open edX documentation: a learner enrolls, COURSE_ENROLLMENT_CREATED is
 * sent, this receiver makes a notification preference, and the application goes on. The event
 * is in the log by then, which the receiver shows by reading it there.
 *
 *   cc -shared -fPIC plugin_preferences.c -o preferences.so
 *   evlog replay LOG --plugin preferences.so
 */
#include <inttypes.h>
#include <stdio.h>

#include "evlog/class.h"
#include "evlog/openedx.h"
#include "evlog/plugin.h"

static int make_preference(const evlog_event *event, void *ctx)
{
    struct openedx_course_enrollment_data enrollment;
    evlog_arena *arena;
    evlog_event *logged;
    if (evlog_unpack(event, &openedx_course_enrollment_data_class, &enrollment, &arena))
        return EVLOG_INVALID;
    if (evlog_read(ctx, event->seq, &logged)) {
        evlog_arena_free(arena);
        return evlog_fail("the event is not in the log");
    }
    printf("    notification preference of %.*s for %.*s is made (event %" PRIu64
           ", in the log already)\n",
           EVLOG_STR(enrollment.user.pii.username), EVLOG_STR(enrollment.course.course_key),
           event->seq);
    evlog_event_free(logged);
    evlog_arena_free(arena);
    return 0;
}

/* By name only: whoever sends the event says what its data are. */
static int start(evlog *log)
{
    evlog_signal *created;
    int result = evlog_define(log, OPENEDX_COURSE_ENROLLMENT_CREATED, 0, NULL, &created);
    return result ? result
                  : evlog_connect(log, created, "notification_preferences", make_preference, log,
                                  NULL);
}

EVLOG_PLUGIN("notification preferences", start);
