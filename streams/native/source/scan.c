/* Reads plain events: one JSON object of printable ASCII without escapes, of known fields, each
 * once and within its bounds (schemas.events has them). Whatever it is not sure of it leaves to
 * the decoder of schemas.codec, so it must never accept what that refuses, nor read it otherwise.
 */
#include "event.h"
#include "xxh3.h"

#include <string.h>

enum { NATURAL_DIGITS = 18, EXACT_DIGITS = 15 }; /* of 63 bits; of a double, without rounding */

enum type { TEXT, NATURAL, DECIMAL, KIND, CONTEXT };

struct field {
    const char *name;
    size_t size;
    enum type type;
    bool may_be_null;
    int64_t least, most; /* of a text: its size */
    int place;           /* in struct event, or NOWHERE */
};

enum { NOWHERE = -1, ANY_SIZE = 1 << 30 };

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

/* What a kind has besides; erase is not among them, for it is left to Python. */
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

/* Quotes are all that a string must be searched for then, and NUL ends whatever is read. */
static bool is_printable(const char *json, size_t size) {
    unsigned char odd = 0;
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)json[i];
        odd |= (byte < 0x20) | (byte > 0x7f) | (byte == '\\');
    }
    return !odd;
}

static const char *after_spaces(const char *at) {
    while (*at == ' ')
        at++;
    return at;
}

/* The scanners below give where they stopped, NULL for what is not plain. */

static const char *scan_text(const char *at, const char *end, struct text *text) {
    if (*at != '"')
        return NULL;
    const char *quote = memchr(at + 1, '"', (size_t)(end - at - 1));
    if (quote == NULL)
        return NULL;
    *text = (struct text){at + 1, (size_t)(quote - at - 1)};
    return quote + 1;
}

static bool is_digit(char byte) {
    return byte >= '0' && byte <= '9';
}

static const char *scan_natural(const char *at, int digits, int64_t *number) {
    const char *begin = at;
    for (*number = 0; is_digit(*at) && at - begin < digits; at++)
        *number = *number * 10 + (*at - '0');
    bool has_zero_ahead = *begin == '0' && at - begin > 1;
    return at == begin || has_zero_ahead || is_digit(*at) ? NULL : at;
}

/* Numerator and denominator are exact, so their quotient is the double nearest to what is written.
 */
static const char *scan_decimal(const char *at, double *number) {
    int64_t whole, digits = 0;
    const char *begin = at;
    if ((at = scan_natural(at, EXACT_DIGITS, &whole)) == NULL)
        return NULL;
    double tens = 1;
    if (*at == '.') {
        for (at++; is_digit(*at); at++, digits++) {
            if (at - begin > EXACT_DIGITS)
                return NULL;
            whole = whole * 10 + (*at - '0');
            tens *= 10;
        }
        if (digits == 0)
            return NULL;
    }
    *number = (double)whole / tens;
    return at;
}

static const char *scan_null(const char *at) {
    return strncmp(at, "null", 4) == 0 ? at + 4 : NULL;
}

static bool is_text(struct text text, const char *name, size_t size) {
    return text.size == size && memcmp(text.at, name, size) == 0;
}

static const char *scan_context(const char *at, const char *end) {
    bool has_locale = false, has_device = false;
    struct text name, value;
    if (*at != '{')
        return NULL;
    at = after_spaces(at + 1);
    if (*at == '}')
        return at + 1;
    for (;;) {
        if ((at = scan_text(at, end, &name)) == NULL || *(at = after_spaces(at)) != ':')
            return NULL;
        bool *has = is_text(name, NAMED("locale"))   ? &has_locale
                    : is_text(name, NAMED("device")) ? &has_device
                                                     : NULL;
        if (has == NULL || *has)
            return NULL;
        *has = true;
        at = after_spaces(at + 1);
        at = *at == 'n' ? scan_null(at) : scan_text(at, end, &value);
        if (at == NULL)
            return NULL;
        at = after_spaces(at);
        if (*at == '}')
            return at + 1;
        if (*at != ',')
            return NULL;
        at = after_spaces(at + 1);
    }
}

static const char *scan_kind(const char *at, const char *end, enum kind *kind) {
    struct text name;
    if ((at = scan_text(at, end, &name)) == NULL)
        return NULL;
    for (int each = 0; each < KINDS; each++)
        if (is_text(name, KIND_RULES[each].name, KIND_RULES[each].size)) {
            *kind = (enum kind)each;
            return at;
        }
    return NULL;
}

static bool is_within(const struct field *field, int64_t number) {
    return number >= field->least && number <= field->most;
}

static const char *scan_value(const char *at, const char *end, const struct field *field,
                              struct event *event) {
    union {
        struct text text;
        int64_t natural;
        double decimal;
    } nowhere;
    void *value = field->place == NOWHERE ? (void *)&nowhere : (char *)event + field->place;
    switch (field->type) {
    case TEXT:
        at = scan_text(at, end, value);
        return at && is_within(field, (int64_t)((struct text *)value)->size) ? at : NULL;
    case NATURAL:
        at = scan_natural(at, NATURAL_DIGITS, value);
        return at && is_within(field, *(int64_t *)value) ? at : NULL;
    case DECIMAL:
        return scan_decimal(at, value);
    case KIND:
        return scan_kind(at, end, value);
    case CONTEXT:
        return scan_context(at, end);
    }
    return NULL;
}

static int field_named(struct text name) {
    for (int field = 0; field < FIELD_COUNT; field++)
        if (is_text(name, FIELDS[field].name, FIELDS[field].size))
            return field;
    return -1;
}

static bool is_whole(const struct event *event, uint32_t seen, uint32_t nulls) {
    if ((seen & ALWAYS) != ALWAYS)
        return false;
    uint32_t needs = KIND_RULES[event->kind].needs;
    uint32_t known = ALWAYS | ANYWHERE | needs | KIND_RULES[event->kind].may_have;
    return (seen & needs) == needs && (seen & ~known) == 0 && (nulls & needs) == 0 &&
           (!(seen & SCALE) || event->scale > 0);
}

bool scan_event(const char *json, size_t size, struct event *event) {
    const char *at = after_spaces(json), *end = json + size;
    uint32_t seen = 0, nulls = 0;
    *event = (struct event){.quantity = 1, .scale = 5.0};
    if (!is_printable(json, size) || *at != '{')
        return false;
    do {
        struct text name;
        at = scan_text(after_spaces(at + 1), end, &name);
        if (at == NULL || *(at = after_spaces(at)) != ':')
            return false;
        int field = field_named(name);
        if (field < 0 || seen & 1U << field)
            return false;
        seen |= 1U << field;
        at = after_spaces(at + 1);
        if (*at == 'n' && FIELDS[field].may_be_null) {
            at = scan_null(at);
            nulls |= 1U << field;
        } else {
            at = scan_value(at, end, &FIELDS[field], event);
        }
        if (at == NULL)
            return false;
        at = after_spaces(at);
    } while (*at == ',');
    return *at == '}' && after_spaces(at + 1) == end && is_whole(event, seen, nulls);
}
