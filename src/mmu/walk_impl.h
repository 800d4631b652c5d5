/* Shared between the two halves of the walker (walk.c, walk_stage2.c); nobody else includes it. */
#pragma once
#include "core/bits.h"
#include "mmu/walk.h"

struct walker {
    const struct walk_mem *mem;
    const struct walk_in *in;
    struct fault *fault;
    u64 va;
    /* The stage 2 leaf that was found last: a walk reads its tables through few of them. */
    struct s2_leaf {
        u64 desc, oa;
        struct pa pa;
        int level;
        unsigned shift;
    } s2;
    u64 s2_ipa; /* that it was asked for */
    enum pas s2_space;
    bool s2_valid;
};

/* Result of a read or an update of a descriptor. */
enum walk_status { WALK_OK, WALK_FAULT, WALK_AGAIN /* someone changed the descriptor */ };

/* What stage 2 is asked. */
struct s2_ask {
    u64 ipa;
    enum pas space;
    u8 need; /* enum perm_need */
    bool priv;
    bool s1_walk; /* a stage 1 table access */
    bool update;  /* ... that writes the descriptor */
    u8 level;     /* of the stage 1 table, for faults */
};

struct s2_result {
    struct pa pa;
    u16 perm;
    u8 memattr; /* MemAttr[3:0] */
    u8 sh;
    u8 log2; /* 63: no stage 2 */
    s8 level;
};

bool walk_fault(struct walker *w, enum fault_type type, unsigned stage, int level);
/* One descriptor, byte-swapped for ee. */
bool walk_ask_desc(struct walker *w, bool ee, struct pa pa, unsigned stage, int level, u64 *desc);
static inline bool walk_read_desc(struct walker *w, bool ee, struct pa pa, unsigned stage, int level, u64 *desc)
{
    const u8 *p = w->mem->ram && !w->in->trace ? bus_window_ptr(w->mem->ram, pa) : NULL;
    if (UNLIKELY(!p))
        return walk_ask_desc(w, ee, pa, stage, level, desc);
    *desc = __atomic_load_n((const u64 *)(uintptr_t)((uintptr_t)p & ~(uintptr_t)7), __ATOMIC_RELAXED);
    if (ee)
        *desc = bswap64(*desc);
    return true;
}
enum walk_status walk_update_desc(struct walker *w, bool ee, struct pa pa, unsigned stage, int level, u64 old,
                                  u64 desc);
/* The output address field of a descriptor whose low bits below `low` do not count. */
u64 walk_desc_addr(const struct regime *r, unsigned granule, u64 desc, unsigned low);
/* Base of the first table: TTBR with alignment to its size (1 << log2 bytes). */
u64 walk_base(const struct regime *r, const struct tr_range *t, unsigned log2);
bool walk_block_allowed(const struct regime *r, unsigned granule, int level);
static inline bool walk_oa_bad(const struct regime *r, u64 addr) { return r->ps < 56 && addr >> r->ps; }

/* Address of a stage 1 descriptor after stage 2. */
bool walk_desc_pa(struct walker *w, const struct regime *r, u64 ipa, enum pas space, int level, struct pa *pa);

/* AArch32 (walk_short.c). */
struct walk_short {
    u64 pa;
    u16 perm;
    u8 attr, sh, log2;
    s8 level;
    bool ng, ns;
};
bool walk_stage1_short(struct walker *w, const struct regime *r, struct walk_short *res);
/* The range of a long-descriptor walk, NULL: between them. */
const struct tr_range *walk_aa32_range(const struct regime *r, u64 va);
/* Permissions of AP[2:1], XN and PXN in AArch32. */
u16 walk_aa32_perm(const struct regime *r, unsigned ap, bool xn, bool pxn);

bool walk_stage2(struct walker *w, const struct regime *s2, const struct s2_ask *ask, struct s2_result *res);
/* Combines the attributes of both stages (S2CombineS1AttrHints and kin). */
u8 walk_combine_attr(const struct regime *s2, u8 s1, unsigned memattr, bool fetch);
