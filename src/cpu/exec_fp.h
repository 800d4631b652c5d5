/* Private to exec_fp_*.c: operands, results and the operations named as the instructions are.
 *
 * Function names end in the element size: exec_fadd32 is FADD Sd, Sn, Sm; exec_vfadd32 the vector form.
 * In vector rows x is Q. */
#pragma once
#include "core/bits.h"
#include "cpu/cpu.h"
#include "cpu/exception.h"
#include "cpu/exec.h"
#include "cpu/fp.h"

/* M(name, type, size, member of union vreg) for each format. */
#define FP_SIZES(M, name) M(name, u16, 16, h) M(name, u32, 32, s) M(name, u64, 64, d)

/* CheckFPAdvSIMDEnabled64 */
#define FP_ENABLED(c)                                                                                                  \
    if (UNLIKELY((c)->fp_trap))                                                                                        \
    return exc_fp_access(c)

static inline struct fp exec_fp_env(struct cpu *c) { return (struct fp){c->fpcr, &c->fpsr}; }

/* For the estimates: says whether they are the precise ones of FEAT_RPRES. */
static inline struct fp exec_fp_env_estimate(struct cpu *c)
{
    return (struct fp){c->fpcr | (cpu_has(c, FEAT_RPRES) ? FP_RPRES : 0), &c->fpsr};
}

/* Writes a scalar; the rest of the register becomes zero. */
static inline void exec_fp_set(struct cpu *c, unsigned rd, u64 value)
{
    c->v[rd].d[0] = value;
    c->v[rd].d[1] = 0;
}

/* The same for arithmetic: with FPCR.NEP the rest comes from register from (IsMerging). */
static inline void exec_fp_result(struct cpu *c, unsigned rd, unsigned from, unsigned size, u64 value)
{
    u64 hi = 0;
    if (UNLIKELY(c->fpcr & FPCR_NEP)) {
        value |= c->v[from].d[0] & ~ones(size);
        hi = c->v[from].d[1];
    }
    c->v[rd].d[0] = value;
    c->v[rd].d[1] = hi;
}

/* Vectors are done a 64-bit word at a time: element stores followed by wider loads would stall. */
#define FP_WORDS(op, N) (N == 64 || (op)->x ? 2u : 1u)
/* The element of word w that starts at bit s. */
#define FP_ELEM(T, w, s) ((T)((w) >> (s)))

/* r.d[w] = expr of the elements for each word; expr uses w and s. The upper half becomes zero without Q. */
#define FP_EACH_ELEMENT(c, op, N, expr)                                                                                \
    do {                                                                                                               \
        union vreg *vd = &(c)->v[(op)->rd];                                                                            \
        for (unsigned w = 0; w < FP_WORDS(op, N); w++) {                                                               \
            u64 word = 0;                                                                                              \
            for (unsigned s = 0; s < 64; s += N)                                                                       \
                word |= (u64)(expr) << s;                                                                              \
            vd->d[w] = word;                                                                                           \
        }                                                                                                              \
        if (FP_WORDS(op, N) == 1)                                                                                      \
            vd->d[1] = 0;                                                                                              \
    } while (0)

#define FP_LANES(op, N) (N == 64 ? 2u : ((op)->x ? 128u : 64u) / N)

/* index = H:L:M, H:L or H; the pictures give L:M:H, L:H or H. */
#define FP_INDEX(op, N)                                                                                                \
    (N == 16 ? ((op)->y & 1u) << 2 | (op)->y >> 1 : N == 32 ? ((op)->y & 1u) << 1 | (op)->y >> 1 : (op)->y)

#define FP_OPS(name, T, N, EL)                                                                                         \
    static inline T fp_nmul##N(T a, T b, struct fp fp) { return fp_neg##N(fp_mul##N(a, b, fp), fp); }                  \
    static inline T fp_abd##N(T a, T b, struct fp fp) { return fp_abs##N(fp_sub##N(a, b, fp), fp); }                   \
    static inline T fp_cmeq##N(T a, T b, struct fp fp) { return (T)(0 - fp_eq##N(a, b, fp)); }                         \
    static inline T fp_cmge##N(T a, T b, struct fp fp) { return (T)(0 - fp_ge##N(a, b, fp)); }                         \
    static inline T fp_cmgt##N(T a, T b, struct fp fp) { return (T)(0 - fp_gt##N(a, b, fp)); }                         \
    static inline T fp_acge##N(T a, T b, struct fp fp)                                                                 \
    {                                                                                                                  \
        return (T)(0 - fp_ge##N(fp_abs##N(a, fp), fp_abs##N(b, fp), fp));                                              \
    }                                                                                                                  \
    static inline T fp_acgt##N(T a, T b, struct fp fp)                                                                 \
    {                                                                                                                  \
        return (T)(0 - fp_gt##N(fp_abs##N(a, fp), fp_abs##N(b, fp), fp));                                              \
    }                                                                                                                  \
    static inline T fp_cmeq0##N(T a, struct fp fp) { return fp_cmeq##N(a, 0, fp); }                                    \
    static inline T fp_cmge0##N(T a, struct fp fp) { return fp_cmge##N(a, 0, fp); }                                    \
    static inline T fp_cmgt0##N(T a, struct fp fp) { return fp_cmgt##N(a, 0, fp); }                                    \
    static inline T fp_cmle0##N(T a, struct fp fp) { return fp_cmge##N(0, a, fp); }                                    \
    static inline T fp_cmlt0##N(T a, struct fp fp) { return fp_cmgt##N(0, a, fp); }                                    \
    static inline T fp_mov##N(T a, struct fp fp) { return (void)fp, a; }                                               \
    static inline T fp_rint_n##N(T a, struct fp fp) { return fp_rint##N(a, FPROUND_TIEEVEN, false, fp); }              \
    static inline T fp_rint_p##N(T a, struct fp fp) { return fp_rint##N(a, FPROUND_POSINF, false, fp); }               \
    static inline T fp_rint_m##N(T a, struct fp fp) { return fp_rint##N(a, FPROUND_NEGINF, false, fp); }               \
    static inline T fp_rint_z##N(T a, struct fp fp) { return fp_rint##N(a, FPROUND_ZERO, false, fp); }                 \
    static inline T fp_rint_a##N(T a, struct fp fp) { return fp_rint##N(a, FPROUND_TIEAWAY, false, fp); }              \
    static inline T fp_rint_x##N(T a, struct fp fp) { return fp_rint##N(a, fp_rmode(fp), true, fp); }                  \
    static inline T fp_rint_i##N(T a, struct fp fp) { return fp_rint##N(a, fp_rmode(fp), false, fp); }                 \
    static inline T fp_rint32z##N(T a, struct fp fp) { return fp_rintn##N(a, FPROUND_ZERO, 32, fp); }                  \
    static inline T fp_rint32x##N(T a, struct fp fp) { return fp_rintn##N(a, fp_rmode(fp), 32, fp); }                  \
    static inline T fp_rint64z##N(T a, struct fp fp) { return fp_rintn##N(a, FPROUND_ZERO, 64, fp); }                  \
    static inline T fp_rint64x##N(T a, struct fp fp) { return fp_rintn##N(a, fp_rmode(fp), 64, fp); }                  \
    static inline T fp_cvtns##N(T a, struct fp fp) { return (T)fp_to_fixed##N(a, 0, false, FPROUND_TIEEVEN, N, fp); }  \
    static inline T fp_cvtnu##N(T a, struct fp fp) { return (T)fp_to_fixed##N(a, 0, true, FPROUND_TIEEVEN, N, fp); }   \
    static inline T fp_cvtps##N(T a, struct fp fp) { return (T)fp_to_fixed##N(a, 0, false, FPROUND_POSINF, N, fp); }   \
    static inline T fp_cvtpu##N(T a, struct fp fp) { return (T)fp_to_fixed##N(a, 0, true, FPROUND_POSINF, N, fp); }    \
    static inline T fp_cvtms##N(T a, struct fp fp) { return (T)fp_to_fixed##N(a, 0, false, FPROUND_NEGINF, N, fp); }   \
    static inline T fp_cvtmu##N(T a, struct fp fp) { return (T)fp_to_fixed##N(a, 0, true, FPROUND_NEGINF, N, fp); }    \
    static inline T fp_cvtzs##N(T a, struct fp fp) { return (T)fp_to_fixed##N(a, 0, false, FPROUND_ZERO, N, fp); }     \
    static inline T fp_cvtzu##N(T a, struct fp fp) { return (T)fp_to_fixed##N(a, 0, true, FPROUND_ZERO, N, fp); }      \
    static inline T fp_cvtas##N(T a, struct fp fp) { return (T)fp_to_fixed##N(a, 0, false, FPROUND_TIEAWAY, N, fp); }  \
    static inline T fp_cvtau##N(T a, struct fp fp) { return (T)fp_to_fixed##N(a, 0, true, FPROUND_TIEAWAY, N, fp); }   \
    static inline T fp_scvtf##N(T a, struct fp fp)                                                                     \
    {                                                                                                                  \
        return fp_from_fixed##N(sext(a, N), 0, false, fp_rmode(fp), fp);                                               \
    }                                                                                                                  \
    static inline T fp_ucvtf##N(T a, struct fp fp) { return fp_from_fixed##N(a, 0, true, fp_rmode(fp), fp); }          \
    static inline T fp_mla##N(T d, T n, T m, struct fp fp) { return fp_fma##N(d, n, m, fp); }                          \
    static inline T fp_mls##N(T d, T n, T m, struct fp fp) { return fp_fma##N(d, fp_neg##N(n, fp), m, fp); }
FP_SIZES(FP_OPS, )
#undef FP_OPS
