/* Integer data processing: conditional instructions, those of one and two sources, multiplications. See emit_int.c. */
#include "core/bits.h"
#include "jit/internal.h"

/* Emitter parameters: a = operation, b = width and what else. */
enum { W = 1, FLAGS = 2 };

static bool wide(const struct translation *t) { return t->e->b & W; }

/* d = s before a 32-bit or 64-bit operation on d. */
static void copy(struct translation *t, bool w, unsigned d, unsigned s)
{
    if (d != s)
        x64_ro(&t->as, w, X_LOAD, d, s);
}

/* ---- conditional ----------------------------------------------------------------------------- */

enum { SEL, INC, INV, NEG };

/* After t_cond_cc() nothing may touch the flags. */
static void em_csel(struct translation *t, const struct op *o)
{
    struct x64 *a = &t->as;
    bool w = wide(t);
    unsigned cc = t_cond_cc(t, o->x), kind = t->e->a;
    if (o->rd == REG_SINK)
        return;
    if (kind != SEL && o->rn == REG_ZERO && o->rm == REG_ZERO) {
        unsigned d = x_def(t, o->rd);
        if (kind == NEG) {
            x64_mov_imm_keep(a, d, 0);
            return;
        }
        x64_setcc(a, kind == INV ? cc : cc ^ 1, RAX);
        x64_rr8(a, false, X_MOVZX8, d, RAX);
        if (kind == INV)
            x64_rm(a, w, X_LEA, d, d, -1);
        return;
    }
    unsigned n = x_src(t, o->rn), m = x_src(t, o->rm);
    if (kind == SEL) {
        unsigned d = x_def(t, o->rd);
        if (d == n) {
            x64_ro(a, w, 0x0f40 + (cc ^ 1), d, m);
        } else {
            copy(t, w, d, m);
            x64_ro(a, w, 0x0f40 + cc, d, n);
        }
        return;
    }
    unsigned d = x_def(t, o->rd), r = d == n ? RAX : d;
    if (kind == INC && o->rn == o->rm && (cc | 1) == CC_AE && !t->keep[t->k]) { /* n + 1 - CF or n + CF */
        copy(t, w, d, n);
        x64_ri(a, w, cc == CC_B ? X_SBB : X_ADC, d, cc == CC_B ? -1 : 0);
        return;
    }
    if (kind == INC && !(m & X_STATE)) {
        x64_rm(a, w, X_LEA, r, m, 1);
    } else {
        copy(t, w, r, m);
        if (kind != INC)
            x64_unary(a, w, 2, r); /* not: keeps the flags */
        if (kind != INV)
            x64_rm(a, w, X_LEA, r, r, 1);
    }
    x64_ro(a, w, 0x0f40 + (r == d ? cc : cc ^ 1), d, r == d ? n : r);
}

/* a: X_SUB or X_ADD; b: width, FLAGS: immediate. Where the condition fails EFLAGS become those of NZCV = y. */
static void em_ccmp(struct translation *t, const struct op *o)
{
    struct x64 *a = &t->as;
    bool w = wide(t), add = t->e->a == X_ADD, imm = t->e->b & FLAGS;
    unsigned cc = t_cond_cc(t, o->x), n = x_use(t, o->rn), m = imm ? 0 : x_src(t, o->rm);
    u8 *no = x64_jcc8(a, cc ^ 1);
    if (add)
        x64_rr(a, w, X_LOAD, RAX, n);
    if (!imm)
        x64_ro(a, w, add ? X_ADD : X_CMP, add ? (unsigned)RAX : n, m);
    else
        x64_ri(a, w, add ? X_ADD : X_CMP, add ? (unsigned)RAX : n, (s32)o->imm);
    u8 *done = x64_jmp8(a);
    x64_here8(a, no);
    bool carry = (o->y >> 1 & 1) == add;
    x64_mov_imm_keep(a, RAX, (o->y & 12u) << 12 | (u32)carry << 8 | (o->y & 1u));
    x64_8(a, 0x3c); /* cmp al, -127: overflows for 1 */
    x64_8(a, 0x81);
    x64_8(a, 0x9e); /* sahf: S, Z, C */
    x64_here8(a, done);
    flags_set(t, (enum eflags)t->e->kind, (struct pending){0});
}

/* ---- one and two sources --------------------------------------------------------------------- */

/* a: the operation by opcode; unary forms "op rax, [rn]" */
static void em_lzcnt(struct translation *t, const struct op *o)
{
    unsigned n = x_src(t, o->rn);
    x64_ro(&t->as, wide(t), t->e->a ? X_TZCNT : X_LZCNT, x_def(t, o->rd), n);
}

static void em_rev(struct translation *t, const struct op *o)
{
    unsigned n = x_src(t, o->rn), d = x_def(t, o->rd);
    copy(t, wide(t), d, n);
    x64_bswap(&t->as, wide(t), d);
    if (t->e->a)
        x64_shift(&t->as, true, X_ROL, d, 32); /* REV32 of 64 bits */
}

/* RBIT and CLZ of its result count trailing zeros: both at once, where nothing else is left of RBIT. */
static void em_rbit(struct translation *t, const struct op *o)
{
    struct x64 *a = &t->as;
    const struct op *next = t->k + 1 < t->n ? o + 1 : NULL;
    bool w = wide(t);
    unsigned n = x_use(t, o->rn);
    if (next && a64_execs[next->row] == (w ? exec_clz64 : exec_clz32) && next->rn == o->rd && next->rd == o->rd) {
        x64_rr(a, w, X_TZCNT, x_def(t, o->rd), n);
        t->skip = true;
        return;
    }
    v_rr(t, w ? VMOVQ_X : VMOVD, 0, 0, n);
    t_rbit(t, 0);
    v_rr(t, w ? VMOVQ_XST : VMOVD_ST, 0, 0, RAX);
    x64_bswap(a, w, RAX);
    st_x(t, o->rd, RAX);
}

static void em_shiftv(struct translation *t, const struct op *o)
{
    struct x64 *a = &t->as;
    unsigned n = x_use(t, o->rn), m = x_use(t, o->rm);
    if (t->e->a) {
        x64_shiftx(a, wide(t), t->e->a, x_def(t, o->rd), n, m);
        return;
    }
    x64_rr(a, wide(t), X_LOAD, RCX, m);
    x64_rr(a, wide(t), X_LOAD, RAX, n);
    x64_op(a, wide(t), 0xd3, 0, 0, RAX, false); /* ror rax, cl */
    x64_8(a, 0xc8);
    st_x(t, o->rd, RAX);
}

static void em_div(struct translation *t, const struct op *o)
{
    struct x64 *a = &t->as;
    bool w = wide(t), sign = t->e->a;
    unsigned n = x_use(t, o->rn), m = x_use(t, o->rm);
    u8 *minus = NULL;
    x64_rr(a, false, X_XOR, RAX, RAX);
    x64_rr(a, w, X_TEST, m, m);
    u8 *zero = x64_jcc8(a, CC_E);
    x64_rr(a, w, X_LOAD, RAX, n);
    if (sign) { /* the most negative number by -1 would fault */
        x64_ri(a, w, X_CMP, m, -1);
        u8 *divide = x64_jcc8(a, CC_NE);
        x64_unary(a, w, 3, RAX);
        minus = x64_jmp8(a);
        x64_here8(a, divide);
        if (w)
            x64_8(a, 0x48);
        x64_8(a, 0x99); /* cdq, cqo */
    } else {
        x64_rr(a, false, X_XOR, RDX, RDX);
    }
    x64_unary(a, w, sign ? 7 : 6, m);
    x64_here8(a, zero);
    if (minus)
        x64_here8(a, minus);
    st_x(t, o->rd, RAX);
}

/* ---- three sources --------------------------------------------------------------------------- */

/* d = x * y; x may be d. MULX keeps the flags. */
static void product(struct translation *t, bool w, unsigned d, unsigned x, unsigned y)
{
    if (t->keep[t->k]) {
        x64_ro(&t->as, w, X_LOAD, RDX, x);
        x64_vex_rr(&t->as, 2, 3, w, 0xf6, RDX, d, y);
        return;
    }
    copy(t, w, d, x);
    x64_ro(&t->as, w, X_IMUL, d, y);
}

/* rd = ra +- the product of x and y; rax and rcx are theirs or free. a: X_ADD or X_SUB */
static void multiply(struct translation *t, const struct op *o, bool w, unsigned x, unsigned y)
{
    struct x64 *a = &t->as;
    unsigned ra = o->ra == REG_ZERO ? 0 : x_use(t, o->ra), d = x_def(t, o->rd);
    bool swap = d == y && !t->keep[t->k];
    if (!ra && (d != y || swap)) {
        product(t, w, d, swap ? y : x, swap ? x : y);
        if (t->e->a == X_SUB)
            x64_unary(a, w, 3, d);
        return;
    }
    product(t, w, RAX, x, y);
    w = wide(t);
    if (!ra) {
        if (t->e->a == X_SUB)
            x64_unary(a, w, 3, RAX);
        x64_rr(a, w, X_LOAD, d, RAX);
    } else if (t->e->a == X_ADD) {
        x64_rmx(a, w, X_LEA, d, ra, RAX, 0, 0);
    } else {
        copy(t, w, d, ra);
        x64_rr(a, w, X_SUB, d, RAX);
    }
}

static void em_madd(struct translation *t, const struct op *o)
{
    unsigned n = x_src(t, o->rn);
    multiply(t, o, wide(t), n, t->keep[t->k] ? x_use(t, o->rm) : x_src(t, o->rm));
}

/* b: W and FLAGS for the signed forms */
static void em_maddl(struct translation *t, const struct op *o)
{
    unsigned load = t->e->b & FLAGS ? X_MOVSXD : X_LOAD, n = x_src(t, o->rn), m = x_src(t, o->rm);
    bool w = t->e->b & FLAGS;
    x64_ro(&t->as, w, load, RAX, n);
    x64_ro(&t->as, w, load, RCX, m);
    multiply(t, o, true, RAX, RCX);
}

/* a: 4 unsigned, 5 signed */
static void em_mulh(struct translation *t, const struct op *o)
{
    struct x64 *a = &t->as;
    unsigned n = x_use(t, o->rn), m = x_use(t, o->rm);
    if (t->e->a == 4) { /* mulx keeps the flags */
        x64_rr(a, true, X_LOAD, RDX, n);
        x64_vex_rr(a, 2, 3, true, 0xf6, x_def(t, o->rd), RAX, m);
        return;
    }
    x64_rr(a, true, X_LOAD, RAX, n);
    x64_unary(a, true, 5, m);
    st_x(t, o->rd, RDX);
}

/* ---- table ----------------------------------------------------------------------------------- */

#define BOTH(name, fn, a) ROW(name##32, fn, 0, a, 0), ROW(name##64, fn, 0, a, W)
#define KEEP(name, fn, a) ROW(name##32, fn, EMIT_KEEP, a, 0), ROW(name##64, fn, EMIT_KEEP, a, W)
#define CSEL(name, a)                                                                                                  \
    ROW(name##32, em_csel, EMIT_COND | EMIT_KEEP, a, 0), ROW(name##64, em_csel, EMIT_COND | EMIT_KEEP, a, W)
#define CCMP(name, a, kind)                                                                                            \
    ROW(name##32_reg, em_ccmp, EMIT_COND | EMIT_SETS, a, 0, kind),                                                     \
        ROW(name##64_reg, em_ccmp, EMIT_COND | EMIT_SETS, a, W, kind),                                                 \
        ROW(name##32_imm, em_ccmp, EMIT_COND | EMIT_SETS, a, FLAGS, kind),                                             \
        ROW(name##64_imm, em_ccmp, EMIT_COND | EMIT_SETS, a, W | FLAGS, kind)

const struct emit_row emit_int_more_rows[] = {
    CSEL(csel, SEL),
    CSEL(csinc, INC),
    CSEL(csinv, INV),
    CSEL(csneg, NEG),
    CCMP(ccmp, X_SUB, EFLAGS_SUB),
    CCMP(ccmn, X_ADD, EFLAGS_ADD),
    BOTH(clz, em_lzcnt, 0),
    BOTH(ctz, em_lzcnt, 1),
    BOTH(rev, em_rev, 0),
    BOTH(rbit, em_rbit, 0),
    ROW(rev32_64, em_rev, 0, 1, W),
    KEEP(lslv, em_shiftv, 1),
    KEEP(asrv, em_shiftv, 2),
    KEEP(lsrv, em_shiftv, 3),
    BOTH(rorv, em_shiftv, 0),
    BOTH(udiv, em_div, 0),
    BOTH(sdiv, em_div, 1),
    KEEP(madd, em_madd, X_ADD),
    BOTH(msub, em_madd, X_SUB),
    ROW(smaddl, em_maddl, EMIT_KEEP, X_ADD, W | FLAGS),
    ROW(umaddl, em_maddl, EMIT_KEEP, X_ADD, W),
    ROW(smsubl, em_maddl, 0, X_SUB, W | FLAGS),
    ROW(umsubl, em_maddl, 0, X_SUB, W),
    ROW(umulh, em_mulh, EMIT_KEEP, 4),
    ROW(smulh, em_mulh, 0, 5),
    {0},
};
