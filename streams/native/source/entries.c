#include "entries.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    SPARE = 2,  /* places of a full one that save moving all others with each new entry */
    GROWTH = 4, /* and at least so many for one that grows */
};

static uint8_t *place(const struct entries *entries, size_t width, uint32_t number) {
    return entries->bytes + (entries->first + number) * width;
}

/* From the back, for what repeats is recent. */
static int64_t place_of_id(const struct entries *entries, size_t width, const uint8_t *id) {
    uint64_t wanted, found;
    memcpy(&wanted, id, ID_BYTES);
    for (int64_t number = (int64_t)entries->count - 1; number >= 0; number--) {
        memcpy(&found, place(entries, width, (uint32_t)number) + TIME_BYTES, ID_BYTES);
        if (found == wanted)
            return number;
    }
    return -1;
}

static void drop(struct entries *entries, size_t width, uint32_t number) {
    uint8_t *gone = place(entries, width, number);
    memmove(gone, gone + width, (entries->count - number - 1) * width);
    entries->count--;
}

/* How many of them are not larger. */
static uint32_t rank(const struct entries *entries, size_t width, const uint8_t *entry) {
    uint32_t low = 0, high = entries->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (memcmp(place(entries, width, middle), entry, width) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Room for one more behind the last. */
static bool make_room(struct entries *entries, size_t width, uint16_t limit) {
    if (entries->first + entries->count < entries->room)
        return true;
    if (entries->first > 0) {
        memmove(entries->bytes, entries_begin(entries, width), entries->count * width);
        entries->first = 0;
        return true;
    }
    uint16_t room = (uint16_t)(entries->count + entries->count / 2 + GROWTH);
    if (entries->count <= limit && room > limit + SPARE)
        room = (uint16_t)(limit + SPARE);
    uint8_t *bytes = realloc(entries->bytes, room * width);
    if (bytes == NULL)
        return false;
    entries->bytes = bytes;
    entries->room = room;
    return true;
}

static void trim(struct entries *entries, uint16_t limit) {
    if (entries->count > limit) {
        entries->first = (uint16_t)(entries->first + entries->count - limit);
        entries->count = limit;
    }
}

enum change entries_insert(struct entries *entries, size_t width, uint16_t limit,
                           const uint8_t *entry) {
    int64_t copy = place_of_id(entries, width, entry + TIME_BYTES);
    if (copy >= 0) {
        if (memcmp(entry, place(entries, width, (uint32_t)copy), width) <= 0)
            return UNCHANGED;
        drop(entries, width, (uint32_t)copy);
    }
    uint32_t larger = rank(entries, width, entry);
    if (larger == 0 && entries->count == limit)
        return UNCHANGED;
    if (!make_room(entries, width, limit))
        return NO_MEMORY;
    uint8_t *at = place(entries, width, larger);
    memmove(at + width, at, (entries->count - larger) * width);
    memcpy(at, entry, width);
    entries->count++;
    trim(entries, limit);
    return CHANGED;
}

enum change entries_set(struct entries *entries, size_t width, const uint8_t *bytes,
                        uint16_t count) {
    if (count > entries->room) {
        uint8_t *larger = realloc(entries->bytes, count * width);
        if (larger == NULL)
            return NO_MEMORY;
        entries->bytes = larger;
        entries->room = count;
    }
    if (count > 0)
        memcpy(entries->bytes, bytes, count * width);
    entries->first = 0;
    entries->count = count;
    return CHANGED;
}
