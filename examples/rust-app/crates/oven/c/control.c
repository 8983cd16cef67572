#include "oven.h"

/* Minutes that a cold oven takes to reach a temperature; 0 if it never does. */
uint32_t oven_heat_up_minutes(uint32_t celsius) {
    const uint32_t celsius_per_minute = 12;
    if (celsius > OVEN_MAX_CELSIUS) {
        return 0;
    }
    return 1 + celsius / celsius_per_minute;
}
