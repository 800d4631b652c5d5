/* Advanced SIMD: permutations, table look-up, one-operand instructions, narrowing, pairwise operations and reductions.
 */
#include "core/bits.h"
#include "jit/internal.h"

static const u32 add_op[] = {VPADDB, VPADDW, VPADDD, VPADDQ};

/* The result in xmm0. */
static void done(struct translation *t, const struct op *o) { v_put(t, o->rd, 0, o->y); }

/* ---- permutations: x = size, y = Q ----------------------------------------------------------- */

/* xmm r = the even (part 0) or odd elements of m:n. Without Q only the lower half of r means anything. Clobbers xmm3.
 */
static void unzip(struct translation *t, unsigned r, const struct op *o, unsigned size, unsigned part)
{
    unsigned n = v_get(t, o->rn), m = v_get(t, o->rm);
    static const u8 shuffles[2][2] = {{VC_NARROW_H, VC_NARROW_HO}, {VC_NARROW_S, VC_NARROW_SO}};
    if (size == 3) {
        v_rr(t, part ? VPUNPCKHQDQ : VPUNPCKLQDQ, r, n, m);
    } else if (!o->y) {
        v_rr(t, VPUNPCKLQDQ, r, n, m);
        if (size == 2)
            v_rri(t, VPSHUFD, r, 0, r, part ? 0x0d : 0x08);
        else
            v_rc(t, VPSHUFB, r, r, shuffles[size][part]);
    } else if (size == 2) {
        v_rri(t, VSHUFPS, r, n, m, part ? 0xdd : 0x88);
    } else {
        v_rc(t, VPSHUFB, 3, n, shuffles[size][part]);
        v_rc(t, VPSHUFB, r, m, shuffles[size][part]);
        v_rr(t, VPUNPCKLQDQ, r, 3, r);
    }
}
/* a: part */
static void em_uzp(struct translation *t, const struct op *o)
{
    unzip(t, 0, o, o->x, t->e->a);
    done(t, o);
}

static void em_zip(struct translation *t, const struct op *o)
{
    static const u32 low[] = {VPUNPCKLBW, VPUNPCKLWD, VPUNPCKLDQ, VPUNPCKLQDQ},
                     high[] = {VPUNPCKHBW, VPUNPCKHWD, VPUNPCKHDQ, VPUNPCKHQDQ};
    unsigned n = v_get(t, o->rn), m = v_get(t, o->rm), size = o->x & 3;
    if (o->y) {
        v_rr(t, t->e->a ? high[size] : low[size], v_new(t, o->rd), n, m);
        v_done(t, o->rd, 16);
        return;
    }
    v_rr(t, low[size], 0, n, m);
    if (t->e->a)
        v_shift(t, VSHIFTQ, SHIFT_SRLDQ, 0, 0, 8);
    done(t, o);
}

/* TRN1: even elements of n, those of m one place up; TRN2: odd elements of m, those of n one place down. */
static void em_trn(struct translation *t, const struct op *o)
{
    static const u32 shift[] = {VSHIFTW, VSHIFTD, VSHIFTQ};
    unsigned n = v_get(t, o->rn), m = v_get(t, o->rm), size = o->x & 3, part = t->e->a;
    if (size == 3) {
        v_rr(t, part ? VPUNPCKHQDQ : VPUNPCKLQDQ, 0, n, m);
        done(t, o);
        return;
    }
    unsigned bits = 8u << size, keep = part ? m : n;
    v_shift(t, shift[size], part ? SHIFT_SRL : SHIFT_SLL, 0, part ? n : m, bits);
    if (size == 0) {
        v_rc(t, VPAND, 1, keep, part ? VC_HIGH_B : VC_LOW_B);
        v_rr(t, VPOR, 0, 0, 1);
    } else {
        v_rri(t, VPBLENDW, 0, 0, keep, (size == 1 ? 0x55u : 0x33u) << (part ? size : 0));
    }
    done(t, o);
}

static void em_ext(struct translation *t, const struct op *o)
{
    unsigned n = v_get(t, o->rn), m = v_get(t, o->rm);
    if (o->y) {
        v_rri(t, VPALIGNR, v_new(t, o->rd), m, n, (unsigned)o->imm);
        v_done(t, o->rd, 16);
        return;
    }
    v_rr(t, VPUNPCKLQDQ, 0, n, m);
    v_shift(t, VSHIFTQ, SHIFT_SRLDQ, 0, 0, (unsigned)o->imm);
    done(t, o);
}

/* TBL, TBX (a). The host's shuffle gives zero where bit 7 of the index is set, which adding 0x70 with saturation does
 * for 16 and more. x = registers - 1 */
static void em_tbl(struct translation *t, const struct op *o)
{
    static const u8 base[] = {0, VC_U16, VC_U32, VC_U48};
    unsigned m = v_get(t, o->rm);
    for (unsigned k = 0; k <= o->x; k++) {
        unsigned n = v_get(t, (o->rn + k) & 31), index = m;
        if (k) {
            v_rc(t, VPSUBB, 1, m, base[k]);
            index = 1;
        }
        v_rc(t, VPADDUSB, 1, index, VC_TBL);
        v_rr(t, VPSHUFB, k ? 1 : 0, n, 1);
        if (k)
            v_rr(t, VPOR, 0, 0, 1);
    }
    if (t->e->a) { /* keeps rd where the index is not below 16 * registers */
        struct x64 *a = &t->as;
        x64_mov_imm(a, RAX, 16u * (o->x + 1u) - 1);
        v_rr(t, VMOVD, 1, 0, RAX);
        v_rr(t, VPBROADCASTB, 1, 0, 1);
        v_rr(t, VPMINUB, 1, m, 1);
        v_rr(t, VPCMPEQB, 1, 1, m);
        v_rri(t, VPBLENDVB, 0, v_get(t, o->rd), 0, 1 << 4);
    }
    done(t, o);
}

/* REV. a: constant; b: the same for halfwords; words: a swap */
static void em_rev(struct translation *t, const struct op *o)
{
    unsigned n = v_get(t, o->rn);
    if ((o->x & 3) == 2)
        v_rri(t, VPSHUFD, 0, 0, n, 0xb1);
    else
        v_rc(t, VPSHUFB, 0, n, o->x & 1 ? t->e->b : t->e->a);
    done(t, o);
}

/* ---- one operand ----------------------------------------------------------------------------- */

static void em_abs(struct translation *t, const struct op *o)
{
    static const u32 op[] = {VPABSB, VPABSW, VPABSD};
    if (o->x == 3) {
        t_call(t);
        return;
    }
    v_rr(t, op[o->x], 0, 0, v_get(t, o->rn));
    done(t, o);
}

/* a: scalar of 64 bits */
static void em_neg(struct translation *t, const struct op *o)
{
    static const u32 sub[] = {VPSUBB, VPSUBW, VPSUBD, VPSUBQ};
    v_rr(t, VPXOR, 0, 0, 0);
    v_rr(t, sub[t->e->a ? 3 : o->x & 3], 0, 0, v_get(t, o->rn));
    v_put(t, o->rd, 0, !t->e->a && o->y);
}

static void em_cnt(struct translation *t, const struct op *o)
{
    unsigned n = v_get(t, o->rn);
    v_rc(t, VMOVDQA, 2, 0, VC_COUNTS);
    v_rc(t, VPAND, 0, n, VC_NIBBLE);
    v_rr(t, VPSHUFB, 0, 2, 0);
    v_shift(t, VSHIFTW, SHIFT_SRL, 1, n, 4);
    v_rc(t, VPAND, 1, 1, VC_NIBBLE);
    v_rr(t, VPSHUFB, 1, 2, 1);
    v_rr(t, VPADDB, 0, 0, 1);
    done(t, o);
}

/* xmm r = v in every halfword or word */
static void splat(struct translation *t, unsigned r, unsigned size, u32 v)
{
    x64_mov_imm(&t->as, RAX, v);
    v_rr(t, VMOVD, r, 0, RAX);
    v_rr(t, size == 1 ? VPBROADCASTW : VPBROADCASTD, r, 0, r);
}

/* Of bytes: the smaller of what the nibbles say. Then up to twice: the upper half's zeros, and the lower's if that is
 * all of it. */
static void em_clz(struct translation *t, const struct op *o)
{
    unsigned n = v_get(t, o->rn);
    v_shift(t, VSHIFTW, SHIFT_SRL, 0, n, 4);
    v_rc(t, VPAND, 0, 0, VC_NIBBLE);
    v_rc(t, VMOVDQA, 2, 0, VC_CLZ_HIGH);
    v_rr(t, VPSHUFB, 0, 2, 0);
    v_rc(t, VPAND, 1, n, VC_NIBBLE);
    v_rc(t, VMOVDQA, 2, 0, VC_CLZ_LOW);
    v_rr(t, VPSHUFB, 1, 2, 1);
    v_rr(t, VPMINUB, 0, 0, 1);
    for (unsigned size = 1; size <= o->x; size++) {
        splat(t, 3, size, 4u << size);
        v_rc(t, VPAND, 1, 0, size == 1 ? VC_LOW_B : VC_LOW_H);
        v_shift(t, size == 1 ? VSHIFTW : VSHIFTD, SHIFT_SRL, 0, 0, 4u << size);
        v_rr(t, size == 1 ? VPCMPEQW : VPCMPEQD, 3, 3, 0);
        v_rr(t, VPAND, 1, 1, 3);
        v_rr(t, size == 1 ? VPADDW : VPADDD, 0, 0, 1);
    }
    done(t, o);
}

void t_rbit(struct translation *t, unsigned n)
{
    v_shift(t, VSHIFTW, SHIFT_SRL, 1, n, 4);
    v_rc(t, VPAND, 1, 1, VC_NIBBLE);
    v_rc(t, VPAND, 0, n, VC_NIBBLE);
    v_rc(t, VMOVDQA, 2, 0, VC_RBIT_LOW);
    v_rr(t, VPSHUFB, 1, 2, 1);
    v_rc(t, VMOVDQA, 2, 0, VC_RBIT_HIGH);
    v_rr(t, VPSHUFB, 0, 2, 0);
    v_rr(t, VPOR, 0, 0, 1);
}

static void em_rbit(struct translation *t, const struct op *o)
{
    t_rbit(t, v_get(t, o->rn));
    done(t, o);
}

/* Sums of neighbours in twice the width: xmm r from n. */
static void add_pairs(struct translation *t, unsigned r, unsigned n, unsigned size, bool sign)
{
    if (size == 0) {
        v_rc(t, VMOVDQA, 1, 0, VC_ONE_B);
        v_rr(t, VPMADDUBSW, r, sign ? 1 : n, sign ? n : 1); /* the first operand is unsigned */
    } else if (size == 1 && sign) {
        v_rc(t, VPMADDWD, r, n, VC_ONE_H);
    } else if (size == 1) {
        v_rc(t, VPAND, 1, n, VC_LOW_H);
        v_shift(t, VSHIFTD, SHIFT_SRL, r, n, 16);
        v_rr(t, VPADDD, r, r, 1);
    } else if (sign) {
        v_rri(t, VPSHUFD, 1, 0, n, 0x08);
        v_rri(t, VPSHUFD, r, 0, n, 0x0d);
        v_rr(t, VPMOVSXDQ, 1, 0, 1);
        v_rr(t, VPMOVSXDQ, r, 0, r);
        v_rr(t, VPADDQ, r, r, 1);
    } else {
        v_shift(t, VSHIFTQ, SHIFT_SLL, 1, n, 32);
        v_shift(t, VSHIFTQ, SHIFT_SRL, 1, 1, 32);
        v_shift(t, VSHIFTQ, SHIFT_SRL, r, n, 32);
        v_rr(t, VPADDQ, r, r, 1);
    }
}
/* a: signed, b: accumulate */
static void em_addlp(struct translation *t, const struct op *o)
{
    add_pairs(t, 0, v_get(t, o->rn), o->x, t->e->a);
    if (t->e->b)
        v_rr(t, add_op[o->x + 1], 0, 0, v_get(t, o->rd));
    done(t, o);
}

/* ---- narrowing: x = size of the narrow element, y = upper half -------------------------------- */

static void em_xtn(struct translation *t, const struct op *o)
{
    unsigned n = v_get(t, o->rn);
    if (o->x == 2)
        v_rri(t, VPSHUFD, 0, 0, n, 0x08);
    else
        v_rc(t, VPSHUFB, 0, n, o->x ? VC_NARROW_S : VC_NARROW_H);
    t_narrow_done(t, o);
}

/* SQXTN, UQXTN, SQXTUN. Saturated where widening does not give the operand back. */
enum { SQ, UQ, SQU };
static void em_qxtn(struct translation *t, const struct op *o)
{
    unsigned kind = t->e->a, n;
    if (o->x > 1) {
        t_call(t);
        return;
    }
    bool h = o->x;
    n = v_get(t, o->rn);
    if (kind == UQ) { /* the packs take signed operands: limit it first */
        v_rc(t, h ? VPMINUD : VPMINUW, 0, n, h ? VC_LOW_H : VC_LOW_B);
        v_rr(t, h ? VPACKUSDW : VPACKUSWB, 0, 0, 0);
    } else if (kind == SQ) {
        v_rr(t, h ? VPACKSSDW : VPACKSSWB, 0, n, n);
    } else {
        v_rr(t, h ? VPACKUSDW : VPACKUSWB, 0, n, n);
    }
    v_rr(t, kind == SQ ? (h ? VPMOVSXWD : VPMOVSXBW) : (h ? VPMOVZXWD : VPMOVZXBW), 1, 0, 0);
    v_rr(t, VPXOR, 1, 1, n);
    t_set_qc(t, true);
    t_narrow_done(t, o);
}

/* ---- pairwise and across --------------------------------------------------------------------- */

enum { P_ADD, P_SMAX, P_SMIN, P_UMAX, P_UMIN };
static const u32 pair_op[][4] = {
    [P_ADD] = {VPADDB, VPADDW, VPADDD, VPADDQ}, [P_SMAX] = {VPMAXSB, VPMAXSW, VPMAXSD, 0},
    [P_SMIN] = {VPMINSB, VPMINSW, VPMINSD, 0},  [P_UMAX] = {VPMAXUB, VPMAXUW, VPMAXUD, 0},
    [P_UMIN] = {VPMINUB, VPMINUW, VPMINUD, 0},
};
static void em_pairwise(struct translation *t, const struct op *o)
{
    unsigned size = o->x & 3;
    unzip(t, 0, o, size, 0);
    unzip(t, 1, o, size, 1);
    v_rr(t, pair_op[t->e->a][size], 0, 0, 1);
    done(t, o);
}
static void em_addp_d(struct translation *t, const struct op *o)
{
    unsigned n = v_get(t, o->rn);
    v_rri(t, VPSHUFD, 0, 0, n, 0xee);
    v_rr(t, VPADDQ, 0, 0, n);
    v_put(t, o->rd, 0, false);
}

/* The element in the lowest place of xmm0 becomes rd. */
static void across_done(struct translation *t, const struct op *o, unsigned bytes)
{
    struct x64 *a = &t->as;
    if (bytes == 8) {
        v_put(t, o->rd, 0, false);
    } else if (bytes == 4) {
        v_rri(t, VINSERTPS, v_new(t, o->rd), 0, 0, 0x0e);
        v_done(t, o->rd, 4);
    } else {
        v_rr(t, VMOVD_ST, 0, 0, RAX);
        if (bytes == 2)
            x64_rr(a, false, X_MOVZX16, RAX, RAX);
        else
            x64_rr8(a, false, X_MOVZX8, RAX, RAX);
        v_rr(t, VMOVD, v_new(t, o->rd), 0, RAX);
        v_done(t, o->rd, 4);
    }
}

/* Halves on halves down to one element of size bytes. */
static void fold(struct translation *t, unsigned op, bool q, unsigned bytes)
{
    for (unsigned s = q ? 8 : 4; s >= bytes; s /= 2) {
        v_shift(t, VSHIFTQ, SHIFT_SRLDQ, 1, 0, s);
        v_rr(t, op, 0, 0, 1);
    }
}
static void em_across(struct translation *t, const struct op *o)
{
    unsigned size = o->x & 3;
    v_rr(t, VMOVAPS, 0, 0, v_get(t, o->rn));
    fold(t, pair_op[t->e->a][size], o->y, 1u << size);
    across_done(t, o, 1u << size);
}
/* SADDLV, UADDLV: a signed */
static void em_addlv(struct translation *t, const struct op *o)
{
    unsigned wide = o->x + 1u;
    add_pairs(t, 0, v_src(t, o->rn, o->y, 2), o->x, t->e->a);
    fold(t, add_op[wide], o->y, 1u << wide);
    across_done(t, o, 1u << wide);
}

#define X (EMIT_FP | EMIT_EXIT)
const struct emit_row emit_simd_more_rows[] = {
    ROW(uzp1_v, em_uzp, EMIT_FP, 0),
    ROW(uzp2_v, em_uzp, EMIT_FP, 1),
    ROW(zip1_v, em_zip, EMIT_FP, 0),
    ROW(zip2_v, em_zip, EMIT_FP, 1),
    ROW(trn1_v, em_trn, EMIT_FP, 0),
    ROW(trn2_v, em_trn, EMIT_FP, 1),
    ROW(ext_v, em_ext, EMIT_FP),
    ROW(tbl_v, em_tbl, EMIT_FP, 0),
    ROW(tbx_v, em_tbl, EMIT_FP, 1),
    ROW(rev16_v, em_rev, EMIT_FP, VC_REV16, VC_REV16),
    ROW(rev32_v, em_rev, EMIT_FP, VC_REV32_B, VC_REV32_H),
    ROW(rev64_v, em_rev, EMIT_FP, VC_REV64_B, VC_REV64_H),
    ROW(abs_v, em_abs, X),
    ROW(neg_v, em_neg, EMIT_FP, 0),
    ROW(neg_d, em_neg, EMIT_FP, 1),
    ROW(clz_v, em_clz, EMIT_FP),
    ROW(cnt_v, em_cnt, EMIT_FP),
    ROW(rbit_v, em_rbit, EMIT_FP),
    ROW(saddlp_v, em_addlp, EMIT_FP, 1, 0),
    ROW(uaddlp_v, em_addlp, EMIT_FP, 0, 0),
    ROW(sadalp_v, em_addlp, EMIT_FP, 1, 1),
    ROW(uadalp_v, em_addlp, EMIT_FP, 0, 1),
    ROW(xtn_v, em_xtn, EMIT_FP),
    ROW(sqxtn_v, em_qxtn, X, SQ),
    ROW(uqxtn_v, em_qxtn, X, UQ),
    ROW(sqxtun_v, em_qxtn, X, SQU),
    ROW(addp_v, em_pairwise, EMIT_FP, P_ADD),
    ROW(smaxp_v, em_pairwise, EMIT_FP, P_SMAX),
    ROW(sminp_v, em_pairwise, EMIT_FP, P_SMIN),
    ROW(umaxp_v, em_pairwise, EMIT_FP, P_UMAX),
    ROW(uminp_v, em_pairwise, EMIT_FP, P_UMIN),
    ROW(addp_d, em_addp_d, EMIT_FP),
    ROW(addv_v, em_across, EMIT_FP, P_ADD),
    ROW(smaxv_v, em_across, EMIT_FP, P_SMAX),
    ROW(sminv_v, em_across, EMIT_FP, P_SMIN),
    ROW(umaxv_v, em_across, EMIT_FP, P_UMAX),
    ROW(uminv_v, em_across, EMIT_FP, P_UMIN),
    ROW(saddlv_v, em_addlv, EMIT_FP, 1),
    ROW(uaddlv_v, em_addlv, EMIT_FP, 0),
    {0},
};
