/* Guest data accesses: one inline pair for loads and stores, everything else out of line.
 *
 * On failure an exception has been taken (pc is at the vector) and the exec function returns
 * STEP_JUMP.  Values are in host order; big-endian guests are handled inside. */
#pragma once
#include <string.h>

#include "core/bits.h"
#include "cpu/cpu.h"
#include "cpu/mem_atomic.h"
#include "mmu/fast.h"

enum mem_kind {
    MEM_NORMAL = 0,
    MEM_UNPRIV = 1 << 0,  /* LDTR, STTR: as EL0 (when that differs) */
    MEM_ORDERED = 1 << 1, /* acquire/release: alignment rules of LDAR/STLR */
    MEM_EXCL = 1 << 2,    /* exclusive: natural alignment always */
    MEM_ATOMIC = 1 << 3,  /* LSE read-modify-write: natural alignment (or LSE2), needs both permissions,
                             faults are reported as for the pseudocode's atomic accesses */
    MEM_PAIR = 1 << 4,    /* two elements of size/2: alignment of one element, endianness of each */
    MEM_EL2 = 1 << 5,     /* VNCR_EL2: as EL2 */
    MEM_VEC = 1 << 6,     /* structure/vector element access: alignment of the element */
    MEM_TAGCHK = 1 << 7,  /* MTE tag checked (base register not SP-relative ...) */
    MEM_ALIGN = 1 << 8,   /* natural alignment always (AArch32 LDM, LDRD and their kin) */
};

/* size: 1, 2, 4, 8. Out of line: TLB miss, device, unaligned, big-endian, watched, fault. */
bool mem_read_slow(struct cpu *c, u64 va, unsigned size, unsigned kind, u64 *val);
bool mem_write_slow(struct cpu *c, u64 va, unsigned size, unsigned kind, u64 val);
/* 16 bytes: val[0] is the lower address's register or the low half (by kind and endianness). */
bool mem_read16_slow(struct cpu *c, u64 va, unsigned kind, u64 val[2]);
bool mem_write16_slow(struct cpu *c, u64 va, unsigned kind, const u64 val[2]);

static inline u64 mem_host_load(const u8 *p, unsigned size)
{
    u64 v = 0;
    switch (size) {
    case 1: return *p;
    case 2: { u16 t; memcpy(&t, p, 2); return t; }
    case 4: { u32 t; memcpy(&t, p, 4); return t; }
    default: memcpy(&v, p, 8); return v;
    }
}
static inline void mem_host_store(u8 *p, unsigned size, u64 val)
{
    memcpy(p, &val, size); /* little-endian host; size is a constant in the callers */
}

/* The fast path serves naturally aligned accesses to RAM whose permission is known; big-endian
 * contexts have no fast entries. */
static inline bool mem_read(struct cpu *c, u64 va, unsigned size, unsigned kind, u64 *val)
{
    const struct fast *ft = kind & MEM_UNPRIV ? c->ft_unpriv : c->ft;
    u64 i = fast_index(ft, va);
    if (LIKELY(((va ^ ft->rtag[i]) & (~0xfffull | (size - 1))) == 0)) {
        *val = mem_host_load(ft_host(ft, i, va), size);
        return true;
    }
    return mem_read_slow(c, va, size, kind, val);
}

static inline bool mem_write(struct cpu *c, u64 va, unsigned size, unsigned kind, u64 val)
{
    const struct fast *ft = kind & MEM_UNPRIV ? c->ft_unpriv : c->ft;
    u64 i = fast_index(ft, va);
    if (LIKELY(((va ^ ft->wtag[i]) & (~0xfffull | (size - 1))) == 0)) {
        mem_host_store(ft_host(ft, i, va), size, val);
        return true;
    }
    return mem_write_slow(c, va, size, kind, val);
}

/* 16 bytes aligned to 8 within one page take the fast path. */
static inline bool mem_read16(struct cpu *c, u64 va, unsigned kind, u64 val[2])
{
    const struct fast *ft = kind & MEM_UNPRIV ? c->ft_unpriv : c->ft;
    u64 i = fast_index(ft, va);
    if (LIKELY(((va ^ ft->rtag[i]) & (~0xfffull | 7)) == 0 && (va & 0xfff) <= 0xff0)) {
        const u8 *p = ft_host(ft, i, va);
        if (UNLIKELY(c->par != NULL)) {
            atomic_load16(p, val);
            return true;
        }
        val[0] = mem_host_load(p, 8);
        val[1] = mem_host_load(p + 8, 8);
        return true;
    }
    return mem_read16_slow(c, va, kind, val);
}

static inline bool mem_write16(struct cpu *c, u64 va, unsigned kind, const u64 val[2])
{
    const struct fast *ft = kind & MEM_UNPRIV ? c->ft_unpriv : c->ft;
    u64 i = fast_index(ft, va);
    if (LIKELY(((va ^ ft->wtag[i]) & (~0xfffull | 7)) == 0 && (va & 0xfff) <= 0xff0)) {
        u8 *p = ft_host(ft, i, va);
        if (UNLIKELY(c->par != NULL)) {
            atomic_store16(p, val);
            return true;
        }
        mem_host_store(p, 8, val[0]);
        mem_host_store(p + 8, 8, val[1]);
        return true;
    }
    return mem_write16_slow(c, va, kind, val);
}

/* Atomic read-modify-write for LSE and exclusives: gives the host address of size bytes (naturally
 * aligned unless LSE2 allows) with read and write permission checked as the architecture orders them,
 * or NULL: an exception was taken, or *device is set and the access must be done by the two calls
 * above (a device). Deterministic mode: no other CPU runs meanwhile; in parallel mode the caller compares and
 * exchanges. After the store call
 * mem_rmw_done(), which tells listeners of pages with withheld write tags.
 * Big-endian: the caller swaps by c->big_endian. */
struct mem_rmw {
    u8 *host;
    u32 page, off;
    bool device;
    bool watched; /* mem_rmw_done() has something to do */
};
bool mem_rmw(struct cpu *c, u64 va, unsigned size, unsigned kind, struct mem_rmw *out);
void mem_rmw_done(struct cpu *c, const struct mem_rmw *m, unsigned size);
/* Parallel mode: the compare-and-exchange (bytes in memory's order), with mem_rmw_done(). False: memory was not old. */
bool mem_rmw_swap(struct cpu *c, const struct mem_rmw *m, unsigned size, const u64 old[2], const u64 new[2]);

/* The exclusive monitor (architecture.md section 5). mem_excl_mark() after a successful load
 * exclusive of [va, va+size) marks the granule; mem_excl_check(): may the store pass? It clears the
 * monitor in any case; faults of the store itself come from the store. */
void mem_excl_mark(struct cpu *c, u64 va, unsigned size);
bool mem_excl_check(struct cpu *c, u64 va, unsigned size);

/* Parallel mode (mem_excl.c). mem_excl_keep() notes what the load exclusive returned. */
void mem_excl_publish(struct cpu *c, u64 va, unsigned size, unsigned kind);
static inline void mem_excl_keep(struct cpu *c, u64 va, unsigned size, unsigned kind, u64 v0, u64 v1)
{
    c->excl[0] = v0;
    c->excl[1] = v1;
    if (UNLIKELY(c->par != NULL))
        mem_excl_publish(c, va, size, kind);
}
/* Of a page's instructions, executed in a row: does a store exclusive, a load exclusive, at o belong to a load, a store,
 * at most n before, behind it, and is nothing between but register arithmetic and branches not taken? */
bool mem_excl_simple_store(const struct op *o, unsigned n);
bool mem_excl_simple_load(const struct op *o, unsigned n);
bool mem_excl_is_load(const struct op *o);
/* The store exclusive whole. Simple ones pass when memory holds what the load exclusive returned (c->excl), the others
 * when nobody has stored since. False: exception taken. */
bool mem_excl_store(struct cpu *c, u64 va, unsigned size, unsigned kind, const u64 val[2], bool *passed);

/* Instruction fetch: latches the page of pc, so that c->fetch_page/fetch_code serve it. False: an
 * exception was taken. */
bool mem_fetch_page(struct cpu *c);

/* Hooks of the decoded-code cache (cpu/code.h), arg is the struct cpu_env. */
void mem_page_became_code(void *env, u32 page);
void mem_drop_code(void *env);

/* ---- maintenance, called by the system instructions' hooks ---------------------------------- */

/* DC ZVA of the block at va. False: exception taken. */
bool mem_zero_block(struct cpu *c, u64 va);

/* Debugger and loaders: translate without side effects. False: unmapped. */
bool mem_debug_translate(struct cpu *c, u64 va, struct pa *out);
bool mem_debug_read(struct cpu *c, u64 va, void *buf, size_t n);
