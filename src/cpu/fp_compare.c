/* Comparisons, minimum and maximum, signs (DDI0487 FPCompare, FPCompareEQ/GE/GT, FPMax, FPMin, FPMaxNum,
 * FPMinNum, FPAbs, FPNeg). */
#include "cpu/fp_core.h"

enum { NZCV_LESS = 8, NZCV_EQUAL = 6, NZCV_GREATER = 2, NZCV_UNORDERED = 3 };

/* Raises what a comparison of these raises; true when they are unordered. */
FP_INLINE bool unordered(struct fp_num *a, struct fp_num *b, bool signal, struct fp fp)
{
    u8 cls = a->cls | b->cls;
    if (LIKELY(!(cls & FP_IS_NAN))) {
        fp_denormal(a, fp);
        fp_denormal(b, fp);
        return false;
    }
    if (signal || (cls & FP_IS_SNAN))
        fp_raise(fp, FPSR_IOC);
    return true;
}

FP_INLINE u32 compare(struct fp_fmt f, u64 a, u64 b, bool signal, struct fp fp)
{
    struct fp_num na = fp_unpack(f, a, fp), nb = fp_unpack(f, b, fp);
    unsigned r;
    if (unordered(&na, &nb, signal, fp))
        r = NZCV_UNORDERED;
    else if (fp_equal(na, nb))
        r = NZCV_EQUAL;
    else
        r = fp_less(na, nb) ? NZCV_LESS : NZCV_GREATER;
    return r << 28;
}

FP_INLINE bool equal(struct fp_fmt f, u64 a, u64 b, struct fp fp)
{
    struct fp_num na = fp_unpack(f, a, fp), nb = fp_unpack(f, b, fp);
    return !unordered(&na, &nb, false, fp) && fp_equal(na, nb);
}

FP_INLINE bool greater(struct fp_fmt f, u64 a, u64 b, bool or_equal, struct fp fp)
{
    struct fp_num na = fp_unpack(f, a, fp), nb = fp_unpack(f, b, fp);
    return !unordered(&na, &nb, true, fp) && (fp_less(nb, na) || (or_equal && fp_equal(na, nb)));
}

FP_INLINE u64 pack(struct fp_fmt f, struct fp_num n, struct fp fp)
{
    if (n.cls == FP_IS_INF)
        return fp_inf(f, n.sign);
    return fp_round(f, n.sign, n.exp, n.man, fp);
}

/* alt: FPCR.AH = 1, where equal zeros and NaNs give the second operand. */
FP_INLINE u64 max_min(struct fp_fmt f, u64 a, u64 b, bool min, bool alt, struct fp fp)
{
    struct fp_num na = fp_unpack(f, a, fp), nb = fp_unpack(f, b, fp);
    if (UNLIKELY(alt)) {
        if (na.cls == FP_IS_ZERO && nb.cls == FP_IS_ZERO)
            return fp_sign_bit(f, nb.sign);
        if ((na.cls | nb.cls) & FP_IS_NAN) {
            fp_raise(fp, FPSR_IOC);
            return nb.cls == FP_IS_ZERO ? fp_sign_bit(f, nb.sign) : b;
        }
        fp.fpcr &= ~(FPCR_FZ | FPCR_FZ16); /* results are not flushed */
    }
    if (UNLIKELY((na.cls | nb.cls) & FP_IS_NAN))
        return fp_process_nans(f, na.cls, nb.cls, a, b, fp);
    fp_denormal(&na, fp);
    fp_denormal(&nb, fp);
    bool first = min ? fp_less(na, nb) : fp_less(nb, na);
    struct fp_num r = first ? na : nb;
    if (r.cls == FP_IS_ZERO)
        return fp_sign_bit(f, min ? na.sign | nb.sign : na.sign & nb.sign);
    return pack(f, r, fp);
}

/* The number of a quiet NaN and a number; else as max_min. */
FP_INLINE u64 max_min_num(struct fp_fmt f, u64 a, u64 b, bool min, struct fp fp)
{
    u8 ca = fp_unpack(f, a, fp).cls, cb = fp_unpack(f, b, fp).cls;
    if (ca == FP_IS_QNAN && !(cb & FP_IS_NAN))
        a = fp_inf(f, !min);
    else if (cb == FP_IS_QNAN && !(ca & FP_IS_NAN))
        b = fp_inf(f, !min);
    return max_min(f, a, b, min, false, fp);
}

FP_INLINE bool is_nan(struct fp_fmt f, u64 a) { return (a & ~fp_sign_bit(f, true)) > fp_inf(f, false); }

#define INSTANCE(T, N)                                                                                                 \
    u32 fp_compare##N(T a, T b, bool signal, struct fp fp) { return compare(FMT_##N, a, b, signal, fp); }              \
    bool fp_eq##N(T a, T b, struct fp fp) { return equal(FMT_##N, a, b, fp); }                                         \
    bool fp_ge##N(T a, T b, struct fp fp) { return greater(FMT_##N, a, b, true, fp); }                                 \
    bool fp_gt##N(T a, T b, struct fp fp) { return greater(FMT_##N, a, b, false, fp); }                                \
    T fp_max##N(T a, T b, struct fp fp) { return (T)max_min(FMT_##N, a, b, false, fp.fpcr & FPCR_AH, fp); }            \
    T fp_min##N(T a, T b, struct fp fp) { return (T)max_min(FMT_##N, a, b, true, fp.fpcr & FPCR_AH, fp); }             \
    T fp_abs_alt##N(T a) { return is_nan(FMT_##N, a) ? a : (T)(a & ~fp_sign_bit(FMT_##N, true)); }                     \
    T fp_neg_alt##N(T a) { return is_nan(FMT_##N, a) ? a : (T)(a ^ fp_sign_bit(FMT_##N, true)); }                      \
    T fp_maxnm##N(T a, T b, struct fp fp) { return (T)max_min_num(FMT_##N, a, b, false, fp); }                         \
    T fp_minnm##N(T a, T b, struct fp fp) { return (T)max_min_num(FMT_##N, a, b, true, fp); }
FP_EACH(INSTANCE)
