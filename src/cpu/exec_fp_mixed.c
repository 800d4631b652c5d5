/* Vector floating point that mixes elements or widths: complex arithmetic (FCADD, FCMLA), half to single
 * multiply-accumulate (FMLAL, FMLSL), BFloat16 dot products and multiply-accumulate (DDI0487 C4.1
 * "Advanced SIMD three-register extension", "vector x indexed element"). x is Q. */
#include "cpu/exec_fp.h"

/* ---- complex numbers: even elements real, odd elements imaginary ---------------------------- */

/* FCADD: y = 0 adds i times Vm, 1 subtracts it. */
#define FCADD(name, T, N, EL)                                                                                          \
    enum step exec_fcadd##N(struct cpu *c, const struct op *op)                                                        \
    {                                                                                                                  \
        if (N == 16 && !cpu_has(c, FEAT_FP16))                                                                         \
            return exc_undefined(c);                                                                                   \
        FP_ENABLED(c);                                                                                                 \
        union vreg r = {.d = {0}};                                                                                     \
        const union vreg *n = &c->v[op->rn], *m = &c->v[op->rm];                                                       \
        struct fp fp = exec_fp_env(c);                                                                                 \
        for (unsigned e = 0; e < FP_LANES(op, N); e += 2) {                                                            \
            T re = m->EL[e], im = m->EL[e + 1];                                                                        \
            r.EL[e] = fp_add##N(n->EL[e], op->y ? im : fp_neg##N(im, fp), fp);                                         \
            r.EL[e + 1] = fp_add##N(n->EL[e + 1], op->y ? fp_neg##N(re, fp) : re, fp);                                 \
        }                                                                                                              \
        c->v[op->rd] = r;                                                                                              \
        return STEP_NEXT;                                                                                              \
    }
FP_SIZES(FCADD, )

/* FCMLA: Vd + (one part of Vn) * (Vm rotated by rot * 90 degrees). Index ~0: Vm element by element. */
#define FCMLA(name, T, N, EL)                                                                                          \
    static enum step fcmla##N(struct cpu *c, const struct op *op, unsigned rot, unsigned index, unsigned lanes)        \
    {                                                                                                                  \
        if (N == 16 && !cpu_has(c, FEAT_FP16))                                                                         \
            return exc_undefined(c);                                                                                   \
        FP_ENABLED(c);                                                                                                 \
        union vreg r = {.d = {0}};                                                                                     \
        const union vreg *n = &c->v[op->rn], *d = &c->v[op->rd];                                                       \
        const union vreg m = c->v[op->rm];                                                                             \
        struct fp fp = exec_fp_env(c);                                                                                 \
        for (unsigned e = 0; e < lanes; e += 2) {                                                                      \
            unsigned k = index == ~0u ? e : 2 * index, odd = rot & 1;                                                  \
            T re = m.EL[k + odd], im = m.EL[k + !odd], part = n->EL[e + odd];                                          \
            re = rot == 1 || rot == 2 ? fp_neg##N(re, fp) : re;                                                        \
            im = rot & 2 ? fp_neg##N(im, fp) : im;                                                                     \
            r.EL[e] = fp_fma##N(d->EL[e], part, re, fp);                                                               \
            r.EL[e + 1] = fp_fma##N(d->EL[e + 1], part, im, fp);                                                       \
        }                                                                                                              \
        c->v[op->rd] = r;                                                                                              \
        return STEP_NEXT;                                                                                              \
    }                                                                                                                  \
    enum step exec_fcmla##N(struct cpu *c, const struct op *op) { return fcmla##N(c, op, op->y, ~0u, FP_LANES(op, N)); }
FP_SIZES(FCMLA, )

/* y = L:rot (index L), L:rot:H (index H:L), rot:H (index H) */
enum step exec_fcmla_elem_4h(struct cpu *c, const struct op *op) { return fcmla16(c, op, op->y & 3u, op->y >> 2, 4); }
enum step exec_fcmla_elem_8h(struct cpu *c, const struct op *op)
{
    return fcmla16(c, op, op->y >> 1 & 3u, (op->y & 1u) << 1 | op->y >> 3, 8);
}
enum step exec_fcmla_elem_4s(struct cpu *c, const struct op *op) { return fcmla32(c, op, op->y >> 1, op->y & 1u, 4); }

/* ---- half-precision products, single-precision sums ----------------------------------------- */

/* FMLAL, FMLSL (first: element 0), FMLAL2, FMLSL2 (first: that of the upper half). Index ~0: by element. */
static enum step fmlal(struct cpu *c, const struct op *op, bool subtract, bool upper, unsigned index)
{
    FP_ENABLED(c);
    union vreg r = {.d = {0}};
    const union vreg m = c->v[op->rm];
    unsigned lanes = FP_LANES(op, 32), first = upper ? lanes : 0;
    struct fp fp = exec_fp_env(c);
    for (unsigned e = 0; e < lanes; e++) {
        u16 n = c->v[op->rn].h[first + e];
        r.s[e] =
            fp_fma_half(c->v[op->rd].s[e], subtract ? fp_neg16(n, fp) : n, m.h[index == ~0u ? first + e : index], fp);
    }
    c->v[op->rd] = r;
    return STEP_NEXT;
}

enum step exec_fmlal(struct cpu *c, const struct op *op) { return fmlal(c, op, false, false, ~0u); }
enum step exec_fmlal2(struct cpu *c, const struct op *op) { return fmlal(c, op, false, true, ~0u); }
enum step exec_fmlsl(struct cpu *c, const struct op *op) { return fmlal(c, op, true, false, ~0u); }
enum step exec_fmlsl2(struct cpu *c, const struct op *op) { return fmlal(c, op, true, true, ~0u); }
enum step exec_fmlal_elem(struct cpu *c, const struct op *op) { return fmlal(c, op, false, false, FP_INDEX(op, 16)); }
enum step exec_fmlal2_elem(struct cpu *c, const struct op *op) { return fmlal(c, op, false, true, FP_INDEX(op, 16)); }
enum step exec_fmlsl_elem(struct cpu *c, const struct op *op) { return fmlal(c, op, true, false, FP_INDEX(op, 16)); }
enum step exec_fmlsl2_elem(struct cpu *c, const struct op *op) { return fmlal(c, op, true, true, FP_INDEX(op, 16)); }

/* ---- BFloat16 ------------------------------------------------------------------------------- */

static enum step bfdot(struct cpu *c, const struct op *op, unsigned index)
{
    FP_ENABLED(c);
    union vreg r = {.d = {0}};
    const union vreg m = c->v[op->rm];
    for (unsigned e = 0; e < FP_LANES(op, 32); e++)
        r.s[e] = fp_bfdot(c->v[op->rd].s[e], c->v[op->rn].s[e], m.s[index == ~0u ? e : index], c->fpcr);
    c->v[op->rd] = r;
    return STEP_NEXT;
}
enum step exec_bfdot(struct cpu *c, const struct op *op) { return bfdot(c, op, ~0u); }
enum step exec_bfdot_elem(struct cpu *c, const struct op *op) { return bfdot(c, op, FP_INDEX(op, 32)); }

/* BFMLALB, BFMLALT (x = 1) */
static enum step bfmlal(struct cpu *c, const struct op *op, unsigned index)
{
    FP_ENABLED(c);
    union vreg r = {.d = {0}};
    const union vreg m = c->v[op->rm];
    for (unsigned e = 0; e < 4; e++) {
        u16 w = m.h[index == ~0u ? 2 * e + op->x : index];
        r.s[e] = fp_fma_bf(c->v[op->rd].s[e], c->v[op->rn].h[2 * e + op->x], w, exec_fp_env(c));
    }
    c->v[op->rd] = r;
    return STEP_NEXT;
}
enum step exec_bfmlal(struct cpu *c, const struct op *op) { return bfmlal(c, op, ~0u); }
enum step exec_bfmlal_elem(struct cpu *c, const struct op *op) { return bfmlal(c, op, FP_INDEX(op, 16)); }

/* BFMatMulAdd: 2x4 times 4x2. */
enum step exec_bfmmla(struct cpu *c, const struct op *op)
{
    FP_ENABLED(c);
    union vreg r = {.d = {0}};
    const union vreg *n = &c->v[op->rn], *m = &c->v[op->rm];
    for (unsigned i = 0; i < 2; i++)
        for (unsigned j = 0; j < 2; j++) {
            u32 sum = c->v[op->rd].s[2 * i + j];
            for (unsigned k = 0; k < 2; k++)
                sum = fp_bfdot(sum, n->s[2 * i + k], m->s[2 * j + k], c->fpcr);
            r.s[2 * i + j] = sum;
        }
    c->v[op->rd] = r;
    return STEP_NEXT;
}
