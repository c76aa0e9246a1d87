/* XXH3, 64 bits wide, of up to 240 bytes: the hash by which states know events, items and users.
 *
 * Written from the published specification; equal to the library that the Python side uses, which
 * the tests hold it to. Longer inputs have another algorithm, which no plain record needs.
 */
#ifndef TIDEMILL_XXH3_H
#define TIDEMILL_XXH3_H

#include <stddef.h>
#include <stdint.h>

#define XXH3_LONGEST 240

uint64_t xxh3(const uint8_t *input, size_t length, uint64_t seed);

#endif
