/* Advanced SIMD: moves, logic, and integer operations of equal width that are one or a few of the host's. A 64-bit
 * operation clears the upper half of its result. Under FLAVOUR_FP_CALL the exec functions do everything. */
#include "core/bits.h"
#include "jit/internal.h"

/* Scalar forms of 64 bits have size 3 and no Q. */
enum { SCALAR_D = 16 }; /* bit of b */
static unsigned size_of(const struct translation *t, const struct op *o) { return t->e->b & SCALAR_D ? 3 : o->x & 3u; }
static bool quad(const struct translation *t, const struct op *o) { return !(t->e->b & SCALAR_D) && o->y; }

/* By element size; 0: not on the host. */
enum { ADD, SUB, EQ, GT, MAXU, MINU, MAXS, MINS, MUL, ABS };
static const u32 by_size[][4] = {
    [ADD] = {VPADDB, VPADDW, VPADDD, VPADDQ},
    [SUB] = {VPSUBB, VPSUBW, VPSUBD, VPSUBQ},
    [EQ] = {VPCMPEQB, VPCMPEQW, VPCMPEQD, VPCMPEQQ},
    [GT] = {VPCMPGTB, VPCMPGTW, VPCMPGTD, VPCMPGTQ},
    [MAXU] = {VPMAXUB, VPMAXUW, VPMAXUD, 0},
    [MINU] = {VPMINUB, VPMINUW, VPMINUD, 0},
    [MAXS] = {VPMAXSB, VPMAXSW, VPMAXSD, 0},
    [MINS] = {VPMINSB, VPMINSW, VPMINSD, 0},
    [MUL] = {0, VPMULLW, VPMULLD, 0},
    [ABS] = {VPABSB, VPABSW, VPABSD, 0},
};

/* The result in scratch register 0. */
static void done(struct translation *t, const struct op *o) { v_put(t, o->rd, 0, quad(t, o)); }

/* One instruction, straight into the destination with Q. */
static void direct(struct translation *t, const struct op *o, unsigned op, unsigned n, unsigned m)
{
    if (!quad(t, o)) {
        v_rr(t, op, 0, n, m);
        done(t, o);
        return;
    }
    v_rr(t, op, v_new(t, o->rd), n, m);
    v_done(t, o->rd, 16);
}

/* a: operation of by_size */
static void em_three(struct translation *t, const struct op *o)
{
    unsigned op = by_size[t->e->a][size_of(t, o)];
    if (!op) {
        t_call(t);
        return;
    }
    unsigned n = v_get(t, o->rn), m = v_get(t, o->rm);
    direct(t, o, op, n, m);
}

static void invert(struct translation *t, unsigned host, unsigned tmp)
{
    v_rr(t, VPCMPEQD, tmp, tmp, tmp);
    v_rr(t, VPXOR, host, host, tmp);
}

/* rn >= rm signed: not rm > rn */
static void em_cmge(struct translation *t, const struct op *o)
{
    unsigned n = v_get(t, o->rn), m = v_get(t, o->rm);
    v_rr(t, by_size[GT][size_of(t, o)], 0, m, n);
    invert(t, 0, 2);
    done(t, o);
}

/* Unsigned rn >= rm: their maximum is rn. a: rn > rm, which is not rm >= rn */
static void em_cmhs(struct translation *t, const struct op *o)
{
    unsigned size = size_of(t, o), n = v_get(t, t->e->a ? o->rm : o->rn), m = v_get(t, t->e->a ? o->rn : o->rm);
    if (size == 3) { /* signed, with the sign bits inverted: m > n, or not that */
        v_rc(t, VPXOR, 0, n, VC_SIGN_D);
        v_rc(t, VPXOR, 1, m, VC_SIGN_D);
        v_rr(t, VPCMPGTQ, 0, 1, 0);
        if (!t->e->a)
            invert(t, 0, 2);
        done(t, o);
        return;
    }
    v_rr(t, by_size[MAXU][size], 1, n, m);
    v_rr(t, by_size[EQ][size], 0, n, 1);
    if (t->e->a)
        invert(t, 0, 2);
    done(t, o);
}

/* Compares with zero. a: enum */
enum { Z_EQ, Z_GT, Z_GE, Z_LT, Z_LE };
static void em_cmp_zero(struct translation *t, const struct op *o)
{
    unsigned n = v_get(t, o->rn), gt = by_size[GT][size_of(t, o)];
    v_rr(t, VPXOR, 1, 1, 1);
    switch (t->e->a) {
    case Z_EQ: v_rr(t, by_size[EQ][size_of(t, o)], 0, n, 1); break;
    case Z_GT:
    case Z_LE: v_rr(t, gt, 0, n, 1); break;
    default: v_rr(t, gt, 0, 1, n); break;
    }
    if (t->e->a == Z_GE || t->e->a == Z_LE)
        invert(t, 0, 2);
    done(t, o);
}

static void em_cmtst(struct translation *t, const struct op *o)
{
    unsigned n = v_get(t, o->rn), m = v_get(t, o->rm);
    v_rr(t, VPXOR, 1, 1, 1);
    v_rr(t, VPAND, 0, n, m);
    v_rr(t, by_size[EQ][size_of(t, o)], 0, 0, 1);
    invert(t, 0, 2);
    done(t, o);
}

/* a: opcode */
static void em_logic(struct translation *t, const struct op *o)
{
    unsigned n = v_get(t, o->rn), m = v_get(t, o->rm);
    if (t->e->a == (VPOR & 0xff) && o->rn == o->rm)
        v_put(t, o->rd, n, o->y);
    else
        direct(t, o, VOP(1, 1, t->e->a), n, m);
}

static void em_bic(struct translation *t, const struct op *o)
{
    unsigned n = v_get(t, o->rn), m = v_get(t, o->rm);
    direct(t, o, VPANDN, m, n);
}

static void em_orn(struct translation *t, const struct op *o)
{
    v_rr(t, VMOVAPS, 0, 0, v_get(t, o->rm));
    invert(t, 0, 2);
    v_rr(t, VPOR, 0, 0, v_get(t, o->rn));
    done(t, o);
}

static void em_not(struct translation *t, const struct op *o)
{
    v_rr(t, VPCMPEQD, 0, 0, 0);
    v_rr(t, VPXOR, 0, 0, v_get(t, o->rn));
    done(t, o);
}

/* x ^ ((x ^ rn) & mask): BSL has x = rm and mask = rd, BIT x = rd and mask = rm, BIF its complement */
enum { BSL, BIT, BIF };
static void em_select(struct translation *t, const struct op *o)
{
    unsigned n = v_get(t, o->rn), x = v_get(t, t->e->a == BSL ? o->rm : o->rd);
    unsigned mask = v_get(t, t->e->a == BSL ? o->rd : o->rm);
    v_rr(t, VPXOR, 0, x, n);
    v_rr(t, t->e->a == BIF ? VPANDN : VPAND, 0, mask, 0);
    v_rr(t, VPXOR, 0, 0, x);
    done(t, o);
}

/* ---- differences, products, averages, saturation --------------------------------------------- */

/* xmm r = |n - m|, size 0 to 2. Clobbers xmm3. */
static void abs_diff(struct translation *t, unsigned r, unsigned n, unsigned m, unsigned size, bool sign)
{
    v_rr(t, by_size[sign ? MAXS : MAXU][size], 3, n, m);
    v_rr(t, by_size[sign ? MINS : MINU][size], r, n, m);
    v_rr(t, by_size[SUB][size], r, 3, r);
}

/* a: signed; b: accumulate */
static void em_abd(struct translation *t, const struct op *o)
{
    abs_diff(t, 0, v_get(t, o->rn), v_get(t, o->rm), o->x, t->e->a);
    if (t->e->b)
        v_rr(t, by_size[ADD][o->x & 3], 0, 0, v_get(t, o->rd));
    v_put(t, o->rd, 0, o->y);
}

/* xmm0 = n * m, bytes: the even ones and the odd ones as halfwords. */
static void multiply(struct translation *t, unsigned n, unsigned m, unsigned size)
{
    if (size) {
        v_rr(t, by_size[MUL][size], 0, n, m);
        return;
    }
    v_rr(t, VPMULLW, 0, n, m);
    v_rc(t, VPAND, 0, 0, VC_LOW_B);
    v_shift(t, VSHIFTW, SHIFT_SRL, 1, n, 8);
    v_rc(t, VPAND, 2, m, VC_HIGH_B);
    v_rr(t, VPMULLW, 1, 1, 2);
    v_rr(t, VPOR, 0, 0, 1);
}

/* xmm3 = element of Vm everywhere: x = size, imm = L:M:H */
void t_by_element(struct translation *t, const struct op *o)
{
    unsigned l = o->imm >> 2 & 1, m = o->imm >> 1 & 1, h = o->imm & 1;
    if (o->x == 1) {
        unsigned i = h << 2 | l << 1 | m, half = i >> 2, k = i & 3;
        /* vpshuflw or vpshufhw, then the word that holds it */
        v_rri(t, VOP(1, half ? 2u : 3u, 0x70), 3, 0, v_get(t, o->rm), k * 0x55);
        v_rri(t, VPSHUFD, 3, 0, 3, half ? 0xaa : 0x00);
    } else {
        v_rri(t, VPSHUFD, 3, 0, v_get(t, o->rm | m << 4), (h << 1 | l) * 0x55);
    }
}

/* a: MUL, ADD, SUB; b: by element */
static void em_mul(struct translation *t, const struct op *o)
{
    unsigned m = 3;
    if (t->e->b)
        t_by_element(t, o);
    else
        m = v_get(t, o->rm);
    multiply(t, v_get(t, o->rn), m, o->x);
    if (t->e->a != MUL)
        v_rr(t, by_size[t->e->a][o->x & 3], 0, v_get(t, o->rd), 0);
    v_put(t, o->rd, 0, o->y);
}

/* URHADD is the host's average; UHADD is one less where the sum is odd; the signed ones are those with the sign bits
 * inverted. a: signed, b: rounding */
static void em_halving_add(struct translation *t, const struct op *o)
{
    unsigned size = o->x & 3, n = v_get(t, o->rn), m = v_get(t, o->rm);
    if (size > 1) {
        t_call(t);
        return;
    }
    if (t->e->a) {
        v_rc(t, VPXOR, 0, n, size ? VC_MSB_H : VC_MSB_B);
        v_rc(t, VPXOR, 1, m, size ? VC_MSB_H : VC_MSB_B);
        n = 0;
        m = 1;
    }
    v_rr(t, VPXOR, 2, n, m);
    v_rr(t, size ? VPAVGW : VPAVGB, 0, n, m);
    if (!t->e->b) {
        v_rc(t, VPAND, 2, 2, size ? VC_ONE_H : VC_ONE_B);
        v_rr(t, by_size[SUB][size], 0, 0, 2);
    }
    if (t->e->a)
        v_rc(t, VPXOR, 0, 0, size ? VC_MSB_H : VC_MSB_B);
    v_put(t, o->rd, 0, o->y);
}

/* Sets FPSR.QC unless xmm1 is zero. */
void t_set_qc(struct translation *t, bool q)
{
    struct x64 *a = &t->as;
    if (!q)
        v_rr(t, VMOVQ, 1, 0, 1);
    v_rr(t, VPTEST, 1, 0, 1);
    u8 *none = x64_jcc8(a, CC_E);
    x64_mi(a, false, X_OR, R_CPU, CPU(fpsr), 1 << 27);
    x64_here8(a, none);
}

/* The narrow result in the lower half of xmm0 becomes rd, or its upper half (y). */
void t_narrow_done(struct translation *t, const struct op *o)
{
    if (!o->y) {
        v_put(t, o->rd, 0, false);
        return;
    }
    unsigned d = v_get_low(t, o->rd, 8);
    v_rr(t, VPUNPCKLQDQ, 0, d, 0);
    v_put(t, o->rd, 0, true);
}

/* Bytes and halfwords. a: ADD or SUB; b: opcode for bytes; the one for halfwords is one more. Saturated where it is not
 * the wrapped result. */
static void em_saturating(struct translation *t, const struct op *o)
{
    unsigned size = o->x & 3, n = v_get(t, o->rn), m = v_get(t, o->rm);
    if (size > 1) {
        t_call(t);
        return;
    }
    v_rr(t, VOP(1, 1, t->e->b + size), 0, n, m);
    v_rr(t, by_size[t->e->a][size], 1, n, m);
    v_rr(t, VPXOR, 1, 1, 0);
    t_set_qc(t, o->y);
    v_put(t, o->rd, 0, o->y);
}

/* SQDMULH, SQRDMULH of halfwords: only the square of the most negative number saturates, and only it gives that
 * number here. a: rounding, b: by element */
static void em_sqdmulh(struct translation *t, const struct op *o)
{
    unsigned m = 3;
    if (o->x != 1) {
        t_call(t);
        return;
    }
    if (t->e->b)
        t_by_element(t, o);
    else
        m = v_get(t, o->rm);
    unsigned n = v_get(t, o->rn);
    if (t->e->a) {
        v_rr(t, VPMULHRSW, 0, n, m);
    } else {
        v_rr(t, VPMULHW, 0, n, m);
        v_rr(t, VPMULLW, 1, n, m);
        v_rr(t, VPADDW, 0, 0, 0);
        v_shift(t, VSHIFTW, SHIFT_SRL, 1, 1, 15);
        v_rr(t, VPOR, 0, 0, 1);
    }
    v_rc(t, VPCMPEQW, 1, 0, VC_MSB_H);
    v_rr(t, VPXOR, 0, 0, 1);
    t_set_qc(t, o->y);
    v_put(t, o->rd, 0, o->y);
}

/* Four products of bytes for each word, added to it: the even bytes, then the odd ones, as halfwords.
 * a: bit 0 rn signed, bit 1 rm signed; b: by element */
static void spread_bytes(struct translation *t, unsigned r, unsigned b, bool odd, bool sign)
{
    if (!sign && !odd) {
        v_rc(t, VPAND, r, b, VC_LOW_B);
        return;
    }
    if (sign && !odd) {
        v_shift(t, VSHIFTW, SHIFT_SLL, r, b, 8);
        b = r;
    }
    v_shift(t, VSHIFTW, sign ? SHIFT_SRA : SHIFT_SRL, r, b, 8);
}
static void em_dot(struct translation *t, const struct op *o)
{
    unsigned n = v_get(t, o->rn), m = v_get(t, o->rm), d = v_get(t, o->rd);
    if (t->e->b) {
        v_rri(t, VPSHUFD, 3, 0, m, (unsigned)((o->imm & 1) << 1 | (o->imm >> 1 & 1)) * 0x55);
        m = 3;
    }
    spread_bytes(t, 0, n, false, t->e->a & 1);
    spread_bytes(t, 1, m, false, t->e->a & 2);
    v_rr(t, VPMADDWD, 2, 0, 1);
    spread_bytes(t, 0, n, true, t->e->a & 1);
    spread_bytes(t, 1, m, true, t->e->a & 2);
    v_rr(t, VPMADDWD, 0, 0, 1);
    v_rr(t, VPADDD, 0, 0, 2);
    v_rr(t, VPADDD, 0, 0, d);
    v_put(t, o->rd, 0, o->y);
}

/* ---- moves ----------------------------------------------------------------------------------- */

/* DUP of a general register. a: vpbroadcast's opcode; b: 64 bits */
static void em_dup(struct translation *t, const struct op *o)
{
    op_x(t, t->e->b, X_LOAD, RAX, o->rn);
    v_rr(t, t->e->b ? VMOVQ_X : VMOVD, 0, 0, RAX);
    v_rr(t, VOP(2, 1, t->e->a), 0, 0, 0);
    v_put(t, o->rd, 0, t->e->b || o->y);
}

/* DUP of an element: through memory. a: log2 of the size; b: scalar. x = index, y = Q */
static void em_dup_elem(struct translation *t, const struct op *o)
{
    static const u32 spread[] = {VPBROADCASTB, VPBROADCASTW, VPBROADCASTD, VPBROADCASTQ};
    unsigned size = t->e->a, h;
    struct x64 *a = &t->as;
    if (t->e->b) {
        v_memory(t, o->rn);
        x64_rm(a, size == 3,
               size == 0   ? X_MOVZX8
               : size == 1 ? X_MOVZX16
                           : X_LOAD,
               RAX, R_CPU, v_disp(o->rn) + (s32)(o->x << size));
        v_rr(t, size == 3 ? VMOVQ_X : VMOVD, v_new(t, o->rd), 0, RAX);
        v_done(t, o->rd, size == 3 ? 8 : 4);
        return;
    }
    h = v_get(t, o->rn);
    if (size >= 2) {
        v_rri(t, VPSHUFD, 0, 0, h, size == 3 ? (o->x ? 0xee : 0x44) : o->x * 0x55u);
    } else {
        if (o->x) {
            v_shift(t, VSHIFTQ, SHIFT_SRLDQ, 0, h, (unsigned)o->x << size);
            h = 0;
        }
        v_rr(t, spread[size], 0, 0, h);
    }
    v_put(t, o->rd, 0, size == 3 || o->y);
}

/* INS: a: log2 of the size; b: from an element (y), else from a general register. x = index */
static void em_ins(struct translation *t, const struct op *o)
{
    static const u32 insert[] = {VPINSRB, VPINSRW, VPINSRD, VPINSRQ};
    unsigned size = t->e->a;
    struct x64 *a = &t->as;
    unsigned d = v_get(t, o->rd);
    if (t->e->b && size >= 2) {
        unsigned n = v_get(t, o->rn), words = size == 3 ? 3 : 1, at = (unsigned)o->x << (size - 2);
        if (size == 3)
            v_rri(t, VPSHUFD, 0, 0, n, o->y ? 0xee : 0x44);
        else
            v_rri(t, VPSHUFD, 0, 0, n, o->y * 0x55u);
        v_rri(t, VPBLENDD, d, d, 0, words << at);
    } else if (t->e->b) {
        v_memory(t, o->rn);
        x64_rm(a, false, size ? X_MOVZX16 : X_MOVZX8, RAX, R_CPU, v_disp(o->rn) + (s32)(o->y << size));
        v_rri(t, insert[size], d, d, RAX, o->x);
    } else {
        ld_x(t, size == 3, RAX, o->rn);
        v_rri(t, insert[size], d, d, RAX, o->x);
    }
    v_done(t, o->rd, 16);
}
static void em_fmov_top(struct translation *t, const struct op *o)
{
    unsigned d = v_get(t, o->rd);
    ld_x(t, true, RAX, o->rn);
    v_rri(t, VPINSRQ, d, d, RAX, 1);
    v_done(t, o->rd, 16);
}

/* UMOV, SMOV, FMOV to general. a: log2 of the size, bit 4 signed, bit 5 to 64 bits; b: the lane is x */
enum { SIGNED = 16, TO_X = 32 };
static void em_umov(struct translation *t, const struct op *o)
{
    static const unsigned load[] = {X_MOVZX8, X_MOVZX16, X_LOAD, X_LOAD}, sign[] = {X_MOVSX8, X_MOVSX16, X_MOVSXD};
    unsigned size = t->e->a & 3, lane = t->e->b == 1 ? o->x : t->e->b;
    unsigned host = v_host(t, o->rn, size == 3 ? 8 : 4);
    if (host && !(t->e->a & SIGNED) && lane == 0 && size >= 2) {
        v_rr(t, size == 3 ? VMOVQ_XST : VMOVD_ST, host, 0, x_def(t, o->rd));
        return;
    }
    v_memory(t, o->rn);
    x64_rm(&t->as, size == 3 || t->e->a & TO_X, t->e->a & SIGNED ? sign[size] : load[size], RAX, R_CPU,
           v_disp(o->rn) + (s32)((t->e->b == 2 ? 1 : lane) << size));
    st_x(t, o->rd, RAX);
}

/* FMOV from general, 32 and 64 bits: the rest is cleared. */
static void em_fmov_from(struct translation *t, const struct op *o)
{
    op_x(t, t->e->a, X_LOAD, RAX, o->rn);
    v_rr(t, t->e->a ? VMOVQ_X : VMOVD, v_new(t, o->rd), 0, RAX);
    v_done(t, o->rd, t->e->a ? 8 : 4);
}

/* xmm r = v in both halves */
static void constant(struct translation *t, unsigned r, u64 v)
{
    if (v == 0) {
        v_rr(t, VPXOR, r, r, r);
        return;
    }
    x64_mov_imm(&t->as, RAX, v);
    v_rr(t, VMOVQ_X, r, 0, RAX);
    v_rr(t, VPBROADCASTQ, r, 0, r);
}
/* a constant: d[0] = v, d[1] = v or 0 */
static void set_imm(struct translation *t, unsigned rd, u64 v, bool both)
{
    unsigned h = v_new(t, rd);
    if (v == 0 || both) {
        constant(t, h, v);
        v_done(t, rd, v ? 16 : 4);
        return;
    }
    x64_mov_imm(&t->as, RAX, v);
    v_rr(t, VMOVQ_X, h, 0, RAX);
    v_done(t, rd, v >> 32 ? 8 : 4);
}

/* a: how imm is expanded; b: what is done with it */
enum { IMM_S, IMM_H, IMM_MSL, IMM_B, IMM_D, IMM_FS, IMM_FH };
enum { MOV, MVN, ORR, BIC };
static u64 expand(unsigned how, const struct op *o)
{
    u64 v = 0;
    unsigned s = o->x ? 16 : 8;
    switch (how) {
    case IMM_S: return (o->imm << 8 * o->x) * 0x0000000100000001ull;
    case IMM_H: return (o->imm << 8 * o->x) * 0x0001000100010001ull;
    case IMM_MSL: return (o->imm << s | ones(s)) * 0x0000000100000001ull;
    case IMM_B: return o->imm * 0x0101010101010101ull;
    case IMM_FS: return o->imm * 0x0000000100000001ull;
    case IMM_FH: return o->imm * 0x0001000100010001ull;
    default:
        for (unsigned i = 0; i < 8; i++)
            v |= bit(o->imm, i) ? 0xffull << 8 * i : 0;
        return v;
    }
}
static void em_modified_imm(struct translation *t, const struct op *o)
{
    u64 v = expand(t->e->a, o);
    if (t->e->b <= MVN) {
        set_imm(t, o->rd, t->e->b == MVN ? ~v : v, o->y);
        return;
    }
    constant(t, 0, v);
    v_rr(t, t->e->b == ORR ? VPOR : VPANDN, 0, 0, v_get(t, o->rd));
    v_put(t, o->rd, 0, o->y);
}
/* FMOV (immediate): scalar, and vector of doubles (a) */
static void em_fmov_imm(struct translation *t, const struct op *o) { set_imm(t, o->rd, o->imm, t->e->a); }

#define X                         (EMIT_FP | EMIT_EXIT) /* may be a call */
#define VD(name, fn, flags, a, b) ROW(name##_v, fn, flags, a, b), ROW(name##_d, fn, flags, a, (b) | SCALAR_D)
const struct emit_row emit_simd_rows[] = {
    VD(add, em_three, EMIT_FP, ADD, 0),
    VD(sub, em_three, EMIT_FP, SUB, 0),
    VD(cmeq, em_three, EMIT_FP, EQ, 0),
    VD(cmgt, em_three, EMIT_FP, GT, 0),
    ROW(umax_v, em_three, X, MAXU),
    ROW(umin_v, em_three, X, MINU),
    ROW(smax_v, em_three, X, MAXS),
    ROW(smin_v, em_three, X, MINS),
    VD(cmge, em_cmge, EMIT_FP, 0, 0),
    VD(cmhs, em_cmhs, EMIT_FP, 0, 0),
    VD(cmhi, em_cmhs, EMIT_FP, 1, 0),
    VD(cmtst, em_cmtst, EMIT_FP, 0, 0),
    VD(cmeq_z, em_cmp_zero, EMIT_FP, Z_EQ, 0),
    VD(cmgt_z, em_cmp_zero, EMIT_FP, Z_GT, 0),
    VD(cmge_z, em_cmp_zero, EMIT_FP, Z_GE, 0),
    VD(cmlt_z, em_cmp_zero, EMIT_FP, Z_LT, 0),
    VD(cmle_z, em_cmp_zero, EMIT_FP, Z_LE, 0),
    ROW(and_v, em_logic, EMIT_FP, VPAND & 0xff),
    ROW(orr_v, em_logic, EMIT_FP, VPOR & 0xff),
    ROW(eor_v, em_logic, EMIT_FP, VPXOR & 0xff),
    ROW(bic_v, em_bic, EMIT_FP),
    ROW(orn_v, em_orn, EMIT_FP),
    ROW(not_v, em_not, EMIT_FP),
    ROW(bsl_v, em_select, EMIT_FP, BSL),
    ROW(bit_v, em_select, EMIT_FP, BIT),
    ROW(bif_v, em_select, EMIT_FP, BIF),
    ROW(sabd_v, em_abd, EMIT_FP, 1, 0),
    ROW(uabd_v, em_abd, EMIT_FP, 0, 0),
    ROW(saba_v, em_abd, EMIT_FP, 1, 1),
    ROW(uaba_v, em_abd, EMIT_FP, 0, 1),
    ROW(mul_v, em_mul, EMIT_FP, MUL, 0),
    ROW(mla_v, em_mul, EMIT_FP, ADD, 0),
    ROW(mls_v, em_mul, EMIT_FP, SUB, 0),
    ROW(mul_e, em_mul, EMIT_FP, MUL, 1),
    ROW(mla_e, em_mul, EMIT_FP, ADD, 1),
    ROW(mls_e, em_mul, EMIT_FP, SUB, 1),
    ROW(shadd_v, em_halving_add, X, 1, 0),
    ROW(uhadd_v, em_halving_add, X, 0, 0),
    ROW(srhadd_v, em_halving_add, X, 1, 1),
    ROW(urhadd_v, em_halving_add, X, 0, 1),
    ROW(sqadd_v, em_saturating, X, ADD, VPADDSB & 0xff),
    ROW(uqadd_v, em_saturating, X, ADD, VPADDUSB & 0xff),
    ROW(sqsub_v, em_saturating, X, SUB, VPSUBSB & 0xff),
    ROW(uqsub_v, em_saturating, X, SUB, VPSUBUSB & 0xff),
    ROW(sqdmulh_v, em_sqdmulh, X, 0, 0),
    ROW(sqrdmulh_v, em_sqdmulh, X, 1, 0),
    ROW(sqdmulh_e, em_sqdmulh, X, 0, 1),
    ROW(sqrdmulh_e, em_sqdmulh, X, 1, 1),
    ROW(udot_v, em_dot, EMIT_FP, 0, 0),
    ROW(sdot_v, em_dot, EMIT_FP, 3, 0),
    ROW(usdot_v, em_dot, EMIT_FP, 2, 0),
    ROW(udot_e, em_dot, EMIT_FP, 0, 1),
    ROW(sdot_e, em_dot, EMIT_FP, 3, 1),
    ROW(usdot_e, em_dot, EMIT_FP, 2, 1),
    ROW(sudot_e, em_dot, EMIT_FP, 1, 1),
    ROW(dup_rb, em_dup, EMIT_FP, 0x78, 0),
    ROW(dup_rh, em_dup, EMIT_FP, 0x79, 0),
    ROW(dup_rs, em_dup, EMIT_FP, 0x58, 0),
    ROW(dup_rd, em_dup, EMIT_FP, 0x59, 1),
    ROW(dup_vb, em_dup_elem, EMIT_FP, 0, 0),
    ROW(dup_vh, em_dup_elem, EMIT_FP, 1, 0),
    ROW(dup_vs, em_dup_elem, EMIT_FP, 2, 0),
    ROW(dup_vd, em_dup_elem, EMIT_FP, 3, 0),
    ROW(dup_sb, em_dup_elem, EMIT_FP, 0, 1),
    ROW(dup_sh, em_dup_elem, EMIT_FP, 1, 1),
    ROW(dup_ss, em_dup_elem, EMIT_FP, 2, 1),
    ROW(dup_sd, em_dup_elem, EMIT_FP, 3, 1),
    ROW(ins_rb, em_ins, EMIT_FP, 0, 0),
    ROW(ins_rh, em_ins, EMIT_FP, 1, 0),
    ROW(ins_rs, em_ins, EMIT_FP, 2, 0),
    ROW(ins_rd, em_ins, EMIT_FP, 3, 0),
    ROW(ins_vb, em_ins, EMIT_FP, 0, 1),
    ROW(ins_vh, em_ins, EMIT_FP, 1, 1),
    ROW(ins_vs, em_ins, EMIT_FP, 2, 1),
    ROW(ins_vd, em_ins, EMIT_FP, 3, 1),
    ROW(umov_b, em_umov, EMIT_FP, 0, 1),
    ROW(umov_h, em_umov, EMIT_FP, 1, 1),
    ROW(umov_s, em_umov, EMIT_FP, 2, 1),
    ROW(umov_d, em_umov, EMIT_FP, 3, 1),
    ROW(smov_wb, em_umov, EMIT_FP, SIGNED | 0, 1),
    ROW(smov_wh, em_umov, EMIT_FP, SIGNED | 1, 1),
    ROW(smov_xb, em_umov, EMIT_FP, SIGNED | TO_X | 0, 1),
    ROW(smov_xh, em_umov, EMIT_FP, SIGNED | TO_X | 1, 1),
    ROW(smov_xs, em_umov, EMIT_FP, SIGNED | TO_X | 2, 1),
    ROW(fmov_to_gen16, em_umov, EMIT_FP, 1, 0),
    ROW(fmov_to_gen32, em_umov, EMIT_FP, 2, 0),
    ROW(fmov_to_gen64, em_umov, EMIT_FP, 3, 0),
    ROW(fmov_to_gen_top, em_umov, EMIT_FP, 3, 2),
    ROW(fmov_from_gen32, em_fmov_from, EMIT_FP, 0),
    ROW(fmov_from_gen64, em_fmov_from, EMIT_FP, 1),
    ROW(fmov_from_gen_top, em_fmov_top, EMIT_FP),
    ROW(fmov_imm, em_fmov_imm, EMIT_FP, 0),
    ROW(fmov_vimm_d, em_fmov_imm, EMIT_FP, 1),
    ROW(movi_s, em_modified_imm, EMIT_FP, IMM_S, MOV),
    ROW(movi_h, em_modified_imm, EMIT_FP, IMM_H, MOV),
    ROW(movi_msl, em_modified_imm, EMIT_FP, IMM_MSL, MOV),
    ROW(movi_b, em_modified_imm, EMIT_FP, IMM_B, MOV),
    ROW(movi_d, em_modified_imm, EMIT_FP, IMM_D, MOV),
    ROW(mvni_s, em_modified_imm, EMIT_FP, IMM_S, MVN),
    ROW(mvni_h, em_modified_imm, EMIT_FP, IMM_H, MVN),
    ROW(mvni_msl, em_modified_imm, EMIT_FP, IMM_MSL, MVN),
    ROW(fmov_vimm_s, em_modified_imm, EMIT_FP, IMM_FS, MOV),
    ROW(fmov_vimm_h, em_modified_imm, EMIT_FP, IMM_FH, MOV),
    ROW(orr_imm_s, em_modified_imm, EMIT_FP, IMM_S, ORR),
    ROW(orr_imm_h, em_modified_imm, EMIT_FP, IMM_H, ORR),
    ROW(bic_imm_s, em_modified_imm, EMIT_FP, IMM_S, BIC),
    ROW(bic_imm_h, em_modified_imm, EMIT_FP, IMM_H, BIC),
    {0},
};
