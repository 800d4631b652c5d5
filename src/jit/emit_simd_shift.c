/* Advanced SIMD shifts by immediate: plain, rounding, accumulating, inserting, narrowing, widening; USHL and SSHL of
 * words. imm = immh:immb: its highest set bit gives the element size (the narrow one), y = Q; scalars of 64 bits lack
 * that bit. */
#include "core/bits.h"
#include "jit/internal.h"

static const u32 shift_op[] = {0, VSHIFTW, VSHIFTD, VSHIFTQ};
static const u32 add_op[] = {VPADDB, VPADDW, VPADDD, VPADDQ};

static unsigned size_of(u64 imm) { return 28 - (unsigned)__builtin_clz((u32)imm); }

/* xmm r = v in every element */
static void splat(struct translation *t, unsigned r, unsigned size, u64 v)
{
    static const u64 ones_of[] = {0x0101010101010101ull, 0x0001000100010001ull, 0x0000000100000001ull, 1};
    x64_mov_imm(&t->as, RAX, (v & ones(8u << size)) * ones_of[size]);
    v_rr(t, VMOVQ_X, r, 0, RAX);
    v_rr(t, VPBROADCASTQ, r, 0, r);
}

/* xmm r = b >> n (0 to the element's size). r is not b; clobbers xmm3 for signed doublewords. */
static void shift_right(struct translation *t, unsigned r, unsigned b, unsigned size, unsigned n, bool sign)
{
    unsigned bits = 8u << size;
    if (size == 0) {
        if (n >= 8 && !sign) {
            v_rr(t, VPXOR, r, r, r);
            return;
        }
        n = n > 7 ? 7 : n;
        v_shift(t, VSHIFTW, SHIFT_SRL, r, b, n);
        v_rc(t, VPAND, r, r, VC_SHR_B + n);
        if (sign) { /* (x ^ s) - s extends from the moved sign bit */
            splat(t, 3, 0, 0x80u >> n);
            v_rr(t, VPXOR, r, r, 3);
            v_rr(t, VPSUBB, r, r, 3);
        }
    } else if (size == 3 && sign) {
        v_rr(t, VPXOR, 3, 3, 3);
        v_rr(t, VPCMPGTQ, 3, 3, b);
        v_shift(t, VSHIFTQ, SHIFT_SRL, r, b, n);
        if (n) {
            v_shift(t, VSHIFTQ, SHIFT_SLL, 3, 3, bits - n);
            v_rr(t, VPOR, r, r, 3);
        }
    } else {
        v_shift(t, shift_op[size], sign ? SHIFT_SRA : SHIFT_SRL, r, b, n);
    }
}

static void shift_left(struct translation *t, unsigned r, unsigned b, unsigned size, unsigned n)
{
    if (size) {
        v_shift(t, shift_op[size], SHIFT_SLL, r, b, n);
        return;
    }
    v_shift(t, VSHIFTW, SHIFT_SLL, r, b, n);
    v_rc(t, VPAND, r, r, VC_SHL_B + n);
}

/* xmm0 = b >> n rounded: the last bit shifted out is added. Clobbers xmm1 and xmm3. */
static void shift_right_round(struct translation *t, unsigned b, unsigned size, unsigned n, bool sign)
{
    shift_right(t, 0, b, size, n, sign);
    if (size == 0) {
        splat(t, 3, 0, 1);
        v_shift(t, VSHIFTW, SHIFT_SRL, 1, b, n - 1);
        v_rr(t, VPAND, 1, 1, 3);
    } else { /* that bit to the top, then to the bottom */
        unsigned bits = 8u << size;
        v_shift(t, shift_op[size], SHIFT_SLL, 1, b, bits - n);
        v_shift(t, shift_op[size], SHIFT_SRL, 1, 1, bits - 1);
    }
    v_rr(t, add_op[size], 0, 0, 1);
}

/* a: bit 0 signed, 1 rounding, 2 accumulate; b: scalar */
enum { SIGN = 1, ROUND = 2, ACC = 4 };
static void em_shr(struct translation *t, const struct op *o)
{
    u64 imm = t->e->b ? o->imm | 64 : o->imm;
    unsigned size = size_of(imm), n = (16u << size) - (unsigned)imm, b = v_get(t, o->rn);
    bool sign = t->e->a & SIGN;
    if (t->e->a & ROUND)
        shift_right_round(t, b, size, n, sign);
    else
        shift_right(t, 0, b, size, n, sign);
    if (t->e->a & ACC)
        v_rr(t, add_op[size], 0, 0, v_get(t, o->rd));
    v_put(t, o->rd, 0, !t->e->b && o->y);
}

/* SHL, SLI (a); b: scalar */
static void em_shl(struct translation *t, const struct op *o)
{
    u64 imm = t->e->b ? o->imm | 64 : o->imm;
    unsigned size = size_of(imm), n = (unsigned)imm - (8u << size);
    shift_left(t, 0, v_get(t, o->rn), size, n);
    if (t->e->a && n) {
        splat(t, 1, size, ones(n));
        v_rr(t, VPAND, 1, 1, v_get(t, o->rd));
        v_rr(t, VPOR, 0, 0, 1);
    }
    v_put(t, o->rd, 0, !t->e->b && o->y);
}

static void em_sri(struct translation *t, const struct op *o)
{
    u64 imm = t->e->b ? o->imm | 64 : o->imm;
    unsigned size = size_of(imm), bits = 8u << size, n = 2 * bits - (unsigned)imm;
    shift_right(t, 0, v_get(t, o->rn), size, n, false);
    splat(t, 1, size, n == bits ? ~0ull : ~(ones(bits) >> n));
    v_rr(t, VPAND, 1, 1, v_get(t, o->rd));
    v_rr(t, VPOR, 0, 0, 1);
    v_put(t, o->rd, 0, !t->e->b && o->y);
}

/* ---- narrowing ------------------------------------------------------------------------------- */

/* SHRN, RSHRN (a). Carries out of the rounding do not reach the narrow result. */
static void em_shrn(struct translation *t, const struct op *o)
{
    unsigned size = size_of(o->imm), n = (16u << size) - (unsigned)o->imm, b = v_get(t, o->rn);
    if (t->e->a)
        shift_right_round(t, b, size + 1, n, false);
    else
        shift_right(t, 0, b, size + 1, n, false);
    if (size == 2)
        v_rri(t, VPSHUFD, 0, 0, 0, 0x08);
    else
        v_rc(t, VPSHUFB, 0, 0, size ? VC_NARROW_S : VC_NARROW_H);
    t_narrow_done(t, o);
}

/* Saturating. a: rounding; b: kind */
enum { SQ, UQ, SQU };
static void em_qshrn(struct translation *t, const struct op *o)
{
    unsigned size = size_of(o->imm), n = (16u << size) - (unsigned)o->imm, kind = t->e->b;
    if (size > 1) {
        t_call(t);
        return;
    }
    unsigned b = v_get(t, o->rn);
    if (t->e->a)
        shift_right_round(t, b, size + 1, n, kind != UQ);
    else
        shift_right(t, 0, b, size + 1, n, kind != UQ);
    v_rr(t, VMOVAPS, 2, 0, 0);
    if (kind == UQ) {
        v_rc(t, size ? VPMINUD : VPMINUW, 0, 0, size ? VC_LOW_H : VC_LOW_B);
        v_rr(t, size ? VPACKUSDW : VPACKUSWB, 0, 0, 0);
    } else if (kind == SQ) {
        v_rr(t, size ? VPACKSSDW : VPACKSSWB, 0, 0, 0);
    } else {
        v_rr(t, size ? VPACKUSDW : VPACKUSWB, 0, 0, 0);
    }
    v_rr(t, kind == SQ ? (size ? VPMOVSXWD : VPMOVSXBW) : (size ? VPMOVZXWD : VPMOVZXBW), 1, 0, 0);
    v_rr(t, VPXOR, 1, 1, 2);
    t_set_qc(t, true);
    t_narrow_done(t, o);
}

/* ---- widening -------------------------------------------------------------------------------- */

/* SSHLL, USHLL. a: signed */
static void em_shll(struct translation *t, const struct op *o)
{
    static const u32 wide[2][3] = {{VPMOVZXBW, VPMOVZXWD, VPMOVZXDQ}, {VPMOVSXBW, VPMOVSXWD, VPMOVSXDQ}};
    unsigned size = size_of(o->imm), n = (unsigned)o->imm - (8u << size), b = v_get(t, o->rn);
    if (o->y) {
        v_rri(t, VPSHUFD, 0, 0, b, 0xee);
        b = 0;
    }
    v_rr(t, wide[t->e->a][size], 0, 0, b);
    if (n)
        v_shift(t, shift_op[size + 1], SHIFT_SLL, 0, 0, n);
    v_put(t, o->rd, 0, true);
}

/* SHLL: x = size, by as much. */
static void em_shll_size(struct translation *t, const struct op *o)
{
    static const u32 low[] = {VPUNPCKLBW, VPUNPCKLWD, VPUNPCKLDQ}, high[] = {VPUNPCKHBW, VPUNPCKHWD, VPUNPCKHDQ};
    v_rr(t, VPXOR, 1, 1, 1);
    v_rr(t, o->y ? high[o->x] : low[o->x], 0, 1, v_get(t, o->rn));
    v_put(t, o->rd, 0, true);
}

/* ---- by register ----------------------------------------------------------------------------- */

/* xmm r = words of n shifted by the signed counts in c: the host's variable shifts give zero (or the sign) for counts
 * that are out of range, among them the negated ones. r, n, c and tmp differ. */
static void shift_words(struct translation *t, unsigned r, unsigned n, unsigned c, unsigned tmp, bool sign)
{
    v_rr(t, VPSLLVD, r, n, c);
    v_rr(t, VPXOR, tmp, tmp, tmp);
    v_rr(t, VPSUBD, tmp, tmp, c);
    if (sign) {
        v_rr(t, VPSRAVD, tmp, n, tmp);
        v_rri(t, VBLENDVPS, r, r, tmp, c << 4); /* by the count's sign */
    } else {
        v_rr(t, VPSRLVD, tmp, n, tmp);
        v_rr(t, VPOR, r, r, tmp);
    }
}

/* USHL, SSHL (a) of words, and of halfwords by way of words. The count is the low byte. */
static void em_shift_reg(struct translation *t, const struct op *o)
{
    bool sign = t->e->a;
    if (o->x != 1 && o->x != 2) {
        t_call(t);
        return;
    }
    unsigned n = v_get(t, o->rn), m = v_get(t, o->rm);
    if (o->x == 2) {
        v_shift(t, VSHIFTD, SHIFT_SLL, 1, m, 24);
        v_shift(t, VSHIFTD, SHIFT_SRA, 1, 1, 24);
        shift_words(t, 0, n, 1, 2, sign);
        v_put(t, o->rd, 0, o->y);
        return;
    }
    for (unsigned half = o->y ? 2 : 1; half-- > 0;) { /* the upper one first, which waits in rax */
        v_rri(t, VPSHUFD, 1, 0, m, half ? 0xee : 0x44);
        v_rr(t, VPMOVSXWD, 1, 0, 1);
        v_shift(t, VSHIFTD, SHIFT_SLL, 1, 1, 24);
        v_shift(t, VSHIFTD, SHIFT_SRA, 1, 1, 24);
        v_rri(t, VPSHUFD, 2, 0, n, half ? 0xee : 0x44);
        v_rr(t, sign ? VPMOVSXWD : VPMOVZXWD, 2, 0, 2);
        shift_words(t, 0, 2, 1, 3, sign);
        v_rc(t, VPSHUFB, 0, 0, VC_NARROW_S);
        if (half)
            v_rr(t, VMOVQ_XST, 0, 0, RAX);
    }
    if (o->y)
        v_rri(t, VPINSRQ, 0, 0, RAX, 1);
    v_put(t, o->rd, 0, o->y);
}

#define X                 (EMIT_FP | EMIT_EXIT)
#define BOTH(name, fn, a) ROW(name##_i, fn, EMIT_FP, a, 0), ROW(name##_id, fn, EMIT_FP, a, 1)
const struct emit_row emit_simd_shift_rows[] = {
    BOTH(sshr, em_shr, SIGN),
    BOTH(ushr, em_shr, 0),
    BOTH(srshr, em_shr, SIGN | ROUND),
    BOTH(urshr, em_shr, ROUND),
    BOTH(ssra, em_shr, SIGN | ACC),
    BOTH(usra, em_shr, ACC),
    BOTH(srsra, em_shr, SIGN | ROUND | ACC),
    BOTH(ursra, em_shr, ROUND | ACC),
    BOTH(shl, em_shl, 0),
    BOTH(sli, em_shl, 1),
    BOTH(sri, em_sri, 0),
    ROW(shrn_i, em_shrn, EMIT_FP, 0),
    ROW(rshrn_i, em_shrn, EMIT_FP, 1),
    ROW(sqshrn_i, em_qshrn, X, 0, SQ),
    ROW(sqrshrn_i, em_qshrn, X, 1, SQ),
    ROW(uqshrn_i, em_qshrn, X, 0, UQ),
    ROW(uqrshrn_i, em_qshrn, X, 1, UQ),
    ROW(sqshrun_i, em_qshrn, X, 0, SQU),
    ROW(sqrshrun_i, em_qshrn, X, 1, SQU),
    ROW(sshll_i, em_shll, EMIT_FP, 1),
    ROW(ushll_i, em_shll, EMIT_FP, 0),
    ROW(shll_v, em_shll_size, EMIT_FP),
    ROW(ushl_v, em_shift_reg, X, 0),
    ROW(sshl_v, em_shift_reg, X, 1),
    {0},
};
