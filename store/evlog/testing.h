/*
 * Help for the tests of programs that send events.
 */
#ifndef EVLOG_TESTING_H
#define EVLOG_TESTING_H

#include <evlog.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EVLOG_CAPTURE_MAX 65536 /* events of one evlog_capture */

/*
 * As the testing module of openedx-events: a test that is not about events turns them off,
 * another turns on those it is about. Errors of evlog_signal_by_type; then none is enabled.
 */
EVLOG_API int evlog_enable_all(evlog *log);
EVLOG_API int evlog_disable_all(evlog *log);
EVLOG_API int evlog_enable_types(evlog *log, const char *const *types, size_t type_count);

typedef struct evlog_capture evlog_capture;

/*
 * Keeps a copy of what is sent in this process from now on, of one signal or, with NULL, of
 * all. evlog_capture_end lets go of them, and enables and disables the signals as they were
 * when it began, so that one test's switches are not the next one's surprise. EVLOG_CAPTURE_MAX
 * events are kept; the receiver fails for those that come after. While it ends no thread may be
 * sending.
 */
EVLOG_API int evlog_capture_begin(evlog *log, evlog_signal *signal, evlog_capture **capture);
EVLOG_API int evlog_capture_end(evlog_capture *capture);

/*
 * How many there are, and each, from 0, in the order they were sent; NULL: no such. Valid until
 * the end.
 */
EVLOG_API size_t evlog_capture_count(evlog_capture *capture);
EVLOG_API const evlog_event *evlog_capture_event(evlog_capture *capture, size_t i);

#ifdef __cplusplus
}
#endif

#endif
