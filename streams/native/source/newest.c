#include "newest.h"

#include <stdlib.h>
#include <string.h>

enum { SMALLEST = 64 };

static bool is_same_place(const struct ask *one, const struct ask *other) {
    return one->user == other->user && one->surface.size == other->surface.size &&
           memcmp(one->surface.at, other->surface.at, one->surface.size) == 0;
}

static bool is_newer(const struct ask *one, const struct ask *other) {
    if (one->appended_at_ms != other->appended_at_ms)
        return one->appended_at_ms > other->appended_at_ms;
    struct text mine = one->event_id, its = other->event_id;
    int order = memcmp(mine.at, its.at, mine.size < its.size ? mine.size : its.size);
    return order > 0 || (order == 0 && mine.size > its.size);
}

/* The place of this ask, or the free one where it belongs. */
static uint32_t *place_of(const struct newest *newest, const struct ask *ask) {
    size_t at = ask->place_hash & (newest->size - 1);
    while (newest->places[at] != 0 &&
           !is_same_place(&newest->asks[newest->places[at] - 1], ask))
        at = (at + 1) & (newest->size - 1);
    return &newest->places[at];
}

/* At most one of two places is taken. */
static bool make_room_for_places(struct newest *newest) {
    if ((newest->count + 1) * 2 <= newest->size)
        return true;
    size_t size = newest->size == 0 ? SMALLEST * 2 : newest->size * 2;
    uint32_t *places = calloc(size, sizeof *places);
    if (places == NULL)
        return false;
    free(newest->places);
    newest->places = places;
    newest->size = size;
    for (size_t number = 0; number < newest->count; number++)
        *place_of(newest, &newest->asks[number]) = (uint32_t)number + 1;
    return true;
}

static bool make_room(struct newest *newest) {
    if (newest->count < newest->room)
        return true;
    size_t room = newest->room == 0 ? SMALLEST : newest->room * 2;
    struct ask *asks = realloc(newest->asks, room * sizeof *asks);
    if (asks == NULL)
        return false;
    newest->asks = asks;
    newest->room = room;
    return true;
}

/* The same part of another copy of the value; what lies outside of it stays where it is. */
static struct text moved(struct text text, const struct ask *from, const char *to) {
    bool is_inside = text.at >= from->value && text.at < from->value + from->size;
    return is_inside ? (struct text){to + (text.at - from->value), text.size} : text;
}

/* Into `kept`, whose memory is used again. */
static bool copy(struct ask *kept, const struct ask *ask) {
    char *value = kept->value;
    size_t room = kept->room;
    if (ask->size > room) {
        room = ask->size;
        if ((value = realloc(kept->value, room)) == NULL)
            return false;
    }
    memcpy(value, ask->value, ask->size);
    PyObject *source = kept->source;
    *kept = *ask;
    kept->value = value;
    kept->room = room;
    kept->surface = moved(ask->surface, ask, value);
    kept->event_id = moved(ask->event_id, ask, value);
    Py_INCREF(kept->source);
    Py_XDECREF(source); /* at most a function ends here, which runs no code */
    return true;
}

bool newest_put(struct newest *newest, const struct ask *ask) {
    if (!make_room(newest) || (!newest->keeps_each && !make_room_for_places(newest)))
        return false;
    uint32_t *place = newest->keeps_each ? NULL : place_of(newest, ask);
    if (place != NULL && *place != 0) {
        struct ask *known = &newest->asks[*place - 1];
        return !is_newer(ask, known) || copy(known, ask);
    }
    newest->asks[newest->count] = (struct ask){0};
    if (!copy(&newest->asks[newest->count], ask))
        return false;
    newest->count++;
    if (place != NULL)
        *place = (uint32_t)newest->count;
    return true;
}

void newest_clear(struct newest *newest) {
    struct newest before = *newest;
    *newest = (struct newest){.keeps_each = before.keeps_each};
    for (size_t number = 0; number < before.count; number++) {
        Py_DECREF(before.asks[number].source);
        free(before.asks[number].value);
    }
    free(before.asks);
    free(before.places);
}
