/* The architectural TLB of a PE: the one cache of translations that a guest can notice.
 *
 * Entries are pieces of combined stage 1 and stage 2 translations that remember the block size of
 * stage 1: of 2 MiB where both stages and the RAM behind them allow it, else of 4 KiB.  A *space* is what an entry
 * belongs to besides its ASID: {regime, PAS, which stages are on, VMID}; spaces are interned to small numbers.
 * Invalidating a space or an ASID moves a generation on, in constant time; entries of old generations are dead. */
#pragma once
#include "mmu/regime.h"
#include "mmu/walk.h"

struct fast_pool;
struct snap;

enum {
    TLB_SETS = 1024,
    TLB_WAYS = 8, /* 4 KiB pieces */
    TLB_BIG_SETS = 128,
    TLB_BIG_WAYS = 4, /* 2 MiB pieces */
    TLB_SPACES = 64,
    TLB_ASIDS = 1024,
    TLB_FILTER = 4096,
};

enum tlb_flags {
    TLB_GLOBAL = 1 << 0,
    TLB_GP = 1 << 1, /* guarded page (BTI) */
    TLB_TAGGED = 1 << 2,
    TLB_ROM = 1 << 3,    /* page is a ROM page: writes go to a device */
    TLB_DEVICE = 1 << 4, /* Device memory for either stage: no unaligned accesses, whatever both make of it */
};
#define TLB_NO_PAGE 0xffffffffu

struct tlb_entry {
    u64 key;  /* VA<63:12> (<63:21>), space in bits 7:1, valid in bit 0 */
    u64 pa;   /* struct pa of the piece */
    u32 gen;  /* of its space */
    u32 agen; /* of its ASID; 0 for global entries */
    u32 page; /* RAM or ROM page number of the piece's begin, TLB_NO_PAGE: anything else */
    u16 asid;
    u16 perm;            /* enum perm_bits */
    u8 s1_log2, s2_log2; /* block sizes */
    u8 attr;             /* MAIR byte */
    u8 flags;            /* enum tlb_flags */
    u8 sh;
    u8 pad[3];
};

/* A space's identity in one word. */
struct tlb_space {
    u8 kind; /* enum regime_kind */
    u8 pas;
    bool s1, s2; /* stages on */
    bool dc;
    bool nv1;
    u16 vmid;
    bool aa32;  /* tables in AArch32's formats */
    u32 dacr;   /* with short descriptors */
};

struct tlb *tlb_new(void);
void tlb_free(struct tlb *t);
/* The fast tables that copy from this TLB. */
void tlb_attach(struct tlb *t, struct fast_pool *fast);

/* The number of a space; may drop the entries of a space not used for long. */
unsigned tlb_space_id(struct tlb *t, const struct tlb_space *s);
/* Changes when a space number was given to another space. */
u32 tlb_space_epoch(const struct tlb *t);

/* va is normalised (top byte replaced where it is ignored). NULL: miss. The entry is as of va's 4 KiB
 * and stays valid until the next look-up or fill. */
const struct tlb_entry *tlb_lookup(struct tlb *t, unsigned space, u16 asid, u64 va);
/* Where a translation's PA leads, as the bus resolves it. */
struct tlb_backing {
    u32 page; /* of the 4 KiB; TLB_NO_PAGE: a device or nothing */
    bool rom;
    bool big; /* the 2 MiB around it are RAM pages in sequence, and blocks of both stages cover them */
};
/* Enters the translation of va. */
const struct tlb_entry *tlb_fill(struct tlb *t, unsigned space, u16 asid, u64 va, const struct walk_out *out,
                                 const struct tlb_backing *b);

/* Which spaces an invalidation reaches. */
struct tlb_scope {
    u8 kind; /* enum regime_kind */
    u8 pas;
    bool any_vmid;
    bool stage2_only; /* by IPA: the spaces where stage 1 is off */
    u16 vmid;
};
/* An invalidation as TLBI instructions make them, for whoever listens to broadcasts. */
enum tlb_form { TLB_INV_NONE, TLB_INV_ALL, TLB_INV_ASID, TLB_INV_VA };
struct tlb_inv {
    enum tlb_form form;
    struct tlb_scope scope;
    bool both_stages; /* TLB_INV_ALL: ALLE1, VMALLS12E1 */
    bool any_asid;
    u16 asid;
    u64 va, size;
};
void tlb_inv_all(struct tlb *t, const struct tlb_scope *s);
void tlb_inv_asid(struct tlb *t, const struct tlb_scope *s, u16 asid);
/* [va, va + size) in bytes, normalised; any_asid: VAA forms. Global entries always go. */
void tlb_inv_va(struct tlb *t, const struct tlb_scope *s, u64 va, u64 size, bool any_asid, u16 asid);
/* Everything, for reset and when the physical map changed. */
void tlb_clear(struct tlb *t);

/* Visits the entries. */
void tlb_state(struct tlb *t, struct snap *s);
