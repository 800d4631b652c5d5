/* Pointer authentication (FEAT_PAuth): the pure computations. */
#pragma once
#include "core/types.h"

struct pauth_key {
    u64 lo, hi;
};
enum pauth_algorithm { PAUTH_QARMA5, PAUTH_QARMA3, PAUTH_IMPDEF };

/* Results of AddPAC() and successful Auth() computed before: kernels sign and authenticate the same return addresses
 * again and again. Found by pauth_memo_index() in a table for each of the two; generated code looks here too. */
struct pauth_memo {
    u64 ptr, modifier;
    struct pauth_key key;
    u64 result;
    u32 tag; /* what else the result depends on: cpu.pauth_tag | number of the key; 0: empty */
} __attribute__((aligned(64)));
enum { PAUTH_MEMOS = 2048, PAUTH_PTR_SHIFT = 2, PAUTH_MODIFIER_SHIFT = 4 };

static inline unsigned pauth_memo_index(u64 ptr, u64 modifier)
{
    return (unsigned)(ptr >> PAUTH_PTR_SHIFT ^ modifier >> PAUTH_MODIFIER_SHIFT) & (PAUTH_MEMOS - 1);
}

#define PAUTH_MIX 0x9fb21c651e98df25ull

/* ComputePAC(): 64 bits of which the pointer's layout selects some. */
u64 pauth_compute(enum pauth_algorithm alg, u64 data, u64 modifier, struct pauth_key key);

/* Where a pointer holds its code. */
struct pauth_layout {
    u8 bottom; /* lowest bit of the code: 64 - TxSZ */
    bool tbi;  /* bits 63:56 belong to the program */
};
enum pauth_level { PAUTH_1, PAUTH_EPAC, PAUTH_2 }; /* FEAT_PAuth, FEAT_EPAC, FEAT_PAuth2 */

/* The bits that hold it: bottom..54, and 56..63 when the top byte is not the program's. */
u64 pauth_mask(struct pauth_layout l);
/* AddPAC(): sel is the bit that selects the address range. */
u64 pauth_add(enum pauth_level level, struct pauth_layout l, u64 ptr, bool sel, u64 pac);
/* The pointer of which the code was computed: AddPAC() extends by sel, Auth() and Strip() by bit 55. */
u64 pauth_extend(struct pauth_layout l, u64 ptr, bool sel);
/* Auth(): pac is the code of the extended pointer; *ok says whether it matched. */
u64 pauth_auth(enum pauth_level level, struct pauth_layout l, u64 ptr, u64 pac, bool key_b, bool *ok);
