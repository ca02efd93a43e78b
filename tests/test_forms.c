/* Times, UUIDs and keys as text. */
#include "evlog/class.h"
#include "forms.h"
#include "load.h"

#define COUNT(table) (sizeof table / sizeof *table)

/* Times are written as Python's isoformat() writes them. */
static void writes_times_as_python_does(void **state)
{
    static const struct {
        int64_t time_us;
        const char *text;
    } table[] = {
        {0, "1970-01-01T00:00:00+00:00"},
        {-1, "1969-12-31T23:59:59.999999+00:00"},
        {INT64_C(1623247965320819), "2021-06-09T14:12:45.320819+00:00"},
        {INT64_C(1623247965000001), "2021-06-09T14:12:45.000001+00:00"},
        {INT64_C(951782400000000), "2000-02-29T00:00:00+00:00"},
        {EVLOG_TIME_US_MIN, "0001-01-01T00:00:00+00:00"},
        {EVLOG_TIME_US_MAX, "9999-12-31T23:59:59.999999+00:00"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        char text[FORMS_TIME_SIZE + 1] = "";
        int64_t time_us = 1;
        assert_int_equal(forms_put_time(table[i].time_us, text), strlen(table[i].text));
        assert_string_equal(text, table[i].text);
        assert_true(forms_get_time(text, strlen(text), &time_us));
        assert_true(time_us == table[i].time_us);
    }
}

/* Other ways of writing a time are read; what is no time, or none that is certain, is not. */
static void reads_other_times(void **state)
{
    static const struct {
        const char *text;
        int64_t time_us; /* 1: refused */
    } table[] = {
        {"2021-06-09T14:12:45Z", INT64_C(1623247965000000)},
        {"2021-06-09 14:12:45.5+00:00", INT64_C(1623247965500000)},
        {"2021-06-09T16:12:45,320819+02:00", INT64_C(1623247965320819)},
        {"2021-06-09T09:42:45-0430", INT64_C(1623247965000000)},
        {"2021-06-09T14:12:45.320819999Z", INT64_C(1623247965320819)},
        {"2021-06-09T14:12:45", 1},
        {"2021-06-09", 1},
        {"2021-02-29T00:00:00Z", 1},
        {"1900-02-29T00:00:00Z", 1},
        {"2021-13-01T00:00:00Z", 1},
        {"2021-06-09T24:00:00Z", 1},
        {"2021-06-09T14:60:00Z", 1},
        {"2021-06-09T14:12:60Z", 1},
        {"2021-06-09T14:12:45.Z", 1},
        {"2021-06-09T14:12:45.0123456789Z", 1},
        {"2021-06-09T14:12:45+24:00", 1},
        {"2021-06-09T14:12:45Zx", 1},
        {"0000-06-09T14:12:45Z", 1},
        {"0001-01-01T00:00:00+00:01", 1},
        {"9999-12-31T23:59:59-00:01", 1},
        {"abc", 1},
        {"", 1},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        int64_t time_us = 1;
        int is_time = forms_get_time(table[i].text, strlen(table[i].text), &time_us);
        if (is_time != (table[i].time_us != 1) || (is_time && time_us != table[i].time_us))
            fail_msg("%s: %d %" PRId64, table[i].text, is_time, time_us);
    }
}

/* Any time is the same after it was written and read. */
static void times_come_back(void **state)
{
    uint64_t seed = load_seed();
    (void)state;
    for (int i = 0; i < 20000; i++) {
        char text[FORMS_TIME_SIZE];
        int64_t read,
            time_us = EVLOG_TIME_US_MIN +
                      (int64_t)load_random(&seed, EVLOG_TIME_US_MAX - EVLOG_TIME_US_MIN);
        assert_true(forms_get_time(text, forms_put_time(time_us, text), &read));
        assert_true(read == time_us);
    }
}

/* Keys of each kind: their namespaces, their number of parts, no part empty or with a blank. */
static void checks_keys(void **state)
{
    static const struct {
        int kind;
        const char *text;
        int is_key;
    } table[] = {
        {EVLOG_KIND_COURSE_KEY, "course-v1:edX+DemoX+Demo_Course", 1},
        {EVLOG_KIND_COURSE_KEY, "course-v1:edX+DemoX+Demo_Course+branch@draft-branch", 1},
        {EVLOG_KIND_COURSE_KEY,
         "course-v1:\xc3\x89"
         "cole+D~.:-_1+r",
         1},
        {EVLOG_KIND_COURSE_KEY, "library-v1:edX+lib", 1},
        {EVLOG_KIND_COURSE_KEY, "ccx-v1:edX+DemoX+Demo_Course+ccx@1", 1},
        {EVLOG_KIND_COURSE_KEY, "edX/DemoX/Demo_Course", 1},
        {EVLOG_KIND_COURSE_KEY, "course-v1:edX+DemoX", 0},
        {EVLOG_KIND_COURSE_KEY, "course-v1:edX++DemoX", 0},
        {EVLOG_KIND_COURSE_KEY, "course-v1:edX+DemoX+", 0},
        {EVLOG_KIND_COURSE_KEY, "course-v1:edX+Demo X+run", 0},
        {EVLOG_KIND_COURSE_KEY, "course-v2:edX+DemoX+run", 0},
        {EVLOG_KIND_COURSE_KEY, "edX/DemoX", 0},
        {EVLOG_KIND_COURSE_KEY, "abc", 0},
        {EVLOG_KIND_COURSE_KEY, "", 0},
        {EVLOG_KIND_CCX_KEY, "ccx-v1:edX+DemoX+Demo_Course+ccx@1", 1},
        {EVLOG_KIND_CCX_KEY, "course-v1:edX+DemoX+Demo_Course", 0},
        {EVLOG_KIND_USAGE_KEY, "block-v1:edX+DemoX+Demo_Course+type@video+block@0b9e", 1},
        {EVLOG_KIND_USAGE_KEY, "lb:org:lib:problem:1", 1},
        {EVLOG_KIND_USAGE_KEY, "i4x://edX/DemoX/video/intro", 1},
        {EVLOG_KIND_USAGE_KEY, "course-v1:edX+DemoX+Demo_Course", 0},
        {EVLOG_KIND_LIBRARY_KEY, "lib:org:slug", 1},
        {EVLOG_KIND_LIBRARY_KEY, "lib:org:slug:more", 0},
        {EVLOG_KIND_LIBRARY_KEY, "lib:org", 0},
        {EVLOG_KIND_LIBRARY_USAGE_KEY, "lb:org:lib:problem:1", 1},
        {EVLOG_KIND_LIBRARY_USAGE_KEY, "block-v1:a+b+c+type@d+block@e", 0},
        {EVLOG_KIND_COLLECTION_KEY, "lib-collection:org:lib:c", 1},
        {EVLOG_KIND_COLLECTION_KEY, "lib:org:lib", 0},
        {EVLOG_KIND_CONTAINER_KEY, "lct:org:lib:unit:1", 1},
        {EVLOG_KIND_CONTAINER_KEY, "lct:org:lib:unit", 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        const char *words = NULL, *text = table[i].text;
        int is_key = forms_is_key(table[i].kind, text, strlen(text), &words);
        if (is_key != table[i].is_key || !is_key != (words != NULL))
            fail_msg("%d %s", table[i].kind, text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_times_as_python_does),
        cmocka_unit_test(reads_other_times),
        cmocka_unit_test(times_come_back),
        cmocka_unit_test(checks_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
