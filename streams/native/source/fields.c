#include "fields.h"
#include "xxh3.h"

#include <string.h>

enum { ANY_SIZE = 1 << 30 };

#define NAMED(name) name, sizeof name - 1
#define IN_EVENT(member) (int)offsetof(struct event, member)

static const struct field FIELDS[] = {
    {NAMED("event_id"), TEXT, false, 1, 64, IN_EVENT(event_id)},
    {NAMED("user_id"), TEXT, false, 1, 128, IN_EVENT(user_id)},
    {NAMED("kind"), KIND, false, 0, 0, IN_EVENT(kind)},
    {NAMED("at_ms"), NATURAL, false, 0, INT64_MAX, IN_EVENT(at_ms)},
    {NAMED("item_id"), TEXT, false, 1, XXH3_LONGEST, IN_EVENT(about)},
    {NAMED("surface"), TEXT, false, 1, 64, IN_EVENT(surface)},
    {NAMED("limit"), NATURAL, true, 1, 100, NOWHERE},
    {NAMED("session_id"), TEXT, true, 0, ANY_SIZE, NOWHERE},
    {NAMED("recommendation_id"), TEXT, true, 0, ANY_SIZE, NOWHERE},
    {NAMED("context"), CONTEXT, true, 0, 0, NOWHERE},
    {NAMED("epoch"), NATURAL, false, 0, INT64_MAX, NOWHERE},
    {NAMED("position"), NATURAL, false, 0, INT64_MAX, NOWHERE},
    {NAMED("quantity"), NATURAL, false, 1, 1000000, IN_EVENT(quantity)},
    {NAMED("price"), DECIMAL, true, 0, 0, NOWHERE},
    {NAMED("currency"), TEXT, true, 0, ANY_SIZE, NOWHERE},
    {NAMED("value"), DECIMAL, false, 0, 0, IN_EVENT(value)},
    {NAMED("scale"), DECIMAL, false, 0, 0, IN_EVENT(scale)},
    {NAMED("query"), TEXT, false, 1, ANY_SIZE, NOWHERE},
    {NAMED("text"), TEXT, false, 1, ANY_SIZE, NOWHERE},
    {NAMED("followed_user_id"), TEXT, false, 1, 128, IN_EVENT(about)},
};
enum field_bit { /* in the order of FIELDS */
    EVENT_ID = 1 << 0, USER_ID = 1 << 1, KIND_OF = 1 << 2, AT_MS = 1 << 3, ITEM_ID = 1 << 4,
    SURFACE = 1 << 5, LIMIT = 1 << 6, SESSION_ID = 1 << 7, RECOMMENDATION_ID = 1 << 8,
    CONTEXT_OF = 1 << 9, EPOCH = 1 << 10, POSITION = 1 << 11, QUANTITY = 1 << 12, PRICE = 1 << 13,
    CURRENCY = 1 << 14, VALUE = 1 << 15, SCALE = 1 << 16, QUERY = 1 << 17, TEXT_OF = 1 << 18,
    FOLLOWED_USER_ID = 1 << 19,
    ALWAYS = EVENT_ID | USER_ID | KIND_OF | AT_MS,
    ANYWHERE = SURFACE | LIMIT | SESSION_ID | RECOMMENDATION_ID | CONTEXT_OF,
};
enum { FIELD_COUNT = sizeof FIELDS / sizeof *FIELDS };

/* What a kind has besides. */
static const struct {
    const char *name;
    size_t size;
    uint32_t needs, may_have;
} KIND_RULES[KINDS] = {
    [VIEW] = {NAMED("view"), ITEM_ID, 0},
    [CLICK] = {NAMED("click"), ITEM_ID, 0},
    [CART] = {NAMED("cart"), ITEM_ID, 0},
    [UNCART] = {NAMED("uncart"), ITEM_ID, 0},
    [HIDE] = {NAMED("hide"), ITEM_ID, 0},
    [UNHIDE] = {NAMED("unhide"), ITEM_ID, 0},
    [PURCHASE] = {NAMED("purchase"), ITEM_ID, QUANTITY | PRICE | CURRENCY},
    [RATING] = {NAMED("rating"), ITEM_ID | VALUE, SCALE},
    [IMPRESSION] = {NAMED("impression"), ITEM_ID | RECOMMENDATION_ID | EPOCH | POSITION, 0},
    [SEARCH] = {NAMED("search"), QUERY, 0},
    [CHAT] = {NAMED("chat"), TEXT_OF, 0},
    [FOLLOW] = {NAMED("follow"), FOLLOWED_USER_ID, 0},
    [UNFOLLOW] = {NAMED("unfollow"), FOLLOWED_USER_ID, 0},
    [REQUEST] = {NAMED("request"), 0, 0},
};

static bool is_text(struct text text, const char *name, size_t size) {
    return text.size == size && memcmp(text.at, name, size) == 0;
}

const struct field *field_named(struct text name) {
    for (int field = 0; field < FIELD_COUNT; field++)
        if (is_text(name, FIELDS[field].name, FIELDS[field].size))
            return &FIELDS[field];
    return NULL;
}

uint32_t field_bit(const struct field *field) {
    return 1U << (field - FIELDS);
}

bool kind_named(struct text name, enum kind *kind) {
    for (int each = 0; each < KINDS; each++)
        if (is_text(name, KIND_RULES[each].name, KIND_RULES[each].size)) {
            *kind = (enum kind)each;
            return true;
        }
    return false;
}

bool has_fields_of(enum kind kind, uint32_t seen, uint32_t nulls) {
    uint32_t needs = ALWAYS | KIND_RULES[kind].needs;
    uint32_t known = ANYWHERE | needs | KIND_RULES[kind].may_have;
    return (seen & needs) == needs && (seen & ~known) == 0 && (nulls & needs) == 0;
}
