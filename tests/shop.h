/* Data classes of a user's own, with a field of every kind, for the tests. */
#ifndef SHOP_H
#define SHOP_H

#include "evlog/class.h"
#include "evlog/schema.h"
#include "test.h"

#define SHOP_PERSON(F) \
    F(STRING, name)    \
    F(NULLABLE(STRING), email)
EVLOG_CLASS(shop_person, Person, SHOP_PERSON);

#define SHOP_ITEM(F) \
    F(STRING, title) \
    F(INT64, cents)  \
    F(MAP(STRING), labels)
EVLOG_CLASS(shop_item, Item, SHOP_ITEM);

#define SHOP_ORDER(F)                             \
    F(UUID, id)                                   \
    F(CLASS(shop_person), buyer)                  \
    F(NULLABLE(CLASS(shop_person)), receiver)     \
    F(LIST(CLASS(shop_item)), items)              \
    F(DATETIME, ordered)                          \
    F(NULLABLE(DATETIME), paid)                   \
    F(BOOL, is_gift)                              \
    F(NULLABLE(BOOL), is_fragile)                 \
    F(DOUBLE, weight)                             \
    F(NULLABLE(DOUBLE), discount)                 \
    F(NULLABLE(INT64), floor)                     \
    F(NULLABLE(UUID), parcel)                     \
    F(BYTES, signature)                           \
    F(NULLABLE(BYTES), photo)                     \
    F(COURSE_KEY, course_key)                     \
    F(NULLABLE(USAGE_KEY), usage_key)             \
    F(LIST(STRING), tags)                         \
    F(LISTS(INT64), grid)                         \
    F(LIST(MAP(STRING)), notes)                   \
    F(MAP(BOOL), flags)                           \
    F(MAP(LIST(STRING)), groups)                  \
    F(MAPS(DOUBLE), rates)                        \
    F(NULLABLE(MAP(INT64)), counts)               \
    F(NULLABLE(LIST(STRING)), codes)              \
    F(LIST(NULLABLE(INT64)), holes)               \
    F(MAP(NULLABLE(STRING)), maybes)              \
    F(LIST(NULLABLE(CLASS(shop_person))), guests) \
    F(DEFAULT(STRING, "EUR"), currency)           \
    F(FALLBACK(BOOL, true), is_tracked)           \
    F(AS(INT64, "class"), class_)
EVLOG_CLASS(shop_order, Order, SHOP_ORDER);

#define SHOP_TYPE "org.example.shop.order.placed.v1"

static const evlog_definition shop_definition = {
    .event_type = SHOP_TYPE, .argument = "order", .of = &shop_order_class};

/* An order with something in every field. */
static inline struct shop_order shop_order_full(void)
{
    static const struct shop_person receiver = {{"Bob", 3}, {"bob@example.com", 15}};
    static const evlog_string label_keys[] = {{"size", 4}, {"colour", 6}};
    static const evlog_string label_values[] = {{"XL", 2}, {"", 0}};
    static const struct shop_item items[] = {
        {{"Shirt", 5}, 1999, {label_keys, label_values, 2}},
        {{"", 0}, -5, {NULL, NULL, 0}},
    };
    static const int64_t paid = INT64_C(1623247965320819), floor = 0, row[] = {1, 0, -1};
    static const double discount = 0.25, rate_values[] = {1.5, -0.0};
    static const bool fragile = false, flag_values[] = {true, false};
    static const evlog_uuid parcel = {{0xff, 1, 2}};
    static const evlog_bytes photo = {"\0\xff", 2};
    static const evlog_string tags[] = {{"a", 1}, {"a\0b", 3}, {"\xc3\xa9", 2}};
    static const evlog_list rows[] = {{row, 3}, {NULL, 0}};
    static const evlog_map notes[] = {{label_keys, label_values, 1}, {NULL, NULL, 0}};
    static const evlog_string one_key[] = {{"", 0}};
    static const evlog_list groups[] = {{tags, 2}};
    static const evlog_map rates[] = {{label_keys, rate_values, 2}};
    static const evlog_map counts = {label_keys, row, 2};
    static const evlog_list codes = {tags, 1};
    static const int64_t *const holes[] = {&paid, NULL, &floor};
    static const struct shop_person *const guests[] = {NULL, &receiver};
    static const evlog_string maybes[] = {{NULL, 0}, {"", 0}};
    struct shop_order order = {
        .id = {{0x62, 0x9f, 0x98, 0x92, 0xc2, 0x58, 0x11, 0xed}},
        .buyer = {{"Alice", 5}, {NULL, 0}},
        .receiver = &receiver,
        .items = {items, 2},
        .ordered = INT64_C(1623247965000000),
        .paid = &paid,
        .is_gift = true,
        .is_fragile = &fragile,
        .weight = 0.1,
        .discount = &discount,
        .floor = &floor,
        .parcel = &parcel,
        .signature = {"", 0},
        .photo = &photo,
        .course_key = {"course-v1:edX+DemoX+Demo_Course", 31},
        .usage_key = {"lb:org:lib:problem:1", 20},
        .tags = {tags, 3},
        .grid = {rows, 2},
        .notes = {notes, 2},
        .flags = {label_keys, flag_values, 2},
        .groups = {one_key, groups, 1},
        .rates = {label_keys, rates, 1},
        .counts = &counts,
        .codes = &codes,
        .holes = {holes, 3},
        .maybes = {label_keys, maybes, 2},
        .guests = {guests, 2},
        .currency = {"USD", 3},
        .is_tracked = false,
        .class_ = INT64_MIN,
    };
    return order;
}

/* An order with nothing in any field that can do without. */
static inline struct shop_order shop_order_bare(void)
{
    struct shop_order order = {.buyer = {{"", 0}, {NULL, 0}}, .course_key = {"a/b/c", 5}};
    return order;
}

#endif
