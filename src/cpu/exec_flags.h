/* Condition flags as exec functions compute them: NZCV in bits 31:28 of a u32. */
#pragma once
#include "core/types.h"

enum { FLAG_N = 1u << 31, FLAG_Z = 1u << 30, FLAG_C = 1u << 29, FLAG_V = 1u << 28 };

/* NZCV of AddWithCarry(): r = a + b + carry. */
static inline u32 flags_add64(u64 a, u64 b, bool carry, u64 *r)
{
    unsigned long long s, t;
    bool c = __builtin_uaddll_overflow(a, b, &s);
    c |= __builtin_uaddll_overflow(s, carry, &t);
    *r = t;
    u32 v = (u32)(((a ^ t) & (b ^ t)) >> 63);
    return (u32)(t >> 32 & FLAG_N) | (u32)(t == 0) << 30 | (u32)c << 29 | v << 28;
}

static inline u32 flags_add32(u32 a, u32 b, bool carry, u64 *r)
{
    u64 wide = (u64)a + b + carry;
    u32 s = (u32)wide;
    *r = s;
    return (s & FLAG_N) | (u32)(s == 0) << 30 | (u32)(wide >> 32) << 29 | ((a ^ s) & (b ^ s)) >> 31 << 28;
}

/* NZCV of a - b, that is a + NOT(b) + 1. */
static inline u32 flags_sub64(u64 a, u64 b, u64 *r)
{
    u64 t = a - b;
    *r = t;
    return (u32)(t >> 32 & FLAG_N) | (u32)(a == b) << 30 | (u32)(a >= b) << 29 | (u32)(((a ^ b) & (a ^ t)) >> 63) << 28;
}

static inline u32 flags_sub32(u32 a, u32 b, u64 *r)
{
    u32 t = a - b;
    *r = t;
    return (t & FLAG_N) | (u32)(a == b) << 30 | (u32)(a >= b) << 29 | ((a ^ b) & (a ^ t)) >> 31 << 28;
}

static inline u32 flags_logic64(u64 r) { return (u32)(r >> 32 & FLAG_N) | (u32)(r == 0) << 30; }
static inline u32 flags_logic32(u32 r) { return (r & FLAG_N) | (u32)(r == 0) << 30; }

/* ConditionHolds().  Bit f of cond_table[cond]: the condition holds with NZCV = f. */
extern const u16 cond_table[16];
static inline bool cond_holds(u32 nzcv, unsigned cond) { return (cond_table[cond] >> (nzcv >> 28) & 1) != 0; }
