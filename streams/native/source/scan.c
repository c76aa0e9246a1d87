/* Reads plain events: one JSON object of printable ASCII without escapes, of known fields, each
 * once and within its bounds (schemas.events has them). Whatever it is not sure of it leaves to
 * the decoder of schemas.codec, so it must never accept what that refuses, nor read it otherwise.
 */
#include "fields.h"

#include <string.h>

enum { NATURAL_DIGITS = 18, EXACT_DIGITS = 15 }; /* of 63 bits; of a double, without rounding */

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

static bool is(struct text text, const char *name) {
    return text.size == strlen(name) && memcmp(text.at, name, text.size) == 0;
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
        bool *has = is(name, "locale") ? &has_locale : is(name, "device") ? &has_device : NULL;
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
        at = scan_text(at, end, &nowhere.text);
        return at && kind_named(nowhere.text, value) ? at : NULL;
    case CONTEXT:
        return scan_context(at, end);
    }
    return NULL;
}

bool scan_event(const char *json, size_t size, struct event *event) {
    const char *at = after_spaces(json), *end = json + size;
    uint32_t seen = 0, nulls = 0;
    *event = (struct event){.kind = KINDS, .quantity = 1, .scale = 5.0};
    if (!is_printable(json, size) || *at != '{')
        return false;
    do {
        struct text name;
        at = scan_text(after_spaces(at + 1), end, &name);
        if (at == NULL || *(at = after_spaces(at)) != ':')
            return false;
        const struct field *field = field_named(name);
        if (field == NULL || seen & field_bit(field))
            return false;
        seen |= field_bit(field);
        at = after_spaces(at + 1);
        if (*at == 'n' && field->may_be_null) {
            at = scan_null(at);
            nulls |= field_bit(field);
        } else {
            at = scan_value(at, end, field, event);
        }
        if (at == NULL)
            return false;
        at = after_spaces(at);
    } while (*at == ',');
    return *at == '}' && after_spaces(at + 1) == end && event->kind < KINDS &&
           has_fields_of(event->kind, seen, nulls) && event->scale > 0;
}
