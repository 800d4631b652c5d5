/* From system registers to translation regimes and memory contexts. */
#pragma once
#include "cpu/cpu.h"

struct snap;

/* Allocates the TLB and the fast-table pool (c->tlb, c->fast_pool) and makes c->ft* valid; cpu_new()
 * calls it once c->feat and c->env are set. */
void context_init(struct cpu *c);
void context_free(struct cpu *c);
/* Cold reset: empty TLB, contexts resolved afresh. After sysreg_reset(). */
void context_reset(struct cpu *c);
/* Visits the architectural TLB; after SNAP_LOAD everything derived is recomputed (the system registers
 * must have been loaded before). */
void context_state(struct cpu *c, struct snap *s);

/* Recomputes regimes, contexts (ft*), big_endian, strict_align and fp_trap when ctx_dirty says so or
 * always (force). Called at ISB, ERET, exception entry and by the engine before it executes. */
void context_resolve(struct cpu *c);
/* PSTATE.EL, PAN, UAO or a selecting register changed. Cheap; resolve follows. */
static inline void context_touch(struct cpu *c) { c->ctx_dirty = true; }
