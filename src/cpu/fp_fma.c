/* Fused multiply-add and what is built on it (DDI0487 FPMulAdd, FPMulAddH, FPRecipStepFused,
 * FPRSqrtStepFused).
 *
 * The product is exact in 128 bits, or in 64 for singles and halves.  Operands are unpacked independently of their
 * format, so one core serves half-by-half-plus-single as well. */
#include "cpu/fp_core.h"

FP_INLINE u128 shift_jam128(u128 x, unsigned n)
{
    if (n == 0)
        return x;
    return n < 128 ? x >> n | (x << (128 - n) != 0) : x != 0;
}

/* (a + n * m) * 2^scale, of ordinary n and m and an ordinary or zero a. */
FP_INLINE u64 fma_finite(struct fp_fmt f, struct fp_num a, struct fp_num n, struct fp_num m, int scale, struct fp fp)
{
    bool sign = n.sign ^ m.sign;
    if (f.size <= 32) { /* 24 significant bits each: the product fits in 64 */
        u64 man = (n.man >> 32) * (m.man >> 32);
        bool low = !(man >> 63);
        struct fp_num product = {man << low, n.exp + m.exp + !low + scale, sign, FP_IS_NUM};
        a.exp += scale;
        return fp_add_numbers(f, a, product, fp);
    }
    u128 p = (u128)n.man * m.man;
    int exp = n.exp + m.exp + 1; /* of bit 127 */
    if (!(p >> 127)) {
        p <<= 1;
        exp--;
    }
    if (LIKELY(a.cls == FP_IS_NUM)) {
        /* One bit of head room for the carry; a product has at least 22 low zero bits, a 64 and more. */
        u128 x = p >> 1, y = (u128)a.man << 63;
        int d = exp - a.exp;
        if (d >= 0) {
            y = shift_jam128(y, (unsigned)d);
        } else {
            x = shift_jam128(x, (unsigned)-d);
            exp = a.exp;
        }
        if (sign == a.sign) {
            p = x + y;
        } else if (x >= y) {
            p = x - y;
        } else {
            p = y - x;
            sign = a.sign;
        }
        if (UNLIKELY(p == 0))
            return fp_sign_bit(f, fp_rmode(fp) == FPROUND_NEGINF);
        exp++;
        u64 hi = (u64)(p >> 64);
        int shift = hi ? __builtin_clzll(hi) : 64 + __builtin_clzll((u64)p);
        p <<= shift;
        exp -= shift;
    }
    return fp_round(f, sign, exp + scale, (u64)(p >> 64) | ((u64)p != 0), fp);
}

/* The same when some operand is zero or infinite (none is a NaN, not infinity times zero). */
FP_INLINE u64 fma_special(struct fp_fmt f, struct fp_num a, struct fp_num n, struct fp_num m, int scale, struct fp fp)
{
    bool sign = n.sign ^ m.sign, inf = ((n.cls | m.cls) & FP_IS_INF) != 0;
    if (inf || a.cls == FP_IS_INF) {
        if (inf && a.cls == FP_IS_INF && a.sign != sign)
            return fp_invalid(f, fp);
        return fp_inf(f, inf ? sign : a.sign);
    }
    /* the product is zero */
    if (a.cls == FP_IS_ZERO)
        return fp_sign_bit(f, a.sign == sign ? sign : fp_rmode(fp) == FPROUND_NEGINF);
    return fp_round(f, a.sign, a.exp + scale, a.man, fp);
}

FP_INLINE u64 fma_numbers(struct fp_fmt f, struct fp_num a, struct fp_num n, struct fp_num m, int scale, struct fp fp)
{
    if (UNLIKELY(n.cls | m.cls | (a.cls & FP_IS_INF)))
        return fma_special(f, a, n, m, scale, fp);
    return fma_finite(f, a, n, m, scale, fp);
}

FP_INLINE bool inf_times_zero(struct fp_num n, struct fp_num m) { return (n.cls | m.cls) == (FP_IS_INF | FP_IS_ZERO); }

/* What precedes the arithmetic: NaNs, invalid products, denormals (FPProcessNaNs3 and around it).
 * Gives FMA_GO, FMA_INVALID, or which operand is the NaN to process as one of *kind. */
enum fma_case { FMA_GO, FMA_INVALID, FMA_NAN_A, FMA_NAN_N, FMA_NAN_M };

FP_INLINE enum fma_case fma_check(struct fp_num *a, struct fp_num *n, struct fp_num *m, u8 *kind, struct fp fp)
{
    u8 cls = a->cls | n->cls | m->cls;
    bool ah = (fp.fpcr & FPCR_AH) != 0, zero_inf = inf_times_zero(*n, *m);
    /* A quiet NaN addend does not hide the invalid product; a signalling NaN comes first. */
    if (zero_inf && !(a->cls & (ah ? FP_IS_NAN : FP_IS_SNAN)))
        return FMA_INVALID;
    if (cls & FP_IS_NAN) {
        *kind = cls & FP_IS_SNAN ? FP_IS_SNAN : FP_IS_QNAN;
        if (ah)
            return n->cls & FP_IS_NAN ? FMA_NAN_N : m->cls & FP_IS_NAN ? FMA_NAN_M : FMA_NAN_A;
        return a->cls == *kind ? FMA_NAN_A : n->cls == *kind ? FMA_NAN_N : FMA_NAN_M;
    }
    if (a->cls == FP_IS_INF && ((n->cls | m->cls) & FP_IS_INF) && a->sign != (n->sign ^ m->sign))
        return FMA_INVALID;
    fp_denormal(a, fp);
    fp_denormal(n, fp);
    fp_denormal(m, fp);
    return FMA_GO;
}

FP_INLINE u64 mul_add(struct fp_fmt f, u64 a, u64 n, u64 m, struct fp fp)
{
    struct fp_num na = fp_unpack(f, a, fp), nn = fp_unpack(f, n, fp), nm = fp_unpack(f, m, fp);
    if (UNLIKELY(na.cls | nn.cls | nm.cls)) {
        u8 kind;
        switch (fma_check(&na, &nn, &nm, &kind, fp)) {
        case FMA_GO: break;
        case FMA_INVALID: return fp_invalid(f, fp);
        case FMA_NAN_A: return fp_process_nan(f, kind, a, fp);
        case FMA_NAN_N: return fp_process_nan(f, kind, n, fp);
        case FMA_NAN_M: return fp_process_nan(f, kind, m, fp);
        }
    }
    return fma_numbers(f, na, nn, nm, 0, fp);
}

/* A small integer as an unpacked number. */
FP_INLINE struct fp_num small(unsigned v)
{
    int shift = __builtin_clzll(v);
    return (struct fp_num){(u64)v << shift, 63 - shift, false, FP_IS_NUM};
}

/* (base - a * b) * 2^scale; infinity times zero gives base * 2^scale. */
FP_INLINE u64 step_fused(struct fp_fmt f, u64 a, u64 b, unsigned base, int scale, struct fp fp)
{
    u32 ignored = 0;
    fp = fp_estimate_mode(fp, &ignored);
    struct fp_num na = fp_unpack_plain(f, a, fp), nb = fp_unpack_plain(f, b, fp), c = small(base);
    na.sign = !na.sign;
    if (UNLIKELY((na.cls | nb.cls) & FP_IS_NAN)) {
        if (!(fp.fpcr & FPCR_AH)) /* FPNeg of a NaN */
            a ^= fp_sign_bit(f, true);
        return fp_process_nans(f, na.cls, nb.cls, a, b, fp);
    }
    if (inf_times_zero(na, nb))
        return fp_round(f, false, c.exp + scale, c.man, fp);
    return fma_numbers(f, c, na, nb, scale, fp);
}

/* FPConvertNaN of half to single, after FPProcessNaN */
FP_INLINE u32 widen_nan(u8 cls, u16 x, struct fp fp)
{
    u64 h = fp_process_nan(FMT_16, cls, x, fp);
    return (u32)((h & 0x8000) << 16 | 0x7f800000 | (h & 0x3ff) << 13);
}

u32 fp_fma_half(u32 a, u16 n, u16 m, struct fp fp)
{
    struct fp_num na = fp_unpack(FMT_32, a, fp), nn = fp_unpack(FMT_16, n, fp), nm = fp_unpack(FMT_16, m, fp);
    if (UNLIKELY(na.cls | nn.cls | nm.cls)) {
        u8 kind;
        switch (fma_check(&na, &nn, &nm, &kind, fp)) {
        case FMA_GO: break;
        case FMA_INVALID: return (u32)fp_invalid(FMT_32, fp);
        case FMA_NAN_A: return (u32)fp_process_nan(FMT_32, kind, a, fp);
        case FMA_NAN_N: return widen_nan(kind, n, fp);
        case FMA_NAN_M: return widen_nan(kind, m, fp);
        }
    }
    return (u32)fma_numbers(FMT_32, na, nn, nm, 0, fp);
}

#define INSTANCE(T, N)                                                                                                 \
    T fp_fma##N(T a, T n, T m, struct fp fp) { return (T)mul_add(FMT_##N, a, n, m, fp); }                              \
    T fp_recps##N(T a, T b, struct fp fp) { return (T)step_fused(FMT_##N, a, b, 2, 0, fp); }                           \
    T fp_rsqrts##N(T a, T b, struct fp fp) { return (T)step_fused(FMT_##N, a, b, 3, -1, fp); }
FP_EACH(INSTANCE)
