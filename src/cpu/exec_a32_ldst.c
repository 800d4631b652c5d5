/* A32 and T32 loads and stores of general registers (DDI0487 F5.1): single, dual, multiple, exclusive, acquire and
 * release; RFE and SRS.
 *
 * y is P:U:W. Addresses wrap at 32 bits. Registers change after the last access that can fault; multiple stores that
 * fault half-way have stored the words before. */
#include "core/bits.h"
#include "cpu/aa32.h"
#include "cpu/exception.h"
#include "cpu/exec_a32.h"
#include "cpu/mem_impl.h"

#define EXEC(name) enum step exec_##name(struct cpu *c, const struct op *o)

enum { P = 4, U = 2, W = 1 };

/* Where an access goes and what the base becomes. */
struct where {
    u32 at, base;
    bool writeback;
};

static inline struct where address(const struct cpu *c, const struct op *o, u32 offset)
{
    u32 base = (u32)c->x[o->rn];
    if (o->rn == REG_PC)
        base &= ~3u;
    u32 moved = o->y & U ? base + offset : base - offset;
    return (struct where){o->y & P ? moved : base, moved, (o->y & (P | W)) != P};
}

/* Unprivileged forms: T32's offset (y = 6), A32's are post-indexed and y is U alone. */
static inline struct where address_t(const struct cpu *c, const struct op *o, u32 offset)
{
    struct op t = *o;
    t.y = o->y == 6 ? 6 : (u8)(o->y << 1);
    return address(c, &t, offset);
}

/* The register offset with DecodeImmShift and Shift. */
static inline u32 reg_offset(const struct cpu *c, const struct op *o)
{
    u32 v = (u32)c->x[o->rm];
    unsigned n = (unsigned)o->imm;
    switch (o->x) {
    case 0: return v << n;
    case 1: return n > 31 ? 0 : v >> n;
    case 2: return (u32)((s32)v >> (n > 31 ? 31 : n));
    case 3: return v >> n | v << (32 - n);
    default: return v >> 1 | (c->nzcv >> 29 & 1) << 31;
    }
}

static inline enum step load(struct cpu *c, const struct op *o, struct where w, unsigned size, bool sx, unsigned kind)
{
    u64 v;
    if (!mem_read(c, w.at, size, kind, &v))
        return STEP_JUMP;
    if (w.writeback)
        c->x[o->rn] = w.base;
    return aa32_load_set(c, o->rd, sx ? (u32)sext(v, 8 * size) : (u32)v);
}

static inline enum step store(struct cpu *c, const struct op *o, struct where w, unsigned size, unsigned kind)
{
    if (!mem_write(c, w.at, size, kind, (u32)c->x[o->rd]))
        return STEP_JUMP;
    if (w.writeback)
        c->x[o->rn] = w.base;
    return STEP_NEXT;
}

#define LOAD(name, size, sx)                                                                                           \
    EXEC(a32_##name##_i) { return load(c, o, address(c, o, (u32)o->imm), size, sx, 0); }                               \
    EXEC(a32_##name##_r) { return load(c, o, address(c, o, reg_offset(c, o)), size, sx, 0); }                          \
    EXEC(a32_##name##t_i) { return load(c, o, address_t(c, o, (u32)o->imm), size, sx, MEM_UNPRIV); }                   \
    LOAD_TR(name, size, sx)
#define LOAD_TR(name, size, sx)                                                                                        \
    EXEC(a32_##name##t_r) { return load(c, o, address_t(c, o, reg_offset(c, o)), size, sx, MEM_UNPRIV); }
#define STORE(name, size)                                                                                              \
    EXEC(a32_##name##_i) { return store(c, o, address(c, o, (u32)o->imm), size, 0); }                                  \
    EXEC(a32_##name##_r) { return store(c, o, address(c, o, reg_offset(c, o)), size, 0); }                             \
    EXEC(a32_##name##t_i) { return store(c, o, address_t(c, o, (u32)o->imm), size, MEM_UNPRIV); }                      \
    EXEC(a32_##name##t_r) { return store(c, o, address_t(c, o, reg_offset(c, o)), size, MEM_UNPRIV); }
LOAD(ldr, 4, false)
LOAD(ldrb, 1, false)
LOAD(ldrh, 2, false)
LOAD(ldrsb, 1, true)
LOAD(ldrsh, 2, true)
STORE(str, 4)
STORE(strb, 1)
STORE(strh, 2)

/* base: PC or SP in the 16-bit forms */
static struct op with_base(const struct op *o, unsigned rn)
{
    struct op d = *o;
    d.rn = (u8)rn;
    return d;
}
#define LITERAL(name)                                                                                                  \
    EXEC(t32_##name##_l)                                                                                               \
    {                                                                                                                  \
        struct op d = with_base(o, REG_PC);                                                                            \
        return exec_a32_##name##_i(c, &d);                                                                             \
    }
LITERAL(ldr)
LITERAL(ldrb)
LITERAL(ldrh)
LITERAL(ldrsb)
LITERAL(ldrsh)
EXEC(t16_ldr_sp)
{
    struct op d = with_base(o, 13);
    return exec_a32_ldr_i(c, &d);
}
EXEC(t16_str_sp)
{
    struct op d = with_base(o, 13);
    return exec_a32_str_i(c, &d);
}

/* ---- dual ----------------------------------------------------------------------------------- */

static enum step load_dual(struct cpu *c, const struct op *o, struct where w, unsigned rt2)
{
    u64 a, b;
    if (!mem_read(c, w.at, 4, MEM_ALIGN, &a) || !mem_read(c, (u32)(w.at + 4), 4, MEM_ALIGN, &b))
        return STEP_JUMP;
    if (w.writeback)
        c->x[o->rn] = w.base;
    c->x[o->rd] = a;
    c->x[rt2] = b;
    return STEP_NEXT;
}

static enum step store_dual(struct cpu *c, const struct op *o, struct where w, unsigned rt2)
{
    u32 a = (u32)c->x[o->rd], b = (u32)c->x[rt2];
    if (!mem_write(c, w.at, 4, MEM_ALIGN, a) || !mem_write(c, (u32)(w.at + 4), 4, MEM_ALIGN, b))
        return STEP_JUMP;
    if (w.writeback)
        c->x[o->rn] = w.base;
    return STEP_NEXT;
}

/* A32: Rt is even */
#define DUAL(name, fn)                                                                                                 \
    EXEC(a32_##name##_i)                                                                                               \
    {                                                                                                                  \
        return o->rd & 1 || o->rd > 13 ? exc_undefined(c) : fn(c, o, address(c, o, (u32)o->imm), o->rd + 1u);          \
    }                                                                                                                  \
    EXEC(a32_##name##_r)                                                                                               \
    {                                                                                                                  \
        return o->rd & 1 || o->rd > 13 ? exc_undefined(c) : fn(c, o, address(c, o, (u32)c->x[o->rm]), o->rd + 1u);     \
    }                                                                                                                  \
    EXEC(t32_##name) { return fn(c, o, address(c, o, (u32)o->imm), o->ra); }
DUAL(ldrd, load_dual)
DUAL(strd, store_dual)

/* ---- multiple ------------------------------------------------------------------------------- */

/* First address and final base; y is P:U:W. */
static struct where block(const struct cpu *c, unsigned rn, unsigned y, u32 list)
{
    u32 base = (u32)c->x[rn], n = 4 * (u32)__builtin_popcount(list);
    u32 end = y & U ? base + n : base - n;
    u32 first = (y & U ? base : base - n) + ((y & P) == (y & U ? P : 0u) ? 4 : 0);
    return (struct where){first, end, y & W};
}

static bool read_list(struct cpu *c, u32 at, u32 list, u32 *val)
{
    for (; list; list &= list - 1, at += 4) {
        u64 v;
        if (!mem_read(c, at, 4, MEM_ALIGN, &v))
            return false;
        val[__builtin_ctz(list)] = (u32)v;
    }
    return true;
}

static enum step load_multiple(struct cpu *c, unsigned rn, unsigned y, u32 list)
{
    struct where w = block(c, rn, y, list);
    u32 val[16];
    if (!read_list(c, w.at, list, val))
        return STEP_JUMP;
    if (w.writeback)
        c->x[rn] = w.base;
    for (u32 l = list & 0x7fff; l; l &= l - 1)
        c->x[__builtin_ctz(l)] = val[__builtin_ctz(l)];
    return list >> 15 ? aa32_bx(c, val[15]) : STEP_NEXT;
}

static enum step store_multiple(struct cpu *c, unsigned rn, unsigned y, u32 list, bool user)
{
    struct where w = block(c, rn, y, list);
    u32 at = w.at;
    for (u32 l = list; l; l &= l - 1, at += 4) {
        unsigned r = (unsigned)__builtin_ctz(l), slot = r == 15 ? REG_PC : user ? aa32_slot(c, AA32_USR, r) : r;
        if (!mem_write(c, at, 4, MEM_ALIGN, (u32)c->x[slot]))
            return STEP_JUMP;
    }
    if (w.writeback)
        c->x[rn] = w.base;
    return STEP_NEXT;
}

EXEC(a32_ldm) { return load_multiple(c, o->rn, o->y, (u32)o->imm); }
EXEC(a32_stm) { return store_multiple(c, o->rn, o->y, (u32)o->imm, false); }
EXEC(t32_ldmia) { return load_multiple(c, o->rn, U | o->y, (u32)o->imm); }
EXEC(t32_stmia) { return store_multiple(c, o->rn, U | o->y, (u32)o->imm, false); }
EXEC(t32_ldmdb) { return load_multiple(c, o->rn, P | o->y, (u32)o->imm); }
EXEC(t32_stmdb) { return store_multiple(c, o->rn, P | o->y, (u32)o->imm, false); }
EXEC(t16_ldm) { return load_multiple(c, o->rn, bit(o->imm, o->rn) ? U : U | W, (u32)o->imm); }
EXEC(t16_stm) { return store_multiple(c, o->rn, U | W, (u32)o->imm, false); }
EXEC(t16_push) { return store_multiple(c, 13, P | W, ((u32)o->imm & 0xff) | (u32)(o->imm >> 8) << 14, false); }
EXEC(t16_pop) { return load_multiple(c, 13, U | W, ((u32)o->imm & 0xff) | (u32)(o->imm >> 8) << 15); }

/* LDM of User mode's registers, or with R15 an exception return. */
EXEC(a32_ldm_user)
{
    u32 list = (u32)o->imm, val[16];
    unsigned cell = aa32_spsr_cell(c, c->ps.mode);
    if (c->ps.el == 0 || !cell) /* User and System mode: CONSTRAINED UNPREDICTABLE */
        return exc_undefined(c);
    struct where w = block(c, o->rn, o->y, list);
    if (!read_list(c, w.at, list, val))
        return STEP_JUMP;
    bool ret = list >> 15;
    if (w.writeback && ret)
        c->x[o->rn] = w.base;
    for (u32 l = list & 0x7fff; l; l &= l - 1) {
        unsigned r = (unsigned)__builtin_ctz(l);
        c->x[ret ? r : aa32_slot(c, AA32_USR, r)] = val[r];
    }
    return ret ? aa32_return(c, val[15], (u32)c->sys[cell]) : STEP_NEXT;
}

EXEC(a32_stm_user)
{
    if (c->ps.el == 0)
        return exc_undefined(c);
    return store_multiple(c, o->rn, o->y & ~1u, (u32)o->imm, true);
}

/* ---- RFE, SRS ------------------------------------------------------------------------------- */

static enum step rfe(struct cpu *c, unsigned rn, unsigned y)
{
    struct where w = block(c, rn, y, 3);
    u32 val[2];
    if (c->ps.el == 0)
        return exc_undefined(c);
    if (!read_list(c, w.at, 3, val))
        return STEP_JUMP;
    if (w.writeback)
        c->x[rn] = w.base;
    return aa32_return(c, val[0], val[1]);
}

static enum step srs(struct cpu *c, unsigned mode, unsigned y)
{
    unsigned cell = aa32_spsr_cell(c, c->ps.mode), sp = aa32_slot(c, mode, 13);
    if (c->ps.el == 0 || !cell || !aa32_mode_valid(mode))
        return exc_undefined(c);
    struct where w = block(c, sp, y, 3);
    u64 spsr = c->sys[cell];
    if (!mem_write(c, w.at, 4, MEM_ALIGN, (u32)c->x[14]) || !mem_write(c, (u32)(w.at + 4), 4, MEM_ALIGN, (u32)spsr))
        return STEP_JUMP;
    if (w.writeback)
        c->x[sp] = w.base;
    return STEP_NEXT;
}

EXEC(a32_rfe) { return rfe(c, o->rn, o->y); }
EXEC(a32_srs) { return srs(c, (unsigned)o->imm, o->y); }
EXEC(t32_rfedb) { return rfe(c, o->rn, P | o->y); }
EXEC(t32_rfeia) { return rfe(c, o->rn, U | o->y); }
EXEC(t32_srsdb) { return srs(c, (unsigned)o->imm, P | o->y); }
EXEC(t32_srsia) { return srs(c, (unsigned)o->imm, U | o->y); }

EXEC(t32_tbb) /* x: half-words */
{
    u64 v;
    u32 at = (u32)c->x[o->rn] + ((u32)c->x[o->rm] << o->x);
    if (!(o->x ? mem_read(c, at, 2, 0, &v) : mem_read(c, at, 1, 0, &v)))
        return STEP_JUMP;
    return aa32_branch(c, (u32)(c->x[REG_PC] + 2 * v));
}

/* ---- exclusives, acquire, release ----------------------------------------------------------- */

static inline enum step load_excl(struct cpu *c, const struct op *o, unsigned size)
{
    u64 v;
    u32 at = (u32)(c->x[o->rn] + o->imm);
    if (!mem_read(c, at, size, MEM_EXCL | MEM_ALIGN, &v))
        return STEP_JUMP;
    mem_excl_mark(c, at, size);
    mem_excl_keep(c, at, size, 0, v, 0);
    c->x[o->rd] = v;
    return STEP_NEXT;
}

static enum step load_excl_dual(struct cpu *c, const struct op *o, unsigned rt, unsigned rt2)
{
    u64 v;
    u32 at = (u32)c->x[o->rn];
    if (!mem_read(c, at, 8, MEM_EXCL | MEM_ALIGN, &v))
        return STEP_JUMP;
    mem_excl_mark(c, at, 8);
    mem_excl_keep(c, at, 8, 0, v, 0);
    c->x[rt] = c->big_endian ? v >> 32 : (u32)v;
    c->x[rt2] = c->big_endian ? (u32)v : v >> 32;
    return STEP_NEXT;
}

/* Status in rd, data in ra. */
static enum step store_excl(struct cpu *c, const struct op *o, unsigned size, u64 val)
{
    u32 at = (u32)(c->x[o->rn] + o->imm);
    if (at & (size - 1)) {
        const struct fault f = mem_alignment_fault(at, true);
        return exc_data_abort(c, &f);
    }
    if (UNLIKELY(c->par != NULL)) {
        const u64 v[2] = {val & ones(8 * size), 0};
        bool passed;
        if (!mem_excl_store(c, at, size, 0, v, &passed))
            return STEP_JUMP;
        c->x[o->rd] = !passed;
        return STEP_NEXT;
    }
    if (!mem_excl_check(c, at, size)) {
        c->x[o->rd] = 1;
        return STEP_NEXT;
    }
    bool done = size == 1   ? mem_write(c, at, 1, MEM_EXCL, val)
                : size == 2 ? mem_write(c, at, 2, MEM_EXCL, val)
                : size == 4 ? mem_write(c, at, 4, MEM_EXCL, val)
                            : mem_write(c, at, 8, MEM_EXCL, val);
    if (!done)
        return STEP_JUMP;
    c->x[o->rd] = 0;
    return STEP_NEXT;
}

static u64 pair(const struct cpu *c, unsigned rt, unsigned rt2)
{
    u64 a = (u32)c->x[rt], b = (u32)c->x[rt2];
    return c->big_endian ? a << 32 | b : b << 32 | a;
}

EXEC(a32_ldrex) { return load_excl(c, o, 4); }
EXEC(a32_ldrexb) { return load_excl(c, o, 1); }
EXEC(a32_ldrexh) { return load_excl(c, o, 2); }
EXEC(a32_ldrexd) { return o->rd & 1 || o->rd > 13 ? exc_undefined(c) : load_excl_dual(c, o, o->rd, o->rd + 1u); }
EXEC(t32_ldrexd) { return load_excl_dual(c, o, o->ra, o->rm); }
EXEC(a32_strex) { return store_excl(c, o, 4, c->x[o->ra]); }
EXEC(a32_strexb) { return store_excl(c, o, 1, c->x[o->ra]); }
EXEC(a32_strexh) { return store_excl(c, o, 2, c->x[o->ra]); }
EXEC(a32_strexd)
{
    return o->ra & 1 || o->ra > 13 ? exc_undefined(c) : store_excl(c, o, 8, pair(c, o->ra, o->ra + 1u));
}
EXEC(t32_strexd) { return store_excl(c, o, 8, pair(c, o->ra, o->rm)); }

#define ORDERED(l, s, size)                                                                                            \
    EXEC(a32_##l) { return load(c, o, (struct where){.at = (u32)c->x[o->rn]}, size, false, MEM_ORDERED | MEM_ALIGN); } \
    EXEC(a32_##s) { return store(c, o, (struct where){.at = (u32)c->x[o->rn]}, size, MEM_ORDERED | MEM_ALIGN); }
ORDERED(lda, stl, 4)
ORDERED(ldab, stlb, 1)
ORDERED(ldah, stlh, 2)
