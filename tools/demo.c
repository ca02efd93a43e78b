/*
 * The demonstration that `make demo` runs: evlog's main job, explained as it happens.
 *
 *   demo LOG PLUGIN
 *
 * An LMS sends enrollments; a receiver in a plugin makes notification preferences from them, as
 * in the Open edX documentation's example. Each event is in the log before the receiver runs,
 * which the receiver shows by reading it back. Then receivers come that did not exist when the
 * events were sent, and get the history: all of it, a range, one event type.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "evlog/class.h"
#include "evlog/openedx.h"
#include "evlog/plugin.h"

static void must(int result)
{
    if (result) {
        fprintf(stderr, "demo: %s\n", evlog_errmsg());
        exit(1);
    }
}

/* -------------------------------------------------------------- receivers ---- */

static int show(const evlog_event *event, void *ctx)
{
    (void)ctx;
    printf("    event %2" PRIu64 "  %-52s %s\n", event->seq, event->event_type,
           event->is_replay ? "again" : "new");
    return 0;
}

/* -------------------------------------------------------------------- the story ---- */

static const struct {
    const char *username, *email;
} learners[] = {{"alice", "alice@example.com"},
                {"bob", "bob@example.com"},
                {"carol", "carol@example.com"},
                {"dave", "dave@example.com"},
                {"eve", "eve@example.com"}};

static struct openedx_user_data user(int learner)
{
    struct openedx_user_data user = {
        .id = 42 + learner,
        .is_active = true,
        .pii = {.username = evlog_str(learners[learner].username),
                .email = evlog_str(learners[learner].email),
                .name = evlog_str(learners[learner].username)},
    };
    return user;
}

static void send_enrollment(evlog_signal *signal, int learner, const char *mode)
{
    struct openedx_course_enrollment_data enrollment = {
        .user = user(learner),
        .course = {.course_key = evlog_str("course-v1:edX+DemoX+Demo_Course"),
                   .display_name = evlog_str("Demonstration Course")},
        .mode = evlog_str(mode),
        .is_active = true,
        .creation_date = INT64_C(1769882400000000), /* 2026-01-31 18:00 UTC */
    };
    must(
        evlog_send_class(signal, &enrollment, &openedx_course_enrollment_data_class, NULL, NULL));
}

static void send_login(evlog_signal *signal, int learner)
{
    struct openedx_user_data data = user(learner);
    must(evlog_send_class(signal, &data, &openedx_user_data_class, NULL, NULL));
}

/* What is not an enrollment is refused, every wrong field named, and nothing is in the log. */
static void send_nonsense(evlog_signal *signal)
{
    static const char data[] = "\x81\xaa"
                               "enrollment\x82\xa4user\x01\xa4mode\xc3";
    if (evlog_send_event(signal, data, sizeof data - 1, NULL, NULL) == EVLOG_OK)
        exit(1);
    printf("    %s\n", evlog_errmsg());
}

/* ------------------------------------------------------- a durable consumer ---- */

struct projection {
    evlog_consumer *consumer;
    int deaths_at; /* the event in whose receiver the process dies; 0: none */
};

/* Counts the events in the consumer's state, and dies where it is asked to. */
static int count_event(const evlog_event *event, void *ctx)
{
    struct projection *projection = ctx;
    const void *value;
    size_t size;
    uint64_t count = 0;
    if (evlog_state_get(projection->consumer, "count", 5, &value, &size) == EVLOG_OK)
        memcpy(&count, value, sizeof count);
    count++;
    if (evlog_state_put(projection->consumer, "count", 5, &count, sizeof count))
        return evlog_fail(evlog_errmsg());
    printf("    process %d: event %2" PRIu64 ", attempt %" PRIu32 "; counted %" PRIu64 "\n",
           (int)getpid(), event->seq, event->attempt, count);
    if (event->seq == (uint64_t)projection->deaths_at) {
        printf("    process %d is killed in the middle of it\n", (int)getpid());
        fflush(stdout);
        raise(SIGKILL);
    }
    return 0;
}

/* Another process catches up with the log, or dies on the way. */
static void consume_in_another_process(const char *path, int deaths_at)
{
    evlog *log;
    struct projection projection = {.deaths_at = deaths_at};
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        must(evlog_open(path, NULL, &log));
        must(evlog_consumer_open(log, "counter", &(evlog_consumer_options){.commit_every = 4},
                                 &projection.consumer));
        must(evlog_consumer_poll(projection.consumer, 0, 0, count_event, &projection, NULL));
        must(evlog_consumer_close(projection.consumer));
        must(evlog_close(log));
        exit(0);
    }
    if (pid < 0 || waitpid(pid, NULL, 0) != pid)
        exit(1);
}

int main(int argc, char **argv)
{
    evlog *log;
    evlog_signal *created, *changed, *login;
    evlog_outcome outcome;
    if (argc != 3) {
        fprintf(stderr, "usage: demo LOG PLUGIN\n");
        return 2;
    }
    must(evlog_open(argv[1], &(evlog_options){.service = "lms"}, &log));
    must(evlog_define_openedx(log));
    must(evlog_signal_by_type(log, OPENEDX_COURSE_ENROLLMENT_CREATED, &created));
    must(evlog_signal_by_type(log, OPENEDX_COURSE_ENROLLMENT_CHANGED, &changed));
    must(evlog_signal_by_type(log, OPENEDX_SESSION_LOGIN_COMPLETED, &login));
    must(evlog_plugin_load(log, argv[2]));

    printf(
        "1. Five learners log in, enroll, and one upgrades. A plugin's receiver is connected to\n"
        "   the enrollments; the other event types have none.\n");
    for (int i = 0; i < 5; i++) {
        send_login(login, i);
        send_enrollment(created, i, "audit");
        printf("    the application goes on with %s\n", learners[i].username);
    }
    send_enrollment(changed, 1, "verified");
    printf("   Data that are not an enrollment are refused:\n");
    send_nonsense(created);

    printf(
        "\n2. A receiver that did not exist then gets the whole history, in the original order.\n");
    must(evlog_replay(log, NULL, show, NULL, &outcome));
    printf("   %" PRIu64 " events delivered again.\n", outcome.delivered);

    printf("\n3. A range only: events 4 to 6.\n");
    must(evlog_replay(log, &(evlog_range){.first_seq = 4, .last_seq = 6}, show, NULL, NULL));

    printf("\n4. One event type only, the newest two first.\n");
    const char *types[] = {OPENEDX_COURSE_ENROLLMENT_CREATED};
    must(evlog_replay(
        log, &(evlog_range){.types = types, .type_count = 1, .newest_first = 1, .limit = 2}, show,
        NULL, NULL));

    printf(
        "\n5. Backfilling: the receiver lost its preferences, so the enrollments are replayed to it.\n");
    must(evlog_replay_to_receivers(log, &(evlog_range){.types = types, .type_count = 1},
                                   &outcome));
    printf("   %" PRIu64 " made again.\n", outcome.delivered);

    printf(
        "\n6. A durable consumer in another process counts the events, and is killed half way. The\n"
        "   next process goes on where it was: nothing is left out, nothing is counted twice.\n");
    must(evlog_close(log));
    consume_in_another_process(argv[1], 6);
    consume_in_another_process(argv[1], 0);
    return 0;
}
