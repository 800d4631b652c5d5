/* Pointer authentication (FEAT_PAuth): the pure computations. */
#pragma once
#include "core/types.h"

struct pauth_key {
    u64 lo, hi;
};
enum pauth_algorithm { PAUTH_QARMA5, PAUTH_QARMA3, PAUTH_IMPDEF };

/* Results computed before: kernels sign and authenticate the same return addresses again and again. */
struct pauth_memo {
    u64 data, modifier;
    struct pauth_key key;
    u64 pac;
    bool valid;
};
enum { PAUTH_MEMOS = 1024 };

/* ComputePAC(): 64 bits of which the pointer's layout selects some. */
u64 pauth_compute(enum pauth_algorithm alg, u64 data, u64 modifier, struct pauth_key key);

/* Where a pointer holds its code. */
struct pauth_layout {
    u8 bottom; /* lowest bit of the code: 64 - TxSZ */
    bool tbi;  /* bits 63:56 belong to the program */
};
enum pauth_level { PAUTH_1, PAUTH_EPAC, PAUTH_2 }; /* FEAT_PAuth, FEAT_EPAC, FEAT_PAuth2 */

/* AddPAC(): sel is the bit that selects the address range. */
u64 pauth_add(enum pauth_level level, struct pauth_layout l, u64 ptr, bool sel, u64 pac);
/* The pointer of which the code was computed: AddPAC() extends by sel, Auth() and Strip() by bit 55. */
u64 pauth_extend(struct pauth_layout l, u64 ptr, bool sel);
/* Auth(): pac is the code of the extended pointer; *ok says whether it matched. */
u64 pauth_auth(enum pauth_level level, struct pauth_layout l, u64 ptr, u64 pac, bool key_b, bool *ok);
