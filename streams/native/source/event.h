/* A plain event: what the scanner makes of a record's JSON, and all that the fold needs of it. */
#ifndef TIDEMILL_EVENT_H
#define TIDEMILL_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In the order of schemas.events.KINDS. */
enum kind {
    VIEW, CLICK, CART, UNCART, HIDE, UNHIDE, PURCHASE, RATING,
    IMPRESSION, SEARCH, CHAT, FOLLOW, UNFOLLOW, REQUEST, KINDS
};

/* Part of the record's bytes; of a field that is absent, none. */
struct text {
    const char *at;
    size_t size;
};

struct event {
    enum kind kind;
    struct text event_id, user_id, surface;
    struct text about; /* an item's id, or that of the user who is followed */
    int64_t at_ms;
    int64_t quantity;     /* of a purchase */
    double value, scale;  /* of a rating */
};

/* Whether these bytes are a plain event: then msgspec reads the same out of them. They must be
 * followed by a NUL, as those of a Python object are, and live as long as the event. It says
 * nothing about anything else: that may be valid, too.
 */
bool scan_event(const char *json, size_t size, struct event *event);

#endif
