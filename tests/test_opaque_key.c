/* Opaque keys of Open edX. */
#include "opaque_key.h"

#include "evlog/class.h"
#include "test.h"

#define COUNT(table) (sizeof table / sizeof *table)

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
        int is_key = opaque_key_is(table[i].kind, text, strlen(text), &words);
        if (is_key != table[i].is_key || !is_key != (words != NULL))
            fail_msg("%d %s", table[i].kind, text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checks_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
