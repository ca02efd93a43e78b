/*
 * How the structs of evlog.h can grow. evlog.h includes this header; there is
 * nothing in it to call.
 *
 * Each function here passes on the sizes that the caller's structs had when it was compiled. The
 * library takes the fields that a shorter, older struct lacks as zero, and fills in only those
 * that it has; a field that is set and that an older library does not know is EVLOG_UNSUPPORTED.
 */
#ifndef EVLOG_SIZED_H
#define EVLOG_SIZED_H

#include <evlog.h>

#ifdef __cplusplus
extern "C" {
#endif

EVLOG_API int evlog_open_sized(const char *path, const evlog_options *options,
                               size_t options_size, evlog **log);

EVLOG_INLINE int evlog_open(const char *path, const evlog_options *options, evlog **log)
{
    return evlog_open_sized(path, options, sizeof(evlog_options), log);
}

EVLOG_API int evlog_event_header_sized(const evlog_event *event, size_t event_size,
                                       const char *name, evlog_string *value);

EVLOG_INLINE int evlog_event_header(const evlog_event *event, const char *name,
                                    evlog_string *value)
{
    return evlog_event_header_sized(event, sizeof(evlog_event), name, value);
}

EVLOG_API int evlog_connect_sized(evlog *log, evlog_signal *signal, const char *dispatch_uid,
                                  evlog_receiver *receiver, void *ctx,
                                  const evlog_connect_options *options, size_t options_size,
                                  size_t outcome_size);

EVLOG_INLINE int evlog_connect(evlog *log, evlog_signal *signal, const char *dispatch_uid,
                               evlog_receiver *receiver, void *ctx,
                               const evlog_connect_options *options)
{
    return evlog_connect_sized(log, signal, dispatch_uid, receiver, ctx, options,
                               sizeof(evlog_connect_options), sizeof(evlog_outcome));
}

EVLOG_API void evlog_sent_free_sized(evlog_sent *sent, size_t sent_size);

EVLOG_INLINE void evlog_sent_free(evlog_sent *sent)
{
    evlog_sent_free_sized(sent, sizeof(evlog_sent));
}

EVLOG_API int evlog_send_event_sized(evlog_signal *signal, const void *data, size_t data_size,
                                     const evlog_send_options *options, size_t options_size,
                                     size_t metadata_size, evlog_sent *sent, size_t sent_size);

EVLOG_INLINE int evlog_send_event(evlog_signal *signal, const void *data, size_t data_size,
                                  const evlog_send_options *options, evlog_sent *sent)
{
    return evlog_send_event_sized(signal, data, data_size, options, sizeof(evlog_send_options),
                                  sizeof(evlog_metadata), sent, sizeof(evlog_sent));
}

EVLOG_API int evlog_send_events_sized(const evlog_sending *sends, size_t sending_size,
                                      size_t metadata_size, size_t count,
                                      const evlog_send_options *options, size_t options_size,
                                      evlog_sent *sent, size_t sent_size);

EVLOG_INLINE int evlog_send_events(const evlog_sending *sends, size_t count,
                                   const evlog_send_options *options, evlog_sent *sent)
{
    return evlog_send_events_sized(sends, sizeof(evlog_sending), sizeof(evlog_metadata), count,
                                   options, sizeof(evlog_send_options), sent, sizeof(evlog_sent));
}

EVLOG_API int evlog_cursor_open_sized(evlog *log, const evlog_range *range, size_t range_size,
                                      evlog_cursor **cursor);

EVLOG_INLINE int evlog_cursor_open(evlog *log, const evlog_range *range, evlog_cursor **cursor)
{
    return evlog_cursor_open_sized(log, range, sizeof(evlog_range), cursor);
}

EVLOG_API int evlog_replay_sized(evlog *log, const evlog_range *range, size_t range_size,
                                 evlog_receiver *receiver, void *ctx, evlog_outcome *outcome,
                                 size_t outcome_size);

EVLOG_INLINE int evlog_replay(evlog *log, const evlog_range *range, evlog_receiver *receiver,
                              void *ctx, evlog_outcome *outcome)
{
    return evlog_replay_sized(log, range, sizeof(evlog_range), receiver, ctx, outcome,
                              sizeof(evlog_outcome));
}

EVLOG_API int evlog_replay_to_receivers_sized(evlog *log, const evlog_range *range,
                                              size_t range_size, evlog_outcome *outcome,
                                              size_t outcome_size);

EVLOG_INLINE int evlog_replay_to_receivers(evlog *log, const evlog_range *range,
                                           evlog_outcome *outcome)
{
    return evlog_replay_to_receivers_sized(log, range, sizeof(evlog_range), outcome,
                                           sizeof(evlog_outcome));
}

EVLOG_API int evlog_count_types_sized(evlog *log, const evlog_range *range, size_t range_size,
                                      int (*visit)(const evlog_type_count *count, void *ctx),
                                      void *ctx, evlog_outcome *outcome, size_t outcome_size);

EVLOG_INLINE int evlog_count_types(evlog *log, const evlog_range *range,
                                   int (*visit)(const evlog_type_count *count, void *ctx),
                                   void *ctx, evlog_outcome *outcome)
{
    return evlog_count_types_sized(log, range, sizeof(evlog_range), visit, ctx, outcome,
                                   sizeof(evlog_outcome));
}

EVLOG_API int evlog_find_sized(evlog *log, const uint8_t id[16], const evlog_range *range,
                               size_t range_size, evlog_event **event);

EVLOG_INLINE int evlog_find(evlog *log, const uint8_t id[16], const evlog_range *range,
                            evlog_event **event)
{
    return evlog_find_sized(log, id, range, sizeof(evlog_range), event);
}

EVLOG_API int evlog_inspect_sized(evlog *log, evlog_info *info, size_t info_size);

EVLOG_INLINE int evlog_inspect(evlog *log, evlog_info *info)
{
    return evlog_inspect_sized(log, info, sizeof(evlog_info));
}

#ifdef __cplusplus
}
#endif

#endif
