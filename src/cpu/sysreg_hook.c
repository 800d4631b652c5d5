/* What reads and writes of system registers do once their chain let them pass: PSTATE and other registers that are
 * not cells, ports, and the consequences of writing a control register.
 *
 * Choices: RNDR is a deterministic sequence from the machine's seed; nobody is at the other end of the debug
 * communications channel; a warm reset (RMR_ELx.RR) happens at once. */
#include "core/bits.h"
#include "core/check.h"
#include "core/log.h"
#include "cpu/context.h"
#include "cpu/debug.h"
#include "cpu/exception.h"
#include "cpu/fields.h"
#include "cpu/pmu.h"
#include "cpu/ras.h"
#include "cpu/sysop.h"
#include "cpu/sysreg_row.h"

/* ---- PSTATE --------------------------------------------------------------------------------------- */

/* Bits of the PSTATE registers, as in SPSR_ELx */
enum { P_DAIF = 6, P_SSBS = 12, P_ALLINT = 13, P_PAN = 22, P_UAO = 23, P_DIT = 24, P_TCO = 25 };

static enum step set_daif(struct cpu *c, unsigned daif)
{
    c->ps.daif = (u8)daif;
    cpu_recheck(c);
    return STEP_SYNC;
}

static enum step set_pan(struct cpu *c, bool on)
{
    c->ps.pan = on;
    context_switch(c);
    return STEP_SYNC;
}

static enum step set_tco(struct cpu *c, bool on)
{
    on = on && cpu_has(c, FEAT_MTE2);
    if (on == c->ps.tco)
        return STEP_NEXT;
    c->ps.tco = on;
    context_switch(c); /* checked accesses have fast tables of their own */
    return STEP_SYNC;
}

static enum step set_uao(struct cpu *c, bool on)
{
    c->ps.uao = on;
    context_switch(c);
    return STEP_SYNC;
}

static enum step set_spsel(struct cpu *c, unsigned sp)
{
    if (sp != c->ps.sp)
        cpu_set_el(c, c->ps.el, sp);
    return STEP_SYNC;
}

static enum step set_allint(struct cpu *c, bool on)
{
    c->ps.allint = on;
    cpu_recheck(c);
    return STEP_SYNC;
}

/* MSR (immediate): op1:op2 names the field (DDI0487 C5.2, C6.2 MSR (immediate)). */
enum step sysreg_msr_imm(struct cpu *c, unsigned op1, unsigned op2, unsigned imm)
{
    bool on = imm & 1;
    switch (op1 << 3 | op2) {
    case 0 << 3 | 3: /* UAO */ return c->ps.el && cpu_has(c, FEAT_UAO) ? set_uao(c, on) : exc_undefined(c);
    case 0 << 3 | 4: /* PAN */ return c->ps.el && cpu_has(c, FEAT_PAN) ? set_pan(c, on) : exc_undefined(c);
    case 0 << 3 | 5: /* SPSel */ return c->ps.el ? set_spsel(c, on) : exc_undefined(c);
    case 1 << 3 | 0: /* ALLINT: CRm = 000x */
        if (imm > 1 || !c->ps.el || !cpu_has(c, FEAT_NMI))
            return exc_undefined(c);
        if (c->ps.el == 1 && on && cpu_has(c, FEAT_HCX) && cpu_el2_enabled(c) &&
            (!cpu_has_el3(c) || (c->sys[SCR_EL3] & SCR_HXEn)) && (c->sys[HCRX_EL2] & HCRX_TALLINT))
            return exc_trap(c, 2, EC_SYS64, (u32)(1 << 14 | 4 << 10 | 31 << 5 | imm << 1));
        return set_allint(c, on);
    case 3 << 3 | 1: /* SSBS */
        if (!cpu_has(c, FEAT_SSBS2))
            return exc_undefined(c);
        c->ps.ssbs = on;
        return STEP_NEXT;
    case 3 << 3 | 2: /* DIT */
        if (!cpu_has(c, FEAT_DIT))
            return exc_undefined(c);
        c->ps.dit = on;
        return STEP_NEXT;
    case 3 << 3 | 4: /* TCO */
        if (!cpu_has(c, FEAT_MTE))
            return exc_undefined(c);
        return set_tco(c, on);
    case 3 << 3 | 6: /* DAIFSet */
    case 3 << 3 | 7: /* DAIFClr */
        if (c->ps.el == 0 &&
            ((c->hcr & (HCR_E2H | HCR_TGE)) == (HCR_E2H | HCR_TGE) || !(c->sys[SCTLR_EL1] & SCTLR_UMA)))
            return exc_trap_el1(c, EC_SYS64, (u32)(op2 << 17 | 3 << 14 | 4 << 10 | 31 << 5 | imm << 1));
        if (op2 == 6) {
            c->ps.daif |= (u8)imm;
            return STEP_NEXT;
        }
        return set_daif(c, c->ps.daif & ~imm);
    default: return exc_undefined(c);
    }
}

/* ---- registers that are computed --------------------------------------------------------------------- */

static u64 read_isr(const struct cpu *c)
{
    static const struct {
        u8 bit, phys, virt;
        u64 mo, v;
    } src[] = {{8, CPU_SERROR, 0, HCR_AMO, HCR_VSE},
               {7, CPU_IRQ, CPU_VIRQ, HCR_IMO, HCR_VI},
               {6, CPU_FIQ, CPU_VFIQ, HCR_FMO, HCR_VF}};
    u64 val = 0;
    for (unsigned i = 0; i < ARRAY_LEN(src); i++) {
        bool virt = c->ps.el == 1 && (c->hcr & src[i].mo);
        bool pending = virt ? (c->hcr & src[i].v) || (src[i].virt && cpu_get_input(c, src[i].virt))
                            : cpu_get_input(c, src[i].phys);
        val |= (u64)pending << src[i].bit;
    }
    return val;
}

/* DCZID_EL0.DZP: DC ZVA is not permitted here. */
static u64 read_dczid(const struct cpu *c)
{
    bool host = (c->hcr & (HCR_E2H | HCR_TGE)) == (HCR_E2H | HCR_TGE), prohibited = false;
    if (c->ps.el == 0)
        prohibited = !(c->sys[host ? SCTLR_EL2 : SCTLR_EL1] & SCTLR_DZE);
    if (c->ps.el <= 1 && !host && (c->hcr & HCR_TDZ))
        prohibited = true;
    return c->sys[DCZID_EL0] | (u64)prohibited << 4;
}

/* CSSELR_EL1: 3:1 level - 1, 0 instruction cache */
static u64 cache_geometry(const struct cpu *c)
{
    switch (c->sys[CSSELR_EL1] & 15) {
    case 0: return c->sys[CCSIDR_L1D];
    case 1: return c->sys[CCSIDR_L1I];
    case 2: return c->sys[CCSIDR_L2];
    case 4: return c->sys[CCSIDR_L3];
    default: return 0;
    }
}

/*             55      32   27      13   23/12     3   2      0
 *  32 bits:                 NumSets     Associativity LineSize
 *  64 bits:   NumSets                   Associativity LineSize   (FEAT_CCIDX) */
static u64 read_ccsidr(const struct cpu *c)
{
    u64 g = cache_geometry(c);
    return cpu_has(c, FEAT_CCIDX) ? bits(g, 27, 13) << 32 | bits(g, 12, 0) : g;
}

/* splitmix64 over the machine's seed; NZCV = 0000: a number was there. */
static u64 read_rndr(struct cpu *c)
{
    u64 z = c->sys[RNDR_STATE] += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    c->nzcv = 0;
    return z ^ z >> 31;
}

static u64 fpcr_mask(const struct cpu *c)
{
    u64 mask = 0x07c00000; /* AHP DN FZ RMode */
    if (cpu_has(c, FEAT_FP16))
        mask |= 1ull << 19;
    if (cpu_has(c, FEAT_AFP))
        mask |= 7;
    if (cpu_has(c, FEAT_EBF16))
        mask |= 1ull << 13;
    return mask;
}

static bool el1_is_el2(const struct cpu *c) /* CurrentEL and SPSR as a guest hypervisor sees them: HCR_EL2.NV */
{
    return c->ps.el == 1 && (c->hcr & HCR_NV) && cpu_has(c, FEAT_NV);
}

static u64 read_hook(struct cpu *c, const struct sysreg_row *row)
{
    switch ((enum sysreg_hook)row->hook) {
    case HOOK_NZCV: return c->nzcv;
    case HOOK_DAIF: return (u64)c->ps.daif << P_DAIF;
    case HOOK_CurrentEL: return (u64)(el1_is_el2(c) ? 2u : c->ps.el) << 2;
    case HOOK_SPSel: return c->ps.sp;
    case HOOK_PAN: return (u64)c->ps.pan << P_PAN;
    case HOOK_UAO: return (u64)c->ps.uao << P_UAO;
    case HOOK_DIT: return (u64)c->ps.dit << P_DIT;
    case HOOK_SSBS: return (u64)c->ps.ssbs << P_SSBS;
    case HOOK_TCO: return (u64)c->ps.tco << P_TCO;
    case HOOK_ALLINT: return (u64)c->ps.allint << P_ALLINT;
    case HOOK_FPCR: return c->fpcr;
    case HOOK_FPSR: return c->fpsr;
    case HOOK_SP_EL0: return cpu_get_sp(c, 0);
    case HOOK_SP_EL1: return cpu_get_sp(c, 1);
    case HOOK_SP_EL2: return cpu_get_sp(c, 2);
    case HOOK_ISR: return read_isr(c);
    case HOOK_DCZID: return read_dczid(c);
    case HOOK_CCSIDR: return read_ccsidr(c);
    case HOOK_CCSIDR2: return 0; /* the 64-bit CCSIDR_EL1 has no second half */
    case HOOK_RNDR: return read_rndr(c);
    case HOOK_SRE: return c->sys[cpu_secure_below_el3(c) ? ICC_SRE_EL1_S : ICC_SRE_EL1];
    case HOOK_RMR: return 1; /* AA64 */
    case HOOK_DBGCLAIM: return row == &sysreg_rows[SR_DBGCLAIMSET_EL1] ? 0xff : c->sys[DBGCLAIMCLR_EL1];
    case HOOK_ICH_HCR: {
        struct port_txn x = sysreg_port_txn(c);
        cpu_lock(c);
        u64 val = c->ports[PORT_GIC].read(c->ports[PORT_GIC].arg, SR_ICH_HCR_EL2, &x);
        cpu_unlock(c);
        return val;
    }
    case HOOK_BRP: return c->sys[row->cell];
    case HOOK_PMU: return pmu_read(c, (unsigned)(row - sysreg_rows));
    case HOOK_ERX: return ras_read(c, (unsigned)(row - sysreg_rows));
    default: return 0; /* ZERO, DCC */
    }
}

u64 sysreg_read_row(struct cpu *c, unsigned sr)
{
    const struct sysreg_row *row = &sysreg_rows[sr];
    if (row->hook)
        return read_hook(c, row);
    if (row->cell)
        return c->sys[row->cell];
    CHECK(row->port);
    const struct port *p = &c->ports[row->port - 1];
    struct port_txn x = sysreg_port_txn(c);
    if (row->port - 1 == PORT_TIMER) /* reading changes nothing, and the registers are this CPU's */
        return p->read(p->arg, sr, &x);
    cpu_lock(c);
    u64 val = p->read(p->arg, sr, &x);
    cpu_unlock(c);
    return val;
}

u64 sysreg_peek(struct cpu *c, unsigned id)
{
    const struct sysreg_row *row = &sysreg_rows[id & 0xffff];
    if (row->hook == HOOK_RNDR || row->hook >= HOOK_SYS)
        return 0;
    if (!row->cell && !row->hook) {
        /* Reading an interrupt acknowledges it. */
        bool acks = id == SR_ICC_IAR0_EL1 || id == SR_ICC_IAR1_EL1;
        if (!row->port || acks || !c->ports[row->port - 1].read)
            return row->alias ? sysreg_peek(c, row->alias) : 0;
    }
    if (row->hook == HOOK_ICH_HCR && !c->ports[PORT_GIC].read)
        return c->sys[ICH_HCR_EL2];
    return sysreg_read_row(c, id & 0xffff);
}

/* ---- writes ------------------------------------------------------------------------------------------- */

static void port_write(struct cpu *c, unsigned port, unsigned sr, u64 val)
{
    const struct port *p = &c->ports[port];
    struct port_txn x = sysreg_port_txn(c);
    if (!p->write)
        return;
    cpu_lock(c);
    p->write(p->arg, sr, &x, val);
    cpu_unlock(c);
}

void sysreg_security_changed(struct cpu *c) { port_write(c, PORT_GIC, SR_SCR_EL3, c->sys[SCR_EL3]); }

/* What must be recomputed or looked at after a cell was written. */
enum change {
    CHANGE_NOTHING,
    CHANGE_HCR,
    CHANGE_SCR,
    CHANGE_CONTEXT,
    CHANGE_CONTEXTIDR, /* the ASID of an AArch32 EL1 */
    CHANGE_DEBUG,
    CHANGE_LOOK,
};
static const u8 changes[CELL_COUNT] = {
    [HCR_EL2] = CHANGE_HCR,        [HCRX_EL2] = CHANGE_HCR,
    [SCR_EL3] = CHANGE_SCR,        [SCTLR_EL1] = CHANGE_CONTEXT,
    [SCTLR_EL2] = CHANGE_CONTEXT,  [SCTLR_EL3] = CHANGE_CONTEXT,
    [TCR_EL1] = CHANGE_CONTEXT,    [TCR_EL2] = CHANGE_CONTEXT,
    [TCR_EL3] = CHANGE_CONTEXT,    [TTBR0_EL1] = CHANGE_CONTEXT,
    [TTBR1_EL1] = CHANGE_CONTEXT,  [TTBR0_EL2] = CHANGE_CONTEXT,
    [TTBR1_EL2] = CHANGE_CONTEXT,  [TTBR0_EL3] = CHANGE_CONTEXT,
    [MAIR_EL1] = CHANGE_CONTEXT,   [MAIR_EL2] = CHANGE_CONTEXT,
    [MAIR_EL3] = CHANGE_CONTEXT,   [VTTBR_EL2] = CHANGE_CONTEXT,
    [VTCR_EL2] = CHANGE_CONTEXT,   [VSTTBR_EL2] = CHANGE_CONTEXT,
    [VSTCR_EL2] = CHANGE_CONTEXT,  [CPACR_EL1] = CHANGE_CONTEXT,
    [CPTR_EL2] = CHANGE_CONTEXT,   [CPTR_EL3] = CHANGE_CONTEXT,
    [DACR32_EL2] = CHANGE_CONTEXT, [VNCR_EL2] = CHANGE_CONTEXT,
    [MDSCR_EL1] = CHANGE_DEBUG,    [CONTEXTIDR_EL1] = CHANGE_CONTEXTIDR,
    [MDCR_EL2] = CHANGE_LOOK,      [MDCR_EL3] = CHANGE_LOOK,
    [OSDLR_EL1] = CHANGE_LOOK,
};

bool sysreg_cell_plain(const struct cpu *c, unsigned cell)
{
    return (changes[cell] == CHANGE_NOTHING || (changes[cell] == CHANGE_CONTEXTIDR && !cpu_has(c, FEAT_AA32EL1))) &&
           !sysreg_config_cell(cell);
}

/* EL2's own accesses depend on nothing of EL1's registers, and hardly on HCR_EL2. */
bool sysreg_cell_lazy(const struct cpu *c, unsigned cell, u64 changed)
{
    if (c->ps.el != 2 || !context_keyed(cell))
        return false;
    switch (cell) {
    case HCR_EL2: return !(changed & HCR_AT_ONCE) && !(c->sys[HCR_EL2] & HCR_TGE);
    case CPTR_EL2:
    case MDCR_EL2:
    case CNTHCTL_EL2: return false;
    default: return true;
    }
}

static void keyed_changed(struct cpu *c, unsigned cell)
{
    if (!context_keyed(cell)) {
        context_touch(c);
        return;
    }
    context_switch(c);
    context_lose(c);
}

static enum step cell_changed(struct cpu *c, unsigned cell)
{
    switch ((enum change)changes[cell]) {
    case CHANGE_HCR:
        sysreg_refresh_hcr(c);
        keyed_changed(c, cell);
        cpu_recheck(c);
        return STEP_SYNC;
    case CHANGE_SCR:
        sysreg_refresh_hcr(c);
        context_touch(c);
        sysreg_security_changed(c);
        cpu_recheck(c);
        return STEP_SYNC;
    case CHANGE_CONTEXT: keyed_changed(c, cell); return STEP_SYNC;
    case CHANGE_CONTEXTIDR:
        if (!cpu_has(c, FEAT_AA32EL1))
            return STEP_NEXT;
        context_touch(c);
        return STEP_SYNC;
    case CHANGE_DEBUG:
        debug_update(c);
        cpu_recheck(c);
        return STEP_SYNC;
    case CHANGE_LOOK: cpu_recheck(c); return STEP_SYNC;
    case CHANGE_NOTHING: break;
    }
    return STEP_NEXT;
}

/* The timers' registers are what their cells are: reset together, written together. */
bool sysreg_same_is_nothing(const struct sysreg_row *row)
{
    return row->cell && !row->hook && (!row->port || row->port - 1 == PORT_TIMER);
}

static enum step write_cell(struct cpu *c, unsigned sr, const struct sysreg_row *row, u64 val)
{
    bool monitors = row->cell == MDCR_EL2 || row->cell == MDCR_EL3 || row->cell == SCR_EL3;
    u64 old = c->sys[row->cell], now = sysreg_cell_masked(c, row->cell, val);
    if (now == old && sysreg_same_is_nothing(row))
        return STEP_NEXT;
    if (monitors)
        pmu_sync(c);
    c->sys[row->cell] = now;
    sysreg_config_written(c, row->cell, old ^ now);
    if (!row->port && sysreg_cell_lazy(c, row->cell, old ^ now)) {
        context_lose(c);
        if (row->cell != HCR_EL2)
            return STEP_NEXT;
        c->hcr = now;
        return STEP_SYNC;
    }
    if (monitors)
        pmu_arm(c);
    enum step step = cell_changed(c, row->cell);
    if (row->port) {
        port_write(c, row->port - 1u, sr, c->sys[row->cell]);
        step = STEP_SYNC;
    }
    return step;
}

static enum step write_hook(struct cpu *c, unsigned sr, const struct sysreg_row *row, u64 val)
{
    switch ((enum sysreg_hook)row->hook) {
    case HOOK_NZCV: c->nzcv = (u32)(val & 0xf0000000u); return STEP_NEXT;
    case HOOK_DAIF: return set_daif(c, (unsigned)bits(val, 9, 6));
    case HOOK_SPSel: return set_spsel(c, val & 1);
    case HOOK_PAN: return set_pan(c, bit(val, P_PAN));
    case HOOK_UAO: return set_uao(c, bit(val, P_UAO));
    case HOOK_DIT: c->ps.dit = bit(val, P_DIT); return STEP_NEXT;
    case HOOK_SSBS: c->ps.ssbs = bit(val, P_SSBS); return STEP_NEXT;
    case HOOK_TCO: return set_tco(c, bit(val, P_TCO));
    case HOOK_ALLINT: return set_allint(c, bit(val, P_ALLINT));
    case HOOK_FPCR: c->fpcr = (u32)(val & fpcr_mask(c)); return STEP_SYNC;
    case HOOK_FPSR: c->fpsr = (u32)val & cpu_fpsr_mask(c); return STEP_NEXT;
    case HOOK_SP_EL0: cpu_set_sp(c, 0, val); return STEP_NEXT;
    case HOOK_SP_EL1: cpu_set_sp(c, 1, val); return STEP_NEXT;
    case HOOK_SP_EL2: cpu_set_sp(c, 2, val); return STEP_NEXT;
    case HOOK_SRE: {
        unsigned cell = cpu_secure_below_el3(c) ? ICC_SRE_EL1_S : ICC_SRE_EL1;
        c->sys[cell] = sysreg_cell_masked(c, cell, val) | 7;
        port_write(c, PORT_GIC, sr, c->sys[cell]);
        return STEP_SYNC;
    }
    case HOOK_RMR:
        if (!(val & 2))
            return STEP_NEXT;
        if (!c->env->warm_reset) {
            unimpl(c->env->log, "warm reset requested by %s", row->name);
            return STEP_NEXT;
        }
        cpu_lock(c);
        c->env->warm_reset(c->env->hook_arg, c);
        cpu_unlock(c);
        return STEP_JUMP;
    case HOOK_OSLAR: c->sys[OSLSR_EL1] = (c->sys[OSLSR_EL1] & ~2ull) | (val & 1) << 1; return STEP_NEXT;
    case HOOK_DBGCLAIM:
        if (sr == SR_DBGCLAIMSET_EL1)
            c->sys[DBGCLAIMCLR_EL1] |= val & 0xff;
        else
            c->sys[DBGCLAIMCLR_EL1] &= ~val;
        return STEP_NEXT;
    case HOOK_BRP:
        c->sys[row->cell] = sysreg_cell_masked(c, row->cell, val);
        return debug_update(c) ? STEP_SYNC : STEP_NEXT;
    case HOOK_ICH_HCR: return write_cell(c, sr, row, val);
    case HOOK_PMU: return pmu_write(c, sr, val);
    case HOOK_TLBI: return sysop_tlbi(c, sr, val);
    case HOOK_AT: return sysop_at(c, sr, val);
    case HOOK_DC: return sysop_dc(c, sr, val);
    case HOOK_IC: return sysop_ic(c, sr, val);
    case HOOK_ERX: return ras_write(c, sr, val);
    default: return STEP_NEXT; /* ZERO, DCC; RCTX: nothing is predicted */
    }
}

enum step sysreg_write_row(struct cpu *c, unsigned sr, u64 val)
{
    const struct sysreg_row *row = &sysreg_rows[sr];
    if (row->hook)
        return write_hook(c, sr, row, val);
    if (row->cell)
        return write_cell(c, sr, row, val);
    CHECK(row->port);
    port_write(c, row->port - 1u, sr, val);
    return STEP_SYNC;
}
