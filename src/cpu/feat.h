/* Architecture features: what a CPU model has.  ID registers are computed from them. */
#pragma once
#include "core/types.h"

/* feat.def: FEAT(name, idreg, lsb, value, requires...) */
enum feat {
    FEAT_BASE,
#define FEAT(name, ...) FEAT_##name,
#include "cpu/feat.def"
#undef FEAT
    FEAT_COUNT,
};

struct features {
    u64 w[(FEAT_COUNT + 63) / 64];
};

static inline bool feat_has(const struct features *f, unsigned n) { return (f->w[n / 64] >> (n % 64) & 1) != 0; }
