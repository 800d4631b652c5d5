/* Vector floating point of singles and doubles: arithmetic, by element, pairwise, compares. The rules are those of
 * emit_fp.c, with checks of all elements at once.
 *
 * Forms of 64 bits work on operands whose upper half is zero, so that what it holds raises nothing. x = Q; doubles have
 * no such form. */
#include "core/bits.h"
#include "jit/internal.h"

/* Emitter parameters: b: bit 0 double, others by function. */
static bool dbl(const struct translation *t) { return t->e->b & 1; }
static bool quad(const struct translation *t, const struct op *o) { return dbl(t) || o->x; }

enum { UNORDERED = 3, EQUAL_UNORDERED = 8, EQUAL = 0, GREATER_EQUAL = 13, GREATER = 14 }; /* predicates of VCMP */

static unsigned packed(const struct translation *t, unsigned op) { return v_fp(op, dbl(t), true); }

/* xmm1: mask; the slow path when some element is set. */
static void slow_if_any(struct translation *t)
{
    v_rr(t, dbl(t) ? VTESTPD : VTESTPS, 1, 0, 1);
    t_slow(t, x64_jcc(&t->as, CC_NE));
}
static void check_nan(struct translation *t, unsigned host)
{
    v_rri(t, packed(t, VCMP_F), 1, host, host, UNORDERED);
    slow_if_any(t);
}
/* NaNs, and the smallest normal magnitude */
static void check_tiny(struct translation *t, unsigned host)
{
    v_rc(t, packed(t, VAND_F), 1, host, dbl(t) ? VC_ABS_D : VC_ABS_S);
    v_rc(t, packed(t, VCMP_F), 1, 1, dbl(t) ? VC_TINY_D : VC_TINY_S);
    x64_8(&t->as, EQUAL_UNORDERED);
    slow_if_any(t);
}

/* The result in host becomes rd. Without Q its upper half may be minus zero. */
static void result(struct translation *t, const struct op *o, unsigned host) { v_put(t, o->rd, host, quad(t, o)); }

/* a: opcode; b: bit 1 check for tiny results, bit 2 absolute, bit 3 division */
enum { TINY = 2, ABSOLUTE = 4, DIVIDE = 8 };
static void em_binary(struct translation *t, const struct op *o)
{
    bool q = quad(t, o);
    unsigned n = v_src(t, o->rn, q, 0), m = v_src(t, o->rm, q, 1);
    if (!q && t->e->b & DIVIDE) { /* the upper half: 0 / 1 */
        v_rc(t, packed(t, VOR_F), 1, m, VC_ONE_HIGH_S);
        m = 1;
    }
    unsigned d = o->rd == o->rn || o->rd == o->rm ? 3 : v_new(t, o->rd);
    v_rr(t, packed(t, t->e->a), d, n, m);
    (t->e->b & TINY ? check_tiny : check_nan)(t, d);
    if (t->e->b & ABSOLUTE)
        v_rc(t, packed(t, VAND_F), d, d, dbl(t) ? VC_ABS_D : VC_ABS_S);
    result(t, o, d);
}

static void em_sqrt(struct translation *t, const struct op *o)
{
    unsigned n = v_src(t, o->rn, quad(t, o), 0), d = o->rd == o->rn ? 3 : v_new(t, o->rd);
    v_rr(t, packed(t, VSQRT), d, 0, n);
    check_nan(t, d);
    result(t, o, d);
}

/* FABS, FNEG: a = opcode */
static void em_sign(struct translation *t, const struct op *o)
{
    bool abs = t->e->a == VAND_F, q = quad(t, o);
    unsigned c = abs ? (dbl(t) ? VC_ABS_D : VC_ABS_S) : (dbl(t) ? VC_SIGN_D : VC_SIGN_S);
    unsigned n = v_get(t, o->rn), d = v_new(t, o->rd);
    v_rc(t, packed(t, t->e->a), d, n, c);
    v_put(t, o->rd, d, q);
}

/* xmm2 = element of Vm everywhere; without Q in the lower half alone. */
static void broadcast(struct translation *t, const struct op *o, bool q)
{
    unsigned index = dbl(t) ? o->y : (o->y & 1u) << 1 | o->y >> 1, m = v_get(t, o->rm);
    v_rri(t, VPSHUFD, 2, 0, m, dbl(t) ? (index ? 0xee : 0x44) : index * 0x55);
    if (!q)
        v_rr(t, VMOVQ, 2, 0, 2);
}

/* rd +- n * m. a: opcode of the 231 form */
static void fused(struct translation *t, const struct op *o, unsigned n, unsigned m, bool q)
{
    unsigned d = v_src(t, o->rd, q, 3);
    if (d != 3)
        v_rr(t, VMOVAPS, 3, 0, d);
    d = 3;
    v_rr(t, dbl(t) ? VOPW(2, 1, t->e->a) : VOP(2, 1, t->e->a), d, n, m);
    check_tiny(t, d);
    result(t, o, d);
}
static void em_fma(struct translation *t, const struct op *o)
{
    bool q = quad(t, o);
    unsigned n = v_src(t, o->rn, q, 0), m = v_src(t, o->rm, q, 2);
    fused(t, o, n, m, q);
}
static void em_fma_elem(struct translation *t, const struct op *o)
{
    bool q = quad(t, o);
    broadcast(t, o, q);
    unsigned n = v_src(t, o->rn, q, 0);
    fused(t, o, n, 2, q);
}
static void em_fmul_elem(struct translation *t, const struct op *o)
{
    bool q = quad(t, o);
    broadcast(t, o, q);
    unsigned n = v_src(t, o->rn, q, 0), d = o->rd == o->rn || o->rd == o->rm ? 3 : v_new(t, o->rd);
    v_rr(t, packed(t, VMUL_F), d, n, 2);
    check_tiny(t, d);
    result(t, o, d);
}

/* Scalar by element: result low element, zero above. */
static void scalar_result(struct translation *t, const struct op *o, unsigned host)
{
    if (dbl(t))
        v_rr(t, VMOVQ, 3, 0, host);
    else
        v_rri(t, VINSERTPS, 3, host, host, 0x0e);
    v_put_zero(t, o->rd, 3, dbl(t) ? 8 : 4);
}
static unsigned low_only(struct translation *t, unsigned r, unsigned tmp)
{
    unsigned h = v_get_low(t, r, dbl(t) ? 8 : 4);
    if (dbl(t))
        v_rr(t, VMOVQ, tmp, 0, h);
    else
        v_rri(t, VINSERTPS, tmp, h, h, 0x0e);
    return tmp;
}
static void em_fmul_elem_scalar(struct translation *t, const struct op *o)
{
    broadcast(t, o, true);
    unsigned n = low_only(t, o->rn, 0);
    v_rr(t, v_fp(VMUL_F, dbl(t), false), 0, n, 2);
    check_tiny(t, 0);
    scalar_result(t, o, 0);
}
static void em_fma_elem_scalar(struct translation *t, const struct op *o)
{
    broadcast(t, o, true);
    unsigned n = low_only(t, o->rn, 0), d = low_only(t, o->rd, 3);
    unsigned op = t->e->a + 1u; /* the scalar form */
    v_rr(t, dbl(t) ? VOPW(2, 1, op) : VOP(2, 1, op), d, n, 2);
    check_tiny(t, d);
    v_put_zero(t, o->rd, d, dbl(t) ? 8 : 4);
}

/* Minima and maxima: see emit_fp.c. a: opcode */
static void minmax(struct translation *t, unsigned r, unsigned n, unsigned m)
{
    v_rri(t, packed(t, VCMP_F), 1, n, m, UNORDERED);
    slow_if_any(t);
    v_rr(t, packed(t, t->e->a), 1, n, m);
    v_rr(t, packed(t, t->e->a), r, m, n);
    v_rr(t, packed(t, t->e->a == VMIN_F ? VOR_F : VAND_F), r, r, 1);
}
static void em_minmax(struct translation *t, const struct op *o)
{
    bool q = quad(t, o);
    unsigned n = v_src(t, o->rn, q, 0), m = v_src(t, o->rm, q, 2);
    minmax(t, 3, n, m);
    result(t, o, 3);
}

/* ---- pairwise -------------------------------------------------------------------------------- */

/* xmm0 and xmm2 = the even and the odd elements of m:n; without Q the lower half only. */
static void pairs(struct translation *t, const struct op *o, bool q)
{
    unsigned n = v_get(t, o->rn), m = v_get(t, o->rm);
    if (dbl(t)) {
        v_rr(t, VPUNPCKLQDQ, 0, n, m);
        v_rr(t, VPUNPCKHQDQ, 2, n, m);
        return;
    }
    if (!q) {
        v_rr(t, VPUNPCKLQDQ, 3, n, m);
        v_rri(t, VPSHUFD, 0, 0, 3, 0x08);
        v_rri(t, VPSHUFD, 2, 0, 3, 0x0d);
        v_rr(t, VMOVQ, 0, 0, 0);
        v_rr(t, VMOVQ, 2, 0, 2);
        return;
    }
    v_rri(t, VSHUFPS, 0, n, m, 0x88);
    v_rri(t, VSHUFPS, 2, n, m, 0xdd);
}
static void em_addp(struct translation *t, const struct op *o)
{
    pairs(t, o, quad(t, o));
    v_rr(t, packed(t, VADD_F), 3, 0, 2);
    check_nan(t, 3);
    result(t, o, 3);
}
static void em_minmaxp(struct translation *t, const struct op *o)
{
    pairs(t, o, quad(t, o));
    minmax(t, 3, 0, 2);
    result(t, o, 3);
}

/* Scalar pairwise: the two lowest elements of Vn. xmm0: first, xmm2: second, zero above */
static void scalar_pair(struct translation *t, const struct op *o)
{
    unsigned n = v_get(t, o->rn);
    if (dbl(t)) {
        v_rr(t, VMOVQ, 0, 0, n);
        v_shift(t, VSHIFTQ, SHIFT_SRLDQ, 2, n, 8);
    } else {
        v_rri(t, VINSERTPS, 0, n, n, 0x0e);
        v_rri(t, VINSERTPS, 2, n, n, 0x4e);
    }
}
static void em_addp_scalar(struct translation *t, const struct op *o)
{
    scalar_pair(t, o);
    v_rr(t, packed(t, VADD_F), 0, 0, 2);
    check_nan(t, 0);
    v_put_zero(t, o->rd, 0, dbl(t) ? 8 : 4);
}
static void em_minmaxp_scalar(struct translation *t, const struct op *o)
{
    scalar_pair(t, o);
    minmax(t, 3, 0, 2);
    v_put_zero(t, o->rd, 3, dbl(t) ? 8 : 4);
}
/* FMAXV and the like of four singles. */
static void em_minmaxv(struct translation *t, const struct op *o)
{
    unsigned n = v_get(t, o->rn);
    v_rri(t, VPSHUFD, 0, 0, n, 0x08);
    v_rri(t, VPSHUFD, 2, 0, n, 0x0d);
    minmax(t, 3, 0, 2);
    v_rri(t, VPSHUFD, 2, 0, 3, 0x55);
    v_rr(t, VMOVAPS, 0, 0, 3);
    minmax(t, 3, 0, 2);
    v_rri(t, VINSERTPS, 3, 3, 3, 0x0e);
    v_put_zero(t, o->rd, 3, 4);
}

/* ---- compares -------------------------------------------------------------------------------- */

/* a: predicate; b: bit 1 of magnitudes, bit 2 exchanged operands, bit 3 with zero, bit 4 scalar */
enum { MAGNITUDE = 2, EXCHANGED = 4, ZERO = 8, SCALAR = 16 };
static void em_compare(struct translation *t, const struct op *o)
{
    unsigned how = t->e->b, n, m = 2;
    bool scalar = how & SCALAR, q = quad(t, o) && !scalar;
    n = scalar ? low_only(t, o->rn, 0) : v_src(t, o->rn, q, 0);
    if (how & ZERO)
        v_rr(t, VPXOR, 2, 2, 2);
    else
        m = scalar ? low_only(t, o->rm, 2) : v_src(t, o->rm, q, 2);
    if (how & MAGNITUDE) {
        v_rc(t, packed(t, VAND_F), 0, n, dbl(t) ? VC_ABS_D : VC_ABS_S);
        v_rc(t, packed(t, VAND_F), 2, m, dbl(t) ? VC_ABS_D : VC_ABS_S);
        n = 0;
        m = 2;
    }
    v_rri(t, packed(t, VCMP_F), 3, how & EXCHANGED ? m : n, how & EXCHANGED ? n : m, t->e->a);
    if (scalar)
        scalar_result(t, o, 3);
    else
        v_put(t, o->rd, 3, q);
}

/* ---- rows ------------------------------------------------------------------------------------ */

#define SD(name, fn, a, b)       ROW(name##32, fn, EMIT_FP, a, b), ROW(name##64, fn, EMIT_FP, a, (b) | 1)
#define COMPARE(name, pred, how) SD(v##name, em_compare, pred, how), SD(name, em_compare, pred, (how) | SCALAR)
const struct emit_row emit_fp_vector_rows[] = {
    SD(vfadd, em_binary, VADD_F, 0),
    SD(vfsub, em_binary, VSUB_F, 0),
    SD(vfmul, em_binary, VMUL_F, TINY),
    SD(vfdiv, em_binary, VDIV_F, TINY | DIVIDE),
    SD(vfabd, em_binary, VSUB_F, ABSOLUTE),
    SD(vfsqrt, em_sqrt, 0, 0),
    SD(vfabs, em_sign, VAND_F, 0),
    SD(vfneg, em_sign, VXOR_F, 0),
    SD(vfmla, em_fma, 0xb8, 0),
    SD(vfmls, em_fma, 0xbc, 0),
    SD(vfmla_elem, em_fma_elem, 0xb8, 0),
    SD(vfmls_elem, em_fma_elem, 0xbc, 0),
    SD(vfmul_elem, em_fmul_elem, 0, 0),
    SD(fmla_elem, em_fma_elem_scalar, 0xb8, 0),
    SD(fmls_elem, em_fma_elem_scalar, 0xbc, 0),
    SD(fmul_elem, em_fmul_elem_scalar, 0, 0),
    SD(vfmax, em_minmax, VMAX_F, 0),
    SD(vfmin, em_minmax, VMIN_F, 0),
    SD(vfmaxnm, em_minmax, VMAX_F, 0),
    SD(vfminnm, em_minmax, VMIN_F, 0),
    SD(vfaddp, em_addp, 0, 0),
    SD(vfmaxp, em_minmaxp, VMAX_F, 0),
    SD(vfminp, em_minmaxp, VMIN_F, 0),
    SD(vfmaxnmp, em_minmaxp, VMAX_F, 0),
    SD(vfminnmp, em_minmaxp, VMIN_F, 0),
    SD(faddp, em_addp_scalar, 0, 0),
    SD(fmaxp, em_minmaxp_scalar, VMAX_F, 0),
    SD(fminp, em_minmaxp_scalar, VMIN_F, 0),
    SD(fmaxnmp, em_minmaxp_scalar, VMAX_F, 0),
    SD(fminnmp, em_minmaxp_scalar, VMIN_F, 0),
    ROW(vfmaxv32, em_minmaxv, EMIT_FP, VMAX_F, 0),
    ROW(vfminv32, em_minmaxv, EMIT_FP, VMIN_F, 0),
    ROW(vfmaxnmv32, em_minmaxv, EMIT_FP, VMAX_F, 0),
    ROW(vfminnmv32, em_minmaxv, EMIT_FP, VMIN_F, 0),
    COMPARE(fcmeq, EQUAL, 0),
    COMPARE(fcmge, GREATER_EQUAL, 0),
    COMPARE(fcmgt, GREATER, 0),
    COMPARE(facge, GREATER_EQUAL, MAGNITUDE),
    COMPARE(facgt, GREATER, MAGNITUDE),
    COMPARE(fcmeq0, EQUAL, ZERO),
    COMPARE(fcmge0, GREATER_EQUAL, ZERO),
    COMPARE(fcmgt0, GREATER, ZERO),
    COMPARE(fcmle0, GREATER_EQUAL, ZERO | EXCHANGED),
    COMPARE(fcmlt0, GREATER, ZERO | EXCHANGED),
    {0},
};
