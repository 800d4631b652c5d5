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
/* Instructions until the first overflow as things count now, UINT64_MAX: none. A slice is never longer. */
u64 pmu_limit(const struct cpu *c);
