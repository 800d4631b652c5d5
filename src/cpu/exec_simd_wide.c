/* Advanced SIMD "three different" instructions, vector, scalar and by element (DDI0487 C4): widening
 * arithmetic and multiplication, and narrowing of the high half of sums and differences.
 *
 * x = size of the narrow element, y = Q: the "2" forms use the upper half of the narrow operands. */
#include "cpu/exec_simd.h"
#include "cpu/exec_simd_mul.h"

/* ---- long: Vd of twice the width of Vn and Vm ----------------------------------------------- */

#define EL(name)                                                                                                       \
    static inline u64 el_##name(struct cpu *c SIMD_UNUSED, u64 n, u64 m, u64 d SIMD_UNUSED, unsigned es SIMD_UNUSED)

EL(saddl) { return n + m; }
EL(uaddl) { return n + m; }
EL(ssubl) { return n - m; }
EL(usubl) { return n - m; }
EL(sabdl) { return (s64)n > (s64)m ? n - m : m - n; }
EL(uabdl) { return n > m ? n - m : m - n; }
EL(sabal) { return d + ((s64)n > (s64)m ? n - m : m - n); }
EL(uabal) { return d + (n > m ? n - m : m - n); }
EL(smull) { return n * m; }
EL(umull) { return n * m; }
EL(smlal) { return d + n * m; }
EL(umlal) { return d + n * m; }
EL(smlsl) { return d - n * m; }
EL(umlsl) { return d - n * m; }
EL(sqdmull) { return (u64)simd_sqdmull(c, (s64)n, (s64)m, es); }
EL(sqdmlal) { return simd_sat_s(c, (s128)(s64)sext(d, 2 * es) + simd_sqdmull(c, (s64)n, (s64)m, es), 2 * es); }
EL(sqdmlsl) { return simd_sat_s(c, (s128)(s64)sext(d, 2 * es) - simd_sqdmull(c, (s64)n, (s64)m, es), 2 * es); }
EL(pmull8) { return simd_polymul8((u8)n, (u8)m); }

/* n and m hold their narrow operands in the low half; count elements are produced. */
#define LONG(name, S)                                                                                                  \
    static inline union v128 long_##name(struct cpu *c, const union v128 *n, const union v128 *m, const union v128 *d, \
                                         unsigned size, unsigned count)                                                \
    {                                                                                                                  \
        union v128 r = {0};                                                                                            \
        switch (size) {                                                                                                \
        case 0:                                                                                                        \
            for (unsigned i = 0; i < count; i++)                                                                       \
                r.uh[i] = (u16)el_##name(c, (u64)n->S##b[i], (u64)m->S##b[i], d->uh[i], 8);                            \
            break;                                                                                                     \
        case 1:                                                                                                        \
            for (unsigned i = 0; i < count; i++)                                                                       \
                r.uw[i] = (u32)el_##name(c, (u64)n->S##h[i], (u64)m->S##h[i], d->uw[i], 16);                           \
            break;                                                                                                     \
        default:                                                                                                       \
            for (unsigned i = 0; i < count; i++)                                                                       \
                r.ud[i] = el_##name(c, (u64)n->S##w[i], (u64)m->S##w[i], d->ud[i], 32);                                \
            break;                                                                                                     \
        }                                                                                                              \
        return r;                                                                                                      \
    }

static inline union v128 half(const struct cpu *c, unsigned r, bool upper)
{
    return (union v128){.ud = {c->v[r].d[upper], 0}};
}

/* _v vector, _s scalar, _e vector by element, _es scalar by element */
#define LONG_EXEC(name, form, m_expr, upper, count)                                                                    \
    enum step exec_##name##_##form(struct cpu *c, const struct op *o)                                                  \
    {                                                                                                                  \
        SIMD_CHECK(c);                                                                                                 \
        union v128 n = half(c, o->rn, upper), m = m_expr, d = simd_get(c, o->rd);                                      \
        simd_set(c, o->rd, long_##name(c, &n, &m, &d, o->x, count));                                                   \
        return STEP_NEXT;                                                                                              \
    }
#define V(name)  LONG_EXEC(name, v, half(c, o->rm, o->y), o->y, 8u >> o->x)
#define S(name)  LONG_EXEC(name, s, half(c, o->rm, false), false, 1)
#define E(name)  LONG_EXEC(name, e, simd_by_element(c, o), o->y, 8u >> o->x)
#define ES(name) LONG_EXEC(name, es, simd_by_element(c, o), false, 1)

LONG(saddl, s);
V(saddl);
LONG(uaddl, u);
V(uaddl);
LONG(ssubl, s);
V(ssubl);
LONG(usubl, u);
V(usubl);
LONG(sabdl, s);
V(sabdl);
LONG(uabdl, u);
V(uabdl);
LONG(sabal, s);
V(sabal);
LONG(uabal, u);
V(uabal);
LONG(smull, s);
V(smull);
E(smull);
LONG(umull, u);
V(umull);
E(umull);
LONG(smlal, s);
V(smlal);
E(smlal);
LONG(umlal, u);
V(umlal);
E(umlal);
LONG(smlsl, s);
V(smlsl);
E(smlsl);
LONG(umlsl, u);
V(umlsl);
E(umlsl);
LONG(sqdmull, s);
V(sqdmull);
S(sqdmull);
E(sqdmull);
ES(sqdmull);
LONG(sqdmlal, s);
V(sqdmlal);
S(sqdmlal);
E(sqdmlal);
ES(sqdmlal);
LONG(sqdmlsl, s);
V(sqdmlsl);
S(sqdmlsl);
E(sqdmlsl);
ES(sqdmlsl);
LONG(pmull8, u);
V(pmull8);

/* ---- wide: Vd and Vn of twice the width of Vm ----------------------------------------------- */

#define WIDE(name, S, op2)                                                                                             \
    enum step exec_##name##_v(struct cpu *c, const struct op *o)                                                       \
    {                                                                                                                  \
        SIMD_CHECK(c);                                                                                                 \
        union v128 r = {0}, n = simd_get(c, o->rn), m = half(c, o->rm, o->y);                                          \
        for (unsigned i = 0; i < 8u >> o->x; i++) {                                                                    \
            switch (o->x) {                                                                                            \
            case 0: r.uh[i] = (u16)(n.uh[i] op2 m.S##b[i]); break;                                                     \
            case 1: r.uw[i] = (u32)(n.uw[i] op2(u64) m.S##h[i]); break;                                                \
            default: r.ud[i] = n.ud[i] op2(u64) m.S##w[i]; break;                                                      \
            }                                                                                                          \
        }                                                                                                              \
        simd_set(c, o->rd, r);                                                                                         \
        return STEP_NEXT;                                                                                              \
    }
WIDE(saddw, s, +);
WIDE(uaddw, u, +);
WIDE(ssubw, s, -);
WIDE(usubw, u, -);

/* ---- high half: the upper half of each sum or difference ------------------------------------ */

#define HIGH(name, op2, round)                                                                                         \
    enum step exec_##name##_v(struct cpu *c, const struct op *o)                                                       \
    {                                                                                                                  \
        SIMD_CHECK(c);                                                                                                 \
        union v128 r = {0}, n = simd_get(c, o->rn), m = simd_get(c, o->rm);                                            \
        for (unsigned i = 0; i < 8u >> o->x; i++) {                                                                    \
            switch (o->x) {                                                                                            \
            case 0: r.ub[i] = (u8)((n.uh[i] op2 m.uh[i] + (round << 7)) >> 8); break;                                  \
            case 1: r.uh[i] = (u16)((n.uw[i] op2 m.uw[i] + ((u32)round << 15)) >> 16); break;                          \
            default: r.uw[i] = (u32)((n.ud[i] op2 m.ud[i] + ((u64)round << 31)) >> 32); break;                         \
            }                                                                                                          \
        }                                                                                                              \
        u64 *d = c->v[o->rd].d;                                                                                        \
        d[o->y] = r.ud[0];                                                                                             \
        if (!o->y)                                                                                                     \
            d[1] = 0;                                                                                                  \
        return STEP_NEXT;                                                                                              \
    }
HIGH(addhn, +, 0);
HIGH(raddhn, +, 1);
HIGH(subhn, -, 0);
HIGH(rsubhn, -, 1);
