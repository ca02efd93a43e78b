/*
 * What typed events cost: packing, checking and unpacking a CourseEnrollmentData. The yardsticks:
 *
 *   pack     a packer for this very struct written by hand with msgpack-c, as short as can be; its
 *            time is text already, evlog makes it from microseconds
 *   check    msgpack_unpack_next: the object tree of msgpack-c, before anyone has looked at it
 *   unpack   the same, and each of the 14 values read from the tree by its known place
 *   send     what it costs to have a schema: the same bytes sent to an untyped signal of a fast log
 */
#include <msgpack.h>

#include "bench.h"
#include "evlog/class.h"
#include "evlog/openedx.h"
#include "evlog/schema.h"

#define TYPE OPENEDX_COURSE_ENROLLMENT_CREATED

static struct openedx_course_enrollment_data enrollment;
static const evlog_definition definition = {
    .event_type = TYPE, .argument = "enrollment", .of = &openedx_course_enrollment_data_class};
static evlog_schema *schema;
static evlog_buffer packed;
static uint64_t sink; /* what is read ends here, so that it is read */

/* ------------------------------------------------------- a packer by hand ---- */

static void text(msgpack_packer *packer, const char *text, size_t size)
{
    msgpack_pack_str(packer, size);
    msgpack_pack_str_body(packer, text, size);
}

static void string(msgpack_packer *packer, evlog_string value)
{
    text(packer, value.text, value.size);
}

#define KEY(name) text(packer, name, sizeof name - 1)

static void pack_user(msgpack_packer *packer, const struct openedx_user_data *user)
{
    msgpack_pack_map(packer, 3);
    KEY("id");
    msgpack_pack_int64(packer, user->id);
    KEY("is_active");
    user->is_active ? msgpack_pack_true(packer) : msgpack_pack_false(packer);
    KEY("pii");
    msgpack_pack_map(packer, 3);
    KEY("username");
    string(packer, user->pii.username);
    KEY("email");
    string(packer, user->pii.email);
    KEY("name");
    string(packer, user->pii.name);
}

static void pack_course(msgpack_packer *packer, const struct openedx_learning_course_data *course)
{
    msgpack_pack_map(packer, 4);
    KEY("course_key");
    string(packer, course->course_key);
    KEY("display_name");
    string(packer, course->display_name);
    KEY("start");
    msgpack_pack_nil(packer);
    KEY("end");
    msgpack_pack_nil(packer);
}

static void pack_by_hand(msgpack_sbuffer *buffer)
{
    msgpack_packer made, *packer = &made;
    msgpack_packer_init(packer, buffer, msgpack_sbuffer_write);
    msgpack_pack_map(packer, 1);
    KEY("enrollment");
    msgpack_pack_map(packer, 6);
    KEY("user");
    pack_user(packer, &enrollment.user);
    KEY("course");
    pack_course(packer, &enrollment.course);
    KEY("mode");
    string(packer, enrollment.mode);
    KEY("is_active");
    enrollment.is_active ? msgpack_pack_true(packer) : msgpack_pack_false(packer);
    KEY("creation_date");
    KEY("2021-06-09T14:12:45.320819+00:00");
    KEY("created_by");
    msgpack_pack_nil(packer);
}

/* ---------------------------------------------------------------- the rows ---- */

static void pack_ours(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        evlog_buffer buffer;
        CHECK(evlog_class_pack(&definition, &enrollment, &buffer));
        sink += buffer.size;
        evlog_buffer_free(&buffer);
    }
}

static void pack_theirs(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        msgpack_sbuffer buffer;
        msgpack_sbuffer_init(&buffer);
        pack_by_hand(&buffer);
        sink += buffer.size;
        msgpack_sbuffer_destroy(&buffer);
    }
}

static void check_ours(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        CHECK(evlog_schema_check(schema, packed.data, packed.size));
}

static const msgpack_object *at(const msgpack_object *map, unsigned i)
{
    return &map->via.map.ptr[i].val;
}

static uint64_t sizes(const msgpack_object *map, unsigned first, unsigned last)
{
    uint64_t sum = 0;
    for (; first <= last; first++)
        sum += at(map, first)->via.str.size;
    return sum;
}

static void read_tree(unsigned count, int looks)
{
    for (unsigned i = 0; i < count; i++) {
        msgpack_unpacked unpacked;
        size_t used = 0;
        msgpack_unpacked_init(&unpacked);
        CHECK(msgpack_unpack_next(&unpacked, packed.data, packed.size, &used) !=
              MSGPACK_UNPACK_SUCCESS);
        const msgpack_object *whole = at(&unpacked.data, 0);
        sink += whole->via.map.size;
        if (looks)
            sink += (uint64_t)at(at(whole, 0), 0)->via.i64 + at(at(whole, 0), 1)->via.boolean +
                    sizes(at(at(whole, 0), 2), 0, 2) + sizes(at(whole, 1), 0, 1) +
                    sizes(whole, 2, 2) + at(whole, 3)->via.boolean + sizes(whole, 4, 4);
        msgpack_unpacked_destroy(&unpacked);
    }
}

static void tree(unsigned count)
{
    read_tree(count, 0);
}

static void tree_and_values(unsigned count)
{
    read_tree(count, 1);
}

static void unpack_ours(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct openedx_course_enrollment_data read;
        evlog_arena *arena;
        CHECK(evlog_class_unpack(&definition, schema, packed.data, packed.size, &read, &arena));
        sink += read.user.pii.username.size;
        evlog_arena_free(arena);
    }
}

/* ---------------------------------------------------------------- sending ---- */

struct sending {
    evlog *log;
    evlog_signal *signal;
};

static void fill_enrollment(void)
{
    msgpack_sbuffer buffer;
    if (schema)
        return;
    enrollment = (struct openedx_course_enrollment_data){
        .user = {.id = 42,
                 .is_active = true,
                 .pii = {.username = evlog_str("alice"),
                         .email = evlog_str("alice@example.com"),
                         .name = evlog_str("Alice Example")}},
        .course = {.course_key = evlog_str("course-v1:edX+DemoX+Demo_Course"),
                   .display_name = evlog_str("Demonstration Course")},
        .mode = evlog_str("honor"),
        .is_active = true,
        .creation_date = INT64_C(1623247965320819)};
    CHECK(evlog_schema_make(&definition, &schema));
    CHECK(evlog_class_pack(&definition, &enrollment, &packed));
    msgpack_sbuffer_init(&buffer);
    pack_by_hand(&buffer);
    CHECK(buffer.size != packed.size || memcmp(buffer.data, packed.data, packed.size) != 0);
    msgpack_sbuffer_destroy(&buffer);
}

static void *open_nothing(const char *path, const struct shape *shape)
{
    (void)path;
    (void)shape;
    fill_enrollment();
    return NULL;
}

static void close_nothing(void *ctx)
{
    (void)ctx;
}

static struct sending *open_log(const char *path)
{
    struct sending *sending = calloc(1, sizeof *sending);
    fill_enrollment();
    CHECK(evlog_open(path, &(evlog_options){.durability = EVLOG_FAST}, &sending->log));
    return sending;
}

static void *open_typed(const char *path, const struct shape *shape)
{
    struct sending *sending = open_log(path);
    (void)shape;
    CHECK(evlog_define_class(sending->log, &definition, &sending->signal));
    return sending;
}

static void *open_untyped(const char *path, const struct shape *shape)
{
    struct sending *sending = open_log(path);
    (void)shape;
    CHECK(evlog_define(sending->log, "org.example.untyped.v1", 0, NULL, &sending->signal));
    return sending;
}

static void send_packed(void *ctx, unsigned thread, const struct shape *shape)
{
    (void)thread;
    (void)shape;
    CHECK(
        evlog_send_event(((struct sending *)ctx)->signal, packed.data, packed.size, NULL, NULL));
}

static void close_sending(void *ctx)
{
    CHECK(evlog_close(((struct sending *)ctx)->log));
    free(ctx);
}

/* --------------------------------------------------------------- subjects ---- */

/* A function that does something so many times, as a subject's. */
#define RUN(function)                                                                   \
    static unsigned run_##function(void *ctx, const struct shape *shape, double *times) \
    {                                                                                   \
        (void)ctx;                                                                      \
        (void)times;                                                                    \
        function(shape->calls);                                                         \
        return shape->calls;                                                            \
    }

RUN(pack_ours)
RUN(pack_theirs)
RUN(check_ours)
RUN(tree)
RUN(unpack_ours)
RUN(tree_and_values)

#define OF_RUN(function) .open = open_nothing, .run = run_##function, .close = close_nothing

const struct subject ours_pack = {.name = "evlog", OF_RUN(pack_ours)};
const struct subject by_hand_pack = {.name = "by hand, msgpack-c", OF_RUN(pack_theirs)};
const struct subject ours_check = {.name = "evlog", OF_RUN(check_ours)};
const struct subject msgpack_tree = {.name = "msgpack-c's tree", OF_RUN(tree)};
const struct subject ours_unpack = {.name = "evlog", OF_RUN(unpack_ours)};
const struct subject msgpack_tree_values = {.name = "the tree, and values",
                                            OF_RUN(tree_and_values)};
const struct subject ours_typed = {.name = "evlog, with a schema",
                                   .open = open_typed,
                                   .send = send_packed,
                                   .close = close_sending};
const struct subject ours_untyped = {
    .name = "evlog, untyped", .open = open_untyped, .send = send_packed, .close = close_sending};
