/* Inside of the interrupt controllers: the state shared by GICv2 and GICv3 and the state machine over it.
 *
 * Interrupts live in words of 32: word 0 (SGIs and PPIs) is private to each CPU, the others (SPIs) are
 * shared.  A CPU's candidates are found by masks over words; only the winner's priority is looked at. */
#pragma once
#include "core/bits.h"
#include "core/check.h"
#include "core/snap.h"
#include "gic/gic.h"

enum {
    GIC_SGIS = 16,
    GIC_PRIVATE = 32,
    GIC_MAX_WORDS = 32,
    GIC_LRS = 4,
    GIC_LPI_BASE = 8192,
    INTID_SECURE = 1020,    /* acknowledged at EL3: the interrupt is for Secure EL1 */
    INTID_NONSECURE = 1021, /* ... is for Non-secure */
    INTID_GROUP1 = 1022,    /* v2: the interrupt is of Group 1 */
    INTID_SPURIOUS = 1023,
};

/* 5 bits of priority, all of them preemption bits: 32 levels, one word of active priorities a group. */
enum { PRIO_BITS = 5, PRIO_MASK = 0xf8, PRIO_IDLE = 0xff, BPR_MIN = 7 - PRIO_BITS };

/* Interrupt groups. With one Security state (DS) Group 1 is GRP_1NS. */
enum gic_group { GRP_0, GRP_1S, GRP_1NS, GRP_COUNT };

/* 32 interrupts. An interrupt is pending when latched (edge, SGI, software) or when its level input is high. */
struct gic_word {
    u32 enable, latch, level, edge, active;
    u32 group, grpmod;
    u32 nsacr[2]; /* 2 bits an interrupt */
    u8 prio[32];
};

/* GICD_CTLR (shared layout, v3 Secure view) */
enum {
    GICD_CTLR_GRP0 = 1 << 0,
    GICD_CTLR_GRP1NS = 1 << 1,
    GICD_CTLR_GRP1S = 1 << 2,
    GICD_CTLR_ARE_S = 1 << 4,
    GICD_CTLR_ARE_NS = 1 << 5,
    GICD_CTLR_DS = 1 << 6,
    GICD_CTLR_E1NWF = 1 << 7,
};

/* Bits of gic_cpu.ctl: settings of the CPU interface, both versions. */
enum {
    CTL_CBPR_S = 1 << 0, /* v2: GICC_CTLR.CBPR is CTL_CBPR_NS */
    CTL_CBPR_NS = 1 << 1,
    CTL_EOI_S = 1 << 2,
    CTL_EOI_NS = 1 << 3,
    CTL_EOI_EL3 = 1 << 4,
    CTL_PMHE = 1 << 6,
    CTL_ACK = 1 << 7,      /* v2 AckCtl */
    CTL_FIQEN = 1 << 8,    /* v2 */
    CTL_BYPASS = 0xf << 9, /* v2: FIQBypDisGrp0 .. IRQBypDisGrp1, stored only */
};

/* ICH_VMCR_EL2, GICH_VMCR: the virtual CPU interface's controls */
enum {
    VMCR_VENG0 = 1 << 0,
    VMCR_VENG1 = 1 << 1,
    VMCR_VACKCTL = 1 << 2,
    VMCR_VFIQEN = 1 << 3,
    VMCR_VCBPR = 1 << 4,
    VMCR_VEOIM = 1 << 9,
    VMCR_VBPR1_SHIFT = 18,
    VMCR_VBPR0_SHIFT = 21,
    VMCR_VPMR_SHIFT = 24,
    VMCR_RESET = BPR_MIN << VMCR_VBPR0_SHIFT | (BPR_MIN + 1) << VMCR_VBPR1_SHIFT,
};

/* GICR_WAKER, GICR_CTLR */
enum { WAKER_PROCESSOR_SLEEP = 2, WAKER_CHILDREN_ASLEEP = 4 };
enum { GICR_CTLR_ENABLE_LPIS = 1, GICR_CTLR_CES = 2, GICR_CTLR_DPG = 7 << 24, GICR_CTLR_DPG0_SHIFT = 24 };

#define IROUTER_IRM (1ull << 31)
#define IROUTER_AFF 0xff00ffffffull

struct gic_pending {
    u32 intid; /* INTID_SPURIOUS: none */
    u8 prio;
    u8 group; /* enum gic_group */
};

/* Pending LPIs of a redistributor by INTID. */
struct gic_lpis {
    u64 pending[1024];
    u64 any[16]; /* which words of pending are not zero */
};

struct gic_cpu {
    struct gic *gic;
    unsigned index;
    u64 affinity; /* Aff3.Aff2.Aff1.Aff0 as in MPIDR_EL1 */

    struct gic_word priv;
    u8 sgi_source[GIC_SGIS];   /* v2: CPUs whose SGI waits here */
    u32 target[GIC_MAX_WORDS]; /* SPIs routed here */

    /* Redistributor */
    u32 waker, rctlr;
    u64 propbaser, pendbaser;
    struct gic_lpis *lpis;  /* NULL: none */
    struct gic_pending lpi; /* best pending LPI */

    /* CPU interface */
    u32 grpen; /* bit per enum gic_group */
    u32 ctl;
    u8 pmr, bpr[GRP_COUNT];
    u32 ap[GRP_COUNT];
    bool el3, secure;        /* the PE's state (v3 with security) */
    struct gic_pending best; /* highest-priority candidate, whatever PMR says (derived) */

    /* Virtual CPU interface; registers in their ICH_* layout */
    u32 hcr, vmcr;
    u32 vap[2];
    u64 lr[GIC_LRS];

    struct irq out[GIC_OUTPUTS];
    struct irq maint;
};

struct gic_frame_dev {
    struct device dev;
    struct gic *gic;
};

struct gic {
    struct gic_frame_dev frame[GIC_FRAMES];
    unsigned version, ncpu, nirq, nwords;
    bool security, virt, lpis;
    struct log *log;
    struct dma dma;

    u32 ctlr;                            /* GICD_CTLR */
    struct gic_word word[GIC_MAX_WORDS]; /* [0] unused */
    u32 any[GIC_MAX_WORDS];              /* v3: routed 1-of-N */
    u64 irouter[GIC_MAX_WORDS * 32];     /* v3 */
    u8 itargets[GIC_MAX_WORDS * 32];     /* v2 */
    struct gic_cpu *cpu;
};

static inline bool gic_ds(const struct gic *g) { return !g->security || (g->ctlr & GICD_CTLR_DS); }
static inline struct gic_word *gic_word(struct gic *g, struct gic_cpu *c, unsigned w)
{
    return w ? &g->word[w] : &c->priv;
}
static inline u32 word_pending(const struct gic_word *w) { return w->latch | (w->level & ~w->edge); }
/* The group of interrupt b of a word. */
static inline enum gic_group word_group(const struct gic *g, const struct gic_word *w, unsigned b)
{
    if (w->group >> b & 1)
        return GRP_1NS;
    return !gic_ds(g) && (w->grpmod >> b & 1) ? GRP_1S : GRP_0;
}
/* A Non-secure access to a controller with two Security states. */
static inline bool txn_ns_view(const struct gic *g, const struct txn *t)
{
    return g->security && t->space != PAS_S && t->space != PAS_ROOT && !(g->ctlr & GICD_CTLR_DS);
}

/* ---- core.c: the state machine -------------------------------------------------------------- */

/* Something about a CPU's candidates changed: finds the best and drives the wires. */
void gic_update_cpu(struct gic *g, struct gic_cpu *c);
/* ... about interrupt irq (private: of c; shared: c is ignored). */
void gic_update_irq(struct gic *g, struct gic_cpu *c, unsigned irq);
void gic_update_word(struct gic *g, struct gic_cpu *c, unsigned w);
void gic_update_all(struct gic *g);
/* Priority mask, active priorities or PE state changed: only the wires. */
void gic_signal(struct gic *g, struct gic_cpu *c);

/* Routes SPI irq to what IROUTER or ITARGETSR say. */
void gic_route(struct gic *g, unsigned irq);
void gic_route_all(struct gic *g);
void gic_route_any(struct gic *g); /* the 1-of-N ones only: what decides about them changed */

u32 gic_group_mask(const struct gic_cpu *c, unsigned group); /* priority bits that preempt */
u8 gic_running_priority(const struct gic_cpu *c);
bool gic_can_preempt(const struct gic_cpu *c, const struct gic_pending *p);
/* Acknowledges c->best: pending -> active, its priority becomes active. Returns the INTID, for an SGI of v2 with
 * the source CPU in bits 12:10. */
u32 gic_activate(struct gic *g, struct gic_cpu *c);
/* Group of the highest active priority, -1: none. */
int gic_active_group(const struct gic_cpu *c);
void gic_drop_priority(struct gic_cpu *c, unsigned group);
void gic_deactivate(struct gic *g, struct gic_cpu *c, unsigned intid);

/* ---- lr.c: the virtual CPU interface, under ICH/ICV and GICH/GICV ----------------------------- */

/* ICH_HCR_EL2, GICH_HCR */
enum { HCR_EN = 1 << 0, HCR_EOICOUNT_SHIFT = 27 };
#define HCR_EOICOUNT (0x1fu << HCR_EOICOUNT_SHIFT)

/* List registers, in ICH_LR<n>_EL2's layout (GICH_LR<n> is converted):
 *
 *   63 62   61  60  59 56 55    48 47 45 44      32 31        0
 *  +-----+----+----+-----+--------+-----+----------+-----------+
 *  |State| HW | Grp|  0  |Priority|  0  |  pINTID  |  vINTID   |
 *  +-----+----+----+-----+--------+-----+----------+-----------+
 *  HW = 0: bit 41 asks for a maintenance interrupt at EOI; v2: bits 44:42 .. see GICH_LR */
#define LR_PENDING (1ull << 62)
#define LR_ACTIVE  (1ull << 63)
#define LR_STATE   (LR_PENDING | LR_ACTIVE)
#define LR_HW      (1ull << 61)
#define LR_GROUP1  (1ull << 60)
#define LR_EOI     (1ull << 41)
#define LR_MASK    (LR_STATE | LR_HW | LR_GROUP1 | 0xf8ull << 48 | 0x1fffull << 32 | 0xffffffffull)

static inline u32 lr_vintid(u64 lr) { return (u32)lr; }
static inline u32 lr_pintid(u64 lr) { return (u32)bits(lr, 44, 32); }
static inline u8 lr_prio(u64 lr) { return (u8)(lr >> 48); }
static inline unsigned lr_group(u64 lr) { return lr & LR_GROUP1 ? 1 : 0; }

/* Drives VIRQ, VFIQ and the maintenance interrupt. */
void gic_vupdate(struct gic *g, struct gic_cpu *c);
/* Index of the highest-priority pending list register, -1: none. */
int gic_vbest(const struct gic_cpu *c);
bool gic_vcan_preempt(const struct gic_cpu *c, int i);
u8 gic_vrunning_priority(const struct gic_cpu *c);
/* Acknowledges list register i. */
void gic_vactivate(struct gic *g, struct gic_cpu *c, int i);
/* End of interrupt. group: which register was written (v3), -1: either. */
void gic_veoi(struct gic *g, struct gic_cpu *c, int group, u32 id);
void gic_vdir(struct gic *g, struct gic_cpu *c, u32 id);
u32 gic_misr(const struct gic_cpu *c);
u32 gic_eisr(const struct gic_cpu *c);
u32 gic_elrsr(const struct gic_cpu *c);
void gic_write_vmcr(struct gic *g, struct gic_cpu *c, u32 v);
/* The virtual BPR fields of VMCR, as ICV_BPR<n> and GICV_(A)BPR. */
unsigned gic_read_vbpr(const struct gic *g, const struct gic_cpu *c, unsigned n);
void gic_write_vbpr(struct gic *g, struct gic_cpu *c, unsigned n, unsigned v);

/* ---- lpi.c: LPIs of a redistributor ----------------------------------------------------------- */

/* A write of GICR_CTLR, GICR_PROPBASER, GICR_PENDBASER (whole new value). */
void gic_lpi_ctlr(struct gic *g, struct gic_cpu *c, u32 v, bool ns);
void gic_lpi_propbaser(struct gic *g, struct gic_cpu *c, u64 v);
void gic_lpi_pendbaser(struct gic *g, struct gic_cpu *c, u64 v);
void gic_lpi_ack(struct gic *g, struct gic_cpu *c, unsigned intid);
/* Makes an LPI pending or not on a redistributor; ignored when that has no such LPI. */
void gic_lpi_set(struct gic *g, struct gic_cpu *c, u32 intid, bool pending);
bool gic_lpi_pending(const struct gic_cpu *c, u32 intid);
/* Looks at all pending LPIs and their configuration again. */
void gic_lpi_rescan(struct gic *g, struct gic_cpu *c);
void gic_lpi_move_all(struct gic *g, struct gic_cpu *from, struct gic_cpu *to);

/* ---- front ends ------------------------------------------------------------------------------ */

extern const struct device_ops gicv3_dist_ops, gicv3_redist_ops;
extern const struct device_ops gicv2_dist_ops, gicv2_cpuif_ops, gicv2_hyp_ops, gicv2_vcpuif_ops;

void gic_reset(struct gic *g);
void gic_state(struct gic *g, struct snap *s);

/* Registers that are arrays over words, common to GICD (v2, v3) and GICR: reg is the offset of the register
 * block. */
bool gic_array_read(struct gic *g, struct gic_cpu *c, const struct txn *t, u32 off, unsigned size, u64 *val);
bool gic_array_write(struct gic *g, struct gic_cpu *c, const struct txn *t, u32 off, unsigned size, u64 val);

u64 gicv3_icc_read(void *arg, unsigned reg, const struct port_txn *t);
void gicv3_icc_write(void *arg, unsigned reg, const struct port_txn *t, u64 val);
u64 gicv3_icv_read(void *arg, unsigned reg, const struct port_txn *t);
void gicv3_icv_write(void *arg, unsigned reg, const struct port_txn *t, u64 val);
u64 gicv3_ich_read(struct gic_cpu *c, unsigned reg);
void gicv3_ich_write(struct gic_cpu *c, unsigned reg, u64 val);
