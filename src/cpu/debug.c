/* Self-hosted debug (DDI0487 D2): enables and routing of debug exceptions, software step, breakpoints.
 *
 * Not modelled: watchpoint exceptions (the registers are there), Debug state. The interpreter looks at
 * each instruction of a page that has an enabled breakpoint, and at no others. */
#include "cpu/debug.h"

#include "cpu/context.h"
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

/* ---- breakpoints ---------------------------------------------------------------------------- */

#define EACH(R)                                                                                                        \
    {                                                                                                                  \
        R(0), R(1), R(2), R(3), R(4), R(5), R(6), R(7), R(8), R(9), R(10), R(11), R(12), R(13), R(14), R(15)           \
    }
#define BVR(n) DBGBVR##n##_EL1
#define BCR(n) DBGBCR##n##_EL1
static const u16 bvr[16] = EACH(BVR), bcr[16] = EACH(BCR);

/* DBGBCR:  23:20 BT | 19:16 LBN | 15:14 SSC | 13 HMC | 8:5 BAS | 2:1 PMC | 0 E */
enum { BT_LINKED = 1 };

static unsigned breakpoints(const struct cpu *c) { return (unsigned)bits(c->sys[ID_AA64DFR0_EL1], 15, 12) + 1; }

/* The context part of AArch64.BreakpointValueMatch(). */
static bool context_match(const struct cpu *c, unsigned n)
{
    if (n >= breakpoints(c) || !(c->sys[bcr[n]] & 1))
        return false;
    unsigned type = (unsigned)bits(c->sys[bcr[n]], 23, 20) & ~(unsigned)BT_LINKED;
    u64 v = c->sys[bvr[n]];
    bool host = c->hcr & HCR_E2H, low = c->ps.el < 2 && !(host && (c->hcr & HCR_TGE));
    bool cid1 = low && (u32)v == (u32)c->sys[CONTEXTIDR_EL1];
    bool vmid = low && cpu_el2_enabled(c) && bits(v, 47, 32) == context_vmid(c);
    u64 cid2 = type == 0xc ? v & 0xffffffff : v >> 32;
    bool host_cid = cpu_el2_enabled(c) && c->ps.el < 3 && cid2 == (u32)c->sys[CONTEXTIDR_EL2];
    switch (type) {
    case 0x2: /* the current Context ID: that of EL2 for a host */
        return low ? cid1 : host && c->ps.el < 3 && (u32)v == (u32)c->sys[CONTEXTIDR_EL2];
    case 0x6: return cid1;
    case 0x8: return vmid;
    case 0xa: return vmid && cid1;
    case 0xc: return host_cid;
    case 0xe: return host_cid && cid1;
    default: return false;
    }
}

/* AArch64.StateMatch() */
static bool state_match(const struct cpu *c, u64 ctl)
{
    unsigned ssc = (unsigned)bits(ctl, 15, 14), pmc = (unsigned)bits(ctl, 2, 1);
    bool hmc = bit(ctl, 13), secure = cpu_secure(c);
    const bool priv[4] = {(pmc & 2) != 0, (pmc & 1) != 0, (hmc && !(ssc == 2 && pmc == 0)) || ssc == 3,
                          hmc && !(ssc & 1)};
    bool world = ssc == 0 || (ssc == 1 ? !secure : ssc == 2 ? secure : hmc || secure);
    return priv[c->ps.el] && world;
}

/* AArch64.BreakpointMatch() of address breakpoints and unlinked context breakpoints. */
static bool breakpoint_match(const struct cpu *c, unsigned n)
{
    u64 ctl = c->sys[bcr[n]];
    unsigned type = (unsigned)bits(ctl, 23, 20);
    if (!(ctl & 1) || !state_match(c, ctl))
        return false;
    if (type > 1)
        return !(type & BT_LINKED) && context_match(c, n);
    if (((c->sys[bvr[n]] ^ c->pc) & ~3ull) != 0)
        return false;
    return type == 0 || context_match(c, (unsigned)bits(ctl, 19, 16));
}

static bool breakpoints_act(const struct cpu *c)
{
    return (c->sys[MDSCR_EL1] & MDSCR_MDE) && enabled_from(c, c->ps.el, c->ps.daif & DAIF_D);
}

bool debug_breakpoint_page(const struct cpu *c, u64 va)
{
    if (!breakpoints_act(c))
        return false;
    for (unsigned n = 0; n < breakpoints(c); n++)
        if ((c->sys[bcr[n]] & 1) && (bits(c->sys[bcr[n]], 23, 20) > 1 || ((c->sys[bvr[n]] ^ va) & ~0xfffull) == 0))
            return true;
    return false;
}

bool debug_breakpoint_hit(const struct cpu *c)
{
    for (unsigned n = 0; n < breakpoints(c); n++)
        if (breakpoint_match(c, n))
            return true;
    return false;
}

enum step debug_breakpoint_exception(struct cpu *c)
{
    unsigned target = debug_target(c);
    return exc_trap(c, target, c->ps.el == target ? EC_BREAK_SAME : EC_BREAK_LOW, 0x22);
}
