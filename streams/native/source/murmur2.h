/* MurmurHash2, 32 bits, as Kafka's own clients place keys by it: streams/lane/forwarding.py. */
#ifndef TIDEMILL_MURMUR2_H
#define TIDEMILL_MURMUR2_H

#include <stddef.h>
#include <stdint.h>

uint32_t murmur2(const uint8_t *input, size_t length);

#endif
