/* What the fuzz targets share: the entry that libFuzzer and replay.c call, and a reader of the input.
 * A target keeps nothing from one input to the next but what it clears. */
#pragma once
#include <stdlib.h>
#include <string.h>

#include "core/types.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t n);

/* The end of an input is no place that a target has: readers are not counted as coverage. */
#ifdef __clang__
#define FUZZ_READER static __attribute__((unused, noinline, no_sanitize("coverage")))
#else
#define FUZZ_READER static inline
#endif

/* Bytes still to be read; beyond the end everything is 0. */
struct input {
    const u8 *p;
    size_t n;
};

FUZZ_READER u8 in8(struct input *i)
{
    if (!i->n)
        return 0;
    i->n--;
    return *i->p++;
}
FUZZ_READER u16 in16(struct input *i)
{
    u16 lo = in8(i);
    return (u16)(lo | in8(i) << 8);
}
FUZZ_READER u32 in32(struct input *i)
{
    u32 lo = in16(i);
    return lo | (u32)in16(i) << 16;
}
FUZZ_READER u64 in64(struct input *i)
{
    u64 lo = in32(i);
    return lo | (u64)in32(i) << 32;
}
/* At most max bytes, all there is; returns how many. */
FUZZ_READER size_t in_bytes(struct input *i, size_t max, const u8 **p)
{
    size_t n = i->n < max ? i->n : max;
    *p = i->p;
    i->p += n;
    i->n -= n;
    return n;
}
