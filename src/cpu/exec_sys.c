/* System instructions (DDI0487 C5, C6.2): hints, exception generation and return, PSTATE, MSR/MRS and
 * SYS.  What an access to a system register does stands in sysreg.def, not here.
 *
 * With one host thread memory is sequentially consistent and decoded code follows every store, so barriers other than
 * ISB are nothing; in parallel mode (docs/parallel.md) they order stores before loads, and DSB waits for what was
 * broadcast. ISB makes the engine resolve contexts.  Halting debug does not exist: HLT and DCPS are
 * UNDEFINED. */
#include "cpu/exec_sys.h"

#include "core/clock.h"
#include "core/log.h"
#include "cpu/aa32.h"
#include "cpu/cpu.h"
#include "cpu/exception.h"
#include "cpu/exec.h"
#include "cpu/exec_flags.h"
#include "cpu/exec_util.h"
#include "cpu/fields.h"
#include "cpu/ras.h"
#include "cpu/sysreg_row.h"

#define EXEC(name) enum step exec_##name(struct cpu *c, const struct op *o)

EXEC(nop)
{
    (void)c;
    (void)o;
    return STEP_NEXT;
}

/* LD and ST forms (CRm<1:0> = 1, 2) ask for nothing that the host does not do. */
EXEC(dmb)
{
    if ((o->x & 3) % 3 == 0)
        cpu_fence(c);
    return STEP_NEXT;
}

EXEC(dsb)
{
    (void)o;
    cpu_fence(c);
    if (UNLIKELY(c->par != NULL))
        par_settle(c);
    return STEP_NEXT;
}

EXEC(isb)
{
    (void)c;
    (void)o;
    return STEP_SYNC;
}

EXEC(clrex)
{
    (void)o;
    c->monitor.valid = false;
    return STEP_NEXT;
}

/* ---- waiting -------------------------------------------------------------------------------- */

/* ISS of EC_WFX: CV, COND = always, RN and RV for the forms with a register, TI. */
enum wfx { WFX_WFI, WFX_WFE, WFX_WFIT, WFX_WFET };

static u32 wfx_iss(const struct cpu *c, const struct op *o, enum wfx ti)
{
    u32 rn = ti >= WFX_WFIT ? (u32)(o->rd & 31) << 5 | 1u << 2 : 0;
    return (c->ps.nrw ? aa32_cond_iss(c) : 1u << 24 | 0xeu << 20) | rn | ti;
}

/* AArch64.CheckForWFxTrap for EL1, EL2 and EL3 in that order. True: the trap was taken. */
static bool wfx_trap(struct cpu *c, const struct op *o, enum wfx ti)
{
    bool wfe = ti & 1;
    u32 iss = wfx_iss(c, o, ti);
    if (c->ps.el == 0 && !(exec_sctlr(c) & (wfe ? SCTLR_nTWE : SCTLR_nTWI))) {
        exc_trap_el1(c, EC_WFX, iss);
        return true;
    }
    if (c->ps.el < 2 && cpu_el2_enabled(c) && (c->hcr & (wfe ? HCR_TWE : HCR_TWI))) {
        exc_trap(c, 2, EC_WFX, iss);
        return true;
    }
    if (c->ps.el < 3 && cpu_has_el3(c) && (c->sys[SCR_EL3] & (wfe ? SCR_TWE : SCR_TWI))) {
        exc_trap(c, 3, EC_WFX, iss);
        return true;
    }
    return false;
}

EXEC(yield)
{
    (void)o;
    slice_end(&c->slice);
    return STEP_SYNC;
}

EXEC(wfi)
{
    if (cpu_wakeup_pending(c))
        return STEP_SYNC;
    if (wfx_trap(c, o, WFX_WFI))
        return STEP_JUMP;
    cpu_set_run(c, CPU_WFI);
    return STEP_SYNC;
}

/* A live monitor: another CPU may be about to clear it, which would be the wake-up event; the slice
 * ends and the CPU switch clears it (in parallel mode nobody sees it: the scheduler waits a little). */
static enum step wait_for_event(struct cpu *c)
{
    if (c->monitor.valid)
        slice_end(&c->slice);
    else
        cpu_set_run(c, CPU_WFE);
    return STEP_SYNC;
}

EXEC(wfe)
{
    if (cpu_take_event(c))
        return STEP_SYNC;
    if (wfx_trap(c, o, WFX_WFE))
        return STEP_JUMP;
    return wait_for_event(c);
}

EXEC(sev)
{
    (void)o;
    cpu_lock(c);
    for (unsigned k = 0; k < c->env->count; k++)
        cpu_send_event(c->env->cpus[k]);
    cpu_unlock(c);
    return STEP_SYNC;
}

EXEC(sevl)
{
    (void)o;
    c->event_register = true;
    return STEP_NEXT;
}

/* Sleeps until CNTVCT_EL0 reaches val at the latest. */
static enum step wait_until(struct cpu *c, u64 val, enum cpu_run how)
{
    const struct port *p = &c->ports[PORT_TIMER];
    struct port_txn x = sysreg_port_txn(c);
    u64 count = p->read ? p->read(p->arg, SR_CNTVCT_EL0, &x) : ~0ull;
    if (count >= val || !c->cfg.cntfrq)
        return STEP_SYNC;
    u128 ns = ((u128)(val - count) * 1000000000 + c->cfg.cntfrq - 1) / c->cfg.cntfrq;
    u64 now = clock_now(c->env->clock);
    cpu_lock(c);
    c->wake_at = ns > ~0ull - now ? ~0ull : now + (u64)ns;
    c->wake_due = false;
    if (c->wake_at != ~0ull)
        clock_schedule(c->env->clock, &c->wake, c->wake_at);
    cpu_set_run(c, how);
    cpu_unlock(c);
    return STEP_SYNC;
}

EXEC(wfit)
{
    if (cpu_wakeup_pending(c))
        return STEP_SYNC;
    if (wfx_trap(c, o, WFX_WFIT))
        return STEP_JUMP;
    return wait_until(c, c->x[o->rd], CPU_WFI);
}

EXEC(wfet)
{
    if (cpu_take_event(c))
        return STEP_SYNC;
    if (wfx_trap(c, o, WFX_WFET))
        return STEP_JUMP;
    if (c->monitor.valid)
        return wait_for_event(c);
    return wait_until(c, c->x[o->rd], CPU_WFE);
}

EXEC(esb) { return (void)o, ras_esb(c); }

/* ---- exceptions ----------------------------------------------------------------------------- */

EXEC(hvc) { return exc_hvc(c, (u16)o->imm); }
EXEC(smc) { return exc_smc(c, (u16)o->imm); }
EXEC(brk) { return exc_brk(c, (u16)o->imm); }

EXEC(hlt)
{
    enum semihosting s = SEMIHOSTING_NONE;
    if (o->imm == 0xf000 && c->env->semihosting) {
        cpu_lock(c);
        s = c->env->semihosting(c->env->hook_arg, c);
        cpu_unlock(c);
    }
    return s == SEMIHOSTING_SERVED ? STEP_SYNC : s == SEMIHOSTING_AGAIN ? STEP_JUMP : exc_undefined(c);
}

/* Fine-grained trap bit of HFGITR_EL2 in force for the current EL. */
static bool fgt_trapped(const struct cpu *c, unsigned n)
{
    if (!cpu_has(c, FEAT_FGT) || c->ps.el > 1 || !cpu_el2_enabled(c) || !bit(c->sys[HFGITR_EL2], n))
        return false;
    if (cpu_has_el3(c) && !(c->sys[SCR_EL3] & SCR_FGTEn))
        return false;
    return c->ps.el == 1 || (c->hcr & (HCR_E2H | HCR_TGE)) != (HCR_E2H | HCR_TGE);
}
enum { HFGITR_ERET = 51, HFGITR_SVC_EL0 = 52, HFGITR_SVC_EL1 = 53 };

EXEC(svc)
{
    if (UNLIKELY(fgt_trapped(c, c->ps.el ? HFGITR_SVC_EL1 : HFGITR_SVC_EL0)))
        return exc_trap(c, 2, EC_SVC64, (u16)o->imm);
    return exc_svc(c, (u16)o->imm);
}

bool exec_eret_trapped(struct cpu *c, u32 iss)
{
    if (c->ps.el != 1 || !((c->hcr & HCR_NV) || fgt_trapped(c, HFGITR_ERET)))
        return false;
    exc_trap(c, 2, EC_ERET, iss);
    return true;
}

enum step exec_eret_to(struct cpu *c, u64 target)
{
    enum step s = exc_eret(c, target);
    c->fetch_page = ~0ull; /* an illegal return sets PSTATE.IL */
    c->irq_check = true;
    return s;
}

EXEC(eret)
{
    (void)o;
    static const u16 elr[] = {[1] = ELR_EL1, [2] = ELR_EL2, [3] = ELR_EL3};
    if (c->ps.el == 0)
        return exc_undefined(c);
    if (exec_eret_trapped(c, 0))
        return STEP_JUMP;
    return exec_eret_to(c, c->sys[elr[c->ps.el]]);
}

/* ---- PSTATE --------------------------------------------------------------------------------- */

EXEC(msr_imm) { return sysreg_msr_imm(c, o->x, o->y, (unsigned)o->imm); }

EXEC(cfinv)
{
    (void)o;
    c->nzcv ^= FLAG_C;
    return STEP_NEXT;
}

/* From the flags of a float comparison to those of an alternative format, and back. */
EXEC(xaflag)
{
    (void)o;
    bool z = c->nzcv & FLAG_Z, cc = c->nzcv & FLAG_C;
    c->nzcv = (!cc && !z ? FLAG_N : 0) | (z && cc ? FLAG_Z : 0) | (cc || z ? FLAG_C : 0) | (!cc && z ? FLAG_V : 0);
    return STEP_NEXT;
}

EXEC(axflag)
{
    (void)o;
    bool z = c->nzcv & FLAG_Z, cc = c->nzcv & FLAG_C, v = c->nzcv & FLAG_V;
    c->nzcv = (z || v ? FLAG_Z : 0) | (cc && !v ? FLAG_C : 0);
    return STEP_NEXT;
}

/* ---- system registers and operations -------------------------------------------------------- */

EXEC(mrs) { return sysreg_mrs(c, o); }
EXEC(msr) { return sysreg_msr(c, o); }
EXEC(sys) { return sysreg_msr(c, o); }
EXEC(sysl) { return sysreg_mrs(c, o); }
