/*
 * The demonstration that `make demo` runs: evlog's main job, told as it happens.
 *
 *   demo LOG
 *
 * An LMS sends enrollments; a receiver makes notification preferences from them, as in
 * the Open edX documentation's example. Each event is in the log before the receiver runs, which
 * the receiver shows by reading it back. Then receivers come that did not exist when
 * the events were sent, and get the history: all of it, a range, one event type.
 */
#include <inttypes.h>
#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evlog.h"

#define COURSE_ENROLLMENT_CREATED "org.openedx.learning.course.enrollment.created.v1"
#define COURSE_ENROLLMENT_CHANGED "org.openedx.learning.course.enrollment.changed.v1"
#define SESSION_LOGIN_COMPLETED "org.openedx.learning.auth.session.login.completed.v1"

static void must(int result)
{
    if (result) {
        fprintf(stderr, "demo: %s\n", evlog_errmsg());
        exit(1);
    }
}

/* ------------------------------------------------------ data as MessagePack ---- */

static void text(msgpack_packer *packer, const char *string)
{
    msgpack_pack_str_with_body(packer, string, strlen(string));
}

static void field(msgpack_packer *packer, const char *name, const char *value)
{
    text(packer, name);
    text(packer, value);
}

static void pack_user(msgpack_packer *packer, int id, const char *username)
{
    char email[64];
    snprintf(email, sizeof email, "%s@example.com", username);
    text(packer, "user");
    msgpack_pack_map(packer, 3);
    text(packer, "id");
    msgpack_pack_int(packer, id);
    text(packer, "is_active");
    msgpack_pack_true(packer);
    text(packer, "pii");
    msgpack_pack_map(packer, 3);
    field(packer, "username", username);
    field(packer, "email", email);
    field(packer, "name", username);
}

static void pack_enrollment(msgpack_packer *packer, int id, const char *username,
                            const char *mode)
{
    msgpack_pack_map(packer, 1);
    text(packer, "enrollment");
    msgpack_pack_map(packer, 5);
    pack_user(packer, id, username);
    text(packer, "course");
    msgpack_pack_map(packer, 2);
    field(packer, "course_key", "course-v1:edX+DemoX+Demo_Course");
    field(packer, "display_name", "Demonstration Course");
    field(packer, "mode", mode);
    text(packer, "is_active");
    msgpack_pack_true(packer);
    field(packer, "creation_date", "2026-01-31T18:00:00+00:00");
}

/* The text at a path of keys, "" when it is not there. */
static msgpack_object_str text_at(const evlog_event *event, const char *const keys[], int count,
                                  msgpack_unpacked *unpacked)
{
    size_t used = 0;
    msgpack_object_str none = {0, ""};
    if (msgpack_unpack_next(unpacked, event->data, event->data_size, &used) <= 0)
        return none;
    msgpack_object *object = &unpacked->data;
    for (int i = 0; i < count; i++) {
        msgpack_object *found = NULL;
        if (object->type != MSGPACK_OBJECT_MAP)
            return none;
        for (uint32_t j = 0; j < object->via.map.size; j++) {
            msgpack_object_kv *entry = &object->via.map.ptr[j];
            if (entry->key.type == MSGPACK_OBJECT_STR &&
                entry->key.via.str.size == strlen(keys[i]) &&
                memcmp(entry->key.via.str.ptr, keys[i], strlen(keys[i])) == 0)
                found = &entry->val;
        }
        if (!found)
            return none;
        object = found;
    }
    return object->type == MSGPACK_OBJECT_STR ? object->via.str : none;
}

/* -------------------------------------------------------------- receivers ---- */

static const char *const enrolled_user[] = {"enrollment", "user", "pii", "username"};

static int create_notification_preference(const evlog_event *event, void *ctx)
{
    evlog *log = ctx;
    evlog_event *logged;
    msgpack_unpacked unpacked;
    if (evlog_read(log, event->seq, &logged))
        return evlog_fail("the event is not in the log");
    evlog_event_free(logged);
    msgpack_unpacked_init(&unpacked);
    msgpack_object_str name = text_at(event, enrolled_user, 4, &unpacked);
    printf("    notification preference created for %.*s (event %" PRIu64
           ", which is in the log already)\n",
           (int)name.size, name.ptr, event->seq);
    msgpack_unpacked_destroy(&unpacked);
    return 0;
}

static int show(const evlog_event *event, void *ctx)
{
    (void)ctx;
    printf("    event %2" PRIu64 "  %-52s %s\n", event->seq, event->event_type,
           event->is_replay ? "again" : "new");
    return 0;
}

/* -------------------------------------------------------------------- the story ---- */

static void send_enrollment(evlog_signal *signal, int id, const char *username, const char *mode)
{
    msgpack_sbuffer data;
    msgpack_packer packer;
    evlog_sent sent;
    msgpack_sbuffer_init(&data);
    msgpack_packer_init(&packer, &data, msgpack_sbuffer_write);
    pack_enrollment(&packer, id, username, mode);
    must(evlog_send_event(signal, data.data, data.size, NULL, &sent));
    msgpack_sbuffer_destroy(&data);
    evlog_sent_free(&sent);
}

static void send_login(evlog_signal *signal, int id, const char *username)
{
    msgpack_sbuffer data;
    msgpack_packer packer;
    msgpack_sbuffer_init(&data);
    msgpack_packer_init(&packer, &data, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 1);
    pack_user(&packer, id, username);
    must(evlog_send_event(signal, data.data, data.size, NULL, NULL));
    msgpack_sbuffer_destroy(&data);
}

int main(int argc, char **argv)
{
    static const char *const learners[] = {"alice", "bob", "carol", "dave", "eve"};
    evlog *log;
    evlog_signal *created, *changed, *login;
    evlog_outcome outcome;
    if (argc != 2) {
        fprintf(stderr, "usage: demo LOG\n");
        return 2;
    }
    must(evlog_open(argv[1], &(evlog_options){.service = "lms"}, &log));
    must(evlog_define(log, COURSE_ENROLLMENT_CREATED, 0, NULL, &created));
    must(evlog_define(log, COURSE_ENROLLMENT_CHANGED, 0, NULL, &changed));
    must(evlog_define(log, SESSION_LOGIN_COMPLETED, 0, NULL, &login));
    must(evlog_connect(log, created, "notification_preferences", create_notification_preference,
                       log, NULL));

    printf("1. Five learners log in, enroll, and one upgrades. A receiver is connected to the\n"
           "   enrollments; nobody listens to the rest.\n");
    for (int i = 0; i < 5; i++) {
        send_login(login, 42 + i, learners[i]);
        send_enrollment(created, 42 + i, learners[i], "audit");
    }
    send_enrollment(changed, 43, "bob", "verified");

    printf(
        "\n2. A receiver that did not exist then gets the whole history, in the original order.\n");
    must(evlog_replay(log, NULL, show, NULL, &outcome));
    printf("   %" PRIu64 " events delivered again.\n", outcome.delivered);

    printf("\n3. A range only: events 4 to 6.\n");
    must(evlog_replay(log, &(evlog_range){.first_seq = 4, .last_seq = 6}, show, NULL, NULL));

    printf("\n4. One event type only, the newest two first.\n");
    const char *types[] = {COURSE_ENROLLMENT_CREATED};
    must(evlog_replay(
        log, &(evlog_range){.types = types, .type_count = 1, .newest_first = 1, .limit = 2}, show,
        NULL, NULL));

    printf(
        "\n5. Backfilling: the receiver lost its preferences, so the enrollments are replayed to it.\n");
    must(evlog_replay_to_receivers(log, &(evlog_range){.types = types, .type_count = 1},
                                   &outcome));
    printf("   %" PRIu64 " made again.\n", outcome.delivered);
    must(evlog_close(log));
    return 0;
}
