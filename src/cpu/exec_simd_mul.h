/* Multiplications shared by the vector, scalar and by-element forms of Advanced SIMD. */
#pragma once
#include "cpu/exec_simd.h"

/* The multiplier of a by-element instruction in every element: x = size (1 or 2), imm = L:M:H, Vm is
 * M:Rm for words and Rm for halfwords. */
static inline union v128 simd_by_element(const struct cpu *c, const struct op *o)
{
    unsigned l = o->imm >> 2 & 1, m = o->imm >> 1 & 1, h = o->imm & 1;
    if (o->x == 1)
        return simd_dup(1, simd_elem(c, o->rm, 1, h << 2 | l << 1 | m));
    return simd_dup(2, simd_elem(c, o->rm | m << 4, 2, h << 1 | l));
}

/* PolynomialMult of two bytes. */
static inline u16 simd_polymul8(u8 n, u8 m)
{
    unsigned r = 0;
    for (unsigned i = 0; i < 8; i++)
        r ^= m >> i & 1 ? (unsigned)n << i : 0;
    return (u16)r;
}

/* Doubling multiplications returning the high half; operands sign-extended, esize 16 or 32. */
static inline u64 simd_sqdmulh(struct cpu *c, s64 n, s64 m, unsigned es)
{
    return simd_sat_s(c, ((s128)n * m * 2) >> es, es);
}
static inline u64 simd_sqrdmulh(struct cpu *c, s64 n, s64 m, unsigned es)
{
    return simd_sat_s(c, ((s128)n * m * 2 + ((s128)1 << (es - 1))) >> es, es);
}
static inline u64 simd_sqrdmlah(struct cpu *c, s64 d, s64 n, s64 m, unsigned es)
{
    return simd_sat_s(c, ((s128)d * ((s128)1 << es) + (s128)n * m * 2 + ((s128)1 << (es - 1))) >> es, es);
}
static inline u64 simd_sqrdmlsh(struct cpu *c, s64 d, s64 n, s64 m, unsigned es)
{
    return simd_sat_s(c, ((s128)d * ((s128)1 << es) - (s128)n * m * 2 + ((s128)1 << (es - 1))) >> es, es);
}

/* SQDMULL: the doubled product saturated to 2 * esize bits. */
static inline s64 simd_sqdmull(struct cpu *c, s64 n, s64 m, unsigned es)
{
    return (s64)simd_sat_s(c, (s128)n * m * 2, 2 * es);
}

/* Dot products of four bytes each, accumulated into Vd's words. */
static inline union v128 simd_dot(const struct cpu *c, unsigned rd, unsigned rn, const union v128 *m, unsigned bytes,
                                  bool n_signed, bool m_signed)
{
    union v128 r = {0}, d = simd_get(c, rd), n = simd_get(c, rn);
    for (unsigned e = 0; e < bytes / 4; e++) {
        u32 sum = d.uw[e];
        for (unsigned k = 4 * e; k < 4 * e + 4; k++) {
            int a = n_signed ? n.sb[k] : n.ub[k], b = m_signed ? m->sb[k] : m->ub[k];
            sum += (u32)(a * b);
        }
        r.uw[e] = sum;
    }
    return r;
}
