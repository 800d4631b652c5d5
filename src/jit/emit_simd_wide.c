/* Advanced SIMD "three different": widening arithmetic and multiplication, also by element, and high halves of sums.
 * x = size of the narrow element, y = Q: the upper half of the narrow operands (or of the result). */
#include "core/bits.h"
#include "jit/internal.h"

static const u32 add_op[] = {VPADDB, VPADDW, VPADDD, VPADDQ}, sub_op[] = {VPSUBB, VPSUBW, VPSUBD, VPSUBQ};
static const u32 extend[2][3] = {{VPMOVZXBW, VPMOVZXWD, VPMOVZXDQ}, {VPMOVSXBW, VPMOVSXWD, VPMOVSXDQ}};

/* xmm r = the chosen half of guest register g, extended */
static void half(struct translation *t, unsigned r, unsigned g, const struct op *o, bool sign)
{
    unsigned h = v_get(t, g);
    if (o->y) {
        v_rri(t, VPSHUFD, r, 0, h, 0xee);
        h = r;
    }
    v_rr(t, extend[sign][o->x], r, 0, h);
}

/* a: bit 0 signed, bit 1 subtract; b: Vn is wide already */
static void em_addl(struct translation *t, const struct op *o)
{
    unsigned n = 0, wide = o->x + 1u;
    half(t, 1, o->rm, o, t->e->a & 1);
    if (t->e->b)
        n = v_get(t, o->rn);
    else
        half(t, 0, o->rn, o, t->e->a & 1);
    v_rr(t, (t->e->a & 2 ? sub_op : add_op)[wide], 0, n, 1);
    v_put(t, o->rd, 0, true);
}

/* The difference fits into the narrow size unsigned. a: signed; b: accumulate */
static void em_abdl(struct translation *t, const struct op *o)
{
    static const u32 max[2][3] = {{VPMAXUB, VPMAXUW, VPMAXUD}, {VPMAXSB, VPMAXSW, VPMAXSD}};
    static const u32 min[2][3] = {{VPMINUB, VPMINUW, VPMINUD}, {VPMINSB, VPMINSW, VPMINSD}};
    unsigned n = v_get(t, o->rn), m = v_get(t, o->rm);
    v_rr(t, max[t->e->a][o->x], 0, n, m);
    v_rr(t, min[t->e->a][o->x], 1, n, m);
    v_rr(t, sub_op[o->x], 0, 0, 1);
    if (o->y)
        v_rri(t, VPSHUFD, 0, 0, 0, 0xee);
    v_rr(t, extend[0][o->x], 0, 0, 0);
    if (t->e->b)
        v_rr(t, add_op[o->x + 1], 0, 0, v_get(t, o->rd));
    v_put(t, o->rd, 0, true);
}

/* a: bit 0 signed, bits 2:1: 0 product, 1 added, 2 subtracted; b: by element */
static void em_mull(struct translation *t, const struct op *o)
{
    bool sign = t->e->a & 1;
    unsigned m = 3, wide = o->x + 1u, n = v_get(t, o->rn);
    if (t->e->b)
        t_by_element(t, o);
    else
        m = v_get(t, o->rm);
    if (o->x == 0) {
        half(t, 0, o->rn, o, sign);
        half(t, 1, o->rm, o, sign);
        v_rr(t, VPMULLW, 0, 0, 1);
    } else if (o->x == 1) {
        v_rr(t, VPMULLW, 0, n, m);
        v_rr(t, sign ? VPMULHW : VPMULHUW, 1, n, m);
        v_rr(t, o->y ? VPUNPCKHWD : VPUNPCKLWD, 0, 0, 1);
    } else {
        v_rri(t, VPSHUFD, 0, 0, n, o->y ? 0xfa : 0x50);
        v_rri(t, VPSHUFD, 1, 0, m, o->y ? 0xfa : 0x50);
        v_rr(t, sign ? VPMULDQ : VPMULUDQ, 0, 0, 1);
    }
    if (t->e->a >> 1)
        v_rr(t, (t->e->a >> 1 == 1 ? add_op : sub_op)[wide], 0, v_get(t, o->rd), 0);
    v_put(t, o->rd, 0, true);
}

/* ADDHN and the like. a: bit 0 rounding, bit 1 subtract */
static void em_addhn(struct translation *t, const struct op *o)
{
    static const u32 shift[] = {VSHIFTW, VSHIFTD, VSHIFTQ};
    unsigned n = v_get(t, o->rn), m = v_get(t, o->rm), wide = o->x + 1u, bits = 8u << o->x;
    v_rr(t, (t->e->a & 2 ? sub_op : add_op)[wide], 0, n, m);
    if (t->e->a & 1) { /* the top bit of the lower half */
        v_shift(t, shift[o->x], SHIFT_SLL, 1, 0, bits);
        v_shift(t, shift[o->x], SHIFT_SRL, 1, 1, 2 * bits - 1);
    }
    v_shift(t, shift[o->x], SHIFT_SRL, 0, 0, bits);
    if (t->e->a & 1)
        v_rr(t, add_op[wide], 0, 0, 1);
    if (o->x == 2)
        v_rri(t, VPSHUFD, 0, 0, 0, 0x08);
    else
        v_rc(t, VPSHUFB, 0, 0, o->x ? VC_NARROW_S : VC_NARROW_H);
    t_narrow_done(t, o);
}

#define MULL(name, a) ROW(name##_v, em_mull, EMIT_FP, a, 0), ROW(name##_e, em_mull, EMIT_FP, a, 1)
const struct emit_row emit_simd_wide_rows[] = {
    ROW(saddl_v, em_addl, EMIT_FP, 1, 0),
    ROW(uaddl_v, em_addl, EMIT_FP, 0, 0),
    ROW(ssubl_v, em_addl, EMIT_FP, 3, 0),
    ROW(usubl_v, em_addl, EMIT_FP, 2, 0),
    ROW(saddw_v, em_addl, EMIT_FP, 1, 1),
    ROW(uaddw_v, em_addl, EMIT_FP, 0, 1),
    ROW(ssubw_v, em_addl, EMIT_FP, 3, 1),
    ROW(usubw_v, em_addl, EMIT_FP, 2, 1),
    ROW(sabdl_v, em_abdl, EMIT_FP, 1, 0),
    ROW(uabdl_v, em_abdl, EMIT_FP, 0, 0),
    ROW(sabal_v, em_abdl, EMIT_FP, 1, 1),
    ROW(uabal_v, em_abdl, EMIT_FP, 0, 1),
    MULL(smull, 1),
    MULL(umull, 0),
    MULL(smlal, 3),
    MULL(umlal, 2),
    MULL(smlsl, 5),
    MULL(umlsl, 4),
    ROW(addhn_v, em_addhn, EMIT_FP, 0),
    ROW(raddhn_v, em_addhn, EMIT_FP, 1),
    ROW(subhn_v, em_addhn, EMIT_FP, 2),
    ROW(rsubhn_v, em_addhn, EMIT_FP, 3),
    {0},
};
