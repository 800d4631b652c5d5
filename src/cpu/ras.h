/* Reliability, availability, serviceability: error synchronisation. */
#pragma once
#include "cpu/cpu.h"

/* ESB: a pending SError that is masked is deferred to DISR_EL1 (a virtual one to VDISR_EL2); one that is not masked
 * is taken at the boundary that follows. */
enum step ras_esb(struct cpu *c);
