#include "recent.h"

#include <stdlib.h>

enum { SMALLEST = 64 };

uint64_t recent_key(uint64_t user, uint64_t event, uint64_t surface) {
    unsigned __int128 product = (unsigned __int128)(user ^ 0x9E3779B97F4A7C15U) * (event | 1);
    uint64_t mixed = (uint64_t)product ^ (uint64_t)(product >> 64) ^ event;
    mixed = (mixed ^ surface) * 0xD6E8FEB86659FD93U;
    return mixed ^ mixed >> 32;
}

/* The slot of this key, or the free one where it belongs. The table must have a free one. */
static struct recent_slot *slot_of(const struct recent_table *table, uint64_t key) {
    size_t at = key & (table->size - 1);
    while (table->slots[at].time_ms != 0 && table->slots[at].key != key)
        at = (at + 1) & (table->size - 1);
    return &table->slots[at];
}

static int64_t time_of(const struct recent_table *table, uint64_t key) {
    return table->size == 0 ? 0 : slot_of(table, key)->time_ms;
}

/* At most three of four slots are taken. */
static bool make_room(struct recent_table *table) {
    if ((table->count + 1) * 4 <= table->size * 3)
        return true;
    struct recent_table larger = {.size = table->size == 0 ? SMALLEST : table->size * 2,
                                  .count = table->count};
    larger.slots = calloc(larger.size, sizeof *larger.slots);
    if (larger.slots == NULL)
        return false;
    for (size_t at = 0; at < table->size; at++)
        if (table->slots[at].time_ms != 0)
            *slot_of(&larger, table->slots[at].key) = table->slots[at];
    free(table->slots);
    *table = larger;
    return true;
}

static void begin_window(struct recent *recent, int64_t appended_at_ms) {
    free(recent->old.slots);
    recent->old = (struct recent_table){0};
    if (appended_at_ms <= recent->until_ms + WINDOW_MS)
        recent->old = recent->young;
    else
        free(recent->young.slots);
    recent->young = (struct recent_table){0};
    recent->until_ms = appended_at_ms + WINDOW_MS;
}

bool recent_knows(const struct recent *recent, uint64_t key, int64_t appended_at_ms) {
    int64_t before_ms = time_of(&recent->young, key);
    if (before_ms == 0)
        before_ms = time_of(&recent->old, key);
    return before_ms != 0 && appended_at_ms - before_ms <= WINDOW_MS;
}

int recent_add(struct recent *recent, uint64_t key, int64_t appended_at_ms) {
    if (appended_at_ms > recent->until_ms)
        begin_window(recent, appended_at_ms);
    if (recent_knows(recent, key, appended_at_ms))
        return 0;
    if (appended_at_ms == 0)
        return 1; /* as good as never */
    if (!make_room(&recent->young))
        return -1;
    struct recent_slot *slot = slot_of(&recent->young, key);
    if (slot->time_ms == 0)
        recent->young.count++;
    *slot = (struct recent_slot){key, appended_at_ms};
    return 1;
}

void recent_clear(struct recent *recent) {
    free(recent->young.slots);
    free(recent->old.slots);
    *recent = (struct recent){{0}, {0}, 0};
}
