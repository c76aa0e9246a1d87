/* The hot users of one partition: a table by the hash of their ids, two generations, and who was
 * changed since Python asked last. When to grow old, to spill and to flush is decided in
 * streams/state/users.py; this only holds.
 */
#ifndef TIDEMILL_HOT_H
#define TIDEMILL_HOT_H

#include "state.h"

struct user {
    uint64_t serial; /* of no other user that ever was in the table */
    struct state state;
    bool is_young;
    bool is_marked; /* changed since it was flushed */
    bool is_told;   /* and Python knows */
    uint32_t id_size;
    char id[]; /* UTF-8 */
};

struct hot_slot {
    uint64_t hash;
    struct user *user; /* NULL: the slot is free */
};

struct hot {
    struct hot_slot *slots;
    size_t size; /* a power of two, or 0 */
    size_t count, young;
    uint64_t seed, next_serial;
    struct user **marked; /* in the order of their changes; some are marked no more */
    size_t marked_count, marked_room;
    size_t untold; /* who are marked, and Python does not know */
};

uint64_t hot_hash(const struct hot *hot, const char *id, size_t size);

/* NULL: not hot. */
struct user *hot_find(const struct hot *hot, uint64_t hash, const char *id, size_t size);

/* A new user with the empty state, young; there must be none with this id. NULL without memory. */
struct user *hot_add(struct hot *hot, uint64_t hash, const char *id, size_t size);

void hot_touch(struct hot *hot, struct user *user);

/* Whether there is memory for one more that is marked: ask before the change. */
bool hot_may_mark(struct hot *hot);
void hot_mark(struct hot *hot, struct user *user);
void hot_unmark(struct hot *hot, struct user *user);

/* The old are let go and the young grow old. Nobody may be untold. False without memory, and then
 * nothing has changed.
 */
bool hot_age(struct hot *hot);

void hot_clear(struct hot *hot);

/* First the slot, later the user in it: what was asked for early need not be waited for. */
static inline void hot_prefetch(const struct hot *hot, uint64_t hash) {
    if (hot->size > 0)
        __builtin_prefetch(&hot->slots[hash & (hot->size - 1)]);
}

static inline void hot_prefetch_user(const struct hot *hot, uint64_t hash) {
    if (hot->size > 0)
        __builtin_prefetch(hot->slots[hash & (hot->size - 1)].user);
}

#endif
