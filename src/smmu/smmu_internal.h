/* Between the parts of the SMMU: smmu.c (registers), smmu_command.c, smmu_queue.c (events, page requests, errors),
 * smmu_config.c (stream table entries and context descriptors), smmu_cache.c (caches of both and of translations),
 * smmu_translate.c (one access), smmu_stall.c, smmu_ats.c, smmu_view.c. */
#pragma once
#include "core/bits.h"
#include "mmu/walk.h"
#include "smmu/smmu.h"

enum { STE_WORDS = 8, CD_WORDS = 8, EVENT_WORDS = 4, COMMAND_WORDS = 2 };

/* ---- registers ------------------------------------------------------------------------------- */

enum { CR0_SMMUEN = 1, CR0_PRIQEN = 2, CR0_EVENTQEN = 4, CR0_CMDQEN = 8, CR0_ATSCHK = 16 };
enum { S_CR0_SIF = 1 << 5, S_CR0_NSSTALLD = 1 << 9 };
enum { CR2_E2H = 1, CR2_RECINVSID = 2, CR2_PTM = 4, CR2_REC_CFG_ATS = 8 };
enum { IRQ_GERROR = 1, IRQ_PRIQ = 2, IRQ_EVENTQ = 4 };
enum gerror {
    GERROR_CMDQ = 1 << 0,
    GERROR_EVENTQ_ABT = 1 << 2,
    GERROR_PRIQ_ABT = 1 << 3,
    GERROR_MSI_CMDQ_ABT = 1 << 4,
    GERROR_MSI_EVENTQ_ABT = 1 << 5,
    GERROR_MSI_PRIQ_ABT = 1 << 6,
    GERROR_MSI_GERROR_ABT = 1 << 7,
};
enum { GBPA_ABORT = 1 << 20 };

struct smmu_msi {
    u64 addr; /* 0: wired only */
    u32 data, attr;
};

/* A programming interface: the registers of one Security state. */
struct world {
    u32 cr0, cr1, cr2, gbpa, agbpa, irq_ctrl, gerror, gerrorn;
    u32 strtab_cfg, cmdq_prod, cmdq_cons, eventq_prod, eventq_cons, priq_prod, priq_cons;
    u64 strtab, cmdq, eventq, priq;
    struct smmu_msi msi_gerror, msi_eventq, msi_priq; /* the PRI queue is Non-secure alone */
    struct smmu_wires wires;
};

/* ---- caches ---------------------------------------------------------------------------------- */

enum { STES = 128, CDS = 256, TLB_SETS_S = 256, TLB_WAYS_S = 4 };

struct ste {
    u64 w[STE_WORDS];
    u32 sid;
    u8 world;
    u8 valid;
    u8 pad[2];
};
struct cd {
    u64 w[CD_WORDS];
    u32 sid, ssid;
    u8 world;
    u8 valid;
    u8 pad[6];
};

/* Which translations an entry belongs to: what TLBI commands name (IHI0070 3.17). */
enum tlb_class { CLASS_NH, CLASS_EL2, CLASS_EL2_E2H, CLASS_EL3 };
struct tag {
    u8 world, class; /* enum tlb_class */
    u8 stages;       /* 1, 2 or 3 */
    u8 aset;         /* CD.ASET: not for broadcasts that name an ASID; distinguishes global pieces */
    u16 asid, vmid;
};
/* A 4 KiB piece of a translation. */
struct piece {
    struct tag tag;
    u64 page; /* input address / 4 KiB; ~0: empty */
    u64 pa;   /* struct pa of the piece */
    u64 ipa;  /* what stage 1 gave */
    u16 perm; /* enum perm_bits */
    u8 s1_log2, s2_log2;
    u8 global;
    u8 pad[3];
};

/* ---- stalled transactions ---------------------------------------------------------------------- */

enum { STALLS = 64 };
enum stall_state { STALL_FREE, STALL_UNREPORTED /* the event queue had no room */, STALL_REPORTED };
/* The STAG is the index. */
struct stall {
    struct smmu_access access;
    u32 order; /* of arrival */
    u8 world, state;
    u8 pad[2];
};

/* ---- the whole --------------------------------------------------------------------------------- */

enum { CLIENTS = 4, NOTES = 8 };

/* An event that was generated, recorded or not: for people. */
struct note {
    u64 record[4];
    u8 world, lost, valid;
    u8 pad[5];
};

struct smmu {
    struct device dev;
    struct smmu_config cfg;
    u32 idr[6], s_idr1;
    struct world world[2];
    struct ste ste[STES];
    struct cd cd[CDS];
    struct piece piece[TLB_SETS_S][TLB_WAYS_S];
    u32 victim; /* next way to replace */
    struct stall stall[STALLS];
    u32 stall_order;
    struct note note[NOTES];
    u32 notes; /* events so far */
    struct smmu_client client[CLIENTS];
    unsigned clients;
};

/* ---- configuration structures ------------------------------------------------------------------ */

/* One bit field of a structure of 64-bit words; msb and lsb count from bit 0 of the structure. */
static inline u64 field(const u64 *w, unsigned msb, unsigned lsb) { return bits(w[lsb / 64], msb % 64, lsb % 64); }

/* STE (IHI0070 5.2) */
static inline bool ste_s1(const struct ste *e) { return field(e->w, 1, 1); }
static inline bool ste_s2(const struct ste *e) { return field(e->w, 2, 2); }
static inline bool ste_live(const struct ste *e) { return field(e->w, 3, 3); } /* Config 0b1xx */
static inline unsigned ste_cdmax(const struct smmu *s, const struct ste *e)
{
    return s->cfg.ssid_bits ? (unsigned)field(e->w, 63, 59) : 0;
}
static inline unsigned ste_dss(const struct ste *e) { return (unsigned)field(e->w, 65, 64); }
static inline bool ste_s1stalld(const struct ste *e) { return field(e->w, 91, 91); }
/* The effective value: stage 2 is for the EL1 stream world. */
static inline unsigned ste_strw(const struct ste *e) { return ste_s2(e) ? 0 : (unsigned)field(e->w, 95, 94); }
static inline u16 ste_vmid(const struct ste *e) { return (u16)field(e->w, 143, 128); }
static inline bool ste_s2s(const struct ste *e) { return field(e->w, 185, 185); }
static inline bool ste_s2r(const struct ste *e) { return field(e->w, 186, 186); }
static inline bool ste_s2ds(const struct ste *e) { return field(e->w, 195, 195); }
/* CD (IHI0070 5.4) */
static inline bool cd_s(const struct cd *c) { return field(c->w, 44, 44); }
static inline bool cd_r(const struct cd *c) { return field(c->w, 45, 45); }
static inline bool cd_a(const struct cd *c) { return field(c->w, 46, 46); }
static inline bool cd_aset(const struct cd *c) { return field(c->w, 47, 47); }
static inline bool cd_ds(const struct cd *c) { return field(c->w, 186, 186); }
static inline u16 cd_asid(const struct cd *c) { return (u16)field(c->w, 63, 48); }

/* ---- one access -------------------------------------------------------------------------------- */

enum { EVENT_CD, EVENT_TT, EVENT_IN }; /* CLASS of a fault */
#define EVENT_STALL (1ull << 31)       /* in the second word; bits 15:0 are the STAG then */
enum kind { ORDINARY, ATS_REQUEST, ATS_TRANSLATED };
enum verdict { GO, ABORT, RAZ_WI, STALL, BUSY };

/* An access on its way, and what the event about it will say. */
struct request {
    struct smmu *s;
    u8 world;
    u8 kind; /* enum kind */
    u32 sid, ssid;
    bool ssv; /* has a SubstreamID */
    bool priv, inst, write;
    bool atomic; /* reads, too */
    u64 addr;
    const struct smmu_access *stallable; /* NULL: cannot stall */
    const struct ste *ste;
    const struct cd *cd; /* NULL: no stage 1 */
    struct regime s1, s2;
    struct walk_mem mem;
    u64 fetch; /* address of the structure or descriptor whose read failed last */
    u8 last;   /* enum smmu_event: what became of it; 0: nothing to tell */
    u8 ended;  /* enum verdict of a fault on the way to the context descriptor */
};

struct request smmu_request(struct smmu *s, u8 world, u32 sid, u64 addr);
/* smmu_translate.c. Where an ordinary access goes, with the STE's attributes in q. */
enum verdict smmu_translate(struct request *q, struct pa *pa);
/* What of mem's bus a translated access reaches; GBPA and STE attributes are applied. */
enum bus_result smmu_perform(struct request *q, const struct txn *t, struct pa pa, u8 *buf, size_t n);
enum verdict smmu_run(struct smmu *s, struct smmu_access *a);
bool smmu_access_ok(const struct smmu_access *a);
void smmu_override(struct request *q); /* STE.PRIVCFG and INSTCFG */
u64 smmu_untagged(const struct request *q);
bool smmu_secure_interface(const struct smmu *s, const struct txn *t);
/* Records the fault as the configuration asks and says what becomes of the access. */
enum verdict smmu_fault(struct request *q, const struct fault *f, unsigned class);

/* smmu_config.c. False: an event was recorded, or the stream says abort. */
bool smmu_find_ste(struct request *q);
bool smmu_find_cd(struct request *q);
/* Makes q->s2 and, with a CD, q->s1. */
void smmu_make_s2(struct request *q);
void smmu_make_s1(struct request *q);
/* Bits of the value of an address size field. */
unsigned smmu_size_bits(const struct smmu *s, unsigned code);
struct tag smmu_tag(const struct request *q);

/* smmu_translate.c: addr through stage 2 alone (or no stage), for context descriptors. */
bool smmu_stage2(struct request *q, u64 addr, struct pa *pa);

/* smmu_queue.c */
unsigned smmu_queue_log2(u64 base);
u64 smmu_queue_slot(u64 base, unsigned entry_log2, u32 index);
struct txn smmu_queue_txn(const struct smmu *s, unsigned world);
bool smmu_eventq_writable(const struct smmu *s, unsigned world);
/* False: it was not written. */
bool smmu_record(struct request *q, unsigned id, u64 word1, u64 word2, u64 word3);
void smmu_raise(struct smmu *s, unsigned world, u32 gerror);
void smmu_pulse(struct irq *i);
enum pri_outcome { PRI_WRITTEN, PRI_OVERFLOW, PRI_REFUSED };
enum pri_outcome smmu_pri_write(struct smmu *s, const u64 *record, bool last);

/* smmu_command.c */
void smmu_commands(struct smmu *s, unsigned world); /* consumes the command queue */

/* smmu_stall.c */
int smmu_stall_slot(struct smmu *s); /* -1: none is free */
void smmu_stall_keep(struct smmu *s, unsigned slot, const struct smmu_access *a, u8 world, bool reported);
void smmu_resume(struct smmu *s, unsigned world, u32 sid, unsigned stag, bool retry, bool abort);
/* Ends those of a stream, or with all of the world, by an abort. */
void smmu_stall_end(struct smmu *s, unsigned world, bool all, u32 sid);
/* Tries those again whose events could not be written. */
void smmu_stall_retry(struct smmu *s, unsigned world);
bool smmu_may_stall(const struct smmu *s, unsigned world); /* STALL_MODEL of the interface is 0 */

/* smmu_ats.c */
unsigned smmu_eats(const struct request *q);                  /* the effective STE.EATS */
enum verdict smmu_ats_pass(struct request *q, struct pa *pa); /* a translated transaction */

/* smmu_cache.c */
struct ste *smmu_ste_slot(struct smmu *s, unsigned world, u32 sid);
struct cd *smmu_cd_slot(struct smmu *s, unsigned world, u32 sid, u32 ssid);
const struct piece *smmu_lookup(struct smmu *s, const struct tag *t, u64 addr);
void smmu_fill(struct smmu *s, const struct tag *t, u64 addr, const struct walk_out *out);
void smmu_cache_clear(struct smmu *s);

/* What an invalidation names; a piece goes when all that are asked for agree. */
struct smmu_inv {
    u8 world, class;
    bool any_class; /* EL2 and EL2-E2H alike */
    bool broadcast;
    u8 stages;    /* mask of 1 << stages */
    bool by_vmid; /* else any */
    bool by_asid; /* and global pieces, when by_addr, too */
    bool by_addr, by_ipa;
    u16 vmid, asid;
    u64 addr, size; /* bytes; by_addr: input address of stage 1, by_ipa: of stage 2 */
};
void smmu_invalidate(struct smmu *s, const struct smmu_inv *i);
void smmu_inv_ste(struct smmu *s, unsigned world, u32 first, u32 last);
void smmu_inv_cd(struct smmu *s, unsigned world, u32 sid, bool all, u32 ssid);
