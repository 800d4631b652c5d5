/* AArch32 modes, PSTATE, exceptions to and returns from AArch32 at EL1 (DDI0487 D1.20, G1.9-G1.16; pseudocode
 * AArch32.EnterMode, AArch32.WriteModeByPSR, AArch32.Abort, AArch32.ExceptionReturn).
 *
 * Not modelled: Hyp and Monitor mode (EL2 and EL3 are AArch64 only), Jazelle, halting debug.
 * Invariants: x[] holds 32-bit values in AArch32 state; banked registers of other modes are where AArch64 sees them,
 * except that those of the current mode have changed places with User mode's. */
#include "cpu/aa32.h"

#include "core/bits.h"
#include "core/check.h"
#include "cpu/context.h"
#include "cpu/debug.h"
#include "cpu/exception.h"
#include "cpu/fields.h"
#include "cpu/sysreg_row.h"
#include "mmu/fault.h"

#define SCTLR_V  (1ull << 13)
#define SCTLR_TE (1ull << 30)

bool aa32_el1(const struct cpu *c)
{
    if (!cpu_has(c, FEAT_AA32EL1) || (c->hcr & (HCR_E2H | HCR_TGE)) == (HCR_E2H | HCR_TGE))
        return false;
    if (cpu_el2_enabled(c))
        return !(c->sys[HCR_EL2] & HCR_RW);
    return cpu_has_el3(c) && !(c->sys[SCR_EL3] & SCR_RW);
}

bool aa32_mode_valid(unsigned mode)
{
    switch (mode) {
    case AA32_USR:
    case AA32_FIQ:
    case AA32_IRQ:
    case AA32_SVC:
    case AA32_ABT:
    case AA32_UND:
    case AA32_SYS: return true;
    default: return false;
    }
}

/* ---- banked registers ----------------------------------------------------------------------- */

/* X registers of R13 and R14 of a mode; 13 and 14 for User and System. */
static unsigned banked_x(unsigned mode, unsigned r)
{
    switch (mode) {
    case AA32_IRQ: return r == 14 ? 16 : 17;
    case AA32_SVC: return r == 14 ? 18 : 19;
    case AA32_ABT: return r == 14 ? 20 : 21;
    case AA32_UND: return r == 14 ? 22 : 23;
    case AA32_FIQ: return r + 16;
    default: return r;
    }
}

static void swap(struct cpu *c, unsigned a, unsigned b)
{
    u64 t = c->x[a];
    c->x[a] = c->x[b];
    c->x[b] = t;
}

/* Exchanges User mode's registers and those of mode; its own inverse. */
static void swap_bank(struct cpu *c, unsigned mode)
{
    for (unsigned r = mode == AA32_FIQ ? 8 : 13; r < 15 && banked_x(mode, 13) != 13; r++)
        swap(c, r, banked_x(mode, r));
}

void aa32_set_mode(struct cpu *c, unsigned mode)
{
    swap_bank(c, c->ps.mode);
    swap_bank(c, mode);
    c->ps.mode = (u8)mode;
}

void aa32_leave(struct cpu *c)
{
    aa32_set_mode(c, AA32_USR);
    c->ps.nrw = c->ps.t = c->ps.e = c->ps.q = false;
    c->ps.mode = c->ps.it = c->ps.ge = 0;
    sysreg_config_forget(c); /* control registers were written there, perhaps */
}

static bool banks(unsigned mode, unsigned r)
{
    return r < 15 && (mode == AA32_FIQ ? r >= 8 : r >= 13 && banked_x(mode, 13) != 13);
}

unsigned aa32_slot(const struct cpu *c, unsigned mode, unsigned r)
{
    unsigned cur = c->ps.mode;
    if (banks(cur, r)) {
        if (cur == mode)
            return r;
        if (!banks(mode, r))
            return banked_x(cur, r); /* User's is there meanwhile */
    }
    return banks(mode, r) ? banked_x(mode, r) : r;
}

unsigned aa32_x_number(const struct cpu *c, unsigned r)
{
    return r == REG_PC ? 31 : banks(c->ps.mode, r) ? banked_x(c->ps.mode, r) : r;
}

/* ---- PSTATE --------------------------------------------------------------------------------- */

/*   31..28 27 26:25   24 23   22  21  20 19:16 15:10   9 8 7 6 5 4:0
 *    NZCV  Q IT[1:0]  J  SSBS PAN SS* IL  GE   IT[7:2] E A I F T M    (*: SPSR_ELx; DIT in CPSR) */
u32 aa32_cpsr(const struct cpu *c)
{
    const struct pstate *p = &c->ps;
    return c->nzcv | (u32)p->q << 27 | (p->it & 3u) << 25 | (u32)p->ssbs << 23 | (u32)p->pan << 22 | (u32)p->il << 20 |
           (u32)p->ge << 16 | (p->it >> 2 & 63u) << 10 | (u32)p->e << 9 | (p->daif & 7u) << 6 | (u32)p->t << 5 |
           p->mode;
}

unsigned aa32_spsr_cell(const struct cpu *c, unsigned mode)
{
    (void)c;
    switch (mode) {
    case AA32_FIQ: return SPSR_fiq;
    case AA32_IRQ: return SPSR_irq;
    case AA32_SVC: return SPSR_EL1;
    case AA32_ABT: return SPSR_abt;
    case AA32_UND: return SPSR_und;
    default: return CELL_NONE;
    }
}

static void enter_mode(struct cpu *c, unsigned mode)
{
    unsigned el = mode == AA32_USR ? 0 : 1;
    if (el != c->ps.el)
        cpu_set_el(c, el, 0);
    aa32_set_mode(c, mode);
    context_touch(c);
}

void aa32_cpsr_write(struct cpu *c, u32 val, unsigned bytes, bool is_ret)
{
    struct pstate *p = &c->ps;
    bool priv = p->el != 0;
    if (bytes & 8) {
        c->nzcv = val & 0xf0000000u;
        p->q = bit(val, 27);
        if (is_ret)
            p->it = (u8)((p->it & ~3u) | bits(val, 26, 25));
    }
    if (bytes & 4) {
        p->ge = (u8)bits(val, 19, 16);
        if (priv) {
            p->pan = bit(val, 22) && cpu_has(c, FEAT_PAN);
            p->ssbs = bit(val, 23) && cpu_has(c, FEAT_SSBS);
        }
    }
    if (bytes & 2) {
        if (is_ret)
            p->it = (u8)((p->it & 3u) | bits(val, 15, 10) << 2);
        p->e = bit(val, 9);
        if (priv)
            p->daif = (u8)((p->daif & ~4u) | (bit(val, 8) ? 4u : 0u));
    }
    if ((bytes & 1) && priv) {
        p->daif = (u8)((p->daif & ~3u) | bits(val, 7, 6));
        unsigned mode = val & 31;
        if (!aa32_mode_valid(mode))
            p->il = true;
        else if (mode != p->mode)
            enter_mode(c, mode);
    }
    context_touch(c);
    cpu_recheck(c);
}

void aa32_set_psr(struct cpu *c, u64 spsr)
{
    struct pstate *p = &c->ps;
    c->nzcv = (u32)(spsr & 0xf0000000u);
    p->q = bit(spsr, 27);
    p->it = (u8)(bits(spsr, 26, 25) | bits(spsr, 15, 10) << 2);
    p->ssbs = bit(spsr, 23) && cpu_has(c, FEAT_SSBS);
    p->pan = bit(spsr, 22) && cpu_has(c, FEAT_PAN);
    p->ss = bit(spsr, 21);
    p->il = bit(spsr, 20);
    p->ge = (u8)bits(spsr, 19, 16);
    p->e = bit(spsr, 9);
    p->daif = (u8)((p->daif & 8u) | bits(spsr, 8, 6));
    p->t = bit(spsr, 5);
    p->btype = 0;
    p->uao = p->tco = false;
    if (!p->nrw) {
        p->nrw = true;
        p->mode = AA32_USR;
        for (unsigned i = 0; i < 31; i++)
            c->x[i] = (u32)c->x[i];
        cpu_set_el(c, 0, 0);
    }
    enter_mode(c, (unsigned)(spsr & 31));
    cpu_recheck(c);
}

/* IllegalExceptionReturn for a SPSR that says AArch32. */
bool aa32_illegal_return(const struct cpu *c, u64 spsr)
{
    unsigned mode = (unsigned)(spsr & 31), el = mode == AA32_USR ? 0 : 1;
    if (!cpu_has(c, FEAT_AA32EL0) || !aa32_mode_valid(mode) || el > c->ps.el)
        return true;
    if (el == 0)
        return false;
    return !aa32_el1(c) || ((c->hcr & HCR_TGE) && cpu_el2_enabled(c));
}

enum step aa32_return(struct cpu *c, u32 target, u32 spsr)
{
    bool ill = !(spsr & 16) || aa32_illegal_return(c, spsr);
    if (ill) /* the mode and the instruction set stay */
        spsr = (spsr & ~0x3fu) | c->ps.mode | (u32)c->ps.t << 5 | 1u << 20;
    spsr &= ~(1u << 21);
    aa32_set_psr(c, spsr);
    c->psr_restored = true;
    c->monitor.valid = false;
    cpu_send_event(c);
    return aa32_branch(c, target);
}

/* ---- exceptions ----------------------------------------------------------------------------- */

/* AArch32.EnterMode. lr: the link value; vector: offset. */
static enum step enter(struct cpu *c, unsigned mode, u32 lr, u32 vector, enum exc_kind kind)
{
    u64 sctlr = c->sys[SCTLR_EL1];
    u32 spsr = aa32_cpsr(c);
    unsigned from = c->ps.el;
    u32 ret = (u32)c->pc;
    if (!c->ps.nrw) { /* cannot be: EL0 is AArch32 when EL1 is */
        CHECK_NEVER("AArch32 exception from AArch64");
    }
    enter_mode(c, mode);
    c->sys[aa32_spsr_cell(c, mode)] = spsr;
    c->x[14] = lr;
    c->ps.daif |= DAIF_I;
    if (mode == AA32_FIQ)
        c->ps.daif |= DAIF_F | DAIF_A;
    else if (mode == AA32_IRQ || mode == AA32_ABT)
        c->ps.daif |= DAIF_A;
    c->ps.t = (sctlr & SCTLR_TE) != 0;
    c->ps.e = (sctlr & SCTLR_EE) != 0;
    c->ps.it = 0;
    c->ps.il = false;
    c->ps.ss = false;
    if (cpu_has(c, FEAT_PAN) && !(sctlr & SCTLR_SPAN))
        c->ps.pan = true;
    if (cpu_has(c, FEAT_SSBS))
        c->ps.ssbs = bit(sctlr, 31);
    c->pc = (sctlr & SCTLR_V ? 0xffff0000u : (u32)c->sys[VBAR_EL1] & ~31u) + vector;
    c->exceptions++;
    cpu_recheck(c);
    if (c->env->on_exception) {
        struct exc_info info = {(u8)kind, false, (u8)from, 1, c->sys[ESR_EL1], c->sys[FAR_EL1], 0, ret, c->pc};
        c->env->on_exception(c->env->hook_arg, c, &info);
    }
    return STEP_JUMP;
}

enum step aa32_take_und(struct cpu *c) { return enter(c, AA32_UND, (u32)c->pc + (c->ps.t ? 2 : 4), 4, EXC_SYNC); }

enum step aa32_take_svc(struct cpu *c) { return enter(c, AA32_SVC, (u32)c->pc + cpu_insn_length(c), 8, EXC_SYNC); }

/* Fault status of a fault in the long (5:0) and short (10, 3:0) formats. */
u32 aa32_fault_status(const struct cpu *c, const struct fault *f)
{
    if (aa32_eae(c))
        return 1u << 9 | fault_status(f);
    bool second = f->level == 2;
    u32 fs;
    switch (f->type) {
    case FAULT_TRANSLATION: fs = second ? 7 : 5; break;
    case FAULT_ACCESS_FLAG: fs = second ? 6 : 3; break;
    case FAULT_PERMISSION: fs = second ? 0xf : 0xd; break;
    case FAULT_DOMAIN: fs = second ? 0xb : 9; break;
    case FAULT_EXTERNAL: fs = 8; break;
    case FAULT_EXTERNAL_TTW: fs = second ? 0xe : 0xc; break;
    case FAULT_ALIGNMENT: fs = 1; break;
    case FAULT_DEBUG: fs = 2; break;
    case FAULT_TLB_CONFLICT: fs = 0x10; break;
    case FAULT_UNSUPP_ATOMIC: fs = 0x15; break;
    default: fs = 0; break;
    }
    return (fs & 15) | (fs >> 4) << 10 | (u32)f->domain << 4;
}

enum step aa32_take_abort(struct cpu *c, const struct fault *f, bool fetch, bool cm)
{
    u32 fsr = aa32_fault_status(c, f);
    u64 *far = &c->sys[FAR_EL1];
    if (fetch) {
        fsr &= ~0xf0u | (aa32_eae(c) ? 0xffffffffu : 0);
        c->sys[IFSR32_EL2] = fsr;
        *far = deposit(*far, 63, 32, (u32)f->va);
        return enter(c, AA32_ABT, (u32)c->pc + 4, 0xc, EXC_SYNC);
    }
    c->sys[ESR_EL1] = fsr | (u32)f->write << 11 | (u32)cm << 13;
    *far = deposit(*far, 31, 0, (u32)f->va);
    return enter(c, AA32_ABT, (u32)c->pc + 8, 0x10, EXC_SYNC);
}

enum step aa32_take_bkpt(struct cpu *c)
{
    c->sys[IFSR32_EL2] = aa32_eae(c) ? 1u << 9 | 0x22 : 2;
    return enter(c, AA32_ABT, (u32)c->pc + 4, 0xc, EXC_SYNC);
}

void aa32_take_interrupt(struct cpu *c, unsigned kind)
{
    u32 lr = (u32)c->pc + 4;
    if (kind == EXC_IRQ) {
        enter(c, AA32_IRQ, lr, 0x18, EXC_IRQ);
    } else if (kind == EXC_FIQ) {
        enter(c, AA32_FIQ, lr, 0x1c, EXC_FIQ);
    } else { /* asynchronous external abort; VDFSR gives ExT for a virtual one */
        c->sys[ESR_EL1] = aa32_eae(c) ? 1u << 9 | 0x11 : 1u << 10 | 6;
        enter(c, AA32_ABT, lr + 4, 0x10, EXC_SERROR);
    }
}
