/* Performance monitors, FEAT_PMUv3. Counting follows the instruction count: nothing happens between two calls. */
#pragma once
#include "cpu/cpu.h"

/* MRS and MSR of a row with HOOK(PMU), behind its chain. */
u64 pmu_read(struct cpu *c, unsigned sr);
enum step pmu_write(struct cpu *c, unsigned sr, u64 val);
/* Is the event counter that the row names, or that PMSELR_EL0 selects for it, there? */
bool pmu_present(const struct cpu *c, unsigned sr);

/* Brings all counters up to the executing instruction. Before anything that decides what counts changes (EL, MDCR_ELx,
 * Security state), and at the end of a slice. */
void pmu_sync(struct cpu *c);
/* Recomputes c->pmu_on after the registers changed or were loaded, and ends the slice early when a counter overflows
 * within it. After the changes above. */
void pmu_arm(struct cpu *c);
/* After a reset or the load of a state: pmu_arm(), and the interrupt wire follows the registers. */
void pmu_refresh(struct cpu *c);
/* Instructions until the first overflow as things count now, UINT64_MAX: none. A slice is never longer. */
u64 pmu_limit(const struct cpu *c);

/* Events that happen in single instructions. While c->pmu_exact the engines take pmu_counting(), the counters that
 * count in the state before an instruction, execute it, and call pmu_retired() when it took no exception; jumped: it
 * set pc. Any time: pmu_exception() before PSTATE changes to that of el, pmu_return() before an exception return. */
u32 pmu_counting(const struct cpu *c);
void pmu_retired(struct cpu *c, const struct op *o, bool jumped, u32 mask);
void pmu_exception(struct cpu *c, unsigned el, enum exc_kind kind, u64 esr);
void pmu_return(struct cpu *c);
