/* A32 and T32 multiplication, division, saturation, parallel arithmetic, packing and bit fields (DDI0487 F5.1). The
 * rows of multiplications name their registers as A32 does: rd is 19:16 there, ra the accumulator or RdLo. */
#include "core/bits.h"
#include "cpu/aa32.h"
#include "cpu/exec_a32.h"
#include "cpu/exec_flags.h"

#define EXEC(name) enum step exec_##name(struct cpu *c, const struct op *o)
#define RN         ((u32)c->x[o->rn])
#define RM         ((u32)c->x[o->rm])
#define RA         ((u32)c->x[o->ra])

static s32 half(u32 v, bool top) { return (s16)(top ? v >> 16 : v); }

/* ---- multiplication ------------------------------------------------------------------------- */

static enum step mul_result(struct cpu *c, const struct op *o, u32 r)
{
    if (o->y == 2 ? !aa32_in_it(c) : o->y)
        c->nzcv = flags_logic32(r) | (c->nzcv & (FLAG_C | FLAG_V));
    return aa32_set(c, o->rd, r);
}

EXEC(a32_mul) { return mul_result(c, o, RN * RM); }
EXEC(t16_mul) { return mul_result(c, o, RN * (u32)c->x[o->rd]); }
EXEC(a32_mla) { return mul_result(c, o, RN * RM + RA); }
EXEC(a32_mls) { return aa32_set(c, o->rd, RA - RN * RM); }

/* hi:lo; S only in A32 */
static enum step long_result(struct cpu *c, const struct op *o, unsigned hi, unsigned lo, u64 r)
{
    if (o->y)
        c->nzcv = (u32)(r >> 32 & FLAG_N) | (u32)(r == 0) << 30 | (c->nzcv & (FLAG_C | FLAG_V));
    c->x[lo] = (u32)r;
    c->x[hi] = r >> 32;
    return STEP_NEXT;
}
static u64 acc(const struct cpu *c, unsigned hi, unsigned lo) { return c->x[hi] << 32 | (u32)c->x[lo]; }

/* A32: RdHi in rd, RdLo in ra; T32: RdHi in rd, RdLo in ra as well */
#define LONG(name, expr)                                                                                               \
    EXEC(a32_##name)                                                                                                   \
    {                                                                                                                  \
        u64 sum = acc(c, o->rd, o->ra);                                                                                \
        (void)sum;                                                                                                     \
        return long_result(c, o, o->rd, o->ra, expr);                                                                  \
    }                                                                                                                  \
    EXEC(t32_##name)                                                                                                   \
    {                                                                                                                  \
        u64 sum = acc(c, o->rd, o->ra);                                                                                \
        (void)sum;                                                                                                     \
        return long_result(c, o, o->rd, o->ra, expr);                                                                  \
    }
LONG(umull, (u64)RN *RM)
LONG(umlal, (u64)RN *RM + sum)
LONG(smull, (u64)((s64)(s32)RN *(s32)RM))
LONG(smlal, (u64)((s64)(s32)RN *(s32)RM) + sum)
LONG(umaal, (u64)RN *RM + (u32)c->x[o->rd] + (u32)c->x[o->ra])

static enum step sum_q(struct cpu *c, const struct op *o, s64 r)
{
    if (r != (s32)r)
        c->ps.q = true;
    return aa32_set(c, o->rd, (u32)r);
}

/* x: M:N in A32's order (bits 6:5), N:M in T32's y, x */
static s32 product_xy(const struct cpu *c, const struct op *o, bool n, bool m) { return half(RN, n) * half(RM, m); }

EXEC(a32_smlaxy) { return sum_q(c, o, (s64)product_xy(c, o, o->x & 1, o->x & 2) + (s32)RA); }
EXEC(t32_smlaxy) { return sum_q(c, o, (s64)product_xy(c, o, o->y, o->x) + (s32)RA); }
EXEC(a32_smulxy) { return aa32_set(c, o->rd, (u32)product_xy(c, o, o->x & 1, o->x & 2)); }
EXEC(t32_smulxy) { return aa32_set(c, o->rd, (u32)product_xy(c, o, o->y, o->x)); }
EXEC(a32_smlawy) { return sum_q(c, o, ((s64)(s32)RN * half(RM, o->x) >> 16) + (s32)RA); }
EXEC(a32_smulwy) { return aa32_set(c, o->rd, (u32)((s64)(s32)RN * half(RM, o->x) >> 16)); }

static enum step acc_long(struct cpu *c, const struct op *o, s64 v)
{
    u64 r = acc(c, o->rd, o->ra) + (u64)v;
    c->x[o->ra] = (u32)r;
    c->x[o->rd] = r >> 32;
    return STEP_NEXT;
}
EXEC(a32_smlalxy) { return acc_long(c, o, product_xy(c, o, o->x & 1, o->x & 2)); }
EXEC(t32_smlalxy) { return acc_long(c, o, product_xy(c, o, o->y, o->x)); }

static s64 dual(const struct cpu *c, const struct op *o, bool sub)
{
    u32 m = ror32(RM, o->x ? 16 : 0), n = RN;
    s64 lo = (s64)half(n, false) * half(m, false), hi = (s64)half(n, true) * half(m, true);
    return sub ? lo - hi : lo + hi;
}
/* SMUAD and SMUSD: no accumulator */
static s32 acc_or_0(const struct cpu *c, const struct op *o) { return o->ra == REG_PC ? 0 : (s32)RA; }
EXEC(a32_smlad) { return sum_q(c, o, dual(c, o, false) + acc_or_0(c, o)); }
EXEC(a32_smlsd) { return sum_q(c, o, dual(c, o, true) + acc_or_0(c, o)); }
EXEC(a32_smlald) { return acc_long(c, o, dual(c, o, false)); }
EXEC(a32_smlsld) { return acc_long(c, o, dual(c, o, true)); }
EXEC(t32_smlald) { return acc_long(c, o, dual(c, o, false)); }
EXEC(t32_smlsld) { return acc_long(c, o, dual(c, o, true)); }

static enum step most(struct cpu *c, const struct op *o, u64 r)
{
    return aa32_set(c, o->rd, (u32)((r + (o->x ? 0x80000000u : 0)) >> 32));
}
EXEC(a32_smmla) { return most(c, o, ((u64)(u32)acc_or_0(c, o) << 32) + (u64)((s64)(s32)RN * (s32)RM)); }
EXEC(a32_smmls) { return most(c, o, ((u64)RA << 32) - (u64)((s64)(s32)RN * (s32)RM)); }

EXEC(a32_sdiv)
{
    s32 n = (s32)RN, m = (s32)RM;
    return aa32_set(c, o->rd, m == 0 ? 0 : (u32)((s64)n / m));
}
EXEC(a32_udiv) { return aa32_set(c, o->rd, RM == 0 ? 0 : RN / RM); }

EXEC(a32_usada8)
{
    u32 sum = o->ra == REG_PC ? 0 : RA, n = RN, m = RM;
    for (unsigned i = 0; i < 32; i += 8) {
        s32 d = (s32)(n >> i & 0xff) - (s32)(m >> i & 0xff);
        sum += (u32)(d < 0 ? -d : d);
    }
    return aa32_set(c, o->rd, sum);
}

/* ---- saturation ----------------------------------------------------------------------------- */

static u32 sat_signed(struct cpu *c, s64 v, unsigned n)
{
    s64 max = (s64)ones(n - 1);
    if (v > max || v < -max - 1) {
        c->ps.q = true;
        v = v > max ? max : -max - 1;
    }
    return (u32)v;
}
static u32 sat_unsigned(struct cpu *c, s64 v, unsigned n)
{
    s64 max = (s64)ones(n);
    if (v > max || v < 0) {
        c->ps.q = true;
        v = v > max ? max : 0;
    }
    return (u32)v;
}

/* x: 0 QADD, 1 QSUB, 2 QDADD, 3 QDSUB; the doubled operand is Rn */
static enum step saturating(struct cpu *c, const struct op *o, bool sub, bool twice)
{
    s64 n = (s32)RN;
    if (twice)
        n = (s32)sat_signed(c, 2 * n, 32);
    return aa32_set(c, o->rd, sat_signed(c, sub ? (s32)RM - n : (s32)RM + n, 32));
}
EXEC(a32_qadd) { return saturating(c, o, o->x & 1, o->x & 2); }
EXEC(t32_qadd) { return saturating(c, o, o->x & 2, o->x & 1); }

/* y: ASR */
static s32 sat_operand(const struct cpu *c, const struct op *o)
{
    unsigned n = (unsigned)o->imm;
    return o->y ? (s32)RN >> (n ? n : 31) : (s32)(RN << n);
}
EXEC(a32_ssat) { return aa32_set(c, o->rd, sat_signed(c, sat_operand(c, o), o->x + 1u)); }
EXEC(a32_usat) { return aa32_set(c, o->rd, sat_unsigned(c, sat_operand(c, o), o->x)); }
EXEC(a32_ssat16)
{
    u32 lo = sat_signed(c, half(RN, false), o->x + 1u), hi = sat_signed(c, half(RN, true), o->x + 1u);
    return aa32_set(c, o->rd, (lo & 0xffff) | hi << 16);
}
EXEC(a32_usat16)
{
    u32 lo = sat_unsigned(c, half(RN, false), o->x), hi = sat_unsigned(c, half(RN, true), o->x);
    return aa32_set(c, o->rd, (lo & 0xffff) | hi << 16);
}

/* ---- parallel arithmetic -------------------------------------------------------------------- */

enum par { PAR_S, PAR_Q, PAR_SH, PAR_U, PAR_UQ, PAR_UH };

/* One lane of n bits; *ge: the GE bit of S and U forms. */
static u32 lane(enum par kind, s32 a, s32 b, bool sub, unsigned n, bool *ge)
{
    s32 r = sub ? a - b : a + b, max = (s32)ones(n - 1);
    switch (kind) {
    case PAR_S: *ge = r >= 0; break;
    case PAR_U: *ge = sub ? r >= 0 : r >> n != 0; break;
    case PAR_Q: r = r > max ? max : r < -max - 1 ? -max - 1 : r; break;
    case PAR_UQ: r = r < 0 ? 0 : r > (s32)ones(n) ? (s32)ones(n) : r; break;
    default: r >>= 1; break;
    }
    return (u32)r & (u32)ones(n);
}

/* op: A32's bits 7:5: 0 ADD16, 1 ASX, 2 SAX, 3 SUB16, 4 ADD8, 7 SUB8 */
static enum step parallel(struct cpu *c, const struct op *o, enum par kind, unsigned op)
{
    bool is_signed = kind <= PAR_SH, bytes = op & 4;
    unsigned n = bytes ? 8 : 16;
    u32 a = RN, b = RM, r = 0, ge = 0;
    if (op == 1 || op == 2)
        b = ror32(b, 16);
    for (unsigned i = 0; i < 32 / n; i++) {
        u32 ua = a >> i * n & (u32)ones(n), ub = b >> i * n & (u32)ones(n);
        s32 sa = is_signed ? (s32)sext(ua, n) : (s32)ua, sb = is_signed ? (s32)sext(ub, n) : (s32)ub;
        bool sub = op == 3 || op == 7 || (op == 1 && i == 0) || (op == 2 && i == 1), g = false;
        r |= lane(kind, sa, sb, sub, n, &g) << i * n;
        ge |= g ? (bytes ? 1u << i : 3u << 2 * i) : 0;
    }
    if (kind == PAR_S || kind == PAR_U)
        c->ps.ge = (u8)ge;
    return aa32_set(c, o->rd, r);
}

/* T32's 22:20: 000 ADD8, 001 ADD16, 010 ASX, 100 SUB8, 101 SUB16, 110 SAX; the rows give x = bit 22 */
static unsigned t32_par_op(const struct cpu *c, const struct op *o)
{
    (void)c;
    static const u8 ops[8] = {4, 0, 1, 5, 7, 3, 2, 5};
    return ops[aa32_insn(o)->word >> 20 & 7];
}
#define PAR(name, kind)                                                                                                \
    EXEC(a32_par_##name) { return parallel(c, o, kind, o->x); }                                                        \
    EXEC(t32_par_##name) { return parallel(c, o, kind, t32_par_op(c, o)); }
PAR(s, PAR_S)
PAR(q, PAR_Q)
PAR(sh, PAR_SH)
PAR(u, PAR_U)
PAR(uq, PAR_UQ)
PAR(uh, PAR_UH)

EXEC(a32_sel)
{
    u32 r = 0, n = RN, m = RM;
    for (unsigned i = 0; i < 4; i++)
        r |= (bit(c->ps.ge, i) ? n : m) & 0xffu << 8 * i;
    return aa32_set(c, o->rd, r);
}

/* ---- packing, extension, bit fields --------------------------------------------------------- */

EXEC(a32_pkh) /* y: PKHTB */
{
    unsigned n = (unsigned)o->imm;
    u32 r =
        o->y ? (RN & 0xffff0000) | ((u32)((s32)RM >> (n ? n : 31)) & 0xffff) : (RN & 0xffff) | (RM << n & 0xffff0000);
    return aa32_set(c, o->rd, r);
}

/* Rn = 15: no addition */
static u32 addend(const struct cpu *c, const struct op *o) { return o->rn == REG_PC ? 0 : RN; }
static u32 sx8(u32 v) { return (u32)sext(v & 0xff, 8); }
static u32 sx16(u32 v) { return (u32)sext(v & 0xffff, 16); }
#define EXTEND(name, expr)                                                                                             \
    EXEC(a32_##name)                                                                                                   \
    {                                                                                                                  \
        u32 m = ror32(RM, 8u * o->x), n = addend(c, o);                                                                \
        return aa32_set(c, o->rd, expr);                                                                               \
    }
EXTEND(sxtab, n + sx8(m))
EXTEND(sxtah, n + sx16(m))
EXTEND(uxtab, n + (u8)m)
EXTEND(uxtah, n + (u16)m)
EXTEND(sxtab16, ((n + sx8(m)) & 0xffff) | ((n >> 16) + sx8(m >> 16)) << 16)
EXTEND(uxtab16, ((n + (u8)m) & 0xffff) | ((n >> 16) + (u8)(m >> 16)) << 16)
EXEC(t16_sxtb) { return aa32_set(c, o->rd, sx8(RM)); }
EXEC(t16_sxth) { return aa32_set(c, o->rd, sx16(RM)); }
EXEC(t16_uxtb) { return aa32_set(c, o->rd, (u8)RM); }
EXEC(t16_uxth) { return aa32_set(c, o->rd, (u16)RM); }

EXEC(a32_rev) { return aa32_set(c, o->rd, __builtin_bswap32(RM)); }
EXEC(a32_rev16) { return aa32_set(c, o->rd, ror32(__builtin_bswap32(RM), 16)); }
EXEC(a32_revsh) { return aa32_set(c, o->rd, sx16(__builtin_bswap16((u16)RM))); }
EXEC(a32_rbit)
{
    u32 v = __builtin_bswap32(RM);
    v = (v >> 4 & 0x0f0f0f0f) | (v & 0x0f0f0f0f) << 4;
    v = (v >> 2 & 0x33333333) | (v & 0x33333333) << 2;
    v = (v >> 1 & 0x55555555) | (v & 0x55555555) << 1;
    return aa32_set(c, o->rd, v);
}
EXEC(a32_clz) { return aa32_set(c, o->rd, RM ? (u32)__builtin_clz(RM) : 32); }

EXEC(a32_bfi)
{
    u32 mask = (u32)ones((unsigned)o->imm - o->x + 1) << o->x;
    return aa32_set(c, o->rd, ((u32)c->x[o->rd] & ~mask) | (RN << o->x & mask));
}
EXEC(a32_bfc)
{
    u32 mask = (u32)ones((unsigned)o->imm - o->x + 1) << o->x;
    return aa32_set(c, o->rd, (u32)c->x[o->rd] & ~mask);
}
EXEC(a32_ubfx) { return aa32_set(c, o->rd, RN >> o->x & (u32)ones((unsigned)o->imm + 1)); }
EXEC(a32_sbfx) { return aa32_set(c, o->rd, (u32)sext(RN >> o->x & ones((unsigned)o->imm + 1), (unsigned)o->imm + 1)); }

/* x: size, y: CRC32C */
EXEC(a32_crc32)
{
    u32 crc = RN, v = RM, poly = o->y ? 0x82f63b78 : 0xedb88320;
    for (unsigned i = 0; i < 8u << o->x; i++, v >>= 1)
        crc = crc >> 1 ^ ((crc ^ v) & 1 ? poly : 0);
    return aa32_set(c, o->rd, crc);
}
