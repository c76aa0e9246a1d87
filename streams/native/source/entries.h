/* Packed entries, of a history or of a map: streams/state/entries.py says by which rule they are
 * kept. Here they have some room behind them and before, so that the usual one, newer than all
 * others, is written without moving these.
 */
#ifndef TIDEMILL_ENTRIES_H
#define TIDEMILL_ENTRIES_H

#include <stddef.h>
#include <stdint.h>

enum { TIME_BYTES = 6, ID_BYTES = 8 };

struct entries {
    uint8_t *bytes;               /* may be NULL where there is no room */
    uint16_t first, count, room;  /* in entries */
};

enum { MOST_ENTRIES = 10000 }; /* far more than any limit, and room for them is counted in 16 bits */

enum change { NO_MEMORY = -1, UNCHANGED = 0, CHANGED = 1 };

enum change entries_insert(struct entries *entries, size_t width, uint16_t limit,
                           const uint8_t *entry);

/* Replaces all of them, by MOST_ENTRIES at the most. */
enum change entries_set(struct entries *entries, size_t width, const uint8_t *bytes,
                        uint16_t count);

static inline const uint8_t *entries_begin(const struct entries *entries, size_t width) {
    return entries->bytes == NULL ? NULL : entries->bytes + entries->first * width;
}

#endif
