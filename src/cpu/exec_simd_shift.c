/* Advanced SIMD shifts by immediate, vector and scalar (DDI0487 C4: shift by immediate): plain, rounding,
 * accumulating, inserting, saturating, narrowing and widening.
 *
 * imm = immh:immb: its highest set bit gives the element size, right shifts are by 2 * esize - imm,
 * left shifts by imm - esize; y = Q.  For narrowing and widening the size is that of the narrow
 * element. */
#include "cpu/exec_simd.h"
#include "cpu/exec_simd_swar.h"

static inline unsigned shift_size(const struct op *o) { return 28 - (unsigned)__builtin_clz((u32)o->imm); }

/* ---- same width ----------------------------------------------------------------------------- */

#define EL(name)                                                                                                       \
    static inline u64 el_##name(struct cpu *c SIMD_UNUSED, u64 n SIMD_UNUSED, u64 d SIMD_UNUSED,                       \
                                unsigned sh SIMD_UNUSED, unsigned es SIMD_UNUSED)

/* Right shifts by 1..esize; the operand is sign- or zero-extended. */
static inline u64 asr(u64 n, unsigned sh) { return (u64)((s64)n >> (sh > 63 ? 63 : sh)); }
static inline u64 lsr(u64 n, unsigned sh) { return sh > 63 ? 0 : n >> sh; }
static inline u64 asr_round(u64 n, unsigned sh) { return (u64)(((s128)(s64)n + ((s128)1 << (sh - 1))) >> sh); }
static inline u64 lsr_round(u64 n, unsigned sh) { return (u64)(((u128)n + ((u128)1 << (sh - 1))) >> sh); }

EL(sshr) { return asr(n, sh); }
EL(ushr) { return lsr(n, sh); }
EL(srshr) { return asr_round(n, sh); }
EL(urshr) { return lsr_round(n, sh); }
EL(ssra) { return d + asr(n, sh); }
EL(usra) { return d + lsr(n, sh); }
EL(srsra) { return d + asr_round(n, sh); }
EL(ursra) { return d + lsr_round(n, sh); }
EL(sri) { return (d & ~lsr(ones(es), sh)) | lsr(n, sh); }
EL(shl) { return n << sh; }
EL(sli) { return (d & ones(sh)) | n << sh; }
EL(sqshl) { return simd_sat_s(c, (s128)(s64)n * ((s128)1 << sh), es); }
EL(uqshl) { return simd_sat_u(c, (s128)((u128)n << sh), es); }
EL(sqshlu) { return simd_sat_u(c, (s128)(s64)n * ((s128)1 << sh), es); }

/* DIR: the shift amount for esize es. */
#define RIGHT(es) (2 * (es)-imm)
#define LEFT(es)  (imm - (es))
#define SHIFT(name, S, DIR)                                                                                            \
    static inline union v128 shift_##name(struct cpu *c, const union v128 *n, const union v128 *d, unsigned imm,       \
                                          unsigned size, unsigned bytes)                                               \
    {                                                                                                                  \
        union v128 r = {0};                                                                                            \
        switch (size) {                                                                                                \
        case 0:                                                                                                        \
            for (unsigned i = 0; i < bytes; i++)                                                                       \
                r.ub[i] = (u8)el_##name(c, (u64)n->S##b[i], d->ub[i], DIR(8), 8);                                      \
            break;                                                                                                     \
        case 1:                                                                                                        \
            for (unsigned i = 0; i < bytes / 2; i++)                                                                   \
                r.uh[i] = (u16)el_##name(c, (u64)n->S##h[i], d->uh[i], DIR(16), 16);                                   \
            break;                                                                                                     \
        case 2:                                                                                                        \
            for (unsigned i = 0; i < bytes / 4; i++)                                                                   \
                r.uw[i] = (u32)el_##name(c, (u64)n->S##w[i], d->uw[i], DIR(32), 32);                                   \
            break;                                                                                                     \
        default:                                                                                                       \
            for (unsigned i = 0; i < bytes / 8; i++)                                                                   \
                r.ud[i] = el_##name(c, (u64)n->S##d[i], d->ud[i], DIR(64), 64);                                        \
            break;                                                                                                     \
        }                                                                                                              \
        return r;                                                                                                      \
    }
#define SHIFT_EXEC(name, form, imm, size, bytes)                                                                       \
    enum step exec_##name##_##form(struct cpu *c, const struct op *o)                                                  \
    {                                                                                                                  \
        SIMD_CHECK(c);                                                                                                 \
        union v128 n = simd_get(c, o->rn), d = simd_get(c, o->rd);                                                     \
        simd_set(c, o->rd, shift_##name(c, &n, &d, (unsigned)(imm), size, bytes));                                     \
        return STEP_NEXT;                                                                                              \
    }
/* _i vector; _id scalar of 64 bits (the row fixes immh<3>, imm lacks it); _is scalar of any size */
#define I(name)  SHIFT_EXEC(name, i, o->imm, shift_size(o), simd_bytes(o->y))
#define ID(name) SHIFT_EXEC(name, id, o->imm | 64, 3, 8)
#define IS(name) SHIFT_EXEC(name, is, o->imm, shift_size(o), 1u << shift_size(o))

SHIFT(sshr, s, RIGHT);
I(sshr);
ID(sshr);
SHIFT(ushr, u, RIGHT);
I(ushr);
ID(ushr);
SHIFT(srshr, s, RIGHT);
I(srshr);
ID(srshr);
SHIFT(urshr, u, RIGHT);
I(urshr);
ID(urshr);
SHIFT(ssra, s, RIGHT);
I(ssra);
ID(ssra);
SHIFT(usra, u, RIGHT);
I(usra);
ID(usra);
SHIFT(srsra, s, RIGHT);
I(srsra);
ID(srsra);
SHIFT(ursra, u, RIGHT);
I(ursra);
ID(ursra);
SHIFT(sri, u, RIGHT);
I(sri);
ID(sri);
SHIFT(shl, u, LEFT);
I(shl);
ID(shl);
SHIFT(sli, u, LEFT);
I(sli);
ID(sli);
SHIFT(sqshl, s, LEFT);
I(sqshl);
IS(sqshl);
SHIFT(uqshl, u, LEFT);
I(uqshl);
IS(uqshl);
SHIFT(sqshlu, s, LEFT);
I(sqshlu);
IS(sqshlu);

/* ---- narrowing ------------------------------------------------------------------------------ */

#define NAR(name) static inline u64 nar_##name(struct cpu *c SIMD_UNUSED, u64 n, unsigned sh, unsigned es SIMD_UNUSED)

NAR(rshrn) { return lsr_round(n, sh); }
NAR(sqshrn) { return simd_sat_s(c, (s64)asr(n, sh), es); }
NAR(sqrshrn) { return simd_sat_s(c, (s64)asr_round(n, sh), es); }
NAR(uqshrn) { return simd_sat_u(c, lsr(n, sh), es); }
NAR(uqrshrn) { return simd_sat_u(c, lsr_round(n, sh), es); }
NAR(sqshrun) { return simd_sat_u(c, (s64)asr(n, sh), es); }
NAR(sqrshrun) { return simd_sat_u(c, (s64)asr_round(n, sh), es); }

#define NARROW(name, S)                                                                                                \
    static inline u64 narrow_##name(struct cpu *c, const union v128 *n, unsigned imm, unsigned count)                  \
    {                                                                                                                  \
        union v128 r = {0};                                                                                            \
        if (imm < 16) {                                                                                                \
            for (unsigned i = 0; i < count && i < 8; i++)                                                              \
                r.ub[i] = (u8)nar_##name(c, (u64)n->S##h[i], RIGHT(8), 8);                                             \
        } else if (imm < 32) {                                                                                         \
            for (unsigned i = 0; i < count && i < 4; i++)                                                              \
                r.uh[i] = (u16)nar_##name(c, (u64)n->S##w[i], RIGHT(16), 16);                                          \
        } else {                                                                                                       \
            for (unsigned i = 0; i < count && i < 2; i++)                                                              \
                r.uw[i] = (u32)nar_##name(c, (u64)n->S##d[i], RIGHT(32), 32);                                          \
        }                                                                                                              \
        return r.ud[0];                                                                                                \
    }                                                                                                                  \
    enum step exec_##name##_i(struct cpu *c, const struct op *o)                                                       \
    {                                                                                                                  \
        SIMD_CHECK(c);                                                                                                 \
        union v128 n = simd_get(c, o->rn);                                                                             \
        u64 v = narrow_##name(c, &n, (unsigned)o->imm, 8), *d = c->v[o->rd].d;                                         \
        if (o->y) {                                                                                                    \
            d[1] = v;                                                                                                  \
        } else {                                                                                                       \
            d[0] = v;                                                                                                  \
            d[1] = 0;                                                                                                  \
        }                                                                                                              \
        return STEP_NEXT;                                                                                              \
    }
#define NARROW_S(name)                                                                                                 \
    enum step exec_##name##_is(struct cpu *c, const struct op *o)                                                      \
    {                                                                                                                  \
        SIMD_CHECK(c);                                                                                                 \
        union v128 n = simd_get(c, o->rn);                                                                             \
        simd_set(c, o->rd, (union v128){.ud = {narrow_##name(c, &n, (unsigned)o->imm, 1), 0}});                        \
        return STEP_NEXT;                                                                                              \
    }
NARROW(rshrn, u);
NARROW(sqshrn, s);
NARROW_S(sqshrn);
NARROW(sqrshrn, s);
NARROW_S(sqrshrn);
NARROW(uqshrn, u);
NARROW_S(uqshrn);
NARROW(uqrshrn, u);
NARROW_S(uqrshrn);
NARROW(sqshrun, s);
NARROW_S(sqshrun);
NARROW(sqrshrun, s);
NARROW_S(sqrshrun);

/* SHRN: the wanted bits of each wide lane are within it. */
enum step exec_shrn_i(struct cpu *c, const struct op *o)
{
    SIMD_CHECK(c);
    unsigned size = shift_size(o), sh = (16u << size) - (unsigned)o->imm;
    const u64 *n = c->v[o->rn].d;
    u64 v = swar_even(n[0] >> sh, size) | swar_even(n[1] >> sh, size) << 32, *d = c->v[o->rd].d;
    d[o->y] = v;
    if (!o->y)
        d[1] = 0;
    return STEP_NEXT;
}

/* ---- widening ------------------------------------------------------------------------------- */

#define WIDEN(name, S)                                                                                                 \
    enum step exec_##name##_i(struct cpu *c, const struct op *o)                                                       \
    {                                                                                                                  \
        SIMD_CHECK(c);                                                                                                 \
        union v128 r = {0}, n = {.ud = {c->v[o->rn].d[o->y], 0}};                                                      \
        unsigned imm = (unsigned)o->imm;                                                                               \
        if (imm < 16) {                                                                                                \
            for (unsigned i = 0; i < 8; i++)                                                                           \
                r.uh[i] = (u16)((u64)n.S##b[i] << LEFT(8));                                                            \
        } else if (imm < 32) {                                                                                         \
            for (unsigned i = 0; i < 4; i++)                                                                           \
                r.uw[i] = (u32)((u64)n.S##h[i] << LEFT(16));                                                           \
        } else {                                                                                                       \
            for (unsigned i = 0; i < 2; i++)                                                                           \
                r.ud[i] = (u64)n.S##w[i] << LEFT(32);                                                                  \
        }                                                                                                              \
        simd_set(c, o->rd, r);                                                                                         \
        return STEP_NEXT;                                                                                              \
    }
WIDEN(sshll, s);
WIDEN(ushll, u);
