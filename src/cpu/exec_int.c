/* Integer data processing: A64 "Data Processing -- Immediate" and "-- Register" (DDI0487 C4.1, C6.2).
 *
 * One exec function per operation and width, made by small macros, so that the interpreter has no
 * width test.  32-bit results are written zero-extended.  Register 31 never needs care here: the
 * decoder maps it to a zero, a sink or the stack pointer. */
#include "core/bits.h"
#include "cpu/cpu.h"
#include "cpu/exec.h"
#include "cpu/exec_flags.h"

#define EXEC(name) enum step exec_##name(struct cpu *c, const struct op *o)
#define X(r)       c->x[o->r]
#define W(r)       ((u32)c->x[o->r])

/* ---- PC-relative addresses, moves ----------------------------------------------------------- */

EXEC(adr)
{
    X(rd) = c->pc + o->imm;
    return STEP_NEXT;
}

EXEC(adrp)
{
    X(rd) = (c->pc & ~0xfffull) + o->imm;
    return STEP_NEXT;
}

EXEC(movz)
{
    X(rd) = o->imm;
    return STEP_NEXT;
}

EXEC(movn32)
{
    X(rd) = (u32)~o->imm;
    return STEP_NEXT;
}

EXEC(movn64)
{
    X(rd) = ~o->imm;
    return STEP_NEXT;
}

EXEC(movk32)
{
    X(rd) = (W(rd) & ~(0xffffu << 16 * o->x)) | (u32)o->imm;
    return STEP_NEXT;
}

EXEC(movk64)
{
    X(rd) = (X(rd) & ~(0xffffull << 16 * o->x)) | o->imm;
    return STEP_NEXT;
}

EXEC(mov32_reg)
{
    X(rd) = W(rm);
    return STEP_NEXT;
}

EXEC(mov64_reg)
{
    X(rd) = X(rm);
    return STEP_NEXT;
}

/* ---- add and subtract ----------------------------------------------------------------------- */

/* The second operand: name suffix and expression for 32 and 64 bits. */
#define ASR32(v, n) ((u32)((s32)(v) >> (n)))
#define ASR64(v, n) ((u64)((s64)(v) >> (n)))

#define ADDSUB(suffix, b32, b64)                                                                                       \
    EXEC(add32_##suffix)                                                                                               \
    {                                                                                                                  \
        X(rd) = (u32)(W(rn) + (b32));                                                                                  \
        return STEP_NEXT;                                                                                              \
    }                                                                                                                  \
    EXEC(sub32_##suffix)                                                                                               \
    {                                                                                                                  \
        X(rd) = (u32)(W(rn) - (b32));                                                                                  \
        return STEP_NEXT;                                                                                              \
    }                                                                                                                  \
    EXEC(add64_##suffix)                                                                                               \
    {                                                                                                                  \
        X(rd) = X(rn) + (b64);                                                                                         \
        return STEP_NEXT;                                                                                              \
    }                                                                                                                  \
    EXEC(sub64_##suffix)                                                                                               \
    {                                                                                                                  \
        X(rd) = X(rn) - (b64);                                                                                         \
        return STEP_NEXT;                                                                                              \
    }                                                                                                                  \
    EXEC(adds32_##suffix)                                                                                              \
    {                                                                                                                  \
        c->nzcv = flags_add32(W(rn), (b32), 0, &X(rd));                                                                \
        return STEP_NEXT;                                                                                              \
    }                                                                                                                  \
    EXEC(subs32_##suffix)                                                                                              \
    {                                                                                                                  \
        c->nzcv = flags_sub32(W(rn), (b32), &X(rd));                                                                   \
        return STEP_NEXT;                                                                                              \
    }                                                                                                                  \
    EXEC(adds64_##suffix)                                                                                              \
    {                                                                                                                  \
        c->nzcv = flags_add64(X(rn), (b64), 0, &X(rd));                                                                \
        return STEP_NEXT;                                                                                              \
    }                                                                                                                  \
    EXEC(subs64_##suffix)                                                                                              \
    {                                                                                                                  \
        c->nzcv = flags_sub64(X(rn), (b64), &X(rd));                                                                   \
        return STEP_NEXT;                                                                                              \
    }

/* ExtendReg(): option x, shift imm. */
static inline u64 extend_reg(u64 v, unsigned option, unsigned shift)
{
    switch (option) {
    case 0: v = (u8)v; break;
    case 1: v = (u16)v; break;
    case 2: v = (u32)v; break;
    case 4: v = (u64)(s8)v; break;
    case 5: v = (u64)(s16)v; break;
    case 6: v = (u64)(s32)v; break;
    default: break;
    }
    return v << shift;
}

ADDSUB(imm, (u32)o->imm, o->imm)
ADDSUB(reg, W(rm), X(rm))
ADDSUB(lsl, W(rm) << o->imm, X(rm) << o->imm)
ADDSUB(lsr, W(rm) >> o->imm, X(rm) >> o->imm)
ADDSUB(asr, ASR32(W(rm), o->imm), ASR64(X(rm), o->imm))
ADDSUB(ext, (u32)extend_reg(X(rm), o->x, (unsigned)o->imm), extend_reg(X(rm), o->x, (unsigned)o->imm))

#define CARRY(w, type)                                                                                                 \
    EXEC(adc##w)                                                                                                       \
    {                                                                                                                  \
        X(rd) = (type)((type)X(rn) + (type)X(rm) + (type)(c->nzcv >> 29 & 1));                                         \
        return STEP_NEXT;                                                                                              \
    }                                                                                                                  \
    EXEC(sbc##w)                                                                                                       \
    {                                                                                                                  \
        X(rd) = (type)((type)X(rn) + (type)~X(rm) + (type)(c->nzcv >> 29 & 1));                                        \
        return STEP_NEXT;                                                                                              \
    }                                                                                                                  \
    EXEC(adcs##w)                                                                                                      \
    {                                                                                                                  \
        c->nzcv = flags_add##w((type)X(rn), (type)X(rm), c->nzcv & FLAG_C, &X(rd));                                    \
        return STEP_NEXT;                                                                                              \
    }                                                                                                                  \
    EXEC(sbcs##w)                                                                                                      \
    {                                                                                                                  \
        c->nzcv = flags_add##w((type)X(rn), (type)~X(rm), c->nzcv & FLAG_C, &X(rd));                                   \
        return STEP_NEXT;                                                                                              \
    }
CARRY(32, u32)
CARRY(64, u64)

/* ---- logical -------------------------------------------------------------------------------- */

static inline u64 shift_reg64(u64 v, unsigned type, unsigned n)
{
    switch (type) {
    case 0: return v << n;
    case 1: return v >> n;
    case 2: return ASR64(v, n);
    default: return ror64(v, n);
    }
}

static inline u32 shift_reg32(u32 v, unsigned type, unsigned n)
{
    switch (type) {
    case 0: return v << n;
    case 1: return v >> n;
    case 2: return ASR32(v, n);
    default: return ror32(v, n);
    }
}

#define LOGIC(name, a, b, operator, invert)                                                                            \
    EXEC(name)                                                                                                         \
    {                                                                                                                  \
        X(rd) = (a) operator(invert(b));                                                                               \
        return STEP_NEXT;                                                                                              \
    }
#define LOGICS(name, w, a, b, invert)                                                                                  \
    EXEC(name)                                                                                                         \
    {                                                                                                                  \
        u##w r = (a) & (invert(b));                                                                                    \
        c->nzcv = flags_logic##w(r);                                                                                   \
        X(rd) = r;                                                                                                     \
        return STEP_NEXT;                                                                                              \
    }
#define LOGIC_ALL(suffix, w, a, b)                                                                                     \
    LOGIC(and##suffix, a, b, &, )                                                                                      \
    LOGIC(orr##suffix, a, b, |, )                                                                                      \
    LOGIC(eor##suffix, a, b, ^, )                                                                                      \
    LOGICS(ands##suffix, w, a, b, )
#define LOGIC_NOT(suffix, w, a, b)                                                                                     \
    LOGIC(bic##suffix, a, b, &, ~)                                                                                     \
    LOGIC(orn##suffix, a, b, |, ~)                                                                                     \
    LOGIC(eon##suffix, a, b, ^, ~)                                                                                     \
    LOGICS(bics##suffix, w, a, b, ~)

LOGIC_ALL(32_imm, 32, W(rn), (u32)o->imm)
LOGIC_ALL(64_imm, 64, X(rn), o->imm)
LOGIC_ALL(32_reg, 32, W(rn), W(rm))
LOGIC_ALL(64_reg, 64, X(rn), X(rm))
LOGIC_NOT(32_reg, 32, W(rn), W(rm))
LOGIC_NOT(64_reg, 64, X(rn), X(rm))
LOGIC_ALL(32_shift, 32, W(rn), shift_reg32(W(rm), o->x, (unsigned)o->imm))
LOGIC_ALL(64_shift, 64, X(rn), shift_reg64(X(rm), o->x, (unsigned)o->imm))
LOGIC_NOT(32_shift, 32, W(rn), shift_reg32(W(rm), o->x, (unsigned)o->imm))
LOGIC_NOT(64_shift, 64, X(rn), shift_reg64(X(rm), o->x, (unsigned)o->imm))

/* ---- bitfields (shift counts and mask by the decoder) --------------------------------------- */

EXEC(sbfm32)
{
    X(rd) = (u32)ASR64(X(rn) << o->x, o->y);
    return STEP_NEXT;
}

EXEC(sbfm64)
{
    X(rd) = ASR64(X(rn) << o->x, o->y);
    return STEP_NEXT;
}

EXEC(ubfm32)
{
    X(rd) = (u32)(X(rn) << o->x >> o->y);
    return STEP_NEXT;
}

EXEC(ubfm64)
{
    X(rd) = X(rn) << o->x >> o->y;
    return STEP_NEXT;
}

EXEC(bfm32)
{
    X(rd) = (u32)((X(rd) & ~o->imm) | (X(rn) << o->x >> o->y));
    return STEP_NEXT;
}

EXEC(bfm64)
{
    X(rd) = (X(rd) & ~o->imm) | (X(rn) << o->x >> o->y);
    return STEP_NEXT;
}

EXEC(extr32)
{
    X(rd) = (u32)(((u64)W(rn) << 32 | W(rm)) >> o->imm);
    return STEP_NEXT;
}

EXEC(extr64)
{
    X(rd) = o->imm ? X(rm) >> o->imm | X(rn) << (64 - o->imm) : X(rm);
    return STEP_NEXT;
}

/* ---- conditional ---------------------------------------------------------------------------- */

#define CSEL(name, expr)                                                                                               \
    EXEC(name##32)                                                                                                     \
    {                                                                                                                  \
        u32 m = W(rm);                                                                                                 \
        X(rd) = cond_holds(c->nzcv, o->x) ? W(rn) : (u32)(expr);                                                       \
        return STEP_NEXT;                                                                                              \
    }                                                                                                                  \
    EXEC(name##64)                                                                                                     \
    {                                                                                                                  \
        u64 m = X(rm);                                                                                                 \
        X(rd) = cond_holds(c->nzcv, o->x) ? X(rn) : (expr);                                                            \
        return STEP_NEXT;                                                                                              \
    }
CSEL(csel, m)
CSEL(csinc, m + 1)
CSEL(csinv, ~m)
CSEL(csneg, -m)

#define CCMP(suffix, b32, b64)                                                                                         \
    EXEC(ccmn32_##suffix)                                                                                              \
    {                                                                                                                  \
        u64 r;                                                                                                         \
        c->nzcv = cond_holds(c->nzcv, o->x) ? flags_add32(W(rn), (b32), 0, &r) : (u32)o->y << 28;                      \
        return STEP_NEXT;                                                                                              \
    }                                                                                                                  \
    EXEC(ccmp32_##suffix)                                                                                              \
    {                                                                                                                  \
        u64 r;                                                                                                         \
        c->nzcv = cond_holds(c->nzcv, o->x) ? flags_sub32(W(rn), (b32), &r) : (u32)o->y << 28;                         \
        return STEP_NEXT;                                                                                              \
    }                                                                                                                  \
    EXEC(ccmn64_##suffix)                                                                                              \
    {                                                                                                                  \
        u64 r;                                                                                                         \
        c->nzcv = cond_holds(c->nzcv, o->x) ? flags_add64(X(rn), (b64), 0, &r) : (u32)o->y << 28;                      \
        return STEP_NEXT;                                                                                              \
    }                                                                                                                  \
    EXEC(ccmp64_##suffix)                                                                                              \
    {                                                                                                                  \
        u64 r;                                                                                                         \
        c->nzcv = cond_holds(c->nzcv, o->x) ? flags_sub64(X(rn), (b64), &r) : (u32)o->y << 28;                         \
        return STEP_NEXT;                                                                                              \
    }
CCMP(reg, W(rm), X(rm))
CCMP(imm, (u32)o->imm, o->imm)

/* ---- flag manipulation ---------------------------------------------------------------------- */

EXEC(rmif)
{
    u32 mask = (u32)o->x << 28;
    c->nzcv = (c->nzcv & ~mask) | ((u32)ror64(X(rn), (unsigned)o->imm) << 28 & mask);
    return STEP_NEXT;
}

/* N and Z of the low n bits, V when bit n differs from bit n - 1; C stays. */
static enum step setf(struct cpu *c, u32 v, unsigned n)
{
    u32 top = v << (32 - n);
    c->nzcv = (c->nzcv & FLAG_C) | (top & FLAG_N) | (u32)(top == 0) << 30 | ((v >> n ^ v >> (n - 1)) & 1) << 28;
    return STEP_NEXT;
}

EXEC(setf8) { return setf(c, W(rn), 8); }
EXEC(setf16) { return setf(c, W(rn), 16); }

/* ---- one source ----------------------------------------------------------------------------- */

static inline u64 bit_reverse(u64 v)
{
    v = (v >> 1 & 0x5555555555555555) | (v & 0x5555555555555555) << 1;
    v = (v >> 2 & 0x3333333333333333) | (v & 0x3333333333333333) << 2;
    v = (v >> 4 & 0x0f0f0f0f0f0f0f0f) | (v & 0x0f0f0f0f0f0f0f0f) << 4;
    return bswap64(v);
}
static inline u64 clz64(u64 v) { return v ? (u64)__builtin_clzll(v) : 64; }
static inline u64 ctz64(u64 v) { return v ? (u64)__builtin_ctzll(v) : 64; }

#define UNARY(name, expr)                                                                                              \
    EXEC(name)                                                                                                         \
    {                                                                                                                  \
        u64 v = X(rn);                                                                                                 \
        X(rd) = (expr);                                                                                                \
        return STEP_NEXT;                                                                                              \
    }
UNARY(rbit32, bit_reverse(v) >> 32)
UNARY(rbit64, bit_reverse(v))
UNARY(rev16_32, (v >> 8 & 0x00ff00ff) | (v & 0x00ff00ff) << 8)
UNARY(rev16_64, (v >> 8 & 0x00ff00ff00ff00ff) | (v & 0x00ff00ff00ff00ff) << 8)
UNARY(rev32, bswap32((u32)v))
UNARY(rev32_64, (u64)bswap32((u32)(v >> 32)) << 32 | bswap32((u32)v))
UNARY(rev64, bswap64(v))
UNARY(clz32, clz64((u32)v) - 32)
UNARY(clz64, clz64(v))
UNARY(cls32, clz64((u32)((u32)v ^ (u32)((s32)(u32)v >> 1))) - 33)
UNARY(cls64, clz64(v ^ ASR64(v, 1)) - 1)
UNARY(ctz32, ctz64(v | 1ull << 32))
UNARY(ctz64, ctz64(v))
UNARY(cnt32, (u64)__builtin_popcountll((u32)v))
UNARY(cnt64, (u64)__builtin_popcountll(v))
UNARY(abs32, (s32)(u32)v < 0 ? (u32)-v : (u32)v)
UNARY(abs64, (s64)v < 0 ? -v : v)

/* ---- two sources ---------------------------------------------------------------------------- */

#define BINARY(name, expr32, expr64)                                                                                   \
    EXEC(name##32)                                                                                                     \
    {                                                                                                                  \
        u32 n = W(rn), m = W(rm);                                                                                      \
        X(rd) = (u32)(expr32);                                                                                         \
        return STEP_NEXT;                                                                                              \
    }                                                                                                                  \
    EXEC(name##64)                                                                                                     \
    {                                                                                                                  \
        u64 n = X(rn), m = X(rm);                                                                                      \
        X(rd) = (expr64);                                                                                              \
        return STEP_NEXT;                                                                                              \
    }

/* Division by zero gives 0, the most negative number by -1 itself. */
static inline u64 sdiv64(s64 n, s64 m) { return m == 0 ? 0 : m == -1 ? -(u64)n : (u64)(n / m); }
static inline u32 sdiv32(s32 n, s32 m) { return m == 0 ? 0 : m == -1 ? -(u32)n : (u32)(n / m); }

BINARY(udiv, m ? n / m : 0, m ? n / m : 0)
BINARY(sdiv, sdiv32((s32)n, (s32)m), sdiv64((s64)n, (s64)m))
BINARY(lslv, n << (m & 31), n << (m & 63))
BINARY(lsrv, n >> (m & 31), n >> (m & 63))
BINARY(asrv, ASR32(n, m & 31), ASR64(n, m & 63))
BINARY(rorv, ror32(n, m & 31), ror64(n, (unsigned)m & 63))
BINARY(smax, (s32)n > (s32)m ? n : m, (s64)n > (s64)m ? n : m)
BINARY(umax, n > m ? n : m, n > m ? n : m)
BINARY(smin, (s32)n < (s32)m ? n : m, (s64)n < (s64)m ? n : m)
BINARY(umin, n < m ? n : m, n < m ? n : m)

#define MINMAX_IMM(name, operator, stype)                                                                              \
    EXEC(name##32_imm)                                                                                                 \
    {                                                                                                                  \
        stype##32 n = (stype##32)W(rn), m = (stype##32)o->imm;                                                         \
        X(rd) = (u32)(n operator m ? n : m);                                                                           \
        return STEP_NEXT;                                                                                              \
    }                                                                                                                  \
    EXEC(name##64_imm)                                                                                                 \
    {                                                                                                                  \
        stype##64 n = (stype##64)X(rn), m = (stype##64)o->imm;                                                         \
        X(rd) = (u64)(n operator m ? n : m);                                                                           \
        return STEP_NEXT;                                                                                              \
    }
MINMAX_IMM(smax, >, s)
MINMAX_IMM(umax, >, u)
MINMAX_IMM(smin, <, s)
MINMAX_IMM(umin, <, u)

/* CRC32 (0x04c11db7) and CRC32C (0x1edc6f41), both bit-reflected. */
static u32 crc(u32 acc, u64 data, unsigned bytes, u32 poly)
{
    for (unsigned k = 0; k < bytes; k++) {
        acc ^= (u8)(data >> 8 * k);
        for (unsigned j = 0; j < 8; j++)
            acc = acc >> 1 ^ (poly & -(acc & 1));
    }
    return acc;
}

#define CRC(name, bytes, poly)                                                                                         \
    EXEC(name)                                                                                                         \
    {                                                                                                                  \
        X(rd) = crc(W(rn), X(rm), bytes, poly);                                                                        \
        return STEP_NEXT;                                                                                              \
    }
CRC(crc32b, 1, 0xedb88320)
CRC(crc32h, 2, 0xedb88320)
CRC(crc32w, 4, 0xedb88320)
CRC(crc32x, 8, 0xedb88320)
CRC(crc32cb, 1, 0x82f63b78)
CRC(crc32ch, 2, 0x82f63b78)
CRC(crc32cw, 4, 0x82f63b78)
CRC(crc32cx, 8, 0x82f63b78)

/* ---- three sources -------------------------------------------------------------------------- */

#define MULTIPLY(name, expr)                                                                                           \
    EXEC(name)                                                                                                         \
    {                                                                                                                  \
        X(rd) = (expr);                                                                                                \
        return STEP_NEXT;                                                                                              \
    }
MULTIPLY(madd32, (u32)(W(ra) + W(rn) * W(rm)))
MULTIPLY(msub32, (u32)(W(ra) - W(rn) * W(rm)))
MULTIPLY(madd64, X(ra) + X(rn) * X(rm))
MULTIPLY(msub64, X(ra) - X(rn) * X(rm))
MULTIPLY(smaddl, X(ra) + (u64)((s64)(s32)W(rn) * (s32)W(rm)))
MULTIPLY(smsubl, X(ra) - (u64)((s64)(s32)W(rn) * (s32)W(rm)))
MULTIPLY(umaddl, X(ra) + (u64)W(rn) * W(rm))
MULTIPLY(umsubl, X(ra) - (u64)W(rn) * W(rm))
MULTIPLY(smulh, (u64)((s128)(s64)X(rn) * (s64)X(rm) >> 64))
MULTIPLY(umulh, (u64)((u128)X(rn) * X(rm) >> 64))
