/* System registers, PSTATE, barriers, cache maintenance.
 *
 * Whether an access traps, and what it reaches, is known when translating: the block compares the number of the trap
 * configuration (cpu/sysreg_config.c), and where it is another one the exec function decides. What is left is a load, a
 * store or a constant. What makes the engine look at interrupts and contexts (ISB, DAIF) is nothing while there is
 * nothing to look at: t_quiet() asks. */
#include "core/bits.h"
#include "core/clock.h"
#include "cpu/context.h"
#include "cpu/fields.h"
#include "cpu/sysreg_row.h"
#include "jit/internal.h"

enum { P_DAIF = 6, P_SSBS = 12, P_PAN = 22, P_UAO = 23, P_DIT = 24, P_TCO = 25 };

static s32 cell_place(unsigned cell) { return (s32)offsetof(struct cpu, sys) + 8 * (s32)cell - CPU_BIAS; }

/* What an access comes to, when it is covered; true: it is sr itself. */
static bool reaches(struct translation *t, const struct op *o, bool write, struct sysreg_outcome *out)
{
    unsigned sr = (unsigned)o->imm & 0xffff;
    if (o->imm >> 16 || !sysreg_config_covers(sr))
        return false;
    *out = sysreg_outcome(t->c, sr, write);
    return out->action == ACT_USE || out->action == ACT_RAZWI;
}

/* Jumps to the call in another trap configuration. */
static void guard(struct translation *t)
{
    x64_mi(&t->as, false, X_CMP, R_CPU, CPU(trap_id), (s32)sysreg_config(t->c));
    t_slow(t, x64_jcc(&t->as, CC_NE))->guard = true;
}

/* Jumps to the stub when interp_look() would have anything to do but find the page again. */
static void t_quiet(struct translation *t, struct stub *s)
{
    struct x64 *a = &t->as;
    x64_mi(a, true, X_CMP, R_CPU, CPU(input), 0); /* and irq_check, ctx_dirty, pmu_exact */
    s->from[1] = x64_jcc(a, CC_NE);
    x64_rm(a, false, X_LOAD, RCX, R_CPU, CPU(hcr));
    x64_ri(a, false, X_AND, RCX, (s32)(HCR_VSE | HCR_VI | HCR_VF));
    x64_rm(a, false, X_LOAD, RDX, R_CPU, cell_place(MDSCR_EL1));
    x64_ri(a, false, X_AND, RDX, (s32)(MDSCR_SS | MDSCR_MDE));
    x64_rr(a, false, X_OR, RCX, RDX);
    s->from[2] = x64_jcc(a, CC_NE);
}

/* ---- MRS ------------------------------------------------------------------------------------- */

static void read_flag(struct translation *t, s32 place, unsigned lsb)
{
    x64_rm(&t->as, false, X_MOVZX8, RAX, R_CPU, place);
    x64_shift(&t->as, false, X_SHL, RAX, lsb);
}

/* rd = what is at place */
static void load_place(struct translation *t, unsigned rd, s32 place)
{
    if (rd != REG_SINK)
        x64_rm(&t->as, true, X_LOAD, x_def(t, rd), R_CPU, place);
}

/* rd = SP_ELn */
static void read_sp(struct translation *t, unsigned rd, unsigned n)
{
    if (n == (t->c->ps.sp ? t->c->ps.el : 0u)) {
        ld_x(t, true, RAX, REG_SP);
        st_x(t, rd, RAX);
    } else {
        load_place(t, rd, (s32)(offsetof(struct cpu, sp_el) + 8 * n) - CPU_BIAS);
    }
}

static bool can_read(unsigned hook)
{
    switch (hook) {
    case HOOK_NONE:
    case HOOK_NZCV:
    case HOOK_DAIF:
    case HOOK_CurrentEL:
    case HOOK_SPSel:
    case HOOK_PAN:
    case HOOK_UAO:
    case HOOK_DIT:
    case HOOK_SSBS:
    case HOOK_TCO:
    case HOOK_SP_EL0:
    case HOOK_SP_EL1:
    case HOOK_SP_EL2:
    case HOOK_DCZID:
    case HOOK_ZERO: return true;
    default: return false;
    }
}

/* CNTVCT_EL0 of a program: the time at this instruction, as counter_read() has it. (A kernel's reads are looked at: it
 * may be waiting.) */
static bool read_count(struct translation *t, unsigned sr)
{
    struct x64 *a = &t->as;
    const struct port_count *k = t->c->ports[PORT_TIMER].count;
    bool host = (t->c->hcr & (HCR_E2H | HCR_TGE)) == (HCR_E2H | HCR_TGE);
    if ((sr != SR_CNTVCT_EL0 && sr != SR_CNTVCTSS_EL0) || t->c->ps.el || t->j->parallel || !k || k->shift < 0)
        return false;
    guard(t);
    x64_mov_imm(a, RCX, (u64)(uintptr_t)k->clock);
    x64_rm(a, true, X_LEA, RAX, R_CPU, CPU(slice));
    x64_rm(a, true, X_CMP, RAX, RCX, (s32)offsetof(struct clock, run));
    t_slow(t, x64_jcc(a, CC_NE));
    x64_rm(a, true, X_LOAD, RAX, RCX, (s32)offsetof(struct clock, end));
    x64_rr(a, true, X_SUB, RAX, R_LEFT);
    x64_ri(a, true, X_SUB, RAX, (s32)(t->n - t->k)); /* not executed yet */
    x64_rm(a, true, X_SUB, RAX, R_CPU, CPU(slice.stash));
    x64_mov_imm(a, RCX, (u64)(uintptr_t)k->origin);
    x64_rm(a, true, X_SUB, RAX, RCX, 0);
    if (k->shift)
        x64_shift(a, true, X_SHR, RAX, (unsigned)k->shift);
    if (!host) /* the executing CPU's: code is shared */
        x64_rm(a, true, X_SUB, RAX, R_CPU, cell_place(CNTVOFF_EL2));
    return true;
}

static void em_mrs(struct translation *t, const struct op *o)
{
    struct x64 *a = &t->as;
    struct sysreg_outcome out;
    if (!reaches(t, o, false, &out)) {
        t_call(t);
        return;
    }
    if (out.action == ACT_USE && read_count(t, out.sr)) {
        st_x(t, o->rd, RAX);
        return;
    }
    const struct sysreg_row *row = &sysreg_rows[out.sr];
    bool zero = out.action == ACT_RAZWI;
    if (!zero && (!can_read(row->hook) || (!row->hook && !row->cell))) {
        t_call(t);
        return;
    }
    if (row->hook == HOOK_NZCV)
        flags_settle(a, &t->vs);
    guard(t);
    switch (zero ? (enum sysreg_hook)HOOK_ZERO : (enum sysreg_hook)row->hook) {
    case HOOK_NONE: load_place(t, o->rd, cell_place(row->cell)); return;
    case HOOK_NZCV: flags_ld(a, RAX); break;
    case HOOK_DAIF: read_flag(t, CPU(ps.daif), P_DAIF); break;
    case HOOK_PAN: read_flag(t, CPU(ps.pan), P_PAN); break;
    case HOOK_UAO: read_flag(t, CPU(ps.uao), P_UAO); break;
    case HOOK_DIT: read_flag(t, CPU(ps.dit), P_DIT); break;
    case HOOK_SSBS: read_flag(t, CPU(ps.ssbs), P_SSBS); break;
    case HOOK_TCO: read_flag(t, CPU(ps.tco), P_TCO); break;
    case HOOK_SP_EL0: read_sp(t, o->rd, 0); return;
    case HOOK_SP_EL1: read_sp(t, o->rd, 1); return;
    case HOOK_SP_EL2: read_sp(t, o->rd, 2); return;
    case HOOK_ZERO: x64_mov_imm(a, RAX, 0); break;
    default: x64_mov_imm(a, RAX, sysreg_read_row(t->c, out.sr)); break; /* CurrentEL, SPSel, DCZID_EL0 */
    }
    st_x(t, o->rd, RAX);
}

/* ---- MSR ------------------------------------------------------------------------------------- */

/* rax = what is stored of rax; clobbers rcx */
static void mask_cell(struct translation *t, unsigned cell)
{
    struct x64 *a = &t->as;
    unsigned host = (t->c->sys[HCR_EL2] & HCR_E2H) != 0;
    u64 w = t->c->sys_w[host][cell], res1 = t->c->sys_res1[host][cell];
    if (w == (u64)(s64)(s32)w) {
        if (w != ~0ull)
            x64_ri(a, true, X_AND, RAX, (s32)w);
    } else {
        x64_mov_imm(a, RCX, w);
        x64_rr(a, true, X_AND, RAX, RCX);
    }
    if (res1) {
        x64_mov_imm(a, RCX, res1);
        x64_rr(a, true, X_OR, RAX, RCX);
    }
}

/* A register that selects contexts or trap: nothing where the value does not change, a store and the loss of the
 * generation where it is nothing to the current EL (write_cell() of sysreg_hook.c), else a call. */
static void write_control(struct translation *t, const struct sysreg_row *row)
{
    unsigned cell = row->cell;
    struct x64 *a = &t->as;
    x64_rm(a, true, X_CMP, RAX, R_CPU, cell_place(cell));
    if (row->port || !sysreg_cell_lazy(t->c, cell, 0)) {
        t_slow(t, x64_jcc(a, CC_NE));
        return;
    }
    u8 *same;
    if (cell == HCR_EL2) {
        struct stub *s = t_slow(t, NULL);
        same = x64_jcc8(a, CC_E);
        x64_rm(a, true, X_LOAD, RCX, R_CPU, cell_place(cell));
        x64_rr(a, true, X_XOR, RCX, RAX);
        x64_mov_imm(a, RDX, HCR_AT_ONCE);
        x64_rr(a, true, X_TEST, RCX, RDX);
        s->from[0] = x64_jcc(a, CC_NE);
        x64_mi(a, true, X_CMP, R_CPU, CPU(input), 0); /* the engine looks at interrupts */
        s->from[1] = x64_jcc(a, CC_NE);
        x64_rm(a, true, X_STORE, RAX, R_CPU, CPU(hcr));
    } else {
        same = x64_jcc8(a, CC_E);
    }
    x64_rm(a, true, X_STORE, RAX, R_CPU, cell_place(cell));
    x64_rr(a, false, X_XOR, RCX, RCX);
    x64_rm(a, true, X_STORE, RCX, R_CPU, CPU(ctx_generation));
    if (sysreg_config_cell(cell))
        x64_rm(a, false, X_STORE, RCX, R_CPU, CPU(trap_number[0]));
    x64_here8(a, same);
}

/* byte = bit lsb of rax */
static void write_flag(struct translation *t, s32 place, unsigned lsb)
{
    struct x64 *a = &t->as;
    x64_shift(a, true, X_SHR, RAX, lsb);
    x64_ri(a, false, X_AND, RAX, 1);
    x64_rm(a, false, X_STORE8, RAX, R_CPU, place);
}

static bool can_write(const struct sysreg_row *row)
{
    switch (row->hook) {
    case HOOK_NONE: return sysreg_same_is_nothing(row);
    case HOOK_NZCV:
    case HOOK_DAIF:
    case HOOK_DIT:
    case HOOK_SSBS:
    case HOOK_SP_EL0:
    case HOOK_SP_EL1:
    case HOOK_SP_EL2: return true;
    default: return false;
    }
}

static void write_sp(struct translation *t, unsigned n)
{
    t->sp_ok = false; /* in another configuration the call may write the current one */
    if (n == (t->c->ps.sp ? t->c->ps.el : 0u))
        st_x(t, REG_SP, RAX);
    else
        x64_rm(&t->as, true, X_STORE, RAX, R_CPU, (s32)(offsetof(struct cpu, sp_el) + 8 * n) - CPU_BIAS);
}

static void em_msr(struct translation *t, const struct op *o)
{
    struct x64 *a = &t->as;
    struct sysreg_outcome out;
    if (!reaches(t, o, true, &out)) {
        t_call(t);
        return;
    }
    const struct sysreg_row *row = &sysreg_rows[out.sr];
    bool nothing = out.action == ACT_RAZWI;
    if (!nothing && !can_write(row)) {
        t_call(t);
        return;
    }
    if (row->hook == HOOK_NZCV)
        flags_settle(a, &t->vs);
    guard(t);
    if (nothing)
        return;
    if (row->hook == HOOK_DAIF)
        t_quiet(t, t_slow(t, NULL));
    ld_x(t, true, RAX, o->rd);
    switch ((enum sysreg_hook)row->hook) {
    case HOOK_NZCV: flags_st(a, RAX); break;
    case HOOK_DAIF:
        x64_shift(a, false, X_SHR, RAX, P_DAIF);
        x64_ri(a, false, X_AND, RAX, 15);
        x64_rm(a, false, X_STORE8, RAX, R_CPU, CPU(ps.daif));
        break;
    case HOOK_DIT: write_flag(t, CPU(ps.dit), P_DIT); break;
    case HOOK_SSBS: write_flag(t, CPU(ps.ssbs), P_SSBS); break;
    case HOOK_SP_EL0: write_sp(t, 0); break;
    case HOOK_SP_EL1: write_sp(t, 1); break;
    case HOOK_SP_EL2: write_sp(t, 2); break;
    default:
        mask_cell(t, row->cell);
        if (!row->port && sysreg_cell_plain(t->c, row->cell))
            x64_rm(a, true, X_STORE, RAX, R_CPU, cell_place(row->cell));
        else
            write_control(t, row);
        break;
    }
}

/* DAIFSet, DAIFClr: x = op1, y = op2 */
static void em_msr_imm(struct translation *t, const struct op *o)
{
    struct x64 *a = &t->as;
    if (o->x != 3 || (o->y != 6 && o->y != 7)) {
        t_call(t);
        return;
    }
    struct stub *s = t_slow(t, NULL);
    x64_cmp8_mi(a, R_CPU, CPU(ps.el), 0);
    s->from[0] = x64_jcc(a, CC_E);
    unsigned imm = (unsigned)o->imm & 15;
    if (o->y == 7)
        t_quiet(t, s);
    x64_op(a, false, 0x80, 0, 0, R_CPU, false); /* or, and byte [daif], imm */
    x64_modrm(a, o->y == 6 ? 1 : 4, R_CPU, CPU(ps.daif));
    x64_8(a, o->y == 6 ? imm : ~imm & 0xff);
}

static void em_isb(struct translation *t, const struct op *o)
{
    (void)o;
    t_quiet(t, t_slow(t, NULL));
}

/* ---- cache maintenance ----------------------------------------------------------------------- */

static void zero_block(struct translation *t)
{
    struct x64 *a = &t->as;
    x64_ri(a, true, X_AND, RAX, -64);
    t_check(t, TAG_WRITE, 64, false);
    x64_vex_rr(a, 1, 1, false, 0xef, 0, 0, 0); /* vpxor xmm0 */
    for (s32 i = 0; i < 64; i += 16)
        x64_vex_rmx(a, 1, 1, false, 0x7f, 0, 0, RAX, RDX, i); /* vmovdqa */
}

/* DC by VA is nothing where the fast table has the page with the permission that it asks for (sysop_dc()); IC has no
 * effect but that the engine looks. */
static void em_sys(struct translation *t, const struct op *o)
{
    struct sysreg_outcome out;
    if (!reaches(t, o, true, &out) || out.action != ACT_USE) {
        t_call(t);
        return;
    }
    const struct sysreg_row *row = &sysreg_rows[out.sr];
    unsigned op1 = row->enc >> 11 & 7, crm = row->enc >> 3 & 15, op2 = row->enc & 7;
    bool by_va = op2 == 1 && (op1 == 3 || crm == 6);
    bool zero = op1 == 3 && crm == 4;
    if (row->hook == HOOK_IC) {
        guard(t);
        t_quiet(t, t_slow(t, NULL));
    } else if (row->hook == HOOK_DC && by_va &&
               !(zero && t->flavour & FLAVOUR_ALIGN)) { /* DC ZVA faults on Device memory */
        guard(t);
        ld_x(t, true, RAX, o->rd);
        if (zero)
            zero_block(t);
        else
            t_check(t, op1 == 0 ? TAG_WRITE : TAG_READ, 1, false);
    } else {
        t_call(t);
    }
}

enum { SYSTEM = EMIT_EXIT | EMIT_REGS };
const struct emit_row emit_sys_rows[] = {
    ROW(mrs, em_mrs, SYSTEM),         ROW(msr, em_msr, SYSTEM), ROW(sys, em_sys, SYSTEM),
    ROW(msr_imm, em_msr_imm, SYSTEM), ROW(isb, em_isb, SYSTEM), {0},
};
