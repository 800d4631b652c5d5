/* Vector floating point of Advanced SIMD: element by element, by one element, pairwise, across lanes and
 * conversions between widths (DDI0487 C4.1 "Advanced SIMD three same", "two-register miscellaneous",
 * "vector x indexed element", "across lanes" and their FP16 forms).  Arithmetic is in fp_*.c.
 * x is Q; lanes are done in ascending order. */
#include "cpu/exec_fp.h"

#define BINARY(name, T, N, EL)                                                                                         \
    enum step exec_vf##name##N(struct cpu *c, const struct op *op)                                                     \
    {                                                                                                                  \
        FP_ENABLED(c);                                                                                                 \
        const union vreg *n = &c->v[op->rn], *m = &c->v[op->rm];                                                       \
        FP_EACH_ELEMENT(c, op, N, fp_##name##N(FP_ELEM(T, n->d[w], s), FP_ELEM(T, m->d[w], s), exec_fp_env(c)));       \
        return STEP_NEXT;                                                                                              \
    }
FP_SIZES(BINARY, add)
FP_SIZES(BINARY, sub)
FP_SIZES(BINARY, mul)
FP_SIZES(BINARY, div)
FP_SIZES(BINARY, max)
FP_SIZES(BINARY, min)
FP_SIZES(BINARY, maxnm)
FP_SIZES(BINARY, minnm)
FP_SIZES(BINARY, mulx)
FP_SIZES(BINARY, recps)
FP_SIZES(BINARY, rsqrts)
FP_SIZES(BINARY, abd)
FP_SIZES(BINARY, cmeq)
FP_SIZES(BINARY, cmge)
FP_SIZES(BINARY, cmgt)
FP_SIZES(BINARY, acge)
FP_SIZES(BINARY, acgt)

#define UNARY_ENV(name, T, N, EL, env)                                                                                 \
    enum step exec_vf##name##N(struct cpu *c, const struct op *op)                                                     \
    {                                                                                                                  \
        FP_ENABLED(c);                                                                                                 \
        const union vreg *n = &c->v[op->rn];                                                                           \
        FP_EACH_ELEMENT(c, op, N, fp_##name##N(FP_ELEM(T, n->d[w], s), env(c)));                                       \
        return STEP_NEXT;                                                                                              \
    }
#define UNARY(name, T, N, EL)    UNARY_ENV(name, T, N, EL, exec_fp_env)
#define ESTIMATE(name, T, N, EL) UNARY_ENV(name, T, N, EL, exec_fp_env_estimate)
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
FP_SIZES(UNARY, cmeq0)
FP_SIZES(UNARY, cmge0)
FP_SIZES(UNARY, cmgt0)
FP_SIZES(UNARY, cmle0)
FP_SIZES(UNARY, cmlt0)
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

#define MLA(name, T, N, EL)                                                                                            \
    enum step exec_vf##name##N(struct cpu *c, const struct op *op)                                                     \
    {                                                                                                                  \
        FP_ENABLED(c);                                                                                                 \
        const union vreg *n = &c->v[op->rn], *m = &c->v[op->rm], *d = &c->v[op->rd];                                   \
        FP_EACH_ELEMENT(                                                                                               \
            c, op, N,                                                                                                  \
            fp_##name##N(FP_ELEM(T, d->d[w], s), FP_ELEM(T, n->d[w], s), FP_ELEM(T, m->d[w], s), exec_fp_env(c)));     \
        return STEP_NEXT;                                                                                              \
    }                                                                                                                  \
    enum step exec_vf##name##_elem##N(struct cpu *c, const struct op *op)                                              \
    {                                                                                                                  \
        FP_ENABLED(c);                                                                                                 \
        const union vreg *n = &c->v[op->rn], *d = &c->v[op->rd];                                                       \
        T m = c->v[op->rm].EL[FP_INDEX(op, N)];                                                                        \
        FP_EACH_ELEMENT(c, op, N, fp_##name##N(FP_ELEM(T, d->d[w], s), FP_ELEM(T, n->d[w], s), m, exec_fp_env(c)));    \
        return STEP_NEXT;                                                                                              \
    }
FP_SIZES(MLA, mla)
FP_SIZES(MLA, mls)

#define BY_ELEMENT(name, T, N, EL)                                                                                     \
    enum step exec_vf##name##_elem##N(struct cpu *c, const struct op *op)                                              \
    {                                                                                                                  \
        FP_ENABLED(c);                                                                                                 \
        const union vreg *n = &c->v[op->rn];                                                                           \
        T m = c->v[op->rm].EL[FP_INDEX(op, N)];                                                                        \
        FP_EACH_ELEMENT(c, op, N, fp_##name##N(FP_ELEM(T, n->d[w], s), m, exec_fp_env(c)));                            \
        return STEP_NEXT;                                                                                              \
    }
FP_SIZES(BY_ELEMENT, mul)
FP_SIZES(BY_ELEMENT, mulx)

/* Pairs of Vm:Vn, the low half of the result from Vn. */
#define PAIRWISE(name, T, N, EL)                                                                                       \
    enum step exec_vf##name##p##N(struct cpu *c, const struct op *op)                                                  \
    {                                                                                                                  \
        FP_ENABLED(c);                                                                                                 \
        union vreg r = {.d = {0}};                                                                                     \
        unsigned half = FP_LANES(op, N) / 2;                                                                           \
        for (unsigned e = 0; e < 2 * half; e++) {                                                                      \
            const T *s = e < half ? &c->v[op->rn].EL[2 * e] : &c->v[op->rm].EL[2 * (e - half)];                        \
            r.EL[e] = fp_##name##N(s[0], s[1], exec_fp_env(c));                                                        \
        }                                                                                                              \
        c->v[op->rd] = r;                                                                                              \
        return STEP_NEXT;                                                                                              \
    }
FP_SIZES(PAIRWISE, add)
FP_SIZES(PAIRWISE, max)
FP_SIZES(PAIRWISE, min)
FP_SIZES(PAIRWISE, maxnm)
FP_SIZES(PAIRWISE, minnm)

/* Reduce: neighbours first, so that NaNs win in the architecture's order. */
#define ACROSS(name, T, N, EL)                                                                                         \
    enum step exec_vf##name##v##N(struct cpu *c, const struct op *op)                                                  \
    {                                                                                                                  \
        FP_ENABLED(c);                                                                                                 \
        union vreg t = c->v[op->rn];                                                                                   \
        for (unsigned lanes = N == 32 ? 4 : FP_LANES(op, N); lanes > 1; lanes /= 2)                                    \
            for (unsigned e = 0; e < lanes / 2; e++)                                                                   \
                t.EL[e] = fp_##name##N(t.EL[2 * e], t.EL[2 * e + 1], exec_fp_env(c));                                  \
        exec_fp_set(c, op->rd, t.EL[0]);                                                                               \
        return STEP_NEXT;                                                                                              \
    }
#define ACROSS_SIZES(name) ACROSS(name, u16, 16, h) ACROSS(name, u32, 32, s)
ACROSS_SIZES(max)
ACROSS_SIZES(min)
ACROSS_SIZES(maxnm)
ACROSS_SIZES(minnm)

/* FCVTL, FCVTL2: 64 bits of narrow elements, the upper ones with Q. */
#define WIDEN(name, fn, FROM, TO, LANES)                                                                               \
    enum step exec_##name(struct cpu *c, const struct op *op)                                                          \
    {                                                                                                                  \
        FP_ENABLED(c);                                                                                                 \
        union vreg r = {.d = {0}};                                                                                     \
        for (unsigned e = 0; e < LANES; e++)                                                                           \
            r.TO[e] = fn(c->v[op->rn].FROM[e + (op->x ? LANES : 0)], exec_fp_env(c));                                  \
        c->v[op->rd] = r;                                                                                              \
        return STEP_NEXT;                                                                                              \
    }
WIDEN(vfcvtl32_16, fp_cvt32_16, h, s, 4)
WIDEN(vfcvtl64_32, fp_cvt64_32, s, d, 2)

/* FCVTN, FCVTXN, BFCVTN and their "2" forms, which keep the low half. */
#define NARROW(name, fn, FROM, TO, LANES)                                                                              \
    enum step exec_##name(struct cpu *c, const struct op *op)                                                          \
    {                                                                                                                  \
        FP_ENABLED(c);                                                                                                 \
        union vreg r = {.d = {op->x ? c->v[op->rd].d[0] : 0}};                                                         \
        for (unsigned e = 0; e < LANES; e++)                                                                           \
            r.TO[e + (op->x ? LANES : 0)] = fn(c->v[op->rn].FROM[e], exec_fp_env(c));                                  \
        c->v[op->rd] = r;                                                                                              \
        return STEP_NEXT;                                                                                              \
    }
NARROW(vfcvtn16_32, fp_cvt16_32, s, h, 4)
NARROW(vfcvtn32_64, fp_cvt32_64, d, s, 2)
NARROW(vfcvtxn, fp_cvtx32_64, d, s, 2)
NARROW(vbfcvtn, fp_cvtbf_32, s, h, 4)
