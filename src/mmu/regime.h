/* A translation regime as pure data: what a walk needs and nothing about where it came from (CPU
 * registers, an SMMU context descriptor, a debugger's question).  DDI0487 D8. */
#pragma once
#include "core/types.h"

/* One of the two (or the only) VA ranges of a stage 1, or the IPA range of a stage 2. */
struct tr_range {
    u64 ttbr;       /* table base register as written: BADDR, CnP (ASID/VMID are elsewhere) */
    u8 txsz;        /* TxSZ: the input address has 64 - txsz bits */
    u8 granule;     /* 12, 14 or 16 */
    u8 sl;          /* stage 2: VTCR_EL2.SL0 (SL2 in bit 2) */
    bool epd;       /* walks disabled: translation fault */
    bool hpd;       /* hierarchical permissions disabled */
    bool tbi, tbid; /* top byte ignored; for data only */
    bool ns;        /* a Secure regime's first table is in Non-secure memory (SMMU contexts) */
    bool e0pd;      /* EL0 access faults (level 0 translation fault) */
    u8 sh;          /* shareability of table walks and of the range's default */
};

enum regime_kind { REGIME_EL10, REGIME_EL2, REGIME_EL20, REGIME_EL3, REGIME_STAGE2 };

struct regime {
    u8 kind;                   /* enum regime_kind */
    bool on;                   /* stage 1: SCTLR.M and no HCR_EL2.TGE/DC override; stage 2: HCR_EL2.VM or DC */
    bool dc;                   /* stage 1 off with HCR_EL2.DC: Normal WB, else Device-nGnRnE for data */
    bool icache;               /* SCTLR.I: attribute of instruction fetches with stage 1 off */
    u8 space;                  /* enum pas of the Security state that translates */
    u8 ps;                     /* output address bits: 32, 36, 40, 42, 44, 48, 52 */
    bool ds;                   /* TCR.DS / VTCR.DS: 52-bit addresses with 4 and 16 KiB granules */
    bool ee;                   /* big-endian tables */
    bool ha, hd;               /* hardware access flag, dirty state */
    bool affd;                 /* access flag faults disabled (SMMU contexts) */
    bool wxn;                  /* writable implies XN */
    bool two_ranges;           /* EL1&0, EL2&0 */
    bool nv1;                  /* HCR_EL2.{NV,NV1} = {1,1}: AP[1], PXN/UXN as the EL2 guest sees them */
    bool epan;                 /* SCTLR.EPAN: PAN also covers pages that EL0 may execute */
    bool sif;                  /* SCR_EL3.SIF: no Secure fetches from Non-secure memory */
    u8 pamax;                  /* implemented output address bits */
    bool ttst;                 /* small tables (TxSZ up to 48/47) */
    bool s2_ptw;               /* stage 2: HCR_EL2.PTW, stage 1 walks to Device memory fault */
    bool s2_fwb, s2_cd, s2_id; /* stage 2: HCR_EL2.FWB, CD, ID */
    bool xnx;                  /* stage 2: XN[1:0] separates EL1 and EL0 */
    bool sw, nsw;              /* Secure stage 2: VSTCR_EL2.SW/SA, VTCR_EL2.NSW/NSA select the walk's PAS */
    bool sa, nsa;
    /* AArch32 (EL1&0 only) */
    u8 aa32;                   /* 0: no, 1: long descriptors, 2: short ones */
    u8 ttbcr_n;                /* short: TTBCR.N */
    bool tre, afe, uwxn;       /* SCTLR */
    u32 dacr;
    u16 vmid;
    u16 asid; /* current, by TCR.A1 and .AS */
    u64 mair;
    struct tr_range r[2];
    const struct regime *s2; /* stage 2 of a stage 1 regime, NULL: none (never NULL-on: s2->on may be false) */
};
