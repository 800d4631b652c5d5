/* Private to fp_*.c: unpacking, NaN processing and rounding, as inline functions over a constant format,
 * so that each instance folds to code for one size.
 *
 * An unpacked number is (-1)^sign * man * 2^(exp - 63) with bit 63 of man set, for normals and
 * denormals alike; the class of an ordinary number is 0, so that one test finds the common case. */
#pragma once
#include "core/bits.h"
#include "cpu/fp.h"

#define FP_INLINE static inline __attribute__((always_inline))

struct fp_fmt {
    int size, ebits, fbits, bias;
};
#define FMT_16 ((struct fp_fmt){16, 5, 10, 15})
#define FMT_32 ((struct fp_fmt){32, 8, 23, 127})
#define FMT_64 ((struct fp_fmt){64, 11, 52, 1023})
#define FMT_BF ((struct fp_fmt){16, 8, 7, 127})

enum fp_class {
    FP_IS_NUM = 0,
    FP_IS_ZERO = 1,
    FP_IS_INF = 2,
    FP_IS_QNAN = 4,
    FP_IS_SNAN = 8,
    FP_IS_NAN = 12,
    /* A denormal single or double that was not flushed, while FPCR.AH = 1: an ordinary number that has to
     * raise Input Denormal unless a NaN or an invalid operation takes over; see fp_denormal(). */
    FP_IS_DENORMAL = 16,
};

struct fp_num {
    u64 man;
    int exp;
    bool sign;
    u8 cls;
};

FP_INLINE void fp_raise(struct fp fp, u32 flags) { *fp.fpsr |= flags; }

FP_INLINE u64 fp_sign_bit(struct fp_fmt f, bool sign) { return (u64)sign << (f.size - 1); }
FP_INLINE u64 fp_inf(struct fp_fmt f, bool sign) { return fp_sign_bit(f, sign) | ones((unsigned)f.ebits) << f.fbits; }
FP_INLINE u64 fp_quiet_bit(struct fp_fmt f) { return 1ull << (f.fbits - 1); }
/* FPDefaultNaN */
FP_INLINE u64 fp_default_nan(struct fp_fmt f, struct fp fp)
{
    return fp_inf(f, (fp.fpcr & FPCR_AH) != 0) | fp_quiet_bit(f);
}
FP_INLINE u64 fp_max_normal(struct fp_fmt f, bool sign) { return fp_inf(f, sign) - 1; }

/* Does FPCR flush denormal results of this format? */
FP_INLINE bool fp_flushes(struct fp_fmt f, u32 fpcr)
{
    return (fpcr & (f.size == 16 && f.ebits == 5 ? FPCR_FZ16 : FPCR_FZ)) != 0;
}

/* Does FPCR flush denormal operands of this format? */
FP_INLINE bool fp_flushes_inputs(struct fp_fmt f, u32 fpcr)
{
    if (f.size == 16 && f.ebits == 5)
        return (fpcr & FPCR_FZ16) != 0;
    return (fpcr & FPCR_FIZ) || (fpcr & (FPCR_FZ | FPCR_AH)) == FPCR_FZ;
}

/* The rare part of FPUnpackBase: exponent field all zeros or all ones. */
FP_INLINE struct fp_num fp_unpack_special(struct fp_fmt f, bool sign, bool max, u64 frac, bool flush, struct fp fp)
{
    struct fp_num r = {0, 0, sign, 0};
    if (max) {
        r.cls = frac == 0 ? FP_IS_INF : frac & fp_quiet_bit(f) ? FP_IS_QNAN : FP_IS_SNAN;
        return r;
    }
    if (frac == 0) {
        r.cls = FP_IS_ZERO;
    } else if (flush) {
        r.cls = FP_IS_ZERO;
        if (f.size != 16 && (fp.fpcr & (FPCR_FZ | FPCR_AH)) == FPCR_FZ)
            fp_raise(fp, FPSR_IDC);
    } else {
        int shift = __builtin_clzll(frac);
        r.man = frac << shift;
        r.exp = 63 - shift + 1 - f.bias - f.fbits;
        if (f.size != 16 && (fp.fpcr & FPCR_AH))
            r.cls = FP_IS_DENORMAL;
    }
    return r;
}

/* FPUnpackBase: ahp: the alternative half format; flush: denormals become zeros. */
FP_INLINE struct fp_num fp_unpack_base(struct fp_fmt f, u64 x, bool ahp, bool flush, struct fp fp)
{
    bool sign = x >> (f.size - 1) & 1;
    int e = (int)(x >> f.fbits & ones((unsigned)f.ebits)), emax = (1 << f.ebits) - 1;
    u64 frac = x & ones((unsigned)f.fbits);
    if (UNLIKELY(e == 0 || (e == emax && !ahp)))
        return fp_unpack_special(f, sign, e != 0, frac, flush, fp);
    return (struct fp_num){1ull << 63 | frac << (63 - f.fbits), e - f.bias, sign, FP_IS_NUM};
}

/* FPUnpack */
FP_INLINE struct fp_num fp_unpack(struct fp_fmt f, u64 x, struct fp fp)
{
    return fp_unpack_base(f, x, false, fp_flushes_inputs(f, fp.fpcr), fp);
}

/* FPUnpack where FPCR.AH raises nothing for denormals. */
FP_INLINE struct fp_num fp_unpack_plain(struct fp_fmt f, u64 x, struct fp fp)
{
    struct fp_num n = fp_unpack(f, x, fp);
    n.cls &= (u8)~FP_IS_DENORMAL;
    return n;
}

/* FPProcessDenorm */
FP_INLINE void fp_denormal(struct fp_num *n, struct fp fp)
{
    if (n->cls == FP_IS_DENORMAL) {
        fp_raise(fp, FPSR_IDC);
        n->cls = FP_IS_NUM;
    }
}

/* x >> n, the bits shifted out ORed into bit 0. */
FP_INLINE u64 fp_shift_jam(u64 x, unsigned n)
{
    if (n == 0)
        return x;
    return n < 64 ? x >> n | (x << (64 - n) != 0) : x != 0;
}

/* Shall a magnitude with the discarded bits rest (half is their midpoint) be rounded up? */
FP_INLINE bool fp_rounds_up(enum fp_round r, bool sign, bool odd, u64 rest, u64 half)
{
    switch (r) {
    case FPROUND_TIEEVEN: return rest > half || (rest == half && odd);
    case FPROUND_TIEAWAY: return rest >= half;
    case FPROUND_POSINF: return rest != 0 && !sign;
    case FPROUND_NEGINF: return rest != 0 && sign;
    case FPROUND_ZERO:
    case FPROUND_ODD: break;
    }
    return false;
}

FP_INLINE u64 fp_overflow(struct fp_fmt f, bool sign, enum fp_round r, struct fp fp)
{
    fp_raise(fp, FPSR_OFC | FPSR_IXC);
    bool to_inf =
        r == FPROUND_TIEEVEN || r == FPROUND_TIEAWAY || (r == FPROUND_POSINF && !sign) || (r == FPROUND_NEGINF && sign);
    return to_inf ? fp_inf(f, sign) : fp_max_normal(f, sign);
}

/* FPRoundBase: (-1)^sign * man * 2^(exp - 63), bit 63 of man set, bit 0 sticky. */
FP_INLINE u64 fp_round_base(struct fp_fmt f, bool sign, int exp, u64 man, enum fp_round r, bool ahp, bool flush,
                            struct fp fp)
{
    int e = exp + f.bias;
    unsigned drop = 63 - (unsigned)f.fbits;
    u64 half = 1ull << (drop - 1);
    bool tiny = e <= 0;
    if (UNLIKELY(tiny)) {
        bool after = (fp.fpcr & FPCR_AH) != 0; /* tininess is detected after rounding */
        if (after) {
            u64 low = man & (2 * half - 1);
            tiny = e < 0 || (man >> drop) + fp_rounds_up(r, sign, man >> drop & 1, low, half) < 2ull << f.fbits;
        }
        if (flush && tiny) {
            fp_raise(fp, after ? FPSR_UFC | FPSR_IXC : FPSR_UFC);
            return fp_sign_bit(f, sign);
        }
        man = fp_shift_jam(man, (unsigned)(1 - e));
        e = 1;
    }
    u64 rest = man & (2 * half - 1);
    u64 frac = man >> drop;
    frac += fp_rounds_up(r, sign, frac & 1, rest, half);
    if (r == FPROUND_ODD)
        frac |= rest != 0;
    /* The leading bit adds one to the exponent field: e - 1 is right for normals, 0 for denormals. */
    u64 result = ((u64)(e - 1) << f.fbits) + frac;
    u64 limit = ones((unsigned)f.ebits) << f.fbits;
    if (UNLIKELY(result >= limit)) {
        if (!ahp)
            return fp_overflow(f, sign, r, fp);
        if (result >= limit + (1ull << f.fbits)) {
            fp_raise(fp, FPSR_IOC);
            return fp_sign_bit(f, sign) | ones((unsigned)f.size - 1);
        }
    }
    if (rest != 0)
        fp_raise(fp, tiny ? FPSR_IXC | FPSR_UFC : FPSR_IXC);
    return fp_sign_bit(f, sign) | result;
}

/* FPRound with the given rounding */
FP_INLINE u64 fp_round_to(struct fp_fmt f, bool sign, int exp, u64 man, enum fp_round r, struct fp fp)
{
    return fp_round_base(f, sign, exp, man, r, false, fp_flushes(f, fp.fpcr), fp);
}
/* FPRound with FPCR's rounding mode */
FP_INLINE u64 fp_round(struct fp_fmt f, bool sign, int exp, u64 man, struct fp fp)
{
    return fp_round_to(f, sign, exp, man, fp_rmode(fp), fp);
}

/* FPProcessNaN */
FP_INLINE u64 fp_process_nan(struct fp_fmt f, u8 cls, u64 x, struct fp fp)
{
    if (cls == FP_IS_SNAN)
        fp_raise(fp, FPSR_IOC);
    return fp.fpcr & FPCR_DN ? fp_default_nan(f, fp) : x | fp_quiet_bit(f);
}

/* FPProcessNaNs; at least one of the two is a NaN. */
FP_INLINE u64 fp_process_nans(struct fp_fmt f, u8 ca, u8 cb, u64 a, u64 b, struct fp fp)
{
    u8 kind = (ca | cb) & FP_IS_SNAN ? FP_IS_SNAN : FP_IS_QNAN;
    bool first = ca == kind;
    if (fp.fpcr & FPCR_AH) /* the first NaN, whichever signals */
        first = (ca & FP_IS_NAN) != 0;
    return fp_process_nan(f, kind, first ? a : b, fp);
}

/* An invalid operation. */
FP_INLINE u64 fp_invalid(struct fp_fmt f, struct fp fp)
{
    fp_raise(fp, FPSR_IOC);
    return fp_default_nan(f, fp);
}

/* With FPCR.AH the estimates and their steps round to nearest, flush, and raise nothing. */
FP_INLINE struct fp fp_estimate_mode(struct fp fp, u32 *ignored)
{
    if (UNLIKELY(fp.fpcr & FPCR_AH)) {
        fp.fpcr = (fp.fpcr & ~(3u << FPCR_RMODE_SHIFT)) | FPCR_FIZ | FPCR_FZ;
        fp.fpsr = ignored;
    }
    return fp;
}

/* The larger magnitude's exponent decides; both are ordinary numbers. */
FP_INLINE bool fp_mag_less(struct fp_num a, struct fp_num b)
{
    return a.exp < b.exp || (a.exp == b.exp && a.man < b.man);
}

/* a < b; neither is a NaN. */
FP_INLINE bool fp_less(struct fp_num a, struct fp_num b)
{
    bool za = a.cls == FP_IS_ZERO, zb = b.cls == FP_IS_ZERO;
    if (za || zb)
        return za ? !zb && !b.sign : a.sign;
    if (a.sign != b.sign)
        return a.sign;
    bool ia = a.cls == FP_IS_INF, ib = b.cls == FP_IS_INF;
    if (ia || ib)
        return a.sign ? ia && !ib : ib && !ia;
    return a.sign ? fp_mag_less(b, a) : fp_mag_less(a, b);
}

/* a == b; neither is a NaN. */
FP_INLINE bool fp_equal(struct fp_num a, struct fp_num b)
{
    if (a.cls != b.cls)
        return false;
    if (a.cls == FP_IS_ZERO)
        return true;
    return a.sign == b.sign && (a.cls == FP_IS_INF || (a.exp == b.exp && a.man == b.man));
}

/* The cases of a + b where an operand is zero or infinite. */
FP_INLINE u64 fp_add_special(struct fp_fmt f, struct fp_num a, struct fp_num b, struct fp fp)
{
    if ((a.cls | b.cls) & FP_IS_INF) {
        if ((a.cls & b.cls) != 0 && a.sign != b.sign)
            return fp_invalid(f, fp);
        return fp_inf(f, a.cls == FP_IS_INF ? a.sign : b.sign);
    }
    if (a.cls & b.cls) /* both zero */
        return fp_sign_bit(f, a.sign == b.sign ? a.sign : fp_rmode(fp) == FPROUND_NEGINF);
    if (a.cls == FP_IS_ZERO)
        a = b;
    return fp_round(f, a.sign, a.exp, a.man, fp);
}

/* a + b; neither is a NaN, and their significands end in at least three zeros. */
FP_INLINE u64 fp_add_numbers(struct fp_fmt f, struct fp_num a, struct fp_num b, struct fp fp)
{
    if (UNLIKELY(a.cls | b.cls))
        return fp_add_special(f, a, b, fp);
    if (fp_mag_less(a, b)) {
        struct fp_num t = a;
        a = b;
        b = t;
    }
    /* One bit of head room for the carry. */
    u64 x = a.man >> 1, y = fp_shift_jam(b.man >> 1, (unsigned)(a.exp - b.exp));
    u64 sum = a.sign == b.sign ? x + y : x - y;
    if (UNLIKELY(sum == 0))
        return fp_sign_bit(f, fp_rmode(fp) == FPROUND_NEGINF);
    int shift = __builtin_clzll(sum);
    return fp_round(f, a.sign, a.exp + 1 - shift, sum << shift, fp);
}
