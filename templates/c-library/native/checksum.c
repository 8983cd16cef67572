#include "checksum.h"

uint16_t checksum(const uint8_t *bytes, size_t size) {
    uint16_t one = 0, two = 0;
    for (size_t at = 0; at < size; at++) {
        one = (uint16_t)((one + bytes[at]) % 255);
        two = (uint16_t)((two + one) % 255);
    }
    return (uint16_t)(two << 8 | one);
}
