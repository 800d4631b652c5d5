/* Reliability, availability, serviceability: error synchronisation and the error record. */
#pragma once
#include "cpu/cpu.h"

/* ESB: a pending SError that is masked is deferred to DISR_EL1 (a virtual one to VDISR_EL2); one that is not masked
 * is taken at the boundary that follows. */
enum step ras_esb(struct cpu *c);

/* MRS and MSR of a row with HOOK(ERX), behind its chain. */
u64 ras_read(struct cpu *c, unsigned sr);
enum step ras_write(struct cpu *c, unsigned sr, u64 val);
/* The Error Generation Counter has reached zero; arg: the CPU. */
void ras_countdown(void *arg);
