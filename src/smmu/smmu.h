/* System MMU, SMMUv3.2 (IHI0070): translates and contains the DMA of the devices behind it. */
#pragma once
#include "core/bus.h"
#include "core/irq.h"

struct smmu;

struct smmu_config {
    const char *id;
    struct log *log;
    struct bus *bus;
    u32 device_id;  /* DeviceID of the SMMU's own MSIs */
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
};

struct smmu *smmu_new(const struct smmu_config *cfg);
struct device *smmu_device(struct smmu *s);
struct smmu_wires *smmu_wires(struct smmu *s, bool secure);
/* The way to memory of what is behind the SMMU; txn.stream is the StreamID. */
struct dma smmu_dma(struct smmu *s, u32 stream);
