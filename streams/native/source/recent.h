/* Which asks were answered a moment ago: streams/stages/recent.py says by which rule. Two tables,
 * the asks of the window that runs and of the one before.
 */
#ifndef TIDEMILL_RECENT_H
#define TIDEMILL_RECENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WINDOW_MS = 120000 };

struct recent_slot {
    uint64_t key;
    int64_t time_ms; /* 0: the slot is free */
};

struct recent_table {
    struct recent_slot *slots;
    size_t size, count; /* size: a power of two, or 0 */
};

struct recent {
    struct recent_table young, old;
    int64_t until_ms;
};

/* What stands for an ask; `user` is a hash with a seed, so that nobody can choose what collides. */
uint64_t recent_key(uint64_t user, uint64_t event, uint64_t surface);

bool recent_knows(const struct recent *recent, uint64_t key, int64_t appended_at_ms);

/* 1: added; 0: it is known; -1 without memory. */
int recent_add(struct recent *recent, uint64_t key, int64_t appended_at_ms);

void recent_clear(struct recent *recent);

static inline void recent_prefetch(const struct recent *recent, uint64_t key) {
    if (recent->young.size > 0)
        __builtin_prefetch(&recent->young.slots[key & (recent->young.size - 1)]);
    if (recent->old.size > 0)
        __builtin_prefetch(&recent->old.slots[key & (recent->old.size - 1)]);
}

#endif
