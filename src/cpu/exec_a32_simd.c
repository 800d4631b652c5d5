/* Execution of AArch32 Advanced SIMD and floating point: see aa32_simd.c for the idea; the instructions that have no
 * A64 equivalent are here (VRECPS and VRSQRTS, VTBL, moves, VMSR and VMRS). Loads and stores: exec_a32_vldst.c. */
#include "core/bits.h"
#include "cpu/aa32_simd.h"
#include "cpu/exception.h"
#include "cpu/exec.h"
#include "cpu/exec_a32.h"
#include "cpu/fields.h"
#include "cpu/fp.h"

#define EXEC(name) enum step exec_##name(struct cpu *c, const struct op *o)

#define FPEXC_EN (1u << 30)

enum step aa32_fp_check(struct cpu *c, bool simd, bool fpexc)
{
    (void)simd;
    if (UNLIKELY(c->fp_trap))
        return exc_fp_access(c);
    if (fpexc && aa32_el1(c) && !(c->sys[FPEXC32_EL2] & FPEXC_EN))
        return exc_undefined(c);
    return STEP_NEXT;
}

#define FP_CHECK(c, simd)                                                                                              \
    do {                                                                                                               \
        if (UNLIKELY(aa32_fp_check(c, simd, true) != STEP_NEXT))                                                       \
            return STEP_JUMP;                                                                                          \
    } while (0)

static u64 *d_reg(struct cpu *c, unsigned n) { return &c->v[n >> 1].d[n & 1]; }
static u32 *s_reg(struct cpu *c, unsigned n) { return &c->v[n >> 2].s[n & 3]; }

static void get(struct cpu *c, unsigned slot, unsigned width, unsigned n)
{
    union vreg *v = &c->v[slot];
    v->d[1] = 0;
    switch (width) {
    case W_H:
    case W_S: v->d[0] = *s_reg(c, n); break;
    case W_D: v->d[0] = *d_reg(c, n); break;
    case W_Q:
        v->d[0] = c->v[n >> 1].d[0];
        v->d[1] = c->v[n >> 1].d[1];
        break;
    default: v->d[0] = 0; break;
    }
}

static void put(struct cpu *c, unsigned slot, unsigned width, unsigned n, bool top)
{
    const union vreg *v = &c->v[slot];
    switch (width) {
    case W_H: {
        u32 *s = s_reg(c, n);
        *s = top ? (*s & 0xffff) | (u32)v->h[0] << 16 : (*s & 0xffff0000) | v->h[0];
        break;
    }
    case W_S: *s_reg(c, n) = v->s[0]; break;
    case W_D: *d_reg(c, n) = v->d[0]; break;
    case W_Q:
        c->v[n >> 1].d[0] = v->d[0];
        c->v[n >> 1].d[1] = v->d[1];
        break;
    default: break;
    }
}

/* StandardFPSCRValue() */
static u32 standard_fpcr(u32 fpcr) { return (fpcr & (FPCR_AHP | FPCR_FZ16)) | FPCR_FZ | FPCR_DN; }

/* VCVTR: the conversion that rounds as FPSCR says. */
static enum step convert_rounding(struct cpu *c, const struct aa32_insn *i)
{
    struct op r = i->a64;
    unsigned rmode = c->fpcr >> FPCR_RMODE_SHIFT & 3;
    struct fp fp = {c->fpcr, &c->fpsr};
    u32 word = (u32)i->op.imm;
    bool is_unsigned = word >> 16 & 1, dbl = word >> 22 & 1;
    u64 v = c->v[r.rn].d[0];
    u64 x = dbl ? fp_to_fixed64(v, 0, is_unsigned, (enum fp_round)rmode, 32, fp)
                : fp_to_fixed32((u32)v, 0, is_unsigned, (enum fp_round)rmode, 32, fp);
    c->x[REG_PC] = (u32)x;
    return STEP_NEXT;
}

EXEC(a32_simd)
{
    const struct aa32_insn *i = aa32_insn(o);
    FP_CHECK(c, o->y & SIMD_STANDARD);
    u32 fpcr = c->fpcr, nzcv = c->nzcv;
    get(c, V_D, i->wd, o->rd);
    get(c, V_N, i->wn, o->rn);
    get(c, V_M, i->wm, o->rm);
    if (o->y & SIMD_STANDARD)
        c->fpcr = standard_fpcr(fpcr);
    if (o->x & SIMD_NEG_D)
        c->v[V_D].d[0] ^= i->wd == W_D ? 1ull << 63 : 1u << 31;
    if ((o->x & SIMD_TOP) && i->wm == W_H)
        c->v[V_M].d[0] >>= 16;
    if (o->x & SIMD_FROM_INT)
        c->x[REG_PC] = c->v[V_M].s[0];
    if (o->x & SIMD_CUR_ROUND)
        convert_rounding(c, i);
    else
        a64_execs[i->a64.row](c, &i->a64);
    if (i->a64b.row != A64_ROW_UNDEFINED)
        a64_execs[i->a64b.row](c, &i->a64b);
    c->fpcr = fpcr;
    if (o->x & SIMD_FLAGS) {
        c->fpsr = (c->fpsr & 0x0fffffff) | c->nzcv;
        c->nzcv = nzcv;
        return STEP_NEXT;
    }
    if (o->x & SIMD_TO_INT)
        c->v[V_D].d[0] = (u32)c->x[REG_PC];
    if (o->x & SIMD_PERM) {
        put(c, V_T, i->wd, o->rd, false);
        if (o->rd != o->rm)
            put(c, V_M, i->wm, o->rm, false);
        else
            put(c, V_M, i->wd, o->rd, false);
        return STEP_NEXT;
    }
    put(c, V_D, i->wd, o->rd, o->x & SIMD_TOP);
    return STEP_NEXT;
}

/* ---- no A64 equivalent ---------------------------------------------------------------------- */

static unsigned word_d(u32 w) { return (w >> 22 & 1) << 4 | (w >> 12 & 15); }
static unsigned word_n(u32 w) { return (w >> 7 & 1) << 4 | (w >> 16 & 15); }
static unsigned word_m(u32 w) { return (w >> 5 & 1) << 4 | (w & 15); }

/* FPRecipStep and FPRSqrtStep of AArch32: the product is rounded; infinity times zero gives 2 and 1.5. */
static u32 step32(u32 a, u32 b, bool rsqrt, struct fp fp)
{
    bool inf = (a << 1) == 0xff000000 || (b << 1) == 0xff000000;
    bool zero = (a << 1) < 0x01000000 || (b << 1) < 0x01000000; /* FZ: denormals are zero */
    if (inf && zero && (a << 1) <= 0xff000000 && (b << 1) <= 0xff000000) {
        u32 den = ((a << 1) && (a << 1) < 0x01000000) || ((b << 1) && (b << 1) < 0x01000000);
        if (den)
            *fp.fpsr |= FPSR_IDC;
        return rsqrt ? 0x3fc00000 : 0x40000000;
    }
    u32 p = fp_mul32(a, b, fp);
    if (!rsqrt)
        return fp_sub32(0x40000000, p, fp);
    return fp_mul32(fp_sub32(0x40400000, p, fp), 0x3f000000, fp);
}

EXEC(a32_vrecps)
{
    u32 w = (u32)o->imm;
    bool q = w >> 6 & 1;
    unsigned d = word_d(w), n = word_n(w), m = word_m(w);
    FP_CHECK(c, true);
    if (q && ((d | n | m) & 1))
        return exc_undefined(c);
    struct fp fp = {standard_fpcr(c->fpcr), &c->fpsr};
    for (unsigned e = 0; e < (q ? 4u : 2u); e++)
        *s_reg(c, 2 * d + e) = step32(*s_reg(c, 2 * n + e), *s_reg(c, 2 * m + e), w >> 21 & 1, fp);
    return STEP_NEXT;
}

EXEC(a32_vswp)
{
    u32 w = (u32)o->imm;
    bool q = w >> 6 & 1;
    unsigned d = word_d(w), m = word_m(w);
    FP_CHECK(c, true);
    if (q && ((d | m) & 1))
        return exc_undefined(c);
    for (unsigned k = 0; k <= q; k++) {
        u64 t = *d_reg(c, d + k);
        *d_reg(c, d + k) = *d_reg(c, m + k);
        *d_reg(c, m + k) = t;
    }
    return STEP_NEXT;
}

EXEC(a32_vtbl)
{
    u32 w = (u32)o->imm;
    unsigned d = word_d(w), n = word_n(w), m = word_m(w), len = (w >> 8 & 3) + 1;
    bool ext = w >> 6 & 1;
    FP_CHECK(c, true);
    if (n + len > 32)
        return exc_undefined(c);
    u64 index = *d_reg(c, m), old = *d_reg(c, d), r = 0;
    for (unsigned k = 0; k < 64; k += 8) {
        unsigned i = index >> k & 0xff;
        u64 v = i < 8 * len ? *d_reg(c, n + i / 8) >> 8 * (i & 7) & 0xff : ext ? old >> k & 0xff : 0;
        r |= v << k;
    }
    *d_reg(c, d) = r;
    return STEP_NEXT;
}

/* VCVT between floating and fixed point: x selects 16 or 32 bits, imm4:i = size - fraction bits, in place. */
EXEC(a32_vcvt_fixed)
{
    u32 w = (u32)o->imm;
    bool to_fixed = w >> 18 & 1, is_unsigned = w >> 16 & 1, wide = w >> 7 & 1, dbl = w >> 8 & 1;
    unsigned size = wide ? 32 : 16, imm = (w & 15) << 1 | (w >> 5 & 1), d = word_d(w);
    FP_CHECK(c, false);
    if (size < imm)
        return exc_undefined(c);
    unsigned frac = size - imm, sd = (d & 15) << 1 | d >> 4;
    struct fp fp = {c->fpcr, &c->fpsr}, near = {c->fpcr & ~(3u << FPCR_RMODE_SHIFT), &c->fpsr};
    u64 v = dbl ? *d_reg(c, d) : *s_reg(c, sd), r;
    if (to_fixed) {
        r = dbl ? fp_to_fixed64(v, frac, is_unsigned, FPROUND_ZERO, size, fp)
                : fp_to_fixed32((u32)v, frac, is_unsigned, FPROUND_ZERO, size, fp);
        r = is_unsigned ? r & ones(size) : sext(r, size);
    } else {
        v = is_unsigned ? v & ones(size) : sext(v, size);
        r = dbl ? fp_from_fixed64(v, frac, is_unsigned, FPROUND_TIEEVEN, near)
                : fp_from_fixed32(v, frac, is_unsigned, FPROUND_TIEEVEN, near);
    }
    if (dbl)
        *d_reg(c, d) = r;
    else
        *s_reg(c, sd) = (u32)r;
    return STEP_NEXT;
}

/* ---- moves ---------------------------------------------------------------------------------- */

EXEC(a32_vmov_s) /* y: to the general register */
{
    u32 *s = s_reg(c, (unsigned)((o->imm >> 16 & 15) << 1 | (o->imm >> 7 & 1)));
    FP_CHECK(c, false);
    if (o->y)
        c->x[o->rd] = *s;
    else
        *s = (u32)c->x[o->rd];
    return STEP_NEXT;
}

/* opc1:opc2: element size and index. False: UNDEFINED. */
static bool element(u32 w, unsigned *size, unsigned *index)
{
    unsigned opc = (w >> 21 & 3) << 2 | (w >> 5 & 3);
    if (opc & 8)
        *size = 8, *index = opc & 7;
    else if (opc & 1)
        *size = 16, *index = opc >> 1 & 3;
    else if (!(opc & 2))
        *size = 32, *index = opc >> 2 & 1;
    else
        return false;
    return true;
}

EXEC(a32_vmov_to_scalar)
{
    unsigned size, index;
    FP_CHECK(c, true);
    if (!element((u32)o->imm, &size, &index))
        return exc_undefined(c);
    u64 *d = d_reg(c, word_n((u32)o->imm));
    *d = deposit(*d, index * size + size - 1, index * size, c->x[o->rd]);
    return STEP_NEXT;
}

EXEC(a32_vmov_from_scalar)
{
    unsigned size, index;
    FP_CHECK(c, true);
    bool is_unsigned = o->imm >> 23 & 1;
    if (!element((u32)o->imm, &size, &index) || (size == 32 && is_unsigned))
        return exc_undefined(c);
    u64 v = *d_reg(c, word_n((u32)o->imm)) >> index * size & ones(size);
    c->x[o->rd] = (u32)(is_unsigned ? v : sext(v, size));
    return STEP_NEXT;
}

EXEC(a32_vdup)
{
    u32 w = (u32)o->imm;
    unsigned be = (w >> 22 & 1) << 1 | (w >> 5 & 1), d = word_n(w);
    bool q = w >> 21 & 1;
    FP_CHECK(c, true);
    if (be == 3 || (q && (d & 1)))
        return exc_undefined(c);
    u64 v = be == 2 ? (c->x[o->rd] & 0xff) * 0x0101010101010101ull
            : be    ? (c->x[o->rd] & 0xffff) * 0x0001000100010001ull
                    : (u32)c->x[o->rd] * 0x0000000100000001ull;
    for (unsigned k = 0; k <= q; k++)
        *d_reg(c, d + k) = v;
    return STEP_NEXT;
}

EXEC(a32_vmov_ss)
{
    unsigned m = (unsigned)((o->imm & 15) << 1 | (o->imm >> 5 & 1));
    FP_CHECK(c, false);
    if (m == 31)
        return exc_undefined(c);
    if (o->y) {
        c->x[o->rd] = *s_reg(c, m);
        c->x[o->rn] = *s_reg(c, m + 1);
    } else {
        *s_reg(c, m) = (u32)c->x[o->rd];
        *s_reg(c, m + 1) = (u32)c->x[o->rn];
    }
    return STEP_NEXT;
}

EXEC(a32_vmov_d)
{
    u64 *d = d_reg(c, word_m((u32)o->imm));
    FP_CHECK(c, false);
    if (o->y) {
        c->x[o->rd] = (u32)*d;
        c->x[o->rn] = *d >> 32;
    } else {
        *d = (u32)c->x[o->rd] | c->x[o->rn] << 32;
    }
    return STEP_NEXT;
}

/* ---- FPSCR and its kin ---------------------------------------------------------------------- */

enum { FPSID = 0, FPSCR = 1, REG_MVFR2 = 5, REG_MVFR1 = 6, REG_MVFR0 = 7, FPEXC = 8 };
#define FPSCR_STATUS  0xf800009fu
#define FPSCR_CONTROL 0x07c00000u

EXEC(a32_vmrs)
{
    u32 v;
    bool plain = o->x == FPSCR;
    if (!plain && c->ps.el == 0)
        return exc_undefined(c);
    if (aa32_fp_check(c, false, plain) != STEP_NEXT)
        return STEP_JUMP;
    if (!plain && o->x != FPEXC && cpu_el2_enabled(c) && (c->hcr & (o->x == FPSID ? HCR_TID0 : HCR_TID3)))
        return exc_trap(c, 2, EC_CP10, aa32_cond_iss(c) | 7u << 14 | (u32)o->x << 10 | (u32)(o->rd & 15) << 5 | 1);
    switch (o->x) {
    case FPSCR: v = (c->fpsr & FPSCR_STATUS) | (c->fpcr & FPSCR_CONTROL); break;
    case FPSID: v = 0x41034000 | (u32)(c->sys[MIDR_EL1] >> 4 & 0xff) << 4; break;
    case REG_MVFR2: v = (u32)c->sys[MVFR2_EL1]; break;
    case REG_MVFR1: v = (u32)c->sys[MVFR1_EL1]; break;
    case REG_MVFR0: v = (u32)c->sys[MVFR0_EL1]; break;
    case FPEXC: v = (u32)c->sys[FPEXC32_EL2]; break;
    default: return exc_undefined(c);
    }
    if (plain && o->rd == REG_PC) {
        c->nzcv = v & 0xf0000000u;
        return STEP_NEXT;
    }
    c->x[o->rd] = v;
    return STEP_NEXT;
}

EXEC(a32_vmsr)
{
    u32 v = (u32)c->x[o->rd];
    bool plain = o->x == FPSCR;
    if (!plain && c->ps.el == 0)
        return exc_undefined(c);
    if (aa32_fp_check(c, false, plain) != STEP_NEXT)
        return STEP_JUMP;
    switch (o->x) {
    case FPSCR:
        c->fpsr = v & FPSCR_STATUS;
        c->fpcr = (c->fpcr & ~FPSCR_CONTROL) | (v & FPSCR_CONTROL);
        return STEP_SYNC;
    case FPSID: return STEP_NEXT;
    case FPEXC: c->sys[FPEXC32_EL2] = (v & FPEXC_EN) | 0x700; return STEP_SYNC;
    default: return exc_undefined(c);
    }
}
