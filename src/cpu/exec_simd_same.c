/* Advanced SIMD "three same" integer instructions, vector and scalar (DDI0487 C4: Advanced SIMD three
 * same, scalar three same, three-register extension): arithmetic, comparisons, maxima, shifts by
 * register, multiplication, pairwise and bitwise operations, dot products and matrix multiplication.
 *
 * Rows give x = size (log2 of the element's bytes), y = Q. Each instruction is an element function
 * el_<name>(c, n, m, d, esize) of extended operands; the result's low bits are stored. */
#include "cpu/exec_simd.h"
#include "cpu/exec_simd_mul.h"
#include "cpu/exec_simd_swar.h"

/* ---- element functions ---------------------------------------------------------------------- */

#define EL(name)                                                                                                       \
    static inline u64 el_##name(struct cpu *c SIMD_UNUSED, u64 n SIMD_UNUSED, u64 m SIMD_UNUSED, u64 d SIMD_UNUSED,    \
                                unsigned es SIMD_UNUSED)

EL(shadd) { return (u64)(((s64)n + (s64)m) >> 1); }
EL(uhadd) { return (n + m) >> 1; }
EL(srhadd) { return (u64)(((s64)n + (s64)m + 1) >> 1); }
EL(urhadd) { return (n + m + 1) >> 1; }
EL(shsub) { return (u64)(((s64)n - (s64)m) >> 1); }
EL(uhsub) { return (u64)(((s64)n - (s64)m) >> 1); }
EL(sqadd) { return simd_sat_s(c, (s128)(s64)n + (s64)m, es); }
EL(uqadd) { return simd_sat_u(c, (s128)n + m, es); }
EL(sqsub) { return simd_sat_s(c, (s128)(s64)n - (s64)m, es); }
EL(uqsub) { return simd_sat_u(c, (s128)n - m, es); }

EL(sabd) { return (s64)n > (s64)m ? n - m : m - n; }
EL(uabd) { return n > m ? n - m : m - n; }
EL(saba) { return d + ((s64)n > (s64)m ? n - m : m - n); }
EL(uaba) { return d + (n > m ? n - m : m - n); }

EL(mul) { return n * m; }
EL(mla) { return d + n * m; }
EL(mls) { return d - n * m; }
EL(pmul) { return simd_polymul8((u8)n, (u8)m); }
EL(sqdmulh) { return simd_sqdmulh(c, (s64)n, (s64)m, es); }
EL(sqrdmulh) { return simd_sqrdmulh(c, (s64)n, (s64)m, es); }
EL(sqrdmlah) { return simd_sqrdmlah(c, (s64)sext(d, es), (s64)n, (s64)m, es); }
EL(sqrdmlsh) { return simd_sqrdmlsh(c, (s64)sext(d, es), (s64)n, (s64)m, es); }

/* Shift by the signed low byte of m: left when positive, else right; n is sign- or zero-extended into
 * val.  Right shifts by more than 64 leave the sign or nothing, and a rounding bit cannot carry in. */
static inline u64 shift_reg(struct cpu *c, s128 val, u64 m, unsigned es, bool is_signed, bool round, bool sat)
{
    int shift = (s8)m;
    if (shift < 0) {
        int r = -shift;
        if (r > 64)
            return round || val >= 0 ? 0 : ~0ull;
        if (round)
            val += (s128)1 << (r - 1);
        return (u64)(val >> r);
    }
    if (shift >= (int)es) {
        if (!sat || val == 0)
            return 0;
        val = val < 0 ? -((s128)1 << es) : (s128)1 << es; /* certainly out of range */
    } else {
        val = (s128)((u128)val << shift);
    }
    if (!sat)
        return (u64)val;
    return is_signed ? simd_sat_s(c, val, es) : simd_sat_u(c, val, es);
}
EL(sshl) { return shift_reg(c, (s64)n, m, es, true, false, false); }
EL(ushl) { return shift_reg(c, n, m, es, false, false, false); }
EL(srshl) { return shift_reg(c, (s64)n, m, es, true, true, false); }
EL(urshl) { return shift_reg(c, n, m, es, false, true, false); }
EL(sqshl) { return shift_reg(c, (s64)n, m, es, true, false, true); }
EL(uqshl) { return shift_reg(c, n, m, es, false, false, true); }
EL(sqrshl) { return shift_reg(c, (s64)n, m, es, true, true, true); }
EL(uqrshl) { return shift_reg(c, n, m, es, false, true, true); }

/* ---- element loops -------------------------------------------------------------------------- */

/* S: s or u, how elements are extended. */
#define SAME(name, S)                                                                                                  \
    static inline union v128 same_##name(struct cpu *c, const union v128 *n, const union v128 *m, const union v128 *d, \
                                         unsigned size, unsigned bytes)                                                \
    {                                                                                                                  \
        union v128 r = {0};                                                                                            \
        switch (size) {                                                                                                \
        case 0:                                                                                                        \
            for (unsigned i = 0; i < bytes; i++)                                                                       \
                r.ub[i] = (u8)el_##name(c, (u64)n->S##b[i], (u64)m->S##b[i], d->ub[i], 8);                             \
            break;                                                                                                     \
        case 1:                                                                                                        \
            for (unsigned i = 0; i < bytes / 2; i++)                                                                   \
                r.uh[i] = (u16)el_##name(c, (u64)n->S##h[i], (u64)m->S##h[i], d->uh[i], 16);                           \
            break;                                                                                                     \
        case 2:                                                                                                        \
            for (unsigned i = 0; i < bytes / 4; i++)                                                                   \
                r.uw[i] = (u32)el_##name(c, (u64)n->S##w[i], (u64)m->S##w[i], d->uw[i], 32);                           \
            break;                                                                                                     \
        default:                                                                                                       \
            for (unsigned i = 0; i < bytes / 8; i++)                                                                   \
                r.ud[i] = el_##name(c, (u64)n->S##d[i], (u64)m->S##d[i], d->ud[i], 64);                                \
            break;                                                                                                     \
        }                                                                                                              \
        return r;                                                                                                      \
    }

/* The exec function of a form: _v vector, _s scalar of any size, _d scalar of 64 bits. */
#define SAME_EXEC(name, form, size, bytes)                                                                             \
    enum step exec_##name##_##form(struct cpu *c, const struct op *o)                                                  \
    {                                                                                                                  \
        SIMD_CHECK(c);                                                                                                 \
        union v128 n = simd_get(c, o->rn), m = simd_get(c, o->rm), d = simd_get(c, o->rd);                             \
        simd_set(c, o->rd, same_##name(c, &n, &m, &d, size, bytes));                                                   \
        return STEP_NEXT;                                                                                              \
    }
#define V(name) SAME_EXEC(name, v, o->x, simd_bytes(o->y))
#define S(name) SAME_EXEC(name, s, o->x, 1u << o->x)
#define D(name) SAME_EXEC(name, d, 3, 8)

/* _e: vector by element, _es: scalar by element */
#define SAME_ELEM(name, form, bytes)                                                                                   \
    enum step exec_##name##_##form(struct cpu *c, const struct op *o)                                                  \
    {                                                                                                                  \
        SIMD_CHECK(c);                                                                                                 \
        union v128 n = simd_get(c, o->rn), m = simd_by_element(c, o), d = simd_get(c, o->rd);                          \
        simd_set(c, o->rd, same_##name(c, &n, &m, &d, o->x, bytes));                                                   \
        return STEP_NEXT;                                                                                              \
    }
#define E(name)  SAME_ELEM(name, e, simd_bytes(o->y))
#define ES(name) SAME_ELEM(name, es, 1u << o->x)

#define SAME_V(name, sign)  SAME(name, sign) V(name)
#define SAME_VD(name, sign) SAME(name, sign) V(name) D(name)
#define SAME_VS(name, sign) SAME(name, sign) V(name) S(name)

SAME_V(shadd, s);
SAME_V(uhadd, u);
SAME_V(srhadd, s);
SAME_V(urhadd, u);
SAME_V(shsub, s);
SAME_V(uhsub, u);
SAME_VS(sqadd, s);
SAME_VS(uqadd, u);
SAME_VS(sqsub, s);
SAME_VS(uqsub, u);
SAME_V(sabd, s);
SAME_V(uabd, u);
SAME_V(saba, s);
SAME_V(uaba, u);
SAME_V(mul, u);
E(mul);
SAME_V(mla, u);
E(mla);
SAME_V(mls, u);
E(mls);
SAME_V(pmul, u);
SAME_VS(sqdmulh, s);
E(sqdmulh);
ES(sqdmulh);
SAME_VS(sqrdmulh, s);
E(sqrdmulh);
ES(sqrdmulh);
SAME_VS(sqrdmlah, s);
E(sqrdmlah);
ES(sqrdmlah);
SAME_VS(sqrdmlsh, s);
E(sqrdmlsh);
ES(sqrdmlsh);
SAME_VD(sshl, s);
SAME_VD(ushl, u);
SAME_VD(srshl, s);
SAME_VD(urshl, u);
SAME_VS(sqshl, s);
SAME_VS(uqshl, u);
SAME_VS(sqrshl, s);
SAME_VS(uqrshl, u);

/* ---- word at a time ------------------------------------------------------------------------- */

/* Vector, and scalar of 64 bits. */
#define WORDS(name)                                                                                                    \
    enum step exec_##name##_v(struct cpu *c, const struct op *o)                                                       \
    {                                                                                                                  \
        SIMD_CHECK(c);                                                                                                 \
        const u64 *n = c->v[o->rn].d, *m = c->v[o->rm].d;                                                              \
        u64 *d = c->v[o->rd].d, low = swar_##name(n[0], m[0], o->x);                                                   \
        d[1] = o->y ? swar_##name(n[1], m[1], o->x) : 0;                                                               \
        d[0] = low;                                                                                                    \
        return STEP_NEXT;                                                                                              \
    }
#define WORD_D(name)                                                                                                   \
    enum step exec_##name##_d(struct cpu *c, const struct op *o)                                                       \
    {                                                                                                                  \
        SIMD_CHECK(c);                                                                                                 \
        u64 v = swar_##name(c->v[o->rn].d[0], c->v[o->rm].d[0], 3);                                                    \
        simd_set(c, o->rd, (union v128){.ud = {v, 0}});                                                                \
        return STEP_NEXT;                                                                                              \
    }
/* Pairwise: element i of the result comes from elements 2i and 2i + 1 of m:n. */
#define PAIRWISE(insn, name)                                                                                           \
    enum step exec_##insn##_v(struct cpu *c, const struct op *o)                                                       \
    {                                                                                                                  \
        SIMD_CHECK(c);                                                                                                 \
        const u64 *n = c->v[o->rn].d, *m = c->v[o->rm].d;                                                              \
        u64 lo, hi = 0;                                                                                                \
        if (!o->y) {                                                                                                   \
            lo = swar_##name(evens(n[0], m[0], o->x), odds(n[0], m[0], o->x), o->x);                                   \
        } else {                                                                                                       \
            lo = swar_##name(evens(n[0], n[1], o->x), odds(n[0], n[1], o->x), o->x);                                   \
            hi = swar_##name(evens(m[0], m[1], o->x), odds(m[0], m[1], o->x), o->x);                                   \
        }                                                                                                              \
        simd_set(c, o->rd, (union v128){.ud = {lo, hi}});                                                              \
        return STEP_NEXT;                                                                                              \
    }
static inline u64 evens(u64 a, u64 b, unsigned size)
{
    return size == 3 ? a : swar_even(a, size) | swar_even(b, size) << 32;
}
static inline u64 odds(u64 a, u64 b, unsigned size)
{
    return size == 3 ? b : swar_even(a >> (8 << size), size) | swar_even(b >> (8 << size), size) << 32;
}

WORDS(add);
WORD_D(add);
PAIRWISE(addp, add);
WORDS(sub);
WORD_D(sub);
WORDS(cmgt);
WORD_D(cmgt);
WORDS(cmge);
WORD_D(cmge);
WORDS(cmhi);
WORD_D(cmhi);
WORDS(cmhs);
WORD_D(cmhs);
WORDS(cmeq);
WORD_D(cmeq);
WORDS(cmtst);
WORD_D(cmtst);
WORDS(smax);
PAIRWISE(smaxp, smax);
WORDS(smin);
PAIRWISE(sminp, smin);
WORDS(umax);
PAIRWISE(umaxp, umax);
WORDS(umin);
PAIRWISE(uminp, umin);

/* ADDP (scalar). */
enum step exec_addp_d(struct cpu *c, const struct op *o)
{
    SIMD_CHECK(c);
    union v128 n = simd_get(c, o->rn);
    simd_set(c, o->rd, (union v128){.ud = {n.ud[0] + n.ud[1], 0}});
    return STEP_NEXT;
}

/* ---- bitwise -------------------------------------------------------------------------------- */

#define BITWISE(name, expr)                                                                                            \
    enum step exec_##name##_v(struct cpu *c, const struct op *o)                                                       \
    {                                                                                                                  \
        SIMD_CHECK(c);                                                                                                 \
        const u64 *vn = c->v[o->rn].d, *vm = c->v[o->rm].d;                                                            \
        u64 *vd = c->v[o->rd].d, n = vn[0], m = vm[0], d SIMD_UNUSED = vd[0];                                          \
        u64 low = expr;                                                                                                \
        n = vn[1], m = vm[1], d = vd[1];                                                                               \
        vd[0] = low;                                                                                                   \
        vd[1] = o->y ? expr : 0;                                                                                       \
        return STEP_NEXT;                                                                                              \
    }
BITWISE(and, n &m);
BITWISE(bic, n & ~m);
BITWISE(orr, n | m);
BITWISE(orn, n | ~m);
BITWISE(eor, n ^ m);
BITWISE(bsl, (n & d) | (m & ~d))
BITWISE(bit, (n & m) | (d & ~m))
BITWISE(bif, (n & ~m) | (d & m))

/* ---- dot products and matrix multiplication ------------------------------------------------- */

/* By element: imm = L:H, the index of the four bytes. */
#define DOT(name, n_signed, m_signed)                                                                                  \
    enum step exec_##name##_v(struct cpu *c, const struct op *o)                                                       \
    {                                                                                                                  \
        SIMD_CHECK(c);                                                                                                 \
        union v128 m = simd_get(c, o->rm);                                                                             \
        simd_set(c, o->rd, simd_dot(c, o->rd, o->rn, &m, simd_bytes(o->y), n_signed, m_signed));                       \
        return STEP_NEXT;                                                                                              \
    }
#define DOT_E(name, n_signed, m_signed)                                                                                \
    enum step exec_##name##_e(struct cpu *c, const struct op *o)                                                       \
    {                                                                                                                  \
        SIMD_CHECK(c);                                                                                                 \
        union v128 m = simd_dup(2, simd_elem(c, o->rm, 2, (unsigned)((o->imm & 1) << 1 | o->imm >> 1)));               \
        simd_set(c, o->rd, simd_dot(c, o->rd, o->rn, &m, simd_bytes(o->y), n_signed, m_signed));                       \
        return STEP_NEXT;                                                                                              \
    }
DOT(sdot, true, true);
DOT(udot, false, false);
DOT(usdot, false, true);
DOT_E(sdot, true, true);
DOT_E(udot, false, false);
DOT_E(usdot, false, true);
DOT_E(sudot, true, false);

/* MatMulAdd: 2x2 sums of 8-element products of n's and m's rows. */
static enum step matmul(struct cpu *c, const struct op *o, bool n_signed, bool m_signed)
{
    SIMD_CHECK(c);
    union v128 r = simd_get(c, o->rd), n = simd_get(c, o->rn), m = simd_get(c, o->rm);
    for (unsigned i = 0; i < 2; i++)
        for (unsigned j = 0; j < 2; j++)
            for (unsigned k = 0; k < 8; k++) {
                int a = n_signed ? n.sb[8 * i + k] : n.ub[8 * i + k];
                int b = m_signed ? m.sb[8 * j + k] : m.ub[8 * j + k];
                r.uw[2 * i + j] += (u32)(a * b);
            }
    simd_set(c, o->rd, r);
    return STEP_NEXT;
}
enum step exec_smmla_v(struct cpu *c, const struct op *o) { return matmul(c, o, true, true); }
enum step exec_ummla_v(struct cpu *c, const struct op *o) { return matmul(c, o, false, false); }
enum step exec_usmmla_v(struct cpu *c, const struct op *o) { return matmul(c, o, false, true); }
