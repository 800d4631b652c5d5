/* From system registers to translation regimes and memory contexts. */
#pragma once
#include "cpu/cpu.h"

struct snap;

/* Cold reset: empty TLB, contexts resolved afresh. After sysreg_reset(). The first one allocates TLB,
 * fast tables and the machine's decoded-code cache: the bus must be sealed. */
void context_reset(struct cpu *c);
void context_free(struct cpu *c);
/* Visits the architectural TLB; after SNAP_LOAD everything derived is recomputed (the system registers
 * must have been loaded before). */
void context_state(struct cpu *c, struct snap *s);

/* The physical memory map changed (bus_on_remap): forget every translation. */
void context_flush(struct cpu *c);

/* What was found for a PSTATE, as long as the registers stay (c->ctx_generation). */
struct resolved {
    u64 generation; /* 0: nothing */
    u32 pauth_tag;  /* this and the next four as in struct cpu: they are copied at once */
    bool big, strict, exact;
    u8 fp_trap;
    struct fast *ft, *unpriv, *el2;
    u64 pauth_mask[2];
};

struct fast_ctx;
/* The regime a context's misses walk with, as the registers say now. kind: enum regime_kind. */
const struct regime *context_regime(struct cpu *c, unsigned kind);
/* The regime that accesses from el use (TranslationRegime). */
unsigned context_kind(const struct cpu *c, unsigned el);
/* The context of a translation: EL0 or privileged, PAN, data endianness. Resolve must have run. */
struct fast_ctx *context_of(struct cpu *c, unsigned kind, bool el0, bool pan, bool big);
/* VMID in force, 0 without EL2. */
u16 context_vmid(const struct cpu *c);

/* Brings contexts (ft*), big_endian, strict_align, exact_align and fp_trap up to date: called while ctx_dirty at ISB, ERET, exception
 * entry and by the engine before it executes. */
void context_update(struct cpu *c);
/* The same after registers were changed behind context_touch()'s back. */
void context_resolve(struct cpu *c);
/* c->pauth_tag becomes tag and c->pauth_mask mask, and they do so again when this state comes back. */
u32 context_note_pauth(struct cpu *c, u32 tag, const u64 mask[2]);
/* PSTATE.EL, PAN, UAO, TCO or AArch32's E changed: what was resolved before for that state is used again. */
static inline void context_switch(struct cpu *c)
{
    c->ctx_dirty = true;
    c->pauth_tag = 0;
}
/* Nothing that was found before holds any more. */
static inline void context_renew(struct cpu *c)
{
    c->ctx_generation = c->ctx_floor = ++c->ctx_last;
}
/* A selecting register changed. Cheap; resolve follows. */
static inline void context_touch(struct cpu *c)
{
    context_switch(c);
    context_renew(c);
}
/* One of the registers changed that hypervisors write to and fro (context_keyed()). What they select at the current EL
 * is as it was, or context_switch() follows. */
static inline void context_lose(struct cpu *c) { c->ctx_generation = 0; }
bool context_keyed(unsigned cell);
/* c->ctx_generation, where it was lost: the one that these values had before, or a new one. */
void context_number(struct cpu *c);

/* AArch64.BranchAddr: where a branch to an address with a tag leads at the current EL. */
u64 context_untag(const struct cpu *c, u64 target);
static inline u64 context_branch_addr(const struct cpu *c, u64 target)
{
    u64 top = target >> 55;
    return LIKELY(top == 0 || top == 0x1ff) ? target : context_untag(c, target);
}
