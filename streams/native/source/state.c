#include "state.h"
#include "xxh3.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum map { BOUGHT, SEEN, HIDDEN, CART_MAP, FOLLOWED, NO_MAP };
const uint16_t MAP_LIMITS[MAPS] = {200, 500, 200, 100, 500};

static const int64_t MAX_VALUE = 65535;

struct mark {
    enum map map;
    uint8_t flag;
};

/* What a kind does with its key: whether it enters the history (its code there is its place among
 * the kinds, from 1), and what it marks.
 */
static const struct {
    bool enters_history;
    struct mark marks[2];
} RULES[KINDS] = {
    [VIEW] = {true, {{NO_MAP, 0}, {NO_MAP, 0}}},
    [CLICK] = {true, {{NO_MAP, 0}, {NO_MAP, 0}}},
    [CART] = {true, {{CART_MAP, 1}, {NO_MAP, 0}}},
    [UNCART] = {true, {{CART_MAP, 0}, {NO_MAP, 0}}},
    [HIDE] = {true, {{HIDDEN, 1}, {NO_MAP, 0}}},
    [UNHIDE] = {true, {{HIDDEN, 0}, {NO_MAP, 0}}},
    [PURCHASE] = {true, {{BOUGHT, 1}, {CART_MAP, 0}}},
    [RATING] = {true, {{NO_MAP, 0}, {NO_MAP, 0}}},
    [IMPRESSION] = {false, {{SEEN, 1}, {NO_MAP, 0}}},
    [SEARCH] = {false, {{NO_MAP, 0}, {NO_MAP, 0}}},
    [CHAT] = {false, {{NO_MAP, 0}, {NO_MAP, 0}}},
    [FOLLOW] = {false, {{FOLLOWED, 1}, {NO_MAP, 0}}},
    [UNFOLLOW] = {false, {{FOLLOWED, 0}, {NO_MAP, 0}}},
    [REQUEST] = {false, {{NO_MAP, 0}, {NO_MAP, 0}}},
};

bool leaves_a_trace(enum kind kind) {
    return RULES[kind].enters_history || RULES[kind].marks[0].map != NO_MAP;
}

static int64_t value_of(const struct event *event) {
    if (event->kind == PURCHASE)
        return event->quantity < MAX_VALUE ? event->quantity : MAX_VALUE;
    if (event->kind == RATING) /* rint rounds halves to even numbers, as Python does */
        return (int64_t)rint(fmin(1.0, event->value / event->scale) * (double)MAX_VALUE);
    return 0;
}

/* Its lowest `size` bytes, the highest of these first. */
static uint8_t *write_number(uint8_t *at, uint64_t number, int size) {
    for (int byte = size - 1; byte >= 0; byte--)
        *at++ = (uint8_t)(number >> 8 * byte);
    return at;
}

static uint64_t hash_of(const struct event *event) {
    uint64_t hash = xxh3((const uint8_t *)event->about.at, event->about.size, 0);
    bool is_of_user = event->kind == FOLLOW || event->kind == UNFOLLOW;
    return hash == 0 && !is_of_user ? 1 : hash; /* 0 stands for no item */
}

struct entries *state_map(struct state *state, int map) {
    if (state->maps == NULL)
        state->maps = calloc(1, sizeof *state->maps);
    return state->maps == NULL ? NULL : &state->maps->of[map];
}

static enum change insert_mark(struct state *state, struct mark mark, int64_t time_ms,
                               uint64_t key) {
    uint8_t entry[MARK_BYTES];
    struct entries *entries = state_map(state, mark.map);
    if (entries == NULL)
        return NO_MEMORY;
    uint8_t *at = write_number(entry, (uint64_t)time_ms, TIME_BYTES);
    at = write_number(at, key, ID_BYTES);
    *at = mark.flag;
    return entries_insert(entries, MARK_BYTES, MAP_LIMITS[mark.map], entry);
}

static enum change insert_interaction(struct state *state, const struct event *event,
                                      int64_t time_ms, uint64_t event_hash, uint64_t key) {
    uint8_t entry[INTERACTION_BYTES];
    uint8_t *at = write_number(entry, (uint64_t)time_ms, TIME_BYTES);
    at = write_number(at, event_hash, ID_BYTES);
    at = write_number(at, (uint64_t)event->kind + 1, 1);
    at = write_number(at, (uint64_t)value_of(event), 2);
    write_number(at, key, 8);
    return entries_insert(&state->history, INTERACTION_BYTES, HISTORY_LIMIT, entry);
}

static enum change insert_all(struct state *state, const struct event *event, int64_t time_ms,
                              uint64_t event_hash) {
    uint64_t key = hash_of(event);
    enum change change = UNCHANGED;
    if (RULES[event->kind].enters_history) {
        change = insert_interaction(state, event, time_ms, event_hash, key);
        if (change == NO_MEMORY)
            return NO_MEMORY;
    }
    for (int number = 0; number < 2; number++) {
        struct mark mark = RULES[event->kind].marks[number];
        if (mark.map == NO_MAP)
            break;
        enum change marked = insert_mark(state, mark, time_ms, key);
        if (marked == NO_MEMORY)
            return NO_MEMORY;
        if (marked == CHANGED)
            change = CHANGED;
    }
    return change;
}

enum change state_fold(struct state *state, const struct event *event, uint64_t event_hash,
                       int64_t appended_at_ms) {
    if (!leaves_a_trace(event->kind))
        return UNCHANGED;
    int64_t latest_ms = appended_at_ms + FAST_CLOCK_MS;
    int64_t time_ms = event->at_ms < latest_ms ? event->at_ms : latest_ms;
    enum change change = UNCHANGED;
    if (time_ms > state->erased_to_ms)
        change = insert_all(state, event, time_ms, event_hash);
    if (change != NO_MEMORY && appended_at_ms > state->newest_appended_ms) {
        state->newest_appended_ms = appended_at_ms;
        change = CHANGED;
    }
    return change;
}

void state_free(struct state *state) {
    free(state->history.bytes);
    for (int map = 0; state->maps != NULL && map < MAPS; map++)
        free(state->maps->of[map].bytes);
    free(state->maps);
}
