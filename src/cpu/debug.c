/* Self-hosted debug (DDI0487 D2): enables and routing of debug exceptions, software step, breakpoints, watchpoints;
 * pseudocode AArch64.StateMatch, BreakpointValueMatch, WatchpointByteMatch and their kin.
 *
 * Not modelled: Debug state, vector catch and the AArch32 kinds of breakpoints.
 * CONSTRAINED UNPREDICTABLE choices: a breakpoint or watchpoint that is programmed with a reserved value, or linked to
 * one that cannot be linked to, is disabled; with an address mask BAS counts as all ones; a byte selection with holes
 * is taken as it is; masked bits of DBGWVR do not count.  FAR_ELx is the first byte that is watched.
 * Invariant: no fast entry (data of a page with an armed watchpoint, code of a page with an armed breakpoint) outlives
 * debug_update(), so everything that may match comes here. */
#include "cpu/debug.h"

#include "cpu/context.h"
#include "cpu/exception.h"
#include "cpu/fields.h"
#include "mmu/fast.h"
#include "mmu/fault.h"

enum { MDCR_EL3_SDD = 1 << 16 };

#define CELLS(reg)                                                                                                     \
    {                                                                                                                  \
        reg##0_EL1, reg##1_EL1, reg##2_EL1, reg##3_EL1, reg##4_EL1, reg##5_EL1, reg##6_EL1, reg##7_EL1, reg##8_EL1,    \
            reg##9_EL1, reg##10_EL1, reg##11_EL1, reg##12_EL1, reg##13_EL1, reg##14_EL1, reg##15_EL1                   \
    }
static const u16 bvr[16] = CELLS(DBGBVR), bcr[16] = CELLS(DBGBCR), wvr[16] = CELLS(DBGWVR), wcr[16] = CELLS(DBGWCR);

/* Fields of DBGBCR and DBGWCR. */
static bool ctl_e(u64 ctl) { return ctl & 1; }
static unsigned ctl_pxc(u64 ctl) { return (unsigned)bits(ctl, 2, 1); }
static unsigned ctl_hmc(u64 ctl) { return (unsigned)bits(ctl, 13, 13); }
static unsigned ctl_ssc(u64 ctl) { return (unsigned)bits(ctl, 15, 14); }
static unsigned ctl_lbn(u64 ctl) { return (unsigned)bits(ctl, 19, 16); }
static unsigned bcr_bt(u64 ctl) { return (unsigned)bits(ctl, 23, 20); }

static unsigned breakpoints(const struct cpu *c) { return (unsigned)bits(c->sys[ID_AA64DFR0_EL1], 15, 12) + 1; }
static unsigned watchpoints(const struct cpu *c) { return (unsigned)bits(c->sys[ID_AA64DFR0_EL1], 23, 20) + 1; }
/* The last ones of the breakpoints are those that know contexts. */
static bool context_aware(const struct cpu *c, unsigned n)
{
    unsigned contexts = (unsigned)bits(c->sys[ID_AA64DFR0_EL1], 31, 28) + 1;
    return n < breakpoints(c) && n + contexts >= breakpoints(c);
}

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

/* ---- which EL, which Security state --------------------------------------------------------- */

/* CheckValidStateMatch(): combinations of HMC, SSC and PMC or PAC that are not allocated on this PE. */
static bool state_reserved(const struct cpu *c, u64 ctl, bool is_break)
{
    unsigned v = ctl_hmc(ctl) << 4 | ctl_ssc(ctl) << 2 | ctl_pxc(ctl), ssc = ctl_ssc(ctl);
    bool el2 = cpu_has_el2(c), el3 = cpu_has_el3(c);
    if ((v & 0x13) == 0 && ssc != 3 && !(is_break && cpu_has(c, FEAT_AA32EL1)))
        return true;
    if (!el3 && ((!el2 && v >> 2 != 0) || ((ssc == 1 || ssc == 2) && v != 0x14) || v == 0x18))
        return true;
    if (!el2 && v == 0x1c)
        return true;
    if (!cpu_has(c, FEAT_SEL2) && (v == 0x0c || v == 0x14 || (v & 0xd) == 0xd))
        return true;
    return v == 0x0e || (v & 0x1d) == 0x10 || v == 0x16 || (v & 0x1b) == 0x1a;
}

/* BreakpointValueMatch() for the kinds that match a context. */
static bool context_match(const struct cpu *c, unsigned n)
{
    unsigned bt = bcr_bt(c->sys[bcr[n]]), el = c->ps.el;
    bool vhe = cpu_has(c, FEAT_VHE) || cpu_has(c, FEAT_Debugv8p2);
    bool cid1 = (bt & 6) == 6 || (bt & 0xe) == 0xa, cid2 = bt >= 12;
    if (!context_aware(c, n) || ((cid2 || (bt & 0xe) == 6) && !vhe) || (bt >= 8 && !cpu_has_el2(c)))
        return false;
    u64 v = c->sys[bvr[n]];
    bool host = context_kind(c, el) == REGIME_EL20;
    if ((bt & 0xe) == 2) {
        if (!host && el > 1)
            return false;
        if ((u32)c->sys[host ? CONTEXTIDR_EL2 : CONTEXTIDR_EL1] != (u32)v)
            return false;
    } else if (cid1 && (el > 1 || host || (u32)c->sys[CONTEXTIDR_EL1] != (u32)v)) {
        return false;
    }
    if (cid2)
        return el != 3 && cpu_el2_enabled(c) && (u32)c->sys[CONTEXTIDR_EL2] == (u32)(v >> 32);
    bool wide = cpu_has(c, FEAT_VMID16) && bit(c->sys[VTCR_EL2], 19);
    if (bt >= 8)
        return el <= 1 && cpu_el2_enabled(c) && !host && context_vmid(c) == bits(v, wide ? 47 : 39, 32);
    return true;
}

/* The breakpoint that another one or a watchpoint is linked to. */
static bool linked_match(const struct cpu *c, unsigned lbn)
{
    unsigned bt = lbn < 16 ? bcr_bt(c->sys[bcr[lbn]]) : 0;
    return context_aware(c, lbn) && ctl_e(c->sys[bcr[lbn]]) && (bt & 1) && (bt & 0xa) != 0 && context_match(c, lbn);
}

/* AArch64.StateMatch(). what: of a watchpoint's access, enum debug_what. */
static bool state_match(const struct cpu *c, u64 ctl, bool is_break, bool linked, unsigned what)
{
    if (state_reserved(c, ctl, is_break))
        return false;
    unsigned hmc = ctl_hmc(ctl), ssc = ctl_ssc(ctl), pxc = ctl_pxc(ctl);
    unsigned el = what & WATCH_VNCR ? 2 : what & WATCH_EL0 ? 0 : c->ps.el;
    bool at;
    switch (el) {
    case 3: at = hmc && !(ssc & 1); break;
    case 2: at = (hmc && !(ssc == 2 && pxc == 0)) || ssc == 3; break;
    case 1: at = pxc & 1; break;
    default: at = pxc & 2; break;
    }
    if (!at)
        return false;
    bool secure = cpu_secure(c);
    if (ssc == 1 ? secure : ssc == 2 ? !secure : ssc == 3 && !hmc && !secure)
        return false;
    return !linked || linked_match(c, ctl_lbn(ctl));
}

/* ---- breakpoints ---------------------------------------------------------------------------- */

/* DebugAddrTop() + 1: the bits above are not compared. */
static unsigned address_bits(const struct cpu *c) { return cpu_has(c, FEAT_LVA) ? 53 : 49; }
static u64 address_mask(const struct cpu *c) { return ones(address_bits(c)); }

static bool by_address(unsigned bt) { return bt < 2; }

static bool breakpoint_match(const struct cpu *c, unsigned n, u64 pc)
{
    u64 ctl = c->sys[bcr[n]];
    unsigned bt = bcr_bt(ctl);
    if (by_address(bt)) {
        /* BAS<0> stands for the A64 instruction at the address; without AArch32 the field is RES1 */
        if (((pc ^ c->sys[bvr[n]]) & address_mask(c) & ~3ull) || (cpu_has(c, FEAT_AA32EL0) && !bit(ctl, 5)))
            return false;
    } else if ((bt & 1) || (bt & 0xa) == 0 || !context_match(c, n)) {
        return false; /* linked kinds match only through those that link to them; mismatches are AArch32's */
    }
    return state_match(c, ctl, true, by_address(bt) && (bt & 1), 0);
}

bool debug_break_page(const struct cpu *c, u64 va)
{
    if (c->armed.any_page)
        return true;
    u64 mask = address_mask(c) & ~0xfffull;
    for (unsigned m = c->armed.breaks; m; m &= m - 1)
        if (!((va ^ c->sys[bvr[__builtin_ctz(m)]]) & mask))
            return true;
    return false;
}

bool debug_breakpoint(struct cpu *c)
{
    if (!enabled_from(c, c->ps.el, c->ps.daif & DAIF_D))
        return false;
    for (unsigned m = c->armed.breaks; m; m &= m - 1) {
        if (!breakpoint_match(c, (unsigned)__builtin_ctz(m), c->pc))
            continue;
        unsigned target = debug_target(c);
        exc_trap(c, target, c->ps.el == target ? EC_BREAK_SAME : EC_BREAK_LOW, 0x22);
        return true;
    }
    return false;
}

/* ---- watchpoints ---------------------------------------------------------------------------- */

/* log2 of what the mask makes it watch; 0: no mask, 1 and 2 are reserved. */
static unsigned wcr_mask(u64 ctl) { return (unsigned)bits(ctl, 28, 24); }

static bool byte_match(const struct cpu *c, unsigned n, u64 va)
{
    u64 ctl = c->sys[wcr[n]], v = c->sys[wvr[n]];
    unsigned mask = wcr_mask(ctl), bottom = bit(v, 2) ? 2 : 3;
    if (mask)
        return mask >= 3 && !((va ^ v) & address_mask(c) & ~ones(mask));
    return !((va ^ v) & address_mask(c) & ~ones(bottom)) && (ctl >> 5 >> (va & ones(bottom)) & 1);
}

/* The first byte that is watched for one of the accesses in lsc (as DBGWCR.LSC), ~0: none. */
static unsigned first_watched(const struct cpu *c, u64 va, unsigned size, unsigned what, unsigned lsc)
{
    unsigned first = ~0u;
    for (unsigned m = c->armed.watches; m; m &= m - 1) {
        unsigned n = (unsigned)__builtin_ctz(m);
        u64 ctl = c->sys[wcr[n]];
        if (!(bits(ctl, 4, 3) & lsc) || !state_match(c, ctl, false, bit(ctl, 20), what))
            continue;
        for (unsigned k = 0; k < size && k < first; k++)
            if (byte_match(c, n, va + k))
                first = k;
    }
    return first;
}

bool debug_watch_page(const struct cpu *c, u64 va)
{
    for (unsigned m = c->armed.watches; m; m &= m - 1) {
        unsigned n = (unsigned)__builtin_ctz(m), mask = wcr_mask(c->sys[wcr[n]]);
        if (!((va ^ c->sys[wvr[n]]) & address_mask(c) & ~ones(mask > 12 ? mask : 12)))
            return true;
    }
    return false;
}

bool debug_watchpoint(const struct cpu *c, u64 va, unsigned size, unsigned what, struct fault *f)
{
    bool on = what & WATCH_VNCR ? enabled_from(c, 2, false) : enabled_from(c, c->ps.el, c->ps.daif & DAIF_D);
    if (!on)
        return false;
    /* WnR of an access that is both says whether the read alone would have done */
    for (unsigned lsc = WATCH_READ; lsc <= WATCH_WRITE; lsc <<= 1) {
        unsigned at = what & lsc ? first_watched(c, va, size, what, lsc) : ~0u;
        if (at == ~0u)
            continue;
        *f = (struct fault){.type = FAULT_DEBUG, .va = va + at, .write = lsc == WATCH_WRITE};
        return true;
    }
    return false;
}

/* ---- what is armed -------------------------------------------------------------------------- */

static void drop_fast(struct cpu *c)
{
    struct fast_pool *p = c->fast_pool;
    bool all = c->armed.any_page;
    for (unsigned m = c->armed.watches; m; m &= m - 1)
        all |= wcr_mask(c->sys[wcr[__builtin_ctz(m)]]) > 12;
    if (all) {
        fast_drop_all(p);
        return;
    }
    for (unsigned m = c->armed.breaks; m; m &= m - 1)
        fast_drop_va_all(p, sext(c->sys[bvr[__builtin_ctz(m)]], address_bits(c)));
    for (unsigned m = c->armed.watches; m; m &= m - 1)
        fast_drop_va_all(p, sext(c->sys[wvr[__builtin_ctz(m)]], address_bits(c)));
}

bool debug_update(struct cpu *c)
{
    const struct debug_armed old = c->armed;
    struct debug_armed now = {0};
    if (c->sys[MDSCR_EL1] & MDSCR_MDE) {
        for (unsigned n = 0; n < breakpoints(c); n++) {
            unsigned bt = bcr_bt(c->sys[bcr[n]]);
            if (!ctl_e(c->sys[bcr[n]]) || (!by_address(bt) && ((bt & 1) || !(bt & 0xa))))
                continue;
            now.breaks |= (u16)(1u << n);
            now.any_page |= !by_address(bt);
        }
        for (unsigned n = 0; n < watchpoints(c); n++)
            now.watches |= (u16)((unsigned)ctl_e(c->sys[wcr[n]]) << n);
    }
    c->armed = now;
    context_renew(c);
    if ((now.breaks || now.watches) && c->fast_pool)
        drop_fast(c);
    return old.breaks || old.watches || now.breaks || now.watches;
}
