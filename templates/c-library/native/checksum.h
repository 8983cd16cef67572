#include <stddef.h>
#include <stdint.h>

/* Fletcher's checksum of some bytes. */
uint16_t checksum(const uint8_t *bytes, size_t size);
