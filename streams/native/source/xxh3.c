#include "xxh3.h"

#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the hash reads its input as little-endian numbers"
#endif

static const uint64_t PRIME_1 = 0x9E3779B185EBCA87U;
static const uint64_t PRIME_2 = 0xC2B2AE3D27D4EB4FU;
static const uint64_t PRIME_3 = 0x165667B19E3779F9U;

/* The specification's default secret. */
static const uint8_t SECRET[192] = {
    0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad, 0x1c,
    0xde, 0xd4, 0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f,
    0xcb, 0x79, 0xe6, 0x4e, 0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21,
    0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43, 0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6, 0x81, 0x3a, 0x26, 0x4c,
    0x3c, 0x28, 0x52, 0xbb, 0x91, 0xc3, 0x00, 0xcb, 0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3,
    0x71, 0x64, 0x48, 0x97, 0xa2, 0x0d, 0xf9, 0x4e, 0x38, 0x19, 0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8,
    0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c, 0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7, 0xc7, 0x0b, 0x4f, 0x1d,
    0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59, 0x31, 0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78, 0x73, 0x64,
    0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb, 0xc3, 0xc5, 0x81, 0xa0, 0xff, 0xfa, 0x13, 0x63, 0xeb,
    0x17, 0x0d, 0xdd, 0x51, 0xb7, 0xf0, 0xda, 0x49, 0xd3, 0x16, 0x55, 0x26, 0x29, 0xd4, 0x68, 0x9e,
    0x2b, 0x16, 0xbe, 0x58, 0x7d, 0x47, 0xa1, 0xfc, 0x8f, 0xf8, 0xb8, 0xd1, 0x7a, 0xd0, 0x31, 0xce,
    0x45, 0xcb, 0x3a, 0x8f, 0x95, 0x16, 0x04, 0x28, 0xaf, 0xd7, 0xfb, 0xca, 0xbb, 0x4b, 0x40, 0x7e,
};

static uint32_t read32(const uint8_t *at) {
    uint32_t number;
    memcpy(&number, at, sizeof number);
    return number;
}

static uint64_t read64(const uint8_t *at) {
    uint64_t number;
    memcpy(&number, at, sizeof number);
    return number;
}

static uint64_t rotated(uint64_t number, int bits) {
    return number << bits | number >> (64 - bits);
}

/* Both halves of the product, folded into one. */
static uint64_t product(uint64_t one, uint64_t other) {
    unsigned __int128 whole = (unsigned __int128)one * other;
    return (uint64_t)whole ^ (uint64_t)(whole >> 64);
}

static uint64_t avalanche(uint64_t hash) {
    hash ^= hash >> 37;
    hash *= 0x165667919E3779F9U;
    return hash ^ hash >> 32;
}

/* The older finish, which the shortest inputs kept. */
static uint64_t avalanche_short(uint64_t hash) {
    hash ^= hash >> 33;
    hash *= PRIME_2;
    hash ^= hash >> 29;
    hash *= PRIME_3;
    return hash ^ hash >> 32;
}

static uint64_t mixed16(const uint8_t *input, const uint8_t *secret, uint64_t seed) {
    return product(read64(input) ^ (read64(secret) + seed),
                   read64(input + 8) ^ (read64(secret + 8) - seed));
}

static uint64_t of_1_to_3(const uint8_t *input, size_t length, uint64_t seed) {
    uint32_t all = (uint32_t)input[0] << 16 | (uint32_t)input[length / 2] << 24 |
                   input[length - 1] | (uint32_t)length << 8;
    return avalanche_short(all ^ ((read32(SECRET) ^ read32(SECRET + 4)) + seed));
}

static uint64_t of_4_to_8(const uint8_t *input, size_t length, uint64_t seed) {
    seed ^= (uint64_t)__builtin_bswap32((uint32_t)seed) << 32;
    uint64_t flip = (read64(SECRET + 8) ^ read64(SECRET + 16)) - seed;
    uint64_t hash = (read32(input + length - 4) + ((uint64_t)read32(input) << 32)) ^ flip;
    hash ^= rotated(hash, 49) ^ rotated(hash, 24);
    hash *= 0x9FB21C651E98DF25U;
    hash ^= (hash >> 35) + length;
    hash *= 0x9FB21C651E98DF25U;
    return hash ^ hash >> 28;
}

static uint64_t of_9_to_16(const uint8_t *input, size_t length, uint64_t seed) {
    uint64_t low = read64(input) ^ ((read64(SECRET + 24) ^ read64(SECRET + 32)) + seed);
    uint64_t high =
        read64(input + length - 8) ^ ((read64(SECRET + 40) ^ read64(SECRET + 48)) - seed);
    return avalanche(length + __builtin_bswap64(low) + high + product(low, high));
}

/* From both ends inwards, 32 bytes a step. */
static uint64_t of_17_to_128(const uint8_t *input, size_t length, uint64_t seed) {
    uint64_t hash = length * PRIME_1;
    for (size_t step = (length - 1) / 32 + 1; step-- > 0;) {
        hash += mixed16(input + 16 * step, SECRET + 32 * step, seed);
        hash += mixed16(input + length - 16 * (step + 1), SECRET + 32 * step + 16, seed);
    }
    return avalanche(hash);
}

static uint64_t of_129_to_240(const uint8_t *input, size_t length, uint64_t seed) {
    uint64_t hash = length * PRIME_1;
    for (size_t part = 0; part < 8; part++)
        hash += mixed16(input + 16 * part, SECRET + 16 * part, seed);
    hash = avalanche(hash);
    for (size_t part = 8; part < length / 16; part++)
        hash += mixed16(input + 16 * part, SECRET + 16 * (part - 8) + 3, seed);
    hash += mixed16(input + length - 16, SECRET + 136 - 17, seed);
    return avalanche(hash);
}

uint64_t xxh3(const uint8_t *input, size_t length, uint64_t seed) {
    if (length > 128)
        return of_129_to_240(input, length, seed);
    if (length > 16)
        return of_17_to_128(input, length, seed);
    if (length > 8)
        return of_9_to_16(input, length, seed);
    if (length >= 4)
        return of_4_to_8(input, length, seed);
    if (length > 0)
        return of_1_to_3(input, length, seed);
    return avalanche_short(seed ^ read64(SECRET + 56) ^ read64(SECRET + 64));
}
