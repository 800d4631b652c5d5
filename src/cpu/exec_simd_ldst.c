/* Loads and stores of SIMD and FP registers (DDI0487 C7.2: LDR, STR, LDP, STP, LD1-LD4, ST1-ST4, LD1R-LD4R
 * and their unscaled, non-temporal, literal and write-back forms).
 *
 * Not modelled: the non-temporal hint of LDNP and STNP; the order of a structure's element accesses is
 * ascending (the architecture leaves it open).
 *
 * Invariants: a load that faults leaves the register file and the base unchanged: everything is read
 * before anything is written.  A store that faults half-way may have written memory, never the base. */
#include <string.h>

#include "cpu/exec_simd.h"
#include "cpu/exec_util.h"
#include "cpu/mem.h"

/* ---- one register --------------------------------------------------------------------------- */

/* MTE: an access is tag-checked unless it is [SP{, #imm}] without write-back. */
static inline unsigned kind_imm(const struct op *o, bool wback)
{
    return wback || o->rn != REG_SP ? MEM_TAGCHK : MEM_NORMAL;
}

/* Q accesses are single accesses of 16 bytes: where alignment is checked, eight will not do, which is
 * all that the inline path looks at. */
static inline bool q_read(struct cpu *c, u64 va, unsigned kind, u64 v[2])
{
    if (UNLIKELY(va & 15) && c->exact_align)
        return mem_read16_slow(c, va, kind, v);
    return mem_read16(c, va, kind, v);
}
static inline bool q_write(struct cpu *c, u64 va, unsigned kind, const u64 v[2])
{
    if (UNLIKELY(va & 15) && c->exact_align)
        return mem_write16_slow(c, va, kind, v);
    return mem_write16(c, va, kind, v);
}

static inline bool load_v(struct cpu *c, unsigned rd, u64 va, unsigned size, unsigned kind)
{
    u64 v[2] = {0, 0};
    if (size == 16 ? !q_read(c, va, kind, v) : !mem_read(c, va, size, kind, v))
        return false;
    c->v[rd].d[0] = v[0];
    c->v[rd].d[1] = v[1];
    return true;
}

static inline bool store_v(struct cpu *c, unsigned rt, u64 va, unsigned size, unsigned kind)
{
    if (size == 16)
        return q_write(c, va, kind, c->v[rt].d);
    return mem_write(c, va, size, kind, c->v[rt].d[0] & ones(8 * size));
}

/* ExtendReg for the offset register: x = option<2>:option<0>, y = shifted. */
static inline u64 reg_offset(const struct cpu *c, const struct op *o, unsigned scale)
{
    u64 off = c->x[o->rm];
    if (!(o->x & 1)) /* UXTW, SXTW */
        off = o->x & 2 ? sext(off, 32) : (u32)off;
    return o->y ? off << scale : off;
}

#define SIMD_LDST(name, access, size, scale)                                                                           \
    enum step exec_##name##_imm(struct cpu *c, const struct op *o)                                                     \
    {                                                                                                                  \
        SIMD_CHECK(c);                                                                                                 \
        if (exec_sp_misaligned(c, o->rn))                                                                              \
            return exc_sp_alignment(c);                                                                                \
        u64 va = c->x[o->rn] + o->imm;                                                                                 \
        return access(c, o->rd, va, size, kind_imm(o, false)) ? STEP_NEXT : STEP_JUMP;                                 \
    }                                                                                                                  \
    enum step exec_##name##_post(struct cpu *c, const struct op *o)                                                    \
    {                                                                                                                  \
        SIMD_CHECK(c);                                                                                                 \
        if (exec_sp_misaligned(c, o->rn))                                                                              \
            return exc_sp_alignment(c);                                                                                \
        if (!access(c, o->rd, c->x[o->rn], size, MEM_TAGCHK))                                                          \
            return STEP_JUMP;                                                                                          \
        c->x[o->rn] += o->imm;                                                                                         \
        return STEP_NEXT;                                                                                              \
    }                                                                                                                  \
    enum step exec_##name##_pre(struct cpu *c, const struct op *o)                                                     \
    {                                                                                                                  \
        SIMD_CHECK(c);                                                                                                 \
        if (exec_sp_misaligned(c, o->rn))                                                                              \
            return exc_sp_alignment(c);                                                                                \
        u64 va = c->x[o->rn] + o->imm;                                                                                 \
        if (!access(c, o->rd, va, size, MEM_TAGCHK))                                                                   \
            return STEP_JUMP;                                                                                          \
        c->x[o->rn] = va;                                                                                              \
        return STEP_NEXT;                                                                                              \
    }                                                                                                                  \
    enum step exec_##name##_reg(struct cpu *c, const struct op *o)                                                     \
    {                                                                                                                  \
        SIMD_CHECK(c);                                                                                                 \
        if (exec_sp_misaligned(c, o->rn))                                                                              \
            return exc_sp_alignment(c);                                                                                \
        u64 va = c->x[o->rn] + reg_offset(c, o, scale);                                                                \
        return access(c, o->rd, va, size, MEM_TAGCHK) ? STEP_NEXT : STEP_JUMP;                                         \
    }

SIMD_LDST(ldr_vb, load_v, 1, 0);
SIMD_LDST(ldr_vh, load_v, 2, 1);
SIMD_LDST(ldr_vs, load_v, 4, 2);
SIMD_LDST(ldr_vd, load_v, 8, 3);
SIMD_LDST(ldr_vq, load_v, 16, 4);
SIMD_LDST(str_vb, store_v, 1, 0);
SIMD_LDST(str_vh, store_v, 2, 1);
SIMD_LDST(str_vs, store_v, 4, 2);
SIMD_LDST(str_vd, store_v, 8, 3);
SIMD_LDST(str_vq, store_v, 16, 4);

#define SIMD_LITERAL(name, size)                                                                                       \
    enum step exec_##name(struct cpu *c, const struct op *o)                                                           \
    {                                                                                                                  \
        SIMD_CHECK(c);                                                                                                 \
        return load_v(c, o->rd, c->pc + o->imm, size, MEM_NORMAL) ? STEP_NEXT : STEP_JUMP;                             \
    }
SIMD_LITERAL(ldr_vs_lit, 4);
SIMD_LITERAL(ldr_vd_lit, 8);
SIMD_LITERAL(ldr_vq_lit, 16);

/* ---- two registers -------------------------------------------------------------------------- */

static inline bool load_pair(struct cpu *c, const struct op *o, u64 va, unsigned size, unsigned kind)
{
    u64 v[2], w[2];
    if (size == 16) {
        if (!q_read(c, va, kind, v) || !q_read(c, va + 16, kind, w))
            return false;
    } else if (size == 8) {
        if (!mem_read16(c, va, kind | MEM_PAIR, v))
            return false;
        w[0] = v[1];
        v[1] = w[1] = 0;
    } else {
        if (!mem_read(c, va, 8, kind | MEM_PAIR, v))
            return false;
        w[0] = v[0] >> 32;
        v[0] = (u32)v[0];
        v[1] = w[1] = 0;
    }
    c->v[o->rd].d[0] = v[0];
    c->v[o->rd].d[1] = v[1];
    c->v[o->ra].d[0] = w[0];
    c->v[o->ra].d[1] = w[1];
    return true;
}

static inline bool store_pair(struct cpu *c, const struct op *o, u64 va, unsigned size, unsigned kind)
{
    const u64 *v = c->v[o->rd].d, *w = c->v[o->ra].d;
    if (size == 16)
        return q_write(c, va, kind, v) && q_write(c, va + 16, kind, w);
    if (size == 8)
        return mem_write16(c, va, kind | MEM_PAIR, (const u64[2]){v[0], w[0]});
    return mem_write(c, va, 8, kind | MEM_PAIR, (u32)v[0] | w[0] << 32);
}

#define SIMD_PAIR(name, access, size)                                                                                  \
    enum step exec_##name##_imm(struct cpu *c, const struct op *o)                                                     \
    {                                                                                                                  \
        SIMD_CHECK(c);                                                                                                 \
        if (exec_sp_misaligned(c, o->rn))                                                                              \
            return exc_sp_alignment(c);                                                                                \
        return access(c, o, c->x[o->rn] + o->imm, size, kind_imm(o, false)) ? STEP_NEXT : STEP_JUMP;                   \
    }                                                                                                                  \
    enum step exec_##name##_post(struct cpu *c, const struct op *o)                                                    \
    {                                                                                                                  \
        SIMD_CHECK(c);                                                                                                 \
        if (exec_sp_misaligned(c, o->rn))                                                                              \
            return exc_sp_alignment(c);                                                                                \
        if (!access(c, o, c->x[o->rn], size, MEM_TAGCHK))                                                              \
            return STEP_JUMP;                                                                                          \
        c->x[o->rn] += o->imm;                                                                                         \
        return STEP_NEXT;                                                                                              \
    }                                                                                                                  \
    enum step exec_##name##_pre(struct cpu *c, const struct op *o)                                                     \
    {                                                                                                                  \
        SIMD_CHECK(c);                                                                                                 \
        if (exec_sp_misaligned(c, o->rn))                                                                              \
            return exc_sp_alignment(c);                                                                                \
        u64 va = c->x[o->rn] + o->imm;                                                                                 \
        if (!access(c, o, va, size, MEM_TAGCHK))                                                                       \
            return STEP_JUMP;                                                                                          \
        c->x[o->rn] = va;                                                                                              \
        return STEP_NEXT;                                                                                              \
    }

SIMD_PAIR(ldp_vs, load_pair, 4);
SIMD_PAIR(ldp_vd, load_pair, 8);
SIMD_PAIR(ldp_vq, load_pair, 16);
SIMD_PAIR(stp_vs, store_pair, 4);
SIMD_PAIR(stp_vd, store_pair, 8);
SIMD_PAIR(stp_vq, store_pair, 16);

/* ---- structures ----------------------------------------------------------------------------- */

/* Element accesses at ascending addresses, collected in host order in buf.  When all of them lie in one
 * page that the fast table serves and are aligned to the element, one copy does. */
static bool read_elems(struct cpu *c, u64 va, unsigned size, unsigned n, unsigned kind, u8 *buf)
{
    unsigned es = 1u << size, bytes = n << size;
    u64 i = fast_index(c->ft, va);
    if (((va ^ c->ft->rtag[i]) & (~0xfffull | (es - 1))) == 0 && (va & 0xfff) + bytes <= 0x1000) {
        memcpy(buf, ft_host(c->ft, i, va), bytes);
        return true;
    }
    for (unsigned e = 0; e < n; e++) {
        u64 v;
        if (!mem_read(c, va + ((u64)e << size), es, kind | MEM_VEC, &v))
            return false;
        memcpy(buf + (e << size), &v, es);
    }
    return true;
}

static bool write_elems(struct cpu *c, u64 va, unsigned size, unsigned n, unsigned kind, const u8 *buf)
{
    unsigned es = 1u << size, bytes = n << size;
    u64 i = fast_index(c->ft, va);
    if (((va ^ c->ft->wtag[i]) & (~0xfffull | (es - 1))) == 0 && (va & 0xfff) + bytes <= 0x1000) {
        memcpy(ft_host(c->ft, i, va), buf, bytes);
        return true;
    }
    for (unsigned e = 0; e < n; e++) {
        u64 v = 0;
        memcpy(&v, buf + (e << size), es);
        if (!mem_write(c, va + ((u64)e << size), es, kind | MEM_VEC, v))
            return false;
    }
    return true;
}

/* A run of whole registers (LD1, ST1), common enough to be copied straight. */
static inline bool load_run(struct cpu *c, const struct op *o, u64 va, unsigned rpt)
{
    unsigned each = simd_bytes(o->y);
    u64 i = fast_index(c->ft, va);
    if (((va ^ c->ft->rtag[i]) & (~0xfffull | ((1u << o->x) - 1))) || (va & 0xfff) + rpt * each > 0x1000)
        return false;
    const u8 *p = ft_host(c->ft, i, va);
    for (unsigned k = 0; k < rpt; k++, p += each) {
        u64 *d = c->v[(o->rd + k) & 31].d;
        d[0] = mem_host_load(p, 8);
        d[1] = o->y ? mem_host_load(p + 8, 8) : 0;
    }
    return true;
}
static inline bool store_run(struct cpu *c, const struct op *o, u64 va, unsigned rpt)
{
    unsigned each = simd_bytes(o->y);
    u64 i = fast_index(c->ft, va);
    if (((va ^ c->ft->wtag[i]) & (~0xfffull | ((1u << o->x) - 1))) || (va & 0xfff) + rpt * each > 0x1000)
        return false;
    u8 *p = ft_host(c->ft, i, va);
    for (unsigned k = 0; k < rpt; k++, p += each) {
        const u64 *d = c->v[(o->rd + k) & 31].d;
        mem_host_store(p, 8, d[0]);
        if (o->y)
            mem_host_store(p + 8, 8, d[1]);
    }
    return true;
}

/* Post-index: the register, or for number 31 the bytes transferred. */
static inline void write_back(struct cpu *c, const struct op *o, u64 base, unsigned bytes)
{
    c->x[o->rn] = base + (o->rm == REG_ZERO ? bytes : c->x[o->rm]);
}

/* x = size, y = Q. rpt registers one after the other (selem = 1), or selem registers interleaved. */
static inline enum step load_multi(struct cpu *c, const struct op *o, unsigned rpt, unsigned selem, bool wback)
{
    SIMD_CHECK(c);
    if (exec_sp_misaligned(c, o->rn))
        return exc_sp_alignment(c);
    u8 buf[64];
    union v128 r[4] = {0};
    unsigned es = 1u << o->x, each = simd_bytes(o->y), regs = rpt * selem, total = regs * each;
    u64 base = c->x[o->rn];
    if (selem == 1 && LIKELY(load_run(c, o, base, rpt))) {
        if (wback)
            write_back(c, o, base, total);
        return STEP_NEXT;
    }
    if (!read_elems(c, base, o->x, total >> o->x, kind_imm(o, wback), buf))
        return STEP_JUMP;
    if (selem == 1) {
        for (unsigned k = 0; k < rpt; k++)
            memcpy(r[k].ub, buf + k * each, each);
    } else {
        for (unsigned e = 0; e < each; e += es)
            for (unsigned k = 0; k < selem; k++)
                memcpy(r[k].ub + e, buf + e * selem + k * es, es);
    }
    if (wback)
        write_back(c, o, base, total);
    for (unsigned k = 0; k < regs; k++)
        simd_set(c, (o->rd + k) & 31, r[k]);
    return STEP_NEXT;
}

static inline enum step store_multi(struct cpu *c, const struct op *o, unsigned rpt, unsigned selem, bool wback)
{
    SIMD_CHECK(c);
    if (exec_sp_misaligned(c, o->rn))
        return exc_sp_alignment(c);
    u8 buf[64];
    unsigned es = 1u << o->x, each = simd_bytes(o->y), total = rpt * selem * each;
    u64 base = c->x[o->rn];
    if (selem == 1 && LIKELY(store_run(c, o, base, rpt))) {
        if (wback)
            write_back(c, o, base, total);
        return STEP_NEXT;
    }
    if (selem == 1) {
        for (unsigned k = 0; k < rpt; k++)
            memcpy(buf + k * each, c->v[(o->rd + k) & 31].b, each);
    } else {
        for (unsigned e = 0; e < each; e += es)
            for (unsigned k = 0; k < selem; k++)
                memcpy(buf + e * selem + k * es, c->v[(o->rd + k) & 31].b + e, es);
    }
    if (!write_elems(c, base, o->x, total >> o->x, kind_imm(o, wback), buf))
        return STEP_JUMP;
    if (wback)
        write_back(c, o, base, total);
    return STEP_NEXT;
}

#define SIMD_MULTI(name, what, rpt, selem)                                                                             \
    enum step exec_##name(struct cpu *c, const struct op *o) { return what(c, o, rpt, selem, false); }                 \
    enum step exec_##name##_post(struct cpu *c, const struct op *o) { return what(c, o, rpt, selem, true); }

SIMD_MULTI(ld1x1, load_multi, 1, 1);
SIMD_MULTI(ld1x2, load_multi, 2, 1);
SIMD_MULTI(ld1x3, load_multi, 3, 1);
SIMD_MULTI(ld1x4, load_multi, 4, 1);
SIMD_MULTI(ld2, load_multi, 1, 2);
SIMD_MULTI(ld3, load_multi, 1, 3);
SIMD_MULTI(ld4, load_multi, 1, 4);
SIMD_MULTI(st1x1, store_multi, 1, 1);
SIMD_MULTI(st1x2, store_multi, 2, 1);
SIMD_MULTI(st1x3, store_multi, 3, 1);
SIMD_MULTI(st1x4, store_multi, 4, 1);
SIMD_MULTI(st2, store_multi, 1, 2);
SIMD_MULTI(st3, store_multi, 1, 3);
SIMD_MULTI(st4, store_multi, 1, 4);

/* Single structures and replication: x = R:opcode<0>, which together are the number of registers - 1. */
static inline unsigned single_regs(const struct op *o) { return (unsigned)((o->x & 1) << 1 | o->x >> 1) + 1; }

/* imm = element index. */
static inline enum step load_single(struct cpu *c, const struct op *o, unsigned size, bool wback)
{
    SIMD_CHECK(c);
    if (exec_sp_misaligned(c, o->rn))
        return exc_sp_alignment(c);
    u8 buf[32];
    unsigned n = single_regs(o), es = 1u << size;
    u64 base = c->x[o->rn];
    if (!read_elems(c, base, size, n, kind_imm(o, wback), buf))
        return STEP_JUMP;
    if (wback)
        write_back(c, o, base, n << size);
    for (unsigned k = 0; k < n; k++)
        memcpy(c->v[(o->rd + k) & 31].b + (o->imm << size), buf + k * es, es);
    return STEP_NEXT;
}

static inline enum step store_single(struct cpu *c, const struct op *o, unsigned size, bool wback)
{
    SIMD_CHECK(c);
    if (exec_sp_misaligned(c, o->rn))
        return exc_sp_alignment(c);
    u8 buf[32];
    unsigned n = single_regs(o), es = 1u << size;
    u64 base = c->x[o->rn];
    for (unsigned k = 0; k < n; k++)
        memcpy(buf + k * es, c->v[(o->rd + k) & 31].b + (o->imm << size), es);
    if (!write_elems(c, base, size, n, kind_imm(o, wback), buf))
        return STEP_JUMP;
    if (wback)
        write_back(c, o, base, n << size);
    return STEP_NEXT;
}

#define SIMD_SINGLE(name, what, size)                                                                                  \
    enum step exec_##name(struct cpu *c, const struct op *o) { return what(c, o, size, false); }                       \
    enum step exec_##name##_post(struct cpu *c, const struct op *o) { return what(c, o, size, true); }

SIMD_SINGLE(ldn_b, load_single, 0);
SIMD_SINGLE(ldn_h, load_single, 1);
SIMD_SINGLE(ldn_s, load_single, 2);
SIMD_SINGLE(ldn_d, load_single, 3);
SIMD_SINGLE(stn_b, store_single, 0);
SIMD_SINGLE(stn_h, store_single, 1);
SIMD_SINGLE(stn_s, store_single, 2);
SIMD_SINGLE(stn_d, store_single, 3);

/* y = Q:size. */
static inline enum step load_replicate(struct cpu *c, const struct op *o, bool wback)
{
    SIMD_CHECK(c);
    if (exec_sp_misaligned(c, o->rn))
        return exc_sp_alignment(c);
    u8 buf[32];
    unsigned n = single_regs(o), size = o->y & 3, es = 1u << size;
    u64 base = c->x[o->rn];
    if (!read_elems(c, base, size, n, kind_imm(o, wback), buf))
        return STEP_JUMP;
    if (wback)
        write_back(c, o, base, n << size);
    for (unsigned k = 0; k < n; k++) {
        u64 v = 0;
        memcpy(&v, buf + k * es, es);
        union v128 r = simd_dup(size, v);
        if (!(o->y & 4))
            r.ud[1] = 0;
        simd_set(c, (o->rd + k) & 31, r);
    }
    return STEP_NEXT;
}

enum step exec_ldnr(struct cpu *c, const struct op *o) { return load_replicate(c, o, false); }
enum step exec_ldnr_post(struct cpu *c, const struct op *o) { return load_replicate(c, o, true); }
