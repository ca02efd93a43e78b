/*
 * The events of Open edX (openedx-events 11.2): 75 event types and their 54 data classes.
 *
 *   evlog_define_openedx(log);
 *   evlog_signal_by_type(log, OPENEDX_COURSE_ENROLLMENT_CREATED, &created);
 *
 *   struct openedx_course_enrollment_data enrollment = {
 *       .user = {.id = 42, .is_active = true, .pii = {.username = evlog_str("alice"),
 *                                                     .email = evlog_str("alice@example.com"),
 *                                                     .name = evlog_str("Alice")}},
 *       .course = {.course_key = evlog_str("course-v1:edX+DemoX+Demo_Course")},
 *       .mode = evlog_str("honor"), .is_active = true, .creation_date = evlog_now_us()};
 *   evlog_send_class(created, &enrollment, &openedx_course_enrollment_data_class, NULL, NULL);
 *
 * The list of events comes first: for each its constant, the name of its one argument, the struct
 * of that argument, and the event type. The classes follow, by subdomain. In the schema they have
 * the names of the Python classes, the same fields in the same order, and the same defaults; the
 * schemas are, as JSON, the ones that openedx-events makes.
 *
 * Peculiarities, which all but the last two come from upstream:
 * - two types, OPENEDX_ROLE_ASSIGNMENT_CREATED and _DELETED, have no version in their name, and
 *   OPENEDX_SUBSIDY_REDEMPTION_REVERSED contains a dash, which Avro's own libraries refuse;
 * - two classes are called CourseData, one of learning and one of content authoring, so the structs
 *   have the subdomain in their names;
 * - four classes are only bases of others, or not used at all;
 * - BadgeData.template is `template_` in the struct, because `template` is a keyword of C++;
 * - three types cannot be put on a bus upstream: COURSE_CERTIFICATE_CONFIG_CHANGED and _DELETED,
 *   because a signatory's image is an open file there, and EXTERNAL_GRADER_SCORE_SUBMITTED, by
 *   choice. Here they have schemas like the others, and the image is its bytes, so they can be sent,
 *   logged and replayed; a bus relay must not relay them.
 */
#ifndef EVLOG_OPENEDX_H
#define EVLOG_OPENEDX_H

#include <evlog/class.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Defines all of them, in the order of the list (load_all_signals of openedx-events). The first
 * time it also records them in the log, which takes a moment. Errors of evlog_define_class.
 */
EVLOG_API int evlog_define_openedx(evlog *log);

/* The definition at place `i` of the list, from 0; NULL: there are no more. A constant. */
EVLOG_API const evlog_definition *evlog_openedx_definition(size_t i);

/* X(constant, argument, its class, event type) */
#define OPENEDX_EVENTS(X)                                                                        \
    /* analytics */                                                                              \
    X(TRACKING_EVENT_EMITTED, tracking_log, openedx_tracking_log_data,                           \
      "org.openedx.analytics.tracking.event.emitted.v1")                                         \
    /* authorization */                                                                          \
    X(ROLE_ASSIGNMENT_CREATED, role_assignment, openedx_role_assignment_data,                    \
      "org.openedx.authz.role_assignment.created")                                               \
    X(ROLE_ASSIGNMENT_DELETED, role_assignment, openedx_role_assignment_data,                    \
      "org.openedx.authz.role_assignment.deleted")                                               \
    /* content authoring */                                                                      \
    X(COURSE_CATALOG_INFO_CHANGED, catalog_info, openedx_course_catalog_data,                    \
      "org.openedx.content_authoring.course.catalog_info.changed.v1")                            \
    X(XBLOCK_CREATED, xblock_info, openedx_xblock_data,                                          \
      "org.openedx.content_authoring.xblock.created.v1")                                         \
    X(XBLOCK_UPDATED, xblock_info, openedx_xblock_data,                                          \
      "org.openedx.content_authoring.xblock.updated.v1")                                         \
    X(XBLOCK_PUBLISHED, xblock_info, openedx_xblock_data,                                        \
      "org.openedx.content_authoring.xblock.published.v1")                                       \
    X(XBLOCK_DELETED, xblock_info, openedx_xblock_data,                                          \
      "org.openedx.content_authoring.xblock.deleted.v1")                                         \
    X(XBLOCK_DUPLICATED, xblock_info, openedx_duplicated_xblock_data,                            \
      "org.openedx.content_authoring.xblock.duplicated.v1")                                      \
    X(COURSE_CERTIFICATE_CONFIG_CHANGED, certificate_config, openedx_certificate_config_data,    \
      "org.openedx.content_authoring.course.certificate_config.changed.v1")                      \
    X(COURSE_CERTIFICATE_CONFIG_DELETED, certificate_config, openedx_certificate_config_data,    \
      "org.openedx.content_authoring.course.certificate_config.deleted.v1")                      \
    X(COURSE_CREATED, course, openedx_authoring_course_data,                                     \
      "org.openedx.content_authoring.course.created.v1")                                         \
    X(CONTENT_LIBRARY_CREATED, content_library, openedx_content_library_data,                    \
      "org.openedx.content_authoring.content_library.created.v1")                                \
    X(CONTENT_LIBRARY_UPDATED, content_library, openedx_content_library_data,                    \
      "org.openedx.content_authoring.content_library.updated.v1")                                \
    X(CONTENT_LIBRARY_DELETED, content_library, openedx_content_library_data,                    \
      "org.openedx.content_authoring.content_library.deleted.v1")                                \
    X(LIBRARY_BLOCK_CREATED, library_block, openedx_library_block_data,                          \
      "org.openedx.content_authoring.library_block.created.v1")                                  \
    X(LIBRARY_BLOCK_UPDATED, library_block, openedx_library_block_data,                          \
      "org.openedx.content_authoring.library_block.updated.v1")                                  \
    X(LIBRARY_BLOCK_DELETED, library_block, openedx_library_block_data,                          \
      "org.openedx.content_authoring.library_block.deleted.v1")                                  \
    X(LIBRARY_BLOCK_PUBLISHED, library_block, openedx_library_block_data,                        \
      "org.openedx.content_authoring.library_block.published.v1")                                \
    X(CONTENT_OBJECT_ASSOCIATIONS_CHANGED, content_object, openedx_content_object_changed_data,  \
      "org.openedx.content_authoring.content.object.associations.changed.v1")                    \
    X(CONTENT_OBJECT_TAGS_CHANGED, content_object, openedx_content_object_data,                  \
      "org.openedx.content_authoring.content.object.tags.changed.v1")                            \
    X(LIBRARY_COLLECTION_CREATED, library_collection, openedx_library_collection_data,           \
      "org.openedx.content_authoring.content_library.collection.created.v1")                     \
    X(LIBRARY_COLLECTION_UPDATED, library_collection, openedx_library_collection_data,           \
      "org.openedx.content_authoring.content_library.collection.updated.v1")                     \
    X(LIBRARY_COLLECTION_DELETED, library_collection, openedx_library_collection_data,           \
      "org.openedx.content_authoring.content_library.collection.deleted.v1")                     \
    X(LIBRARY_CONTAINER_CREATED, library_container, openedx_library_container_data,              \
      "org.openedx.content_authoring.content_library.container.created.v1")                      \
    X(LIBRARY_CONTAINER_UPDATED, library_container, openedx_library_container_data,              \
      "org.openedx.content_authoring.content_library.container.updated.v1")                      \
    X(LIBRARY_CONTAINER_DELETED, library_container, openedx_library_container_data,              \
      "org.openedx.content_authoring.content_library.container.deleted.v1")                      \
    X(LIBRARY_CONTAINER_PUBLISHED, library_container, openedx_library_container_data,            \
      "org.openedx.content_authoring.content_library.container.published.v1")                    \
    X(COURSE_IMPORT_COMPLETED, course, openedx_authoring_course_data,                            \
      "org.openedx.content_authoring.course.import.completed.v1")                                \
    X(COURSE_RERUN_COMPLETED, course, openedx_authoring_course_data,                             \
      "org.openedx.content_authoring.course.rerun.completed.v1")                                 \
    /* enterprise */                                                                             \
    X(SUBSIDY_REDEEMED, redemption, openedx_subsidy_redemption,                                  \
      "org.openedx.enterprise.subsidy.redeemed.v1")                                              \
    X(SUBSIDY_REDEMPTION_REVERSED, redemption, openedx_subsidy_redemption,                       \
      "org.openedx.enterprise.subsidy.redemption-reversed.v1")                                   \
    X(LEDGER_TRANSACTION_CREATED, ledger_transaction, openedx_ledger_transaction,                \
      "org.openedx.enterprise.subsidy_ledger_transaction.created.v1")                            \
    X(LEDGER_TRANSACTION_COMMITTED, ledger_transaction, openedx_ledger_transaction,              \
      "org.openedx.enterprise.subsidy_ledger_transaction.committed.v1")                          \
    X(LEDGER_TRANSACTION_FAILED, ledger_transaction, openedx_ledger_transaction,                 \
      "org.openedx.enterprise.subsidy_ledger_transaction.failed.v1")                             \
    X(LEDGER_TRANSACTION_REVERSED, ledger_transaction, openedx_ledger_transaction,               \
      "org.openedx.enterprise.subsidy_ledger_transaction.reversed.v1")                           \
    X(LEARNER_CREDIT_COURSE_ENROLLMENT_REVOKED, learner_credit_course_enrollment,                \
      openedx_learner_credit_enterprise_course_enrollment,                                       \
      "org.openedx.enterprise.learner_credit_course_enrollment.revoked.v1")                      \
    X(ENTERPRISE_GROUP_DELETED, enterprise_group, openedx_enterprise_group,                      \
      "org.openedx.enterprise.enterprise_group.deleted.v1")                                      \
    /* learning */                                                                               \
    X(STUDENT_REGISTRATION_COMPLETED, user, openedx_user_data,                                   \
      "org.openedx.learning.student.registration.completed.v1")                                  \
    X(SESSION_LOGIN_COMPLETED, user, openedx_user_data,                                          \
      "org.openedx.learning.auth.session.login.completed.v1")                                    \
    X(COURSE_ENROLLMENT_CREATED, enrollment, openedx_course_enrollment_data,                     \
      "org.openedx.learning.course.enrollment.created.v1")                                       \
    X(COURSE_ENROLLMENT_CHANGED, enrollment, openedx_course_enrollment_data,                     \
      "org.openedx.learning.course.enrollment.changed.v1")                                       \
    X(COURSE_UNENROLLMENT_COMPLETED, enrollment, openedx_course_enrollment_data,                 \
      "org.openedx.learning.course.unenrollment.completed.v1")                                   \
    X(CERTIFICATE_CREATED, certificate, openedx_certificate_data,                                \
      "org.openedx.learning.certificate.created.v1")                                             \
    X(PROGRAM_CERTIFICATE_AWARDED, program_certificate, openedx_program_certificate_data,        \
      "org.openedx.learning.program.certificate.awarded.v1")                                     \
    X(CERTIFICATE_CHANGED, certificate, openedx_certificate_data,                                \
      "org.openedx.learning.certificate.changed.v1")                                             \
    X(CERTIFICATE_REVOKED, certificate, openedx_certificate_data,                                \
      "org.openedx.learning.certificate.revoked.v1")                                             \
    X(PROGRAM_CERTIFICATE_REVOKED, program_certificate, openedx_program_certificate_data,        \
      "org.openedx.learning.program.certificate.revoked.v1")                                     \
    X(COHORT_MEMBERSHIP_CHANGED, cohort, openedx_cohort_data,                                    \
      "org.openedx.learning.cohort_membership.changed.v1")                                       \
    X(COURSE_DISCUSSIONS_CHANGED, configuration, openedx_course_discussion_configuration_data,   \
      "org.openedx.learning.discussions.configuration.changed.v1")                               \
    X(PERSISTENT_GRADE_SUMMARY_CHANGED, grade, openedx_persistent_course_grade_data,             \
      "org.openedx.learning.course.persistent_grade_summary.changed.v1")                         \
    X(XBLOCK_SKILL_VERIFIED, xblock_info, openedx_xblock_skill_verification_data,                \
      "org.openedx.learning.xblock.skill.verified.v1")                                           \
    X(USER_NOTIFICATION_REQUESTED, notification_data, openedx_user_notification_data,            \
      "org.openedx.learning.user.notification.requested.v1")                                     \
    X(EXAM_ATTEMPT_SUBMITTED, exam_attempt, openedx_exam_attempt_data,                           \
      "org.openedx.learning.exam.attempt.submitted.v1")                                          \
    X(EXAM_ATTEMPT_REJECTED, exam_attempt, openedx_exam_attempt_data,                            \
      "org.openedx.learning.exam.attempt.rejected.v1")                                           \
    X(EXAM_ATTEMPT_VERIFIED, exam_attempt, openedx_exam_attempt_data,                            \
      "org.openedx.learning.exam.attempt.verified.v1")                                           \
    X(EXAM_ATTEMPT_ERRORED, exam_attempt, openedx_exam_attempt_data,                             \
      "org.openedx.learning.exam.attempt.errored.v1")                                            \
    X(EXAM_ATTEMPT_RESET, exam_attempt, openedx_exam_attempt_data,                               \
      "org.openedx.learning.exam.attempt.reset.v1")                                              \
    X(COURSE_ACCESS_ROLE_ADDED, course_access_role_data, openedx_course_access_role_data,        \
      "org.openedx.learning.user.course_access_role.added.v1")                                   \
    X(COURSE_ACCESS_ROLE_REMOVED, course_access_role_data, openedx_course_access_role_data,      \
      "org.openedx.learning.user.course_access_role.removed.v1")                                 \
    X(FORUM_THREAD_CREATED, thread, openedx_discussion_thread_data,                              \
      "org.openedx.learning.forum.thread.created.v1")                                            \
    X(FORUM_THREAD_RESPONSE_CREATED, thread, openedx_discussion_thread_data,                     \
      "org.openedx.learning.forum.thread.response.created.v1")                                   \
    X(FORUM_RESPONSE_COMMENT_CREATED, thread, openedx_discussion_thread_data,                    \
      "org.openedx.learning.forum.thread.response.comment.created.v1")                           \
    X(COURSE_NOTIFICATION_REQUESTED, course_notification_data, openedx_course_notification_data, \
      "org.openedx.learning.course.notification.requested.v1")                                   \
    X(ORA_SUBMISSION_CREATED, submission, openedx_ora_submission_data,                           \
      "org.openedx.learning.ora.submission.created.v1")                                          \
    X(COURSE_PASSING_STATUS_UPDATED, course_passing_status, openedx_course_passing_status_data,  \
      "org.openedx.learning.course.passing.status.updated.v1")                                   \
    X(CCX_COURSE_PASSING_STATUS_UPDATED, course_passing_status,                                  \
      openedx_ccx_course_passing_status_data,                                                    \
      "org.openedx.learning.ccx.course.passing.status.updated.v1")                               \
    X(BADGE_AWARDED, badge, openedx_badge_data, "org.openedx.learning.badge.awarded.v1")         \
    X(BADGE_REVOKED, badge, openedx_badge_data, "org.openedx.learning.badge.revoked.v1")         \
    X(IDV_ATTEMPT_CREATED, idv_attempt, openedx_verification_attempt_data,                       \
      "org.openedx.learning.idv_attempt.created.v1")                                             \
    X(IDV_ATTEMPT_PENDING, idv_attempt, openedx_verification_attempt_data,                       \
      "org.openedx.learning.idv_attempt.pending.v1")                                             \
    X(IDV_ATTEMPT_APPROVED, idv_attempt, openedx_verification_attempt_data,                      \
      "org.openedx.learning.idv_attempt.approved.v1")                                            \
    X(IDV_ATTEMPT_DENIED, idv_attempt, openedx_verification_attempt_data,                        \
      "org.openedx.learning.idv_attempt.denied.v1")                                              \
    X(EXTERNAL_GRADER_SCORE_SUBMITTED, score, openedx_external_grader_score_data,                \
      "org.openedx.learning.external_grader.score.submitted.v1")                                 \
    X(LTI_PROVIDER_LAUNCH_SUCCESS, launch_data, openedx_lti_provider_launch_data,                \
      "org.openedx.learning.lti_provider.launch.success.v1")

/* OPENEDX_COURSE_ENROLLMENT_CREATED and so on: the event types. */
#define OPENEDX_CONSTANT_(constant, argument, tag, event_type) \
    static const char OPENEDX_##constant[] __attribute__((unused)) = event_type;
OPENEDX_EVENTS(OPENEDX_CONSTANT_)

/* ------------------------------------------------------------- analytics ---- */

#define OPENEDX_TRACKING_LOG_DATA(F) \
    F(STRING, name)                  \
    F(DATETIME, timestamp)           \
    F(STRING, data)                  \
    F(STRING, context)
EVLOG_CLASS(openedx_tracking_log_data, TrackingLogData, OPENEDX_TRACKING_LOG_DATA);

/* --------------------------------------------------------- authorization ---- */

#define OPENEDX_ROLE_ASSIGNMENT_DATA(F) \
    F(STRING, operation)                \
    F(STRING, subject)                  \
    F(STRING, role)                     \
    F(STRING, scope)                    \
    F(NULLABLE(INT64), actor_id)
EVLOG_CLASS(openedx_role_assignment_data, RoleAssignmentData, OPENEDX_ROLE_ASSIGNMENT_DATA);

/* ----------------------------------------------------- content authoring ---- */

#define OPENEDX_AUTHORING_COURSE_DATA(F) F(COURSE_KEY, course_key)
EVLOG_CLASS(openedx_authoring_course_data, CourseData, OPENEDX_AUTHORING_COURSE_DATA);

#define OPENEDX_COURSE_SCHEDULE_DATA(F)     \
    F(DATETIME, start)                      \
    F(STRING, pacing)                       \
    F(NULLABLE(DATETIME), end)              \
    F(NULLABLE(DATETIME), enrollment_start) \
    F(NULLABLE(DATETIME), enrollment_end)
EVLOG_CLASS(openedx_course_schedule_data, CourseScheduleData, OPENEDX_COURSE_SCHEDULE_DATA);

#define OPENEDX_COURSE_CATALOG_DATA(F)                    \
    F(COURSE_KEY, course_key)                             \
    F(STRING, name)                                       \
    F(CLASS(openedx_course_schedule_data), schedule_data) \
    F(FALLBACK(BOOL, false), hidden)                      \
    F(FALLBACK(BOOL, false), invitation_only)
EVLOG_CLASS(openedx_course_catalog_data, CourseCatalogData, OPENEDX_COURSE_CATALOG_DATA);

#define OPENEDX_XBLOCK_DATA(F) \
    F(USAGE_KEY, usage_key)    \
    F(STRING, block_type)      \
    F(NULLABLE(USAGE_KEY), version)
EVLOG_CLASS(openedx_xblock_data, XBlockData, OPENEDX_XBLOCK_DATA);

#define OPENEDX_DUPLICATED_XBLOCK_DATA(F) \
    OPENEDX_XBLOCK_DATA(F)                \
    F(USAGE_KEY, source_usage_key)
EVLOG_CLASS(openedx_duplicated_xblock_data, DuplicatedXBlockData, OPENEDX_DUPLICATED_XBLOCK_DATA);

#define OPENEDX_CERTIFICATE_SIGNATORY_DATA(F) \
    F(BYTES, image)                           \
    F(STRING, name)                           \
    F(STRING, organization)                   \
    F(STRING, title)
EVLOG_CLASS(openedx_certificate_signatory_data, CertificateSignatoryData,
            OPENEDX_CERTIFICATE_SIGNATORY_DATA);

#define OPENEDX_CERTIFICATE_CONFIG_DATA(F)                                        \
    F(STRING, certificate_type)                                                   \
    F(COURSE_KEY, course_key)                                                     \
    F(STRING, title)                                                              \
    F(FALLBACK(LIST(CLASS(openedx_certificate_signatory_data)), []), signatories) \
    F(FALLBACK(BOOL, false), is_active)
EVLOG_CLASS(openedx_certificate_config_data, CertificateConfigData,
            OPENEDX_CERTIFICATE_CONFIG_DATA);

#define OPENEDX_CONTENT_LIBRARY_DATA(F) \
    F(LIBRARY_KEY, library_key)         \
    F(FALLBACK(BOOL, false), update_blocks)
EVLOG_CLASS(openedx_content_library_data, ContentLibraryData, OPENEDX_CONTENT_LIBRARY_DATA);

#define OPENEDX_LIBRARY_BLOCK_DATA(F) \
    F(LIBRARY_KEY, library_key)       \
    F(LIBRARY_USAGE_KEY, usage_key)
EVLOG_CLASS(openedx_library_block_data, LibraryBlockData, OPENEDX_LIBRARY_BLOCK_DATA);

#define OPENEDX_CONTENT_OBJECT_DATA(F) F(STRING, object_id)
EVLOG_CLASS(openedx_content_object_data, ContentObjectData, OPENEDX_CONTENT_OBJECT_DATA);

#define OPENEDX_CONTENT_OBJECT_CHANGED_DATA(F) \
    OPENEDX_CONTENT_OBJECT_DATA(F)             \
    F(FALLBACK(LIST(STRING), []), changes)
EVLOG_CLASS(openedx_content_object_changed_data, ContentObjectChangedData,
            OPENEDX_CONTENT_OBJECT_CHANGED_DATA);

#define OPENEDX_LIBRARY_COLLECTION_DATA(F) \
    F(COLLECTION_KEY, collection_key)      \
    F(FALLBACK(BOOL, false), background)
EVLOG_CLASS(openedx_library_collection_data, LibraryCollectionData,
            OPENEDX_LIBRARY_COLLECTION_DATA);

#define OPENEDX_LIBRARY_CONTAINER_DATA(F) \
    F(CONTAINER_KEY, container_key)       \
    F(FALLBACK(BOOL, false), background)
EVLOG_CLASS(openedx_library_container_data, LibraryContainerData, OPENEDX_LIBRARY_CONTAINER_DATA);

/* ------------------------------------------------------------ enterprise ---- */

#define OPENEDX_SUBSIDY_REDEMPTION(F) \
    F(STRING, subsidy_identifier)     \
    F(STRING, content_key)            \
    F(INT64, lms_user_id)
EVLOG_CLASS(openedx_subsidy_redemption, SubsidyRedemption, OPENEDX_SUBSIDY_REDEMPTION);

#define OPENEDX_BASE_LEDGER_TRANSACTION(F) \
    F(UUID, uuid)                          \
    F(DATETIME, created)                   \
    F(DATETIME, modified)                  \
    F(STRING, idempotency_key)             \
    F(INT64, quantity)                     \
    F(STRING, state)
EVLOG_CLASS(openedx_base_ledger_transaction, BaseLedgerTransaction,
            OPENEDX_BASE_LEDGER_TRANSACTION);

#define OPENEDX_LEDGER_TRANSACTION_REVERSAL(F) OPENEDX_BASE_LEDGER_TRANSACTION(F)
EVLOG_CLASS(openedx_ledger_transaction_reversal, LedgerTransactionReversal,
            OPENEDX_LEDGER_TRANSACTION_REVERSAL);

#define OPENEDX_LEDGER_TRANSACTION(F)           \
    OPENEDX_BASE_LEDGER_TRANSACTION(F)          \
    F(UUID, ledger_uuid)                        \
    F(UUID, subsidy_access_policy_uuid)         \
    F(INT64, lms_user_id)                       \
    F(COURSE_KEY, content_key)                  \
    F(NULLABLE(STRING), parent_content_key)     \
    F(NULLABLE(STRING), fulfillment_identifier) \
    F(NULLABLE(CLASS(openedx_ledger_transaction_reversal)), reversal)
EVLOG_CLASS(openedx_ledger_transaction, LedgerTransaction, OPENEDX_LEDGER_TRANSACTION);

#define OPENEDX_ENTERPRISE_CUSTOMER_USER(F)    \
    F(INT64, id)                               \
    F(DATETIME, created)                       \
    F(DATETIME, modified)                      \
    F(UUID, enterprise_customer_uuid)          \
    F(INT64, user_id)                          \
    F(BOOL, active)                            \
    F(BOOL, linked)                            \
    F(BOOL, is_relinkable)                     \
    F(BOOL, should_inactivate_other_customers) \
    F(NULLABLE(UUID), invite_key)
EVLOG_CLASS(openedx_enterprise_customer_user, EnterpriseCustomerUser,
            OPENEDX_ENTERPRISE_CUSTOMER_USER);

#define OPENEDX_ENTERPRISE_COURSE_ENROLLMENT(F)                          \
    F(INT64, id)                                                         \
    F(DATETIME, created)                                                 \
    F(DATETIME, modified)                                                \
    F(CLASS(openedx_enterprise_customer_user), enterprise_customer_user) \
    F(COURSE_KEY, course_id)                                             \
    F(BOOL, saved_for_later)                                             \
    F(NULLABLE(STRING), source_slug)                                     \
    F(NULLABLE(BOOL), unenrolled)                                        \
    F(NULLABLE(DATETIME), unenrolled_at)
EVLOG_CLASS(openedx_enterprise_course_enrollment, EnterpriseCourseEnrollment,
            OPENEDX_ENTERPRISE_COURSE_ENROLLMENT);

#define OPENEDX_BASE_ENTERPRISE_FULFILLMENT(F)            \
    F(UUID, uuid)                                         \
    F(DATETIME, created)                                  \
    F(DATETIME, modified)                                 \
    F(STRING, fulfillment_type)                           \
    F(BOOL, is_revoked)                                   \
    F(NULLABLE(UUID), enterprise_course_entitlement_uuid) \
    F(NULLABLE(CLASS(openedx_enterprise_course_enrollment)), enterprise_course_enrollment)
EVLOG_CLASS(openedx_base_enterprise_fulfillment, BaseEnterpriseFulfillment,
            OPENEDX_BASE_ENTERPRISE_FULFILLMENT);

#define OPENEDX_LEARNER_CREDIT_ENTERPRISE_COURSE_ENROLLMENT(F) \
    OPENEDX_BASE_ENTERPRISE_FULFILLMENT(F)                     \
    F(NULLABLE(UUID), transaction_id)
EVLOG_CLASS(openedx_learner_credit_enterprise_course_enrollment,
            LearnerCreditEnterpriseCourseEnrollment,
            OPENEDX_LEARNER_CREDIT_ENTERPRISE_COURSE_ENROLLMENT);

#define OPENEDX_LICENSED_ENTERPRISE_COURSE_ENROLLMENT(F) \
    OPENEDX_BASE_ENTERPRISE_FULFILLMENT(F)               \
    F(NULLABLE(UUID), license_uuid)
EVLOG_CLASS(openedx_licensed_enterprise_course_enrollment, LicensedEnterpriseCourseEnrollment,
            OPENEDX_LICENSED_ENTERPRISE_COURSE_ENROLLMENT);

#define OPENEDX_ENTERPRISE_GROUP(F) F(UUID, uuid)
EVLOG_CLASS(openedx_enterprise_group, EnterpriseGroup, OPENEDX_ENTERPRISE_GROUP);

/* -------------------------------------------------------------- learning ---- */

#define OPENEDX_USER_NON_PERSONAL_DATA(F) \
    F(INT64, id)                          \
    F(BOOL, is_active)
EVLOG_CLASS(openedx_user_non_personal_data, UserNonPersonalData, OPENEDX_USER_NON_PERSONAL_DATA);

#define OPENEDX_USER_PERSONAL_DATA(F) \
    F(STRING, username)               \
    F(STRING, email)                  \
    F(FALLBACK(STRING, ""), name)
EVLOG_CLASS(openedx_user_personal_data, UserPersonalData, OPENEDX_USER_PERSONAL_DATA);

#define OPENEDX_USER_DATA(F)          \
    OPENEDX_USER_NON_PERSONAL_DATA(F) \
    F(CLASS(openedx_user_personal_data), pii)
EVLOG_CLASS(openedx_user_data, UserData, OPENEDX_USER_DATA);

#define OPENEDX_LEARNING_COURSE_DATA(F)   \
    F(COURSE_KEY, course_key)             \
    F(FALLBACK(STRING, ""), display_name) \
    F(NULLABLE(DATETIME), start)          \
    F(NULLABLE(DATETIME), end)
EVLOG_CLASS(openedx_learning_course_data, CourseData, OPENEDX_LEARNING_COURSE_DATA);

#define OPENEDX_CCX_COURSE_DATA(F)        \
    F(CCX_KEY, ccx_course_key)            \
    F(COURSE_KEY, master_course_key)      \
    F(FALLBACK(STRING, ""), display_name) \
    F(FALLBACK(STRING, ""), coach_email)  \
    F(NULLABLE(STRING), start)            \
    F(NULLABLE(STRING), end)              \
    F(NULLABLE(INT64), max_students_allowed)
EVLOG_CLASS(openedx_ccx_course_data, CcxCourseData, OPENEDX_CCX_COURSE_DATA);

#define OPENEDX_COURSE_ENROLLMENT_DATA(F)          \
    F(CLASS(openedx_user_data), user)              \
    F(CLASS(openedx_learning_course_data), course) \
    F(STRING, mode)                                \
    F(BOOL, is_active)                             \
    F(DATETIME, creation_date)                     \
    F(NULLABLE(CLASS(openedx_user_data)), created_by)
EVLOG_CLASS(openedx_course_enrollment_data, CourseEnrollmentData, OPENEDX_COURSE_ENROLLMENT_DATA);

#define OPENEDX_CERTIFICATE_DATA(F)                \
    F(CLASS(openedx_user_data), user)              \
    F(CLASS(openedx_learning_course_data), course) \
    F(STRING, mode)                                \
    F(STRING, grade)                               \
    F(STRING, download_url)                        \
    F(STRING, name)                                \
    F(STRING, current_status)                      \
    F(FALLBACK(STRING, ""), previous_status)
EVLOG_CLASS(openedx_certificate_data, CertificateData, OPENEDX_CERTIFICATE_DATA);

#define OPENEDX_COHORT_DATA(F)                     \
    F(CLASS(openedx_user_data), user)              \
    F(CLASS(openedx_learning_course_data), course) \
    F(STRING, name)
EVLOG_CLASS(openedx_cohort_data, CohortData, OPENEDX_COHORT_DATA);

#define OPENEDX_DISCUSSION_TOPIC_CONTEXT(F) \
    F(STRING, title)                        \
    F(NULLABLE(USAGE_KEY), usage_key)       \
    F(NULLABLE(INT64), group_id)            \
    F(NULLABLE(STRING), external_id)        \
    F(NULLABLE(INT64), ordering)            \
    F(FALLBACK(MAP(STRING), {}), context)
EVLOG_CLASS(openedx_discussion_topic_context, DiscussionTopicContext,
            OPENEDX_DISCUSSION_TOPIC_CONTEXT);

#define OPENEDX_COURSE_DISCUSSION_CONFIGURATION_DATA(F) \
    F(COURSE_KEY, course_key)                           \
    F(STRING, provider_type)                            \
    F(FALLBACK(BOOL, true), enabled)                    \
    F(FALLBACK(BOOL, true), enable_in_context)          \
    F(FALLBACK(BOOL, false), enable_graded_units)       \
    F(FALLBACK(BOOL, false), unit_level_visibility)     \
    F(FALLBACK(MAP(BOOL), {}), plugin_configuration)    \
    F(FALLBACK(LIST(CLASS(openedx_discussion_topic_context)), []), contexts)
EVLOG_CLASS(openedx_course_discussion_configuration_data, CourseDiscussionConfigurationData,
            OPENEDX_COURSE_DISCUSSION_CONFIGURATION_DATA);

#define OPENEDX_PERSISTENT_COURSE_GRADE_DATA(F)    \
    F(INT64, user_id)                              \
    F(CLASS(openedx_learning_course_data), course) \
    F(DATETIME, course_edited_timestamp)           \
    F(STRING, course_version)                      \
    F(STRING, grading_policy_hash)                 \
    F(DOUBLE, percent_grade)                       \
    F(STRING, letter_grade)                        \
    F(DATETIME, passed_timestamp)
EVLOG_CLASS(openedx_persistent_course_grade_data, PersistentCourseGradeData,
            OPENEDX_PERSISTENT_COURSE_GRADE_DATA);

#define OPENEDX_XBLOCK_SKILL_VERIFICATION_DATA(F) \
    F(USAGE_KEY, usage_key)                       \
    F(FALLBACK(LIST(INT64), []), verified_skills) \
    F(FALLBACK(LIST(INT64), []), ignored_skills)
EVLOG_CLASS(openedx_xblock_skill_verification_data, XBlockSkillVerificationData,
            OPENEDX_XBLOCK_SKILL_VERIFICATION_DATA);

#define OPENEDX_USER_NOTIFICATION_DATA(F) \
    F(LIST(INT64), user_ids)              \
    F(STRING, notification_type)          \
    F(STRING, content_url)                \
    F(STRING, app_name)                   \
    F(COURSE_KEY, course_key)             \
    F(FALLBACK(MAP(STRING), {}), context)
EVLOG_CLASS(openedx_user_notification_data, UserNotificationData, OPENEDX_USER_NOTIFICATION_DATA);

#define OPENEDX_PROGRAM_DATA(F) \
    F(STRING, uuid)             \
    F(STRING, title)            \
    F(STRING, program_type)
EVLOG_CLASS(openedx_program_data, ProgramData, OPENEDX_PROGRAM_DATA);

#define OPENEDX_PROGRAM_CERTIFICATE_DATA(F) \
    F(CLASS(openedx_user_data), user)       \
    F(CLASS(openedx_program_data), program) \
    F(STRING, uuid)                         \
    F(STRING, status)                       \
    F(STRING, url)                          \
    F(NULLABLE(DATETIME), certificate_available_date)
EVLOG_CLASS(openedx_program_certificate_data, ProgramCertificateData,
            OPENEDX_PROGRAM_CERTIFICATE_DATA);

#define OPENEDX_EXAM_ATTEMPT_DATA(F)          \
    F(CLASS(openedx_user_data), student_user) \
    F(COURSE_KEY, course_key)                 \
    F(USAGE_KEY, usage_key)                   \
    F(STRING, exam_type)                      \
    F(NULLABLE(CLASS(openedx_user_data)), requesting_user)
EVLOG_CLASS(openedx_exam_attempt_data, ExamAttemptData, OPENEDX_EXAM_ATTEMPT_DATA);

#define OPENEDX_COURSE_ACCESS_ROLE_DATA(F) \
    F(CLASS(openedx_user_data), user)      \
    F(STRING, org_key)                     \
    F(COURSE_KEY, course_key)              \
    F(STRING, role)
EVLOG_CLASS(openedx_course_access_role_data, CourseAccessRoleData,
            OPENEDX_COURSE_ACCESS_ROLE_DATA);

#define OPENEDX_DISCUSSION_THREAD_DATA(F)            \
    F(STRING, body)                                  \
    F(STRING, commentable_id)                        \
    F(STRING, id)                                    \
    F(BOOL, truncated)                               \
    F(STRING, url)                                   \
    F(CLASS(openedx_user_data), user)                \
    F(COURSE_KEY, course_id)                         \
    F(NULLABLE(STRING), thread_type)                 \
    F(NULLABLE(BOOL), anonymous)                     \
    F(NULLABLE(BOOL), anonymous_to_peers)            \
    F(NULLABLE(STRING), title)                       \
    F(NULLABLE(BOOL), title_truncated)               \
    F(NULLABLE(INT64), group_id)                     \
    F(NULLABLE(INT64), team_id)                      \
    F(NULLABLE(INT64), category_id)                  \
    F(NULLABLE(STRING), category_name)               \
    F(NULLABLE(MAP(STRING)), discussion)             \
    F(FALLBACK(LIST(STRING), []), user_course_roles) \
    F(FALLBACK(LIST(STRING), []), user_forums_roles) \
    F(FALLBACK(MAP(BOOL), {}), options)
EVLOG_CLASS(openedx_discussion_thread_data, DiscussionThreadData, OPENEDX_DISCUSSION_THREAD_DATA);

#define OPENEDX_COURSE_NOTIFICATION_DATA(F)       \
    F(COURSE_KEY, course_key)                     \
    F(STRING, app_name)                           \
    F(STRING, notification_type)                  \
    F(STRING, content_url)                        \
    F(FALLBACK(MAP(STRING), {}), content_context) \
    F(FALLBACK(MAP(LIST(STRING)), {}), audience_filters)
EVLOG_CLASS(openedx_course_notification_data, CourseNotificationData,
            OPENEDX_COURSE_NOTIFICATION_DATA);

#define OPENEDX_ORA_SUBMISSION_ANSWER(F)             \
    F(FALLBACK(LIST(MAP(STRING)), []), parts)        \
    F(FALLBACK(LIST(STRING), []), file_keys)         \
    F(FALLBACK(LIST(STRING), []), file_descriptions) \
    F(FALLBACK(LIST(STRING), []), file_names)        \
    F(FALLBACK(LIST(INT64), []), file_sizes)         \
    F(FALLBACK(LIST(STRING), []), file_urls)
EVLOG_CLASS(openedx_ora_submission_answer, ORASubmissionAnswer, OPENEDX_ORA_SUBMISSION_ANSWER);

#define OPENEDX_ORA_SUBMISSION_DATA(F) \
    F(STRING, uuid)                    \
    F(STRING, anonymous_user_id)       \
    F(STRING, location)                \
    F(INT64, attempt_number)           \
    F(DATETIME, created_at)            \
    F(DATETIME, submitted_at)          \
    F(CLASS(openedx_ora_submission_answer), answer)
EVLOG_CLASS(openedx_ora_submission_data, ORASubmissionData, OPENEDX_ORA_SUBMISSION_DATA);

#define OPENEDX_COURSE_PASSING_STATUS_DATA(F)      \
    F(BOOL, is_passing)                            \
    F(CLASS(openedx_learning_course_data), course) \
    F(CLASS(openedx_user_data), user)
EVLOG_CLASS(openedx_course_passing_status_data, CoursePassingStatusData,
            OPENEDX_COURSE_PASSING_STATUS_DATA);

#define OPENEDX_CCX_COURSE_PASSING_STATUS_DATA(F) \
    F(BOOL, is_passing)                           \
    F(CLASS(openedx_user_data), user)             \
    F(CLASS(openedx_ccx_course_data), course)
EVLOG_CLASS(openedx_ccx_course_passing_status_data, CcxCoursePassingStatusData,
            OPENEDX_CCX_COURSE_PASSING_STATUS_DATA);

#define OPENEDX_BADGE_TEMPLATE_DATA(F) \
    F(STRING, uuid)                    \
    F(STRING, origin)                  \
    F(NULLABLE(STRING), name)          \
    F(NULLABLE(STRING), description)   \
    F(NULLABLE(STRING), image_url)
EVLOG_CLASS(openedx_badge_template_data, BadgeTemplateData, OPENEDX_BADGE_TEMPLATE_DATA);

#define OPENEDX_BADGE_DATA(F)         \
    F(STRING, uuid)                   \
    F(CLASS(openedx_user_data), user) \
    F(AS(CLASS(openedx_badge_template_data), "template"), template_)
EVLOG_CLASS(openedx_badge_data, BadgeData, OPENEDX_BADGE_DATA);

#define OPENEDX_VERIFICATION_ATTEMPT_DATA(F) \
    F(INT64, attempt_id)                     \
    F(CLASS(openedx_user_data), user)        \
    F(STRING, status)                        \
    F(NULLABLE(STRING), name)                \
    F(NULLABLE(DATETIME), expiration_date)
EVLOG_CLASS(openedx_verification_attempt_data, VerificationAttemptData,
            OPENEDX_VERIFICATION_ATTEMPT_DATA);

#define OPENEDX_EXTERNAL_GRADER_SCORE_DATA(F) \
    F(INT64, points_possible)                 \
    F(INT64, points_earned)                   \
    F(STRING, course_id)                      \
    F(STRING, score_msg)                      \
    F(INT64, submission_id)                   \
    F(STRING, user_id)                        \
    F(STRING, module_id)                      \
    F(STRING, queue_key)                      \
    F(STRING, queue_name)
EVLOG_CLASS(openedx_external_grader_score_data, ExternalGraderScoreData,
            OPENEDX_EXTERNAL_GRADER_SCORE_DATA);

#define OPENEDX_LTI_PROVIDER_LAUNCH_PARAMS_DATA(F) \
    F(STRING, roles)                               \
    F(STRING, context_id)                          \
    F(STRING, user_id)                             \
    F(FALLBACK(MAP(STRING), {}), extra_params)
EVLOG_CLASS(openedx_lti_provider_launch_params_data, LtiProviderLaunchParamsData,
            OPENEDX_LTI_PROVIDER_LAUNCH_PARAMS_DATA);

#define OPENEDX_LTI_PROVIDER_LAUNCH_DATA(F) \
    F(CLASS(openedx_user_data), user)       \
    F(COURSE_KEY, course_key)               \
    F(USAGE_KEY, usage_key)                 \
    F(CLASS(openedx_lti_provider_launch_params_data), launch_params)
EVLOG_CLASS(openedx_lti_provider_launch_data, LtiProviderLaunchData,
            OPENEDX_LTI_PROVIDER_LAUNCH_DATA);

#ifdef __cplusplus
}
#endif

#endif
