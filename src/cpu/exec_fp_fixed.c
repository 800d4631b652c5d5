/* Conversions between floating point and general registers or fixed point, scalar and vector (DDI0487
 * C4.1 "Conversion between floating-point and fixed-point", "... and integer", "AdvSIMD shift by
 * immediate": SCVTF, UCVTF, FCVTZS, FCVTZU), and FJCVTZS. */
#include "cpu/exec_fp.h"

/* ---- general registers ---------------------------------------------------------------------- */

#define TO_GENERAL(name, N, EL, uns, r)                                                                                \
    enum step exec_##name##_w##N(struct cpu *c, const struct op *op)                                                   \
    {                                                                                                                  \
        FP_ENABLED(c);                                                                                                 \
        c->x[op->rd] = fp_to_fixed##N(c->v[op->rn].EL[0], 0, uns, r, 32, exec_fp_env(c));                              \
        return STEP_NEXT;                                                                                              \
    }                                                                                                                  \
    enum step exec_##name##_x##N(struct cpu *c, const struct op *op)                                                   \
    {                                                                                                                  \
        FP_ENABLED(c);                                                                                                 \
        c->x[op->rd] = fp_to_fixed##N(c->v[op->rn].EL[0], 0, uns, r, 64, exec_fp_env(c));                              \
        return STEP_NEXT;                                                                                              \
    }
#define TO_GENERALS(name, uns, r)                                                                                      \
    TO_GENERAL(name, 16, h, uns, r) TO_GENERAL(name, 32, s, uns, r) TO_GENERAL(name, 64, d, uns, r)
TO_GENERALS(fcvtns, false, FPROUND_TIEEVEN)
TO_GENERALS(fcvtnu, true, FPROUND_TIEEVEN)
TO_GENERALS(fcvtps, false, FPROUND_POSINF)
TO_GENERALS(fcvtpu, true, FPROUND_POSINF)
TO_GENERALS(fcvtms, false, FPROUND_NEGINF)
TO_GENERALS(fcvtmu, true, FPROUND_NEGINF)
TO_GENERALS(fcvtzs, false, FPROUND_ZERO)
TO_GENERALS(fcvtzu, true, FPROUND_ZERO)
TO_GENERALS(fcvtas, false, FPROUND_TIEAWAY)
TO_GENERALS(fcvtau, true, FPROUND_TIEAWAY)

/* x holds the low bits of scale: fbits = 64 - scale. For a W register scale<5> is 1 and not in x; the
 * integer forms have no x and use fbits 0. */
#define FROM_GENERAL(name, T, N, EL)                                                                                   \
    static enum step from_general##N(struct cpu *c, const struct op *op, u64 v, unsigned fbits, bool uns)              \
    {                                                                                                                  \
        FP_ENABLED(c);                                                                                                 \
        struct fp fp = exec_fp_env(c);                                                                                 \
        exec_fp_result(c, op->rd, op->rd, N, fp_from_fixed##N(v, fbits, uns, fp_rmode(fp), fp));                       \
        return STEP_NEXT;                                                                                              \
    }                                                                                                                  \
    enum step exec_scvtf_w##N(struct cpu *c, const struct op *op)                                                      \
    {                                                                                                                  \
        return from_general##N(c, op, sext(c->x[op->rn], 32), 0, false);                                               \
    }                                                                                                                  \
    enum step exec_scvtf_x##N(struct cpu *c, const struct op *op)                                                      \
    {                                                                                                                  \
        return from_general##N(c, op, c->x[op->rn], 0, false);                                                         \
    }                                                                                                                  \
    enum step exec_ucvtf_w##N(struct cpu *c, const struct op *op)                                                      \
    {                                                                                                                  \
        return from_general##N(c, op, (u32)c->x[op->rn], 0, true);                                                     \
    }                                                                                                                  \
    enum step exec_ucvtf_x##N(struct cpu *c, const struct op *op)                                                      \
    {                                                                                                                  \
        return from_general##N(c, op, c->x[op->rn], 0, true);                                                          \
    }                                                                                                                  \
    enum step exec_scvtf_fix_w##N(struct cpu *c, const struct op *op)                                                  \
    {                                                                                                                  \
        return from_general##N(c, op, sext(c->x[op->rn], 32), 32u - op->x, false);                                     \
    }                                                                                                                  \
    enum step exec_scvtf_fix_x##N(struct cpu *c, const struct op *op)                                                  \
    {                                                                                                                  \
        return from_general##N(c, op, c->x[op->rn], 64u - op->x, false);                                               \
    }                                                                                                                  \
    enum step exec_ucvtf_fix_w##N(struct cpu *c, const struct op *op)                                                  \
    {                                                                                                                  \
        return from_general##N(c, op, (u32)c->x[op->rn], 32u - op->x, true);                                           \
    }                                                                                                                  \
    enum step exec_ucvtf_fix_x##N(struct cpu *c, const struct op *op)                                                  \
    {                                                                                                                  \
        return from_general##N(c, op, c->x[op->rn], 64u - op->x, true);                                                \
    }
FP_SIZES(FROM_GENERAL, )

#define TO_FIXED(name, T, N, EL)                                                                                       \
    static enum step to_general_fix##N(struct cpu *c, const struct op *op, bool uns, unsigned size)                    \
    {                                                                                                                  \
        FP_ENABLED(c);                                                                                                 \
        c->x[op->rd] = fp_to_fixed##N(c->v[op->rn].EL[0], size - op->x, uns, FPROUND_ZERO, size, exec_fp_env(c));      \
        return STEP_NEXT;                                                                                              \
    }                                                                                                                  \
    enum step exec_fcvtzs_fix_w##N(struct cpu *c, const struct op *op) { return to_general_fix##N(c, op, false, 32); } \
    enum step exec_fcvtzs_fix_x##N(struct cpu *c, const struct op *op) { return to_general_fix##N(c, op, false, 64); } \
    enum step exec_fcvtzu_fix_w##N(struct cpu *c, const struct op *op) { return to_general_fix##N(c, op, true, 32); }  \
    enum step exec_fcvtzu_fix_x##N(struct cpu *c, const struct op *op) { return to_general_fix##N(c, op, true, 64); }
FP_SIZES(TO_FIXED, )

enum step exec_fjcvtzs(struct cpu *c, const struct op *op)
{
    FP_ENABLED(c);
    bool exact;
    c->x[op->rd] = fp_to_js(c->v[op->rn].d[0], &exact, exec_fp_env(c));
    c->nzcv = (u32)exact << 30;
    return STEP_NEXT;
}

/* ---- vector registers ----------------------------------------------------------------------- */

static union vreg simd_start(const struct cpu *c, unsigned rd, unsigned lanes)
{
    return lanes == 1 && (c->fpcr & FPCR_NEP) ? c->v[rd] : (union vreg){.d = {0}};
}

/* y: the bits of immh:immb below its leading one; fbits = 2 * esize - immh:immb = esize - y. */
#define SIMD_FIXED(name, T, N, EL)                                                                                     \
    static enum step simd_to##N(struct cpu *c, const struct op *op, unsigned lanes, bool uns)                          \
    {                                                                                                                  \
        FP_ENABLED(c);                                                                                                 \
        union vreg r = simd_start(c, op->rd, lanes);                                                                   \
        for (unsigned e = 0; e < lanes; e++)                                                                           \
            r.EL[e] = (T)fp_to_fixed##N(c->v[op->rn].EL[e], N - op->y, uns, FPROUND_ZERO, N, exec_fp_env(c));          \
        c->v[op->rd] = r;                                                                                              \
        return STEP_NEXT;                                                                                              \
    }                                                                                                                  \
    static enum step simd_from##N(struct cpu *c, const struct op *op, unsigned lanes, bool uns)                        \
    {                                                                                                                  \
        FP_ENABLED(c);                                                                                                 \
        union vreg r = simd_start(c, op->rd, lanes);                                                                   \
        struct fp fp = exec_fp_env(c);                                                                                 \
        for (unsigned e = 0; e < lanes; e++) {                                                                         \
            u64 v = uns ? c->v[op->rn].EL[e] : sext(c->v[op->rn].EL[e], N);                                            \
            r.EL[e] = fp_from_fixed##N(v, N - op->y, uns, fp_rmode(fp), fp);                                           \
        }                                                                                                              \
        c->v[op->rd] = r;                                                                                              \
        return STEP_NEXT;                                                                                              \
    }                                                                                                                  \
    enum step exec_fcvtzs_fix##N(struct cpu *c, const struct op *op) { return simd_to##N(c, op, 1, false); }           \
    enum step exec_fcvtzu_fix##N(struct cpu *c, const struct op *op) { return simd_to##N(c, op, 1, true); }            \
    enum step exec_scvtf_fix##N(struct cpu *c, const struct op *op) { return simd_from##N(c, op, 1, false); }          \
    enum step exec_ucvtf_fix##N(struct cpu *c, const struct op *op) { return simd_from##N(c, op, 1, true); }           \
    enum step exec_vfcvtzs_fix##N(struct cpu *c, const struct op *op)                                                  \
    {                                                                                                                  \
        return simd_to##N(c, op, FP_LANES(op, N), false);                                                              \
    }                                                                                                                  \
    enum step exec_vfcvtzu_fix##N(struct cpu *c, const struct op *op)                                                  \
    {                                                                                                                  \
        return simd_to##N(c, op, FP_LANES(op, N), true);                                                               \
    }                                                                                                                  \
    enum step exec_vscvtf_fix##N(struct cpu *c, const struct op *op)                                                   \
    {                                                                                                                  \
        return simd_from##N(c, op, FP_LANES(op, N), false);                                                            \
    }                                                                                                                  \
    enum step exec_vucvtf_fix##N(struct cpu *c, const struct op *op)                                                   \
    {                                                                                                                  \
        return simd_from##N(c, op, FP_LANES(op, N), true);                                                             \
    }
FP_SIZES(SIMD_FIXED, )
