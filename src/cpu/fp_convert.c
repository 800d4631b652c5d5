/* Conversions between floating-point formats, fixed point and integers, and rounding to integral values
 * (DDI0487 FPConvert, FPConvertBF, FPToFixed, FixedToFP, FPToFixedJS, FPRoundInt, FPRoundIntN). */
#include "cpu/fp_core.h"

/* ---- to integers ---------------------------------------------------------------------------- */

/* The magnitude of n * 2^fbits rounded to an integer.  False: it needs more than 64 bits. */
FP_INLINE bool integral(struct fp_num n, int fbits, enum fp_round r, u64 *value, bool *inexact)
{
    int exp = n.exp + fbits;
    *inexact = false;
    if (exp > 63)
        return false;
    if (exp == 63) {
        *value = n.man;
        return true;
    }
    /* Bits below the point, left-justified; two shifts since all 64 may go. */
    unsigned drop = 63 - (unsigned)exp;
    u64 whole = drop < 64 ? n.man >> drop : 0;
    u64 rest = drop <= 64 ? n.man << (64 - drop) % 64 : fp_shift_jam(n.man, drop - 64);
    *inexact = rest != 0;
    *value = whole + fp_rounds_up(r, n.sign, whole & 1, rest, 1ull << 63);
    return true;
}

FP_INLINE u64 to_fixed(struct fp_fmt f, u64 a, unsigned fbits, bool uns, enum fp_round r, unsigned size, struct fp fp)
{
    struct fp_num n = fp_unpack_plain(f, a, fp);
    if (n.cls == FP_IS_ZERO)
        return 0;
    if (n.cls & FP_IS_NAN) {
        fp_raise(fp, FPSR_IOC);
        return 0;
    }
    u64 limit = uns ? (n.sign ? 0 : ones(size)) : (1ull << (size - 1)) - !n.sign;
    u64 v;
    bool inexact;
    if (n.cls == FP_IS_INF || !integral(n, (int)fbits, r, &v, &inexact) || v > limit) {
        fp_raise(fp, FPSR_IOC);
        v = limit;
    } else if (inexact) {
        fp_raise(fp, FPSR_IXC);
    }
    return (n.sign ? 0 - v : v) & ones(size);
}

FP_INLINE u64 from_fixed(struct fp_fmt f, u64 v, unsigned fbits, bool uns, enum fp_round r, struct fp fp)
{
    if (v == 0)
        return 0;
    bool sign = !uns && v >> 63;
    if (sign)
        v = 0 - v;
    int shift = __builtin_clzll(v);
    return fp_round_to(f, sign, 63 - shift - (int)fbits, v << shift, r, fp);
}

u32 fp_to_js(u64 a, bool *exact, struct fp fp)
{
    struct fp_num n = fp_unpack_plain(FMT_64, a, fp);
    *exact = false;
    if (n.cls == FP_IS_ZERO) {
        *exact = a == 0; /* neither -0 nor a flushed denormal */
        return 0;
    }
    if (n.cls) {
        fp_raise(fp, FPSR_IOC);
        return 0;
    }
    /* The low 32 bits of the integer part, whose lowest bit has weight 2^(exp - 63). */
    u64 v = 0;
    bool inexact = false;
    if (n.exp > 63)
        v = n.exp < 63 + 32 ? n.man << (n.exp - 63) : 0;
    else
        integral(n, 0, FPROUND_ZERO, &v, &inexact);
    bool overflow = n.exp >= 32 || v > 0x7fffffffu + (u64)n.sign;
    if (overflow)
        fp_raise(fp, FPSR_IOC);
    else if (inexact)
        fp_raise(fp, FPSR_IXC);
    *exact = !overflow && !inexact;
    return (u32)(n.sign ? 0 - v : v);
}

/* ---- to integral values --------------------------------------------------------------------- */

FP_INLINE u64 rint_num(struct fp_fmt f, u64 a, struct fp_num n, u64 v, bool inexact)
{
    if (!inexact)
        return a;
    if (v == 0)
        return fp_sign_bit(f, n.sign);
    int shift = __builtin_clzll(v);
    /* exact: fewer bits than the significand */
    u64 frac = v << shift >> (63 - f.fbits);
    return fp_sign_bit(f, n.sign) | (((u64)(63 - shift + f.bias - 1) << f.fbits) + frac);
}

FP_INLINE u64 rint_any(struct fp_fmt f, u64 a, enum fp_round r, bool exact, struct fp fp)
{
    struct fp_num n = fp_unpack_plain(f, a, fp);
    if (n.cls & FP_IS_NAN)
        return fp_process_nan(f, n.cls, a, fp);
    if (n.cls == FP_IS_INF)
        return a;
    if (n.cls == FP_IS_ZERO)
        return fp_sign_bit(f, n.sign);
    u64 v;
    bool inexact;
    if (!integral(n, 0, r, &v, &inexact))
        return a;
    if (inexact && exact)
        fp_raise(fp, FPSR_IXC);
    return rint_num(f, a, n, v, inexact);
}

FP_INLINE u64 rint_sized(struct fp_fmt f, u64 a, enum fp_round r, unsigned intsize, struct fp fp)
{
    struct fp_num n = fp_unpack_plain(f, a, fp);
    if (n.cls == FP_IS_ZERO)
        return fp_sign_bit(f, n.sign);
    u64 v = 0;
    bool inexact = false;
    if (n.cls || !integral(n, 0, r, &v, &inexact) || v > (1ull << (intsize - 1)) - !n.sign) {
        fp_raise(fp, FPSR_IOC);
        return fp_sign_bit(f, true) | (u64)(f.bias + (int)intsize - 1) << f.fbits;
    }
    if (inexact)
        fp_raise(fp, FPSR_IXC);
    return rint_num(f, a, n, v, inexact);
}

/* ---- between formats ------------------------------------------------------------------------ */

/* FPUnpackCV, FPRoundCV: halves are never flushed here, and FPCR.AHP selects their format. */
FP_INLINE u64 convert(struct fp_fmt from, struct fp_fmt to, u64 a, enum fp_round r, struct fp fp)
{
    bool alt = (fp.fpcr & FPCR_AHP) != 0, alt_from = from.size == 16 && alt, alt_to = to.size == 16 && alt;
    bool flush = (fp.fpcr & FPCR_FZ) != 0;
    struct fp_num n = fp_unpack_base(from, a, alt_from, from.size != 16 && fp_flushes_inputs(from, fp.fpcr), fp);
    if (UNLIKELY(n.cls & FP_IS_NAN)) {
        if (n.cls == FP_IS_SNAN || alt_to)
            fp_raise(fp, FPSR_IOC);
        if (alt_to)
            return fp_sign_bit(to, n.sign);
        if (fp.fpcr & FPCR_DN)
            return fp_default_nan(to, fp);
        u64 frac = (a & ones((unsigned)from.fbits)) << (63 - from.fbits); /* top of the fraction at bit 62 */
        return fp_inf(to, n.sign) | fp_quiet_bit(to) | frac >> (63 - to.fbits);
    }
    if (n.cls == FP_IS_INF) {
        if (!alt_to)
            return fp_inf(to, n.sign);
        fp_raise(fp, FPSR_IOC);
        return fp_sign_bit(to, n.sign) | ones((unsigned)to.size - 1);
    }
    if (n.cls == FP_IS_ZERO)
        return fp_sign_bit(to, n.sign);
    fp_denormal(&n, fp);
    return fp_round_base(to, n.sign, n.exp, n.man, r, alt_to, to.size != 16 && flush, fp);
}

u32 fp_cvt32_16(u16 a, struct fp fp) { return (u32)convert(FMT_16, FMT_32, a, fp_rmode(fp), fp); }
u64 fp_cvt64_16(u16 a, struct fp fp) { return convert(FMT_16, FMT_64, a, fp_rmode(fp), fp); }
u64 fp_cvt64_32(u32 a, struct fp fp) { return convert(FMT_32, FMT_64, a, fp_rmode(fp), fp); }
u16 fp_cvt16_32(u32 a, struct fp fp) { return (u16)convert(FMT_32, FMT_16, a, fp_rmode(fp), fp); }
u16 fp_cvt16_64(u64 a, struct fp fp) { return (u16)convert(FMT_64, FMT_16, a, fp_rmode(fp), fp); }
u32 fp_cvt32_64(u64 a, struct fp fp) { return (u32)convert(FMT_64, FMT_32, a, fp_rmode(fp), fp); }
u32 fp_cvtx32_64(u64 a, struct fp fp) { return (u32)convert(FMT_64, FMT_32, a, FPROUND_ODD, fp); }

u16 fp_cvtbf_32(u32 a, struct fp fp)
{
    u32 ignored = 0;
    fp = fp_estimate_mode(fp, &ignored);
    struct fp_num n = fp_unpack_plain(FMT_32, a, fp);
    if (n.cls & FP_IS_NAN) {
        if (n.cls == FP_IS_SNAN)
            fp_raise(fp, FPSR_IOC);
        return (u16)(fp.fpcr & FPCR_DN ? fp_default_nan(FMT_BF, fp) : a >> 16 | fp_quiet_bit(FMT_BF));
    }
    if (n.cls == FP_IS_INF)
        return (u16)fp_inf(FMT_BF, n.sign);
    if (n.cls == FP_IS_ZERO)
        return (u16)fp_sign_bit(FMT_BF, n.sign);
    return (u16)fp_round(FMT_BF, n.sign, n.exp, n.man, fp);
}

#define INSTANCE(T, N)                                                                                                 \
    u64 fp_to_fixed##N(T a, unsigned fbits, bool uns, enum fp_round r, unsigned size, struct fp fp)                    \
    {                                                                                                                  \
        return to_fixed(FMT_##N, a, fbits, uns, r, size, fp);                                                          \
    }                                                                                                                  \
    T fp_from_fixed##N(u64 v, unsigned fbits, bool uns, enum fp_round r, struct fp fp)                                 \
    {                                                                                                                  \
        return (T)from_fixed(FMT_##N, v, fbits, uns, r, fp);                                                           \
    }                                                                                                                  \
    T fp_rint##N(T a, enum fp_round r, bool exact, struct fp fp) { return (T)rint_any(FMT_##N, a, r, exact, fp); }     \
    T fp_rintn##N(T a, enum fp_round r, unsigned intsize, struct fp fp)                                                \
    {                                                                                                                  \
        return (T)rint_sized(FMT_##N, a, r, intsize, fp);                                                              \
    }
FP_EACH(INSTANCE)
