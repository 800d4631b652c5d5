/* Self-hosted debug (DDI0487 D2): enables and routing of debug exceptions, software step.
 *
 * Not modelled: breakpoint, watchpoint and vector catch exceptions (the registers are there), Debug
 * state. */
#include "cpu/debug.h"

#include "cpu/exception.h"
#include "cpu/fields.h"

enum { MDCR_EL3_SDD = 1 << 16 };

unsigned debug_target(const struct cpu *c)
{
    return cpu_el2_enabled(c) && ((c->hcr & HCR_TGE) || (c->sys[MDCR_EL2] & MDCR_TDE)) ? 2 : 1;
}

/* AArch64.GenerateDebugExceptionsFrom(): masked is PSTATE.D. */
static bool enabled_from(const struct cpu *c, unsigned el, bool masked)
{
    if (c->sys[OSLSR_EL1] & OSLSR_OSLK)
        return false;
    if (cpu_has(c, FEAT_DoubleLock) && (c->sys[OSDLR_EL1] & 1) && !(c->sys[DBGPRCR_EL1] & 1))
        return false;
    if (cpu_secure_below_el3(c) && (c->sys[MDCR_EL3] & MDCR_EL3_SDD))
        return false;
    unsigned target = debug_target(c);
    return el == target ? (c->sys[MDSCR_EL1] & MDSCR_KDE) && !masked : el < target;
}

bool debug_step_active(const struct cpu *c)
{
    return (c->sys[MDSCR_EL1] & MDSCR_SS) && enabled_from(c, c->ps.el, c->ps.daif & DAIF_D);
}

bool debug_return_ss(const struct cpu *c, u64 spsr)
{
    return (spsr >> 21 & 1) && (c->sys[MDSCR_EL1] & MDSCR_SS) && !enabled_from(c, c->ps.el, c->ps.daif & DAIF_D) &&
           enabled_from(c, (unsigned)bits(spsr, 3, 2), bit(spsr, 9));
}

enum step debug_step_exception(struct cpu *c, unsigned stepped)
{
    unsigned target = debug_target(c);
    u32 iss = 0x22 | (stepped != STEPPED_NOTHING ? 1u << 24 : 0) | (stepped == STEPPED_EXCLUSIVE ? 1u << 6 : 0);
    return exc_trap(c, target, c->ps.el == target ? EC_STEP_SAME : EC_STEP_LOW, iss);
}
