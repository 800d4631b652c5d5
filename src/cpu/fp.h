/* Arm floating point on bit patterns, in integer arithmetic (DDI0487, shared/functions/float).
 *
 * Every function takes the FPCR in force and accumulates exceptions into *fpsr; results and flags are
 * those of the pseudocode function named beside it.  Trapped exceptions are not supported (the enable
 * bits of FPCR are RAZ/WI). */
#pragma once
#include "core/types.h"

/* FPCR */
#define FPCR_FIZ         (1u << 0)
#define FPCR_AH          (1u << 1)
#define FPCR_NEP         (1u << 2)
#define FPCR_EBF         (1u << 13)
#define FPCR_FZ16        (1u << 19)
#define FPCR_RMODE_SHIFT 22
#define FPCR_FZ          (1u << 24)
#define FPCR_DN          (1u << 25)
#define FPCR_AHP         (1u << 26)

/* FPSR */
#define FPSR_IOC (1u << 0)
#define FPSR_DZC (1u << 1)
#define FPSR_OFC (1u << 2)
#define FPSR_UFC (1u << 3)
#define FPSR_IXC (1u << 4)
#define FPSR_IDC (1u << 7)
#define FPSR_QC  (1u << 27)

/* FPRounding; the first four have the values of FPCR.RMode. */
enum fp_round { FPROUND_TIEEVEN, FPROUND_POSINF, FPROUND_NEGINF, FPROUND_ZERO, FPROUND_TIEAWAY, FPROUND_ODD };

/* In struct fp's fpcr only: the CPU has FEAT_RPRES (a reserved bit of FPCR). */
#define FP_RPRES (1u << 31)

struct fp {
    u32 fpcr;
    u32 *fpsr;
};

static inline enum fp_round fp_rmode(struct fp fp) { return (enum fp_round)(fp.fpcr >> FPCR_RMODE_SHIFT & 3); }

/* Declares one function for each of the formats half, single and double; T is its bit pattern. */
#define FP_EACH(DECL) DECL(u16, 16) DECL(u32, 32) DECL(u64, 64)

#define FP_DECL(T, N)                                                                                                  \
    T fp_add##N(T a, T b, struct fp fp);                                 /* FPAdd */                                   \
    T fp_sub##N(T a, T b, struct fp fp);                                 /* FPSub */                                   \
    T fp_mul##N(T a, T b, struct fp fp);                                 /* FPMul */                                   \
    T fp_mulx##N(T a, T b, struct fp fp);                                /* FPMulX */                                  \
    T fp_div##N(T a, T b, struct fp fp);                                 /* FPDiv */                                   \
    T fp_sqrt##N(T a, struct fp fp);                                     /* FPSqrt */                                  \
    T fp_fma##N(T a, T n, T m, struct fp fp);                            /* FPMulAdd: a + n * m */                     \
    T fp_recps##N(T a, T b, struct fp fp);                               /* FPRecipStepFused: 2 - a * b */             \
    T fp_rsqrts##N(T a, T b, struct fp fp);                              /* FPRSqrtStepFused: (3 - a * b) / 2 */       \
    T fp_max##N(T a, T b, struct fp fp);                                 /* FPMax */                                   \
    T fp_min##N(T a, T b, struct fp fp);                                 /* FPMin */                                   \
    T fp_maxnm##N(T a, T b, struct fp fp);                               /* FPMaxNum */                                \
    T fp_minnm##N(T a, T b, struct fp fp);                               /* FPMinNum */                                \
    u32 fp_compare##N(T a, T b, bool signal, struct fp fp);              /* FPCompare: NZCV in bits 31:28 */           \
    bool fp_eq##N(T a, T b, struct fp fp);                               /* FPCompareEQ */                             \
    bool fp_ge##N(T a, T b, struct fp fp);                               /* FPCompareGE */                             \
    bool fp_gt##N(T a, T b, struct fp fp);                               /* FPCompareGT */                             \
    T fp_recpe##N(T a, struct fp fp);                                    /* FPRecipEstimate */                         \
    T fp_rsqrte##N(T a, struct fp fp);                                   /* FPRSqrtEstimate */                         \
    T fp_recpx##N(T a, struct fp fp);                                    /* FPRecpX */                                 \
    T fp_rint##N(T a, enum fp_round r, bool exact, struct fp fp);        /* FPRoundInt */                              \
    T fp_rintn##N(T a, enum fp_round r, unsigned intsize, struct fp fp); /* FPRoundIntN */                             \
    /* FPToFixed: a * 2^fbits as an integer of size bits (16, 32, 64), saturating, zero-extended. */                   \
    u64 fp_to_fixed##N(T a, unsigned fbits, bool uns, enum fp_round r, unsigned size, struct fp fp);                   \
    /* FixedToFP: v / 2^fbits; v is sign- or zero-extended to 64 bits. */                                              \
    T fp_from_fixed##N(u64 v, unsigned fbits, bool uns, enum fp_round r, struct fp fp);
FP_EACH(FP_DECL)
#undef FP_DECL

/* FPAbs, FPNeg: no exceptions; with FPCR.AH they leave NaNs alone. */
#define FP_DECL(T, N)                                                                                                  \
    T fp_abs_alt##N(T a);                                                                                              \
    T fp_neg_alt##N(T a);                                                                                              \
    static inline T fp_abs##N(T a, struct fp fp)                                                                       \
    {                                                                                                                  \
        return UNLIKELY(fp.fpcr & FPCR_AH) ? fp_abs_alt##N(a) : (T)(a & ~((T)1 << (N - 1)));                           \
    }                                                                                                                  \
    static inline T fp_neg##N(T a, struct fp fp)                                                                       \
    {                                                                                                                  \
        return UNLIKELY(fp.fpcr & FPCR_AH) ? fp_neg_alt##N(a) : (T)(a ^ (T)1 << (N - 1));                              \
    }
FP_EACH(FP_DECL)
#undef FP_DECL

/* FPConvert. fp_cvtx32_64 rounds to odd (FCVTXN). */
u32 fp_cvt32_16(u16 a, struct fp fp);
u64 fp_cvt64_16(u16 a, struct fp fp);
u64 fp_cvt64_32(u32 a, struct fp fp);
u16 fp_cvt16_32(u32 a, struct fp fp);
u16 fp_cvt16_64(u64 a, struct fp fp);
u32 fp_cvt32_64(u64 a, struct fp fp);
u32 fp_cvtx32_64(u64 a, struct fp fp);
/* FPConvertBF: single to BFloat16. */
u16 fp_cvtbf_32(u32 a, struct fp fp);

/* FPMulAddH: a + n * m, the product of two halves exact. */
u32 fp_fma_half(u32 a, u16 n, u16 m, struct fp fp);
/* BFMulAddH: a + n * m of BFloat16 operands. */
u32 fp_fma_bf(u32 a, u16 n, u16 m, struct fp fp);
/* BFDotAdd: a + (n0 * m0 + n1 * m1) of BFloat16 elements; element 0 is the low half.  No exceptions. */
u32 fp_bfdot(u32 a, u32 n, u32 m, u32 fpcr);

/* FPToFixedJS: ECMAScript ToInt32; *exact is the Z flag. */
u32 fp_to_js(u64 a, bool *exact, struct fp fp);
