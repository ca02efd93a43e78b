/*
 * What typed events cost: packing, checking and unpacking a CourseEnrollmentData.
 *
 *   bench-typed [ROUNDS] [DIRECTORY]
 *
 * As in bench.c each row measures evlog and its yardstick in turns and gives the median of the
 * quotients (above 1: evlog is faster). The yardsticks:
 *
 *   pack     a packer for this very struct written by hand with msgpack-c, as short as can be; its
 *            time is text already, evlog makes it from microseconds
 *   check    msgpack_unpack_next: the object tree of msgpack-c, before anyone has looked at it
 *   unpack   the same, and each of the 14 values read from the tree by its known place
 *   send     what it costs to have a schema: the same bytes sent to an untyped signal
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
static uint64_t sink;                       /* what is read ends here, so that it is read */
static evlog_signal *typed[2], *untyped[2]; /* of a fast and of a durable log */

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

static void send_raw(evlog_signal *signal, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        CHECK(evlog_send_event(signal, packed.data, packed.size, NULL, NULL));
}

static void send_structs(evlog_signal *signal, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        CHECK(evlog_send_class(signal, &enrollment, &openedx_course_enrollment_data_class, NULL,
                               NULL));
}

static void send_typed_fast(unsigned count)
{
    send_raw(typed[0], count);
}

static void send_untyped_fast(unsigned count)
{
    send_raw(untyped[0], count);
}

static void send_struct_fast(unsigned count)
{
    send_structs(typed[0], count);
}

static void send_by_hand_fast(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        msgpack_sbuffer buffer;
        msgpack_sbuffer_init(&buffer);
        pack_by_hand(&buffer);
        CHECK(evlog_send_event(untyped[0], buffer.data, buffer.size, NULL, NULL));
        msgpack_sbuffer_destroy(&buffer);
    }
}

static void send_struct_durable(unsigned count)
{
    send_structs(typed[1], count);
}

static void send_untyped_durable(unsigned count)
{
    send_raw(untyped[1], count);
}

/* --------------------------------------------------------------- the table ---- */

static const struct row {
    const char *name, *yardstick;
    unsigned count;
    void (*ours)(unsigned), (*theirs)(unsigned);
} rows[] = {
    {"pack a struct", "by hand, with msgpack-c", 200000, pack_ours, pack_theirs},
    {"check", "msgpack-c's object tree", 200000, check_ours, tree},
    {"unpack into a struct, checked", "the tree, and values by place", 200000, unpack_ours,
     tree_and_values},
    {"send bytes, checked, fast", "untyped", 50000, send_typed_fast, send_untyped_fast},
    {"send a struct, checked, fast", "by hand, untyped", 50000, send_struct_fast,
     send_by_hand_fast},
    {"send a struct, checked, durable", "bytes, untyped", 1000, send_struct_durable,
     send_untyped_durable},
};

static double nanoseconds(void (*run)(unsigned), unsigned count)
{
    double start = bench_now();
    run(count);
    return (bench_now() - start) / count * 1e9;
}

static void measure(const struct row *row, unsigned rounds)
{
    struct bench_row result;
    for (unsigned i = 0; i < rounds; i++) {
        result.ours[i] = nanoseconds(row->ours, row->count);
        result.theirs[i] = nanoseconds(row->theirs, row->count);
        result.quotient[i] = result.theirs[i] / result.ours[i];
    }
    bench_print(row->name, row->yardstick, &result, rounds);
}

static void open_logs(const char *home, evlog *logs[2])
{
    for (int i = 0; i < 2; i++) {
        char path[4200];
        snprintf(path, sizeof path, "%s/%d", home, i);
        CHECK(evlog_open(path, &(evlog_options){.durability = i ? EVLOG_DURABLE : EVLOG_FAST},
                         &logs[i]));
        CHECK(evlog_define_class(logs[i], &definition, &typed[i]));
        CHECK(evlog_define(logs[i], "org.example.untyped.v1", 0, NULL, &untyped[i]));
    }
}

static void fill_enrollment(void)
{
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
    msgpack_sbuffer buffer;
    CHECK(evlog_schema_make(&definition, &schema));
    CHECK(evlog_class_pack(&definition, &enrollment, &packed));
    msgpack_sbuffer_init(&buffer);
    pack_by_hand(&buffer);
    CHECK(buffer.size != packed.size || memcmp(buffer.data, packed.data, packed.size) != 0);
    msgpack_sbuffer_destroy(&buffer);
}

int main(int argc, char **argv)
{
    char home[4096];
    evlog *logs[2];
    unsigned rounds = bench_begin(argc, argv, home);
    fill_enrollment();
    open_logs(home, logs);
    printf("\n%u rounds; a CourseEnrollmentData, %zu bytes packed; nanoseconds, medians; the "
           "yardstick's by evlog's\n\n",
           rounds, packed.size);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        measure(&rows[i], rounds);
    CHECK(evlog_close(logs[0]));
    CHECK(evlog_close(logs[1]));
    return bench_end(home);
}
