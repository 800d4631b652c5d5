/* Reciprocal and reciprocal square root estimates (DDI0487 FPRecipEstimate, RecipEstimate, FPRSqrtEstimate,
 * RecipSqrtEstimate, FPRecpX): 8 bits of result from 8 or 9
 * bits of operand (12 from 12 for singles with FEAT_RPRES and FPCR.AH), computed as the architecture defines
 * them instead of by table. */
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

/* The same with four more bits (FEAT_RPRES): 2048..4095 to 4096..8191 */
static unsigned recip_estimate_12(unsigned a)
{
    u32 d = a * 2 + 1, q = (1u << 25) / d;
    return q + ((1u << 25) % d * 2 > d);
}

static u128 floor_sqrt(u128 x)
{
    u128 root = 0;
    for (u128 b = (u128)1 << 126; b; b >>= 2) {
        if (x >= root + b) {
            x -= root + b;
            root = (root >> 1) + b;
        } else {
            root >>= 1;
        }
    }
    return root;
}

/* 1024..4095 to 4096..8191: 2^65 / (2^47 * sqrt(a + 1/2)), both steps rounded. */
static unsigned rsqrt_estimate_12(unsigned a)
{
    u128 square = (u128)(a < 2048 ? a * 2 + 1 : (a | 1) * 2) << 93;
    u128 root = floor_sqrt(square);
    root += square - root * root > root;
    u128 n = (u128)1 << 65, q = n / root, rest = n % root * 2;
    return (unsigned)(q + (rest > root || (rest == root && (q & 1))));
}

FP_INLINE u64 recpe(struct fp_fmt f, u64 a, struct fp fp)
{
    u32 ignored = 0;
    bool precise = f.size == 32 && (fp.fpcr & FPCR_AH) && (fp.fpcr & FP_RPRES);
    fp = fp_estimate_mode(fp, &ignored);
    struct fp_num n = fp_unpack_plain(f, a, fp);
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
    u64 man = precise ? (u64)recip_estimate_12((unsigned)(n.man >> 52)) << 51
                      : (u64)recip_estimate((unsigned)(n.man >> 55)) << 55;
    int e = f.bias - 1 - n.exp; /* biased: 2 * bias - 1 - (n.exp + bias) */
    if (e <= 0) {
        man >>= 1 - e;
        e = 1;
    }
    return fp_sign_bit(f, n.sign) | (((u64)(e - 1) << f.fbits) + (man >> (63 - f.fbits)));
}

FP_INLINE u64 rsqrte(struct fp_fmt f, u64 a, struct fp fp)
{
    u32 ignored = 0;
    bool precise = f.size == 32 && (fp.fpcr & FPCR_AH) && (fp.fpcr & FP_RPRES);
    fp = fp_estimate_mode(fp, &ignored);
    struct fp_num n = fp_unpack_plain(f, a, fp);
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
    int e = n.exp + f.bias, odd = e & 1;
    int twice = 3 * f.bias - 1 - e;
    u64 result = (u64)((twice - (twice & 1)) / 2) << f.fbits;
    if (precise)
        return result | (u64)(rsqrt_estimate_12((unsigned)(n.man >> (52 + odd))) & 0xfff) << (f.fbits - 12);
    return result | (u64)(rsqrt_estimate((unsigned)(n.man >> (55 + odd))) & 0xff) << (f.fbits - 8);
}

FP_INLINE u64 recpx(struct fp_fmt f, u64 a, struct fp fp)
{
    u32 ignored = 0;
    fp = fp_estimate_mode(fp, &ignored);
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
