/* Lanes of 8 << size bits in a 64-bit word, handled all at once: what string functions and copies use
 * most must not cost a loop over bytes. */
#pragma once
#include "core/bits.h"

/* The top and the bottom bit of every lane. */
static inline u64 swar_high(unsigned size)
{
    static const u64 high[] = {0x8080808080808080ull, 0x8000800080008000ull, 0x8000000080000000ull, 1ull << 63};
    return high[size];
}
static inline u64 swar_low(unsigned size) { return swar_high(size) >> ((8u << size) - 1); }

/* Lanes whose top bit is set in h become all ones; h has no other bits. */
static inline u64 swar_fill(u64 h, unsigned size) { return (h >> ((8u << size) - 1)) * ones(8u << size); }

static inline u64 swar_add(u64 n, u64 m, unsigned size)
{
    u64 h = swar_high(size);
    return ((n & ~h) + (m & ~h)) ^ ((n ^ m) & h);
}
static inline u64 swar_sub(u64 n, u64 m, unsigned size)
{
    u64 h = swar_high(size);
    return ((n | h) - (m & ~h)) ^ (~(n ^ m) & h);
}
/* Not zero: the carry of adding all ones below the top bit, or the top bit itself. */
static inline u64 swar_nonzero(u64 v, unsigned size)
{
    u64 h = swar_high(size);
    return swar_fill((((v & ~h) + ~h) | v) & h, size);
}
static inline u64 swar_cmeq(u64 n, u64 m, unsigned size) { return ~swar_nonzero(n ^ m, size); }
static inline u64 swar_cmtst(u64 n, u64 m, unsigned size) { return swar_nonzero(n & m, size); }
/* n >= m: decided by the top bits, or where they are equal by a subtraction that cannot borrow. */
static inline u64 swar_cmhs(u64 n, u64 m, unsigned size)
{
    u64 h = swar_high(size), t = (n | h) - (m & ~h);
    return swar_fill(((n & ~m) | (~(n ^ m) & t)) & h, size);
}
static inline u64 swar_cmhi(u64 n, u64 m, unsigned size) { return ~swar_cmhs(m, n, size); }
static inline u64 swar_cmge(u64 n, u64 m, unsigned size)
{
    u64 h = swar_high(size);
    return swar_cmhs(n ^ h, m ^ h, size);
}
static inline u64 swar_cmgt(u64 n, u64 m, unsigned size) { return ~swar_cmge(m, n, size); }
static inline u64 swar_select(u64 mask, u64 n, u64 m) { return (n & mask) | (m & ~mask); }
static inline u64 swar_umax(u64 n, u64 m, unsigned size) { return swar_select(swar_cmhs(n, m, size), n, m); }
static inline u64 swar_umin(u64 n, u64 m, unsigned size) { return swar_select(swar_cmhs(n, m, size), m, n); }
static inline u64 swar_smax(u64 n, u64 m, unsigned size) { return swar_select(swar_cmge(n, m, size), n, m); }
static inline u64 swar_smin(u64 n, u64 m, unsigned size) { return swar_select(swar_cmge(n, m, size), m, n); }

/* The even lanes of a word, packed into its low half (size 0..2). */
static inline u64 swar_even(u64 v, unsigned size)
{
    switch (size) {
    case 0: v &= 0x00ff00ff00ff00ffull, v |= v >> 8;  /* fall through */
    case 1: v &= 0x0000ffff0000ffffull, v |= v >> 16; /* fall through */
    default: return v & 0xffffffff;
    }
}
/* The lanes of the low half, moved to the even lanes of a word. */
static inline u64 swar_spread(u64 v, unsigned size)
{
    v &= 0xffffffff;
    if (size <= 1)
        v = (v | v << 16) & 0x0000ffff0000ffffull;
    if (size == 0)
        v = (v | v << 8) & 0x00ff00ff00ff00ffull;
    return v;
}
