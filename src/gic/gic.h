/* The interrupt controllers, as the machine sees them: GICv3 (IHI0069) and GICv2 (IHI0048).
 *
 * One struct gic holds everything; its MMIO frames are devices, its system registers are ports.  The
 * machine maps the frames, plugs the ports into the CPUs and connects the wires. */
#pragma once
#include "core/bus.h"
#include "core/irq.h"
#include "core/log.h"
#include "cpu/sysreg.h"

struct gic;

struct gic_config {
    unsigned version;     /* 2 or 3 */
    unsigned cpus;        /* v2: 1..8, v3: 1..512 */
    unsigned spis;        /* shared interrupts, a multiple of 32, at most 960 */
    bool security;        /* the CPUs have EL3: two Security states */
    bool virt;            /* the CPUs have EL2: list registers, ICH_* or GICH/GICV */
    const u64 *mpidr;     /* [cpus], v3: affinities as in MPIDR_EL1 */
    unsigned maintenance; /* INTID of the maintenance interrupt, 0: 25 */
    bool lpis;            /* v3: redistributors have LPIs (needs dma) */
    struct dma dma;       /* v3: the way to LPI and ITS tables */
};

/* Outputs of a CPU's interface, to be connected to cpu_set_input(). */
enum gic_output { GIC_IRQ, GIC_FIQ, GIC_VIRQ, GIC_VFIQ, GIC_OUTPUTS };

/* The MMIO frames. */
enum gic_frame {
    GIC_DIST,   /* GICD: 64 KiB (v2: 4 KiB used) */
    GIC_REDIST, /* v3: GICR, 128 KiB for each CPU, in the order of their index */
    GIC_CPUIF,  /* v2: GICC, 8 KiB used */
    GIC_HYP,    /* v2 with virt: GICH, 4 KiB; +0x1000 and up: the per-CPU views are not there */
    GIC_VCPUIF, /* v2 with virt: GICV, 8 KiB used */
    GIC_FRAMES,
};

struct gic *gic_new(const struct gic_config *cfg, struct log *log);
/* Frees the controller and all its frames (their ops->destroy do nothing). */
void gic_free(struct gic *g);

/* The frame as a device, NULL when this version has no such frame. GIC_DIST's reset and state do the whole
 * controller, those of the other frames nothing. */
struct device *gic_device(struct gic *g, enum gic_frame f);
/* Bytes of address space of a frame. */
u64 gic_frame_size(const struct gic *g, enum gic_frame f);

/* An unconnected-level wire whose sink is SPI n (0: INTID 32), or private interrupt intid (16..31) of a CPU. */
struct irq gic_spi_input(struct gic *g, unsigned n);
struct irq gic_ppi_input(struct gic *g, unsigned cpu, unsigned intid);
/* Where an output of a CPU's interface goes. */
void gic_connect(struct gic *g, unsigned cpu, enum gic_output out, struct irq wire);

/* v3: what to plug into PORT_GIC and PORT_GICV of a CPU. */
struct port gic_port(struct gic *g, unsigned cpu);
struct port gic_vport(struct gic *g, unsigned cpu);

/* v3, direct boot of a Non-secure kernel on a machine with EL3 and without firmware: leaves the controller
 * as firmware would (all interrupts Non-secure Group 1, redistributors awake). Call after reset. */
void gic_boot_nonsecure(struct gic *g);

/* v3 with LPIs: an Interrupt Translation Service, 128 KiB (control and translation frames). The DeviceID of an MSI is
 * its txn's stream. */
struct device *gic_its_new(struct gic *g, const char *id, struct log *log);

/* GICv2m: turns MSI writes into edges of SPIs [base, base + count) (INTIDs, base >= 32). A device of its
 * own, 4 KiB; the pulses go to wires the machine gets from gic_spi_input(). */
struct device *gicv2m_new(struct gic *g, unsigned base, unsigned count, const char *id, struct log *log);
