/* The newest ask of each place (user, surface) among the plain records of a batch, by (append
 * time, event id). Held is a copy of the record's value, of which Python makes an Ask when the
 * batch is read: a record that were held itself would be freed when it has long left the
 * processor's cache, which costs more than copying it while it is there.
 */
#ifndef TIDEMILL_NEWEST_H
#define TIDEMILL_NEWEST_H

#include <Python.h>

#include "event.h"

struct ask {
    uint64_t place_hash;
    uint64_t user; /* a serial number: whoever was let go and came back counts as another */
    int64_t appended_at_ms, offset;
    PyObject *source; /* what Python said of the run, held */
    char *value;      /* a copy, in which the texts lie */
    size_t size, room;
    struct text surface, event_id;
};

struct newest {
    struct ask *asks;
    size_t count, room;
    uint32_t *places; /* by hash: a number of `asks` from 1, 0 where there is none */
    size_t size;      /* of places: a power of two, or 0 */
    bool keeps_each;  /* whether every ask counts as its own place */
};

/* Copies what `ask` says and its value. False without memory. */
bool newest_put(struct newest *newest, const struct ask *ask);

void newest_clear(struct newest *newest);

static inline uint64_t newest_hash(uint64_t user, uint64_t surface_hash) {
    uint64_t mixed = (user * 0x9E3779B97F4A7C15U) ^ surface_hash;
    return mixed ^ mixed >> 32;
}

/* First the place, later the ask that may be there. */
static inline void newest_prefetch(const struct newest *newest, uint64_t place_hash) {
    if (newest->size > 0)
        __builtin_prefetch(&newest->places[place_hash & (newest->size - 1)]);
}

static inline void newest_prefetch_ask(const struct newest *newest, uint64_t place_hash) {
    uint32_t number = newest->size > 0 ? newest->places[place_hash & (newest->size - 1)] : 0;
    if (number > 0)
        __builtin_prefetch(&newest->asks[number - 1]);
}

#endif
