/*
 * The definitions of the events of Open edX, made from the list in evlog/openedx.h, with the fields that are about a
 * person.
 *
 * These are UserPersonalData wherever it occurs, and other fields that name a person or hold text written by or about
 * one. Ids of users are not among them: upstream they belong to UserNonPersonalData.
 */
#include "evlog/openedx.h"

#define PERSONAL(tag, name, ...) \
    static const char *const tag##_##name##_personal[] = {__VA_ARGS__};

/* For each argument and class in the list. NULL is not counted: without it there would be empty arrays. */
PERSONAL(openedx_tracking_log_data, tracking_log, "tracking_log.data", "tracking_log.context",
         NULL)
PERSONAL(openedx_role_assignment_data, role_assignment, "role_assignment.subject", NULL)
PERSONAL(openedx_course_catalog_data, catalog_info, NULL)
PERSONAL(openedx_xblock_data, xblock_info, NULL)
PERSONAL(openedx_duplicated_xblock_data, xblock_info, NULL)
PERSONAL(openedx_certificate_config_data, certificate_config,
         "certificate_config.signatories.*.image", "certificate_config.signatories.*.name", NULL)
PERSONAL(openedx_authoring_course_data, course, NULL)
PERSONAL(openedx_content_library_data, content_library, NULL)
PERSONAL(openedx_library_block_data, library_block, NULL)
PERSONAL(openedx_content_object_changed_data, content_object, NULL)
PERSONAL(openedx_content_object_data, content_object, NULL)
PERSONAL(openedx_library_collection_data, library_collection, NULL)
PERSONAL(openedx_library_container_data, library_container, NULL)
PERSONAL(openedx_subsidy_redemption, redemption, NULL)
PERSONAL(openedx_ledger_transaction, ledger_transaction, NULL)
PERSONAL(openedx_learner_credit_enterprise_course_enrollment, learner_credit_course_enrollment,
         NULL)
PERSONAL(openedx_enterprise_group, enterprise_group, NULL)
PERSONAL(openedx_user_data, user, "user.pii", NULL)
PERSONAL(openedx_course_enrollment_data, enrollment, "enrollment.user.pii",
         "enrollment.created_by.pii", NULL)
PERSONAL(openedx_certificate_data, certificate, "certificate.user.pii", "certificate.name", NULL)
PERSONAL(openedx_program_certificate_data, program_certificate, "program_certificate.user.pii",
         NULL)
PERSONAL(openedx_cohort_data, cohort, "cohort.user.pii", NULL)
PERSONAL(openedx_course_discussion_configuration_data, configuration, NULL)
PERSONAL(openedx_persistent_course_grade_data, grade, NULL)
PERSONAL(openedx_xblock_skill_verification_data, xblock_info, NULL)
PERSONAL(openedx_user_notification_data, notification_data, "notification_data.context", NULL)
PERSONAL(openedx_exam_attempt_data, exam_attempt, "exam_attempt.student_user.pii",
         "exam_attempt.requesting_user.pii", NULL)
PERSONAL(openedx_course_access_role_data, course_access_role_data,
         "course_access_role_data.user.pii", NULL)
PERSONAL(openedx_discussion_thread_data, thread, "thread.body", "thread.user.pii", "thread.title",
         NULL)
PERSONAL(openedx_course_notification_data, course_notification_data,
         "course_notification_data.content_context", NULL)
PERSONAL(openedx_ora_submission_data, submission, "submission.answer", NULL)
PERSONAL(openedx_course_passing_status_data, course_passing_status,
         "course_passing_status.user.pii", NULL)
PERSONAL(openedx_ccx_course_passing_status_data, course_passing_status,
         "course_passing_status.user.pii", "course_passing_status.course.coach_email", NULL)
PERSONAL(openedx_badge_data, badge, "badge.user.pii", NULL)
PERSONAL(openedx_verification_attempt_data, idv_attempt, "idv_attempt.user.pii",
         "idv_attempt.name", NULL)
PERSONAL(openedx_external_grader_score_data, score, "score.score_msg", NULL)
PERSONAL(openedx_lti_provider_launch_data, launch_data, "launch_data.user.pii",
         "launch_data.launch_params.user_id", "launch_data.launch_params.extra_params", NULL)

#define DEFINITION(constant, name, tag, type) \
    {.event_type = type,                      \
     .argument = #name,                       \
     .of = &tag##_class,                      \
     .personal = tag##_##name##_personal,     \
     .personal_count = sizeof tag##_##name##_personal / sizeof(char *) - 1},

static const evlog_definition definitions[] = {OPENEDX_EVENTS(DEFINITION)};

const evlog_definition *evlog_openedx_definition(size_t i)
{
    return i < sizeof definitions / sizeof *definitions ? &definitions[i] : NULL;
}
