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

enum { FAST_MAX = 65536, FAST_FETCH = 1024 };

/* The tag of an unused entry i: its index bits are those of no address that looks there. */
static inline u64 fast_invalid(u64 i) { return ~(i << 12); }

struct code_page;

struct fast {
    u64 rtag[FAST_MAX];  /* page readable */
    u64 wtag[FAST_MAX];  /* page writable, dirty, and no enum page_why applies */
    u64 delta[FAST_MAX]; /* host address = guest VA + delta */
    u64 xtag[FAST_FETCH]; /* page executable: code[i] is its decoded page */
    struct code_page *code[FAST_FETCH];
    u8 xguard[FAST_FETCH]; /* the page has the GP attribute (BTI) */
    u64 mask;            /* entries in use - 1 */
    /* mmu/fast.c's own fields follow in struct fast_ctx, which begins with this struct */
};

static inline u64 fast_index(const struct fast *ft, u64 va) { return va >> 12 & ft->mask; }
static inline u8 *ft_host(const struct fast *ft, u64 i, u64 va)
{
    return (u8 *)(uintptr_t)(va + ft->delta[i]);
}
