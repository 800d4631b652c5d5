/* Atomic memory operations (FEAT_LSE, DDI0487 C6.2 "LDADD" ... "CASP").
 *
 * One CPU executes at a time in deterministic mode, so a read-modify-write is atomic as it is; in parallel mode the
 * store compares and exchanges, and the instruction starts over when another CPU was faster.  RAM
 * goes through a host pointer whose read and write permission was checked; devices by a read and a
 * write.  Acquire and release need nothing: locked instructions are full barriers. */
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

/* Tag checks: [SP] is exempt. */
#define UNLESS_SP (o->rn == REG_SP ? 0u : (unsigned)MEM_TAGCHK)

/* The old value of size bytes at va and the way to store a new one. False: exception taken. */
static inline bool rmw_load(struct cpu *c, u64 va, unsigned size, unsigned tag, struct mem_rmw *m, u64 *old)
{
    const struct fast *ft = c->ft;
    u64 i = fast_index(ft, va), mask = ~0xfffull | (size - 1);
    if (LIKELY(((va ^ ft->wtag[i]) & mask) == 0)) { /* a page with a write tag can be read as well */
        m->host = ft_host(ft, i, va);
        m->watched = false;
        m->device = false;
        *old = mem_host_load(m->host, size);
        return true;
    }
    if (!mem_rmw(c, va, size, MEM_ATOMIC | tag, m))
        return false;
    if (m->device)
        return mem_read(c, va, size, MEM_ATOMIC, old);
    *old = mem_host_load(m->host, size);
    if (c->big_endian)
        *old = bswap_size(*old, size);
    return true;
}

enum stored { FAULTED, STORED, AGAIN };

static inline enum stored rmw_store(struct cpu *c, u64 va, unsigned size, const struct mem_rmw *m, u64 old, u64 val)
{
    if (UNLIKELY(m->device))
        return mem_write(c, va, size, MEM_ATOMIC, val) ? STORED : FAULTED;
    if (UNLIKELY(c->par != NULL)) {
        const u64 is[2] = {c->big_endian ? bswap_size(old, size) : old, 0};
        const u64 new[2] = {c->big_endian ? bswap_size(val, size) : val, 0};
        return mem_rmw_swap(c, m, size, is, new) ? STORED : AGAIN;
    }
    mem_host_store(m->host, size, c->big_endian ? bswap_size(val, size) : val);
    if (UNLIKELY(m->watched))
        mem_rmw_done(c, m, size);
    return STORED;
}

/* v: value in memory, s: Rs, both of the access's size and zero-extended. */
#define RMW(name, size, expr)                                                                                          \
    EXEC(name)                                                                                                         \
    {                                                                                                                  \
        CHECK_SP();                                                                                                    \
        u64 addr = X(rn), v, s = X(rm) & ones(8 * size);                                                               \
        struct mem_rmw m;                                                                                              \
        enum stored stored;                                                                                            \
        do {                                                                                                           \
            if (!rmw_load(c, addr, size, UNLESS_SP, &m, &v))                                                           \
                return STEP_JUMP;                                                                                      \
            stored = rmw_store(c, addr, size, &m, v, (expr));                                                          \
            if (stored == FAULTED)                                                                                     \
                return STEP_JUMP;                                                                                      \
        } while (UNLIKELY(stored == AGAIN));                                                                           \
        X(rd) = v;                                                                                                     \
        return STEP_NEXT;                                                                                              \
    }
#define SIGNED(x, size) ((s64)((x) << (64 - 8 * size)))
#define RMW_SIZE(sfx, size)                                                                                            \
    RMW(ldadd##sfx, size, v + s)                                                                                       \
    RMW(ldclr##sfx, size, v & ~s)                                                                                      \
    RMW(ldeor##sfx, size, v ^ s)                                                                                       \
    RMW(ldset##sfx, size, v | s)                                                                                       \
    RMW(ldsmax##sfx, size, SIGNED(v, size) > SIGNED(s, size) ? v : s)                                                  \
    RMW(ldsmin##sfx, size, SIGNED(v, size) < SIGNED(s, size) ? v : s)                                                  \
    RMW(ldumax##sfx, size, v > s ? v : s)                                                                              \
    RMW(ldumin##sfx, size, v < s ? v : s)                                                                              \
    RMW(swp##sfx, size, s)
RMW_SIZE(b, 1)
RMW_SIZE(h, 2)
RMW_SIZE(32, 4)
RMW_SIZE(64, 8)

/* Rs is source and destination: the decoder cannot know which of the two a 31 means. */
static inline u64 *dest(struct cpu *c, unsigned r) { return &c->x[r == 31 ? REG_SINK : r]; }

#define CAS(sfx, size)                                                                                                 \
    EXEC(cas##sfx)                                                                                                     \
    {                                                                                                                  \
        CHECK_SP();                                                                                                    \
        u64 addr = X(rn), v;                                                                                           \
        struct mem_rmw m;                                                                                              \
        enum stored stored;                                                                                            \
        do {                                                                                                           \
            if (!rmw_load(c, addr, size, UNLESS_SP, &m, &v))                                                           \
                return STEP_JUMP;                                                                                      \
            bool equal = v == (X(rm) & ones(8 * size));                                                                \
            stored = equal ? rmw_store(c, addr, size, &m, v, X(rd)) : STORED;                                          \
            if (stored == FAULTED)                                                                                     \
                return STEP_JUMP;                                                                                      \
        } while (UNLIKELY(stored == AGAIN));                                                                           \
        *dest(c, o->rm) = v;                                                                                           \
        return STEP_NEXT;                                                                                              \
    }
CAS(b, 1)
CAS(h, 2)
CAS(32, 4)
CAS(64, 8)

/* CASP: rm and rd hold half the numbers of the even registers.  The lower register belongs to the
 * lower address in either byte order. */
EXEC(casp32)
{
    CHECK_SP();
    unsigned s = 2u * o->rm, t = 2u * o->rd;
    u64 addr = X(rn), v;
    u64 expect = c->big_endian ? (u32)c->x[s + 1] | c->x[s] << 32 : (u32)c->x[s] | c->x[s + 1] << 32;
    u64 new = c->big_endian ? (u32)c->x[t + 1] | c->x[t] << 32 : (u32)c->x[t] | c->x[t + 1] << 32;
    struct mem_rmw m;
    enum stored stored;
    do {
        if (!rmw_load(c, addr, 8, UNLESS_SP, &m, &v))
            return STEP_JUMP;
        stored = v == expect ? rmw_store(c, addr, 8, &m, v, new) : STORED;
        if (stored == FAULTED)
            return STEP_JUMP;
    } while (UNLIKELY(stored == AGAIN));
    c->x[s] = c->big_endian ? v >> 32 : (u32)v;
    *dest(c, s + 1) = c->big_endian ? (u32)v : v >> 32;
    return STEP_NEXT;
}

static void load_pair(const struct cpu *c, const struct mem_rmw *m, u64 v[2])
{
    if (UNLIKELY(c->par != NULL))
        atomic_load16(m->host, v);
    else
        for (unsigned k = 0; k < 2; k++)
            v[k] = mem_host_load(m->host + 8 * k, 8);
    for (unsigned k = 0; k < 2 && c->big_endian; k++)
        v[k] = bswap64(v[k]);
}

/* False: another CPU has changed what was found (v) meanwhile. */
static bool store_pair(struct cpu *c, const struct mem_rmw *m, const u64 v[2], const u64 new[2])
{
    u64 old[2] = {v[0], v[1]}, val[2] = {new[0], new[1]};
    for (unsigned k = 0; k < 2 && c->big_endian; k++) {
        old[k] = bswap64(old[k]);
        val[k] = bswap64(val[k]);
    }
    if (UNLIKELY(c->par != NULL))
        return mem_rmw_swap(c, m, 16, old, val);
    for (unsigned k = 0; k < 2; k++)
        mem_host_store(m->host + 8 * k, 8, val[k]);
    if (m->watched)
        mem_rmw_done(c, m, 16);
    return true;
}

EXEC(casp64)
{
    CHECK_SP();
    unsigned s = 2u * o->rm, t = 2u * o->rd;
    u64 addr = X(rn), v[2];
    const u64 new[2] = {c->x[t], c->x[t + 1]};
    struct mem_rmw m = {0};
    bool equal, stored = true;
    u64 i = fast_index(c->ft, addr);
    do {
        if (LIKELY(((addr ^ c->ft->wtag[i]) & (~0xfffull | 15)) == 0))
            m.host = ft_host(c->ft, i, addr);
        else if (!mem_rmw(c, addr, 16, MEM_ATOMIC | UNLESS_SP, &m))
            return STEP_JUMP;
        if (!m.device)
            load_pair(c, &m, v);
        else if (!mem_read16_slow(c, addr, MEM_ATOMIC | MEM_PAIR, v))
            return STEP_JUMP;
        equal = v[0] == c->x[s] && v[1] == c->x[s + 1];
        if (equal && m.device && !mem_write16_slow(c, addr, MEM_ATOMIC | MEM_PAIR, new))
            return STEP_JUMP;
        if (equal && !m.device)
            stored = store_pair(c, &m, v, new);
    } while (UNLIKELY(!stored));
    c->x[s] = v[0];
    *dest(c, s + 1) = v[1];
    return STEP_NEXT;
}
