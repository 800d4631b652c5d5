/* From system registers to translation regimes and memory contexts. */
#pragma once
#include "cpu/cpu.h"

/* Recomputes regimes, contexts (ft*), big_endian, strict_align and fp_trap when ctx_dirty says so or
 * always (force). Called at ISB, ERET, exception entry and by the engine before it executes. */
void context_resolve(struct cpu *c);
/* PSTATE.EL, PAN, UAO or a selecting register changed. Cheap; resolve follows. */
static inline void context_touch(struct cpu *c) { c->ctx_dirty = true; }
