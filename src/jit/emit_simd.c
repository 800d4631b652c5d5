/* Advanced SIMD: moves, logic, and integer operations that are one or a few of the host's. Registers stay in memory; a
 * 64-bit operation clears the upper half of its result. Where FP/SIMD traps the exec function is called. */
#include "core/bits.h"
#include "jit/internal.h"

static s32 v_disp(unsigned r) { return (s32)offsetof(struct cpu, v) + 32 * (s32)r - CPU_BIAS; }

enum { NONE, P66, PF3 };

/* vmovdqa xmm, v[r] */
static void ld_v(struct translation *t, unsigned xmm, unsigned r)
{
    x64_vex_rm(&t->as, 1, P66, false, 0x6f, xmm, 0, R_CPU, v_disp(r));
}

static void st_v(struct translation *t, unsigned r, unsigned xmm, bool q)
{
    if (!q)
        x64_vex_rr(&t->as, 1, PF3, false, 0x7e, xmm, 0, xmm); /* vmovq: clears the upper half */
    x64_vex_rm(&t->as, 1, P66, false, 0x7f, xmm, 0, R_CPU, v_disp(r));
}

/* xmm r = v op [memory operand v[b]]; op: 0x38xx for map 2 */
static void op_m(struct translation *t, unsigned op, unsigned r, unsigned v, unsigned b)
{
    x64_vex_rm(&t->as, op >> 8 ? 2 : 1, P66, false, op & 0xff, r, v, R_CPU, v_disp(b));
}
static void op_r(struct translation *t, unsigned op, unsigned r, unsigned v, unsigned b)
{
    x64_vex_rr(&t->as, op >> 8 ? 2 : 1, P66, false, op & 0xff, r, v, b);
}

enum { PAND = 0xdb, PANDN = 0xdf, POR = 0xeb, PXOR = 0xef, PCMPEQD = 0x76 };

/* By element size; 0: not on the host. */
enum { ADD, SUB, EQ, GT, MAXU, MINU, MAXS, MINS, MUL };
static const u16 by_size[][4] = {
    [ADD] = {0xfc, 0xfd, 0xfe, 0xd4},   [SUB] = {0xf8, 0xf9, 0xfa, 0xfb},   [EQ] = {0x74, 0x75, 0x76, 0x3829},
    [GT] = {0x64, 0x65, 0x66, 0x3837},  [MAXU] = {0xde, 0x383e, 0x383f, 0}, [MINU] = {0xda, 0x383a, 0x383b, 0},
    [MAXS] = {0x383c, 0xee, 0x383d, 0}, [MINS] = {0x3838, 0xea, 0x3839, 0}, [MUL] = {0, 0xd5, 0x3840, 0},
};

/* a: operation of by_size */
static void em_three(struct translation *t, const struct op *o)
{
    unsigned op = by_size[t->e->a][o->x & 3];
    if (!op) {
        t_call(t);
        return;
    }
    ld_v(t, 0, o->rn);
    op_m(t, op, 0, 0, o->rm);
    st_v(t, o->rd, 0, o->y);
}

static void invert(struct translation *t, unsigned xmm)
{
    op_r(t, PCMPEQD, 2, 2, 2);
    op_r(t, PXOR, xmm, xmm, 2);
}

/* rn >= rm signed: not rm > rn */
static void em_cmge(struct translation *t, const struct op *o)
{
    ld_v(t, 0, o->rm);
    op_m(t, by_size[GT][o->x & 3], 0, 0, o->rn);
    invert(t, 0);
    st_v(t, o->rd, 0, o->y);
}

/* Unsigned rn >= rm: their maximum is rn. b: rn > rm, which is not rm >= rn */
static void em_cmhs(struct translation *t, const struct op *o)
{
    unsigned size = o->x & 3, n = t->e->b ? o->rm : o->rn, m = t->e->b ? o->rn : o->rm;
    if (size == 3) {
        t_call(t);
        return;
    }
    ld_v(t, 0, n);
    op_m(t, by_size[MAXU][size], 1, 0, m);
    op_r(t, by_size[EQ][size], 0, 0, 1);
    if (t->e->b)
        invert(t, 0);
    st_v(t, o->rd, 0, o->y);
}

static void em_cmeq_zero(struct translation *t, const struct op *o)
{
    op_r(t, PXOR, 0, 0, 0);
    op_m(t, by_size[EQ][o->x & 3], 0, 0, o->rn);
    st_v(t, o->rd, 0, o->y);
}

/* a: opcode */
static void em_logic(struct translation *t, const struct op *o)
{
    ld_v(t, 0, o->rn);
    if (t->e->a != POR || o->rn != o->rm)
        op_m(t, t->e->a, 0, 0, o->rm);
    st_v(t, o->rd, 0, o->y);
}

static void em_bic(struct translation *t, const struct op *o)
{
    ld_v(t, 0, o->rm);
    op_m(t, PANDN, 0, 0, o->rn);
    st_v(t, o->rd, 0, o->y);
}

static void em_orn(struct translation *t, const struct op *o)
{
    ld_v(t, 0, o->rm);
    invert(t, 0);
    op_m(t, POR, 0, 0, o->rn);
    st_v(t, o->rd, 0, o->y);
}

/* x ^ ((x ^ rn) & mask): BSL has x = rm and mask = rd, BIT x = rd and mask = rm, BIF its complement */
enum { BSL, BIT, BIF };
static void em_select(struct translation *t, const struct op *o)
{
    ld_v(t, 1, t->e->a == BSL ? o->rm : o->rd);
    op_m(t, PXOR, 0, 1, o->rn);
    if (t->e->a == BIF) {
        ld_v(t, 2, o->rm);
        op_r(t, PANDN, 0, 2, 0);
    } else {
        op_m(t, PAND, 0, 0, t->e->a == BSL ? o->rd : o->rm);
    }
    op_r(t, PXOR, 0, 0, 1);
    st_v(t, o->rd, 0, o->y);
}

/* ---- moves ----------------------------------------------------------------------------------- */

/* DUP of a general register. a: vpbroadcast's opcode; b: 64 bits */
static void em_dup(struct translation *t, const struct op *o)
{
    op_x(t, t->e->b, X_LOAD, RAX, o->rn);
    x64_vex_rr(&t->as, 1, P66, t->e->b, 0x6e, 0, 0, RAX);
    x64_vex_rr(&t->as, 2, P66, false, t->e->a, 0, 0, 0);
    st_v(t, o->rd, 0, t->e->b || o->y);
}

/* UMOV, FMOV to general. a: log2 of the size, b: the lane is x */
static void em_umov(struct translation *t, const struct op *o)
{
    static const unsigned load[] = {X_MOVZX8, X_MOVZX16, X_LOAD, X_LOAD};
    unsigned size = t->e->a, lane = t->e->b ? o->x : 0;
    x64_rm(&t->as, size == 3, load[size], RAX, R_CPU, v_disp(o->rn) + (s32)(lane << size));
    st_x(t, o->rd, RAX);
}

/* FMOV from general, 32 and 64 bits: the rest is cleared. */
static void em_fmov_from(struct translation *t, const struct op *o)
{
    op_x(t, t->e->a, X_LOAD, RAX, o->rn);
    x64_vex_rr(&t->as, 1, P66, t->e->a, 0x6e, 0, 0, RAX);
    st_v(t, o->rd, 0, true);
}

/* a constant: d[0] = v, d[1] = v or 0 */
static void set_imm(struct translation *t, unsigned rd, u64 v, bool both)
{
    struct x64 *a = &t->as;
    if (v == 0) {
        op_r(t, PXOR, 0, 0, 0);
        st_v(t, rd, 0, true);
        return;
    }
    x64_mov_imm(a, RAX, v);
    x64_vex_rr(a, 1, P66, true, 0x6e, 0, 0, RAX);
    if (both)
        x64_vex_rr(a, 2, P66, false, 0x59, 0, 0, 0); /* vpbroadcastq */
    st_v(t, rd, 0, true);
}

static void em_movi_s(struct translation *t, const struct op *o)
{
    set_imm(t, o->rd, (o->imm << 8 * o->x) * 0x0000000100000001ull, o->y);
}
static void em_movi_b(struct translation *t, const struct op *o)
{
    set_imm(t, o->rd, o->imm * 0x0101010101010101ull, o->y);
}
static void em_movi_d(struct translation *t, const struct op *o)
{
    u64 v = 0;
    for (unsigned i = 0; i < 8; i++)
        v |= bit(o->imm, i) ? 0xffull << 8 * i : 0;
    set_imm(t, o->rd, v, o->y);
}

const struct emit_row emit_simd_rows[] = {
    ROW(add_v, em_three, EMIT_FP, ADD),
    ROW(sub_v, em_three, EMIT_FP, SUB),
    ROW(cmeq_v, em_three, EMIT_FP, EQ),
    ROW(cmgt_v, em_three, EMIT_FP, GT),
    ROW(umax_v, em_three, EMIT_FP | EMIT_EXIT, MAXU),
    ROW(umin_v, em_three, EMIT_FP | EMIT_EXIT, MINU),
    ROW(smax_v, em_three, EMIT_FP | EMIT_EXIT, MAXS),
    ROW(smin_v, em_three, EMIT_FP | EMIT_EXIT, MINS),
    ROW(mul_v, em_three, EMIT_FP | EMIT_EXIT, MUL),
    ROW(cmge_v, em_cmge, EMIT_FP),
    ROW(cmhs_v, em_cmhs, EMIT_FP | EMIT_EXIT, 0, 0),
    ROW(cmhi_v, em_cmhs, EMIT_FP | EMIT_EXIT, 0, 1),
    ROW(cmeq_z_v, em_cmeq_zero, EMIT_FP),
    ROW(and_v, em_logic, EMIT_FP, PAND),
    ROW(orr_v, em_logic, EMIT_FP, POR),
    ROW(eor_v, em_logic, EMIT_FP, PXOR),
    ROW(bic_v, em_bic, EMIT_FP),
    ROW(orn_v, em_orn, EMIT_FP),
    ROW(bsl_v, em_select, EMIT_FP, BSL),
    ROW(bit_v, em_select, EMIT_FP, BIT),
    ROW(bif_v, em_select, EMIT_FP, BIF),
    ROW(dup_rb, em_dup, EMIT_FP, 0x78, 0),
    ROW(dup_rh, em_dup, EMIT_FP, 0x79, 0),
    ROW(dup_rs, em_dup, EMIT_FP, 0x58, 0),
    ROW(dup_rd, em_dup, EMIT_FP, 0x59, 1),
    ROW(umov_b, em_umov, EMIT_FP, 0, 1),
    ROW(umov_h, em_umov, EMIT_FP, 1, 1),
    ROW(umov_s, em_umov, EMIT_FP, 2, 1),
    ROW(umov_d, em_umov, EMIT_FP, 3, 1),
    ROW(fmov_to_gen32, em_umov, EMIT_FP, 2, 0),
    ROW(fmov_to_gen64, em_umov, EMIT_FP, 3, 0),
    ROW(fmov_from_gen32, em_fmov_from, EMIT_FP, 0),
    ROW(fmov_from_gen64, em_fmov_from, EMIT_FP, 1),
    ROW(movi_s, em_movi_s, EMIT_FP),
    ROW(movi_b, em_movi_b, EMIT_FP),
    ROW(movi_d, em_movi_d, EMIT_FP),
    {0},
};
