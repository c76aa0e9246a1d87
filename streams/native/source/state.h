/* The state of a user as it is held here: what schemas.state.UserState holds, to be changed in
 * place. `state_fold` is streams.state.fold.fold for plain events, to the byte.
 */
#ifndef TIDEMILL_STATE_H
#define TIDEMILL_STATE_H

#include "entries.h"
#include "event.h"

/* Of schemas.state and streams.state.fold, which Python compares before it uses any of this. */
enum {
    FORMAT = 1,
    BOUNDS_VERSION = 1,
    FOLD_VERSION = 1,
    HISTORY_LIMIT = 50,
    MAPS = 5,
    INTERACTION_BYTES = 25,
    MARK_BYTES = 15,
    FAST_CLOCK_MS = 5 * 60000,
};
extern const uint16_t MAP_LIMITS[MAPS];

struct maps {
    struct entries of[MAPS]; /* bought, seen, hidden, cart, followed */
};

struct state {
    int64_t erased_to_ms, newest_appended_ms;
    struct entries history;
    struct maps *maps; /* NULL while there are no marks: most users have none */
};

/* Whether events of this kind change a state at all. */
bool leaves_a_trace(enum kind kind);

/* The event's times must have passed the bounds of schemas.codec. `event_hash` is that of its id.
 */
enum change state_fold(struct state *state, const struct event *event, uint64_t event_hash,
                       int64_t appended_at_ms);

/* The entries of a map, made if there are none; NULL without memory. */
struct entries *state_map(struct state *state, int map);

void state_free(struct state *state);

#endif
