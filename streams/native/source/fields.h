/* The fields and kinds of an event, as schemas.events declares them. */
#ifndef TIDEMILL_FIELDS_H
#define TIDEMILL_FIELDS_H

#include "event.h"

/* Of the declared events by which this was written, as streams/native/__init__.py computes it. */
#define EVENTS_DIGEST "0bda6ef0afc3e088"

enum type { TEXT, NATURAL, DECIMAL, KIND, CONTEXT };

enum { NOWHERE = -1 };

struct field {
    const char *name;
    size_t size;
    enum type type;
    bool may_be_null;
    int64_t least, most; /* of a text: its size */
    int place;           /* in struct event, or NOWHERE */
};

/* NULL for one that is not known. */
const struct field *field_named(struct text name);

/* A bit of its own for each field. */
uint32_t field_bit(const struct field *field);

/* Whether there is such a kind; erase is not among them, for it is left to Python. */
bool kind_named(struct text name, enum kind *kind);

/* Whether these are the fields of an event of this kind: `seen` those that are there, `nulls` those
 * of them that are null.
 */
bool has_fields_of(enum kind kind, uint32_t seen, uint32_t nulls);

#endif
