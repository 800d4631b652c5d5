/* Boards as tables: what device is where, on which interrupt. */
#pragma once
#include "machine/config.h"

enum board_type {
    BOARD_GICD,
    BOARD_GICC,
    BOARD_GICV2M,
    BOARD_GICH,
    BOARD_GICV,
    BOARD_GICR,
    BOARD_ITS,
    BOARD_PL011,
    BOARD_PL031,
    BOARD_VIRTIO,
    BOARD_FWCFG,
    BOARD_PL061,
    BOARD_ECAM,
    BOARD_PCI_MMIO,
    BOARD_PCI_IO,
    BOARD_PCI_MMIO64,
    BOARD_FLASH,
    BOARD_RAM,
    BOARD_SECRAM,
    BOARD_SMMU,
    BOARD_DMA_ENGINE,
};

enum board_when {
    WHEN_ALWAYS = 0,
    WHEN_GIC2 = 1 << 0,
    WHEN_GIC3 = 1 << 1,
    WHEN_EL2 = 1 << 2,
    WHEN_EL3 = 1 << 3,
    WHEN_FIRMWARE = 1 << 4,
    WHEN_SMMU = 1 << 5,
    WHEN_DMA_ENGINE = 1 << 6,
};

struct board_row {
    const char *id;
    u8 type; /* enum board_type */
    u64 base, size;
    unsigned count;
    int spi; /* first shared peripheral interrupt, -1: none */
    unsigned when;
};

/* Private peripheral interrupts of each CPU (INTID 16 + n is written n in device trees). */
enum board_ppi {
    PPI_RAS_FAULT = 17, /* a PE's error record: fault handling, error recovery */
    PPI_RAS_RECOVERY = 18,
    PPI_EL2_VIRT_SEC = 19,
    PPI_EL2_PHYS_SEC = 20,
    PPI_PMU = 23,
    PPI_MAINTENANCE = 25,
    PPI_EL2_PHYS = 26,
    PPI_EL1_VIRT = 27,
    PPI_EL2_VIRT = 28,
    PPI_EL1_PHYS_SEC = 29,
    PPI_EL1_PHYS = 30,
};

enum {
    BOARD_RAM_BASE = 0x40000000,
    BOARD_RTC_START = 1704067200, /* seconds since 1970 at virtual time 0 */
    BOARD_CNTFRQ = 62500000, /* Hz; TF-A's port of this board assumes it */
    BOARD_SPIS = 256,        /* as the reference has: 288 interrupts with the private ones */
    BOARD_V2M_SPIS = 64,
    BOARD_VIRTIO_SLOTS = 32,
    BOARD_GIC2_CPUS = 8, /* most CPUs */
    BOARD_GIC3_CPUS = 64,
};

extern const struct board_row board_virt[];
extern const unsigned board_virt_rows;

/* Is this row's device there in this configuration? */
bool board_has(const struct board_row *r, const struct config *c);
/* The row of a type, NULL: not in this configuration. */
const struct board_row *board_find(const struct config *c, enum board_type type);
/* Instances in this configuration and bytes of the address space they take. */
unsigned board_count(const struct board_row *r, const struct config *c);
u64 board_bytes(const struct board_row *r, const struct config *c);
/* MPIDR_EL1's affinity fields of CPU i: clusters of 16 (GICv3) or 8 (GICv2). */
u64 board_affinity(const struct config *c, unsigned i);
