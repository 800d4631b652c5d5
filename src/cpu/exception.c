/* Taking exceptions to AArch64 state and returning from them: DDI0487 D1.3, pseudocode
 * AArch64.TakeException, AArch64.Abort, AArch64.ExceptionReturn and their kin.
 *
 * Exceptions to AArch32 state: aa32.c. Debug exceptions but BRK and watchpoints: debug.c.
 * Invariant: every path that changes EL goes through cpu_set_el(), so SP banking and the memory
 * contexts follow. */
#include "cpu/exception.h"

#include "core/bits.h"
#include "cpu/aa32.h"
#include "cpu/context.h"
#include "cpu/cpu.h"
#include "cpu/debug.h"
#include "cpu/fields.h"
#include "cpu/pmu.h"
#include "mmu/fault.h"

#define ESR_IL (1u << 25)

static const struct {
    u16 esr, far, elr, spsr, vbar, sctlr;
} el_cell[4] = {
    [1] = {ESR_EL1, FAR_EL1, ELR_EL1, SPSR_EL1, VBAR_EL1, SCTLR_EL1},
    [2] = {ESR_EL2, FAR_EL2, ELR_EL2, SPSR_EL2, VBAR_EL2, SCTLR_EL2},
    [3] = {ESR_EL3, FAR_EL3, ELR_EL3, SPSR_EL3, VBAR_EL3, SCTLR_EL3},
};

static bool in_host(const struct cpu *c) /* ELIsInHost(EL0): EL2 with E2H and TGE */
{
    return (c->hcr & (HCR_E2H | HCR_TGE)) == (HCR_E2H | HCR_TGE);
}

/* The EL that an exception aimed at "EL1 or higher" goes to. */
static unsigned target_el1(const struct cpu *c)
{
    if (c->ps.el >= 2)
        return c->ps.el;
    return c->ps.el == 0 && (c->hcr & HCR_TGE) ? 2 : 1;
}

/* Everything that all exceptions do to PSTATE; ESR_ELx is written already. */
static u64 enter(struct cpu *c, unsigned el, u64 ret, enum exc_kind kind)
{
    static const u16 offsets[] = {[EXC_SYNC] = 0, [EXC_IRQ] = 0x80, [EXC_FIQ] = 0x100, [EXC_SERROR] = 0x180};
    if (UNLIKELY(c->pmu_on))
        pmu_exception(c, el, kind, c->sys[el_cell[el].esr]);
    u64 spsr = cpu_get_spsr(c);
    u64 vector = c->sys[el_cell[el].vbar] & ~0x7ffull;
    if (el > c->ps.el)
        vector += c->ps.nrw ? 0x600 : 0x400;
    else if (c->ps.sp)
        vector += 0x200;
    /* A guest hypervisor at EL1 sees EL2 in SPSR_EL1 (FEAT_NV: NV without NV1, FEAT_NV2: all set). */
    u64 nv = c->hcr & (HCR_NV | HCR_NV1 | HCR_NV2);
    if (el == 1 && c->ps.el == 1 && ((nv & (HCR_NV | HCR_NV1)) == HCR_NV || nv == (HCR_NV | HCR_NV1 | HCR_NV2)))
        spsr = deposit(spsr, 3, 2, 2);
    c->sys[el_cell[el].spsr] = spsr;
    c->sys[el_cell[el].elr] = ret;

    u64 sctlr = c->sys[el_cell[el].sctlr];
    if (UNLIKELY(c->ps.nrw))
        aa32_leave(c);
    cpu_set_el(c, el, 1);
    c->ps.daif = 0xf;
    c->ps.btype = 0;
    c->ps.il = false;
    c->ps.ss = false;
    c->stepped = STEPPED_NOTHING;
    c->ps.uao = false;
    if (cpu_has(c, FEAT_PAN) && !(sctlr & SCTLR_SPAN) && (el == 1 || (el == 2 && in_host(c))))
        c->ps.pan = true;
    c->ps.ssbs = cpu_has(c, FEAT_SSBS) && (sctlr & SCTLR_DSSBS);
    c->ps.tco = cpu_has(c, FEAT_MTE2);
    c->pc = vector + offsets[kind];
    c->exceptions++;
    cpu_recheck(c);
    return c->pc;
}

static void report(struct cpu *c, enum exc_kind kind, bool virt, unsigned from, u64 ret)
{
    if (!c->env->on_exception)
        return;
    unsigned el = c->ps.el;
    struct exc_info info = {(u8)kind,
                            virt,
                            (u8)from,
                            (u8)el,
                            c->sys[el_cell[el].esr],
                            c->sys[el_cell[el].far],
                            el == 2 ? c->sys[HPFAR_EL2] : 0,
                            ret,
                            c->pc};
    c->env->on_exception(c->env->hook_arg, c, &info);
}

/* A synchronous exception or SError with its syndrome. */
static enum step take(struct cpu *c, enum exc_kind kind, unsigned el, u64 esr, u64 ret)
{
    unsigned from = c->ps.el;
    c->sys[el_cell[el].esr] = esr;
    enter(c, el, ret, kind);
    report(c, kind, false, from, ret);
    return STEP_JUMP;
}

static u64 syndrome(unsigned ec, u32 iss) { return (u64)ec << 26 | ESR_IL | iss; }

/* ESR_ELx.IL is 0 for 16-bit instructions, where the exception is of the instruction. */
static u64 il_of(const struct cpu *c, unsigned ec)
{
    bool always = ec == EC_UNKNOWN || ec == EC_ILLEGAL || ec == EC_PC_ALIGN || ec == EC_IABT_LOW ||
                  ec == EC_BREAK_LOW || ec == EC_STEP_LOW || ec == EC_WATCH_LOW || ec == EC_SERROR;
    return c->ps.nrw && c->insn_len == 2 && !always ? 0 : ESR_IL;
}

static enum step take_sync(struct cpu *c, unsigned el, unsigned ec, u32 iss)
{
    u64 esr = (syndrome(ec, iss) & ~(u64)ESR_IL) | il_of(c, ec);
    /* a data abort without a valid instruction syndrome has IL = 1 */
    if (ec == EC_DABT_LOW && !bit(iss, 24))
        esr |= ESR_IL;
    return take(c, EXC_SYNC, el, esr, c->pc);
}

/* Is the exception one for EL1 in AArch32 state? */
static bool to_aa32(const struct cpu *c, unsigned el) { return UNLIKELY(c->ps.nrw) && el == 1 && aa32_el1(c); }

enum step exc_undefined(struct cpu *c) { return exc_trap_el1(c, EC_UNKNOWN, 0); }

enum step exc_trap(struct cpu *c, unsigned el, unsigned ec, u32 iss)
{
    return to_aa32(c, el) ? aa32_take_und(c) : take_sync(c, el, ec, iss);
}

enum step exc_trap_el1(struct cpu *c, unsigned ec, u32 iss) { return exc_trap(c, target_el1(c), ec, iss); }

enum step exc_illegal_state(struct cpu *c) { return exc_trap_el1(c, EC_ILLEGAL, 0); }

enum step exc_bti(struct cpu *c) { return take_sync(c, target_el1(c), EC_BTI, c->ps.btype); }

enum step exc_sp_alignment(struct cpu *c) { return take_sync(c, target_el1(c), EC_SP_ALIGN, 0); }

enum step exc_pc_alignment(struct cpu *c, u64 va)
{
    unsigned el = target_el1(c);
    if (to_aa32(c, el)) {
        const struct fault f = {.type = FAULT_ALIGNMENT, .stage = 1, .va = va};
        return aa32_take_abort(c, &f, true, false);
    }
    c->sys[el_cell[el].far] = va;
    return take_sync(c, el, EC_PC_ALIGN, 0);
}

/* ---- calls ---------------------------------------------------------------------------------- */

enum step exc_svc(struct cpu *c, u16 imm)
{
    unsigned el = target_el1(c);
    if (to_aa32(c, el))
        return aa32_take_svc(c);
    return take(c, EXC_SYNC, el, (syndrome(c->ps.nrw ? EC_SVC32 : EC_SVC64, imm) & ~(u64)ESR_IL) | il_of(c, EC_SVC64),
                c->pc + cpu_insn_length(c));
}

static bool firmware_call(struct cpu *c, bool hvc)
{
    if (!c->env->firmware_call)
        return false;
    cpu_lock(c);
    bool done = c->env->firmware_call(c->env->hook_arg, c, hvc);
    cpu_unlock(c);
    return done;
}

/* AArch64.CheckForSMCUndefOrTrap's counterpart for HVC, then AArch64.CallHypervisor. */
enum step exc_hvc(struct cpu *c, u16 imm)
{
    bool enabled = cpu_has_el3(c) ? (c->sys[SCR_EL3] & SCR_HCE) != 0 : !(c->sys[HCR_EL2] & HCR_HCD);
    if (c->ps.el != 0 && cpu_has_el2(c) && (c->ps.el >= 2 || cpu_el2_enabled(c)) && enabled)
        return take(c, EXC_SYNC, c->ps.el == 3 ? 3 : 2, syndrome(c->ps.nrw ? EC_HVC32 : EC_HVC64, imm),
                    c->pc + cpu_insn_length(c));
    if (c->ps.el != 0 && !cpu_has_el2(c) && firmware_call(c, true))
        return STEP_SYNC;
    return exc_undefined(c);
}

enum step exc_smc(struct cpu *c, u16 imm)
{
    if (c->ps.el == 0)
        return exc_undefined(c);
    if (c->ps.el == 1 && (c->hcr & HCR_TSC))
        return take_sync(c, 2, c->ps.nrw ? EC_SMC32 : EC_SMC64, c->ps.nrw ? 1u << 19 | aa32_cond_iss(c) : imm);
    if (!cpu_has_el3(c) || (c->sys[SCR_EL3] & SCR_SMD)) {
        if (firmware_call(c, false))
            return STEP_SYNC;
        return exc_undefined(c);
    }
    if (c->ps.nrw)
        return take(c, EXC_SYNC, 3, syndrome(EC_SMC32, 1u << 19 | aa32_cond_iss(c)), c->pc + cpu_insn_length(c));
    return take(c, EXC_SYNC, 3, syndrome(EC_SMC64, imm), c->pc + cpu_insn_length(c));
}

enum step exc_brk(struct cpu *c, u16 imm)
{
    unsigned el = target_el1(c);
    if (c->ps.el <= 1 && cpu_el2_enabled(c) && ((c->hcr & HCR_TGE) || (c->sys[MDCR_EL2] & MDCR_TDE)))
        el = 2;
    if (to_aa32(c, el))
        return aa32_take_bkpt(c);
    return take_sync(c, el, c->ps.nrw ? EC_BKPT32 : EC_BRK, imm);
}

/* AArch64.CheckFPAdvSIMDEnabled and AArch64.AdvSIMDFPAccessTrap. */
enum step exc_fp_access(struct cpu *c)
{
    const u32 ISS = c->ps.nrw ? aa32_cond_iss(c) : 1u << 24 | 0xeu << 20; /* CV = 1, COND = AL */
    unsigned el = c->ps.el;
    if (el <= 1 && !in_host(c)) {
        unsigned fpen = (unsigned)bits(c->sys[CPACR_EL1], 21, 20);
        if (!(fpen & 1) || (fpen == 1 && el == 0)) {
            if (c->hcr & HCR_TGE)
                return take_sync(c, 2, EC_UNKNOWN, 0);
            return exc_trap(c, 1, EC_FPSIMD, ISS);
        }
    }
    if (el <= 2 && (cpu_el2_enabled(c) || el == 2)) {
        u64 cptr = c->sys[CPTR_EL2];
        bool trapped;
        if (c->sys[HCR_EL2] & HCR_E2H) {
            unsigned fpen = (unsigned)bits(cptr, 21, 20);
            bool tge = (c->hcr & HCR_TGE) != 0;
            trapped = !(fpen & 1) ? !(el == 1 && tge) : fpen == 1 && el == 0 && tge;
        } else {
            trapped = bit(cptr, 10);
        }
        if (trapped)
            return take_sync(c, 2, EC_FPSIMD, ISS);
    }
    return take_sync(c, 3, EC_FPSIMD, ISS); /* CPTR_EL3.TFP */
}

/* ---- aborts --------------------------------------------------------------------------------- */

u8 fault_status(const struct fault *f)
{
    unsigned level = (unsigned)(f->level & 3);
    switch (f->type) {
    case FAULT_ADDRESS_SIZE: return f->level < 0 ? 0x29 : (u8)(0x00 | level);
    case FAULT_TRANSLATION: return f->level < 0 ? 0x2b : (u8)(0x04 | level);
    case FAULT_ACCESS_FLAG: return (u8)(0x08 | level);
    case FAULT_PERMISSION: return (u8)(0x0c | level);
    case FAULT_EXTERNAL: return 0x10;
    case FAULT_TAG_CHECK: return 0x11;
    case FAULT_EXTERNAL_TTW: return f->level < 0 ? 0x13 : (u8)(0x14 | level);
    case FAULT_ALIGNMENT: return 0x21;
    case FAULT_DEBUG: return 0x22;
    case FAULT_DOMAIN: return (u8)(0x3c | level); /* of the 64-bit PAR_EL1; short formats: aa32.c */
    case FAULT_TLB_CONFLICT: return 0x30;
    case FAULT_UNSUPP_ATOMIC: return 0x31;
    case FAULT_EXCLUSIVE: return 0x35;
    default: return 0;
    }
}

/* AArch64.Abort's choice of target. */
static unsigned abort_target(const struct cpu *c, const struct fault *f)
{
    bool external = f->type == FAULT_EXTERNAL || f->type == FAULT_EXTERNAL_TTW;
    if (external && cpu_has_el3(c) && (c->sys[SCR_EL3] & SCR_EA))
        return 3;
    if (c->ps.el <= 1 && cpu_el2_enabled(c) && (f->stage == 2 || (external && (c->hcr & HCR_TEA)) || f->vncr))
        return 2;
    return c->ps.el <= 1 && (c->hcr & HCR_TGE) ? 2 : target_el1(c);
}

/* FAR_ELx and, for stage 2, HPFAR_EL2:  63 NS | 43:4 IPA[51:12] */
static void set_fault_address(struct cpu *c, unsigned el, const struct fault *f)
{
    c->sys[el_cell[el].far] = f->va;
    if (el == 2 && f->ipa_valid)
        c->sys[HPFAR_EL2] = (bits(f->ipa, 55, 12) << 4) | (u64)(f->ipa_ns && cpu_secure(c)) << 63;
}

/* ISS[24:14] of a stage 2 data abort, from the instruction at pc (LSInstructionSyndrome). */
static u32 instruction_syndrome(struct cpu *c)
{
    struct op o;
    unsigned flags, rt;
    if (UNLIKELY(c->ps.nrw)) {
        struct aa32_insn i;
        flags = aa32_current(c, &i) ? aa32_row(&i)->flags : 0u;
        o = i.op;
        rt = aa32_x_number(c, o.rd);
        if ((flags & A64_ISV) && o.rd == REG_PC)
            return 0;
    } else {
        o = cpu_current_op(c);
        flags = a64_rows[o.row].flags;
        rt = o.rd == REG_SINK ? 31 : o.rd;
    }
    if (!(flags & A64_ISV))
        return 0;
    return 1u << 24 | (flags >> 6 & 3) << 22 | (u32)((flags & A64_SSE) != 0) << 21 | rt << 16 |
           (u32)((flags & A64_SF) != 0) << 15 | (u32)((flags & A64_AR) != 0) << 14;
}

/* AArch64.WatchpointException. An access through VNCR_EL2 is EL2's. */
static enum step watchpoint(struct cpu *c, const struct fault *f, u32 iss)
{
    unsigned el = f->vncr ? 2 : debug_target(c);
    if (to_aa32(c, el))
        return aa32_take_abort(c, f, false, bit(iss, 8));
    c->sys[el_cell[el].far] = f->va;
    iss |= (u32)f->vncr << 13 | (u32)f->write << 6 | fault_status(f);
    return take_sync(c, el, el > c->ps.el && !f->vncr ? EC_WATCH_LOW : EC_WATCH_SAME, iss);
}

static enum step data_abort(struct cpu *c, const struct fault *f, u32 iss)
{
    if (f->type == FAULT_DEBUG)
        return watchpoint(c, f, iss);
    unsigned el = abort_target(c, f);
    if (to_aa32(c, el))
        return aa32_take_abort(c, f, false, bit(iss, 8));
    set_fault_address(c, el, f);
    iss |= (u32)f->vncr << 13 | (u32)f->s1ptw << 7 | (u32)f->write << 6 | fault_status(f);
    /* A VNCR_EL2 access counts as EL2's own: no change of Exception level is reported. */
    return take_sync(c, el, el > c->ps.el && !f->vncr ? EC_DABT_LOW : EC_DABT_SAME, iss);
}

enum step exc_data_abort(struct cpu *c, const struct fault *f)
{
    bool isv = f->stage == 2 && !f->s1ptw && !f->vncr;
    return data_abort(c, f, isv ? instruction_syndrome(c) : 0);
}

enum step exc_cm_abort(struct cpu *c, const struct fault *f)
{
    struct fault w = *f;
    w.write = true;
    return data_abort(c, &w, 1u << 8);
}

enum step exc_insn_abort(struct cpu *c, const struct fault *f)
{
    unsigned el = abort_target(c, f);
    if (to_aa32(c, el))
        return aa32_take_abort(c, f, true, false);
    set_fault_address(c, el, f);
    return take_sync(c, el, el > c->ps.el ? EC_IABT_LOW : EC_IABT_SAME, (u32)f->s1ptw << 7 | fault_status(f));
}

/* ---- asynchronous exceptions ---------------------------------------------------------------- */

/* Where a physical interrupt goes: SCR_EL3.{EA,IRQ,FIQ}, HCR_EL2.{AMO,IMO,FMO,TGE}. */
static unsigned physical_target(const struct cpu *c, u64 scr_bit, u64 hcr_bit)
{
    if (cpu_has_el3(c) && (c->sys[SCR_EL3] & scr_bit))
        return 3;
    if (cpu_el2_enabled(c) && (c->hcr & (HCR_TGE | hcr_bit)))
        return 2;
    /* Not routed to EL2: an interrupt taken while at EL2 targets EL1 and stays pending. */
    return 1;
}

/* Masked by PSTATE and the current EL (DDI0487 D1.3.6, asynchronous exception masking). */
static bool physical_taken(const struct cpu *c, unsigned target, unsigned mask)
{
    if (target < c->ps.el)
        return false;
    if (target == c->ps.el || target == 1)
        return !(c->ps.daif & mask);
    if (target == 2 && in_host(c))
        return !(c->ps.daif & mask);
    return true;
}

static const struct {
    u8 phys, virt, mask, kind;
    u64 scr, mo, v;
} async[3] = {
    /* in the order in which they are looked at */
    {CPU_SERROR, 0, DAIF_A, EXC_SERROR, SCR_EA, HCR_AMO, HCR_VSE},
    {CPU_FIQ, CPU_VFIQ, DAIF_F, EXC_FIQ, SCR_FIQ, HCR_FMO, HCR_VF},
    {CPU_IRQ, CPU_VIRQ, DAIF_I, EXC_IRQ, SCR_IRQ, HCR_IMO, HCR_VI},
};

static bool virtual_pending(const struct cpu *c, unsigned i)
{
    return (c->hcr & async[i].mo) && !(c->hcr & HCR_TGE) && cpu_el2_enabled(c) &&
           ((c->hcr & async[i].v) || (i > 0 && cpu_get_input(c, async[i].virt)));
}

static void take_interrupt(struct cpu *c, unsigned i, bool virt, unsigned el)
{
    unsigned from = c->ps.el;
    u64 ret = c->pc;
    if (async[i].kind == EXC_SERROR) {
        u32 iss = 0;
        if (virt) {
            c->sys[HCR_EL2] &= ~HCR_VSE;
            c->hcr &= ~HCR_VSE;
            if (cpu_has(c, FEAT_RAS))
                iss = (u32)(c->sys[VSESR_EL2] & 0x1ffffff);
        } else {
            cpu_set_input(c, CPU_SERROR, false);
            iss = (u32)c->sys[SERROR_ISS];
            c->sys[SERROR_ISS] = 0;
        }
        if (!to_aa32(c, el))
            c->sys[el_cell[el].esr] = syndrome(EC_SERROR, iss);
    }
    if (to_aa32(c, el)) {
        aa32_take_interrupt(c, async[i].kind);
        return;
    }
    enter(c, el, ret, (enum exc_kind)async[i].kind);
    report(c, (enum exc_kind)async[i].kind, virt, from, ret);
}

bool exc_interrupts(struct cpu *c)
{
    for (unsigned i = 0; i < ARRAY_LEN(async); i++) {
        if (cpu_get_input(c, async[i].phys)) {
            unsigned el = physical_target(c, async[i].scr, async[i].mo);
            if (physical_taken(c, el, async[i].mask)) {
                take_interrupt(c, i, false, el);
                return true;
            }
        }
        if (c->ps.el <= 1 && !(c->ps.daif & async[i].mask) && virtual_pending(c, i)) {
            take_interrupt(c, i, true, 1);
            return true;
        }
    }
    return false;
}

/* WFI wake-up events (DDI0487 D1.6.2): PSTATE masks do not count. */
bool exc_wake(struct cpu *c)
{
    for (unsigned i = 0; i < ARRAY_LEN(async); i++)
        if (cpu_get_input(c, async[i].phys) || (c->ps.el <= 1 && virtual_pending(c, i)))
            return true;
    return false;
}

/* ---- exception return ----------------------------------------------------------------------- */

/* IllegalExceptionReturn. */
static bool illegal_return(const struct cpu *c, u64 spsr)
{
    unsigned el = (unsigned)bits(spsr, 3, 2);
    if (bit(spsr, 4))
        return aa32_illegal_return(c, spsr);
    if (el <= 1 && c->ps.el > 1 && aa32_el1(c)) /* EL1, and EL0 with it, is AArch32 */
        return true;
    if (bit(spsr, 1) || (el == 0 && bit(spsr, 0))) /* AArch32, reserved, EL0h */
        return true;
    if (el > c->ps.el)
        return true;
    if (el == 2 && !(cpu_has_el2(c) && (cpu_el2_enabled(c) || c->ps.el == 2)))
        return true;
    return el == 1 && (c->hcr & HCR_TGE) && cpu_el2_enabled(c);
}

enum step exc_eret(struct cpu *c, u64 target)
{
    if (c->ps.el == 0)
        return exc_undefined(c);
    u64 spsr = c->sys[el_cell[c->ps.el].spsr];
    if (illegal_return(c, spsr)) {
        /* EL and SP stay, PSTATE.IL is set, the rest comes from SPSR. */
        spsr = deposit(spsr, 4, 0, (u64)c->ps.el << 2 | c->ps.sp) | 1u << 20;
    }
    c->stepped = STEPPED_NOTHING; /* a step that is pending by the return has no syndrome of an instruction */
    if (!debug_return_ss(c, spsr))
        spsr &= ~(1ull << 21);
    if (UNLIKELY(c->pmu_on))
        pmu_return(c);
    cpu_set_spsr(c, spsr);
    if (c->ps.nrw)
        c->pc = (u32)target & (c->ps.t ? ~1u : ~3u);
    else
        c->pc = context_branch_addr(c, target);
    c->monitor.valid = false;
    cpu_send_event(c);
    return STEP_JUMP;
}
