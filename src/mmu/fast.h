/* Fast tables: what the inline path of guest loads, stores and fetches looks at.
 *
 * A table belongs to one context (mmu/fast.c keys and pools them); every entry is a copy of what the
 * architectural TLB (mmu/tlb.h) holds, never more.  Structure of arrays at fixed displacements, so
 * that generated code needs one base register; the arrays are reserved at their largest size and only
 * the part in use is touched.
 *
 * A tag is the guest VA of a page (top byte as the program uses it), low bits 0, or fast_invalid(). */
#pragma once
#include "core/types.h"

enum { FAST_MAX = 65536, FAST_FETCH = 4096, FAST_START = 2048, FAST_GROWN = FAST_MAX, FAST_CONTEXTS = 32 };
/* Between arrays, and in front: what one access looks at is in different sets of the host's first-level cache, and the
 * first entries are not where the guest's pages begin. */
enum { FAST_APART = 21 * 64 / 8, FAST_FIRST = 50 * 64 };

/* The tag of an unused entry i: its index bits are those of no address that looks there. */
static inline u64 fast_invalid(u64 i) { return ~(i << 12); }

struct code_page;

/* An executable page, in one line of the host's cache: each jump to another page looks here. */
struct fast_code {
    u64 tag;                /* bit 0: the page has the GP attribute (BTI) */
    struct code_page *code; /* decoded */
};

struct fast {
    u64 delta[FAST_MAX]; /* host address = guest VA + delta; first: generated code is shortest so */
    u64 apart_r[FAST_APART];
    u64 rtag[FAST_MAX]; /* page readable */
    u64 apart_w[FAST_APART];
    u64 wtag[FAST_MAX]; /* page writable (and readable), dirty, and no enum page_why applies */
    struct fast_code x[FAST_FETCH];
    u64 mask; /* entries in use - 1 */
    u64 key;  /* another one after each loss of a tag of x[], of all tables of a pool; the two lowest bits are clear */
    /* mmu/fast.c's own fields follow in struct fast_ctx, which begins with this struct */
};

/* The page of va if it is executable, else NULL; and whether it has the GP attribute. */
static inline struct code_page *fast_code(const struct fast *ft, u64 va, bool *guarded)
{
    const struct fast_code *x = &ft->x[va >> 12 & (FAST_FETCH - 1)];
    u64 tag = x->tag - (va & ~0xfffull);
    *guarded = tag;
    return tag <= 1 ? x->code : NULL;
}

static inline u64 fast_index(const struct fast *ft, u64 va) { return va >> 12 & ft->mask; }
static inline u8 *ft_host(const struct fast *ft, u64 i, u64 va) { return (u8 *)(uintptr_t)(va + ft->delta[i]); }

/* ---- the pool ------------------------------------------------------------------------------- */

/* What a context's accesses are, besides the addresses. */
struct fast_key {
    u8 space; /* number in the TLB: regime, PAS, stages, VMID */
    u8 kind;  /* enum regime_kind, of the space */
    bool el0; /* EL0's permissions, else privileged */
    bool pan;
    bool mte;     /* data accesses are tag-checked: has no entries of tagged pages */
    bool big;     /* big-endian data: has no data entries */
    bool by_asid; /* privileged, and for one ASID: most of its pages are not global */
    u16 asid;     /* of EL0 contexts and those; other privileged ones follow the current ASID */
};

enum { FAST_JOURNAL = 1024, FAST_JOURNAL_CODE = 512, FAST_PATIENCE = 16384 };

struct fast_ctx {
    struct fast t;
    struct fast_key key;
    u16 asid;    /* current */
    bool tbi[2]; /* top byte ignored, data, by VA<55> */
    bool tbi_fetch[2];
    bool two_ranges;
    bool device;     /* holds Device memory: what looks here has to be aligned */
    bool device_s1;  /* it would not have to, stage 1 is on: see fast_turn() */
    u32 regrets;     /* accesses that the fast path would have served if device_s1 were otherwise; some count twice */
    u32 patience;    /* with so many it turns */
    u32 filled;      /* data entries noted in journal; > FAST_JOURNAL: clear everything */
    u32 nonglobal;   /* entries of journal_ng */
    u32 filled_code; /* the same of code, by journal_code */
    u32 evicted;     /* pages that had to make room for others since the last drop */
    u32 fills;       /* data entries made since then */
    u16 journal[FAST_JOURNAL], journal_code[FAST_JOURNAL_CODE];
    u32 journal_ng[FAST_JOURNAL]; /* indices, FAST_MAX + index for code */
};

struct fast_pool;

/* latch: set to ~0 whenever entries are dropped (the latched fetch page is a copy too). ram_base and
 * pages: the bus's host area, to find tables by RAM page. */
struct fast_pool *fast_pool_new(u64 *latch, const u8 *ram_base, u32 pages);
/* Off: tables stay empty, every access takes the slow path. Before the first fill. */
void fast_pool_off(struct fast_pool *p);
void fast_pool_free(struct fast_pool *p);
/* The context of a key, emptied when it had to be taken from another. */
struct fast_ctx *fast_get(struct fast_pool *p, const struct fast_key *k);
/* Changes when some context was taken away from its key. */
u32 fast_epoch(const struct fast_pool *p);
/* A privileged context goes on under another ASID: drops what was not global; how many entries. */
u32 fast_set_asid(struct fast_pool *p, struct fast_ctx *f, u16 asid);

/* Enters a page: host address, RAM page number, permissions. */
void fast_fill(struct fast_pool *p, struct fast_ctx *f, u64 va, u8 *host, u32 page, bool r, bool w, bool global);
void fast_fill_code(struct fast_pool *p, struct fast_ctx *f, u64 va, struct code_page *code, bool global, bool guarded);

/* With stage 1 on most memory is Normal, and a context holds only that: unaligned accesses are served. Software that
 * has its RAM mapped as Device memory wants it the other way round. Turns device_s1; patience doubles. device follows
 * at once, and the callers see to it that unaligned accesses do not look here any more before the next fill. */
void fast_turn(struct fast_pool *p, struct fast_ctx *f);

/* Removals, called by the TLB, of an entry of the ASID or a global one. va: page address, any top byte. */
#define FAST_ANY_ASID 0xffffffffu
void fast_drop_va(struct fast_pool *p, unsigned space, u32 asid, u64 va);
/* The same in every space. */
void fast_drop_va_all(struct fast_pool *p, u64 va);
/* The 2 MiB from va on. */
void fast_drop_2m(struct fast_pool *p, unsigned space, u32 asid, u64 va);
void fast_drop_space(struct fast_pool *p, unsigned space);
/* Non-global entries of the ASIDs whose low bits (mask) are those of asid. */
void fast_drop_asid(struct fast_pool *p, unsigned space, u16 asid, u16 mask);
void fast_drop_all(struct fast_pool *p);
/* The page must not be stored to by fast paths any more (WHY_* was set). */
void fast_withdraw_write(struct fast_pool *p, u32 page);
/* Every pointer to decoded code goes. */
void fast_drop_code(struct fast_pool *p);
