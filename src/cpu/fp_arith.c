/* Floating-point add, subtract, multiply, divide, square root (DDI0487 FPAdd, FPSub, FPMul, FPMulX, FPDiv,
 * FPSqrt).
 *
 * Each operation is written once over a constant format and instantiated three times.  64-bit
 * significands leave at least 11 bits below the last place, so a jammed sticky bit rounds exactly. */
#include "cpu/fp_core.h"

FP_INLINE u64 add(struct fp_fmt f, u64 a, u64 b, bool subtract, struct fp fp)
{
    struct fp_num na = fp_unpack(f, a, fp), nb = fp_unpack(f, b, fp);
    if (UNLIKELY(na.cls | nb.cls)) {
        if ((na.cls | nb.cls) & FP_IS_NAN)
            return fp_process_nans(f, na.cls, nb.cls, a, b, fp);
        fp_denormal(&na, fp);
        fp_denormal(&nb, fp);
    }
    nb.sign ^= subtract;
    return fp_add_numbers(f, na, nb, fp);
}

/* extended: FPMulX, where infinity times zero is two. */
FP_INLINE u64 mul(struct fp_fmt f, u64 a, u64 b, bool extended, struct fp fp)
{
    struct fp_num na = fp_unpack(f, a, fp), nb = fp_unpack(f, b, fp);
    bool sign = na.sign ^ nb.sign;
    if (UNLIKELY(na.cls | nb.cls)) {
        if ((na.cls | nb.cls) & FP_IS_NAN)
            return fp_process_nans(f, na.cls, nb.cls, a, b, fp);
        fp_denormal(&na, fp);
        fp_denormal(&nb, fp);
        u8 cls = na.cls | nb.cls;
        if (cls == (FP_IS_INF | FP_IS_ZERO))
            return extended ? fp_sign_bit(f, sign) | (u64)(f.bias + 1) << f.fbits : fp_invalid(f, fp);
        if (cls)
            return cls == FP_IS_INF ? fp_inf(f, sign) : fp_sign_bit(f, sign);
    }
    u128 p = (u128)na.man * nb.man;
    u64 hi = (u64)(p >> 64) | ((u64)p != 0);
    int exp = na.exp + nb.exp + 1;
    if (!(hi >> 63)) {
        /* The bits below the top 64 are already only a sticky bit; the shift keeps it sticky since
         * significands have at least 11 zero bits at the bottom. */
        hi <<= 1;
        exp--;
    }
    return fp_round(f, sign, exp, hi, fp);
}

FP_INLINE u64 quotient(struct fp_fmt f, u64 n, u64 d, int *exp)
{
    bool less = n < d;
    *exp -= less;
    if (f.size == 64) {
        /* n < d: n * 2^64 / d lies in [2^63, 2^64); else halve n first. */
        u128 num = (u128)n << (less ? 64 : 63);
        u64 q = (u64)(num / d);
        return q | ((u128)q * d != num);
    }
    /* 24 significant bits at most: divide by the divisor's top bits, 40 bits of quotient. */
    u64 dd = d >> 40, q = n / dd, rest = n % dd;
    return (q << (less ? 24 : 23)) | (rest != 0);
}

FP_INLINE u64 div(struct fp_fmt f, u64 a, u64 b, struct fp fp)
{
    struct fp_num na = fp_unpack(f, a, fp), nb = fp_unpack(f, b, fp);
    bool sign = na.sign ^ nb.sign;
    if (UNLIKELY(na.cls | nb.cls)) {
        if ((na.cls | nb.cls) & FP_IS_NAN)
            return fp_process_nans(f, na.cls, nb.cls, a, b, fp);
        if (na.cls & nb.cls & (FP_IS_ZERO | FP_IS_INF)) /* 0/0, inf/inf */
            return fp_invalid(f, fp);
        if (nb.cls == FP_IS_ZERO) {
            if (na.cls != FP_IS_INF)
                fp_raise(fp, FPSR_DZC);
            return fp_inf(f, sign);
        }
        fp_denormal(&na, fp);
        fp_denormal(&nb, fp);
        if (na.cls == FP_IS_INF)
            return fp_inf(f, sign);
        if (na.cls | nb.cls)
            return fp_sign_bit(f, sign);
    }
    int exp = na.exp - nb.exp;
    u64 q = quotient(f, na.man, nb.man, &exp);
    return fp_round(f, sign, exp, q, fp);
}

/* floor(sqrt(x)) for x >= 2^62, and the remainder: Heron's method. With t = x / 2^62, (t + 2) / 3 is within
 * 6 % of sqrt(t); three steps make it 0.15 %, 1e-6, 1e-12. */
static u32 isqrt64(u64 x, u64 *rem)
{
    u64 r = (x >> 31) / 3 + (1ull << 32) / 3;
    for (unsigned k = 0; k < 3; k++)
        r = (r + x / r) >> 1;
    r = r > 0xffffffff ? 0xffffffff : r;
    while (r * r > x)
        r--;
    while (x - r * r > 2 * r)
        r++;
    *rem = x - r * r;
    return (u32)r;
}

/* floor(sqrt(hi:0)) as 64 bits with a sticky bit 0, hi >= 2^62: one step of the Karatsuba square root. */
static u64 isqrt128(u64 hi)
{
    u64 r;
    u64 s = isqrt64(hi, &r);
    /* (r * 2^32) / (2 * s); r <= 2 * s, so the quotient may be 2^32 */
    u128 num = (u128)r << 32;
    u128 q = num / (2 * s), u = num % (2 * s);
    u128 root = ((u128)s << 32) + q;
    s128 rest = (s128)(u << 32) - (s128)(q * q);
    while (rest < 0) {
        root--;
        rest += (s128)(2 * root + 1);
    }
    return (u64)root | (rest != 0);
}

FP_INLINE u64 square_root(struct fp_fmt f, u64 a, struct fp fp)
{
    struct fp_num n = fp_unpack(f, a, fp);
    if (UNLIKELY(n.cls & FP_IS_NAN))
        return fp_process_nan(f, n.cls, a, fp);
    if (n.cls == FP_IS_ZERO)
        return fp_sign_bit(f, n.sign);
    if (n.sign)
        return fp_invalid(f, fp);
    if (n.cls == FP_IS_INF)
        return fp_inf(f, false);
    fp_denormal(&n, fp);
    /* man * 2^(exp - 63) = x * 2^(2h - 62) with x in [2^62, 2^64) and the low bit of man zero */
    bool odd = n.exp & 1;
    int half = (n.exp - odd) / 2;
    u64 x = odd ? n.man : n.man >> 1;
    u64 man;
    if (f.size == 64) {
        man = isqrt128(x);
    } else {
        u64 rest;
        man = (u64)isqrt64(x, &rest) << 32;
        man |= rest != 0;
    }
    return fp_round(f, false, half, man, fp);
}

#define INSTANCE(T, N)                                                                                                 \
    T fp_add##N(T a, T b, struct fp fp) { return (T)add(FMT_##N, a, b, false, fp); }                                   \
    T fp_sub##N(T a, T b, struct fp fp) { return (T)add(FMT_##N, a, b, true, fp); }                                    \
    T fp_mul##N(T a, T b, struct fp fp) { return (T)mul(FMT_##N, a, b, false, fp); }                                   \
    T fp_mulx##N(T a, T b, struct fp fp) { return (T)mul(FMT_##N, a, b, true, fp); }                                   \
    T fp_div##N(T a, T b, struct fp fp) { return (T)div(FMT_##N, a, b, fp); }                                          \
    T fp_sqrt##N(T a, struct fp fp) { return (T)square_root(FMT_##N, a, fp); }
FP_EACH(INSTANCE)
