/* Reciprocal and reciprocal square root estimates (DDI0487 FPRecipEstimate, RecipEstimate, FPRSqrtEstimate,
 * RecipSqrtEstimate, FPRecpX): 8 bits of result from 8 or 9
 * bits of operand, computed as the architecture defines them instead of by table.
 *
 * Not modelled: the 12-bit estimates of FEAT_RPRES. */
#include "cpu/fp_core.h"

/* RecipEstimate: 256..511 to 256..511 */
static unsigned recip_estimate(unsigned a)
{
    a = a * 2 + 1;
    return ((1u << 19) / a + 1) / 2;
}

/* RecipSqrtEstimate: 128..511 to 256..511 */
static unsigned rsqrt_estimate(unsigned a)
{
    a = a < 256 ? a * 2 + 1 : (a / 2 * 2 + 1) * 2;
    unsigned b = 512;
    while (a * (b + 1) * (b + 1) < 1u << 28)
        b++;
    return (b + 1) / 2;
}

FP_INLINE u64 recpe(struct fp_fmt f, u64 a, struct fp fp)
{
    struct fp_num n = fp_unpack(f, a, fp);
    if (n.cls & FP_IS_NAN)
        return fp_process_nan(f, n.cls, a, fp);
    if (n.cls == FP_IS_INF)
        return fp_sign_bit(f, n.sign);
    if (n.cls == FP_IS_ZERO) {
        fp_raise(fp, FPSR_DZC);
        return fp_inf(f, n.sign);
    }
    if (n.exp < -f.bias - 1) /* the reciprocal overflows */
        return fp_overflow(f, n.sign, fp_rmode(fp), fp);
    if (n.exp >= f.bias - 1 && fp_flushes(f, fp.fpcr)) { /* it is denormal */
        fp_raise(fp, FPSR_UFC);
        return fp_sign_bit(f, n.sign);
    }
    u64 man = (u64)recip_estimate((unsigned)(n.man >> 55)) << 55;
    int e = f.bias - 1 - n.exp; /* biased: 2 * bias - 1 - (n.exp + bias) */
    if (e <= 0) {
        man >>= 1 - e;
        e = 1;
    }
    return fp_sign_bit(f, n.sign) | (((u64)(e - 1) << f.fbits) + (man >> (63 - f.fbits)));
}

FP_INLINE u64 rsqrte(struct fp_fmt f, u64 a, struct fp fp)
{
    struct fp_num n = fp_unpack(f, a, fp);
    if (n.cls & FP_IS_NAN)
        return fp_process_nan(f, n.cls, a, fp);
    if (n.cls == FP_IS_ZERO) {
        fp_raise(fp, FPSR_DZC);
        return fp_inf(f, n.sign);
    }
    if (n.sign)
        return fp_invalid(f, fp);
    if (n.cls == FP_IS_INF)
        return 0;
    /* An odd biased exponent leaves [1, 2) as [0.25, 0.5), an even one gives [0.5, 1). */
    int e = n.exp + f.bias;
    unsigned scaled = (unsigned)(e & 1 ? n.man >> 56 : n.man >> 55);
    int result_exp = (3 * f.bias - 1 - e - ((3 * f.bias - 1 - e) & 1)) / 2;
    u64 frac = rsqrt_estimate(scaled) & 0xff;
    return (u64)result_exp << f.fbits | frac << (f.fbits - 8);
}

FP_INLINE u64 recpx(struct fp_fmt f, u64 a, struct fp fp)
{
    struct fp_num n = fp_unpack(f, a, fp);
    if (n.cls & FP_IS_NAN)
        return fp_process_nan(f, n.cls, a, fp);
    u64 all = ones((unsigned)f.ebits), e = a >> f.fbits & all;
    return fp_sign_bit(f, n.sign) | (e == 0 ? all - 1 : ~e & all) << f.fbits;
}

#define INSTANCE(T, N)                                                                                                 \
    T fp_recpe##N(T a, struct fp fp) { return (T)recpe(FMT_##N, a, fp); }                                              \
    T fp_rsqrte##N(T a, struct fp fp) { return (T)rsqrte(FMT_##N, a, fp); }                                            \
    T fp_recpx##N(T a, struct fp fp) { return (T)recpx(FMT_##N, a, fp); }
FP_EACH(INSTANCE)
