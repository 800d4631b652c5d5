/* Conversions: between integers and floating point, between formats, and rounding to integral values. See emit_fp.c.
 *
 * The host's conversions to signed integers give the most negative number, raising Invalid alone, for what does not
 * fit: then the exec function saturates. Where a value is rounded first, or the integer is unsigned, what could not fit
 * is sent there before anything raises Inexact. */
#include "core/bits.h"
#include "jit/internal.h"

enum { NEAREST = 0, DOWN = 1, UP = 2, ZERO = 3, MODE = 4, QUIET = 8, AWAY = 16 };

static void ucomis_const(struct translation *t, unsigned host, unsigned c, bool d)
{
    v_rc(t, VOP(1, d ? 1u : 0u, 0x2e), host, 0, c);
}

static unsigned round_op(bool d, bool packed) { return VOP(3, 1, (packed ? 8u : 10u) + d); }

/* xmm1 = |xmm host|; slow where it is a NaN or not below the constant. */
static void check_below(struct translation *t, unsigned host, unsigned limit, bool d)
{
    v_rc(t, v_fp(VAND_F, d, true), 1, host, d ? VC_ABS_D : VC_ABS_S);
    v_rm(t, d ? VMOVQ : VMOVD, 2, 0, R_CONST, (s32)(offsetof(struct jit_shared, vector) + 16 * limit));
    v_rr(t, VOP(1, d ? 1u : 0u, 0x2e), 2, 0, 1);
    t_slow(t, x64_jcc(&t->as, CC_BE));
}

/* xmm0 = host rounded to the nearest integer, halves away from zero, for magnitudes where that is exact. trunc is the
 * immediate of the rounding towards zero, which decides whether Inexact is raised. */
static void round_away(struct translation *t, unsigned host, unsigned trunc, bool d)
{
    unsigned minus = d ? VC_SIGN_D : VC_SIGN_S;
    v_rri(t, round_op(d, true), 0, 0, host, trunc);
    v_rr(t, v_fp(VSUB_F, d, true), 1, host, 0); /* the fraction, exact */
    v_rc(t, v_fp(VAND_F, d, true), 1, 1, d ? VC_ABS_D : VC_ABS_S);
    v_rc(t, v_fp(VCMP_F, d, true), 1, 1, d ? VC_HALF_D : VC_HALF_S);
    x64_8(&t->as, 13); /* at least one half */
    v_rc(t, v_fp(VAND_F, d, true), 1, 1, d ? VC_ONE_D : VC_ONE_S);
    v_rc(t, v_fp(VAND_F, d, true), 2, host, minus);
    v_rr(t, v_fp(VOR_F, d, true), 1, 1, 2);
    v_rr(t, v_fp(VADD_F, d, true), 0, 0, 1);
    v_rr(t, v_fp(VOR_F, d, true), 0, 0, 2); /* keeps minus zero */
}

/* xmm0 = the low element of Vn, zero above. */
static void low_only(struct translation *t, unsigned r, bool d)
{
    unsigned h = v_get_low(t, r, d ? 8 : 4);
    if (d)
        v_rr(t, VMOVQ, 0, 0, h);
    else
        v_rri(t, VINSERTPS, 0, h, h, 0x0e);
}

/* ---- to integers ----------------------------------------------------------------------------- */

/* rax = xmm host as a signed integer, rounded towards zero; slow when it does not fit. */
static void to_signed(struct translation *t, unsigned host, bool d, bool w)
{
    struct x64 *a = &t->as;
    x64_vex_rr(a, 1, d ? 3 : 2, w, 0x2c, RAX, 0, host);
    x64_ri(a, w, X_CMP, RAX, 1); /* overflows for the most negative number alone */
    t_slow(t, x64_jcc(a, CC_O));
}

/* Slow unless the low element of Vn, which is in host, is positive and below 2^bits (with some margin where rounding
 * could reach it). */
static void check_unsigned(struct translation *t, unsigned host, bool d, unsigned bits)
{
    struct x64 *a = &t->as;
    v_rr(t, d ? VMOVQ_XST : VMOVD_ST, host, 0, RAX);
    if (d) {
        x64_mov_imm(a, RCX, (u64)(1023 + bits) << 52);
        x64_rr(a, true, X_CMP, RAX, RCX);
    } else {
        x64_ri(a, false, X_CMP, RAX, (s32)((127 + bits) << 23));
    }
    t_slow(t, x64_jcc(a, CC_AE));
}

/* a: rounding; b: bit 0 double, 1: 64-bit integer, 2: unsigned, 3: to a vector register of its own width */
enum { DOUBLE = 1, WIDE = 2, UNSIGNED = 4, TO_VECTOR = 8 };
static void em_to_int(struct translation *t, const struct op *o)
{
    bool d = t->e->b & DOUBLE, w = t->e->b & WIDE, uns = t->e->b & UNSIGNED;
    unsigned mode = t->e->a, host;
    struct x64 *a = &t->as;
    if (mode == AWAY) {
        low_only(t, o->rn, d);
        host = 0;
    } else {
        host = v_get_low(t, o->rn, d ? 8 : 4);
    }
    if (uns)
        check_unsigned(t, host, d, mode == ZERO ? (w ? 63 : 32) : w && !d ? 23 : w ? 52 : d ? 31 : 23);
    else if (mode != ZERO)
        check_below(t, host, w || !d ? (d ? VC_INT52_D : VC_INT52_S) : VC_INT31_D, d);
    if (mode == AWAY) {
        v_rr(t, VMOVAPS, 3, 0, host);
        round_away(t, 3, ZERO, d);
        host = 0;
    } else if (mode != ZERO) {
        v_rri(t, round_op(d, false), 0, host, host, mode);
        host = 0;
    }
    if (uns && !w) {
        x64_vex_rr(a, 1, d ? 3 : 2, true, 0x2c, RAX, 0, host);
        x64_rr(a, false, X_LOAD, RAX, RAX);
    } else if (uns) {
        x64_vex_rr(a, 1, d ? 3 : 2, true, 0x2c, RAX, 0, host);
    } else {
        to_signed(t, host, d, w);
    }
    if (!(t->e->b & TO_VECTOR)) {
        st_x(t, o->rd, RAX);
        return;
    }
    v_rr(t, d ? VMOVQ_X : VMOVD, v_new(t, o->rd), 0, RAX);
    v_done(t, o->rd, d ? 8 : 4);
}

/* FCVTZS of vectors. b: bit 0 double. x = Q */
static void em_to_int_vector(struct translation *t, const struct op *o)
{
    struct x64 *a = &t->as;
    if (t->e->b & DOUBLE) {
        unsigned n = v_get(t, o->rn);
        v_rr(t, VPUNPCKHQDQ, 0, n, n);
        to_signed(t, n, true, true);
        x64_rr(a, true, X_LOAD, RCX, RAX);
        to_signed(t, 0, true, true);
        v_rr(t, VMOVQ_X, 0, 0, RAX);
        v_rr(t, VMOVQ_X, 1, 0, RCX);
        v_rr(t, VPUNPCKLQDQ, v_new(t, o->rd), 1, 0);
        v_done(t, o->rd, 16);
        return;
    }
    unsigned n = v_src(t, o->rn, o->x, 0);
    v_rr(t, VOP(1, 2, 0x5b), 0, 0, n); /* vcvttps2dq */
    v_rc(t, VPCMPEQD, 1, 0, VC_INT_MIN_S);
    v_rr(t, VTESTPS, 1, 0, 1);
    t_slow(t, x64_jcc(a, CC_NE));
    v_put_zero(t, o->rd, 0, o->x ? 16 : 8);
}

/* ---- from integers --------------------------------------------------------------------------- */

/* xmm r = rax. w: of 64 bits */
static void from_signed(struct translation *t, unsigned r, bool d, bool w)
{
    v_rr(t, VPXOR, r, r, r);
    x64_vex_rr(&t->as, 1, d ? 3 : 2, w, 0x2a, r, r, RAX);
}

/* b as in em_to_int, TO_VECTOR: from a vector register */
static void em_from_int(struct translation *t, const struct op *o)
{
    bool d = t->e->b & DOUBLE, w = t->e->b & WIDE, uns = t->e->b & UNSIGNED;
    struct x64 *a = &t->as;
    if (t->e->b & TO_VECTOR)
        v_rr(t, d ? VMOVQ_XST : VMOVD_ST, v_get_low(t, o->rn, d ? 8 : 4), 0, RAX);
    else
        op_x(t, w, X_LOAD, RAX, o->rn);
    if (uns && w) {
        x64_rr(a, true, X_TEST, RAX, RAX);
        t_slow(t, x64_jcc(a, CC_S));
    }
    from_signed(t, v_new(t, o->rd), d, w || uns);
    v_done(t, o->rd, d ? 8 : 4);
}

/* SCVTF, UCVTF of vectors. x = Q */
static void em_from_int_vector(struct translation *t, const struct op *o)
{
    struct x64 *a = &t->as;
    bool uns = t->e->b & UNSIGNED;
    if (t->e->b & DOUBLE) {
        unsigned n = v_get(t, o->rn);
        v_rr(t, VPUNPCKHQDQ, 1, n, n);
        if (uns) {
            v_rr(t, VTESTPD, n, 0, n); /* some sign bit */
            t_slow(t, x64_jcc(a, CC_NE));
        }
        v_rr(t, VMOVQ_XST, n, 0, RAX);
        from_signed(t, 0, true, true);
        v_rr(t, VMOVQ_XST, 1, 0, RAX);
        from_signed(t, 1, true, true);
        v_rr(t, VPUNPCKLQDQ, v_new(t, o->rd), 0, 1);
        v_done(t, o->rd, 16);
        return;
    }
    unsigned n = v_src(t, o->rn, o->x, 0);
    if (uns) {
        v_rr(t, VTESTPS, n, 0, n);
        t_slow(t, x64_jcc(a, CC_NE));
    }
    v_rr(t, VOP(1, 0, 0x5b), v_new(t, o->rd), 0, n); /* vcvtdq2ps */
    v_done(t, o->rd, o->x ? 16 : 8);
}

/* ---- to integral values ---------------------------------------------------------------------- */

/* FRINT*. a: rounding; b: bit 0 double, bit 1 vector (x = Q) */
enum { VECTOR = 2 };
static void em_round(struct translation *t, const struct op *o)
{
    bool d = t->e->b & DOUBLE, vector = t->e->b & VECTOR;
    unsigned mode = t->e->a, h;
    if (!vector) {
        low_only(t, o->rn, d);
        h = 0;
    } else {
        h = v_src(t, o->rn, d || o->x, 0);
    }
    unsigned zero = !vector ? (d ? 8 : 4) : d || o->x ? 16 : 8;
    if (mode == AWAY) {
        if (vector) {
            t_call(t);
            return;
        }
        check_below(t, 0, d ? VC_INT52_D : VC_INT52_S, d);
        v_rr(t, VMOVAPS, 3, 0, 0);
        round_away(t, 3, ZERO | QUIET, d);
        if (!d)
            v_rri(t, VINSERTPS, 0, 0, 0, 0x0e);
        else
            v_rr(t, VMOVQ, 0, 0, 0);
        v_put_zero(t, o->rd, 0, zero);
        return;
    }
    v_rri(t, round_op(d, true), 0, 0, h, mode);
    v_rri(t, v_fp(VCMP_F, d, true), 1, 0, 0, 3);
    v_rr(t, VTESTPS, 1, 0, 1);
    t_slow(t, x64_jcc(&t->as, CC_NE));
    v_put_zero(t, o->rd, 0, zero);
}

/* ---- between formats ------------------------------------------------------------------------- */

static void em_single_to_double(struct translation *t, const struct op *o)
{
    unsigned n = v_get_low(t, o->rn, 4);
    v_rr(t, VPXOR, 0, 0, 0);
    v_rr(t, VOP(1, 2, 0x5a), 0, 0, n);
    v_rr(t, VOP(1, 1, 0x2e), 0, 0, 0);
    t_slow(t, x64_jcc(&t->as, CC_P));
    v_put_zero(t, o->rd, 0, 8);
}
static void em_double_to_single(struct translation *t, const struct op *o)
{
    unsigned n = v_get_low(t, o->rn, 8);
    v_rr(t, VPXOR, 0, 0, 0);
    v_rr(t, VOP(1, 3, 0x5a), 0, 0, n);
    v_rc(t, VPAND, 1, 0, VC_ABS_S);
    ucomis_const(t, 1, VC_TINY_S, false);
    t_slow(t, x64_jcc(&t->as, CC_E));
    v_put_zero(t, o->rd, 0, 4);
}
/* FCVTL, FCVTL2 (x = Q) of singles. */
static void em_lengthen(struct translation *t, const struct op *o)
{
    unsigned n = v_get(t, o->rn);
    if (o->x) {
        v_rr(t, VPUNPCKHQDQ, 0, n, n);
        n = 0;
    }
    v_rr(t, VOP(1, 0, 0x5a), 0, 0, n); /* vcvtps2pd */
    v_rri(t, v_fp(VCMP_F, true, true), 1, 0, 0, 3);
    v_rr(t, VTESTPD, 1, 0, 1);
    t_slow(t, x64_jcc(&t->as, CC_NE));
    v_put_zero(t, o->rd, 0, 16);
}
/* FCVTN, FCVTN2 of doubles. */
static void em_narrow(struct translation *t, const struct op *o)
{
    unsigned n = v_get(t, o->rn);
    v_rr(t, VOP(1, 1, 0x5a), 0, 0, n); /* vcvtpd2ps: zero above */
    v_rc(t, VPAND, 1, 0, VC_ABS_S);
    v_rc(t, v_fp(VCMP_F, false, true), 1, 1, VC_TINY_S);
    x64_8(&t->as, 8);
    v_rr(t, VTESTPS, 1, 0, 1);
    t_slow(t, x64_jcc(&t->as, CC_NE));
    if (o->x) {
        unsigned d = v_get_low(t, o->rd, 8);
        v_rr(t, VPUNPCKLQDQ, 0, d, 0);
    }
    v_put_zero(t, o->rd, 0, o->x ? 16 : 8);
}

/* ---- rows ------------------------------------------------------------------------------------ */

#define TO(name, mode, b)                                                                                              \
    ROW(name##_w32, em_to_int, EMIT_FP, mode, b), ROW(name##_x32, em_to_int, EMIT_FP, mode, (b) | WIDE),               \
        ROW(name##_w64, em_to_int, EMIT_FP, mode, (b) | DOUBLE),                                                       \
        ROW(name##_x64, em_to_int, EMIT_FP, mode, (b) | DOUBLE | WIDE),                                                \
        ROW(name##32, em_to_int, EMIT_FP, mode, (b) | TO_VECTOR),                                                      \
        ROW(name##64, em_to_int, EMIT_FP, mode, (b) | TO_VECTOR | DOUBLE | WIDE)
#define FROM(name, vname, b)                                                                                           \
    ROW(name##_w32, em_from_int, EMIT_FP, 0, b), ROW(name##_x32, em_from_int, EMIT_FP, 0, (b) | WIDE),                 \
        ROW(name##_w64, em_from_int, EMIT_FP, 0, (b) | DOUBLE),                                                        \
        ROW(name##_x64, em_from_int, EMIT_FP, 0, (b) | DOUBLE | WIDE),                                                 \
        ROW(vname##32, em_from_int, EMIT_FP, 0, (b) | TO_VECTOR),                                                      \
        ROW(vname##64, em_from_int, EMIT_FP, 0, (b) | TO_VECTOR | DOUBLE | WIDE)
#define ROUND(name, mode)                                                                                              \
    ROW(f##name##32, em_round, EMIT_FP, mode, 0), ROW(f##name##64, em_round, EMIT_FP, mode, DOUBLE),                   \
        ROW(vf##name##32, em_round, EMIT_FP, mode, VECTOR),                                                            \
        ROW(vf##name##64, em_round, EMIT_FP, mode, VECTOR | DOUBLE)
const struct emit_row emit_fp_convert_rows[] = {
    TO(fcvtzs, ZERO, 0),
    TO(fcvtns, NEAREST, 0),
    TO(fcvtps, UP, 0),
    TO(fcvtms, DOWN, 0),
    TO(fcvtas, AWAY, 0),
    TO(fcvtzu, ZERO, UNSIGNED),
    TO(fcvtnu, NEAREST, UNSIGNED),
    TO(fcvtpu, UP, UNSIGNED),
    TO(fcvtmu, DOWN, UNSIGNED),
    TO(fcvtau, AWAY, UNSIGNED),
    ROW(vfcvtzs32, em_to_int_vector, EMIT_FP, 0, 0),
    ROW(vfcvtzs64, em_to_int_vector, EMIT_FP, 0, DOUBLE),
    FROM(scvtf, fscvtf, 0),
    FROM(ucvtf, fucvtf, UNSIGNED),
    ROW(vfscvtf32, em_from_int_vector, EMIT_FP, 0, 0),
    ROW(vfscvtf64, em_from_int_vector, EMIT_FP, 0, DOUBLE),
    ROW(vfucvtf32, em_from_int_vector, EMIT_FP, 0, UNSIGNED),
    ROW(vfucvtf64, em_from_int_vector, EMIT_FP, 0, UNSIGNED | DOUBLE),
    ROUND(rint_n, NEAREST | QUIET),
    ROUND(rint_p, UP | QUIET),
    ROUND(rint_m, DOWN | QUIET),
    ROUND(rint_z, ZERO | QUIET),
    ROUND(rint_a, AWAY),
    ROUND(rint_x, MODE),
    ROUND(rint_i, MODE | QUIET),
    ROW(fcvt64_32, em_single_to_double, EMIT_FP),
    ROW(fcvt32_64, em_double_to_single, EMIT_FP),
    ROW(vfcvtl64_32, em_lengthen, EMIT_FP),
    ROW(vfcvtn32_64, em_narrow, EMIT_FP),
    {0},
};
