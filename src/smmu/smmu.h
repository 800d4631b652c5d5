/* System MMU, SMMUv3.2 (IHI0070): translates and contains the DMA of the devices behind it. */
#pragma once
#include <stdio.h>

#include "core/bus.h"
#include "core/irq.h"

struct smmu;

struct smmu_config {
    const char *id;
    struct log *log;
    struct bus *bus;
    u32 device_id;  /* DeviceID of the SMMU's own MSIs */
    bool btm;       /* somebody calls smmu_broadcast() and listens to the wires' event */
    u8 oas;         /* output address bits: 32, 36, 40, 42, 44, 48 or 52 */
    u8 sid_bits;    /* StreamIDs below 1 << sid_bits, at most 24 */
    u8 ssid_bits;   /* SubstreamIDs, at most 16; 0: none */
    bool no_stage1; /* stage 2 only */
    bool no_stage2; /* stage 1 only */
    bool secure;    /* Secure programming interface */
};

enum { SMMU_SIZE = 128 << 10 }; /* register pages 0 and 1 */

/* What became of an access, for views and tests: the event of DDI IHI0070 7.3, 0: none. */
enum smmu_event {
    SMMU_C_BAD_STREAMID = 0x02,
    SMMU_F_STE_FETCH = 0x03,
    SMMU_C_BAD_STE = 0x04,
    SMMU_F_BAD_ATS_TREQ = 0x05,
    SMMU_F_STREAM_DISABLED = 0x06,
    SMMU_F_TRANSL_FORBIDDEN = 0x07,
    SMMU_C_BAD_SUBSTREAMID = 0x08,
    SMMU_F_CD_FETCH = 0x09,
    SMMU_C_BAD_CD = 0x0a,
    SMMU_F_WALK_EABT = 0x0b,
    SMMU_F_TRANSLATION = 0x10,
    SMMU_F_ADDR_SIZE = 0x11,
    SMMU_F_ACCESS = 0x12,
    SMMU_F_PERMISSION = 0x13,
};

/* The interrupt wires of the Non-secure (0) and the Secure (1) programming interface. All are edges. */
struct smmu_wires {
    struct irq eventq, cmdq_sync, gerror;
    struct irq priq;  /* Non-secure alone */
    struct irq event; /* wakes the PEs from WFE, as SEV does */
};

struct smmu *smmu_new(const struct smmu_config *cfg);
struct device *smmu_device(struct smmu *s);
struct smmu_wires *smmu_wires(struct smmu *s, bool secure);
/* The way to memory of what is behind the SMMU; txn.stream is the StreamID. What comes this way never stalls: a fault
 * that is configured to stall ends it with an abort (IHI0070 3.12, note on devices that cannot stall). */
struct dma smmu_dma(struct smmu *s, u32 stream);
/* A broadcast TLB invalidation of a PE. */
struct tlb_inv;
void smmu_broadcast(struct smmu *s, const struct tlb_inv *inv);
/* For people: registers, queues, streams with their tables in words, and the last faults. */
void smmu_view(struct smmu *s, FILE *out);

/* ---- clients that know more than struct dma says: SubstreamIDs, stalls, ATS and PRI ------------- */

enum smmu_op { SMMU_READ, SMMU_WRITE, SMMU_SWAP, SMMU_ADD };
enum { SMMU_BURST = 64 };

/* A transaction; it stays within 4 KiB. */
struct smmu_access {
    u64 addr;
    u32 sid, ssid;
    u32 cookie; /* the client's */
    u8 client;  /* of smmu_attach() */
    u8 op;      /* enum smmu_op; exchanges have 4 or 8 bytes */
    u8 size;    /* bytes, at most SMMU_BURST */
    u8 ssv;     /* has a SubstreamID */
    u8 secure, priv, inst;
    u8 translated; /* ATS: addr is the answer to a translation request */
    u8 can_stall;
    u8 pad[3];
    u8 data[SMMU_BURST]; /* written, or read */
};
enum smmu_result {
    SMMU_DONE,
    SMMU_ABORTED,
    SMMU_STALLED, /* done() will tell the end */
    SMMU_BUSY,    /* as many are stalled as there is room for: try again later */
};

enum smmu_ats_status { SMMU_ATS_SUCCESS, SMMU_ATS_UR = 1, SMMU_ATS_CA = 4 }; /* as in a PCIe completion */
struct smmu_ats_request {
    u64 addr;
    u32 sid, ssid;
    bool ssv, secure;
    bool no_write;
    bool priv, exe; /* only with a SubstreamID */
};
struct smmu_ats_reply {
    u8 status; /* enum smmu_ats_status */
    bool r, w, exe, priv;
    u8 log2; /* bytes that the translation covers */
    u64 addr;
};

struct smmu_page_request {
    u64 addr;
    u32 sid, ssid;
    u16 group; /* page request group index */
    bool ssv, secure;
    bool last, r, w, exe, priv;
};
/* As on the wire (IHI0070 8.3). */
enum smmu_page_response { SMMU_PRG_SUCCESS = 0, SMMU_PRG_INVALID = 1, SMMU_PRG_FAILURE = 15 };

/* What the SMMU tells a client. Calls come from within an access to the SMMU's registers. */
struct smmu_client {
    void *arg;
    /* A stalled access ended with SMMU_DONE or SMMU_ABORTED. */
    void (*done)(void *arg, const struct smmu_access *a, enum smmu_result how);
    /* CMD_ATC_INV; addr is aligned to 1 << log2 bytes (64: all). */
    void (*invalidate)(void *arg, u32 sid, bool ssv, u32 ssid, bool global, u64 addr, unsigned log2);
    void (*page_response)(void *arg, u32 sid, bool ssv, u32 ssid, unsigned group, enum smmu_page_response code);
};
/* Returns the client's number; up to four. Clients are asked in this order and sort out StreamIDs themselves. */
unsigned smmu_attach(struct smmu *s, const struct smmu_client *c);
enum smmu_result smmu_access(struct smmu *s, struct smmu_access *a);
struct smmu_ats_reply smmu_ats_translate(struct smmu *s, const struct smmu_ats_request *r);
void smmu_page_request(struct smmu *s, const struct smmu_page_request *r);
