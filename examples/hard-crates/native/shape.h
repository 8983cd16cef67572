#pragma once
#include <stddef.h>
#include <stdint.h>

/* One enum, one struct and one function: what bindgen must get right for the target. */
typedef enum { SHAPE_SQUARE = 1, SHAPE_CIRCLE = 2 } shape_kind;

typedef struct {
  shape_kind kind;
  long size;
} shape;

#ifdef __cplusplus
extern "C"
#endif
size_t shape_name(const shape *it, char *to, size_t room);
