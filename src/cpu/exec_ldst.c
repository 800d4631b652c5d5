/* Loads and stores of general registers (DDI0487 C4.1 "Loads and Stores", C6.2): single registers,
 * pairs, unprivileged, literal, ordered and exclusive.
 *
 * CONSTRAINED UNPREDICTABLE choices: a base that is also a transfer register gets the loaded value
 * first, then the written-back address; a store writes the old value; LDP to one register twice keeps
 * the second.  Acquire and release differ in alignment, and in parallel mode in the fence after a store-release (the
 * host's order, TSO, does the rest; docs/parallel.md).
 * Invariant: the base register is written after the access succeeded. */
#include "cpu/cpu.h"
#include "cpu/exception.h"
#include "cpu/exec.h"
#include "cpu/exec_util.h"
#include "cpu/mem.h"

#define EXEC(name) enum step exec_##name(struct cpu *c, const struct op *o)
#define X(r)       c->x[o->r]

#define CHECK_SP()                                                                                                     \
    do {                                                                                                               \
        if (UNLIKELY(exec_sp_misaligned(c, o->rn)))                                                                    \
            return exc_sp_alignment(c);                                                                                \
    } while (0)

/* ---- single registers ----------------------------------------------------------------------- */

/* A load of size bytes at va, of which expr of v goes to Rt; then after() happens. */
#define LOAD(name, size, kind, va, expr, after)                                                                        \
    EXEC(name)                                                                                                         \
    {                                                                                                                  \
        CHECK_SP();                                                                                                    \
        u64 addr = (va), v;                                                                                            \
        if (!mem_read(c, addr, size, kind, &v))                                                                        \
            return STEP_JUMP;                                                                                          \
        X(rd) = (expr);                                                                                                \
        after;                                                                                                         \
        return STEP_NEXT;                                                                                              \
    }
#define STORE(name, size, kind, va, after)                                                                             \
    EXEC(name)                                                                                                         \
    {                                                                                                                  \
        CHECK_SP();                                                                                                    \
        u64 addr = (va);                                                                                               \
        if (!mem_write(c, addr, size, kind, X(rd)))                                                                    \
            return STEP_JUMP;                                                                                          \
        after;                                                                                                         \
        return STEP_NEXT;                                                                                              \
    }

static inline u64 offset_ext(const struct cpu *c, const struct op *o, unsigned scale)
{
    u64 m = o->x ? (u64)(s32)c->x[o->rm] : (u32)c->x[o->rm];
    return m << (o->y ? scale : 0);
}

/* Tag checks (FEAT_MTE2): every access but [SP, #imm] without writeback and literals. */
#define CHECKED   MEM_TAGCHK
#define UNLESS_SP (o->rn == REG_SP ? 0u : (unsigned)MEM_TAGCHK)
#define NOTHING   (void)0
#define LOADS(name, unpriv, size, scale, expr)                                                                         \
    LOAD(name, size, UNLESS_SP, X(rn) + o->imm, expr, NOTHING)                                                         \
    LOAD(name##_post, size, CHECKED, X(rn), expr, X(rn) = addr + o->imm)                                               \
    LOAD(name##_pre, size, CHECKED, X(rn) + o->imm, expr, X(rn) = addr)                                                \
    LOAD(name##_reg, size, CHECKED, X(rn) + (X(rm) << (o->y ? (scale) : 0)), expr, NOTHING)                            \
    LOAD(name##_ext, size, CHECKED, X(rn) + offset_ext(c, o, scale), expr, NOTHING)                                    \
    LOAD(unpriv, size, MEM_UNPRIV | UNLESS_SP, X(rn) + o->imm, expr, NOTHING)
#define STORES(name, unpriv, size, scale)                                                                              \
    STORE(name, size, UNLESS_SP, X(rn) + o->imm, NOTHING)                                                              \
    STORE(name##_post, size, CHECKED, X(rn), X(rn) = addr + o->imm)                                                    \
    STORE(name##_pre, size, CHECKED, X(rn) + o->imm, X(rn) = addr)                                                     \
    STORE(name##_reg, size, CHECKED, X(rn) + (X(rm) << (o->y ? (scale) : 0)), NOTHING)                                 \
    STORE(name##_ext, size, CHECKED, X(rn) + offset_ext(c, o, scale), NOTHING)                                         \
    STORE(unpriv, size, MEM_UNPRIV | UNLESS_SP, X(rn) + o->imm, NOTHING)

LOADS(ldrb, ldtrb, 1, 0, v)
LOADS(ldrsb32, ldtrsb32, 1, 0, (u64)(s8)v & 0xffffffff)
LOADS(ldrsb64, ldtrsb64, 1, 0, (u64)(s8)v)
LOADS(ldrh, ldtrh, 2, 1, v)
LOADS(ldrsh32, ldtrsh32, 2, 1, (u64)(s16)v & 0xffffffff)
LOADS(ldrsh64, ldtrsh64, 2, 1, (u64)(s16)v)
LOADS(ldr32, ldtr32, 4, 2, v)
LOADS(ldrsw, ldtrsw, 4, 2, (u64)(s32)v)
LOADS(ldr64, ldtr64, 8, 3, v)
STORES(strb, sttrb, 1, 0)
STORES(strh, sttrh, 2, 1)
STORES(str32, sttr32, 4, 2)
STORES(str64, sttr64, 8, 3)

#define LITERAL(name, size, expr)                                                                                      \
    EXEC(name)                                                                                                         \
    {                                                                                                                  \
        u64 v;                                                                                                         \
        if (!mem_read(c, c->pc + o->imm, size, 0, &v))                                                                 \
            return STEP_JUMP;                                                                                          \
        X(rd) = (expr);                                                                                                \
        return STEP_NEXT;                                                                                              \
    }
LITERAL(ldr32_lit, 4, v)
LITERAL(ldrsw_lit, 4, (u64)(s32)v)
LITERAL(ldr64_lit, 8, v)

EXEC(prfm)
{
    (void)c;
    (void)o;
    return STEP_NEXT;
}

/* ---- pairs ---------------------------------------------------------------------------------- */

#define LDP(name, tag, va, after)                                                                                      \
    EXEC(ldp32##name)                                                                                                  \
    {                                                                                                                  \
        CHECK_SP();                                                                                                    \
        u64 addr = (va), v;                                                                                            \
        if (!mem_read(c, addr, 8, MEM_PAIR | (tag), &v))                                                               \
            return STEP_JUMP;                                                                                          \
        X(rd) = (u32)v;                                                                                                \
        X(ra) = v >> 32;                                                                                               \
        after;                                                                                                         \
        return STEP_NEXT;                                                                                              \
    }                                                                                                                  \
    EXEC(ldp64##name)                                                                                                  \
    {                                                                                                                  \
        CHECK_SP();                                                                                                    \
        u64 addr = (va), v[2];                                                                                         \
        if (!mem_read16(c, addr, MEM_PAIR | (tag), v))                                                                 \
            return STEP_JUMP;                                                                                          \
        X(rd) = v[0];                                                                                                  \
        X(ra) = v[1];                                                                                                  \
        after;                                                                                                         \
        return STEP_NEXT;                                                                                              \
    }                                                                                                                  \
    EXEC(ldpsw##name)                                                                                                  \
    {                                                                                                                  \
        CHECK_SP();                                                                                                    \
        u64 addr = (va), v;                                                                                            \
        if (!mem_read(c, addr, 8, MEM_PAIR | (tag), &v))                                                               \
            return STEP_JUMP;                                                                                          \
        X(rd) = (u64)(s32)v;                                                                                           \
        X(ra) = (u64)((s64)v >> 32);                                                                                   \
        after;                                                                                                         \
        return STEP_NEXT;                                                                                              \
    }                                                                                                                  \
    EXEC(stp32##name)                                                                                                  \
    {                                                                                                                  \
        CHECK_SP();                                                                                                    \
        u64 addr = (va);                                                                                               \
        u64 v = (u32)X(rd) | X(ra) << 32;                                                                              \
        if (!mem_write(c, addr, 8, MEM_PAIR | (tag), v))                                                               \
            return STEP_JUMP;                                                                                          \
        after;                                                                                                         \
        return STEP_NEXT;                                                                                              \
    }                                                                                                                  \
    EXEC(stp64##name)                                                                                                  \
    {                                                                                                                  \
        CHECK_SP();                                                                                                    \
        u64 addr = (va);                                                                                               \
        const u64 v[2] = {X(rd), X(ra)};                                                                               \
        if (!mem_write16(c, addr, MEM_PAIR | (tag), v))                                                                \
            return STEP_JUMP;                                                                                          \
        after;                                                                                                         \
        return STEP_NEXT;                                                                                              \
    }
LDP(, UNLESS_SP, X(rn) + o->imm, NOTHING)
LDP(_post, CHECKED, X(rn), X(rn) = addr + o->imm)
LDP(_pre, CHECKED, X(rn) + o->imm, X(rn) = addr)

/* ---- ordered -------------------------------------------------------------------------------- */

LOAD(ldarb, 1, MEM_ORDERED | UNLESS_SP, X(rn), v, NOTHING)
LOAD(ldarh, 2, MEM_ORDERED | UNLESS_SP, X(rn), v, NOTHING)
LOAD(ldar32, 4, MEM_ORDERED | UNLESS_SP, X(rn), v, NOTHING)
LOAD(ldar64, 8, MEM_ORDERED | UNLESS_SP, X(rn), v, NOTHING)
STORE(stlrb, 1, MEM_ORDERED | UNLESS_SP, X(rn), cpu_fence(c))
STORE(stlrh, 2, MEM_ORDERED | UNLESS_SP, X(rn), cpu_fence(c))
STORE(stlr32, 4, MEM_ORDERED | UNLESS_SP, X(rn), cpu_fence(c))
STORE(stlr64, 8, MEM_ORDERED | UNLESS_SP, X(rn), cpu_fence(c))

LOAD(ldapurb, 1, MEM_ORDERED | UNLESS_SP, X(rn) + o->imm, v, NOTHING)
LOAD(ldapursb32, 1, MEM_ORDERED | UNLESS_SP, X(rn) + o->imm, (u64)(s8)v & 0xffffffff, NOTHING)
LOAD(ldapursb64, 1, MEM_ORDERED | UNLESS_SP, X(rn) + o->imm, (u64)(s8)v, NOTHING)
LOAD(ldapurh, 2, MEM_ORDERED | UNLESS_SP, X(rn) + o->imm, v, NOTHING)
LOAD(ldapursh32, 2, MEM_ORDERED | UNLESS_SP, X(rn) + o->imm, (u64)(s16)v & 0xffffffff, NOTHING)
LOAD(ldapursh64, 2, MEM_ORDERED | UNLESS_SP, X(rn) + o->imm, (u64)(s16)v, NOTHING)
LOAD(ldapur32, 4, MEM_ORDERED | UNLESS_SP, X(rn) + o->imm, v, NOTHING)
LOAD(ldapursw, 4, MEM_ORDERED | UNLESS_SP, X(rn) + o->imm, (u64)(s32)v, NOTHING)
LOAD(ldapur64, 8, MEM_ORDERED | UNLESS_SP, X(rn) + o->imm, v, NOTHING)
STORE(stlurb, 1, MEM_ORDERED | UNLESS_SP, X(rn) + o->imm, cpu_fence(c))
STORE(stlurh, 2, MEM_ORDERED | UNLESS_SP, X(rn) + o->imm, cpu_fence(c))
STORE(stlur32, 4, MEM_ORDERED | UNLESS_SP, X(rn) + o->imm, cpu_fence(c))
STORE(stlur64, 8, MEM_ORDERED | UNLESS_SP, X(rn) + o->imm, cpu_fence(c))

/* ---- exclusive ------------------------------------------------------------------------------ */

/* A misaligned exclusive faults whatever the monitor says, unless FEAT_LSE2 permits the address. */
static inline bool excl_misaligned(const struct cpu *c, u64 va, unsigned size)
{
    return UNLIKELY(va & (size - 1)) && (!cpu_has(c, FEAT_LSE2) || (va & 15) + size > 16);
}

/* The end of a store exclusive, whose status is in Rs: of size bytes in val. */
static enum step store_exclusive(struct cpu *c, const struct op *o, u64 addr, unsigned size, unsigned pair,
                                 const u64 val[2])
{
    bool done;
    if (!mem_excl_store(c, addr, size, UNLESS_SP | pair, val, &done))
        return STEP_JUMP;
    X(ra) = !done;
    return STEP_NEXT;
}

#define EXCLUSIVE(sfx, size)                                                                                           \
    LOAD(ldxr##sfx, size, MEM_EXCL | UNLESS_SP, X(rn), v, mem_excl_mark(c, addr, size);                                \
         mem_excl_keep(c, addr, size, 0, v, 0))                                                                        \
    EXEC(stxr##sfx)                                                                                                    \
    {                                                                                                                  \
        CHECK_SP();                                                                                                    \
        u64 addr = X(rn), status = 1;                                                                                  \
        if (UNLIKELY(c->par != NULL)) {                                                                                \
            const u64 val[2] = {X(rd), 0};                                                                             \
            return store_exclusive(c, o, addr, size, 0, val);                                                          \
        }                                                                                                              \
        if (excl_misaligned(c, addr, size) || mem_excl_check(c, addr, size)) {                                         \
            if (!mem_write(c, addr, size, MEM_EXCL | UNLESS_SP, X(rd)))                                                \
                return STEP_JUMP;                                                                                      \
            status = 0;                                                                                                \
        }                                                                                                              \
        X(ra) = status;                                                                                                \
        return STEP_NEXT;                                                                                              \
    }
EXCLUSIVE(b, 1)
EXCLUSIVE(h, 2)
EXCLUSIVE(32, 4)
EXCLUSIVE(64, 8)

EXEC(ldxp32)
{
    CHECK_SP();
    u64 addr = X(rn), v;
    if (!mem_read(c, addr, 8, MEM_EXCL | MEM_PAIR | UNLESS_SP, &v))
        return STEP_JUMP;
    mem_excl_mark(c, addr, 8);
    mem_excl_keep(c, addr, 8, MEM_PAIR, v, 0);
    X(rd) = (u32)v;
    X(ra) = v >> 32;
    return STEP_NEXT;
}

EXEC(stxp32)
{
    CHECK_SP();
    u64 addr = X(rn), status = 1;
    if (UNLIKELY(c->par != NULL)) {
        const u64 val[2] = {(u32)X(rd) | X(rm) << 32, 0};
        return store_exclusive(c, o, addr, 8, MEM_PAIR, val);
    }
    if (excl_misaligned(c, addr, 8) || mem_excl_check(c, addr, 8)) {
        if (!mem_write(c, addr, 8, MEM_EXCL | MEM_PAIR | UNLESS_SP, (u32)X(rd) | X(rm) << 32))
            return STEP_JUMP;
        status = 0;
    }
    X(ra) = status;
    return STEP_NEXT;
}

/* The fast path of 16-byte accesses checks 8-byte alignment only. */
EXEC(ldxp64)
{
    CHECK_SP();
    u64 addr = X(rn), v[2];
    bool ok = addr & 15 ? mem_read16_slow(c, addr, MEM_EXCL | MEM_PAIR | UNLESS_SP, v)
                        : mem_read16(c, addr, MEM_EXCL | MEM_PAIR | UNLESS_SP, v);
    if (!ok)
        return STEP_JUMP;
    mem_excl_mark(c, addr, 16);
    mem_excl_keep(c, addr, 16, MEM_PAIR, v[0], v[1]);
    X(rd) = v[0];
    X(ra) = v[1];
    return STEP_NEXT;
}

EXEC(stxp64)
{
    CHECK_SP();
    u64 addr = X(rn), status = 1;
    const u64 v[2] = {X(rd), X(rm)};
    if (UNLIKELY(c->par != NULL))
        return store_exclusive(c, o, addr, 16, MEM_PAIR, v);
    if (addr & 15) {
        if (!mem_write16_slow(c, addr, MEM_EXCL | MEM_PAIR | UNLESS_SP, v))
            return STEP_JUMP;
        status = 0;
    } else if (mem_excl_check(c, addr, 16)) {
        if (!mem_write16(c, addr, MEM_EXCL | MEM_PAIR | UNLESS_SP, v))
            return STEP_JUMP;
        status = 0;
    }
    X(ra) = status;
    return STEP_NEXT;
}
