/* Advanced SIMD moves and permutations (DDI0487 C4: copy, modified immediate, permute, extract, table
 * look-up; scalar copy).
 *
 * x and y are said at each group; where an element index is i, the row's size is fixed by its name. */
#include "cpu/exec_simd.h"
#include "cpu/exec_simd_swar.h"

/* ---- copy ----------------------------------------------------------------------------------- */

/* DUP from an element, vector (x = index, y = Q, which is 1 for 2D) and scalar, and from a general register. */
#define DUP(name, size)                                                                                                \
    enum step exec_dup_v##name(struct cpu *c, const struct op *o)                                                      \
    {                                                                                                                  \
        SIMD_CHECK(c);                                                                                                 \
        union v128 r = simd_dup(size, simd_elem(c, o->rn, size, o->x));                                                \
        if (size < 3 && !o->y)                                                                                         \
            r.ud[1] = 0;                                                                                               \
        simd_set(c, o->rd, r);                                                                                         \
        return STEP_NEXT;                                                                                              \
    }                                                                                                                  \
    enum step exec_dup_s##name(struct cpu *c, const struct op *o)                                                      \
    {                                                                                                                  \
        SIMD_CHECK(c);                                                                                                 \
        u64 v = simd_elem(c, o->rn, size, o->x);                                                                       \
        simd_set(c, o->rd, (union v128){.ud = {v, 0}});                                                                \
        return STEP_NEXT;                                                                                              \
    }                                                                                                                  \
    enum step exec_dup_r##name(struct cpu *c, const struct op *o)                                                      \
    {                                                                                                                  \
        SIMD_CHECK(c);                                                                                                 \
        union v128 r = simd_dup(size, c->x[o->rn]);                                                                    \
        if (size < 3 && !o->y)                                                                                         \
            r.ud[1] = 0;                                                                                               \
        simd_set(c, o->rd, r);                                                                                         \
        return STEP_NEXT;                                                                                              \
    }
DUP(b, 0);
DUP(h, 1);
DUP(s, 2);
DUP(d, 3);

/* INS from a general register (x = index) and from an element (x to, y from); UMOV and SMOV. */
#define INS(name, f, size, T)                                                                                          \
    enum step exec_ins_r##name(struct cpu *c, const struct op *o)                                                      \
    {                                                                                                                  \
        SIMD_CHECK(c);                                                                                                 \
        c->v[o->rd].f[o->x] = (T)c->x[o->rn];                                                                          \
        return STEP_NEXT;                                                                                              \
    }                                                                                                                  \
    enum step exec_ins_v##name(struct cpu *c, const struct op *o)                                                      \
    {                                                                                                                  \
        SIMD_CHECK(c);                                                                                                 \
        c->v[o->rd].f[o->x] = c->v[o->rn].f[o->y];                                                                     \
        return STEP_NEXT;                                                                                              \
    }                                                                                                                  \
    enum step exec_umov_##name(struct cpu *c, const struct op *o)                                                      \
    {                                                                                                                  \
        SIMD_CHECK(c);                                                                                                 \
        c->x[o->rd] = c->v[o->rn].f[o->x];                                                                             \
        return STEP_NEXT;                                                                                              \
    }
INS(b, b, 0, u8);
INS(h, h, 1, u16);
INS(s, s, 2, u32);
INS(d, d, 3, u64);

#define SMOV(name, f, bits, mask)                                                                                      \
    enum step exec_smov_##name(struct cpu *c, const struct op *o)                                                      \
    {                                                                                                                  \
        SIMD_CHECK(c);                                                                                                 \
        c->x[o->rd] = sext(c->v[o->rn].f[o->x], bits) & mask;                                                          \
        return STEP_NEXT;                                                                                              \
    }
SMOV(wb, b, 8, 0xffffffff);
SMOV(wh, h, 16, 0xffffffff);
SMOV(xb, b, 8, ~0ull);
SMOV(xh, h, 16, ~0ull);
SMOV(xs, s, 32, ~0ull);

/* ---- modified immediate --------------------------------------------------------------------- */

/* AdvSIMDExpandImm in parts: imm = abcdefgh, x = the shift field of cmode, y = Q. */
static inline u64 imm_s(const struct op *o) { return (o->imm << 8 * o->x) * 0x0000000100000001ull; }
static inline u64 imm_h(const struct op *o) { return (o->imm << 8 * o->x) * 0x0001000100010001ull; }
static inline u64 imm_msl(const struct op *o)
{
    unsigned s = o->x ? 16 : 8;
    return (o->imm << s | ones(s)) * 0x0000000100000001ull;
}
static inline u64 imm_b(const struct op *o) { return o->imm * 0x0101010101010101ull; }

#define MOVE_IMM(name, expr)                                                                                           \
    enum step exec_##name(struct cpu *c, const struct op *o)                                                           \
    {                                                                                                                  \
        SIMD_CHECK(c);                                                                                                 \
        u64 v = expr, *d = c->v[o->rd].d;                                                                              \
        d[0] = v;                                                                                                      \
        d[1] = o->y ? v : 0;                                                                                           \
        return STEP_NEXT;                                                                                              \
    }
MOVE_IMM(movi_s, imm_s(o))
MOVE_IMM(movi_h, imm_h(o))
MOVE_IMM(movi_msl, imm_msl(o))
MOVE_IMM(movi_b, imm_b(o))
MOVE_IMM(mvni_s, ~imm_s(o))
MOVE_IMM(mvni_h, ~imm_h(o))
MOVE_IMM(mvni_msl, ~imm_msl(o))
/* FMOV (vector, immediate): the row's rule expands it. */
MOVE_IMM(fmov_vimm_h, o->imm * 0x0001000100010001ull);
MOVE_IMM(fmov_vimm_s, o->imm * 0x0000000100000001ull);

enum step exec_fmov_vimm_d(struct cpu *c, const struct op *o)
{
    SIMD_CHECK(c);
    c->v[o->rd].d[0] = c->v[o->rd].d[1] = o->imm;
    return STEP_NEXT;
}

/* MOVI with 64 bits: each bit of imm becomes a byte. */
enum step exec_movi_d(struct cpu *c, const struct op *o)
{
    SIMD_CHECK(c);
    u64 v = 0, *d = c->v[o->rd].d;
    for (unsigned i = 0; i < 8; i++)
        if (bit(o->imm, i))
            v |= 0xffull << 8 * i;
    d[0] = v;
    d[1] = o->y ? v : 0;
    return STEP_NEXT;
}

#define LOGIC_IMM(name, how, expr)                                                                                     \
    enum step exec_##name(struct cpu *c, const struct op *o)                                                           \
    {                                                                                                                  \
        SIMD_CHECK(c);                                                                                                 \
        u64 v = expr, *d = c->v[o->rd].d;                                                                              \
        d[0] = d[0] how v;                                                                                             \
        d[1] = o->y ? d[1] how v : 0;                                                                                  \
        return STEP_NEXT;                                                                                              \
    }
LOGIC_IMM(orr_imm_s, |, imm_s(o))
LOGIC_IMM(orr_imm_h, |, imm_h(o))
LOGIC_IMM(bic_imm_s, &, ~imm_s(o))
LOGIC_IMM(bic_imm_h, &, ~imm_h(o))

/* ---- permute: x = size, y = Q --------------------------------------------------------------- */

/* Each result word from the four (two) words of the operands; words of 64-bit lanes only move. */
static inline u64 uzp(u64 a, u64 b, unsigned size, unsigned part)
{
    unsigned s = part ? 8u << size : 0;
    return swar_even(a >> s, size) | swar_even(b >> s, size) << 32;
}
static inline u64 trn(u64 n, u64 m, unsigned size, unsigned part)
{
    unsigned s = 8u << size;
    u64 even = swar_low(size + 1) * ones(s);
    return part ? (n >> s & even) | (m & ~even) : (n & even) | (m & even) << s;
}
/* n and m: the halves to interleave, in the low 32 bits */
static inline u64 zip(u64 n, u64 m, unsigned size)
{
    return swar_spread(n, size) | swar_spread(m, size) << (8u << size);
}

static inline union v128 do_uzp(const u64 n[2], const u64 m[2], const struct op *o, unsigned part)
{
    if (o->x == 3)
        return (union v128){.ud = {n[part], m[part]}};
    if (!o->y)
        return (union v128){.ud = {uzp(n[0], m[0], o->x, part), 0}};
    return (union v128){.ud = {uzp(n[0], n[1], o->x, part), uzp(m[0], m[1], o->x, part)}};
}
static inline union v128 do_trn(const u64 n[2], const u64 m[2], const struct op *o, unsigned part)
{
    if (o->x == 3)
        return (union v128){.ud = {n[part], m[part]}};
    return (union v128){.ud = {trn(n[0], m[0], o->x, part), o->y ? trn(n[1], m[1], o->x, part) : 0}};
}
static inline union v128 do_zip(const u64 n[2], const u64 m[2], const struct op *o, unsigned part)
{
    if (o->x == 3)
        return (union v128){.ud = {n[part], m[part]}};
    if (!o->y)
        return (union v128){.ud = {zip(n[0] >> 32 * part, m[0] >> 32 * part, o->x), 0}};
    u64 a = n[part], b = m[part];
    return (union v128){.ud = {zip(a, b, o->x), zip(a >> 32, b >> 32, o->x)}};
}
#define PERMUTE(name, what, part)                                                                                      \
    enum step exec_##name##_v(struct cpu *c, const struct op *o)                                                       \
    {                                                                                                                  \
        SIMD_CHECK(c);                                                                                                 \
        simd_set(c, o->rd, what(c->v[o->rn].d, c->v[o->rm].d, o, part));                                               \
        return STEP_NEXT;                                                                                              \
    }
PERMUTE(uzp1, do_uzp, 0);
PERMUTE(uzp2, do_uzp, 1);
PERMUTE(trn1, do_trn, 0);
PERMUTE(trn2, do_trn, 1);
PERMUTE(zip1, do_zip, 0);
PERMUTE(zip2, do_zip, 1);

/* EXT: imm = first byte, y = Q. */
enum step exec_ext_v(struct cpu *c, const struct op *o)
{
    SIMD_CHECK(c);
    u64 n0 = c->v[o->rn].d[0], n1 = c->v[o->rn].d[1], m0 = c->v[o->rm].d[0], m1 = c->v[o->rm].d[1];
    unsigned s = 8 * (o->imm & 7);
    u64 *d = c->v[o->rd].d;
    if (!o->y) {
        d[0] = s ? n0 >> s | m0 << (64 - s) : n0;
        d[1] = 0;
        return STEP_NEXT;
    }
    if (o->imm & 8)
        n0 = n1, n1 = m0, m0 = m1;
    d[0] = s ? n0 >> s | n1 << (64 - s) : n0;
    d[1] = s ? n1 >> s | m0 << (64 - s) : n1;
    return STEP_NEXT;
}

/* ---- table look-up: x = registers - 1, y = Q ------------------------------------------------ */

static inline enum step table(struct cpu *c, const struct op *o, union v128 r)
{
    u8 bytes[64];
    unsigned n = (unsigned)(o->x + 1) * 16;
    union v128 idx = simd_get(c, o->rm);
    for (unsigned k = 0; k <= o->x; k++) {
        union v128 t = simd_get(c, (o->rn + k) & 31);
        __builtin_memcpy(bytes + 16 * k, t.ub, 16);
    }
    for (unsigned i = 0; i < simd_bytes(o->y); i++)
        if (idx.ub[i] < n)
            r.ub[i] = bytes[idx.ub[i]];
    if (!o->y)
        r.ud[1] = 0;
    simd_set(c, o->rd, r);
    return STEP_NEXT;
}
enum step exec_tbl_v(struct cpu *c, const struct op *o)
{
    SIMD_CHECK(c);
    return table(c, o, (union v128){0});
}
enum step exec_tbx_v(struct cpu *c, const struct op *o)
{
    SIMD_CHECK(c);
    return table(c, o, simd_get(c, o->rd));
}
