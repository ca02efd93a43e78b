/* What Python uses of evlog.h and flat.c, as cffi reads it. "..." is filled in by the C compiler. */

#define EVLOG_OK ...
#define EVLOG_INVALID ...
#define EVLOG_NOTFOUND ...
#define EVLOG_LIMIT ...
#define EVLOG_CONFLICT ...
#define EVLOG_READONLY ...
#define EVLOG_BUSY ...
#define EVLOG_FULL ...
#define EVLOG_IO ...
#define EVLOG_NOMEM ...
#define EVLOG_DAMAGED ...
#define EVLOG_UNSUPPORTED ...
#define EVLOG_FORKED ...
#define EVLOG_RECEIVER ...
#define EVLOG_STOPPED ...

typedef struct evlog evlog;
typedef struct evlog_signal evlog_signal;
typedef struct evlog_schema evlog_schema;
typedef struct evlog_consumer evlog_consumer;
typedef int... evlog_durability;
typedef int... evlog_dispatch;
typedef int... evlog_start;
typedef int... evlog_replays;
typedef int... evlog_on_failure;
typedef int... evlog_notice_kind;
typedef struct evlog_event evlog_event;
typedef int evlog_receiver(const evlog_event *event, void *ctx);

#define EVLOG_DURABILITY_DEFAULT ...
#define EVLOG_DURABLE ...
#define EVLOG_FAST ...
#define EVLOG_DISPATCH_DEFAULT ...
#define EVLOG_DISPATCH_ROBUST ...
#define EVLOG_DISPATCH_STRICT ...
#define EVLOG_START_DEFAULT ...
#define EVLOG_START_FIRST ...
#define EVLOG_START_NEW ...
#define EVLOG_START_SEQ ...
#define EVLOG_START_TIME ...
#define EVLOG_START_LAST ...
#define EVLOG_REPLAY_KNOWING ...
#define EVLOG_REPLAY_SILENT ...
#define EVLOG_REPLAY_REFUSE ...
#define EVLOG_FAILURE_PARK ...
#define EVLOG_FAILURE_STOP ...
#define EVLOG_FAILURE_SKIP ...

const char *evlog_errmsg(void);
const char *evlog_version(void);

typedef struct { void *data; size_t size; } evlog_buffer;
void evlog_buffer_free(evlog_buffer *buffer);
typedef struct { const char *name; const char *value; } evlog_header;
typedef struct { const char *path; const char *form; } evlog_form;

/* The log. */
typedef struct {
    evlog_durability durability;
    bool read_only, no_create;
    const char *source, *service, *sourcehost;
    uint32_t data_size_max, readers_max;
    uint64_t log_size_max;
    uint32_t flush_every_ms;
    evlog_dispatch dispatch;
    uint32_t wait_ms;
    ...;
} evlog_options;
int evlog_open(const char *path, const evlog_options *options, evlog **log);
int evlog_close(evlog *log);
int evlog_sync(evlog *log);
int evlog_define(evlog *log, const char *event_type, int32_t minor_version, const char *schema,
                 evlog_signal **signal);
int evlog_define_openedx(evlog *log);
int evlog_signal_by_type(evlog *log, const char *event_type, evlog_signal **signal);
void evlog_signal_enable(evlog_signal *signal);
void evlog_signal_disable(evlog_signal *signal);
bool evlog_signal_is_enabled(const evlog_signal *signal);
const evlog_schema *evlog_signal_schema(const evlog_signal *signal);
const char *evlog_schema_text(const evlog_schema *schema);
int evlog_avro_encode(const evlog_schema *schema, const void *data, size_t data_size, evlog_buffer *avro);
int evlog_avro_decode(const evlog_schema *schema, const void *avro, size_t avro_size, evlog_buffer *data);

/* Sending. */
typedef struct {
    uint8_t id[16];
    int32_t minorversion;
    int64_t time_us;
    const char *source, *sourcehost, *sourcelib;
    ...;
} evlog_metadata;
typedef struct {
    int64_t time_us;
    evlog_dispatch dispatch;
    const evlog_metadata *metadata;
    bool from_event_bus;
    const evlog_header *headers;
    size_t header_count;
    uint64_t after_seq;
    bool unless_id, unless_any;
    const char *const *unless_types;
    size_t unless_type_count;
    ...;
} evlog_send_options;
typedef struct {
    evlog_signal *signal;
    const void *data;
    size_t data_size;
    int64_t time_us;
    const evlog_metadata *metadata;
    bool from_event_bus;
    const evlog_header *headers;
    size_t header_count;
    ...;
} evlog_sending;

/* Receivers and replay. */
typedef struct {
    uint64_t delivered, failed, skipped, refused, damaged, last_seq, first_failed_seq;
    ...;
} evlog_outcome;
typedef struct {
    evlog_start start;
    uint64_t start_seq;
    int64_t start_time_us;
    uint64_t start_count;
    evlog_replays replay;
    bool keep_going;
    evlog_outcome *outcome;
    int (*visit)(uint64_t seq, void *ctx);
    ...;
} evlog_connect_options;
int evlog_connect(evlog *log, evlog_signal *signal, const char *dispatch_uid, evlog_receiver *receiver,
                  void *ctx, const evlog_connect_options *options);
int evlog_disconnect(evlog *log, evlog_signal *signal, const char *dispatch_uid,
                     evlog_receiver *receiver, void *ctx);
bool evlog_has_receivers(const evlog_signal *signal);
typedef struct {
    uint64_t first_seq, last_seq;
    int64_t since_us, until_us;
    const char *const *types;
    size_t type_count;
    uint64_t limit;
    bool newest_first, keep_going;
    double speed, per_second;
    int (*visit)(uint64_t seq, void *ctx);
    ...;
} evlog_range;
bool evlog_type_matches(const char *const *types, size_t type_count, const char *event_type);
int evlog_replay(evlog *log, const evlog_range *range, evlog_receiver *receiver, void *ctx,
                 evlog_outcome *outcome);
int evlog_replay_to_receivers(evlog *log, const evlog_range *range, evlog_outcome *outcome);
int evlog_read(evlog *log, uint64_t seq, evlog_event **event);
int evlog_find(evlog *log, const uint8_t *id, const evlog_range *range, evlog_event **event);
void evlog_event_free(evlog_event *event);
int evlog_wait(evlog *log, uint64_t seq, int64_t timeout_ms, uint64_t *last_seq);
int evlog_fail(const char *why);

/* Looking at a log. */
typedef struct {
    uint8_t uuid[16], origin[16];
    uint32_t format;
    evlog_durability durability;
    bool read_only;
    int64_t created_us;
    uint64_t first_seq, last_seq;
    int64_t first_log_time_us, last_log_time_us;
    uint32_t clock_step_count;
    bool is_ahead;
    uint64_t file_size, used_size;
    uint32_t type_count;
    uint64_t source_count, unknown_entry_count;
    bool is_unrecovered;
    uint64_t waiting_count, erased_waiting_count, free_size;
    ...;
} evlog_info;
int evlog_inspect(evlog *log, evlog_info *info);
typedef struct {
    uint64_t number;
    const char *name, *schema;
    const evlog_form *forms;
    size_t form_count;
    const char *const *personal;
    size_t personal_count;
    ...;
} evlog_type;
int evlog_each_type(evlog *log, int (*visit)(const evlog_type *type, void *ctx), void *ctx);
typedef struct {
    uint64_t first_seq, last_seq;
    const char *text;
    bool is_remark;
    ...;
} evlog_finding;
int evlog_verify(evlog *log, int (*visit)(const evlog_finding *finding, uint64_t seq, void *ctx),
                 void *ctx, uint64_t *checked_count);

/* evlog/upkeep.h. */
typedef struct {
    bool preview, force;
    int (*visit)(uint64_t deleted_count, void *ctx);
    ...;
} evlog_trim_options;
typedef struct {
    uint64_t first_seq, last_seq, deleted_count, held_seq;
    char held_by[256];
    ...;
} evlog_trimmed;
int evlog_trim(evlog *log, uint64_t before_seq, const evlog_trim_options *options, evlog_trimmed *trimmed);

/* Consumers. */
typedef struct {
    evlog_notice_kind kind;
    uint64_t first_seq, last_seq;
    const char *text;
    ...;
} evlog_notice;
typedef struct {
    evlog_start start;
    uint64_t start_seq;
    int64_t start_time_us;
    uint64_t start_count;
    bool no_create;
    const char *const *types;
    size_t type_count;
    evlog_replays replay;
    evlog_on_failure on_failure;
    uint32_t attempt_max, backoff_ms, backoff_max_ms, commit_every, claim_wait_ms;
    double speed, per_second;
    uint64_t last_seq;
    uint64_t behind_count;
    void (*notice)(const evlog_notice *notice, void *ctx);
    void *notice_ctx;
    int (*visit)(uint64_t seq, void *ctx);
    ...;
} evlog_consumer_options;
int evlog_consumer_open(evlog *log, const char *name, const evlog_consumer_options *options,
                        evlog_consumer **consumer);
int evlog_consumer_close(evlog_consumer *consumer);
int evlog_consumer_next(evlog_consumer *consumer, int64_t timeout_ms, const evlog_event **event);
int evlog_consumer_done(evlog_consumer *consumer, uint64_t seq);
int evlog_consumer_fail(evlog_consumer *consumer, uint64_t seq, const char *why);
int evlog_consumer_commit(evlog_consumer *consumer);
void evlog_consumer_stop(evlog_consumer *consumer);
int evlog_state_get(evlog_consumer *consumer, const void *key, size_t key_size, const void **value,
                    size_t *value_size);
int evlog_state_put(evlog_consumer *consumer, const void *key, size_t key_size, const void *value,
                    size_t value_size);
int evlog_state_delete(evlog_consumer *consumer, const void *key, size_t key_size);
int evlog_state_each(evlog_consumer *consumer,
                     int (*visit)(const void *key, size_t key_size, const void *value,
                                  size_t value_size, void *ctx),
                     void *ctx);
typedef struct {
    const char *name;
    uint64_t checkpoint, lag_count;
    int64_t lag_us;
    uint64_t replay_last_seq;
    int64_t created_us, updated_us;
    uint64_t done_count, refused_count, skipped_count, parked_count, retry_count, state_count;
    bool is_paused;
    int32_t pid;
    const char *const *types;
    size_t type_count;
    ...;
} evlog_consumer_info;
int evlog_each_consumer(evlog *log, int (*visit)(const evlog_consumer_info *info, void *ctx), void *ctx);
int evlog_consumer_inspect(evlog *log, const char *name, evlog_consumer_info **info);
void evlog_consumer_info_free(evlog_consumer_info *info);
int evlog_consumer_remove(evlog *log, const char *name);
typedef struct {
    evlog_start start;
    uint64_t start_seq;
    int64_t start_time_us;
    uint64_t start_count;
    bool dry_run;
    int (*visit)(uint64_t seq, void *ctx);
    ...;
} evlog_reset_options;
typedef struct { uint64_t old_checkpoint, checkpoint, state_count, parked_count; ...; } evlog_reset;
int evlog_consumer_reset(evlog *log, const char *name, const evlog_reset_options *options,
                         evlog_reset *reset);
int evlog_consumer_set_paused(evlog *log, const char *name, bool is_paused);
typedef struct {
    uint64_t seq, last_seq;
    uint32_t attempt_count;
    int64_t time_us;
    bool is_lost, is_retry;
    const char *error;
    ...;
} evlog_parked;
int evlog_each_state(evlog *log, const char *name,
                     int (*visit)(const void *key, size_t key_size, const void *value, size_t value_size, void *ctx),
                     void *ctx);
int evlog_each_parked(evlog *log, const char *name, int (*visit)(const evlog_parked *parked, void *ctx),
                      void *ctx);
int evlog_parked_retry(evlog *log, const char *name, uint64_t seq, uint64_t *count);
int evlog_parked_drop(evlog *log, const char *name, uint64_t seq, uint64_t *count);

/* flat.c */
size_t flat_size(const evlog_event *event);
void flat_write(const evlog_event *event, char *bytes);
typedef struct {
    char *bytes;
    size_t used_size;
    uint32_t *ends;
    size_t count;
    int result;
    char message[1024];
    uint64_t damage_first, damage_last;
    bool at_end, is_untaken;
    ...;
} flat_batch;
int flat_batch_open(evlog *log, const evlog_range *range, flat_batch **batch);
void flat_batch_fill(flat_batch *batch);
void flat_batch_close(flat_batch *batch);

typedef struct { uint64_t seq; uint8_t id[16]; bool was_there; } flat_sent;
int flat_send(evlog_signal *signal, const void *data, size_t data_size,
              const evlog_send_options *options, flat_sent *flat);
int flat_send_many(const evlog_sending *sends, size_t count, const evlog_send_options *options,
                   flat_sent *flat);

/* What C calls. */
extern "Python" int python_receive(const evlog_event *event, void *ctx);
extern "Python" int python_type(const evlog_type *type, void *ctx);
extern "Python" int python_finding(const evlog_finding *finding, uint64_t seq, void *ctx);
extern "Python" int python_visit(uint64_t seq, void *ctx);
extern "Python" int python_consumer(const evlog_consumer_info *info, void *ctx);
extern "Python" int python_state(const void *key, size_t key_size, const void *value, size_t value_size, void *ctx);
extern "Python" int python_parked(const evlog_parked *parked, void *ctx);
extern "Python" void python_notice(const evlog_notice *notice, void *ctx);
