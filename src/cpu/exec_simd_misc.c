/* Advanced SIMD two-register miscellaneous and across-lanes integer instructions, vector and scalar
 * (DDI0487 C4): reversals, counts, comparisons with zero, absolute values, narrowing moves, pairwise
 * widening adds, reciprocal estimates of integers, sums and extremes of a vector.
 *
 * Rows give x = size (of the narrow element where sizes differ), y = Q. */
#include "cpu/exec_simd.h"
#include "cpu/exec_simd_swar.h"

/* ---- element by element --------------------------------------------------------------------- */

#define EL(name)                                                                                                       \
    static inline u64 el_##name(struct cpu *c SIMD_UNUSED, u64 n SIMD_UNUSED, u64 d SIMD_UNUSED,                       \
                                unsigned es SIMD_UNUSED)

EL(abs) { return (s64)n < 0 ? 0 - n : n; }
EL(sqabs) { return simd_sat_s(c, (s64)n < 0 ? -(s128)(s64)n : (s128)(s64)n, es); }
EL(sqneg) { return simd_sat_s(c, -(s128)(s64)n, es); }
EL(suqadd) { return simd_sat_s(c, (s128)(s64)sext(d, es) + n, es); } /* n unsigned */
EL(usqadd) { return simd_sat_u(c, (s128)d + (s64)n, es); }           /* n signed */
EL(clz) { return n ? (u64)__builtin_clzll(n) - (64 - es) : es; }
EL(cls) { return (u64)__builtin_clrsbll((long long)n) - (64 - es); } /* n sign-extended */

#define MISC(name, S)                                                                                                  \
    static inline union v128 misc_##name(struct cpu *c, const union v128 *n, const union v128 *d, unsigned size,       \
                                         unsigned bytes)                                                               \
    {                                                                                                                  \
        union v128 r = {0};                                                                                            \
        switch (size) {                                                                                                \
        case 0:                                                                                                        \
            for (unsigned i = 0; i < bytes; i++)                                                                       \
                r.ub[i] = (u8)el_##name(c, (u64)n->S##b[i], d->ub[i], 8);                                              \
            break;                                                                                                     \
        case 1:                                                                                                        \
            for (unsigned i = 0; i < bytes / 2; i++)                                                                   \
                r.uh[i] = (u16)el_##name(c, (u64)n->S##h[i], d->uh[i], 16);                                            \
            break;                                                                                                     \
        case 2:                                                                                                        \
            for (unsigned i = 0; i < bytes / 4; i++)                                                                   \
                r.uw[i] = (u32)el_##name(c, (u64)n->S##w[i], d->uw[i], 32);                                            \
            break;                                                                                                     \
        default:                                                                                                       \
            for (unsigned i = 0; i < bytes / 8; i++)                                                                   \
                r.ud[i] = el_##name(c, (u64)n->S##d[i], d->ud[i], 64);                                                 \
            break;                                                                                                     \
        }                                                                                                              \
        return r;                                                                                                      \
    }
#define MISC_EXEC(name, form, size, bytes)                                                                             \
    enum step exec_##name##_##form(struct cpu *c, const struct op *o)                                                  \
    {                                                                                                                  \
        SIMD_CHECK(c);                                                                                                 \
        union v128 n = simd_get(c, o->rn), d = simd_get(c, o->rd);                                                     \
        simd_set(c, o->rd, misc_##name(c, &n, &d, size, bytes));                                                       \
        return STEP_NEXT;                                                                                              \
    }
#define V(name) MISC_EXEC(name, v, o->x, simd_bytes(o->y))
#define S(name) MISC_EXEC(name, s, o->x, 1u << o->x)
#define D(name) MISC_EXEC(name, d, 3, 8)

#define MISC_V(name, sign)  MISC(name, sign) V(name)
#define MISC_VD(name, sign) MISC(name, sign) V(name) D(name)
#define MISC_VS(name, sign) MISC(name, sign) V(name) S(name)

MISC_VD(abs, s);
MISC_VS(sqabs, s);
MISC_VS(sqneg, s);
MISC_VS(suqadd, u);
MISC_VS(usqadd, s);
MISC_V(clz, u);
MISC_V(cls, s);

/* ---- whole words: y = Q --------------------------------------------------------------------- */

static inline u64 rev16(u64 v) { return (v >> 8 & 0x00ff00ff00ff00ffull) | (v & 0x00ff00ff00ff00ffull) << 8; }
static inline u64 rev32(u64 v) { return (v >> 16 & 0x0000ffff0000ffffull) | (v & 0x0000ffff0000ffffull) << 16; }
static inline u64 swap32(u64 v) { return v >> 32 | v << 32; }

static inline u64 do_rev16(u64 v, unsigned size SIMD_UNUSED) { return rev16(v); }
static inline u64 do_rev32(u64 v, unsigned size) { return rev32(size == 0 ? rev16(v) : v); }
static inline u64 do_rev64(u64 v, unsigned size)
{
    if (size == 2)
        return swap32(v);
    return swap32(do_rev32(v, size));
}
static inline u64 do_not(u64 v, unsigned size SIMD_UNUSED) { return ~v; }
static inline u64 do_rbit(u64 v, unsigned size SIMD_UNUSED)
{
    v = (v >> 1 & 0x5555555555555555ull) | (v & 0x5555555555555555ull) << 1;
    v = (v >> 2 & 0x3333333333333333ull) | (v & 0x3333333333333333ull) << 2;
    return (v >> 4 & 0x0f0f0f0f0f0f0f0full) | (v & 0x0f0f0f0f0f0f0f0full) << 4;
}
static inline u64 do_cnt(u64 v, unsigned size SIMD_UNUSED)
{
    v -= v >> 1 & 0x5555555555555555ull;
    v = (v & 0x3333333333333333ull) + (v >> 2 & 0x3333333333333333ull);
    return (v + (v >> 4)) & 0x0f0f0f0f0f0f0f0full;
}

static inline u64 do_cmgt_z(u64 v, unsigned size) { return swar_cmgt(v, 0, size); }
static inline u64 do_cmge_z(u64 v, unsigned size) { return swar_cmge(v, 0, size); }
static inline u64 do_cmeq_z(u64 v, unsigned size) { return ~swar_nonzero(v, size); }
static inline u64 do_cmle_z(u64 v, unsigned size) { return swar_cmge(0, v, size); }
static inline u64 do_cmlt_z(u64 v, unsigned size) { return swar_fill(v & swar_high(size), size); }
static inline u64 do_neg(u64 v, unsigned size) { return swar_sub(0, v, size); }

#define WORDWISE_D(name)                                                                                               \
    enum step exec_##name##_d(struct cpu *c, const struct op *o)                                                       \
    {                                                                                                                  \
        SIMD_CHECK(c);                                                                                                 \
        u64 v = do_##name(c->v[o->rn].d[0], 3);                                                                        \
        simd_set(c, o->rd, (union v128){.ud = {v, 0}});                                                                \
        return STEP_NEXT;                                                                                              \
    }
#define WORDWISE(name)                                                                                                 \
    enum step exec_##name##_v(struct cpu *c, const struct op *o)                                                       \
    {                                                                                                                  \
        SIMD_CHECK(c);                                                                                                 \
        const u64 *n = c->v[o->rn].d;                                                                                  \
        u64 *d = c->v[o->rd].d;                                                                                        \
        d[0] = do_##name(n[0], o->x);                                                                                  \
        d[1] = o->y ? do_##name(n[1], o->x) : 0;                                                                       \
        return STEP_NEXT;                                                                                              \
    }
WORDWISE(rev16);
WORDWISE(rev32);
WORDWISE(rev64);
WORDWISE(not );
WORDWISE(rbit);
WORDWISE(cnt);
WORDWISE(cmgt_z);
WORDWISE_D(cmgt_z);
WORDWISE(cmge_z);
WORDWISE_D(cmge_z);
WORDWISE(cmeq_z);
WORDWISE_D(cmeq_z);
WORDWISE(cmle_z);
WORDWISE_D(cmle_z);
WORDWISE(cmlt_z);
WORDWISE_D(cmlt_z);
WORDWISE(neg);
WORDWISE_D(neg);

/* ---- narrowing moves ------------------------------------------------------------------------ */

static inline u64 nar_sqxtn(struct cpu *c, u64 n, unsigned es) { return simd_sat_s(c, (s64)n, es); }
static inline u64 nar_uqxtn(struct cpu *c, u64 n, unsigned es) { return simd_sat_u(c, n, es); }
static inline u64 nar_sqxtun(struct cpu *c, u64 n, unsigned es) { return simd_sat_u(c, (s64)n, es); }

/* n elements of 16 << size bits become 8 << size. */
#define NARROW(name, S)                                                                                                \
    static inline u64 narrow_##name(struct cpu *c, const union v128 *n, unsigned size, unsigned count)                 \
    {                                                                                                                  \
        union v128 r = {0};                                                                                            \
        for (unsigned i = 0; i < count; i++) {                                                                         \
            if (size == 0)                                                                                             \
                r.ub[i] = (u8)nar_##name(c, (u64)n->S##h[i], 8);                                                       \
            else if (size == 1)                                                                                        \
                r.uh[i] = (u16)nar_##name(c, (u64)n->S##w[i], 16);                                                     \
            else                                                                                                       \
                r.uw[i] = (u32)nar_##name(c, (u64)n->S##d[i], 32);                                                     \
        }                                                                                                              \
        return r.ud[0];                                                                                                \
    }                                                                                                                  \
    enum step exec_##name##_v(struct cpu *c, const struct op *o)                                                       \
    {                                                                                                                  \
        SIMD_CHECK(c);                                                                                                 \
        union v128 n = simd_get(c, o->rn);                                                                             \
        u64 v = narrow_##name(c, &n, o->x, 8u >> o->x), *d = c->v[o->rd].d;                                            \
        if (o->y) {                                                                                                    \
            d[1] = v;                                                                                                  \
        } else {                                                                                                       \
            d[0] = v;                                                                                                  \
            d[1] = 0;                                                                                                  \
        }                                                                                                              \
        return STEP_NEXT;                                                                                              \
    }
#define NARROW_S(name)                                                                                                 \
    enum step exec_##name##_s(struct cpu *c, const struct op *o)                                                       \
    {                                                                                                                  \
        SIMD_CHECK(c);                                                                                                 \
        union v128 n = simd_get(c, o->rn);                                                                             \
        simd_set(c, o->rd, (union v128){.ud = {narrow_##name(c, &n, o->x, 1), 0}});                                    \
        return STEP_NEXT;                                                                                              \
    }
NARROW(sqxtn, s);
NARROW_S(sqxtn);
NARROW(uqxtn, u);
NARROW_S(uqxtn);
NARROW(sqxtun, s);
NARROW_S(sqxtun);

/* XTN. */
enum step exec_xtn_v(struct cpu *c, const struct op *o)
{
    SIMD_CHECK(c);
    const u64 *n = c->v[o->rn].d;
    u64 v = swar_even(n[0], o->x) | swar_even(n[1], o->x) << 32, *d = c->v[o->rd].d;
    d[o->y] = v;
    if (!o->y)
        d[1] = 0;
    return STEP_NEXT;
}

/* SHLL: widens and shifts by the element size. */
enum step exec_shll_v(struct cpu *c, const struct op *o)
{
    SIMD_CHECK(c);
    union v128 r = {0};
    const union vreg *n = &c->v[o->rn];
    u64 half = n->d[o->y];
    for (unsigned i = 0; i < 8u >> o->x; i++) {
        switch (o->x) {
        case 0: r.uh[i] = (u16)((half >> 8 * i & 0xff) << 8); break;
        case 1: r.uw[i] = (u32)((half >> 16 * i & 0xffff) << 16); break;
        default: r.ud[i] = (half >> 32 * i & 0xffffffff) << 32; break;
        }
    }
    simd_set(c, o->rd, r);
    return STEP_NEXT;
}

/* ---- pairwise widening adds: SADDLP, UADDLP, SADALP, UADALP --------------------------------- */

#define ADDLP(name, S, acc)                                                                                            \
    enum step exec_##name##_v(struct cpu *c, const struct op *o)                                                       \
    {                                                                                                                  \
        SIMD_CHECK(c);                                                                                                 \
        union v128 r = {0}, n = simd_get(c, o->rn), d SIMD_UNUSED = simd_get(c, o->rd);                                \
        for (unsigned i = 0; i < simd_bytes(o->y) >> (o->x + 1); i++) {                                                \
            switch (o->x) {                                                                                            \
            case 0: r.uh[i] = (u16)((acc ? d.uh[i] : 0) + n.S##b[2 * i] + n.S##b[2 * i + 1]); break;                   \
            case 1: r.uw[i] = (acc ? d.uw[i] : 0) + (u32)(n.S##h[2 * i] + n.S##h[2 * i + 1]); break;                   \
            default: r.ud[i] = (acc ? d.ud[i] : 0) + (u64)n.S##w[2 * i] + (u64)n.S##w[2 * i + 1]; break;               \
            }                                                                                                          \
        }                                                                                                              \
        simd_set(c, o->rd, r);                                                                                         \
        return STEP_NEXT;                                                                                              \
    }
ADDLP(saddlp, s, 0);
ADDLP(uaddlp, u, 0);
ADDLP(sadalp, s, 1);
ADDLP(uadalp, u, 1);

/* ---- integer estimates: URECPE, URSQRTE (y = Q) --------------------------------------------- */

/* UnsignedRecipEstimate: the table look-up of the architecture, computed. */
static u32 recip_estimate(u32 v)
{
    if (!(v >> 31))
        return ~0u;
    unsigned a = v >> 23; /* 256..511 */
    a = a * 2 + 1;
    unsigned b = (1u << 19) / a;
    return (b + 1) / 2 << 23;
}

/* UnsignedRSqrtEstimate; RecipSqrtEstimate of the pseudocode on the top nine bits. */
static u32 rsqrt_estimate(u32 v)
{
    if (v < 0x40000000)
        return ~0u;
    unsigned a = v >> 23; /* 128..511 */
    if (a < 256)
        a = a * 2 + 1;
    else
        a = (a >> 1 << 1) * 2 + 2;
    unsigned b = 512;
    while (a * (b + 1) * (b + 1) < 1u << 28)
        b++;
    return (b + 1) / 2 << 23;
}

#define ESTIMATE(name, f)                                                                                              \
    enum step exec_##name##_v(struct cpu *c, const struct op *o)                                                       \
    {                                                                                                                  \
        SIMD_CHECK(c);                                                                                                 \
        union v128 r = {0}, n = simd_get(c, o->rn);                                                                    \
        for (unsigned i = 0; i < (o->y ? 4 : 2); i++)                                                                  \
            r.uw[i] = f(n.uw[i]);                                                                                      \
        simd_set(c, o->rd, r);                                                                                         \
        return STEP_NEXT;                                                                                              \
    }
ESTIMATE(urecpe, recip_estimate);
ESTIMATE(ursqrte, rsqrt_estimate);

/* ---- across lanes --------------------------------------------------------------------------- */

#define ACROSS(name, S, RT, wide, EXPR)                                                                                \
    enum step exec_##name##_v(struct cpu *c, const struct op *o)                                                       \
    {                                                                                                                  \
        SIMD_CHECK(c);                                                                                                 \
        union v128 v = simd_get(c, o->rn);                                                                             \
        unsigned count = simd_bytes(o->y) >> o->x;                                                                     \
        RT r = o->x == 0 ? (RT)v.S##b[0] : o->x == 1 ? (RT)v.S##h[0] : (RT)v.S##w[0];                                  \
        for (unsigned i = 1; i < count; i++) {                                                                         \
            RT n = o->x == 0 ? (RT)v.S##b[i] : o->x == 1 ? (RT)v.S##h[i] : (RT)v.S##w[i];                              \
            r = EXPR;                                                                                                  \
        }                                                                                                              \
        u64 out = (u64)r & ones(8u << (o->x + wide));                                                                  \
        simd_set(c, o->rd, (union v128){.ud = {out, 0}});                                                              \
        return STEP_NEXT;                                                                                              \
    }
ACROSS(saddlv, s, s64, 1, r + n);
ACROSS(uaddlv, u, u64, 1, r + n);

/* Folds the lanes of a word into its lowest. */
#define FOLD(insn, name)                                                                                               \
    enum step exec_##insn##_v(struct cpu *c, const struct op *o)                                                       \
    {                                                                                                                  \
        SIMD_CHECK(c);                                                                                                 \
        u64 v = c->v[o->rn].d[0];                                                                                      \
        if (o->y)                                                                                                      \
            v = swar_##name(v, c->v[o->rn].d[1], o->x);                                                                \
        for (unsigned s = 32; s >= 8u << o->x; s /= 2)                                                                 \
            v = swar_##name(v, v >> s, o->x);                                                                          \
        simd_set(c, o->rd, (union v128){.ud = {v & ones(8u << o->x), 0}});                                             \
        return STEP_NEXT;                                                                                              \
    }
FOLD(addv, add);
FOLD(smaxv, smax);
FOLD(sminv, smin);
FOLD(umaxv, umax);
FOLD(uminv, umin);
