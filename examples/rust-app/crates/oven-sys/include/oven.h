#ifndef OVEN_H
#define OVEN_H

#include <stddef.h>
#include <stdint.h>

#include "oven_limits.h" /* generated: OVEN_MAX_CELSIUS */

#ifdef __cplusplus
extern "C" {
#endif

typedef struct oven_slot {
    uint32_t start;    /* minutes after midnight */
    uint32_t minutes;
    const char *label; /* UTF-8, ends with a zero byte */
} oven_slot;

enum { OVEN_OK = 0, OVEN_FAILED = 1 };

/* Writes the slots in the order of their start, one "HH:MM-HH:MM label" a line.
 * `*text` becomes the timetable, or the reason why there is none; it is null
 * if there was no memory for it. Release it with oven_free. */
int oven_timetable(const oven_slot *slots, size_t count, char **text);

void oven_free(char *text);

#ifdef __cplusplus
}
#endif

#endif
