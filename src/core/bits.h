/* Bit manipulation in the vocabulary of the Arm ARM's pseudocode. */
#pragma once
#include "core/types.h"

/* x<msb:lsb>, 0 <= lsb <= msb <= 63. */
static inline u64 bits(u64 x, unsigned msb, unsigned lsb) { return x >> lsb & (~0ull >> (63 - (msb - lsb))); }
static inline bool bit(u64 x, unsigned n) { return (x >> n & 1) != 0; }

/* n one bits, 0 <= n <= 64. */
static inline u64 ones(unsigned n) { return n >= 64 ? ~0ull : (1ull << n) - 1; }

/* SignExtend of the low n bits, 1 <= n <= 64. */
static inline u64 sext(u64 x, unsigned n) { return (u64)((s64)(x << (64 - n)) >> (64 - n)); }

/* Replaces x<msb:lsb> by v. */
static inline u64 deposit(u64 x, unsigned msb, unsigned lsb, u64 v)
{
    u64 m = ones(msb - lsb + 1) << lsb;
    return (x & ~m) | (v << lsb & m);
}
static inline u64 ror64(u64 x, unsigned n) { return n &= 63, n ? x >> n | x << (64 - n) : x; }
static inline u32 ror32(u32 x, unsigned n) { return n &= 31, n ? x >> n | x << (32 - n) : x; }
static inline u64 align_down(u64 x, u64 a) { return x & ~(a - 1); }
static inline u64 align_up(u64 x, u64 a) { return (x + a - 1) & ~(a - 1); }
static inline bool is_pow2(u64 x) { return x && !(x & (x - 1)); }
static inline u16 bswap16(u16 x) { return __builtin_bswap16(x); }
static inline u32 bswap32(u32 x) { return __builtin_bswap32(x); }
static inline u64 bswap64(u64 x) { return __builtin_bswap64(x); }

/* Byte-reverses the low size bytes (1, 2, 4 or 8). */
static inline u64 bswap_size(u64 x, unsigned size) { return bswap64(x) >> (64 - 8 * size); }
