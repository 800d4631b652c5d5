/* A32 and T32 system instructions: status registers, CPS, exceptions, hints (DDI0487 F5.1). System registers:
 * aa32_cp.c. */
#include "core/bits.h"
#include "cpu/aa32.h"
#include "cpu/exception.h"
#include "cpu/exec.h"
#include "cpu/exec_a32.h"
#include "cpu/exec_util.h"
#include "cpu/fields.h"
#include "cpu/ras.h"

#define EXEC(name) enum step exec_##name(struct cpu *c, const struct op *o)

#define CPSR_READ 0xf8ff03dfu /* CPSR as MRS shows it: no IT, J, T, IL */

/* ---- MRS, MSR ------------------------------------------------------------------------------- */

EXEC(a32_mrs) /* y: SPSR */
{
    if (o->y) {
        unsigned cell = aa32_spsr_cell(c, c->ps.mode);
        return cell ? aa32_set(c, o->rd, (u32)c->sys[cell]) : exc_undefined(c);
    }
    u32 v = aa32_cpsr(c) & CPSR_READ & ~(1u << 20);
    return aa32_set(c, o->rd, c->ps.el ? v : v & 0xf80f021fu);
}

static enum step msr(struct cpu *c, const struct op *o, u32 val)
{
    if (!o->y) {
        aa32_cpsr_write(c, val, o->x, false);
        return STEP_SYNC;
    }
    unsigned cell = aa32_spsr_cell(c, c->ps.mode);
    if (!cell)
        return exc_undefined(c);
    u32 mask = 0;
    for (unsigned i = 0; i < 4; i++)
        mask |= bit(o->x, i) ? 0xffu << 8 * i : 0;
    c->sys[cell] = (c->sys[cell] & ~(u64)mask) | (val & mask);
    return STEP_NEXT;
}
EXEC(a32_msr_r) { return msr(c, o, (u32)c->x[o->rn]); }
EXEC(a32_msr_i) { return msr(c, o, (u32)o->imm); }

/* SYSm (x = M1:M): what a banked access names. False: UNPREDICTABLE or not of EL1. */
static bool banked(const struct cpu *c, const struct op *o, unsigned *slot, unsigned *cell)
{
    static const u8 modes[] = {AA32_IRQ, AA32_SVC, AA32_ABT, AA32_UND};
    unsigned m = o->x;
    bool m_low = m & 1;
    m = (unsigned)m_low << 4 | m >> 1; /* M:M1 */
    *slot = *cell = 0;
    if (c->ps.el == 0)
        return false;
    if (o->y) {
        unsigned mode = m == 14 ? AA32_FIQ : m >= 16 && m < 24 && !(m & 1) ? modes[(m - 16) >> 1] : 0u;
        *cell = mode ? aa32_spsr_cell(c, mode) : 0;
        return *cell && mode != c->ps.mode;
    }
    if (m < 7) {
        if (c->ps.mode == AA32_SYS || c->ps.mode == AA32_USR)
            return false;
        *slot = aa32_slot(c, AA32_USR, m + 8);
        return true;
    }
    if (m >= 8 && m < 15) {
        *slot = aa32_slot(c, AA32_FIQ, m);
        return c->ps.mode != AA32_FIQ;
    }
    if (m >= 16 && m < 24) {
        unsigned mode = modes[(m - 16) >> 1];
        *slot = aa32_slot(c, mode, m & 1 ? 13 : 14);
        return mode != c->ps.mode;
    }
    return false;
}

EXEC(a32_mrs_banked)
{
    unsigned slot, cell;
    if (!banked(c, o, &slot, &cell))
        return exc_undefined(c);
    return aa32_set(c, o->rd, (u32)(cell ? c->sys[cell] : c->x[slot]));
}

EXEC(a32_msr_banked)
{
    unsigned slot, cell;
    if (!banked(c, o, &slot, &cell))
        return exc_undefined(c);
    u32 v = (u32)c->x[o->rn];
    if (cell)
        c->sys[cell] = v;
    else
        c->x[slot] = v;
    return STEP_NEXT;
}

/* imod 2: enable, 3: disable; aif: A I F; mode if change */
static enum step cps(struct cpu *c, unsigned imod, unsigned aif, bool change, unsigned mode)
{
    if (c->ps.el == 0)
        return STEP_NEXT;
    u32 v = aa32_cpsr(c), bits = aif << 6;
    if (imod == 2)
        v &= ~bits;
    else if (imod == 3)
        v |= bits;
    if (change)
        v = (v & ~31u) | mode;
    aa32_cpsr_write(c, v, 3, false);
    return STEP_SYNC;
}
/* x: imod:M */
EXEC(a32_cps) { return cps(c, o->x >> 1, o->y, o->x & 1, (unsigned)o->imm); }
EXEC(t16_cps) { return cps(c, 2u | o->x, o->y, false, 0); }

EXEC(a32_setend)
{
    if (aa32_sctlr(c) & SCTLR_SED)
        return exc_undefined(c);
    c->ps.e = o->imm & 1;
    aa32_cpsr_write(c, aa32_cpsr(c), 0, false);
    return STEP_SYNC;
}

EXEC(a32_setpan)
{
    if (c->ps.el == 0)
        return STEP_NEXT;
    c->ps.pan = o->imm & 1;
    aa32_cpsr_write(c, 0, 0, false);
    return STEP_SYNC;
}

/* ---- exceptions ----------------------------------------------------------------------------- */

/* The IT state advances before a call is taken. */
static void call_advances(struct cpu *c)
{
    if (c->ps.it)
        aa32_it_advance(c);
}

EXEC(a32_svc)
{
    call_advances(c);
    return exc_svc(c, (u16)o->imm);
}
EXEC(a32_hvc)
{
    u8 it = c->ps.it;
    if (c->ps.el == 0)
        return exc_undefined(c);
    call_advances(c);
    u64 n = c->exceptions;
    enum step s = exc_hvc(c, (u16)o->imm);
    if (c->exceptions == n)
        c->ps.it = it;
    return s;
}
EXEC(a32_smc)
{
    (void)o;
    return exc_smc(c, 0);
}
EXEC(a32_bkpt) { return exc_brk(c, (u16)o->imm); }

static enum step exception_return(struct cpu *c, u32 to)
{
    unsigned cell = aa32_spsr_cell(c, c->ps.mode);
    return c->ps.el && cell ? aa32_return(c, to, (u32)c->sys[cell]) : exc_undefined(c);
}
EXEC(a32_eret)
{
    (void)o;
    return exception_return(c, (u32)c->x[14]);
}
EXEC(t32_subs_pc) { return exception_return(c, (u32)(c->x[14] - o->imm)); }

/* ---- hints ---------------------------------------------------------------------------------- */

EXEC(a32_hint)
{
    static const struct op plain = {0};
    switch (o->imm) {
    case 1: return exec_yield(c, &plain);
    case 2: return exec_wfe(c, &plain);
    case 3: return exec_wfi(c, &plain);
    case 4: return exec_sev(c, &plain);
    case 5: return exec_sevl(c, &plain);
    case 16: return cpu_has(c, FEAT_RAS) ? ras_esb(c) : STEP_NEXT;
    default: return STEP_NEXT;
    }
}
