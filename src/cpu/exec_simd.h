/* What the Advanced SIMD exec functions share: 128-bit values as elements, saturation with FPSR.QC.
 *
 * Host vector registers are not used in this layer (-mgeneral-regs-only): element loops are plain C with
 * the element size constant in each, hot ones work on 64-bit words. */
#pragma once
#include "core/bits.h"
#include "cpu/cpu.h"
#include "cpu/exception.h"
#include "cpu/exec.h"

/* A 128-bit value; element 0 is the least significant. */
union v128 {
    u64 ud[2];
    s64 sd[2];
    u32 uw[4];
    s32 sw[4];
    u16 uh[8];
    s16 sh[8];
    u8 ub[16];
    s8 sb[16];
};

#define SIMD_UNUSED __attribute__((unused))

/* CheckFPAdvSIMDEnabled64: comes first in every exec function of these files. */
#define SIMD_CHECK(c)                                                                                                  \
    do {                                                                                                               \
        if (UNLIKELY((c)->fp_trap))                                                                                    \
            return exc_fp_access(c);                                                                                   \
    } while (0)

static inline union v128 simd_get(const struct cpu *c, unsigned r)
{
    return (union v128){.ud = {c->v[r].d[0], c->v[r].d[1]}};
}

/* Writes all 128 bits; the upper half of the slot is zero already. */
static inline void simd_set(struct cpu *c, unsigned r, union v128 val)
{
    c->v[r].d[0] = val.ud[0];
    c->v[r].d[1] = val.ud[1];
}

static inline unsigned simd_bytes(bool q) { return q ? 16 : 8; }

enum { FPSR_QC_BIT = 27 };
static inline void simd_set_qc(struct cpu *c) { c->fpsr |= 1u << FPSR_QC_BIT; }

/* SignedSatQ and UnsignedSatQ: esize is 8..64; the result's low esize bits count. */
static inline u64 simd_sat_s(struct cpu *c, s128 v, unsigned esize)
{
    s128 max = ((s128)1 << (esize - 1)) - 1;
    if (UNLIKELY(v > max || v < -max - 1)) {
        simd_set_qc(c);
        v = v > max ? max : -max - 1;
    }
    return (u64)v;
}
static inline u64 simd_sat_u(struct cpu *c, s128 v, unsigned esize)
{
    s128 max = ((s128)1 << esize) - 1;
    if (UNLIKELY(v > max || v < 0)) {
        simd_set_qc(c);
        v = v > max ? max : 0;
    }
    return (u64)v;
}

/* All elements of 8 << size bits equal to val. */
static inline union v128 simd_dup(unsigned size, u64 val)
{
    switch (size) {
    case 0: val = (val & 0xff) * 0x0101010101010101ull; break;
    case 1: val = (val & 0xffff) * 0x0001000100010001ull; break;
    case 2: val = (val & 0xffffffff) * 0x0000000100000001ull; break;
    default: break;
    }
    return (union v128){.ud = {val, val}};
}

static inline u64 simd_elem(const struct cpu *c, unsigned r, unsigned size, unsigned i)
{
    const union vreg *v = &c->v[r];
    switch (size) {
    case 0: return v->b[i];
    case 1: return v->h[i];
    case 2: return v->s[i];
    default: return v->d[i];
    }
}
