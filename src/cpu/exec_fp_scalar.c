/* Scalar floating point: data processing with one to three operands, compares, selects, moves, and the
 * scalar forms of Advanced SIMD instructions (DDI0487 C4.1 "Data Processing -- Scalar Floating-Point and
 * Advanced SIMD").  Arithmetic is in fp_*.c. */
#include "cpu/exec_fp.h"

/* ---- two operands --------------------------------------------------------------------------- */

#define BINARY(name, T, N, EL, from)                                                                                   \
    enum step exec_f##name##N(struct cpu *c, const struct op *op)                                                      \
    {                                                                                                                  \
        FP_ENABLED(c);                                                                                                 \
        T r = fp_##name##N(c->v[op->rn].EL[0], c->v[op->rm].EL[0], exec_fp_env(c));                                    \
        exec_fp_result(c, op->rd, op->from, N, r);                                                                     \
        return STEP_NEXT;                                                                                              \
    }
#define BINARY_N(name, T, N, EL) BINARY(name, T, N, EL, rn)
#define BINARY_M(name, T, N, EL) BINARY(name, T, N, EL, rm)
FP_SIZES(BINARY_N, add)
FP_SIZES(BINARY_N, sub)
FP_SIZES(BINARY_N, mul)
FP_SIZES(BINARY_N, nmul)
FP_SIZES(BINARY_N, div)
FP_SIZES(BINARY_N, max)
FP_SIZES(BINARY_N, min)
FP_SIZES(BINARY_N, maxnm)
FP_SIZES(BINARY_N, minnm)
FP_SIZES(BINARY_N, mulx)
FP_SIZES(BINARY_N, recps)
FP_SIZES(BINARY_N, rsqrts)
FP_SIZES(BINARY_N, abd)
FP_SIZES(BINARY_M, cmeq)
FP_SIZES(BINARY_M, cmge)
FP_SIZES(BINARY_M, cmgt)
FP_SIZES(BINARY_M, acge)
FP_SIZES(BINARY_M, acgt)

/* ---- one operand ---------------------------------------------------------------------------- */

#define UNARY_ENV(name, T, N, EL, env)                                                                                 \
    enum step exec_f##name##N(struct cpu *c, const struct op *op)                                                      \
    {                                                                                                                  \
        FP_ENABLED(c);                                                                                                 \
        exec_fp_result(c, op->rd, op->rd, N, fp_##name##N(c->v[op->rn].EL[0], env(c)));                                \
        return STEP_NEXT;                                                                                              \
    }
#define UNARY(name, T, N, EL)    UNARY_ENV(name, T, N, EL, exec_fp_env)
#define ESTIMATE(name, T, N, EL) UNARY_ENV(name, T, N, EL, exec_fp_env_estimate)
/* Without merging */
#define UNARY_ZERO(name, T, N, EL)                                                                                     \
    enum step exec_f##name##N(struct cpu *c, const struct op *op)                                                      \
    {                                                                                                                  \
        FP_ENABLED(c);                                                                                                 \
        exec_fp_set(c, op->rd, fp_##name##N(c->v[op->rn].EL[0], exec_fp_env(c)));                                      \
        return STEP_NEXT;                                                                                              \
    }
FP_SIZES(UNARY_ZERO, mov)
FP_SIZES(UNARY, abs)
FP_SIZES(UNARY, neg)
FP_SIZES(UNARY, sqrt)
FP_SIZES(UNARY, rint_n)
FP_SIZES(UNARY, rint_p)
FP_SIZES(UNARY, rint_m)
FP_SIZES(UNARY, rint_z)
FP_SIZES(UNARY, rint_a)
FP_SIZES(UNARY, rint_x)
FP_SIZES(UNARY, rint_i)
UNARY(rint32z, u32, 32, s)
UNARY(rint32z, u64, 64, d)
UNARY(rint32x, u32, 32, s)
UNARY(rint32x, u64, 64, d)
UNARY(rint64z, u32, 32, s)
UNARY(rint64z, u64, 64, d)
UNARY(rint64x, u32, 32, s)
UNARY(rint64x, u64, 64, d)
FP_SIZES(ESTIMATE, recpe)
FP_SIZES(ESTIMATE, rsqrte)
FP_SIZES(UNARY, recpx)
FP_SIZES(UNARY_ZERO, cmeq0)
FP_SIZES(UNARY_ZERO, cmge0)
FP_SIZES(UNARY_ZERO, cmgt0)
FP_SIZES(UNARY_ZERO, cmle0)
FP_SIZES(UNARY_ZERO, cmlt0)
FP_SIZES(UNARY, cvtns)
FP_SIZES(UNARY, cvtnu)
FP_SIZES(UNARY, cvtps)
FP_SIZES(UNARY, cvtpu)
FP_SIZES(UNARY, cvtms)
FP_SIZES(UNARY, cvtmu)
FP_SIZES(UNARY, cvtzs)
FP_SIZES(UNARY, cvtzu)
FP_SIZES(UNARY, cvtas)
FP_SIZES(UNARY, cvtau)
FP_SIZES(UNARY, scvtf)
FP_SIZES(UNARY, ucvtf)

/* FCVT, FCVTXN, BFCVT: the destination has another size. */
#define CONVERT(name, fn, EL, N)                                                                                       \
    enum step exec_##name(struct cpu *c, const struct op *op)                                                          \
    {                                                                                                                  \
        FP_ENABLED(c);                                                                                                 \
        exec_fp_result(c, op->rd, op->rd, N, fn(c->v[op->rn].EL[0], exec_fp_env(c)));                                  \
        return STEP_NEXT;                                                                                              \
    }
CONVERT(fcvt32_16, fp_cvt32_16, h, 32)
CONVERT(fcvt64_16, fp_cvt64_16, h, 64)
CONVERT(fcvt16_32, fp_cvt16_32, s, 16)
CONVERT(fcvt64_32, fp_cvt64_32, s, 64)
CONVERT(fcvt16_64, fp_cvt16_64, d, 16)
CONVERT(fcvt32_64, fp_cvt32_64, d, 32)
CONVERT(fcvtxn, fp_cvtx32_64, d, 32)
CONVERT(bfcvt, fp_cvtbf_32, s, 16)

/* ---- three operands ------------------------------------------------------------------------- */

#define TERNARY(name, T, N, EL, A, X)                                                                                  \
    enum step exec_##name##N(struct cpu *c, const struct op *op)                                                       \
    {                                                                                                                  \
        FP_ENABLED(c);                                                                                                 \
        struct fp fp = exec_fp_env(c);                                                                                 \
        T a = A##N(c->v[op->ra].EL[0], fp), n = X##N(c->v[op->rn].EL[0], fp);                                          \
        exec_fp_result(c, op->rd, op->ra, N, fp_fma##N(a, n, c->v[op->rm].EL[0], fp));                                 \
        return STEP_NEXT;                                                                                              \
    }
#define MADD(name, T, N, EL)  TERNARY(name, T, N, EL, fp_mov, fp_mov)
#define MSUB(name, T, N, EL)  TERNARY(name, T, N, EL, fp_mov, fp_neg)
#define NMADD(name, T, N, EL) TERNARY(name, T, N, EL, fp_neg, fp_neg)
#define NMSUB(name, T, N, EL) TERNARY(name, T, N, EL, fp_neg, fp_mov)
FP_SIZES(MADD, fmadd)
FP_SIZES(MSUB, fmsub)
FP_SIZES(NMADD, fnmadd)
FP_SIZES(NMSUB, fnmsub)

/* ---- compare and select --------------------------------------------------------------------- */

#define COMPARE(name, T, N, EL)                                                                                        \
    enum step exec_fcmp##N(struct cpu *c, const struct op *op)                                                         \
    {                                                                                                                  \
        FP_ENABLED(c);                                                                                                 \
        c->nzcv = fp_compare##N(c->v[op->rn].EL[0], c->v[op->rm].EL[0], false, exec_fp_env(c));                        \
        return STEP_NEXT;                                                                                              \
    }                                                                                                                  \
    enum step exec_fcmpe##N(struct cpu *c, const struct op *op)                                                        \
    {                                                                                                                  \
        FP_ENABLED(c);                                                                                                 \
        c->nzcv = fp_compare##N(c->v[op->rn].EL[0], c->v[op->rm].EL[0], true, exec_fp_env(c));                         \
        return STEP_NEXT;                                                                                              \
    }                                                                                                                  \
    enum step exec_fcmp_zero##N(struct cpu *c, const struct op *op)                                                    \
    {                                                                                                                  \
        FP_ENABLED(c);                                                                                                 \
        c->nzcv = fp_compare##N(c->v[op->rn].EL[0], 0, false, exec_fp_env(c));                                         \
        return STEP_NEXT;                                                                                              \
    }                                                                                                                  \
    enum step exec_fcmpe_zero##N(struct cpu *c, const struct op *op)                                                   \
    {                                                                                                                  \
        FP_ENABLED(c);                                                                                                 \
        c->nzcv = fp_compare##N(c->v[op->rn].EL[0], 0, true, exec_fp_env(c));                                          \
        return STEP_NEXT;                                                                                              \
    }
FP_SIZES(COMPARE, )

/* ConditionHolds */
static bool holds(u32 nzcv, unsigned cond)
{
    bool n = nzcv >> 31, z = nzcv >> 30 & 1, carry = nzcv >> 29 & 1, v = nzcv >> 28 & 1, r = true;
    switch (cond >> 1) {
    case 0: r = z; break;
    case 1: r = carry; break;
    case 2: r = n; break;
    case 3: r = v; break;
    case 4: r = carry && !z; break;
    case 5: r = n == v; break;
    case 6: r = n == v && !z; break;
    case 7: return true;
    }
    return r != (cond & 1);
}

/* x = cond, y = nzcv */
#define CONDITIONAL(name, T, N, EL)                                                                                    \
    static enum step fccmp##N(struct cpu *c, const struct op *op, bool signal)                                         \
    {                                                                                                                  \
        FP_ENABLED(c);                                                                                                 \
        if (holds(c->nzcv, op->x))                                                                                     \
            c->nzcv = fp_compare##N(c->v[op->rn].EL[0], c->v[op->rm].EL[0], signal, exec_fp_env(c));                   \
        else                                                                                                           \
            c->nzcv = (u32)op->y << 28;                                                                                \
        return STEP_NEXT;                                                                                              \
    }                                                                                                                  \
    enum step exec_fccmp##N(struct cpu *c, const struct op *op) { return fccmp##N(c, op, false); }                     \
    enum step exec_fccmpe##N(struct cpu *c, const struct op *op) { return fccmp##N(c, op, true); }                     \
    enum step exec_fcsel##N(struct cpu *c, const struct op *op)                                                        \
    {                                                                                                                  \
        FP_ENABLED(c);                                                                                                 \
        exec_fp_set(c, op->rd, c->v[holds(c->nzcv, op->x) ? op->rn : op->rm].EL[0]);                                   \
        return STEP_NEXT;                                                                                              \
    }
FP_SIZES(CONDITIONAL, )

/* ---- moves ---------------------------------------------------------------------------------- */

/* FMOV (scalar, immediate): imm is the expanded value. */
enum step exec_fmov_imm(struct cpu *c, const struct op *op)
{
    FP_ENABLED(c);
    exec_fp_set(c, op->rd, op->imm);
    return STEP_NEXT;
}

#define MOVE(name, T, N, EL)                                                                                           \
    enum step exec_fmov_to_gen##N(struct cpu *c, const struct op *op)                                                  \
    {                                                                                                                  \
        FP_ENABLED(c);                                                                                                 \
        c->x[op->rd] = c->v[op->rn].EL[0];                                                                             \
        return STEP_NEXT;                                                                                              \
    }                                                                                                                  \
    enum step exec_fmov_from_gen##N(struct cpu *c, const struct op *op)                                                \
    {                                                                                                                  \
        FP_ENABLED(c);                                                                                                 \
        exec_fp_set(c, op->rd, (T)c->x[op->rn]);                                                                       \
        return STEP_NEXT;                                                                                              \
    }
FP_SIZES(MOVE, )

enum step exec_fmov_to_gen_top(struct cpu *c, const struct op *op)
{
    FP_ENABLED(c);
    c->x[op->rd] = c->v[op->rn].d[1];
    return STEP_NEXT;
}

enum step exec_fmov_from_gen_top(struct cpu *c, const struct op *op)
{
    FP_ENABLED(c);
    c->v[op->rd].d[1] = c->x[op->rn];
    return STEP_NEXT;
}

/* ---- pairs and elements --------------------------------------------------------------------- */

#define PAIR(name, T, N, EL)                                                                                           \
    enum step exec_f##name##p##N(struct cpu *c, const struct op *op)                                                   \
    {                                                                                                                  \
        FP_ENABLED(c);                                                                                                 \
        exec_fp_set(c, op->rd, fp_##name##N(c->v[op->rn].EL[0], c->v[op->rn].EL[1], exec_fp_env(c)));                  \
        return STEP_NEXT;                                                                                              \
    }
FP_SIZES(PAIR, add)
FP_SIZES(PAIR, max)
FP_SIZES(PAIR, min)
FP_SIZES(PAIR, maxnm)
FP_SIZES(PAIR, minnm)

#define BY_ELEMENT(name, T, N, EL)                                                                                     \
    enum step exec_f##name##_elem##N(struct cpu *c, const struct op *op)                                               \
    {                                                                                                                  \
        FP_ENABLED(c);                                                                                                 \
        T m = c->v[op->rm].EL[FP_INDEX(op, N)];                                                                        \
        exec_fp_result(c, op->rd, op->rn, N, fp_##name##N(c->v[op->rn].EL[0], m, exec_fp_env(c)));                     \
        return STEP_NEXT;                                                                                              \
    }
FP_SIZES(BY_ELEMENT, mul)
FP_SIZES(BY_ELEMENT, mulx)

#define MLA_BY_ELEMENT(name, T, N, EL)                                                                                 \
    enum step exec_f##name##_elem##N(struct cpu *c, const struct op *op)                                               \
    {                                                                                                                  \
        FP_ENABLED(c);                                                                                                 \
        T m = c->v[op->rm].EL[FP_INDEX(op, N)];                                                                        \
        T r = fp_##name##N(c->v[op->rd].EL[0], c->v[op->rn].EL[0], m, exec_fp_env(c));                                 \
        exec_fp_result(c, op->rd, op->rd, N, r);                                                                       \
        return STEP_NEXT;                                                                                              \
    }
FP_SIZES(MLA_BY_ELEMENT, mla)
FP_SIZES(MLA_BY_ELEMENT, mls)
