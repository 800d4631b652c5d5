/* Small checks shared by the exec functions. */
#pragma once
#include "cpu/cpu.h"
#include "cpu/fields.h"

/* SCTLR of the current EL's translation regime. */
static inline u64 exec_sctlr(const struct cpu *c)
{
    switch (c->ps.el) {
    case 3: return c->sys[SCTLR_EL3];
    case 2: return c->sys[SCTLR_EL2];
    case 0:
        if ((c->hcr & (HCR_E2H | HCR_TGE)) == (HCR_E2H | HCR_TGE))
            return c->sys[SCTLR_EL2];
        return c->sys[SCTLR_EL1];
    default: return c->sys[SCTLR_EL1];
    }
}

/* CheckSPAlignment for base register rn: true when an SP alignment fault is due
 * (`return exc_sp_alignment(c)`). */
static inline bool exec_sp_misaligned(const struct cpu *c, unsigned rn)
{
    if (LIKELY(rn != REG_SP || (c->x[REG_SP] & 15) == 0))
        return false;
    return (exec_sctlr(c) & (c->ps.el == 0 ? SCTLR_SA0 : SCTLR_SA)) != 0;
}
