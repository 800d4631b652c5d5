/* Shared by the slow paths of guest memory (mem.c, mem_rmw.c, mem_fetch.c) and system operations. */
#pragma once
#include "core/bus.h"
#include "cpu/context.h"
#include "cpu/exception.h"
#include "cpu/mem.h"
#include "cpu/par.h"
#include "mmu/fault.h"
#include "mmu/tlb.h"
#include "mmu/walk.h"

static inline struct fast_ctx *mem_ctx(const struct cpu *c, unsigned kind)
{
    struct fast *ft = kind & MEM_EL2 ? c->ft_el2 : kind & MEM_UNPRIV ? c->ft_unpriv : c->ft;
    return (struct fast_ctx *)(void *)ft;
}

/* Byte order: between values and memory, by kind. */
u64 mem_swap8(const struct cpu *c, u64 v, unsigned size, unsigned kind);
void mem_swap16(const struct cpu *c, unsigned kind, u64 val[2]);

/* enum page_why of a page, which other CPUs' threads may be changing. */
static inline u8 page_why(struct bus *b, u32 page) { return __atomic_load_n(&bus_page_why(b)[page], __ATOMIC_RELAXED); }

/* A store to a page begins; true: par_store_end() is due behind it. */
static inline bool mem_store_begin(struct cpu *c, u32 page)
{
    bool strict = c->par && page_why(c->env->bus, page) & WHY_MONITOR;
    if (UNLIKELY(strict))
        par_store_begin(c, page);
    return strict;
}

/* The VA with an ignored top byte replaced. */
static inline u64 mem_normalise(const struct fast_ctx *f, u64 va, bool fetch)
{
    bool upper = va >> 55 & 1;
    if (!(fetch ? f->tbi_fetch : f->tbi)[upper])
        return va;
    return f->two_ranges ? sext(va, 56) : va & ones(56);
}

/* How the walker reaches this CPU's tables. */
struct walk_mem mem_walker(struct cpu *c);

/* Translates through the TLB; walks and fills it on a miss or when permission is missing. need: mask of
 * enum perm_need. NULL: *fault says why. The entry stays valid until the next translation. */
const struct tlb_entry *mem_translate(struct cpu *c, struct fast_ctx *f, u64 va, unsigned need, struct fault *fault);

/* Does the access that need and f describe pass? Changes no dirty state, for cache maintenance; fills the TLB
 * unless need has NEED_W. */
bool mem_probe(struct cpu *c, struct fast_ctx *f, u64 va, unsigned need, struct fault *fault);

/* UnalignedAccessFaults: must an access of size bytes at va, already known to be unaligned, fault
 * whatever the memory type? */
bool mem_unaligned_faults(const struct cpu *c, u64 va, unsigned size, unsigned kind);

/* An alignment fault as a value. */
static inline struct fault mem_alignment_fault(u64 va, bool write)
{
    return (struct fault){.type = FAULT_ALIGNMENT, .stage = 1, .va = va, .write = write};
}

/* The fast table of an access would have served it if f->device_s1 were otherwise (mmu/fast.h): with many of them, it is
 * so from the next instruction on. */
void mem_regret(struct cpu *c, struct fast_ctx *f);

/* Copies the entry's page into the fast table when it may have it. */
void mem_fill_fast(struct cpu *c, struct fast_ctx *f, u64 va, const struct tlb_entry *e);
