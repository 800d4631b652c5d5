/* Branches, PC-relative addresses, hints, and what ends a block by always leaving. */
#include "jit/internal.h"

static void pc_relative(struct translation *t, u64 off, unsigned rd)
{
    unsigned d = t->regs ? x_def(t, rd) : RAX;
    x64_page(&t->as, d, (s64)off);
    if (!t->regs)
        st_x(t, rd, d);
}

static void em_adr(struct translation *t, const struct op *o) { pc_relative(t, t_off(t) + o->imm, o->rd); }
static void em_adrp(struct translation *t, const struct op *o) { pc_relative(t, o->imm, o->rd); }

static void em_nop(struct translation *t, const struct op *o) { (void)t, (void)o; }

static s64 target(const struct translation *t, const struct op *o) { return (s64)(t_off(t) + o->imm); }

static void em_b(struct translation *t, const struct op *o) { t_jump_direct(t, target(t, o)); }

/* rcx = X30 = address of the next instruction */
static void link(struct translation *t)
{
    x64_page(&t->as, RCX, t_off(t) + 4);
    st_x(t, 30, RCX);
}

static void em_bl(struct translation *t, const struct op *o)
{
    link(t);
    t_push_return(t);
    t_jump_direct(t, target(t, o));
}

static void em_b_cond(struct translation *t, const struct op *o)
{
    t_edge(t, t_cond(t, t->e->a ? t->e->b : o->x), target(t, o));
}

/* a: 64 bits, b: host condition */
static void em_cbz(struct translation *t, const struct op *o)
{
    unsigned r = x_src(t, o->rd);
    if (r & X_STATE)
        x64_mi(&t->as, t->e->a, X_CMP, R_CPU, x_disp(o->rd), 0);
    else
        x64_rr(&t->as, t->e->a, X_TEST, r, r);
    t_edge(t, x64_jcc(&t->as, t->e->b), target(t, o));
}

static void em_tbz(struct translation *t, const struct op *o)
{
    unsigned r = x_src(t, o->rd), cc = t->e->b;
    if (r & X_STATE) {
        x64_test8_mi(&t->as, R_CPU, x_disp(o->rd) + o->x / 8, 1u << o->x % 8);
    } else if (o->x < 32) {
        x64_test_ri(&t->as, false, r, (s32)(1u << o->x));
    } else {
        x64_bt_i(&t->as, true, r, o->x);
        cc = cc == CC_E ? CC_AE : CC_B;
    }
    t_edge(t, x64_jcc(&t->as, cc), target(t, o));
}

static void em_ret(struct translation *t, const struct op *o)
{
    x64_ro(&t->as, true, X_LOAD, RAX, x_src(t, o->rn));
    t_return(t);
}

/* BTypeNext is 1 from an unguarded page or through X16 and X17 (which lead to other pages), else 3. */
static void em_br(struct translation *t, const struct op *o)
{
    struct x64 *a = &t->as;
    bool near = o->rn != 16 && o->rn != 17;
    unsigned r = x_src(t, o->rn);
    x64_ro(a, true, X_LOAD, RAX, r);
    t_sync_keep(t);
    if (!cpu_has(t->c, FEAT_BTI)) {
        t_jump_reg(t, near);
        return;
    }
    if (near) {
        x64_cmp8_mi(a, R_CPU, CPU(fetch_guarded), 0);
        u8 *unguarded = x64_jcc8(a, CC_E);
        t_jump_btype(t, 3, false);
        x64_here8(a, unguarded);
    }
    t_jump_btype(t, 1, near);
}

static void em_blr(struct translation *t, const struct op *o)
{
    op_x(t, true, X_LOAD, RAX, o->rn);
    link(t);
    t_push_return(t);
    if (cpu_has(t->c, FEAT_BTI))
        t_jump_btype(t, 2, true);
    else
        t_jump_reg(t, false);
}

#define LEAVES(name) ROW(name, NULL, EMIT_END)
const struct emit_row emit_branch_rows[] = {
    ROW(adr, em_adr, EMIT_REGS | EMIT_QUIET),
    ROW(adrp, em_adrp, EMIT_REGS | EMIT_QUIET),
    ROW(nop, em_nop, EMIT_REGS | EMIT_QUIET),
    ROW(dmb, em_nop, EMIT_REGS),
    ROW(dsb, em_nop, EMIT_REGS),
    ROW(prfm, em_nop, EMIT_REGS),
    ROW(b, em_b, EMIT_END | EMIT_REGS),
    ROW(bl, em_bl, EMIT_END),
    ROW(b_cond, em_b_cond, EMIT_COND | EMIT_BRANCH | EMIT_REGS),
    ROW(b_eq, em_b_cond, EMIT_COND | EMIT_BRANCH | EMIT_REGS, 1, 0),
    ROW(b_ne, em_b_cond, EMIT_COND | EMIT_BRANCH | EMIT_REGS, 1, 1),
    ROW(cbz32, em_cbz, EMIT_BRANCH | EMIT_REGS, 0, CC_E),
    ROW(cbz64, em_cbz, EMIT_BRANCH | EMIT_REGS, 1, CC_E),
    ROW(cbnz32, em_cbz, EMIT_BRANCH | EMIT_REGS, 0, CC_NE),
    ROW(cbnz64, em_cbz, EMIT_BRANCH | EMIT_REGS, 1, CC_NE),
    ROW(tbz, em_tbz, EMIT_BRANCH | EMIT_REGS, 0, CC_E),
    ROW(tbnz, em_tbz, EMIT_BRANCH | EMIT_REGS, 0, CC_NE),
    ROW(ret, em_ret, EMIT_END | EMIT_REGS),
    ROW(br, em_br, EMIT_END | EMIT_REGS),
    ROW(blr, em_blr, EMIT_END),
    LEAVES(undefined),
    LEAVES(smc),
    LEAVES(brk),
    LEAVES(hlt),
    LEAVES(eretaa),
    LEAVES(eretab),
    LEAVES(wfi),
    LEAVES(wfe),
    LEAVES(yield),
    {0},
};
