#include "murmur2.h"

static const uint32_t SEED = 0x9747B28C, FACTOR = 0x5BD1E995;

/* Of up to four bytes, the first lowest. */
static uint32_t number_of(const uint8_t *input, size_t length) {
    uint32_t number = 0;
    for (size_t at = 0; at < length; at++)
        number |= (uint32_t)input[at] << 8 * at;
    return number;
}

uint32_t murmur2(const uint8_t *input, size_t length) {
    uint32_t hash = SEED ^ (uint32_t)length;
    size_t at = 0;
    for (; length - at >= 4; at += 4) {
        uint32_t word = number_of(input + at, 4) * FACTOR;
        hash = hash * FACTOR ^ (word ^ word >> 24) * FACTOR;
    }
    if (at < length)
        hash = (hash ^ number_of(input + at, length - at)) * FACTOR;
    hash = (hash ^ hash >> 13) * FACTOR;
    return hash ^ hash >> 15;
}
