/*
 * Opaque keys: the text by which Open edX names courses, blocks and libraries.
 *
 * They are those of the opaque-keys library (3.x): a prefix and parts with a separator between
 * them, each part letters (of any script), digits and a few signs. What a part means is not
 * checked. Absent: asides and definitions, which no event carries.
 *
 *   course-v1:edX+DemoX+Demo_Course     prefix "course-v1:", separator '+', three parts
 */
#include "opaque_key.h"

#include <string.h>

#include "class.h"

static const struct {
    int kind;
    const char *prefix;
    char separator;
    unsigned char part_min, part_max;
} keys[] = {
    {EVLOG_KIND_COURSE_KEY, "course-v1:", '+', 3, 5}, /* branch and version may follow */
    {EVLOG_KIND_COURSE_KEY, "library-v1:", '+', 2, 4},
    {EVLOG_KIND_COURSE_KEY, "ccx-v1:", '+', 4, 6},
    {EVLOG_KIND_COURSE_KEY, "", '/', 3, 3}, /* before 2014 */
    {EVLOG_KIND_CCX_KEY, "ccx-v1:", '+', 4, 6},
    {EVLOG_KIND_USAGE_KEY, "block-v1:", '+', 5, 7},
    {EVLOG_KIND_USAGE_KEY, "ccx-block-v1:", '+', 6, 8},
    {EVLOG_KIND_USAGE_KEY, "lib-block-v1:", '+', 4, 6},
    {EVLOG_KIND_USAGE_KEY, "lb:", ':', 4, 4},
    {EVLOG_KIND_USAGE_KEY, "i4x://", '/', 4, 4}, /* before 2014 */
    {EVLOG_KIND_LIBRARY_KEY, "lib:", ':', 2, 2},
    {EVLOG_KIND_LIBRARY_USAGE_KEY, "lb:", ':', 4, 4},
    {EVLOG_KIND_COLLECTION_KEY, "lib-collection:", ':', 3, 3},
    {EVLOG_KIND_CONTAINER_KEY, "lct:", ':', 4, 4},
};

static const char *const descriptions[KIND_FLOAT + 1] = {
    [EVLOG_KIND_COURSE_KEY] = "a course key (course-v1:org+course+run)",
    [EVLOG_KIND_CCX_KEY] = "a CCX key (ccx-v1:org+course+run+ccx@id)",
    [EVLOG_KIND_USAGE_KEY] = "a usage key (block-v1:org+course+run+type@type+block@id)",
    [EVLOG_KIND_LIBRARY_KEY] = "a library key (lib:org:slug)",
    [EVLOG_KIND_LIBRARY_USAGE_KEY] = "a library usage key (lb:org:slug:type:id)",
    [EVLOG_KIND_COLLECTION_KEY] = "a collection key (lib-collection:org:slug:id)",
    [EVLOG_KIND_CONTAINER_KEY] = "a container key (lct:org:slug:type:id)",
};

static bool is_part_byte(unsigned char c, char separator)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           c >= 0x80 || (c && strchr("_-~.%@", c)) || (c == ':' && separator != ':');
}

/* How many parts there are; 0: one is empty or contains a sign that no part may contain. */
static unsigned count_parts(const char *text, size_t size, char separator)
{
    unsigned count = 1;
    size_t part_size = 0;
    for (size_t i = 0; i < size; i++) {
        bool is_end = text[i] == separator;
        if (is_end ? part_size == 0 : !is_part_byte((unsigned char)text[i], separator))
            return 0;
        part_size = is_end ? 0 : part_size + 1;
        count += is_end && count < 255;
    }
    return part_size ? count : 0;
}

bool opaque_key_is(int kind, const char *text, size_t size, const char **description)
{
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        size_t begin = strlen(keys[i].prefix);
        if (keys[i].kind != kind || size < begin || memcmp(text, keys[i].prefix, begin) != 0)
            continue;
        unsigned count = count_parts(text + begin, size - begin, keys[i].separator);
        if (count >= keys[i].part_min && count <= keys[i].part_max)
            return true;
    }
    *description = descriptions[kind];
    return false;
}
