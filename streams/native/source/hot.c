#include "hot.h"
#include "xxh3.h"

#include <stdlib.h>
#include <string.h>

enum { SMALLEST = 64 };

uint64_t hot_hash(const struct hot *hot, const char *id, size_t size) {
    size_t hashed = size < XXH3_LONGEST ? size : XXH3_LONGEST; /* longer ones are not in events */
    return xxh3((const uint8_t *)id, hashed, hot->seed);
}

struct user *hot_find(const struct hot *hot, uint64_t hash, const char *id, size_t size) {
    if (hot->size == 0)
        return NULL;
    for (size_t at = hash & (hot->size - 1);; at = (at + 1) & (hot->size - 1)) {
        struct user *user = hot->slots[at].user;
        if (user == NULL)
            return NULL;
        if (hot->slots[at].hash == hash && user->id_size == size &&
            memcmp(user->id, id, size) == 0)
            return user;
    }
}

static void place(struct hot_slot *slots, size_t size, struct hot_slot placed) {
    size_t at = placed.hash & (size - 1);
    while (slots[at].user != NULL)
        at = (at + 1) & (size - 1);
    slots[at] = placed;
}

/* At most seven of eight slots are taken: four lie in one cache line, so looking further is cheap. */
static bool make_room(struct hot *hot) {
    if ((hot->count + 1) * 8 <= hot->size * 7)
        return true;
    size_t size = hot->size == 0 ? SMALLEST : hot->size * 2;
    struct hot_slot *slots = calloc(size, sizeof *slots);
    if (slots == NULL)
        return false;
    for (size_t at = 0; at < hot->size; at++)
        if (hot->slots[at].user != NULL)
            place(slots, size, hot->slots[at]);
    free(hot->slots);
    hot->slots = slots;
    hot->size = size;
    return true;
}

struct user *hot_add(struct hot *hot, uint64_t hash, const char *id, size_t size) {
    struct user *user = NULL;
    if (size <= UINT32_MAX && make_room(hot))
        user = calloc(1, sizeof *user + size);
    if (user == NULL)
        return NULL;
    user->serial = hot->next_serial++;
    user->is_young = true;
    user->id_size = (uint32_t)size;
    memcpy(user->id, id, size);
    place(hot->slots, hot->size, (struct hot_slot){hash, user});
    hot->count++;
    hot->young++;
    return user;
}

void hot_touch(struct hot *hot, struct user *user) {
    if (!user->is_young) {
        user->is_young = true;
        hot->young++;
    }
}

bool hot_may_mark(struct hot *hot) {
    if (hot->marked_count < hot->marked_room)
        return true;
    size_t room = hot->marked_room == 0 ? SMALLEST : hot->marked_room * 2;
    struct user **marked = realloc(hot->marked, room * sizeof *marked);
    if (marked == NULL)
        return false;
    hot->marked = marked;
    hot->marked_room = room;
    return true;
}

void hot_mark(struct hot *hot, struct user *user) {
    if (!user->is_marked) {
        user->is_marked = true;
        user->is_told = false;
        hot->marked[hot->marked_count++] = user;
        hot->untold++;
    }
}

void hot_unmark(struct hot *hot, struct user *user) {
    if (user->is_marked) {
        user->is_marked = false;
        hot->untold -= !user->is_told;
    }
}

static void user_free(struct user *user) {
    state_free(&user->state);
    free(user);
}

bool hot_age(struct hot *hot) {
    size_t size = SMALLEST;
    while (hot->young * 8 > size * 7)
        size *= 2;
    struct hot_slot *slots = calloc(size, sizeof *slots);
    if (slots == NULL)
        return false;
    for (size_t at = 0; at < hot->size; at++) {
        struct user *user = hot->slots[at].user;
        if (user != NULL && user->is_young) {
            user->is_young = false;
            place(slots, size, hot->slots[at]);
        } else if (user != NULL) {
            user_free(user);
        }
    }
    free(hot->slots);
    hot->slots = slots;
    hot->size = size;
    hot->count = hot->young;
    hot->young = 0;
    hot->marked_count = 0; /* nobody is marked, but some of the names were not taken off */
    return true;
}

void hot_clear(struct hot *hot) {
    for (size_t at = 0; at < hot->size; at++)
        if (hot->slots[at].user != NULL)
            user_free(hot->slots[at].user);
    free(hot->slots);
    free(hot->marked);
    *hot = (struct hot){.seed = hot->seed};
}
