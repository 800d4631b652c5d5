/* What ERET shares with ERETAA and ERETAB. */
#pragma once
#include "cpu/cpu.h"

/* ERET at EL1 that a hypervisor wants to see (HCR_EL2.NV, HFGITR_EL2.ERET). True: the trap was taken.
 * iss: bit 1 authenticated, bit 0 key B. */
bool exec_eret_trapped(struct cpu *c, u32 iss);
/* Returns to target by the current EL's SPSR. */
enum step exec_eret_to(struct cpu *c, u64 target);
