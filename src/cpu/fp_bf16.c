/* BFloat16 dot product and multiply-add (DDI0487 BFDotAdd, BFMulH, FPAdd_BF16, BFRound; with FPCR.EBF: FPDot;
 * BFMulAddH).
 *
 * Without FPCR.EBF each operation rounds to odd, denormals are zeros on both sides, every NaN is the
 * default NaN.  With it the sum of the two products is rounded once, by FPCR.  Dot products raise
 * no exceptions. */
#include "cpu/fp_core.h"

/* Rounds to odd, to single precision: BFRound. */
static u32 round_odd(bool sign, int exp, u64 man)
{
    int e = exp + FMT_32.bias;
    if (e <= 0)
        return (u32)fp_sign_bit(FMT_32, sign);
    if (e >= 255)
        return (u32)fp_inf(FMT_32, sign);
    u64 frac = man >> 40 | ((man & ones(40)) != 0);
    return (u32)(fp_sign_bit(FMT_32, sign) | (u64)e << 23 | (frac & ones(23)));
}

static struct fp_num product(struct fp_num a, struct fp_num b)
{
    struct fp_num p = {0, 0, a.sign ^ b.sign, FP_IS_NUM};
    u8 cls = a.cls | b.cls;
    if (cls) {
        bool invalid = (cls & FP_IS_NAN) || cls == (FP_IS_INF | FP_IS_ZERO);
        p.cls = invalid ? FP_IS_QNAN : cls;
        return p;
    }
    /* 8 significant bits each */
    u64 man = (a.man >> 32) * (b.man >> 32);
    int shift = __builtin_clzll(man);
    p.man = man << shift;
    p.exp = a.exp + b.exp + 1 - shift;
    return p;
}

static u32 mul_odd(u16 n, u16 m, struct fp quiet)
{
    struct fp_num p =
        product(fp_unpack_base(FMT_BF, n, false, true, quiet), fp_unpack_base(FMT_BF, m, false, true, quiet));
    switch (p.cls) {
    case FP_IS_NUM: return round_odd(p.sign, p.exp, p.man);
    case FP_IS_ZERO: return (u32)fp_sign_bit(FMT_32, p.sign);
    case FP_IS_INF: return (u32)fp_inf(FMT_32, p.sign);
    }
    return (u32)fp_default_nan(FMT_32, quiet);
}

static u32 add_odd(u32 x, u32 y, struct fp quiet)
{
    struct fp_num a = fp_unpack_base(FMT_32, x, false, true, quiet), b = fp_unpack_base(FMT_32, y, false, true, quiet);
    if ((a.cls | b.cls) & FP_IS_NAN)
        return (u32)fp_default_nan(FMT_32, quiet);
    if ((a.cls | b.cls) & FP_IS_INF)
        return (u32)fp_add_special(FMT_32, a, b, quiet);
    if (a.cls || b.cls) {
        if (a.cls && b.cls)
            return (u32)fp_sign_bit(FMT_32, a.sign && b.sign);
        return a.cls ? y : x;
    }
    if (fp_mag_less(a, b)) {
        struct fp_num t = a;
        a = b;
        b = t;
    }
    u64 p = a.man >> 1, q = fp_shift_jam(b.man >> 1, (unsigned)(a.exp - b.exp));
    u64 sum = a.sign == b.sign ? p + q : p - q;
    if (sum == 0)
        return 0;
    int shift = __builtin_clzll(sum);
    return round_odd(a.sign, a.exp + 1 - shift, sum << shift);
}

static u32 dot_extended(u32 a, u32 n, u32 m, struct fp quiet)
{
    bool flush = fp_flushes_inputs(FMT_32, quiet.fpcr);
    struct fp_num p[2];
    for (unsigned k = 0; k < 2; k++)
        p[k] = product(fp_unpack_base(FMT_BF, n >> 16 * k & 0xffff, false, flush, quiet),
                       fp_unpack_base(FMT_BF, m >> 16 * k & 0xffff, false, flush, quiet));
    u32 sum = (u32)((p[0].cls | p[1].cls) & FP_IS_NAN ? fp_default_nan(FMT_32, quiet)
                                                      : fp_add_numbers(FMT_32, p[0], p[1], quiet));
    return fp_add32(a, sum, quiet);
}

u32 fp_bfdot(u32 a, u32 n, u32 m, u32 fpcr)
{
    u32 ignored = 0;
    struct fp quiet = {fpcr | FPCR_DN, &ignored};
    if (fpcr & FPCR_EBF)
        return dot_extended(a, n, m, quiet);
    u32 sum = add_odd(mul_odd((u16)n, (u16)m, quiet), mul_odd((u16)(n >> 16), (u16)(m >> 16), quiet), quiet);
    return add_odd(a, sum, quiet);
}

u32 fp_fma_bf(u32 a, u16 n, u16 m, struct fp fp)
{
    u32 ignored = 0;
    return fp_fma32(a, (u32)n << 16, (u32)m << 16, fp_estimate_mode(fp, &ignored));
}
