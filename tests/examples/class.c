/* The example of evlog/class.h: its classes make structs that can be sent and read. */
#include <evlog/class.h>
#include <stdio.h>

@example store/evlog/class.h #define LEARNER(F)

int main(void)
{
    static const evlog_definition definition = {.event_type = "org.example.enrolled.v1",
                                                .argument = "enrollment",
                                                .of = &enrollment_class};
    struct enrollment enrollment = {.user = {.id = 42, .username = evlog_str("alice")},
                                    .course_key = evlog_str("course-v1:edX+DemoX+2026"),
                                    .is_active = true};
    struct enrollment read;
    evlog_buffer packed;
    evlog_arena *arena;
    if (evlog_class_pack(&definition, &enrollment, &packed) ||
        evlog_class_unpack(&definition, NULL, packed.data, packed.size, &read, &arena)) {
        puts(evlog_errmsg());
        return 1;
    }
    int differs = read.user.id != 42 || !evlog_str_is(read.user.username, "alice") || read.groups.count;
    evlog_arena_free(arena);
    evlog_buffer_free(&packed);
    return differs;
}
