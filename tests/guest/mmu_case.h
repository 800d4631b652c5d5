/* A random case of the translation test: its registers, tables and input address. */
#pragma once
#include "bare.h"

/* Table memory and data, used afresh by each case. The low 30 bits of data addresses are those of a hole in the
 * board's map, so that a block of any size leads to data or to nothing. */
#define POOL      0x44000000ul
#define POOL_SIZE (64ul << 16)
#define DATA      0x4f000000ul
#define DATA_SIZE (1ul << 16)

enum { EL10, EL2, EL20, EL3 }; /* regimes */

struct tree {
    unsigned granule, bits; /* input address bits */
    int start;
    u64 root;
    int stage;
    int wide; /* 52-bit descriptors: 0 no, 1 64 KiB form, 2 DS form */
    int big;  /* big-endian descriptors */
    int upper;
};

struct trial {
    struct tree s1, stubs, s2, s2ns;
    int regime, secure, stage2, tge, runs, atomics, device;
    u64 tcr, ttbr[2], vtcr, vttbr, vstcr, vsttbr, hcr, scr, sctlr, sctlr_el2, mair;
    u64 va, stub_va;
};

extern u8 stub[], fwb;
extern u64 *touched[], before[];
extern unsigned touched_n;

static inline u64 ones(unsigned n) { return n >= 64 ? ~0ul : (1ul << n) - 1; }

void case_make(struct trial *t);
/* Maps what stage 1 leads to. */
void case_map_ipa(struct trial *t, u64 ipa, u64 ns);
/* Restores the data; a hash of what was changed. */
u64 case_clean(void);
void main(void);
void report_broken(u64 esr, u64 elr, u64 far);
